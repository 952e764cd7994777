"""A chapter of `rawns learn`: a conversation over TCP between two namespaces."""

from __future__ import annotations

from .. import goals
from ..chapter import Chapter, Goal, Solution
from ..named_network import NamedNetwork


def given(network: NamedNetwork) -> None:
    """Connect two namespaces by a cable with addresses."""
    network.add("red", "blue")
    network.cable("red", "v1", "blue", "v2")
    network.address("red", "v1", "10.0.0.1/24")
    network.address("blue", "v2", "10.0.0.2/24")


CHAPTER = Chapter(
    "chat",
    "A conversation over TCP",
    text="""\
Sockets belong to the namespace in which they are created.  Port 7000 in red and
port 7000 in blue are different ports, and 127.0.0.1 in red is red itself.

A server binds an address and a port and listens.  A client in another namespace
reaches it by an address of the server's namespace, over the cable.  A server
that binds 127.0.0.1 is reached from its own namespace only.

  rawns chat listen ADDRESS PORT       like `nc -l`, for several peers
  rawns chat connect ADDRESS PORT      like `nc ADDRESS PORT`

A conversation needs two terminals.  In a second one, `rawns learn join` opens
another shell in this chapter.  What you type in one is shown in the other.
Ctrl-C ends it; leave it running while you type `check` in the other terminal.""",
    picture="""\
    red                           blue
    +------------------+          +------------------+
    |  10.0.0.1/24  v1 |==========| v2  10.0.0.2/24  |
    | listens on 7000  |          | connects         |
    +------------------+          +------------------+""",
    task="Listen in red on 10.0.0.1 port 7000, and connect from blue.  Use `rawns chat`, or nc.  Keep the connection open.",
    goals=(
        Goal(
            "there is a TCP connection between 10.0.0.1 in red and 10.0.0.2 in blue",
            goals.connected("red", "10.0.0.1", "10.0.0.2"),
        ),
    ),
    hints=(
        "`ip netns exec red rawns chat listen 10.0.0.1 7000` in one terminal.",
        "`ip netns exec blue rawns chat connect 10.0.0.1 7000` in a second one, after `rawns learn join`.",
        "In one terminal, start both in the background, with an input that does not end: `tail -f /dev/null | ... &`.",
    ),
    solutions=(
        Solution(
            "mkfifo ready",
            "(tail -f /dev/null | ip netns exec red rawns chat listen 10.0.0.1 7000 2> ready) &",
            "head -1 < ready",
            "(tail -f /dev/null | ip netns exec blue rawns chat connect 10.0.0.1 7000) &",
        ),
    ),
    given=given,
    kinds=("veth",),
)
