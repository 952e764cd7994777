"""Traffic control: RTM_*QDISC and RTM_*TCLASS (tc(8), `<linux/pkt_sched.h>`, `<linux/gen_stats.h>`).  Filters: `tc_filter`.

A tick is 64 ns: PSCHED_SHIFT is 6 (include/net/pkt_sched.h, since 2.6.31), as the first two words of /proc/net/psched say.
A rate is in bytes per second; rates that need 64 bits are in an attribute of their own.
"""

from __future__ import annotations

from .. import uapi
from ..wire import (
    FAMILY,
    FLAG,
    RAW,
    S8,
    S16,
    S32,
    S64,
    U8,
    U16,
    U32,
    U64,
    Layout,
    Message,
    Raw,
    Scalar,
    Struct,
    SubMessage,
    Text,
    Type,
    Vector,
    attrs,
)


class _Handle(Scalar):
    """Two numbers of 16 bits, formatted as tc(8) writes them: ``7201:`` is a discipline, ``7201:1`` one of its classes."""

    __slots__ = ()

    def format(self, value: int) -> str:
        known = {uapi.TC_H_ROOT: "TC_H_ROOT", uapi.TC_H_INGRESS: "TC_H_INGRESS", 0: "0"}
        minor = f"{value & 0xFFFF:x}" if value & 0xFFFF else ""
        return known.get(value) or f"{value >> 16:x}:{minor}"


HANDLE = _Handle("I")
TCMSG = Struct(
    "tcmsg",
    ("tcm_family", FAMILY),
    ("tcm__pad1", U8),
    ("tcm__pad2", U16),
    ("tcm_ifindex", S32),
    ("tcm_handle", HANDLE),
    ("tcm_parent", HANDLE),
    ("tcm_info", U32),
    whole=True,
)


def rate_members(name: str) -> list[tuple[str, Scalar | Raw]]:
    """Return the members of a struct tc_ratespec inside another."""
    members: list[tuple[str, Scalar | Raw]] = [
        ("cell_log", U8),
        ("linklayer", U8.named("TC_LINKLAYER_")),
        ("overhead", U16),
        ("cell_align", S16),
        ("mpu", U16),
        ("rate", U32),
    ]
    return [(f"{name}.{member}", kind) for member, kind in members]


TABLE = Vector(U32)  # ticks by size; not needed since Linux 3.8 if the link layer is given
TBF = attrs(
    TCA_TBF_PARMS=Struct(
        "tc_tbf_qopt", *rate_members("rate"), *rate_members("peakrate"), ("limit", U32), ("buffer", U32), ("mtu", U32), whole=True
    ),
    TCA_TBF_RTAB=TABLE,
    TCA_TBF_PTAB=TABLE,
    TCA_TBF_RATE64=U64,
    TCA_TBF_PRATE64=U64,
    TCA_TBF_BURST=U32,
    TCA_TBF_PBURST=U32,
)
HTB = attrs(
    TCA_HTB_PARMS=Struct(
        "tc_htb_opt",
        *rate_members("rate"),
        *rate_members("ceil"),
        ("buffer", U32),
        ("cbuffer", U32),
        ("quantum", U32),
        ("level", U32),
        ("prio", U32),
        whole=True,
    ),
    TCA_HTB_INIT=Struct(
        "tc_htb_glob",
        ("version", U32),
        ("rate2quantum", U32),
        ("defcls", U32),
        ("debug", U32),
        ("direct_pkts", U32),
        whole=True,
    ),
    TCA_HTB_CTAB=TABLE,
    TCA_HTB_RTAB=TABLE,
    TCA_HTB_DIRECT_QLEN=U32,
    TCA_HTB_RATE64=U64,
    TCA_HTB_CEIL64=U64,
    TCA_HTB_OFFLOAD=FLAG,
)
NETEM = Layout(  # the only discipline whose options begin with a struct
    Struct(
        "tc_netem_qopt",
        ("latency", U32),
        ("limit", U32),
        ("loss", U32),
        ("gap", U32),
        ("duplicate", U32),
        ("jitter", U32),
        whole=True,
    ),
    attrs(
        TCA_NETEM_CORR=Struct("tc_netem_corr", ("delay_corr", U32), ("loss_corr", U32), ("dup_corr", U32)),
        TCA_NETEM_REORDER=Struct("tc_netem_reorder", ("probability", U32), ("correlation", U32)),
        TCA_NETEM_CORRUPT=Struct("tc_netem_corrupt", ("probability", U32), ("correlation", U32)),
        TCA_NETEM_RATE=Struct(
            "tc_netem_rate", ("rate", U32), ("packet_overhead", S32), ("cell_size", U32), ("cell_overhead", S32)
        ),
        TCA_NETEM_LOSS=attrs(
            True,
            NETEM_LOSS_GI=Struct("tc_netem_gimodel", ("p13", U32), ("p31", U32), ("p32", U32), ("p14", U32), ("p23", U32)),
            NETEM_LOSS_GE=Struct("tc_netem_gemodel", ("p", U32), ("r", U32), ("h", U32), ("k1", U32)),
        ),
        TCA_NETEM_DELAY_DIST=Vector(S16),
        TCA_NETEM_SLOT=Struct(
            "tc_netem_slot",
            ("min_delay", S64),
            ("max_delay", S64),
            ("max_packets", S32),
            ("max_bytes", S32),
            ("dist_delay", S64),
            ("dist_jitter", S64),
        ),
        TCA_NETEM_SLOT_DIST=Vector(S16),
        TCA_NETEM_ECN=U32,
        TCA_NETEM_RATE64=U64,
        TCA_NETEM_LATENCY64=S64,
        TCA_NETEM_JITTER64=S64,
    ),
)
FQ_CODEL = attrs(
    TCA_FQ_CODEL_TARGET=U32,
    TCA_FQ_CODEL_LIMIT=U32,
    TCA_FQ_CODEL_INTERVAL=U32,
    TCA_FQ_CODEL_ECN=U32,
    TCA_FQ_CODEL_FLOWS=U32,
    TCA_FQ_CODEL_QUANTUM=U32,
    TCA_FQ_CODEL_CE_THRESHOLD=U32,
    TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR=U8,
    TCA_FQ_CODEL_CE_THRESHOLD_MASK=U8,
    TCA_FQ_CODEL_DROP_BATCH_SIZE=U32,
    TCA_FQ_CODEL_MEMORY_LIMIT=U32,
)
CODEL = attrs(TCA_CODEL_TARGET=U32, TCA_CODEL_LIMIT=U32, TCA_CODEL_INTERVAL=U32, TCA_CODEL_ECN=U32, TCA_CODEL_CE_THRESHOLD=U32)
FQ = attrs(
    TCA_FQ_PLIMIT=U32,
    TCA_FQ_FLOW_PLIMIT=U32,
    TCA_FQ_QUANTUM=U32,
    TCA_FQ_INITIAL_QUANTUM=U32,
    TCA_FQ_RATE_ENABLE=U32,
    TCA_FQ_FLOW_DEFAULT_RATE=U32,
    TCA_FQ_FLOW_MAX_RATE=U32,
    TCA_FQ_BUCKETS_LOG=U32,
    TCA_FQ_FLOW_REFILL_DELAY=U32,
    TCA_FQ_ORPHAN_MASK=U32,
    TCA_FQ_LOW_RATE_THRESHOLD=U32,
    TCA_FQ_CE_THRESHOLD=U32,
    TCA_FQ_TIMER_SLACK=U32,
    TCA_FQ_HORIZON=U32,
    TCA_FQ_HORIZON_DROP=U8,
)
BITFIELD32 = Struct("nla_bitfield32", ("value", U32), ("selector", U32))
_RED_BYTES = [(name, U8) for name in ("Wlog", "Plog", "Scell_log", "flags")]
_RED_LIMITS = [(name, U32) for name in ("limit", "qth_min", "qth_max")]
RED = attrs(
    TCA_RED_PARMS=Struct("tc_red_qopt", *_RED_LIMITS, *_RED_BYTES, whole=True),
    TCA_RED_STAB=RAW,
    TCA_RED_MAX_P=U32,
    TCA_RED_FLAGS=BITFIELD32,
    TCA_RED_EARLY_DROP_BLOCK=U32,
    TCA_RED_MARK_BLOCK=U32,
)
_SFQ_ORDER = ("prob_drop", "forced_drop", "prob_mark", "forced_mark", "prob_mark_head", "forced_mark_head")
SFQ = Struct(
    "tc_sfq_qopt_v1",
    ("v0.quantum", U32),
    ("v0.perturb_period", S32),
    ("v0.limit", U32),
    ("v0.divisor", U32),
    ("v0.flows", U32),
    ("depth", U32),
    ("headdrop", U32),
    *_RED_LIMITS,
    *_RED_BYTES,
    ("max_P", U32),
    *[(f"stats.{name}", U32) for name in _SFQ_ORDER],
)
PRIO = Layout(Struct("tc_prio_qopt", ("bands", S32), ("priomap", Raw(16)), whole=True), attrs())
_FIFO = Struct("tc_fifo_qopt", ("limit", U32))
QDISCS: dict[str, Type] = {
    "tbf": TBF,
    "htb": HTB,
    "netem": NETEM,
    "fq_codel": FQ_CODEL,
    "codel": CODEL,
    "fq": FQ,
    "red": RED,
    "sfq": SFQ,
    "prio": PRIO,
    "pfifo_fast": PRIO,
    "pfifo": _FIFO,
    "bfifo": _FIFO,
    "ingress": attrs(),
    "clsact": attrs(),
}
FQ_CODEL_CLASS = Struct(
    "tc_fq_codel_cl_stats",
    ("deficit", S32),
    ("ldelay", U32),
    ("count", U32),
    ("lastcount", U32),
    ("dropping", U32),
    ("drop_next", S32),
)
XSTATS = {  # of TCA_STATS_APP and TCA_XSTATS; a longer or a shorter one is another kernel's
    "htb": Struct("tc_htb_xstats", ("lends", U32), ("borrows", U32), ("giants", U32), ("tokens", S32), ("ctokens", S32)),
    "red": Struct("tc_red_xstats", *[(name, U32) for name in ("early", "pdrop", "other", "marked")]),
    "sfq": Struct("tc_sfq_xstats", ("allot", S32)),
    "fq": Struct(
        "tc_fq_qd_stats",
        *[(name, U64) for name in ("gc_flows", "highprio_packets", "tcp_retrans", "throttled", "flows_plimit")],
        ("pkts_too_long", U64),
        ("allocation_errors", U64),
        ("time_next_delayed_flow", S64),
        *[(name, U32) for name in ("flows", "inactive_flows", "throttled_flows", "unthrottle_latency_ns")],
        *[(name, U64) for name in ("ce_mark", "horizon_drops", "horizon_caps")],
    ),
    "codel": Struct(
        "tc_codel_xstats",
        *[(name, U32) for name in ("maxpacket", "count", "lastcount", "ldelay")],
        ("drop_next", S32),
        *[(name, U32) for name in ("drop_overlimit", "ecn_mark", "dropping", "ce_mark")],
    ),
    "fq_codel": Struct(  # struct tc_fq_codel_xstats has a number before it: 0 for this, 1 for `FQ_CODEL_CLASS`
        "tc_fq_codel_qd_stats",
        *[(name, U32) for name in ("maxpacket", "drop_overlimit", "ecn_mark", "new_flow_count", "new_flows_len")],
        *[(name, U32) for name in ("old_flows_len", "ce_mark", "memory_usage", "drop_overmemory")],
    ),
}

_BASIC = Struct("gnet_stats_basic", ("bytes", U64), ("packets", U32), ("__pad", Raw(4)))
STATS2 = attrs(
    TCA_STATS_BASIC=_BASIC,
    TCA_STATS_RATE_EST=Struct("gnet_stats_rate_est", ("bps", U32), ("pps", U32)),
    TCA_STATS_QUEUE=Struct(
        "gnet_stats_queue", ("qlen", U32), ("backlog", U32), ("drops", U32), ("requeues", U32), ("overlimits", U32)
    ),
    TCA_STATS_APP=RAW,
    TCA_STATS_RATE_EST64=Struct("gnet_stats_rate_est64", ("bps", U64), ("pps", U64)),
    TCA_STATS_BASIC_HW=_BASIC,
    TCA_STATS_PKT64=U64,
)
_STATS = Struct(
    "tc_stats",
    ("bytes", U64),
    *[(name, U32) for name in ("packets", "drops", "overlimits", "bps", "pps", "qlen", "backlog")],
    ("__pad", Raw(4)),
)

TC = Layout(
    TCMSG,
    attrs(
        TCA_KIND=Text(16),
        TCA_OPTIONS=SubMessage("TCA_KIND", QDISCS),
        TCA_STATS=_STATS,
        TCA_XSTATS=RAW,
        TCA_FCNT=U32,
        TCA_STATS2=STATS2,
        TCA_RATE=Struct("tc_estimator", ("interval", S8), ("ewma_log", U8)),
        TCA_STAB=attrs(
            TCA_STAB_BASE=Struct(
                "tc_sizespec",
                ("cell_log", U8),
                ("size_log", U8),
                ("cell_align", S16),
                ("overhead", S32),
                *[(name, U32) for name in ("linklayer", "mpu", "mtu", "tsize")],
            ),
            TCA_STAB_DATA=Vector(U16),
        ),
        TCA_DUMP_INVISIBLE=FLAG,
        TCA_CHAIN=U32,
        TCA_HW_OFFLOAD=U8,
        TCA_INGRESS_BLOCK=U32,
        TCA_EGRESS_BLOCK=U32,
        TCA_EXT_WARN_MSG=Text(),
    ),
)

NEWQDISC = Message(uapi.RTM_NEWQDISC, "RTM_NEWQDISC", TC)
DELQDISC = Message(uapi.RTM_DELQDISC, "RTM_DELQDISC", TC)
GETQDISC = Message(uapi.RTM_GETQDISC, "RTM_GETQDISC", TC)
NEWTCLASS = Message(uapi.RTM_NEWTCLASS, "RTM_NEWTCLASS", TC)
DELTCLASS = Message(uapi.RTM_DELTCLASS, "RTM_DELTCLASS", TC)
GETTCLASS = Message(uapi.RTM_GETTCLASS, "RTM_GETTCLASS", TC)
