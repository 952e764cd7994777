"""Real packets that prove or refute what the checks found: echo requests, a TCP connection, a UDP datagram."""

from __future__ import annotations

import _socket
import os
import select
from errno import ECONNREFUSED, EINPROGRESS, EMSGSIZE
from time import monotonic

from .. import uapi
from ..errors import RawnsError, SyscallError
from . import capture
from .capture import Capture
from .prefixes import family_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..icmp.socket import IcmpSocket
    from .capture import CapturedFrame, Inside
    from .flow import Flow
    from .namespace_view import NamespaceView

RETRY = 0.4  # seconds after which an unanswered echo request is sent again
MAX_ATTEMPTS = 16
TOKEN_BYTES = 8
IP_MTU_DISCOVER, IP_PMTUDISC_PROBE = 10, 3  # <linux/in.h>
IPV6_MTU_DISCOVER = 23  # <linux/in6.h>
ECHO_REQUESTS = (8, 128)
SYN, ACK, RST = 2, 16, 4  # <netinet/tcp.h>


class ProbeRequest:
    """What to send: from a namespace to a target, for at most ``seconds``; ``size`` is the number of data bytes of an echo.

    ``device`` is the interface of a link-local target. ``watched`` are the namespaces in which packet sockets look for the probe,
    ``whole`` says that the packet must not be fragmented. ``ports`` are ports to which the destination port may be translated.
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
        device: str = "",
        watched: Iterable[NamespaceView] = (),
        whole: bool = False,
        ports: Iterable[int | None] = (),
    ) -> None:
        self.origin, self.target, self.flow, self.seconds = origin, target, flow, seconds
        self.size, self.device, self.watched, self.whole = size, device, list(watched), whole
        self.ports = {flow.port, *ports}


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
            left = capture.lifetime(frame.data)
            if capture.protocol(frame.data) != protocol:
                continue
            if frame.view is view and not frame.outgoing and self.is_request(frame) and left and left <= start:
                return start - left + 1
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
        kinds = {"icmp": _echo, "tcp": _tcp, "udp": _udp}
        result = kinds[request.flow.protocol](request, self.inside, watch)
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


# -- TCP and UDP --------------------------------------------------------------------------------------------------------------


def _address(request: ProbeRequest) -> tuple[int, tuple[object, ...]]:
    """Return the address family and the socket address of the target."""
    family = family_of(request.target)
    if family == uapi.AF_INET:
        return family, (request.target, request.flow.port)
    index = _socket.if_nametoindex(request.device) if request.device else 0
    return family, (request.target, request.flow.port, 0, index)


def _open(request: ProbeRequest, inside: Inside, kind: int) -> tuple[_socket.socket, tuple[object, ...]]:
    family, address = inside(request.origin, lambda: _address(request))
    made = inside(request.origin, lambda: _socket.socket(family, kind | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC, 0))
    return made, address


def _tcp(request: ProbeRequest, inside: Inside, watch: Capture) -> ProbeResult:
    """Open a TCP connection and close it; then once more, for a time that contains no address resolution."""
    result = ProbeResult()
    ports = request.ports

    def is_request(frame: CapturedFrame) -> bool:
        found = capture.ports(frame.data)
        return found is not None and found[0] == uapi.IPPROTO_TCP and found[3] & (SYN | ACK | RST) == SYN and found[2] in ports

    result.is_request = is_request
    for again in (False, True):
        took = _connected(request, inside, watch, result)
        if took is None:
            return result
        result.rtt = took if again or result.rtt is None else result.rtt
    return result


def _connected(request: ProbeRequest, inside: Inside, watch: Capture, result: ProbeResult) -> float | None:
    sock, address = _open(request, inside, _socket.SOCK_STREAM)
    try:
        begun = monotonic()
        code = sock.connect_ex(address)
        if code == EINPROGRESS:
            poller = select.poll()
            poller.register(sock.fileno(), select.POLLOUT)
            ready = poller.poll(int(request.seconds * 1000) + 1)
            watch.read()
            code = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR) if ready else -1
        took = monotonic() - begun
        if code == 0:
            return took
        result.refused = code == ECONNREFUSED
        result.error = "" if code == -1 else os.strerror(code)
        return None
    finally:
        sock.close()


def _udp(request: ProbeRequest, inside: Inside, watch: Capture) -> ProbeResult:
    """Send an empty UDP datagram. An ICMP port unreachable refuses it; silence is the usual answer."""
    result = ProbeResult()
    ports = request.ports

    def is_request(frame: CapturedFrame) -> bool:
        found = capture.ports(frame.data)
        return found is not None and found[0] == uapi.IPPROTO_UDP and found[2] in ports

    result.is_request = is_request
    sock, address = _open(request, inside, _socket.SOCK_DGRAM)
    try:
        begun = monotonic()
        code = sock.connect_ex(address)
        if code:
            result.error = os.strerror(code)
            return result
        try:
            sock.send(b"")
        except OSError as error:
            result.error = os.strerror(error.errno or 0)
            return result
        poller = select.poll()
        poller.register(sock.fileno(), select.POLLIN)
        ready = poller.poll(int(min(request.seconds, 1.0) * 1000) + 1)
        watch.read()
        code = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR) if ready else -1
        if code == 0:
            result.rtt = monotonic() - begun
        elif code > 0:
            result.refused, result.error = code == ECONNREFUSED, os.strerror(code)
        return result
    finally:
        sock.close()
