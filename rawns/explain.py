"""Bytes with their names beside them: what `--explain` prints, as lines for people and as objects for programs.

Floor 3, pure.  It decodes nothing itself: it lays out the spans that the codec's one walk noted (`wire`).  `walk` turns
them into rows that leave no byte out; `rows` and `call` render rows as text, `record` as what JSON can hold.
"""

from __future__ import annotations

from . import nlmsg, packets, rtnl, uapi
from .errors import DecodeError, errno_name
from .nft import messages as nft_messages
from .wire import NLATTR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from .syscalls import Event
    from .wire import Message, Span

ROW_BYTES = 8  # bytes in a line
PADDING = "(padding)"
NETLINK = {"rtnetlink": rtnl.MESSAGES, "nftables": nft_messages.MESSAGES}


class HexRow:
    """Some bytes of a message under one name: ``offset``, ``data``, ``depth`` of nesting, ``name``, ``value``, ``text``.

    ``text`` is the value as a person reads it.  ``more`` says that they go on with the row before: the payload of an
    attribute whose header that was.
    """

    __slots__ = ("data", "depth", "more", "name", "offset", "text", "value")

    def __init__(self, offset: int, data: bytes, depth: int, name: str, value: object, text: str, more: bool = False) -> None:
        self.offset, self.data, self.depth, self.name = offset, data, depth, name
        self.value, self.text, self.more = value, text, more


# -- the walk -----------------------------------------------------------------------------------------------------


def walk(data: bytes, spans: list[Span], end: int) -> Iterator[HexRow]:
    """The rows for the spans of one message, which ends at byte ``end``; what no span names is padding."""
    at = spans[0].offset if spans else 0
    for number, span in enumerate(spans):
        depth = len(span.path) - 1
        yield from _padding(data, at, span.offset, depth)
        at = span.offset + span.length
        if span.kind is None:  # a complaint, of no bytes
            yield HexRow(span.offset, b"", depth, span.name, None, "")
            continue
        body = span.offset + span.head
        if span.head:
            yield HexRow(span.offset, data[span.offset : body], depth, span.name, None, _header(data, span))
        following = spans[number + 1] if number + 1 < len(spans) else None
        if span.head and following is not None and following.kind is not None and body <= following.offset < at:
            at = body  # what is in it has spans of its own
        elif body < at:
            yield HexRow(body, data[body:at], depth, span.name, span.value, span.text(), more=bool(span.head))
    yield from _padding(data, at, end, 0)


def _header(data: bytes, span: Span) -> str:
    """``struct nlattr``; two bytes where it is nf_tables' user data."""
    if span.head != NLATTR.size:
        return f"type {data[span.offset]}, length {data[span.offset + 1]}"
    _, kind = NLATTR.unpack_from(data, span.offset)
    flags = [name for name in ("NLA_F_NESTED", "NLA_F_NET_BYTEORDER") if kind & getattr(uapi, name)]
    return f"nla_len {span.length}, nla_type {'|'.join([str(kind & uapi.NLA_TYPE_MASK), *flags])}"


def _padding(data: bytes, start: int, end: int, depth: int) -> Iterable[HexRow]:
    return [HexRow(start, data[start:end], depth, PADDING, None, "")] if start < end else []


def messages(event: Event) -> Iterator[tuple[str, int, list[HexRow]]]:
    """Each message that a system call moved: its name, its length in bytes, and its rows."""
    if event.protocol in NETLINK:
        yield from _datagram(event.payload, NETLINK[event.protocol])
    elif event.protocol in packets.PROTOCOLS:
        yield event.protocol, len(event.payload), _packet(event.protocol, event.payload)


def _datagram(data: bytes, known: Mapping[int, Message]) -> Iterator[tuple[str, int, list[HexRow]]]:
    done = 0
    try:
        for name, spans in nlmsg.spans(data, known):
            start, length = spans[0].offset, spans[0].value
            done = start + length + 3 & ~3
            yield name, length, list(walk(data, spans, start + length))
    except DecodeError as error:  # a length that lies: nobody knows where the next message would begin
        yield "malformed", len(data) - done, [HexRow(done, data[done:], 0, f"malformed: {error}", None, "")]


def _packet(protocol: str, data: bytes) -> list[HexRow]:
    spans: list[Span] = []
    complaint = []
    try:
        packets.decode(packets.PROTOCOLS[protocol], data, spans)
    except DecodeError as error:
        complaint = [HexRow(0, b"", 0, f"malformed: {error}", None, "")]
    return [*complaint, *walk(data, spans, len(data))]


# -- for people ---------------------------------------------------------------------------------------------------


def call(event: Event) -> Iterator[str]:
    """The lines that tell of one system call: itself, its time, and the messages it moved."""
    yield f"{event}  <{event.nanoseconds / 1000:.1f} us>"
    for name, length, found in messages(event):
        yield f"    {name}, {length} bytes"
        yield from _text(found)


def rows(data: bytes, spans: list[Span], end: int) -> Iterator[str]:
    """The lines for the spans of one message, which ends at byte ``end``: offset, hex, C name, value."""
    yield from _text(walk(data, spans, end))


def _text(found: Iterable[HexRow]) -> Iterator[str]:
    for row in found:
        label, value = "  " * row.depth + ("" if row.more else row.name), row.text
        if not row.data:
            yield f"    {label}"
        for at in range(0, len(row.data), ROW_BYTES):
            bytes_ = row.data[at : at + ROW_BYTES].hex(" ")
            yield f"    {row.offset + at:6}  {bytes_:<{3 * ROW_BYTES}} {label:<34} {value}".rstrip()
            label = value = ""


# -- for programs -------------------------------------------------------------------------------------------------


def record(event: Event) -> dict[str, Any]:
    """One system call as JSON can hold it: times in microseconds, ``errno`` a C name or None."""
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
    """``value`` is a number, text, or None; where there are words that it does not say (names of flags), they are ``text``."""
    value = row.value if isinstance(row.value, (bool, int, str)) else None
    told = {"offset": row.offset, "hex": row.data.hex(), "depth": row.depth, "name": row.name, "value": value}
    if row.text not in ("", str(value)) and not isinstance(value, str):
        told["text"] = row.text
    return told
