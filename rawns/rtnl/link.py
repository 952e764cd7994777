"""Links: RTM_*LINK and RTM_*LINKPROP (`<linux/if_link.h>`, `<linux/veth.h>`).

Bridges are described in `bridge`, the kinds other than veth in `kinds`.
"""

from __future__ import annotations

from .. import uapi
from ..wire import (
    FAMILY,
    IFNAME,
    IP,
    MAC,
    RAW,
    S32,
    TEXT,
    U8,
    U16,
    U32,
    U64,
    Layout,
    Message,
    Raw,
    Repeated,
    Struct,
    SubMessage,
    Text,
    Type,
    Vector,
    attrs,
)

IFINFOMSG = Struct(
    "ifinfomsg",
    ("ifi_family", FAMILY),
    ("__ifi_pad", U8),
    ("ifi_type", U16.named("ARPHRD_")),
    ("ifi_index", S32),
    ("ifi_flags", U32.bits("IFF_")),
    ("ifi_change", U32.bits("IFF_")),
    whole=True,
)

_COUNTERS = (
    "rx_packets tx_packets rx_bytes tx_bytes rx_errors tx_errors rx_dropped tx_dropped multicast collisions "
    "rx_length_errors rx_over_errors rx_crc_errors rx_frame_errors rx_fifo_errors rx_missed_errors tx_aborted_errors "
    "tx_carrier_errors tx_fifo_errors tx_heartbeat_errors tx_window_errors rx_compressed tx_compressed rx_nohandler"
).split()
LINK_STATS = Struct("rtnl_link_stats", *[(name, U32) for name in _COUNTERS])
LINK_STATS64 = Struct("rtnl_link_stats64", *[(name, U64) for name in [*_COUNTERS, "rx_otherhost_dropped"]])
LINK_IFMAP = Struct(
    "rtnl_link_ifmap",
    ("mem_start", U64),
    ("mem_end", U64),
    ("base_addr", U64),
    ("irq", U16),
    ("dma", U8),
    ("port", U8),
    ("__pad", Raw(4)),  # C aligns the struct to its widest member
)
IFLA_CACHEINFO = Struct("ifla_cacheinfo", ("max_reasm_len", U32), ("tstamp", U32), ("reachable_time", U32), ("retrans_time", U32))
INET6 = attrs(
    IFLA_INET6_FLAGS=U32,
    IFLA_INET6_CONF=Vector(S32, "DEVCONF_"),
    IFLA_INET6_STATS=Vector(U64, "IPSTATS_MIB_"),
    IFLA_INET6_CACHEINFO=IFLA_CACHEINFO,
    IFLA_INET6_ICMP6STATS=Vector(U64, "ICMP6_MIB_"),
    IFLA_INET6_TOKEN=IP,
    IFLA_INET6_ADDR_GEN_MODE=U8.named("IN6_ADDR_GEN_MODE_"),
    IFLA_INET6_RA_MTU=U32,
)
AF_SPEC = attrs(AF_INET=attrs(IFLA_INET_CONF=Vector(S32, "IPV4_DEVCONF_", first=1)), AF_INET6=INET6)
IPV6_SETTINGS = attrs(AF_INET6=INET6.select("IFLA_INET6_CONF"))  # of IFLA_AF_SPEC, for thousands of links
XDP = attrs(
    IFLA_XDP_FD=S32,
    IFLA_XDP_ATTACHED=U8.named("XDP_ATTACHED_"),
    IFLA_XDP_FLAGS=U32.bits("XDP_FLAGS_"),
    IFLA_XDP_PROG_ID=U32,
    IFLA_XDP_DRV_PROG_ID=U32,
    IFLA_XDP_SKB_PROG_ID=U32,
    IFLA_XDP_HW_PROG_ID=U32,
    IFLA_XDP_EXPECTED_FD=S32,
)


def _protocol_information(family: int) -> Type | None:
    if family != uapi.AF_BRIDGE:
        return None
    from . import bridge

    return bridge.BRIDGE_PORT


def _family_specific(family: int) -> Type | None:
    if family != uapi.AF_BRIDGE:
        return None
    from . import bridge

    return bridge.BRIDGE_SPEC


# What both a link and the other end of a veth pair may carry.
_LINK: dict[str, Type] = dict(
    IFLA_IFNAME=IFNAME,
    IFLA_ADDRESS=MAC,
    IFLA_BROADCAST=MAC,
    IFLA_MTU=U32,
    IFLA_LINK=S32,
    IFLA_QDISC=TEXT,
    IFLA_STATS=LINK_STATS,
    IFLA_MASTER=U32,
    IFLA_PROTINFO=SubMessage("ifi_family", {uapi.AF_INET6: INET6}, nested=True, more=_protocol_information),
    IFLA_TXQLEN=U32,
    IFLA_MAP=LINK_IFMAP,
    IFLA_OPERSTATE=U8.named("IF_OPER_"),
    IFLA_LINKMODE=U8.named("IF_LINK_MODE_"),
    IFLA_NET_NS_PID=U32,
    IFLA_NET_NS_FD=U32,
    IFLA_IFALIAS=Text(uapi.IFALIASZ, nul=False),
    IFLA_NUM_VF=U32,
    IFLA_STATS64=LINK_STATS64,
    IFLA_AF_SPEC=SubMessage("ifi_family", {uapi.AF_UNSPEC: AF_SPEC}, AF_SPEC, more=_family_specific),
    IFLA_GROUP=U32,
    IFLA_EXT_MASK=U32.bits("RTEXT_FILTER_"),
    IFLA_PROMISCUITY=U32,
    IFLA_NUM_TX_QUEUES=U32,
    IFLA_NUM_RX_QUEUES=U32,
    IFLA_CARRIER=U8,
    IFLA_PHYS_PORT_ID=RAW,
    IFLA_CARRIER_CHANGES=U32,
    IFLA_PHYS_SWITCH_ID=RAW,
    IFLA_LINK_NETNSID=S32,
    IFLA_PHYS_PORT_NAME=TEXT,
    IFLA_PROTO_DOWN=U8,
    IFLA_GSO_MAX_SEGS=U32,
    IFLA_GSO_MAX_SIZE=U32,
    IFLA_XDP=XDP,
    IFLA_EVENT=U32,
    IFLA_NEW_NETNSID=S32,
    IFLA_TARGET_NETNSID=S32,
    IFLA_CARRIER_UP_COUNT=U32,
    IFLA_CARRIER_DOWN_COUNT=U32,
    IFLA_NEW_IFINDEX=S32,
    IFLA_MIN_MTU=U32,
    IFLA_MAX_MTU=U32,
    IFLA_PROP_LIST=attrs(True, IFLA_ALT_IFNAME=Repeated(Text(uapi.ALTIFNAMSIZ))),
    IFLA_ALT_IFNAME=Text(uapi.ALTIFNAMSIZ),
    IFLA_PERM_ADDRESS=MAC,
    IFLA_PROTO_DOWN_REASON=attrs(IFLA_PROTO_DOWN_REASON_MASK=U32, IFLA_PROTO_DOWN_REASON_VALUE=U32),
    IFLA_PARENT_DEV_NAME=TEXT,
    IFLA_PARENT_DEV_BUS_NAME=TEXT,
    IFLA_GRO_MAX_SIZE=U32,
    IFLA_TSO_MAX_SIZE=U32,
    IFLA_TSO_MAX_SEGS=U32,
    IFLA_ALLMULTI=U32,
    IFLA_DEVLINK_PORT=attrs(DEVLINK_ATTR_BUS_NAME=TEXT, DEVLINK_ATTR_DEV_NAME=TEXT, DEVLINK_ATTR_PORT_INDEX=U32),
    IFLA_GSO_IPV4_MAX_SIZE=U32,
    IFLA_GRO_IPV4_MAX_SIZE=U32,
    IFLA_DPLL_PIN=attrs(DPLL_A_PIN_ID=U32),
    IFLA_MAX_PACING_OFFLOAD_HORIZON=Vector(U32),  # nla_put_uint: one word, or two where the number needs them
    IFLA_NETNS_IMMUTABLE=U8,
    IFLA_HEADROOM=U16,
    IFLA_TAILROOM=U16,
)

# The other end of a pair is described by a whole link message of its own.  It has no IFLA_LINKINFO, which
# also keeps the description finite.
_PEER = Layout(IFINFOMSG, attrs(**_LINK))
VETH = attrs(VETH_INFO_PEER=_PEER)
VXCAN = attrs(VXCAN_INFO_PEER=_PEER)
NETKIT = attrs(
    IFLA_NETKIT_PEER_INFO=_PEER,
    IFLA_NETKIT_PRIMARY=U8,
    IFLA_NETKIT_POLICY=U32,
    IFLA_NETKIT_PEER_POLICY=U32,
    IFLA_NETKIT_MODE=U32,
    IFLA_NETKIT_SCRUB=U32,
    IFLA_NETKIT_PEER_SCRUB=U32,
    IFLA_NETKIT_HEADROOM=U16,
    IFLA_NETKIT_TAILROOM=U16,
)


def _kind(name: str) -> Type | None:
    if name == "bridge":
        from . import bridge

        return bridge.BRIDGE
    from . import kinds

    return kinds.KINDS.get(name)


def _port_kind(name: str) -> Type | None:
    if name == "bridge":
        from . import bridge

        return bridge.BRIDGE_PORT
    from . import kinds

    return kinds.PORT_KINDS.get(name)


DATA = SubMessage("IFLA_INFO_KIND", {"veth": VETH, "vxcan": VXCAN, "netkit": NETKIT}, more=_kind)
PORT_DATA = SubMessage("IFLA_INFO_SLAVE_KIND", {}, more=_port_kind)
LINKINFO = attrs(
    IFLA_INFO_KIND=Text(64, nul=False),
    IFLA_INFO_DATA=DATA,
    IFLA_INFO_XSTATS=RAW,
    IFLA_INFO_SLAVE_KIND=Text(64, nul=False),
    IFLA_INFO_SLAVE_DATA=PORT_DATA,
)
LINK = Layout(IFINFOMSG, attrs(IFLA_LINKINFO=LINKINFO, **_LINK))

NEWLINK = Message(uapi.RTM_NEWLINK, "RTM_NEWLINK", LINK)
DELLINK = Message(uapi.RTM_DELLINK, "RTM_DELLINK", LINK)
GETLINK = Message(uapi.RTM_GETLINK, "RTM_GETLINK", LINK)
SETLINK = Message(uapi.RTM_SETLINK, "RTM_SETLINK", LINK)
NEWLINKPROP = Message(uapi.RTM_NEWLINKPROP, "RTM_NEWLINKPROP", LINK)
DELLINKPROP = Message(uapi.RTM_DELLINKPROP, "RTM_DELLINKPROP", LINK)
