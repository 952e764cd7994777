"""The envelope: what every netlink message travels in, whatever family it belongs to (netlink(7)).

Floor 2, pure.  A `Request` goes out, `Reply` values come back; `split` cuts a received datagram into messages.
"""

from __future__ import annotations

from . import uapi
from .errors import WireError
from .wire import ALIGN, S32, TEXT, U16, U32, Attrs, Layout, Message, Scalar, Span, Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from .wire import Body, Buffer

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
# NETLINK_CAP_ACK, its payload, which is why `Netlink` always asks for the cap).
NLMSGERR = Struct("nlmsgerr", ("error", S32), *[(f"msg.{name}", kind) for name, kind in NLMSGHDR.members], whole=True)
_ACK_ATTRS = Attrs(
    {
        "NLMSGERR_ATTR_MSG": (uapi.NLMSGERR_ATTR_MSG, TEXT),
        "NLMSGERR_ATTR_OFFS": (uapi.NLMSGERR_ATTR_OFFS, U32),
        "NLMSGERR_ATTR_MISS_TYPE": (uapi.NLMSGERR_ATTR_MISS_TYPE, U32),
        "NLMSGERR_ATTR_MISS_NEST": (uapi.NLMSGERR_ATTR_MISS_NEST, U32),
    }
)
ERROR = Message(uapi.NLMSG_ERROR, "NLMSG_ERROR", Layout(NLMSGERR, _ACK_ATTRS))
DONE = Message(uapi.NLMSG_DONE, "NLMSG_DONE", Layout(Struct("done", ("error", S32)), _ACK_ATTRS))


class Request:
    """A message to send: what it is, its flags, its body, and a few words for the error it may come back with.

    ``flags`` are the NLM_F_* beyond NLM_F_REQUEST; NLM_F_DUMP among them makes it a dump.  ``context`` says in the
    caller's words what this is for (``'address 10.0.0.1/24 on v1'``).  ``reading`` is how its answers are read, where
    not all of them is wanted (`Message.select`).
    """

    __slots__ = ("message", "flags", "body", "context", "reading", "_payload")

    def __init__(self, message: Message, body: Mapping[Any, Any], flags: int = 0, context: str = "") -> None:
        self.message, self.body, self.flags, self.context = message, body, flags, context
        self.reading: Message | None = None
        self._payload: bytes | None = None  # once packed, for who says the same again

    @property
    def dump(self) -> bool:
        return self.flags & uapi.NLM_F_DUMP == uapi.NLM_F_DUMP

    def pack(self, seq: int, flags: int = 0) -> bytes:
        """The whole message, header and padding included.  Raises `WireError`."""
        payload = self._payload
        if payload is None:
            payload = self._payload = self.message.pack(self.body)
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


class Frame:
    """One message inside a datagram: its header, and where its payload lies."""

    __slots__ = ("kind", "flags", "seq", "port", "start", "end", "offset")

    def __init__(self, kind: int, flags: int, seq: int, port: int, offset: int, end: int) -> None:
        self.kind, self.flags, self.seq, self.port = kind, flags, seq, port
        self.offset, self.start, self.end = offset, offset + NLMSGHDR.size, end


def split(data: Buffer) -> Iterator[Frame]:
    """The messages of one datagram.  Raises `WireError` where a length lies; every step advances."""
    offset, size = 0, len(data)
    while offset < size:
        if size - offset < NLMSGHDR.size:
            raise WireError(f"{size - offset} stray bytes after the last message, at offset {offset}")
        length, kind, flags, seq, port = NLMSGHDR.read(data, offset)
        if length < NLMSGHDR.size or offset + length > size:
            raise WireError(f"nlmsg_len {length} at offset {offset} does not fit the {size - offset} bytes there are")
        yield Frame(kind, flags, seq, port, offset, offset + length)
        offset += length + 3 & ~3


# NLM_F_* above the first byte mean one thing in a NEW request, another in a GET, a DEL and an acknowledgement.
_BASE = ["REQUEST", "MULTI", "ACK", "ECHO", "DUMP_INTR", "DUMP_FILTERED"]
_OWN = {
    "_NEW": ["REPLACE", "EXCL", "CREATE", "APPEND"],
    "_GET": ["ROOT", "MATCH", "ATOMIC"],
    "_DEL": ["NONREC", "BULK"],
    "NLMSG_ERROR": ["CAPPED", "ACK_TLVS"],
    "NLMSG_DONE": ["CAPPED", "ACK_TLVS"],
}


def _flags(message: str) -> Scalar:
    """How to read the flags of a message called this: its verb stands in its name, whatever the family."""
    own = next((names for word, names in _OWN.items() if word in message), [])
    return U16.bits({getattr(uapi, f"NLM_F_{name}"): f"NLM_F_{name}" for name in _BASE + own})


def spans(data: Buffer, messages: Mapping[int, Message]) -> Iterator[tuple[str, list[Span]]]:
    """For each message of a datagram its name and the spans of all its bytes, header first.

    What cannot be decoded ends in a span named after the complaint: this is for showing, not for judging.
    """
    known = {**messages, ERROR.number: ERROR, DONE.number: DONE}
    names = {number: message.name for number, message in known.items()}
    for frame in split(data):
        trace: list[Span] = []
        NLMSGHDR.unpack(data, frame.offset, frame.start, {}, trace, ())
        try:
            if frame.kind in known:
                known[frame.kind].unpack(data, frame.start, frame.end, trace)
        except WireError as error:
            trace.append(Span(frame.end, 0, (f"malformed: {error}",), None, None))
        for number, span in enumerate(trace):  # the header; in an acknowledgement, the repeated one too
            if span.name.endswith("nlmsg_type"):
                span.kind, trace[number + 1].kind = Scalar("H", names), _flags(names.get(span.value, ""))
        yield names.get(frame.kind, str(frame.kind)), trace
