"""The bytes of netlink messages of any family with their names: `spans` of a datagram, header first (netlink(7)).

What only decodes messages does not need this module.
"""

from __future__ import annotations

from . import uapi
from .errors import DecodeError
from .nlmsg import ACK_ATTRS, ANSWERS, ERROR, NLMSGERR, NLMSGHDR, split
from .wire import U16, Scalar, Span, Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .nlmsg import Frame
    from .wire import Buffer, Message

IFINFOMSG_BYTES = 16

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
    ACK_ATTRS.walk({}, data, end + 3 & ~3, frame.end, trace, ())


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
    message = ANSWERS.get(frame.kind) or messages.get(frame.kind)
    return message.name if message is not None else str(frame.kind)


def message_spans(data: Buffer, frame: Frame, messages: Mapping[int, Message]) -> list[Span]:
    """Return the spans of all bytes of one message of a datagram, header first.

    If it cannot be decoded, the last span is named after the error.
    """
    trace: list[Span] = []
    NLMSGHDR.unpack(data, frame.offset, frame.start, {}, trace, ())
    headers = [0]  # places in `trace`
    try:
        message = ANSWERS.get(frame.kind) or messages.get(frame.kind)
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
    about = ANSWERS.get(kind.value) or messages.get(kind.value)
    name = "" if about is None else about.name
    kind.kind, flags.kind = Scalar("H", {kind.value: name} if name else ""), _flags(name)
