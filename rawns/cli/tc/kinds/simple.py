"""Disciplines with few options: queues of packets or bytes, bands, and the places for filters of received packets."""

from __future__ import annotations

from ...ip.arguments import signed
from ...ip.render import OutputField
from .. import units
from ..help_texts import QDISCS
from ..output import field, plain, size_field
from ..rows import KindOption
from ..words import failed, refused
from . import QdiscKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Any, Body, Iterable, OptionArgs, Record, TcContext

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


class Prio(QdiscKind):
    """prio, and pfifo_fast, which tells the same and takes no options."""

    def parse(self, args: OptionArgs) -> Any:
        if self.name == "pfifo_fast":
            if args:
                raise refused("qdisc 'pfifo_fast' does not support option parsing")
            return None
        bands, places, mapping = 3, list(PRIORITY_MAP), -1
        while args:
            word = args.take()
            if word == "bands":
                try:
                    bands = signed(args.take())
                except ValueError:
                    raise failed('Illegal "bands"') from None
            elif word == "priomap":
                if mapping >= 0:
                    raise failed("Error: duplicate priomap")
                mapping = 0
            elif word == "multiqueue":
                pass  # an attribute that no kernel since 2.6.31 reads
            elif word == "help" or mapping < 0:
                self._otherwise(word, args, {})
            else:
                places[mapping] = _band(word, bands, mapping)
                mapping += 1
        return {"bands": bands, "priomap": bytes(places), NESTED: b""}

    def fields(self, options: Body, ip: TcContext) -> Iterable[OutputField]:
        places = list(options["priomap"])
        yield field("bands", options["bands"], "bands %u ", ip)
        yield OutputField("priomap", places, "priomap" + "".join([f" {place}" for place in places]))
        yield OutputField("multiqueue", False)


def _band(word: str, bands: int, place: int) -> int:
    try:
        band = units.decimal(32)(word)
    except ValueError:
        raise failed('Illegal "priomap" element') from None
    if band >= bands:
        raise failed('"priomap" element is out of bands')
    if place >= len(PRIORITY_MAP):
        raise failed('"priomap" index > TC_PRIO_MAX=15')
    return band & 0xFF


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
