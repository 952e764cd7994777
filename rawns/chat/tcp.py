"""TCP sockets for a chat: listening and connected, in the namespace of the calling thread (tcp(7), ipv6(7)).

Names are resolved in the same namespace.  Every socket is non-blocking and sends without delay (TCP_NODELAY).
"""

from __future__ import annotations

import _socket
import select
from errno import EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, ETIMEDOUT
from math import ceil
from time import monotonic

from .. import sockets
from ..errors import InvalidValue, RawnsError, SyscallError
from ..terminal import printable, short_repr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..sockets import Poller, SocketAddress

    Resolved = list[tuple[int, SocketAddress]]

BACKLOG = 128
MAX_SECONDS = 10**9  # 30 years
ANY_ADDRESS = ((_socket.AF_INET6, "::"), (_socket.AF_INET, "0.0.0.0"))  # the first takes IPv4 as well


def check_port(port: int, lowest: int) -> int:
    """Return ``port`` if it is a port number of at least ``lowest``.  Raises `InvalidValue`."""
    if not isinstance(port, int) or isinstance(port, bool) or not lowest <= port <= 65535:
        raise InvalidValue(f"{short_repr(port)} is not a port: it must be a number from {lowest} to 65535")
    return port


def check_timeout(timeout: float | None) -> float | None:
    """Return ``timeout`` if it is None or a number of seconds; a negative one counts as 0.  Raises `InvalidValue`."""
    if timeout is not None and (not isinstance(timeout, (int, float)) or not -MAX_SECONDS <= timeout <= MAX_SECONDS):
        raise InvalidValue(f"{short_repr(timeout)} is not a timeout: it must be a number of seconds, or None for no limit")
    return timeout


# -- addresses ----------------------------------------------------------------------------------------------------------


def resolve(host: str, port: int, flags: int = 0) -> Resolved:
    """Return the families and addresses of ``host``, at least one (getaddrinfo(3)).  Raises `RawnsError` if there are none."""
    if not isinstance(host, str) or "\0" in host:
        raise InvalidValue(f"{short_repr(host)} is neither an address nor a name")
    try:
        name = host.encode("ascii") if host.isascii() else host  # Python loads its IDNA tables for any str
        found = _socket.getaddrinfo(name, port, 0, _socket.SOCK_STREAM, 0, flags)
    except _socket.gaierror as error:
        raise RawnsError(f"{printable(host)}: {error.strerror}") from None
    except ValueError:  # a label is empty or too long
        raise InvalidValue(f"{printable(host)} is neither an address nor a name") from None
    return [(int(family), place) for family, _, _, _, place in found]


def host_of(place: SocketAddress) -> str:
    """Return a socket's address without its port; an IPv4-mapped one as IPv4, a link-local one with its interface."""
    host, scope = str(place[0]).split("%")[0], place[3] if len(place) > 3 else 0
    if host.startswith("::ffff:") and "." in host:
        return host[7:]
    if not scope:
        return host
    try:
        return f"{host}%{printable(_socket.if_indextoname(scope))}"
    except OSError:
        return f"{host}%{scope}"


def address_and_port(place: SocketAddress) -> str:
    """Format a socket address: ``10.0.0.2:40312``, ``[fe80::2%v1]:40312``."""
    host = host_of(place)
    return f"[{host}]:{place[1]}" if ":" in host else f"{host}:{place[1]}"


# -- sockets ------------------------------------------------------------------------------------------------------------


def listening(address: str | None, port: int) -> _socket.socket:
    """Return a socket that listens at the first local address of ``address``; by default at all addresses, IPv4 and IPv6.

    Raises `SyscallError` if the kernel refuses, `RawnsError` if the name is not known.
    """
    if address is None:
        found: Resolved = [(family, (host, port)) for family, host in ANY_ADDRESS]
    else:
        found = resolve(address, port, _socket.AI_PASSIVE)
    for number, (family, place) in enumerate(found, 1):
        try:
            return _listening(family, place, both=address is None)
        except SyscallError as error:
            if number == len(found) or error.errno not in (EAFNOSUPPORT, EADDRNOTAVAIL):
                raise _with_scope_hint(error, family, place) from None
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
    """Accept a connection; return its socket and the peer's address.  Raises `SyscallError`, EAGAIN if none waits."""
    sock, place = sockets.accept(listener, listener.family)
    return _configured(sock), address_and_port(place)


def _configured(sock: _socket.socket) -> _socket.socket:
    """Set TCP_NODELAY and SO_KEEPALIVE; return the socket."""
    try:
        sockets.set_option(sock, "TCP_NODELAY", 1)
        sockets.set_option(sock, "SO_KEEPALIVE", 1)
    except OSError:
        pass  # the connection has been reset already: the next read reports it
    return sock


def connected(host: str, port: int, timeout: float | None = None) -> tuple[_socket.socket, str]:
    """Return a socket connected to the first address of ``host`` that accepts in time, and that address.

    ``timeout`` is in seconds, for each address; None leaves it to the kernel (about two minutes).

    Raises the last `SyscallError` (ECONNREFUSED, ETIMEDOUT ...), `RawnsError` if the name is not known.
    """
    found = resolve(host, port)
    for number, (family, place) in enumerate(found, 1):
        try:
            return _connected(family, place, timeout), address_and_port(place)
        except SyscallError as error:
            if number == len(found):
                raise _with_scope_hint(error, family, place) from None
    raise AssertionError("not reached")


def _with_scope_hint(error: SyscallError, family: int, place: SocketAddress) -> SyscallError:
    """Say in an EINVAL that a link-local address (fe80::/10) was given without its interface: ipv6(7), sin6_scope_id."""
    if error.errno == EINVAL and family == _socket.AF_INET6 and not place[3]:
        first, second = _socket.inet_pton(family, place[0])[:2]
        if first == 0xFE and second & 0xC0 == 0x80:
            error.hint = f"a link-local address needs its interface: {place[0]}%IFACE"
    return error


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
    return _configured(sock)


def wait(
    poller: Poller,
    sock: _socket.socket,
    events: int,
    timeout: float | None,
    call: str,
    format_args: Callable[..., str],
    *rest: object,
) -> None:
    """Wait for an event of poll(2) before ``call`` is made.  ``format_args`` formats its arguments for the error.

    Raises TimeoutError (`SyscallError`) if ``timeout`` seconds have passed.
    """
    if not poller.wait({sock.fileno(): events}, None if timeout is None else max(0, ceil(timeout * 1000))):
        raise SyscallError(ETIMEDOUT, call, format_args(sock, *rest), f"nothing within {timeout:g} s" if timeout else "")


class Deadline:
    """A number of seconds that several waits share; None is no limit.  Raises `InvalidValue` (`check_timeout`)."""

    __slots__ = ("_end",)

    def __init__(self, timeout: float | None) -> None:
        check_timeout(timeout)
        self._end = None if timeout is None else monotonic() + timeout

    @property
    def left(self) -> float | None:
        """The seconds that are left; None for no limit."""
        return None if self._end is None else max(0.0, self._end - monotonic())
