"""Messages with every byte named: what ``--explain`` prints, as lines of text or as JSON objects.

It decodes nothing itself: it arranges the spans that the codec noted while it decoded (`wire`).  `hex_rows` turns them into rows
that leave no byte out; `rows` and `call` return rows as text, `record` as what JSON can hold.
"""

from __future__ import annotations

from . import nlmsg, nlmsg_spans, rtnl, uapi
from .errors import DecodeError, errno_name
from .wire import NLATTR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from .observer import Event
    from .wire import Message, Span

ROW_BYTES = 8  # in a line
PADDING = "(padding)"
FOREIGN = {"nftables": ("nft.more_messages", "ALL"), "sock_diag": ("sock_diag", "MESSAGES"), "generic": ("genl", "MESSAGES")}


def descriptions(protocol: str) -> Mapping[int, Message]:
    """Return the messages of a protocol by number, those that only other programs send included; none if it has none here."""
    if protocol in FOREIGN:
        module, name = FOREIGN[protocol]
        found: Mapping[int, Message] = getattr(__import__(f"rawns.{module}", fromlist=[name]), name)
        return found
    return rtnl.MESSAGES if protocol == "rtnetlink" else {}


def message_names(protocol: str) -> set[str]:
    """Return the names of all messages of a protocol, those of the commands of generic netlink included."""
    found = set()
    for message in descriptions(protocol).values():
        found |= {message.name, *_commands(message).values()}
    return found


def names_of_message(protocol: str, data: bytes, frame: nlmsg.Frame) -> list[str]:
    """Return the names of one message of a datagram: its own, and of generic netlink that of its command; none if unknown."""
    message = descriptions(protocol).get(frame.kind)
    if message is None:
        return []
    command = (
        _commands(message, bool(frame.flags & uapi.NLM_F_REQUEST)).get(data[frame.start]) if frame.start < frame.end else None
    )
    return [message.name] if command is None else [message.name, command]


def _commands(message: Message, request: bool = True) -> dict[int, str]:
    """Return the commands of a family of generic netlink by number, the first byte of its header; none of other messages."""
    names: Any = getattr(message.layout, "names", None)
    if callable(names):
        found: dict[int, str] = names(request)
        return found
    header = getattr(message.layout, "header", None)
    if header is None or header.name != "genlmsghdr":
        return {}
    return dict(header.members[0][1].names)


class HexRow:
    """Some bytes of a message under one name: ``offset``, ``data``, ``depth`` of nesting, ``name``, ``value``, ``text``.

    ``text`` is the formatted value.  ``more`` says that the row continues the one before: it is the payload of the attribute
    whose header that was.
    """

    __slots__ = ("data", "depth", "more", "name", "offset", "text", "value")

    def __init__(self, offset: int, data: bytes, depth: int, name: str, value: object, text: str, more: bool = False) -> None:
        self.offset, self.data, self.depth, self.name = offset, data, depth, name
        self.value, self.text, self.more = value, text, more


# -- rows -----------------------------------------------------------------------------------------------------


def hex_rows(data: bytes, spans: list[Span], end: int) -> Iterator[HexRow]:
    """Yield the rows for the spans of one message, which ends at byte ``end``; bytes that no span names are padding."""
    at = spans[0].offset if spans else 0
    for number, span in enumerate(spans):
        depth = len(span.path) - 1
        yield from _padding(data, at, span.offset, depth)
        at = span.offset + span.length
        if span.kind is None:  # an error, of no bytes
            yield HexRow(span.offset, b"", depth, span.name, None, "")
            continue
        body = span.offset + span.head
        if span.head:
            yield HexRow(span.offset, data[span.offset : body], depth, span.name, None, _header(data, span))
        following = spans[number + 1] if number + 1 < len(spans) else None
        if span.head and following is not None and following.kind is not None and body <= following.offset < at:
            at = body  # its contents have spans of their own
        elif body < at:
            yield HexRow(body, data[body:at], depth, span.name, span.value, span.text(), more=bool(span.head))
    yield from _padding(data, at, end, 0)


def _header(data: bytes, span: Span) -> str:
    """Return the text for a header: ``struct nlattr``, or the two bytes of nf_tables' user data."""
    if span.head != NLATTR.size:
        return f"type {data[span.offset]}, length {data[span.offset + 1]}"
    _, kind = NLATTR.unpack_from(data, span.offset)
    flags = [name for name in ("NLA_F_NESTED", "NLA_F_NET_BYTEORDER") if kind & getattr(uapi, name)]
    return f"nla_len {span.length}, nla_type {'|'.join([str(kind & uapi.NLA_TYPE_MASK), *flags])}"


def _padding(data: bytes, start: int, end: int, depth: int) -> Iterable[HexRow]:
    return [HexRow(start, data[start:end], depth, PADDING, None, "")] if start < end else []


def messages(event: Event) -> Iterator[tuple[str, int, list[HexRow]]]:
    """Yield each message that a system call sent or received: its name, its length in bytes, and its rows."""
    if event.protocol == "rtnetlink" or event.protocol in FOREIGN:
        yield from _datagram(event.payload, descriptions(event.protocol))
    elif event.protocol:
        from . import packets

        if event.protocol in packets.PROTOCOLS:
            yield event.protocol, len(event.payload), _packet(event.protocol, event.payload)


def _datagram(data: bytes, known: Mapping[int, Message]) -> Iterator[tuple[str, int, list[HexRow]]]:
    done = 0
    try:
        for name, spans in nlmsg_spans.spans(data, known):
            start, length = spans[0].offset, spans[0].value
            done = start + length + 3 & ~3
            yield name, length, list(hex_rows(data, spans, start + length))
    except DecodeError as error:  # a wrong length: where the next message begins is unknown
        if 0 < done < len(data) and not any(data[done:]):  # iproute2 sends its whole buffer
            yield PADDING, len(data) - done, list(_padding(data, done, len(data), 0))
            return
        yield "malformed", len(data) - done, [HexRow(done, data[done:], 0, f"malformed: {error}", None, "")]


def _packet(protocol: str, data: bytes) -> list[HexRow]:
    from . import packets

    spans: list[Span] = []
    error_row = []
    try:
        packets.decode(packets.PROTOCOLS[protocol], data, spans)
    except DecodeError as error:
        error_row = [HexRow(0, b"", 0, f"malformed: {error}", None, "")]
    return [*error_row, *hex_rows(data, spans, len(data))]


# -- as text ---------------------------------------------------------------------------------------------------


def call(event: Event) -> Iterator[str]:
    """Yield the lines for one system call: the call, its time, and the messages that it sent or received."""
    yield f"{event}  <{event.nanoseconds / 1000:.1f} us>"
    for name, length, found in messages(event):
        yield f"    {name}, {length} bytes"
        yield from _text(found)


def rows(data: bytes, spans: list[Span], end: int) -> Iterator[str]:
    """Yield the lines for the spans of one message, which ends at byte ``end``: offset, hex, C name, value."""
    yield from _text(hex_rows(data, spans, end))


def _text(found: Iterable[HexRow]) -> Iterator[str]:
    for row in found:
        label, value = "  " * row.depth + ("" if row.more else row.name), row.text
        if not row.data:
            yield f"    {label}"
        for at in range(0, len(row.data), ROW_BYTES):
            bytes_ = row.data[at : at + ROW_BYTES].hex(" ")
            yield f"    {row.offset + at:6}  {bytes_:<{3 * ROW_BYTES}} {label:<34} {value}".rstrip()
            label = value = ""


# -- as JSON -------------------------------------------------------------------------------------------------


def record(event: Event) -> dict[str, Any]:
    """Return one system call as what JSON can hold: times in microseconds, ``errno`` a C name or None."""
    return {
        "call": event.call,
        "arguments": event.arguments,
        "result": -1 if event.error else event.result,
        "errno": errno_name(event.error) if event.error else None,
        "microseconds": round(event.nanoseconds / 1000, 1),
        "messages": [
            {"name": name, "length": length, "bytes": [_object(row) for row in found]} for name, length, found in messages(event)
        ],
    }


def _object(row: HexRow) -> dict[str, Any]:
    """Return one row; its ``value`` is a number, text or None, and ``text`` says what that does not (names of flags)."""
    value = row.value if isinstance(row.value, (bool, int, str)) else None
    fields = {"offset": row.offset, "hex": row.data.hex(), "depth": row.depth, "name": row.name, "value": value}
    if row.text not in ("", str(value)) and not isinstance(value, str):
        fields["text"] = row.text
    return fields
