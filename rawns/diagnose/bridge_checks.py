"""Checks of bridges and their ports: state, flags, VLANs, forwarding database, loops."""

from __future__ import annotations

from collections import deque

from .. import uapi
from ..terminal import printable
from . import remedy
from .commands import word
from .hop import NetworkFault
from .link_checks import running, without_carrier
from .namespace_view import data, port_data
from .remedy import Action, Remedy
from .segment import BRIDGE, pvid, retagged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..objects.link import Link
    from .hop import Hop
    from .namespace_view import NamespaceView
    from .segment import Segment

    BridgeId = tuple[int, int]  # id of the view, index of the bridge

STATES = {uapi.BR_STATE_LISTENING: "listening", uapi.BR_STATE_LEARNING: "learning", uapi.BR_STATE_BLOCKING: "blocking"}
MAX_UNREAD = 64  # namespaces that are read only to look for a loop
MAX_BRIDGES = 1024  # of one broadcast domain that are searched for a loop


def _bridge(hop: Hop) -> tuple[Link | None, Segment | None]:
    segment = hop.segment
    return (segment.bridge, segment) if segment is not None and segment.kind == BRIDGE else (None, None)


def bridge_up(hop: Hop) -> NetworkFault | None:
    """Check that the bridge is up."""
    bridge, segment = _bridge(hop)
    if segment is None or bridge is None or bridge.up:
        return None
    return NetworkFault(f"the bridge {segment.here.named(bridge)} is down", remedy.set_up(segment.here, bridge))


def ports_up(hop: Hop) -> NetworkFault | None:
    """Check that the ports that the frame passes are up and have carrier."""
    _, segment = _bridge(hop)
    if segment is None:
        return None
    for port in segment.ports:
        if not port.up:
            return NetworkFault(f"the bridge port {segment.here.named(port)} is down", remedy.set_up(segment.here, port))
        if not port.carrier:
            return without_carrier(segment.here, port)
    return None


def port_state(hop: Hop) -> NetworkFault | None:
    """Check that the ports are in the state forwarding: neither switched off nor kept back by the spanning tree protocol."""
    bridge, segment = _bridge(hop)
    if segment is None or bridge is None:
        return None
    for port in segment.ports:
        state = port_data(port).get("IFLA_BRPORT_STATE", uapi.BR_STATE_FORWARDING)
        if state == uapi.BR_STATE_FORWARDING:
            continue
        here, stp = segment.here, data(bridge).get("IFLA_BR_STP_STATE")
        sentence = f"the bridge port {here.named(port)} is {STATES.get(state, 'disabled')}, not forwarding"
        change = Remedy()
        if stp:
            sentence += f": {printable(bridge.name)} runs the spanning tree protocol"
            change += remedy.set_link(here, bridge, "type bridge stp_state 0")
        if stp or state in (uapi.BR_STATE_LISTENING, uapi.BR_STATE_LEARNING):
            change += remedy.set_link(here, bridge, "type bridge forward_delay 0")
        change += remedy.restart(here, port)  # a port that comes up begins anew
        return NetworkFault(sentence, change, transient=state == uapi.BR_STATE_DISABLED)  # its carrier may just have come
    return None


def isolated(hop: Hop) -> NetworkFault | None:
    """Check that not both ports are isolated: isolated ports exchange no frames."""
    _, segment = _bridge(hop)
    if segment is None or len(segment.ports) < 2:
        return None
    if not all(port_data(port).get("IFLA_BRPORT_ISOLATED") for port in segment.ports):
        return None
    one, other = (printable(port.name) for port in segment.ports)
    sentence = f"{one} and {other}, ports of one bridge in {segment.here.name}, are both isolated, and exchange no frames"
    return NetworkFault(sentence, remedy.set_port(segment.here, segment.other, "isolated off"))


def _sender(hop: Hop, segment: Segment) -> str | None:
    """Return the link-layer source address of the frame."""
    return hop.out.address if hop.out is not None else None


def _entries(segment: Segment, bridge: Link, lladdr: str | None) -> list[tuple[int, bool]]:
    """Return the entries for an address in the forwarding database of a bridge: port index, and whether it stays at that port.

    An entry of the bridge itself (permanent) and a sticky one stay; a static one moves to the port by which the address is
    seen, if that port learns.
    """
    ports = {port.index for port in segment.here.ports(bridge)} | {bridge.index}
    learning = port_data(segment.other).get("IFLA_BRPORT_LEARNING") != 0
    found = []
    for one in segment.here.fdb():
        if one.lladdr == lladdr and one.index in ports:
            fixed = one.state & uapi.NUD_PERMANENT or one.flags & uapi.NTF_STICKY or (one.state & uapi.NUD_NOARP and not learning)
            found.append((one.index, bool(fixed)))
    return found


def locked(hop: Hop) -> NetworkFault | None:
    """Check that the port by which the frame comes in is not locked, unless its source address is in the forwarding database."""
    bridge, segment = _bridge(hop)
    if segment is None or bridge is None or segment.one is bridge or not port_data(segment.one).get("IFLA_BRPORT_LOCKED"):
        return None
    sender = _sender(hop, segment)
    if any(index == segment.one.index for index, _ in _entries(segment, bridge, sender)):
        return None
    sentence = (
        f"the bridge port {segment.here.named(segment.one)} is locked, and its forwarding database has no entry for {sender}"
    )
    return NetworkFault(sentence, remedy.set_port(segment.here, segment.one, "locked off"))


def floods(hop: Hop) -> NetworkFault | None:
    """Check that the port by which the frame leaves passes what it has to: ARP requests, solicitations, unknown destinations."""
    bridge, segment = _bridge(hop)
    if segment is None or bridge is None or segment.other is bridge:
        return None
    here, port, flags = segment.here, segment.other, port_data(segment.other)
    named = f"the bridge port {here.named(port)}"
    lladdr = hop.inlet.address if hop.inlet is not None else None
    known = any(index == port.index for index, _ in _entries(segment, bridge, lladdr))
    if hop.family == uapi.AF_INET and flags.get("IFLA_BRPORT_BCAST_FLOOD") == 0 and not _resolved(hop):
        sentence = f"{named} sends no broadcasts (bcast_flood is off), and so no ARP requests for {hop.next_hop}"
        return NetworkFault(sentence, remedy.set_port(here, port, "bcast_flood on"))
    queried = data(bridge).get("IFLA_BR_MCAST_SNOOPING") and data(bridge).get("IFLA_BR_MCAST_QUERIER")
    if hop.family == uapi.AF_INET6 and flags.get("IFLA_BRPORT_MCAST_FLOOD") == 0 and not queried and not _resolved(hop):
        sentence = f"{named} sends no multicasts (mcast_flood is off), and so no neighbour solicitations for {hop.next_hop}"
        return NetworkFault(sentence, remedy.set_port(here, port, "mcast_flood on"))
    if flags.get("IFLA_BRPORT_UNICAST_FLOOD") == 0 and flags.get("IFLA_BRPORT_LEARNING") == 0 and not known:
        sentence = f"{named} neither learns addresses nor floods (learning and flood are off), and the forwarding database has no"
        return NetworkFault(f"{sentence} entry for {lladdr}", remedy.set_port(here, port, "flood on learning on"))
    return None


def _resolved(hop: Hop) -> bool:
    """Return whether the sender has a permanent entry for the next hop."""
    entries = [one for one in hop.here.neighbours() if hop.out is not None and one.index == hop.out.index]
    return any(one.address == hop.next_hop and one.state & uapi.NUD_PERMANENT for one in entries)


def forwarding_entry(hop: Hop) -> NetworkFault | None:
    """Check that no static entry of the forwarding database sends frames for the next hop to another port."""
    bridge, segment = _bridge(hop)
    if segment is None or bridge is None or hop.inlet is None or segment.other is bridge:
        return None
    here, lladdr = segment.here, hop.inlet.address
    for index, fixed in _entries(segment, bridge, lladdr):
        port = here.links.get(index)
        if port is None or index == segment.other.index or not fixed:
            continue
        if port.address == lladdr:
            continue  # the port's own address: another check
        sentence = f"the forwarding database of {here.named(bridge)} has a static entry that {lladdr} ({hop.next_hop}) is at"
        sentence += f" {printable(port.name)}, but it is at {printable(segment.other.name)}"
        return NetworkFault(sentence, Remedy(Action(here.name.bridge(f"fdb del {lladdr} dev {word(port.name)} master"))))
    return None


def same_vlan(hop: Hop) -> NetworkFault | None:
    """Check that a bridge that filters VLANs carries the frame's VLAN at both ports."""
    bridge, segment = _bridge(hop)
    if segment is None or bridge is None or retagged(segment.here, bridge, segment.one, segment.other, segment.tag) is not None:
        return None
    here, one, other = segment.here, segment.one, segment.other
    vlan = segment.tag or pvid(here, one)
    if not vlan or vlan not in here.vlans(one.index):
        what = f"frames of VLAN {vlan}" if vlan else "untagged frames"
        sentence = f"{here.named(one)} accepts no {what} into the bridge {printable(bridge.name)}"
        return NetworkFault(sentence, _joined(here, bridge, one, vlan or pvid(here, other) or 1, tagged=bool(segment.tag)))
    back = pvid(here, other)
    whose = f", which is in VLAN {back}," if back else ""
    sentence = f"{here.named(one)} puts frames into VLAN {vlan}, which {printable(other.name)}{whose} does not carry"
    return NetworkFault(sentence, _joined(here, bridge, other, vlan, tagged=bool(segment.tag)))


def _joined(here: NamespaceView, bridge: Link, port: Link, vlan: int, tagged: bool) -> Remedy:
    words = "self" if port is bridge else ""
    flags = "" if tagged else "pvid untagged"
    return Remedy(Action(here.name.bridge(" ".join(f"vlan add dev {word(port.name)} vid {vlan} {flags} {words}".split()))))


def without_loop(hop: Hop) -> NetworkFault | None:
    """Check that the bridges of the segment form no loop of forwarding ports, in which broadcasts would circulate for ever."""
    bridge, segment = _bridge(hop)
    if segment is None or bridge is None:
        return None
    start = (id(segment.here), bridge.index)
    seen: set[BridgeId] = {start}
    used: set[frozenset[tuple[int, int]]] = set()
    todo: deque[tuple[NamespaceView, Link]] = deque([(segment.here, bridge)])
    unread = MAX_UNREAD
    while todo and len(seen) < MAX_BRIDGES:
        view, one = todo.popleft()
        for port in view.ports(one):
            end = view.far_end(port) if port.kind == "veth" and _forwards(port) else None
            if end is not None and not end[0].loaded:
                unread -= 1
                if unread < 0:
                    continue
            far = None if end is None or end[0].closed else end[0].links.get(end[1])
            if end is None or far is None or not _forwards(far) or far.master not in end[0].links:
                continue
            cable = frozenset([(id(view), port.index), (id(end[0]), far.index)])
            other = end[0].links[far.master]
            if cable in used or other.kind != "bridge" or not other.up or not one.up:
                continue
            used.add(cable)
            if (id(end[0]), other.index) in seen:
                sentence = f"the cable from {view.named(port)} to {end[0].named(far)} closes a loop of bridges"
                sentence += f" ({printable(one.name)} and {printable(other.name)}) in which no port is blocked"
                return NetworkFault(sentence, remedy.set_link(view, port, "down"), conclusive=True)
            seen.add((id(end[0]), other.index))
            todo.append((end[0], other))
    return None


def _forwards(port: Link) -> bool:
    state = port_data(port).get("IFLA_BRPORT_STATE", uapi.BR_STATE_FORWARDING)
    return running(port) and bool(state == uapi.BR_STATE_FORWARDING)
