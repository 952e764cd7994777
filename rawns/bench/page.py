"""A result of the bench as pictures: one SVG, or an HTML page that needs nothing but itself.

Floor 7, pure.  A case is a row of strips, one for each contender on a common logarithmic scale: every round is a dot, the
box is the middle half, the bar the median.  Cases that differ in N alone are drawn as growth too.
"""

from __future__ import annotations

from math import ceil, floor, log10

from ..terminal import printable
from .method import headline, quantile, summary
from .report import apart, families, figure, label, medians, number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

WIDTH, LABELS, ROW, AXIS, MARGIN = 880, 240, 30, 34, 20
DOTS = 120  # at most, of one contender: spread over all its rounds
CHART = 300
OURS, FLOOR, OTHERS = "#1f6feb", "#57606a", ("#bf5700", "#8250df", "#1a7f37", "#cf222e", "#9a6700", "#0e7490", "#a21caf")
STYLE = """svg{font:13px system-ui,sans-serif;color:#1f2328}text{fill:currentColor}.grid{stroke:currentColor;opacity:.13}
.soft{opacity:.7}.end{text-anchor:end}.middle{text-anchor:middle}.dot{opacity:.35}.line{fill:none;stroke-width:2}
@media(prefers-color-scheme:dark){svg{color:#e6edf3}}"""
PAGE_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:920px;margin:2em auto;
padding:0 20px;color:#1f2328;background:#fff}
h1{margin-bottom:.2em}
h2{margin:2em 0 .3em;border-top:1px solid #8884;padding-top:1em;font-size:1.15em}svg{max-width:100%;height:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:.6em 0;display:block;overflow-x:auto}
th,td{padding:2px 14px 2px 0;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}
th{font-weight:600;opacity:.7}.soft{opacity:.7}
.warn{border-left:4px solid #bf8700;padding-left:12px}
.bad{color:#cf222e}code{font-size:.92em}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}.bad{color:#ff7b72}}"""


def escaped(value: object) -> str:
    """For XML; what it cannot hold (control characters) is written out."""
    text = "\n".join(map(printable, str(value).split("\n")))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def shown(nanoseconds: float) -> str:
    """A duration with the unit that suits it, in three figures or so."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            value = nanoseconds / size
            return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"
    return f"{nanoseconds:.0f} ns"


def plainly(nanoseconds: float) -> str:
    """A round duration, for an axis: ``5 ms``, not ``5.00 ms``."""
    value, _, unit = shown(nanoseconds).partition(" ")
    return f"{float(value):g} {unit}"


# -- distributions ----------------------------------------------------------------------------------------------------


class Scale:
    """Logarithmic, in whole decades or their 1-2-5 steps."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        low = max(low, 1e-9)
        self._low, self._high = log10(low), log10(max(high, low * 1.5))
        self._start, self._end = start, end

    def at(self, value: float) -> float:
        part = (log10(max(value, 1e-9)) - self._low) / (self._high - self._low)
        return self._start + (self._end - self._start) * min(1.0, max(0.0, part))

    def ticks(self) -> list[float]:
        decades = range(floor(self._low), ceil(self._high) + 1)
        found = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
        inside = [one for one in found if self._low - 0.001 <= log10(one) <= self._high + 0.001]
        return inside if len(inside) <= 9 else [one for one in inside if log10(one) == round(log10(one))]


def colours(case: dict[str, Any]) -> dict[str, str]:
    """Ours blue, the floor grey, each of the others its own."""
    given, others = {}, 0
    for one in case["contenders"]:
        if one["version"].startswith("rawns"):
            given[one["name"]] = OURS
        elif one["name"] == case["floor"]:
            given[one["name"]] = FLOOR
        else:
            given[one["name"]] = OTHERS[others % len(OTHERS)]
            others += 1
    return given


def strips(case: dict[str, Any], top: float = 0) -> tuple[str, float]:
    """The distributions of one case as a group that begins at ``top``; and how high it is."""
    running = [one for one in case["contenders"] if one["sums"]]
    if not running:
        return "", 0
    chosen = [(one, one["sums"][headline(one["sums"])]) for one in running]
    low, high = min(min(values) for _, values in chosen), max(max(values) for _, values in chosen)
    scale, bottom = Scale(low * 0.9, high * 1.1, LABELS, WIDTH - 90), ROW * len(running) + 6
    parts = [f'<g transform="translate(0 {top:.0f})">']
    for tick in scale.ticks():
        x = scale.at(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{bottom}"/>')
        parts.append(f'<text class="soft middle" x="{x:.1f}" y="{bottom + 16}">{plainly(tick)}</text>')
    given = colours(case)
    for number, (one, values) in enumerate(chosen):
        parts += _strip(one["name"], values, scale, number * ROW + ROW / 2 + 3, given[one["name"]])
    return "".join([*parts, "</g>"]), bottom + AXIS


def _strip(name: str, values: Sequence[float], scale: Scale, y: float, colour: str) -> Iterator[str]:
    figures = summary(values)
    left, right = (scale.at(quantile(values, part)) for part in (0.25, 0.75))
    middle = scale.at(figures["p50"])
    yield f'<text class="end" x="{LABELS - 12}" y="{y + 4:.0f}">{escaped(name)}</text>'
    step = max(1, len(values) // DOTS)
    for number, value in enumerate(values[::step]):
        wobble = (number * 7 % 11 - 5) * 1.5
        yield f'<circle class="dot" cx="{scale.at(value):.1f}" cy="{y + wobble:.1f}" r="2.2" fill="{colour}"/>'
    yield f'<rect x="{left:.1f}" y="{y - 8:.0f}" width="{max(1.5, right - left):.1f}" height="16" fill="{colour}" opacity=".3"/>'
    yield f'<line x1="{middle:.1f}" x2="{middle:.1f}" y1="{y - 10:.0f}" y2="{y + 10:.0f}" stroke="{colour}" stroke-width="3"/>'
    yield f'<text x="{WIDTH - 80}" y="{y + 4:.0f}">{shown(figures["p50"])}</text>'


# -- growth -----------------------------------------------------------------------------------------------------------


def growth(cases: Sequence[dict[str, Any]], top: float = 0) -> tuple[str, float]:
    """Medians over N, both logarithmic."""
    lines = medians(cases)
    given: dict[str, str] = {}
    for case in cases:
        for name, colour in colours(case).items():
            given.setdefault(label(case, name), colour)
    numbers = [number_of(case) for case in cases]
    values = [value for points in lines.values() for _, value in points]
    across = Scale(numbers[0], numbers[-1], 80, WIDTH - LABELS)
    upward = Scale(min(values) * 0.8, max(values) * 1.25, CHART, 10)
    parts = [f'<g transform="translate(0 {top:.0f})">']
    for tick in upward.ticks():
        y = upward.at(tick)
        parts.append(f'<line class="grid" x1="80" x2="{WIDTH - LABELS}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="soft end" x="70" y="{y + 4:.1f}">{plainly(tick)}</text>')
    for number in numbers:
        parts.append(f'<text class="soft middle" x="{across.at(number):.1f}" y="{CHART + 20}">{number}</text>')
    parts += _lines(lines, given, across, upward)
    return "".join([*parts, "</g>"]), CHART + AXIS


def _lines(lines: dict[str, list[tuple[int, float]]], given: dict[str, str], across: Scale, upward: Scale) -> Iterator[str]:
    """Each with its name at its end; names that would lie upon each other make room."""
    last = 0.0
    for name, points in sorted(lines.items(), key=lambda item: -item[1][-1][1]):
        places = [(across.at(number), upward.at(value)) for number, value in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        yield f'<polyline class="line" points="{path}" stroke="{given[name]}"/>'
        for x, y in places:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{given[name]}"/>'
        x, y = places[-1]
        if x < WIDTH - LABELS - 1:  # it ends before the others do
            yield f'<text x="{x + 10:.1f}" y="{y - 6:.1f}" style="fill:{given[name]}">{escaped(name)}</text>'
            continue
        last = max(y + 4, last + 16)
        yield f'<text x="{x + 10:.1f}" y="{last:.1f}" style="fill:{given[name]}">{escaped(name)}</text>'


# -- the whole --------------------------------------------------------------------------------------------------------


def picture(inside: str, height: float, title: str) -> str:
    size = f'viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    return f"{head}<title>{escaped(title)}</title>{inside}</svg>"


def svg(result: dict[str, Any]) -> str:
    """All distributions, and how they grow, in one picture."""
    parts, top = [f"<style>{STYLE}</style>"], float(MARGIN)
    for case in result["cases"]:
        drawn, height = strips(case, top + 26)
        if drawn:
            parts += [_heading(f"{case['name']}: {case['title']}", top + 14), drawn]
            top += height + 26 + MARGIN
    for name, cases in families(result):
        drawn, height = growth(cases, top + 26)
        parts += [_heading(f"{name}: the median as N grows", top + 14), drawn]
        top += height + 26 + MARGIN
    return picture("".join(parts), top, "rawns bench") + "\n"


def _heading(text: str, y: float) -> str:
    return f'<text x="8" y="{y:.0f}" font-weight="600">{escaped(text)}</text>'


def html(result: dict[str, Any]) -> str:
    """A page that stands alone."""
    there = result["world"]
    parts = [
        "<h1>rawns bench</h1>",
        f"<p class='soft'>{escaped(there['date'])}, <code>{escaped(result['made by'])}</code></p>",
        _world(there),
    ]
    warnings = [*result["warnings"], *(f"{case['name']}: {said}" for case in result["cases"] for said in case["warnings"])]
    parts += [f"<p class='warn'>{escaped(said)}</p>" for said in warnings]
    for name, cases in families(result):
        drawn, height = growth(cases)
        parts += [f"<h2>{escaped(name)}: the median as N grows</h2>", picture(drawn, height, f"{name}, growth")]
    for case in result["cases"]:
        parts += _case(case)
    for profile in result["profile"]:
        parts += _profile(profile)
    if result["absent"]:
        absent = "".join(f"<li>{escaped(one['name'])}: {escaped(one['why'])}</li>" for one in result["absent"])
        parts += ["<h2>Not here</h2>", f"<ul>{absent}</ul>"]
    body = "\n".join(parts)
    head = '<meta charset="utf-8"/><meta name="viewport" content="width=device-width"/><title>rawns bench</title>'
    style = f"<style>{PAGE_STYLE}{STYLE}</style>"
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}{style}</head><body>\n{body}\n</body></html>\n'


def _world(there: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escaped(key)}</td><td>{escaped('unknown' if value is None else value)}</td></tr>"
        for key, value in there.items()
    )
    known = f"Linux {there['kernel']}, {there['processors']} processors, {there['python']}"
    return f"<details><summary>{escaped(known)}</summary><table>{rows}</table></details>"


def _case(case: dict[str, Any]) -> Iterator[str]:
    yield f"<h2>{escaped(case['name'])}: {escaped(case['title'])}</h2>"
    drawn, height = strips(case)
    if drawn:
        yield picture(drawn, height, case["name"])
        titles = ("", "p50", "p90", "p99", "max", f"to {escaped(case['floor'] or 'the floor')}")
        heads = "".join(f"<th>{title}</th>" for title in titles)
        yield f"<table><tr>{heads}</tr>"
        for one in case["contenders"]:
            for which in one["sums"]:
                if which != "all" or len(one["sums"]) == 1:
                    yield _row(case, one, which)
        yield "</table>"
        yield from _steps(case)
    for one in case["contenders"]:
        if one["failed"] is not None:
            yield f"<p class='bad'>{escaped(one['name'])} failed: {escaped(one['failed'])}</p>"
        elif apart(one):
            yield f"<p class='soft'>{escaped(one['name'])}: {escaped(apart(one))}</p>"


def _row(case: dict[str, Any], one: dict[str, Any], which: str) -> str:
    figures, against = summary(one["sums"][which]), figure(case, one, which)
    cells = "".join(f"<td>{shown(figures[key])}</td>" for key in ("p50", "p90", "p99", "max"))
    beside = "" if against is None else f"{against[0]:.2f} <span class='soft'>({against[1]:.2f} to {against[2]:.2f})</span>"
    name = escaped(one["name"]) if len(one["sums"]) == 1 else f"{escaped(one['name'])} <span class='soft'>{escaped(which)}</span>"
    return f"<tr><td>{name}</td>{cells}<td>{beside}</td></tr>"


def _steps(case: dict[str, Any]) -> Iterator[str]:
    if not any(len(one["steps"]) > 1 for one in case["contenders"]):
        return
    yield "<details><summary>step by step (medians)</summary><table>"
    for one in case["contenders"]:
        for step, spent in one["steps"].items():
            yield f"<tr><td>{escaped(one['name'])}</td><td>{escaped(step)}</td><td>{shown(quantile(spent, 0.5))}</td></tr>"
    yield "</table></details>"


def _profile(profile: dict[str, Any]) -> Iterator[str]:
    yield f"<h2>Where the time goes: {escaped(profile['case'])}, {escaped(profile['contender'])}</h2>"
    yield f"<p>{shown(profile['up'])} up, of which Python {profile['python']:.0%}; the kernel has the rest.</p><table>"
    for call in profile["calls"]:
        share = call["nanoseconds"] / profile["up"]
        cells = (escaped(call["call"]), f"{call['times']} times", shown(call["nanoseconds"]), f"{share:.0%}")
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    yield "</table>"
