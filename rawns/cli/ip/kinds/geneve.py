"""Geneve tunnels (ip-link(8), RFC 8926, drivers/net/geneve.c in the kernel)."""

from __future__ import annotations

from _socket import AF_INET6

from ..arguments import U16, U32, address
from ..grammar import FAILED, CommandError, garbage, wrong
from ..keywords import ConstantKeyword, CustomKeyword, ValueKeyword
from ..render import OutputField
from ..route_words import tos_number
from .kind import LinkKind, flag, words
from .vxlan import DF, MAX_ID, is_multicast, label, time_to_live

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....wire import Body
    from ..context import Args, IpContext
    from ..grammar import Record
    from ..keywords import Keyword

HELP = """\
Usage: ... geneve id VNI
\t\tremote ADDR
\t\t[ ttl TTL ]
\t\t[ tos TOS ]
\t\t[ df DF ]
\t\t[ flowlabel LABEL ]
\t\t[ dstport PORT ]
\t\t[ [no]external ]
\t\t[ [no]udpcsum ]
\t\t[ [no]udp6zerocsumtx ]
\t\t[ [no]udp6zerocsumrx ]
\t\t[ innerprotoinherit ]

Where:\tVNI   := 0-16777215
\tADDR  := IP_ADDRESS
\tTOS   := { NUMBER | inherit }
\tTTL   := { 1..255 | auto | inherit }
\tDF    := { unset | set | inherit }
\tLABEL := 0-1048575"""


def _id(args: Args, record: Record) -> None:
    word = args.take()
    if "IFLA_GENEVE_ID" in record:
        raise garbage("id", word)
    try:
        record["IFLA_GENEVE_ID"] = U32(word)
        if record["IFLA_GENEVE_ID"] >= MAX_ID:
            raise ValueError(word)
    except ValueError:
        raise wrong(word, "invalid id") from None


def _remote(args: Args, record: Record) -> None:
    word = args.take()
    family, data = address(word, 0)
    if is_multicast(family, data):
        raise wrong(word, "invalid remote address")
    record["IFLA_GENEVE_REMOTE6" if family == AF_INET6 else "IFLA_GENEVE_REMOTE"] = data


def _ttl(args: Args, record: Record) -> None:
    word = args.take()
    if word == "inherit":
        record["IFLA_GENEVE_TTL_INHERIT"] = 1
        return
    record["IFLA_GENEVE_TTL"] = 0 if word == "auto" else time_to_live(word)


def _choices(name: str, key: str) -> list[Keyword]:
    return [ConstantKeyword(f"{name}*", key, 1), ConstantKeyword(f"no{name}*", key, 0)]


WORDS = [
    CustomKeyword("id*|vni*", _id),
    CustomKeyword("remote*", _remote),
    CustomKeyword("ttl*|hoplimit*", _ttl),
    ValueKeyword("tos*|dsfield*", "IFLA_GENEVE_TOS", lambda text: 1 if text == "inherit" else tos_number(text), "bad TOS value"),
    ValueKeyword("df", "IFLA_GENEVE_DF", DF.index, "DF must be 'unset', 'set' or 'inherit'"),
    ValueKeyword("label*|flowlabel*", "IFLA_GENEVE_LABEL", label, "invalid flowlabel"),
    ValueKeyword("dstport*", "IFLA_GENEVE_PORT", U16, "dstport"),
    ConstantKeyword("external*", "IFLA_GENEVE_COLLECT_METADATA", True),
    *_choices("udpcsum", "IFLA_GENEVE_UDP_CSUM"),
    *_choices("udp6zerocsumtx", "IFLA_GENEVE_UDP_ZERO_CSUM6_TX"),
    *_choices("udp6zerocsumrx", "IFLA_GENEVE_UDP_ZERO_CSUM6_RX"),
    ConstantKeyword("innerprotoinherit*", "IFLA_GENEVE_INNER_PROTO_INHERIT", True),
]


def _finish(record: Record, creates: bool) -> Record:
    external = "IFLA_GENEVE_COLLECT_METADATA" in record
    remote = "IFLA_GENEVE_REMOTE" in record or "IFLA_GENEVE_REMOTE6" in record
    if external and "IFLA_GENEVE_ID" in record:
        raise CommandError("geneve: both 'external' and vni cannot be specified", FAILED)
    if creates and not external and "IFLA_GENEVE_ID" not in record:
        raise CommandError("geneve: missing virtual network identifier", FAILED)
    if creates and not external and not remote:
        raise CommandError("geneve: remote link partner not specified", FAILED)
    for key in ("ID", "TTL", "TOS", "LABEL") if creates else ():
        record.setdefault(f"IFLA_GENEVE_{key}", 0)
    return record


def _show(data: Body, ip: IpContext) -> Iterator[OutputField]:
    if "IFLA_GENEVE_COLLECT_METADATA" in data:
        yield OutputField("external", True, "external ")
    if "IFLA_GENEVE_ID" in data:
        yield OutputField("id", data["IFLA_GENEVE_ID"], f"id {data['IFLA_GENEVE_ID']} ")
    for suffix in ("", "6"):
        value = data.get(f"IFLA_GENEVE_REMOTE{suffix}")
        if value not in (None, "0.0.0.0", "::"):
            yield OutputField(f"remote{suffix}", value, f"remote {value} ")
    if data.get("IFLA_GENEVE_TTL_INHERIT"):
        yield OutputField("ttl", "inherit", "ttl inherit ")
    elif "IFLA_GENEVE_TTL" in data:
        ttl = data["IFLA_GENEVE_TTL"]
        yield OutputField("ttl", ttl, f"ttl {ttl} " if ttl else "ttl auto ")
    tos = data.get("IFLA_GENEVE_TOS")
    if tos:
        yield OutputField("tos", f"0x{tos:x}", "tos inherit " if tos == 1 else f"tos 0x{tos:x} ")
    if data.get("IFLA_GENEVE_DF"):
        name = DF[data["IFLA_GENEVE_DF"]] if data["IFLA_GENEVE_DF"] < len(DF) else "unknown"
        yield OutputField("df", name, f"df {name} ")
    if data.get("IFLA_GENEVE_LABEL"):
        value = data["IFLA_GENEVE_LABEL"]
        yield OutputField("label", f"0x{value:x}", f"flowlabel 0x{value:x} ")
    if "IFLA_GENEVE_PORT" in data:
        yield OutputField("port", data["IFLA_GENEVE_PORT"], f"dstport {data['IFLA_GENEVE_PORT']} ")
    for name, json, key in (
        ("udpcsum", "udp_csum", "UDP_CSUM"),
        ("udp6zerocsumtx", "udp_zero_csum6_tx", "UDP_ZERO_CSUM6_TX"),
        ("udp6zerocsumrx", "udp_zero_csum6_rx", "UDP_ZERO_CSUM6_RX"),
    ):
        if f"IFLA_GENEVE_{key}" in data:
            yield flag(name, json, bool(data[f"IFLA_GENEVE_{key}"]))
    if "IFLA_GENEVE_INNER_PROTO_INHERIT" in data:
        yield OutputField("inner_proto_inherit", True, "innerprotoinherit ")


KINDS = {"geneve": LinkKind(HELP, words("geneve", WORDS, HELP, finish=_finish, once=True), _show)}
