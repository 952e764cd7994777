"""`rawns chat listen` and `rawns chat connect`: a `Room`, or one connection, joined to standard input and output.

One thread runs one event loop: standard input, standard output and standard error are handlers like the sockets.
"""

from __future__ import annotations

import os
import select
import sys

from ..chat import tcp
from ..chat.event_loop import MAX_READ_BYTES, EventLoop, Handler
from ..chat.room import Room
from ..errors import RawnsError, SyscallError
from ..framing import MAX_RELAYED_BYTES, SendBuffer, TypedLines
from ..terminal import printable
from .options import Command, Group, Option, UsageError, integer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..chat.event_loop import Connection

LISTEN = """Listen, and relay each line of a peer to all others, with its sender. What is typed here is sent to all peers as it
is. Standard input is read only while there is a peer; its end does not end the room, Ctrl-C does. Standard error says who
joins and leaves. Like `ncat -lk --chat PORT`."""

CONNECT = """Connect to `rawns chat listen`, or to `nc -l`. At the end of standard input the sending side is shut down, and what
the other end sends is still shown; the command ends when the other end closes. Like `nc -N HOST PORT`."""

NETNS = Option("--netns", argument="NS", help="the network namespace to run in: a name, a path, or pid:N")
COMMAND = Group(
    "chat",
    "Talk over TCP, line by line, between two terminals or two namespaces.",
    [
        Command(
            "listen",
            "accept connections; ADDR is an address or a name of this host, by default all addresses",
            "[ADDR] PORT",
            [NETNS],
            details=LISTEN,
        ),
        Command("connect", "connect to a listener", "HOST PORT", [NETNS], details=CONNECT),
    ],
)


def _port(verb: str, text: str, lowest: int) -> int:
    """Parse a port number.  Raises `UsageError`."""
    try:
        number: int = integer(lowest, 65535)(text)
        return number
    except ValueError:
        raise UsageError(
            f"rawns chat {verb}", f'"{printable(text[:100])}" is not a port (a number from {lowest} to 65535)'
        ) from None


class StandardInput(Handler):
    """Standard input: read while there is a peer to send it to and no send buffer is full."""

    def __init__(self, loop: EventLoop, at_end: Callable[[], None]) -> None:
        self.fd, self._loop, self._at_end = 0, loop, at_end
        self._typed = TypedLines()
        self._ended = False

    def wants(self, full: bool) -> int | None:
        """Wait for input while there is a peer and nothing is full."""
        return None if full or self._ended or not self._loop.relay.members else select.POLLIN

    def ready(self, events: int) -> None:
        """Read, and send what was typed."""
        try:
            data = os.read(self.fd, MAX_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # EIO: the terminal has been closed, or this process is in the background
        self._ended = not data
        self._loop.relay.send(self._typed.feed(data) if data else self._typed.end())
        if self._ended:
            self._at_end()


class OutputStream(Handler):
    """Standard output or standard error, written without waiting: what it does not accept is kept, up to a limit."""

    def __init__(self, stream: int) -> None:
        self.stream, self.out = stream, SendBuffer()
        self._gone = False
        self.fd = _nonblocking(stream)
        file = sys.stdout if stream == 1 else sys.stderr
        self._encoding = file.encoding if file is not None else "utf-8"

    def show(self, line: str) -> None:
        """Print a line in the terminal's encoding: a byte of UTF-8 may be a control character in another one."""
        if not self._gone:
            self.out.put((line + "\n").encode(self._encoding, "backslashreplace"))

    def wants(self, full: bool) -> int | None:
        """Wait until output is accepted, or the reader has gone."""
        if self._gone:
            return None
        return select.POLLOUT if self.out else 0  # 0: poll(2) still reports that the reader of a pipe has gone

    def ready(self, events: int) -> None:
        """Write what waits."""
        try:
            if not events & select.POLLOUT:
                raise BrokenPipeError
            self.out.send(lambda data: os.write(self.fd, data), select.PIPE_BUF)  # a pipe that is ready takes so much
        except BlockingIOError:
            pass
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        """End the chat if standard output has failed; go on without notices if standard error has."""
        if self.stream == 1 and isinstance(error, BrokenPipeError):
            raise error
        if self.stream == 1:
            raise RawnsError(f"cannot write to standard output: {error.strerror}")
        self._gone, self.out = True, SendBuffer()

    def finish(self) -> None:
        """Write what is left, without a time limit."""
        poll = select.poll()
        poll.register(self.fd, select.POLLOUT)
        while self.out:
            for _, events in poll.poll():
                self.ready(events)

    def close(self) -> None:
        """Close the descriptor, if it is our own."""
        if self.fd != self.stream:
            os.close(self.fd)
        self.fd = -1


def _nonblocking(stream: int) -> int:
    """Open a terminal again with O_NONBLOCK, because it may be stopped (Ctrl-S); the shell's own descriptor is not changed."""
    if os.isatty(stream):
        try:
            return os.open(f"/proc/self/fd/{stream}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            pass  # it belongs to another user (after su), or there is no /proc: writing may block then
    return stream


# -- the two commands ---------------------------------------------------------------------------------------------------


class ChatServer(Room):
    """A room whose lines are printed, and to which standard input is sent."""

    def __init__(self, address: str | None, port: int) -> None:
        super().__init__(None, address, port)
        self.screen, self.notices = OutputStream(1), OutputStream(2)
        self.handle_lines(lambda who, text: self.screen.show(f"{who}: {text}"))
        self.handle_notices(self.notices.show)

    def open(self) -> None:
        """Listen, and add standard input and output to the handlers."""
        super().open()
        host, port = self.address
        self.handlers += [self.screen, self.notices, StandardInput(self, lambda: None)]
        self.notices.show(f"listening on {host} port {port}")

    @property
    def full(self) -> bool:
        """Whether no input may be read, because what is to be sent or printed waits."""
        return self.relay.full or self.screen.out.full


class ChatClient(EventLoop):
    """One connection, whose lines are printed, and to which standard input is sent."""

    max_line_bytes = MAX_RELAYED_BYTES

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        sock, name = tcp.connected(host, port)
        self.screen, self.notices = OutputStream(1), OutputStream(2)
        self.failed = self._ending = False
        connection = self.connect(sock, name)
        self.handlers += [self.screen, self.notices, StandardInput(self, connection.finish)]
        self.on_line = lambda name, text: self.screen.show(text)
        self.on_notice = self.notices.show
        self.on_notice(f"connected to {name}")

    @property
    def full(self) -> bool:
        """Whether no input may be read, because what is to be sent or printed waits."""
        return self.relay.full or self.screen.out.full

    def peer_finished(self, connection: Connection) -> None:
        """Note that the peer sends nothing more; input that is already here can still be sent to it."""
        self._ending = True

    def disconnect(self, connection: Connection, reason: str | None = None) -> None:
        """End the loop; a reason counts as a failure only before the peer has finished."""
        self.failed = bool(reason) and not self._ending
        self.over = True
        super().disconnect(connection, reason if self.failed else None)

    def turn(self, at_once: bool = False) -> bool:
        """Take a turn; after the peer has finished, end as soon as nothing waits and nothing is ready."""
        quiet = self._ending and not any(member.out for member in self.relay.members.values())
        busy = super().turn(at_once or quiet)
        self.over = self.over or quiet and not busy
        return busy

    def close(self) -> None:
        """Print what is left, then close everything."""
        try:
            if self.over:  # and not interrupted
                self.screen.finish()
                self.notices.finish()
        finally:
            super().close()


def _listen(address: str | None, port: int) -> int:
    room = ChatServer(address, port)
    room.open()
    room.run()
    return 0


def _connect(host: str, port: int) -> int:
    try:
        client = ChatClient(host, port)
    except SyscallError as error:
        hint = f"; {error.hint}" if error.hint else ""
        print(f"rawns chat: connect to {printable(host)} port {port}: {error.strerror}{hint}", file=sys.stderr)
        return 1
    client.run()
    return 1 if client.failed else 0


def main(argv: list[str]) -> int:
    """Run the command; return its exit status.  Raises `RawnsError`, KeyboardInterrupt, BrokenPipeError."""
    for stream in range(3):  # a socket would get the number of a descriptor that is closed
        try:
            os.fstat(stream)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    options = COMMAND.parse(argv)
    listens = options.verb == "listen"
    *address, port = options.operands
    number = _port(options.verb, port, 0 if listens else 1)
    if options["--netns"] is not None:
        _enter(options["--netns"])
    if listens:
        return _listen(address[0] if address else None, number)
    return _connect(address[0], number)


def _enter(name: str) -> None:
    """Move the process, which has one thread, into the namespace."""
    from .. import uapi
    from ..netns import Namespace
    from ..syscalls import setns

    with Namespace.open(name) as namespace:
        setns(namespace.fileno(), uapi.CLONE_NEWNET)
