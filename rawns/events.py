"""Notifications of changes in a network namespace: rtnetlink's multicast groups (``ip monitor``, rtnetlink(7)).

A `Monitor` belongs to the namespace of the thread that opens it; any thread may read it.  It has a descriptor, so one
thread may watch many.  An event says that something has changed; the state itself is read from the kernel.  `wait_until` does
both in the order that misses nothing.
"""

from __future__ import annotations

import _socket
from errno import ENOBUFS, ETIMEDOUT
from select import POLLIN
from time import monotonic

from . import nlmsg, rtnl, sockets, uapi
from .errors import Interrupted, InvalidValue, SyscallError
from .nlsocket import NetlinkSocket
from .observer import observed_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from .nlmsg import Reply

    Answer = TypeVar("Answer")

GROUPS: dict[str, tuple[int, ...]] = {
    "link": (uapi.RTNLGRP_LINK,),
    "address": (uapi.RTNLGRP_IPV4_IFADDR, uapi.RTNLGRP_IPV6_IFADDR),
    "route": (uapi.RTNLGRP_IPV4_ROUTE, uapi.RTNLGRP_IPV6_ROUTE),
    "rule": (uapi.RTNLGRP_IPV4_RULE, uapi.RTNLGRP_IPV6_RULE),
    "neighbour": (uapi.RTNLGRP_NEIGH,),
    "qdisc": (uapi.RTNLGRP_TC,),
    "nsid": (uapi.RTNLGRP_NSID,),
}
MAX_DATAGRAMS = 4096  # in one `receive`: a namespace that changes without pause must not keep the caller for ever
MAX_DISCARDED = 100_000  # datagrams; a receive buffer holds fewer


class Monitor(NetlinkSocket):
    """Receives events of the kinds named (`GROUPS`) from now on: ``ip monitor link address``.

    In a forked child the first use opens a socket of its own, and the first `receive` raises `Interrupted`, because the events
    since the fork are lost to it.  Raises `InvalidValue` for an unknown kind, `SyscallError` if the socket cannot be opened.
    """

    _lost = False

    def __init__(self, *groups: str) -> None:
        self._set_groups(groups)
        super().__init__()

    @classmethod
    def beside(cls, other: NetlinkSocket, *groups: str) -> Monitor:
        """Open a monitor in the namespace of another netlink socket; see `NetlinkSocket.in_namespace_of`."""
        opened = cls.__new__(cls)
        opened._set_groups(groups)
        opened._open_in_namespace_of(other._current())
        return opened

    def _set_groups(self, groups: tuple[str, ...]) -> None:
        unknown = [group for group in groups if group not in GROUPS]
        if unknown or not groups:
            name = repr(unknown[0]) if unknown else "nothing"
            raise InvalidValue(f"{name} cannot be watched; what can be watched is {', '.join(GROUPS)}")
        self.groups = groups

    def _configure(self) -> None:
        observed_call("bind", self._socket.bind, (0, 0), format_args=lambda _: f"{self._socket.fileno()}, {{AF_NETLINK}}, 12")
        for number in [number for group in self.groups for number in GROUPS[group]]:
            self._set_option("NETLINK_ADD_MEMBERSHIP", number)

    def _replace(self, inherited: _socket.socket) -> None:
        super()._replace(inherited)
        self._lost = True

    def receive(self, timeout: float | None = 0) -> list[Reply]:
        """Return the events that have come; if there are none, wait for some, ``timeout`` seconds at most (None: for ever).

        Raises `Interrupted` if events were lost, because more came than the socket's buffer holds, or by a fork: read the
        state anew.  The events that still wait then are discarded.  `DecodeError`: not a message.
        """
        events = self._received()
        if not events and timeout != 0:
            sockets.poll({self.fileno(): POLLIN}, None if timeout is None else _milliseconds(timeout))
            events = self._received()
        return events

    def drain(self) -> None:
        """Discard the events that have come, for callers that read the state anyway."""
        try:
            self._received()
        except Interrupted:
            pass  # which says that there were events, too

    def _received(self) -> list[Reply]:
        events: list[Reply] = []
        self._current()
        with self._lock:
            if self._lost:
                self._lost = False
                raise Interrupted("events were lost: this process was forked after the monitor was opened")
            for _ in range(MAX_DATAGRAMS):
                try:
                    data = self._receive_datagram()
                except BlockingIOError:
                    break
                except SyscallError as error:
                    if error.errno != ENOBUFS:
                        raise
                    self._discard()
                    raise Interrupted("events were lost: more came than the socket's buffer holds (ENOBUFS)") from None
                frames = [frame for frame in nlmsg.split(data) if frame.kind >= uapi.NLMSG_MIN_TYPE]
                events += [nlmsg.decode(data, frame, rtnl.MESSAGES) for frame in frames]
        return events

    def _discard(self) -> None:
        """Discard what waits: the kernel reports further losses only after the queue has been empty."""
        for _ in range(MAX_DISCARDED):
            try:
                self._receive_datagram()
            except BlockingIOError:
                return
            except SyscallError as error:
                if error.errno != ENOBUFS:
                    raise

    def __repr__(self) -> str:
        return f"<Monitor {' '.join(self.groups)} fd={self._socket.fileno()}>"


def wait_until(holds: Callable[[], Answer], *monitors: Monitor, timeout: float, what: str = "the expected state") -> Answer:
    """Call ``holds`` now and after each event until its answer is true; return that answer.

    Open the monitors before starting what is waited for, so that no change is missed.
    Raises TimeoutError (`SyscallError`) when ``timeout`` seconds have passed; ``what`` is for that sentence.
    """
    deadline = monotonic() + timeout
    waits = {monitor.fileno(): POLLIN for monitor in monitors}
    while True:
        answer = holds()
        if answer:
            return answer
        left = deadline - monotonic()
        if left <= 0:
            raise SyscallError(ETIMEDOUT, "poll", f"fds, {len(waits)}, 0", f"{what} did not come within {timeout:g} s")
        ready = {fd for fd, _ in sockets.poll(waits, _milliseconds(left))}
        for monitor in monitors:
            if monitor.fileno() in ready:
                monitor.drain()


def _milliseconds(seconds: float) -> int:
    return max(0, int(seconds * 1000 + 0.999))
