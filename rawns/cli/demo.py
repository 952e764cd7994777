"""`rawns demo`: two computers, one cable: the story of `story`, told as it happens.

Floor 7.  By root it happens under the machine's own /run/netns; by anyone else in a user namespace made for it.
"""

from __future__ import annotations

import os
import sys

from .options import Command, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .demo_steps import Step, Story

COMMAND = Command(
    "demo",
    "Two network namespaces, a veth pair, ping both ways and a chat over TCP, step by step.",
    options=(
        Option("--explain", help="name every system call and every byte of every message"),
        Option("--keep", help="leave the result in place, to be explored (root only)"),
        Option("--json", help="for programs: one object, with each step's facts"),
    ),
    details="Exit status: 0 if every step happened, 1 if one failed, 2 if the command line is wrong.",
)


def main(argv: list[str]) -> int:
    options = COMMAND.parse(argv)
    from ..errors import RawnsError

    tell = _Json() if options["--json"] else _Text()
    try:
        return _tell(tell, options["--explain"], options["--keep"])
    except RawnsError as error:  # before the story, or while cleaning up after it
        tell.failed(str(error))
        raise


def _tell(tell: _Json | _Text, explain: bool, keep: bool) -> int:
    from .. import rootless
    from ..errors import RawnsError

    inside = not rootless.privileged()
    who = f"user {os.geteuid()}, in a user namespace of its own" if inside else "root"
    if inside:
        if keep:
            raise RawnsError("--keep needs root: what an ordinary user makes ends with its process (see `rawns rootless`)")
        rootless.enter()
    tell.begin(who)
    from .demo_steps import Story

    with Story(explain) as story:
        for step in story.steps(keep):
            try:
                step.tell(story)
            except RawnsError as error:
                return tell.broken(step, str(error))
            tell.step(step)
        if keep:
            story.keep()
    tell.end(story, keep)
    return 0


class _Text:
    """For people: each step as soon as it is over."""

    def __init__(self) -> None:
        self._number, self._total = 0, 0.0

    def begin(self, who: str) -> None:
        print(f"Two computers, one cable.  Linux {os.uname().release}, as {who}.\n", flush=True)

    def step(self, step: Step) -> None:
        self._number += 1
        self._total += step.microseconds
        print(f"{self._number:2}. {step.title:<58} {step.microseconds:9.0f} us")
        for command in step.ip:
            print(f"    $ {command}")
        for line in step.lines:
            print(f"      {line}")
        self._explain(step)
        print(flush=True)

    def _explain(self, step: Step) -> None:
        from ..explain import call

        for event in step.events:
            for line in call(event):
                print(f"    | {line}")

    def failed(self, why: str) -> None:
        sys.stdout.flush()  # the sentence itself is said by whoever called us

    def broken(self, step: Step, why: str) -> int:
        self._explain(step)
        sys.stdout.flush()
        print(f"rawns demo: step {self._number + 1}, {step.title!r}, failed: {why}", file=sys.stderr)
        return 1

    def end(self, story: Story, keep: bool) -> None:
        print(f"All of it happened, in {self._total / 1000:.1f} ms.")
        if keep:
            one, two = story.names
            print(
                f"It is still there.  Enter it:  python3 -m rawns ip netns exec {one} sh\n"
                f"Remove it:  python3 -m rawns ip netns del {one}; python3 -m rawns ip netns del {two}"
            )


class _Json:
    """For programs: one object, at the end, whatever the end is; ``ok`` says which."""

    def __init__(self) -> None:
        self._steps: list[dict[str, object]] = []
        self._report: dict[str, object] = {"kernel": os.uname().release, "as": None, "ok": False, "steps": self._steps}

    def begin(self, who: str) -> None:
        self._report["as"] = who

    def step(self, step: Step) -> None:
        self._steps.append(self._told(step))

    @staticmethod
    def _told(step: Step) -> dict[str, object]:
        from ..explain import record

        told: dict[str, object] = {"title": step.title, "ip": step.ip, "microseconds": round(step.microseconds, 1)}
        told.update(lines=step.lines, facts=step.facts)
        if step.events:
            told["calls"] = [record(event) for event in step.events]
        return told

    def _print(self) -> None:
        import json

        print(json.dumps(self._report, indent=2))

    def failed(self, why: str) -> None:
        self._report.update(ok=False, error=why)
        self._print()

    def broken(self, step: Step, why: str) -> int:
        self._report["failed"] = {**self._told(step), "error": why}
        self.failed(why)
        print(f"rawns demo: {step.title!r} failed: {why}", file=sys.stderr)
        return 1

    def end(self, story: Story, keep: bool) -> None:
        self._report["ok"] = True
        if keep:
            self._report["namespaces"] = story.names
        self._print()
