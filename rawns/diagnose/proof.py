"""Proving a diagnosis by real packets: that the request arrived in B, that B answered, and that large packets pass as well.

If no check found a fault and still no answer comes, the packets that were seen on the way tell where the probe was lost.
"""

from __future__ import annotations

from .. import uapi
from ..errors import RawnsError
from ..terminal import printable
from . import capture, netfilter_checks, remedy
from .hop import Hop, NetworkFault
from .probe import ProbeRequest
from .remedy import Remedy
from .segment import BRIDGE, CABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..objects.link import Link
    from .diagnosis import Diagnosis
    from .flow import Flow
    from .hop import FilterSuspect
    from .namespace_view import NamespaceView
    from .path import PathTracer
    from .probe import ProbeResult

    Send = Callable[[ProbeRequest], ProbeResult]

ANSWER_SECONDS = 3.0  # within which an answer proves that there is no fault; address resolution takes up to three
REFUTATION_SECONDS = 0.3  # within which an answer proves that a fault that was found is none
PLAIN_BYTES = 56  # data of an echo request, as ping(8) sends it
LARGE_ANSWER_SECONDS = 1.0  # for a packet of full size, if a small one has just been answered
HEADER_BYTES = {uapi.AF_INET: 28, uapi.AF_INET6: 48}  # IP and ICMP
MIN_MTU = {uapi.AF_INET: 68, uapi.AF_INET6: 1280}  # RFC 791, RFC 8200
MAX_MTU_STEPS = 6  # routers with a smaller MTU each
MAX_CHAINS = 6  # named in one sentence
PACKET_TOO_BIG = {  # protocol; type and code of the ICMP message, and the match of nft(8)
    uapi.AF_INET: ("icmp", (uapi.ICMP_DEST_UNREACH, uapi.ICMP_FRAG_NEEDED), "icmp type 3"),
    uapi.AF_INET6: ("icmpv6", (uapi.ICMPV6_PKT_TOOBIG, 0), "icmpv6 type packet-too-big"),
}

Point = tuple["NamespaceView", "Link", bool]  # a device, and whether the frame goes out there


class PathVerifier:
    """Sends probes along the path of a tracer and judges what became of them."""

    def __init__(self, tracer: PathTracer, flow: Flow, send: Send, seconds: float = ANSWER_SECONDS) -> None:
        self.tracer, self.flow, self.send, self._seconds = tracer, flow, send, seconds
        self.diagnosis: Diagnosis = tracer.diagnosis

    def prove(self, fault: NetworkFault | None) -> NetworkFault | None:
        """Return the fault that remains after a probe: the given one if it is not refuted, or what the probe has shown."""
        diagnosis = self.diagnosis
        if diagnosis.target is None or (fault is not None and fault.conclusive):
            return fault
        try:
            result = self._probe(self._seconds if fault is None or fault.transient else REFUTATION_SECONDS)
        except (RawnsError, OSError):
            if fault is None:
                raise
            return fault  # no socket is allowed: the checks have the last word
        arrived = None if self._destination() is None else result.arrived(self._destination() or self.tracer.origin)
        if result.rtt is not None and arrived is not False:
            diagnosis.rtt, diagnosis.refuted = result.rtt, fault
            self._count_hops(result)
            return self._too_large() if fault is None and self.flow.protocol == "icmp" else None
        if fault is not None:
            return fault
        if result.rtt is not None:
            return self._other_host(result)
        if self.flow.protocol == "udp" and arrived and not result.refused:
            self._count_hops(result)
            return None  # silence is an answer: the datagram arrived, and a socket receives it
        return self._unanswered(result)

    def _destination(self) -> NamespaceView | None:
        """Return the namespace in which the request has to arrive; None if it is the sender's, or not known."""
        found = self.tracer.arrived or self.tracer.destination
        return None if found is self.tracer.origin else found

    def _watched(self) -> list[NamespaceView]:
        """Return the namespaces on the way."""
        views = [self.tracer.origin, self._destination()]
        for hop in self.tracer.hops():
            views += [hop.here, *(view for segment in hop.segments for view, _ in segment.links), hop.receiver]
        return [view for view in dict.fromkeys(views) if view is not None]

    def _probe(self, seconds: float, size: int = PLAIN_BYTES, whole: bool = False) -> ProbeResult:
        tracer = self.tracer
        request = ProbeRequest(tracer.origin, str(self.diagnosis.target), self.flow, seconds, size=size, whole=whole)
        request.device = tracer.device.name if tracer.device is not None else ""
        request.watched = [] if tracer.destination is tracer.origin else self._watched()
        request.ports |= {one.port_after for one in tracer.translations}
        return self.send(request)

    def _count_hops(self, result: ProbeResult) -> None:
        """Correct the number of hops by the time to live with which the request arrived: not every router may be visible."""
        destination, first = self._destination(), next(iter(self.tracer.trail), None)
        if destination is None or first is None:
            return
        name = "ipv4/ip_default_ttl"
        if self.diagnosis.family == uapi.AF_INET6:
            name = f"ipv6/conf/{first.egress.name if first.egress is not None else 'default'}/hop_limit"
        start = self.tracer.origin.sysctl(name)
        metrics = {} if first.route is None else first.route.body.get("RTA_METRICS", {})
        start = metrics.get("RTAX_HOPLIMIT") or start
        hops = None if start is None else result.hops(destination, start, self.flow.number(self.diagnosis.family))
        if hops is not None and hops > self.diagnosis.hops:
            self.diagnosis.hops = hops

    # -- another host answered --------------------------------------------------------------------------------------

    def _other_host(self, result: ProbeResult) -> NetworkFault:
        """Return the fault of an answer to a request that never arrived in the destination: another host has sent it."""
        tracer, destination, target = self.tracer, self._destination(), str(self.diagnosis.target)
        assert destination is not None
        sentence, change = f"{target} answers, but the request did not arrive in {destination.name}", Remedy()
        frames = [one for one in result.all_frames if one.view is tracer.origin and not one.outgoing]
        lladdr = next((one.lladdr for one in reversed(frames) if one.ip is not None and one.ip.source == target), "")
        others = [(view, link) for view in tracer.known() if view is not destination for link in view.links.values()]
        view, link = next(((view, link) for view, link in others if lladdr == link.address and not link.loopback), (None, None))
        if view is not None and link is not None:
            sentence += f": the answer comes from {view.named(link)} ({lladdr})"
            held = view.holder(target)
            if held is not None and not tracer.translations and view not in [one.here for one in tracer.trail]:
                change = remedy.delete_address(view, *held)
        elif lladdr:
            sentence += f": the answer comes from {lladdr}, which is none of the links that can be seen"
        return self._note("answer", target, NetworkFault(sentence, change, conclusive=True))

    def _note(self, check: str, subject: str, fault: NetworkFault) -> NetworkFault:
        self.tracer.note(check, subject, fault)
        return fault

    # -- large packets ----------------------------------------------------------------------------------------------

    def _too_large(self) -> NetworkFault | None:
        """Send a packet as large as the first link allows, which must not be fragmented: path MTU discovery has to work."""
        tracer, family = self.tracer, self.diagnosis.family
        first = next(iter(tracer.trail), None)
        if first is None or first.egress is None or tracer.destination is tracer.origin or first.route is None:
            return None
        mtu = min(first.egress.mtu or 0, first.route.mtu or 1 << 16)
        if first.egress.loopback or mtu <= max(MIN_MTU[family], PLAIN_BYTES + HEADER_BYTES[family]):
            return None
        for _ in range(MAX_MTU_STEPS):
            result = self._probe(LARGE_ANSWER_SECONDS, mtu - HEADER_BYTES[family], whole=True)
            reported = _reported_mtu(result.error)
            if result.rtt is not None or reported is None or not MIN_MTU[family] <= reported < mtu:
                break
            mtu = reported  # by a router on the way: packets of that size have to pass
        narrow = self._narrowest(mtu)
        subject = first.here.named(first.egress) if narrow is None else narrow[0].named(narrow[1])
        if result.rtt is not None:
            tracer.note("MTU", subject, None)
            return None
        return self._note("MTU", subject, self._black_hole(result, mtu, narrow))

    def _narrowest(self, mtu: int) -> Point | None:
        """Return the first device whose MTU is too small, and whether a router has to say so; else a peer just discards."""
        for hop in self.tracer.hops():
            if hop.egress is not None and hop.iif is not None and (hop.egress.mtu or mtu) < mtu:
                return hop.here, hop.egress, True
            ends = [one for segment in hop.segments for one in segment.links if one[1].kind != "bridge"]
            ends += [(hop.receiver, hop.ingress)] if hop.receiver is not None and hop.ingress is not None else []
            for view, link in ends:
                if (link.mtu or mtu) < mtu:
                    return view, link, False
        for hop in self.tracer.nested:  # outer packets of a tunnel are fragmented to the MTU of the link by which they leave
            sent = hop.egress.mtu or 0 if hop.egress is not None else 0
            for view, link in [one for segment in hop.segments for one in segment.links if one[1].kind != "bridge"]:
                if (link.mtu or sent) < sent:
                    return view, link, False
        return None

    def _black_hole(self, result: ProbeResult, mtu: int, narrow: Point | None) -> NetworkFault:
        """Return the fault of a path that passes small packets, but not large ones, and on which no router reports it."""
        sentence = f"small packets come through, those of {mtu} bytes do not"
        if narrow is None:
            return self._explained(result, sentence)
        view, link, router = narrow
        sentence += f": the MTU of {view.named(link)} is {link.mtu}"
        if router:
            sentence += f", and no ICMP message of {view.name} that says so comes back"
            stop = self._dropped_error(view)
            if stop is not None:
                return NetworkFault(f"{sentence}: {stop.sentence}", stop.remedy)
        return NetworkFault(sentence, remedy.set_link(view, link, f"mtu {mtu}", (link.mtu or 0) < mtu))

    def _dropped_error(self, router: NamespaceView) -> NetworkFault | None:
        """Return the filter that drops the ICMP message with which a router reports a smaller MTU."""
        hop = next((one for one in self.tracer.trail if one.here is router and one.iif is not None), None)
        origin = self.tracer.origin
        source = self.diagnosis.source
        if hop is None or hop.iif is None or source is None:
            return None
        own = [one.address for one in router.addresses_of(hop.iif, hop.family)]
        protocol, icmp, match = PACKET_TOO_BIG[hop.family]
        back, home = hop.iif, self.tracer.trail[0].egress
        for view, hook, iif, oif in (
            (router, "output", None, back),
            (router, "postrouting", None, back),
            (origin, "prerouting", home, None),
            (origin, "input", home, None),
        ):
            known: dict[str, Any] = {"protocol": protocol, "state": "related", "mark": 0, "icmp": icmp}
            packet = netfilter_checks.packet_between(own[0] if own else hop.target, source, iif, oif, **known)
            found = view.evaluate(packet, hook)
            if found.verdict != "accept" and found.chain is not None:
                sentence = f"the nf_tables chain {netfilter_checks.chain_name(found.chain)} in {view.name} drops it"
                return NetworkFault(sentence, netfilter_checks.inserted_rules(view, found.chain, match))
        return None

    # -- no answer --------------------------------------------------------------------------------------------------

    def _unanswered(self, result: ProbeResult) -> NetworkFault:
        """Return where a probe was lost to which no answer came although no check found a fault, and which filters are there."""
        target = str(self.diagnosis.target)
        number = len(self.diagnosis.checks)
        size = PLAIN_BYTES + HEADER_BYTES[self.diagnosis.family]
        narrow = self._narrowest(size)
        if narrow is not None:
            view, link, _ = narrow
            sentence = f"the MTU of {view.named(link)} is {link.mtu}, too small for a packet of {size} bytes"
            return self._note("MTU", view.named(link), NetworkFault(sentence, remedy.set_link(view, link, "mtu 1500")))
        refused = f"{self.flow} of {target} is refused" if result.refused else "no answer came"
        fault = self._explained(result, f"all {number} checks hold, yet {refused}")
        return self._note("answer", target, fault)

    def _explained(self, result: ProbeResult, sentence: str) -> NetworkFault:
        """Return the fault of a probe that was lost: a suspect, or the place and the filters there."""
        tracer = self.tracer
        lost = self._lost(result, reply=False) or self._lost(result, reply=True)
        place = lost[1] if lost is not None else None
        suspect = self._suspect(place)
        if suspect is not None:
            hop, found = suspect
            words, change = netfilter_checks.describe_suspect(hop, found)
            return NetworkFault(f"{sentence}: {words}", change)
        if result.error:
            sentence += f" ({printable(result.error)})"
        if lost is not None and tracer.beyond is None:
            sentence += lost[0]
        elif tracer.beyond is not None:
            sentence += f": the packet leaves what can be seen by {tracer.beyond[0].named(tracer.beyond[1])}"
        others = self._bystanders(place)
        if others:
            sentence += f"; filters there: {', '.join(others)}"
        return NetworkFault(sentence)

    def _suspect(self, place: NamespaceView | None) -> tuple[Hop, FilterSuspect] | None:
        """Return the filter that most likely dropped the packet: in the namespace where it was lost, and by its policy."""
        found = [(hop, one) for hop in self.tracer.hops() for one in hop.suspects]
        here = [one for one in found if one[1].view is place]
        return min(here or found, key=lambda one: one[1].evaluation.verdict == "accept", default=None)

    def _bystanders(self, place: NamespaceView | None) -> list[str]:
        """Return the base chains and unreadable filters of a namespace, or of all on the way."""
        views = [place] if place is not None else self._watched()
        found = [f"{netfilter_checks.describe_chain(chain)} in {view.name}" for view in views for chain in view.chains()]
        found += [f"{one} in {view.name}" for view in views for one in view.unreadable_filters()]
        return found[:MAX_CHAINS]

    def _lost(self, result: ProbeResult, reply: bool) -> tuple[str, NamespaceView | None] | None:
        """Return where the request (or the answer) was last seen, in words, and the namespace in which it was lost."""
        points = _points(self.tracer.reply_trail if reply else self.tracer.trail)
        if not points or not result.watched:
            return None
        what = "answer" if reply else "request"

        def matches(frame: capture.CapturedFrame) -> bool:
            if reply:
                return frame.ip is not None and frame.ip.source == self.tracer.reply_trail[0].source
            return result.is_request(frame)

        last = _last_seen(result, points, matches)
        if last == len(points) - 1:
            return None
        if last < 0:
            return self._unresolved(result, points, reply) or (
                f": the {what} did not leave {points[0][0].named(points[0][1])}",
                points[0][0],
            )
        (view, link, outgoing), (other, following, _) = points[last], points[last + 1]
        went = "left by" if outgoing else "came in by"
        came = f"did not {'leave by' if points[last + 1][2] else 'come in by'} {other.named(following)}"
        resolved = None if outgoing else self._unresolved(result, points[last + 1 :], reply)
        if resolved is not None:
            return resolved
        return f": the {what} {went} {view.named(link)}, but {came}", view if not outgoing else other

    def _unresolved(self, result: ProbeResult, points: list[Point], reply: bool) -> tuple[str, NamespaceView | None] | None:
        """Return how far the question for the link-layer address of the next hop got, if it was asked and not answered."""
        trail = self.tracer.reply_trail if reply else self.tracer.trail
        hop = next((one for one in trail if one.here is points[0][0] and one.egress is points[0][1]), None)
        if hop is None:
            return None
        stretch = _points([hop])
        last = _last_seen(result, stretch, lambda frame: capture.resolves(frame, hop.next_hop))
        if last < 0:
            return None
        asked = f": {hop.here.name} asks for the link-layer address of {hop.next_hop}"
        view, link, outgoing = stretch[last]
        if last == len(stretch) - 1:
            return f"{asked}, and {view.named(link)} receives the question, but no answer comes back", view
        other, following, _ = stretch[last + 1]
        seen = f"{asked}, and the question was last seen at {view.named(link)}, not at {other.named(following)}"
        return seen, other if outgoing else view


def _reported_mtu(error: str) -> int | None:
    """Return the MTU that an ICMP error reports, from its message: ``Frag needed and DF set (mtu = 800)``."""
    _, found, rest = error.partition("mtu")
    digits = "".join(char for char in rest[:10] if char.isdigit())
    return int(digits) if found and digits else None


def _points(trail: list[Hop]) -> list[Point]:
    """Return the devices at which a packet has to be seen, in order."""
    found: list[Point] = []
    for hop in trail:
        if hop.egress is None:
            continue
        found.append((hop.here, hop.egress, True))
        for segment in hop.segments:
            if segment.kind == CABLE:
                found += [(segment.here, segment.one, True), (segment.there, segment.other, False)]
            elif segment.kind == BRIDGE:
                found += [(segment.here, port, port is segment.other) for port in segment.ports]
        if hop.receiver is not None and hop.ingress is not None:
            found.append((hop.receiver, hop.ingress, False))
    return list({(id(view), link.index, outgoing): (view, link, outgoing) for view, link, outgoing in found}.values())


def _last_seen(result: ProbeResult, points: list[Point], matches: Callable[[capture.CapturedFrame], bool]) -> int:
    """Return the number of the last device at which a frame was seen that matches; -1 if there is none."""
    places = {(frame.view, frame.device, frame.outgoing) for frame in result.all_frames if matches(frame)}
    seen = [number for number, (view, link, outgoing) in enumerate(points) if (view, link.name, outgoing) in places]
    return max(seen, default=-1)
