"""What is particular to a kind of link: the words of its options, and how ``-d`` shows them.

Floor 7.  A kind is a row of `KINDS`: its args, and the rows that show it; to teach `ip` another, add its tables.
"""

from __future__ import annotations

from ...rtnl.link import DATA, PORT_DATA
from . import name_tables
from .arguments import U8, U16, U32, lladdr, natural
from .grammar import (
    FAILED,
    CommandError,
    ConstantKeyword,
    CustomKeyword,
    Keyword,
    OnOffKeyword,
    ValueKeyword,
    matches,
    read,
    usage,
    wrong,
)
from .render import JsonNumber, JsonObject, OutputField, OutputRow, fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from ...wire import Body
    from .context import IpContext
    from .grammar import Args, Record

U64 = natural(64)
PROTOCOLS = {0x8100: "802.1Q", 0x88A8: "802.1ad"}
HERTZ = 100  # USER_HZ, the kernel's unit of time towards programs, on every architecture that matters

# -- reading -------------------------------------------------------------------------------------------------------


def _bridge(name: str, key: str, size: Callable[[str], int] = U32) -> Keyword:
    return ValueKeyword(f"{name}*", f"IFLA_BR_{key}", size, f"invalid {name}", hint="NUMBER")


def _protocol(text: str) -> int:
    for value, name in PROTOCOLS.items():
        if name.lower() == text.lower():
            return value
    return U16(text)


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
    _bridge("vlan_protocol", "VLAN_PROTOCOL", _protocol),
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


def _veth(args: Args) -> Record:
    """``peer`` and then the other end, in the words of any link."""
    from .link_set import peer

    if args.take() != "peer":
        raise help_of("veth", FAILED)
    return {"VETH_INFO_PEER": peer(args)}


def _options(kind: str, rows: Sequence[Keyword], complaint: str) -> Callable[[Args], Record]:
    def otherwise(word: str, args: Args, record: Record) -> None:
        if matches(word, "help"):
            raise help_of(kind, FAILED)
        raise CommandError(f'{kind}: unknown {complaint} "{word}"?\n{help_of(kind).text}', FAILED)

    return lambda args: read(rows, args, {}, otherwise)


KINDS: dict[str, tuple[Sequence[Keyword], Callable[[Args], Record]]] = {
    "veth": ((), _veth),
    "bridge": (BRIDGE_WORDS, _options("bridge", BRIDGE_WORDS, "command")),
    "bridge_slave": (PORT_WORDS, _options("bridge_slave", PORT_WORDS, "option")),
}


def info(kind: str, args: Args, help: Callable[[], CommandError]) -> Body:
    """IFLA_LINKINFO for a kind and the words of its options.  Raises `CommandError`."""
    body: Body = {"IFLA_INFO_KIND": kind}
    if not args:
        return body
    known = KINDS.get(kind)
    if known is None:
        word = args.take()
        if matches(word, "help"):
            raise help()
        raise CommandError(f'Garbage instead of arguments "{word} ...". Try "ip link help".', FAILED)
    slave = kind.endswith("_slave")
    table: Any = (PORT_DATA if slave else DATA).type_of(kind[: -len("_slave")] if slave else kind)
    data = known[1](args)
    if slave:  # `ip` names the kind of a port IFLA_INFO_KIND, so nothing in the message says what the data are
        body["IFLA_INFO_SLAVE_DATA"] = table.pack(data, data)
    else:
        body["IFLA_INFO_DATA"] = data
    return body


def help_of(kind: str, status: int = 255) -> CommandError:
    """The options of a kind."""
    if kind == "veth":
        text = "Usage: ip link ... type veth [ peer [ name ] NAME [ ... ] ]\nThe options of a peer are those of any link."
        return CommandError(text, status)
    if kind not in KINDS:
        from .link import help

        return help()
    return CommandError("\n".join(usage(f"Usage: ... {kind}", KINDS[kind][0])), status)


# -- showing -------------------------------------------------------------------------------------------------------


def _seconds(value: int, record: Body, ip: IpContext) -> JsonNumber:
    return JsonNumber(f"{value // HERTZ}.{value % HERTZ:02d}")


def _padded(value: int, record: Body, ip: IpContext) -> str:
    return f"{value // HERTZ:4d}.{value % HERTZ:02d}"


def _bridge_id(value: Body, record: Body, ip: IpContext) -> str:
    """``8000.2:0:0:0:0:1``: the priority, then the address as ether_ntoa has it."""
    return f"{value['prio'].hex()}.{':'.join([f'{byte:x}' for byte in value['addr']])}"


def _hexadecimal(value: int, record: Body, ip: IpContext) -> str:
    return f"{value:#x}" if value else "0"


def _protocol_name(value: int, record: Body, ip: IpContext) -> str:
    return PROTOCOLS.get(value, f"[{value}]")


def _option(bit: int) -> Any:
    """One of the bridge's yes-or-no options (struct br_boolopt_multi: values, then which of them are meant)."""
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
    OutputRow("IFLA_BR_VLAN_PROTOCOL", "vlan_protocol", "vlan_protocol %s ", _protocol_name),
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
    OutputRow("IFLA_BR_GROUP_FWD_MASK", "group_fwd_mask", "group_fwd_mask %s ", _hexadecimal),
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


def _port_state(value: int, record: Body, ip: IpContext) -> str:
    return name_tables.PORT_STATES[value] if value < len(name_tables.PORT_STATES) else f"({value})"


def _mask_names(value: int, record: Body, ip: IpContext) -> str:
    known = {0: "stp", 2: "lacp", 14: "lldp"}
    return ",".join([known.get(bit, f"{1 << bit:#x}") for bit in range(16) if value >> bit & 1]) or "0x0"


def _link(value: int, record: Body, ip: IpContext) -> str:
    return ip.name_of(value)


PORT_ROWS = (
    OutputRow("IFLA_BRPORT_STATE", "state", "state %s ", _port_state),
    OutputRow("IFLA_BRPORT_PRIORITY", "priority", "priority %d "),
    OutputRow("IFLA_BRPORT_COST", "cost", "cost %d "),
    _switch("hairpin", "MODE"),
    _switch("guard", "GUARD"),
    _switch("root_block", "PROTECT"),
    _switch("fastleave", "FAST_LEAVE"),
    _switch("learning", "LEARNING"),
    _switch("flood", "UNICAST_FLOOD"),
    OutputRow("IFLA_BRPORT_ID", "id", "port_id %s ", _hexadecimal),
    OutputRow("IFLA_BRPORT_NO", "no", "port_no %s ", _hexadecimal),
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
    OutputRow("IFLA_BRPORT_GROUP_FWD_MASK", "group_fwd_mask", "group_fwd_mask %s ", _hexadecimal),
    OutputRow("IFLA_BRPORT_GROUP_FWD_MASK", "group_fwd_mask_str", "group_fwd_mask_str %s ", _mask_names),
    _switch("vlan_tunnel", "VLAN_TUNNEL"),
    _switch("isolated", "ISOLATED"),
    _switch("locked", "LOCKED"),
    OutputRow("IFLA_BRPORT_BACKUP_PORT", "backup_port", "backup_port %s ", _link),
)


def shown(record: Body, ip: IpContext) -> Iterator[OutputField]:
    """IFLA_LINKINFO: the kind of the link and its options, then its master's kind and what that says of it as a port."""
    yield from fields((OutputRow("IFLA_INFO_KIND", "info_kind", "\n    %s "),), record, ip)
    if record.get("IFLA_INFO_KIND") == "bridge" and "IFLA_INFO_DATA" in record:
        yield OutputField("info_data", JsonObject(fields(BRIDGE_ROWS, record["IFLA_INFO_DATA"], ip)))
    yield from fields((OutputRow("IFLA_INFO_SLAVE_KIND", "info_slave_kind", "\n    %s_slave ", None),), record, ip)
    if record.get("IFLA_INFO_SLAVE_KIND") == "bridge" and "IFLA_INFO_SLAVE_DATA" in record:
        yield OutputField("info_slave_data", JsonObject(fields(PORT_ROWS, record["IFLA_INFO_SLAVE_DATA"], ip)))
