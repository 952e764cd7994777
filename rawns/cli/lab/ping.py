"""`rawns lab ping`: test every pair of hosts that should reach each other according to the description.

Each request has a socket of its own inside its source, and a limited number of them is open at once.  A pair without an
answer in a short first pass is asked again in a second pass, so that one slow pair does not delay the others.
"""

from __future__ import annotations

import os
import sys

from ...errors import InvalidValue, RawnsError
from ...lab.discover import read_stamp
from ...lab.reachability import Reach
from ...net import NetNS
from ...objects import neighbour
from ...pairs import MAX_MATRIX, PairResult, matrix, spread
from ...pairs import ask as ask_pairs
from . import PING_TIMEOUT, Progress, emit, say
from .resolve import expect_all_up, is_file, lab_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from ...lab import Lab
    from ...lab.host import Host
    from ...lab.reachability import Pair
    from ..options import Parsed

MAX_FIRST, MAX_SECOND = 128, 512  # requests that are open at once in the first pass and in the second
FIRST_PASS = 0.5  # seconds that the first pass takes
MAX_NEIGHBOURS = 256  # pairs after which neighbour entries are deleted: all namespaces together may have 1024
NUD_PERMANENT = 0x80


class HostNamespaces:
    """The namespaces of a lab's hosts: opened when they are needed; after `close` they are opened again."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._open: dict[int, NetNS] = {}
        self._ours: set[int] = set()  # those whose stamp has been looked at

    def of(self, host: Host) -> NetNS:
        """Return the namespace of a host.  Raises `RawnsError` if it is not there, or is not this lab's."""
        if host.number not in self._open:
            try:
                self._open[host.number] = NetNS.current() if host.root else NetNS.open(host.name)
            except FileNotFoundError:
                raise RawnsError(f"{host.label} is not there") from None
        namespace = self._open[host.number]
        if not host.root and host.number not in self._ours:
            stamp = read_stamp(namespace)
            if stamp is None or stamp.lab != self._lab.name:
                raise InvalidValue(f"{host.name} is not this lab's")
            self._ours.add(host.number)
        return namespace

    def close(self) -> None:
        """Close all namespaces."""
        for namespace in self._open.values():
            namespace.close()
        self._open.clear()


def ask(lab: Lab, pairs: Iterable[Pair], timeout: float = PING_TIMEOUT, progress: Any = None) -> list[PairResult]:
    """Test every pair; return the results in the order of the pairs.  ``timeout`` is in seconds."""
    probes, namespaces = [PairResult(pair) for pair in pairs], HostNamespaces(lab)
    recent: list[PairResult] = []
    done = 0
    for at_once, seconds in ((MAX_FIRST, min(FIRST_PASS, timeout)), (MAX_SECOND, timeout)):
        waiting = spread([probe for probe in probes if not probe.ok])
        for start in range(0, len(waiting), at_once):
            batch = waiting[start : start + at_once]
            try:
                ask_pairs(batch, seconds, namespaces.of)
                recent += batch
                last = start + at_once >= len(waiting)
                if len(recent) >= MAX_NEIGHBOURS and not (last and all(probe.ok for probe in probes)):
                    _forget(namespaces, recent)
                    recent = []
            finally:
                namespaces.close()
            done = min(len(probes), done + len(batch))
            if progress is not None:
                progress(done, len(probes))
    return probes


def _forget(namespaces: HostNamespaces, probes: Iterable[PairResult]) -> None:
    """Delete the hosts' neighbour entries: the table is shared by all namespaces and would overflow.  They are found again."""
    hosts = {host.number: host for probe in probes for host in (probe.pair.source, probe.pair.target)}
    for host in hosts.values():
        try:
            net = namespaces.of(host).net
            found = [one for one in net.neighbours() if not one.state & NUD_PERMANENT]
            net.do(*[neighbour.delete(one.index, one.address) for one in found])
        except (RawnsError, OSError):
            pass  # an entry that stays does no harm
        finally:
            namespaces.close()


# -- the command ----------------------------------------------------------------------------------------------------------


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
