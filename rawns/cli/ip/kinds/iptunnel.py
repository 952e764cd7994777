"""IP in IP tunnels and their relatives with keys for IPsec: ipip, sit, ip6tnl, vti, vti6.

They follow ip-link(8), RFC 2003, RFC 4213, RFC 5969 (6rd), RFC 2473, and net/ipv4/ipip.c, net/ipv6/sit.c and so on.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, IPPROTO_IPIP, IPPROTO_IPV6

from ....uapi import IP6_TNL_F_MIP6_DEV, SIT_ISATAP
from ..arguments import U32, prefix
from ..grammar import CommandError
from ..keywords import CustomKeyword, FlagKeyword, ValueKeyword
from ..reads import bit, flag_row
from ..render import OutputRow
from . import tunnel
from .kind import usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Args, Body, Callable, IpContext, Keyword, Record
    from .kind import LinkKind

PREFIX, VTI = "IFLA_IPTUN", "IFLA_VTI"
IPPROTO_MPLS = 137
COMMON = {"PROTO": 0, "LINK": 0, "FWMARK": 0, "ENCAP_TYPE": 0, "ENCAP_SPORT": 0, "ENCAP_DPORT": 0}
IPV4 = {**COMMON, "PMTUDISC": 1, "TOS": 0, "TTL": 0, "ENCAP_FLAGS": 0}
IPV6 = {**COMMON, "TTL": tunnel.HOP_LIMIT, "ENCAP_LIMIT": tunnel.ENCAP_LIMIT, "FLOWINFO": 0, "FLAGS": 0, "ENCAP_FLAGS": 2}
RAPID = "6RD_PREFIX 6RD_PREFIXLEN 6RD_RELAY_PREFIX 6RD_RELAY_PREFIXLEN"

# The names of the protocols inside; the first of each is shown.
IPIP_MODES = {IPPROTO_IPIP: "ipip ipv4/ipv4 ip4ip4", IPPROTO_MPLS: "mplsip mpls/ipv4", 0: "any any/ipv4"}
SIT_MODES = {IPPROTO_IPV6: "ip6ip ipv6/ipv4", **IPIP_MODES}
IP6TNL_MODES = {IPPROTO_IPV6: "ip6ip6 ipv6/ipv6", IPPROTO_IPIP: "ipip6 ip/ipv6 ipv4/ipv6 ip4ip6", 0: "any any/ipv6"}

OPTIONS4 = f"""\
remote ADDR
local ADDR
ttl TTL
tos TOS
[no]pmtudisc
6rd-prefix ADDR
6rd-relay_prefix ADDR
6rd-reset
dev PHYS_DEV
fwmark MARK
{tunnel.ENCAP_HELP}
mode """
OPTIONS6 = f"""\
remote ADDR
local ADDR
encaplimit ELIM
hoplimit HLIM
tclass TCLASS
flowlabel FLOWLABEL
dscp inherit
[no]allow-localremote
dev PHYS_DEV
fwmark MARK
{tunnel.ENCAP_HELP}
mode {{ ip6ip6 | ipip6 | any }}"""
WHERE4 = """\
ADDR := { IP_ADDRESS | any }
\tTOS  := { NUMBER | inherit }
\tTTL  := { 1..255 | inherit }
\tMARK := { 0x0..0xffffffff }"""
WHERE6 = """\
ADDR\t  := IPV6_ADDRESS
\tELIM\t  := { none | 0..255 }(default=4)
\tHLIM\t  := 0..255 (default=64)
\tTCLASS    := { 0x0..0xff | inherit }
\tFLOWLABEL := { 0x0..0xfffff | inherit }
\tMARK\t  := { 0x0..0xffffffff | inherit }"""
VTI_OPTIONS = "remote ADDR\nlocal ADDR\n[i|o]key KEY\ndev PHYS_DEV\nfwmark MARK"
VTI_WHERE = "ADDR := {{ {}_ADDRESS }}\n\tKEY  := {{ DOTTED_QUAD | NUMBER }}\n\tMARK := {{ 0x0..0xffffffff }}"


def _mode(modes: dict[int, str]) -> Keyword:
    def read_mode(text: str) -> int:
        for number, names in modes.items():
            if text in names.split():
                return number
        raise ValueError(text)

    return ValueKeyword("mode", f"{PREFIX}_PROTO", read_mode, "Cannot guess tunnel mode.")


def _prefix(name: str, key: str, family: int) -> Keyword:
    any_address = b"" if family == AF_INET6 else bytes(4)  # as iproute2 sends it

    def take(args: Args, record: Record) -> None:
        word = args.take()
        found = prefix(word, family)
        record[f"{PREFIX}_{key}"], record[f"{PREFIX}_{key}LEN"] = found.address or any_address, found.length

    return CustomKeyword(name, take)


def _reset(args: Args, record: Record) -> None:
    record.update({f"{PREFIX}_6RD_PREFIX": "2002::", f"{PREFIX}_6RD_PREFIXLEN": 16})
    for name in ("PREFIX", "PREFIXLEN"):
        record.pop(f"{PREFIX}_6RD_RELAY_{name}", None)


WORDS4 = [
    *tunnel.end_words(PREFIX, AF_INET, ""),
    *tunnel.ipv4_words(PREFIX, ""),
    *tunnel.encap_words(PREFIX),
    _prefix("6rd-prefix", "6RD_PREFIX", AF_INET6),
    _prefix("6rd-relay_prefix", "6RD_RELAY_PREFIX", AF_INET),
    CustomKeyword("6rd-reset", _reset),
]
IPIP_WORDS = [_mode(IPIP_MODES), *WORDS4]
SIT_WORDS = [_mode(SIT_MODES), *WORDS4, FlagKeyword("isatap", SIT_ISATAP, f"{PREFIX}_FLAGS")]
WORDS6 = [
    _mode(IP6TNL_MODES),
    *tunnel.end_words(PREFIX, AF_INET6, ""),
    *tunnel.ipv6_words(PREFIX, ""),
    *tunnel.encap_words(PREFIX),
]


def _vti_words(family: int) -> list[Keyword]:
    mark = ValueKeyword("fwmark", f"{VTI}_FWMARK", U32, "invalid fwmark\n")
    return [*tunnel.key_words(VTI, False), *tunnel.end_words(VTI, family), mark]


def _finish(record: Record) -> Record:
    if record.get(f"{PREFIX}_TTL") and not record.get(f"{PREFIX}_PMTUDISC", 1):
        raise CommandError("ttl != 0 and nopmtudisc are incompatible")
    if f"{PREFIX}_COLLECT_METADATA" in record:
        return {key: record[key] for key in (f"{PREFIX}_PROTO", f"{PREFIX}_COLLECT_METADATA")}
    return record


def _finish_ipip(record: Record) -> Record:
    record = _finish(record)
    return {key: value for key, value in record.items() if "6RD" not in key}  # the words are read, and have no effect


def _proto(modes: dict[int, str]) -> OutputRow:
    shown = {number: names.split()[0] for number, names in modes.items()}
    return OutputRow(f"{PREFIX}_PROTO", "proto", "%s ", lambda value, record, ip: shown.get(value))


def _rapid_row(key: str, json: str, text: str) -> OutputRow:
    """Return a row of 6rd, which is shown if there is a prefix."""
    is_relay = "RELAY" in key

    def read_rapid(value: str | int, record: Body, ip: IpContext) -> str | int | None:
        has_relay = record.get(f"{PREFIX}_6RD_RELAY_PREFIX") not in (None, "0.0.0.0")
        return value if record.get(f"{PREFIX}_6RD_PREFIXLEN") and (has_relay or not is_relay) else None

    return OutputRow(f"{PREFIX}_{key}", json, text, read_rapid)


ROWS4 = (
    tunnel.external_row(PREFIX),
    _proto(SIT_MODES),
    *tunnel.end_rows(PREFIX),
    *tunnel.ipv4_rows(PREFIX),
    flag_row(f"{PREFIX}_PMTUDISC", "pmtudisc", "pmtudisc"),
    OutputRow(f"{PREFIX}_FLAGS", "isatap", "isatap ", bit(SIT_ISATAP)),
    _rapid_row("6RD_PREFIX", "prefix", "6rd-prefix %s"),
    _rapid_row("6RD_PREFIXLEN", "prefixlen", "/%d "),
    _rapid_row("6RD_RELAY_PREFIX", "relay_prefix", "6rd-relay_prefix %s"),
    _rapid_row("6RD_RELAY_PREFIXLEN", "relay_prefixlen", "/%d "),
    tunnel.fwmark_row(PREFIX),
)
MIP6_ROW = OutputRow(f"{PREFIX}_FLAGS", "ip6_tnl_f_mip6_dev", "mip6 ", bit(IP6_TNL_F_MIP6_DEV))
ROWS6 = (tunnel.external_row(PREFIX), _proto(IP6TNL_MODES), *tunnel.end_rows(PREFIX), *tunnel.ipv6_rows(PREFIX, (MIP6_ROW,)))
VTI_ROWS = (*tunnel.end_rows(VTI), *tunnel.key_rows(VTI, False), tunnel.fwmark_row(VTI))


def _ipv4(
    kind: str, modes: str, flags: dict[str, int], optional: str, words: list[Keyword], finish: Callable[[Record], Record]
) -> LinkKind:
    help = usage(f"{kind:6}", OPTIONS4 + modes, WHERE4)
    return tunnel.TunnelRequest(PREFIX, {**IPV4, **flags}, optional).kind(kind, help, words, ROWS4, finish)


def _vti(kind: str, family: int, name: str) -> LinkKind:
    help = usage(f"{kind:4}", VTI_OPTIONS, VTI_WHERE.format(name), "\t\t")
    described = tunnel.TunnelRequest(VTI, {"IKEY": 0, "OKEY": 0, "FWMARK": 0})
    return described.kind(kind, help, _vti_words(family), VTI_ROWS, lambda record: record)


KINDS = {
    "ipip": _ipv4("ipip", "{ ipip | mplsip | any }", {}, RAPID, IPIP_WORDS, _finish_ipip),
    "sit": _ipv4("sit", "{ ip6ip | ipip | mplsip | any }\nisatap", {"FLAGS": 0}, RAPID, SIT_WORDS, _finish),
    "ip6tnl": tunnel.TunnelRequest(PREFIX, IPV6).kind("ip6tnl", usage("ip6tnl", OPTIONS6, WHERE6), WORDS6, ROWS6, _finish),
    "vti": _vti("vti", AF_INET, "IP"),
    "vti6": _vti("vti6", AF_INET6, "IPV6"),
}
