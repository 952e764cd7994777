"""The rules of one run of echo requests, and its statistics, without socket and clock.

An `EchoSession` is told the time and what has arrived, and returns what to do.
"""

from __future__ import annotations

from math import isqrt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional, Union

    Address = tuple[Any, ...]  # a sockaddr as `socket` has it
    Arrival = Optional[Union["EchoReply", "EchoError"]]

MAX_KEPT = 65536  # round trips and errors stored one by one; further ones are only counted
RETRY_NS, HOUR_NS = 10_000_000, 3600 * 10**9


class EchoReply:
    """An echo reply.

    ``rtt`` is the round trip in seconds, ``when`` the time of arrival in nanoseconds of the monotonic clock, ``size`` the
    number of ICMP bytes.  ``corrupt`` says that the checksum is wrong, ``elsewhere`` that the reply came from another
    address than the requests were sent to.
    """

    __slots__ = ("sequence", "source", "size", "data", "ttl", "when", "corrupt", "elsewhere", "duplicate", "rtt")

    def __init__(self, sequence: int, source: Address, data: bytes, ttl: int, when: int, corrupt: bool, elsewhere: bool) -> None:
        self.sequence, self.source, self.size, self.data, self.ttl = sequence, source, len(data) + 8, data, ttl
        self.when, self.corrupt, self.elsewhere, self.duplicate, self.rtt = when, corrupt, elsewhere, False, 0.0


class EchoError:
    """What came instead of a reply: an ICMP error from ``source``, or a failure to send if ``source`` is None.

    ``message`` says what it is.  ``counted`` is False for a redirect, and for a request that was not sent.
    """

    __slots__ = ("message", "sequence", "source", "errno", "counted")

    def __init__(self, message: str, sequence: int, source: Address | None, errno: int = 0, counted: bool = True) -> None:
        self.message, self.sequence, self.source, self.errno, self.counted = message, sequence, source, errno, counted

    def __str__(self) -> str:
        return self.message if self.source is None else f"From {self.source[0]} icmp_seq={self.sequence} {self.message}"

    __repr__ = __str__


def milliseconds(nanoseconds: int) -> str:
    """Format a time: ``0.026``, cut off after the microseconds and not rounded, as ping does."""
    return f"{nanoseconds // 1_000_000}.{nanoseconds // 1000 % 1000:03d}"


class PingResult:
    """The statistics of a run of echo requests.  ``str()`` of it is one line.

    ``transmitted``, ``received`` (answered requests), ``duplicates`` and ``corrupted`` (further replies) and ``failures``
    (errors) count packets.  ``rtts`` are the round trips in seconds in the order of arrival, duplicates included, and
    ``errors`` the errors (the first 65,536 of each).  ``pipe`` is the largest number of requests that were unanswered at
    the same time.  The attributes that end in ``_ns`` are in nanoseconds.
    """

    def __init__(self, host: str = "", address: str = "") -> None:
        self.host, self.address = host, address
        self.transmitted = self.received = self.duplicates = self.corrupted = self.failures = self.pipe = 0
        self.rtts: list[float] = []
        self.errors: list[EchoError] = []
        self.min_ns = self.max_ns = self.total_ns = self.squares = self.ewma_ns = 0  # ewma: a weighted moving average

    @property
    def loss(self) -> float:
        """The part of the requests that were not answered, from 0.0 to 1.0."""
        return (self.transmitted - self.received) / self.transmitted if self.transmitted else 0.0

    @property
    def min(self) -> float:
        """The shortest round trip in seconds; 0.0 if there was none."""
        return self.min_ns / 1e9

    @property
    def avg(self) -> float:
        """The mean round trip in seconds; 0.0 if there was none."""
        return self.average_ns / 1e9

    @property
    def max(self) -> float:
        """The longest round trip in seconds; 0.0 if there was none."""
        return self.max_ns / 1e9

    @property
    def mdev(self) -> float:
        """The standard deviation of the round trips in seconds; 0.0 if there was none."""
        return self.deviation_ns / 1e9

    @property
    def average_ns(self) -> int:
        """The mean round trip, rounded down."""
        return self.total_ns // (self.received + self.duplicates or 1)

    @property
    def deviation_ns(self) -> int:
        """The standard deviation of the round trips, rounded down."""
        number = self.received + self.duplicates or 1
        return isqrt(self.squares * number - self.total_ns**2) // number

    def add(self, reply: EchoReply, nanoseconds: int) -> None:
        """Count a reply."""
        if reply.duplicate:
            self.duplicates += 1
        else:
            self.received += 1
        reply.rtt = nanoseconds / 1e9
        if len(self.rtts) < MAX_KEPT:
            self.rtts.append(reply.rtt)
        first = self.received + self.duplicates == 1
        self.min_ns = nanoseconds if first else min(self.min_ns, nanoseconds)
        self.max_ns = max(self.max_ns, nanoseconds)
        self.ewma_ns += nanoseconds if first else (nanoseconds - self.ewma_ns) // 8
        self.total_ns += nanoseconds
        self.squares += nanoseconds**2

    def spread(self) -> str:
        """Format min/avg/max/mdev in milliseconds: ``0.026/0.031/0.036/0.004``."""
        return "/".join(map(milliseconds, (self.min_ns, self.average_ns, self.max_ns, self.deviation_ns)))

    def __str__(self) -> str:
        text = f"{self.host}: {self.transmitted} transmitted, {self.received} received, {self.loss * 100:g}% loss"
        if self.received:
            text += f", rtt min/avg/max/mdev = {self.spread()} ms"
        return f"{text}; {self.errors[0]}" if self.errors else text

    def __repr__(self) -> str:
        return f"<PingResult {self}>"


class EchoSession:
    """The rules of one run, and its statistics.  Times are nanoseconds of any monotonic clock.

    ``count`` requests (None: without end) are sent ``interval`` apart; if it is 0, each follows the answer to the one
    before, at the latest after 10 ms.  Then replies are awaited for ``timeout``; after a first reply for only twice the
    longest round trip, as ping does, unless ``patient``.  With a ``deadline``, replies are counted instead of requests,
    and an error ends the run.
    """

    def __init__(self, count: int | None, interval: int, timeout: int | None, deadline: int | None = None, patient: bool = False):
        self.count, self.interval, self.timeout, self.patient = count, interval, timeout, patient
        self.deadline = deadline
        self.result = PingResult()
        self.first = self.last = 0  # when the first and the last request were sent
        self._sent: dict[int, int] = {}  # times by sequence number, so 65,536 at most
        self._answered: set[int] = set()
        self._acked = self._unsent = 0
        self._begun: int | None = None
        self._retry = self._postponed = 0
        self._end: int | None = None
        self.stopped = False

    # -- when -----------------------------------------------------------------------------------------------------

    def wait(self, now: int) -> int | None:
        """Return how long to wait; 0 if the next request is due, None if the run is over."""
        if self._begun is None:
            self._begun = now
            self._end = None if self.deadline is None else now + self.deadline
        if self._over(now):
            return None
        until = now + HOUR_NS if self._end is None else self._end
        if not self._all_sent():
            until = min(until, self._due())
        return max(0, until - now)

    def _over(self, now: int) -> bool:
        result = self.result
        done = result.received + result.failures
        if self.deadline is None:
            done += self._unsent
        enough = self.count is not None and done >= self.count
        failed = self.deadline is not None and result.failures > 0
        return self.stopped or enough or failed or (self._end is not None and now >= self._end)

    def _all_sent(self) -> bool:
        return self.count is not None and self.deadline is None and self.result.transmitted >= self.count

    def _due(self) -> int:
        if not self.result.transmitted or self._retry:
            return self._retry
        pause = self.interval or (RETRY_NS if self.under_way else 0)
        return self.last + pause

    @property
    def under_way(self) -> int:
        """The number of unanswered requests; those before the last answered one do not count."""
        return self.result.transmitted - self._acked & 0xFFFF

    # -- out ------------------------------------------------------------------------------------------------------

    @property
    def sequence(self) -> int:
        """The sequence number of the next request."""
        return self.result.transmitted + 1 & 0xFFFF

    def sent(self, when: int, failure: EchoError | None = None) -> None:
        """Record that the next request was sent, or, with ``failure``, that it could not be sent."""
        sequence, self.last = self.sequence, when
        self.first = self.first if self.result.transmitted else when
        self.result.transmitted += 1
        self._retry = self._postponed = 0
        self._answered.discard(sequence)
        self._sent[sequence] = when
        if failure is not None:
            self._unsent += not failure.counted
            self._fail(failure)
        if self._all_sent():
            wait = self.timeout
            if self.result.received and not self.patient:
                wait = max(2 * self.result.max_ns, self.interval)
            self._end = None if wait is None else when + wait

    def postpone(self, now: int) -> bool:
        """Try again in 10 ms, because the kernel has no buffer; return False if that has gone on for too long."""
        self._postponed += RETRY_NS
        self._retry = now + RETRY_NS
        return self._postponed < (self.timeout or HOUR_NS)

    # -- in -------------------------------------------------------------------------------------------------------

    def arrived(self, arrival: Arrival) -> Arrival:
        """Record what has arrived; return it, or None if it answers no request that was sent."""
        if arrival is None or (arrival.sequence not in self._sent and arrival.source is not None):
            return None
        if isinstance(arrival, EchoError):
            self._acknowledge(arrival.sequence)
            return self._fail(arrival)
        if arrival.corrupt:
            self.result.corrupted += 1
            return arrival
        self._acknowledge(arrival.sequence)
        arrival.duplicate = arrival.sequence in self._answered
        self._answered.add(arrival.sequence)
        self.result.add(arrival, max(0, arrival.when - self._sent[arrival.sequence]))
        return arrival

    def _fail(self, failure: EchoError) -> EchoError:
        self.result.failures += failure.counted
        if len(self.result.errors) < MAX_KEPT:
            self.result.errors.append(failure)
        return failure

    def _acknowledge(self, sequence: int) -> None:
        behind = self.result.transmitted - sequence & 0xFFFF
        if behind < 0x8000:
            self.result.pipe = max(self.result.pipe, behind + 1)
            if sequence - self._acked & 0xFFFF < 0x8000:
                self._acked = sequence
