"""Kinds of links, bridges' ports and VLANs, shaping, rules and look-ups, against what the real `ip`, `bridge` and `tc` say."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from rawns import KernelError, NetNS, uapi
from rawns.objects.qdisc import Shape


@pytest.fixture
def pair(netns_factory: Callable[[], NetNS]) -> tuple[NetNS, NetNS]:
    one, two = netns_factory(), netns_factory()
    one.net.add_veth("v1", peer="v2", peer_ns=two, up=True)
    two.net.set_link("v2", up=True)
    one.net.add_address("v1", "10.0.0.1/24")
    two.net.add_address("v2", "10.0.0.2/24")
    return one, two


def told(ns: NetNS, *argv: str) -> Any:
    """What a real tool says of a namespace, from its JSON."""
    if shutil.which(argv[0]) is None:
        pytest.skip(f"there is no `{argv[0]}` here")
    done = ns.run([argv[0], "-j", *argv[1:]], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout or "[]")


def made(ns: NetNS, name: str, kind: str, data: dict[str, Any] | None = None, **options: Any) -> None:
    try:
        ns.net.add_link(name, kind, data, **options)
    except KernelError as error:
        if error.errno in (95, 93):
            pytest.skip(f"this kernel has no links of the kind {kind}")
        raise


def test_a_vxlan(pair: tuple[NetNS, NetNS]) -> None:
    one, _ = pair
    try:
        one.net.add_vxlan("vx0", 42, dev="v1", local="10.0.0.1", remote="10.0.0.2", port=4790, ttl=9, learning=False, mtu=1400)
    except KernelError as error:
        pytest.skip(str(error))
    shown = told(one, "ip", "-d", "link", "show", "dev", "vx0")[0]
    data = shown["linkinfo"]["info_data"]
    assert (data["id"], data["local"], data["remote"], data["port"], data["link"]) == (42, "10.0.0.1", "10.0.0.2", 4790, "v1")
    assert (data["ttl"], data["learning"], shown["mtu"]) == (9, False, 1400)
    ours = one.net.link("vx0").data
    assert (ours["IFLA_VXLAN_ID"], ours["IFLA_VXLAN_GROUP"], ours["IFLA_VXLAN_PORT"]) == (42, "10.0.0.2", 4790)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("vlan", {"IFLA_VLAN_ID": 5}),
        ("ipvlan", {"IFLA_IPVLAN_MODE": uapi.IPVLAN_MODE_L3S}),
        ("macvtap", {"IFLA_MACVLAN_MODE": uapi.MACVLAN_MODE_VEPA}),
        ("vrf", {"IFLA_VRF_TABLE": 10}),
        ("ifb", {}),
        ("dummy", {}),
    ],
)
def test_kinds(pair: tuple[NetNS, NetNS], kind: str, data: dict[str, Any]) -> None:
    one, _ = pair
    lower = {} if kind in ("vrf", "ifb", "dummy") else {"link": "v1"}
    made(one, "x.1", kind, data, **lower)
    found = one.net.link("x.1")
    assert found.kind == kind and data.items() <= found.data.items()
    assert told(one, "ip", "-d", "link", "show", "dev", "x.1")[0]["linkinfo"]["info_kind"] == kind


def test_a_macvlan_born_elsewhere(pair: tuple[NetNS, NetNS]) -> None:
    one, two = pair
    one.net.add_macvlan("mv0", "v1", netns=two, address="02:00:00:00:00:77")
    shown = told(two, "ip", "-d", "link", "show", "dev", "mv0")[0]
    assert (shown["address"], shown["linkinfo"]["info_data"]["mode"]) == ("02:00:00:00:00:77", "bridge")


def test_other_names(pair: tuple[NetNS, NetNS]) -> None:
    one, _ = pair
    long = "the-cable-in-the-cellar-of-number-seven"
    one.net.add_altname("v1", "uplink", long)
    assert told(one, "ip", "link", "show", "dev", "v1")[0]["altnames"] == ["uplink", long]
    assert one.net.link(long).name == one.net.link("uplink").name == "v1"
    one.net.delete_altname(long, "uplink")
    assert one.net.link("v1").altnames == [long]
    with pytest.raises(FileExistsError):
        one.net.add_altname("v1", long)


def test_a_group_goes_at_once(pair: tuple[NetNS, NetNS]) -> None:
    one, two = pair
    for number in range(5):
        one.net.add_veth(f"g{number}", f"h{number}", two, group=9)
    one.net.delete_group(9)
    assert [link.name for link in one.net.links("veth")] == ["v1"] and [link.name for link in two.net.links("veth")] == ["v2"]
    with pytest.raises(KernelError, match="ENODEV"):
        one.net.delete_group(9)


def test_ports(pair: tuple[NetNS, NetNS]) -> None:
    one, _ = pair
    with pytest.raises(KernelError):
        one.net.set_port("v1", isolated=True)  # it is no port yet
    one.net.add_bridge("br0", up=True)
    one.net.set_link("v1", master="br0")
    one.net.set_port("v1", isolated=True, learning=False, hairpin=True, cost=7, priority=3)
    shown = told(one, "ip", "-d", "link", "show", "dev", "v1")[0]["linkinfo"]["info_slave_data"]
    assert (shown["isolated"], shown["learning"], shown["hairpin"], shown["cost"], shown["priority"]) == (True, False, True, 7, 3)
    port = one.net.link("v1").port
    assert (port["IFLA_BRPORT_ISOLATED"], port["IFLA_BRPORT_COST"]) == (1, 7)


def test_vlans(pair: tuple[NetNS, NetNS]) -> None:
    one, _ = pair
    one.net.add_bridge("br0", up=True)
    one.net.set_link("v1", master="br0")
    assert one.net.vlans("lo") == []
    try:
        one.net.add_vlan("v1", 10, pvid=True, untagged=True)
    except KernelError as error:
        assert error.errno == 95 and "CONFIG_BRIDGE_VLAN_FILTERING" in str(error) and one.net.vlans() == []
        pytest.skip(str(error))
    one.net.add_vlan("v1", 20, 30)
    one.net.add_vlan("br0", 10)
    one.net.delete_vlan("v1", 25, 30)
    shown = {entry["ifname"]: entry["vlans"] for entry in told(one, "bridge", "vlan", "show")}
    assert {"vlan": 20, "vlanEnd": 24} in shown["v1"] or {vlan["vlan"] for vlan in shown["v1"]} >= {20, 24}
    ours = {(vlan.vid, vlan.pvid, vlan.untagged) for vlan in one.net.vlans("v1")}
    assert {(10, True, True), (20, False, False), (24, False, False)} <= ours and 25 not in {vid for vid, _, _ in ours}
    assert 10 in {vlan.vid for vlan in one.net.vlans("br0")}


# -- shaping --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        {"rate": "10mbit", "burst": "16kb", "latency": "50ms"},
        {"rate": "333kbit"},
        {"rate": 1_234_567},
        {"rate": "40gbit"},
        {"rate": "7mbit", "latency": 0},
    ],
)
def test_a_rate(pair: tuple[NetNS, NetNS], words: dict[str, Any]) -> None:
    one, _ = pair
    assert one.net.shape_of("v1") is None
    one.net.shape("v1", **words)
    assert one.net.shape_of("v1") == Shape(**words)
    one.net.shape("v1", "2mbit")  # in place
    assert one.net.shape_of("v1") == Shape("2mbit")
    (shown,) = told(one, "tc", "qdisc", "show", "dev", "v1")
    assert (shown["kind"], shown["handle"], shown["options"]["rate"]) == ("tbf", "7201:", 250_000)
    one.net.unshape("v1")
    one.net.unshape("v1")
    assert one.net.shape_of("v1") is None and told(one, "tc", "qdisc", "show", "dev", "v1")[0]["kind"] == "noqueue"


def test_what_a_person_put_there_stays(pair: tuple[NetNS, NetNS]) -> None:
    one, _ = pair
    told(one, "tc", "qdisc", "add", "dev", "v1", "root", "tbf", "rate", "1mbit", "burst", "16kb", "latency", "1s")
    assert one.net.shape_of("v1") is None
    one.net.unshape("v1")
    assert [each.kind for each in one.net.qdiscs("v1")] == ["tbf"]


def test_a_rate_holds_packets_back(pair: tuple[NetNS, NetNS]) -> None:
    """By the kernel's own count of bytes and drops, not by the clock: more than burst and backlog hold is dropped."""
    one, two = pair
    one.net.shape("v1", rate="64kbit", burst="3kb", latency="100ms")
    with two.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink, one.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
        sink.bind(("10.0.0.2", 0))
        for _ in range(64):
            source.sendto(bytes(1000), sink.getsockname())
        (found,) = one.net.qdiscs("v1")
        assert found.stats["drops"] > 30 and found.stats["bytes"] < 20_000


@pytest.mark.parametrize("words", [{"delay": "20ms", "jitter": "1ms", "loss": "1%"}, {"delay": "5ms", "rate": "10mbit"}])
def test_a_delay(pair: tuple[NetNS, NetNS], words: dict[str, Any]) -> None:
    one, _ = pair
    try:
        one.net.shape("v1", **words)
    except KernelError as error:
        assert error.errno == 2 and "sch_netem" in str(error) and "\n" not in str(error)
        assert one.net.shape_of("v1") is None
        pytest.skip(str(error))
    assert one.net.shape_of("v1") == Shape(**words)
    one.net.shape("v1", rate="1mbit")
    assert one.net.shape_of("v1") == Shape("1mbit")


# -- routes and rules -----------------------------------------------------------------------------------------------


def test_which_way(pair: tuple[NetNS, NetNS]) -> None:
    one, _ = pair
    one.net.replace_route("default", via="10.0.0.2")
    one.net.replace_route("default", via="10.0.0.3", mtu=1400)
    one.net.add_route("10.66.0.0/16", type="unreachable")
    one.net.add_route("10.67.0.0/16", type="blackhole")
    one.net.add_route("10.68.0.0/16", via="192.0.2.1", dev="v1", onlink=True, protocol=uapi.RTPROT_STATIC)
    one.net.add_route("default", dev="v1", family=socket.AF_INET6)
    shown = {entry["dst"]: entry for entry in told(one, "ip", "route", "show")}
    assert shown["default"]["gateway"] == "10.0.0.3" and shown["default"]["metrics"] == [{"mtu": 1400}]
    assert shown["10.68.0.0/16"]["flags"] == ["onlink"] and shown["10.68.0.0/16"]["protocol"] == "static"
    assert (shown["10.66.0.0/16"]["type"], shown["10.67.0.0/16"]["type"]) == ("unreachable", "blackhole")
    found = one.net.route_to("203.0.113.5", source="10.0.0.1", dev="v1")
    assert (found.gateway, found.source or "10.0.0.1") == ("10.0.0.3", "10.0.0.1") and found.index == one.net.index("v1")
    assert one.net.route_to("10.0.0.1").type == uapi.RTN_LOCAL
    assert [route.mtu for route in one.net.routes(socket.AF_INET) if route.destination == "default"] == [1400]
    for where, word in (("10.66.0.1", "EHOSTUNREACH"), ("10.67.0.1", "EINVAL")):
        with pytest.raises(KernelError, match=word):
            one.net.route_to(where)
    assert one.net.route_to("fd77::1").index == one.net.index("v1")


def test_rules(pair: tuple[NetNS, NetNS]) -> None:
    one, _ = pair
    try:
        one.net.add_rule(source="10.9.0.0/16", table=1000, priority=1000)
    except KernelError as error:
        pytest.skip(str(error))
    one.net.add_rule(mark=5, mask=0xFF, iif="v1", table=100, priority=1001, invert=True)
    one.net.add_rule(destination="fd00::/8", action="prohibit", priority=1002)
    one.net.add_route("default", via="10.0.0.9", table=1000)
    shown = {entry["priority"]: entry for entry in told(one, "ip", "rule", "show")}
    assert (shown[1000]["src"], shown[1000]["srclen"], shown[1000]["table"]) == ("10.9.0.0", 16, "1000")
    assert (shown[1001]["fwmark"], shown[1001]["iif"], "not" in shown[1001]) == ("0x5", "v1", True)
    ours = {rule.priority: rule for rule in one.net.rules(socket.AF_INET)}
    assert (str(ours[1000].source), ours[1000].table, ours[1001].mark) == ("10.9.0.0/16", 1000, 5)
    assert [rule.action for rule in one.net.rules(socket.AF_INET6) if rule.priority == 1002] == [uapi.FR_ACT_PROHIBIT]
    assert {rule.family for rule in one.net.rules()} == {socket.AF_INET, socket.AF_INET6}
    one.net.add_address("lo", "10.9.0.1/32")
    one.net.set_link("lo", up=True)
    assert one.net.route_to("198.51.100.1", source="10.9.0.1").gateway == "10.0.0.9"
    one.net.delete_rule(source="10.9.0.0/16", priority=1000)
    with pytest.raises(FileNotFoundError):
        one.net.delete_rule(source="10.9.0.0/16", priority=1000)
