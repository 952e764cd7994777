"""The checks of what lies between two stacks: cables, bridges and their ports, stacked devices.

Floor 6, pure, and of the same kind as those in `checks`.
"""

from __future__ import annotations

from .. import uapi
from ..terminal import printable
from . import netfilter_checks
from .hop import Fault, Leg
from .namespace_view import data, port_data, word
from .segment import BRIDGE, CABLE, STACK, TUNNEL, pvid, retagged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Optional

    from ..objects.link import Link
    from .namespace_view import Facts
    from .segment import Piece

    Check = Callable[[Leg], Optional[Fault]]
    Row = tuple[str, Check, int]  # its name, and the family it is for (0: both)

STATES = {uapi.BR_STATE_LISTENING: "listening", uapi.BR_STATE_LEARNING: "learning", uapi.BR_STATE_BLOCKING: "blocking"}


def raised(facts: Facts, link: Link) -> str:
    """The command that puts a link up."""
    return facts.where.ip(f"link set {word(link.name)} up")


def uncabled(facts: Facts, link: Link) -> Fault:
    """Why a link that is up has no carrier."""
    end = facts.far(link)
    far = None if end is None or end[0].closed else end[0].links.get(end[1])
    if end is None or far is None:
        where = "" if link.kind != "veth" else ", and its far end is in a namespace that cannot be seen from here"
        return Fault(f"{facts.named(link)} has no carrier{where}", facts.where.ip(f"link set {word(link.name)} carrier on"))
    if not far.up:
        what = "its far end" if link.kind == "veth" else "the device below it"
        return Fault(f"{facts.named(link)} has no carrier because {what}, {end[0].named(far)}, is down", raised(end[0], far))
    if not far.carrier and link.kind != "veth":
        return uncabled(end[0], far)
    return Fault(
        f"{facts.named(link)} has no carrier, though {end[0].named(far)} at its far end is up",
        " && ".join(place.where.ip(f"link set {word(one.name)} carrier on") for place, one in ((facts, link), (end[0], far))),
    )


def cable(leg: Leg) -> Fault | None:
    """Both ends of a cable are up, and have carrier."""
    piece = leg.piece
    if piece is None:
        return None
    for facts, link in piece.links:
        if not link.up:
            return Fault(f"{facts.named(link)}, on the way to {leg.hop}, is down", raised(facts, link))
    for facts, link in piece.links:
        if not link.carrier:
            return uncabled(facts, link)
    return None


def bridge_up(leg: Leg) -> Fault | None:
    bridge, piece = _bridge(leg)
    if piece is None or bridge is None or bridge.up:
        return None
    return Fault(f"the bridge {piece.here.named(bridge)} is down", raised(piece.here, bridge))


def _bridge(leg: Leg) -> tuple[Link | None, Piece | None]:
    piece = leg.piece
    return (piece.bridge, piece) if piece is not None and piece.kind == BRIDGE else (None, None)


def bridge_ports(piece: Piece) -> list[Link]:
    return [link for link in (piece.one, piece.other) if link is not piece.bridge]


def ports_up(leg: Leg) -> Fault | None:
    _, piece = _bridge(leg)
    if piece is None:
        return None
    for port in bridge_ports(piece):
        if not port.up:
            return Fault(f"the bridge port {piece.here.named(port)} is down", raised(piece.here, port))
        if not port.carrier:
            return uncabled(piece.here, port)
    return None


def port_state(leg: Leg) -> Fault | None:
    """The bridge forwards by these ports: no spanning tree has blocked them, or still thinks about it."""
    bridge, piece = _bridge(leg)
    if piece is None or bridge is None:
        return None
    for port in bridge_ports(piece):
        state = port_data(port).get("IFLA_BRPORT_STATE", uapi.BR_STATE_FORWARDING)
        if state == uapi.BR_STATE_FORWARDING:
            continue
        where, name, stp = piece.here.where, word(port.name), data(bridge).get("IFLA_BR_STP_STATE")
        sentence = f"the bridge port {piece.here.named(port)} is {STATES.get(state, 'disabled')}, not forwarding"
        again = f"{where.ip(f'link set {name} down')} && {where.ip(f'link set {name} up')}"  # a port that comes up begins anew
        if stp:
            sentence += f": {printable(bridge.name)} runs the spanning tree protocol"
        if stp or state in (uapi.BR_STATE_LISTENING, uapi.BR_STATE_LEARNING):
            options = [f"type bridge {option} 0" for option in ("stp_state", "forward_delay")]
            at_once = [where.ip(f"link set {word(bridge.name)} {option}") for option in options]
            again = " && ".join([*at_once[0 if stp else 1 :], again])
        return Fault(sentence, again, passing=state == uapi.BR_STATE_DISABLED)  # its carrier may have come this moment
    return None


def isolated(leg: Leg) -> Fault | None:
    _, piece = _bridge(leg)
    if piece is None or len(bridge_ports(piece)) < 2:
        return None
    if not all(port_data(port).get("IFLA_BRPORT_ISOLATED") for port in bridge_ports(piece)):
        return None
    one, other = (printable(port.name) for port in bridge_ports(piece))
    last = word(piece.other.name)
    sentence = f"{one} and {other}, ports of one bridge in {piece.here.where}, are both isolated: neither hears the other"
    return Fault(sentence, piece.here.where.bridge(f"link set dev {last} isolated off"))


def same_vlan(leg: Leg) -> Fault | None:
    """A bridge that filters VLANs carries this one at both ports."""
    bridge, piece = _bridge(leg)
    if piece is None or bridge is None or retagged(piece.here, bridge, piece.one, piece.other, piece.tag) is not None:
        return None
    here, one, other = piece.here, piece.one, piece.other
    vlan = piece.tag or pvid(here, one)
    if not vlan or vlan not in here.vlans(one.index):
        what = f"VLAN {vlan}" if vlan else "what bears no tag"
        sentence = f"{here.named(one)} does not take {what} into the bridge {printable(bridge.name)}"
        return Fault(sentence, _joined(here, bridge, one, vlan or pvid(here, other) or 1, tagged=bool(piece.tag)))
    back = pvid(here, other)
    whose = f", which is in VLAN {back}" if back else ""
    sentence = f"{here.named(one)} puts what it takes in into VLAN {vlan}, which {printable(other.name)}{whose}, does not carry"
    return Fault(sentence, _joined(here, bridge, other, vlan, tagged=bool(piece.tag)))


def _joined(here: Facts, bridge: Link, port: Link, vlan: int, tagged: bool) -> str:
    words = "self" if port is bridge else ""
    flags = "" if tagged else "pvid untagged"
    return here.where.bridge(" ".join(f"vlan add dev {word(port.name)} vid {vlan} {flags} {words}".split()))


def filtered_bridged(leg: Leg) -> Fault | None:
    """Neither nf_tables on the bridge, nor, by br_netfilter, on what it bridges, lets it fall."""
    bridge, piece = _bridge(leg)
    if piece is None or bridge is None or leg.source is None:
        return None
    return netfilter_checks.bridged(leg, piece, bridge)


def macvlan_mode(leg: Leg) -> Fault | None:
    """Two macvlans on one device hear one another only in bridge mode."""
    stacks = [one for piece in leg.pieces if piece.kind == STACK for one in piece.links]
    ends = [one for one in stacks if one[1].kind == "macvlan" and (one[1] is leg.out or one[1] is leg.inlet)]
    if len(ends) < 2:
        return None
    for facts, link in ends:
        mode = data(link).get("IFLA_MACVLAN_MODE", 4)
        if mode not in (4, 0):
            name = {1: "private", 2: "vepa", 8: "passthru", 16: "source"}.get(mode, str(mode))
            sentence = f"{facts.named(link)} is a macvlan in {name} mode, which hears no other on the same device"
            return Fault(sentence, facts.where.iproute(f"link set {word(link.name)} type macvlan mode bridge"))
    return None


PIECES: dict[str, list[Row]] = {
    CABLE: [("both ends up", cable, 0)],
    STACK: [("device below up", cable, 0)],
    TUNNEL: [("both ends up", cable, 0)],
    BRIDGE: [
        ("bridge up", bridge_up, 0),
        ("bridge ports up", ports_up, 0),
        ("bridge port state", port_state, 0),
        ("bridge port isolation", isolated, 0),
        ("VLAN", same_vlan, 0),
        ("bridge filter", filtered_bridged, 0),
    ],
}
