"""The class that describes one kind of link, and functions that several descriptions use."""

from __future__ import annotations

from _socket import AF_INET

from ..arguments import address
from ..grammar import FAILED, CommandError, garbage, matches
from ..keywords import CustomKeyword, Keyword, ValueKeyword, read
from ..render import OutputField, OutputRow, fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Any, Args, Body, Callable, IpContext, Iterator, Optional, Read, Record, Sequence

    Parse = Optional[Callable[[Args, int], Record]]
    Show = Optional[Callable[[Body, IpContext], Iterator[OutputField]]]


class LinkKind:
    """One kind of link.

    ``help`` is the text of ``ip link help KIND`` (empty: there is none).  ``parse`` reads the words of the options into
    the data of the kind; it is told the index of the link that is changed, 0 if one is created.  ``show`` yields the fields of
    ``ip -d link``.  ``rows`` are the words, for completion.
    """

    __slots__ = ("help", "parse", "rows", "show")

    def __init__(self, help: str = "", parse: Parse = None, show: Show = None, rows: Sequence[Keyword] = ()) -> None:
        self.help, self.parse, self.show, self.rows = help, parse, show, rows


def described(
    kind: str,
    help: str,
    rows: Sequence[Keyword],
    shown: Show,
    complaint: str = "unknown command",
    finish: Callable[[Record, bool], Record] | None = None,
    once: bool = False,
    start: Callable[[Args, int], Record] | None = None,
) -> LinkKind:
    """Return the description of a kind whose options are the words in ``rows``.

    A word that no row fits is refused by ``complaint``, or, if that is empty, by the help alone.  ``start`` returns
    the record to begin with.  ``finish`` checks the record and completes it; it is told whether a link is created.  With
    ``once``, no option may be given twice.
    """
    checked = [_once(row) for row in rows] if once else rows

    def otherwise(word: str, args: Args, record: Record) -> None:
        if matches(word, "help") or not complaint:
            raise CommandError(help, FAILED)
        raise CommandError(f'{kind}: {complaint} "{word}"?\n{help}', FAILED)

    def parse(args: Args, index: int) -> Record:
        record = read(checked, args, {} if start is None else start(args, index), otherwise)
        return record if finish is None else finish(record, not index)

    return LinkKind(help, parse, shown, rows)


def _once(row: Keyword) -> Keyword:
    """Return a keyword that refuses the second value for the same key."""
    key = getattr(row, "key", None)
    if key is None:
        return row

    def take(args: Args, record: Record) -> None:
        if key in record:
            valued = isinstance(row, ValueKeyword)
            raise garbage(row.name if valued else args.words[args.at - 1], args.take() if valued else args.words[args.at - 1])
        row.take(args, record)

    checked = CustomKeyword(row.name, take)
    checked.spellings, checked.abbreviated = row.spellings, row.abbreviated
    return checked


def either(name: str, value: int, read: Callable[[str], int]) -> Callable[[str], int]:
    """Return a parser of what ``read`` parses, or of a name that stands for a value."""
    return lambda text: value if text == name else read(text)


def show(rows: Sequence[OutputRow]) -> Callable[[Body, IpContext], Iterator[OutputField]]:
    """Return a function that yields the fields of rows."""
    return lambda data, ip: fields(rows, data, ip)


def named(names: Sequence[str] | dict[int, str], otherwise: str | None = "UNKNOWN") -> Read:
    """Return a read that names a number; ``otherwise`` may have ``{}`` for a number without a name.  None leaves that out."""
    table = names if isinstance(names, dict) else dict(enumerate(names))
    return lambda value, record, ip: table.get(value, otherwise and otherwise.format(value))


def named_rows(key: str, name: str, names: Sequence[str], number: str = "%d") -> list[OutputRow]:
    """Return the rows of a number that has a name; one that has none is ``name_index`` in JSON."""
    return [
        OutputRow(key, name, f"{name} %s ", named(names, None)),
        OutputRow(key, f"{name}_index", f"{name} {number} ", lambda value, record, ip: None if value < len(names) else value),
    ]


def bit(mask: int) -> Read:
    """Return a read that is true if a bit is set, and leaves the field out otherwise."""
    return lambda value, record, ip: True if value & mask else None


def signed(value: int, record: Body, ip: Any) -> int:
    """Return an unsigned number of 32 bits as `ip` prints it: as a C int."""
    return value - (1 << 32) if value >> 31 else value


def link_name(value: int, record: Body, ip: IpContext) -> str | None:
    """Return the name of a link for its index; nothing for 0."""
    return ip.name_of(value) if value else None


def hexadecimal(value: int, record: Body, ip: Any) -> str:
    """Return a number as printf(3) formats it by ``%#x``."""
    return f"{value:#x}" if value else "0"


def hexadecimal_or_none(value: int, record: Body, ip: Any) -> str | None:
    """Return a number in hex; nothing for 0."""
    return f"{value:#x}" if value else None


def ipv4_address(text: str) -> bytes:
    """Parse an IPv4 address where `ip` has a sentence of its own for a wrong one.  Raises `CommandError`."""
    try:
        return address(text, AF_INET)[1] or bytes(4)
    except CommandError:
        raise CommandError(f'Error: an IP address is expected rather than "{text}"', FAILED, exits=True) from None


def required(name: str) -> CommandError:
    """Return the error for an option that is missing."""
    return CommandError(f'Error: argument "{name}" is required')


def flag_row(key: str, json: str, text: str, no: str = "") -> OutputRow:
    """Return the row of an option that is printed as ``text``, or as ``no`` if it is off (``notext`` by default)."""
    words = (no or f"no{text} ", f"{text} " if text else "")
    return OutputRow(key, json, "%s", boolean, lambda value, record, ip: words[bool(value)])


def boolean(value: int, record: Body, ip: Any) -> bool:
    """Return a number as true or false."""
    return bool(value)


def true(value: int, record: Body, ip: Any) -> bool | None:
    """Return true; nothing for 0."""
    return True if value else None


def on_off(name: str, json: str, on: bool) -> OutputField:
    """Return the field of an option that is printed as ``name on`` or ``name off``."""
    return OutputField(json, on, f"{name} {'on' if on else 'off'} ")
