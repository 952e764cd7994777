"""GRE tunnels over IPv4 and IPv6, which carry IP packets, Ethernet frames, or mirrored frames (ERSPAN).

They follow ip-link(8), RFC 2784, RFC 2890, and net/ipv4/ip_gre.c and net/ipv6/ip6_gre.c in the kernel.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6

from ..arguments import U8, U16, U32
from ..grammar import FAILED, CommandError, pick, wrong
from ..keywords import ConstantKeyword, ValueKeyword
from ..reads import flag_row, hexadecimal, named_by
from ..render import OutputRow, true
from . import tunnel
from .tunnel import TunnelOption

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Callable, Read, Record
    from .kind import LinkKind

PREFIX = "IFLA_GRE"
KEYS = {"IKEY": 0, "OKEY": 0, "IFLAGS": 0, "OFLAGS": 0, "FWMARK": 0}
ENCAP = {"ENCAP_TYPE": 0, "ENCAP_FLAGS": 0, "ENCAP_SPORT": 0, "ENCAP_DPORT": 0}
IPV4 = {**KEYS, "PMTUDISC": 1, "TOS": 0, "TTL": 0, **ENCAP}
IPV6 = {**KEYS, "TTL": tunnel.HOP_LIMIT, "ENCAP_LIMIT": tunnel.ENCAP_LIMIT, "FLOWINFO": 0, "FLAGS": 0, **ENCAP, "ENCAP_FLAGS": 2}
ERSPAN = {"ERSPAN_VER": 1}
ERSPAN_OPTIONAL = "ERSPAN_INDEX ERSPAN_DIR ERSPAN_HWID"

WHERE4 = """\
ADDR := { IP_ADDRESS | any }
\tTOS  := { NUMBER | inherit }
\tTTL  := { 1..255 | inherit }
\tKEY  := { DOTTED_QUAD | NUMBER }
\tMARK := { 0x0..0xffffffff }"""
WHERE6 = """\
ADDR\t  := IPV6_ADDRESS
\tTTL\t  := { 0..255 } (default=64)
\tKEY\t  := { DOTTED_QUAD | NUMBER }
\tELIM\t  := { none | 0..255 }(default=4)
\tTCLASS\t  := { 0x0..0xff | inherit }
\tFLOWLABEL := { 0x0..0xfffff | inherit }
\tMARK\t  := { 0x0..0xffffffff | inherit }"""


def _within(least: int, most: int, read: Callable[[str], int], why: str) -> Callable[[str], int]:
    """Return a parser of numbers that refuses those outside of a range with a sentence of its own."""

    def read_within(text: str) -> int:
        value = read(text)
        if not least <= value <= most:
            raise wrong(text, why)
        return value

    return read_within


def _direction(text: str) -> int:
    number = pick((("ingress", 0), ("egress", 1)), text)
    if number is None:
        raise ValueError(text)
    return int(number)


_index = _within(1, (1 << 20) - 1, U32, "erspan index must be > 0 and <= 20-bit\n")
_version = _within(0, 2, U8, "erspan version must be 0/1/2\n")


def _erspan(word: str, help: str, read: Callable[[str], int], why: str, shown: Read | None = None, key: str = "") -> TunnelOption:
    """Return an option of ERSPAN; its attribute follows from its word, unless it is ``key``."""
    name = key or word
    attribute = f"{PREFIX}_{name.upper()}"
    row = OutputRow(attribute, name, f"{name} %s ", shown)
    return TunnelOption(f"{word} {help}", [ValueKeyword(word, attribute, read, why)], [row])


ERSPAN_OPTIONS = {
    "erspan": _erspan("erspan", "IDX", _index, "invalid erspan index\n", key="erspan_index"),
    "erspan_ver": _erspan("erspan_ver", "version", _version, "invalid erspan version\n"),
    "erspan_dir": _erspan(
        *("erspan_dir", "{ ingress | egress }", _direction, "Invalid erspan direction."), named_by(("ingress",), "egress")
    ),
    "erspan_hwid": _erspan("erspan_hwid", "hwid", U16, "invalid erspan hwid\n", hexadecimal),
}


def _finish(record: Record) -> Record:
    """Complete a request: a group has its address as key; of ERSPAN, only what its version has is sent."""
    remote = record.get(f"{PREFIX}_REMOTE", b"")
    if len(remote) == 4 and tunnel.is_multicast(remote):
        for way in "IO":
            if not record[f"{PREFIX}_{way}KEY"]:
                record[f"{PREFIX}_{way}KEY"] = int.from_bytes(remote, "big")
                record[f"{PREFIX}_{way}FLAGS"] |= tunnel.KEY
        if not any(record.get(f"{PREFIX}_LOCAL", b"")):
            raise CommandError("A broadcast tunnel requires a source address.", FAILED)
    if f"{PREFIX}_COLLECT_METADATA" in record:
        return {f"{PREFIX}_COLLECT_METADATA": True}
    version = record.get(f"{PREFIX}_ERSPAN_VER")
    if version != 1:
        record.pop(f"{PREFIX}_ERSPAN_INDEX", None)
    for name in ("DIR", "HWID"):
        if version == 2:
            record.setdefault(f"{PREFIX}_ERSPAN_{name}", 0)
        else:
            record.pop(f"{PREFIX}_ERSPAN_{name}", None)
    return record


DISCOVERY = flag_row(f"{PREFIX}_PMTUDISC", "pmtudisc", "", "nopmtudisc ")
IGNORE = [ConstantKeyword(f"{no}ignore-df", f"{PREFIX}_IGNORE_DF", int(not no)) for no in ("", "no")]
IGNORE_ROW = OutputRow(f"{PREFIX}_IGNORE_DF", "ignore_df", "ignore-df ", true)
OPTIONS4 = {
    **tunnel.key_options(PREFIX),
    **tunnel.end_options(PREFIX, AF_INET),
    **tunnel.ipv4_options(PREFIX, DISCOVERY),
    **tunnel.encap_options(PREFIX),
    "ignore-df": TunnelOption("[no]ignore-df", IGNORE, [IGNORE_ROW]),
}
OPTIONS6 = {
    **tunnel.key_options(PREFIX),
    **tunnel.end_options(PREFIX, AF_INET6),
    **tunnel.ipv6_options(PREFIX),
    **tunnel.encap_options(PREFIX),
}
HEAD = "remote local seq key csum"
HELP4 = f"{HEAD} ttl tos pmtudisc ignore-df dev fwmark external encap"
HELP6 = f"{HEAD} hoplimit encaplimit tclass flowlabel dscp dev fwmark allow-localremote external encap"
ERSPAN_HELP = " erspan_ver erspan erspan_dir erspan_hwid"
TAIL = "erspan erspan_ver erspan_dir erspan_hwid encap"
SHOWN4 = f"external remote local dev ttl tos pmtudisc ignore-df key seq csum fwmark {TAIL}"
SHOWN6 = f"external remote local dev hoplimit encaplimit tclass flowlabel dscp key seq csum allow-localremote fwmark {TAIL}"


def _ipv4(kind: str, defaults: dict[str, int], optional: str, erspan: bool = False) -> LinkKind:
    help = tunnel.usage_of(f"{kind:9}", {**OPTIONS4, **ERSPAN_OPTIONS}, HELP4 + (ERSPAN_HELP if erspan else ""), WHERE4)
    request = tunnel.TunnelRequest(PREFIX, {**IPV4, **defaults}, f"IGNORE_DF {optional}")
    words = {**OPTIONS4, **ERSPAN_OPTIONS} if erspan else {**OPTIONS4, **tunnel.without_words(ERSPAN_OPTIONS)}
    return request.kind(kind, words, help, SHOWN4, _finish)


def _ipv6(kind: str) -> LinkKind:
    options = {**OPTIONS6, **ERSPAN_OPTIONS}
    help = tunnel.usage_of(f"{kind:9}", options, HELP6 + ERSPAN_HELP, WHERE6)
    return tunnel.TunnelRequest(PREFIX, {**IPV6, **ERSPAN}, ERSPAN_OPTIONAL).kind(kind, options, help, SHOWN6, _finish)


KINDS = {
    "gre": _ipv4("gre", {}, ""),
    "gretap": _ipv4("gretap", {}, ""),
    "erspan": _ipv4("erspan", ERSPAN, ERSPAN_OPTIONAL, True),
    **{kind: _ipv6(kind) for kind in ("ip6gre", "ip6gretap", "ip6erspan")},
}
