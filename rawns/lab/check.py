"""Problems of a description that are found only when its parts are seen together.

`Lab.up` asks each time, so each interface is looked at a constant number of times.  What is merely unusual passes; what
could not work, or what the kernel would refuse half-way, is a problem with the place of its cause.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6

from .. import sysctl
from ..objects import prefix
from ..objects.prefix import BITS
from ..terminal import short_repr
from .interface import DEFAULT_MTU
from .problems import Problem
from .words import LINK_LOCAL, inside, mac_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ..objects.prefix import Prefix
    from .host import Host, LabRoute
    from .interface import Interface
    from .topology import Topology

    Problems = Iterator[Problem]
    Networks = list[tuple[int, int, int, str | None]]  # family, number, prefix length, interface

MAX_PORTS = 1023  # of a bridge: BR_MAX_PORTS of net/bridge/br_private.h, less the port number 0
IP6_MTU = 1280  # the smallest MTU that IPv6 works with (RFC 8200)
IP6_PREFIX_METRIC = 256  # of the route that the kernel adds with an IPv6 address (IP6_RT_PRIO_ADDRCONF)
DISABLE_IPV6 = "net/ipv6/conf/{}/disable_ipv6"


def problems_of(lab: Topology, incomplete: Collection[str] = ()) -> list[str]:
    """Return all problems of a lab.  The hosts with the labels ``incomplete`` are not looked at: something of them is missing."""
    found: list[str] = []
    for host in lab.hosts:
        if host.label not in incomplete:
            found += _in_host(host)
    for one, other in lab.wires:
        if one.mtu != other.mtu and one.mtu and other.mtu:
            found.append(_unequal(one, other))
    found += _shared_parents(lab)
    found += _tunnels(lab, incomplete)
    found += _on_segments(lab, incomplete)
    return found


def _unequal(one: Interface, other: Interface) -> Problem:
    text = f"{one} has an MTU of {one.mtu}, and {other}, at the other end, one of {other.mtu}"
    return Problem(f"{text}: longer packets would be lost", one.where)


def _shared_parents(lab: Topology) -> Problems:
    """Yield interfaces that share a parent of which one of them needs all (a macvlan in mode passthru)."""
    children: dict[int, list[Interface]] = {}
    for host in lab.hosts:
        for one in host.interfaces:
            if one.parent is not None:
                children.setdefault(id(one.parent), []).append(one)
    for several in children.values():
        alone = next((one for one in several if one.exclusive), None)
        if alone is not None and len(several) > 1:
            other = next(one for one in several if one is not alone)
            yield Problem(f"{alone} ({alone.note}) has to be alone on {alone.parent}, and {other} stands on it too", other.where)


# -- one host -----------------------------------------------------------------------------------------------------------


def _in_host(host: Host) -> Problems:
    ports: dict[int, list[Interface]] = {}
    for one in host.interfaces:
        yield from _of_interface(host, one)
        if one.bridged:
            ports.setdefault(id(one.master), []).append(one)
    for several in ports.values():
        if len(several) > MAX_PORTS:
            master = several[0].master
            text = f"{master} has {len(several)} ports, and the kernel allows a bridge {MAX_PORTS}: use several bridges"
            yield Problem(text, master.where if master is not None else "")
    yield from _duplicate_addresses(host)
    if host.routes and not host.root:
        yield from _routes(host)
    names = {one.name for one in host.interfaces}
    for rule in host.firewall:
        out = rule.partition(" on ")[2]
        if out and out not in names and out != "lo" and not host.root:
            yield Problem(f"the firewall rule {short_repr(rule)}, but {host.label} has no interface {out}", host.where)
    for nat in host.nats:
        if nat.out not in names and not host.root:
            yield Problem(f"NAT out of {nat.out}, but {host.label} has no interface of that name", host.where)


def _of_interface(host: Host, one: Interface) -> Problems:
    if one.kind == "veth" and one.peer is None:
        yield Problem(f"{one} has no wire", one.where)
    if one.shape and one.txqueuelen == 0:
        yield Problem(f"{one} has a rate or a delay, which needs a queue: the kernel changes txqueuelen = 0 to 1000", one.where)
    if one.mtu and one.mtu < IP6_MTU and any(address.family == AF_INET6 for address in one.addresses):
        yield Problem(f"{one} has an IPv6 address, which needs an MTU of at least {IP6_MTU}", one.where)
    if host.sysctls and _ipv6_disabled(host.sysctls, one.name) and any(address.family == AF_INET6 for address in one.addresses):
        yield Problem(f"{one} has an IPv6 address, but disable_ipv6 of {host.label} is 1: the kernel refuses it", one.where)
    if one.master is not None:
        yield from _of_slave(host, one, one.master)
    if one.parent is not None:
        yield from _of_stacked(host, one, one.parent)


def _of_slave(host: Host, one: Interface, master: Interface) -> Problems:
    if one.vlans and not master.vlan_filtering:
        yield Problem(f"{one} has VLANs, but {master} does not filter them: vlan_filtering = true", one.where)
    if master.switches and one.addresses:
        yield Problem(f"{one} is a port of {master}, which has the addresses in its place", one.where)
    if master.host is not host:
        yield Problem(f"{one} cannot be a port of {master}, which is in another namespace", one.where)


def _of_stacked(host: Host, one: Interface, parent: Interface) -> Problems:
    if parent.host.lab is not host.lab:
        yield Problem(f"{one} stands on {parent}, which is not in this lab", one.where)
    most = _mtu(parent) if one.mtu else None
    if one.mtu and most and one.mtu > most:
        yield Problem(f"{one} has an MTU of {one.mtu}, and {parent}, which it stands on, one of {most}", one.where)
    if one.takes_frames and parent.bridged:
        yield Problem(f"{one} cannot stand on {parent}, whose frames {parent.master} takes as its bridge", one.where)
    if parent.name == "lo" and not one.on_loopback:
        yield Problem(f"{one} cannot stand on {parent}, the loopback interface: the kernel refuses {one.what} there", one.where)


def _mtu(one: Interface) -> int | None:
    """Return the MTU that an interface will have; None if only the kernel knows it."""
    if one.mtu or one.existing:
        return one.mtu
    if one.parent is not None:
        return _mtu(one.parent)
    if one.switches:  # the smallest of its ports
        known = [port.mtu or port.usual_mtu({}) for port in one.host.interfaces if port.master is one]
        return min(known, key=lambda mtu: mtu or DEFAULT_MTU, default=DEFAULT_MTU)
    return one.usual_mtu({})


def _ipv6_disabled(sysctls: dict[str, str], name: str | None) -> bool:
    settings = {key if "/" in key else key.replace(".", "/"): value for key, value in sysctls.items()}
    named = settings.get(DISABLE_IPV6.format(name))
    said = (named,) if named else tuple(settings.get(DISABLE_IPV6.format(word), "0") for word in ("all", "default"))
    return any(not sysctl.same(one, "0") for one in said)


def _duplicate_addresses(host: Host) -> Problems:
    seen: dict[str, tuple[Interface, Prefix]] = {}
    for one in host.interfaces:
        for address in one.addresses:
            before, first = seen.setdefault(address.address, (one, address))
            if first is address:
                continue
            if before is one and (address.family == AF_INET6 or first.length == address.length):
                yield Problem(f"{address} is twice on {one}", one.where)
            elif before is not one and not inside(address.number, *LINK_LOCAL, 128):
                yield Problem(f"{address} is twice in {host.label}: on {before.name} and on {one.name}", one.where)


def _routes(host: Host) -> Problems:
    networks: Networks = [
        (address.family, address.number, address.length, one.name)
        for one in host.interfaces
        if one.up
        for address in one.addresses
    ]
    on_link: Networks = [
        (route.to.family, route.to.number, route.to.length, route.dev) for route in host.routes if route.via is None
    ]
    down = {one.name for one in host.interfaces if not one.up and not one.existing}
    names = {"lo", *(one.name for one in host.interfaces)}
    connected = {key: one for one in host.interfaces if one.up for address in one.addresses for key in _connected(address)}
    seen: dict[tuple[str, int | None], LabRoute] = {}
    for route in host.routes:
        where = route.where or host.where
        if route.dev is not None and route.dev not in names:
            yield Problem(f"the route {route} of {host.label} goes out of {route.dev}, which is none of its interfaces", where)
        elif route.dev in down:
            yield Problem(f"the route {route} of {host.label} goes out of {route.dev}, which is down: up = false", where)
        elif route.dev is not None and route.to.family == AF_INET6 and _ipv6_disabled(host.sysctls or {}, route.dev):
            yield Problem(f"the route {route} of {host.label} goes out of {route.dev}, where disable_ipv6 is 1", where)
        elif route.via is not None:
            yield from _gateway(host, route, networks, on_link)
        before = seen.setdefault((str(route.to), route.metric), route)
        if before is not route:
            yield Problem(f"{host.label} has two routes to the same: {before}, and {route}", where)
        own = connected.get((route.to.family, route.to.number, route.to.length, route.metric or 0))
        if own is not None:
            yield Problem(f"the kernel adds the route to {route.to} in {host.label} itself, with the address of {own}", where)


def _connected(address: Prefix) -> Iterator[tuple[int, int, int, int]]:
    """Yield family, number, prefix length and metric of the route that the kernel adds to the table main with an address."""
    number = address.number & address.mask
    if address.family == AF_INET6:
        yield address.family, number, address.length, IP6_PREFIX_METRIC
    elif address.length < 32 and number >> 24:  # fib_add_ifaddr: not for a network within 0.0.0.0/8
        yield address.family, number, address.length, 0


def _gateway(host: Host, route: LabRoute, networks: Networks, on_link: Networks) -> Problems:
    family, number = route.to.family, prefix.address(route.via or "").number
    where, bits = route.where or host.where, BITS[family]
    if bits == 128 and inside(number, *LINK_LOCAL, bits):
        if route.dev is None:
            yield Problem(f"the gateway {route.via} of {host.label} is a link's own address: say the interface too (dev)", where)
        return
    near = [
        own
        for kind, own, length, name in [*networks, *on_link]
        if kind == family and route.dev in (None, name) and inside(number, own, length, bits)
    ]
    if any(kind == family and own == number for kind, own, _, _ in networks):
        yield Problem(f"the gateway {route.via} of {host.label} is its own address", where)
    elif any(
        kind == family == AF_INET and length < 31 and number == own | (1 << 32 - length) - 1 for kind, own, length, _ in networks
    ):
        yield Problem(f"the gateway {route.via} of {host.label} is the broadcast address of a network of its own", where)
    elif not near:
        out = f" of {route.dev}" if route.dev else ""
        yield Problem(f"the gateway {route.via} of {host.label} is in no network{out} that it has an address in", where)


def _tunnels(lab: Topology, incomplete: Collection[str]) -> Problems:
    """Yield tunnels whose packets cannot leave: the addresses and numbers are those of the host that carries them."""
    seen: dict[object, Interface] = {}
    for one in [one for host in lab.hosts if host.label not in incomplete for one in host.interfaces if one.tunnel]:
        carrier = one.created_in
        mine = {address.address for interface in carrier.interfaces for address in interface.addresses}
        if one.local is not None and one.local not in mine and not carrier.root and carrier.label not in incomplete:
            yield Problem(f"{one} sends from {one.local}, which is not an address of {carrier.label}", one.where)
        before = seen.setdefault((carrier.number, one.tunnel_key), one)
        if before is not one:
            name = before.name if before.host is one.host else str(before)
            yield Problem(f"{one} and {name} have the same number on the same port: {one.note}", one.where)


# -- one segment of Ethernet ----------------------------------------------------------------------------------------------


def _on_segments(lab: Topology, incomplete: Collection[str]) -> Problems:
    if all(one.kind == "veth" and one.master is None for host in lab.hosts for one in host.interfaces):
        for wire in lab.wires:  # each is a segment of its own
            ends: list[Interface] = [one for one in wire if one.addresses or one.mac]
            if ends:
                yield from _equal(ends)
                yield from _networks(ends, any(one.host.label in incomplete for one in wire))
        return
    yield from _loops(lab)
    from .segments import Segments

    segments = Segments(lab)
    found: dict[int, list[Interface]] = {}
    unsure: set[int | None] = set(segments.open)
    for host in lab.hosts:
        if host.label in incomplete:
            unsure.update(segments.of(one) for one in host.interfaces)
            continue
        for one in host.interfaces:
            if (one.addresses or one.mac) and not one.existing:
                where = segments.of(one)
                if where is not None:
                    found.setdefault(where, []).append(one)
    for where, members in found.items():
        yield from _equal(members)
        yield from _networks(members, where in unsure)


def _loops(lab: Topology) -> Problems:
    """Yield a problem for each loop of bridges without spanning tree protocol: frames would circulate in it without end."""
    between = (one.bridged and other.bridged for one, other in lab.wires)
    stacked = (one.bridged and (one.parent is not None or one.tunnel) for host in lab.hosts for one in host.interfaces)
    if not any(between) and not any(stacked):
        return
    from .segments import Segments

    for one, other in Segments(lab, working=True, spanning_tree=True).loops:
        text = f"{one} and {other} close a loop of bridges, in which frames circulate without end"
        yield Problem(f"{text}: stp = true on one of the bridges, or loop = true on the wire", one.where)


def _equal(members: list[Interface]) -> Problems:
    """Yield two of a segment that have the same address, or the same MAC address."""
    addresses: dict[str, Interface] = {}
    macs: dict[bytes, Interface] = {}
    for one in members:
        for address in one.addresses:
            before = addresses.setdefault(address.address, one)
            if before is not one and before.host is not one.host:
                yield Problem(f"{address.address} belongs to {before}, and {one} is on the same network", one.where)
        if one.mac is not None and not one.switches:
            before = macs.setdefault(mac_bytes(one.mac), one)
            if before is not one:
                yield Problem(f"{one.mac} belongs to {before}, and {one} is on the same network", one.where)


def _networks(members: list[Interface], lenient: bool) -> Problems:
    """Yield interfaces that share no network with another one on the segment, and addresses that no host can have.

    One of an interface's addresses has to be in a network with another interface; further ones need not.
    """
    groups: dict[tuple[int, int, int], list[Interface]] = {}
    numbers: dict[tuple[int, int], list[tuple[Prefix, int]]] = {}
    for place, one in enumerate(members):
        for address in one.addresses:
            family, length = address.family, address.length
            number, host_bits = address.number, BITS[family] - length
            groups.setdefault((family, length, number >> host_bits), []).append(one)
            numbers.setdefault((place, family), []).append((address, number))
            if family == AF_INET and host_bits > 1:
                rest = number & (1 << host_bits) - 1
                if not rest or rest == (1 << host_bits) - 1:
                    what = "the broadcast address of its network" if rest else "the network itself"
                    yield Problem(f"{address} of {one} is {what}, which no host can have", one.where)
    if lenient or len(groups) == len({family for family, _, _ in groups}):
        return  # all are in one network, of either family
    families = {family: sum(kind == family for _, kind in numbers) for family in BITS}
    for (place, family), own in numbers.items():
        if members[place].parent is not None:
            continue  # a stacked interface may have a network of its own
        if _reaches_on_link(members[place], family, members):
            continue
        if families[family] > 1 and not any(_shared(address, number, groups, members[place]) for address, number in own):
            yield _alone(members[place], [address for address, _ in own], family, members)
            if families[family] == 2:
                families[family] = 0  # the other would be told the same


def _reaches_on_link(one: Interface, family: int, members: list[Interface]) -> bool:
    """Return whether a route without a gateway leads out of an interface to an address of another one on the segment."""
    routes = [
        route.to
        for route in getattr(one.host, "routes", ())
        if route.via is None and route.dev == one.name and route.to.family == family
    ]
    return any(
        inside(address.number, to.number, to.length, BITS[family])
        for to in routes
        for other in members
        if other is not one
        for address in other.addresses
        if address.family == family
    )


def _shared(address: Prefix, number: int, groups: dict[tuple[int, int, int], list[Interface]], one: Interface) -> bool:
    """Return whether another interface has an address in this one's network, or this one is in another's."""
    bits = BITS[address.family]
    if address.length == bits:
        return True  # alone on purpose: it is reached by a route
    same = groups[address.family, address.length, number >> bits - address.length]
    if any(other is not one for other in same):
        return True
    for (family, length, network), others in groups.items():
        if family == address.family and (length != address.length or length == bits):
            short = min(length, address.length)
            if network >> length - short == number >> bits - short and any(other is not one for other in others):
                return True
    return False


def _alone(one: Interface, own: list[Prefix], family: int, members: list[Interface]) -> Problem:
    other, address = next(
        (other, address) for other in members if other is not one for address in other.addresses if address.family == family
    )
    end = "at the other end" if one.peer is other else "on the same network"
    return Problem(f"{', '.join(map(str, own))} of {one} is in no network with {address} of {other}, {end}", one.where)
