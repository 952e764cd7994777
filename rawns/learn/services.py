"""Services that a chapter needs: a name server, run by a child of this process."""

from __future__ import annotations

import os
import socket
import struct
from _signal import SIGKILL  # type: ignore[import-not-found]  # `signal` imports enum

from .processes import end_with_parent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .named_network import NamedNetwork

DNS_PORT = 53
MAX_DATAGRAM = 512  # RFC 1035, 4.2.1
HEADER = struct.Struct("!6H")
ANSWER, NO_SUCH_NAME = 0x8580, 0x8583  # response, authoritative, recursion; RCODE 0 and 3
TYPE_A, CLASS_IN, TTL = 1, 1, 60


def serve_dns(network: NamedNetwork, host: str, addresses: dict[str, str]) -> int:
    """Answer look-ups of names with IPv4 addresses in one host; return the number of the process, a child of this one."""
    sock = network[host].socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("0.0.0.0", DNS_PORT))
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            end_with_parent(SIGKILL, parent)
            while True:
                question, sender = sock.recvfrom(MAX_DATAGRAM)
                found = reply(question, addresses)
                if found:
                    sock.sendto(found, sender)
        finally:
            os._exit(0)
    network.services.append(sock)
    return child


def reply(question: bytes, addresses: dict[str, str]) -> bytes:
    """Return the answer to a DNS question (RFC 1035, 4.1); nothing for what is not one question."""
    if len(question) < HEADER.size or HEADER.unpack_from(question)[2] != 1:
        return b""
    number, flags, *_ = HEADER.unpack_from(question)
    labels, end = [], HEADER.size
    while end < len(question) and question[end]:
        length = question[end]
        labels.append(question[end + 1 : end + 1 + length].decode("ascii", "replace").lower())
        end += 1 + length
    tail = question[end + 1 : end + 5]
    if len(tail) < 4:
        return b""
    wanted, _ = struct.unpack("!2H", tail)
    address = addresses.get(".".join(labels))
    answers = address is not None and wanted == TYPE_A
    head = HEADER.pack(number, (NO_SUCH_NAME if address is None else ANSWER) | flags & 0x0100, 1, int(answers), 0, 0)
    record = b""
    if answers:
        record = struct.pack("!HHHIH", 0xC000 | HEADER.size, TYPE_A, CLASS_IN, TTL, 4) + socket.inet_aton(address or "")
    return head + question[HEADER.size : end + 5] + record
