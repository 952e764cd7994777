"""``encap seg6``, ``encap seg6local`` and ``encap rpl`` of routes: lists of IPv6 segments, and what a router does at one.

The headers are those of RFC 8754 (segment routing) and RFC 6554 (RPL); the actions of ``seg6local`` are those of RFC 8986.
"""

from __future__ import annotations

import sys
from _socket import AF_INET, AF_INET6, inet_ntop

from ... import uapi
from .arguments import U8, U32, address
from .grammar import CommandError, wrong
from .keywords import ConstantKeyword, CustomKeyword, DeviceKeyword, Keyword, ValueKeyword, take_once
from .name_tables import named, table_number
from .render import JsonObject, OutputField, OutputGroup, OutputRow, device_name, fields, put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, IpContext, Iterable, Iterator, Record

NO_MODE = 0xFFFFFFFF  # what iproute2 sends if there is none, for the kernel to refuse
MAX_SEGMENTS = 64
SEG6_MODES = ("inline", "encap", "l2encap", "encap.red", "l2encap.red")  # SEG6_IPTUN_MODE_*, <linux/seg6_iptunnel.h>
SEG6_HEADER, RPL_HEADER = 4, 3  # types of routing headers
HMAC_FLAG, HMAC_SIZE = 0x08, 40
ACTIONS = (
    *("End", "End.X", "End.T", "End.DX2", "End.DX6", "End.DX4", "End.DT6", "End.DT4", "End.B6", "End.B6.Encaps", "End.BM"),
    *("End.S", "End.AS", "End.AM", "End.BPF", "End.DT46"),
)  # SEG6_LOCAL_ACTION_*, from 1 on
FLAVORS = ("psp", "usp", "usd", "next-csid")  # SEG6_LOCAL_FLV_OP_*, from 1 on
NEXT_CSID = 1 << uapi.SEG6_LOCAL_FLV_OP_NEXT_CSID


# -- headers ------------------------------------------------------------------------------------------------------


def _addresses(word: str) -> list[bytes]:
    """Return the addresses of a list with commas.  Raises `CommandError`."""
    words = [one for one in word.split(",") if one]
    if len(words) > MAX_SEGMENTS:
        raise wrong(word, "Segment list too long")
    return [address(one, AF_INET6)[1].ljust(16, b"\0") for one in words]


def _header(segments: list[bytes], hmac: int = 0) -> bytes:
    """Return a segment routing header; the kernel puts in the next header and the signature."""
    tail = b"\5\x26\0\0" + hmac.to_bytes(4, "big") + bytes(HMAC_SIZE - 8) if hmac else b""  # TLV 5, 38 bytes long
    last = len(segments) - 1 & 0xFF
    size = 8 + 16 * len(segments) + len(tail)
    start = bytes([0, (size >> 3) - 1, SEG6_HEADER, last, last, HMAC_FLAG if hmac else 0, 0, 0])
    return start + b"".join(reversed(segments)) + tail


def _segments(found: Iterable[bytes], ip: IpContext) -> Iterator[OutputField]:
    shown = [inet_ntop(AF_INET6, one) for one in found]
    words = "".join([put("%s ", one, ip, "inet6") for one in shown])
    yield OutputField("segs", shown, f"segs {len(shown)} [ {words}] ")


def _show_header(data: bytes, ip: IpContext) -> Iterator[OutputField]:
    """Yield the segments of a segment routing header, in the order of the path, and the key of its signature."""
    if len(data) < 8:
        return
    count = min(data[4] + 1, (len(data) - 8) // 16)
    yield from _segments((data[8 + 16 * at : 24 + 16 * at] for at in reversed(range(count))), ip)
    at = (data[1] + 1 << 3) - HMAC_SIZE
    if data[5] & HMAC_FLAG and 8 <= at <= len(data) - 8:
        key = int.from_bytes(data[at + 4 : at + 8], "big")
        yield OutputField("hmac", f"{key:#x}", f"hmac {key:X} ")


def _key_id(text: str) -> int:
    try:
        return U32(text)
    except ValueError:
        return 0  # as iproute2 does


# -- seg6 ---------------------------------------------------------------------------------------------------------


def _segment_list(args: Args, record: Record) -> None:
    word = args.take()
    if "mode" not in record:
        raise wrong(word, '"segs" provided before "mode"\n')
    record["segs"] = word


SEG6_KEYWORDS: list[Keyword] = [
    ValueKeyword("mode", "mode", SEG6_MODES.index, '"mode" value is invalid\n'),
    CustomKeyword("segs", _segment_list),
    ValueKeyword("hmac", "hmac", _key_id),
]


def read_seg6(args: Args) -> Body:
    """Read ``mode MODE segs ADDRESS[,ADDRESS...] [hmac ID]``.  Raises `CommandError`."""
    record = take_once(SEG6_KEYWORDS, args)
    mode, segments = record.get("mode", NO_MODE), _addresses(record.get("segs", ""))
    if mode == SEG6_MODES.index("inline"):
        segments.append(bytes(16))  # the kernel puts the packet's own destination there
    return {"SEG6_IPTUNNEL_SRH": mode.to_bytes(4, sys.byteorder) + _header(segments, record.get("hmac", 0))}


def show_seg6(body: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the fields of ``encap seg6``."""
    data = body.get("SEG6_IPTUNNEL_SRH", b"")
    if len(data) < 12:
        return
    mode = int.from_bytes(data[:4], sys.byteorder)
    name = SEG6_MODES[mode] if mode < len(SEG6_MODES) else "<unknown>"
    yield OutputField("mode", name, f"mode {name} ")
    yield from _show_header(data[4:], ip)


# -- rpl ----------------------------------------------------------------------------------------------------------


def read_rpl(args: Args) -> Body:
    """Read ``segs ADDRESS[,ADDRESS...]``.  Raises `CommandError`."""
    record = take_once([ValueKeyword("segs", "segs")], args)
    segments = _addresses(record.get("segs", "")) or [bytes(16)]
    start = bytes([0, 2 * len(segments) & 0xFF, RPL_HEADER, len(segments)]) + bytes(4)
    return {"RPL_IPTUNNEL_SRH": start + b"".join(reversed(segments))}


def show_rpl(body: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the fields of ``encap rpl``."""
    data = body.get("RPL_IPTUNNEL_SRH", b"")
    if len(data) >= 8:
        count = min(data[3], (len(data) - 8) // 16)
        yield from _segments((data[8 + 16 * at : 24 + 16 * at] for at in reversed(range(count))), ip)


# -- seg6local ----------------------------------------------------------------------------------------------------


def _flavors(args: Args, record: Record) -> None:
    """Read ``flavors NAME[,NAME...]``, and behind ``next-csid`` the lengths ``lblen BITS nflen BITS``."""
    word = args.take()
    names = [name for name in word.split(",") if name]
    if not word or len(set(names)) < len(names) or set(names) - set(FLAVORS):
        raise wrong(word, 'invalid "flavors" attribute\n')
    flavors: Body = {"SEG6_LOCAL_FLV_OPERATION": sum(1 << FLAVORS.index(name) + 1 for name in names)}
    if "next-csid" in names:
        for keyword in LENGTHS:
            if args and keyword.fits(args.words[args.at]):
                args.at += 1
                keyword.take(args, flavors)
    record["SEG6_LOCAL_FLAVORS"] = flavors


LENGTHS = [
    ValueKeyword("lblen", "SEG6_LOCAL_FLV_LCBLOCK_BITS", U8, '"locator-block length" value is invalid\n'),
    ValueKeyword("nflen", "SEG6_LOCAL_FLV_LCNODE_FN_BITS", U8, '"locator-node function length" value is invalid\n'),
]


def _take_header(args: Args, record: Record) -> None:
    """Read ``srh segs ADDRESS[,ADDRESS...] [hmac ID]``."""
    word = args.take()
    if word != "segs":
        raise wrong(word, 'missing "segs" attribute for srh\n')
    record["segs"] = args.take()
    if args and args.words[args.at] == "hmac":
        args.at += 1
        record["hmac"] = _key_id(args.take())


def _program(args: Args, record: Record) -> None:
    raise CommandError('"endpoint" is not supported by rawns: there is no BPF loader.')


LOCAL_KEYWORDS: list[Keyword] = [
    ValueKeyword("action", "SEG6_LOCAL_ACTION", lambda text: ACTIONS.index(text) + 1, '"action" value is invalid\n'),
    ValueKeyword("table", "SEG6_LOCAL_TABLE", table_number, "invalid table id\n"),
    ValueKeyword("vrftable", "SEG6_LOCAL_VRFTABLE", table_number, "invalid vrf table id\n"),
    ValueKeyword("nh4", "SEG6_LOCAL_NH4", lambda text: address(text, AF_INET)[1]),
    ValueKeyword("nh6", "SEG6_LOCAL_NH6", lambda text: address(text, AF_INET6)[1]),
    DeviceKeyword("iif", "SEG6_LOCAL_IIF"),
    DeviceKeyword("oif", "SEG6_LOCAL_OIF"),
    ConstantKeyword("count", "SEG6_LOCAL_COUNTERS", {f"SEG6_LOCAL_CNT_{name}": 0 for name in ("PACKETS", "BYTES", "ERRORS")}),
    CustomKeyword("flavors", _flavors),
    CustomKeyword("srh", _take_header),
    CustomKeyword("endpoint", _program),
]


def read_local(args: Args) -> Body:
    """Read ``action ACTION [OPTIONS] [count]``.  Raises `CommandError`."""
    body = take_once(LOCAL_KEYWORDS, args)
    action = body.get("SEG6_LOCAL_ACTION")
    if action is None:
        raise CommandError("Missing action type")
    if "segs" in body:
        segments = _addresses(body.pop("segs")) or [bytes(16)]
        if action != uapi.SEG6_LOCAL_ACTION_END_B6_ENCAP:
            segments.append(bytes(16))  # the kernel puts the packet's own destination there
        body["SEG6_LOCAL_SRH"] = _header(segments, body.pop("hmac", 0))
    return body


def _action_name(value: int, record: Body, ip: IpContext) -> str:
    return ("<unknown>", *ACTIONS)[value] if value <= len(ACTIONS) else "<invalid>"


def _show_srh(data: bytes, record: Body, ip: IpContext) -> Iterator[OutputField]:
    inner = JsonObject(_show_header(data, ip))
    yield OutputField("srh", inner, "".join(field.text for field in inner))


def _show_counters(found: Body, record: Body, ip: IpContext) -> Iterator[OutputField]:
    if ip.stats:
        counts = [(name.lower(), found.get(f"SEG6_LOCAL_CNT_{name}", 0)) for name in ("PACKETS", "BYTES", "ERRORS")]
        inner = JsonObject([OutputField(name, value) for name, value in counts])
        yield OutputField("stats64", inner, "".join(f"{name} {value} " for name, value in counts))


def _show_flavors(found: Body, record: Body, ip: IpContext) -> Iterator[OutputField]:
    flags = found.get("SEG6_LOCAL_FLV_OPERATION")
    if flags is None:
        return
    names = [name for number, name in enumerate(FLAVORS, 1) if flags & 1 << number]
    yield OutputField("flavors", names, f"flavors {','.join(names)} ")
    if flags & NEXT_CSID:
        yield from fields(LENGTH_ROWS, found, ip)


LENGTH_ROWS = (
    OutputRow("SEG6_LOCAL_FLV_LCBLOCK_BITS", "lblen", "lblen %s "),
    OutputRow("SEG6_LOCAL_FLV_LCNODE_FN_BITS", "nflen", "nflen %s "),
)
LOCAL_ROWS = (
    OutputRow("SEG6_LOCAL_ACTION", "action", "action %s ", _action_name),
    OutputGroup("SEG6_LOCAL_SRH", _show_srh),
    OutputRow("SEG6_LOCAL_TABLE", "table", "table %s ", named("rt_tables")),
    OutputRow("SEG6_LOCAL_VRFTABLE", "vrftable", "vrftable %s ", named("rt_tables")),
    OutputRow("SEG6_LOCAL_NH4", "nh4", "nh4 %s "),
    OutputRow("SEG6_LOCAL_NH6", "nh6", "nh6 %s "),
    OutputRow("SEG6_LOCAL_IIF", "iif", "iif %s ", device_name),
    OutputRow("SEG6_LOCAL_OIF", "oif", "oif %s ", device_name),
    OutputRow("SEG6_LOCAL_BPF", "endpoint", "endpoint %s ", lambda found, record, ip: found.get("SEG6_LOCAL_BPF_PROG_NAME")),
    OutputGroup("SEG6_LOCAL_COUNTERS", _show_counters),
    OutputGroup("SEG6_LOCAL_FLAVORS", _show_flavors),
)


def show_local(body: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the fields of ``encap seg6local``."""
    return fields(LOCAL_ROWS, body, ip) if "SEG6_LOCAL_ACTION" in body else iter(())
