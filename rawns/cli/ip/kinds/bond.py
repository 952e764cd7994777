"""Bonding devices and their ports (ip-link(8), Documentation/networking/bonding.rst in the kernel).

One row of `OPTIONS` is one option: its word, its attribute, how its value is read and printed.
"""

from __future__ import annotations

from _socket import AF_INET6

from ..arguments import U8, U16, U32, address, integer, lladdr
from ..grammar import FAILED
from ..keywords import ConstantKeyword, CustomKeyword, DeviceKeyword, ValueKeyword
from ..reads import named_rows, signed
from ..render import JsonObject, OutputField, OutputRow, put
from .kind import described, ipv4_address, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Any, Args, Body, Callable, IpContext, Iterator, Keyword, Record

MAX_TARGETS = 16  # BOND_MAX_ARP_TARGETS, BOND_MAX_NS_TARGETS
HELP = """\
Usage: ... bond [ mode BONDMODE ] [ active_slave SLAVE_DEV ]
                [ clear_active_slave ] [ miimon MIIMON ]
                [ updelay UPDELAY ] [ downdelay DOWNDELAY ]
                [ peer_notify_delay DELAY ]
                [ use_carrier USE_CARRIER ]
                [ arp_interval ARP_INTERVAL ]
                [ arp_validate ARP_VALIDATE ]
                [ arp_all_targets ARP_ALL_TARGETS ]
                [ arp_ip_target [ ARP_IP_TARGET, ... ] ]
                [ ns_ip6_target [ NS_IP6_TARGET, ... ] ]
                [ primary SLAVE_DEV ]
                [ primary_reselect PRIMARY_RESELECT ]
                [ fail_over_mac FAIL_OVER_MAC ]
                [ xmit_hash_policy XMIT_HASH_POLICY ]
                [ resend_igmp RESEND_IGMP ]
                [ num_grat_arp|num_unsol_na NUM_GRAT_ARP|NUM_UNSOL_NA ]
                [ all_slaves_active ALL_SLAVES_ACTIVE ]
                [ min_links MIN_LINKS ]
                [ lp_interval LP_INTERVAL ]
                [ packets_per_slave PACKETS_PER_SLAVE ]
                [ tlb_dynamic_lb TLB_DYNAMIC_LB ]
                [ lacp_rate LACP_RATE ]
                [ lacp_active LACP_ACTIVE]
                [ ad_select AD_SELECT ]
                [ ad_user_port_key PORTKEY ]
                [ ad_actor_sys_prio SYSPRIO ]
                [ ad_actor_system LLADDR ]
                [ arp_missed_max MISSED_MAX ]

BONDMODE := balance-rr|active-backup|balance-xor|broadcast|802.3ad|balance-tlb|balance-alb
ARP_VALIDATE := none|active|backup|all|filter|filter_active|filter_backup
ARP_ALL_TARGETS := any|all
PRIMARY_RESELECT := always|better|failure
FAIL_OVER_MAC := none|active|follow
XMIT_HASH_POLICY := layer2|layer2+3|layer3+4|encap2+3|encap3+4|vlan+srcmac
LACP_ACTIVE := off|on
LACP_RATE := slow|fast
AD_SELECT := stable|bandwidth|count"""
PORT_HELP = "Usage: ... bond_slave [ queue_id ID ] [ prio PRIORITY ]"

MODES = ("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb")
VALIDATE = ("none", "active", "backup", "all", "filter", "filter_active", "filter_backup")
LACP_STATES = "active short_timeout aggregating in_sync collecting distributing defaulted expired".split()
POLICIES = ("layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac")
DEVICE, TARGETS4, TARGETS6 = object(), object(), object()  # how a value is read that is no number, name or MAC address

# Word, attribute without its prefix, reader (names stand for their places), name in JSON if it is another.
OPTIONS: tuple[tuple[str, str, Any, str], ...] = (
    ("mode", "MODE", MODES, ""),
    ("active_slave", "ACTIVE_SLAVE", DEVICE, ""),
    ("miimon", "MIIMON", U32, ""),
    ("updelay", "UPDELAY", U32, ""),
    ("downdelay", "DOWNDELAY", U32, ""),
    ("peer_notify_delay", "PEER_NOTIF_DELAY", U32, ""),
    ("use_carrier", "USE_CARRIER", U8, ""),
    ("arp_interval", "ARP_INTERVAL", U32, ""),
    ("arp_missed_max", "MISSED_MAX", U8, ""),
    ("arp_ip_target", "ARP_IP_TARGET", TARGETS4, ""),
    ("ns_ip6_target", "NS_IP6_TARGET", TARGETS6, ""),
    ("arp_validate", "ARP_VALIDATE", VALIDATE, ""),
    ("arp_all_targets", "ARP_ALL_TARGETS", ("any", "all"), ""),
    ("primary", "PRIMARY", DEVICE, ""),
    ("primary_reselect", "PRIMARY_RESELECT", ("always", "better", "failure"), ""),
    ("fail_over_mac", "FAIL_OVER_MAC", ("none", "active", "follow"), ""),
    ("xmit_hash_policy", "XMIT_HASH_POLICY", POLICIES, ""),
    ("resend_igmp", "RESEND_IGMP", U32, ""),
    ("num_grat_arp", "NUM_PEER_NOTIF", U8, "num_peer_notif"),
    ("all_slaves_active", "ALL_SLAVES_ACTIVE", U8, ""),
    ("min_links", "MIN_LINKS", U32, ""),
    ("lp_interval", "LP_INTERVAL", U32, ""),
    ("packets_per_slave", "PACKETS_PER_SLAVE", U32, ""),
    ("lacp_active", "AD_LACP_ACTIVE", ("off", "on"), "ad_lacp_active"),
    ("lacp_rate", "AD_LACP_RATE", ("slow", "fast"), "ad_lacp_rate"),
    ("ad_select", "AD_SELECT", ("stable", "bandwidth", "count"), ""),
    ("ad_actor_sys_prio", "AD_ACTOR_SYS_PRIO", U16, ""),
    ("ad_user_port_key", "AD_USER_PORT_KEY", U16, ""),
    ("ad_actor_system", "AD_ACTOR_SYSTEM", lladdr, ""),
    ("tlb_dynamic_lb", "TLB_DYNAMIC_LB", U8, ""),
)


def _targets(key: str, read: Callable[[str], bytes]) -> Callable[[Args, Record], None]:
    """Return a function that reads addresses with commas between them; there may be none."""

    def take(args: Args, record: Record) -> None:
        words = [one for one in args.take().split(",") if one] if args else []
        record[key] = {str(number): read(one) for number, one in enumerate(words[:MAX_TARGETS])}

    return take


def _place(names: tuple[str, ...]) -> Callable[[str], int]:
    """Return a parser of names for their places, or of the places themselves."""

    def read_place(text: str) -> int:
        return names.index(text) if text in names else range(len(names)).index(int(text))

    return read_place


def _ipv6(text: str) -> bytes:
    return address(text, AF_INET6)[1] or bytes(16)


def _keyword(name: str, key: str, reader: Any) -> Keyword:
    spellings = "num_grat_arp*|num_unsol_na*" if name == "num_grat_arp" else name if name in EXACT else f"{name}*"
    if reader is DEVICE:
        return DeviceKeyword(spellings, key, status=FAILED)
    if reader in (TARGETS4, TARGETS6):
        return CustomKeyword(spellings, _targets(key, ipv4_address if reader is TARGETS4 else _ipv6))
    why = f"invalid {spellings.replace('*', '')}"
    return ValueKeyword(spellings, key, _place(reader) if isinstance(reader, tuple) else reader, why)


EXACT = ("ns_ip6_target", "arp_missed_max", "lacp_active")  # are not abbreviated
# In iproute2's order: it decides what an abbreviation means.
ORDER = (
    "mode active_slave miimon updelay downdelay use_carrier arp_interval arp_ip_target ns_ip6_target arp_validate "
    "arp_all_targets primary primary_reselect fail_over_mac xmit_hash_policy resend_igmp num_grat_arp all_slaves_active "
    "min_links lp_interval packets_per_slave lacp_rate ad_select ad_actor_sys_prio ad_user_port_key ad_actor_system "
    "tlb_dynamic_lb peer_notify_delay lacp_active arp_missed_max"
).split()
WORDS: list[Keyword] = sorted(
    [_keyword(name, f"IFLA_BOND_{key}", reader) for name, key, reader, _ in OPTIONS], key=lambda row: ORDER.index(row.name)
)
WORDS.insert(2, ConstantKeyword("clear_active_slave*", "IFLA_BOND_ACTIVE_SLAVE", 0))


PORT_WORDS = [
    ValueKeyword("queue_id*", "IFLA_BOND_SLAVE_QUEUE_ID", U16, "queue_id is invalid"),
    ValueKeyword("prio", "IFLA_BOND_SLAVE_PRIO", lambda text: signed(integer(text), {}, None), "prio is invalid"),
]


def _show(data: Body, ip: IpContext) -> Iterator[OutputField]:
    for name, key, reader, json in OPTIONS:
        value = data.get(f"IFLA_BOND_{key}")
        if value is None or (reader is DEVICE and not value):
            continue
        if reader is DEVICE:
            value = ip.name_of(value)
        elif reader in (TARGETS4, TARGETS6):
            found = [value[one] for one in sorted(value, key=int)]
            if found:
                yield OutputField(json or name, found, f"{name} {','.join(found)} ")
            continue
        elif isinstance(reader, tuple):
            named = reader[value] if value < len(reader) else "UNKNOWN"
            value = None if key == "ARP_VALIDATE" and not value and ip.json else named  # as iproute2 has it
        elif reader is lladdr and value == "00:00:00:00:00:00":
            continue
        yield OutputField(json or name, value, put(f"{name} %s ", value, ip))
        if key == "AD_SELECT" and "IFLA_BOND_AD_INFO" in data:
            yield _aggregator(data["IFLA_BOND_AD_INFO"])


def _aggregator(info: Body) -> OutputField:
    fields = []
    for name, word in (
        ("aggregator", "ad_aggregator"),
        ("num_ports", "ad_num_ports"),
        ("actor_key", "ad_actor_key"),
        ("partner_key", "ad_partner_key"),
        ("partner_mac", "ad_partner_mac"),
    ):
        value = info.get(f"IFLA_BOND_AD_INFO_{name.upper()}")
        if value is not None:
            fields.append(OutputField(name, value, f"{word} {value} "))
    return OutputField("ad_info", JsonObject(fields))


def _lacp_state(value: int, record: Body, ip: IpContext) -> list[str]:
    return [name for bit, name in enumerate(LACP_STATES) if value >> bit & 1]


def _lacp_text(value: int, record: Body, ip: IpContext) -> str:
    return ",".join(_lacp_state(value, record, ip))


def _lacp_rows(name: str) -> list[OutputRow]:
    key, word = f"IFLA_BOND_SLAVE_AD_{name.upper()}_OPER_PORT_STATE", f"ad_{name}_oper_port_state"
    return [
        OutputRow(key, word, f"{word} %d ", lambda value, record, ip: value & 0xFF),
        OutputRow(key, f"{word}_str", f"{word}_str <%s> ", _lacp_state, _lacp_text),
    ]


PORT_ROWS = (
    *named_rows("IFLA_BOND_SLAVE_STATE", "state", ("ACTIVE", "BACKUP")),
    *named_rows("IFLA_BOND_SLAVE_MII_STATUS", "mii_status", ("UP", "GOING_DOWN", "DOWN", "GOING_BACK")),
    OutputRow("IFLA_BOND_SLAVE_LINK_FAILURE_COUNT", "link_failure_count", "link_failure_count %d ", signed),
    OutputRow("IFLA_BOND_SLAVE_PERM_HWADDR", "perm_hwaddr", "perm_hwaddr %s "),
    OutputRow("IFLA_BOND_SLAVE_QUEUE_ID", "queue_id", "queue_id %d "),
    OutputRow("IFLA_BOND_SLAVE_PRIO", "prio", "prio %d "),
    OutputRow("IFLA_BOND_SLAVE_AD_AGGREGATOR_ID", "ad_aggregator_id", "ad_aggregator_id %d "),
    *_lacp_rows("actor"),
    *_lacp_rows("partner"),
)
KINDS = {
    "bond": described("bond", HELP, WORDS, _show),
    "bond_slave": described("bond_slave", PORT_HELP, PORT_WORDS, show(PORT_ROWS), "unknown option"),
}
