"""`rawns chat listen` and `rawns chat connect`: a `Room`, or one seat at a table, with a keyboard and a screen beside it.

Floor 7.  One thread, one loop: standard input, standard output and standard error are parts like the sockets.
"""

from __future__ import annotations

import os
import select
import sys

from ..chat import tcp
from ..chat.event_loop import CHUNK, Part, Table
from ..chat.room import Room
from ..errors import RawnsError, SyscallError
from ..framing import RELAYED, Outbox, Typed

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import NoReturn

    from ..chat.event_loop import Seat

LISTEN = """Listen, and take in whoever connects. What one says all others see, and who said it; what is typed here goes to
all as it is. Nothing is read from standard input while nobody is there; its end does not end the room, Ctrl-C does. Who
comes and goes is told on standard error. Like `nc -lk PORT`, but for many at once."""

CONNECT = """Connect to `rawns chat listen`, or to `nc -l`. At the end of standard input the other end is told that nothing more
will be said, and what it says is still shown; when the other end ends, so does this. Like `nc -N HOST PORT`."""


class Keyboard(Part):
    """Standard input: read when there is somebody to say it to, and nobody has too much waiting already."""

    def __init__(self, table: Table, end: Callable[[], None]) -> None:
        self.fd, self._table, self._end = 0, table, end
        self._typed = Typed()
        self._ended = False

    def wants(self, full: bool) -> int | None:
        return None if full or self._ended or not self._table.circle.members else select.POLLIN

    def ready(self, events: int) -> None:
        try:
            data = os.read(self.fd, CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # EIO: the terminal is gone, or belongs to others by now
        self._ended = not data
        self._table.circle.say(self._typed.feed(data) if data else self._typed.end())
        if self._ended:
            self._end()


class Screen(Part):
    """Standard output or standard error.  Never waited for: what it does not take is kept, up to a bound."""

    def __init__(self, stream: int) -> None:
        self.stream, self.out = stream, Outbox()
        self._gone = False
        self.fd = _own(stream)
        file = sys.stdout if stream == 1 else sys.stderr
        self._encoding = file.encoding if file is not None else "utf-8"

    def show(self, line: str) -> None:
        """In the terminal's own encoding: one byte of UTF-8 may be a control character in another."""
        if not self._gone:
            self.out.put((line + "\n").encode(self._encoding, "backslashreplace"))

    def wants(self, full: bool) -> int | None:
        if self._gone:
            return None
        return select.POLLOUT if self.out else 0  # 0: whether the reader at the other end of a pipe is gone

    def ready(self, events: int) -> None:
        try:
            if not events & select.POLLOUT:
                raise BrokenPipeError
            self.out.send(lambda data: os.write(self.fd, data), select.PIPE_BUF)  # so much a pipe that is ready takes
        except BlockingIOError:
            pass
        except OSError as error:
            self._lost(error)

    def _lost(self, error: OSError) -> None:
        """A chat that cannot be shown is over; one whose notes cannot is not."""
        if self.stream == 1 and isinstance(error, BrokenPipeError):
            raise error
        if self.stream == 1:
            raise RawnsError(f"cannot write to standard output: {error.strerror}")
        self._gone, self.out = True, Outbox()

    def finish(self) -> None:
        """Show what is left, however long it takes."""
        poll = select.poll()
        poll.register(self.fd, select.POLLOUT)
        while self.out:
            for _, events in poll.poll():
                self.ready(events)

    def close(self) -> None:
        if self.fd != self.stream:
            os.close(self.fd)
        self.fd = -1


def _own(stream: int) -> int:
    """The terminal opened once more, not to wait for it when it is stopped (Ctrl-S); the shell's own stays as it is."""
    if os.isatty(stream):
        try:
            return os.open(f"/proc/self/fd/{stream}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            pass  # not ours to open (after su), or no /proc: then it is waited for
    return stream


# -- the two commands ---------------------------------------------------------------------------------------------------


class Listener(Room):
    """A room with somebody at a terminal in it."""

    def __init__(self, address: str | None, port: int) -> None:
        super().__init__(None, address, port)
        self.screen, self.notes = Screen(1), Screen(2)
        self.said(lambda who, text: self.screen.show(f"{who}: {text}"))
        self.noticed(self.notes.show)

    def open(self) -> None:
        super().open()
        host, port = self.address
        self.parts += [self.screen, self.notes, Keyboard(self, lambda: None)]
        self.notes.show(f"listening on {host} port {port}")

    @property
    def full(self) -> bool:
        return self.circle.full or self.screen.out.full


class Caller(Table):
    """A table for two: the one we are connected to, and us."""

    longest = RELAYED

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        sock, who = tcp.connected(host, port)
        self.screen, self.notes = Screen(1), Screen(2)
        self.failed = self._ending = False
        seat = self.seat(sock, who)
        self.parts += [self.screen, self.notes, Keyboard(self, seat.finish)]
        self.tell = lambda who, text: self.screen.show(text)
        self.notify = self.notes.show
        self.notify(f"connected to {who}")

    @property
    def full(self) -> bool:
        return self.circle.full or self.screen.out.full

    def last_word(self, seat: Seat) -> None:
        """He has ended; what is already here to be said may still reach him."""
        self._ending = True

    def leave(self, seat: Seat, why: str | None = None) -> None:
        self.failed = bool(why) and not self._ending
        self.over = True
        super().leave(seat, why if self.failed else None)

    def turn(self, at_once: bool = False) -> bool:
        """When he has ended, the first quiet moment is the end."""
        quiet = self._ending and not any(member.out for member in self.circle.members.values())
        busy = super().turn(at_once or quiet)
        self.over = self.over or quiet and not busy
        return busy

    def close(self) -> None:
        try:
            if self.over:  # and not interrupted
                self.screen.finish()
                self.notes.finish()
        finally:
            super().close()


def _listen(options: argparse.Namespace) -> int:
    room = Listener(options.address, options.port)
    room.open()
    room.run()
    return 0


def _connect(options: argparse.Namespace) -> int:
    try:
        table = Caller(options.host, options.port)
    except SyscallError as error:
        print(f"rawns chat: connect to {options.host} port {options.port}: {error.strerror}", file=sys.stderr)
        return 1
    table.run()
    return 1 if table.failed else 0


def main(argv: list[str]) -> int:
    """Run the command; its exit status.  Raises `RawnsError`, KeyboardInterrupt, BrokenPipeError."""
    for stream in range(3):  # one that is closed would be some socket's number before long
        try:
            os.fstat(stream)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    options = _parsed(argv)
    if options.netns is not None:
        _enter(options.netns)
    command: Callable[[argparse.Namespace], int] = options.command
    return command(options)


def _enter(name: str) -> None:
    """Move the process, which has one thread, into the namespace for good."""
    from .. import uapi
    from ..netns import Namespace
    from ..syscalls import setns

    with Namespace.open(name) as namespace:
        setns(namespace.fileno(), uapi.CLONE_NEWNET)


# -- the command line ---------------------------------------------------------------------------------------------------


def _parsed(argv: list[str]) -> argparse.Namespace:
    import argparse

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            self.exit(2, f"rawns chat: {message}; try `{self.prog} --help`\n")

    def port(lowest: int) -> Callable[[str], int]:
        def parse(text: str) -> int:
            if not (text.isascii() and text.isdigit()) or not lowest <= int(text[:9]) <= 65535:
                raise argparse.ArgumentTypeError(f"{text!r} is no port (a number from {lowest} to 65535)")
            return int(text)

        return parse

    parser = Parser(prog="rawns chat", description="Talk over TCP, line by line, between two terminals or two namespaces.")
    words = parser.add_subparsers(required=True, metavar="listen|connect")
    listen = words.add_parser("listen", help="take in whoever connects", description=LISTEN)
    listen.add_argument("address", nargs="?", metavar="ADDR", help="an address or a name of this machine; by default all")
    listen.add_argument("port", type=port(0), metavar="PORT", help="0 for one that the kernel chooses")
    listen.set_defaults(command=_listen)
    connect = words.add_parser("connect", help="go to where somebody listens", description=CONNECT)
    connect.add_argument("host", metavar="HOST", help="an address, or a name")
    connect.add_argument("port", type=port(1), metavar="PORT")
    connect.set_defaults(command=_connect)
    for one in (listen, connect):
        one.add_argument("--netns", metavar="NS", help="the network namespace to do it in, by name or path")
    return parser.parse_args(argv)
