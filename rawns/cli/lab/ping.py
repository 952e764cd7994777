"""`rawns lab ping`: test every pair of hosts that should reach each other according to the description."""

from __future__ import annotations

import os
import sys

from ...errors import RawnsError
from ...lab.reachability import Reach
from ...net import NetNS
from ...pairs import MAX_MATRIX, PairResult, ask, matrix
from . import Progress, emit, say
from .resolve import expect_all_up, is_file, lab_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ...lab import Lab
    from ..options import Parsed


def ping(options: Parsed) -> int:
    """Test the pairs of a lab and show the results; exit status 1 if one is not reached."""
    word = options.operands[0]
    lab = lab_of(word)
    if not is_file(word):
        expect_all_up(lab)
    there = set(NetNS.list())
    if not any(host.root or host.name in there for host in lab.hosts):
        raise RawnsError(f"{lab.name} is not up")
    pairs, complete = Reach(lab).pairs()
    progress = Progress("pairs")
    try:
        results = ask(lab, pairs, options["--timeout"], progress.callback)
    finally:
        progress.end()
    return report(lab, results, complete, options)


def report(lab: Lab, results: Sequence[PairResult], complete: bool, options: Parsed) -> int:
    """Print the results of all pairs; return the exit status."""
    failed = [one for one in results if not one.ok]
    if options["--json"]:
        records = [_record(one) for one in results]
        emit({"lab": lab.name, "ok": bool(results) and not failed, "every_pair": complete, "pairs": records})
    else:
        _show(lab, results, failed, complete)
    return 1 if failed or not results else 0


def _record(probe: PairResult) -> dict[str, Any]:
    said = {"from": probe.pair.source.label, "to": probe.pair.target.label, "address": probe.pair.address.address}
    return {**said, "ok": probe.ok, **({"ms": round(probe.rtt * 1000, 3)} if probe.ok else {"why": probe.why})}


def _show(lab: Lab, probes: Sequence[PairResult], failed: Sequence[PairResult], whole: bool) -> None:
    if not probes:
        say(f"{lab.name}: no host of it should reach another")
        return
    hosts = list({host.number: host for probe in probes for host in (probe.pair.source, probe.pair.target)}.values())
    hosts.sort(key=lambda host: host.number)
    if whole and len(hosts) <= MAX_MATRIX:
        terminal = sys.stdout is not None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        print("\n".join(matrix(hosts, probes, terminal)))
        print()
    for probe in failed[:100]:
        say(f"{probe.pair.source.label} -> {probe.pair.target.label} {probe.pair.address.address}: {probe.why}")
    if len(failed) > 100:
        print(f"... and {len(failed) - 100} more")
    answered, chosen = len(probes) - len(failed), "" if whole else f", chosen among {len(hosts)} hosts so that each is in it"
    times = sorted(probe.rtt for probe in probes if probe.ok)
    middle = f"; half of them within {times[len(times) // 2] * 1000:.2f} ms" if times else ""
    say(f"{lab.name}: {answered} of {len(probes)} ways lead there and back{middle}{chosen}")
