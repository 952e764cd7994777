"""Measure all figures that are quoted, and write them where they are: bench/figures, bench/README.md and README.md.

    python3 bench/measure.py                      all sets with all their rounds, half an hour on an idle machine
    python3 bench/measure.py --rounds 3 --only star --output /tmp/new      a trial that touches nothing in the project
    python3 bench/measure.py --tables             measure nothing, write the tables from the results that are there

Needs root, or runs in a user namespace of its own as `rawns bench` does; cffi and pyroute2 for all that is quoted.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
sys.path.insert(0, str(PROJECT))

from rawns.bench import findings  # noqa: E402
from rawns.bench.findings import (  # noqa: E402
    baseline,
    comparison,
    fastest_tool,
    format_duration,
    format_ratio,
    judged,
    measured,
    ratio_to,
)
from rawns.bench.harness import RAWNS  # noqa: E402
from rawns.bench.samples import headline, median  # noqa: E402

SETS: dict[str, tuple[str, int]] = {  # name of the file: cases, rounds
    "article": ("article", 100),
    "cold": ("article,named", 60),
    "steps": ("named,enter,exec,mounts,anonymous,verbs", 60),
    "star": ("star", 24),
    "many": ("slots,together,creations", 20),
    "rest": ("moved,packet,connect,chat,pool,threads,beside,startup,process", 40),
}
COLD = ("cold",)  # the sets that are measured with --cold
Beside = tuple[tuple[str, str], ...]  # what a figure is compared with: its name in the README, and that of the implementation
QUOTED: tuple[tuple[str, str, str, Beside], ...] = (  # in the README: words, case, implementation, and what is beside it
    (
        "the article (two named namespaces, veth pair, addresses, up), by the verbs above",
        "article",
        "rawns, verbs",
        (("plain C", "C, best order"), ("`ip -batch`", "ip -batch"), ("the nine `ip` commands", "ip, nine commands")),
    ),
    ("the same, once in 80 ms in a process of its own", "article, cold", "rawns, verbs", (("plain C", "C, best order"),)),
    ("a star of 100 hosts on a bridge, up", "star-100", "rawns", (("plain C", "C, best order"), ("`ip -batch`", "ip -batch"))),
    ("`rawns lab up FILE` as a process", "process", "rawns lab up", (("`ip -batch`", "ip -batch"),)),
    (
        "`rawns ip link` as a process",
        "startup",
        "rawns ip link",
        (
            ('`python3 -I -S -c "import os, ctypes, struct"`', "python, import os ctypes struct"),
            ("the real `ip link`", "ip link"),
        ),
    ),
)
MARK = "<!-- figures: python3 bench/measure.py writes what follows -->\n"
END = "<!-- end of figures -->\n"
Results = dict[str, dict[str, Any]]


# -- tables ---------------------------------------------------------------------------------------------------------------


def results(folder: Path = HERE / "figures") -> Results:
    """Read the results of a directory, by the names of their files."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def rows(name: str, result: dict[str, Any]) -> Iterator[str]:
    """Yield a row for each case and each implementation with rawns: median, ratio to the baseline and to the fastest tool."""
    for case in result["cases"]:
        base, tool = baseline(case), fastest_tool(case)
        for one in measured(case, RAWNS):
            if one is base:
                continue
            which = headline(one["sums"])
            rounds = len(judged(one))
            beside = "" if base is None else f"{format_ratio(ratio_to(base, one, which))} {base['name']}"
            other = "none" if tool is None else f"{format_ratio(ratio_to(tool, one, which))} {tool['name']}"
            shown = f"{_name(case, result)}: {one['name']}"
            cells = [shown, format_duration(median(judged(one))), beside, other, str(rounds), name]
            yield f"| {' | '.join(cells)} |"


def _name(case: dict[str, Any], result: dict[str, Any]) -> str:
    return f"{case['name']}, cold" if result.get("cold") else str(case["name"])


def all_figures(found: Results) -> str:
    """Return the table of bench/README.md, and below it how each file was made and what its run warned about."""
    lines = ["| case | median | times the baseline | times the fastest other tool | rounds | file |", "|---|---|---|---|---|---|"]
    lines += [row for name, result in found.items() for row in rows(name, result)]
    lines += ["", "| file | rawns | made by | warnings of that run |", "|---|---|---|---|"]
    for name, result in found.items():
        warnings = "; ".join(findings.all_warnings(result)) or "none"
        versions = {one["version"] for case in result["cases"] for one in measured(case, RAWNS)}
        lines.append(f"| `figures/{name}.json` | {', '.join(sorted(versions))} | `{result['command']}` | {warnings} |")
    return "\n".join(lines) + "\n"


def quoted_figures(found: Results) -> str:
    """Return the table of the README.  A figure that no result has is left out; a tool that is faster is said to be so."""
    lines = ["| | rawns | beside |", "|---|---|---|"]
    cases = {_name(case, result): case for result in found.values() for case in result["cases"]}
    for words, name, ours, others in QUOTED:
        medians = {one["name"]: median(judged(one)) for one in measured(cases[name])} if name in cases else {}
        if ours in medians:
            beside = [_beside(text, medians[ours], medians[other]) for text, other in others if other in medians]
            lines.append(f"| {words} | {format_duration(medians[ours])} | {'; '.join(beside)} |")
    return "\n".join(lines) + "\n"


def _beside(text: str, ours: float, other: float) -> str:
    faster = f" ({comparison([other], ours)} than rawns)" if other < ours and "ip" in text else ""
    return f"{text} {format_duration(other)}{faster}"


def updated(page: str, table: str) -> str:
    """Return a page with a table in place of the old one, which stands between two comments."""
    before, _, rest = page.partition(MARK)
    return f"{before}{MARK}{table}\n{END}{rest.partition(END)[2]}"


def write_tables() -> None:
    """Write both tables from the results in bench/figures."""
    found = results()
    for path, table in ((HERE / "README.md", all_figures(found)), (PROJECT / "README.md", quoted_figures(found))):
        path.write_text(updated(path.read_text(), table))


# -- measuring ------------------------------------------------------------------------------------------------------------


def interpreter() -> str:
    """Return a Python that has cffi, for the C baseline: this one, or that of the environment that tests/run has made."""
    others = [] if importlib.util.find_spec("cffi") else sorted((PROJECT / ".venv").glob("*/bin/python"))
    return str(next(iter(others), sys.executable))


def measure(name: str, rounds: int | None, folder: Path) -> int:
    """Run the bench for one set in a process of its own and return its exit status; the result is in ``folder``."""
    cases, most = SETS[name]
    shown = folder.relative_to(PROJECT) if folder.is_relative_to(PROJECT) else folder
    words = ["--only", cases, "--rounds", str(rounds or most), "--json", f"{shown}/{name}.json"]
    if name in COLD:
        words.append("--cold")
    start = monotonic()
    status = subprocess.run([interpreter(), "-m", "rawns", "bench", *words], cwd=PROJECT, stdout=subprocess.DEVNULL).returncode
    print(f"{name}: {monotonic() - start:.0f} s" if status == 0 else f"{name}: exit status {status}", flush=True)
    return status


def main() -> int:
    """Parse the arguments, measure, and write the tables."""
    parser = argparse.ArgumentParser(description="measure the figures that are quoted, and write them where they are")
    parser.add_argument("--rounds", type=int, help="rounds of each set (default: 24 to 100, by the set)")
    parser.add_argument("--only", choices=SETS, action="append", help="measure this set only; may be repeated")
    parser.add_argument("--output", type=Path, help="write the results to this directory, and no tables")
    parser.add_argument("--tables", action="store_true", help="measure nothing, write the tables")
    options = parser.parse_args()
    folder = (options.output or HERE / "figures").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for name in () if options.tables else options.only or SETS:
        if measure(name, options.rounds, folder):
            return 1
    if options.output is None:
        write_tables()
    else:
        print(f"\n{all_figures(results(folder))}\n{quoted_figures(results(folder))}", end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
