"""Checks of the next hop: that it exists, that only one host has its address, and that address resolution works."""

from __future__ import annotations

from itertools import islice

from .. import uapi
from ..terminal import printable
from . import fib, remedy
from .commands import word
from .hop import NetworkFault
from .namespace_view import data, noarp
from .prefixes import link_local, network, number, on_link, spare_name
from .remedy import Action, Remedy
from .route_checks import misrouted, readdressed, replaced
from .segment import BRIDGE, receivers
from .topology import destination, distances, global_addresses, holders_across, ip_links, neighbours_on, router_on

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..objects.link import Link
    from .hop import Hop
    from .namespace_view import NamespaceView

KNOWN = uapi.NUD_REACHABLE | uapi.NUD_STALE | uapi.NUD_DELAY | uapi.NUD_PROBE | uapi.NUD_PERMANENT
MAX_HOLDERS = 8  # hosts with one address that are looked for
MAX_UNREAD = 64  # namespaces that are read only to look for them
ARP_IGNORE_ALL = 8  # arp_ignore: answer no request at all


# -- is it there? -----------------------------------------------------------------------------------------------------------


def next_hop_exists(hop: Hop) -> NetworkFault | None:
    """Check that a host on the segment has the address of the next hop."""
    if hop.out is None or hop.there is not None:
        return None
    if hop.next_hop != hop.target:
        return _no_gateway(hop)
    aim = destination(hop)
    held = None if aim is None else aim.holder(hop.target)
    return _no_holder(hop) if aim is None or held is None else _elsewhere(hop, aim, held[0])


def _no_gateway(hop: Hop) -> NetworkFault:
    """The gateway does not exist: another rule or route is better, or another next hop or router."""
    here, out = hop.here, hop.out
    assert out is not None
    sentence = f"no host that {here.named(out)} leads to has {hop.next_hop}, the gateway of the route to {hop.target}"
    wrong = misrouted(hop)
    if wrong is not None:
        return NetworkFault(f"{sentence}; wrong is {wrong[0]}", wrong[1])
    return _dead_next_hops(hop) or _gateway_fault(hop, out, sentence)


def _gateway_fault(hop: Hop, out: Link, sentence: str) -> NetworkFault:
    for link in [out, *[one for one in ip_links(hop.here, hop.family) if one is not out and one.up]]:
        router = router_on(hop, link)
        if router is not None and router != hop.next_hop:
            return NetworkFault(sentence, replaced(hop, router, link))
    bare = [
        one
        for one in neighbours_on(hop, hop.here, out)
        if not global_addresses(one.view, hop.family, one.link) and global_addresses(one.view, hop.family)
    ]
    own = [one for one in global_addresses(hop.here, hop.family, out) if on_link(one, hop.next_hop)]
    if len(bare) == 1 and own:
        sentence += f"; {bare[0].view.named(bare[0].link)} has no address"
        given = remedy.add_address(bare[0].view, bare[0].link, f"{hop.next_hop}/{own[0].prefixlen}")
        return NetworkFault(sentence, given)
    return NetworkFault(sentence)


def multipath_complete(hop: Hop) -> NetworkFault | None:
    """Check that all next hops of a multipath route exist: another packet may take another one than this."""
    return _dead_next_hops(hop)


def _dead_next_hops(hop: Hop) -> NetworkFault | None:
    from .route_checks import deciding_route

    route, here = deciding_route(hop), hop.here
    hops = [] if route is None else fib.next_hops(route)
    if route is None or len(hops) < 2:
        return None
    alive: list[tuple[int | None, str | None]] = []
    dead: list[tuple[int | None, str | None]] = []
    for index, gateway in hops:
        (alive if _alive(hop, index, gateway) else dead).append((index, gateway))
    if not dead:
        return None
    shown = " and ".join(str(gateway or here.links[index or 0].name) for index, gateway in dead)
    sentence = f"the multipath route `{route}` in {here.name} has a next hop that does not exist: {shown}"
    if not alive:
        return NetworkFault(sentence)
    kept = " ".join(
        f"nexthop{f' via {gateway}' if gateway else ''} dev {word(here.links[index or 0].name)}" for index, gateway in alive
    )
    if len(alive) == 1:
        kept = kept.replace("nexthop ", "", 1)
    change = remedy.change_route(here, hop.family, "replace", f"{remedy.route_words(route)} {kept}")
    return NetworkFault(sentence, change, conclusive=True)


def _alive(hop: Hop, index: int | None, gateway: str | None) -> bool:
    """Return whether a next hop exists, or lies where it cannot be seen."""
    link = hop.here.links.get(index or 0)
    if link is None or gateway is None:
        return True
    ends: list[tuple[NamespaceView, Link]] = []

    def has(view: NamespaceView, _: Link) -> bool:
        return view is not hop.here and view.holder(gateway) is not None

    return next(receivers(hop.here, link, has, hop.others, ends), None) is not None or bool(ends)


def _no_holder(hop: Hop) -> NetworkFault:
    """No host has the target's address."""
    here, out = hop.here, hop.out
    assert out is not None
    sentence = f"no host that {here.named(out)} leads to has the address {hop.target}"
    others = neighbours_on(hop, here, out)
    if not others:
        return NetworkFault(f"{sentence}: it leads to no namespace at all")
    own = [one for one in global_addresses(here, hop.family, out) if on_link(one, hop.target)]
    if len({id(one.view) for one in others}) == 1 and own and not hop.reply:
        one = own[0]
        size = 1 << fib.whole_length(hop.family) - one.prefixlen
        host = number(hop.target) - number(network(hop.target, one.prefixlen))
        if 0 < host < size - 1 or size == 2:  # neither the network address nor the broadcast address
            given = remedy.add_address(others[0].view, others[0].link, f"{hop.target}/{one.prefixlen}")
            return NetworkFault(sentence, given)
    return NetworkFault(sentence)


def _elsewhere(hop: Hop, aim: NamespaceView, port: Link) -> NetworkFault:
    """The destination exists, but this link does not lead to it."""
    here, out = hop.here, hop.out
    assert out is not None
    near = _not_bridged(hop, here, out, aim, port) or _macvlan_and_below(hop, (here, out), (aim, port))
    near = near or _macvlan_and_below(hop, (aim, port), (here, out)) or _loose_port(hop, (here, out), (aim, port))
    if near is not None:
        return near
    sentence = f"{here.name} sends packets to {hop.target} by {printable(out.name)}"
    wrong = misrouted(hop)
    if wrong is not None:
        return NetworkFault(f"{sentence}, which does not lead there; wrong is {wrong[0]}", wrong[1])
    for link, receiver in holders_across(hop, [link for link in ip_links(here, hop.family) if link is not out]):
        words = f"{hop.target}/{fib.whole_length(hop.family)} dev {word(link.name)}"
        sentence += f", but {receiver.view.named(receiver.link)} is connected to {printable(link.name)}"
        return NetworkFault(sentence, remedy.change_route(here, hop.family, "add", words))
    sentence += f", which does not lead to {aim.named(port)}"
    for link in [out, *[one for one in ip_links(here, hop.family) if one is not out and one.up]]:
        router = router_on(hop, link)
        if router is not None:
            return NetworkFault(sentence, replaced(hop, router, link))
    if id(here) in distances(hop):
        return NetworkFault(sentence)
    names = [link.name for view in (here, aim) for link in view.links.values()]
    one = spare_name("v", names)
    other = spare_name("v", [*names, one])
    words = f"link add {one} type veth peer name {other} netns {word(aim.name.name or aim.name.path)}"
    return NetworkFault(f"{sentence}: no cable connects them", Remedy(Action(here.name.ip(words))))


def _not_bridged(hop: Hop, here: NamespaceView, out: Link, aim: NamespaceView, port: Link) -> NetworkFault | None:
    """Both cables end in one namespace, but not in one bridge there."""
    ends = []
    for view, link in ((here, out), (aim, port)):
        end = view.far_end(link) if link.kind == "veth" else None
        if end is None or end[0].closed or end[1] not in end[0].links:
            return None
        ends.append((end[0], end[0].links[end[1]]))
    (place, near), (other, far) = ends
    if place is not other or near.master == far.master:
        return None
    if near.master is not None and far.master is not None:
        bridges = [place.links[one.master] for one in (near, far) if one.master in place.links]
        both = " and ".join(printable(one.name) for one in bridges)
        sentence = f"{place.named(near)} and {printable(far.name)} are ports of two bridges, {both}"
        return NetworkFault(sentence, remedy.set_link(place, far, f"master {word(bridges[0].name)}"))
    loose, bound, whose = (near, far, here.named(out)) if near.master is None else (far, near, aim.named(port))
    assert bound.master is not None
    bridge = place.links[bound.master]
    sentence = f"{place.named(loose)}, where the cable of {whose} ends, is not a port of the bridge {printable(bridge.name)}"
    return NetworkFault(sentence, remedy.set_link(place, loose, f"master {word(bridge.name)}"))


def _loose_port(hop: Hop, one: tuple[NamespaceView, Link], other: tuple[NamespaceView, Link]) -> NetworkFault | None:
    """A cable from one side ends beside a bridge of the other side, without being a port of it."""
    for (near, link), (far, port) in ((one, other), (other, one)):
        bridges = {id(found.view): found for found in neighbours_on(hop, near, link) if found.link.kind == "bridge"}
        for found in neighbours_on(hop, far, port):
            if id(found.view) not in bridges or found.link.kind != "veth" or found.view.addresses_of(found.link, hop.family):
                continue
            bridge = bridges[id(found.view)].link
            sentence = f"{found.view.named(found.link)}, to which {far.named(port)} leads,"
            sentence += f" is not a port of the bridge {printable(bridge.name)}"
            change = remedy.set_link(found.view, found.link, f"master {word(bridge.name)}")
            return NetworkFault(sentence, change)
    return None


def _macvlan_and_below(hop: Hop, upper: tuple[NamespaceView, Link], lower: tuple[NamespaceView, Link]) -> NetworkFault | None:
    """A macvlan and the device below it never exchange packets; two macvlans do."""
    (above, macvlan), (below, link) = upper, lower
    if macvlan.kind not in ("macvlan", "macvtap") or above.far_end(macvlan) != (below, link.index):
        return None
    name = spare_name(f"mv-{link.name}", [one.name for one in below.links.values()])
    moved = global_addresses(below, hop.family, link)
    words = f"link add link {word(link.name)} name {word(name)} up type macvlan mode bridge"
    change = Remedy(Action(below.name.ip(words)))
    for one in moved:
        change += remedy.delete_address(below, link, one)
    nodad = " nodad" if hop.family == uapi.AF_INET6 else ""
    change += Remedy(*(Action(below.name.ip(f"addr add {one} dev {word(name)}{nodad}")) for one in moved))
    sentence = f"{above.named(macvlan)} is a macvlan on {below.named(link)}, and the kernel passes no packets between the two"
    return NetworkFault(sentence, change)


# -- is it the only one? ----------------------------------------------------------------------------------------------------


def only_one_holder(hop: Hop) -> NetworkFault | None:
    """Check that no other host on the segment has the address of the next hop: it would answer ARP requests as well."""
    here, out, there, inlet = hop.here, hop.out, hop.there, hop.inlet
    if out is None or there is None or inlet is None or there is here or _permanent(hop):
        return None

    def has(view: NamespaceView, link: Link) -> bool:
        if view is there or view is here or not link.up:
            return False
        if hop.family == uapi.AF_INET6:
            return any(one.address == hop.next_hop for one in view.addresses_of(link, hop.family))
        return view.holder(hop.next_hop) is not None

    known = [one for one in hop.others if one.loaded]
    for found in islice(receivers(here, out, has, known, None, MAX_UNREAD), MAX_HOLDERS):
        held = found.view.holder(hop.next_hop)
        if held is None or _silent(found.view, found.link, hop):
            continue
        sentence = (
            f"{hop.next_hop} is on {there.named(inlet)} and on {found.view.named(held[0])}, both connected to {here.named(out)}"
        )
        return NetworkFault(f"{sentence}: either may answer ARP requests", readdressed(hop, found.view, held), conclusive=True)
    return None


def _silent(view: NamespaceView, link: Link, hop: Hop) -> bool:
    """Return whether a host does not answer ARP requests on a link."""
    if noarp(link) or not link.carrier:
        return True
    ignore = max(view.sysctl("ipv4/conf/all/arp_ignore") or 0, view.conf(hop.family, link, "arp_ignore") or 0)
    return hop.family == uapi.AF_INET and (ignore == ARP_IGNORE_ALL or (ignore > 0 and not view.holder(hop.next_hop, link.index)))


# -- can it be resolved? ----------------------------------------------------------------------------------------------------


def arp_on(hop: Hop) -> NetworkFault | None:
    """Check that ARP (or neighbour discovery) is on at the link that asks and at the link that answers."""
    for view, link in ((hop.here, hop.out), (hop.there, hop.inlet)):
        if view is None or link is None or not noarp(link) or not link.flags & uapi.IFF_BROADCAST:
            continue
        if link.kind in ("vxlan", "ipvlan", "dummy") or _permanent(hop):
            continue
        asks = "sends no ARP requests" if view is hop.here else "answers no ARP requests"
        return NetworkFault(
            f"ARP is switched off on {view.named(link)}, which therefore {asks}", remedy.set_link(view, link, "arp on")
        )
    return None


def _permanent(hop: Hop) -> bool:
    entries = [one for one in hop.here.neighbours() if hop.out is not None and one.index == hop.out.index]
    return any(one.address == hop.next_hop and one.state & uapi.NUD_PERMANENT for one in entries)


def arp_answered(hop: Hop) -> NetworkFault | None:
    """Check that the settings arp_ignore and arp_filter let the next hop answer."""
    there, inlet = hop.there, hop.inlet
    if there is None or inlet is None or _permanent(hop):
        return None
    own = there.conf(hop.family, inlet, "arp_ignore") or 0
    ignore = max(there.sysctl("ipv4/conf/all/arp_ignore") or 0, own)
    elsewhere = there.holder(hop.next_hop) is not None and there.holder(hop.next_hop, inlet.index) is None
    asker = hop.source
    foreign = asker is not None and not any(on_link(one, asker) for one in there.addresses_of(inlet, hop.family))
    if ignore == ARP_IGNORE_ALL or (ignore in (1, 2) and elsewhere) or (ignore == 2 and foreign and hop.iif is None):
        why = "" if ignore == ARP_IGNORE_ALL else f" for {hop.next_hop}"
        sentence = f"{there.named(inlet)} answers no ARP requests{why}: arp_ignore is {ignore}"
        values = {"ipv4/conf/all/arp_ignore": 0, f"ipv4/conf/{inlet.name}/arp_ignore": 0}
        return NetworkFault(sentence, remedy.set_sysctls(there, values))
    return None


def link_layer_addresses_differ(hop: Hop) -> NetworkFault | None:
    """Check that the two ends, and the ports between them, do not share one link-layer address."""
    there, inlet = hop.there, hop.inlet
    if there is None or inlet is None or not inlet.address or inlet.kind in ("ipvlan", "vxlan"):
        return None
    others = [(hop.here, hop.out)] if hop.out is not None and hop.out.kind != "ipvlan" else []
    for segment in hop.segments:
        if segment.kind == BRIDGE:
            others += [(segment.here, port) for port in segment.ports]
    for view, other in others:
        if other is None or other.address != inlet.address or (view is there and other.index == inlet.index):
            continue
        if view is there and inlet.index in (other.index, other.master):
            continue  # itself; or a bridge, which has its address from a port
        sentence = f"{there.named(inlet)} and {view.named(other)} have the same link-layer address, {inlet.address}"
        return NetworkFault(
            f"{sentence}, on one segment", remedy.set_link(there, inlet, f"address {_unused(hop, inlet.address)}")
        )
    return None


def _unused(hop: Hop, lladdr: str) -> str:
    """Return a link-layer address that no known link has."""
    views = [one for one in (hop.here, hop.there, *hop.others) if one is not None and one.loaded]
    taken = {link.address for view in views for link in view.links.values()}
    value = int(lladdr.replace(":", ""), 16) & ~(1 << 40) | 1 << 41  # unicast, locally administered
    while True:
        value = value & ~0xFFFFFF | (value + 1) & 0xFFFFFF
        text = ":".join(f"{byte:02x}" for byte in value.to_bytes(6, "big"))
        if text not in taken:
            return text


def neighbour_entry(hop: Hop) -> NetworkFault | None:
    """Check that the sender's neighbour entry for the next hop has the link-layer address of the next hop."""
    out, inlet, there, here = hop.out, hop.inlet, hop.there, hop.here
    if out is None or inlet is None or there is None or there is here:
        return None
    for one in here.neighbours():
        if (one.index, one.address) != (out.index, hop.next_hop) or one.lladdr is None or not one.state & KNOWN:
            continue
        if one.lladdr == inlet.address or inlet.address is None or out.kind in ("ipvlan", "vxlan") or noarp(out):
            return None
        permanent = bool(one.state & uapi.NUD_PERMANENT)
        noted = "has a permanent neighbour entry" if permanent else "has learnt"
        sentence = f"{here.name} {noted} that {hop.next_hop} is at {one.lladdr}, but {there.named(inlet)} is at {inlet.address}"
        twin = None if permanent else _link_at(hop, one.lladdr)
        held = None if twin is None else twin[0].holder(hop.next_hop)
        if twin is not None and held is not None:
            said = f"{twin[0].named(held[0])} has {hop.next_hop} too, and {here.name} has learnt its link-layer address"
            return NetworkFault(said, readdressed(hop, twin[0], held), conclusive=True)
        answers = any(
            link.address == one.lladdr for link in there.links.values()
        )  # Linux answers for all its addresses on any link
        wrong = permanent or not answers
        return NetworkFault(sentence, remedy.delete_neighbour(here, out, hop.next_hop), conclusive=permanent) if wrong else None
    return None


def _link_at(hop: Hop, lladdr: str) -> tuple[NamespaceView, Link] | None:
    views = [one for one in hop.others if one.loaded and one is not hop.there and one is not hop.here]
    return next(((view, link) for view in views for link in view.links.values() if link.address == lladdr), None)


def macvlan_mode(hop: Hop) -> NetworkFault | None:
    """Check that two macvlans on one device are in bridge mode: in other modes they do not exchange packets."""
    stacks = [one for segment in hop.segments for one in segment.links]
    ends = [one for one in stacks if one[1].kind == "macvlan" and (one[1] is hop.out or one[1] is hop.inlet)]
    if len({id(link) for _, link in ends}) < 2:
        return None
    for view, link in ends:
        mode = data(link).get("IFLA_MACVLAN_MODE", uapi.MACVLAN_MODE_BRIDGE)
        if mode not in (uapi.MACVLAN_MODE_BRIDGE, 0):
            name = {1: "private", 2: "vepa", 8: "passthru", 16: "source"}.get(mode, str(mode))
            sentence = (
                f"{view.named(link)} is a macvlan in {name} mode, which exchanges no packets with other macvlans of its device"
            )
            return NetworkFault(sentence, remedy.set_link(view, link, "type macvlan mode bridge"))
    return None


def holder_found(hop: Hop, view: NamespaceView, link: Link) -> bool:
    """Return whether a receiver has the address of the next hop, on this link if it is IPv6 link-local."""
    if view is hop.here:
        return False
    if hop.family == uapi.AF_INET and not link_local(hop.next_hop):
        return view.holder(hop.next_hop) is not None
    return any(one.address == hop.next_hop for one in view.addresses_of(link, hop.family))
