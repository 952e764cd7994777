"""Evaluation of nf_tables rules for a packet that is only described, without the kernel (nft(8)).

Whether a rule matches can be true, false or unknown: a set, a limit, or a field that the description does not have. The
result is therefore a verdict, and the rules that could not be decided and might lead to another one.
"""

from __future__ import annotations

from _socket import AF_INET, inet_ntop, inet_pton

from .. import uapi
from ..errors import InvalidValue
from ..objects import prefix
from ..terminal import short_repr
from ..wire import U32
from .records import NftChain, NftRule, NftTable
from .statements import CT_STATES, PROTOCOLS, VERDICTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .statements import NftStatement

    Where = tuple[int, str, str]  # family, table, chain
    Result = tuple[str, "NftRule | None", list[NftRule]]

UNCONDITIONAL = {
    "counter",
    "log",
    "masq",
    "nat",
    "redir",
    "meta",
    "set",
    "ct",
    "notrack",
    "verdict",
    "reject",
    "target",
}  # no conditions
MAX_JUMPS = 16  # NFT_JUMP_STACK_SIZE, <net/netfilter/nf_tables.h>
UNDECIDABLE = {"queue", "synproxy", "tproxy", "fwd"}  # actions whose outcome is decided outside of nf_tables


class Packet:
    """What is known of a packet. A field that is not given is unknown.

    ``iif`` and ``oif`` are interfaces by name, ``source`` and ``destination`` addresses of one family, ``protocol`` is a
    number or one of `PROTOCOLS`, ``port`` the destination port, ``source_port`` the other one; ``state`` is one of `CT_STATES`,
    ``mark`` the packet mark. Raises `InvalidValue`.
    """

    __slots__ = ("family", "known", "link_layer", "network", "transport")

    def __init__(
        self,
        source: str,
        destination: str,
        *,
        iif: str | None = None,
        oif: str | None = None,
        protocol: str | int | None = None,
        port: int | None = None,
        source_port: int | None = None,
        state: str = "new",
        mark: int | None = None,
    ) -> None:
        one = prefix.address(source)
        other = prefix.address(destination, one.family)
        self.family = one.family
        number = PROTOCOLS.get(protocol) if isinstance(protocol, str) else protocol
        if protocol is not None and not (isinstance(number, int) and 0 <= number < 256):
            raise InvalidValue(f"{short_repr(protocol)} is not a protocol: a number from 0 to 255, or {', '.join(PROTOCOLS)}")
        if not isinstance(state, str) or state not in CT_STATES:
            raise InvalidValue(f"{short_repr(state)} is not a state of conntrack: {', '.join(CT_STATES)}")
        for value, most in ((port, 0xFFFF), (source_port, 0xFFFF), (mark, uapi.UINT32_MAX)):
            if value is not None and not (isinstance(value, int) and 0 <= value <= most):
                raise InvalidValue(f"expected a number from 0 to {most}, not {short_repr(value)}")
        ipv4 = one.family == AF_INET
        start, kind = (12, 9) if ipv4 else (8, 6)
        both = inet_pton(one.family, one.address) + inet_pton(other.family, other.address)
        self.network: dict[int, int] = dict(enumerate(both, start))  # bytes of the header by place, those that are known
        self.transport: dict[int, int] = {}
        self.known: dict[Any, bytes] = {
            ("meta", uapi.NFT_META_NFPROTO): bytes([uapi.NFPROTO_IPV4 if ipv4 else uapi.NFPROTO_IPV6]),
            ("ct", uapi.NFT_CT_STATE): U32.pack(CT_STATES[state], {}),
        }
        if number is not None:
            self.network[kind] = number
            self.known["meta", uapi.NFT_META_L4PROTO] = bytes([number])
        if port is not None:
            self.transport.update(enumerate(port.to_bytes(2, "big"), 2))
        if source_port is not None:
            self.transport.update(enumerate(source_port.to_bytes(2, "big")))
        if mark is not None:
            self.known["meta", uapi.NFT_META_MARK] = U32.pack(mark, {})
        ether = uapi.ETH_P_IP if ipv4 else uapi.ETH_P_IPV6
        self.known["meta", uapi.NFT_META_PROTOCOL] = ether.to_bytes(2, "big")
        self.link_layer: dict[int, int] = dict(enumerate(ether.to_bytes(2, "big"), 12))
        for name, key in ((iif, uapi.NFT_META_IIFNAME), (oif, uapi.NFT_META_OIFNAME)):
            if name is not None:
                if not isinstance(name, str) or len(name) >= uapi.IFNAMSIZ:
                    raise InvalidValue(f"{short_repr(name)} is not the name of an interface")
                self.known["meta", key] = name.encode("utf-8", "surrogateescape").ljust(uapi.IFNAMSIZ, b"\0")

    @property
    def mark(self) -> int | None:
        """The packet mark; None if it is not known."""
        value = self.known.get(("meta", uapi.NFT_META_MARK))
        return None if value is None else int(U32.unpack(value, 0, 4, {}, None, ()))

    @property
    def devices(self) -> set[str]:
        """The names of the interfaces by which the packet comes in and goes out."""
        keys = (("meta", uapi.NFT_META_IIFNAME), ("meta", uapi.NFT_META_OIFNAME))
        return {self.known[key].rstrip(b"\0").decode("utf-8", "surrogateescape") for key in keys if key in self.known}

    def copy(self) -> Packet:
        """Return a packet of which the same is known."""
        made = object.__new__(Packet)
        made.family = self.family
        made.known, made.link_layer = dict(self.known), dict(self.link_layer)
        made.network, made.transport = dict(self.network), dict(self.transport)
        return made

    def select(self, selector: Any) -> bytes | None:
        """Return the bytes that a rule's selector selects; None if they are not known."""
        if selector[0] == "&":
            value = self.select(selector[1])
            return None if value is None else bytes(one & bit for one, bit in zip(value, selector[2]))
        if selector[0] == "payload":
            _, base, offset, length = selector
            headers = {
                uapi.NFT_PAYLOAD_LL_HEADER: self.link_layer,
                uapi.NFT_PAYLOAD_NETWORK_HEADER: self.network,
                uapi.NFT_PAYLOAD_TRANSPORT_HEADER: self.transport,
            }
            header = headers.get(base, {})
            found = [header.get(place) for place in range(offset, offset + min(length, 64))]
            return None if None in found else bytes(found)  # type: ignore[arg-type]
        return self.known.get(selector)


def matches(rule: NftRule, packet: Packet) -> bool | None:
    """Return whether a packet meets all conditions of a rule; None if that is not known."""
    sure: bool | None = True
    for statement in rule.statements:
        if statement.kind == "cmp" and len(statement.values) == 3:
            selector, operation, wanted = statement.values
            value = packet.select(selector)
            if value is not None and not _compared(value[: len(wanted)], operation, wanted):
                return False
            sure = sure if value is not None else None
        elif statement.kind not in UNCONDITIONAL:
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
    """Return the verdict of a rule, and the chain that it leads to: ``('drop', '')``, ``('jump', 'more')``.

    ``''`` means that the rule does not end the evaluation, ``'?'`` that it may: a map of verdicts, a program that is asked.
    """
    for statement in rule.statements:
        if statement.kind == "verdict":
            code, chain = statement.values
            return VERDICTS.get(code, "?"), chain
        if statement.kind == "reject" or _target(statement) in ("REJECT", "DROP"):
            return "reject", ""
        if statement.kind in ("masq", "nat", "redir"):
            return "accept", ""
        mapped = statement.kind == "lookup" and statement.values[0].get("NFTA_LOOKUP_DREG") == uapi.NFT_REG_VERDICT
        if mapped or statement.kind in UNDECIDABLE:
            return "?", ""
    return "", ""


def _target(statement: NftStatement) -> str:
    """Return the name of an xtables target (`iptables-nft`); empty for other statements."""
    return str(statement.values[0].get("NFTA_TARGET_NAME", "")) if statement.kind == "target" else ""


class Evaluation:
    """The result for a packet: ``verdict`` is ``'accept'``, ``'drop'``, ``'reject'`` or ``'queue'``.

    ``chain`` is the base chain that decided (None: there was none) and ``rule`` the rule, None if it was the chain's policy.
    ``undecided`` are the rules that may lead to another verdict; without any, the result is ``certain``.
    """

    __slots__ = ("chain", "mark", "undecided", "rule", "verdict")

    def __init__(self, verdict: str, chain: NftChain | None = None, rule: NftRule | None = None) -> None:
        self.verdict, self.chain, self.rule = verdict, chain, rule
        self.mark: int | None = None  # of the packet afterwards; None if it is unknown
        self.undecided: list[NftRule] = []

    @property
    def certain(self) -> bool:
        """Whether no rule may lead to another verdict."""
        return not self.undecided

    def __repr__(self) -> str:
        return f"<Evaluation {self.verdict} by {self.rule or 'policy'} in {self.chain}, {len(self.undecided)} undecided>"


def evaluate(
    packet: Packet,
    hook: str,
    tables: Iterable[NftTable],
    chains: Iterable[NftChain],
    rules: Iterable[NftRule],
    families: frozenset[int] | None = None,
) -> Evaluation:
    """Evaluate the chains of a hook (``'forward'``, ``'input'``, ``'output'`` ...) for a packet, in the order of their priority.

    A chain that drops ends the evaluation; a chain that accepts hands the packet to the next one. ``families`` (NFPROTO_*)
    defaults to inet and the packet's own. Chains that translate addresses see only packets whose state is new.
    """
    packet = packet.copy()
    rules = list(rules)
    tracked = any(uses_conntrack(rule) for rule in rules)
    evaluator = _Evaluator(packet, _by_chain(rules))
    evaluation = Evaluation("accept")
    for base in _at_hook(packet, hook, tables, chains, families):
        if base.type == "nat" and not tracked:
            continue
        verdict, evaluation.rule, undecided = evaluator.chain((base.family, base.table, base.name))
        evaluation.chain, evaluation.verdict = base, verdict or base.policy or "accept"
        evaluation.undecided += [rule for rule in undecided if action(rule)[0] != evaluation.verdict]
        if evaluation.verdict != "accept":
            break
    evaluation.mark = packet.mark
    return evaluation


def uses_conntrack(rule: NftRule) -> bool:
    """Return whether a rule makes the kernel track connections. If none does, packets pass nat chains unseen."""
    for statement in rule.statements:
        if statement.kind in ("masq", "nat", "redir", "ct", "notrack", "synproxy"):
            return True
        selector = statement.values[0] if statement.kind in ("cmp", "set") else None
        while isinstance(selector, tuple) and selector[0] == "&":
            selector = selector[1]
        if isinstance(selector, tuple) and selector[0] == "ct":
            return True
    return False


def _by_chain(rules: Iterable[NftRule]) -> dict[Where, list[NftRule]]:
    found: dict[Where, list[NftRule]] = {}
    for rule in rules:
        found.setdefault((rule.family, rule.table, rule.chain), []).append(rule)
    return found


def _at_hook(
    packet: Packet,
    hook: str,
    tables: Iterable[NftTable],
    chains: Iterable[NftChain],
    families: frozenset[int] | None,
) -> list[NftChain]:
    """Return the base chains that a packet meets at a hook, in the order in which it meets them."""
    dormant = {(table.family, table.name) for table in tables if table.dormant}
    own = uapi.NFPROTO_IPV4 if packet.family == AF_INET else uapi.NFPROTO_IPV6
    wanted = families or frozenset((uapi.NFPROTO_INET, own))
    new = packet.known.get(("ct", uapi.NFT_CT_STATE)) == U32.pack(CT_STATES["new"], {})
    found = [
        chain
        for chain in chains
        if chain.hook == hook
        and chain.family in wanted
        and (chain.family, chain.table) not in dormant
        and (new or chain.type != "nat")
        and (not chain.devices or packet.devices.intersection(chain.devices))
    ]
    return sorted(found, key=lambda chain: chain.priority)


class Translation:
    """A change of addresses by a rule of a nat chain: ``kind`` is ``snat``, ``dnat``, ``masquerade`` or ``redirect``.

    ``address`` and ``port`` are the new ones, None if the kernel chooses the address or the port stays.
    """

    __slots__ = ("address", "chain", "kind", "port", "rule")

    def __init__(self, kind: str, address: str | None, port: int | None, chain: NftChain, rule: NftRule) -> None:
        self.kind, self.address, self.port, self.chain, self.rule = kind, address, port, chain, rule


def translate(
    packet: Packet, hook: str, tables: Iterable[NftTable], chains: Iterable[NftChain], rules: Iterable[NftRule]
) -> Translation | None:
    """Return how the nat chains of a hook change the addresses of the first packet of a connection; None if they do not.

    A rule whose match is unknown counts as matching, so that the packet can be followed.
    """
    by_chain = _by_chain(rules)
    for base in _at_hook(packet, hook, tables, chains, None):
        if base.type != "nat":
            continue
        found = _translation(packet, (base.family, base.table, base.name), by_chain, base, 0)
        if found is not None:
            return found
    return None


def _translation(
    packet: Packet, where: Where, rules: dict[Where, list[NftRule]], base: NftChain, depth: int
) -> Translation | None:
    for rule in rules.get(where, []) if depth < MAX_JUMPS else []:
        if matches(rule, packet) is False:
            continue
        verdict, target = action(rule)
        for statement in rule.statements:
            if statement.kind == "masq":
                return Translation("masquerade", None, None, base, rule)
            if statement.kind == "redir":
                port = statement.values[1] if len(statement.values) > 1 else None
                return Translation("redirect", None, int.from_bytes(port, "big") if port else None, base, rule)
            if statement.kind == "nat" and len(statement.values) == 4:
                kind, _, address, port = statement.values
                word = "snat" if kind == uapi.NFT_NAT_SNAT else "dnat"
                new = inet_ntop(packet.family, address) if isinstance(address, bytes) and len(address) in (4, 16) else None
                return Translation(word, new, int.from_bytes(port, "big") if isinstance(port, bytes) else None, base, rule)
        if verdict in ("jump", "goto"):
            found = _translation(packet, (*where[:2], target), rules, base, depth + 1)
            if found is not None or verdict == "goto":
                return found
        elif verdict in ("accept", "return", "drop") and matches(rule, packet):
            return None
    return None


class _Evaluator:
    """The evaluation of one packet; each chain is evaluated once, however many jumps lead to it."""

    def __init__(self, packet: Packet, rules: dict[Where, list[NftRule]]) -> None:
        self.packet, self.rules = packet, rules
        self.results: dict[Where, Result] = {}

    def chain(self, where: Where) -> Result:
        """Return the verdict of a chain (empty: it has none), the rule that gave it, and the undecided rules."""
        if where not in self.results:
            self.results[where] = "", None, []  # for a loop, which the kernel refuses
            self.results[where] = self._through(where)
        return self.results[where]

    def _through(self, where: Where) -> Result:
        undecided: list[NftRule] = []
        for rule in self.rules.get(where, []):
            sure, (verdict, target) = matches(rule, self.packet), action(rule)
            if sure is False:
                continue
            self._set_mark(rule, bool(sure))
            if verdict in ("", "continue"):
                continue
            if verdict in ("jump", "goto"):
                inner, decider, more = self.chain((*where[:2], target))
                undecided += more
                if sure and (inner or verdict == "goto"):
                    return inner, decider, undecided
                if inner or verdict == "goto":
                    undecided.append(rule)
            elif sure and verdict != "?":
                return ("", None, undecided) if verdict == "return" else (verdict, rule, undecided)
            else:
                undecided.append(rule)
        return "", None, undecided

    def _set_mark(self, rule: NftRule, sure: bool) -> None:
        """Give the packet the mark that a rule sets, or one that is unknown if the rule might not match."""
        for statement in rule.statements:
            if statement.kind == "set" and statement.values[0] == ("meta", uapi.NFT_META_MARK):
                value = statement.values[1]
                if sure and isinstance(value, bytes) and len(value) == 4:
                    self.packet.known[statement.values[0]] = value
                else:
                    self.packet.known.pop(statement.values[0], None)
