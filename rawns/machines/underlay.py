"""The network between the machines, examined on one of them: routes, MTUs, echo requests, and the tunnels' frames that arrive."""

from __future__ import annotations

import socket

from .. import icmp, uapi
from ..diagnose.capture import BUFFER_BYTES, IpPacket
from ..errors import RawnsError
from ..icmp.session import EchoSession
from ..net import NetNS
from ..nft.evaluate import Packet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

UDP_PORT = 4789  # of VXLAN
IP_MTU, IPV6_MTU = 14, 24  # <linux/in.h>, <linux/in6.h>
PMTUDISC_PROBE = 3  # IP_PMTUDISC_PROBE, IPV6_PMTUDISC_PROBE: never fragment, and send longer packets than the known MTU too
DISCOVER = {socket.AF_INET: (socket.IPPROTO_IP, 10), socket.AF_INET6: (socket.IPPROTO_IPV6, 23)}  # IP_MTU_DISCOVER
HEADERS = {socket.AF_INET: 28, socket.AF_INET6: 48}  # bytes of IP and ICMP
UDP_HEADER, VXLAN_HEADER = 8, 8
ATTEMPTS, INTERVAL, TIMEOUT = 3, 200_000_000, 1_000_000_000  # echo requests; nanoseconds
MAX_FRAMES = 10_000  # that are looked at


def mtus(local: str, peers: Iterable[str]) -> dict[str, int]:
    """Return the MTU of the route to each of the other machines.  Raises `RawnsError` if there is none."""
    found = {}
    for peer in peers:
        family = _family(peer)
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((local, 0))
            except OSError as error:
                raise RawnsError(f"{local} is not an address of this machine: {error.strerror}") from None
            try:
                probe.connect((peer, UDP_PORT))
            except OSError as error:
                raise RawnsError(f"it has no route to {peer}: {error.strerror}") from None
            level, option = (socket.IPPROTO_IPV6, IPV6_MTU) if family == socket.AF_INET6 else (socket.IPPROTO_IP, IP_MTU)
            found[peer] = probe.getsockopt(level, option)
    return found


def reach(peer: str, size: int) -> str:
    """Send echo requests of so many bytes (headers included) that may not be fragmented; return why there is no answer, or ''."""
    family = _family(peer)
    sock = icmp.connect(peer, family)
    try:
        sock.sock.setsockopt(*DISCOVER[socket.AF_INET6 if family == socket.AF_INET6 else socket.AF_INET], PMTUDISC_PROBE)
        session = EchoSession(ATTEMPTS, INTERVAL, TIMEOUT, patient=True)
        reason = "no answer to an echo request"
        for arrival in icmp.run(sock, session, max(size - HEADERS[socket.AF_INET6 if ":" in peer else socket.AF_INET], 0)):
            if isinstance(arrival, icmp.EchoReply):
                return ""
            reason = str(arrival)
        return reason
    finally:
        sock.close()


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class UnderlayWatch:
    """Sees the tunnels' frames that come from another machine, before this machine's firewall does."""

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, socket.htons(uapi.ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)

    def close(self) -> dict[str, Any]:
        """Return the numbers (VNI) of the tunnels whose frames have arrived, and the rule that drops them, if there is one."""
        arrived: set[int] = set()
        device = destination = ""
        for _ in range(MAX_FRAMES):
            try:
                data, (name, _, kind, _, _) = self._socket.recvfrom(2048)
            except OSError:
                break  # EAGAIN: there are no more
            packet = IpPacket.parse(data) if kind == socket.PACKET_HOST else None
            if packet is not None and packet.source == self.peer and packet.protocol == socket.IPPROTO_UDP:
                payload = packet.payload
                if len(payload) >= UDP_HEADER + VXLAN_HEADER and int.from_bytes(payload[2:4], "big") == UDP_PORT:
                    arrived.add(int.from_bytes(payload[UDP_HEADER + 4 : UDP_HEADER + 7], "big"))
                    device = name
                    destination = socket.inet_ntop(socket.AF_INET, data[16:20]) if ":" not in self.peer else ""
        self._socket.close()
        dropped = self._dropped(device, destination) if device and destination else ""
        return {"arrived": sorted(arrived), "dropped": dropped}

    def _dropped(self, device: str, destination: str) -> str:
        """Return what of this machine's nftables drops such a packet; empty if nothing does, or it cannot be told."""
        packet = Packet(self.peer, destination, iif=device, protocol="udp", port=UDP_PORT, state="new")
        try:
            with NetNS.current() as here:
                for hook in ("prerouting", "input"):
                    found = here.net.nft.evaluate(packet, hook)
                    if found.verdict in ("drop", "reject"):
                        return f"{found.rule or 'policy'} in {found.chain}"
        except RawnsError:
            pass  # a kernel without nf_tables
        return ""
