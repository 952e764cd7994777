"""Checks of links: up, carrier, both ends of a cable."""

from __future__ import annotations

from .. import uapi
from ..terminal import printable
from . import fib, remedy
from .hop import NetworkFault
from .prefixes import covers, link_local
from .remedy import Remedy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..objects.link import Link
    from .hop import Hop
    from .namespace_view import NamespaceView
    from .segment import Segment

MAX_STACKED = 8  # devices stacked on each other that are followed down


def egress_up(hop: Hop, egress: Link) -> NetworkFault | None:
    """Check that the link by which the packet leaves is up."""
    if egress.up:
        return None
    return NetworkFault(f"{hop.here.named(egress)}, by which the packet has to leave, is down", remedy.set_up(hop.here, egress))


def carrier(hop: Hop, egress: Link) -> NetworkFault | None:
    """Check that the link by which the packet leaves has carrier."""
    if egress.carrier or egress.kind == "bridge":
        return None  # a bridge has its carrier from its ports, which are checked one by one
    return without_carrier(hop.here, egress)


def without_carrier(view: NamespaceView, link: Link, depth: int = 0) -> NetworkFault:
    """Return why a link that is up has no carrier."""
    if link.body.get("IFLA_PROTO_DOWN"):
        sentence = f"{view.named(link)} has no carrier because it is held down (protodown)"
        return NetworkFault(sentence, remedy.set_link(view, link, "protodown off"))
    far_end = view.far_link(link)
    if far_end is None:
        place = "" if link.kind != "veth" else ", and its far end is in a namespace that cannot be seen from here"
        return NetworkFault(f"{view.named(link)} has no carrier{place}")
    there, far = far_end
    if not far.up:
        what = "its far end" if link.kind == "veth" else "the device below it"
        sentence = f"{view.named(link)} has no carrier because {what}, {there.named(far)}, is down"
        return NetworkFault(sentence, remedy.set_up(there, far))
    if not far.carrier and link.kind != "veth" and depth < MAX_STACKED:
        return without_carrier(there, far, depth + 1)
    change = remedy.set_link(view, link, "carrier on") + remedy.set_link(there, far, "carrier on")
    return NetworkFault(f"{view.named(link)} has no carrier, though {there.named(far)} at its far end is up", change)


def not_a_port(hop: Hop, egress: Link) -> NetworkFault | None:
    """Check that the packet does not leave by a bridge port: answers to it would come in at the bridge."""
    here, bridge = hop.here, hop.here.bridge_of(egress)
    if bridge is None:
        return None
    sentence = (
        f"{here.named(egress)}, by which packets to {hop.target} leave, is a port of {printable(bridge.name)}, where answers"
    )
    change = Remedy()
    for one in here.addresses_of(egress, hop.family):
        if not link_local(one.address):
            change += remedy.replace_address(here, egress, one, str(one), bridge)
    return NetworkFault(f"{sentence}, where answers come in: addresses and routes belong to the bridge", change)


def leads_somewhere(hop: Hop, egress: Link) -> NetworkFault | None:
    """Check that the packet is not sent into a dummy device, which discards it, or into ``lo``, which returns it."""
    if hop.route is None or not (egress.kind == "dummy" or egress.loopback and hop.route.type == uapi.RTN_UNICAST):
        return None
    matching = [one for one in hop.here.routes() if one.index == egress.index and covers(one, hop.target)]
    which = max(matching, key=lambda one: one.body["rtm_dst_len"], default=hop.route)
    what = "which returns packets" if egress.loopback else "a dummy device, which discards packets"
    sentence = f"the route `{fib.describe_route(which)}` of {hop.here.name} leads to {printable(egress.name)}, {what}"
    words = remedy.route_words(which) + remedy.route_dev(hop.here, egress.index)
    return NetworkFault(sentence, remedy.change_route(hop.here, hop.family, "del", words))


def both_ends_up(hop: Hop, segment: Segment) -> NetworkFault | None:
    """Check that both ends of a cable, or of a stack or tunnel, are up and have carrier."""
    for view, link in segment.links:
        if not link.up:
            return NetworkFault(f"{view.named(link)}, on the way to {hop.next_hop}, is down", remedy.set_up(view, link))
    for view, link in segment.links:
        if not link.carrier:
            return without_carrier(view, link)
    return None
