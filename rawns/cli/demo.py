"""`rawns demo`: two network namespaces, connected, tried and removed, step by step; the steps are in `demo_steps`.

Root runs it under the machine's /run/netns; other users run it in a user namespace made for it.
"""

from __future__ import annotations

import os
import sys

from .options import Command, Option
from .output import complain, report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .demo_steps import Demo, DemoStep

COMMAND = Command(
    "demo",
    "Two network namespaces, a veth pair, ping both ways and a chat over TCP, step by step.",
    options=(
        Option(
            "--explain",
            help="name every system call that rawns makes, and every byte of every message (not the calls of Python itself: "
            "memory, threads, signal masks, standard output)",
        ),
        Option("--keep", help="leave the result in place, to be explored (root only)"),
        Option("--json", help="for programs: one object, with each step's facts"),
    ),
    details="Exit status: 0 if every step succeeded, 1 if one failed, 2 if the command line is wrong.",
)


def main(argv: list[str]) -> int:
    """Run ``rawns demo``; return the exit status."""
    options = COMMAND.parse(argv)
    from ..errors import RawnsError
    from . import signals

    signals.once()
    output = JsonOutput() if options["--json"] else TextOutput(options["--explain"])
    try:
        return _run(output, options["--explain"], options["--keep"])
    except RawnsError as error:  # before the first step, or while cleaning up after the last
        output.failed(str(error))
        raise


def _run(output: JsonOutput | TextOutput, explain: bool, keep: bool) -> int:
    from .. import rootless
    from ..errors import RawnsError

    inside = not rootless.privileged()
    user = f"user {os.geteuid()}, in a user namespace of its own" if inside else "root"
    if inside:
        if keep:
            raise RawnsError("--keep needs root: what an ordinary user makes ends with its process (see `rawns rootless`)")
        rootless.enter()
    output.begin(user)
    from .. import explain as _  # noqa: F401  (imported now, so that no step pays for it)
    from .demo_steps import Demo

    demo = Demo(explain)
    try:
        try:
            return _run_steps(demo, output, keep)
        finally:
            demo.clean_up()
    finally:
        demo.clean_up()  # a signal may have raised its exception at the beginning of the first call, but it does so once


def _run_steps(demo: Demo, output: JsonOutput | TextOutput, keep: bool) -> int:
    from ..errors import RawnsError

    demo.preparation.run(demo)
    output.prepared(demo.preparation)
    for step in demo.steps(keep):
        try:
            step.run(demo)
        except RawnsError as error:
            return output.broken(step, str(error))
        output.step(step)
    if keep:
        demo.keep()
    output.end(demo, keep)
    return 0


class TextOutput:
    """Output to read: each step as soon as it is over."""

    def __init__(self, explain: bool) -> None:
        self._number, self._total, self._explained = 0, 0.0, explain

    def begin(self, user: str) -> None:
        """Say under which kernel and as whom the steps run."""
        print(f"Two network namespaces and a veth pair.  Linux {os.uname().release}, as {user}.\n", flush=True)

    def prepared(self, step: DemoStep) -> None:
        """Explain what is done before the first step."""
        if self._explained:
            print(f" 0. {step.title}")
            self._explain(step)
            print(flush=True)

    def step(self, step: DemoStep) -> None:
        """Show a step that has succeeded."""
        self._number += 1
        self._total += step.microseconds
        print(f"{self._number:2}. {step.title:<58} {step.microseconds:9.0f} us")
        for command in step.ip:
            print(f"    $ {command}")
        for line in step.lines:
            print(f"      {line}")
        self._explain(step)
        print(flush=True)

    def _explain(self, step: DemoStep) -> None:
        from ..explain import call

        for event, thread in step.calls:
            for number, line in enumerate(call(event)):
                print(f"    | [{thread}] {line}" if thread and not number else f"    | {line}")

    def failed(self, why: str) -> None:
        """Prepare for the message that `main` writes to standard error."""
        sys.stdout.flush()

    def broken(self, step: DemoStep, why: str) -> int:
        """Say which step has failed; return the exit status."""
        self._explain(step)
        sys.stdout.flush()
        complain(f"rawns demo: step {self._number + 1}, {step.title!r}, failed: {why}")
        return 1

    def end(self, demo: Demo, keep: bool) -> None:
        """Say that all steps have succeeded, and what has been left in place."""
        if not keep:
            print(f"All {self._number} steps succeeded, in {self._total / 1000:.1f} ms.")
            return
        one, two = demo.names
        report(
            f"All {self._number} steps succeeded, in {self._total / 1000:.1f} ms, and {one} and {two} are still there.\n"
            f"Enter one:  python3 -m rawns ip netns exec {one} sh\n"
            f"Remove both:  python3 -m rawns ip netns del {one}; python3 -m rawns ip netns del {two}"
        )


class JsonOutput:
    """Output for programs: one object at the end, whatever the end is; ``ok`` says which."""

    def __init__(self) -> None:
        self._steps: list[dict[str, object]] = []
        self._report: dict[str, object] = {"kernel": os.uname().release, "as": None, "ok": False, "steps": self._steps}

    def begin(self, user: str) -> None:
        """Record as whom the steps run."""
        self._report["as"] = user

    def prepared(self, step: DemoStep) -> None:
        """Record what is done before the first step, if its calls are explained."""
        if step.calls:
            self._report["preparation"] = self._record(step)

    def step(self, step: DemoStep) -> None:
        """Record a step that has succeeded."""
        self._steps.append(self._record(step))

    @staticmethod
    def _record(step: DemoStep) -> dict[str, object]:
        from ..explain import record

        told: dict[str, object] = {"title": step.title, "ip": step.ip, "microseconds": round(step.microseconds, 1)}
        told.update(lines=step.lines, facts=step.facts)
        if step.calls:
            told["calls"] = [{**record(event), "thread": thread or "main"} for event, thread in step.calls]
        return told

    def _print(self) -> None:
        import json

        report(json.dumps(self._report, indent=2))

    def failed(self, why: str) -> None:
        """Print the object of a run that has failed."""
        self._report.update(ok=False, error=why)
        self._print()

    def broken(self, step: DemoStep, why: str) -> int:
        """Print the object of a run in which this step has failed; return the exit status."""
        self._report["failed"] = {**self._record(step), "error": why}
        self.failed(why)
        complain(f"rawns demo: {step.title!r} failed: {why}")
        return 1

    def end(self, demo: Demo, keep: bool) -> None:
        """Print the object of a run that has succeeded."""
        self._report["ok"] = True
        if keep:
            self._report["namespaces"] = demo.names
        self._print()
