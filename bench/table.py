"""Write the table of figures in bench/README.md from the results in bench/figures.

    python3 bench/table.py

Each row has rawns's median, the ratio to the baseline, and the fastest other tool, also if it is faster than rawns.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PAGE = HERE / "README.md"
BEGIN, END = "<!-- figures: python3 bench/table.py writes what follows -->\n", "<!-- end of figures -->\n"

sys.path.insert(0, str(HERE.parent))

from rawns.bench import findings  # noqa: E402
from rawns.bench.findings import baseline, fastest_tool, format_duration, format_ratio, judged, measured, ratio_to  # noqa: E402
from rawns.bench.harness import RAWNS  # noqa: E402
from rawns.bench.samples import headline, median  # noqa: E402


def rows(name: str, result: dict[str, Any]) -> Iterator[str]:
    """Yield a row for each case and each implementation with rawns."""
    for case in result["cases"]:
        base, tool = baseline(case), fastest_tool(case)
        for one in measured(case, RAWNS):
            if one is base:
                continue
            which = headline(one["sums"])
            rounds = len(judged(one))
            beside = "" if base is None else f"{format_ratio(ratio_to(base, one, which))} {base['name']}"
            other = "none" if tool is None else f"{format_ratio(ratio_to(tool, one, which))} {tool['name']}"
            cells = [f"{case['name']}: {one['name']}", format_duration(median(judged(one))), beside, other, str(rounds), name]
            yield f"| {' | '.join(cells)} |"


def table() -> str:
    """Return the table, and below it how each file was made and what its run warned about."""
    results = {path.stem: json.loads(path.read_text()) for path in sorted((HERE / "figures").glob("*.json"))}
    lines = ["| case | median | times the baseline | times the fastest other tool | rounds | file |", "|---|---|---|---|---|---|"]
    lines += [row for name, result in results.items() for row in rows(name, result)]
    lines += ["", "| file | made by | warnings of that run |", "|---|---|---|"]
    for name, result in results.items():
        warnings = "; ".join(findings.all_warnings(result)) or "none"
        lines.append(f"| `figures/{name}.json` | `{result['command']}` | {warnings} |")
    return "\n".join(lines) + "\n"


def updated(page: str) -> str:
    """Return the page with the table in place of the old one."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text()))
