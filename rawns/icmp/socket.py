"""The ICMP sockets: requests out; replies and errors in (icmp(7), raw(7), RFC 792, RFC 4443).

An `IcmpSocket` is a datagram socket if net.ipv4.ping_group_range allows one, otherwise a raw socket, which needs
CAP_NET_RAW.  On a datagram socket the kernel sets the identifier and delivers only replies to it; a raw socket receives
every reply to this host.  Errors arrive in the socket's error queue (IP_RECVERR) on both.
"""

from __future__ import annotations

import _socket
import os
import sys
from errno import EACCES, EAGAIN, EINVAL, EMSGSIZE, EPERM
from struct import Struct
from time import monotonic_ns, time_ns

from .. import packets, sockets, uapi
from ..errors import SyscallError, WireError
from ..observer import observed_call
from ..sockets import MSG_ERRQUEUE, OPTIONS
from .session import EchoError, EchoReply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .session import Address, Arrival

# <linux/errqueue.h>
SO_EE_ORIGIN_LOCAL, SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6 = 1, 2, 3
SOCK_EXTENDED_ERR = Struct("=IBBBBII")  # ee_errno, ee_origin, ee_type, ee_code, ee_pad, ee_info, ee_data
TIMESPEC, INT = Struct("ll"), Struct("i")

MAX_PACKET_BYTES, MAX_ANCILLARY_BYTES = 0x10000 + 64, 512
PROBE_PORT = 1025  # of the connect(2) that looks up the route; nothing is sent

SOCKADDR_IN, SOCKADDR_IN6 = Struct("=HH4s"), Struct("=HHI16sI")
MC_SCOPE_LINK_LOCAL = 2  # RFC 4291, 2.7
NO_SCOPE = (
    "Warning: IPv6 link-local address on ICMP datagram socket may require ifname or scope-id"
    " => use: address%<ifname|scope-id>"
)  # ping prints this instead of the kernel's EINVAL
REMEDY = "run as root, inside `rawns rootless`, or with your group in the sysctl net.ipv4.ping_group_range"


class IcmpSocket:
    """A socket towards one address, in the network namespace in which the calling thread creates it.

    ``source`` is the address it sends from, ``raw`` says whether it is a raw socket.  Raises `SyscallError`: EPERM of
    socket if neither kind is allowed, ENETUNREACH or EHOSTUNREACH of connect if there is no route to the address.
    """

    family: int
    protocol: int
    recverr: str  # the option that requests errors, and the type of the control message that has one
    lifetime: str  # the type of the control message that has the time to live
    limits: tuple[str, str]  # the options that set the time to live: multicast, unicast
    origin: int
    names: tuple[str, str]
    wildcard: str
    colon: str  # between "mtu" and the number in the message of ping

    def __init__(self, address: Address, source: str = "", device: str = "", ttl: int | None = None, broadcast: bool = False):
        self.address = address
        self.ident = int.from_bytes(
            observed_call("getrandom", os.urandom, 2, format_args=lambda size: f"buffer, {size}, 0"), "big"
        )
        self.sock, self.raw = self._open()
        try:
            self._configure(ttl, broadcast)
            if device:
                _bind_device(self.sock, device)
            if source:
                sockets.bind(self.sock, (source, 0))
            self.source: str = source or self._route(device, broadcast)
        except BaseException:
            self.close()
            raise
        if address[0] == self.wildcard:  # `ping 0` pings this host
            self.address = (self.source, *address[1:])
        self.packed = _socket.inet_pton(self.family, self.address[0].partition("%")[0])
        self.many = broadcast or self.multicast()

    # -- what differs between IPv4 and IPv6 -----------------------------------------------------------------------

    def multicast(self) -> bool:
        """Return whether the address is a multicast one."""
        raise NotImplementedError

    def request(self, sequence: int, data: bytes) -> bytes:
        """Return an echo request for `send`."""
        raise NotImplementedError

    def _restrict(self) -> None:
        """Have a raw socket deliver only the types of message that are read here."""
        raise NotImplementedError

    def _ask_lifetime(self) -> None:
        raise NotImplementedError

    def _parse(self, data: bytes, source: Address, when: int, ttl: int) -> Arrival:
        """Parse a packet; return None if it is not for this socket.  Raises `WireError` or KeyError if it is malformed."""
        raise NotImplementedError

    def _about(self, data: bytes) -> int | None:
        """Return the sequence number of the request that an error quotes, None if it is not ours.  Raises as `_parse`."""
        raise NotImplementedError

    def _offender(self, sockaddr: bytes) -> Address:
        """Return the address of the host that sent an error."""
        raise NotImplementedError

    def _error(self, kind: int, code: int, info: int, sequence: int, source: Address) -> EchoError:
        raise NotImplementedError

    @property
    def delivers(self) -> str:
        """The protocol that a received packet begins with."""
        return self.names[1]

    # -- creation -------------------------------------------------------------------------------------------------

    def _open(self) -> tuple[_socket.socket, bool]:
        try:
            return sockets.socket(self.family, _socket.SOCK_DGRAM, self.protocol), False
        except SyscallError:  # as a rule EACCES: the group is not in the range
            pass
        try:
            return sockets.socket(self.family, _socket.SOCK_RAW, self.protocol), True
        except SyscallError as error:
            if error.errno not in (EPERM, EACCES):
                raise
            raise SyscallError(error.errno, error.call, error.arguments, REMEDY) from None

    def _configure(self, ttl: int | None, broadcast: bool) -> None:
        sockets.set_option(self.sock, self.recverr, 1)
        sockets.set_option(self.sock, "SO_TIMESTAMPNS", 1)
        self._ask_lifetime()
        if self.raw:
            self._restrict()
        if broadcast:
            sockets.set_option(self.sock, "SO_BROADCAST", 1)
        if ttl is not None:
            for option in self.limits:
                sockets.set_option(self.sock, option, ttl)

    def _route(self, device: str, broadcast: bool) -> str:
        """Return the address that the kernel would send from, found by connecting a UDP socket, which sends nothing."""
        probe = sockets.socket(self.family, _socket.SOCK_DGRAM)
        try:
            if device:
                _bind_device(probe, device)
            if broadcast:
                sockets.set_option(probe, "SO_BROADCAST", 1)
            sockets.connect(probe, (self.address[0], PROBE_PORT, *self.address[2:]))
            return str(sockets.getsockname(probe)[0])
        finally:
            sockets.close(probe)

    def close(self) -> None:
        """Close the socket.  Can be called again."""
        sockets.close(self.sock)

    # -- send, receive --------------------------------------------------------------------------------------------

    def send_failure(self, error: SyscallError) -> str:
        """Return the message of ping for an error of `send`."""
        return f"sendmsg: {error.strerror}"

    def send(self, request: bytes) -> None:
        """Send one request.  Raises `SyscallError`."""
        sockets.sendto(self.sock, request, self.address, self.names[1])

    def receive(self) -> Arrival:
        """Return the next packet if it is for this socket, else None.  Never blocks.  Raises `SyscallError`."""
        try:
            data, ancillary, _, source = sockets.recvmsg(self.sock, MAX_PACKET_BYTES, MAX_ANCILLARY_BYTES, 0, self.delivers)
        except SyscallError as error:
            if error.errno == EAGAIN:
                return None
            return self.failure()  # recvmsg reports the errno first, and the error itself stays in the queue
        clock, when, ttl = (
            time_ns(),
            monotonic_ns(),
            0,
        )  # in this order, a pause between the two calls cannot shorten the round trip
        for level, kind, value in ancillary:
            if (level, kind) == OPTIONS["SO_TIMESTAMPNS"] and len(value) >= TIMESPEC.size:
                seconds, nanoseconds = TIMESPEC.unpack_from(value)
                when -= max(0, clock - seconds * 10**9 - nanoseconds)  # the time in the socket's queue
            elif (level, kind) == OPTIONS[self.lifetime] and len(value) >= INT.size:
                ttl = INT.unpack_from(value)[0]
        try:
            return self._parse(data, source, when, ttl)
        except (WireError, KeyError):
            return None

    def failure(self) -> EchoError | None:
        """Return the next error of the queue if it concerns one of our requests, else None.  Never blocks."""
        try:
            data, ancillary, _, target = sockets.recvmsg(
                self.sock, MAX_PACKET_BYTES, MAX_ANCILLARY_BYTES, MSG_ERRQUEUE, self.names[1]
            )
        except OSError:
            return None
        for level, kind, value in ancillary:
            if (level, kind) == OPTIONS[self.recverr] and len(value) >= SOCK_EXTENDED_ERR.size:
                return self._explained(value, data, target)
        return None

    def _explained(self, value: bytes, data: bytes, target: Address) -> EchoError | None:
        number, origin, kind, code, _, info, _ = SOCK_EXTENDED_ERR.unpack_from(value)
        if origin == SO_EE_ORIGIN_LOCAL:
            message = f"message too long, mtu{self.colon}{info}" if number == EMSGSIZE else os.strerror(number)
            return EchoError(f"local error: {message}", 0, None, number)
        try:
            sequence = self._about(data) if origin == self.origin and target[:1] == self.address[:1] else None
        except (WireError, KeyError):
            return None
        if sequence is None:
            return None
        return self._error(kind, code, info, sequence, self._offender(value[SOCK_EXTENDED_ERR.size :]))


def _bind_device(sock: _socket.socket, device: str) -> None:
    sockets.set_option(sock, "SO_BINDTODEVICE", os.fsencode(device) + b"\0")


class Icmp4Socket(IcmpSocket):
    """A socket for ICMP."""

    family, protocol, names = _socket.AF_INET, uapi.IPPROTO_ICMP, ("AF_INET", "IPPROTO_ICMP")
    recverr, lifetime, limits = "IP_RECVERR", "IP_TTL", ("IP_MULTICAST_TTL", "IP_TTL")
    origin, wildcard, colon = SO_EE_ORIGIN_ICMP, "0.0.0.0", "="

    def multicast(self) -> bool:
        """Return whether the address is in 224.0.0.0/4."""
        return self.packed[0] >> 4 == 0xE

    def request(self, sequence: int, data: bytes) -> bytes:
        """Return an ICMP echo request."""
        return packets.echo_request(self.ident, sequence, data)

    @property
    def delivers(self) -> str:
        """The protocol that a received packet begins with."""
        return "IPPROTO_IP" if self.raw else self.names[1]

    def _restrict(self) -> None:
        wanted = 1 << uapi.ICMP_ECHOREPLY | 1 << uapi.ICMP_REDIRECT  # a bit that is set blocks the type
        sockets.set_option(self.sock, "ICMP_FILTER", (~wanted & 0xFFFFFFFF).to_bytes(4, sys.byteorder))

    def _ask_lifetime(self) -> None:
        sockets.set_option(self.sock, "IP_RECVTTL", 1)

    def _parse(self, data: bytes, source: Address, when: int, ttl: int) -> Arrival:
        start = 0
        if self.raw:  # begins with the IP header
            start = (data[:1] or b"\0")[0] % 16 * 4
            ttl = packets.decode(packets.IPV4, data)["ttl"]
        icmp = packets.decode(packets.ICMP, data[start:])
        corrupt = packets.checksum(data[start:]) != 0
        if icmp["type"] == uapi.ICMP_ECHOREPLY and self._ours(icmp):
            elsewhere = source[0] != self.address[0] and not self.many
            return EchoReply(icmp["un.echo.sequence"], source, icmp["data"], ttl, when, corrupt, elsewhere)
        if icmp["type"] == uapi.ICMP_REDIRECT and not corrupt and icmp["packet"]["daddr"] == self.packed:
            about = icmp["packet"]["packet"]
            if about["type"] == uapi.ICMP_ECHO and self._ours(about):
                info = int.from_bytes(icmp["un.gateway"], "big")
                return self._error(icmp["type"], icmp["code"], info, about["un.echo.sequence"], source)
        return None

    def _ours(self, icmp: dict[str, Any]) -> bool:
        return not self.raw or icmp["un.echo.id"] == self.ident

    def _about(self, data: bytes) -> int | None:
        icmp = packets.decode(packets.ICMP, data)
        sequence: int = icmp["un.echo.sequence"]
        return sequence if icmp["type"] == uapi.ICMP_ECHO and self._ours(icmp) else None

    def _offender(self, sockaddr: bytes) -> Address:
        if len(sockaddr) < SOCKADDR_IN.size:
            return self.address
        _, _, packed = SOCKADDR_IN.unpack_from(sockaddr)
        return (_socket.inet_ntop(self.family, packed), 0)

    def _error(self, kind: int, code: int, info: int, sequence: int, source: Address) -> EchoError:
        return EchoError(packets.words(kind, code, info), sequence, source, counted=kind != uapi.ICMP_REDIRECT)


def _is_link_local(packed: bytes) -> bool:
    """Return whether an IPv6 address is a link-local one, unicast (fe80::/10) or multicast (RFC 4291)."""
    if packed[0] == 0xFF:
        return packed[1] & 0xF == MC_SCOPE_LINK_LOCAL
    return packed[0] == 0xFE and packed[1] & 0xC0 == 0x80


class Icmp6Socket(IcmpSocket):
    """A socket for ICMPv6."""

    family, protocol, names = _socket.AF_INET6, uapi.IPPROTO_ICMPV6, ("AF_INET6", "IPPROTO_ICMPV6")
    recverr, lifetime, limits = "IPV6_RECVERR", "IPV6_HOPLIMIT", ("IPV6_MULTICAST_HOPS", "IPV6_UNICAST_HOPS")
    origin, wildcard, colon = SO_EE_ORIGIN_ICMP6, "", ": "

    def __init__(self, address: Address, source: str = "", device: str = "", ttl: int | None = None, broadcast: bool = False):
        index = observed_call("if_nametoindex", _socket.if_nametoindex, device) if device else 0
        self.local = _is_link_local(_socket.inet_pton(self.family, address[0].partition("%")[0]))
        if self.local and not address[3]:
            address = (*address[:3], index)
        super().__init__(address, source, device, ttl, broadcast)

    def _route(self, device: str, broadcast: bool) -> str:
        try:
            return super()._route(device, broadcast)
        except SyscallError:
            if self.local:  # a link-local address needs no route; without an interface the kernel chooses one for sendto(2)
                return "::"
            raise

    def send_failure(self, error: SyscallError) -> str:
        """Return the message of ping for an error of `send`."""
        lacks_interface = error.errno == EINVAL and self.local and not self.raw and not self.address[3]
        return NO_SCOPE if lacks_interface else super().send_failure(error)

    def multicast(self) -> bool:
        """Return whether the address is in ff00::/8."""
        return self.packed[0] == 0xFF

    def request(self, sequence: int, data: bytes) -> bytes:
        """Return an ICMPv6 echo request."""
        return packets.echo_request6(self.ident, sequence, data)

    def _restrict(self) -> None:
        blocked = [0xFFFFFFFF] * 8
        blocked[uapi.ICMPV6_ECHO_REPLY // 32] &= ~(1 << uapi.ICMPV6_ECHO_REPLY % 32)
        packed = b"".join(word.to_bytes(4, sys.byteorder) for word in blocked)
        sockets.set_option(self.sock, "ICMPV6_FILTER", packed)

    def _ask_lifetime(self) -> None:
        sockets.set_option(self.sock, "IPV6_RECVHOPLIMIT", 1)

    def _parse(self, data: bytes, source: Address, when: int, ttl: int) -> Arrival:
        icmp = packets.decode(packets.ICMP6, data)  # the kernel has checked the checksum
        if icmp["icmp6_type"] != uapi.ICMPV6_ECHO_REPLY or not self._ours(icmp):
            return None
        packed = _socket.inet_pton(self.family, source[0].partition("%")[0])
        elsewhere = packed != self.packed and not self.many
        return EchoReply(icmp["icmp6_sequence"], source, icmp["data"], ttl, when, False, elsewhere)

    def _ours(self, icmp: dict[str, Any]) -> bool:
        return not self.raw or icmp["icmp6_identifier"] == self.ident

    def _about(self, data: bytes) -> int | None:
        icmp = packets.decode(packets.ICMP6, data)
        sequence: int = icmp["icmp6_sequence"]
        return sequence if icmp["icmp6_type"] == uapi.ICMPV6_ECHO_REQUEST and self._ours(icmp) else None

    def _offender(self, sockaddr: bytes) -> Address:
        if len(sockaddr) < SOCKADDR_IN6.size:
            return self.address
        _, _, _, packed, scope = SOCKADDR_IN6.unpack_from(sockaddr)
        return (_socket.inet_ntop(self.family, packed), 0, 0, scope)

    def _error(self, kind: int, code: int, info: int, sequence: int, source: Address) -> EchoError:
        return EchoError(packets.words6(kind, code, info), sequence, source)
