"""Attributes of tunnels: IP in IP, GRE, VTI, XFRM interfaces, bareudp (`<linux/if_tunnel.h>`, `<linux/if_link.h>`)."""

from __future__ import annotations

from ..wire import BE16, BE32, FLAG, IP, U8, U16, U32, Type, attrs

GRE = attrs(
    IFLA_GRE_LINK=U32,
    IFLA_GRE_IFLAGS=BE16,
    IFLA_GRE_OFLAGS=BE16,
    IFLA_GRE_IKEY=BE32,
    IFLA_GRE_OKEY=BE32,
    IFLA_GRE_LOCAL=IP,
    IFLA_GRE_REMOTE=IP,
    IFLA_GRE_TTL=U8,
    IFLA_GRE_TOS=U8,
    IFLA_GRE_PMTUDISC=U8,
    IFLA_GRE_ENCAP_LIMIT=U8,
    IFLA_GRE_FLOWINFO=BE32,
    IFLA_GRE_FLAGS=U32,
    IFLA_GRE_ENCAP_TYPE=U16.named("TUNNEL_ENCAP_"),
    IFLA_GRE_ENCAP_FLAGS=U16,
    IFLA_GRE_ENCAP_SPORT=BE16,
    IFLA_GRE_ENCAP_DPORT=BE16,
    IFLA_GRE_COLLECT_METADATA=FLAG,
    IFLA_GRE_IGNORE_DF=U8,
    IFLA_GRE_FWMARK=U32,
    IFLA_GRE_ERSPAN_INDEX=U32,
    IFLA_GRE_ERSPAN_VER=U8,
    IFLA_GRE_ERSPAN_DIR=U8,
    IFLA_GRE_ERSPAN_HWID=U16,
)


def _iptun(flags: Type) -> dict[str, Type]:
    return dict(
        IFLA_IPTUN_LINK=U32,
        IFLA_IPTUN_LOCAL=IP,
        IFLA_IPTUN_REMOTE=IP,
        IFLA_IPTUN_TTL=U8,
        IFLA_IPTUN_TOS=U8,
        IFLA_IPTUN_ENCAP_LIMIT=U8,
        IFLA_IPTUN_FLOWINFO=BE32,
        IFLA_IPTUN_FLAGS=flags,
        IFLA_IPTUN_PROTO=U8,
        IFLA_IPTUN_PMTUDISC=U8,
        IFLA_IPTUN_6RD_PREFIX=IP,
        IFLA_IPTUN_6RD_RELAY_PREFIX=IP,
        IFLA_IPTUN_6RD_PREFIXLEN=U16,
        IFLA_IPTUN_6RD_RELAY_PREFIXLEN=U16,
        IFLA_IPTUN_ENCAP_TYPE=U16.named("TUNNEL_ENCAP_"),
        IFLA_IPTUN_ENCAP_FLAGS=U16,
        IFLA_IPTUN_ENCAP_SPORT=BE16,
        IFLA_IPTUN_ENCAP_DPORT=BE16,
        IFLA_IPTUN_COLLECT_METADATA=FLAG,
        IFLA_IPTUN_FWMARK=U32,
    )


IPTUN = attrs(**_iptun(U16))
IP6TNL = attrs(**_iptun(U32))  # net/ipv6/ip6_tunnel.c has wider flags
VTI = attrs(IFLA_VTI_LINK=U32, IFLA_VTI_IKEY=BE32, IFLA_VTI_OKEY=BE32, IFLA_VTI_LOCAL=IP, IFLA_VTI_REMOTE=IP, IFLA_VTI_FWMARK=U32)
XFRM = attrs(IFLA_XFRM_LINK=U32, IFLA_XFRM_IF_ID=U32, IFLA_XFRM_COLLECT_METADATA=FLAG)
BAREUDP = attrs(
    IFLA_BAREUDP_PORT=BE16, IFLA_BAREUDP_ETHERTYPE=BE16, IFLA_BAREUDP_SRCPORT_MIN=U16, IFLA_BAREUDP_MULTIPROTO_MODE=FLAG
)

KINDS: dict[str, Type] = {
    **dict.fromkeys(("gre", "gretap", "erspan", "ip6gre", "ip6gretap", "ip6erspan"), GRE),
    **dict.fromkeys(("ipip", "sit"), IPTUN),
    "ip6tnl": IP6TNL,
    **dict.fromkeys(("vti", "vti6"), VTI),
    "xfrm": XFRM,
    "bareudp": BAREUDP,
}
