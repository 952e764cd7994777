"""What stands in `captured_lab.txt`, read off the commands by a person: kinds of links, VLANs, rules, queueing disciplines."""

from __future__ import annotations

from typing import Any

from rawns import rtnl, uapi
from rawns.rtnl import tc
from rawns.wire import Message

ACK = uapi.NLM_F_ACK
NEW = ACK | uapi.NLM_F_CREATE | uapi.NLM_F_EXCL
REPLACE = ACK | uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE
DUMP = uapi.NLM_F_DUMP

V1, V2 = 4, 3  # tap7 was there first
MAIN = {"rtm_table": uapi.RT_TABLE_MAIN, "rtm_type": uapi.RTN_UNICAST, "rtm_family": uapi.AF_INET}
RULE4 = {"family": uapi.AF_INET, "action": uapi.FR_ACT_TO_TBL}
PORT = {"ifi_family": uapi.AF_BRIDGE, "ifi_index": V1}


def link(name: str, kind: str, data: dict[Any, Any] | None = None, **more: Any) -> tuple[Message, int, dict[Any, Any]]:
    info = {"IFLA_INFO_KIND": kind, **({"IFLA_INFO_DATA": data} if data else {})}
    return rtnl.NEWLINK, NEW, {**more, "IFLA_IFNAME": name, "IFLA_LINKINFO": info}


def discipline(kind: str, options: Any = None, **more: Any) -> dict[Any, Any]:
    body = {"tcm_ifindex": V1, "tcm_parent": uapi.TC_H_ROOT, **more, "TCA_KIND": kind}
    return body if options is None else {**body, "TCA_OPTIONS": options}


def rate(name: str, bytes_a_second: int, cell: int = 3) -> dict[str, int]:
    members = {"cell_log": cell, "linklayer": uapi.TC_LINKLAYER_ETHERNET, "cell_align": -1, "rate": bytes_a_second}
    return {f"{name}.{member}": value for member, value in members.items()}


def table(bytes_a_second: int, cell: int = 3) -> list[int]:
    """tc_calc_rtable of iproute2: whole microseconds that packets of 8, 16 ... bytes take, in ticks of 64 ns."""
    return [int(15.625 * int(1e6 * (size << cell) / bytes_a_second)) for size in range(1, 257)]


MOST = 0xFFFFFFFF

LAB_REQUESTS: dict[str, tuple[Message, int, dict[Any, Any]]] = {
    "ip link add vx0 type vxlan id 42 local 10.0.0.1 remote 10.0.0.2 dstport 4789 dev v2 ttl 64 nolearning": link(
        "vx0",
        "vxlan",
        {
            "IFLA_VXLAN_LINK": V2,
            "IFLA_VXLAN_TTL": 64,
            "IFLA_VXLAN_ID": 42,
            "IFLA_VXLAN_LOCAL": "10.0.0.1",
            "IFLA_VXLAN_GROUP": "10.0.0.2",
            "IFLA_VXLAN_LEARNING": 0,
            "IFLA_VXLAN_PORT": 4789,
        },
    ),
    "ip link add vx6 type vxlan id 43 group ff05::100 dev v2 dstport 4790 srcport 1000 2000 ageing 60 udp6zerocsumrx proxy": link(
        "vx6",
        "vxlan",
        {
            "IFLA_VXLAN_LINK": V2,
            "IFLA_VXLAN_PORT_RANGE": {"low": 1000, "high": 2000},
            "IFLA_VXLAN_AGEING": 60,
            "IFLA_VXLAN_UDP_ZERO_CSUM6_RX": 1,
            "IFLA_VXLAN_PROXY": 1,
            "IFLA_VXLAN_ID": 43,
            "IFLA_VXLAN_GROUP6": "ff05::100",
            "IFLA_VXLAN_LEARNING": 1,
            "IFLA_VXLAN_PORT": 4790,
        },
    ),
    "ip link add vxe type vxlan external dstport 8472": link(
        "vxe", "vxlan", {"IFLA_VXLAN_COLLECT_METADATA": 1, "IFLA_VXLAN_LEARNING": 0, "IFLA_VXLAN_PORT": 8472}
    ),
    "ip link add link v2 name mv0 type macvlan mode bridge": link(
        "mv0", "macvlan", {"IFLA_MACVLAN_MODE": uapi.MACVLAN_MODE_BRIDGE}, IFLA_LINK=V2
    ),
    "ip link add link v2 name mt0 type macvtap mode vepa": link(
        "mt0", "macvtap", {"IFLA_MACVLAN_MODE": uapi.MACVLAN_MODE_VEPA}, IFLA_LINK=V2
    ),
    "ip link add link v2 name v2.5 type vlan protocol 802.1ad id 5 reorder_hdr off gvrp on "
    "ingress-qos-map 1:2 egress-qos-map 3:4": link(
        "v2.5",
        "vlan",
        {
            "IFLA_VLAN_PROTOCOL": 0x88A8,
            "IFLA_VLAN_ID": 5,
            "IFLA_VLAN_INGRESS_QOS": {"IFLA_VLAN_QOS_MAPPING": [{"from": 1, "to": 2}]},
            "IFLA_VLAN_EGRESS_QOS": {"IFLA_VLAN_QOS_MAPPING": [{"from": 3, "to": 4}]},
            "IFLA_VLAN_FLAGS": {
                "flags": uapi.VLAN_FLAG_GVRP,
                "mask": uapi.VLAN_FLAG_REORDER_HDR | uapi.VLAN_FLAG_GVRP,
            },
        },
        IFLA_LINK=V2,
    ),
    "ip link add link v2 name iv0 type ipvlan mode l3s private": link(
        "iv0",
        "ipvlan",
        {"IFLA_IPVLAN_MODE": uapi.IPVLAN_MODE_L3S, "IFLA_IPVLAN_FLAGS": uapi.IPVLAN_F_PRIVATE},
        IFLA_LINK=V2,
    ),
    "ip link add dummy7 type dummy": link("dummy7", "dummy"),
    "ip link add ifb7 type ifb": link("ifb7", "ifb"),
    "ip link add vrf7 type vrf table 10": link("vrf7", "vrf", {"IFLA_VRF_TABLE": 10}),
    "ip link property add dev v1 altname uplink altname the-cable-in-the-cellar": (
        rtnl.NEWLINKPROP,
        ACK | uapi.NLM_F_EXCL | uapi.NLM_F_CREATE | uapi.NLM_F_APPEND,
        {"ifi_index": V1, "IFLA_PROP_LIST": {"IFLA_ALT_IFNAME": ["uplink", "the-cable-in-the-cellar"]}},
    ),
    "ip link property del dev v1 altname uplink": (
        rtnl.DELLINKPROP,
        ACK,
        {"ifi_index": V1, "IFLA_PROP_LIST": {"IFLA_ALT_IFNAME": ["uplink"]}},
    ),
    "ip link del group 7": (rtnl.DELLINK, ACK, {"IFLA_GROUP": 7}),
    "bridge link set dev v1 cost 5 learning off isolated on": (
        rtnl.SETLINK,
        ACK,
        {**PORT, "IFLA_PROTINFO": {"IFLA_BRPORT_LEARNING": 0, "IFLA_BRPORT_COST": 5, "IFLA_BRPORT_ISOLATED": 1}},
    ),
    "bridge vlan add dev v1 vid 10 pvid untagged": (
        rtnl.SETLINK,
        ACK,
        {**PORT, "IFLA_AF_SPEC": {"IFLA_BRIDGE_VLAN_INFO": [{"flags": 6, "vid": 10}]}},
    ),
    "bridge vlan add dev v1 vid 20-30": (
        rtnl.SETLINK,
        ACK,
        {**PORT, "IFLA_AF_SPEC": {"IFLA_BRIDGE_VLAN_INFO": [{"flags": 8, "vid": 20}, {"flags": 16, "vid": 30}]}},
    ),
    "bridge vlan add dev br0 vid 10 self": (
        rtnl.SETLINK,
        ACK,
        {
            **PORT,
            "ifi_index": 5,
            "IFLA_AF_SPEC": {
                "IFLA_BRIDGE_FLAGS": uapi.BRIDGE_FLAGS_SELF,
                "IFLA_BRIDGE_VLAN_INFO": [{"flags": 0, "vid": 10}],
            },
        },
    ),
    "bridge vlan del dev v1 vid 10": (
        rtnl.DELLINK,
        ACK,
        {**PORT, "IFLA_AF_SPEC": {"IFLA_BRIDGE_VLAN_INFO": [{"flags": 0, "vid": 10}]}},
    ),
    "ip route replace default via 10.0.0.254 mtu 1400": (
        rtnl.NEWROUTE,
        REPLACE,
        {**MAIN, "rtm_protocol": uapi.RTPROT_BOOT, "RTA_GATEWAY": "10.0.0.254", "RTA_METRICS": {"RTAX_MTU": 1400}},
    ),
    "ip route add unreachable 10.66.0.0/16 metric 7": (
        rtnl.NEWROUTE,
        NEW,
        {
            **MAIN,
            "rtm_protocol": uapi.RTPROT_BOOT,
            "rtm_dst_len": 16,
            "rtm_type": uapi.RTN_UNREACHABLE,
            "RTA_DST": "10.66.0.0",
            "RTA_PRIORITY": 7,
        },
    ),
    "ip route add 10.67.0.0/16 via 192.0.2.1 dev v2 onlink proto static": (
        rtnl.NEWROUTE,
        NEW,
        {
            **MAIN,
            "rtm_protocol": uapi.RTPROT_STATIC,
            "rtm_dst_len": 16,
            "rtm_flags": uapi.RTNH_F_ONLINK,
            "RTA_DST": "10.67.0.0",
            "RTA_GATEWAY": "192.0.2.1",
            "RTA_OIF": V2,
        },
    ),
    "ip route get 10.0.0.7 from 10.0.0.1 oif v2 mark 5": (
        rtnl.GETROUTE,
        0,
        {
            "rtm_family": uapi.AF_INET,
            "rtm_dst_len": 32,
            "rtm_src_len": 32,
            "rtm_flags": uapi.RTM_F_LOOKUP_TABLE,
            "RTA_DST": "10.0.0.7",
            "RTA_SRC": "10.0.0.1",
            "RTA_OIF": V2,
            "RTA_MARK": 5,
        },
    ),
    "ip rule add from 10.0.0.0/24 table 100 pref 1000": (
        rtnl.NEWRULE,
        NEW,
        {**RULE4, "src_len": 24, "table": 100, "FRA_SRC": "10.0.0.0", "FRA_PRIORITY": 1000},
    ),
    "ip rule add to fd00::/64 iif v2 fwmark 5/0xff lookup main pref 1001": (
        rtnl.NEWRULE,
        NEW,
        {
            **RULE4,
            "family": uapi.AF_INET,  # iproute2 6.1 forgets to say IPv6 here, and the kernel refuses
            "dst_len": 64,
            "table": uapi.RT_TABLE_MAIN,
            "FRA_DST": "fd00::",
            "FRA_IIFNAME": "v2",
            "FRA_FWMARK": 5,
            "FRA_FWMASK": 0xFF,
            "FRA_PRIORITY": 1001,
        },
    ),
    "ip rule add not uidrange 0-99 ipproto tcp sport 80 dport 1000-2000 tos 0x10 oif v2 table 1000 "
    "suppress_prefixlength 0 pref 1002": (
        rtnl.NEWRULE,
        NEW,
        {
            **RULE4,
            "tos": 0x10,
            "flags": uapi.FIB_RULE_INVERT,
            "FRA_UID_RANGE": {"start": 0, "end": 99},
            "FRA_IP_PROTO": 6,
            "FRA_SPORT_RANGE": {"start": 80, "end": 80},
            "FRA_DPORT_RANGE": {"start": 1000, "end": 2000},
            "FRA_OIFNAME": "v2",
            "FRA_TABLE": 1000,
            "FRA_SUPPRESS_PREFIXLEN": 0,
            "FRA_PRIORITY": 1002,
        },
    ),
    "ip rule add prohibit from 10.9.0.0/16 pref 1003": (
        rtnl.NEWRULE,
        NEW,
        {
            "family": uapi.AF_INET,
            "src_len": 16,
            "action": uapi.FR_ACT_PROHIBIT,
            "FRA_SRC": "10.9.0.0",
            "FRA_PRIORITY": 1003,
        },
    ),
    "ip rule show": (rtnl.GETRULE, DUMP, {"family": uapi.AF_INET}),
    "ip rule del pref 1000": (rtnl.DELRULE, ACK, {"family": uapi.AF_INET, "FRA_PRIORITY": 1000}),
    "tc qdisc add dev v1 root tbf rate 10mbit burst 16kb latency 50ms": (
        tc.NEWQDISC,
        NEW,
        discipline(
            "tbf",
            {
                "TCA_TBF_PARMS": {**rate("rate", 1250000), "limit": 62500 + 16384, "buffer": 0x31FFC},
                "TCA_TBF_BURST": 16384,
                "TCA_TBF_RTAB": table(1250000),
            },
        ),
    ),
    "tc qdisc del dev v1 root": (tc.DELQDISC, ACK, {"tcm_ifindex": V1, "tcm_parent": uapi.TC_H_ROOT}),
    "tc qdisc add dev v1 root handle 5: tbf rate 40gbit burst 1mb limit 2mb peakrate 80gbit mtu 1540": (
        tc.NEWQDISC,
        NEW,
        discipline(
            "tbf",
            {
                "TCA_TBF_PARMS": {
                    **rate("rate", MOST),
                    **rate("peakrate", MOST),
                    "limit": 2 << 20,
                    "buffer": 3812,
                    "mtu": 0,
                },
                "TCA_TBF_BURST": 1 << 20,
                "TCA_TBF_RATE64": 5_000_000_000,
                "TCA_TBF_RTAB": table(5_000_000_000),
                "TCA_TBF_PRATE64": 10_000_000_000,
                "TCA_TBF_PBURST": 1540,
                "TCA_TBF_PTAB": table(10_000_000_000),
            },
            tcm_handle=0x50000,
        ),
    ),
    "tc qdisc replace dev v1 root handle 1: htb default 1 r2q 20": (
        tc.NEWQDISC,
        REPLACE,
        discipline("htb", {"TCA_HTB_INIT": {"version": 3, "rate2quantum": 20, "defcls": 1}}, tcm_handle=0x10000),
    ),
    "tc class add dev v1 parent 1: classid 1:1 htb rate 10mbit ceil 20mbit burst 15k cburst 16k prio 2 quantum 1514": (
        tc.NEWTCLASS,
        NEW,
        discipline(
            "htb",
            {
                "TCA_HTB_PARMS": {
                    **rate("rate", 1250000),
                    **rate("ceil", 2500000),
                    "buffer": 0x2EE00,
                    "cbuffer": 0x18FF6,
                    "quantum": 1514,
                    "prio": 2,
                },
                "TCA_HTB_RTAB": table(1250000),
                "TCA_HTB_CTAB": table(2500000),
            },
            tcm_handle=0x10001,
            tcm_parent=0x10000,
        ),
    ),
    "tc class show dev v1": (tc.GETTCLASS, DUMP, {"tcm_ifindex": V1}),
    "tc class del dev v1 classid 1:2": (tc.DELTCLASS, ACK, {"tcm_ifindex": V1, "tcm_handle": 0x10002}),
    "tc qdisc show dev v1": (tc.GETQDISC, DUMP, {"tcm_ifindex": V1}),
    "tc qdisc add dev v1 parent 1:1 handle 10: netem delay 20ms 2ms 25% loss 1% limit 1000": (
        tc.NEWQDISC,
        NEW,
        discipline(
            "netem",
            {
                "latency": 20_000_000 // 64,
                "jitter": 2_000_000 // 64,
                "limit": 1000,
                "loss": 42949673,
                "TCA_NETEM_CORR": {"delay_corr": 1 << 30, "loss_corr": 0, "dup_corr": 0},
            },
            tcm_handle=0x100000,
            tcm_parent=0x10001,
        ),
    ),
    "tc qdisc add dev v1 parent 1:1 handle 10: netem delay 70s 3ms loss 1% ecn rate 1mbit duplicate 2% corrupt 3% "
    "reorder 4% 50% gap 5": (
        tc.NEWQDISC,
        NEW,
        discipline(
            "netem",
            {
                "latency": 70_000_000_000 // 64,
                "jitter": 3_000_000 // 64,
                "limit": 1000,
                "loss": 42949673,
                "duplicate": 85899346,
                "gap": 5,
                "TCA_NETEM_CORR": {"delay_corr": 0, "loss_corr": 0, "dup_corr": 0},
                "TCA_NETEM_REORDER": {"probability": 171798692, "correlation": 0x80000000},
                "TCA_NETEM_ECN": 1,
                "TCA_NETEM_CORRUPT": {"probability": 128849019, "correlation": 0},
                "TCA_NETEM_RATE": {"rate": 125000, "packet_overhead": 0, "cell_size": 0, "cell_overhead": 0},
            },
            tcm_handle=0x100000,
            tcm_parent=0x10001,
        ),
    ),
    "tc qdisc add dev v1 parent 1:1 handle 10: pfifo limit 7": (
        tc.NEWQDISC,
        NEW,
        discipline("pfifo", {"limit": 7}, tcm_handle=0x100000, tcm_parent=0x10001),
    ),
    "tc qdisc add dev v1 root netem delay 10ms": (
        tc.NEWQDISC,
        NEW,
        discipline(
            "netem",
            {"latency": 10_000_000 // 64, "limit": 1000, "loss": 0, "gap": 0, "duplicate": 0, "jitter": 0},
        ),
    ),
    "tc qdisc add dev v1 ingress": (
        tc.NEWQDISC,
        NEW,
        discipline("ingress", tcm_parent=uapi.TC_H_INGRESS, tcm_handle=0xFFFF0000),
    ),
    "tc qdisc add dev v2 clsact": (
        tc.NEWQDISC,
        NEW,
        discipline("clsact", tcm_ifindex=V2, tcm_parent=uapi.TC_H_INGRESS, tcm_handle=0xFFFF0000),
    ),
    "tc qdisc show": (tc.GETQDISC, DUMP, {}),
    "tc qdisc add dev v2 root fq_codel limit 1000 target 5ms": (
        tc.NEWQDISC,
        NEW,
        discipline("fq_codel", {"TCA_FQ_CODEL_LIMIT": 1000, "TCA_FQ_CODEL_TARGET": 5000}, tcm_ifindex=V2),
    ),
    "tc qdisc replace dev v2 root noqueue": (tc.NEWQDISC, REPLACE, discipline("noqueue", tcm_ifindex=V2)),
}
