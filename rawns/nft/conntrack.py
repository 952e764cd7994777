"""Messages of connection tracking: the entries that `conntrack -L` lists and `conntrack -D` deletes.

The numbers follow from their order in `<linux/netfilter/nfnetlink_conntrack.h>`, and stand here and not in `uapi`, which every
command loads.
"""

from __future__ import annotations

from ..wire import BE16, BE32, IP, RAW, U8, U32, Layout, Message, table
from .messages import NFGENMSG, numbered

NFNL_SUBSYS_CTNETLINK = 1  # <linux/netfilter/nfnetlink.h>
TUPLE = numbered(
    "CTA_TUPLE_",
    IP=numbered("CTA_IP_", V4_SRC=IP, V4_DST=IP, V6_SRC=IP, V6_DST=IP),
    PROTO=numbered("CTA_PROTO_", NUM=U8, SRC_PORT=BE16, DST_PORT=BE16),
    ZONE=BE16,
)
ENTRY = numbered(
    "CTA_",
    TUPLE_ORIG=TUPLE,
    TUPLE_REPLY=TUPLE,
    STATUS=BE32,
    PROTOINFO=RAW,
    HELP=RAW,
    NAT_SRC=RAW,
    TIMEOUT=BE32,
    MARK=BE32,
    COUNTERS_ORIG=RAW,
    COUNTERS_REPLY=RAW,
    USE=BE32,
    ID=BE32,
    NAT_DST=RAW,
    TUPLE_MASTER=TUPLE,
    SEQ_ADJ_ORIG=RAW,
    SEQ_ADJ_REPLY=RAW,
    SECMARK=BE32,
    ZONE=BE16,
    SECCTX=RAW,
    TIMESTAMP=RAW,
    MARK_MASK=BE32,
    LABELS=RAW,
    LABELS_MASK=RAW,
    SYNPROXY=RAW,
    FILTER=numbered("CTA_FILTER_", ORIG_FLAGS=U32, REPLY_FLAGS=U32),
    STATUS_MASK=BE32,
)
MESSAGES = table(
    Message(NFNL_SUBSYS_CTNETLINK << 8 | number, f"IPCTNL_MSG_CT_{name}", Layout(NFGENMSG, ENTRY))
    for number, name in enumerate(("NEW", "GET", "DELETE"))
)
NEW, GET, DELETE = MESSAGES.values()
