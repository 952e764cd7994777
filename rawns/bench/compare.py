"""Two results of the bench, and what has become slower or faster beyond the noise.

Floor 7, pure.  Where both have a floor, ratios to it are compared, which a faster or busier machine leaves alone; else
milliseconds.  Beyond the noise is what is outside both spreads (`method`) and more than `LEAST`.
"""

from __future__ import annotations

from ..errors import InvalidValue
from .method import headline, median_spread, quantile, ratio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LEAST = 0.03  # a change of less is no news
SLOWER, FASTER, SAME = "slower", "faster", "same"


def compare(old: dict[str, Any], new: dict[str, Any]) -> list[dict[str, Any]]:
    """What is in both: ``case``, ``contender``, ``by`` (floor's name or None), ``old``, ``new``, ``change``, ``verdict``.

    ``change`` is 0.1 for a tenth slower.  Raises `InvalidValue` for what is no result of the bench.
    """
    before = dict(_all(old))
    found = []
    for key, now in _all(new):
        if key in before:
            found.append(_verdict(key, before[key], now))
    return found


def _all(result: dict[str, Any]) -> list[tuple[tuple[str, str], Any]]:
    if not isinstance(result, dict) or result.get("format") != 1 or not isinstance(result.get("cases"), list):
        raise InvalidValue("this is no result of `rawns bench --json`")
    found = []
    try:
        for case in result["cases"]:
            floor = next((one for one in case["contenders"] if one["name"] == case["floor"] and one["sums"]), None)
            for one in case["contenders"]:
                if one["sums"]:
                    found.append(((str(case["name"]), str(one["name"])), (one["sums"], floor and floor["sums"], case["floor"])))
    except (TypeError, KeyError, AttributeError) as error:
        raise InvalidValue(f"this is no result of `rawns bench --json`: {error!r}") from None
    return found


def _verdict(key: tuple[str, str], before: Any, now: Any) -> dict[str, Any]:
    relative = before[1] is not None and now[1] is not None and key[1] != now[2] and before[2] == now[2]
    old, new = (_figure(one, relative) for one in (before, now))
    change = new[0] / old[0] - 1 if old[0] else 0.0
    apart = new[1] > old[2] or new[2] < old[1]
    verdict = SAME if not apart or abs(change) < LEAST else SLOWER if change > 0 else FASTER
    told = {"case": key[0], "contender": key[1], "by": now[2] if relative else None}
    return {**told, "old": old[0], "new": new[0], "change": change, "verdict": verdict}


def _figure(one: Any, relative: bool) -> tuple[float, float, float]:
    """A figure and its spread: the ratio to the floor, or nanoseconds."""
    sums, floor, _ = one
    which = headline(sums)
    if relative and which in floor:
        return ratio(sums[which], floor[which])
    return (quantile(sums[which], 0.5), *median_spread(sums[which]))


def regressions(found: list[dict[str, Any]], by: float) -> list[dict[str, Any]]:
    """What is slower by more than ``by`` (0.1 for a tenth)."""
    return [one for one in found if one["verdict"] == SLOWER and one["change"] > by]


def told(found: list[dict[str, Any]]) -> str:
    """As text: what has changed, and how much has not."""
    lines = []
    for one in found:
        if one["verdict"] != SAME:
            shown = (f"{one['old']:.2f} to {one['new']:.2f} times {one['by']}" if one["by"] else
                     f"{one['old'] / 1e6:.3f} to {one['new'] / 1e6:.3f} ms")  # fmt: skip
            lines.append(f"{one['case']}: {one['contender']} is {one['verdict']} by {abs(one['change']):.0%} ({shown})")
    same = sum(one["verdict"] == SAME for one in found)
    return "\n".join([*lines, f"{same} of {len(found)} figures are the same within the noise"])
