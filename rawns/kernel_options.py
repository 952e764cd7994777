"""What a kernel was built without (CONFIG_...), told from the request that it refuses: the hint of a `KernelError`.

To name one more, add a row to a table here.
"""

from __future__ import annotations

from . import uapi
from .terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from .errors import KernelError
    from .nlmsg import Request

LINK_KINDS = {  # IFLA_INFO_KIND: a link of a kind that the kernel does not know is refused with EOPNOTSUPP
    "amt": "AMT", "bareudp": "BAREUDP", "batadv": "BATMAN_ADV", "bond": "BONDING", "bridge": "BRIDGE", "can": "CAN_DEV",
    "dummy": "DUMMY", "erspan": "NET_IPGRE", "geneve": "GENEVE", "gre": "NET_IPGRE", "gretap": "NET_IPGRE", "gtp": "GTP",
    "hsr": "HSR", "ifb": "IFB", "ip6erspan": "IPV6_GRE", "ip6gre": "IPV6_GRE", "ip6gretap": "IPV6_GRE", "ip6tnl": "IPV6_TUNNEL",
    "ipip": "NET_IPIP", "ipvlan": "IPVLAN", "ipvtap": "IPVTAP", "macsec": "MACSEC", "macvlan": "MACVLAN", "macvtap": "MACVTAP",
    "netdevsim": "NETDEVSIM", "netkit": "NETKIT", "nlmon": "NLMON", "ovpn": "OVPN", "rmnet": "RMNET", "sit": "IPV6_SIT",
    "team": "NET_TEAM", "vcan": "CAN_VCAN", "veth": "VETH", "virt_wifi": "VIRT_WIFI", "vlan": "VLAN_8021Q", "vrf": "NET_VRF",
    "vti": "NET_IPVTI", "vti6": "IPV6_VTI", "vxcan": "CAN_VXCAN", "vxlan": "VXLAN", "wireguard": "WIREGUARD",
    "xfrm": "XFRM_INTERFACE",
}  # fmt: skip
QDISCS = {"clsact": "INGRESS", "pfifo_fast": "FIFO"}  # TCA_KIND whose option is not NET_SCH_ and its name
ENCAPSULATIONS = {  # RTA_ENCAP_TYPE
    uapi.LWTUNNEL_ENCAP_MPLS: "MPLS_IPTUNNEL",
    uapi.LWTUNNEL_ENCAP_ILA: "IPV6_ILA",
    uapi.LWTUNNEL_ENCAP_SEG6: "IPV6_SEG6_LWTUNNEL",
    uapi.LWTUNNEL_ENCAP_SEG6_LOCAL: "IPV6_SEG6_LWTUNNEL",
    uapi.LWTUNNEL_ENCAP_BPF: "LWTUNNEL_BPF",
    uapi.LWTUNNEL_ENCAP_RPL: "IPV6_RPL_LWTUNNEL",
    uapi.LWTUNNEL_ENCAP_IOAM6: "IPV6_IOAM6_LWTUNNEL",
    uapi.LWTUNNEL_ENCAP_XFRM: "XFRM_INTERFACE",
}
UNSUPPORTED = ("EOPNOTSUPP", "ENOPROTOOPT", "EAFNOSUPPORT")
FEATURES = (  # beginning of a message's name, attribute that the request has (empty: any), what the kernel then lacks
    ("RTM_NEWLINK", "IFLA_BR_VLAN_FILTERING", "no VLAN filtering of bridges (CONFIG_BRIDGE_VLAN_FILTERING)"),
    (
        "RTM_SETLINK",
        "IFLA_BRIDGE_VLAN_INFO",
        "no VLANs there: not a bridge's port, or built without CONFIG_BRIDGE_VLAN_FILTERING",
    ),
    ("RTM_NEWLINK", "IFLA_BR_VLAN_DEFAULT_PVID", "no VLAN filtering of bridges (CONFIG_BRIDGE_VLAN_FILTERING)"),
    ("RTM_NEWLINK", "IFLA_BR_MCAST_SNOOPING", "no multicast snooping of bridges (CONFIG_BRIDGE_IGMP_SNOOPING)"),
    ("RTM_NEWLINK", "IFLA_XDP", "no XDP for this interface (CONFIG_BPF_SYSCALL, and its driver)"),
    ("RTM_NEWROUTE", "RTA_ENCAP_TYPE", "no lightweight tunnels (CONFIG_LWTUNNEL)"),
    ("RTM_NEWRULE", "", "no policy routing (CONFIG_IP_MULTIPLE_TABLES, CONFIG_IPV6_MULTIPLE_TABLES)"),
    ("RTM_DELRULE", "", "no policy routing (CONFIG_IP_MULTIPLE_TABLES, CONFIG_IPV6_MULTIPLE_TABLES)"),
    ("RTM_NEWADDRLABEL", "", "no IPv6 (CONFIG_IPV6)"),
    ("RTM_NEWNEXTHOP", "", "no next hop objects (Linux 5.3)"),
    ("NFT_MSG_NEWTABLE", "", "no such family of nf_tables (CONFIG_NF_TABLES_INET, _IPV4, _IPV6, _ARP, _BRIDGE, _NETDEV)"),
    ("NFNL_MSG_BATCH_BEGIN", "", "no nf_tables (CONFIG_NF_TABLES)"),
)
NFT_PARTS = ("NFTA_CHAIN_TYPE", "NFTA_LIST_ELEM", "NFTA_EXPR_NAME")  # fields that name what a module of nf_tables provides


def advice(request: Request, error: KernelError) -> str:
    """Return what the kernel lacks if it refuses a request for that reason, with the option to build it with; otherwise empty."""
    lacks = _lacking(request.message.name, request.body, error)
    return f"this kernel has {lacks}" if lacks else ""


def _lacking(name: str, body: Mapping[Any, Any], error: KernelError) -> str:
    code = error.code
    present = dict(_attributes(body))
    if name.startswith("NFT_MSG_GET") and code == "EINVAL":
        return "no nf_tables (CONFIG_NF_TABLES)"
    if code == "ENOENT" and error.field.startswith(NFT_PARTS):
        return "no such part of nf_tables (CONFIG_NFT_NAT, CONFIG_NFT_MASQ ...)"
    if name == "RTM_NEWQDISC" and code == "ENOENT" and "TCA_KIND" in present:
        qdisc = printable(str(present["TCA_KIND"]))
        return f"no queueing discipline {qdisc} (CONFIG_NET_SCH_{QDISCS.get(qdisc, qdisc.upper())}, module sch_{qdisc})"
    if code not in UNSUPPORTED:
        return ""
    kind = present.get("IFLA_INFO_KIND")
    if name == "RTM_NEWLINK" and kind and (error.message == "Unknown device type" or not error.message and not _known(present)):
        return f"no links of kind {printable(str(kind))}" + (f" (CONFIG_{LINK_KINDS[kind]})" if kind in LINK_KINDS else "")
    if present.get("RTA_ENCAP_TYPE") in ENCAPSULATIONS:
        return f"no such lightweight tunnel (CONFIG_LWTUNNEL, CONFIG_{ENCAPSULATIONS[present['RTA_ENCAP_TYPE']]})"
    if present.get("rtm_family") == uapi.AF_MPLS:
        return "no MPLS (CONFIG_MPLS_ROUTING)"
    if code == "EAFNOSUPPORT" and uapi.AF_INET6 in (present.get("ifa_family"), present.get("rtm_family")):
        return "no IPv6 (CONFIG_IPV6)"
    return next((lacks for message, key, lacks in FEATURES if name == message and (not key or key in present)), "")


def _known(present: Mapping[str, Any]) -> bool:
    """Return whether a request has an attribute of `FEATURES`, so that its kind of link need not be what is unknown."""
    return any(key in present for _, key, _ in FEATURES)


def _attributes(body: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the fields and attributes of a request, those inside others too."""
    for key, value in body.items():
        yield key, value
        if isinstance(value, dict):
            yield from _attributes(value)
