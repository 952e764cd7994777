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
from .render import JsonObject, JsonText, OutputField, put
from .route_words import table_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, IpContext, Iterator, Record

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
    ip.print_all(mroute(reply.body, ip, record) for reply in replies if _fits(reply.body, record))
    return 0


def _fits(route: Body, record: Record) -> bool:
    if route["rtm_type"] != uapi.RTN_MULTICAST or route["rtm_family"] != record["family"]:
        return False
    table = route.get("RTA_TABLE", route["rtm_table"])
    return record["table"] in (0, table) and record.get("iif", route.get("RTA_IIF")) == route.get("RTA_IIF")


def mroute(route: Body, ip: IpContext, record: Record | None = None) -> Iterator[OutputField]:
    """Yield the fields of one multicast route."""
    source, group = (ip.host(route[key]) if key in route else "unknown" for key in ("RTA_SRC", "RTA_DST"))
    yield OutputField("src", source)
    yield OutputField("dst", group, f"{f'({source},{group})':<32} Iif: ")
    if route.get("RTA_IIF"):
        name = ip.name_of(route["RTA_IIF"])
        yield OutputField("iif", name, put("%-10s ", name, ip, "ifname"))
    else:
        yield OutputField("iif", UNRESOLVED, f"{UNRESOLVED} ")
    if "RTA_MULTIPATH" in route:
        hops = [JsonObject(_hop(hop, ip)) for hop in route["RTA_MULTIPATH"]]
        words = "".join([field.text for hop in hops for field in hop])
        yield OutputField("multipath", hops, f"Oifs: {words}" if hops else "")
    state = UNRESOLVED if route["rtm_flags"] & uapi.RTNH_F_UNRESOLVED else "resolved"
    yield OutputField("state", state, f" State: {state}")
    if route["rtm_flags"] & uapi.RTNH_F_OFFLOAD:
        yield OutputField("offload", None, " offload")
    if ip.stats:
        yield from _statistics(route, ip)
    table = route.get("RTA_TABLE", route["rtm_table"])
    if table and (table != uapi.RT_TABLE_MAIN or ip.details) and not (record or {}).get("table"):
        shown = str(table) if ip.numeric else name_tables.table("rt_tables").get(table, str(table))
        yield OutputField("table", shown, f" Table: {shown}")
    yield OutputField("", None, "\n")


def _hop(hop: Body, ip: IpContext) -> Iterator[OutputField]:
    name = ip.name_of(hop["rtnh_ifindex"])
    yield OutputField("oif", name, put("%s", name, ip, "ifname"))
    if hop["rtnh_hops"] > 1:
        yield OutputField("ttl", hop["rtnh_hops"], f"(ttl {hop['rtnh_hops']}) ")
    else:
        yield OutputField("", None, " ")


def _statistics(route: Body, ip: IpContext) -> Iterator[OutputField]:
    if "RTA_MFC_STATS" in route:
        found = route["RTA_MFC_STATS"]
        packets, size, wrong_interface = (found.get(f"mfcs_{name}", 0) for name in ("packets", "bytes", "wrong_if"))
        yield OutputField("packets", packets, put("\n", None, ip) + f"  {packets} packets,")
        yield OutputField("bytes", size, f" {size} bytes")
        if wrong_interface:
            yield OutputField("wrong_if", wrong_interface, f", {wrong_interface} arrived on wrong iif.")
    if "RTA_EXPIRES" in route:
        age = f"{route['RTA_EXPIRES'] / USER_HZ:.2f}"
        yield OutputField("expires", JsonText(age), f", Age {age}")


run = ObjectVerbs("mroute", ("show|list|lst", show))
