"""Disciplines that drop packets before their queue is full: red, and sfq, which may do so in each of its queues."""

from __future__ import annotations

from math import log

from .... import uapi
from ....rtnl.tc import XSTATS
from ...ip.arguments import U32, signed
from ...ip.context import complain
from ...ip.keywords import CustomKeyword
from ...ip.render import JsonText, OutputField
from .. import units
from ..help_texts import QDISCS
from ..words import FlagOption, KindOption, Switch, failed, field, line_end, plain, size_field, unsupported
from . import QdiscKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Any, Args, Body, Iterable, Iterator, Keyword, OptionArgs, Record, TcContext

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


def chance_field(value: int) -> OutputField:
    """Return a probability."""
    return OutputField("probability", JsonText(f"{value / WHOLE:g}"), f"probability {value / WHOLE:g} ")


def _event(args: Args, record: Record) -> None:
    raise unsupported("`qevent` of red")


class Red(QdiscKind):
    """red."""

    rows: list[Keyword] = [
        KindOption("limit", "limit", units.size),
        KindOption("min", "qth_min", units.size),
        KindOption("max", "qth_max", units.size),
        KindOption("burst", "burst", U32),
        KindOption("avpkt", "avpkt", units.size),
        KindOption("probability", "probability", probability),
        KindOption("bandwidth", "bandwidth", units.rate, shares=True),
        FlagOption("ecn", "flags", uapi.TC_RED_ECN),
        FlagOption("harddrop", "flags", uapi.TC_RED_HARDDROP),
        FlagOption("nodrop", "flags", uapi.TC_RED_NODROP),
        FlagOption("adaptative|adaptive", "flags", uapi.TC_RED_ADAPTATIVE),
        CustomKeyword("qevent*", _event),
    ]

    def build(self, record: Record, args: OptionArgs) -> Any:
        limit, packet, chance = record.get("limit", 0), record.get("avpkt", 0), record.get("probability", DEFAULT_PROBABILITY)
        if not limit or not packet:
            raise failed("RED: Required parameter (limit, avpkt) is missing")
        least, rate = record.get("qth_min", 0), record.get("bandwidth", 0)
        most = record.get("qth_max", 0) or (least * 3 & uapi.UINT32_MAX if least else limit // 4)
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
            "TCA_RED_PARMS": {
                "limit": limit,
                "qth_min": least,
                "qth_max": most,
                "Wlog": weight,
                "Plog": scale,
                "Scell_log": cell,
            },
            "TCA_RED_STAB": table,
            "TCA_RED_MAX_P": int(chance * WHOLE) & uapi.UINT32_MAX,
            "TCA_RED_FLAGS": {"value": record.get("flags", 0), "selector": sum(FLAGS.values())},
        }

    def fields(self, options: Body, ip: TcContext) -> Iterable[OutputField]:
        if "TCA_RED_PARMS" not in options:
            return
        found = options["TCA_RED_PARMS"]
        for name, key in (("limit", "limit"), ("min", "qth_min"), ("max", "qth_max")):
            yield size_field(name, found[key], f"{name} %s ", ip)
        yield from flag_fields(options.get("TCA_RED_FLAGS", {"value": found["flags"]})["value"])
        if ip.details:
            yield field("ewma", found["Wlog"], "ewma %u ", ip)
            if options.get("TCA_RED_MAX_P"):
                yield chance_field(options["TCA_RED_MAX_P"])
            else:
                yield field("Plog", found["Plog"], "Plog %u ", ip)
            yield field("Scell_log", found["Scell_log"], "Scell_log %u", ip)
        for name, key in (("early_drop", "TCA_RED_EARLY_DROP_BLOCK"), ("mark", "TCA_RED_MARK_BLOCK")):
            if options.get(key):
                yield plain(f"qevent {name} block {options[key]} ")

    def statistics(self, data: bytes, ip: TcContext) -> Iterable[OutputField]:
        if len(data) >= XSTATS["red"].size:
            found = XSTATS["red"].convert(data)
            for name, space in (("marked", "  "), ("early", ""), ("pdrop", ""), ("other", "")):
                yield field(name, found[name], f"{space}{name} %u ", ip)


RED_WORDS = {"limit", "qth_min", "qth_max", "burst", "avpkt", "probability", "flags"}


class Sfq(QdiscKind):
    """sfq."""

    rows: list[Keyword] = [
        KindOption("quantum", "v0.quantum", units.size, illegal='Illegal "limit"'),
        KindOption("perturb", "v0.perturb_period", signed),
        KindOption("limit", "v0.limit", U32),
        KindOption("divisor", "v0.divisor", U32),
        KindOption("flows", "v0.flows", U32),
        KindOption("depth", "depth", U32, illegal='Illegal "flows"'),
        Switch("headdrop", "headdrop", 1),
        KindOption("redflowlimit", "limit", U32),
        KindOption("min", "qth_min", U32),
        KindOption("max", "qth_max", U32),
        KindOption("burst", "burst", U32),
        KindOption("avpkt", "avpkt", units.size),
        KindOption("probability", "probability", probability),
        FlagOption("ecn", "flags", uapi.TC_RED_ECN),
        FlagOption("harddrop", "flags", uapi.TC_RED_HARDDROP),
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

    def fields(self, options: Body, ip: TcContext) -> Iterable[OutputField]:
        yield field("limit", options["v0.limit"], "limit %up ", ip)
        yield size_field("quantum", options["v0.quantum"], "quantum %s ", ip)
        if options.get("depth"):
            yield field("depth", options["depth"], "depth %u ", ip)
        if options.get("headdrop"):
            yield field("headdrop", True, "headdrop ", ip)
        if ip.details:
            yield field("flows", options["v0.flows"], "flows %u ", ip)
        yield field("divisor", options["v0.divisor"], "divisor %u ", ip)
        if options["v0.perturb_period"]:
            yield field("perturb", options["v0.perturb_period"], "perturb %dsec ", ip)
        if options.get("qth_min") and "stats.forced_mark_head" in options:
            yield from self._red_fields(options, ip)

    def _red_fields(self, options: Body, ip: TcContext) -> Iterator[OutputField]:
        yield field("ewma", options["Wlog"], "ewma %u ", ip)
        yield size_field("min", options["qth_min"], "min %s ", ip)
        yield size_field("max", options["qth_max"], "max %s ", ip)
        yield chance_field(options["max_P"])
        yield from flag_fields(options["flags"])
        for kind in ("prob", "forced") if ip.stats else ():
            yield line_end(ip)
            for what, space in (("mark", "  "), ("mark_head", " "), ("drop", " ")):
                yield field(f"{kind}_{what}", options[f"stats.{kind}_{what}"], f"{space}{kind}_{what} %u", ip)

    def statistics(self, data: bytes, ip: TcContext) -> Iterable[OutputField]:
        if len(data) >= XSTATS["sfq"].size:
            yield field("allot", XSTATS["sfq"].convert(data)["allot"], "  allot %d", ip)


KINDS = {"red": Red("red", QDISCS["red"]), "sfq": Sfq("sfq", QDISCS["sfq"])}
