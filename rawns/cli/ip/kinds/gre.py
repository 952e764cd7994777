"""GRE tunnels over IPv4 and IPv6, which carry IP packets, Ethernet frames, or mirrored frames (ERSPAN).

They follow ip-link(8), RFC 2784, RFC 2890, and net/ipv4/ip_gre.c and net/ipv6/ip6_gre.c in the kernel.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6

from ..arguments import U8, U16, U32
from ..grammar import FAILED, CommandError, pick, wrong
from ..keywords import ConstantKeyword, ValueKeyword
from ..reads import bit, flag_row, hexadecimal, named_by, true
from ..render import OutputRow
from . import tunnel
from .kind import usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Callable, Keyword, Record, Sequence
    from .kind import LinkKind

PREFIX = "IFLA_GRE"
KEYS = {"IKEY": 0, "OKEY": 0, "IFLAGS": 0, "OFLAGS": 0, "FWMARK": 0}
ENCAP = {"ENCAP_TYPE": 0, "ENCAP_FLAGS": 0, "ENCAP_SPORT": 0, "ENCAP_DPORT": 0}
IPV4 = {**KEYS, "PMTUDISC": 1, "TOS": 0, "TTL": 0, **ENCAP}
IPV6 = {**KEYS, "TTL": tunnel.HOP_LIMIT, "ENCAP_LIMIT": tunnel.ENCAP_LIMIT, "FLOWINFO": 0, "FLAGS": 0, **ENCAP, "ENCAP_FLAGS": 2}
ERSPAN = {"ERSPAN_VER": 1}
ERSPAN_OPTIONAL = "ERSPAN_INDEX ERSPAN_DIR ERSPAN_HWID"

HEAD = "remote ADDR\nlocal ADDR\n[no][i|o]seq\n[i|o]key KEY | no[i|o]key\n[no][i|o]csum\n"
ERSPAN_HELP = "\nerspan_ver version\nerspan IDX\nerspan_dir { ingress | egress }\nerspan_hwid hwid"
OPTIONS4 = f"{HEAD}ttl TTL\ntos TOS\n[no]pmtudisc\n[no]ignore-df\ndev PHYS_DEV\nfwmark MARK\n{tunnel.ENCAP_HELP}"
OPTIONS6 = f"""\
{HEAD}hoplimit TTL
encaplimit ELIM
tclass TCLASS
flowlabel FLOWLABEL
dscp inherit
dev PHYS_DEV
fwmark MARK
[no]allow-localremote
{tunnel.ENCAP_HELP}{ERSPAN_HELP}"""
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


COMMON_WORDS = [*tunnel.key_words(PREFIX, True), *tunnel.flag_words(PREFIX), *tunnel.encap_words(PREFIX)]
WORDS4 = [
    *COMMON_WORDS,
    *tunnel.end_words(PREFIX, AF_INET),
    *tunnel.ipv4_words(PREFIX),
    ConstantKeyword("ignore-df", f"{PREFIX}_IGNORE_DF", 1),
    ConstantKeyword("noignore-df", f"{PREFIX}_IGNORE_DF", 0),
]
WORDS6 = [*COMMON_WORDS, *tunnel.end_words(PREFIX, AF_INET6), *tunnel.ipv6_words(PREFIX)]


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
ERSPAN_WORDS = [
    ValueKeyword("erspan", f"{PREFIX}_ERSPAN_INDEX", _index, "invalid erspan index\n"),
    ValueKeyword("erspan_ver", f"{PREFIX}_ERSPAN_VER", _version, "invalid erspan version\n"),
    ValueKeyword("erspan_dir", f"{PREFIX}_ERSPAN_DIR", _direction, "Invalid erspan direction."),
    ValueKeyword("erspan_hwid", f"{PREFIX}_ERSPAN_HWID", U16, "invalid erspan hwid\n"),
]


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


HEADER_ROWS = (
    *tunnel.key_rows(PREFIX, True),
    *[
        OutputRow(f"{PREFIX}_{way}FLAGS", f"{way.lower()}{name}", f"{way.lower()}{name} ", bit(mask))
        for name, mask in (("seq", tunnel.SEQ), ("csum", tunnel.CSUM))
        for way in "IO"
    ],
)
ERSPAN_ROWS = (
    OutputRow(f"{PREFIX}_ERSPAN_INDEX", "erspan_index", "erspan_index %d "),
    OutputRow(f"{PREFIX}_ERSPAN_VER", "erspan_ver", "erspan_ver %d "),
    OutputRow(f"{PREFIX}_ERSPAN_DIR", "erspan_dir", "erspan_dir %s ", named_by(("ingress",), "egress")),
    OutputRow(f"{PREFIX}_ERSPAN_HWID", "erspan_hwid", "erspan_hwid %s ", hexadecimal),
)
FIRST_ROWS = (tunnel.external_row(PREFIX), *tunnel.end_rows(PREFIX))
ROWS4 = (
    *FIRST_ROWS,
    *tunnel.ipv4_rows(PREFIX),
    flag_row(f"{PREFIX}_PMTUDISC", "pmtudisc", "", "nopmtudisc "),
    OutputRow(f"{PREFIX}_IGNORE_DF", "ignore_df", "ignore-df ", true),
    *HEADER_ROWS,
    tunnel.fwmark_row(PREFIX),
    *ERSPAN_ROWS,
)
ROWS6 = (*FIRST_ROWS, *tunnel.ipv6_rows(PREFIX, HEADER_ROWS), *ERSPAN_ROWS)


def _ipv4(kind: str, defaults: dict[str, int], optional: str, words: Sequence[Keyword], more_help: str) -> LinkKind:
    help = usage(f"{kind:9}", OPTIONS4 + more_help, WHERE4)
    return tunnel.TunnelRequest(PREFIX, {**IPV4, **defaults}, f"IGNORE_DF {optional}").kind(kind, help, words, ROWS4, _finish)


def _ipv6(kind: str) -> LinkKind:
    help = usage(f"{kind:9}", OPTIONS6, WHERE6)
    described = tunnel.TunnelRequest(PREFIX, {**IPV6, **ERSPAN}, ERSPAN_OPTIONAL)
    return described.kind(kind, help, [*WORDS6, *ERSPAN_WORDS], ROWS6, _finish)


KINDS = {
    "gre": _ipv4("gre", {}, "", WORDS4, ""),
    "gretap": _ipv4("gretap", {}, "", WORDS4, ""),
    "erspan": _ipv4("erspan", ERSPAN, ERSPAN_OPTIONAL, [*WORDS4, *ERSPAN_WORDS], ERSPAN_HELP),
    **{kind: _ipv6(kind) for kind in ("ip6gre", "ip6gretap", "ip6erspan")},
}
