"""The captured messages, and what stands in them.

`captured.txt` and its kin hold bytes that this project had no part in making (`capture.py` says how they were caught).  The
bodies below, and in `samples_lab`, were read off the commands by a person: they are what must encode to those bytes and
come back from them.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from samples_bridge import BRIDGE_REQUESTS
from samples_ip import IP_FILE_REQUESTS
from samples_lab import LAB_REQUESTS
from samples_stats import STATS_REQUESTS
from samples_tables import TABLE_REQUESTS
from samples_tc import TC_REQUESTS
from samples_tunnels import TUNNEL_REQUESTS

from rawns import nlmsg, rtnl, uapi
from rawns.rtnl.bridge import BRIDGE_PORT
from rawns.wire import Message

ACK = uapi.NLM_F_ACK
NEW = ACK | uapi.NLM_F_CREATE | uapi.NLM_F_EXCL
DUMP = uapi.NLM_F_DUMP
MESSAGES = {**rtnl.MESSAGES, nlmsg.ERROR.number: nlmsg.ERROR, nlmsg.DONE.number: nlmsg.DONE}


def skip_on_big_endian() -> None:
    """Skip a test, or a module that is being imported, that compares with bytes of a little-endian processor.

    On a big-endian one, tests/kernels compares with the real `ip` instead, which talks to the kernel there.
    """
    if sys.byteorder == "big":
        pytest.skip("compares with bytes that were recorded on a little-endian processor", allow_module_level=True)


def captured(*files: str) -> dict[str, list[tuple[str, bytes]]]:
    """By command, what was sent (">") and received ("<"), datagram by datagram."""
    found: dict[str, list[tuple[str, bytes]]] = {}
    text = "\n".join([(Path(__file__).parent / file).read_text() for file in files])
    for line in text.splitlines():
        if line.startswith("# "):
            assert line[2:] not in found, f"{line} is captured twice"
            found[line[2:]] = []
        elif line[:2] in ("> ", "< "):
            found[list(found)[-1]].append((line[0], bytes.fromhex(line[2:])))
    return found


FILES = ("", "_lab", "_6_1", "_ip", "_tables", "_tc", "_tunnels", "_stats", "_bridge")
CAPTURED = captured(*[f"captured{name}.txt" for name in FILES])


def one(command: str, arrow: str, number: int = 0) -> bytes:
    """The bytes of the first (or a later) datagram sent or received under a command."""
    skip_on_big_endian()
    return [data for way, data in CAPTURED[command] if way == arrow][number]


def shortened_attributes(data: bytes) -> Iterator[tuple[tuple[int, int, int], bytes]]:
    """Yield a datagram with one attribute cut to one length, for each; the rest of its place is an attribute of no meaning.

    Whatever looks like an attribute counts as one.  With each come the message's type, the attribute's, and the new length.
    """
    for at in range(16, len(data) - 4, 4):
        size, kind = struct.unpack_from("=HH", data, at)
        if 4 < size <= min(len(data) - at, 400):
            place = min(-(-size // 4) * 4, len(data) - at)
            for length in range(4, size):
                changed, after = bytearray(data), -(-length // 4) * 4
                struct.pack_into("=H", changed, at, length)
                if place - after >= 4:
                    struct.pack_into("=HH", changed, at + after, place - after, 0x3FFF)
                yield (struct.unpack_from("=H", data, 4)[0], kind, length), bytes(changed)


def payloads() -> list[tuple[Message, bytes]]:
    """Every captured message of a kind: its description, and the bytes after its header."""
    skip_on_big_endian()
    found = []
    for datagrams in CAPTURED.values():
        for _, data in datagrams:
            for frame in nlmsg.split(data):
                echoed = frame.kind == uapi.NLMSG_ERROR and not frame.flags & uapi.NLM_F_CAPPED
                if frame.kind in MESSAGES and not echoed:  # rawns' sockets always ask for the cap
                    found.append((MESSAGES[frame.kind], data[frame.start : frame.end]))
    return found


def hop(gateway: str, weight: int) -> dict[str, Any]:
    return {"rtnh_len": 16, "rtnh_hops": weight - 1, "RTA_GATEWAY": gateway}


MAIN = {"rtm_table": uapi.RT_TABLE_MAIN, "rtm_protocol": uapi.RTPROT_BOOT, "rtm_type": uapi.RTN_UNICAST}
ROUTE4 = {"rtm_family": uapi.AF_INET, **MAIN}
ADDR4 = {"ifa_family": uapi.AF_INET, "ifa_index": 3}
NEIGH4 = {"ndm_family": uapi.AF_INET, "ndm_ifindex": 3, "ndm_state": uapi.NUD_PERMANENT}

# command (without `ip`): message, flags, body
IP_REQUESTS: dict[str, tuple[Message, int, dict[Any, Any]]] = {
    "link add v1 type veth peer name v2": (
        rtnl.NEWLINK,
        NEW,
        {
            "IFLA_IFNAME": "v1",
            "IFLA_LINKINFO": {"IFLA_INFO_KIND": "veth", "IFLA_INFO_DATA": {"VETH_INFO_PEER": {"IFLA_IFNAME": "v2"}}},
        },
    ),
    "link add v3 address 02:00:00:00:00:03 mtu 1400 txqueuelen 500 index 77 "
    "type veth peer name v4 address 02:00:00:00:00:04 netns B": (
        rtnl.NEWLINK,
        NEW,
        {
            "ifi_index": 77,
            "IFLA_ADDRESS": "02:00:00:00:00:03",
            "IFLA_MTU": 1400,
            "IFLA_TXQLEN": 500,
            "IFLA_IFNAME": "v3",
            "IFLA_LINKINFO": {
                "IFLA_INFO_KIND": "veth",
                "IFLA_INFO_DATA": {
                    "VETH_INFO_PEER": {"IFLA_ADDRESS": "02:00:00:00:00:04", "IFLA_NET_NS_FD": 4, "IFLA_IFNAME": "v4"}
                },
            },
        },
    ),
    "link add br0 type bridge stp_state 1 forward_delay 400 vlan_filtering 1 vlan_protocol 802.1ad": (
        rtnl.NEWLINK,
        NEW,
        {
            "IFLA_IFNAME": "br0",
            "IFLA_LINKINFO": {
                "IFLA_INFO_KIND": "bridge",
                "IFLA_INFO_DATA": {
                    "IFLA_BR_STP_STATE": 1,
                    "IFLA_BR_FORWARD_DELAY": 400,
                    "IFLA_BR_VLAN_FILTERING": 1,
                    "IFLA_BR_VLAN_PROTOCOL": 0x88A8,
                },
            },
        },
    ),
    "link set lo up": (rtnl.NEWLINK, ACK, {"ifi_index": 1, "ifi_flags": uapi.IFF_UP, "ifi_change": uapi.IFF_UP}),
    "link set v1 address 02:00:00:00:00:01": (rtnl.NEWLINK, ACK, {"ifi_index": 3, "IFLA_ADDRESS": "02:00:00:00:00:01"}),
    "link set v1 alias thecable": (rtnl.NEWLINK, ACK, {"ifi_index": 3, "IFLA_IFALIAS": "thecable"}),
    "link set v1 type bridge_slave cost 7 priority 3 guard on isolated on": (
        rtnl.NEWLINK,
        ACK,
        {
            "ifi_index": 3,
            "IFLA_LINKINFO": {
                # No kind the kernel knows, so we do not either; what it carries is nevertheless a bridge port's.
                "IFLA_INFO_KIND": "bridge_slave",
                "IFLA_INFO_SLAVE_DATA": BRIDGE_PORT.pack(
                    {"IFLA_BRPORT_COST": 7, "IFLA_BRPORT_PRIORITY": 3, "IFLA_BRPORT_GUARD": 1, "IFLA_BRPORT_ISOLATED": 1}, {}
                ),
            },
        },
    ),
    "link set v1 nomaster": (rtnl.NEWLINK, ACK, {"ifi_index": 3, "IFLA_MASTER": 0}),
    "link set v1 group 7": (rtnl.NEWLINK, ACK, {"ifi_index": 3, "IFLA_GROUP": 7}),
    "link set v1 addrgenmode none": (
        rtnl.NEWLINK,
        ACK,
        {"ifi_index": 3, "IFLA_AF_SPEC": {"AF_INET6": {"IFLA_INET6_ADDR_GEN_MODE": uapi.IN6_ADDR_GEN_MODE_NONE}}},
    ),
    "link set v1 up": (rtnl.NEWLINK, ACK, {"ifi_index": 3, "ifi_flags": uapi.IFF_UP, "ifi_change": uapi.IFF_UP}),
    "link set v2 up": (rtnl.NEWLINK, ACK, {"ifi_index": 2, "ifi_flags": uapi.IFF_UP, "ifi_change": uapi.IFF_UP}),
    "link set v1 mtu 9": (rtnl.NEWLINK, ACK, {"ifi_index": 3, "IFLA_MTU": 9}),
    "link set v2 netns B": (rtnl.NEWLINK, ACK, {"ifi_index": 2, "IFLA_NET_NS_FD": 4}),
    "link del v1": (rtnl.DELLINK, ACK, {"ifi_index": 3}),
    "-d link show": (rtnl.GETLINK, DUMP, {"ifi_family": uapi.AF_PACKET, "IFLA_EXT_MASK": uapi.RTEXT_FILTER_VF}),
    "link show dev v3": (
        rtnl.GETLINK,
        0,
        {"IFLA_EXT_MASK": uapi.RTEXT_FILTER_VF | uapi.RTEXT_FILTER_SKIP_STATS, "IFLA_IFNAME": "v3"},
    ),
    "addr add 10.0.0.1/24 brd + dev v1 label v1:a": (
        rtnl.NEWADDR,
        NEW,
        {
            **ADDR4,
            "ifa_prefixlen": 24,
            "IFA_LOCAL": "10.0.0.1",
            "IFA_LABEL": "v1:a",
            "IFA_ADDRESS": "10.0.0.1",
            "IFA_BROADCAST": "10.0.0.255",
        },
    ),
    "addr add fd00::1/64 dev v1 nodad valid_lft 3000 preferred_lft 1000": (
        rtnl.NEWADDR,
        NEW,
        {
            "ifa_family": uapi.AF_INET6,
            "ifa_prefixlen": 64,
            "ifa_flags": uapi.IFA_F_NODAD,
            "ifa_index": 3,
            "IFA_LOCAL": "fd00::1",
            "IFA_ADDRESS": "fd00::1",
            "IFA_CACHEINFO": {"ifa_prefered": 1000, "ifa_valid": 3000},
        },
    ),
    "addr add 10.0.0.5 peer 10.0.0.6/32 dev v1 metric 20": (
        rtnl.NEWADDR,
        NEW,
        {**ADDR4, "ifa_prefixlen": 32, "IFA_LOCAL": "10.0.0.5", "IFA_ADDRESS": "10.0.0.6", "IFA_RT_PRIORITY": 20},
    ),
    "addr add 10.0.0.1/24 dev v1": (
        rtnl.NEWADDR,
        NEW,
        {**ADDR4, "ifa_prefixlen": 24, "IFA_LOCAL": "10.0.0.1", "IFA_ADDRESS": "10.0.0.1"},
    ),
    "addr del 10.0.0.1/24 dev v1": (
        rtnl.DELADDR,
        ACK,
        {**ADDR4, "ifa_prefixlen": 24, "IFA_LOCAL": "10.0.0.1", "IFA_ADDRESS": "10.0.0.1"},
    ),
    "addr show": (rtnl.GETADDR, DUMP, {}),
    "route add default via 10.0.0.254": (rtnl.NEWROUTE, NEW, {**ROUTE4, "RTA_GATEWAY": "10.0.0.254"}),
    "route add 10.9.0.0/16 dev v1 metric 50 mtu 1300 src 10.0.0.1 proto static table 77": (
        rtnl.NEWROUTE,
        NEW,
        {
            **ROUTE4,
            "rtm_dst_len": 16,
            "rtm_table": 77,
            "rtm_protocol": uapi.RTPROT_STATIC,
            "rtm_scope": uapi.RT_SCOPE_LINK,
            "RTA_DST": "10.9.0.0",
            "RTA_PRIORITY": 50,
            "RTA_PREFSRC": "10.0.0.1",
            "RTA_OIF": 3,
            "RTA_METRICS": {"RTAX_MTU": 1300},
        },
    ),
    "route add 10.8.0.0/16 nexthop via 10.0.0.2 weight 1 nexthop via 10.0.0.3 weight 2": (
        rtnl.NEWROUTE,
        NEW,
        {**ROUTE4, "rtm_dst_len": 16, "RTA_DST": "10.8.0.0", "RTA_MULTIPATH": [hop("10.0.0.2", 1), hop("10.0.0.3", 2)]},
    ),
    "route add blackhole 10.7.0.0/16": (
        rtnl.NEWROUTE,
        NEW,
        {**ROUTE4, "rtm_dst_len": 16, "rtm_type": uapi.RTN_BLACKHOLE, "RTA_DST": "10.7.0.0"},
    ),
    "route add fd01::/64 via fd00::2 metric 9": (
        rtnl.NEWROUTE,
        NEW,
        {
            **MAIN,
            "rtm_family": uapi.AF_INET6,
            "rtm_dst_len": 64,
            "RTA_DST": "fd01::",
            "RTA_GATEWAY": "fd00::2",
            "RTA_PRIORITY": 9,
        },
    ),
    "route add 10.6.0.0/16 via 192.168.7.7": (
        rtnl.NEWROUTE,
        NEW,
        {**ROUTE4, "rtm_dst_len": 16, "RTA_DST": "10.6.0.0", "RTA_GATEWAY": "192.168.7.7"},
    ),
    "route del 10.7.0.0/16": (
        rtnl.DELROUTE,
        ACK,
        {
            "rtm_family": uapi.AF_INET,
            "rtm_dst_len": 16,
            "rtm_table": uapi.RT_TABLE_MAIN,
            "rtm_scope": uapi.RT_SCOPE_NOWHERE,
            "RTA_DST": "10.7.0.0",
        },
    ),
    "route show table all": (rtnl.GETROUTE, DUMP, {}),
    "route get 10.0.0.2": (
        rtnl.GETROUTE,
        0,
        {"rtm_family": uapi.AF_INET, "rtm_dst_len": 32, "rtm_flags": uapi.RTM_F_LOOKUP_TABLE, "RTA_DST": "10.0.0.2"},
    ),
    "neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev v1 nud permanent": (
        rtnl.NEWNEIGH,
        NEW,
        {**NEIGH4, "NDA_DST": "10.0.0.2", "NDA_LLADDR": "02:00:00:00:00:02"},
    ),
    "neigh add proxy 10.0.0.9 dev v1": (
        rtnl.NEWNEIGH,
        NEW,
        {**NEIGH4, "ndm_flags": uapi.NTF_PROXY, "NDA_DST": "10.0.0.9"},
    ),
    "neigh del 10.0.0.2 dev v1": (rtnl.DELNEIGH, ACK, {**NEIGH4, "NDA_DST": "10.0.0.2"}),
    "neigh show": (rtnl.GETNEIGH, DUMP, {}),
    "neigh show proxy": (rtnl.GETNEIGH, DUMP, {"ndm_flags": uapi.NTF_PROXY}),
    "netns set B 5": (rtnl.NEWNSID, ACK, {"NETNSA_FD": 6, "NETNSA_NSID": 5}),
    "netns list-id": (rtnl.GETNSID, 0, {"NETNSA_FD": 6}),
}

REQUESTS = {
    **{f"ip {command}": request for command, request in IP_REQUESTS.items()},
    **LAB_REQUESTS,
    **IP_FILE_REQUESTS,
    **TABLE_REQUESTS,
    **TC_REQUESTS,
    **TUNNEL_REQUESTS,
    **STATS_REQUESTS,
    **BRIDGE_REQUESTS,
}
