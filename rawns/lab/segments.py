"""The segments of Ethernet of a lab: which interfaces receive each other's frames, by the description alone.

A wire joins its two ends, a bridge its ports, a tunnel the devices at its ends, a stacked interface joins the segment of
its parent.  Bridges that filter VLANs have a segment for each.  A segment that leads out of the lab (a tap, a tunnel to
elsewhere, an existing interface) is ``open``: others may be on it.
"""

from __future__ import annotations

from .interface import DEFAULT_VLANS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .interface import Interface, Vlans
    from .topology import Topology

TAG_BITS = 12  # of a node, below those of its interface


class Segments:
    """The segments of a lab.  If ``working``, what is down joins nothing; with ``spanning_tree``, nor do bridges that speak STP.

    ``loops`` are the pairs of interfaces whose connection closes a loop of bridges.
    """

    def __init__(self, lab: Topology, working: bool = False, spanning_tree: bool = False) -> None:
        self._working, self._spanning_tree = working, spanning_tree
        self._parent: dict[int, int] = {}
        self._outside: list[int] = []
        self.loops: list[tuple[Interface, Interface]] = []
        self._device_tags = {one.tag for host in lab.hosts for one in host.interfaces if one.parent is not None} - {0}
        for one, other in lab.wires:
            self._join(one, other)
        for host in lab.hosts:
            for found in host.interfaces:
                if found.parent is not None and found.on_parents_segment:
                    self._join(found, found.parent, found.tag)
                if found.leads_out:
                    self._leads_out(found)
        joined: set[int] = set()
        for end, others in tunnels(lab):
            for far in others:
                if id(far) not in joined:
                    self._join(end, far)
            joined.add(id(end))
            if not others:
                self._leads_out(end)
        self.open = {self._root(node) for node in self._outside}

    def of(self, one: Interface) -> int | None:
        """Return the segment that an interface's addresses are on; None for the port of a bridge, which has none."""
        if one.bridged:
            return None
        return self._root(id(one) << TAG_BITS | (1 if one.vlan_filtering else 0))

    def apart(self, one: Interface, other: Interface) -> bool:
        """Return whether two interfaces of one segment do not receive each other's frames all the same: stacked ones may not."""
        return one.apart_from(other) or other.apart_from(one)

    # -- joining ----------------------------------------------------------------------------------------------------

    def _root(self, node: int) -> int:
        parent = self._parent
        root = node
        while (above := parent.get(root, root)) != root:
            root = above
        while node != root:
            parent[node], node = root, parent.get(node, node)
        return root

    def _union(self, one: int, other: int) -> bool:
        """Join two nodes; return whether they were joined before."""
        one, other = self._root(one), self._root(other)
        if one != other:
            self._parent[one] = other
        return one == other

    def _up(self, one: Interface) -> bool:
        return not self._working or (one.up and (one.master is None or one.master.up))

    def _join(self, one: Interface, other: Interface, tag: int = 0) -> None:
        """Join two interfaces: frames that are untagged at ``one`` have this tag at ``other``."""
        if not (self._up(one) and self._up(other)):
            return
        if self._spanning_tree and (_blocking(one) or _blocking(other)):
            return
        loop = False
        for vid in {0} if tag else {0, *_tags(one), *_tags(other), *self._device_tags}:
            here, there = _node(one, vid), _node(other, tag or vid)
            if here is not None and there is not None:
                loop |= self._union(here, there)
        if loop:
            self.loops.append((one, other))

    def _leads_out(self, one: Interface) -> None:
        for tag in {0, *_tags(one)}:
            node = _node(one, tag)
            if node is not None:
                self._outside.append(node)


def tunnels(lab: Topology) -> list[tuple[Interface, list[Interface]]]:
    """Return each tunnel with those that it leads to: of the same number, each to an address where the other is carried."""
    ends: dict[object, list[tuple[Interface, set[str]]]] = {}
    carried: dict[int, list[Interface]] = {}  # by the host that carries them
    for host in lab.hosts:
        for one in host.interfaces:
            if one.tunnel:
                carried.setdefault(one.created_in.number, []).append(one)
    for number, several in carried.items():
        addresses = {one.address for interface in lab.hosts[number].interfaces for one in interface.addresses}
        for one in several:
            ends.setdefault(one.tunnel_key, []).append((one, addresses))
    return [
        (one, [other for other, there in same if other is not one and one.remote in there and other.remote in here])
        for same in ends.values()
        for one, here in same
    ]


def _blocking(one: Interface) -> bool:
    """Return whether a loop through this interface does no harm: its bridge speaks STP, or its wire is allowed to close one."""
    return one.master is not None and one.master.stp or one.loop


def _carried(one: Interface) -> Vlans | None:
    """Return the VLANs of the port of a filtering bridge; None for anything else."""
    return (one.vlans or DEFAULT_VLANS) if one.master is not None and one.master.vlan_filtering else None


def _tags(one: Interface) -> Iterable[int]:
    """Return the tags that frames have on the wire at this port."""
    return [vid for vid, (_, untagged) in (_carried(one) or {}).items() if not untagged]


def _node(one: Interface, tag: int) -> int | None:
    """Return the node behind a port for frames with this tag (0: none) on the wire; None if they are dropped."""
    if not one.bridged:
        filtering = 1 if one.vlan_filtering and not tag else tag  # a bridge is in its VLAN 1 itself
        return id(one) << TAG_BITS | filtering
    bridge, carried = one.master, _carried(one)
    if carried is None:
        return id(bridge) << TAG_BITS | tag
    if tag:
        return id(bridge) << TAG_BITS | tag if tag in carried else None
    return next((id(bridge) << TAG_BITS | vid for vid, (pvid, _) in carried.items() if pvid), None)
