"""The output of `ip tunnel show`: a record has the members of a tunnel under the names that the words have for them."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop

from . import isatap
from .kinds.tunnel import CSUM, KEY, SEQ, ipv6_options
from .name_tables import tos_name
from .reads import link_name, nonzero
from .render import NULL, OutputField, OutputGroup, OutputRow, flag, put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Body, Callable, IpContext, Iterator, Row

DONT_FRAGMENT = 0x4000
IPIP, IPV6, GRE = 4, 41, 47  # IPPROTO_*
PROTOCOLS = {IPIP: "ip", GRE: "gre", IPV6: "ipv6", 50: "esp", 0: "any"}


def _protocol(family: str) -> Callable[[int, Body, Any], str]:
    return lambda value, record, ip: f"{PROTOCOLS.get(value, 'unknown')}/{family}"


def _address(value: bytes, record: Body, ip: IpContext) -> str:
    return inet_ntop(AF_INET if len(value) == 4 else AF_INET6, value)


def _remote(value: bytes, record: Body, ip: IpContext) -> str:
    return ip.host(_address(value, record, ip))


def _or_any(value: bytes, record: Body, ip: IpContext) -> str:
    return _remote(value, record, ip) if any(value) else "any"


def _ttl(value: int, record: Body, ip: IpContext) -> Iterator[OutputField]:
    yield OutputField("ttl" if value else "", value, f" ttl {value or 'inherit'}")


def _tos_shown(value: int, record: Body, ip: IpContext) -> Iterator[OutputField]:
    if value:
        rest = tos_name(value & ~1, record, ip)
        words = "/".join(filter(None, ("inherit" if value & 1 else "", rest)))
        yield OutputField("tos", f"{value:#x}", f" tos {words}")


GRE_FLAGS = (  # name in JSON, direction, bit, sentence
    ("rx_drop_ooseq", "T_IFLAGS", SEQ, "Drop packets out of sequence."),
    ("rx_csum", "T_IFLAGS", CSUM, "Checksum in received packet is required."),
    ("tx_seq", "T_OFLAGS", SEQ, "Sequence packets on output."),
    ("tx_csum", "T_OFLAGS", CSUM, "Checksum output packets."),
)


def _gre(record: Body, _: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the keys and, for GRE, the flags of a tunnel."""
    ways = [way for way in "IO" if record[f"T_{way}FLAGS"] & KEY]
    if len(ways) == 2 and record["T_IKEY"] == record["T_OKEY"]:
        yield OutputField("key", record["T_IKEY"], f" key {record['T_IKEY']}")
    else:
        for way in ways:
            name, value = f"{way.lower()}key", record[f"T_{way}KEY"]
            yield OutputField(name, value, f" {name} {value}")
    if record["T_PROTO"] == GRE:
        found = [(name, sentence) for name, way, bit, sentence in GRE_FLAGS if record[way] & bit]
        yield OutputField("flags", [name for name, _ in found], "".join([put(f"\n  {line}", None, ip) for _, line in found]))


IPV4_ROWS: tuple[Row, ...] = (
    OutputRow("name", "ifname", "%s: ", colour="ifname"),
    OutputRow("T_PROTO", "mode", "%s ", _protocol("ip")),
    OutputRow("T_REMOTE", "remote", "remote %s ", _remote, _or_any, colour="inet"),
    OutputRow("T_LOCAL", "local", "local %s", _address, _or_any, colour="inet"),
    OutputGroup("", isatap.routers),
    OutputRow("T_LINK", "dev", " dev %s", link_name),
    OutputGroup("T_TTL", _ttl),
    OutputGroup("T_TOS", _tos_shown),
    OutputRow("T_FRAG_OFF", "nopmtudisc", " nopmtudisc", lambda value, record, ip: None if value & DONT_FRAGMENT else NULL),
    OutputGroup("", isatap.site_prefix),
    OutputGroup("", _gre),
)
_OPTIONS6 = ipv6_options("T", form=" {}", flagged=flag)
IPV6_ROWS: tuple[Row, ...] = (
    OutputRow("name", "ifname", "%s: ", colour="ifname"),
    OutputRow("T_PROTO", "mode", "%s ", _protocol("ipv6")),
    OutputRow("T_REMOTE", "remote", "remote %s ", _remote, colour="inet6"),
    OutputRow("T_LOCAL", "local", "local %s", _address, colour="inet6"),
    OutputRow("T_LINK", "link", " dev %s", link_name),
    *_OPTIONS6["encaplimit"].rows,
    OutputRow("T_TTL", "hoplimit", " hoplimit %s", nonzero),
    OutputGroup("T_TTL", lambda value, record, ip: () if value else (OutputField("", None, " hoplimit inherit"),)),
    *_OPTIONS6["tclass"].rows,
    *_OPTIONS6["flowlabel"].rows,
    OutputRow("T_FLOWINFO", "flowinfo", " (flowinfo %s)", lambda value, record, ip: f"0x{value:08x}"),
    *_OPTIONS6["dscp"].rows,
    *_OPTIONS6["allow-localremote"].rows,
    OutputGroup("", _gre),
)
