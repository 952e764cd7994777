"""An event loop: each `Handler` says which events it waits for, and one poll(2) waits for all of them.

In each turn, handlers whose event or deadline has come act, and then everything that is waiting is sent.  Handlers are
asked anew in each turn, so no registration can be stale; and poll, unlike epoll, accepts a regular file or /dev/null as
an input.  Nothing grows without bound: while any `SendBuffer` is full, nothing more is read (TCP makes the senders wait),
and a connection that keeps the others waiting for longer than the loop's ``patience`` is closed.
"""

from __future__ import annotations

import select
from math import ceil, inf
from time import monotonic

from .. import sockets
from ..errors import SyscallError
from ..framing import MAX_LINE_BYTES, Relay

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable

    from ..framing import Member

    LineCallback = Callable[[str, str], object]
    NoticeCallback = Callable[[str], object]

MAX_READ_BYTES = 4096  # read from one handler in one turn: if all of them are line ends, each other member gets 250 KiB
MAX_HALVINGS = 6  # of the time that a connection gets after others have used up the loop's patience
TOO_SLOW = "does not read what is said"


class Handler:
    """A descriptor, and what to do when it is ready.  ``fd`` is -1 after it has been closed."""

    fd = -1
    deadline = inf  # by time.monotonic(): when `overdue` is called

    def wants(self, full: bool) -> int | None:
        """Return the events of poll(2) to wait for in this turn: 0 for errors alone, None for nothing at all.

        ``full`` says that no input may be read, because what is to be sent has not been sent yet.
        """

    def ready(self, events: int) -> None:
        """Act on events that have come."""

    def overdue(self) -> None:
        """Act on the deadline, which has passed."""

    def flush(self) -> None:
        """Send what is waiting; called at the end of each turn."""

    def close(self) -> None:
        """Close the descriptor."""


class EventLoop:
    """The handlers of one chat: connections, whose lines a `Relay` distributes, and others beside them."""

    patience: float | None = None  # seconds for which a connection may keep the others waiting; None: any time
    max_line_bytes = MAX_LINE_BYTES  # longer lines are cut

    def __init__(self) -> None:
        self.relay = Relay()
        self.handlers: list[Handler] = []
        self._poller = sockets.Poller()
        self.over = False
        self._stall = StallBudget()
        self.on_line: LineCallback = lambda name, text: None
        self.on_notice: NoticeCallback = lambda sentence: None

    @property
    def full(self) -> bool:
        """Whether no input may be read, because what is to be sent has not been sent yet."""
        return self.relay.full

    def run(self) -> None:
        """Take turns until ``over`` is set, then close everything."""
        try:
            while not self.over:
                self.turn()
        finally:
            self.close()

    def turn(self, at_once: bool = False) -> bool:
        """Wait until a handler is ready, or do not wait if ``at_once``; return whether one was."""
        full, waits, watched, soonest = self.full, {}, {}, inf
        if self.patience is not None:
            self._stall.update(full, self.patience)
        for handler in self.handlers:
            events = handler.wants(full)
            if events is not None:
                waits[handler.fd], watched[handler.fd] = events, handler
            if handler.deadline < soonest:
                soonest = handler.deadline
        wait = 0 if at_once else None if soonest == inf else max(0, ceil((soonest - monotonic()) * 1000))
        ready = self._poller.wait(waits, wait)
        for fd, events in ready:
            if watched[fd].fd == fd:  # no handler before it has closed it
                watched[fd].ready(events)
        if soonest != inf:
            now = monotonic()
            for handler in [handler for handler in self.handlers if handler.deadline <= now]:
                handler.overdue()
        self.flush()
        return bool(ready)

    def flush(self) -> None:
        """Send what is waiting in each handler."""
        for handler in list(self.handlers):
            handler.flush()

    def close(self) -> None:
        """Close all handlers."""
        handlers, self.handlers = self.handlers, []
        for handler in handlers:
            handler.close()

    # -- connections -----------------------------------------------------------------------------------------------

    def connect(self, sock: _socket.socket, name: str) -> Connection:
        """Add a connected socket, which the loop owns from now on."""
        connection = Connection(self, sock, self.relay.join(name, self.max_line_bytes))
        self.handlers.append(connection)
        return connection

    def peer_finished(self, connection: Connection) -> None:
        """Flush what waits for the peer, which has shut down its sending side, then close the connection."""
        connection.finish()

    def deadline_of_reader(self) -> float:
        """Return until when a connection must have read that keeps the others waiting from now on."""
        return inf if self.patience is None else monotonic() + self._stall.allowance(self.patience)

    def disconnect_slow(self, connection: Connection) -> None:
        """Close a connection that has kept the others waiting for too long."""
        self._stall.closed += 1
        self.disconnect(connection, TOO_SLOW)

    def disconnect(self, connection: Connection, reason: str | None = None) -> None:
        """Close a connection and remove its member.  ``reason`` is None if the peer has left by itself."""
        self.handlers.remove(connection)
        self.relay.leave(connection.member.name)
        connection.close()
        self.on_notice(f"{connection.member.name} left: {reason}" if reason else f"{connection.member.name} left")


class StallBudget:
    """How long connections that do not read may still keep the others waiting, all of them together.

    While the loop waits for such a connection its patience is used up; it recovers while the loop does not.  A
    connection that becomes full afterwards gets what is left, or ``patience`` halved for each one that was closed since
    the patience was last complete.  So a line is delayed by little more than twice the patience however many peers stop
    reading, and a peer that reads slowly, but is the only one, is given the whole patience each time.
    """

    __slots__ = ("_full", "_since", "_used", "closed")

    def __init__(self) -> None:
        self.closed = 0
        self._used, self._since, self._full = 0.0, monotonic(), False

    def update(self, full: bool, patience: float) -> None:
        """Account for the time since the last call, and note whether the loop waits from now on."""
        if not (full or self._full or self._used):
            return
        now = monotonic()
        passed = now - self._since
        self._used = min(patience, self._used + passed) if self._full else max(0.0, self._used - passed)
        self._since, self._full = now, full
        if not self._used:
            self.closed = 0

    def allowance(self, patience: float) -> float:
        """Return for how many seconds a connection may keep the others waiting from now on."""
        self.update(self._full, patience)
        return max(patience - self._used, patience / (1 << min(self.closed, MAX_HALVINGS)))


class Connection(Handler):
    """A connected socket, and its member of the relay."""

    def __init__(self, loop: EventLoop, sock: _socket.socket, member: Member) -> None:
        self.loop, self.member, self._socket, self.fd = loop, member, sock, sock.fileno()
        self._blocked = False  # the socket's buffer does not take what waits
        self._finishing = self._shut = False  # we shall send nothing more; and the peer has been told (SHUT_WR)
        self.peer_done = False  # the peer sends nothing more

    def wants(self, full: bool) -> int | None:
        """Wait for input unless the loop is full, and for the socket to take more if it is blocked."""
        reads = 0 if full or self.peer_done else select.POLLIN
        return reads | (select.POLLOUT if self._blocked else 0) or None

    def ready(self, events: int) -> None:
        """Receive, or note that the socket takes more."""
        self._blocked = self._blocked and events == select.POLLIN
        if events != select.POLLOUT and not self.peer_done and not self.loop.full:
            self._receive()

    def _receive(self) -> None:
        try:
            data = sockets.recv(self._socket, MAX_READ_BYTES)
        except BlockingIOError:
            return
        except SyscallError as error:
            self.loop.disconnect(self, error.strerror)
            return
        name = self.member.name
        for line in self.loop.relay.received(name, data):
            self.loop.on_line(name, line)
        if not data:
            self.peer_done = True
            self.loop.peer_finished(self)

    def finish(self) -> None:
        """Shut down the sending side (SHUT_WR of shutdown(2)) as soon as everything that waits has been sent."""
        self._finishing = True

    def _send(self, data: bytes) -> int:
        return sockets.send(self._socket, data)

    def flush(self) -> None:
        """Send what waits for the peer."""
        out = self.member.out
        try:
            if not self._blocked and out:
                out.send(self._send)
                self._blocked = len(out) > 0
            if self._finishing and not self._shut and not out:
                self._shut = True
                sockets.shutdown(self._socket)
        except BlockingIOError:
            self._blocked = True
        except SyscallError as error:
            self.loop.disconnect(self, error.strerror)
            return
        self._check()

    def _check(self) -> None:
        """Close the connection if it has ended or is overrun; otherwise set or clear its deadline."""
        out = self.member.out
        if out.overrun:
            self.overdue()
        elif self._shut and self.peer_done:
            self.loop.disconnect(self)
        elif not (out.full or self._finishing and out):
            self.deadline = inf
        elif self.deadline == inf:
            self.deadline = self.loop.deadline_of_reader()

    def overdue(self) -> None:
        """Close the connection, which has kept the others waiting."""
        self.loop.disconnect_slow(self)

    def close(self) -> None:
        """Close the socket."""
        self.fd = -1
        sockets.close(self._socket)
