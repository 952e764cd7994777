"""The codec: a message is described once, as data, and encoded, decoded and explained from that description.

A description is built from a few types::

    Scalar U8 U16 U32 U64 S32 ...   one integer             Text Ip Mac Raw Flag         payloads of attributes
    Struct                          C's struct, fixed       Vector Repeated RecordList   several of one type
    Attrs                           netlink attributes      SubMessage                   type chosen by another value
    Layout                          a Struct, then Attrs    Message                      a Layout with a number

Every type has three methods: `pack` (value to bytes), `unpack` (bytes to value) and `format` (value to text).  `unpack` takes an
optional list and adds a `Span` to it for each part it decodes.  From these spans `explain` names every byte, and an error
names the field at the kernel's offset; so encoding, decoding and explaining cannot disagree.

The body of a message is one flat dict.  Its keys are C names: header fields (``ifi_index``) and attributes
(``IFLA_IFNAME``) together; an attribute without a name here is under its number, as bytes.

Encoding is strict: an unknown key or a value that does not fit is a `WireError`, before a byte is sent.  Decoding is lenient:
what a newer kernel adds survives as number and bytes.  A wrong length is a `DecodeError`, never an overrun.
"""

from __future__ import annotations

from _functools import partial  # type: ignore[import-not-found]  # the C module: see `nlsocket`
from _operator import itemgetter
from struct import Struct as _Struct
from struct import error as _StructError

from .. import uapi
from ..errors import DecodeError, WireError
from .types import (
    BE16,
    BE32,
    BE64,
    FLAG,
    IP,
    MAC,
    RAW,
    S8,
    S16,
    S32,
    S64,
    TEXT,
    U8,
    U16,
    U32,
    U64,
    Payload,
    Raw,
    Scalar,
    Span,
    Struct,
    StructArray,
    Text,
    Type,
    Vector,
    about,
    expected,
    link_address,
    names_of,
    shortened,
)

__all__ = [
    "ALIGN",
    "Attrs",
    "FAMILY",
    "IFNAME",
    "attrs",
    "BE16",
    "BE32",
    "BE64",
    "RecordList",
    "FLAG",
    "IP",
    "Layout",
    "MAC",
    "Repeated",
    "Message",
    "NLATTR",
    "RAW",
    "Raw",
    "S16",
    "S32",
    "S64",
    "S8",
    "Scalar",
    "Span",
    "Struct",
    "StructArray",
    "SubMessage",
    "TEXT",
    "Text",
    "Type",
    "U16",
    "U32",
    "U64",
    "U8",
    "Vector",
    "expected",
    "link_address",
    "names_of",
    "table",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping
    from typing import Any, Optional

    # The type field of an attribute, a function that encodes the whole attribute if it is a number, and its type.
    _Encoder = tuple[int, Optional[Callable[[Any], bytes]], Type]
    Run = list[tuple[int, int, Any, Optional[Type]]]  # offset, length, name and type of attributes; no type: it is skipped

    from .types import Body as Body
    from .types import Buffer as Buffer
    from .types import Path as Path
    from .types import Trace as Trace

ALIGN = 4  # NLMSG_ALIGNTO and NLA_ALIGNTO are one number
_SELECTOR = _Struct("=H")
NLATTR = _Struct("=HH")  # struct nlattr: nla_len, nla_type
_HEAD = _Struct("=I")  # the same as one number
MAX_SHAPES = 64  # that a table remembers
MAX_KNOWN = 64  # payloads of which a shape remembers the values
_NUMBERS = vars(uapi)
_PAD = (b"", b"\0\0\0", b"\0\0", b"\0")  # by length modulo 4


_whole_structs: dict[str, Callable[..., bytes]] = {}


def _whole(code: str, size: int) -> Callable[..., bytes]:
    """Return a function that packs length, type, value and padding of an attribute that is one number."""
    found = _whole_structs.get(code)
    if found is None:
        found = _whole_structs[code] = _Struct(f"=HH{code}{-size & 3}x").pack
    return found


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
        """Return one payload for each value of the list."""
        if not isinstance(value, (list, tuple)):
            raise expected("a list", value)
        return [self.kind.pack(one, siblings) for one in value]


class SubMessage(Type):
    """A payload whose type depends on its ``selector``, another attribute of the same nest (IFLA_INFO_KIND of IFLA_INFO_DATA).

    The selector of one of a message's outermost attributes may be a field of the header, too (ifi_family).  The name is that
    of the kernel's own specifications (Documentation/netlink/specs).
    """

    __slots__ = ("selector", "cases", "nested", "otherwise", "next", "more")

    def __init__(
        self,
        selector: str,
        cases: Mapping[Any, Type],
        otherwise: Type = RAW,
        nested: bool = False,
        next: int | None = None,
        more: Callable[[Any], Type | None] | None = None,
    ) -> None:
        """Describe the payload.

        ``next`` is the selector's number if the kernel sends it right after the payload; ``more`` returns the
        type for a selector that is none of ``cases``, if there is one.
        """
        self.selector, self.cases, self.otherwise, self.nested, self.next = selector, cases, otherwise, nested, next
        self.more = more

    def type_of(self, selector: Any) -> Type:
        """Return the type of the payload under a value of the selector."""
        found = self.cases.get(selector)
        if found is None and selector is not None and self.more is not None:
            found = self.more(selector)
        return self.otherwise if found is None else found

    def _case(self, siblings: Mapping[Any, Any]) -> Type:
        return self.type_of(siblings.get(self.selector))

    def _case_of(self, data: Buffer, end: int, siblings: Mapping[Any, Any]) -> Type:
        """Return the type of a payload that ends at ``end``, from the selector before it or, if ``next`` is given, behind it."""
        at = end + 3 & ~3
        if self.next is None or self.selector in siblings or at + 6 > len(data):
            return self._case(siblings)
        length, number = NLATTR.unpack_from(data, at)
        if length != 6 or number & uapi.NLA_TYPE_MASK != self.next:
            return self.otherwise
        return self.type_of(_SELECTOR.unpack_from(data, at + 4)[0])

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        return self._case(siblings).pack(value, siblings)

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        return self._case_of(data, end, siblings).unpack(data, start, end, siblings, trace, path)

    def format(self, value: Any) -> str:
        return RAW.format(value) if isinstance(value, bytes) else ""


class _Shape:
    """The numbers and lengths of a run of attributes, in order.  A run of the same shape is read by one struct.

    A list consists of messages of few shapes: 10,000 addresses are decoded in half the time.  A ``header`` in front of the
    run is read with it.
    """

    __slots__ = ("empty", "fixed", "heads", "payloads", "plain", "read", "rest")

    def __init__(self, run: Run, data: Buffer, start: int, header: Struct | None) -> None:
        form, names = ("=", []) if header is None else (f"{header.form}{-header.size & 3}x", list(header.defaults))
        self.fixed = len(names)
        self.heads: tuple[int, ...] = tuple([_HEAD.unpack_from(data, offset)[0] for offset, *_ in run])
        # What is converted from the payload alone, with the values of the last payloads of its type: as a rule an address is its
        # own peer's, and all addresses have the name of the same link.
        self.plain: list[tuple[Any, Callable[[bytes], Any], dict[bytes, Any]]] = []
        self.rest: list[tuple[Any, Type, int, int]] = []  # others
        known: dict[Type, dict[bytes, Any]] = {}
        places = list(range(self.fixed))  # of the values in what the struct has read
        for place, (offset, length, name, kind) in enumerate(run):
            size = length - 4
            if isinstance(kind, Scalar) and kind.code[0] not in "=!":
                form += f"I{kind.code}{size - kind.size}x"
            else:
                form += f"I{size}s"
                if isinstance(kind, Payload) and kind is not RAW or isinstance(kind, Struct) and size >= kind.size:
                    self.plain.append((name, kind.convert, known.setdefault(kind, {})))
                elif kind is not None and kind is not RAW:
                    self.rest.append((name, kind, offset + 4 - start, offset + length - start))
            form += f"{-length & 3}x"
            if kind is not None:  # else it is skipped
                names.append(name)
                places.append(self.fixed + 2 * place + 1)
        self.empty: Body = dict.fromkeys(names)  # to fill a copy of it takes three quarters of the time of a new dict
        self.payloads = itemgetter(*places) if len(places) > 1 else lambda found: [found[place] for place in places]
        self.read = _Struct(form.removesuffix(f"{-run[-1][1] & 3}x")).unpack_from  # the last may lack its padding

    def unpack(self, data: Buffer, start: int, path: Path) -> Body | None:
        """Decode a run as long as the one that the shape was made of; return None if it has another shape."""
        found = self.read(data, start)
        if found[self.fixed :: 2] != self.heads:
            return None
        values = self.empty.copy()
        values.update(zip(self.empty, self.payloads(found)))
        for name, convert, known in self.plain:
            payload = values[name]
            value = known.get(payload)
            if value is None:
                if len(known) >= MAX_KNOWN:
                    known.clear()
                value = known[payload] = convert(payload)
            values[name] = value.copy() if type(value) is dict else value
        for name, kind, begin, end in self.rest:
            values[name] = kind.unpack(data, start + begin, start + end, values, None, path)
        return values


class _Shapes:
    """The shapes that a table or a layout has met, by length in bytes; None for a length that has been met once."""

    __slots__ = ("by_length",)

    def __init__(self) -> None:
        self.by_length: dict[int, _Shape | None] = {}

    def learn(self, run: Run, data: Buffer, start: int, end: int, header: Struct | None = None) -> None:
        """Remember the shape of a run the second time in succession that one of this length has been decoded one by one."""
        size = end - start
        if self.by_length.get(size, self) is not None:
            if len(self.by_length) >= MAX_SHAPES:
                self.by_length.clear()
            self.by_length[size] = None
            return
        kept = [(name, kind) for *_, name, kind in run if kind is not None]
        if run and len(dict(kept)) == len(kept) and not any(kind.repeated or isinstance(kind, SubMessage) for _, kind in kept):
            self.by_length[size] = _Shape(run, data, start, header)


class Attrs(Type):
    """A sequence of netlink attributes: a table from C name to (number, type)."""

    __slots__ = ("names", "nested", "_encoders", "_numbers", "_rest", "_shapes")

    def __init__(self, names: Mapping[str, tuple[int, Type]], nested: bool = False, rest: bool = True) -> None:
        self.names, self.nested = names, nested
        self._rest = rest  # whether attributes that are not in the table are kept, as number and bytes
        self._numbers: dict[int, tuple[str, Type]] | None = None
        self._encoders: dict[Any, _Encoder] = {}  # by key, of those that have been encoded
        self._shapes = _Shapes()

    @property
    def numbers(self) -> dict[int, tuple[str, Type]]:
        """The same table by number; made at its first use, because most tables are never used."""
        if self._numbers is None:
            self._numbers = {number: (name, kind) for name, (number, kind) in self.names.items()}
        return self._numbers

    def select(self, *names: str, **nests: Type) -> Attrs:
        """Return the same table reduced to these attributes; all others are skipped without being decoded.

        ``nests`` are attributes that are decoded by another type than their own, for example one that was reduced as well.
        """
        rows = {name: self.names[name] for name in names}
        rows.update((name, (self.names[name][0], kind)) for name, kind in nests.items())
        return Attrs(rows, self.nested, rest=False)

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        if not hasattr(value, "items"):
            raise expected("a dict of attributes", value)
        return b"".join(self.pieces(value, value))

    def pieces(self, value: Mapping[Any, Any], siblings: Mapping[Any, Any], skip: Container[Any] = ()) -> list[bytes]:
        """Return header, payload and padding of each attribute of ``value``, in its order, without those to ``skip``."""
        pieces: list[bytes] = []
        encoders = self._encoders
        for key, one in value.items():
            if key in skip:
                continue
            number, whole, kind = encoders.get(key) or self._encoder(key)
            if whole is not None:
                try:
                    pieces.append(whole(one))
                    continue
                except _StructError:
                    pass  # `kind` says what is wrong
            try:
                payloads = kind.payloads(one, siblings) if kind.repeated else (kind.pack(one, siblings),)  # type: ignore[attr-defined]
            except (WireError, AttributeError, TypeError) as error:
                raise about(key, one, error) from None
            for payload in payloads:
                size = 4 + len(payload)
                if size > 0xFFFF:
                    raise WireError(f"{key}: {len(payload)} bytes are more than one attribute can hold")
                pieces += (NLATTR.pack(size, number), payload, _PAD[size & 3])
        return pieces

    def _encoder(self, key: Any) -> _Encoder:
        """Return, and remember, how an attribute is encoded.  Raises `WireError` if there is none of this name."""
        known = self.names.get(key)
        if known is None:
            if isinstance(key, int) and 0 <= key <= 0xFFFF:
                return key, None, RAW
            raise WireError(f"there is no attribute {shortened(key)} here")
        number, kind = known
        if kind.nested:
            number |= uapi.NLA_F_NESTED
        whole = None
        if isinstance(kind, Scalar) and kind.code[0] not in "=!":
            whole = partial(_whole(kind.code, kind.size), NLATTR.size + kind.size, number)
        found = self._encoders[key] = number, whole, kind
        return found

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        shape = self._shapes.by_length.get(end - start) if trace is None else None
        if shape is not None:
            found = shape.unpack(data, start, path)
            if found is not None:
                return found
        values: Body = {}
        run = self.walk(values, data, start, end, trace, path)
        if trace is None and start < end:
            self._shapes.learn(run, data, start, end)
        return values

    def walk(self, values: Body, data: Buffer, start: int, end: int, trace: Trace, path: Path) -> Run:
        """Decode one attribute after the other into ``values``.  Raises `DecodeError`."""
        offset, numbers, rest = start, self._numbers or self.numbers, self._rest
        run: Run = []
        while offset < end:
            if end - offset < 4:
                raise DecodeError(f"{end - offset} stray bytes at offset {offset}")
            length, number = NLATTR.unpack_from(data, offset)
            if length < 4 or offset + length > end:
                raise DecodeError(f"an attribute at offset {offset} claims {length} of {end - offset} bytes")
            number &= uapi.NLA_TYPE_MASK
            if number not in numbers and not rest:
                run.append((offset, length, None, None))
                offset += length + 3 & ~3
                continue
            name, kind = numbers.get(number) or (number, RAW)
            run.append((offset, length, name, kind))
            below = path
            if trace is not None:
                below = (*path, name if isinstance(name, str) else f"[{number}]")
                span = Span(offset, length, below, RAW, bytes(data[offset + 4 : offset + length]), NLATTR.size)
                trace.append(span)
            value = kind.unpack(data, offset + 4, offset + length, values, trace, below)
            if trace is not None:
                span.kind, span.value = kind, value  # until here it was raw, and stays so if it is malformed
            if kind.repeated:
                values.setdefault(name, []).append(value)
            else:
                values[name] = value
            offset += length + 3 & ~3
        return run


class Layout(Type):
    """A fixed header, then attributes; the value is one flat dict of both."""

    __slots__ = ("header", "attrs", "_shapes")

    def __init__(self, header: Struct, attrs: Attrs) -> None:
        self.header, self.attrs = header, attrs
        self._shapes = _Shapes()

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        header = self.header
        head = header.pack_from(value)
        return b"".join([head, _PAD[len(head) & 3], *self.attrs.pieces(value, value, header.defaults)])

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        shape = self._shapes.by_length.get(end - start) if trace is None else None
        if shape is not None:
            found = shape.unpack(data, start, path)
            if found is not None:
                return found
        stop = start + self.header.size
        values = self.header.unpack(data, start, min(stop, end), siblings, trace, path)
        run = self.attrs.walk(values, data, stop + 3 & ~3, end, trace, path)
        if trace is None and self.header.order == "=":
            self._shapes.learn(run, data, start, end, self.header)
        return values


class RecordList(Type):
    """Layouts one after the other, each with its length in the field ``length`` of its header (``struct rtnexthop``).  A list."""

    __slots__ = ("layout", "length")

    def __init__(self, layout: Layout, length: str) -> None:
        self.layout, self.length = layout, length

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        if not isinstance(value, (list, tuple)):
            raise expected(f"a list of dicts, one for each struct {self.layout.header.name}", value)
        pieces = []
        for one in value:
            size = len(self.layout.pack(one, one))
            pieces.append(self.layout.pack({**one, self.length: size}, one))
        return b"".join(pieces)

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        values, offset, minimum = [], start, self.layout.header.size
        while offset < end:
            head = self.layout.header.unpack(data, offset, min(offset + minimum, end), siblings, None, path)
            size = head[self.length]
            if size < minimum or offset + size > end:
                raise DecodeError(f"{self.length} at offset {offset} is {size} of {end - offset} bytes")
            values.append(self.layout.unpack(data, offset, offset + size, siblings, trace, path))
            offset += size + 3 & ~3
        return values


class Message:
    """A `Layout` under a message type: ``number`` as in ``nlmsg_type``, ``name`` as in the header file."""

    __slots__ = ("number", "name", "layout")

    def __init__(self, number: int, name: str, layout: Layout) -> None:
        self.number, self.name, self.layout = number, name, layout

    def select(self, *names: str, **nests: Type) -> Message:
        """Return the same message reduced to the header and these attributes: see `Attrs.select`."""
        return Message(self.number, self.name, Layout(self.layout.header, self.layout.attrs.select(*names, **nests)))

    def pack(self, body: Mapping[Any, Any]) -> bytes:
        """Return the bytes after ``struct nlmsghdr``.  Raises `WireError`, which names message and key."""
        try:
            return self.layout.pack(body, body)
        except WireError as error:
            raise WireError(f"{self.name}: {error}") from None

    def unpack(self, data: Buffer, start: int = 0, end: int | None = None, trace: Trace = None) -> Body:
        """Return the body in ``data[start:end]``, and add a `Span` for each field and attribute to ``trace``.

        Raises `DecodeError`, which names the message.
        """
        try:
            body: Body = self.layout.unpack(data, start, len(data) if end is None else end, {}, trace, ())
        except DecodeError as error:
            raise DecodeError(f"{self.name}: {error}") from None
        return body


def attrs(nested: bool = False, /, **kinds: Type) -> Attrs:
    """Return a table of attributes by their C names; the numbers come from `uapi`."""
    return Attrs({name: (_NUMBERS[name], kind) for name, kind in kinds.items()}, nested)


def table(messages: Iterable[Message]) -> dict[int, Message]:
    """Return messages by number, as `exchange` and `explain` look them up."""
    return {message.number: message for message in messages}


IFNAME = Text(uapi.IFNAMSIZ)  # the name of a link
FAMILY = U8.named("AF_")  # an address family
