"""What changes in a network namespace, as the kernel tells it: rtnetlink's multicast groups (``ip monitor``, rtnetlink(7)).

Floor 4.  A `Monitor` belongs to the namespace of the thread that makes it, and may be read from any.  It has a descriptor, so one
thread may watch many.  Events say that something has changed; what is so now is read from the kernel: `wait_until` does both,
in the order in which nothing is missed.
"""

from __future__ import annotations

import _socket
from errno import ENOBUFS, ETIMEDOUT
from select import POLLIN
from time import monotonic

from . import nlmsg, rtnl, sockets, uapi
from .errors import Interrupted, InvalidValue, SyscallError
from .syscalls import observed_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from .nlmsg import Frame, Reply

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
RECEIVE_BYTES = 65536
DRAINED = 4096  # datagrams at most in one `receive`: a namespace that never rests must not keep us for ever
KIND = _socket.SOCK_RAW | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK


class Monitor:
    """Hears of changes from now on, of the kinds named (`GROUPS`): ``ip monitor link address``.

    Raises `InvalidValue` for a kind there is none of, `SyscallError` where the socket cannot be made.
    """

    def __init__(self, *groups: str) -> None:
        unknown = [group for group in groups if group not in GROUPS]
        if unknown or not groups:
            raise InvalidValue(f"{unknown[0] if unknown else 'nothing'!r} cannot be watched; what can is {', '.join(GROUPS)}")
        if "qdisc" in groups:
            from .rtnl import tc as tc  # from then on its messages are decoded
        self.groups = groups
        self._socket: _socket.socket = observed_call(
            "socket", _socket.socket, uapi.AF_NETLINK, KIND, uapi.NETLINK_ROUTE, format_args=_format_args
        )
        try:
            observed_call("bind", self._socket.bind, (0, 0), format_args=lambda _: f"{self.fileno()}, {{AF_NETLINK}}, 12")
            for number in [number for group in groups for number in GROUPS[group]]:
                self._join(number)
        except BaseException:
            self._socket.close()
            raise

    def _join(self, number: int) -> None:
        def format_args(*_: object) -> str:
            return f"{self.fileno()}, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, [{number}], 4"

        observed_call(
            "setsockopt", self._socket.setsockopt, uapi.SOL_NETLINK, uapi.NETLINK_ADD_MEMBERSHIP, number, format_args=format_args
        )

    def fileno(self) -> int:
        """Its descriptor, readable where there are events; -1 once it is closed."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket; may be called again."""
        sockets.close(self._socket)

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        try:
            self._socket.close()
        except (AttributeError, OSError):
            pass  # never made, or the descriptor was closed behind our back

    def receive(self, timeout: float | None = 0) -> list[Reply]:
        """The events that are there; where there are none, waits for some, ``timeout`` seconds at most (None: for ever).

        Raises `Interrupted` where more came than the socket's buffer holds: read the state anew.  `WireError`: no message.
        """
        events = self._there()
        if not events and timeout != 0:
            sockets.poll({self.fileno(): POLLIN}, None if timeout is None else _milliseconds(timeout))
            events = self._there()
        return events

    def drain(self) -> None:
        """Forget the events that are there, for who reads the state anyway."""
        try:
            self._there()
        except Interrupted:
            pass  # which is an event, too

    def _there(self) -> list[Reply]:
        events: list[Reply] = []
        for _ in range(DRAINED):
            try:
                data, sender = self._receive()
            except BlockingIOError:
                break
            except SyscallError as error:
                if error.errno != ENOBUFS:
                    raise
                raise Interrupted("events were lost: more came than the socket's buffer holds (ENOBUFS)") from None
            if sender[0] == 0:  # port 0 is the kernel; anyone else has no say here
                events += [_decoded(data, frame) for frame in nlmsg.split(data) if frame.kind >= uapi.NLMSG_MIN_TYPE]
        return events

    def _receive(self) -> tuple[bytes, tuple[int, int]]:
        def format_args(size: int) -> str:
            return f"{self.fileno()}, buffer, {size}, 0, ..."

        got: tuple[bytes, tuple[int, int]] = observed_call(
            "recvfrom", self._socket.recvfrom, RECEIVE_BYTES, format_args=format_args, protocol="rtnetlink"
        )
        return got

    def __repr__(self) -> str:
        return f"<Monitor {' '.join(self.groups)} fd={self.fileno()}>"


def wait_until(holds: Callable[[], Answer], *monitors: Monitor, timeout: float, what: str = "what was waited for") -> Answer:
    """Call ``holds`` now and after each event, until its answer is true; that answer.

    The monitors must be older than what they wait for: first watch, then look, then wait, so that no change falls between.
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


def _decoded(data: bytes, frame: Frame) -> Reply:
    """An event; one of a kind that is not described here keeps its bytes under ``""``."""
    message = rtnl.MESSAGES.get(frame.kind)
    if message is None:
        return nlmsg.Reply(frame.kind, str(frame.kind), frame.flags, {"": data[frame.start : frame.end]})
    return nlmsg.Reply(frame.kind, message.name, frame.flags, message.unpack(data, frame.start, frame.end))


def _milliseconds(seconds: float) -> int:
    return max(0, int(seconds * 1000 + 0.999))


def _format_args(*args: object) -> str:
    return "AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC|SOCK_NONBLOCK, NETLINK_ROUTE"
