"""Checks of the namespace in which a packet arrives: address, rp_filter, forwarding, time to live, echo."""

from __future__ import annotations

from errno import ENETUNREACH

from .. import uapi
from ..terminal import printable
from . import remedy
from .commands import word
from .hop import Hop, NetworkFault
from .namespace_view import RouteRefused
from .prefixes import family_name, link_local, loopback
from .route_checks import ipv6_usable, misrouted, readdressed, replaced, route_known
from .topology import distances, routers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..objects.address import Address
    from ..objects.link import Link
    from .namespace_view import NamespaceView

UNUSABLE = uapi.IFA_F_TENTATIVE | uapi.IFA_F_DADFAILED
RP_LOOSE = 2


def ipv6_on_egress(hop: Hop, egress: Link) -> NetworkFault | None:
    """Check that IPv6 works on the link that sends."""
    return ipv6_usable(hop.here, egress)


def ipv6_on_ingress(hop: Hop, there: NamespaceView, ingress: Link) -> NetworkFault | None:
    """Check that IPv6 works on the link that receives."""
    return ipv6_usable(there, ingress)


def source_usable(hop: Hop, egress: Link) -> NetworkFault | None:
    """Check that the link by which the packet leaves has a usable source address."""
    if hop.iif is not None:
        return None
    mine = [one for one in hop.here.addresses_of(egress, hop.family) if not link_local(one.address)]
    if any(not one.flags & UNUSABLE for one in mine):
        return None
    poor = not hop.source or link_local(hop.source) or loopback(hop.source)
    if not poor and hop.source not in [one.address for one in mine]:
        return None  # another link has a better one
    return _undetected(hop, hop.here, egress, mine)


def arrival_usable(hop: Hop, there: NamespaceView, ingress: Link) -> NetworkFault | None:
    """Check that the address of the next hop has passed duplicate address detection."""
    mine = [one for one in there.addresses_of(ingress, hop.family) if one.address == hop.next_hop]
    return _undetected(hop, there, ingress, mine)


def _undetected(hop: Hop, view: NamespaceView, link: Link, addresses: list[Address]) -> NetworkFault | None:
    """Return the fault of the first IPv6 address that has not passed duplicate address detection."""
    for one in addresses:
        if one.flags & uapi.IFA_F_DADFAILED:
            twin = next((other for other in hop.views() if other is not view and other.holder(one.address)), None)
            held = None if twin is None else twin.holder(one.address)
            whose = "" if twin is None or held is None else f": {twin.named(held[0])} has it"
            sentence = f"{one.address} on {view.named(link)} failed duplicate address detection{whose}"
            return NetworkFault(sentence, readdressed(hop, view, (link, one)))
        if one.tentative:
            sentence = f"{one.address} on {view.named(link)} is still in duplicate address detection"
            change = remedy.delete_address(view, link, one) + remedy.readd_address(view, link.name, str(one))
            return NetworkFault(sentence, change, transient=True)
    return None


def address_is_local(hop: Hop, there: NamespaceView, ingress: Link) -> NetworkFault | None:
    """Check that the holder of the target accepts the packet: a policy rule leads to the local table, which has the address."""
    held = there.holder(hop.target)
    if held is None or _is_local(there, hop, iif=0, source=None):
        return None
    if not any(one.family == hop.family and one.table == uapi.RT_TABLE_LOCAL for one in there.rules()):
        sentence = f"{there.name} has no policy rule that leads to its table local, and so takes {hop.target} for another host's"
        return NetworkFault(sentence, remedy.change_rule(there, hop.family, "add", "pref 0 lookup local"))
    words = f"local {hop.target} dev {word(held[0].name)} table local"
    sentence = f"{hop.target} is on {there.named(held[0])}, but the local table of {there.name} does not have it"
    return NetworkFault(sentence, remedy.change_route(there, hop.family, "add", words), transient=True)


def _is_local(there: NamespaceView, hop: Hop, **changes: object) -> bool:
    """Return whether a namespace keeps the packet: its route is of type local."""
    return getattr(there.route(hop.query.replace(oif=0, **changes)), "type", None) == uapi.RTN_LOCAL


def reverse_path(hop: Hop, there: NamespaceView, ingress: Link) -> NetworkFault | None:
    """Check rp_filter: with 1 the route back must use the link by which the packet came in, with 2 any route back will do."""
    source, mode = hop.source, there.max_conf(ingress, "rp_filter")
    if source is None or mode == 0:
        return None
    back = there.route(hop.query.replace(target=source, source=None, iif=0, oif=0, dport=0, sport=0, protocol=0, mark=0))
    if isinstance(back, RouteRefused) or back.index is None:
        return _no_way_back(hop, there, ingress, mode)
    ways = [back.index, *(one.get("rtnh_ifindex") for one in back.body.get("RTA_MULTIPATH", ()))]
    if ingress.index in ways or mode == RP_LOOSE:
        return None
    name = there.links[back.index].name if back.index in there.links else None
    leads = f"the route back to {source} leads by {printable(name)}" if name else f"it has no route back to {source}"
    sentence = f"{there.name} drops packets from {source} that come in by {printable(ingress.name)}"
    values = {f"ipv4/conf/{ingress.name}/rp_filter": RP_LOOSE}
    return NetworkFault(f"{sentence}: rp_filter is {mode}, and {leads}", remedy.set_sysctls(there, values))


def _no_way_back(hop: Hop, there: NamespaceView, ingress: Link, mode: int) -> NetworkFault:
    """Return the fault of a receiver that has no route to the source, which rp_filter demands."""
    back = Hop(there, str(hop.source), None, ingress, None, hop.others, True)
    back.answer = RouteRefused(ENETUNREACH)
    cause = route_known(back)
    sentence = f"{there.name} drops packets from {hop.source}: rp_filter is {mode}, and it has no route back"
    return NetworkFault(sentence) if cause is None else NetworkFault(f"{sentence}; {cause.sentence}", cause.remedy)


def source_is_foreign(hop: Hop, there: NamespaceView, ingress: Link) -> NetworkFault | None:
    """Check that the receiver does not have the source address itself: it would drop the packet as a martian."""
    source = hop.source
    held = None if source is None or there is hop.here else there.holder(source)
    if not hop.reply and there in hop.tracked:  # it has translated the source itself; the packet goes round in circles
        return None
    if held is None or there.conf(hop.family, ingress, "accept_local"):
        return None
    sentence = f"{there.named(held[0])} has {source} too, the source address of the packet, and therefore drops the packet"
    return NetworkFault(sentence, readdressed(hop, there, held))


def forwards(hop: Hop, there: NamespaceView, ingress: Link) -> NetworkFault | None:
    """Check that a namespace that does not have the destination address forwards the packet."""
    if there.holder(hop.target) is not None or _is_local(there, hop, iif=ingress.index):
        return None
    if hop.family == uapi.AF_INET6:
        if there.sysctl("ipv6/conf/all/forwarding") or there.conf(hop.family, ingress, "force_forwarding"):
            return None
        values = {"ipv6/conf/all/forwarding": 1}
    elif there.conf(hop.family, ingress, "forwarding"):
        return None
    else:
        values = {f"ipv4/conf/{ingress.name}/forwarding": 1} if there.sysctl("ipv4/ip_forward") else {"ipv4/ip_forward": 1}
    packets = f"{family_name(hop.family)} packets that come in by {printable(ingress.name)}"
    sentence = f"{there.name} is on the way to {hop.target}, but does not forward {packets}"
    return _detour(hop, there, sentence) or NetworkFault(sentence, remedy.set_sysctls(there, values))


def _detour(hop: Hop, there: NamespaceView, sentence: str) -> NetworkFault | None:
    """Return the fault of a route that leads to a receiver no nearer to the destination, if a better way is known."""
    far = distances(hop)
    if id(hop.here) not in far or id(there) not in far or far[id(there)] < far[id(hop.here)] or hop.egress is None:
        return None
    wrong = misrouted(hop)
    if wrong is not None:
        return NetworkFault(f"{sentence}; wrong is {wrong[0]}, which does not lead there", wrong[1])
    for link, router in routers(hop, hop.egress):
        if router != hop.next_hop:
            return NetworkFault(f"{sentence}; {router} is nearer to {hop.target}", replaced(hop, router, link))
    return None


def ttl_sufficient(hop: Hop, there: NamespaceView, ingress: Link) -> NetworkFault | None:
    """Check that the sender's default time to live lets packets pass routers."""
    if hop.iif is not None or there.holder(hop.target) is not None or hop.egress is None:
        return None
    here = hop.here
    name = "ipv4/ip_default_ttl" if hop.family == uapi.AF_INET else f"ipv6/conf/{hop.egress.name}/hop_limit"
    value = here.sysctl(name)
    if value is None or value > 1:
        return None
    sentence = f"packets of {here.name} start with a time to live of {value} ({name.rpartition('/')[2]})"
    return NetworkFault(f"{sentence}, and no router forwards them", remedy.set_sysctls(here, {name: 64}))


def answers_echo(hop: Hop, there: NamespaceView, ingress: Link) -> NetworkFault | None:
    """Check that the destination answers echo requests."""
    name = "ipv6/icmp/echo_ignore_all" if hop.family == uapi.AF_INET6 else "ipv4/icmp_echo_ignore_all"
    if hop.reply or hop.flow.protocol != "icmp" or there.holder(hop.target) is None or not there.sysctl(name):
        return None
    sentence = f"{there.name} receives the packet, but answers no echo requests: {name.rpartition('/')[2]} is 1"
    return NetworkFault(sentence, remedy.set_sysctls(there, {name: 0}))
