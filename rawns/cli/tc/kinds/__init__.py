"""The kinds of queueing disciplines that `rawns tc` knows, a module for each family, loaded when one is named or shown."""

from __future__ import annotations

from ....rtnl.tc import XSTATS
from ...ip.keywords import read
from ..rows import option_fields
from ..words import failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Any, Body, Iterable, Keyword, OptionArgs, OutputField, Record, Sequence, Struct, TcContext

MODULES = {
    **dict.fromkeys(("pfifo", "bfifo", "prio", "pfifo_fast", "ingress", "clsact"), "simple"),
    **dict.fromkeys(("tbf", "htb"), "shaping"),
    **dict.fromkeys(("fq", "fq_codel", "codel"), "fair"),
    **dict.fromkeys(("red", "sfq"), "early_drop"),
    "netem": "impairment",
}
# Kinds that tc has options for, and this program has not.
OTHERS = frozenset(
    "atm cake cbq cbs choke drr dsmark etf ets fq_pie gred hfsc hhf mqprio multiq pfifo_head_drop pie plug qfq rr sfb skbprio "
    "taprio".split()
)


class QdiscKind:
    """A kind of discipline: its words, what they make of a message, and how that is shown.

    ``unknown`` is the complaint about a word that fits no row.  Without the attribute ``needs`` nothing is shown.  ``counters``
    are the rows of the statistics that only this kind has; ``padded`` says that what a shorter struct lacks is 0.  The methods
    are those of a kind whose options are attributes, one for each row; a kind that needs more has a class of its own.
    """

    rows: Sequence[Keyword] = ()
    class_rows: Sequence[Keyword] | None = None  # None: it has no classes
    unknown = 'What is "WORD"?'
    needs = ""
    counters: Sequence[Any] = ()
    padded = False

    def __init__(self, name: str, usage: str) -> None:
        self.name, self.usage = name, usage

    def _otherwise(self, word: str, args: Any, record: Record) -> None:
        complaint = self.unknown.replace("KIND", self.name).replace("WORD", word)
        raise failed(self.usage if word == "help" else f"{complaint}\n{self.usage}")

    def parse(self, args: OptionArgs) -> Any:
        """Return the value of TCA_OPTIONS that the words describe; None: the attribute is left out.  Raises `CommandError`."""
        return self.build(read(self.rows, args, {}, self._otherwise), args)

    def parse_class(self, args: OptionArgs) -> Any:
        """Return the value of TCA_OPTIONS for a class."""
        return self.build_class(read(self.class_rows or (), args, {}, self._otherwise), args)

    def build(self, record: Record, args: OptionArgs) -> Any:
        """Return the value of TCA_OPTIONS, given what the words have set."""
        return record

    def build_class(self, record: Record, args: OptionArgs) -> Any:
        """Return the value of TCA_OPTIONS of a class, given what the words have set."""
        return record

    def fields(self, options: Body, ip: TcContext) -> Iterable[OutputField]:
        """Return the options as they are shown."""
        return option_fields(self.rows, options, ip) if not self.needs or self.needs in options else ()

    def statistics(self, data: bytes, ip: TcContext) -> Iterable[OutputField]:
        """Return the statistics that only this kind has."""
        return self.counted(XSTATS[self.name], data, self.counters, ip)

    def counted(self, kind: Struct, data: bytes, rows: Iterable[Any], ip: TcContext) -> Iterable[OutputField]:
        """Return the fields that rows make of a struct, which older kernels send shorter; that may be refused."""
        if len(data) < kind.size and not self.padded:
            return ()
        return option_fields(rows, {**kind.defaults, **kind.unpack(data, 0, len(data), {}, None, ())}, ip)


def find(name: str) -> QdiscKind | None:
    """Return a kind by its name; None if it is not known."""
    module = MODULES.get(name)
    if module is None:
        return None
    found: QdiscKind | None = __import__(f"{__name__}.{module}", fromlist=["KINDS"]).KINDS.get(name)
    return found
