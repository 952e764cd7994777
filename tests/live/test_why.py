"""`rawns why`: each fault that it knows is made, found, named and removed by the command that was printed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from ways import Net, bridged, pair, routed, run_remedy

from rawns import Diagnosis, why
from rawns.diagnose import proof
from rawns.uapi import AF_INET, AF_INET6

V4, V6 = AF_INET, AF_INET6


@pytest.fixture
def net(netns_name: Callable[[], str]) -> Iterator[Net]:
    with ExitStack() as stack:
        yield Net(stack, netns_name)


# Each: a network, what breaks it, the family, the check that finds it, and the sentence with namespaces by their letters.
Case = tuple[Callable[[Net], None], Callable[[Net], object], int, str, str]


def down(letter: str, link: str) -> Callable[[Net], object]:
    return lambda net: net[letter].net.set_link(link, up=False)


def gone(letter: str, link: str, address: str) -> Callable[[Net], object]:
    return lambda net: net[letter].net.delete_address(link, address)


def readdressed(letter: str, link: str, old: str, *new: str) -> Callable[[Net], object]:
    def do(net: Net) -> None:
        net[letter].net.delete_address(link, old)
        net.address(letter, link, *new)

    return do


def routeless(letter: str) -> Callable[[Net], object]:
    return lambda net: net[letter].net.delete_route("default", via="10.0.1.1" if letter == "a" else "10.0.2.1")


def sysctl(letter: str, name: str, value: int) -> Callable[[Net], object]:
    return lambda net: net.sysctl(letter, name, value)


def tool(letter: str, *commands: str) -> Callable[[Net], object]:
    return lambda net: [net.tool(letter, command) for command in commands]  # type: ignore[func-returns-value]


def together(*steps: Callable[[Net], object]) -> Callable[[Net], object]:
    return lambda net: [step(net) for step in steps]


def forgetful(net: Net) -> None:
    """Forget all neighbours."""
    for place in net.places.values():
        for one in place.net.neighbours():
            place.net.delete_neighbour(one.index, one.address)


def lied(letter: str, link: str, address: str) -> Callable[[Net], object]:
    return together(forgetful, lambda net: net[letter].net.add_neighbour(link, address, "02:00:00:00:00:99"))


def filtering(net: Net) -> None:
    bridged(net, IFLA_BR_VLAN_FILTERING=1)


def twin_port(net: Net) -> None:
    net["b"].net.set_link("v2", address=net["s"].net.link("pb").address)


def asymmetric(net: Net) -> None:
    """b answers by another port than that by which the packet came; its rp_filter is strict."""
    net.cable("b", "w1", "r", "w2")
    net.address("b", "w1", "10.0.9.1/24")
    net.address("r", "w2", "10.0.9.2/24")
    net["b"].net.add_route("10.0.1.0/24", via="10.0.9.2")
    net.sysctl("b", "ipv4/conf/v2/rp_filter", 1)


def circle(net: Net) -> None:
    """r sends what is for b back to q, from where it comes again."""
    net.cable("r", "rq", "q", "qr")
    net.address("r", "rq", "10.0.3.1/24")
    net.address("q", "qr", "10.0.3.2/24")
    net["q"].net.add_route("default", via="10.0.3.1")
    net.sysctl("q", "ipv4/ip_forward", 1)
    net["r"].net.add_route("10.0.2.2/32", via="10.0.3.2")


def chain(letter: str, family: str, hook: str, policy: str = "drop", *rules: str) -> Callable[[Net], object]:
    """A base chain of the real nft's."""
    body = "".join(f"add rule {family} t c {rule}; " for rule in rules)
    script = f"add table {family} t; add chain {family} t c {{ type filter hook {hook} priority 0; policy {policy}; }}; {body}"
    return tool(letter, f"nft '{script}'")


def slow(net: Net) -> None:
    """A spanning tree that still listens."""
    net["s"].net.set_link("pb", up=False)
    net.tool("s", "ip link set br0 type bridge stp_state 1 forward_delay 1500")
    net["s"].net.set_link("pb", up=True)


FAULTS: dict[str, Case] = {
    # ports, cables, addresses
    "own port down": (pair, down("a", "v1"), V4, "link up", "v1 in a is down, and 10.0.0.2 lies on its subnet"),
    "far port down": (pair, down("b", "v2"), V4, "carrier", "v1 in a has no carrier because its far end, v2 in b, is down"),
    "far port down, IPv6": (pair, down("b", "v2"), V6, "", r"v2 in b, is down|b has no IPv6 address|v2 in b is down"),
    "no address": (pair, gone("a", "v1", "10.0.0.1/24"), V4, "route", "a has no IPv4 address on v1"),
    "no address there": (pair, gone("b", "v2", "10.0.0.2/24"), V4, "address", "b has no IPv4 address on v2"),
    "no address, IPv6": (pair, gone("a", "v1", "fd00::1/64"), V6, "route", "a has no IPv6 address on v1"),
    "prefix too long": (
        pair,
        readdressed("a", "v1", "10.0.0.1/24", "10.0.0.1/32"),
        V4,
        "route",
        "10.0.0.2 (v2 in b) is directly connected to v1 in a, but outside of 10.0.0.1/32: the prefix length in b is 24",
    ),
    "prefix too long, IPv6": (
        pair,
        readdressed("a", "v1", "fd00::1/64", "fd00::1/128"),
        V6,
        "route",
        "fd00::2 (v2 in b) is directly connected to v1 in a, but outside of fd00::1/128: the prefix length in b is 64",
    ),
    "prefix too long there": (
        pair,
        readdressed("b", "v2", "10.0.0.2/24", "10.0.0.2/32"),
        V4,
        "route",
        "10.0.0.1 (v1 in a) is directly connected to v2 in b, but outside of 10.0.0.2/32: the prefix length in a is 24",
    ),
    "two subnets": (
        pair,
        readdressed("b", "v2", "10.0.0.2/24", "10.7.0.2/24"),
        V4,
        "route",
        "10.7.0.2 (v2 in b) is directly connected to v1 in a, but outside of 10.0.0.1/24: one cable, two subnets",
    ),
    "one address twice": (
        pair,
        readdressed("b", "v2", "10.0.0.2/24", "10.0.0.1/24"),
        V4,
        "not to itself",
        "10.0.0.1 is on v1 in a too, so a keeps packets to it",
    ),
    "the sender's address there too": (
        pair,
        lambda net: net.address("b", "v2", "10.0.0.1/32"),
        V4,
        "source foreign",
        "v2 in b has 10.0.0.1 too, the source address of the packet, and therefore drops the packet",
    ),
    "out of the local table": (
        pair,
        together(tool("b", "ip route del local 10.0.0.2 dev v2 table local"), forgetful),
        V4,
        "address local",
        "10.0.0.2 is on v2 in b, but the local table of b does not have it",
    ),
    "ARP off": (pair, tool("a", "ip link set v1 arp off"), V4, "ARP on", "ARP is switched off on v1 in a"),
    "ARP off there": (
        pair,
        together(tool("b", "ip link set v2 arp off"), forgetful),
        V4,
        "ARP on",
        "ARP is switched off on v2 in b",
    ),
    "no ARP answers": (
        pair,
        together(sysctl("b", "ipv4/conf/v2/arp_ignore", 8), forgetful),
        V4,
        "ARP answered",
        "v2 in b answers no ARP requests: arp_ignore is 8",
    ),
    "a wrong neighbour": (
        pair,
        lied("a", "v1", "10.0.0.2"),
        V4,
        "neighbour",
        "a has a permanent neighbour entry that 10.0.0.2 is at 02:00:00:00:00:99, but v2 in b is at",
    ),
    "a wrong neighbour, IPv6": (
        pair,
        lied("b", "v2", "fd00::1"),
        V6,
        "neighbour",
        "b has a permanent neighbour entry that fd00::1 is at 02:00:00:00:00:99, but v1 in a is at",
    ),
    "IPv6 off": (pair, sysctl("a", "ipv6/conf/v1/disable_ipv6", 1), V6, "route", "IPv6 is switched off on v1 in a"),
    "IPv6 off there": (pair, sysctl("b", "ipv6/conf/v2/disable_ipv6", 1), V6, "address", "IPv6 is switched off on v2 in b"),
    "MTU": (
        pair,
        lambda net: net["b"].net.set_link("v2", mtu=1300),
        V4,
        "MTU",
        "small packets come through, those of 1500 bytes do not: the MTU of v2 in b is 1300",
    ),
    "no echo": (
        pair,
        sysctl("b", "ipv4/icmp_echo_ignore_all", 1),
        V4,
        "echo",
        "b receives the packet, but answers no echo",
    ),
    "no echo, IPv6": (
        pair,
        sysctl("b", "ipv6/icmp/echo_ignore_all", 1),
        V6,
        "echo",
        "b receives the packet, but answers no echo",
    ),
    # routes
    "blackhole": (
        pair,
        tool("a", "ip route add blackhole 10.0.0.2/32"),
        V4,
        "route",
        "a has the route `blackhole 10.0.0.2/32`, which refuses packets to 10.0.0.2",
    ),
    "unreachable": (
        pair,
        tool("a", "ip route add unreachable 10.0.0.2"),
        V4,
        "route",
        "a has the route `unreachable 10.0.0.2/32`",
    ),
    "prohibit": (pair, tool("a", "ip route add prohibit 10.0.0.2"), V4, "route", "a has the route `prohibit 10.0.0.2/32`"),
    "blackhole, IPv6": (
        pair,
        tool("a", "ip -6 route add blackhole fd00::2/128"),
        V6,
        "route",
        "a has the route `blackhole fd00::2/128`",
    ),
    "unreachable back": (
        pair,
        tool("b", "ip route add unreachable 10.0.0.1"),
        V4,
        "route",
        "b has the route `unreachable 10.0.0.1/32`",
    ),
    "a dummy": (
        pair,
        tool("a", "ip link add d0 type dummy", "ip link set d0 up", "ip route add 10.0.0.2/32 dev d0"),
        V4,
        "leads somewhere",
        "the route `10.0.0.2/32` of a leads to d0, a dummy device, which discards packets",
    ),
    "a policy rule": (
        pair,
        tool("a", "ip rule add pref 50 to 10.0.0.2 unreachable"),
        V4,
        "route",
        "the policy rule `50: from all to 10.0.0.2/32 unreachable` in a refuses packets to 10.0.0.2",
    ),
    "no default route": (routed, routeless("a"), V4, "route", "a has no route to 10.0.2.2, not even a default route"),
    "no default route, IPv6": (
        routed,
        lambda net: net["a"].net.delete_route("default", via="fd01::1"),
        V6,
        "route",
        "a has no route to fd02::2, not even a default route",
    ),
    "no way back": (routed, routeless("b"), V4, "route", "b has no route to 10.0.1.2, not even a default route"),
    "a gateway that is nobody": (
        routed,
        together(routeless("a"), lambda net: net["a"].net.add_route("default", via="10.0.1.77")),
        V4,
        "next hop exists",
        "no host that v1 in a leads to has 10.0.1.77, the gateway of the route to 10.0.2.2",
    ),
    "a circle": (
        routed,
        circle,
        V4,
        "no circle",
        "packets to 10.0.2.2 go round in circles: q to r to q; wrong is the route `10.0.2.2/32",
    ),
    # the router
    "no forwarding": (
        routed,
        sysctl("r", "ipv4/ip_forward", 0),
        V4,
        "forwarding",
        "r is on the way to 10.0.2.2, but does not forward IPv4 packets that come in by ra",
    ),
    "no forwarding by one port": (
        routed,
        sysctl("r", "ipv4/conf/ra/forwarding", 0),
        V4,
        "forwarding",
        "r is on the way to 10.0.2.2, but does not forward IPv4 packets that come in by ra",
    ),
    "no forwarding back": (
        routed,
        sysctl("r", "ipv4/conf/rb/forwarding", 0),
        V4,
        "forwarding",
        "r is on the way to 10.0.1.2, but does not forward IPv4 packets that come in by rb",
    ),
    "no forwarding, IPv6": (
        routed,
        sysctl("r", "ipv6/conf/all/forwarding", 0),
        V6,
        "forwarding",
        "r is on the way to fd02::2, but does not forward IPv6 packets that come in by ra",
    ),
    "rp_filter": (
        routed,
        asymmetric,
        V4,
        "rp_filter",
        "b drops packets from 10.0.1.2 that come in by v2: rp_filter is 1, and the route back to 10.0.1.2 leads by w1",
    ),
    "the router's port down": (routed, down("r", "rb"), V4, "", "rb in r"),
    "the router's first port down": (
        routed,
        down("r", "ra"),
        V4,
        "carrier",
        "v1 in a has no carrier because its far end, ra in r, is down",
    ),
    # the bridge
    "the bridge down": (bridged, down("s", "br0"), V4, "bridge up", "the bridge br0 in s is down"),
    "a bridge port down": (bridged, down("s", "pb"), V4, "bridge ports up", "the bridge port pb in s is down"),
    "a cable beyond the bridge": (
        bridged,
        down("b", "v2"),
        V4,
        "bridge ports up",
        "pb in s has no carrier because its far end, v2 in b, is down",
    ),
    "out of the bridge": (
        bridged,
        lambda net: net["s"].net.set_link("pb", master=0),
        V4,
        "next hop exists",
        "pb in s, where the cable of v2 in b ends, is not a port of the bridge br0",
    ),
    "a port switched off": (
        bridged,
        tool("s", "bridge link set dev pb state 0"),
        V4,
        "bridge port state",
        "the bridge port pb in s is disabled, not forwarding",
    ),
    "a spanning tree that listens": (
        bridged,
        slow,
        V4,
        "bridge port state",
        "the bridge port pb in s is listening, not forwarding: br0 runs",
    ),
    "isolated ports": (
        bridged,
        tool("s", "bridge link set dev pa isolated on", "bridge link set dev pb isolated on"),
        V4,
        "bridge port isolation",
        "pa and pb, ports of one bridge in s, are both isolated",
    ),
    "another VLAN": (
        filtering,
        tool("s", "bridge vlan del dev pb vid 1", "bridge vlan add dev pb vid 7 pvid untagged"),
        V4,
        "VLAN",
        "pa in s puts what it takes in into VLAN 1, which pb, which is in VLAN 7, does not carry",
    ),
    "no VLAN": (
        filtering,
        tool("s", "bridge vlan del dev pa vid 1"),
        V4,
        "VLAN",
        "pa in s does not take what bears no tag into the bridge br0",
    ),
    "a port's link-layer address": (
        bridged,
        twin_port,
        V4,
        "link-layer addresses",
        "v2 in b and pb in s have the same link-layer address",
    ),
    # nf_tables
    "output": (
        pair,
        chain("a", "ip", "output"),
        V4,
        "filter",
        "the nf_tables chain ip t c in a drops the packet by its policy",
    ),
    "input": (
        pair,
        chain("b", "inet", "input"),
        V6,
        "resolution passes filters",
        "the nf_tables chain inet t c in b drops the packet by its policy",
    ),
    "forward": (
        routed,
        chain("r", "ip", "forward"),
        V4,
        "filter",
        "the nf_tables chain ip t c in r drops the packet by its policy",
    ),
    "a blanket rule": (
        routed,
        chain("r", "inet", "forward", "accept", "counter drop"),
        V4,
        "filter",
        "the nf_tables chain inet t c in r drops the packet by its rule `counter drop`",
    ),
    "a rule for others": (
        routed,
        chain("r", "ip", "forward", "drop", "tcp dport 80 accept", "ip saddr 10.0.1.3 accept"),
        V4,
        "filter",
        "the nf_tables chain ip t c in r drops the packet by its policy",
    ),
    "a rule that rejects": (
        routed,
        chain("r", "ip", "forward", "accept", "ip daddr 10.0.2.0/24 icmp type echo-request reject"),
        V4,
        "filter",
        "the nf_tables chain ip t c in r rejects the packet by its rule `ip daddr 10.0.2.0/24 ",
    ),
    "a rule for one direction": (
        routed,
        chain("r", "ip", "forward", "drop", 'iifname "ra" accept'),
        V4,
        "filter",
        "the nf_tables chain ip t c in r drops the packet by its policy",
    ),
    "a rule that may": (
        routed,
        chain("r", "ip", "forward", "accept", "ip saddr { 10.0.1.2, 10.0.1.3 } drop"),
        V4,
        "answer",
        "checks hold, yet no answer came: the nf_tables chain ip t c in r may drop it by a rule",
    ),
    "a rule that might help": (
        routed,
        chain("r", "ip", "forward", "drop", "ip saddr { 10.9.1.2, 10.9.1.3 } accept"),
        V4,
        "answer",
        "the nf_tables chain ip t c in r drops it, unless a rule of it decides otherwise",
    ),
    "neighbour discovery": (
        pair,
        together(forgetful, chain("b", "ip6", "input", "accept", "icmpv6 type nd-neighbor-solicit drop")),
        V6,
        "resolution passes filters",
        "drop`, a question or an answer of address resolution",
    ),
    "the answer is not let in": (
        pair,
        chain("a", "ip", "input"),
        V4,
        "filter",
        "the nf_tables chain ip t c in a drops the packet by its policy",
    ),
    "the bridge's own": (
        bridged,
        chain("s", "bridge", "forward"),
        V4,
        "bridge filter",
        "the nf_tables chain bridge t c in s drops the packet by its policy",
    ),
    "br_netfilter": (
        bridged,
        together(sysctl("s", "bridge/bridge-nf-call-iptables", 1), chain("s", "ip", "forward")),
        V4,
        "bridge filter",
        "drops the packet by its policy (br_netfilter passes it what br0 forwards)",
    ),
}


def unanswered(net: Net, family: int) -> Diagnosis:
    """The found over a network broken on purpose: no answer comes, however long one waits for it."""
    with pytest.MonkeyPatch.context() as impatient:
        for patience in ("ANSWER_SECONDS", "REFUTATION_SECONDS", "LARGE_ANSWER_SECONDS"):
            impatient.setattr(proof, patience, 0.05)
        return why(net["a"], net["b"], family)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_named_and_removed(name: str, net: Net) -> None:
    build, broken, family, check, sentence = FAULTS[name]
    build(net)
    net.settle()
    whole = why(net["a"], net["b"], family)
    assert whole and whole.refuted is None, str(whole)
    broken(net)
    found = unanswered(net, family)
    assert found.fault is not None, f"not found: {found}"
    said = net.named(str(found))
    assert sentence in said or re.search(sentence, said), said
    assert check in ("", found.fault.check), repr(found.fault)
    faults = [found.fault]
    while not found and len(faults) <= 3:  # IPv6 switched on again has lost its addresses: a fault may hide another
        assert found.fault is not None
        run_remedy(found.fault.command)
        net.settle()
        found = why(net["a"], net["b"], family)
        assert str(found.fault) not in map(str, faults), f"{faults[-1].command} did not run_remedy it: {found}"
        faults += [found.fault] if found.fault is not None else []
    assert found and found.rtt is not None and found.rtt > 0, net.named(str(found))


@pytest.mark.parametrize("build", [pair, bridged, routed, filtering])
@pytest.mark.parametrize("family", [V4, V6])
def test_networks_without_a_fault(build: Callable[[Net], None], family: int, net: Net) -> None:
    build(net)
    net.settle()
    found = why(net["a"], net["b"], family)
    assert found and found.fault is None and found.refuted is None, str(found)
    assert found.hops == (2 if build is routed else 1)
    assert all(step.fault is None for step in found.checks) and len(found.checks) > 20
    shown = rf"a reaches b \({found.target}\) in [0-9.]+ ms: {len(found.checks)} checks, {found.hops} hops?"
    assert re.fullmatch(shown, net.named(str(found)))
