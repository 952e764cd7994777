"""Who hears whom: the interfaces of a lab by the stretch of Ethernet they are on, from the description alone.

Floor 6, pure.  A wire joins its ends, a bridge its ports, a tunnel its two mouths, a macvlan what its parent is on.  Where
bridges filter VLANs there is a stretch for each.  One that leads out of the lab (a tap, a tunnel to elsewhere, an
interface that was there before) is ``open``: there may be others on it.
"""

from __future__ import annotations

from .model import Bridge, Existing, Macvlan, Tap, Vxlan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .lab import Lab
    from .model import Host, Interface

TAG = 12  # bits of a node below those of its interface: the VLAN
DEFAULT = {1: (True, True)}  # what a port of a filtering bridge carries of itself


class Segments:
    """The stretches of Ethernet of a lab.  With ``working``, what is down joins nothing."""

    def __init__(self, lab: Lab, working: bool = False) -> None:
        self._working = working
        self._parent: dict[int, int] = {}
        self._existing: dict[str, Interface] = {}
        self._outside: list[int] = []
        tunnels: dict[tuple[int, int], list[Vxlan]] = {}
        for one, other in lab.wires:
            self._join(one, other)
        for host in lab.hosts:
            for found in host.interfaces:
                if found.kind == "macvlan":
                    assert isinstance(found, Macvlan)
                    self._stack(found, self._real(found.parent))
                elif found.kind == "vxlan":
                    assert isinstance(found, Vxlan)
                    tunnels.setdefault((found.vni, found.port), []).append(found)
                elif isinstance(found, (Tap, Existing)):
                    self._leads_out(found)
        for ends in tunnels.values():
            self._tunnels(ends)
        self.open = {self._root(node) for node in self._outside}

    def of(self, one: Interface) -> int | None:
        """The segment that an interface's addresses are on; None for the port of a bridge, which has none."""
        if one.master is not None:
            return None
        return self._root(id(one) << TAG | (1 if isinstance(one, Bridge) and one.vlan_filtering else 0))

    def apart(self, one: Interface, other: Interface) -> bool:
        """Whether two on one segment do not hear each other all the same: macvlans keep some apart."""
        for first, second in ((one, other), (other, one)):
            if isinstance(first, Macvlan):
                parent = self._real(first.parent)
                if parent is second:
                    return True
                siblings = isinstance(second, Macvlan) and self._real(second.parent) is parent
                if siblings and not first.mode == getattr(second, "mode", "") == "bridge":
                    return True
        return False

    # -- joining ----------------------------------------------------------------------------------------------------

    def _root(self, node: int) -> int:
        parent = self._parent
        root = node
        while (above := parent.get(root, root)) != root:
            root = above
        while node != root:
            parent[node], node = root, parent.get(node, node)
        return root

    def _union(self, one: int, other: int) -> None:
        one, other = self._root(one), self._root(other)
        if one != other:
            self._parent[one] = other

    def _up(self, one: Interface) -> bool:
        return not self._working or (one.up and (one.master is None or one.master.up))

    def _join(self, one: Interface, other: Interface) -> None:
        if not (self._up(one) and self._up(other)):
            return
        for tag in {0, *_tags(one), *_tags(other)}:
            here, there = _node(one, tag), _node(other, tag)
            if here is not None and there is not None:
                self._union(here, there)

    def _real(self, one: Interface) -> Interface:
        """Of an interface of the root namespace: one object for each name."""
        if not isinstance(one, Existing) or one.name is None:
            return one
        if one.name not in self._existing:
            mine = (each for each in one.host.interfaces if each.name == one.name)
            self._existing[one.name] = next(mine, one)
        return self._existing[one.name]

    def _stack(self, upper: Interface, lower: Interface) -> None:
        self._join(upper, lower)
        if isinstance(lower, Existing):
            self._leads_out(lower)

    def _leads_out(self, one: Interface) -> None:
        for tag in {0, *_tags(one)}:
            node = _node(one, tag)
            if node is not None:
                self._outside.append(node)

    def _tunnels(self, ends: list[Vxlan]) -> None:
        """Tunnels of one number: two that name each other's hosts are the two mouths of one."""
        addresses = [_addresses(end.host) for end in ends]
        for number, one in enumerate(ends):
            matched = False
            for place, other in enumerate(ends):
                if place != number and one.remote.address in addresses[place] and other.remote.address in addresses[number]:
                    self._join(one, other)
                    matched = True
            if not matched:
                self._leads_out(one)


def _addresses(host: Host) -> set[str]:
    return {one.address for interface in host.interfaces for one in interface.addresses}


def _carried(one: Interface) -> dict[int, tuple[bool, bool]] | None:
    """The VLANs of the port of a filtering bridge; None for anything else."""
    return (one.vlans or DEFAULT) if one.master is not None and one.master.vlan_filtering else None


def _tags(one: Interface) -> Iterable[int]:
    """The tags that frames bear on the wire at this port."""
    return [vid for vid, (_, untagged) in (_carried(one) or {}).items() if not untagged]


def _node(one: Interface, tag: int) -> int | None:
    """Where a frame with this tag (0: none) on the wire belongs, behind this port; None where it is dropped."""
    bridge = one.master
    if bridge is None:
        return id(one) << TAG if not tag else None
    carried = _carried(one)
    if carried is None:
        return id(bridge) << TAG | tag
    if tag:
        return id(bridge) << TAG | tag if tag in carried else None
    return next((id(bridge) << TAG | vid for vid, (pvid, _) in carried.items() if pvid), None)


def members(lab: Lab, segments: Segments) -> Iterator[tuple[int, Interface]]:
    """Each interface that may have addresses of its own, with its segment."""
    for host in lab.hosts:
        for one in host.interfaces:
            where = segments.of(one)
            if where is not None:
                yield where, one
