"""Where addresses come from: the plugins host-local and static, alone or as the ``ipam`` of another plugin."""

from __future__ import annotations

import os

from ..errors import InvalidValue
from ..json_text import shown
from ..objects import prefix
from ..terminal import printable
from . import checks
from .failure import EXHAUSTED, EXISTS, INVALID_CONFIG, IO_FAILURE, CniError
from .keys import CIDR, IP, OBJECT, SUBNET, TEXT, ConfigKey, invalid, list_of, plain_address, read, table
from .leases import Leases
from .plugin import CniPlugin, different
from .result import DNS, ROUTES, CniResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..objects.link import Link
    from ..objects.prefix import Prefix
    from .call import Call

    Item = dict[str, Any]

MAX_RESOLV_CONF_BYTES = 65536
RANGE = (
    ConfigKey("subnet", SUBNET, "the network", required=True),
    ConfigKey("rangeStart", IP, "the first address that is given out; by default the first of the network"),
    ConfigKey("rangeEnd", IP, "the last one; by default the last of the network, without IPv4's broadcast address"),
    ConfigKey("gateway", IP, "the gateway, which is not given out; by default the first address of the network"),
)
RANGE_SETS = list_of(list_of(table(RANGE)))
IPS = list_of(TEXT)


class AddressRange:
    """Addresses of one subnet that may be given out: those from ``first`` to ``last`` but for the gateway."""

    __slots__ = ("subnet", "first", "last", "gateway")

    def __init__(self, given: Item, place: str) -> None:
        subnet: Prefix = given["subnet"]
        bits = prefix.BITS[subnet.family]
        if subnet.length > bits - 2:
            raise invalid(place, f"{subnet} is too small to give out addresses of")
        self.subnet, lowest = subnet, subnet.number
        highest = lowest | (1 << bits - subnet.length) - 1
        ends = {"rangeStart": lowest + 1, "rangeEnd": highest - (bits == 32), "gateway": lowest + 1}
        for name in ends:
            if given[name] is not None:
                if given[name] not in subnet:
                    raise invalid(f"{place}.{name}", f"{given[name]} is not in {subnet}")
                ends[name] = prefix.parse(given[name]).number
        self.first, self.last, self.gateway = ends["rangeStart"], ends["rangeEnd"], ends["gateway"]
        if self.first > self.last:
            raise invalid(place, "rangeStart comes after rangeEnd")

    def __contains__(self, address: Prefix) -> bool:
        return address.family == self.subnet.family and self.first <= address.number <= self.last

    def overlaps(self, other: AddressRange) -> bool:
        """Return whether an address is in both."""
        return self.subnet.family == other.subnet.family and self.first <= other.last and other.first <= self.last

    def text(self, number: int) -> str:
        """Return an address as text."""
        return prefix.Prefix.of(self.subnet.family, number).address

    def item(self, address: str) -> Item:
        """Return the entry of a result for an address."""
        found = prefix.Prefix(self.subnet.family, address, self.subnet.length)
        return {"address": found, "gateway": self.text(self.gateway), "interface": None}


TYPE = ConfigKey("type", TEXT, "the plugin", required=True)


class Ipam:
    """A source of addresses, with its own part of the configuration: ``values``."""

    keys: tuple[ConfigKey, ...] = ()

    def __init__(self, call: Call) -> None:
        self.call = call
        self.values: Item = read((TYPE, *self.keys), call.config.get("ipam"), "ipam")

    def requested(self) -> list[str]:
        """Return the addresses that CNI_ARGS, ``args.cni.ips`` and the capability ``ips`` ask for, in this order."""
        found = [one for one in self.call.arguments.get("IP", "").split(",") if one]
        for place, value in (("args.cni.ips", self.call.conventional("ips")), ("runtimeConfig.ips", self.call.capability("ips"))):
            found += IPS.read(value, place) if value is not None else []
        return found

    def add(self) -> CniResult:
        """Give out addresses."""
        raise NotImplementedError

    def check(self, result: CniResult | None) -> None:
        """Raise `CniError` if an address of a result is not reserved, or one that is reserved is not in it."""

    def delete(self) -> None:
        """Take addresses back."""

    def collect(self) -> None:
        """Take back the addresses of attachments that are not valid."""

    def status(self) -> None:
        """Raise `CniError` if no addresses can be given out."""


class HostLocal(Ipam):
    """Give out addresses of ranges, one of each range set; remember them in files (`Leases`)."""

    keys = (
        ConfigKey("ranges", RANGE_SETS, "range sets: one address of each is given out", []),
        *(ConfigKey(key.name, key.type, f"{key.help} (of a single range)") for key in RANGE),
        ConfigKey("routes", list_of(table(ROUTES)), "routes of the container", []),
        ConfigKey("resolvConf", TEXT, "a file such as /etc/resolv.conf, whose name servers become those of the container"),
        ConfigKey("dataDir", TEXT, "the directory of the files", "/var/lib/cni/networks"),
    )

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self.range_sets = self._range_sets()
        if not os.path.isabs(self.values["dataDir"]):
            raise invalid("ipam.dataDir", f"{shown(self.values['dataDir'])} is not an absolute path")

    def _range_sets(self) -> list[list[AddressRange]]:
        given: list[tuple[str, list[Item]]] = []
        if self.values["subnet"] is not None:
            given.append(("ipam", [self.values]))
        elif any(self.values[key.name] is not None for key in RANGE):
            raise invalid("ipam", "rangeStart, rangeEnd and gateway need a subnet")
        asked = self.call.capability("ipRanges")
        dynamic = RANGE_SETS.read(asked, "runtimeConfig.ipRanges") if asked is not None else []
        for place, sets in (("runtimeConfig.ipRanges", dynamic), ("ipam.ranges", self.values["ranges"])):
            given += [(f"{place}[{number}]", one) for number, one in enumerate(sets)]
        if not given:
            raise invalid("ipam", "no ranges: host-local needs ranges, or a subnet")
        made: list[list[AddressRange]] = []
        for place, several in given:
            one_set: list[AddressRange] = []
            for number, values in enumerate(several):
                where = place if values is self.values else f"{place}[{number}]"
                one = AddressRange(values, where)
                for other in [*one_set, *(known for known_set in made for known in known_set)]:
                    if one.overlaps(other):
                        raise invalid(where, f"the range of {one.subnet} overlaps with another of {other.subnet}")
                if one_set and one_set[0].subnet.family != one.subnet.family:
                    raise invalid(where, "the ranges of a set must be of one family")
                one_set.append(one)
            if not one_set:
                raise invalid(place, "a range set without ranges")
            made.append(one_set)
        return made

    def _leases(self, create: bool = True) -> Leases:
        return Leases(str(self.call.network), self.values["dataDir"], create)

    def add(self) -> CniResult:
        asked_for = [self._wanted(text) for text in self.requested()]
        wanted = list({one.address: one for one in asked_for}.values())  # an engine may ask twice, in different places
        dns = self._dns()
        with self._leases() as leases:
            mine = leases.of(self.call.attachment)
            if mine:
                raise CniError(EXISTS, f"{', '.join(mine)}: given to this attachment already, which must be deleted first")
            taken = leases.names()
            found: list[tuple[int, AddressRange, str]] = []
            for number, ranges in enumerate(self.range_sets):
                asked = next((one for one in wanted if any(one in known for known in ranges)), None)
                if asked is not None:
                    wanted.remove(asked)
                    found.append((number, *_take(ranges, asked, taken)))
                else:
                    found.append((number, *_next(ranges, leases.last(number), taken)))
            if wanted:
                again = any(wanted[0] in one for ranges in self.range_sets for one in ranges)
                where = "in a range set of which another address is asked for" if again else "in none of the ranges"
                raise CniError(INVALID_CONFIG, f"{wanted[0].address} is asked for, and is {where}")
            self.call.undo(self.delete)
            for number, _, address in found:
                leases.reserve(address, self.call.attachment)
                leases.set_last(number, address)
        return CniResult([range_.item(address) for _, range_, address in found], self.values["routes"], dns)

    def _wanted(self, text: str) -> Prefix:
        try:
            return plain_address(text.partition("/")[0])
        except InvalidValue as error:
            raise CniError(INVALID_CONFIG, f"an address that is asked for: {error}") from None

    def _dns(self) -> Item | None:
        path = self.values["resolvConf"]
        return resolv_conf(path) if path else None

    def check(self, result: CniResult | None) -> None:
        with self._leases(create=False) as leases:
            mine = set(leases.of(self.call.attachment))
        given = [] if result is None else result.in_sandbox(self.call.netns_path, self.call.ifname)
        wanted = {one.address for one in given if any(one in known for ranges in self.range_sets for known in ranges)}
        if wanted - mine:
            raise different(f"{', '.join(sorted(wanted - mine))} is not reserved for {self.call.attachment}")
        if not mine:
            raise different(f"no address is reserved for {self.call.attachment}")
        if result is not None and mine - wanted:
            raise different(
                f"prevResult lacks the address {', '.join(sorted(mine - wanted))}, which is reserved for {self.call.attachment}"
            )

    def delete(self) -> None:
        if os.path.isdir(f"{self.values['dataDir']}/{self.call.network}"):
            with self._leases(create=False) as leases:
                leases.release(*leases.of(self.call.attachment))

    def collect(self) -> None:
        if not os.path.isdir(f"{self.values['dataDir']}/{self.call.network}"):
            return
        valid = {(one.container, one.ifname) for one in self.call.valid} | {(one.container, "") for one in self.call.valid}
        with self._leases(create=False) as leases:
            leases.release(*[name for name, owner in leases.owners().items() if owner not in valid])

    def status(self) -> None:
        self._dns()
        with self._leases() as leases:
            taken = leases.names()
            for number, ranges in enumerate(self.range_sets):
                _next(ranges, leases.last(number), taken)


def _take(ranges: list[AddressRange], asked: Prefix, taken: set[str]) -> tuple[AddressRange, str]:
    """Return an address that is asked for, and its range."""
    range_ = next(one for one in ranges if asked in one)
    if asked.number == range_.gateway:
        raise CniError(INVALID_CONFIG, f"{asked.address} is asked for, and is the gateway of {range_.subnet}")
    if asked.address in taken:
        raise CniError(EXHAUSTED, f"{asked.address} is asked for, and is given out already")
    return range_, asked.address


def _next(ranges: list[AddressRange], last: str, taken: set[str]) -> tuple[AddressRange, str]:
    """Return the first free address after the last one that was given out, and its range."""
    for range_, number in _from(ranges, last):
        address = range_.text(number)
        if address not in taken:
            return range_, address
    raise CniError(EXHAUSTED, f"no address is free in {', '.join(str(one.subnet) for one in ranges)}")


def _from(ranges: list[AddressRange], last: str) -> Iterator[tuple[AddressRange, int]]:
    """Yield all addresses, beginning after ``last``.  Of a large range no more are looked at than can be taken."""
    start = next((n for n, one in enumerate(ranges) if last and prefix.parse(last) in one), -1)
    after = prefix.parse(last).number + 1 if start >= 0 else 0
    turns = [(ranges[start], after, ranges[start].last)] if start >= 0 else []
    turns += [(one, one.first, one.last) for one in (*ranges[start + 1 :], *ranges[: max(start, 0)])]
    turns += [(ranges[start], ranges[start].first, after - 1)] if start >= 0 else []
    for range_, first, end in turns:
        for number in range(first, end + 1):
            if number != range_.gateway:
                yield range_, number


def resolv_conf(path: str) -> Item:
    """Return the name servers, domain, search domains and options of a file in the form of resolv.conf(5)."""
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_RESOLV_CONF_BYTES).decode("utf-8", "replace")
    except OSError as error:
        raise CniError(IO_FAILURE, f"ipam.resolvConf: {printable(path)}: {error.strerror}") from None
    found: Item = {"nameservers": [], "domain": "", "search": [], "options": []}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0][0] in "#;":
            continue
        if words[0] == "nameserver":
            found["nameservers"].append(words[1])
        elif words[0] == "domain":
            found["domain"] = words[1]
        elif words[0] in ("search", "options"):
            found[words[0]] += words[1:]
    return found


STATIC_ADDRESS = (
    ConfigKey("address", CIDR, "an address with its prefix length", required=True),
    ConfigKey("gateway", IP, "the gateway of its network"),
)


class Static(Ipam):
    """Give out the addresses that the configuration, or the engine, names.  Nothing is remembered."""

    keys = (
        ConfigKey("addresses", list_of(table(STATIC_ADDRESS)), "the addresses; those that the engine asks for replace them", []),
        ConfigKey("routes", list_of(table(ROUTES)), "routes of the container", []),
        ConfigKey("dns", table(DNS), "DNS", {}),
    )

    def add(self) -> CniResult:
        asked = self.requested()
        given: list[Item] = [{"address": CIDR.read(text, "an address that is asked for"), "gateway": None} for text in asked]
        gateways = [IP.read(text, "CNI_ARGS: GATEWAY") for text in self.call.arguments.get("GATEWAY", "").split(",") if text]
        for one in given:
            one["gateway"] = next((gateway for gateway in gateways if gateway in one["address"].network), None)
        items = given or self.values["addresses"]
        if not items:
            raise invalid("ipam", "no addresses: static needs addresses, or an engine that asks for some")
        return CniResult([{**one, "interface": None} for one in items], self.values["routes"], self.values["dns"])


SOURCES: dict[str, type[Ipam]] = {"host-local": HostLocal, "static": Static}


def source(call: Call) -> Ipam | None:
    """Return what a configuration takes addresses from; None if it has no ``ipam``, or an empty one.  Raises `CniError`."""
    given = call.config.get("ipam")
    if not given:
        return None
    kind = given.get("type") if isinstance(given, dict) else None
    if not isinstance(kind, str) or kind not in SOURCES:
        raise invalid("ipam.type", f"expected one of {', '.join(SOURCES)}, not {shown(kind)}")
    return SOURCES[kind](call)


class IpamPlugin(CniPlugin):
    """A source of addresses as a plugin of its own, which another plugin calls."""

    def __init__(self, call: Call) -> None:
        given = call.config.get("ipam")
        if not isinstance(given, dict) or given.get("type") != self.name:
            raise invalid("ipam.type", f"{self.name} is called, and the configuration has {shown(given)}")
        self.call, self.source = call, SOURCES[self.name](call)
        self.config = {}  # the rest of it is that of the plugin that calls this one

    def add(self) -> CniResult:
        return self.source.add()

    def check(self) -> None:
        self.source.check(self.call.previous())

    def delete(self) -> None:
        self.source.delete()

    def collect(self) -> None:
        self.source.collect()

    def status(self) -> None:
        self.source.status()


class HostLocalPlugin(IpamPlugin):
    """The plugin host-local."""

    name = "host-local"
    summary = "gives out addresses of ranges, and remembers them in files of the node"
    keys = (ConfigKey("ipam", table(HostLocal.keys), "its configuration", required=True),)


class StaticPlugin(IpamPlugin):
    """The plugin static."""

    name = "static"
    summary = "gives out the addresses that the configuration names"
    keys = (ConfigKey("ipam", table(Static.keys), "its configuration", required=True),)


IPAM = ConfigKey("ipam", OBJECT, "where addresses come from: `host-local` or `static`")


class InterfacePlugin(CniPlugin):
    """The common part of plugins that give the container an interface, with addresses of an IPAM plugin if one is named."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self.ipam = source(call)

    def addresses(self) -> CniResult:
        """Return a result with addresses, routes and DNS; without anything if there is no IPAM plugin."""
        result = self.ipam.add() if self.ipam is not None else CniResult()
        if any((self.config["dns"] or {}).values()):
            result.dns = self.config["dns"]
        return result

    def set_interface(self, result: CniResult, mac: str | None, mtu: int) -> None:
        """Add the container's interface to a result; the addresses are those of this interface."""
        number = result.add_interface(self.call.ifname, mac, self.call.netns_path, mtu or None)
        for one in result.ips:
            one["interface"] = number

    def checked(self, kind: str | None = None) -> tuple[CniResult, Link]:
        """Return the result of ADD and the container's interface.  Raises `CniError` if they or the leases differ.

        ``kind`` is the kind of link that the interface must be.
        """
        result = self.call.previous(required=True)
        assert result is not None
        found = checks.container(self.call, result, kind)
        if self.ipam is not None:
            self.ipam.check(result)
        return result, found

    def check(self) -> None:
        self.checked()

    def delete(self) -> None:
        if self.ipam is not None:
            self.ipam.delete()

    def collect(self) -> None:
        if self.ipam is not None:
            self.ipam.collect()

    def status(self) -> None:
        if self.ipam is not None:
            self.ipam.status()
