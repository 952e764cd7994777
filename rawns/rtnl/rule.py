"""Rules of policy routing: RTM_*RULE (`<linux/fib_rules.h>`)."""

from __future__ import annotations

from .. import uapi
from ..wire import BE32, BE64, FAMILY, IFNAME, IP, S32, U8, U16, U32, Layout, Message, Struct, attrs

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
        FRA_TUN_ID=BE64,
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
        FRA_DSCP=U8,
        FRA_FLOWLABEL=BE32,
        FRA_FLOWLABEL_MASK=BE32,
        FRA_SPORT_MASK=U16,
        FRA_DPORT_MASK=U16,
        FRA_DSCP_MASK=U8,
    ),
)

NEWRULE = Message(uapi.RTM_NEWRULE, "RTM_NEWRULE", RULE)
DELRULE = Message(uapi.RTM_DELRULE, "RTM_DELRULE", RULE)
GETRULE = Message(uapi.RTM_GETRULE, "RTM_GETRULE", RULE)
