"""u32: filters that compare words of a packet with masks (tc-u32(8))."""

from __future__ import annotations

from _socket import AF_INET, inet_ntop

from .... import uapi
from ...ip.arguments import U32, signed
from ...ip.keywords import CustomKeyword, Keyword, read_known
from ...ip.render import OutputField
from .. import units
from ..common import need, peek
from ..help_texts import FILTERS
from ..output import field, line_end, nest, plain
from ..rows import KindOption, ShownOnly, shown
from ..words import failed, swapped
from . import FilterKind, action_row, class_row, hardware_rows, link_row, police_row
from .u32_selectors import BUCKET, HEX, NEXT_HEADER, NODE, TABLE, Illegal, format_handle, handle, select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Any, Args, Body, Callable, Iterator, Record, TcContext

__all__ = ["KINDS"]


# -- words --------------------------------------------------------------------------------------------------------


def _or(complaint: str, function: Callable[[Args, Record], None]) -> Callable[[Args, Record], None]:
    """Return a function that ends the command with a complaint where another one raises `Illegal` or ValueError."""

    def take(args: Args, record: Record) -> None:
        need(args)
        try:
            function(args, record)
        except (Illegal, ValueError) as error:
            said = str(error) if isinstance(error, Illegal) else ""
            raise failed(f"{said}\n{complaint}" if said else complaint) from None

    return take


def _match(args: Args, record: Record) -> None:
    record.setdefault("keys", [])
    record["selects"] = True
    select(args, record)


class _Part(Keyword):
    """A part of the offset or of the hash key in a selector: its member and the bit that says so."""

    __slots__ = ("bit", "key", "read")

    def __init__(self, names: str, key: str, read: Callable[[str], Any], bit: int = 0) -> None:
        super().__init__(names)
        self.key, self.read, self.bit = key, read, bit

    def take(self, args: Args, record: Record) -> None:
        if self.key:
            record[self.key] = self.read(args.take())
        record["flags"] = record.get("flags", 0) | self.bit


def _multiple_of(number: int, sentence: str = "") -> Callable[[str], int]:
    """Return a parser of a C short that is a multiple of a number."""

    def read(text: str) -> int:
        if signed(text) % number:
            raise Illegal(sentence)
        return (signed(text) + 0x8000 & 0xFFFF) - 0x8000

    return read


OFFSET = [
    _Part("plus*", "off", lambda text: signed(text) & 0xFFFF, uapi.TC_U32_OFFSET),
    _Part("at*", "offoff", _multiple_of(2, 'offset "at" must be even'), uapi.TC_U32_VAROFFSET),
    _Part("mask*", "offmask", lambda text: units.decimal(16, 16)(text).to_bytes(2, "big"), uapi.TC_U32_VAROFFSET),
    _Part("shift*", "offshift", lambda text: signed(text) & 0xFF, uapi.TC_U32_VAROFFSET),
    _Part("eat*", "", str, uapi.TC_U32_EAT),
]
HASH_KEY = [
    _Part("mask*", "hmask", lambda text: HEX(text).to_bytes(4, "big")),
    _Part("at*", "hoff", _multiple_of(4)),
]


def _parts(rows: list[_Part]) -> Callable[[Args, Record], None]:
    def take(args: Args, record: Record) -> None:
        read_known(rows, args, record.setdefault("selector", {}))

    return take


def _divisor_of(text: str) -> int:
    value = U32(text)
    if not 0 < value <= 0x100 or value & (value - 1):
        raise ValueError(text)
    return value


def _link(text: str) -> int:
    value = handle(text)
    if value & NODE:
        raise failed('"link" must be a hash table.')
    return value


def _table(args: Args, record: Record) -> None:
    value = handle(args.take())
    if value & NODE and record.get("handled"):
        raise failed('"ht" must be a hash table.')
    before = record.get("table", 0)
    record["table"] = before & BUCKET | value & TABLE if record.get("sampled") else value & (TABLE | BUCKET)


def _sample(args: Args, record: Record) -> None:
    sample: Record = {"keys": []}
    select(args, sample)
    if len(sample["keys"]) != 1:
        raise failed('"sample" must contain exactly ONE key.')
    divisor = 0x100
    if peek(args) == "divisor":
        args.take()
        try:
            divisor = _divisor_of(args.take())
        except ValueError:
            raise failed('Illegal sample "divisor"') from None
        need(args)
    value, mask = (int.from_bytes(sample["keys"][0][name], "big") for name in ("val", "mask"))
    folded = (value & mask) >> ((mask & -mask).bit_length() - 1 if mask else 0)
    record["table"] = folded % divisor << 12 | record.get("table", 0) & TABLE
    record["sampled"] = True


# -- output -------------------------------------------------------------------------------------------------------


def _handle(name: str, value: int, form: str, ip: TcContext) -> OutputField:
    return field(name, format_handle(value, ip), form, ip)


def _table_and_class(value: Body, options: Body, ip: TcContext) -> Iterator[OutputField]:
    """Yield the hash table, unless this is one, and what stands before a class."""
    if "TCA_U32_HASH" in options and "TCA_U32_DIVISOR" not in options:
        table = options["TCA_U32_HASH"]
        yield OutputField("key_ht", f"{table >> 20:x}", f"key ht {table >> 20:x} ")
        yield OutputField("bkt", f"{table >> 12 & 0xFF:x}", f"bkt {table >> 12 & 0xFF:x} ")
    if "TCA_U32_SEL" in options and options["TCA_U32_SEL"]["flags"] & uapi.TC_U32_TERMINAL:
        yield plain("*" if "TCA_U32_CLASSID" in options else "terminal flowid ")


def _counted(options: Body, ip: TcContext) -> list[int]:
    """Return the counters of a filter; none if they are not shown."""
    counted: list[int] = options.get("TCA_U32_PCNT", []) if ip.stats else []
    return counted if len(counted) >= 2 else []


def _counters(selector: Body, options: Body, ip: TcContext) -> Iterator[OutputField]:
    for count, name, form in zip(_counted(options, ip), ("rule_hit", "success"), ("(rule hit %u ", "success %u)")):
        yield field(name, count, form, ip)


def _mark(mark: Body, options: Body, ip: TcContext) -> Iterator[OutputField]:
    yield line_end(ip)
    for name, key, label in (("fwmark_value", "val", "  mark "), ("fwmark_mask", "mask", "")):
        yield OutputField(name, f"{mark[key]:#x}" if mark[key] else "0", f"{label}0x{mark[key]:04x} ")
    yield field("fwmark_success", mark["success"], "(success %d)", ip)


def _input(name: str, options: Body, ip: TcContext) -> tuple[OutputField, ...]:
    return line_end(ip), field("input_dev", name, "  input dev %s", ip), line_end(ip)


def _selector(selector: Body, options: Body, ip: TcContext) -> Iterator[OutputField]:
    counted, protocol = _counted(options, ip), swapped(options["info"] & 0xFFFF)
    for number, key in enumerate(selector["keys"]):
        if ip.pretty and protocol in (uapi.ETH_P_IP, uapi.ETH_P_IPV6):
            yield from _named_key(key, protocol == uapi.ETH_P_IP, ip)
        else:
            yield _raw_key(key, ip)
        if number + 2 < len(counted):
            yield field("success", counted[number + 2], " (success %u ) ", ip)
    flags = selector["flags"]
    if flags & (uapi.TC_U32_VAROFFSET | uapi.TC_U32_OFFSET):
        yield line_end(ip)
        yield plain("    offset ")
        if flags & uapi.TC_U32_VAROFFSET:
            mask = int.from_bytes(selector["offmask"], "big")
            yield OutputField("offset_mask", f"{mask:x}", f"{mask:04x}")
            yield field("offset_shift", selector["offshift"], ">>%d ", ip)
            yield field("offset_off", selector["offoff"], "at %d ", ip)
        if selector["off"]:
            yield field("plus", selector["off"], "plus %d ", ip)
    if flags & uapi.TC_U32_EAT:
        yield plain(" eat ")
    if any(selector["hmask"]):
        mask = int.from_bytes(selector["hmask"], "big")
        yield line_end(ip)
        yield OutputField("hash_mask", f"{mask:x}", f"    hash mask {mask:08x} ")
        yield field("hash_off", selector["hoff"], "at %d ", ip)


def _raw_key(key: Body, ip: TcContext) -> OutputField:
    value, mask = (int.from_bytes(key[name], "big") for name in ("val", "mask"))
    start = NEXT_HEADER if key["offmask"] else ""
    shown = [line_end(ip), OutputField("value", f"{value:x}", f"  match {value:08x}")]
    shown += [OutputField("mask", f"{mask:x}", f"/{mask:08x} "), OutputField("offmask", start, f"at {start}")]
    return nest("match", [*shown, field("off", key["off"], "%d", ip)])


def _named_key(key: Body, is_ipv4: bool, ip: TcContext) -> Iterator[OutputField]:
    """Yield a key with ``-pretty``: as a field of the IP header if it is one, otherwise (in tc, too) nothing."""
    value, mask = (int.from_bytes(key[name], "big") for name in ("val", "mask"))
    host = ~mask & uapi.UINT32_MAX
    text = ""
    if key["off"] == 0 and mask == 0x0F000000:
        text = f"\n  match IP ihl {value >> 24}"
    elif key["off"] == 0 and mask == 0x00FF0000:
        text = f"\n  match IP dsfield {f'{value >> 16:#x}' if value >> 16 else '0'}"
    elif key["off"] == 8 and mask == 0x00FF0000:
        text = f"\n  match IP protocol {value >> 16}"
    elif key["off"] in (12, 16) and not host & (host + 1):
        way = "src" if key["off"] == 12 else "dst"
        text = f"\n  match IP {way} {inet_ntop(AF_INET, key['val'])}/{32 - host.bit_length()}"
    elif key["off"] == 20 and mask == 0xFFFF:
        text = f"match dport {value & 0xFFFF}" if is_ipv4 else f"\n  match sport {value & 0xFFFF}"
    elif key["off"] == 20 and mask == 0xFFFF0000:
        text = f"\n  match sport {value >> 16}" if is_ipv4 else f"match dport {value >> 16}"
    elif key["off"] == 20 and mask == 0xFFFFFFFF:
        low, high = ("dport", "sport") if is_ipv4 else ("sport", "dport")
        text = f"\n  match {low} {value & 0xFFFF}, match {high} {value >> 16}"
    yield plain(text.replace("\n", "\\") if ip.oneline else text)


class U32Filter(FilterKind):
    """u32."""

    rows = [
        shown("handle", "fh %s ", _handle, label="fh", hidden=(0,)),
        ShownOnly("handle", lambda value, options, ip: (field("order", value & NODE, "order %d ", ip),) if value & NODE else ()),
        CustomKeyword("match*", _or('Illegal "match"', _match)),
        CustomKeyword("offset*", _or('Illegal "offset"', _parts(OFFSET))),
        CustomKeyword("hashkey*", _or('Illegal "hashkey"', _parts(HASH_KEY))),
        KindOption("divisor*", "TCA_U32_DIVISOR", _divisor_of, field, "ht divisor %d ", label="ht_divisor"),
        ShownOnly("", _table_and_class),
        class_row("TCA_U32", form="flowid %s "),
        KindOption("order*", "order", U32),
        KindOption("link", "TCA_U32_LINK", _link, _handle, "link %s "),
        CustomKeyword("ht", _or('Illegal "ht"', _table)),
        CustomKeyword("sample", _or('Illegal "sample"', _sample)),
        *hardware_rows("TCA_U32", "", " "),
        ShownOnly("TCA_U32_SEL", _counters),
        ShownOnly("TCA_U32_MARK", _mark),
        ShownOnly("TCA_U32_SEL", _selector),
        police_row("TCA_U32"),
        link_row("TCA_U32"),
        ShownOnly("TCA_U32_INDEV", _input),
        action_row("TCA_U32"),
    ]

    def handle(self, text: str) -> tuple[int, Record]:
        try:
            return handle(text), {"handled": True}
        except ValueError:
            raise failed("Illegal filter ID") from None

    def build(self, options: Record, record: Record) -> Any:
        own = {key: options.pop(key, None) for key in ("keys", "selector", "selects", "order", "table", "sampled", "handled")}
        if own["order"]:
            node = record.get("tcm_handle", 0) & NODE
            if node and own["order"] != node:
                raise failed('"order" contradicts "handle"')
            record["tcm_handle"] = record.get("tcm_handle", 0) | own["order"]
        if own["table"]:
            options["TCA_U32_HASH"] = own["table"]
        if own["selects"]:
            selector = {**(own["selector"] or {}), "keys": own["keys"]}
            if any(key in options for key in ("TCA_U32_CLASSID", "TCA_U32_ACT", "TCA_U32_POLICE")):
                selector["flags"] = selector.get("flags", 0) | uapi.TC_U32_TERMINAL
            options["TCA_U32_SEL"] = selector
        self.check_flags(options)
        return options


KINDS = {"u32": U32Filter("u32", "TCA_U32", FILTERS["u32"])}
