"""Running the solution of a chapter: for the book, for `explain` and for the tests."""

from __future__ import annotations

import os

from . import scratch
from .goals import Kernel, Unmet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .chapter import Chapter, Solution

PATIENCE = 30.0  # seconds for a process that is just starting on a busy machine
MAX_SECONDS = 120.0  # for all commands of a solution
MARK = "\x1e"  # RECORD SEPARATOR: between the outputs of two commands


def missing_goals(chapter: Chapter, home: str, patience: float) -> list[tuple[str, str]]:
    """Ask the kernel about each goal; return the sentences of those that are not reached, and what is so instead."""
    missing = []
    with Kernel(home, patience) as kernel:
        kernel.forget()  # what the learner has sent before the last repair
        for goal in chapter.goals:
            try:
                goal.question(kernel)
            except (Unmet, OSError) as error:
                missing.append((goal.sentence, str(error)))
                kernel.forget()  # what the question has sent in vain
    return missing


def solve(chapter: Chapter, solution: Solution, explain: str = "") -> tuple[list[str], list[tuple[str, str]]]:
    """Run a solution in new namespaces; return the output of each command, and the goals that are not reached.

    With ``explain``, a level of ``--explain``, the output includes what ``ip`` and others say to the kernel.  Raises
    `scratch.Missing` if the kernel lacks what the chapter needs, `RawnsError` if the machine allows no user namespace.
    """

    def inside() -> dict[str, Any]:
        network = scratch.prepare(chapter)
        outputs = _run(solution, explain)
        answer = {"outputs": outputs, "missing goals": missing_goals(chapter, f"pid:{os.getpid()}", PATIENCE)}
        del network
        return answer

    told = scratch.in_scratch(inside)
    return told["outputs"], [(sentence, found) for sentence, found in told["missing goals"]]


def _run(solution: Solution, explain: str) -> list[str]:
    """Run commands in one shell; return what each printed."""
    import subprocess

    script = "".join(f"{command}\nprintf '\\036'\n" for command in solution.commands)
    path = f"{scratch.DIRECTORY}/output"
    with open(path, "wb") as output:  # a pipe would be held open by what runs on in the background
        subprocess.run(
            ["sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=scratch.environment(explain),
            timeout=MAX_SECONDS,
            check=False,
        )
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read().split(MARK)[: len(solution.commands)]
