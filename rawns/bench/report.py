"""A result of the bench as text, JSON and CSV.

Floor 7, pure.
"""

from __future__ import annotations

from ..terminal import printable
from .method import headline, quantile, ratio, summary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

SHOWN = ("up", "down", "gone", "until gone")


def text(result: dict[str, Any]) -> str:
    """All of it for people; milliseconds, or microseconds where that is what it takes."""
    there = result["world"]
    where = f"Linux {there['kernel']} ({there['HZ'] or 'unknown'} HZ), {there['processors']} processors, {there['python']}"
    loads = f"{there['mounts']} mounts, {there['named namespaces']} named namespaces, load {there['load']}"
    lines = [f"{where}, as {there['as']}; {loads}", ""]
    for case in result["cases"]:
        lines += [*_case(case), ""]
    for name, cases in families(result):
        lines += [*_growth(name, cases), ""]
    for profile in result["profile"]:
        lines += [*_profile(profile), ""]
    for one in result["absent"]:
        lines.append(f"absent: {one['name']}: {one['why']}")
    warnings = [*result["warnings"], *(f"{case['name']}: {said}" for case in result["cases"] for said in case["warnings"])]
    lines += [f"warning: {said}" for said in warnings]
    if result["made by"]:
        lines.append(f"\nmade by: {result['made by']}")
    return "\n".join(lines).rstrip() + "\n"


def figure(case: dict[str, Any], one: dict[str, Any], which: str) -> tuple[float, float, float] | None:
    """The ratio to the floor and its spread; None for the floor itself, or where there is none."""
    floor = next((other for other in case["contenders"] if other["name"] == case["floor"]), None)
    if floor is None or one is floor or which not in floor["sums"] or which not in one["sums"]:
        return None
    return ratio(one["sums"][which], floor["sums"][which])


def _case(case: dict[str, Any]) -> Iterator[str]:
    running = [one for one in case["contenders"] if one["sums"]]
    rounds = len(running[0]["sums"]["all"]) if running else 0
    yield f"{case['name']}: {case['title']} ({rounds} rounds)"
    if running:
        scale, unit = _unit(case, running)
        yield f"  {unit:<26}{'p50':>10}{'p90':>10}{'p99':>10}{'max':>10}   to the floor"
        for one in running:
            which = headline(one["sums"])
            yield _line(one["name"], summary(one["sums"][which]), scale, figure(case, one, which))
            for part in [name for name in SHOWN if name in one["sums"] and name != which]:
                yield _line(f"    {part}", summary(one["sums"][part]), scale, figure(case, one, part))
            if len(one["steps"]) > 1:
                shown = [f"{step} {quantile(spent, 0.5) / scale:.{_digits(scale)}f}" for step, spent in one["steps"].items()]
                yield f"      {'; '.join(shown)}"
    for one in case["contenders"]:
        if one["failed"] is not None:
            yield f"  {one['name']} FAILED: {printable(one['failed'])}"
        elif apart(one):
            yield f"  {one['name']}: {apart(one)}"


LACKS = {
    "stamp": "no lab's stamp",
    "lo": "lo as it was",
    "queues": "as many queues as the kernel likes",
    "names": "names of its own",
}


def apart(one: dict[str, Any]) -> str:
    """What a contender does, or leaves behind, on its own account."""
    said = [LACKS.get(word, word) for word in one["lacks"]]
    return "; ".join([*([one["note"]] if one["note"] else []), *([f"leaves {', '.join(said)}"] if said else [])])


def _unit(case: dict[str, Any], running: list[dict[str, Any]]) -> tuple[float, str]:
    small = max(quantile(one["sums"]["all"], 0.5) for one in running) < 1e6
    return (1e3, "microseconds") if small else (1e6, "milliseconds")


def _digits(scale: float) -> int:
    return 1 if scale == 1e3 else 3


def _line(name: str, figures: dict[str, float], scale: float, against: tuple[float, float, float] | None) -> str:
    values = "".join(f"{figures[key] / scale:>10.{_digits(scale)}f}" for key in ("p50", "p90", "p99", "max"))
    beside = "" if against is None else f"   {against[0]:.2f} ({against[1]:.2f} to {against[2]:.2f})"
    return f"  {name:<26}{values}{beside}"


# -- growth -----------------------------------------------------------------------------------------------------------


def families(result: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Cases that differ in their number alone: ``star-10``, ``star-100`` ..., where there are two at least."""
    found: dict[str, list[dict[str, Any]]] = {}
    for case in result["cases"]:
        name, dash, number = case["name"].rpartition("-")
        if dash and number.isdigit() and name != "chat" and any(one["sums"] for one in case["contenders"]):
            found.setdefault(name, []).append(case)
    return [(name, sorted(cases, key=number_of)) for name, cases in found.items() if len(cases) > 1]


def number_of(case: dict[str, Any]) -> int:
    return int(case["name"].rpartition("-")[2])


def label(case: dict[str, Any], name: str) -> str:
    """A contender's name without the number that is the case's."""
    return name.replace(f", {number_of(case)} threads", "")


def medians(cases: Sequence[dict[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    """For each contender, its median at each number."""
    found: dict[str, list[tuple[int, float]]] = {}
    for case in cases:
        for one in case["contenders"]:
            if one["sums"]:
                middle = quantile(one["sums"][headline(one["sums"])], 0.5)
                found.setdefault(label(case, one["name"]), []).append((number_of(case), middle))
    return found


def _growth(name: str, cases: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Stars by the host; the rest as they are.  Each beside the one before it."""
    each = name == "star"
    yield f"{name}: milliseconds{' a host' if each else ''}, and times the one before"
    for who, points in medians(cases).items():
        shown, before = [], 0.0
        for number, value in points:
            value /= number if each else 1
            shown.append(f"{value / 1e6:.3f} at {number}" + (f" ({value / before:.2f})" if before else ""))
            before = value
        yield f"  {who:<28}{'; '.join(shown)}"


def _profile(profile: dict[str, Any]) -> Iterator[str]:
    yield (
        f"where the time goes: {profile['case']}, {profile['contender']}, {profile['up'] / 1e6:.3f} ms up, "
        f"of which Python {profile['python']:.0%}, the kernel the rest"
    )
    for call in profile["calls"]:
        if call["nanoseconds"] >= 0.01 * profile["up"]:
            share = call["nanoseconds"] / profile["up"]
            yield f"  {call['call']:<16}{call['times']:>6} times{call['nanoseconds'] / 1e3:>12.1f} us{share:>6.0%}"


def rows(result: dict[str, Any]) -> Iterator[list[str]]:
    """CSV's lines: every sample of every step and sum."""
    yield ["case", "n", "contender", "version", "kind", "what", "round", "nanoseconds"]
    for case in result["cases"]:
        for one in case["contenders"]:
            for kind in ("steps", "sums"):
                for what, spent in one[kind].items():
                    for number, value in enumerate(spent):
                        yield [
                            case["name"],
                            str(case["n"]),
                            one["name"],
                            one["version"],
                            kind[:-1],
                            what,
                            str(number),
                            str(value),
                        ]
