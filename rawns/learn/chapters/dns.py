"""A chapter of `rawns learn`: /etc/netns and DNS."""

from __future__ import annotations

from .. import goals
from ..chapter import Chapter, Goal, Solution
from ..named_network import NamedNetwork
from ..services import serve_dns

LOOK_UP = "import socket; print(socket.gethostbyname('shop.test'))"


def given(network: NamedNetwork) -> None:
    """Connect two namespaces by a cable, and start a name server in one."""
    network.add("red", "blue")
    network.cable("red", "v1", "blue", "v2")
    network.address("red", "v1", "10.0.0.1/24")
    network.address("blue", "v2", "10.0.0.2/24")
    serve_dns(network, "blue", {"shop.test": "10.0.0.2"})


CHAPTER = Chapter(
    "dns",
    "/etc/netns and DNS",
    text="""\
Names such as shop.test are looked up by the C library, in the process that
asks. It reads /etc/resolv.conf and sends a datagram to port 53 of the name
server there. The file does not belong to a network namespace: all processes see
the same one, although the server that it names may not be reachable from
theirs.

`ip netns exec red` helps.  For each file in /etc/netns/red it mounts that file
over the one of the same name in /etc, in a mount namespace that only the
command has.  It does the same with /etc/netns/red/hosts and others.

Only commands that `ip netns exec` starts see these files.  Containers get their
/etc/resolv.conf in the same way: as a mount.

  mkdir -p /etc/netns/NAME
  getent ahostsv4 NAME          look up a name as programs do""",
    picture="""\
    red                           blue
    +------------------+          +-------------------------+
    |  10.0.0.1/24  v1 |==========| v2  10.0.0.2/24         |
    | resolv.conf ?    |          | name server: shop.test  |
    +------------------+          +-------------------------+""",
    task="A name server runs in blue.  Let commands in red ask it: a resolv.conf for red with `nameserver 10.0.0.2`.",
    goals=(
        Goal(
            "/etc/resolv.conf, as commands in red see it, names 10.0.0.2",
            goals.prints("red", ["cat", "/etc/resolv.conf"], "nameserver 10.0.0.2", "their /etc/resolv.conf does not"),
        ),
        Goal(
            "a program in red looks up shop.test and gets 10.0.0.2",
            goals.prints("red", [goals.PYTHON, "-ISc", LOOK_UP], "10.0.0.2", "the look-up fails, or gives another address"),
        ),
    ),
    hints=(
        "The directory has the name of the namespace: `mkdir -p /etc/netns/red`.",
        "`echo nameserver 10.0.0.2 > /etc/netns/red/resolv.conf`.",
        "`ip netns exec red getent ahostsv4 shop.test` shows whether it works.",
    ),
    solutions=(
        Solution(
            "mkdir -p /etc/netns/red",
            "echo nameserver 10.0.0.2 > /etc/netns/red/resolv.conf",
            "ip netns exec red cat /etc/resolv.conf",
        ),
    ),
    given=given,
    kinds=("veth",),
    own_etc=True,
)
