"""The requests of `ip route add` and its relatives, and of `ip route get`, from their words."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6

from ... import rtnl, uapi
from ...nlmsg import Request
from .arguments import U32, natural
from .context import complain, help_of
from .filters import vrf_of
from .grammar import FAILED, CommandError, matches
from .keywords import ConstantKeyword, CustomKeyword, FlagKeyword, ValueKeyword, read, target
from .name_tables import tos_number
from .protocols import number_of as ip_protocol
from .route_words import ROUTE_ROWS, put_prefix, read_nexthops, route_type, take_new_destination

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, Callable, Iterator, Record

    Take = Callable[[Args, Record], None]

UNGUESSED = uapi.RT_SCOPE_NOWHERE
LOCAL_TYPES = (uapi.RTN_LOCAL, uapi.RTN_BROADCAST, uapi.RTN_NAT, uapi.RTN_ANYCAST)
LINK_TYPES = (uapi.RTN_BROADCAST, uapi.RTN_MULTICAST, uapi.RTN_ANYCAST)


def body(args: Args, deletes: bool) -> Record:
    """Return the body of RTM_NEWROUTE or RTM_DELROUTE that the args describe.  Raises `CommandError`."""
    ip = args.ip
    record: Record = {"rtm_family": ip.family, "rtm_table": uapi.RT_TABLE_MAIN}
    if not deletes:
        record["rtm_protocol"], record["rtm_type"] = uapi.RTPROT_BOOT, uapi.RTN_UNICAST
    read(ROUTE_ROWS, args, record, _destination)
    if "destination" not in record:
        raise help_of("route")
    if "dev" in record:
        record["RTA_OIF"] = ip.device(record.pop("dev"))
    metrics, lock = record.pop("metrics", {}), record.pop("lock", 0)
    if metrics:
        record["RTA_METRICS"] = {**metrics, **({"RTAX_LOCK": lock} if lock else {})}
    if "nexthops" in record:
        record["RTA_MULTIPATH"] = read_nexthops(record.pop("nexthops"), record, ip)
    record["rtm_family"] = record["rtm_family"] or AF_INET
    if record["rtm_family"] == uapi.AF_MPLS:
        record.setdefault("rtm_type", uapi.RTN_UNICAST)
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
        raise help_of("route")
    if "destination" in record:
        raise CommandError(f'Error: either "to" is duplicate, or "{word}" is a garbage.')
    record["destination"] = word
    put_prefix(word, record, "RTA_DST", "rtm_dst_len")


def _lookup_address(key: str, bits: str) -> Take:
    def take(args: Args, record: Record) -> None:
        word = args.take()
        if matches(word, "help"):
            raise help_of("route")
        put_prefix(word, record, key, bits)

    return take


def _vrf_device(args: Args, record: Record) -> None:
    record["oif"] = args.take()
    vrf_of(record["oif"], args.ip)


LOOKUP_ROWS = [
    ValueKeyword("tos|dsfield*", "rtm_tos", tos_number, "TOS value is invalid\n"),
    CustomKeyword("from*", _lookup_address("RTA_SRC", "rtm_src_len")),
    ValueKeyword("iif*", "iif"),
    ValueKeyword("mark*", "RTA_MARK", U32, "invalid mark value"),
    ValueKeyword("oif*|dev", "oif"),
    FlagKeyword("notify*", uapi.RTM_F_NOTIFY, "rtm_flags"),
    ConstantKeyword("connected*", "connected", 1),
    CustomKeyword("vrf*", _vrf_device),
    ValueKeyword("uid*", "RTA_UID", U32, "invalid UID\n"),
    FlagKeyword("fibmatch*", uapi.RTM_F_FIB_MATCH, "rtm_flags"),
    CustomKeyword("as", take_new_destination),
    ValueKeyword("sport*", "RTA_SPORT", natural(16), "invalid sport\n"),
    ValueKeyword("dport*", "RTA_DPORT", natural(16), "invalid dport\n"),
    ValueKeyword("ipproto*", "RTA_IP_PROTO", ip_protocol, 'Invalid "ipproto" value\n'),
]


def _lookup_target(word: str, args: Args, record: Record) -> None:
    put_prefix(word, record, "RTA_DST", "rtm_dst_len")
    full = 32 if record["rtm_family"] == AF_INET else 128
    if record["rtm_family"] in (AF_INET, AF_INET6) and record["rtm_dst_len"] != full:
        complain(f"Warning: /{record['rtm_dst_len']} as prefix is invalid, only /{full} (or none) is supported.")
        record["rtm_dst_len"] = full
    record["found"] = True


def look_up(args: Args) -> Iterator[Body]:
    """Yield the route that a packet to an address would take."""
    ip = args.ip
    if not args:
        raise CommandError("need at least a destination address", FAILED)
    record = read(LOOKUP_ROWS, args, {"rtm_family": ip.family, "rtm_table": 0}, target("to", "route", _lookup_target))
    if "found" not in record:
        raise CommandError("need at least a destination address", FAILED)
    for key, attribute in (("iif", "RTA_IIF"), ("oif", "RTA_OIF")):
        name = record.pop(key, None)
        if name is not None:
            record[attribute] = ip.device(name)
    if not record.get("RTA_MARK"):
        record.pop("RTA_MARK", None)
    record["rtm_family"] = record["rtm_family"] or AF_INET
    if record["rtm_family"] == AF_INET:
        record["rtm_flags"] = record.get("rtm_flags", 0) | uapi.RTM_F_LOOKUP_TABLE
    record.pop("found")
    connected = record.pop("connected", 0)
    ip.kernel.check_strictly()
    for _ in range(1 + connected):  # a connected socket looks up once more, and `ip` shows both answers
        yield ip.kernel.get(Request(rtnl.GETROUTE, record)).body
