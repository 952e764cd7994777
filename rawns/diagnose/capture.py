"""Packet sockets in several namespaces at once (packet(7)), to see how far a probe gets and which host answers it.

A packet socket sees a frame that comes in before netfilter, tc and the bridge handle it, and a frame that goes out after
they did. The last device at which a probe was seen therefore says between which two points it was lost.
"""

from __future__ import annotations

import _socket
from errno import EAGAIN, EINTR

from .. import uapi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .namespace_view import NamespaceView

    Inside = Callable[[NamespaceView, Callable[[], Any]], Any]  # calls a function inside a namespace

MAX_VIEWS = 48  # namespaces that are watched at once
MAX_FRAMES = 8192  # frames that are kept
MAX_FRAME_BYTES = 2048
BUFFER_BYTES = 1 << 20  # of each socket; the kernel limits it to net.core.rmem_max
PACKET_OUTGOING = 4  # <linux/if_packet.h>


class CapturedFrame:
    """A frame that was seen: in which namespace, at which device, on its way out or in, and its network layer packet."""

    __slots__ = ("data", "device", "lladdr", "outgoing", "protocol", "view")

    def __init__(self, view: NamespaceView, device: str, outgoing: bool, protocol: int, lladdr: bytes, data: bytes) -> None:
        self.view, self.device, self.outgoing, self.protocol = view, device, outgoing, protocol
        self.lladdr = ":".join(f"{byte:02x}" for byte in lladdr)
        self.data = data


class Capture:
    """Packet sockets in namespaces. Those that the kernel refuses, for want of CAP_NET_RAW, are left out."""

    def __init__(self, views: Iterable[NamespaceView], inside: Inside) -> None:
        self.sockets: dict[int, tuple[NamespaceView, _socket.socket]] = {}
        self.frames: list[CapturedFrame] = []
        for view in list(dict.fromkeys(views))[:MAX_VIEWS]:
            try:
                sock = inside(view, _open)
            except OSError:
                continue
            sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVBUF, BUFFER_BYTES)
            self.sockets[id(view)] = view, sock

    def watches(self, view: NamespaceView) -> bool:
        """Return whether frames in a namespace are seen."""
        return id(view) in self.sockets

    def read(self) -> None:
        """Take what has been seen until now."""
        for view, sock in self.sockets.values():
            while len(self.frames) < MAX_FRAMES:
                try:
                    data, (device, protocol, kind, _, lladdr) = sock.recvfrom(MAX_FRAME_BYTES)
                except OSError as error:
                    if error.errno not in (EAGAIN, EINTR):
                        break  # ENETDOWN: a device has gone
                    break
                self.frames.append(CapturedFrame(view, device, kind == PACKET_OUTGOING, protocol, lladdr, data))

    def clear(self) -> None:
        """Forget what has been seen until now."""
        self.read()
        self.frames = []

    def close(self) -> None:
        """Close the sockets, all at the same time: for each of them the kernel waits for an RCU grace period (20 ms)."""
        from threading import Thread

        threads = [Thread(target=sock.close) for _, sock in self.sockets.values()]
        self.sockets.clear()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _open() -> _socket.socket:
    kind = _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
    return _socket.socket(_socket.AF_PACKET, kind, _socket.htons(uapi.ETH_P_ALL))


def icmp_type(data: bytes, token: bytes) -> int | None:
    """Return the ICMP type of the echo message that carries a token, wherever it lies in a packet; None if there is none."""
    at = data.find(token)
    return data[at - 8] if at >= 8 else None


def ports(data: bytes) -> tuple[int, int, int, int] | None:
    """Return protocol, source port, destination port and TCP flags of an IP packet; None if it is not TCP or UDP."""
    if len(data) < 20:
        return None
    if data[0] >> 4 == 4:
        start, protocol = (data[0] & 15) * 4, data[9]
    else:
        start, protocol = 40, data[6]
    least = {uapi.IPPROTO_TCP: 14, uapi.IPPROTO_UDP: 8}.get(protocol)
    if least is None or len(data) < start + least:
        return None
    source = int.from_bytes(data[start : start + 2], "big")
    destination = int.from_bytes(data[start + 2 : start + 4], "big")
    return protocol, source, destination, data[start + 13] if protocol == uapi.IPPROTO_TCP else 0


def protocol(data: bytes) -> int | None:
    """Return the protocol number (next header) of an IP packet."""
    at = 9 if data[:1] and data[0] >> 4 == 4 else 6
    return data[at] if len(data) > at else None


def lifetime(data: bytes) -> int | None:
    """Return the time to live (hop limit) of an IP packet."""
    if not data:
        return None
    return data[8] if data[0] >> 4 == 4 and len(data) > 8 else data[7] if len(data) > 7 else None


def resolves(frame: CapturedFrame, address: str) -> bool:
    """Return whether a frame asks for the link-layer address of an address: an ARP request or a neighbour solicitation."""
    from _socket import inet_pton

    from .prefixes import family_of

    packed, data = inet_pton(family_of(address), address), frame.data
    if len(packed) == 4:
        return frame.protocol == uapi.ETH_P_ARP and data[6:8] == b"\0\1" and data[24:28] == packed
    return (
        frame.protocol == uapi.ETH_P_IPV6
        and len(data) >= 64
        and data[6] == uapi.IPPROTO_ICMPV6
        and data[40] == 135
        and data[48:64] == packed
    )
