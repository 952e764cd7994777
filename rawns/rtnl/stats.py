"""Statistics of links: RTM_*STATS (`<linux/if_link.h>`, ``ip stats``)."""

from __future__ import annotations

from .. import uapi
from ..wire import FAMILY, U8, U16, U32, U64, Layout, Message, Repeated, Struct, Vector, attrs
from .link import LINK_STATS64

IF_STATS_MSG = Struct(
    "if_stats_msg",
    ("family", FAMILY),
    ("pad1", U8),
    ("pad2", U16),
    ("ifindex", U32),
    ("filter_mask", U32),  # bit N - 1 stands for the attribute N of the answer
    whole=True,
)
_WAYS = "rx_packets tx_packets rx_bytes tx_bytes rx_errors tx_errors rx_dropped tx_dropped".split()
HW_STATS64 = Struct("rtnl_hw_stats64", *[(name, U64) for name in [*_WAYS, "multicast"]])
MPLS_STATS = Struct("mpls_link_stats", *[(name, U64) for name in [*_WAYS, "rx_noroute"]])
VLAN_STATS = Struct(
    "bridge_vlan_xstats",
    *[(name, U64) for name in ("rx_bytes", "rx_packets", "tx_bytes", "tx_packets")],
    ("vid", U16),
    ("flags", U16),
    ("pad2", U32),
)
STP_STATS = Struct(
    "bridge_stp_xstats", *[(name, U64) for name in "transition_blk transition_fwd rx_bpdu tx_bpdu rx_tcn tx_tcn".split()]
)
BRIDGE_XSTATS = attrs(
    BRIDGE_XSTATS_VLAN=Repeated(VLAN_STATS),
    BRIDGE_XSTATS_MCAST=Vector(U64),  # struct br_mcast_stats: pairs of what was received and sent
    BRIDGE_XSTATS_STP=STP_STATS,
)
BOND_XSTATS = attrs(
    BOND_XSTATS_3AD=attrs(
        **{f"BOND_3AD_STAT_{name}": U64 for name in "LACPDU_RX LACPDU_TX LACPDU_UNKNOWN_RX LACPDU_ILLEGAL_RX".split()},
        **{f"BOND_3AD_STAT_MARKER_{name}": U64 for name in "RX TX RESP_RX RESP_TX UNKNOWN_RX".split()},
    )
)
XSTATS = attrs(LINK_XSTATS_TYPE_BRIDGE=BRIDGE_XSTATS, LINK_XSTATS_TYPE_BOND=BOND_XSTATS)
HW_INFO = attrs(True, IFLA_OFFLOAD_XSTATS_HW_S_INFO_REQUEST=U8, IFLA_OFFLOAD_XSTATS_HW_S_INFO_USED=U8)
OFFLOAD = attrs(
    IFLA_OFFLOAD_XSTATS_CPU_HIT=LINK_STATS64,
    IFLA_OFFLOAD_XSTATS_HW_S_INFO=attrs(True, IFLA_OFFLOAD_XSTATS_L3_STATS=HW_INFO),
    IFLA_OFFLOAD_XSTATS_L3_STATS=HW_STATS64,
)
STATS = Layout(
    IF_STATS_MSG,
    attrs(
        IFLA_STATS_LINK_64=LINK_STATS64,
        IFLA_STATS_LINK_XSTATS=XSTATS,
        IFLA_STATS_LINK_XSTATS_SLAVE=XSTATS,
        IFLA_STATS_LINK_OFFLOAD_XSTATS=OFFLOAD,
        IFLA_STATS_AF_SPEC=attrs(AF_MPLS=attrs(MPLS_STATS_LINK=MPLS_STATS)),
    ),
)
# What a request says: for some attributes of the answer, which of those nested in them.
FILTERS = attrs(True, IFLA_STATS_LINK_OFFLOAD_XSTATS=U32)
REQUEST = Layout(IF_STATS_MSG, attrs(IFLA_STATS_GET_FILTERS=FILTERS, IFLA_STATS_SET_OFFLOAD_XSTATS_L3_STATS=U8))

NEWSTATS = Message(uapi.RTM_NEWSTATS, "RTM_NEWSTATS", STATS)
GETSTATS = Message(uapi.RTM_GETSTATS, "RTM_GETSTATS", REQUEST)
SETSTATS = Message(uapi.RTM_SETSTATS, "RTM_SETSTATS", REQUEST)
