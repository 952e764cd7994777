"""What the tests of the chat share: a room that is watched, a command that is waited for, a terminal.

A pytest plugin of those modules (PYTEST_DONT_REWRITE: they import it, too); its fixtures live in a namespace of their own.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pty
import queue
import re
import select
import shutil
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import PROJECT

from rawns import NetNS, Peer, Room

T = 20  # seconds; only a failure ever waits so long
LOOP = "127.0.0.1"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(PROJECT), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


@pytest.fixture
def home() -> Iterator[NetNS]:
    with NetNS.create() as ns:
        ns.net.set_link("lo", up=True)
        yield ns


# -- the library ------------------------------------------------------------------------------------------------------


class Watched(Room):
    """A room in the loopback of a namespace of its own, that writes down what happens in it."""

    def __init__(self, ns: NetNS, **options: Any) -> None:
        super().__init__(ns, **options)
        self.heard: queue.Queue[tuple[str, str]] = queue.Queue()
        self.notes: queue.Queue[str] = queue.Queue()
        self.turns = 0
        self.handle_lines(lambda who, text: self.heard.put((who, text)))
        self.handle_notices(self.notes.put)
        self.ns = ns

    def turn(self, at_once: bool = False) -> bool:
        self.turns += 1
        return super().turn(at_once)

    def peer(self, host: str = LOOP) -> Peer:
        peer = Peer(self.ns, host, self.address[1])
        assert self.note().endswith(" joined")
        return peer

    def raw(self, host: str = LOOP, **options: int) -> socket.socket:
        """A peer that is up to something."""
        sock = self.ns.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        for option, value in options.items():
            sock.setsockopt(socket.SOL_SOCKET, getattr(socket, option), value)
        sock.settimeout(T)
        sock.connect((host, self.address[1]))
        assert self.note().endswith(" joined")
        return sock

    def note(self) -> str:
        return self.notes.get(timeout=T)

    def spoken(self) -> tuple[str, str]:
        return self.heard.get(timeout=T)


@pytest.fixture
def room(home: NetNS) -> Iterator[Watched]:
    with Watched(home) as room:
        yield room


def name_of(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# -- the command ------------------------------------------------------------------------------------------------------


class Command:
    """A process whose output is waited for, never slept for."""

    def __init__(self, *argv: str, **options: object) -> None:
        given: dict[str, object] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        given.update(env=ENVIRONMENT, bufsize=0)
        self.process = subprocess.Popen(argv, **{**given, **options})  # type: ignore[call-overload]
        self.seen = {"stdout": b"", "stderr": b""}

    def until(self, pattern: str, stream: str = "stdout") -> re.Match[str]:
        """Read until the output so far matches."""
        fd, deadline, poll = getattr(self.process, stream).fileno(), time.monotonic() + T, select.poll()
        poll.register(fd, select.POLLIN)
        while True:
            text = self.seen[stream].decode(errors="backslashreplace")
            found = re.search(pattern, text, re.MULTILINE)
            if found:
                return found
            assert poll.poll(max(0, deadline - time.monotonic()) * 1000), f"no {pattern!r} in {self.seen}"
            data = os.read(fd, 65536)
            assert data, f"it ended without {pattern!r}: {self.seen}, {self.process.wait(T)}"
            self.seen[stream] += data

    def type(self, text: str | bytes) -> None:
        self.process.stdin.write(text.encode() if isinstance(text, str) else text)

    def end(self) -> None:
        """The end of its input."""
        self.process.stdin.close()

    def wait(self) -> int:
        return int(self.process.wait(T))

    def rest(self, stream: str = "stdout") -> str:
        self.wait()
        self.seen[stream] += getattr(self.process, stream).read()
        return self.seen[stream].decode(errors="backslashreplace")


Start = Callable[..., Command]


@pytest.fixture
def start(home: NetNS) -> Iterator[Start]:
    """``start("chat", "listen", "0")`` runs rawns, ``start("/bin/nc", ...)`` something else; both in a namespace apart."""
    commands: list[Command] = []

    def begin(*words: str, **options: object) -> Command:
        argv = list(words) if "/" in words[0] else [sys.executable, "-m", "rawns", *words]
        with home.entered():
            commands.append(Command(*argv, **options))
        return commands[-1]

    yield begin
    for command in commands:
        command.process.kill()
        command.process.wait()
        for pipe in (command.process.stdin, command.process.stdout, command.process.stderr):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()


def port_of(listener: Command) -> str:
    return listener.until(r"listening on \S+ port (\d+)\n", "stderr")[1]


def connection(home: NetNS, port: str | int, host: str = "127.0.0.1") -> socket.socket:
    sock = home.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(T)
    sock.connect((host, int(port)))
    return sock


@pytest.fixture
def listener(home: NetNS) -> Iterator[socket.socket]:
    """A plain server, to see what `connect` does."""
    with home.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.settimeout(T)
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock


def netcat(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (apt-get install netcat-openbsd ncat)")
    return path


# -- on a terminal ----------------------------------------------------------------------------------------------------


class Terminal:
    """A pseudo-terminal with ``rawns`` on it; what it shows is what was written to it, byte for byte."""

    def __init__(self, start: Start, *words: str, **options: object) -> None:
        self.fd, other = pty.openpty()
        settings = termios.tcgetattr(other)
        settings[3] &= ~termios.ECHO
        termios.tcsetattr(other, termios.TCSANOW, settings)
        given = {"stdin": other, "stdout": other, "stderr": other, "start_new_session": True, "preexec_fn": _control}
        self.command = start("chat", *words, **{**given, **options})
        os.close(other)
        self.shown = b""

    def until(self, pattern: str) -> re.Match[bytes]:
        deadline, poll = time.monotonic() + T, select.poll()
        poll.register(self.fd, select.POLLIN)
        while True:
            found = re.search(pattern.encode(), self.shown)
            if found:
                return found
            assert poll.poll(max(0, deadline - time.monotonic()) * 1000), f"no {pattern!r} in {self.shown!r}"
            try:
                self.shown += os.read(self.fd, 65536)
            except OSError as error:
                assert error.errno != errno.EIO, f"it ended without {pattern!r}: {self.shown!r}"
                raise

    def type(self, text: bytes) -> None:
        os.write(self.fd, text)


def _control() -> None:
    """Make standard input the controlling terminal, so that Ctrl-C is a signal."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def terminal(start: Start) -> Iterator[Callable[..., Terminal]]:
    made: list[Terminal] = []

    def begin(*words: str, **options: object) -> Terminal:
        made.append(Terminal(start, *words, **options))
        return made[-1]

    yield begin
    for one in made:
        os.close(one.fd)
