"""Descriptions: what each key comes to, and the sentence, with its place, for each way in which one can be wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rawns import InvalidValue, Lab
from rawns.errors import SyscallError
from rawns.lab import document, tables, words
from rawns.lab.export import data_of
from rawns.lab.graph import svg, text
from rawns.lab.kinds.bridge import Bridge
from rawns.lab.kinds.stacked import Macvlan
from rawns.lab.kinds.standalone import Tap
from rawns.lab.kinds.tunnel import Vxlan
from rawns.lab.kinds.veth import Port
from rawns.lab.positions import lines
from rawns.lab.problems import InvalidDescription
from rawns.lab.reachability import Reach
from rawns.nft.nat import Forward, Nat

toml = pytest.mark.skipif(sys.version_info < (3, 11), reason="TOML is read from Python 3.11 on")


def lab_of(**data: Any) -> Lab:
    return Lab.from_source(document.Source({"name": "shop", **data}))


def faults_of(**data: Any) -> list[str]:
    with pytest.raises(InvalidDescription) as caught:
        lab_of(**data)
    return [str(one) for one in caught.value.problems]


def host(lab: Lab, label: str) -> Any:
    return next(one for one in lab.hosts if one.label == label)


WIRE = {"ends": ["web 10.0.0.1/24", "db 10.0.0.2/24"]}
TWO: dict[str, Any] = {"hosts": {"web": {}, "db": {}}}

# -- what is read -----------------------------------------------------------------------------------------------------


def test_the_smallest() -> None:
    lab = lab_of(hosts=["web", "db"], wires=[WIRE])
    assert (lab.name, lab.standing) == ("shop", True)
    assert [(one.label, one.name) for one in lab.hosts] == [("web", "shop.web"), ("db", "shop.db")]
    [(one, other)] = lab.wires
    assert [(str(end), str(end.addresses[0])) for end in (one, other)] == [
        ("eth0 of web", "10.0.0.1/24"),
        ("eth0 of db", "10.0.0.2/24"),
    ]
    assert (one.where, host(lab, "db").where) == ("wires[0].ends[0]", "hosts[1]")


def test_all_that_a_host_has() -> None:
    said = {
        "netns": "www",
        "gateway": ["10.0.0.254", "fd00::ff"],
        "routes": ["10.9.0.0/16 via 10.0.0.253 metric 7", {"to": "10.8.0.0/16", "dev": "eth0"}],
        "forward": True,
        "sysctl": {"net.ipv4.tcp_syncookies": 0, "net/ipv4/conf/eth0/rp_filter": True},
        "nat": {"out": "eth0", "source": "10.1.0.0/16", "forward": ["tcp 8080 10.0.0.2:80", "udp 53 [fd00::2]:5353"]},
        "hosts": {"db": "10.0.0.2", "both": ["10.0.0.3", "fd00::3"]},
        "nameservers": "10.0.0.53",
        "search": ["example", "lan"],
        "run": ["echo hello", ["ip", "link"]],
    }
    lab = lab_of(hosts={"web": said, "db": {}}, wires=[{"ends": ["web 10.0.0.1/24 fd00::1/64", "db 10.0.0.2/24 fd00::2/64"]}])
    web = host(lab, "web")
    assert web.name == "www"
    assert [str(one) for one in web.routes] == [
        "default via 10.0.0.254",
        "default via fd00::ff",
        "10.9.0.0/16 via 10.0.0.253 metric 7",
        "10.8.0.0/16 dev eth0",
    ]
    assert web.sysctls == {
        "net.ipv4.ip_forward": "1",
        "net.ipv6.conf.all.forwarding": "1",
        "net.ipv4.tcp_syncookies": "0",
        "net/ipv4/conf/eth0/rp_filter": "1",
    }
    forwards = [Forward("tcp", 8080, "10.0.0.2", 80), Forward("udp", 53, "fd00::2", 5353)]
    assert list(web.nats) == [Nat("eth0", ["10.1.0.0/16"], forwards)]
    assert web.files == {
        "hosts": "127.0.0.1\tlocalhost\n::1\tlocalhost\n10.0.0.2\tdb\n10.0.0.3\tboth\nfd00::3\tboth\n",
        "resolv.conf": "search example lan\nnameserver 10.0.0.53\n",
    }
    assert web.commands == [["/bin/sh", "-c", "echo hello"], ["ip", "link"]]
    assert host(lab, "db").files is None and not host(lab, "db").commands


def test_a_port_and_a_bridge_with_everything() -> None:
    lab = lab_of(
        hosts=["web"],
        bridges={"br0": {"vlan_filtering": True, "stp": True, "ageing": 10.5, "addresses": "10.0.0.254/24", "mtu": 1400}},
        wires=[
            {
                "ends": [
                    {"host": "web", "name": "lan", "addresses": ["10.0.0.1/24"], "mac": "02:00:00:00:00:01", "up": False},
                    {"bridge": "br0", "name": "p1", "vlans": [10, 20], "rate": "10mbit"},
                ],
                "mtu": 1400,
                "delay": "20ms",
            }
        ],
    )
    [(port, bridge_port)] = lab.wires
    assert (port.name, port.mac, port.mtu, port.up, port.shape) == ("lan", "02:00:00:00:00:01", 1400, False, {"delay": "20ms"})
    assert (bridge_port.name, bridge_port.mtu, bridge_port.shape) == ("p1", 1400, {"rate": "10mbit", "delay": "20ms"})
    assert bridge_port.vlans == {10: (True, True), 20: (False, False)}
    bridge = bridge_port.master
    assert isinstance(bridge, Bridge) and bridge.stp and bridge.vlan_filtering and str(bridge.addresses[0]) == "10.0.0.254/24"
    assert bridge.data["IFLA_BR_AGEING_TIME"] == 1050
    assert bridge.host.name == "shop.br0"


def test_bridges_in_a_host_and_in_the_root_namespace() -> None:
    lab = lab_of(
        hosts=["router", "web"],
        bridges={"br0": {"host": "router"}, "br1": {"host": "root"}},
        wires=[
            {"ends": ["web", "br0"]},
            {"ends": ["web:eth1", "br1"]},
            {"ends": ["root:up0 10.9.0.1/24", "web:eth2 10.9.0.2/24"]},
        ],
    )
    router, root = host(lab, "router"), lab.root
    assert [one.name for one in router.interfaces] == ["br0", None]
    assert [one.name for one in root.interfaces] == ["br1", None, "up0"]
    assert lab.hosts[0] is root


def test_the_other_interfaces() -> None:
    lab = lab_of(
        hosts=["web"],
        bridges={"br0": {"vlan_filtering": True}},
        wires=[{"ends": ["web 192.0.2.1/24", "root:lan 192.0.2.2/24"]}],
        macvlans=[
            {"host": "web", "name": "mv0", "parent": "root:eth7", "mode": "private", "addresses": "10.1.0.1/24"},
            {"host": "web", "parent": "root:lan"},
        ],
        taps=[{"host": "web", "owner": 1000}, {"bridge": "br0", "name": "vm", "vlans": 5}],
        vxlans=[
            {"bridge": "br0", "vni": 42, "remote": "192.0.2.9", "port": 4790},
            {"host": "web", "vni": 1, "remote": "fd00::1"},
        ],
    )
    web, br0 = host(lab, "web"), host(lab, "br0")
    kinds = {one.name: one for one in web.interfaces}
    assert list(kinds) == ["eth0", "eth1", "eth2", "mv0", "eth4"]
    tap, tunnel, macvlan, other = (kinds[name] for name in ("eth1", "eth2", "mv0", "eth4"))
    assert isinstance(tap, Tap) and tap.owner == 1000 and tap.master is None
    assert isinstance(tunnel, Vxlan) and (tunnel.vni, tunnel.remote) == (1, "fd00::1")
    assert isinstance(macvlan, Macvlan) and macvlan.parent is not None
    assert (macvlan.mode, macvlan.parent.name, macvlan.parent.host.root) == (
        "private",
        "eth7",
        True,
    )
    assert isinstance(other, Macvlan) and isinstance(other.parent, Port), "one of the lab's own in the root namespace"
    vm, vxlan = br0.interfaces[1:]
    assert (vm.name, vm.master, vm.vlans) == ("vm", br0.interfaces[0], {5: (True, True)})
    assert (vxlan.master, vxlan.port) == (br0.interfaces[0], 4790)


def test_a_count_counts_up() -> None:
    lab = lab_of(
        hosts={"web": {"count": 300, "gateway": "10.0.255.254", "netns": "w"}, "db": {"count": 300}},
        bridges={"br0": {}},
        wires=[
            {"ends": [{"host": "web", "name": "eth0", "addresses": "10.0.0.250/16", "mac": "02:00:00:00:00:fe"}, "br0"]},
            {"ends": ["web", "db"]},
            {"ends": ["web7:extra", "br0"]},
        ],
    )
    web = [one for one in lab.hosts if one.label.startswith("web")]
    assert [one.label for one in web] == [f"web{number}" for number in range(1, 301)]
    assert [one.name for one in web][:2] == ["w1", "w2"]
    ports = [one.interfaces[0] for one in web]
    assert [str(one.addresses[0]) for one in ports[:7]] == [f"10.0.0.{last}/16" for last in range(250, 256)] + ["10.0.1.0/16"]
    assert [one.mac for one in ports[:3]] == ["02:00:00:00:00:fe", "02:00:00:00:00:ff", "02:00:00:00:01:00"]
    assert [str(one.routes[0]) for one in web[::299]] == ["default via 10.0.255.254"] * 2
    assert [one.label for one in lab.hosts if any(port.name == "extra" for port in one.interfaces)] == ["web7"]
    pairs = [(one.host.label, other.host.label) for one, other in lab.wires[300:600]]
    assert pairs == [(f"web{number}", f"db{number}") for number in range(1, 301)]


# -- what is refused --------------------------------------------------------------------------------------------------

REFUSED = {
    "a key of a host": (
        {"hosts": {"web": {"gatway": "10.0.0.1"}}},
        'hosts.web.gatway: a host has no key "gatway"; did you mean gateway?',
    ),
    "a key of all": (
        {**TWO, "wire": []},
        'wire: a description has no key "wire"; did you mean wires?',
    ),
    "nothing like it": (
        {**TWO, "xyzzy": 1},
        'xyzzy: a description has no key "xyzzy"; there is ' + words.join_words(list(tables.TOP)),
    ),
    "no host of that name": (
        {**TWO, "wires": [{"ends": ["web", "bd"]}]},
        'wires[0].ends[1]: there is no host or bridge "bd"; did you mean db?',
    ),
    "one end": ({**TWO, "wires": [{"ends": ["web"]}]}, 'wires[0]: a wire has two ends: ends = ["web:eth0 10.0.0.1/24", "br0"]'),
    "no place": (
        {**TWO, "wires": [{"ends": ["web", {"name": "eth0"}]}]},
        'wires[0].ends[1]: the end of a wire is at a host or at a bridge: host = "web"',
    ),
    "a bridge as a host": (
        {"hosts": ["web"], "bridges": {"br0": {}}, "wires": [{"ends": ["web", {"host": "br0"}]}]},
        'wires[0].ends[1].host: br0 is a bridge: bridge = "br0"',
    ),
    "a name too long": (
        {**TWO, "wires": [{"ends": ["web:sixteen-letters-", "db"]}]},
        "wires[0].ends[0].name: 'sixteen-letters-' cannot name an interface: a name has at most 15 bytes",
    ),
    "no length": (
        {**TWO, "wires": [{"ends": ["web 10.0.0.1", "db"]}]},
        'wires[0].ends[0].addresses[0]: "10.0.0.1" has no prefix length: for example 10.0.0.1/24',
    ),
    "no address": (
        {**TWO, "wires": [{"ends": ["web 10.0.0.300/24", "db"]}]},
        "wires[0].ends[0].addresses[0]: '10.0.0.300/24' is not an IPv4 or IPv6 address",
    ),
    "no number": (
        {**TWO, "wires": [{**WIRE, "mtu": "big"}]},
        'wires[0].mtu: "big" is not an MTU in bytes: expected a whole number from 68 to 65535',
    ),
    "no flag": ({"hosts": {"web": {"forward": 1}}}, "hosts.web.forward: 1 is neither true nor false"),
    "no table": (
        {"hosts": {"web": "10.0.0.1"}},
        'hosts.web: "10.0.0.1" is not a table: a host has the keys count, netns, gateway, routes, forward, sysctl, nat, uplink, '
        "firewall, hosts, search, nameservers, run and machine",
    ),
    "no rate": ({**TWO, "wires": [{**WIRE, "rate": "fast"}]}, "wires[0].rate: 'fast' is not a rate such as '10mbit'"),
    "a delay without a unit": ({**TWO, "wires": [{**WIRE, "delay": "20"}]}, "wires[0].delay: '20' is not a time such as '20ms'"),
    "the host that is always there": (
        {"hosts": ["root"]},
        "hosts[0]: root is the namespace that the lab is built from: wires may end there, but it cannot be defined",
    ),
    "a name for a host": (
        {"hosts": {"we:b": {}}},
        'hosts."we:b": "we:b" cannot name a host or a bridge: a name is 1 to 64 letters, digits, - _ and .',
    ),
    "a host and a bridge": (
        {"hosts": ["web"], "bridges": {"web": {}}},
        "bridges.web: web is here twice: each host and each bridge has a name of its own",
    ),
    "two namespaces of one name": (
        {"hosts": {"web": {"netns": "x"}, "db": {"netns": "x"}}},
        "hosts.db: two namespaces are called x",
    ),
    "a sysctl of the machine's": (
        {"hosts": {"web": {"sysctl": {"kernel.panic": 1}}}},
        'hosts.web.sysctl: "kernel.panic" is not a setting of a network namespace: '
        "those begin with net, and stand in quotes because of their dots",
    ),
    "a sysctl without its beginning": (
        {"hosts": {"web": {"sysctl": {"ipv4.tcp_ecn": 1}}}},
        'hosts.web.sysctl: "ipv4.tcp_ecn" is not a setting of a network namespace: '
        'those begin with net, and stand in quotes because of their dots; did you mean "net.ipv4.tcp_ecn"?',
    ),
    "no route": (
        {"hosts": {"web": {"routes": ["10.0.0.0/8 through 10.0.0.1"]}}},
        'hosts.web.routes[0]: "10.0.0.0/8 through 10.0.0.1" is not a route: unexpected "through"; '
        "after the destination come via, dev and metric, once each",
    ),
    "a route to nowhere": (
        {"hosts": {"web": {"routes": [{"via": "10.0.0.1"}]}}},
        'hosts.web.routes[0]: a route lacks "to"',
    ),
    "no forward": (
        {"hosts": {"web": {"nat": {"out": "eth0", "forward": "8080"}}}},
        'hosts.web.nat.forward: "8080" does not forward a port: expected "tcp 8080 10.0.0.2:80"',
    ),
    "NAT out of what": ({"hosts": {"web": {"nat": {}}}}, 'hosts.web.nat: NAT lacks "out"'),
    "no command": (
        {"hosts": {"web": {"run": [7]}}},
        "hosts.web.run[0]: 7 is not a command: expected a text for the shell, or a list of words",
    ),
    "VLANs of a host": (
        {**TWO, "wires": [{"ends": [{"host": "web", "vlans": 5}, "db"]}]},
        "wires[0].ends[0].vlans: VLANs are for the ports of a bridge",
    ),
    "no VLAN": (
        {"hosts": ["web"], "bridges": ["br0"], "wires": [{"ends": ["web", {"bridge": "br0", "vlans": 4095}]}]},
        "wires[0].ends[1].vlans: 4095 is not a VLAN: expected a whole number from 1 to 4094",
    ),
    "an address on a bridge's port": (
        {"hosts": ["web"], "bridges": ["br0"], "wires": [{"ends": ["web", "br0 10.0.0.1/24"]}]},
        "wires[0].ends[1]: addresses belong to the bridge, not to its port: addresses in [bridges.br0]",
    ),
    "counts that do not fit": (
        {"hosts": {"web": {"count": 3}, "db": {"count": 2}}, "wires": [{"ends": ["web", "db"]}]},
        "wires[0]: web is 3 hosts and db is 2: the two ends of a wire are as many, or one end is one",
    ),
    "a name for many": (
        {"hosts": {"web": {"count": 3}, "db": {}}, "wires": [{"ends": ["web", "db:eth0"]}]},
        "wires[0].ends[1]: this end is created 3 times, so it cannot have a name of its own",
    ),
    "too many for a network": (
        {"hosts": {"web": {"count": 9}}, "bridges": ["br0"], "wires": [{"ends": ["web 10.0.0.1/29", "br0"]}]},
        "wires[0].ends[0]: addresses that count up from 10.0.0.1/29 leave its network at number 8",
    ),
    "one of many": (
        {"hosts": {"web": {"count": 3}}, "bridges": {"br0": {"host": "web"}}},
        "bridges.br0.host: web is 3 hosts: name one of them, from web1 to web3",
    ),
    "one of many by itself": (
        {"hosts": {"web2": {}, "web": {"count": 3}}},
        "hosts.web: web2, one of the 3 hosts of web, is described by itself too",
    ),
    "no parent": (
        {**TWO, "wires": [WIRE], "macvlans": [{"host": "web", "parent": "db:eth1"}]},
        'macvlans[0].parent: db has no interface "eth1"; did you mean eth0?',
    ),
    "a mode of a macvlan": (
        {"hosts": ["web"], "macvlans": [{"host": "web", "parent": "root:eth0", "mode": "fast"}]},
        'macvlans[0].mode: "fast" is not a mode of a macvlan: expected one of private, vepa, bridge, passthru',
    ),
    "half a tunnel": (
        {**TWO, "vxlans": [{"host": "web", "vni": 1}]},
        'vxlans[0]: a vxlan lacks "remote"',
    ),
    "a bridge elsewhere": (
        {"hosts": ["web"], "bridges": ["br0"], "taps": [{"host": "web", "bridge": "br0"}]},
        "taps[0]: br0 is not in web: leave the host out",
    ),
    "nothing at all": ({}, "this describes no host and no bridge"),
    "a name for a lab": ({**TWO, "name": "a.b"}, "name: 'a.b' cannot name a lab: a name is 1 to 64 letters, digits, - and _"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    data, sentence = REFUSED[case]
    assert faults_of(**data) == [sentence]  # type: ignore[arg-type]


def test_all_faults_at_once() -> None:
    """One fault hides no other, and a host that could not be read is blamed for nothing that follows from it."""
    found = faults_of(
        hosts={"web": {"gateway": "10.7.7.7", "forward": "yes"}, "db": {"gateway": "10.8.8.8"}, "x": {}},
        wires=[
            {"ends": ["web:a 10.0.0.1/24", "db:a 10.0.0.2/24"]},
            {"ends": ["web:b 10.0.1.1/2x", "x:b 10.0.1.2/24"]},
            {"ends": ["db:a", "x:a"]},
        ],
    )
    assert found == [
        'hosts.web.forward: "yes" is neither true nor false',
        "wires[1].ends[0].addresses[0]: '10.0.1.1/2x': a prefix length is a number from 0 to 32",
        "wires[2].ends[0]: db has two interfaces called a",
    ]


def test_very_many_faults_are_told_in_few_lines() -> None:
    with pytest.raises(InvalidDescription) as caught:
        lab_of(hosts={f"h{number}": {"forward": 0} for number in range(100)})
    assert len(caught.value.problems) == 100
    assert str(caught.value).splitlines()[-1] == "and 70 more" and len(str(caught.value).splitlines()) == 31


# -- files ------------------------------------------------------------------------------------------------------------

TEXT = """# a shop
name = "shop"

[hosts.web]
gatway = "10.0.0.254"

[hosts."db"]
sysctl = { "net.ipv4.ip_forward" = 1, "kernel.x" = 2 }   # not ours

[[wires]]
ends = [
    "web:eth0 10.0.0.1",   # no length

    { host = "bd" },
]
[[wires]]
mtu = 0
ends = ["web", "db"]
"""


@toml
def test_a_toml_file_and_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text(TEXT)
    with pytest.raises(InvalidDescription) as caught:
        Lab.load(str(file))
    assert str(caught.value).replace(str(tmp_path), "") == "\n".join(
        [
            '/shop.toml:5: hosts.web.gatway: a host has no key "gatway"; did you mean gateway?',
            '/shop.toml:8: hosts.db.sysctl: "kernel.x" is not a setting of a network namespace: '
            "those begin with net, and stand in quotes because of their dots",
            '/shop.toml:12: wires[0].ends[0].addresses[0]: "10.0.0.1" has no prefix length: for example 10.0.0.1/24',
            '/shop.toml:14: wires[0].ends[1].host: there is no host "bd"; did you mean db?',
            "/shop.toml:17: wires[1].mtu: 0 is not an MTU in bytes: expected a whole number from 68 to 65535",
        ]
    )


def test_a_json_file_and_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "shop.json"
    file.write_text('{\n "hosts": {"web": {},\n  "db": {"forward": 3}},\n "wires": [\n  {"ends":\n   ["web", \n"bd"]}]\n}\n')
    with pytest.raises(InvalidDescription) as caught:
        Lab.load(str(file))
    assert str(caught.value).replace(str(tmp_path), "") == "\n".join(
        [
            "/shop.json:3: hosts.db.forward: 3 is neither true nor false",
            '/shop.json:7: wires[0].ends[1]: there is no host or bridge "bd"; did you mean db?',
        ]
    )


def test_a_file_names_the_lab(tmp_path: Path) -> None:
    (tmp_path / "corner-shop.json").write_text('{"hosts": ["web"]}')
    assert Lab.load(str(tmp_path / "corner-shop.json")).name == "corner-shop"
    (tmp_path / "my shop.json").write_text('{"hosts": ["web"]}')
    with pytest.raises(InvalidDescription, match="'my shop' cannot name a lab.*; name it in the file: name = \"shop\""):
        Lab.load(str(tmp_path / "my shop.json"))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.json", '{"hosts": {\n"web": }', "a.json:2: this is not JSON: expecting value"),
        ("a.json", '{"hosts": NaN}', "a.json: this is not JSON: NaN is not JSON"),
        ("a.json", '{"a": 1} x', "a.json:1: this is not JSON: extra data"),
        ("a.json", "", "a.json:1: this is not JSON: expecting value"),
        ("a.json", b'{"hosts":\n\xff', "a.json:2: this is not UTF-8, and so not a description"),
        ("a.json", "[" * 100000, "a.json: tables and lists are nested more than 32 deep"),
        ("a.json", "[]", "a.json:1: a description is a table with " + words.join_words(list(tables.TOP))),
        ("a.json", '{"hosts": ["a"],\n "hosts": ["b"]}', 'a.json:1: hosts: the key "hosts" is here twice'),
        ("a.json", '{"hosts": {"a": {}, "a": {}}}', 'a.json:1: hosts.a: the key "a" is here twice'),
    ],
)
def test_what_is_no_description(tmp_path: Path, name: str, content: str | bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidValue) as caught:
        Lab.load(str(tmp_path / name))
    assert str(caught.value).replace(f"{tmp_path}/", "") == sentence


@toml
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[hosts.web]\nx = ", "a.toml:2: this is not TOML: invalid value"),
        ("a = 1\na = 2\n", "a.toml:2: this is not TOML: cannot overwrite a value"),
        ('a = "', "a.toml:1: this is not TOML: unterminated string"),
    ],
)
def test_what_is_no_toml(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / "a.toml").write_text(content)
    with pytest.raises(InvalidValue) as caught:
        Lab.load(str(tmp_path / "a.toml"))
    assert str(caught.value).replace(f"{tmp_path}/", "") == sentence


def test_without_tomllib_simple_toml_is_read_and_json_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tomllib", None)
    file = tmp_path / "a.toml"
    file.write_text("hosts = ['web']" + "\n#" * 20000)  # too long to be read twice if there is `tomllib`
    assert [host.label for host in Lab.load(str(file)).hosts] == ["web"]
    file.write_text('name = "a"\nhosts = ["w\\u0065b"]')
    words = "a.toml:2: this is not TOML, or not of the simple kind .*; {}.*; the same keys may be written as JSON"
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    with pytest.raises(InvalidValue, match=words.format("Python has `tomllib` from 3.11 on, and this is 3.9")):
        Lab.load(str(file))
    monkeypatch.setattr(sys, "version_info", (3, 11, 2))
    with pytest.raises(InvalidValue, match=words.format("this Python lacks `tomllib` .*apt-get install python3")):
        Lab.load(str(file))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SyscallError, match="No such file or directory"):
        Lab.load(str(tmp_path / "none.json"))
    with pytest.raises(SyscallError, match="Is a directory"):
        Lab.load(str(tmp_path))
    with pytest.raises(InvalidValue, match="a description has at most 16 MiB"):
        Lab.load("/dev/zero")


def test_without_an_ending_the_first_character_decides(tmp_path: Path) -> None:
    file = tmp_path / "shop"
    file.write_text('\n {"name": "shop", "hosts": ["web"]}')
    assert Lab.load(str(file)).name == "shop"


# -- lines ------------------------------------------------------------------------------------------------------------

HARD = '''
a.b = 1
"c d" = """
x = 1
[no]
"""
[t."u.v"]
k = { x = 1, y = [1, 2,
] }
[[l]]
n = 1 # [[l]]
[[l.m]]
z = 07:32:00
[[l]]
s = 'its'
w = \'\'\'
q = 1\'\'\'
last = [
  "]", # "
  {deep = {er = 1}},
]
'''


def test_every_key_of_hard_toml_has_its_line() -> None:
    found = lines(HARD, toml=True)
    expected = {
        (): 1,
        ("a",): 2,
        ("a", "b"): 2,
        ("c d",): 3,
        ("t",): 7,
        ("t", "u.v"): 7,
        ("t", "u.v", "k"): 8,
        ("t", "u.v", "k", "x"): 8,
        ("t", "u.v", "k", "y"): 8,
        ("t", "u.v", "k", "y", 0): 8,
        ("t", "u.v", "k", "y", 1): 8,
        ("l",): 10,
        ("l", 0): 10,
        ("l", 0, "n"): 11,
        ("l", 0, "m"): 12,
        ("l", 0, "m", 0): 12,
        ("l", 0, "m", 0, "z"): 13,
        ("l", 1): 14,
        ("l", 1, "s"): 15,
        ("l", 1, "w"): 16,
        ("l", 1, "last"): 18,
        ("l", 1, "last", 0): 19,
        ("l", 1, "last", 1): 20,
        ("l", 1, "last", 1, "deep"): 20,
        ("l", 1, "last", 1, "deep", "er"): 20,
    }
    assert found == expected


def test_the_lines_of_json_are_those_of_its_values() -> None:
    data = {"a": [1, {"b": "x]}"}, [], {}], "c": {"d": None, "e\\": '\\"'}}
    text = json.dumps(data, indent=1)
    found = lines(text, toml=False)
    for path, line in found.items():
        if path and isinstance(path[-1], str) and "\\" not in path[-1]:
            assert f'"{path[-1]}"' in text.splitlines()[line - 1]
    assert found[("a", 1, "b")] == 5 and found[("a", 3)] == 8


@pytest.mark.parametrize("length", range(0, len(TEXT), 7))
def test_lines_of_a_text_that_ends_anywhere(length: int) -> None:
    found = lines(TEXT[:length], toml=True)
    assert all(1 <= line <= TEXT[:length].count("\n") + 1 for line in found.values())


# -- anything at all --------------------------------------------------------------------------------------------------

ODD: list[Any] = [None, True, False, 0, -1, 7, 2**70, 1.5, float("inf"), [], {}, [[]], [{}], {"": {}}, {"host": "web"}]
ODD += ["", " ", "web", "br0", ["web", "br0"], "root", "root:eth0", "a:b:c", "\x1b[31m", "é" * 40, "10mbit", "20ms"]
ODD += ["10.0.0.1", "10.0.0.1/24", "fe80::1/64", "default"]


def mutated(value: Any, random: Random) -> Any:
    """The same with something odd somewhere in it."""
    if isinstance(value, dict) and value and random.random() < 0.8:
        key = random.choice(list(value))
        if random.random() < 0.1:
            return {**value, random.choice(["x", "hosts", "name", "é", "mtu", "via", "count"]): random.choice(ODD)}
        return {**value, key: mutated(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.8:
        place = random.randrange(len(value))
        return [*value[:place], mutated(value[place], random), *value[place + 1 :]]
    return random.choice(ODD)


WHOLE: dict[str, Any] = {
    "name": "shop",
    "hosts": {
        "web": {
            "count": 2,
            "gateway": "10.0.0.254",
            "nat": {"out": "eth0", "source": "10.0.0.0/8", "forward": "tcp 1 10.0.0.2:1"},
        },
        "db": {
            "routes": ["10.0.0.0/8 via 10.0.0.1", {"to": "10.1.0.0/16", "dev": "eth0"}],
            "sysctl": {"net.ipv4.x": 1},
            "run": ["true"],
        },
        "r": {"forward": True, "hosts": {"db": ["10.0.0.1"]}, "nameservers": ["10.0.0.1"], "search": "lan", "netns": "rr"},
    },
    "bridges": {"br0": {"vlan_filtering": True, "ageing": 3, "addresses": ["10.0.0.254/24"]}, "br1": {"host": "r"}},
    "wires": [
        {"ends": ["web:eth0 10.0.0.1/24", {"bridge": "br0", "vlans": [1, 2]}], "rate": "10mbit"},
        {"ends": [{"host": "db", "addresses": "10.0.0.9/24", "mac": "02:00:00:00:00:01", "loss": "1%"}, "br0"], "mtu": 1400},
    ],
    "macvlans": [{"host": "web", "parent": "db:eth0", "mode": "private", "addresses": "10.0.0.77/24"}],
    "taps": [{"bridge": "br1", "owner": 0}],
    "vxlans": [{"host": "db", "vni": 1, "remote": "10.0.0.1", "local": "10.0.0.9", "port": 4789, "name": "t"}],
}


@pytest.mark.no_cover  # measuring it takes three times as long
def test_whatever_is_said_it_is_a_lab_or_faults_each_on_its_line() -> None:
    assert lab_of(**{key: value for key, value in WHOLE.items() if key != "name"}) is not None
    random = Random(4)
    made = 0
    for _ in range(3000):
        data = mutated(WHOLE, random)
        for _ in range(random.randrange(3)):
            data = mutated(data, random)
        try:
            lab = Lab.from_source(document.Source(data, "shop.json", json.dumps(data, indent=1)))
        except InvalidDescription as error:
            lines_of = str(error).splitlines()
            assert lines_of and all(line.isprintable() for line in lines_of), lines_of
            assert all(line.startswith(("shop.json:", "and ")) or " " in line for line in lines_of)
        else:
            made += 1
            again = data_of(lab)
            assert data_of(Lab.from_source(document.Source(again))) == again
            text.draw(lab), svg.draw(lab)
            Reach(lab).pairs()
    assert made > 20


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("x.toml", '# a comment\n\nname = "shop"  # and one more\n[hosts.a]\nthis = is = faulty', "shop"),
        ("x.toml", 'name="shop"\nhosts = []', "shop"),
        ("x.toml", 'hosts = ["a"]\nname = "shop"', "shop"),
        ("x.toml", 'name = "a\\u0062"', "ab"),
        ("x.toml", "hosts = []", "x"),
        ("x.json", '{"name": "shop"}', "shop"),
        ("x.json", "[]", "x"),
    ],
)
@toml
def test_the_name_of_a_lab_is_found_without_the_rest(file: str, text: str, name: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text(text)
    assert document.lab_name(str(tmp_path / file)) == name
