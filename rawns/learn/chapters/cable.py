"""A chapter of `rawns learn`: a veth pair."""

from __future__ import annotations

from .. import goals
from ..chapter import Chapter, Goal, Solution
from ..named_network import NamedNetwork


def given(network: NamedNetwork) -> None:
    """Create two namespaces."""
    network.add("red", "blue")


CHAPTER = Chapter(
    "cable",
    "The cable: a veth pair",
    text="""\
A veth pair is two links.  What is sent into one comes out of the other.  The
two can be in different namespaces, which they then connect as a cable would.

The kernel creates both ends in one step, and can create each in the namespace
where it belongs.  The pair is one object: if one end is deleted, or the
namespace that it is in ends, the other end is gone too.

A link has two conditions.  You set it up or down.  It has a carrier if the
other end is up as well; without one `ip link` shows NO-CARRIER.

  ip link add A netns NS1 type veth peer name B netns NS2
  ip -n NS1 link set A up
  ip -n NS1 -d link show A     with the details of its type""",
    picture="""\
    red                    blue
    +-----------+          +-----------+
    |        v1 |==========| v2        |
    +-----------+          +-----------+""",
    task="The namespaces red and blue are there.  Connect v1 in red with v2 in blue, and set both ends up.",
    goals=(
        Goal("v1 in red and v2 in blue are the ends of a veth pair", goals.cable("red", "v1", "blue", "v2")),
        Goal("v1 in red is up and has a carrier", goals.up("red", "v1")),
        Goal("v2 in blue is up and has a carrier", goals.up("blue", "v2")),
    ),
    hints=(
        "One command creates both ends: `ip link add v1 netns red type veth peer name v2 netns blue`.",
        "Both ends are down at first: `ip -n red link set v1 up`, and the same for v2 in blue.",
    ),
    solutions=(
        Solution(
            "ip link add v1 netns red type veth peer name v2 netns blue",
            "ip -n red link set v1 up",
            "ip -n blue link set v2 up",
            "ip -n red link show v1",
        ),
    ),
    given=given,
    kinds=("veth",),
)
