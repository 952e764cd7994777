"""What init.py runs in a booted machine: labs, links, NAT, VLANs and shaping, through the package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import Any

USER = 65534
SLOW = "slow" in Path("/proc/cmdline").read_text().split()  # an emulated processor of another kind
ROUNDS = 4 if SLOW else 20
REAL = ["/real/ld.so", "--library-path", "/real"]  # followed by the path of a program of iproute2


def expect(what: bool, why: object) -> None:
    """End the check with a reason unless something holds."""
    if not what:
        raise SystemExit(f"{why}")


def rawns(*words: str, user: int = 0, status: int = 0) -> str:
    """Run ``rawns WORDS`` and return both of its outputs."""
    command = [sys.executable, "-m", "rawns", *words]
    done = subprocess.run(command, stdout=-1, stderr=-2, text=True, user=user, group=user, extra_groups=[])
    expect(done.returncode == status and "Traceback" not in done.stdout, f"status {done.returncode}: {done.stdout[-900:]}")
    return done.stdout


def real(program: str, *words: str) -> str:
    """Run a program of iproute2 and return its output."""
    return subprocess.run([*REAL, f"/real/{program}", *words], stdout=-1, text=True, check=True).stdout


def explained() -> str:
    """Run the demo with --explain: every message must be decoded."""
    lines = rawns("demo", "--explain").splitlines()
    expect("malformed" not in str(lines), [line for line in lines if "malformed" in line])
    return f"{len(lines)} lines"


def forbidden() -> str:
    """Check that each setting that forbids user namespaces is named in the error, in one line, with status 1."""
    settings = "kernel.unprivileged_userns_clone", "user.max_user_namespaces", "user.max_net_namespaces"
    paths = {path: name for name in settings for path in [Path("/proc/sys", name.replace(".", "/"))] if path.exists()}
    was = {setting: path.read_text().strip() for path, setting in paths.items()}
    for path, setting in paths.items():
        path.write_text("0")
        told = rawns("demo", user=USER, status=1)
        path.write_text(was[setting])
        expect(setting in told and told.count("\n") == 1, told)
    return f"they were {was}"


def lab() -> str:
    """Bring a lab up several times and ping over both families, also if modules put devices into every new namespace."""
    from rawns import Lab, ping

    times = []
    for _ in range(ROUNDS):
        with Lab() as plan:
            one, two = plan.netns(), plan.netns("two")
            plan.wire(one.port("eth0", "10.0.0.1/24", "fd00::1/64"), two.port("eth0", "10.0.0.2/24", "fd00::2/64"))
            start = monotonic()
            plan.up()
            times.append(1000 * (monotonic() - start))
            for source, target in ((one, "10.0.0.2"), (two, "10.0.0.1"), (one, "fd00::2"), (two, "fd00::1")):
                expect(ping(source, target, timeout=5).received == 1, f"{target} does not answer")
            links = {link.name: link.index for link in one.net.links()}
            expect(links["eth0"] == len(links), links)  # the first index that was free
            expect(two.net.link("eth0").index == links["eth0"] + 1, links)  # another one, so that no carrier is late
    others = ", ".join(name for name in links if name != "eth0")
    usual = sorted(times)[len(times) // 2]
    return f"index {links['eth0']} after {others}; up in {min(times):.1f} ms at best, {usual:.1f} as a rule"


def standing(parts: bool = False) -> str:
    """Bring up a standing lab, again unchanged, changed and repaired, and remove it.  With ``parts``, use all its parts."""
    from rawns import Lab, NetNS, ping
    from rawns.lab import discover

    def shop(hosts: int, mtu: int = 1500) -> Lab:
        lab = Lab("shop", standing=True)
        bridge = lab.bridge("br0", "10.0.0.254/24", stp=False, vlan_filtering=parts)
        for number in range(1, hosts + 1):
            host = lab.netns(f"shop.h{number}", f"h{number}")
            vlans: dict[str, Any] = {"vlans": [10]} if parts and number > 2 else {}
            end = host.port("eth0", f"10.0.0.{number}/24", f"fd00::{number}/64", mtu=mtu)
            if parts and number == 1:
                end.shape = {"rate": 10_000_000, "delay": 0.001}
            lab.wire(bridge.port(mtu=mtu, **vlans), end)
            host.route("192.0.2.0/24", via="10.0.0.254")
        lab.hosts[0].forward()
        return lab

    told = [shop(3).up(wait=30), shop(3).up(), shop(4, 1400).up(wait=30), shop(4, 1400).up(), shop(2).up(), shop(2).up()]
    expect([len(one) for one in told][1::2] == [0, 0, 0], told)
    with NetNS.open("shop.h1") as one:
        for target in ("10.0.0.2", "fd00::2", "10.0.0.254"):
            expect(ping(one, target, timeout=10).received == 1, f"{target} does not answer")
        one.net.add_address("eth0", "198.51.100.1/24")  # by hand; newer kernels record the protocol that added it
        one.net.delete_address("eth0", "10.0.0.1/24")
    told.append(shop(2).up())
    expect(any("+ address 10.0.0.1/24" in str(change) for change in told[-1]), told[-1])
    state = [(lab.name, lab.state, len(lab.hosts)) for lab in discover.find_labs()]
    expect(state == [("shop", "standing", 3)] and discover.collect_garbage() == [], state)
    expect(len(discover.remove_lab("shop", wait=30)) == 3 and discover.find_labs() == [], discover.find_labs())
    return f"{sum(map(len, told))} changes"


def ip() -> str:
    """Run ``rawns ip`` inside and outside a namespace."""
    expect([link["ifname"] for link in json.loads(rawns("ip", "-j", "addr"))][0] == "lo", "ip -j addr")
    expect(rawns("ip", "link").startswith("1: lo: <"), "ip link")
    rawns("ip", "netns", "add", "n1")
    rawns("ip", "-n", "n1", "link", "set", "lo", "up")
    inside = json.loads(rawns("ip", "netns", "exec", "n1", sys.executable, "-m", "rawns", "ip", "-j", "addr"))
    expect([one["local"] for one in inside[0]["addr_info"]] == ["127.0.0.1", "::1"], inside)
    rawns("ip", "netns", "del", "n1")
    return f"{len(inside)} links"


def lacking(setting: str) -> str:
    """Check that a missing kernel feature is named in one line, with its setting, by a change and by a query."""
    from rawns import NetNS, RawnsError
    from rawns.nft.nat import Nat

    told = []
    with NetNS.create() as ns:
        for ask in (lambda: ns.nft.set_nat("t", [Nat("eth0")]), ns.nft.chains):
            try:
                ask()
            except RawnsError as error:
                told.append(str(error))
    expect(len(told) == 2 and all(setting in one and "\n" not in one for one in told), told)
    return told[0]


def nat() -> str:
    """Set up source NAT and a forwarded port; replace it, read it back, delete it."""
    import socket

    from rawns import Lab
    from rawns.nft.evaluate import Packet
    from rawns.nft.nat import Forward, Nat, NatTable

    with Lab() as plan:
        inside, router, outside = (plan.netns() for _ in range(3))
        plan.wire(inside.port("eth0", "10.0.0.2/24"), router.port("in0", "10.0.0.1/24"))
        plan.wire(router.port("up0", "192.0.2.1/24"), outside.port("eth0", "192.0.2.2/24"))
        plan.up()
        with router.entered():
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        inside.net.add_route("default", via="10.0.0.1")
        wanted = [Nat("up0", ("10.0.0.0/24", "10.4.0.0/20", "fd00::/67"), [Forward("tcp", 8080, "10.0.0.2", 80)])]
        router.net.nft.set_nat("lab", [Nat("other")], "before")
        router.net.nft.set_nat("lab", wanted, "stamp")
        expect(router.net.nft.nat("lab") == NatTable("stamp", wanted), router.net.nft.nat("lab"))
        seen, tcp = [], (socket.AF_INET, socket.SOCK_STREAM)
        for client, server, to, at in ((inside, outside, ("192.0.2.2", 7777), 7777), (outside, inside, ("192.0.2.1", 8080), 80)):
            with server.socket(*tcp) as ear, client.socket(*tcp) as one:
                ear.bind(("", at))
                ear.listen()
                one.settimeout(20)
                one.connect(to)
                other, peer = ear.accept()
                other.close()
                seen.append(peer[0])
        expect(seen == ["192.0.2.1", "192.0.2.2"], seen)
        evaluation = router.net.nft.evaluate(Packet("10.0.0.2", "192.0.2.2", iif="in0", oif="up0"))
        expect((evaluation.verdict, evaluation.certain) == ("accept", True), evaluation)
        router.net.nft.delete_table("lab")
        expect(router.net.nft.nat("lab") is None and router.net.nft.chains() == [], "something is left")
    return f"{len(wanted[0].sources)} sources, {len(wanted[0].forwards)} port"


def kinds() -> str:
    """Create each kind of link and read its options back."""
    from rawns import NetNS

    data: dict[str, dict[str, int]] = {
        "dummy": {},
        "ifb": {},
        "vrf": {"IFLA_VRF_TABLE": 10},
        "macvlan": {"IFLA_MACVLAN_MODE": 4},
        "macvtap": {"IFLA_MACVLAN_MODE": 2},
        "ipvlan": {"IFLA_IPVLAN_MODE": 2},
        "vlan": {"IFLA_VLAN_ID": 5},
        "vxlan": {"IFLA_VXLAN_ID": 42, "IFLA_VXLAN_PORT": 4790},
    }
    with NetNS.create() as ns:
        for kind, told in data.items():
            ns.net.add_veth("v1", "v2")
            ns.net.add_link("x.1", kind, told, link="v1" if kind.startswith(("mac", "ipv", "vlan")) else None)
            found = ns.net.link("x.1")
            expect(found.kind == kind and told.items() <= found.data.items(), (kind, found, found.data))
            ns.net.delete_link("x.1")
            ns.net.delete_link("v1")
        ns.net.add_veth("v1", "v2", group=7)
        ns.net.add_altname("v1", "the-cable-in-the-cellar")
        expect(ns.net.link("the-cable-in-the-cellar").altnames == ["the-cable-in-the-cellar"], ns.net.links())
        ns.net.delete_group(7)
        expect(ns.net.links("veth") == [], ns.net.links())
        fd, name = ns.open_tap("t%d")
        expect(ns.net.link(name).data["IFLA_TUN_TYPE"] == 2, ns.net.link(name))
        os.close(fd)
    return " ".join(data)


def lab_kinds() -> str:
    """Bring up a lab with a link of every kind, find nothing to change, send a packet over each tunnel, remove it."""
    import tempfile

    from rawns import Lab, NetNS, ping
    from rawns.lab import discover
    from rawns.lab.kinds import TABLES

    ends = [[f"a:eth{n} 10.{n}.0.1/24", f"b:eth{n} 10.{n}.0.2/24"] for n in range(3)]
    tables: dict[str, list[dict[str, Any]]] = {
        "vrfs": [{"host": "a", "name": "red", "table": 10}],
        "dummies": [{"host": "a", "name": "d0", "addresses": "192.0.2.1/32"}],
        "taps": [{"host": "a", "name": "t0"}],
        "macvlans": [{"host": "a", "name": "m0", "parent": "a:eth1", "addresses": "10.1.0.3/24"}],
        "macvtaps": [{"host": "a", "name": "mt0", "parent": "a:eth1"}],
        "ipvlans": [{"host": "c", "name": "i0", "parent": "a:eth2", "mode": "l2", "addresses": "10.2.0.3/24"}],
    }
    for number, host in enumerate("ab", 1):
        remote = f"10.0.0.{3 - number}"
        vlan = {"host": host, "name": "eth0.5", "parent": f"{host}:eth0", "id": 5, "addresses": f"10.5.0.{number}/24"}
        vxlan = {"host": host, "name": "vx0", "vni": 6, "remote": remote, "addresses": f"10.6.0.{number}/24"}
        geneve = {"host": host, "name": "g0", "vni": 7, "remote": remote, "addresses": f"10.7.0.{number}/24"}
        for table, row in (("vlans", vlan), ("vxlans", vxlan), ("geneves", geneve)):
            tables.setdefault(table, []).append(row)
    expect(set(TABLES) == set(tables), f"tables without a sample here: {set(TABLES) ^ set(tables)}")
    description = {"name": "kinds", "hosts": {"a": {}, "b": {}, "c": {}}, "wires": [{"ends": one} for one in ends], **tables}
    with tempfile.NamedTemporaryFile("w", dir="/run", suffix=".json") as file:
        json.dump(description, file)
        file.flush()
        made = Lab.load(file.name).up(wait=60)
        left = Lab.load(file.name).plan()
    expect(left == [], left)
    with NetNS.open("kinds.b") as b:
        for target in ("10.5.0.1", "10.6.0.1", "10.7.0.1", "10.1.0.3", "10.2.0.3"):
            expect(ping(b, target, timeout=20).received == 1, f"{target} does not answer")
    discover.remove_lab("kinds", wait=30)
    return f"{len(tables)} tables, {len(made)} changes"


def activation() -> str:
    """Read dumps, which change nothing, when a verb returns: what has a carrier transmits, IPv6 addresses have local routes."""
    from rawns import Lab, ping, uapi
    from rawns.lab.kinds.stacked import Ipvlan, Macvlan, VlanDevice

    kinds, rounds = {"veth", "bridge", "macvlan", "vlan", "ipvlan"}, ROUNDS
    seen: dict[str, int] = {}

    def examine(lab: Lab, verb: str) -> None:
        lists = [(host, host.net.links()) for host in lab.hosts]
        for host, links in lists:
            for link in links:
                if link.kind in kinds and link.carrier:
                    if link.kind == "bridge" and link.operstate == uapi.IF_OPER_UNKNOWN:  # before Linux 6.9 for up to a second
                        first = ping(host, "10.0.0.2", timeout=0.9)  # the kernel asks for an address again after a second
                        expect(first.received == 1, f"after {verb}: {host.label} {link} does not transmit")
                    else:
                        expect(link.operstate == uapi.IF_OPER_UP, f"after {verb}: {host.label} {link}")
                    seen[str(link.kind)] = seen.get(str(link.kind), 0) + 1
            local = [route.destination for route in host.net.routes(uapi.AF_INET6, table=uapi.RT_TABLE_LOCAL)]
            for one in host.interfaces:
                for address in one.addresses:
                    expect(address.family != uapi.AF_INET6 or f"{address.address}/128" in local, f"after {verb}: {address}")

    for _ in range(rounds):
        with Lab("active") as lab:
            a, b, c, d = (lab.netns(label=label) for label in "abcd")
            lan = lab.bridge("lan", "10.0.0.9/24")
            for number, host in enumerate((a, b), 1):
                lab.wire(host.port("eth0", f"10.0.0.{number}/24", f"fd00::{number}/64"), lan.port())
            lab.wire(a.port("eth1"), c.port("eth0", "fd02::3/64"))
            lab.wire(b.port("eth1"), c.port("eth1"))
            (lower, other), far = [host.interfaces[1] for host in (a, b)], c.interfaces[0]
            for number, host in enumerate((a, d), 1):
                host.add(Macvlan(host, f"m{number}", (f"fd02::{number}/64",), parent=lower))
                host.add(VlanDevice(host, f"v{number}", (f"fd03::{number}/64",), parent=lower, id=number))
                host.add(Ipvlan(host, f"i{number}", (f"10.4.0.{number}/24",), parent=other))
            lab.up()
            examine(lab, "up")
            for verb in (lab.set_up, lambda *_: lab.restore()):
                lab.set_down("a:eth0", far)
                lab.wait_carrier(lower, False, timeout=60)
                verb("a:eth0", far)
                examine(lab, "set_up or restore")
    expect(set(seen) == kinds, seen)
    return f"{rounds} labs: {seen}"


def vlans() -> str:
    """Set VLANs of a port and of the bridge, tagged and untagged, in ranges."""
    from rawns import NetNS

    with NetNS.create() as ns:
        ns.net.add_bridge("br0", {"IFLA_BR_VLAN_FILTERING": 1, "IFLA_BR_VLAN_DEFAULT_PVID": 0}, up=True)
        ns.net.add_veth("v1", "v2", master="br0", up=True)
        ns.net.set_port("v1", isolated=True, learning=False, cost=7)
        port = ns.net.link("v1").port
        expect([port[f"IFLA_BRPORT_{word}"] for word in ("ISOLATED", "LEARNING", "COST")] == [1, 0, 7], port)
        ns.net.add_vlan("v1", 10, pvid=True, untagged=True)
        ns.net.add_vlan("v1", 20, 30)
        ns.net.add_vlan("br0", 10)
        ns.net.delete_vlan("v1", 25, 30)
        ours = [(vlan.vid, vlan.pvid, vlan.untagged) for vlan in ns.net.vlans("v1")]
        expect(ours == [(10, True, True), *((vid, False, False) for vid in range(20, 25))], ours)
        expect([vlan.vid for vlan in ns.net.vlans("br0")] == [10], ns.net.vlans())
    return f"{len(ours)} of a port"


def shaping() -> str:
    """Set each form of shaping in place of each other and read it back; measure that it has an effect."""
    from rawns import NetNS, ping
    from rawns.objects.qdisc import Shape

    forms: list[dict[str, str]] = [
        {"rate": "10mbit"},
        {"delay": "20ms", "jitter": "2ms", "loss": "1%"},
        {"rate": "1gbit", "delay": "70s"},
        {"rate": "40gbit"},
        {"rate": "333kbit", "burst": "8kb", "latency": "1s", "delay": "7ms"},
        {"loss": "100%"},
    ]
    with NetNS.create() as one, NetNS.create() as two:
        one.net.add_veth("v1", "v2", two, up=True)
        two.net.set_link("v2", up=True)
        one.net.add_address("v1", "10.0.0.1/24")
        two.net.add_address("v2", "10.0.0.2/24")
        for words in [*forms, *reversed(forms)]:
            for _ in range(2):  # anew, and in place
                one.net.shape("v1", **words)
                expect(one.net.shape_of("v1") == Shape(**words), (words, one.net.shape_of("v1"), one.net.qdiscs("v1")))
        expect(ping(one, "10.0.0.2", timeout=0.5).received == 1, "a rate lets one packet pass")
        one.net.shape("v1", loss="100%")
        expect(ping(one, "10.0.0.2", timeout=0.5).received == 0, "nothing is lost")
        one.net.shape("v1", delay="30ms", rate="10mbit")
        answer = ping(one, "10.0.0.2", timeout=5)
        expect(answer.received == 1 and answer.rtts[0] >= 0.03, answer)
        one.net.unshape("v1")
        expect(one.net.shape_of("v1") is None, one.net.qdiscs())
    return f"{len(forms)} forms"


def impairments() -> str:
    """Measure each impairment by netem and by the relay in its place."""
    from impairments import compare

    return " | ".join(compare())


def netkit() -> str:
    """Create a netkit pair, which the real `ip` 6.1 cannot describe, and change it; an older kernel must say that it has none."""
    words = "link add nk0 type netkit mode l2 blackhole scrub none peer forward name nk1"
    told = subprocess.run([sys.executable, "-m", "rawns", "ip", *words.split()], stdout=-1, stderr=-2, text=True)
    if told.returncode:
        expect((told.returncode, told.stdout) == (2, "Error: Unknown device type.\n"), told)
        return "lacks: netkit"
    shown = rawns("ip", "-d", "link", "show", "nk0")
    expect("netkit mode l2 type primary policy blackhole peer policy forward" in shown, shown)
    rawns("ip", "link", "set", "nk0", "type", "netkit", "forward")
    expect("type primary policy forward peer policy forward" in rawns("ip", "-d", "link", "show", "nk0"), "not changed")
    rawns("ip", "link", "del", "nk1")
    expect("nk0" not in rawns("ip", "link"), "the pair is not gone")
    return shown.strip().splitlines()[-1].strip().partition(" addrgenmode")[0]


def cni() -> str:
    """Call the CNI plugin bridge with VLANs, and ipvlan, which the kernel of the other tests lacks."""
    from rawns import NetNS
    from rawns.cni.program import run

    ipam = {"type": "host-local", "dataDir": "/run/cni", "ranges": [[{"subnet": "10.88.0.0/24"}]]}
    trunk = [{"id": 7}, {"minID": 200, "maxID": 202}]
    bridge = {
        "type": "bridge",
        "vlan": 100,
        "vlanTrunk": trunk,
        "preserveDefaultVlan": False,
        "isDefaultGateway": True,
        "ipMasq": True,
    }
    shared = {"cniVersion": "1.0.0", "name": "net1"}

    def call(command: str, pod: NetNS, **config: Any) -> Any:
        variables = {"CNI_COMMAND": command, "CNI_CONTAINERID": "one", "CNI_IFNAME": "eth0"}
        variables["CNI_NETNS"] = f"/proc/self/fd/{pod.fileno()}"
        status, output = run(config["type"], variables, json.dumps({**shared, **config}).encode())
        expect(status == 0, output)
        return json.loads(output or "null")

    with NetNS.create() as node, NetNS.create() as pod, node.entered():
        result = call("ADD", pod, ipam=ipam, **bridge)
        port = result["interfaces"][1]["name"]
        listed = json.loads(real("bridge", "-j", "vlan", "show", "dev", port))[0]["vlans"]
        vids = {vid for one in listed for vid in range(one["vlan"], one.get("vlanEnd", one["vlan"]) + 1)}
        expect(vids == {7, 100, 200, 201, 202}, listed)
        expect(next(one for one in listed if one["vlan"] == 100)["flags"] == ["PVID", "Egress Untagged"], listed)
        expect("10.88.0.1/24" in real("ip", "-br", "addr", "show", "dev", "cni0.100"), "the gateway has no address")
        expect(pod.run([sys.executable, "-m", "rawns", "ping", "-c", "1", "10.88.0.1"]).returncode == 0, "no answer")
        call("CHECK", pod, ipam=ipam, prevResult=result, **bridge)
        call("DEL", pod, ipam=ipam, **bridge)
        expect(not Path("/run/cni/net1/10.88.0.2").exists(), "the lease is left")
        node.net.add_veth("up0", "down0")
        static = {"type": "static", "addresses": [{"address": "10.77.0.2/24"}]}
        call("ADD", pod, type="ipvlan", master="up0", mode="l3", ipam=static)
        expect(pod.net.link("eth0").kind == "ipvlan", pod.net.links())
        call("DEL", pod, type="ipvlan", master="up0", mode="l3", ipam=static)
        expect([one.name for one in pod.net.links() if one.name == "eth0"] == [], pod.net.links())
    return f"{len(vids)} VLANs of a port, ipvlan"
