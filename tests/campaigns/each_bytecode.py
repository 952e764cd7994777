"""SIGINT arrives at each bytecode of an operation in turn, so that its exception is raised wherever a handler can run.

``python3 each_bytecode.py NAME STEP OPERATION`` prints the number of bytecodes and of interruptions, and at how many of them a
name was left behind.  With STEP above 1, those of the operation's own frame are tried all the same.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from other_thread import left

if TYPE_CHECKING or __name__ == "__main__":
    from rawns import NetNS


def temporary(name: str) -> None:
    with NetNS.temporary(name):
        pass


def create(name: str) -> None:
    with NetNS.create(name):
        pass


OPERATIONS: dict[str, Callable[[str], None]] = {"temporary": temporary, "create": create}
RAWNS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "rawns")


class Interruption:
    """Send SIGINT at the bytecode with a number; a number of -1 sends none.  ``own`` are those of the operation's own frame."""

    def __init__(self, operation: Callable[[str], None], number: int) -> None:
        self.operation, self.number, self.count = operation, number, 0
        self.own: list[int] = []

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        own = frame.f_code is self.operation.__code__
        if not own and not frame.f_code.co_filename.startswith(RAWNS):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            if own:
                self.own.append(self.count)
            self.count += 1
            if self.count - 1 == self.number:
                signal.raise_signal(signal.SIGINT)  # the handler is called before the next bytecode, which is here
        return self


def attempt(operation: Callable[[str], None], name: str, number: int) -> tuple[Interruption, bool]:
    """Run an operation once; return what interrupts it, and whether it was interrupted."""
    interruption, interrupted = Interruption(operation, number), False
    try:
        sys.settrace(interruption)
        operation(name)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        sys.settrace(None)
    return interruption, interrupted


def main(name: str, step: int, operation: str) -> None:
    """Interrupt an operation at each bytecode of its own frame, and at one in ``step`` of the others."""
    function = OPERATIONS[operation]
    attempt(function, name, -1)  # imports
    usual, _ = attempt(function, name, -1)
    interrupted = lost = number = 0
    chosen = set(usual.own) | set(range(0, usual.count, step))
    for number in sorted(chosen):
        interrupted += attempt(function, name, number)[1]
        gc.collect()
        if left(name):
            lost += 1
            NetNS.remove(name)
    print(json.dumps([len(chosen), interrupted, lost]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
