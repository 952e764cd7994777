"""Which hosts should reach each other, by the description alone: segments, routes, forwarding and address translation.

A packet goes where the longest prefix leads, over wires that are up at both ends, through hosts that forward.  A packet
that leaves through a translated uplink has that uplink's address as its source from there on, and the answer comes back to
it.  There has to be a way in both directions.  Packet filters, rp_filter and whatever else is not described are ignored.
"""

from __future__ import annotations

from _socket import AF_INET

from ..objects import prefix
from ..objects.prefix import BITS
from .segments import Segments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..objects.prefix import Prefix
    from .host import Host, LabRoute
    from .interface import Interface
    from .topology import Topology

    Hop = tuple["Interface", int]  # out of which interface, to which neighbour's address
    Translation = tuple["RoutingTable", int]  # by which host, of which source
    Arrival = tuple["RoutingTable", int, list[Translation]]  # where, and from whom it seems to come

HOPS = 64  # the time to live that Linux gives a packet
FORWARDING = {4: ("net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding"), 6: ("net.ipv6.conf.all.forwarding",)}
LINK_LOCAL = 0xFE80 << 112 >> 118


class Pair:
    """``source`` should reach ``target`` by its ``address``."""

    __slots__ = ("address", "source", "target")

    def __init__(self, source: Host, target: Host, address: Prefix) -> None:
        self.source, self.target, self.address = source, target, address

    def __repr__(self) -> str:
        return f"<Pair {self.source.label} -> {self.target.label} {self.address.address}>"


class RoutingTable:
    """The addresses and routes of a host, for one family of addresses."""

    __slots__ = ("addresses", "forwards", "host", "mine", "routes", "translations")

    def __init__(self, host: Host, family: int) -> None:
        self.host = host
        self.addresses: dict[int, list[tuple[int, int]]] = {}  # by interface (id): number and prefix length
        self.mine: set[int] = set()
        connected: list[tuple[int, int, int, int | None, Interface]] = []  # -length, metric, network, via, out of
        bits = BITS[family]
        for one in host.interfaces:
            if not _works(one):
                continue
            for address in one.addresses:
                if address.family == family:
                    number = address.number
                    self.mine.add(number)
                    self.addresses.setdefault(id(one), []).append((number, address.length))
                    connected.append((-address.length, 0, number >> bits - address.length, None, one))
        rows = list(connected)
        for route in host.ordered_routes:
            if route.to.family == family and (found := _resolved(route, rows, host)):
                rows.append(found)
        self.routes = sorted(rows, key=lambda row: row[:2])
        settings = host.sysctls or {}
        names = FORWARDING[4 if family == AF_INET else 6]
        self.forwards = any(str(settings.get(name, settings.get(name.replace(".", "/"), 0))) == "1" for name in names)
        self.translations = [
            (nat.out, parsed.length, parsed.number >> bits - parsed.length)
            for nat in host.nats
            for parsed in map(prefix.parse, nat.sources)
            if parsed.family == family
        ]

    def hop(self, target: int, bits: int) -> Hop | None:
        """Return the interface and the next hop for ``target``; None if there is no route."""
        for length, _, network, via, out in self.routes:
            if target >> bits + length == network:
                return out, target if via is None else via
        return None

    def source(self, out: Interface, towards: int, bits: int) -> int | None:
        """Return the address it sends from through an interface: the one of the same network if it can, else any."""
        own = self.addresses.get(id(out), [])
        near = (number for number, length in own if number >> bits - length == towards >> bits - length)
        return next(near, own[0][0] if own else next(iter(self.mine), None))

    def translated(self, out: Interface, source: int, bits: int) -> int | None:
        """Return the source address that a packet out of ``out`` is translated to; None if it keeps its own."""
        for name, length, network in self.translations:
            if name == out.name and source >> bits - length == network:
                own = self.addresses.get(id(out))
                return own[0][0] if own else None
        return None


def _works(one: Interface) -> bool:
    """Return whether it is up, with a wire that is up at both ends, and is not the port of a bridge."""
    far = one.peer
    in_vrf = one.master is not None and one.master.routes  # its routes are not in the main table
    return one.up and not one.bridged and not in_vrf and (far is None or far.up) and (one.kind != "veth" or far is not None)


def _resolved(
    route: LabRoute, connected: list[tuple[int, int, int, int | None, Interface]], host: Host
) -> tuple[int, int, int, int | None, Interface] | None:
    """Return a route that was described, with the interface that it leads out of; None if it leads nowhere."""
    bits = BITS[route.to.family]
    via = None if route.via is None else prefix.address(route.via).number
    if route.dev is not None:
        out = next((one for one in host.interfaces if one.name == route.dev and _works(one)), None)
    else:
        near = (row for row in connected if row[3] is None and via is not None and via >> bits + row[0] == row[2])
        ways = sorted(near, key=lambda row: row[0])
        out = ways[0][4] if ways else None
    if out is None:
        return None
    metric = route.metric if route.metric is not None else 0
    return -route.to.length, metric + 1, route.to.number >> bits - route.to.length, via, out


class Reach:
    """Derives from the description of a lab which hosts should reach each other."""

    def __init__(self, lab: Topology) -> None:
        self.lab = lab
        self._segments = Segments(lab, working=True)
        self._tables: dict[int, dict[int, RoutingTable]] = {family: {} for family in BITS}
        self._neighbours: dict[tuple[int, int], Interface] = {}
        self.hosts: list[Host] = []
        for host in lab.hosts:
            addressed = [one for one in host.interfaces if one.addresses and _works(one)]
            if addressed:
                self.hosts.append(host)
            for family in {address.family for one in addressed for address in one.addresses}:
                self._tables[family][host.number] = RoutingTable(host, family)
            for one in addressed:
                where = self._segments.of(one)
                for address in one.addresses:
                    if where is not None:
                        self._neighbours.setdefault((where, _key(address.family, address.number)), one)

    # -- one pair -----------------------------------------------------------------------------------------------------

    def should(self, source: Host, address: Prefix) -> bool:
        """Return whether a packet from one host finds the address, and the answer the way back."""
        family, bits, target = address.family, BITS[address.family], address.number
        start = self._tables[family].get(source.number)
        if start is None:
            return False
        if target in start.mine:
            return True
        hop = start.hop(target, bits)
        own = None if hop is None else start.source(hop[0], hop[1], bits)
        if own is None:
            return False
        there = self._walk(start, family, own, target, False, True)
        return there is not None and self._answered(family, start, there, target)

    def _answered(self, family: int, start: RoutingTable, there: Arrival, target: int) -> bool:
        """Return whether the answer comes back: to each host that changed the source, and on to the original source."""
        here, seen, translations = there
        passing = False
        for translator, before in reversed(translations):
            back = self._walk(here, family, target, seen, passing, False)
            if back is None or back[0] is not translator:
                return False
            here, seen, passing = translator, before, True
        back = self._walk(here, family, target, seen, passing, False)
        return back is not None and back[0] is start

    def _walk(self, here: RoutingTable, family: int, source: int, target: int, passing: bool, out: bool) -> Arrival | None:
        """Follow a packet to where it arrives; ``passing`` if it has come from elsewhere, ``out`` if it may be translated."""
        bits = BITS[family]
        translations: list[Translation] = []
        for _ in range(HOPS):
            if target in here.mine:
                return here, source, translations
            hop = here.hop(target, bits)
            if hop is None or (passing and not here.forwards):
                return None
            changed = here.translated(hop[0], source, bits) if out else None
            if changed is not None and changed != source:
                translations.append((here, source))
                source = changed
            following = self._next(here, hop, family)
            if following is None:
                return None
            here, passing = following, True
        return None

    def _next(self, here: RoutingTable, hop: Hop, family: int) -> RoutingTable | None:
        """Return the host that a packet comes to next."""
        out, neighbour = hop
        where = self._segments.of(out)
        found = None if where is None else self._neighbours.get((where, _key(family, neighbour)))
        if found is None or self._segments.apart(out, found):
            return None
        return self._tables[family].get(found.host.number)

    # -- many ---------------------------------------------------------------------------------------------------------

    def towards(self, source: Host, target: Host) -> Iterator[Pair]:
        """Yield by which of its addresses one host should reach another."""
        for one in target.interfaces:
            if not _works(one):
                continue
            for address in one.addresses:
                local = address.family != AF_INET and address.number >> 118 == LINK_LOCAL  # would need its interface
                if not local and self.should(source, address):
                    yield Pair(source, target, address)

    def pairs(self, most: int = 4096, some: int = 512) -> tuple[list[Pair], bool]:
        """Return the pairs of hosts that should reach each other, and whether that is all.

        Where it would be more than ``most`` it is a choice of about ``some``: first each host and its neighbour in the list,
        two by two, so that every one is in it; then those further apart, 2, 4, 8 ... places on, as long as there is room.
        """
        hosts, number = self.hosts, len(self.hosts)
        if number * number <= most:
            return [pair for one in hosts for other in hosts if one is not other for pair in self.towards(one, other)], True
        found: list[Pair] = []
        used: set[int] = set()
        for place in range(0, number - 1, 2):
            found += self._some(hosts[place], hosts[place + 1], used)
        for place, one in enumerate(hosts):
            if one.number not in used:
                others = (self._some(one, hosts[(place + step) % number], used) for step in range(1, number))
                found += next(filter(None, others), [])
        step = 2
        while step < number and len(found) < some:
            for place in range(number):
                if len(found) < some:
                    found += self._some(hosts[place], hosts[(place + step) % number], used)
            step *= 2
        return found, False

    def _some(self, one: Host, other: Host, used: set[int]) -> list[Pair]:
        found = list(self.towards(one, other))
        if found:
            used.update((one.number, other.number))
        return found


def _key(family: int, number: int) -> int:
    return number << 1 | (family == AF_INET)
