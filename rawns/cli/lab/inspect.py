"""`rawns lab status`, `list`, `export` and `graph`: the verbs that examine a lab."""

from __future__ import annotations

import os
import sys

from ...errors import RawnsError
from ...terminal import printable
from . import count, emit, say
from .resolve import expect_all_up, is_file, lab_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...lab import Lab
    from ...lab.diff import Plan
    from ...lab.host import Host
    from ...lab.interface import Interface
    from ..options import Parsed

    Row = tuple[Host, str, list[tuple[Interface, str]]]
    Notes = dict[Interface, dict[str, Any]]  # what the kernel has of an interface: shape, relay, down

MAX_FULL = 50  # hosts that are all shown; of more, only those that are not up
COLOURS = {"up": "32", "down": "33", "missing": "31", "differs": "35"}
MISSING, NOT_AS_DESCRIBED, UP = "missing", "not as described", "up"


def _on_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _states(plan: Plan, word: str) -> dict[Any, str]:
    """Return the state of each host and interface.  A lab that was read back cannot differ from what it is."""
    states = plan.part_states()
    return dict(states) if is_file(word) else {key: "up" if how == "differs" else how for key, how in states.items()}


# -- status ---------------------------------------------------------------------------------------------------------------


def status(options: Parsed) -> int:
    """Show the state of a lab; exit status 1 if a part of it is not up."""
    word = options.operands[0]
    lab = lab_of(word)
    plan = lab.compare()
    states = _states(plan, word)
    if not is_file(word):
        expect_all_up(lab)
    rows = [(host, states.get(host.label, ""), [(one, states.get(one, "")) for one in host.interfaces]) for host in lab.hosts]
    overall = _overall(plan, rows)
    found, notes = _run_time(plan, word), _notes(plan)
    if found["faults"] and overall == UP:
        overall = NOT_AS_DESCRIBED
    if options["--json"]:
        emit({"lab": lab.name, "state": overall, "hosts": [_host_record(*row, notes) for row in rows], **found})
    else:
        _say_status(lab, overall, rows, notes)
        _say_run_time(found)
    return 0 if overall == UP else 1


def _notes(plan: Plan) -> Notes:
    """Return how each interface sends, if it is shaped, and that it has been set down, or lacks a carrier."""
    from ...lab.readback import shape_words

    found: Notes = {}
    for host in plan.lab.hosts:
        state = plan.states[host.number]
        for one in host.interfaces if state is not None else ():
            there = state.links.get(one.name or "") if state is not None else None
            if state is None or there is None or one.existing:
                continue
            words = shape_words(state.shapes[there.index]) if there.index in state.shapes else {}
            found[one] = {
                "shape": " ".join(f"{word} {value}" for word, value in words.items()) or None,
                "relay": there.index in state.relayed,
                "down": None if there.carrier else "no carrier" if there.up else "set down",
            }
    return found


def _run_time(plan: Plan, word: str) -> dict[str, Any]:
    """Return what has been changed since the lab was brought up, and what its relay carries."""
    faults = {host.label: plan.states[host.number] for host in plan.lab.hosts}
    words = {label: [one.words for one in state.faults] for label, state in faults.items() if state is not None and state.faults}
    found: dict[str, Any] = {"faults": words, "differences": [str(one) for one in plan.changes()] if is_file(word) else []}
    if any(state is not None and state.relayed for state in plan.states):
        from ...lab.relay_process import RelayError, relay_of

        try:
            control = relay_of(plan.lab, start=False)
            pid, lines = control.lines() if control is not None else (0, [])
        except RelayError:
            pid, lines = 0, []
        found["relay"] = {"pid": pid or None, "ports": lines}
    return found


def _say_run_time(found: dict[str, Any]) -> None:
    for line in found["differences"][:MAX_FULL]:
        say(f"  differs: {line}")
    if not found["differences"]:
        for label, words in found["faults"].items():
            say(f"  {label}: {', '.join(words)}")
    if "relay" in found:
        ports = ", ".join(f"{one['host']}:{one['port']} ({one['frames']} frames)" for one in found["relay"]["ports"])
        pid = found["relay"]["pid"]
        how = f"process {pid} carries {ports}" if pid else "it has ended, and its ports send nothing"
        say(f"  relay in place of netem: {how}")


def _overall(plan: Plan, rows: list[Row]) -> str:
    """Return the state of the whole lab: `UP`, or what is wrong with it."""
    from ...lab.discover import lab_state
    from ...lab.lock import owner_state

    stamps = [one.stamp for one in plan.states if one is not None and one.stamp is not None]
    if stamps:
        state = next((one.state for one in stamps if one.state), "")
        found = lab_state(plan.lab.name, state, {one.by: owner_state(one.by) for one in stamps})
        if found.startswith(("being changed", "left")):
            return found
    if all(state == "up" and all(_as_described(one, how) for one, how in ones) for _, state, ones in rows):
        return UP
    return MISSING if all(state == "missing" for host, state, _ in rows if not host.root) else NOT_AS_DESCRIBED


def _as_described(one: Interface, how: str) -> bool:
    """Return whether an interface is in the state it should have: without a carrier if it is to be down, or leads nowhere."""
    return how in ("up", "") or how == "down" and not one.carrier_due


def _host_record(host: Host, state: str, ones: list[tuple[Interface, str]], notes: Notes) -> dict[str, Any]:
    interfaces = [
        {
            "name": one.name,
            "kind": one.kind or None,
            "state": how,
            "addresses": [str(address) for address in one.addresses],
            **notes.get(one, {}),
        }
        for one, how in ones
    ]
    return {"host": host.label, "netns": host.name, "state": state, "interfaces": interfaces}


def _say_status(lab: Lab, overall: str, rows: list[Row], notes: Notes) -> None:
    """Print the state of a lab, a line for each host and interface."""
    print(f"{printable(lab.name)}: {_painted(overall, 'up' if overall == UP else 'missing')}, {count(len(rows), 'host')}")
    shown = 0
    for host, state, ones in rows:
        if len(rows) > MAX_FULL and state == "up" and all(how == "up" for _, how in ones):
            continue
        shown += 1
        print(f"  {printable(host.label):<20} {_painted(state, state)}")
        for one, how in ones:
            name = printable(one.name or "(port)")
            words = [*map(str, one.addresses), *_words(notes.get(one))]
            print(f"    {name:<18} {_painted(f'{how:<8}', how)} {' '.join(words)}".rstrip())
    if len(rows) > MAX_FULL and shown < len(rows):
        print(f"  {len(rows) - shown} {'more ' if shown else ''}hosts are up")


def _words(note: dict[str, Any] | None) -> list[str]:
    """Return what the line of an interface says of it besides its addresses."""
    if note is None:
        return []
    shape = f"({note['shape']}{', by the relay' if note['relay'] else ''})" if note["shape"] else ""
    return [word for word in (shape, f"({note['down']})" if note["down"] else "") if word]


def _painted(text: str, state: str) -> str:
    return f"\x1b[{COLOURS[state]}m{text}\x1b[m" if _on_terminal() and state in COLOURS else text


# -- list -----------------------------------------------------------------------------------------------------------------


def list_labs(options: Parsed) -> int:
    """List the labs on this machine."""
    from ...lab.discover import find_labs

    found = find_labs()
    if options["--json"]:
        emit([{"lab": one.name, "state": one.state, "hosts": one.hosts, "links": one.links} for one in found])
        return 0
    width = max([len(one.name) for one in found], default=0)
    for one in found:
        links = f", {count(len(one.links), 'link')} here" if one.links else ""
        say(f"{one.name:<{width}}  {one.state}, {count(len(one.hosts), 'namespace')}{links}")
    return 0


def export(options: Parsed) -> int:
    """Print the description of a lab as JSON."""
    from ...lab.export import data_of

    emit(data_of(lab_of(options.operands[0])))
    return 0


def why(options: Parsed) -> int:
    """Say why one host does not reach another: ``rawns why``."""
    from ..why import main
    from .resolve import netns_of

    word, *hosts = options.operands
    return main([*(["--json"] if options["--json"] else []), *(netns_of(word, host) for host in hosts)])


# -- graph ----------------------------------------------------------------------------------------------------------------


def graph(options: Parsed) -> int:
    """Draw a lab: as text, or in the format that an option names."""
    kinds = [kind for kind in ("--dot", "--mermaid", "--svg", "--json") if options[kind]]
    word = options.operands[0]
    lab = lab_of(word)
    states = _known_states(lab, word)
    if kinds == ["--json"]:
        emit(_graph_record(lab, states))
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
        text = draw(lab, states, _on_terminal(), plain)
    print(text, end="")
    return 0


def _known_states(lab: Lab, word: str) -> dict[Any, str] | None:
    """Return the states to draw; None if no part of the lab is there, or if this user may not look."""
    try:
        states = _states(lab.compare(), word)
    except RawnsError:
        return None
    planned = is_file(word) and all(state == "missing" for key, state in states.items() if isinstance(key, str) and key != "root")
    return None if planned else states


def _graph_record(lab: Lab, states: dict[Any, str] | None) -> dict[str, Any]:
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
