"""Run implementations with cold caches: each in a process of its own, which does its work once and then waits.

A tight loop measures work whose data and code are in the processor's caches.  A user's program creates a network once and then
does something else.  So each implementation of a case has a process, forked when it is first needed, and `PAUSE` seconds pass
before each run, in which the processes wait for a byte.
"""

from __future__ import annotations

import os
import pickle
from struct import Struct
from time import sleep

from ..errors import RawnsError
from ..rollback import signals_blocked
from .cleanup_barrier import CleanupBarrier
from .harness import Trial, run_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .harness import Case, Implementation, Sample

PAUSE = 0.08  # seconds before each run
LENGTH = Struct("=Q")  # of an answer, in bytes


class ColdProcess:
    """A process that runs one implementation of a case, once whenever it is asked."""

    def __init__(self, case: Case, one: Implementation, others: Iterable[ColdProcess]) -> None:
        """Fork it.  It prepares the case for itself, and closes its copies of the pipes to ``others``, which end at their end."""
        orders, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        with signals_blocked():
            self._pid = os.fork()
        if self._pid == 0:
            status = 1
            try:
                for process in (self, *others):
                    os.close(process._orders)
                    os.close(process._answers)
                _serve(case, one, orders, answers)
                status = 0
            finally:
                os._exit(status)
        os.close(orders)
        os.close(answers)

    def run(self, one: Implementation, inspect: bool) -> Sample:
        """Let it run once; store its state in ``one`` if ``inspect`` is set.  Raises `RawnsError` with what it has raised."""
        sleep(PAUSE)
        os.write(self._orders, b"i" if inspect else b"r")
        size = LENGTH.unpack(self._read(LENGTH.size))[0]
        failure, sample, state = pickle.loads(self._read(size))  # written by a fork of this process
        if failure is not None:
            raise RawnsError(failure)
        if inspect:
            one.state = state
        found: Sample = sample
        return found

    def _read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            more = os.read(self._answers, size - len(found))
            if not more:
                raise RawnsError("the process that measures has ended")
            found += more
        return found

    def close(self) -> None:
        """Let it remove what it has prepared, and wait for its end."""
        os.close(self._orders)
        os.close(self._answers)
        os.waitpid(self._pid, 0)


def _serve(case: Case, one: Implementation, orders: int, answers: int) -> None:
    trial = Trial(case.n, case.repeat)
    with CleanupBarrier() as barrier:
        try:
            if case.prepare is None:
                _obey(one, trial, barrier, orders, answers)
            else:
                with case.prepare(trial):
                    _obey(one, trial, barrier, orders, answers)
        except (OSError, RawnsError) as error:
            if os.read(orders, 1):
                _answer(answers, (f"it cannot be prepared: {error}", [], None))
        barrier.wait()


def _obey(one: Implementation, trial: Trial, barrier: CleanupBarrier, orders: int, answers: int) -> None:
    while True:
        order = os.read(orders, 1)
        if not order:
            return
        try:
            sample = run_once(one, trial, barrier, order == b"i")
            _answer(answers, (None, sample, one.state))
        except Exception as error:  # whatever a peer raises is reported as that peer's failure
            trial.clean_up()
            _answer(answers, (f"{type(error).__name__}: {error}", [], None))


def _answer(fd: int, value: Any) -> None:
    data = pickle.dumps(value)
    data = LENGTH.pack(len(data)) + data
    while data:
        data = data[os.write(fd, data) :]
