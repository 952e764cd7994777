"""Debian's `containernetworking-plugins` and the plugins of rawns on the same configurations, each on a node of its own.

    python3 tests/campaigns/cni_reference.py [CASE ...]

Needs root, iproute2, nftables and iptables.  A node is a network namespace with an empty /var/lib/cni.  Compared are the results,
what the real ``ip -j`` reads back in the container and on the node, who reaches whom by which port, the sources that are seen,
the lease files, and what is left after DEL.  At last each implementation deletes what the other has made.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests")]

from cni_engine import Engine, Invoke, Json, PluginFailed, as_process, ip, ours, path_of  # noqa: E402

from rawns import NetNS  # noqa: E402

REFERENCE = Path("/usr/lib/cni")
CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE = 0x4000, 0x40000


def host_local(**more: Any) -> Json:
    return {"type": "host-local", **more}


def bridge(version: str = "0.4.0", ports: bool = True, **more: Any) -> Json:
    plugins: list[Json] = [{"type": "bridge", "bridge": "cni0", **more}]
    if ports:
        plugins.append({"type": "portmap", "capabilities": {"portMappings": True}})
    return {"cniVersion": version, "name": "net1", "plugins": plugins}


V4, V6 = [{"subnet": "10.88.0.0/24"}], [{"subnet": "fd00:88::/64"}]
ROUTES = [{"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "10.88.0.9"}]
SMALL = [{"subnet": "10.88.0.0/24", "rangeStart": "10.88.0.40", "rangeEnd": "10.88.0.60", "gateway": "10.88.0.50"}]
STATIC = {"type": "static", "addresses": [{"address": "10.88.0.7/24", "gateway": "10.88.0.1"}], "routes": [{"dst": "0.0.0.0/0"}]}
CASES: dict[str, Json] = {
    "plain": bridge(ports=False, ipam=host_local(ranges=[V4])),
    "gateway": bridge(isGateway=True, ipMasq=True, ipam=host_local(ranges=[V4], routes=ROUTES)),
    "both families": bridge("1.0.0", isDefaultGateway=True, ipMasq=True, ipam=host_local(ranges=[V4, V6])),
    "old version": bridge("0.3.1", isDefaultGateway=True, ipMasq=True, ipam=host_local(subnet="10.88.0.0/24")),
    "two ranges": bridge(isDefaultGateway=True, ipMasq=True, ipam=host_local(ranges=[[*SMALL, {"subnet": "10.99.0.0/24"}]])),
    "hairpin and MTU": bridge(isDefaultGateway=True, hairpinMode=True, ipMasq=True, mtu=1400, ipam=host_local(ranges=[V4])),
    "promiscuous": bridge(isDefaultGateway=True, promiscMode=True, ipam=host_local(ranges=[V4])),
    "spoof check": bridge(isDefaultGateway=True, macspoofchk=True, ports=False, ipam=host_local(ranges=[V4])),
    "static": bridge(isGateway=True, ipam=STATIC),
    "no addresses": bridge(ports=False),
    "resolv.conf": bridge(isGateway=True, ports=False, ipam=host_local(ranges=[V4], resolvConf="/etc/resolv.conf")),
    "ptp": {"cniVersion": "1.0.0", "name": "net1", "plugins": [
        {"type": "ptp", "ipMasq": True, "mtu": 1400, "ipam": host_local(ranges=[V4, V6], routes=[{"dst": "0.0.0.0/0"}])},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]},
    "macvlan": {"cniVersion": "0.4.0", "name": "net1", "plugins": [
        {"type": "macvlan", "master": "up0", "ipam": host_local(ranges=[V4], routes=[{"dst": "0.0.0.0/0"}])}
    ]},
    "host-device": {"cniVersion": "1.0.0", "name": "net1", "plugins": [
        {"type": "host-device", "device": "spare0", "ipam": STATIC}
    ]},
    "tuning and bandwidth": {"cniVersion": "1.0.0", "name": "net1", "plugins": [
        {"type": "bridge", "isGateway": True, "ipam": host_local(ranges=[V4])},
        {"type": "tuning", "sysctl": {"net.core.somaxconn": "500"}, "mtu": 1300},
        {"type": "bandwidth", "ingressRate": 8000000, "ingressBurst": 800000, "egressRate": 8000000, "egressBurst": 800000},
    ]},
    "loopback": {"cniVersion": "1.0.0", "name": "net1", "plugins": [{"type": "loopback"}]},
}  # fmt: skip
PORTS = [
    {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
    {"hostPort": 8081, "containerPort": 80, "protocol": "tcp", "hostIP": "192.0.2.1"},
]


class Node:
    """A node: a network with an uplink to a world outside, two containers, and plugins of one implementation."""

    def __init__(self, invoke: str) -> None:
        self.net, self.world = NetNS.create(), NetNS.create()
        self.pods = [NetNS.create() for _ in range(2)]
        self.net.net.set_link("lo", up=True)
        self.net.net.add_veth("up0", "down0", self.world)
        self.net.net.add_veth("spare0", "spare1")
        self.net.net.add_address("up0", "192.0.2.1/24")
        self.world.net.add_address("down0", "192.0.2.2/24")
        self.net.net.set_link("up0", up=True)
        self.world.net.set_link("down0", up=True)
        self.world.net.add_route("default", via="192.0.2.1")
        self.net.net.link_detected("up0")
        self.world.net.link_detected("down0")
        self.invoke = implementation(self.net, invoke)

    def close(self) -> None:
        for one in (self.net, self.world, *self.pods):
            one.close()


def implementation(node: NetNS, name: str) -> Invoke:
    return as_process(node, ours if name == "rawns" else lambda kind: [str(REFERENCE / kind)])


def links(namespace: NetNS) -> Any:
    keys = ("ifname", "mtu", "master", "flags", "qdisc", "linkinfo")
    listed = [{key: one[key] for key in keys if key in one} for one in ip(namespace, "-d", "link")]
    for one in listed:
        one["flags"] = sorted(
            set(one["flags"]) - {"LOWER_UP", "NO-CARRIER"}
        )  # of a bridge: a work queue of the kernel changes them
        info = one.get("linkinfo") or {}
        slave, data = info.get("info_slave_data") or {}, info.get("info_data") or {}
        one["linkinfo"] = [
            info.get("info_kind"),
            slave.get("hairpin"),
            slave.get("state"),
            data.get("vlan_filtering"),
            data.get("mode"),
        ]
        one["ifname"] = short(one["ifname"])
    return sorted(listed, key=str)


def addresses(namespace: NetNS) -> Any:
    keys = ("family", "local", "prefixlen", "broadcast", "scope")
    found = []
    for one in ip(namespace, "addr"):
        name = "veth" if one["ifname"].startswith("veth") else one["ifname"]
        found += [[name, *(each.get(key) for key in keys)] for each in one["addr_info"] if each.get("scope") != "link"]
    return sorted(found, key=str)


def routes(namespace: NetNS) -> Any:
    found = []
    for family in ("-4", "-6"):
        for one in ip(namespace, family, "route"):
            if not one["dst"].startswith("fe80"):
                keys = ("dst", "gateway", "dev", "protocol", "scope", "prefsrc", "metric")
                found.append([family, *("veth" if str(one.get(key)).startswith("veth") else one.get(key) for key in keys)])
    return sorted(found, key=str)


def short(name: str) -> str:
    """Return the name of an interface without the part that differs from run to run."""
    return next((beginning for beginning in ("veth", "bwp") if name.startswith(beginning)), name)


def result_of(result: Json) -> Any:
    """Return a result without MAC addresses, and without DNS: version 1.1.1 of the reference drops that of the IPAM plugin."""
    interfaces = [(short(one["name"]), "sandbox" in one) for one in result.get("interfaces", [])]
    return {**{key: value for key, value in result.items() if key not in ("interfaces", "dns")}, "interfaces": interfaces}


def reach(node: Node) -> Any:
    """Return who reaches the first container's port 80 by which address and port, and from which source it is seen."""
    with serve(node.pods[0], 80) as server:
        found = {}
        inside = addresses_of(node.pods[0])
        for who, namespace in (("node", node.net), ("other", node.pods[1]), ("itself", node.pods[0]), ("world", node.world)):
            for address, port in (("127.0.0.1", 8080), ("192.0.2.1", 8080), ("192.0.2.1", 8081), *[(one, 80) for one in inside]):
                found[f"{who} {address}:{port}"] = seen(server, namespace, address, port)
    with serve(node.world, 7000) as server:
        found["container to world"] = seen(server, node.pods[0], "192.0.2.2", 7000)
    return found


def addresses_of(namespace: NetNS) -> list[str]:
    return [one[2] for one in addresses(namespace) if one[0] == "eth0" and one[1] == "inet"]


def serve(namespace: NetNS, port: int) -> socket.socket:
    server = namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("0.0.0.0", port))
    server.listen()
    server.settimeout(5)
    return server


def seen(server: socket.socket, namespace: NetNS, address: str, port: int) -> str:
    with namespace.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(0.7)
        try:
            client.connect((address, port))
        except OSError as error:
            return "no answer" if isinstance(error, TimeoutError) else "refused"
        accepted, peer = server.accept()
        accepted.close()
        return str(peer[0])


def lease_files() -> Any:
    """Return the files under /var/lib/cni and their contents."""
    base = Path("/var/lib/cni/networks")
    return {
        str(one.relative_to(base)): one.read_bytes().decode() for one in base.rglob("*") if one.is_file() and one.name != "lock"
    }


def state(node: Node) -> Json:
    told: Json = {"leases": lease_files()}
    for name, namespace in (("node", node.net), ("container", node.pods[0])):
        told |= {
            f"{name} links": links(namespace),
            f"{name} addresses": addresses(namespace),
            f"{name} routes": routes(namespace),
        }
    return told


def life(name: str, configuration: Json, deleting: str) -> Json:
    """Add two containers, look, and delete them with the plugins of ``deleting``; return all that was seen."""
    subprocess.run(["umount", "-q", "/var/lib/cni"], check=False)
    subprocess.run(["mount", "-t", "tmpfs", "cni", "/var/lib/cni"], check=True)
    node = Node(name)
    told: Json = {}
    try:
        kind = configuration["plugins"][0]["type"]
        ifname = "lo" if kind == "loopback" else "eth0"
        alone = kind == "host-device" or configuration["plugins"][0].get("ipam", {}).get("type") == "static"
        engine = Engine(node.invoke, configuration, REFERENCE)
        told["result"] = result_of(engine.add("one", path_of(node.pods[0]), ifname, portMappings=PORTS))
        if (
            configuration["cniVersion"] >= "0.4.0" and name == "rawns"
        ):  # CHECK of the reference asks for IPv6 rules of IPv4 networks
            engine.check("one", path_of(node.pods[0]), ifname)
        if not alone:
            told["second result"] = result_of(engine.add("two", path_of(node.pods[1]), ifname))
        for one in (node.net, *node.pods):
            for link in one.net.links():
                one.net.link_detected(link.index)
        told |= state(node)
        if addresses_of(node.pods[0]):
            told["reach"] = reach(node)
        engine.invoke = implementation(node.net, deleting)
        engine.delete("one", path_of(node.pods[0]), ifname)
        if not alone:
            engine.delete("two", path_of(node.pods[1]), ifname)
        told |= {f"after DEL: {key}": value for key, value in state(node).items()}
    except PluginFailed as error:
        told["error"] = error.error
    finally:
        node.close()
    return told


def difference(one: Any, other: Any) -> list[str]:
    """Return the items that only the reference has (-), and those that only the other run has (+)."""
    items = []
    for value in (one, other):
        pairs = value.items() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        items.append([json.dumps(item, sort_keys=True) for item in pairs])
    return [f"- {item}" for item in items[0] if item not in items[1]] + [f"+ {item}" for item in items[1] if item not in items[0]]


def compare(name: str, configuration: Json) -> list[str]:
    reference = life("reference", configuration, "reference")
    problems = []
    simple = len(configuration["plugins"]) == 1 and not configuration["plugins"][0].get("ipMasq")
    others = (
        [("rawns", "reference"), ("reference", "rawns")] if simple else []
    )  # with NAT, each has rules that the other cannot see
    for who, deleting in [("rawns", "rawns"), *others]:
        told = life(who, configuration, deleting)
        for key in sorted({*reference, *told}):
            for line in difference(reference.get(key), told.get(key)):
                problems.append(f"{name} ({who} adds, {deleting} deletes), {key}: {line}")
    return problems


def main() -> int:
    """Compare all cases, or those that are named; print what differs.  Exit status 1 if anything does."""
    lacking = [one for one in ("ip", "nft", "iptables") if shutil.which(one) is None]
    if not (REFERENCE / "bridge").exists() or lacking:
        print(f"skipped: `apt-get install containernetworking-plugins iproute2 nftables iptables` ({' '.join(lacking)})")
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    os.makedirs("/var/lib/cni", exist_ok=True)
    if libc.unshare(CLONE_NEWNS) or libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None):
        raise OSError(ctypes.get_errno(), "unshare")
    found = []
    for name in sys.argv[1:] or CASES:
        problems = compare(name, CASES[name])
        print(f"{name}: {'the same' if not problems else f'{len(problems)} differences'}", flush=True)
        found += problems
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
