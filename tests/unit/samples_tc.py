"""The bodies of requests in `captured_tc.txt`, read off the commands by a person."""

from __future__ import annotations

from typing import Any

from rawns import rtnl, uapi
from rawns.wire import Message

ACK = uapi.NLM_F_ACK
NEW = ACK | uapi.NLM_F_CREATE | uapi.NLM_F_EXCL
VA, VB = 3, 2
INGRESS, EGRESS = 0xFFFFFFF2, 0xFFFFFFF3
IP, ALL = 0x0008, 0x0300  # protocols in network order
GENERIC = {"index": 0, "capab": 0, "refcnt": 0, "bindcnt": 0}
SELECTOR = {"offshift": 0, "__pad": b"\0", "offmask": b"\0\0", "off": 0, "offoff": 0, "hoff": 0, "hmask": bytes(4)}
MIRRED_3 = {"[1]": {"TCA_ACT_KIND": "mirred", "TCA_ACT_INDEX": 3}}


def selector(*keys: tuple[str, str, int]) -> dict[str, Any]:
    found = [{"mask": bytes.fromhex(mask), "val": bytes.fromhex(value), "off": off, "offmask": 0} for value, mask, off in keys]
    return {**SELECTOR, "flags": uapi.TC_U32_TERMINAL, "nkeys": len(found), "keys": found}


def action(kind: str, name: str, parameters: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"[1]": {"TCA_ACT_KIND": kind, "TCA_ACT_OPTIONS": {name: {**GENERIC, **parameters}, **rest}}}


TC_REQUESTS: dict[str, tuple[Message, int, dict[Any, Any]]] = {
    "tc filter add dev vb parent 1: protocol ip prio 5 u32 match ip dst 10.0.0.1/32 match ip sport 80 0xffff flowid 1:10": (
        rtnl.NEWTFILTER,
        NEW,
        {
            "tcm_ifindex": VB,
            "tcm_parent": 0x10000,
            "tcm_info": 5 << 16 | IP,
            "TCA_KIND": "u32",
            "TCA_OPTIONS": {
                "TCA_U32_CLASSID": 0x10010,
                "TCA_U32_SEL": selector(("0a000001", "ffffffff", 16), ("00500000", "ffff0000", 20)),
            },
        },
    ),
    "tc filter add dev va egress protocol ip pref 4 flower ip_proto tcp dst_port 80 src_ip 10.0.0.0/8 "
    "action vlan push id 5 priority 2": (
        rtnl.NEWTFILTER,
        NEW,
        {
            "tcm_ifindex": VA,
            "tcm_parent": EGRESS,
            "tcm_info": 4 << 16 | IP,
            "TCA_KIND": "flower",
            "TCA_OPTIONS": {
                "TCA_FLOWER_KEY_IP_PROTO": 6,
                "TCA_FLOWER_KEY_TCP_DST": 80,
                "TCA_FLOWER_KEY_IPV4_SRC": "10.0.0.0",
                "TCA_FLOWER_KEY_IPV4_SRC_MASK": "255.0.0.0",
                "TCA_FLOWER_ACT": action(
                    "vlan",
                    "TCA_VLAN_PARMS",
                    {"action": uapi.TC_ACT_PIPE, "v_action": uapi.TCA_VLAN_ACT_PUSH},
                    TCA_VLAN_PUSH_VLAN_ID=5,
                    TCA_VLAN_PUSH_VLAN_PRIORITY=2,
                ),
                "TCA_FLOWER_FLAGS": 0,
                "TCA_FLOWER_KEY_ETH_TYPE": 0x800,
            },
        },
    ),
    "tc filter add dev va egress pref 3 matchall skip_hw action drop": (
        rtnl.NEWTFILTER,
        NEW,
        {
            "tcm_ifindex": VA,
            "tcm_parent": EGRESS,
            "tcm_info": 3 << 16 | ALL,
            "TCA_KIND": "matchall",
            "TCA_OPTIONS": {
                "TCA_MATCHALL_ACT": action("gact", "TCA_GACT_PARMS", {"action": uapi.TC_ACT_SHOT}),
                "TCA_MATCHALL_FLAGS": uapi.TCA_CLS_FLAGS_SKIP_HW,
            },
        },
    ),
    "tc filter get dev vb parent 1: protocol ip pref 5 handle 800::800 u32": (
        rtnl.GETTFILTER,
        uapi.NLM_F_ECHO,
        {"tcm_ifindex": VB, "tcm_handle": 0x80000800, "tcm_parent": 0x10000, "tcm_info": 5 << 16 | IP, "TCA_KIND": "u32"},
    ),
    "tc filter del dev vb parent 1: pref 5": (
        rtnl.DELTFILTER,
        ACK,
        {"tcm_ifindex": VB, "tcm_parent": 0x10000, "tcm_info": 5 << 16},
    ),
    "tc chain add dev va ingress chain 5": (
        rtnl.NEWCHAIN,
        NEW,
        {"tcm_ifindex": VA, "tcm_parent": INGRESS, "TCA_CHAIN": 5},
    ),
    "tc chain show dev va ingress": (rtnl.GETCHAIN, uapi.NLM_F_DUMP, {"tcm_ifindex": VA, "tcm_parent": INGRESS}),
    "tc chain del dev va ingress chain 5": (
        rtnl.DELCHAIN,
        ACK,
        {"tcm_ifindex": VA, "tcm_parent": INGRESS, "TCA_CHAIN": 5},
    ),
    "tc actions add action mirred egress mirror dev va index 3": (
        rtnl.NEWACTION,
        NEW,
        {
            "TCA_ROOT_TAB": action(
                "mirred",
                "TCA_MIRRED_PARMS",
                {"index": 3, "action": uapi.TC_ACT_PIPE, "eaction": uapi.TCA_EGRESS_MIRROR, "ifindex": VA},
            )
        },
    ),
    "tc actions get action mirred index 3": (rtnl.GETACTION, 0, {"TCA_ROOT_TAB": MIRRED_3}),
    "tc actions del action mirred index 3": (rtnl.DELACTION, ACK, {"TCA_ROOT_TAB": MIRRED_3}),
    "tc qdisc add dev vb parent 1:10 handle 10: codel target 6ms ecn": (
        rtnl.NEWQDISC,
        NEW,
        {
            "tcm_ifindex": VB,
            "tcm_handle": 0x100000,
            "tcm_parent": 0x10010,
            "TCA_KIND": "codel",
            "TCA_OPTIONS": {"TCA_CODEL_TARGET": 6000, "TCA_CODEL_ECN": 1},
        },
    ),
}
