"""The policer, as an action and as an option of filters (tc-police(8))."""

from __future__ import annotations

from ... import uapi
from ..ip.grammar import duplicate, matches, wrong
from ..ip.render import OutputField
from . import units
from .common import help_of, need, peek
from .statistics import times
from .words import (
    CONTROLS,
    LINK_LAYERS,
    control_fields,
    control_of,
    field,
    line_end,
    link_layer,
    plain,
    refused,
    size_field,
    take_control,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Args, Body, Callable, Iterator, TcContext

LARGE = 1 << 32
# Abbreviated names first, as tc looks them up; the last is the name in messages.
POLICE_WORDS: tuple[tuple[str, str, Callable[[str], Any], str], ...] = (
    ("index*", "index", units.decimal(32), "index"),
    ("burst*|buffer|maxburst", "burst", units.size_and_cell, "buffer/burst"),
    ("mtu|minburst", "mtu", units.size_and_cell, "mtu/minburst"),
    ("mpu", "mpu", units.size, "mpu"),
    ("rate", "rate", units.rate64, "rate"),
    ("avrate", "avrate", units.rate, "avrate"),
    ("peakrate*", "peakrate", units.rate64, "peakrate"),
    ("overhead*", "overhead", units.decimal(16), "overhead"),
    ("linklayer*", "linklayer", link_layer, "linklayer"),
    ("pkts_rate*", "pkts_rate", units.decimal(64), "pkts_rate"),
    ("pkts_burst*", "pkts_burst", units.decimal(64), "pkts_burst"),
)
ONCE = {"burst", "mtu", "mpu", "rate", "avrate", "peakrate", "pkts_rate", "pkts_burst"}


def police(args: Args, named: bool = False) -> dict[str, Any]:
    """Return the attributes of a policer; ``named`` says that its name is still to be read.  Raises `CommandError`."""
    if named:
        args.take()
    need(args)
    record: dict[str, Any] = {"action": uapi.TC_ACT_RECLASSIFY}
    count = 0
    while args:
        word = peek(args)
        row = next((one for one in POLICE_WORDS[:7] if _fits(word, one[0])), None)
        control = any(matches(word, name) for name, _ in CONTROLS if name not in ("jump", "trap"))
        if row is None and control:
            record["action"] = take_control(args)
        elif row is None and word == "conform-exceed":
            args.take()
            need(args)
            _conform_exceed(args, record)
        else:
            row = row or next((one for one in POLICE_WORDS[7:] if _fits(word, one[0])), None)
            if row is None:
                if word == "help":
                    raise help_of("police")
                break
            args.take()
            _police_value(args, record, row)
        count += 1
    if not count:
        raise refused("")
    return _police(record)


def _fits(word: str, names: str) -> bool:
    return any(matches(word, one[:-1]) if one.endswith("*") else word == one for one in names.split("|"))


def _police_value(args: Args, record: dict[str, Any], row: tuple[str, str, Callable[[str], Any], str]) -> None:
    _, key, read, name = row
    word = args.take()
    if key in ONCE and record.get(key) and record[key] != (0, -1):
        raise duplicate(name, word)
    try:
        record[key] = read(word)
    except ValueError:
        raise wrong(word, "buffer" if key == "burst" else key) from None


def _conform_exceed(args: Args, record: dict[str, Any]) -> None:
    head, slash, tail = peek(args).partition("/")
    if slash:
        exceed, conform = control_of(head, True), control_of(tail, True)
        if exceed is None or conform is None:
            raise refused("")
        args.take()
        record["action"], record["result"] = exceed, conform
        return
    record["action"] = take_control(args, True)
    if peek(args) == "/":
        args.take()
        need(args)
        record["result"] = take_control(args, True)


def _police(record: dict[str, Any]) -> dict[str, Any]:
    (buffer, cell), (mtu, peak_cell) = record.get("burst", (0, -1)), record.get("mtu", (0, -1))
    rate, peak, average, packets = (record.get(key, 0) for key in ("rate", "peakrate", "avrate", "pkts_rate"))
    wrongs = (
        (rate and average, ""),
        (
            not (rate or average or record.get("index") or mtu or packets),
            "'rate' or 'avrate' or 'mtu' or 'pkts_rate' MUST be specified.",
        ),
        (rate and not buffer and not average, "'burst' requires 'rate'."),
        (packets and not record.get("pkts_burst"), "'pkts_burst' requires 'pkts_rate'."),
        (packets and rate, "'rate' and 'pkts_rate' are not allowed in same action."),
        (peak and not rate, "'peakrate' requires 'rate'."),
        (peak and not mtu, "'mtu' is required, if 'peakrate' is requested."),
    )
    for is_wrong, sentence in wrongs:
        if is_wrong:
            raise refused(sentence)
    rest = (mtu, record.get("mpu", 0), record.get("overhead", 0), record.get("linklayer", uapi.TC_LINKLAYER_ETHERNET))
    parameters = {"index": record.get("index", 0), "action": record["action"], "mtu": mtu}
    options: dict[str, Any] = {"TCA_POLICE_TBF": parameters}
    for name, value, log, key in (("rate", rate, cell, "RATE"), ("peakrate", peak, peak_cell, "PEAKRATE")):
        if value:
            members, options[f"TCA_POLICE_{key}"] = units.rate_table(name, value, log, *rest)
            parameters.update(members)
            if value >= LARGE:
                options[f"TCA_POLICE_{key}64"] = value
    if rate:
        parameters["burst"] = units.transmission_ticks(rate, buffer)
    if average:
        options["TCA_POLICE_AVRATE"] = average
    if record.get("result"):
        options["TCA_POLICE_RESULT"] = record["result"]
    if packets:
        options["TCA_POLICE_PKTRATE64"] = packets
        options["TCA_POLICE_PKTBURST64"] = units.transmission_ticks(packets, record["pkts_burst"] & uapi.UINT32_MAX)
    return options


def police_fields(options: Body, ip: TcContext) -> Iterator[OutputField]:
    """Yield a policer as tc prints it, to its end."""
    yield OutputField("kind", "police")
    if "TCA_POLICE_TBF" not in options:
        return
    found = options["TCA_POLICE_TBF"]
    rate = options.get("TCA_POLICE_RATE64", found["rate.rate"])
    peak = options.get("TCA_POLICE_PEAKRATE64", found["peakrate.rate"])
    yield OutputField("index", found["index"], f" police 0x{found['index']:x} ")
    text = f"rate {units.format_rate(rate, ip.iec)} burst {units.format_size(units.bytes_in(rate, found['burst']))} "
    text += f"mtu {units.format_size(found['mtu'])} "
    text += f"[{found['burst']:08x}] " if ip.raw else ""
    text += f"peakrate {units.format_rate(peak, ip.iec)} " if peak else ""
    if "TCA_POLICE_AVRATE" in options:
        text += f"avrate {units.format_rate(options['TCA_POLICE_AVRATE'], ip.iec)} "
    yield plain(text)
    if "TCA_POLICE_PKTRATE64" in options and "TCA_POLICE_PKTBURST64" in options:
        packets = options["TCA_POLICE_PKTRATE64"]
        yield field("pkts_rate", packets, "pkts_rate %u ", ip)
        burst = units.bytes_in(packets, options["TCA_POLICE_PKTBURST64"] & uapi.UINT32_MAX)
        yield field("pkts_burst", burst, "pkts_burst %u ", ip)
    yield from control_fields(found["action"], "action ", "", ip)
    if "TCA_POLICE_RESULT" in options:
        yield from control_fields(options["TCA_POLICE_RESULT"], "/", " ", ip)
    else:
        yield plain(" ")
    yield size_field("overhead", found["rate.overhead"], "overhead %s ", ip)
    kind = found["rate.linklayer"] & 0xF
    if kind > uapi.TC_LINKLAYER_ETHERNET or ip.details:
        yield field("linklayer", LINK_LAYERS.get(kind, "unknown"), "linklayer %s ", ip)
    yield line_end(ip)
    yield field("ref", found["refcnt"], "\tref %d ", ip)
    yield field("bind", found["bindcnt"], "bind %d ", ip)
    if ip.stats and "TCA_POLICE_TM" in options:
        yield from times(options["TCA_POLICE_TM"], ip)
    yield line_end(ip)
