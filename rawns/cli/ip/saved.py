"""Files of `ip route save`, `ip addr save` and `ip rule save`: a magic number, then netlink messages as the kernel sends them.

The numbers are iproute2's; a file saved by either program can be restored by the other.
"""

from __future__ import annotations

import os
import sys
from errno import EEXIST

from ... import nlmsg, rtnl, uapi
from ...errors import WireError
from .grammar import BAD_WORD, FAILED, CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Body, Callable, IpContext, Iterable, Message

MAGIC = {"route": 0x45311224, "address": 0x47361222, "rule": 0x71706986}
MAX_BYTES = 1 << 28  # of a file


def begin(kind: str) -> None:
    """Write the magic number to standard output.  Raises `CommandError` if it is a terminal, or cannot be written."""
    if os.isatty(1):
        raise CommandError("Not sending a binary stream to stdout")
    _write(MAGIC[kind].to_bytes(4, sys.byteorder))


def write(kind: str, messages: Iterable[tuple[Message, Body]]) -> None:
    """Write messages to standard output.  Raises `CommandError` if it is a terminal, or cannot be written."""
    begin(kind)
    write_messages(messages)


def write_messages(messages: Iterable[tuple[Message, Body]]) -> None:
    """Write messages to standard output, behind the magic number.  Raises `CommandError` if they cannot be written."""
    chunks = []
    for message, body in messages:
        payload = message.pack(body)
        head = nlmsg.NLMSGHDR.pack_members(nlmsg.NLMSGHDR.size + len(payload), message.number, uapi.NLM_F_MULTI, 0, 0)
        chunks.append(head + payload + bytes(-len(payload) % 4))
    _write(b"".join(chunks))


def _write(data: bytes) -> None:
    try:
        while data:
            data = data[os.write(1, data) :]
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(f"write error: {error.strerror}", 1) from None


def read_messages(kind: str) -> list[tuple[Message, Body]]:
    """Read messages from standard input.  Raises `CommandError` for a terminal, or for what was not saved by `ip`."""
    if os.isatty(0):
        raise CommandError(f"Can't restore {kind} dump from a terminal")
    with os.fdopen(os.dup(0), "rb") as stream:
        data = stream.read(MAX_BYTES)
    magic = int.from_bytes(data[:4], sys.byteorder)
    if len(data) < 4 or magic != MAGIC[kind]:
        raise CommandError(
            f"Magic mismatch ({min(len(data) // 4, 1)} elems, {magic:x} magic)", FAILED if kind == "route" else BAD_WORD
        )
    found = []
    try:
        for frame in nlmsg.split(data[4:]):
            message = rtnl.MESSAGES.get(frame.kind)
            if message is not None:
                found.append((message, message.unpack(data[4:], frame.start, frame.end)))
    except WireError as error:
        raise CommandError(f"the saved file is damaged: {error}", 1) from None
    return found


def restore(kind: str, ip: IpContext, only: Message | None = None, rank: Callable[[Body], int] = lambda body: 0) -> int:
    """Send the messages from standard input, or ``only`` these, by their rank; what exists already is no error."""
    found = [(message, body) for message, body in read_messages(kind) if only in (None, message)]
    for message, body in sorted(found, key=lambda one: rank(one[1])):
        ip.do(nlmsg.Request(message, body, uapi.NLM_F_CREATE), EEXIST)
    return 0
