"""The description of one kind of link, and what the descriptions have in common."""

from __future__ import annotations

from ..grammar import FAILED, CommandError, garbage, matches
from ..keywords import CustomKeyword, ValueKeyword, read
from ..render import OutputField

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Optional

    from ....wire import Body
    from ..context import Args, IpContext
    from ..grammar import Record
    from ..keywords import Keyword

    Parse = Optional[Callable[[Args, bool], Record]]
    Show = Optional[Callable[[Body, IpContext], Iterator[OutputField]]]


class LinkKind:
    """One kind of link.

    ``help`` is the text of ``ip link help KIND`` (empty: there is none).  ``parse`` reads the words of the options into
    the data of the kind; it is told whether the link is being created.  ``show`` yields the fields of ``ip -d link``.
    """

    __slots__ = ("help", "parse", "show")

    def __init__(self, help: str = "", parse: Parse = None, show: Show = None) -> None:
        self.help, self.parse, self.show = help, parse, show


def words(
    kind: str,
    rows: Sequence[Keyword],
    help: str,
    complaint: str = "command",
    finish: Callable[[Record, bool], Record] | None = None,
    once: bool = False,
) -> Callable[[Args, bool], Record]:
    """Return a parser of the words in ``rows``.

    A word that no row fits is refused as an unknown ``complaint``, or, if that is empty, by the help alone.  ``finish``
    checks the record and completes it.  With ``once``, no option may be given twice.
    """
    checked = [_once(row) for row in rows] if once else rows

    def otherwise(word: str, args: Args, record: Record) -> None:
        if matches(word, "help") or not complaint:
            raise CommandError(help, FAILED)
        raise CommandError(f'{kind}: unknown {complaint} "{word}"?\n{help}', FAILED)

    def parse(args: Args, creates: bool) -> Record:
        record = read(checked, args, {}, otherwise)
        return record if finish is None else finish(record, creates)

    return parse


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


def flag(name: str, json: str, on: bool, no: str = "no") -> OutputField:
    """Return the field of an option that is printed as ``name`` or ``noname``."""
    return OutputField(json, on, f"{'' if on else no}{name} ")


def on_off(name: str, json: str, on: bool) -> OutputField:
    """Return the field of an option that is printed as ``name on`` or ``name off``."""
    return OutputField(json, on, f"{name} {'on' if on else 'off'} ")
