"""The verbs of `rawns lab` for a file that describes a lab on several machines."""

from __future__ import annotations

import os
from time import monotonic

from ...lab.reachability import Reach
from ...machines import DistributedLab
from ...terminal import printable
from . import Progress, count, duration, emit, emit_result, say, say_result
from .change import MAX_CHANGES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..options import Parsed


def up(options: Parsed) -> int:
    """Bring the lab up on all machines, or change what differs."""
    with DistributedLab.load(options.operands[0]) as lab:
        start = monotonic()
        changes = lab.up(options["--wait"])
        seconds = monotonic() - start
        if options["--json"]:
            emit_result({"ok": True, "lab": lab.lab.name, "seconds": round(seconds, 6), "machines": changes})
            return 0
        total = sum(map(len, changes.values()))
        what = f"{count(len(lab.lab.hosts), 'host')} on {count(len(lab.lab.machines), 'machine')}"
        work = f"{count(total, 'change')} in {duration(seconds)}" if total else "nothing to change"
        if 0 < total <= MAX_CHANGES and not all(any(line.startswith("+ host") for line in lines) for lines in changes.values()):
            _say_lines(changes)
        say_result(f"{lab.lab.name} is up: {what}; {work}")
    return 0


def plan(options: Parsed) -> int:
    """Show what `up` would do on each machine."""
    with DistributedLab.load(options.operands[0]) as lab:
        changes = lab.plan()
        if options["--json"]:
            emit({"ok": True, "lab": lab.lab.name, "machines": changes})
        elif any(changes.values()):
            _say_lines(changes)
        else:
            say(f"{lab.lab.name} is up as it is described; there is nothing to change")
    return 0


def _say_lines(lines: dict[str, list[str]]) -> None:
    for name in sorted(lines):
        for line in lines[name]:
            say(f"{name}: {line}")


def down(options: Parsed) -> int:
    """Remove the lab from all machines."""
    with DistributedLab.load(options.operands[0]) as lab:
        start = monotonic()
        removed = lab.down(options["--wait"])
        seconds = monotonic() - start
        if options["--json"]:
            emit_result({"ok": True, "lab": lab.lab.name, "seconds": round(seconds, 6), "machines": removed})
        elif any(removed.values()):
            total = sum(map(len, removed.values()))
            say_result(f"{lab.lab.name} is down: {count(total, 'name')} removed in {duration(seconds)}")
        else:
            say_result(f"no lab called {lab.lab.name} is up on these machines; nothing was removed")
    return 0


def collect(options: Parsed) -> int:
    """Remove what killed processes have left of labs on all machines."""
    with DistributedLab.load(options.operands[0]) as lab:
        removed = lab.gc()
        if options["--json"]:
            emit_result({"ok": True, "machines": removed})
        elif any(removed.values()):
            for name, lines in sorted(removed.items()):
                for line in lines:
                    say_result(f"{name}: - {line}")
        else:
            say("there was nothing left behind")
    return 0


def status(options: Parsed) -> int:
    """Show the state of each host and interface; exit status 1 if one is not up."""
    with DistributedLab.load(options.operands[0]) as lab:
        found = lab.status()
        if options["--json"]:
            emit({"lab": lab.lab.name, "machines": found})
        else:
            for name in sorted(found):
                _say_machine(name, found[name])
    return 0 if all(not one["differences"] for one in found.values()) else 1


def _say_machine(name: str, found: dict[str, Any]) -> None:
    say(f"machine {name}: {'not as described' if found['differences'] else 'up'}, {count(len(found['hosts']), 'host')}")
    for label, host in found["hosts"].items():
        if host["state"] != "up" or found["differences"]:
            say(f"  {label:<20} {host['state']}")
    for line in found["differences"]:
        say(f"  differs: {line}")


def ping(options: Parsed) -> int:
    """Test every pair that should reach each other, across machines too."""
    from .ping import report

    with DistributedLab.load(options.operands[0]) as lab:
        pairs, complete = Reach(lab.lab).pairs()
        progress = Progress("pairs")
        try:
            results = lab.ask(pairs, options["--timeout"])
        finally:
            progress.end()
        return report(lab.lab, results, complete, options)


def execute(options: Parsed) -> int:
    """Run a command in a host, on its machine; return its exit status."""
    word, host = options.operands
    return _attach(word, host, options.rest)


def shell(options: Parsed) -> int:
    """Start a shell in a host, on its machine; return its exit status."""
    word, host = options.operands
    return _attach(word, host, ["/bin/sh"])


def _attach(word: str, host: str, argv: list[str]) -> int:
    from ...machines.streams import attach

    _open_standard_streams()
    with DistributedLab.load(word) as lab:
        connection, name = lab.connection(host)
        return attach(connection, name, argv)


def _open_standard_streams() -> None:
    """Open /dev/null for each standard stream that is closed, so that no pipe of a connection gets its number."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number


def why(options: Parsed) -> int:
    """Say why one host does not reach another, across machines too."""
    from ...machines.why import why as diagnose

    word, source, target = options.operands
    with DistributedLab.load(word) as lab:
        found = diagnose(lab, source, target, printable(word))
        if options["--json"]:
            emit({"ok": found.ok, "sentence": found.sentence, "remedy": found.remedy or None})
        else:
            print(found)
    return 0 if found else 1
