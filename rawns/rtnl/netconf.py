"""Configuration of IP per interface: RTM_*NETCONF (`<linux/netconf.h>`, ``ip netconf``)."""

from __future__ import annotations

from .. import uapi
from ..wire import FAMILY, S32, Layout, Message, Struct, attrs

NETCONFMSG = Struct("netconfmsg", ("ncm_family", FAMILY), whole=True)
NETCONF = Layout(
    NETCONFMSG,
    attrs(
        NETCONFA_IFINDEX=S32,  # or NETCONFA_IFINDEX_ALL, NETCONFA_IFINDEX_DEFAULT
        NETCONFA_FORWARDING=S32,
        NETCONFA_RP_FILTER=S32,
        NETCONFA_MC_FORWARDING=S32,
        NETCONFA_PROXY_NEIGH=S32,
        NETCONFA_IGNORE_ROUTES_WITH_LINKDOWN=S32,
        NETCONFA_INPUT=S32,
        NETCONFA_BC_FORWARDING=S32,
        NETCONFA_FORCE_FORWARDING=S32,
    ),
)

NEWNETCONF = Message(uapi.RTM_NEWNETCONF, "RTM_NEWNETCONF", NETCONF)
DELNETCONF = Message(uapi.RTM_DELNETCONF, "RTM_DELNETCONF", NETCONF)
GETNETCONF = Message(uapi.RTM_GETNETCONF, "RTM_GETNETCONF", NETCONF)
