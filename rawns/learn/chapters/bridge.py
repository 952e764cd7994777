"""A chapter of `rawns learn`: a bridge between three hosts."""

from __future__ import annotations

from .. import goals
from ..chapter import Chapter, Goal, Solution
from ..named_network import NamedNetwork


def given(network: NamedNetwork) -> None:
    """Create three hosts with addresses, whose cables end in a fourth namespace."""
    network.add("sw", "red", "blue", "green")
    for number, name in enumerate(("red", "blue", "green"), 1):
        network.cable(name, "eth0", "sw", f"to-{name}")
        network.address(name, "eth0", f"10.1.0.{number}/24")


CHAPTER = Chapter(
    "bridge",
    "A bridge",
    text="""\
A veth pair connects two namespaces.  A bridge connects many: it is a link that
forwards Ethernet frames between other links, its ports, as a switch does.

For each frame that comes in, the bridge notes by which port its source address
is reached: the forwarding database (fdb).  A frame to an address that is known
goes out by one port; a frame to an unknown address, or a broadcast, by all the
others.

A link becomes a port when the bridge is set as its master.  Addresses are not
needed on ports.  The bridge itself only needs one if its own host takes part.

  ip -n NS link add BRIDGE type bridge
  ip -n NS link set PORT master BRIDGE
  bridge -n NS link            the ports
  bridge -n NS fdb show br BRIDGE""",
    picture="""\
    red  10.1.0.1/24  eth0 ===== to-red   +-----+
    blue 10.1.0.2/24  eth0 ===== to-blue  | br0 |  all three in sw
    green 10.1.0.3/24 eth0 ===== to-green +-----+""",
    task="Hosts, cables and addresses are there.  Make the bridge br0 in sw, and let all three hosts reach each other.",
    goals=(
        Goal("to-red, to-blue and to-green are ports of br0 in sw", goals.port_of("sw", "br0", "to-red", "to-blue", "to-green")),
        Goal("blue answers red", goals.reaches("red", "10.1.0.2")),
        Goal("green answers red", goals.reaches("red", "10.1.0.3")),
        Goal("green answers blue", goals.reaches("blue", "10.1.0.3")),
    ),
    hints=(
        "`ip -n sw link add br0 type bridge` creates the bridge.",
        "`ip -n sw link set to-red master br0`, and the same for the two others.",
        "A new bridge is down: `ip -n sw link set br0 up`.",
    ),
    solutions=(
        Solution(
            "ip -n sw link add br0 type bridge",
            "for port in to-red to-blue to-green; do ip -n sw link set $port master br0; done",
            "ip -n sw link set br0 up",
            "ip netns exec red ping -c 1 10.1.0.3",
        ),
    ),
    given=given,
    kinds=("veth", "bridge"),
)
