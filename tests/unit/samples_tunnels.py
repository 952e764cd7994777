"""The bodies of the requests in `captured_tunnels.txt`, checked against the words of the commands by a person."""

from __future__ import annotations

from typing import Any

from rawns import rtnl, uapi
from rawns.wire import Message

ACK = uapi.NLM_F_ACK
NEW = ACK | uapi.NLM_F_CREATE | uapi.NLM_F_EXCL
V1, V2 = 3, 2
KEY, CSUM, SEQ = 0x2000, 0x8000, 0x1000  # GRE_KEY ..., <linux/if_tunnel.h>
NO_ENCAP = {"ENCAP_TYPE": uapi.TUNNEL_ENCAP_NONE, "ENCAP_FLAGS": 0, "ENCAP_SPORT": 0, "ENCAP_DPORT": 0}


def new(name: str, kind: str, prefix: str, data: dict[str, Any], **rest: Any) -> tuple[Message, int, dict[Any, Any]]:
    """Return the request for a link; the names of its attributes are given without their prefix."""
    full = {f"IFLA_{prefix}_{key}": value for key, value in data.items()}
    return (
        rtnl.NEWLINK,
        NEW,
        {**rest, "IFLA_IFNAME": name, "IFLA_LINKINFO": {"IFLA_INFO_KIND": kind, "IFLA_INFO_DATA": full}},
    )


TUNNEL_REQUESTS: dict[str, tuple[Message, int, dict[Any, Any]]] = {
    "ip link add gre1 type gre remote 192.0.2.2 local 192.0.2.1 ttl 64 tos 0x10 key 5 iseq ocsum dev v1": new(
        "gre1",
        "gre",
        "GRE",
        {
            "IKEY": 5,
            "OKEY": 5,
            "IFLAGS": KEY | SEQ,
            "OFLAGS": KEY | CSUM,
            "LOCAL": "192.0.2.1",
            "REMOTE": "192.0.2.2",
            "PMTUDISC": 1,
            "TOS": 16,
            "LINK": V1,
            "TTL": 64,
            "FWMARK": 0,
            **NO_ENCAP,
        },
    ),
    "ip link add gt1 type gretap remote 192.0.2.2 ikey 1 okey 2 nopmtudisc ignore-df encap fou encap-sport 5555": new(
        "gt1",
        "gretap",
        "GRE",
        {
            "IKEY": 1,
            "OKEY": 2,
            "IFLAGS": KEY,
            "OFLAGS": KEY,
            "REMOTE": "192.0.2.2",
            "PMTUDISC": 0,
            "IGNORE_DF": 1,
            "TOS": 0,
            "TTL": 0,
            "FWMARK": 0,
            "ENCAP_TYPE": uapi.TUNNEL_ENCAP_FOU,
            "ENCAP_FLAGS": 0,
            "ENCAP_SPORT": 5555,
            "ENCAP_DPORT": 0,
        },
    ),
    "ip link add er1 type erspan remote 192.0.2.2 seq key 9 erspan_ver 2 erspan_dir egress erspan_hwid 7": new(
        "er1",
        "erspan",
        "GRE",
        {
            "IKEY": 9,
            "OKEY": 9,
            "IFLAGS": KEY | SEQ,
            "OFLAGS": KEY | SEQ,
            "REMOTE": "192.0.2.2",
            "PMTUDISC": 1,
            "TOS": 0,
            "TTL": 0,
            "FWMARK": 0,
            "ERSPAN_VER": 2,
            "ERSPAN_DIR": 1,
            "ERSPAN_HWID": 7,
            **NO_ENCAP,
        },
    ),
    "ip link add g6 type ip6gre remote fd00::2 hoplimit 64 encaplimit 4 tclass 0x20 flowlabel 0x12345 key 3 fwmark 8": new(
        "g6",
        "ip6gre",
        "GRE",
        {
            "IKEY": 3,
            "OKEY": 3,
            "IFLAGS": KEY,
            "OFLAGS": KEY,
            "REMOTE": "fd00::2",
            "TTL": 64,
            "ENCAP_LIMIT": 4,
            "FLOWINFO": 0x20 << 20 | 0x12345,
            "FLAGS": 0,
            "FWMARK": 8,
            "ERSPAN_VER": 1,
            "ENCAP_TYPE": 0,
            "ENCAP_FLAGS": 2,
            "ENCAP_SPORT": 0,
            "ENCAP_DPORT": 0,
        },
    ),
    "ip link add ge1 type gretap external": new("ge1", "gretap", "GRE", {"COLLECT_METADATA": True}),
    "ip link add tun1 type ipip remote 192.0.2.2 local 192.0.2.1 ttl 10 pmtudisc mode ipip dev v1": new(
        "tun1",
        "ipip",
        "IPTUN",
        {
            "PROTO": 4,
            "LOCAL": "192.0.2.1",
            "REMOTE": "192.0.2.2",
            "PMTUDISC": 1,
            "TOS": 0,
            "TTL": 10,
            "LINK": V1,
            "FWMARK": 0,
            **NO_ENCAP,
        },
    ),
    "ip link add sit1 type sit remote 192.0.2.2 local 192.0.2.1 ttl 10 mode ip6ip isatap": new(
        "sit1",
        "sit",
        "IPTUN",
        {
            "PROTO": 41,
            "LOCAL": "192.0.2.1",
            "REMOTE": "192.0.2.2",
            "PMTUDISC": 1,
            "TOS": 0,
            "TTL": 10,
            "LINK": 0,
            "FWMARK": 0,
            **NO_ENCAP,
            "FLAGS": 1,
        },
    ),
    "ip link add t6 type ip6tnl remote fd00::2 local fd00::1 mode ip6ip6 hoplimit 8 encaplimit none dscp inherit": new(
        "t6",
        "ip6tnl",
        "IPTUN",
        {
            "PROTO": 41,
            "LOCAL": "fd00::1",
            "REMOTE": "fd00::2",
            "TTL": 8,
            "ENCAP_LIMIT": 4,
            "FLOWINFO": 0,
            "FLAGS": 17,
            "LINK": 0,
            "FWMARK": 0,
            "ENCAP_TYPE": 0,
            "ENCAP_FLAGS": 2,
            "ENCAP_SPORT": 0,
            "ENCAP_DPORT": 0,
        },
    ),
    "ip link add vti1 type vti remote 192.0.2.2 local 192.0.2.1 key 4 fwmark 7": new(
        "vti1", "vti", "VTI", {"IKEY": 4, "OKEY": 4, "LOCAL": "192.0.2.1", "REMOTE": "192.0.2.2", "FWMARK": 7}
    ),
    "ip link add vti6 type vti6 remote fd00::2 local fd00::1 ikey 4 okey 5": new(
        "vti6", "vti6", "VTI", {"IKEY": 4, "OKEY": 5, "LOCAL": "fd00::1", "REMOTE": "fd00::2", "FWMARK": 0}
    ),
    "ip link add xfrm1 type xfrm dev v1 if_id 5": new("xfrm1", "xfrm", "XFRM", {"IF_ID": 5, "LINK": V1}),
    "ip link add bu1 type bareudp dstport 6635 ethertype mpls_uc srcportmin 12345 multiproto": new(
        "bu1", "bareudp", "BAREUDP", {"PORT": 6635, "ETHERTYPE": 0x8847, "SRCPORT_MIN": 12345, "MULTIPROTO_MODE": True}
    ),
    "ip link add hsr1 type hsr slave1 v1 slave2 v2 supervision 45 version 1": new(
        "hsr1", "hsr", "HSR", {"SLAVE1": V1, "SLAVE2": V2, "MULTICAST_SPEC": 45, "VERSION": 1}
    ),
    "ip link add link v1 ms1 type macsec port 5 encrypt on cipher gcm-aes-128 window 3 replay on validate strict": new(
        "ms1",
        "macsec",
        "MACSEC",
        {"PORT": 5, "ENCRYPT": 1, "VALIDATION": 2, "CIPHER_SUITE": 0x0080C20001000001, "WINDOW": 3, "REPLAY_PROTECT": 1},
        IFLA_LINK=V1,
    ),
}
