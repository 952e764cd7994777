"""The bench's figures, verdicts, texts and pages, against known values and Python's own `statistics`.  No kernel, no clock."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import random
import re
import statistics
import xml.dom.minidom
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT

from rawns import InvalidValue
from rawns.bench import compare, environment, findings, page, report, samples
from rawns.bench.compare import format_comparison, regressions
from rawns.bench.equivalence import difference, without
from rawns.bench.harness import BASELINE, RAWNS, TOOL, Case, Implementation
from rawns.bench.run import select

DRAW = random.Random(7)
VALUES = [DRAW.lognormvariate(0, 1) * 1e6 for _ in range(101)]


# -- samples ------------------------------------------------------------------------------------------------------------


def test_quantiles_are_those_of_statistics() -> None:
    expected = statistics.quantiles(VALUES, n=100, method="inclusive")
    found = [samples.quantile(VALUES, part / 100) for part in range(1, 100)]
    assert found == pytest.approx(expected)
    assert samples.quantile(VALUES, 0) == min(VALUES) and samples.quantile(VALUES, 1) == max(VALUES)
    assert samples.quantile([3.0], 0.99) == 3.0 and samples.quantile([1, 2], 0.5) == 1.5


def test_a_summary() -> None:
    found = samples.summary(VALUES)
    assert found["p50"] == statistics.median(VALUES) and found["max"] == max(VALUES) and found["n"] == 101
    assert found["min"] <= found["p50"] <= found["p90"] <= found["p99"] <= found["max"]


@pytest.mark.parametrize(
    ("count", "percentiles"),
    [(1, ["p50"]), (5, ["p50"]), (9, ["p50"]), (10, ["p50", "p90"]), (99, ["p50", "p90"]), (100, ["p50", "p90", "p99"])],
)
def test_a_percentile_needs_a_sample_above_it(count: int, percentiles: list[str]) -> None:
    """Of n samples one is 1/n of the distribution: a percentile beyond 1 - 1/n would only be the maximum again."""
    assert [key for key in samples.summary(VALUES[:count]) if key.startswith("p")] == percentiles


def test_a_ratio_and_its_interval() -> None:
    twice = [2 * value for value in VALUES]
    ratio, limits = samples.ratio(twice, VALUES)
    assert limits is not None and [ratio, *limits] == pytest.approx([2, 2, 2])  # drawn in pairs, by round
    ratio, limits = samples.ratio(VALUES[50:] + VALUES[:50], VALUES)
    assert limits is not None
    assert ratio == pytest.approx(1) and limits[0] < 1 < limits[1]


def test_the_median_lies_within_its_interval() -> None:
    limits = samples.median_interval(VALUES)
    assert limits is not None
    assert limits[0] <= statistics.median(VALUES) <= limits[1] and min(VALUES) < limits[0] and limits[1] < max(VALUES)
    assert samples.median_interval(VALUES) == limits  # the same for the same values
    assert samples.median_interval([5.0] * 9) == (5.0, 5.0)


def test_an_interval_needs_enough_samples() -> None:
    """All n samples lie on one side of the median with probability 2 / 2**n, which is under 5% from n = 6 on."""
    smallest = next(n for n in range(1, 100) if 2 / 2**n < 1 - samples.CONFIDENCE)
    assert samples.median_interval(VALUES[: smallest - 1]) is None and samples.median_interval(VALUES[:smallest]) is not None
    assert samples.ratio(VALUES[: smallest - 1], VALUES)[1] is None and samples.ratio(VALUES[:smallest], VALUES)[1] is not None
    assert findings.format_ratio((1.5, None)) == "1.50" and findings.format_ratio((1.5, (1.25, 2))) == "1.50 (1.25 to 2.00)"


def test_each_runs_after_each_other() -> None:
    orders = [samples.rotation("ABC", number) for number in range(6)]
    assert orders[:3] == [list("ABC"), list("BCA"), list("CAB")] and orders[3:] == orders[:3]
    assert samples.rotation([], 4) == []


def test_warnings_about_samples() -> None:
    assert samples.warnings("x", [100.0] * 10, 120) == []
    assert "noisy" in samples.warnings("x", [50, 60, 100, 200, 210], 100)[0]
    assert "--rounds" in samples.warnings("x", [50, 60, 100, 200, 210], 100)[0]
    assert samples.warnings("x", [50, 100, 210], 100) == []  # three samples have no quartiles
    assert "first run took 6.0 times" in samples.warnings("x", [100.0] * 10, 600)[0]


def test_warnings_about_the_machine() -> None:
    calm: dict[str, Any] = {"busy before": 0.01, "busy after": None, "processors": 2, "governor": None, "slow": []}
    assert environment.warnings(calm) == [] and environment.warnings({**calm, "governor": "performance"}) == []
    assert "performance" in environment.warnings({**calm, "governor": "powersave"})[0]
    assert "before the measurement other programs used 50%" in environment.warnings({**calm, "busy before": 0.5})[0]
    assert "after the measurement other programs used 50%" in environment.warnings({**calm, "busy after": 0.5})[0]
    assert environment.warnings({**calm, "slow": ["conntrack: is full: empty it"]}) == ["conntrack: is full: empty it"]


SAMPLE = [("setup", "create", 5), ("setup", "pair", 7), ("teardown", "delete", 2), ("cleanup", "kernel cleanup", 100)]


def test_sums_of_a_sample() -> None:
    assert samples.sums(SAMPLE) == {"setup": 12, "teardown": 2, "cleanup": 100, "total": 14, "total with cleanup": 114}
    assert samples.sums([("total", "setns and back", 3)]) == {"total": 3}
    steps, totals = samples.columns([SAMPLE, SAMPLE])
    assert steps["pair"] == [7, 7] and totals["total with cleanup"] == [114, 114]
    assert samples.columns([[("setup", "a", 1), ("setup", "a", 2)]])[0] == {"a": [3]}


# -- results ------------------------------------------------------------------------------------------------------------


def implementation(name: str, values: list[int], role: str = "") -> dict[str, Any]:
    role = role or {"C": BASELINE, "rawns": RAWNS}.get(name, TOOL)
    sums = {"setup": values, "teardown": values, "total": [2 * one for one in values]} if values else {}
    steps = {"a": values, "b": values} if values else {}
    return {
        "name": name, "role": role, "version": "1", "note": "", "differences": [], "failed": None, "steps": steps, "sums": sums,
    }  # fmt: skip


def result(*cases: tuple[str, list[dict[str, Any]]], baseline: str | None = "C") -> dict[str, Any]:
    machine = {
        "date": "now", "kernel": "6.1", "HZ": None, "processors": 2, "python": "CPython 3", "as": "root", "busy before": 0.1,
        "mounts": 3, "named namespaces": 0,
    }  # fmt: skip
    calls = [{"call": "unshare", "times": 1, "nanoseconds": 75}]
    profile = {"case": "star-10", "implementation": "rawns", "setup": 100, "python": 0.25, "calls": calls}
    rest: dict[str, Any] = {"n": 1, "repeat": 1, "baseline": baseline, "warnings": []}
    return {
        "format": 2, "command": "a test <&>", "rounds": 9, "warnings": ["take <care>"], "environment": machine,
        "unavailable": [{"name": "busybox", "reason": "not & here"}], "profile": [profile],
        "cases": [{**rest, "name": name, "title": f"<{name}>", "implementations": found} for name, found in cases],
    }  # fmt: skip


def values(middle: int, noise: float = 0.02, seed: int = 1, count: int = 31) -> list[int]:
    draw = random.Random(seed)
    return [round(middle * draw.uniform(1 - noise, 1 + noise)) for _ in range(count)]


FULL = result(
    (
        "star-10",
        [implementation("C", values(1000)), implementation("rawns", values(1200)), implementation("ip\x1b[31m", values(9000))],
    ),
    ("star-100", [implementation("C", values(9000)), implementation("rawns", values(9900))]),
)
FULL["cases"][1]["implementations"].append({**implementation("pyroute2", []), "failed": "it <broke>", "note": "as documented"})


def test_text() -> None:
    text = report.text(FULL)
    for part in (
        "star-10: <star-10> (31 rounds)", "rawns", "1.2", "pyroute2 FAILED: it <broke>", "not measured: busybox: not & here",
        "take <care>", "used by other programs", "C                           0.000 at 10; 0.000 at 100 (0.9", "unshare",
        "Python 25%", "made by: a test",
    ):  # fmt: skip
        assert part in text
    for term in ("cleanup", "teardown", "fastest other tool"):  # each word of the tables is explained
        assert f"\n{term}: " in text


def test_a_percentile_that_the_sample_cannot_support_is_not_shown() -> None:
    few = result(("x", [implementation("C", values(1000, count=5)), implementation("rawns", values(1200, count=5))]))
    line = next(line for line in report.text(few).splitlines() if line.startswith("  rawns"))
    assert line.split()[2:4] == ["-", "-"] and len(line.split()) == 6  # name, p50, -, -, max, the ratio without an interval
    assert ">-</td>" in page.html(few)
    enough = result(("x", [implementation("C", values(1000, count=100)), implementation("rawns", values(1200, count=100))]))
    assert "-" not in next(line for line in report.text(enough).splitlines() if line.startswith("  rawns")).split()


def test_the_fastest_other_tool_is_shown_also_if_it_wins() -> None:
    tools = [implementation("slow", values(9000)), implementation("quick", values(600)), implementation("C", values(500))]
    lost = result(("article", [*tools, implementation("rawns", values(1200))]))
    for shown in (report.text(lost), page.html(lost)):
        assert "2.0 times slower than quick, the fastest other tool" in shown
        assert "Another tool is faster in article (quick: rawns is 2.0 times slower)" in shown
        assert "slow, the fastest" not in shown
    assert "/ quick" in report.text(lost) and "ratio to quick, the fastest other tool" in page.html(lost)
    tools[1]["failed"], tools[1]["sums"] = "it broke", {}
    won = report.text(result(("article", [*tools, implementation("rawns", values(1200))])))
    assert "7.5 times faster than slow, the fastest other tool" in won and "No other tool is faster in any case measured." in won


def test_the_summary_gives_the_range_of_several_ways() -> None:
    ours = [implementation("rawns, Lab", values(1500, 0), RAWNS), implementation("rawns, verbs", values(1200, 0), RAWNS)]
    told = findings.summary_sentences(
        result(("article", [implementation("C", values(1000, 0)), *ours, implementation("ip", values(1350, 0))]))
    )
    assert told[0] == (
        "<article>: rawns takes 1.20 µs (verbs) to 1.50 µs (Lab); 1.20 to 1.50 times as long as C; "
        "1.1 times faster and 1.1 times slower than ip, the fastest other tool."
    )


def test_csv_holds_every_sample() -> None:
    out = io.StringIO()
    csv.writer(out).writerows(report.rows(FULL))
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert len(rows) == 31 * 5 * 5  # rounds, steps and sums, implementations
    mine = [
        int(row["nanoseconds"]) for row in rows if (row["case"], row["implementation"], row["what"]) == ("star-10", "C", "setup")
    ]
    assert mine == FULL["cases"][0]["implementations"][0]["sums"]["setup"]


def test_the_page_is_well_formed_and_needs_nothing_else() -> None:
    text = page.html(FULL)
    tree = xml.dom.minidom.parseString(text.partition("\n")[2].encode())
    assert len(tree.getElementsByTagName("svg")) == 3  # two distributions, one growth
    assert "src=" not in text and "href" not in text and "@import" not in text and "url(" not in text
    assert "\x1b" not in text and "it &lt;broke&gt;" in text
    assert text.index("class='result'") < text.index("<svg")  # the finding comes first
    warnings = re.search("<details class='warn'><summary>1 warning of this run</summary>(.*?)</details>", text)
    assert warnings is not None and "take &lt;care&gt;" in warnings[1] and text.count("take &lt;care&gt;") == 1  # folded


def labels(text: str) -> list[str]:
    tree = xml.dom.minidom.parseString(text.encode())
    return [node.firstChild.nodeValue or "" for node in tree.getElementsByTagName("text") if node.firstChild is not None]


def test_the_picture_is_well_formed() -> None:
    found = labels(page.svg(FULL))
    assert "rawns" in found and "star: the median as the size grows" in found
    assert "time of one round, logarithmic scale" in found and "median time" in found  # the axes say what they show
    assert xml.dom.minidom.parseString(page.svg(result()).encode())


def test_positions_are_percentages_within_the_picture() -> None:
    """So a chart fits any width; only heights are pixels."""
    tree = xml.dom.minidom.parseString(page.svg(FULL).encode())
    found = [
        node.getAttribute(name)
        for kind in ("circle", "line", "rect", "text")
        for node in tree.getElementsByTagName(kind)
        for name in ("x", "x1", "x2", "cx", "width")
        if node.hasAttribute(name)
    ]
    assert len(found) > 50 and all(value.endswith("%") and 0 <= float(value[:-1]) <= 100 for value in found)


@pytest.mark.parametrize(("low", "high"), [(1, 2), (1, 10), (1, 1e3), (5e5, 9e7), (1, 1e12), (1e-3, 1e30)])
def test_an_axis_has_few_round_ticks(low: float, high: float) -> None:
    ticks = page.LogScale(low, high, 0, 100).ticks()
    assert 1 <= len(ticks) <= page.MAX_TICKS and all(low * 0.99 <= tick <= high * 1.01 for tick in ticks)


def test_durations() -> None:
    assert [findings.format_duration(value) for value in (12, 1500, 45_000, 1.234e6, 56.7e6, 4e9)] == [
        "12 ns", "1.50 µs", "45.0 µs", "1.23 ms", "56.7 ms", "4.00 s",
    ]  # fmt: skip


# -- comparison -----------------------------------------------------------------------------------------------------------


def verdicts(old: dict[str, Any], new: dict[str, Any]) -> dict[str, str]:
    return {one["implementation"]: one["verdict"] for one in compare(old, new)}


def three(c: list[int], rawns: list[int], ip: list[int]) -> dict[str, Any]:
    return result(("x", [implementation("C", c), implementation("rawns", rawns), implementation("ip", ip)]))


def test_slower_faster_and_the_same() -> None:
    old = three(values(1000), values(1200), values(9000))
    new = three(values(1000, seed=2), values(1800), values(5000))
    assert verdicts(old, new) == {"C": "same", "rawns": "slower", "ip": "faster"}
    assert verdicts(old, old) == {"C": "same", "rawns": "same", "ip": "same"}
    found = compare(old, new)
    assert [one["implementation"] for one in regressions(found, 0.1)] == ["rawns"] and regressions(found, 0.6) == []
    text = format_comparison(old, new, found).replace("1.19", "1.20").replace("1.79", "1.80")
    assert "rawns is slower by 50% (1.20 to 1.80 times C)" in text


def test_a_comparison_tells_what_makes_it_doubtful() -> None:
    old, new = (three(values(1000), values(1200), values(9000)) for _ in range(2))
    new["environment"] = {**new["environment"], "kernel": "6.18"}
    text = format_comparison(old, new, compare(old, new))
    assert "warning: the old result: take <care>" in text and text.count("take <care>") == 1  # the report has the new one's
    assert "the machines differ: kernel was 6.1, and is 6.18" in text and text.count("machines differ") == 1


def test_too_few_rounds_leave_the_verdict_open() -> None:
    few = three(values(1000, count=5), values(9000, count=5), values(9000, count=5))
    many = three(values(1000), values(1200), values(9000))
    assert set(verdicts(many, few).values()) == {"too few rounds"} and regressions(compare(many, few), 0.1) == []
    assert "3 of 3 figures have too few rounds to be compared" in format_comparison(many, few, compare(many, few))


def test_a_slower_machine_is_no_regression() -> None:
    """All take twice as long: the ratios to the baseline have not changed."""
    old = result(("x", [implementation("C", values(1000)), implementation("rawns", values(1200))]))
    new = result(("x", [implementation("C", values(2000)), implementation("rawns", values(2400))]))
    assert verdicts(old, new) == {"C": "slower", "rawns": "same"}


def test_within_the_noise() -> None:
    old = result(("x", [implementation("rawns", values(1000, 0.5))]), baseline=None)
    new = result(("x", [implementation("rawns", values(1060, 0.5, seed=3))]), baseline=None)
    assert verdicts(old, new) == {"rawns": "same"}


def test_what_is_only_in_one_is_left_out() -> None:
    old = result(("x", [implementation("rawns", values(10))]), baseline=None)
    new = result(("y", [implementation("rawns", values(10))]), baseline=None)
    assert compare(old, new) == [] and "0 of 0" in format_comparison(old, new, [])


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"format": 1, "cases": []}', '{"format": 2, "cases": [{}]}', '{"format": 2, "cases": 3}', "null"]
)
def test_what_is_not_a_result(text: str) -> None:
    with pytest.raises(InvalidValue, match="result of `rawns bench --json`"):
        compare(json.loads(text), result())


# -- states ---------------------------------------------------------------------------------------------------------------

LO = {"kind": None, "mtu": 65536, "flags": 9, "master": None, "group": 0, "alias": "rawns lab=x", "queues": 1}
V1 = {"kind": "veth", "mtu": 1500, "flags": 3, "master": None, "group": 7, "alias": "rawns lab=x a=b", "queues": 1}
STATE: list[dict[str, Any]] = [
    {"links": {"lo": LO, "v1": V1}, "addresses": [("lo", "127.0.0.1/8", 0), ("v1", "10.0.0.1/24", 82)], "routes": []}
]
BARE: list[dict[str, Any]] = [
    {
        "links": {"lo": {**LO, "alias": "", "flags": 8}, "v1": {**V1, "alias": "", "group": 0, "queues": 2}},
        "addresses": [("v1", "10.0.0.1/24", 0)],
        "routes": [],
    }
]


def test_states_are_equal_but_for_declared_differences() -> None:
    assert difference(STATE, STATE, []) == ""
    assert difference(BARE, STATE, ["stamp", "lo", "queues"]) == ""
    for undeclared in ("stamp", "lo", "queues"):
        assert difference(BARE, STATE, {"stamp", "lo", "queues"} - {undeclared}) != ""
    assert "2 namespaces instead of 1" in difference(STATE * 2, STATE, [])
    assert without(STATE, [])[0]["links"]["v1"]["alias"] == "rawns lab=x a=b" and STATE[0]["links"]["v1"]["group"] == 7


def cases() -> list[Case]:
    def nothing(trial: Any) -> Any:
        yield None

    return [
        Case(name, "", [Implementation("a", nothing, RAWNS)], quick=name == "named") for name in ("named", "star-10", "star-100")
    ]


def test_cases_by_name() -> None:
    names = [[case.name for case in select(cases(), only, quick)] for only, quick in (((), False), ((), True), (("star",), True))]
    assert names == [["named", "star-10", "star-100"], ["named"], ["star-10", "star-100"]]
    with pytest.raises(InvalidValue, match="no case is called 'stars'; there are named, star-10, star-100"):
        select(cases(), ["stars"], False)


# -- the published figures --------------------------------------------------------------------------------------------------

FIGURES = sorted((PROJECT / "bench" / "figures").glob("*.json"))


@pytest.mark.parametrize("path", FIGURES, ids=lambda path: path.stem)
def test_published_figures_are_results(path: Path) -> None:
    found = json.loads(path.read_text())
    assert compare(found, {**found, "cases": []}) == [] and xml.dom.minidom.parseString(page.svg(found).encode())
    assert findings.summary_sentences(found)


def test_the_tables_of_figures_are_what_the_results_say() -> None:
    """With the fastest other tool beside each figure, and the warnings of each file."""
    spec = importlib.util.spec_from_file_location("bench_measure", PROJECT / "bench" / "measure.py")
    assert spec is not None and spec.loader is not None
    measure = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(measure)
    found = measure.results()
    for path, table in (("bench/README.md", measure.all_figures(found)), ("README.md", measure.quoted_figures(found))):
        page = (PROJECT / path).read_text()
        assert measure.updated(page, table) == page, "run `python3 bench/measure.py --tables`"
    assert {"article", "rest", "star", "steps"} <= set(found) <= set(measure.SETS)
    there = {measure._name(case, result) for result in found.values() for case in result["cases"]}
    assert measure.quoted_figures(found).count("\n") == 2 + sum(row[1] in there for row in measure.QUOTED) >= 6
