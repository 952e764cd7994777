"""Rules of nf_tables as text, close to the language of nft(8): for messages, not to be read back.

An expression that has no text here is shown by its name: ``lookup``, ``limit``.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop

from .. import uapi
from ..wire import U32
from .statements import CT_STATES, PROTOCOLS, VERDICTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .statements import NftStatement, Selector

OPERATIONS = {
    uapi.NFT_CMP_NEQ: "!= ",
    uapi.NFT_CMP_LT: "< ",
    uapi.NFT_CMP_LTE: "<= ",
    uapi.NFT_CMP_GT: "> ",
    uapi.NFT_CMP_GTE: ">= ",
}
_BASES = {
    uapi.NFT_PAYLOAD_LL_HEADER: "@ll",
    uapi.NFT_PAYLOAD_NETWORK_HEADER: "@nh",
    uapi.NFT_PAYLOAD_TRANSPORT_HEADER: "@th",
    uapi.NFT_PAYLOAD_INNER_HEADER: "@ih",
}
_IPV4, _IPV6 = {12: ("ip saddr", 4), 16: ("ip daddr", 4)}, {8: ("ip6 saddr", 16), 24: ("ip6 daddr", 16)}
ADDRESSES = {uapi.NFPROTO_IPV4: _IPV4, uapi.NFPROTO_IPV6: _IPV6}  # by offset in the header
PORTS = {0: "th sport", 2: "th dport"}
FAMILIES = {uapi.NFPROTO_IPV4: "ipv4", uapi.NFPROTO_IPV6: "ipv6"}
PROTOCOL_NAMES = {number: name for name, number in PROTOCOLS.items()} | {uapi.IPPROTO_ICMPV6: "ipv6-icmp"}
META = {
    getattr(uapi, f"NFT_META_{key}"): word
    for key, word in {
        "IIFNAME": "iifname",
        "OIFNAME": "oifname",
        "IIF": "iif",
        "OIF": "oif",
        "MARK": "meta mark",
        "PROTOCOL": "meta protocol",
        "IFTYPE": "iiftype",
        "PKTTYPE": "meta pkttype",
        "OIFTYPE": "oiftype",
        "NFPROTO": "meta nfproto",
        "L4PROTO": "meta l4proto",
        "SKUID": "meta skuid",
        "SKGID": "meta skgid",
        "IIFGROUP": "iifgroup",
        "OIFGROUP": "oifgroup",
    }.items()
}


def format_statements(statements: Sequence[NftStatement], family: int = 0) -> str:
    """Return the statements of a rule as text; ``family`` (NFPROTO_*) is that of its table."""
    protocol = ("meta", uapi.NFT_META_NFPROTO)
    compared = [statement.values[2] for statement in statements if statement.kind == "cmp" and statement.values[0] == protocol]
    network = compared[0][0] if compared and compared[0] else family  # in a table of family inet a statement says it
    return " ".join(format_statement(statement, network) for statement in statements)


def format_statement(statement: NftStatement, family: int = 0) -> str:
    """Return one statement as text; ``family`` (NFPROTO_*) says what the network header is."""
    word, values = statement.kind, statement.values
    if word == "cmp" and len(values) == 3:
        return _format_comparison(family, *values)
    if word == "verdict":
        return f"{VERDICTS.get(values[0], values[0])} {values[1]}".strip()
    if word == "masq" and not values[0]:
        return "masquerade"
    if word == "set" and isinstance(values[1], bytes):
        subject = META.get(values[0][1], f"meta {values[0][1]}") if values[0][0] == "meta" else f"ct {values[0][1]}"
        return f"{subject} set {_format_number(values[1])}"
    if word == "nat" and len(values) == 4:
        return _format_nat(*values)
    if word == "lookup":
        return f"in @{values[0].get('NFTA_LOOKUP_SET', '?')}"
    if word in ("match", "target"):
        return f"{word} {values[0].get(f'NFTA_{word.upper()}_NAME', '?')}"
    return word


LOCAL = uapi.NFT_FIB_RESULT_ADDRTYPE, uapi.NFTA_FIB_F_DADDR
_RTN_LOCAL, _DNAT = U32.pack(uapi.RTN_LOCAL, {}), U32.pack(uapi.IPS_DST_NAT, {})


def _format_comparison(family: int, selector: Selector, operation: int, value: bytes) -> str:
    mask = b"\xff" * len(value)
    if selector[0] == "&":
        if selector[1] == ("ct", uapi.NFT_CT_STATE) and operation == uapi.NFT_CMP_NEQ and not any(value):
            return f"ct state {_format_states(selector[2])}"
        if selector[1] == ("ct", uapi.NFT_CT_STATUS) and selector[2] == _DNAT and operation == uapi.NFT_CMP_NEQ:
            return "ct status dnat"
        _, selector, mask = selector
    sign = OPERATIONS.get(operation, "")
    if selector[0] == "payload":
        return _format_payload(ADDRESSES.get(family, {**_IPV4, **_IPV6}), selector, sign, value, mask)
    if selector[0] == "fib":
        what = "daddr type local" if (selector[1:], value) == (LOCAL, _RTN_LOCAL) else f"{selector[1]} {_format_number(value)}"
        return f"fib {sign}{what}"
    if selector[0] == "ct":
        name = "ct state" if selector[1] == uapi.NFT_CT_STATE else f"ct {selector[1]}"
        return f"{name} {sign}{_format_states(value) if name == 'ct state' else _format_number(value)}"
    name, bits = (
        META.get(selector[1], f"meta {selector[1]}"),
        "" if mask == b"\xff" * len(value) else f" & {_format_number(mask)}",
    )
    return f"{name}{bits} {sign}{_format_meta(selector[1], value)}"


def _format_meta(key: int, value: bytes) -> str:
    if key in (uapi.NFT_META_IIFNAME, uapi.NFT_META_OIFNAME):
        cut = value.rstrip(b"\0")  # without its end it is a prefix of names
        return f'"{ascii(cut.decode("utf-8", "surrogateescape"))[1:-1]}{"" if len(value) == uapi.IFNAMSIZ else "*"}"'
    names = {uapi.NFT_META_NFPROTO: FAMILIES, uapi.NFT_META_L4PROTO: PROTOCOL_NAMES}.get(key, {})
    return names.get(value[0], str(value[0])) if names and value else _format_number(value)


def _format_states(mask: bytes) -> str:
    number = int(_format_number(mask), 0)
    return ",".join(name for name, bit in CT_STATES.items() if number & bit) or str(number)


def _format_number(value: bytes) -> str:
    """Return four bytes as a number in the machine's byte order, other sizes as hex."""
    return f"{U32.unpack(value, 0, 4, {}, None, ()):#x}" if len(value) == 4 else f"0x{value.hex() or 0}"


def _format_payload(addresses: dict[int, tuple[str, int]], selector: Selector, sign: str, value: bytes, mask: bytes) -> str:
    """Return a comparison of bytes of a header, by the name of the field if they are one, or its first part."""
    _, base, offset, length = selector
    whole = len(value) == len(mask) == length
    if base == uapi.NFT_PAYLOAD_NETWORK_HEADER and offset in addresses and whole:
        name, size = addresses[offset]
        prefix = bin(int.from_bytes(mask, "big")).count("1")
        if length <= size and mask == ((1 << length * 8) - (1 << length * 8 - prefix)).to_bytes(length, "big"):
            address = inet_ntop(AF_INET if size == 4 else AF_INET6, value.ljust(size, b"\0"))
            return f"{name} {sign}{address}" + (f"/{prefix}" if prefix < size * 8 else "")
    if base == uapi.NFT_PAYLOAD_TRANSPORT_HEADER and offset in PORTS and whole and mask == b"\xff\xff":
        return f"{PORTS[offset]} {sign}{int.from_bytes(value, 'big')}"
    if base == uapi.NFT_PAYLOAD_NETWORK_HEADER and (offset, length) == (9, 1) and whole:
        return f"ip protocol {sign}{PROTOCOL_NAMES.get(value[0], value[0])}"
    bits = "" if mask == b"\xff" * len(mask) else f" & 0x{mask.hex()}"
    return f"{_BASES.get(base, base)},{offset * 8},{length * 8}{bits} {sign}0x{value.hex() or 0}"


def _format_nat(kind: int, family: int, address: Any, port: Any) -> str:
    word = {uapi.NFT_NAT_SNAT: "snat", uapi.NFT_NAT_DNAT: "dnat"}.get(kind, "nat")
    to = ""
    if isinstance(address, bytes) and len(address) in (4, 16):
        to = inet_ntop(AF_INET if len(address) == 4 else AF_INET6, address)
        to = f"[{to}]" if ":" in to and port else to
    if isinstance(port, bytes):
        to += f":{int.from_bytes(port, 'big')}"
    return f"{word} {'ip6' if family == uapi.NFPROTO_IPV6 else 'ip'} to {to or '?'}"
