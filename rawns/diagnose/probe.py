"""Real packets that prove or refute what the checks found: echo requests, a TCP connection, a UDP datagram."""

from __future__ import annotations

import _socket
import os
import select
from errno import ECONNREFUSED, EINPROGRESS, EMSGSIZE
from time import monotonic

from .. import uapi
from ..errors import RawnsError, SyscallError
from ..objects.prefix import family_of
from . import capture
from .capture import Capture

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..icmp.socket import IcmpSocket
    from .capture import CapturedFrame, Inside
    from .flow import Flow
    from .namespace_view import NamespaceView

RETRY = 0.4  # seconds after which an unanswered echo request is sent again
MAX_ATTEMPTS = 16
TOKEN_BYTES = 8
IP_MTU_DISCOVER, IP_PMTUDISC_PROBE = 10, 3  # <linux/in.h>
IPV6_MTU_DISCOVER = 23  # <linux/in6.h>
ECHO_REQUESTS = (uapi.ICMP_ECHO, uapi.ICMPV6_ECHO_REQUEST)
UDP_SECONDS = 1.0  # within which a datagram is refused, if it is
SYN, ACK, RST = 2, 16, 4  # <netinet/tcp.h>


class ProbeRequest:
    """What to send: from a namespace to a target, for at most ``seconds``; ``size`` is the number of data bytes of an echo.

    ``whole`` says that the packet must not be fragmented. ``device`` is the interface of a link-local target, ``watched`` are the
    namespaces in which packet sockets look for the probe, ``ports`` its destination port and those to which it may be translated.
    """

    __slots__ = ("device", "flow", "origin", "ports", "seconds", "size", "target", "watched", "whole")

    def __init__(
        self,
        origin: NamespaceView,
        target: str,
        flow: Flow,
        seconds: float,
        *,
        size: int = 56,
        whole: bool = False,
    ) -> None:
        self.origin, self.target, self.flow, self.seconds, self.size, self.whole = origin, target, flow, seconds, size, whole
        self.device = ""
        self.watched: list[NamespaceView] = []
        self.ports = {flow.port}


class ProbeResult:
    """What became of a probe.

    ``rtt`` is the round trip in seconds without address resolution, or None. ``error`` is what came instead of an answer, in the
    kernel's words; ``refused`` is True if a TCP reset or an ICMP port unreachable came. ``frames`` are the frames that carried
    the probe or its answer; ``watched`` says in which namespaces they would have been seen.
    """

    def __init__(self, rtt: float | None = None, error: str = "") -> None:
        self.rtt, self.error = rtt, error
        self.refused = False
        self.frames: list[CapturedFrame] = []
        self.all_frames: list[CapturedFrame] = []
        self.watched: list[NamespaceView] = []
        self.is_request: Callable[[CapturedFrame], bool] = lambda frame: False

    def arrived(self, view: NamespaceView) -> bool | None:
        """Return whether the request came in in a namespace; None if that could not be seen."""
        if not any(view is one for one in self.watched):
            return None
        return any(frame.view is view and not frame.outgoing and self.is_request(frame) for frame in self.frames)

    def hops(self, view: NamespaceView, start: int, protocol: int) -> int | None:
        """Return how many hops the request took to a namespace, from its time to live.

        ``start`` is the sender's time to live. Frames of another ``protocol`` (IPPROTO_*) are the outer packets of a tunnel.
        """
        for frame in self.frames:
            if frame.ip is None or frame.ip.protocol != protocol or frame.view is not view or frame.outgoing:
                continue
            if self.is_request(frame) and 0 < frame.ip.ttl <= start:
                return start - frame.ip.ttl + 1
        return None


class Prober:
    """Sends probes. The packet sockets are kept from one probe to the next, because the kernel takes long to close them."""

    def __init__(self, inside: Inside) -> None:
        self.inside = inside
        self.watch: Capture | None = None

    def send(self, request: ProbeRequest) -> ProbeResult:
        """Send the probe of a request and wait for its answer. Raises `SyscallError` if the kernel allows no socket."""
        if self.watch is None:
            self.watch = Capture(request.watched, self.inside)
        watch = self.watch
        watch.clear()
        result = (_echo if request.flow.protocol == "icmp" else _connect)(request, self.inside, watch)
        watch.read()
        result.watched = [view for view in request.watched if watch.watches(view)]
        result.all_frames = list(watch.frames)
        result.frames = [frame for frame in watch.frames if result.is_request(frame)]
        return result

    def close(self) -> None:
        """Close the packet sockets."""
        if self.watch is not None:
            self.watch.close()
            self.watch = None


# -- echo -------------------------------------------------------------------------------------------------------------------


def _echo(request: ProbeRequest, inside: Inside, watch: Capture) -> ProbeResult:
    """Send echo requests until one is answered, then one more, whose round trip contains no address resolution."""
    from .. import icmp

    token = os.urandom(TOKEN_BYTES)
    result = ProbeResult()
    result.is_request = lambda frame: capture.icmp_type(frame.data, token) in ECHO_REQUESTS
    family = family_of(request.target)
    try:
        sock = inside(request.origin, lambda: icmp.connect(request.target, family, device=request.device))
    except SyscallError as error:
        if error.call == "socket":
            raise
        result.error = str(error.strerror or error)
        return result
    except RawnsError as error:
        result.error = str(error)
        return result
    data = token + bytes(max(0, request.size - TOKEN_BYTES))
    try:
        if request.whole:
            _forbid_fragments(sock)
        end = monotonic() + request.seconds
        for sequence in range(1, MAX_ATTEMPTS):
            answered = _one_echo(
                sock, sequence, data[: max(request.size, TOKEN_BYTES)], min(end, monotonic() + RETRY), result, watch
            )
            if answered is not None:
                if result.rtt is not None:
                    result.rtt = min(result.rtt, answered)
                    break
                result.rtt, end = answered, monotonic() + RETRY
            elif result.rtt is not None or monotonic() >= end:
                break
    finally:
        sock.close()
    return result


def _forbid_fragments(sock: IcmpSocket) -> None:
    """Set DF, and send packets of full size although the kernel may know of a smaller path MTU."""
    level, option = (
        (_socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER) if sock.family == _socket.AF_INET6 else (_socket.IPPROTO_IP, IP_MTU_DISCOVER)
    )
    sock.sock.setsockopt(level, option, IP_PMTUDISC_PROBE)


def _one_echo(sock: IcmpSocket, sequence: int, data: bytes, end: float, result: ProbeResult, watch: Capture) -> float | None:
    """Send one request; return its round trip in seconds, or None if no answer came until ``end``."""
    from ..icmp.session import EchoError, EchoReply

    begun = monotonic()
    try:
        sock.send(sock.request(sequence, data))
    except SyscallError as error:
        late = sock.failure()
        result.error = late.message if late is not None else str(error.strerror or error)
        if error.errno == EMSGSIZE:
            return None
    poller = select.poll()
    poller.register(sock.sock.fileno(), select.POLLIN)
    while True:
        left = end - monotonic()
        ready = poller.poll(max(0, int(left * 1000) + 1)) if left > 0 else []
        watch.read()
        if not ready:
            return None
        arrival = sock.failure() if ready[0][1] & select.POLLERR else sock.receive()
        if isinstance(arrival, EchoReply) and arrival.sequence == sequence and not arrival.elsewhere:
            return max(0.0, arrival.when / 1e9 - begun)
        if isinstance(arrival, EchoError) and arrival.counted:
            source = "" if arrival.source is None else f"{arrival.source[0]} answered: "
            result.error = f"{source}{arrival.message}"


# -- TCP and UDP ------------------------------------------------------------------------------------------------------------


def _connect(request: ProbeRequest, inside: Inside, watch: Capture) -> ProbeResult:
    """Open a TCP connection twice, the second time without address resolution; or send one UDP datagram.

    An ICMP port unreachable refuses the datagram; silence is the usual answer.
    """
    result, protocol = ProbeResult(), request.flow.number(family_of(request.target))
    tcp = protocol == uapi.IPPROTO_TCP

    def is_request(frame: CapturedFrame) -> bool:
        found = capture.ports(frame.ip) if frame.ip is not None and frame.ip.protocol == protocol else None
        return found is not None and found[0] in request.ports and (not tcp or found[1] & (SYN | ACK | RST) == SYN)

    result.is_request = is_request
    for _ in range(2 if tcp else 1):
        took = _connect_once(request, inside, watch, result)
        result.rtt = took if took is not None else result.rtt
        if took is None:
            break
    return result


def _connect_once(request: ProbeRequest, inside: Inside, watch: Capture, result: ProbeResult) -> float | None:
    """Return the seconds until the connection was there, or an answer to the datagram; None if it was not."""
    tcp, family = request.flow.protocol == "tcp", family_of(request.target)
    kind = (_socket.SOCK_STREAM if tcp else _socket.SOCK_DGRAM) | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
    address: tuple[object, ...] = (request.target, request.flow.port)
    if family == uapi.AF_INET6:
        index = inside(request.origin, lambda: _socket.if_nametoindex(request.device)) if request.device else 0
        address = (*address, 0, index)
    sock = inside(request.origin, lambda: _socket.socket(family, kind, 0))
    try:
        begun = monotonic()
        code = sock.connect_ex(address)
        if code == 0 and not tcp:
            sock.send(b"")
            code = EINPROGRESS
        if code == EINPROGRESS:
            poller = select.poll()
            poller.register(sock.fileno(), select.POLLOUT if tcp else select.POLLIN)
            ready = poller.poll(int(min(request.seconds, request.seconds if tcp else UDP_SECONDS) * 1000) + 1)
            watch.read()
            code = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR) if ready else -1
        took = monotonic() - begun
    except OSError as error:
        code = error.errno or 0
    finally:
        sock.close()
    if code == 0:
        return took
    result.refused, result.error = code == ECONNREFUSED, "" if code == -1 else os.strerror(code)
    return None
