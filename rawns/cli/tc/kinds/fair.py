"""Disciplines that share a link fairly between flows, or keep its queue short: fq, fq_codel and codel."""

from __future__ import annotations

from .... import uapi
from ....rtnl.tc import FQ_CODEL_CLASS, XSTATS
from ...ip.arguments import U8, U32
from ...ip.keywords import CustomKeyword
from ...ip.render import NULL, OutputField
from .. import units
from ..help_texts import QDISCS
from ..words import KindOption, Switch, failed, field, line_end, rate_field, size_field, time64_field, time_field
from . import QdiscKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Any, Args, Body, Container, Iterable, Iterator, Keyword, OptionArgs, Record, TcContext

__all__ = ["KINDS"]
ALL = uapi.UINT32_MAX


def word(name: str, value: Any) -> Any:
    """Return what shows an option of which only the word is shown."""
    return lambda label, number, form, ip: field(name, value, form, ip)


def counters(table: dict[str, str], body: Body, ip: TcContext, always: Container[str] = ()) -> Iterator[OutputField]:
    """Yield members of a struct, each with its format; zeros are left out, except for those in ``always``."""
    for name, form in table.items():
        if body[name] or name in always:
            yield field(name, body[name], form, ip)


def complete(kind: str, data: bytes) -> Body:
    """Return the statistics of a kind; what a shorter struct of another kernel lacks is 0."""
    return {**XSTATS[kind].defaults, **XSTATS[kind].unpack(data, 0, len(data), {}, None, ())}


def _bucket_log(text: str) -> int:
    return (U32(text) - 1).bit_length() if U32(text) else -1


def _buckets(label: str, value: int, form: str, ip: TcContext) -> OutputField:
    return field(label, 1 << (value & 31), form, ip)


def _timer_slack(text: str) -> int:
    value = units.time64(text)
    if not 0 <= value <= ALL:
        raise failed('Illegal (out of range) "timer_slack"')
    return value


class Fq(QdiscKind):
    """fq."""

    rows = [
        KindOption("limit", "TCA_FQ_PLIMIT", U32, field, "limit %up "),
        KindOption("flow_limit", "TCA_FQ_FLOW_PLIMIT", U32, field, "flow_limit %up "),
        KindOption("buckets", "TCA_FQ_BUCKETS_LOG", _bucket_log, _buckets, "buckets %u "),
        KindOption("orphan_mask", "TCA_FQ_ORPHAN_MASK", U32, field, "orphan_mask %u ", illegal='Illegal "initial_quantum"'),
        Switch("pacing", "TCA_FQ_RATE_ENABLE", 1),
        Switch("nopacing", "TCA_FQ_RATE_ENABLE", 0, show=word("pacing", False), form="nopacing ", hidden=(1,)),
        KindOption("quantum", "TCA_FQ_QUANTUM", U32, size_field, "quantum %s "),
        KindOption("initial_quantum", "TCA_FQ_INITIAL_QUANTUM", U32, size_field, "initial_quantum %s "),
        KindOption("maxrate", "TCA_FQ_FLOW_MAX_RATE", units.rate, rate_field, "maxrate %s ", (ALL,), shares=True),
        KindOption("defrate", "TCA_FQ_FLOW_DEFAULT_RATE", units.rate, rate_field, "defrate %s ", (0,), shares=True),
        KindOption("low_rate_threshold", "TCA_FQ_LOW_RATE_THRESHOLD", units.rate, rate_field, "low_rate_threshold %s ", (0,)),
        KindOption("refill_delay", "TCA_FQ_FLOW_REFILL_DELAY", units.time, time_field, "refill_delay %s "),
        KindOption("ce_threshold", "TCA_FQ_CE_THRESHOLD", units.time, time_field, "ce_threshold %s ", (ALL,)),
        KindOption("timer_slack", "TCA_FQ_TIMER_SLACK", _timer_slack, time64_field, "timer_slack %s "),
        KindOption("horizon", "TCA_FQ_HORIZON", units.time, time_field, "horizon %s "),
        Switch("horizon_cap", "TCA_FQ_HORIZON_DROP", 0, show=word("horizon_cap", NULL), form="horizon_cap ", hidden=(1,)),
        Switch("horizon_drop", "TCA_FQ_HORIZON_DROP", 1, show=word("horizon_drop", NULL), form="horizon_drop ", hidden=(0,)),
    ]

    def build(self, record: Record, args: OptionArgs) -> Any:
        return {key: value for key, value in record.items() if value >= 0}

    def statistics(self, data: bytes, ip: TcContext) -> Iterable[OutputField]:
        body = complete("fq", data)
        yield field("flows", body["flows"], "  flows %u", ip)
        yield field("inactive", body["inactive_flows"], " (inactive %u", ip)
        yield field("throttled", body["throttled_flows"], " throttled %u)", ip)
        if body["time_next_delayed_flow"] > 0:
            yield time64_field("next_packet_delay", body["time_next_delayed_flow"], " next_packet_delay %s", ip)
        yield line_end(ip)
        yield field("gc", body["gc_flows"], "  gc %u", ip)
        yield field("highprio", body["highprio_packets"], " highprio %u", ip)
        if body["tcp_retrans"]:
            yield field("retrans", body["tcp_retrans"], " retrans %u", ip)
        yield field("throttled", body["throttled"], " throttled %u", ip)
        if body["unthrottle_latency_ns"]:
            yield time64_field("latency", body["unthrottle_latency_ns"], " latency %s", ip)
        yield from counters({"ce_mark": " ce_mark %u", "flows_plimit": " flows_plimit %u"}, body, ip)
        body["alloc_errors"] = body["allocation_errors"]
        drops = {"pkts_too_long": " pkts_too_long %u", "alloc_errors": " alloc_errors %u"}
        drops |= {"horizon_drops": " horizon_drops %u", "horizon_caps": "  horizon_caps %u"}
        if any(body[name] for name in drops):
            yield line_end(ip)
            yield from counters(drops, body, ip)


def _thresholds(prefix: str) -> list[Keyword]:
    return [
        KindOption("target", f"{prefix}_TARGET", units.time, time_field, "target %s "),
        KindOption("ce_threshold", f"{prefix}_CE_THRESHOLD", units.time, time_field, "ce_threshold %s "),
    ]


def _marks(prefix: str) -> list[Keyword]:
    return [
        Switch("ecn", f"{prefix}_ECN", 1, show=word("ecn", True), form="ecn ", hidden=(0,)),
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


def _drop_next(value: int) -> OutputField:
    return OutputField("drop_next", value, f" drop_next {'-' if value < 0 else ''}{units.format_time(abs(value))}")


UNSET = {"_CE_THRESHOLD": ALL, "_MEMORY_LIMIT": ALL, "_ECN": -1, "_MASK": -1, "_SELECTOR": -1}


class Codel(QdiscKind):
    """codel.  What tc takes for "not given" is not sent: as a rule 0."""

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

    def statistics(self, data: bytes, ip: TcContext) -> Iterable[OutputField]:
        body = complete("codel", data)
        yield from counters({"count": "  count %u", "lastcount": " lastcount %u"}, body, ip, ("count", "lastcount"))
        yield time_field("ldelay", body["ldelay"], " ldelay %s", ip)
        if body["dropping"]:
            yield field("dropping", True, " dropping", ip)
        yield _drop_next(body["drop_next"])
        yield line_end(ip)
        last = {"maxpacket": "  maxpacket %u", "ecn_mark": " ecn_mark %u", "drop_overlimit": " drop_overlimit %u"}
        yield from counters(last, body, ip, last)
        yield from counters({"ce_mark": " ce_mark %u"}, body, ip)


class FqCodel(Codel):
    """fq_codel."""

    rows = [
        KindOption("limit", "TCA_FQ_CODEL_LIMIT", U32, field, "limit %up "),
        KindOption("flows", "TCA_FQ_CODEL_FLOWS", U32, field, "flows %u "),
        KindOption("quantum", "TCA_FQ_CODEL_QUANTUM", U32, field, "quantum %u "),
        *_thresholds("TCA_FQ_CODEL"),
        CustomKeyword("ce_threshold_selector", _selector),
        KindOption("interval", "TCA_FQ_CODEL_INTERVAL", units.time, time_field, "interval %s "),
        KindOption("memory_limit", "TCA_FQ_CODEL_MEMORY_LIMIT", units.size, size_field, "memory_limit %s "),
        *_marks("TCA_FQ_CODEL"),
        KindOption("drop_batch", "TCA_FQ_CODEL_DROP_BATCH_SIZE", U32, field, "drop_batch %u ", (0,)),
    ]

    def fields(self, options: Body, ip: TcContext) -> Iterable[OutputField]:
        for row in self.rows:
            if isinstance(row, KindOption):
                yield from row.fields(options, ip)
                continue
            values = [options.get(f"TCA_FQ_CODEL_CE_THRESHOLD_{name}", 0) for name in ("SELECTOR", "MASK")]
            if any(values):
                selector, mask = (f"{value:#x}" if value else "0" for value in values)
                yield OutputField("ce_threshold_selector", values[0], f"ce_threshold_selector {selector}")
                yield OutputField("ce_threshold_mask", values[1], f"/{mask} ")

    def statistics(self, data: bytes, ip: TcContext) -> Iterable[OutputField]:
        if any(data[:4]):
            yield from self._class_statistics(data, ip)
            return
        body = complete("fq_codel", data[4:])
        first = {"maxpacket": "  maxpacket %u", "drop_overlimit": " drop_overlimit %u", "new_flow_count": " new_flow_count %u"}
        first["ecn_mark"] = " ecn_mark %u"
        yield from counters(first, body, ip, first)
        body["memory_used"] = body["memory_usage"]
        more = {"ce_mark": " ce_mark %u", "memory_used": " memory_used %u", "drop_overmemory": " drop_overmemory %u"}
        yield from counters(more, body, ip)
        yield line_end(ip)
        last = {"new_flows_len": "  new_flows_len %u", "old_flows_len": " old_flows_len %u"}
        yield from counters(last, body, ip, last)

    def _class_statistics(self, data: bytes, ip: TcContext) -> Iterator[OutputField]:
        body = {**FQ_CODEL_CLASS.defaults, **FQ_CODEL_CLASS.unpack(data, 4, len(data), {}, None, ())}
        first = {"deficit": "  deficit %d", "count": " count %u", "lastcount": " lastcount %u"}
        yield from counters(first, body, ip, first)
        yield time_field("ldelay", body["ldelay"], " ldelay %s", ip)
        if body["dropping"]:
            yield field("dropping", True, " dropping", ip)
            yield _drop_next(body["drop_next"])


KINDS = {
    "fq": Fq("fq", QDISCS["fq"]),
    "fq_codel": FqCodel("fq_codel", QDISCS["fq_codel"]),
    "codel": Codel("codel", QDISCS["codel"]),
}
