"""The checks, in the order in which a packet meets what they look at.

Floor 6, pure: each is a function of a `Leg` that gives None, or the `Fault` and the command that mends it.  To teach `why`
another fault, write its function and put it into its table.
"""

from __future__ import annotations

from .. import uapi
from ..objects.prefix import BITS
from ..terminal import printable
from . import netfilter_checks, unreachable
from .hop import Fault, Leg
from .link_checks import bridge_ports, macvlan_mode, raised, uncabled
from .namespace_view import covers, dotted, link_local, loopback, noarp, on_link, spare, spoken, word
from .segment import BRIDGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..objects.address import Address
    from ..objects.link import Link
    from .link_checks import Row
    from .namespace_view import Facts

DEAF = 8  # arp_ignore: answers for no address of its own
USELESS = uapi.IFA_F_TENTATIVE | uapi.IFA_F_DADFAILED
KNOWN = uapi.NUD_REACHABLE | uapi.NUD_STALE | uapi.NUD_DELAY | uapi.NUD_PROBE | uapi.NUD_PERMANENT


# -- before it leaves ---------------------------------------------------------------------------------------------------


def port_up(leg: Leg) -> Fault | None:
    """The port on whose subnet the target lies is up: were it down, the packet would look for another way, or none."""
    here = leg.here
    near = [one for one in here.addresses if one.family == leg.family and on_link(one, leg.target)]
    links = [here.links[one.index] for one in near if one.index in here.links]
    if not links or any(link.up for link in links):
        return None
    return Fault(f"{here.named(links[0])} is down, and {leg.target} lies on its subnet", raised(here, links[0]))


def loopback_up(leg: Leg) -> Fault | None:
    """What a namespace says to itself goes by `lo`."""
    here, holder = leg.here, leg.here.holder(leg.target)
    lo = next((link for link in here.links.values() if link.flags & uapi.IFF_LOOPBACK), None)
    if lo is None or lo.up or not (holder or loopback(leg.target)):
        return None
    return Fault(f"lo in {here.where} is down, and what it says to itself ({leg.target}) goes by it", raised(here, lo))


def route_known(leg: Leg) -> Fault | None:
    """The kernel knows a way (RTM_GETROUTE)."""
    return None if leg.route is not None else unreachable.explained(leg)


def not_to_itself(leg: Leg) -> Fault | None:
    """The target is not an address of the sender's own, where somebody else is meant."""
    if leg.route is None or leg.route.type != uapi.RTN_LOCAL or leg.aim is None or leg.aim is leg.here:
        return None
    mine, theirs = leg.here.holder(leg.target), leg.aim.holder(leg.target)
    if mine is None:
        return Fault(
            f"a local route in {leg.here.where} keeps what is for {leg.target}",
            leg.here.where.iproute(f"route del local {leg.target} table local"),
            despite=True,
        )
    sentence = f"{leg.target} is on {leg.here.named(mine[0])} too, so {leg.here.where} talks to itself"
    if theirs is None:
        return Fault(sentence, leg.here.where.ip(f"addr del {mine[1]} dev {word(mine[0].name)}"), despite=True)
    return Fault(sentence, _readdressed(leg, leg.aim, theirs), despite=True)


def _readdressed(leg: Leg, facts: Facts, holder: tuple[Link, Address]) -> str:
    """The commands that give a link an address nobody has in place of the one it has."""
    link, old = holder
    if old.prefixlen > BITS[leg.family] - 2:
        return facts.where.ip(f"addr del {old} dev {word(link.name)}")  # there is no room for another beside it
    new = spare(old.address, old.prefixlen, leg.taken())
    nodad = " nodad" if leg.family == uapi.AF_INET6 else ""
    where = facts.where
    return f"{where.ip(f'addr del {old} dev {word(link.name)}')} && {where.ip(f'addr add {new} dev {word(link.name)}{nodad}')}"


def out_up(leg: Leg) -> Fault | None:
    if leg.out is None or leg.out.up:
        return None
    return Fault(f"{leg.here.named(leg.out)}, by which the packet has to leave, is down", raised(leg.here, leg.out))


def carrier(leg: Leg) -> Fault | None:
    """The cable is in at both ends."""
    out = leg.out
    if out is None or out.carrier or not out.up or out.kind == "bridge":
        return None  # a bridge has its carrier from its ports, which are looked at one by one
    return uncabled(leg.here, out)


def leads_somewhere(leg: Leg) -> Fault | None:
    """A dummy device takes everything and hands on nothing."""
    if leg.out is None or leg.out.kind != "dummy" or leg.route is None:
        return None
    route, name = leg.route, word(leg.out.name)
    matching = [one for one in leg.here.routes() if one.index == leg.out.index and covers(one, leg.target)]
    which = max(matching, key=lambda one: one.body["rtm_dst_len"], default=route)
    return Fault(
        f"the route of {leg.here.where} to {leg.target} leads into {printable(leg.out.name)}, a dummy, which swallows everything",
        leg.here.where.iproute(f"route del {which} dev {name}"),
    )


def resolves(leg: Leg) -> Fault | None:
    """The port that sends, and the one that should answer, ask and answer by ARP (or neighbour discovery)."""
    for facts, link in ((leg.here, leg.out), (leg.there, leg.inlet)):
        if facts is None or link is None or not noarp(link) or not link.flags & uapi.IFF_BROADCAST:
            continue
        if link.kind in ("vxlan", "ipvlan", "dummy") or _permanent(leg):
            continue
        asks = "asks nobody for a link-layer address" if facts is leg.here else "answers nobody who asks for its address"
        return Fault(f"{facts.named(link)} has ARP switched off and {asks}", facts.where.ip(f"link set {word(link.name)} arp on"))
    return None


def _permanent(leg: Leg) -> bool:
    entries = [one for one in leg.here.neighbours() if leg.out is not None and one.index == leg.out.index]
    return any(one.address == leg.hop and one.state & uapi.NUD_PERMANENT for one in entries)


def source_usable(leg: Leg) -> Fault | None:
    """The addresses of the port it leaves by are past duplicate address detection."""
    if leg.out is None or leg.iif is not None:
        return None
    mine = [one for one in leg.here.addresses_of(leg.out, leg.family) if not link_local(one.address)]
    if any(not one.flags & USELESS for one in mine):
        return None
    poor = not leg.source or link_local(leg.source) or loopback(leg.source)
    if not poor and leg.source not in [one.address for one in mine]:
        return None  # it has a better one elsewhere
    return _undetected(leg, leg.here, leg.out, mine)


def _undetected(leg: Leg, facts: Facts, link: Link, addresses: list[Address]) -> Fault | None:
    for one in addresses:
        if one.flags & uapi.IFA_F_DADFAILED:
            others = (leg.here, leg.aim, *leg.others)
            twin = next((o for o in others if o is not None and o is not facts and o.loaded and o.holder(one.address)), None)
            found = None if twin is None else twin.holder(one.address)
            whose = "somebody else" if twin is None or found is None else twin.named(found[0])
            sentence = f"{one.address} on {facts.named(link)} failed duplicate address detection: {whose} has it too"
            return Fault(sentence, _readdressed(leg, facts, (link, one)))
        if one.flags & uapi.IFA_F_TENTATIVE:
            old, new = f"addr del {one} dev {word(link.name)}", f"addr add {one} dev {word(link.name)} nodad"
            again = f"{facts.where.ip(old)} && {facts.where.ip(new)}"
            return Fault(f"{one.address} on {facts.named(link)} is still in duplicate address detection", again, passing=True)
    return None


def filtered_out(leg: Leg) -> Fault | None:
    """nf_tables lets it out, or through."""
    return None if leg.out is None or leg.source is None else netfilter_checks.out(leg)


# -- the next hop -------------------------------------------------------------------------------------------------------


def somebody_there(leg: Leg) -> Fault | None:
    """Somebody on the segment has the address of the next hop."""
    return unreachable.nobody(leg) if leg.there is None and leg.out is not None else None


def hardware_addresses(leg: Leg) -> Fault | None:
    """No bridge on the way has learnt the receiver's link-layer address for somebody else's."""
    out, inlet, there = leg.out, leg.inlet, leg.there
    if out is None or inlet is None or there is None or not any(piece.kind == BRIDGE for piece in leg.pieces):
        return None
    ports = [(piece.here, port) for piece in leg.pieces if piece.kind == BRIDGE for port in bridge_ports(piece)]
    for facts, other in [(leg.here, out), *ports]:
        if other.address != inlet.address or not inlet.address:
            continue
        if facts is there and inlet.index in (other.index, other.master):
            continue  # itself; or a bridge, which has its address from a port
        sentence = f"{there.named(inlet)} and {facts.named(other)} have one link-layer address, {inlet.address}, on one bridge"
        return Fault(sentence, there.where.ip(f"link set {word(inlet.name)} address {_another(leg, inlet.address)}"))
    return None


def _another(leg: Leg, lladdr: str) -> str:
    """A link-layer address that nobody who is known has."""
    places = [one for one in (leg.here, leg.there, *leg.others) if one is not None and one.loaded]
    taken = {link.address for facts in places for link in facts.links.values()}
    value = int(lladdr.replace(":", ""), 16) & ~(1 << 40) | 1 << 41  # one device's, locally administered
    while True:
        value = value & ~0xFFFFFF | (value + 1) & 0xFFFFFF
        text = ":".join(f"{byte:02x}" for byte in value.to_bytes(6, "big"))
        if text not in taken:
            return text


def neighbour(leg: Leg) -> Fault | None:
    """What the sender has noted of the next hop's link-layer address is true."""
    out, inlet, there = leg.out, leg.inlet, leg.there
    if out is None or inlet is None or there is None or there is leg.here:
        return None
    for one in leg.here.neighbours():
        if (one.index, one.address) != (out.index, leg.hop) or one.lladdr is None or not one.state & KNOWN:
            continue
        if one.lladdr == inlet.address or inlet.address is None or out.kind in ("ipvlan", "vxlan") or noarp(out):
            return None
        permanent = bool(one.state & uapi.NUD_PERMANENT)
        noted = "has a permanent entry" if permanent else "has learnt"
        sentence = f"{leg.here.where} {noted} that {leg.hop} is at {one.lladdr}, but {there.named(inlet)} is at {inlet.address}"
        twin = None if permanent else _at(leg, one.lladdr)
        if twin is not None and twin[0].holder(leg.hop) is not None:
            held = twin[0].holder(leg.hop)
            assert held is not None
            said = f"{twin[0].named(held[0])} has {leg.hop} too, and {leg.here.where} has learnt of that one first"
            return Fault(said, _readdressed(leg, twin[0], held), despite=True)
        wrong = permanent or not _answers_for(there, one.lladdr)
        return Fault(sentence, leg.here.where.iproute(f"neigh del {leg.hop} dev {word(out.name)}")) if wrong else None
    return None


def _at(leg: Leg, lladdr: str) -> tuple[Facts, Link] | None:
    places = [one for one in leg.others if one.loaded and one is not leg.there and one is not leg.here]
    return next(((facts, link) for facts in places for link in facts.links.values() if link.address == lladdr), None)


def _answers_for(facts: Facts, lladdr: str) -> bool:
    """Whether another port of the receiver's has it: Linux answers for all its addresses on every port."""
    return any(link.address == lladdr for link in facts.links.values())


# -- where it arrives ---------------------------------------------------------------------------------------------------


def arrival_usable(leg: Leg) -> Fault | None:
    """The address of the next hop is past duplicate address detection."""
    if leg.there is None or leg.inlet is None:
        return None
    mine = [one for one in leg.there.addresses_of(leg.inlet, leg.family) if one.address == leg.hop]
    return _undetected(leg, leg.there, leg.inlet, mine)


def taken_for_own(leg: Leg) -> Fault | None:
    """Who has the target takes it for an own address: the kernel asks its local table, and IPv6 fills that a moment later."""
    there, held = leg.there, leg.there and leg.there.holder(leg.target)
    if there is None or not held:
        return None
    answer = there.route(leg.target)
    if getattr(answer, "type", None) == uapi.RTN_LOCAL:
        return None
    command = there.where.iproute(f"route add local {leg.target} dev {word(held[0].name)} table local")
    return Fault(f"{leg.target} is on {there.named(held[0])}, but is not in the local table there", command, passing=True)


def answers_arp(leg: Leg) -> Fault | None:
    there, inlet = leg.there, leg.inlet
    if there is None or inlet is None or _permanent(leg):
        return None
    ignore = max(there.sysctl("ipv4/conf/all/arp_ignore") or 0, there.conf(leg.family, inlet, "arp_ignore") or 0)
    if ignore != DEAF:
        return None
    settings = ("net.ipv4.conf.all.arp_ignore=0", word(f"net.ipv4.conf.{dotted(inlet)}.arp_ignore=0"))
    return Fault(f"{there.named(inlet)} answers no ARP request (arp_ignore is 8)", there.where.sysctl(*settings))


def ipv6_on(leg: Leg) -> Fault | None:
    for facts, link in ((leg.here, leg.out), (leg.there, leg.inlet)):
        if facts is not None and link is not None and facts.conf(leg.family, link, "disable_ipv6"):
            return Fault(f"IPv6 is switched off on {facts.named(link)}", unreachable.ipv6_on(facts, link))
    return None


def reverse_path(leg: Leg) -> Fault | None:
    """rp_filter: what came in by this port would be answered by it (1), or at all (2)."""
    there, inlet, source = leg.there, leg.inlet, leg.source
    if there is None or inlet is None or source is None:
        return None
    mode = max(there.sysctl("ipv4/conf/all/rp_filter") or 0, there.conf(leg.family, inlet, "rp_filter") or 0)
    if mode == 0:
        return None
    back = there.route(source)
    way = getattr(back, "index", None)
    if way == inlet.index or (mode == 2 and way is not None) or _multipath(back, inlet.index):
        return None
    name = there.links[way].name if way in there.links else None
    leads = f"the way back to {source} leads by {printable(name)}" if name else f"it knows no way back to {source}"
    sentence = f"{there.where} drops what comes from {source} by {printable(inlet.name)}: rp_filter is {mode}, and {leads}"
    conf = f"net.ipv4.conf.{dotted(inlet)}"
    if mode == 2 or way is None:
        return Fault(sentence, there.where.sysctl("net.ipv4.conf.all.rp_filter=0", word(f"{conf}.rp_filter=0")))
    return Fault(sentence, there.where.sysctl(word(f"{conf}.rp_filter=2")))


def _multipath(answer: object, index: int) -> bool:
    body = getattr(answer, "body", {})
    return any(hop.get("rtnh_ifindex") == index for hop in body.get("RTA_MULTIPATH", ()))


def not_a_twin(leg: Leg) -> Fault | None:
    """The receiver does not take the sender for itself: an own address as source is a martian."""
    there, source = leg.there, leg.source
    if there is None or source is None or there is leg.here:
        return None
    held = there.holder(source)
    if held is None:
        return None
    sentence = f"{there.named(held[0])} has {source} too, the address that the packet comes from, and drops it as its own"
    return Fault(sentence, _readdressed(leg, there, held))


def filtered_in(leg: Leg) -> Fault | None:
    """nf_tables lets it in: for who has the address, the input hook as well."""
    return None if leg.source is None else netfilter_checks.into(leg)


def forwards(leg: Leg) -> Fault | None:
    """Who is not meant hands it on."""
    there, inlet = leg.there, leg.inlet
    if there is None or inlet is None or there.holder(leg.target) is not None:
        return None
    where = there.where
    if leg.family == uapi.AF_INET6:
        if there.sysctl("ipv6/conf/all/forwarding") or there.conf(leg.family, inlet, "force_forwarding"):
            return None
        setting = "net.ipv6.conf.all.forwarding=1"
    elif there.conf(leg.family, inlet, "forwarding"):
        return None
    else:
        name = dotted(inlet)
        setting = f"net.ipv4.conf.{name}.forwarding=1" if there.sysctl("ipv4/ip_forward") else "net.ipv4.ip_forward=1"
    sentence = f"{where} is the way to {leg.target}, but does not forward {spoken(leg.family)}"
    return Fault(f"{sentence} that comes in by {printable(inlet.name)}", where.sysctl(word(setting)))


def echoes(leg: Leg) -> Fault | None:
    """Who has the address answers a ping."""
    there = leg.there
    if leg.reply or there is None or there.holder(leg.target) is None:
        return None
    name = "ipv6/icmp/echo_ignore_all" if leg.family == uapi.AF_INET6 else "ipv4/icmp_echo_ignore_all"
    if not there.sysctl(name):
        return None
    sentence = f"{there.where} gets the packet, but answers no ping: {name.rpartition('/')[2]} is set"
    return Fault(sentence, there.where.sysctl(f"net.{name.replace('/', '.')}=0"))


# -- the tables ---------------------------------------------------------------------------------------------------------

DEPARTURE: list[Row] = [
    ("lo up", loopback_up, 0),
    ("port up", port_up, 0),
    ("route", route_known, 0),
    ("not to itself", not_to_itself, 0),
]
EXIT: list[Row] = [
    ("port up", out_up, 0),
    ("carrier", carrier, 0),
    ("leads somewhere", leads_somewhere, 0),
    ("IPv6 on", ipv6_on, uapi.AF_INET6),
    ("address past detection", source_usable, uapi.AF_INET6),
    ("filter", filtered_out, 0),
]
NEXT_HOP: list[Row] = [
    ("macvlan mode", macvlan_mode, 0),
    ("next hop is there", somebody_there, 0),
    ("ARP on", resolves, 0),
    ("discovery let through", netfilter_checks.discovery, uapi.AF_INET6),
    ("link-layer addresses", hardware_addresses, 0),
    ("neighbour", neighbour, 0),
]
ARRIVAL: list[Row] = [
    ("IPv6 on", ipv6_on, uapi.AF_INET6),
    ("address past detection", arrival_usable, uapi.AF_INET6),
    ("ARP answered", answers_arp, uapi.AF_INET),
    ("address local", taken_for_own, 0),
    ("no twin", not_a_twin, uapi.AF_INET),
    ("rp_filter", reverse_path, uapi.AF_INET),
    ("filter", filtered_in, 0),
    ("forwarding", forwards, 0),
    ("echo", echoes, 0),
]
