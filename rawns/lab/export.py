"""A lab as data again: the description that `parse` would read as the same lab.

Every host is described by itself (a ``count`` is not found again), and defaults are left out.
"""

from __future__ import annotations

from .kinds import TABLES
from .tables import HOST_KEYS, MACHINE, NETNS
from .values import ListOf
from .words import RESERVED_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .host import Host
    from .interface import Interface
    from .kinds.veth import Port
    from .topology import Topology

    Data = dict[str, Any]


def data_of(lab: Topology) -> Data:
    """Return the description of a lab: ``json.dumps`` of it is a file for ``rawns lab up``."""
    entry = _data_of(lab, lab.hosts)
    entry["machines"] = {name: machine.file_value for name, machine in lab.machines.items()}
    return _without_empty(entry)


def part_of(lab: Topology, machine: str) -> Data:
    """Return the description of what one machine has of a lab that spans several, without the wires to other machines."""
    entry = _data_of(lab, [host for host in lab.hosts if host.machine == machine])
    for table in (entry.get("hosts", {}), entry.get("bridges", {})):
        for value in table.values():
            value.pop(MACHINE.name, None)
    return entry


def link_entry(one: Interface) -> Data:
    """Return the description of a link, as the tables of links have it (``[[vxlans]]``), without what its kind adds."""
    return _link(one)


def _data_of(lab: Topology, hosts: list[Host]) -> Data:
    named = _explicitly_named(lab)
    here = {host.number for host in hosts}
    interfaces = [one for host in hosts for one in host.interfaces]
    entry: Data = {"name": lab.name}
    entry["hosts"] = {host.label: _host(host) for host in hosts if not host.root and not _bridge_only(host)}
    entry["bridges"] = {one.name: _bridge(one) for one in interfaces if one.switches}
    entry["wires"] = [
        _without_empty({"ends": [_end(one, named), _end(other, named)], "loop": one.loop or None})
        for one, other in lab.wires
        if one.host.number in here and other.host.number in here
    ]
    for table, (kind, _, _) in TABLES.items():
        entry[table] = [_link(one) for one in interfaces if one.kind == kind]
    return _without_empty(entry)


def _explicitly_named(lab: Topology) -> set[int]:
    """Return the bridge ports (by id) whose names have to be described, because they would get others by themselves."""
    explicit: set[int] = set()
    while True:
        used: dict[int, set[str]] = {}
        for host in lab.hosts:
            fixed = [one.name for one in host.interfaces if one.name and (not one.bridged or id(one) in explicit)]
            fixed += [one.name for one in host.interfaces if one.name and one.peer is None]
            used[host.number] = {*RESERVED_NAMES, *fixed}
        more = set()
        for pair in lab.wires:
            for port, other in (pair, pair[::-1]):
                if port.bridged and port.name is not None and id(port) not in explicit:
                    automatic, _ = lab.port_name(port, other, used[port.host.number])
                    used[port.host.number].add(automatic)
                    if automatic != port.name:
                        more.add(id(port))
        if not more:
            return explicit
        explicit |= more


def _without_empty(data: Data) -> Data:
    """Return a table without the keys whose values are empty or left to the kernel."""
    return {key: value for key, value in data.items() if value not in (None, [], {})}


def _texts(found: Iterable[object]) -> Any:
    """Return the only element of a list, or the list if it has several."""
    texts = [str(one) for one in found]
    return texts[0] if len(texts) == 1 else texts


def _bridge_only(host: Host) -> bool:
    """Return whether a host is there only for the bridge of its name: a file does not describe it then."""
    bridges = [one for one in host.interfaces if one.switches]
    kept = [key for key in HOST_KEYS if key.name != MACHINE.name]  # which the bridge can say as well
    plain = host.name in (None, f"{host.lab.name}.{host.label}") and not any(key.file_value(host) for key in kept)
    return plain and any(one.name == host.label for one in bridges)


def _host(host: Host) -> Data:
    entry: Data = {NETNS.name: host.name if host.name != f"{host.lab.name}.{host.label}" else None}
    for key in HOST_KEYS:
        found = key.file_value(host)
        entry[key.name] = key.value.write(found) if isinstance(key.value, ListOf) else found
    return _without_empty(entry)


def _properties(one: Interface) -> Data:
    """Return the properties that are not the default, and the shape."""
    return _without_empty({**{row.name: row.file_value(one) for row in one.all_properties}, **(one.shape or {})})


def _bridge(bridge: Interface) -> Data:
    alone = _bridge_only_of(bridge)
    place = {"machine": bridge.host.machine} if alone else {"host": bridge.host.label}
    return _without_empty({**place, "addresses": _texts(bridge.addresses), **_properties(bridge)})


def _bridge_only_of(bridge: Interface) -> bool:
    from .host import Host

    return (
        isinstance(bridge.host, Host) and not bridge.host.root and _bridge_only(bridge.host) and bridge.name == bridge.host.label
    )


def _end(port: Port, named: set[int]) -> str | Data:
    """Return one end of a wire, in its short form if that says everything."""
    options = _properties(port)
    if port.bridged and port.master is not None:
        bridge = port.master.name or ""
        options = _without_empty({"name": port.name if id(port) in named else None, "vlans": list(port.vlans or ()), **options})
        return {"bridge": bridge, **options} if options else bridge
    if port.master is not None:
        options = {"vrf": port.master.name, **options}
    addresses = [str(one) for one in port.addresses]
    if not options:
        return " ".join([f"{port.host.label}:{port.name}", *addresses])
    return {"host": port.host.label, "name": port.name, **_without_empty({"addresses": _texts(addresses)}), **options}


def _link(one: Interface) -> Data:
    place: Data = {"host": one.host.label}
    if one.master is not None:
        place = {"bridge": one.master.name} if one.bridged else {**place, "vrf": one.master.name}
    parent = f"{one.parent.host.label}:{one.parent.name}" if one.parent is not None else None
    underlay = one.underlay.label if one.underlay is not None else None
    entry = {
        **place,
        "vlans": list(one.vlans or ()),
        "parent": parent,
        "underlay": underlay,
        "name": one.name,
        "addresses": _texts(one.addresses),
    }
    return _without_empty({**entry, **_properties(one)})
