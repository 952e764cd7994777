"""VXLAN tunnels (ip-link(8), RFC 7348, drivers/net/vxlan in the kernel)."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6

from ..arguments import U16, U32, address
from ..context import complain
from ..grammar import FAILED, CommandError, garbage, wrong
from ..keywords import ConstantKeyword, CustomKeyword, ValueKeyword
from ..render import JsonObject, OutputField, put
from ..route_words import tos_number
from .kind import LinkKind, flag, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ....wire import Body
    from ..context import Args, IpContext
    from ..grammar import Record
    from ..keywords import Keyword

MAX_ID = 1 << 24
GPE_PORT = 4790  # of the generic protocol extension
DF = ("unset", "set", "inherit")  # the "do not fragment" bit of the outer header
HELP = """\
Usage: ... vxlan id VNI
\t\t[ { group | remote } IP_ADDRESS ]
\t\t[ local ADDR ]
\t\t[ ttl TTL ]
\t\t[ tos TOS ]
\t\t[ df DF ]
\t\t[ flowlabel LABEL ]
\t\t[ dev PHYS_DEV ]
\t\t[ dstport PORT ]
\t\t[ srcport MIN MAX ]
\t\t[ [no]learning ]
\t\t[ [no]proxy ]
\t\t[ [no]rsc ]
\t\t[ [no]l2miss ]
\t\t[ [no]l3miss ]
\t\t[ ageing SECONDS ]
\t\t[ maxaddress NUMBER ]
\t\t[ [no]udpcsum ]
\t\t[ [no]udp6zerocsumtx ]
\t\t[ [no]udp6zerocsumrx ]
\t\t[ [no]remcsumtx ] [ [no]remcsumrx ]
\t\t[ [no]external ] [ gbp ] [ gpe ]
\t\t[ [no]vnifilter ]

Where:\tVNI\t:= 0-16777215
\tADDR\t:= { IP_ADDRESS | any }
\tTOS\t:= { NUMBER | inherit }
\tTTL\t:= { 1..255 | auto | inherit }
\tDF\t:= { unset | set | inherit }
\tLABEL := 0-1048575"""
NO_PORT = """\
vxlan: destination port not specified
Will use Linux kernel default (non-standard value)
Use 'dstport 4789' to get the IANA assigned value
Use 'dstport 0' to get default and quiet this message"""


def is_multicast(family: int, data: bytes) -> bool:
    """Return whether a packed address is a multicast one."""
    return data[:1] == b"\xff" if family == AF_INET6 else family == AF_INET and data[0] >> 4 == 0xE


def _id(args: Args, record: Record) -> None:
    word = args.take()
    if "IFLA_VXLAN_ID" in record:
        raise garbage("id", word)
    try:
        record["IFLA_VXLAN_ID"] = U32(word)
        if record["IFLA_VXLAN_ID"] >= MAX_ID:
            raise ValueError(word)
    except ValueError:
        raise wrong(word, "invalid id") from None


def _address(name: str, key: str, multicast: bool, what: str) -> Callable[[Args, Record], None]:
    def take(args: Args, record: Record) -> None:
        word = args.take()
        if key in record or f"{key}6" in record:
            raise garbage(name, word)
        family, data = address(word, 0)
        if is_multicast(family, data) != multicast:
            raise wrong(word, f"invalid {what} address")
        record[f"{key}6" if family == AF_INET6 else key] = data

    return take


def _device(args: Args, record: Record) -> None:
    word = args.take()
    if "IFLA_VXLAN_LINK" in record:
        raise garbage("dev", word)
    record["IFLA_VXLAN_LINK"] = args.ip.index_of(word)
    if not record["IFLA_VXLAN_LINK"]:
        raise CommandError(f'Cannot find device "{word}"')


def _ttl(args: Args, record: Record) -> None:
    word = args.take()
    if "IFLA_VXLAN_TTL" in record or "IFLA_VXLAN_TTL_INHERIT" in record:
        raise garbage("ttl", word)
    if word == "inherit":
        record["IFLA_VXLAN_TTL_INHERIT"] = b""
        return
    record["IFLA_VXLAN_TTL"] = 0 if word == "auto" else time_to_live(word)


def time_to_live(word: str) -> int:
    """Parse a time to live.  Raises `CommandError`."""
    try:
        value = U32(word)
    except ValueError:
        raise wrong(word, "invalid TTL") from None
    if value > 255:
        raise wrong(word, "TTL must be <= 255")
    return value


def _tos(text: str) -> int:
    return 1 if text == "inherit" else tos_number(text)


def label(text: str) -> int:
    """Parse an IPv6 flow label.  Raises ValueError."""
    value = U32(text)
    if value >> 20:
        raise ValueError(text)
    return value


def or_none(name: str) -> Callable[[str], int]:
    """Return a parser of 32-bit numbers that accepts ``name`` for 0."""
    return lambda text: 0 if text == name else U32(text)


def _ports(args: Args, record: Record) -> None:
    """``srcport MIN MAX``."""
    found = {}
    for name, what in (("low", "min port"), ("high", "max port")):
        word = args.take()
        try:
            found[name] = U16(word)
        except ValueError:
            raise wrong(word, what) from None
    record["IFLA_VXLAN_PORT_RANGE"] = found


def _choices(name: str, key: str) -> list[Keyword]:
    return [ConstantKeyword(f"no{name}*", key, 0), ConstantKeyword(f"{name}*", key, 1)]


WORDS = [
    CustomKeyword("id*|vni*", _id),
    CustomKeyword("group*", _address("group", "IFLA_VXLAN_GROUP", True, "group")),
    CustomKeyword("remote*", _address("remote", "IFLA_VXLAN_GROUP", False, "remote")),
    CustomKeyword("local*", _address("local", "IFLA_VXLAN_LOCAL", False, "local")),
    CustomKeyword("dev*", _device),
    CustomKeyword("ttl*|hoplimit*", _ttl),
    ValueKeyword("tos*|dsfield*", "IFLA_VXLAN_TOS", _tos, "bad TOS value"),
    ValueKeyword("df", "IFLA_VXLAN_DF", DF.index, "DF must be 'unset', 'set' or 'inherit'"),
    ValueKeyword("label*|flowlabel*", "IFLA_VXLAN_LABEL", label, "invalid flowlabel"),
    ValueKeyword("ageing*", "IFLA_VXLAN_AGEING", or_none("none"), "ageing timer"),
    ValueKeyword("maxaddress*", "IFLA_VXLAN_LIMIT", or_none("unlimited"), "max addresses"),
    CustomKeyword("port*|srcport*", _ports),
    ValueKeyword("dstport*", "IFLA_VXLAN_PORT", U16, "dst port"),
    *_choices("learning", "IFLA_VXLAN_LEARNING"),
    *_choices("proxy", "IFLA_VXLAN_PROXY"),
    *_choices("rsc", "IFLA_VXLAN_RSC"),
    *_choices("l2miss", "IFLA_VXLAN_L2MISS"),
    *_choices("l3miss", "IFLA_VXLAN_L3MISS"),
    *_choices("udpcsum", "IFLA_VXLAN_UDP_CSUM"),
    *_choices("udp6zerocsumtx", "IFLA_VXLAN_UDP_ZERO_CSUM6_TX"),
    *_choices("udp6zerocsumrx", "IFLA_VXLAN_UDP_ZERO_CSUM6_RX"),
    *_choices("remcsumtx", "IFLA_VXLAN_REMCSUM_TX"),
    *_choices("remcsumrx", "IFLA_VXLAN_REMCSUM_RX"),
    ConstantKeyword("external*", "IFLA_VXLAN_COLLECT_METADATA", 1),
    ConstantKeyword("noexternal*", "IFLA_VXLAN_COLLECT_METADATA", 0),
    ConstantKeyword("gbp*", "IFLA_VXLAN_GBP", True),
    ConstantKeyword("gpe*", "IFLA_VXLAN_GPE", True),
    *_choices("vnifilter", "IFLA_VXLAN_VNIFILTER"),
]


def _finish(record: Record, creates: bool) -> Record:
    external = record.get("IFLA_VXLAN_COLLECT_METADATA")
    if external and "IFLA_VXLAN_ID" in record:
        raise CommandError("vxlan: both 'external' and vni cannot be specified", FAILED)
    if record.get("IFLA_VXLAN_VNIFILTER") and not external:
        raise CommandError("vxlan: vnifilter is valid only when 'external' is set", FAILED)
    if creates and not external and "IFLA_VXLAN_ID" not in record:
        raise CommandError("vxlan: missing virtual network identifier", FAILED)
    for key, family in (("IFLA_VXLAN_GROUP", AF_INET), ("IFLA_VXLAN_GROUP6", AF_INET6)):
        if key in record and is_multicast(family, record[key]) and "IFLA_VXLAN_LINK" not in record:
            raise CommandError("vxlan: 'group' requires 'dev' to be specified", FAILED)
    if "IFLA_VXLAN_PORT" not in record and "IFLA_VXLAN_GPE" in record:
        record["IFLA_VXLAN_PORT"] = GPE_PORT
    elif "IFLA_VXLAN_PORT" not in record and creates:
        complain(NO_PORT)
    if external:
        record.setdefault("IFLA_VXLAN_LEARNING", 0)  # the kernel refuses to learn addresses then
    if not record.get("IFLA_VXLAN_PORT", 1):
        del record["IFLA_VXLAN_PORT"]
    return record


def _show(data: Body, ip: IpContext) -> Iterator[OutputField]:
    if data.get("IFLA_VXLAN_COLLECT_METADATA"):
        yield OutputField("external", True, "external ")
    if data.get("IFLA_VXLAN_VNIFILTER"):
        yield OutputField("vnifilter", True, "vnifilter")
    if "IFLA_VXLAN_ID" in data:
        yield OutputField("id", data["IFLA_VXLAN_ID"], f"id {data['IFLA_VXLAN_ID']} ")
    yield from _show_addresses(data, ip)
    ports = data.get("IFLA_VXLAN_PORT_RANGE")
    if ports is not None:
        value = JsonObject([OutputField("low", ports["low"]), OutputField("high", ports["high"])])
        yield OutputField("port_range", value, f"srcport {ports['low']} {ports['high']} ")
    if "IFLA_VXLAN_PORT" in data:
        yield OutputField("port", data["IFLA_VXLAN_PORT"], f"dstport {data['IFLA_VXLAN_PORT']} ")
    if "IFLA_VXLAN_LEARNING" in data:
        on = bool(data["IFLA_VXLAN_LEARNING"])
        yield OutputField("learning", on, "" if on else "nolearning ")
    for name in ("proxy", "rsc", "l2miss", "l3miss"):
        if data.get(f"IFLA_VXLAN_{name.upper()}"):
            yield OutputField(name, True, f"{name} ")
    yield from _show_header(data)
    if data.get("IFLA_VXLAN_AGEING"):
        yield OutputField("ageing", data["IFLA_VXLAN_AGEING"], f"ageing {data['IFLA_VXLAN_AGEING']} ")
    elif "IFLA_VXLAN_AGEING" in data:
        yield OutputField("ageing", 0, "ageing none ")
    if data.get("IFLA_VXLAN_LIMIT"):
        yield OutputField("limit", data["IFLA_VXLAN_LIMIT"], f"maxaddr {data['IFLA_VXLAN_LIMIT']} ")
    for name, json, key in (
        ("udpcsum", "udp_csum", "UDP_CSUM"),
        ("udp6zerocsumtx", "udp_zero_csum6_tx", "UDP_ZERO_CSUM6_TX"),
        ("udp6zerocsumrx", "udp_zero_csum6_rx", "UDP_ZERO_CSUM6_RX"),
    ):
        if f"IFLA_VXLAN_{key}" in data:
            yield flag(name, json, bool(data[f"IFLA_VXLAN_{key}"]))
    for name, json, key in (("remcsumtx", "remcsum_tx", "REMCSUM_TX"), ("remcsumrx", "remcsum_rx", "REMCSUM_RX")):
        if data.get(f"IFLA_VXLAN_{key}"):
            yield OutputField(json, True, f"{name} ")
    for name in ("gbp", "gpe"):
        if f"IFLA_VXLAN_{name.upper()}" in data:
            yield OutputField(name, True, f"{name} ")


def _show_addresses(data: Body, ip: IpContext) -> Iterator[OutputField]:
    for suffix, family in (("", AF_INET), ("6", AF_INET6)):
        value = data.get(f"IFLA_VXLAN_GROUP{suffix}")
        if value not in (None, "0.0.0.0", "::"):
            group = value.lower().startswith("ff") if family == AF_INET6 else 224 <= int(value.partition(".")[0]) < 240
            name = "group" if group else "remote"
            yield OutputField(f"{name}{suffix}", value, f"{name} {value} ")
            break
    for suffix in ("", "6"):
        value = data.get(f"IFLA_VXLAN_LOCAL{suffix}")
        if value not in (None, "0.0.0.0", "::"):
            yield OutputField(f"local{suffix}", value, f"local {value} ")
            break
    if data.get("IFLA_VXLAN_LINK"):
        name = ip.name_of(data["IFLA_VXLAN_LINK"])
        yield OutputField("link", name, put("dev %s ", name, ip))


def _show_header(data: Body) -> Iterator[OutputField]:
    tos = data.get("IFLA_VXLAN_TOS")
    if tos:
        yield OutputField("tos", f"0x{tos:x}", "tos inherit " if tos == 1 else f"tos 0x{tos:x} ")
    inherits = data.get("IFLA_VXLAN_TTL_INHERIT", b"\0")
    if inherits not in (b"", b"\0"):
        yield OutputField("", None, "ttl inherit ")
    elif "IFLA_VXLAN_TTL" in data:
        ttl = data["IFLA_VXLAN_TTL"]
        yield OutputField("ttl", ttl, f"ttl {ttl} " if ttl else "ttl auto ")
    if "IFLA_VXLAN_DF" in data:
        df = data["IFLA_VXLAN_DF"]
        name = DF[df] if df < len(DF) else "unknown"
        yield OutputField("df", name, f"df {name} " if df else "")
    if data.get("IFLA_VXLAN_LABEL"):
        yield OutputField("label", f"0x{data['IFLA_VXLAN_LABEL']:x}", f"flowlabel 0x{data['IFLA_VXLAN_LABEL']:x} ")


KINDS = {"vxlan": LinkKind(HELP, words("vxlan", WORDS, HELP, finish=_finish, once=True), _show)}
