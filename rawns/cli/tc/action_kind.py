"""The class that describes one kind of action of filters, and the number of an action."""

from __future__ import annotations

from ... import uapi
from ..ip.grammar import matches
from ..ip.keywords import CustomKeyword, read_known
from . import units
from .common import help_of, need, peek
from .output import control_fields, field, line_end
from .rows import option_fields
from .statistics import times
from .words import control_or, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Args, Body, Iterable, Iterator, Keyword, OutputField, Record, Sequence, TcContext


def take_index(args: Args, complaint: str = 'Illegal "index"') -> int:
    """Read the number of an action.  Raises `CommandError`."""
    try:
        return units.decimal(32)(args.take())
    except ValueError:
        raise refused(complaint) from None


def last_index(args: Args, parameters: Record, kind: str) -> bool:
    """Read ``index NUMBER`` if it follows; return whether it does."""
    if not matches(peek(args), "index"):
        return False
    args.take()
    parameters["index"] = take_index(args, f'{kind}: Illegal "index"')
    return True


def help_row(kind: str, names: str = "help*") -> CustomKeyword:
    """Return the row of ``help``."""

    def take(args: Args, record: Record) -> None:
        raise help_of(kind)

    return CustomKeyword(names, take)


class ActionKind:
    """A kind of action: its words, and how it is shown.

    The methods are those of a kind whose words are ``rows``, in any order, before a control and an index.  ``index`` is the
    form of the number.
    """

    rows: Sequence[Keyword] = ()
    index = "\t index %u"

    def __init__(self, name: str) -> None:
        self.name, self.parameters = name, f"TCA_{name.upper()}_PARMS"

    def parse(self, args: Args) -> Record:
        """Return the attributes of the action that the words describe, of which its name is the first.  Raises `CommandError`."""
        args.take()
        need(args)
        parameters: Record = {}
        options: Record = {self.parameters: parameters}
        read_known(self.rows, args, options)
        parameters["action"] = control_or(args, uapi.TC_ACT_PIPE)
        numbered = last_index(args, parameters, self.name)
        self.check(options, numbered)
        return options

    def check(self, options: Record, numbered: bool) -> None:
        """Raise `CommandError` if something is missing; ``numbered`` says whether the words have an index."""

    def shown(self, options: Body, ip: TcContext) -> Iterable[OutputField]:
        """Return what is shown of the attributes, up to the index."""
        yield from option_fields(self.rows, options, ip)
        yield from control_fields(options[self.parameters]["action"], " ", "", ip)
        yield line_end(ip)

    def fields(self, options: Any, ip: TcContext) -> Iterator[OutputField]:
        """Yield the action as tc prints it."""
        yield field("kind", self.name, "%s ", ip)
        found = options.get(self.parameters) if isinstance(options, dict) else None
        if found is None:
            return
        yield from self.shown(options, ip)
        yield field("index", found["index"], self.index, ip)
        yield field("ref", found["refcnt"], " ref %d", ip)
        yield field("bind", found["bindcnt"], " bind %d", ip)
        if ip.stats:
            yield from times(options.get(f"TCA_{self.name.upper()}_TM", {}), ip)
        yield line_end(ip)
