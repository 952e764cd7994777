"""What a description plugs together: wires, taps, tunnels, macvlans, and the hosts and bridges that they name.

Floor 6.  Where one name stands for many hosts (``count``), one wire is as many, its addresses and its MAC counting up.
"""

from __future__ import annotations

from ..errors import InvalidValue
from . import schema, value_parsers
from .model import vlan_map
from .schema import Tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .document import Path, Source
    from .lab import Lab
    from .model import Bridge, Host, Interface
    from .schema import Said

MISSING_END = 'a wire has two ends: ends = ["web:eth0 10.0.0.1/24", "br0"]'
MISSING_PLACE = 'the end of a wire is at a host or at a bridge: host = "web"'


class End:
    """One end of a wire: the hosts it is made for (one, or each of a ``count``), or the bridge; and what it is to be."""

    __slots__ = ("bridge", "hosts", "label", "options", "path")

    def __init__(self, path: Path, label: str, options: dict[str, Any], hosts: list[Host], bridge: Bridge | None = None) -> None:
        self.path, self.label, self.options, self.hosts, self.bridge = path, label, options, hosts, bridge


class Plugs(Tables):
    """Reads what has ends.  ``hosts`` by what they are called: a list each, of as many as its ``count`` says."""

    lab: Lab

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.hosts: dict[str, list[Host]] = {}
        self.bridges: dict[str, Bridge] = {}
        self.declared: set[str] = set()  # also those that could not be made: who names one has not misspelt it
        self.spoilt: set[str] = set()  # hosts of which something could not be read: the rest of it may look wrong

    def spoil(self, hosts: Iterable[Host]) -> None:
        self.spoilt.update(host.label for host in hosts)

    # -- who is meant -------------------------------------------------------------------------------------------------

    def some_hosts(self, label: str, path: Path) -> list[Host] | None:
        """The hosts of this name; None, and a note, where there are none."""
        if label == "root":
            return [self.lab.root]
        if label in self.bridges and label not in self.hosts:
            self.note(path, f'{label} is a bridge: bridge = "{label}"')
        elif label not in self.declared and label not in self.hosts:
            self.misspelt(path, "no host", label, self.hosts)
        return self.hosts.get(label) or None

    def one_host(self, label: str, path: Path) -> Host | None:
        hosts = self.some_hosts(label, path) or []
        if len(hosts) > 1:
            self.note(path, f"{label} is {len(hosts)} hosts: say which of them, from {label}1 to {label}{len(hosts)}")
        return hosts[0] if len(hosts) == 1 else None

    def some_bridge(self, label: str, path: Path) -> Bridge | None:
        if label in self.hosts:
            self.note(path, f'{label} is a host, and no bridge: host = "{label}"')
        elif label not in self.declared:
            self.misspelt(path, "no bridge", label, self.bridges)
        return self.bridges.get(label)

    # -- wires --------------------------------------------------------------------------------------------------------

    def wire(self, said: Said) -> None:
        ends, before = said.pop("ends", None), len(self.faults)
        if not isinstance(ends, list) or len(ends) != 2:
            if said.whole:
                self.note(said.path, MISSING_END)
            return
        both = [self._end(value, (*said.path, "ends", number), said) for number, value in enumerate(ends)]
        if both[0] is not None and both[1] is not None:
            self._wires(said.path, both[0], both[1])
        if not said.whole or len(self.faults) > before:
            for end in both:
                if end is not None:
                    self.spoil([end.bridge.host] if end.bridge else end.hosts)

    def _end(self, value: Any, path: Path, wire: Said) -> End | None:
        """One end, in its short form (``"web:eth0 10.0.0.1/24"``) or as a table.  What the wire says is said of both."""
        if isinstance(value, str):
            words = value.split() or [""]
            label, colon, name = words[0].partition(":")
            short = {"name": name, "addresses": words[1:]} if colon else {"addresses": words[1:]}
            said, here = self.table(short, path, schema.SHORT_END, "the end of a wire"), path
            kind = "bridge" if label in self.bridges else "host"
            if label != "root" and label not in self.hosts and label not in self.declared:
                self.misspelt(path, "no host or bridge", label, [*self.hosts, *self.bridges])
                return None
        else:
            said = self.table(value, path, schema.END, "the end of a wire")
            kind = "bridge" if "bridge" in said else "host"
            if ("bridge" in said) is ("host" in said):
                if said.whole:
                    self.note(path, MISSING_PLACE)
                return None
            label, here = said.pop(kind), (*path, kind)
        return self._placed(kind, label, said, here, {**wire, **said})

    def _placed(self, kind: str, label: str, said: Said, here: Path, options: dict[str, Any]) -> End | None:
        path = said.path
        shape = self.attempt(path, value_parsers.shape, options)
        options = {"shape": shape, **{key: value for key, value in options.items() if key not in value_parsers.SHAPES}}
        if kind == "bridge":
            bridge = self.some_bridge(label, here)
            if options.pop("addresses", None):
                self.note(path, f"an address is the bridge's own, not its port's: addresses in [bridges.{label}]")
            return None if bridge is None else End(path, label, options, [], bridge)
        if "vlans" in options:
            del options["vlans"]
            self.note((*path, "vlans"), "VLANs are for the ports of a bridge")
        hosts = self.some_hosts(label, here)
        return None if hosts is None else End(path, label, options, hosts)

    def _wires(self, path: Path, one: End, other: End) -> None:
        """The wire, or as many as the hosts at its ends are."""
        counts = {len(end.hosts) for end in (one, other) if len(end.hosts) > 1}
        if len(counts) > 1:
            numbers = f"{one.label} is {len(one.hosts)} hosts and {other.label} is {len(other.hosts)}"
            self.note(path, f"{numbers}: which of them is wired to which?")
            return
        count = max(counts, default=1)
        for end in (one, other):
            what = "a name" if end.options.get("name") else "an address" if end.options.get("addresses") else ""
            if count > 1 and len(end.hosts) <= 1 and what:
                self.note(end.path, f"this end is made {count} times, and {what} cannot be given to each")
                return
        ports = [self._ports(end, count) for end in (one, other)]
        for first, second in zip(*ports):
            self.attempt(path, self.lab.wire, first, second)

    def _ports(self, end: End, count: int) -> list[Any]:
        """The ports at one end of so many wires."""
        options, where, made = dict(end.options), self.where(end.path), []
        addresses, mac, name = (options.pop(key, None) for key in ("addresses", "mac", "name"))
        try:
            for number in range(count):
                options["mac"] = mac and value_parsers.moved_mac(mac, number)
                if end.bridge is not None:
                    port = end.bridge.port(name, **options)
                else:
                    host = end.hosts[number if len(end.hosts) > 1 else 0]
                    port = host.port(name, *[value_parsers.moved(one, number) for one in addresses or ()], **options)
                port.where = where
                made.append(port)
        except InvalidValue as error:
            self.note(end.path, str(error))
            return []
        return made

    # -- what is no wire ------------------------------------------------------------------------------------------------

    def tap(self, said: Said) -> None:
        owner = {"owner": said["owner"]} if "owner" in said else {}
        self._plugged(said, lambda host, name, *addresses, **more: host.tap(name, *addresses, **owner, **more))

    def vxlan(self, said: Said) -> None:
        if not {"vni", "remote"} <= said.keys():
            if said.whole:
                self.note(said.path, "a tunnel has a number and another end: vni and remote")
            return
        vni, remote, more = said["vni"], said["remote"], {key: said[key] for key in ("local", "port") if key in said}
        self._plugged(said, lambda host, name, *addresses, **rest: host.vxlan(name, vni, remote, *addresses, **more, **rest))

    def _plugged(self, said: Said, make: Callable[..., Interface]) -> None:
        """A tap or a tunnel: in a host, in a bridge of that host, or in a bridge wherever that is."""
        bridge, hosts = None, None
        if "bridge" in said:
            bridge = self.some_bridge(said["bridge"], (*said.path, "bridge"))
            if bridge is None:
                return
            hosts = [bridge.host]
        if "host" in said:
            hosts = self.some_hosts(said["host"], (*said.path, "host"))
            if bridge is not None and hosts is not None and (len(hosts) > 1 or hosts[0] is not bridge.host):
                self.note(said.path, f"{said['bridge']} is not in {said['host']}: leave the host away")
                return
        elif bridge is None and said.whole:
            self.note(said.path, 'this stands in a host, or in a bridge: host = "web"')
        options: dict[str, Any] = {}
        if bridge is not None:
            options = {"master": bridge, "vlans": vlan_map(said["vlans"]) if "vlans" in said else None}
        elif "vlans" in said:
            self.note((*said.path, "vlans"), "VLANs are for the ports of a bridge")
        if hosts is not None:
            self._interfaces(said, hosts, make, options)

    def macvlan(self, said: Said) -> None:
        if not {"host", "parent"} <= said.keys():
            if said.whole:
                words = 'a macvlan is of a host, and stands on an interface: host = "web", parent = "root:eth0"'
                self.note(said.path, words)
            return
        hosts = self.some_hosts(said["host"], (*said.path, "host"))
        parent, mode = self._parent(said["parent"], (*said.path, "parent")), said.get("mode", "bridge")
        if hosts is not None and parent is not None:
            make = lambda host, name, *addresses, **more: host.macvlan(name, parent, *addresses, mode=mode, **more)  # noqa: E731
            self._interfaces(said, hosts, make, {})

    def _parent(self, text: str, path: Path) -> Interface | str | None:
        """``HOST:NAME``: an interface of the lab; of ``root``, also one that was there before."""
        label, _, name = text.partition(":")
        if not name:
            self.note(path, f'{value_parsers.shown(text)} is no interface of a host, as "root:eth0" is one')
            return None
        host = self.bridges[label].host if label in self.bridges else self.one_host(label, path)
        if host is None:
            return None
        found = next((one for one in host.interfaces if one.name == name), None)
        if found is None and host.root:
            return name
        if found is None and label not in self.spoilt:
            self.misspelt(path, f"no interface of {label}", name, [one.name for one in host.interfaces if one.name])
        return found

    def _interfaces(self, said: Said, hosts: list[Host], make: Callable[..., Interface], options: dict[str, Any]) -> None:
        """One interface in each of the hosts."""
        options = {**options, **{key: said[key] for key in ("mtu", "up") if key in said}}
        mac, before = said.get("mac"), len(self.faults)
        options["shape"] = self.attempt(said.path, value_parsers.shape, said)
        for number, host in enumerate(hosts):
            try:
                options["mac"] = mac and value_parsers.moved_mac(mac, number)
                addresses = [value_parsers.moved(one, number) for one in said.get("addresses", ())]
            except InvalidValue as error:
                self.note(said.path, str(error))
            else:
                self.attempt(said.path, make, host, said.get("name") or host.free_name(), *addresses, **options)
            if len(self.faults) > before:
                break
        if not said.whole or len(self.faults) > before:
            self.spoil(hosts)
