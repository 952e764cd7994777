"""Words that disciplines, classes and filters have in common: estimators and size tables."""

from __future__ import annotations

from math import log

from ... import uapi
from ..ip.arguments import signed
from ..ip.context import complain
from ..ip.grammar import CommandError, duplicate, matches, wrong
from . import units
from .output import field, nest, plain
from .words import LINK_LAYERS, link_layer, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Args, Body, OutputField, Record, TcContext

QUARTER_SECOND = units.MICROSECONDS // 4
MAX_INTERVAL, MAX_LOG = 5, 31
MAX_KIND_BYTES, MAX_DEVICE_BYTES = 15, 15


def estimator(args: Any, record: Record) -> None:
    """Read ``INTERVAL TIME_CONSTANT`` into TCA_RATE.  Raises `CommandError`."""
    from .help_texts import ESTIMATOR

    times: list[int] = []
    for name in ("interval", "time constant"):
        word = args.take()
        if not times and "TCA_RATE" in record:
            raise duplicate("estimator", word)
        if matches(word, "help"):
            complain(ESTIMATOR)
        try:
            times.append(units.time(word))
        except ValueError:
            raise wrong(f"invalid estimator {name}", "estimator") from None
    interval = next((number for number in range(MAX_INTERVAL + 1) if times[0] <= QUARTER_SECOND << number), None)
    if interval is None:
        raise refused("Error: estimator parameters are out of range.")
    weight = next((one for one in range(1, MAX_LOG + 1) if times[0] / -log(1.0 - 1.0 / (1 << one)) > times[1]), MAX_LOG + 1) - 1
    if weight == 0 or weight >= MAX_LOG:
        raise refused("Error: estimator parameters are out of range.")
    if args.ip.raw:
        complain(f"[estimator i={interval - 2} e={weight}]")
    record["TCA_RATE"] = {"interval": interval - 2, "ewma_log": weight}


SIZE_WORDS = {"mtu": units.decimal(32), "mpu": units.decimal(32), "overhead": signed, "tsize": units.decimal(32)}
SIZE_COMPLAINTS = {"tsize": "invalid table size"}


def size_table(args: Args, record: Record) -> None:
    """Read the words of a size table into TCA_STAB.  Raises `CommandError`."""
    from .help_texts import STAB

    if not args:
        args.take()
    if matches(args.words[args.at], "help"):
        raise refused(STAB)
    spec: dict[str, int] = {}
    while args:
        name = next((name for name in (*SIZE_WORDS, "linklayer") if matches(args.words[args.at], name)), None)
        if name is None:
            break
        args.take()
        word = args.take()
        if spec.get(name):
            raise duplicate(name, word)
        try:
            spec[name] = SIZE_WORDS.get(name, link_layer)(word)
        except ValueError:
            raise wrong(SIZE_COMPLAINTS.get(name, f"invalid {name}"), name) from None
    if not (spec.get("linklayer", 0) >= uapi.TC_LINKLAYER_ETHERNET or spec.get("mpu") or spec.get("overhead")):
        raise CommandError("", exits=False)
    record["TCA_STAB"] = _size_table(spec)


def _size_table(spec: dict[str, int]) -> dict[str, Any]:
    """Return TCA_STAB: without a table if only the overhead is given."""
    kind, mpu = spec.get("linklayer", 0), spec.get("mpu", 0)
    if kind <= uapi.TC_LINKLAYER_ETHERNET and not mpu:
        return {"TCA_STAB_BASE": {key: value for key, value in spec.items() if key not in ("mtu", "tsize")}}
    spec["mtu"], spec["tsize"] = spec.get("mtu") or 2047, spec.get("tsize") or 512
    slots = spec["tsize"]
    if slots > 0x4000:
        raise refused("failed to calculate size table.")
    cell = next((number for number in range(32) if spec["mtu"] >> number <= slots - 1), 32)
    sizes = [units.link_size((number + 1) << cell, mpu, kind) for number in range(slots)]
    scale = max(max(sizes).bit_length() - 16, 0)
    base = {**spec, "cell_log": cell, "size_log": scale, "cell_align": -1}
    return {"TCA_STAB_BASE": base, "TCA_STAB_DATA": [size >> scale for size in sizes]}


def size_table_field(table: Body, ip: TcContext) -> OutputField:
    """Return a size table as it is shown."""
    base = table.get("TCA_STAB_BASE", {})
    shown = [plain(" ")]
    if base.get("linklayer"):
        shown.append(field("linklayer", LINK_LAYERS.get(base["linklayer"], "unknown"), "linklayer %s ", ip))
    for name, form in (("overhead", "%d"), ("mpu", "%u"), ("mtu", "%u"), ("tsize", "%u")):
        if base.get(name):
            shown.append(field(name, base[name], f"{name} {form} ", ip))
    return nest("stab", shown)


def shortened(word: str, size: int) -> str:
    """Return as many bytes of a word as tc keeps of it."""
    return word.encode("utf-8", "surrogateescape")[:size].decode("utf-8", "surrogateescape")


def peek(args: Args) -> str:
    """Return the next word; empty if there is none."""
    return args.words[args.at] if args else ""


def need(args: Args) -> None:
    """Raise `CommandError` if no word follows."""
    if not args:
        args.take()


def help_of(kind: str) -> CommandError:
    """Return the help of an action, at which tc ends even a batch."""
    from .help_texts import ACTIONS

    return CommandError(ACTIONS[kind])
