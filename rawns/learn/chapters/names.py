"""A chapter of `rawns learn`: where the names of namespaces are."""

from __future__ import annotations

from .. import goals
from ..chapter import Chapter, Goal, Solution
from ..named_network import NamedNetwork

MARK = "mark"


def given(network: NamedNetwork) -> None:
    """Create a namespace that can be recognized under any name."""
    network.add("red")
    network["red"].net.add_bridge(MARK)


CHAPTER = Chapter(
    "names",
    "What a name of a namespace is",
    text="""\
/proc/PID/ns/net refers to the network namespace of a process.  If this file is
mounted on another file (a bind mount), the namespace exists as long as the
mount. `ip netns add red` does just that: it creates /run/netns/red, unshares,
and mounts /proc/self/ns/net on it.  Nothing else knows the name; the kernel
does not.

A namespace can have several names, or none.  `ip netns del` unmounts the name
and removes the file.  The namespace ends when nothing refers to it any more.

`ip netns exec red CMD` opens /run/netns/red and calls setns().  Then it
unshares the mount namespace, mounts a new /sys, in which /sys/class/net shows
the links of red, binds the files of /etc/netns/red over those of /etc, and
executes CMD.

  mount --bind FILE1 FILE2      umount FILE      stat -fc %T FILE
  unshare --net=FILE true       a new namespace, bound on FILE, which must exist""",
    picture="""\
    /run/netns/red      ------+
                              +---> [ namespace with the link `mark` ]
    /run/netns/crimson  ------+
    /run/netns/green    ----------> [ a new namespace ]""",
    task="Without `ip netns`: make green, a new namespace.  Give red the second name crimson, then remove the name red.",
    goals=(
        Goal("green is the name of a namespace", goals.exists("green")),
        Goal("crimson is the name of the namespace that red was (it has the link mark)", goals.marked("crimson", MARK)),
        Goal("the name red is gone", goals.absent("red")),
    ),
    hints=(
        "A mount needs a file to be mounted on: `touch /run/netns/green`.",
        "`unshare --net=/run/netns/green true` creates a namespace and mounts it there.",
        "`mount --bind /run/netns/red /run/netns/crimson`, once that file exists.",
        "`umount /run/netns/red`, and then `rm` the file that is left.",
    ),
    solutions=(
        Solution(
            "touch /run/netns/green /run/netns/crimson",
            "unshare --net=/run/netns/green true",
            "mount --bind /run/netns/red /run/netns/crimson",
            "umount /run/netns/red && rm /run/netns/red",
            "ip netns list",
            needs=("unshare", "mount", "umount"),
        ),
    ),
    given=given,
    kinds=("bridge",),
)
