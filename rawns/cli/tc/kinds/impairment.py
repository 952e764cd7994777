"""netem: delay, loss and other impairments (tc-netem(8))."""

from __future__ import annotations

import os

from .... import uapi
from ...ip.arguments import U32, leading_integer, signed
from ...ip.grammar import CommandError
from ...ip.keywords import CustomKeyword
from ...ip.render import JsonText, OutputField
from .. import units
from ..help_texts import QDISCS
from ..words import KindOption, Switch, failed, field, nest, percent_rate, rate_field
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


def _read(args: Args, read: Callable[[str], Any], name: str) -> Any:
    text = args.take()  # a missing word is an error of its own
    try:
        return read(text)
    except ValueError:
        raise failed(f'Illegal "{name}"') from None
    except CommandError as error:
        raise failed(f'{error.text}\nIllegal "{name}"') from None


def _ticks(text: str) -> int:
    microseconds = units.time(text)
    if int(microseconds * units.TICKS_PER_MICROSECOND) > uapi.UINT32_MAX:
        raise failed(f"Illegal {microseconds} time (too large)")
    return units.ticks_of(microseconds)


def _correlation(args: Args, record: Record, key: str, name: str) -> None:
    if _number_follows(args):
        record["TCA_NETEM_CORR"] = True
        record[key] = _read(args, units.percent, name)


def _delay(args: Args, record: Record) -> None:
    record["latency"] = _read(args, _ticks, "latency")
    if _number_follows(args):
        record["jitter"] = _read(args, _ticks, "latency")
        _correlation(args, record, "delay_corr", "latency")


def _random_loss(args: Args, record: Record) -> None:
    record["loss"] = _read(args, units.percent, "loss percent")
    _correlation(args, record, "loss_corr", "loss correlation")


def _loss(args: Args, record: Record) -> None:
    if record.get("loss") or "TCA_NETEM_LOSS" in record:
        raise failed('Illegal "duplicate loss argument\n"')
    if _number_follows(args):
        return _random_loss(args, record)
    word = args.take()
    if word == "random":
        _random_loss(args, record)
    elif word == "state":
        share = _read(args, units.fraction, "loss p13")
        state = {"p13": units.scaled(share), "p31": units.scaled(1.0 - share), "p32": 0, "p23": uapi.UINT32_MAX, "p14": 0}
        names = [(name, f"loss {name}") for name in ("p31", "p32", "p23", "p14")]
        record["TCA_NETEM_LOSS"] = {"NETEM_LOSS_GI": _further(args, state, names)}
    elif word == "gemodel":
        share = _read(args, units.fraction, "loss gemodel p")
        state = {"p": units.scaled(share), "r": units.scaled(1.0 - share), "h": 0, "k1": 0}
        names = [("r", "loss gemodel r"), ("h", "loss gemodel h"), ("k1", "loss gemodel k")]
        record["TCA_NETEM_LOSS"] = {"NETEM_LOSS_GE": _further(args, state, names)}
    else:
        raise failed(f"Unknown loss parameter: {word}")
    return None


def _further(args: Args, state: dict[str, int], names: list[tuple[str, str]]) -> dict[str, int]:
    """Read as many of some percentages as there are numbers; the kernel takes h for what the user calls 1-h."""
    for key, name in names:
        if not _number_follows(args):
            break
        value = _read(args, units.percent, name)
        state[key] = uapi.UINT32_MAX - value if key == "h" else value
    return state


def _chance(key: str, name: str) -> CustomKeyword:
    """Return the row of a probability, after which a correlation may follow."""

    def take(args: Args, record: Record) -> None:
        record[key] = chance = {"probability": _read(args, units.percent, name), "correlation": 0}
        if _number_follows(args):
            record["TCA_NETEM_CORR"] = True
            chance["correlation"] = _read(args, units.percent, name)

    return CustomKeyword(f"{name}*", take)


def _duplicate(args: Args, record: Record) -> None:
    record["duplicate"] = _read(args, units.percent, "duplicate")
    if _number_follows(args):
        record["dup_corr"] = _read(args, units.percent, "duplicate")


def _rate(args: Any, record: Record) -> None:
    rate = _read(args, lambda text: percent_rate(text, args.device) if "%" in text else units.rate64(text), "rate")
    found = {"rate": min(rate, uapi.UINT32_MAX)}
    if rate >= LARGE:
        record["TCA_NETEM_RATE64"] = rate
    for key, parse, signs in (("packet_overhead", signed, "-"), ("cell_size", U32, ""), ("cell_overhead", signed, "-")):
        if _number_follows(args, signs):
            found[key] = _read(args, parse, "rate")
    record["TCA_NETEM_RATE"] = found


def _slot(args: Args, record: Record) -> None:
    slot: dict[str, int] = {}
    if _number_follows(args):
        slot["min_delay"] = slot["max_delay"] = _read(args, units.time64, "slot min_delay")
        if _number_follows(args):
            slot["max_delay"] = _read(args, units.time64, "slot max_delay")
            if slot["max_delay"] < slot["min_delay"]:
                raise failed('Illegal "slot max_delay"')
    else:
        word = args.take()
        if word != "distribution":
            raise failed(f"Unknown slot parameter: {word}")
        record["TCA_NETEM_SLOT_DIST"] = distribution(args.take())
        slot["dist_delay"] = _read(args, units.time64, "slot delay")
        slot["dist_jitter"] = _read(args, units.time64, "slot jitter")
        if slot["dist_jitter"] <= 0:
            raise failed("Non-positive jitter")
    for key, word, parse in (("max_packets", "packets", signed), ("max_bytes", "bytes", units.size)):
        if args and args.words[args.at] and word.startswith(args.words[args.at]):
            args.take()
            if not args:
                raise failed(f'Illegal "slot {word}"')
            slot[key] = _read(args, parse, f"slot {word}")
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
        CustomKeyword("latency*|delay*", _delay),
        CustomKeyword("loss*|drop*", _loss),
        Switch("ecn*", "TCA_NETEM_ECN", 1),
        _chance("TCA_NETEM_REORDER", "reorder"),
        _chance("TCA_NETEM_CORRUPT", "corrupt"),
        KindOption("gap*", "gap", U32),
        CustomKeyword("duplicate*", _duplicate),
        CustomKeyword("distribution*", _distribution),
        CustomKeyword("rate*", _rate),
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
        correlations = {key: options.pop(key, 0) for key in ("delay_corr", "loss_corr", "dup_corr")}
        if options.pop("TCA_NETEM_CORR", False):
            options["TCA_NETEM_CORR"] = correlations
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
