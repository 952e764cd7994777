"""Disciplines that drop packets before their queue is full: red, and sfq, which may do so in each of its queues."""

from __future__ import annotations

from math import log

from .... import uapi
from ...ip.arguments import U32, signed
from ...ip.context import complain
from ...ip.render import JsonText, OutputField
from .. import units
from ..help_texts import QDISCS
from ..output import field, line_end, plain, size_field, word_field
from ..rows import FlagOption, KindOption, ShownOnly, Switch, left_out, option_fields, shown
from ..words import failed
from . import QdiscKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Any, Body, Iterator, OptionArgs, Record, TcContext

__all__ = ["KINDS"]
FLAGS = {
    "ecn": uapi.TC_RED_ECN,
    "harddrop": uapi.TC_RED_HARDDROP,
    "adaptive": uapi.TC_RED_ADAPTATIVE,
    "nodrop": uapi.TC_RED_NODROP,
}
DEFAULT_RATE = 1_250_000  # bytes per second: 10Mbit
DEFAULT_PROBABILITY = 0.02
WHOLE = 1 << 32  # a probability of 1
MAX_LOG = 32
RED_MEMBERS = ("limit", "qth_min", "qth_max", "Wlog", "Plog", "Scell_log")
LARGE_WEIGHT = 10  # the logarithm from which on tc warns


def probability(text: str) -> float:
    """Return the number at the start of text.  Raises ValueError."""
    return units.leading_float(text)[0]


def scale_log(least: int, most: int, chance: float) -> int:
    """Return the logarithm of a probability between two thresholds, as the kernel has it; -1 if there is none."""
    if least == most:
        return 0
    if most < least:
        return -1
    chance /= most - least
    for number in range(MAX_LOG):
        if chance > 1.0:
            return number
        chance *= 2
    return -1


def weight_log(least: int, burst: int, packet: int, kind: str) -> int:
    """Return the logarithm of the weight with which the average follows the queue.  Raises `CommandError`."""
    excess, weight, said = burst + 1 - least / packet, 0.5, ""
    if excess < 1.0:
        said = f"tc_red_eval_ewma() burst {burst} is too small ? Try burst {1 + least // packet}\n"
    for number in range(1, MAX_LOG if excess >= 1.0 else 1):
        if excess <= (1 - (1 - weight) ** burst) / weight:
            if number >= LARGE_WEIGHT:
                complain(f"{kind}: WARNING. Burst {burst} seems to be too large.")
            return number
        weight /= 2
    raise failed(f"{said}{kind}: failed to calculate EWMA constant.")


def idle_table(weight: int, packet: int, rate: int) -> tuple[int, bytes]:
    """Return how the average decays while nothing is sent: the logarithm of a cell, and the table.  Raises `CommandError`."""
    ticks = units.transmission_ticks(rate, packet)
    slope = -log(1.0 - 1.0 / (1 << weight)) / ticks if ticks else 0.0
    cell = next((number for number in range(MAX_LOG) if slope and 31 / slope / (1 << number) < 512), None)
    if cell is None:
        raise failed("RED: failed to calculate idle damping table.")
    return cell, bytes([0, *[min(int((number << cell) * slope) & 0xFF, 31) for number in range(1, 255)], 31])


def thresholds(record: Record, least: int, most: int, packet: int) -> int:
    """Return the burst, by default that of Floyd's recommendations."""
    return record.get("burst", 0) or (2 * least + most & uapi.UINT32_MAX) // (3 * packet & uapi.UINT32_MAX or 1)


def flag_fields(flags: int) -> Iterator[OutputField]:
    """Yield all flags for JSON, and those that are set for text."""
    for name, bit in FLAGS.items():
        yield OutputField(name, bool(flags & bit), f"{name} " if flags & bit else "")


def chance_field(name: str, value: int, form: str, ip: TcContext) -> OutputField:
    """Return a probability."""
    return OutputField(name, JsonText(f"{value / WHOLE:g}"), form % f"{value / WHOLE:g}")


def _only_text(name: str, value: int, form: str, ip: TcContext) -> OutputField:
    return plain(form % value)


def _red_flags(found: Body, options: Body, ip: TcContext) -> Iterator[OutputField]:
    return flag_fields(options.get("TCA_RED_FLAGS", {"value": found["flags"]})["value"])


def _log(found: Body, options: Body, ip: TcContext) -> Iterator[OutputField]:
    if ip.details and not options.get("TCA_RED_MAX_P"):
        yield field("Plog", found["Plog"], "Plog %u ", ip)


class Red(QdiscKind):
    """red."""

    needs = "TCA_RED_PARMS"
    counters = (shown("marked", "  marked %u "), *[shown(name, f"{name} %u ") for name in ("early", "pdrop", "other")])
    rows: list[Any] = [
        KindOption("limit", "TCA_RED_PARMS/limit", units.size, size_field, "limit %s "),
        KindOption("min", "TCA_RED_PARMS/qth_min", units.size, size_field, "min %s "),
        KindOption("max", "TCA_RED_PARMS/qth_max", units.size, size_field, "max %s "),
        KindOption("burst", "burst", U32),
        KindOption("avpkt", "avpkt", units.size),
        KindOption("probability", "probability", probability),
        KindOption("bandwidth", "bandwidth", units.rate, shares=True),
        *[FlagOption({"adaptive": "adaptative|adaptive"}.get(name, name), "flags", bit) for name, bit in FLAGS.items()],
        left_out("qevent*", "`qevent` of red"),
        ShownOnly("TCA_RED_PARMS", _red_flags),
        shown("TCA_RED_PARMS/Wlog", "ewma %u ", label="ewma", only="details"),
        shown("TCA_RED_MAX_P", "probability %s ", chance_field, label="probability", only="details", hidden=(0,)),
        ShownOnly("TCA_RED_PARMS", _log),
        shown("TCA_RED_PARMS/Scell_log", "Scell_log %u", only="details"),
        *[
            shown(f"TCA_RED_{name.upper()}_BLOCK", f"qevent {name} block %d ", _only_text, hidden=(0,))
            for name in ("early_drop", "mark")
        ],
    ]

    def build(self, record: Record, args: OptionArgs) -> Any:
        found = record.get("TCA_RED_PARMS", {})
        limit, packet, chance = found.get("limit", 0), record.get("avpkt", 0), record.get("probability", DEFAULT_PROBABILITY)
        if not limit or not packet:
            raise failed("RED: Required parameter (limit, avpkt) is missing")
        least, rate = found.get("qth_min", 0), record.get("bandwidth", 0)
        most = found.get("qth_max", 0) or (least * 3 & uapi.UINT32_MAX if least else limit // 4)
        least = least or most // 3
        burst = thresholds(record, least, most, packet)
        if not rate:
            rate = DEFAULT_RATE
            complain("RED: set bandwidth to 10Mbit")
        weight = weight_log(least, burst, packet, "RED")
        scale = scale_log(least, most, chance)
        if scale < 0:
            raise failed("RED: failed to calculate probability.")
        cell, table = idle_table(weight, packet, rate)
        return {
            "TCA_RED_PARMS": dict(zip(RED_MEMBERS, (limit, least, most, weight, scale, cell))),
            "TCA_RED_STAB": table,
            "TCA_RED_MAX_P": int(chance * WHOLE) & uapi.UINT32_MAX,
            "TCA_RED_FLAGS": {"value": record.get("flags", 0), "selector": sum(FLAGS.values())},
        }


RED_WORDS = {"limit", "qth_min", "qth_max", "burst", "avpkt", "probability", "flags"}


LAST = "stats.forced_mark_head"  # which an old kernel does not send
SFQ_RED = (
    shown("Wlog", "ewma %u ", label="ewma"),
    shown("qth_min", "min %s ", size_field, label="min"),
    shown("qth_max", "max %s ", size_field, label="max"),
    shown("max_P", "probability %s ", chance_field, label="probability"),
    ShownOnly("flags", lambda value, options, ip: flag_fields(value)),
    *[
        row
        for kind in ("prob", "forced")
        for row in (
            ShownOnly("", lambda value, options, ip: (line_end(ip),) if ip.stats else ()),
            *[
                shown(f"stats.{kind}_{what}", f"{space}{kind}_{what} %u", label=f"{kind}_{what}", only="stats")
                for what, space in (("mark", "  "), ("mark_head", " "), ("drop", " "))
            ],
        )
    ],
)


class Sfq(QdiscKind):
    """sfq."""

    counters = (shown("allot", "  allot %d"),)
    rows: list[Any] = [
        KindOption("limit", "v0.limit", U32, field, "limit %up "),
        KindOption("quantum", "v0.quantum", units.size, size_field, "quantum %s ", illegal='Illegal "limit"'),
        KindOption("depth", "depth", U32, field, "depth %u ", (0,), 'Illegal "flows"'),
        Switch("headdrop", "headdrop", 1, show=word_field("headdrop", True), form="headdrop ", hidden=(0,)),
        KindOption("flows", "v0.flows", U32, field, "flows %u ", only="details"),
        KindOption("divisor", "v0.divisor", U32, field, "divisor %u "),
        KindOption("perturb", "v0.perturb_period", signed, field, "perturb %dsec ", (0,)),
        ShownOnly("qth_min", lambda least, options, ip: option_fields(SFQ_RED if least and LAST in options else (), options, ip)),
        *[KindOption(word, key, U32) for word, key in (("redflowlimit", "limit"), ("min", "qth_min"), ("max", "qth_max"))],
        KindOption("burst", "burst", U32),
        KindOption("avpkt", "avpkt", units.size),
        KindOption("probability", "probability", probability),
        *[FlagOption(name, "flags", FLAGS[name]) for name in ("ecn", "harddrop")],
    ]

    def build(self, record: Record, args: OptionArgs) -> Any:
        if not record:
            return None
        if record.get("v0.limit", 2) < 2:
            raise failed('Illegal "limit", must be > 1')
        options = {key: value for key, value in record.items() if key not in ("burst", "avpkt", "probability")}
        if RED_WORDS & set(record):
            self._red(record, options)
        return options

    def _red(self, record: Record, options: Record) -> None:
        limit, packet, chance = record.get("limit", 0), record.get("avpkt", 1000), record.get("probability", DEFAULT_PROBABILITY)
        if not limit:
            raise failed("Required parameter (redflowlimit) is missing")
        if not packet:
            raise failed('Illegal "avpkt"')
        most = record.get("qth_max", 0) or limit // 4
        least = record.get("qth_min", 0) or most // 3
        burst = thresholds(record, least, most, packet)
        if most > limit:
            raise failed('"max" is larger than "limit"')
        if least >= most:
            raise failed('"min" is not smaller than "max"')
        weight, scale = weight_log(least, burst, packet, "SFQ"), scale_log(least, most, chance)
        if scale < 0:
            raise failed("SFQ: failed to calculate probability.")
        options.update(qth_min=least, qth_max=most, Wlog=weight, Plog=scale, max_P=int(chance * WHOLE) & uapi.UINT32_MAX)


KINDS = {"red": Red("red", QDISCS["red"]), "sfq": Sfq("sfq", QDISCS["sfq"])}
