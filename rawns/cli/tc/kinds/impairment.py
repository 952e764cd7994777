"""netem: delay, loss and other impairments (tc-netem(8))."""

from __future__ import annotations

import os

from .... import uapi
from ...ip.arguments import U32, leading_integer, signed
from ...ip.keywords import CustomKeyword, Keyword
from ...ip.render import JsonText, OutputField
from .. import units
from ..help_texts import QDISCS
from ..output import field, nest, rate_field
from ..rows import KindOption, Switch
from ..words import failed
from . import QdiscKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Any, Args, Body, Callable, Iterable, Iterator, Keyword, OptionArgs, Record, TcContext

__all__ = ["KINDS"]
MAX_DISTRIBUTION = 16 * 1024  # values
LARGE = 1 << 32
DIRECTORIES = (
    "/usr/lib/tc/",
    "/usr/lib64/tc/",
)  # in which a distribution has files of iproute2, or "/usr/lib/x86_64-linux-gnu/tc/"


def _number_follows(args: Args, signs: str = "") -> bool:
    """Return whether the next word begins with a digit (or one of the signs)."""
    return bool(args) and args.words[args.at][:1] in tuple(f"0123456789{signs}")


def _ticks(text: str) -> int:
    microseconds = units.time(text)
    if int(microseconds * units.TICKS_PER_MICROSECOND) > uapi.UINT32_MAX:
        raise failed(f'Illegal {microseconds} time (too large)\nIllegal "latency"')
    return units.ticks_of(microseconds)


class _Numbers(Keyword):
    """A word that a value follows, and then as many more as begin like numbers.

    ``steps`` has an option for each, of which the word is what a complaint calls it; "-" in front: it may be negative.
    """

    __slots__ = ("steps",)

    def __init__(self, names: str, *steps: tuple[str, str, Callable[[str], Any]]) -> None:
        super().__init__(names)
        self.steps = [
            (name[0] == "-", KindOption(name.strip("-"), key, read, shares=name == "rate" and key == "rate"))
            for name, key, read in steps
        ]

    def take(self, args: Args, record: Record) -> None:
        """Read the values."""
        self.steps[0][1].take(args, record)
        for negative, option in self.steps[1:]:
            if _number_follows(args, "-" if negative else ""):
                option.take(args, record)


LOSS, GI, GE = "TCA_NETEM_LOSS", "TCA_NETEM_LOSS/NETEM_LOSS_GI", "TCA_NETEM_LOSS/NETEM_LOSS_GE"
LOSSES = {
    "random": _Numbers(
        "", ("loss percent", "loss", units.percent), ("loss correlation", "TCA_NETEM_CORR/loss_corr", units.percent)
    ),
    "state": _Numbers(
        "",
        ("loss p13", f"{GI}/p13", units.fraction),
        *[(f"loss {name}", f"{GI}/{name}", units.percent) for name in ("p31", "p32", "p23", "p14")],
    ),
    "gemodel": _Numbers(
        "",
        ("loss gemodel p", f"{GE}/p", units.fraction),
        ("loss gemodel r", f"{GE}/r", units.percent),
        ("loss gemodel h", f"{GE}/h", lambda text: uapi.UINT32_MAX - units.percent(text)),  # the user calls it 1-h
        ("loss gemodel k", f"{GE}/k1", units.percent),
    ),
}


def _loss(args: Args, record: Record) -> None:
    if record.get("loss") or LOSS in record:
        raise failed('Illegal "duplicate loss argument\n"')
    word = "random" if _number_follows(args) else args.take()
    if word not in LOSSES:
        raise failed(f"Unknown loss parameter: {word}")
    LOSSES[word].take(args, record)
    for state in record.get(LOSS, {}).values():
        first, second = ("p13", "p31") if "p13" in state else ("p", "r")
        state.setdefault(second, units.scaled(1.0 - state[first]))
        state[first] = units.scaled(state[first])
        if first == "p13":
            state.setdefault("p23", uapi.UINT32_MAX)


def _chance(name: str) -> _Numbers:
    """Return the row of a probability, after which a correlation may follow."""
    key = f"TCA_NETEM_{name.upper()}"
    return _Numbers(f"{name}*", (name, f"{key}/probability", units.percent), (name, f"{key}/correlation", units.percent))


SLOT_DELAYS = _Numbers("", ("slot min_delay", "min_delay", units.time64), ("slot max_delay", "max_delay", units.time64))
SLOT_TIMES = [KindOption(f"slot {name}", f"dist_{name}", units.time64) for name in ("delay", "jitter")]


def _slot(args: Args, record: Record) -> None:
    slot: dict[str, int] = {}
    if _number_follows(args):
        SLOT_DELAYS.take(args, slot)
        if slot.setdefault("max_delay", slot["min_delay"]) < slot["min_delay"]:
            raise failed('Illegal "slot max_delay"')
    else:
        word = args.take()
        if word != "distribution":
            raise failed(f"Unknown slot parameter: {word}")
        record["TCA_NETEM_SLOT_DIST"] = distribution(args.take())
        for option in SLOT_TIMES:
            option.take(args, slot)
        if slot["dist_jitter"] <= 0:
            raise failed("Non-positive jitter")
    for word, parse in (("packets", signed), ("bytes", units.size)):
        if args and args.words[args.at] and word.startswith(args.words[args.at]):
            args.take()
            if not args:
                raise failed(f'Illegal "slot {word}"')
            KindOption(f"slot {word}", f"max_{word}", parse).take(args, slot)
    record["TCA_NETEM_SLOT"] = slot


def _distribution(args: Args, record: Record) -> None:
    record["TCA_NETEM_DELAY_DIST"] = distribution(args.take())


def distribution(name: str) -> list[int]:
    """Return the values of a distribution, from the file that iproute2 brings along.  Raises `CommandError`."""
    from glob import glob

    directories = [*glob("/usr/lib/*-linux-*/tc/"), *DIRECTORIES]
    default = next(filter(os.path.isdir, directories), DIRECTORIES[0])
    path = f"{os.environ.get('TC_LIB_DIR', default)}/{name}.dist"
    try:
        with open(path, encoding="ascii", errors="replace") as lines:
            words = [word for line in lines if not line.startswith("#") for word in line.split()]
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise failed(f"No distribution data for {name} ({path}: {reason})") from None
    if len(words) > MAX_DISTRIBUTION:
        raise failed(f"{path}: too much data")
    return [(leading_integer(word) + 0x8000 & 0xFFFF) - 0x8000 for word in words]


class Netem(QdiscKind):
    """netem."""

    rows: list[Keyword] = [
        KindOption("limit*", "limit", units.size),
        _Numbers(
            "latency*|delay*",
            ("latency", "latency", _ticks),
            ("latency", "jitter", _ticks),
            ("latency", "TCA_NETEM_CORR/delay_corr", units.percent),
        ),
        CustomKeyword("loss*|drop*", _loss),
        Switch("ecn*", "TCA_NETEM_ECN", 1),
        _chance("reorder"),
        _chance("corrupt"),
        KindOption("gap*", "gap", U32),
        _Numbers("duplicate*", ("duplicate", "duplicate", units.percent), ("duplicate", "dup_corr", units.percent)),
        CustomKeyword("distribution*", _distribution),
        _Numbers(
            "rate*",
            ("rate", "rate", units.rate64),
            ("-rate", "TCA_NETEM_RATE/packet_overhead", signed),
            ("rate", "TCA_NETEM_RATE/cell_size", U32),
            ("-rate", "TCA_NETEM_RATE/cell_overhead", signed),
        ),
        CustomKeyword("slot*", _slot),
    ]

    def build(self, record: Record, args: OptionArgs) -> Any:
        options = {"limit": 1000, **record}
        reorders = options.get("TCA_NETEM_REORDER", {}).get("probability")
        wrong = {
            "reordering not possible without specifying some delay": reorders and not options.get("latency"),
            "gap specified without reorder probability": options.get("gap") and not reorders,
            "ecn requested without loss model": "TCA_NETEM_ECN" in options
            and not (options.get("loss") or "TCA_NETEM_LOSS" in options),
            "distribution specified but no latency and jitter values": "TCA_NETEM_DELAY_DIST" in options
            and not (options.get("latency") and options.get("jitter")),
        }
        for sentence, is_wrong in wrong.items():
            if is_wrong:
                raise failed(f"{sentence}\n{self.usage}")
        if reorders:
            options["gap"] = options.get("gap") or 1
        duplicates = options.pop("dup_corr", 0)
        if any("correlation" in options.get(f"TCA_NETEM_{name}", {}) for name in ("REORDER", "CORRUPT")):
            options.setdefault("TCA_NETEM_CORR", {})
        if "TCA_NETEM_CORR" in options:
            options["TCA_NETEM_CORR"]["dup_corr"] = duplicates
        rate = options.pop("rate", None)
        if rate is not None:
            options.setdefault("TCA_NETEM_RATE", {})["rate"] = min(rate, uapi.UINT32_MAX)
            if rate >= LARGE:
                options["TCA_NETEM_RATE64"] = rate
        return options

    def fields(self, options: Body, ip: TcContext) -> Iterable[OutputField]:
        correlations = options.get("TCA_NETEM_CORR", {})
        yield field("limit", options["limit"], "limit %d", ip)
        if options["latency"]:
            yield nest("delay", _delay_fields(options, correlations.get("delay_corr", 0)))
        if options["loss"]:
            yield nest("loss-random", _chances("loss", options["loss"], correlations.get("loss_corr", 0)))
        for key, name, start, names in (
            ("NETEM_LOSS_GI", "loss-state", " loss state p13", ("p13", "p31", "p32", "p23", "p14")),
            ("NETEM_LOSS_GE", "loss-gemodel", " loss gemodel p", ("p", "r", "1-h", "1-k")),
        ):
            if key in options.get("TCA_NETEM_LOSS", {}):
                model = dict(options["TCA_NETEM_LOSS"][key])
                if key == "NETEM_LOSS_GE":
                    model |= {"1-h": uapi.UINT32_MAX - model["h"], "1-k": model["k1"]}
                yield nest(name, [_share(one, model[one], start if one == names[0] else f" {one}") for one in names])
        if options["duplicate"]:
            yield nest("duplicate", _chances("duplicate", options["duplicate"], correlations.get("dup_corr", 0)))
        for key, name in (("TCA_NETEM_REORDER", "reorder"), ("TCA_NETEM_CORRUPT", "corrupt")):
            if options.get(key, {}).get("probability"):
                yield nest(name, _chances(name, options[key]["probability"], options[key]["correlation"]))
        if options.get("TCA_NETEM_RATE", {}).get("rate"):
            yield nest("rate", _rate_fields(options, ip))
        if "TCA_NETEM_SLOT" in options:
            yield nest("slot", _slot_fields(options["TCA_NETEM_SLOT"]))
        marks = bool(options.get("TCA_NETEM_ECN"))
        yield OutputField("ecn", marks, " ecn " if marks else "")
        yield OutputField("gap", options["gap"], f" gap {options['gap']}" if options["gap"] else "")


def _share(name: str, value: int, label: str) -> OutputField:
    return OutputField(name, JsonText(f"{value / uapi.UINT32_MAX:g}"), f"{label} {100.0 * value / uapi.UINT32_MAX:g}%")


def _correlated(value: int, shown: bool) -> OutputField:
    found = _share("correlation", value, "")
    return found if shown else OutputField(found.name, found.value)


def _chances(name: str, value: int, correlation: int) -> Iterator[OutputField]:
    yield _share(name, value, f" {name}")
    yield _correlated(correlation, bool(correlation))


def _delay_fields(options: Body, correlation: int) -> Iterator[OutputField]:
    for name, key, space in (("delay", "latency", " delay "), ("jitter", "jitter", "  ")):
        microseconds = units.microseconds_of(options[key])
        text = f"{space}{units.format_time(microseconds)}" if options[key] else ""
        yield OutputField(name, JsonText(f"{microseconds / 1e6:g}"), text)
    yield _correlated(correlation, bool(options["jitter"] and correlation))


def _number(name: str, value: int) -> OutputField:
    """Return a number that text shows unless it is 0."""
    return OutputField(name, value, f" {name} {value}" if value else "")


def _rate_fields(options: Body, ip: TcContext) -> Iterator[OutputField]:
    found = options["TCA_NETEM_RATE"]
    yield rate_field("rate", options.get("TCA_NETEM_RATE64") or found["rate"], " rate %s", ip)
    yield _number("packetoverhead", found["packet_overhead"])
    yield _number("cellsize", found["cell_size"])
    yield _number("celloverhead", found["cell_overhead"])


def _slot_fields(slot: Body) -> Iterator[OutputField]:
    if slot["dist_jitter"] > 0:
        names = (("distribution", "dist_delay", " slot distribution"), ("jitter", "dist_jitter", ""))
    else:
        names = (("min-delay", "min_delay", " slot"), ("max-delay", "max_delay", ""))
    for name, key, label in names:
        yield OutputField(name, JsonText(f"{slot[key] / 1e9:g}"), f"{label} {units.format_time64(slot[key])}")
    yield _number("packets", slot["max_packets"])
    yield _number("bytes", slot["max_bytes"])


KINDS = {"netem": Netem("netem", QDISCS["netem"])}
