"""`rawns chat` on a terminal, and what it says of words it does not understand."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from chatting import ENVIRONMENT, Start, Terminal, connection, port_of

from rawns import NetNS

pytest_plugins = ["chatting"]


# -- what is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ("connect 127.0.0.1 1", 1, "rawns chat: connect to 127.0.0.1 port 1: Connection refused"),
        ("connect ::1 1", 1, "rawns chat: connect to ::1 port 1: Connection refused"),
        ("connect 192.0.2.1 1", 1, "rawns chat: connect to 192.0.2.1 port 1: Network is unreachable"),
        ("connect no.such.name.invalid 1", 1, "rawns chat: no.such.name.invalid: "),
        ("listen 192.0.2.1 7000", 1, 'rawns chat: bind(N, {AF_INET, "192.0.2.1", 7000}, 16): Cannot assign requested address'),
        ("listen --netns rt-nowhere 7000", 1, 'rawns chat: open("/run/netns/rt-nowhere"'),
        ("listen --netns .. 7000", 1, "rawns chat: "),
        ("", 2, "rawns chat: "),
        ("shout 7000", 2, "rawns chat: "),
        ("listen", 2, "rawns chat listen: "),
        ("listen 65536", 2, 'rawns chat listen: "65536" is not a port'),
        ("listen -- -1", 2, 'rawns chat listen: "-1" is not a port'),
        ("listen ١", 2, 'rawns chat listen: "١" is not a port'),
        ("connect ::1 0", 2, 'rawns chat connect: "0" is not a port'),
        ("connect ::1 http", 2, 'rawns chat connect: "http" is not a port'),
        ("connect ::1", 2, "rawns chat connect: "),
        ("connect ::1 1 2", 2, "rawns chat connect: "),
    ],
)
def test_bad_words_are_one_line_and_a_status(start: Start, words: str, status: int, message: str) -> None:
    command = start("chat", *words.split())
    assert command.wait() == status
    complaint = re.sub(r"bind\(\d+", "bind(N", command.rest("stderr"))
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


# -- on a terminal ----------------------------------------------------------------------------------------------------


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
