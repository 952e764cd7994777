"""The network between the machines, examined on one of them: routes, MTUs and echo requests."""

from __future__ import annotations

import socket

from ..errors import RawnsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

UDP_PORT = 4789  # of VXLAN
IP_MTU, IPV6_MTU = 14, 24  # <linux/in.h>, <linux/in6.h>
PMTUDISC_PROBE = 3  # IP_PMTUDISC_PROBE, IPV6_PMTUDISC_PROBE: never fragment, and send longer packets than the known MTU too
DISCOVER = {socket.AF_INET: (socket.IPPROTO_IP, 10), socket.AF_INET6: (socket.IPPROTO_IPV6, 23)}  # IP_MTU_DISCOVER
HEADERS = {socket.AF_INET: 28, socket.AF_INET6: 48}  # bytes of IP and ICMP
ATTEMPTS, INTERVAL, TIMEOUT = 3, 200_000_000, 1_000_000_000  # echo requests; nanoseconds


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
    from .. import icmp
    from ..icmp.session import EchoSession

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
