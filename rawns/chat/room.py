"""A chat room: an event loop with a listening socket, run in a thread inside a namespace or by the calling thread."""

from __future__ import annotations

import select
import threading
from _thread import get_ident
from errno import EMFILE, ENFILE, ENOBUFS, ENOMEM
from math import inf
from time import monotonic

from .. import sockets, syscalls, uapi
from ..errors import RawnsError, SyscallError
from ..netns import Namespace
from ..syscalls import close, setns
from . import tcp
from .event_loop import MAX_READ_BYTES, EventLoop, Handler
from .peer import encoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import TypeVar

    from ..netns import Reference
    from .event_loop import LineCallback, NoticeCallback

    AnyRoom = TypeVar("AnyRoom", bound="Room")
    AnyLineCallback = TypeVar("AnyLineCallback", bound=LineCallback)
    AnyNoticeCallback = TypeVar("AnyNoticeCallback", bound=NoticeCallback)

ACCEPT_PAUSE = 1.0  # seconds until accept(2) is tried again after it had no descriptor or no memory
MUST_WAIT = "a connection must wait"  # the beginning of the notice of such a pause
MAX_INBOX_TEXTS = 64  # texts that `Room.send` leaves for the room's thread before it waits
MAX_TEXT_BYTES = 65536


class Listener(Handler):
    """The listening socket."""

    def __init__(self, room: Room, address: str | None, port: int) -> None:
        self._room, self._socket = room, tcp.listening(address, port)
        self.fd = self._socket.fileno()
        try:
            bound = sockets.getsockname(self._socket)
        except BaseException:
            self.close()
            raise
        self.address = tcp.host_of(bound), int(bound[1])

    def wants(self, full: bool) -> int | None:
        """Wait for a connection, unless accept(2) is paused."""
        return select.POLLIN if self.deadline == inf else None

    def ready(self, events: int) -> None:
        """Accept all connections that wait.

        If there is no descriptor for one, it stays in the backlog, and poll(2) would report it at once: so the listener
        waits for nothing until `ACCEPT_PAUSE` has passed.
        """
        for _ in range(tcp.BACKLOG):
            try:
                sock, name = tcp.accepted(self._socket)
            except BlockingIOError:
                return
            except SyscallError as error:
                if error.errno not in (EMFILE, ENFILE, ENOBUFS, ENOMEM):
                    continue  # an error of the new connection, which accept(2) passes on
                self.deadline = monotonic() + ACCEPT_PAUSE
                self._room.on_notice(f"{MUST_WAIT}: {error.strerror}")
                return
            self._room.welcome(sock, name)

    def overdue(self) -> None:
        """End the pause."""
        self.deadline = inf

    def close(self) -> None:
        """Close the socket."""
        self.fd = -1
        sockets.close(self._socket)


class Waker(Handler):
    """A pipe by which another thread wakes the thread of the loop."""

    def __init__(self) -> None:
        self.fd, self._end = syscalls.pipe()

    def wake(self) -> None:
        """Make the loop's poll(2) return."""
        try:
            syscalls.write(self._end, b"!")
        except BlockingIOError:
            pass  # the pipe is full, so poll returns anyway

    def wants(self, full: bool) -> int | None:
        """Wait for a byte in the pipe."""
        return select.POLLIN

    def ready(self, events: int) -> None:
        """Empty the pipe."""
        syscalls.read(self.fd, MAX_READ_BYTES)

    def close(self) -> None:
        """Close both ends."""
        close(self.fd)
        close(self._end)
        self.fd = -1


class Room(EventLoop):
    """A listening socket that many can connect to, ``nc`` too: each line of one is relayed to all others, with its sender.

    ``ns`` is a `NetNS`, a name, a path, ``"pid:N"``, or None for the namespace of the thread that opens the room.
    ``address`` is an address or a name there (None: all addresses, IPv4 and IPv6), ``port`` 0 for one that the kernel
    chooses, ``peers`` the largest number of connections at the same time.  As a context manager the room is started, and
    stopped at the end of the block::

        with Room(ns1, "10.0.0.1") as room:
            room.handle_lines(lambda who, text: room.send(f"you said {text}", to=who))
            peer = Peer(ns2, *room.address)

    Everything, callbacks too, happens on one daemon thread inside ``ns``.  A callback that raises ends the room, and
    `stop` raises the same exception.  When a peer shuts down its sending side, it is sent what waits for it and then
    disconnected.  A peer is also disconnected if more than 1 MiB waits for it, or if 256 KiB wait for it for longer than
    ``patience`` (3.0) seconds; if several peers do not read, they share this time.

    Raises `InvalidValue` if ``port`` is not a port.
    Equivalent to ``ip netns exec NS ncat -lk --chat PORT``.
    """

    patience = 3.0

    def __init__(self, ns: Reference | None = None, address: str | None = None, port: int = 0, peers: int = 64) -> None:
        super().__init__()
        self._ns, self._bind_to, self._max_peers = ns, (address, tcp.check_port(port, 0)), peers
        self._listener: Listener | None = None
        self._waker: Waker | None = None  # not None exactly while the room is open
        self._thread: threading.Thread | None = None
        self._ident = 0  # of the thread that runs the room
        self._failure: BaseException | None = None
        self._inbox: list[tuple[bytes, str | None]] = []
        self._changed = threading.Condition()  # guards the inbox and the waker

    def handle_lines(self, callback: AnyLineCallback) -> AnyLineCallback:
        """Have ``callback(who, text)`` called for each line of a peer; ``text`` is safe to print on a terminal."""
        self.on_line = callback
        return callback

    def handle_notices(self, callback: AnyNoticeCallback) -> AnyNoticeCallback:
        """Have ``callback(sentence)`` called when a peer joins or leaves: ``10.0.0.2:40312 joined``."""
        self.on_notice = callback
        return callback

    @property
    def address(self) -> tuple[str, int]:
        """The host and port at which the room listens.  Raises `RawnsError` if it is not open."""
        if self._listener is None:
            raise RawnsError("the room is not open")
        return self._listener.address

    # -- open, run, stop ---------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Listen.  The calling thread must `run` the room afterwards; `start` does both in a thread of the room's own.

        Raises `SyscallError` if the kernel refuses, `RawnsError` if the address is neither an address nor a known name.
        """
        if self._listener is not None:
            raise RawnsError("the room is open already")
        self.over = False
        waker = Waker()
        try:
            self._listener = Listener(self, *self._bind_to)
        except BaseException:
            waker.close()
            raise
        self._waker, self._ident = waker, get_ident()
        self.handlers = [self._listener, waker]

    def start(self) -> None:
        """Open the room in a thread of its own, and return when it listens.

        Raises the errors of `open`, and `RawnsError` if ``ns`` is closed or no thread can be started; then nothing is left.
        """
        if self._thread is not None:
            raise RawnsError("the room is open already")
        opened = threading.Event()
        thread = threading.Thread(target=self._run_inside, args=(opened,), name="rawns room", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # as a rule, a limit on the number of processes
            raise RawnsError(f"the room's thread cannot be started: {error}") from None
        self._thread = thread
        opened.wait()
        if self._failure is not None:
            self.stop()

    def _run_inside(self, opened: threading.Event) -> None:
        try:
            try:
                if self._ns is not None:
                    namespace = Namespace.resolve(self._ns)
                    setns(namespace.fileno(), uapi.CLONE_NEWNET)
                self.open()
            except BaseException as error:
                self._failure = error
                return
            finally:
                opened.set()
            self.run()
        except BaseException as error:
            self._failure = error

    def stop(self) -> None:
        """Send what has been said, disconnect all peers, end the thread.  Can be called again, and from any thread.

        Raises the exception that has ended the room before, if there was one.
        """
        with self._changed:
            self.over = True
            if self._waker is not None:
                self._waker.wake()
        if self._thread is None or self._ident == get_ident():
            return  # the loop ends with this turn
        self._thread.join()
        self._thread = None
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Deliver what `send` has left, and close everything; `run` calls it at the end."""
        with self._changed:
            try:
                self._deliver(len(self._inbox))
                super().flush()
            finally:
                self._waker = self._listener = None
                self._changed.notify_all()
                super().close()
                self._ident, self.relay.members = 0, {}

    def __enter__(self: AnyRoom) -> AnyRoom:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    # -- what the program says ---------------------------------------------------------------------------------------

    def send(self, text: str, to: str | None = None) -> None:
        """Send ``text``, a line or several, at most 64 KiB, to all peers that have joined, or to the one that ``to`` names.

        Can be called from any thread.  On a thread that is not the room's, waits while too much is still to be sent; the
        wait is bounded, because peers that do not read are disconnected.  Raises `RawnsError` if the room is not open,
        `InvalidValue` if the text is too long.
        """
        data = encoded(text, MAX_TEXT_BYTES)
        if self._ident == get_ident():  # this thread alone opens and closes the room
            self._check_open()
            self.relay.send(data, to)
            return
        with self._changed:
            while self._waker is not None and len(self._inbox) >= MAX_INBOX_TEXTS:
                self._changed.wait()
            waker = self._check_open()
            self._inbox.append((data, to))
            waker.wake()

    def _check_open(self) -> Waker:
        if self._waker is None:
            raise RawnsError("the room is not open")
        return self._waker

    def _deliver(self, most: int) -> None:
        for data, to in self._inbox[:most]:
            self.relay.send(data, to)
        del self._inbox[:most]
        self._changed.notify_all()

    def flush(self) -> None:
        """Send what is waiting, then the texts of the inbox one by one, as long as no connection is full."""
        super().flush()
        said = len(self._inbox)
        if said and self._listener is not None and self._listener.deadline == inf:
            self._listener.ready(select.POLLIN)  # a peer that connected before a text was said must receive it
        for _ in range(said):
            if self.full:
                break
            with self._changed:
                self._deliver(1)
            super().flush()

    def welcome(self, sock: _socket.socket, name: str) -> None:
        """Add a new connection, or tell it that the room is full and close it."""
        if len(self.relay.members) < self._max_peers:
            self.connect(sock, name)
            self.on_notice(f"{name} joined")
            return
        try:
            sockets.send(sock, b"the room is full\n")
            sockets.shutdown(sock)
            sockets.recv(sock, MAX_READ_BYTES)  # to close a socket with unread data would reset the connection
        except SyscallError:
            pass
        sockets.close(sock)
        self.on_notice(f"{name} found the room full")
