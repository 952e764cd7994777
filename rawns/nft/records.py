"""nf_tables' chains and rules, read (nft(8), `<linux/netfilter/nf_tables.h>`).

Floor 3, pure: records, the requests that list them, and `statements`, which reads a rule's expressions as a person would.
What is made of nf_tables stands in `nat`; what becomes of a packet, in `evaluation`.
"""

from __future__ import annotations

from .. import uapi
from ..nlmsg import Request
from ..objects.record import Field, Record
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
    uapi.NFPROTO_ARP: {0: "input", 1: "output", 2: "forward"},  # <linux/netfilter_arp.h>
    uapi.NFPROTO_NETDEV: {0: "ingress", 1: "egress"},
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


class NftTable(Record):
    """One table.  ``comment`` is what ``nft list`` prints as such; our stamp, where the table is ours."""

    __slots__ = ()

    family = Field("nfgen_family")
    name = Field("NFTA_TABLE_NAME")
    flags = Field("NFTA_TABLE_FLAGS", default=0)
    handle = Field("NFTA_TABLE_HANDLE")

    @property
    def comment(self) -> str:
        return comment(self.body.get("NFTA_TABLE_USERDATA"))

    @property
    def dormant(self) -> bool:
        """Whether it is switched off, with all that is in it."""
        return bool(self.flags & uapi.NFT_TABLE_F_DORMANT)


class NftChain(Record):
    """One chain.  A base chain, which packets come to by themselves, has a ``hook``, a ``type``, a ``priority`` and a policy."""

    __slots__ = ()

    family = Field("nfgen_family")
    table = Field("NFTA_CHAIN_TABLE")
    name = Field("NFTA_CHAIN_NAME")
    type = Field("NFTA_CHAIN_TYPE")
    handle = Field("NFTA_CHAIN_HANDLE")

    @property
    def hook(self) -> str | None:
        """``'forward'``, ``'input'`` ...; None for a chain that only jumps lead to; its number, where we know no name."""
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
        """Chains of one hook are passed in this order, the lowest first."""
        priority: int = self.body.get("NFTA_CHAIN_HOOK", {}).get("NFTA_HOOK_PRIORITY", 0)
        return priority

    @property
    def policy(self) -> str | None:
        """What becomes of a packet that no rule decides about: ``'accept'`` or ``'drop'``; None where there is no hook."""
        if self.hook is None:
            return None
        return VERDICTS.get(self.body.get("NFTA_CHAIN_POLICY", uapi.NF_ACCEPT))

    def __str__(self) -> str:
        return f"{FAMILIES.get(self.family, self.family)} {self.table} {self.name}"


class NftRule(Record):
    """One rule.  ``comment`` is what ``nft list`` prints as such."""

    __slots__ = ()

    family = Field("nfgen_family")
    table = Field("NFTA_RULE_TABLE")
    chain = Field("NFTA_RULE_CHAIN")
    handle = Field("NFTA_RULE_HANDLE")

    @property
    def comment(self) -> str:
        return comment(self.body.get("NFTA_RULE_USERDATA"))

    @property
    def statements(self) -> list[NftStatement]:
        return statements(self.body)

    def __str__(self) -> str:
        """In words close to those of `nft`, for a sentence; somebody's comment is not made safe to show."""
        from .format import sentence

        return sentence(self) + (f' comment "{self.comment}"' if self.comment else "")


def comment(userdata: object) -> str:
    """The comment in a table's, chain's or rule's user data; empty where there is none."""
    return str(userdata.get("comment", "")) if isinstance(userdata, dict) else ""


def tables(family: int = 0) -> Request:
    """All tables, or those of one family: ``nft list tables``."""
    return Request(nft_messages.GETTABLE, {"nfgen_family": family}, uapi.NLM_F_DUMP)


def chains(family: int = 0) -> Request:
    """All chains, or those of one family: ``nft list chains``."""
    return Request(nft_messages.GETCHAIN, {"nfgen_family": family}, uapi.NLM_F_DUMP)


def rules(family: int = 0, table: str = "") -> Request:
    """All rules, or those of one family or table: ``nft list ruleset``."""
    fields = {"nfgen_family": family, **({"NFTA_RULE_TABLE": table} if table else {})}
    return Request(nft_messages.GETRULE, fields, uapi.NLM_F_DUMP)


# -- what a rule says -----------------------------------------------------------------------------------------------

LEAVE_REGISTERS = {"counter", "reject", "masq", "log", "limit", "quota", "match", "target"}


class NftStatement:
    """A step of a rule: ``kind`` says which, ``values`` what it works on.

    ======== ==============================================================================================
    cmp      selector, operation (NFT_CMP_*), bytes: goes on where what is selected compares so
    verdict  code (NF_* or NFT_*), chain: ends the rule
    nat      type, family, address and port, as bytes
    set      selector of meta or ct, and the bytes that it is set to, or None if they are computed
    others   the expression's name, and its attributes: `masq`, `reject`, `counter`, and what we cannot read
    ======== ==============================================================================================

    A selector is ``('meta', key)``, ``('ct', key)`` or ``('payload', base, offset, length)``, and ``('&', selector,
    mask)`` where only some bits of it count.
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
    """The expressions of a rule's message, with the registers between them seen through."""
    registers: dict[int, Any] = {}  # a selector, or bytes
    found = []
    for expression in body.get("NFTA_RULE_EXPRESSIONS", {}).get("NFTA_LIST_ELEM", []):
        name, data = expression.get("NFTA_EXPR_NAME", ""), expression.get("NFTA_EXPR_DATA", {})
        statement = _statement(name, data if isinstance(data, dict) else {"": data}, registers)
        if statement is not None:
            found.append(statement)
    return found


def _statement(name: str, data: Mapping[Any, Any], registers: dict[int, Any]) -> NftStatement | None:
    """One expression: a statement, or None where all it does is to load a register."""
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
    if name in ("meta", "ct") and f"NFTA_{name.upper()}_SREG" in data:
        value = registers.get(data[f"NFTA_{name.upper()}_SREG"])
        return NftStatement("set", (name, data.get(f"NFTA_{name.upper()}_KEY")), value)
    if name not in LEAVE_REGISTERS:
        registers.clear()  # whatever it is, it may have written to them
    return NftStatement(name, data)


def _load(name: str, data: Mapping[Any, Any], registers: Mapping[int, Any]) -> tuple[int, Selector | None]:
    """Which register an expression loads, and with what: None where it does not do that, or we cannot tell."""
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
    """The kernel adds what follows from the rest: the ends of ranges of one, and flags."""
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
        return NftStatement("nat", data)  # a range, or flags: nothing that we would write
    return NftStatement("nat", kind, family, *values)
