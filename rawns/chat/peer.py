"""One connection to a room, or to ``nc -l``, used by the thread that owns it."""

from __future__ import annotations

import select

from .. import sockets
from ..errors import InvalidValue, RawnsError
from ..framing import MAX_RELAYED_BYTES, MAX_WAITING_BYTES, LineSplitter
from ..netns import Namespace
from ..threads import call_inside
from . import tcp

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

    from ..netns import Reference

MAX_RECV_BYTES = 65536  # read at once, so at most so many lines wait for `Peer.receive`


class Peer:
    """A TCP connection to ``port`` at ``host`` (an address or a name), made inside ``ns``.

    ``ns`` is a `NetNS`, a name, a path, ``"pid:N"``, or None for the namespace of the calling thread.  ``timeout`` is the
    number of seconds that connecting may take for each address of the host, and for which a later `send` may make no
    progress; None is no limit.  Raises `SyscallError` (so ConnectionRefusedError, TimeoutError ...), `RawnsError` if the
    name is not known or ``ns`` is closed, `InvalidValue` if ``port`` or ``timeout`` cannot be one.
    Equivalent to ``ip netns exec NS nc HOST PORT``.
    """

    def __init__(self, ns: Reference | None, host: str, port: int, timeout: float | None = 10.0) -> None:
        self._timeout = tcp.check_timeout(timeout)
        self._lines = LineSplitter(MAX_RELAYED_BYTES)
        self._waiting: list[str] = []
        self._ended = False
        self._poller = sockets.Poller()
        self._socket = _connected_in(ns, host, tcp.check_port(port, 1), timeout)

    def _open(self) -> _socket.socket:
        if self._socket.fileno() < 0:
            raise RawnsError("this peer's connection is closed")
        return self._socket

    def send(self, text: str) -> None:
        """Send ``text``, a line or several, at most 1 MiB.

        Raises BrokenPipeError or ConnectionResetError (`SyscallError`) if the other end has closed the connection,
        TimeoutError (`SyscallError`) if it does not read; then a part of the text may have been sent.
        """
        sock, data = self._open(), encoded(text, MAX_WAITING_BYTES)
        while data:
            try:
                data = data[sockets.send(sock, data) :]
            except BlockingIOError:
                tcp.wait(self._poller, sock, select.POLLOUT, self._timeout, "sendto", sockets.format_send, data)

    def receive(self, timeout: float | None = None) -> str | None:
        """Return the next line, safe to print on a terminal; None after the other end has finished.

        Raises TimeoutError (`SyscallError`) if no line has come within ``timeout`` seconds, ConnectionResetError
        (`SyscallError`) if the connection was reset.
        """
        sock, deadline = self._open(), tcp.Deadline(timeout)
        while not self._waiting and not self._ended:
            # poll(2) first: as a rule the answer is still on its way, and an exception costs more than the call.
            tcp.wait(self._poller, sock, select.POLLIN, deadline.left, "recvfrom", sockets.format_recv, MAX_RECV_BYTES)
            try:
                data = sockets.recv(sock, MAX_RECV_BYTES)
            except BlockingIOError:
                continue
            self._ended = not data
            self._waiting = self._lines.feed(data) if data else self._lines.end()
            self._waiting.reverse()
        return self._waiting.pop() if self._waiting else None

    def finish(self) -> None:
        """Tell the other end that nothing more will be sent (SHUT_WR); `receive` still works.  As ``nc -N``."""
        sockets.shutdown(self._open())

    def close(self) -> None:
        """Close the connection.  Can be called again."""
        sockets.close(self._socket)

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _connected_in(ns: Reference | None, host: str, port: int, timeout: float | None) -> _socket.socket:
    if ns is None:
        return tcp.connected(host, port, timeout)[0]
    return call_inside(Namespace.resolve(ns), tcp.connected, host, port, timeout)[0]


def encoded(text: str, most: int) -> bytes:
    """Return the bytes that are sent for ``text``.  Raises `InvalidValue` if they are more than ``most``."""
    data = text.encode("utf-8", "backslashreplace") + b"\n"
    if len(data) > most:
        raise InvalidValue(f"the text has {len(data)} bytes with its line end; at most {most} can be sent at once")
    return data
