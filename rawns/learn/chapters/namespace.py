"""A chapter of `rawns learn`: what a network namespace is."""

from __future__ import annotations

from .. import goals
from ..chapter import Chapter, Goal, Solution

CHAPTER = Chapter(
    "namespace",
    "What a network namespace is",
    text="""\
The kernel keeps its network state in a structure: links, addresses, routes,
neighbours, firewall rules, sockets.  A network namespace is one such structure.
Each process is in exactly one, and sees nothing of the others.  A machine
starts with one; the system call unshare(CLONE_NEWNET) makes another, and
setns() enters one that exists.  A new namespace has a single link, lo, which is
down.

A namespace exists while something refers to it: a process in it, a socket, an
open descriptor, or a mount.  `ip netns add` makes a mount under /run/netns, so
that the namespace has a name and lives without a process.

  ip netns add NAME            create a namespace with a name
  ip netns list                list the names
  ip -n NAME link              run `ip link` in it
  ip netns exec NAME COMMAND   run any command in it""",
    picture="""\
    this shell            red
    +-----------+         +-----------+
    | lo   up   |         | lo   up   |
    +-----------+         +-----------+""",
    task="Create a namespace called red, set its lo up, and start a process in it, such as `sleep 1000 &`.",
    goals=(
        Goal("there is a namespace called red", goals.exists("red")),
        Goal("lo in red is up", goals.up("red", "lo")),
        Goal("a process runs in red", goals.occupied("red")),
    ),
    hints=(
        "`ip netns add` takes the name.",
        "`ip -n red link` shows the state of lo; `ip -n red link set lo up` changes it.",
        "`ip netns exec red COMMAND &` starts a command in red, in the background.",
    ),
    solutions=(Solution("ip netns add red", "ip -n red link set lo up", "ip netns exec red sleep 1000 &", "ip -n red link"),),
)
