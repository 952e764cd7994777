"""`rawns lab up`, `down`, `plan` and `gc`: the verbs that change something, and the one that shows what would change."""

from __future__ import annotations

import sys
from time import monotonic

from ...terminal import printable
from . import Progress, count, duration, emit, emit_result, say, say_left_alone, say_result, stop
from .resolve import is_file, lab_of, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ...lab import Lab
    from ...lab.change import Change
    from ..options import Parsed

MAX_CHANGES = 40  # that are shown one by one


def up(options: Parsed) -> int:
    """Bring a lab up, or change what differs from its description."""
    lab = _described(options.operands[0])
    _announce_wait(lab.name)
    start = monotonic()
    progress = Progress("hosts")
    try:
        changes = lab.up(options["--wait"], progress.callback)
    finally:
        progress.end()
    seconds = monotonic() - start
    if options["--json"]:
        emit_result({"ok": True, "lab": lab.name, "seconds": round(seconds, 6), "changes": [_record(one) for one in changes]})
        return 0
    made = sum(1 for one in changes if one.sign == "+" and one.what.startswith("host "))
    if made < len(lab.hosts):
        _show(changes)
    what = f"{count(sum(not host.root for host in lab.hosts), 'host')}, {count(len(lab.wires), 'wire')}"
    work = f"{count(len(changes), 'change')} in {duration(seconds)}" if changes else "nothing to change"
    say_result(f"{lab.name} is up: {what}; {work}")
    return 0


def plan(options: Parsed) -> int:
    """Show what `up` would do."""
    lab = _described(options.operands[0])
    changes = lab.plan()
    if options["--json"]:
        emit({"ok": True, "lab": lab.name, "changes": [_record(one) for one in changes]})
    elif changes:
        for one in changes:
            say(str(one))
    else:
        say(f"{lab.name} is up as it is described; there is nothing to change")
    return 0


def down(options: Parsed) -> int:
    """Remove a lab."""
    from ...lab.discover import remove_lab

    name = name_of(options.operands[0])
    _announce_wait(name)
    start = monotonic()
    removed = remove_lab(name, options["--wait"])
    seconds = monotonic() - start
    say_left_alone(name)
    if options["--json"]:
        emit_result({"ok": True, "lab": name, "seconds": round(seconds, 6), "removed": removed})
    elif removed:
        say_result(f"{name} is down: {count(len(removed), 'name')} removed in {duration(seconds)}")
    else:
        say_result(f"no lab called {name} is up; nothing was removed")
    return 0


def collect(options: Parsed) -> int:
    """Remove what killed processes have left of labs."""
    from ...lab.discover import collect_garbage

    removed = collect_garbage()
    if options["--json"]:
        emit_result({"ok": True, "removed": removed})
    else:
        for one in removed:
            say_result(f"- {one}")
        if not removed:
            say("there was nothing left behind")
    return 0


def _described(word: str) -> Lab:
    """Return the lab that a file describes.  Raises `RawnsError` if the word is not a path."""
    if not is_file(word):
        stop(f"{printable(word)} is not the path of a file: `up` and `plan` take a path with a dot or a slash in it")
    return lab_of(word)


def _announce_wait(name: str) -> None:
    """Say on a terminal which process is changing the lab, since the command waits for it."""
    if sys.stderr is not None and sys.stderr.isatty():
        from ...lab.lock import lab_is_locked
        from ...lab.stamp import check_lab_name

        holder = lab_is_locked(check_lab_name(name))
        if holder:
            print(f"rawns: waiting for {holder}, which is changing {printable(name)}", file=sys.stderr, flush=True)


def _record(change: Change) -> dict[str, Any]:
    """Return a change as JSON: its sign, what it is, and the place in the description."""
    line = getattr(change.where, "line", 0)
    place = {"where": str(change.where), **({"line": line} if line else {})} if change.where else {}
    return {"sign": change.sign, "what": change.what, **place}


def _show(changes: Sequence[Change]) -> None:
    for one in changes[:MAX_CHANGES]:
        say(str(one))
    if len(changes) > MAX_CHANGES:
        print(f"... and {len(changes) - MAX_CHANGES} more")
