"""The kinds of links of labs, where the kernel need not have them: files, requests as the real `ip` sends them, read-back."""

from __future__ import annotations

from typing import Any

import pytest
from samples import captured

from rawns import InvalidValue, Lab, nlmsg, rtnl, uapi
from rawns.lab import document, kinds
from rawns.lab.build_requests import complete
from rawns.lab.check import problems_of
from rawns.lab.export import data_of
from rawns.lab.interface import Interface
from rawns.lab.kernel_state import NamespaceState
from rawns.lab.reachability import Reach
from rawns.lab.readback import LabReader
from rawns.objects.link import Link

CAPTURED = captured("captured_kinds.txt")
ZERO = (0, None, b"")  # what `ip` says besides, and what the kernel takes for said


def load(**data: Any) -> Lab:
    return Lab.from_source(document.Source({"name": "shop", **data}))


def lab_with(table: str, said: dict[str, Any]) -> tuple[Lab, Interface]:
    """A host with an interface va, and a link x0 of a kind."""
    stacked: dict[str, Any] = {"parent": "a:va"} if kinds.by_table(table).stacked else {}
    wires = [{"ends": ["a:va 10.0.0.1/24", "b 10.0.0.2/24"]}]
    lab = load(hosts=["a", "b"], wires=wires, **{table: [{"host": "a", "name": "x0", **stacked, **said}]})
    made = next(one for host in lab.hosts for one in host.interfaces if one.name == "x0")
    if made.parent is not None:
        made.parent.index = 3
    return lab, made


COMMANDS: dict[str, tuple[str, dict[str, Any]]] = {
    "ip link add link va name x0 type vlan id 5": ("vlans", {"id": 5}),
    "ip link add link va name x0 type vlan protocol 802.1ad id 7": ("vlans", {"id": 7, "protocol": "802.1ad"}),
    "ip link add x0 type dummy": ("dummies", {}),
    "ip link add x0 type vrf table 10": ("vrfs", {"table": 10}),
    "ip link add link va name x0 type ipvlan mode l2": ("ipvlans", {"mode": "l2"}),
    "ip link add link va name x0 type ipvlan mode l3s private": ("ipvlans", {"mode": "l3s", "isolation": "private"}),
    "ip link add link va name x0 type macvtap mode bridge": ("macvtaps", {}),
    "ip link add link va name x0 type macvlan mode private": ("macvlans", {"mode": "private"}),
    "ip link add x0 type geneve id 42 remote 192.0.2.2": ("geneves", {"vni": 42, "remote": "192.0.2.2"}),
    "ip link add x0 type geneve id 43 remote 2001:db8::2 dstport 6082": (
        "geneves",
        {"vni": 43, "remote": "2001:db8::2", "port": 6082},
    ),
    "ip link add x0 mtu 1400 txqueuelen 7 address 02:00:00:00:00:07 type dummy": (
        "dummies",
        {"mtu": 1400, "txqueuelen": 7, "mac": "02:00:00:00:00:07"},
    ),
}


def body_of(command: str) -> Any:
    """What the real `ip` sent, decoded."""
    return decoded(next(data for arrow, data in CAPTURED[command] if arrow == ">"))


def decoded(data: bytes) -> Any:
    (frame,) = nlmsg.split(data)
    return nlmsg.decode(data, frame, rtnl.MESSAGES).body


@pytest.mark.parametrize("command", COMMANDS)
def test_a_link_is_asked_for_as_ip_asks(command: str) -> None:
    table, said = COMMANDS[command]
    _, made = lab_with(table, said)
    (request,) = made.create(made.host)
    ours, theirs = decoded(bytes(request.pack(1))), body_of(command)
    mine, its = (body["IFLA_LINKINFO"].get("IFLA_INFO_DATA", {}) for body in (ours, theirs))
    assert ours["IFLA_LINKINFO"]["IFLA_INFO_KIND"] == theirs["IFLA_LINKINFO"]["IFLA_INFO_KIND"]
    assert {key: mine.get(key) for key in its if its[key] not in ZERO} == {key: its[key] for key in its if its[key] not in ZERO}
    assert {key: its.get(key, 0) for key in mine if mine[key] in ZERO} == {key: 0 for key in mine if mine[key] in ZERO}
    for key in ("IFLA_LINK", "IFLA_MTU", "IFLA_TXQLEN", "IFLA_ADDRESS", "IFLA_IFNAME"):
        assert ours.get(key) == theirs.get(key), key


@pytest.mark.parametrize("command", COMMANDS)
def test_what_the_kernel_would_say_is_read_back(command: str) -> None:
    """The record is made of the request of the real `ip`; the kernel answers with the same attributes."""
    table, said = COMMANDS[command]
    lab, made = lab_with(table, said)
    theirs = body_of(command)
    there = Link(
        {
            "IFLA_MTU": made.kernel_mtu(made.parent) or 1500,
            "IFLA_TXQLEN": made.usual_values.get("txqueuelen", 1000),
            **theirs,
            "ifi_flags": uapi.IFF_UP,
        }
    )
    assert made.same_link(there)
    back = LabReader(Lab("other"), []).add(Lab("other").netns("a"), NamespaceState([]), there, type(made), parent=made.parent)
    fixed = [row.name for row in made.all_properties if row.name != "mac"]
    assert {name: getattr(back, name) for name in fixed} == {name: getattr(made, name) for name in fixed}
    for row in made.properties:
        other = {
            "id": 6,
            "table": 11,
            "vni": 41,
            "port": 1,
            "remote": "192.0.2.99",
            "mode": "l3s" if made.kind == "ipvlan" else "vepa",
        }
        value = other.get(row.name)
        if value is not None and getattr(made, row.name) != value:
            object.__setattr__(made, row.name, value)
            assert not made.same_link(there), row.name
            break


@pytest.mark.parametrize("command", COMMANDS)
def test_a_link_is_exported_as_it_was_described(command: str) -> None:
    table, said = COMMANDS[command]
    lab, _ = lab_with(table, said)
    exported = data_of(lab)
    assert {key: value for key, value in exported[table][0].items() if key not in ("host", "name", "parent")} == {
        key: value for key, value in said.items() if (key, value) != ("mode", "bridge")
    }
    assert data_of(Lab.from_source(document.Source(exported))) == exported


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a VLAN without a number": ("vlans", {}, 'a vlan lacks "id"'),
    "a VLAN of a wrong number": ("vlans", {"id": 4095}, "4095 is not a VLAN: expected a whole number from 1 to 4094"),
    "a protocol": ("vlans", {"id": 5, "protocol": "qinq"}, '"qinq" is not a VLAN protocol: expected one of 802.1q, 802.1ad'),
    "a VRF without a table": ("vrfs", {}, 'a vrf lacks "table"'),
    "a mode": ("ipvlans", {"mode": "l4"}, '"l4" is not a mode of an ipvlan: expected one of l2, l3, l3s'),
    "an ipvlan with a MAC address": ("ipvlans", {"mac": "02:00:00:00:00:01"}, "an ipvlan has no MAC address of its own"),
    "half a tunnel": ("geneves", {"vni": 1}, 'a geneve lacks "remote"'),
    "a tunnel to a group": ("geneves", {"vni": 1, "remote": "239.0.0.1"}, "239.0.0.1 cannot be the address of an interface"),
    "a parent that is not there": ("vlans", {"id": 5, "parent": "vx"}, 'a has no interface "vx"; did you mean va?'),
    "a port of a bridge": ("macvtaps", {"bridge": "x"}, 'a macvtap has no key "bridge"'),
    "more than its parent": ("vlans", {"id": 5, "mtu": 9000, "parent": "b:small"}, "has an MTU of 9000, and small of b"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    table, said, sentence = REFUSED[case]
    with pytest.raises(InvalidValue) as caught:
        stacked: dict[str, Any] = {"parent": "va"} if kinds.by_table(table).stacked else {}
        data = {"host": "a", "name": "x0", **stacked, **said}
        wires: list[Any] = [{"ends": ["a:va", "b"]}, {"ends": [{"host": "b", "name": "small", "mtu": 1400}, "a"]}]
        load(hosts=["a", "b"], wires=wires, **{table: [data]})
    assert sentence in str(caught.value)


def test_vlan_devices_of_one_number_hear_each_other_through_switches_and_others_do_not() -> None:
    lab = load(
        hosts=["a", "b", "c"],
        bridges=["br0"],
        wires=[{"ends": [f"{name}:eth0", "br0"]} for name in "abc"],
        vlans=[
            {"host": name, "name": "v", "parent": "eth0", "id": vid, "addresses": f"10.0.0.{number}/24"}
            for number, (name, vid) in enumerate((("a", 5), ("b", 5), ("c", 6)), 1)
        ],
    )
    pairs, _ = Reach(lab).pairs()
    assert {f"{one.source.label}>{one.target.label}" for one in pairs} == {"a>b", "b>a"}


def test_a_vlan_device_may_be_the_port_of_a_bridge_and_close_a_loop() -> None:
    trunk: dict[str, Any] = {"hosts": ["r", "s"], "wires": [{"ends": ["r:t", "s:t"]}]}
    bridges = {"x": {"host": "r"}, "y": {"host": "s"}}
    ports = [{"bridge": name, "parent": f"{host}:t", "id": vid} for name, host in (("x", "r"), ("y", "s")) for vid in (5, 6)]
    assert load(**trunk, bridges=bridges, vlans=[ports[0], ports[2]]).hosts
    with pytest.raises(InvalidValue, match="close a loop of bridges"):
        load(**trunk, bridges=bridges, vlans=ports)
    assert load(**trunk, bridges={**bridges, "x": {"host": "r", "stp": True}}, vlans=ports).hosts


def test_interfaces_of_a_vrf() -> None:
    lab = load(
        hosts=["a", "b"],
        vrfs=[{"host": "a", "name": "blue", "table": 10}],
        dummies=[{"host": "a", "name": "d0", "vrf": "blue", "addresses": "10.7.0.1/24"}],
        wires=[{"ends": [{"host": "a", "name": "eth0", "vrf": "blue", "addresses": "10.0.0.1/24"}, "b 10.0.0.2/24"]}],
    )
    a = lab.hosts[0]
    blue = a.interfaces[0]
    assert [one.master for one in a.interfaces] == [None, blue, blue] and not any(one.bridged for one in a.interfaces)
    assert problems_of(lab) == []
    exported = data_of(lab)
    assert exported["dummies"][0]["vrf"] == "blue" and exported["wires"][0]["ends"][0]["vrf"] == "blue"
    assert data_of(Lab.from_source(document.Source(exported))) == exported
    with pytest.raises(InvalidValue, match='a has no VRF "bleu"; did you mean blue?'):
        load(hosts=["a"], vrfs=[{"host": "a", "name": "blue", "table": 10}], dummies=[{"host": "a", "vrf": "bleu"}])


def test_each_kind_is_one_class_in_one_module() -> None:
    for table, (name, module, _) in kinds.TABLES.items():
        kind = kinds.by_table(table)
        assert kind.__module__ == f"rawns.lab.kinds.{module}" and kind.kind == name and kinds.by_kind(name) is kind


def test_a_vlan_device_is_not_set_up_at_its_creation() -> None:
    """vlan_dev_open() of the kernel refuses that with ENETDOWN unless the parent is up, which a wire's far end is not yet."""
    _, vlan = lab_with("vlans", {"id": 5})
    assert [request.body.get("ifi_flags", 0) & uapi.IFF_UP for request in vlan.create(vlan.host)] == [0]
    assert complete("shop", vlan, False)[0].body["ifi_flags"] & uapi.IFF_UP
