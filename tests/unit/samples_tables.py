"""The bodies of the requests in `captured_tables.txt`, read off the commands by a person."""

from __future__ import annotations

from typing import Any

from rawns import rtnl, uapi
from rawns.wire import Message

ACK = uapi.NLM_F_ACK
NEW = ACK | uapi.NLM_F_CREATE | uapi.NLM_F_EXCL
DUMP = uapi.NLM_F_DUMP
V1 = 3
NONE: dict[str, Any] = {"FRA_SRC": b""}  # what `from all` sends


def rule4(priority: int, table: int = 0, action: int = uapi.FR_ACT_TO_TBL, **rest: Any) -> dict[str, Any]:
    return {"family": uapi.AF_INET, "table": table, "action": action, **rest, "FRA_PRIORITY": priority}


TABLE_REQUESTS: dict[str, tuple[Message, int, dict[Any, Any]]] = {
    "ip addrlabel add prefix fd00::/64 dev v1 label 7": (
        rtnl.NEWADDRLABEL,
        NEW,
        {
            "ifal_family": uapi.AF_INET6,
            "ifal_prefixlen": 64,
            "ifal_index": V1,
            "IFAL_LABEL": 7,
            "IFAL_ADDRESS": "fd00::",
        },
    ),
    "ip addrlabel add prefix fd01::/32 label 100": (
        rtnl.NEWADDRLABEL,
        NEW,
        {"ifal_family": uapi.AF_INET6, "ifal_prefixlen": 32, "IFAL_LABEL": 100, "IFAL_ADDRESS": "fd01::"},
    ),
    "ip addrlabel list": (rtnl.GETADDRLABEL, DUMP, {"ifal_family": uapi.AF_INET6}),
    "ip addrlabel del prefix fd00::/64 dev v1 label 7": (
        rtnl.DELADDRLABEL,
        ACK,
        {
            "ifal_family": uapi.AF_INET6,
            "ifal_prefixlen": 64,
            "ifal_index": V1,
            "IFAL_LABEL": 7,
            "IFAL_ADDRESS": "fd00::",
        },
    ),
    "ip netconf show dev v1": (rtnl.GETNETCONF, DUMP, {}),
    "ip -4 netconf show": (rtnl.GETNETCONF, DUMP, {"ncm_family": uapi.AF_INET}),
    "ip ntable show": (rtnl.GETNEIGHTBL, DUMP, {}),
    "ip ntable show dev v1 name arp_cache": (rtnl.GETNEIGHTBL, DUMP, {}),
    "ip ntable change name arp_cache thresh1 129 thresh2 513 thresh3 1025 gc_int 31000": (
        rtnl.SETNEIGHTBL,
        ACK | uapi.NLM_F_REPLACE,
        {
            "NDTA_NAME": "arp_cache",
            "NDTA_THRESH1": 129,
            "NDTA_THRESH2": 513,
            "NDTA_THRESH3": 1025,
            "NDTA_GC_INTERVAL": 31000,
        },
    ),
    "ip ntable change name ndisc_cache dev v1 base_reachable 31000 ucast_probes 4 queue 65 locktime 0": (
        rtnl.SETNEIGHTBL,
        ACK | uapi.NLM_F_REPLACE,
        {
            "NDTA_NAME": "ndisc_cache",
            "NDTA_PARMS": {
                "NDTPA_IFINDEX": V1,
                "NDTPA_BASE_REACHABLE_TIME": 31000,
                "NDTPA_UCAST_PROBES": 4,
                "NDTPA_QUEUE_LEN": 65,
                "NDTPA_LOCKTIME": 0,
            },
        },
    ),
    "ip rule add not from 10.0.0.0/24 to 10.1.0.0/16 tos 0x10 fwmark 0x5/0xff iif v1 oif v2 table 300 pref 10": (
        rtnl.NEWRULE,
        NEW,
        rule4(
            10,
            flags=uapi.FIB_RULE_INVERT,
            tos=0x10,
            src_len=24,
            dst_len=16,
            FRA_SRC="10.0.0.0",
            FRA_DST="10.1.0.0",
            FRA_FWMARK=5,
            FRA_FWMASK=0xFF,
            FRA_IIFNAME="v1",
            FRA_OIFNAME="v2",
            FRA_TABLE=300,
        ),
    ),
    "ip rule add from all uidrange 1000-2000 ipproto tcp sport 80 dport 1000-2000 table main suppress_prefixlength 0 pref 11": (
        rtnl.NEWRULE,
        NEW,
        rule4(
            11,
            uapi.RT_TABLE_MAIN,
            **NONE,
            FRA_UID_RANGE={"start": 1000, "end": 2000},
            FRA_IP_PROTO=uapi.IPPROTO_TCP,
            FRA_SPORT_RANGE={"start": 80, "end": 80},
            FRA_DPORT_RANGE={"start": 1000, "end": 2000},
            FRA_SUPPRESS_PREFIXLEN=0,
        ),
    ),
    "ip rule add from all tun_id 77 table 10 suppress_ifgroup 5 protocol static pref 12": (
        rtnl.NEWRULE,
        NEW,
        rule4(12, 10, **NONE, FRA_TUN_ID=77, FRA_SUPPRESS_IFGROUP=5, FRA_PROTOCOL=uapi.RTPROT_STATIC),
    ),
    "ip rule add from all l3mdev pref 13": (rtnl.NEWRULE, NEW, rule4(13, **NONE, FRA_L3MDEV=1)),
    "ip rule add from all goto 32766 pref 14": (
        rtnl.NEWRULE,
        NEW,
        rule4(14, action=uapi.FR_ACT_GOTO, **NONE, FRA_GOTO=32766),
    ),
    "ip rule add from all nop pref 15": (rtnl.NEWRULE, NEW, rule4(15, action=uapi.FR_ACT_NOP, **NONE)),
    "ip rule add from all table 10 realms 3/4 pref 16": (rtnl.NEWRULE, NEW, rule4(16, 10, **NONE, FRA_FLOW=3 << 16 | 4)),
    "ip -6 rule add from fd00::/64 unreachable pref 17": (
        rtnl.NEWRULE,
        NEW,
        {
            "family": uapi.AF_INET6,
            "src_len": 64,
            "action": uapi.FR_ACT_UNREACHABLE,
            "FRA_SRC": "fd00::",
            "FRA_PRIORITY": 17,
        },
    ),
    "ip rule list": (rtnl.GETRULE, DUMP, {"family": uapi.AF_INET}),
    "ip -6 rule list": (rtnl.GETRULE, DUMP, {"family": uapi.AF_INET6}),
    "ip rule del pref 14": (rtnl.DELRULE, ACK, {"family": uapi.AF_INET, "FRA_PRIORITY": 14}),
}
