"""How next hop objects and the buckets of resilient groups are shown.  The formats are iproute2's, to the space."""

from __future__ import annotations

from ... import rtnl, uapi
from ...errors import KernelError
from ...nlmsg import Request
from . import name_tables
from .name_tables import named_unless
from .render import (
    LINE_END,
    JsonObject,
    JsonText,
    OutputField,
    OutputGroup,
    OutputRow,
    device_name,
    fields,
    flag,
    flag_names,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ...wire import Body
    from .context import IpContext

TIMER_HZ = 100
TYPE_NAMES = {uapi.NEXTHOP_GRP_TYPE_MPATH: "mpath", uapi.NEXTHOP_GRP_TYPE_RES: "resilient"}
TIMERS = (
    ("NHA_RES_GROUP_IDLE_TIMER", "idle_timer"),
    ("NHA_RES_GROUP_UNBALANCED_TIMER", "unbalanced_timer"),
    ("NHA_RES_GROUP_UNBALANCED_TIME", "unbalanced_time"),
)


def nexthop(record: Body, ip: IpContext, deleted: bool = False) -> Iterator[OutputField]:
    """Yield the fields of one next hop object."""
    if deleted:
        yield OutputField("deleted", True, "Deleted ")
    yield from fields(ROWS, record, ip)


def _word(name: str, value: object, form: str) -> OutputField:
    return OutputField(name, value, form % value)


def _encapsulation(value: Any, record: Body, ip: IpContext) -> Iterator[OutputField]:
    from .route_encap import encapsulation

    return encapsulation({"RTA_ENCAP_TYPE": record.get("NHA_ENCAP_TYPE"), "RTA_ENCAP": value}, ip)


def _group(members: list[Body], record: Body, ip: IpContext) -> Iterator[OutputField]:
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
    return OutputField(name, JsonText(text), f"{name} {text} ")


def _bucket(found: Body, record: Body, ip: IpContext) -> Iterator[OutputField]:
    inner = JsonObject(
        [
            _word("index", found.get("NHA_RES_BUCKET_INDEX", 0), "index %s "),
            seconds("idle_time", found.get("NHA_RES_BUCKET_IDLE_TIME", 0)),
            _word("nhid", found.get("NHA_RES_BUCKET_NH_ID", 0), "nhid %s "),
        ]
    )
    yield OutputField("bucket", inner, "".join(field.text for field in inner))


ROWS = (
    OutputRow("NHA_ID", "id", "id %s "),
    OutputGroup("NHA_GROUP", _group),
    OutputGroup("NHA_ENCAP", _encapsulation),
    OutputRow("NHA_GATEWAY", "gateway", "via %s "),
    OutputRow("NHA_OIF", "dev", "dev %s ", device_name, colour="ifname"),
    OutputRow("nh_scope", "scope", "scope %s ", named_unless("rt_scopes", uapi.RT_SCOPE_UNIVERSE)),
    OutputRow("NHA_BLACKHOLE", "blackhole", "blackhole ", flag(1)),
    OutputRow("nh_protocol", "protocol", "proto %s ", named_unless("rt_protos", 0)),
    OutputGroup("nh_flags", flag_names(name_tables.ROUTE_FLAGS)),
    OutputRow("NHA_FDB", "fdb", "fdb", flag(1)),
    LINE_END,
)
BUCKET = (
    OutputRow("NHA_ID", "id", "id %s "),
    OutputGroup("NHA_RES_BUCKET", _bucket),
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
    yield OutputField("nh_info", shown, "\n\tnh_info " + "".join(field.text for field in shown))  # with -oneline, too
