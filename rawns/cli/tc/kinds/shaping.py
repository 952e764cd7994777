"""Disciplines that limit a rate: tbf, and htb with its classes."""

from __future__ import annotations

from .... import uapi
from ....rtnl.tc import XSTATS
from ...ip.grammar import CommandError
from ...ip.keywords import read
from ...ip.render import NULL, OutputField
from .. import units
from ..help_texts import QDISCS
from ..words import LINK_LAYERS, KindOption, RateOption, failed, field, link_layer, percent_rate, plain, rate_field, size_field
from . import QdiscKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Any, Body, Iterable, Iterator, Keyword, OptionArgs, Record, TcContext

__all__ = ["KINDS"]
LARGE = 1 << 32  # bytes per second: from here on a rate is in an attribute of its own
TBF_ILLEGAL = 'tbf: illegal value for "NAME": "WORD"'
U16, U32 = units.decimal(16), units.decimal(32)


class TbfOption(KindOption):
    """An option of tbf that may be given once; ``alias`` is what is said if it is given again."""

    __slots__ = ("alias",)

    def __init__(self, names: str, key: str, read: Any, alias: str = "") -> None:
        super().__init__(names, key, read)
        self.alias = alias or self.name

    def take(self, args: Any, record: Record) -> None:
        """Read the value."""
        name = args.words[args.at - 1] if self.name in ("burst", "mtu") else self.name
        word = args.take()
        given = record.get(self.key)
        if given and given != (0, -1):
            raise failed(f'tbf: duplicate "{self.alias}" specification')
        if self.key == "limit" and record.get("latency"):
            raise failed('tbf: specifying both "latency" and "limit" is not allowed')
        if self.key == "latency" and record.get("limit"):
            raise failed('tbf: specifying both "limit" and "/latency" is not allowed')
        try:
            by_share = "%" in word and "rate" in self.key
            record[self.key] = percent_rate(word, args.device) if by_share else self.read(word)
        except (ValueError, CommandError) as error:
            complaint = TBF_ILLEGAL.replace("NAME", name).replace("WORD", word)
            raise failed(f"{error.text}\n{complaint}" if isinstance(error, CommandError) else complaint) from None


class Tbf(QdiscKind):
    """tbf."""

    unknown = 'tbf: unknown parameter "WORD"'
    rows: list[Keyword] = [
        TbfOption("limit*", "limit", units.size),
        TbfOption("latency*", "latency", units.time),
        TbfOption("burst*|buffer|maxburst", "burst", units.size_and_cell, "buffer/burst/maxburst"),
        TbfOption("mtu|minburst", "mtu", units.size_and_cell, "mtu/minburst"),
        TbfOption("mpu", "mpu", units.size),
        TbfOption("rate", "rate", units.rate64),
        TbfOption("peakrate*", "peakrate", units.rate64),
        TbfOption("overhead*", "overhead", U16),
        KindOption("linklayer*", "linklayer", link_layer, illegal=TBF_ILLEGAL.replace("NAME", "linklayer")),
    ]

    def build(self, record: Record, args: OptionArgs) -> Any:
        given = {"rate": 0, "peakrate": 0, "limit": 0, "latency": 0, "mpu": 0, "overhead": 0, **record}
        (buffer, cell), (mtu, peak_cell) = record.get("burst", (0, -1)), record.get("mtu", (0, -1))
        self._check(given, buffer, mtu)
        limit = given["limit"]
        if not limit:
            pairs = [(given["rate"], buffer), *([(given["peakrate"], mtu)] if given["peakrate"] else [])]
            limit = int(min(rate * given["latency"] / units.MICROSECONDS + size for rate, size in pairs)) & uapi.UINT32_MAX
        rest = (mtu, given["mpu"], given["overhead"], given.get("linklayer", uapi.TC_LINKLAYER_ETHERNET))
        rate = min(given["rate"], uapi.UINT32_MAX)
        members, table = units.rate_table("rate", rate, cell, *rest)
        parameters = {**members, "limit": limit, "buffer": units.transmission_ticks(rate, buffer)}
        options: dict[str, Any] = {"TCA_TBF_PARMS": parameters, "TCA_TBF_BURST": buffer}
        if given["rate"] >= LARGE:
            options["TCA_TBF_RATE64"] = given["rate"]
        options["TCA_TBF_RTAB"] = table
        if given["peakrate"]:
            peak = min(given["peakrate"], uapi.UINT32_MAX)
            members, table = units.rate_table("peakrate", peak, peak_cell, *rest)
            parameters.update(members, mtu=units.transmission_ticks(peak, mtu))
            if given["peakrate"] >= LARGE:
                options["TCA_TBF_PRATE64"] = given["peakrate"]
            options.update(TCA_TBF_PBURST=mtu, TCA_TBF_PTAB=table)
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
        if "TCA_TBF_PARMS" not in options:
            return
        found = options["TCA_TBF_PARMS"]
        rate = options.get("TCA_TBF_RATE64", found["rate.rate"])
        peak = options.get("TCA_TBF_PRATE64", found["peakrate.rate"])
        yield rate_field("rate", rate, "rate %s ", ip)
        yield from _burst("burst", "burst", units.bytes_in(rate, found["buffer"]), found, "rate", ip)
        if ip.raw:
            yield OutputField("burst_raw", f"{found['buffer']:x}", f"[{found['buffer']:08x}] ")
        if peak:
            yield plain(f"peakrate {units.format_rate(peak, ip.iec)} ")
            if found["mtu"] or found["peakrate.mpu"]:
                yield from _burst("mtu", "minburst", units.bytes_in(peak, found["mtu"]), found, "peakrate", ip)
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
        yield from _link_layer(found, ip)


def _burst(details: str, name: str, size: int, found: Body, prefix: str, ip: TcContext) -> Iterator[OutputField]:
    """Yield a burst: with ``-details`` its cell and the least packet, too."""
    if not ip.details:
        yield size_field(name, size, f"{name} %s ", ip)
        return
    text = f"{units.format_size(size)}/{1 << (found[f'{prefix}.cell_log'] & 31)}"
    yield field(details, text, f"{details} %s ", ip)
    yield size_field("mpu", found[f"{prefix}.mpu"], "mpu %s ", ip)


def _link_layer(found: Body, ip: TcContext) -> Iterator[OutputField]:
    kind = found["rate.linklayer"] & 0xF
    if kind > uapi.TC_LINKLAYER_ETHERNET or ip.details:
        yield field("linklayer", LINK_LAYERS.get(kind, "unknown"), "linklayer %s ", ip)


# -- htb ----------------------------------------------------------------------------------------------------------


class _HtbOption(KindOption):
    """An option of htb; the complaint about its value names the word as it was typed if it has several names."""

    __slots__ = ()

    def take(self, args: Any, record: Record) -> None:
        name = args.words[args.at - 1] if "burst" in self.name else self.name
        word = args.take()
        try:
            record[self.key] = self.read(word)
        except ValueError:
            raise failed(f'Illegal "{name}"\n{QDISCS["htb"]}') from None


class _HtbRate(RateOption):
    """A rate of htb, which may be given once."""

    __slots__ = ()

    def __init__(self, names: str, key: str) -> None:
        super().__init__(names, key, units.rate64, illegal=f'Illegal "{key}"\n{QDISCS["htb"]}')

    def take(self, args: Any, record: Record) -> None:
        if record.get(self.key):
            args.take()
            raise failed(f'Double "{self.name}" spec')
        super().take(args, record)


class _HtbFlag(KindOption):
    __slots__ = ()

    def take(self, args: Any, record: Record) -> None:
        record[self.key] = True


def _debug(text: str) -> int:
    levels = 0
    for place, digit in enumerate(text[:16]):
        if not "0" <= digit <= "3":
            break
        levels |= int(digit) << 2 * place
    return levels


class Htb(QdiscKind):
    """htb."""

    rows: list[Keyword] = [
        _HtbOption("r2q*", "rate2quantum", U32),
        _HtbOption("default*", "defcls", units.decimal(32, 16)),
        _HtbOption("debug*", "debug", _debug),
        _HtbOption("direct_qlen*", "direct_qlen", U32),
        _HtbFlag("offload*", "offload", int),
    ]
    class_rows: list[Keyword] = [
        _HtbOption("prio*", "prio", U32),
        _HtbOption("mtu*", "mtu", U32),
        _HtbOption("mpu*", "mpu", U16),
        _HtbOption("overhead*", "overhead", U16),
        _HtbOption("linklayer*", "linklayer", link_layer),
        _HtbOption("quantum*", "quantum", U32),
        _HtbOption("burst*|buffer|maxburst", "burst", units.size_and_cell),
        _HtbOption("cburst*|cbuffer|cmaxburst", "cburst", units.size_and_cell),
        _HtbRate("ceil", "ceil"),
        _HtbRate("rate", "rate"),
    ]

    def _otherwise(self, word: str, args: Any, record: Record) -> None:
        raise failed(f'What is "{word}"?\n{self.usage}')  # "help", too

    def parse_class(self, args: OptionArgs) -> Any:
        return self.build_class(read(self.class_rows, args, {}, super()._otherwise), args)

    def build(self, record: Record, args: OptionArgs) -> Any:
        direct, offload = record.pop("direct_qlen", uapi.UINT32_MAX), record.pop("offload", False)
        options: dict[str, Any] = {"TCA_HTB_INIT": {"version": 3, "rate2quantum": 10, **record}}
        if direct != uapi.UINT32_MAX:
            options["TCA_HTB_DIRECT_QLEN"] = direct
        if offload:
            options["TCA_HTB_OFFLOAD"] = True
        return options

    def build_class(self, record: Record, args: OptionArgs) -> Any:
        rate = record.get("rate", 0)
        ceil = record.get("ceil", 0) or rate
        if not rate:
            raise failed('"rate" is required.')
        mtu = record.get("mtu", 1600)
        rest = (mtu, record.get("mpu", 0), record.get("overhead", 0), record.get("linklayer", uapi.TC_LINKLAYER_ETHERNET))
        parameters = {key: record[key] for key in ("prio", "quantum") if key in record}
        options: dict[str, Any] = {}
        tables = {}
        for word, key, value, name in (("burst", "buffer", rate, "rate"), ("cburst", "cbuffer", ceil, "ceil")):
            size, cell = record.get(word, (0, -1))
            size = size or value // units.HZ + mtu & uapi.UINT32_MAX
            members, tables[name] = units.rate_table(name, min(value, uapi.UINT32_MAX), cell, *rest)
            parameters.update(members)
            parameters[key] = units.transmission_ticks(value, size)
            if value >= LARGE:
                options[f"TCA_HTB_{name.upper()}64"] = value
        return {**options, "TCA_HTB_PARMS": parameters, "TCA_HTB_RTAB": tables["rate"], "TCA_HTB_CTAB": tables["ceil"]}

    def fields(self, options: Body, ip: TcContext) -> Iterable[OutputField]:
        if "TCA_HTB_PARMS" in options:
            yield from self._class(options, ip)
        if "TCA_HTB_INIT" in options:
            found = options["TCA_HTB_INIT"]
            default = f"{found['defcls']:#x}" if found["defcls"] else "0"
            yield field("r2q", found["rate2quantum"], "r2q %d", ip)
            yield OutputField("default", default, f" default {default}")
            yield field("direct_packets_stat", found["direct_pkts"], " direct_packets_stat %u", ip)
            if ip.details:
                yield field("ver", f"{found['version'] >> 16}.{found['version'] & 0xFFFF}", " ver %s", ip)
        if "TCA_HTB_DIRECT_QLEN" in options:
            yield field("direct_qlen", options["TCA_HTB_DIRECT_QLEN"], " direct_qlen %u", ip)
        if "TCA_HTB_OFFLOAD" in options:
            yield field("offload", NULL, " offload", ip)

    def _class(self, options: Body, ip: TcContext) -> Iterator[OutputField]:
        found = options["TCA_HTB_PARMS"]
        rate, ceil = (options.get(f"TCA_HTB_{name.upper()}64", found[f"{name}.rate"]) for name in ("rate", "ceil"))
        pieces = [] if found["level"] else [f"prio {found['prio']}", *([f"quantum {found['quantum']}"] if ip.details else [])]
        pieces.append(f"rate {units.format_rate(rate, ip.iec)}")
        if found["rate.overhead"]:
            pieces.append(f"overhead {found['rate.overhead']}")
        pieces.append(f"ceil {units.format_rate(ceil, ip.iec)}")
        pieces += [one.text.strip() for one in _link_layer(found, ip)]
        for word, key, value, name in (("burst", "buffer", rate, "rate"), ("cburst", "cbuffer", ceil, "ceil")):
            text = f"{word} {units.format_size(units.bytes_in(value, found[key]))}"
            if ip.details:
                text += f"/{1 << (found[f'{name}.cell_log'] & 31)} mpu {units.format_size(found[f'{name}.mpu'])}"
            pieces.append(text)
        if ip.details:
            pieces.append(f"level {found['level']}")
        if ip.raw:
            pieces.append(f"buffer [{found['buffer']:08x}] cbuffer [{found['cbuffer']:08x}]")
        yield plain("".join([f"{piece} " for piece in pieces]))

    def statistics(self, data: bytes, ip: TcContext) -> Iterable[OutputField]:
        if len(data) >= XSTATS["htb"].size:
            found = XSTATS["htb"].convert(data)
            yield plain(f" lended: {found['lends']} borrowed: {found['borrows']} giants: {found['giants']}\n")
            yield plain(f" tokens: {found['tokens']} ctokens: {found['ctokens']}\n")


KINDS = {"tbf": Tbf("tbf", QDISCS["tbf"]), "htb": Htb("htb", QDISCS["htb"])}
