"""One connection to a room, or to ``nc -l``: spoken and heard by the thread that has it."""

from __future__ import annotations

import select

from .. import sockets
from ..errors import InvalidValue, RawnsError
from ..framing import MOST, RELAYED, Lines
from . import tcp

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

    from ..netns import Namespace

CHUNK = 65536  # bytes read at once: so many lines may wait to be heard


class Peer:
    """Connect to ``port`` at ``host`` (an address or a name) from inside ``ns``: ``ip netns exec NS nc HOST PORT``.

    ``ns`` None is the namespace of the calling thread, which is where it was again afterwards.  ``timeout`` is how many
    seconds connecting may take, for each address of the host, and later how many `say` may stand still; None is for
    ever.  Raises `SyscallError`, so ConnectionRefusedError or TimeoutError as the case may be; `RawnsError` where the
    name is not known or ``ns`` is closed; `InvalidValue` for what is no port or no timeout.
    """

    def __init__(self, ns: Namespace | None, host: str, port: int, timeout: float | None = 10.0) -> None:
        self._timeout = tcp.check_timeout(timeout)
        self._lines = Lines(RELAYED)
        self._waiting: list[str] = []
        self._ended = False
        self._poller = sockets.Poller()
        self._socket = _in(ns, host, tcp.check_port(port, 1), timeout)

    def _open(self) -> _socket.socket:
        if self._socket.fileno() < 0:
            raise RawnsError("this peer's connection is closed")
        return self._socket

    def say(self, text: str) -> None:
        """Send ``text``, a line or several, at most 1 MiB.

        Raises BrokenPipeError or ConnectionResetError (`SyscallError`) where the other end is gone, TimeoutError
        (`SyscallError`) where it does not read; of what was to be said a part may be under way then.
        """
        sock, data = self._open(), encoded(text, MOST)
        while data:
            try:
                data = data[sockets.send(sock, data) :]
            except BlockingIOError:
                tcp.wait(self._poller, sock, select.POLLOUT, self._timeout, "sendto", sockets.format_send, data)

    def hear(self, timeout: float | None = None) -> str | None:
        """The next line, safe to show on a terminal; None when the other end has ended.

        Raises TimeoutError (`SyscallError`) when ``timeout`` seconds have passed, ConnectionResetError (`SyscallError`)
        where the connection broke.
        """
        sock, deadline = self._open(), tcp.Deadline(timeout)
        while not self._waiting and not self._ended:
            # Not first to try: as a rule the answer is still on its way, and an exception costs more than the call.
            tcp.wait(self._poller, sock, select.POLLIN, deadline.left, "recvfrom", sockets.format_recv, CHUNK)
            try:
                data = sockets.recv(sock, CHUNK)
            except BlockingIOError:
                continue
            self._ended = not data
            self._waiting = self._lines.feed(data) if data else self._lines.end()
            self._waiting.reverse()
        return self._waiting.pop() if self._waiting else None

    def finish(self) -> None:
        """Say that nothing more will be said, and go on hearing: what ``nc -N`` does at the end of its input."""
        sockets.shutdown(self._open())

    def close(self) -> None:
        """Leave; may be called again."""
        sockets.close(self._socket)

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _in(ns: Namespace | None, host: str, port: int, timeout: float | None) -> _socket.socket:
    if ns is None:
        return tcp.connected(host, port, timeout)[0]
    with ns.entered():
        return tcp.connected(host, port, timeout)[0]


def encoded(text: str, most: int) -> bytes:
    """What is sent for ``text``.  Raises `InvalidValue` where that is more than ``most`` bytes."""
    data = text.encode("utf-8", "backslashreplace") + b"\n"
    if len(data) > most:
        raise InvalidValue(f"{len(data)} bytes are too much to be said at once: {most} is the most")
    return data
