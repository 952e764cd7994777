"""Checks of the next hop: that it exists, that only one host has its address, and that address resolution works."""

from __future__ import annotations

from itertools import islice

from .. import uapi
from ..objects.link import MACVLAN_MODES
from ..objects.prefix import BITS
from ..terminal import printable
from . import fib, remedy
from .commands import word
from .hop import NetworkFault
from .prefixes import link_local, of_length, on_link, spare_name
from .route_checks import deciding_route, host_route, misrouted, readdressed, replaced, router_addressed
from .segment import BRIDGE, receivers
from .topology import destination_of, distances, global_addresses, holders_across, ip_links, neighbours_on, routers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..objects.address import Address
    from ..objects.link import Link
    from .hop import Hop
    from .namespace_view import NamespaceView

    End = tuple[NamespaceView, Link]

KNOWN = uapi.NUD_REACHABLE | uapi.NUD_STALE | uapi.NUD_DELAY | uapi.NUD_PROBE | uapi.NUD_PERMANENT
MAX_HOLDERS = 8  # hosts with one address that are looked for
MAX_UNREAD = 64  # namespaces that are read only to look for them
ARP_IGNORE_ALL = 8  # arp_ignore: answer no request at all
UNRESOLVED_KINDS = ("ipvlan", "vxlan")  # devices that share an address, or learn it from their tunnel


# -- is it there? -----------------------------------------------------------------------------------------------------------


def next_hop_exists(hop: Hop, egress: Link) -> NetworkFault | None:
    """Check that a host on the segment has the address of the next hop."""
    if hop.receiver is not None:
        return None
    if hop.next_hop != hop.target:
        return _no_gateway(hop, egress)
    destination = destination_of(hop)
    held = None if destination is None else destination.holder(hop.target)
    if destination is None or held is None:
        return _no_holder(hop, egress)
    return _not_connected(hop, egress, destination, held[0])


def _no_gateway(hop: Hop, egress: Link) -> NetworkFault:
    """Return the fault of a gateway that does not exist: another rule or route is better, or another next hop or router."""
    here = hop.here
    sentence = f"no host that {here.named(egress)} leads to has {hop.next_hop}, the gateway of the route to {hop.target}"
    wrong = misrouted(hop)
    if wrong is not None:
        return NetworkFault(f"{sentence}; wrong is {wrong[0]}", wrong[1])
    fault = multipath_complete(hop, egress)
    if fault is not None:
        return fault
    for link, router in routers(hop, egress):
        if router != hop.next_hop:
            return NetworkFault(sentence, replaced(hop, router, link))
    bare = [
        one
        for one in neighbours_on(hop, here, egress)
        if not global_addresses(one.view, hop.family, one.link) and global_addresses(one.view, hop.family)
    ]
    own = [one for one in global_addresses(here, hop.family, egress) if on_link(one, hop.next_hop)]
    if len(bare) != 1 or not own:
        return NetworkFault(sentence)
    given = remedy.add_address(bare[0].view, bare[0].link, f"{hop.next_hop}/{own[0].prefixlen}")
    return NetworkFault(f"{sentence}; {bare[0].view.named(bare[0].link)} has no address", given)


def multipath_complete(hop: Hop, egress: Link) -> NetworkFault | None:
    """Check that all next hops of a multipath route exist: another packet may take another one than this."""
    route, here = deciding_route(hop), hop.here
    hops = [] if route is None else fib.next_hops(route)
    alive = [one for one in hops if _alive(hop, *one)] if len(hops) > 1 else hops
    dead = [one for one in hops if one not in alive]
    if route is None or not dead:
        return None
    shown = " and ".join(str(gateway or here.links[index or 0].name) for index, gateway in dead)
    sentence = f"the multipath route `{route}` in {here.name} has a next hop that does not exist: {shown}"
    if not alive:
        return NetworkFault(sentence)
    kept = [f"{f' via {gateway}' if gateway else ''}{remedy.route_dev(here, index)}" for index, gateway in alive]
    words = kept[0] if len(kept) == 1 else "".join(f" nexthop{one}" for one in kept)
    change = remedy.change_route(here, hop.family, "replace", f"{remedy.route_words(route)}{words}")
    return NetworkFault(sentence, change, conclusive=True)


def _alive(hop: Hop, index: int | None, gateway: str | None) -> bool:
    """Return whether a next hop exists, or lies where it cannot be seen."""
    link = hop.here.links.get(index or 0)
    if link is None or gateway is None:
        return True
    ends: list[End] = []

    def has(view: NamespaceView, _: Link) -> bool:
        return view is not hop.here and view.holder(gateway) is not None

    return next(receivers(hop.here, link, has, hop.others, ends), None) is not None or bool(ends)


def _no_holder(hop: Hop, egress: Link) -> NetworkFault:
    """Return the fault of a target whose address no host has."""
    here = hop.here
    sentence = f"no host that {here.named(egress)} leads to has the address {hop.target}"
    others = neighbours_on(hop, here, egress)
    if not others:
        return NetworkFault(f"{sentence}: it leads to no namespace at all")
    own = [one for one in global_addresses(here, hop.family, egress) if on_link(one, hop.target)]
    if len({id(one.view) for one in others}) == 1 and own and not hop.reply:
        subnet = of_length(hop.target, own[0].prefixlen)
        unusable = (subnet.network.number, subnet.broadcast.number) if subnet.length < BITS[hop.family] - 1 else ()
        if subnet.number not in unusable:
            return NetworkFault(sentence, remedy.add_address(others[0].view, others[0].link, str(subnet)))
    return NetworkFault(sentence)


def _not_connected(hop: Hop, egress: Link, destination: NamespaceView, port: Link) -> NetworkFault:
    """Return the fault of a link that does not lead to the destination, which exists."""
    here = hop.here
    one, other = (here, egress), (destination, port)
    near = _not_bridged(one, other) or _macvlan_and_below(hop, one, other) or _macvlan_and_below(hop, other, one)
    near = near or _not_a_port(hop, one, other) or _not_a_port(hop, other, one)
    if near is not None:
        return near
    sentence = f"{here.name} sends packets to {hop.target} by {printable(egress.name)}"
    wrong = misrouted(hop)
    if wrong is not None:
        return NetworkFault(f"{sentence}, which does not lead there; wrong is {wrong[0]}", wrong[1])
    for link, receiver in holders_across(hop, [link for link in ip_links(here, hop.family) if link is not egress]):
        if not link.up:  # a route over it would be refused
            sentence += f"; {printable(link.name)}, which leads to {receiver.view.named(receiver.link)}, is down"
            return NetworkFault(sentence, remedy.set_up(here, link))
        sentence += f", but {receiver.view.named(receiver.link)} is connected to {printable(link.name)}"
        return NetworkFault(sentence, host_route(hop, f"dev {word(link.name)}"))
    sentence += f", which does not lead to {destination.named(port)}"
    for link, router in routers(hop, egress):
        return NetworkFault(sentence, replaced(hop, router, link))
    addressed = router_addressed(hop)
    if addressed is not None:
        words, router, added = addressed
        return NetworkFault(f"{sentence}; {words}", added + replaced(hop, router, egress))
    if id(here) in distances(hop):
        return NetworkFault(sentence)
    names = [link.name for view in (here, destination) for link in view.links.values()]
    first = spare_name("v", names)
    second = spare_name("v", [*names, first])
    words = f"link add {first} type veth peer name {second} netns {word(destination.name.name or destination.name.path)}"
    return NetworkFault(f"{sentence}: no cable connects them", remedy.ip(here, words))


def _not_bridged(one: End, other: End) -> NetworkFault | None:
    """Return the fault of two cables that end in one namespace, but not in one bridge there."""
    ends = [view.far_link(link) if link.kind == "veth" else None for view, link in (one, other)]
    if ends[0] is None or ends[1] is None:
        return None
    (place, near), (another, far) = ends[0], ends[1]
    if place is not another or near.master == far.master:
        return None
    bridges = [place.links.get(link.master or 0) for link in (near, far)]
    if bridges[0] is not None and bridges[1] is not None:
        both = " and ".join(printable(bridge.name) for bridge in bridges if bridge is not None)
        sentence = f"{place.named(near)} and {printable(far.name)} are ports of two bridges, {both}"
        return NetworkFault(sentence, remedy.set_link(place, far, f"master {word(bridges[0].name)}"))
    loose, bridge, whose = (near, bridges[1], one) if near.master is None else (far, bridges[0], other)
    if bridge is None:
        return None
    sentence = f"{place.named(loose)}, where the cable of {whose[0].named(whose[1])} ends, is not a port of the bridge"
    return NetworkFault(f"{sentence} {printable(bridge.name)}", remedy.set_link(place, loose, f"master {word(bridge.name)}"))


def _not_a_port(hop: Hop, one: End, other: End) -> NetworkFault | None:
    """Return the fault of a cable of ``other`` that ends beside a bridge of ``one``, without being a port of it."""
    bridges = {id(found.view): found.link for found in neighbours_on(hop, *one) if found.link.kind == "bridge"}
    for found in neighbours_on(hop, *other) if bridges else ():
        view, link, bridge = found.view, found.link, bridges.get(id(found.view))
        if bridge is not None and link.kind == "veth" and not view.addresses_of(link, hop.family):
            sentence = f"{view.named(link)}, to which {other[0].named(other[1])} leads, is not a port of the bridge"
            return NetworkFault(
                f"{sentence} {printable(bridge.name)}", remedy.set_link(view, link, f"master {word(bridge.name)}")
            )
    return None


def _macvlan_and_below(hop: Hop, upper: End, lower: End) -> NetworkFault | None:
    """Return the fault of a macvlan and the device below it, which never exchange packets; two macvlans do."""
    (above, macvlan), (below, link) = upper, lower
    if macvlan.kind not in ("macvlan", "macvtap") or above.far_end(macvlan) != (below, link.index):
        return None
    name = spare_name(f"mv-{link.name}", [one.name for one in below.links.values()])
    moved = global_addresses(below, hop.family, link)
    change = remedy.ip(below, f"link add link {word(link.name)} name {word(name)} up type macvlan mode bridge")
    for one in moved:
        change += remedy.delete_address(below, link, one)
    for one in moved:
        change += remedy.readd_address(below, name, str(one))
    sentence = f"{above.named(macvlan)} is a macvlan on {below.named(link)}, and the kernel passes no packets between the two"
    return NetworkFault(sentence, change)


# -- is it the only one? ----------------------------------------------------------------------------------------------------


def only_one_holder(hop: Hop, there: NamespaceView, ingress: Link) -> NetworkFault | None:
    """Check that no other host on the segment has the address of the next hop: it would answer ARP requests as well."""
    here, egress = hop.here, hop.egress
    if egress is None or there is here or hop.resolved():
        return None

    def has(view: NamespaceView, link: Link) -> bool:
        if view is there or view is here or not link.up:
            return False
        return view.holder(hop.next_hop, link.index if hop.family == uapi.AF_INET6 else 0) is not None

    known = [one for one in hop.others if one.loaded]
    for found in islice(receivers(here, egress, has, known, None, MAX_UNREAD), MAX_HOLDERS):
        view, held = found.view, found.view.holder(hop.next_hop)
        if held is None or _silent(view, found.link, hop):
            continue
        sentence = f"{hop.next_hop} is on {there.named(ingress)} and on {view.named(held[0])}, both connected to"
        sentence += f" {here.named(egress)}: either may answer ARP requests"
        return NetworkFault(sentence, readdressed(hop, view, held), conclusive=True)
    return None


def _silent(view: NamespaceView, link: Link, hop: Hop) -> bool:
    """Return whether a host does not answer ARP requests on a link."""
    if link.flags & uapi.IFF_NOARP or not link.carrier:
        return True
    ignore = view.max_conf(link, "arp_ignore") if hop.family == uapi.AF_INET else 0
    return ignore == ARP_IGNORE_ALL or (ignore > 0 and not view.holder(hop.next_hop, link.index))


# -- can it be resolved? ----------------------------------------------------------------------------------------------------


def arp_on(hop: Hop, there: NamespaceView, ingress: Link) -> NetworkFault | None:
    """Check that ARP (or neighbour discovery) is on at the link that asks and at the link that answers."""
    for view, link in ((hop.here, hop.egress), (there, ingress)):
        if link is None or not link.flags & uapi.IFF_NOARP or not link.flags & uapi.IFF_BROADCAST:
            continue
        if link.kind in (*UNRESOLVED_KINDS, "dummy") or hop.resolved():
            continue
        sentence = f"ARP is switched off on {view.named(link)}, which therefore"
        sentence += " sends no ARP requests" if view is hop.here else " answers no ARP requests"
        return NetworkFault(sentence, remedy.set_link(view, link, "arp on"))
    return None


def arp_answered(hop: Hop, there: NamespaceView, ingress: Link) -> NetworkFault | None:
    """Check that the setting arp_ignore lets the next hop answer."""
    if hop.resolved():
        return None
    ignore = there.max_conf(ingress, "arp_ignore")
    elsewhere = there.holder(hop.next_hop) is not None and there.holder(hop.next_hop, ingress.index) is None
    own = there.addresses_of(ingress, hop.family)
    foreign = hop.source is not None and not any(on_link(one, hop.source) for one in own)
    if ignore == ARP_IGNORE_ALL or (ignore in (1, 2) and elsewhere) or (ignore == 2 and foreign and hop.iif is None):
        why = "" if ignore == ARP_IGNORE_ALL else f" for {hop.next_hop}"
        sentence = f"{there.named(ingress)} answers no ARP requests{why}: arp_ignore is {ignore}"
        values = {"ipv4/conf/all/arp_ignore": 0, f"ipv4/conf/{ingress.name}/arp_ignore": 0}
        return NetworkFault(sentence, remedy.set_sysctls(there, values))
    return None


def link_layer_addresses_differ(hop: Hop, there: NamespaceView, ingress: Link) -> NetworkFault | None:
    """Check that the two ends, and the ports between them, do not share one link-layer address."""
    if not ingress.address or ingress.kind in UNRESOLVED_KINDS:
        return None
    others = [(hop.here, hop.egress)] if hop.egress is not None and hop.egress.kind != "ipvlan" else []
    others += [(segment.here, port) for segment in hop.segments if segment.kind == BRIDGE for port in segment.ports]
    for view, other in others:
        if other.address != ingress.address or (view is there and ingress.index in (other.index, other.master)):
            continue  # another address; or itself, or a bridge, which has its address from a port
        sentence = f"{there.named(ingress)} and {view.named(other)} have the same link-layer address, {ingress.address}"
        change = remedy.set_link(there, ingress, f"address {_unused(hop, ingress.address)}")
        return NetworkFault(f"{sentence}, on one segment", change)
    return None


def _unused(hop: Hop, lladdr: str) -> str:
    """Return a link-layer address that no known link has."""
    taken = {link.address for view in hop.views() for link in view.links.values()}
    value = int(lladdr.replace(":", ""), 16) & ~(1 << 40) | 1 << 41  # unicast, locally administered
    while True:
        value = value & ~0xFFFFFF | (value + 1) & 0xFFFFFF
        text = value.to_bytes(6, "big").hex(":")
        if text not in taken:
            return text


def neighbour_entry(hop: Hop, there: NamespaceView, ingress: Link) -> NetworkFault | None:
    """Check that the sender's neighbour entry for the next hop has the link-layer address of the next hop."""
    here, egress = hop.here, hop.egress
    if egress is None or there is here or egress.kind in UNRESOLVED_KINDS or egress.flags & uapi.IFF_NOARP:
        return None
    entries = [one for one in here.neighbours() if (one.index, one.address) == (egress.index, hop.next_hop)]
    one = next((one for one in entries if one.lladdr is not None and one.state & KNOWN), None)
    if one is None or ingress.address in (None, one.lladdr):
        return None
    permanent = bool(one.state & uapi.NUD_PERMANENT)
    held = None if permanent else _holder_at(hop, there, one.lladdr)
    if held is not None:
        view, (link, address) = held
        sentence = f"{view.named(link)} has {hop.next_hop} too, and {here.name} has learnt its link-layer address"
        return NetworkFault(sentence, readdressed(hop, view, (link, address)), conclusive=True)
    if not permanent and any(link.address == one.lladdr for link in there.links.values()):
        return None  # Linux answers for all its addresses on any link
    noted = "has a permanent neighbour entry" if permanent else "has learnt"
    sentence = f"{here.name} {noted} that {hop.next_hop} is at {one.lladdr}, but {there.named(ingress)} is at {ingress.address}"
    return NetworkFault(sentence, remedy.delete_neighbour(here, egress, hop.next_hop), conclusive=permanent)


def _holder_at(hop: Hop, there: NamespaceView, lladdr: str | None) -> tuple[NamespaceView, tuple[Link, Address]] | None:
    """Return the holder of the next hop's address in another namespace that has a link with a link-layer address."""
    for view in [one for one in hop.others if one.loaded and one is not there and one is not hop.here]:
        held = view.holder(hop.next_hop)
        if held is not None and any(link.address == lladdr for link in view.links.values()):
            return view, held
    return None


def macvlan_mode(hop: Hop, there: NamespaceView, ingress: Link) -> NetworkFault | None:
    """Check that two macvlans on one device are in bridge mode: in other modes they do not exchange packets."""
    stacks = [one for segment in hop.segments for one in segment.links]
    ends = [one for one in stacks if one[1].kind == "macvlan" and (one[1] is hop.egress or one[1] is ingress)]
    for view, link in ends if len({id(link) for _, link in ends}) > 1 else ():
        mode = next((word for word, number in MACVLAN_MODES.items() if number == link.data.get("IFLA_MACVLAN_MODE")), "bridge")
        if mode != "bridge":
            sentence = f"{view.named(link)} is a macvlan in {mode} mode"
            sentence += ", which exchanges no packets with other macvlans of its device"
            return NetworkFault(sentence, remedy.set_link(view, link, "type macvlan mode bridge"))
    return None


def holder_found(hop: Hop, view: NamespaceView, link: Link) -> bool:
    """Return whether a receiver has the address of the next hop, on this link if it is IPv6 link-local."""
    if view is hop.here:
        return False
    if hop.family == uapi.AF_INET and not link_local(hop.next_hop):
        return view.holder(hop.next_hop) is not None
    return any(one.address == hop.next_hop for one in view.addresses_of(link, hop.family))
