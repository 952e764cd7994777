"""How next hop objects and the buckets of resilient groups are shown.  The formats are iproute2's, to the space."""

from __future__ import annotations

from ... import rtnl, uapi
from ...errors import KernelError
from ...nlmsg import Request
from . import name_tables
from .render import JsonNumber, JsonObject, OutputField, device, flag_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...wire import Body
    from .context import IpContext

TIMER_HZ = 100
TYPE_NAMES = {uapi.NEXTHOP_GRP_TYPE_MPATH: "mpath", uapi.NEXTHOP_GRP_TYPE_RES: "resilient"}
TIMERS = (
    ("NHA_RES_GROUP_IDLE_TIMER", "idle_timer"),
    ("NHA_RES_GROUP_UNBALANCED_TIMER", "unbalanced_timer"),
    ("NHA_RES_GROUP_UNBALANCED_TIME", "unbalanced_time"),
)


def nexthop(record: Body, ip: IpContext, deleted: bool = False, end: str = "\n") -> Iterator[OutputField]:
    """Yield the fields of one next hop object."""
    if deleted:
        yield OutputField("deleted", True, "Deleted ")
    if "NHA_ID" in record:
        yield _word("id", record["NHA_ID"], "id %s ")
    yield from _group(record)
    if "NHA_ENCAP" in record:
        from .route_encap import encapsulation

        yield from encapsulation({"RTA_ENCAP_TYPE": record.get("NHA_ENCAP_TYPE"), "RTA_ENCAP": record["NHA_ENCAP"]}, ip)
    if "NHA_GATEWAY" in record:
        yield _word("gateway", record["NHA_GATEWAY"], "via %s ")
    if "NHA_OIF" in record:
        yield device("dev", record["NHA_OIF"], ip)
    if record["nh_scope"] != uapi.RT_SCOPE_UNIVERSE or ip.details:
        yield _word("scope", _named("rt_scopes", record["nh_scope"], ip), "scope %s ")
    if record.get("NHA_BLACKHOLE"):
        yield OutputField("blackhole", None, "blackhole ")
    if record["nh_protocol"] or ip.details:
        yield _word("protocol", _named("rt_protos", record["nh_protocol"], ip), "proto %s ")
    yield flag_names(name_tables.ROUTE_FLAGS, record["nh_flags"])
    if record.get("NHA_FDB"):
        yield OutputField("fdb", None, "fdb")
    yield OutputField("", None, end)


def _word(name: str, value: object, form: str) -> OutputField:
    return OutputField(name, value, form % value)


def _named(file: str, value: int, ip: IpContext) -> str:
    return str(value) if ip.numeric else name_tables.table(file).get(value, str(value))


def _group(record: Body) -> Iterator[OutputField]:
    members = record.get("NHA_GROUP")
    if not members:
        return
    objects = [
        JsonObject([_word("id", one["id"], "%s"), *([_word("weight", one["weight"] + 1, ",%s")] if one["weight"] else [])])
        for one in members
    ]
    text = "/".join("".join(field.text for field in one) for one in objects)
    yield OutputField("group", objects, f"group {text} ")
    kind = record.get("NHA_GROUP_TYPE", uapi.NEXTHOP_GRP_TYPE_MPATH)
    if kind != uapi.NEXTHOP_GRP_TYPE_MPATH:
        yield _word("type", TYPE_NAMES.get(kind, f"unknown({kind})"), "type %s ")
    if "NHA_RES_GROUP" in record:
        shown = JsonObject(_resilient(record["NHA_RES_GROUP"]))
        yield OutputField("resilient_args", shown, "".join(field.text for field in shown))


def _resilient(group: Body) -> Iterator[OutputField]:
    yield _word("buckets", group.get("NHA_RES_GROUP_BUCKETS", 0), "buckets %s ")
    for key, name in TIMERS:
        yield seconds(name, group.get(key, 0))


def seconds(name: str, ticks: int) -> OutputField:
    """Return a time that the kernel has in hundredths of a second."""
    text = f"{ticks / TIMER_HZ:g}"
    return OutputField(name, JsonNumber(text), f"{name} {text} ")


def bucket(record: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the fields of one bucket of a resilient group."""
    yield _word("id", record.get("NHA_ID", 0), "id %s ")
    found = record.get("NHA_RES_BUCKET", {})
    inner = JsonObject(
        [
            _word("index", found.get("NHA_RES_BUCKET_INDEX", 0), "index %s "),
            seconds("idle_time", found.get("NHA_RES_BUCKET_IDLE_TIME", 0)),
            _word("nhid", found.get("NHA_RES_BUCKET_NH_ID", 0), "nhid %s "),
        ]
    )
    yield OutputField("bucket", inner, "".join(field.text for field in inner))
    yield flag_names(name_tables.ROUTE_FLAGS, record["nh_flags"])
    yield OutputField("", None, "\n")


def by_id(number: int, ip: IpContext) -> Iterator[OutputField]:
    """Yield what ``ip -details route`` adds to a route that refers to a next hop object."""
    try:
        record = ip.kernel.get(Request(rtnl.GETNEXTHOP, {"NHA_ID": number})).body
    except KernelError:
        return
    shown = JsonObject(nexthop(record, ip, end=""))
    yield OutputField("nh_info", shown, "\n\tnh_info " + "".join(field.text for field in shown))  # with -oneline, too
