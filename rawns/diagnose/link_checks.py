"""Checks of links: up, carrier, both ends of a cable."""

from __future__ import annotations

from .. import uapi
from ..terminal import printable
from . import fib, remedy
from .commands import word
from .hop import NetworkFault
from .prefixes import covers, link_local
from .remedy import Remedy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..objects.link import Link
    from .hop import Hop
    from .namespace_view import NamespaceView

MAX_STACKED = 8  # devices stacked on each other that are followed down


def out_up(hop: Hop) -> NetworkFault | None:
    """Check that the link by which the packet leaves is up."""
    if hop.out is None or hop.out.up:
        return None
    return NetworkFault(f"{hop.here.named(hop.out)}, by which the packet has to leave, is down", remedy.set_up(hop.here, hop.out))


def carrier(hop: Hop) -> NetworkFault | None:
    """Check that the link by which the packet leaves has carrier."""
    out = hop.out
    if out is None or out.carrier or not out.up or out.kind == "bridge":
        return None  # a bridge has its carrier from its ports, which are checked one by one
    return without_carrier(hop.here, out)


def without_carrier(view: NamespaceView, link: Link, depth: int = 0) -> NetworkFault:
    """Return why a link that is up has no carrier."""
    if link.body.get("IFLA_PROTO_DOWN"):
        sentence = f"{view.named(link)} has no carrier because it is held down (protodown)"
        return NetworkFault(sentence, remedy.set_link(view, link, "protodown off"))
    end = view.far_end(link)
    far = None if end is None or end[0].closed else end[0].links.get(end[1])
    if end is None or far is None:
        place = "" if link.kind != "veth" else ", and its far end is in a namespace that cannot be seen from here"
        return NetworkFault(f"{view.named(link)} has no carrier{place}")
    if not far.up:
        what = "its far end" if link.kind == "veth" else "the device below it"
        sentence = f"{view.named(link)} has no carrier because {what}, {end[0].named(far)}, is down"
        return NetworkFault(sentence, remedy.set_up(end[0], far))
    if not far.carrier and link.kind != "veth" and depth < MAX_STACKED:
        return without_carrier(end[0], far, depth + 1)
    change = Remedy()
    for owner, one in ((view, link), (end[0], far)):
        change += remedy.set_link(owner, one, "carrier on")
    return NetworkFault(f"{view.named(link)} has no carrier, though {end[0].named(far)} at its far end is up", change)


def not_a_port(hop: Hop) -> NetworkFault | None:
    """Check that the packet does not leave by a bridge port: answers to it would come in at the bridge."""
    here, out = hop.here, hop.out
    bridge = here.links.get(out.master or 0) if out is not None else None
    if out is None or bridge is None or bridge.kind != "bridge":
        return None
    sentence = f"{here.named(out)}, by which packets to {hop.target} leave, is a port of {printable(bridge.name)}, where answers"
    change = Remedy()
    for one in here.addresses_of(out, hop.family):
        if not link_local(one.address):
            change += remedy.replace_address(here, out, one, str(one), bridge)
    return NetworkFault(f"{sentence} come in: addresses and routes belong to the bridge", change)


def leads_somewhere(hop: Hop) -> NetworkFault | None:
    """Check that the packet is not sent into a dummy device, which discards it, or into ``lo``, which returns it."""
    if hop.out is None or hop.route is None:
        return None
    looped = bool(hop.out.flags & uapi.IFF_LOOPBACK) and hop.route.type == uapi.RTN_UNICAST
    if hop.out.kind != "dummy" and not looped:
        return None
    matching = [one for one in hop.here.routes() if one.index == hop.out.index and covers(one, hop.target)]
    which = max(matching, key=lambda one: one.body["rtm_dst_len"], default=hop.route)
    what = "which returns packets" if looped else "a dummy device, which discards packets"
    sentence = f"the route `{fib.describe_route(which)}` of {hop.here.name} leads to {printable(hop.out.name)}, {what}"
    words = f"{remedy.route_words(which)} dev {word(hop.out.name)}"
    return NetworkFault(sentence, remedy.change_route(hop.here, hop.family, "del", words))


def both_ends_up(hop: Hop) -> NetworkFault | None:
    """Check that both ends of a cable, or of a stack or tunnel, are up and have carrier."""
    segment = hop.segment
    if segment is None:
        return None
    for view, link in segment.links:
        if not link.up:
            return NetworkFault(f"{view.named(link)}, on the way to {hop.next_hop}, is down", remedy.set_up(view, link))
    for view, link in segment.links:
        if not link.carrier:
            return without_carrier(view, link)
    return None


def running(link: Link) -> bool:
    """Return whether a link is up and has carrier."""
    return link.up and bool(link.flags & uapi.IFF_LOWER_UP)
