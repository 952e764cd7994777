"""Requests that create tables, chains and rules of nf_tables, and the expressions that rules consist of (nft(8)).

A rule passes values in registers: an expression loads one, the next compares it.  The functions that compare return both.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6

from .. import uapi
from ..errors import InvalidValue
from ..nlmsg import Request
from ..terminal import short_repr
from ..wire import U32
from . import messages as nft_messages
from .records import FAMILIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from ..objects.prefix import Prefix

    Body = dict[str, Any]

SOURCE, DESTINATION = "source", "destination"
_NFPROTO = {AF_INET: uapi.NFPROTO_IPV4, AF_INET6: uapi.NFPROTO_IPV6}
_ETHERTYPE = {AF_INET: uapi.ETH_P_IP, AF_INET6: uapi.ETH_P_IPV6}
_OFFSETS = {(AF_INET, SOURCE): 12, (AF_INET, DESTINATION): 16, (AF_INET6, SOURCE): 8, (AF_INET6, DESTINATION): 24}
MAX_DEVICES = 256  # NFT_NETDEVICE_MAX of the kernel: devices of one chain of the netdev family


# -- tables, chains, rules ------------------------------------------------------------------------------------------------


def check_table(name: str) -> str:
    """Return ``name`` if it can name a table: 1 to 255 bytes.  Raises `InvalidValue`."""
    return _text(name, uapi.NFT_NAME_MAXLEN, "name a table") if name != "" else _text("\0", 0, "name a table")


def check_comment(text: str, what: str) -> str:
    """Return ``text`` if it can be a comment: at most 127 bytes.  Raises `InvalidValue`."""
    return _text(text, nft_messages.COMMENT.limit, what)


def _text(text: str, limit: int, what: str) -> str:
    try:
        fits = isinstance(text, str) and "\0" not in text and len(text.encode("utf-8", "surrogateescape")) < limit
    except UnicodeEncodeError:
        fits = False
    if not fits:
        raise InvalidValue(f"{short_repr(text)} cannot {what}: it has at most {limit - 1} bytes, none of them NUL")
    return text


def new_table(name: str, comment: str = "", family: int = uapi.NFPROTO_INET) -> Request:
    """Create a table, or do nothing if it exists: ``nft add table FAMILY NAME``."""
    fields: Body = {"nfgen_family": family, "NFTA_TABLE_NAME": check_table(name), "NFTA_TABLE_FLAGS": 0}
    if comment:
        fields["NFTA_TABLE_USERDATA"] = {"comment": check_comment(comment, "be a table's comment")}
    return Request(nft_messages.NEWTABLE, fields, uapi.NLM_F_CREATE, f"table {FAMILIES[family]} {name}")


def delete_table(name: str, family: int = uapi.NFPROTO_INET) -> Request:
    """Delete a table and all that is in it; to be sent as a transaction: ``nft delete table FAMILY NAME``."""
    fields = {"nfgen_family": family, "NFTA_TABLE_NAME": check_table(name)}
    return Request(nft_messages.DELTABLE, fields, 0, f"table {FAMILIES[family]} {name}")


def fresh_table(name: str, comment: str = "", family: int = uapi.NFPROTO_INET) -> list[Request]:
    """Return requests after which a table exists and is empty, whatever it held before."""
    known = new_table(name, comment, family)
    return [known, delete_table(name, family), known]  # a table that does not exist cannot be deleted


def base_chain(
    table: str,
    name: str,
    hook: int,
    priority: int,
    *,
    kind: str = "filter",
    family: int = uapi.NFPROTO_INET,
    devices: Sequence[str] = (),
    policy: int = uapi.NF_ACCEPT,
) -> Request:
    """Create a chain that the kernel calls at a hook; one of the netdev family is bound to ``devices`` (at most 256)."""
    place: Body = {"NFTA_HOOK_HOOKNUM": hook, "NFTA_HOOK_PRIORITY": priority}
    if devices:
        place["NFTA_HOOK_DEVS"] = {"NFTA_DEVICE_NAME": list(devices)}
    fields = {
        "nfgen_family": family,
        "NFTA_CHAIN_TABLE": table,
        "NFTA_CHAIN_NAME": name,
        "NFTA_CHAIN_TYPE": kind,
        "NFTA_CHAIN_POLICY": policy,
        "NFTA_CHAIN_HOOK": place,
    }
    return Request(nft_messages.NEWCHAIN, fields, uapi.NLM_F_CREATE, f"chain {FAMILIES[family]} {table} {name}")


def new_rule(
    table: str, chain: str, expressions: Iterable[Body], context: str, *, comment: str = "", family: int = uapi.NFPROTO_INET
) -> Request:
    """Append a rule to a chain: ``nft add rule FAMILY TABLE CHAIN ...``."""
    fields: Body = {
        "nfgen_family": family,
        "NFTA_RULE_TABLE": table,
        "NFTA_RULE_CHAIN": chain,
        "NFTA_RULE_EXPRESSIONS": {"NFTA_LIST_ELEM": list(expressions)},
    }
    if comment:
        fields["NFTA_RULE_USERDATA"] = {"comment": check_comment(comment, "be a rule's comment")}
    return Request(nft_messages.NEWRULE, fields, uapi.NLM_F_CREATE | uapi.NLM_F_APPEND, context)


# -- expressions ------------------------------------------------------------------------------------------------------------


def expression(name: str, **data: Any) -> Body:
    """Return an expression with its attributes by their C names."""
    return {"NFTA_EXPR_NAME": name, "NFTA_EXPR_DATA": data}


def compare(value: bytes, operation: int = uapi.NFT_CMP_EQ) -> Body:
    """Compare the first register with a value: NFT_CMP_*."""
    data = {"NFTA_DATA_VALUE": value}
    return expression("cmp", NFTA_CMP_SREG=uapi.NFT_REG_1, NFTA_CMP_OP=operation, NFTA_CMP_DATA=data)


def meta(key: str, value: bytes, operation: int = uapi.NFT_CMP_EQ) -> list[Body]:
    """Compare a property of the packet that is not in its bytes: NFT_META_*."""
    number = getattr(uapi, f"NFT_META_{key}")
    return [expression("meta", NFTA_META_KEY=number, NFTA_META_DREG=uapi.NFT_REG_1), compare(value, operation)]


def interface(key: str, name: str) -> list[Body]:
    """Compare the name of an interface: ``iifname`` (IIFNAME) or ``oifname`` (OIFNAME)."""
    return meta(key, name.encode("utf-8", "surrogateescape").ljust(uapi.IFNAMSIZ, b"\0"))


def payload(base: int, offset: int, size: int) -> Body:
    """Load bytes of a header into the first register."""
    return expression(
        "payload",
        NFTA_PAYLOAD_DREG=uapi.NFT_REG_1,
        NFTA_PAYLOAD_BASE=base,
        NFTA_PAYLOAD_OFFSET=offset,
        NFTA_PAYLOAD_LEN=size,
    )


def masked(mask: bytes) -> Body:
    """Keep some bits of the first register."""
    values = [{"NFTA_DATA_VALUE": value} for value in (mask, bytes(len(mask)))]
    return expression(
        "bitwise",
        NFTA_BITWISE_SREG=uapi.NFT_REG_1,
        NFTA_BITWISE_DREG=uapi.NFT_REG_1,
        NFTA_BITWISE_LEN=len(mask),
        NFTA_BITWISE_MASK=values[0],
        NFTA_BITWISE_XOR=values[1],
    )


def ip_family(family: int) -> list[Body]:
    """Compare the family of the packet, AF_INET or AF_INET6: ``meta nfproto ipv4``."""
    return meta("NFPROTO", bytes([_NFPROTO[family]]))


def ethertype(family: int) -> list[Body]:
    """Compare the family of the packet where frames are seen, in tables of the netdev family: ``meta protocol ip``."""
    return meta("PROTOCOL", _ETHERTYPE[family].to_bytes(2, "big"))


def in_network(which: str, network: Prefix) -> list[Body]:
    """Compare the network of an address, as `nft` does: whole bytes, or if it ends within one, masked bits of all bytes.

    ``which`` is `SOURCE` or `DESTINATION`.  The family of the packet must have been compared before.
    """
    address, length = network.packed, network.length
    if not length:
        return []
    size = length // 8 if length % 8 == 0 else len(address)
    steps = [payload(uapi.NFT_PAYLOAD_NETWORK_HEADER, _OFFSETS[network.family, which], size)]
    if length % 8:
        steps.append(masked(network.mask.to_bytes(size, "big")))
    return [*steps, compare(address[:size])]


def destination_port(first: int, last: int | None = None) -> list[Body]:
    """Compare the destination port of TCP, UDP or SCTP with one port, or with a range."""
    load = payload(uapi.NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2)
    if last is None or last == first:
        return [load, compare(first.to_bytes(2, "big"))]
    limits = (first, uapi.NFT_CMP_GTE), (last, uapi.NFT_CMP_LTE)
    return [load, *[compare(port.to_bytes(2, "big"), operation) for port, operation in limits]]


def local_destination() -> list[Body]:
    """Compare the type of the destination: an address of this machine: ``fib daddr type local``."""
    load = expression(
        "fib",
        NFTA_FIB_DREG=uapi.NFT_REG_1,
        NFTA_FIB_RESULT=uapi.NFT_FIB_RESULT_ADDRTYPE,
        NFTA_FIB_FLAGS=uapi.NFTA_FIB_F_DADDR,
    )
    return [load, compare(U32.pack(uapi.RTN_LOCAL, {}))]


def redirected() -> list[Body]:
    """Compare whether the destination of the connection has been translated: ``ct status dnat``."""
    load = expression("ct", NFTA_CT_KEY=uapi.NFT_CT_STATUS, NFTA_CT_DREG=uapi.NFT_REG_1)
    return [load, masked(U32.pack(uapi.IPS_DST_NAT, {})), compare(bytes(4), uapi.NFT_CMP_NEQ)]


def immediate(register: int, value: bytes) -> Body:
    """Load a value into a register."""
    return expression("immediate", NFTA_IMMEDIATE_DREG=register, NFTA_IMMEDIATE_DATA={"NFTA_DATA_VALUE": value})


def verdict(code: int) -> Body:
    """End the evaluation with a verdict: NF_ACCEPT, NF_DROP."""
    data = {"NFTA_DATA_VERDICT": {"NFTA_VERDICT_CODE": code}}
    return expression("immediate", NFTA_IMMEDIATE_DREG=uapi.NFT_REG_VERDICT, NFTA_IMMEDIATE_DATA=data)
