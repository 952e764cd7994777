"""ICMP and ICMPv6 echo, built by hand: `rawns.ping` for programs, and what `rawns ping` prints from (ping(8), icmp(7)).

Floor 6.  Three parts, and a loop that joins them::

    Session   when to send, when to give up, what an arrival means; is told the time and touches nothing (sans-IO)
    Line      the socket, datagram ICMP or raw, whichever the kernel allows: requests out, arrivals in
    Figures   what was counted and measured

A round trip ends when the kernel says that the reply came in (SO_TIMESTAMPNS), not when Python got to it.  What comes
in is anybody's: it counts only if it is whole, bears our identifier and answers a sequence number that was sent, and
the time it took is looked up in a table of our own, never in what the peer sent back.
"""

from __future__ import annotations

import _socket
import os
import select
from errno import EACCES, EAGAIN, EHOSTUNREACH, EMSGSIZE, ENETUNREACH, ENOBUFS, ENOMEM, EPERM
from struct import Struct
from time import monotonic_ns, time_ns

from . import packets, uapi
from .errors import InvalidValue, RawnsError, SyscallError, WireError
from .syscalls import perform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Optional, Union

    from .netns import Namespace

    Sockaddr = tuple[Any, ...]
    Event = Optional[Union["Reply", "Failure"]]

KEPT = 65536  # of one run, so many round trips and errors are remembered one by one; the sums go on
LARGEST = 0xFFFF - 8  # data bytes that could fit into a packet
RETRY = 10_000_000  # ns between requests that nothing paces, and before what found no room is sent again
HOUR = 3600 * 10**9
TIMEVAL, TIMESPEC = Struct("ll"), Struct("ll")

# <linux/in.h>, <linux/in6.h>, <asm-generic/socket.h>, <linux/icmp.h>: what Python's socket module does not have
IP_TTL, IP_RECVERR, IP_RECVTTL, IP_MULTICAST_TTL = 2, 11, 12, 33
IPV6_UNICAST_HOPS, IPV6_MULTICAST_HOPS, IPV6_RECVERR, IPV6_RECVHOPLIMIT, IPV6_HOPLIMIT = 16, 18, 25, 51, 52
SO_BINDTODEVICE, SO_TIMESTAMPNS, SOL_RAW, ICMP_FILTER = 25, 35, 255, 1
MSG_ERRQUEUE = 0x2000
EXTENDED_ERR = Struct("=IBBBBII")  # struct sock_extended_err (<linux/errqueue.h>), then the offender's sockaddr
LOCAL, BY_ICMP, BY_ICMP6 = 1, 2, 3  # SO_EE_ORIGIN_*


class Family:
    """What differs between IPv4 and IPv6: numbers, and where things stand in a packet."""

    def __init__(self, v6: bool) -> None:
        self.v6 = v6
        self.number, self.bits = (_socket.AF_INET6, 128) if v6 else (_socket.AF_INET, 32)
        self.protocol = packets.IPPROTO_ICMPV6 if v6 else packets.IPPROTO_ICMP
        self.level = _socket.IPPROTO_IPV6 if v6 else 0
        self.recverr, self.recvttl, self.ttl = (25, 51, 52) if v6 else (11, 12, 2)
        self.hops = (16, 18) if v6 else (2, 33)
        self.origin = BY_ICMP6 if v6 else BY_ICMP
        self.offender = Struct("=HHI16sI") if v6 else Struct("=HH4s")

