"""The CNI plugins beside bridge, as a container engine calls them; what they have made is read back with ``ip`` and ``tc``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cni_engine import Engine, Json, PluginFailed, in_process, ip, nft, path_of

from rawns import NetNS

STATIC = {"type": "static", "addresses": [{"address": "10.77.0.5/24", "gateway": "10.77.0.1"}], "routes": [{"dst": "0.0.0.0/0"}]}


@pytest.fixture
def node() -> Iterator[NetNS]:
    with NetNS.create() as namespace:
        yield namespace


@pytest.fixture
def pod() -> Iterator[NetNS]:
    with NetNS.create() as namespace:
        yield namespace


def engine(node: NetNS, *plugins: Json) -> Engine:
    return Engine(in_process(node), {"cniVersion": "1.1.0", "name": "net1", "plugins": [*plugins]})


def link_of(namespace: NetNS, name: str) -> Any:
    return ip(namespace, "-d", "link", "show", "dev", name)[0]


def tc(namespace: NetNS, *words: str) -> Any:
    return json.loads(namespace.run(["tc", "-j", *words], capture_output=True, check=True).stdout or b"[]")


def lacks(node: NetNS, kind: str) -> bool:
    """Tell whether this kernel has no links of a kind, by the real ``ip``."""
    with NetNS.create() as scratch:
        scratch.net.add_veth("probe0", "probe1")
        made = scratch.run(["ip", "link", "add", "link", "probe0", "name", "probe2", "type", kind], capture_output=True)
        return made.returncode != 0


def test_ptp(node: NetNS, pod: NetNS, tmp_path: Path) -> None:
    ranges = [[{"subnet": "10.77.0.0/24"}], [{"subnet": "fd00:77::/64"}]]
    ipam = {"type": "host-local", "dataDir": str(tmp_path), "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}]}
    plugin = engine(node, {"type": "ptp", "ipMasq": True, "mtu": 1400, "ipam": ipam})
    result = plugin.add("one", path_of(pod))
    assert [one["interface"] for one in result["ips"]] == [1, 1]
    routes = {(one["dst"], one.get("gateway")): one for one in ip(pod, "route")}
    assert routes.keys() == {("default", "10.77.0.1"), ("10.77.0.0/24", "10.77.0.1"), ("10.77.0.1", None)}
    host = result["interfaces"][0]["name"]
    assert {one["local"] for one in ip(node, "addr", "show", "dev", host)[0]["addr_info"]} >= {"10.77.0.1", "fd00:77::1"}
    assert link_of(pod, "eth0")["mtu"] == link_of(node, host)["mtu"] == 1400
    for address in ("10.77.0.1", "fd00:77::1"):
        assert pod.run(["ping", "-c1", "-W20", address], capture_output=True).returncode == 0
    plugin.check("one", path_of(pod))
    plugin.delete("one", forget=True)
    assert [one["ifname"] for one in ip(node, "link")] == ["lo"] and nft(node) == ""


def test_macvlan(node: NetNS, pod: NetNS) -> None:
    if lacks(node, "macvlan"):
        pytest.skip("this kernel has no macvlan")
    node.net.add_veth("up0", "down0", mtu=1450)
    plugin = engine(node, {"type": "macvlan", "master": "up0", "mode": "private", "ipam": STATIC})
    result = plugin.add("one", path_of(pod), args="IgnoreUnknown=1")
    made = link_of(pod, "eth0")
    assert (made["linkinfo"]["info_kind"], made["linkinfo"]["info_data"]["mode"], made["mtu"]) == ("macvlan", "private", 1450)
    assert result["interfaces"] == [{"name": "eth0", "mac": made["address"], "mtu": 1450, "sandbox": path_of(pod)}]
    plugin.check("one", path_of(pod))
    with pytest.raises(PluginFailed, match="eth0 exists in the container already"):
        plugin.add("two", path_of(pod))
    plugin.delete("one", path_of(pod))
    assert [one["ifname"] for one in ip(pod, "link")] == ["lo"]
    with pytest.raises(PluginFailed, match="more than that of up0"):
        engine(node, {"type": "macvlan", "master": "up0", "mtu": 9000}).add("one", path_of(pod))
    with pytest.raises(PluginFailed, match="no default route"):
        engine(node, {"type": "macvlan"}).add("one", path_of(pod))


def test_ipvlan(node: NetNS, pod: NetNS) -> None:
    if lacks(node, "ipvlan"):
        node.net.add_veth("up0", "down0")
        with pytest.raises(PluginFailed, match="ipvlan") as caught:
            engine(node, {"type": "ipvlan", "master": "up0"}).status()
        assert caught.value.error["code"] == 50
        pytest.skip("this kernel has no ipvlan; STATUS says so")
    node.net.add_veth("up0", "down0")
    plugin = engine(node, {"type": "ipvlan", "master": "up0", "mode": "l3", "ipam": STATIC})
    plugin.add("one", path_of(pod))
    assert link_of(pod, "eth0")["linkinfo"]["info_data"]["mode"] == "l3"
    plugin.check("one", path_of(pod))
    plugin.delete("one", path_of(pod))
    assert [one["ifname"] for one in ip(pod, "link")] == ["lo"]


def test_host_device(node: NetNS, pod: NetNS) -> None:
    node.net.add_veth("device0", "other0")
    plugin = engine(node, {"type": "host-device", "device": "device0", "ipam": STATIC})
    result = plugin.add("one", path_of(pod))
    assert result["interfaces"][0]["mac"] == link_of(pod, "eth0")["address"]
    assert [one["ifname"] for one in ip(node, "link")] == ["lo", "other0"]
    assert {one["dst"] for one in ip(pod, "route")} >= {"default"} or "UP" in link_of(pod, "eth0")["flags"]
    for _ in range(2):
        plugin.delete("one", path_of(pod))
    assert {one["ifname"] for one in ip(node, "link")} == {"lo", "other0", "device0"}
    assert "ifalias" not in link_of(node, "device0") or link_of(node, "device0")["ifalias"] == ""
    with pytest.raises(PluginFailed, match="no such interface"):
        engine(node, {"type": "host-device", "device": "nothing0"}).add("one", path_of(pod))
    with pytest.raises(PluginFailed, match="expected one of"):
        engine(node, {"type": "host-device", "device": "device0", "pciBusID": "0000:00:1f.6"}).add("one", path_of(pod))


def test_tuning_and_bandwidth(node: NetNS, pod: NetNS, tmp_path: Path) -> None:
    settings = {"net.core.somaxconn": "500", "net/ipv4/conf/IFNAME/log_martians": "1"}
    tuning = {"type": "tuning", "sysctl": settings, "mac": "02:aa:bb:cc:dd:ee", "mtu": 1300, "promisc": True}
    limits = {"type": "bandwidth", "capabilities": {"bandwidth": True}}
    plugin = engine(node, {"type": "bridge", "isGateway": True, "ipam": STATIC}, tuning, limits)
    rates = {"ingressRate": 8_000_000, "ingressBurst": 800_000, "egressRate": 16_000_000, "egressBurst": 1_600_000}
    result = plugin.add("one", path_of(pod), bandwidth=rates)
    eth0 = link_of(pod, "eth0")
    assert (eth0["address"], eth0["mtu"], "PROMISC" in eth0["flags"]) == ("02:aa:bb:cc:dd:ee", 1300, True)
    assert result["interfaces"][2]["mac"] == "02:aa:bb:cc:dd:ee" and result["interfaces"][2]["mtu"] == 1300
    read = ["sysctl", "-n", "net.core.somaxconn", "net.ipv4.conf.eth0.log_martians"]
    assert pod.run(read, capture_output=True).stdout == b"500\n1\n"
    host, ifb = result["interfaces"][1]["name"], result["interfaces"][3]["name"]
    assert ifb.startswith("bwp") and link_of(node, ifb)["linkinfo"]["info_kind"] == "ifb"
    shaped = {one["dev"]: one["options"] for one in tc(node, "qdisc", "show") if one["kind"] == "tbf"}
    assert {name: one["rate"] for name, one in shaped.items()} == {host: 1_000_000, ifb: 2_000_000}
    assert [one["kind"] for one in tc(node, "qdisc", "show", "dev", host)] == ["tbf", "ingress"]
    listed = node.run(["tc", "filter", "show", "dev", host, "ingress"], capture_output=True, text=True).stdout
    assert f"mirred (Egress Redirect to device {ifb})" in listed
    assert pod.run(["ping", "-c1", "-W20", "10.77.0.1"], capture_output=True).returncode == 0
    plugin.check("one", path_of(pod))
    pod.run(["sysctl", "-q", "-w", "net.core.somaxconn=501"], check=True)
    with pytest.raises(PluginFailed, match="somaxconn is '501', not '500'"):
        plugin.check("one", path_of(pod))
    plugin.collect([])
    assert {one["ifname"] for one in ip(node, "link")} == {"lo", "cni0"}


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        ({"type": "tuning", "sysctl": {"kernel.panic": "1"}}, "not a setting of a network namespace"),
        ({"type": "tuning", "sysctl": {"net.ipv4.ip_forward": 1}}, "strings"),
        ({"type": "tuning"}, "needs the key prevResult"),
        ({"type": "bandwidth", "ingressRate": 1000}, "together"),
        ({"type": "portmap", "externalSetMarkChain": "KUBE-MARK-MASQ"}, "cannot be called from nf_tables"),
        ({"type": "portmap", "conditionsV4": ["-s", "10.0.0.1"]}, "conditions of iptables"),
        ({"type": "bandwidth", "unshapedSubnets": ["10.0.0.0/8"]}, "unshapedSubnets: limits for some networks"),
        (
            {"type": "bandwidth", "runtimeConfig": {"bandwidth": {"shapedSubnets": ["10.0.0.0/8"]}}},
            "bandwidth.shapedSubnets: limits",
        ),
        ({"type": "macvlan", "linkInContainer": True}, "linkInContainer: an interface below that is in the container"),
        ({"type": "ptp", "ipMasqBackend": "ebtables"}, "ipMasqBackend: expected one of nftables, iptables"),
        (
            {"type": "portmap", "runtimeConfig": {"portMappings": [{"hostPort": 1, "containerPort": 1, "protocol": "icmp"}]}},
            "icmp",
        ),
        ({"type": "ptp"}, "needs addresses"),
    ],
)
def test_bad_configurations(node: NetNS, pod: NetNS, plugin: Json, words: str) -> None:
    with pytest.raises(PluginFailed, match=words):
        engine(node, plugin).add("one", path_of(pod))


def test_keys_of_other_versions_that_have_no_effect(node: NetNS, pod: NetNS) -> None:
    """What tuning gets in ``args.cni`` replaces its configuration, as in the reference implementation; settings are added."""
    bridge = {"type": "bridge", "ipMasq": True, "ipMasqBackend": "iptables", "ipam": STATIC}
    settings = {"net.core.somaxconn": "501", "net.ipv4.conf.IFNAME.log_martians": "1"}
    tuning = {"type": "tuning", "dataDir": "/nowhere", "mtu": 1300, "sysctl": {"net.core.somaxconn": "500"}}
    arguments = {"mtu": 1280, "allmulti": True, "txQLen": 77, "sysctl": settings}
    limits: Json = {"type": "bandwidth", "unshapedSubnets": [], "shapedSubnets": None}
    ports = {
        "type": "portmap",
        "conditionsV4": [],
        "runtimeConfig": {"portMappings": [{"hostPort": 1, "containerPort": 1, "protocol": "Udp"}]},
    }
    plugin = engine(node, bridge, {**tuning, "args": {"cni": arguments}}, limits, ports)
    plugin.add("one", path_of(pod))
    eth0 = link_of(pod, "eth0")
    assert (eth0["mtu"], eth0["txqlen"], "ALLMULTI" in eth0["flags"]) == (1280, 77, True)
    read = ["sysctl", "-n", "net.core.somaxconn", "net.ipv4.conf.eth0.log_martians"]
    assert pod.run(read, capture_output=True).stdout == b"501\n1\n" and "udp dport 1 dnat" in nft(node).replace(
        "th dport", "udp dport"
    )
    plugin.check("one", path_of(pod))
    with pytest.raises(PluginFailed, match="args.cni.mtu: expected a number"):
        engine(node, {**tuning, "args": {"cni": {"mtu": "9"}}}).check("one", path_of(pod))


def test_status_says_what_add_would_miss(node: NetNS, tmp_path: Path) -> None:
    ipam = {"type": "host-local", "dataDir": str(tmp_path), "subnet": "10.77.0.0/24"}
    node.net.add_veth("up0", "down0")
    cases = [
        ({"type": "bridge", "bridge": "up0", "ipam": ipam}, "up0 exists, and is not a bridge"),
        ({"type": "bridge", "ipam": {**ipam, "resolvConf": "/there/is/none"}}, "resolvConf: /there/is/none"),
        ({"type": "macvlan", "master": "none0", "ipam": ipam}, "the node has no interface none0"),
    ]
    for plugin, words in cases:
        with pytest.raises(PluginFailed, match=words) as caught:
            engine(node, plugin).status()
        assert caught.value.error["code"] == 50
    engine(node, {"type": "bridge", "bridge": "cni0", "ipam": ipam}).status()
    made = node.run(["ip", "link", "add", "probe", "type", "bridge", "vlan_filtering", "1"], capture_output=True)
    if made.returncode:  # a kernel without VLANs of bridges
        with pytest.raises(PluginFailed):
            engine(node, {"type": "bridge", "vlan": 5, "ipam": ipam}).status()
