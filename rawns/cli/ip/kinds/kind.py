"""The class that describes one kind of link, and functions that several descriptions use."""

from __future__ import annotations

from _socket import AF_INET

from ..arguments import address
from ..grammar import FAILED, CommandError, garbage, matches
from ..keywords import CustomKeyword, Keyword, ValueKeyword, read
from ..render import OutputField, fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Args, Body, Callable, IpContext, Iterator, Optional, Record, Row, Sequence

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


def show(rows: Sequence[Row]) -> Callable[[Body, IpContext], Iterator[OutputField]]:
    """Return a function that yields the fields of rows."""
    return lambda data, ip: fields(rows, data, ip)


def ipv4_address(text: str) -> bytes:
    """Parse an IPv4 address where `ip` has a sentence of its own for a wrong one.  Raises `CommandError`."""
    try:
        return address(text, AF_INET)[1] or bytes(4)
    except CommandError:
        raise CommandError(f'Error: an IP address is expected rather than "{text}"', FAILED, exits=True) from None


def required(name: str) -> CommandError:
    """Return the error for an option that is missing."""
    return CommandError(f'Error: argument "{name}" is required')


def usage(kind: str, options: str, where: str, indent: str = "\t\t\t", start: str = "\t") -> str:
    """Return the help text of a kind: an option a line, then what the words in capitals stand for.

    ``start`` stands between the kind and the first option.
    """
    lines = f"\n{indent}".join([f"[ {one} ]" for one in options.splitlines()])
    return f"Usage: ... {kind}{start}{lines}\n\nWhere:\t{where}"
