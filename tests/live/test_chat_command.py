"""`rawns chat` as its users meet it: against nc and ncat, in pipes, with things closed and blocked."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from chatting import Start, T, connection, netcat, port_of

from rawns import NetNS

pytest_plugins = ["chatting"]


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
    server = start(netcat(nc), "-n", "-v", "-l", host, port)
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


def test_what_is_there_to_be_said_is_said_to_one_who_only_listens(start: Start, listener: socket.socket, tmp_path: Path) -> None:
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
    """Nothing is read from standard input without a peer, and no faster than the peers receive it."""
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
    with open(tmp_path / "heard", "wb") as heard:
        server = start(nc, "-n", "-v", "-N", "-l", "127.0.0.1", "7000", stdin=subprocess.DEVNULL, stdout=heard)
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


def test_an_output_that_nobody_reads_stops_the_flood(home: NetNS, start: Start) -> None:
    room = start("chat", "listen", "0")
    with connection(home, port_of(room)) as flood:
        poll, sent = select.poll(), 0
        poll.register(flood, select.POLLOUT)
        flood.setblocking(False)
        while poll.poll(500) and sent < 1 << 26:  # that is far more than all buffers between us hold
            sent += flood.send(b"0123456789abcde\n" * 4096)
        assert sent < 1 << 26
        peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{room.process.pid}/status").read_text())
        assert peak and int(peak[1]) < 60_000
        while len(room.seen["stdout"]) < sent:  # read again, it goes on
            room.seen["stdout"] += os.read(room.process.stdout.fileno(), 65536)


@pytest.mark.parametrize("verb", ["connect", "listen"])
def test_a_link_local_address_needs_its_interface(verb: str) -> None:
    command = [sys.executable, "-m", "rawns", "chat", verb, "fe80::1", "9"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and done.stderr.endswith("; a link-local address needs its interface: fe80::1%IFACE\n")
