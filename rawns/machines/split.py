"""From a lab that spans machines to the part of each: a wire between two machines becomes a VXLAN device at both ends.

Each device is created in the machine's own network, the underlay, and lives in the host.  Its number (VNI) and its MAC
address are derived from the names of the lab, host and interface, so that `up` finds the same again.
"""

from __future__ import annotations

import hashlib

from ..errors import InvalidValue
from ..lab.export import link_entry, part_of
from ..lab.interface import DEFAULT_MTU
from ..lab.segments import Segments
from ..lab.stamp import hash_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..lab.interface import Interface
    from ..lab.kinds.veth import Port
    from ..lab.lab import Lab

    Wire = tuple[Port, Port]

MAX_VNI = (1 << 24) - 1
# Bytes that VXLAN takes of each packet: the inner Ethernet header (14), VXLAN (8), UDP (8), and IPv4 (20) or IPv6 (40).
OVERHEAD = {False: 50, True: 70}
MIN_MTU = {False: 68, True: 1280}


class CrossMachineWire:
    """A wire between two machines: its ends, and the number of the tunnel that it becomes."""

    __slots__ = ("ends", "vni")

    def __init__(self, ends: Wire, vni: int) -> None:
        self.ends, self.vni = ends, vni

    @property
    def machines(self) -> tuple[str, str]:
        """The names of the machines at its ends."""
        one, other = (str(end.host.machine) for end in self.ends)
        return one, other

    def __str__(self) -> str:
        return f"{self.ends[0]} -- {self.ends[1]}"


def crossing(lab: Lab) -> list[CrossMachineWire]:
    """Return the wires between machines; the numbers of their tunnels differ."""
    lab.name_ports()
    found: dict[int, Wire] = {}
    for wire in sorted((wire for wire in lab.wires if wire[0].host.machine != wire[1].host.machine), key=_words):
        vni = hash_of(f"{lab.name} {_words(wire)}") % MAX_VNI + 1
        while vni in found:
            vni = vni % MAX_VNI + 1
        found[vni] = wire
    return [CrossMachineWire(wire, vni) for vni, wire in found.items()]


def _words(wire: Wire) -> str:
    return "=".join(sorted(f"{end.host.label}:{end.name}" for end in wire))


def parts(lab: Lab, addresses: Mapping[str, str], underlay: Mapping[tuple[str, str], int]) -> dict[str, dict[str, Any]]:
    """Return the description of each machine's part.

    ``addresses`` are those of the machines; ``underlay`` has, for two machines, the MTU of the route from the first to the
    second.  Raises `InvalidValue` if a wire is described with an MTU that the underlay cannot carry.
    """
    wires = crossing(lab)
    _limit_mtus(lab, wires, addresses, underlay)
    found = {name: part_of(lab, name) for name in lab.machines}
    for wire in wires:
        for end, far in (wire.ends, wire.ends[::-1]):
            here, there = str(end.host.machine), str(far.host.machine)
            entry = link_entry(end)
            entry.setdefault("mac", _mac(lab.name, end))
            entry |= {"underlay": "root", "vni": wire.vni, "local": addresses[here], "remote": addresses[there]}
            found[here].setdefault("vxlans", []).append(entry)
    return found


def _mac(lab: str, end: Interface) -> str:
    """Return a locally administered unicast address, the same each time and on no other interface of any machine."""
    digest = hashlib.sha256(f"{lab}\0{end.host.label}\0{end.name}".encode()).digest()[:6]
    return bytes([digest[0] & 0xFC | 2, *digest[1:]]).hex(":")


def _limit_mtus(
    lab: Lab, wires: list[CrossMachineWire], addresses: Mapping[str, str], underlay: Mapping[tuple[str, str], int]
) -> None:
    """Give every interface on a segment with a wire between machines an MTU that the tunnel carries, if it names none."""
    segments = Segments(lab)
    limits: dict[int | None, int] = {}
    for wire in wires:
        one, other = wire.machines
        six = ":" in addresses[one]
        least = min(underlay[one, other], underlay[other, one])
        limit = least - OVERHEAD[six]
        named = max(end.mtu or 0 for end in wire.ends)
        if named > limit or limit < MIN_MTU[any(":" in str(each) for end in wire.ends for each in end.addresses)]:
            what = f"an MTU of {named}" if named else "a tunnel"
            text = f"the network between {one} and {other} carries {least} bytes, which leaves {limit} for {wire}, not {what}"
            raise InvalidValue(text + (f" ({wire.ends[0].where})" if wire.ends[0].where else ""))
        for segment in {segment_of(segments, end) for end in wire.ends}:
            limits[segment] = min(limits.get(segment, DEFAULT_MTU), limit)
    for host in lab.hosts:
        for one_port in host.interfaces:
            limited = limits.get(segment_of(segments, one_port)) if one_port.parent is None and not one_port.switches else None
            if limited is not None and one_port.mtu is None and limited < DEFAULT_MTU:
                one_port.mtu = limited


def segment_of(segments: Segments, one: Interface) -> int | None:
    """Return the segment that an interface is on; a bridge's, for its port."""
    return segments.of(one.master if one.bridged and one.master is not None else one)
