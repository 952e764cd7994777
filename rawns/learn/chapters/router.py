"""A chapter of `rawns learn`: two subnets and a router."""

from __future__ import annotations

from .. import goals
from ..chapter import Chapter, Goal, Solution
from ..named_network import NamedNetwork


def given(network: NamedNetwork) -> None:
    """Connect two hosts of two subnets with a third host."""
    network.add("red", "r", "blue")
    network.cable("red", "eth0", "r", "left")
    network.cable("blue", "eth0", "r", "right")
    network.address("red", "eth0", "10.1.0.2/24")
    network.address("r", "left", "10.1.0.1/24")
    network.address("r", "right", "10.2.0.1/24")
    network.address("blue", "eth0", "10.2.0.2/24")


CHAPTER = Chapter(
    "router",
    "Two subnets and a router",
    text="""\
red and blue are in different subnets, so neither asks for the other by ARP.
Each looks up a route.  If none matches, the packet is not sent: `Network is
unreachable`.  A default route matches everything; it names a gateway, an
address that must be reached directly.  The packet keeps its destination
address; only the frame is addressed to the gateway.

A host drops packets for other addresses, unless forwarding is on.  A router is
a host with net.ipv4.ip_forward = 1.  Each namespace has its own setting.

The answer needs a route, too.  Most faults in routing are in the way back.

  ip -n NS route add default via GATEWAY
  ip -n NS route get ADDRESS   which route a packet would take
  ip netns exec NS sysctl -w KEY=VALUE
  ip netns exec NS sh -c 'echo VALUE > /proc/sys/net/ipv4/ip_forward'""",
    picture="""\
    red               r                              blue
    eth0 ============ left            right ======== eth0
    10.1.0.2/24       10.1.0.1/24     10.2.0.1/24    10.2.0.2/24""",
    task="Addresses are there.  Give red and blue default routes by r, and make r forward, so that they reach each other.",
    goals=(
        Goal("the default route of red leads to 10.1.0.1", goals.default_route("red", "10.1.0.1")),
        Goal("the default route of blue leads to 10.2.0.1", goals.default_route("blue", "10.2.0.1")),
        Goal("r forwards", goals.setting("r", "net.ipv4.ip_forward", "1")),
        Goal("blue answers red", goals.reaches("red", "10.2.0.2")),
    ),
    hints=(
        "`ip -n red route add default via 10.1.0.1`.",
        "blue needs a route as well, for its answers: `ip -n blue route add default via 10.2.0.1`.",
        "`ip netns exec r sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'` makes r a router.",
    ),
    solutions=(
        Solution(
            "ip -n red route add default via 10.1.0.1",
            "ip -n blue route add default via 10.2.0.1",
            "ip netns exec r sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'",
            "ip netns exec red ping -c 1 10.2.0.2",
        ),
    ),
    given=given,
    kinds=("veth",),
)
