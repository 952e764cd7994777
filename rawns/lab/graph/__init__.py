"""A lab as a graph: hosts and bridges as nodes; wires, tunnels and stacked interfaces as edges; spread out as trees.

`text`, `svg` and `dot_mermaid` draw it.  With ``states`` (`Lab.states`) each node and each edge has a state: ``up``, ``down``,
``missing`` or ``differs``; without, the state is empty.
"""

from __future__ import annotations

from ...terminal import printable
from ..segments import tunnels

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from ..host import Host
    from ..interface import Interface
    from ..topology import Topology

WORST = ("missing", "down", "differs", "up", "")  # of several states the first one here is shown
STATES = ("up", "down", "missing", "differs")
CROWD = 8  # more leaves than this that are all alike are shown as one


class Node:
    """``name`` and ``kind`` (``host``, ``bridge``, ``outside``), ``note`` (its own addresses), ``state``, its ``edges``."""

    __slots__ = ("edges", "kind", "name", "note", "number", "state")

    def __init__(self, number: int, name: str, kind: str, note: str = "", state: str = "") -> None:
        self.number, self.name, self.kind, self.note, self.state = number, printable(name), kind, note, state
        self.edges: list[Edge] = []


class Edge:
    """Between two nodes, with the text at each end (``eth0 10.0.0.1/24``).

    ``kind`` is ``wire``, ``tunnel``, ``stacked``, ``tap``, or ``inside``: the second is a bridge in the first.
    """

    __slots__ = ("ends", "kind", "labels", "note", "state")

    def __init__(self, kind: str, ends: tuple[Node, Node], labels: tuple[str, str], state: str = "", note: str = "") -> None:
        self.kind, self.ends, self.state, self.note = kind, ends, state, note
        self.labels = printable(labels[0]), printable(labels[1])
        for end in {id(end): end for end in ends}.values():
            end.edges.append(self)

    def other(self, node: Node) -> Node:
        """Return the node at the other end."""
        return self.ends[1] if self.ends[0] is node else self.ends[0]

    def label(self, node: Node) -> str:
        """Return the text at this end."""
        return self.labels[0] if self.ends[0] is node else self.labels[1]

    def beyond(self, node: Node) -> str:
        """Return the text at the other end; both may be at one node."""
        return self.labels[1] if self.ends[0] is node else self.labels[0]


class Graph:
    """The nodes and edges of a lab."""

    def __init__(self, lab: Topology, states: Mapping[Any, str] | None = None) -> None:
        self.name, self.nodes, self.edges = lab.name, list[Node](), list[Edge]()
        self._states = states or {}
        self._of: dict[int, Node] = {}  # by id of a bridge, or of a host
        self._outside: dict[str, Node] = {}
        for host in lab.hosts:
            self._host(host)
        for one, other in lab.wires:
            self._edge("wire", one, other)
        self._rest(lab)

    # -- nodes --------------------------------------------------------------------------------------------------------

    def _node(self, name: str, kind: str, note: str = "", state: str = "") -> Node:
        node = Node(len(self.nodes), name, kind, note, state)
        self.nodes.append(node)
        return node

    def _host(self, host: Host) -> None:
        bridges = [one for one in host.interfaces if one.switches]
        alone = (
            len(bridges) == 1
            and host.label == bridges[0].name
            and all(one is bridges[0] or one.bridged for one in host.interfaces)
        )
        if not alone:
            if host.root and all(one.existing for one in host.interfaces):
                return
            self._of[id(host)] = self._node(host.label, "host", "", self._states.get(host.label, ""))
        for bridge in bridges:
            state = self._state(bridge)
            node = self._of[id(bridge)] = self._node(bridge.name or "", "bridge", _addresses(bridge), state)
            if alone:
                self._of[id(host)] = node
            else:
                self.edges.append(Edge("inside", (self._of[id(host)], node), ("", ""), state))

    def _state(self, *interfaces: Interface) -> str:
        found = [self._states.get(one, "") for one in interfaces]
        return min(found, key=WORST.index)

    def _at(self, one: Interface) -> Node:
        """Return the node that an interface is at: the bridge that it is, or is a port of, or its host."""
        if one.switches:
            return self._of[id(one)]
        return self._of[id(one.master)] if one.bridged else self._of[id(one.host)]

    def _beyond(self, name: str) -> Node:
        """Return the node of something that is not of the lab."""
        if name not in self._outside:
            self._outside[name] = self._node(name, "outside")
        return self._outside[name]

    # -- edges --------------------------------------------------------------------------------------------------------

    def _edge(self, kind: str, one: Interface, other: Interface, note: str = "") -> None:
        ends, labels = (self._at(one), self._at(other)), (_label(one), _label(other))
        shaped = [] if kind != "wire" else [_shape(one), _shape(other)]
        note = note or " / ".join(dict.fromkeys(filter(None, shaped)))
        self.edges.append(Edge(kind, ends, labels, self._state(one, other), note))

    def _rest(self, lab: Topology) -> None:
        """Stacked interfaces, tunnels, and what else leads out of the lab."""
        for host in lab.hosts:
            for one in host.interfaces:
                if one.parent is not None:
                    self._stacked(one, one.parent)
                if one.program:
                    self._leaf("tap", one, f"a program at {one}")
        drawn: set[int] = set()
        for one, others in tunnels(lab):
            for other in others:
                if id(other) not in drawn:
                    self._edge("tunnel", one, other, one.note)
            drawn.add(id(one))
            if not others:
                self._leaf("tunnel", one, f"machine {one.remote}", one.note)

    def _stacked(self, one: Interface, parent: Interface) -> None:
        there = self._beyond(f"{parent.name} of this machine") if parent.existing else self._at(parent)
        label = "" if parent.existing else parent.name or ""
        self.edges.append(Edge("stacked", (self._at(one), there), (_label(one), label), self._state(one), one.note))

    def _leaf(self, kind: str, one: Interface, name: str, note: str = "") -> None:
        """Add an edge to something outside of the lab."""
        ends = self._at(one), self._beyond(name)
        self.edges.append(Edge(kind, ends, (_label(one), ""), self._state(one), note))


def _addresses(one: Interface) -> str:
    return " ".join(map(str, one.addresses))


def _label(one: Interface) -> str:
    """Return ``eth0 10.0.0.1/24``; of a bridge's port only what is not plain: its VLANs, or a name that was given to it."""
    if one.bridged and one.kind == "veth":
        return f"vlan {','.join(map(str, one.vlans))}" if one.vlans else ""
    return f"{one.name} {_addresses(one)}".rstrip()


def _shape(one: Interface) -> str:
    return ", ".join(f"{word} {value}" for word, value in (one.shape or {}).items())


# -- spread out -----------------------------------------------------------------------------------------------------------


class Branch:
    """A node in a tree, the edge that leads to it, its ``branches``, and edges to nodes elsewhere in the trees (``across``).

    Where ``crowd`` is not empty, it stands for so many leaves that are all alike, of which it is the first.
    """

    __slots__ = ("across", "branches", "crowd", "edge", "node")

    def __init__(self, node: Node, edge: Edge | None = None) -> None:
        self.node, self.edge = node, edge
        self.branches: list[Branch] = []
        self.across: list[Edge] = []
        self.crowd: list[Branch] = []


def trees(graph: Graph) -> list[Branch]:
    """Return the graph as trees, each from its node of most edges outwards; edges that close a circle are ``across``."""
    found: list[Branch] = []
    reached: dict[int, Branch] = {}
    for root in sorted(graph.nodes, key=lambda node: (-len(node.edges), node.number)):
        if root.number in reached:
            continue
        tree = reached[root.number] = Branch(root)
        found.append(tree)
        seen: set[int] = set()
        level = [tree]
        while level:
            level = [below for branch in level for below in _grow(branch, reached, seen)]
        _gather(tree)
    return found


def _grow(branch: Branch, reached: dict[int, Branch], seen: set[int]) -> Iterable[Branch]:
    for edge in branch.node.edges:
        if id(edge) in seen:
            continue
        seen.add(id(edge))
        far = edge.other(branch.node)
        if far.number in reached:
            branch.across.append(edge)
        else:
            below = reached[far.number] = Branch(far, edge)
            branch.branches.append(below)
            yield below


def _gather(tree: Branch) -> None:
    """Leaves that are all alike, and many, are gathered into one."""
    waiting = [tree]
    while waiting:
        branch = waiting.pop()
        alike: dict[tuple[str, ...], list[Branch]] = {}
        for below in branch.branches:
            alike.setdefault(_likeness(below), []).append(below)
        kept = []
        for key, group in alike.items():
            if key and len(group) > CROWD:
                group[0].crowd = group
                kept.append(group[0])
            else:
                kept += group
        branch.branches = kept
        waiting += [below for below in kept if not below.crowd]


def _likeness(leaf: Branch) -> tuple[str, ...]:
    """Return what leaves that are alike have in common; empty for a node that is not a leaf."""
    if leaf.branches or leaf.across or leaf.edge is None:
        return ()
    node, edge = leaf.node, leaf.edge
    name = edge.label(node).partition(" ")[0]
    return (node.kind, node.name.rstrip("0123456789"), name, edge.kind, node.state, edge.state, edge.note)


def span(words: list[str]) -> str:
    """Return ``host1 ... host1000``."""
    return f"{words[0]} ... {words[-1]}" if words[0] != words[-1] else words[0]
