"""Parts of routes that most routes do not have: gateways of another family, realms, metrics, and what the kernel has cached."""

from __future__ import annotations

import sys
from _socket import AF_INET, AF_INET6, inet_ntop

from ... import uapi
from .arguments import label_text
from .name_tables import named
from .render import JsonObject, OutputField, family_colour, put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Body, IpContext, Iterator, Mapping

USER_HZ = 100  # of the times in struct rta_cacheinfo; sysconf(_SC_CLK_TCK) is 100 on every Linux
METRIC_WORDS = """
mtu window rtt rttvar ssthresh cwnd advmss reordering hoplimit initcwnd features rto_min initrwnd quickack congctl
fastopen_no_cookie
""".split()
METRIC_NAMES = {"RTAX_CC_ALGO" if name == "congctl" else f"RTAX_{name.upper()}": name for name in METRIC_WORDS}
# RTCF_* of IPv4's cached routes, <linux/in_route.h>, in the order in which `ip` names them
CACHE_FLAGS = {
    **{"local": 0x80000000, "reject": 0x40000000, "mc": 0x20000000, "brd": 0x10000000, "dst-nat": 0x08000000},
    **{"src-nat": 0x00800000, "masq": 0x00400000, "dst-direct": 0x00020000, "src-direct": 0x04000000},
    **{"redirected": 0x00040000, "redirect": 0x01000000, "fastroute": 0x00200000, "notify": 0x00010000, "proxy": 0x08000000},
}


def via(value: bytes, record: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the gateway of another family: struct rtvia, a family and an address."""
    family, packed = int.from_bytes(value[:2], sys.byteorder), value[2:]
    name = {AF_INET: "inet", AF_INET6: "inet6", uapi.AF_MPLS: "mpls"}.get(family, str(family))
    try:
        host = label_text(packed) if family == uapi.AF_MPLS else inet_ntop(family, packed)
    except (OSError, ValueError):
        host = packed.hex()
    inner = JsonObject([OutputField("family", name), OutputField("host", host)])
    yield OutputField("via", inner, put(f"via {name} %s ", host, ip, family_colour(family)))


def realms(value: int, record: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the realms of a route, of its source if there is one and of its destination."""
    source, target = (named("rt_realms")(half, record, ip) for half in (value >> 16, value & 0xFFFF))
    inner = JsonObject(([OutputField("from", source)] if value >> 16 else []) + [OutputField("to", target)])
    yield OutputField("flow", inner, f"realms {source}/{target} " if value >> 16 else f"realm {target} ")


def cache_flags(value: int, ip: IpContext) -> OutputField:
    """Return the field of the flags of a cached route (RTCF_*)."""
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


def metrics(values: Body, record: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the metrics of a route (RTAX_*), with those that are locked."""
    if values:
        shown = JsonObject(_metric_fields(values))
        yield OutputField("metrics", [shown], "".join(field.text for field in shown))


def _metric_fields(values: Body) -> Iterator[OutputField]:
    locked = values.get("RTAX_LOCK", 0)
    for attribute, name in METRIC_NAMES.items():
        lock = bool(locked & 1 << getattr(uapi, attribute))
        if attribute not in values and not lock:
            continue
        value = values.get(attribute, 0)
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
