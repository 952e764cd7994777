"""From samples to figures.  Floor 7, pure: numbers in, numbers and sentences out.

Contenders take turns, A B C, B C A, ..., so that drift hits all alike and nobody always comes after the same other.  So
samples come in pairs by round, and a ratio's spread is found by drawing rounds, of both at once, again and again
(bootstrap): 95 of 100 such draws lie within it.
"""

from __future__ import annotations

from math import floor as down
from random import Random

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, TypeVar

    Anything = TypeVar("Anything")

DRAWS = 400
INSIDE = 0.95  # the part of the draws that a spread holds
WIDE = 0.5  # a middle half wider than this part of the median is noise
SLOW = 5.0  # a first run that took so many times the median
SEED = 4


def quantile(values: Sequence[float], part: float) -> float:
    """The value below which ``part`` of them lie, between two of them in proportion (`statistics.quantiles`, inclusive)."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * part
    below = down(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def summary(values: Sequence[float]) -> dict[str, float]:
    """p50, p90, p99 and max; ``iqr`` is how wide the middle half is."""
    return {
        "n": len(values),
        "min": min(values),
        "p50": quantile(values, 0.5),
        "p90": quantile(values, 0.9),
        "p99": quantile(values, 0.99),
        "max": max(values),
        "iqr": quantile(values, 0.75) - quantile(values, 0.25),
    }


def interval(draws: Sequence[float]) -> tuple[float, float]:
    """What holds `INSIDE` of them, as many left out below as above."""
    return quantile(draws, (1 - INSIDE) / 2), quantile(draws, (1 + INSIDE) / 2)


def median_spread(values: Sequence[float]) -> tuple[float, float]:
    """The spread of the median, by bootstrap; the same in every run for the same values."""
    random, count = Random(SEED), len(values)
    return interval([quantile([values[random.randrange(count)] for _ in values], 0.5) for _ in range(DRAWS)])


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """The medians' ratio, and its spread.  Paired by round as far as both go."""
    middle, count = quantile(theirs, 0.5), min(len(ours), len(theirs))
    if middle <= 0:
        return float("inf"), float("inf"), float("inf")
    random, draws = Random(SEED), []
    for _ in range(DRAWS):
        drawn = [random.randrange(count) for _ in range(count)]
        below = quantile([theirs[round_] for round_ in drawn], 0.5)
        draws.append(quantile([ours[round_] for round_ in drawn], 0.5) / max(below, 1e-9))
    low, high = interval(draws)
    return quantile(ours, 0.5) / middle, low, high


def turns(names: Sequence[Anything], number: int) -> list[Anything]:
    """Who comes after whom in round ``number``."""
    first = number % len(names) if names else 0
    return [*names[first:], *names[:first]]


def remarks(who: str, values: Sequence[float], first: float) -> list[str]:
    """What is to be doubted about these values, and the remedy; ``first`` is what the first warm-up took."""
    found, figures = [], summary(values)
    if len(values) >= 4 and figures["iqr"] > WIDE * figures["p50"]:
        found.append(
            f"{who}: noisy, the middle half of the rounds spreads over {figures['iqr'] / figures['p50']:.0%} of the median; "
            "stop what else runs on this machine, or take more --rounds"
        )
    if first > SLOW * figures["p50"]:
        found.append(
            f"{who}: the first run took {first / figures['p50']:.1f} times the median; warm-up has kept it out of the figures"
        )
    return found


def sums(sample: Sequence[tuple[str, str, int]]) -> dict[str, int]:
    """Nanoseconds by phase of one sample ((phase, step, nanoseconds) each), and of all that the caller waits for."""
    found: dict[str, int] = {}
    for phase, _, spent in sample:
        found[phase] = found.get(phase, 0) + spent
        if phase in ("up", "down"):
            found["all"] = found.get("all", 0) + spent
    if "gone" in found:
        found["until gone"] = found["all"] + found["gone"]
    return found


def columns(samples: Sequence[Sequence[tuple[str, str, int]]]) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Each step's and each sum's nanoseconds, one per round."""
    steps: dict[str, list[int]] = {}
    totals: dict[str, list[int]] = {}
    for sample in samples:
        by_step: dict[str, int] = {}
        for _, step, spent in sample:
            by_step[step] = by_step.get(step, 0) + spent
        for step, spent in by_step.items():
            steps.setdefault(step, []).append(spent)
        for name, spent in sums(sample).items():
            totals.setdefault(name, []).append(spent)
    return steps, totals


def headline(totals: dict[str, Any]) -> str:
    """Which sum a case is judged by: ``up`` where something comes up, else ``all``."""
    return "up" if "up" in totals else "all"
