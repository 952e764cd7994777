"""Netlink messages of any family: header, acknowledgement, requests and replies (netlink(7)).

A `Request` is sent, `Reply` values are received; `split` cuts a received datagram into messages, `decode` reads one of them.
"""

from __future__ import annotations

from . import uapi
from .errors import DecodeError
from .wire import ALIGN, S32, TEXT, U16, U32, Attrs, Layout, Message, Scalar, Span, Struct

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

IFINFOMSG_BYTES = 16

# What follows the header of an acknowledgement.  The kernel repeats the request's header in it (and, without
# NETLINK_CAP_ACK, its payload, so `Netlink` always sets that option).
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
_ANSWERS = {ERROR.number: ERROR, DONE.number: DONE}


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
    """Return how to read the flags of a message called this: whatever the family, its verb is part of its name."""
    # Messages without a verb (generic netlink, sock_diag) ask for a list with the flags of a GET.
    own = next((names for word, names in _OWN.items() if word in message), _OWN["_GET"] if message else [])
    return U16.bits({getattr(uapi, f"NLM_F_{name}"): f"NLM_F_{name}" for name in _BASE + own})


def _error_spans(data: Buffer, frame: Frame, messages: Mapping[int, Message], trace: list[Span]) -> None:
    """Add the spans of an error that repeats the whole request: its socket has not set NETLINK_CAP_ACK."""
    body = frame.start + NLMSGERR.size
    head = NLMSGERR.unpack(data, frame.start, min(body, frame.end), {}, trace, ())
    end = min(body + max(head["msg.nlmsg_len"] - NLMSGHDR.size, 0), frame.end) if head["error"] else body
    request = messages.get(head["msg.nlmsg_type"])
    if request is not None and body < end:
        request.unpack(data, body, end, trace)
    _ACK_ATTRS.walk({}, data, end + 3 & ~3, frame.end, trace, ())


def _has_other_header(message: Message, frame: Frame, data: Buffer) -> bool:
    """Return whether a rtnetlink dump is asked for with another header than the message's own, which the kernel allows.

    busybox sends ``struct rtgenmsg``, and Go's netlink package ``struct ifinfomsg`` without a value; the kernel reads the family.
    """
    header, size = getattr(message.layout, "header", None), frame.end - frame.start
    if header is None or not message.name.startswith("RTM_GET") or frame.flags & uapi.NLM_F_DUMP != uapi.NLM_F_DUMP:
        return False
    return 0 < size < header.size or header.size < size == IFINFOMSG_BYTES and not any(data[frame.start + 1 : frame.end])


def _short_header(message: Message) -> Struct:
    """Return ``struct rtgenmsg``, one byte: the family, with which the message's own header begins, too; padding follows."""
    return Struct("rtgenmsg", ("rtgen_family", message.layout.header.members[0][1]))


def ignored(data: Buffer) -> int:
    """Return from which byte on the kernel ignores a datagram sent to it: behind the first wrong length (netlink_rcv_skb())."""
    offset = 0
    while len(data) - offset >= NLMSGHDR.size:
        length = NLMSGHDR.read(data, offset)[0]
        if length < NLMSGHDR.size or offset + length > len(data):
            return offset
        offset = min(offset + (length + 3 & ~3), len(data))
    return offset


def spans(data: Buffer, messages: Mapping[int, Message]) -> Iterator[tuple[str, list[Span]]]:
    """Yield for each message of a datagram its name and the spans of all its bytes, header first.

    A message that cannot be decoded ends in a span named after the error.  Raises `DecodeError` if a header's length is wrong.
    """
    for frame in split(data):
        yield name_of(frame, messages), message_spans(data, frame, messages)


def name_of(frame: Frame, messages: Mapping[int, Message]) -> str:
    """Return the C name of a message of a datagram; its number if it has none."""
    message = _ANSWERS.get(frame.kind) or messages.get(frame.kind)
    return message.name if message is not None else str(frame.kind)


def message_spans(data: Buffer, frame: Frame, messages: Mapping[int, Message]) -> list[Span]:
    """Return the spans of all bytes of one message of a datagram, header first.

    If it cannot be decoded, the last span is named after the error.
    """
    trace: list[Span] = []
    NLMSGHDR.unpack(data, frame.offset, frame.start, {}, trace, ())
    headers = [0]  # places in `trace`
    try:
        message = _ANSWERS.get(frame.kind) or messages.get(frame.kind)
        if message is ERROR:
            headers.append(len(trace) + 1)  # the header of the request, repeated behind the error's number
        if message is ERROR and not frame.flags & uapi.NLM_F_CAPPED:
            _error_spans(data, frame, messages, trace)
        elif message is not None and _has_other_header(message, frame, data):
            _short_header(message).unpack(data, frame.start, frame.start + 1, {}, trace, ())
        elif message is not None:
            message.unpack(data, frame.start, frame.end, trace)
    except DecodeError as error:
        trace.append(Span(frame.end, 0, (f"malformed: {error}",), None, None))
    for place in headers:
        if len(trace) > place + 2:
            _name_header(trace[place + 1], trace[place + 2], messages)
    return trace


def _name_header(kind: Span, flags: Span, messages: Mapping[int, Message]) -> None:
    """Give the type and the flags of a header the names that they have in its message."""
    about = _ANSWERS.get(kind.value) or messages.get(kind.value)
    name = "" if about is None else about.name
    kind.kind, flags.kind = Scalar("H", {kind.value: name} if name else ""), _flags(name)
