"""A chapter of `rawns learn`: macvlan, and VLANs beside it."""

from __future__ import annotations

from .. import goals
from ..chapter import Chapter, Goal, Solution
from ..named_network import NamedNetwork


def given(network: NamedNetwork) -> None:
    """Connect a host with another one, and create two namespaces beside it."""
    network.add("host", "out", "red", "blue")
    network.cable("host", "eth0", "out", "eth0")
    network.address("host", "eth0", "10.1.0.1/24")
    network.address("out", "eth0", "10.1.0.9/24")


CHAPTER = Chapter(
    "vlan",
    "Sharing a cable: macvlan and VLAN",
    text="""\
One cable can serve several namespaces without a bridge and without a router.

A macvlan is a link on top of another, with a MAC of its own.  Frames to that
MAC go to the macvlan instead of the link below.  In mode bridge, macvlans of
one link reach each other and what the cable leads to, but never the host below:
its own frames go straight to the cable.

A VLAN is a link on top of another, too.  Its frames carry a tag of four bytes
with a number, so that several networks share a cable and do not see each other:
`ip link add L link LOWER type vlan id 10`.  A bridge with vlan_filtering 1
keeps them apart, port by port (`bridge vlan add dev PORT vid 10 pvid
untagged`).

  ip -n NS link add LINK link LOWER type macvlan mode bridge
  ip -n NS link set LINK netns OTHER      move a link into another namespace
  ip -n NS link set LINK name NEW         while it is down""",
    picture="""\
    red  eth0 10.1.0.2 (macvlan) --+
                                   +-- host eth0 10.1.0.1 ==== eth0 10.1.0.9 out
    blue eth0 10.1.0.3 (macvlan) --+""",
    task="Make two macvlans of eth0 in host; they become eth0 in red (10.1.0.2/24) and eth0 in blue (10.1.0.3/24).",
    goals=(
        Goal("eth0 in red is up, and a macvlan", goals.of_kind("red", "eth0", "macvlan")),
        Goal("eth0 in blue is up, and a macvlan", goals.of_kind("blue", "eth0", "macvlan")),
        Goal("blue answers red", goals.reaches("red", "10.1.0.3")),
        Goal("out answers red", goals.reaches("red", "10.1.0.9")),
        Goal("host does not answer red, which is what a macvlan does", goals.separated("red", "10.1.0.1")),
    ),
    hints=(
        "`ip -n host link add m1 link eth0 type macvlan mode bridge`, and m2 in the same way.",
        "`ip -n host link set m1 netns red`, then in red: `ip -n red link set m1 name eth0`.",
        "Moved links are down and have no addresses: `ip -n red addr add 10.1.0.2/24 dev eth0`, `ip -n red link set eth0 up`.",
    ),
    solutions=(
        Solution(
            "ip -n host link add m1 link eth0 type macvlan mode bridge",
            "ip -n host link add m2 link eth0 type macvlan mode bridge",
            "ip -n host link set m1 netns red name eth0",
            "ip -n host link set m2 netns blue name eth0",
            "ip -n red addr add 10.1.0.2/24 dev eth0 && ip -n red link set eth0 up",
            "ip -n blue addr add 10.1.0.3/24 dev eth0 && ip -n blue link set eth0 up",
            "ip netns exec red ping -c 1 10.1.0.3",
        ),
    ),
    given=given,
    kinds=("veth", "macvlan"),
)
