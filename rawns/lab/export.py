"""A lab as data again: what a description of it would say, so that it can be written down and read.

Floor 6, pure.  Every host stands by itself (a ``count`` is not found again), and what goes without saying is not said.
"""

from __future__ import annotations

from .model import FORWARDING, Bridge, Existing, Macvlan, Port, Tap, Vxlan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .lab import Lab
    from .model import Host, Interface

    Data = dict[str, Any]

LOCALHOST = ("127.0.0.1", "::1")


def data_of(lab: Lab) -> Data:
    """The description of a lab, as `describe` reads it: ``json.dumps`` of it is a file for ``rawns lab up``."""
    bridges = [one for host in lab.hosts for one in host.interfaces if isinstance(one, Bridge)]
    said: Data = {"name": lab.name}
    said["hosts"] = {host.label: _host(host) for host in lab.hosts if not host.root and not _switch(host)}
    said["bridges"] = {_label(one): _bridge(one) for one in bridges}
    said["wires"] = [{"ends": [_end(one), _end(other)]} for one, other in lab.wires]
    others = [one for host in lab.hosts for one in host.interfaces]
    said["macvlans"] = [_macvlan(one) for one in others if isinstance(one, Macvlan)]
    said["taps"] = [_tap(one) for one in others if isinstance(one, Tap)]
    said["vxlans"] = [_vxlan(one) for one in others if isinstance(one, Vxlan)]
    return _said(said)


def _said(data: Data) -> Data:
    """Without what is empty, or left to the kernel; the rest in the order it was given."""
    return {key: value for key, value in data.items() if value not in (None, [], {})}


def _switch(host: Host) -> bool:
    """Whether a host is there only for the bridge that bears its name."""
    return any(isinstance(one, Bridge) and one.name == host.label for one in host.interfaces)


def _label(bridge: Bridge) -> str:
    return bridge.name or ""


def _texts(values: Iterable[object]) -> Any:
    """Several as a list, one by itself."""
    found = [str(value) for value in values]
    return found[0] if len(found) == 1 else found


def _host(host: Host) -> Data:
    settings = dict(host.sysctls or {})
    forward = all(settings.get(key) == "1" for key in FORWARDING)
    for key in FORWARDING if forward else ():
        del settings[key]
    plain = [one for one in host.routes if not one.to.length and one.via and one.dev is None and one.metric is None]
    return _said(
        {
            "netns": host.name if host.name != f"{host.lab.name}.{host.label}" else None,
            "gateway": _texts(one.via for one in plain),
            "routes": _texts(one for one in host.routes if one not in plain),
            "forward": forward or None,
            "sysctl": settings,
            "nat": [
                _said({"out": nat.out, "source": _texts(nat.sources), "forward": _texts(map(_forward, nat.forwards))})
                for nat in host.nats
            ],
            **_files(host.files or {}),
            "run": [one[2] if one[:2] == ["/bin/sh", "-c"] and len(one) == 3 else one for one in host.commands],
        }
    )


def _forward(one: Any) -> str:
    target = f"[{one.address}]" if ":" in one.address else one.address
    return f"{one.protocol} {one.port} {target}:{one.to_port}"


def _files(files: dict[str, str]) -> Data:
    """What /etc/hosts and /etc/resolv.conf say, as far as a description can."""
    names: dict[str, list[str]] = {}
    for line in files.get("hosts", "").splitlines():
        address, _, name = line.partition("\t")
        if address not in LOCALHOST:
            names.setdefault(name, []).append(address)
    lines = [line.split() for line in files.get("resolv.conf", "").splitlines()]
    return {
        "hosts": {name: _texts(addresses) for name, addresses in names.items()},
        "nameservers": _texts(words[1] for words in lines if words[:1] == ["nameserver"]),
        "search": _texts(word for words in lines if words[:1] == ["search"] for word in words[1:]),
    }


def _interface(one: Interface) -> Data:
    return _said({"mac": one.mac, "mtu": one.mtu, "up": None if one.up else False, **(one.shape or {})})


def _bridge(bridge: Bridge) -> Data:
    data = bridge.data
    ageing = data.get("IFLA_BR_AGEING_TIME")
    return _said(
        {
            "host": None if _switch(bridge.host) else bridge.host.label,
            "addresses": _texts(bridge.addresses),
            "stp": bridge.stp or None,
            "vlan_filtering": bridge.vlan_filtering or None,
            "ageing": None if ageing is None else ageing / 100,
            **_interface(bridge),
        }
    )


def _vlans(one: Interface) -> list[int]:
    return list(one.vlans or ())


def _end(port: Port) -> str | Data:
    """Its short form where that says it all.  The port of a bridge has the name of whom it leads to, which is not said."""
    options = _interface(port)
    if port.master is not None:
        bridge = _label(port.master)
        return {"bridge": bridge, "vlans": _vlans(port), **options} if options or port.vlans else bridge
    addresses = [str(one) for one in port.addresses]
    if not options:
        return " ".join([f"{port.host.label}:{port.name}", *addresses])
    return {"host": port.host.label, "name": port.name, **_said({"addresses": _texts(addresses)}), **options}


def _place(one: Interface) -> Data:
    if one.master is not None:
        return {"bridge": _label(one.master), "name": one.name, "vlans": _vlans(one) or None}
    return {"host": one.host.label, "name": one.name, "addresses": _texts(one.addresses)}


def _macvlan(one: Macvlan) -> Data:
    parent = "root" if isinstance(one.parent, Existing) else one.parent.host.label
    mode = one.mode if one.mode != "bridge" else None
    return _said({**_place(one), "parent": f"{parent}:{one.parent.name}", "mode": mode, **_interface(one)})


def _tap(one: Tap) -> Data:
    return _said({**_place(one), "owner": one.owner, **_interface(one)})


def _vxlan(one: Vxlan) -> Data:
    local = one.local.address if one.local is not None else None
    port = one.port if one.port != 4789 else None
    return _said({**_place(one), "vni": one.vni, "local": local, "remote": one.remote.address, "port": port, **_interface(one)})
