"""The AF_NETLINK socket that drives one `Exchange` (netlink(7), rtnetlink(7), nft(8)).

Floor 4.  A netlink socket belongs for life to the namespace it was made in; `Netlink()` makes it in the one the
calling thread is in.  From then on it may be used from any thread, one conversation at a time.  `Netfilter` is its
sister for nf_tables, which adds transactions.
"""

from __future__ import annotations

import _socket
from _thread import allocate_lock
from errno import EINVAL, EMSGSIZE, ENOBUFS, ENODATA, ENOENT, EOPNOTSUPP, EPERM, EPROTONOSUPPORT

from . import rtnl, uapi
from .errors import Interrupted, KernelError, SyscallError, WireError
from .exchange import AWAIT_DONE, Exchange, batches
from .syscalls import observed_call, remedy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .nlmsg import Reply, Request
    from .wire import Message

RECEIVE_BYTES = 65536  # the kernel never makes a dump datagram longer than 32 KiB
ATTEMPTS = 8  # how often a dump is begun again before its restlessness is an error
DRAINED = 65536  # datagrams at most that a dump broken off may still bring
SENT_AT_ONCE = 100_000  # bytes that any socket's send buffer takes (212,992 is the least that is usual)
PATIENCE = 30.0  # seconds; the kernel answers before send returns, so this only bounds a bug
KIND = _socket.SOCK_RAW | _socket.SOCK_CLOEXEC


class Netlink:
    """A NETLINK_ROUTE socket in the calling thread's network namespace.

    Extended acknowledgements are always on, and dumps are checked strictly, so that the kernel does the filtering.
    Raises `SyscallError` where the socket cannot be made.
    """

    family = "NETLINK_ROUTE"
    protocol = "rtnetlink"  # what an observer is told that the bytes are
    _strict = False

    def __init__(self, messages: Mapping[int, Message] = rtnl.MESSAGES) -> None:
        self._exchange = Exchange(messages)
        self._lock = allocate_lock()
        number = getattr(uapi, self.family)
        self._socket: _socket.socket = observed_call(
            "socket", _socket.socket, uapi.AF_NETLINK, KIND, number, format_args=self._format_args
        )
        try:
            self._set("NETLINK_EXT_ACK")
            self._set("NETLINK_CAP_ACK")
        except BaseException:
            self._socket.close()
            raise

    def _set(self, option: str) -> None:
        """Switch an option on.  A kernel that lacks it gives shorter errors (4.12, 4.3), or dumps we filter (4.20)."""

        def format_args(*_: object) -> str:
            return f"{self.fileno()}, SOL_NETLINK, {option}, [1], 4"

        try:
            observed_call(
                "setsockopt", self._socket.setsockopt, uapi.SOL_NETLINK, getattr(uapi, option), 1, format_args=format_args
            )
        except SyscallError:
            pass

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket; may be called again."""
        if self.fileno() >= 0:
            number = str(self.fileno())
            observed_call("close", self._socket.close, format_args=lambda: number)

    def __del__(self) -> None:
        try:
            self.close()
        except (AttributeError, OSError):
            pass  # never made, or the descriptor was closed behind our back

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _converse(self, requests: Sequence[Request], atomic: bool = False) -> list[list[Reply]]:
        exchange = self._exchange
        if exchange.state is AWAIT_DONE:
            self._drain()
        self._send(exchange.send(requests, atomic))
        overrun = False
        while not exchange.finished:
            try:
                self._receive()
            except SyscallError as error:
                if error.errno != ENOBUFS:
                    raise
                overrun = True
                if not requests[-1].dump:
                    self._read_on()
                    break
                # A dump goes on, and has to: while it runs the kernel would refuse the next one (EBUSY).
        if overrun and (requests[-1].dump or not (exchange.finished or exchange.refused)):
            raise Interrupted(f"{requests[-1].message.name}: the answers overran the socket's buffer (ENOBUFS)")
        try:
            return exchange.result()
        except KernelError as error:
            error.hint = self._remedy(error)
            raise

    def _send(self, data: bytes) -> None:
        observed_call("sendto", self._socket.send, data, format_args=self._format_send, protocol=self.protocol)

    @staticmethod
    def _remedy(error: KernelError) -> str:
        """EACCES is no matter of privileges here: IPv6 is switched off on the link."""
        return remedy(EPERM) if error.errno == EPERM else ""

    def _read_on(self) -> None:
        """After an overrun, what there is: the kernel drops the last answers, so the first error is among the first.

        And until all is read, it would drop those of the next conversation too.
        """
        for _ in range(DRAINED):
            try:
                self._take(self._recvfrom())
            except BlockingIOError:
                return
            except SyscallError as error:
                if error.errno != ENOBUFS:
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
            received = self._recvfrom()
        except BlockingIOError:
            _wait(self.fileno())
            received = self._recvfrom()
        self._take(received)

    def _take(self, received: tuple[bytes, tuple[int, int]]) -> None:
        data, sender = received
        if sender[0] == 0:  # port 0 is the kernel; anyone else has no say here
            self._exchange.receive(data)

    def _recvfrom(self) -> tuple[bytes, tuple[int, int]]:
        answer: tuple[bytes, tuple[int, int]] = observed_call(
            "recvfrom",
            self._socket.recvfrom,
            RECEIVE_BYTES,
            _socket.MSG_DONTWAIT,
            format_args=self._format_recvfrom,
            protocol=self.protocol,
        )
        return answer

    def _format_args(self, *_: object) -> str:
        return f"AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, {self.family}"

    def _format_send(self, data: bytes) -> str:
        return f"{self.fileno()}, [{len(data)} bytes], {len(data)}, 0, NULL, 0"

    def _format_recvfrom(self, size: int, flags: int) -> str:
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


class Netfilter(Netlink):
    """A NETLINK_NETFILTER socket in the calling thread's network namespace, for nf_tables.

    All of it, reading too, needs CAP_NET_ADMIN there.  Raises as `Netlink` does.
    """

    family = "NETLINK_NETFILTER"
    protocol = "nftables"
    _strict = True  # there is nothing of it to switch on

    def __init__(self) -> None:
        from .nft import messages as nft_messages

        try:
            super().__init__(nft_messages.MESSAGES)
        except SyscallError as error:
            if error.errno == EPROTONOSUPPORT:
                error.hint = "this kernel has no netfilter for user space (CONFIG_NETFILTER_NETLINK)"
            raise

    def transact(self, *requests: Request, context: str = "") -> list[list[Reply]]:
        """Send requests as one transaction: all of them happen, at one moment, or none.  The replies to each.

        Raises the first `KernelError`, or that of the whole (``NFNL_MSG_BATCH_BEGIN``; ``context`` is for this one);
        `WireError`, and nothing is sent; `SyscallError` (EMSGSIZE) where one datagram cannot hold it.
        """
        if not requests:
            return []
        from .nft import messages as nft_messages
        from .nlmsg import Request

        subsystem = {"res_id": uapi.NFNL_SUBSYS_NFTABLES}
        brackets = Request(nft_messages.BATCH_BEGIN, subsystem, context=context), Request(nft_messages.BATCH_END, subsystem)
        with self._lock:
            return self._converse([brackets[0], *requests, brackets[1]], atomic=True)[1:-1]

    def _send(self, data: bytes) -> None:
        if len(data) > SENT_AT_ONCE:
            self._make_room(len(data))
        try:
            super()._send(data)
        except SyscallError as error:
            if error.errno == EMSGSIZE:
                error.hint = "a transaction is one datagram, and this one is longer than net.core.wmem_max lets it be"
            raise

    def _make_room(self, size: int) -> None:
        """A send buffer for so many bytes; where we may not have it, the greatest there is."""
        for option in ("SO_SNDBUFFORCE", "SO_SNDBUF"):
            format_args = lambda *_, option=option: f"{self.fileno()}, SOL_SOCKET, {option}, [{size}], 4"  # noqa: E731
            try:
                observed_call(
                    "setsockopt", self._socket.setsockopt, uapi.SOL_SOCKET, getattr(uapi, option), size, format_args=format_args
                )
                return
            except SyscallError:
                pass  # the first needs CAP_NET_ADMIN of the machine's root; if none helps, `send` says so

    @staticmethod
    def _remedy(error: KernelError) -> str:
        """What is missing: the answer to the opening bracket, and to any GET, is a matter of the whole subsystem."""
        whole = error.request == "NFNL_MSG_BATCH_BEGIN"
        if whole and error.errno == EOPNOTSUPP or error.errno == EINVAL and "_GET" in error.request:
            return "this kernel has no nf_tables (CONFIG_NF_TABLES)"
        if error.errno == EOPNOTSUPP and error.request == "NFT_MSG_NEWTABLE":
            return "this kernel's nf_tables lacks the family (CONFIG_NF_TABLES_INET)"
        if error.errno == ENOENT and error.field.startswith(("NFTA_CHAIN_TYPE", "NFTA_LIST_ELEM", "NFTA_EXPR_NAME")):
            return "this kernel's nf_tables lacks it (CONFIG_NFT_NAT, CONFIG_NFT_MASQ ...)"
        return Netlink._remedy(error)


def _wait(fd: int) -> None:
    """Until there is something to read, but not for ever."""
    from select import POLLIN, poll

    waiting = poll()
    waiting.register(fd, POLLIN)
    waiting.poll(PATIENCE * 1000)
