"""The bodies of the requests in `captured_ip.txt`, read off the commands by a person."""

from __future__ import annotations

from typing import Any

from rawns import rtnl, uapi
from rawns.wire import Message

ACK = uapi.NLM_F_ACK
NEW = ACK | uapi.NLM_F_CREATE | uapi.NLM_F_EXCL
REPLACE = ACK | uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE
DUMP = uapi.NLM_F_DUMP
V1 = 3


def member(number: int, weight: int = 1) -> dict[str, int]:
    """Return an entry of a group; the kernel has weights less one."""
    return {"id": number, "weight": weight - 1, "weight_high": 0, "resvd2": 0}


def route4(destination: str, length: int = 24, scope: int = uapi.RT_SCOPE_LINK, **rest: Any) -> dict[str, Any]:
    return {
        "rtm_family": uapi.AF_INET,
        "rtm_dst_len": length,
        "rtm_table": uapi.RT_TABLE_MAIN,
        "rtm_protocol": uapi.RTPROT_BOOT,
        "rtm_scope": scope,
        "rtm_type": uapi.RTN_UNICAST,
        "RTA_DST": destination,
        **rest,
    }


IP_FILE_REQUESTS: dict[str, tuple[Message, int, dict[Any, Any]]] = {
    "ip nexthop add id 1 via 10.0.0.2 dev v1": (
        rtnl.NEWNEXTHOP,
        NEW,
        {"nh_family": uapi.AF_INET, "NHA_ID": 1, "NHA_GATEWAY": "10.0.0.2", "NHA_OIF": V1},
    ),
    "ip nexthop add id 2 via fd00::2 dev v1 proto static": (
        rtnl.NEWNEXTHOP,
        NEW,
        {
            "nh_family": uapi.AF_INET6,
            "nh_protocol": uapi.RTPROT_STATIC,
            "NHA_ID": 2,
            "NHA_GATEWAY": "fd00::2",
            "NHA_OIF": V1,
        },
    ),
    "ip nexthop add id 3 blackhole": (
        rtnl.NEWNEXTHOP,
        NEW,
        {"nh_family": uapi.AF_INET, "NHA_ID": 3, "NHA_BLACKHOLE": True},
    ),
    "ip nexthop add id 4 via 10.0.0.9 dev v1 onlink encap ip id 3 dst 192.0.2.1": (
        rtnl.NEWNEXTHOP,
        NEW,
        {
            "nh_family": uapi.AF_INET,
            "nh_flags": uapi.RTNH_F_ONLINK,
            "NHA_ID": 4,
            "NHA_GATEWAY": "10.0.0.9",
            "NHA_OIF": V1,
            "NHA_ENCAP": {"LWTUNNEL_IP_ID": 3, "LWTUNNEL_IP_DST": "192.0.2.1"},
            "NHA_ENCAP_TYPE": uapi.LWTUNNEL_ENCAP_IP,
        },
    ),
    "ip nexthop add id 10 group 1/5,9": (
        rtnl.NEWNEXTHOP,
        NEW,
        {"NHA_ID": 10, "NHA_GROUP": [member(1), member(5, 9)]},
    ),
    "ip nexthop replace id 11 group 1/5 type resilient buckets 4 idle_timer 60 unbalanced_timer 300": (
        rtnl.NEWNEXTHOP,
        REPLACE,
        {
            "NHA_ID": 11,
            "NHA_GROUP": [member(1), member(5)],
            "NHA_RES_GROUP": {
                "NHA_RES_GROUP_BUCKETS": 4,
                "NHA_RES_GROUP_IDLE_TIMER": 6000,
                "NHA_RES_GROUP_UNBALANCED_TIMER": 30000,
            },
            "NHA_GROUP_TYPE": uapi.NEXTHOP_GRP_TYPE_RES,
        },
    ),
    "ip nexthop add id 12 via fd00::3 fdb": (
        rtnl.NEWNEXTHOP,
        NEW,
        {"nh_family": uapi.AF_INET6, "NHA_ID": 12, "NHA_GATEWAY": "fd00::3", "NHA_FDB": True},
    ),
    "ip nexthop show": (rtnl.GETNEXTHOP, DUMP, {}),
    "ip nexthop show dev v1": (rtnl.GETNEXTHOP, DUMP, {"NHA_OIF": V1}),
    "ip nexthop get id 11": (rtnl.GETNEXTHOP, 0, {"NHA_ID": 11}),
    "ip nexthop bucket show id 11": (rtnl.GETNEXTHOPBUCKET, DUMP, {"NHA_ID": 11}),
    "ip nexthop bucket get id 11 index 1": (
        rtnl.GETNEXTHOPBUCKET,
        0,
        {"NHA_ID": 11, "NHA_RES_BUCKET": {"NHA_RES_BUCKET_INDEX": 1}},
    ),
    "ip nexthop del id 12": (rtnl.DELNEXTHOP, ACK, {"NHA_ID": 12}),
    "ip route add 10.9.0.0/24 nhid 1": (
        rtnl.NEWROUTE,
        NEW,
        route4("10.9.0.0", scope=uapi.RT_SCOPE_UNIVERSE, RTA_NH_ID=1),
    ),
    "ip route add 10.8.0.0/24 dev v1 encap ip id 5 dst 192.0.2.9 src 192.0.2.1": (
        rtnl.NEWROUTE,
        NEW,
        route4(
            "10.8.0.0",
            RTA_ENCAP={
                "LWTUNNEL_IP_ID": 5,
                "LWTUNNEL_IP_DST": "192.0.2.9",
                "LWTUNNEL_IP_SRC": "192.0.2.1",
            },
            RTA_ENCAP_TYPE=uapi.LWTUNNEL_ENCAP_IP,
            RTA_OIF=V1,
        ),
    ),
    "ip route add fd05::/64 dev v1 encap ip6 id 7 dst fd00::9": (
        rtnl.NEWROUTE,
        NEW,
        {
            **route4("fd05::", 64, uapi.RT_SCOPE_UNIVERSE),
            "rtm_family": uapi.AF_INET6,
            "RTA_ENCAP": {
                "LWTUNNEL_IP6_ID": 7,
                "LWTUNNEL_IP6_DST": "fd00::9",
            },
            "RTA_ENCAP_TYPE": uapi.LWTUNNEL_ENCAP_IP6,
            "RTA_OIF": V1,
        },
    ),
    "ip route add 10.5.0.0/24 dev v1 features ecn fastopen_no_cookie 1 mtu lock 1300": (
        rtnl.NEWROUTE,
        NEW,
        route4(
            "10.5.0.0",
            RTA_OIF=V1,
            RTA_METRICS={
                "RTAX_FEATURES": uapi.RTAX_FEATURE_ECN,
                "RTAX_FASTOPEN_NO_COOKIE": 1,
                "RTAX_MTU": 1300,
                "RTAX_LOCK": 1 << uapi.RTAX_MTU,
            },
        ),
    ),
}
