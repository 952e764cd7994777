"""Who sits around a table takes turns: each `Part` says what it waits for, one poll(2) waits for all of them.

In a turn those act whose time has come, and then what is to be sent is sent.  What is waited for is said anew in each
turn, so nothing can be stale; and poll, unlike epoll, takes a plain file or /dev/null for an input too.  Nothing grows
without bound: while somebody's `Outbox` is full nothing more is read (TCP lets the others wait), and who keeps them
waiting for longer than the table's patience is sent away.
"""

from __future__ import annotations

import select
from math import ceil, inf
from time import monotonic

from .. import sockets
from ..errors import SyscallError
from ..framing import LINE, Circle

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable

    from ..framing import Member

    Said = Callable[[str, str], object]
    Noticed = Callable[[str], object]

CHUNK = 4096  # bytes read from one part in one turn: all of them line ends, they are 250 KiB for each of the others
SLOW = "does not read what is said"


class Part:
    """A descriptor, and what to do when it is ready.  ``fd`` is -1 when it is gone."""

    fd = -1
    deadline = inf  # by time.monotonic(): when `overdue` is to be called

    def wants(self, full: bool) -> int | None:
        """The events of poll(2) it waits for in this turn; 0 for errors alone, None for nothing.

        ``full``: whatever comes in must wait.
        """

    def ready(self, events: int) -> None:
        """One of them has come."""

    def overdue(self) -> None:
        """The deadline has passed."""

    def flush(self) -> None:
        """Send what is to be sent; called at the end of each turn."""

    def close(self) -> None:
        """Let go of the descriptor."""


class Table:
    """A `Circle` of seats, and the other parts around it."""

    patience: float | None = None  # seconds that a seat may keep the others waiting
    longest = LINE  # bytes of a line that still comes in one piece

    def __init__(self) -> None:
        self.circle = Circle()
        self.parts: list[Part] = []
        self._poller = sockets.Poller()
        self.over = False
        self.tell: Said = lambda who, text: None
        self.notify: Noticed = lambda sentence: None

    @property
    def full(self) -> bool:
        """Whether what comes in must wait, because what goes out does."""
        return self.circle.full

    def run(self) -> None:
        """Turn until it is over, then close everything."""
        try:
            while not self.over:
                self.turn()
        finally:
            self.close()

    def turn(self, at_once: bool = False) -> bool:
        """Wait until something is ready, or with ``at_once`` only look; whether something was."""
        full, waits, watched, soonest = self.full, {}, {}, inf
        for part in self.parts:
            events = part.wants(full)
            if events is not None:
                waits[part.fd], watched[part.fd] = events, part
            if part.deadline < soonest:
                soonest = part.deadline
        wait = 0 if at_once else None if soonest == inf else max(0, ceil((soonest - monotonic()) * 1000))
        ready = self._poller.wait(waits, wait)
        for fd, events in ready:
            if watched[fd].fd == fd:  # nobody before it has sent it away
                watched[fd].ready(events)
        if soonest != inf:
            now = monotonic()
            for part in [part for part in self.parts if part.deadline <= now]:
                part.overdue()
        self.flush()
        return bool(ready)

    def flush(self) -> None:
        for part in list(self.parts):
            part.flush()

    def close(self) -> None:
        parts, self.parts = self.parts, []
        for part in parts:
            part.close()

    # -- who sits here ---------------------------------------------------------------------------------------------

    def seat(self, sock: _socket.socket, who: str) -> Seat:
        """Give a connected socket, from now on ours, its place."""
        seat = Seat(self, sock, self.circle.join(who, self.longest))
        self.parts.append(seat)
        return seat

    def last_word(self, seat: Seat) -> None:
        """Somebody has said his.  He is sent what waits for him, and that is that."""
        seat.finish()

    def leave(self, seat: Seat, why: str | None = None) -> None:
        self.parts.remove(seat)
        self.circle.leave(seat.member.who)
        seat.close()
        self.notify(f"{seat.member.who} left: {why}" if why else f"{seat.member.who} left")


class Seat(Part):
    """Somebody's place: his socket, and his part in the circle."""

    def __init__(self, table: Table, sock: _socket.socket, member: Member) -> None:
        self.table, self.member, self._socket, self.fd = table, member, sock, sock.fileno()
        self._blocked = False  # what waits for him does not fit the socket's buffer
        self._silent = self._shut = False  # we shall say nothing more; and he has been told
        self.heard_out = False  # he will say nothing more

    def wants(self, full: bool) -> int | None:
        hears = 0 if full or self.heard_out else select.POLLIN
        return hears | (select.POLLOUT if self._blocked else 0) or None

    def ready(self, events: int) -> None:
        self._blocked = self._blocked and events == select.POLLIN
        if events != select.POLLOUT and not self.heard_out and not self.table.full:
            self._hear()

    def _hear(self) -> None:
        try:
            data = sockets.recv(self._socket, CHUNK)
        except BlockingIOError:
            return
        except SyscallError as error:
            self.table.leave(self, error.strerror)
            return
        who = self.member.who
        for line in self.table.circle.hear(who, data):
            self.table.tell(who, line)
        if not data:
            self.heard_out = True
            self.table.last_word(self)

    def finish(self) -> None:
        """Half-close when all that waits is sent (shutdown(2), SHUT_WR)."""
        self._silent = True

    def _send(self, data: bytes) -> int:
        return sockets.send(self._socket, data)

    def flush(self) -> None:
        out = self.member.out
        try:
            if not self._blocked and out:
                out.send(self._send)
                self._blocked = len(out) > 0
            if self._silent and not self._shut and not out:
                self._shut = True
                sockets.shutdown(self._socket)
        except BlockingIOError:
            self._blocked = True
        except SyscallError as error:
            self.table.leave(self, error.strerror)
            return
        self._judge()

    def _judge(self) -> None:
        """Whether he may stay, and until when."""
        out, patience = self.member.out, self.table.patience
        if out.overrun:
            self.overdue()
        elif self._shut and self.heard_out:
            self.table.leave(self)
        elif patience is None or not (out.full or self._silent and out):
            self.deadline = inf
        elif self.deadline == inf:
            self.deadline = monotonic() + patience

    def overdue(self) -> None:
        self.table.leave(self, SLOW)

    def close(self) -> None:
        self.fd = -1
        sockets.close(self._socket)
