"""Nexthop objects: RTM_*NEXTHOP and RTM_*NEXTHOPBUCKET (`<linux/nexthop.h>`)."""

from __future__ import annotations

from .. import uapi
from ..wire import FAMILY, FLAG, IP, U8, U16, U32, U64, Layout, Message, Struct, StructArray, SubMessage, attrs
from .route import ENCAPSULATIONS

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

NEWNEXTHOP = Message(uapi.RTM_NEWNEXTHOP, "RTM_NEWNEXTHOP", NEXTHOP)
DELNEXTHOP = Message(uapi.RTM_DELNEXTHOP, "RTM_DELNEXTHOP", NEXTHOP)
GETNEXTHOP = Message(uapi.RTM_GETNEXTHOP, "RTM_GETNEXTHOP", NEXTHOP)
NEWNEXTHOPBUCKET = Message(uapi.RTM_NEWNEXTHOPBUCKET, "RTM_NEWNEXTHOPBUCKET", NEXTHOP)
DELNEXTHOPBUCKET = Message(uapi.RTM_DELNEXTHOPBUCKET, "RTM_DELNEXTHOPBUCKET", NEXTHOP)
GETNEXTHOPBUCKET = Message(uapi.RTM_GETNEXTHOPBUCKET, "RTM_GETNEXTHOPBUCKET", NEXTHOP)
