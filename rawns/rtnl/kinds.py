"""Attributes of the kinds of links (IFLA_INFO_DATA) and of their ports (IFLA_INFO_SLAVE_DATA), `<linux/if_link.h>`.

veth, whose attributes are a link, and bridge are in `link`; `dummy` and `ifb` have none.  The widths are those of the kernel's
policies (drivers/net/vxlan/vxlan_core.c and so on).  This module is loaded for the first link of such a kind.
"""

from __future__ import annotations

from ..wire import BE16, BE32, FLAG, IP, MAC, RAW, S32, U8, U16, U32, Repeated, Struct, Type
from .base import attrs

VXLAN = attrs(
    IFLA_VXLAN_ID=U32,
    IFLA_VXLAN_GROUP=IP,
    IFLA_VXLAN_LINK=U32,
    IFLA_VXLAN_LOCAL=IP,
    IFLA_VXLAN_TTL=U8,
    IFLA_VXLAN_TOS=U8,
    IFLA_VXLAN_LEARNING=U8,
    IFLA_VXLAN_AGEING=U32,
    IFLA_VXLAN_LIMIT=U32,
    IFLA_VXLAN_PORT_RANGE=Struct("ifla_vxlan_port_range", ("low", U16), ("high", U16), order="!"),
    IFLA_VXLAN_PROXY=U8,
    IFLA_VXLAN_RSC=U8,
    IFLA_VXLAN_L2MISS=U8,
    IFLA_VXLAN_L3MISS=U8,
    IFLA_VXLAN_PORT=BE16,
    IFLA_VXLAN_GROUP6=IP,
    IFLA_VXLAN_LOCAL6=IP,
    IFLA_VXLAN_UDP_CSUM=U8,
    IFLA_VXLAN_UDP_ZERO_CSUM6_TX=U8,
    IFLA_VXLAN_UDP_ZERO_CSUM6_RX=U8,
    IFLA_VXLAN_REMCSUM_TX=U8,
    IFLA_VXLAN_REMCSUM_RX=U8,
    IFLA_VXLAN_GBP=FLAG,
    IFLA_VXLAN_REMCSUM_NOPARTIAL=FLAG,
    IFLA_VXLAN_COLLECT_METADATA=U8,
    IFLA_VXLAN_LABEL=BE32,
    IFLA_VXLAN_GPE=FLAG,
    IFLA_VXLAN_TTL_INHERIT=RAW,  # a flag when it is set, a byte when it is read
    IFLA_VXLAN_DF=U8,
    IFLA_VXLAN_VNIFILTER=U8,
    IFLA_VXLAN_LOCALBYPASS=U8,
)

GENEVE = attrs(
    IFLA_GENEVE_ID=U32,
    IFLA_GENEVE_REMOTE=IP,
    IFLA_GENEVE_TTL=U8,
    IFLA_GENEVE_TOS=U8,
    IFLA_GENEVE_PORT=BE16,
    IFLA_GENEVE_COLLECT_METADATA=FLAG,
    IFLA_GENEVE_REMOTE6=IP,
    IFLA_GENEVE_UDP_CSUM=U8,
    IFLA_GENEVE_UDP_ZERO_CSUM6_TX=U8,
    IFLA_GENEVE_UDP_ZERO_CSUM6_RX=U8,
    IFLA_GENEVE_LABEL=BE32,
    IFLA_GENEVE_TTL_INHERIT=U8,
    IFLA_GENEVE_DF=U8,
    IFLA_GENEVE_INNER_PROTO_INHERIT=FLAG,
)

MACVLAN = attrs(
    IFLA_MACVLAN_MODE=U32.named("MACVLAN_MODE_"),
    IFLA_MACVLAN_FLAGS=U16,
    IFLA_MACVLAN_MACADDR_MODE=U32,
    IFLA_MACVLAN_MACADDR=MAC,
    IFLA_MACVLAN_MACADDR_DATA=attrs(IFLA_MACVLAN_MACADDR=Repeated(MAC)),
    IFLA_MACVLAN_MACADDR_COUNT=U32,
    IFLA_MACVLAN_BC_QUEUE_LEN=U32,
    IFLA_MACVLAN_BC_QUEUE_LEN_USED=U32,
    IFLA_MACVLAN_BC_CUTOFF=S32,
)
IPVLAN = attrs(IFLA_IPVLAN_MODE=U16.named("IPVLAN_MODE_"), IFLA_IPVLAN_FLAGS=U16.bits("IPVLAN_F_"))

_QOS = attrs(IFLA_VLAN_QOS_MAPPING=Repeated(Struct("ifla_vlan_qos_mapping", ("from", U32), ("to", U32))))
VLAN = attrs(
    IFLA_VLAN_ID=U16,
    IFLA_VLAN_FLAGS=Struct("ifla_vlan_flags", ("flags", U32.bits("VLAN_FLAG_")), ("mask", U32.bits("VLAN_FLAG_"))),
    IFLA_VLAN_EGRESS_QOS=_QOS,
    IFLA_VLAN_INGRESS_QOS=_QOS,
    IFLA_VLAN_PROTOCOL=BE16,
)

VRF = attrs(IFLA_VRF_TABLE=U32.named("RT_TABLE_"))
VRF_PORT = attrs(IFLA_VRF_PORT_TABLE=U32.named("RT_TABLE_"))

TUN = attrs(  # sent by the kernel only; to create one, see `tap`
    IFLA_TUN_OWNER=U32,
    IFLA_TUN_GROUP=U32,
    IFLA_TUN_TYPE=U8.named("IFF_T"),
    IFLA_TUN_PI=U8,
    IFLA_TUN_VNET_HDR=U8,
    IFLA_TUN_PERSIST=U8,
    IFLA_TUN_MULTI_QUEUE=U8,
    IFLA_TUN_NUM_QUEUES=U32,
    IFLA_TUN_NUM_DISABLED_QUEUES=U32,
)

KINDS: dict[str, Type] = {
    "vxlan": VXLAN,
    "geneve": GENEVE,
    "macvlan": MACVLAN,
    "macvtap": MACVLAN,
    "ipvlan": IPVLAN,
    "ipvtap": IPVLAN,
    "vlan": VLAN,
    "vrf": VRF,
    "tun": TUN,
}
PORT_KINDS: dict[str, Type] = {"vrf": VRF_PORT}
