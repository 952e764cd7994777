"""Bridges and their ports (ip-link(8), bridge(8), net/bridge in the kernel)."""

from __future__ import annotations

from .. import name_tables
from ..arguments import U8, U16, U32, lladdr, natural
from ..grammar import wrong
from ..keywords import ConstantKeyword, CustomKeyword, Keyword, OnOffKeyword, ValueKeyword
from ..render import JsonNumber, OutputRow
from .ethertypes import ethertype, ethertype_name
from .kind import LinkKind, hexadecimal, link_name, named_rows, show, signed, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ....wire import Body
    from ..context import Args, IpContext
    from ..grammar import Record

U64 = natural(64)
USER_HZ = 100  # the unit of the timers

# -- reading -------------------------------------------------------------------------------------------------------


def _bridge(name: str, key: str, size: Callable[[str], int] = U32) -> Keyword:
    return ValueKeyword(f"{name}*", f"IFLA_BR_{key}", size, f"invalid {name}", hint="NUMBER")


class BridgeBoolOption(Keyword):
    """One of the bridge's yes-or-no options, which share an attribute (struct br_boolopt_multi: values, and which are meant)."""

    __slots__ = ("bit",)

    def __init__(self, names: str, bit: int) -> None:
        super().__init__(names, "NUMBER")
        self.bit = 1 << bit

    def take(self, args: Args, record: Record) -> None:
        """Read 0 or 1."""
        word = args.take()
        try:
            on = U8(word)
        except ValueError:
            raise wrong(word, f"invalid {self.name}") from None
        options = record.setdefault("IFLA_BR_MULTI_BOOLOPT", {"optval": 0, "optmask": 0})
        options["optval"] = options["optval"] | self.bit if on else options["optval"] & ~self.bit
        options["optmask"] |= self.bit


BRIDGE_WORDS = [
    ConstantKeyword("fdb_flush*", "IFLA_BR_FDB_FLUSH", True),
    _bridge("forward_delay", "FORWARD_DELAY"),
    _bridge("hello_time", "HELLO_TIME"),
    _bridge("max_age", "MAX_AGE"),
    _bridge("ageing_time", "AGEING_TIME"),
    _bridge("stp_state", "STP_STATE"),
    _bridge("priority", "PRIORITY", U16),
    _bridge("vlan_filtering", "VLAN_FILTERING", U8),
    _bridge("vlan_protocol", "VLAN_PROTOCOL", ethertype),
    _bridge("group_fwd_mask", "GROUP_FWD_MASK", U16),
    ValueKeyword("group_address*", "IFLA_BR_GROUP_ADDR", lladdr, hint="LLADDR"),
    _bridge("vlan_default_pvid", "VLAN_DEFAULT_PVID", U16),
    _bridge("vlan_stats_enabled", "VLAN_STATS_ENABLED", U8),
    _bridge("vlan_stats_per_port", "VLAN_STATS_PER_PORT", U8),
    _bridge("mcast_router", "MCAST_ROUTER", U8),
    _bridge("mcast_snooping", "MCAST_SNOOPING", U8),
    BridgeBoolOption("mcast_vlan_snooping*", 1),
    _bridge("mcast_query_use_ifaddr", "MCAST_QUERY_USE_IFADDR", U8),
    BridgeBoolOption("no_linklocal_learn*", 0),
    _bridge("mcast_querier", "MCAST_QUERIER", U8),
    _bridge("mcast_hash_elasticity", "MCAST_HASH_ELASTICITY"),
    _bridge("mcast_hash_max", "MCAST_HASH_MAX"),
    _bridge("mcast_last_member_count", "MCAST_LAST_MEMBER_CNT"),
    _bridge("mcast_startup_query_count", "MCAST_STARTUP_QUERY_CNT"),
    _bridge("mcast_last_member_interval", "MCAST_LAST_MEMBER_INTVL", U64),
    _bridge("mcast_membership_interval", "MCAST_MEMBERSHIP_INTVL", U64),
    _bridge("mcast_querier_interval", "MCAST_QUERIER_INTVL", U64),
    _bridge("mcast_query_interval", "MCAST_QUERY_INTVL", U64),
    _bridge("mcast_query_response_interval", "MCAST_QUERY_RESPONSE_INTVL", U64),
    _bridge("mcast_startup_query_interval", "MCAST_STARTUP_QUERY_INTVL", U64),
    _bridge("mcast_stats_enabled", "MCAST_STATS_ENABLED", U8),
    _bridge("mcast_igmp_version", "MCAST_IGMP_VERSION", U8),
    _bridge("mcast_mld_version", "MCAST_MLD_VERSION", U8),
    _bridge("nf_call_iptables", "NF_CALL_IPTABLES", U8),
    _bridge("nf_call_ip6tables", "NF_CALL_IP6TABLES", U8),
    _bridge("nf_call_arptables", "NF_CALL_ARPTABLES", U8),
]


def _port(name: str, key: str) -> Keyword:
    return OnOffKeyword(f"{name}*", f"IFLA_BRPORT_{key}")


def _backup(args: Args, record: Record) -> None:
    word = args.take()
    record["IFLA_BRPORT_BACKUP_PORT"] = args.ip.index_of(word)
    if not record["IFLA_BRPORT_BACKUP_PORT"]:
        raise wrong(word, "Device does not exist\n")


PORT_WORDS = [
    ConstantKeyword("fdb_flush*", "IFLA_BRPORT_FLUSH", True),
    ValueKeyword("state*", "IFLA_BRPORT_STATE", U8, "state is invalid"),
    ValueKeyword("priority*", "IFLA_BRPORT_PRIORITY", U16, "priority is invalid"),
    ValueKeyword("cost*", "IFLA_BRPORT_COST", U32, "cost is invalid"),
    _port("hairpin", "MODE"),
    _port("guard", "GUARD"),
    _port("root_block", "PROTECT"),
    _port("fastleave", "FAST_LEAVE"),
    _port("learning", "LEARNING"),
    _port("flood", "UNICAST_FLOOD"),
    _port("mcast_flood", "MCAST_FLOOD"),
    _port("bcast_flood", "BCAST_FLOOD"),
    _port("mcast_to_unicast", "MCAST_TO_UCAST"),
    _port("proxy_arp", "PROXYARP"),
    _port("proxy_arp_wifi", "PROXYARP_WIFI"),
    ValueKeyword("mcast_router*", "IFLA_BRPORT_MULTICAST_ROUTER", U8, "invalid mcast_router"),
    _port("mcast_fast_leave", "FAST_LEAVE"),
    _port("neigh_suppress", "NEIGH_SUPPRESS"),
    ValueKeyword("group_fwd_mask*", "IFLA_BRPORT_GROUP_FWD_MASK", U16, "invalid group_fwd_mask"),
    _port("vlan_tunnel", "VLAN_TUNNEL"),
    _port("isolated", "ISOLATED"),
    _port("locked", "LOCKED"),
    CustomKeyword("backup_port*", _backup, "DEVICE"),
    ConstantKeyword("nobackup_port*", "IFLA_BRPORT_BACKUP_PORT", 0),
]


# -- showing -------------------------------------------------------------------------------------------------------


def _seconds(value: int, record: Body, ip: IpContext) -> JsonNumber:
    return JsonNumber(f"{value // USER_HZ}.{value % USER_HZ:02d}")


def _padded(value: int, record: Body, ip: IpContext) -> str:
    return f"{value // USER_HZ:4d}.{value % USER_HZ:02d}"


def _bridge_id(value: Body, record: Body, ip: IpContext) -> str:
    """Format ``8000.2:0:0:0:0:1``: the priority, then the address as ether_ntoa has it."""
    return f"{value['prio'].hex()}.{':'.join([f'{byte:x}' for byte in value['addr']])}"


def _option(bit: int) -> Any:
    """Return a read of one of the bridge's options that share struct br_boolopt_multi."""
    return lambda value, record, ip: value["optval"] >> bit & 1


def _shown(name: str, key: str, json: str = "") -> OutputRow:
    return OutputRow(f"IFLA_BR_{key}", json or name, f"{name} %d ")


def _timer(name: str, key: str) -> OutputRow:
    return OutputRow(key, name, f"{name} %s ", _seconds, _padded)


BRIDGE_ROWS = (
    _shown("forward_delay", "FORWARD_DELAY"),
    _shown("hello_time", "HELLO_TIME"),
    _shown("max_age", "MAX_AGE"),
    _shown("ageing_time", "AGEING_TIME"),
    _shown("stp_state", "STP_STATE"),
    _shown("priority", "PRIORITY"),
    _shown("vlan_filtering", "VLAN_FILTERING"),
    OutputRow("IFLA_BR_VLAN_PROTOCOL", "vlan_protocol", "vlan_protocol %s ", ethertype_name),
    OutputRow("IFLA_BR_BRIDGE_ID", "bridge_id", "bridge_id %s ", _bridge_id),
    OutputRow("IFLA_BR_ROOT_ID", "root_id", "designated_root %s ", _bridge_id),
    _shown("root_port", "ROOT_PORT"),
    _shown("root_path_cost", "ROOT_PATH_COST"),
    _shown("topology_change", "TOPOLOGY_CHANGE"),
    _shown("topology_change_detected", "TOPOLOGY_CHANGE_DETECTED"),
    _timer("hello_timer", "IFLA_BR_HELLO_TIMER"),
    _timer("tcn_timer", "IFLA_BR_TCN_TIMER"),
    _timer("topology_change_timer", "IFLA_BR_TOPOLOGY_CHANGE_TIMER"),
    _timer("gc_timer", "IFLA_BR_GC_TIMER"),
    _shown("vlan_default_pvid", "VLAN_DEFAULT_PVID"),
    _shown("vlan_stats_enabled", "VLAN_STATS_ENABLED"),
    _shown("vlan_stats_per_port", "VLAN_STATS_PER_PORT"),
    OutputRow("IFLA_BR_GROUP_FWD_MASK", "group_fwd_mask", "group_fwd_mask %s ", hexadecimal),
    OutputRow("IFLA_BR_GROUP_ADDR", "group_addr", "group_address %s "),
    _shown("mcast_snooping", "MCAST_SNOOPING"),
    OutputRow("IFLA_BR_MULTI_BOOLOPT", "no_linklocal_learn", "no_linklocal_learn %d ", _option(0)),
    OutputRow("IFLA_BR_MULTI_BOOLOPT", "mcast_vlan_snooping", "mcast_vlan_snooping %d ", _option(1)),
    _shown("mcast_router", "MCAST_ROUTER"),
    _shown("mcast_query_use_ifaddr", "MCAST_QUERY_USE_IFADDR"),
    _shown("mcast_querier", "MCAST_QUERIER"),
    _shown("mcast_hash_elasticity", "MCAST_HASH_ELASTICITY"),
    _shown("mcast_hash_max", "MCAST_HASH_MAX"),
    _shown("mcast_last_member_count", "MCAST_LAST_MEMBER_CNT", "mcast_last_member_cnt"),
    _shown("mcast_startup_query_count", "MCAST_STARTUP_QUERY_CNT", "mcast_startup_query_cnt"),
    _shown("mcast_last_member_interval", "MCAST_LAST_MEMBER_INTVL", "mcast_last_member_intvl"),
    _shown("mcast_membership_interval", "MCAST_MEMBERSHIP_INTVL", "mcast_membership_intvl"),
    _shown("mcast_querier_interval", "MCAST_QUERIER_INTVL", "mcast_querier_intvl"),
    _shown("mcast_query_interval", "MCAST_QUERY_INTVL", "mcast_query_intvl"),
    _shown("mcast_query_response_interval", "MCAST_QUERY_RESPONSE_INTVL", "mcast_query_response_intvl"),
    _shown("mcast_startup_query_interval", "MCAST_STARTUP_QUERY_INTVL", "mcast_startup_query_intvl"),
    _shown("mcast_stats_enabled", "MCAST_STATS_ENABLED"),
    _shown("mcast_igmp_version", "MCAST_IGMP_VERSION"),
    _shown("mcast_mld_version", "MCAST_MLD_VERSION"),
    _shown("nf_call_iptables", "NF_CALL_IPTABLES"),
    _shown("nf_call_ip6tables", "NF_CALL_IP6TABLES"),
    _shown("nf_call_arptables", "NF_CALL_ARPTABLES"),
)


def _bool(value: int, record: Body, ip: IpContext) -> bool:
    return bool(value)


def _on_off(value: int, record: Body, ip: IpContext) -> str:
    return "on" if value else "off"


def _switch(name: str, key: str) -> OutputRow:
    return OutputRow(f"IFLA_BRPORT_{key}", name, f"{name} %s ", _bool, _on_off)


def _mask_names(value: int, record: Body, ip: IpContext) -> str:
    known = {0: "stp", 2: "lacp", 14: "lldp"}
    return ",".join([known.get(bit, f"{1 << bit:#x}") for bit in range(16) if value >> bit & 1]) or "0x0"


PORT_ROWS = (
    *named_rows("IFLA_BRPORT_STATE", "state", name_tables.PORT_STATES, "(%d)"),
    OutputRow("IFLA_BRPORT_PRIORITY", "priority", "priority %d "),
    OutputRow("IFLA_BRPORT_COST", "cost", "cost %d ", signed),
    _switch("hairpin", "MODE"),
    _switch("guard", "GUARD"),
    _switch("root_block", "PROTECT"),
    _switch("fastleave", "FAST_LEAVE"),
    _switch("learning", "LEARNING"),
    _switch("flood", "UNICAST_FLOOD"),
    OutputRow("IFLA_BRPORT_ID", "id", "port_id %s ", hexadecimal),
    OutputRow("IFLA_BRPORT_NO", "no", "port_no %s ", hexadecimal),
    OutputRow("IFLA_BRPORT_DESIGNATED_PORT", "designated_port", "designated_port %d "),
    OutputRow("IFLA_BRPORT_DESIGNATED_COST", "designated_cost", "designated_cost %d "),
    OutputRow("IFLA_BRPORT_BRIDGE_ID", "bridge_id", "designated_bridge %s ", _bridge_id),
    OutputRow("IFLA_BRPORT_ROOT_ID", "root_id", "designated_root %s ", _bridge_id),
    _timer("hold_timer", "IFLA_BRPORT_HOLD_TIMER"),
    _timer("message_age_timer", "IFLA_BRPORT_MESSAGE_AGE_TIMER"),
    _timer("forward_delay_timer", "IFLA_BRPORT_FORWARD_DELAY_TIMER"),
    OutputRow("IFLA_BRPORT_TOPOLOGY_CHANGE_ACK", "topology_change_ack", "topology_change_ack %d "),
    OutputRow("IFLA_BRPORT_CONFIG_PENDING", "config_pending", "config_pending %d "),
    _switch("proxy_arp", "PROXYARP"),
    _switch("proxy_arp_wifi", "PROXYARP_WIFI"),
    OutputRow("IFLA_BRPORT_MULTICAST_ROUTER", "multicast_router", "mcast_router %d "),
    OutputRow("IFLA_BRPORT_FAST_LEAVE", "", "mcast_fast_leave %s ", _on_off),
    _switch("mcast_flood", "MCAST_FLOOD"),
    _switch("bcast_flood", "BCAST_FLOOD"),
    _switch("mcast_to_unicast", "MCAST_TO_UCAST"),
    _switch("neigh_suppress", "NEIGH_SUPPRESS"),
    OutputRow("IFLA_BRPORT_GROUP_FWD_MASK", "group_fwd_mask", "group_fwd_mask %s ", hexadecimal),
    OutputRow("IFLA_BRPORT_GROUP_FWD_MASK", "group_fwd_mask_str", "group_fwd_mask_str %s ", _mask_names),
    _switch("vlan_tunnel", "VLAN_TUNNEL"),
    _switch("isolated", "ISOLATED"),
    _switch("locked", "LOCKED"),
    OutputRow("IFLA_BRPORT_BACKUP_PORT", "backup_port", "backup_port %s ", link_name),
)


BRIDGE_HELP = """\
Usage: ... bridge [ fdb_flush ]
\t\t  [ forward_delay FORWARD_DELAY ]
\t\t  [ hello_time HELLO_TIME ]
\t\t  [ max_age MAX_AGE ]
\t\t  [ ageing_time AGEING_TIME ]
\t\t  [ stp_state STP_STATE ]
\t\t  [ priority PRIORITY ]
\t\t  [ group_fwd_mask MASK ]
\t\t  [ group_address ADDRESS ]
\t\t  [ no_linklocal_learn NO_LINKLOCAL_LEARN ]
\t\t  [ vlan_filtering VLAN_FILTERING ]
\t\t  [ vlan_protocol VLAN_PROTOCOL ]
\t\t  [ vlan_default_pvid VLAN_DEFAULT_PVID ]
\t\t  [ vlan_stats_enabled VLAN_STATS_ENABLED ]
\t\t  [ vlan_stats_per_port VLAN_STATS_PER_PORT ]
\t\t  [ mcast_snooping MULTICAST_SNOOPING ]
\t\t  [ mcast_vlan_snooping MULTICAST_VLAN_SNOOPING ]
\t\t  [ mcast_router MULTICAST_ROUTER ]
\t\t  [ mcast_query_use_ifaddr MCAST_QUERY_USE_IFADDR ]
\t\t  [ mcast_querier MULTICAST_QUERIER ]
\t\t  [ mcast_hash_elasticity HASH_ELASTICITY ]
\t\t  [ mcast_hash_max HASH_MAX ]
\t\t  [ mcast_last_member_count LAST_MEMBER_COUNT ]
\t\t  [ mcast_startup_query_count STARTUP_QUERY_COUNT ]
\t\t  [ mcast_last_member_interval LAST_MEMBER_INTERVAL ]
\t\t  [ mcast_membership_interval MEMBERSHIP_INTERVAL ]
\t\t  [ mcast_querier_interval QUERIER_INTERVAL ]
\t\t  [ mcast_query_interval QUERY_INTERVAL ]
\t\t  [ mcast_query_response_interval QUERY_RESPONSE_INTERVAL ]
\t\t  [ mcast_startup_query_interval STARTUP_QUERY_INTERVAL ]
\t\t  [ mcast_stats_enabled MCAST_STATS_ENABLED ]
\t\t  [ mcast_igmp_version IGMP_VERSION ]
\t\t  [ mcast_mld_version MLD_VERSION ]
\t\t  [ nf_call_iptables NF_CALL_IPTABLES ]
\t\t  [ nf_call_ip6tables NF_CALL_IP6TABLES ]
\t\t  [ nf_call_arptables NF_CALL_ARPTABLES ]

Where: VLAN_PROTOCOL := { 802.1Q | 802.1ad }"""
PORT_HELP = """\
Usage: ... bridge_slave [ fdb_flush ]
\t\t\t[ state STATE ]
\t\t\t[ priority PRIO ]
\t\t\t[ cost COST ]
\t\t\t[ guard {on | off} ]
\t\t\t[ hairpin {on | off} ]
\t\t\t[ fastleave {on | off} ]
\t\t\t[ root_block {on | off} ]
\t\t\t[ learning {on | off} ]
\t\t\t[ flood {on | off} ]
\t\t\t[ proxy_arp {on | off} ]
\t\t\t[ proxy_arp_wifi {on | off} ]
\t\t\t[ mcast_router MULTICAST_ROUTER ]
\t\t\t[ mcast_fast_leave {on | off} ]
\t\t\t[ mcast_flood {on | off} ]
\t\t\t[ bcast_flood {on | off} ]
\t\t\t[ mcast_to_unicast {on | off} ]
\t\t\t[ group_fwd_mask MASK ]
\t\t\t[ neigh_suppress {on | off} ]
\t\t\t[ vlan_tunnel {on | off} ]
\t\t\t[ isolated {on | off} ]
\t\t\t[ locked {on | off} ]
\t\t\t[ backup_port DEVICE ] [ nobackup_port ]"""

KINDS = {
    "bridge": LinkKind(BRIDGE_HELP, words("bridge", BRIDGE_WORDS, BRIDGE_HELP), show(BRIDGE_ROWS)),
    "bridge_slave": LinkKind(PORT_HELP, words("bridge_slave", PORT_WORDS, PORT_HELP, "unknown option"), show(PORT_ROWS)),
}
