"""`ip route`: list, look up, add, change, replace, append, delete, flush, save and restore routes (ip-route(8)).

The words that create, change and look up routes are loaded only for those verbs.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_pton
from errno import EEXIST, ENOENT, ESRCH

from ... import rtnl, uapi
from ...errors import KernelError
from ...nlmsg import Request
from .context import ObjectVerbs
from .grammar import FAILED, CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...objects.prefix import Prefix
    from ...wire import Body, Message
    from .context import Args, IpContext
    from .grammar import Record
    from .render import OutputField

KERNEL_REFUSED = 2
ASKED = {"oif": "RTA_OIF", "protocol": "rtm_protocol"}  # what the kernel filters besides tables


# -- listing ------------------------------------------------------------------------------------------------------


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
    for reply in ip.stream(Request(rtnl.GETROUTE, body, uapi.NLM_F_DUMP), ending, KERNEL_REFUSED, ignored):
        if reply.kind == uapi.RTM_NEWROUTE and fits(reply.body, record):
            yield reply.body


def show(args: Args) -> int:
    """List routes: by default those of table main, of IPv4 unless another family is asked for."""
    from .show_route import ROWS, hidden

    record = _wanted(args)
    args.ip.print_rows(ROWS, _routes(args.ip, record), hidden(record))
    return 0


def flush(args: Args) -> int:
    """Delete all routes that a filter fits, in rounds."""
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
    done = 0
    while not ip.flush_rounds or done < ip.flush_rounds:
        routes = [one for one in _routes(ip, record, "Flush terminated") if not _is_null(one)]
        if not routes:
            if ip.stats and not done and (not record.get("cloned") or record["family"] == AF_INET6):
                ip.write(["Nothing to flush.\n"])
            elif ip.stats:
                ip.write([f"*** Flush is complete after {done} round{'s' if done > 1 else ''} ***\n"])
            return 0
        done += 1
        if ip.stats > 1:
            from .render import text
            from .show_route import hidden, route

            ip.write(piece for one in routes for piece in text(route(one, ip, hidden(record))))
        _delete_all(routes, ip)
        if ip.stats:
            ip.write([f"\n*** Round {done}, deleting {len(routes)} entries ***\n"])
    raise CommandError("Flush terminated", KERNEL_REFUSED)


def _is_null(route: Record) -> bool:
    """Tell whether a route is the unreachable default that the kernel itself adds for IPv6; it cannot be deleted."""
    default = route["rtm_family"] == AF_INET6 and not route["rtm_dst_len"] and route["rtm_type"] == uapi.RTN_UNREACHABLE
    return default and route.get("RTA_PRIORITY") == 0xFFFFFFFF


def _delete_all(routes: list[Record], ip: IpContext) -> None:
    """Delete each; one that is gone already, with another or by itself, is no failure."""
    for one in routes:
        try:
            ip.do(Request(rtnl.DELROUTE, one))
        except KernelError as error:
            if error.errno not in (ESRCH, ENOENT):
                raise


def _flush_cache() -> None:
    """Have the kernel drop what it has cached of IPv4 routes."""
    from ... import sysctl
    from ...errors import SyscallError

    try:
        sysctl.write("net/ipv4/route/flush", "-1")
    except SyscallError as error:
        raise CommandError(f'Cannot open "/proc/sys/net/ipv4/route/flush": {error.strerror}', FAILED) from None


# -- whether a route fits -----------------------------------------------------------------------------------------------


def fits(route: Body, record: Record) -> bool:
    """Tell whether a route passes the filter."""
    if record["family"] not in (0, route["rtm_family"]):
        return False
    if bool(route["rtm_flags"] & uapi.RTM_F_CLONED) != bool(record.get("cloned")):
        return False
    if record["table"] not in (0, route.get("RTA_TABLE", route["rtm_table"])):
        return False
    if "types" in record and not record["types"] & 1 << route["rtm_type"]:
        return False
    for key, name in (("protocol", "rtm_protocol"), ("scope", "rtm_scope"), ("tos", "rtm_tos")):
        if record.get(key, route[name]) != route[name]:
            return False
    for key, name in (("oif", "RTA_OIF"), ("iif", "RTA_IIF"), ("mark", "RTA_MARK"), ("metric", "RTA_PRIORITY")):
        if key in record and route.get(name, 0) != record[key]:
            return False
    if "realm" in record and (route.get("RTA_FLOW", 0) ^ record["realm"]) & record["realm_mask"]:
        return False
    return _in_prefixes(route, record)


def _in_prefixes(route: Body, record: Record) -> bool:
    family = route["rtm_family"]
    for key, name, size in (("dst", "RTA_DST", "rtm_dst_len"), ("src", "RTA_SRC", "rtm_src_len")):
        inside: Prefix | None = record.get(f"{key} root")
        around: Prefix | None = record.get(f"{key} match")
        length = route[size]
        if inside is not None and not (inside.length <= length and _same(route, family, name, inside, inside.length)):
            return False
        if around is not None and not (around.length >= length and _same(route, family, name, around, length)):
            return False
    via: Prefix | None = record.get("via")
    if via is not None and not _same(route, family, "RTA_GATEWAY", via, via.length):
        return False
    prefsrc: Prefix | None = record.get("prefsrc")
    return prefsrc is None or _same(route, family, "RTA_PREFSRC", prefsrc, prefsrc.length)


def _same(route: Body, family: int, name: str, wanted: Prefix, bits: int) -> bool:
    """Tell whether the first bits of a route's address are those of a prefix; a route without the attribute has zeros."""
    if wanted.family not in (0, family):
        return False
    if not wanted.address or not bits:
        return True
    text = route.get(name)
    from ...objects.prefix import same_bits

    packed = wanted.packed
    return same_bits(bytes(len(packed)) if text is None else inet_pton(family, text), packed, bits)


# -- save and restore -----------------------------------------------------------------------------------------------


def save(args: Args) -> int:
    """Write the routes that a filter fits to standard output, as netlink messages behind a magic number."""
    from .saved import write

    ip = args.ip
    write("route", [(rtnl.NEWROUTE, body) for body in _routes(ip, _wanted(args))])
    return 0


def restore(args: Args) -> int:
    """Add the routes that `save` has written, from standard input."""
    from .saved import read_messages

    ip, bodies = args.ip, [body for message, body in read_messages("route") if message is rtnl.NEWROUTE]
    scopes = (uapi.RT_SCOPE_NOWHERE, uapi.RT_SCOPE_HOST, uapi.RT_SCOPE_LINK, uapi.RT_SCOPE_UNIVERSE)
    for body in sorted(bodies, key=lambda body: -_rank(body, scopes)):  # a gateway must be reachable before it is used
        try:
            ip.do(Request(rtnl.NEWROUTE, body, uapi.NLM_F_CREATE))
        except KernelError as error:
            if error.errno != EEXIST:  # addresses have brought some of them
                raise
    return 0


def _rank(body: Record, scopes: tuple[int, ...]) -> int:
    """Return the order in which a route can be added: those without a gateway come first."""
    return int(body.get("rtm_scope", 0)) if "RTA_GATEWAY" not in body and "RTA_MULTIPATH" not in body else -1


def showdump(args: Args) -> int:
    """Show the routes that `save` has written, from standard input."""
    from .saved import read_messages
    from .show_route import route

    args.ip.print_all(route(body, args.ip) for message, body in read_messages("route") if message is rtnl.NEWROUTE)
    return 0


def _get(args: Args) -> int:
    from .route_change import get

    return get(args)


def modify(args: Args, message: Message, flags: int = 0) -> int:
    """Add, change or delete a route; return the exit status."""
    from .route_change import body

    ip = args.ip
    ip.change(Request(message, body(args, message is rtnl.DELROUTE), flags), lambda one, deleted: _echo(one, deleted, ip))
    return 0


def _echo(one: Body, deleted: bool, ip: IpContext) -> Iterator[OutputField]:
    from .show_route import route

    return route(one, ip, (), deleted)


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
    ("restore", restore),
    ("showdump", showdump),
)
