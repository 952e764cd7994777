"""`ip mroute`: the cache of multicast routes (ip-mroute(8))."""

from __future__ import annotations

from _socket import AF_INET6

from ... import rtnl, uapi
from ...nlmsg import Request
from . import name_tables
from .arguments import prefix
from .context import ObjectVerbs, help_of
from .grammar import wrong
from .keywords import CustomKeyword, PrefixKeyword, ValueKeyword, read, target
from .name_tables import table_number
from .reads import joined, link_name
from .render import LINE_END, JsonObject, JsonText, OutputField, OutputGroup, OutputRow, device_name, fields, flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, IpContext, Iterator, Read, Record

FAMILIES = {0: uapi.RTNL_FAMILY_IPMR, 2: uapi.RTNL_FAMILY_IPMR, AF_INET6: uapi.RTNL_FAMILY_IP6MR}
UNRESOLVED = "unresolved"
USER_HZ = 100  # the unit of RTA_EXPIRES


def _table(args: Args, record: Record) -> None:
    word = args.take()
    try:
        record["table"] = table_number(word)
    except ValueError:
        if word == "all":
            record["table"] = 0
        elif word == "help":
            raise help_of("mroute") from None
        else:
            raise wrong(word, "table id value is invalid\n") from None


WORDS = [CustomKeyword("table*", _table), ValueKeyword("iif", "iif"), PrefixKeyword("from*", "from")]


def _to(word: str, args: Args, record: Record) -> None:
    record["to"] = prefix(word, record["family"])


def show(args: Args) -> int:
    """List the routes that a filter fits."""
    ip = args.ip
    if ip.family not in FAMILIES:
        return 0  # iproute2 prints nothing, not even an empty array
    ip.family = FAMILIES[ip.family]
    default = uapi.RT_TABLE_MAIN if ip.family == uapi.RTNL_FAMILY_IP6MR else uapi.RT_TABLE_DEFAULT
    record = read(WORDS, args, {"family": ip.family, "table": default}, target("to", "mroute", _to))
    if "iif" in record:
        record["iif"] = ip.device(record["iif"])
    body: Body = {"rtm_family": ip.family}
    if record["table"]:
        body["RTA_TABLE"] = record["table"]
    replies = ip.stream(Request(rtnl.GETROUTE, body, uapi.NLM_F_DUMP))
    ip.closes_json = True
    ip.print_rows(ROWS, (reply.body for reply in replies if _fits(reply.body, record)), ("table",) if record["table"] else ())
    return 0


def _fits(route: Body, record: Record) -> bool:
    if route["rtm_type"] != uapi.RTN_MULTICAST or route["rtm_family"] != record["family"]:
        return False
    table = route.get("RTA_TABLE", route["rtm_table"])
    return record["table"] in (0, table) and record.get("iif", route.get("RTA_IIF")) == route.get("RTA_IIF")


def _pair(route: Body, ip: IpContext) -> tuple[str, str]:
    source, group = (ip.host(route[key]) if key in route else "unknown" for key in ("RTA_SRC", "RTA_DST"))
    return source, group


def _pair_text(route: Body, _: Body, ip: IpContext) -> str:
    source, group = _pair(route, ip)
    return f"({source},{group})"


def _hops(hops: list[Body], route: Body, ip: IpContext) -> Iterator[OutputField]:
    shown = [JsonObject(fields(HOP, hop, ip)) for hop in hops]
    words = "".join(map(joined, shown))
    yield OutputField("multipath", shown, f"Oifs: {words}" if hops else "")


def _state(flags: int, route: Body, ip: IpContext) -> str:
    return UNRESOLVED if flags & uapi.RTNH_F_UNRESOLVED else "resolved"


def _table_name(route: Body, _: Body, ip: IpContext) -> str | None:
    table = route.get("RTA_TABLE", route["rtm_table"])
    if not table or (table == uapi.RT_TABLE_MAIN and not ip.details):
        return None
    return str(table) if ip.numeric else name_tables.table("rt_tables").get(table, str(table))


def _counter(name: str) -> Read:
    return lambda counters, route, ip: counters.get(f"mfcs_{name}", 0) if ip.stats else None


def _age(ticks: int, route: Body, ip: IpContext) -> JsonText | None:
    return JsonText(f"{ticks / USER_HZ:.2f}") if ip.stats else None


HOP = (
    OutputRow("rtnh_ifindex", "oif", "%s", device_name, colour="ifname"),
    OutputRow("rtnh_hops", "ttl", "(ttl %d)", lambda hops, hop, ip: hops if hops > 1 else None),
    OutputRow("", "", " "),
)
ROWS = (
    OutputRow("", "src", "", lambda route, _, ip: _pair(route, ip)[0]),
    OutputRow("", "dst", "%-32s Iif: ", lambda route, _, ip: _pair(route, ip)[1], _pair_text),
    OutputRow("RTA_IIF", "iif", "%-10s ", link_name, colour="ifname"),
    OutputRow("", "iif", "%s ", lambda route, _, ip: None if route.get("RTA_IIF") else UNRESOLVED),
    OutputGroup("RTA_MULTIPATH", _hops),
    OutputRow("rtm_flags", "state", " State: %s", _state),
    OutputRow("rtm_flags", "offload", " offload", flag(uapi.RTNH_F_OFFLOAD)),
    OutputRow("RTA_MFC_STATS", "packets", "\n  %d packets,", _counter("packets")),
    OutputRow("RTA_MFC_STATS", "bytes", " %d bytes", _counter("bytes")),
    OutputRow("RTA_MFC_STATS", "wrong_if", ", %d arrived on wrong iif.", lambda *stats: _counter("wrong_if")(*stats) or None),
    OutputRow("RTA_EXPIRES", "expires", ", Age %s", _age),
    OutputRow("", "table", " Table: %s", _table_name),
    LINE_END,
)
run = ObjectVerbs("mroute", ("show|list|lst", show))
