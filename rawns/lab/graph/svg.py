"""A lab as a picture: one SVG file without references, for light and dark screens.

Each tree grows from left to right, with a row for each leaf; the text at the ends of a wire stands on it, the interface above
and its addresses below.  A wire that closes a circle has a row of its own at both ends, and both lead to a lane to the right
of all boxes: no line crosses a box.
"""

from __future__ import annotations

from . import STATES, Graph, span, trees

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ..topology import Topology
    from . import Branch, Edge, Node

CHAR, LINE = 6.7, 14  # pixels: the width of a character of the small monospaced text, and the height of a line
NAME_CHAR = 8.6  # pixels: the width of a character of a name
MARGIN, TITLE, TRUNK, PAD = 24, 56, 22, 12
LANE, BEHIND = 14, 8  # pixels between lanes, and by which the last of several boxes lies behind the first
SAMPLE = 34  # pixels: the width of a line or a box in the legend
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
  .stacked { stroke-dasharray: 2 3; }
  .tap { stroke-dasharray: 8 3 2 3; }
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
LINES = {"wire": "wire", "tunnel": "tunnel", "stacked": "stands on", "tap": "program", "inside": "bridge in a host"}
BOXES = {"host": "host", "bridge": "bridge", "outside": "outside of the lab"}


def draw(lab: Topology, states: Mapping[Any, str] | None = None) -> str:
    """Return the picture, as a document of its own."""
    return _Picture(Graph(lab, states)).document()


class _Box:
    """A branch and its place: the left edge and the middle in pixels, its size, and the rows of its wires across."""

    __slots__ = ("across", "below", "branch", "depth", "height", "lines", "parent", "room", "width", "x", "y")

    def __init__(self, branch: Branch, depth: int, parent: _Box | None) -> None:
        self.branch, self.depth, self.parent = branch, depth, parent
        self.below: list[_Box] = []
        self.across: list[_Row] = []
        self.x = self.y = self.room = 0.0
        node, crowd = branch.node, branch.crowd
        name = f"{span([one.node.name for one in crowd])} ({len(crowd)})" if crowd else node.name
        self.lines = [name, *node.note.split()]
        self.width = max(NAME_CHAR * len(name), *(CHAR * len(line) for line in self.lines)) + 2 * PAD
        self.height = 2 * PAD + LINE * len(self.lines)

    def far(self) -> list[str]:
        """Return the text on the wire at this end: the interface, then its addresses."""
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
        """Return the text on the wire at its parent's end."""
        edge = self.branch.edge
        return edge.label(edge.other(self.branch.node)).split() if edge is not None else []

    def row_height(self) -> float:
        """Return the height that it needs by itself, with the text on the wire that leads to it."""
        behind = 2 * BEHIND if self.branch.crowd else 0
        return max(self.height + behind, 2 * LINE * max(1, len(self.far()), len(self.near()))) + PAD


class _Row:
    """The row of one end of a wire that closes a circle."""

    __slots__ = ("edge", "words", "y")

    def __init__(self, edge: Edge, words: list[str]) -> None:
        self.edge, self.words, self.y = edge, words, 0.0

    def height(self) -> float:
        """Return the height of the row."""
        return 2.0 * LINE * max(1, len(self.words)) + PAD


class _Picture:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._boxes: list[_Box] = []
        self._by_node: dict[int, _Box] = {}
        self._lanes: list[tuple[_Box, _Row, _Box, _Row]] = []
        roots = [self._grow(tree) for tree in trees(graph)]
        self._pair_rows()
        bottom = float(TITLE)
        for root in roots:
            self._measure(root)
            self._place(root, bottom)
            bottom += root.room
        self._columns()
        self._bottom = bottom + PAD

    # -- where things stand -------------------------------------------------------------------------------------------

    def _grow(self, tree: Branch) -> _Box:
        """Create the boxes of a tree, each before those below it."""
        root = _Box(tree, 0, None)
        waiting = [root]
        while waiting:
            box = waiting.pop()
            self._boxes.append(box)
            for branch in box.branch.crowd or [box.branch]:
                self._by_node[branch.node.number] = box
            box.below = [_Box(branch, box.depth + 1, box) for branch in box.branch.branches]
            waiting += reversed(box.below)
        return root

    def _pair_rows(self) -> None:
        """Give each wire that closes a circle a row at both of its ends."""
        for box in self._boxes:
            for edge in box.branch.across:
                node = box.branch.node
                other = self._by_node[edge.other(node).number]
                near, far = _Row(edge, edge.label(node).split()), _Row(edge, edge.beyond(node).split())
                box.across.append(near)
                other.across.append(far)
                self._lanes.append((box, near, other, far))

    def _measure(self, root: _Box) -> None:
        """Set the height of each band: that of a box, or of all that is below it."""
        for box in reversed(_all(root)):
            inside = sum(one.room for one in box.below) + sum(row.height() for row in box.across)
            box.room = max(box.row_height(), inside)

    def _place(self, root: _Box, top: float) -> None:
        """Set the place of each box down the page: in the middle of its band, what is below it from the top of the band."""
        tops = {id(root): top}
        for box in _all(root):
            start = tops[id(box)]
            box.y = start + box.room / 2
            inside = sum(one.room for one in box.below) + sum(row.height() for row in box.across)
            place = start + (box.room - inside) / 2
            for one in box.below:
                tops[id(one)] = place
                place += one.room
            for row in box.across:
                row.y = place + row.height() / 2
                place += row.height()

    def _columns(self) -> None:
        """Set the place of each column: right of the widest box before it, and of the longest text on a wire."""
        columns: dict[int, list[_Box]] = {}
        for box in self._boxes:
            columns.setdefault(box.depth, []).append(box)
        x = float(MARGIN)
        for depth in sorted(columns):
            if depth:
                x += TRUNK + max(_length(box) for box in columns[depth])
            for box in columns[depth]:
                box.x = x
            x += max(box.width for box in columns[depth]) + BEHIND
        rows = [(box, row) for box in self._boxes for row in box.across]
        self._right = max([x, *(_trunk(box) + 30 + _wide(row.words) + _wide([row.edge.note]) for box, row in rows)])

    # -- how they look ------------------------------------------------------------------------------------------------

    def document(self) -> str:
        """Return the whole picture."""
        body: list[str] = []
        for number, lane in enumerate(self._lanes):
            body += self._lane(self._right + 20 + LANE * number, *lane)
        for box in self._boxes:
            body += _wire(box)
        for box in self._boxes:
            body += _drawn(box)
        legend, legend_width = self._legend(self._bottom + LINE)
        right = self._right + (30 + LANE * len(self._lanes) if self._lanes else 0)
        title = f"{self._graph.name}{_counts(self._graph)}"
        title_width = 10.5 * len(self._graph.name) + CHAR * 60 * bool(_counts(self._graph))
        width, height = max(right, legend_width, title_width) + MARGIN, self._bottom + 3 * LINE + MARGIN
        size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
        name = _escaped(self._graph.name)
        title = f'<text class="title" x="{MARGIN}" y="32">{name}{_counts(self._graph)}</text>'
        return "\n".join([head, f"<title>{name}</title>", f"<style>{STYLE}</style>", title, *body, *legend, "</svg>"]) + "\n"

    def _lane(self, x: float, one: _Box, near: _Row, other: _Box, far: _Row) -> list[str]:
        """Draw a wire that closes a circle: along its two rows, and a lane to the right of everything."""
        edge, start, end = near.edge, _trunk(one), _trunk(other)
        path = f"M{_edge_of(one):.1f} {one.y:.1f}H{start:.1f}V{near.y:.1f}H{x:.1f}V{far.y:.1f}H{end:.1f}"
        path += f"V{other.y:.1f}H{_edge_of(other):.1f}"
        lines = [f'<path class="line {edge.kind} {edge.state}" d="{path}"/>']
        lines += _written(near.words, start + 6, near.y, "start") + _written(far.words, end + 6, far.y, "start")
        return lines + (_written([edge.note], self._right, near.y, "end") if edge.note else [])

    def _legend(self, y: float) -> tuple[list[str], float]:
        """Draw what the shapes, lines and colours mean, as far as the picture has them; return it and where it ends."""
        kinds = {node.kind for node in self._graph.nodes}
        lines = {edge.kind for edge in self._graph.edges}
        states = {node.state for node in self._graph.nodes} | {edge.state for edge in self._graph.edges}
        x, found = float(MARGIN), ['<g class="legend">']
        for kind, words in BOXES.items():
            if kind in kinds:
                corner = LINE / 2 if kind == "bridge" else 3
                size = f'width="{SAMPLE}" height="{LINE}" rx="{corner:.1f}"'
                found.append(f'<rect class="box {kind}" x="{x:.1f}" y="{y - LINE / 2:.1f}" {size}/>')
                x = self._said(found, words, x, y)
        for kind, words in LINES.items():
            if kind in lines:
                found.append(f'<path class="line {kind}" d="M{x:.1f} {y:.1f}H{x + SAMPLE:.1f}"/>')
                x = self._said(found, words, x, y)
        for state in STATES:
            if state in states:
                found.append(f'<path class="line {state}" d="M{x:.1f} {y:.1f}H{x + SAMPLE:.1f}"/>')
                x = self._said(found, state, x, y)
        return [*found, "</g>"], x

    @staticmethod
    def _said(found: list[str], words: str, x: float, y: float) -> float:
        """Add the text behind a sample of the legend; return where the next sample begins."""
        found.append(f'<text class="small" x="{x + SAMPLE + 6:.1f}" y="{y + 4:.1f}">{words}</text>')
        return x + SAMPLE + 6 + CHAR * len(words) + 18


def _all(root: _Box) -> list[_Box]:
    """Return a box and all below it, each before those below it."""
    found = [root]
    for box in found:
        found += box.below
    return found


def _edge_of(box: _Box) -> float:
    """Return the right edge of a box, and of those behind it."""
    return box.x + box.width + (BEHIND if box.branch.crowd else 0)


def _trunk(box: _Box) -> float:
    """Return where the lines of a box that lead to the right branch."""
    return _edge_of(box) + TRUNK


def _wire(box: _Box) -> list[str]:
    """Draw the line from its parent to a box."""
    parent, edge = box.parent, box.branch.edge
    if parent is None or edge is None:
        return []
    trunk = _trunk(parent)
    path = f"M{parent.x + parent.width:.1f} {parent.y:.1f}H{trunk:.1f}V{box.y:.1f}H{box.x:.1f}"
    lines = [f'<path class="line {edge.kind} {edge.state}" d="{path}"/>']
    lines += _written(box.near(), trunk + 6, box.y, "start")
    lines += _written(box.far(), box.x - 6, box.y, "end")
    if edge.note:
        left, right = trunk + 6 + _wide(box.near()), box.x - 6 - _wide(box.far())
        lines += _written([edge.note], (left + right) / 2, box.y, "middle")
    return lines


def _length(box: _Box) -> float:
    """Return how long the wire before a box has to be for the text on it."""
    edge = box.branch.edge
    note = CHAR * len(edge.note) + 24 if edge is not None and edge.note else 0
    return max(60.0, _wide(box.near()) + note + _wide(box.far()) + 36)


def _wide(words: Sequence[str]) -> float:
    """Return the width of the longest of several words."""
    return max((CHAR * len(word) for word in words), default=0.0)


def _written(words: Sequence[str], x: float, y: float, anchor: str) -> list[str]:
    """Write the first word above a line, the others below it."""
    places = [y - 5, *(y + 13 + LINE * number for number in range(len(words) - 1))]
    return [
        f'<text class="small" text-anchor="{anchor}" x="{x:.1f}" y="{place:.1f}">{_escaped(word)}</text>'
        for word, place in zip(words, places)
    ]


def _drawn(box: _Box) -> list[str]:
    """Draw a box; several that stand for many hosts lie behind each other."""
    node = box.branch.node
    lines = []
    corner = box.height / 2 if node.kind == "bridge" else 5
    for behind in (BEHIND, BEHIND // 2, 0) if box.branch.crowd else (0,):
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
    """Return what a browser shows when the pointer is on a box."""
    words = f"{node.name}: {node.kind}" + (f", {node.state}" if node.state else "")
    return f"<title>{_escaped(words)}</title>"


def _counts(graph: Graph) -> str:
    """Return how many hosts, bridges and connections are in each state, if that is known."""
    told = []
    for state in STATES:
        number = sum(node.state == state for node in graph.nodes)
        number += sum(edge.state == state for edge in graph.edges if edge.kind != "inside")
        if number:
            told.append(f"{number} {state}")
    return f'<tspan class="small" dx="12">{_escaped(", ".join(told))}</tspan>' if told else ""


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
