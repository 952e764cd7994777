"""Bridges and their ports (ip-link(8), bridge(8), net/bridge in the kernel).

A word of `OPTIONS` is one option: its name, the size of its number in bits (``b``: a bit of the yes-or-no options), and what help
calls its value, if that is not its name in capitals.  Its attribute and its name in JSON follow from its name.
"""

from __future__ import annotations

from .. import name_tables
from ..arguments import U8, U16, U32, lladdr, unsigned64
from ..ethertypes import ethertype, ethertype_name
from ..grammar import parsed
from ..keywords import ConstantKeyword, CustomKeyword, DeviceKeyword, Keyword, OnOffKeyword, ValueKeyword
from ..reads import hexadecimal, link_name, named_rows, on_off, signed, switch_row
from ..render import JsonText, OutputRow
from .kind import described, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Args, Body, IpContext, Record

USER_HZ = 100  # the unit of the timers


SIZES = {"8": U8, "16": U16, "32": U32, "64": unsigned64, "p": ethertype}
BOOLEANS = ("no_linklocal_learn", "mcast_vlan_snooping")  # BR_BOOLOPT_*

# In the order of help.
OPTIONS = """
forward_delay:32 hello_time:32 max_age:32 ageing_time:32 stp_state:32 priority:16 group_fwd_mask:16:MASK group_address:a:ADDRESS
no_linklocal_learn:b vlan_filtering:8 vlan_protocol:p vlan_default_pvid:16 vlan_stats_enabled:8 vlan_stats_per_port:8
mcast_snooping:8:MULTICAST_SNOOPING mcast_vlan_snooping:b:MULTICAST_VLAN_SNOOPING mcast_router:8:MULTICAST_ROUTER
mcast_query_use_ifaddr:8 mcast_querier:8:MULTICAST_QUERIER mcast_hash_elasticity:32:HASH_ELASTICITY mcast_hash_max:32:HASH_MAX
mcast_last_member_count:32:LAST_MEMBER_COUNT mcast_startup_query_count:32:STARTUP_QUERY_COUNT
mcast_last_member_interval:64:LAST_MEMBER_INTERVAL mcast_membership_interval:64:MEMBERSHIP_INTERVAL
mcast_querier_interval:64:QUERIER_INTERVAL mcast_query_interval:64:QUERY_INTERVAL
mcast_query_response_interval:64:QUERY_RESPONSE_INTERVAL mcast_startup_query_interval:64:STARTUP_QUERY_INTERVAL
mcast_stats_enabled:8 mcast_igmp_version:8:IGMP_VERSION mcast_mld_version:8:MLD_VERSION
nf_call_iptables:8 nf_call_ip6tables:8 nf_call_arptables:8
""".split()
# In the order of the output; what has a row of its own is in `ROWS`.
SHOWN = """
forward_delay hello_time max_age ageing_time stp_state priority vlan_filtering vlan_protocol bridge_id root_id root_port
root_path_cost topology_change topology_change_detected hello_timer tcn_timer topology_change_timer gc_timer vlan_default_pvid
vlan_stats_enabled vlan_stats_per_port group_fwd_mask group_addr mcast_snooping no_linklocal_learn mcast_vlan_snooping
mcast_router mcast_query_use_ifaddr mcast_querier mcast_hash_elasticity mcast_hash_max mcast_last_member_count
mcast_startup_query_count
mcast_last_member_interval mcast_membership_interval mcast_querier_interval mcast_query_interval mcast_query_response_interval
mcast_startup_query_interval mcast_stats_enabled mcast_igmp_version mcast_mld_version nf_call_iptables nf_call_ip6tables
nf_call_arptables
""".split()
# What abbreviations of names that begin with mcast mean.
FIRST = ("mcast_router", "mcast_snooping", "mcast_vlan_snooping", "mcast_query_use_ifaddr")


def _attribute(name: str) -> str:
    """Return the attribute of an option without its prefix: intervals and counts are abbreviated there."""
    return name.upper().replace("_COUNT", "_CNT").replace("_INTERVAL", "_INTVL").replace("GROUP_ADDRESS", "GROUP_ADDR")


def _boolean_word(name: str) -> Keyword:
    """Return the word of a yes-or-no option; they share an attribute (struct br_boolopt_multi: values, and which are meant)."""
    bit = 1 << BOOLEANS.index(name)

    def take(args: Args, record: Record) -> None:
        on = parsed(U8, args.take(), f"invalid {name}")
        options = record.setdefault("IFLA_BR_MULTI_BOOLOPT", {"optval": 0, "optmask": 0})
        options["optval"] = options["optval"] | bit if on else options["optval"] & ~bit
        options["optmask"] |= bit

    return CustomKeyword(name, take)


def _word(option: str) -> Keyword:
    name, size, *_ = option.split(":")
    if size == "b":
        return _boolean_word(name)
    key = f"IFLA_BR_{_attribute(name)}"
    if size == "a":
        return ValueKeyword(f"{name}*", key, lladdr)
    return ValueKeyword(f"{name}*", key, SIZES[size], f"invalid {name}")


def _rank(row: Keyword) -> int:
    """Return the place of an option among those that an abbreviation may mean."""
    return FIRST.index(row.name) if row.name in FIRST else len(FIRST)


MULTICAST = sorted([_word(one) for one in OPTIONS if one.startswith("mcast")], key=_rank)
BRIDGE_WORDS = [
    ConstantKeyword("fdb_flush*", "IFLA_BR_FDB_FLUSH", True),
    *[_word(one) for one in OPTIONS if not one.startswith("mcast")],
    *MULTICAST,
]
_HINTS = [f"{one}:".split(":") for one in OPTIONS]
BRIDGE_HELP = "\n\t\t  ".join(
    ["Usage: ... bridge [ fdb_flush ]", *[f"[ {one[0]} {one[2] or one[0].upper()} ]" for one in _HINTS]]
)
BRIDGE_HELP += "\n\nWhere: VLAN_PROTOCOL := { 802.1Q | 802.1ad }"


def _seconds(value: int, record: Body, ip: IpContext) -> JsonText:
    return JsonText(f"{value // USER_HZ}.{value % USER_HZ:02d}")


def _padded(value: int, record: Body, ip: IpContext) -> str:
    return f"{value // USER_HZ:4d}.{value % USER_HZ:02d}"


def _bridge_id(value: Body, record: Body, ip: IpContext) -> str:
    """Format ``8000.2:0:0:0:0:1``: the priority, then the address as ether_ntoa has it."""
    return f"{value['prio'].hex()}.{':'.join([f'{byte:x}' for byte in value['addr']])}"


def _boolean(name: str) -> OutputRow:
    bit = BOOLEANS.index(name)

    def read_boolean(value: Body, record: Body, ip: IpContext) -> int | None:
        return value["optval"] >> bit & 1 if value["optmask"] >> bit & 1 else None

    return OutputRow("IFLA_BR_MULTI_BOOLOPT", name, f"{name} %d ", read_boolean)


def _row(prefix: str, name: str) -> OutputRow:
    """Return the row of an option: of its own, of a timer, or of a number."""
    if name in ROWS:
        return ROWS[name]
    key = f"{prefix}_{_attribute(name)}"
    if name.endswith("_timer"):
        return OutputRow(key, name, f"{name} %s ", _seconds, _padded)
    return OutputRow(key, _attribute(name).lower(), f"{name} %d ")


ROWS = {
    "vlan_protocol": OutputRow("IFLA_BR_VLAN_PROTOCOL", "vlan_protocol", "vlan_protocol %s ", ethertype_name),
    "bridge_id": OutputRow("IFLA_BR_BRIDGE_ID", "bridge_id", "bridge_id %s ", _bridge_id),
    "root_id": OutputRow("IFLA_BR_ROOT_ID", "root_id", "designated_root %s ", _bridge_id),
    "group_fwd_mask": OutputRow("IFLA_BR_GROUP_FWD_MASK", "group_fwd_mask", "group_fwd_mask %s ", hexadecimal),
    "group_addr": OutputRow("IFLA_BR_GROUP_ADDR", "group_addr", "group_address %s "),
    **{name: _boolean(name) for name in BOOLEANS},
}
BRIDGE_ROWS = [_row("IFLA_BR", name) for name in SHOWN]

# Options that are on or off, in the order of the words, with their attribute if it is named otherwise.
SWITCH_WORDS = """
hairpin=MODE guard root_block=PROTECT fastleave=FAST_LEAVE learning flood=UNICAST_FLOOD mcast_flood bcast_flood
mcast_to_unicast=MCAST_TO_UCAST proxy_arp=PROXYARP proxy_arp_wifi=PROXYARP_WIFI mcast_fast_leave=FAST_LEAVE neigh_suppress
vlan_tunnel isolated locked
""".split()
SWITCHES = {name: key or name.upper() for name, _, key in (one.partition("=") for one in SWITCH_WORDS)}
PORT_WORDS = [
    ConstantKeyword("fdb_flush*", "IFLA_BRPORT_FLUSH", True),
    ValueKeyword("state*", "IFLA_BRPORT_STATE", U8, "state is invalid"),
    ValueKeyword("priority*", "IFLA_BRPORT_PRIORITY", U16, "priority is invalid"),
    ValueKeyword("cost*", "IFLA_BRPORT_COST", U32, "cost is invalid"),
    *[OnOffKeyword(f"{name}*", f"IFLA_BRPORT_{key}") for name, key in SWITCHES.items()],
    ValueKeyword("mcast_router*", "IFLA_BRPORT_MULTICAST_ROUTER", U8, "invalid mcast_router"),
    ValueKeyword("group_fwd_mask*", "IFLA_BRPORT_GROUP_FWD_MASK", U16, "invalid group_fwd_mask"),
    DeviceKeyword("backup_port*", "IFLA_BRPORT_BACKUP_PORT", "Device does not exist\n"),
    ConstantKeyword("nobackup_port*", "IFLA_BRPORT_BACKUP_PORT", 0),
]


def _switches(names: str) -> list[OutputRow]:
    return [switch_row(f"IFLA_BRPORT_{SWITCHES[name]}", name) for name in names.split()]


def _on_off_help(names: str) -> list[str]:
    return [f"[ {name} {{on | off}} ]" for name in names.split()]


def _mask_names(value: int, record: Body, ip: IpContext) -> str:
    known = {0: "stp", 2: "lacp", 14: "lldp"}
    return ",".join([known.get(bit, f"{1 << bit:#x}") for bit in range(16) if value >> bit & 1]) or "0x0"


PORT_ROWS = (
    *named_rows("IFLA_BRPORT_STATE", "state", name_tables.PORT_STATES, "(%d)"),
    OutputRow("IFLA_BRPORT_PRIORITY", "priority", "priority %d "),
    OutputRow("IFLA_BRPORT_COST", "cost", "cost %d ", signed),
    *_switches("hairpin guard root_block fastleave learning flood"),
    OutputRow("IFLA_BRPORT_ID", "id", "port_id %s ", hexadecimal),
    OutputRow("IFLA_BRPORT_NO", "no", "port_no %s ", hexadecimal),
    OutputRow("IFLA_BRPORT_DESIGNATED_PORT", "designated_port", "designated_port %d "),
    OutputRow("IFLA_BRPORT_DESIGNATED_COST", "designated_cost", "designated_cost %d "),
    OutputRow("IFLA_BRPORT_BRIDGE_ID", "bridge_id", "designated_bridge %s ", _bridge_id),
    OutputRow("IFLA_BRPORT_ROOT_ID", "root_id", "designated_root %s ", _bridge_id),
    *[_row("IFLA_BRPORT", name) for name in ("hold_timer", "message_age_timer", "forward_delay_timer")],
    *[_row("IFLA_BRPORT", name) for name in ("topology_change_ack", "config_pending")],
    *_switches("proxy_arp proxy_arp_wifi"),
    OutputRow("IFLA_BRPORT_MULTICAST_ROUTER", "multicast_router", "mcast_router %d "),
    OutputRow("IFLA_BRPORT_FAST_LEAVE", "", "mcast_fast_leave %s ", on_off),
    *_switches("mcast_flood bcast_flood mcast_to_unicast neigh_suppress"),
    OutputRow("IFLA_BRPORT_GROUP_FWD_MASK", "group_fwd_mask", "group_fwd_mask %s ", hexadecimal),
    OutputRow("IFLA_BRPORT_GROUP_FWD_MASK", "group_fwd_mask_str", "group_fwd_mask_str %s ", _mask_names),
    *_switches("vlan_tunnel isolated locked"),
    OutputRow("IFLA_BRPORT_BACKUP_PORT", "backup_port", "backup_port %s ", link_name),
)
PORT_HELP = "Usage: ... bridge_slave " + "\n\t\t\t".join(
    ["[ fdb_flush ]", *[f"[ {one} ]" for one in ("state STATE", "priority PRIO", "cost COST")]]
    + _on_off_help("guard hairpin fastleave root_block learning flood proxy_arp proxy_arp_wifi")
    + ["[ mcast_router MULTICAST_ROUTER ]", *_on_off_help("mcast_fast_leave mcast_flood bcast_flood mcast_to_unicast")]
    + ["[ group_fwd_mask MASK ]", *_on_off_help("neigh_suppress vlan_tunnel isolated locked")]
    + ["[ backup_port DEVICE ] [ nobackup_port ]"]
)
KINDS = {
    "bridge": described("bridge", BRIDGE_HELP, BRIDGE_WORDS, show(BRIDGE_ROWS)),
    "bridge_slave": described("bridge_slave", PORT_HELP, PORT_WORDS, show(PORT_ROWS), "unknown option"),
}
