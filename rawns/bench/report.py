"""A result of the bench as text and as rows for CSV."""

from __future__ import annotations

from ..terminal import printable
from . import findings
from .findings import baseline, fastest_tool, format_ratio, measured, ratio_to
from .samples import PERCENTILES, headline, median, summary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .findings import Ratio

PARTS = ("setup", "teardown", "cleanup", "total with cleanup")
RATIO_WIDTH = 26
NOT_SUPPORTED = "-"


def text(result: dict[str, Any]) -> str:
    """Return the whole result for people, in milliseconds or microseconds: the finding, the cases, growth, profiles, warnings."""
    there = result["environment"]
    busy = there.get("busy before")
    machine = f"Linux {there['kernel']} ({there['HZ'] or 'unknown'} HZ), {there['processors']} processors, {there['python']}"
    state = f"{there['mounts']} mounts, {there['named namespaces']} named namespaces"
    others = "" if busy is None else f", {busy:.0%} of the processors used by other programs"
    if result.get("cold"):
        others += "; cold: each implementation in a process of its own, after a pause"
    lines = [*findings.summary_sentences(result), "", f"{machine}, as {there['as']}; {state}{others}", ""]
    for case in result["cases"]:
        lines += [*_case(case), ""]
    for name, cases in findings.families(result):
        lines += [*_growth(name, cases), ""]
    for profile in result["profile"]:
        lines += [*_profile(profile), ""]
    lines += [f"not measured: {one['name']}: {one['reason']}" for one in result["unavailable"]]
    lines += [f"warning: {said}" for said in findings.all_warnings(result)]
    lines += ["", *(f"{term}: {meaning}" for term, meaning in findings.TERMS.items())]
    if result["command"]:
        lines.append(f"\nmade by: {result['command']}")
    return "\n".join(lines).rstrip() + "\n"


def _case(case: dict[str, Any]) -> Iterator[str]:
    running, base, tool = measured(case), baseline(case), fastest_tool(case)
    rounds = len(running[0]["sums"]["total"]) if running else 0
    yield f"{case['name']}: {case['title']} ({rounds} rounds)"
    if running:
        scale, unit = _unit(running)
        heads = "".join(f"{name:>10}" for name in [*(name for name, _ in PERCENTILES), "max"])
        ratios = [f"/ {one['name']}" for one in (base, tool) if one is not None]
        yield f"  {unit:<28}{heads}" + "".join(f"   {head:<{RATIO_WIDTH}}" for head in ratios).rstrip()
        for one in running:
            which = headline(one["sums"])
            for part in [which, *(name for name in PARTS if name in one["sums"] and name != which)]:
                beside = [ratio_to(other, one, part) for other in (base, tool) if other is not None]
                yield _line(one["name"] if part == which else f"    {part}", one["sums"][part], scale, beside)
            slow = _tail(one["sums"]["each"]) if which == "each" else ""
            if slow:
                yield f"      {slow}"
            if len(one["steps"]) > 1:
                shown = [f"{step} {median(spent) / scale:.{_digits(scale)}f}" for step, spent in one["steps"].items()]
                yield f"      {'; '.join(shown)}"
        if tool is not None:
            yield f"  fastest other tool: {tool['name']}"
    for one in case["implementations"]:
        if one["failed"] is not None:
            yield f"  {one['name']} FAILED: {printable(one['failed'])}"
        elif findings.differences(one):
            yield f"  {one['name']}: {findings.differences(one)}"


def _tail(values: list[int]) -> str:
    """Say how many times the median the slowest hundredth takes, if there are enough values."""
    figures = summary(values)
    return f"p99 is {figures['p99'] / figures['p50']:.1f} times p50" if "p99" in figures else ""


def _unit(running: list[dict[str, Any]]) -> tuple[float, str]:
    small = max(median(one["sums"]["total"]) for one in running) < 1e6
    return (1e3, "microseconds") if small else (1e6, "milliseconds")


def _digits(scale: float) -> int:
    return 1 if scale == 1e3 else 3


def _line(name: str, values: list[int], scale: float, beside: list[Ratio | None]) -> str:
    figures, digits = summary(values), _digits(scale)
    cells = [f"{figures[key] / scale:.{digits}f}" if key in figures else NOT_SUPPORTED for key, _ in PERCENTILES]
    cells.append(f"{figures['max'] / scale:.{digits}f}")
    ratios = "".join(f"   {format_ratio(one):<{RATIO_WIDTH}}" for one in beside)
    return f"  {name:<28}{''.join(f'{cell:>10}' for cell in cells)}{ratios}".rstrip()


def _growth(name: str, cases: list[dict[str, Any]]) -> Iterator[str]:
    """Show the medians at each size, of a star for each host, with the ratio to the size before."""
    each = name in ("star", "slots")
    yield f"{name}: milliseconds{' for each host' if each else ''} at each size, and in parentheses the ratio to the size before"
    for who, points in findings.medians(cases).items():
        shown, before = [], 0.0
        for number, value in points:
            value /= number if each else 1
            shown.append(f"{value / 1e6:.3f} at {number}" + (f" ({value / before:.2f})" if before else ""))
            before = value
        yield f"  {who:<28}{'; '.join(shown)}"


def _profile(profile: dict[str, Any]) -> Iterator[str]:
    yield (
        f"where the time goes: {profile['case']}, {profile['implementation']}, setup {profile['setup'] / 1e6:.3f} ms, "
        f"of which Python {profile['python']:.0%}, the kernel the rest"
    )
    for call in profile["calls"]:
        if call["nanoseconds"] >= 0.01 * profile["setup"]:
            share = call["nanoseconds"] / profile["setup"]
            yield f"  {call['call']:<16}{call['times']:>6} times{call['nanoseconds'] / 1e3:>12.1f} us{share:>6.0%}"
    if sum(call["nanoseconds"] for call in profile["calls"]) > profile["setup"]:
        yield "  the calls took longer, when they were observed, than the whole setup without: measure on an idle machine"


def rows(result: dict[str, Any]) -> Iterator[list[str]]:
    """Yield the rows of a CSV file: a header, then every sample of every step and sum."""
    yield ["case", "n", "implementation", "role", "version", "kind", "what", "round", "nanoseconds"]
    for case in result["cases"]:
        for one in case["implementations"]:
            who = [case["name"], str(case["n"]), one["name"], one["role"], one["version"]]
            for kind in ("steps", "sums"):
                for what, spent in one[kind].items():
                    yield from ([*who, kind[:-1], what, str(number), str(value)] for number, value in enumerate(spent))
