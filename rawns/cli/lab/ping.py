"""`rawns lab ping`: every pair that should reach each other, by the description alone, asked whether it does.

Floor 7.  Each request has a socket of its own inside its source, and so many of them are open at once.  What gets no answer
in a first pass is asked again in a second with all the time there is, so that one slow pair does not hold up the others.
"""

from __future__ import annotations

import os
import select
import sys
from errno import ENOBUFS
from time import monotonic_ns

from ... import icmp, sockets
from ...errors import InvalidValue, RawnsError, SyscallError
from ...lab.discover import read_stamp
from ...lab.reachability import Reach
from ...net import NetNS
from ...netns import call_inside
from ...objects import neighbour
from . import emit
from .resolve import lab_of
from .verbs import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from ...icmp.socket import IcmpSocket
    from ...lab import Lab
    from ...lab.model import Host
    from ...lab.reachability import Pair
    from . import Options

AT_ONCE, AT_LAST = 128, 512  # requests under way in the first pass and in the second
FIRST, TIMEOUT, TRIES = 0.5, 5.0, 5  # seconds to the end of the first pass, and of the second; requests in a pass
NEIGHBOURS = 256  # pairs after which neighbours are forgotten: the machine has room for 1024, in all namespaces together
NUD_PERMANENT = 0x80
MOMENT = 1  # milliseconds
WIDE = 24  # hosts; the matrix of more fits no terminal


class Probe:
    """One pair, and what came of it: ``rtt`` in seconds, or ``why`` not."""

    __slots__ = ("pair", "rtt", "why")

    def __init__(self, pair: Pair) -> None:
        self.pair, self.rtt, self.why = pair, -1.0, "no answer"

    @property
    def ok(self) -> bool:
        return self.rtt >= 0


class Doors:
    """The namespaces of a lab's hosts, opened when they are first needed; `close` closes them until they are needed again."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._open: dict[int, NetNS] = {}
        self._ours: set[int] = set()  # those whose stamp has been looked at

    def of(self, host: Host) -> NetNS:
        """Raises `RawnsError` where it is not there, or is not this lab's."""
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
        for namespace in self._open.values():
            namespace.close()
        self._open.clear()


def ask(lab: Lab, pairs: Iterable[Pair], timeout: float = TIMEOUT, progress: Any = None) -> list[Probe]:
    """Ask every pair; in the order they came in."""
    probes, doors = [Probe(pair) for pair in pairs], Doors(lab)
    recent: list[Probe] = []
    done = 0
    for at_once, seconds in ((AT_ONCE, min(FIRST, timeout)), (AT_LAST, timeout)):
        waiting = _spread([probe for probe in probes if not probe.ok])
        for start in range(0, len(waiting), at_once):
            batch = waiting[start : start + at_once]
            try:
                _together(doors, batch, seconds)
                recent += batch
                last = start + at_once >= len(waiting)
                if len(recent) >= NEIGHBOURS and not (last and all(probe.ok for probe in probes)):
                    _forget(doors, recent)
                    recent = []
            finally:
                doors.close()
            done = min(len(probes), done + len(batch))
            if progress is not None:
                progress(done, len(probes))
    return probes


def _spread(probes: list[Probe]) -> list[Probe]:
    """So that those next to each other have different sources: a raw socket hears what all others in its place hear."""
    ranks: dict[int, int] = {}
    keyed = []
    for number, probe in enumerate(probes):
        rank = ranks[probe.pair.source.number] = ranks.get(probe.pair.source.number, -1) + 1
        keyed.append((rank, number, probe))
    return [probe for _, _, probe in sorted(keyed, key=lambda key: key[:2])]


def _together(doors: Doors, batch: Sequence[Probe], seconds: float) -> None:
    lines: dict[int, tuple[IcmpSocket, Probe, dict[int, int]]] = {}
    try:
        for probe in batch:
            try:
                address = probe.pair.address
                line = call_inside(doors.of(probe.pair.source), icmp.connect, address.address, address.family)
                lines[line.sock.fileno()] = line, probe, {}
            except RawnsError as error:
                probe.why = _reason(error)
        _rounds(lines, round(seconds * 1e9))
    finally:
        for line, _, _ in lines.values():
            line.close()


def _rounds(lines: dict[int, tuple[IcmpSocket, Probe, dict[int, int]]], length: int) -> None:
    """Ask again and again those that have not answered, and take in what comes, until the time is over.

    Each is given a moment before the next is asked: on a large switch the search for a neighbour goes to every port, and
    several at once are more than the kernel's queue holds.
    """
    start = monotonic_ns()
    waiting = dict(lines)
    for number in range(TRIES):
        for descriptor, (line, probe, sent) in list(waiting.items()):
            _send(line, probe, sent, number + 1)
            _hear(waiting, [descriptor], MOMENT)
        end = start + length * (number + 1) // TRIES
        while waiting and (left := end - monotonic_ns()) > 0:
            _hear(waiting, list(waiting), -(-left // 1_000_000))
        if not waiting:
            return


def _hear(waiting: dict[int, tuple[IcmpSocket, Probe, dict[int, int]]], descriptors: list[int], milliseconds: int) -> None:
    """Wait for some, and take in what has come; who has answered is waited for no more."""
    for descriptor, what in sockets.poll(dict.fromkeys(descriptors, select.POLLIN), milliseconds):
        if _heard(*waiting[descriptor], what):
            del waiting[descriptor]


def _send(line: IcmpSocket, probe: Probe, sent: dict[int, int], sequence: int) -> None:
    sent[sequence] = monotonic_ns()
    try:
        line.send(line.request(sequence, icmp.payload(56)))
    except SyscallError as error:  # what came in for an earlier one, or no room: the next one will tell
        if error.errno != ENOBUFS:
            probe.why = _reason(error)


def _heard(line: IcmpSocket, probe: Probe, sent: dict[int, int], what: int) -> bool:
    """Take in one packet; whether it is the answer."""
    arrival = line.failure() if what & select.POLLERR else line.receive()
    if isinstance(arrival, icmp.EchoError):
        probe.why = str(arrival.message) + (f" (says {arrival.source[0]})" if arrival.source else "")
    elif arrival is not None and arrival.sequence in sent and not arrival.corrupt and not arrival.elsewhere:
        probe.rtt = max(0, arrival.when - sent[arrival.sequence]) / 1e9
        return True
    return False


def _reason(error: RawnsError) -> str:
    return str(error.strerror) if isinstance(error, SyscallError) else str(error)


def _forget(doors: Doors, probes: Iterable[Probe]) -> None:
    """Have the hosts forget their neighbours, lest the table that all namespaces share overflows; they are soon found again."""
    hosts = {host.number: host for probe in probes for host in (probe.pair.source, probe.pair.target)}
    for host in hosts.values():
        try:
            net = doors.of(host).net
            found = [one for one in net.neighbours() if not one.state & NUD_PERMANENT]
            net.do(*[neighbour.delete(one.index, one.address) for one in found])
        except (RawnsError, OSError):
            pass  # one more or less: it is a courtesy
        finally:
            doors.close()


# -- the command ----------------------------------------------------------------------------------------------------------


def ping(options: Options) -> int:
    lab = lab_of(options.words[0])
    there = set(NetNS.list())
    if not any(host.root or host.name in there for host in lab.hosts):
        raise RawnsError(f"{lab.name} is not up")
    pairs, whole = Reach(lab).pairs()
    progress = Progress("pairs")
    try:
        probes = ask(lab, pairs, options.seconds("--timeout") or TIMEOUT, progress.told)
    finally:
        progress.end()
    failed = [probe for probe in probes if not probe.ok]
    if options.json:
        records = [_record(probe) for probe in probes]
        emit({"lab": lab.name, "ok": bool(probes) and not failed, "every_pair": whole, "pairs": records})
    else:
        _show(lab, probes, failed, whole)
    return 1 if failed or not probes else 0


def _record(probe: Probe) -> dict[str, Any]:
    said = {"from": probe.pair.source.label, "to": probe.pair.target.label, "address": probe.pair.address.address}
    return {**said, "ok": probe.ok, **({"ms": round(probe.rtt * 1000, 3)} if probe.ok else {"why": probe.why})}


def _show(lab: Lab, probes: Sequence[Probe], failed: Sequence[Probe], whole: bool) -> None:
    if not probes:
        print(f"{lab.name}: nobody here should reach anybody")
        return
    hosts = list({host.number: host for probe in probes for host in (probe.pair.source, probe.pair.target)}.values())
    hosts.sort(key=lambda host: host.number)
    if whole and len(hosts) <= WIDE:
        print("\n".join(_matrix(hosts, probes)))
        print()
    for probe in failed[:100]:
        print(f"{probe.pair.source.label} -> {probe.pair.target.label} {probe.pair.address.address}: {probe.why}")
    if len(failed) > 100:
        print(f"... and {len(failed) - 100} more")
    answered, chosen = len(probes) - len(failed), "" if whole else f", chosen among {len(hosts)} hosts so that each is in it"
    times = sorted(probe.rtt for probe in probes if probe.ok)
    middle = f"; half of them within {times[len(times) // 2] * 1000:.2f} ms" if times else ""
    print(f"{lab.name}: {answered} of {len(probes)} ways lead there and back{middle}{chosen}")


def _matrix(hosts: Sequence[Host], probes: Iterable[Probe]) -> list[str]:
    """Who (a row) reaches whom (a column), in milliseconds; of several addresses the slowest counts, or the one that fails."""
    cells: dict[tuple[int, int], float] = {}
    for probe in probes:
        key = probe.pair.source.number, probe.pair.target.number
        before = cells.get(key, 0.0)
        cells[key] = -1.0 if before < 0 or not probe.ok else max(before, probe.rtt)
    width = max(6, *(len(host.label) for host in hosts))
    lines = [" ".join([" " * width, *(f"{host.label:>{width}}" for host in hosts)])]
    for one in hosts:
        row = [_cell(one, other, cells.get((one.number, other.number)), width) for other in hosts]
        lines.append(" ".join([f"{one.label:<{width}}", *row]).rstrip())
    return lines


def _cell(one: Host, other: Host, rtt: float | None, width: int) -> str:
    if rtt is None:
        return f"{'-' if one is other else '.':>{width}}"
    text = "FAILS" if rtt < 0 else f"{rtt * 1000:.2f}"
    colour = "31;1" if rtt < 0 else "32"
    terminal = sys.stdout is not None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return f"\x1b[{colour}m{text:>{width}}\x1b[m" if terminal else f"{text:>{width}}"
