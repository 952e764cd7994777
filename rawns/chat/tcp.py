"""TCP sockets for a chat: listening and connected, in the namespace of the calling thread (tcp(7), ipv6(7)).

Names are resolved there too.  Every socket is non-blocking, and sends a line when it is said (TCP_NODELAY).
"""

from __future__ import annotations

import _socket
import select
from errno import EADDRNOTAVAIL, EAFNOSUPPORT, ETIMEDOUT
from math import ceil
from time import monotonic

from .. import sockets
from ..errors import InvalidValue, RawnsError, SyscallError
from ..terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..sockets import Poller, SocketAddress

    Found = list[tuple[int, SocketAddress]]

BACKLOG = 128
LONGEST = 10**9  # seconds, 30 years
EVERYWHERE = ((_socket.AF_INET6, "::"), (_socket.AF_INET, "0.0.0.0"))  # the first takes IPv4 as well


def check_port(port: int, lowest: int) -> int:
    """``port`` if it is one.  Raises `InvalidValue`."""
    if not isinstance(port, int) or isinstance(port, bool) or not lowest <= port <= 65535:
        raise InvalidValue(f"{port!r} is no port: it must be a number from {lowest} to 65535")
    return port


def check_timeout(timeout: float | None) -> float | None:
    """``timeout`` if it is None or some seconds; fewer than none are none.  Raises `InvalidValue`."""
    if timeout is not None and (not isinstance(timeout, (int, float)) or not -LONGEST <= timeout <= LONGEST):
        raise InvalidValue(f"{timeout!r} is no timeout: it must be a number of seconds, or None for ever")
    return timeout


# -- addresses ----------------------------------------------------------------------------------------------------------


def resolve(host: str, port: int, flags: int = 0) -> Found:
    """What getaddrinfo(3) knows of ``host``, at least one.  Raises `RawnsError` where that is nothing."""
    if "\0" in host:
        raise InvalidValue(f"{printable(host)} is neither an address nor a name")
    try:
        name = host.encode("ascii") if host.isascii() else host  # Python loads its IDNA tables for any str
        found = _socket.getaddrinfo(name, port, 0, _socket.SOCK_STREAM, 0, flags)
    except _socket.gaierror as error:
        raise RawnsError(f"{printable(host)}: {error.strerror}") from None
    except ValueError:  # a part of it is empty or too long
        raise InvalidValue(f"{printable(host)} is neither an address nor a name") from None
    return [(int(family), place) for family, _, _, _, place in found]


def host_of(place: SocketAddress) -> str:
    """A socket's address without its port: an IPv4 one as such, of an IPv6 one also the interface if it has meaning."""
    host, scope = str(place[0]).split("%")[0], place[3] if len(place) > 3 else 0
    if host.startswith("::ffff:") and "." in host:
        return host[7:]
    if not scope:
        return host
    try:
        return f"{host}%{printable(_socket.if_indextoname(scope))}"
    except OSError:
        return f"{host}%{scope}"


def who(place: SocketAddress) -> str:
    """``10.0.0.2:40312``, ``[fe80::2%v1]:40312``."""
    host = host_of(place)
    return f"[{host}]:{place[1]}" if ":" in host else f"{host}:{place[1]}"


# -- sockets ------------------------------------------------------------------------------------------------------------


def listening(address: str | None, port: int) -> _socket.socket:
    """A socket that listens at the first address of ``address`` that is ours; by default at all, IPv4 and IPv6.

    Raises `SyscallError` where the kernel refuses, `RawnsError` where the name is not known.
    """
    if address is None:
        found: Found = [(family, (host, port)) for family, host in EVERYWHERE]
    else:
        found = resolve(address, port, _socket.AI_PASSIVE)
    for number, (family, place) in enumerate(found, 1):
        try:
            return _listening(family, place, both=address is None)
        except SyscallError as error:
            if number == len(found) or error.errno not in (EAFNOSUPPORT, EADDRNOTAVAIL):
                raise
    raise AssertionError("not reached")


def _listening(family: int, place: SocketAddress, both: bool) -> _socket.socket:
    sock = sockets.socket(family, _socket.SOCK_STREAM)
    try:
        sockets.set_option(sock, "SO_REUSEADDR", 1)
        if both and family == _socket.AF_INET6:
            sockets.set_option(sock, "IPV6_V6ONLY", 0)
        sockets.bind(sock, place)
        sockets.listen(sock, BACKLOG)
    except BaseException:
        sockets.close(sock)
        raise
    return sock


def accepted(listener: _socket.socket) -> tuple[_socket.socket, str]:
    """The next who has connected, and his name.  Raises `SyscallError`, of which EAGAIN says there is none."""
    sock, place = sockets.accept(listener, listener.family)
    return prompt(sock), who(place)


def prompt(sock: _socket.socket) -> _socket.socket:
    """Send each line at once, and find out some day that the other machine is gone."""
    try:
        sockets.set_option(sock, "TCP_NODELAY", 1)
        sockets.set_option(sock, "SO_KEEPALIVE", 1)
    except OSError:
        pass  # the connection has been reset already: whoever reads it will see
    return sock


def connected(host: str, port: int, timeout: float | None = None) -> tuple[_socket.socket, str]:
    """A socket connected to the first address of ``host`` that answers in time, and that address.

    ``timeout`` is in seconds, for each; None leaves it to the kernel, which takes two minutes.

    Raises the last `SyscallError` (ECONNREFUSED, ETIMEDOUT ...), `RawnsError` where the name is not known.
    """
    found = resolve(host, port)
    for number, (family, place) in enumerate(found, 1):
        try:
            return _connected(family, place, timeout), who(place)
        except SyscallError:
            if number == len(found):
                raise
    raise AssertionError("not reached")


def _connected(family: int, place: SocketAddress, timeout: float | None) -> _socket.socket:
    sock = sockets.socket(family, _socket.SOCK_STREAM)
    try:
        try:
            sockets.connect(sock, place)
        except BlockingIOError:  # EINPROGRESS
            wait(sockets.Poller(), sock, select.POLLOUT, timeout, "connect", sockets.format_address_args, place)
            error = sockets.pending_error(sock)
            if error:
                raise SyscallError(error, "connect", sockets.format_address_args(sock, place)) from None
    except BaseException:
        sockets.close(sock)
        raise
    return prompt(sock)


def wait(
    poller: Poller,
    sock: _socket.socket,
    events: int,
    timeout: float | None,
    call: str,
    format_args: Callable[..., str],
    *rest: object,
) -> None:
    """Wait for an event of poll(2), so that ``call`` can be made (``format_args`` writes its arguments).

    Raises TimeoutError (`SyscallError`) when ``timeout`` seconds have passed.
    """
    if not poller.wait({sock.fileno(): events}, None if timeout is None else max(0, ceil(timeout * 1000))):
        raise SyscallError(ETIMEDOUT, call, format_args(sock, *rest), f"nothing within {timeout:g} s" if timeout else "")


class Deadline:
    """Seconds that several waits have together; None for ever.  Raises `InvalidValue` (`check_timeout`)."""

    __slots__ = ("_end",)

    def __init__(self, timeout: float | None) -> None:
        check_timeout(timeout)
        self._end = None if timeout is None else monotonic() + timeout

    @property
    def left(self) -> float | None:
        return None if self._end is None else max(0.0, self._end - monotonic())
