"""The codec: a message is described once, as data; this module reads the description.

Floor 1, sans-IO.  A description is built from a few types::

    Scalar U8 U16 U32 U64 S32 ...   one number             Text Ip Mac Raw Flag   payloads of attributes
    Struct                          C's struct, fixed       Vector Many Indexed    several of one type
    Attrs                           netlink attributes      Switch                 type chosen by a sibling
    Layout                          a Struct, then Attrs    Message                a Layout with a number

Every type answers to three verbs: `pack` (value to bytes), `unpack` (bytes to value) and `show` (value to the
words a person reads).  `unpack` takes an optional list and notes there a `Span` for each thing it passes: that
is how `explain` names every byte, and how an error finds the field at the kernel's offset.  So encoding,
decoding and explaining cannot disagree.

The body of a message is one flat dict whose keys are the C names: header fields (``ifi_index``) and attributes
(``IFLA_IFNAME``) together, an attribute this module has no name for under its number, as bytes.

Strict out: an unknown key or a value that does not fit is a `WireError` before a byte is sent.  Lenient in:
what a newer kernel adds survives as number and bytes.  A length that lies is a `WireError`, never an overrun,
and every step forward is at least one attribute header long, so hostile bytes end.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton  # the C module: `socket` itself costs 5 ms to import
from struct import Struct as _Struct
from struct import error as _StructError

from . import uapi
from .errors import WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Optional, Union

    Buffer = Union[bytes, bytearray, memoryview]
    Body = dict[Any, Any]  # keys: C names, or numbers of attributes without one

ALIGN = 4  # NLMSG_ALIGNTO and NLA_ALIGNTO are one number
NLATTR = _Struct("=HH")  # struct nlattr: nla_len, nla_type
_PAD = (b"", b"\0\0\0", b"\0\0", b"\0")  # by length modulo 4


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
        return self.kind.show(self.value) if self.kind is not None else ""

    def __repr__(self) -> str:
        return f"<Span {self.offset}+{self.length} {'.'.join(self.path)} {self.text()}>"


class Type:
    """What every description has in common.  ``siblings`` are the values decoded or given beside this one."""

    __slots__ = ()
    nested = False  # whether an attribute of this type carries NLA_F_NESTED
    many = False  # whether an attribute of this type may occur several times

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        raise NotImplementedError

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        raise NotImplementedError

    def show(self, value: Any) -> str:
        return repr(value)


if TYPE_CHECKING:
    Trace = Optional[list[Span]]
    Path = tuple[str, ...]


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

    def show(self, value: Any) -> str:
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

    def show(self, value: Any) -> str:
        return value.hex(" ") if value else "(empty)"


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

    def show(self, value: Any) -> str:
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

    def show(self, value: Any) -> str:
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

    def show(self, value: Any) -> str:
        return str(value)


FLAG, IP, MAC, RAW, TEXT = _Flag(), _Ip(), _Mac(), Raw(), Text()


class Struct(Type):
    """C's ``struct name``: members in order, padding written out; ``order`` "=" for the host's, "!" for the network's.

    A member left out is 0.  A newer kernel's longer struct is read as far as it is known, an older one's shorter
    struct gives the members it has; ``whole`` says that less than all of it is malformed (headers).
    """

    __slots__ = ("name", "members", "whole", "size", "order", "_names", "_empty", "_raw", "_struct")

    def __init__(self, name: str, *members: tuple[str, Scalar | Raw], order: str = "=", whole: bool = False) -> None:
        self.name, self.members, self.whole, self.order = name, members, whole, order
        self._names = tuple(member for member, _ in members)
        self._empty = {name: b"" if isinstance(kind, Raw) else 0 for name, kind in members}
        self._raw = [(member, kind) for member, kind in members if isinstance(kind, Raw)]
        self._struct = _Struct(order + "".join(kind.code for _, kind in members))
        self.size = self._struct.size

    def __contains__(self, name: object) -> bool:
        return name in self._empty

    def pack_from(self, value: Mapping[Any, Any]) -> bytes:
        """Only the members of this struct out of ``value``; other keys are somebody else's."""
        get = value.get
        for member, raw in self._raw:  # `struct` would cut or fill these in silence
            if member in value:
                _named(member, raw, value[member], value)
        try:
            return self._struct.pack(*[get(name, empty) for name, empty in self._empty.items()])
        except _StructError:
            for name, kind in self.members:  # find the culprit, for the sentence
                if name in value:
                    _named(name, kind, value[name], value)
            raise

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        unknown = [name for name in value if name not in self._empty]
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

    def show(self, value: Any) -> str:
        return ""  # its members have spans of their own


class Vector(Type):
    """A payload that is an array of one scalar (``u32[]``)."""

    __slots__ = ("kind",)

    def __init__(self, kind: Scalar) -> None:
        self.kind = kind

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        return b"".join([self.kind.pack(one, siblings) for one in value])

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        size = self.kind.size
        return [self.kind.unpack(data, at, end, siblings, None, path) for at in range(start, end - size + 1, size)]


class Many(Type):
    """An attribute that may occur several times in a row; its value is the list of them."""

    __slots__ = ("kind", "nested")
    many = True

    def __init__(self, kind: Type) -> None:
        self.kind, self.nested = kind, kind.nested

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        return self.kind.unpack(data, start, end, siblings, trace, path)

    def show(self, value: Any) -> str:
        return self.kind.show(value)


class Switch(Type):
    """A payload whose type another attribute of the same nest decides (IFLA_INFO_KIND for IFLA_INFO_DATA)."""

    __slots__ = ("key", "cases")

    def __init__(self, key: str, cases: Mapping[Any, Type]) -> None:
        self.key, self.cases = key, cases

    def _case(self, siblings: Mapping[Any, Any]) -> Type:
        return self.cases.get(siblings.get(self.key), RAW)

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        return self._case(siblings).pack(value, siblings)

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        return self._case(siblings).unpack(data, start, end, siblings, trace, path)

    def show(self, value: Any) -> str:
        return RAW.show(value) if isinstance(value, bytes) else ""


def _named(name: object, kind: Type, value: Any, siblings: Mapping[Any, Any]) -> bytes:
    """Pack, and put the name of what was packed in front of any complaint."""
    try:
        return kind.pack(value, siblings)
    except WireError as error:
        raise WireError(f"{name}: {error}") from None
    except (AttributeError, TypeError):  # not even of the kind that is due: a number for a nest, None for a list
        raise WireError(f"{name}: {value!r} does not fit here") from None


class Attrs(Type):
    """A run of netlink attributes: a table from C name to (number, type)."""

    __slots__ = ("names", "numbers", "nested")

    def __init__(self, names: Mapping[str, tuple[int, Type]], nested: bool = False) -> None:
        self.names = names
        self.numbers = {number: (name, kind) for name, (number, kind) in names.items()}
        self.nested = nested

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        return b"".join(self.pieces(value, value))

    def pieces(self, value: Mapping[Any, Any], siblings: Mapping[Any, Any]) -> list[bytes]:
        """Each attribute of ``value``, in its order: header, payload, padding."""
        pieces: list[bytes] = []
        for key, one in value.items():
            entry = self.names.get(key)
            if entry is not None:
                number, kind = entry
            elif isinstance(key, int) and 0 <= key <= 0xFFFF:
                number, kind = key, RAW
            else:
                raise WireError(f"no attribute is called {key!r} here")
            if kind.nested:
                number |= uapi.NLA_F_NESTED
            for payload in self._payloads(key, kind, one, siblings):
                if len(payload) > 0xFFFF - 4:
                    raise WireError(f"{key}: {len(payload)} bytes are more than one attribute holds")
                pieces += (NLATTR.pack(4 + len(payload), number), payload, _PAD[len(payload) & 3])
        return pieces

    @staticmethod
    def _payloads(key: object, kind: Type, value: Any, siblings: Mapping[Any, Any]) -> list[bytes]:
        if isinstance(kind, Many):
            if not isinstance(value, (list, tuple)):
                raise WireError(f"{key}: {value!r} is not a list")
            return [_named(key, kind.kind, one, siblings) for one in value]
        return [_named(key, kind, value, siblings)]

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        values: Body = {}
        self.unpack_into(values, data, start, end, trace, path)
        return values

    def unpack_into(self, values: Body, data: Buffer, start: int, end: int, trace: Trace, path: Path) -> None:
        offset = start
        while offset < end:
            if end - offset < 4:
                raise WireError(f"{end - offset} stray bytes at offset {offset}")
            length, number = NLATTR.unpack_from(data, offset)
            if length < 4 or offset + length > end:
                raise WireError(f"an attribute at offset {offset} claims {length} of {end - offset} bytes")
            number &= uapi.NLA_TYPE_MASK
            name, kind = self.numbers.get(number) or (number, RAW)
            below = path
            if trace is not None:
                below = (*path, name if isinstance(name, str) else f"[{number}]")
                span = Span(offset, length, below, RAW, bytes(data[offset + 4 : offset + length]), NLATTR.size)
                trace.append(span)
            value = kind.unpack(data, offset + 4, offset + length, values, trace, below)
            if trace is not None:
                span.kind, span.value = kind, value  # until here it was raw, and stays so where it is malformed
            if kind.many:
                values.setdefault(name, []).append(value)
            else:
                values[name] = value
            offset += length + 3 & ~3

    def show(self, value: Any) -> str:
        return ""  # its attributes have spans of their own


class Indexed(Attrs):
    """Attributes numbered 1, 2, 3 ... that all have one type: netlink's arrays.  The value is a list."""

    __slots__ = ("kind",)

    def __init__(self, kind: Type, nested: bool = False) -> None:
        super().__init__({}, nested)
        self.kind = kind

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        table = Attrs({str(number): (number, self.kind) for number in range(1, len(value) + 1)})
        return table.pack({str(number): one for number, one in enumerate(value, 1)}, siblings)

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        raw: Body = {}
        super().unpack_into(raw, data, start, end, trace, path)
        return [self.kind.unpack(value, 0, len(value), raw, None, path) for value in raw.values()]


class Layout(Type):
    """A fixed header, then attributes; the value is one flat dict of both."""

    __slots__ = ("header", "attrs")

    def __init__(self, header: Struct, attrs: Attrs) -> None:
        self.header, self.attrs = header, attrs

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        header = self.header
        attributes = {key: one for key, one in value.items() if key not in header}
        head = header.pack_from(value)
        return b"".join([head, _PAD[len(head) & 3], *self.attrs.pieces(attributes, value)])

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        stop = start + self.header.size
        values: Body = self.header.unpack(data, start, min(stop, end), siblings, trace, path)
        self.attrs.unpack_into(values, data, stop + 3 & ~3, end, trace, path)
        return values

    def show(self, value: Any) -> str:
        return ""


class Chain(Type):
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

    def show(self, value: Any) -> str:
        return ""


class Message:
    """A `Layout` under a message type: ``number`` as in ``nlmsg_type``, ``name`` as in the header file."""

    __slots__ = ("number", "name", "layout")

    def __init__(self, number: int, name: str, layout: Layout) -> None:
        self.number, self.name, self.layout = number, name, layout

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


