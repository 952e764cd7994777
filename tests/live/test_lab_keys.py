"""Every key of a lab file: brought up, read back with the real `ip`, `bridge`, `tc`, `nft` and `cat`, exported and compared."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from generated_labs import OTHER_USER, generated
from test_lab_command import an_etc_to_write_to  # noqa: F401 (a fixture)
from test_lab_standing import lab_name  # noqa: F401 (a fixture)

from rawns import InvalidValue, KernelError, Lab, NetNS
from rawns.lab import discover, document, kinds, tables
from rawns.lab.export import data_of
from rawns.lab.netem_support import kernel_has_netem
from rawns.lab.readback import live

Name = Callable[[], str]
Data = dict[str, Any]
WIRE = {"ends": ["a:eth0 10.0.0.1/24", "b:eth0 10.0.0.2/24"]}
PAIR: Data = {"hosts": {"a": {}, "b": {}}, "wires": [WIRE]}


class Probe:
    """What the real tools say inside the hosts of a lab."""

    def __init__(self, lab: str) -> None:
        self.lab = lab

    def run(self, host: str, *argv: str) -> str:
        if shutil.which(argv[0]) is None:
            pytest.skip(f"there is no `{argv[0]}` here")
        namespace = NetNS.current() if host == "root" else NetNS.open(f"{self.lab}.{host}")
        with namespace:
            return str(namespace.run(list(argv), stdout=subprocess.PIPE, check=True, text=True).stdout)

    def json(self, host: str, *argv: str) -> Any:
        return json.loads(self.run(host, argv[0], "-j", *argv[1:]) or "[]")

    def link(self, host: str, name: str) -> Any:
        return self.json(host, "ip", "-d", "link", "show", "dev", name)[0]

    def info(self, host: str, name: str) -> Any:
        return self.link(host, name)["linkinfo"]["info_data"]

    def addresses(self, host: str, name: str) -> list[str]:
        found = self.json(host, "ip", "addr", "show", "dev", name)[0]["addr_info"]
        return [f"{one['local']}/{one['prefixlen']}" for one in found if one["scope"] == "global"]

    def etc(self, host: str, file: str) -> str:
        with open(f"/etc/netns/{self.lab}.{host}/{file}") as found:
            return found.read()


def end(**more: Any) -> Data:
    """Two hosts on a wire, of which the first end has more keys."""
    return {**PAIR, "wires": [{"ends": [{"host": "a", "name": "eth0", "addresses": ["10.0.0.1/24"], **more}, "b 10.0.0.2/24"]}]}


def host(**more: Any) -> Data:
    return {**PAIR, "hosts": {"a": more, "b": {}}}


def bridge(**more: Any) -> Data:
    wires = [{"ends": ["a 10.0.0.1/24", "br0"]}, {"ends": ["b 10.0.0.2/24", "br0"]}]
    return {**PAIR, "bridges": {"br0": more}, "wires": wires}


def link(table: str, **more: Any) -> Data:
    """A link of a kind that has a table of its own, called x0, with what it needs."""
    needed: Data = {"host": "a", "name": "x0", **NEEDED.get(table, {})}
    return {**PAIR, table: [{**needed, **more}]}


NEEDED: dict[str, Data] = {
    **dict.fromkeys(["macvlans", "macvtaps", "ipvlans"], {"parent": "a:eth0"}),
    **dict.fromkeys(["vxlans", "geneves"], {"vni": 42, "remote": "10.0.0.2"}),
    "vlans": {"parent": "a:eth0", "id": 5},
    "vrfs": {"table": 10},
}
Case = tuple[Data, Callable[[Probe], object], object]

# By table and key: a lab with the key, what a real tool then says, and what it should be.
CASES: dict[str, Case] = {
    "hosts.count": (
        {"hosts": {"a": {"count": 2}, "br": {}}, "bridges": {"b0": {"host": "br"}}, "wires": [{"ends": ["a 10.0.0.1/24", "b0"]}]},
        lambda p: [p.addresses(name, "eth0") for name in ("a1", "a2")],
        [["10.0.0.1/24"], ["10.0.0.2/24"]],
    ),
    "hosts.netns": (host(), lambda p: p.link("a", "eth0")["ifname"], "eth0"),
    "hosts.gateway": (
        host(gateway="10.0.0.2"),
        lambda p: [(one["dst"], one["gateway"]) for one in p.json("a", "ip", "route") if "gateway" in one],
        [("default", "10.0.0.2")],
    ),
    "hosts.routes": (
        host(routes=["169.254.1.1/32 dev eth0", "default via 169.254.1.1", "10.9.0.0/16 via 10.0.0.2 metric 7"]),
        lambda p: sorted(
            (one["dst"], one.get("gateway"), one.get("metric")) for one in p.json("a", "ip", "route", "show", "proto", "82")
        ),
        [("10.9.0.0/16", "10.0.0.2", 7), ("169.254.1.1", None, None), ("default", "169.254.1.1", None)],
    ),
    "hosts.forward": (
        host(forward=True),
        lambda p: [
            p.run("a", "cat", f"/proc/sys/net/{name}").strip() for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding")
        ],
        ["1", "1"],
    ),
    "hosts.sysctl": (
        host(sysctl={"net.ipv4.tcp_syncookies": 2, "net/ipv4/conf/eth0/rp_filter": True}),
        lambda p: [p.run("a", "cat", f"/proc/sys/net/ipv4/{name}").strip() for name in ("tcp_syncookies", "conf/eth0/rp_filter")],
        ["2", "1"],
    ),
    "hosts.nat": (
        host(nat={"out": "eth0", "source": "10.1.0.0/16", "forward": "tcp 8080 10.1.0.2:80"}),
        lambda p: [word in p.run("a", "nft", "list", "ruleset") for word in ("masquerade", "10.1.0.0/16", "10.1.0.2:80", "8080")],
        [True] * 4,
    ),
    "hosts.uplink": (
        host(uplink="home on eth0"),
        lambda p: [word in p.run("a", "nft", "list", "ruleset") for word in ("masquerade", 'iifname "eth0" drop')],
        [True] * 2,
    ),
    "hosts.firewall": (
        host(firewall="deny in tcp port 22"),
        lambda p: "tcp dport 22 drop" in p.run("a", "nft", "list", "ruleset"),
        True,
    ),
    "hosts.hosts": (
        host(hosts={"db": ["10.0.0.2", "fd00::2"]}),
        lambda p: p.etc("a", "hosts").splitlines()[-2:],
        ["10.0.0.2\tdb", "fd00::2\tdb"],
    ),
    "hosts.search": (
        host(search=["lan", "example"]),
        lambda p: p.etc("a", "resolv.conf").splitlines()[1:],
        ["search lan example"],
    ),
    "hosts.nameservers": (
        host(nameservers="10.0.0.2"),
        lambda p: p.etc("a", "resolv.conf").splitlines()[1:],
        ["nameserver 10.0.0.2"],
    ),
    "hosts.run": (
        host(run=["ip link set eth0 alias-test 2>/dev/null; ip route add 192.0.2.0/24 via 10.0.0.2"]),
        lambda p: "192.0.2.0/24" in [one["dst"] for one in p.json("a", "ip", "route")],
        True,
    ),
    "bridges.host": (
        {**bridge(host="c"), "hosts": {"a": {}, "b": {}, "c": {}}},
        lambda p: p.link("c", "br0")["linkinfo"]["info_kind"],
        "bridge",
    ),
    "bridges.addresses": (
        bridge(addresses=["10.0.0.9/24", "fd00::9/64"]),
        lambda p: p.addresses("br0", "br0"),
        ["10.0.0.9/24", "fd00::9/64"],
    ),
    "bridges.stp": (bridge(stp=True), lambda p: p.info("br0", "br0")["stp_state"], 1),
    "bridges.vlan_filtering": (bridge(vlan_filtering=True), lambda p: p.info("br0", "br0")["vlan_filtering"], 1),
    "bridges.ageing": (bridge(ageing=12.5), lambda p: p.info("br0", "br0")["ageing_time"], 1250),
    "bridges.mac": (bridge(mac="02:00:00:00:00:05"), lambda p: p.link("br0", "br0")["address"], "02:00:00:00:00:05"),
    "bridges.mtu": (bridge(mtu=1400), lambda p: p.link("br0", "br0")["mtu"], 1400),
    "bridges.ipv6": (bridge(ipv6=False), lambda p: p.link("br0", "br0")["inet6_addr_gen_mode"], "none"),
    "bridges.txqueuelen": (bridge(txqueuelen=7), lambda p: p.link("br0", "br0")["txqlen"], 7),
    "bridges.up": (bridge(up=False), lambda p: "UP" in p.link("br0", "br0")["flags"], False),
    "wires.ends": (PAIR, lambda p: p.link("a", "eth0")["linkinfo"]["info_kind"], "veth"),
    "wires.loop": (
        {"hosts": ["a"], "bridges": ["br0"], "wires": [{"ends": ["br0", "br0"], "loop": True}, {"ends": ["a", "br0"]}]},
        lambda p: len(p.json("br0", "bridge", "link")),
        3,
    ),
    "wires.mtu": (
        {**PAIR, "wires": [{**WIRE, "mtu": 1400}]},
        lambda p: [p.link(name, "eth0")["mtu"] for name in "ab"],
        [1400] * 2,
    ),
    "wires.ipv6": (
        {**PAIR, "wires": [{**WIRE, "ipv6": False}]},
        lambda p: [one["family"] for name in "ab" for one in p.json(name, "ip", "addr", "show", "dev", "eth0")[0]["addr_info"]],
        ["inet", "inet"],
    ),
    "wires.txqueuelen": (
        {**PAIR, "wires": [{**WIRE, "txqueuelen": 7}]},
        lambda p: [p.link(name, "eth0")["txqlen"] for name in "ab"],
        [7] * 2,
    ),
    "wires.up": (
        {**PAIR, "wires": [{**WIRE, "up": False}]},
        lambda p: ["UP" in p.link(name, "eth0")["flags"] for name in "ab"],
        [False] * 2,
    ),
    "ends.host": (end(), lambda p: p.link("a", "eth0")["ifname"], "eth0"),
    "ends.bridge": (bridge(), lambda p: sorted(one["ifname"] for one in p.json("br0", "bridge", "link")), ["a", "b"]),
    "ends.vlans": (
        {**bridge(vlan_filtering=True), "wires": [{"ends": ["a 10.0.0.1/24", {"bridge": "br0", "vlans": [5, 6]}]}]},
        lambda p: [one["vlan"] for one in p.json("br0", "bridge", "vlan", "show", "dev", "a")[0]["vlans"]],
        [5, 6],
    ),
    "ends.name": (end(name="lan7"), lambda p: p.link("a", "lan7")["ifname"], "lan7"),
    "ends.addresses": (
        end(addresses=["10.0.0.1/24", "fd00::1/64"]),
        lambda p: p.addresses("a", "eth0"),
        ["10.0.0.1/24", "fd00::1/64"],
    ),
    "vxlans.vni": (link("vxlans"), lambda p: p.info("a", "x0")["id"], 42),
    "vxlans.remote": (link("vxlans", remote="fd00::2"), lambda p: p.info("a", "x0")["remote6"], "fd00::2"),
    "vxlans.local": (link("vxlans", local="10.0.0.1"), lambda p: p.info("a", "x0")["local"], "10.0.0.1"),
    "vxlans.port": (link("vxlans", port=4790), lambda p: p.info("a", "x0")["port"], 4790),
    "macvlans.parent": (link("macvlans", host="b"), lambda p: p.link("b", "x0")["linkinfo"]["info_kind"], "macvlan"),
    "macvlans.mode": (link("macvlans", mode="private"), lambda p: p.info("a", "x0")["mode"], "private"),
    "macvtaps.mode": (link("macvtaps", mode="vepa"), lambda p: p.info("a", "x0")["mode"], "vepa"),
    "ipvlans.mode": (link("ipvlans", mode="l2"), lambda p: p.info("a", "x0")["mode"], "l2"),
    "ipvlans.isolation": (
        link("ipvlans", isolation="private"),
        lambda p: "private" in p.run("a", "ip", "-d", "link", "show", "dev", "x0"),
        True,
    ),
    "vlans.id": (link("vlans", id=7), lambda p: p.info("a", "x0")["id"], 7),
    "vlans.protocol": (link("vlans", protocol="802.1ad"), lambda p: p.info("a", "x0")["protocol"], "802.1ad"),
    "geneves.vni": (link("geneves"), lambda p: p.info("a", "x0")["id"], 42),
    "geneves.remote": (link("geneves", remote="fd00::2"), lambda p: p.info("a", "x0")["remote6"], "fd00::2"),
    "geneves.port": (link("geneves", port=6082), lambda p: p.info("a", "x0")["port"], 6082),
    "vrfs.table": (link("vrfs"), lambda p: p.info("a", "x0")["table"], 10),
    "ends.vrf": (
        {**end(vrf="blue"), "vrfs": [{"host": "a", "name": "blue", "table": 10}]},
        lambda p: p.link("a", "eth0")["master"],
        "blue",
    ),
    "taps.owner": (link("taps", owner=OTHER_USER), lambda p: p.info("a", "x0")["user"], OTHER_USER or "root"),
}
LINK_CASES: dict[str, tuple[Any, Callable[[Probe, str, str], object], object]] = {
    "mac": ("02:00:00:00:00:07", lambda p, h, name: p.link(h, name)["address"], "02:00:00:00:00:07"),
    "mtu": (1300, lambda p, h, name: p.link(h, name)["mtu"], 1300),
    "txqueuelen": (7, lambda p, h, name: p.link(h, name)["txqlen"], 7),
    "ipv6": (False, lambda p, h, name: p.link(h, name)["inet6_addr_gen_mode"], "none"),
    "up": (False, lambda p, h, name: "UP" in p.link(h, name)["flags"], False),
    "addresses": (["10.7.0.1/24"], lambda p, h, name: p.addresses(h, name), ["10.7.0.1/24"]),
}
SHAPE_CASES: dict[str, tuple[Data, str, object]] = {
    "rate": ({"rate": "10mbit"}, "rate", 1250000),
    "burst": ({"rate": "10mbit", "burst": "20kb"}, "burst", 20480),
    "latency": ({"rate": "10mbit", "latency": "100ms"}, "lat", 100000),
    "delay": ({"delay": "20ms"}, "delay", {"delay": 0.02, "jitter": 0, "correlation": 0}),
    "jitter": ({"delay": "20ms", "jitter": "2ms"}, "delay", {"delay": 0.02, "jitter": 0.002, "correlation": 0}),
    "loss": ({"loss": "1%"}, "loss-random", {"loss": 0.01, "correlation": 0}),
    "duplicate": ({"duplicate": "1%"}, "duplicate", {"duplicate": 0.01, "correlation": 0}),
    "corrupt": ({"corrupt": "1%"}, "corrupt", {"corrupt": 0.01, "correlation": 0}),
    "reorder": ({"delay": "20ms", "reorder": "5%"}, "reorder", {"reorder": 0.05, "correlation": 0}),
    "limit": ({"delay": "20ms", "limit": 50}, "limit", 50),
    "preset": ({"preset": "4g"}, "delay", {"delay": 0.085, "jitter": 0, "correlation": 0}),
}
BY_NETEM = {"delay", "jitter", "loss", "duplicate", "corrupt", "reorder", "limit", "preset"}


def shape_case(data: Data, name: str, option: str, wanted: object) -> Case:
    def found(p: Probe) -> object:
        return next(
            one["options"][option]
            for one in p.json("a", "tc", "qdisc", "show", "dev", name)
            if one["kind"] in ("tbf", "netem") and option in one["options"]
        )

    return data, found, wanted


def all_keys() -> Iterator[str]:
    """Every key of the reference, by its table."""
    yield from (f"hosts.{key}" for key in tables.HOST_TABLE if key != "machine")  # test_machines
    yield from (f"bridges.{key}" for key in tables.bridge_keys() if key != "machine")
    yield from (f"wires.{key}" for key in tables.WIRE_TABLE)
    yield from (f"ends.{key}" for key in tables.END_TABLE)
    for table in kinds.TABLES:
        yield from (f"{table}.{key}" for key in tables.link_keys(kinds.by_table(table)))


def case_of(key: str) -> Case:
    """The case of a key; a key without one is an error."""
    table, _, word = key.partition(".")
    if key in CASES:
        return CASES[key]
    if word in SHAPE_CASES:
        said, option, wanted = SHAPE_CASES[word]
        if table == "wires":
            return shape_case({**PAIR, "wires": [{**WIRE, **said}]}, "eth0", option, wanted)
        return shape_case(
            end(**said) if table == "ends" else link(table, **said), "eth0" if table == "ends" else "x0", option, wanted
        )
    if word == "mac" and table != "ends" and not kinds.by_table(table).own_mac:
        return link(table), lambda p: p.link("a", "x0")["address"] == p.link("a", "eth0")["address"], True
    if word in LINK_CASES:
        value, probe, expected = LINK_CASES[word]
        data, name = (end(**{word: value}), "eth0") if table == "ends" else (link(table, **{word: value}), "x0")
        return data, lambda p: probe(p, "a", name), expected
    if word == "vrf":
        data = link(table, vrf="blue")
        return {**data, "vrfs": [{"host": "a", "name": "blue", "table": 10}]}, lambda p: p.link("a", "x0")["master"], "blue"
    if word == "parent":
        return link(table, host="b"), lambda p: p.link("b", "x0")["linkinfo"]["info_kind"], kinds.by_table(table).kind
    if word == "underlay":
        data = {**PAIR, table: [{"host": "b", "name": "x0", "underlay": "a", **NEEDED[table]}]}
        return data, lambda p: p.link("b", "x0")["link_netnsid"] >= 0, True
    if word in ("name", "host"):
        return link(table), lambda p: p.link("a", "x0")["ifname"], "x0"
    if word in ("bridge", "vlans"):
        filtering = word == "vlans"
        placed = {key: value for key, value in link(table)[table][0].items() if key != "host"}
        more = {"vlans": [7]} if filtering else {}
        data = {**bridge(vlan_filtering=filtering), table: [{**placed, "bridge": "br0", **more}]}
        if table in NEEDED and "parent" in NEEDED[table]:
            data[table][0]["parent"] = "a:eth0"
        if filtering:
            return data, lambda p: [v["vlan"] for v in p.json("br0", "bridge", "vlan", "show", "dev", "x0")[0]["vlans"]], [7]
        return data, lambda p: p.link("br0", "x0")["master"], "br0"
    raise AssertionError(f"no case for {key}: every key of the reference is tried")


LACKING = (errno.EOPNOTSUPP, errno.EPROTONOSUPPORT)


@pytest.mark.parametrize("key", list(all_keys()))
def test_a_key_does_what_it_says(key: str, lab_name: Name) -> None:  # noqa: F811
    if key.rpartition(".")[2] in BY_NETEM and not kernel_has_netem():
        pytest.skip("this kernel has no netem: a relay does what netem would, which is tested elsewhere")
    name = lab_name()
    data, probe, wanted = case_of(key)
    data = {**data, "name": name}
    if key == "hosts.netns":
        data["hosts"] = {"a": {"netns": f"{name}.other"}, "b": {}}
    made = Lab.from_source(document.Source(data))
    if key.startswith("taps.") and not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("/dev/net/tun is not there, or closed to us")
    try:
        made.up()
    except KernelError as error:
        if error.errno in LACKING or "unknown" in error.message.lower():
            pytest.skip(f"this kernel lacks it: {error}")
        raise
    try:
        if key == "hosts.netns":
            with NetNS.open(f"{name}.other") as other:
                assert [one.name for one in other.net.links("veth")] == ["eth0"]
        else:
            assert probe(Probe(name)) == wanted
        assert Lab.from_source(document.Source(data)).plan() == [], "what was brought up is not what is found"
        exported = data_of(live(name))
        again = Lab.from_source(document.Source(json.loads(json.dumps(exported))))
        left = [str(one) for one in again.plan() if "rp_filter" not in str(one)]
        assert left == [], f"the export is another lab: {exported}"
    finally:
        discover.remove_lab(name)


@pytest.mark.really_root
def test_a_macvlan_on_an_interface_of_the_root_namespace(lab_name: Name) -> None:  # noqa: F811
    """The README's uplink: the parent is not the lab's, stays when the lab goes, and is asked for by name."""
    name, parent = lab_name(), f"p{os.getpid()}"
    data = {"name": name, "hosts": ["web"], "macvlans": [{"host": "web", "name": "up", "parent": f"root:{parent}"}]}

    def lab() -> Lab:
        return Lab.from_source(document.Source(data))

    with pytest.raises(ValueError, match=f"there is no interface {parent} in root"):
        lab().plan()
    with NetNS.current() as here:
        here.net.add_veth(parent, peer=f"{parent}x", up=True)
        try:
            lab().up()
            assert lab().plan() == [] and Probe(name).link("web", "up")["linkinfo"]["info_kind"] == "macvlan"
            exported = data_of(live(name))
            assert exported["macvlans"] == [{"host": "web", "parent": f"root:{parent}", "name": "up"}]
            assert Lab.from_source(document.Source(exported)).plan() == []
            lab().down()
            assert here.net.link(parent).up
        except KernelError as error:
            if error.errno not in LACKING:
                raise
            pytest.skip(f"this kernel has no macvlan: {error}")
        finally:
            here.net.delete_link(parent)


# -- labs by chance -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def features() -> frozenset[str]:
    """What of `Generator.ALL` this kernel has."""
    found = {"nft"} | ({"tun"} if os.access("/dev/net/tun", os.R_OK | os.W_OK) else set())
    tries: dict[str, Callable[[NetNS], object]] = {
        "vlan_filtering": lambda ns: ns.net.add_link("b", "bridge", {"IFLA_BR_VLAN_FILTERING": 1}),
        "netem": lambda ns: ns.net.shape("lo", delay="1ms"),
        "vxlan": lambda ns: ns.net.add_vxlan("v", 1, remote="10.0.0.1"),
        "macvlan": lambda ns: ns.net.add_macvlan("m", "x"),
    }
    for word, attempt in tries.items():
        try:
            with NetNS.create() as ns:
                ns.net.add_veth("x", peer="y")
                attempt(ns)
            found.add(word)
        except KernelError:
            pass
    return frozenset(found)


@pytest.mark.parametrize("seed", range(1000, 1024))
def test_a_lab_by_chance_is_found_as_described_and_exported(seed: int, features: frozenset[str], lab_name: Name) -> None:  # noqa: F811
    name = lab_name()
    data = {**generated(seed, features), "name": name}
    for one in data["hosts"].values():
        if "netns" in one:
            one["netns"] = f"{name}.x-{one['netns']}"
    try:
        described = Lab.from_source(document.Source(data))
    except InvalidValue:
        pytest.skip("chance has made a lab that is refused")
    try:
        described.up()
        assert [str(one) for one in Lab.from_source(document.Source(data)).plan()] == []
        of_the_file = data_of(Lab.from_source(document.Source(data)))
        assert [str(one) for one in Lab.from_source(document.Source(of_the_file)).plan()] == []
        read_back = data_of(live(name))
        assert [str(one) for one in Lab.from_source(document.Source(json.loads(json.dumps(read_back)))).plan()] == [], read_back
        lab = live(name)
        assert data_of(lab) == read_back
    finally:
        discover.remove_lab(name)
