"""Rounds, in turns; a result as data.

Floor 7.  A result is a dictionary of what JSON has, every round's nanoseconds included, so that two can be compared::

    {"format": 1, "made by": ..., "world": {...}, "warnings": [...], "cases": [{"name": ..., "title": ..., "n": ..., "floor": ...,
     "contenders": [{"name": ..., "version": ..., "failed": null, "steps": {step: [ns, ...]}, "sums": {"up": [ns, ...]}}],
     "absent": [{"name": ..., "why": ...}], "warnings": [...]}], "profile": [...]}
"""

from __future__ import annotations

from time import perf_counter_ns

from ..errors import InvalidValue, RawnsError
from ..syscalls import Observer, observed
from .cases import cases, peers
from .cleanup_barrier import Fence
from .environment import doubts, world
from .harness import Scene, play, unequal
from .method import columns, remarks, turns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ..syscalls import Event
    from .harness import Case, Contender, Sample

    Progress = Callable[[str, int, int], object]

WARM_UP = 2
LEAST = 3  # rounds, however small a case's share
SLOW_FENCE = 0.5e9  # nanoseconds: at the beginning nothing of ours is to be cleaned up
FORMAT = 1


def bench(
    rounds: int = 20,
    only: Sequence[str] = (),
    quick: bool = False,
    progress: Progress | None = None,
    command: str = "",
    others: Any = None,
) -> dict[str, Any]:
    """Measure, and return the result.  ``only`` picks cases by name or its beginning; ``quick`` the small ones.

    Needs what making namespaces needs: see `world.enter`.  Raises `InvalidValue` for a case that is not known.
    """
    if rounds < 1:
        raise InvalidValue(f"{rounds} rounds are too few: one is the least")
    others = peers() if others is None else others
    chosen = pick(cases(others), only, quick)
    there = world()
    result: dict[str, Any] = {"format": FORMAT, "made by": command, "rounds": rounds, "world": there, "warnings": doubts(there)}
    with Fence() as fence:
        start = perf_counter_ns()
        fence.wait()
        if perf_counter_ns() - start > SLOW_FENCE:
            result["warnings"].append(
                "the kernel was cleaning up after somebody else when we began: wait a little, and run again"
            )
        result["absent"] = [{"name": one.name, "why": one.why} for one in others.absent]
        result["cases"] = [
            _Rounds(case, fence, progress).run(max(LEAST, round(rounds * case.share)) if rounds > 1 else 1) for case in chosen
        ]
        result["profile"] = [_profile(case, fence) for case in chosen if case.name in ("article", "star-10", "star-100")]
    return result


def pick(found: Sequence[Case], only: Sequence[str], quick: bool) -> list[Case]:
    """The cases that were asked for.  Raises `InvalidValue`."""
    for word in only:
        if not any(_called(case, word) for case in found):
            raise InvalidValue(f"no case is called {word!r}; there are {', '.join(case.name for case in found)}")
    if only:
        return [case for case in found if any(_called(case, word) for word in only)]
    return [case for case in found if case.quick or not quick]


def _called(case: Case, word: str) -> bool:
    return case.name == word or case.name.startswith(f"{word}-")


class _Rounds:
    """All rounds of one case."""

    def __init__(self, case: Case, fence: Fence, progress: Progress | None) -> None:
        self._case, self._fence, self._progress = case, fence, progress
        self._samples: dict[str, list[Sample]] = {one.name: [] for one in case.contenders}
        self._first: dict[str, int] = {}
        self._warm = WARM_UP
        self._scene = Scene(case.n, case.times)

    def run(self, rounds: int) -> dict[str, Any]:
        case = self._case
        if case.context is None:
            self._all(rounds)
        else:
            with case.context(self._scene):
                self._all(rounds)
        self._fence.wait()
        told = [self._told(one) for one in case.contenders]
        floor = case.floor or (case.contenders[0].name if case.contenders[0].name.startswith(("C", "ip")) else None)
        warnings = [remark for one, said in zip(case.contenders, told) for remark in self._remarks(one, said)]
        return {
            "name": case.name, "title": case.title, "n": case.n, "times": case.times, "floor": floor,
            "contenders": told, "absent": [{"name": one.name, "why": one.why} for one in case.absent], "warnings": warnings,
        }  # fmt: skip

    def _all(self, rounds: int) -> None:
        self._warm = min(WARM_UP, rounds)
        for number in range(self._warm + rounds):
            if self._progress is not None:
                self._progress(self._case.name, number, self._warm + rounds)
            look = number in (0, self._warm + rounds - 1)
            for one in turns(self._case.contenders, number):
                if one.failed is None:
                    self._turn(one, number, look)
            if look:
                self._check()

    def _turn(self, one: Contender, number: int, look: bool) -> None:
        try:
            sample = play(one, self._scene, self._fence, look)
        except Exception as error:  # whatever it was: a peer's failure is the peer's, and is reported
            one.failed = f"{type(error).__name__}: {error}" if not isinstance(error, (OSError, RawnsError)) else str(error)
            self._scene.sweep()
            return
        except BaseException:  # Ctrl-C
            self._scene.sweep()
            raise
        if number == 0:
            self._first[one.name] = sum(spent for phase, _, spent in sample if phase != "gone")
        if number >= self._warm:
            self._samples[one.name].append(sample)

    def _check(self) -> None:
        """Equal work leaves equal states: whoever differs from the first, beyond what he says himself, has failed."""
        there = [one for one in self._case.contenders if one.failed is None and one.state is not None]
        model = min(there, key=lambda one: len(one.lacks), default=None)
        for one in there:
            if model is not None and one is not model and "everything" not in one.lacks:
                difference = unequal(one.state, model.state, [*one.lacks, *model.lacks])
                if difference:
                    one.failed = f"it does not make what {model.name} makes: {difference}"

    def _told(self, one: Contender) -> dict[str, Any]:
        steps, totals = columns(self._samples[one.name] if one.failed is None else [])
        told: dict[str, Any] = {"name": one.name, "version": one.version, "note": one.note, "lacks": list(one.lacks)}
        return {**told, "failed": one.failed, "steps": steps, "sums": totals}

    def _remarks(self, one: Contender, told: dict[str, Any]) -> list[str]:
        if one.failed is not None or not told["sums"]:
            return []
        return remarks(one.name, told["sums"]["all"], self._first.get(one.name, 0))


# -- where the time goes ------------------------------------------------------------------------------------------------


class _Ledger(Observer):
    """What each system call has cost."""

    def __init__(self) -> None:
        self.calls: dict[str, list[int]] = {}

    def after(self, event: Event) -> None:
        self.calls.setdefault(event.call, []).append(event.nanoseconds)


PROFILED = 9


def _profile(case: Case, fence: Fence) -> dict[str, Any]:
    """rawns' own time in a case, by system call; Python's is the rest of what it takes when nobody watches.

    The least of several runs each: what comes on top is the machine's.
    """
    one = next(one for one in case.contenders if one.version.startswith("rawns"))
    scene = Scene(case.n, case.times)
    alone, ledgers = [], []
    for _ in range(PROFILED if case.n <= 10 else 3):
        alone.append(sum(spent for phase, _, spent in play(one, scene, fence, False) if phase == "up"))
        ledger = _Ledger()
        ledgers.append(ledger)
        _watched(one, scene, fence, ledger)
    whole = min(alone)
    calls = []
    for name in ledgers[0].calls:
        spent = min(sum(ledger.calls.get(name, ())) for ledger in ledgers)
        calls.append({"call": name, "times": len(ledgers[0].calls[name]), "nanoseconds": spent})
    calls.sort(key=lambda call: -int(str(call["nanoseconds"])))
    kernel = sum(int(str(call["nanoseconds"])) for call in calls)
    return {"case": case.name, "contender": one.name, "up": whole, "calls": calls, "python": max(0.0, 1 - kernel / whole)}


def _watched(one: Contender, scene: Scene, fence: Fence, ledger: _Ledger) -> None:
    """Until it stands under watch, then taken away unwatched."""
    steps = one.play(scene)
    with observed(ledger):
        standing = next(step for step in steps if step is not None and not isinstance(step, str))
    fence.watch(standing.spaces)
    for _ in steps:
        pass
    fence.wait()
