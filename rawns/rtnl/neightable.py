"""Tables of neighbours and their parameters: RTM_*NEIGHTBL (`<linux/neighbour.h>`, ``ip ntable``).

Times are in milliseconds.
"""

from __future__ import annotations

from .. import uapi
from ..wire import FAMILY, TEXT, U8, U16, U32, U64, Layout, Message, Struct, attrs

NDTMSG = Struct("ndtmsg", ("ndtm_family", FAMILY), ("ndtm_pad1", U8), ("ndtm_pad2", U16), whole=True)
NDT_CONFIG = Struct(
    "ndt_config",
    ("ndtc_key_len", U16),
    ("ndtc_entry_size", U16),
    ("ndtc_entries", U32),
    ("ndtc_last_flush", U32),
    ("ndtc_last_rand", U32),
    ("ndtc_hash_rnd", U32),
    ("ndtc_hash_mask", U32),
    ("ndtc_hash_chain_gc", U32),
    ("ndtc_proxy_qlen", U32),
)
_COUNTERS = (
    "allocs destroys hash_grows res_failed lookups hits rcv_probes_mcast rcv_probes_ucast "
    "periodic_gc_runs forced_gc_runs table_fulls"
).split()
NDT_STATS = Struct("ndt_stats", *[(f"ndts_{name}", U64) for name in _COUNTERS])
PARMS = attrs(
    NDTPA_IFINDEX=U32,
    NDTPA_REFCNT=U32,
    NDTPA_REACHABLE_TIME=U64,
    NDTPA_BASE_REACHABLE_TIME=U64,
    NDTPA_RETRANS_TIME=U64,
    NDTPA_GC_STALETIME=U64,
    NDTPA_DELAY_PROBE_TIME=U64,
    NDTPA_QUEUE_LEN=U32,
    NDTPA_APP_PROBES=U32,
    NDTPA_UCAST_PROBES=U32,
    NDTPA_MCAST_PROBES=U32,
    NDTPA_ANYCAST_DELAY=U64,
    NDTPA_PROXY_DELAY=U64,
    NDTPA_PROXY_QLEN=U32,
    NDTPA_LOCKTIME=U64,
    NDTPA_QUEUE_LENBYTES=U32,
    NDTPA_MCAST_REPROBES=U32,
    NDTPA_INTERVAL_PROBE_TIME_MS=U64,
)
NEIGHTBL = Layout(
    NDTMSG,
    attrs(
        NDTA_NAME=TEXT,
        NDTA_THRESH1=U32,
        NDTA_THRESH2=U32,
        NDTA_THRESH3=U32,
        NDTA_CONFIG=NDT_CONFIG,
        NDTA_PARMS=PARMS,
        NDTA_STATS=NDT_STATS,
        NDTA_GC_INTERVAL=U64,
    ),
)

NEWNEIGHTBL = Message(uapi.RTM_NEWNEIGHTBL, "RTM_NEWNEIGHTBL", NEIGHTBL)
GETNEIGHTBL = Message(uapi.RTM_GETNEIGHTBL, "RTM_GETNEIGHTBL", NEIGHTBL)
SETNEIGHTBL = Message(uapi.RTM_SETNEIGHTBL, "RTM_SETNEIGHTBL", NEIGHTBL)
