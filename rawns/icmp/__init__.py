"""ICMP and ICMPv6 echo: `rawns.ping` for programs, and what `rawns ping` needs beside it (ping(8)).

Two parts, and `run`, the loop that joins them::

    EchoSession   decides when to send and when to stop, and judges what arrives; without socket and clock
    IcmpSocket    a datagram ICMP or a raw socket, whichever the kernel allows: sends requests, receives replies

A round trip ends at the time at which the kernel received the reply (SO_TIMESTAMPNS).  A packet counts only if it is
complete, carries our identifier and answers a sequence number that was sent; the time at which a request was sent is
looked up in a table of our own and never in what the peer returns.
"""

from __future__ import annotations

import _socket
import select
from errno import EAGAIN, EHOSTUNREACH, ENETUNREACH, ENOBUFS, ENOMEM
from struct import Struct
from time import monotonic_ns, time_ns

from .. import sockets
from ..errors import InvalidValue, RawnsError, SyscallError
from ..netns import Namespace
from ..terminal import short_repr
from ..threads import call_inside
from .session import EchoError, EchoReply, EchoSession, PingResult, milliseconds
from .socket import Icmp4Socket, Icmp6Socket, IcmpSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..netns import Reference
    from .session import Address, Arrival

__all__ = [
    "EchoError",
    "PingResult",
    "IcmpSocket",
    "EchoReply",
    "EchoSession",
    "connect",
    "milliseconds",
    "ping",
    "run",
    "transmit",
]

MAX_SECONDS = 10**9  # 30 years: as nanoseconds far below 2**63
MAX_DATA_BYTES = 0xFFFF - 8  # what an IPv6 packet can carry
MAX_PACKETS_AT_ONCE = 64  # received before the session is asked again
TIMEVAL = Struct("ll")
PATTERN = bytes(range(256)) * 256


def ping(
    namespace: Reference | None,
    host: str,
    count: int = 1,
    interval: float = 0.0,
    timeout: float = 1.0,
    size: int = 56,
    family: int | None = None,
) -> PingResult:
    """Send ``count`` echo requests from inside a namespace and return the statistics.

    ``namespace`` is an object, a name, a path, ``"pid:N"`` or None for the calling thread's.  ``host`` is a name or an
    address, resolved inside the namespace.  ``interval`` is in seconds; with 0 each request follows the reply to the one
    before.  ``timeout`` is the number of seconds for which replies are awaited after the last request, ``size`` the bytes
    of data, ``family`` AF_INET, AF_INET6 or None for either.  Requests that are not answered are not an error.

    Raises `SyscallError` if the kernel allows no socket or has no route, `RawnsError` if the host is not known,
    `InvalidValue` if a number is out of range.  Equivalent to ``ip netns exec NS ping -c COUNT HOST``.
    """
    _check(count, size, interval, timeout)
    session = EchoSession(count, round(interval * 1e9), round(timeout * 1e9), patient=True)
    sock = connect(host, family) if namespace is None else call_inside(Namespace.resolve(namespace), connect, host, family)
    session.result.host, session.result.address = host, sock.address[0]
    try:
        for _ in run(sock, session, size):
            pass
    finally:
        sock.close()
    return session.result


def _check(count: int, size: int, interval: float, timeout: float) -> None:
    for name, whole, least, most in (("count", count, 1, None), ("size", size, 0, MAX_DATA_BYTES)):
        if not isinstance(whole, int) or isinstance(whole, bool) or whole < least or (most is not None and whole > most):
            wanted = f"from {least} to {most}" if most else f"of at least {least}"
            raise InvalidValue(f"ping: {name} {short_repr(whole)} is not a whole number {wanted}")
    for name, seconds in (("interval", interval), ("timeout", timeout)):
        if not isinstance(seconds, (int, float)) or not 0 <= seconds <= MAX_SECONDS:
            raise InvalidValue(f"ping: {name} {short_repr(seconds)} is not a number of seconds from 0 to {MAX_SECONDS}")


def connect(
    host: str, family: int | None = None, *, source: str = "", device: str = "", ttl: int | None = None, broadcast: bool = False
) -> IcmpSocket:
    """Return a socket towards the first address of ``host`` that has a route, in the calling thread's namespace.

    It sends from ``source`` (an address; it is not used for a host of the other family) and ``device`` (an interface), if
    given.  Raises the errors of `ping`.
    """
    addresses = resolve(host, family)
    for left, (kind, address) in zip(range(len(addresses))[::-1], addresses):
        make = Icmp6Socket if kind == _socket.AF_INET6 else Icmp4Socket
        own = source if (":" in source) == (kind == _socket.AF_INET6) else ""
        try:
            return make(address, own, device, ttl, broadcast)
        except SyscallError as error:
            if left == 0 or error.errno not in (ENETUNREACH, EHOSTUNREACH):
                raise
    raise RawnsError(f"{host}: Name or service not known")


def resolve(host: str, family: int | None) -> list[tuple[int, Address]]:
    """Return the families and addresses of a host in the order of getaddrinfo(3).  Raises `RawnsError` if there are none."""
    if not isinstance(host, str):
        raise InvalidValue(f"{short_repr(host)} is neither an address nor a name")
    try:
        name = host.encode("ascii" if host.isascii() else "idna")
        found = _socket.getaddrinfo(name, None, family or 0, _socket.SOCK_RAW)
    except (_socket.gaierror, UnicodeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "Name or service not known"
        raise RawnsError(f"{host}: {why}") from None
    return [(kind, address) for kind, _, _, _, address in found if kind in (_socket.AF_INET, _socket.AF_INET6)]


def run(sock: IcmpSocket, session: EchoSession, size: int, wake: int = -1) -> Iterator[Arrival]:
    """Send and receive until the session is over; yield each `EchoReply` and `EchoError` when it arrives.

    If ``wake`` is a descriptor, None is yielded each time that it can be read.
    """
    waits = {sock.sock.fileno(): select.POLLIN}
    if wake >= 0:
        waits[wake] = select.POLLIN
    while True:
        wait = session.wait(monotonic_ns())
        if wait is None:
            return
        if wait == 0:
            yield from transmit(sock, session, size)
        for _ in range(MAX_PACKETS_AT_ONCE):  # a flood of packets must not prevent sending, or the end
            ready = sockets.poll(waits, -(-wait // 1_000_000))
            for descriptor, what in ready:
                arrival = None
                if descriptor != wake:
                    arrival = session.arrived(sock.failure() if what & select.POLLERR else sock.receive())
                if arrival is not None or descriptor == wake:
                    yield arrival
            wait = 0
            if not ready or not session.under_way:
                break


def transmit(sock: IcmpSocket, session: EchoSession, size: int) -> Iterator[EchoError]:
    """Send the next request; yield the errors that this reports."""
    request = sock.request(session.sequence, payload(size))
    for _ in range(2):  # the error of an earlier request makes one send fail
        now = monotonic_ns()
        try:
            sock.send(request)
            return session.sent(now)
        except SyscallError as error:
            why = error
        if why.errno in (EAGAIN, ENOBUFS, ENOMEM) and session.postpone(now):
            return None
        late = sock.failure()
        while late is not None and late.source is not None:
            if session.arrived(late) is not None:
                yield late
            late = sock.failure()
        if late is not None:
            break
    else:
        late = EchoError(sock.send_failure(why), session.sequence, None, why.errno or 0, counted=False)
    session.sent(now, late)
    yield late


def payload(size: int) -> bytes:
    """Return the data of a request, as ping sends it: the time of day if it fits, then each byte's offset."""
    now = time_ns()
    stamp = TIMEVAL.pack(now // 10**9, now // 1000 % 10**6)
    return stamp + PATTERN[len(stamp) : size] if size >= len(stamp) else PATTERN[:size]
