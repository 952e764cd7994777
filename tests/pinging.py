"""Two namespaces with a cable, and a responder that answers requests as a test wants; for the tests of ping."""

from __future__ import annotations

import os
import select
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rawns import NetNS

PROJECT = Path(__file__).resolve().parent.parent
Answers = Callable[[bytes], "list[bytes]"]


@contextmanager
def cable() -> Iterator[tuple[NetNS, NetNS]]:
    """``a0`` 10.0.0.1/24 fd00::1/64 -- ``b0`` 10.0.0.2/24 fd00::2/64, all up; neighbours are given up quickly."""
    with NetNS.create() as a, NetNS.create() as b:
        a.net.add_veth("a0", peer="b0", peer_ns=b)
        for ns, dev, host in ((a, "a0", 1), (b, "b0", 2)):
            ns.net.set_link("lo", up=True)
            sysctl(ns, f"ipv6/conf/{dev}/accept_dad", "0")
            ns.net.set_link(dev, up=True)
            ns.net.add_address(dev, f"10.0.0.{host}/24")
            ns.net.add_address(dev, f"fd00::{host}/64", nodad=True)
            for family in ("ipv4", "ipv6"):
                sysctl(ns, f"{family}/neigh/{dev}/retrans_time_ms", "30")
        for ns in (a, b):
            settled(ns)
        yield a, b


def settled(ns: NetNS) -> None:
    """Wait for the route to the link's own addresses, which comes when the kernel has noticed that both ends are up."""
    events = ns.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    events.bind((0, 0x400))  # RTMGRP_IPV6_ROUTE
    poll = select.poll()
    poll.register(events, select.POLLIN)
    try:
        while not any(route.destination.startswith("fe80::") for route in ns.net.routes(socket.AF_INET6)):
            assert poll.poll(5000), "no link-local route after five seconds"
            events.recv(65536)
    finally:
        events.close()


def sysctl(ns: NetNS, name: str, value: str) -> None:
    with ns.entered():
        Path("/proc/sys/net", name).write_text(value)


def path(ns: NetNS) -> str:
    """Something `rawns ping --netns` can open, for a namespace without a name."""
    return f"/proc/{os.getpid()}/fd/{ns.fd}"


def ours(ns: NetNS, *words: str) -> list[str]:
    return [sys.executable, "-m", "rawns", "ping", "--netns", path(ns), *words]


def run(argv: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    given = {"cwd": PROJECT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "timeout": 30, **options}
    return subprocess.run(argv, **given)  # type: ignore[call-overload,no-any-return]


def ping(ns: NetNS, *words: str) -> subprocess.CompletedProcess[str]:
    return run(ours(ns, *words))


# -- a peer that answers as it likes ------------------------------------------------------------------------------------


def checksum(data: bytes) -> int:
    """RFC 1071, by the book."""
    total = sum(int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def icmp_packet(kind: int, code: int, rest: bytes) -> bytes:
    """An ICMP packet with its checksum."""
    bare = struct.pack("!BBH", kind, code, 0) + rest
    return struct.pack("!BBH", kind, code, checksum(bare)) + rest


def answer(request: bytes) -> bytes:
    """What an honest host says to an ICMP echo request."""
    return icmp_packet(0, 0, request[4:])


def back(packet: bytes, source: str) -> bytes:
    """The IPv4 header of an answer; the kernel puts in length, id and checksum."""
    origin = socket.inet_aton(source) if source else packet[16:20]
    return bytes.fromhex("45000000 00000000 40010000") + origin + packet[12:16]


@contextmanager
def responder(ns: NetNS, answers: Answers, source: str = "", v6: bool = False) -> Iterator[None]:
    """While the kernel of ``ns`` keeps silent, send what ``answers`` makes of each echo request (ICMP bytes to ICMP bytes)."""
    sysctl(ns, "ipv6/icmp/echo_ignore_all" if v6 else "ipv4/icmp_echo_ignore_all", "1")
    family, proto, kind = (socket.AF_INET6, 58, 128) if v6 else (socket.AF_INET, 1, 8)
    sock = ns.socket(family, socket.SOCK_RAW, proto)
    sender = ns.socket(family, socket.SOCK_RAW, proto if v6 else socket.IPPROTO_RAW)  # which takes the IP header from us
    over = threading.Event()
    near, far = socket.socketpair()

    def serve() -> None:
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        poll.register(far, select.POLLIN)
        while not over.is_set():
            for fd, _ in poll.poll():
                if fd == sock.fileno():
                    data, whence = sock.recvfrom(70_000)
                    request = data if v6 else data[20:]
                    head = b"" if v6 else back(data, source)
                    for packet in answers(request) if request[0] == kind else []:
                        sender.sendto(head + packet, (whence[0], 0))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        over.set()
        near.send(b"x")
        thread.join()
        for one in (sock, sender, near, far):
            one.close()
