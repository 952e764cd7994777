"""`rawns lab status`, `list`, `export` and `graph`: the verbs that look.

Floor 7.
"""

from __future__ import annotations

import os
import sys

from ...errors import RawnsError
from . import Usage, emit
from .resolve import is_file, lab_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...lab import Lab
    from ...lab.model import Interface
    from . import Options

MANY = 50  # hosts; of more only those that are not up are shown
COLOURS = {"up": "32", "down": "33", "missing": "31", "differs": "35"}


def _terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _states(lab: Lab, word: str) -> dict[Any, str]:
    """How all of it stands.  One that was read back cannot differ from what it is."""
    states = lab.states()
    return dict(states) if is_file(word) else {key: "up" if how == "differs" else how for key, how in states.items()}


# -- status ---------------------------------------------------------------------------------------------------------------


def _as_described(one: Interface, how: str) -> bool:
    """Whether it stands as it should: what is to be down, or has nobody at its other end, has no carrier either."""
    from ...lab.wait import carrier_due

    return how in ("up", "") or how == "down" and not carrier_due(one)


def status(options: Options) -> int:
    word = options.words[0]
    lab = lab_of(word)
    states = _states(lab, word)
    rows = [(host, states.get(host.label, ""), [(one, states.get(one, "")) for one in host.interfaces]) for host in lab.hosts]
    fine = all(state == "up" and all(_as_described(one, how) for one, how in ones) for _, state, ones in rows)
    overall = (
        "up"
        if fine
        else "not there"
        if all(state == "missing" for host, state, _ in rows if not host.root)
        else "not as described"
    )
    if options.json:
        emit(
            {
                "lab": lab.name,
                "state": overall,
                "hosts": [
                    {
                        "host": host.label,
                        "netns": host.name,
                        "state": state,
                        "interfaces": [
                            {"name": one.name, "kind": one.kind or None, "state": how, "addresses": list(map(str, one.addresses))}
                            for one, how in ones
                        ],
                    }
                    for host, state, ones in rows
                ],
            }
        )
        return 0 if fine else 1
    print(f"{lab.name}: {_painted(overall, 'up' if fine else 'missing')}, {len(rows)} host{'' if len(rows) == 1 else 's'}")
    shown = 0
    for host, state, ones in rows:
        if len(rows) > MANY and state == "up" and all(how == "up" for _, how in ones):
            continue
        shown += 1
        print(f"  {host.label:<20} {_painted(state, state)}")
        for one, how in ones:
            print(f"    {one.name or '(port)':<18} {_painted(f'{how:<8}', how)} {' '.join(map(str, one.addresses))}".rstrip())
    if len(rows) > MANY and shown < len(rows):
        print(f"  {len(rows) - shown} {'more ' if shown else ''}hosts are up")
    return 0 if fine else 1


def _painted(text: str, state: str) -> str:
    words = "not there" if text.strip() == "missing" else text
    return f"\x1b[{COLOURS[state]}m{words}\x1b[m" if _terminal() and state in COLOURS else words


# -- list -----------------------------------------------------------------------------------------------------------------


def list_(options: Options) -> int:
    from ...lab.discover import find_labs

    found = find_labs()
    if options.json:
        emit([{"lab": one.name, "state": one.state, "hosts": one.hosts, "links": one.links} for one in found])
        return 0
    width = max([len(one.name) for one in found], default=0)
    for one in found:
        hosts = f"{len(one.hosts)} namespace{'' if len(one.hosts) == 1 else 's'}"
        links = f", {len(one.links)} link{'' if len(one.links) == 1 else 's'} here" if one.links else ""
        print(f"{one.name:<{width}}  {one.state}, {hosts}{links}")
    return 0


def export(options: Options) -> int:
    from ...lab.export import data_of

    emit(data_of(lab_of(options.words[0])))
    return 0


# -- graph ----------------------------------------------------------------------------------------------------------------


def graph(options: Options) -> int:
    kinds = [kind for kind in ("--dot", "--mermaid", "--svg", "--json") if kind in options.given]
    if len(kinds) > 1:
        raise Usage(f"{' and '.join(kinds)}: one drawing at a time")
    lab = lab_of(options.words[0])
    states = _known(lab, options.words[0])
    if kinds == ["--json"]:
        emit(_record(lab, states))
        return 0
    if kinds == ["--svg"]:
        from ...lab.graph.svg import draw as draw_svg

        text = draw_svg(lab, states)
    elif kinds:
        from ...lab.graph import dot_mermaid

        text = getattr(dot_mermaid, kinds[0][2:])(lab, states)
    else:
        from ...lab.graph.text import draw

        plain = "utf" not in (getattr(sys.stdout, "encoding", None) or "ascii").lower()
        text = draw(lab, states, _terminal(), plain)
    print(text, end="")
    return 0


def _known(lab: Lab, word: str) -> dict[Any, str] | None:
    """How it stands; nothing where it is a plan only, or where we may not look."""
    try:
        states = _states(lab, word)
    except RawnsError:
        return None
    planned = is_file(word) and all(state == "missing" for key, state in states.items() if isinstance(key, str) and key != "root")
    return None if planned else states


def _record(lab: Lab, states: dict[Any, str] | None) -> dict[str, Any]:
    from ...lab.graph import Graph

    found = Graph(lab, states)
    nodes = [{"node": node.number, "name": node.name, "kind": node.kind, "state": node.state or None} for node in found.nodes]
    edges = [
        {
            "kind": edge.kind,
            "ends": [{"node": end.number, "label": label} for end, label in zip(edge.ends, edge.labels)],
            "note": edge.note or None,
            "state": edge.state or None,
        }
        for edge in found.edges
    ]
    return {"lab": lab.name, "nodes": nodes, "edges": edges}
