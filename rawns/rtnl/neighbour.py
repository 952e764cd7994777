"""Neighbours: RTM_*NEIGH (`<linux/neighbour.h>`)."""

from __future__ import annotations

from .. import uapi
from ..wire import BE16, FAMILY, FLAG, IP, MAC, S32, U8, U16, U32, Layout, Message, Struct, attrs

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
        NDA_FDB_EXT_ATTRS=attrs(True, NFEA_ACTIVITY_NOTIFY=U8, NFEA_DONT_REFRESH=FLAG),
        NDA_FLAGS_EXT=U32,
        NDA_NDM_STATE_MASK=U16.bits("NUD_"),  # which bits of the header a flush compares
        NDA_NDM_FLAGS_MASK=U8.bits("NTF_"),
    ),
)

NEWNEIGH = Message(uapi.RTM_NEWNEIGH, "RTM_NEWNEIGH", NEIGH)
DELNEIGH = Message(uapi.RTM_DELNEIGH, "RTM_DELNEIGH", NEIGH)
GETNEIGH = Message(uapi.RTM_GETNEIGH, "RTM_GETNEIGH", NEIGH)
