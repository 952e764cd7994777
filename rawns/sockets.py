"""System calls of sockets, pipes and poll(2), as a ping and a chat need them; an observer sees each of them.

Each function is one call, made by `observer.observed_call`, and raises `SyscallError`.  In the arguments that the observer
gets, what the kernel fills in is ``buffer``, ``fds`` or ``...``.  If Python returns something else than C, the inner function
returns C's result first, and Python's second.  No socket blocks.
"""

from __future__ import annotations

import _socket
import os
import select

from .observer import observed_call, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    SocketAddress = tuple[Any, ...]  # a sockaddr as Python has it: host, port, and of IPv6 flow and scope
    Ancillary = list[tuple[int, int, bytes]]
    ReceivedMessage = tuple[bytes, Ancillary, int, SocketAddress]

FAMILIES = {_socket.AF_INET: "AF_INET", _socket.AF_INET6: "AF_INET6"}
KINDS = {_socket.SOCK_STREAM: "SOCK_STREAM", _socket.SOCK_DGRAM: "SOCK_DGRAM", _socket.SOCK_RAW: "SOCK_RAW"}
PROTOCOLS = {0: "0", 1: "IPPROTO_ICMP", 58: "IPPROTO_ICMPV6"}
ADDRESS_BYTES = {"AF_INET": 16, "AF_INET6": 28}  # of struct sockaddr_in and sockaddr_in6
LEVELS = {_socket.SOL_SOCKET: "SOL_SOCKET", 0: "SOL_IP", 6: "SOL_TCP", 41: "SOL_IPV6", 58: "SOL_ICMPV6", 255: "SOL_RAW"}
OPTIONS = {  # level and number: <linux/in.h>, <linux/in6.h>, <linux/icmp.h>, <linux/icmpv6.h>, <asm-generic/socket.h>
    "SO_REUSEADDR": (_socket.SOL_SOCKET, _socket.SO_REUSEADDR),
    "SO_ERROR": (_socket.SOL_SOCKET, _socket.SO_ERROR),
    "SO_BROADCAST": (_socket.SOL_SOCKET, _socket.SO_BROADCAST),
    "SO_KEEPALIVE": (_socket.SOL_SOCKET, _socket.SO_KEEPALIVE),
    "SO_BINDTODEVICE": (_socket.SOL_SOCKET, _socket.SO_BINDTODEVICE),
    "SO_TIMESTAMPNS": (_socket.SOL_SOCKET, 35),
    "TCP_NODELAY": (6, 1),
    "IP_TTL": (0, 2),
    "IP_RECVERR": (0, 11),
    "IP_RECVTTL": (0, 12),
    "IP_MULTICAST_TTL": (0, 33),
    "IPV6_UNICAST_HOPS": (41, 16),
    "IPV6_MULTICAST_HOPS": (41, 18),
    "IPV6_RECVERR": (41, 25),
    "IPV6_V6ONLY": (41, 26),
    "IPV6_RECVHOPLIMIT": (41, 51),
    "IPV6_HOPLIMIT": (41, 52),
    "ICMP_FILTER": (255, 1),
    "ICMPV6_FILTER": (58, 1),
}
MSG_ERRQUEUE = 0x2000
LISTENING = {"tcp": 10, "udp": 7}  # the states in /proc/net/tcp and udp: TCP_LISTEN, TCP_CLOSE
MAX_TIMEOUT_MS = 2**31 - 1  # milliseconds, an int


# -- arguments in C notation ---------------------------------------------------------------------------------------------


def format_address_args(sock: _socket.socket, address: SocketAddress) -> str:
    """Return the arguments of bind(2) and connect(2): ``9, {AF_INET, "10.0.0.1", 7777}, 16``."""
    return f"{sock.fileno()}, {_sockaddr(address)}"


def _sockaddr(address: SocketAddress) -> str:
    host = str(address[0])
    if len(address) > 3 and address[3] and "%" not in host:
        host += f"%{address[3]}"
    family = "AF_INET6" if ":" in host else "AF_INET"
    return f"{{{family}, {quoted(os.fsencode(host), 64)}, {address[1]}}}, {ADDRESS_BYTES[family]}"


def format_send(sock: _socket.socket, data: bytes) -> str:
    """Return the arguments of send(2), which is sendto(2) without an address."""
    return f"{sock.fileno()}, {quoted(data)}, {len(data)}, 0, NULL, 0"


def format_recv(sock: _socket.socket, size: int) -> str:
    """Return the arguments of recv(2), which is recvfrom(2) without an address."""
    return f"{sock.fileno()}, buffer, {size}, 0, NULL, NULL"


def _format_sendto(sock: _socket.socket, data: bytes, address: SocketAddress) -> str:
    return f"{sock.fileno()}, [{len(data)} bytes], {len(data)}, 0, {_sockaddr(address)}"


def _format_recvmsg(sock: _socket.socket, size: int, ancillary: int, flags: int) -> str:
    name = "MSG_ERRQUEUE" if flags == MSG_ERRQUEUE else str(flags)
    return f"{sock.fileno()}, {{msg_iov=[{{buffer, {size}}}], msg_controllen={ancillary}}}, {name}"


def _format_socket(family: int, kind: int, protocol: int) -> str:
    flags = _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
    kinds = f"{KINDS.get(kind & ~flags, kind & ~flags)}|SOCK_CLOEXEC|SOCK_NONBLOCK"
    return f"{FAMILIES.get(family, family)}, {kinds}, {PROTOCOLS.get(protocol, protocol)}"


def _format_option(sock: _socket.socket, level: int, option: int, value: int | bytes) -> str:
    name = next(name for name, numbers in OPTIONS.items() if numbers == (level, option))
    text = f"[{value}], 4" if isinstance(value, int) else f"{quoted(value)}, {len(value)}"
    return f"{sock.fileno()}, {LEVELS[level]}, {name}, {text}"


def _format_poll(waits: Mapping[int, int], timeout: int | None) -> str:
    fds = ", ".join(f"{{fd={fd}, events={_events(events)}}}" for fd, events in waits.items())
    return f"[{fds}], {len(waits)}, {-1 if timeout is None else timeout}"


def _events(events: int) -> str:
    return "|".join(name for name in ("POLLIN", "POLLOUT") if events & getattr(select, name)) or "0"


# -- sockets ------------------------------------------------------------------------------------


def socket(family: int, kind: int, protocol: int = 0) -> _socket.socket:
    """Create a socket: socket(2) with SOCK_NONBLOCK and SOCK_CLOEXEC."""
    kind |= _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
    made: _socket.socket = observed_call("socket", _socket.socket, family, kind, protocol, format_args=_format_socket)
    return made


def close(sock: _socket.socket) -> None:
    """Close a socket: close(2).  It may be called again."""
    if sock.fileno() >= 0:
        number = str(sock.fileno())
        observed_call("close", sock.close, format_args=lambda: number)


def set_option(sock: _socket.socket, name: str, value: int | bytes) -> None:
    """Set one of `OPTIONS`: setsockopt(2)."""
    observed_call("setsockopt", _socket.socket.setsockopt, sock, *OPTIONS[name], value, format_args=_format_option)


def pending_error(sock: _socket.socket) -> int:
    """Return, and clear, the errno of what has failed in the background: getsockopt(2), SO_ERROR."""
    _, error = observed_call(
        "getsockopt", _error_of, sock, format_args=lambda sock: f"{sock.fileno()}, SOL_SOCKET, SO_ERROR, ..."
    )
    return int(error)


def _error_of(sock: _socket.socket) -> tuple[int, int]:
    return 0, sock.getsockopt(*OPTIONS["SO_ERROR"])


def bind(sock: _socket.socket, address: SocketAddress) -> None:
    """Bind a socket to its own address: bind(2)."""
    observed_call("bind", _socket.socket.bind, sock, address, format_args=format_address_args)


def listen(sock: _socket.socket, backlog: int) -> None:
    """Let a socket accept connections: listen(2)."""
    observed_call("listen", _socket.socket.listen, sock, backlog, format_args=lambda sock, backlog: f"{sock.fileno()}, {backlog}")


def accept(sock: _socket.socket, family: int) -> tuple[_socket.socket, SocketAddress]:
    """Accept a connection to a stream socket of a family: accept4(2); return its socket and the peer's address."""
    fd, address = observed_call(
        "accept4",
        _socket.socket._accept,  # type: ignore[attr-defined]
        sock,
        format_args=lambda sock: f"{sock.fileno()}, ..., SOCK_CLOEXEC",
    )
    try:  # the constructor asks for the address
        _, made = observed_call("getsockname", _socket_of, fd, family, format_args=lambda fd, family: f"{fd}, ...")
    except BaseException:
        os.close(fd)
        raise
    try:
        observed_call(
            "ioctl", _socket.socket.setblocking, made, False, format_args=lambda made, _: f"{made.fileno()}, FIONBIO, [1]"
        )
    except BaseException:
        close(made)
        raise
    return made, address


def _socket_of(fd: int, family: int) -> tuple[int, _socket.socket]:
    return 0, _socket.socket(family, _socket.SOCK_STREAM, _socket.IPPROTO_TCP, fd)


def connect(sock: _socket.socket, address: SocketAddress) -> None:
    """Connect a socket: connect(2).  For a stream socket this usually raises BlockingIOError (EINPROGRESS)."""
    observed_call("connect", _socket.socket.connect, sock, address, format_args=format_address_args)


def getsockname(sock: _socket.socket) -> SocketAddress:
    """Return a socket's own address: getsockname(2)."""
    _, address = observed_call("getsockname", _name_of, sock, format_args=lambda sock: f"{sock.fileno()}, ...")
    own: SocketAddress = address
    return own


def _name_of(sock: _socket.socket) -> tuple[int, SocketAddress]:
    return 0, sock.getsockname()


def shutdown(sock: _socket.socket) -> None:
    """Tell the peer that nothing more is sent: shutdown(2), SHUT_WR."""
    format_args = lambda sock, _: f"{sock.fileno()}, SHUT_WR"  # noqa: E731
    observed_call("shutdown", _socket.socket.shutdown, sock, _socket.SHUT_WR, format_args=format_args)


def send(sock: _socket.socket, data: bytes) -> int:
    """Send data on a connected socket: send(2); return how many bytes the kernel has taken."""
    sent: int = observed_call("sendto", _socket.socket.send, sock, data, format_args=format_send)
    return sent


def recv(sock: _socket.socket, size: int) -> bytes:
    """Receive data from a connected socket: recv(2).  No data means that the peer sends no more."""
    data: bytes = observed_call("recvfrom", _socket.socket.recv, sock, size, format_args=format_recv)
    return data


def sendto(sock: _socket.socket, data: bytes, address: SocketAddress, protocol: str) -> None:
    """Send one packet, whose ``protocol`` `explain` can decode: sendto(2)."""
    observed_call("sendto", _socket.socket.sendto, sock, data, address, format_args=_format_sendto, protocol=protocol)


def recvmsg(sock: _socket.socket, size: int, ancillary: int, flags: int, protocol: str) -> ReceivedMessage:
    """Receive one packet, whose ``protocol`` `explain` can decode, with ancillary data: recvmsg(2)."""
    message: ReceivedMessage = observed_call(
        "recvmsg", _socket.socket.recvmsg, sock, size, ancillary, flags, format_args=_format_recvmsg, protocol=protocol
    )
    return message


# -- what receives ------------------------------------------------------------------------------------------------------


class ProcSocket:
    """A socket as a file of /proc/net describes it (proc(5)): addresses as bytes with their ports, and the state as a number."""

    __slots__ = ("local", "remote", "state", "send_queue", "receive_queue", "uid", "inode")

    def __init__(self, words: list[str]) -> None:
        self.local, self.remote = _proc_address(words[1]), _proc_address(words[2])
        self.state = int(words[3], 16)
        self.send_queue, self.receive_queue = (int(size, 16) for size in words[4].split(":"))
        self.uid, self.inode = int(words[7]), int(words[9])


def proc_sockets(lines: Iterable[str]) -> Iterator[ProcSocket]:
    """Yield each socket in the lines of /proc/net/tcp, udp, raw, or of one of their files for IPv6."""
    for line in lines:
        words = line.split()
        if len(words) > 9 and ":" in words[1]:  # not the headline
            yield ProcSocket(words)


def listeners(protocol: str, lines: Iterable[str]) -> list[tuple[str, int]]:
    """Return address and port of each socket that receives, from the lines of /proc/net/tcp, tcp6, udp or udp6 (proc(5))."""
    found = [one.local for one in proc_sockets(lines) if one.state == LISTENING[protocol]]
    return [(_socket.inet_ntop(_socket.AF_INET if len(data) == 4 else _socket.AF_INET6, data), port) for data, port in found]


def _proc_address(text: str) -> tuple[bytes, int]:
    """Return an address and a port of /proc/net; the address consists of words of 32 bits in the order of the machine."""
    import sys

    address, _, port = text.partition(":")
    words = [int(address[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(address), 8)]
    return b"".join(words), int(port, 16)


# -- waiting --------------------------------------------------------------------------------------------------------------


def poll(waits: Mapping[int, int], timeout: int | None) -> list[tuple[int, int]]:
    """Wait for events by descriptor, for at most ``timeout`` ms (None: for ever): poll(2).  Return the events that came."""
    return Poller().wait(waits, timeout)


class Poller:
    """Calls poll(2) repeatedly, and registers the descriptors anew only if they have changed."""

    __slots__ = ("_poll", "_waits")

    def __init__(self) -> None:
        self._waits: Mapping[int, int] = {}
        self._poll = select.poll()

    def wait(self, waits: Mapping[int, int], timeout: int | None) -> list[tuple[int, int]]:
        """Wait as `poll` does.  ``waits`` is kept: the caller must not change it."""
        if timeout is not None and timeout > MAX_TIMEOUT_MS:
            timeout = MAX_TIMEOUT_MS
        _, ready = observed_call("poll", self._polled, waits, timeout, format_args=_format_poll)
        found: list[tuple[int, int]] = ready
        return found

    def _polled(self, waits: Mapping[int, int], timeout: int | None) -> tuple[int, list[tuple[int, int]]]:
        if waits != self._waits:
            self._poll = select.poll()
            for fd, events in waits.items():
                self._poll.register(fd, events)
            self._waits = waits
        ready = self._poll.poll(timeout)
        return len(ready), ready
