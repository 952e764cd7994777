"""The AF_NETLINK socket that drives one `Exchange` (netlink(7), rtnetlink(7)).

Floor 4.  A netlink socket belongs for life to the namespace it was made in; `Netlink()` makes it in the one the
calling thread is in.  From then on it may be used from any thread, one conversation at a time.
"""

from __future__ import annotations

import _socket
from _thread import allocate_lock
from errno import ENOBUFS, ENODATA, EPERM

from . import rtnl, uapi
from .errors import Interrupted, KernelError, SyscallError, WireError
from .exchange import AWAIT_DONE, Exchange, batches
from .syscalls import perform, remedy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .nlmsg import Reply, Request

RECEIVE_BYTES = 65536  # the kernel never makes a dump datagram longer than 32 KiB
ATTEMPTS = 8  # how often a dump is begun again before its restlessness is an error
DRAINED = 65536  # datagrams at most that a dump broken off may still bring
PATIENCE = 30.0  # seconds; the kernel answers before send returns, so this only bounds a bug
KIND = _socket.SOCK_RAW | _socket.SOCK_CLOEXEC


class Netlink:
    """A NETLINK_ROUTE socket in the calling thread's network namespace.

    Extended acknowledgements are always on, and dumps are checked strictly, so that the kernel does the filtering.
    Raises `SyscallError` where the socket cannot be made.
    """

    def __init__(self) -> None:
        self._exchange = Exchange(rtnl.MESSAGES)
        self._lock = allocate_lock()
        self._socket: _socket.socket = perform("socket", _socket.socket, uapi.AF_NETLINK, KIND, uapi.NETLINK_ROUTE, spell=_spell)
        self._strict = False
        try:
            self._set("NETLINK_EXT_ACK")
            self._set("NETLINK_CAP_ACK")
        except BaseException:
            self._socket.close()
            raise

    def _set(self, option: str) -> None:
        """Switch an option on.  A kernel that lacks it gives shorter errors (4.12, 4.3), or dumps we filter (4.20)."""

        def spell(*_: object) -> str:
            return f"{self.fileno()}, SOL_NETLINK, {option}, [1], 4"

        try:
            perform("setsockopt", self._socket.setsockopt, uapi.SOL_NETLINK, getattr(uapi, option), 1, spell=spell)
        except SyscallError:
            pass

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket; may be called again."""
        if self.fileno() >= 0:
            number = str(self.fileno())
            perform("close", self._socket.close, spell=lambda: number)

    def __del__(self) -> None:
        try:
            self.close()
        except (AttributeError, OSError):
            pass  # never made, or the descriptor was closed behind our back

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _converse(self, requests: Sequence[Request]) -> list[list[Reply]]:
        exchange = self._exchange
        if exchange.state is AWAIT_DONE:
            self._drain()
        data = exchange.send(requests)
        perform("sendto", self._socket.send, data, spell=self._spell_send, protocol="rtnetlink")
        overrun = False
        while not exchange.finished:
            try:
                self._receive()
            except SyscallError as error:
                if error.errno != ENOBUFS:
                    raise
                overrun = True
                if not requests[-1].dump:
                    break  # the answer we wait for may be the one that was lost
                # A dump goes on, and has to: while it runs the kernel would refuse the next one (EBUSY).
        if overrun:
            raise Interrupted(f"{requests[-1].message.name}: the answers overran the socket's buffer (ENOBUFS)")
        try:
            return exchange.result()
        except KernelError as error:
            if error.errno == EPERM:  # EACCES is no matter of privileges here: IPv6 is switched off on the link
                error.hint = remedy(EPERM)
            raise

    def _drain(self) -> None:
        """Read to its end a dump that was broken off (a signal): while it runs the kernel refuses another (EBUSY)."""
        for _ in range(DRAINED):
            if self._exchange.state != AWAIT_DONE:
                return
            try:
                self._receive()
            except (SyscallError, WireError):
                return

    def _receive(self) -> None:
        try:
            data, sender = self._recvfrom()
        except BlockingIOError:
            _wait(self.fileno())
            data, sender = self._recvfrom()
        if sender[0] == 0:  # port 0 is the kernel; anyone else has no say here
            self._exchange.receive(data)

    def _recvfrom(self) -> tuple[bytes, tuple[int, int]]:
        answer: tuple[bytes, tuple[int, int]] = perform(
            "recvfrom",
            self._socket.recvfrom,
            RECEIVE_BYTES,
            _socket.MSG_DONTWAIT,
            spell=self._spell_receive,
            protocol="rtnetlink",
        )
        return answer

    def _spell_send(self, data: bytes) -> str:
        return f"{self.fileno()}, [{len(data)} bytes], {len(data)}, 0, NULL, 0"

    def _spell_receive(self, size: int, flags: int) -> str:
        return f"{self.fileno()}, buffer, {size}, MSG_DONTWAIT, ..."

    def do(self, *requests: Request) -> list[list[Reply]]:
        """Send requests in as few datagrams as hold them; the replies to each, in order.

        All of a datagram are tried even where one fails.  Raises the first `KernelError`; `WireError` before
        anything of that datagram is sent.
        """
        replies: list[list[Reply]] = []
        with self._lock:
            for batch in batches(requests):
                replies += self._converse(batch)
        return replies

    def get(self, request: Request) -> Reply:
        """Send one request that is answered by one message.  Raises `KernelError` (ENODEV: no such device)."""
        replies = self.do(request)[0]
        if not replies:
            raise KernelError(ENODATA, request.message.name, "the kernel acknowledged, but sent no answer")
        return replies[0]

    def dump(self, request: Request) -> list[Reply]:
        """All messages that answer a dump request.

        A dump that changes while it is read (NLM_F_DUMP_INTR) or overruns the buffer is begun again; after
        `ATTEMPTS` times `Interrupted` is raised.
        """
        with self._lock:
            if not self._strict:
                self._set("NETLINK_GET_STRICT_CHK")
                self._strict = True
            for attempt in range(ATTEMPTS):
                try:
                    return self._converse([request])[0]
                except Interrupted:
                    if attempt == ATTEMPTS - 1:
                        raise
        raise AssertionError("not reached")


def _wait(fd: int) -> None:
    """Until there is something to read, but not for ever."""
    from select import POLLIN, poll

    waiting = poll()
    waiting.register(fd, POLLIN)
    waiting.poll(PATIENCE * 1000)


def _spell(*args: object) -> str:
    return "AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE"
