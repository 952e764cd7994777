"""A firewall: rules that allow or deny packets by direction, protocol, port, address and interface (nft(8)).

A rule is one line of text, in this order; what is left out does not matter::

    allow|deny  in|out|forward  [tcp|udp|icmp|icmpv6]  [port N[-M]]  [from PREFIX]  [to PREFIX]  [on INTERFACE]

    deny in tcp port 22 from 10.9.0.0/16        allow forward tcp port 80-443        deny forward on wan

``port`` is the destination's.  ``on`` is the interface by which a packet comes in, with ``out`` the one by which it leaves.
The first rule that matches decides, and what none matches is allowed.  Packets of a connection that was let through are
always allowed.  All of it is one table of family inet, replaced in one transaction; the comment of each of its rules is the
text that it stands for::

    table inet NAME {
        comment "STAMP"
        chain input {
            type filter hook input priority 0; policy accept;
            ct state established,related accept comment "replies"
            ip saddr 10.9.0.0/16 tcp dport 22 drop comment "deny in tcp port 22 from 10.9.0.0/16"
        }
    }
"""

from __future__ import annotations

from .. import uapi
from ..errors import InvalidValue
from ..objects import prefix
from ..objects.link import check_name
from ..terminal import short_repr
from ..wire import U32
from . import build, records
from . import messages as nft_messages
from .statements import CT_STATES, PROTOCOLS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from ..nlmsg import Reply, Request
    from ..objects.prefix import Prefix

CHAINS = {  # by direction: the name of the chain, and its hook
    "in": ("input", uapi.NF_INET_LOCAL_IN),
    "forward": ("forward", uapi.NF_INET_FORWARD),
    "out": ("output", uapi.NF_INET_LOCAL_OUT),
}
VERDICTS = {"allow": uapi.NF_ACCEPT, "deny": uapi.NF_DROP}
PORTED = ("tcp", "udp")
REPLIES = "replies"
EXAMPLE = "deny in tcp port 22 from 10.9.0.0/16"


class FirewallRule:
    """One rule; ``str()`` is its text in the one spelling that the kernel keeps.  Raises `InvalidValue`.

    ``verb`` is ``allow`` or ``deny``, ``direction`` ``in``, ``out`` or ``forward``; ``protocol``, ``ports`` (first and last),
    ``source``, ``destination`` and ``interface`` are None if they do not matter.
    """

    __slots__ = ("destination", "direction", "interface", "ports", "protocol", "source", "verb")

    def __init__(self, text: str) -> None:
        words = text.split() if isinstance(text, str) else []
        self.verb, self.direction = [*words, "", ""][:2]
        if self.verb not in VERDICTS or self.direction not in CHAINS:
            raise InvalidValue(f'{short_repr(text)} is not a rule of a firewall: expected a text like "{EXAMPLE}"')
        rest = words[2:]
        self.protocol: str | None = rest.pop(0) if rest and rest[0] in PROTOCOLS else None
        self.ports: tuple[int, int] | None = None
        self.source: Prefix | None = None
        self.destination: Prefix | None = None
        self.interface: str | None = None
        seen: set[str] = set()
        while rest:
            word, value = rest[0], rest[1] if len(rest) > 1 else None
            if word not in ("port", "from", "to", "on") or word in seen or value is None:
                known = "a protocol, and then port, from, to and on, once each with a value"
                raise InvalidValue(f"{short_repr(text)} is not a rule of a firewall: after {self.direction} come {known}")
            seen.add(word)
            self._take(word, value)
            rest = rest[2:]
        if self.ports is not None and self.protocol not in PORTED:
            raise InvalidValue(f"{short_repr(text)}: a port needs the protocol tcp or udp before it")
        if self.source is not None and self.destination is not None and self.source.family != self.destination.family:
            raise InvalidValue(f"{short_repr(text)}: the two addresses are of two families")
        build.check_comment(str(self), "be a rule of a firewall")

    def _take(self, word: str, value: str) -> None:
        if word == "port":
            first, dash, last = value.partition("-")
            self.ports = _port(first), _port(last if dash else first)
            if self.ports[0] > self.ports[1]:
                raise InvalidValue(f"{short_repr(value)} is not a range of ports: the first is greater than the last")
        elif word == "on":
            self.interface = check_name(value)
        else:
            network = prefix.parse(value)
            if network != network.network:
                raise InvalidValue(f"{short_repr(value)} is an address in a network, not the network: that is {network.network}")
            if word == "from":
                self.source = network
            else:
                self.destination = network

    def __str__(self) -> str:
        words = [self.verb, self.direction, *([self.protocol] if self.protocol else [])]
        if self.ports is not None:
            first, last = self.ports
            words += ["port", str(first) if first == last else f"{first}-{last}"]
        for word, network in (("from", self.source), ("to", self.destination)):
            words += [word, str(network)] if network is not None else []
        return " ".join([*words, *(["on", self.interface] if self.interface else [])])

    def expressions(self) -> list[dict[str, Any]]:
        """Return the expressions of the rule."""
        steps: list[dict[str, Any]] = []
        if self.interface is not None:
            steps += build.interface("OIFNAME" if self.direction == "out" else "IIFNAME", self.interface)
        network = self.source or self.destination
        steps += build.ip_family(network.family) if network is not None else []
        for end, one in ((build.SOURCE, self.source), (build.DESTINATION, self.destination)):
            steps += build.in_network(end, one) if one is not None else []
        if self.protocol is not None:
            steps += build.meta("L4PROTO", bytes([PROTOCOLS[self.protocol]]))
        if self.ports is not None:
            steps += build.destination_port(*self.ports)
        return [*steps, build.verdict(VERDICTS[self.verb])]


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) < 65536):
        raise InvalidValue(f"{short_repr(text)} is not a port, a number from 1 to 65535")
    return int(text)


def replace(table: str, rules: Sequence[FirewallRule], stamp: str = "") -> list[Request]:
    """Return the requests of a transaction that creates a table with exactly these rules, or replaces the table of that name."""
    made = build.fresh_table(table, stamp)
    for direction, (chain, hook) in CHAINS.items():
        mine = [rule for rule in rules if rule.direction == direction]
        if mine:
            made.append(build.base_chain(table, chain, hook, 0))
            made.append(build.new_rule(table, chain, _replies(), f"chain {chain}", comment=REPLIES))
            made += [build.new_rule(table, chain, one.expressions(), str(one), comment=str(one)) for one in mine]
    return made


def _replies() -> list[dict[str, Any]]:
    """Return the expressions ``ct state established,related accept``."""
    states = CT_STATES["established"] | CT_STATES["related"]
    load = build.expression("ct", NFTA_CT_KEY=uapi.NFT_CT_STATE, NFTA_CT_DREG=uapi.NFT_REG_1)
    steps = [load, build.masked(U32.pack(states, {})), build.compare(bytes(4), uapi.NFT_CMP_NEQ)]
    return [*steps, build.verdict(uapi.NF_ACCEPT)]


def read(table: str, chains: Iterable[Reply], rules: Iterable[Reply]) -> list[str] | None:
    """Return the rules that `replace` was given as texts, by direction; None if the table holds anything else.

    The comments are the texts of the rules.  They count only if the rules built from them equal those of the kernel.
    """
    found = [records.NftRule(reply.body) for reply in rules]
    found = [one for one in found if (one.family, one.table) == (uapi.NFPROTO_INET, table)]
    try:
        texts = [FirewallRule(one.comment) for one in found if one.comment != REPLIES]
    except InvalidValue:
        return None
    requests = replace(table, texts)
    wanted = [records.NftRule(one.body) for one in requests if one.message is nft_messages.NEWRULE]
    described = [records.NftChain(one.body) for one in requests if one.message is nft_messages.NEWCHAIN]
    there = [records.NftChain(reply.body) for reply in chains]
    there = [one for one in there if (one.family, one.table) == (uapi.NFPROTO_INET, table)]
    same_chains = sorted(map(_place, there)) == sorted(map(_place, described))
    by_chain = [sorted(map(_written, several), key=lambda one: one[0]) for several in (found, wanted)]  # stable: keeps the order
    return [str(one) for one in texts] if same_chains and by_chain[0] == by_chain[1] else None


def described(rule: records.NftRule) -> bool:
    """Return whether a rule is what its comment says."""
    try:
        said = FirewallRule(rule.comment)
    except InvalidValue:
        return False
    request = build.new_rule(rule.table, rule.chain, said.expressions(), "")
    return records.NftRule(request.body).statements == rule.statements


def _place(chain: records.NftChain) -> tuple[str, ...]:
    return tuple(map(str, (chain.name, chain.hook, chain.type, chain.priority, chain.policy)))


def _written(one: records.NftRule) -> tuple[str, str]:
    return one.chain, str(one.statements)


def ordered(rules: Iterable[FirewallRule]) -> list[str]:
    """Return rules as texts in the order in which `read` returns them: by direction, and then as they were."""
    several = list(rules)
    return [str(one) for direction in CHAINS for one in several if one.direction == direction]
