"""How a route is shown (ip-route(8)).  The formats are iproute2's, to the space."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6

from ... import uapi
from . import name_tables
from .render import JsonObject, OutputField, device, family_colour, flag_names, put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ...wire import Body
    from .context import IpContext
    from .grammar import Record

BITS = {AF_INET: 32, AF_INET6: 128, uapi.AF_MPLS: 20}
USER_HZ = 100  # of the times in struct rta_cacheinfo; sysconf(_SC_CLK_TCK) is 100 on every Linux
TYPE_NAMES = {number: name for name, number in reversed(list(name_tables.ROUTE_TYPES.items()))}
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


def route(record: Body, wanted: Record, ip: IpContext, deleted: bool = False) -> Iterator[OutputField]:
    """Yield the fields of one route.  What the filter ``wanted`` has fixed is left out, as `ip` does it."""
    if deleted:
        yield OutputField("deleted", True, "Deleted ")
    if record["rtm_type"] != uapi.RTN_UNICAST or ip.details:
        yield _word("type", type_name(record["rtm_type"], ip), "%s ")
    yield from _prefixes(record, ip)
    if "RTA_NEWDST" in record:
        yield _word("as", _text_of(record["RTA_NEWDST"]), "as to %s ")
    if "RTA_ENCAP" in record:
        from .route_encap import encapsulation

        yield from encapsulation(record, ip)
    if record["rtm_tos"] and "tos" not in wanted:
        yield _word("tos", _tos(record["rtm_tos"], ip), "tos %s ")
    if "RTA_NH_ID" in record:
        yield _word("nhid", record["RTA_NH_ID"], "nhid %s ")
    yield from _way(record, wanted, ip)
    yield from _origin(record, wanted, ip)
    yield from _details(record, wanted, ip)
    if "RTA_NH_ID" in record and ip.details:
        from .show_nexthop import by_id

        yield from by_id(record["RTA_NH_ID"], ip)
    for hop in [record["RTA_MULTIPATH"]] if "RTA_MULTIPATH" in record else []:
        objects = [JsonObject(_hop(one, record, ip)) for one in hop]
        yield OutputField("nexthops", objects, "".join(field.text for one in objects for field in one))
    yield OutputField("", None, "\n")


def type_name(number: int, ip: IpContext) -> str:
    """Return the name of a type of route (RTN_*)."""
    return str(number) if ip.numeric else TYPE_NAMES.get(number, str(number))


def _word(name: str, value: object, form: str) -> OutputField:
    return OutputField(name, value, form % value)


def _text_of(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _tos(value: int, ip: IpContext) -> str:
    return _named("rt_dsfield", value, ip, f"0x{value:02x}")


def _named(file: str, value: int, ip: IpContext, other: str = "") -> str:
    if ip.numeric:
        return other or str(value)
    return name_tables.table(file).get(value, other or str(value))


def _prefixes(record: Body, ip: IpContext) -> Iterator[OutputField]:
    full = BITS.get(record["rtm_family"], 0)
    length = record["rtm_dst_len"]
    if "RTA_DST" in record:
        where = ip.host(record["RTA_DST"]) if length == full else f"{record['RTA_DST']}/{length}"
    else:
        where = f"0/{length}" if length else "default"
    colour = family_colour(record["rtm_family"]) if "RTA_DST" in record else None
    yield OutputField("dst", where, put("%s ", where, ip, colour))
    length = record["rtm_src_len"]
    if "RTA_SRC" in record:
        source = ip.host(record["RTA_SRC"]) if length == full else f"{record['RTA_SRC']}/{length}"
        yield OutputField("from", source, put("from %s ", source, ip, family_colour(record["rtm_family"])))
    elif length:
        yield _word("from", f"0/{length}", "from %s ")


def _whole(wanted: Record, key: str, family: int) -> bool:
    """Tell whether the filter names one address, so that showing it says nothing new."""
    found = wanted.get(key)
    return found is not None and found.length == BITS.get(family, 0)


def _way(record: Body, wanted: Record, ip: IpContext) -> Iterator[OutputField]:
    if "RTA_GATEWAY" in record and not _whole(wanted, "via", record["rtm_family"]):
        gateway = ip.host(record["RTA_GATEWAY"])
        yield OutputField("gateway", gateway, put("via %s ", gateway, ip, family_colour(record.get("rtm_family", 0))))
    if "RTA_VIA" in record:
        yield _via(record["RTA_VIA"], ip)
    if "RTA_OIF" in record and "oif" not in wanted:
        yield device("dev", record["RTA_OIF"], ip)


def _via(value: bytes, ip: IpContext) -> OutputField:
    """Return the gateway of another family: struct rtvia, a family and an address."""
    import sys
    from _socket import inet_ntop

    family, packed = int.from_bytes(value[:2], sys.byteorder), value[2:]
    name = {AF_INET: "inet", AF_INET6: "inet6"}.get(family, str(family))
    try:
        host = inet_ntop(family, packed)
    except (OSError, ValueError):
        host = packed.hex()
    inner = JsonObject([OutputField("family", name), OutputField("host", host)])
    return OutputField("via", inner, put(f"via {name} %s ", host, ip, family_colour(family)))


def _origin(record: Body, wanted: Record, ip: IpContext) -> Iterator[OutputField]:
    """Yield table, protocol and scope; the last two not for the answer to a look-up."""
    table = record.get("RTA_TABLE", record["rtm_table"])
    if table and (table != uapi.RT_TABLE_MAIN or ip.details) and not wanted.get("table"):
        yield _word("table", _named("rt_tables", table, ip), "table %s ")
    if record["rtm_flags"] & uapi.RTM_F_CLONED:
        return
    if (record["rtm_protocol"] != uapi.RTPROT_BOOT or ip.details) and "protocol" not in wanted:
        yield _word("protocol", _named("rt_protos", record["rtm_protocol"], ip), "proto %s ")
    if (record["rtm_scope"] != uapi.RT_SCOPE_UNIVERSE or ip.details) and "scope" not in wanted:
        yield _word("scope", _named("rt_scopes", record["rtm_scope"], ip), "scope %s ")


def _details(record: Body, wanted: Record, ip: IpContext) -> Iterator[OutputField]:
    if "RTA_PREFSRC" in record and not _whole(wanted, "prefsrc", record["rtm_family"]):
        source = record["RTA_PREFSRC"]
        yield OutputField("prefsrc", source, put("src %s ", source, ip, family_colour(record["rtm_family"])))
    if "RTA_PRIORITY" in record and "metric" not in wanted:
        yield _word("metric", record["RTA_PRIORITY"], "metric %s ")
    yield flag_names(name_tables.ROUTE_FLAGS, record["rtm_flags"])
    if record.get("RTA_MARK"):
        mark = record["RTA_MARK"]
        yield OutputField("mark", mark, f"mark 0x{mark:x} " if mark >= 16 else f"mark {mark} ")
    if "RTA_FLOW" in record and wanted.get("realm_mask") != 0xFFFFFFFF:
        yield _realms(record["RTA_FLOW"], ip)
    if "RTA_UID" in record:
        yield _word("uid", record["RTA_UID"], "uid %s ")
    if record["rtm_family"] == AF_INET and record["rtm_flags"] & uapi.RTM_F_CLONED:
        yield _cache_flags(record["rtm_flags"], ip)
        yield from cache_info(record.get("RTA_CACHEINFO"), ip)
    elif record["rtm_family"] == AF_INET6:
        yield from cache_info(record.get("RTA_CACHEINFO"), ip)
    if record.get("RTA_METRICS"):
        shown = JsonObject(_metrics(record["RTA_METRICS"]))
        yield OutputField("metrics", [shown], "".join(field.text for field in shown))
    if "RTA_IIF" in record and "iif" not in wanted:
        yield device("iif", record["RTA_IIF"], ip)
    if "RTA_PREF" in record:
        pref = record["RTA_PREF"]
        name = PREFERENCE_NAMES.get(pref)
        yield OutputField("pref", name if name else pref, f"pref {name or pref}")
    if "RTA_TTL_PROPAGATE" in record:
        on = bool(record["RTA_TTL_PROPAGATE"])
        yield OutputField("ttl-propogate", on, f"ttl-propogate {'enabled' if on else 'disabled'}")


def _realms(value: int, ip: IpContext) -> OutputField:
    source, target = value >> 16, value & 0xFFFF
    names = [_named("rt_realms", one, ip) for one in (source, target)]
    inner = JsonObject(([OutputField("from", names[0])] if source else []) + [OutputField("to", names[1])])
    text = f"realms {names[0]}/{names[1]} " if source else f"realm {names[1]} "
    return OutputField("flow", inner, text)


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
    if info["rta_expires"]:
        yield _word("expires", int(info["rta_expires"] / USER_HZ), "expires %ssec ")
    if info["rta_error"]:
        error = info["rta_error"] - (1 << 32) if info["rta_error"] >= 1 << 31 else info["rta_error"]
        yield _word("error", error, "error %s ")
    if ip.stats:
        if info["rta_clntref"]:
            yield _word("users", info["rta_clntref"], "users %s ")
        if info["rta_used"]:
            yield _word("used", info["rta_used"], "used %s ")
        if info["rta_lastuse"]:
            yield _word("age", info["rta_lastuse"] // USER_HZ, "age %ssec ")


def _metrics(metrics: Body) -> Iterator[OutputField]:
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


def _hop(hop: Body, record: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the fields of one of several next hops."""
    yield OutputField("", None, put("\n\tnexthop ", "", ip))
    if "RTA_ENCAP" in hop:
        from .route_encap import encapsulation

        yield from encapsulation(hop, ip)
    if "RTA_NEWDST" in hop:
        yield _word("as", _text_of(hop["RTA_NEWDST"]), "as to %s ")
    if "RTA_GATEWAY" in hop:
        colour = family_colour(record["rtm_family"])
        gateway = ip.host(hop["RTA_GATEWAY"])
        yield OutputField("gateway", gateway, put("via %s ", gateway, ip, colour))
    if "RTA_VIA" in hop:
        yield _via(hop["RTA_VIA"], ip)
    if "RTA_FLOW" in hop:
        yield _realms(hop["RTA_FLOW"], ip)
    name = ip.name_of(hop["rtnh_ifindex"])
    yield OutputField("dev", name, put("dev %s ", name, ip))  # iproute2 does not colour this one
    if record["rtm_family"] != uapi.AF_MPLS:
        yield _word("weight", hop["rtnh_hops"] + 1, "weight %s ")
    yield flag_names(name_tables.ROUTE_FLAGS, hop["rtnh_flags"])
