"""Policy routing evaluated from listed rules and routes (`<net/fib_rules.h>`, ip-rule(8)), to explain the kernel's answer.

The kernel says which route a packet takes, or that there is none; it does not say why. `trace` evaluates rules and tables as
the kernel does and keeps the rule and the route that decided. It is used as an explanation only if its result is the
kernel's answer (`RouteTrace.explains`). With changed lists it predicts what a remedy would do.
"""

from __future__ import annotations

import sys
from _socket import inet_ntop
from errno import EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH

from .. import uapi
from ..objects.prefix import family_of
from .namespace_view import RouteRefused
from .prefixes import covers, holds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..objects.route import Route
    from ..objects.rule import Rule
    from .flow import RouteQuery
    from .namespace_view import NamespaceView, RouteAnswer

FALLBACK_METRIC = uapi.UINT32_MAX  # of the unreachable default route that ends IPv6's table
REFUSING = {  # route types that refuse a packet, with the error of the look-up: fib_props in net/ipv4/fib_semantics.c
    uapi.RTN_BLACKHOLE: ("blackhole", EINVAL),
    uapi.RTN_UNREACHABLE: ("unreachable", EHOSTUNREACH),
    uapi.RTN_PROHIBIT: ("prohibit", EACCES),
}
REFUSING_RULES = {
    uapi.FR_ACT_BLACKHOLE: ("blackhole", EINVAL),
    uapi.FR_ACT_UNREACHABLE: ("unreachable", ENETUNREACH),
    uapi.FR_ACT_PROHIBIT: ("prohibit", EACCES),
}
STANDARD = {(0, uapi.RT_TABLE_LOCAL), (32766, uapi.RT_TABLE_MAIN), (32767, uapi.RT_TABLE_DEFAULT)}


class RouteTrace:
    """How a look-up was decided: by ``rule``, and in its table by ``route``; both None if no rule had a route.

    ``errno`` is 0, or the error of the look-up.
    """

    __slots__ = ("errno", "route", "rule")

    def __init__(self, rule: Rule | None, route: Route | None, errno: int) -> None:
        self.rule, self.route, self.errno = rule, route, errno

    def explains(self, answer: RouteAnswer) -> bool:
        """Return whether the kernel's answer is the one that was evaluated."""
        if isinstance(answer, RouteRefused):
            return self.errno != 0 and (answer.errno == self.errno or answer.errno in (ENETUNREACH, EHOSTUNREACH))
        if self.errno or self.route is None:
            return False
        if answer.type != self.route.type:
            return False
        if answer.type != uapi.RTN_UNICAST:
            return True
        return (answer.index, gateway(answer)) in next_hops(self.route)

    @property
    def standard(self) -> bool:
        """Whether the deciding rule is one of the three that every namespace starts with."""
        return self.rule is None or standard(self.rule)


def standard(rule: Rule) -> bool:
    """Return whether a rule is one of the three that every namespace starts with."""
    plain = rule.source == "all" and rule.destination == "all" and not rule.mark and not rule.iif and not rule.oif
    return plain and (rule.priority, rule.table) in STANDARD


def gateway(route: Route) -> str | None:
    """Return the next hop of a route; an IPv4 route may have an IPv6 one (struct rtvia)."""
    return _gateway(route.body)


def _gateway(body: Any) -> str | None:
    via = body.get("RTA_VIA")
    if isinstance(via, bytes) and len(via) in (6, 18):
        return inet_ntop(int.from_bytes(via[:2], sys.byteorder), via[2:])
    found: str | None = body.get("RTA_GATEWAY")
    return found


def next_hops(route: Route) -> list[tuple[int | None, str | None]]:
    """Return the next hops of a route: index of the link, and gateway or None."""
    many = route.body.get("RTA_MULTIPATH")
    if many:
        return [(hop.get("rtnh_ifindex"), _gateway(hop)) for hop in many]
    return [(route.index, gateway(route))]


def trace(
    view: NamespaceView, query: RouteQuery, *, rules: Sequence[Rule] | None = None, routes: Sequence[Route] | None = None
) -> RouteTrace:
    """Evaluate a look-up with the rules and routes of a namespace, or with those given instead."""
    family = family_of(query.target)
    asked = [one for one in (view.rules() if rules is None else rules) if one.family == family]
    listed = [one for one in (view.routes() if routes is None else routes) if covers(one, query.target)]
    skip_until = 0
    for rule in asked:
        if rule.priority < skip_until or not matches(view, rule, query):
            continue
        if rule.action == uapi.FR_ACT_GOTO:
            skip_until = rule.body.get("FRA_GOTO", 0)
        elif rule.action in REFUSING_RULES:
            return RouteTrace(rule, None, REFUSING_RULES[rule.action][1])
        elif rule.action == uapi.FR_ACT_TO_TBL:
            route = _best(view, rule, query, listed)
            if route is not None:
                return RouteTrace(rule, route, REFUSING.get(route.type, ("", 0))[1])
    return RouteTrace(None, None, ENETUNREACH)


def matches(view: NamespaceView, rule: Rule, query: RouteQuery) -> bool:
    """Return whether a policy rule applies to a packet."""
    body = rule.body
    incoming = view.links[query.iif].name if query.iif in view.links else "lo"
    outgoing = view.links[query.oif].name if query.oif in view.links else None
    mask = body.get("FRA_FWMASK", uapi.UINT32_MAX)
    tests = [
        _within(body.get("FRA_SRC"), body.get("src_len", 0), query.source),
        _within(body.get("FRA_DST"), body.get("dst_len", 0), query.target),
        rule.iif in (None, incoming),
        rule.oif in (None, outgoing),
        not ("FRA_FWMARK" in body or "FRA_FWMASK" in body) or (query.mark ^ rule.mark) & mask == 0,
        body.get("FRA_IP_PROTO", 0) in (0, query.protocol),
        _in_range(body.get("FRA_SPORT_RANGE"), query.sport),
        _in_range(body.get("FRA_DPORT_RANGE"), query.dport),
        not body.get("tos"),
        not body.get("FRA_L3MDEV"),
    ]
    return all(tests) != bool(rule.flags & uapi.FIB_RULE_INVERT)


def _within(prefix: str | None, length: int, address: str | None) -> bool:
    return prefix is None or (address is not None and holds(prefix, length, address))


def _in_range(ports: Any, port: int) -> bool:
    return ports is None or ports["start"] <= port <= ports["end"]


def _best(view: NamespaceView, rule: Rule, query: RouteQuery, routes: Sequence[Route]) -> Route | None:
    """Return the route of a rule's table that wins: the longest prefix, then the lowest metric, with a usable next hop."""
    inside = [one for one in routes if one.table == rule.table and one.type != uapi.RTN_THROW and _usable(view, one, query)]
    throws = [one for one in routes if one.table == rule.table and one.type == uapi.RTN_THROW]
    best = max(inside, key=_rank, default=None)
    if best is None or any(_rank(one) > _rank(best) for one in throws):
        return None
    shortest = rule.body.get("FRA_SUPPRESS_PREFIXLEN", -1)
    return None if shortest != -1 and best.body["rtm_dst_len"] <= shortest else best


def _rank(route: Route) -> tuple[int, int]:
    return route.body["rtm_dst_len"], -(route.metric or 0)


def _usable(view: NamespaceView, route: Route, query: RouteQuery) -> bool:
    if route.type in REFUSING:
        return bool(route.metric != FALLBACK_METRIC)
    source = route.body.get("RTA_SRC")
    if source is not None and (query.source is None or not holds(source, route.body.get("rtm_src_len", 0), query.source)):
        return False
    hops = route.body.get("RTA_MULTIPATH")
    flags = [hop.get("rtnh_flags", 0) for hop in hops] if hops else [route.body.get("rtm_flags", 0)]
    if all(flag & uapi.RTNH_F_DEAD for flag in flags):
        return False
    wanted = query.oif
    return not wanted or route.type != uapi.RTN_UNICAST or any(index == wanted for index, _ in next_hops(route))


def describe_rule(rule: Rule) -> str:
    """Return a rule as ``ip rule show`` prints it, without the words that say nothing."""
    body = rule.body
    words = ["not"] if rule.flags & uapi.FIB_RULE_INVERT else []
    words += ["from", rule.source]
    words += ["to", rule.destination] if rule.destination != "all" else []
    words += ["fwmark", f"{rule.mark:#x}"] if "FRA_FWMARK" in body else []
    words += ["iif", rule.iif] if rule.iif else []
    words += ["oif", rule.oif] if rule.oif else []
    words += ["ipproto", str(body["FRA_IP_PROTO"])] if body.get("FRA_IP_PROTO") else []
    for key, option in (("FRA_SPORT_RANGE", "sport"), ("FRA_DPORT_RANGE", "dport")):
        if body.get(key):
            start, end = body[key]["start"], body[key]["end"]
            words += [option, str(start) if start == end else f"{start}-{end}"]
    suppressed = body.get("FRA_SUPPRESS_PREFIXLEN", -1)
    words += [REFUSING_RULES[rule.action][0]] if rule.action in REFUSING_RULES else ["lookup", table_name(rule.table)]
    words += ["suppress_prefixlength", str(suppressed)] if suppressed != -1 else []
    return f"{rule.priority}: {' '.join(words)}"


def table_name(number: int) -> str:
    """Return a routing table as ``ip route`` names it."""
    return {uapi.RT_TABLE_LOCAL: "local", uapi.RT_TABLE_MAIN: "main", uapi.RT_TABLE_DEFAULT: "default"}.get(number, str(number))


def describe_route(route: Route) -> str:
    """Return a route in the words of ``ip route show``: ``default via 10.0.0.1 table 66``."""
    kinds = {uapi.RTN_LOCAL: "local", uapi.RTN_THROW: "throw"}
    words = [REFUSING[route.type][0]] if route.type in REFUSING else [kinds[route.type]] if route.type in kinds else []
    words.append(str(route))
    if not route.body.get("RTA_MULTIPATH") and gateway(route):
        words += ["via", str(gateway(route))]
    if route.table not in (uapi.RT_TABLE_MAIN, uapi.RT_TABLE_LOCAL):
        words += ["table", str(route.table)]
    return " ".join(words)
