"""Prefixes that routers announce: RTM_NEWPREFIX (`<linux/rtnetlink.h>`, ``ip monitor prefix``).  The kernel only reports them."""

from __future__ import annotations

from .. import uapi
from ..wire import FAMILY, IP, S32, U8, U16, U32, Layout, Message, Struct, attrs

PREFIXMSG = Struct(
    "prefixmsg",
    ("prefix_family", FAMILY),
    ("prefix_pad1", U8),
    ("prefix_pad2", U16),
    ("prefix_ifindex", S32),
    ("prefix_type", U8),  # the option of neighbour discovery: 3, prefix information
    ("prefix_len", U8),
    ("prefix_flags", U8),
    ("prefix_pad3", U8),
    whole=True,
)
PREFIX_CACHEINFO = Struct("prefix_cacheinfo", ("preferred_time", U32), ("valid_time", U32))  # seconds

NEWPREFIX = Message(
    uapi.RTM_NEWPREFIX,
    "RTM_NEWPREFIX",
    Layout(PREFIXMSG, attrs(PREFIX_ADDRESS=IP, PREFIX_CACHEINFO=PREFIX_CACHEINFO)),
)
