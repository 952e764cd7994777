"""What becomes of a packet in nf_tables, as far as its rules can be played without the kernel (nft(8)).

Floor 3, pure.  A rule is asked whether it fits: yes, no, or nobody can tell (a set, a limit, the mark of a packet that
is only imagined).  So there are three answers too: what surely becomes of the packet, what becomes of it unless some
rule decides otherwise, and which rules those are.
"""

from __future__ import annotations

from _socket import AF_INET, inet_pton

from .. import uapi
from ..errors import InvalidValue
from ..objects import prefix
from ..wire import U32
from .records import VERDICTS, NftChain, NftRule, NftTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .records import NftStatement

    Where = tuple[int, str, str]  # family, table, chain
    Played = tuple[str, "NftRule | None", list[NftRule]]

PROTOCOLS = {"tcp": uapi.IPPROTO_TCP, "udp": uapi.IPPROTO_UDP, "icmp": uapi.IPPROTO_ICMP, "icmpv6": uapi.IPPROTO_ICMPV6}
STATES = {"invalid": 1, "established": 2, "related": 4, "new": 8}  # NF_CT_STATE_BIT of IP_CT_*, <nf_conntrack_common.h>
PASSED = {"counter", "log", "masq", "nat", "meta", "ct", "notrack", "verdict", "reject", "target"}  # they ask for nothing
UNSAID = {"queue", "synproxy", "tproxy", "fwd"}  # actions whose outcome is somebody else's


class Packet:
    """A packet to be imagined: whatever is not said is not known.

    ``iif`` and ``oif`` are interfaces by name, ``source`` and ``destination`` addresses of one family, ``protocol`` is a
    number or one of `PROTOCOLS`, ``port`` the one it goes to; ``state`` one of `STATES`.  Raises `InvalidValue`.
    """

    __slots__ = ("family", "known", "network", "transport")

    def __init__(
        self,
        source: str,
        destination: str,
        *,
        iif: str | None = None,
        oif: str | None = None,
        protocol: str | int | None = None,
        port: int | None = None,
        state: str = "new",
    ) -> None:
        one = prefix.address(source)
        other = prefix.address(destination, one.family)
        self.family = one.family
        number = PROTOCOLS.get(protocol) if isinstance(protocol, str) else protocol
        if protocol is not None and number is None or state not in STATES:
            raise InvalidValue(f"{protocol!r}, {state!r}: no protocol, or no state, that is known here")
        ipv4 = one.family == AF_INET
        start, kind = (12, 9) if ipv4 else (8, 6)
        both = inet_pton(one.family, one.address) + inet_pton(other.family, other.address)
        self.network: dict[int, int] = dict(enumerate(both, start))  # bytes of the header by place, those that are known
        self.transport: dict[int, int] = {}
        self.known: dict[Any, bytes] = {
            ("meta", uapi.NFT_META_NFPROTO): bytes([uapi.NFPROTO_IPV4 if ipv4 else uapi.NFPROTO_IPV6]),
            ("ct", uapi.NFT_CT_STATE): U32.pack(STATES[state], {}),
        }
        if number is not None:
            self.network[kind] = number
            self.known["meta", uapi.NFT_META_L4PROTO] = bytes([number])
        if port is not None:
            self.transport.update(enumerate(port.to_bytes(2, "big"), 2))
        for name, key in ((iif, uapi.NFT_META_IIFNAME), (oif, uapi.NFT_META_OIFNAME)):
            if name is not None:
                self.known["meta", key] = name.encode("utf-8", "surrogateescape").ljust(uapi.IFNAMSIZ, b"\0")

    def select(self, selector: Any) -> bytes | None:
        """The bytes that a rule's selector selects; None where they are not known."""
        if selector[0] == "&":
            value = self.select(selector[1])
            return None if value is None else bytes(one & bit for one, bit in zip(value, selector[2]))
        if selector[0] == "payload":
            _, base, offset, length = selector
            headers = {uapi.NFT_PAYLOAD_NETWORK_HEADER: self.network, uapi.NFT_PAYLOAD_TRANSPORT_HEADER: self.transport}
            header = headers.get(base, {})
            found = [header.get(place) for place in range(offset, offset + min(length, 64))]
            return None if None in found else bytes(found)  # type: ignore[arg-type]
        return self.known.get(selector)


def matches(rule: NftRule, packet: Packet) -> bool | None:
    """Whether the packet passes all that a rule asks before it acts; None where nobody can tell."""
    sure: bool | None = True
    for statement in rule.statements:
        if statement.kind == "cmp" and len(statement.values) == 3:
            selector, operation, wanted = statement.values
            value = packet.select(selector)
            if value is not None and not _compared(value[: len(wanted)], operation, wanted):
                return False
            sure = sure if value is not None else None
        elif statement.kind not in PASSED:
            sure = None
    return sure


def _compared(value: bytes, operation: int, wanted: bytes) -> bool:
    return {
        uapi.NFT_CMP_EQ: value == wanted,
        uapi.NFT_CMP_NEQ: value != wanted,
        uapi.NFT_CMP_LT: value < wanted,
        uapi.NFT_CMP_LTE: value <= wanted,
        uapi.NFT_CMP_GT: value > wanted,
        uapi.NFT_CMP_GTE: value >= wanted,
    }.get(operation, False)


def action(rule: NftRule) -> tuple[str, str]:
    """What a rule does in the end, and where it leads: ``('drop', '')``, ``('jump', 'more')``.

    ``''`` is nothing that ends it, ``'?'`` something that may: a map of verdicts, a program that is asked.
    """
    for statement in rule.statements:
        if statement.kind == "verdict":
            code, chain = statement.values
            return VERDICTS.get(code, "?"), chain
        if statement.kind == "reject" or _target(statement) in ("REJECT", "DROP"):
            return "reject", ""
        if statement.kind in ("masq", "nat"):
            return "accept", ""
        mapped = statement.kind == "lookup" and statement.values[0].get("NFTA_LOOKUP_DREG") == uapi.NFT_REG_VERDICT
        if mapped or statement.kind in UNSAID:
            return "?", ""
    return "", ""


def _target(statement: NftStatement) -> str:
    """What `iptables-nft` could not say in expressions."""
    return str(statement.values[0].get("NFTA_TARGET_NAME", "")) if statement.kind == "target" else ""


class Evaluation:
    """What becomes of a packet: ``verdict`` is ``'accept'``, ``'drop'``, ``'reject'`` or ``'queue'``.

    ``chain`` is the base chain that said so (None: there was none) and ``rule`` the rule, None where it was the policy.
    ``perhaps`` are the rules that might have decided otherwise; where there are none, this is ``sure``.
    """

    __slots__ = ("chain", "undecided", "rule", "verdict")

    def __init__(self, verdict: str, chain: NftChain | None = None, rule: NftRule | None = None) -> None:
        self.verdict, self.chain, self.rule = verdict, chain, rule
        self.undecided: list[NftRule] = []

    @property
    def certain(self) -> bool:
        return not self.undecided

    def __repr__(self) -> str:
        return f"<Evaluation {self.verdict} by {self.rule or 'policy'} in {self.chain}, perhaps {len(self.undecided)} others>"


def evaluate(
    packet: Packet, hook: str, tables: Iterable[NftTable], chains: Iterable[NftChain], rules: Iterable[NftRule]
) -> Evaluation:
    """What becomes of a packet at a hook (``'forward'``, ``'input'``, ``'output'``): the chains there, in their order.

    One that drops ends it, one that accepts hands it to the next.  Doubts of those before are kept, for they may have
    dropped it.  Chains that translate addresses are passed over.
    """
    asleep = {(table.family, table.name) for table in tables if table.dormant}
    mine = {uapi.NFPROTO_INET, uapi.NFPROTO_IPV4 if packet.family == AF_INET else uapi.NFPROTO_IPV6}
    by_chain: dict[Where, list[NftRule]] = {}
    for rule in rules:
        by_chain.setdefault((rule.family, rule.table, rule.chain), []).append(rule)
    play, evaluation = _Evaluator(packet, by_chain), Evaluation("accept")
    here = [chain for chain in chains if chain.hook == hook and chain.family in mine and chain.type != "nat"]
    for base in sorted(here, key=lambda chain: chain.priority):
        if (base.family, base.table) in asleep:
            continue
        verdict, evaluation.rule, doubts = play.chain((base.family, base.table, base.name))
        evaluation.chain, evaluation.verdict = base, verdict or base.policy or "accept"
        evaluation.undecided += [rule for rule in doubts if action(rule)[0] != evaluation.verdict]
        if evaluation.verdict != "accept":
            break
    return evaluation


class _Evaluator:
    """One packet in all chains; each is played once, however many jumps lead to it."""

    def __init__(self, packet: Packet, rules: dict[Where, list[NftRule]]) -> None:
        self.packet, self.rules = packet, rules
        self.played: dict[Where, Played] = {}

    def chain(self, where: Where) -> Played:
        """The verdict of a chain (empty: it has nothing to say), the rule that gave it, and those that may give another."""
        if where not in self.played:
            self.played[where] = "", None, []  # for a jump back, which the kernel allows nobody to make
            self.played[where] = self._through(where)
        return self.played[where]

    def _through(self, where: Where) -> Played:
        doubts: list[NftRule] = []
        for rule in self.rules.get(where, []):
            sure, (verdict, target) = matches(rule, self.packet), action(rule)
            if sure is False or verdict in ("", "continue"):
                continue
            if verdict in ("jump", "goto"):
                inner, decider, more = self.chain((*where[:2], target))
                doubts += more
                if sure and (inner or verdict == "goto"):
                    return inner, decider, doubts
                if inner or verdict == "goto":
                    doubts.append(rule)
            elif sure and verdict != "?":
                return ("", None, doubts) if verdict == "return" else (verdict, rule, doubts)
            else:
                doubts.append(rule)
        return "", None, doubts
