"""Labels of IPv6 prefixes for the choice of source addresses: RTM_*ADDRLABEL (`<linux/if_addrlabel.h>`, ``ip addrlabel``)."""

from __future__ import annotations

from .. import uapi
from ..wire import FAMILY, IP, U8, U32, Layout, Message, Struct, attrs

IFADDRLBLMSG = Struct(
    "ifaddrlblmsg",
    ("ifal_family", FAMILY),
    ("__ifal_reserved", U8),
    ("ifal_prefixlen", U8),
    ("ifal_flags", U8),
    ("ifal_index", U32),
    ("ifal_seq", U32),
    whole=True,
)
ADDRLABEL = Layout(IFADDRLBLMSG, attrs(IFAL_ADDRESS=IP, IFAL_LABEL=U32))

NEWADDRLABEL = Message(uapi.RTM_NEWADDRLABEL, "RTM_NEWADDRLABEL", ADDRLABEL)
DELADDRLABEL = Message(uapi.RTM_DELADDRLABEL, "RTM_DELADDRLABEL", ADDRLABEL)
GETADDRLABEL = Message(uapi.RTM_GETADDRLABEL, "RTM_GETADDRLABEL", ADDRLABEL)
