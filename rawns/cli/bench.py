"""`rawns bench`: how long a namespace takes, step by step, beside plain C, `ip` and whatever else is here.

Floor 7.  By anyone but root it happens in a user namespace of its own.
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
    options = _parser().parse_args(argv)
    from ..bench.cases import cases, peers

    if options.list:
        for case in cases(peers()):
            print(f"{case.name:<12} {case.title}")
        return 0
    old = _read(options.compare) if options.compare else None
    if options.fail_on_regression is not None and old is None:
        raise InvalidValue("--fail-on-regression needs --compare: with what should it be compared?")
    from ..bench import bench, compare, environment
    from ..bench.compare import regressions, told

    environment.enter()
    only = [word for given in options.only for word in given.split(",") if word]
    tell = _Progress() if sys.stderr.isatty() else None
    rounds = options.rounds or (5 if options.quick else 20)
    command = " ".join(["python3 -m rawns bench", *argv])
    result = bench(rounds, only, options.quick, None if tell is None else tell.step, command)
    if tell is not None:
        tell.clear()
    _write(result, options)
    status = 0
    if old is not None:
        found = compare(old, result)
        print(told(found), file=sys.stderr if options.json == "-" else sys.stdout)
        if options.fail_on_regression is not None and regressions(found, options.fail_on_regression / 100):
            status = 1
    return status


def _parser() -> argparse.ArgumentParser:
    import argparse

    parser = argparse.ArgumentParser(
        prog="rawns bench",
        description="How long a namespace takes, step by step: rawns beside plain C, ip, pyroute2 ..., in one interleaved run.",
        epilog="Exit status 1 where --fail-on-regression finds one.",
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each contender does it (default: 20, with --quick 5)")
    parser.add_argument("--quick", action="store_true", help="the small cases only: seconds")
    parser.add_argument("--only", action="append", default=[], metavar="CASE", help="these cases only, by name or its beginning")
    parser.add_argument("--list", action="store_true", help="name the cases, and measure nothing")
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE", help="every sample, for programs and for --compare")
    parser.add_argument("--csv", metavar="FILE", help="every sample, a line each")
    parser.add_argument("--svg", metavar="FILE", help="the distributions as a picture")
    parser.add_argument("--html", metavar="FILE", help="a page that stands alone: distributions, growth, figures")
    parser.add_argument("--compare", metavar="OLD.json", help="say what has become slower or faster beyond the noise")
    parser.add_argument(
        "--fail-on-regression", nargs="?", type=float, const=REGRESSION, metavar="PERCENT",
        help=f"exit 1 where something has become slower by more than that (default: {REGRESSION})",
    )  # fmt: skip
    return parser


def _read(path: str) -> Any:
    import json

    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except ValueError as error:
        raise InvalidValue(f"{path} is no JSON: {error}") from None


def _write(result: dict[str, Any], options: argparse.Namespace) -> None:
    """Every form that was asked for; the text unless JSON goes to standard output."""
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
    """One line on the terminal, written over and over."""

    def step(self, case: str, number: int, rounds: int) -> None:
        print(f"\r\033[K{case}: round {number + 1} of {rounds}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
