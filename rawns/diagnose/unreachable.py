"""Why there is no way on: no route, or nobody at its end; and which command would make one.

Floor 6, pure.
"""

from __future__ import annotations

from errno import EACCES, EHOSTUNREACH, EINVAL

from .. import uapi
from ..errors import errno_name
from ..terminal import printable
from .hop import Fault
from .namespace_view import Refusal, covers, data, dotted, holds, link_local, on_link, spare, spare_name, spoken, word
from .segment import receivers, search

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..objects.address import Address
    from ..objects.link import Link
    from ..objects.route import Route
    from .hop import Leg
    from .namespace_view import Facts

SPECIAL = {
    uapi.RTN_BLACKHOLE: "blackhole",
    uapi.RTN_UNREACHABLE: "unreachable",
    uapi.RTN_PROHIBIT: "prohibit",
    uapi.RTN_THROW: "throw",
}
OWN_RULES = (0, 32766, 32767)  # local, main, default: the kernel's
LAST = 0xFFFFFFFF  # the metric of the "unreachable default" that every IPv6 table ends in


def explained(leg: Leg) -> Fault:
    """The fault behind a look-up that the kernel refused."""
    for reason in (_refused, _by_rule, _port_down, _ipv6_off, _no_address, _not_on_link):
        fault = reason(leg)
        if fault is not None:
            return fault
    return _no_route(leg)


def _table(route: Route) -> str:
    return "" if route.table == uapi.RT_TABLE_MAIN else f" table {route.table}"


def _refused(leg: Leg) -> Fault | None:
    """A route says that there shall be none."""
    special = [one for one in leg.here.routes() if one.type in SPECIAL and one.metric != LAST and covers(one, leg.target)]
    route = max(special, key=lambda one: one.body["rtm_dst_len"], default=None)
    errno = leg.answer.errno if isinstance(leg.answer, Refusal) else 0
    if route is None:
        return None
    if leg.family == uapi.AF_INET and errno not in (EINVAL, EACCES, EHOSTUNREACH) and route.type != uapi.RTN_THROW:
        return None  # a better route overrules it
    word = SPECIAL[route.type]
    sentence = f"{leg.here.where} has the route `{word} {route}`, which keeps what is for {leg.target}"
    command = leg.here.where.iproute(f"{_option(leg)}route del {word} {route}{_table(route)}")
    return Fault(sentence, command)


def _by_rule(leg: Leg) -> Fault | None:
    """The main table knows a way, and a policy rule looks elsewhere."""
    errno = leg.answer.errno if isinstance(leg.answer, Refusal) else 0
    main = [one for one in leg.here.routes() if one.table == uapi.RT_TABLE_MAIN and one.type == uapi.RTN_UNICAST]
    known = any(covers(one, leg.target) for one in main)
    rules = [one for one in leg.here.rules() if one.family == leg.family and one.priority not in OWN_RULES]
    if not known or not rules:
        return None
    first = min(rules, key=lambda one: one.priority)
    sentence = (
        f"{leg.here.where} has a route to {leg.target} in its main table, but the policy rule {first.priority} sends it elsewhere"
        f" ({errno_name(errno)})"
    )
    return Fault(sentence, leg.here.where.iproute(f"{_option(leg)}rule del pref {first.priority}"))


def _neighbourhood(leg: Leg, links: list[Link]) -> Iterator[tuple[Link, Facts, Link]]:
    """Who has the target, where a port of ours leads right to him: our port, his namespace, his port."""

    def has(facts: Facts, _: Link) -> bool:
        return facts is not leg.here and facts.holder(leg.target) is not None

    for link in links:
        found = search(leg.here, link, has, leg.others)
        if found is not None:
            yield link, found.facts, found.link


def _cabled(leg: Leg) -> list[Link]:
    """The ports by which something could leave, those with an address first."""
    addressed = {one.index for one in leg.here.addresses if one.family == leg.family and not link_local(one.address)}
    links = [link for link in leg.here.links.values() if not link.flags & uapi.IFF_LOOPBACK and link.master is None]
    return sorted(links, key=lambda link: (link.index not in addressed, not link.up))


def _port_down(leg: Leg) -> Fault | None:
    """The port that leads to the target is down, and its routes with it."""
    down = [link for link in _cabled(leg) if not link.up]
    for link, there, inlet in _neighbourhood(leg, down):
        sentence = f"{leg.here.named(link)}, which leads to {there.named(inlet)}, is down"
        return Fault(sentence, leg.here.where.ip(f"link set {word(link.name)} up"))
    if down and len(down) == len(_cabled(leg)):
        return Fault(f"{leg.here.named(down[0])} is down", leg.here.where.ip(f"link set {word(down[0].name)} up"))
    return _no_port(leg)


def _no_port(leg: Leg) -> Fault | None:
    """There is nothing by which a packet could leave."""
    if _cabled(leg):
        return None
    other = "" if leg.aim is None or leg.aim is leg.here or not leg.aim.where.name else f" netns {leg.aim.where.name}"
    sentence = f"{leg.here.where} has no port: nothing but lo is there"
    return Fault(sentence, leg.here.where.ip(f"link add v1 type veth peer name v2{other}"))


def _ipv6_off(leg: Leg) -> Fault | None:
    if leg.family != uapi.AF_INET6:
        return None
    for link in _cabled(leg):
        if leg.here.conf(leg.family, link, "disable_ipv6"):
            return Fault(f"IPv6 is switched off on {leg.here.named(link)}", ipv6_on(leg.here, link))
    return None


def ipv6_on(facts: Facts, link: Link) -> str:
    return facts.where.sysctl(word(f"net.ipv6.conf.{dotted(link)}.disable_ipv6=0"))


def _global(leg: Leg, facts: Facts, link: Link | None = None) -> list[Address]:
    """The addresses of a namespace, or of one of its links, that are seen from elsewhere."""
    return [
        one
        for one in facts.addresses
        if one.family == leg.family
        and not link_local(one.address)
        and not facts.links[one.index].flags & uapi.IFF_LOOPBACK
        and (link is None or one.index == link.index)
    ]


def _no_address(leg: Leg) -> Fault | None:
    """The sender has no address of this family."""
    if leg.iif is not None or _global(leg, leg.here):
        return None
    ports = _cabled(leg)
    beside = next(_neighbourhood(leg, ports), None)
    link = beside[0] if beside is not None else ports[0] if ports else None
    sentence = f"{leg.here.where} has no {spoken(leg.family)} address"
    if link is None:
        return None
    if beside is None:
        return Fault(sentence, added(leg, leg.here, link, "10.0.0.1" if leg.family == uapi.AF_INET else "fd00::1"))
    held = beside[1].holder(leg.target)
    assert held is not None
    return Fault(f"{sentence} on {printable(link.name)}", added(leg, leg.here, link, leg.target, held[1].prefixlen))


def addressless(leg: Leg) -> Fault:
    """The fault of a namespace that has no address of this family."""
    fault = _no_port(leg) or _ipv6_off(leg) or _dead(leg) or _no_address(leg)
    assert fault is not None
    return fault


def _dead(leg: Leg) -> Fault | None:
    """All its ports are down, which takes an IPv6 address away."""
    ports = _cabled(leg)
    if leg.family != uapi.AF_INET6 or any(link.up for link in ports):
        return None
    sentence = f"{leg.here.named(ports[0])} is down, and has no IPv6 address"
    return Fault(sentence, leg.here.where.ip(f"link set {word(ports[0].name)} up"))


def added(leg: Leg, facts: Facts, link: Link, like: str, length: int = 0) -> str:
    """The command that gives a link an address that nobody has, in the subnet of another."""
    length = length or (64 if leg.family == uapi.AF_INET6 else 24)
    return facts.where.ip(f"addr add {spare(like, length, leg.taken())} dev {word(link.name)}{_nodad(leg)}")


def _not_on_link(leg: Leg) -> Fault | None:
    """The target is right across a cable, but in no subnet of ours: a prefix length is wrong, or a subnet."""
    for link, there, inlet in _neighbourhood(leg, _cabled(leg)):
        held = there.holder(leg.target)
        mine = _global(leg, leg.here, link)
        if held is None or held[0].index != inlet.index or not mine:
            continue
        his, where = held[1], leg.here.where
        shown = ", ".join(map(str, mine))
        sentence = f"{leg.target} is right across {leg.here.named(link)} (on {there.named(inlet)}), but outside of {shown}"
        one = next((one for one in mine if holds(his.address, his.prefixlen, one.address)), None)
        if one is None:
            return Fault(f"{sentence}: two subnets on one cable", added(leg, leg.here, link, his.address, his.prefixlen))
        old = where.ip(f"addr del {one} dev {word(link.name)}")
        new = where.ip(f"addr add {one.address}/{his.prefixlen} dev {word(link.name)}{_nodad(leg)}")
        return Fault(f"{sentence}: {there.where} has /{his.prefixlen}", f"{old} && {new}")
    return None


def _no_route(leg: Leg) -> Fault:
    """No route leads there; by a router on a segment of ours, one could."""
    here = leg.here
    errno = leg.answer.errno if isinstance(leg.answer, Refusal) else 0
    sentence = f"{here.where} has no route to {leg.target}"
    destination = "default"
    if any(_is_default(leg, one) for one in here.routes()):
        destination = f"{leg.target}/{_bits(leg)}"
        sentence = f"{here.where} finds no way to {leg.target} ({errno_name(errno)})"
    elif leg.iif is None or leg.reply:
        sentence += ", not even a default route"
    for link in _cabled(leg):
        router = _router(leg, link)
        if router is not None:
            return Fault(sentence, here.where.iproute(f"{_option(leg)}route add {destination} via {router}"))
    for link, _, _ in _neighbourhood(leg, _cabled(leg)):
        return Fault(sentence, here.where.iproute(f"{_option(leg)}route add {leg.target}/{_bits(leg)} dev {word(link.name)}"))
    name = next((word(link.name) for link in _cabled(leg)), "lo")
    return Fault(sentence, here.where.iproute(f"{_option(leg)}route add {destination} dev {name}"))


def _is_default(leg: Leg, route: Route) -> bool:
    main = route.table == uapi.RT_TABLE_MAIN and route.family == leg.family
    return main and route.destination == "default" and route.metric != LAST


def _router(leg: Leg, link: Link) -> str | None:
    """An address, on a subnet of ours on this link, of somebody who is nearer to the target: he has other ports."""
    best: tuple[int, str] | None = None
    mine = _global(leg, leg.here, link)

    def other(facts: Facts, inlet: Link) -> bool:
        return facts is not leg.here

    for found in receivers(leg.here, link, other, leg.others):
        facts = found.facts
        gateways = [one.address for one in _global(leg, facts, found.link) if any(on_link(own, one.address) for own in mine)]
        if not gateways:
            continue
        near = any(on_link(one, leg.target) for one in _global(leg, facts) if one.index != found.link.index)
        many = len({one.index for one in _global(leg, facts)}) > 1
        rank = 2 if near else 1 if many else 0
        if rank and (best is None or rank > best[0]):
            best = (rank, gateways[0])
        if rank == 2:
            break
    return None if best is None else best[1]


def nobody(leg: Leg) -> Fault:
    """Nobody on the segment of the port that the route leads to has the address of the next hop."""
    if leg.hop != leg.target:
        return _no_gateway(leg)
    held = None if leg.aim is None else leg.aim.holder(leg.target)
    return _nowhere(leg) if leg.aim is None or held is None else _elsewhere(leg, leg.aim, held[0])


def _bits(leg: Leg) -> int:
    return 128 if leg.family == uapi.AF_INET6 else 32


def _option(leg: Leg) -> str:
    """What makes `ip route` speak of the family that is not its first."""
    return "-6 " if leg.family == uapi.AF_INET6 else ""


def _neighbour(leg: Leg, address: str) -> str | None:
    """The command that gives the nearest stranger on the segment an address."""
    here, out = leg.here, leg.out
    assert out is not None
    end = next(receivers(here, out, lambda facts, _: facts is not here, leg.others), None)
    if end is None:
        return None
    own = [one for one in _global(leg, here, out) if on_link(one, address)]
    length = own[0].prefixlen if own else _bits(leg)
    return end.facts.where.ip(f"addr add {address}/{length} dev {word(end.link.name)}{_nodad(leg)}")


def _no_gateway(leg: Leg) -> Fault:
    here, out = leg.here, leg.out
    assert out is not None
    sentence = f"nobody that {here.named(out)} leads to has {leg.hop}, the gateway of the route to {leg.target}"
    router = _router(leg, out)
    if router is not None:
        return Fault(sentence, here.where.iproute(f"{_option(leg)}route replace {matching(leg)} via {router}"))
    given = _neighbour(leg, leg.hop)
    return Fault(sentence, given or here.where.iproute(f"{_option(leg)}route del {matching(leg)} via {leg.hop}"))


def _nowhere(leg: Leg) -> Fault:
    """The target is an address that nobody has."""
    here, out = leg.here, leg.out
    assert out is not None
    sentence = f"nobody that {here.named(out)} leads to has the address {leg.target}"
    given = _neighbour(leg, leg.target)
    if given is not None:
        return Fault(sentence, given)
    return Fault(f"{sentence}: it leads to no namespace at all", here.where.ip(f"link show {word(out.name)}"))


def _elsewhere(leg: Leg, aim: Facts, port: Link) -> Fault:
    """The target is somebody's, but not by this port."""
    here, out = leg.here, leg.out
    assert out is not None
    near = _bridgeless(here, out, aim, port) or _macvlan_and_below(leg, (here, out), (aim, port))
    near = near or _macvlan_and_below(leg, (aim, port), (here, out))
    if near is not None:
        return near
    looks = f"{here.where} looks for {leg.target} by {printable(out.name)}"
    for link, there, inlet in _neighbourhood(leg, [link for link in _cabled(leg) if link is not out]):
        command = f"{_option(leg)}route add {leg.target}/{_bits(leg)} dev {word(link.name)}"
        return Fault(f"{looks}, but {there.named(inlet)} is across {printable(link.name)}", here.where.iproute(command))
    sentence = f"{looks}, but no cable leads from there to {aim.named(port)}"
    router = _router(leg, out)
    if router is not None:
        command = f"{_option(leg)}route add {leg.target}/{_bits(leg)} via {router}"
        return Fault(sentence, here.where.iproute(command))
    names = [link.name for facts in (here, aim) for link in facts.links.values()]
    one = spare_name("v", names)
    other = spare_name("v", [*names, one])
    return Fault(sentence, here.where.ip(f"link add {one} type veth peer name {other} netns {aim.where.name or aim.where.path}"))


def _macvlan_and_below(leg: Leg, upper: tuple[Facts, Link], lower: tuple[Facts, Link]) -> Fault | None:
    """A macvlan and the device below it are on one cable, and never hear one another: only another macvlan would."""
    (above, macvlan), (below, link) = upper, lower
    if macvlan.kind not in ("macvlan", "macvtap") or above.far(macvlan) != (below, link.index):
        return None
    name = word(spare_name(f"mv-{link.name}", [one.name for one in below.links.values()]))
    moved = _global(leg, below, link)
    commands = [below.where.iproute(f"link add link {word(link.name)} name {name} up type macvlan mode bridge")]
    commands += [below.where.ip(f"addr del {one} dev {word(link.name)}") for one in moved]
    commands += [below.where.ip(f"addr add {one} dev {name}{_nodad(leg)}") for one in moved]
    sentence = f"{above.named(macvlan)} is a macvlan on {below.named(link)}, and the two never hear one another"
    return Fault(sentence, " && ".join(commands))


def _nodad(leg: Leg) -> str:
    return " nodad" if leg.family == uapi.AF_INET6 else ""


def deaf_tunnel(leg: Leg, facts: Facts, link: Link) -> Fault | None:
    """A VXLAN device at the other end of a tunnel that hears another network, or at another port."""
    mine = data(link)
    remote, port = mine.get("IFLA_VXLAN_GROUP") or mine.get("IFLA_VXLAN_GROUP6"), mine.get("IFLA_VXLAN_PORT")
    if link.kind != "vxlan" or remote is None:
        return None
    for other in facts.elsewhere():
        for one in other.links.values() if other is not facts else ():
            theirs, home = data(one), other.home(one)
            if one.kind != "vxlan" or home is None or home.holder(remote) is None:
                continue
            if theirs.get("IFLA_VXLAN_ID") == mine.get("IFLA_VXLAN_ID") and theirs.get("IFLA_VXLAN_PORT") == port:
                continue
            sentence = (
                f"{facts.named(link)} sends VXLAN {mine.get('IFLA_VXLAN_ID')} to {remote}, port {port}; {other.named(one)} there"
                f" hears VXLAN {theirs.get('IFLA_VXLAN_ID')} at port {theirs.get('IFLA_VXLAN_PORT')}"
            )
            return Fault(sentence, _retuned(leg, other, one, mine))
    return None


def _retuned(leg: Leg, facts: Facts, link: Link, wanted: dict[str, Any]) -> str:
    """The commands that make a VXLAN device anew: the kernel changes neither its network nor its port."""
    theirs, name = data(link), word(link.name)
    words = [f"id {wanted.get('IFLA_VXLAN_ID')}", f"dstport {wanted.get('IFLA_VXLAN_PORT')}"]
    for key, option in (("IFLA_VXLAN_GROUP", "remote"), ("IFLA_VXLAN_GROUP6", "remote"), ("IFLA_VXLAN_LOCAL", "local")):
        words += [f"{option} {theirs[key]}"] if key in theirs else []
    master = facts.links.get(link.master or 0)
    commands = [facts.where.ip(f"link del {name}"), facts.where.iproute(f"link add {name} up type vxlan {' '.join(words)}")]
    commands += [] if master is None else [facts.where.ip(f"link set {name} master {word(master.name)}")]
    commands += [facts.where.ip(f"addr add {one} dev {name}{_nodad(leg)}") for one in _global(leg, facts, link)]
    return " && ".join(commands)


def _bridgeless(here: Facts, out: Link, aim: Facts, port: Link) -> Fault | None:
    """Both cables end in one place, and not in one bridge there."""
    ends = []
    for facts, link in ((here, out), (aim, port)):
        end = facts.far(link) if link.kind == "veth" else None
        if end is None or end[0].closed or end[1] not in end[0].links:
            return None
        ends.append((end[0], end[0].links[end[1]]))
    (place, near), (other, far) = ends
    if place is not other or near.master == far.master:
        return None
    if near.master is not None and far.master is not None:
        bridges = [place.links[one.master].name for one in (near, far) if one.master in place.links]
        both = " and ".join(map(printable, bridges))
        sentence = f"{place.named(near)} and {printable(far.name)} are ports of two bridges, {both}"
        return Fault(sentence, place.where.ip(f"link set {word(far.name)} master {word(bridges[0])}"))
    loose, bound, whose = (near, far, here.named(out)) if near.master is None else (far, near, aim.named(port))
    bridge = place.links[bound.master]
    sentence = f"{place.named(loose)}, where the cable of {whose} ends, is a port of no bridge"
    return Fault(sentence, place.where.ip(f"link set {word(loose.name)} master {word(bridge.name)}"))


def matching(leg: Leg) -> str:
    """The destination of the main table's route that is used for the target."""
    matching = [one for one in leg.here.routes() if covers(one, leg.target) and one.gateway == leg.hop]
    best = max(matching, key=lambda one: one.body["rtm_dst_len"], default=None)
    return "default" if best is None else best.destination
