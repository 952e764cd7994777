"""`ip mroute`: the cache of multicast routes (ip-mroute(8))."""

from __future__ import annotations

from _socket import AF_INET6

from ... import rtnl, uapi
from ...nlmsg import Request
from .arguments import prefix
from .context import dispatch
from .grammar import FAILED, CommandError, matches, wrong
from .keywords import CustomKeyword, read
from .render import JsonObject, OutputField, put
from .route_words import table_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...wire import Body
    from .context import Args, IpContext
    from .grammar import Record

FAMILIES = {0: uapi.RTNL_FAMILY_IPMR, 2: uapi.RTNL_FAMILY_IPMR, AF_INET6: uapi.RTNL_FAMILY_IP6MR}
UNRESOLVED = "unresolved"


def _table(args: Args, record: Record) -> None:
    word = args.take()
    try:
        record["table"] = table_number(word)
    except ValueError:
        if word == "all":
            record["table"] = 0
        elif word == "help":
            raise help() from None
        else:
            raise wrong(word, "table id value is invalid\n") from None


def _prefix(key: str) -> Callable[[Args, Record], None]:
    def take(args: Args, record: Record) -> None:
        record[key] = prefix(args.take(), record["family"])

    return take


WORDS = [
    CustomKeyword("table*", _table, "TABLE_ID"),
    CustomKeyword("iif", lambda args, record: record.__setitem__("iif", args.take()), "DEVICE"),
    CustomKeyword("from*", _prefix("from"), "PREFIX"),
]


def _to(word: str, args: Args, record: Record) -> None:
    if word == "to":
        word = args.take()
    if matches(word, "help"):
        raise help()
    record["to"] = prefix(word, record["family"])


def show(args: Args) -> int:
    """List the routes that a filter fits."""
    ip = args.ip
    ip.family = FAMILIES.get(ip.family, ip.family)
    default = uapi.RT_TABLE_MAIN if ip.family == uapi.RTNL_FAMILY_IP6MR else uapi.RT_TABLE_DEFAULT
    record = read(WORDS, args, {"family": ip.family, "table": default}, _to)
    if "iif" in record:
        name = record["iif"]
        record["iif"] = ip.index_of(name)
        if not record["iif"]:
            raise CommandError(f'Cannot find device "{name}"', FAILED)
    body: Body = {"rtm_family": ip.family}
    if record["table"]:
        body["RTA_TABLE"] = record["table"]
    replies = ip.stream(Request(rtnl.GETROUTE, body, uapi.NLM_F_DUMP))
    ip.print_all(mroute(reply.body, record, ip) for reply in replies if _fits(reply.body, record))
    return 0


def _fits(route: Body, record: Record) -> bool:
    if route["rtm_type"] != uapi.RTN_MULTICAST or route["rtm_family"] != record["family"]:
        return False
    table = route.get("RTA_TABLE", route["rtm_table"])
    return record["table"] in (0, table) and record.get("iif", route.get("RTA_IIF")) == route.get("RTA_IIF")


def mroute(route: Body, record: Record, ip: IpContext) -> Iterator[OutputField]:
    """Yield the fields of one multicast route."""
    source, group = route.get("RTA_SRC", "unknown"), route.get("RTA_DST", "unknown")
    yield OutputField("src", source)
    yield OutputField("dst", group, f"{f'({source},{group})':<32} ")
    if "RTA_IIF" in route and "iif" not in record:
        name = ip.name_of(route["RTA_IIF"])
        yield OutputField("iif", name, put("Iif: %-10s ", name, ip))
    else:
        yield OutputField("state", UNRESOLVED, f"{UNRESOLVED} ")
    hops = route.get("RTA_MULTIPATH", [])
    objects = []
    for hop in hops:
        name = ip.name_of(hop["rtnh_ifindex"])
        ttl = [OutputField("ttl", hop["rtnh_hops"], f"(ttl {hop['rtnh_hops']}) ")] if hop["rtnh_hops"] > 1 else []
        objects.append(JsonObject([OutputField("oif", name, put("%s", name, ip)), *ttl]))
    if objects:
        words = " ".join("".join(field.text for field in one) for one in objects)
        yield OutputField("multipath", objects, f"Oifs: {words} ")
    if hops:
        yield OutputField("state", "resolved", " State: resolved")
    yield OutputField("", None, "\n")


def help() -> CommandError:
    """Return the help text of `ip mroute`."""
    from .help_texts import OBJECTS

    return CommandError(OBJECTS["mroute"])


def _help(args: Args) -> int:
    raise help()


def run(args: Args) -> int:
    """Run ``ip mroute`` with its words; return the exit status."""
    if not args:
        return show(args)
    return dispatch((("show|list|lst", show), ("help", _help)), args.take(), args, "mroute")
