"""Addresses: RTM_*ADDR (`<linux/if_addr.h>`)."""

from __future__ import annotations

from .. import uapi
from ..wire import FAMILY, IFNAME, IP, S32, U8, U32, Layout, Message, Struct, attrs

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

NEWADDR = Message(uapi.RTM_NEWADDR, "RTM_NEWADDR", ADDR)
DELADDR = Message(uapi.RTM_DELADDR, "RTM_DELADDR", ADDR)
GETADDR = Message(uapi.RTM_GETADDR, "RTM_GETADDR", ADDR)
