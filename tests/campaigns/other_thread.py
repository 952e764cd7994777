"""At each system call in turn, of whichever thread, the kernel gives SIGINT to a thread that does not block it.

``python3 other_thread.py NAME STEP OPERATION`` prints the number of calls and of interruptions.  Python runs the handler in the
main thread then, even if that blocks signals; no name may be left behind.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING or __name__ == "__main__":
    from rawns import Lab, NetNS, Observer, observed


def block(name: str) -> None:
    with NetNS.create(name):
        pass


def attach(name: str) -> None:
    with NetNS.create() as ns:
        ns.attach(name)
        ns.delete()


def lab(name: str, hosts: int = 2, standing: bool = False) -> None:
    with Lab(name, standing=standing) as lab:
        first, *others = [lab.netns(f"{name}.{number}") for number in range(hosts)]
        for number, other in enumerate(others):
            lab.wire(first.port(None, f"10.0.{number}.1/24"), other.port(None, f"10.0.{number}.2/24"))
        lab.up()


OPERATIONS: dict[str, Callable[[str], None]] = {
    "block": block,
    "attach": attach,
    "lab": lab,
    "standing": lambda name: lab(name, standing=True),
    "threads": lambda name: lab(name, hosts=16),  # one thread creates namespaces ahead
}


def left(name: str) -> list[str]:
    """Return the names and mounts that are there."""
    with open("/proc/self/mountinfo", errors="surrogateescape") as file:
        mounts = [line for line in file if f"/run/netns/{name}" in line]
    return mounts + [one for one in os.listdir("/run/netns") if one.startswith(name)]


def main(name: str, step: int, operation: str) -> None:
    """Interrupt an operation at every call, or at one in ``step``."""
    arrived, sent = os.pipe2(os.O_NONBLOCK)
    signal.set_wakeup_fd(sent)
    other = threading.Thread(target=threading.Event().wait, daemon=True)
    other.start()

    class At(Observer):
        def __init__(self, number: int) -> None:
            self.number, self.calls = number, 0

        def after(self, event: object) -> None:
            self.calls += 1
            if self.calls - 1 == self.number:
                with suppress(BlockingIOError):
                    os.read(arrived, 1000)  # of a signal that has been sent to the main thread again
                signal.pthread_kill(other.ident or 0, signal.SIGINT)
                select.select([arrived], [], [])  # the handler in C writes to it

    OPERATIONS[operation](name)
    number = interrupted = 0
    while True:
        at = At(number)
        try:
            with observed(at):
                OPERATIONS[operation](name)
        except KeyboardInterrupt:
            interrupted += 1
        assert not left(name), f"call {number}: {left(name)}"
        if at.calls <= number:
            break
        number += step
    print(json.dumps([number, interrupted]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
