"""Output: rows say how each key of a record is shown; text and JSON are two renderings of the result.

A row is data: the key of the record, the name in JSON, the format in text, and perhaps a function between the value and
both.  Rows and a record make `OutputField` values; `text` yields their text, `encode` nests their values, and `Renderer` does
both for many records of one kind.  JSON is written as iproute2's writer does it, to the space; importing `json` would take
longer than the whole command.
"""

from __future__ import annotations

import os
from _operator import itemgetter  # the C module: see `nlsocket`

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
    from typing import Any, Optional, Protocol, Union

    from ...wire import Body

    class OutputOptions(Protocol):
        """The options of a command line that decide about its output; `IpContext` has them."""

        json: bool
        pretty: bool
        oneline: bool
        colour: bool
        dark: bool

        def name_of(self, index: int) -> str: ...

    Read = Callable[[Any, Body, Any], Any]
    Colour = Union[str, Callable[[Any, Body], Optional[str]], None]
    Row = Union["OutputRow", "OutputGroup"]
    Part = Callable[[Body], str]  # the text that rows make of a record, or its JSON
    Cached = Union[bool, tuple[str, ...], Callable[[Body], Any]]

MAX_CACHED = 1024  # values of a row, and sets of keys, for which is kept how they are shown


class OutputField:
    """One thing shown: ``name`` and ``value`` for JSON (no name: not in JSON), ``text`` for people (may be empty)."""

    __slots__ = ("name", "text", "value")

    def __init__(self, name: str, value: Any, text: str = "") -> None:
        self.name, self.value, self.text = name, value, text


class JsonObject(list):  # type: ignore[type-arg]
    """Fields that JSON puts in braces."""

    __slots__ = ()


class JsonText(str):
    """What is JSON already: a number that keeps the form it has in text (``0.00``), or an object."""

    __slots__ = ()


class OutputRow:
    """How one key of a record is shown.

    ``text`` is a %-format; a newline in it is where a line breaks, which ``-oneline`` makes a backslash.  ``read``
    makes the value shown of the one in the record; None of it leaves the field out.  ``plain`` is the read of text
    alone, where that differs from JSON.  Without a key the row is about the record as a whole, which is then the value.
    ``cached`` says that what is shown depends on the value alone, on those of these keys, or on what a function returns for
    the record: it is then made once for each.
    """

    __slots__ = ("cached", "colour", "key", "name", "plain", "read", "text")

    def __init__(
        self,
        key: str,
        name: str,
        text: str,
        read: Read | None = None,
        plain: Read | None = None,
        colour: Colour = None,
        cached: Cached = False,
    ) -> None:
        self.key, self.name, self.text, self.read, self.plain, self.colour = key, name, text, read, plain, colour
        self.cached = cached

    def shown(self, record: Body, ip: OutputOptions) -> Any:
        """Return the value shown of a record; None if it has none, or if it is not shown."""
        value = record.get(self.key) if self.key else record
        return value if value is None or self.read is None else self.read(value, record, ip)

    def text_of(self, shown: Any, record: Body, ip: OutputOptions) -> str:
        """Return the text of a value that `shown` has returned."""
        value = record.get(self.key) if self.key else record
        if self.plain is not None:
            shown = self.plain(value, record, ip)
        colour = self.colour if ip.colour else None
        if colour is not None and not isinstance(colour, str):
            colour = colour(value, record)
        return put(self.text, shown, ip, colour)

    def fields(self, record: Body, ip: OutputOptions) -> Iterable[OutputField]:
        """Return the field of a record; nothing if the record lacks the key."""
        shown = self.shown(record, ip)
        return () if shown is None else (OutputField(self.name, shown, "" if ip.json else self.text_of(shown, record, ip)),)


class OutputGroup:
    """A key of a record that a function shows as several fields, or as one that is not as rows make it."""

    __slots__ = ("cached", "key", "name", "show")

    def __init__(
        self,
        key: str,
        show: Callable[[Any, Body, Any], Iterable[OutputField]],
        name: str = "",
        cached: Cached = False,
    ) -> None:
        self.key, self.show, self.name, self.cached = key, show, name, cached

    def fields(self, record: Body, ip: OutputOptions) -> Iterable[OutputField]:
        """Return the fields of a record; nothing if the record lacks the key."""
        value = record.get(self.key) if self.key else record
        return () if value is None else self.show(value, record, ip)


def fields(rows: Iterable[Row], record: Body, ip: OutputOptions, hidden: Container[str] = ()) -> Iterator[OutputField]:
    """Yield the fields that rows make of a record; what the record lacks is left out, as are rows with a ``hidden`` name."""
    for row in rows:
        if row.name not in hidden:
            yield from row.fields(record, ip)


NULL = JsonText("null")  # for a row that is true or absent: `"offload":null` in JSON
LINE_END = OutputGroup("", lambda value, record, ip: (OutputField("", None, "\n"),), cached=())


def flag(bits: int, value: Any = NULL) -> Read:
    """Return a read that shows a row if one of the bits is set."""
    return lambda flags, record, ip: value if flags & bits else None


class Renderer:
    """Rows made ready for the options of a command line: a record in, its text or JSON out.

    Which rows concern a record is decided once for each set of keys.  What its ``cached`` rows show is made once for each
    combination of values, as a format with a place for each of the other rows: 10,000 routes take a third of the time.
    """

    def __init__(self, rows: Iterable[Row], ip: OutputOptions, hidden: Container[str] = (), depth: int = 1) -> None:
        self._ip, self._depth = ip, depth
        self._head = f',\n{INDENT * (depth + 1)}"%s": %s' if ip.pretty else ',"%s":%s'  # of a member, with the comma before it
        self._end = f"\n{INDENT * depth}}}" if ip.pretty else "}"
        shown = [row for row in rows if row.name not in hidden]
        self._parts = [(row, self._one(row) if isinstance(row, OutputRow) else self._several(row)) for row in shown]
        self._plans: dict[tuple[Any, ...], Part] = {}

    def __call__(self, record: Body) -> str:
        """Return the text of a record, or the JSON object that it is."""
        keys = tuple(record)
        plan = self._plans.get(keys)
        if plan is None:
            plan = self._plan(record)
            if len(self._plans) < MAX_CACHED:
                self._plans[keys] = plan
        shown = plan(record)
        if not self._ip.json:
            return shown
        return f"{{{shown[1:]}{self._end}" if shown else "{}"

    def _plan(self, record: Body) -> Part:
        """Return a function that makes the text of the records that have the same keys as this one."""
        keys: dict[str, None] = {}
        functions: list[Callable[[Body], Any]] = []
        pieces: list[Part | None] = []  # None: made anew for each record, by one of `others`
        others: list[Part] = []
        for row, part in self._parts:
            if row.key and row.key not in record:
                continue
            if row.cached is False:
                pieces.append(None)
                others.append(part)
            elif callable(row.cached):
                functions.append(row.cached)
                pieces.append(_remembered(row.cached, part))
            else:
                depends = [key for key in ((row.key,) if row.cached is True else row.cached) if key in record]
                keys.update(dict.fromkeys(depends))
                pieces.append(_remembered(_values(depends), part))
        value_of = _values(keys)
        if functions:
            value_of = _several_values([value_of, *functions])

        def form(record: Body) -> str:
            return "".join(["%s" if piece is None else piece(record).replace("%", "%%") for piece in pieces])

        form_of = _remembered(value_of, form)
        return lambda record: form_of(record) % tuple([part(record) for part in others])

    def _one(self, row: OutputRow) -> Part:
        """Return a function that makes a row's part of a record's text, empty if there is none."""
        ip, depth, head, form = self._ip, self._depth + 1, self._head, row.text
        key, name, read, pretty = row.key, row.name, row.read, ip.pretty

        def text(record: Body) -> str:
            shown = row.shown(record, ip)
            return "" if shown is None else row.text_of(shown, record, ip)

        def member(record: Body) -> str:
            value = record[key] if key else record  # `OutputRow.shown`, without the call
            shown = value if read is None or value is None else read(value, record, ip)
            return "" if shown is None else head % (name, encode(shown, pretty, depth))

        def plain_text(record: Body) -> str:  # what `put` comes to if there is nothing to pad, to colour or to make safe
            value = record[key] if key else record
            shown = value if read is None or value is None else read(value, record, ip)
            return "" if shown is None else form % shown

        if ip.json:
            return member if name else lambda record: ""
        simple = row.plain is None and "\n" not in form and form.partition("%")[2][:1] in ("s", "d")
        return plain_text if simple and not (ip.colour or _on_terminal()) else text

    def _several(self, row: OutputGroup) -> Part:
        ip, depth, head = self._ip, self._depth + 1, self._head

        def members(record: Body) -> str:
            named = [field for field in row.fields(record, ip) if field.name]
            return "".join([head % (one.name, encode(one.value, ip.pretty, depth)) for one in named])

        return members if ip.json else lambda record: "".join([field.text for field in row.fields(record, ip)])


def _values(keys: Iterable[str]) -> Callable[[Body], Any]:
    """Return a function that returns the values of these keys."""
    return itemgetter(*keys) if keys else lambda record: None


def _several_values(functions: list[Callable[[Body], Any]]) -> Callable[[Body], Any]:
    """Return a function that returns what all of these return."""
    return lambda record: tuple([function(record) for function in functions])


def _remembered(value_of: Callable[[Body], Any], part: Part) -> Part:
    """Return a part that is made once for each of the values that it depends on."""
    made: dict[Any, str] = {}

    def remembered(record: Body) -> str:
        value = value_of(record)
        piece = made.get(value)
        if piece is None:
            piece = part(record)
            if len(made) < MAX_CACHED:
                made[value] = piece
        return piece

    return remembered


COLOURS = {"ifname": 36, "mac": 33, "inet": 35, "inet6": 34, "up": 32, "down": 31}  # of ECMA-48; bold on a dark background


def put(form: str, value: Any, ip: OutputOptions, colour: str | None = None) -> str:
    """Return ``form % value``, with the line breaks of the session, and the value without what drives a terminal.

    ``colour`` is a key of `COLOURS`: that of the text from the value on, with ``-color``.
    """
    if ip.json:
        return ""
    if ip.oneline and "\n" in form:
        form = form.replace("\n", "\\")
    if "%" not in form:
        return form
    if colour and ip.colour:
        start = form.index("%")
        bold = "1;" if ip.dark else ""
        return f"{form[:start]}\x1b[{bold}{COLOURS[colour]}m{_put(form[start:], value)}\x1b[0m"
    return _put(form, value)


def _put(form: str, value: Any) -> str:
    if isinstance(value, str):
        value = printable_on_terminal(value)
        if not value.isascii():  # C pads to a number of bytes, so each byte must count as one character
            padded = form % value.encode("utf-8", "surrogateescape").decode("latin-1")
            return str(padded.encode("latin-1").decode("utf-8", "surrogateescape"))
    return str(form % value)


def family_colour(family: int) -> str | None:
    """Return the colour of an address of this family."""
    return {2: "inet", 10: "inet6"}.get(family)


def device_name(value: int, record: Body, ip: OutputOptions) -> str:
    """Return the name of the link with this index: a read of a row."""
    return ip.name_of(value)


def flag_names(table: Mapping[str, int]) -> Callable[[int, Body, OutputOptions], Iterable[OutputField]]:
    """Return a function for `OutputGroup` that shows the flags of a route or next hop; the list in JSON may be empty."""

    def show(value: int, record: Body, ip: OutputOptions) -> Iterable[OutputField]:
        found = [name for name, bit in table.items() if value & bit]
        return (OutputField("flags", found, "".join([f"{name} " for name in found])),)

    return show


_terminal: bool | None = None


def _on_terminal() -> bool:
    global _terminal
    if _terminal is None:
        _terminal = os.isatty(1)
    return _terminal


def printable_on_terminal(value: str) -> str:
    """Return a name from the kernel as it is, or `printable` if standard output is a terminal."""
    if not _on_terminal():
        return value
    from ...terminal import printable

    return printable(value)


def text(shown: Iterable[OutputField]) -> Iterator[str]:
    """Yield the text of fields."""
    for field in shown:
        yield field.text


# -- JSON ---------------------------------------------------------------------------------------------------------

_ESCAPES = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f", "\b": "\\b", "\\": "\\\\", '"': '\\"'}
INDENT = "    "


def _escaped(value: str) -> str:
    pieces = [_ESCAPES.get(char, char) for char in value]
    if _on_terminal():
        pieces = [f"\\u{ord(one):04x}" if one < " " or "\x7f" <= one < "\xa0" else one for one in pieces]
    return f'"{"".join(pieces)}"'


def encode(value: Any, pretty: bool, depth: int = 0) -> str:
    """Encode a value as JSON.  A `JsonObject` is in braces, any other list in brackets."""
    kind = type(value)
    if kind is str:
        return f'"{value}"' if value.isprintable() and '"' not in value and "\\" not in value else _escaped(value)
    if isinstance(value, JsonText):
        return value
    if kind is int:
        return str(value)
    if kind is bool:
        return "true" if value else "false"
    if not isinstance(value, list):
        return "null" if value is None else str(value)
    if isinstance(value, JsonObject):
        return _object(value, pretty, depth)
    return array([encode(one, pretty, depth + 1) for one in value], pretty)


def array(elements: Iterable[str], pretty: bool) -> str:
    """Return a JSON array of elements that are JSON already."""
    inner = ",".join(elements)
    if not pretty:
        return f"[{inner}]"
    return f"[ {inner} ]" if inner else "[ ]"


def _object(shown: Sequence[OutputField], pretty: bool, depth: int) -> str:
    named = [field for field in shown if field.name]
    if not pretty:
        comma, pieces = '"', ["{"]
        for field in named:
            pieces += (comma, field.name, '":', encode(field.value, False))
            comma = ',"'
        return "".join([*pieces, "}"])  # once: a piece may be a megabyte
    start, end = "\n" + INDENT * (depth + 1), "\n" + INDENT * depth
    body = ",".join([f'{start}"{field.name}": {encode(field.value, True, depth + 1)}' for field in named])
    return f"{{{body}{end if named else ''}}}"


def document(records: Iterable[Iterable[OutputField]], ip: OutputOptions) -> str:
    """Encode the whole answer of a command as one JSON array of objects."""
    return encode([JsonObject(record) for record in records], ip.pretty, 0) + "\n"


# -- reads that lists of links and addresses need; all others are in `reads`, which these lists do not import --


def host(value: str, record: Body, ip: Any) -> str:
    """Return an address, or with ``-resolve`` the name of the host."""
    name: str = ip.host(value)
    return name


def true(value: int, record: Body, ip: Any) -> bool | None:
    """Return true; nothing for 0."""
    return True if value else None
