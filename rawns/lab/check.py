"""What is wrong with a description only when one part of it is seen beside another.

Floor 6, pure.  `Lab.up` asks each time, so it takes a look at each interface and no more.  What is merely unusual passes;
what could not work, or what the kernel would refuse half-way, is a sentence, with the place where it was said.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_pton

from ..errors import InvalidValue
from ..objects.prefix import BITS
from .model import Bridge, Existing, Macvlan, Port, Vxlan
from .segments import Segments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from ..objects.prefix import Prefix
    from .lab import Lab
    from .model import Host, Interface, Route

    Found = Iterator["Fault"]

IP6_MTU = 1280  # the shortest that IPv6 is spoken over (RFC 8200)
TOLD = 30  # faults that one error tells of
LINK_LOCAL = 0xFE80 << 112, 10  # fe80::/10


class Fault(str):
    """One thing that is wrong: a sentence with its place before it.  ``text`` is the sentence, ``where`` the place."""

    __slots__ = ("text", "where")

    text: str
    where: object

    def __new__(cls, text: str, where: object = "") -> Fault:
        place = str(getattr(where, "place", where))
        fault = super().__new__(cls, f"{place}: {text}" if place else text)
        fault.text, fault.where = text, where
        return fault


class Impossible(InvalidValue):
    """A description that cannot be: all its ``faults`` at once, a line each, of very many the first 30."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = list(faults)
        more = len(self.faults) - TOLD
        super().__init__("\n".join([*self.faults[:TOLD], *([f"and {more} more"] if more > 0 else [])]))

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), ([str(one) for one in self.faults],)


def faults(lab: Lab, apart: Collection[str] = ()) -> list[str]:
    """A sentence for each thing that is wrong; ``apart`` are hosts (by label) not to be looked at, for they are not whole."""
    found: list[str] = []
    for host in lab.hosts:
        if host.label not in apart:
            found += _in_host(host)
    for one, other in lab.wires:
        if one.mtu != other.mtu and one.mtu and other.mtu:
            found.append(_unequal(one, other))
    found += _on_segments(lab, apart)
    return found


def _unequal(one: Interface, other: Interface) -> Fault:
    text = f"{one} has an MTU of {one.mtu}, and {other}, at the other end, one of {other.mtu}"
    return Fault(f"{text}: longer packets would be lost", one.where)


# -- one host -----------------------------------------------------------------------------------------------------------


def _in_host(host: Host) -> Found:
    for one in host.interfaces:
        if isinstance(one, Port) and one.peer is None:
            yield Fault(f"{one} has no cable", one.where)
        if one.mtu and one.mtu < IP6_MTU and any(address.family == AF_INET6 for address in one.addresses):
            yield Fault(f"{one} has an IPv6 address, which takes an MTU of {IP6_MTU} at least", one.where)
        if one.vlans and one.master is not None and not one.master.vlan_filtering:
            yield Fault(f"{one} has VLANs, and {one.master} does not filter: vlan_filtering = true", one.where)
        if one.master is not None and one.addresses:
            yield Fault(f"{one} is a port of {one.master}, which is to have the addresses", one.where)
        if one.master is not None and one.master.host is not host:
            yield Fault(f"{one} cannot be a port of {one.master}, which is in another namespace", one.where)
        if isinstance(one, Macvlan) and one.parent.host.lab is not host.lab:
            yield Fault(f"{one} stands on {one.parent}, which is not in this lab", one.where)
    if len(host.interfaces) > 1:
        yield from _twice_in_host(host)
    if host.routes and not host.root:
        yield from _routes(host)
    names = {one.name for one in host.interfaces}
    for nat in host.nats:
        if nat.out not in names and not host.root:
            yield Fault(f"NAT out of {nat.out}, and {host.label} has no interface of that name", host.where)
    tunnels = [one for one in host.interfaces if isinstance(one, Vxlan)]
    if tunnels:
        yield from _tunnels(host, tunnels)


def _twice_in_host(host: Host) -> Found:
    seen: dict[str, Interface] = {}
    for one in host.interfaces:
        for address in one.addresses:
            before = seen.setdefault(address.address, one)
            if before is not one and not _inside(_number(address), *LINK_LOCAL, 128):
                yield Fault(f"{address} is twice in {host.label}: on {before.name} and on {one.name}", one.where)


def _routes(host: Host) -> Found:
    networks = [
        (address.family, _number(address), address.length, one.name) for one in host.interfaces for address in one.addresses
    ]
    names = {"lo", *(one.name for one in host.interfaces)}
    seen: dict[tuple[str, int | None], Route] = {}
    for route in host.routes:
        where = route.where or host.where
        if route.dev is not None and route.dev not in names:
            yield Fault(f"the route {route} of {host.label} goes out of {route.dev}, which is none of its interfaces", where)
        elif route.via is not None:
            yield from _gateway(host, route, networks)
        before = seen.setdefault((str(route.to), route.metric), route)
        if before is not route:
            yield Fault(f"{host.label} has two routes to the same: {before}, and {route}", where)


def _gateway(host: Host, route: Route, networks: list[tuple[int, int, int, str | None]]) -> Found:
    family, number = route.to.family, _whole(route.to.family, route.via or "")
    where, bits = route.where or host.where, BITS[family]
    if bits == 128 and _inside(number, *LINK_LOCAL, bits):
        if route.dev is None:
            yield Fault(f"the gateway {route.via} of {host.label} is a link's own address: say the interface too (dev)", where)
        return
    near = [
        own
        for kind, own, length, name in networks
        if kind == family and route.dev in (None, name) and own >> bits - length == number >> bits - length
    ]
    if number in near:
        yield Fault(f"the gateway {route.via} of {host.label} is its own address", where)
    elif not near:
        out = f" of {route.dev}" if route.dev else ""
        yield Fault(f"the gateway {route.via} of {host.label} is in no network{out} that it has an address in", where)


def _tunnels(host: Host, tunnels: list[Vxlan]) -> Found:
    mine = {address.address for one in host.interfaces for address in one.addresses}
    seen: dict[tuple[int, int], Vxlan] = {}
    for one in tunnels:
        if one.local is not None and one.local.address not in mine and not host.root:
            yield Fault(f"{one} sends from {one.local.address}, which is no address of {host.label}", one.where)
        before = seen.setdefault((one.vni, one.port), one)
        if before is not one:
            yield Fault(f"{one} and {before.name} have the same number, {one.vni}, on the same port", one.where)


# -- one stretch of Ethernet ----------------------------------------------------------------------------------------------


def _on_segments(lab: Lab, apart: Collection[str]) -> Found:
    if all(type(one) is Port and one.master is None for host in lab.hosts for one in host.interfaces):
        for wire in lab.wires:  # a stretch of its own each
            ends: list[Interface] = [one for one in wire if one.addresses or one.mac]
            if ends:
                yield from _equal(ends)
                yield from _networks(ends, any(one.host.label in apart for one in wire))
        return
    segments = Segments(lab)
    found: dict[int, list[Interface]] = {}
    unsure: set[int | None] = set(segments.open)
    for host in lab.hosts:
        if host.label in apart:
            unsure.update(segments.of(one) for one in host.interfaces)
            continue
        for one in host.interfaces:
            if (one.addresses or one.mac) and not isinstance(one, Existing):
                where = segments.of(one)
                if where is not None:
                    found.setdefault(where, []).append(one)
    for where, members in found.items():
        yield from _equal(members)
        yield from _networks(members, where in unsure)


def _equal(members: list[Interface]) -> Found:
    """Two of a segment that have the same address, or the same MAC address."""
    addresses: dict[str, Interface] = {}
    macs: dict[str, Interface] = {}
    for one in members:
        for address in one.addresses:
            before = addresses.setdefault(address.address, one)
            if before is not one and before.host is not one.host:
                yield Fault(f"{address.address} is {before}'s already, and {one} is on the same network", one.where)
        if one.mac is not None and not isinstance(one, Bridge):
            before = macs.setdefault(one.mac.lower(), one)
            if before is not one:
                yield Fault(f"{one.mac} is {before}'s already, and {one} is on the same network", one.where)


def _networks(members: list[Interface], lenient: bool) -> Found:
    """Those that share a network with nobody else on the segment, where there are others; and addresses that are none.

    It is the interface that has to have something in common with another: a further address of its own harms nobody.
    """
    groups: dict[tuple[int, int, int], list[Interface]] = {}
    numbers: dict[tuple[int, int], list[tuple[Prefix, int]]] = {}
    for place, one in enumerate(members):
        for address in one.addresses:
            family, length = address.family, address.length
            number, host_bits = _number(address), BITS[family] - length
            groups.setdefault((family, length, number >> host_bits), []).append(one)
            numbers.setdefault((place, family), []).append((address, number))
            if family == AF_INET and host_bits > 1:
                rest = number & (1 << host_bits) - 1
                if not rest or rest == (1 << host_bits) - 1:
                    what = "the broadcast address of its network" if rest else "the network itself"
                    yield Fault(f"{address} of {one} is {what}, and no host's", one.where)
    if lenient or len(groups) == len({family for family, _, _ in groups}):
        return  # all are in one network, of either family
    families = {family: sum(kind == family for _, kind in numbers) for family in BITS}
    for (place, family), own in numbers.items():
        if families[family] > 1 and not any(_shared(address, number, groups, members[place]) for address, number in own):
            yield _alone(members[place], [address for address, _ in own], family, members)
            if families[family] == 2:
                families[family] = 0  # the other would be told the same


def _shared(address: Prefix, number: int, groups: dict[tuple[int, int, int], list[Interface]], one: Interface) -> bool:
    """Whether another interface has an address in this one's network, or this one is in another's."""
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


def _alone(one: Interface, own: list[Prefix], family: int, members: list[Interface]) -> Fault:
    other, address = next(
        (other, address) for other in members if other is not one for address in other.addresses if address.family == family
    )
    peer = getattr(one, "peer", None)
    end = "at the other end" if peer is other else "on the same network"
    return Fault(f"{', '.join(map(str, own))} of {one} is in no network with {address} of {other}, {end}", one.where)


# -- numbers --------------------------------------------------------------------------------------------------------------


def _whole(family: int, address: str) -> int:
    return int.from_bytes(inet_pton(family, address), "big")


def _number(address: Prefix) -> int:
    return int.from_bytes(inet_pton(address.family, address.address), "big")


def _inside(number: int, network: int, length: int, bits: int) -> bool:
    return number >> bits - length == network >> bits - length


def told(found: Iterable[str]) -> None:
    """Raises `Impossible` where anything was found."""
    found = list(found)
    if found:
        raise Impossible(found)
