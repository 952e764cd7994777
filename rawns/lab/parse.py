"""From the data of a lab file to a lab.

A host with a ``count`` becomes that many, and what is described of it holds for each.
"""

from __future__ import annotations

from ..errors import InvalidValue
from . import values
from .check import problems_of
from .document import Where
from .kinds import TABLES, by_table
from .machine import Machine
from .parse_links import LinkParser
from .problems import InvalidDescription, Problem
from .stamp import check_lab_name
from .tables import (
    COUNT,
    HOST_KEYS,
    HOST_TABLE,
    MACHINE,
    MACHINE_TABLE,
    MAX_HOSTS,
    NETNS,
    SPREAD,
    TOP,
    WIRE_TABLE,
    bridge_keys,
    link_keys,
)
from .words import join_words, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    from .document import Source
    from .host import Host
    from .interface import Interface
    from .parse_tables import TableValues
    from .positions import Path
    from .topology import Topology

    Made = TypeVar("Made", bound=Topology)

SHARED = ("routes", "sysctls", "nats", "firewall", "files", "commands")  # attributes that all hosts of a ``count`` have in common


def lab_of(source: Source, create: Callable[[str, bool], Made]) -> Made:
    """Return the lab that a `Source` describes, made by ``create(name, standing)``.  Raises `InvalidDescription`."""
    parser = _Parser(source)
    data = source.data
    if not isinstance(data, dict):
        raise InvalidDescription([Problem(f"a description is a table with {join_words(TOP)}", parser.where(()))])
    lab = create(parser.name(data), True)
    parser.read(lab, data)
    return lab


def _line(problem: str) -> int:
    where = problem.where if isinstance(problem, Problem) else ""
    return where.line if isinstance(where, Where) else 0


class _Parser(LinkParser):
    """Reads one description, from the names down to the wires."""

    def read(self, lab: Topology, data: dict[str, Any]) -> None:
        """Fill an empty lab.  Raises `InvalidDescription`."""
        self.lab = lab
        self.duplicates(data, ())
        for key in data:
            if key not in TOP:
                self.attempt((key,), self.refuse, (key,), "a description has no key", key, TOP)
        self._hosts(data)
        self._bridges(data)
        if not self.declared and not self.problems:
            self.note((), "this describes no host and no bridge")
        kinds = {table: by_table(table) for table in TABLES if table in data}
        self._links_of({table: kind for table, kind in kinds.items() if kind.routes}, data)  # wires may belong to them
        for entry in self.array(data, "wires", WIRE_TABLE, "a wire"):
            self.wire(entry)
        self._links_of({table: kind for table, kind in kinds.items() if not kind.routes}, data)
        self._machines(data)
        self.problems += problems_of(lab, self.incomplete)
        if self.problems:
            raise InvalidDescription(sorted(self.problems, key=_line))

    def _machines(self, data: dict[str, Any]) -> None:
        """Read ``[machines.NAME]``, and give each host its machine."""
        spread = self.attempt((SPREAD.name,), SPREAD.value.read, data[SPREAD.name]) if SPREAD.name in data else None
        before = len(self.problems)
        if spread is not None and not data.get("machines"):
            self.note((SPREAD.name,), f"{SPREAD.name} is for a lab that spans machines: [machines.NAME]")
        for name, value, path in self._tables(data, "machines"):
            entry = self.table(value, path, MACHINE_TABLE, "a machine")
            machine = self.attempt(path, Machine, values.LABEL.read(name), **entry) if entry.whole else None
            if machine is not None:
                self.lab.machines[name] = machine
        if self.lab.machines and len(self.problems) == before:
            from .spread import assign  # only labs that are spread over machines need it

            self.problems += assign(self.lab, spread)
        elif not self.lab.machines and len(self.problems) == before:
            for host in self.lab.hosts:
                if host.machine is not None:
                    self.note((), f"{host.label} is on machine {quote(host.machine)}, and no machine is described")

    def _links_of(self, kinds: dict[str, type[Interface]], data: dict[str, Any]) -> None:
        for table, kind in kinds.items():
            for entry in self.array(data, table, link_keys(kind), kind.what):
                self.link(kind, entry)

    def name(self, data: dict[str, Any]) -> str:
        """Return the name of the lab: that in the file, or that of the file."""
        name, hint = data.get("name", ""), ""
        if "name" not in data:
            file = self.source.name.rpartition("/")[2]
            name, hint = file.rpartition(".")[0] or file, '; name it in the file: name = "shop"'
        try:
            return check_lab_name(name)
        except InvalidValue as error:
            self.note(("name",), f"{error}{hint}")
            return "lab"

    def _tables(self, data: dict[str, Any], key: str) -> list[tuple[str, Any, Path]]:
        """Return ``[hosts.NAME]`` or ``hosts = ["NAME"]``: each name, and its table."""
        value = data.get(key, {})
        if isinstance(value, dict):
            self.duplicates(value, (key,))
            items: list[tuple[str, Any, Path]] = [(name, entry, (key, name)) for name, entry in value.items()]
        elif isinstance(value, list):
            items = [(name, {}, (key, number)) for number, name in enumerate(value)]
        else:
            self.note((key,), f"{key} is a table: [{key}.NAME] in TOML, one for each")
            items = []
        return items

    def _labels(self, data: dict[str, Any], key: str) -> Iterable[tuple[str, Any, Path]]:
        """Yield each name of `_tables` that can be one, and its table; names of hosts and bridges are used once."""
        for name, entry, path in self._tables(data, key):
            try:
                if values.LABEL.read(name) in self.declared:
                    raise InvalidValue(f"{name} is here twice: each host and each bridge has a name of its own")
            except InvalidValue as error:
                self.note(path, str(error))
                continue
            self.declared.add(name)
            yield name, entry, path

    # -- hosts --------------------------------------------------------------------------------------------------------

    def _hosts(self, data: dict[str, Any]) -> None:
        for name, value, path in list(self._labels(data, "hosts")):
            entry = self.table(value, path, HOST_TABLE, "a host")
            before = len(self.problems)
            hosts = self._create_hosts(name, entry)
            for host in hosts:
                host.where = self.where(path)
            if hosts:
                self._apply(hosts[0], entry)
            for host in hosts[1:]:
                host.machine = hosts[0].machine
                for attribute in SHARED:
                    setattr(host, attribute, getattr(hosts[0], attribute))
            if not entry.whole or len(self.problems) > before:
                self.mark_incomplete(hosts)

    def _create_hosts(self, name: str, entry: TableValues) -> list[Host]:
        """Return the host, or as many as its ``count``; none if that cannot be."""
        count, base = entry.get(COUNT.name, 0), entry.get(NETNS.name)
        made: list[Host] = []
        try:
            if self.lab.size + (count or 1) > MAX_HOSTS:
                raise InvalidValue(f"a lab has at most {MAX_HOSTS} hosts")
            for number in range(1, count + 1) if count else ("",):
                label = f"{name}{number}"
                if count and label in self.declared:
                    raise InvalidValue(f"{label}, one of the {count} hosts of {name}, is described by itself too")
                made.append(self.lab.netns(f"{base}{number}" if base else f"{self.lab.name}.{label}", label))
                self.hosts[label] = made[-1:]
        except InvalidValue as error:
            self.note(entry.path, str(error))
        self.hosts[name] = made
        return made

    def _apply(self, host: Host, entry: TableValues) -> None:
        """Apply all that is described of a host besides its interfaces."""
        for key in HOST_KEYS:
            if key.name not in entry:
                continue
            value = entry[key.name]
            for one in value if isinstance(value, list) else [value]:
                if getattr(one, "complete", True):
                    self.attempt(getattr(one, "path", (*entry.path, key.name)), key.apply, host, one)

    # -- bridges ------------------------------------------------------------------------------------------------------

    def _bridges(self, data: dict[str, Any]) -> None:
        labels = list(self._labels(data, "bridges"))
        keys = bridge_keys() if labels else {}
        for name, value, path in labels:
            entry = self.table(value, path, keys, "a bridge")
            host = None
            if "host" in entry:
                place = (*path, "host")
                host = self.attempt(place, self.host_of, entry.pop("host"), place)
                if host is None:
                    continue
            elif self.lab.size >= MAX_HOSTS:
                self.note(path, f"a lab has at most {MAX_HOSTS} hosts")
                return
            addresses, machine = entry.pop("addresses", ()), entry.pop(MACHINE.name, None)
            if machine is not None and host is not None:
                self.note((*path, MACHINE.name), f"{name} is on the machine of its host, {host.label}: leave the machine out")
            bridge = self.attempt(path, self.lab.bridge, name, *addresses, host=host, **entry)
            if bridge is not None:
                self.bridges[name] = bridge
                if machine is not None and host is None:
                    bridge.host.machine = machine
                bridge.host.where = bridge.host.where or bridge.where
                if not entry.whole:
                    self.mark_incomplete([bridge.host])
