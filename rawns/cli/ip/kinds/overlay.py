"""VXLAN and Geneve: Ethernet frames in UDP packets (ip-link(8), RFC 7348, RFC 8926, drivers/net in the kernel)."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_pton

from ..arguments import U16, U32, address, natural
from ..context import complain
from ..grammar import FAILED, CommandError, garbage, parsed, wrong
from ..keywords import ConstantKeyword, CustomKeyword, DeviceKeyword, ValueKeyword
from ..reads import flag_row, hexadecimal_or_none, link_name, named_by
from ..render import JsonObject, OutputField, OutputRow, true
from ..route_words import tos_number
from .kind import described, either, show, usage
from .tunnel import UNSPECIFIED, is_multicast, tos_row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Any, Args, Body, IpContext, Keyword, Read, Record

VXLAN, GENEVE = "IFLA_VXLAN", "IFLA_GENEVE"
GPE_PORT = 4790  # of VXLAN's generic protocol extension
DF = ("unset", "set", "inherit")  # the "do not fragment" bit of the outer header
INDENTS = ("\t\t", "\n\t\t")  # of the options in the help
OUTER_HELP = "ttl TTL\ntos TOS\ndf DF\nflowlabel LABEL"
VXLAN_HELP = usage(
    "vxlan id VNI",
    "{ group | remote } IP_ADDRESS\nlocal ADDR\n"
    f"{OUTER_HELP}\ndev PHYS_DEV\ndstport PORT\nsrcport MIN MAX\n[no]learning\n[no]proxy\n[no]rsc\n[no]l2miss\n[no]l3miss\n"
    "ageing SECONDS\nmaxaddress NUMBER\n[no]udpcsum\n[no]udp6zerocsumtx\n[no]udp6zerocsumrx\n[no]remcsumtx ] [ [no]remcsumrx\n"
    "[no]external ] [ gbp ] [ gpe\n[no]vnifilter",
    "VNI\t:= 0-16777215\n\tADDR\t:= { IP_ADDRESS | any }\n\tTOS\t:= { NUMBER | inherit }\n"
    "\tTTL\t:= { 1..255 | auto | inherit }\n\tDF\t:= { unset | set | inherit }\n\tLABEL := 0-1048575",
    *INDENTS,
)
GENEVE_HELP = usage(
    "geneve id VNI\n\t\tremote ADDR",
    f"{OUTER_HELP}\ndstport PORT\n[no]external\n[no]udpcsum\n[no]udp6zerocsumtx\n[no]udp6zerocsumrx\ninnerprotoinherit",
    "VNI   := 0-16777215\n\tADDR  := IP_ADDRESS\n\tTOS   := { NUMBER | inherit }\n"
    "\tTTL   := { 1..255 | auto | inherit }\n\tDF    := { unset | set | inherit }\n\tLABEL := 0-1048575",
    *INDENTS,
)
NO_PORT = """\
vxlan: destination port not specified
Will use Linux kernel default (non-standard value)
Use 'dstport 4789' to get the IANA assigned value
Use 'dstport 0' to get default and quiet this message"""


def _address(prefix: str, name: str, attribute: str) -> Keyword:
    """Return the word of an address, which must be of the same family as the one of the other end."""
    key, other = f"{prefix}_{attribute}", f"{prefix}_{'GROUP' if attribute == 'LOCAL' else 'LOCAL'}"

    def take(args: Args, record: Record) -> None:
        before = record.get(key, record.get(f"{key}6"))
        if before is not None and is_multicast(before) != (name == "group"):
            raise CommandError("vxlan: both group and remote cannot be specified", FAILED)
        word = args.take()
        if before is not None:
            raise garbage(name, word)
        expected = AF_INET if other in record else AF_INET6 if f"{other}6" in record else 0
        family, data = address(word, expected)
        if not family or is_multicast(data) != (name == "group"):
            raise wrong(word, f"invalid {name} address")
        record[f"{key}6" if family == AF_INET6 else key] = data

    return CustomKeyword(f"{name}*", take)


def _ttl(prefix: str, inherits: Any) -> Keyword:
    def take(args: Args, record: Record) -> None:
        word = args.take()
        if f"{prefix}_TTL" in record or f"{prefix}_TTL_INHERIT" in record:
            raise garbage("ttl", word)
        if word == "inherit":
            record[f"{prefix}_TTL_INHERIT"] = inherits
            return
        value: int = parsed(either("auto", 0, U32), word, "invalid TTL")
        if value > 255:
            raise wrong(word, "TTL must be <= 255")
        record[f"{prefix}_TTL"] = value

    return CustomKeyword("ttl*|hoplimit*", take)


def _ports(args: Args, record: Record) -> None:
    """Read ``srcport MIN MAX``."""
    found = {}
    for name, what in (("low", "min port"), ("high", "max port")):
        word = args.take()
        if "IFLA_VXLAN_PORT_RANGE" in record:
            raise garbage("srcport", word)
        found[name] = parsed(U16, word, what)
    record["IFLA_VXLAN_PORT_RANGE"] = found


def _choices(prefix: str, *names: str) -> list[Keyword]:
    """Return the words that switch options on and, with ``no`` before them, off."""
    return [
        ConstantKeyword(f"{no}{name}*", f"{prefix}_{attribute or name.upper()}", int(not no))
        for name, _, attribute in (one.partition("=") for one in names)
        for no in ("no", "")
    ]


def _header_words(prefix: str, inherits: Any, port: str) -> list[Keyword]:
    return [
        _ttl(prefix, inherits),
        ValueKeyword("tos*|dsfield*", f"{prefix}_TOS", either("inherit", 1, tos_number), "bad TOS value"),
        ValueKeyword("df", f"{prefix}_DF", DF.index, "DF must be 'unset', 'set' or 'inherit'"),
        ValueKeyword("flowlabel*|label*", f"{prefix}_LABEL", natural(20), "invalid flowlabel"),
        ValueKeyword("dstport*", f"{prefix}_PORT", U16, port),
    ]


CHECKSUMS = ("udpcsum=UDP_CSUM", "udp6zerocsumtx=UDP_ZERO_CSUM6_TX", "udp6zerocsumrx=UDP_ZERO_CSUM6_RX")
VXLAN_WORDS = [
    ValueKeyword("id*|vni*", "IFLA_VXLAN_ID", natural(24), "invalid id"),
    _address(VXLAN, "group", "GROUP"),
    _address(VXLAN, "remote", "GROUP"),
    _address(VXLAN, "local", "LOCAL"),
    DeviceKeyword("dev*", "IFLA_VXLAN_LINK"),
    *_header_words(VXLAN, b"", "dst port"),
    ValueKeyword("ageing*", "IFLA_VXLAN_AGEING", either("none", 0, U32), "ageing timer"),
    ValueKeyword("maxaddress*", "IFLA_VXLAN_LIMIT", either("unlimited", 0, U32), "max addresses"),
    CustomKeyword("port*|srcport*", _ports),
    *_choices(VXLAN, "learning", "proxy", "rsc", "l2miss", "l3miss", *CHECKSUMS, "remcsumtx=REMCSUM_TX", "remcsumrx=REMCSUM_RX"),
    *_choices(VXLAN, "external=COLLECT_METADATA"),
    ConstantKeyword("vnifilter", "IFLA_VXLAN_VNIFILTER", 1),
    ConstantKeyword("novnifilter", "IFLA_VXLAN_VNIFILTER", 0),
    ConstantKeyword("gbp*", "IFLA_VXLAN_GBP", True),
    ConstantKeyword("gpe*", "IFLA_VXLAN_GPE", True),
]
GENEVE_WORDS = [
    ValueKeyword("id*|vni*", "IFLA_GENEVE_ID", natural(24), "invalid id"),
    _address(GENEVE, "remote", "REMOTE"),
    *_header_words(GENEVE, 1, "dstport"),
    ConstantKeyword("external*", "IFLA_GENEVE_COLLECT_METADATA", True),
    ConstantKeyword("noexternal*", "IFLA_GENEVE_COLLECT_METADATA", False),
    *_choices(GENEVE, *CHECKSUMS),
    ConstantKeyword("innerprotoinherit", "IFLA_GENEVE_INNER_PROTO_INHERIT", True),
]


def _check_id(prefix: str, kind: str, record: Record, creates: bool) -> bool:
    """Refuse an id beside ``external``, or neither; return whether there is ``external``."""
    external = bool(record.get(f"{prefix}_COLLECT_METADATA"))
    if external and f"{prefix}_ID" in record:
        raise CommandError(f"{kind}: both 'external' and vni cannot be specified", FAILED)
    if kind == "vxlan" and record.get("IFLA_VXLAN_VNIFILTER") and not external:
        raise CommandError("vxlan: vnifilter is valid only when 'external' is set", FAILED)
    if creates and not external and f"{prefix}_ID" not in record:
        raise CommandError(f"{kind}: missing virtual network identifier", FAILED)
    return external


def _finish_vxlan(record: Record, creates: bool) -> Record:
    external = _check_id(VXLAN, "vxlan", record, creates)
    group = record.get("IFLA_VXLAN_GROUP") or record.get("IFLA_VXLAN_GROUP6", b"")
    if is_multicast(group) and "IFLA_VXLAN_LINK" not in record:
        raise CommandError("vxlan: 'group' requires 'dev' to be specified", FAILED)
    if "IFLA_VXLAN_PORT" not in record and "IFLA_VXLAN_GPE" in record:
        record["IFLA_VXLAN_PORT"] = GPE_PORT
    elif "IFLA_VXLAN_PORT" not in record and creates:
        complain(NO_PORT)
    if creates:
        record.setdefault("IFLA_VXLAN_LEARNING", int(not external))  # the kernel refuses to learn addresses if it is external
    if not record.get("IFLA_VXLAN_PORT", 1):
        del record["IFLA_VXLAN_PORT"]
    return record


def _finish_geneve(record: Record, creates: bool) -> Record:
    external = _check_id(GENEVE, "geneve", record, creates)
    remote = "IFLA_GENEVE_REMOTE" in record or "IFLA_GENEVE_REMOTE6" in record
    if creates and not external and not remote:
        raise CommandError("geneve: remote link partner not specified", FAILED)
    for key in ("IFLA_GENEVE_PORT", "IFLA_GENEVE_COLLECT_METADATA"):
        if not record.get(key, True):
            del record[key]
    for key in ("ID", "TTL", "TOS", "LABEL") if creates else ():
        record.setdefault(f"IFLA_GENEVE_{key}", 0)
    return record


def _where(family: int, multicast: bool) -> Read:
    """Return a read of an address that leaves out an unspecified or malformed one, and a multicast or another one."""

    def read_address(value: str, record: Body, ip: IpContext) -> str | None:
        malformed = not isinstance(value, str) or (":" in value) != (family == AF_INET6)
        hidden = malformed or value in UNSPECIFIED or is_multicast(inet_pton(family, value)) != multicast
        return None if hidden else ip.host(value)

    return read_address


def _address_rows(key: str, name: str, multicast: bool = False) -> list[OutputRow]:
    return [
        OutputRow(f"{key}{suffix}", f"{name}{suffix}", f"{name} %s ", _where(family, multicast))
        for suffix, family in (("", AF_INET), ("6", AF_INET6))
    ]


def _inherits(prefix: str, record: Body) -> bool:
    return record.get(f"{prefix}_TTL_INHERIT") not in (None, 0, b"\0")


def _header_rows(prefix: str) -> list[OutputRow]:
    """Return the rows of the time to live and the rest of the outer header."""

    def ttl(value: int, record: Body, ip: IpContext) -> int | None:
        return None if _inherits(prefix, record) else value

    return [
        OutputRow(f"{prefix}_TTL_INHERIT", "", "ttl inherit ", lambda value, record, ip: _inherits(prefix, record) or None),
        OutputRow(f"{prefix}_TTL", "ttl", "ttl %s ", ttl, lambda value, record, ip: value or "auto"),
    ]


def _df_rows(prefix: str) -> list[OutputRow]:
    return [
        OutputRow(f"{prefix}_DF", "df", "%s", named_by(DF, None), lambda value, record, ip: f"df {DF[value]} " if value else ""),
        OutputRow(f"{prefix}_LABEL", "label", "flowlabel %s ", hexadecimal_or_none),
    ]


def _checksum_rows(prefix: str) -> list[OutputRow]:
    return [
        flag_row(f"{prefix}_UDP_CSUM", "udp_csum", "udpcsum"),
        flag_row(f"{prefix}_UDP_ZERO_CSUM6_TX", "udp_zero_csum6_tx", "udp6zerocsumtx"),
        flag_row(f"{prefix}_UDP_ZERO_CSUM6_RX", "udp_zero_csum6_rx", "udp6zerocsumrx"),
    ]


def _range(value: Body, record: Body, ip: IpContext) -> JsonObject:
    return JsonObject([OutputField("low", value["low"]), OutputField("high", value["high"])])


def _range_text(value: Body, record: Body, ip: IpContext) -> str:
    return f"{value['low']} {value['high']}"


VXLAN_ROWS = (
    OutputRow("IFLA_VXLAN_COLLECT_METADATA", "external", "external ", true),
    OutputRow("IFLA_VXLAN_VNIFILTER", "vnifilter", "vnifilter", true),
    OutputRow("IFLA_VXLAN_ID", "id", "id %d "),
    *_address_rows("IFLA_VXLAN_GROUP", "group", True),
    *_address_rows("IFLA_VXLAN_GROUP", "remote"),
    *_address_rows("IFLA_VXLAN_LOCAL", "local"),
    OutputRow("IFLA_VXLAN_LINK", "link", "dev %s ", link_name),
    OutputRow("IFLA_VXLAN_PORT_RANGE", "port_range", "srcport %s ", _range, _range_text),
    OutputRow("IFLA_VXLAN_PORT", "port", "dstport %d "),
    flag_row("IFLA_VXLAN_LEARNING", "learning", "", "nolearning "),
    *[OutputRow(f"IFLA_VXLAN_{name.upper()}", name, f"{name} ", true) for name in ("proxy", "rsc", "l2miss", "l3miss")],
    tos_row(VXLAN),
    *_header_rows(VXLAN),
    *_df_rows(VXLAN),
    OutputRow("IFLA_VXLAN_AGEING", "ageing", "ageing %s ", None, lambda value, record, ip: value or "none"),
    OutputRow("IFLA_VXLAN_LIMIT", "limit", "maxaddr %d ", lambda value, record, ip: value or None),
    *_checksum_rows(VXLAN),
    OutputRow("IFLA_VXLAN_REMCSUM_TX", "remcsum_tx", "remcsumtx ", true),
    OutputRow("IFLA_VXLAN_REMCSUM_RX", "remcsum_rx", "remcsumrx ", true),
    OutputRow("IFLA_VXLAN_GBP", "gbp", "gbp "),
    OutputRow("IFLA_VXLAN_GPE", "gpe", "gpe "),
)
GENEVE_ROWS = (
    OutputRow("IFLA_GENEVE_COLLECT_METADATA", "external", "external "),
    OutputRow("IFLA_GENEVE_ID", "id", "id %d "),
    *_address_rows("IFLA_GENEVE_REMOTE", "remote"),
    *_header_rows(GENEVE),
    tos_row(GENEVE),
    *_df_rows(GENEVE),
    OutputRow("IFLA_GENEVE_PORT", "port", "dstport %d "),
    *_checksum_rows(GENEVE),
    OutputRow("IFLA_GENEVE_INNER_PROTO_INHERIT", "inner_proto_inherit", "innerprotoinherit "),
)
KINDS = {
    kind: described(kind, help, rows, show(shown), finish=finish, once=True)
    for kind, help, rows, finish, shown in (
        ("vxlan", VXLAN_HELP, VXLAN_WORDS, _finish_vxlan, VXLAN_ROWS),
        ("geneve", GENEVE_HELP, GENEVE_WORDS, _finish_geneve, GENEVE_ROWS),
    )
}
