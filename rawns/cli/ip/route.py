"""`ip route`: list, look up, add, change, replace, append, delete, flush, save and restore routes (ip-route(8))."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6
from errno import EEXIST, ENOENT, ESRCH

from ... import rtnl, uapi
from ...errors import KernelError
from ...nlmsg import Request
from .arguments import U32, address, natural, prefix
from .context import complain, dispatch
from .grammar import FAILED, CommandError, matches, wrong
from .keywords import CustomKeyword, ValueKeyword, read
from .protocols import number_of as ip_protocol
from .route_words import ROUTE_ROWS, help, is_default, read_nexthops, route_type, take_device, tos_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...wire import Body, Message
    from .context import Args, IpContext
    from .grammar import Record
    from .render import OutputField

    Take = Callable[[Args, Record], None]

KERNEL_REFUSED = 2
UNGUESSED = uapi.RT_SCOPE_NOWHERE
LOCAL_TYPES = (uapi.RTN_LOCAL, uapi.RTN_BROADCAST, uapi.RTN_NAT, uapi.RTN_ANYCAST)
LINK_TYPES = (uapi.RTN_BROADCAST, uapi.RTN_MULTICAST, uapi.RTN_ANYCAST)


# -- changing -----------------------------------------------------------------------------------------------------


def _body(args: Args, deletes: bool) -> Record:
    """Return the body of RTM_NEWROUTE or RTM_DELROUTE that the args describe.  Raises `CommandError`."""
    ip = args.ip
    record: Record = {"rtm_family": ip.family, "rtm_table": uapi.RT_TABLE_MAIN}
    if not deletes:
        record["rtm_protocol"], record["rtm_type"] = uapi.RTPROT_BOOT, uapi.RTN_UNICAST
    read(ROUTE_ROWS, args, record, _destination)
    if "destination" not in record:
        raise help()
    take_device(record, ip)
    metrics, lock = record.pop("metrics", {}), record.pop("lock", 0)
    if metrics:
        record["RTA_METRICS"] = {**metrics, **({"RTAX_LOCK": lock} if lock else {})}
    if "nexthops" in record:
        record["RTA_MULTIPATH"] = read_nexthops(record.pop("nexthops"), record, ip)
    record["rtm_family"] = record["rtm_family"] or AF_INET
    kind: int = record.get("rtm_type", uapi.RTN_UNSPEC)
    if "table" not in record and kind in LOCAL_TYPES:
        record["rtm_table"] = uapi.RT_TABLE_LOCAL
    record.setdefault("rtm_scope", _scope(record, kind, deletes))
    for key in ("destination", "table", "gateway"):
        record.pop(key, None)
    return record


def _scope(record: Record, kind: int, deletes: bool) -> int:
    """Return the scope of a route for which none is given: how far away its destination is."""
    if record["rtm_family"] in (AF_INET6, uapi.AF_MPLS):
        return uapi.RT_SCOPE_UNIVERSE
    if kind in (uapi.RTN_LOCAL, uapi.RTN_NAT):
        return uapi.RT_SCOPE_HOST
    if kind in LINK_TYPES:
        return uapi.RT_SCOPE_LINK
    if kind in (uapi.RTN_UNICAST, uapi.RTN_UNSPEC):
        if deletes:
            return UNGUESSED
        if not ("gateway" in record or "RTA_MULTIPATH" in record or "RTA_NH_ID" in record):
            return uapi.RT_SCOPE_LINK
    return UNGUESSED if deletes else uapi.RT_SCOPE_UNIVERSE


def _destination(word: str, args: Args, record: Record) -> None:
    """Read the destination, a word that no row fits, with or without its type before it."""
    if word == "to":
        word = args.take()
    if not word[:1].isdigit():
        try:
            record["rtm_type"] = route_type(word)
            word = args.take()
        except ValueError:
            pass
    if matches(word, "help"):
        raise help()
    if "destination" in record:
        raise CommandError(f'Error: either "to" is duplicate, or "{word}" is a garbage.')
    found = record["destination"] = prefix(word, record["rtm_family"])
    record["rtm_family"] = record["rtm_family"] or found.family
    record["rtm_dst_len"] = found.bits
    if found.address and not is_default(word):
        record["RTA_DST"] = found.address


def modify(args: Args, message: Message, flags: int = 0) -> int:
    """Add, change or delete a route; return the exit status."""
    ip = args.ip
    ip.change(Request(message, _body(args, message is rtnl.DELROUTE), flags), lambda one, deleted: _echo(one, deleted, ip))
    return 0


def _echo(one: Body, deleted: bool, ip: IpContext) -> Iterator[OutputField]:
    from .show_route import route

    return route(one, {}, ip, deleted)


# -- looking up ---------------------------------------------------------------------------------------------------


def _lookup_address(key: str, bits: str) -> Take:
    def take(args: Args, record: Record) -> None:
        word = args.take()
        if matches(word, "help"):
            raise help()
        _put_prefix(word, record, key, bits)

    return take


def _put_prefix(word: str, record: Record, key: str, bits: str) -> None:
    found = prefix(word, record["rtm_family"])
    record["rtm_family"] = record["rtm_family"] or found.family
    record[bits] = found.bits
    if found.address and not is_default(word):
        record[key] = found.address


def _new_destination(args: Args, record: Record) -> None:
    word = args.take()
    if word == "to":
        word = args.take()
    record["RTA_NEWDST"] = address(word, record["rtm_family"])[1]


def _vrf_device(args: Args, record: Record) -> None:
    word = args.take()
    link = args.ip.link(args.ip.index_of(word))
    if link is None or link.get("IFLA_LINKINFO", {}).get("IFLA_INFO_KIND") != "vrf":
        raise wrong(word, "Invalid VRF\n")
    record["oif"] = word


def _bit(key: str, value: int) -> Take:
    def take(args: Args, record: Record) -> None:
        record[key] = record.get(key, 0) | value

    return take


LOOKUP_ROWS = [
    ValueKeyword("tos|dsfield*", "rtm_tos", tos_number, "TOS value is invalid\n", hint="TOS"),
    CustomKeyword("from*", _lookup_address("RTA_SRC", "rtm_src_len"), "ADDRESS"),
    ValueKeyword("iif*", "iif", str, hint="STRING"),
    ValueKeyword("mark*", "RTA_MARK", U32, "invalid mark value", hint="NUMBER"),
    ValueKeyword("oif*|dev", "oif", str, hint="STRING"),
    CustomKeyword("notify*", _bit("rtm_flags", uapi.RTM_F_NOTIFY)),
    CustomKeyword("connected*", _bit("connected", 1)),
    CustomKeyword("vrf*", _vrf_device, "NAME"),
    ValueKeyword("uid*", "RTA_UID", U32, "invalid UID\n", hint="NUMBER"),
    CustomKeyword("fibmatch*", _bit("rtm_flags", uapi.RTM_F_FIB_MATCH)),
    CustomKeyword("as", _new_destination, "[ to ] ADDRESS"),
    ValueKeyword("sport*", "RTA_SPORT", natural(16), "invalid sport\n", hint="NUMBER"),
    ValueKeyword("dport*", "RTA_DPORT", natural(16), "invalid dport\n", hint="NUMBER"),
    ValueKeyword("ipproto*", "RTA_IP_PROTO", ip_protocol, 'Invalid "ipproto" value\n', hint="PROTOCOL"),
]


def _lookup_target(word: str, args: Args, record: Record) -> None:
    if word == "to":
        word = args.take()
    if matches(word, "help"):
        raise help()
    _put_prefix(word, record, "RTA_DST", "rtm_dst_len")
    full = 32 if record["rtm_family"] == AF_INET else 128
    if record["rtm_family"] in (AF_INET, AF_INET6) and record["rtm_dst_len"] != full:
        complain(f"Warning: /{record['rtm_dst_len']} as prefix is invalid, only /{full} (or none) is supported.")
        record["rtm_dst_len"] = full
    record["found"] = True


def get(args: Args) -> int:
    """Show the route that a packet to an address would take."""
    ip = args.ip
    if not args:
        raise CommandError("need at least a destination address", FAILED)
    record = read(LOOKUP_ROWS, args, {"rtm_family": ip.family, "rtm_table": 0}, _lookup_target)
    if "found" not in record:
        raise CommandError("need at least a destination address", FAILED)
    for key, attribute in (("iif", "RTA_IIF"), ("oif", "RTA_OIF")):
        name = record.pop(key, None)
        if name is not None:
            record[attribute] = _index(name, ip)
    if not record.get("RTA_MARK"):
        record.pop("RTA_MARK", None)
    record["rtm_family"] = record["rtm_family"] or AF_INET
    if record["rtm_family"] == AF_INET:
        record["rtm_flags"] = record.get("rtm_flags", 0) | uapi.RTM_F_LOOKUP_TABLE
    record.pop("found")
    connected = record.pop("connected", 0)
    from .render import document, text
    from .show_route import route

    for _ in range(1 + connected):  # a connected socket looks up once more, and `ip` shows both answers
        answer = ip.kernel.get(Request(rtnl.GETROUTE, record)).body
        shown = list(route(answer, {}, ip))
        ip.write([document([shown], ip)] if ip.json else text(shown))
    return 0


def _index(name: str, ip: IpContext) -> int:
    index = ip.index_of(name)
    if not index:
        raise CommandError(f'Cannot find device "{name}"', FAILED)
    return index


# -- listing ------------------------------------------------------------------------------------------------------


def _wanted(args: Args) -> Record:
    from .route_filter import wanted

    return wanted(args)


def _routes(ip: IpContext, record: Record, ending: str = "Dump terminated") -> Iterator[Record]:
    """Yield the routes that a filter fits, as they are received; what the kernel cannot filter is filtered here."""
    from .route_filter import fits

    body: Record = {"rtm_family": record["family"], **record["ask"]}
    # A namespace in which no route was ever added has no table main.
    ignored = ENOENT if record["table"] == uapi.RT_TABLE_MAIN else 0
    for reply in ip.stream(Request(rtnl.GETROUTE, body, uapi.NLM_F_DUMP), ending, KERNEL_REFUSED, ignored):
        if reply.kind == uapi.RTM_NEWROUTE and fits(reply.body, record):
            yield reply.body


def show(args: Args) -> int:
    """List routes: by default those of table main, of IPv4 unless another family is asked for."""
    from .show_route import route

    ip, record = args.ip, _wanted(args)
    ip.print_all(route(one, record, ip) for one in _routes(ip, record))
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
            from .show_route import route

            ip.write(piece for one in routes for piece in text(route(one, record, ip)))
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

    ip = args.ip
    ip.print_all(route(body, {}, ip) for message, body in read_messages("route") if message is rtnl.NEWROUTE)
    return 0


def _help(args: Args) -> int:
    raise help()


VERBS = (
    ("list|show|lst", show),
    ("get", get),
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
    ("help", _help),
)


def run(args: Args) -> int:
    """Run ``ip route`` with its args; return the exit status."""
    if not args:
        return show(args)
    return dispatch(VERBS, args.take(), args, "route")
