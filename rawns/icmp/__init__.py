"""ICMP and ICMPv6 echo, built by hand: `rawns.ping` for programs, and all that `rawns ping` prints (ping(8)).

Floor 6.  Two parts, and `run`, the loop that joins them::

    Session   when to send, when to give up, what an arrival means, and the figures it all comes to (sans-IO)
    Line      the socket, datagram ICMP or raw, whichever the kernel allows: requests out, arrivals in

A round trip ends when the kernel says that the reply came in (SO_TIMESTAMPNS), not when Python got to it.  What comes
in is anybody's: it counts only if it is whole, bears our identifier and answers a sequence number that was sent, and
the time it took is looked up in a table of our own, never in what the peer sent back.
"""

from __future__ import annotations

import _socket
import select
from errno import EAGAIN, EHOSTUNREACH, ENETUNREACH, ENOBUFS, ENOMEM
from struct import Struct
from time import monotonic_ns, time_ns

from .. import sockets
from ..errors import InvalidValue, RawnsError, SyscallError
from .session import Failure, Figures, Reply, Session, milliseconds
from .socket import Line, Line4, Line6

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from typing import Any, Protocol

    from .session import Address, Arrival

    class Inside(Protocol):
        """A `NetNS`, or a host of a lab that is up."""

        def entered(self) -> AbstractContextManager[Any]: ...


__all__ = ["Failure", "Figures", "Line", "Reply", "Session", "connect", "milliseconds", "ping", "run", "transmit"]

LONGEST = 10**9  # seconds, 30 years: far from where a clock's nanoseconds end
LARGEST = 0xFFFF - 8  # bytes of data: what an IPv6 packet can carry
DRAIN = 64  # packets taken in at one go
TIMEVAL = Struct("ll")
PATTERN = bytes(range(256)) * 256


def ping(
    namespace: Inside | None,
    host: str,
    count: int = 1,
    interval: float = 0.0,
    timeout: float = 1.0,
    size: int = 56,
    family: int | None = None,
) -> Figures:
    """Send ``count`` echo requests from inside a namespace, by default the thread's own: ``ping -c COUNT HOST``.

    ``host`` is a name or an address, looked up inside.  ``interval`` is in seconds; with 0 each request follows the
    reply to the one before.  ``timeout`` is how many seconds after the last request replies are waited for, ``size``
    the bytes of data, ``family`` AF_INET, AF_INET6 or None for what fits.  Requests that nobody answers are no error but
    a figure.  Raises `SyscallError` where the kernel allows no socket or knows no route, `RawnsError` for an unknown
    host, `InvalidValue` for numbers that could never be right.
    """
    _check(count, size, interval, timeout)
    session = Session(count, round(interval * 1e9), round(timeout * 1e9), patient=True)
    if namespace is None:
        line = connect(host, family)
    else:
        with namespace.entered():
            line = connect(host, family)
    session.figures.host, session.figures.address = host, line.address[0]
    try:
        for _ in run(line, session, size):
            pass
    finally:
        line.close()
    return session.figures


def _check(count: int, size: int, interval: float, timeout: float) -> None:
    for name, whole, least, most in (("count", count, 1, None), ("size", size, 0, LARGEST)):
        if not isinstance(whole, int) or isinstance(whole, bool) or whole < least or (most is not None and whole > most):
            raise InvalidValue(f"ping: {name} {whole!r} is no whole number from {least}{f' to {most}' if most else ''}")
    for name, seconds in (("interval", interval), ("timeout", timeout)):
        if not isinstance(seconds, (int, float)) or not 0 <= seconds <= LONGEST:
            raise InvalidValue(f"ping: {name} {seconds!r} is no number of seconds from 0 to {LONGEST}")


def connect(
    host: str, family: int | None = None, *, source: str = "", device: str = "", ttl: int | None = None, broadcast: bool = False
) -> Line:
    """A `Line` to the first address of ``host`` that a route leads to, in the namespace the thread is in.

    It sends from ``source`` (an address) and ``device`` (an interface), if given.  Raises as `ping`.
    """
    addresses = resolve(host, family)
    for left, (kind, address) in zip(range(len(addresses))[::-1], addresses):
        make = Line6 if kind == _socket.AF_INET6 else Line4
        try:
            return make(address, source, device, ttl, broadcast)
        except SyscallError as error:
            if left == 0 or error.errno not in (ENETUNREACH, EHOSTUNREACH):
                raise
    raise RawnsError(f"{host}: Name or service not known")


def resolve(host: str, family: int | None) -> list[tuple[int, Address]]:
    """The addresses of a host, with their families, in the order getaddrinfo(3) gives them.  Raises `RawnsError`."""
    try:
        name = host.encode("ascii" if host.isascii() else "idna")
        found = _socket.getaddrinfo(name, None, family or 0, _socket.SOCK_RAW)
    except (_socket.gaierror, UnicodeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "Name or service not known"
        raise RawnsError(f"{host}: {why}") from None
    return [(kind, address) for kind, _, _, _, address in found if kind in (_socket.AF_INET, _socket.AF_INET6)]


def run(line: Line, session: Session, size: int, wake: int = -1) -> Iterator[Arrival]:
    """Do what the session says until it is over; yields each `Reply` and `Failure` as it comes in.

    Where ``wake`` is a descriptor, None is yielded each time it can be read.
    """
    waits = {line.sock.fileno(): select.POLLIN}
    if wake >= 0:
        waits[wake] = select.POLLIN
    while True:
        wait = session.wait(monotonic_ns())
        if wait is None:
            return
        if wait == 0:
            yield from transmit(line, session, size)
        for _ in range(DRAIN):  # whoever floods us cannot keep us from sending, or from the end
            ready = sockets.poll(waits, -(-wait // 1_000_000))
            for descriptor, what in ready:
                arrival = None
                if descriptor != wake:
                    arrival = session.arrived(line.failure() if what & select.POLLERR else line.receive())
                if arrival is not None or descriptor == wake:
                    yield arrival
            wait = 0
            if not ready or not session.under_way:
                break


def transmit(line: Line, session: Session, size: int) -> Iterator[Failure]:
    """Send the next request; yields the errors that come of it."""
    request = line.request(session.sequence, payload(size))
    for _ in range(2):  # an error that came in for an earlier request fails this one's send, once
        now = monotonic_ns()
        try:
            line.send(request)
            return session.sent(now)
        except SyscallError as error:
            why = error
        if why.errno in (EAGAIN, ENOBUFS, ENOMEM) and session.postpone(now):
            return None
        late = line.failure()
        while late is not None and late.source is not None:
            if session.arrived(late) is not None:
                yield late
            late = line.failure()
        if late is not None:
            break
    else:
        late = Failure(f"sendmsg: {why.strerror}", session.sequence, None, why.errno or 0, counted=False)
    session.sent(now, late)
    yield late


def payload(size: int) -> bytes:
    """What ping sends: the time of day where there is room for it, then each byte's own number."""
    now = time_ns()
    stamp = TIMEVAL.pack(now // 10**9, now // 1000 % 10**6)
    return stamp + PATTERN[len(stamp) : size] if size >= len(stamp) else PATTERN[:size]
