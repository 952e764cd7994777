"""Shell commands that run in a given namespace.

`ip` is the only place that decides between ``rawns ip`` and iproute2's ``ip``.
"""

from __future__ import annotations

from ..terminal import printable

RAWNS_OBJECTS = {"link", "addr", "netns", "route", "rule", "neigh"}  # objects that `rawns ip` has
IPROUTE_KINDS = {"vxlan", "macvlan"}  # link types whose options are left to iproute2


class NamespaceName:
    """How messages call a namespace, and how a command enters it.

    ``name`` is its name under /run/netns, ``path`` a file that refers to it, or ``net:[INODE]`` if no file does; then a command
    is a comment for the shell. If both are None, it is the caller's own namespace.
    """

    __slots__ = ("label", "name", "path")

    def __init__(self, name: str | None = None, path: str | None = None, label: str = "") -> None:
        self.name, self.path = name, path
        self.label = printable(label or name or path or "this namespace")

    def ip(self, words: str) -> str:
        """Return a command of ``ip``: ``rawns ip -n ns1 link set v1 up``, or ``ip -n ns1 route add ...``."""
        split = words.split()
        subject = next((one for one in split if not one.startswith("-")), "")
        kinds = {split[i + 1] for i, one in enumerate(split[:-1]) if one == "type"}
        program = "rawns ip" if subject in RAWNS_OBJECTS and not kinds & IPROUTE_KINDS else "ip"
        return self._inside(f"{program}{self._option()} {words}")

    def bridge(self, words: str) -> str:
        """Return a command of iproute2's ``bridge``."""
        return self._inside(f"bridge{self._option()} {words}")

    def run(self, words: str) -> str:
        """Return any command, to be run inside: ``rawns ip netns exec ns1 sysctl -w ...``."""
        return self._inside(f"rawns ip netns exec {word(self.name)} {words}" if self.name else words)

    def _option(self) -> str:
        return f" -n {word(self.name)}" if self.name else ""

    def _inside(self, command: str) -> str:
        if not self.path or self.name:
            return command
        if "/" not in self.path:
            return f"# in {self.label}, to which no file leads: {command}"
        return f"nsenter --net={word(self.path)} {command}"

    def __str__(self) -> str:
        return self.label


def word(text: str | None) -> str:
    """Quote a name as one word of a shell command. Names may come from other users, and the command will be copied and run."""
    from shlex import quote

    return quote(printable(text or ""))
