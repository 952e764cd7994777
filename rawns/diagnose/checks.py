"""The table of all checks, in the order in which a packet meets what they look at.

A check is a function that returns None, or the `NetworkFault` that it found. It is given the `Hop`, and what the comment on its
stage names. To add one, write the function in the module of its subject and add a row here.
"""

from __future__ import annotations

from .. import uapi
from . import (
    arrival_checks,
    bridge_checks,
    link_checks,
    neighbour_checks,
    netfilter_checks,
    route_checks,
    socket_checks,
    tunnel_checks,
)
from .segment import BRIDGE, CABLE, STACK, TUNNEL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Optional

    from .hop import NetworkFault

    CheckFunction = Callable[..., Optional[NetworkFault]]
    CheckRow = tuple[str, CheckFunction, int]  # name, function, family (0: both)

V4, V6 = uapi.AF_INET, uapi.AF_INET6

DEPARTURE = "departure"  # before the packet leaves an IP stack: its route
EXIT = "exit"  # the link by which it leaves: `Link`
NEXT_HOP = "next hop"  # whether a stack receives it: the `Link` by which it leaves
RESOLUTION = "resolution"  # how the sender finds out where that is: `NamespaceView` and `Link` that receive
ARRIVAL = "arrival"  # the IP stack in which it arrives: the same
LOCAL = "local"  # a packet of a namespace to itself: its `NamespaceView`, and `Link` lo
# CABLE, STACK and TUNNEL: the `Segment`; BRIDGE: the `Segment`, and the `Link` of the bridge

CHECKS: dict[str, list[CheckRow]] = {
    DEPARTURE: [
        ("target is a host", route_checks.target_is_a_host, 0),
        ("lo up", route_checks.loopback_up, 0),
        ("link up", route_checks.connected_link_up, 0),
        ("route", route_checks.route_known, 0),
        ("not to itself", route_checks.not_to_itself, 0),
    ],
    EXIT: [
        ("link up", link_checks.egress_up, 0),
        ("carrier", link_checks.carrier, 0),
        ("not a bridge port", link_checks.not_a_port, 0),
        ("leads somewhere", link_checks.leads_somewhere, 0),
        ("IPv6 on", arrival_checks.ipv6_on_egress, V6),
        ("address past detection", arrival_checks.source_usable, V6),
        ("filter", netfilter_checks.outbound, 0),
        ("multipath", neighbour_checks.multipath_complete, 0),
    ],
    CABLE: [
        ("both ends up", link_checks.both_ends_up, 0),
        ("device filter", netfilter_checks.device_filters, 0),
    ],
    STACK: [
        ("device below up", link_checks.both_ends_up, 0),
        ("device filter", netfilter_checks.device_filters, 0),
    ],
    TUNNEL: [
        ("both ends up", link_checks.both_ends_up, 0),
        ("tunnel remote", tunnel_checks.has_remote, 0),
        ("device filter", netfilter_checks.device_filters, 0),
    ],
    BRIDGE: [
        ("no bridge loop", bridge_checks.without_loop, 0),
        ("bridge up", bridge_checks.bridge_up, 0),
        ("bridge ports up", bridge_checks.ports_up, 0),
        ("bridge port state", bridge_checks.ports_forward, 0),
        ("bridge port isolation", bridge_checks.isolated, 0),
        ("VLAN", bridge_checks.same_vlan, 0),
        ("bridge port locked", bridge_checks.locked, 0),
        ("bridge flooding", bridge_checks.floods, 0),
        ("forwarding database", bridge_checks.forwarding_entry, 0),
        ("bridge filter", netfilter_checks.bridge_filters, 0),
    ],
    NEXT_HOP: [
        ("next hop exists", neighbour_checks.next_hop_exists, 0),
    ],
    RESOLUTION: [
        ("macvlan mode", neighbour_checks.macvlan_mode, 0),
        ("ARP on", neighbour_checks.arp_on, 0),
        ("ARP answered", neighbour_checks.arp_answered, V4),
        ("resolution passes filters", netfilter_checks.resolution, 0),
        ("link-layer addresses", neighbour_checks.link_layer_addresses_differ, 0),
        ("one holder", neighbour_checks.only_one_holder, 0),
        ("neighbour", neighbour_checks.neighbour_entry, 0),
    ],
    ARRIVAL: [
        ("IPv6 on", arrival_checks.ipv6_on_ingress, V6),
        ("address past detection", arrival_checks.arrival_usable, V6),
        ("address local", arrival_checks.address_is_local, 0),
        ("source foreign", arrival_checks.source_is_foreign, V4),
        ("rp_filter", arrival_checks.reverse_path, V4),
        ("time to live", arrival_checks.ttl_sufficient, 0),
        ("filter", netfilter_checks.inbound, 0),
        ("forwarding", arrival_checks.forwards, 0),
        ("echo", arrival_checks.answers_echo, 0),
        ("listener", socket_checks.listened, 0),
    ],
    LOCAL: [
        ("filter", netfilter_checks.local, 0),
        ("listener", socket_checks.listened, 0),
    ],
}
