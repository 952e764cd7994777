"""A lab as text: each tree with its branches, for terminals of any width."""

from __future__ import annotations

from . import Graph, span, trees

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from ..topology import Topology
    from . import Branch, Edge, Node

COLOURS = {"up": "32", "down": "33", "missing": "31", "differs": "35"}  # ECMA-48: green, yellow, red, magenta
LINES = {"wire": "──", "tunnel": "┄┄", "stacked": "┈┈", "tap": "┈┈", "inside": "──"}
PLAIN = str.maketrans({"─": "-", "┄": "~", "┈": ".", "├": "|", "└": "`", "│": "|", "↺": "="})


def draw(lab: Topology, states: Mapping[Any, str] | None = None, colour: bool = False, plain: bool = False) -> str:
    """Return the lab as lines of text; ``colour`` for a terminal, ``plain`` if it shows ASCII only."""
    graph = Graph(lab, states)
    lines: list[str] = []
    for tree in trees(graph):
        lines += _Pen(colour).tree(tree)
    text = "".join(f"{line}\n" for line in lines)
    return text.translate(PLAIN) if plain else text


class _Pen:
    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def tree(self, root: Branch) -> Iterator[str]:
        yield self._node(root)
        stack = [(branch, edge, "", last) for branch, edge, last in _below(root)]
        stack.reverse()
        while stack:
            parent, what, before, last = stack.pop()
            corner, onward = ("└── ", "    ") if last else ("├── ", "│   ")
            if isinstance(what, tuple):
                branch = what[0]
                yield before + corner + self._reached(parent, branch)
                stack += [(node, edge, before + onward, end) for node, edge, end in reversed(list(_below(branch)))]
            else:
                yield before + corner + self._across(parent, what)

    def _reached(self, parent: Node, branch: Branch) -> str:
        """Return ``left 10.0.1.254/24 ── left  eth0 10.0.1.1/24``."""
        edge, node = branch.edge, branch.node
        assert edge is not None
        if edge.kind == "inside":
            return self._node(branch) if branch.node.kind == "bridge" else f"in {self._node(branch)}"
        near = [self._paint(edge.label(parent), edge.state), self._line(edge)] if edge.label(parent) or edge.note else []
        return " ".join([*near, self._node(branch, edge.label(node), edge)])

    def _line(self, edge: Edge) -> str:
        line = LINES[edge.kind]
        return f"{line} {edge.note} {line}" if edge.note else line

    def _node(self, branch: Branch, label: str = "", edge: Edge | None = None) -> str:
        node, crowd = branch.node, branch.crowd
        name = span([one.node.name for one in crowd]) if crowd else node.name
        if crowd:
            label = _crowded([one.edge.label(one.node) for one in crowd if one.edge is not None])
        name = self._paint(name, node.state, bold=True)
        words = [name, *([f"({len(crowd)})"] if crowd else [])]
        words += {"bridge": ["(bridge)"], "outside": ["(outside)"]}.get(node.kind, [])
        words += [node.note] if node.note else []
        words += [f" {self._paint(label, edge.state if edge else '')}"] if label else []
        told = {node.state, edge.state if edge is not None else ""} - {"", "up"}
        return " ".join([*words, *(f" [{state}]" for state in sorted(told))])

    def _across(self, parent: Node, edge: Edge) -> str:
        far = edge.other(parent)
        if edge.kind == "inside":
            return f"in {far.name}, see there" if parent.kind == "bridge" else f"{far.name} (bridge), see there"
        near = [self._paint(edge.label(parent), edge.state)] if edge.label(parent) else []
        told = [f" [{edge.state}]"] if edge.state not in ("", "up") else []
        return " ".join(
            [*near, self._line(edge), "↺", far.name, *([f" {edge.beyond(parent)}"] if edge.beyond(parent) else []), *told]
        )

    def _paint(self, text: str, state: str, bold: bool = False) -> str:
        codes = [*(["1"] if bold else []), *([COLOURS[state]] if state in COLOURS else [])]
        return f"\x1b[{';'.join(codes)}m{text}\x1b[m" if self._colour and codes and text else text


def _below(branch: Branch) -> Iterator[tuple[Node, tuple[Branch] | Edge, bool]]:
    """Yield what hangs on a branch: branches, and edges that lead across; each with whether it is the last."""
    below: list[tuple[Branch] | Edge] = [*((one,) for one in branch.branches), *branch.across]
    for number, one in enumerate(below):
        yield branch.node, one, number == len(below) - 1


def _crowded(labels: list[str]) -> str:
    """Return ``eth0 10.9.0.1/16 ... 10.9.3.232/16``."""
    first, last = labels[0].split(), labels[-1].split()
    if len(first) != len(last):
        return span(labels)
    return " ".join(one if one == other else f"{one} ... {other}" for one, other in zip(first, last))
