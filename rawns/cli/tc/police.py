"""The policer, as an action and as an option of filters (tc-police(8))."""

from __future__ import annotations

from ... import uapi
from ..ip.grammar import CommandError, matches
from ..ip.keywords import CustomKeyword, read_known
from ..ip.render import OutputField
from . import units
from .action_kind import ActionKind, help_row
from .common import need, peek
from .output import control_fields, field, line_end, plain, size_field
from .rates import NO_SIZE, link_layer_field, put_rate
from .rows import KindOption, complaining
from .statistics import times
from .words import CONTROLS, control_of, link_layer, refused, take_control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Args, Body, Iterator, Keyword, Record, TcContext


class _Control(CustomKeyword):
    """The controls that police knows."""

    __slots__ = ()

    def fits(self, word: str) -> bool:
        return any(matches(word, name) for name, _ in CONTROLS if name not in ("jump", "trap"))


def _control(args: Args, record: Record) -> None:
    args.at -= 1
    record["action"] = take_control(args)


def _conform_exceed(args: Args, record: Record) -> None:
    need(args)
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


WRONG = 'Error: argument "WORD" is wrong: NAME'
ONCE = complaining(
    [
        KindOption("burst*|buffer|maxburst", "burst", units.size_and_cell, error=CommandError),
        KindOption("mtu|minburst", "mtu", units.size_and_cell, error=CommandError),
        KindOption("mpu", "mpu", units.size, error=CommandError),
        KindOption("rate", "rate", units.rate64, error=CommandError),
        KindOption("avrate", "avrate", units.rate, error=CommandError),
        KindOption("peakrate*", "peakrate", units.rate64, error=CommandError),
        KindOption("pkts_rate*", "pkts_rate", units.decimal(64), error=CommandError),
        KindOption("pkts_burst*", "pkts_burst", units.decimal(64), error=CommandError),
    ],
    WRONG,
    'Error: duplicate "NAME": "WORD" is the second value.',
    {"burst": "buffer/burst", "mtu": "mtu/minburst"},
)
ONCE[0].illegal = WRONG.replace("NAME", "buffer")
OFTEN = complaining(
    [
        KindOption("index*", "index", units.decimal(32), error=CommandError),
        KindOption("overhead*", "overhead", units.decimal(16), error=CommandError),
        KindOption("linklayer*", "linklayer", link_layer, error=CommandError),
    ],
    WRONG,
)
ROWS: list[Keyword] = [
    *(OFTEN[0], *ONCE[:6]),
    _Control("", _control),
    CustomKeyword("conform-exceed", _conform_exceed),
    *(*OFTEN[1:], *ONCE[6:]),
    help_row("police", "help"),
]


def police(args: Args) -> Record:
    """Return the attributes of a policer that the words describe.  Raises `CommandError`."""
    need(args)
    record: Record = {"action": uapi.TC_ACT_RECLASSIFY}
    if not read_known(ROWS, args, record):
        raise refused("")
    (buffer, cell), (mtu, peak_cell) = record.get("burst", NO_SIZE), record.get("mtu", NO_SIZE)
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
    parameters = {"index": record.get("index", 0), "action": record["action"], "mtu": mtu}
    options: Record = {"TCA_POLICE_TBF": parameters}
    for name, value, log in (("rate", rate, cell), ("peakrate", peak, peak_cell)):
        if value:
            key = f"TCA_POLICE_{name.upper()}"
            put_rate(options, name, value, log, record, mtu, ("TCA_POLICE_TBF", key, f"{key}64"), exact=True)
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
    yield from link_layer_field(found, ip)
    yield line_end(ip)
    yield field("ref", found["refcnt"], "\tref %d ", ip)
    yield field("bind", found["bindcnt"], "bind %d ", ip)
    if ip.stats and "TCA_POLICE_TM" in options:
        yield from times(options["TCA_POLICE_TM"], ip)
    yield line_end(ip)


class Police(ActionKind):
    """police as an action, which has an output of its own."""

    def parse(self, args: Args) -> Record:
        args.take()
        return police(args)

    def fields(self, options: Any, ip: TcContext) -> Iterator[OutputField]:
        return police_fields(options or {}, ip)
