"""What follows from a description without a kernel: faults of the whole, reachability, and what it looks like."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from time import perf_counter
from typing import Any

import pytest
from conftest import PROJECT

from rawns import InvalidValue, Lab
from rawns.cli.lab.examples import NAMES, text_of
from rawns.lab import document
from rawns.lab.check import problems_of
from rawns.lab.export import data_of
from rawns.lab.graph import Graph, dot_mermaid, svg, text, trees
from rawns.lab.reachability import Reach
from rawns.lab.readback import shape_words
from rawns.objects.qdisc import Shape


def lab_of(**data: Any) -> Lab:
    return Lab.from_source(document.Source({"name": "shop", **data}))


def example(name: str) -> Lab:
    return Lab.from_source(document.parse(text_of(name, "json"), f"{name}.json"))


# -- faults of the whole ------------------------------------------------------------------------------------------------

HOSTS = ["a", "b", "c"]


def wires(*ends: object) -> list[dict[str, Any]]:
    return [{"ends": list(pair)} for pair in zip(ends[::2], ends[1::2])]


WRONG = {
    "another network at the other end": (
        {"hosts": HOSTS, "wires": wires("a 10.0.0.1/24", "b 10.0.1.2/24")},
        ["wires[0].ends[0]: 10.0.0.1/24 of eth0 of a is in no network with 10.0.1.2/24 of eth0 of b, at the other end"],
    ),
    "another network on the switch": (
        {"hosts": HOSTS, "bridges": ["br0"],
         "wires": wires("a 10.0.0.1/24", "br0", "b 10.0.0.2/24", "br0", "c 10.0.7.3/24", "br0")},
        ["wires[2].ends[0]: 10.0.7.3/24 of eth0 of c is in no network with 10.0.0.1/24 of eth0 of a, on the same network"],
    ),
    "another network behind two switches": (
        {"hosts": HOSTS, "bridges": ["br0", "br1"],
         "wires": wires("a fd00::1/64", "br0", "b fd00::2/64", "br0", "br0", "br1", "c fd01::3/64", "br1")},
        ["wires[3].ends[0]: fd01::3/64 of eth0 of c is in no network with fd00::1/64 of eth0 of a, on the same network"],
    ),
    "an address twice on the switch": (
        {"hosts": HOSTS, "bridges": ["br0"], "wires": wires("a 10.0.0.1/24", "br0", "b 10.0.0.1/24", "br0")},
        ["wires[1].ends[0]: 10.0.0.1 belongs to eth0 of a, and eth0 of b is on the same network"],
    ),
    "an address twice in a host": (
        {"hosts": HOSTS, "wires": wires("a 10.0.0.1/24", "b 10.0.0.2/24", "a 10.0.0.1/25", "c 10.0.0.3/25")},
        ["wires[1].ends[0]: 10.0.0.1/25 is twice in a: on eth0 and on eth1"],
    ),
    "a MAC address twice": (
        {"hosts": HOSTS, "bridges": ["br0"],
         "wires": wires({"host": "a", "mac": "02:00:00:00:00:0a"}, "br0", {"host": "b", "mac": "02:00:00:00:00:0A"}, "br0")},
        ["wires[1].ends[0]: 02:00:00:00:00:0a belongs to eth0 of a, and eth0 of b is on the same network"],
    ),
    "the network itself": (
        {"hosts": HOSTS, "wires": wires("a 10.0.0.0/24", "b 10.0.0.255/24")},
        ["wires[0].ends[0]: 10.0.0.0/24 of eth0 of a is the network itself, which no host can have",
         "wires[0].ends[1]: 10.0.0.255/24 of eth0 of b is the broadcast address of its network, which no host can have"],
    ),
    "a gateway far away": (
        {"hosts": {"a": {"gateway": "10.1.0.1"}, "b": {}}, "wires": wires("a 10.0.0.1/24", "b 10.0.0.2/24")},
        ["hosts.a.gateway: the gateway 10.1.0.1 of a is in no network that it has an address in"],
    ),
    "a gateway behind another interface": (
        {"hosts": {"a": {"routes": "10.9.0.0/16 via 10.0.0.2 dev eth1"}, "b": {}},
         "wires": wires("a 10.0.0.1/24", "b 10.0.0.2/24", "a 10.1.0.1/24", "b 10.1.0.2/24")},
        ["hosts.a.routes: the gateway 10.0.0.2 of a is in no network of eth1 that it has an address in"],
    ),
    "its own gateway": (
        {"hosts": {"a": {"gateway": "10.0.0.1"}, "b": {}}, "wires": wires("a 10.0.0.1/24", "b 10.0.0.2/24")},
        ["hosts.a.gateway: the gateway 10.0.0.1 of a is its own address"],
    ),
    "a link's own gateway": (
        {"hosts": {"a": {"gateway": "fe80::1"}, "b": {}}, "wires": wires("a fd00::1/64", "b fd00::2/64")},
        ["hosts.a.gateway: the gateway fe80::1 of a is a link's own address: say the interface too (dev)"],
    ),
    "a route out of nothing": (
        {"hosts": {"a": {"routes": "10.9.0.0/16 dev eth7"}, "b": {}}, "wires": wires("a 10.0.0.1/24", "b 10.0.0.2/24")},
        ["hosts.a.routes: the route 10.9.0.0/16 dev eth7 of a goes out of eth7, which is none of its interfaces"],
    ),
    "two ways to the same": (
        {"hosts": {"a": {"gateway": ["10.0.0.2", "10.0.0.3"]}, "b": {}}, "wires": wires("a 10.0.0.1/24", "b 10.0.0.2/24")},
        ["hosts.a.gateway: a has two routes to the same: default via 10.0.0.2, and default via 10.0.0.3"],
    ),
    "NAT out of nothing": (
        {"hosts": {"a": {"nat": {"out": "eth7"}}, "b": {}}, "wires": wires("a 10.0.0.1/24", "b 10.0.0.2/24")},
        ["hosts.a: NAT out of eth7, but a has no interface of that name"],
    ),
    "two MTUs on a wire": (
        {"hosts": HOSTS, "wires": wires({"host": "a", "mtu": 9000}, {"host": "b", "mtu": 1500})},
        ["wires[0].ends[0]: eth0 of a has an MTU of 9000, and eth0 of b, at the other end, one of 1500: "
         "longer packets would be lost"],
    ),
    "VLANs of a bridge that does not filter them": (
        {"hosts": HOSTS, "bridges": ["br0"], "wires": wires("a", {"bridge": "br0", "vlans": 7})},
        ["wires[0].ends[1]: a port of br0 has VLANs, but br0 of br0 does not filter them: vlan_filtering = true"],
    ),
    "a shape without a queue": (
        {"hosts": HOSTS, "wires": wires({"host": "a", "txqueuelen": 0, "rate": "1mbit"}, {"host": "b", "txqueuelen": 0})},
        ["wires[0].ends[0]: eth0 of a has a rate or a delay, which needs a queue: the kernel changes txqueuelen = 0 to 1000"],
    ),
    "a tunnel from elsewhere": (
        {"hosts": HOSTS, "wires": wires("a 192.0.2.1/24", "b 192.0.2.2/24"),
         "vxlans": [{"host": "a", "name": "t", "vni": 1, "local": "192.0.2.7", "remote": "192.0.2.2"}]},
        ["vxlans[0]: t of a sends from 192.0.2.7, which is not an address of a"],
    ),
    "two tunnels of one number": (
        {"hosts": HOSTS, "vxlans": [{"host": "a", "name": name, "vni": 1, "remote": "192.0.2.2"} for name in "xy"]},
        ["vxlans[1]: y of a and x have the same number on the same port: vxlan 1"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_as_a_whole(case: str) -> None:
    data, sentences = WRONG[case]
    with pytest.raises(InvalidValue) as caught:
        lab_of(**data)  # type: ignore[arg-type]
    assert str(caught.value).splitlines() == sentences


UNUSUAL = {
    "no addresses": {"hosts": HOSTS, "wires": wires("a", "b")},
    "one end only": {"hosts": HOSTS, "wires": wires("a 10.0.0.1/24", "b")},
    "an address for each family": {"hosts": HOSTS, "wires": wires("a 10.0.0.1/24", "b fd00::1/64")},
    "a further address of its own": {"hosts": HOSTS, "wires": wires("a 10.0.0.1/24 192.168.0.1/24", "b 10.0.0.2/24")},
    "two networks on one switch": {
        "hosts": ["a", "b", "c", "d"],
        "bridges": ["br0"],
        "wires": wires("a 10.0.0.1/24", "br0", "b 10.0.0.2/24", "br0", "c 10.1.0.1/24", "br0", "d 10.1.0.2/24", "br0"),
    },
    "networks of two lengths": {
        "hosts": HOSTS,
        "wires": wires("a 10.0.0.1/24", "b 10.0.7.2/16", "a 10.9.0.1/16", "c 10.9.9.9/24"),
    },
    "a host route's address": {"hosts": HOSTS, "wires": wires("a 10.0.0.1/32", "b 10.9.9.9/32")},
    "the same on two wires": {"hosts": HOSTS, "wires": wires("a 10.0.0.1/24", "b 10.0.0.2/24", "b 10.1.0.2/24", "c 10.1.0.1/24")},
    "link-local twice": {"hosts": HOSTS, "wires": wires("a fe80::1/64", "b fe80::2/64", "a fe80::1/64", "c fe80::2/64")},
    "one MTU of two": {"hosts": HOSTS, "wires": wires({"host": "a", "mtu": 1400}, "b")},
    "the edges of a /31": {"hosts": HOSTS, "wires": wires("a 10.0.0.0/31", "b 10.0.0.1/31")},
    "VLANs that keep networks apart": {
        "hosts": HOSTS,
        "bridges": {"br0": {"vlan_filtering": True}},
        "wires": wires("a 10.0.0.1/24", {"bridge": "br0", "vlans": 10}, "b 10.0.0.1/24", {"bridge": "br0", "vlans": 20}),
    },
    "others out there": {
        "hosts": HOSTS,
        "bridges": ["br0"],
        "wires": wires("a 10.0.0.1/24", "br0", "b 10.7.0.1/24", "br0"),
        "vxlans": [{"bridge": "br0", "vni": 1, "remote": "192.0.2.9"}],
    },
    "a gateway by its link": {"hosts": {"a": {"routes": "default via fe80::1 dev eth0"}, "b": {}}, "wires": wires("a", "b")},
    "two metrics": {
        "hosts": {"a": {"routes": ["default via 10.0.0.2 metric 1", "default via 10.0.0.3 metric 2"]}, "b": {}},
        "wires": wires("a 10.0.0.1/24", "b 10.0.0.2/24"),
    },
}


@pytest.mark.parametrize("case", UNUSUAL)
def test_merely_unusual(case: str) -> None:
    assert problems_of(lab_of(**UNUSUAL[case])) == []  # type: ignore[arg-type]


def test_faults_of_a_lab_made_in_python_have_no_place() -> None:
    lab = Lab("shop")
    one, other = lab.netns(label="a"), lab.netns(label="b")
    lab.wire(one.port("eth0", "10.0.0.1/24"), other.port("eth0", "10.0.0.1/24"))
    one.port("loose")
    assert problems_of(lab) == ["loose of a has no wire", "10.0.0.1 belongs to eth0 of a, and eth0 of b is on the same network"]


def test_a_thousand_hosts_are_looked_at_in_no_time() -> None:
    """Not a figure, which is the bench's to tell: only that it is not quadratic."""
    lab = example("star")
    start = perf_counter()
    assert problems_of(lab) == []
    assert perf_counter() - start < 1


# -- reachability --------------------------------------------------------------------------------------------------------


def reached(lab: Lab) -> set[str]:
    pairs, whole = Reach(lab).pairs()
    assert whole
    return {f"{pair.source.label}>{pair.target.label}" for pair in pairs}


def both(*pairs: str) -> set[str]:
    return {f"{one}>{other}" for pair in pairs for one, other in (pair.split("-"), pair.split("-")[::-1])}


def test_a_router_forwards_only_if_it_is_described_so() -> None:
    ends = wires("a 10.0.1.1/24", "r 10.0.1.254/24", "b 10.0.2.1/24", "r 10.0.2.254/24")
    hosts: dict[str, Any] = {"a": {"gateway": "10.0.1.254"}, "b": {"gateway": "10.0.2.254"}, "r": {"forward": True}}
    assert reached(lab_of(hosts=hosts, wires=ends)) == both("a-b", "a-r", "b-r")
    assert reached(lab_of(hosts={**hosts, "r": {}}, wires=ends)) == both("a-r", "b-r")
    assert reached(lab_of(hosts={**hosts, "r": {"sysctl": {"net/ipv4/ip_forward": 1}}}, wires=ends)) == both("a-b", "a-r", "b-r")
    assert reached(lab_of(hosts={**hosts, "b": {}}, wires=ends)) == both("a-r", "b-r"), "no way back"


def test_masquerade_needs_no_way_back_and_lets_nobody_in() -> None:
    found = reached(example("nat"))
    inside = ["host1", "host2", "host3"]
    assert {f"{one}>outside" for one in [*inside, "router"]} <= found
    assert not {f"outside>{one}" for one in inside} & found and "outside>router" in found


def test_masquerade_of_another_source_helps_nobody() -> None:
    hosts = {"a": {"gateway": "10.0.0.254"}, "r": {"forward": True, "nat": {"out": "up", "source": "10.7.0.0/16"}}, "o": {}}
    ends = wires("a 10.0.0.1/24", "r 10.0.0.254/24", "r:up 203.0.113.2/24", "o 203.0.113.1/24")
    assert reached(lab_of(hosts=hosts, wires=ends)) == both("a-r", "r-o")


def test_two_masquerades_one_behind_the_other() -> None:
    hosts = {
        "a": {"gateway": "10.0.0.254"},
        "r": {"forward": True, "gateway": "10.1.0.254", "nat": {"out": "up"}},
        "s": {"forward": True, "nat": {"out": "up"}},
        "o": {},
    }
    ends = wires("a 10.0.0.1/24", "r 10.0.0.254/24", "r:up 10.1.0.1/24", "s 10.1.0.254/24", "s:up 10.2.0.1/24", "o 10.2.0.2/24")
    found = reached(lab_of(hosts=hosts, wires=ends))
    assert {"a>o", "a>s", "r>o", "s>o"} <= found and not {"o>a", "o>r", "s>a"} & found


def test_vlans_keep_apart_and_trunks_carry_on() -> None:
    filtering = {"vlan_filtering": True}
    ends = wires(
        "a 10.0.0.1/24", {"bridge": "x", "vlans": 10}, "b 10.0.0.2/24", {"bridge": "y", "vlans": 10},
        "c 10.0.0.3/24", {"bridge": "x", "vlans": 20}, "d 10.0.0.4/24", {"bridge": "y", "vlans": 20},
        "e 10.0.0.5/24", "x", "f 10.0.0.6/24", "y",
        {"bridge": "x", "vlans": [1, 10]}, {"bridge": "y", "vlans": [1, 10]},
    )  # fmt: skip
    assert reached(lab_of(hosts=list("abcdef"), bridges={"x": filtering, "y": filtering}, wires=ends)) == both("a-b", "e-f")
    between = [*ends[:-1], *wires({"bridge": "x", "vlans": [1, 10, 20]}, "z", "z", {"bridge": "y", "vlans": [1, 10, 20]})]
    through = lab_of(hosts=list("abcdef"), bridges={"x": filtering, "y": filtering, "z": {}}, wires=between)
    assert reached(through) == both("a-b", "c-d", "e-f"), "a switch that does not filter passes tags on"


def test_what_is_down_leads_nowhere() -> None:
    ends = wires("a 10.0.0.1/24", "br0", "b 10.0.0.2/24", "br0", {"host": "c", "addresses": "10.0.0.3/24", "up": False}, "br0")
    lab = lab_of(hosts=HOSTS, bridges=["br0"], wires=ends)
    assert reached(lab) == both("a-b")
    assert reached(lab_of(hosts=HOSTS, bridges={"br0": {"up": False}}, wires=ends)) == set()


def test_macvlans_hear_each_other_and_not_what_they_stand_on() -> None:
    def on(mode: str) -> Lab:
        macvlans = [
            {"host": host, "parent": "a:eth0", "mode": mode, "addresses": f"10.0.0.{n}/24"} for host, n in (("c", 3), ("d", 4))
        ]
        return lab_of(hosts=["a", "b", "c", "d"], wires=wires("a 10.0.0.1/24", "b 10.0.0.2/24"), macvlans=macvlans)

    assert reached(on("bridge")) == both("a-b", "b-c", "b-d", "c-d")
    assert reached(on("private")) == both("a-b", "b-c", "b-d")


def test_a_tunnel_leads_to_its_other_mouth() -> None:
    assert reached(example("vxlan")) == both("a-b", "machine1-machine2")


def test_the_longest_prefix_decides_then_the_metric() -> None:
    routes = ["default via 10.0.0.9 metric 9", "default via 10.0.0.2 metric 2", "10.9.9.0/24 via 10.0.0.9"]
    hosts: dict[str, Any] = {"a": {"routes": routes}, "r": {"forward": True}, "t": {"gateway": "10.9.0.254"}}
    ends = wires("a 10.0.0.1/24", "br0", "r 10.0.0.2/24", "br0", "r 10.9.0.254/16", "t 10.9.0.1/16 10.9.9.1/16")
    pairs, _ = Reach(lab_of(hosts=hosts, bridges=["br0"], wires=ends)).pairs()
    mine = {pair.address.address for pair in pairs if (pair.source.label, pair.target.label) == ("a", "t")}
    assert mine == {"10.9.0.1"}, "10.9.9.1 is sent to a gateway that no host is"


def test_routes_in_a_circle_come_to_an_end() -> None:
    hosts = {name: {"forward": True, "gateway": f"10.0.0.{other}"} for name, other in (("a", 2), ("b", 1))}
    ends = wires("a 10.0.0.1/24", "b 10.0.0.2/24")
    lab = lab_of(hosts=hosts, wires=ends)
    assert reached(lab) == both("a-b")
    from rawns.objects import prefix

    assert not Reach(lab).should(lab.hosts[0], prefix.parse("192.0.2.1"))


def test_of_very_many_each_is_chosen() -> None:
    lab = example("star")
    pairs, whole = Reach(lab).pairs()
    assert not whole and 500 <= len(pairs) <= 600
    assert {pair.source.number for pair in pairs} | {pair.target.number for pair in pairs} == {
        host.number for host in lab.hosts if host.label != "br0"
    }
    first = pairs[:500]
    assert len({host.number for pair in first for host in (pair.source, pair.target)}) == 1000, "two by two at first"


# -- what it looks like ---------------------------------------------------------------------------------------------------

DRAWN = {
    "article": "ns1\n└── v1 10.0.0.1/24 ── ns2  v2 10.0.0.2/24\n",
    "bridge": "br0 (bridge)\n├── ns1  eth0 10.0.0.1/24\n└── ns2  eth0 10.0.0.2/24\n",
    "router": ("router\n├── left 10.0.1.254/24 ── left  eth0 10.0.1.1/24\n└── right 10.0.2.254/24 ── right  eth0 10.0.2.1/24\n"),
    "star": "br0 (bridge)\n└── host1 ... host1000 (1000)  eth0 10.9.0.1/16 ... 10.9.3.232/16\n",
    "nat": (
        "br0 (bridge) 10.0.0.254/24\n"
        "├── in router\n"
        "│   └── uplink 203.0.113.2/24 ── outside  eth0 203.0.113.1/24\n"
        "├── host1  eth0 10.0.0.1/24\n"
        "├── host2  eth0 10.0.0.2/24\n"
        "└── host3  eth0 10.0.0.3/24\n"
    ),
    "vxlan": (
        "br1 (bridge)\n"
        "├── in machine1\n"
        "│   └── eth0 192.0.2.1/24 ── machine2  eth0 192.0.2.2/24\n"
        "├── vxlan42 ┄┄ vxlan 42 ┄┄ br2 (bridge)  vxlan42\n"
        "│   ├── b  eth0 10.0.0.2/24\n"
        "│   └── in machine2, see there\n"
        "└── a  eth0 10.0.0.1/24\n"
    ),
}


@pytest.mark.parametrize("name", DRAWN)
def test_text_art(name: str) -> None:
    assert text.draw(example(name)) == DRAWN[name]
    assert text.draw(example(name), plain=True).isascii()


def ring() -> Lab:
    return lab_of(
        hosts=["a", "b", "c", "alone"],
        wires=[*wires("a 10.0.1.1/24", "b 10.0.1.2/24", "b 10.0.2.1/24", "c 10.0.2.2/24", "c 10.0.3.1/24", "a 10.0.3.2/24"),
               {"ends": ["a:x", "a:y"], "rate": "1mbit"}],
        macvlans=[{"host": "b", "parent": "root:eth0"}],
        taps=[{"host": "c"}],
    )  # fmt: skip


def test_a_circle_is_drawn_once() -> None:
    assert text.draw(ring()) == (
        "a\n"
        "├── eth0 10.0.1.1/24 ── b  eth0 10.0.1.2/24\n"
        "│   ├── eth2 ┈┈ macvlan bridge ┈┈ eth0 of this machine (outside)\n"
        "│   └── eth1 10.0.2.1/24 ── ↺ c  eth0 10.0.2.2/24\n"
        "├── eth1 10.0.3.2/24 ── c  eth1 10.0.3.1/24\n"
        "│   └── eth2 ┈┈ a program at eth2 of c (outside)\n"
        "└── x ── rate 1mbit ── ↺ a  y\n"
        "alone\n"
    )


def test_a_long_chain_is_no_deeper_than_python() -> None:
    hosts = [f"h{number}" for number in range(1500)]
    lab = lab_of(hosts=hosts, wires=wires(*[end for one, other in zip(hosts, hosts[1:]) for end in (one, other)]))
    assert len(text.draw(lab).splitlines()) == 1500
    assert svg.draw(lab).count("<rect") == 1501, "and a sample in the legend"


def test_the_state_is_shown_and_coloured() -> None:
    lab = example("article")
    one, other = lab.wires[0]
    states = {"ns1": "up", "ns2": "missing", one: "down", other: "missing"}
    assert text.draw(lab, states) == "ns1\n└── v1 10.0.0.1/24 ── ns2  v2 10.0.0.2/24  [missing]\n"
    coloured = text.draw(lab, states, colour=True)
    assert "\x1b[1;32mns1\x1b[m" in coloured and "\x1b[1;31mns2\x1b[m" in coloured
    assert re.sub("\x1b[^m]*m", "", coloured) == text.draw(lab, states)
    assert 'class="box host missing"' in svg.draw(lab, states) and "1 up, 2 missing" in svg.draw(lab, states)
    assert "class n1 missing" in dot_mermaid.mermaid(lab, states) and "(missing)" in dot_mermaid.dot(lab, states)


ROUNDING = 0.2  # pixels: places have one digit behind the point
SVG = "{http://www.w3.org/2000/svg}"


def crowded() -> Lab:
    """Many circles, crowds and bridges in hosts: whatever a layout could get wrong."""
    return lab_of(
        hosts={"r": {}, "a": {}, "b": {}, "c": {}, "many": {"count": 12}, "a-host-with-a-long-name": {}},
        bridges={
            "br0": {"host": "r", "stp": True, "addresses": ["10.0.0.254/24", "fd00::fe/64"]},
            "br1": {"stp": True},
            "br2": {},
        },
        wires=[
            *wires("many:eth0 10.0.0.1/24 fd00::1/64", "br0", "a 10.0.0.30/24", "br0", "b", "br1", "br0", "br1", "br1", "br0",
                   "br1", "br2", "br2", "br0", "c", "br2", "a:x 10.3.0.1/24", "b:x 10.3.0.2/24", "b:y", "c:y",
                   "a-host-with-a-long-name 10.4.0.1/24 10.4.0.2/24", "c 10.4.0.3/24", "c:loop0", "c:loop1"),
            {"ends": ["a:z", "c:z"], "rate": "10mbit"},
        ],
        vxlans=[{"host": "c", "name": "vx", "vni": 7, "remote": "192.0.2.7"}],
        macvlans=[{"host": "b", "name": "mv", "parent": "a:x"}, {"host": "b", "name": "mw", "parent": "root:eth0"}],
        taps=[{"host": "c", "name": "tap0"}],
    )  # fmt: skip


def boxes_of(picture: ET.Element) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of each box; of several behind each other all."""
    found = [[float(one.attrib[key]) for key in ("x", "y", "width", "height")] for one in picture.iter(f"{SVG}rect")]
    return [(x, y, x + wide, y + high) for x, y, wide, high in found]


def lines_of(picture: ET.Element) -> list[tuple[float, float, float, float]]:
    """The straight pieces of all lines: left, top, right and bottom."""
    found = []
    for path in picture.iter(f"{SVG}path"):
        x = y = 0.0
        for command, number in re.findall(r"([MHV ])([-0-9.]+)", path.attrib["d"]):
            old = x, y
            if command == "M" or command == "H":
                x = float(number)
            else:
                y = float(number)
            if command in "HV":
                found.append((min(old[0], x), min(old[1], y), max(old[0], x), max(old[1], y)))
        assert re.fullmatch(r"M[-0-9.]+ [-0-9.]+([HV][-0-9.]+)+", path.attrib["d"]), "only straight lines can be checked here"
    return found


PICTURES = [*(pytest.param(example(name), id=name) for name in NAMES), pytest.param(ring(), id="ring")]
PICTURES += [pytest.param(crowded(), id="crowded")]


@pytest.mark.parametrize("known", [False, True], ids=["planned", "live"])
@pytest.mark.parametrize("lab", PICTURES)
def test_a_picture_is_well_formed_and_nothing_lies_on_anything(lab: Lab, known: bool) -> None:
    states = {one: state for host in lab.hosts for one in host.interfaces for state in ["up"]} if known else None
    text_of_picture = svg.draw(lab, states)
    picture = ET.fromstring(text_of_picture)
    graph = Graph(lab, states)
    assert trees(graph) and picture.tag == f"{SVG}svg"
    boxes, lines = boxes_of(picture), lines_of(picture)
    width, height = float(picture.attrib["width"]), float(picture.attrib["height"])
    for left, top, right, bottom in [*boxes, *lines]:
        assert left >= 0 and top >= 0 and right <= width and bottom <= height
    several = lab.name == "star" or "many" in text_of_picture  # there one box stands for many, with others behind it
    for number, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[:number] if not several else []:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
        for line in lines:
            across = line[0] < right - ROUNDING and left + ROUNDING < line[2]
            down = line[1] < bottom - ROUNDING and top + ROUNDING < line[3]
            assert not (across and down), f"the line {line} crosses the box at {left}, {top}"
    assert "http" not in text_of_picture.replace("http://www.w3.org/2000/svg", ""), "it needs nothing else"
    for one in picture.iter(f"{SVG}text"):
        wide = 6.7 * len("".join(one.itertext())) * (1 if one.attrib["class"] == "small" else 1.4)
        x, anchor = float(one.attrib["x"]), one.attrib.get("text-anchor", "start")
        left = x - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
        assert left >= 0 and left + wide <= width + 1, f"{''.join(one.itertext())} ends outside of the picture"


@pytest.mark.parametrize("lab", PICTURES)
def test_a_picture_explains_itself(lab: Lab) -> None:
    """The legend has a sample of each shape and each kind of line that the picture has, and of no other."""
    graph = Graph(lab)
    legend = next(one for one in ET.fromstring(svg.draw(lab)).iter(f"{SVG}g") if one.attrib.get("class") == "legend")
    samples = {one.attrib["class"].split()[1] for one in legend if one.tag != f"{SVG}text"}
    assert samples == {*(node.kind for node in graph.nodes), *(edge.kind for edge in graph.edges)}
    assert len(list(legend.iter(f"{SVG}text"))) == len(samples)


def test_dot_and_mermaid_name_each_wire() -> None:
    lab = example("router")
    assert 'n0 -- n2 [taillabel="eth0\\n10.0.1.1/24", headlabel="left\\n10.0.1.254/24"' in dot_mermaid.dot(lab)
    assert '  n0 ---|"eth0 10.0.1.1/24<br/>left 10.0.1.254/24"| n2' in dot_mermaid.mermaid(lab)


def test_what_is_drawn_is_escaped() -> None:
    lab = Lab("shop")
    one, other = lab.netns(label='a<b>&"c"\\'), lab.netns(label="d")
    lab.wire(one.port("x"), other.port("y"))
    assert ET.fromstring(svg.draw(lab)) is not None and "a&lt;b&gt;&amp;&quot;c&quot;" in svg.draw(lab)
    assert '"a<b>&\\"c\\"\\\\"' in dot_mermaid.dot(lab)
    assert '["a&lt;b&gt;&amp;&quot;c&quot;\\"]' in dot_mermaid.mermaid(lab)


# -- and back -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in NAMES if name != "star"])
def test_a_description_survives_the_way_there_and_back(name: str) -> None:
    first = data_of(example(name))
    again = Lab.from_source(document.parse(json.dumps(first), "again.json"))
    assert data_of(again) == first
    assert text.draw(again) == text.draw(example(name))


def test_what_is_written_down_is_what_was_said() -> None:
    said = {
        "name": "shop",
        "hosts": {
            "web": {
                "netns": "www",
                "gateway": "10.0.0.254",
                "routes": "10.9.0.0/16 via 10.0.0.253 metric 7",
                "forward": True,
                "sysctl": {"net.ipv4.tcp_syncookies": "0"},
                "nat": {"out": "lan", "source": "10.1.0.0/16", "forward": ["tcp 8080 10.0.0.2:80", "udp 53 [fd00::2]:5353"]},
                "hosts": {"db": "10.0.0.2", "both": ["10.0.0.3", "fd00::3"]},
                "nameservers": "10.0.0.53",
                "search": ["example", "lan"],
                "run": ["echo hello", ["ip", "link"]],
            }
        },
        "bridges": {"br0": {"stp": True, "vlan_filtering": True, "ageing": 10.5, "mtu": 1400}},
        "wires": [
            {
                "ends": [
                    {"host": "web", "name": "lan", "addresses": "10.0.0.1/24", "mac": "02:00:00:00:00:01"},
                    {"bridge": "br0", "vlans": [10, 20], "rate": "10mbit", "delay": "20ms"},
                ]
            }
        ],
        "macvlans": [{"host": "web", "name": "mv0", "addresses": "10.3.0.1/24", "parent": "root:eth7", "mode": "private"}],
        "taps": [{"bridge": "br0", "name": "vm", "vlans": [5], "owner": 1000, "up": False}],
        "vxlans": [{"bridge": "br0", "name": "t", "vni": 42, "remote": "192.0.2.9", "port": 4790}],
    }
    assert data_of(Lab.from_source(document.Source(said))) == said


# -- the examples ---------------------------------------------------------------------------------------------------------


def test_the_examples_are_those_that_are_shipped() -> None:
    there = {path.name for path in (PROJECT / "rawns" / "examples").iterdir()}
    assert there == {f"{name}.{ending}" for name in NAMES for ending in ("toml", "json")}


@pytest.mark.parametrize("name", NAMES)
def test_an_example_says_the_same_in_both_languages(name: str) -> None:
    assert document.parse(text_of(name), "x.toml").data == document.parse(text_of(name, "json"), "x.json").data


@pytest.mark.parametrize(
    "words",
    [
        {"rate": "10mbit", "latency": 0},
        {"rate": "10mbit", "latency": "0.000001ms"},
        {"rate": "10mbit"},
        {"delay": 0},
        {"loss": 0},
        {"rate": "10mbit", "delay": 0},
        {"rate": "10mbit", "latency": 0, "loss": "1%"},
    ],
)
def test_the_words_of_a_shape_give_the_same_numbers_of_the_kernel(words: dict[str, Any]) -> None:
    shape = Shape(**words)
    assert Shape(**shape_words(shape)).requests(2)[-1].body == shape.requests(2)[-1].body


def test_the_mtu_of_a_stacked_interface_is_at_most_that_of_its_parent() -> None:
    for kind, keys in (("macvlan", {}), ("macvtap", {}), ("ipvlan", {}), ("vlan", {"id": 7})):
        data = {"hosts": HOSTS, "wires": wires("a:e0", "b"), f"{kind}s": [{"host": "a", "name": "m", "parent": "e0", **keys}]}
        lab_of(**data)
        with pytest.raises(InvalidValue, match="m of a has an MTU of 1501, and e0 of a, which it stands on, one of 1500"):
            lab_of(**{**data, f"{kind}s": [{**data[f"{kind}s"][0], "mtu": 1501}]})  # type: ignore[index]
