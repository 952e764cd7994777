"""Reading wires and other links from a lab file, and the hosts and bridges that they name.

If one name stands for many hosts (``count``), one wire becomes as many; its addresses and its MAC address count up.
"""

from __future__ import annotations

from ..errors import InvalidValue
from . import values
from .host_keys import MAX_HOSTS
from .parse_tables import TableParser
from .properties import LINK_PROPERTIES, SHAPE_KEYS, shape_of
from .tables import END_TABLE, SHORT_END

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .document import Source
    from .host import Host
    from .interface import Interface
    from .kinds.bridge import Bridge
    from .kinds.veth import Port
    from .parse_tables import TableValues
    from .positions import Path
    from .topology import Topology

EXAMPLE_ENDS = 'a wire has two ends: ends = ["web:eth0 10.0.0.1/24", "br0"]'
EXAMPLE_PLACE = 'the end of a wire is at a host or at a bridge: host = "web"'
MAX_INTERFACES = 4 * MAX_HOSTS  # of a whole lab


class End:
    """One end of a wire: the hosts it is made for (one, or each of a ``count``), or the bridge, and its options."""

    __slots__ = ("bridge", "hosts", "label", "options", "path")

    def __init__(self, path: Path, label: str, options: dict[str, Any], hosts: list[Host], bridge: Bridge | None = None) -> None:
        self.path, self.label, self.options, self.hosts, self.bridge = path, label, options, hosts, bridge


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

    def mark_incomplete(self, hosts: Iterable[Host]) -> None:
        """Remember hosts whose description is incomplete, so that nothing is reported that follows from it."""
        self.incomplete.update(host.label for host in hosts)

    # -- hosts and bridges by name ------------------------------------------------------------------------------------

    def hosts_of(self, label: str, path: Path) -> list[Host] | None:
        """Return the hosts of this name; None, and a problem, if there are none."""
        if label == "root":
            return [self.lab.root]
        if label in self.bridges and label not in self.hosts:
            self.note(path, f'{label} is a bridge: bridge = "{label}"')
        elif label not in self.declared and label not in self.hosts:
            self.unknown(path, "there is no host", label, self.hosts)
        return self.hosts.get(label) or None

    def host_of(self, label: str, path: Path) -> Host | None:
        """Return the one host of this name."""
        hosts = self.hosts_of(label, path) or []
        if len(hosts) > 1:
            self.note(path, f"{label} is {len(hosts)} hosts: name one of them, from {label}1 to {label}{len(hosts)}")
        return hosts[0] if len(hosts) == 1 else None

    def bridge_of(self, label: str, path: Path) -> Bridge | None:
        """Return the bridge of this name."""
        if label in self.hosts:
            self.note(path, f'{label} is a host, not a bridge: host = "{label}"')
        elif label not in self.declared:
            self.unknown(path, "there is no bridge", label, self.bridges)
        return self.bridges.get(label)

    # -- wires --------------------------------------------------------------------------------------------------------

    def wire(self, entry: TableValues) -> None:
        """Read one of ``[[wires]]``."""
        ends, before, loop = entry.pop("ends", None), len(self.problems), entry.pop("loop", False)
        if not isinstance(ends, list) or len(ends) != 2:
            if entry.whole:
                self.note(entry.path, EXAMPLE_ENDS)
            return
        both = [self._end(value, (*entry.path, "ends", number), entry) for number, value in enumerate(ends)]
        if both[0] is not None and both[1] is not None:
            self._wires(entry.path, both[0], both[1], loop)
        if not entry.whole or len(self.problems) > before:
            for end in both:
                if end is not None:
                    self.mark_incomplete([end.bridge.host] if end.bridge else end.hosts)  # type: ignore[list-item]

    def _end(self, value: Any, path: Path, wire: TableValues) -> End | None:
        """Return one end, in its short form (``"web:eth0 10.0.0.1/24"``) or as a table; keys of the wire hold for both ends."""
        if isinstance(value, str):
            words = value.split() or [""]
            label, colon, name = words[0].partition(":")
            short = {"name": name, "addresses": words[1:]} if colon else {"addresses": words[1:]}
            entry, here = self.table(short, path, SHORT_END, "the end of a wire"), path
            kind = "bridge" if label in self.bridges else "host"
            if label != "root" and label not in self.hosts and label not in self.declared:
                self.unknown(path, "there is no host or bridge", label, [*self.hosts, *self.bridges])
                return None
        else:
            entry = self.table(value, path, END_TABLE, "the end of a wire")
            kind = "bridge" if "bridge" in entry else "host"
            if ("bridge" in entry) is ("host" in entry):
                if entry.whole:
                    self.note(path, EXAMPLE_PLACE)
                return None
            label, here = entry.pop(kind), (*path, kind)
        return self._placed(kind, label, entry, here, {**wire, **entry})

    def _placed(self, kind: str, label: str, entry: TableValues, here: Path, merged: dict[str, Any]) -> End | None:
        path, options = entry.path, self._options(entry.path, merged)
        options["addresses"], options["name"] = merged.get("addresses", ()), merged.get("name")
        if kind == "bridge":
            bridge = self.bridge_of(label, here)
            if options["addresses"]:
                self.note(path, f"addresses belong to the bridge, not to its port: addresses in [bridges.{label}]")
            if "vlans" in merged:
                options["vlans"] = merged["vlans"]
            return None if bridge is None else End(path, label, options, [], bridge)
        if "vlans" in merged:
            self.note((*path, "vlans"), "VLANs are for the ports of a bridge")
        hosts = self.hosts_of(label, here)
        if hosts is not None and "vrf" in merged:
            options["vrf"] = merged["vrf"]
            if any(self.vrf_of(host, merged["vrf"], (*path, "vrf")) is None for host in hosts[:1]):
                return None
        return None if hosts is None else End(path, label, options, hosts)

    def vrf_of(self, host: Host, name: str, path: Path) -> Interface | None:
        """Return the VRF of this name in a host."""
        found = next((one for one in host.interfaces if one.routes and one.name == name), None)
        if found is None and host.label not in self.incomplete:
            names = [one.name for one in host.interfaces if one.routes and one.name]
            self.unknown(path, f"{host.label} has no VRF", name, names)
        return found

    def _options(self, path: Path, entry: dict[str, Any]) -> dict[str, Any]:
        """Return the options of any interface among the values of a table."""
        options = {row.name: entry[row.name] for row in LINK_PROPERTIES if row.name in entry}
        if any(key.name in entry for key in SHAPE_KEYS):
            options["shape"] = self.attempt(path, shape_of, entry)
        return options

    def _wires(self, path: Path, one: End, other: End, loop: bool) -> None:
        """Create the wire, or as many as there are hosts at its ends."""
        counts = {len(end.hosts) for end in (one, other) if len(end.hosts) > 1}
        if len(counts) > 1:
            numbers = f"{one.label} is {len(one.hosts)} hosts and {other.label} is {len(other.hosts)}"
            self.note(path, f"{numbers}: the two ends of a wire are as many, or one end is one")
            return
        count = max(counts, default=1)
        for end in (one, other):
            what = "a name" if end.options.get("name") else "an address" if end.options.get("addresses") else ""
            if count > 1 and len(end.hosts) <= 1 and what:
                self.note(end.path, f"this end is created {count} times, so it cannot have {what} of its own")
                return
        if self._too_many(path, 2 * count):
            return
        ports = [self._ports(end, count) for end in (one, other)]
        for first, second in zip(*ports):
            self.attempt(path, self.lab.wire, first, second, loop)

    def _too_many(self, path: Path, more: int) -> bool:
        """Return whether so many more interfaces are too many; then add a problem."""
        self._interfaces += more
        if self._interfaces > MAX_INTERFACES:
            self.note(path, f"a lab has at most {MAX_INTERFACES} interfaces")
            self._interfaces -= more
            return True
        return False

    def _ports(self, end: End, count: int) -> list[Port]:
        """Return the ports at one end of so many wires."""
        options, where, made = dict(end.options), self.where(end.path), []
        addresses, mac, name, vrf = (options.pop(key, None) for key in ("addresses", "mac", "name", "vrf"))
        try:
            for number in range(count):
                if mac:
                    options["mac"] = values.next_mac(mac, number)
                if end.bridge is not None:
                    port = end.bridge.port(name, **options)
                else:
                    host = end.hosts[number if len(end.hosts) > 1 else 0]
                    if vrf:
                        options["master"] = self.vrf_of(host, vrf, (*end.path, "vrf"))
                    port = host.port(name, *[values.next_address(one, number) for one in addresses or ()], **options)
                port.where = where
                made.append(port)
        except InvalidValue as error:
            self.note(end.path, str(error))
            return []
        return made

    # -- other links --------------------------------------------------------------------------------------------------

    def link(self, kind: type[Interface], entry: TableValues) -> None:
        """Read one link of a kind that has a table of its own: in a host, in a bridge of it, or in a bridge wherever that is."""
        master, hosts = None, None
        if "bridge" in entry:
            master = self.bridge_of(entry["bridge"], (*entry.path, "bridge"))
            if master is None:
                return
            hosts = self.hosts_with(master)
        if "host" in entry:
            hosts = self.hosts_of(entry["host"], (*entry.path, "host"))
            if master is not None and hosts is not None and (len(hosts) > 1 or hosts[0] is not master.host):
                self.note(entry.path, f"{entry['bridge']} is not in {entry['host']}: leave the host out")
                return
        elif master is None and entry.whole:
            what = "a host, or in a bridge" if kind.bridgeable else "a host"
            self.note(entry.path, f'this is in {what}: host = "web"')
        options: dict[str, Any] = {"master": master} if master is not None else {}
        if "vlans" in entry and master is not None:
            from .kinds.bridge import vlan_map

            options["vlans"] = vlan_map(entry["vlans"])
        elif "vlans" in entry:
            self.note((*entry.path, "vlans"), "VLANs are for the ports of a bridge")
        missing = [row.name for row in kind.properties if row.required and row.name not in entry]
        if hosts is not None and not missing and not self._too_many(entry.path, len(hosts)):
            self._links(
                kind, entry, hosts, {**options, **{row.name: entry[row.name] for row in kind.properties if row.name in entry}}
            )

    def hosts_with(self, bridge: Bridge) -> list[Host]:
        """Return the host that a bridge is in, as a list."""
        return [host for host in self.lab.hosts if host is bridge.host]

    def _links(self, kind: type[Interface], entry: TableValues, hosts: list[Host], options: dict[str, Any]) -> None:
        """Create one interface in each of the hosts."""
        options.update(self._options(entry.path, entry))
        mac, before = options.pop("mac", None), len(self.problems)
        for number, host in enumerate(hosts):
            if "vrf" in entry and "master" in options and options["master"].switches:
                self.note((*entry.path, "vrf"), "a port of a bridge belongs to no VRF: the bridge may")
                break
            if "vrf" in entry:
                options["master"] = self.vrf_of(host, entry["vrf"], (*entry.path, "vrf"))
                if options["master"] is None:
                    break
            if kind.stacked:
                parent = self._parent(entry["parent"], (*entry.path, "parent"), host) if "parent" in entry else None
                if parent is None:
                    break
                options["parent"] = parent
            try:
                if mac:
                    options["mac"] = values.next_mac(mac, number)
                addresses = [values.next_address(one, number) for one in entry.get("addresses", ())]
                made = host.add(kind(host, entry.get("name") or host.free_name(), addresses, **options))
                made.where = self.where(entry.path)
            except InvalidValue as error:
                self.note(entry.path, str(error))
            if len(self.problems) > before:
                break
        if not entry.whole or len(self.problems) > before:
            self.mark_incomplete(hosts)

    def _parent(self, text: str, path: Path, child: Host) -> Interface | None:
        """Return the interface ``HOST:NAME`` (of ``root`` also one that exists already), or ``NAME`` in the same host."""
        label, colon, name = text.partition(":")
        if not colon:
            host, name, label = child, label, child.label
        else:
            bridge = self.bridges.get(label)
            found_host = next(iter(self.hosts_with(bridge)), None) if bridge is not None else self.host_of(label, path)
            if found_host is None:
                return None
            host = found_host
        if not name:
            self.note(path, f'{values.shown(text)} is not an interface of a host, like "root:eth0"')
            return None
        found = next((one for one in host.interfaces if one.name == name), None)
        if found is None and host.root:
            existing: Interface | None = self.attempt(path, self.lab.existing, name)
            return existing
        if found is None and label not in self.incomplete:
            self.unknown(path, f"{label} has no interface", name, [one.name for one in host.interfaces if one.name])
        return found
