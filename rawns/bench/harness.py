"""What an implementation and a case are, and one timed run of an implementation.

An implementation is a name and a generator function.  The time between two of its yields is the time of a step::

    def run(trial):
        ns = NetNS.create(trial.names[0])
        yield "create"                  # the time since the generator was resumed belongs to this step
        yield Ready([trial.names[0]])   # not timed: the state is read back here; what follows is the teardown
        ns.delete()
        yield "delete"
        yield None                      # the time since the last yield belongs to no step

It deletes what it has created, also if it is closed half way (``finally``).
"""

from __future__ import annotations

import os
from time import perf_counter_ns

from ..errors import RawnsError
from ..net import NetNS
from .equivalence import read_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from typing import Any, Union

    from .cleanup_barrier import CleanupBarrier

    Step = Union[str, "Ready", "Each", None]
    Steps = Generator[Step, None, None]
    Run = Callable[["Trial"], Steps]
    Sample = list[tuple[str, str, int]]

RAWNS, BASELINE, TOOL = "rawns", "baseline", "tool"  # roles
UNLIMITED = 1 << 30


class Ready:
    """Yielded when the setup is complete; holds the namespaces, by name or descriptor."""

    __slots__ = ("namespaces",)

    def __init__(self, namespaces: Iterable[str | int]) -> None:
        self.namespaces = list(namespaces)


class Each:
    """Yielded with durations in nanoseconds that were measured one by one, of what has happened at the same time."""

    __slots__ = ("durations", "name")

    def __init__(self, name: str, durations: Iterable[int]) -> None:
        self.name, self.durations = name, list(durations)


class Trial:
    """What a run is given: names that no other process uses, the size ``n``, and the number of repetitions in one step."""

    def __init__(self, n: int = 1, repeat: int = 1) -> None:
        self.n, self.repeat = n, repeat
        self.pid = os.getpid()
        self.names = (f"bench-{self.pid}-1", f"bench-{self.pid}-2")
        self.near, self.far = f"b{self.pid}n", f"b{self.pid}f"  # a pair's ends in the current namespace
        self.prepared: dict[str, Any] = {}  # what the case has prepared for all implementations

    def clean_up(self) -> None:
        """Delete the namespaces and the pair that a failed run may have left behind under this trial's names."""
        with NetNS.current() as home:
            try:
                home.net.delete_link(self.near)
            except RawnsError:
                pass
        for name in self.names:
            try:
                NetNS.remove(name)
            except RawnsError:
                pass


class Implementation:
    """One way to do what a case measures.

    ``role`` is `RAWNS`, `BASELINE` (plain C or a bare interpreter: a lower limit) or `TOOL` (what a user may use instead).
    ``differences`` declares where its state differs on purpose: ``stamp`` (of a lab), ``lo``, ``queues``, ``names`` (of links).
    """

    def __init__(
        self, name: str, run: Run, role: str, version: str = "", differences: Sequence[str] = (), note: str = "",
        max_n: int = UNLIMITED,
    ) -> None:  # fmt: skip
        self.name, self.run, self.role, self.version, self.note = name, run, role, version, note
        self.differences, self.max_n = tuple(differences), max_n
        self.failed: str | None = None
        self.state: Any = None


class Unavailable:
    """An implementation that this machine cannot run, and the reason."""

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason


class Case:
    """What is measured.  ``baseline`` names the implementation to compare with, by default the first one in plain C.

    ``share`` is the part of the rounds that the case takes; ``prepare`` a context manager for what all implementations use.
    A ``large`` case takes minutes, and is measured only if it is asked for by name.
    """

    def __init__(
        self, name: str, title: str, implementations: Sequence[Implementation], n: int = 1, repeat: int = 1, share: float = 1.0,
        quick: bool = False, baseline: str | None = None, prepare: Callable[[Trial], Any] | None = None, large: bool = False,
    ) -> None:  # fmt: skip
        self.large = large
        self.name, self.title, self.n, self.repeat, self.share, self.quick = name, title, n, repeat, share, quick
        self.implementations = [one for one in implementations if one.max_n >= n]
        first = next((one.name for one in self.implementations if one.role == BASELINE), None)
        self.baseline, self.prepare = baseline or first, prepare


def run_once(implementation: Implementation, trial: Trial, barrier: CleanupBarrier, inspect: bool) -> Sample:
    """Run once, wait until the kernel has cleaned up, and return (phase, step, nanoseconds) for each step.

    A step's time is divided by ``trial.repeat``.  With ``inspect`` the state is stored in ``implementation.state``.
    """
    sample: Sample = []
    ready, phase, ended = False, "total", 0
    steps = implementation.run(trial)
    try:
        while True:
            start = perf_counter_ns()
            step = next(steps, ...)
            ended = perf_counter_ns()
            if step is ...:
                break
            if isinstance(step, Ready):
                sample = [("setup" if phase == "total" else phase, name, spent) for phase, name, spent in sample]
                ready, phase = True, "teardown"
                if inspect:
                    implementation.state = read_state(step.namespaces)
                barrier.watch(step.namespaces)
            elif isinstance(step, Each):
                sample += [("each", step.name, spent) for spent in step.durations]
            elif isinstance(step, str):
                sample.append((phase, step, (ended - start) // trial.repeat))
    finally:
        steps.close()
    barrier.wait()
    if ready:
        sample.append(("cleanup", "kernel cleanup", perf_counter_ns() - ended))
    return sample
