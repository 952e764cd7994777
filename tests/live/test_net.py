"""Links, addresses, routes, neighbours and ids of a namespace, against what the real `ip` or /sys says of them."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from rawns import InvalidValue, KernelError, NetNS, RawnsError, WireError, rtnl, uapi
from rawns.nlmsg import Request
from rawns.objects import link as links

if TYPE_CHECKING:
    from rawns.objects.link import LinkOptions


@pytest.fixture
def ns() -> Iterator[NetNS]:
    with NetNS.create() as namespace:
        yield namespace


@pytest.fixture
def pair() -> Iterator[tuple[NetNS, NetNS]]:
    with NetNS.create() as one, NetNS.create() as two:
        one.net.add_veth("v1", peer="v2", peer_ns=two)
        yield one, two


def ip(ns: NetNS, *words: str) -> list[dict[str, Any]]:
    """What the real `ip` says of a namespace."""
    if shutil.which("ip") is None:
        pytest.skip("there is no `ip` here")
    done = ns.run(["ip", "-j", *words], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout or "[]")  # type: ignore[no-any-return]


def test_both_ends_are_born_where_they_live(pair: tuple[NetNS, NetNS]) -> None:
    one, two = pair
    assert [link.name for link in one.net.links("veth")] == ["v1"]
    assert [link.name for link in two.net.links("veth")] == ["v2"]
    v1, v2 = one.net.link("v1"), two.net.link("v2")
    assert (v1.peer, v2.peer) == (v2.index, v1.index) and (v1.kind, v1.up, v1.mtu) == ("veth", False, 1500)
    assert one.net.nsid(two) == v1.peer_nsid and one.net.nsids() == [v1.peer_nsid]


def test_options_at_birth(ns: NetNS) -> None:
    far: LinkOptions = {"index": 41, "address": "02:00:00:00:00:0b"}
    ns.net.add_veth("a", "b", up=True, index=40, address="02:00:00:00:00:0a", mtu=1400, peer_options=far)
    a, b = ip(ns, "link", "show", "dev", "a")[0], ip(ns, "link", "show", "dev", "b")[0]
    assert (a["ifindex"], a["address"], a["mtu"], "UP" in a["flags"]) == (40, "02:00:00:00:00:0a", 1400, True)
    assert (b["ifindex"], b["address"], b["link"]) == (41, "02:00:00:00:00:0b", "a")


def test_set_link(pair: tuple[NetNS, NetNS]) -> None:
    one, two = pair
    one.net.set_link("v1", up=True, mtu=1300, address="02:00:00:00:00:01", alias="left", group=7, txqlen=5)
    shown = ip(one, "-d", "link", "show", "dev", "v1")[0]
    assert (shown["mtu"], shown["address"], shown["ifalias"], shown["txqlen"]) == (1300, "02:00:00:00:00:01", "left", 5)
    assert shown["group"] == "7" and "UP" in shown["flags"]
    one.net.set_link("v1", up=False)
    one.net.set_link("v1", new_name="renamed")
    assert [link.name for link in one.net.links("veth")] == ["renamed"] and not one.net.link("renamed").up
    one.net.set_link("renamed", netns=two)
    assert sorted(link.name for link in two.net.links("veth")) == ["renamed", "v2"] and not one.net.links("veth")


def test_a_bridge_and_its_ports(ns: NetNS) -> None:
    ns.net.add_bridge("br0", {"IFLA_BR_STP_STATE": 1, "IFLA_BR_FORWARD_DELAY": 200})
    ns.net.add_veth("p1", "p2", master="br0")
    shown = ip(ns, "-d", "link", "show", "dev", "br0")[0]["linkinfo"]["info_data"]  # type: ignore[index]
    assert (shown["stp_state"], shown["forward_delay"]) == (1, 200)
    assert ns.net.link("p1").master == ns.net.link("br0").index
    assert ip(ns, "link", "show", "dev", "p1")[0]["master"] == "br0"
    ns.net.set_link("p1", master=0)
    assert ns.net.link("p1").master is None
    assert [link.name for link in ns.net.links("bridge")] == ["br0"]


def test_deleting_one_end_deletes_the_other(pair: tuple[NetNS, NetNS]) -> None:
    one, two = pair
    one.net.delete_link("v1")
    assert not one.net.links("veth") and not two.net.links("veth")


def test_addresses(pair: tuple[NetNS, NetNS]) -> None:
    one, _ = pair
    one.net.add_address("v1", "10.0.0.1/24", broadcast="10.0.0.255")
    one.net.add_address("v1", "fd00::1/64", nodad=True)
    one.net.add_address("v1", "10.1.0.1", peer="10.2.0.1/32")
    shown = {entry["local"]: entry for entry in ip(one, "addr", "show", "dev", "v1")[0]["addr_info"]}  # type: ignore[attr-defined]
    assert (shown["10.0.0.1"]["prefixlen"], shown["10.0.0.1"]["broadcast"]) == (24, "10.0.0.255")
    assert (shown["fd00::1"]["prefixlen"], shown["fd00::1"]["nodad"]) == (64, True)
    assert (shown["10.1.0.1"]["address"], shown["10.1.0.1"]["prefixlen"]) == ("10.2.0.1", 32)
    ours = one.net.addresses("v1", socket.AF_INET)
    assert [(str(each), each.peer) for each in ours] == [("10.0.0.1/24", None), ("10.1.0.1/32", "10.2.0.1")]
    one.net.delete_address("v1", "10.0.0.1/24")
    assert [str(each) for each in one.net.addresses("v1", socket.AF_INET)] == ["10.1.0.1/32"]
    assert [str(each) for each in one.net.addresses("lo")] == []


def test_routes(pair: tuple[NetNS, NetNS]) -> None:
    one, _ = pair
    one.net.add_address("v1", "10.0.0.1/24")
    one.net.add_address("v1", "fd00::1/64", nodad=True)
    one.net.set_link("v1", up=True)
    one.net.add_route("default", via="10.0.0.2")
    one.net.add_route("default", via="fd00::2", dev="v1")
    one.net.add_route("192.0.2.0/24", dev="v1", metric=50, source="10.0.0.1")
    one.net.add_route("198.51.100.0/24", via="10.0.0.3", table=1000)
    shown = {entry["dst"]: entry for entry in ip(one, "route", "show")}
    assert shown["default"]["gateway"] == "10.0.0.2" and shown["192.0.2.0/24"]["metric"] == 50
    assert (shown["192.0.2.0/24"]["scope"], shown["192.0.2.0/24"]["prefsrc"]) == ("link", "10.0.0.1")
    assert any(entry.get("gateway") == "fd00::2" for entry in ip(one, "-6", "route", "show", "default"))
    assert ip(one, "route", "show", "table", "1000")[0]["gateway"] == "10.0.0.3"
    ours = [(route.destination, route.gateway, route.metric) for route in one.net.routes(socket.AF_INET)]
    assert ours == [("default", "10.0.0.2", 0), ("10.0.0.0/24", None, 0), ("192.0.2.0/24", None, 50)]
    assert [route.gateway for route in one.net.routes(table=1000)] == ["10.0.0.3"]
    one.net.delete_route("192.0.2.0/24")
    one.net.delete_route("default", via="10.0.0.2")
    assert [route.destination for route in one.net.routes(socket.AF_INET)] == ["10.0.0.0/24"]
    with pytest.raises(KernelError, match="ESRCH"):
        one.net.delete_route("default")


def test_neighbours(pair: tuple[NetNS, NetNS]) -> None:
    one, _ = pair
    one.net.set_link("v1", up=True)
    one.net.add_neighbour("v1", "10.0.0.9", "02:00:00:00:00:09")
    one.net.add_neighbour("v1", "fd00::9", "02:00:00:00:00:09", permanent=False)
    shown = {entry["dst"]: entry for entry in ip(one, "neigh", "show", "dev", "v1")}
    assert (shown["10.0.0.9"]["lladdr"], shown["10.0.0.9"]["state"]) == ("02:00:00:00:00:09", ["PERMANENT"])
    assert shown["fd00::9"]["state"] == ["REACHABLE"]
    ours = one.net.neighbours("v1", socket.AF_INET)
    assert [(each.address, each.lladdr, each.state) for each in ours] == [("10.0.0.9", "02:00:00:00:00:09", uapi.NUD_PERMANENT)]
    one.net.delete_neighbour("v1", "10.0.0.9")
    assert not one.net.neighbours("v1", socket.AF_INET)


def test_ids(pair: tuple[NetNS, NetNS]) -> None:
    one, _ = pair
    with NetNS.create() as third:
        assert one.net.nsid(third) is None
        one.net.set_nsid(third, 17)
        assert one.net.nsid(third) == 17 and 17 in one.net.nsids()
        with pytest.raises(KernelError, match="EEXIST"):
            one.net.set_nsid(third, 18)


@pytest.mark.parametrize(
    ("verb", "errno", "said"),
    [
        (lambda net: net.add_address("v1", "10.0.0.1/24"), 17, "address 10.0.0.1/24"),
        (lambda net: net.link("nope"), 19, "No such device"),
        (lambda net: net.add_address("nope", "10.0.0.1/24"), 19, "link nope"),
        (lambda net: net.add_veth("v1", "v9"), 17, "link v1"),
        (lambda net: net.set_link("v1", mtu=1), 22, "mtu less than device minimum"),
        (lambda net: net.delete_link("nope"), 19, "link nope"),
        (lambda net: net.add_link("x", "no-such-kind"), 95, "Unknown device type"),
    ],
)
def test_the_kernels_own_words(pair: tuple[NetNS, NetNS], verb: object, errno: int, said: str) -> None:
    one, _ = pair
    one.net.add_address("v1", "10.0.0.1/24")
    with pytest.raises(KernelError) as refused:
        verb(one.net)  # type: ignore[operator]
    assert refused.value.errno == errno and isinstance(refused.value, OSError) and said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_field_the_kernel_points_at(ns: NetNS) -> None:
    """The kernel gives an offset into the message; the name of the field there comes from the description."""
    with pytest.raises(KernelError) as refused:
        ns.net.nsid(999)
    assert (refused.value.offset, refused.value.field) == (20, "NETNSA_FD = 999")
    assert str(refused.value) == (
        'RTM_GETNSID (the namespace\'s id) refused: "Peer netns reference is invalid" (EBADF) at byte 20, NETNSA_FD = 999'
    )


@pytest.mark.parametrize(
    "verb",
    [
        lambda net: net.add_veth("", "b"),
        lambda net: net.add_veth("a/b", "b"),
        lambda net: net.add_veth("a", "x" * 16),
        lambda net: net.add_address("lo", "10.0.0.1/33"),
        lambda net: net.add_address("lo", "10.0.0/24"),
        lambda net: net.add_address("lo", "fd00::1/129"),
        lambda net: net.add_address("lo", "10.0.0.1/"),
        lambda net: net.add_route("10.0.0.0/8", via="fd00::1"),
        lambda net: net.add_route("10.0.0.0/8", via="10.0.0.1/24"),
        lambda net: net.set_link("lo", colour="red"),
        lambda net: net.set_link("lo", new_name="z/1"),
        lambda net: net.add_address("lo", "10.0.0.7/24", broadcast="fd00::1"),
        lambda net: net.add_address("lo", "10.0.0.7/24", peer="fd00::1/32"),
        lambda net: net.add_route("10.0.0.0/8", dev="lo", source="fd00::1"),
        lambda net: net.add_veth("\ud800", "b"),
        lambda net: net.link("\ud800"),
        lambda net: net.link(None),
        lambda net: net.add_veth("a", "b", peer_ns=2.5),
        lambda net: net.add_veth("a", "b", peer_options={"index": 7}),
        lambda net: net.nsid(None),
    ],
)
def test_what_could_never_be_right_is_refused_before_a_byte_is_sent(ns: NetNS, verb: object) -> None:
    from rawns import Observer, observed

    sent: list[str] = []

    class Watcher(Observer):
        def before(self, call: str, arguments: str) -> None:
            if call == "sendto" and "RTM_GETLINK" not in arguments:
                sent.append(arguments)

    ns.net.index("lo")
    with observed(Watcher()), pytest.raises((InvalidValue, WireError)):
        verb(ns.net)  # type: ignore[operator]
    assert len(sent) <= 1, "at most the look-up of lo"


def test_many_requests_in_one_conversation(ns: NetNS) -> None:
    from rawns.objects import address

    ns.net.do(*[address.new(1, f"10.{i // 250}.{i % 250}.1/32") for i in range(1000)])
    assert len(ns.net.addresses("lo", socket.AF_INET)) == 1000
    with pytest.raises(KernelError, match="EEXIST"):
        ns.net.do(*[address.new(1, f"10.{i // 250}.{i % 250}.1/32") for i in range(1000)])
    assert len(ns.net.addresses("lo", socket.AF_INET)) == 1000


def test_an_address_refused_for_another_reason_than_privileges_names_no_remedy(ns: NetNS) -> None:
    """Where IPv6 is switched off the kernel says EACCES, to root too."""
    with ns.entered(), open("/proc/sys/net/ipv6/conf/lo/disable_ipv6", "w") as setting:
        setting.write("1")
    with pytest.raises(PermissionError) as refused:
        ns.net.add_address("lo", "fd00::1/64")
    assert "EACCES" in str(refused.value) and "root" not in str(refused.value)


def test_a_closed_namespace_is_named_as_what_it_is(ns: NetNS) -> None:
    other = NetNS.create()
    other.close()
    with pytest.raises(RawnsError, match="is closed, or not created yet"):
        ns.net.add_veth("a", "b", peer_ns=other)


def test_a_table_without_routes_is_empty_in_either_family() -> None:
    with NetNS.create() as ns:
        for family in (0, socket.AF_INET, socket.AF_INET6):
            assert ns.net.routes(family) == ns.net.routes(family, table=77) == []


def test_selectors_of_rules_that_newer_headers_have(ns: NetNS) -> None:
    """FRA_DSCP and the like have no place in the headers that the descriptions are compared with: the kernel answers them."""
    selectors = {"FRA_DSCP": 10, "FRA_SPORT_RANGE": {"start": 16, "end": 16}, "FRA_SPORT_MASK": 0xFFF0}
    body = {"family": uapi.AF_INET, "action": uapi.FR_ACT_TO_TBL, "table": 10, "FRA_PRIORITY": 7, "FRA_IP_PROTO": 6, **selectors}
    try:
        ns.net.do(Request(rtnl.NEWRULE, body, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL))
    except KernelError as error:
        pytest.skip(f"this kernel is older than 6.15: {error}")
    found = next(rule for rule in ns.net.rules(uapi.AF_INET) if rule.priority == 7)
    assert {key: found.body[key] for key in selectors} == selectors


def test_the_index_of_a_link_is_that_of_if_nametoindex() -> None:
    """By ioctl; a name of more than 15 bytes, and one that no link has, by a message with the kernel's own error."""
    with NetNS.create() as ns:
        ns.net.add_veth("v1", peer="v2")
        ns.net.do(links.add_altname("v1", "a-name-of-more-than-fifteen-bytes"))
        there = ns.call(socket.if_nametoindex, "v1")
        assert [ns.net.index(name) for name in ("v1", "a-name-of-more-than-fifteen-bytes", there)] == [there] * 3
        for name in ("v3", "a-name-that-no-interface-has"):
            with pytest.raises(KernelError, match="ENODEV"):
                ns.net.index(name)
