"""A description as data (what a TOML or JSON file holds) to a `Lab`.

Floor 6.  `tables` has the keys, `plug` the wires and whatever else has ends.  A host with a ``count`` is that many, and
what is said of it is said of each.
"""

from __future__ import annotations

from ..errors import InvalidValue
from . import schema, value_parsers
from .check import Fault, Impossible, faults
from .document import Where, read
from .parse_links import Plugs
from .stamp import check_lab_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .document import Path, Source
    from .lab import Lab
    from .model import Host
    from .schema import Said


def load(path: str) -> Lab:
    """The lab that a file describes.  Raises `Impossible` (`InvalidValue`) with every fault in it, `SyscallError`."""
    return lab_of(read(path))


def lab_of(source: Source) -> Lab:
    """The lab that a `Source` describes.  Raises `Impossible`."""
    return _Reader(source).read()


def _line(fault: str) -> int:
    where = fault.where if isinstance(fault, Fault) else ""
    return where.line if isinstance(where, Where) else 0


class _Reader(Plugs):
    """Reads one description, from the names down to the wires."""

    def read(self) -> Lab:
        data = self.source.data
        if not isinstance(data, dict):
            raise Impossible([Fault(f"a description is a table with {value_parsers.listed(schema.WHOLE)}", self.where(()))])
        self.table(data, (), schema.WHOLE, "a description")
        self.lab = self._named(data)
        self._hosts(data)
        self._bridges(data)
        if not self.declared and not self.faults:
            self.note((), "this describes no host and no bridge")
        for said in self.list(data, "wires", schema.WIRE):
            self.wire(said)
        for said in self.list(data, "taps", schema.TAP):
            self.tap(said)
        for said in self.list(data, "vxlans", schema.VXLAN):
            self.vxlan(said)
        for said in self.list(data, "macvlans", schema.MACVLAN):
            self.macvlan(said)
        self.faults += faults(self.lab, self.spoilt)
        if self.faults:
            raise Impossible(sorted(self.faults, key=_line))
        return self.lab

    def _named(self, data: dict[str, Any]) -> Lab:
        """The lab, still empty: called what it says, or what its file is called."""
        from .lab import Lab

        name, hint = data.get("name"), ""
        if name is None:
            file = self.source.name.rpartition("/")[2]
            name, hint = file.rpartition(".")[0] or file, '; say another: name = "shop"'
        try:
            lab = Lab(check_lab_name(name), standing=True)
        except InvalidValue as error:
            self.note(("name",), f"{error}{hint}")
            lab = Lab("lab", standing=True)
        lab.source = self.source
        return lab

    # -- names ------------------------------------------------------------------------------------------------------

    def _labels(self, data: dict[str, Any], key: str) -> Iterable[tuple[str, Any, Path]]:
        """``[hosts.NAME]`` or ``hosts = ["NAME"]``: each name that can be one, and what is said of it."""
        value = data.get(key, {})
        if isinstance(value, dict):
            self.twice(value, (key,))
            items = [(name, said, (key, name)) for name, said in value.items()]
        elif isinstance(value, list):
            items = [(name, {}, (key, number)) for number, name in enumerate(value)]
        else:
            self.note((key,), f"{key} are a table: [{key}.NAME] in TOML, one for each")
            items = []
        for name, said, path in items:
            try:
                if value_parsers.label(name) in self.declared:
                    raise InvalidValue(f"{name} is there twice: each host and each bridge has a name of its own")
            except InvalidValue as error:
                self.note(path, str(error))
                continue
            self.declared.add(name)
            yield name, said, path

    # -- hosts ------------------------------------------------------------------------------------------------------

    def _hosts(self, data: dict[str, Any]) -> None:
        for name, value, path in list(self._labels(data, "hosts")):
            said = self.table(value, path, schema.HOST, "a host")
            before = len(self.faults)
            hosts = self._made(name, said)
            for host in hosts:
                host.where = self.where(path)
            if hosts:
                self._settle(hosts[0], said)
            for host in hosts[1:]:
                host.routes, host.sysctls, host.nats = hosts[0].routes, hosts[0].sysctls, hosts[0].nats
                host.files, host.commands = hosts[0].files, hosts[0].commands
            if not said.whole or len(self.faults) > before:
                self.spoil(hosts)

    def _made(self, name: str, said: Said) -> list[Host]:
        """The host, or as many as its ``count`` says; none where that cannot be."""
        count, base = said.get("count", 0), said.get("netns")
        made: list[Host] = []
        try:
            for number in range(1, count + 1) if count else ("",):
                label = f"{name}{number}"
                if count and label in self.declared:
                    raise InvalidValue(f"{label}, one of the {count} that {name} is, stands here by itself too")
                made.append(self.lab.netns(f"{base}{number}" if base else f"{self.lab.name}.{label}", label))
                self.hosts[label] = made[-1:]
        except InvalidValue as error:
            self.note(said.path, str(error))
        self.hosts[name] = made
        return made

    def _settle(self, host: Host, said: Said) -> None:
        """All that a host has besides interfaces."""
        for gateway in said.get("gateway", ()):
            self.attempt((*said.path, "gateway"), host.route, "default", gateway)
        for route in said.get("routes", ()):
            if "to" in route:
                self.attempt(route.path, host.route, **route)
            elif route.whole:
                self.note(route.path, 'a route says where to: to = "10.0.0.0/8"')
        if "forward" in said:
            host.forward(said["forward"])
        if said.get("sysctl"):
            host.sysctl(said["sysctl"])
        for nat in said.get("nat", ()):
            if "out" in nat:
                self.attempt(nat.path, host.nat, nat["out"], *nat.get("source", ()), forwards=nat.get("forward", ()))
            elif nat.whole:
                self.note(nat.path, 'NAT says out of which interface: out = "eth0"')
        host.files = value_parsers.files(said) or None
        host.commands = said.get("run", ())

    # -- bridges ----------------------------------------------------------------------------------------------------

    def _bridges(self, data: dict[str, Any]) -> None:
        for name, value, path in list(self._labels(data, "bridges")):
            said = self.table(value, path, schema.BRIDGE, "a bridge")
            host = None
            if "host" in said:
                host = self.one_host(said.pop("host"), (*path, "host"))
                if host is None:
                    continue
            addresses = said.pop("addresses", ())
            bridge = self.attempt(path, self.lab.bridge, name, *addresses, host=host, **said)
            if bridge is not None:
                self.bridges[name] = bridge
                bridge.host.where = bridge.host.where or bridge.where
                if not said.whole:
                    self.spoil([bridge.host])
