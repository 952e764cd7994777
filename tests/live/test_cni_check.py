"""CHECK after something has been changed by the real ``ip``, ``tc``, ``bridge``, ``nft`` and ``sysctl``, or in ``prevResult``."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cni_engine import Engine, Json, PluginFailed, in_process, path_of

from rawns import NetNS

RATES = {"ingressRate": 8_000_000, "ingressBurst": 800_000, "egressRate": 16_000_000, "egressBurst": 1_600_000}
MAC = "02:aa:bb:cc:dd:ee"
# Where; what is changed; how that is undone; what CHECK says.  $H is the node's end of the cable, $I the ifb, $T the table.
CHANGES = [
    ("pod", "ip addr del 10.88.0.2/24 dev eth0", "ip addr add 10.88.0.2/24 brd + dev eth0; $ROUTES", "lacks the address"),
    ("pod", "ip addr add 10.99.0.2/24 dev eth0", "ip addr del 10.99.0.2/24 dev eth0", ""),
    ("pod", "ip link set eth0 mtu 1290", "ip link set eth0 mtu 1300", "eth0 of the container has the MTU 1290, not 1300"),
    ("pod", "$MAC 02:00:00:00:00:01", f"$MAC {MAC}", f"MAC address 02:00:00:00:00:01, not {MAC}"),
    ("pod", "ip link set eth0 allmulticast off", "ip link set eth0 allmulticast on", "allmulti of eth0 is not true"),
    ("pod", "ip route del default", "$ROUTES", "lacks the route to default via 10.88.0.1"),
    ("pod", "ip route replace default via 10.88.0.7", "$ROUTES", "default via 10.88.0.1 .* has the gateway 10.88.0.7"),
    ("pod", "ip route replace blackhole 10.9.0.0/16", "$ROUTES", "lacks the route to 10.9.0.0/16 via 10.88.0.9"),
    ("pod", "sysctl -qw net.core.somaxconn=501", "sysctl -qw net.core.somaxconn=500", "somaxconn is '501', not '500'"),
    ("node", "ip link set cni0 down", "ip link set cni0 up", "cni0 of the node is down"),
    ("node", "ip addr del 10.88.0.1/24 dev cni0", "ip addr add 10.88.0.1/24 dev cni0", "cni0 of the node lacks the gateway"),
    ("node", "sysctl -qw net.ipv4.ip_forward=0", "sysctl -qw net.ipv4.ip_forward=1", "net.ipv4.ip_forward of the node is 0"),
    ("node", "ip link set $H nomaster", "ip link set $H master cni0; $HAIRPIN", "is not a port of cni0"),
    ("node", "ip link set $H down", "ip link set $H up", "is down"),
    ("node", "ip link set $H mtu 1310", "ip link set $H mtu 1400", "has the MTU 1310, not 1400"),
    ("node", "bridge link set dev $H hairpin off", "$HAIRPIN", "hairpinMode of veth.* is false"),
    ("node", "nft add table inet $T '{ flags dormant; }'", "nft add table inet $T", "switched off"),
    ("node", "$LOCALNET=0", "$LOCALNET=1", "route_localnet of the node is 0"),
    ("node", "tc qdisc replace dev $H root tbf rate 9mbit burst 100000b latency 25ms",
     "tc qdisc replace dev $H root tbf rate 8mbit burst 100000b latency 25ms", "not limited to rate 8mbit .* but to rate 9mbit"),
    ("node", "ip link set $I down", "ip link set $I up", "bwp.* of the node is down"),
    ("node", "mv $D/10.88.0.2 $D/kept", "mv $D/kept $D/10.88.0.2", "10.88.0.2 is not reserved for one eth0"),
    ("node", "tc filter del dev $H ingress", "", "what comes in by veth.* is not redirected"),
    ("node", "tc qdisc del dev $H root", "", "but to nothing"),
    ("node", "nft flush chain inet $T output", "", "lacks a rule of output: .* th dport 8080 dnat ip to 10.88.0.2:80"),
    ("node", "nft flush chain inet $T postrouting", "", "lacks a rule of postrouting: .* masquerade"),
    ("node", "nft delete table inet $T", "", "nf_tables lacks the table"),
    ("pod", "ip link set eth0 name eth9 down", "", "the container lacks the interface eth0"),
    ("node", "ip link del cni0", "", "the container lacks the interface eth0|the node lacks the interface cni0"),
]  # fmt: skip


@pytest.fixture
def node() -> Iterator[NetNS]:
    with NetNS.create() as namespace:
        yield namespace


@pytest.fixture
def pod() -> Iterator[NetNS]:
    with NetNS.create() as namespace:
        yield namespace


def chain(directory: Path) -> Json:
    ipam = {"type": "host-local", "dataDir": str(directory), "subnet": "10.88.0.0/24"}
    ipam = {**ipam, "routes": [{"dst": "10.9.0.0/16", "gw": "10.88.0.9"}]}  # type: ignore[dict-item]
    bridge = {"type": "bridge", "isDefaultGateway": True, "ipMasq": True, "hairpinMode": True, "mtu": 1400, "ipam": ipam}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    tuning = {"type": "tuning", "sysctl": {"net.core.somaxconn": "500"}, "mac": MAC, "mtu": 1300, "allmulti": True}
    limits = {"type": "bandwidth", "capabilities": {"bandwidth": True}}
    return {"cniVersion": "1.1.0", "name": "net1", "plugins": [bridge, ports, tuning, limits]}


def added(node: NetNS, pod: NetNS, directory: Path) -> Engine:
    engine = Engine(in_process(node), chain(directory))
    engine.add("one", path_of(pod), portMappings=[{"hostPort": 8080, "containerPort": 80}], bandwidth=RATES)
    return engine


def test_what_has_been_changed_is_named(node: NetNS, pod: NetNS, tmp_path: Path) -> None:
    engine = added(node, pod, tmp_path)
    names = [one["name"] for one in engine.results["one", "eth0"]["interfaces"]]
    host, ifb = (next(one for one in names if one.startswith(beginning)) for beginning in ("veth", "bwp"))
    table = node.run(["nft", "list", "tables", "inet"], capture_output=True, text=True, check=True).stdout.split()[-1]
    variables = f"H={host}; I={ifb}; T={table}; D={tmp_path}/net1; set -e\n"
    shorthand = {
        "$ROUTES": "ip route replace default via 10.88.0.1; ip route replace 10.9.0.0/16 via 10.88.0.9",
        "$MAC": "ip link set eth0 address",
        "$LOCALNET": "sysctl -qw net.ipv4.conf.cni0.route_localnet",
        "$HAIRPIN": "bridge link set dev $H hairpin on",
    }

    def run(place: str, command: str) -> None:
        for short, long in shorthand.items():
            command = command.replace(short, long)
        done = (node if place == "node" else pod).run(["sh", "-c", variables + command], stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, (command, done.stderr)

    engine.check("one", path_of(pod))
    for place, change, undo, words in CHANGES:
        run(place, change)
        if words:
            with pytest.raises(PluginFailed, match=words) as caught:
                engine.check("one", path_of(pod))
            assert caught.value.error["code"] in (7, 103), change
        if undo:
            run(place, undo)
            engine.check("one", path_of(pod))


def own(result: Json) -> Json:
    return next(one for one in result["interfaces"] if one.get("sandbox"))  # type: ignore[no-any-return]


WRONG: list[tuple[str, Callable[[Json], Any], int, str]] = [
    ("MAC address", lambda result: own(result).update(mac="02:00:00:00:00:01"), 103, "has the MAC address 02:aa"),
    ("MTU", lambda result: own(result).update(mtu=77), 103, "has the MTU 1300, not 77"),
    ("bridge", lambda result: result["interfaces"][0].update(name="br7"), 103, "the node lacks the interface br7"),
    ("cable", lambda result: result["interfaces"][1].update(mac="02:00:00:00:00:01"), 103, "of the node has the MAC address"),
    ("another pod", lambda result: own(result).update(sandbox="/run/netns/other"), 7, "eth0 is in /run/netns/other"),
    ("twice", lambda result: result["interfaces"].append(own(result)), 7, "is there 2 times"),
    ("no interfaces", lambda result: result.pop("interfaces"), 7, "there is no interface number 2"),
    ("address", lambda result: result["ips"][0].update(address="10.88.0.3/24"), 103, "lacks the address 10.88.0.3/24"),
    ("no address", lambda result: result.pop("ips"), 103, "prevResult lacks the address 10.88.0.2"),
    ("on the node", lambda result: result["ips"][0].update(interface=0), 103, "prevResult lacks the address 10.88.0.2"),
    ("gateway", lambda result: result["ips"][0].update(gateway="10.88.0.99"), 103, "lacks the gateway's address 10.88.0.99/24"),
    ("route", lambda result: result["routes"].append({"dst": "10.5.0.0/16"}), 103, "lacks the route to 10.5.0.0/16"),
    ("metric", lambda result: result["routes"][0].update(priority=7), 103, "has no priority, but should have 7"),
    ("version", lambda result: result.update(cniVersion="9.0"), 1, "9.0"),
    ("upper case", lambda result: own(result).update(mac=MAC.upper()), 0, ""),
    ("another version", lambda result: result.update(cniVersion="1.0.0"), 0, ""),
    ("no number", lambda result: result["ips"][0].pop("interface"), 0, ""),
]  # fmt: skip


def test_results_that_do_not_fit(node: NetNS, pod: NetNS, tmp_path: Path) -> None:
    engine = added(node, pod, tmp_path)
    right = engine.results["one", "eth0"]
    for name, change, code, words in WRONG:
        engine.results["one", "eth0"] = wrong = copy.deepcopy(right)
        change(wrong)
        if not code:
            engine.check("one", path_of(pod))
            continue
        with pytest.raises(PluginFailed, match=words) as caught:
            engine.check("one", path_of(pod))
        assert caught.value.error["code"] == code, name
        if code == 7:  # plugins of a chain refuse it at ADD, too
            for plugin in engine.network["plugins"][1:]:
                with pytest.raises(PluginFailed, match=words):
                    engine._attachment("ADD", plugin, ("one", "eth0"), path_of(pod), {"prevResult": wrong}, "")


def test_check_of_a_container_that_is_gone(node: NetNS, pod: NetNS, tmp_path: Path) -> None:
    with pytest.raises(PluginFailed) as caught:
        added(node, pod, tmp_path).check("one", "/run/netns/there-is-none")
    assert caught.value.error["code"] == 3
