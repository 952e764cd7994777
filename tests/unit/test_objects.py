"""What the builders of requests build, against what the real tools send for the same words (`captured_lab.txt`)."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from samples import MESSAGES, REQUESTS, one

from rawns import kernel_options, nlmsg, nlmsg_spans, uapi
from rawns.errors import InvalidValue, KernelError
from rawns.nlmsg import Request
from rawns.objects import address, link, qdisc, route, rule, units, vlan
from rawns.objects.qdisc import Qdisc, Shape

V1, V2 = 4, 3

SAME: dict[str, Request] = {
    "ip link add vx0 type vxlan id 42 local 10.0.0.1 remote 10.0.0.2 dstport 4789 dev v2 ttl 64 nolearning": link.vxlan(
        "vx0", 42, remote="10.0.0.2", local="10.0.0.1", dev=V2, ttl=64, learning=False
    ),
    "ip link add link v2 name mv0 type macvlan mode bridge": link.macvlan("mv0", V2),
    "ip link add link v2 name mt0 type macvtap mode vepa": link.macvlan("mt0", V2, "vepa", "macvtap"),
    "ip link add dummy7 type dummy": link.new("dummy7", "dummy"),
    "ip link add vrf7 type vrf table 10": link.new("vrf7", "vrf", {"IFLA_VRF_TABLE": 10}),
    "ip link property add dev v1 altname uplink altname the-cable-in-the-cellar": link.add_altname(
        V1, "uplink", "the-cable-in-the-cellar"
    ),
    "ip link property del dev v1 altname uplink": link.delete_altname(V1, "uplink"),
    "ip link del group 7": link.delete_group(7),
    "bridge vlan add dev v1 vid 10 pvid untagged": vlan.set(V1, 10, pvid=True, untagged=True),
    "bridge vlan add dev v1 vid 20-30": vlan.set(V1, 20, 30),
    "bridge vlan add dev br0 vid 10 self": vlan.set(5, 10, own=True),
    "bridge vlan del dev v1 vid 10": vlan.delete(V1, 10),
    "ip route replace default via 10.0.0.254 mtu 1400": route.replace("default", via="10.0.0.254", mtu=1400),
    "ip route add unreachable 10.66.0.0/16 metric 7": route.new("10.66.0.0/16", type="unreachable", metric=7),
    "ip route add 10.67.0.0/16 via 192.0.2.1 dev v2 onlink proto static": route.new(
        "10.67.0.0/16", via="192.0.2.1", index=V2, onlink=True, protocol=uapi.RTPROT_STATIC
    ),
    "ip route get 10.0.0.7 from 10.0.0.1 oif v2 mark 5": route.get("10.0.0.7", source="10.0.0.1", oif=V2, mark=5),
    "ip rule add from 10.0.0.0/24 table 100 pref 1000": rule.new(source="10.0.0.0/24", table=100, priority=1000),
    "ip rule add prohibit from 10.9.0.0/16 pref 1003": rule.new(source="10.9.0.0/16", action="prohibit", priority=1003),
    "ip rule show": rule.dump(uapi.AF_INET),
    "ip rule del pref 1000": rule.delete(priority=1000),
    "tc qdisc show": qdisc.dump(),
    "tc qdisc del dev v1 root": qdisc.delete(V1),
    "tc qdisc replace dev v2 root noqueue": qdisc.replace(V2, "noqueue"),
}


def said(body: dict[Any, Any]) -> dict[Any, Any]:
    """Without the fields of headers that are zero, which is what leaving them out means."""
    return {key: value for key, value in body.items() if value or isinstance(key, str) and key.isupper()}


@pytest.mark.parametrize("command", SAME)
def test_a_builder_says_what_the_tool_says(command: str) -> None:
    theirs, ours = one(command, ">"), SAME[command]
    message, flags, _ = REQUESTS[command]
    assert (ours.message, ours.flags | flags & uapi.NLM_F_ACK) == (message, flags)
    assert said(message.unpack(ours.message.pack(ours.body))) == said(message.unpack(theirs, 16))


def test_a_vxlan_over_ipv6() -> None:
    theirs = REQUESTS[
        "ip link add vx6 type vxlan id 43 group ff05::100 dev v2 dstport 4790 srcport 1000 2000 ageing 60 udp6zerocsumrx proxy"
    ][2]
    ours = link.vxlan("vx6", 43, remote="ff05::100", dev=V2, port=4790).body["IFLA_LINKINFO"]["IFLA_INFO_DATA"]
    assert ours.items() <= theirs["IFLA_LINKINFO"]["IFLA_INFO_DATA"].items()


def test_what_bridge_ports_are_told() -> None:
    """The same attributes as `bridge link set`, in the other message that carries them."""
    theirs = REQUESTS["bridge link set dev v1 cost 5 learning off isolated on"][2]
    ours = link.change_port(V1, cost=5, learning=False, isolated=True).body
    assert ours["IFLA_LINKINFO"] == {"IFLA_INFO_SLAVE_KIND": "bridge", "IFLA_INFO_SLAVE_DATA": theirs["IFLA_PROTINFO"]}


def test_vlans_are_read() -> None:
    def read(command: str) -> list[tuple[int, int, bool, bool]]:
        data = one(command, ">")
        (frame,) = nlmsg.split(data)
        found = vlan.read(MESSAGES[frame.kind].unpack(data, frame.start, frame.end))
        return [(each.index, each.vid, each.pvid, each.untagged) for each in found]

    assert read("bridge vlan add dev v1 vid 10 pvid untagged") == [(V1, 10, True, True)]
    assert read("bridge vlan add dev v1 vid 20-30") == [(V1, vid, False, False) for vid in range(20, 31)]
    assert vlan.read({"ifi_index": 7}) == []
    backwards = [{"flags": uapi.BRIDGE_VLAN_INFO_RANGE_BEGIN, "vid": 9}, {"flags": uapi.BRIDGE_VLAN_INFO_RANGE_END, "vid": 5}]
    hostile = {"ifi_index": 7, "IFLA_AF_SPEC": {"IFLA_BRIDGE_VLAN_INFO": backwards}}
    assert vlan.read(hostile) == [vlan.Vlan(7, 5)]


def test_vlans_as_a_kernel_lists_them() -> None:
    data = one("bridge vlan show (Linux 6.1)", "<")
    bodies = [MESSAGES[frame.kind].unpack(data, frame.start, frame.end) for frame in nlmsg.split(data)]
    found = {body["IFLA_IFNAME"]: [(each.vid, each.pvid, each.untagged) for each in vlan.read(body)] for body in bodies}
    assert found["v1"] == [(10, True, True), *[(vid, False, False) for vid in range(20, 31)]]
    assert found["br0"] == [(10, False, False)]
    assert bodies[1]["IFLA_PROTINFO"]["IFLA_BRPORT_STATE"] == uapi.BR_STATE_DISABLED  # its other end was down


def test_rules_are_read() -> None:
    data = one("ip rule show", "<")
    rules = [rule.Rule(MESSAGES[frame.kind].unpack(data, frame.start, frame.end)) for frame in nlmsg.split(data)]
    table = [(each.priority, each.source, each.table, each.action) for each in rules]
    assert table[:2] == [(0, "all", 255, uapi.FR_ACT_TO_TBL), (1000, "10.0.0.0/24", 100, uapi.FR_ACT_TO_TBL)]
    assert (1003, "10.9.0.0/16", 0, uapi.FR_ACT_PROHIBIT) in table and rules[2].flags == uapi.FIB_RULE_INVERT


@pytest.mark.parametrize(
    "build",
    [
        lambda: link.delete_group(0),
        lambda: link.delete_group("7"),  # type: ignore[arg-type]
        lambda: link.add_altname(1),
        lambda: link.add_altname(1, "x" * 128),
        lambda: link.add_altname(1, "a/b"),
        lambda: link.change_port(1, colour=1),  # type: ignore[call-arg]
        lambda: link.macvlan("m", 1, "sideways"),
        lambda: link.vxlan("v", 1 << 24),
        lambda: link.vxlan("v", 1, port=0),
        lambda: link.vxlan("v", 1, remote="10.0.0.1", local="fd00::1"),
        lambda: link.vxlan("v", 1, remote="nowhere"),
        lambda: vlan.set(1, 0),
        lambda: vlan.set(1, 4095),
        lambda: vlan.set(1, 30, 20),
        lambda: vlan.set(1, 20, 30, pvid=True),
        lambda: vlan.set(1, "10"),  # type: ignore[arg-type]
        lambda: route.new("10.0.0.0/8", type="imaginary"),
        lambda: route.get("10.0.0.1", source="fd00::1"),
        lambda: route.get("10.0.0.1/24"),
        lambda: rule.new(source="10.0.0.0/8"),
        lambda: rule.new(source="10.0.0.0/8", table=1, action="prohibit"),
        lambda: rule.new(action="dance"),
        lambda: rule.new(source="10.0.0.0/8", destination="fd00::/8", table=1),
        lambda: rule.new(colour=1, table=1),  # type: ignore[call-arg]
        lambda: rule.delete(),
        lambda: rule.delete(family=2),
    ],
)
def test_what_could_never_be_right(build: Any) -> None:
    with pytest.raises(InvalidValue) as refused:
        build()
    assert "\n" not in str(refused.value)


# -- units ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [  # what tc(8), section PARAMETERS, says of each
        (units.rate, "10mbit", 10_000_000),
        (units.rate, "1gbit", 10**9),
        (units.rate, "100Kbit", 100_000),
        (units.rate, "1.5mbps", 12_000_000),
        (units.rate, "1kibit", 1024),
        (units.rate, "1mibps", 8 << 20),
        (units.rate, "2tbit", 2 * 10**12),
        (units.rate, "8000", 8000),
        (units.rate, 64000, 64000),
        (units.size, "16kb", 16384),
        (units.size, "15k", 15360),
        (units.size, "1mbit", 131072),
        (units.size, "1500b", 1500),
        (units.size, "1600", 1600),
        (units.seconds, "20ms", 0.02),
        (units.seconds, "1.5s", 1.5),
        (units.seconds, "100us", 0.0001),
        (units.seconds, "64nsecs", 64e-9),
        (units.seconds, 0.5, 0.5),
        (units.fraction, "1%", 0.01),
        (units.fraction, "2.5", 0.025),
        (units.fraction, 0.25, 0.25),
    ],
)
def test_units(read: Any, text: Any, value: float) -> None:
    assert read(text) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        *[(units.rate, text) for text in ("", "mbit", "10 apples", "-1mbit", "1_0mbit", "nan", "inf", "1e400bit")],
        *[(units.rate, other) for other in (None, True, [1], -1)],
        *[(units.size, text) for text in ("kb", "1tb", "ten")],
        *[(units.seconds, text) for text in ("20", "20m", "ms", "-1s", float("nan"), float("inf"))],
        *[(units.fraction, text) for text in ("101%", "-1%", "1%%", 1.5, "half")],
    ],
)
def test_what_is_no_quantity(read: Any, text: Any) -> None:
    with pytest.raises(InvalidValue) as refused:
        read(text)
    assert repr(text) in str(refused.value)


# -- shapes ---------------------------------------------------------------------------------------------------------


def options(command: str) -> dict[str, Any]:
    found: dict[str, Any] = REQUESTS[command][2]["TCA_OPTIONS"]
    return found


def test_a_rate_is_what_tc_sends() -> None:
    theirs = options("tc qdisc add dev v1 root tbf rate 10mbit burst 16kb latency 50ms")
    (request,) = qdisc.shape(V1, rate="10mbit", burst="16kb", latency="50ms")
    ours = request.body["TCA_OPTIONS"]
    assert ours["TCA_TBF_BURST"] == theirs["TCA_TBF_BURST"] and "TCA_TBF_RTAB" not in ours
    for member in ("rate.rate", "rate.linklayer", "limit"):
        assert ours["TCA_TBF_PARMS"][member] == theirs["TCA_TBF_PARMS"][member]
    assert 0 <= ours["TCA_TBF_PARMS"]["buffer"] - theirs["TCA_TBF_PARMS"]["buffer"] < 16  # tc counts in whole microseconds
    assert request.flags == uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE and request.body["tcm_parent"] == uapi.TC_H_ROOT


def test_a_rate_that_needs_64_bits() -> None:
    theirs = options("tc qdisc add dev v1 root handle 5: tbf rate 40gbit burst 1mb limit 2mb peakrate 80gbit mtu 1540")
    ours = qdisc.shape(V1, rate="40gbit", burst="1mb")[0].body["TCA_OPTIONS"]
    assert ours["TCA_TBF_RATE64"] == theirs["TCA_TBF_RATE64"] == 5_000_000_000
    assert ours["TCA_TBF_PARMS"]["rate.rate"] == theirs["TCA_TBF_PARMS"]["rate.rate"] == 0xFFFFFFFF
    assert theirs["TCA_TBF_BURST"] - 320 < ours["TCA_TBF_BURST"] <= theirs["TCA_TBF_BURST"]  # 320 bytes go in a tick


def test_a_delay_is_what_tc_sends() -> None:
    command = "tc qdisc add dev v1 parent 1:1 handle 10: netem delay 20ms 2ms 25% loss 1% limit 1000"
    (request,) = qdisc.shape(V1, delay="20ms", jitter="2ms", loss="1%")
    ours, theirs = request.body["TCA_OPTIONS"], options(command)
    assert {key: ours[key] for key in ("latency", "jitter", "loss", "limit")} == {
        key: theirs[key] for key in ("latency", "jitter", "loss", "limit")
    }
    assert (ours["TCA_NETEM_LATENCY64"], ours["TCA_NETEM_JITTER64"]) == (20_000_000, 2_000_000)


def test_both_stand_one_below_the_other() -> None:
    above, below = qdisc.shape(V1, rate="10mbit", delay="20ms")
    assert (above.body["TCA_KIND"], above.body["tcm_parent"]) == ("netem", uapi.TC_H_ROOT)
    assert (below.body["TCA_KIND"], below.body["tcm_parent"]) == ("tbf", above.body["tcm_handle"] | 1)
    assert qdisc.shape(V1, rate="1gbit", delay="100ms")[0].body["TCA_OPTIONS"]["limit"] == 50_000  # or it would lose packets


def shown(command: str) -> list[Qdisc]:
    """The disciplines in a captured dump, the one at the root of v1 as if it were ours."""
    data = one(command, "<")
    bodies = [MESSAGES[frame.kind].unpack(data, frame.start, frame.end) for frame in nlmsg.split(data)]
    ours = {"tcm_handle": qdisc.TBF}
    return [Qdisc({**body, **ours}) if body["TCA_KIND"] == "tbf" else Qdisc(body) for body in bodies]


def test_what_the_kernel_says_is_read() -> None:
    found = shown("tc qdisc show dev v1")
    assert [each.kind for each in found if each.index == V1] == ["tbf"]
    read = qdisc.read(found)
    assert read == Shape("10mbit", burst="16kb", latency="50ms") and read is not None
    assert (read.rate, read.burst, read.latency) == (10_000_000, 16384, pytest.approx(0.05))  # type: ignore[comparison-overlap]
    assert read != Shape("11mbit", burst="16kb", latency="50ms") and read != Shape("10mbit", burst="17kb", latency="50ms")
    fast = qdisc.read(shown("tc qdisc show dev v1 (2)"))
    assert fast is not None and fast.rate == 40 * 10**9 and abs(fast.burst - (1 << 20)) <= 320


def test_netem_over_tbf_as_a_kernel_says_it() -> None:
    data = one("tc qdisc show (Linux 6.1)", "<")
    bodies = [MESSAGES[frame.kind].unpack(data, frame.start, frame.end) for frame in nlmsg.split(data)]
    ours = [Qdisc(body) for body in bodies if body["tcm_ifindex"] == 3]
    assert [each.kind for each in ours] == ["netem", "tbf"] and ours[0].options["TCA_NETEM_LATENCY64"] == 20_000_000
    assert qdisc.read(ours) == Shape("10mbit", delay="20ms", jitter="2ms", loss="1%")


def echoed(requests: list[Request]) -> list[Qdisc]:
    """What a kernel that does as it is told would show."""
    return [Qdisc(request.message.unpack(request.message.pack(request.body))) for request in requests]


@pytest.mark.parametrize(
    "words",
    [
        {"rate": "333kbit"},
        {"rate": "40gbit"},
        {"delay": "20ms"},
        {"loss": "100%"},
        {"jitter": 0.001, "delay": 0.1, "loss": 0.5},
        {"rate": "1gbit", "delay": "274s"},
        {"rate": "7mbit", "burst": "32kb", "latency": 0, "delay": "1ms"},
    ],
)
def test_a_shape_comes_back(words: dict[str, Any]) -> None:
    assert qdisc.read(echoed(qdisc.shape(V1, **words))) == Shape(**words)
    assert "Shape(" in repr(Shape(**words)) and Shape(**words) != object()


def test_all_that_netem_does_survives_the_way_to_the_kernel_and_back() -> None:
    words = {"delay": "20ms", "jitter": "2ms", "loss": "1%", "duplicate": "2%", "reorder": "25%", "corrupt": "3%", "limit": 50}
    for rate in ({}, {"rate": "10mbit"}):
        shape = Shape(**words, **rate)  # type: ignore[arg-type]
        messages = [request.message.unpack(request.message.pack(request.body)) for request in shape.requests(4)]
        assert qdisc.read([Qdisc(body) for body in messages]) == shape
        assert "duplicate 2% reorder 25% corrupt 3% limit 50" in str(shape)
    for wrong in ({"reorder": "1%"}, {"limit": 0}, {"limit": True}, {"loss": 2}, {"corrupt": "101%"}):
        with pytest.raises(InvalidValue):
            Shape(**wrong)  # type: ignore[arg-type]


def test_what_is_not_ours_is_not_read() -> None:
    both = echoed(qdisc.shape(V1, rate="10mbit", delay="20ms"))
    assert qdisc.read(both[:1]) is None and qdisc.read(both[1:]) is None and qdisc.read([]) is None
    assert [qdisc.is_ours(each) for each in both] == [True, False]
    person = Qdisc({**both[0].body, "tcm_handle": 0x80010000})
    assert qdisc.read([person]) is None and not qdisc.is_ours(person)
    unknown = Qdisc({**both[0].body, "TCA_OPTIONS": b"\1"})
    assert qdisc.read([unknown, both[1]]) is None and qdisc.read([Qdisc({**both[1].body, "tcm_handle": qdisc.TBF})]) is not None
    empty = Qdisc({**both[1].body, "tcm_handle": qdisc.TBF, "TCA_OPTIONS": {}})
    doubled = Qdisc({**both[0].body, "TCA_OPTIONS": {**both[0].options, "gap": 3}})
    assert qdisc.read([empty]) is None and qdisc.read([doubled, both[1]]) is None


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"burst": "16kb"},
        {"latency": "1s"},
        {"rate": 7},
        {"rate": "8bit"},
        {"rate": "10mbit", "burst": 0},
        {"rate": "10mbit", "latency": "1h"},
        {"rate": "10mbit", "latency": 10_000},
        {"delay": "275s"},
        {"delay": "20"},
        {"loss": 2},
        {"rate": "fast"},
    ],
)
def test_what_is_no_shape(words: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        Shape(**words)


@pytest.mark.parametrize(
    ("request_", "code", "message", "said"),
    [
        (Shape(delay="1ms").requests(1)[0], errno.ENOENT, "Specified qdisc kind is unknown", "CONFIG_NET_SCH_NETEM"),
        (Shape(delay="1ms").requests(1)[0], errno.EINVAL, "", ""),
        (vlan.set(1, 10), errno.EOPNOTSUPP, "", "CONFIG_BRIDGE_VLAN_FILTERING"),
        (link.new("g", "gre"), errno.EOPNOTSUPP, "Unknown device type", "no links of kind gre (CONFIG_NET_IPGRE)"),
        (link.new("g", "strange\x1b"), errno.EOPNOTSUPP, "Unknown device type", "no links of kind strange\\x1b"),
        (link.new("g", "gre"), errno.EEXIST, "", ""),
        (rule.new(table=7), errno.EOPNOTSUPP, "", "CONFIG_IP_MULTIPLE_TABLES"),
        (address.new(1, "fd00::1/64"), errno.EAFNOSUPPORT, "", "CONFIG_IPV6"),
        (address.new(1, "fd00::1/64"), errno.EACCES, "", ""),
    ],
)
def test_what_the_kernel_lacks_is_named(request_: Request, code: int, message: str, said: str) -> None:
    found = kernel_options.advice(request_, KernelError(code, request_.message.name, message))
    assert said in found and bool(said) == bool(found)


def test_handles_are_shown_as_tc_writes_them() -> None:
    def shown(command: str) -> list[str]:
        traces = [trace for _, trace in nlmsg_spans.spans(one(command, ">"), MESSAGES)]
        return [span.text() for trace in traces for span in trace if span.name in ("tcm_handle", "tcm_parent")]

    assert shown("tc qdisc add dev v1 parent 1:1 handle 10: pfifo limit 7") == ["10:", "1:1"]
    assert shown("tc qdisc del dev v1 root") == ["0", "TC_H_ROOT"]
