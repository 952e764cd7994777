"""``rawns bench``: measure how long namespaces take, step by step, beside plain C, ``ip`` and other tools.

Run by an ordinary user, it measures in a user namespace of its own.
"""

from __future__ import annotations

import sys

from ..errors import InvalidValue, RawnsError
from .options import Command, Option, UsageError, integer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .options import Parsed

DEFAULT_REGRESSION = 10.0  # percent


def _percent(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e6:
        raise ValueError("a percentage is a number that is not negative")
    return value


COMMAND = Command(
    "bench",
    "Measure how long network namespaces, links and labs take to set up, step by step: rawns, plain C, ip, pyroute2 and "
    "others in turn.",
    options=[
        Option("--rounds", argument="N", parse=integer(1, 100_000), help="run each implementation so often (20; with --quick 6)"),
        Option("--quick", help="measure the small cases only, which takes seconds"),
        Option("--only", argument="CASE,...", many=True, help="measure these cases only, by name or its part before the hyphen"),
        Option("--cold", help="run each implementation in a process of its own, 80 ms after the one before: with cold caches"),
        Option("--list", help="list the cases and measure nothing"),
        Option("--json", argument="[FILE]", implied="-", help="write every sample, for programs and for --compare"),
        Option("--csv", argument="FILE", help="write every sample, one to a line"),
        Option("--svg", argument="FILE", help="write the distributions as a picture"),
        Option("--html", argument="FILE", help="write a page with the result, charts and tables that needs no other file"),
        Option("--compare", argument="OLD.json", help="print what has become slower or faster beyond the noise"),
        Option(
            "--fail-on-regression",
            argument="[PERCENT]",
            parse=_percent,
            implied=DEFAULT_REGRESSION,
            help="with --compare: exit with status 1 if a figure has become slower by more than that (10)",
        ),
    ],
    details="Exit status: 0, or 1 if --fail-on-regression finds a regression or the measurement fails.",
)


def main(argv: list[str]) -> int:
    """Run ``rawns bench ARGV`` and return the exit status."""
    options = COMMAND.parse(argv)
    if options["--list"]:
        return _list()
    limit = options["--fail-on-regression"]
    if limit is not None and not options["--compare"]:
        raise UsageError("rawns bench", "--fail-on-regression needs --compare OLD.json", "operand missing", "--compare")
    old = _read(options["--compare"]) if options["--compare"] else None
    from ..bench import bench, compare, environment
    from ..bench.cases import cases
    from ..bench.compare import format_comparison, regressions
    from ..bench.peers import Peers
    from ..bench.run import QUICK_ROUNDS, ROUNDS, select

    if old is not None:
        compare(old, old)  # refuses what is not a result, before minutes of measuring
    only = [word for given in options["--only"] for word in given.split(",") if word]
    peers = Peers()
    try:
        select(cases(peers), only, options["--quick"])
    except InvalidValue as error:
        raise UsageError("rawns bench", str(error), "value", "--only") from None
    environment.enter()
    progress = _Progress() if sys.stderr is not None and sys.stderr.isatty() else None
    rounds = options["--rounds"] or (QUICK_ROUNDS if options["--quick"] else ROUNDS)
    command = " ".join(["python3 -m rawns bench", *argv])
    result = bench(
        rounds, only, options["--quick"], None if progress is None else progress.step, command, peers, options["--cold"]
    )
    if progress is not None:
        progress.clear()
    _write(result, options)
    if old is None:
        return 0
    found = compare(old, result)
    print(format_comparison(old, result, found), file=sys.stderr if options["--json"] == "-" else sys.stdout)
    return int(limit is not None and bool(regressions(found, limit / 100)))


def _list() -> int:
    from ..bench.cases import cases
    from ..bench.peers import Peers

    for case in cases(Peers()):
        print(f"{case.name:<12} {case.title}")
    return 0


def _read(path: str) -> Any:
    """Read a result.  Raises `InvalidValue` if it is not JSON."""
    import json

    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except ValueError as error:
        raise InvalidValue(f"{path} is not JSON: {error}") from None


def _write(result: dict[str, Any], options: Parsed) -> None:
    """Write each form that was asked for; print the text unless JSON goes to standard output."""
    import json

    from ..bench import page, report

    if options["--json"] == "-":
        print(json.dumps(result))
    else:
        print(report.text(result), end="")
    if options["--json"] not in (None, "-"):
        _save(options["--json"], json.dumps(result) + "\n")
    if options["--csv"]:
        import csv
        import io

        out = io.StringIO()
        csv.writer(out).writerows(report.rows(result))
        _save(options["--csv"], out.getvalue())
    if options["--svg"]:
        _save(options["--svg"], page.svg(result))
    if options["--html"]:
        _save(options["--html"], page.html(result))


def _save(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise RawnsError(f"{path} cannot be written: {error.strerror}") from None


class _Progress:
    """One line on the terminal that is overwritten in each round."""

    def step(self, case: str, number: int, rounds: int) -> None:
        print(f"\r\033[K{case}: round {number + 1} of {rounds}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
