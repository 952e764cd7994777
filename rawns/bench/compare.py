"""Compare two results of the bench: what has become slower or faster beyond the noise.

If both results have the case's baseline, ratios to it are compared, which do not change on a faster or busier machine;
otherwise times are.  A change is beyond the noise if it lies outside both confidence intervals and exceeds `MIN_CHANGE`.
Too few rounds for an interval (`samples.MIN_INTERVAL`) leave the verdict open.
"""

from __future__ import annotations

from ..errors import InvalidValue
from .findings import FORMAT, all_warnings
from .samples import headline, median, median_interval, ratio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .samples import Interval

MIN_CHANGE = 0.03
SLOWER, FASTER, SAME, UNKNOWN = "slower", "faster", "same", "too few rounds"
MACHINE = ("kernel", "machine", "processors", "processor", "HZ", "python", "as")


def compare(old: dict[str, Any], new: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a comparison for each figure that both results have.

    Each has ``case``, ``implementation``, ``by`` (the baseline's name, or None for nanoseconds), ``old``, ``new``, ``change``
    (0.1 for 10% slower) and ``verdict``.  Raises `InvalidValue` for what is not a result of the bench.
    """
    before = dict(_figures(old))
    return [_verdict(key, before[key], now) for key, now in _figures(new) if key in before]


def _figures(result: dict[str, Any]) -> list[tuple[tuple[str, str], Any]]:
    """Return ((case, implementation), (sums, the baseline's sums, the baseline's name)) for each implementation."""
    if not isinstance(result, dict) or not isinstance(result.get("cases"), list):
        raise InvalidValue("this is not a result of `rawns bench --json`")
    if result.get("format") != FORMAT:
        raise InvalidValue(
            f"this result of `rawns bench --json` has format {result.get('format')!r}; only {FORMAT} is understood"
        )
    found = []
    try:
        for case in result["cases"]:
            base = next((one for one in case["implementations"] if one["name"] == case["baseline"] and one["sums"]), None)
            for one in case["implementations"]:
                if one["sums"]:
                    sums = base and base["sums"]
                    found.append(((str(case["name"]), str(one["name"])), (one["sums"], sums, case["baseline"])))
    except (TypeError, KeyError, AttributeError) as error:
        raise InvalidValue(f"this is not a result of `rawns bench --json`: {error!r}") from None
    return found


def _verdict(key: tuple[str, str], before: Any, now: Any) -> dict[str, Any]:
    relative = before[1] is not None and now[1] is not None and key[1] != now[2] and before[2] == now[2]
    (old, old_limits), (new, new_limits) = (_figure(one, relative) for one in (before, now))
    change = new / old - 1 if old else 0.0
    if old_limits is None or new_limits is None:
        verdict = UNKNOWN
    elif abs(change) < MIN_CHANGE or new_limits[0] <= old_limits[1] and new_limits[1] >= old_limits[0]:
        verdict = SAME
    else:
        verdict = SLOWER if change > 0 else FASTER
    found = {"case": key[0], "implementation": key[1], "by": now[2] if relative else None}
    return {**found, "old": old, "new": new, "change": change, "verdict": verdict}


def _figure(one: Any, relative: bool) -> tuple[float, Interval]:
    """Return a figure, the ratio to the baseline or nanoseconds, and its confidence interval."""
    sums, base, _ = one
    which = headline(sums)
    if relative and which in base:
        return ratio(sums[which], base[which])
    return median(sums[which]), median_interval(sums[which])


def regressions(found: list[dict[str, Any]], by: float) -> list[dict[str, Any]]:
    """Return the comparisons that are slower by more than ``by`` (0.1 for 10%)."""
    return [one for one in found if one["verdict"] == SLOWER and one["change"] > by]


def format_comparison(old: dict[str, Any], new: dict[str, Any], found: list[dict[str, Any]]) -> str:
    """Format what has changed, how much has not, and what makes the comparison doubtful.

    The new result's own warnings are not repeated: its report has them.
    """
    lines = []
    for one in found:
        if one["verdict"] in (SLOWER, FASTER):
            shown = (f"{one['old']:.2f} to {one['new']:.2f} times {one['by']}" if one["by"] else
                     f"{one['old'] / 1e6:.3f} to {one['new'] / 1e6:.3f} ms")  # fmt: skip
            lines.append(f"{one['case']}: {one['implementation']} is {one['verdict']} by {abs(one['change']):.0%} ({shown})")
    same = sum(one["verdict"] == SAME for one in found)
    lines.append(f"{same} of {len(found)} figures are the same within the noise")
    unknown = sum(one["verdict"] == UNKNOWN for one in found)
    if unknown:
        lines.append(f"{unknown} of {len(found)} figures have too few rounds to be compared")
    lines += [f"warning: the old result: {said}" for said in all_warnings(old)]
    for key in MACHINE:
        one, other = old["environment"].get(key), new["environment"].get(key)
        if one != other:
            lines.append(f"warning: the machines differ: {key} was {one}, and is {other}")
    return "\n".join(lines)
