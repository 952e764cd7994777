"""Following a packet hop by hop to the target and its answer back, with all checks on the way."""

from __future__ import annotations

from .. import uapi
from ..terminal import printable
from . import fib, netfilter_checks, remedy, route_checks, tunnel_checks
from .checks import ARRIVAL, CHECKS, DEPARTURE, EXIT, LOCAL, NEXT_HOP
from .hop import CheckResult, Hop, NetworkFault
from .namespace_view import data
from .neighbour_checks import holder_found
from .prefixes import link_local, loopback, multicast, on_link
from .segment import TUNNEL, Receiver, Segment, receivers, tunnel_remotes
from .topology import distances, ip_links, router_on

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ..nft.evaluate import Translation
    from ..objects.link import Link
    from ..objects.route import Route
    from .diagnosis import Diagnosis
    from .flow import Flow
    from .namespace_view import NamespaceView

MAX_NESTED_TUNNELS = 4
OUTER = "outer packets of"
MAX_HOPS = 64  # of a packet, as its time to live
LINK_FAMILIES = (uapi.NFPROTO_NETDEV, uapi.NFPROTO_BRIDGE)  # nf_tables families that are met on a segment


class AppliedTranslation:
    """An address that a namespace has changed, so that it changes it back in the answer."""

    __slots__ = ("after", "before", "change", "is_source", "port_after", "port_before", "view")

    def __init__(
        self,
        view: NamespaceView,
        is_source: bool,
        before: str,
        after: str,
        port_before: int | None,
        port_after: int | None,
        change: Translation,
    ) -> None:
        self.view, self.is_source, self.before, self.after = view, is_source, before, after
        self.port_before, self.port_after, self.change = port_before, port_after, change


def _described(one: AppliedTranslation) -> str:
    """Return a translation in words."""
    what = "source" if one.is_source else "destination"
    chain = netfilter_checks.chain_name(one.change.chain)
    rule = printable(str(one.change.rule))
    return f"the nf_tables chain {chain} in {one.view.name} changes the {what} from {one.before} to {one.after} (rule `{rule}`)"


class PathTracer:
    """Follows one packet. ``known`` lists the namespaces that have been read; ``report`` is called with each check as it is made.

    Afterwards ``trail`` has the hops there, ``reply_trail`` those back, ``arrived`` the namespace that has the target,
    ``beyond`` the link by which the packet leaves what can be seen.
    """

    def __init__(
        self,
        diagnosis: Diagnosis,
        origin: NamespaceView,
        aim: NamespaceView | None,
        flow: Flow,
        known: Callable[[], Iterable[NamespaceView]],
        report: Callable[[CheckResult], object],
        device: Link | None = None,
    ) -> None:
        self.diagnosis, self.origin, self.aim, self.flow = diagnosis, origin, aim, flow
        self.known, self.report, self.device = known, report, device
        self.trail: list[Hop] = []
        self.reply_trail: list[Hop] = []
        self.translations: list[AppliedTranslation] = []
        self.arrived: NamespaceView | None = None
        self.diverted: NetworkFault | None = None  # a translation of the destination that leads away from it
        self.beyond: tuple[NamespaceView, Link] | None = None
        self.nested: list[Hop] = []  # of the outer packets of tunnels
        self.depth = 0

    # -- there and back ---------------------------------------------------------------------------------------------

    def trace(self) -> NetworkFault | None:
        """Follow the packet there and its answer back. Return the first fault, or None."""
        diagnosis, aim = self.diagnosis, self.aim
        if diagnosis.target is None:
            if aim is None:
                return None
            diagnosis.target = chosen(self.origin, aim, diagnosis.family)
            if diagnosis.target is None:
                return self._addressless(aim)
        fault, arrived = self._follow(self.origin, aim, diagnosis.target, None, self.flow.port, False)
        self.arrived = arrived
        if fault is not None or arrived is None or arrived is self.origin or diagnosis.source is None:
            return fault
        last = self.trail[-1]
        answered = last.source or diagnosis.source
        fault, _ = self._follow(arrived, self._answer_aim(last), answered, last.target, last.port, True)
        changed = next((one for one in self.translations if one.is_source and one.after == answered), None)
        if fault is not None and changed is not None and self.reply_trail[-1].target == answered:
            fault.sentence += f": {_described(changed)}"
            if not fault.command:
                hop = Hop(changed.view, last.target, changed.before, None, None, (), False, self.flow)
                hop.port = last.port
                packet = netfilter_checks.packet_of(hop, changed.view)
                fault.remedy = netfilter_checks.accepting_rule(hop, changed.view, changed.change.chain, packet)
        return fault

    def _answer_aim(self, last: Hop) -> NamespaceView:
        """Return the namespace to which the answer is addressed: the sender, or the one that changed the source address."""
        changed = [one for one in self.translations if one.is_source and one.after == last.source]
        return changed[-1].view if changed else self.origin

    def _addressless(self, aim: NamespaceView) -> NetworkFault:
        """The destination has no address that could be the target, or the sender no address at all."""
        family = self.diagnosis.family
        held = [one for one in self.origin.addresses if one.family == family and not link_local(one.address)]
        held.sort(key=lambda one: one.prefixlen == fib.whole_length(family))  # a subnet has room for another address
        mine = [one.address for one in held if not loopback(one.address)]
        one, other = (aim, self.origin) if mine else (self.origin, aim)
        wildcard = "::" if family == uapi.AF_INET6 else "0.0.0.0"
        hop = Hop(one, mine[0] if mine else wildcard, None, None, other, self.known())
        fault = route_checks.addressless(hop)
        self.note("address", str(one.name), fault)
        return fault

    # -- one direction ----------------------------------------------------------------------------------------------

    def _follow(
        self, start: NamespaceView, aim: NamespaceView | None, target: str, source: str | None, port: int | None, reply: bool
    ) -> tuple[NetworkFault | None, NamespaceView | None]:
        """Follow a packet until a namespace has the target. Return the fault, and the namespace (None: out of sight)."""
        here, iif, mark, nested = start, None, 0, self.depth > 0
        seen: set[tuple[int, int, str]] = set()
        trail: list[Hop] = []
        if not nested:
            self.trail, self.reply_trail = (self.trail, trail) if reply else (trail, self.reply_trail)
        for _ in range(MAX_HOPS):
            hop = Hop(here, target, source, iif, aim, self.known(), reply, self.flow)
            hop.port, hop.mark, hop.tracked = port, mark, self._tracked()
            hop.oif = self.device if iif is None and not reply else None
            trail.append(hop)
            if nested:
                self.nested.append(hop)
            if iif is None and not nested:
                self._translate_output(hop)
            self._look_up(hop)
            fault = self.run(DEPARTURE, hop, str(here.name))
            route = hop.route
            if fault is not None or route is None:
                return fault, None
            source = hop.source = hop.source or route.source
            if not reply and not nested:
                self.diagnosis.source = self.diagnosis.source or source
            if route.type == uapi.RTN_LOCAL:
                return self.run(LOCAL, hop, str(here.name)), here
            fault = self._leave(hop, route, trail)
            if fault is not None or hop.there is None or hop.inlet is None:
                return fault, None
            here, iif, target, source, port, mark = hop.there, hop.inlet, hop.target, hop.source, hop.port, hop.mark
            self.diagnosis.hops += not reply and not nested
            if here.holder(target) is not None:
                return None, here
            if (id(here), iif.index, target) in seen:
                return self._routing_loop(trail), None
            seen.add((id(here), iif.index, target))
        return self._routing_loop(trail), None

    def _tracked(self) -> list[NamespaceView]:
        """Return the namespaces whose conntrack has seen the request."""
        return [view for hop in self.trail for view in (hop.here, hop.there) if view is not None]

    def _look_up(self, hop: Hop) -> None:
        """Ask the kernel for the route: as a socket does it, with a mark that an output chain sets, and with the source.

        A socket that is connected looks up the route twice, first without and then with the source address that the first
        look-up chose (ip_route_connect). The socket of an echo request is not connected, but ping connects one before to learn
        its source address, and gives up if that is refused.
        """
        hop.answer = hop.here.route(hop.query)
        if hop.route is None or hop.iif is not None or self.depth:
            return
        if hop.source is None and hop.route.source:
            first, hop.source = hop.answer, hop.route.source
            hop.answer = hop.here.route(hop.query)
            if self.flow.protocol == "icmp" and hop.route is not None:
                hop.answer, hop.source = first, None
        if hop.route is None or hop.route.type == uapi.RTN_LOCAL:
            return
        out = hop.here.links.get(hop.route.index or 0)
        asked = hop.source
        hop.source = hop.source or hop.route.source
        mark = hop.here.evaluate(netfilter_checks.packet_of(hop, hop.here, None, out), "output").mark
        hop.source = asked
        if mark:
            hop.mark, hop.source = mark, asked or hop.route.source
            hop.answer = hop.here.route(hop.query)  # ip_route_me_harder: with the source that is in the packet

    def _leave(self, hop: Hop, route: Route, trail: list[Hop]) -> NetworkFault | None:
        """Follow the packet out of one IP stack and into the next."""
        here = hop.here
        hop.out, hop.next_hop = here.links.get(route.index or 0), fib.gateway(route) or hop.target
        if hop.out is None:
            return None
        ends: list[tuple[NamespaceView, Link]] = []
        found = self._receiver(hop, ends)
        if found is not None:
            hop.there, hop.inlet, hop.segments = found.view, found.link, found.segments
            if trail[0].here is found.view and found.view.holder(hop.target) is None and not self.translations:
                return self._routing_loop(trail)  # back at the sender
        fault = self.run(EXIT, hop, here.named(hop.out))
        if fault is not None:
            return fault
        if found is None and ends:
            fault = next((one for one in (self._tunnel_end(hop, *end) for end in ends) if one is not None), None)
            if fault is None:
                self.beyond = ends[0]
                self.note("as far as can be seen", ends[0][0].named(ends[0][1]), None)
            return fault
        for segment in hop.segments:
            hop.segment = segment
            fault = fault or self.run(segment.kind, hop, str(segment)) or self._below(segment)
        self._translate_postrouting(hop)
        fault = fault or self.run(NEXT_HOP, hop, hop.next_hop)
        if fault is None and hop.there is not None and hop.inlet is not None:
            self._arrive(hop)
            if self.diverted is not None:
                self.note("translation", hop.there.named(hop.inlet), self.diverted)
                return self.diverted
            fault = self.run(ARRIVAL, hop, hop.there.named(hop.inlet))
        return fault

    def _arrive(self, hop: Hop) -> None:
        """Apply what the receiver does before it looks up the route: mark the packet, and translate its destination."""
        there = hop.there
        assert there is not None
        if hop.source is None:
            return
        packet = netfilter_checks.packet_of(hop, there, hop.inlet)
        hop.mark = 0
        packet.known["meta", uapi.NFT_META_MARK] = bytes(4)
        hop.mark = there.evaluate(packet, "prerouting").mark or 0
        if hop.reply:
            self._untranslate(hop, there)
        else:
            self._translated(hop, there, there.translate(packet, "prerouting"), hop.inlet)

    def _receiver(self, hop: Hop, ends: list[tuple[NamespaceView, Link]]) -> Receiver | None:
        """Return who receives the packet: the holder of the next hop, or else who answers for it (proxy_arp, proxy_ndp)."""
        here, out = hop.here, hop.out
        assert out is not None
        others = [*hop.others, *([hop.aim] if hop.aim is not None else [])]
        if hop.aim is not None and hop.aim is not here:  # of several holders the destination comes first
            found = next(receivers(here, out, lambda view, link: view is hop.aim and holder_found(hop, view, link), others), None)
            if found is not None:
                return found
        found = next(receivers(here, out, lambda view, link: holder_found(hop, view, link), others, ends), None)
        name = "proxy_arp" if hop.family == uapi.AF_INET else "proxy_ndp"

        def proxies(view: NamespaceView, link: Link) -> bool:
            return view is not here and bool(view.conf(hop.family, link, name))

        return found or next(receivers(here, out, proxies, others), None)

    # -- tunnels ----------------------------------------------------------------------------------------------------

    def _below(self, segment: Segment) -> NetworkFault | None:
        """Follow the outer packets of a tunnel, whose way is traced like any other."""
        if segment.kind != TUNNEL:
            return None
        here, there = segment.here.underlay(segment.one), segment.there.underlay(segment.other)
        if here is None or there is None or here is there:
            return None
        remotes = [one for one in tunnel_remotes(segment.here, segment.one) if not multicast(one)]
        remote = next((one for one in remotes if there.holder(one) is not None), None)
        return None if remote is None else self._nested(segment.here, segment.one, here, there, remote)

    def _nested(
        self, view: NamespaceView, device: Link, here: NamespaceView, there: NamespaceView | None, remote: str
    ) -> NetworkFault | None:
        if self.depth >= MAX_NESTED_TUNNELS:
            return None
        from .flow import Flow

        options = data(device)
        local = options.get("IFLA_VXLAN_LOCAL") or options.get("IFLA_VXLAN_LOCAL6")
        port = options.get("IFLA_VXLAN_PORT")
        if local and here.holder(str(local)) is None:
            foreign = tunnel_checks.foreign_local(view, device, here, remote)
            self.note("tunnel address", view.named(device), foreign)
            return foreign
        flow, self.flow = self.flow, Flow("udp", port)
        self.depth += 1
        fault, _ = self._follow(here, there, remote, local, port, False)
        self.depth -= 1
        self.flow = flow
        if fault is not None and OUTER not in fault.sentence:
            fault.sentence += f" ({OUTER} the VXLAN device {view.named(device)})"
            if fault.check == "next hop exists" and remote in fault.sentence:
                fault.remedy = tunnel_checks.other_remote(view, device)
        return fault

    def _tunnel_end(self, hop: Hop, view: NamespaceView, link: Link) -> NetworkFault | None:
        """Return the fault of a tunnel that has no receiver: the other end expects something else, or does not exist."""
        if link.kind != "vxlan":
            return None
        fault = tunnel_checks.wrong_tunnel(hop, view, link)
        if fault is not None:
            self.note("tunnel", view.named(link), fault)
            return fault
        home = view.underlay(link)
        for remote in [one for one in tunnel_remotes(view, link) if not multicast(one)] if home is not None else []:
            assert home is not None
            fault = self._nested(view, link, home, None, remote)
            if fault is not None:
                return fault
        return None

    # -- address translation ----------------------------------------------------------------------------------------

    def _translate_output(self, hop: Hop) -> None:
        """Translate the destination of a packet that is sent from here."""
        if hop.reply:
            self._untranslate(hop, hop.here)
            return
        answer = hop.here.route(hop.query)
        source = getattr(answer, "source", None)
        if source is None or source == hop.target:
            return
        hop.source = source
        packet = netfilter_checks.packet_of(hop, hop.here, None, hop.here.links.get(getattr(answer, "index", None) or 0))
        hop.source = None
        self._translated(hop, hop.here, hop.here.translate(packet, "output"), None)

    def _translated(self, hop: Hop, view: NamespaceView, change: Translation | None, inlet: Link | None) -> None:
        """Apply a translation of the destination."""
        if change is None or change.kind not in ("dnat", "redirect") or hop.source is None:
            return
        own = [one.address for one in view.addresses_of(inlet, hop.family)] if inlet is not None else ["127.0.0.1"]
        address = change.address or (own[0] if change.kind == "redirect" and own else hop.target)
        port = change.port or hop.port
        self.translations.append(AppliedTranslation(view, False, hop.target, address, hop.port, port, change))
        aim = self.aim
        if aim is not None and aim.holder(hop.target) is not None and aim.holder(address) is None:
            sentence = f"{_described(self.translations[-1])}, which {aim.name} does not have"
            packet = netfilter_checks.packet_of(hop, view, inlet)
            self.diverted = NetworkFault(
                sentence, netfilter_checks.accepting_rule(hop, view, change.chain, packet), conclusive=True
            )
        hop.target, hop.port = address, port

    def _translate_postrouting(self, hop: Hop) -> None:
        """Apply a translation of the source address as the packet leaves."""
        out = hop.out
        if out is None or hop.source is None or self.depth:
            return
        if hop.reply:
            for one in reversed(self.translations):
                if one.view is hop.here and not one.is_source and hop.source == one.after:
                    hop.source, hop.port = one.before, one.port_before
            return
        packet = netfilter_checks.packet_of(hop, hop.here, hop.iif, out)
        change = hop.here.translate(packet, "postrouting")
        if change is None or change.kind not in ("snat", "masquerade"):
            return
        own = [one.address for one in hop.here.addresses_of(out, hop.family) if not link_local(one.address)]
        address = change.address or (own[0] if own else hop.source)
        if address != hop.source:
            self.translations.append(AppliedTranslation(hop.here, True, hop.source, address, None, None, change))
            hop.source = address

    def _untranslate(self, hop: Hop, view: NamespaceView) -> None:
        """Change the destination of an answer back; its source is changed back as it leaves."""
        for one in reversed(self.translations):
            if one.view is not view:
                continue
            if one.is_source and hop.target == one.after:
                hop.target = one.before
                hop.aim = self.origin

    # -- loops ------------------------------------------------------------------------------------------------------

    def _routing_loop(self, trail: list[Hop]) -> NetworkFault:
        """Return the fault of a packet that goes round in circles, at the router whose route is wrong."""
        views = [hop.here for hop in trail] + ([trail[-1].there] if trail[-1].there is not None else [])
        first = next(index for index, view in enumerate(views) if view is views[-1])
        loop = trail[first:]
        path = " to ".join(str(view.name) for view in views[first : first + 8])
        far = distances(trail[-1])
        culprit = min(loop, key=lambda hop: far.get(id(hop.here), MAX_HOPS))
        wrong = route_checks.misrouted(culprit)
        route = route_checks.deciding_route(culprit)
        shown = "the route" if route is None else f"the route `{fib.describe_route(route)}`"
        sentence = f"packets to {culprit.target} go round in circles: {path}"
        if wrong is not None:
            fault = NetworkFault(f"{sentence}; wrong is {wrong[0]}", wrong[1])
        else:
            change = None
            for link in [one for one in ip_links(culprit.here, culprit.family) if one.up]:
                router = router_on(culprit, link)
                if router is not None and router != culprit.next_hop:
                    change = route_checks.replaced(culprit, router, link)
                    if route is not None and route.destination == "default":  # which other destinations need
                        words = f"{culprit.target}/{fib.whole_length(culprit.family)} via {router}"
                        change = remedy.change_route(culprit.here, culprit.family, "add", words)
                    break
            if change is None and route is not None:
                words = f"{remedy.route_words(route)}{f' via {culprit.next_hop}' if fib.gateway(route) else ''}"
                needed = route.protocol == uapi.RTPROT_KERNEL or route.destination == "default" or not far
                change = None if needed else remedy.change_route(culprit.here, culprit.family, "del", words)
            fault = NetworkFault(f"{sentence}; {shown} in {culprit.here.name} leads back", change)
        self.note("no circle", str(culprit.here.name), fault)
        return fault

    # -- checks -----------------------------------------------------------------------------------------------------

    def run(self, stage: str, hop: Hop, subject: str) -> NetworkFault | None:
        """Make the checks of a stage, until one finds a fault."""
        for name, check, family in CHECKS[stage]:
            if family in (0, hop.family):
                fault = check(hop)
                self.note(name, subject, fault)
                if fault is not None:
                    return fault
        return None

    def note(self, name: str, subject: str, fault: NetworkFault | None) -> None:
        """Record and report a check that was made."""
        if fault is not None:
            fault.check, fault.subject = name, subject
        result = CheckResult(name, subject, fault)
        self.diagnosis.checks.append(result)
        self.report(result)

    def filters(self) -> list[str]:
        """Return the base chains of nf_tables on the way, with hook and priority."""
        found = []
        for hop in self.hops():
            views = [hop.here] + ([hop.there] if hop.there is not None else [])
            stack = [(view, chain) for view in views for chain in view.chains() if chain.family not in LINK_FAMILIES]
            link = [one for segment in hop.segments for one in netfilter_checks.chains_on(segment)]
            found += [f"{netfilter_checks.describe_chain(chain)} in {view.name}" for view, chain in [*stack, *link]]
        return list(dict.fromkeys(found))

    def hops(self) -> list[Hop]:
        """Return all hops, there and back."""
        return [*self.trail, *self.reply_trail]


def chosen(origin: NamespaceView, aim: NamespaceView, family: int) -> str | None:
    """Return the address of ``aim`` that ``origin`` most likely reaches: on a subnet of its own, on a link that is up."""

    def rank(address: Any) -> tuple[bool, bool]:
        near = any(on_link(own, address.address) for own in origin.addresses if not loopback(own.address))
        return not near, not aim.links[address.index].up

    all_of_it = [one for one in aim.addresses if one.family == family and one.index in aim.links]
    if aim is origin:
        all_of_it = sorted(all_of_it, key=lambda one: loopback(one.address))
        return next((one.address for one in all_of_it), "::1" if family == uapi.AF_INET6 else "127.0.0.1")
    seen = [one for one in all_of_it if not link_local(one.address) and not loopback(one.address)]
    best: str | None = min(seen, key=rank).address if seen else None
    return best
