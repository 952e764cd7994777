"""Disciplines with few options: queues of packets or bytes, bands, and the places for filters of received packets."""

from __future__ import annotations

from ...ip.arguments import signed
from ...ip.keywords import CustomKeyword
from ...ip.render import OutputField
from .. import units
from ..help_texts import QDISCS
from ..output import field, plain, size_field
from ..rows import KindOption, ShownOnly
from ..words import failed, refused
from . import QdiscKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Any, Args, Body, Iterable, OptionArgs, Record, TcContext

__all__ = ["KINDS"]
PRIORITY_MAP = (1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1)
NESTED = 2  # the number of TCA_OPTIONS, in which prio repeats it: empty, for compatibility


class Fifo(QdiscKind):
    """pfifo and bfifo."""

    unknown = 'KIND: unknown parameter "WORD"'

    def __init__(self, name: str, usage: str) -> None:
        super().__init__(name, usage)
        show, form = (size_field, "limit %s") if name == "bfifo" else (field, "limit %up")
        self.rows = [KindOption("limit", "limit", units.size, show, form, illegal=f'{name}: Illegal value for "limit": "WORD"')]

    def build(self, record: Record, args: OptionArgs) -> Any:
        return record or None


def _start_map(args: Args, record: Record) -> None:
    if "places" in record:
        raise failed("Error: duplicate priomap")
    record["places"] = []


def _map_field(places: bytes, options: Body, ip: TcContext) -> Iterable[OutputField]:
    return (OutputField("priomap", list(places), "priomap" + "".join([f" {place}" for place in places])), NO_QUEUES)


NO_QUEUES = OutputField("multiqueue", False)


class Prio(QdiscKind):
    """prio, and pfifo_fast, which tells the same and takes no options."""

    rows = [
        KindOption("bands", "bands", signed, field, "bands %u "),
        CustomKeyword("priomap", _start_map),
        CustomKeyword("multiqueue", lambda args, record: None),  # an attribute that no kernel since 2.6.31 reads
        ShownOnly("priomap", _map_field),
    ]

    def _otherwise(self, word: str, args: Any, record: Record) -> None:
        if word == "help" or "places" not in record:
            super()._otherwise(word, args, record)
        try:
            band = units.decimal(32)(word)
        except ValueError:
            raise failed('Illegal "priomap" element') from None
        if band >= record.get("bands", 3):
            raise failed('"priomap" element is out of bands')
        if len(record["places"]) >= len(PRIORITY_MAP):
            raise failed('"priomap" index > TC_PRIO_MAX=15')
        record["places"].append(band & 0xFF)

    def parse(self, args: OptionArgs) -> Any:
        if self.name != "pfifo_fast":
            return super().parse(args)
        if args:
            raise refused("qdisc 'pfifo_fast' does not support option parsing")
        return None

    def build(self, record: Record, args: OptionArgs) -> Any:
        places = record.get("places", [])
        return {"bands": record.get("bands", 3), "priomap": bytes([*places, *PRIORITY_MAP[len(places) :]]), NESTED: b""}


class Ingress(QdiscKind):
    """ingress and clsact: they hold filters."""

    def parse(self, args: OptionArgs) -> Any:
        while args:
            word = args.take()
            if word != "handle" or self.name == "clsact":
                raise failed(f'What is "{word}"?\n{self.usage}')
            args.take()
        return None

    def fields(self, options: Body, ip: TcContext) -> Iterable[OutputField]:
        return (plain("---------------- "),) if self.name == "ingress" else ()


KINDS = {
    **{name: Fifo(name, QDISCS["pfifo"]) for name in ("pfifo", "bfifo")},
    **{name: Prio(name, QDISCS["prio"]) for name in ("prio", "pfifo_fast")},
    **{name: Ingress(name, QDISCS[name]) for name in ("ingress", "clsact")},
}
