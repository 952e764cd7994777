"""The types of values: numbers, text, addresses, C's structs; and what all types have in common.

Each answers to `pack` (value to bytes), `unpack` (bytes to value) and `format` (value to words for a person).
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton  # the C module: see `nlsocket`
from struct import Struct as _Struct
from struct import error as _StructError

from .. import uapi
from ..errors import DecodeError, WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Optional, Union

    Buffer = Union[bytes, bytearray, memoryview]
    Body = dict[Any, Any]  # keys: C names, or numbers of attributes without one
    Path = tuple[str, ...]
    Trace = Optional[list["Span"]]

MAX_LINK_ADDRESS_BYTES = 32  # MAX_ADDR_LEN, <linux/netdevice.h>


class Span:
    """One named part of a message: ``offset`` and ``length`` in bytes, ``path`` the C names that lead to it.

    ``head`` of its bytes are a header of its own: 4 if it is an attribute.
    """

    __slots__ = ("head", "kind", "length", "offset", "path", "value")

    def __init__(self, offset: int, length: int, path: tuple[str, ...], kind: Type | None, value: Any, head: int = 0) -> None:
        self.offset, self.length, self.path, self.kind, self.value, self.head = offset, length, path, kind, value, head

    @property
    def name(self) -> str:
        """The last of the C names that lead to it."""
        return self.path[-1]

    def text(self) -> str:
        """Return the value as text; empty if the span only contains other spans."""
        return self.kind.format(self.value) if self.kind is not None else ""

    def __repr__(self) -> str:
        return f"<Span {self.offset}+{self.length} {'.'.join(self.path)} {self.text()}>"


class Type:
    """What all descriptions have in common.  ``siblings`` are the values decoded or given beside this one."""

    __slots__ = ()
    nested = False  # whether an attribute of this type carries NLA_F_NESTED
    repeated = False  # whether an attribute of this type may occur several times

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        """Return a value as bytes.  Raises `WireError`."""
        raise NotImplementedError

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        """Return the value of ``data[start:end]``, and add a `Span` for each part of it to ``trace``.  Raises `DecodeError`."""
        raise NotImplementedError

    def format(self, value: Any) -> str:
        """Return the value as text; empty if its parts have spans of their own."""
        return ""


def shortened(value: object) -> str:
    """Return the repr of a value for an error message, of a bounded length."""
    from ..terminal import short_repr

    return short_repr(value)


def expected(what: str, value: object) -> WireError:
    """Return the error for a value of the wrong type or range."""
    known = isinstance(value, (int, str, bytes)) and not isinstance(value, bool)
    return WireError(f"expected {what}, not {shortened(value)}" + (f" ({type(value).__name__})" if known else ""))


_names_of: dict[str, dict[int, str]] = {}  # by prefix
_all_names: list[str] = []  # of `uapi`, one a line, once `names_of` has been called


def names_of(prefix: str) -> dict[int, str]:
    """Return the `uapi` names that begin with ``prefix``, by number (of several names for a number the first)."""
    found = _names_of.get(prefix)
    if found is None:
        if not _all_names:
            _all_names.append("\n".join(["", *vars(uapi), ""]))
        text, numbers = _all_names[0], vars(uapi)  # a search in one text takes a tenth of the time of 2,000 comparisons
        found = {}
        at = text.find("\n" + prefix)
        while at >= 0:
            end = text.index("\n", at + 1)
            name = text[at + 1 : end]
            if isinstance(numbers[name], int):
                found.setdefault(numbers[name], name)
            at = text.find("\n" + prefix, end)
        _names_of[prefix] = found  # complete, since another thread may look it up at once
    return found


class Scalar(Type):
    """One integer.  ``names`` is the prefix of its names in `uapi`, or a table; ``flags`` says that they are bits of it.

    ``code`` is that of the `struct` module, which also gives the range.
    """

    __slots__ = ("_struct", "code", "size", "names", "flags")

    def __init__(self, code: str, names: str | dict[int, str] = "", flags: bool = False) -> None:
        self._struct = _Struct(code if code[0] in "=!" else "=" + code)
        self.code, self.size, self.names, self.flags = code, self._struct.size, names, flags

    @property
    def minimum(self) -> int:
        """The least value."""
        return -(1 << self.size * 8 - 1) if self.code[-1].islower() else 0

    @property
    def maximum(self) -> int:
        """The greatest value."""
        return (1 << self.size * 8 - self.code[-1].islower()) - 1

    def named(self, prefix: str) -> Scalar:
        """Return the same type, with names for its values."""
        return Scalar(self.code, prefix)

    def bits(self, prefix: str | dict[int, str]) -> Scalar:
        """Return the same type, with names for its bits."""
        return Scalar(self.code, prefix, flags=True)

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        try:
            return self._struct.pack(value)
        except _StructError:
            raise expected(f"an integer from {self.minimum} to {self.maximum}", value) from None

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        if end - start < self.size:
            raise DecodeError(f"{end - start} bytes at offset {start} instead of {self.size}")
        return self._struct.unpack_from(data, start)[0]

    def format(self, value: Any) -> str:
        if not self.names:
            return str(value)
        known = names_of(self.names) if isinstance(self.names, str) else self.names
        if not self.flags:
            return known.get(value, str(value))
        words, left = [], value
        for bit, name in known.items():
            if bit and left & bit == bit and bit & (bit - 1) == 0:
                words.append(name)
                left &= ~bit
        return "|".join(words + [hex(left)] if left else words) or "0"


U8, U16, U32, U64 = Scalar("B"), Scalar("H"), Scalar("I"), Scalar("Q")
S8, S16, S32, S64 = Scalar("b"), Scalar("h"), Scalar("i"), Scalar("q")
BE16, BE32, BE64 = Scalar("!H"), Scalar("!I"), Scalar("!Q")


class Payload(Type):
    """A type whose value depends on nothing but the bytes of the payload."""

    __slots__ = ()

    def convert(self, payload: bytes) -> Any:
        """Return the value of a payload."""
        raise NotImplementedError

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        return self.convert(bytes(data[start:end]))


class Raw(Payload):
    """Bytes as they are.  With ``size``, exactly so many (a member of a `Struct` needs one)."""

    __slots__ = ("size", "code")

    def __init__(self, size: int = -1) -> None:
        self.size, self.code = size, f"{size}s"

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise expected("bytes", value)
        if self.size >= 0 and len(value) != self.size:
            raise WireError(f"expected {self.size} bytes, not {len(value)}")
        return bytes(value)

    def convert(self, payload: bytes) -> bytes:
        return payload

    def format(self, value: Any) -> str:
        return f"{len(value)} bytes" if len(value) > 16 else value.hex(" ") or "(empty)"


class _Flag(Payload):
    """An attribute without a payload: it is there or not.  Its value is True."""

    __slots__ = ()

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        if value is not True:
            raise expected("True (or nothing at all: this is a flag)", value)
        return b""

    def convert(self, payload: bytes) -> bool:
        return True


class Text(Payload):
    """A C string; bytes that are not UTF-8 survive as surrogates.

    ``limit`` counts bytes, the final NUL included; ``nul`` False leaves the NUL out, as `ip` does for attributes whose
    length the kernel takes for the string's.
    """

    __slots__ = ("limit", "nul")

    def __init__(self, limit: int = 0xFFFF - 4, nul: bool = True) -> None:
        self.limit, self.nul = limit, nul

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        if not isinstance(value, str):
            raise expected("text", value)
        try:
            data = value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise WireError(f"{shortened(value)} cannot be encoded as UTF-8") from None
        if b"\0" in data or len(data) >= self.limit:
            raise WireError(f"{shortened(value)} has a NUL or more than {self.limit - 1} bytes")
        return data + b"\0" if self.nul else data

    def convert(self, payload: bytes) -> str:
        return payload.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")

    def format(self, value: Any) -> str:
        return ascii(value)[1:-1].join('""')


class _Ip(Payload):
    """An IPv4 or IPv6 address as text; the length of the payload tells which.  A payload of another length is kept as bytes."""

    __slots__ = ()

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        if isinstance(value, bytes):
            return value
        if not isinstance(value, str):
            raise expected("an IPv4 or IPv6 address as text", value)
        try:
            return inet_pton(AF_INET6 if ":" in value else AF_INET, value)
        except (OSError, ValueError):
            raise WireError(f"{shortened(value)} is not an IPv4 or IPv6 address") from None

    def convert(self, payload: bytes) -> str | bytes:
        size = len(payload)
        if size == 4:
            return inet_ntop(AF_INET, payload)
        return inet_ntop(AF_INET6, payload) if size == 16 else payload

    def format(self, value: Any) -> str:
        return value if isinstance(value, str) else value.hex(" ")


class _Mac(Payload):
    """A link-layer address as colon-separated hex, of any length a device may have."""

    __slots__ = ()

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        return link_address(value)

    def convert(self, payload: bytes) -> str:
        return payload.hex(":") if payload else ""

    def format(self, value: Any) -> str:
        return str(value)


def link_address(text: object) -> bytes:
    """Return the bytes of a link-layer address such as ``02:00:00:00:00:01``: 1 to 32 of them, one or two hex digits each.

    Raises `WireError`.
    """
    if not isinstance(text, str):
        raise expected("a link-layer address as text", text)
    parts = text.split(":", MAX_LINK_ADDRESS_BYTES)
    if len(parts) > MAX_LINK_ADDRESS_BYTES or not all(1 <= len(part) <= 2 and _HEX.issuperset(part) for part in parts):
        raise WireError(f"{shortened(text)} is not a link-layer address")  # int(part, 16) alone takes "0x2", " 0", "+0" and "0_0"
    return bytes(int(part, 16) for part in parts)


_HEX = frozenset("0123456789abcdefABCDEF")
FLAG, IP, MAC, RAW, TEXT = _Flag(), _Ip(), _Mac(), Raw(), Text()


def about(name: object, value: Any, error: Exception) -> WireError:
    """Return the error to raise for a value that did not fit, with the name of its attribute or member in front."""
    if isinstance(error, WireError):
        return WireError(f"{name}: {error}")
    return WireError(f"{name}: {shortened(value)} ({type(value).__name__}) does not fit here")  # a number for a nest, say


def pack_named(name: object, kind: Type, value: Any, siblings: Mapping[Any, Any]) -> bytes:
    """Pack a value; an error bears the name of what was packed."""
    try:
        return kind.pack(value, siblings)
    except (WireError, AttributeError, TypeError) as error:
        raise about(name, value, error) from None


class ShortStruct(dict[str, object]):
    """The members of a struct that was shorter than its description; ``[...]`` gives 0, or no bytes, for those that it lacks.

    So do programs in C, which copy such a struct into a zeroed one.  `in` and ``get`` tell which members were there.
    """

    __slots__ = ("struct",)

    def __init__(self, struct: Struct) -> None:
        self.struct = struct

    def __missing__(self, name: str) -> Any:
        return self.struct.defaults[name]


class Struct(Type):
    """C's ``struct name``: members in order, padding written out; ``order`` "=" for the host's, "!" for the network's.

    A member left out is 0 (``defaults``).  A newer kernel's longer struct is read as far as it is known; an older one's shorter
    struct gives the members it has, and 0 for the others if they are asked for (`ShortStruct`).  ``whole`` says that a shorter
    one is malformed (headers).
    """

    __slots__ = ("name", "members", "whole", "size", "order", "_names", "defaults", "form", "_raw", "_struct")

    def __init__(self, name: str, *members: tuple[str, Scalar | Raw], order: str = "=", whole: bool = False) -> None:
        self.name, self.members, self.whole, self.order = name, members, whole, order
        self._names = tuple(member for member, _ in members)
        self.defaults = {name: b"" if isinstance(kind, Raw) else 0 for name, kind in members}
        self._raw = [(member, kind) for member, kind in members if isinstance(kind, Raw)]
        self.form = order + "".join([kind.code for _, kind in members])  # in the notation of the `struct` module
        self._struct = _Struct(self.form)
        self.size = self._struct.size

    def pack_from(self, value: Mapping[Any, Any]) -> bytes:
        """Return the struct made of its members in ``value``, whatever else that holds.  Raises `WireError`."""
        for member, raw in self._raw:  # `struct` would cut or pad these silently
            if member in value:
                pack_named(member, raw, value[member], value)
        try:
            return self._struct.pack(*map(value.get, self._names, self.defaults.values()))
        except _StructError:
            for name, kind in self.members:  # find the member that does not fit
                if name in value:
                    pack_named(name, kind, value[name], value)
            raise

    def read(self, data: Buffer, offset: int) -> tuple[Any, ...]:
        """Return all members at ``offset``, in order.  The caller guarantees that they are there."""
        return self._struct.unpack_from(data, offset)

    def convert(self, data: Buffer, offset: int = 0) -> Body:
        """Return the members at ``offset`` by name.  The caller guarantees that they are there."""
        return dict(zip(self._names, self._struct.unpack_from(data, offset)))

    def pack_members(self, *values: Any) -> bytes:
        """Return the struct made of all members, in order.  The caller guarantees that they fit."""
        return self._struct.pack(*values)

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        unknown = [name for name in value if name not in self.defaults]
        if unknown:
            raise WireError(f"struct {self.name} has no member {shortened(unknown[0])}")
        return self.pack_from(value)

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        if end - start >= self.size:
            values = self.convert(data, start)
        elif self.whole:
            raise DecodeError(f"{end - start} bytes at offset {start} instead of the {self.size} of struct {self.name}")
        else:
            values = self._first_members(data, start, end)
        if trace is not None:
            offset = start
            for (name, kind), value in zip(self.members, values.values()):
                trace.append(Span(offset, kind.size, (*path, name), kind, value))
                offset += kind.size
            if offset < end:
                trace.append(Span(offset, end - offset, (*path, "?"), RAW, bytes(data[offset:end])))
        return values

    def _first_members(self, data: Buffer, start: int, end: int) -> Body:
        """Return the members that lie before ``end``."""
        values, offset = ShortStruct(self), start
        for name, kind in self.members:
            if offset + kind.size > end:
                break
            values[name] = _Struct(self.order + kind.code).unpack_from(data, offset)[0]
            offset += kind.size
        return values


class Vector(Payload):
    """A payload that is an array of one scalar (``u32[]``).

    ``names`` is the prefix of its entries' names in `uapi`; ``first`` is the number of the first entry there.
    """

    __slots__ = ("kind", "names", "first")

    def __init__(self, kind: Scalar, names: str = "", first: int = 0) -> None:
        self.kind, self.names, self.first = kind, names, first

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        if not isinstance(value, (list, tuple)):
            raise expected("a list of integers", value)
        return b"".join([self.kind.pack(one, siblings) for one in value])

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        values = self.convert(bytes(data[start:end]))
        if trace is not None:
            self._note(values, data, start, end, trace, path)
        return values

    def convert(self, payload: bytes) -> list[int]:
        kind = self.kind  # all in one call: a link has 130 entries, which take a fiftieth of `rawns ip link` one by one
        order = kind.code[0] if kind.code[0] in "=!" else "="
        return list(_Struct(f"{order}{len(payload) // kind.size}{kind.code[-1]}").unpack_from(payload))

    def _note(self, values: list[Any], data: Buffer, start: int, end: int, trace: list[Span], path: Path) -> None:
        """Add a span for each entry, under its name or its number, and one for a rest that is too short to be an entry."""
        known, size = names_of(self.names) if self.names else {}, self.kind.size
        for number, value in enumerate(values):
            name = known.get(number + self.first, f"[{number}]")
            trace.append(Span(start + number * size, size, (*path, name), self.kind, value))
        rest = start + len(values) * size
        if rest < end:
            trace.append(Span(rest, end - rest, (*path, "?"), RAW, bytes(data[rest:end])))


class StructArray(Type):
    """A payload that is an array of one C struct without padding between its entries (``struct nexthop_grp[]``)."""

    __slots__ = ("kind",)

    def __init__(self, kind: Struct) -> None:
        self.kind = kind

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        if not isinstance(value, (list, tuple)):
            raise expected("a list", value)
        return b"".join([self.kind.pack(one, siblings) for one in value])

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        size = self.kind.size
        starts = range(start, end - size + 1, size)
        values = [
            self.kind.unpack(data, at, at + size, siblings, trace, (*path, f"[{number}]")) for number, at in enumerate(starts)
        ]
        rest = start + len(values) * size
        if trace is not None and rest < end:
            trace.append(Span(rest, end - rest, (*path, "?"), RAW, bytes(data[rest:end])))
        return values

    def format(self, value: Any) -> str:
        """Return nothing: each member of each entry has a line of its own."""
        return ""
