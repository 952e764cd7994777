"""The tunnels' frames that arrive on a machine from another one, and the rule there that drops them."""

from __future__ import annotations

import socket

from .. import uapi
from ..diagnose.capture import BUFFER_BYTES, IpPacket
from ..errors import RawnsError
from ..net import NetNS
from ..nft.evaluate import Packet
from .underlay import UDP_PORT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

UDP_HEADER, VXLAN_HEADER = 8, 8
MAX_FRAMES = 10_000  # that are looked at


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
