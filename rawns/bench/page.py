"""A result of the bench as pictures: one SVG, or an HTML page that needs no other file.

A case is a chart with a strip for each implementation, all on one logarithmic time scale: every round is a dot, the box the
middle half, the bar the median.  Cases that differ only in their size are drawn as growth too.  Horizontal positions are
percentages, so that a chart fits any width, down to that of a telephone, with letters of the same size.
"""

from __future__ import annotations

from math import ceil, floor, log10

from . import findings
from .findings import baseline, fastest_tool, format_duration, format_ratio, measured, ratio_to
from .harness import RAWNS
from .samples import PERCENTILES, headline, median, quantile, summary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from .findings import Ratio

WIDTH = 880  # of the picture that stands alone; in the page a chart is as wide as the window lets it
STRIP, HEADING, AXIS, MARGIN, LEGEND = 48, 26, 44, 20, 20  # heights
CHART = 260
MAX_DOTS = 120  # of one implementation, taken evenly from all its rounds
MAX_TICKS = 6
OURS, BASE = "#1f6feb", "#57606a"
OTHERS = ("#bf5700", "#8250df", "#1a7f37", "#cf222e", "#9a6700", "#0e7490", "#a21caf")
STYLE = """svg{font:13px system-ui,sans-serif;color:#1f2328}text{fill:currentColor}.grid{stroke:currentColor;opacity:.13}
.soft{opacity:.7}.end{text-anchor:end}.middle{text-anchor:middle}.dot{opacity:.35}.line{stroke-width:2}.strong{font-weight:600}
@media(prefers-color-scheme:dark){svg{color:#e6edf3}}"""
PAGE_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:920px;margin:2em auto;
padding:0 16px;color:#1f2328;background:#fff;overflow-wrap:break-word}
h1{margin-bottom:.2em}.result{font-size:1.15em;margin:.4em 0}
h2{margin:2em 0 .3em;border-top:1px solid #8884;padding-top:1em;font-size:1.15em}svg{display:block;width:100%;overflow:visible}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:.6em 0;display:block;overflow-x:auto}
th,td{padding:2px 14px 2px 0;text-align:right;vertical-align:top}td{white-space:nowrap}
th:first-child,td:first-child{text-align:left;white-space:normal}
th{font-weight:600;opacity:.7}.soft{opacity:.7}.part td:first-child{padding-left:1em}
dt{font-weight:600}dd{margin:0 0 .4em 1em}
.warn{border-left:4px solid #bf8700;padding-left:12px}
.bad{color:#cf222e}code{font-size:.92em}
.limits{opacity:.7}
@media(max-width:600px){.wide{display:none}body{margin:1em auto;padding:0 12px}table{font-size:.8em}th,td{padding-right:6px}
.limits{display:block;font-size:.9em}}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}.bad{color:#ff7b72}}"""


def escaped(value: object) -> str:
    """Return text for XML; a control character, which XML cannot hold, becomes ``\\x1b``."""
    text = "".join(c if c.isprintable() or c in " \n" else f"\\x{ord(c):02x}" for c in str(value))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def axis_duration(nanoseconds: float) -> str:
    """Format a round duration for an axis: ``5 ms``, not ``5.00 ms``."""
    value, _, unit = format_duration(nanoseconds).partition(" ")
    return f"{float(value):g} {unit}"


class LogScale:
    """Positions of values between ``start`` and ``end`` on a logarithmic axis."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        low = max(low, 1e-9)
        self._low, self._high = log10(low), log10(max(high, low * 1.5))
        self._start, self._end = start, end

    def at(self, value: float) -> float:
        """Return the position of a value; one outside the axis is put at its end."""
        part = (log10(max(value, 1e-9)) - self._low) / (self._high - self._low)
        return self._start + (self._end - self._start) * min(1.0, max(0.0, part))

    def ticks(self) -> list[float]:
        """Return at most `MAX_TICKS` round values: 1-2-5 steps, decades, or every second, third ... decade."""
        decades = range(floor(self._low), ceil(self._high) + 1)
        steps = [[step * 10.0**decade for decade in decades for step in (1, 2, 5)], [10.0**decade for decade in decades]]
        for values in [*steps, *([10.0**decade for decade in decades if decade % n == 0] for n in range(2, 20))]:
            inside = [one for one in values if self._low - 0.001 <= log10(one) <= self._high + 0.001]
            if len(inside) <= MAX_TICKS:
                return inside
        return []


def colours(case: dict[str, Any]) -> dict[str, str]:
    """Return each implementation's colour: rawns blue, the baseline grey, the others one each."""
    given, others = {}, 0
    for one in case["implementations"]:
        if one["role"] == RAWNS:
            given[one["name"]] = OURS
        elif one["name"] == case["baseline"]:
            given[one["name"]] = BASE
        else:
            given[one["name"]] = OTHERS[others % len(OTHERS)]
            others += 1
    return given


# -- distributions ----------------------------------------------------------------------------------------------------


def strips(case: dict[str, Any], top: float = 0) -> tuple[str, float]:
    """Draw the distributions of a case as a group that begins at ``top``; return it and its height."""
    chosen = [(one["name"], findings.judged(one)) for one in measured(case)]
    if not chosen:
        return "", 0
    low, high = min(min(values) for _, values in chosen), max(max(values) for _, values in chosen)
    scale, bottom = LogScale(low * 0.9, high * 1.1, 1, 99), STRIP * len(chosen) + 6
    parts = [f'<g transform="translate(0 {top:.0f})">']
    for tick in scale.ticks():
        x = scale.at(tick)
        parts.append(f'<line class="grid" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="{bottom}"/>')
        parts.append(_tick_label(x, bottom + 16, axis_duration(tick)))
    parts.append(f'<text class="soft middle" x="50%" y="{bottom + 34}">time of one round, logarithmic scale</text>')
    given = colours(case)
    for number, (name, values) in enumerate(chosen):
        parts += _strip(name, values, scale, number * STRIP, given[name])
    return "".join([*parts, "</g>"]), bottom + AXIS


def _tick_label(x: float, y: float, text: str) -> str:
    """Write the label of a tick beneath it; near the ends it must not leave the picture."""
    anchor = "end" if x > 92 else "" if x < 8 else "middle"
    return f'<text class="soft {anchor}" x="{x:.2f}%" y="{y:.0f}">{text}</text>'


def _strip(name: str, values: Sequence[float], scale: LogScale, top: float, colour: str) -> Iterator[str]:
    figures, y = summary(values), top + 32
    yield f'<text x="1%" y="{top + 16:.0f}">{escaped(name)}</text>'
    yield f'<text class="end strong" x="99%" y="{top + 16:.0f}">{format_duration(figures["p50"])}</text>'
    for number, value in enumerate(values[:: max(1, len(values) // MAX_DOTS)]):
        offset = (number * 7 % 11 - 5) * 1.4
        yield f'<circle class="dot" cx="{scale.at(value):.2f}%" cy="{y + offset:.1f}" r="2.2" fill="{colour}"/>'
    if "iqr" in figures:
        left, right = (scale.at(quantile(values, part)) for part in (0.25, 0.75))
        box = f'x="{left:.2f}%" y="{y - 8:.0f}" width="{max(0.2, right - left):.2f}%" height="16"'
        yield f'<rect {box} fill="{colour}" opacity=".3"/>'
    middle = f"{scale.at(figures['p50']):.2f}%"
    yield f'<line x1="{middle}" x2="{middle}" y1="{y - 10:.0f}" y2="{y + 10:.0f}" stroke="{colour}" stroke-width="3"/>'


# -- growth -----------------------------------------------------------------------------------------------------------


def growth(cases: list[dict[str, Any]], top: float = 0) -> tuple[str, float]:
    """Draw the medians over the size, both logarithmic, with a legend beneath; return the group and its height."""
    lines = findings.medians(cases)
    given: dict[str, str] = {}
    for case in cases:
        for name, colour in colours(case).items():
            given.setdefault(findings.name_in_family(case, name), colour)
    sizes = [findings.size_of(case) for case in cases]
    values = [value for points in lines.values() for _, value in points]
    across, upward = LogScale(sizes[0], sizes[-1], 16, 96), LogScale(min(values) * 0.8, max(values) * 1.25, CHART, 24)
    parts = [f'<g transform="translate(0 {top:.0f})">', '<text class="soft" x="1%" y="12">median time</text>']
    for tick in upward.ticks():
        y = upward.at(tick)
        parts.append(f'<line class="grid" x1="16%" x2="96%" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="soft end" x="15%" y="{y + 4:.1f}">{axis_duration(tick)}</text>')
    parts += [_tick_label(across.at(size), CHART + 18, str(size)) for size in sizes]
    parts.append(f'<text class="soft middle" x="56%" y="{CHART + 36}">size (the number in the case\'s name), logarithmic</text>')
    for number, (name, points) in enumerate(sorted(lines.items(), key=lambda item: -item[1][-1][1])):
        parts += _line(points, given[name], across, upward)
        y = CHART + AXIS + 12 + number * LEGEND
        parts.append(f'<line class="line" x1="1%" x2="5%" y1="{y - 4}" y2="{y - 4}" stroke="{given[name]}"/>')
        parts.append(f'<text x="6.5%" y="{y}">{escaped(name)}: {format_duration(points[-1][1])} at {points[-1][0]}</text>')
    return "".join([*parts, "</g>"]), CHART + AXIS + 12 + LEGEND * len(lines)


def _line(points: list[tuple[int, float]], colour: str, across: LogScale, upward: LogScale) -> Iterator[str]:
    places = [(f"{across.at(size):.2f}%", f"{upward.at(value):.1f}") for size, value in points]
    for (x1, y1), (x2, y2) in zip(places, places[1:]):
        yield f'<line class="line" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}"/>'
    for x, y in places:
        yield f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}"/>'


# -- the whole --------------------------------------------------------------------------------------------------------


def picture(inside: str, height: float, title: str, width: str = "100%") -> str:
    """Return an ``svg`` element of that height; its width is that of the page unless given."""
    size = f'width="{width}" height="{height:.0f}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><title>{escaped(title)}</title>{inside}</svg>'


def svg(result: dict[str, Any]) -> str:
    """Return all distributions, and how they grow, as one picture."""
    parts, top = [f"<style>{STYLE}</style>"], float(MARGIN)
    drawings = [(f"{case['name']}: {case['title']}", case) for case in result["cases"] if measured(case)]
    for heading, case in drawings:
        drawn, height = strips(case, top + HEADING)
        parts += [_heading(heading, top), drawn]
        top += HEADING + height + MARGIN
    for name, cases in findings.families(result):
        drawn, height = growth(cases, top + HEADING)
        parts += [_heading(f"{name}: the median as the size grows", top), drawn]
        top += HEADING + height + MARGIN
    return picture("".join(parts), top, " ".join(["rawns bench.", *findings.summary_sentences(result)]), str(WIDTH)) + "\n"


def _heading(text: str, top: float) -> str:
    return f'<text class="strong" x="1%" y="{top + 14:.0f}">{escaped(text)}</text>'


def html(result: dict[str, Any]) -> str:
    """Return a page that needs no other file: the finding first, then charts, tables, terms and the machine."""
    there = result["environment"]
    parts = ["<h1>rawns bench</h1>", *(f"<p class='result'>{escaped(said)}</p>" for said in findings.summary_sentences(result))]
    parts += [f"<p class='soft'>{escaped(there['date'])}, <code>{escaped(result['command'])}</code></p>", _environment(there)]
    warnings = findings.all_warnings(result)
    if warnings:
        said = "".join(f"<li>{escaped(one)}</li>" for one in warnings)
        number = f"{len(warnings)} warning{'s' * (len(warnings) > 1)}"
        parts.append(f"<details class='warn'><summary>{number} of this run</summary><ul>{said}</ul></details>")
    terms = "".join(f"<dt>{escaped(term)}</dt><dd>{escaped(meaning)}</dd>" for term, meaning in findings.TERMS.items())
    chart = "Each dot is a round, the box the middle half of them, the bar the median, which is also the number on the right."
    parts.append(f"<details><summary>what the words and charts mean</summary><p>{chart}</p><dl>{terms}</dl></details>")
    for name, cases in findings.families(result):
        drawn, height = growth(cases)
        parts += [f"<h2>{escaped(name)}: the median as the size grows</h2>", picture(drawn, height, f"{name}, growth")]
    for case in result["cases"]:
        parts += _case(case)
    for profile in result["profile"]:
        parts += _profile(profile)
    if result["unavailable"]:
        missing = "".join(f"<li>{escaped(one['name'])}: {escaped(one['reason'])}</li>" for one in result["unavailable"])
        parts += ["<h2>Not measured</h2>", f"<ul>{missing}</ul>"]
    body = "\n".join(parts)
    viewport = '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
    head = f'<meta charset="utf-8"/>{viewport}<title>rawns bench</title><style>{PAGE_STYLE}{STYLE}</style>'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'


def _environment(there: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escaped(key)}</td><td>{escaped('unknown' if value is None else value)}</td></tr>"
        for key, value in there.items()
    )
    known = f"Linux {there['kernel']}, {there['processors']} processors, {there['python']}"
    return f"<details><summary>{escaped(known)}</summary><table>{rows}</table></details>"


def _case(case: dict[str, Any]) -> Iterator[str]:
    base, tool = baseline(case), fastest_tool(case)
    rounds = max((len(one["sums"]["total"]) for one in measured(case)), default=0)
    yield f"<h2>{escaped(case['name'])}: {escaped(case['title'])} <span class='soft'>({rounds} rounds)</span></h2>"
    drawn, height = strips(case)
    if drawn:
        yield picture(drawn, height, case["name"])
        heads = [
            f"<th class='{kind}'>{name}</th>"
            for name, kind in (*((name, _wide(name)) for name, _ in PERCENTILES), ("max", "wide"))
        ]
        heads += [f"<th>ratio to {escaped(base['name'])}</th>"] if base else []
        heads += [f"<th>ratio to {escaped(tool['name'])}, the fastest other tool</th>"] if tool else []
        yield f"<table><tr><th></th>{''.join(heads)}</tr>"
        for one in measured(case):
            parts = [part for part in one["sums"] if part != "total" or len(one["sums"]) == 1]
            for part in parts:
                yield _row(one, part, [other for other in (base, tool) if other])
        yield "</table>"
        yield from _steps(case)
    for one in case["implementations"]:
        if one["failed"] is not None:
            yield f"<p class='bad'>{escaped(one['name'])} failed: {escaped(one['failed'])}</p>"
        elif findings.differences(one):
            yield f"<p class='soft'>{escaped(one['name'])}: {escaped(findings.differences(one))}</p>"


def _wide(name: str) -> str:
    """Name the class of a column that is left out where the page is narrow."""
    return "" if name == "p50" else "wide"


def _row(one: dict[str, Any], part: str, others: list[dict[str, Any]]) -> str:
    figures = summary(one["sums"][part])
    cells = [
        f"<td class='{_wide(key)}'>{format_duration(figures[key]) if key in figures else '-'}</td>"
        for key in [*(name for name, _ in PERCENTILES), "max"]
    ]
    cells += [f"<td>{_ratio(ratio_to(other, one, part))}</td>" for other in others]
    if part == headline(one["sums"]):
        name, kind = escaped(one["name"]) + ("" if part == "total" else f" <span class='soft'>{part}</span>"), "whole"
    else:
        name, kind = f"<span class='soft'>{escaped(part)}</span>", "part"
    return f"<tr class='{kind}'><td>{name}</td>{''.join(cells)}</tr>"


def _ratio(found: Ratio | None) -> str:
    """Format a ratio; where the page is narrow its interval goes beneath it."""
    value, space, limits = format_ratio(found).partition(" ")
    return f"{value}{space}<span class='limits'>{limits}</span>" if limits else value


def _steps(case: dict[str, Any]) -> Iterator[str]:
    if not any(len(one["steps"]) > 1 for one in measured(case)):
        return
    yield "<details><summary>step by step (medians)</summary><table>"
    for one in measured(case):
        for step, spent in one["steps"].items():
            yield f"<tr><td>{escaped(one['name'])}</td><td>{escaped(step)}</td><td>{format_duration(median(spent))}</td></tr>"
    yield "</table></details>"


def _profile(profile: dict[str, Any]) -> Iterator[str]:
    yield f"<h2>Where the time goes: {escaped(profile['case'])}, {escaped(profile['implementation'])}</h2>"
    setup = f"Setup takes {format_duration(profile['setup'])}, of which Python {profile['python']:.0%}, the kernel the rest."
    yield f"<p>{setup}</p><table>"
    for call in profile["calls"]:
        share = call["nanoseconds"] / profile["setup"]
        cells = (escaped(call["call"]), f"{call['times']} times", format_duration(call["nanoseconds"]), f"{share:.0%}")
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    yield "</table>"
