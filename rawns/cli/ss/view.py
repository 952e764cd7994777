"""What is shown of sockets: the options of the command line, and the words that sockets of several families share."""

from __future__ import annotations

from struct import Struct

from .names import Names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from ...netlink_families import SockDiag
    from .selection import SocketSelection


_WORDS = Struct("=II").unpack


class View:
    """The options by their long names, the filter, and what has been read so far."""

    def __init__(self, options: set[str], selection: SocketSelection, netlink: SockDiag) -> None:
        self.selection, self.netlink, self.filter = selection, netlink, None
        self.extended = "extended" in options
        self.timers = self.extended or "options" in options
        self.memory, self.info, self.tos = "memory" in options, "info" in options, "tos" in options
        self.cgroup_option = "cgroup" in options
        self.cgroup = self.extended or self.cgroup_option
        self.threads = "threads" in options
        self.processes = self.threads or "processes" in options
        self.kill, self.oneline = "kill" in options, "oneline" in options
        self.names = Names("numeric" in options, "resolve" in options)
        if self.info:
            from .tcp_info import shown

            self.tcp_info = shown
        self._cgroups: dict[int, str] | None = None

    @property
    def attributes(self) -> bool:
        """Whether more than the header of an answer is needed."""
        return bool(self.extended or self.memory or self.info or self.tos or self.cgroup or self.filter)

    def owners(self, inodes: Iterable[int]) -> dict[int, str]:
        """Return what ``-p`` shows of each of these sockets; nothing without ``-p``."""
        if not self.processes:
            return {}
        from .processes import owners

        return owners(set(inodes), self.threads)

    def cgroup_path(self, number: int) -> str:
        """Return the path of a group of cgroup v2."""
        if self._cgroups is None:
            from .processes import cgroup_paths

            self._cgroups = cgroup_paths()
        return self._cgroups.get(number) or f"unreachable:{number:x}"


def memory(values: Sequence[int] | None) -> str:
    """Return ``skmem:(...)`` after a space, from the counters SK_MEMINFO_*; empty without them."""
    if not values or len(values) < 8:
        return ""
    drops = f",d{values[8]}" if len(values) > 8 else ""
    return " skmem:(r{},rb{},t{},tb{},f{},w{},o{},bl{}{})".format(*values[:8], drops)


def shutdown(mask: Any) -> str:
    """Return which directions are open, after a space; empty if it is not known."""
    return "" if mask is None else f" {'-' if mask & 1 else '<'}-{'-' if mask & 2 else '>'}"


def cookie(value: bytes) -> str:
    """Return the number that the kernel has given to a socket, from two words of 32 bits."""
    low, high = _WORDS(value)
    return f"{high << 32 | low:x}"
