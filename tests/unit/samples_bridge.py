"""The bodies of the requests in `captured_bridge.txt`, read off the commands by a person."""

from __future__ import annotations

from typing import Any

from rawns import rtnl, uapi
from rawns.wire import Message

ACK, DUMP = uapi.NLM_F_ACK, uapi.NLM_F_DUMP
BRIDGE, V1, V2, VX0 = 20, 11, 12, 30
V1_PORT = {"ifi_family": uapi.AF_BRIDGE, "ifi_index": V1}
ADDRESS = {"ndm_family": uapi.AF_BRIDGE}
GROUP = {"family": uapi.AF_BRIDGE, "ifindex": BRIDGE}
VLANS = {"family": uapi.AF_BRIDGE}
VNIS = {"family": uapi.AF_BRIDGE, "ifindex": VX0}
IPV4, IPV6 = b"\x08\x00", b"\x86\xdd"  # ETH_P_IP, ETH_P_IPV6


def group(address: str, proto: bytes, port: int = V1, **members: int) -> dict[str, Any]:
    """A struct br_mdb_entry."""
    entry = {"ifindex": port, "state": 0, "flags": 0, "vid": 0, "addr.u": bytes.fromhex(address).ljust(16, b"\0")}
    return {**entry, "addr.proto": proto, "__pad": bytes(2), **members}


def vlan(flags: int, vid: int) -> dict[str, int]:
    """A struct bridge_vlan_info."""
    return {"flags": flags, "vid": vid}


def tunnel(id: int, vid: int, flags: int) -> dict[str, int]:
    """The attributes of one mapping of a VLAN to a tunnel."""
    prefix = "IFLA_BRIDGE_VLAN_TUNNEL"
    return {f"{prefix}_ID": id, f"{prefix}_VID": vid, f"{prefix}_FLAGS": flags}


def vni(start: int, **more: Any) -> dict[str, Any]:
    """The attributes of one entry of a VNI filter."""
    return {f"VXLAN_VNIFILTER_ENTRY_{name}": value for name, value in {"START": start, **more}.items()}


BRIDGE_REQUESTS: dict[str, tuple[Message, int, dict[Any, Any]]] = {
    "bridge link set dev v1 cost 7 learning_sync off mcast_router 2 backup_port vx0 state 3 self master": (
        rtnl.SETLINK,
        ACK,
        {
            **V1_PORT,
            "IFLA_PROTINFO": {
                "IFLA_BRPORT_MULTICAST_ROUTER": 2,
                "IFLA_BRPORT_LEARNING_SYNC": 0,
                "IFLA_BRPORT_COST": 7,
                "IFLA_BRPORT_STATE": uapi.BR_STATE_FORWARDING,
                "IFLA_BRPORT_BACKUP_PORT": VX0,
            },
            "IFLA_AF_SPEC": {"IFLA_BRIDGE_FLAGS": uapi.BRIDGE_FLAGS_SELF | uapi.BRIDGE_FLAGS_MASTER},
        },
    ),
    "bridge link set dev v1 hwmode vepa": (
        rtnl.SETLINK,
        ACK,
        {
            **V1_PORT,
            "IFLA_PROTINFO": {},
            "IFLA_AF_SPEC": {"IFLA_BRIDGE_FLAGS": uapi.BRIDGE_FLAGS_SELF, "IFLA_BRIDGE_MODE": uapi.BRIDGE_MODE_VEPA},
        },
    ),
    "bridge fdb add 02:00:00:00:00:77 dev v1 master static sticky vlan 5": (
        rtnl.NEWNEIGH,
        ACK | uapi.NLM_F_CREATE | uapi.NLM_F_EXCL,
        {
            **ADDRESS,
            "ndm_ifindex": V1,
            "ndm_state": uapi.NUD_NOARP | uapi.NUD_REACHABLE,
            "ndm_flags": uapi.NTF_MASTER | uapi.NTF_STICKY,
            "NDA_LLADDR": "02:00:00:00:00:77",
            "NDA_VLAN": 5,
        },
    ),
    "bridge fdb append 02:00:00:00:00:79 dev vx0 dst 10.0.0.7 src_vni 8 vni 9 port 99 via v2": (
        rtnl.NEWNEIGH,
        ACK | uapi.NLM_F_CREATE | uapi.NLM_F_APPEND,
        {
            **ADDRESS,
            "ndm_ifindex": VX0,
            "ndm_state": uapi.NUD_NOARP | uapi.NUD_PERMANENT,
            "ndm_flags": uapi.NTF_SELF,
            "NDA_LLADDR": "02:00:00:00:00:79",
            "NDA_DST": "10.0.0.7",
            "NDA_PORT": 99,
            "NDA_VNI": 9,
            "NDA_SRC_VNI": 8,
            "NDA_IFINDEX": V2,
        },
    ),
    "bridge fdb get 02:00:00:00:00:01 br br0": (
        rtnl.GETNEIGH,
        0,
        {**ADDRESS, "NDA_LLADDR": "02:00:00:00:00:01", "NDA_MASTER": BRIDGE},
    ),
    "bridge fdb show br br0": (rtnl.GETNEIGH, DUMP, {**ADDRESS, "NDA_MASTER": BRIDGE}),
    "bridge fdb flush dev br0 brport v1 vlan 5 nopermanent sticky": (
        rtnl.DELNEIGH,
        ACK | uapi.NLM_F_BULK,
        {
            **ADDRESS,
            "ndm_ifindex": BRIDGE,
            "ndm_flags": uapi.NTF_SELF | uapi.NTF_STICKY,
            "NDA_IFINDEX": V1,
            "NDA_VLAN": 5,
            "NDA_NDM_FLAGS_MASK": uapi.NTF_STICKY,
            "NDA_NDM_STATE_MASK": uapi.NUD_PERMANENT,
        },
    ),
    "bridge mdb add dev br0 port v1 grp 239.1.1.1 src 10.0.0.9 permanent vid 5": (
        rtnl.NEWMDB,
        ACK | uapi.NLM_F_CREATE | uapi.NLM_F_EXCL,
        {
            **GROUP,
            "MDBA_MDB": group("ef010101", IPV4, state=uapi.MDB_PERMANENT, vid=5),
            "MDBA_ROUTER": {"MDBE_ATTR_SOURCE": "10.0.0.9"},
        },
    ),
    "bridge mdb add dev br0 port v1 grp ff05::1": (
        rtnl.NEWMDB,
        ACK | uapi.NLM_F_CREATE | uapi.NLM_F_EXCL,
        {**GROUP, "MDBA_MDB": group(f"ff05{'00' * 13}01", IPV6)},
    ),
    "bridge mdb del dev br0 port v1 grp ff05::1": (
        rtnl.DELMDB,
        ACK,
        {**GROUP, "MDBA_MDB": group(f"ff05{'00' * 13}01", IPV6)},
    ),
    "bridge mdb show": (rtnl.GETMDB, DUMP, {"family": uapi.AF_BRIDGE}),
    "bridge vlan add dev v1 vid 5-9 untagged self": (
        rtnl.SETLINK,
        ACK,
        {
            **V1_PORT,
            "IFLA_AF_SPEC": {
                "IFLA_BRIDGE_FLAGS": uapi.BRIDGE_FLAGS_SELF,
                "IFLA_BRIDGE_VLAN_INFO": [
                    vlan(uapi.BRIDGE_VLAN_INFO_UNTAGGED | uapi.BRIDGE_VLAN_INFO_RANGE_BEGIN, 5),
                    vlan(uapi.BRIDGE_VLAN_INFO_UNTAGGED | uapi.BRIDGE_VLAN_INFO_RANGE_END, 9),
                ],
            },
        },
    ),
    "bridge vlan add dev v1 vid 5-9 tunnel_info id 100-104": (
        rtnl.SETLINK,
        ACK,
        {
            **V1_PORT,
            "IFLA_AF_SPEC": {
                "IFLA_BRIDGE_VLAN_TUNNEL_INFO": [
                    tunnel(100, 5, uapi.BRIDGE_VLAN_INFO_RANGE_BEGIN),
                    tunnel(104, 9, uapi.BRIDGE_VLAN_INFO_RANGE_END),
                ]
            },
        },
    ),
    "bridge vlan set dev v1 vid 5-9 state forwarding mcast_router 1": (
        rtnl.NEWVLAN,
        ACK,
        {
            **VLANS,
            "ifindex": V1,
            "BRIDGE_VLANDB_ENTRY": [
                {
                    "BRIDGE_VLANDB_ENTRY_INFO": vlan(uapi.BRIDGE_VLAN_INFO_ONLY_OPTS, 5),
                    "BRIDGE_VLANDB_ENTRY_RANGE": 9,
                    "BRIDGE_VLANDB_ENTRY_STATE": uapi.BR_STATE_FORWARDING,
                    "BRIDGE_VLANDB_ENTRY_MCAST_ROUTER": 1,
                }
            ],
        },
    ),
    "bridge vlan global set dev br0 vid 5 mcast_querier 1 mcast_query_interval 5000 mcast_igmp_version 3": (
        rtnl.NEWVLAN,
        ACK,
        {
            **VLANS,
            "ifindex": BRIDGE,
            "BRIDGE_VLANDB_GLOBAL_OPTIONS": [
                {
                    "BRIDGE_VLANDB_GOPTS_ID": 5,
                    "BRIDGE_VLANDB_GOPTS_MCAST_QUERIER": 1,
                    "BRIDGE_VLANDB_GOPTS_MCAST_QUERY_INTVL": 5000,
                    "BRIDGE_VLANDB_GOPTS_MCAST_IGMP_VERSION": 3,
                }
            ],
        },
    ),
    "bridge -d -s vlan show": (
        rtnl.GETVLAN,
        DUMP,
        {**VLANS, "BRIDGE_VLANDB_DUMP_FLAGS": uapi.BRIDGE_VLANDB_DUMPF_STATS},
    ),
    "bridge vlan global show": (
        rtnl.GETVLAN,
        DUMP,
        {**VLANS, "BRIDGE_VLANDB_DUMP_FLAGS": uapi.BRIDGE_VLANDB_DUMPF_GLOBAL},
    ),
    "bridge vni add vni 100,200-210 dev vx0": (
        rtnl.NEWTUNNEL,
        ACK,
        {**VNIS, "VXLAN_VNIFILTER_ENTRY": [vni(100), vni(200, END=210)]},
    ),
    "bridge vni add vni 300 remote fd00::5 dev vx0": (
        rtnl.NEWTUNNEL,
        ACK,
        {**VNIS, "VXLAN_VNIFILTER_ENTRY": [vni(300, GROUP6="fd00::5")]},
    ),
    "bridge vni add vni 301 group 239.1.1.1 dev vx0": (
        rtnl.NEWTUNNEL,
        ACK,
        {**VNIS, "VXLAN_VNIFILTER_ENTRY": [vni(301, GROUP="239.1.1.1")]},
    ),
    "bridge vni delete vni 100 dev vx0": (rtnl.DELTUNNEL, ACK, {**VNIS, "VXLAN_VNIFILTER_ENTRY": [vni(100)]}),
    "bridge vni show": (rtnl.GETTUNNEL, DUMP, {"family": uapi.AF_BRIDGE}),
    "bridge -s vni show dev vx0": (
        rtnl.GETTUNNEL,
        DUMP,
        {**VNIS, "flags": uapi.TUNNEL_MSG_FLAG_STATS},
    ),
}
