"""Traffic control: RTM_*QDISC and RTM_*TCLASS (tc(8), `<linux/pkt_sched.h>`, `<linux/gen_stats.h>`).

A tick is 64 ns: PSCHED_SHIFT is 6 (include/net/pkt_sched.h, since 2.6.31), as the first two words of /proc/net/psched say.
A rate is in bytes per second; rates that need 64 bits are in an attribute of their own.
"""

from __future__ import annotations

from .. import uapi
from ..wire import RAW, S16, S32, S64, U8, U16, U32, U64, Layout, Message, Raw, Scalar, Struct, SubMessage, Text, Type, Vector
from .base import FAMILY, attrs


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


def _rate(name: str) -> list[tuple[str, Scalar | Raw]]:
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
        "tc_tbf_qopt", *_rate("rate"), *_rate("peakrate"), ("limit", U32), ("buffer", U32), ("mtu", U32), whole=True
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
        *_rate("rate"),
        *_rate("ceil"),
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
)
_FIFO = Struct("tc_fifo_qopt", ("limit", U32))
QDISCS: dict[str, Type] = {
    "tbf": TBF,
    "htb": HTB,
    "netem": NETEM,
    "fq_codel": FQ_CODEL,
    "pfifo": _FIFO,
    "bfifo": _FIFO,
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
        TCA_STAB=RAW,
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
