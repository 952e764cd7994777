"""The commands that are disturbed, and the states between which each leads, as the real tools see them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import frame

WIRES: list[dict[str, Any]] = [{"ends": ["r 10.0.1.1/24", "a 10.0.1.2/24"]}, {"ends": ["r 10.0.2.1/24", "b 10.0.2.2/24"]}]
LAB = {
    "hosts": {
        "r": {"forward": True, "nat": {"out": "eth1"}},
        "a": {"run": "true", "nameservers": "10.0.0.9", "routes": ["default via 10.0.1.1"]},
        "b": {},
    },
    "wires": WIRES,
}
CHANGED = {
    "hosts": {"r": {"forward": True}, "a": {"nameservers": "10.0.0.7"}, "c": {"routes": ["default via 10.0.3.1"]}},
    "wires": [WIRES[0], {"ends": ["r 10.0.3.1/24", "c 10.0.3.2/24"]}],
}
NEW = ("10.0.3.", ".c\n", "10.0.0.7")  # what only the changed lab has


class Verb:
    """A command line; the state before it, the state after its success, and the states that its failure may leave.

    A failure that may leave a ``rest`` is a removal: the same command must remove the rest.
    """

    def __init__(self, before: str, after: str, failed: str, *argv: str, rest: bool = False) -> None:
        self.before, self.after, self.failed, self.argv, self.rest = before, after, failed, argv, rest


VERBS = {
    "create": Verb("nothing", "name", "nothing", "ip", "netns", "add", "NAME"),
    "delete": Verb("name", "nothing", "name", "ip", "netns", "del", "NAME", rest=True),
    "up": Verb("nothing", "lab", "nothing", "lab", "up", "LAB"),
    "change": Verb("lab", "changed", "lab", "lab", "up", "CHANGED"),
    "down": Verb("lab", "nothing", "lab", "lab", "down", "PREFIX", rest=True),
    "run": Verb("nothing", "nothing", "nothing", "lab", "run", "LAB", "--", "true"),
    "exec": Verb("lab", "lab", "lab", "lab", "exec", "PREFIX", "a", "true"),
}


class Bench:
    """Names and files for the verbs; ``prefix`` is the lab's name.  `state` is one of four words, or what the tools show."""

    def __init__(self, prefix: str, folder: Path) -> None:
        self.prefix = prefix
        self.words = {"NAME": f"{prefix}.x", "PREFIX": prefix}
        for word, description in (("LAB", LAB), ("CHANGED", CHANGED)):
            path = folder / f"{word.lower()}.json"
            path.write_text(json.dumps({"name": prefix, **description}))
            self.words[word] = str(path)
        self.known = {"": "nothing"}
        for state, verb in (("name", "create"), ("lab", "up"), ("changed", "change")):
            ended = frame.rawns(*self.argv(verb))
            assert ended.status == 0, ended
            self.known[frame.state(prefix)] = state
            self.clear()
        assert len(self.known) == 4, self.known

    def argv(self, verb: str) -> list[str]:
        """Return the words of a command line behind ``rawns``."""
        return [self.words.get(word, word) for word in VERBS[verb].argv]

    def state(self) -> str:
        """Return the state's word, or what the tools show if it has none."""
        shown = frame.state(self.prefix)
        return self.known.get(shown, shown)

    def clear(self) -> None:
        """Remove everything, without rawns."""
        frame.wipe(self.prefix)

    def prepare(self, verb: str) -> None:
        """Make the state that a verb begins with."""
        self.clear()
        before = VERBS[verb].before
        if before != "nothing":
            ended = frame.rawns(*self.argv("create" if before == "name" else "up"))
            assert ended.status == 0, ended

    def disturbed(self, verb: str, disturb: Callable[[], Any]) -> frame.Ended:
        """Run a verb in a forked child in which ``disturb`` is called first."""

        def child() -> None:
            with disturb():
                frame.run_rawns(*self.argv(verb))

        return frame.forked(child)

    def problem(self, verb: str, ended: frame.Ended, killed: bool = False) -> str:
        """Return what is wrong with how a verb has ended, and with what it has left; empty if nothing is.

        What a killed process has left, and what a failed removal has, is removed or completed first.
        """
        made = VERBS[verb]
        left = self.state()
        if ended.crashed or ended.status == 1000:
            return f"crashed or hanged: {ended}"
        if ended.status == 0:
            return "" if left == made.after else f"it succeeded and left: {left}"
        if made.rest and left not in ("nothing", made.failed):
            again = frame.rawns(*self.argv(verb))
            left = self.state()
            return "" if left == "nothing" else f"failed ({ended}); a second attempt ({again}) left: {left}"
        if verb == "change" and not any(new in left for new in NEW):  # a link that it has removed is not created again
            again = frame.rawns("lab", "up", self.words["LAB"])
            left = self.state()
            return "" if left == "lab" else f"failed ({ended}); `up` with the former file ({again}) left: {left}"
        return "" if left in (made.failed, made.after) else f"failed ({ended}) and left: {left}"


def number_of(report: frame.Report, usual: int) -> int:
    """Return how many cases are to be tried."""
    return report.count or usual


def pid_bench(folder: Path) -> Bench:
    """Return a bench whose names no other process uses."""
    return Bench(f"c{os.getpid()}", folder)
