"""A lab as a picture: one SVG file that needs nothing else, light or dark as its reader's screen is.

Floor 6, pure.  Each tree grows from left to right, a leaf to a line; what is said at the ends of a wire stands on it, the
interface above and its addresses below.  Wires that close a circle are drawn as arcs to the right of everything they pass.
"""

from __future__ import annotations

from . import WORDS, Graph, span, trees

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ..topology import Topology
    from . import Branch, Edge, Node

CHAR, LINE = 6.7, 14  # pixels: the width of a character of the small monospaced text, and the height of a line
MARGIN, TITLE, TRUNK, PAD = 24, 56, 22, 12
STYLE = """
  svg { background: #fdfdfc; font-family: sans-serif; }
  text { fill: #1c2733; }
  .small { font: 11px monospace; fill: #52606d; }
  .name { font-size: 14px; font-weight: 600; }
  .title { font-size: 18px; font-weight: 700; }
  .box { fill: #ffffff; stroke: #7b8794; stroke-width: 1.5; }
  .bridge { fill: #e8f0fa; }
  .outside { fill: none; stroke-dasharray: 4 3; }
  .line { fill: none; stroke: #7b8794; stroke-width: 1.5; }
  .tunnel { stroke-dasharray: 7 4; }
  .stacked, .tap { stroke-dasharray: 2 3; }
  .inside { stroke: #cbd2d9; stroke-width: 4; }
  .up { stroke: #2e7d32; } .down { stroke: #c77700; } .missing { stroke: #c62828; } .differs { stroke: #8e24aa; }
  @media (prefers-color-scheme: dark) {
    svg { background: #14181d; }
    text { fill: #e4e7eb; }
    .small { fill: #9aa5b1; }
    .box { fill: #1f262e; }
    .bridge { fill: #1d2b3d; }
    .inside { stroke: #3e4c59; }
    .up { stroke: #66bb6a; } .down { stroke: #ffb74d; } .missing { stroke: #ef5350; } .differs { stroke: #ce93d8; }
  }
"""


def draw(lab: Topology, states: Mapping[Any, str] | None = None) -> str:
    """Return the picture, as a document of its own."""
    return _Picture(Graph(lab, states)).document()


class _Box:
    """A branch where it stands: its left edge and its middle, in pixels, and how large it is."""

    __slots__ = ("branch", "depth", "height", "lines", "width", "x", "y")

    def __init__(self, branch: Branch, depth: int) -> None:
        self.branch, self.depth = branch, depth
        self.x = self.y = 0.0
        node, crowd = branch.node, branch.crowd
        name = f"{span([one.node.name for one in crowd])} ({len(crowd)})" if crowd else node.name
        self.lines = [name, *node.note.split()]
        self.width = max(8.4 * len(name), *(CHAR * len(line) for line in self.lines)) + 2 * PAD
        self.height = 2 * PAD + LINE * len(self.lines)

    def far(self) -> list[str]:
        """Return what stands on the wire at this end: the interface, then its addresses."""
        edge = self.branch.edge
        if edge is None:
            return []
        words = edge.label(self.branch.node).split()
        if self.branch.crowd and len(words) > 1:
            last = self.branch.crowd[-1]
            ends = last.edge.label(last.node).split() if last.edge is not None else words
            words = [one if one == other else f"{one} ..." for one, other in zip(words, ends)]
        return words

    def near(self) -> list[str]:
        edge = self.branch.edge
        return edge.label(edge.other(self.branch.node)).split() if edge is not None else []


class _Picture:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._boxes: list[_Box] = []
        self._by_node: dict[int, _Box] = {}
        self._parents: dict[int, _Box] = {}
        self._out: list[str] = []
        self._bottom = float(TITLE)
        for tree in trees(graph):
            self._place(tree)
        self._columns()

    # -- where things stand -------------------------------------------------------------------------------------------

    def _place(self, tree: Branch) -> None:
        """Down the page: each leaf on a line of its own, whatever has branches in their middle."""
        order: list[_Box] = []
        waiting = [_Box(tree, 0)]
        while waiting:
            box = waiting.pop()
            order.append(box)
            below = [_Box(branch, box.depth + 1) for branch in box.branch.branches]
            for one in below:
                self._parents[id(one)] = box
            waiting += reversed(below)
        middles: dict[int, list[float]] = {}
        for box in order:
            if not box.branch.branches:
                room = max(box.height, 2 * LINE * max(1, len(box.far()), len(box.near()))) + PAD
                box.y, self._bottom = self._bottom + room / 2, self._bottom + room
        for box in reversed(order):
            if box.branch.branches:
                box.y = (min(middles[id(box)]) + max(middles[id(box)])) / 2
            parent = self._parents.get(id(box))
            if parent is not None:
                middles.setdefault(id(parent), []).append(box.y)
        self._bottom = max(self._bottom, *(box.y + box.height / 2 for box in order)) + PAD
        self._boxes += order
        for box in order:
            for branch in box.branch.crowd or [box.branch]:
                self._by_node[branch.node.number] = box

    def _columns(self) -> None:
        """Across the page: each column begins where the widest box before it, and the longest wire, end."""
        depth, x = 0, float(MARGIN)
        while column := [box for box in self._boxes if box.depth == depth]:
            if depth:
                x += TRUNK + max(_length(box) for box in column)
            for box in column:
                box.x = x
            x += max(box.width for box in column)
            depth += 1
        self._right = x

    # -- how they look ------------------------------------------------------------------------------------------------

    def document(self) -> str:
        body: list[str] = []
        across = [(box, edge) for box in self._boxes for edge in box.branch.across]
        right = self._right
        for number, (box, edge) in enumerate(across):
            body += self._arc(box, self._by_node[edge.other(box.branch.node).number], edge, number)
            right = self._right + 40 + 26 * number + CHAR * 24
        for box in self._boxes:
            body += self._wire(box)
        for box in self._boxes:
            body += _drawn(box)
        width, height = right + MARGIN, self._bottom + MARGIN
        size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
        title = f'<text class="title" x="{MARGIN}" y="32">{_escaped(self._graph.name)}{_legend(self._graph)}</text>'
        return (
            "\n".join([head, f"<title>{_escaped(self._graph.name)}</title>", f"<style>{STYLE}</style>", title, *body, "</svg>"])
            + "\n"
        )

    def _wire(self, box: _Box) -> list[str]:
        parent, edge = self._parents.get(id(box)), box.branch.edge
        if parent is None or edge is None:
            return []
        start = parent.x + parent.width
        trunk = start + TRUNK
        path = f"M{start:.1f} {parent.y:.1f}H{trunk:.1f}V{box.y:.1f}H{box.x:.1f}"
        lines = [f'<path class="line {edge.kind} {edge.state}" d="{path}"/>']
        lines += _written(box.near(), trunk + 6, box.y, "start")
        lines += _written(box.far(), box.x - 6, box.y, "end")
        if edge.note:
            left, right = trunk + 6 + _wide(box.near()), box.x - 6 - _wide(box.far())
            lines += _written([edge.note], (left + right) / 2, box.y, "middle")
        return lines

    def _arc(self, one: _Box, other: _Box, edge: Edge, number: int) -> list[str]:
        """Return A wire between two that both stand already."""
        x = self._right + 30 + 26 * number
        a, b = one.x + one.width, other.x + other.width
        shift = 6.0 if one is other else 0.0
        high, low = one.y - shift, other.y + shift
        path = f"M{a:.1f} {high:.1f}C{x:.1f} {high:.1f} {x:.1f} {low:.1f} {b:.1f} {low:.1f}"
        words = " - ".join(filter(None, (edge.label(one.branch.node), edge.note, edge.beyond(one.branch.node))))
        middle = (0.25 * (a + b) / 2 + 0.75 * x) + 6
        lines = [f'<path class="line {edge.kind} {edge.state}" d="{path}"/>']
        return lines + [f'<text class="small" x="{middle:.1f}" y="{(one.y + other.y) / 2 + 4:.1f}">{_escaped(words)}</text>']


def _length(box: _Box) -> float:
    """Return how long the wire before a box has to be for all that is said on it."""
    edge = box.branch.edge
    note = CHAR * len(edge.note) + 24 if edge is not None and edge.note else 0
    return max(60.0, _wide(box.near()) + note + _wide(box.far()) + 36)


def _wide(words: Sequence[str]) -> float:
    return max((CHAR * len(word) for word in words), default=0.0)


def _written(words: Sequence[str], x: float, y: float, anchor: str) -> list[str]:
    """Return the first word above the wire, the others below it."""
    places = [y - 5, *(y + 13 + LINE * number for number in range(len(words) - 1))]
    return [
        f'<text class="small" text-anchor="{anchor}" x="{x:.1f}" y="{place:.1f}">{_escaped(word)}</text>'
        for word, place in zip(words, places)
    ]


def _drawn(box: _Box) -> list[str]:
    node = box.branch.node
    lines = []
    corner = box.height / 2 if node.kind == "bridge" else 5
    for behind in (8, 4, 0) if box.branch.crowd else (0,):
        place = f'x="{box.x + behind:.1f}" y="{box.y - box.height / 2 - behind:.1f}"'
        size = f'width="{box.width:.1f}" height="{box.height:.1f}" rx="{corner:.1f}"'
        lines.append(f'<rect class="box {node.kind} {node.state}" {place} {size}>{_hint(node)}</rect>')
    top = box.y - box.height / 2 + PAD
    for number, line in enumerate(box.lines):
        kind = "name" if not number else "small"
        lines.append(
            f'<text class="{kind}" text-anchor="middle" x="{box.x + box.width / 2:.1f}" y="{top + 11 + LINE * number:.1f}">'
            f"{_escaped(line)}</text>"
        )
    return lines


def _hint(node: Node) -> str:
    words = f"{node.name}: {node.kind}" + (f", {WORDS[node.state]}" if node.state else "")
    return f"<title>{_escaped(words)}</title>"


def _legend(graph: Graph) -> str:
    """Return how many stand how, where that is known."""
    told = []
    for state, words in WORDS.items():
        number = sum(node.state == state for node in graph.nodes)
        if number:
            told.append(f"{number} {words}")
    return f'<tspan class="small" dx="12">{_escaped(", ".join(told))}</tspan>' if told else ""


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
