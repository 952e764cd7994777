"""rtnetlink described: links, addresses, routes, rules, neighbours, namespace ids, queueing disciplines (rtnetlink(7)).

Floor 2, pure data.  The kinds of links are in `kinds`, traffic control in `tc` (loaded when it is wanted), all the rest is here.
The names are those of `<linux/rtnetlink.h>`, `<linux/if_link.h>`, `<linux/if_addr.h>`, `<linux/neighbour.h>`,
`<linux/fib_rules.h>`, `<linux/veth.h>` and `<linux/net_namespace.h>`; the numbers stand in `uapi`.
To teach the project a new attribute, add its line here: encoding, decoding and `--explain` follow.
"""

from __future__ import annotations

from .. import uapi
from ..wire import (
    BE16,
    BE64,
    FLAG,
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
    RecordList,
    Repeated,
    Struct,
    StructArray,
    SubMessage,
    Text,
    Type,
    Vector,
    table,
)
from . import kinds
from .base import FAMILY, IFNAME, attrs

# -- links --------------------------------------------------------------------------------------------------------

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
BRIDGE_ID = Struct("ifla_bridge_id", ("prio", Raw(2)), ("addr", Raw(6)))

BRIDGE_OPTIONS = Struct("br_boolopt_multi", ("optval", U32), ("optmask", U32))  # yes-or-no options: values, which are meant

BRIDGE = attrs(
    IFLA_BR_FORWARD_DELAY=U32,
    IFLA_BR_HELLO_TIME=U32,
    IFLA_BR_MAX_AGE=U32,
    IFLA_BR_AGEING_TIME=U32,
    IFLA_BR_STP_STATE=U32,
    IFLA_BR_PRIORITY=U16,
    IFLA_BR_VLAN_FILTERING=U8,
    IFLA_BR_VLAN_PROTOCOL=BE16,
    IFLA_BR_GROUP_FWD_MASK=U16,
    IFLA_BR_ROOT_ID=BRIDGE_ID,
    IFLA_BR_BRIDGE_ID=BRIDGE_ID,
    IFLA_BR_ROOT_PORT=U16,
    IFLA_BR_ROOT_PATH_COST=U32,
    IFLA_BR_TOPOLOGY_CHANGE=U8,
    IFLA_BR_TOPOLOGY_CHANGE_DETECTED=U8,
    IFLA_BR_HELLO_TIMER=U64,
    IFLA_BR_TCN_TIMER=U64,
    IFLA_BR_TOPOLOGY_CHANGE_TIMER=U64,
    IFLA_BR_GC_TIMER=U64,
    IFLA_BR_GROUP_ADDR=MAC,
    IFLA_BR_FDB_FLUSH=FLAG,
    IFLA_BR_MCAST_ROUTER=U8,
    IFLA_BR_MCAST_SNOOPING=U8,
    IFLA_BR_MCAST_QUERY_USE_IFADDR=U8,
    IFLA_BR_MCAST_QUERIER=U8,
    IFLA_BR_MCAST_HASH_ELASTICITY=U32,
    IFLA_BR_MCAST_HASH_MAX=U32,
    IFLA_BR_MCAST_LAST_MEMBER_CNT=U32,
    IFLA_BR_MCAST_STARTUP_QUERY_CNT=U32,
    IFLA_BR_MCAST_LAST_MEMBER_INTVL=U64,
    IFLA_BR_MCAST_MEMBERSHIP_INTVL=U64,
    IFLA_BR_MCAST_QUERIER_INTVL=U64,
    IFLA_BR_MCAST_QUERY_INTVL=U64,
    IFLA_BR_MCAST_QUERY_RESPONSE_INTVL=U64,
    IFLA_BR_MCAST_STARTUP_QUERY_INTVL=U64,
    IFLA_BR_VLAN_DEFAULT_PVID=U16,
    IFLA_BR_VLAN_STATS_ENABLED=U8,
    IFLA_BR_VLAN_STATS_PER_PORT=U8,
    IFLA_BR_MULTI_BOOLOPT=BRIDGE_OPTIONS,
    IFLA_BR_MCAST_STATS_ENABLED=U8,
    IFLA_BR_MCAST_IGMP_VERSION=U8,
    IFLA_BR_MCAST_MLD_VERSION=U8,
    IFLA_BR_NF_CALL_IPTABLES=U8,
    IFLA_BR_NF_CALL_IP6TABLES=U8,
    IFLA_BR_NF_CALL_ARPTABLES=U8,
)
BRIDGE_PORT = attrs(
    IFLA_BRPORT_STATE=U8.named("BR_STATE_"),
    IFLA_BRPORT_PRIORITY=U16,
    IFLA_BRPORT_COST=U32,
    IFLA_BRPORT_MODE=U8,
    IFLA_BRPORT_GUARD=U8,
    IFLA_BRPORT_PROTECT=U8,
    IFLA_BRPORT_FAST_LEAVE=U8,
    IFLA_BRPORT_LEARNING=U8,
    IFLA_BRPORT_UNICAST_FLOOD=U8,
    IFLA_BRPORT_ROOT_ID=BRIDGE_ID,
    IFLA_BRPORT_BRIDGE_ID=BRIDGE_ID,
    IFLA_BRPORT_DESIGNATED_PORT=U16,
    IFLA_BRPORT_DESIGNATED_COST=U16,
    IFLA_BRPORT_ID=U16,
    IFLA_BRPORT_NO=U16,
    IFLA_BRPORT_TOPOLOGY_CHANGE_ACK=U8,
    IFLA_BRPORT_CONFIG_PENDING=U8,
    IFLA_BRPORT_MESSAGE_AGE_TIMER=U64,
    IFLA_BRPORT_FORWARD_DELAY_TIMER=U64,
    IFLA_BRPORT_HOLD_TIMER=U64,
    IFLA_BRPORT_FLUSH=FLAG,
    IFLA_BRPORT_MULTICAST_ROUTER=U8,
    IFLA_BRPORT_MCAST_FLOOD=U8,
    IFLA_BRPORT_MCAST_TO_UCAST=U8,
    IFLA_BRPORT_BCAST_FLOOD=U8,
    IFLA_BRPORT_PROXYARP=U8,
    IFLA_BRPORT_PROXYARP_WIFI=U8,
    IFLA_BRPORT_GROUP_FWD_MASK=U16,
    IFLA_BRPORT_NEIGH_SUPPRESS=U8,
    IFLA_BRPORT_VLAN_TUNNEL=U8,
    IFLA_BRPORT_BACKUP_PORT=U32,
    IFLA_BRPORT_ISOLATED=U8,
    IFLA_BRPORT_LOCKED=U8,
)

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
BRIDGE_VLAN_INFO = Struct("bridge_vlan_info", ("flags", U16.bits("BRIDGE_VLAN_INFO_")), ("vid", U16))
BRIDGE_SPEC = attrs(  # the same attribute under ifi_family AF_BRIDGE: bridge(8)
    IFLA_BRIDGE_FLAGS=U16.bits("BRIDGE_FLAGS_"),
    IFLA_BRIDGE_MODE=U16,
    IFLA_BRIDGE_VLAN_INFO=Repeated(BRIDGE_VLAN_INFO),
)
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
    IFLA_PROTINFO=SubMessage("ifi_family", {uapi.AF_BRIDGE: BRIDGE_PORT, uapi.AF_INET6: INET6}, nested=True),
    IFLA_TXQLEN=U32,
    IFLA_MAP=LINK_IFMAP,
    IFLA_OPERSTATE=U8.named("IF_OPER_"),
    IFLA_LINKMODE=U8.named("IF_LINK_MODE_"),
    IFLA_NET_NS_PID=U32,
    IFLA_NET_NS_FD=U32,
    IFLA_IFALIAS=Text(uapi.IFALIASZ, nul=False),
    IFLA_NUM_VF=U32,
    IFLA_STATS64=LINK_STATS64,
    IFLA_AF_SPEC=SubMessage("ifi_family", {uapi.AF_BRIDGE: BRIDGE_SPEC}, AF_SPEC),
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

# The other end of a veth pair is described by a whole link message of its own.  It has no IFLA_LINKINFO, which
# also keeps the description finite.
VETH = attrs(VETH_INFO_PEER=Layout(IFINFOMSG, attrs(**_LINK)))
KINDS: dict[str, Type] = {"veth": VETH, "bridge": BRIDGE, **kinds.KINDS}
PORT_KINDS: dict[str, Type] = {"bridge": BRIDGE_PORT, **kinds.PORT_KINDS}

LINKINFO = attrs(
    IFLA_INFO_KIND=Text(64, nul=False),
    IFLA_INFO_DATA=SubMessage("IFLA_INFO_KIND", KINDS),
    IFLA_INFO_XSTATS=RAW,
    IFLA_INFO_SLAVE_KIND=Text(64, nul=False),
    IFLA_INFO_SLAVE_DATA=SubMessage("IFLA_INFO_SLAVE_KIND", PORT_KINDS),
)
LINK = Layout(IFINFOMSG, attrs(IFLA_LINKINFO=LINKINFO, **_LINK))

# -- addresses ----------------------------------------------------------------------------------------------------

IFADDRMSG = Struct(
    "ifaddrmsg",
    ("ifa_family", FAMILY),
    ("ifa_prefixlen", U8),
    ("ifa_flags", U8.bits("IFA_F_")),
    ("ifa_scope", U8.named("RT_SCOPE_")),
    ("ifa_index", U32),
    whole=True,
)
IFA_CACHEINFO = Struct("ifa_cacheinfo", ("ifa_prefered", U32), ("ifa_valid", U32), ("cstamp", U32), ("tstamp", U32))
ADDR = Layout(
    IFADDRMSG,
    attrs(
        IFA_ADDRESS=IP,
        IFA_LOCAL=IP,
        IFA_LABEL=IFNAME,
        IFA_BROADCAST=IP,
        IFA_ANYCAST=IP,
        IFA_CACHEINFO=IFA_CACHEINFO,
        IFA_MULTICAST=IP,
        IFA_FLAGS=U32.bits("IFA_F_"),
        IFA_RT_PRIORITY=U32,
        IFA_TARGET_NETNSID=S32,
        IFA_PROTO=U8.named("IFAPROT_"),
    ),
)

# -- routes -------------------------------------------------------------------------------------------------------

RTMSG = Struct(
    "rtmsg",
    ("rtm_family", FAMILY),
    ("rtm_dst_len", U8),
    ("rtm_src_len", U8),
    ("rtm_tos", U8),
    ("rtm_table", U8.named("RT_TABLE_")),
    ("rtm_protocol", U8.named("RTPROT_")),
    ("rtm_scope", U8.named("RT_SCOPE_")),
    ("rtm_type", U8.named("RTN_")),
    ("rtm_flags", U32.bits("RTM_F_")),
    whole=True,
)
RTA_CACHEINFO = Struct(
    "rta_cacheinfo",
    ("rta_clntref", U32),
    ("rta_lastuse", U32),
    ("rta_expires", S32),
    ("rta_error", U32),
    ("rta_used", U32),
    ("rta_id", U32),
    ("rta_ts", U32),
    ("rta_tsage", U32),
)
RTNEXTHOP = Struct(
    "rtnexthop", ("rtnh_len", U16), ("rtnh_flags", U8.bits("RTNH_F_")), ("rtnh_hops", U8), ("rtnh_ifindex", S32), whole=True
)
METRICS = attrs(
    RTAX_LOCK=U32,
    RTAX_MTU=U32,
    RTAX_WINDOW=U32,
    RTAX_RTT=U32,
    RTAX_RTTVAR=U32,
    RTAX_SSTHRESH=U32,
    RTAX_CWND=U32,
    RTAX_ADVMSS=U32,
    RTAX_REORDERING=U32,
    RTAX_HOPLIMIT=U32,
    RTAX_INITCWND=U32,
    RTAX_RTO_MIN=U32,
    RTAX_INITRWND=U32,
    RTAX_QUICKACK=U32,
    RTAX_FEATURES=U32,
    RTAX_CC_ALGO=TEXT,
    RTAX_FASTOPEN_NO_COOKIE=U32,
)
ENCAPSULATIONS: dict[int, Type] = {
    uapi.LWTUNNEL_ENCAP_MPLS: attrs(MPLS_IPTUNNEL_DST=RAW, MPLS_IPTUNNEL_TTL=U8),
    uapi.LWTUNNEL_ENCAP_IP: attrs(
        LWTUNNEL_IP_ID=BE64,
        LWTUNNEL_IP_DST=IP,
        LWTUNNEL_IP_SRC=IP,
        LWTUNNEL_IP_TTL=U8,
        LWTUNNEL_IP_TOS=U8,
        LWTUNNEL_IP_FLAGS=BE16,
        LWTUNNEL_IP_OPTS=RAW,
    ),
    uapi.LWTUNNEL_ENCAP_IP6: attrs(
        LWTUNNEL_IP6_ID=BE64,
        LWTUNNEL_IP6_DST=IP,
        LWTUNNEL_IP6_SRC=IP,
        LWTUNNEL_IP6_HOPLIMIT=U8,
        LWTUNNEL_IP6_TC=U8,
        LWTUNNEL_IP6_FLAGS=BE16,
        LWTUNNEL_IP6_OPTS=RAW,
    ),
    uapi.LWTUNNEL_ENCAP_SEG6: attrs(SEG6_IPTUNNEL_SRH=RAW),
}
_HOP: dict[str, Type] = dict(
    RTA_GATEWAY=IP,
    RTA_VIA=RAW,
    RTA_FLOW=U32,
    RTA_ENCAP_TYPE=U16.named("LWTUNNEL_ENCAP_"),
    RTA_ENCAP=SubMessage("RTA_ENCAP_TYPE", ENCAPSULATIONS, nested=True, next=uapi.RTA_ENCAP_TYPE),
    RTA_NEWDST=RAW,
)
ROUTE = Layout(
    RTMSG,
    attrs(
        RTA_DST=IP,
        RTA_SRC=IP,
        RTA_IIF=U32,
        RTA_OIF=U32,
        RTA_PRIORITY=U32,
        RTA_PREFSRC=IP,
        RTA_METRICS=METRICS,
        RTA_MULTIPATH=RecordList(Layout(RTNEXTHOP, attrs(**_HOP)), "rtnh_len"),
        RTA_CACHEINFO=RTA_CACHEINFO,
        RTA_TABLE=U32.named("RT_TABLE_"),
        RTA_MARK=U32,
        RTA_PREF=U8,
        RTA_EXPIRES=U32,
        RTA_UID=U32,
        RTA_TTL_PROPAGATE=U8,
        RTA_IP_PROTO=U8,
        RTA_SPORT=BE16,
        RTA_DPORT=BE16,
        RTA_NH_ID=U32,
        **_HOP,
    ),
)

# -- next hops ----------------------------------------------------------------------------------------------------

NHMSG = Struct(
    "nhmsg",
    ("nh_family", FAMILY),
    ("nh_scope", U8.named("RT_SCOPE_")),
    ("nh_protocol", U8.named("RTPROT_")),
    ("resvd", U8),
    ("nh_flags", U32.bits("RTNH_F_")),
    whole=True,
)
NEXTHOP_GRP = Struct("nexthop_grp", ("id", U32), ("weight", U8), ("weight_high", U8), ("resvd2", U16))
NEXTHOP = Layout(
    NHMSG,
    attrs(
        NHA_ID=U32,
        NHA_GROUP=StructArray(NEXTHOP_GRP),
        NHA_GROUP_TYPE=U16.named("NEXTHOP_GRP_TYPE_"),
        NHA_BLACKHOLE=FLAG,
        NHA_OIF=U32,
        NHA_GATEWAY=IP,
        NHA_ENCAP_TYPE=U16.named("LWTUNNEL_ENCAP_"),
        NHA_ENCAP=SubMessage("NHA_ENCAP_TYPE", ENCAPSULATIONS, nested=True, next=uapi.NHA_ENCAP_TYPE),
        NHA_GROUPS=FLAG,
        NHA_MASTER=U32,
        NHA_FDB=FLAG,
        NHA_RES_GROUP=attrs(
            True,
            NHA_RES_GROUP_BUCKETS=U16,
            NHA_RES_GROUP_IDLE_TIMER=U32,
            NHA_RES_GROUP_UNBALANCED_TIMER=U32,
            NHA_RES_GROUP_UNBALANCED_TIME=U64,
        ),
        NHA_RES_BUCKET=attrs(True, NHA_RES_BUCKET_INDEX=U16, NHA_RES_BUCKET_IDLE_TIME=U64, NHA_RES_BUCKET_NH_ID=U32),
    ),
)

# -- rules --------------------------------------------------------------------------------------------------------

FIB_RULE_HDR = Struct(
    "fib_rule_hdr",
    ("family", FAMILY),
    ("dst_len", U8),
    ("src_len", U8),
    ("tos", U8),
    ("table", U8.named("RT_TABLE_")),
    ("res1", U8),
    ("res2", U8),
    ("action", U8.named("FR_ACT_")),
    ("flags", U32.bits("FIB_RULE_")),
    whole=True,
)
_PORTS = Struct("fib_rule_port_range", ("start", U16), ("end", U16))
RULE = Layout(
    FIB_RULE_HDR,
    attrs(
        FRA_DST=IP,
        FRA_SRC=IP,
        FRA_IIFNAME=IFNAME,
        FRA_GOTO=U32,
        FRA_PRIORITY=U32,
        FRA_FWMARK=U32,
        FRA_FLOW=U32,
        FRA_TUN_ID=RAW,
        FRA_SUPPRESS_IFGROUP=S32,  # -1 for none, as of a prefix length
        FRA_SUPPRESS_PREFIXLEN=S32,
        FRA_TABLE=U32.named("RT_TABLE_"),
        FRA_FWMASK=U32,
        FRA_OIFNAME=IFNAME,
        FRA_L3MDEV=U8,
        FRA_UID_RANGE=Struct("fib_rule_uid_range", ("start", U32), ("end", U32)),
        FRA_PROTOCOL=U8.named("RTPROT_"),
        FRA_IP_PROTO=U8,
        FRA_SPORT_RANGE=_PORTS,
        FRA_DPORT_RANGE=_PORTS,
    ),
)

# -- neighbours ---------------------------------------------------------------------------------------------------

NDMSG = Struct(
    "ndmsg",
    ("ndm_family", FAMILY),
    ("ndm_pad1", U8),
    ("ndm_pad2", U16),
    ("ndm_ifindex", S32),
    ("ndm_state", U16.bits("NUD_")),
    ("ndm_flags", U8.bits("NTF_")),
    ("ndm_type", U8.named("RTN_")),
    whole=True,
)
NDA_CACHEINFO = Struct("nda_cacheinfo", ("ndm_confirmed", U32), ("ndm_used", U32), ("ndm_updated", U32), ("ndm_refcnt", U32))
NEIGH = Layout(
    NDMSG,
    attrs(
        NDA_DST=IP,
        NDA_LLADDR=MAC,
        NDA_CACHEINFO=NDA_CACHEINFO,
        NDA_PROBES=U32,
        NDA_VLAN=U16,
        NDA_PORT=BE16,
        NDA_VNI=U32,
        NDA_IFINDEX=U32,
        NDA_MASTER=U32,
        NDA_LINK_NETNSID=S32,
        NDA_SRC_VNI=U32,
        NDA_PROTOCOL=U8.named("RTPROT_"),
        NDA_NH_ID=U32,
        NDA_FLAGS_EXT=U32,
    ),
)

# -- namespace ids ------------------------------------------------------------------------------------------------

RTGENMSG = Struct("rtgenmsg", ("rtgen_family", FAMILY), whole=True)
NSID = Layout(
    RTGENMSG,
    attrs(NETNSA_NSID=S32, NETNSA_PID=U32, NETNSA_FD=U32, NETNSA_TARGET_NSID=S32, NETNSA_CURRENT_NSID=S32),
)

NEWLINK = Message(uapi.RTM_NEWLINK, "RTM_NEWLINK", LINK)
DELLINK = Message(uapi.RTM_DELLINK, "RTM_DELLINK", LINK)
GETLINK = Message(uapi.RTM_GETLINK, "RTM_GETLINK", LINK)
SETLINK = Message(uapi.RTM_SETLINK, "RTM_SETLINK", LINK)
NEWADDR = Message(uapi.RTM_NEWADDR, "RTM_NEWADDR", ADDR)
DELADDR = Message(uapi.RTM_DELADDR, "RTM_DELADDR", ADDR)
GETADDR = Message(uapi.RTM_GETADDR, "RTM_GETADDR", ADDR)
NEWROUTE = Message(uapi.RTM_NEWROUTE, "RTM_NEWROUTE", ROUTE)
DELROUTE = Message(uapi.RTM_DELROUTE, "RTM_DELROUTE", ROUTE)
GETROUTE = Message(uapi.RTM_GETROUTE, "RTM_GETROUTE", ROUTE)
NEWLINKPROP = Message(uapi.RTM_NEWLINKPROP, "RTM_NEWLINKPROP", LINK)
DELLINKPROP = Message(uapi.RTM_DELLINKPROP, "RTM_DELLINKPROP", LINK)
NEWRULE = Message(uapi.RTM_NEWRULE, "RTM_NEWRULE", RULE)
DELRULE = Message(uapi.RTM_DELRULE, "RTM_DELRULE", RULE)
GETRULE = Message(uapi.RTM_GETRULE, "RTM_GETRULE", RULE)
NEWNEXTHOP = Message(uapi.RTM_NEWNEXTHOP, "RTM_NEWNEXTHOP", NEXTHOP)
DELNEXTHOP = Message(uapi.RTM_DELNEXTHOP, "RTM_DELNEXTHOP", NEXTHOP)
GETNEXTHOP = Message(uapi.RTM_GETNEXTHOP, "RTM_GETNEXTHOP", NEXTHOP)
NEWNEXTHOPBUCKET = Message(uapi.RTM_NEWNEXTHOPBUCKET, "RTM_NEWNEXTHOPBUCKET", NEXTHOP)
GETNEXTHOPBUCKET = Message(uapi.RTM_GETNEXTHOPBUCKET, "RTM_GETNEXTHOPBUCKET", NEXTHOP)
NEWNEIGH = Message(uapi.RTM_NEWNEIGH, "RTM_NEWNEIGH", NEIGH)
DELNEIGH = Message(uapi.RTM_DELNEIGH, "RTM_DELNEIGH", NEIGH)
GETNEIGH = Message(uapi.RTM_GETNEIGH, "RTM_GETNEIGH", NEIGH)
NEWNSID = Message(uapi.RTM_NEWNSID, "RTM_NEWNSID", NSID)
DELNSID = Message(uapi.RTM_DELNSID, "RTM_DELNSID", NSID)
GETNSID = Message(uapi.RTM_GETNSID, "RTM_GETNSID", NSID)

MESSAGES = table([value for value in list(globals().values()) if isinstance(value, Message)])  # and of `tc`, once it is there
