"""Following a packet hop by hop to the target and its answer back, with all checks on the way."""

from __future__ import annotations

from itertools import islice

from .. import uapi
from ..objects.prefix import BITS
from ..terminal import printable
from . import fib, netfilter_checks, remedy, route_checks, tunnel_checks
from .checks import ARRIVAL, CHECKS, DEPARTURE, EXIT, LOCAL, NEXT_HOP, RESOLUTION
from .flow import Flow
from .hop import CheckResult, Hop, NetworkFault
from .namespace_view import RouteRefused
from .neighbour_checks import holder_found
from .prefixes import link_local, loopback, multicast, on_link
from .segment import BRIDGE, TUNNEL, receivers, tunnel_remotes, vxlan_address
from .topology import distances, routers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..nft.evaluate import Translation
    from ..objects.address import Address
    from ..objects.link import Link
    from ..objects.route import Route
    from .diagnosis import Diagnosis
    from .namespace_view import NamespaceView
    from .segment import Receiver, Segment

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
        destination: NamespaceView | None,
        flow: Flow,
        known: Callable[[], Iterable[NamespaceView]],
        report: Callable[[CheckResult], object],
        device: Link | None = None,
    ) -> None:
        self.diagnosis, self.origin, self.destination, self.flow = diagnosis, origin, destination, flow
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
        diagnosis, destination = self.diagnosis, self.destination
        if diagnosis.target is None:
            if destination is None:
                return None
            diagnosis.target = chosen(self.origin, destination, diagnosis.family)
            if diagnosis.target is None:
                return self._addressless(destination)
        fault, arrived = self._follow(self.origin, destination, diagnosis.target, None, self.flow.port, False)
        self.arrived = arrived
        if fault is not None or arrived is None or arrived is self.origin or diagnosis.source is None:
            return fault
        last = self.trail[-1]
        answered = last.source or diagnosis.source
        fault, _ = self._follow(arrived, self._answered(last), answered, last.target, last.port, True)
        changed = next((one for one in self.translations if one.is_source and one.after == answered), None)
        if fault is not None and changed is not None and self.reply_trail[-1].target == answered:
            fault.sentence += f": {_described(changed)}"
            if not fault.command:
                hop = Hop(changed.view, last.target, changed.before, None, None, (), False, self.flow)
                hop.port = last.port
                packet = netfilter_checks.packet_of(hop, changed.view)
                fault.remedy = netfilter_checks.accepting_rule(hop, changed.view, changed.change.chain, packet)
        return fault

    def _answered(self, last: Hop) -> NamespaceView:
        """Return the namespace to which the answer is addressed: the sender, or the one that changed the source address."""
        changed = [one for one in self.translations if one.is_source and one.after == last.source]
        return changed[-1].view if changed else self.origin

    def _addressless(self, destination: NamespaceView) -> NetworkFault:
        """Return the fault of a destination without an address that could be the target, or of a sender without any."""
        family = self.diagnosis.family
        held = [one for one in self.origin.addresses if one.family == family and not link_local(one.address)]
        held.sort(key=lambda one: one.prefixlen == BITS[family])  # a subnet has room for another address
        mine = [one.address for one in held if not loopback(one.address)]
        one, other = (destination, self.origin) if mine else (self.origin, destination)
        wildcard = "::" if family == uapi.AF_INET6 else "0.0.0.0"
        hop = Hop(one, mine[0] if mine else wildcard, None, None, other, self.known())
        fault = route_checks.addressless(hop)
        self.note("address", str(one.name), fault)
        return fault

    # -- one direction ----------------------------------------------------------------------------------------------

    def _follow(
        self,
        start: NamespaceView,
        destination: NamespaceView | None,
        target: str,
        source: str | None,
        port: int | None,
        reply: bool,
    ) -> tuple[NetworkFault | None, NamespaceView | None]:
        """Follow a packet until a namespace has the target. Return the fault, and the namespace (None: out of sight)."""
        here, iif, mark, nested = start, None, 0, self.depth > 0
        seen: set[tuple[int, int, str]] = set()
        trail: list[Hop] = []
        if not nested:
            self.trail, self.reply_trail = (self.trail, trail) if reply else (trail, self.reply_trail)
        for _ in range(MAX_HOPS):
            hop = Hop(here, target, source, iif, destination, self.known(), reply, self.flow)
            hop.port, hop.mark, hop.tracked = port, mark, self._tracked()
            hop.scope = self.device if iif is None and not reply else None
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
                return self.run(LOCAL, hop, str(here.name), here, here.lo), here
            fault = self._leave(hop, route, trail)
            if fault is not None or hop.receiver is None or hop.ingress is None:
                return fault, None
            here, iif, target, source, port, mark = hop.receiver, hop.ingress, hop.target, hop.source, hop.port, hop.mark
            destination = hop.destination
            self.diagnosis.hops += not reply and not nested
            if here.holder(target) is not None:
                return None, here
            back = source is not None and here.holder(source) is not None and any(one.here is here for one in trail)
            if back or (id(here), iif.index, target) in seen:  # one that has the source itself would drop it
                return self._routing_loop(trail), None
            seen.add((id(here), iif.index, target))
        return self._routing_loop(trail), None

    def _tracked(self) -> list[NamespaceView]:
        """Return the namespaces whose conntrack has seen the request."""
        return [view for hop in self.trail for view in (hop.here, hop.receiver) if view is not None]

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
        asked, hop.source = hop.source, hop.source or hop.route.source
        packet = netfilter_checks.packet_of(hop, hop.here, None, hop.here.links.get(hop.route.index or 0))
        mark = hop.here.evaluate(packet, "output").mark
        if not mark:
            hop.source = asked
        else:
            hop.mark = mark
            hop.answer = hop.here.route(hop.query)  # ip_route_me_harder: with the source that is in the packet

    def _leave(self, hop: Hop, route: Route, trail: list[Hop]) -> NetworkFault | None:
        """Follow the packet out of one IP stack and into the next."""
        egress = hop.egress = hop.here.links.get(route.index or 0)
        hop.next_hop = fib.gateway(route) or hop.target
        if egress is None:
            return None
        ends: list[tuple[NamespaceView, Link]] = []
        found = self._receiver(hop, egress, ends)
        if found is not None:
            hop.receiver, hop.ingress, hop.segments = found.view, found.link, found.segments
            if trail[0].here is found.view and found.view.holder(hop.target) is None and not self.translations:
                return self._routing_loop(trail)  # back at the sender
        fault = self.run(EXIT, hop, hop.here.named(egress), egress)
        if fault is not None:
            return fault
        if found is None and ends:
            fault = next((one for one in (self._tunnel_end(hop, *end) for end in ends) if one is not None), None)
            if fault is None:
                self.beyond = ends[0]
                self.note("as far as can be seen", ends[0][0].named(ends[0][1]), None)
            return fault
        for segment in hop.segments:
            stage = (segment, segment.bridge) if segment.kind == BRIDGE else (segment,)
            fault = fault or self.run(segment.kind, hop, str(segment), *stage) or self._below(segment)
        self._translate_postrouting(hop, egress)
        fault = fault or self.run(NEXT_HOP, hop, hop.next_hop, egress)
        if fault is not None or found is None:
            return fault
        fault = self.run(RESOLUTION, hop, hop.next_hop, found.view, found.link)
        return fault or self._arrive(hop, found.view, found.link)

    def _arrive(self, hop: Hop, there: NamespaceView, ingress: Link) -> NetworkFault | None:
        """Follow the packet into the receiver, which first marks it and translates its destination, then looks up its route."""
        if hop.source is not None:
            hop.mark = 0
            packet = netfilter_checks.packet_of(hop, there, ingress)
            hop.mark = there.evaluate(packet, "prerouting").mark or 0
            if hop.reply:
                self._untranslate(hop, there)
            else:
                self._translated(hop, there, there.translate(packet, "prerouting"), ingress)
        if self.diverted is not None:
            self.note("translation", there.named(ingress), self.diverted)
            return self.diverted
        return self.run(ARRIVAL, hop, there.named(ingress), there, ingress)

    def _receiver(self, hop: Hop, egress: Link, ends: list[tuple[NamespaceView, Link]]) -> Receiver | None:
        """Return who receives the packet: the holder of the next hop, or else who answers for it (proxy_arp, proxy_ndp)."""
        here, destination = hop.here, hop.destination
        others = [*hop.others, *([destination] if destination is not None else [])]
        proxy = "proxy_arp" if hop.family == uapi.AF_INET else "proxy_ndp"

        def is_destination(view: NamespaceView, link: Link) -> bool:
            return view is destination and holder_found(hop, view, link)

        def holds(view: NamespaceView, link: Link) -> bool:
            return holder_found(hop, view, link)

        def proxies(view: NamespaceView, link: Link) -> bool:
            return view is not here and bool(view.conf(hop.family, link, proxy))

        first = [] if destination in (None, here) else [is_destination]  # of several holders the destination comes first
        for wanted in (*first, holds, proxies):
            found = next(receivers(here, egress, wanted, others, ends if wanted is holds else None), None)
            if found is not None:
                return found
        return None

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
        local, port = vxlan_address(device, "LOCAL") or None, device.data.get("IFLA_VXLAN_PORT")
        if local and here.holder(local) is None:
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
        remotes = [one for one in tunnel_remotes(view, link) if not multicast(one)]
        faults = (self._nested(view, link, home, None, remote) for remote in remotes if home is not None)
        return next((fault for fault in faults if fault is not None), None)

    # -- address translation ----------------------------------------------------------------------------------------

    def _translate_output(self, hop: Hop) -> None:
        """Translate the destination of a packet that is sent from here."""
        if hop.reply:
            self._untranslate(hop, hop.here)
            return
        answer = hop.here.route(hop.query)
        if isinstance(answer, RouteRefused) or answer.source in (None, hop.target):
            return
        hop.source = answer.source
        packet = netfilter_checks.packet_of(hop, hop.here, None, hop.here.links.get(answer.index or 0))
        self._translated(hop, hop.here, hop.here.translate(packet, "output"), None)
        hop.source = None

    def _translated(self, hop: Hop, view: NamespaceView, change: Translation | None, ingress: Link | None) -> None:
        """Apply a translation of the destination: of a packet to the namespace itself (a forwarded port), or to another."""
        if change is None or change.kind not in ("dnat", "redirect"):
            return
        own = [one.address for one in view.addresses_of(ingress, hop.family)] if ingress is not None else ["127.0.0.1"]
        address = change.address or (own[0] if change.kind == "redirect" and own else hop.target)
        port = change.port or hop.port
        self.translations.append(AppliedTranslation(view, False, hop.target, address, hop.port, port, change))
        end = self.destination
        if end is not None and end.holder(hop.target) is not None and end.holder(address) is None:
            if end is view:
                self.destination = hop.destination = None  # it is wherever the new address is
            else:
                sentence = f"{_described(self.translations[-1])}, which {end.name} does not have"
                packet = netfilter_checks.packet_of(hop, view, ingress)
                change_back = netfilter_checks.accepting_rule(hop, view, change.chain, packet)
                self.diverted = NetworkFault(sentence, change_back, conclusive=True)
        hop.target, hop.port = address, port

    def _translate_postrouting(self, hop: Hop, egress: Link) -> None:
        """Apply a translation of the source address as the packet leaves."""
        if hop.source is None or self.depth:
            return
        if hop.reply:
            for one in reversed(self.translations):
                if one.view is hop.here and not one.is_source and hop.source == one.after:
                    hop.source, hop.port = one.before, one.port_before
            return
        packet = netfilter_checks.packet_of(hop, hop.here, hop.iif, egress)
        change = hop.here.translate(packet, "postrouting")
        if change is None or change.kind not in ("snat", "masquerade"):
            return
        own = [one.address for one in hop.here.addresses_of(egress, hop.family) if not link_local(one.address)]
        address = change.address or (own[0] if own else hop.source)
        if address != hop.source:
            self.translations.append(AppliedTranslation(hop.here, True, hop.source, address, None, None, change))
            hop.source = address

    def _untranslate(self, hop: Hop, view: NamespaceView) -> None:
        """Change the destination of an answer back; its source is changed back as it leaves."""
        for one in reversed(self.translations):
            if one.view is view and one.is_source and hop.target == one.after:
                hop.target = one.before
                hop.destination = self.origin

    # -- loops ------------------------------------------------------------------------------------------------------

    def _routing_loop(self, trail: list[Hop]) -> NetworkFault:
        """Return the fault of a packet that goes round in circles, at the router whose route is wrong."""
        views = [view for view in (*(hop.here for hop in trail), trail[-1].receiver) if view is not None]
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
            others = ((link, router) for link, router in routers(culprit) if link.up and router != culprit.next_hop)
            for link, router in islice(others, 1):
                if route is not None and route.destination == "default":  # which other destinations need
                    change = route_checks.host_route(culprit, f"via {router}")
                else:
                    change = route_checks.replaced(culprit, router, link)
            if change is None and route is not None:
                words = f"{remedy.route_words(route)}{f' via {culprit.next_hop}' if fib.gateway(route) else ''}"
                needed = route.protocol == uapi.RTPROT_KERNEL or route.destination == "default" or not far
                change = None if needed else remedy.change_route(culprit.here, culprit.family, "del", words)
            fault = NetworkFault(f"{sentence}; {shown} in {culprit.here.name} leads back", change)
        self.note("no circle", str(culprit.here.name), fault)
        return fault

    # -- checks -----------------------------------------------------------------------------------------------------

    def run(self, stage: str, hop: Hop, subject: str, *more: object) -> NetworkFault | None:
        """Make the checks of a stage, until one finds a fault; ``more`` is what the stage gives to its checks beside the hop."""
        for name, check, family in CHECKS[stage]:
            if family in (0, hop.family):
                fault = check(hop, *more)
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
            views = [hop.here] + ([hop.receiver] if hop.receiver is not None else [])
            stack = [(view, chain) for view in views for chain in view.chains() if chain.family not in LINK_FAMILIES]
            link = [one for segment in hop.segments for one in netfilter_checks.chains_on(segment)]
            found += [f"{netfilter_checks.describe_chain(chain)} in {view.name}" for view, chain in [*stack, *link]]
        return list(dict.fromkeys(found))

    def hops(self) -> list[Hop]:
        """Return all hops, there and back."""
        return [*self.trail, *self.reply_trail]


def chosen(origin: NamespaceView, destination: NamespaceView, family: int) -> str | None:
    """Return the address of a destination that ``origin`` most likely reaches: on a subnet of its own, on a link that is up."""

    def rank(address: Address) -> tuple[bool, bool, bool]:
        near = any(on_link(own, address.address) for own in origin.addresses if not loopback(own.address))
        return loopback(address.address), not near, not destination.links[address.index].up

    found = [one for one in destination.addresses if one.family == family and one.index in destination.links]
    if destination is origin:
        return min(found, key=rank).address if found else "::1" if family == uapi.AF_INET6 else "127.0.0.1"
    found = [one for one in found if not link_local(one.address) and not loopback(one.address)]
    return min(found, key=rank).address if found else None
