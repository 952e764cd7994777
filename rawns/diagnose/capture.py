"""Packet sockets in several namespaces at once (packet(7)), to see how far a probe gets and which host answers it.

A packet socket sees a frame that comes in before netfilter, tc and the bridge handle it, and a frame that goes out after
they did. The last device at which a probe was seen therefore says between which two points it was lost.
"""

from __future__ import annotations

import _socket
from _socket import inet_ntop, inet_pton
from threading import Thread

from .. import uapi
from ..objects.prefix import family_of

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
ARP_REQUEST, ARP_REPLY = 1, 2  # <linux/if_arp.h>
SOLICITATION, ADVERTISEMENT = 135, 136  # types of ICMPv6: RFC 4861, section 4


class IpPacket:
    """What the header of an IP packet says: ``protocol`` (IPPROTO_*), ``ttl`` (or hop limit), ``source``; and its ``payload``."""

    __slots__ = ("payload", "protocol", "source", "ttl")

    def __init__(self, protocol: int, ttl: int, source: str, payload: bytes) -> None:
        self.protocol, self.ttl, self.source, self.payload = protocol, ttl, source, payload

    @classmethod
    def parse(cls, data: bytes) -> IpPacket | None:
        """Read a packet of either version; None if it is none, or too short."""
        if len(data) >= 20 and data[0] >> 4 == 4:
            return cls(data[9], data[8], inet_ntop(uapi.AF_INET, data[12:16]), data[(data[0] & 15) * 4 :])
        if len(data) >= 40 and data[0] >> 4 == 6:
            return cls(data[6], data[7], inet_ntop(uapi.AF_INET6, data[8:24]), data[40:])
        return None


class CapturedFrame:
    """A frame that was seen: in which namespace, at which device, on its way out or in, and its network layer packet.

    ``ip`` is what its IP header says; None of a frame of another protocol (ETH_P_*).
    """

    __slots__ = ("data", "device", "ip", "lladdr", "outgoing", "protocol", "view")

    def __init__(self, view: NamespaceView, device: str, outgoing: bool, protocol: int, lladdr: bytes, data: bytes) -> None:
        self.view, self.device, self.outgoing, self.protocol = view, device, outgoing, protocol
        self.lladdr, self.data = lladdr.hex(":"), data
        self.ip = IpPacket.parse(data) if protocol in (uapi.ETH_P_IP, uapi.ETH_P_IPV6) else None


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
                except OSError:
                    break  # EAGAIN: there are no more; ENETDOWN: a device has gone
                self.frames.append(CapturedFrame(view, device, kind == _socket.PACKET_OUTGOING, protocol, lladdr, data))

    def clear(self) -> None:
        """Forget what has been seen until now."""
        self.read()
        self.frames = []

    def close(self) -> None:
        """Close the sockets, all at the same time: for each of them the kernel waits for an RCU grace period (20 ms)."""
        threads = [Thread(target=sock.close) for _, sock in self.sockets.values()]
        self.sockets.clear()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _open() -> _socket.socket:
    kind = _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
    return _socket.socket(_socket.AF_PACKET, kind, _socket.htons(uapi.ETH_P_ALL))


def ports(packet: IpPacket) -> tuple[int, int] | None:
    """Return the destination port and the TCP flags of a packet (0 of UDP); None if it is neither TCP nor UDP."""
    least = {uapi.IPPROTO_TCP: 14, uapi.IPPROTO_UDP: 8}.get(packet.protocol)
    if least is None or len(packet.payload) < least:
        return None
    return int.from_bytes(packet.payload[2:4], "big"), packet.payload[13] if packet.protocol == uapi.IPPROTO_TCP else 0


def icmp_type(data: bytes, token: bytes) -> int | None:
    """Return the ICMP type of the echo message that carries a token, wherever it lies in a packet; None if there is none."""
    at = data.find(token)
    return data[at - 8] if at >= 8 else None


def resolves(frame: CapturedFrame, address: str) -> bool:
    """Return whether a frame asks for the link-layer address of an address: an ARP request or a neighbour solicitation."""
    packed, data = inet_pton(family_of(address), address), frame.data
    if frame.protocol == uapi.ETH_P_ARP:
        return data[6:8] == ARP_REQUEST.to_bytes(2, "big") and data[24:28] == packed
    solicits = frame.ip is not None and frame.ip.protocol == uapi.IPPROTO_ICMPV6 and frame.ip.payload[:1] == bytes([SOLICITATION])
    return solicits and data[48:64] == packed
