"""``encap`` of routes and next hops: what a packet is wrapped in (lightweight tunnels, `<linux/lwtunnel.h>`).

A type is one entry of `TYPES`: its number, the keywords of its header, and how it is shown.  To add one, add its entry
and its attributes in `rtnl`.
"""

from __future__ import annotations

import sys
from _socket import AF_INET, AF_INET6

from ... import uapi
from .arguments import U8, U32, address, number, unsigned64
from .grammar import FAILED, CommandError, garbage, wrong
from .keywords import CustomKeyword, FlagKeyword, Keyword, ValueKeyword
from .name_tables import tos_number
from .reads import bit
from .render import OutputField, OutputRow, fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, Callable, IpContext, Iterator, Record

    Show = Callable[[Body, IpContext], Iterator[OutputField]]

NO_MODE = 0xFFFFFFFF  # what iproute2 sends if there is none, for the kernel to refuse
MAX_LABEL = 0xFFFFF
MAX_LABELS = 16
MAX_SEGMENTS = 64
SEG6_MODES = ("inline", "encap", "l2encap", "encap.red", "l2encap.red")  # SEG6_IPTUN_MODE_*, <linux/seg6_iptunnel.h>
TUNNEL_CSUM, TUNNEL_KEY, TUNNEL_SEQ = 0x1, 0x4, 0x8  # TUNNEL_* in network order, <linux/if_tunnel.h>


def _address(family: int) -> Callable[[str], bytes]:
    return lambda text: address(text, family)[1]


def _ip_keywords(prefix: str, family: int, hops: str, tos: str) -> list[Keyword]:
    """Return the keywords of ``encap ip`` or ``encap ip6``, whose attributes differ in their prefix."""
    flags = f"{prefix}_FLAGS"
    return [
        ValueKeyword("id", f"{prefix}_ID", unsigned64, '"id" value is invalid\n'),
        ValueKeyword("dst", f"{prefix}_DST", _address(family)),
        ValueKeyword("src", f"{prefix}_SRC", _address(family)),
        ValueKeyword(tos, f"{prefix}_{tos.upper()}", tos_number, f'"{tos}" value is invalid\n'),
        ValueKeyword(hops, f"{prefix}_{hops.upper()}", U8, f'"{hops}" value is invalid\n'),
        FlagKeyword("key", TUNNEL_KEY, flags),
        FlagKeyword("csum", TUNNEL_CSUM, flags),
        FlagKeyword("seq", TUNNEL_SEQ, flags),
    ]


IP_KEYWORDS = _ip_keywords("LWTUNNEL_IP", AF_INET, "ttl", "tos")
IP6_KEYWORDS = _ip_keywords("LWTUNNEL_IP6", AF_INET6, "hoplimit", "tc")


def _take_keywords(keywords: list[Keyword], args: Args) -> Body:
    """Read the words of a header up to the first that is not one of its own; each may be there once."""
    body: Body = {}
    seen = set()
    while args:
        keyword = next((one for one in keywords if one.fits(args.words[args.at])), None)
        if keyword is None:
            break
        args.at += 1
        if keyword in seen:
            raise garbage(keyword.name, keyword.name if isinstance(keyword, FlagKeyword) else args.take())
        seen.add(keyword)
        keyword.take(args, body)
    return body


def _labels(args: Args) -> Body:
    """Read ``LABEL[/LABEL...] [ttl TTL]``."""
    word = args.take()
    labels = word.split("/")
    try:
        numbers = [number(label) for label in labels]
    except ValueError:
        numbers = [-1]
    if len(numbers) > MAX_LABELS or not all(0 <= label <= MAX_LABEL for label in numbers):
        raise CommandError(f'Error: mpls address is expected rather than "{word}".', FAILED, exits=True)
    stack = b"".join(
        (label << 12 | (1 << 8 if place == len(numbers) - 1 else 0)).to_bytes(4, "big") for place, label in enumerate(numbers)
    )
    body: Body = {"MPLS_IPTUNNEL_DST": stack}
    return {**body, **_take_keywords([ValueKeyword("ttl", "MPLS_IPTUNNEL_TTL", U8, '"ttl" value is invalid\n')], args)}


def _key_id(text: str) -> int:
    try:
        return U32(text)
    except ValueError:
        return 0  # as iproute2 does


def _segment_list(args: Args, record: Record) -> None:
    word = args.take()
    if "mode" not in record:
        raise wrong(word, '"segs" provided before "mode"\n')
    record["segs"] = word


def _segments(args: Args) -> Body:
    """Read ``mode MODE segs ADDRESS[,ADDRESS...] [hmac ID]`` into a segment routing header (RFC 8754)."""
    keywords: list[Keyword] = [
        ValueKeyword("mode", "mode", SEG6_MODES.index, '"mode" value is invalid\n'),
        CustomKeyword("segs", _segment_list),
        ValueKeyword("hmac", "hmac", _key_id),
    ]
    record = _take_keywords(keywords, args)
    words = [word for word in record.get("segs", "").split(",") if word]
    if len(words) > MAX_SEGMENTS:
        raise wrong(record["segs"], "Segment list too long")
    mode = record.get("mode", NO_MODE)
    segments = [address(word, AF_INET6)[1] for word in words]
    if mode == SEG6_MODES.index("inline"):
        segments.append(bytes(16))  # the kernel puts the packet's own destination there
    hmac = record.get("hmac", 0)
    tail = b"\5\x26\0\0" + hmac.to_bytes(4, "big") + bytes(32) if hmac else b""  # TLV 5, 38 bytes long
    flags = 0x08 if hmac else 0
    size = 8 + 16 * len(segments) + len(tail)
    last = len(segments) - 1 & 0xFF
    header = bytes([0, (size >> 3) - 1, 4, last, last, flags, 0, 0])
    return {"SEG6_IPTUNNEL_SRH": mode.to_bytes(4, sys.byteorder) + header + b"".join(reversed(segments)) + tail}


def _show_ip(prefix: str, hops: str, tos: str) -> Show:
    rows = [OutputRow(f"{prefix}_{name.upper()}", name, f"{name} %s ") for name in ("id", "src", "dst", hops, tos)]
    flags = {"key": TUNNEL_KEY, "csum": TUNNEL_CSUM, "seq": TUNNEL_SEQ}
    rows += [OutputRow(f"{prefix}_FLAGS", name, f"{name} ", bit(mask)) for name, mask in flags.items()]
    return lambda body, ip: fields(rows, body, ip)


def _show_labels(body: Body, ip: IpContext) -> Iterator[OutputField]:
    stack = body.get("MPLS_IPTUNNEL_DST", b"")
    labels = "/".join(str(int.from_bytes(stack[at : at + 4], "big") >> 12) for at in range(0, len(stack) - 3, 4))
    yield OutputField("dst", labels, f" {labels} ")
    if "MPLS_IPTUNNEL_TTL" in body:
        yield OutputField("ttl", body["MPLS_IPTUNNEL_TTL"], f"ttl {body['MPLS_IPTUNNEL_TTL']} ")


def _show_segments(body: Body, ip: IpContext) -> Iterator[OutputField]:
    data = body.get("SEG6_IPTUNNEL_SRH", b"")
    if len(data) < 12:
        return
    mode = int.from_bytes(data[:4], sys.byteorder)
    name = SEG6_MODES[mode] if mode < len(SEG6_MODES) else "<unknown>"
    yield OutputField("mode", name, f"mode {name} ")
    from _socket import inet_ntop

    count = min(data[8] + 1, (len(data) - 12) // 16)
    found = [inet_ntop(AF_INET6, data[12 + 16 * at : 28 + 16 * at]) for at in reversed(range(count))]
    shown = [segment for segment in found if not (name == "inline" and segment == "::")]
    yield OutputField("segs", shown, f"segs {len(found)} [ {' '.join(shown)} ] ")
    at = 12 + 16 * count
    if data[9] & 0x08 and len(data) >= at + 8:
        key = int.from_bytes(data[at + 4 : at + 8], "big")
        yield OutputField("hmac", key, f"hmac {key:X} ")


class Encapsulation:
    """One type of encapsulation: its number, how its words are read, and how it is shown."""

    __slots__ = ("number", "read", "show")

    def __init__(
        self, number: int, read: Callable[[Args], Body], show: Callable[[Body, IpContext], Iterator[OutputField]]
    ) -> None:
        self.number, self.read, self.show = number, read, show


TYPES = {
    "mpls": Encapsulation(uapi.LWTUNNEL_ENCAP_MPLS, _labels, _show_labels),
    "ip": Encapsulation(
        uapi.LWTUNNEL_ENCAP_IP, lambda args: _take_keywords(IP_KEYWORDS, args), _show_ip("LWTUNNEL_IP", "ttl", "tos")
    ),
    "ip6": Encapsulation(
        uapi.LWTUNNEL_ENCAP_IP6, lambda args: _take_keywords(IP6_KEYWORDS, args), _show_ip("LWTUNNEL_IP6", "hoplimit", "tc")
    ),
    "seg6": Encapsulation(uapi.LWTUNNEL_ENCAP_SEG6, _segments, _show_segments),
}
NAMES = ("mpls", "ip", "ila", "ip6", "seg6", "bpf", "seg6local", "rpl", "ioam6", "xfrm")  # LWTUNNEL_ENCAP_*, from 1 on
HELP = "Usage: ip route ... encap TYPE [ OPTIONS ] [...]\nmpls TYPE := "


def take(args: Args, record: Record) -> None:
    """Read ``encap TYPE HEADER`` into RTA_ENCAP_TYPE and RTA_ENCAP.  Raises `CommandError`."""
    word = args.take()
    if word == "help":
        raise CommandError("\n".join([HELP, *(f"{name}       " for name in NAMES[1:])]))
    if word not in TYPES:
        raise wrong(word, '"encap type" value is invalid\n')
    args.take()
    if not args:
        raise CommandError('Error: unexpected end of line after "encap"')
    args.at -= 1
    record["RTA_ENCAP_TYPE"], record["RTA_ENCAP"] = TYPES[word].number, TYPES[word].read(args)


def encapsulation(record: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield how a route's or next hop's encapsulation is shown."""
    kind, body = record.get("RTA_ENCAP_TYPE"), record.get("RTA_ENCAP")
    if kind is None or body is None:
        return
    name, found = next(
        ((name, one) for name, one in TYPES.items() if one.number == kind),
        (NAMES[kind - 1] if 0 < kind <= len(NAMES) else "unknown", None),
    )
    yield OutputField("encap", name, f" encap {name} ")
    if found is not None and isinstance(body, dict):
        yield from found.show(body, ip)
