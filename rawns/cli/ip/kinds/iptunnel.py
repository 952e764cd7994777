"""IP in IP tunnels and their relatives with keys for IPsec: ipip, sit, ip6tnl, vti, vti6.

They follow ip-link(8), RFC 2003, RFC 4213, RFC 5969 (6rd), RFC 2473, and net/ipv4/ipip.c, net/ipv6/sit.c and so on.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, IPPROTO_IPIP, IPPROTO_IPV6

from ....uapi import IP6_TNL_F_MIP6_DEV, SIT_ISATAP
from ..arguments import prefix
from ..grammar import CommandError
from ..keywords import CustomKeyword, FlagKeyword, ValueKeyword
from ..reads import bit, flag_row, named_by
from ..render import OutputRow
from . import tunnel
from .tunnel import TunnelOption

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Args, Body, Callable, IpContext, Record
    from .kind import LinkKind

    Finish = Callable[[Record], Record]

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
VTI_WHERE = "ADDR := {{ {}_ADDRESS }}\n\tKEY  := {{ DOTTED_QUAD | NUMBER }}\n\tMARK := {{ 0x0..0xffffffff }}"


def _mode(modes: dict[int, str], help: str) -> TunnelOption:
    """Return the option of the protocol inside."""

    def read_mode(text: str) -> int:
        for number, names in modes.items():
            if text in names.split():
                return number
        raise ValueError(text)

    word = ValueKeyword("mode", f"{PREFIX}_PROTO", read_mode, "Cannot guess tunnel mode.")
    shown = {number: names.split()[0] for number, names in modes.items()}
    return TunnelOption(f"mode {{ {help} }}", [word], [OutputRow(f"{PREFIX}_PROTO", "proto", "%s ", named_by(shown, None))])


def _prefix(name: str, family: int) -> TunnelOption:
    """Return the option of a prefix of 6rd, which is shown if there is one."""
    word, key = f"6rd-{name}", f"{PREFIX}_6RD_{name.upper()}"
    any_address = b"" if family == AF_INET6 else bytes(4)  # as iproute2 sends it

    def take(args: Args, record: Record) -> None:
        found = prefix(args.take(), family)
        record[key], record[f"{key}LEN"] = found.address or any_address, found.length

    def read_prefix(value: str | int, record: Body, ip: IpContext) -> str | int | None:
        is_there = family == AF_INET6 or record.get(key) not in (None, "0.0.0.0")
        return value if record.get(f"{PREFIX}_6RD_PREFIXLEN") and is_there else None

    rows = [OutputRow(key, name, f"{word} %s", read_prefix), OutputRow(f"{key}LEN", f"{name}len", "/%d ", read_prefix)]
    return TunnelOption(f"{word} ADDR", [CustomKeyword(word, take)], rows)


def _reset(args: Args, record: Record) -> None:
    record.update({f"{PREFIX}_6RD_PREFIX": "2002::", f"{PREFIX}_6RD_PREFIXLEN": 16})
    for name in ("PREFIX", "PREFIXLEN"):
        record.pop(f"{PREFIX}_6RD_RELAY_{name}", None)


def _finish(record: Record) -> Record:
    if record.get(f"{PREFIX}_TTL") and not record.get(f"{PREFIX}_PMTUDISC", 1):
        raise CommandError("ttl != 0 and nopmtudisc are incompatible")
    if f"{PREFIX}_COLLECT_METADATA" in record:
        return {key: record[key] for key in (f"{PREFIX}_PROTO", f"{PREFIX}_COLLECT_METADATA")}
    return record


def _finish_ipip(record: Record) -> Record:
    record = _finish(record)
    return {key: value for key, value in record.items() if "6RD" not in key}  # the words are read, and have no effect


IPIP_HELP, SIT_HELP = "ipip | mplsip | any", "ip6ip | ipip | mplsip | any"
OPTIONS4 = {
    "mode": _mode(IPIP_MODES, IPIP_HELP),
    **tunnel.end_options(PREFIX, AF_INET, ""),
    **tunnel.ipv4_options(PREFIX, flag_row(f"{PREFIX}_PMTUDISC", "pmtudisc", "pmtudisc"), ""),
    **tunnel.encap_options(PREFIX),
    "6rd-prefix": _prefix("prefix", AF_INET6),
    "6rd-relay_prefix": _prefix("relay_prefix", AF_INET),
    "6rd-reset": TunnelOption("6rd-reset", [CustomKeyword("6rd-reset", _reset)]),
}
ISATAP = TunnelOption(
    "isatap",
    [FlagKeyword("isatap", SIT_ISATAP, f"{PREFIX}_FLAGS")],
    [OutputRow(f"{PREFIX}_FLAGS", "isatap", "isatap ", bit(SIT_ISATAP))],
)
OPTIONS6 = {
    "mode": _mode(IP6TNL_MODES, "ip6ip6 | ipip6 | any"),
    **tunnel.end_options(PREFIX, AF_INET6, ""),
    **tunnel.ipv6_options(PREFIX, "HLIM", ""),
    **tunnel.encap_options(PREFIX),
    "mip6": TunnelOption("", (), [OutputRow(f"{PREFIX}_FLAGS", "ip6_tnl_f_mip6_dev", "mip6 ", bit(IP6_TNL_F_MIP6_DEV))]),
}
HELP4 = "remote local ttl tos pmtudisc 6rd-prefix 6rd-relay_prefix 6rd-reset dev fwmark external encap mode"
HELP6 = "remote local encaplimit hoplimit tclass flowlabel dscp allow-localremote dev fwmark external encap mode"
SHOWN4 = "external mode remote local dev ttl tos pmtudisc isatap 6rd-prefix 6rd-relay_prefix fwmark encap"
SHOWN6 = "external mode remote local dev hoplimit encaplimit tclass flowlabel dscp mip6 allow-localremote fwmark encap"


def _ipv4(kind: str, options: tunnel.Options, listed: str, flags: dict[str, int], finish: Finish) -> LinkKind:
    help = tunnel.usage_of(f"{kind:6}", options, listed, WHERE4)
    return tunnel.TunnelRequest(PREFIX, {**IPV4, **flags}, RAPID).kind(kind, options, help, SHOWN4, finish)


def _ip6tnl() -> LinkKind:
    help = tunnel.usage_of("ip6tnl", OPTIONS6, HELP6, WHERE6)
    return tunnel.TunnelRequest(PREFIX, IPV6).kind("ip6tnl", OPTIONS6, help, SHOWN6, _finish)


def _vti(kind: str, family: int, name: str) -> LinkKind:
    mark = tunnel.mark_option(VTI)
    options = {**tunnel.key_options(VTI, flags=False), **tunnel.end_options(VTI, family), "fwmark": mark}
    del options["external"]
    help = tunnel.usage_of(f"{kind:4}", options, "remote local key dev fwmark", VTI_WHERE.format(name), "\t\t")
    request = tunnel.TunnelRequest(VTI, {"IKEY": 0, "OKEY": 0, "FWMARK": 0})
    return request.kind(kind, options, help, "remote local dev key fwmark", lambda record: record)


SIT_OPTIONS = {**OPTIONS4, "mode": _mode(SIT_MODES, SIT_HELP), "isatap": ISATAP}
# Links of the kind ipip are shown like those of the kind sit.
IPIP_OPTIONS = {**OPTIONS4, **tunnel.without_words({"isatap": ISATAP})}
IPIP_OPTIONS["mode"] = TunnelOption(OPTIONS4["mode"].help, OPTIONS4["mode"].words, SIT_OPTIONS["mode"].rows)
KINDS = {
    "ipip": _ipv4("ipip", IPIP_OPTIONS, HELP4, {}, _finish_ipip),
    "sit": _ipv4("sit", SIT_OPTIONS, f"{HELP4} isatap", {"FLAGS": 0}, _finish),
    "ip6tnl": _ip6tnl(),
    "vti": _vti("vti", AF_INET, "IP"),
    "vti6": _vti("vti6", AF_INET6, "IPV6"),
}
