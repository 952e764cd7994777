"""Echo requests between pairs of hosts of a lab, many at a time, and the matrix of their results.

Each request has a socket of its own inside its source.
"""

from __future__ import annotations

import select
from errno import ENOBUFS
from time import monotonic_ns

from . import icmp, sockets
from .errors import InvalidValue, RawnsError, SyscallError
from .lab.stamped_names import read_stamp
from .net import NetNS
from .objects import neighbour
from .terminal import printable
from .threads import call_inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .icmp.socket import IcmpSocket
    from .lab import Lab
    from .lab.host import Host
    from .lab.reachability import Pair
    from .netns import Namespace

TRIES = 5  # requests for a pair
PAUSE = 1  # milliseconds between two requests
MAX_FIRST, MAX_SECOND = 128, 512  # requests of a lab that are open at once in the first pass and in the second
FIRST_PASS = 0.5  # seconds that the first pass takes
MAX_NEIGHBOURS = 256  # pairs after which neighbour entries are deleted: all namespaces together may have 1024
NUD_PERMANENT = 0x80
MAX_MATRIX = 24  # hosts; the matrix of more does not fit a terminal


class PairResult:
    """The result for one pair: ``rtt`` in seconds, negative if there was no answer; then ``why`` is the reason."""

    __slots__ = ("pair", "rtt", "why")

    def __init__(self, pair: Pair) -> None:
        self.pair, self.rtt, self.why = pair, -1.0, "no answer"

    @property
    def ok(self) -> bool:
        """Tell whether the reply arrived."""
        return self.rtt >= 0


def spread(probes: list[PairResult]) -> list[PairResult]:
    """Order the pairs so that neighbours have different sources: a raw socket receives what all others there receive."""
    ranks: dict[int, int] = {}
    keyed = []
    for number, probe in enumerate(probes):
        rank = ranks[probe.pair.source.number] = ranks.get(probe.pair.source.number, -1) + 1
        keyed.append((rank, number, probe))
    return [probe for _, _, probe in sorted(keyed, key=lambda key: key[:2])]


def ask_batch(batch: Sequence[PairResult], seconds: float, open_namespace: Callable[[Host], Namespace]) -> None:
    """Send requests for all pairs of ``batch`` at once, for so many seconds at most; the results are stored in them.

    ``open_namespace`` returns the namespace of a host; a `RawnsError` that it raises is the reason of that pair.
    """
    lines: dict[int, tuple[IcmpSocket, PairResult, dict[int, int]]] = {}
    try:
        for probe in batch:
            try:
                address = probe.pair.address
                line = call_inside(open_namespace(probe.pair.source), icmp.connect, address.address, address.family)
                lines[line.sock.fileno()] = line, probe, {}
            except RawnsError as error:
                probe.why = _reason(error)
        _rounds(lines, round(seconds * 1e9))
    finally:
        for line, _, _ in lines.values():
            line.close()


def _rounds(lines: dict[int, tuple[IcmpSocket, PairResult, dict[int, int]]], length: int) -> None:
    """Send requests for the pairs that have not answered, and receive answers, until the time is over.

    There is a pause before the next request: on a large bridge the search for a neighbour goes to every port, and several at
    once exceed the kernel's queue.
    """
    start = monotonic_ns()
    waiting = dict(lines)
    for number in range(TRIES):
        for descriptor, (line, probe, sent) in list(waiting.items()):
            _send(line, probe, sent, number + 1)
            _hear(waiting, [descriptor], PAUSE)
        end = start + length * (number + 1) // TRIES
        while waiting and (left := end - monotonic_ns()) > 0:
            _hear(waiting, list(waiting), -(-left // 1_000_000))
        if not waiting:
            return


def _hear(waiting: dict[int, tuple[IcmpSocket, PairResult, dict[int, int]]], descriptors: list[int], milliseconds: int) -> None:
    """Wait for answers on some sockets; a pair that has been answered is removed from ``waiting``."""
    for descriptor, what in sockets.poll(dict.fromkeys(descriptors, select.POLLIN), milliseconds):
        if _heard(*waiting[descriptor], what):
            del waiting[descriptor]


def _send(line: IcmpSocket, probe: PairResult, sent: dict[int, int], sequence: int) -> None:
    sent[sequence] = monotonic_ns()
    try:
        line.send(line.request(sequence, icmp.payload(56)))
    except SyscallError as error:  # what came in for an earlier one, or no room: the next one will tell
        if error.errno != ENOBUFS:
            probe.why = _reason(error)


def _heard(line: IcmpSocket, probe: PairResult, sent: dict[int, int], what: int) -> bool:
    """Receive one packet; return whether it is the answer."""
    arrival = line.failure() if what & select.POLLERR else line.receive()
    if isinstance(arrival, icmp.EchoError):
        probe.why = str(arrival.message) + (f" (says {arrival.source[0]})" if arrival.source else "")
    elif arrival is not None and arrival.sequence in sent and not arrival.corrupt and not arrival.elsewhere:
        probe.rtt = max(0, arrival.when - sent[arrival.sequence]) / 1e9
        return True
    return False


def _reason(error: RawnsError) -> str:
    return str(error.strerror) if isinstance(error, SyscallError) else str(error)


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


def ask(
    lab: Lab, pairs: Iterable[Pair], timeout: float, progress: Callable[[int, int], object] | None = None
) -> list[PairResult]:
    """Test every pair of a lab that is up; return the results in the order of the pairs.  ``timeout`` is in seconds.

    A limited number of requests is open at once.  A pair without an answer in a short first pass is asked again in a second
    pass, so that one slow pair does not delay the others.
    """
    probes, namespaces = [PairResult(pair) for pair in pairs], HostNamespaces(lab)
    recent: list[PairResult] = []
    done = 0
    for at_once, seconds in ((MAX_FIRST, min(FIRST_PASS, timeout)), (MAX_SECOND, timeout)):
        waiting = spread([probe for probe in probes if not probe.ok])
        for start in range(0, len(waiting), at_once):
            batch = waiting[start : start + at_once]
            try:
                ask_batch(batch, seconds, namespaces.of)
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


def matrix(hosts: Sequence[Host], probes: Iterable[PairResult], terminal: bool = False) -> list[str]:
    """Return the milliseconds from each host (row) to each other (column); of several addresses the slowest, or a failed one.

    For a ``terminal`` it is coloured.
    """
    cells: dict[tuple[int, int], float] = {}
    for probe in probes:
        key = probe.pair.source.number, probe.pair.target.number
        before = cells.get(key, 0.0)
        cells[key] = -1.0 if before < 0 or not probe.ok else max(before, probe.rtt)
    labels = [printable(host.label) for host in hosts]
    width = max(6, *map(len, labels))
    lines = [" ".join([" " * width, *(f"{label:>{width}}" for label in labels)])]
    for one, label in zip(hosts, labels):
        row = [_cell(one, other, cells.get((one.number, other.number)), width, terminal) for other in hosts]
        lines.append(" ".join([f"{label:<{width}}", *row]).rstrip())
    return lines


def _cell(one: Host, other: Host, rtt: float | None, width: int, terminal: bool) -> str:
    if rtt is None:
        return f"{'-' if one is other else '.':>{width}}"
    text = "FAILS" if rtt < 0 else f"{rtt * 1000:.2f}"
    colour = "31;1" if rtt < 0 else "32"
    return f"\x1b[{colour}m{text:>{width}}\x1b[m" if terminal else f"{text:>{width}}"
