"""The campaigns by name, and the command line that runs them."""

from __future__ import annotations

import sys
import time
import traceback
from importlib import import_module

import frame

MODULES = ("failing_calls", "signals", "contention", "mutations", "growth", "limits", "neighbours")


def campaigns() -> dict[str, frame.Campaign]:
    """Return all campaigns."""
    found: dict[str, frame.Campaign] = {}
    for module in MODULES:
        found.update(import_module(module).CAMPAIGNS)
    return found


def main(argv: list[str]) -> int:
    """Run the campaigns that are named; return the exit status."""
    frame.isolate()
    known, chosen, numbers = campaigns(), list[str](), {"--count": 0, "--seed": 1, "--minutes": 0}
    words = iter(argv)
    for word in words:
        if word in numbers:
            numbers[word] = int(next(words))
        elif word in known:
            chosen.append(word)
        else:
            width = max(map(len, known))
            lines = [f"  {name:{width}}  {(what.__doc__ or '').splitlines()[0]}" for name, what in known.items()]
            print("\n".join(["tests/campaigns/run [--count N] [--seed N] [--minutes N] [NAME...]", *lines]), file=sys.stderr)
            return 0 if word in ("--help", "--list") else 2
    failed = interrupted = False
    for name in chosen or known:
        report, start = frame.Report(numbers["--count"], numbers["--seed"], numbers["--minutes"]), time.monotonic()
        try:
            known[name](report)
        except KeyboardInterrupt:  # what has been tried until then counts
            interrupted = True
        except Exception:  # the other campaigns can still be run
            report.fault(f"the campaign has ended: {traceback.format_exc()}")
        print(f"{name}: {report}, {time.monotonic() - start:.0f} s", flush=True)
        failed |= bool(report.faults)
        if interrupted:
            return 130
    return failed
