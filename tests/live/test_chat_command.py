"""`rawns chat` as its users meet it: against nc and ncat, in pipes, on a terminal, with things closed and blocked."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import PROJECT

from rawns import NetNS

T = 20  # seconds; only a failure ever waits so long
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(PROJECT), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


class Command:
    """A process whose output is waited for, never slept for."""

    def __init__(self, *argv: str, **options: object) -> None:
        given: dict[str, object] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        given.update(env=ENVIRONMENT, bufsize=0, **options)
        self.process = subprocess.Popen(argv, **given)  # type: ignore[call-overload]
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
def home() -> Iterator[NetNS]:
    with NetNS.create() as ns:
        ns.net.set_link("lo", up=True)
        yield ns


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


# -- against nc ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nc", ["nc", "ncat"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_nc_comes_to_listen(start: Start, nc: str, host: str) -> None:
    room = start("chat", "listen", "0")
    other = start(netcat(nc), host, port_of(room))
    room.until(r" joined\n", "stderr")
    other.type("hello from nc\n")
    who = re.escape(f"[{host}]" if ":" in host else host)
    room.until(rf"^{who}:\d+: hello from nc\n")
    room.type("hello from rawns\n")
    other.until(r"^hello from rawns\n")
    other.process.terminate()
    room.until(r" left\n", "stderr")


@pytest.mark.parametrize("nc", ["nc", "ncat"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_connect_goes_to_nc(home: NetNS, start: Start, nc: str, host: str) -> None:
    with home.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind((host, 0))
        port = str(sock.getsockname()[1])
    server = start(netcat(nc), "-v", "-l", host, port)
    server.until(r"(?i)listening on", "stderr")
    peer = start("chat", "connect", host, port)
    peer.type("hello from rawns\n")
    server.until(r"^hello from rawns\n")
    server.type("hello from nc\n")
    peer.until(r"^hello from nc\n")
    peer.end()
    server.end()
    server.process.terminate()
    assert peer.wait() == 0


def test_bash_can_talk_to_it_too(start: Start) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    room = start("chat", "listen", "127.0.0.1", "0")
    script = f'exec 3<>/dev/tcp/127.0.0.1/{port_of(room)}; echo "from bash" >&3; read -r line <&3; echo "$line"'
    other = start(bash, "-c", script)
    room.until(r": from bash\n")
    room.type("to bash\n")
    assert other.rest() == "to bash\n"


# -- what it is for -----------------------------------------------------------------------------------------------------


def test_a_room_of_three(home: NetNS, start: Start) -> None:
    room = start("chat", "listen", "0")
    port = port_of(room)
    one, two = start("chat", "connect", "localhost", port), start("chat", "connect", "::1", port)
    for peer in (one, two):
        peer.until("connected to", "stderr")
    with connection(home, port) as three:
        for _ in range(3):
            room.until(r"(?s)( joined.*){3}", "stderr")
        one.type("I am one\n")
        for end in (room, two):
            end.until(r"^\S+:\d+: I am one\n")
        assert re.fullmatch(rb"\S+:\d+: I am one\n", three.recv(999))
        room.type("I am the room\n")
        for end in (one, two):
            end.until(r"^I am the room\n")
        one.end()
        assert one.wait() == 0
        assert one.rest() == "I am the room\n"
        room.until(r"^\S+ left\n", "stderr")
        two.type("who is still here?\n")
        room.until(r"^\S+: who is still here\?\n")
    room.process.send_signal(signal.SIGINT)
    assert room.wait() == 130
    assert two.wait() == 0
    assert "Traceback" not in room.rest("stderr")


def test_in_a_namespace_by_name(netns_name: Callable[[], str], start: Start) -> None:
    name = netns_name()
    with NetNS.create(name) as ns:
        ns.net.set_link("lo", up=True)
        room = start("chat", "listen", "--netns", name, "0")
        peer = start("chat", "connect", "--netns", f"/run/netns/{name}", "127.0.0.1", port_of(room))
        peer.type("hi\n")
        room.until(": hi\n")
        peer.end()
        assert peer.wait() == 0


# -- the ends of things -------------------------------------------------------------------------------------------------


def test_an_echo_is_delivered_and_ends_with_the_other_end(start: Start, listener: socket.socket) -> None:
    peer = start("chat", "connect", "127.0.0.1", str(listener.getsockname()[1]))
    peer.type("hi, without an end of line")
    peer.end()
    with listener.accept()[0] as other:
        other.settimeout(T)
        heard = b""
        while data := other.recv(999):
            heard += data
        assert heard == b"hi, without an end of line"
        other.sendall(b"still heard\r\nand this")
    assert peer.wait() == 0
    assert peer.rest() == "still heard\nand this\n"


def test_connect_ends_when_the_other_end_does_though_its_input_does_not(start: Start, listener: socket.socket) -> None:
    peer = start("chat", "connect", "127.0.0.1", str(listener.getsockname()[1]))
    listener.accept()[0].close()
    assert peer.wait() == 0


def test_what_is_there_to_be_said_is_said_to_one_who_only_listens(
    start: Start, listener: socket.socket, tmp_path: Path
) -> None:
    (tmp_path / "words").write_bytes(b"0123456789abcde\n" * 20_000)
    with open(tmp_path / "words", "rb") as words:
        peer = start("chat", "connect", "127.0.0.1", str(listener.getsockname()[1]), stdin=words)
    with listener.accept()[0] as other:
        other.settimeout(T)
        other.shutdown(socket.SHUT_WR)
        heard = 0
        while data := other.recv(65536):
            heard += len(data)
    assert (heard, peer.wait()) == (320_000, 0)


def test_a_reset_is_an_error(start: Start, listener: socket.socket) -> None:
    peer = start("chat", "connect", "127.0.0.1", str(listener.getsockname()[1]))
    other = listener.accept()[0]
    peer.until("connected", "stderr")
    other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    other.close()
    assert peer.wait() == 1
    assert peer.rest("stderr").endswith(" left: Connection reset by peer\n")


def test_listen_goes_on_without_input(home: NetNS, start: Start) -> None:
    with open(os.devnull, "rb") as nothing:
        room = start("chat", "listen", "0", stdin=nothing)
    for words in ("one", "two"):
        with connection(home, port_of(room)) as peer:
            peer.sendall(words.encode() + b"\n")
            room.until(f": {words}\n")
    assert room.process.poll() is None


def test_a_file_reaches_the_first_who_comes_unharmed(home: NetNS, start: Start, tmp_path: Path) -> None:
    """Nothing is read from standard input while nobody is there, and no faster than it is heard."""
    words = os.urandom(1 << 20).replace(b"\n", b"") + b"\x1b[m\tend\n" + b"x\n" * (1 << 19)
    (tmp_path / "words").write_bytes(words)
    with open(tmp_path / "words", "rb") as file:
        room = start("chat", "listen", "0", stdin=file)
    with connection(home, port_of(room)) as peer:
        heard = bytearray()
        while len(heard) < len(words):
            heard += peer.recv(30_000)
    assert heard == words


def test_a_file_goes_through_connect_to_nc_unharmed(home: NetNS, start: Start, tmp_path: Path) -> None:
    nc = netcat("nc")
    words = os.urandom(1 << 21)
    (tmp_path / "words").write_bytes(words)
    server = start(nc, "-v", "-N", "-l", "127.0.0.1", "7000", stdin=subprocess.DEVNULL, stdout=open(tmp_path / "heard", "wb"))  # noqa: SIM115
    server.until(r"(?i)listening on", "stderr")
    with open(tmp_path / "words", "rb") as file:
        peer = start("chat", "connect", "127.0.0.1", "7000", stdin=file)
    assert (peer.wait(), server.wait()) == (0, 0)
    assert (tmp_path / "heard").read_bytes() == words


def test_whoever_reads_the_output_may_go(home: NetNS, start: Start) -> None:
    room = start("chat", "listen", "0")
    port_of(room)
    room.process.stdout.close()
    assert room.wait() == 1
    assert room.rest("stderr").count("\n") == 1


def test_the_notes_need_no_reader(home: NetNS, start: Start) -> None:
    room = start("chat", "listen", "0")
    port = port_of(room)
    room.process.stderr.close()
    with connection(home, port) as peer:
        peer.sendall(b"anybody?\n")
        room.until(": anybody\\?\n")


def test_started_with_everything_closed_it_says_nothing_to_the_wrong_one(home: NetNS, start: Start) -> None:
    shell = f"exec {sys.executable} -m rawns chat listen 127.0.0.1 7000 <&- >&- 2>&-"
    start("/bin/sh", "-c", shell)
    deadline = time.monotonic() + T
    while True:  # it cannot say that it listens
        with contextlib.suppress(ConnectionRefusedError), connection(home, 7000) as one:
            break
        assert time.monotonic() < deadline
    with connection(home, 7000) as one, connection(home, 7000) as two:
        one.sendall(b"from one\n")
        assert re.fullmatch(rb"\S+: from one\n", two.recv(999))
        two.sendall(b"from two\n")
        assert re.fullmatch(rb"\S+: from two\n", one.recv(999))


def test_an_output_that_nobody_reads_stops_the_flood_and_not_the_room(home: NetNS, start: Start) -> None:
    room = start("chat", "listen", "0")
    with connection(home, port_of(room)) as flood:
        flood.setblocking(False)
        poll, sent = select.poll(), 0
        poll.register(flood, select.POLLOUT)
        with contextlib.suppress(BlockingIOError):
            while sent < 1 << 26:  # far more than all buffers between us hold: it is not read any more
                sent += flood.send(b"0123456789abcde\n" * 4096)
                poll.poll(500)
        assert sent < 1 << 26
        room.type("the room still speaks\n")
        flood.setblocking(True)
        flood.settimeout(T)
        room.until(r"(?s)(: 0123456789abcde\n.*){1000}")
    assert int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{room.process.pid}/status").read_text())[0]) < 60_000


# -- what is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ("connect 127.0.0.1 1", 1, "rawns chat: connect to 127.0.0.1 port 1: Connection refused"),
        ("connect ::1 1", 1, "rawns chat: connect to ::1 port 1: Connection refused"),
        ("connect 192.0.2.1 1", 1, "rawns chat: connect to 192.0.2.1 port 1: Network is unreachable"),
        ("connect no.such.name.invalid 1", 1, "rawns chat: no.such.name.invalid: "),
        ("listen 192.0.2.1 7000", 1, "rawns chat: bind(192.0.2.1:7000): Cannot assign requested address"),
        ("listen --netns rt-nowhere 7000", 1, 'rawns chat: open("/run/netns/rt-nowhere"'),
        ("listen --netns .. 7000", 1, "rawns chat: "),
        ("", 2, "rawns chat: "),
        ("shout 7000", 2, "rawns chat: "),
        ("listen", 2, "rawns chat: "),
        ("listen 65536", 2, "rawns chat: argument PORT: '65536' is no port"),
        ("listen -- -1", 2, "rawns chat: argument PORT: '-1' is no port"),
        ("listen ١", 2, "rawns chat: argument PORT: '١' is no port"),
        ("connect ::1 0", 2, "rawns chat: argument PORT: '0' is no port"),
        ("connect ::1 http", 2, "rawns chat: argument PORT: 'http' is no port"),
        ("connect ::1", 2, "rawns chat: "),
        ("connect ::1 1 2", 2, "rawns chat: "),
    ],
)
def test_bad_words_are_one_line_and_a_status(start: Start, words: str, status: int, message: str) -> None:
    command = start("chat", *words.split())
    assert command.wait() == status
    complaint = command.rest("stderr")
    assert complaint.startswith(message) and complaint.count("\n") == 1


def test_a_port_that_is_taken(start: Start) -> None:
    port = port_of(start("chat", "listen", "0"))
    second = start("chat", "listen", port)
    assert second.wait() == 1
    assert "Address already in use" in second.rest("stderr")


def test_help(start: Start) -> None:
    for words in (["--help"], ["listen", "--help"], ["connect", "-h"]):
        command = start("chat", *words)
        assert command.wait() == 0
        assert command.rest().startswith("usage: rawns chat")


# -- on a terminal ------------------------------------------------------------------------------------------------------


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


def test_two_terminals(home: NetNS, terminal: Callable[..., Terminal]) -> None:
    room = terminal("listen", "0")
    port = room.until(r"listening on :: port (\d+)")[1].decode()
    peer = terminal("connect", "::1", port)
    room.until("joined")
    peer.type("héllo\n".encode())
    room.until(r"\]:\d+: h..llo\r\n")
    room.type(b"hello yourself\n")
    peer.until(r"hello yourself\r\n")
    peer.type(b"\x04")  # Ctrl-D
    assert peer.command.wait() == 0
    room.until("left\r\n")
    room.type(b"\x03")  # Ctrl-C
    assert room.command.wait() == 130
    assert b"Traceback" not in room.shown


def test_no_escape_reaches_the_terminal(home: NetNS, terminal: Callable[..., Terminal]) -> None:
    room = terminal("listen", "0")
    port = room.until(r"port (\d+)")[1].decode()
    with connection(home, port) as bad:
        bad.sendall(bytes(range(256)) + "\x9b2J\u202e".encode() + b"\nlast\n")
        room.until("last\r\n")
    shown = room.shown.replace(b"\r\n", b"")
    assert not [byte for byte in shown if byte < 0x20 or byte >= 0x7F]


def test_a_terminal_of_another_encoding_is_safe_too(home: NetNS, terminal: Callable[..., Terminal]) -> None:
    """U+06DB is DB 9B in UTF-8, and 9B is the same as ESC [ in Latin-1."""
    room = terminal("listen", "0", env={**ENVIRONMENT, "PYTHONIOENCODING": "latin-1"})
    port = room.until(r"port (\d+)")[1].decode()
    with connection(home, port) as peer:
        peer.sendall("\u06db é\n".encode())
        assert room.until(r"127.0.0.1:\d+: (.*)\r\n")[1] == b"\\u06db \xe9"


def test_a_stopped_terminal_stops_nobody_else(home: NetNS, terminal: Callable[..., Terminal]) -> None:
    room = terminal("listen", "0")
    port = room.until(r"port (\d+)")[1].decode()
    with connection(home, port) as one, connection(home, port) as two:
        room.until(r"(?s)joined.*joined")
        room.type(b"\x13")  # Ctrl-S
        for number in range(200):
            one.sendall(b"%d %s\n" % (number, b"x" * 100))
            heard = b""
            while not heard.endswith(b"\n"):
                heard += two.recv(999)
            assert b": %d x" % number in heard
        room.type(b"\x11")  # Ctrl-Q
        room.until(r": 199 x+\r\n")
