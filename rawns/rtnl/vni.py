"""VXLAN network identifiers that a device filters by: RTM_*TUNNEL (`<linux/if_link.h>`, ``bridge vni``)."""

from __future__ import annotations

from .. import uapi
from ..wire import FAMILY, IP, U8, U16, U32, U64, Layout, Message, Repeated, Struct, attrs

TUNNEL_MSG = Struct(
    "tunnel_msg",
    ("family", FAMILY),
    ("flags", U8.bits("TUNNEL_MSG_FLAG_")),
    ("reserved2", U16),
    ("ifindex", U32),
    whole=True,
)
_COUNTERS = "RX_BYTES RX_PKTS RX_DROPS RX_ERRORS TX_BYTES TX_PKTS TX_DROPS TX_ERRORS".split()
ENTRY = attrs(
    True,
    VXLAN_VNIFILTER_ENTRY_START=U32,
    VXLAN_VNIFILTER_ENTRY_END=U32,
    VXLAN_VNIFILTER_ENTRY_GROUP=IP,
    VXLAN_VNIFILTER_ENTRY_GROUP6=IP,
    VXLAN_VNIFILTER_ENTRY_STATS=attrs(True, **{f"VNIFILTER_ENTRY_STATS_{name}": U64 for name in _COUNTERS}),
)
TUNNEL = Layout(TUNNEL_MSG, attrs(VXLAN_VNIFILTER_ENTRY=Repeated(ENTRY)))

NEWTUNNEL = Message(uapi.RTM_NEWTUNNEL, "RTM_NEWTUNNEL", TUNNEL)
DELTUNNEL = Message(uapi.RTM_DELTUNNEL, "RTM_DELTUNNEL", TUNNEL)
GETTUNNEL = Message(uapi.RTM_GETTUNNEL, "RTM_GETTUNNEL", TUNNEL)
