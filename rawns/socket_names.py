"""C names of the types of sockets, and of their protocols: IPPROTO_* and NETLINK_*."""

from __future__ import annotations

SOCKET_TYPES = {
    1: "SOCK_STREAM",
    2: "SOCK_DGRAM",
    3: "SOCK_RAW",
    4: "SOCK_RDM",
    5: "SOCK_SEQPACKET",
    6: "SOCK_DCCP",
    10: "SOCK_PACKET",
}
_IP = (
    "IP:0 ICMP:1 IGMP:2 IPIP:4 TCP:6 EGP:8 PUP:12 UDP:17 IDP:22 TP:29 DCCP:33 IPV6:41 RSVP:46 GRE:47 ESP:50 AH:51 ICMPV6:58 "
    "MTP:92 BEETPH:94 ENCAP:98 PIM:103 COMP:108 SCTP:132 UDPLITE:136 MPLS:137 ETHERNET:143 RAW:255 MPTCP:262"
)
IP_PROTOCOLS = {int(number): f"IPPROTO_{name}" for name, _, number in (row.partition(":") for row in _IP.split())}
_NETLINK = (
    "ROUTE UNUSED USERSOCK FIREWALL SOCK_DIAG NFLOG XFRM SELINUX ISCSI AUDIT FIB_LOOKUP CONNECTOR NETFILTER IP6_FW DNRTMSG "
    "KOBJECT_UEVENT GENERIC 17 SCSITRANSPORT ECRYPTFS RDMA CRYPTO SMC"
)
NETLINK_PROTOCOLS = {number: f"NETLINK_{name}" for number, name in enumerate(_NETLINK.split()) if not name.isdigit()}
