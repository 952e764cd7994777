"""Bytes with their names beside them: what `rawns demo --explain` prints.

Floor 3, pure.  It decodes nothing itself: it lays out the spans that the codec's one walk noted (`wire`).
"""

from __future__ import annotations

from . import nlmsg, packets, rtnl, uapi
from .errors import WireError
from .wire import NLATTR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .syscalls import Event
    from .wire import Span

ROW = 8  # bytes in a line


def call(event: Event) -> Iterator[str]:
    """The lines that tell of one system call: itself, its time, and the message it moved."""
    yield f"{event}  <{event.nanoseconds / 1000:.1f} us>"
    if event.protocol == "rtnetlink":
        yield from datagram(event.payload)
    elif event.protocol in packets.PROTOCOLS:
        yield from packet(event.protocol, event.payload)


def datagram(data: bytes) -> Iterator[str]:
    """The lines that explain every byte of one rtnetlink datagram: offset, hex, C name, value."""
    for name, spans in nlmsg.spans(data, rtnl.MESSAGES):
        start, length = spans[0].offset, spans[0].value
        yield f"    {name}, {length} bytes"
        yield from rows(data, spans, start + length)


def packet(protocol: str, data: bytes) -> Iterator[str]:
    """The lines that explain every byte of what was sent to, or came from, a socket of that protocol."""
    yield f"    {protocol}, {len(data)} bytes"
    spans: list[Span] = []
    try:
        packets.decode(packets.PROTOCOLS[protocol], data, spans)
    except WireError as error:
        yield f"    malformed: {error}"
    yield from rows(data, spans, len(data))


def rows(data: bytes, spans: list[Span], end: int) -> Iterator[str]:
    """The lines for the spans of one message, which ends at byte ``end``; what no span names is padding."""
    at = spans[0].offset if spans else 0
    for number, span in enumerate(spans):
        depth, name = len(span.path) - 1, span.name
        yield from _padding(data, at, span.offset, depth)
        at = span.offset + span.length
        if not span.head:
            yield from _lines(data, span.offset, at, depth, name, span.text())
            continue
        body = span.offset + span.head
        yield from _lines(data, span.offset, body, depth, name, _header(data, span))
        following = spans[number + 1] if number + 1 < len(spans) else None
        if following is not None and body <= following.offset < at:
            at = body  # what is in it has spans of its own
        else:
            yield from _lines(data, body, at, depth, "", span.text())
    yield from _padding(data, at, end, 0)


def _header(data: bytes, span: Span) -> str:
    """``struct nlattr``."""
    _, kind = NLATTR.unpack_from(data, span.offset)
    flags = [name for name in ("NLA_F_NESTED", "NLA_F_NET_BYTEORDER") if kind & getattr(uapi, name)]
    return f"nla_len {span.length}, nla_type {'|'.join([str(kind & uapi.NLA_TYPE_MASK), *flags])}"


def _padding(data: bytes, start: int, end: int, depth: int) -> Iterable[str]:
    return _lines(data, start, end, depth, "(padding)", "")


def _lines(data: bytes, start: int, end: int, depth: int, name: str, value: str) -> Iterator[str]:
    label = "  " * depth + name
    for at in range(start, end, ROW):
        text = f"    {at:6}  {data[at : min(at + ROW, end)].hex(' '):<{3 * ROW}} {label:<34} {value}".rstrip()
        yield text
        label = value = ""
