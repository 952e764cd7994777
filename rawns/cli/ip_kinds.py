"""What is particular to a kind of link: the words of its options, and how ``-d`` shows them.

Floor 7.  A kind is a row of `KINDS`: its words, and the rows that show it; to teach `ip` another, add its tables.
"""

from __future__ import annotations

import sys

from .. import rtnl, uapi
from ..wire import names_of
from . import names
from .show import Field, Literal, Object, Row, fields
from .words import FAILED, U8, U16, U32, Call, Constant, OnOff, Refused, Value, lladdr, matches, natural, number, read, usage, wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from ..wire import Attrs, Body
    from .session import Session
    from .words import Record, Words
    from .words import Row as Word

U64 = natural(64)
PROTOCOLS = {0x8100: "802.1Q", 0x88A8: "802.1ad"}
HERTZ = 100  # USER_HZ, the kernel's unit of time towards programs, on every architecture that matters

# -- reading -------------------------------------------------------------------------------------------------------


def _bridge(name: str, key: str, size: Callable[[str], int] = U32) -> Word:
    return Value(f"{name}*", f"IFLA_BR_{key}", size, f"invalid {name}", hint="NUMBER")


def _protocol(text: str) -> int:
    for value, name in PROTOCOLS.items():
        if name.lower() == text.lower():
            return value
    return U16(text)


BRIDGE_WORDS = [
    Constant("fdb_flush*", uapi.IFLA_BR_FDB_FLUSH, b""),
    _bridge("forward_delay", "FORWARD_DELAY"),
    _bridge("hello_time", "HELLO_TIME"),
    _bridge("max_age", "MAX_AGE"),
    _bridge("ageing_time", "AGEING_TIME"),
    _bridge("stp_state", "STP_STATE"),
    _bridge("priority", "PRIORITY", U16),
    _bridge("vlan_filtering", "VLAN_FILTERING", U8),
    _bridge("vlan_protocol", "VLAN_PROTOCOL", _protocol),
    _bridge("group_fwd_mask", "GROUP_FWD_MASK", U16),
    Value("group_address*", "IFLA_BR_GROUP_ADDR", lladdr, hint="LLADDR"),
    _bridge("vlan_default_pvid", "VLAN_DEFAULT_PVID", U16),
    _bridge("vlan_stats_enabled", "VLAN_STATS_ENABLED", U8),
    _bridge("vlan_stats_per_port", "VLAN_STATS_PER_PORT", U8),
    _bridge("mcast_router", "MCAST_ROUTER", U8),
    _bridge("mcast_snooping", "MCAST_SNOOPING", U8),
    _bridge("mcast_query_use_ifaddr", "MCAST_QUERY_USE_IFADDR", U8),
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


def _port(name: str, key: str) -> Word:
    return OnOff(f"{name}*", f"IFLA_BRPORT_{key}")


def _backup(words: Words, record: Record) -> None:
    word = words.take()
    record["IFLA_BRPORT_BACKUP_PORT"] = words.ip.index_of(word)
    if not record["IFLA_BRPORT_BACKUP_PORT"]:
        raise wrong(word, "Device does not exist\n")


PORT_WORDS = [
    Constant("fdb_flush*", uapi.IFLA_BRPORT_FLUSH, b""),
    Value("state*", "IFLA_BRPORT_STATE", U8, "state is invalid"),
    Value("priority*", "IFLA_BRPORT_PRIORITY", U16, "priority is invalid"),
    Value("cost*", "IFLA_BRPORT_COST", U32, "cost is invalid"),
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
    Value("mcast_router*", "IFLA_BRPORT_MULTICAST_ROUTER", U8, "invalid mcast_router"),
    _port("mcast_fast_leave", "FAST_LEAVE"),
    _port("neigh_suppress", "NEIGH_SUPPRESS"),
    Value("group_fwd_mask*", "IFLA_BRPORT_GROUP_FWD_MASK", U16, "invalid group_fwd_mask"),
    _port("vlan_tunnel", "VLAN_TUNNEL"),
    _port("isolated", "ISOLATED"),
    _port("locked", "LOCKED"),
    Call("backup_port*", _backup, "DEVICE"),
    Constant("nobackup_port*", "IFLA_BRPORT_BACKUP_PORT", 0),
]


def _veth(words: Words) -> Record:
    """``peer`` and then the other end, in the words of any link."""
    from .ip_link_set import peer

    if words.take() != "peer":
        raise help_of("veth", FAILED)
    return {"VETH_INFO_PEER": peer(words)}


def _options(kind: str, rows: Sequence[Word], complaint: str) -> Callable[[Words], Record]:
    def otherwise(word: str, words: Words, record: Record) -> None:
        if matches(word, "help"):
            raise help_of(kind, FAILED)
        raise Refused(f'{kind}: unknown {complaint} "{word}"?\n{help_of(kind).text}', FAILED)

    return lambda words: read(rows, words, {}, otherwise)


def info(kind: str, words: Words, help: Callable[[], Refused]) -> Body:
    """IFLA_LINKINFO for a kind and the words of its options.  Raises `Refused`."""
    body: Body = {"IFLA_INFO_KIND": kind}
    if not words:
        return body
    known = KINDS.get(kind)
    if known is None:
        word = words.take()
        if matches(word, "help"):
            raise help()
        raise Refused(f'Garbage instead of arguments "{word} ...". Try "ip link help".', FAILED)
    slave = kind.endswith("_slave")
    table = (rtnl.PORT_KINDS if slave else rtnl.KINDS)[kind[: -len("_slave")] if slave else kind]
    data = _described(known[1](words), table)
    body["IFLA_INFO_SLAVE_DATA" if slave else "IFLA_INFO_DATA"] = table.pack(data, data)
    return body


def _described(record: Record, table: Any) -> Record:
    return record


def help_of(kind: str, status: int = 255) -> Refused:
    """The options of a kind."""
    if kind == "veth":
        return Refused("Usage: ip link ... type veth [ peer [ name ] NAME [ ... ] ]\nThe options of a peer are those of any link.", status)
    if kind not in KINDS:
        from .ip_link import help

        return help()
    return Refused("\n".join(usage(f"Usage: ... {kind}", KINDS[kind][0])), status)
