"""Namespace ids: RTM_*NSID (`<linux/net_namespace.h>`)."""

from __future__ import annotations

from .. import uapi
from ..wire import FAMILY, S32, U32, Layout, Message, Struct, attrs

RTGENMSG = Struct("rtgenmsg", ("rtgen_family", FAMILY), whole=True)
NSID = Layout(
    RTGENMSG,
    attrs(NETNSA_NSID=S32, NETNSA_PID=U32, NETNSA_FD=U32, NETNSA_TARGET_NSID=S32, NETNSA_CURRENT_NSID=S32),
)

NEWNSID = Message(uapi.RTM_NEWNSID, "RTM_NEWNSID", NSID)
DELNSID = Message(uapi.RTM_DELNSID, "RTM_DELNSID", NSID)
GETNSID = Message(uapi.RTM_GETNSID, "RTM_GETNSID", NSID)
