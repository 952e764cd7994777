"""Reading wires and other links from a lab file, and the hosts and bridges that they name.

If one name stands for many hosts (``count``), one wire becomes as many; its addresses and its MAC address count up.
"""

from __future__ import annotations

from ..errors import InvalidValue
from .parse_tables import InvalidAt, TableParser
from .presets import LINKS
from .properties import LINK_PROPERTIES, SHAPE_KEYS, shape_of
from .tables import END_TABLE, MAX_HOSTS, SHORT_END
from .words import next_address, next_mac, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from ..objects.prefix import Prefix
    from .document import Source
    from .host import Host
    from .interface import BaseHost, Interface
    from .kinds.bridge import Bridge
    from .kinds.veth import Port
    from .parse_tables import TableValues
    from .positions import Path
    from .topology import Topology

EXAMPLE_ENDS = 'a wire has two ends: ends = ["web:eth0 10.0.0.1/24", "br0"]'
EXAMPLE_PLACE = 'the end of a wire is at a host or at a bridge: host = "web"'
PORTS_ONLY = "VLANs are for the ports of a bridge"
MAX_INTERFACES = 4 * MAX_HOSTS  # of a whole lab


class End:
    """One end of a wire: the ``hosts`` it is made for (one, or each of a ``count``), the bridge if it is there, its ``entry``."""

    __slots__ = ("bridge", "entry", "hosts", "label", "path")

    def __init__(self, path: Path, label: str, entry: dict[str, Any], hosts: Sequence[Host], bridge: Bridge | None) -> None:
        self.path, self.label, self.entry, self.hosts, self.bridge = path, label, entry, hosts, bridge


class LinkParser(TableParser):
    """Reads links.  ``hosts`` by label: a list each, as long as the host's ``count``."""

    lab: Topology

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.hosts: dict[str, list[Host]] = {}
        self.bridges: dict[str, Bridge] = {}
        self.declared: set[str] = set()  # labels, also of hosts that could not be read: they are not misspelt elsewhere
        self.incomplete: set[str] = set()  # labels of hosts of which something could not be read
        self._interfaces = 0

    def mark_incomplete(self, hosts: Iterable[BaseHost]) -> None:
        """Remember hosts whose description is incomplete, so that nothing is reported that follows from it."""
        self.incomplete.update(host.label for host in hosts)

    # -- what a name stands for: all of these raise `InvalidAt` -------------------------------------------------------

    def hosts_of(self, label: str, path: Path) -> list[Host]:
        """Return the hosts of this name."""
        if label == "root":
            return [self.lab.root]
        if label in self.bridges and label not in self.hosts:
            raise InvalidAt(path, f'{label} is a bridge: bridge = "{label}"')
        if label not in self.declared and label not in self.hosts:
            self.refuse(path, "there is no host", label, self.hosts)
        if not self.hosts.get(label):
            raise InvalidAt(path)
        return self.hosts[label]

    def host_of(self, label: str, path: Path) -> Host:
        """Return the one host of this name."""
        hosts = self.hosts_of(label, path)
        if len(hosts) > 1:
            raise InvalidAt(path, f"{label} is {len(hosts)} hosts: name one of them, from {label}1 to {label}{len(hosts)}")
        return hosts[0]

    def bridge_of(self, label: str, path: Path) -> Bridge:
        """Return the bridge of this name."""
        if label in self.hosts:
            raise InvalidAt(path, f'{label} is a host, not a bridge: host = "{label}"')
        if label not in self.declared:
            self.refuse(path, "there is no bridge", label, self.bridges)
        if label not in self.bridges:
            raise InvalidAt(path)
        return self.bridges[label]

    def vrf_of(self, host: Host, name: str, path: Path) -> Interface:
        """Return the VRF of this name in a host."""
        found = next((one for one in host.interfaces if one.routes and one.name == name), None)
        return found or self._missing(host, f"{host.label} has no VRF", name, path, lambda one: one.routes)

    def _missing(self, host: Host, what: str, name: str, path: Path, similar: Callable[[Interface], bool]) -> Interface:
        """Raise `InvalidAt` for an interface that a host lacks; without a text if the host could not be read as a whole."""
        if host.label in self.incomplete:
            raise InvalidAt(path)
        self.refuse(path, what, name, [one.name for one in host.interfaces if one.name and similar(one)])

    def _parent(self, text: str, path: Path, child: Host) -> Interface:
        """Return the interface ``HOST:NAME`` (of ``root`` also one that exists already), or ``NAME`` in the same host."""
        label, colon, name = text.rpartition(":") if ":" not in text else text.partition(":")
        host = child
        if colon and label in self.bridges:
            host = self._host_with(self.bridges[label])
        elif colon:
            host = self.host_of(label, path)
        if not name:
            raise InvalidAt(path, f'{quote(text)} is not an interface of a host, like "root:eth0"')
        found = next((one for one in host.interfaces if one.name == name), None)
        if found is None and host.root:
            return self.lab.existing(name)
        return found or self._missing(host, f"{label or host.label} has no interface", name, path, lambda one: True)

    def _host_with(self, bridge: Bridge) -> Host:
        """Return the host that a bridge is in."""
        return self.lab.hosts[bridge.host.number]

    # -- interfaces ---------------------------------------------------------------------------------------------------

    def _create(
        self, path: Path, count: int, entry: dict[str, Any], make: Callable[[int, list[Prefix], dict[str, Any]], Interface]
    ) -> list[Any]:
        """Return ``count`` interfaces with the properties in a table; ``make(number, addresses, options)`` makes one.

        Their addresses and MAC addresses count up.  Raises `InvalidAt` for what cannot be.
        """
        made: list[Any] = []
        options = {row.name: entry[row.name] for row in LINK_PROPERTIES if row.name in entry}
        if any(key.name in entry for key in SHAPE_KEYS):
            options["shape"] = self.attempt(path, shape_of, entry)
        where, mac = self.where(path), options.get("mac")
        try:
            for number in range(count):
                if mac:
                    options["mac"] = next_mac(mac, number)
                one = make(number, [next_address(each, number) for each in entry.get("addresses", ())], options)
                one.where = where
                made.append(one)
        except InvalidAt:
            raise
        except InvalidValue as error:
            raise InvalidAt(path, str(error)) from None
        return made

    def _count(self, path: Path, more: int) -> None:
        """Count interfaces that are about to be created.  Raises `InvalidAt` if they are too many."""
        if self._interfaces + more > MAX_INTERFACES:
            raise InvalidAt(path, f"a lab has at most {MAX_INTERFACES} interfaces")
        self._interfaces += more

    # -- wires --------------------------------------------------------------------------------------------------------

    def wire(self, entry: TableValues) -> None:
        """Read one of ``[[wires]]``."""
        ends, before, loop = entry.pop("ends", None), len(self.problems), entry.pop("loop", False)
        preset = entry.pop("preset", None)
        kinds: list[dict[str, Any]] = [{}, {}] if preset is None else [LINKS[preset].up, LINKS[preset].down]
        if not isinstance(ends, list) or len(ends) != 2:
            if entry.whole:
                self.note(entry.path, EXAMPLE_ENDS)
            return
        places = [(*entry.path, "ends", number) for number in range(2)]
        one, other = [
            self.attempt(place, self._end, end, place, {**kind, **entry}) for end, place, kind in zip(ends, places, kinds)
        ]
        if one is not None and other is not None:
            self.attempt(entry.path, self._wires, entry.path, one, other, loop)
        if not entry.whole or len(self.problems) > before:
            for end in (one, other):
                self.mark_incomplete(end.hosts if end is not None else ())

    def _end(self, value: object, path: Path, wire: dict[str, Any]) -> End:
        """Return one end, in its short form (``"web:eth0 10.0.0.1/24"``) or as a table; keys of the wire hold for both ends."""
        if isinstance(value, str):
            words = value.split() or [""]
            label, colon, name = words[0].partition(":")
            short = {"name": name, "addresses": words[1:]} if colon else {"addresses": words[1:]}
            entry, place = self.table(short, path, SHORT_END, "the end of a wire"), path
            bridged = label in self.bridges
            if label != "root" and label not in self.hosts and label not in self.declared:
                self.refuse(path, "there is no host or bridge", label, [*self.hosts, *self.bridges])
        else:
            entry = self.table(value, path, END_TABLE, "the end of a wire")
            bridged = "bridge" in entry
            if bridged is ("host" in entry):
                raise InvalidAt(path, EXAMPLE_PLACE if entry.whole else "")
            kind = "bridge" if bridged else "host"
            label, place = entry.pop(kind), (*path, kind)
        merged = {**wire, **entry}
        if bridged:
            if merged.get("addresses"):
                self.note(path, f"addresses belong to the bridge, not to its port: addresses in [bridges.{label}]")
            bridge = self.bridge_of(label, place)
            return End(path, label, merged, [self._host_with(bridge)], bridge)
        if "vlans" in merged:
            self.note((*path, "vlans"), PORTS_ONLY)
        hosts = self.hosts_of(label, place)
        if "vrf" in merged:
            self.vrf_of(hosts[0], merged["vrf"], (*path, "vrf"))
        return End(path, label, merged, hosts, None)

    def _wires(self, path: Path, one: End, other: End, loop: bool) -> None:
        """Create the wire, or as many as there are hosts at its ends.  Raises `InvalidValue`."""
        counts = {len(end.hosts) for end in (one, other) if len(end.hosts) > 1}
        if len(counts) > 1:
            numbers = f"{one.label} is {len(one.hosts)} hosts and {other.label} is {len(other.hosts)}"
            raise InvalidAt(path, f"{numbers}: the two ends of a wire are as many, or one end is one")
        count = max(counts, default=1)
        for end in (one, other):
            what = "a name" if end.entry.get("name") else "an address" if end.entry.get("addresses") else ""
            if count > 1 and len(end.hosts) <= 1 and what:
                raise InvalidAt(end.path, f"this end is created {count} times, so it cannot have {what} of its own")
        self._count(path, 2 * count)
        both = [self.attempt(end.path, self._ports, end, count) or [] for end in (one, other)]
        for first, second in zip(*both):
            self.attempt(path, self.lab.wire, first, second, loop)

    def _ports(self, end: End, count: int) -> list[Port]:
        """Return the ports at one end of so many wires.  Raises `InvalidAt`."""
        entry, name, bridge = end.entry, end.entry.get("name"), end.bridge

        def make(number: int, addresses: list[Prefix], options: dict[str, Any]) -> Port:
            if bridge is not None:
                return bridge.port(name, vlans=entry.get("vlans"), **options)
            host = end.hosts[number if len(end.hosts) > 1 else 0]
            vrf = self.vrf_of(host, entry["vrf"], (*end.path, "vrf")) if "vrf" in entry else None
            return host.port(name, *addresses, master=vrf, **options)

        return self._create(end.path, count, entry, make)

    # -- other links --------------------------------------------------------------------------------------------------

    def link(self, kind: type[Interface], entry: TableValues) -> None:
        """Read one link of a kind that has a table of its own: in a host, in a bridge of it, or in a bridge wherever that is."""
        before = len(self.problems)
        hosts = self.attempt(entry.path, self._hosts_for, kind, entry) or []
        if hosts and entry.complete:
            self.attempt(entry.path, self._links, kind, entry, hosts)
        if not entry.whole or len(self.problems) > before:
            self.mark_incomplete(hosts)

    def _hosts_for(self, kind: type[Interface], entry: TableValues) -> list[Host]:
        """Return the hosts that a link is described for.  Raises `InvalidAt`."""
        label, name = entry.get("host"), entry.get("bridge")
        if "vlans" in entry and name is None:
            self.note((*entry.path, "vlans"), PORTS_ONLY)
        if label is None and name is None:
            what = "a host, or in a bridge" if kind.bridgeable else "a host"
            raise InvalidAt(entry.path, f'this is in {what}: host = "web"' if entry.whole else "")
        bridge = None if name is None else self.bridge_of(name, (*entry.path, "bridge"))
        if label is None and bridge is not None:
            return [self._host_with(bridge)]
        hosts = self.hosts_of(label or "", (*entry.path, "host"))
        if bridge is not None and hosts != [bridge.host]:
            raise InvalidAt(entry.path, f"{name} is not in {label}: leave the host out")
        return hosts

    def _links(self, kind: type[Interface], entry: TableValues, hosts: list[Host]) -> None:
        """Create one interface in each of the hosts.  Raises `InvalidAt`."""
        path, own = entry.path, {row.name: entry[row.name] for row in kind.properties if row.name in entry}
        if "bridge" in entry:
            own["master"] = self.bridges[entry["bridge"]]
            if "vrf" in entry:
                raise InvalidAt((*path, "vrf"), "a port of a bridge belongs to no VRF: the bridge may")
            if "vlans" in entry:
                from .kinds.bridge import vlan_map

                own["vlans"] = vlan_map(entry["vlans"])
        self._count(path, len(hosts))

        if "underlay" in entry:
            own["underlay"] = self.host_of(entry["underlay"], (*path, "underlay"))

        def make(number: int, addresses: list[Prefix], options: dict[str, Any]) -> Interface:
            host = hosts[number]
            if "vrf" in entry:
                own["master"] = self.vrf_of(host, entry["vrf"], (*path, "vrf"))
            if kind.stacked:
                own["parent"] = self._parent(entry["parent"], (*path, "parent"), host)
            return host.add(kind(host, entry.get("name") or host.free_name(), addresses, **own, **options))

        self._create(path, len(hosts), entry, make)
