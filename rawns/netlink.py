"""The AF_NETLINK socket that drives one `Exchange` (netlink(7), rtnetlink(7)).

Floor 4.  A netlink socket belongs for life to the namespace it was made in; `Netlink()` makes it in the one the
calling thread is in.  From then on it may be used from any thread, one conversation at a time.
"""

from __future__ import annotations

import _socket
from _thread import allocate_lock
from errno import ENOBUFS, ENODATA, EPERM
from struct import pack

from . import rtnl, uapi
from .errors import Interrupted, KernelError, SyscallError
from .exchange import Exchange, batches
from .syscalls import perform, remedy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .nlmsg import Reply, Request

RECEIVE_BYTES = 65536  # the kernel never makes a dump datagram longer than 32 KiB
ATTEMPTS = 8  # how often a dump is begun again before its restlessness is an error
KIND = _socket.SOCK_RAW | _socket.SOCK_CLOEXEC
OPTIONS = (  # level, option, value, and how C would write them
    (uapi.SOL_NETLINK, uapi.NETLINK_EXT_ACK, 1, "SOL_NETLINK, NETLINK_EXT_ACK, [1]"),
    (uapi.SOL_NETLINK, uapi.NETLINK_CAP_ACK, 1, "SOL_NETLINK, NETLINK_CAP_ACK, [1]"),
    (uapi.SOL_NETLINK, uapi.NETLINK_GET_STRICT_CHK, 1, "SOL_NETLINK, NETLINK_GET_STRICT_CHK, [1]"),
    # The kernel answers before send returns; this only bounds a bug.
    (_socket.SOL_SOCKET, _socket.SO_RCVTIMEO, pack("ll", 30, 0), "SOL_SOCKET, SO_RCVTIMEO, [{tv_sec=30, tv_usec=0}]"),
)


class Netlink:
    """A NETLINK_ROUTE socket in the calling thread's network namespace.

    Extended acknowledgements are always on, and dumps are checked strictly, so that the kernel does the filtering.
    Raises `SyscallError` where the socket cannot be made.
    """

    def __init__(self) -> None:
        self._exchange = Exchange(rtnl.MESSAGES)
        self._lock = allocate_lock()
        self._socket: _socket.socket = perform("socket", _socket.socket, uapi.AF_NETLINK, KIND, uapi.NETLINK_ROUTE, spell=_spell)
        try:
            for level, option, value, text in OPTIONS:
                try:
                    perform("setsockopt", self._socket.setsockopt, level, option, value, spell=lambda *_, text=text: text)
                except SyscallError:
                    if level == uapi.SOL_NETLINK:
                        continue  # a kernel before 4.12, 4.3, 4.20 lacks it: shorter errors, or a dump we filter ourselves
                    raise
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket; may be called again."""
        if self.fileno() >= 0:
            number = str(self.fileno())
            perform("close", self._socket.close, spell=lambda: number)

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _converse(self, requests: Sequence[Request]) -> list[list[Reply]]:
        exchange = self._exchange
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

    def _receive(self) -> None:
        data, sender = perform(
            "recvfrom", self._socket.recvfrom, RECEIVE_BYTES, spell=self._spell_receive, protocol="rtnetlink"
        )
        if sender[0] == 0:  # port 0 is the kernel; anyone else has no say here
            self._exchange.receive(data)

    def _spell_send(self, data: bytes) -> str:
        return f"{self.fileno()}, [{len(data)} bytes], {len(data)}, 0, NULL, 0"

    def _spell_receive(self, size: int) -> str:
        return f"{self.fileno()}, buffer, {size}, 0, ..."

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
            for attempt in range(ATTEMPTS):
                try:
                    return self._converse([request])[0]
                except Interrupted:
                    if attempt == ATTEMPTS - 1:
                        raise
        raise AssertionError("not reached")



def _spell(*args: object) -> str:
    return "AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE"
