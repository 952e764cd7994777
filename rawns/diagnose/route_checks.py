"""Checks of the sender's routing: the kernel's answer, and the rule or route that explains it."""

from __future__ import annotations

from .. import uapi
from ..errors import errno_name
from ..objects.prefix import BITS
from ..objects.route import Route
from ..objects.rule import Rule
from ..terminal import printable
from . import fib, remedy
from .commands import word
from .hop import NetworkFault
from .namespace_view import RouteRefused
from .prefixes import covers, family_name, holds, link_local, loopback, multicast, network, on_link, spare_address, spare_name
from .remedy import IPV6_MIN_MTU, Remedy
from .topology import global_addresses, holders_across, ip_links, leads_on, routers, routers_without_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..objects.address import Address
    from ..objects.link import Link
    from .hop import Hop
    from .namespace_view import NamespaceView

UNSPECIFIED = ("0.0.0.0", "::")
RESERVED = ("240.0.0.0", 4)  # RFC 1112, section 4; the kernel does not route to it


# -- what kind of address it is -------------------------------------------------------------------------------------------


def target_is_a_host(hop: Hop) -> NetworkFault | None:
    """Check that the target can be the address of one host: not multicast, broadcast, or the network address of a subnet."""
    target, kind = hop.target, hop.route.type if hop.route is not None else uapi.RTN_UNSPEC
    if hop.reply or hop.iif is not None:
        return None
    subnets = [
        network(one.address, one.prefixlen) for one in hop.here.addresses if one.family == uapi.AF_INET and one.prefixlen <= 30
    ]
    subnet = next((one for one in subnets if one.partition("/")[0] == target), "")
    kinds = (
        (multicast(target) or kind == uapi.RTN_MULTICAST, "a multicast address"),
        (target in UNSPECIFIED, "the unspecified address"),
        (target == "255.255.255.255", "the limited broadcast address"),
        (holds(*RESERVED, target), "in the reserved block 240.0.0.0/4"),
        (kind == uapi.RTN_BROADCAST, "a broadcast address"),
        (subnet and not any(view.holder(target) for view in hop.views()), f"the network address of {subnet}"),
    )
    what = next((words for applies, words in kinds if applies), None)
    if what is None:
        return None
    return NetworkFault(f"{target} is {what}: it belongs to no single host, so that there is no host to reach", conclusive=True)


# -- before the look-up ---------------------------------------------------------------------------------------------------


def connected_link_up(hop: Hop) -> NetworkFault | None:
    """Check that the link on whose subnet the target lies is up. If it is down, the packet takes another route, or none."""
    here = hop.here
    near = [one for one in here.addresses if one.family == hop.family and on_link(one, hop.target)]
    links = [here.links[one.index] for one in near if one.index in here.links]
    if not links or any(link.up for link in links):
        return None
    return NetworkFault(f"{here.named(links[0])} is down, and {hop.target} lies on its subnet", remedy.set_up(here, links[0]))


def loopback_up(hop: Hop) -> NetworkFault | None:
    """Check that ``lo`` is up if the packet is for the namespace itself."""
    here, lo = hop.here, hop.here.lo
    if lo is None or lo.up or not (here.holder(hop.target) or loopback(hop.target)):
        return None
    sentence = f"lo in {here.name} is down, and packets of {here.name} to itself ({hop.target}) need it"
    return NetworkFault(sentence, remedy.set_up(here, lo))


# -- the look-up ----------------------------------------------------------------------------------------------------------


def route_known(hop: Hop) -> NetworkFault | None:
    """Check that the kernel has a route (RTM_GETROUTE); if not, find what explains the refusal."""
    if hop.route is not None:
        return None
    hop.trace = fib.trace(hop.here, hop.query)
    reasons = (_refused_by_rule, _refused_by_route, _thrown, _rules_missing, _link_down, _ipv6_off, _no_address, _no_prefix_route)
    faults = (reason(hop) for reason in (*reasons, _other_subnet))
    return next((fault for fault in faults if fault is not None), None) or _no_route(hop)


def _errno(hop: Hop) -> int:
    return hop.answer.errno if isinstance(hop.answer, RouteRefused) else 0


def _refused_by_rule(hop: Hop) -> NetworkFault | None:
    """Return the fault of a policy rule that refuses the packet."""
    trace = hop.trace
    if trace is None or trace.rule is None or trace.route is not None or not trace.explains(hop.answer):
        return None
    sentence = f"the policy rule `{fib.describe_rule(trace.rule)}` in {hop.here.name} refuses packets to {hop.target}"
    return NetworkFault(f"{sentence} ({errno_name(_errno(hop))})", remedy.delete_rule(hop.here, trace.rule))


def _refused_by_route(hop: Hop) -> NetworkFault | None:
    """Return the fault of a route of type blackhole, unreachable or prohibit."""
    trace = hop.trace
    if trace is None or trace.route is None or not trace.errno or not trace.explains(hop.answer):
        return None
    route, here = trace.route, hop.here
    kind = fib.REFUSING[route.type][0]
    table = "" if trace.standard or trace.rule is None else f", to which the policy rule `{fib.describe_rule(trace.rule)}` leads"
    sentence = f"{here.name} has the route `{fib.describe_route(route)}`{table}, which refuses packets to {hop.target}"
    nexthop = route.body.get("RTA_NH_ID")
    words = f"{remedy.route_words(route)} nhid {nexthop}" if nexthop else f"{kind} {remedy.route_words(route)}"
    return NetworkFault(sentence, remedy.change_route(here, hop.family, "del", words))


def _thrown(hop: Hop) -> NetworkFault | None:
    """Return the fault of a route of type throw, which ends the look-up in its table."""
    here = hop.here
    for one in [each for each in here.routes() if each.type == uapi.RTN_THROW and covers(each, hop.target)]:
        without = fib.trace(here, hop.query, routes=[each for each in here.routes() if each is not one])
        if without.route is not None and not without.errno:
            sentence = f"{here.name} has the route `{fib.describe_route(one)}`"
            sentence += f", which ends the look-up for {hop.target} in its table"
            return NetworkFault(sentence, remedy.change_route(here, hop.family, "del", f"throw {remedy.route_words(one)}"))
    return None


def _rules_missing(hop: Hop) -> NetworkFault | None:
    """Return the fault of policy rules that do not lead to the table which has a route."""
    here, trace = hop.here, hop.trace
    if trace is None or trace.rule is not None or not trace.explains(hop.answer):
        return None
    present = [one for one in here.rules() if one.family == hop.family]
    for one in present:
        if one.body.get("FRA_SUPPRESS_PREFIXLEN", -1) == -1:
            continue
        plain = Rule({key: value for key, value in one.body.items() if key != "FRA_SUPPRESS_PREFIXLEN"})
        found = fib.trace(here, hop.query, rules=[plain if each is one else each for each in present])
        if found.route is not None and not found.errno:
            sentence = f"the policy rule `{fib.describe_rule(one)}` in {here.name}"
            sentence += f" suppresses the route `{fib.describe_route(found.route)}`"
            words = f"pref {fib.describe_rule(plain).replace(': ', ' ', 1)}"
            change = remedy.delete_rule(here, one) + remedy.change_rule(here, hop.family, "add", words)
            return NetworkFault(sentence, change)
    for priority, table, name in ((32766, uapi.RT_TABLE_MAIN, "main"), (0, uapi.RT_TABLE_LOCAL, "local")):
        body = {"family": hop.family, "table": table, "action": uapi.FR_ACT_TO_TBL, "FRA_PRIORITY": priority}
        added = sorted([*present, Rule(body)], key=lambda one: one.priority)
        found = fib.trace(here, hop.query, rules=added)
        if found.route is None or found.errno:
            continue
        sentence = f"{here.name} has a route to {hop.target} (`{fib.describe_route(found.route)}`) in its table {name}"
        sentence += ", but no policy rule leads to that table for this packet"
        useful = all((one.priority, one.table) != (priority, table) for one in present)
        return NetworkFault(sentence, remedy.change_rule(here, hop.family, "add", f"pref {priority} lookup {name}", useful))
    return None


def _link_down(hop: Hop) -> NetworkFault | None:
    """Return the fault of a link that leads to the target and is down, and its routes with it."""
    links = ip_links(hop.here, hop.family)
    down = [link for link in links if not link.up]
    for link, receiver in holders_across(hop, down):
        sentence = f"{hop.here.named(link)}, which leads to {receiver.view.named(receiver.link)}, is down"
        return NetworkFault(sentence, remedy.set_up(hop.here, link))
    if down and len(down) == len(links):
        return NetworkFault(f"{hop.here.named(down[0])} is down", remedy.set_up(hop.here, down[0]))
    return None if links else _no_link(hop)


def _no_link(hop: Hop) -> NetworkFault:
    """Return the fault of a namespace that has no link but ``lo``."""
    here, end = hop.here, hop.destination
    other = "" if end is None or end is here or not end.name.name else f" netns {word(end.name.name)}"
    taken = [link.name for view in (here, end) if view is not None for link in view.links.values()]
    command = f"link add {spare_name('v1', taken)} type veth peer name {spare_name('v2', taken)}{other}"
    return NetworkFault(f"{here.name} has no interface except lo", remedy.ip(here, command))


def _ipv6_off(hop: Hop) -> NetworkFault | None:
    links = ip_links(hop.here, hop.family) if hop.family == uapi.AF_INET6 else []
    faults = (ipv6_usable(hop.here, link) for link in links if not global_addresses(hop.here, hop.family, link))
    return next((fault for fault in faults if fault is not None), None)


def ipv6_usable(view: NamespaceView, link: Link) -> NetworkFault | None:
    """Check that a link can have IPv6 addresses: its MTU is at least 1280 and IPv6 is not switched off on it."""
    if link.mtu and link.mtu < IPV6_MIN_MTU:
        sentence = f"the MTU of {view.named(link)} is {link.mtu}; IPv6 needs at least {IPV6_MIN_MTU}"
        return NetworkFault(f"{sentence}, so the kernel stopped IPv6 on it", remedy.set_link(view, link, "mtu 1500"))
    if view.conf(uapi.AF_INET6, link, "disable_ipv6"):
        sentence = f"IPv6 is switched off on {view.named(link)} (disable_ipv6 is 1)"
        return NetworkFault(sentence, remedy.set_sysctls(view, {f"ipv6/conf/{link.name}/disable_ipv6": 0}))
    return None


def _no_address(hop: Hop) -> NetworkFault | None:
    """Return the fault of a sender that has no address of this family."""
    here = hop.here
    if hop.iif is not None or global_addresses(here, hop.family):
        return None
    links = ip_links(here, hop.family)
    if not links:
        return None
    sentence = f"{here.name} has no {family_name(hop.family)} address"
    beside = next(holders_across(hop, links), None)
    if beside is None:
        return NetworkFault(sentence, given_address(hop, here, links[0], "10.0.0.1" if hop.family == uapi.AF_INET else "fd00::1"))
    link, receiver = beside
    held = receiver.view.holder(hop.target)
    assert held is not None
    fault = given_address(hop, here, link, hop.target, held[1].prefixlen)
    return NetworkFault(f"{sentence} on {printable(link.name)}", fault)


def addressless(hop: Hop) -> NetworkFault:
    """Return the fault of a namespace that has no address of this family."""
    here, links = hop.here, ip_links(hop.here, hop.family)
    if not links:
        return _no_link(hop)
    if hop.family == uapi.AF_INET6 and not any(link.up for link in links):
        return NetworkFault(f"{here.named(links[0])} is down, and has no IPv6 address", remedy.set_up(here, links[0]))
    fault = _ipv6_off(hop) or _no_address(hop)
    assert fault is not None
    return fault


def given_address(hop: Hop, view: NamespaceView, link: Link, like: str, length: int = 0) -> Remedy:
    """Return the remedy that gives a link an unused address of the subnet of another address."""
    length = length or (64 if hop.family == uapi.AF_INET6 else 24)
    return remedy.add_address(view, link, spare_address(like, length, hop.taken()))


def _no_prefix_route(hop: Hop) -> NetworkFault | None:
    """Return the fault of a sender with an address on the target's subnet, but not the route that usually comes with it."""
    here = hop.here
    for one in global_addresses(here, hop.family):
        link = here.links[one.index]
        if not on_link(one, hop.target) or not link.up or one.prefixlen == BITS[hop.family]:
            continue
        subnet = network(one.peer or one.address, one.prefixlen)
        if any(str(route) == subnet and route.index == one.index for route in here.routes()):
            continue
        sentence = f"{here.name} has {one} on {printable(link.name)}, but no route to {subnet}, its subnet"
        return NetworkFault(sentence, remedy.change_route(here, hop.family, "add", f"{subnet} dev {word(link.name)}"))
    return None


def _other_subnet(hop: Hop) -> NetworkFault | None:
    """Return the fault of a target that is directly connected but in none of the sender's subnets."""
    here = hop.here
    for link, receiver in holders_across(hop, ip_links(here, hop.family)):
        there = receiver.view
        held = there.holder(hop.target)
        mine = global_addresses(here, hop.family, link)
        if held is None or held[0].index != receiver.link.index or not mine or any(on_link(one, hop.target) for one in mine):
            continue
        theirs = held[1]
        shown = ", ".join(map(str, mine))
        sentence = f"{hop.target} ({there.named(receiver.link)}) is directly connected to {here.named(link)}"
        sentence += f", but outside of {shown}"
        one = next((one for one in mine if holds(theirs.address, theirs.prefixlen, one.address)), None)
        if one is None and theirs.prefixlen == BITS[hop.family]:  # no address would be in its subnet
            return NetworkFault(sentence, host_route(hop, f"dev {word(link.name)}"))
        if one is None:
            given = given_address(hop, here, link, theirs.address, theirs.prefixlen)
            return NetworkFault(f"{sentence}: one cable, two subnets", given)
        changed = remedy.replace_address(here, link, one, f"{one.address}/{theirs.prefixlen}")
        return NetworkFault(f"{sentence}: the prefix length in {there.name} is {theirs.prefixlen}", changed)
    return None


def _no_route(hop: Hop) -> NetworkFault:
    """Return the fault of a missing route, with the one that would lead there: by a router, or directly."""
    here = hop.here
    if hop.trace is not None and hop.trace.route is not None and not hop.trace.errno:
        sentence = f"the kernel refuses packets of {here.name} to {hop.target} ({errno_name(_errno(hop))}), although the route"
        return NetworkFault(f"{sentence} `{fib.describe_route(hop.trace.route)}` matches")
    sentence = f"{here.name} has no route to {hop.target}"
    destination = "default"
    if any(is_default(hop, one) for one in here.routes()):
        destination = f"{hop.target}/{BITS[hop.family]}"
        sentence = f"{here.name} has no usable route to {hop.target} ({errno_name(_errno(hop))})"
    elif hop.iif is None or hop.reply:
        sentence += ", not even a default route"
    if all(one.table != uapi.RT_TABLE_MAIN for one in here.rules() if one.family == hop.family):  # a new route would be of no use
        sentence += ", and no policy rule leads to its table main"
        return NetworkFault(sentence, remedy.change_rule(here, hop.family, "add", "pref 32766 lookup main"))
    for _, router in routers(hop):
        return NetworkFault(sentence, remedy.change_route(here, hop.family, "add", f"{destination} via {router}"))
    for link, receiver in holders_across(hop, ip_links(here, hop.family)):
        held = receiver.view.holder(hop.target)
        if held is not None and not global_addresses(here, hop.family, link) and held[1].prefixlen < BITS[hop.family] - 1:
            other = receiver.view.named(receiver.link)
            sentence = f"{here.named(link)}, to which {other} is connected, has no {family_name(hop.family)} address"
            return NetworkFault(sentence, given_address(hop, here, link, hop.target, held[1].prefixlen))
        return NetworkFault(sentence, host_route(hop, f"dev {word(link.name)}"))
    addressed = router_addressed(hop)
    if addressed is not None:
        words, gateway, added = addressed
        change = remedy.change_route(here, hop.family, "add", f"{destination} via {gateway}")
        return NetworkFault(f"{sentence}; {words}", added + change)
    return NetworkFault(sentence)


def router_addressed(hop: Hop) -> tuple[str, str, Remedy] | None:
    """Return a sentence about a router that lacks an address on a link of the sender, an unused address, and what adds that."""
    for own, receiver in routers_without_address(hop):
        gateway = spare_address(own.address, own.prefixlen, hop.taken())
        place = receiver.view.named(receiver.link)
        sentence = f"{place}, by which a router is reached, has no {family_name(hop.family)} address"
        return sentence, gateway.partition("/")[0], remedy.add_address(receiver.view, receiver.link, gateway)
    return None


def host_route(hop: Hop, words: str) -> Remedy:
    """Return the remedy that adds a route to the target alone: ``ip route add TARGET/32 WORDS``."""
    return remedy.change_route(hop.here, hop.family, "add", f"{hop.target}/{BITS[hop.family]} {words}")


def is_default(hop: Hop, route: Route) -> bool:
    """Return whether a route is the default route of the main table."""
    main = route.table == uapi.RT_TABLE_MAIN and route.family == hop.family
    return main and route.destination == "default" and route.metric != fib.FALLBACK_METRIC


# -- a route that leads the wrong way -------------------------------------------------------------------------------------


def not_to_itself(hop: Hop) -> NetworkFault | None:
    """Check that the sender does not keep the packet, if another namespace should get it."""
    here, end = hop.here, hop.destination
    if hop.route is None or hop.route.type != uapi.RTN_LOCAL or end is None or end is here:
        return None
    mine, theirs = here.holder(hop.target), end.holder(hop.target)
    if mine is None:
        return _local_route(hop)
    sentence = f"{hop.target} is on {here.named(mine[0])} too, so {here.name} keeps packets to it"
    if theirs is None:
        return NetworkFault(sentence, remedy.delete_address(here, *mine), conclusive=True)
    return NetworkFault(sentence, readdressed(hop, end, theirs), conclusive=True)


def _local_route(hop: Hop) -> NetworkFault:
    """Return the fault of a local route: one of its own, or that of an address on ``lo``, whose whole subnet is local."""
    here = hop.here
    local = [one for one in here.routes() if one.type == uapi.RTN_LOCAL and covers(one, hop.target)]
    route = max(local, key=lambda one: one.body["rtm_dst_len"], default=None)
    if route is None:
        return NetworkFault(f"{here.name} treats {hop.target} as its own address", conclusive=True)
    sentence = f"the route `{fib.describe_route(route)}` keeps packets to {hop.target} in {here.name}"
    for one in here.addresses:
        link = here.links.get(one.index)
        if link is None or not link.loopback or not on_link(one, hop.target) or loopback(one.address):
            continue
        changed = remedy.delete_address(here, link, one)
        changed += remedy.add_address(here, link, f"{one.address}/{BITS[hop.family]}")
        why = f"{sentence}: it comes from the address {one} on {printable(link.name)}, which makes its whole subnet local"
        return NetworkFault(why, changed, conclusive=True)
    words = f"local {remedy.route_words(route)}{remedy.route_dev(here, route.index)}"
    return NetworkFault(sentence, remedy.change_route(here, hop.family, "del", words), conclusive=True)


def readdressed(hop: Hop, view: NamespaceView, holder: tuple[Link, Address]) -> Remedy:
    """Return the remedy that gives a link an unused address instead of the one it has."""
    link, old = holder
    others = [one for one in view.addresses_of(link, hop.family) if one is not old]
    if old.prefixlen > BITS[hop.family] - 2 or any(on_link(one, old.address) for one in others):
        return remedy.delete_address(view, link, old)  # the prefix has no other address, or the link has one already
    taken = [*hop.taken(), *(one.address for one in view.addresses)]
    return remedy.replace_address(view, link, old, spare_address(old.address, old.prefixlen, taken))


def misrouted(hop: Hop) -> tuple[str, Remedy] | None:
    """Return the rule or route that sends the packet the wrong way, in words, and the remedy; None if none is proven.

    Proven means: evaluated without it, policy routing leads to a next hop that exists and is nearer to the destination.
    """
    here, answer = hop.here, hop.answer
    trace = fib.trace(here, hop.query)
    if trace.rule is None or trace.route is None or isinstance(answer, RouteRefused) or not trace.explains(answer):
        return None
    route = trace.route
    if not trace.standard:
        rules = [one for one in here.rules() if one is not trace.rule]
        if _better(hop, fib.trace(here, hop.query, rules=rules)):
            words = f"the policy rule `{fib.describe_rule(trace.rule)}` in {here.name}"
            return f"{words}, which selects `{fib.describe_route(route)}`", remedy.delete_rule(here, trace.rule)
    routes = [one for one in here.routes() if one is not route]
    if route.type == uapi.RTN_UNICAST and _better(hop, fib.trace(here, hop.query, routes=routes)):
        words, gateway = remedy.route_words(route), fib.gateway(route)
        words += f" via {gateway}" if gateway and not link_local(gateway) else ""
        words += remedy.route_dev(here, route.index)
        return f"the route `{fib.describe_route(route)}` in {here.name}", remedy.change_route(here, hop.family, "del", words)
    return None


def _better(hop: Hop, trace: Any) -> bool:
    if trace.route is None or trace.errno or trace.route.type != uapi.RTN_UNICAST:
        return False
    return any(leads_on(hop, index, gateway) for index, gateway in fib.next_hops(trace.route))


def deciding_route(hop: Hop) -> Route | None:
    """Return the listed route that the kernel's answer comes from; None if the evaluation does not explain the answer."""
    trace = fib.trace(hop.here, hop.query)
    return trace.route if trace.explains(hop.answer) else None


def replaced(hop: Hop, router: str, link: Link) -> Remedy:
    """Return the remedy that sends what the deciding route covers to another router."""
    route = deciding_route(hop)
    words = "default" if route is None else remedy.route_words(route)
    if route is not None and route.protocol == uapi.RTPROT_KERNEL:  # the subnet of an address: leave it, add a better one
        return host_route(hop, f"via {router}")
    words += f" via {router} dev {word(link.name)}"
    return remedy.change_route(hop.here, hop.family, "replace", words, hop.next_hop != router)
