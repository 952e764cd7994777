"""`rawns why` over other ways than a plain cable, bridge or router, from and to ends of every kind, and as a command."""

from __future__ import annotations

import json
import os
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT, Ordinary
from scenes import serve
from ways import Net, bridged, pair, routed, run_remedy

from rawns import Forward, InvalidValue, KernelError, Lab, Nat, NetNS, inventory, nsfs, why
from rawns.diagnose import proof, references
from rawns.diagnose.commands import NamespaceName
from rawns.diagnose.visible import VisibleNamespace, VisibleNamespaces
from rawns.uapi import AF_INET, AF_INET6, IFA_F_DADFAILED, IFA_F_TENTATIVE

RTMGRP_IPV6_IFADDR = 0x100


@pytest.fixture
def net(netns_name: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Net]:
    monkeypatch.setattr(proof, "REFUTATION_SECONDS", 0.05)  # for faults made on purpose no answer comes, however long one waits
    with ExitStack() as stack:
        yield Net(stack, netns_name)


def rawns(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    return subprocess.run([sys.executable, "-m", "rawns", *words], env=environment, capture_output=True, text=True, timeout=60)


def apply_remedy(net: Net, command: str) -> None:
    run_remedy(command)
    net.settle()


def name(net: Net, letter: str) -> str:
    return str(net[letter].name)


def linked(net: Net, letter: str, new: str, kind: str, data: dict[str, object], **options: Any) -> None:
    """A link of a kind that a kernel may lack."""
    try:
        net[letter].net.add_link(new, kind, data, **options)
    except KernelError as error:
        pytest.skip(f"this kernel has no {kind}: {error}")


# -- other ways ---------------------------------------------------------------------------------------------------------


def test_lo_and_oneself(net: Net) -> None:
    net.address("a", "lo", "10.1.1.1/32")
    assert why(net["a"], net["a"]).target == "10.1.1.1"
    assert why(net["a"], "127.0.0.1").hops == 0
    assert why(net["a"], "::1").target == "::1"
    net["a"].net.set_link("lo", up=False)
    for b in (net["a"], "10.1.1.1", "127.0.0.1"):
        found = why(net["a"], b)
        assert found.fault is not None and found.fault.check == "lo up", str(found)
        assert "lo in a is down" in net.named(str(found))
    apply_remedy(net, found.fault.command if found.fault else "")
    assert why(net["a"], net["a"])


def masquerading(net: Net) -> None:
    """b knows no way back to a, and needs none: r puts its own address in."""
    routed(net)
    net["b"].net.delete_route("default", via="10.0.2.1")
    nft = "add table ip n; add chain ip n p { type nat hook postrouting priority 100; }; add rule ip n p oifname rb masquerade"
    net.tool("r", f"nft '{nft}'")


def test_masquerading(net: Net) -> None:
    masquerading(net)
    net.settle()
    found = why(net["a"], net["b"])
    assert found and found.refuted is None, str(found)
    net["r"].net.set_link("rb", up=False)
    found = why(net["a"], net["b"])
    assert found.fault is not None and "rb in r" in net.named(str(found)), str(found)


def test_masquerading_and_a_filter_on_the_way_back(net: Net) -> None:
    masquerading(net)
    net.settle()
    net.tool("b", "nft 'add table ip t; add chain ip t c { type filter hook output priority 0; policy drop; }'")
    found = why(net["a"], net["b"])
    assert found.fault is not None and "ip t c in b drops the packet by its policy" in net.named(str(found)), str(found)
    apply_remedy(net, found.fault.command if found.fault else "")
    assert why(net["a"], net["b"])


def test_a_firewall_that_lets_answers_through(net: Net) -> None:
    routed(net)
    net.settle()
    accept = 'add rule ip t c ct state established,related accept; add rule ip t c iifname "ra" icmp type echo-request accept'
    net.tool("r", f"nft 'add table ip t; add chain ip t c {{ type filter hook forward priority 0; policy drop; }}; {accept}'")
    found = why(net["a"], net["b"])
    assert found and found.refuted is None, str(found)
    found = why(net["b"], net["a"])
    assert found.fault is not None and "ip t c in r drops the packet by its policy" in net.named(str(found)), str(found)


def test_proxy_arp(net: Net) -> None:
    """a takes b for a neighbour, and r answers in b's name."""
    net.cable("a", "v1", "r", "ra")
    net.cable("b", "v2", "r", "rb")
    net.address("a", "v1", "10.0.0.1/16")
    net.address("b", "v2", "10.0.2.2/24")
    net.address("r", "rb", "10.0.2.1/24")
    net["b"].net.add_route("default", via="10.0.2.1")
    net["r"].net.add_route("10.0.0.1/32", dev="ra")
    net.sysctl("r", "ipv4/ip_forward", 1)
    found = why(net["a"], net["b"])
    assert found.fault is not None and found.fault.check == "next hop exists", str(found)
    net.sysctl("r", "ipv4/conf/ra/proxy_arp", 1)
    found = why(net["a"], net["b"])
    assert found and found.hops == 2 and found.refuted is None, str(found)


def macvlans(net: Net, mode: int) -> None:
    """Two hosts on macvlans of one device in s."""
    net.cable("s", "l0", "s", "l1")
    for host, link, address in (("a", "m1", "10.0.0.1/24"), ("b", "m2", "10.0.0.2/24")):
        data: dict[str, object] = {"IFLA_MACVLAN_MODE": mode}
        linked(net, "s", link, "macvlan", data, link="l0")
        net["s"].net.set_link(link, netns=net[host])
        net.address(host, link, address)
        net[host].net.set_link(link, up=True)


def test_macvlan(net: Net) -> None:
    macvlans(net, 4)
    net.settle()
    found = why(net["a"], net["b"])
    assert found and found.refuted is None and found.hops == 1, str(found)
    net["s"].net.set_link("l0", up=False)
    found = why(net["a"], net["b"])
    assert found.fault is not None and "l0 in s, is down" in net.named(str(found)), str(found)
    apply_remedy(net, found.fault.command if found.fault else "")
    assert why(net["a"], net["b"])


def test_a_macvlan_in_private_mode(net: Net) -> None:
    macvlans(net, 1)
    net.settle()
    found = why(net["a"], net["b"])
    assert found.fault is not None and found.fault.check == "macvlan mode", str(found)
    assert "is a macvlan in private mode" in str(found)
    apply_remedy(net, found.fault.command if found.fault else "")
    found = why(net["a"], net["b"])
    assert found.fault is None or "b is a macvlan in private mode" in net.named(str(found))  # the other one
    if found.fault is not None:
        apply_remedy(net, found.fault.command if found.fault else "")
    assert why(net["a"], net["b"])


def tunnelled(net: Net) -> None:
    """a and b on a VXLAN whose outer packets cross a cable between the same two."""
    pair(net)
    for host, remote, inner in (("a", "10.0.0.2", "10.9.0.1/24"), ("b", "10.0.0.1", "10.9.0.2/24")):
        data: dict[str, object] = {"IFLA_VXLAN_ID": 42, "IFLA_VXLAN_GROUP": remote, "IFLA_VXLAN_PORT": 4789}
        linked(net, host, "vx", "vxlan", data)
        net[host].net.set_link("vx", up=True)
        net.address(host, "vx", inner)


def test_vxlan(net: Net) -> None:
    tunnelled(net)
    net.settle()
    found = why(net["a"], "10.9.0.2")
    assert found and found.hops == 1 and found.refuted is None, str(found)
    net["b"].net.set_link("v2", up=False)
    found = why(net["a"], "10.9.0.2")
    assert found.fault is not None and "v1 in a has no carrier because its far end, v2 in b, is down" in net.named(str(found))
    apply_remedy(net, found.fault.command if found.fault else "")
    assert why(net["a"], "10.9.0.2")


def test_a_macvlan_and_the_device_below_it(net: Net) -> None:
    macvlans(net, 4)
    net.address("s", "l0", "10.0.0.9/24")
    net.settle()
    for one, other in (("a", "s"), ("s", "a")):
        found = why(net[one], net[other])
        assert found.fault is not None
        assert "m1 in a is a macvlan on l0 in s, and the kernel passes no packets" in net.named(str(found)), str(found)
    apply_remedy(net, found.fault.command if found.fault else "")
    assert why(net["a"], net["s"]) and why(net["s"], net["a"])


@pytest.mark.parametrize("key, value", [("IFLA_VXLAN_ID", 43), ("IFLA_VXLAN_PORT", 4790)])
def test_a_tunnel_whose_ends_differ(key: str, value: int, net: Net) -> None:
    tunnelled(net)
    net["b"].net.delete_link("vx")
    data: dict[str, object] = {"IFLA_VXLAN_ID": 42, "IFLA_VXLAN_GROUP": "10.0.0.1", "IFLA_VXLAN_PORT": 4789, key: value}
    linked(net, "b", "vx", "vxlan", data, up=True)
    net.address("b", "vx", "10.9.0.2/24")
    net.settle()
    found = why(net["a"], "10.9.0.2")
    assert found.fault is not None and found.fault.check == "tunnel", str(found)
    assert "vx in a sends VXLAN 42 to 10.0.0.2, port 4789; vx in b there expects VXLAN 4" in net.named(str(found))
    apply_remedy(net, found.fault.command if found.fault else "")
    assert why(net["a"], "10.9.0.2")


# -- duplicate address detection ----------------------------------------------------------------------------------------


def detected(place: NetNS, flag: int) -> None:
    """Wait until an address of this namespace has a flag: the kernel says so when it happens."""
    with place.entered(), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as news:
        news.bind((0, RTMGRP_IPV6_IFADDR))
        deadline = time.monotonic() + 20
        while not any(one.flags & flag for one in place.net.addresses(family=AF_INET6)):
            assert select.select([news], [], [], max(0.0, deadline - time.monotonic()))[0], "no address came to be so"
            news.recv(65536)


def test_an_address_that_is_still_being_detected(net: Net) -> None:
    pair(net)
    net.settle()
    net["b"].net.delete_address("v2", "fd00::2/64")
    net.sysctl("b", "ipv6/conf/v2/accept_dad", 1)
    net.sysctl("b", "ipv6/conf/v2/dad_transmits", 60)
    net["b"].net.add_address("v2", "fd00::2/64")
    detected(net["b"], IFA_F_TENTATIVE)
    found = why(net["a"], net["b"], AF_INET6)
    assert found.fault is not None and found.fault.check == "address past detection", str(found)
    assert "fd00::2 on v2 in b is still in duplicate address detection" in net.named(str(found))
    apply_remedy(net, found.fault.command if found.fault else "")
    assert why(net["a"], net["b"], AF_INET6)
    found = why(net["b"], net["a"], AF_INET6)
    assert found


def test_an_address_that_another_host_has(net: Net) -> None:
    pair(net)
    net.settle()
    net["b"].net.delete_address("v2", "fd00::2/64")
    net.sysctl("b", "ipv6/conf/v2/accept_dad", 1)
    net["b"].net.add_address("v2", "fd00::1/64")
    detected(net["b"], IFA_F_DADFAILED)
    found = why(net["b"], net["a"], AF_INET6)
    assert found.fault is not None and not found, str(found)
    assert re.search(
        "fd00::1 (is on v2 in b too|on v2 in b failed duplicate address detection: v1 in a has it)", net.named(str(found))
    )
    apply_remedy(net, found.fault.command if found.fault else "")
    assert why(net["b"], net["a"], AF_INET6)


# -- ends of every kind -------------------------------------------------------------------------------------------------


def test_an_address_as_the_destination(net: Net) -> None:
    routed(net)
    net.settle()
    found = why(net["a"], "10.0.2.2")
    assert found and found.destination == found.target == "10.0.2.2" and found.source == "10.0.1.2" and found.hops == 2
    assert why(net["a"], "fd02::2").family == AF_INET6
    found = why(net["a"], "10.0.2.99")
    assert found.fault is not None and found.fault.check == "next hop exists"
    assert "no host that rb in r leads to has the address 10.0.2.99" in net.named(str(found))
    apply_remedy(net, found.fault.command if found.fault else "")
    assert why(net["a"], "10.0.2.99")
    with pytest.raises(InvalidValue):
        why(net["a"], "10.0.2.2", AF_INET6)


def test_ends_without_names(net: Net) -> None:
    with NetNS.create() as one, NetNS.create() as two:
        one.net.add_veth("v1", "v2", peer_ns=two, up=True)
        one.net.add_address("v1", "10.0.0.1/24")
        two.net.add_address("v2", "10.0.0.2/24")
        found = why(one, two)
        assert found.fault is not None and "v2 in the namespace behind descriptor" in str(found)
        apply_remedy(net, found.fault.command if found.fault else "")
        assert why(one, two)


def test_a_bridge_whose_namespace_only_a_descriptor_holds() -> None:
    with Lab("m") as lab:
        one, two, bridge = lab.netns(), lab.netns(), lab.bridge("sw")
        lab.wire(one.port("eth0", "10.0.0.1/24"), bridge.port())
        lab.wire(two.port("eth0", "10.0.0.2/24"), bridge.port())
        lab.up(wait=10)
        assert why(one, two)
        next(host for host in lab.hosts if host.label == bridge.host.label).net.set_link("sw", up=False)
        found = why(one, two)
        assert found.fault is not None and "the bridge sw in sw is down" in str(found)


def test_the_way_back_through_a_router_that_only_a_descriptor_holds() -> None:
    with NetNS.create() as one, NetNS.create() as router, NetNS.create() as two:
        for end, link, near in ((one, "v1", "10.0.1"), (two, "v2", "10.0.2")):
            end.net.add_veth(link, f"to-{link}", peer_ns=router, up=True)
            router.net.set_link(f"to-{link}", up=True)
            router.net.add_address(f"to-{link}", f"{near}.1/24")
            end.net.add_address(link, f"{near}.2/24")
            end.net.add_route("default", via=f"{near}.1")
        router.setting("net.ipv4.ip_forward", 1)
        assert why(one, two)
        router.run(["ip", "route", "add", "blackhole", "10.0.1.2/32"], check=True)
        found = why(one, two)
        assert found.fault is not None and "has the route `blackhole 10.0.1.2/32`" in str(found)


def hide_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide namespaces that only a descriptor holds, as if another user's process held them."""
    monkeypatch.setattr(references, "of_descriptors", lambda: iter(()))
    monkeypatch.setattr(inventory, "unlisted", lambda known: iter(()))


@pytest.mark.really_root
def test_a_namespace_that_is_mounted_elsewhere(net: Net, tmp_path: Path) -> None:
    """Container engines mount namespaces on files of their own."""
    file = tmp_path / "netns"
    file.touch()
    with NetNS.create() as kept:
        net["a"].net.add_veth("v1", "v2", peer_ns=kept, up=True)
        net.address("a", "v1", "10.0.0.1/24")
        kept.net.add_address("v2", "10.0.0.2/24")
        subprocess.run(["mount", "--bind", f"/proc/{os.getpid()}/fd/{kept.fileno()}", file], check=True)
    try:
        found = why(net["a"], "10.0.0.2")
        assert found.fault is not None and f"v2 in the namespace {file}, is down" in str(found)
        apply_remedy(net, found.fault.command)
        assert why(net["a"], "10.0.0.2")
    finally:
        subprocess.run(["umount", file], check=True)


def test_a_namespace_whose_descriptor_is_being_passed(net: Net) -> None:
    """Nothing under /proc refers to it, but the kernel's own list has it."""
    if nsfs.all_ids() is None:
        pytest.skip("this kernel has no listns (6.19)")
    sender, receiver = socket.socketpair()
    with sender, receiver:
        with NetNS.create() as hidden:
            net["a"].net.add_veth("v1", "v2", peer_ns=hidden, up=True)
            net.address("a", "v1", "10.0.0.1/24")
            inode = hidden.identity[1]
            socket.send_fds(sender, [b"x"], [hidden.fileno()])
        found = why(net["a"], "10.0.0.2")
        assert found.fault is not None and f"v2 in the namespace net:[{inode}], is down" in str(found)


def test_a_far_end_that_cannot_be_seen(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    hide_descriptors(monkeypatch)
    with NetNS.create() as hidden:
        net["a"].net.add_veth("v1", "v2", peer_ns=hidden, up=True)
        net.address("a", "v1", "10.0.0.1/24")
        found = why(net["a"], "10.0.0.2")
        assert found.fault is not None and "its far end is in a namespace that cannot be seen from here" in str(found)
        hidden.net.set_link("v2", up=True)
        monkeypatch.setattr(proof, "ANSWER_SECONDS", 0.05)
        found = why(net["a"], "10.0.0.2")
        assert found.fault is not None and "the packet leaves what can be seen by v1 in a" in net.named(str(found))


def test_a_namespace_that_only_a_process_holds(net: Net) -> None:
    with NetNS.create() as kept:
        net["a"].net.add_veth("v1", "v2", peer_ns=kept, up=True)
        net.address("a", "v1", "10.0.0.1/24")
        kept.net.add_address("v2", "10.0.0.2/24")
        kept.net.set_link("v2", up=True)
        process = kept.popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        found = why(net["a"], "10.0.0.2")
        assert found and f"v2 in the namespace of process {process.pid}" in " ".join(map(str, found.checks))
        assert why(net["a"], f"pid:{process.pid}").target == "10.0.0.2"
        assert why(f"/proc/{process.pid}/ns/net", net["a"]).hops == 1
    finally:
        process.communicate(b"\n")


def test_a_host_of_a_lab(net: Net, netns_name: Callable[[], str]) -> None:
    lab = netns_name()
    host, other = f"h{os.getpid()}", f"g{os.getpid()}"
    with NetNS.create(f"{lab}.{host}") as one, NetNS.create(f"{lab}.{other}") as two:
        one.net.add_veth("v1", "v2", peer_ns=two, up=True)
        two.net.set_link("v2", up=True)
        one.net.add_address("v1", "10.0.0.1/24")
        two.net.add_address("v2", "10.0.0.2/24")
        assert str(why(host, f"{lab}.{other}")).startswith(f"{lab}.{host} reaches {lab}.{other} (10.0.0.2) in ")
        assert rawns("why", "--lab", lab, host, other).returncode == 0
        assert rawns("why", "--lab", lab, host, "10.0.0.2").returncode == 0
        with NetNS.create(f"{lab}x.{host}"), pytest.raises(InvalidValue, match=f"{host} is a host of 2 labs"):
            why(host, "10.0.0.2")


@pytest.mark.parametrize("end", ["no-such-namespace", "", "pid:x", "pid:0", "a b", "/nowhere", "/etc/hostname"])
def test_invalid_ends(end: str, net: Net) -> None:
    for words in ([end, name(net, "a")], [name(net, "a"), end]):
        done = rawns("why", *words)
        assert done.returncode == 2 and done.stdout == "", done
        assert re.fullmatch(r"rawns why: [^\n]+\n", done.stderr), done.stderr


# -- the command --------------------------------------------------------------------------------------------------------


def test_the_command(net: Net) -> None:
    bridged(net)
    net.settle()
    a, b = name(net, "a"), name(net, "b")
    done = rawns("why", a, b)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"a reaches b \(10\.0\.0\.2\) in [0-9.]+ ms: \d+ checks, 1 hop\n", net.named(done.stdout))
    done = rawns("why", "-6", "-v", a, b)
    *steps, last = net.named(done.stdout).splitlines()
    assert all(re.fullmatch(r"ok     .{26}  \S.*", step) for step in steps), done.stdout
    assert last.startswith("a reaches b (fd00::2) in ") and last.endswith(f": {len(steps)} checks, 1 hop")


def test_the_command_and_a_fault(net: Net) -> None:
    pair(net)
    net.settle()
    net["b"].net.set_link("v2", up=False)
    a, b = name(net, "a"), name(net, "b")
    done = rawns("why", a, b)
    assert (done.returncode, done.stderr) == (1, "")
    sentence, command = net.named(done.stdout).splitlines()
    assert sentence == "v1 in a has no carrier because its far end, v2 in b, is down"
    assert command == "    rawns ip -n b link set v2 up"
    done = rawns("why", "-v", a, b)
    assert done.returncode == 1 and "\nFAULT  carrier " in done.stdout
    done = rawns("why", "--json", a, b)
    told = json.loads(net.named(done.stdout))
    assert done.returncode == 1 and told["reaches"] is False and told["rtt_ms"] is None
    assert told["fault"] == {"check": "carrier", "where": "v1 in a", "sentence": sentence, "command": command.strip()}
    assert told["checks"][-1] == {"check": "carrier", "where": "v1 in a", "ok": False} and told["checks"][0]["ok"] is True
    apply_remedy(net, json.loads(done.stdout)["fault"]["command"])
    told = json.loads(rawns("why", "-j", a, b).stdout)
    assert (told["reaches"], told["fault"], told["source"], told["target"]) == (True, None, "10.0.0.1", "10.0.0.2")
    assert told["rtt_ms"] > 0 and told["hops"] == 1 and told["family"] == "inet"


@pytest.mark.parametrize("words", [[], ["a"], ["a", "b", "c"], ["--nonsense", "a", "b"], ["-4", "-6", "a", "b"], ["--lab"]])
def test_a_command_line_that_is_wrong(words: list[str]) -> None:
    done = rawns("why", *words)
    assert (
        done.returncode == 2
        and done.stdout == ""
        and done.stderr.startswith("rawns why: ")
        and "see `rawns why --help`" in done.stderr
    )


def test_who_may_not_look_inside(net: Net, ordinary: Ordinary) -> None:
    pair(net)
    done = ordinary.run([ordinary.python, "-m", "rawns", "why", name(net, "a"), name(net, "b")])
    assert done.returncode == 1
    refusal = r"rawns why: setns\(.*\): Operation not permitted \(EPERM\); run as root, [^\n]+\n"
    assert re.fullmatch(refusal, done.stdout), done.stdout


def test_help() -> None:
    done = rawns("why", "--help")
    assert done.returncode == 0 and done.stdout.startswith("usage: rawns why") and done.stderr == ""


def test_names_that_are_traps(netns_name: Callable[[], str]) -> None:
    """Names that others chose end up in a command that a user copies: each stays one word, and drives no terminal."""
    trap = "$(touch${IFS}x)"
    with NetNS.create(netns_name() + ";id") as one, NetNS.create(netns_name() + "\x1b[31m") as two:
        one.net.add_veth("v1", trap, peer_ns=two, up=True)
        one.net.add_address("v1", "10.0.0.1/24")
        two.net.add_address(trap, "10.0.0.2/24")
        found = why(one, two)
        assert found.fault is not None and found.fault.command.endswith(f" link set '{trap}' up")
        assert "\x1b" not in str(found) and "\x1b" not in found.fault.command
        found = why(two, one)
        assert found.fault is not None and f"'{trap}'" in found.fault.command


def test_nothing_is_changed(net: Net) -> None:
    """A found, found wanting or not, leaves links, addresses and routes as they were."""
    routed(net)
    net.settle()

    def state() -> list[object]:
        found: list[object] = []
        for place in net.places.values():
            links = [(link.name, link.flags, link.mtu, link.address, link.master) for link in place.net.links()]
            found += [links, [str(one) for one in place.net.addresses()], [str(one) for one in place.net.routes(table=0)]]
        return found

    assert why(net["a"], net["b"], AF_INET6)  # by now all has settled
    before = state()
    assert why(net["a"], net["b"]) and why(net["a"], net["b"], AF_INET6)
    assert not why(net["a"], "10.0.2.99") and not why(net["r"], "192.0.2.1", AF_INET)
    assert state() == before


def test_a_name_that_is_none_by_now(net: Net, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Between listing the names and asking for one, it may have become anything: the others are found all the same."""
    pair(net)
    net.settle()
    nothing = tmp_path / "nothing"
    nothing.write_text("")
    descriptor = VisibleNamespaces._descriptor

    def swapped(self: VisibleNamespaces, place: VisibleNamespace) -> int:
        if place.name.path == "/proc/1/ns/net" or place.name.name is None:
            return os.open(nothing, os.O_RDONLY)
        return descriptor(self, place)

    monkeypatch.setattr(VisibleNamespaces, "_descriptor", swapped)
    assert why(net["a"], net["b"])


# -- the labs that are shipped ------------------------------------------------------------------------------------------

LABS = {
    "bridge": [("ns1", "ns2")],
    "router": [("left", "right"), ("right", "router")],
    "dual": [("left", "right"), ("router", "left")],
    "vxlan": [("a", "b"), ("machine1", "machine2")],
    "nat": [("host1", "outside"), ("host2", "host3"), ("host1", "router"), ("router", "host1"), ("router", "outside")],
}


@pytest.mark.parametrize("example", LABS)
def test_a_shipped_lab_is_whole(example: str, netns_name: Callable[[], str], tmp_path: Path, net: Net) -> None:
    """No check finds fault with a network that works."""
    text = (PROJECT / "rawns" / "examples" / f"{example}.json").read_text()
    lab, described = netns_name(), json.loads(text)
    described["name"] = lab
    for host in described["hosts"].values():
        host.pop("nameservers", None)  # a file under /etc, for which a user namespace would have to get an /etc of its own
    file = tmp_path / "lab.json"
    file.write_text(json.dumps(described))
    try:
        done = rawns("lab", "up", str(file))
        if done.returncode and "this kernel" in done.stderr:
            pytest.skip(done.stderr)
        assert done.returncode == 0, done.stderr
        for host in [name for name in NetNS.list() if name.startswith(f"{lab}.")]:
            net.places[host] = net.stack.enter_context(NetNS.open(host))
        net.settle()
        for one, other in LABS[example]:
            for family in (AF_INET, AF_INET6) if example == "dual" else (AF_INET,):
                found = why(f"{lab}.{one}", f"{lab}.{other}", family)
                assert found and found.refuted is None, str(found)
    finally:
        assert rawns("lab", "down", str(file)).returncode == 0


def test_a_stranger_who_goes_away(net: Net, netns_name: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all namespaces are looked through, one that is gone when its turn comes is none of our business."""
    macvlans(net, 4)
    net.settle()
    candidates, ghost = VisibleNamespaces.candidates, netns_name()

    def haunted(self: VisibleNamespaces) -> list[VisibleNamespace]:
        found = candidates(self)
        if (0, 0) not in self.views:
            self.views[0, 0] = VisibleNamespace(self, NamespaceName(ghost), (0, 0))
        return [*found[:2], self.views[0, 0], *found[2:]]

    monkeypatch.setattr(VisibleNamespaces, "candidates", haunted)
    assert why(net["a"], "10.0.0.2")


# -- who answered, and how far it is ------------------------------------------------------------------------------------------


def test_an_unseen_router_counts_as_a_hop(monkeypatch: pytest.MonkeyPatch) -> None:
    hide_descriptors(monkeypatch)
    """Between namespaces without names, the number of hops is read from the time to live with which the request arrives."""
    with NetNS.create() as one, NetNS.create() as router, NetNS.create() as two:
        one.net.add_veth("v1", "ra", peer_ns=router, up=True)
        two.net.add_veth("v2", "rb", peer_ns=router, up=True)
        for place, link, address in (
            (one, "v1", "10.0.1.2"),
            (router, "ra", "10.0.1.1"),
            (router, "rb", "10.0.2.1"),
            (two, "v2", "10.0.2.2"),
        ):
            place.net.set_link(link, up=True)
            place.net.add_address(link, f"{address}/24")
        one.net.add_route("default", via="10.0.1.1")
        two.net.add_route("default", via="10.0.2.1")
        router.setting("net.ipv4.ip_forward", 1)
        found = why(one, two)
        assert found and found.hops == 2, str(found)
        router.setting("net.ipv4.ip_forward", 0)
        found = why(one, two)
        assert found.fault is not None and "leaves what can be seen by v1 in" in str(found), str(found)


def test_a_scope_is_an_interface(net: Net) -> None:
    """fe80::1%NAME is an address, as in RFC 4007; the name of an interface goes before its index, as in if_nametoindex(3)."""
    pair(net)
    net["b"].net.add_address("v2", "fe80::77/64", nodad=True)
    net["a"].net.add_veth("1", "w1")
    net.settle()
    v1 = net["a"].net.link("v1").index
    for target in ("fe80::77%v1", f"fe80::77%{v1}"):
        found = why(net["a"], target)
        assert found and found.target == "fe80::77" and found.hops == 1, str(found)
    assert not why(net["a"], "fe80::77%1")
    for target, sentence in (("fe80::77%nothing", "has no interface nothing"), ("fe80::77", "needs an interface: fe80::77%")):
        with pytest.raises(InvalidValue, match=sentence):
            why(net["a"], target)


def test_a_namespace_with_the_name_of_an_address(net: Net) -> None:
    """An address is an address; a namespace of that name is given by its path."""
    with NetNS.create("10.0.0.2") as other:
        net["a"].net.add_veth("v1", "v2", peer_ns=other, up=True)
        other.net.set_link("v2", up=True)
        net.address("a", "v1", "10.0.0.1/24")
        other.net.add_address("v2", "10.0.0.2/24")
        net.settle()
        assert why(net["a"], "10.0.0.2").destination == "10.0.0.2"
        assert why(net["a"], "/run/netns/10.0.0.2").hops == 1
        assert why("/run/netns/10.0.0.2", net["a"]).target == "10.0.0.1"


def test_the_time_contains_no_address_resolution(net: Net) -> None:
    """Of two round trips the second is reported: the request that is timed follows an answer."""
    from rawns.diagnose import probe

    pair(net)
    net.settle()
    sent: list[int] = []
    one_echo = probe._one_echo

    def counted(*words: Any) -> float | None:
        sent.append(words[1])
        took = one_echo(*words)
        return 5.0 if took is not None and len(sent) == 1 else took

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "_one_echo", counted)
        patch.setattr(proof, "LARGE_ANSWER_SECONDS", 0.1)
        found = why(net["a"], net["b"])
    assert found.rtt is not None and found.rtt < 5 and sent[:2] == [1, 2]


def test_ports_on_the_command_line(net: Net) -> None:
    pair(net)
    net.settle()
    serve(net, "b", "tcp", "0.0.0.0", "80")
    a, b = name(net, "a"), name(net, "b")
    for words in ([a, f"{b}:80"], ["--tcp", a, "10.0.0.2:80"]):
        done = rawns("why", *words)
        assert done.returncode == 0 and "TCP port 80 in " in done.stdout, done
    done = rawns("why", "--udp", "-j", a, f"{b}:53")
    told = json.loads(done.stdout)
    assert done.returncode == 1 and (told["protocol"], told["port"]) == ("udp", 53)
    assert told["fault"]["sentence"] == f"nothing listens on UDP port 53 in {b}" and told["fault"]["command"] is None
    done = rawns("why", a, "[fd00::2]:80")
    assert done.returncode == 1 and "is bound to 0.0.0.0, and receives nothing for fd00::2" in done.stdout, done
    for wrong in (["--udp", a, b], [a, f"{b}:0"], [a, f"{b}:65536"], [a, "[fd00::2:80"], [a, f"{b}:http"]):
        done = rawns("why", *wrong)
        assert done.returncode == 2 and done.stderr.startswith("rawns why: ") and done.stderr.count("\n") == 1, done


def test_a_forwarded_port_of_a_namespace_is_followed(net: Net) -> None:
    """The packet is followed to where the translation sends it; what stops it there is named, and no remedy bypasses the NAT."""
    routed(net)
    net.settle()
    net["r"].net.nft.set_nat("ports", [Nat("ra", [], [Forward("tcp", 8080, "10.0.2.2", 80)])])
    a, r = net["a"], net["r"]
    found = why(a, r, port=8080)
    assert found.fault is not None and net.named(str(found)) == "nothing listens on TCP port 80 in b", str(found)
    serve(net, "b", "tcp", "10.0.2.2", "80")
    found = why(a, r, port=8080)
    assert found and found.hops == 2 and found.rtt is not None and found.target == "10.0.1.1", str(found)
    with a.entered(), socket.create_connection(("10.0.1.1", 8080), timeout=5):
        pass
    net["b"].net.delete_route("default")
    found = why(a, r, port=8080)
    assert found.fault is not None and "b has no route to 10.0.1.2" in net.named(str(found)), str(found)
    apply_remedy(net, found.fault.command)
    assert why(a, r, port=8080)
    r.setting("net.ipv4.ip_forward", 0)
    found = why(a, r, port=8080)
    assert found.fault is not None and "r is on the way to 10.0.2.2, but does not forward" in net.named(str(found)), str(found)
