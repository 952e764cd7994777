"""`ip nexthop`: next hops as objects that routes refer to, and groups of them (ip-nexthop(8), `<linux/nexthop.h>`)."""

from __future__ import annotations

from _socket import AF_INET

from ... import rtnl, uapi
from ...errors import KernelError
from ...nlmsg import Request
from . import name_tables
from .arguments import U16, U32, address, within
from .context import ObjectVerbs, complain, complaint, help_of
from .filters import NO_DEVICE, VrfKeyword
from .grammar import FAILED, FAMILIES, late, matches, parsed, wrong
from .keywords import ConstantKeyword, CustomKeyword, DeviceKeyword, FlagKeyword, Keyword, ValueKeyword, read, read_known
from .name_tables import named_unless, protocol_number
from .reads import joined, nested
from .render import (
    LINE_END,
    JsonObject,
    JsonText,
    OutputField,
    OutputGroup,
    OutputRow,
    device_name,
    family_colour,
    fields,
    flag,
    flag_names,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, IpContext, Iterator, Message, Record

TYPE_NAMES = {uapi.NEXTHOP_GRP_TYPE_MPATH: "mpath", uapi.NEXTHOP_GRP_TYPE_RES: "resilient"}
TIMER_HZ = 100  # the kernel keeps the timers of resilient groups in hundredths of a second (clock_t)


def _group(members: list[Body], record: Body, ip: IpContext) -> Iterator[OutputField]:
    if not members:
        return
    objects = [JsonObject(fields(MEMBER, one, ip)) for one in members]
    yield OutputField("group", objects, f"group {'/'.join(map(joined, objects))} ")
    yield from fields(GROUP, record, ip)


def _group_type(value: int, record: Body, ip: IpContext) -> str | None:
    return TYPE_NAMES.get(value, f"unknown({value})") if value != uapi.NEXTHOP_GRP_TYPE_MPATH else None


def _timer(key: str, name: str) -> OutputRow:
    return OutputRow(key, name, f"{name} %s ", lambda ticks, record, ip: JsonText(f"{ticks / TIMER_HZ:g}"))


MEMBER = (
    OutputRow("id", "id", "%s"),
    OutputRow("weight", "weight", ",%s", lambda weight, record, ip: weight + 1 if weight else None),
)
RESILIENT_GROUP = (
    OutputRow("NHA_RES_GROUP_BUCKETS", "buckets", "buckets %s "),
    _timer("NHA_RES_GROUP_IDLE_TIMER", "idle_timer"),
    _timer("NHA_RES_GROUP_UNBALANCED_TIMER", "unbalanced_timer"),
    _timer("NHA_RES_GROUP_UNBALANCED_TIME", "unbalanced_time"),
)
GROUP = (
    OutputRow("NHA_GROUP_TYPE", "type", "type %s ", _group_type),
    nested("NHA_RES_GROUP", "resilient_args", RESILIENT_GROUP),
)
ROWS = (
    OutputRow("NHA_ID", "id", "id %s "),
    OutputGroup("NHA_GROUP", _group),
    OutputGroup("NHA_ENCAP", late("route_encap.encapsulation")),
    OutputRow("NHA_GATEWAY", "gateway", "via %s ", colour=lambda value, record: family_colour(record["nh_family"])),
    OutputRow("NHA_OIF", "dev", "dev %s ", device_name, colour="ifname"),
    OutputRow("nh_scope", "scope", "scope %s ", named_unless("rt_scopes", uapi.RT_SCOPE_UNIVERSE)),
    OutputRow("NHA_BLACKHOLE", "blackhole", "blackhole ", flag(1)),
    OutputRow("nh_protocol", "protocol", "proto %s ", named_unless("rt_protos", 0)),
    OutputGroup("nh_flags", flag_names(name_tables.ROUTE_FLAGS)),
    OutputRow("NHA_FDB", "fdb", "fdb", flag(1)),
    LINE_END,
)
BUCKET_ROWS = (
    OutputRow("NHA_RES_BUCKET_INDEX", "index", "index %s "),
    _timer("NHA_RES_BUCKET_IDLE_TIME", "idle_time"),
    OutputRow("NHA_RES_BUCKET_NH_ID", "nhid", "nhid %s "),
)
BUCKET = (
    OutputRow("NHA_ID", "id", "id %s "),
    nested("NHA_RES_BUCKET", "bucket", BUCKET_ROWS),
    OutputGroup("nh_flags", flag_names(name_tables.ROUTE_FLAGS)),
    LINE_END,
)


def by_id(number: int, ip: IpContext) -> Iterator[OutputField]:
    """Yield what ``ip -details route`` adds to a route that refers to a next hop object."""
    try:
        record = ip.kernel.get(Request(rtnl.GETNEXTHOP, {"NHA_ID": number})).body
    except KernelError:
        return
    shown = JsonObject(fields(ROWS[:-1], record, ip))
    yield OutputField("nh_info", shown, "\n\tnh_info " + joined(shown))  # with -oneline, too


KERNEL_REFUSED = 2
MAX_WEIGHT = 255
GROUP_TYPES = {"mpath": uapi.NEXTHOP_GRP_TYPE_MPATH, "resilient": uapi.NEXTHOP_GRP_TYPE_RES}


def _device(args: Args, record: Record) -> None:
    """Read the device of a next hop, which belongs to IPv4 unless another family is known."""
    DEVICE.take(args, record)
    record["nh_family"] = record["nh_family"] or AF_INET


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


def _take_encapsulation(args: Args, record: Record) -> None:
    from .route_encap import take

    found: Record = {}
    take(args, found)
    record["NHA_ENCAP_TYPE"], record["NHA_ENCAP"] = found["RTA_ENCAP_TYPE"], found["RTA_ENCAP"]


def _blackhole(args: Args, record: Record) -> None:
    record["NHA_BLACKHOLE"] = True
    record["nh_family"] = record["nh_family"] or AF_INET


def _take_group(args: Args, record: Record) -> None:
    """Read ``ID[,WEIGHT]/ID[,WEIGHT]/...``."""
    word = args.take()
    members: list[Record] = []
    for member in word.split("/"):
        number, comma, weight = member.partition(",")
        try:
            entry: Record = {"id": U32(number), "weight": 0, "weight_high": 0, "resvd2": 0}
        except ValueError:
            first = word.partition("/")[0].partition(",")[0]
            raise wrong(first, '"group" value is invalid\n') from None
        if comma:
            entry["weight"] = parsed(within(U32, 1, MAX_WEIGHT), weight, '"weight" is invalid\n') - 1
        members.append(entry)
    record["NHA_GROUP"] = members


def _type(args: Args, record: Record) -> None:
    """Read ``type mpath``, or ``type resilient`` and its arguments."""
    word = args.take()
    if word not in GROUP_TYPES:
        raise wrong(word, '"type" value is invalid\n')
    record["NHA_GROUP_TYPE"] = GROUP_TYPES[word]
    resilient: Record = {}
    if word == "resilient" and read_known(RESILIENT, args, resilient):
        record["NHA_RES_GROUP"] = resilient


def _seconds(text: str) -> int:
    return within(U32, 0, 0xFFFFFFFF // TIMER_HZ - 1)(text) * TIMER_HZ


RESILIENT: list[Keyword] = [
    ValueKeyword("buckets", "NHA_RES_GROUP_BUCKETS", U16, "invalid buckets value"),
    ValueKeyword("idle_timer", "NHA_RES_GROUP_IDLE_TIMER", _seconds, "invalid idle timer value"),
    ValueKeyword("unbalanced_timer", "NHA_RES_GROUP_UNBALANCED_TIMER", _seconds, "invalid unbalanced timer value"),
]
DEVICE = DeviceKeyword("dev*", "NHA_OIF", NO_DEVICE)
KEYWORDS: list[Keyword] = [
    ValueKeyword("id", "NHA_ID", U32, "invalid id value"),
    CustomKeyword("dev", _device),
    CustomKeyword("via", _via),
    CustomKeyword("encap", _take_encapsulation),
    CustomKeyword("blackhole", _blackhole),
    ConstantKeyword("fdb", "NHA_FDB", True),
    FlagKeyword("onlink", uapi.RTNH_F_ONLINK, "nh_flags"),
    CustomKeyword("group", _take_group),
    CustomKeyword("type", _type),
    ValueKeyword("protocol*", "nh_protocol", protocol_number, '"protocol" value is invalid\n'),
]


def _otherwise(word: str, args: Args, record: Record) -> None:
    """Refuse a word that no keyword fits, or show the help."""
    if word == "help":
        raise help_of("nexthop")
    raise wrong(word, "")


def _no_filter(word: str, args: Args, record: Record) -> None:
    """Refuse a word that no filter fits, or show the help."""
    raise help_of("nexthop") if matches(word, "help") else wrong(word, "")


def _usage(word: str, args: Args, record: Record) -> None:
    """Show the help for a word that no keyword fits."""
    raise help_of("nexthop")


def modify(args: Args, message: Message, flags: int = 0) -> int:
    """Add, replace or delete a next hop; return the exit status."""
    ip = args.ip
    record = read(KEYWORDS, args, {"nh_family": ip.family}, _otherwise)
    ip.do(Request(message, record, flags))
    return 0


FILTERS: list[Keyword] = [
    DEVICE,
    ConstantKeyword("groups*", "NHA_GROUPS", True),
    DeviceKeyword("master*", "NHA_MASTER", NO_DEVICE),
    VrfKeyword("vrf*", "NHA_MASTER", "Invalid VRF\n"),
    ValueKeyword("id", "id", U32, "invalid id value"),
    ValueKeyword("protocol*", "protocol", U32, "invalid protocol value"),
    ConstantKeyword("fdb*", "NHA_FDB", True),
]
BUCKET_FILTERS: list[Keyword] = [
    *[keyword for keyword in FILTERS if keyword.name not in ("id", "groups", "protocol", "fdb")],
    ValueKeyword("id", "NHA_ID", U32, "invalid id value"),
    ValueKeyword("nhid", "nhid", U32, "invalid id value"),
]


def _listed(args: Args, failure: str) -> tuple[Record, list[Body] | None]:
    """Return the filter that words describe, and what fits it; None instead if one is asked for by its id."""
    ip = args.ip
    record = read(FILTERS, args, {"nh_family": ip.family}, _no_filter)
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


def _bucket_list(args: Args) -> int:
    ip = args.ip
    record = read(BUCKET_FILTERS, args, {"nh_family": ip.family}, _no_filter)
    wanted = record.pop("nhid", 0)
    if not record.get("NHA_ID"):
        record.pop("NHA_ID", None)
    if wanted:
        record["NHA_RES_BUCKET"] = {"NHA_RES_BUCKET_NH_ID": wanted}
    replies = ip.stream(Request(rtnl.GETNEXTHOPBUCKET, record, uapi.NLM_F_DUMP), "Dump terminated", KERNEL_REFUSED)
    ip.print_rows(BUCKET, (reply.body for reply in replies))
    return 0


def _bucket_get(args: Args) -> int:
    index = ValueKeyword("index", "index", U16, "invalid bucket index value")
    record = read([KEYWORDS[0], index], args, {}, _usage)
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
