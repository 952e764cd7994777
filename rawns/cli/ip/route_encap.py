"""``encap`` of routes and next hops: what a packet is wrapped in (lightweight tunnels, `<linux/lwtunnel.h>`).

A type is one entry of `TYPES`: its number, the keywords of its header, and how it is shown.  To add one, add its entry
and its attributes in `rtnl`.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6

from ... import uapi
from .arguments import U8, U32, address, label_text, unsigned64, within
from .grammar import CommandError, parsed, wrong
from .keywords import CustomKeyword, DeviceKeyword, FlagKeyword, Keyword, ValueKeyword, read_known, take_once
from .name_tables import tos_number
from .reads import bit, coloured_row, same
from .render import OutputField, OutputRow, device_name, fields
from .route_ioam import read_ila, read_ioam6, show_ila, show_ioam6
from .route_segments import read_local, read_rpl, read_seg6, show_local, show_rpl, show_seg6

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Args, Body, Callable, IpContext, Iterator, Record

    Show = Callable[[Body, IpContext], Iterator[OutputField]]

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


def _read_labels(args: Args) -> Body:
    """Read ``LABEL[/LABEL...] [ttl TTL]``."""
    body: Body = {"MPLS_IPTUNNEL_DST": address(args.take(), uapi.AF_MPLS)[1]}
    return {**body, **take_once([ValueKeyword("ttl", "MPLS_IPTUNNEL_TTL", U8, '"ttl" value is invalid\n')], args)}


def _program(args: Args, record: Record) -> None:
    raise CommandError('"encap bpf" with a program is not supported by rawns; only "headroom" is.')


def _help(text: str) -> CustomKeyword:
    def take_help(args: Args, record: Record) -> None:
        raise CommandError(text)

    return CustomKeyword("help", take_help)


def _headroom(args: Args, record: Record) -> None:
    value = parsed(U32, args.take(), "headroom is invalid\n")
    if not value:
        raise wrong(args.words[args.at - 1], "headroom is invalid\n")
    record.setdefault("LWT_BPF_XMIT_HEADROOM", value)


BPF_HELP = """Usage: ip route ... encap bpf [ in BPF ] [ out BPF ] [ xmit BPF ] [...]
BPF := obj FILE [ section NAME ] [ verbose ]"""
XFRM_HELP = "Usage: ip route ... encap xfrm if_id IF_ID [ link_dev LINK ]"
BPF_KEYWORDS = [CustomKeyword("in|out|xmit", _program), CustomKeyword("headroom", _headroom), _help(BPF_HELP)]
XFRM_KEYWORDS = [
    ValueKeyword("if_id", "LWT_XFRM_IF_ID", within(U32, 1), '"if_id" value is invalid\n'),
    DeviceKeyword("link_dev", "LWT_XFRM_LINK"),
    _help(XFRM_HELP),
]


def _read_bpf(args: Args) -> Body:
    body: Body = {}
    read_known(BPF_KEYWORDS, args, body)
    return body


def _read_xfrm(args: Args) -> Body:
    body = take_once(XFRM_KEYWORDS, args)
    if "LWT_XFRM_IF_ID" not in body:
        raise CommandError(XFRM_HELP)
    return body


def _show_ip(prefix: str, hops: str, tos: str) -> Show:
    colour = "inet6" if prefix.endswith("6") else "inet"
    rows = [OutputRow(f"{prefix}_ID", "id", "id %s ")]
    rows += [coloured_row(f"{prefix}_{name.upper()}", name, same, colour) for name in ("src", "dst")]
    rows += [OutputRow(f"{prefix}_{name.upper()}", name, f"{name} %s ") for name in (hops, tos)]
    flags = {"key": TUNNEL_KEY, "csum": TUNNEL_CSUM, "seq": TUNNEL_SEQ}
    rows += [OutputRow(f"{prefix}_FLAGS", name, f"{name} ", bit(mask)) for name, mask in flags.items()]
    return lambda body, ip: fields(rows, body, ip)


def _show_labels(body: Body, ip: IpContext) -> Iterator[OutputField]:
    labels = label_text(body.get("MPLS_IPTUNNEL_DST", b""))
    yield OutputField("dst", labels, f" {labels} ")
    if "MPLS_IPTUNNEL_TTL" in body:
        yield OutputField("ttl", body["MPLS_IPTUNNEL_TTL"], f"ttl {body['MPLS_IPTUNNEL_TTL']} ")


def _program_name(found: Body, record: Body, ip: IpContext) -> str:
    return str(found.get("LWT_BPF_PROG_NAME", ""))


BPF_ROWS = (
    *(OutputRow(f"LWT_BPF_{name.upper()}", name, f"{name} %s ", _program_name) for name in ("in", "out", "xmit")),
    OutputRow("LWT_BPF_XMIT_HEADROOM", "headroom", " %s "),
)
XFRM_ROWS = (
    OutputRow("LWT_XFRM_IF_ID", "if_id", "if_id %s "),
    OutputRow("LWT_XFRM_LINK", "link_dev", "link_dev %s ", device_name),
)


class Encapsulation:
    """One type of encapsulation: its number, how its words are read, and how it is shown."""

    __slots__ = ("number", "read", "show")

    def __init__(
        self, number: int, read: Callable[[Args], Body], show: Callable[[Body, IpContext], Iterator[OutputField]]
    ) -> None:
        self.number, self.read, self.show = number, read, show


TYPES = {
    "mpls": Encapsulation(uapi.LWTUNNEL_ENCAP_MPLS, _read_labels, _show_labels),
    "ip": Encapsulation(uapi.LWTUNNEL_ENCAP_IP, lambda args: take_once(IP_KEYWORDS, args), _show_ip("LWTUNNEL_IP", "ttl", "tos")),
    "ila": Encapsulation(uapi.LWTUNNEL_ENCAP_ILA, read_ila, show_ila),
    "ip6": Encapsulation(
        uapi.LWTUNNEL_ENCAP_IP6, lambda args: take_once(IP6_KEYWORDS, args), _show_ip("LWTUNNEL_IP6", "hoplimit", "tc")
    ),
    "seg6": Encapsulation(uapi.LWTUNNEL_ENCAP_SEG6, read_seg6, show_seg6),
    "bpf": Encapsulation(uapi.LWTUNNEL_ENCAP_BPF, _read_bpf, lambda body, ip: fields(BPF_ROWS, body, ip)),
    "seg6local": Encapsulation(uapi.LWTUNNEL_ENCAP_SEG6_LOCAL, read_local, show_local),
    "rpl": Encapsulation(uapi.LWTUNNEL_ENCAP_RPL, read_rpl, show_rpl),
    "ioam6": Encapsulation(uapi.LWTUNNEL_ENCAP_IOAM6, read_ioam6, show_ioam6),
    "xfrm": Encapsulation(uapi.LWTUNNEL_ENCAP_XFRM, _read_xfrm, lambda body, ip: fields(XFRM_ROWS, body, ip)),
}
HELP = "Usage: ip route ... encap TYPE [ OPTIONS ] [...]\nmpls TYPE := "


def take(args: Args, record: Record) -> None:
    """Read ``encap TYPE HEADER`` into RTA_ENCAP_TYPE and RTA_ENCAP.  Raises `CommandError`."""
    word = args.take()
    if word == "help":
        raise CommandError("\n".join([HELP, *(f"{name}       " for name in list(TYPES)[1:])]))
    if word not in TYPES:
        raise wrong(word, '"encap type" value is invalid\n')
    args.take()
    if not args:
        raise CommandError('Error: unexpected end of line after "encap"')
    args.at -= 1
    record["RTA_ENCAP_TYPE"], record["RTA_ENCAP"] = TYPES[word].number, TYPES[word].read(args)


def encapsulation(body: Any, record: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield how the encapsulation of a route or next hop is shown."""
    kind = record.get("RTA_ENCAP_TYPE", record.get("NHA_ENCAP_TYPE"))
    if kind is None:
        return
    name, found = next(((name, one) for name, one in TYPES.items() if one.number == kind), ("unknown", None))
    yield OutputField("encap", name, f" encap {name} ")
    if found is not None and isinstance(body, dict):
        yield from found.show(body, ip)
