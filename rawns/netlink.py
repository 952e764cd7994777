"""Requests to the kernel over AF_NETLINK: the socket that drives an `Exchange` (netlink(7), rtnetlink(7)).

`Netlink()` opens its socket in the namespace of the calling thread.  Afterwards it is safe for concurrent use by several
threads; they take turns, one conversation at a time.  `netlink_families` has the sockets of other families.
"""

from __future__ import annotations

from errno import ENOBUFS, EPERM
from time import monotonic

from . import rtnl, uapi
from .errors import DecodeError, Interrupted, KernelError, SyscallError
from .exchange import AWAIT_DONE, Exchange, batches
from .nlmsg import Listing
from .nlsocket import NetlinkSocket
from .observer import observed_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .nlmsg import Reply, Request
    from .wire import Message

MAX_DUMP_ATTEMPTS = 8
DUMP_BACKOFF_SECONDS = 0.001  # before the second attempt; doubled before each further one: 0.13 s in all
MAX_DRAINED_DATAGRAMS = 65536  # of a dump that was broken off
MAX_REFUSALS = 16
RECEIVE_TIMEOUT_SECONDS = 30.0  # the kernel answers before send(2) returns, so this only bounds an error in this code

refusals: list[tuple[float, KernelError]] = []  # the last ones of this process, with the time.monotonic() of each


class Netlink(NetlinkSocket):
    """A NETLINK_ROUTE socket for requests, in the calling thread's network namespace.

    Extended acknowledgements are always on, and dumps are checked strictly, so that the kernel does the filtering.
    Raises `SyscallError` if the socket cannot be opened.
    """

    @property
    def messages(self) -> Mapping[int, Message]:
        """Return what may be received, by number."""
        return rtnl.MESSAGES

    def _configure(self) -> None:
        self._exchange = Exchange(self.messages)
        self._strict = False
        self._try_option("NETLINK_EXT_ACK")  # without it (before Linux 4.12) errors lack the kernel's sentence
        self._try_option("NETLINK_CAP_ACK")  # without it (before 4.3) they repeat the whole request

    # -- one conversation -------------------------------------------------------------------------------------------

    def _converse(self, requests: Sequence[Request], ask_length: bool, atomic: bool = False) -> bool:
        """Send requests in one datagram and receive all answers; return whether none of them was lost (ENOBUFS).

        Without ``ask_length`` an answer longer than `MIN_RECEIVE_BYTES` counts as lost; acknowledgements are never so long.
        """
        exchange, dump = self._exchange, requests[-1].dump
        self._ask_length = True
        if exchange.state is AWAIT_DONE:
            self._drain()
        self._ask_length = ask_length
        self._send(exchange.send(requests, atomic))
        whole = True
        while not exchange.finished:
            try:
                self._receive()
            except SyscallError as error:
                if error.errno != ENOBUFS:
                    raise
                whole = False
                if not dump:  # a dump goes on, and must be read to its end: until then the kernel refuses another (EBUSY)
                    self._receive_rest()
                    break
        return whole

    def _send(self, data: bytes) -> None:
        sock = self._socket
        observed_call("sendto", sock.send, data, format_args=self._format_send, protocol=self.protocol)

    def _receive(self) -> None:
        """Receive one datagram, waiting for it if need be.  Raises `SyscallError`; EAGAIN if none comes."""
        try:
            data = self._receive_datagram()
        except BlockingIOError:
            _wait(self._socket.fileno())
            data = self._receive_datagram()
        self._exchange.receive(data)

    def _receive_rest(self) -> None:
        """Receive what is left after an overrun.

        The kernel drops the last answers, so the first error is among those that are left; and as long as any are, it would
        drop those of the next conversation too.
        """
        for _ in range(MAX_DRAINED_DATAGRAMS):
            try:
                self._exchange.receive(self._receive_datagram())
            except BlockingIOError:
                return
            except SyscallError as error:
                if error.errno != ENOBUFS:
                    raise

    def _drain(self) -> None:
        """Receive the end of a dump that was broken off (by a signal): until then the kernel refuses another (EBUSY)."""
        for _ in range(MAX_DRAINED_DATAGRAMS):
            if self._exchange.state != AWAIT_DONE:
                return
            try:
                self._receive()
            except (SyscallError, DecodeError):
                return

    def _check(self) -> None:
        """Raise the first `KernelError` of the conversation, and take note of it."""
        try:
            self._exchange.check()
        except KernelError as error:
            if error.errno == EPERM:  # EACCES here is not about privileges: IPv6 is switched off on the link
                from .privileges import remedy

                error.hint = remedy(EPERM)
            refusals.append((monotonic(), error.without_traceback()))
            del refusals[:-MAX_REFUSALS]
            raise

    def _format_send(self, data: bytes) -> str:
        return f"{self._socket.fileno()}, [{len(data)} bytes], {len(data)}, 0, NULL, 0"

    # -- requests -----------------------------------------------------------------------------------------------------

    def do(self, *requests: Request) -> list[list[Reply]]:
        """Send requests in as few datagrams as hold them; return the replies to each, in order.

        All requests of a datagram are tried even if one fails.  Raises the first `KernelError`; `WireError` before anything
        of that datagram is sent; `Interrupted` if answers were lost and it is not known whether all succeeded.
        """
        self._current()
        replies: list[list[Reply]] = []
        with self._lock:
            for batch in batches(requests):
                replies += self._transmit(batch)
        return replies

    def _transmit(self, requests: Sequence[Request], atomic: bool = False) -> list[list[Reply]]:
        gets = any("_GET" in one.message.name or one.flags & uapi.NLM_F_ECHO for one in requests)  # others are acknowledged
        whole = self._converse(requests, gets, atomic)
        if not (whole or self._exchange.finished or self._exchange.refused):
            raise Interrupted(f"{requests[-1].message.name}: the answers overran the socket's buffer (ENOBUFS)")
        self._check()
        return self._exchange.result()

    @property
    def warnings(self) -> list[str]:
        """The kernel's sentences about the requests of the last datagram that it has carried out nevertheless."""
        return self._exchange.warnings

    def get(self, request: Request) -> Reply:
        """Send one request that is answered by one message.  Raises `KernelError` (ENODEV: no such device)."""
        replies = self.do(request)[0]
        if not replies:
            raise DecodeError(f"{request.message.name}: acknowledged without an answer")
        return replies[0]

    def dump(self, request: Request, attempts: int = MAX_DUMP_ATTEMPTS) -> Listing[Reply]:
        """Return all messages that answer a dump request; ``complete`` of the result says whether they are consistent.

        A dump that changes while it is read (NLM_F_DUMP_INTR) or loses datagrams (ENOBUFS) is repeated after a short wait.
        If all ``attempts`` (8, within 0.2 s) are disturbed, the last answer is returned, and its ``complete`` is False:
        entries that changed meanwhile may be missing, or there twice; all others are there.  Raises `KernelError`.
        """
        return Listing(*self.dump_each(request, attempts))

    def dump_each(self, request: Request, attempts: int = MAX_DUMP_ATTEMPTS) -> tuple[Iterator[Reply], bool]:
        """Return what `dump` does, as an iterator that decodes each message when it is asked for, and whether it is complete.

        A message takes a twentieth of the memory until then.  The iterator raises `DecodeError` at a malformed message.
        """
        self._current()
        with self._lock:
            self.check_strictly()
            for attempt in range(attempts):
                if attempt:
                    _sleep(DUMP_BACKOFF_SECONDS * 2 ** (attempt - 1))
                ask_length = attempt > 0 or attempts == 1  # a datagram that is too long for the buffer costs one attempt
                complete = self._converse([request], ask_length) and not self._exchange.interrupted
                if complete or self._exchange.refused:
                    break
            self._check()
            return self._exchange.take(), complete

    def check_strictly(self) -> None:
        """Have the kernel refuse what it does not know in requests that ask for something (NETLINK_GET_STRICT_CHK)."""
        if not self._strict:
            self._try_option("NETLINK_GET_STRICT_CHK")  # without it (before Linux 4.20) the caller has to filter
            self._strict = True

    def stream(self, request: Request) -> DumpStream:
        """Return an iterator over the messages that answer a dump request, each as soon as it has come (`DumpStream`)."""
        return DumpStream(type(self).in_namespace_of(self), request)


class DumpStream:
    """The answers to one dump request, as they come, for a list that is too long to be held or to be waited for.

    Iterate once.  After that ``complete`` is False if the list changed while it was read, or datagrams were lost: iproute2
    says "Dump was interrupted and may be inconsistent." then.  It uses a socket of its own, so other requests may be
    made in between.  Raises `KernelError` where the list ends if the kernel refused.  Close it, or use it in ``with``, if it is
    not read to its end.
    """

    def __init__(self, netlink: Netlink, request: Request) -> None:
        self.complete = True
        self._netlink, self._request = netlink, request

    def __iter__(self) -> Iterator[Reply]:
        netlink, exchange = self._netlink, self._netlink._exchange
        try:
            netlink._try_option("NETLINK_GET_STRICT_CHK")
            netlink._send(exchange.send([self._request]))
            while not exchange.finished:
                try:
                    netlink._receive()
                except SyscallError as error:
                    if error.errno != ENOBUFS:
                        raise
                    self.complete = False
                yield from exchange.take()
            self.complete = self.complete and not exchange.interrupted
            netlink._check()
        finally:
            self.close()

    def close(self) -> None:
        """Close the socket; may be called again."""
        self._netlink.close()

    def __enter__(self) -> DumpStream:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _wait(fd: int) -> None:
    """Wait until there is something to receive, or `RECEIVE_TIMEOUT_SECONDS` have passed."""
    from select import POLLIN, poll

    waiting = poll()
    waiting.register(fd, POLLIN)
    waiting.poll(RECEIVE_TIMEOUT_SECONDS * 1000)


def _sleep(seconds: float) -> None:
    from time import sleep

    sleep(seconds)
