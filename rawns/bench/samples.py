"""Statistics of measured durations: percentiles, ratios of medians, and their confidence intervals.

Implementations run in rotation (A B C, B C A, ...), so that a drift of the machine affects all of them alike.  Samples
therefore come in pairs by round.  The interval of a ratio is found by bootstrap: rounds are drawn again and again, for both
implementations at once, and `CONFIDENCE` of the drawn ratios lie within it.

No figure is given that the number of samples cannot support.  A percentile p needs at least one sample above it, so 10 for
p90 and 100 for p99; an interval of a median needs `MIN_INTERVAL` samples.
"""

from __future__ import annotations

from math import floor
from random import Random

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Optional, TypeVar

    T = TypeVar("T")
    Interval = Optional[tuple[float, float]]

BOOTSTRAP_DRAWS = 400
CONFIDENCE = 0.95
MIN_INTERVAL = 6  # samples: with n of them min..max contains the median with probability 1 - 2 / 2**n, which is 0.97 for six
MIN_QUARTILES = 4  # samples
PERCENTILES = (("p50", 50), ("p90", 90), ("p99", 99))
MAX_SPREAD = 0.5  # a middle half of the samples that is wider than this part of the median is noise
SLOW_FIRST_RUN = 5.0  # times the median
SEED = 4


def quantile(values: Sequence[float], part: float) -> float:
    """Return the value below which ``part`` (0 to 1) of the values lie, interpolated (`statistics.quantiles`, inclusive)."""
    ordered = sorted(values)
    position = (len(ordered) - 1) * part
    below = floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return quantile(values, 0.5)


def supported(count: int, percentile: int) -> bool:
    """Tell whether ``count`` samples can support a percentile: at least one sample must lie above it, except for the median."""
    return percentile == 50 or count * (100 - percentile) >= 100


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return ``n``, ``min``, ``max``, and those of ``p50``, ``p90`` and ``p99`` that the number of values supports.

    ``iqr``, the width of the middle half, is there from `MIN_QUARTILES` values on.
    """
    found: dict[str, float] = {"n": len(values), "min": min(values), "max": max(values)}
    found.update((name, quantile(values, part / 100)) for name, part in PERCENTILES if supported(len(values), part))
    if len(values) >= MIN_QUARTILES:
        found["iqr"] = quantile(values, 0.75) - quantile(values, 0.25)
    return found


def interval(draws: Sequence[float]) -> tuple[float, float]:
    """Return the limits that contain the middle `CONFIDENCE` of the draws."""
    return quantile(draws, (1 - CONFIDENCE) / 2), quantile(draws, (1 + CONFIDENCE) / 2)


def median_interval(values: Sequence[float]) -> Interval:
    """Return the confidence interval of the median, or None for fewer than `MIN_INTERVAL` values.

    The same values always give the same interval.
    """
    random, count = Random(SEED), len(values)
    if count < MIN_INTERVAL:
        return None
    return interval([median([values[random.randrange(count)] for _ in values]) for _ in range(BOOTSTRAP_DRAWS)])


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> tuple[float, Interval]:
    """Return the ratio of the medians, and its confidence interval or None for fewer than `MIN_INTERVAL` rounds."""
    middle, count = median(denominators), min(len(numerators), len(denominators))
    if middle <= 0:
        return float("inf"), None
    value = median(numerators) / middle
    if count < MIN_INTERVAL:
        return value, None
    random, draws = Random(SEED), []
    for _ in range(BOOTSTRAP_DRAWS):
        rounds = [random.randrange(count) for _ in range(count)]
        below = median([denominators[number] for number in rounds])
        draws.append(median([numerators[number] for number in rounds]) / max(below, 1e-9))
    return value, interval(draws)


def rotation(items: Sequence[T], number: int) -> list[T]:
    """Return the order in which the items run in round ``number``: A B C, then B C A."""
    first = number % len(items) if items else 0
    return [*items[first:], *items[:first]]


def warnings(name: str, values: Sequence[float], first: float) -> list[str]:
    """Return what makes these values doubtful, with the remedy.  ``first`` is what the first warm-up run took."""
    found, figures = [], summary(values)
    if figures.get("iqr", 0) > MAX_SPREAD * figures["p50"]:
        found.append(
            f"{name}: noisy, the middle half of the rounds spreads over {figures['iqr'] / figures['p50']:.0%} of the median; "
            "stop other programs on this machine, or increase --rounds"
        )
    if first > SLOW_FIRST_RUN * figures["p50"]:
        found.append(f"{name}: the first run took {first / figures['p50']:.1f} times the median; it is not in the figures")
    return found


def sums(sample: Sequence[tuple[str, str, int]]) -> dict[str, int]:
    """Add up the nanoseconds of one run's steps ((phase, step, nanoseconds) each).

    ``setup``, ``teardown`` and ``cleanup`` are there if the run has these phases; ``total`` is what the caller waits for,
    ``total with cleanup`` also includes what the kernel does later.
    """
    found = {"total": 0}
    for phase, _, spent in sample:
        if phase == "each":
            continue
        if phase != "total":
            found[phase] = found.get(phase, 0) + spent
        if phase != "cleanup":
            found["total"] += spent
    if "cleanup" in found:
        found["total with cleanup"] = found["total"] + found["cleanup"]
    return found


def columns(samples: Sequence[Sequence[tuple[str, str, int]]]) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Return the nanoseconds of each step and of each sum (`sums`), one per round; ``each`` has all single durations."""
    steps: dict[str, list[int]] = {}
    totals: dict[str, list[int]] = {}
    for sample in samples:
        by_step: dict[str, int] = {}
        for phase, step, spent in sample:
            if phase == "each":
                totals.setdefault(phase, []).append(spent)
                continue
            by_step[step] = by_step.get(step, 0) + spent
        for step, spent in by_step.items():
            steps.setdefault(step, []).append(spent)
        for name, spent in sums(sample).items():
            totals.setdefault(name, []).append(spent)
    return steps, totals


def headline(totals: dict[str, Any]) -> str:
    """Return the sum by which a case is judged: ``each`` if the case has it, ``setup``, else ``total``."""
    if "each" in totals:
        return "each"
    return "setup" if "setup" in totals else "total"
