"""Routes: RTM_*ROUTE, with their metrics and encapsulations (`<linux/rtnetlink.h>`, `<linux/lwtunnel.h>`)."""

from __future__ import annotations

from .. import uapi
from ..wire import (
    BE16,
    BE64,
    FAMILY,
    IP,
    RAW,
    S32,
    TEXT,
    U8,
    U16,
    U32,
    U64,
    Layout,
    Message,
    RecordList,
    Struct,
    SubMessage,
    Type,
    attrs,
)

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
RTA_MFC_STATS = Struct("rta_mfc_stats", ("mfcs_packets", U64), ("mfcs_bytes", U64), ("mfcs_wrong_if", U64))
MULTICAST = (uapi.RTNL_FAMILY_IPMR, uapi.RTNL_FAMILY_IP6MR)  # families of routes that are made by a multicast routing daemon
BPF_PROGRAM = attrs(True, LWT_BPF_PROG_FD=U32, LWT_BPF_PROG_NAME=TEXT)
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
    uapi.LWTUNNEL_ENCAP_ILA: attrs(ILA_ATTR_LOCATOR=BE64, ILA_ATTR_CSUM_MODE=U8, ILA_ATTR_IDENT_TYPE=U8, ILA_ATTR_HOOK_TYPE=U8),
    uapi.LWTUNNEL_ENCAP_SEG6: attrs(SEG6_IPTUNNEL_SRH=RAW),
    uapi.LWTUNNEL_ENCAP_BPF: attrs(
        LWT_BPF_IN=BPF_PROGRAM, LWT_BPF_OUT=BPF_PROGRAM, LWT_BPF_XMIT=BPF_PROGRAM, LWT_BPF_XMIT_HEADROOM=U32
    ),
    uapi.LWTUNNEL_ENCAP_SEG6_LOCAL: attrs(
        SEG6_LOCAL_ACTION=U32.named("SEG6_LOCAL_ACTION_"),
        SEG6_LOCAL_SRH=RAW,
        SEG6_LOCAL_TABLE=U32.named("RT_TABLE_"),
        SEG6_LOCAL_NH4=IP,
        SEG6_LOCAL_NH6=IP,
        SEG6_LOCAL_IIF=U32,
        SEG6_LOCAL_OIF=U32,
        SEG6_LOCAL_BPF=attrs(True, SEG6_LOCAL_BPF_PROG=U32, SEG6_LOCAL_BPF_PROG_NAME=TEXT),
        SEG6_LOCAL_VRFTABLE=U32.named("RT_TABLE_"),
        SEG6_LOCAL_COUNTERS=attrs(True, SEG6_LOCAL_CNT_PACKETS=U64, SEG6_LOCAL_CNT_BYTES=U64, SEG6_LOCAL_CNT_ERRORS=U64),
        SEG6_LOCAL_FLAVORS=attrs(
            True, SEG6_LOCAL_FLV_OPERATION=U32, SEG6_LOCAL_FLV_LCBLOCK_BITS=U8, SEG6_LOCAL_FLV_LCNODE_FN_BITS=U8
        ),
    ),
    uapi.LWTUNNEL_ENCAP_RPL: attrs(RPL_IPTUNNEL_SRH=RAW),
    uapi.LWTUNNEL_ENCAP_IOAM6: attrs(
        IOAM6_IPTUNNEL_MODE=U8.named("IOAM6_IPTUNNEL_MODE_"),
        IOAM6_IPTUNNEL_DST=IP,
        IOAM6_IPTUNNEL_TRACE=RAW,
        IOAM6_IPTUNNEL_FREQ_K=U32,
        IOAM6_IPTUNNEL_FREQ_N=U32,
    ),
    uapi.LWTUNNEL_ENCAP_XFRM: attrs(LWT_XFRM_IF_ID=U32, LWT_XFRM_LINK=U32),
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
        RTA_EXPIRES=SubMessage("rtm_family", dict.fromkeys(MULTICAST, U64), U32),
        RTA_MFC_STATS=RTA_MFC_STATS,
        RTA_UID=U32,
        RTA_TTL_PROPAGATE=U8,
        RTA_IP_PROTO=U8,
        RTA_SPORT=BE16,
        RTA_DPORT=BE16,
        RTA_NH_ID=U32,
        **_HOP,
    ),
)

NEWROUTE = Message(uapi.RTM_NEWROUTE, "RTM_NEWROUTE", ROUTE)
DELROUTE = Message(uapi.RTM_DELROUTE, "RTM_DELROUTE", ROUTE)
GETROUTE = Message(uapi.RTM_GETROUTE, "RTM_GETROUTE", ROUTE)
