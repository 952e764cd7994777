"""A chapter of `rawns learn`: addresses, and the first ping."""

from __future__ import annotations

from .. import goals
from ..chapter import Chapter, Goal, Solution
from ..named_network import NamedNetwork


def given(network: NamedNetwork) -> None:
    """Connect two namespaces by a cable that is up."""
    network.add("red", "blue")
    network.cable("red", "v1", "blue", "v2")


CHAPTER = Chapter(
    "ping",
    "Addresses and the first ping",
    text="""\
An address is given to a link, with the length of its network's prefix.
10.0.0.1/24 does two things.  The kernel accepts packets to 10.0.0.1, and it
adds a route: 10.0.0.0/24 is reached directly over this link.

Before the first packet, the sender has to know the link-layer (MAC) address of
10.0.0.2.  It asks all hosts on the link by ARP, and keeps the answer in its
neighbour table.  If no answer comes, ping says `Destination Host Unreachable`;
if there is no route, it says `Network is unreachable`, and nothing is sent.

  ip -n NS addr add ADDRESS/LENGTH dev LINK
  ip -n NS route               the routes
  ip -n NS neigh               the neighbours that are known
  ip netns exec NS ping -c 1 ADDRESS""",
    picture="""\
    red                           blue
    +------------------+          +------------------+
    |  10.0.0.1/24  v1 |==========| v2  10.0.0.2/24  |
    +------------------+          +------------------+""",
    task="The cable is there and up.  Give v1 in red 10.0.0.1/24 and v2 in blue 10.0.0.2/24.  Ping blue from red.",
    goals=(
        Goal("v1 in red has 10.0.0.1/24", goals.address("red", "v1", "10.0.0.1/24")),
        Goal("v2 in blue has 10.0.0.2/24", goals.address("blue", "v2", "10.0.0.2/24")),
        Goal("red has sent a packet to 10.0.0.2 and learnt its link-layer address", goals.resolved("red", "10.0.0.2")),
        Goal("10.0.0.2 answers red", goals.reaches("red", "10.0.0.2")),
    ),
    hints=(
        "`ip -n red addr add 10.0.0.1/24 dev v1`; without /24 there would be no route to 10.0.0.2.",
        "`ip netns exec red ping -c 1 10.0.0.2`, then look at `ip -n red neigh`.",
    ),
    solutions=(
        Solution(
            "ip -n red addr add 10.0.0.1/24 dev v1",
            "ip -n blue addr add 10.0.0.2/24 dev v2",
            "ip netns exec red ping -c 1 10.0.0.2",
            "ip -n red neigh",
        ),
    ),
    given=given,
    kinds=("veth",),
)
