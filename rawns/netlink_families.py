"""Requests over AF_NETLINK to nf_tables, with transactions, and to sock_diag (nft(8), sock_diag(7))."""

from __future__ import annotations

from errno import EMSGSIZE

from . import uapi
from .errors import SyscallError
from .netlink import Netlink
from .observer import observed_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .nlmsg import Reply, Request
    from .wire import Message

MIN_SEND_BUFFER_BYTES = 100_000  # that any socket takes without being told (212,992 is the usual default)


class SockDiag(Netlink):
    """A NETLINK_SOCK_DIAG socket in the calling thread's network namespace, which lists sockets (`sock_diag.DiagRequest`).

    Raises `SyscallError` if the socket cannot be opened.
    """

    family = "NETLINK_SOCK_DIAG"
    protocol = "sock_diag"

    @property
    def messages(self) -> Mapping[int, Message]:
        from .sock_diag import MESSAGES

        return MESSAGES

    def _configure(self) -> None:
        super()._configure()
        self._strict = True  # inet_diag has no such option


class Netfilter(Netlink):
    """A NETLINK_NETFILTER socket in the calling thread's network namespace, for nf_tables.

    Everything, reading included, needs CAP_NET_ADMIN there.  Raises `SyscallError` if the socket cannot be opened.
    """

    family = "NETLINK_NETFILTER"
    protocol = "nftables"

    @property
    def messages(self) -> Mapping[int, Message]:
        from .nft.messages import MESSAGES

        return MESSAGES

    def _configure(self) -> None:
        super()._configure()
        self._strict = True  # nf_tables has no such option

    def transact(self, *requests: Request, context: str = "") -> list[list[Reply]]:
        """Send requests as one transaction: all of them take effect at one moment, or none.  Return the replies to each.

        Raises the first `KernelError`, or that of the whole (``NFNL_MSG_BATCH_BEGIN``; ``context`` is for this one);
        `WireError`, and nothing is sent; `SyscallError` (EMSGSIZE) if one datagram cannot hold them.
        """
        if not requests:
            return []
        from .nft import messages as nft_messages
        from .nlmsg import Request

        subsystem = {"res_id": uapi.NFNL_SUBSYS_NFTABLES}
        brackets = Request(nft_messages.BATCH_BEGIN, subsystem, context=context), Request(nft_messages.BATCH_END, subsystem)
        self._current()
        with self._lock:
            return self._transmit([brackets[0], *requests, brackets[1]], atomic=True)[1:-1]

    def _send(self, data: bytes) -> None:
        if len(data) > MIN_SEND_BUFFER_BYTES:
            self._grow_send_buffer(len(data))
        try:
            super()._send(data)
        except SyscallError as error:
            if error.errno == EMSGSIZE:
                error.hint = "a transaction is one datagram, and this one is longer than net.core.wmem_max allows"
            raise

    def _grow_send_buffer(self, size: int) -> None:
        """Ask for a send buffer of so many bytes; without the privilege for it, for the largest that is allowed."""
        sock = self._socket
        for option in ("SO_SNDBUFFORCE", "SO_SNDBUF"):
            format_args = lambda *_, option=option: f"{sock.fileno()}, SOL_SOCKET, {option}, [{size}], 4"  # noqa: E731
            try:
                observed_call(
                    "setsockopt", sock.setsockopt, uapi.SOL_SOCKET, getattr(uapi, option), size, format_args=format_args
                )
                return
            except SyscallError:
                pass  # the first needs CAP_NET_ADMIN of the machine's root; if none helps, `_send` says so
