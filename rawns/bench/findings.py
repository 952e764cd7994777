"""What a result says: each implementation beside the baseline and beside the fastest other tool, in numbers and in words.

The fastest other tool (`fastest_tool`) is found from the figures, never chosen, and is named wherever a ratio to another
tool is given, also if it is faster than rawns.
"""

from __future__ import annotations

from .harness import RAWNS, TOOL
from .samples import headline, median, ratio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

    Implementations = list[dict[str, Any]]
    Ratio = tuple[float, Optional[tuple[float, float]]]

FORMAT = 2  # of a result (`run`)
TERMS = {
    "setup": "from the first call until links, addresses and names are there",
    "teardown": "from the first call of the deletion until the last one returns",
    "cleanup": "from then until the kernel has freed the namespaces, which it does in the background",
    "each": "every single one of those that happen at the same time, from its first call until it is there",
    "total": "setup and teardown, or the whole of a case that sets nothing up",
    "total with cleanup": "until the kernel has freed everything",
    "p50": "the median: half of the rounds took less (p90, p99: 90 and 99 of 100)",
    "baseline": "what the others are compared with: the same system calls in plain C, or a bare interpreter",
    "fastest other tool": "the implementation with the lowest median that is neither rawns nor the baseline",
    "ratio": "of the medians; in parentheses the limits between which it lies with 95% confidence",
}
QUESTION = ("article", "star-100", "star-10", "named")  # the cases from which the summary is taken, the first that is there


def measured(case: dict[str, Any], role: str = "") -> Implementations:
    """Return the implementations of a case that have figures; with ``role`` those of that role."""
    return [one for one in case["implementations"] if one["sums"] and role in ("", one["role"])]


def judged(one: dict[str, Any]) -> list[int]:
    """Return the nanoseconds by which an implementation is judged (`samples.headline`)."""
    found: list[int] = one["sums"][headline(one["sums"])]
    return found


def baseline(case: dict[str, Any]) -> dict[str, Any] | None:
    """Return the case's baseline, or None if it has none or it failed."""
    return next((one for one in measured(case) if one["name"] == case["baseline"]), None)


def fastest_tool(case: dict[str, Any]) -> dict[str, Any] | None:
    """Return the fastest implementation that is neither rawns nor the baseline, or None if there is none."""
    return min(measured(case, TOOL), key=lambda one: median(judged(one)), default=None)


def ratio_to(other: dict[str, Any] | None, one: dict[str, Any], which: str) -> Ratio | None:
    """Return the ratio of a sum to another implementation's; None if there is nothing to compare."""
    if other is None or one is other or which not in other["sums"] or which not in one["sums"]:
        return None
    return ratio(one["sums"][which], other["sums"][which])


def format_ratio(found: Ratio | None) -> str:
    """Format a ratio with its interval if there is one: ``1.12 (1.11 to 1.14)``."""
    if found is None:
        return ""
    value, limits = found
    digits = 2 if value < 100 else 0
    return f"{value:.{digits}f}" if limits is None else f"{value:.{digits}f} ({limits[0]:.{digits}f} to {limits[1]:.{digits}f})"


def differences(one: dict[str, Any]) -> str:
    """Describe what an implementation does, or leaves behind, differently."""
    words = {"stamp": "no lab's stamp", "lo": "lo down", "queues": "the kernel's number of queues", "names": "other link names"}
    said = [words.get(word, word) for word in one["differences"]]
    return "; ".join([*([one["note"]] if one["note"] else []), *([f"has {', '.join(said)}"] if said else [])])


def format_duration(nanoseconds: float) -> str:
    """Format a duration with a suitable unit and three significant digits."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            value = nanoseconds / size
            return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"
    return f"{nanoseconds:.0f} ns"


def all_warnings(result: dict[str, Any]) -> list[str]:
    """Return the warnings of the machine and of each case."""
    return [*result["warnings"], *(f"{case['name']}: {said}" for case in result["cases"] for said in case["warnings"])]


# -- in words ---------------------------------------------------------------------------------------------------------


def summary_sentences(result: dict[str, Any]) -> list[str]:
    """Return the result in a sentence or two: the main case, then the cases in which another tool is faster."""
    found = []
    cases = {case["name"]: case for case in result["cases"] if measured(case, RAWNS)}
    order = [*(cases[name] for name in QUESTION if name in cases), *filter(fastest_tool, cases.values()), *cases.values()]
    main = next(iter(order), None)
    if main is not None:
        found.append(_main_sentence(main))
    slower = [said for said in (_slower(case) for case in cases.values()) if said]
    if slower:
        found.append(f"Another tool is faster in {', '.join(slower)}.")
    elif any(fastest_tool(case) for case in cases.values()):
        found.append("No other tool is faster in any case measured.")
    return found


def _main_sentence(case: dict[str, Any]) -> str:
    ours = sorted(measured(case, RAWNS), key=lambda one: median(judged(one)))
    base, tool = baseline(case), fastest_tool(case)
    ends = ours[:1] if len(ours) == 1 else [ours[0], ours[-1]]
    values = [median(judged(one)) for one in ends]
    names = [f" ({one['name'].replace('rawns, ', '')})" if len(ends) > 1 else "" for one in ends]
    times = " to ".join(f"{format_duration(value)}{name}" for value, name in zip(values, names))
    said = [f"{case['title'][:1].upper()}{case['title'][1:]}: rawns takes {times}"]
    if base is not None and base["role"] != RAWNS:
        factors = " to ".join(f"{value / median(judged(base)):.2f}" for value in values)
        said.append(f"{factors} times as long as {base['name']}")
    if tool is not None:
        said.append(f"{comparison(values, median(judged(tool)))} than {tool['name']}, the fastest other tool")
    return "; ".join(said) + "."


def comparison(values: list[float], other: float) -> str:
    """Say how much faster or slower durations are than another: ``3.3 to 4.3 times faster``, ``2.9 times slower``."""
    faster = sorted({f"{other / value:.1f}" for value in values if value <= other}, key=float)
    slower = sorted({f"{value / other:.1f}" for value in values if value > other}, key=float)
    parts = [f"{' to '.join(found)} times {word}" for found, word in ((faster, "faster"), (slower, "slower")) if found]
    return " and ".join(parts)


def _slower(case: dict[str, Any]) -> str:
    """Name the tool that is faster than rawns's best in this case, or return an empty string."""
    tool, ours = fastest_tool(case), min(median(judged(one)) for one in measured(case, RAWNS))
    if tool is None or median(judged(tool)) >= ours:
        return ""
    return f"{case['name']} ({tool['name']}: rawns is {comparison([ours], median(judged(tool)))})"


# -- growth -----------------------------------------------------------------------------------------------------------


def families(result: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the cases that differ only in their size (``star-10``, ``star-100`` ...), if there are at least two."""
    found: dict[str, list[dict[str, Any]]] = {}
    for case in result["cases"]:
        name, hyphen, number = case["name"].rpartition("-")
        if hyphen and number.isdigit() and name != "chat" and measured(case):
            found.setdefault(name, []).append(case)
    return [(name, sorted(cases, key=size_of)) for name, cases in found.items() if len(cases) > 1]


def size_of(case: dict[str, Any]) -> int:
    """Return the number in a case's name."""
    return int(case["name"].rpartition("-")[2])


def name_in_family(case: dict[str, Any], name: str) -> str:
    """Return an implementation's name without the number of threads, which is the case's size."""
    return name.replace(f", {size_of(case)} threads", "").replace(", 1 thread", "")


def medians(cases: list[dict[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    """Return for each implementation its median at each size."""
    found: dict[str, list[tuple[int, float]]] = {}
    for case in cases:
        for one in measured(case):
            found.setdefault(name_in_family(case, one["name"]), []).append((size_of(case), median(judged(one))))
    return found
