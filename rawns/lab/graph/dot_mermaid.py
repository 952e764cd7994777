"""A lab in the languages of other drawing programs: Graphviz (dot) and Mermaid."""

from __future__ import annotations

from . import Graph

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..topology import Topology

COLOURS = {"up": "#2e7d32", "down": "#b26a00", "missing": "#c62828", "differs": "#8e24aa", "": "#455a64"}
SHAPES = {"host": "box", "bridge": "ellipse", "outside": "note"}
STYLES = {"wire": "solid", "tunnel": "dashed", "stacked": "dotted", "tap": "dotted", "inside": "bold"}


def dot(lab: Topology, states: Mapping[Any, str] | None = None) -> str:
    """Return for Graphviz: ``rawns lab graph shop.toml --dot | dot -Tpng``."""
    graph = Graph(lab, states)
    lines = [f"graph {_quoted(lab.name)} {{", '  graph [overlap=false, splines=true]; node [fontname="sans-serif"];']
    lines[1] += ' edge [fontname="sans-serif", fontsize=10];'
    for node in graph.nodes:
        label = "\n".join(filter(None, (node.name, node.note, _told(node.state))))
        lines.append(
            f"  n{node.number} [label={_quoted(label)}, shape={SHAPES[node.kind]}, color={_quoted(COLOURS[node.state])}];"
        )
    for edge in graph.edges:
        one, other = edge.ends
        said = {"taillabel": edge.labels[0].replace(" ", "\n"), "headlabel": edge.labels[1].replace(" ", "\n")}
        said.update(label="\n".join(filter(None, (edge.note, _told(edge.state)))), color=COLOURS[edge.state])
        said["style"] = STYLES[edge.kind]
        words = ", ".join(f"{key}={_quoted(value)}" for key, value in said.items() if value)
        lines.append(f"  n{one.number} -- n{other.number} [{words}];")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _told(state: str) -> str:
    return "" if state in ("", "up") else f"({state})"


# -- Mermaid --------------------------------------------------------------------------------------------------------------

BOXES = {"host": ('["', '"]'), "bridge": ('(["', '"])'), "outside": ('>"', '"]')}
ARROWS = {"wire": "---", "tunnel": "-.-", "stacked": "-.-", "tap": "-.-", "inside": "==="}


def mermaid(lab: Topology, states: Mapping[Any, str] | None = None) -> str:
    """Return for Mermaid, as Markdown pages show it."""
    graph = Graph(lab, states)
    lines = ["graph LR"]
    for node in graph.nodes:
        before, after = BOXES[node.kind]
        text = "<br/>".join(_entities(word) for word in (node.name, node.note, _told(node.state)) if word)
        lines.append(f"  n{node.number}{before}{text}{after}")
    for edge in graph.edges:
        one, other = edge.ends
        words = [edge.labels[0], edge.note, edge.labels[1], _told(edge.state)]
        text = "<br/>".join(_entities(word) for word in words if word)
        arrow = ARROWS[edge.kind]
        lines.append(f"  n{one.number} {arrow}" + (f'|"{text}"| ' if text else " ") + f"n{other.number}")
    for state, colour in COLOURS.items():
        mine = [f"n{node.number}" for node in graph.nodes if state and node.state == state]
        if mine:
            lines += [f"  classDef {state} stroke:{colour},stroke-width:2px", f"  class {','.join(mine)} {state}"]
    return "\n".join(lines) + "\n"


def _entities(text: str) -> str:
    for char, entity in (("&", "&amp;"), ('"', "&quot;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(char, entity)
    return text
