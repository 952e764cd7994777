"""`ip route`: list, look up, add, change, replace, append, delete, flush, save and restore routes (ip-route(8)).

The words that create, change, look up and select routes are loaded only if they are needed.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop
from errno import ENOENT, ESRCH

from ... import rtnl, uapi
from ...nlmsg import Request
from . import name_tables
from .arguments import LABEL_BITS, label_text
from .context import ObjectVerbs
from .grammar import FAILED, CommandError, late
from .name_tables import named, named_unless, tos_name, type_name
from .reads import coloured_row, nonzero
from .render import (
    LINE_END,
    JsonObject,
    OutputField,
    OutputGroup,
    OutputRow,
    device_name,
    family_colour,
    fields,
    flag_names,
    host,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Args, Body, Callable, Collection, IpContext, Iterable, Iterator, Mapping, Message, Record

BITS = {AF_INET: 32, AF_INET6: 128, uapi.AF_MPLS: LABEL_BITS}
PREFERENCE_NAMES = {0: "medium", 1: "high", 3: "low"}


def route(record: Body, ip: IpContext, hide: Collection[str] = ()) -> Iterator[OutputField]:
    """Yield the fields of one route, without the rows with a name in ``hide``."""
    return fields(ROWS, record, ip, {*hide, *NOT_OF_LOOKUP} if record["rtm_flags"] & uapi.RTM_F_CLONED else hide)


NOT_OF_LOOKUP = {"protocol", "scope"}  # rows that the answer to a look-up does not have


def hidden(wanted: Record) -> set[str]:
    """Return the names of the rows that a filter has fixed, so that showing them says nothing new."""
    found = {name for name in ("tos", "protocol", "scope", "metric", "iif") if name in wanted}
    found |= {name for name, key in (("dev", "oif"), ("table", "table")) if wanted.get(key)}
    for name, key in (("gateway", "via"), ("prefsrc", "prefsrc")):
        prefix = wanted.get(key)
        if prefix is not None and prefix.family and prefix.length == BITS[prefix.family]:
            found.add(name)
    found |= NOT_OF_LOOKUP if wanted.get("cloned") else {"cache"}
    return found | ({"flow"} if wanted.get("realm_mask") == 0xFFFFFFFF else set())


def _type(value: int, record: Body, ip: IpContext) -> str | None:
    return type_name(value, ip) if value != uapi.RTN_UNICAST or ip.details else None


def _new_destination(value: bytes, record: Body, ip: IpContext) -> str:
    if record["rtm_family"] == uapi.AF_MPLS:
        return label_text(value)
    return ip.host(inet_ntop(AF_INET if len(value) == 4 else AF_INET6, value)) if len(value) in (4, 16) else value.hex()


def _destination(record: Body, _: Body, ip: IpContext) -> str:
    return _prefix(record, "RTA_DST", record["rtm_dst_len"], ip) or "default"


def _source(length: int, record: Body, ip: IpContext) -> str | None:
    return _prefix(record, "RTA_SRC", length, ip) if length or "RTA_SRC" in record else None


def _prefix(record: Body, key: str, length: int, ip: IpContext) -> str | None:
    address = record.get(key)
    if address is None:
        return f"0/{length}" if length else None
    if record["rtm_family"] == uapi.AF_MPLS:
        address = label_text(address)
        return address if length == LABEL_BITS else f"{address}/{length}"
    if length != BITS.get(record["rtm_family"], 0):
        return f"{address}/{length}"
    return ip.host(address) if ip.resolve else address


def _colour(key: str) -> Callable[[Any, Body], str | None]:
    return lambda value, record: family_colour(record.get("rtm_family", 0)) if key in record else None


def _table(record: Body, _: Body, ip: IpContext) -> str | None:
    table = record.get("RTA_TABLE", record["rtm_table"])
    return named("rt_tables")(table, record, ip) if table and (table != uapi.RT_TABLE_MAIN or ip.details) else None


def _cache(flags: int, record: Body, ip: IpContext) -> Iterable[OutputField]:
    """Yield what the kernel has noted about a route that is the answer to a look-up in IPv4."""
    if record["rtm_family"] != AF_INET or not flags & uapi.RTM_F_CLONED:
        return ()
    from .route_parts import cache_flags, cache_info

    return (cache_flags(flags, ip), *cache_info(record.get("RTA_CACHEINFO"), ip))


def _cache6(info: Mapping[str, int], record: Body, ip: IpContext) -> Iterable[OutputField]:
    if record["rtm_family"] != AF_INET6:
        return ()
    from .route_parts import cache_info

    return cache_info(info, ip)


def _object(value: int, record: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield what -details adds to a route that refers to a next hop object."""
    if ip.details:
        from .nexthop import by_id

        yield from by_id(value, ip)


def _hops(hops: list[Body], record: Body, ip: IpContext) -> Iterator[OutputField]:
    family = {"rtm_family": record["rtm_family"]}
    objects = [JsonObject(fields(HOP, {**hop, **family}, ip)) for hop in hops]
    yield OutputField("nexthops", objects, "".join(field.text for one in objects for field in one))


def _weight(value: int, record: Body, ip: IpContext) -> int | None:
    return value + 1 if record["rtm_family"] != uapi.AF_MPLS else None


ENCAPSULATION = OutputGroup("RTA_ENCAP", late("route_encap.encapsulation"))
NEW_DESTINATION = OutputRow("RTA_NEWDST", "as", "as to %s ", _new_destination)
GATEWAY = OutputRow("RTA_GATEWAY", "gateway", "via %s ", host, colour=_colour("RTA_GATEWAY"), cached=True)
ROWS = (
    OutputRow("rtm_type", "type", "%s ", _type, cached=True),
    OutputRow("", "dst", "%s ", _destination, colour=_colour("RTA_DST")),
    coloured_row("rtm_src_len", "from", _source, _colour("RTA_SRC"), ("rtm_src_len", "RTA_SRC", "rtm_family")),
    NEW_DESTINATION,
    ENCAPSULATION,
    OutputRow("rtm_tos", "tos", "tos %s ", tos_name, cached=True),
    OutputRow("RTA_NH_ID", "nhid", "nhid %s "),
    GATEWAY,
    OutputGroup("RTA_VIA", late("route_parts.via")),
    OutputRow("RTA_OIF", "dev", "dev %s ", device_name, colour="ifname", cached=True),
    OutputRow("", "table", "table %s ", _table, cached=("RTA_TABLE", "rtm_table")),
    OutputRow("rtm_protocol", "protocol", "proto %s ", named_unless("rt_protos", uapi.RTPROT_BOOT), cached=True),
    OutputRow("rtm_scope", "scope", "scope %s ", named_unless("rt_scopes", uapi.RT_SCOPE_UNIVERSE), cached=True),
    OutputRow("RTA_PREFSRC", "prefsrc", "src %s ", colour=_colour("RTA_PREFSRC"), cached=("RTA_PREFSRC", "rtm_family")),
    OutputRow("RTA_PRIORITY", "metric", "metric %s "),
    OutputGroup("rtm_flags", flag_names(name_tables.ROUTE_FLAGS), cached=True),
    OutputRow("RTA_MARK", "mark", "mark %s ", nonzero, lambda value, record, ip: f"{value:#x}" if value >= 16 else str(value)),
    OutputGroup("RTA_FLOW", late("route_parts.realms"), "flow"),
    OutputRow("RTA_UID", "uid", "uid %s "),
    OutputGroup("rtm_flags", _cache, "cache"),
    OutputGroup("RTA_CACHEINFO", _cache6),
    OutputGroup("RTA_METRICS", late("route_parts.metrics")),
    OutputRow("RTA_IIF", "iif", "iif %s ", device_name, colour="ifname"),
    OutputRow("RTA_PREF", "pref", "pref %s", lambda value, record, ip: PREFERENCE_NAMES.get(value, value)),
    OutputRow(
        "RTA_TTL_PROPAGATE",
        "ttl-propogate",
        "ttl-propogate %s",
        lambda value, record, ip: bool(value),
        lambda value, record, ip: "enabled" if value else "disabled",
    ),
    OutputGroup("RTA_NH_ID", _object),
    OutputGroup("RTA_MULTIPATH", _hops),
    LINE_END,
)
HOP = (
    OutputRow("", "", "\n\tnexthop "),
    ENCAPSULATION,
    NEW_DESTINATION,
    GATEWAY,
    OutputGroup("RTA_VIA", late("route_parts.via")),
    OutputGroup("RTA_FLOW", late("route_parts.realms")),
    OutputRow("rtnh_ifindex", "dev", "dev %s ", device_name),  # iproute2 does not colour this one
    OutputRow("rtnh_hops", "weight", "weight %s ", _weight),
    OutputGroup("rtnh_flags", flag_names(name_tables.ROUTE_FLAGS)),
)


KERNEL_REFUSED = 2
ASKED = {"oif": "RTA_OIF", "protocol": "rtm_protocol"}  # what the kernel filters besides tables


def _wanted(args: Args) -> Record:
    """Return the filter that the words describe; ``ask`` in it is what the kernel can filter.  Raises `CommandError`."""
    record: Record = {"family": args.ip.family, "table": uapi.RT_TABLE_MAIN}
    if args:
        from .route_filter import wanted

        record = wanted(args)
    if record["table"] and not record["family"]:
        record["family"] = AF_INET
    record["ask"] = {name: record[key] for key, name in ASKED.items() if key in record}
    if record["table"]:
        record["ask"]["RTA_TABLE"] = record["table"]
    if record.get("cloned"):
        record["ask"]["rtm_flags"] = uapi.RTM_F_CLONED
    return record


def _routes(ip: IpContext, record: Record, ending: str = "Dump terminated") -> Iterator[Record]:
    """Yield the routes that a filter fits, as they are received; what the kernel cannot filter is filtered here."""
    body: Record = {"rtm_family": record["family"], **record["ask"]}
    # A namespace in which no route was ever added has no table main.
    ignored = ENOENT if record["table"] == uapi.RT_TABLE_MAIN else 0
    fits = matcher(record)
    for reply in ip.stream(Request(rtnl.GETROUTE, body, uapi.NLM_F_DUMP), ending, KERNEL_REFUSED, ignored):
        if reply.kind == uapi.RTM_NEWROUTE and fits(reply.body):
            yield reply.body


def show(args: Args) -> int:
    """List routes: by default those of table main, of IPv4 unless another family is asked for."""
    record = _wanted(args)
    args.ip.print_rows(ROWS, _routes(args.ip, record), hidden(record))
    return 0


def flush(args: Args) -> int:
    """Delete all routes that a filter fits, in rounds."""
    from .flush import NOTHING, in_rounds

    ip = args.ip
    if not args:
        raise CommandError('"ip route flush" requires arguments.', FAILED)
    record = _wanted(args)
    if record.get("cloned"):
        if record["family"] != AF_INET6:
            _flush_cache()
            if ip.stats:
                ip.write(["*** IPv4 routing cache is flushed.\n"])
        if record["family"] == AF_INET:
            return 0
    cached = record.get("cloned") and record["family"] != AF_INET6
    if not in_rounds(
        ip,
        ip.flush_rounds,
        lambda: [one for one in _routes(ip, record, "Flush terminated") if not _is_null(one)],
        lambda found: ip.print_text(route(one, ip, hidden(record)) for one in found),
        lambda one: ip.do(Request(rtnl.DELROUTE, one), ESRCH, ENOENT),  # it may have gone with another
        nothing="*** Flush is complete after 0 round ***\n" if cached else NOTHING,
    ):
        raise CommandError("Flush terminated", KERNEL_REFUSED)
    return 0


def _is_null(route: Record) -> bool:
    """Tell whether a route is the unreachable default that the kernel itself adds for IPv6; it cannot be deleted."""
    default = route["rtm_family"] == AF_INET6 and not route["rtm_dst_len"] and route["rtm_type"] == uapi.RTN_UNREACHABLE
    return default and route.get("RTA_PRIORITY") == 0xFFFFFFFF


def _flush_cache() -> None:
    """Have the kernel drop what it has cached of IPv4 routes."""
    from ... import sysctl
    from ...errors import SyscallError

    try:
        sysctl.write("net/ipv4/route/flush", "-1")
    except SyscallError as error:
        raise CommandError(f'Cannot open "/proc/sys/net/ipv4/route/flush": {error.strerror}', FAILED) from None


EXACT = (  # words of the filter, and the fields that they are compared with
    ("protocol", "rtm_protocol"),
    ("scope", "rtm_scope"),
    ("tos", "rtm_tos"),
    ("oif", "RTA_OIF"),
    ("iif", "RTA_IIF"),
    ("mark", "RTA_MARK"),
    ("metric", "RTA_PRIORITY"),
)


def matcher(record: Record) -> Callable[[Body], bool]:
    """Return a function that tells whether a route passes the filter; it checks nothing that the filter does not name."""
    family, table, cloned = record["family"], record["table"], uapi.RTM_F_CLONED if record.get("cloned") else 0
    exact = [(name, record[key]) for key, name in EXACT if key in record]
    types, realm, mask = (record.get(key) for key in ("types", "realm", "realm_mask"))
    prefixes: Callable[[Body, Record], bool] | None = None
    if any(key in record for key in ("dst root", "dst match", "src root", "src match", "via", "prefsrc")):
        from .route_filter import in_prefixes as prefixes

    def fits(route: Body) -> bool:
        if family not in (0, route["rtm_family"]) or route["rtm_flags"] & uapi.RTM_F_CLONED != cloned:
            return False
        if table and route.get("RTA_TABLE", route["rtm_table"]) != table:
            return False
        for name, value in exact:
            if route.get(name, 0) != value:
                return False
        if types is not None and not types & 1 << route["rtm_type"]:
            return False
        if realm is not None and (route.get("RTA_FLOW", 0) ^ realm) & mask:
            return False
        return prefixes is None or prefixes(route, record)

    return fits


def save(args: Args) -> int:
    """Write the routes that a filter fits to standard output, as netlink messages behind a magic number."""
    from . import saved

    saved.begin("route")  # before the words are read, as iproute2 does
    saved.write_messages([(rtnl.NEWROUTE, body) for body in _routes(args.ip, _wanted(args))])
    return 0


def _rank(body: Body) -> int:
    """Return the place of a route among those to add: a gateway must be reachable before it is used."""
    return -int(body.get("rtm_scope", 0)) if "RTA_GATEWAY" not in body and "RTA_MULTIPATH" not in body else 1


def showdump(args: Args) -> int:
    """Show the routes that `save` has written, from standard input."""
    from .saved import read_messages

    args.ip.print_all(route(body, args.ip) for message, body in read_messages("route") if message is rtnl.NEWROUTE)
    return 0


def _get(args: Args) -> int:
    from .route_change import look_up

    for answer in look_up(args):
        args.ip.print_all([route(answer, args.ip)])
    return 0


def modify(args: Args, message: Message, flags: int = 0) -> int:
    """Add, change or delete a route; return the exit status."""
    from .route_change import body

    ip = args.ip
    ip.change(Request(message, body(args, message is rtnl.DELROUTE), flags), lambda one: route(one, ip))
    return 0


run = ObjectVerbs(
    "route",
    ("list|show|lst", show),
    ("get", _get),
    ("add", lambda args: modify(args, rtnl.NEWROUTE, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL)),
    ("change|chg", lambda args: modify(args, rtnl.NEWROUTE, uapi.NLM_F_REPLACE)),
    ("replace", lambda args: modify(args, rtnl.NEWROUTE, uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE)),
    ("prepend", lambda args: modify(args, rtnl.NEWROUTE, uapi.NLM_F_CREATE)),
    ("append", lambda args: modify(args, rtnl.NEWROUTE, uapi.NLM_F_CREATE | uapi.NLM_F_APPEND)),
    ("test", lambda args: modify(args, rtnl.NEWROUTE, uapi.NLM_F_EXCL)),
    ("delete", lambda args: modify(args, rtnl.DELROUTE)),
    ("flush", flush),
    ("save", save),
    ("restore", lambda args: late("saved.restore")("route", args.ip, rtnl.NEWROUTE, _rank)),
    ("showdump", showdump),
)
