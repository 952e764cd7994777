"""Report of a failing test about its lab, within a second.

`explain` returns sections: what differs from the description, which hosts reach each other, why those do not that should, on
which ports is listened, the last lines of each process, and the last requests that the kernel refused.  The kernel is queried
by a forked child, which is killed at the limit, so that the limit holds even if the child blocks.
"""

from __future__ import annotations

import json
import os
import select
import signal
import warnings
from time import monotonic

from ..errors import RawnsError
from ..lab.reachability import Reach
from ..netlink import refusals
from ..terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..lab.reachability import Pair
    from ..pairs import PairResult
    from .lab import ManagedLab

    Section = tuple[str, str]

LIMIT = 1.0  # seconds
RESERVE = 0.15  # of them for ending the child, and for the parent's part
MATRIX_SECONDS = 0.25
ANSWER_SECONDS = 0.25  # that `why` waits for an answer if no check finds a fault
MAX_THREADS = 8  # that look for reasons at the same time
MAX_PAIRS = 256  # of which the matrix consists
MAX_CHANGES, MAX_LINES, MAX_LISTED = 40, 20, 40
MAX_LINE = 500  # characters of a line of output
MAX_HOSTS = 16  # whose listening sockets are listed
MAX_BYTES = 1 << 20  # that are read from the child


def explain(lab: ManagedLab, since: float = 0.0, limit: float = LIMIT) -> list[Section]:
    """Return titles and texts about a lab that is up, after ``limit`` seconds at most.

    ``since`` is the time (time.monotonic()) at which the test began: earlier refusals of the kernel are left out.  What cannot
    be found out, because there are no descriptors or processes left, for example, is said in the report, and not raised.
    """
    end = monotonic() + limit
    sections = [("processes", text) for text in [_processes(lab)] if text]
    refused = _refusals(since)
    if lab.is_up:
        found = _Findings()
        try:
            _ask_child(lab, found, end - RESERVE)
        except (OSError, ValueError) as error:
            found.error = found.error or f"cannot be found out: {printable(str(error))}"
        sections = found.sections() + sections
    if lab.port_captures is not None:
        sections.append(("captured frames", str(lab.port_captures)))
    return [*sections, *([("requests that the kernel refused", refused)] if refused else [])]


def _processes(lab: ManagedLab) -> str:
    parts = []
    for process in lab.processes:
        status = process.returncode
        state = "runs" if status is None else f"has ended with status {status}"
        lines = [f"{process.host.label}: {process.command} (pid {process.pid}) {state}"]
        lines += [f"    {line}" for line in map(_cut, process.last_lines(MAX_LINES))] or ["    (it has written nothing)"]
        parts.append("\n".join(lines))
    return "\n".join(parts)


def _cut(line: str) -> str:
    return line if len(line) <= MAX_LINE else f"... {line[-MAX_LINE:]}"


def _refusals(since: float) -> str:
    """Return the refused requests, except for those that only asked (RTM_GETROUTE): `why` and the waits make many of them."""
    found = [error for when, error in refusals if when >= since and not error.request.startswith("RTM_GET")]
    return "\n".join(printable(str(error)) for error in found)


class _Findings:
    """What the child has said so far."""

    def __init__(self) -> None:
        self.difference: str | None = None
        self.matrix = self.listening = ""
        self.pairs: list[str] = []  # those that should reach each other and do not
        self.reasons: dict[str, str] = {}
        self.error = ""
        self.ended = False

    def add(self, message: list[str]) -> None:
        """Take over one message of the child."""
        kind, *rest = message
        if kind == "difference":
            self.difference = rest[0]
        elif kind == "listening":
            self.listening = rest[0]
        elif kind == "matrix":
            self.matrix = rest[0]
        elif kind == "pairs":
            self.pairs = rest
        elif kind == "reason":
            self.reasons[rest[0]] = rest[1]
        elif kind == "error":
            self.error = rest[0]
        elif kind == "end":
            self.ended = True

    def sections(self) -> list[Section]:
        """Return titles and texts; what was not examined in time is listed."""
        sections: list[Section] = []
        late = "not examined: the time was over"
        if self.difference is None:
            sections.append(("difference from the description", self.error or late))
        elif self.difference:
            sections.append(("difference from the description", self.difference))
        if self.difference is not None and (self.matrix or not self.ended):
            sections.append(("reachability (milliseconds)", self.matrix or self.error or late))
        told = [f"{pair}: {self.reasons[pair]}" for pair in self.pairs if pair in self.reasons]
        left = [pair for pair in self.pairs if pair not in self.reasons]
        if left:
            more = f", and {len(left) - MAX_LISTED} more" if len(left) > MAX_LISTED else ""
            told.append(f"{late} for {', '.join(left[:MAX_LISTED])}{more}")
        if told:
            sections.append(("why", "\n".join(told)))
        if self.listening:
            sections.append(("listening sockets", self.listening))
        return sections


# -- the child --------------------------------------------------------------------------------------------------------


def _ask_child(lab: ManagedLab, found: _Findings, deadline: float) -> None:
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12: of a fork in a process with threads; this child is killed if it hangs
        pid = os.fork()
    if pid == 0:
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
                signal.signal(number, signal.SIG_DFL)
            os.close(reading)
            _examine(lab, lambda *message: _send(writing, message))
        except BaseException as error:
            _send(writing, ("error", f"{type(error).__name__}: {error}"))
        finally:
            os._exit(0)
    os.close(writing)
    try:
        _receive(reading, found, deadline)
    finally:
        os.close(reading)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _send(writing: int, message: Iterable[str]) -> None:
    os.write(writing, json.dumps(list(message)).encode() + b"\n")


def _receive(reading: int, found: _Findings, deadline: float) -> None:
    """Read messages until the child ends or the time is over."""
    data, read = b"", 0
    while (left := deadline - monotonic()) > 0 and read < MAX_BYTES:
        if not select.select([reading], [], [], left)[0]:
            return
        piece = os.read(reading, 65536)
        if not piece:
            return
        read += len(piece)
        *lines, data = (data + piece).split(b"\n")
        for line in lines:
            found.add(json.loads(line))


def _examine(lab: ManagedLab, send: Callable[..., None]) -> None:
    """Send the differences, the listening sockets, the reachability matrix, and the faults of pairs that fail, in this order."""
    from ..pairs import PairResult

    send("difference", _difference(lab))
    send("listening", _listening(lab))
    pairs, complete = Reach(lab).pairs(MAX_PAIRS, MAX_PAIRS)
    results = [PairResult(pair) for pair in pairs]
    _ping(results)
    send("matrix", _matrix(results, complete))
    failed = [one.pair for one in results if not one.ok]
    send("pairs", *(_name(pair) for pair in failed))
    _reasons(failed, send)
    send("end")


def _difference(lab: ManagedLab) -> str:
    try:
        changes = [str(change) for change in lab.plan()]
    except RawnsError as error:
        return f"cannot be found out: {printable(str(error))}"
    more = [f"... and {len(changes) - MAX_CHANGES} more"] if len(changes) > MAX_CHANGES else []
    return "\n".join(changes[:MAX_CHANGES] + more)


def _listening(lab: ManagedLab) -> str:
    """Return on which ports is listened in the hosts in which the test has started processes."""
    from ..lab.wait_for import listeners

    lines = []
    for host in list(dict.fromkeys(process.host for process in lab.processes))[:MAX_HOSTS]:
        try:
            sockets = [(kind, *one) for kind in ("tcp", "udp") for one in sorted(set(listeners(host, kind)))]
            found = [f"{kind} [{place}]:{port}" if ":" in place else f"{kind} {place}:{port}" for kind, place, port in sockets]
        except (RawnsError, OSError) as error:
            found = [f"cannot be found out: {printable(str(error))}"]
        more = f" and {len(found) - MAX_LISTED} more" if len(found) > MAX_LISTED else ""
        lines.append(f"{printable(host.label)}: {', '.join(found[:MAX_LISTED]) or 'none'}{more}")
    return "\n".join(lines)


def _ping(results: list[PairResult]) -> None:
    from ..pairs import ask_batch, spread

    ask_batch(spread(results), MATRIX_SECONDS, lambda host: host.namespace)


def _matrix(results: list[PairResult], complete: bool) -> str:
    from ..pairs import MAX_MATRIX, matrix

    hosts = sorted({one for result in results for one in (result.pair.source, result.pair.target)}, key=lambda one: one.number)
    if not results:
        return ""
    if len(hosts) <= MAX_MATRIX and complete:
        pairs = {(result.pair.source.number, result.pair.target.number) for result in results}
        promised = len(pairs) == len(hosts) * (len(hosts) - 1)
        legend = [] if promised else [". by the description these do not reach each other, so they were not tried"]
        return "\n".join(matrix(hosts, results) + legend)
    failed = sum(not one.ok for one in results)
    return f"{len(results) - failed} of {len(results)} pairs reach each other{'' if complete else ', a choice of all pairs'}"


def _name(pair: Pair) -> str:
    return printable(f"{pair.source.label} -> {pair.target.label} {pair.address.address}")


def _reasons(failed: list[Pair], send: Callable[..., None]) -> None:
    """Say for each pair why one does not reach the other; several threads share them, because each waits for answers."""
    from _thread import allocate_lock
    from threading import Thread

    from ..diagnose import why

    left, lock = iter(failed), allocate_lock()
    mine, tests = f"/proc/{os.getpid()}/", f"/proc/{os.getppid()}/"  # the test's process has the same descriptors, and stays

    def work() -> None:
        while True:
            with lock:
                pair = next(left, None)
            if pair is None:
                return
            try:
                text = str(why(pair.source, pair.target, pair.address.family, timeout=ANSWER_SECONDS)).replace(mine, tests)
            except (RawnsError, OSError) as error:
                text = printable(str(error))
            with lock:
                send("reason", _name(pair), text)

    threads = [Thread(target=work, daemon=True) for _ in range(min(MAX_THREADS, len(failed)))]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
