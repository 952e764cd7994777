"""The types of values: numbers, text, addresses, C's structs; and what all types have in common.

Each answers to `pack` (value to bytes), `unpack` (bytes to value) and `format` (value to words for a person).
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton  # the C module: `socket` itself costs 5 ms to import
from struct import Struct as _Struct
from struct import error as _StructError

from .. import uapi
from ..errors import WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Optional, Union

    Buffer = Union[bytes, bytearray, memoryview]
    Body = dict[Any, Any]  # keys: C names, or numbers of attributes without one
    Path = tuple[str, ...]
    Trace = Optional[list["Span"]]


class Span:
    """One named stretch of a message: ``offset`` and ``length`` in bytes, ``path`` the C names that lead to it.

    ``head`` of its bytes are a header of its own: 4 where it is an attribute.
    """

    __slots__ = ("head", "kind", "length", "offset", "path", "value")

    def __init__(self, offset: int, length: int, path: tuple[str, ...], kind: Type | None, value: Any, head: int = 0) -> None:
        self.offset, self.length, self.path, self.kind, self.value, self.head = offset, length, path, kind, value, head

    @property
    def name(self) -> str:
        return self.path[-1]

    def text(self) -> str:
        """The value as a person reads it; empty for what only contains other spans."""
        return self.kind.format(self.value) if self.kind is not None else ""

    def __repr__(self) -> str:
        return f"<Span {self.offset}+{self.length} {'.'.join(self.path)} {self.text()}>"


class Type:
    """What every description has in common.  ``siblings`` are the values decoded or given beside this one."""

    __slots__ = ()
    nested = False  # whether an attribute of this type carries NLA_F_NESTED
    repeated = False  # whether an attribute of this type may occur several times

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        raise NotImplementedError

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        raise NotImplementedError

    def format(self, value: Any) -> str:
        return repr(value)


def names_of(prefix: str) -> dict[int, str]:
    """The `uapi` names that begin with ``prefix``, by number (the first name of a number wins)."""
    found: dict[int, str] = {}
    for name, number in vars(uapi).items():
        if name.startswith(prefix) and isinstance(number, int):
            found.setdefault(number, name)
    return found


class Scalar(Type):
    """One number.  ``names`` is the prefix of its names in `uapi`, or a table; ``flags`` says that they are bits of it."""

    __slots__ = ("_struct", "code", "size", "names", "flags")

    def __init__(self, code: str, names: str | dict[int, str] = "", flags: bool = False) -> None:
        self._struct = _Struct(code if code[0] in "=!" else "=" + code)
        self.code, self.size, self.names, self.flags = code, self._struct.size, names, flags

    def named(self, prefix: str) -> Scalar:
        """The same number, with names for its values."""
        return Scalar(self.code, prefix)

    def bits(self, prefix: str | dict[int, str]) -> Scalar:
        """The same number, with names for its bits."""
        return Scalar(self.code, prefix, flags=True)

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        try:
            return self._struct.pack(value)
        except _StructError:
            raise WireError(f"{value!r} does not fit {self.size * 8} bits") from None

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        if end - start < self.size:
            raise WireError(f"{end - start} bytes at offset {start} where {self.size} are due")
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
BE16, BE32 = Scalar("!H"), Scalar("!I")


class Raw(Type):
    """Bytes as they are.  With ``size``, exactly so many (a member of a `Struct` needs one)."""

    __slots__ = ("size", "code")

    def __init__(self, size: int = -1) -> None:
        self.size, self.code = size, f"{size}s"

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise WireError(f"{value!r} is not bytes")
        if self.size >= 0 and len(value) != self.size:
            raise WireError(f"{len(value)} bytes where {self.size} are due")
        return bytes(value)

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        return bytes(data[start:end])

    def format(self, value: Any) -> str:
        return f"{len(value)} bytes" if len(value) > 16 else value.hex(" ") or "(empty)"


class _Flag(Type):
    """An attribute that says all by being there; its value is True."""

    __slots__ = ()

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        if value is not True:
            raise WireError(f"a flag is True or left out, not {value!r}")
        return b""

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        return True


class Text(Type):
    """A C string; bytes that are no UTF-8 survive as surrogates.

    ``limit`` counts bytes, the final NUL included; ``nul`` False leaves the NUL out, as `ip` does where the kernel
    takes the attribute's length for the string's.
    """

    __slots__ = ("limit", "nul")

    def __init__(self, limit: int = 0xFFFF - 4, nul: bool = True) -> None:
        self.limit, self.nul = limit, nul

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        if not isinstance(value, str):
            raise WireError(f"{value!r} is not text")
        try:
            data = value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise WireError(f"{value!r} cannot be encoded") from None
        if b"\0" in data or len(data) >= self.limit:
            raise WireError(f"{value!r} has a NUL or more than {self.limit - 1} bytes")
        return data + b"\0" if self.nul else data

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        return bytes(data[start:end]).split(b"\0", 1)[0].decode("utf-8", "surrogateescape")

    def format(self, value: Any) -> str:
        return ascii(value)[1:-1].join('""')


class _Ip(Type):
    """An IPv4 or IPv6 address; its length tells which.  Any other length is kept as bytes."""

    __slots__ = ()

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        if isinstance(value, bytes):
            return value
        try:
            return inet_pton(AF_INET6 if ":" in value else AF_INET, value)
        except (OSError, TypeError, ValueError):
            raise WireError(f"{value!r} is no IPv4 or IPv6 address") from None

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        value = bytes(data[start:end])
        family = {4: AF_INET, 16: AF_INET6}.get(len(value))
        return inet_ntop(family, value) if family else value

    def format(self, value: Any) -> str:
        return value if isinstance(value, str) else value.hex(" ")


class _Mac(Type):
    """A link-layer address as colon-separated hex, of any length the device has."""

    __slots__ = ()

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        try:
            return bytes(int(part, 16) for part in value.split(":"))
        except (AttributeError, ValueError):
            raise WireError(f"{value!r} is no link-layer address") from None

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        return bytes(data[start:end]).hex(":") if end > start else ""

    def format(self, value: Any) -> str:
        return str(value)


FLAG, IP, MAC, RAW, TEXT = _Flag(), _Ip(), _Mac(), Raw(), Text()


def complaint(name: object, value: Any, error: Exception) -> WireError:
    """The error to raise for a value that did not fit, with the name of what it was for in front."""
    if isinstance(error, WireError):
        return WireError(f"{name}: {error}")
    return WireError(f"{name}: {value!r} does not fit here")  # not even of the kind that is due: a number for a nest


def named(name: object, kind: Type, value: Any, siblings: Mapping[Any, Any]) -> bytes:
    """Pack; any complaint bears the name of what was packed."""
    try:
        return kind.pack(value, siblings)
    except (WireError, AttributeError, TypeError) as error:
        raise complaint(name, value, error) from None


class Struct(Type):
    """C's ``struct name``: members in order, padding written out; ``order`` "=" for the host's, "!" for the network's.

    A member left out is 0 (``defaults``).  A newer kernel's longer struct is read as far as it is known, an older one's shorter
    struct gives the members it has; ``whole`` says that less than all of it is malformed (headers).
    """

    __slots__ = ("name", "members", "whole", "size", "order", "_names", "defaults", "_raw", "_struct")

    def __init__(self, name: str, *members: tuple[str, Scalar | Raw], order: str = "=", whole: bool = False) -> None:
        self.name, self.members, self.whole, self.order = name, members, whole, order
        self._names = tuple(member for member, _ in members)
        self.defaults = {name: b"" if isinstance(kind, Raw) else 0 for name, kind in members}
        self._raw = [(member, kind) for member, kind in members if isinstance(kind, Raw)]
        self._struct = _Struct(order + "".join(kind.code for _, kind in members))
        self.size = self._struct.size

    def pack_from(self, value: Mapping[Any, Any]) -> bytes:
        """Only the members of this struct out of ``value``; other keys are somebody else's."""
        get = value.get
        for member, raw in self._raw:  # `struct` would cut or fill these in silence
            if member in value:
                named(member, raw, value[member], value)
        try:
            return self._struct.pack(*[get(name, empty) for name, empty in self.defaults.items()])
        except _StructError:
            for name, kind in self.members:  # find the culprit, for the sentence
                if name in value:
                    named(name, kind, value[name], value)
            raise

    def read(self, data: Buffer, offset: int) -> tuple[Any, ...]:
        """All members at ``offset``, in order, by whoever knows that they are there."""
        return self._struct.unpack_from(data, offset)

    def pack_members(self, *values: Any) -> bytes:
        """All members, in order, by whoever knows that they fit."""
        return self._struct.pack(*values)

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        unknown = [name for name in value if name not in self.defaults]
        if unknown:
            raise WireError(f"struct {self.name} has no member {unknown[0]!r}")
        return self.pack_from(value)

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        if end - start >= self.size:
            values = dict(zip(self._names, self._struct.unpack_from(data, start)))
            if trace is None:
                return values
        elif self.whole:
            raise WireError(f"{end - start} bytes at offset {start} where struct {self.name} has {self.size}")
        values, offset = {}, start
        for name, kind in self.members:
            if offset + kind.size > end:
                break
            size = kind.size if isinstance(kind, Raw) else _Struct(self.order + kind.code).size
            values[name] = _Struct(self.order + kind.code).unpack_from(data, offset)[0]
            if trace is not None:
                trace.append(Span(offset, size, (*path, name), kind, values[name]))
            offset += size
        if trace is not None and offset < end:
            trace.append(Span(offset, end - offset, (*path, "?"), RAW, bytes(data[offset:end])))
        return values

    def format(self, value: Any) -> str:
        return ""  # its members have spans of their own


class Vector(Type):
    """A payload that is an array of one scalar (``u32[]``).

    ``names`` is the prefix of its entries' names in `uapi`, where the first entry has the number ``first``.
    """

    __slots__ = ("kind", "names", "first")

    def __init__(self, kind: Scalar, names: str = "", first: int = 0) -> None:
        self.kind, self.names, self.first = kind, names, first

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        return b"".join([self.kind.pack(one, siblings) for one in value])

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        size = self.kind.size
        values = [self.kind.unpack(data, at, end, siblings, None, path) for at in range(start, end - size + 1, size)]
        if trace is not None:
            self._note(values, data, start, end, trace, path)
        return values

    def _note(self, values: list[Any], data: Buffer, start: int, end: int, trace: list[Span], path: Path) -> None:
        """A span for each entry, under its name or its number, and one for what is too short to be an entry."""
        known, size = names_of(self.names) if self.names else {}, self.kind.size
        for number, value in enumerate(values):
            name = known.get(number + self.first, f"[{number}]")
            trace.append(Span(start + number * size, size, (*path, name), self.kind, value))
        rest = start + len(values) * size
        if rest < end:
            trace.append(Span(rest, end - rest, (*path, "?"), RAW, bytes(data[rest:end])))

    def format(self, value: Any) -> str:
        return ""  # its entries have spans of their own
