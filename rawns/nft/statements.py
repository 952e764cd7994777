"""Statements: what a rule of nf_tables compares and does (nft(8)).

The kernel lists expressions, which pass values in registers; `statements` resolves the registers, so that each statement says
what it compares or changes.
"""

from __future__ import annotations

from .. import uapi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Selector = tuple[Any, ...]

VERDICTS = {
    uapi.NF_DROP: "drop",
    uapi.NF_ACCEPT: "accept",
    uapi.NF_QUEUE: "queue",
    uapi.NFT_CONTINUE: "continue",
    uapi.NFT_JUMP: "jump",
    uapi.NFT_GOTO: "goto",
    uapi.NFT_RETURN: "return",
}
PROTOCOLS = {"tcp": uapi.IPPROTO_TCP, "udp": uapi.IPPROTO_UDP, "icmp": uapi.IPPROTO_ICMP, "icmpv6": uapi.IPPROTO_ICMPV6}
CT_STATES = {  # bits of ``ct state``
    "invalid": uapi.NF_CT_STATE_INVALID_BIT,
    "established": 1 << uapi.IP_CT_ESTABLISHED + 1,  # NF_CT_STATE_BIT(), <linux/netfilter/nf_conntrack_common.h>
    "related": 1 << uapi.IP_CT_RELATED + 1,
    "new": 1 << uapi.IP_CT_NEW + 1,
    "untracked": uapi.NF_CT_STATE_UNTRACKED_BIT,
}

LEAVE_REGISTERS = {"counter", "reject", "masq", "log", "limit", "quota", "match", "target"}


class NftStatement:
    """One step of a rule: ``kind`` is its name, ``values`` are its operands.

    ======== ==============================================================================================
    cmp      selector, operation (NFT_CMP_*), bytes: the rule goes on if the selected bytes compare so
    verdict  code (NF_* or NFT_*), chain: ends the rule
    nat      type, family, address and port, as bytes
    redir    its attributes, and the port as bytes, or None
    set      selector of meta or ct, and the bytes that it is set to, or None if they are computed
    others   the name of the expression, and its attributes: `masq`, `reject`, `counter`, and all that is unknown here
    ======== ==============================================================================================

    A selector is ``('meta', key)``, ``('ct', key)``, ``('payload', base, offset, length)`` or ``('fib', result, flags)``, and
    ``('&', selector, mask)`` if only some bits of it are compared.
    """

    __slots__ = ("values", "kind")

    def __init__(self, kind: str, *values: Any) -> None:
        self.kind, self.values = kind, values

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NftStatement) and (other.kind, other.values) == (self.kind, self.values)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"NftStatement({', '.join(map(repr, (self.kind, *self.values)))})"


def statements(body: Mapping[Any, Any]) -> list[NftStatement]:
    """Return the statements of a rule's message: its expressions, with the registers between them resolved."""
    registers: dict[int, Any] = {}  # a selector, or bytes
    found = []
    for expression in body.get("NFTA_RULE_EXPRESSIONS", {}).get("NFTA_LIST_ELEM", []):
        name, data = expression.get("NFTA_EXPR_NAME", ""), expression.get("NFTA_EXPR_DATA", {})
        statement = _statement(name, data if isinstance(data, dict) else {"": data}, registers)
        if statement is not None:
            found.append(statement)
    return found


def _statement(name: str, data: Mapping[Any, Any], registers: dict[int, Any]) -> NftStatement | None:
    """Return the statement that an expression makes; None if it only loads a register."""
    if name == "immediate":
        value = data.get("NFTA_IMMEDIATE_DATA", {})
        if "NFTA_DATA_VERDICT" in value:
            verdict = value["NFTA_DATA_VERDICT"]
            return NftStatement("verdict", verdict.get("NFTA_VERDICT_CODE"), verdict.get("NFTA_VERDICT_CHAIN", ""))
        registers[data.get("NFTA_IMMEDIATE_DREG", 0)] = value.get("NFTA_DATA_VALUE")
        return None
    target, selector = _load(name, data, registers)
    if selector is not None:
        registers[target] = selector
        return None
    if name == "cmp" and registers.get(data.get("NFTA_CMP_SREG", 0)) is not None:
        value = data.get("NFTA_CMP_DATA", {}).get("NFTA_DATA_VALUE", b"")
        return NftStatement("cmp", registers[data["NFTA_CMP_SREG"]], data.get("NFTA_CMP_OP"), value)
    if name == "nat":
        return _nat(data, registers)
    if name == "redir":
        return NftStatement("redir", data, registers.get(data.get("NFTA_REDIR_REG_PROTO_MIN", -1)))
    if name in ("meta", "ct") and f"NFTA_{name.upper()}_SREG" in data:
        value = registers.get(data[f"NFTA_{name.upper()}_SREG"])
        return NftStatement("set", (name, data.get(f"NFTA_{name.upper()}_KEY")), value)
    if name not in LEAVE_REGISTERS:
        registers.clear()  # an unknown expression may have written to them
    return NftStatement(name, data)


def _load(name: str, data: Mapping[Any, Any], registers: Mapping[int, Any]) -> tuple[int, Selector | None]:
    """Return which register an expression loads, and what it selects; None if it loads none, or something unknown."""
    words = {"meta": ["KEY"], "ct": ["KEY"], "payload": ["BASE", "OFFSET", "LEN"], "fib": ["RESULT", "FLAGS"]}.get(name)
    if words is not None and "NFTA_CT_DIRECTION" not in data:
        target, *place = (data.get(f"NFTA_{name.upper()}_{word}") for word in ["DREG", *words])
        return (0, None) if target is None or None in place else (target, (name, *place))
    if name == "bitwise" and data.get("NFTA_BITWISE_OP", uapi.NFT_BITWISE_MASK_XOR) == uapi.NFT_BITWISE_MASK_XOR:
        before = registers.get(data.get("NFTA_BITWISE_SREG", 0))
        mask, flip = (data.get(f"NFTA_BITWISE_{word}", {}).get("NFTA_DATA_VALUE", b"") for word in ("MASK", "XOR"))
        if isinstance(before, tuple) and not any(flip):
            return data.get("NFTA_BITWISE_DREG", 0), ("&", before, mask)
    return 0, None


def _nat(data: Mapping[Any, Any], registers: Mapping[int, Any]) -> NftStatement:
    """Return a translation.  The kernel's answer has ends of ranges and flags that follow from the rest; they are left out."""
    fields = dict(data)
    kind, family = fields.pop("NFTA_NAT_TYPE", None), fields.pop("NFTA_NAT_FAMILY", None)
    values = []
    for word, flag in (("ADDR", uapi.NF_NAT_RANGE_MAP_IPS), ("PROTO", uapi.NF_NAT_RANGE_PROTO_SPECIFIED)):
        register = fields.pop(f"NFTA_NAT_REG_{word}_MIN", None)
        values.append(registers.get(register) if register is not None else None)
        if fields.get(f"NFTA_NAT_REG_{word}_MAX") == register:
            fields.pop(f"NFTA_NAT_REG_{word}_MAX", None)
        fields["NFTA_NAT_FLAGS"] = fields.get("NFTA_NAT_FLAGS", 0) & ~flag
    if fields != {"NFTA_NAT_FLAGS": 0}:
        return NftStatement("nat", data)  # a range, or flags: `nat` makes none
    return NftStatement("nat", kind, family, *values)
