"""Disciplines that share a link fairly between flows, or keep its queue short: fq, fq_codel and codel."""

from __future__ import annotations

from .... import uapi
from ....rtnl.tc import FQ_CODEL_CLASS
from ...ip.arguments import U8, U32
from ...ip.keywords import CustomKeyword
from ...ip.render import NULL, OutputField
from .. import units
from ..help_texts import QDISCS
from ..output import field, line_end, rate_field, size_field, time64_field, time_field, word_field
from ..rows import LINE, KindOption, ShownOnly, Switch, numbers, option_fields, shown
from ..words import failed
from . import QdiscKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Any, Args, Body, Iterable, Iterator, Keyword, OptionArgs, Record, TcContext

__all__ = ["KINDS"]
ALL = uapi.UINT32_MAX


def _bucket_log(text: str) -> int:
    return (U32(text) - 1).bit_length() if U32(text) else -1


def _buckets(label: str, value: int, form: str, ip: TcContext) -> OutputField:
    return field(label, 1 << (value & 31), form, ip)


def _timer_slack(text: str) -> int:
    value = units.time64(text)
    if not 0 <= value <= ALL:
        raise failed('Illegal (out of range) "timer_slack"')
    return value


DROPS = numbers(" pkts_too_long?", " alloc_errors=allocation_errors?", " horizon_drops?", "  horizon_caps?")


def _drops(value: Body, body: Body, ip: TcContext) -> list[OutputField]:
    found = list(option_fields(DROPS, body, ip))
    return [line_end(ip), *found] if found else []


def _delay(value: int, body: Body, ip: TcContext) -> Iterator[OutputField]:
    if value > 0:
        yield time64_field("next_packet_delay", value, " next_packet_delay %s", ip)


class Fq(QdiscKind):
    """fq."""

    padded = True
    counters = (
        *numbers("  flows"),
        shown("inactive_flows", " (inactive %u", label="inactive"),
        shown("throttled_flows", " throttled %u)", label="throttled"),
        ShownOnly("time_next_delayed_flow", _delay),
        LINE,
        *numbers("  gc=gc_flows", " highprio=highprio_packets", " retrans=tcp_retrans?", " throttled"),
        shown("unthrottle_latency_ns", " latency %s", time64_field, label="latency", hidden=(0,)),
        *numbers(" ce_mark?", " flows_plimit?"),
        ShownOnly("", _drops),
    )
    rows = [
        KindOption("limit", "TCA_FQ_PLIMIT", U32, field, "limit %up "),
        KindOption("flow_limit", "TCA_FQ_FLOW_PLIMIT", U32, field, "flow_limit %up "),
        KindOption("buckets", "TCA_FQ_BUCKETS_LOG", _bucket_log, _buckets, "buckets %u "),
        KindOption("orphan_mask", "TCA_FQ_ORPHAN_MASK", U32, field, "orphan_mask %u ", illegal='Illegal "initial_quantum"'),
        Switch("pacing", "TCA_FQ_RATE_ENABLE", 1),
        Switch("nopacing", "TCA_FQ_RATE_ENABLE", 0, show=word_field("pacing", False), form="nopacing ", hidden=(1,)),
        KindOption("quantum", "TCA_FQ_QUANTUM", U32, size_field, "quantum %s "),
        KindOption("initial_quantum", "TCA_FQ_INITIAL_QUANTUM", U32, size_field, "initial_quantum %s "),
        KindOption("maxrate", "TCA_FQ_FLOW_MAX_RATE", units.rate, rate_field, "maxrate %s ", (ALL,), shares=True),
        KindOption("defrate", "TCA_FQ_FLOW_DEFAULT_RATE", units.rate, rate_field, "defrate %s ", (0,), shares=True),
        KindOption("low_rate_threshold", "TCA_FQ_LOW_RATE_THRESHOLD", units.rate, rate_field, "low_rate_threshold %s ", (0,)),
        KindOption("refill_delay", "TCA_FQ_FLOW_REFILL_DELAY", units.time, time_field, "refill_delay %s "),
        KindOption("ce_threshold", "TCA_FQ_CE_THRESHOLD", units.time, time_field, "ce_threshold %s ", (ALL,)),
        KindOption("timer_slack", "TCA_FQ_TIMER_SLACK", _timer_slack, time64_field, "timer_slack %s "),
        KindOption("horizon", "TCA_FQ_HORIZON", units.time, time_field, "horizon %s "),
        Switch("horizon_cap", "TCA_FQ_HORIZON_DROP", 0, show=word_field("horizon_cap", NULL), form="horizon_cap ", hidden=(1,)),
        Switch(
            "horizon_drop", "TCA_FQ_HORIZON_DROP", 1, show=word_field("horizon_drop", NULL), form="horizon_drop ", hidden=(0,)
        ),
    ]

    def build(self, record: Record, args: OptionArgs) -> Any:
        return {key: value for key, value in record.items() if value >= 0}


def _thresholds(prefix: str) -> list[Keyword]:
    return [
        KindOption("target", f"{prefix}_TARGET", units.time, time_field, "target %s "),
        KindOption("ce_threshold", f"{prefix}_CE_THRESHOLD", units.time, time_field, "ce_threshold %s "),
    ]


def _marks(prefix: str) -> list[Keyword]:
    return [
        Switch("ecn", f"{prefix}_ECN", 1, show=word_field("ecn", True), form="ecn ", hidden=(0,)),
        Switch("noecn", f"{prefix}_ECN", 0),
    ]


def _selector(args: Args, record: Record) -> None:
    head, slash, tail = args.take().partition("/")
    if not slash:
        raise failed('Missing mask for "ce_threshold_selector"')
    for key, text, name in (("MASK", tail, "mask for "), ("SELECTOR", head, "")):
        try:
            record[f"TCA_FQ_CODEL_CE_THRESHOLD_{key}"] = U8(text)
        except ValueError:
            raise failed(f'Illegal {name}"ce_threshold_selector"') from None


def _selector_fields(value: Body, options: Body, ip: TcContext) -> Iterator[OutputField]:
    values = [options.get(f"TCA_FQ_CODEL_CE_THRESHOLD_{name}", 0) for name in ("SELECTOR", "MASK")]
    if any(values):
        for name, one, form in zip(("selector", "mask"), values, ("ce_threshold_selector %s", "/%s ")):
            yield OutputField(f"ce_threshold_{name}", one, form % (f"{one:#x}" if one else "0"))


def _drop_next(name: str, value: int, form: str, ip: TcContext) -> OutputField:
    return OutputField(name, value, f" drop_next {'-' if value < 0 else ''}{units.format_time(abs(value))}")


def _dropping(value: int, body: Body, ip: TcContext) -> Iterator[OutputField]:
    return option_fields((DROPPING, DROP_NEXT) if value else (), body, ip)


LATENCY = shown("ldelay", " ldelay %s", time_field)
DROPPING = shown("dropping", " dropping", word_field("dropping", True), hidden=(0,))
DROP_NEXT = shown("drop_next", " drop_next %s", _drop_next)


UNSET = {"_CE_THRESHOLD": ALL, "_MEMORY_LIMIT": ALL, "_ECN": -1, "_MASK": -1, "_SELECTOR": -1}


class Codel(QdiscKind):
    """codel.  What tc takes for "not given" is not sent: as a rule 0."""

    padded = True
    counters: tuple[Any, ...] = (
        *numbers("  count", " lastcount"),
        *(LATENCY, DROPPING, DROP_NEXT, LINE),
        *numbers("  maxpacket", " ecn_mark", " drop_overlimit", " ce_mark?"),
    )
    rows = [
        KindOption("limit", "TCA_CODEL_LIMIT", U32, field, "limit %up "),
        *_thresholds("TCA_CODEL"),
        KindOption("interval", "TCA_CODEL_INTERVAL", units.time, time_field, "interval %s "),
        *_marks("TCA_CODEL"),
    ]

    def build(self, record: Record, args: OptionArgs) -> Any:
        unset = {key: next((value for end, value in UNSET.items() if key.endswith(end)), 0) for key in record}
        found = {key: value for key, value in record.items() if value != unset[key]}
        if found.get("TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR") == 0xFF:
            del found["TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR"], found["TCA_FQ_CODEL_CE_THRESHOLD_MASK"]
        return found


class FqCodel(Codel):
    """fq_codel."""

    counters = (
        *numbers("  maxpacket", " drop_overlimit", " new_flow_count", " ecn_mark"),
        *numbers(" ce_mark?", " memory_used=memory_usage?", " drop_overmemory?"),
        LINE,
        *numbers("  new_flows_len", " old_flows_len"),
    )
    class_counters = (*numbers("  deficit", " count", " lastcount"), LATENCY, ShownOnly("dropping", _dropping))
    rows = [
        KindOption("limit", "TCA_FQ_CODEL_LIMIT", U32, field, "limit %up "),
        KindOption("flows", "TCA_FQ_CODEL_FLOWS", U32, field, "flows %u "),
        KindOption("quantum", "TCA_FQ_CODEL_QUANTUM", U32, field, "quantum %u "),
        *_thresholds("TCA_FQ_CODEL"),
        CustomKeyword("ce_threshold_selector", _selector),
        ShownOnly("", _selector_fields),
        KindOption("interval", "TCA_FQ_CODEL_INTERVAL", units.time, time_field, "interval %s "),
        KindOption("memory_limit", "TCA_FQ_CODEL_MEMORY_LIMIT", units.size, size_field, "memory_limit %s "),
        *_marks("TCA_FQ_CODEL"),
        KindOption("drop_batch", "TCA_FQ_CODEL_DROP_BATCH_SIZE", U32, field, "drop_batch %u ", (0,)),
    ]

    def statistics(self, data: bytes, ip: TcContext) -> Iterable[OutputField]:
        if not any(data[:4]):
            return super().statistics(data[4:], ip)
        return self.counted(FQ_CODEL_CLASS, data[4:], self.class_counters, ip)


KINDS = {
    "fq": Fq("fq", QDISCS["fq"]),
    "fq_codel": FqCodel("fq_codel", QDISCS["fq_codel"]),
    "codel": Codel("codel", QDISCS["codel"]),
}
