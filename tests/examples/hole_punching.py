"""UDP hole punching, in its simplest form.

hole_punching.py rendezvous PORT           tells each of two peers the address from which the other's datagrams come
hole_punching.py peer SERVER PORT          asks there, sends to the other peer until it answers, and says how that went
"""

from __future__ import annotations

import socket
import sys
import time

OWN_PORT = 5000
SECONDS = 3.0  # for each of the two steps
PAUSE = 0.1  # between two datagrams


def rendezvous(port: int) -> None:
    """Answer for ever."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("", port))
    known: list[tuple[str, int]] = []
    while True:
        _, sender = sock.recvfrom(64)
        if sender not in known:
            known.append(sender)
            print(f"from {sender[0]} {sender[1]}", flush=True)
        other = next((one for one in known if one[0] != sender[0]), None)
        if other is not None:
            sock.sendto(f"{other[0]} {other[1]}".encode(), sender)


def ask(sock: socket.socket, server: tuple[str, int]) -> tuple[str, int] | None:
    """Return the address of the other peer; None if the server does not answer."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            sock.sendto(b"where", server)
            data, sender = sock.recvfrom(64)
        except OSError:
            continue
        if sender == server:
            address, port = data.decode().split()
            return address, int(port)
    return None


def punch(sock: socket.socket, other: tuple[str, int]) -> bool:
    """Send to the other peer; return whether it has answered."""
    end, answered = time.monotonic() + SECONDS, False
    while time.monotonic() < end:
        try:
            sock.sendto(b"heard" if answered else b"punch", other)
            data, sender = sock.recvfrom(64)
        except OSError:
            continue
        answered = answered or sender == other
        if sender == other and data == b"heard":
            for _ in range(5):  # the other one may not have been told yet
                sock.sendto(b"heard", other)
            return True
    return False


def peer(server: str, port: int) -> None:
    """Say ``punched``, or how far it got."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("", OWN_PORT))
    sock.settimeout(PAUSE)
    other = ask(sock, (server, port))
    if other is None:
        print("the server does not answer", flush=True)
    elif punch(sock, other):
        print(f"punched: {other[0]} {other[1]} answers", flush=True)
    else:
        print(f"{other[0]} {other[1]} does not answer", flush=True)


if sys.argv[1] == "rendezvous":
    rendezvous(int(sys.argv[2]))
else:
    peer(sys.argv[2], int(sys.argv[3]))
