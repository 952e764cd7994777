"""Checks of nf_tables on the way: rules are evaluated (`nft.evaluate`); chains whose effect cannot be known are kept as suspects.

A packet meets base chains of several families: netdev at each device, bridge at each bridge, arp where addresses are resolved,
and ip, ip6 and inet in each IP stack. Address resolution meets them too, so its packets are evaluated as well.
"""

from __future__ import annotations

from .. import uapi
from ..nft.evaluate import Packet
from ..nft.records import FAMILIES
from ..terminal import printable
from ..wire import U16, U32
from . import remedy
from .hop import FilterSuspect, NetworkFault
from .namespace_view import data
from .prefixes import link_local, solicited
from .segment import BRIDGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..nft.records import NftChain
    from ..objects.link import Link
    from ..objects.neighbour import Neighbour
    from .hop import Hop
    from .namespace_view import NamespaceView
    from .remedy import Remedy
    from .segment import Segment

ECHO = {uapi.AF_INET: ("icmp", 8, 0), uapi.AF_INET6: ("icmpv6", 128, 129)}  # request, reply: <linux/icmp.h>, RFC 4443
SOLICITATION, ADVERTISEMENT = 135, 136  # RFC 4861
TCP_SYN, TCP_ACK = 2, 16  # flags in byte 13 of the header: RFC 9293, section 3.1
ARP_REQUEST, ARP_REPLY = 1, 2  # <linux/if_arp.h>
NETDEV = frozenset((uapi.NFPROTO_NETDEV,))
INGRESS = frozenset((uapi.NFPROTO_NETDEV, uapi.NFPROTO_INET))
BRIDGED = frozenset((uapi.NFPROTO_BRIDGE,))
ARP = frozenset((uapi.NFPROTO_ARP,))
RESOLVING = ", a question or an answer of address resolution"


# -- packets --------------------------------------------------------------------------------------------------------------


def packet_of(hop: Hop, view: NamespaceView, iif: Link | None = None, oif: Link | None = None) -> Packet:
    """Return the packet that is on its way, as a namespace sees it: conntrack there may not have seen the request."""
    state = "new"
    if hop.reply:
        known = any(view is one for one in hop.tracked)
        state = "established" if known else "new" if hop.flow.protocol == "udp" else "invalid"
    names: dict[str, Any] = {key: link.name for key, link in (("iif", iif), ("oif", oif)) if link is not None}
    source = hop.source or ("::" if hop.family == uapi.AF_INET6 else "0.0.0.0")
    if hop.flow.protocol == "icmp":
        protocol, request, reply = ECHO[hop.family]
        packet = Packet(source, hop.target, protocol=protocol, state=state, mark=hop.mark, **names)
        packet.transport.update({0: reply if hop.reply else request, 1: 0})
        return _with_link_layer(hop, view, _with_devices(packet, iif, oif))
    source_port, port = (hop.port, None) if hop.reply else (None, hop.port)
    packet = Packet(
        source, hop.target, protocol=hop.flow.protocol, state=state, mark=hop.mark, port=port, source_port=source_port, **names
    )
    if hop.flow.protocol == "tcp":
        packet.transport[13] = TCP_SYN | (TCP_ACK if hop.reply else 0)
    return _with_link_layer(hop, view, _with_devices(packet, iif, oif))


def _icmpv6(source: str, target: str, kind: int, iif: Link | None, oif: Link | None) -> Packet:
    names: dict[str, Any] = {key: link.name for key, link in (("iif", iif), ("oif", oif)) if link is not None}
    packet = Packet(source, target, protocol="icmpv6", state="untracked", mark=0, **names)
    packet.transport.update({0: kind, 1: 0})
    return _with_devices(packet, iif, oif)


def _arp(source: str, target: str, operation: int, iif: Link | None, oif: Link | None) -> Packet:
    """Return an ARP packet (RFC 826): the addresses stand at offsets 14 and 24 of what follows the Ethernet header."""
    from _socket import inet_pton

    names: dict[str, Any] = {key: link.name for key, link in (("iif", iif), ("oif", oif)) if link is not None}
    packet = Packet(source, target, mark=0, **names)
    packet.network = dict(enumerate(b"\0\1\x08\0\6\4" + operation.to_bytes(2, "big")))
    packet.network.update(enumerate(inet_pton(uapi.AF_INET, source), 14))
    packet.network.update(enumerate(inet_pton(uapi.AF_INET, target), 24))
    packet.transport.clear()
    ether = uapi.ETH_P_ARP.to_bytes(2, "big")
    packet.known["meta", uapi.NFT_META_PROTOCOL] = ether
    packet.known["meta", uapi.NFT_META_NFPROTO] = bytes([uapi.NFPROTO_ARP])
    packet.known.pop(("ct", uapi.NFT_CT_STATE))
    packet.link_layer.update(enumerate(ether, 12))
    return _with_devices(packet, iif, oif)


def _with_link_layer(hop: Hop, view: NamespaceView, packet: Packet) -> Packet:
    """Add to a packet that has left the sender its link-layer addresses on this segment."""
    if view is hop.here or hop.out is None or hop.inlet is None:
        return packet
    for link, start in ((hop.inlet, 0), (hop.out, 6)):
        if link.address:
            packet.link_layer.update(enumerate(bytes.fromhex(link.address.replace(":", "")), start))
    packet.known["meta", uapi.NFT_META_PKTTYPE] = bytes(1)  # PACKET_HOST
    return packet


def _with_devices(packet: Packet, iif: Link | None, oif: Link | None) -> Packet:
    """Add to a packet what a rule can ask about its interfaces besides their names: indexes and types."""
    keys = (
        (iif, uapi.NFT_META_IIF, uapi.NFT_META_IFTYPE),
        (oif, uapi.NFT_META_OIF, uapi.NFT_META_OIFTYPE),
    )
    for link, index, kind in keys:
        if link is not None:
            packet.known["meta", index] = U32.pack(link.index, {})
            packet.known["meta", kind] = U16.pack(link.body.get("ifi_type", uapi.ARPHRD_ETHER), {})
    return packet


def _asking_address(hop: Hop) -> str | None:
    """Return the address with which the sender asks for the link-layer address of the next hop."""
    if hop.out is None or any(one.address == hop.next_hop for one in _permanent(hop)):
        return None
    own = [one.address for one in hop.here.addresses_of(hop.out, hop.family)]
    found: str | None = hop.source if hop.source in own else next(iter(sorted(own, key=link_local)), None)
    return found


def _permanent(hop: Hop) -> list[Neighbour]:
    return [one for one in hop.here.neighbours() if one.state & uapi.NUD_PERMANENT and hop.out and one.index == hop.out.index]


def _question(hop: Hop, iif: Link | None, oif: Link | None) -> Packet | None:
    asker = _asking_address(hop)
    if asker is None or ":" in hop.next_hop and hop.family == uapi.AF_INET:
        return None
    if hop.family == uapi.AF_INET6:
        return _icmpv6(asker, solicited(hop.next_hop), SOLICITATION, iif, oif)
    return _arp(asker, hop.next_hop, ARP_REQUEST, iif, oif)


def _answer(hop: Hop, iif: Link | None, oif: Link | None) -> Packet | None:
    asker = _asking_address(hop)
    if asker is None or ":" in hop.next_hop and hop.family == uapi.AF_INET:
        return None
    if hop.family == uapi.AF_INET6:
        return _icmpv6(hop.next_hop, asker, ADVERTISEMENT, iif, oif)
    return _arp(hop.next_hop, asker, ARP_REPLY, iif, oif)


# -- evaluation -------------------------------------------------------------------------------------------------------------


def check_chains(
    hop: Hop, view: NamespaceView, hook: str, packet: Packet | None, families: frozenset[int] | None = None, why: str = ""
) -> NetworkFault | None:
    """Evaluate the chains of a hook. Return the fault if they certainly stop the packet; if that is not known, note a suspect."""
    if packet is None:
        return None
    evaluation = view.evaluate(packet, hook, families)
    if not evaluation.certain:
        hop.suspects.append(FilterSuspect(view, hook, evaluation, packet))
    if evaluation.verdict == "accept" or not evaluation.certain or evaluation.chain is None:
        return None
    by = "its policy" if evaluation.rule is None else f"its rule `{printable(str(evaluation.rule))}`"
    does = {"drop": "drops", "reject": "rejects"}.get(evaluation.verdict, f"sends to {evaluation.verdict}")
    sentence = f"the nf_tables chain {chain_name(evaluation.chain)} in {view.name} {does} the packet by {by}{why}"
    return NetworkFault(sentence, accepting_rule(hop, view, evaluation.chain, packet))


def _first(faults: Iterator[NetworkFault | None]) -> NetworkFault | None:
    return next((fault for fault in faults if fault is not None), None)


def outbound(hop: Hop) -> NetworkFault | None:
    """Check the chains that a packet passes on its way out of the sender: sent from there, or forwarded."""
    hooks = ["output" if hop.iif is None else "forward", "postrouting"]
    packet = packet_of(hop, hop.here, hop.iif, hop.out)
    return _first(check_chains(hop, hop.here, hook, packet) for hook in hooks)


def inbound(hop: Hop) -> NetworkFault | None:
    """Check the chains that a packet passes on its way into the receiver: the input hook only if it has the address."""
    there = hop.there
    if there is None or hop.source is None:
        return None
    hooks = ["prerouting", *(["input"] if there.holder(hop.target) is not None else [])]
    packet = packet_of(hop, there, hop.inlet)
    return _first(check_chains(hop, there, hook, packet) for hook in hooks)


def local(hop: Hop) -> NetworkFault | None:
    """Check the chains that a packet of a namespace to itself passes."""
    lo = next((link for link in hop.here.links.values() if link.flags & uapi.IFF_LOOPBACK), None)
    out, back = packet_of(hop, hop.here, None, lo), packet_of(hop, hop.here, lo)
    stops = [("output", out), ("postrouting", out), ("prerouting", back), ("input", back)]
    return _first(check_chains(hop, hop.here, hook, packet) for hook, packet in stops)


def resolution(hop: Hop) -> NetworkFault | None:
    """Check that address resolution passes the chains of both stacks: the question out and in, the answer out and in."""
    here, there, port, inlet = hop.here, hop.there, hop.out, hop.inlet
    if there is None or port is None or inlet is None:
        return None
    families = ARP if hop.family == uapi.AF_INET else None
    stops = [
        (here, "output", _question(hop, None, port)),
        (there, "input", _question(hop, inlet, None)),
        (there, "output", _answer(hop, None, inlet)),
        (here, "input", _answer(hop, port, None)),
    ]
    return _first(check_chains(hop, view, hook, packet, families, RESOLVING) for view, hook, packet in stops)


def device_filters(hop: Hop) -> NetworkFault | None:
    """Check the chains at the two devices of a segment: egress where a frame leaves, ingress where it comes in."""
    segment = hop.segment
    if segment is None or hop.source is None:
        return None
    one, other, here, there = segment.one, segment.other, segment.here, segment.there
    stops = [
        (here, "egress", NETDEV, packet_of(hop, here, None, one), ""),
        (there, "ingress", INGRESS, packet_of(hop, there, other), ""),
        (here, "egress", NETDEV, _question(hop, None, one), RESOLVING),
        (there, "ingress", INGRESS, _question(hop, other, None), RESOLVING),
        (there, "egress", NETDEV, _answer(hop, None, other), RESOLVING),
        (here, "ingress", INGRESS, _answer(hop, one, None), RESOLVING),
    ]
    return _first(check_chains(hop, view, hook, packet, families, why) for view, hook, families, packet, why in stops)


def bridge_filters(hop: Hop) -> NetworkFault | None:
    """Check the chains of the bridge family, and of the IP families if br_netfilter passes bridged packets to them."""
    segment = hop.segment
    bridge = None if segment is None or segment.kind != BRIDGE else segment.bridge
    if segment is None or bridge is None or hop.source is None:
        return None
    here, one, other = segment.here, segment.one, segment.other
    for makes, why in ((None, ""), (_question, RESOLVING), (_answer, RESOLVING)):
        near, far = (other, one) if makes is _answer else (one, other)
        middle = "input" if far is bridge else "output" if near is bridge else "forward"
        for hook, iif, oif in (("prerouting", near, None), (middle, near, far), ("postrouting", None, far)):
            if near is bridge and hook == "prerouting" or far is bridge and hook == "postrouting":
                continue
            packet = packet_of(hop, here, iif, oif) if makes is None else makes(hop, iif, oif)
            fault = check_chains(hop, here, hook, packet, BRIDGED, why)
            if fault is not None:
                return fault
    if bridge in (one, other) or not _called_for(here, bridge, hop.family):
        return None
    packet = packet_of(hop, here, bridge, bridge)
    return check_chains(hop, here, "forward", packet, None, f" (br_netfilter passes it what {printable(bridge.name)} forwards)")


def _called_for(view: NamespaceView, bridge: Link, family: int) -> bool:
    which = "ip6tables" if family == uapi.AF_INET6 else "iptables"
    return bool(view.sysctl(f"bridge/bridge-nf-call-{which}") or data(bridge).get(f"IFLA_BR_NF_CALL_{which.upper()}"))


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
        match = "arp htype 1" if chain.family == uapi.NFPROTO_ARP else "ether type arp"
    elif hop.family == uapi.AF_INET6 and hop.flow.protocol == "icmp" or packet.transport.get(0) in (SOLICITATION, ADVERTISEMENT):
        match = "meta l4proto ipv6-icmp"
    else:
        ends = [(hop.source, hop.target)] + ([(hop.target, hop.source)] if hop.source != hop.target else [])
        matches = [f"{version} saddr {source} {version} daddr {target}" for source, target in ends]
        return remedy.run_nft(view, "; ".join(f"insert rule {chain_name(chain)} {match} accept" for match in matches))
    return remedy.run_nft(view, f"insert rule {chain_name(chain)} {match} accept")


def chains_on(segment: Segment) -> list[tuple[NamespaceView, NftChain]]:
    """Return the base chains of the netdev and bridge families that a segment passes."""
    found = []
    for view, link in segment.links:
        for chain in view.chains():
            if link.name in chain.devices or (chain.family == uapi.NFPROTO_BRIDGE and segment.kind == BRIDGE):
                found.append((view, chain))
    return found


def describe_suspect(hop: Hop, suspect: FilterSuspect) -> tuple[str, Remedy]:
    """Return what a suspect may have done, in words, and the remedy."""
    evaluation = suspect.evaluation
    assert evaluation.chain is not None
    number = len(evaluation.undecided)
    rules, decide = ("a rule", "decides") if number == 1 else (f"{number} rules", "decide")
    shown = printable(str(evaluation.undecided[0]))
    how = f"may drop it by {rules}" if evaluation.verdict == "accept" else f"drops it, unless {rules} of it {decide} otherwise"
    sentence = f"the nf_tables chain {chain_name(evaluation.chain)} in {suspect.view.name} {how} (`{shown}`)"
    return sentence, accepting_rule(hop, suspect.view, evaluation.chain, suspect.packet)
