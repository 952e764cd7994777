"""How a route is shown (ip-route(8)).  The formats are iproute2's, to the space."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6

from ... import uapi
from . import name_tables
from .name_tables import named, named_unless, tos_name, type_name
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
    put,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from typing import Any

    from ...wire import Body
    from .context import IpContext
    from .grammar import Record

BITS = {AF_INET: 32, AF_INET6: 128, uapi.AF_MPLS: 20}
USER_HZ = 100  # of the times in struct rta_cacheinfo; sysconf(_SC_CLK_TCK) is 100 on every Linux
PREFERENCE_NAMES = {0: "medium", 1: "high", 3: "low"}
METRIC_NAMES = {
    "RTAX_MTU": "mtu",
    "RTAX_WINDOW": "window",
    "RTAX_RTT": "rtt",
    "RTAX_RTTVAR": "rttvar",
    "RTAX_SSTHRESH": "ssthresh",
    "RTAX_CWND": "cwnd",
    "RTAX_ADVMSS": "advmss",
    "RTAX_REORDERING": "reordering",
    "RTAX_HOPLIMIT": "hoplimit",
    "RTAX_INITCWND": "initcwnd",
    "RTAX_FEATURES": "features",
    "RTAX_RTO_MIN": "rto_min",
    "RTAX_INITRWND": "initrwnd",
    "RTAX_QUICKACK": "quickack",
    "RTAX_CC_ALGO": "congctl",
    "RTAX_FASTOPEN_NO_COOKIE": "fastopen_no_cookie",
}
# RTCF_* of IPv4's cached routes, <linux/in_route.h>, in the order in which `ip` names them
CACHE_FLAGS = {
    "local": 0x80000000,
    "reject": 0x40000000,
    "mc": 0x20000000,
    "brd": 0x10000000,
    "dst-nat": 0x08000000,
    "src-nat": 0x00800000,
    "masq": 0x00400000,
    "dst-direct": 0x00020000,
    "src-direct": 0x04000000,
    "redirected": 0x00040000,
    "redirect": 0x01000000,
    "fastroute": 0x00200000,
    "notify": 0x00010000,
    "proxy": 0x08000000,
}


def route(record: Body, ip: IpContext, hide: Collection[str] = (), deleted: bool = False) -> Iterator[OutputField]:
    """Yield the fields of one route, without the rows with a name in ``hide``."""
    if deleted:
        yield OutputField("deleted", True, "Deleted ")
    yield from fields(ROWS, record, ip, {*hide, *NOT_OF_LOOKUP} if record["rtm_flags"] & uapi.RTM_F_CLONED else hide)


NOT_OF_LOOKUP = {"protocol", "scope"}  # rows that the answer to a look-up does not have


def hidden(wanted: Record) -> set[str]:
    """Return the names of the rows that a filter has fixed, so that showing them says nothing new."""
    found = {name for name in ("tos", "protocol", "scope", "metric", "iif") if name in wanted}
    found |= {name for name, key in (("dev", "oif"), ("table", "table")) if wanted.get(key)}
    for name, key in (("gateway", "via"), ("prefsrc", "prefsrc")):
        prefix = wanted.get(key)
        if prefix is not None and prefix.family and prefix.length == BITS[prefix.family]:
            found.add(name)
    if wanted.get("cloned"):
        found |= NOT_OF_LOOKUP
    return found | ({"flow"} if wanted.get("realm_mask") == 0xFFFFFFFF else set())


# -- values -------------------------------------------------------------------------------------------------------


def _type(value: int, record: Body, ip: IpContext) -> str | None:
    return type_name(value, ip) if value != uapi.RTN_UNICAST or ip.details else None


def _bytes_or_text(value: object, record: Body, ip: IpContext) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _destination(record: Body, _: Body, ip: IpContext) -> str:
    return _prefix(record, "RTA_DST", record["rtm_dst_len"], ip) or "default"


def _source(record: Body, _: Body, ip: IpContext) -> str | None:
    return _prefix(record, "RTA_SRC", record["rtm_src_len"], ip)


def _prefix(record: Body, key: str, length: int, ip: IpContext) -> str | None:
    address = record.get(key)
    if address is None:
        return f"0/{length}" if length else None
    return ip.host(address) if length == BITS.get(record["rtm_family"], 0) else f"{address}/{length}"


def _colour(key: str) -> Callable[[Any, Body], str | None]:
    return lambda value, record: family_colour(record.get("rtm_family", 0)) if key in record else None


def _host(value: str, record: Body, ip: IpContext) -> str:
    return ip.host(value)


def _table(record: Body, _: Body, ip: IpContext) -> str | None:
    table = record.get("RTA_TABLE", record["rtm_table"])
    return named("rt_tables")(table, record, ip) if table and (table != uapi.RT_TABLE_MAIN or ip.details) else None


def _mark(value: int, record: Body, ip: IpContext) -> int | None:
    return value or None


def _mark_text(value: int, record: Body, ip: IpContext) -> str:
    return f"{value:#x}" if value >= 16 else str(value)


def _preference(value: int, record: Body, ip: IpContext) -> str | int:
    return PREFERENCE_NAMES.get(value, value)


def _via(value: bytes, record: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the gateway of another family: struct rtvia, a family and an address."""
    import sys
    from _socket import inet_ntop

    family, packed = int.from_bytes(value[:2], sys.byteorder), value[2:]
    name = {AF_INET: "inet", AF_INET6: "inet6"}.get(family, str(family))
    try:
        host = inet_ntop(family, packed)
    except (OSError, ValueError):
        host = packed.hex()
    inner = JsonObject([OutputField("family", name), OutputField("host", host)])
    yield OutputField("via", inner, put(f"via {name} %s ", host, ip, family_colour(family)))


def _encapsulation(value: Any, record: Body, ip: IpContext) -> Iterator[OutputField]:
    from .route_encap import encapsulation

    return encapsulation(record, ip)


def _realms(value: int, record: Body, ip: IpContext) -> Iterator[OutputField]:
    source, target = (named("rt_realms")(half, record, ip) for half in (value >> 16, value & 0xFFFF))
    inner = JsonObject(([OutputField("from", source)] if value >> 16 else []) + [OutputField("to", target)])
    yield OutputField("flow", inner, f"realms {source}/{target} " if value >> 16 else f"realm {target} ")


def _cache(record: Body, _: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield what the kernel has noted about a route: for IPv4 only of the answer to a look-up."""
    if record["rtm_family"] == AF_INET and record["rtm_flags"] & uapi.RTM_F_CLONED:
        yield _cache_flags(record["rtm_flags"], ip)
        yield from cache_info(record.get("RTA_CACHEINFO"), ip)
    elif record["rtm_family"] == AF_INET6:
        yield from cache_info(record.get("RTA_CACHEINFO"), ip)


def _cache_flags(value: int, ip: IpContext) -> OutputField:
    left = value & ~0xFFFF
    found = []
    for name, bit in CACHE_FLAGS.items():
        if left & bit:
            found.append(name)
            left &= ~bit
    start = put("\n    cache ", "", ip)
    rest = [f"{left:#x}"] if left else []
    words = ",".join([*found, *rest])
    return OutputField("cache", [*found, *rest], f"{start}<{words}> " if words else start)


def cache_info(info: Mapping[str, int] | None, ip: IpContext) -> Iterator[OutputField]:
    """Yield expiry, error and use of a route (struct rta_cacheinfo)."""
    if info is None:
        return
    error = info["rta_error"]
    for name, value, shown, form, counts in (
        ("expires", info["rta_expires"], int(info["rta_expires"] / USER_HZ), "expires %ssec ", False),
        ("error", error, error - (1 << 32) if error >> 31 else error, "error %s ", False),
        ("users", info["rta_clntref"], info["rta_clntref"], "users %s ", True),
        ("used", info["rta_used"], info["rta_used"], "used %s ", True),
        ("age", info["rta_lastuse"], info["rta_lastuse"] // USER_HZ, "age %ssec ", True),
    ):
        if value and (ip.stats or not counts):
            yield OutputField(name, shown, form % shown)


def _metrics(metrics: Body, record: Body, ip: IpContext) -> Iterator[OutputField]:
    if metrics:
        shown = JsonObject(_metric_fields(metrics))
        yield OutputField("metrics", [shown], "".join(field.text for field in shown))


def _metric_fields(metrics: Body) -> Iterator[OutputField]:
    locked = metrics.get("RTAX_LOCK", 0)
    for attribute, name in METRIC_NAMES.items():
        lock = bool(locked & 1 << getattr(uapi, attribute))
        if attribute not in metrics and not lock:
            continue
        value = metrics.get(attribute, 0)
        if attribute == "RTAX_HOPLIMIT" and value == 0xFFFFFFFF:
            continue
        yield OutputField("", None, f"{name} lock " if lock else f"{name} ")
        yield _metric(attribute, name, value)


def _metric(attribute: str, name: str, value: int) -> OutputField:
    if attribute == "RTAX_CC_ALGO":
        return OutputField("congestion", str(value), f"{value} ")
    if attribute == "RTAX_FEATURES":
        rest = value & ~uapi.RTAX_FEATURE_ECN
        words = ("ecn " if value & uapi.RTAX_FEATURE_ECN else "") + (f"{rest:#x} " if rest else "")
        return OutputField("ecn", None, words)
    if attribute in ("RTAX_RTT", "RTAX_RTTVAR", "RTAX_RTO_MIN"):
        value //= {"RTAX_RTT": 8, "RTAX_RTTVAR": 4}.get(attribute, 1)
        if value >= 1000:
            return OutputField(name, value, f"{value / 1000:g}s ")
        return OutputField(name, value, f"{value}ms ")
    return OutputField(name, value, f"{value} ")


def _object(value: int, record: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield what -details adds to a route that refers to a next hop object."""
    if ip.details:
        from .show_nexthop import by_id

        yield from by_id(value, ip)


def _hops(hops: list[Body], record: Body, ip: IpContext) -> Iterator[OutputField]:
    family = {"rtm_family": record["rtm_family"]}
    objects = [JsonObject(fields(HOP, {**hop, **family}, ip)) for hop in hops]
    yield OutputField("nexthops", objects, "".join(field.text for one in objects for field in one))


def _weight(value: int, record: Body, ip: IpContext) -> int | None:
    return value + 1 if record["rtm_family"] != uapi.AF_MPLS else None


ENCAPSULATION = OutputGroup("RTA_ENCAP", _encapsulation)
NEW_DESTINATION = OutputRow("RTA_NEWDST", "as", "as to %s ", _bytes_or_text)
GATEWAY = OutputRow("RTA_GATEWAY", "gateway", "via %s ", _host, colour=_colour("RTA_GATEWAY"), cached=True)
ROWS = (
    OutputRow("rtm_type", "type", "%s ", _type, cached=True),
    OutputRow("", "dst", "%s ", _destination, colour=_colour("RTA_DST")),
    OutputRow("", "from", "from %s ", _source, colour=_colour("RTA_SRC")),
    NEW_DESTINATION,
    ENCAPSULATION,
    OutputRow("rtm_tos", "tos", "tos %s ", tos_name, cached=True),
    OutputRow("RTA_NH_ID", "nhid", "nhid %s "),
    GATEWAY,
    OutputGroup("RTA_VIA", _via),
    OutputRow("RTA_OIF", "dev", "dev %s ", device_name, colour="ifname", cached=True),
    OutputRow("", "table", "table %s ", _table, cached=("RTA_TABLE", "rtm_table")),
    OutputRow("rtm_protocol", "protocol", "proto %s ", named_unless("rt_protos", uapi.RTPROT_BOOT), cached=True),
    OutputRow("rtm_scope", "scope", "scope %s ", named_unless("rt_scopes", uapi.RT_SCOPE_UNIVERSE), cached=True),
    OutputRow("RTA_PREFSRC", "prefsrc", "src %s ", colour=_colour("RTA_PREFSRC")),
    OutputRow("RTA_PRIORITY", "metric", "metric %s "),
    OutputGroup("rtm_flags", flag_names(name_tables.ROUTE_FLAGS), cached=True),
    OutputRow("RTA_MARK", "mark", "mark %s ", _mark, _mark_text),
    OutputGroup("RTA_FLOW", _realms, "flow"),
    OutputRow("RTA_UID", "uid", "uid %s "),
    OutputGroup("", _cache),
    OutputGroup("RTA_METRICS", _metrics),
    OutputRow("RTA_IIF", "iif", "iif %s ", device_name, colour="ifname"),
    OutputRow("RTA_PREF", "pref", "pref %s", _preference),
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
    OutputGroup("RTA_VIA", _via),
    OutputGroup("RTA_FLOW", _realms),
    OutputRow("rtnh_ifindex", "dev", "dev %s ", device_name),  # iproute2 does not colour this one
    OutputRow("rtnh_hops", "weight", "weight %s ", _weight),
    OutputGroup("rtnh_flags", flag_names(name_tables.ROUTE_FLAGS)),
)
