"""The rules of one run of echo requests, and the figures it comes to; without socket and clock.

Floor 6, sans-IO: a `Session` is told what time it is and what came in, and says what to do.
"""

from __future__ import annotations

from math import isqrt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional, Union

    Address = tuple[Any, ...]  # a sockaddr as `socket` has it
    Arrival = Optional[Union["Reply", "Failure"]]

KEPT = 65536  # round trips and errors remembered one by one; those beyond are only counted
RETRY, HOUR = 10_000_000, 3600 * 10**9  # nanoseconds


class Reply:
    """An echo reply.  ``rtt`` is in seconds, ``when`` it came in on the monotonic clock, ``size`` counts the ICMP bytes.

    ``corrupt`` is one whose checksum is wrong, ``elsewhere`` one from another address than was asked.
    """

    __slots__ = ("sequence", "source", "size", "data", "ttl", "when", "corrupt", "elsewhere", "duplicate", "rtt")

    def __init__(self, sequence: int, source: Address, data: bytes, ttl: int, when: int, corrupt: bool, elsewhere: bool) -> None:
        self.sequence, self.source, self.size, self.data, self.ttl = sequence, source, len(data) + 8, data, ttl
        self.when, self.corrupt, self.elsewhere, self.duplicate, self.rtt = when, corrupt, elsewhere, False, 0.0


class Failure:
    """What came instead of a reply: an ICMP error from ``source``, or, where that is None, this machine would not send.

    ``counted`` is False for what decides nothing: a redirect, or a request that never left.
    """

    __slots__ = ("words", "sequence", "source", "errno", "counted")

    def __init__(self, words: str, sequence: int, source: Address | None, errno: int = 0, counted: bool = True) -> None:
        self.words, self.sequence, self.source, self.errno, self.counted = words, sequence, source, errno, counted

    def __str__(self) -> str:
        return self.words if self.source is None else f"From {self.source[0]} icmp_seq={self.sequence} {self.words}"

    __repr__ = __str__


def milliseconds(nanoseconds: int) -> str:
    """``0.026``: to the microsecond, cut off and not rounded, as ping does it."""
    return f"{nanoseconds // 1_000_000}.{nanoseconds // 1000 % 1000:03d}"


class Figures:
    """What a run of echo requests came to.  ``str()`` of it is one line for a person.

    ``transmitted``, ``received`` (answered requests), ``duplicates`` and ``corrupted`` (further replies), ``failures``
    (errors) count packets; ``rtts`` are the round trips in seconds as the replies came in, duplicates among them, and
    ``errors`` what came instead (of each the first 65,536); ``pipe`` is how many requests were under way at most.
    """

    def __init__(self, host: str = "", address: str = "") -> None:
        self.host, self.address = host, address
        self.transmitted = self.received = self.duplicates = self.corrupted = self.failures = self.pipe = 0
        self.rtts: list[float] = []
        self.errors: list[Failure] = []
        self.least = self.most = self.total = self.squares = self.smooth = 0  # ns; ``smooth`` is a moving average

    @property
    def loss(self) -> float:
        """The part of the requests that nobody answered, from 0.0 to 1.0."""
        return (self.transmitted - self.received) / self.transmitted if self.transmitted else 0.0

    @property
    def min(self) -> float:
        """The shortest round trip in seconds; 0.0, like the next three, where there was none."""
        return self.least / 1e9

    @property
    def avg(self) -> float:
        return self.average / 1e9

    @property
    def max(self) -> float:
        return self.most / 1e9

    @property
    def mdev(self) -> float:
        """The standard deviation of the round trips, in seconds."""
        return self.deviation / 1e9

    @property
    def average(self) -> int:
        return self.total // (self.received + self.duplicates or 1)

    @property
    def deviation(self) -> int:
        number = self.received + self.duplicates or 1
        return isqrt(self.squares * number - self.total**2) // number

    def add(self, reply: Reply, nanoseconds: int) -> None:
        if reply.duplicate:
            self.duplicates += 1
        else:
            self.received += 1
        reply.rtt = nanoseconds / 1e9
        if len(self.rtts) < KEPT:
            self.rtts.append(reply.rtt)
        first = self.received + self.duplicates == 1
        self.least = nanoseconds if first else min(self.least, nanoseconds)
        self.most = max(self.most, nanoseconds)
        self.smooth += nanoseconds if first else (nanoseconds - self.smooth) // 8
        self.total += nanoseconds
        self.squares += nanoseconds**2

    def spread(self) -> str:
        """``0.026/0.031/0.036/0.004``: min/avg/max/mdev in milliseconds."""
        return "/".join(map(milliseconds, (self.least, self.average, self.most, self.deviation)))

    def __str__(self) -> str:
        text = f"{self.host}: {self.transmitted} transmitted, {self.received} received, {self.loss * 100:g}% loss"
        if self.received:
            text += f", rtt min/avg/max/mdev = {self.spread()} ms"
        return f"{text}; {self.errors[0]}" if self.errors else text

    def __repr__(self) -> str:
        return f"<Figures {self}>"


class Session:
    """The rules of one run, with the figures it comes to.  Times are nanoseconds on any clock that only goes forward.

    ``count`` requests (None: no end) are sent ``interval`` apart; with 0 each follows the answer to the last one, or
    10 ms.  Then ``timeout`` is the time left for replies; as ping has it, once there was one, twice the longest round
    trip is enough, unless ``patient``.  With a ``deadline`` it is replies that are counted, and an error is the end.
    """

    def __init__(self, count: int | None, interval: int, timeout: int | None, deadline: int | None = None, patient: bool = False):
        self.count, self.interval, self.timeout, self.patient = count, interval, timeout, patient
        self.deadline = deadline
        self.figures = Figures()
        self.first = self.last = 0  # when the first and the last request were sent
        self._sent: dict[int, int] = {}  # when, by sequence number: 65,536 at most
        self._answered: set[int] = set()
        self._acked = self._unsent = 0
        self._begun: int | None = None
        self._retry = self._postponed = 0
        self._end: int | None = None
        self.stopped = False

    # -- when -----------------------------------------------------------------------------------------------------

    def wait(self, now: int) -> int | None:
        """How long there is nothing to do but wait; 0: send the next request now; None: the run is over."""
        if self._begun is None:
            self._begun = now
            self._end = None if self.deadline is None else now + self.deadline
        if self._over(now):
            return None
        until = now + HOUR if self._end is None else self._end
        if not self._all_sent():
            until = min(until, self._due())
        return max(0, until - now)

    def _over(self, now: int) -> bool:
        figures = self.figures
        done = figures.received + figures.failures
        if self.deadline is None:
            done += self._unsent
        enough = self.count is not None and done >= self.count
        failed = self.deadline is not None and figures.failures > 0
        return self.stopped or enough or failed or (self._end is not None and now >= self._end)

    def _all_sent(self) -> bool:
        return self.count is not None and self.deadline is None and self.figures.transmitted >= self.count

    def _due(self) -> int:
        if not self.figures.transmitted or self._retry:
            return self._retry
        pause = self.interval or (RETRY if self.under_way else 0)
        return self.last + pause

    @property
    def under_way(self) -> int:
        """How many requests wait for an answer (those overtaken by a later one's do not)."""
        return self.figures.transmitted - self._acked & 0xFFFF

    # -- out ------------------------------------------------------------------------------------------------------

    @property
    def sequence(self) -> int:
        """The sequence number of the next request."""
        return self.figures.transmitted + 1 & 0xFFFF

    def sent(self, when: int, failure: Failure | None = None) -> None:
        """The next request was sent, or, with ``failure``, could not be and counts as sent."""
        sequence, self.last = self.sequence, when
        self.first = self.first if self.figures.transmitted else when
        self.figures.transmitted += 1
        self._retry = self._postponed = 0
        self._answered.discard(sequence)
        self._sent[sequence] = when
        if failure is not None:
            self._unsent += not failure.counted
            self._fail(failure)
        if self._all_sent():
            wait = self.timeout
            if self.figures.received and not self.patient:
                wait = max(2 * self.figures.most, self.interval)
            self._end = None if wait is None else when + wait

    def postpone(self, now: int) -> bool:
        """There is no room to send: try again in a moment.  False when that has gone on for too long."""
        self._postponed += RETRY
        self._retry = now + RETRY
        return self._postponed < (self.timeout or HOUR)

    # -- in -------------------------------------------------------------------------------------------------------

    def arrived(self, arrival: Arrival) -> Arrival:
        """Take note of what came in; None for what answers nothing that was sent."""
        if arrival is None or (arrival.sequence not in self._sent and arrival.source is not None):
            return None
        if isinstance(arrival, Failure):
            self._acknowledge(arrival.sequence)
            return self._fail(arrival)
        if arrival.corrupt:
            self.figures.corrupted += 1
            return arrival
        self._acknowledge(arrival.sequence)
        arrival.duplicate = arrival.sequence in self._answered
        self._answered.add(arrival.sequence)
        self.figures.add(arrival, max(0, arrival.when - self._sent[arrival.sequence]))
        return arrival

    def _fail(self, failure: Failure) -> Failure:
        self.figures.failures += failure.counted
        if len(self.figures.errors) < KEPT:
            self.figures.errors.append(failure)
        return failure

    def _acknowledge(self, sequence: int) -> None:
        behind = self.figures.transmitted - sequence & 0xFFFF
        if behind < 0x8000:
            self.figures.pipe = max(self.figures.pipe, behind + 1)
            if sequence - self._acked & 0xFFFF < 0x8000:
                self._acked = sequence
