"""Checks of the namespace in which a packet arrives: address, rp_filter, forwarding, time to live, echo."""

from __future__ import annotations

from errno import ENETUNREACH

from .. import uapi
from ..terminal import printable
from . import remedy
from .commands import word
from .hop import Hop, NetworkFault
from .namespace_view import RouteRefused
from .prefixes import family_name, family_of
from .remedy import Remedy
from .route_checks import ipv6_usable, readdressed, route_known

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..objects.address import Address
    from ..objects.link import Link
    from .flow import RouteQuery
    from .namespace_view import NamespaceView

UNUSABLE = uapi.IFA_F_TENTATIVE | uapi.IFA_F_DADFAILED
RP_LOOSE = 2


def ipv6_on(hop: Hop) -> NetworkFault | None:
    """Check that IPv6 works on the link that sends and on the link that receives."""
    for view, link in ((hop.here, hop.out), (hop.there, hop.inlet)):
        fault = ipv6_usable(view, link) if view is not None and link is not None else None
        if fault is not None:
            return fault
    return None


def undetected(hop: Hop, view: NamespaceView, link: Link, addresses: list[Address]) -> NetworkFault | None:
    """Check that IPv6 addresses have passed duplicate address detection."""
    for one in addresses:
        again = remedy.delete_address(view, link, one)
        if one.flags & uapi.IFA_F_DADFAILED:
            others = (hop.here, hop.aim, *hop.others)
            twin = next(
                (
                    place
                    for place in others
                    if place is not None and place is not view and place.loaded and place.holder(one.address)
                ),
                None,
            )
            whose = "" if twin is None else f": {twin.named((twin.holder(one.address) or (link, one))[0])} has it"
            sentence = f"{one.address} on {view.named(link)} failed duplicate address detection{whose}"
            return NetworkFault(sentence, readdressed(hop, view, (link, one)))
        if one.flags & uapi.IFA_F_TENTATIVE:
            sentence = f"{one.address} on {view.named(link)} is still in duplicate address detection"
            add = remedy.Action(view.name.ip(f"addr add {one} dev {word(link.name)} nodad"))
            return NetworkFault(sentence, again + Remedy(add), transient=True)
    return None


def source_usable(hop: Hop) -> NetworkFault | None:
    """Check that the link by which the packet leaves has a usable source address."""
    from .prefixes import link_local, loopback

    if hop.out is None or hop.iif is not None:
        return None
    mine = [one for one in hop.here.addresses_of(hop.out, hop.family) if not link_local(one.address)]
    if any(not one.flags & UNUSABLE for one in mine):
        return None
    poor = not hop.source or link_local(hop.source) or loopback(hop.source)
    if not poor and hop.source not in [one.address for one in mine]:
        return None  # another link has a better one
    return undetected(hop, hop.here, hop.out, mine)


def arrival_usable(hop: Hop) -> NetworkFault | None:
    """Check that the address of the next hop has passed duplicate address detection."""
    if hop.there is None or hop.inlet is None:
        return None
    mine = [one for one in hop.there.addresses_of(hop.inlet, hop.family) if one.address == hop.next_hop]
    return undetected(hop, hop.there, hop.inlet, mine)


def _arrived(hop: Hop) -> RouteQuery:
    """Return the look-up that the receiver makes for the packet."""
    return hop.query.replace(iif=hop.inlet.index if hop.inlet is not None else 0, oif=0)


def address_is_local(hop: Hop) -> NetworkFault | None:
    """Check that the holder of the target accepts the packet: a policy rule leads to the local table, which has the address."""
    there, held = hop.there, hop.there and hop.there.holder(hop.target)
    if there is None or not held or hop.inlet is None:
        return None
    answer = there.route(hop.query.replace(iif=0, oif=0, source=None))
    if getattr(answer, "type", None) == uapi.RTN_LOCAL:
        return None
    if not any(one.family == hop.family and one.table == uapi.RT_TABLE_LOCAL for one in there.rules()):
        sentence = f"{there.name} has no policy rule that leads to its table local, and so takes {hop.target} for another host's"
        return NetworkFault(sentence, remedy.change_rule(there, hop.family, "add", "pref 0 lookup local"))
    words = f"local {hop.target} dev {word(held[0].name)} table local"
    sentence = f"{hop.target} is on {there.named(held[0])}, but the local table of {there.name} does not have it"
    return NetworkFault(sentence, remedy.change_route(there, hop.family, "add", words), transient=True)


def reverse_path(hop: Hop) -> NetworkFault | None:
    """Check rp_filter: with 1 the route back must use the link by which the packet came in, with 2 any route back will do."""
    there, inlet, source = hop.there, hop.inlet, hop.source
    if there is None or inlet is None or source is None:
        return None
    mode = max(there.sysctl("ipv4/conf/all/rp_filter") or 0, there.conf(hop.family, inlet, "rp_filter") or 0)
    if mode == 0:
        return None
    back = there.route(hop.query.replace(target=source, source=None, iif=0, oif=0, dport=0, sport=0, protocol=0, mark=0))
    way = getattr(back, "index", None)
    if way == inlet.index or (mode == RP_LOOSE and way is not None) or _multipath(back, inlet.index):
        return None
    if way is None:
        return _no_way_back(hop, there, mode)
    name = there.links[way].name if way in there.links else None
    leads = f"the route back to {source} leads by {printable(name)}" if name else f"it has no route back to {source}"
    sentence = (
        f"{there.name} drops packets from {source} that come in by {printable(inlet.name)}: rp_filter is {mode}, and {leads}"
    )
    own = f"ipv4/conf/{inlet.name}/rp_filter"
    values = {"ipv4/conf/all/rp_filter": 0, own: 0} if mode == RP_LOOSE or way is None else {own: RP_LOOSE}
    return NetworkFault(sentence, remedy.set_sysctls(there, values))


def _no_way_back(hop: Hop, there: NamespaceView, mode: int) -> NetworkFault:
    """The receiver has no route to the source, which rp_filter demands."""
    back = Hop(there, str(hop.source), None, hop.inlet, None, hop.others, True)
    back.answer = RouteRefused(ENETUNREACH)
    cause = route_known(back)
    sentence = f"{there.name} drops packets from {hop.source}: rp_filter is {mode}, and it has no route back"
    return NetworkFault(
        f"{sentence}; {cause.sentence}" if cause is not None else sentence, cause.remedy if cause is not None else None
    )


def _multipath(answer: object, index: int) -> bool:
    body = getattr(answer, "body", {})
    return any(hop.get("rtnh_ifindex") == index for hop in body.get("RTA_MULTIPATH", ()))


def source_is_foreign(hop: Hop) -> NetworkFault | None:
    """Check that the receiver does not have the source address itself: it would drop the packet as a martian."""
    there, source, inlet = hop.there, hop.source, hop.inlet
    if there is None or source is None or there is hop.here or inlet is None or there.conf(hop.family, inlet, "accept_local"):
        return None
    held = there.holder(source)
    if held is None:
        return None
    sentence = f"{there.named(held[0])} has {source} too, the source address of the packet, and therefore drops the packet"
    return NetworkFault(sentence, readdressed(hop, there, held))


def forwards(hop: Hop) -> NetworkFault | None:
    """Check that a namespace that does not have the destination address forwards the packet."""
    there, inlet = hop.there, hop.inlet
    if there is None or inlet is None or there.holder(hop.target) is not None:
        return None
    answer = there.route(_arrived(hop))
    if getattr(answer, "type", None) == uapi.RTN_LOCAL:
        return None
    name = printable(inlet.name)
    if hop.family == uapi.AF_INET6:
        if there.sysctl("ipv6/conf/all/forwarding") or there.conf(hop.family, inlet, "force_forwarding"):
            return None
        values = {"ipv6/conf/all/forwarding": 1}
    elif there.conf(hop.family, inlet, "forwarding"):
        return None
    else:
        values = {f"ipv4/conf/{inlet.name}/forwarding": 1} if there.sysctl("ipv4/ip_forward") else {"ipv4/ip_forward": 1}
    packets = f"{family_name(hop.family)} packets that come in by {name}"
    sentence = f"{there.name} is on the way to {hop.target}, but does not forward {packets}"
    return NetworkFault(sentence, remedy.set_sysctls(there, values))


def lifetime_sufficient(hop: Hop) -> NetworkFault | None:
    """Check that the sender's default time to live lets packets pass routers."""
    if hop.iif is not None or hop.there is None or hop.there.holder(hop.target) is not None or hop.out is None:
        return None
    here = hop.here
    name = "ipv4/ip_default_ttl" if hop.family == uapi.AF_INET else f"ipv6/conf/{hop.out.name}/hop_limit"
    value = here.sysctl(name)
    if value is None or value > 1:
        return None
    sentence = (
        f"packets of {here.name} start with a time to live of {value} ({name.rpartition('/')[2]}), and no router forwards them"
    )
    return NetworkFault(sentence, remedy.set_sysctls(here, {name: 64}))


def answers_echo(hop: Hop) -> NetworkFault | None:
    """Check that the destination answers echo requests."""
    there = hop.there
    if hop.reply or hop.flow.protocol != "icmp" or there is None or there.holder(hop.target) is None:
        return None
    name = "ipv6/icmp/echo_ignore_all" if family_of(hop.target) == uapi.AF_INET6 else "ipv4/icmp_echo_ignore_all"
    if not there.sysctl(name):
        return None
    sentence = f"{there.name} receives the packet, but answers no echo requests: {name.rpartition('/')[2]} is 1"
    return NetworkFault(sentence, remedy.set_sysctls(there, {name: 0}))
