"""The bench's figures, verdicts, texts and pages, against known values and Python's own `statistics`.  No kernel, no clock."""

from __future__ import annotations

import csv
import io
import json
import random
import statistics
import xml.dom.minidom
from typing import Any

import pytest

from rawns import InvalidValue
from rawns.bench import compare, method, page, report
from rawns.bench.cleanup_barrier import heard
from rawns.bench.compare import regressions, told
from rawns.bench.environment import doubts
from rawns.bench.harness import Absent, Case, Contender, reduced, unequal
from rawns.bench.run import pick

DRAW = random.Random(7)
VALUES = [DRAW.lognormvariate(0, 1) * 1e6 for _ in range(101)]


# -- method -------------------------------------------------------------------------------------------------------------


def test_quantiles_are_those_of_statistics() -> None:
    expected = statistics.quantiles(VALUES, n=100, method="inclusive")
    found = [method.quantile(VALUES, part / 100) for part in range(1, 100)]
    assert found == pytest.approx(expected)
    assert method.quantile(VALUES, 0) == min(VALUES) and method.quantile(VALUES, 1) == max(VALUES)
    assert method.quantile([3.0], 0.99) == 3.0 and method.quantile([1, 2], 0.5) == 1.5


def test_a_summary() -> None:
    found = method.summary(VALUES)
    assert found["p50"] == statistics.median(VALUES) and found["max"] == max(VALUES) and found["n"] == 101
    assert found["min"] <= found["p50"] <= found["p90"] <= found["p99"] <= found["max"]


def test_a_ratio_and_its_spread() -> None:
    twice = [2 * value for value in VALUES]
    ratio, low, high = method.ratio(twice, VALUES)
    assert ratio == pytest.approx(2) and low == pytest.approx(2) and high == pytest.approx(2)  # drawn by round, both at once
    others = VALUES[50:] + VALUES[:50]
    ratio, low, high = method.ratio(others, VALUES)
    assert ratio == pytest.approx(1) and low < 1 < high


def test_the_median_lies_within_its_spread() -> None:
    low, high = method.median_spread(VALUES)
    assert low <= statistics.median(VALUES) <= high and min(VALUES) < low and high < max(VALUES)
    assert method.median_spread(VALUES) == (low, high)  # the same for the same
    assert method.median_spread([5.0] * 9) == (5.0, 5.0)


def test_everybody_comes_after_everybody() -> None:
    orders = [method.turns("ABC", number) for number in range(6)]
    assert orders[:3] == [list("ABC"), list("BCA"), list("CAB")] and orders[3:] == orders[:3]
    assert method.turns([], 4) == []


def test_what_is_doubted() -> None:
    assert method.remarks("x", [100.0] * 10, 120) == []
    assert "noisy" in method.remarks("x", [50, 60, 100, 200, 210], 100)[0]
    assert "--rounds" in method.remarks("x", [50, 60, 100, 200, 210], 100)[0]
    assert "first run took 6.0 times" in method.remarks("x", [100.0] * 10, 600)[0]


def test_the_machine_is_doubted() -> None:
    calm = {"load": 0.1, "processors": 2, "governor": None, "mounts": 20}
    assert doubts(calm) == [] and doubts({**calm, "governor": "performance"}) == []
    assert "performance" in doubts({**calm, "governor": "powersave"})[0]
    assert "somebody else is at work" in doubts({**calm, "load": 3.0})[0]
    assert "mounts" in doubts({**calm, "mounts": 5000})[0]


SAMPLE = [("up", "create", 5), ("up", "pair", 7), ("down", "delete", 2), ("gone", "kernel lets go", 100)]


def test_sums_of_a_sample() -> None:
    assert method.sums(SAMPLE) == {"up": 12, "down": 2, "gone": 100, "all": 14, "until gone": 114}
    assert method.sums([("all", "there and back", 3)]) == {"all": 3}
    steps, totals = method.columns([SAMPLE, SAMPLE])
    assert steps["pair"] == [7, 7] and totals["until gone"] == [114, 114]
    assert method.columns([[("up", "a", 1), ("up", "a", 2)]])[0] == {"a": [3]}


# -- results ------------------------------------------------------------------------------------------------------------


def contender(name: str, values: list[int], version: str = "1") -> dict[str, Any]:
    sums = {"up": values, "down": values, "all": [2 * one for one in values]}
    return {
        "name": name,
        "version": version,
        "note": "",
        "lacks": [],
        "failed": None,
        "steps": {"a": values, "b": values},
        "sums": sums,
    }


def result(*cases: tuple[str, list[dict[str, Any]]], floor: str | None = "C") -> dict[str, Any]:
    world = {
        "date": "now",
        "kernel": "6.1",
        "HZ": None,
        "processors": 2,
        "python": "CPython 3",
        "as": "root",
        "load": 0.1,
        "mounts": 3,
    }
    calls = [{"call": "unshare", "times": 1, "nanoseconds": 75}]
    profile = {"case": "star-10", "contender": "rawns", "up": 100, "python": 0.25, "calls": calls}
    rest: dict[str, Any] = {"n": 1, "times": 1, "floor": floor, "absent": [], "warnings": []}
    return {
        "format": 1, "made by": "a test <&>", "rounds": 9, "warnings": ["take <care>"], "world": {**world, "named namespaces": 0},
        "absent": [{"name": "busybox", "why": "not & here"}], "profile": [profile],
        "cases": [
            {**rest, "name": name, "title": f"<{name}>", "contenders": who}
            for name, who in cases
        ],
    }  # fmt: skip


def values(middle: int, noise: float = 0.02, seed: int = 1) -> list[int]:
    draw = random.Random(seed)
    return [round(middle * draw.uniform(1 - noise, 1 + noise)) for _ in range(31)]


FULL = result(
    (
        "star-10",
        [contender("C", values(1000)), contender("rawns", values(1200), "rawns 1"), contender("ip\x1b[31m", values(9000))],
    ),
    ("star-100", [contender("C", values(9000)), contender("rawns", values(9900), "rawns 1")]),
)
FULL["cases"][1]["contenders"].append(
    {**contender("pyroute2", []), "failed": "it <broke>", "steps": {}, "sums": {}, "note": "as documented"}
)


def test_text() -> None:
    said = report.text(FULL)
    for part in (
        "star-10: <star-10> (31 rounds)",
        "rawns",
        "1.2",
        "pyroute2 FAILED: it <broke>",
        "absent: busybox: not & here",
        "take <care>",
    ):
        assert part in said
    assert "C                           0.000 at 10; 0.000 at 100 (0.9" in said
    assert "unshare" in said and "Python 25%" in said and "made by: a test" in said


def test_csv_holds_every_sample() -> None:
    out = io.StringIO()
    csv.writer(out).writerows(report.rows(FULL))
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert len(rows) == 31 * 5 * 5  # rounds, steps and sums, contenders
    mine = [int(row["nanoseconds"]) for row in rows if (row["case"], row["contender"], row["what"]) == ("star-10", "C", "up")]
    assert mine == FULL["cases"][0]["contenders"][0]["sums"]["up"]


def test_the_page_is_well_formed_and_needs_nothing_else() -> None:
    text = page.html(FULL)
    tree = xml.dom.minidom.parseString(text.partition("\n")[2].encode())
    assert len(tree.getElementsByTagName("svg")) == 3  # two distributions, one growth
    assert "src=" not in text and "href" not in text and "@import" not in text and "url(" not in text
    assert "\x1b" not in text and "it &lt;broke&gt;" in text


def test_the_picture_is_well_formed() -> None:
    tree = xml.dom.minidom.parseString(page.svg(FULL).encode())
    assert tree.documentElement.tagName == "svg"
    labels = [node.firstChild.data for node in tree.getElementsByTagName("text") if node.firstChild]
    assert "rawns" in labels and "star: the median as N grows" in labels
    assert xml.dom.minidom.parseString(page.svg(result()).encode())


def test_durations_as_people_say_them() -> None:
    assert [page.shown(value) for value in (12, 1500, 45_000, 1.234e6, 56.7e6, 4e9)] == [
        "12 ns", "1.50 µs", "45.0 µs", "1.23 ms", "56.7 ms", "4.00 s",
    ]  # fmt: skip


# -- comparison -----------------------------------------------------------------------------------------------------------


def verdicts(old: dict[str, Any], new: dict[str, Any]) -> dict[str, str]:
    return {one["contender"]: one["verdict"] for one in compare(old, new)}


def test_slower_faster_and_the_same() -> None:
    old = result(("x", [contender("C", values(1000)), contender("rawns", values(1200)), contender("ip", values(9000))]))
    new = result(("x", [contender("C", values(1000, seed=2)), contender("rawns", values(1800)), contender("ip", values(5000))]))
    assert verdicts(old, new) == {"C": "same", "rawns": "slower", "ip": "faster"}
    assert verdicts(old, old) == {"C": "same", "rawns": "same", "ip": "same"}
    found = compare(old, new)
    assert [one["contender"] for one in regressions(found, 0.1)] == ["rawns"] and regressions(found, 0.6) == []
    assert "rawns is slower by 50% (1.20 to 1.80 times C)" in told(found).replace("1.19", "1.20").replace("1.79", "1.80")


def test_a_slower_machine_is_no_regression() -> None:
    """All take twice as long: the ratios to the floor are what they were."""
    old = result(("x", [contender("C", values(1000)), contender("rawns", values(1200))]))
    new = result(("x", [contender("C", values(2000)), contender("rawns", values(2400))]))
    assert verdicts(old, new) == {"C": "slower", "rawns": "same"}


def test_within_the_noise() -> None:
    old = result(("x", [contender("rawns", values(1000, 0.5))]), floor=None)
    new = result(("x", [contender("rawns", values(1060, 0.5, seed=3))]), floor=None)
    assert verdicts(old, new) == {"rawns": "same"}


def test_what_is_only_in_one_is_left_out() -> None:
    old = result(("x", [contender("rawns", values(10))]), floor=None)
    new = result(("y", [contender("rawns", values(10))]), floor=None)
    assert compare(old, new) == [] and "0 of 0" in told([])


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"format": 2, "cases": []}', '{"format": 1, "cases": [{}]}', '{"format": 1, "cases": 3}', "null"]
)
def test_what_is_no_result(text: str) -> None:
    with pytest.raises(InvalidValue, match="no result"):
        compare(json.loads(text), result())


# -- scenes ---------------------------------------------------------------------------------------------------------------

LO = {"kind": None, "mtu": 65536, "flags": 9, "master": None, "group": 0, "alias": "rawns lab=x", "queues": 1}
V1 = {"kind": "veth", "mtu": 1500, "flags": 3, "master": None, "group": 7, "alias": "rawns lab=x a=b", "queues": 1}
STATE = [{"links": {"lo": LO, "v1": V1}, "addresses": [("lo", "127.0.0.1/8", 0), ("v1", "10.0.0.1/24", 82)], "routes": []}]
BARE = [
    {
        "links": {"lo": {**LO, "alias": "", "flags": 8}, "v1": {**V1, "alias": "", "group": 0, "queues": 2}},
        "addresses": [("v1", "10.0.0.1/24", 0)],
        "routes": [],
    }
]


def test_states_are_equal_but_for_what_is_said_to_differ() -> None:
    assert unequal(STATE, STATE, []) == ""
    assert unequal(BARE, STATE, ["stamp", "lo", "queues"]) == ""
    for lacking in ("stamp", "lo", "queues"):
        assert unequal(BARE, STATE, {"stamp", "lo", "queues"} - {lacking}) != ""
    assert "2 namespaces instead of 1" in unequal(STATE * 2, STATE, [])
    assert reduced(STATE, [])[0]["links"]["v1"]["alias"] == "rawns lab=x a=b" and STATE[0]["links"]["v1"]["group"] == 7


def cases() -> list[Case]:
    def nothing(scene: Any) -> Any:
        yield None

    return [
        Case(name, "", [Contender("a", nothing), Absent("b", "why")], quick=name == "named")
        for name in ("named", "star-10", "star-100")
    ]


def test_cases_by_name() -> None:
    names = [[case.name for case in pick(cases(), only, quick)] for only, quick in (((), False), ((), True), (("star",), True))]
    assert names == [["named", "star-10", "star-100"], ["named"], ["star-10", "star-100"]]
    with pytest.raises(InvalidValue, match="no case is called 'stars'; there are named, star-10, star-100"):
        pick(cases(), ["stars"], False)


def test_a_fence_hears_what_goes() -> None:
    """RTM_DELNSID with NETNSA_NSID 5, as the kernel writes it; RTM_DELLINK; every truncation."""
    gone = bytes.fromhex("1c000000590000000000000000000000000000000800010005000000")
    cut = bytes.fromhex("10000000110000000000000000000000")
    assert heard(gone) == ({5}, False) and heard(cut + gone) == ({5}, True) and heard(b"") == (set(), False)
    for end in range(len(gone)):
        assert heard(gone[:end])[1] is False
