"""``rawns bench``: measure how long namespaces take, step by step, beside plain C, ``ip`` and other tools.

Run by an ordinary user, it measures in a user namespace of its own.
"""

from __future__ import annotations

import sys

from ..errors import InvalidValue, RawnsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

REGRESSION = 10  # percent


def main(argv: list[str]) -> int:
    """Run ``rawns bench ARGV`` and return the exit status."""
    options = _parser().parse_args(argv)
    from ..bench.cases import cases
    from ..bench.peers import Peers

    if options.list:
        for case in cases(Peers()):
            print(f"{case.name:<12} {case.title}")
        return 0
    old = _read(options.compare) if options.compare else None
    if options.fail_on_regression is not None and old is None:
        raise InvalidValue("--fail-on-regression needs --compare OLD.json")
    from ..bench import bench, compare, environment
    from ..bench.compare import format_comparison, regressions
    from ..bench.run import QUICK_ROUNDS, ROUNDS

    environment.enter()
    only = [word for given in options.only for word in given.split(",") if word]
    tell = _Progress() if sys.stderr.isatty() else None
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    command = " ".join(["python3 -m rawns bench", *argv])
    result = bench(rounds, only, options.quick, None if tell is None else tell.step, command)
    if tell is not None:
        tell.clear()
    _write(result, options)
    status = 0
    if old is not None:
        found = compare(old, result)
        print(format_comparison(old, result, found), file=sys.stderr if options.json == "-" else sys.stdout)
        if options.fail_on_regression is not None and regressions(found, options.fail_on_regression / 100):
            status = 1
    return status


def _parser() -> argparse.ArgumentParser:
    import argparse

    parser = argparse.ArgumentParser(
        prog="rawns bench",
        description="Measure how long namespaces take, step by step: rawns, plain C, ip, pyroute2 and others in turn.",
        epilog="The exit status is 1 if --fail-on-regression finds a regression.",
    )
    parser.add_argument(
        "--rounds", type=int, metavar="N", help="how often each implementation runs (default: 20, with --quick 6)"
    )
    parser.add_argument("--quick", action="store_true", help="measure the small cases only, which takes seconds")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="CASE",
        help="measure these cases only, by name or its part before the last hyphen",
    )
    parser.add_argument("--list", action="store_true", help="list the cases and measure nothing")
    parser.add_argument(
        "--json",
        nargs="?",
        const="-",
        metavar="FILE",
        help="write every sample, for programs and for --compare; - is standard output",
    )
    parser.add_argument("--csv", metavar="FILE", help="write every sample, one to a line")
    parser.add_argument("--svg", metavar="FILE", help="write the distributions as a picture")
    parser.add_argument("--html", metavar="FILE", help="write a page with the result, charts and tables that needs no other file")
    parser.add_argument("--compare", metavar="OLD.json", help="print what has become slower or faster beyond the noise")
    parser.add_argument(
        "--fail-on-regression", nargs="?", type=float, const=REGRESSION, metavar="PERCENT",
        help=f"exit with status 1 if a figure has become slower by more than that (default: {REGRESSION})",
    )  # fmt: skip
    return parser


def _read(path: str) -> Any:
    """Read a result.  Raises `InvalidValue` if it is not JSON."""
    import json

    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except ValueError as error:
        raise InvalidValue(f"{path} is not JSON: {error}") from None


def _write(result: dict[str, Any], options: argparse.Namespace) -> None:
    """Write each form that was asked for; print the text unless JSON goes to standard output."""
    import json

    from ..bench import page, report

    if options.json == "-":
        print(json.dumps(result))
    else:
        print(report.text(result), end="")
    if options.json not in (None, "-"):
        _save(options.json, json.dumps(result) + "\n")
    if options.csv:
        import csv
        import io

        out = io.StringIO()
        csv.writer(out).writerows(report.rows(result))
        _save(options.csv, out.getvalue())
    if options.svg:
        _save(options.svg, page.svg(result))
    if options.html:
        _save(options.html, page.html(result))


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
