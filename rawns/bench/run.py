"""Run the implementations of each case in turn, round by round; the result as data.

A result is a dictionary of what JSON can hold, with every round's nanoseconds, so that two results can be compared::

    {"format": 2, "command": ..., "rounds": ..., "cold": ..., "environment": {...}, "warnings": [...],
     "unavailable": [{"name": ..., "reason": ...}],
     "cases": [{"name": ..., "title": ..., "n": ..., "repeat": ..., "baseline": ..., "warnings": [...],
                "implementations": [{"name": ..., "role": ..., "version": ..., "note": ..., "differences": [...],
                                     "failed": null, "steps": {step: [ns, ...]}, "sums": {"setup": [ns, ...]}}]}],
     "profile": [...]}
"""

from __future__ import annotations

from ..errors import InvalidValue, RawnsError
from ..observer import Observer, observed
from . import environment
from .cases import cases
from .cleanup_barrier import CleanupBarrier
from .equivalence import difference
from .findings import FORMAT
from .harness import RAWNS, Ready, Trial, run_once
from .peers import Peers
from .samples import MIN_INTERVAL, columns, headline, rotation, warnings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ..observer import Event
    from .cold import ColdProcess
    from .harness import Case, Implementation, Sample

    Progress = Callable[[str, int, int], object]

WARM_UP = 2  # rounds
QUICK_ROUNDS, ROUNDS = MIN_INTERVAL, 20
PROFILED = ("article", "star-10", "star-100")


def bench(
    rounds: int = ROUNDS,
    only: Sequence[str] = (),
    quick: bool = False,
    progress: Progress | None = None,
    command: str = "",
    peers: Peers | None = None,
    cold: bool = False,
) -> dict[str, Any]:
    """Measure the cases and return the result.

    ``only`` selects cases by name or by its part before the last hyphen, ``quick`` the small ones.  ``progress`` is called with
    case, round and rounds.  With ``cold`` each implementation runs in a process of its own, after a pause (`cold`).
    Needs the privilege to create namespaces (`environment.enter`).  Raises `InvalidValue` for
    an unknown case.
    """
    if rounds < 1:
        raise InvalidValue(f"{rounds} rounds are too few: at least 1 is needed")
    peers = Peers() if peers is None else peers
    chosen = select(cases(peers), only, quick)
    machine = environment.describe()
    result: dict[str, Any] = {"format": FORMAT, "command": command, "rounds": rounds, "cold": cold, "environment": machine}
    with CleanupBarrier() as barrier:
        barrier.wait()
        result["unavailable"] = [{"name": one.name, "reason": one.reason} for one in peers.unavailable]
        result["cases"] = [
            _CaseRun(case, barrier, progress, cold).run(max(min(rounds, MIN_INTERVAL), round(rounds * case.share)))
            for case in chosen
        ]
        result["profile"] = [_profile(case, barrier) for case in chosen if case.name in PROFILED and not cold]
    machine["busy after"] = environment.busy()
    result["warnings"] = environment.warnings(machine)
    return result


def select(found: Sequence[Case], only: Sequence[str], quick: bool) -> list[Case]:
    """Return the cases that were asked for.  Raises `InvalidValue` for an unknown one."""
    for word in only:
        if not any(_matches(case, word) for case in found):
            raise InvalidValue(f"no case is called {word!r}; there are {', '.join(case.name for case in found)}")
    if only:
        return [case for case in found if any(_matches(case, word) for word in only)]
    return [case for case in found if not case.large and (case.quick or not quick)]


def _matches(case: Case, word: str) -> bool:
    return case.name == word or case.name.startswith(f"{word}-")


class _CaseRun:
    """All rounds of one case."""

    def __init__(self, case: Case, barrier: CleanupBarrier, progress: Progress | None, cold: bool = False) -> None:
        self._case, self._barrier, self._progress, self._cold = case, barrier, progress, cold
        self._processes: dict[str, ColdProcess] = {}
        self._samples: dict[str, list[Sample]] = {one.name: [] for one in case.implementations}
        self._first: dict[str, int] = {}
        self._warm_up = WARM_UP
        self._trial = Trial(case.n, case.repeat)

    def run(self, rounds: int) -> dict[str, Any]:
        case = self._case
        if self._cold:
            try:
                self._rounds(rounds)
            finally:
                for process in self._processes.values():
                    process.close()
        elif case.prepare is None:
            self._rounds(rounds)
        else:
            try:
                with case.prepare(self._trial):
                    self._rounds(rounds)
            except (RawnsError, OSError) as error:  # the kernel lacks what the case needs
                for one in case.implementations:
                    one.failed = one.failed or f"it cannot be prepared: {error}"
        self._barrier.wait()
        found = [self._result(one) for one in case.implementations]
        return {
            "name": case.name, "title": case.title, "n": case.n, "repeat": case.repeat, "baseline": case.baseline,
            "implementations": found, "warnings": [said for one in found for said in self._warnings(one)],
        }  # fmt: skip

    def _rounds(self, rounds: int) -> None:
        self._warm_up = min(WARM_UP, rounds)
        for number in range(self._warm_up + rounds):
            if self._progress is not None:
                self._progress(self._case.name, number, self._warm_up + rounds)
            inspect = number in (0, self._warm_up + rounds - 1)
            for one in rotation(self._case.implementations, number):
                if one.failed is None:
                    self._run(one, number, inspect)
            if inspect:
                self._compare_states()

    def _run(self, one: Implementation, number: int, inspect: bool) -> None:
        try:
            sample = self._run_cold(one, inspect) if self._cold else run_once(one, self._trial, self._barrier, inspect)
        except Exception as error:  # whatever a peer raises is reported as that peer's failure
            one.failed = f"{type(error).__name__}: {error}" if not isinstance(error, (OSError, RawnsError)) else str(error)
            self._trial.clean_up()
            return
        except BaseException:  # Ctrl-C
            self._trial.clean_up()
            raise
        if number == 0:
            self._first[one.name] = sum(spent for phase, _, spent in sample if phase in ("setup", "total"))
        if number >= self._warm_up:
            self._samples[one.name].append(sample)

    def _run_cold(self, one: Implementation, inspect: bool) -> Sample:
        process = self._processes.get(one.name)
        if process is None:
            from .cold import ColdProcess

            process = self._processes[one.name] = ColdProcess(self._case, one, self._processes.values())
        return process.run(one, inspect)

    def _compare_states(self) -> None:
        """Fail each implementation whose state differs from the first one's, beyond its declared differences."""
        there = [one for one in self._case.implementations if one.failed is None and one.state is not None]
        model = min(there, key=lambda one: len(one.differences), default=None)
        for one in there:
            if model is not None and one is not model:
                found = difference(one.state, model.state, [*one.differences, *model.differences])
                if found:
                    one.failed = f"it does not set up what {model.name} sets up: {found}"

    def _result(self, one: Implementation) -> dict[str, Any]:
        steps, totals = columns(self._samples[one.name] if one.failed is None else [])
        return {
            "name": one.name, "role": one.role, "version": one.version, "note": one.note, "differences": list(one.differences),
            "failed": one.failed, "steps": steps, "sums": totals,
        }  # fmt: skip

    def _warnings(self, found: dict[str, Any]) -> list[str]:
        sums = found["sums"]
        return warnings(found["name"], sums[headline(sums)], self._first.get(found["name"], 0)) if sums else []


# -- where the time goes ------------------------------------------------------------------------------------------------


class _SyscallTimes(Observer):
    """What each system call has cost."""

    def __init__(self) -> None:
        self.calls: dict[str, list[int]] = {}

    def after(self, event: Event) -> None:
        self.calls.setdefault(event.call, []).append(event.nanoseconds)


def _profile(case: Case, barrier: CleanupBarrier) -> dict[str, Any]:
    """Return the time rawns spends in each system call during a case's setup; Python has the rest.

    Each figure is the least of several runs: what other runs take in addition comes from the machine.
    """
    one = next(one for one in case.implementations if one.role == RAWNS)
    trial = Trial(case.n, case.repeat)
    unobserved, ledgers = [], []
    for _ in range(9 if case.n <= 10 else 3):
        unobserved.append(sum(spent for phase, _, spent in run_once(one, trial, barrier, False) if phase == "setup"))
        ledgers.append(_SyscallTimes())
        _observed_setup(one, trial, barrier, ledgers[-1])
    whole = min(unobserved)
    calls = []
    for name in ledgers[0].calls:
        spent = min(sum(ledger.calls.get(name, ())) for ledger in ledgers)
        calls.append({"call": name, "times": len(ledgers[0].calls[name]), "nanoseconds": spent})
    calls.sort(key=lambda call: -int(str(call["nanoseconds"])))
    kernel = sum(int(str(call["nanoseconds"])) for call in calls)
    return {"case": case.name, "implementation": one.name, "setup": whole, "calls": calls, "python": max(0.0, 1 - kernel / whole)}


def _observed_setup(one: Implementation, trial: Trial, barrier: CleanupBarrier, ledger: _SyscallTimes) -> None:
    """Observe the system calls until the setup is complete; delete it unobserved."""
    steps = one.run(trial)
    with observed(ledger):
        ready = next(step for step in steps if isinstance(step, Ready))
    barrier.watch(ready.namespaces)
    for _ in steps:
        pass
    barrier.wait()
