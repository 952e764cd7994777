"""Tables, chains and rules of nf_tables as records, and the requests that list them (nft(8), `<linux/netfilter/nf_tables.h>`).

`statements` turns the expressions of a rule, which pass values in registers, into what nft(8) calls statements.
"""

from __future__ import annotations

from .. import uapi
from ..nlmsg import Request
from ..objects.record import Record, field
from . import messages as nft_messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Selector = tuple[Any, ...]

FAMILIES = {
    uapi.NFPROTO_INET: "inet",
    uapi.NFPROTO_IPV4: "ip",
    uapi.NFPROTO_IPV6: "ip6",
    uapi.NFPROTO_BRIDGE: "bridge",
    uapi.NFPROTO_ARP: "arp",
    uapi.NFPROTO_NETDEV: "netdev",
}
_HOOKS = {
    uapi.NF_INET_PRE_ROUTING: "prerouting",
    uapi.NF_INET_LOCAL_IN: "input",
    uapi.NF_INET_FORWARD: "forward",
    uapi.NF_INET_LOCAL_OUT: "output",
    uapi.NF_INET_POST_ROUTING: "postrouting",
    uapi.NF_INET_INGRESS: "ingress",
}
HOOKS = {
    uapi.NFPROTO_ARP: {uapi.NF_ARP_IN: "input", uapi.NF_ARP_OUT: "output", uapi.NF_ARP_FORWARD: "forward"},
    uapi.NFPROTO_NETDEV: {uapi.NF_NETDEV_INGRESS: "ingress", uapi.NF_NETDEV_EGRESS: "egress"},
}
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


class NftTable(Record):
    """One table.  ``flags`` are NFT_TABLE_F_* bits."""

    __slots__ = ()

    family: int = field("nfgen_family", names="NFPROTO_")
    name: str = field("NFTA_TABLE_NAME")
    flags: int = field("NFTA_TABLE_FLAGS", default=0, bits="NFT_TABLE_F_")
    handle: int = field("NFTA_TABLE_HANDLE", default=0)

    @property
    def comment(self) -> str:
        """Its comment as ``nft list`` prints it; the stamp of a table that a lab made."""
        return comment(self.body.get("NFTA_TABLE_USERDATA"))

    @property
    def dormant(self) -> bool:
        """Whether it is switched off, with all chains and rules in it."""
        return bool(self.flags & uapi.NFT_TABLE_F_DORMANT)


class NftChain(Record):
    """One chain.  A base chain, which the kernel calls for packets, has a ``hook``, a ``type``, a ``priority`` and a policy."""

    __slots__ = ()

    family: int = field("nfgen_family", names="NFPROTO_")
    table: str = field("NFTA_CHAIN_TABLE")
    name: str = field("NFTA_CHAIN_NAME")
    type: str | None = field("NFTA_CHAIN_TYPE")
    handle: int = field("NFTA_CHAIN_HANDLE", default=0)

    @property
    def hook(self) -> str | None:
        """``'forward'``, ``'input'`` ...; None for a chain that is only reached by jumps; a number if it has no name here."""
        hook = self.body.get("NFTA_CHAIN_HOOK")
        if hook is None:
            return None
        number = hook.get("NFTA_HOOK_HOOKNUM")
        return HOOKS.get(self.family, _HOOKS).get(number, str(number))

    @property
    def devices(self) -> list[str]:
        """The interfaces that a chain of the netdev family, or an ingress chain, is bound to; empty for other chains."""
        hook = self.body.get("NFTA_CHAIN_HOOK") or {}
        one = hook.get("NFTA_HOOK_DEV")
        many = hook.get("NFTA_HOOK_DEVS", {}).get("NFTA_DEVICE_NAME", [])
        return many or ([one] if one else [])

    @property
    def priority(self) -> int:
        """The order in which the chains of one hook are called: the lowest first."""
        priority: int = self.body.get("NFTA_CHAIN_HOOK", {}).get("NFTA_HOOK_PRIORITY", 0)
        return priority

    @property
    def policy(self) -> str | None:
        """The verdict for a packet that no rule decides about: ``'accept'`` or ``'drop'``; None without a hook."""
        if self.hook is None:
            return None
        return VERDICTS.get(self.body.get("NFTA_CHAIN_POLICY", uapi.NF_ACCEPT))

    def __str__(self) -> str:
        return f"{FAMILIES.get(self.family, self.family)} {self.table} {self.name}"

    def _title(self) -> str:
        return str(self)


class NftRule(Record):
    """One rule.  ``str()`` of it is close to what ``nft list`` prints; a comment in it may hold control characters."""

    __slots__ = ()

    family: int = field("nfgen_family", names="NFPROTO_")
    table: str = field("NFTA_RULE_TABLE")
    chain: str = field("NFTA_RULE_CHAIN")
    handle: int = field("NFTA_RULE_HANDLE", default=0)

    @property
    def comment(self) -> str:
        """Its comment as ``nft list`` prints it."""
        return comment(self.body.get("NFTA_RULE_USERDATA"))

    @property
    def statements(self) -> list[NftStatement]:
        """What it compares and does."""
        return statements(self.body)

    def __str__(self) -> str:
        from .format import format_rule

        return format_rule(self) + (f' comment "{self.comment}"' if self.comment else "")

    def _title(self) -> str:
        return str(self)


def comment(userdata: object) -> str:
    """Return the comment in the user data of a table, chain or rule; empty if there is none."""
    return str(userdata.get("comment", "")) if isinstance(userdata, dict) else ""


def tables(family: int = 0) -> Request:
    """List all tables, or those of one family: ``nft list tables``."""
    return Request(nft_messages.GETTABLE, {"nfgen_family": family}, uapi.NLM_F_DUMP)


def chains(family: int = 0) -> Request:
    """List all chains, or those of one family: ``nft list chains``."""
    return Request(nft_messages.GETCHAIN, {"nfgen_family": family}, uapi.NLM_F_DUMP)


def rules(family: int = 0, table: str = "") -> Request:
    """List all rules, or those of one family or table: ``nft list ruleset``."""
    fields = {"nfgen_family": family, **({"NFTA_RULE_TABLE": table} if table else {})}
    return Request(nft_messages.GETRULE, fields, uapi.NLM_F_DUMP)


# -- statements -----------------------------------------------------------------------------------------------

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

    A selector is ``('meta', key)``, ``('ct', key)`` or ``('payload', base, offset, length)``, and ``('&', selector,
    mask)`` if only some bits of it are compared.
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
    words = {"meta": ["KEY"], "ct": ["KEY"], "payload": ["BASE", "OFFSET", "LEN"]}.get(name)
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
