"""A table with a door: whoever connects gets a seat.  In a thread inside a namespace, or in the caller's own."""

from __future__ import annotations

import select
import threading
from _thread import get_ident
from errno import EMFILE, ENFILE, ENOBUFS, ENOMEM
from math import inf
from time import monotonic

from .. import sockets, uapi
from ..errors import RawnsError, SyscallError
from ..syscalls import close, setns
from . import tcp
from .event_loop import CHUNK, Part, Table
from .peer import encoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import TypeVar

    from ..netns import Namespace
    from .event_loop import Noticed, Said

    SomeRoom = TypeVar("SomeRoom", bound="Room")
    SomeSaid = TypeVar("SomeSaid", bound=Said)
    SomeNoticed = TypeVar("SomeNoticed", bound=Noticed)

REST = 1.0  # seconds until a door that had no descriptor for a guest is tried again
INBOX = 64  # texts that `Room.say` leaves for the room's thread before it waits
TEXT = 65536  # bytes of one such text


class Door(Part):
    """The listening socket."""

    def __init__(self, room: Room, address: str | None, port: int) -> None:
        self._room, self._socket = room, tcp.listening(address, port)
        self.fd = self._socket.fileno()
        try:
            place = sockets.getsockname(self._socket)
        except BaseException:
            self.close()
            raise
        self.address = tcp.host_of(place), int(place[1])

    def wants(self, full: bool) -> int | None:
        return select.POLLIN if self.deadline == inf else None

    def ready(self, events: int) -> None:
        """Let in all who stand outside.

        One who cannot be let in for want of a descriptor stays there, and poll would not wait: so look away for a while.
        """
        for _ in range(tcp.BACKLOG):
            try:
                sock, who = tcp.accepted(self._socket)
            except BlockingIOError:
                return
            except SyscallError as error:
                if error.errno not in (EMFILE, ENFILE, ENOBUFS, ENOMEM):
                    continue  # his own trouble, which accept(2) passes on
                self.deadline = monotonic() + REST
                self._room.notify(f"somebody must wait outside: {error.strerror}")
                return
            self._room.welcome(sock, who)

    def overdue(self) -> None:
        self.deadline = inf

    def close(self) -> None:
        self.fd = -1
        sockets.close(self._socket)


class Bell(Part):
    """A pipe to oneself: another thread has something for this one."""

    def __init__(self) -> None:
        self.fd, self._end = sockets.pipe()

    def ring(self) -> None:
        try:
            sockets.write(self._end, b"!")
        except BlockingIOError:
            pass  # it is ringing

    def wants(self, full: bool) -> int | None:
        return select.POLLIN

    def ready(self, events: int) -> None:
        sockets.read(self.fd, CHUNK)

    def close(self) -> None:
        close(self.fd)
        close(self._end)
        self.fd = -1


class Room(Table):
    """A listener that many may connect to, ``nc`` too: what one says all others hear, with who said it.

    ``ns`` is the namespace it is in (None: that of the thread that opens it), ``address`` an address or a name there
    (None: all there are, IPv4 and IPv6), ``port`` 0 for one that the kernel chooses, ``peers`` how many it takes at once.
    As a context manager it is started, and stopped at the end of the block::

        with Room(ns1, "10.0.0.1") as room:
            room.said(lambda who, text: room.say(f"you said {text}", to=who))
            peer = Peer(ns2, *room.address)

    All of it, callbacks too, happens on one daemon thread inside ``ns``, which never keeps the interpreter from exiting.
    A callback that raises ends the room, and `stop` raises the same.  Who ends his side is sent what waits for him, and
    leaves.  Who lets 256 KiB wait for longer than ``patience`` seconds, or 1 MiB at all, is sent away.

    Raises `InvalidValue` for what is no port.
    Equivalent to ``ip netns exec NS nc -lk PORT``, if that were a room.
    """

    patience = 3.0

    def __init__(self, ns: Namespace | None = None, address: str | None = None, port: int = 0, peers: int = 64) -> None:
        super().__init__()
        self._ns, self._place, self._peers = ns, (address, tcp.check_port(port, 0)), peers
        self._door: Door | None = None
        self._bell: Bell | None = None  # there is one exactly while the room is open
        self._thread: threading.Thread | None = None
        self._ident = 0  # of the thread the room is run by
        self._failure: BaseException | None = None
        self._inbox: list[tuple[bytes, str | None]] = []
        self._changed = threading.Condition()  # guards the inbox and the bell

    def said(self, callback: SomeSaid) -> SomeSaid:
        """Have ``callback(who, text)`` called for each line that somebody says; ``text`` is safe to show on a terminal."""
        self.tell = callback
        return callback

    def noticed(self, callback: SomeNoticed) -> SomeNoticed:
        """Have ``callback(sentence)`` called when somebody comes or goes: ``10.0.0.2:40312 joined``."""
        self.notify = callback
        return callback

    @property
    def address(self) -> tuple[str, int]:
        """(host, port) that it listens at.  Raises `RawnsError` where it is not open."""
        if self._door is None:
            raise RawnsError("the room is not open")
        return self._door.address

    # -- its life ----------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Listen, to be `run` by this thread afterwards; what `start` does in a thread of the room's own.

        Raises `SyscallError` where the kernel refuses, `RawnsError` where the address is neither one nor a known name.
        """
        if self._door is not None:
            raise RawnsError("the room is open already")
        self.over = False
        bell = Bell()
        try:
            self._door = Door(self, *self._place)
        except BaseException:
            bell.close()
            raise
        self._bell, self._ident = bell, get_ident()
        self.parts = [self._door, bell]

    def start(self) -> None:
        """Open the room in a thread of its own; returns when it listens.  Raises as `open` does, and
        `RawnsError` where ``ns`` is closed or no thread can be had; then nothing is left."""
        if self._thread is not None:
            raise RawnsError("the room is open already")
        opened = threading.Event()
        thread = threading.Thread(target=self._live, args=(opened,), name="rawns room", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # a limit on processes, as a rule
            raise RawnsError(f"the room's thread cannot be started: {error}") from None
        self._thread = thread
        opened.wait()
        if self._failure is not None:
            self.stop()

    def _live(self, opened: threading.Event) -> None:
        try:
            try:
                if self._ns is not None:
                    setns(self._ns.fileno(), uapi.CLONE_NEWNET)
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
        """Send what has been said, send everybody away, end the thread.  May be called again, and from anywhere.

        Raises what has ended the room before, if something has.
        """
        with self._changed:
            self.over = True
            if self._bell is not None:
                self._bell.ring()
        if self._thread is None or self._ident == get_ident():
            return  # it ends with this turn
        self._thread.join()
        self._thread = None
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def close(self) -> None:
        with self._changed:
            try:
                self._deliver(len(self._inbox))
                super().flush()
            finally:
                self._bell = self._door = None
                self._changed.notify_all()
                super().close()
                self._ident, self.circle.members = 0, {}

    def __enter__(self: SomeRoom) -> SomeRoom:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    # -- what is said here -------------------------------------------------------------------------------------------

    def say(self, text: str, to: str | None = None) -> None:
        """Say ``text``, a line or several, at most 64 KiB: to all who have come so far, or to the one that ``to`` names.

        From any thread.  Waits (but not on the room's own) while too much of what was said is still to be sent; not for
        ever, since who does not read is sent away.  Raises `RawnsError` where the room is not open, `InvalidValue` for
        too much.
        """
        data = encoded(text, TEXT)
        if self._ident == get_ident():  # nobody else opens or closes it, or says anything here
            self._check_open()
            self.circle.say(data, to)
            return
        with self._changed:
            while self._bell is not None and len(self._inbox) >= INBOX:
                self._changed.wait()
            bell = self._check_open()
            self._inbox.append((data, to))
            bell.ring()

    def _check_open(self) -> Bell:
        if self._bell is None:
            raise RawnsError("the room is not open")
        return self._bell

    def _deliver(self, most: int) -> None:
        for data, to in self._inbox[:most]:
            self.circle.say(data, to)
        del self._inbox[:most]
        self._changed.notify_all()

    def flush(self) -> None:
        """As everywhere; in between, one by one, what the inbox holds, unless somebody must be waited for."""
        super().flush()
        said = len(self._inbox)
        if said and self._door is not None and self._door.deadline == inf:
            self._door.ready(select.POLLIN)  # who had come before it was said is to hear it
        for _ in range(said):
            if self.full:
                break
            with self._changed:
                self._deliver(1)
            super().flush()

    def welcome(self, sock: _socket.socket, who: str) -> None:
        """Somebody has come in.  Where there is no seat left he is told so."""
        if len(self.circle.members) < self._peers:
            self.seat(sock, who)
            self.notify(f"{who} joined")
            return
        try:
            sockets.send(sock, b"the room is full\n")
            sockets.shutdown(sock)
            sockets.recv(sock, CHUNK)  # closed with something unread, the connection would be reset
        except SyscallError:
            pass
        sockets.close(sock)
        self.notify(f"{who} found the room full")
