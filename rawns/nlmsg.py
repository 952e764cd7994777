"""Netlink messages of any family: header, acknowledgement, requests and replies (netlink(7)).

A `Request` is sent, `Reply` values are received; `split` cuts a received datagram into messages, `decode` reads one of them.
"""

from __future__ import annotations

from . import uapi
from .errors import DecodeError
from .wire import ALIGN, S32, TEXT, U16, U32, Attrs, Layout, Message, Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, TypeVar

    from .wire import Body, Buffer

    Item = TypeVar("Item")

NLMSGHDR = Struct(
    "nlmsghdr",
    ("nlmsg_len", U32),
    ("nlmsg_type", U16),
    ("nlmsg_flags", U16.bits("NLM_F_")),
    ("nlmsg_seq", U32),
    ("nlmsg_pid", U32),
    whole=True,
)

# What follows the header of an acknowledgement.  The kernel repeats the request's header in it (and, without
# NETLINK_CAP_ACK, its payload, so `Netlink` always sets that option).
NLMSGERR = Struct("nlmsgerr", ("error", S32), *[(f"msg.{name}", kind) for name, kind in NLMSGHDR.members], whole=True)
ACK_ATTRS = Attrs(
    {
        "NLMSGERR_ATTR_MSG": (uapi.NLMSGERR_ATTR_MSG, TEXT),
        "NLMSGERR_ATTR_OFFS": (uapi.NLMSGERR_ATTR_OFFS, U32),
        "NLMSGERR_ATTR_MISS_TYPE": (uapi.NLMSGERR_ATTR_MISS_TYPE, U32),
        "NLMSGERR_ATTR_MISS_NEST": (uapi.NLMSGERR_ATTR_MISS_NEST, U32),
    }
)
ERROR = Message(uapi.NLMSG_ERROR, "NLMSG_ERROR", Layout(NLMSGERR, ACK_ATTRS))
DONE = Message(uapi.NLMSG_DONE, "NLMSG_DONE", Layout(Struct("done", ("error", S32)), ACK_ATTRS))
ANSWERS = {ERROR.number: ERROR, DONE.number: DONE}


class Request:
    """A message to send: what it is, its flags, its body, and a few words for the error that may come back.

    ``flags`` are the NLM_F_* beyond NLM_F_REQUEST; NLM_F_DUMP among them makes it a dump.  ``context`` says in the
    caller's words what this is for (``'address 10.0.0.1/24 on v1'``).  ``reading`` is how its answers are decoded if not
    all of them is wanted (`Message.select`).  ``optional`` says that it is not an error, but a warning, if the kernel has
    nothing of the kind (EOPNOTSUPP).
    """

    __slots__ = ("message", "flags", "body", "context", "optional", "reading")

    def __init__(self, message: Message, body: Mapping[Any, Any], flags: int = 0, context: str = "") -> None:
        self.message, self.body, self.flags, self.context = message, body, flags, context
        self.reading: Message | None = None
        self.optional = False

    @property
    def dump(self) -> bool:
        """Whether this asks for a list: a GET with NLM_F_DUMP.  In a NEW, the same bits are NLM_F_REPLACE and NLM_F_EXCL."""
        return self.flags & uapi.NLM_F_DUMP == uapi.NLM_F_DUMP and "_GET" in self.message.name

    def pack(self, seq: int, flags: int = 0) -> bytes:
        """Return the whole message, header and padding included.  Raises `WireError`."""
        payload = self.message.pack(self.body)
        size = NLMSGHDR.size + len(payload)
        flags |= uapi.NLM_F_REQUEST | self.flags
        head = NLMSGHDR.pack_members(size, self.message.number, flags, seq & 0xFFFFFFFF, 0)
        return head + payload + bytes(-size % ALIGN)

    def __repr__(self) -> str:
        return f"<Request {self.message.name} {self.body}>"


class Reply:
    """A message received: ``kind`` is its number, ``name`` its C name, ``body`` its fields and attributes."""

    __slots__ = ("kind", "name", "flags", "body")

    def __init__(self, kind: int, name: str, flags: int, body: Body) -> None:
        self.kind, self.name, self.flags, self.body = kind, name, flags, body

    def __repr__(self) -> str:
        return f"<Reply {self.name} {self.body}>"


class Listing(list["Item"]):
    """A list of what the kernel listed.

    ``complete`` is False if the list changed while it was read, on every attempt: entries that changed meanwhile may be
    missing, or there twice.  All others are there.
    """

    __slots__ = ("complete",)

    def __init__(self, items: Iterable[Item] = (), complete: bool = True) -> None:
        super().__init__(items)
        self.complete = complete


class Frame:
    """One message inside a datagram: its header, and the part of the datagram that holds its payload."""

    __slots__ = ("kind", "flags", "seq", "port", "start", "end", "offset")

    def __init__(self, kind: int, flags: int, seq: int, port: int, offset: int, end: int) -> None:
        self.kind, self.flags, self.seq, self.port = kind, flags, seq, port
        self.offset, self.start, self.end = offset, offset + NLMSGHDR.size, end


def headers(data: Buffer) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Yield the arguments of each `Frame` of a datagram: a tuple costs a fifth of the object in lists of thousands.

    Raises `DecodeError` if a length is wrong; every step advances.
    """
    offset, size, read, least = 0, len(data), NLMSGHDR.read, NLMSGHDR.size
    while offset < size:
        if size - offset < least:
            raise DecodeError(f"{size - offset} stray bytes after the last message, at offset {offset}")
        length, kind, flags, seq, port = read(data, offset)
        end = offset + length
        if length < least or end > size:
            raise DecodeError(f"nlmsg_len {length} at offset {offset} does not fit the {size - offset} bytes there are")
        yield kind, flags, seq, port, offset, end
        offset = end + 3 & ~3


def split(data: Buffer) -> Iterator[Frame]:
    """Cut a datagram into its messages.  Raises `DecodeError` if a length is wrong; every step advances."""
    for header in headers(data):
        yield Frame(*header)


def decode(data: Buffer, frame: Frame, messages: Mapping[int, Message]) -> Reply:
    """Decode one message of a datagram; one of a number not among ``messages`` keeps its bytes under ``""``.

    Raises `DecodeError`.
    """
    return reply(data, frame.kind, frame.flags, frame.start, frame.end, messages)


def reply(data: Buffer, kind: int, flags: int, start: int, end: int, messages: Mapping[int, Message]) -> Reply:
    """Decode a message of which ``data[start:end]`` is the payload: see `decode`."""
    message = messages.get(kind)
    if message is None:
        return Reply(kind, str(kind), flags, {"": bytes(data[start:end])})
    return Reply(kind, message.name, flags, message.unpack(data, start, end))
