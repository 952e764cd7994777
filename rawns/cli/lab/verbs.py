"""`rawns lab up`, `down`, `plan` and `gc`: the verbs that change something, and the one that says what would change.

Floor 7.
"""

from __future__ import annotations

import sys
from time import monotonic

from . import emit
from .resolve import is_file, lab_of, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ...lab import Lab
    from ...lab.diff import Change
    from . import Options

BLINK = 0.3  # seconds in which nobody wants to be told how far it is
TOLD = 40  # changes that are told one by one


def up(options: Options) -> int:
    lab = _described(options.words[0])
    start = monotonic()
    progress = Progress("hosts")
    try:
        changes = lab.up(options.seconds("--wait"), progress.told)
    finally:
        progress.end()
    seconds = monotonic() - start
    if options.json:
        emit({"ok": True, "lab": lab.name, "seconds": round(seconds, 6), "changes": [_record(lab, one) for one in changes]})
        return 0
    made = sum(1 for one in changes if one.sign == "+" and one.what.startswith("host "))
    if made < len(lab.hosts):
        _tell(changes)
    what = f"{_hosts(lab)}, {_count(len(lab.wires), 'wire')}"
    print(f"{lab.name} is up: {what}; {_work(changes)}" + (f" in {_time(seconds)}" if changes else ""))
    return 0


def plan(options: Options) -> int:
    lab = _described(options.words[0])
    changes = lab.plan()
    if options.json:
        emit({"ok": True, "lab": lab.name, "changes": [_record(lab, one) for one in changes]})
    elif changes:
        for one in changes:
            print(one)
    else:
        print(f"{lab.name} is up as it is described; there is nothing to change")
    return 0


def down(options: Options) -> int:
    from ...lab.discover import remove_lab

    name = name_of(options.words[0])
    start = monotonic()
    gone = remove_lab(name, options.seconds("--wait"))
    seconds = monotonic() - start
    if options.json:
        emit({"ok": True, "lab": name, "seconds": round(seconds, 6), "removed": gone})
    elif gone:
        print(f"{name} is down: {_count(len(gone), 'name')} gone in {_time(seconds)}")
    else:
        print(f"no lab called {name} is up; nothing was taken away")
    return 0


def gc(options: Options) -> int:
    from ...lab.discover import collect_garbage

    gone = collect_garbage()
    if options.json:
        emit({"ok": True, "removed": gone})
    else:
        print("".join(f"- {one}\n" for one in gone) or "there was nothing left behind\n", end="")
    return 0


def _described(word: str) -> Lab:
    from . import stop

    if not is_file(word):
        stop(f"{word} is no file: `up` and `plan` take a description, a path with a dot or a slash in it")
    return lab_of(word)


# -- what is said ---------------------------------------------------------------------------------------------------------


def _record(lab: Lab, change: Change) -> dict[str, Any]:
    line = getattr(change.where, "line", 0)
    place = {"where": str(change.where), **({"line": line} if line else {})} if change.where else {}
    return {"sign": change.sign, "what": change.what, **place}


def _tell(changes: Sequence[Change]) -> None:
    for one in changes[:TOLD]:
        print(one)
    if len(changes) > TOLD:
        print(f"... and {len(changes) - TOLD} more")


def _work(changes: Sequence[Change]) -> str:
    return _count(len(changes), "change") if changes else "nothing to change"


def _hosts(lab: Lab) -> str:
    return _count(sum(not host.root for host in lab.hosts), "host")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


class Progress:
    """How far it is, on a terminal, for what takes longer than a blink."""

    def __init__(self, what: str) -> None:
        self._what, self._start, self._last, self._shown = what, monotonic(), 0.0, False
        self._terminal = sys.stderr is not None and sys.stderr.isatty()

    @property
    def told(self) -> Callable[[int, int], object] | None:
        """What to call with what is done and of how much; None where nobody looks."""
        return self._tell if self._terminal else None

    def _tell(self, done: int, total: int) -> None:
        now = monotonic()
        if now - self._start > BLINK and now - self._last > 0.05:
            self._last, self._shown = now, True
            print(f"\r{done} of {total} {self._what} ", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
