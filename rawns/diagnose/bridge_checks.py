"""Checks of bridges and their ports: state, flags, VLANs, forwarding database, loops."""

from __future__ import annotations

from collections import deque

from .. import uapi
from ..terminal import printable
from . import remedy
from .commands import word
from .hop import NetworkFault
from .link_checks import without_carrier
from .remedy import Remedy
from .segment import port_state, pvid, retagged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..objects.link import Link
    from .hop import Hop
    from .namespace_view import NamespaceView
    from .segment import Segment

STATES = {uapi.BR_STATE_LISTENING: "listening", uapi.BR_STATE_LEARNING: "learning", uapi.BR_STATE_BLOCKING: "blocking"}
MAX_UNREAD = 64  # namespaces that are read only to look for a loop
MAX_BRIDGES = 1024  # of one broadcast domain that are searched for a loop


def bridge_up(hop: Hop, segment: Segment, bridge: Link) -> NetworkFault | None:
    """Check that the bridge is up."""
    if bridge.up:
        return None
    return NetworkFault(f"the bridge {segment.here.named(bridge)} is down", remedy.set_up(segment.here, bridge))


def ports_up(hop: Hop, segment: Segment, bridge: Link) -> NetworkFault | None:
    """Check that the ports that the frame passes are up and have carrier."""
    for port in segment.ports:
        if not port.up:
            return NetworkFault(f"the bridge port {segment.here.named(port)} is down", remedy.set_up(segment.here, port))
        if not port.carrier:
            return without_carrier(segment.here, port)
    return None


def ports_forward(hop: Hop, segment: Segment, bridge: Link) -> NetworkFault | None:
    """Check that the ports are in the state forwarding: neither switched off nor kept back by the spanning tree protocol."""
    here = segment.here
    port = next((port for port in segment.ports if port_state(port) != uapi.BR_STATE_FORWARDING), None)
    if port is None:
        return None
    state, stp = port_state(port), bridge.data.get("IFLA_BR_STP_STATE")
    sentence = f"the bridge port {here.named(port)} is {STATES.get(state, 'disabled')}, not forwarding"
    change = Remedy()
    if stp:
        sentence += f": {printable(bridge.name)} runs the spanning tree protocol"
        change += remedy.set_link(here, bridge, "type bridge stp_state 0")
    if stp or state in (uapi.BR_STATE_LISTENING, uapi.BR_STATE_LEARNING):
        change += remedy.set_link(here, bridge, "type bridge forward_delay 0")
    change += remedy.restart(here, port)  # a port that comes up begins anew
    return NetworkFault(sentence, change, transient=state == uapi.BR_STATE_DISABLED)  # its carrier may just have come


def isolated(hop: Hop, segment: Segment, bridge: Link) -> NetworkFault | None:
    """Check that not both ports are isolated: isolated ports exchange no frames."""
    if len(segment.ports) < 2 or not all(port.port.get("IFLA_BRPORT_ISOLATED") for port in segment.ports):
        return None
    one, other = (printable(port.name) for port in segment.ports)
    sentence = f"{one} and {other}, ports of one bridge in {segment.here.name}, are both isolated, and exchange no frames"
    return NetworkFault(sentence, remedy.set_port(segment.here, segment.other, "isolated off"))


def _entries(segment: Segment, bridge: Link, lladdr: str | None) -> list[tuple[int, bool]]:
    """Return the entries for an address in the forwarding database of a bridge: port index, and whether it stays at that port.

    An entry of the bridge itself (permanent) and a sticky one stay; a static one moves to the port by which the address is
    seen, if that port learns.
    """
    ports = {port.index for port in segment.here.ports(bridge)} | {bridge.index}
    learning = segment.other.port.get("IFLA_BRPORT_LEARNING") != 0
    found = []
    for one in segment.here.fdb():
        if one.lladdr == lladdr and one.index in ports:
            fixed = one.state & uapi.NUD_PERMANENT or one.flags & uapi.NTF_STICKY or (one.state & uapi.NUD_NOARP and not learning)
            found.append((one.index, bool(fixed)))
    return found


def locked(hop: Hop, segment: Segment, bridge: Link) -> NetworkFault | None:
    """Check that the port by which the frame comes in is not locked, unless its source address is in the forwarding database."""
    port, sender = segment.one, hop.egress.address if hop.egress is not None else None
    if port is bridge or not port.port.get("IFLA_BRPORT_LOCKED"):
        return None
    if any(index == port.index for index, _ in _entries(segment, bridge, sender)):
        return None
    sentence = f"the bridge port {segment.here.named(port)} is locked, and its forwarding database has no entry for {sender}"
    return NetworkFault(sentence, remedy.set_port(segment.here, port, "locked off"))


def floods(hop: Hop, segment: Segment, bridge: Link) -> NetworkFault | None:
    """Check that the port by which the frame leaves passes what it has to: ARP requests, solicitations, unknown destinations."""
    here, port = segment.here, segment.other
    if port is bridge:
        return None
    off = {
        flag for flag in ("BCAST_FLOOD", "MCAST_FLOOD", "UNICAST_FLOOD", "LEARNING") if port.port.get(f"IFLA_BRPORT_{flag}") == 0
    }
    sentence = f"the bridge port {here.named(port)}"
    if hop.family == uapi.AF_INET and "BCAST_FLOOD" in off and not hop.resolved():
        sentence += f" sends no broadcasts (bcast_flood is off), and so no ARP requests for {hop.next_hop}"
        return NetworkFault(sentence, remedy.set_port(here, port, "bcast_flood on"))
    queried = bridge.data.get("IFLA_BR_MCAST_SNOOPING") and bridge.data.get("IFLA_BR_MCAST_QUERIER")
    if hop.family == uapi.AF_INET6 and "MCAST_FLOOD" in off and not queried and not hop.resolved():
        sentence += f" sends no multicasts (mcast_flood is off), and so no neighbour solicitations for {hop.next_hop}"
        return NetworkFault(sentence, remedy.set_port(here, port, "mcast_flood on"))
    lladdr = hop.ingress.address if hop.ingress is not None else None
    known = any(index == port.index for index, _ in _entries(segment, bridge, lladdr))
    if {"UNICAST_FLOOD", "LEARNING"} <= off and not known:
        sentence += " neither learns addresses nor floods (learning and flood are off), and the forwarding database has no"
        return NetworkFault(f"{sentence} entry for {lladdr}", remedy.set_port(here, port, "flood on learning on"))
    return None


def forwarding_entry(hop: Hop, segment: Segment, bridge: Link) -> NetworkFault | None:
    """Check that no static entry of the forwarding database sends frames for the next hop to another port."""
    if hop.ingress is None or segment.other is bridge:
        return None
    here, lladdr = segment.here, hop.ingress.address
    for index, fixed in _entries(segment, bridge, lladdr):
        port = here.links.get(index)
        if port is None or index == segment.other.index or not fixed or port.address == lladdr:
            continue  # the port's own address is the subject of another check
        sentence = f"the forwarding database of {here.named(bridge)} has a static entry that {lladdr} ({hop.next_hop}) is at"
        sentence += f" {printable(port.name)}, but it is at {printable(segment.other.name)}"
        return NetworkFault(sentence, remedy.bridge(here, f"fdb del {lladdr} dev {word(port.name)} master"))
    return None


def same_vlan(hop: Hop, segment: Segment, bridge: Link) -> NetworkFault | None:
    """Check that a bridge that filters VLANs carries the frame's VLAN at both ports."""
    here, one, other = segment.here, segment.one, segment.other
    if retagged(here, bridge, one, other, segment.tag) is not None:
        return None
    vlan, back = segment.tag or pvid(here, one), pvid(here, other)
    if not vlan or vlan not in here.vlans(one.index):
        what = f"frames of VLAN {vlan}" if vlan else "untagged frames"
        sentence = f"{here.named(one)} accepts no {what} into the bridge {printable(bridge.name)}"
        port, vlan = one, vlan or back or 1
    else:
        whose = f", which is in VLAN {back}," if back else ""
        sentence = f"{here.named(one)} puts frames into VLAN {vlan}, which {printable(other.name)}{whose} does not carry"
        port = other
    flags = ("" if segment.tag else " pvid untagged") + (" self" if port is bridge else "")
    return NetworkFault(sentence, remedy.bridge(here, f"vlan add dev {word(port.name)} vid {vlan}{flags}"))


def without_loop(hop: Hop, segment: Segment, bridge: Link) -> NetworkFault | None:
    """Check that the bridges of the segment form no loop of forwarding ports, in which broadcasts would circulate for ever."""
    seen = {(id(segment.here), bridge.index)}
    used: set[frozenset[tuple[int, int]]] = set()
    todo: deque[tuple[NamespaceView, Link]] = deque([(segment.here, bridge)])
    unread = MAX_UNREAD
    while todo and len(seen) < MAX_BRIDGES:
        view, one = todo.popleft()
        for port in view.ports(one) if one.up else ():
            end = view.far_end(port) if port.kind == "veth" and _forwards(port) else None
            if end is not None and not end[0].loaded:
                unread -= 1
                if unread < 0:
                    continue
            far_end = None if end is None else view.far_link(port)
            if far_end is None or not _forwards(far_end[1]):
                continue
            there, far = far_end
            other = there.bridge_of(far)
            cable = frozenset([(id(view), port.index), (id(there), far.index)])
            if other is None or not other.up or cable in used:
                continue
            used.add(cable)
            if (id(there), other.index) in seen:
                sentence = f"the cable from {view.named(port)} to {there.named(far)} closes a loop of bridges"
                sentence += f" ({printable(one.name)} and {printable(other.name)}) in which no port is blocked"
                return NetworkFault(sentence, remedy.set_link(view, port, "down"), conclusive=True)
            seen.add((id(there), other.index))
            todo.append((there, other))
    return None


def _forwards(port: Link) -> bool:
    return port.up and port.carrier and port_state(port) == uapi.BR_STATE_FORWARDING
