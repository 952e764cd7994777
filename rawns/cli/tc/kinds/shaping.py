"""Disciplines that limit a rate: tbf, and htb with its classes."""

from __future__ import annotations

from .... import uapi
from ...ip.keywords import read
from ...ip.render import NULL, OutputField
from .. import units
from ..help_texts import QDISCS
from ..output import field, plain, rate_field, size_field
from ..rates import NO_SIZE, burst_fields, link_layer_field, put_rate
from ..rows import KindOption, ShownOnly, Switch, complaining, option_fields, shown
from ..words import failed, link_layer
from . import QdiscKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Any, Args, Body, Iterable, Iterator, OptionArgs, Record, TcContext

__all__ = ["KINDS"]
U16, U32 = units.decimal(16), units.decimal(32)
TBF_ILLEGAL = 'tbf: illegal value for "NAME": "WORD"'
BOTH = "tbf: specifying both %s is not allowed"
HTB_ILLEGAL = f'Illegal "NAME"\n{QDISCS["htb"]}'


class Tbf(QdiscKind):
    """tbf."""

    unknown = 'tbf: unknown parameter "WORD"'
    needs = "TCA_TBF_PARMS"
    rows = complaining(
        [
            KindOption("limit*", "limit", units.size, once={"latency": BOTH % '"latency" and "limit"'}),
            KindOption("latency*", "latency", units.time, once={"limit": BOTH % '"limit" and "/latency"'}),
            KindOption("burst*|buffer|maxburst", "burst", units.size_and_cell),
            KindOption("mtu|minburst", "mtu", units.size_and_cell),
            KindOption("mpu", "mpu", units.size),
            KindOption("rate", "rate", units.rate64, shares=True),
            KindOption("peakrate*", "peakrate", units.rate64, shares=True),
            KindOption("overhead*", "overhead", U16),
        ],
        TBF_ILLEGAL,
        'tbf: duplicate "NAME" specification',
        {"burst": "buffer/burst/maxburst", "mtu": "mtu/minburst"},
        typed=("burst", "mtu"),
    ) + complaining([KindOption("linklayer*", "linklayer", link_layer)], TBF_ILLEGAL)

    def build(self, record: Record, args: OptionArgs) -> Any:
        given = {"rate": 0, "peakrate": 0, "limit": 0, "latency": 0, **record}
        (buffer, cell), (mtu, peak_cell) = record.get("burst", NO_SIZE), record.get("mtu", NO_SIZE)
        self._check(given, buffer, mtu)
        bursts = [("rate", given["rate"], buffer, cell, "", "buffer")]
        if given["peakrate"]:
            bursts.append(("peakrate", given["peakrate"], mtu, peak_cell, "P", "mtu"))
        queues = [rate * given["latency"] / units.MICROSECONDS + size for _, rate, size, *_ in bursts]
        options: dict[str, Any] = {"TCA_TBF_PARMS": {"limit": given["limit"] or int(min(queues)) & uapi.UINT32_MAX}}
        for name, rate, size, log, letter, key in bursts:
            options[f"TCA_TBF_{letter}BURST"] = size
            keys = "TCA_TBF_PARMS", f"TCA_TBF_{letter or 'R'}TAB", f"TCA_TBF_{letter}RATE64"
            put_rate(options, name, rate, log, given, mtu, keys)[key] = units.transmission_ticks(min(rate, uapi.UINT32_MAX), size)
        return options

    def _check(self, given: Record, buffer: int, mtu: int) -> None:
        wrong = [
            (not given["rate"], 'the "rate" parameter is mandatory.'),
            (not buffer, 'the "burst" parameter is mandatory.'),
            (given["peakrate"] and not mtu, 'when "peakrate" is specified, "mtu" must also be specified.'),
            (not given["limit"] and not given["latency"], 'either "limit" or "latency" is required.'),
        ]
        said = [f"tbf: {sentence}" for is_wrong, sentence in wrong if is_wrong]
        if said:
            raise failed("\n".join([*said, self.usage]))

    def fields(self, options: Body, ip: TcContext) -> Iterable[OutputField]:
        if self.needs not in options:
            return
        found = options["TCA_TBF_PARMS"]
        rate = options.get("TCA_TBF_RATE64", found["rate.rate"])
        peak = options.get("TCA_TBF_PRATE64", found["peakrate.rate"])
        yield rate_field("rate", rate, "rate %s ", ip)
        yield from burst_fields(("burst", "burst"), rate, found["buffer"], found, "rate", ip)
        if ip.raw:
            yield OutputField("burst_raw", f"{found['buffer']:x}", f"[{found['buffer']:08x}] ")
        if peak:
            yield plain(f"peakrate {units.format_rate(peak, ip.iec)} ")
            if found["mtu"] or found["peakrate.mpu"]:
                yield from burst_fields(("mtu", "minburst"), peak, found["mtu"], found, "peakrate", ip)
                if ip.raw:
                    yield OutputField("mtu_raw", f"{found['mtu']:x}", f"[{found['mtu']:08x}] ")
        queues = [(one, ticks) for one, ticks in ((rate, found["buffer"]), (peak, found["mtu"])) if one]
        latency = max(
            [units.MICROSECONDS * (found["limit"] / one) - units.microseconds_of(ticks) for one, ticks in queues] or [-1]
        )
        if latency >= 0:
            yield OutputField("lat", int(latency), f"lat {units.format_time(int(latency) & uapi.UINT32_MAX)} ")
        if ip.raw or latency < 0:
            yield size_field("limit", found["limit"], "limit %s ", ip)
        if found["rate.overhead"]:
            yield field("overhead", found["rate.overhead"], "overhead %d ", ip)
        yield from link_layer_field(found, ip)


# -- htb ----------------------------------------------------------------------------------------------------------


def _debug(text: str) -> int:
    levels = 0
    for place, digit in enumerate(text[:16]):
        if not "0" <= digit <= "3":
            break
        levels |= int(digit) << 2 * place
    return levels


def _default(name: str, value: int, form: str, ip: TcContext) -> OutputField:
    return field(name, f"{value:#x}" if value else "0", form, ip)


def _version(name: str, value: int, form: str, ip: TcContext) -> OutputField:
    return field(name, f"{value >> 16}.{value & 0xFFFF}", form, ip)


def _counters(found: Body, body: Body, ip: TcContext) -> Iterator[OutputField]:
    yield plain(f" lended: {found['lends']} borrowed: {found['borrows']} giants: {found['giants']}\n")
    yield plain(f" tokens: {found['tokens']} ctokens: {found['ctokens']}\n")


class Htb(QdiscKind):
    """htb."""

    counters = (ShownOnly("", _counters),)
    rows = complaining(
        [
            KindOption("r2q*", "TCA_HTB_INIT/rate2quantum", U32, field, "r2q %d"),
            KindOption("default*", "TCA_HTB_INIT/defcls", units.decimal(32, 16), _default, " default %s"),
            KindOption("debug*", "TCA_HTB_INIT/debug", _debug),
            shown("TCA_HTB_INIT/direct_pkts", " direct_packets_stat %u", label="direct_packets_stat"),
            shown("TCA_HTB_INIT/version", " ver %s", _version, label="ver", only="details"),
            KindOption("direct_qlen*", "TCA_HTB_DIRECT_QLEN", U32, field, " direct_qlen %u"),
            Switch("offload*", "TCA_HTB_OFFLOAD", True, show=lambda *shown: field("offload", NULL, *shown[2:]), form=" offload"),
        ],
        HTB_ILLEGAL,
    )
    class_rows = complaining(
        [
            KindOption("prio*", "prio", U32),
            KindOption("mtu*", "mtu", U32),
            KindOption("mpu*", "mpu", U16),
            KindOption("overhead*", "overhead", U16),
            KindOption("linklayer*", "linklayer", link_layer),
            KindOption("quantum*", "quantum", U32),
            KindOption("burst*|buffer|maxburst", "burst", units.size_and_cell),
            KindOption("cburst*|cbuffer|cmaxburst", "cburst", units.size_and_cell),
            *[
                KindOption(name, name, units.rate64, shares=True, once={name: f'Double "{name}" spec'})
                for name in ("ceil", "rate")
            ],
        ],
        HTB_ILLEGAL,
        typed=("burst", "cburst"),
    )

    def _otherwise(self, word: str, args: Args, record: Record) -> None:
        raise failed(f'What is "{word}"?\n{self.usage}')  # "help", too

    def parse_class(self, args: OptionArgs) -> Any:
        return self.build_class(read(self.class_rows, args, {}, super()._otherwise), args)

    def build(self, record: Record, args: OptionArgs) -> Any:
        record["TCA_HTB_INIT"] = {"version": 3, "rate2quantum": 10, **record.get("TCA_HTB_INIT", {})}
        if record.get("TCA_HTB_DIRECT_QLEN") == uapi.UINT32_MAX:
            del record["TCA_HTB_DIRECT_QLEN"]
        return record

    def build_class(self, record: Record, args: OptionArgs) -> Any:
        rate = record.get("rate", 0)
        if not rate:
            raise failed('"rate" is required.')
        mtu = record.get("mtu", 1600)
        options: dict[str, Any] = {"TCA_HTB_PARMS": {key: record[key] for key in ("prio", "quantum") if key in record}}
        for word, key, value, name in (
            ("burst", "buffer", rate, "rate"),
            ("cburst", "cbuffer", record.get("ceil") or rate, "ceil"),
        ):
            size, cell = record.get(word, NO_SIZE)
            keys = "TCA_HTB_PARMS", f"TCA_HTB_{name[0].upper()}TAB", f"TCA_HTB_{name.upper()}64"
            parameters = put_rate(options, name, value, cell, record, mtu, keys)
            parameters[key] = units.transmission_ticks(value, size or value // units.HZ + mtu & uapi.UINT32_MAX)
        return options

    def fields(self, options: Body, ip: TcContext) -> Iterable[OutputField]:
        if "TCA_HTB_PARMS" in options:
            yield from self._class(options, ip)
        yield from option_fields(self.rows, options, ip)

    def _class(self, options: Body, ip: TcContext) -> Iterator[OutputField]:
        found = options["TCA_HTB_PARMS"]
        rate, ceil = (options.get(f"TCA_HTB_{name.upper()}64", found[f"{name}.rate"]) for name in ("rate", "ceil"))
        pieces = [] if found["level"] else [f"prio {found['prio']}", *([f"quantum {found['quantum']}"] if ip.details else [])]
        pieces.append(f"rate {units.format_rate(rate, ip.iec)}")
        if found["rate.overhead"]:
            pieces.append(f"overhead {found['rate.overhead']}")
        pieces.append(f"ceil {units.format_rate(ceil, ip.iec)}")
        pieces += [one.text.strip() for one in link_layer_field(found, ip)]
        for word, key, value, name in (("burst", "buffer", rate, "rate"), ("cburst", "cbuffer", ceil, "ceil")):
            pieces += [one.text.strip() for one in burst_fields((word, word), value, found[key], found, name, ip)]
        if ip.details:
            pieces.append(f"level {found['level']}")
        if ip.raw:
            pieces.append(f"buffer [{found['buffer']:08x}] cbuffer [{found['cbuffer']:08x}]")
        yield plain("".join([f"{piece} " for piece in pieces]))


KINDS = {"tbf": Tbf("tbf", QDISCS["tbf"]), "htb": Htb("htb", QDISCS["htb"])}
