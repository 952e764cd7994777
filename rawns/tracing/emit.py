"""A Python program that sends the same netlink messages as a traced program, without rawns.

Each request is sent on a socket of its family with its own bytes; the answers are received until the kernel has acknowledged,
and errors are printed.  Calls that move the program between namespaces are not part of it.
"""

from __future__ import annotations

from .. import nlmsg, uapi
from ..errors import DecodeError
from . import calls
from .text import BRIEF, Formatter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .record import TracedCall

BYTES_PER_LINE = 16
BEGIN = '''#!/usr/bin/env python3
# Sends the netlink messages that this command sent, with the same bytes: {command}
# Needs nothing but Python; see netlink(7).

import os
import socket
import struct
import sys

AF_NETLINK, NLMSG_ERROR, NLMSG_DONE = 16, 2, 3
failed = 0


def talk(family: int, answers: int, request: bytes) -> None:
    """Send a datagram; receive until so many acknowledgements or ends of lists have come, or a second of silence; then errors."""
    global failed
    with socket.socket(AF_NETLINK, socket.SOCK_RAW, family) as sock:
        sock.send(request)
        while True:
            sock.settimeout(1.0 if answers > 0 else 0.0)  # errors come unasked, and are there when the request has been sent
            try:
                data = sock.recv(1 << 20)
            except (socket.timeout, BlockingIOError):
                return
            at = 0
            while at + 16 <= len(data):
                size, kind = struct.unpack_from("=IH", data, at)
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    answers -= 1
                    error = -struct.unpack_from("=i", data, at + 16)[0] if size >= 20 else 0
                    if error:
                        failed = 1
                        print(f"refused: {{os.strerror(error)}}", file=sys.stderr)
                at += max(size + 3 & ~3, 16)


'''
END = "sys.exit(failed)\n"


class Emitter:
    """Collects the requests of a traced program."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._requests: list[TracedCall] = []

    def add(self, call: TracedCall) -> None:
        """Keep a call if it has sent netlink messages."""
        if call.payload and call.call in calls.SENDS and not call.error:
            self._requests.append(call)

    def lines(self) -> Iterator[str]:
        """Yield the program."""
        yield BEGIN.format(command=self._command).rstrip("\n")
        yield ""
        formatter = Formatter(BRIEF)
        for call in self._requests:
            yield ""
            for line in formatter.messages(call):
                yield f"# {line.strip()}"
            yield f"request = {_literal(call.payload)}"
            yield f"talk({call.number}, {_answers(call.payload)}, request)"
        yield ""
        yield END.rstrip("\n")


def _literal(payload: bytes) -> str:
    """Return bytes as a call of bytes.fromhex over several lines."""
    rows = [payload[at : at + BYTES_PER_LINE].hex(" ") for at in range(0, len(payload), BYTES_PER_LINE)]
    return "bytes.fromhex(\n" + "\n".join(f'    "{row} "' for row in rows) + "\n)"


def _answers(payload: bytes) -> int:
    """Return how many acknowledgements and ends of lists the kernel sends for a datagram."""
    try:
        flags = [frame.flags for frame in nlmsg.split(payload)]
    except DecodeError:
        return 1
    return sum(1 for one in flags if one & uapi.NLM_F_ACK or one & uapi.NLM_F_DUMP == uapi.NLM_F_DUMP)
