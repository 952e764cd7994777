"""Checks of nf_tables on the way: rules are evaluated (`nft.evaluate`); chains whose effect cannot be known are kept as suspects.

A packet meets base chains of several families: netdev at each device, bridge at each bridge, arp where addresses are resolved,
and ip, ip6 and inet in each IP stack. Address resolution meets them too, so its packets are evaluated as well.
"""

from __future__ import annotations

from _socket import PACKET_HOST, inet_pton

from .. import uapi
from ..lab import stamp
from ..nft.evaluate import Packet
from ..nft.firewall import described
from ..nft.records import FAMILIES
from ..objects.prefix import family_of
from ..terminal import printable
from ..wire import U16, U32
from . import remedy
from .capture import ADVERTISEMENT, ARP_REPLY, ARP_REQUEST, SOLICITATION
from .hop import FilterSuspect, NetworkFault
from .prefixes import link_local, solicited
from .segment import BRIDGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..nft.evaluate import Evaluation
    from ..nft.records import NftChain
    from ..objects.link import Link
    from .hop import Hop
    from .namespace_view import NamespaceView
    from .remedy import Remedy
    from .segment import Segment

ECHO = {  # protocol, type of the request, type of the reply
    uapi.AF_INET: ("icmp", uapi.ICMP_ECHO, uapi.ICMP_ECHOREPLY),
    uapi.AF_INET6: ("icmpv6", uapi.ICMPV6_ECHO_REQUEST, uapi.ICMPV6_ECHO_REPLY),
}
TCP_SYN, TCP_ACK = 2, 16  # flags in byte 13 of the header: RFC 9293, section 3.1
NETDEV = frozenset((uapi.NFPROTO_NETDEV,))
INGRESS = frozenset((uapi.NFPROTO_NETDEV, uapi.NFPROTO_INET))
BRIDGED = frozenset((uapi.NFPROTO_BRIDGE,))
ARP = frozenset((uapi.NFPROTO_ARP,))
RESOLVING = ", a question or an answer of address resolution"


# -- packets --------------------------------------------------------------------------------------------------------------


def packet_of(hop: Hop, view: NamespaceView, iif: Link | None = None, oif: Link | None = None) -> Packet:
    """Return the packet that is on its way, as a namespace sees it: conntrack there may not have seen the request."""
    state = "new"
    if hop.reply and view in hop.tracked:
        state = "established"
    elif hop.reply and hop.flow.protocol != "udp":
        state = "invalid"
    source = hop.source or ("::" if hop.family == uapi.AF_INET6 else "0.0.0.0")
    known: dict[str, Any] = {"protocol": hop.flow.protocol, "source_port" if hop.reply else "port": hop.port}
    if hop.flow.protocol == "icmp":
        protocol, request, reply = ECHO[hop.family]
        known = {"protocol": protocol, "icmp": (reply if hop.reply else request, 0)}
    packet = packet_between(source, hop.target, iif, oif, state=state, mark=hop.mark, **known)
    if hop.flow.protocol == "tcp":
        packet.transport[13] = TCP_SYN | (TCP_ACK if hop.reply else 0)
    if view is not hop.here and hop.egress is not None and hop.ingress is not None:
        for link, start in ((hop.ingress, 0), (hop.egress, 6)):
            packet.link_layer.update(enumerate(bytes.fromhex((link.address or "").replace(":", "")), start))
        packet.known["meta", uapi.NFT_META_PKTTYPE] = bytes([PACKET_HOST])
    return packet


def packet_between(
    source: str, target: str, iif: Link | None, oif: Link | None, *, icmp: tuple[int, int] | None = None, **known: Any
) -> Packet:
    """Return a packet of which addresses and interfaces are known (names, indexes and types), and ``icmp``, its type and code."""
    packet = Packet(source, target, iif=None if iif is None else iif.name, oif=None if oif is None else oif.name, **known)
    packet.transport.update(enumerate(icmp or ()))
    for link, index, kind in (
        (iif, uapi.NFT_META_IIF, uapi.NFT_META_IFTYPE),
        (oif, uapi.NFT_META_OIF, uapi.NFT_META_OIFTYPE),
    ):
        if link is not None:
            packet.known["meta", index] = U32.pack(link.index, {})
            packet.known["meta", kind] = U16.pack(link.body.get("ifi_type", uapi.ARPHRD_ETHER), {})
    return packet


def _resolving(hop: Hop, iif: Link | None, oif: Link | None, answer: bool = False) -> Packet | None:
    """Return the question for the link-layer address of the next hop, or the answer; None if the sender need not ask."""
    if hop.egress is None or family_of(hop.next_hop) != hop.family or hop.resolved():
        return None
    own = sorted((one.address for one in hop.here.addresses_of(hop.egress, hop.family)), key=link_local)
    if not own:
        return None
    asker = hop.source if hop.source in own else own[0]
    source, target = (hop.next_hop, asker) if answer else (asker, hop.next_hop)
    if hop.family == uapi.AF_INET:
        return _arp(source, target, ARP_REPLY if answer else ARP_REQUEST, iif, oif)
    kind, group = (ADVERTISEMENT, target) if answer else (SOLICITATION, solicited(target))
    return packet_between(source, group, iif, oif, protocol="icmpv6", state="untracked", mark=0, icmp=(kind, 0))


def _arp(source: str, target: str, operation: int, iif: Link | None, oif: Link | None) -> Packet:
    """Return an ARP packet (RFC 826): the addresses stand at offsets 14 and 24 of what follows the Ethernet header."""
    packet, ether = packet_between(source, target, iif, oif, mark=0), uapi.ETH_P_ARP.to_bytes(2, "big")
    packet.network = dict(enumerate(b"\0\1\x08\0\6\4" + operation.to_bytes(2, "big")))
    packet.network.update(enumerate(inet_pton(uapi.AF_INET, source), 14))
    packet.network.update(enumerate(inet_pton(uapi.AF_INET, target), 24))
    packet.link_layer.update(enumerate(ether, 12))
    packet.known["meta", uapi.NFT_META_PROTOCOL] = ether
    packet.known["meta", uapi.NFT_META_NFPROTO] = bytes([uapi.NFPROTO_ARP])
    del packet.known["ct", uapi.NFT_CT_STATE]
    return packet


# -- evaluation -------------------------------------------------------------------------------------------------------------


def check_chains(
    hop: Hop, view: NamespaceView, hook: str, packet: Packet | None, families: frozenset[int] | None = None, why: str = ""
) -> NetworkFault | None:
    """Evaluate the chains of a hook. Return the fault if they certainly stop the packet; if that is not known, note a suspect."""
    if packet is None:
        return None
    evaluation = view.evaluate(packet, hook, families)
    if not evaluation.certain:
        hop.suspects.append(FilterSuspect(view, evaluation, packet))
    if evaluation.verdict == "accept" or not evaluation.certain or evaluation.chain is None:
        return None
    made_by_lab = _fault_of_lab(hop, view, evaluation, packet, why)
    if made_by_lab is not None:
        return made_by_lab
    by = "its policy" if evaluation.rule is None else f"its rule `{printable(str(evaluation.rule))}`"
    does = {"drop": "drops", "reject": "rejects"}.get(evaluation.verdict, f"sends to {evaluation.verdict}")
    sentence = f"the nf_tables chain {chain_name(evaluation.chain)} in {view.name} {does} the packet by {by}{why}"
    return NetworkFault(sentence, accepting_rule(hop, view, evaluation.chain, packet))


def _fault_of_lab(hop: Hop, view: NamespaceView, evaluation: Evaluation, packet: Packet, why: str) -> NetworkFault | None:
    """Return the fault in the words of a lab's description or verb, if the rule that decides is one of a lab's."""
    rule, chain = evaluation.rule, evaluation.chain
    if rule is None or chain is None:
        return None
    mark = stamp.read(rule.comment)
    if mark is not None and chain.family == uapi.NFPROTO_NETDEV:  # made at run time: `lab.faults`
        words = printable(rule.comment[len(f"{stamp.WORD} lab={mark.lab} ") :])
        named = view.name.name is not None
        heal = remedy.Remedy(remedy.Action(f"rawns lab heal {mark.lab}")) if named else accepting_rule(hop, view, chain, packet)
        return NetworkFault(f"{view.name} drops the packet: `{words}` is in effect in the lab {mark.lab}{why}", heal)
    if chain.table.startswith("rawns_") and chain.table.endswith("_firewall") and described(rule):
        sentence = f"the firewall of {view.name} drops the packet by its rule `{printable(rule.comment)}`{why}"
        return NetworkFault(sentence, accepting_rule(hop, view, chain, packet))
    return None


def _first(faults: Iterator[NetworkFault | None]) -> NetworkFault | None:
    return next((fault for fault in faults if fault is not None), None)


def outbound(hop: Hop, egress: Link) -> NetworkFault | None:
    """Check the chains that a packet passes on its way out of the sender: sent from there, or forwarded."""
    packet = packet_of(hop, hop.here, hop.iif, egress)
    hooks = ("output" if hop.iif is None else "forward", "postrouting")
    return _first(check_chains(hop, hop.here, hook, packet) for hook in hooks)


def inbound(hop: Hop, there: NamespaceView, ingress: Link) -> NetworkFault | None:
    """Check the chains that a packet passes on its way into the receiver: the input hook only if it has the address."""
    if hop.source is None:
        return None
    packet = packet_of(hop, there, ingress)
    hooks = ("prerouting", "input") if there.holder(hop.target) is not None else ("prerouting",)
    return _first(check_chains(hop, there, hook, packet) for hook in hooks)


def local(hop: Hop, here: NamespaceView, lo: Link) -> NetworkFault | None:
    """Check the chains that a packet of a namespace to itself passes."""
    out, back = packet_of(hop, here, None, lo), packet_of(hop, here, lo)
    hooks = (("output", out), ("postrouting", out), ("prerouting", back), ("input", back))
    return _first(check_chains(hop, here, hook, packet) for hook, packet in hooks)


def resolution(hop: Hop, there: NamespaceView, ingress: Link) -> NetworkFault | None:
    """Check that address resolution passes the chains of both stacks: the question out and in, the answer out and in."""
    here, egress, families = hop.here, hop.egress, ARP if hop.family == uapi.AF_INET else None
    stops = (
        (here, "output", _resolving(hop, None, egress)),
        (there, "input", _resolving(hop, ingress, None)),
        (there, "output", _resolving(hop, None, ingress, answer=True)),
        (here, "input", _resolving(hop, egress, None, answer=True)),
    )
    return _first(check_chains(hop, view, hook, packet, families, RESOLVING) for view, hook, packet in stops)


def device_filters(hop: Hop, segment: Segment) -> NetworkFault | None:
    """Check the chains at the two devices of a segment: egress where a frame leaves, ingress where it comes in."""
    if hop.source is None:
        return None
    one, other, here, there = segment.one, segment.other, segment.here, segment.there
    stops = (
        (here, "egress", NETDEV, packet_of(hop, here, None, one), ""),
        (there, "ingress", INGRESS, packet_of(hop, there, other), ""),
        (here, "egress", NETDEV, _resolving(hop, None, one), RESOLVING),
        (there, "ingress", INGRESS, _resolving(hop, other, None), RESOLVING),
        (there, "egress", NETDEV, _resolving(hop, None, other, answer=True), RESOLVING),
        (here, "ingress", INGRESS, _resolving(hop, one, None, answer=True), RESOLVING),
    )
    return _first(check_chains(hop, view, hook, packet, families, why) for view, hook, families, packet, why in stops)


def bridge_filters(hop: Hop, segment: Segment, bridge: Link) -> NetworkFault | None:
    """Check the chains of the bridge family, and of the IP families if br_netfilter passes bridged packets to them."""
    if hop.source is None:
        return None
    here, one, other = segment.here, segment.one, segment.other

    def through(near: Link, far: Link) -> list[tuple[str, Link | None, Link | None]]:
        """Return the hooks between two ports, either of which may be the bridge itself, and the devices seen there."""
        into, out = [("prerouting", near, None)], [("postrouting", None, far)]
        if far is bridge:
            return [*into, ("input", near, far)]
        return [("output", near, far), *out] if near is bridge else [*into, ("forward", near, far), *out]

    there, back = through(one, other), through(other, one)
    stops: list[tuple[str, Packet | None, str]] = [(hook, packet_of(hop, here, iif, oif), "") for hook, iif, oif in there]
    stops += [(hook, _resolving(hop, iif, oif), RESOLVING) for hook, iif, oif in there]
    stops += [(hook, _resolving(hop, iif, oif, answer=True), RESOLVING) for hook, iif, oif in back]
    fault = _first(check_chains(hop, here, hook, packet, BRIDGED, why) for hook, packet, why in stops)
    which = "ip6tables" if hop.family == uapi.AF_INET6 else "iptables"
    called = here.sysctl(f"bridge/bridge-nf-call-{which}") or bridge.data.get(f"IFLA_BR_NF_CALL_{which.upper()}")
    if fault is not None or bridge in (one, other) or not called:
        return fault
    why = f" (br_netfilter passes it what {printable(bridge.name)} forwards)"
    return check_chains(hop, here, "forward", packet_of(hop, here, bridge, bridge), None, why)


# -- sentences and commands -------------------------------------------------------------------------------------------------


def chain_name(chain: NftChain) -> str:
    """Return a chain as nft names it: ``inet t c``."""
    return printable(f"{FAMILIES.get(chain.family, chain.family)} {chain.table} {chain.name}")


def describe_chain(chain: NftChain) -> str:
    """Return a base chain with its hook and priority: ``inet t c (forward, priority 0)``."""
    devices = f", {' '.join(map(printable, chain.devices))}" if chain.devices else ""
    kind = f"{chain.type}, " if chain.type not in ("filter", None) else ""
    return f"{chain_name(chain)} ({kind}{chain.hook}{devices}, priority {chain.priority})"


def accepting_rule(hop: Hop, view: NamespaceView, chain: NftChain, packet: Packet) -> Remedy:
    """Return the remedy that inserts a rule before all others which lets these two hosts talk."""
    version = "ip6" if hop.family == uapi.AF_INET6 else "ip"
    if packet.known.get(("meta", uapi.NFT_META_PROTOCOL)) == uapi.ETH_P_ARP.to_bytes(2, "big"):
        matches = ["arp htype 1" if chain.family == uapi.NFPROTO_ARP else "ether type arp"]
    elif hop.family == uapi.AF_INET6 and hop.flow.protocol == "icmp" or packet.transport.get(0) in (SOLICITATION, ADVERTISEMENT):
        matches = ["meta l4proto ipv6-icmp"]
    else:
        ends = dict.fromkeys([(hop.source, hop.target), (hop.target, hop.source)])
        matches = [f"{version} saddr {source} {version} daddr {target}" for source, target in ends]
    return inserted_rules(view, chain, *matches)


def inserted_rules(view: NamespaceView, chain: NftChain, *matches: str) -> Remedy:
    """Return the remedy that inserts rules before all others which accept what they match."""
    return remedy.run_nft(view, "; ".join(f"insert rule {chain_name(chain)} {match} accept" for match in matches))


def chains_on(segment: Segment) -> list[tuple[NamespaceView, NftChain]]:
    """Return the base chains of the netdev and bridge families that a segment passes."""
    found = []
    for view, link in segment.links:
        for chain in view.chains():
            if link.name in chain.devices or (chain.family == uapi.NFPROTO_BRIDGE and segment.kind == BRIDGE):
                found.append((view, chain))
    return found


def _relay_of_lab(suspect: FilterSuspect) -> tuple[stamp.Stamp | None, str]:
    """Return the stamp of a lab and the port that its relay impairs, if the rule that does not decide is the relay's."""
    rule = suspect.evaluation.undecided[0]
    mark, start = stamp.read(rule.comment), " relay "
    if mark is None or start not in rule.comment or suspect.evaluation.verdict != "accept":
        return None, ""
    return mark, printable(rule.comment.partition(start)[2])


def describe_suspect(hop: Hop, suspect: FilterSuspect) -> tuple[str, Remedy]:
    """Return what a suspect may have done, in words, and the remedy."""
    evaluation = suspect.evaluation
    assert evaluation.chain is not None
    number = len(evaluation.undecided)
    mark, relay = _relay_of_lab(suspect)
    if mark is not None:
        host = str(suspect.view.name).partition(f"{mark.lab}.")[2] or str(suspect.view.name)
        clear = remedy.Remedy(remedy.Action(f"rawns lab clear {mark.lab} {host}:{relay}"))
        return f"`impair` of the lab {mark.lab} is in effect on {relay} in {suspect.view.name}, and may lose it", clear
    rules, decide = ("a rule", "decides") if number == 1 else (f"{number} rules", "decide")
    shown = printable(str(evaluation.undecided[0]))
    how = f"may drop it by {rules}" if evaluation.verdict == "accept" else f"drops it, unless {rules} of it {decide} otherwise"
    sentence = f"the nf_tables chain {chain_name(evaluation.chain)} in {suspect.view.name} {how} (`{shown}`)"
    return sentence, accepting_rule(hop, suspect.view, evaluation.chain, suspect.packet)
