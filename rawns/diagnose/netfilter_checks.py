"""nf_tables on the way: its rules are evaluated (`nft.evaluate`); where the outcome cannot be known, they are suspects.

Floor 6, pure.  A suspect is named where all else holds and still no answer comes.
"""

from __future__ import annotations

from .. import uapi
from ..nft.evaluate import Packet
from ..nft.records import FAMILIES
from ..terminal import printable
from .hop import Fault
from .namespace_view import data, link_local, solicited, word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..nft.evaluate import Evaluation
    from ..nft.records import NftChain
    from ..objects.link import Link
    from .hop import Leg
    from .namespace_view import Facts
    from .segment import Piece

    Suspect = tuple[Facts, Evaluation]

ECHO = {uapi.AF_INET: ("icmp", 8, 0), uapi.AF_INET6: ("icmpv6", 128, 129)}  # request, reply: <linux/icmp.h>, RFC 4443
SOLICITATION, ADVERTISEMENT = 135, 136  # RFC 4861


def echo(leg: Leg, iif: Link | None = None, oif: Link | None = None) -> Packet:
    """The packet that is on its way: an echo request, or on the way back the reply to it."""
    protocol, request, reply = ECHO[leg.family]
    return _icmp(leg.source or "", leg.target, protocol, reply if leg.reply else request, iif, oif, leg.reply)


def _icmp(source: str, target: str, protocol: str, kind: int, iif: Link | None, oif: Link | None, known: bool = False) -> Packet:
    state = "established" if known else "new"
    names = {key: link.name for key, link in (("iif", iif), ("oif", oif)) if link is not None}
    packet = Packet(source, target, protocol=protocol, state=state, **names)
    packet.transport.update({0: kind, 1: 0})
    return packet


def dropped(leg: Leg, facts: Facts, hook: str, packet: Packet, why: str = "") -> Fault | None:
    """What the rules at a hook do to the packet, if that is an end; whom to suspect, where nobody can tell."""
    evaluation = facts.evaluate(packet, hook)
    if not evaluation.certain:
        leg.suspects.append((facts, evaluation))
    if evaluation.verdict == "accept" or not evaluation.certain or evaluation.chain is None:
        return None
    by = "its policy" if evaluation.rule is None else f"its rule `{printable(str(evaluation.rule))}`"
    does = {"drop": "drops", "reject": "rejects"}.get(evaluation.verdict, f"sends to {evaluation.verdict}")
    sentence = f"the nf_tables chain {_called(evaluation.chain)} in {facts.where} {does} the packet by {by}{why}"
    return Fault(sentence, admitted(leg, facts, evaluation.chain))


def out(leg: Leg) -> Fault | None:
    """Out of `leg.here`: sent, or handed on."""
    hooks = ["output" if leg.iif is None else "forward", "postrouting"]
    packet = echo(leg, leg.iif, leg.out)
    return next((fault for hook in hooks if (fault := dropped(leg, leg.here, hook, packet)) is not None), None)


def into(leg: Leg) -> Fault | None:
    """Into `leg.there`; past the input hook only for who has the address."""
    there = leg.there
    if there is None:
        return None
    hooks = ["ingress", "prerouting", *(["input"] if there.holder(leg.target) is not None else [])]
    packet = echo(leg, leg.inlet)
    return next((fault for hook in hooks if (fault := dropped(leg, there, hook, packet)) is not None), None)


def discovery(leg: Leg) -> Fault | None:
    """IPv6 asks for its neighbours by ICMPv6, which a filter may drop as well: out, in, and the answer back."""
    here, there, port, inlet = leg.here, leg.there, leg.out, leg.inlet
    if there is None or port is None or inlet is None or any(one.address == leg.hop for one in _permanent(leg)):
        return None
    own = [one.address for one in here.addresses_of(port, leg.family)]
    asker = leg.source if leg.source in own else next(iter(sorted(own, key=link_local)), None)
    if asker is None:
        return None
    question = _icmp(asker, solicited(leg.hop), "icmpv6", SOLICITATION, None, port)
    asked = _icmp(asker, solicited(leg.hop), "icmpv6", SOLICITATION, inlet, None)
    answer = _icmp(leg.hop, asker, "icmpv6", ADVERTISEMENT, None, inlet)
    heard = _icmp(leg.hop, asker, "icmpv6", ADVERTISEMENT, port, None)
    why = ", a question or an answer of neighbour discovery"
    asking = [(here, "output", question), (there, "input", asked)]
    answering = [(there, "output", answer), (here, "input", heard)]
    for facts, hook, packet in [*asking, *answering]:
        fault = dropped(leg, facts, hook, packet, why)
        if fault is not None:
            return fault
    return None


def _permanent(leg: Leg) -> list[Any]:
    return [one for one in leg.here.neighbours() if one.state & uapi.NUD_PERMANENT and leg.out and one.index == leg.out.index]


def bridged(leg: Leg, piece: Piece, bridge: Link) -> Fault | None:
    """On a bridge: its own family's chains, and the IP ones where br_netfilter hands what is bridged to them."""
    facts = piece.here
    hooks = ["prerouting", "postrouting"]
    hooks.append("input" if piece.other is bridge else "output" if piece.one is bridge else "forward")
    for chain in facts.bridging():
        if chain.drops and chain.hook in hooks:
            sentence = f"the nf_tables chain {chain} in {facts.where} drops all that comes to its {chain.hook} hook"
            remedy = f"delete rule {chain} handle {chain.handle}" if chain.handle else f"add chain {chain} {{ policy accept ; }}"
            return Fault(sentence, facts.where.run(f"nft {word(remedy)}"))
    if bridge in (piece.one, piece.other) or not _called_for(facts, bridge, leg.family):
        return None
    packet = echo(leg, bridge, bridge)
    return dropped(leg, facts, "forward", packet, f" (br_netfilter hands it what {printable(bridge.name)} bridges)")


def _called_for(facts: Facts, bridge: Link, family: int) -> bool:
    which = "ip6tables" if family == uapi.AF_INET6 else "iptables"
    return bool(facts.sysctl(f"bridge/bridge-nf-call-{which}") or data(bridge).get(f"IFLA_BR_NF_CALL_{which.upper()}"))


# -- sentences and commands ---------------------------------------------------------------------------------------------


def _called(chain: NftChain) -> str:
    return printable(f"{FAMILIES.get(chain.family, chain.family)} {chain.table} {chain.name}")


def admitted(leg: Leg, facts: Facts, chain: NftChain) -> str:
    """A rule before all others that lets these two talk, and nobody else; in IPv6 that takes their questions, too."""
    pair = f"{{ {leg.source}, {leg.target} }}"
    accept = "meta l4proto ipv6-icmp" if leg.family == uapi.AF_INET6 else f"ip saddr {pair} ip daddr {pair}"
    rule = f"insert rule {_called(chain)} {accept} accept"
    return facts.where.run(f"nft {word(rule)}")


def suspected(suspects: list[Suspect]) -> Suspect | None:
    """Who may have dropped it: those that do unless a rule helps, before those that only may by a rule."""
    return min(suspects, key=lambda one: one[1].verdict == "accept", default=None)


def accusation(leg: Leg, suspect: Suspect, number: int) -> Fault:
    """The sentence for a suspect: all else holds, no answer came."""
    facts, outcome = suspect
    assert outcome.chain is not None
    rules = "a rule" if len(outcome.undecided) == 1 else f"{len(outcome.undecided)} rules"
    how = f"may drop it by {rules}" if outcome.verdict == "accept" else f"drops it, unless {rules} of it would have it otherwise"
    sentence = (
        f"all {number} checks hold, yet no answer came: the nf_tables chain {_called(outcome.chain)} in {facts.where} {how}"
    )
    return Fault(sentence, admitted(leg, facts, outcome.chain))
