"""Netlink attributes over those values, and the messages made of them (netlink(7), `<linux/netlink.h>`).

A length that lies is a `WireError`, never an overrun, and every step forward is at least one attribute header long,
so hostile bytes end.
"""

from __future__ import annotations

from struct import Struct as _Struct

from .. import uapi
from ..errors import WireError
from .types import RAW, Span, Struct, Type, complaint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping
    from typing import Any

    from .types import Body, Buffer, Path, Trace

ALIGN = 4  # NLMSG_ALIGNTO and NLA_ALIGNTO are one number
NLATTR = _Struct("=HH")  # struct nlattr: nla_len, nla_type
_PAD = (b"", b"\0\0\0", b"\0\0", b"\0")  # by length modulo 4


class Repeated(Type):
    """An attribute that may occur several times in a row; its value is the list of them."""

    __slots__ = ("kind", "nested")
    repeated = True

    def __init__(self, kind: Type) -> None:
        self.kind, self.nested = kind, kind.nested

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        return self.kind.unpack(data, start, end, siblings, trace, path)

    def format(self, value: Any) -> str:
        return self.kind.format(value)

    def payloads(self, value: Any, siblings: Mapping[Any, Any]) -> list[bytes]:
        """One payload for each of the list."""
        if not isinstance(value, (list, tuple)):
            raise WireError(f"{value!r} is not a list")
        return [self.kind.pack(one, siblings) for one in value]


class SubMessage(Type):
    """A payload whose type another attribute of the same nest decides (IFLA_INFO_KIND for IFLA_INFO_DATA).

    In a message's outermost attributes it may be a field of the header, too (ifi_family).
    """

    __slots__ = ("key", "cases", "nested", "otherwise")

    def __init__(self, key: str, cases: Mapping[Any, Type], otherwise: Type = RAW, nested: bool = False) -> None:
        self.key, self.cases, self.otherwise, self.nested = key, cases, otherwise, nested

    def _case(self, siblings: Mapping[Any, Any]) -> Type:
        return self.cases.get(siblings.get(self.key), self.otherwise)

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        return self._case(siblings).pack(value, siblings)

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        return self._case(siblings).unpack(data, start, end, siblings, trace, path)

    def format(self, value: Any) -> str:
        return RAW.format(value) if isinstance(value, bytes) else ""


class Attrs(Type):
    """A run of netlink attributes: a table from C name to (number, type)."""

    __slots__ = ("names", "nested", "_numbers", "_rest")

    def __init__(self, names: Mapping[str, tuple[int, Type]], nested: bool = False, rest: bool = True) -> None:
        self.names, self.nested = names, nested
        self._rest = rest  # whether what stands in no row is kept, as number and bytes
        self._numbers: dict[int, tuple[str, Type]] | None = None

    @property
    def numbers(self) -> dict[int, tuple[str, Type]]:
        """The same table by number; made when it is first asked for, as most of them never are."""
        if self._numbers is None:
            self._numbers = {number: (name, kind) for name, (number, kind) in self.names.items()}
        return self._numbers

    def select(self, *names: str, **nests: Type) -> Attrs:
        """The same, read for these alone: whoever knows what he wants of thousands need not decode the rest.

        ``nests`` are attributes that are read otherwise than they are described, say for some of theirs alone.
        """
        rows = {name: self.names[name] for name in names}
        rows.update((name, (self.names[name][0], kind)) for name, kind in nests.items())
        return Attrs(rows, self.nested, rest=False)

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        return b"".join(self.pieces(value, value))

    def pieces(self, value: Mapping[Any, Any], siblings: Mapping[Any, Any], skip: Container[Any] = ()) -> list[bytes]:
        """Each attribute of ``value`` but those to ``skip``, in its order: header, payload, padding."""
        pieces: list[bytes] = []
        names = self.names
        for key, one in value.items():
            if key in skip:
                continue
            number, kind = names.get(key) or self._unnamed(key)
            if kind.nested:
                number |= uapi.NLA_F_NESTED
            try:
                payloads = kind.payloads(one, siblings) if isinstance(kind, Repeated) else (kind.pack(one, siblings),)
            except (WireError, AttributeError, TypeError) as error:
                raise complaint(key, one, error) from None
            for payload in payloads:
                size = 4 + len(payload)
                if size > 0xFFFF:
                    raise WireError(f"{key}: {len(payload)} bytes are more than one attribute holds")
                pieces += (NLATTR.pack(size, number), payload, _PAD[size & 3])
        return pieces

    @staticmethod
    def _unnamed(key: object) -> tuple[int, Type]:
        if isinstance(key, int) and 0 <= key <= 0xFFFF:
            return key, RAW
        raise WireError(f"no attribute is called {key!r} here")

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        values: Body = {}
        self.unpack_into(values, data, start, end, trace, path)
        return values

    def unpack_into(self, values: Body, data: Buffer, start: int, end: int, trace: Trace, path: Path) -> None:
        offset, numbers, rest = start, self._numbers or self.numbers, self._rest
        while offset < end:
            if end - offset < 4:
                raise WireError(f"{end - offset} stray bytes at offset {offset}")
            length, number = NLATTR.unpack_from(data, offset)
            if length < 4 or offset + length > end:
                raise WireError(f"an attribute at offset {offset} claims {length} of {end - offset} bytes")
            number &= uapi.NLA_TYPE_MASK
            if number not in numbers and not rest:
                offset += length + 3 & ~3
                continue
            name, kind = numbers.get(number) or (number, RAW)
            below = path
            if trace is not None:
                below = (*path, name if isinstance(name, str) else f"[{number}]")
                span = Span(offset, length, below, RAW, bytes(data[offset + 4 : offset + length]), NLATTR.size)
                trace.append(span)
            value = kind.unpack(data, offset + 4, offset + length, values, trace, below)
            if trace is not None:
                span.kind, span.value = kind, value  # until here it was raw, and stays so where it is malformed
            if kind.repeated:
                values.setdefault(name, []).append(value)
            else:
                values[name] = value
            offset += length + 3 & ~3

    def format(self, value: Any) -> str:
        return ""  # its attributes have spans of their own


class Layout(Type):
    """A fixed header, then attributes; the value is one flat dict of both."""

    __slots__ = ("header", "attrs")

    def __init__(self, header: Struct, attrs: Attrs) -> None:
        self.header, self.attrs = header, attrs

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        header = self.header
        head = header.pack_from(value)
        return b"".join([head, _PAD[len(head) & 3], *self.attrs.pieces(value, value, header.defaults)])

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        stop = start + self.header.size
        values: Body = self.header.unpack(data, start, min(stop, end), siblings, trace, path)
        self.attrs.unpack_into(values, data, stop + 3 & ~3, end, trace, path)
        return values

    def format(self, value: Any) -> str:
        return ""


class RecordList(Type):
    """Layouts one after the other, each with its own length in a header field (``struct rtnexthop``).  A list."""

    __slots__ = ("layout", "length")

    def __init__(self, layout: Layout, length: str) -> None:
        self.layout, self.length = layout, length

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        pieces = []
        for one in value:
            size = len(self.layout.pack(one, one))
            pieces.append(self.layout.pack({**one, self.length: size}, one))
        return b"".join(pieces)

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        values, offset, least = [], start, self.layout.header.size
        while offset < end:
            head = self.layout.header.unpack(data, offset, min(offset + least, end), siblings, None, path)
            size = head[self.length]
            if size < least or offset + size > end:
                raise WireError(f"{self.length} at offset {offset} is {size} of {end - offset} bytes")
            values.append(self.layout.unpack(data, offset, offset + size, siblings, trace, path))
            offset += size + 3 & ~3
        return values

    def format(self, value: Any) -> str:
        return ""


class Message:
    """A `Layout` under a message type: ``number`` as in ``nlmsg_type``, ``name`` as in the header file."""

    __slots__ = ("number", "name", "layout")

    def __init__(self, number: int, name: str, layout: Layout) -> None:
        self.number, self.name, self.layout = number, name, layout

    def select(self, *names: str, **nests: Type) -> Message:
        """The same message, read for these attributes (and the header) alone: see `Attrs.select`."""
        return Message(self.number, self.name, Layout(self.layout.header, self.layout.attrs.select(*names, **nests)))

    def pack(self, body: Mapping[Any, Any]) -> bytes:
        """The bytes after ``struct nlmsghdr``.  Raises `WireError`, naming message and key."""
        try:
            return self.layout.pack(body, body)
        except WireError as error:
            raise WireError(f"{self.name}: {error}") from None

    def unpack(self, data: Buffer, start: int = 0, end: int | None = None, trace: Trace = None) -> Body:
        """The body in ``data[start:end]``; with ``trace``, a `Span` for every field and attribute is added to it."""
        try:
            body: Body = self.layout.unpack(data, start, len(data) if end is None else end, {}, trace, ())
        except WireError as error:
            raise WireError(f"{self.name}: {error}") from None
        return body


def table(messages: Iterable[Message]) -> dict[int, Message]:
    """Messages by number, as `exchange` and `explain` look them up."""
    return {message.number: message for message in messages}
