"""What the descriptors of a traced process are: netlink sockets and their family, namespaces, tap devices.

A socket of another process is asked through a duplicate of its descriptor (pidfd_getfd(2), Linux 5.6), so that sockets that were
inherited, received, or created before tracing began are known, too.  Older kernels are asked through /proc/net/netlink.
"""

from __future__ import annotations

import os
from _socket import SOL_SOCKET, socket  # as in `calls`

from ..socket_names import NETLINK_PROTOCOLS
from ..syscalls import LibcFunction

_syscall = LibcFunction("syscall", *((name, "ulong", "") for name in ("number", "pidfd", "fd", "flags")))
PIDFD_THREAD = os.O_EXCL  # <linux/pidfd.h>
PIDFD_GETFD = 438  # the same number on all architectures
SO_PROTOCOL, SO_DOMAIN = 38, 39  # <asm-generic/socket.h>
AF_NETLINK = 16
MAX_KNOWN = 10_000  # sockets that are remembered


class Descriptors:
    """The descriptors of all traced threads, asked once for each socket.

    The kernel is asked about the thread, not about its process: a process whose first thread has ended shows no descriptors.
    """

    def __init__(self) -> None:
        self._families: dict[str, int | None] = {}  # by what the link in /proc says: socket:[INODE]
        self._links: dict[tuple[int, int], str] = {}  # that were read during this stop

    def stopped(self) -> None:
        """Forget what descriptors were: a thread has run, and is stopped again."""
        self._links.clear()

    def describe(self, tid: int, fd: int) -> str:
        """Return what a descriptor is: the link in /proc/TID/fd, ``socket:[17]``, or a path; empty if it is not open."""
        link = self._links.get((tid, fd))
        if link is None:
            try:
                link = os.readlink(f"/proc/{tid}/fd/{fd}")
            except OSError:
                link = ""
            self._links[tid, fd] = link
        return link

    def family(self, tid: int, fd: int) -> int | None:
        """Return the netlink family (NETLINK_*) of a descriptor; None if it is no netlink socket."""
        if not 0 <= fd < 1 << 31:
            return None
        link = self.describe(tid, fd)
        if not link.startswith("socket:"):
            return None
        if link not in self._families:
            if len(self._families) >= MAX_KNOWN:
                self._families.clear()
            self._families[link] = self._ask(tid, fd, link[len("socket:[") : -1])
        return self._families[link]

    def name(self, tid: int, fd: int) -> str:
        """Return what a descriptor is, in words: a path, ``net:[4026531840]``, or a netlink family."""
        family = self.family(tid, fd)
        return self.describe(tid, fd) if family is None else NETLINK_PROTOCOLS.get(family, f"NETLINK_{family}")

    def has_netlink(self, tid: int) -> bool:
        """Return whether a thread has a netlink socket."""
        try:
            numbers = os.listdir(f"/proc/{tid}/fd")
        except OSError:
            return False
        return any(self.family(tid, int(number)) is not None for number in numbers)

    @staticmethod
    def _ask(tid: int, fd: int, inode: str) -> int | None:
        try:
            copy = _duplicate(tid, fd)
        except OSError:
            return _listed_family(tid, inode)
        sock = socket(fileno=copy)
        try:
            if sock.getsockopt(SOL_SOCKET, SO_DOMAIN) != AF_NETLINK:
                return None
            return sock.getsockopt(SOL_SOCKET, SO_PROTOCOL)
        finally:
            sock.close()


def _duplicate(tid: int, fd: int) -> int:
    """Return a descriptor of ours for one of another thread.  Raises OSError."""
    if not hasattr(os, "pidfd_open"):
        raise OSError("this Python has no pidfd_open")
    try:
        pidfd = os.pidfd_open(tid, PIDFD_THREAD)
    except OSError:  # before Linux 6.9
        pidfd = os.pidfd_open(tid)
    try:
        copy = _syscall(PIDFD_GETFD, pidfd, fd, 0)
        os.set_inheritable(copy, False)
        return copy
    finally:
        os.close(pidfd)


def _listed_family(tid: int, inode: str) -> int | None:
    """Return the family of a socket from the list of netlink sockets in its process's network namespace."""
    try:
        with open(f"/proc/{tid}/net/netlink", "rb") as file:
            for line in file:
                words = line.split()  # sk Eth Pid Groups ... Inode
                if words[-1] == inode.encode():
                    return int(words[1])
    except (OSError, ValueError, IndexError):
        pass
    return None
