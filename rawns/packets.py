"""Packets described as data: IPv4, IPv6, ICMP and ICMPv6 (RFC 791, 8200, 792, 4443).

The types are those of the netlink messages (`wire`), in network byte order, so that one
description encodes, decodes and names every byte.  The value of a packet is a dict of its header's C names
(`<linux/ip.h>`, `<netinet/ip6.h>`, `<linux/icmp.h>`, `<linux/icmpv6.h>`) and what follows the header:
``"options"``, and ``"data"`` (bytes) or ``"packet"`` (a packet of its own)::

    ICMP.unpack(data, 0, len(data), {}, None, ())
    {'type': 0, 'code': 0, 'checksum': 41222, 'un.echo.id': 7, 'un.echo.sequence': 1, 'data': b'...'}

What is too short for its header is a `DecodeError`; which variants of ICMP there are is a table to add rows to.
"""

from __future__ import annotations

from . import uapi
from .errors import DecodeError, WireError
from .wire import IP, RAW, U8, U16, U32, Raw, Scalar, Span, Struct, Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .wire import Buffer, Path, Trace

MAX_NESTED_PACKETS = 3  # packets in packets; an error never quotes an error, so what is deeper stays bytes


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071) of ``data``; 0 for data that contains its own checksum.

    65536 is 1 modulo 65535, so the sum of all 16-bit words with the carries added back is the remainder of the
    data read as one number; a remainder of 0 stands for 65535, unless all bytes are zero.
    """
    number = int.from_bytes(data + b"\0" if len(data) & 1 else data, "big")
    return ~(number % 0xFFFF or (0xFFFF if number else 0)) & 0xFFFF


# -- the types ------------------------------------------------------------------------------------------------------


class _Address(Raw):
    """An address inside a header: bytes, formatted as an address."""

    __slots__ = ()

    def format(self, value: Any) -> str:
        return IP.format(IP.unpack(value, 0, len(value), {}, None, ()))


class _Halves(Scalar):
    """IPv4's first byte: the version, and the length of the header in words of four bytes."""

    __slots__ = ()

    def format(self, value: Any) -> str:
        return f"version {value >> 4}, ihl {value & 15}"


class PacketLayout(Type):
    """A header; for IPv4 its options; then the packet that ``cases`` has for the header's field ``key``, or data."""

    __slots__ = ("header", "key", "cases")

    def __init__(self, header: Struct, key: str = "", cases: Mapping[int, Type] | None = None) -> None:
        self.header, self.key = header, key
        self.cases: Mapping[int, Type] = {} if cases is None else cases

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        fields = {key: one for key, one in value.items() if key not in ("options", "packet", "data")}
        pieces = [self.header.pack(fields, siblings), RAW.pack(value.get("options", b""), value)]
        kind = self.cases.get(value.get(self.key, 0))
        if "packet" in value:
            if kind is None:
                raise WireError(f"struct {self.header.name}: there is no packet inside this one")
            return b"".join([*pieces, kind.pack(value["packet"], value)])
        return b"".join([*pieces, RAW.pack(value.get("data", b""), value)])

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        values = self.header.unpack(data, start, min(end, start + self.header.size), siblings, trace, path)
        start = self._skip(values, data, start + self.header.size, end, trace, path)
        kind = self.cases.get(values.get(self.key, 0))
        if kind is not None and len(path) < MAX_NESTED_PACKETS:
            values["packet"] = kind.unpack(data, start, end, values, trace, (*path, "packet"))
        else:
            values["data"] = bytes(data[start:end])
            if trace is not None and start < end:
                trace.append(Span(start, end - start, (*path, "data"), RAW, values["data"]))
        return values

    def _skip(self, values: dict[Any, Any], data: Buffer, at: int, end: int, trace: Trace, path: Path) -> int:
        """Return the offset of the payload, behind IPv4's options (whose length is in the first byte, in words of four)."""
        if "version_ihl" not in values:
            return at
        size: int = (values["version_ihl"] & 15) * 4 - self.header.size
        if values["version_ihl"] >> 4 != 4 or size < 0 or at + size > end:
            raise DecodeError(
                f"{values['version_ihl']:#04x} is not the first byte of an IPv4 header, with {end - at} bytes behind the header"
            )
        values["options"] = bytes(data[at : at + size])
        if size and trace is not None:
            trace.append(Span(at, size, (*path, "options"), RAW, values["options"]))
        return at + size


class PacketUnion(Type):
    """A packet whose first byte says which variant it has (``struct icmphdr`` ends in a union); unknown ones have ``other``."""

    __slots__ = ("variants", "other")

    def __init__(self, variants: dict[int, PacketLayout], other: PacketLayout) -> None:
        self.variants, self.other = variants, other

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        first = value.get("type", value.get("icmp6_type"))
        return self.variants.get(first, self.other).pack(value, siblings)

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        variant = self.variants.get(data[start], self.other) if start < end else self.other
        return variant.unpack(data, start, end, siblings, trace, path)


# -- IP -------------------------------------------------------------------------------------------------------------

_PROTOCOL = Scalar("B", {uapi.IPPROTO_ICMP: "IPPROTO_ICMP", uapi.IPPROTO_ICMPV6: "IPPROTO_ICMPV6"})
_INSIDE: dict[int, Type] = {}  # by protocol; filled below, because ICMP's errors quote the packet they are about

IPV4 = PacketLayout(
    Struct(
        "iphdr",
        ("version_ihl", _Halves("B")),
        ("tos", U8),
        ("tot_len", U16),
        ("id", U16),
        ("frag_off", U16),
        ("ttl", U8),
        ("protocol", _PROTOCOL),
        ("check", U16),
        ("saddr", _Address(4)),
        ("daddr", _Address(4)),
        order="!",
        whole=True,
    ),
    "protocol",
    _INSIDE,
)
IPV6 = PacketLayout(
    Struct(
        "ip6_hdr",
        ("ip6_flow", U32),
        ("ip6_plen", U16),
        ("ip6_nxt", _PROTOCOL),
        ("ip6_hlim", U8),
        ("ip6_src", _Address(16)),
        ("ip6_dst", _Address(16)),
        order="!",
        whole=True,
    ),
    "ip6_nxt",
    _INSIDE,
)

# -- ICMP -----------------------------------------------------------------------------------------------------------

_TYPES = ("ECHOREPLY", "DEST_UNREACH", "SOURCE_QUENCH", "REDIRECT", "ECHO", "TIME_EXCEEDED", "PARAMETERPROB")
_TYPES6 = ("DEST_UNREACH", "PKT_TOOBIG", "TIME_EXCEED", "PARAMPROB", "ECHO_REQUEST", "ECHO_REPLY")


def _types(prefix: str, names: tuple[str, ...]) -> Scalar:
    return Scalar("B", {getattr(uapi, prefix + name): prefix + name for name in names})


_ICMP = (("type", _types("ICMP_", _TYPES)), ("code", U8), ("checksum", U16))
_ICMP6 = (("icmp6_type", _types("ICMPV6_", _TYPES6)), ("icmp6_code", U8), ("icmp6_cksum", U16))


# C has one struct with a union at its end, and no name for each of its variants.  The comment in the name tells them apart;
# the compiler that checks them (tests/unit/test_abi.py) ignores it.
def _variant(of: str, *members: tuple[str, Scalar | Raw]) -> Struct:
    return Struct(f"icmphdr /* {of} */", *_ICMP, *members, order="!", whole=True)


def _variant6(of: str, *members: tuple[str, Scalar | Raw]) -> Struct:
    return Struct(f"icmp6hdr /* {of} */", *_ICMP6, *members, order="!", whole=True)


def _about(header: Struct, quoted: PacketLayout) -> PacketLayout:
    """Return the layout of an error: its header, then the beginning of the packet that it is about."""
    return PacketLayout(header, cases={0: quoted})


ECHO = PacketLayout(_variant("echo", ("un.echo.id", U16), ("un.echo.sequence", U16)))
ECHO6 = PacketLayout(_variant6("echo", ("icmp6_identifier", U16), ("icmp6_sequence", U16)))
_OTHER = PacketLayout(_variant("other", ("un", Raw(4))))
_OTHER6 = PacketLayout(_variant6("other", ("icmp6_dataun", Raw(4))))

ICMP = PacketUnion(
    {
        uapi.ICMP_ECHO: ECHO,
        uapi.ICMP_ECHOREPLY: ECHO,
        uapi.ICMP_DEST_UNREACH: _about(_variant("frag", ("un.frag.__unused", U16), ("un.frag.mtu", U16)), IPV4),
        uapi.ICMP_TIME_EXCEEDED: _about(_OTHER.header, IPV4),
        uapi.ICMP_PARAMETERPROB: _about(_OTHER.header, IPV4),
        uapi.ICMP_SOURCE_QUENCH: _about(_OTHER.header, IPV4),
        uapi.ICMP_REDIRECT: _about(_variant("gateway", ("un.gateway", _Address(4))), IPV4),
    },
    _OTHER,
)
ICMP6 = PacketUnion(
    {
        uapi.ICMPV6_ECHO_REQUEST: ECHO6,
        uapi.ICMPV6_ECHO_REPLY: ECHO6,
        uapi.ICMPV6_DEST_UNREACH: _about(_OTHER6.header, IPV6),
        uapi.ICMPV6_PKT_TOOBIG: _about(_variant6("mtu", ("icmp6_mtu", U32)), IPV6),
        uapi.ICMPV6_TIME_EXCEED: _about(_OTHER6.header, IPV6),
        uapi.ICMPV6_PARAMPROB: _about(_variant6("pointer", ("icmp6_pointer", U32)), IPV6),
    },
    _OTHER6,
)
_INSIDE.update({uapi.IPPROTO_ICMP: ICMP, uapi.IPPROTO_ICMPV6: ICMP6})

PROTOCOLS: dict[str, Type] = {"IPPROTO_IP": IPV4, "IPPROTO_ICMP": ICMP, "IPPROTO_ICMPV6": ICMP6}  # by name of `Event.protocol`


# -- as text, in the words of ping(8) ------------------------------------------------------------------------------------

_UNREACH = {
    uapi.ICMP_NET_UNREACH: "Destination Net Unreachable",
    uapi.ICMP_HOST_UNREACH: "Destination Host Unreachable",
    uapi.ICMP_PROT_UNREACH: "Destination Protocol Unreachable",
    uapi.ICMP_PORT_UNREACH: "Destination Port Unreachable",
    uapi.ICMP_SR_FAILED: "Source Route Failed",
    uapi.ICMP_NET_UNKNOWN: "Destination Net Unknown",
    uapi.ICMP_HOST_UNKNOWN: "Destination Host Unknown",
    uapi.ICMP_HOST_ISOLATED: "Source Host Isolated",
    uapi.ICMP_NET_ANO: "Destination Net Prohibited",
    uapi.ICMP_HOST_ANO: "Destination Host Prohibited",
    uapi.ICMP_NET_UNR_TOS: "Destination Net Unreachable for Type of Service",
    uapi.ICMP_HOST_UNR_TOS: "Destination Host Unreachable for Type of Service",
    uapi.ICMP_PKT_FILTERED: "Packet filtered",
    uapi.ICMP_PREC_VIOLATION: "Precedence Violation",
    uapi.ICMP_PREC_CUTOFF: "Precedence Cutoff",
}
_REDIRECT = ("Network", "Host", "Type of Service and Network", "Type of Service and Host")  # by code
_EXCEEDED = {uapi.ICMP_EXC_TTL: "Time to live exceeded", uapi.ICMP_EXC_FRAGTIME: "Frag reassembly time exceeded"}
_UNREACH6 = (
    "No route",
    "Administratively prohibited",
    "Beyond scope of source address",
    "Address unreachable",
    "Port unreachable",
    "Source address failed ingress/egress policy",
    "Reject route to destination",
)
_EXCEEDED6 = {uapi.ICMPV6_EXC_HOPLIMIT: "Hop limit", uapi.ICMPV6_EXC_FRAGTIME: "Defragmentation failure"}
_PROBLEM6 = ("Wrong header field", "Unknown header", "Unknown option")  # by code


def words(kind: int, code: int, info: int) -> str:
    """Return the text for an ICMP error, from its type, its code and the number after them (RFC 792)."""
    if kind == uapi.ICMP_DEST_UNREACH:
        if code == uapi.ICMP_FRAG_NEEDED:
            return f"Frag needed and DF set (mtu = {info})"
        return _UNREACH.get(code, f"Dest Unreachable, Bad Code: {code}")
    if kind == uapi.ICMP_REDIRECT:
        what = f"Redirect {_REDIRECT[code]}" if code < len(_REDIRECT) else f"Redirect, Bad Code: {code}"
        return f"{what}(New nexthop: {IP.unpack(info.to_bytes(4, 'big'), 0, 4, {}, None, ())})"
    if kind == uapi.ICMP_TIME_EXCEEDED:
        return _EXCEEDED.get(code, f"Time exceeded, Bad Code: {code}")
    if kind == uapi.ICMP_PARAMETERPROB:
        return f"Parameter problem: pointer = {info}"
    return "Source Quench" if kind == uapi.ICMP_SOURCE_QUENCH else f"Bad ICMP type: {kind}"


def words6(kind: int, code: int, info: int) -> str:
    """Return the text for an ICMPv6 error, from its type, its code and the number after them (RFC 4443)."""
    if kind == uapi.ICMPV6_DEST_UNREACH:
        return f"Destination unreachable: {_UNREACH6[code] if code < len(_UNREACH6) else f'Unknown code {code}'}"
    if kind == uapi.ICMPV6_PKT_TOOBIG:
        return f"Packet too big: mtu={info}" + (f", code={code}" if code else "")
    if kind == uapi.ICMPV6_TIME_EXCEED:
        return f"Time exceeded: {_EXCEEDED6.get(code, f'code {code}')}"
    if kind == uapi.ICMPV6_PARAMPROB:
        return f"Parameter problem: {_PROBLEM6[code] if code < len(_PROBLEM6) else f'code {code}'} at {info}"
    return f"unknown icmp type: {kind}"


# -- encoding and decoding -------------------------------------------------------------------------------------------------


def echo_request(ident: int, sequence: int, data: bytes) -> bytes:
    """Return an ICMP echo request with its checksum.  Raises `WireError` if a number has more than 16 bits."""
    value = {"type": uapi.ICMP_ECHO, "un.echo.id": ident, "un.echo.sequence": sequence, "data": data}
    return ICMP.pack({**value, "checksum": checksum(ICMP.pack(value, {}))}, {})


def echo_request6(ident: int, sequence: int, data: bytes) -> bytes:
    """Return an ICMPv6 echo request.  Its checksum covers both addresses; the kernel fills it in."""
    value = {"icmp6_type": uapi.ICMPV6_ECHO_REQUEST, "icmp6_identifier": ident, "icmp6_sequence": sequence, "data": data}
    return ICMP6.pack(value, {})


def decode(kind: Type, data: Buffer, trace: Trace = None) -> dict[str, Any]:
    """Return the value of ``data`` as `IPV4`, `IPV6`, `ICMP` or `ICMP6`, and add a `Span` for every byte to ``trace``.

    Raises `DecodeError` if it is too short for the headers it claims to have.
    """
    value: dict[str, Any] = kind.unpack(data, 0, len(data), {}, trace, ())
    return value
