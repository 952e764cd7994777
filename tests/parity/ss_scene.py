"""Sockets of all kinds and states, which the real `ss` and `rawns ss` look at: ``python3 ss_scene.py PROJECT DIRECTORY``.

Runs in a network namespace of its own.  Each line of JSON on standard input asks for one command: its ``words``, the ``width`` of
the terminal that its standard output is (0: a pipe), and the ``name`` of the process that has the sockets open.  A line of JSON
answers: what the real program and ours gave, each as exit status, output and errors, a character a byte.  Ours is a fork of this
process, so that a command costs milliseconds.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

STREAM, DATAGRAM, PACKETS = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET
INET, INET6, UNIX = socket.AF_INET, socket.AF_INET6, socket.AF_UNIX
SO_MARK, SO_PRIORITY = 36, 12
HOSTILE = b"\x1b[31mred\n\x07\xc3\xa9"  # in the name of a path

held: list[socket.socket] = []


def make(family: int, kind: int, protocol: int = 0, bind: Any = None, listen: int | None = None) -> socket.socket:
    """Create a socket that stays open; bind it, let it listen."""
    made = socket.socket(family, kind, protocol)
    held.append(made)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if bind is not None:
        made.bind(bind)
    if listen is not None:
        made.listen(listen)
    return made


def pair(listener: socket.socket, address: Any, bind: Any = None) -> tuple[socket.socket, socket.socket]:
    """Connect to a listener; return both ends."""
    client = make(listener.family, listener.type, bind=bind)
    client.connect(address)
    server, _ = listener.accept()
    held.append(server)
    return client, server


def tcp() -> None:
    """Create connections in most states."""
    web = make(INET, STREAM, bind=("127.0.0.1", 80), listen=5)
    _, queued = pair(web, ("127.0.0.1", 80))
    held[-2].send(b"x" * 1000)
    assert queued.recv(1, socket.MSG_PEEK)
    make(INET, STREAM, bind=("127.0.0.1", 40001)).connect(("127.0.0.1", 80))  # waits to be accepted
    held.append(web.accept()[0])
    make(INET, STREAM).connect(("127.0.0.1", 80))
    waiting, served = pair(make(INET, STREAM, bind=("127.0.0.1", 8000), listen=1), ("127.0.0.1", 8000))
    waiting.close()
    served.recv(1)
    served.close()  # TIME-WAIT
    half, other = pair(web, ("127.0.0.1", 80))
    half.shutdown(socket.SHUT_WR)  # FIN-WAIT-2 and CLOSE-WAIT
    asking = make(INET, STREAM)
    asking.setblocking(False)
    asking.setsockopt(socket.SOL_SOCKET, SO_MARK, 7)
    asking.connect_ex(("10.9.0.9", 443))  # SYN-SENT
    dual = make(INET6, STREAM, bind=("::", 8080), listen=9)
    pair(dual, ("::1", 8080))
    mapped = make(INET, STREAM)
    mapped.connect(("127.0.0.1", 8080))
    held.append(dual.accept()[0])
    alone = make(INET6, STREAM)
    alone.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    alone.bind(("::", 8081))
    alone.listen(1)
    bound = make(INET, STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"va\0")
    bound.bind(("10.9.0.1", 22))
    bound.listen(128)
    marked = make(INET, STREAM)
    marked.setsockopt(socket.SOL_SOCKET, SO_MARK, 0x42)
    marked.bind(("0.0.0.0", 9000))
    marked.listen(1)
    keeping, _ = pair(marked, ("127.0.0.1", 9000))
    keeping.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    keeping.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x10)


def others(directory: str) -> None:
    """Create datagram, raw, unix, packet and netlink sockets."""
    name = make(INET, DATAGRAM, bind=("127.0.0.1", 53))
    sending = make(INET, DATAGRAM)
    sending.connect(name.getsockname())
    sending.send(b"hello")
    make(INET6, DATAGRAM, bind=("::", 5353))
    make(INET6, DATAGRAM).connect(("fd00::1", 546))
    bound = make(INET, DATAGRAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"va\0")
    bound.bind(("0.0.0.0", 67))
    make(INET, socket.SOCK_RAW, 1)
    make(INET6, socket.SOCK_RAW, 58)
    make(INET, socket.SOCK_RAW, 255)
    make(INET, socket.SOCK_RAW, 89).connect(("127.0.0.1", 0))
    os.chdir(directory)
    _, receiving = pair(make(UNIX, STREAM, bind="stream", listen=3), "stream")
    held[-2].send(b"abc")
    make(UNIX, DATAGRAM, bind=f"{directory}/datagram")
    make(UNIX, DATAGRAM).connect(f"{directory}/datagram")
    held[-1].send(b"d")
    make(UNIX, PACKETS, bind="\0abstr\0act", listen=2)
    make(UNIX, PACKETS).connect("\0abstr\0act")
    make(UNIX, DATAGRAM, bind=HOSTILE)
    held.extend([*socket.socketpair(), *socket.socketpair(UNIX, DATAGRAM)])
    make(UNIX, STREAM)
    make(socket.AF_PACKET, DATAGRAM)
    ring = make(socket.AF_PACKET, socket.SOCK_RAW)
    ring.setsockopt(263, 5, struct.pack("4I", 4096, 4, 2048, 8))  # PACKET_RX_RING
    make(socket.AF_PACKET, DATAGRAM, bind=("vb", 0x88CC))
    make(socket.AF_NETLINK, socket.SOCK_RAW, bind=(0, 1))


def answer(argv: list[str] | None, words: list[str], width: int) -> tuple[int, str, str]:
    """Run a program, or ours if ``argv`` is None; return exit status, output and errors."""
    master, out = os.openpty() if width else os.pipe()
    if width:
        fcntl.ioctl(out, termios.TIOCSWINSZ, struct.pack("4H", 24, width, 0, 0))
    errors, err = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(out, 1)
            os.dup2(err, 2)
            os.closerange(3, 256)  # the sockets belong to the parent
            if argv is not None:
                os.execvp(argv[0], [*argv, *words])
            become(words)
        finally:
            os._exit(99)
    os.close(out)
    os.close(err)
    texts = {master: b"", errors: b""}
    reading = set(texts)
    while reading:
        for fd in select.select(list(reading), [], [])[0]:
            try:
                data = os.read(fd, 65536)
            except OSError:  # a terminal whose other end is closed
                data = b""
            texts[fd] += data
            if not data:
                reading.remove(fd)
    os.close(master)
    os.close(errors)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return status, texts[master].decode("latin-1"), texts[errors].decode("latin-1")


def become(words: list[str]) -> None:
    """Be `rawns ss`; never returns."""
    from rawns.cli.main import entry

    sys.argv = ["ss", *words]
    sys.stdin, sys.stdout, sys.stderr = (open(fd, mode, closefd=False) for fd, mode in ((0, "r"), (1, "w"), (2, "w")))  # noqa: SIM115
    entry()


def main() -> None:
    """Build the scene, then answer."""
    sys.path.insert(0, sys.argv[1])
    for words in (
        "link set lo up",
        "link add va type veth peer name vb",
        "addr add 10.9.0.1/24 dev va",
        "addr add fd00::1/64 dev va nodad",
        "link set va up",
        "neigh add 10.9.0.9 lladdr 02:00:00:00:00:09 dev va",
    ):
        subprocess.run(["ip", *words.split()], check=True)
    tcp()
    others(sys.argv[2])
    for name in ("command", "families", "filter", "inet", "processes", "summary", "tcp_info", "view"):
        __import__(f"rawns.cli.ss.{name}")
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        words, width = asked["words"], asked["width"]
        Path("/proc/self/comm").write_bytes(asked["name"].encode("latin-1"))
        print(json.dumps([answer(argv, words, width) for argv in (["ss"], None)]), flush=True)


main()
