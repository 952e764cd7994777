"""`ip nexthop`: next hops as objects that routes refer to, and groups of them (ip-nexthop(8), `<linux/nexthop.h>`)."""

from __future__ import annotations

from _socket import AF_INET

from ... import rtnl, uapi
from ...errors import KernelError
from ...nlmsg import Request
from .arguments import U16, U32, address
from .context import ObjectVerbs, complain, complaint, help_of
from .grammar import FAILED, FAMILIES, wrong
from .keywords import ConstantKeyword, CustomKeyword, Keyword, ValueKeyword, read
from .name_tables import protocol_number
from .show_nexthop import BUCKET, ROWS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ...wire import Body, Message
    from .context import Args, IpContext
    from .grammar import Record

KERNEL_REFUSED = 2
MAX_WEIGHT = 255
TIMER_HZ = 100  # the kernel keeps the timers of resilient groups in hundredths of a second (clock_t)
GROUP_TYPES = {"mpath": uapi.NEXTHOP_GRP_TYPE_MPATH, "resilient": uapi.NEXTHOP_GRP_TYPE_RES}


# -- words of add and replace -----------------------------------------------------------------------------------------


def _device(key: str) -> Callable[[Args, Record], None]:
    def take(args: Args, record: Record) -> None:
        word = args.take()
        record[key] = args.ip.index_of(word)
        if not record[key]:
            raise wrong(word, "Device does not exist\n")

    return take


def _via(args: Args, record: Record) -> None:
    word = args.take()
    family = FAMILIES.get(word, 0)
    if family:
        word = args.take()
    family, packed = address(word, family or record["nh_family"])
    record["nh_family"] = record["nh_family"] or family
    if family != record["nh_family"]:
        raise wrong(word, "address family mismatch\n")
    record["NHA_GATEWAY"] = packed


def _encapsulation(args: Args, record: Record) -> None:
    from .route_encap import take

    found: Record = {}
    take(args, found)
    record["NHA_ENCAP_TYPE"], record["NHA_ENCAP"] = found["RTA_ENCAP_TYPE"], found["RTA_ENCAP"]


def _blackhole(args: Args, record: Record) -> None:
    record["NHA_BLACKHOLE"] = True
    record["nh_family"] = record["nh_family"] or AF_INET


def _onlink(args: Args, record: Record) -> None:
    record["nh_flags"] = record.get("nh_flags", 0) | uapi.RTNH_F_ONLINK


def _group(args: Args, record: Record) -> None:
    """Read ``ID[,WEIGHT]/ID[,WEIGHT]/...``."""
    word = args.take()
    members: list[Record] = []
    for member in word.split("/"):
        number, comma, weight = member.partition(",")
        try:
            entry: Record = {"id": U32(number), "weight": 0, "weight_high": 0, "resvd2": 0}
        except ValueError:
            raise wrong(word, '"group" value is invalid\n') from None
        if comma:
            try:
                entry["weight"] = U32(weight) - 1
                if not 0 <= entry["weight"] < MAX_WEIGHT:
                    raise ValueError(weight)
            except ValueError:
                raise wrong(weight, '"weight" is invalid\n') from None
        members.append(entry)
    record["NHA_GROUP"] = members


def _type(args: Args, record: Record) -> None:
    """Read ``type mpath``, or ``type resilient`` and its arguments."""
    word = args.take()
    if word not in GROUP_TYPES:
        raise wrong(word, '"type" value is invalid\n')
    record["NHA_GROUP_TYPE"] = GROUP_TYPES[word]
    resilient: Record = {}
    while args and word == "resilient":
        keyword = next((one for one in RESILIENT if one.fits(args.words[args.at])), None)
        if keyword is None:
            break
        args.at += 1
        keyword.take(args, resilient)
    if resilient:
        record["NHA_RES_GROUP"] = resilient


def _seconds(text: str) -> int:
    return U32(text) * TIMER_HZ & 0xFFFFFFFF


RESILIENT: list[Keyword] = [
    ValueKeyword("buckets", "NHA_RES_GROUP_BUCKETS", U16, "invalid buckets value"),
    ValueKeyword("idle_timer", "NHA_RES_GROUP_IDLE_TIMER", _seconds, "invalid idle timer value"),
    ValueKeyword("unbalanced_timer", "NHA_RES_GROUP_UNBALANCED_TIMER", _seconds, "invalid unbalanced timer value"),
]
KEYWORDS: list[Keyword] = [
    ValueKeyword("id", "NHA_ID", U32, "invalid id value", hint="ID"),
    CustomKeyword("dev", _device("NHA_OIF"), "DEV"),
    CustomKeyword("via", _via, "ADDRESS"),
    CustomKeyword("encap", _encapsulation, "ENCAPTYPE ENCAPHDR"),
    CustomKeyword("blackhole", _blackhole),
    ConstantKeyword("fdb", "NHA_FDB", True),
    CustomKeyword("onlink", _onlink),
    CustomKeyword("group", _group, "GROUP"),
    CustomKeyword("type", _type, "TYPE"),
    ValueKeyword("protocol*", "nh_protocol", protocol_number, '"protocol" value is invalid\n', hint="ID"),
]


def _otherwise(word: str, args: Args, record: Record) -> None:
    """Refuse a word that no keyword fits, or show the help."""
    if word == "help":
        raise help_of("nexthop")
    raise wrong(word, "")


def _usage(word: str, args: Args, record: Record) -> None:
    """Show the help for a word that no keyword fits."""
    raise help_of("nexthop")


def modify(args: Args, message: Message, flags: int = 0) -> int:
    """Add, replace or delete a next hop; return the exit status."""
    ip = args.ip
    record = read(KEYWORDS, args, {"nh_family": ip.family}, _otherwise)
    if "NHA_GROUP" in record:
        record["nh_family"] = 0
    elif "NHA_OIF" in record:
        record["nh_family"] = record["nh_family"] or AF_INET
    ip.do(Request(message, record, flags))
    return 0


# -- words of list, flush and get -------------------------------------------------------------------------------------


def _vrf(args: Args, record: Record) -> None:
    word = args.take()
    link = args.ip.link(args.ip.index_of(word)) or {}
    if link.get("IFLA_LINKINFO", {}).get("IFLA_INFO_KIND") != "vrf":
        raise wrong(word, "Invalid VRF\n")
    record["NHA_MASTER"] = link["ifi_index"]


FILTERS: list[Keyword] = [
    CustomKeyword("dev", _device("NHA_OIF"), "DEV"),
    ConstantKeyword("groups", "NHA_GROUPS", True),
    CustomKeyword("master", _device("NHA_MASTER"), "DEV"),
    CustomKeyword("vrf*", _vrf, "NAME"),
    ValueKeyword("id", "id", U32, "invalid id value", hint="ID"),
    ValueKeyword("protocol*", "protocol", U32, "invalid protocol value", hint="ID"),
    ConstantKeyword("fdb", "NHA_FDB", True),
]
BUCKET_FILTERS: list[Keyword] = [
    *[keyword for keyword in FILTERS if keyword.name not in ("id", "groups", "protocol", "fdb")],
    ValueKeyword("id", "NHA_ID", U32, "invalid id value", hint="ID"),
    ValueKeyword("nhid", "nhid", U32, "invalid nexthop id value", hint="ID"),
]


def _listed(args: Args, failure: str) -> tuple[Record, list[Body] | None]:
    """Return the filter that words describe, and what fits it; None instead if one is asked for by its id."""
    ip = args.ip
    record = read(FILTERS, args, {"nh_family": ip.family}, _otherwise)
    if "id" in record:
        return record, None
    wanted = record.pop("protocol", 0)
    replies = ip.stream(Request(rtnl.GETNEXTHOP, record, uapi.NLM_F_DUMP), failure, KERNEL_REFUSED)
    found = [reply.body for reply in replies if not wanted or reply.body["nh_protocol"] == wanted]
    return record, found


def show(args: Args) -> int:
    """List next hops; with an id, show this one."""
    record, found = _listed(args, "Dump terminated")
    if found is None:
        return _get(record["id"], args.ip)
    args.ip.print_rows(ROWS, found)
    return 0


def _get(number: int, ip: IpContext) -> int:
    answer = ip.kernel.get(Request(rtnl.GETNEXTHOP, {"NHA_ID": number})).body
    ip.print_rows(ROWS, [answer])
    return 0


def flush(args: Args) -> int:
    """Delete all next hops that a filter fits."""
    ip = args.ip
    record, found = _listed(args, "Dump terminated")
    if found is None:
        try:
            ip.do(Request(rtnl.DELNEXTHOP, {"NHA_ID": record["id"]}))
        except KernelError as error:
            complain(complaint(error))
            return FAILED
        return 0
    done = 0
    for one in found:
        try:
            ip.do(Request(rtnl.DELNEXTHOP, {"NHA_ID": one["NHA_ID"]}))
            done += 1
        except KernelError:
            pass  # it went with its group or its device
    ip.write([f"Flushed {done} nexthops\n" if done else "Nothing to flush\n"])
    return 0


def get(args: Args) -> int:
    """Show one next hop."""
    record = read([KEYWORDS[0]], args, {}, _usage)
    if not record.get("NHA_ID"):
        raise help_of("nexthop")
    return _get(record["NHA_ID"], args.ip)


# -- buckets of resilient groups --------------------------------------------------------------------------------------


def _bucket_list(args: Args) -> int:
    ip = args.ip
    record = read(BUCKET_FILTERS, args, {"nh_family": ip.family}, _otherwise)
    wanted = record.pop("nhid", 0)
    if wanted:
        record["NHA_RES_BUCKET"] = {"NHA_RES_BUCKET_NH_ID": wanted}
    replies = ip.stream(Request(rtnl.GETNEXTHOPBUCKET, record, uapi.NLM_F_DUMP), "Dump terminated", KERNEL_REFUSED)
    ip.print_rows(BUCKET, (reply.body for reply in replies))
    return 0


def _bucket_get(args: Args) -> int:
    index = ValueKeyword("index", "index", U16, "invalid index value", hint="INDEX")
    record = read([KEYWORDS[0], index], args, {}, _otherwise)
    if not record.get("NHA_ID") or "index" not in record:
        raise help_of("nexthop")
    record["NHA_RES_BUCKET"] = {"NHA_RES_BUCKET_INDEX": record.pop("index")}
    answer = args.ip.kernel.get(Request(rtnl.GETNEXTHOPBUCKET, record)).body
    args.ip.print_rows(BUCKET, [answer])
    return 0


buckets = ObjectVerbs("nexthop", ("list|show|lst", _bucket_list), ("get", _bucket_get))
run = ObjectVerbs(
    "nexthop",
    ("add", lambda args: modify(args, rtnl.NEWNEXTHOP, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL)),
    ("replace", lambda args: modify(args, rtnl.NEWNEXTHOP, uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE)),
    ("delete", lambda args: modify(args, rtnl.DELNEXTHOP)),
    ("list|show|lst", show),
    ("get", get),
    ("flush", flush),
    ("bucket", buckets),
)
