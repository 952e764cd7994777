"""A lab as data again: loading an export gives the same lab, for labs by chance that use every key."""

from __future__ import annotations

import json
from typing import Any

import pytest
from generated_labs import generated

from rawns import InvalidValue, Lab
from rawns.lab import document, kinds, tables
from rawns.lab.export import data_of
from rawns.lab.host import Host
from rawns.lab.interface import Interface

SEEDS = range(400)


def load(data: Any) -> Lab:
    return Lab.from_source(document.Source(data))


def interface_of(one: Interface) -> dict[str, Any]:
    """All that is described of an interface."""
    parent = f"{one.parent.host.label}:{one.parent.name}" if one.parent is not None else None
    master = one.master.name if one.master is not None else None
    properties = {row.name: getattr(one, row.name) for row in one.all_properties}
    links = {
        "addresses": list(map(str, one.addresses)),
        "shape": one.shape,
        "vlans": one.vlans,
        "parent": parent,
        "underlay": one.underlay.label if one.underlay is not None else None,
        "master": master,
    }
    return {"kind": one.kind, "name": one.name, **properties, **links}


def host_of(host: Host) -> dict[str, Any]:
    return {
        "label": host.label,
        "name": host.name,
        "interfaces": {one.name: interface_of(one) for one in host.interfaces},
        "routes": sorted(map(str, host.routes)),
        "sysctls": host.sysctls or {},
        "nats": sorted(map(repr, host.nats)),
        "files": host.files or {},
        "commands": list(host.commands),
        "features": host.features,
    }


def described(lab: Lab) -> dict[str, Any]:
    lab.name_ports()
    wires = sorted(sorted(f"{end.host.label}:{end.name}" for end in pair) for pair in lab.wires)
    return {"name": lab.name, "hosts": {host.label: host_of(host) for host in lab.hosts}, "wires": wires}


def valid(seed: int) -> Lab | None:
    """The lab of a seed; None if chance has made one that is refused (a loop of bridges, for example)."""
    try:
        return load(generated(seed))
    except InvalidValue as error:
        assert "loop" in str(error) or "same network" in str(error) or "MTU" in str(error), (seed, str(error))
        return None


def test_an_export_is_the_same_lab() -> None:
    made = 0
    for seed in SEEDS:
        lab = valid(seed)
        if lab is None:
            continue
        made += 1
        first = data_of(lab)
        again = load(json.loads(json.dumps(first)))
        assert data_of(again) == first, seed
        assert described(again) == described(lab), seed
    assert made > len(SEEDS) * 3 // 4


def test_the_labs_by_chance_use_every_key() -> None:
    """So that a key which is added without a thought of the export fails here."""
    text = json.dumps([generated(seed) for seed in SEEDS])
    words = {*tables.HOST_TABLE, *tables.bridge_keys(), *tables.WIRE_TABLE, *tables.END_TABLE}
    for table in ("taps", "vxlans", "macvlans"):
        words |= set(tables.link_keys(kinds.by_table(table)))
    unused = {word for word in words if f'"{word}"' not in text}
    elsewhere = {"nat", "run", "loop", "local", "vrf", "firewall", "preset", "uplink", "machine"}
    assert unused <= elsewhere, "these have labs of their own below"


OTHERS = {
    "machine": {
        "machines": {
            "x": {"ssh": "root@x", "sudo": True, "python": "python3.13"},
            "y": {"run": ["sh"], "address": "192.0.2.2"},
        },
        "hosts": {"a": {"machine": "x"}, "b": {"machine": "y"}},
        "bridges": {"lan": {"machine": "y"}},
        "wires": [{"ends": ["a 10.0.0.1/24", "lan"]}, {"ends": ["b 10.0.0.2/24", "lan"]}],
    },
    "nat": {
        "hosts": {
            "a": {"nat": {"out": "up", "source": ["10.0.0.0/8", "fd00::/64"], "forward": "udp 53 [fd00::2]:5353"}},
            "b": {"firewall": ["allow in tcp port 80-81", "deny in"]},
        },
        "wires": [{"ends": ["a:up 10.0.0.1/24", "b 10.0.0.2/24"]}],
    },
    "run": {"hosts": {"a": {"run": ["true", ["echo", "a b"], ["/bin/sh", "-c", "x"]]}}},
    "loop": {"hosts": ["a"], "bridges": ["x", "y"], "wires": [{"ends": ["x", "y"]}, {"ends": ["x", "y"], "loop": True}]},
    "local": {
        "hosts": {"a": {}, "b": {}},
        "wires": [{"ends": ["a 10.0.0.1/24", "b 10.0.0.2/24"]}],
        "vxlans": [{"host": "a", "vni": 1, "remote": "10.0.0.2", "local": "10.0.0.1"}],
    },
    "an IPv6 default route without a gateway": {
        "hosts": {"a": {"routes": ["::/0 dev eth0", "default dev eth0"]}, "b": {}},
        "wires": [{"ends": ["a 10.0.0.1/24 fd00::1/64", "b 10.0.0.2/24"]}],
    },
    "two wires to one host, and a port of another name": {
        "hosts": ["web"],
        "bridges": {"br0": {"stp": True}},
        "wires": [
            {"ends": ["web", "br0"]},
            {"ends": ["web", {"bridge": "br0", "name": "web-3"}]},
            {"ends": ["web", "br0"]},
            {"ends": [{"bridge": "br0", "name": "web"}, "web"]},
        ],
    },
    "a host that is called as its bridge": {
        "hosts": {"r": {"forward": True}},
        "bridges": {"br0": {"host": "r"}, "br1": {}},
        "wires": [{"ends": ["r 10.0.0.1/24", "br1"]}],
    },
    "names that are longer than the kernel's": {
        "hosts": {"a-host-with-a-very-long-name": {"count": 3}},
        "bridges": ["br0"],
        "wires": [{"ends": ["a-host-with-a-very-long-name 10.0.0.1/24", "br0"]}],
    },
}


@pytest.mark.parametrize("case", OTHERS)
def test_an_export_of_the_rest(case: str) -> None:
    lab = load({"name": "shop", **OTHERS[case]})  # type: ignore[dict-item]
    first = data_of(lab)
    again = load(json.loads(json.dumps(first)))
    assert data_of(again) == first and described(again) == described(lab)
