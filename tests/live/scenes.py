"""Scenes for `rawns why`: small networks in which one thing is broken by the programs that people use, and healthy unusual ones.

Faults that `rawns learn break` makes are not here, but in `rawns.learn.faults`; `test_learn` tries them.

Each command is ``LETTER: COMMAND``, run inside that namespace. ``{a.v1}`` is the link-layer address of v1 in a.
"""

# ruff: noqa: E501 (a table: one row a scene)

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from ways import Net, bridged, pair, routed

from rawns.uapi import AF_INET, AF_INET6

V4, V6 = AF_INET, AF_INET6
SERVER = (
    "import socket,sys\n"
    "f=socket.AF_INET6 if ':' in sys.argv[2] else socket.AF_INET\n"
    "s=socket.socket(f,socket.SOCK_STREAM if sys.argv[1]=='tcp' else socket.SOCK_DGRAM)\n"
    "s.bind((sys.argv[2],int(sys.argv[3])))\n"
    "sys.argv[1]=='tcp' and s.listen(16)\n"
    "print('ready',flush=True)\n"
    "sys.stdin.read()\n"
)


class Scene:
    """A network, the commands that break it, what the first sentence of `why` must say, and whether a remedy is expected."""

    def __init__(
        self,
        build: Callable[[Net], None],
        commands: list[str],
        says: str,
        *,
        family: int = V4,
        target: str = "",
        origin: str = "a",
        port: int | None = None,
        protocol: str | None = None,
        remedy: bool = True,
        silent: bool = True,
    ) -> None:
        self.build, self.commands, self.says, self.family, self.target = build, commands, says, family, target
        self.origin, self.port, self.protocol, self.remedy = origin, port, protocol, remedy
        self.silent = silent  # whether the real ping gets no answer, either


def perform(net: Net, commands: list[str]) -> None:
    """Run commands inside namespaces."""
    for command in commands:
        letter, _, words = command.partition(": ")
        if words.startswith("serve "):
            serve(net, letter, *words.split()[1:])
            continue
        words = re.sub(r"\{(\w+)\.(\w+)\}", lambda found: str(net[found[1]].net.link(found[2]).address), words)
        if words.startswith("sysctl "):
            name, value = words.split(" ", 1)[1].split("=")
            net.sysctl(letter, name, value)
        else:
            net.tool(letter, words)


def serve(net: Net, letter: str, protocol: str, address: str, port: str) -> None:
    """Start a server that accepts and says nothing; it ends with the test."""
    process = net[letter].popen(
        [sys.executable, "-I", "-S", "-c", SERVER, protocol, address, port], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    net.stack.callback(stop, process)
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server that was started here."""
    process.communicate()


def forget(net: Net) -> None:
    """Flush all neighbour entries that are not permanent."""
    for place in net.places.values():
        for one in place.net.neighbours():
            if not one.state & 0x80:
                place.net.delete_neighbour(one.index, one.address)


# -- networks ---------------------------------------------------------------------------------------------------------------


def star(net: Net) -> None:
    """a, b and c on br0 in s"""
    bridged(net)
    net.cable("s", "pc", "c", "v3", master="br0")
    net.address("c", "v3", "10.0.0.3/24", "fd00::3/64")


def two_routers(net: Net) -> None:
    """a v1 === ra r rq === qr q qb === v2 b"""
    net.cable("a", "v1", "r", "ra")
    net.cable("r", "rq", "q", "qr")
    net.cable("q", "qb", "b", "v2")
    for letter, link, *addresses in (
        ("a", "v1", "10.0.1.2/24", "fd01::2/64"),
        ("r", "ra", "10.0.1.1/24", "fd01::1/64"),
        ("r", "rq", "10.0.3.1/24", "fd03::1/64"),
        ("q", "qr", "10.0.3.2/24", "fd03::2/64"),
        ("q", "qb", "10.0.2.1/24", "fd02::1/64"),
        ("b", "v2", "10.0.2.2/24", "fd02::2/64"),
    ):
        net.address(letter, link, *addresses)
    for letter, gateway, gateway6 in (("a", "10.0.1.1", "fd01::1"), ("b", "10.0.2.1", "fd02::1")):
        net[letter].net.add_route("default", via=gateway)
        net[letter].net.add_route("default", via=gateway6)
    net["r"].net.add_route("10.0.2.0/24", via="10.0.3.2")
    net["q"].net.add_route("10.0.1.0/24", via="10.0.3.1")
    net["r"].net.add_route("fd02::/64", via="fd03::2")
    net["q"].net.add_route("fd01::/64", via="fd03::1")
    for letter in ("r", "q"):
        net.sysctl(letter, "ipv4/ip_forward", 1)
        net.sysctl(letter, "ipv6/conf/all/forwarding", 1)


def two_ways(net: Net) -> None:
    """a and b, each with two cables: to r, and to q; both routers lead to the other side"""
    for letter, one, other in (("r", "10.0.1", "10.0.2"), ("q", "10.0.5", "10.0.6")):
        net.cable("a", f"a{letter}", letter, "left")
        net.cable("b", f"b{letter}", letter, "right")
        net.address("a", f"a{letter}", f"{one}.2/24")
        net.address("b", f"b{letter}", f"{other}.2/24")
        net.address(letter, "left", f"{one}.1/24")
        net.address(letter, "right", f"{other}.1/24")
        net.sysctl(letter, "ipv4/ip_forward", 1)
    net["a"].net.add_route("10.0.2.0/24", via="10.0.1.1")
    net["a"].net.add_route("10.0.6.0/24", via="10.0.5.1")
    net["b"].net.add_route("10.0.1.0/24", via="10.0.2.1")
    net["b"].net.add_route("10.0.5.0/24", via="10.0.6.1")


def vxlan(net: Net) -> None:
    """a and b on a VXLAN over a cable between them"""
    pair(net)
    for letter, remote, inner in (("a", "10.0.0.2", "10.9.0.1/24"), ("b", "10.0.0.1", "10.9.0.2/24")):
        perform(net, [f"{letter}: ip link add vx up type vxlan id 42 remote {remote} dstport 4789"])
        net.address(letter, "vx", inner)


def vxlan_bare(net: Net) -> None:
    """as `vxlan`, but with entries of the forwarding database instead of a remote"""
    pair(net)
    for letter, remote, inner in (("a", "10.0.0.2", "10.9.0.1/24"), ("b", "10.0.0.1", "10.9.0.2/24")):
        perform(net, [f"{letter}: ip link add vx up type vxlan id 42 dstport 4789"])
        perform(net, [f"{letter}: bridge fdb append 00:00:00:00:00:00 dev vx dst {remote}"])
        net.address(letter, "vx", inner)


def macvlan(net: Net) -> None:
    """a and b on macvlans of l0 in s"""
    net.cable("s", "l0", "s", "l1")
    for letter, link, address in (("a", "v1", "10.0.0.1/24"), ("b", "v2", "10.0.0.2/24")):
        perform(net, [f"s: ip link add {link} link l0 type macvlan mode bridge"])
        net["s"].net.set_link(link, netns=net[letter])
        net.address(letter, link, address)
        net[letter].net.set_link(link, up=True)


def two_bridges(net: Net) -> None:
    """a === br0 in s === br0 in t === b"""
    for letter in ("s", "t"):
        net[letter].net.add_bridge("br0", up=True)
    net.cable("s", "pa", "a", "v1", master="br0")
    net.cable("t", "pb", "b", "v2", master="br0")
    net.cable("s", "st", "t", "ts", master="br0")
    net["t"].net.set_link("ts", master="br0")
    net.address("a", "v1", "10.0.0.1/24")
    net.address("b", "v2", "10.0.0.2/24")


def shared_subnet(net: Net) -> None:
    """as `routed`, and c on another cable of r, with addresses of b's subnet on both"""
    routed(net)
    net.cable("c", "v3", "r", "rc")
    net.address("r", "rc", "10.0.2.254/24")
    net.address("c", "v3", "10.0.2.9/24")


def address_on_a_port(net: Net) -> None:
    """as `pair`, but v1 is made a port of a bridge and keeps its address"""
    pair(net)
    perform(net, ["a: ip link add br0 type bridge", "a: ip link set br0 up", "a: ip link set v1 master br0"])


def vxlan_routed(net: Net) -> None:
    """a and b on a VXLAN over the router of `routed`"""
    routed(net)
    for letter, remote, inner in (("a", "10.0.2.2", "10.9.0.1/24"), ("b", "10.0.1.2", "10.9.0.2/24")):
        perform(net, [f"{letter}: ip link add vx up type vxlan id 42 remote {remote} dstport 4789"])
        net.address(letter, "vx", inner)


def doubled_bridges(net: Net) -> None:
    """as `two_bridges`, with a second cable between the bridges and no spanning tree"""
    two_bridges(net)
    for letter in "stab":
        net.sysctl(letter, "ipv6/conf/all/disable_ipv6", 1)
    net.cable("s", "st2", "t", "ts2", master="br0")
    net["t"].net.set_link("ts2", master="br0")


def nft(
    letter: str, family: str, hook: str, *rules: str, policy: str = "accept", kind: str = "filter", priority: int = 0
) -> list[str]:
    """The commands that make a base chain with rules."""
    hook, _, device = hook.partition(" ")
    where = f"{hook} device {device}" if device else hook
    lines = [
        f"add table {family} t",
        f"add chain {family} t c {{ type {kind} hook {where} priority {priority}; policy {policy}; }}",
    ]
    lines += [f"add rule {family} t c {rule}" for rule in rules]
    return [f"{letter}: nft '{'; '.join(lines)}'"]


# -- faults -----------------------------------------------------------------------------------------------------------------

TUNNEL: dict[str, Any] = {"target": "10.9.0.2"}
TRACKING = (
    "r: nft 'add table ip u; add chain ip u c { type filter hook forward priority 9; }; add rule ip u c ct state new accept'"
)

SCENES: dict[str, Scene] = {
    # routing policy
    "rules flushed": Scene(pair, ["a: ip rule flush"], "no policy rule leads to that table"),
    "no rule for the table local in a": Scene(
        pair, ["a: ip rule del pref 0"], "^a has no policy rule that leads to its table local"
    ),
    "no rule for the table local in b": Scene(
        pair, ["b: ip rule del pref 0"], "^b has no policy rule that leads to its table local"
    ),
    "both ends have whole addresses, and one no route": Scene(
        pair,
        [
            "a: ip addr flush dev v1",
            "b: ip addr flush dev v2",
            "a: ip addr add 10.0.0.1/32 dev v1",
            "b: ip addr add 10.0.0.2/32 dev v2",
        ],
        "directly connected to v1 in a, but outside of 10.0.0.1/32",
    ),
    "an address of the sender that the receiver lacks": Scene(
        pair, ["a: ip addr add 10.0.0.2/32 dev lo", "b: ip addr flush dev v2"], "b has no IPv4 address on v2", silent=False
    ),
    "rules flushed in b": Scene(pair, ["b: ip rule flush"], "^b has a route .* no policy rule"),
    "rules flushed in the router": Scene(routed, ["r: ip rule flush"], "^r has a route .* no policy rule"),
    "a rule for the source, wrong table": Scene(
        routed,
        ["r: ip route add default via 10.0.1.2 table 66", "r: ip rule add from 10.0.1.0/24 table 66"],
        "policy rule `32765: from 10.0.1.0/24 lookup 66` in r",
    ),
    "a rule for the input": Scene(
        routed, ["r: ip rule add iif ra blackhole"], "policy rule `32765: from all iif ra blackhole` in r"
    ),
    "a rule for the answer": Scene(
        routed, ["b: ip rule add from 10.0.2.2 unreachable"], "policy rule .* from 10.0.2.2/32 unreachable` in b"
    ),
    "a rule that suppresses": Scene(
        pair,
        ["a: ip rule del pref 32766", "a: ip rule add pref 32766 table main suppress_prefixlength 24"],
        "suppresses the route `10.0.0.0/24`",
    ),
    "a rule that jumps": Scene(
        pair, ["a: ip rule add pref 100 goto 200", "a: ip rule add pref 200 prohibit"], "policy rule `200: from all prohibit`"
    ),
    "a rule for one protocol": Scene(
        routed,
        ["b: serve tcp 0.0.0.0 80", "r: ip route add blackhole default table 9", "r: ip rule add ipproto tcp table 9"],
        "blackhole default table 9.*policy rule `32765: from all ipproto 6 lookup 9`",
        port=80,
        silent=False,
    ),
    "a rule for the answer's port": Scene(
        routed,
        ["b: serve tcp 0.0.0.0 80", "b: ip rule add sport 80 ipproto tcp prohibit"],
        "sport 80 prohibit` in b",
        port=80,
        silent=False,
    ),
    "a rule inverted": Scene(pair, ["a: ip rule add not to 10.7.0.0/24 unreachable"], "policy rule .* in a refuses"),
    "a rule, IPv6": Scene(routed, ["r: ip -6 rule add from fd01::/64 blackhole"], "policy rule .* in r refuses", family=V6),
    "a mark set on output": Scene(
        pair,
        [*nft("a", "ip", "output", "meta mark set 7", kind="route"), "a: ip rule add fwmark 7 blackhole"],
        "policy rule .* fwmark 0x7 blackhole` in a",
    ),
    "a mark set on forwarding": Scene(
        routed,
        [*nft("r", "ip", "prerouting", "iifname ra meta mark set 9"), "r: ip rule add fwmark 9 unreachable"],
        "policy rule .* fwmark 0x9 unreachable` in r",
    ),
    "a rule for TCP": Scene(
        pair,
        ["b: serve tcp 10.0.0.2 80", "a: ip rule add ipproto tcp dport 80 prohibit"],
        "policy rule .* in a refuses",
        port=80,
        silent=False,
    ),
    # routes
    "an address of the subnet on lo": Scene(
        pair, ["a: ip addr add 10.0.0.5/24 dev lo"], "address 10.0.0.5/24 on lo, which makes", silent=False
    ),
    "a local route": Scene(pair, ["a: ip route add local 10.0.0.2/31 dev lo"], "local 10.0.0.2/31", silent=False),
    "no route for the subnet": Scene(pair, ["a: ip route del 10.0.0.0/24"], "no route to 10.0.0.0/24, its subnet"),
    "no route for the subnet in b": Scene(pair, ["b: ip route del 10.0.0.0/24"], "^b has 10.0.0.2/24 on v2, but no route"),
    "no route for the subnet, IPv6": Scene(pair, ["a: ip -6 route del fd00::/64"], "no route to fd00::/64", family=V6),
    "a dead hop of two": Scene(
        routed,
        ["a: ip route replace default nexthop via 10.0.1.1 nexthop via 10.0.1.99"],
        "multipath route `default` in a has a next hop that does not exist: 10.0.1.99",
        silent=False,
    ),
    "a loop at the router": Scene(
        routed,
        ["r: ip route add 10.0.2.2/32 via 10.0.1.2", "a: sysctl ipv4/ip_forward=1"],
        "route `10.0.2.2/32 via 10.0.1.2` in r",
    ),
    "a loop instead of the subnet": Scene(
        routed,
        ["r: ip route del 10.0.2.0/24", "r: ip route add 10.0.2.0/24 via 10.0.1.2", "a: sysctl ipv4/ip_forward=1"],
        "10.0.2.0/24 via 10.0.1.2` in r",
    ),
    "a loop of two routers": Scene(
        two_routers, ["q: ip route add 10.0.2.2 via 10.0.3.1"], "route `10.0.2.2/32 via 10.0.3.1` in q"
    ),
    "a loop for the answer": Scene(
        two_routers, ["r: ip route add 10.0.1.2 via 10.0.3.2"], "route `10.0.1.2/32 via 10.0.3.2` in r"
    ),
    "a loop, IPv6": Scene(
        two_routers, ["q: ip -6 route add fd02::2 via fd03::1"], "route `fd02::2/128 via fd03::1` in q", family=V6
    ),
    "no route in the middle": Scene(two_routers, ["r: ip route del 10.0.2.0/24"], "^r has no route to 10.0.2.2"),
    "no route back in the middle": Scene(two_routers, ["q: ip route del 10.0.1.0/24"], "^q has no route to 10.0.1.2"),
    "a wrong gateway in the middle": Scene(
        two_routers, ["r: ip route replace 10.0.2.0/24 via 10.0.3.77"], "10.0.3.77, the gateway of the route to 10.0.2.2"
    ),
    "a route by a wrong link": Scene(two_ways, ["a: ip route add 10.0.2.2 dev aq"], "10.0.2.2", target="10.0.2.2"),
    "a default route by a wrong router": Scene(
        two_ways, ["a: ip route del 10.0.2.0/24", "a: ip route add 10.0.2.0/24 via 10.0.5.1"], "q .*10.0.2.2", target="10.0.2.2"
    ),
    "a source that the router does not know": Scene(
        routed, ["a: ip addr add 10.8.0.1/32 dev lo", "a: ip route replace default via 10.0.1.1 src 10.8.0.1"], "10.8.0.1"
    ),
    "an address without its route": Scene(
        pair, ["a: ip addr flush dev v1", "a: ip addr add 10.0.0.1/24 dev v1 noprefixroute"], "no route to 10.0.0.0/24"
    ),
    "a rule for everything": Scene(
        routed,
        ["a: ip route add default dev v1 table 100", "a: ip rule add pref 10 table 100"],
        "wrong is the policy rule `10: from all lookup 100` in a",
    ),
    "one subnet on two links": Scene(
        shared_subnet,
        ["r: ip route del 10.0.2.0/24 dev rb", "r: ip route append 10.0.2.0/24 dev rb metric 50"],
        "wrong is the route `10.0.2.0/24` in r",
    ),
    "the better of two default routes": Scene(
        routed,
        [
            "a: ip route replace default via 10.0.1.77 metric 10",
            "a: ip route del default metric 0",
            "a: ip route add default via 10.0.1.1 metric 20",
        ],
        "10.0.1.77, the gateway .* wrong is the route `default via 10.0.1.77`",
    ),
    "a blackhole nexthop": Scene(
        pair, ["a: ip nexthop add id 1 blackhole", "a: ip route add 10.0.0.2 nhid 1"], "blackhole 10.0.0.2/32"
    ),
    "a nexthop group": Scene(
        routed,
        [
            "a: ip nexthop add id 1 via 10.0.1.1 dev v1",
            "a: ip nexthop add id 2 via 10.0.1.88 dev v1",
            "a: ip nexthop add id 3 group 1/2",
            "a: ip route replace default nhid 3",
        ],
        "multipath route `default` in a has a next hop that does not exist: 10.0.1.88",
        silent=False,
    ),
    "a rule for the sender": Scene(
        pair, ["a: ip rule add from 10.0.0.1 unreachable"], "policy rule .* from 10.0.0.1/32 unreachable` in a"
    ),
    "a rule for the sender, TCP": Scene(
        pair, ["b: serve tcp 0.0.0.0 80", "a: ip rule add from 10.0.0.1 unreachable"], "policy rule .* in a refuses", port=80
    ),
    "a router without an address": Scene(
        routed, ["r: ip addr flush dev rb"], "rb in r, to which v2 in b is connected, has no IPv4 address"
    ),
    "b in another subnet": Scene(
        routed, ["b: ip addr flush dev v2", "b: ip addr add 10.0.22.2/24 dev v2"], "outside of 10.0.2.1/24"
    ),
    "no route back for rp_filter": Scene(
        routed,
        ["r: ip route del 10.0.1.0/24", "r: sysctl ipv4/conf/all/rp_filter=2"],
        "^r drops packets from 10.0.1.2: rp_filter is 2, and it has no route back",
    ),
    # targets
    "a broadcast address": Scene(pair, [], "^10.0.0.255 is a broadcast address", target="10.0.0.255", remedy=False),
    "a network address": Scene(pair, [], "^10.0.0.0 is the network address of 10.0.0.0/24", target="10.0.0.0", remedy=False),
    "a multicast address": Scene(pair, [], "^224.0.0.1 is a multicast address", target="224.0.0.1", remedy=False),
    "an IPv6 multicast address": Scene(pair, [], "^ff02::1 is a multicast address", target="ff02::1", family=V6, remedy=False),
    "the limited broadcast": Scene(pair, [], "^255.255.255.255 is the limited broadcast", target="255.255.255.255", remedy=False),
    "an address that nobody has": Scene(
        star, [], "no host that v1 in a leads to has the address 10.0.0.77", target="10.0.0.77", remedy=False
    ),
    # links
    "an MTU too small for IPv6": Scene(pair, ["a: ip link set v1 mtu 1000"], "the MTU of v1 in a is 1000; IPv6 needs", family=V6),
    "an MTU too small for IPv6 in b": Scene(
        pair, ["b: ip link set v2 mtu 1000"], "the MTU of v2 in b is 1000; IPv6 needs", family=V6
    ),
    "carrier off": Scene(pair, ["a: ip link set v1 carrier off"], "v1 in a has no carrier|v2 in b"),
    "an address removed": Scene(pair, ["b: ip addr flush dev v2"], "b has no IPv4 address"),
    "lo down": Scene(pair, ["a: ip addr add 10.1.1.1/32 dev lo", "a: ip link set lo down"], "lo in a is down", target="10.1.1.1"),
    "an MTU too small for an echo": Scene(pair, ["a: ip link set v1 mtu 68"], "the MTU of v1 in a is 68, too small"),
    # neighbours and twins
    "another host has the address": Scene(star, ["c: ip addr add 10.0.0.2/24 dev v3"], "v2 in b and on v3 in c", silent=False),
    "another host with a default route has the address": Scene(
        star,
        ["c: ip addr flush dev v3", "c: ip addr add 10.0.0.2/24 dev v3", "c: ip route add default via 10.0.0.1"],
        "v2 in b and on v3 in c",
        silent=False,
    ),
    "two routers that point at each other": Scene(
        two_routers,
        ["r: ip route add default via 10.0.3.2", "q: ip route add default via 10.0.3.1"],
        "192.0.2.1 go round in circles: ",
        target="192.0.2.1",
        remedy=False,
    ),
    "another host answers for a dead one": Scene(
        star, ["c: ip addr add 10.0.0.2/24 dev v3", "b: ip link set v2 down"], "v2 in b", silent=False
    ),
    "another router has the gateway's address": Scene(routed, ["s: true"], "no", remedy=False),
    "a static entry in the router": Scene(
        routed,
        ["r: ip neigh replace 10.0.2.2 lladdr 02:00:00:00:00:01 dev rb nud permanent"],
        "^r has a permanent neighbour entry",
    ),
    "arp_ignore 1, address elsewhere": Scene(
        pair,
        ["b: ip addr add 10.0.0.9/32 dev lo", "b: sysctl ipv4/conf/all/arp_ignore=1"],
        "answers no ARP requests for 10.0.0.9: arp_ignore is 1",
        target="10.0.0.9",
    ),
    # settings
    "rp_filter in b": Scene(
        two_ways,
        ["b: ip route replace 10.0.1.0/24 via 10.0.6.1", "b: sysctl ipv4/conf/br/rp_filter=1"],
        "^b drops packets from 10.0.1.2 that come in by br: rp_filter is 1",
        target="10.0.2.2",
    ),
    "hop limit": Scene(routed, ["a: sysctl ipv6/conf/v1/hop_limit=1"], "time to live of 1", family=V6),
    "time to live, two routers": Scene(two_routers, ["a: sysctl ipv4/ip_default_ttl=2"], "[Tt]ime to live", remedy=False),
    "IPv6 off": Scene(
        routed, ["r: sysctl ipv6/conf/rb/disable_ipv6=1"], "IPv6 is switched off on rb in r|rb in r", family=V6, remedy=False
    ),
    # filters
    "forward, by a set": Scene(routed, nft("r", "ip", "forward", "ip saddr { 10.0.1.2, 10.0.1.9 } drop"), "ip t c in r"),
    "forward, reject": Scene(routed, nft("r", "ip", "forward", "reject"), "ip t c in r rejects"),
    "raw prerouting": Scene(routed, nft("r", "ip", "prerouting", "drop", priority=-300), "ip t c in r drops"),
    "postrouting": Scene(routed, nft("r", "ip", "postrouting", "oifname rb drop"), "ip t c in r drops"),
    "a nat chain that drops": Scene(
        routed, [*nft("r", "ip", "prerouting", "drop", kind="nat", priority=-100), TRACKING], "ip t c in r drops"
    ),
    "a nat chain with policy drop": Scene(
        routed, [*nft("r", "ip", "postrouting", kind="nat", policy="drop", priority=100), TRACKING], "ip t c in r drops"
    ),
    "netdev ingress": Scene(pair, nft("b", "netdev", "ingress v2", "drop"), "netdev t c in b drops"),
    "netdev ingress in the router": Scene(
        routed, nft("r", "netdev", "ingress rb", "ip saddr 10.0.2.2 drop"), "netdev t c in r drops"
    ),
    "netdev ingress, ARP only": Scene(pair, nft("b", "netdev", "ingress v2", "ether type arp drop"), "netdev t c in b drops"),
    "netdev egress": Scene(pair, nft("a", "netdev", "egress v1", "drop"), "netdev t c in a drops"),
    "inet ingress": Scene(pair, nft("b", "inet", "ingress v2", "drop"), "inet t c in b drops"),
    "arp input": Scene(pair, nft("b", "arp", "input", policy="drop"), "arp t c in b drops"),
    "arp output": Scene(pair, nft("a", "arp", "output", "drop"), "arp t c in a drops"),
    "bridge forward": Scene(star, nft("s", "bridge", "forward", policy="drop"), "bridge t c in s drops"),
    "bridge forward, ICMP": Scene(star, nft("s", "bridge", "forward", "ip protocol icmp drop"), "bridge t c in s drops"),
    "bridge forward, ARP": Scene(star, nft("s", "bridge", "forward", "ether type arp drop"), "bridge t c in s drops"),
    "bridge prerouting": Scene(star, nft("s", "bridge", "prerouting", "iifname pa drop"), "bridge t c in s drops"),
    "bridge postrouting": Scene(star, nft("s", "bridge", "postrouting", "oifname pb drop"), "bridge t c in s drops"),
    "invalid on a router of one direction": Scene(
        two_ways,
        [
            "b: ip route replace 10.0.1.0/24 via 10.0.6.1",
            "q: ip route add 10.0.1.0/24 via 10.0.5.2",
            *nft("q", "ip", "forward", "ct state invalid drop"),
        ],
        "ip t c in q drops the packet by its rule `ct state invalid",
        target="10.0.2.2",
    ),
    "the tunnel's port": Scene(
        vxlan, nft("b", "ip", "input", "udp dport 4789 drop"), "ip t c in b drops the packet by its rule", **TUNNEL
    ),
    "the tunnel's port on output": Scene(
        vxlan, nft("a", "inet", "output", "udp dport 4789 drop"), "inet t c in a drops", **TUNNEL
    ),
    "solicitations": Scene(
        pair, nft("b", "ip6", "input", "icmpv6 type nd-neighbor-solicit drop"), "ip6 t c in b drops", family=V6
    ),
    "a chain that is jumped to": Scene(
        routed,
        [
            "r: nft 'add table ip t; add chain ip t d; add rule ip t d drop; add chain ip t c { type filter hook forward priority 0; }; add rule ip t c jump d'"
        ],
        "ip t c in r drops",
    ),
    "a set of verdicts": Scene(pair, nft("b", "ip", "input", "icmp type vmap { echo-request : drop }"), "ip t c in b"),
    "an interface by its index": Scene(pair, nft("b", "ip", "input", "iif v2 drop"), "ip t c in b drops"),
    "a look-up of the source": Scene(
        two_ways,
        [
            "b: ip route replace 10.0.1.0/24 via 10.0.6.1",
            "q: ip route add 10.0.1.0/24 via 10.0.5.2",
            *nft("b", "ip", "prerouting", "fib saddr . iif oif missing drop"),
        ],
        "ip t c in b may drop it",
        target="10.0.2.2",
    ),
    "established packets are dropped": Scene(routed, nft("r", "ip", "forward", "ct state established drop"), "ip t c in r drops"),
    "a destination that is changed": Scene(
        routed,
        nft("r", "ip", "prerouting", "ip daddr 10.0.2.2 dnat to 10.0.9.9", kind="nat", priority=-100),
        "ip t c in r changes the destination",
    ),
    "a destination that is changed to another host": Scene(
        shared_subnet,
        nft("r", "ip", "prerouting", "ip daddr 10.0.2.2 dnat to 10.0.2.9", kind="nat", priority=-100),
        "ip t c in r changes the destination",
        silent=False,
    ),
    "a source that is changed": Scene(
        routed,
        [
            "b: ip route del default",
            "b: ip route add 10.0.1.0/24 via 10.0.2.1",
            *nft("r", "ip", "postrouting", "oifname rb snat to 10.0.77.77", kind="nat", priority=100),
        ],
        "^b has no route to 10.0.77.77.*ip t c in r changes the source",
    ),
    "by the link-layer address": Scene(
        star,
        [
            "s: nft 'add table bridge t; add chain bridge t c { type filter hook forward priority 0; }; add rule bridge t c ether saddr {a.v1} drop'"
        ],
        "bridge t c in s drops",
    ),
    "by the packet type": Scene(pair, nft("b", "ip", "input", "meta pkttype unicast drop"), "ip t c in b drops"),
    "by the TCP flags": Scene(
        pair,
        ["b: serve tcp 0.0.0.0 80", *nft("b", "ip", "input", "tcp flags syn drop")],
        "ip t c in b drops",
        port=80,
        silent=False,
    ),
    "by the time to live": Scene(routed, nft("r", "ip", "forward", "ip ttl < 64 drop"), "ip t c in r may drop it"),
    "by the length": Scene(
        pair, nft("b", "ip", "input", "ip length > 500 drop"), "1500 bytes do not: the nf_tables chain ip t c in b", silent=False
    ),
    "one chain accepts, the next drops": Scene(
        pair,
        [
            *nft("b", "ip", "input", "accept"),
            "b: nft 'add table ip u; add chain ip u c { type filter hook input priority 5; policy drop; }'",
        ],
        "ip u c in b drops the packet by its policy",
    ),
    "a set with ranges": Scene(pair, nft("b", "ip", "input", "ip saddr { 10.0.0.0/28, 10.9.0.0/16 } drop"), "ip t c in b"),
    # bridges
    "an address on a port": Scene(address_on_a_port, [], "v1 in a, .*is a port of br0"),
    "a loop of bridges": Scene(doubled_bridges, [], "closes a loop of bridges", silent=False),
    "a locked port": Scene(
        star, ["s: bridge link set dev pa locked on", "s: bridge fdb flush dev br0"], "port pa in s is locked"
    ),
    "a locked port for the answer": Scene(
        star, ["s: bridge link set dev pb locked on", "s: bridge fdb flush dev br0"], "port pb in s is locked"
    ),
    "no multicasts": Scene(star, ["s: bridge link set dev pb mcast_flood off"], "pb in s sends no multicasts", family=V6),
    "no flooding and no learning": Scene(
        star,
        ["s: bridge link set dev pb flood off learning off", "s: bridge fdb flush dev br0"],
        "pb in s neither learns addresses nor floods",
    ),
    "a wrong forwarding entry": Scene(
        star, ["s: bridge fdb replace {b.v2} dev pc master static sticky"], "static entry that .* is at pc"
    ),
    "cable between the bridges down": Scene(two_bridges, ["t: ip link set ts down"], "ts in t"),
    "a cable beside the bridge": Scene(
        two_bridges, ["s: ip link set st nomaster"], "st in s, to which v2 in b leads, is not a port of the bridge br0"
    ),
    # tunnels
    "a tunnel without remote": Scene(
        vxlan_bare, ["a: bridge fdb del 00:00:00:00:00:00 dev vx dst 10.0.0.2"], "VXLAN device vx in a has n", **TUNNEL
    ),
    "a tunnel without remote in b": Scene(
        vxlan_bare,
        ["b: ip link set vx type vxlan nolearning", "b: bridge fdb flush dev vx"],
        "VXLAN device vx in b has neither a remote",
        **TUNNEL,
    ),
    "a tunnel with another VNI": Scene(
        vxlan,
        [
            "b: ip link del vx",
            "b: ip link add vx up type vxlan id 43 remote 10.0.0.1 dstport 4789",
            "b: ip addr add 10.9.0.2/24 dev vx",
        ],
        "expects VXLAN 43",
        **TUNNEL,
    ),
    "a tunnel to nobody": Scene(
        vxlan,
        [
            "a: ip link del vx",
            "a: ip link add vx up type vxlan id 42 remote 10.0.0.77 dstport 4789",
            "a: ip addr add 10.9.0.1/24 dev vx",
        ],
        "10.0.0.77",
        remedy=False,
        **TUNNEL,
    ),
    "a tunnel from an address that a does not have": Scene(
        vxlan,
        [
            "a: ip link del vx",
            "a: ip link add vx up type vxlan id 42 local 10.0.0.55 remote 10.0.0.2 dstport 4789",
            "a: ip addr add 10.9.0.1/24 dev vx",
        ],
        "vx in a sends from its local address 10.0.0.55",
        **TUNNEL,
    ),
    "a tunnel that answers to nobody": Scene(
        vxlan,
        [
            "b: ip link del vx",
            "b: ip link add vx up type vxlan id 42 remote 10.0.0.99 nolearning dstport 4789",
            "b: ip addr add 10.9.0.2/24 dev vx",
        ],
        "10.0.0.99 .outer packets of the VXLAN device vx in b",
        **TUNNEL,
    ),
    "a tunnel device down": Scene(vxlan, ["b: ip link set vx down"], "vx in b, .*is down", **TUNNEL),
    "a tunnel whose cable is down": Scene(vxlan, ["b: ip link set v2 down"], "v2 in b", **TUNNEL),
    "macvlan private": Scene(macvlan, ["a: ip link set v1 type macvlan mode private"], "v1 in a is a macvlan in private mode"),
    "macvlan below down": Scene(macvlan, ["s: ip link set l0 down"], "l0 in s, is down|l0 in s"),
    "a tunnel's port on its router": Scene(
        vxlan_routed,
        nft("r", "ip", "forward", "udp dport 4789 drop"),
        "ip t c in r drops .*outer packets of the VXLAN device vx in a",
        **TUNNEL,
    ),
    "a tunnel's router does not forward": Scene(
        vxlan_routed, ["r: sysctl ipv4/ip_forward=0"], "^r is on the way to 10.0.2.2", **TUNNEL
    ),
    "a filter inside the tunnel": Scene(vxlan_routed, nft("b", "ip", "input", "iifname vx drop"), "ip t c in b drops", **TUNNEL),
    "a small MTU below a tunnel": Scene(
        vxlan_routed, ["r: ip link set rb mtu 1400"], "1500 bytes do not: the MTU of rb in r is 1400", silent=False, **TUNNEL
    ),
    "a route to lo": Scene(pair, ["b: ip route add 10.0.0.1/32 dev lo"], "route `10.0.0.1/32` of b leads to lo"),
    # large packets
    "a path MTU black hole": Scene(
        routed,
        ["r: ip link set rb mtu 800", *nft("r", "ip", "output", "icmp type destination-unreachable drop")],
        "the MTU of rb in r is 800.*ip t c in r drops it",
        silent=False,
    ),
    "a path MTU black hole behind a smaller MTU": Scene(
        two_routers,
        [
            "r: ip link set rq mtu 1000",
            "q: ip link set qb mtu 600",
            *nft("q", "ip", "output", "icmp type destination-unreachable drop"),
        ],
        "those of 1000 bytes do not: the MTU of qb in q is 600.*ip t c in q drops it",
        silent=False,
    ),
    "a path MTU black hole at a": Scene(
        routed,
        ["r: ip link set rb mtu 800", *nft("a", "ip", "input", "icmp type destination-unreachable drop")],
        "the MTU of rb in r is 800.*ip t c in a drops it",
        silent=False,
    ),
    "two ends with different MTUs": Scene(pair, ["b: ip link set v2 mtu 1000"], "the MTU of v2 in b is 1000", silent=False),
    "a path MTU black hole, IPv6": Scene(
        routed,
        ["r: ip link set rb mtu 1280", *nft("r", "ip6", "output", "icmpv6 type packet-too-big drop")],
        "the MTU of rb in r is 1280.*ip6 t c in r drops it",
        family=V6,
        silent=False,
    ),
    # ports
    "a port redirected to nothing": Scene(
        pair,
        ["b: serve tcp 0.0.0.0 80", *nft("b", "ip", "prerouting", "tcp dport 80 redirect to :8080", kind="nat", priority=-100)],
        "nothing listens on TCP port 8080 in b",
        port=80,
        remedy=False,
    ),
    "nothing listens, UDP": Scene(
        pair, [], "^nothing listens on UDP port 53 in b", port=53, protocol="udp", remedy=False, silent=False
    ),
    "a port that is rejected": Scene(
        pair,
        ["b: serve tcp 0.0.0.0 80", *nft("b", "inet", "input", "tcp dport 80 reject with tcp reset")],
        "inet t c in b rejects",
        port=80,
        silent=False,
    ),
    "a UDP port that is dropped": Scene(
        pair,
        ["b: serve udp 0.0.0.0 53", *nft("b", "ip", "input", "udp dport 53 drop")],
        "ip t c in b drops",
        port=53,
        protocol="udp",
        silent=False,
    ),
    "answers of a port are dropped": Scene(
        pair,
        ["b: serve tcp 0.0.0.0 80", *nft("a", "ip", "input", "tcp sport 80 drop")],
        "ip t c in a drops",
        port=80,
        silent=False,
    ),
    "a port of two in a set": Scene(
        pair,
        ["b: serve tcp 0.0.0.0 80", *nft("b", "ip", "input", "tcp dport { 80, 443 } drop")],
        "ip t c in b",
        port=80,
        silent=False,
    ),
}
del SCENES["another router has the gateway's address"]


# -- healthy networks ---------------------------------------------------------------------------------------------------------

HEALTHY: dict[str, tuple[Callable[[Net], None], list[str], dict[str, object]]] = {
    "a point-to-point prefix": (
        pair,
        [
            "a: ip addr flush dev v1",
            "b: ip addr flush dev v2",
            "a: ip addr add 10.5.0.0/31 dev v1",
            "b: ip addr add 10.5.0.1/31 dev v2",
        ],
        {},
    ),
    "peer addresses": (
        pair,
        [
            "a: ip addr flush dev v1",
            "b: ip addr flush dev v2",
            "a: ip addr add 10.5.0.1 peer 10.6.0.1 dev v1",
            "b: ip addr add 10.6.0.1 peer 10.5.0.1 dev v2",
        ],
        {},
    ),
    "an on-link gateway": (
        routed,
        [
            "a: ip addr flush dev v1",
            "a: ip addr add 10.0.1.2/32 dev v1",
            "r: ip addr add 169.254.1.1/32 dev ra",
            "a: ip route add 169.254.1.1 dev v1",
            "a: ip route add default via 169.254.1.1 dev v1 onlink",
        ],
        {},
    ),
    "an IPv6 gateway for IPv4": (
        routed,
        ["a: ip route del default", "a: ip -4 route add default via inet6 fd01::1 dev v1"],
        {},
    ),
    "policy rules": (
        routed,
        ["a: ip route add default via 10.0.1.1 table 77", "a: ip rule add to 10.0.2.0/24 table 77", "a: ip route del default"],
        {},
    ),
    "a rule that suppresses the default": (
        routed,
        [
            "a: ip route add default via 10.0.1.1 table 77",
            "a: ip rule add pref 100 table main suppress_prefixlength 0",
            "a: ip rule add pref 101 table 77",
        ],
        {},
    ),
    "rules flushed, IPv6": (pair, ["a: ip -6 rule flush"], {"family": V6}),
    "a nat chain without conntrack": (routed, nft("r", "ip", "prerouting", "drop", kind="nat", priority=-100), {}),
    "a rule for others": (pair, ["a: ip rule add from 10.77.0.0/16 blackhole", "a: ip rule add fwmark 5 unreachable"], {}),
    "two good next hops": (
        routed,
        ["r: ip addr add 10.0.1.9/24 dev ra", "a: ip route replace default nexthop via 10.0.1.1 nexthop via 10.0.1.9"],
        {},
    ),
    "destination translation": (
        routed,
        nft("r", "ip", "prerouting", "ip daddr 10.0.1.77 dnat to 10.0.2.2", kind="nat", priority=-100)
        + ["r: ip addr add 10.0.1.77/32 dev ra"],
        {"target": "10.0.1.77"},
    ),
    "a port that is translated": (
        routed,
        [
            "b: serve tcp 10.0.2.2 80",
            *nft("r", "ip", "prerouting", "tcp dport 8080 dnat to 10.0.2.2:80", kind="nat", priority=-100),
        ],
        {"target": "10.0.1.1", "port": 8080},
    ),
    "masquerading": (
        routed,
        ["b: ip route del default", *nft("r", "ip", "postrouting", "oifname rb masquerade", kind="nat", priority=100)],
        {},
    ),
    "source translation": (
        routed,
        ["b: ip route del default", *nft("r", "ip", "postrouting", "oifname rb snat to 10.0.2.1", kind="nat", priority=100)],
        {},
    ),
    "a stateful firewall": (
        routed,
        nft(
            "r",
            "inet",
            "forward",
            "ct state invalid drop",
            "ct state established,related accept",
            "iifname ra icmp type echo-request accept",
            policy="drop",
        ),
        {},
    ),
    "asymmetric routes": (
        two_ways,
        ["b: ip route replace 10.0.1.0/24 via 10.0.6.1", "q: ip route add 10.0.1.0/24 via 10.0.5.2"],
        {"target": "10.0.2.2"},
    ),
    "two small path MTUs": (two_routers, ["r: ip link set rq mtu 1000", "q: ip link set qb mtu 600"], {}),
    "a small path MTU": (routed, ["r: ip link set rb mtu 800"], {}),
    "a static neighbour without ARP": (
        pair,
        [
            "a: ip link set v1 arp off",
            "a: ip neigh replace 10.0.0.2 lladdr {b.v2} dev v1 nud permanent",
            "b: ip neigh replace 10.0.0.1 lladdr {a.v1} dev v2 nud permanent",
        ],
        {},
    ),
    "static forwarding entries without flooding": (
        star,
        [
            "s: bridge fdb replace {b.v2} dev pb master static",
            "s: bridge fdb replace {a.v1} dev pa master static",
            "s: bridge link set dev pb learning off flood off",
            "s: bridge link set dev pa learning off flood off",
        ],
        {},
    ),
    "a locked port with its entry": (
        star,
        ["s: bridge fdb replace {a.v1} dev pa master static", "s: bridge link set dev pa locked on"],
        {},
    ),
    "one isolated port": (star, ["s: bridge link set dev pa isolated on"], {}),
    "two bridges": (two_bridges, [], {}),
    "a ring with a blocked port": (
        two_bridges,
        ["s: ip link add ring1 type veth peer name ring2", "s: ip link set ring1 master br0"],
        {},
    ),
    "a VXLAN by forwarding entries": (vxlan_bare, [], {"target": "10.9.0.2"}),
    "a VXLAN over a router": (vxlan_routed, [], {"target": "10.9.0.2"}),
    "an unnumbered link": (
        pair,
        [
            "b: ip addr flush dev v2",
            "b: ip addr add 10.77.0.2/32 dev lo",
            "b: ip route add 10.0.0.1 dev v2 src 10.77.0.2",
            "a: ip route add 10.77.0.2 dev v1",
        ],
        {"target": "10.77.0.2"},
    ),
    "a macvlan": (macvlan, [], {}),
    "link-local addresses only": (
        pair,
        ["a: ip -6 addr flush scope global dev v1", "b: ip addr add fe80::77/64 dev v2 nodad"],
        {"target": "fe80::77%v1", "family": V6},
    ),
    "a host route by device": (
        two_ways,
        [
            "b: ip addr add 10.44.0.1/32 dev lo",
            "a: ip route add 10.44.0.1 via 10.0.1.1",
            "r: ip route add 10.44.0.1 via 10.0.2.2",
        ],
        {"target": "10.44.0.1"},
    ),
    "an address on lo as source": (
        routed,
        [
            "a: ip addr add 10.8.0.1/32 dev lo",
            "a: ip route replace default via 10.0.1.1 src 10.8.0.1",
            "r: ip route add 10.8.0.1 via 10.0.1.2",
        ],
        {},
    ),
    "a service of TCP": (routed, ["b: serve tcp 0.0.0.0 80"], {"port": 80}),
    "a service of TCP, IPv6": (routed, ["b: serve tcp :: 80"], {"port": 80, "family": V6}),
    "a service of both, by one socket": (routed, ["b: serve tcp :: 80"], {"port": 80}),
    "a service of UDP": (routed, ["b: serve udp 0.0.0.0 53"], {"port": 53, "protocol": "udp"}),
    "a chain that is dormant": (
        pair,
        ["b: nft 'add table ip t { flags dormant; }; add chain ip t c { type filter hook input priority 0; policy drop; }'"],
        {},
    ),
    "an accepting set": (
        routed,
        nft("r", "ip", "forward", "ip saddr { 10.0.1.2, 10.0.2.2 } accept", policy="drop"),
        {},
    ),
    "an MTU below 1280 for IPv4": (
        pair,
        ["a: ip link set v1 mtu 1000", "b: ip link set v2 mtu 1000"],
        {},
    ),
    "names like numbers and addresses": (
        pair,
        ["a: ip link set v1 down", "a: ip link set v1 name 5", "a: ip link set 5 up"],
        {},
    ),
}
