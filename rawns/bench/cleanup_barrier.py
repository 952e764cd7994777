"""Until the kernel has cleaned up after namespaces that have ended.

Floor 7.  It does so later, by a worker, batch by batch; whoever is measured meanwhile pays for it.  How to know when it is
over: each namespace of a round is given an id here (RTM_NEWNSID), which the kernel takes back, and says so
(RTM_DELNSID), when its turn has come.  When all have gone, one more namespace is ended, a canary with a cable to here: its
turn comes in a later batch, so when the cable goes, all the batches before are done.

The canary alone would not do: a netlink socket holds its namespace for a grace period longer, and the canary would overtake.
"""

from __future__ import annotations

import select
import socket
from errno import ENOBUFS
from struct import unpack_from

from .. import uapi
from ..errors import RawnsError, SyscallError
from ..net import NetNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

PATIENCE = 60_000  # milliseconds
GROUPS = 1 | 1 << (uapi.RTNLGRP_NSID - 1)  # links, and ids of namespaces
BUFFER = 1 << 24  # bytes; root gets them


class Fence:
    """``watch`` namespaces while they stand, ``wait`` after they were given up."""

    def __init__(self) -> None:
        self._home = NetNS.create()
        self._watched: set[int] = set()
        try:
            self._news = self._home.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
            self._size()
            self._news.bind((0, GROUPS))
            self._news.setblocking(False)
            self._poll = select.poll()
            self._poll.register(self._news, select.POLLIN)
        except BaseException:
            self._home.close()
            raise

    def _size(self) -> None:
        try:
            self._news.setsockopt(socket.SOL_SOCKET, uapi.SO_RCVBUFFORCE, BUFFER)
        except OSError:
            pass  # not the machine's root: what overruns is asked for

    def watch(self, spaces: Iterable[str | int]) -> None:
        """Namespaces, by name or descriptor, that will be waited for."""
        from .harness import opened

        for space in spaces:
            with opened(space) as ns:
                number = self._home.net.nsid(ns)
                if number is None:
                    self._home.net.set_nsid(ns)
                    number = self._home.net.nsid(ns)
            if number is not None:
                self._watched.add(number)

    def wait(self) -> None:
        """Raises `RawnsError` where that takes longer than a minute: somebody holds one of them."""
        watched, self._watched = self._watched, set()
        self._until(watched, False)
        with NetNS.create() as canary:
            self._home.net.add_veth("fence", peer="canary", peer_ns=canary)
        self._until(set(), True)

    def _until(self, ids: set[int], cable: bool) -> None:
        while ids or cable:
            if not self._poll.poll(PATIENCE):
                raise RawnsError(
                    f"the kernel has not let go of {len(ids) or 1} namespaces for {PATIENCE // 1000} s; who holds them?"
                )
            try:
                while ids or cable:
                    data = self._news.recv(65536)
                    gone, cut = heard(data)
                    ids -= gone
                    cable = cable and not cut
            except BlockingIOError:
                pass
            except OSError as error:
                if error.errno != ENOBUFS:
                    raise SyscallError(error.errno or 0, "recv", "the fence's news") from None
                ids &= set(self._home.net.nsids())
                cable = cable and "fence" in [link.name for link in self._home.net.links()]

    def close(self) -> None:
        self._news.close()
        self._home.close()

    def __enter__(self) -> Fence:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def heard(data: bytes) -> tuple[set[int], bool]:
    """The ids that have gone, and whether a link has, in a datagram of the kernel's news."""
    gone: set[int] = set()
    cut, at = False, 0
    while at + 16 <= len(data):
        length, kind = unpack_from("=IH", data, at)
        if kind == uapi.RTM_DELNSID:
            place = at + 20
            while place + 8 <= min(at + length, len(data)):
                size, name = unpack_from("=HH", data, place)
                if name == uapi.NETNSA_NSID:
                    gone.add(unpack_from("=i", data, place + 4)[0])
                place += max(4, size + 3 & ~3)
        elif kind == uapi.RTM_DELLINK:
            cut = True
        at += max(16, length + 3 & ~3)
    return gone, cut
