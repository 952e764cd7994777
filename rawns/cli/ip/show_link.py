"""The output of `ip link show` and `ip addr show`: plain, brief, detailed.  The formats are iproute2's, to the space."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop

from ... import uapi
from . import name_tables
from .grammar import AF_PACKET
from .name_tables import named
from .render import LINE_END, JsonObject, OutputField, OutputGroup, OutputRow, device_name, family_colour, fields, host, put, true

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Body, IpContext, Iterator, Row

# In the order `ip` names them.
FLAGS = (
    "LOOPBACK BROADCAST POINTOPOINT MULTICAST NOARP ALLMULTI PROMISC MASTER SLAVE DEBUG DYNAMIC AUTOMEDIA PORTSEL "
    "NOTRAILERS UP LOWER_UP DORMANT ECHO"
).split()
TUNNELS = {(768, 4): AF_INET, (776, 4): AF_INET, (778, 4): AF_INET, (769, 16): AF_INET6, (823, 16): AF_INET6}


def _nth(table: tuple[str, ...]) -> Any:
    """Return a read that names a number by a table; a number beyond its end is not shown."""
    return lambda value, record, ip: table[value] if value < len(table) else None


def _queue(value: int, record: Body, ip: IpContext) -> int | None:
    return (value - (value >> 31 << 32)) or None  # a C int


def _type(value: int, record: Body, ip: IpContext) -> str:
    return f"[{value}]" if ip.numeric else name_tables.LINK_TYPES.get(value, f"[{value}]")


def _lladdr(value: str, record: Body, ip: IpContext) -> str:
    """Format a link-layer address; those of tunnels are IP addresses."""
    raw = bytes.fromhex(value.replace(":", ""))
    family = TUNNELS.get((record["ifi_type"], len(raw)))
    return inet_ntop(family, raw) if family else value


def _permanent(value: str, record: Body, ip: IpContext) -> str | None:
    return _lladdr(value, record, ip) if value != record.get("IFLA_ADDRESS") else None


def _netns(value: int, record: Body, ip: IpContext) -> str:
    """Return the name of the namespace at the other end for text; its id if it has none."""
    name = ip.namespace_of(value) if value >= 0 else None
    return f"link-netns {name}" if name is not None else f"link-netnsid {value if value >= 0 else 'unknown'}"


def _hex(value: bytes, record: Body, ip: IpContext) -> str:
    return value.hex()


def _state_colour(value: int, record: Body) -> str | None:
    return {2: "down", 6: "up"}.get(value)


FIRST = (
    OutputRow("IFLA_MTU", "mtu", "mtu %d "),
    OutputRow("IFLA_QDISC", "qdisc", "qdisc %s "),
    OutputRow("IFLA_MASTER", "master", "master %s ", device_name),
    OutputRow("IFLA_OPERSTATE", "operstate", "state %s ", _nth(name_tables.OPERSTATES), None, _state_colour),
)
LINKMODE = (OutputRow("IFLA_LINKMODE", "linkmode", "mode %s ", _nth(name_tables.LINKMODES)),)
GROUP = (OutputRow("IFLA_GROUP", "group", "group %s ", named("group")), OutputRow("IFLA_TXQLEN", "txqlen", "qlen %d", _queue))
ADDRESS = (
    OutputRow("ifi_type", "link_type", "\n    link/%s ", _type),
    OutputRow("IFLA_ADDRESS", "address", "%s", _lladdr, None, "mac"),
)
BROADCAST = (OutputRow("IFLA_BROADCAST", "broadcast", " brd %s", _lladdr, None, "mac"),)
PEER = (OutputRow("IFLA_BROADCAST", "broadcast", " peer %s", _lladdr, None, "mac"),)
PERMANENT = (OutputRow("IFLA_PERM_ADDRESS", "permaddr", " permaddr %s", _permanent, None, "mac"),)
ELSEWHERE = (
    OutputRow("IFLA_LINK_NETNSID", "link_netnsid", " %s", None, _netns),
    OutputRow("IFLA_PROTO_DOWN", "proto_down", " protodown on ", true),
)
COUNTS = (
    OutputRow("IFLA_PROMISCUITY", "promiscuity", " promiscuity %d "),
    OutputRow("IFLA_ALLMULTI", "allmulti", " allmulti %d "),
    OutputRow("IFLA_MIN_MTU", "min_mtu", "minmtu %d "),
    OutputRow("IFLA_MAX_MTU", "max_mtu", "maxmtu %d "),
)
ADDRGENMODE = (OutputRow("IFLA_INET6_ADDR_GEN_MODE", "inet6_addr_gen_mode", "addrgenmode %s ", _nth(name_tables.ADDRGENMODES)),)
QUEUES = (
    OutputRow("IFLA_NUM_TX_QUEUES", "num_tx_queues", "numtxqueues %d "),
    OutputRow("IFLA_NUM_RX_QUEUES", "num_rx_queues", "numrxqueues %d "),
    OutputRow("IFLA_GSO_MAX_SIZE", "gso_max_size", "gso_max_size %d "),
    OutputRow("IFLA_GSO_MAX_SEGS", "gso_max_segs", "gso_max_segs %d "),
    OutputRow("IFLA_TSO_MAX_SIZE", "tso_max_size", "tso_max_size %d "),
    OutputRow("IFLA_TSO_MAX_SEGS", "tso_max_segs", "tso_max_segs %d "),
    OutputRow("IFLA_GRO_MAX_SIZE", "gro_max_size", "gro_max_size %d "),
    OutputRow("IFLA_PHYS_PORT_NAME", "phys_port_name", "portname %s "),
    OutputRow("IFLA_PHYS_PORT_ID", "phys_port_id", "portid %s ", _hex),
    OutputRow("IFLA_PHYS_SWITCH_ID", "phys_switch_id", "switchid %s ", _hex),
    OutputRow("IFLA_PARENT_DEV_BUS_NAME", "parentbus", "parentbus %s "),
    OutputRow("IFLA_PARENT_DEV_NAME", "parentdev", "parentdev %s "),
)
ALIAS = (OutputRow("IFLA_IFALIAS", "ifalias", "\n    alias %s"),)
STATE = (OutputRow("IFLA_OPERSTATE", "operstate", "%-14s ", _nth(name_tables.OPERSTATES), None, _state_colour),)
MAC = (OutputRow("IFLA_ADDRESS", "address", "%s ", _lladdr, None, "mac"),)


def name_and_lower(record: Body, ip: IpContext, form: str) -> Iterator[OutputField]:
    """Format ``name@lower``: in JSON the lower link comes first, by name, or by index where it is in another namespace."""
    name, lower = record.get("IFLA_IFNAME", "<nil>"), record.get("IFLA_LINK")
    shown = name
    if lower == 0:
        shown = f"{name}@NONE"
        yield OutputField("link", None)
    elif lower is not None and "IFLA_LINK_NETNSID" in record:
        shown = f"{name}@if{lower}"
        yield OutputField("link_index", lower)
    elif lower is not None:
        shown = f"{name}@{ip.name_of(lower)}"
        yield OutputField("link", ip.name_of(lower))
    yield OutputField("ifname", name, put(form, shown, ip, "ifname"))


def flag_names(record: Body, ip: IpContext) -> OutputField:
    """Return the names of a link's flags, in angle brackets for text."""
    flags = record["ifi_flags"]
    words = ["NO-CARRIER"] if flags & uapi.IFF_UP and not flags & uapi.IFF_RUNNING else []
    left = flags & ~uapi.IFF_RUNNING
    for name in FLAGS:
        bit = getattr(uapi, f"IFF_{name}")
        if flags & bit:
            words.append(name)
            left &= ~bit
    if left:
        words.append(f"{left:x}")
    if _lower_is_down(record, ip):
        words.append("M-DOWN")
    return OutputField("flags", words, f"<{','.join(words)}> ")


def _lower_is_down(record: Body, ip: IpContext) -> bool:
    lower = record.get("IFLA_LINK")
    if not lower or "IFLA_LINK_NETNSID" in record:
        return False
    below = ip.link(lower)
    return below is not None and not below["ifi_flags"] & uapi.IFF_UP


def _addresses(record: Body, ip: IpContext) -> Iterator[OutputField]:
    yield from fields(ADDRESS, record, ip)
    if "IFLA_BROADCAST" in record and record["ifi_flags"] & uapi.IFF_POINTOPOINT:
        yield OutputField("link_pointtopoint", True)
        yield from fields(PEER, record, ip)
    else:
        yield from fields(BROADCAST, record, ip)
    yield from fields(PERMANENT, record, ip)


def _details(record: Body, ip: IpContext, whole: bool) -> Iterator[OutputField]:
    yield from fields(COUNTS, record, ip)
    if "IFLA_LINKINFO" in record:
        from .kinds import shown

        info = list(shown(record["IFLA_LINKINFO"], ip))
        yield OutputField("linkinfo", JsonObject(info), "".join([field.text for field in _flat(info)]))
    if whole:
        yield from fields(ADDRGENMODE, record.get("IFLA_AF_SPEC", {}).get("AF_INET6", {}), ip)
    yield from fields(QUEUES, record, ip)


def _flat(shown: list[OutputField]) -> Iterator[OutputField]:
    """Yield fields and those nested in them: text has no nesting."""
    for field in shown:
        yield field
        if isinstance(field.value, JsonObject):
            yield from _flat(field.value)


def _other_names(record: Body, ip: IpContext) -> Iterator[OutputField]:
    others = record.get("IFLA_PROP_LIST", {}).get("IFLA_ALT_IFNAME", [])
    if others:
        yield OutputField("altnames", others, "".join([put("\n    altname %s", name, ip) for name in others]))


def link(record: Body, ip: IpContext, whole: bool) -> Iterator[OutputField]:
    """Yield a link as `ip link show` prints it (``whole``), or as the head of its addresses."""
    yield OutputField("ifindex", record["ifi_index"], f"{record['ifi_index']}: ")
    yield from name_and_lower(record, ip, "%s: ")
    yield flag_names(record, ip)
    yield from fields(FIRST, record, ip)
    if whole:
        yield from fields(LINKMODE, record, ip)
    yield from fields(GROUP, record, ip)
    if "IFLA_TXQLEN" not in record:  # an IPv6 list has no word of it
        yield from fields(GROUP[1:], ip.asked(record["ifi_index"]), ip)
    if ip.everything:
        yield from _addresses(record, ip)
    yield from fields(ELSEWHERE, record, ip)
    if ip.details:
        yield from _details(record, ip, whole)
    if whole or ip.details:
        yield from fields(ALIAS, record, ip)
    if whole and ip.stats:
        from .show_stats import statistics

        yield OutputField("", None, put("\n", None, ip))
        yield from statistics(record, ip)
    yield from _other_names(record, ip)
    yield OutputField("", None, "\n")


def brief(record: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield a link in one line of columns; for `ip link`, with its address and flags."""
    yield from name_and_lower(record, ip, "%-16s ")
    yield from fields(STATE, record, ip)
    if ip.family == AF_PACKET:
        yield from fields(MAC, record, ip)
        yield flag_names(record, ip)
        yield OutputField("", None, "\n")


# IFLA_EVENT_*
EVENTS = ("NONE", "REBOOT", "FEATURE CHANGE", "BONDING FAILOVER", "NOTIFY PEERS", "RESEND IGMP", "BONDING OPTION")


def event(record: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the fields of a link in a report that it has changed, as `ip monitor` shows it."""
    if ip.brief:
        yield from brief(record, ip)
        return
    yield OutputField("ifindex", record["ifi_index"], f"{record['ifi_index']}: ")
    yield from name_and_lower(record, ip, "%s: ")
    yield flag_names(record, ip)
    yield from fields(FIRST, record, ip)
    yield from fields(GROUP[:1], record, ip)
    number = record.get("IFLA_EVENT", 0)
    if number:
        name = EVENTS[number] if number < len(EVENTS) else str(number)
        yield OutputField("event", name, f"event {name} ")
    yield from _addresses(record, ip)
    yield from fields(ELSEWHERE, record, ip)
    if ip.details:
        yield from _details(record, ip, False)
        yield from fields(ALIAS, record, ip)
    yield from _other_names(record, ip)
    yield OutputField("", None, "\n")


FOREVER = 0xFFFFFFFF
FAMILIES = {2: "inet", 10: "inet6", 12: "dnet"}


def local_address(record: Body) -> str:
    """Return the address itself; without a peer the kernel may send it under either name."""
    value: str = record["IFA_LOCAL"] if "IFA_LOCAL" in record else record.get("IFA_ADDRESS", "")
    return value


def address_flags(record: Body) -> int:
    """Return all address_flags; the header has only eight of them."""
    value: int = record["IFA_FLAGS"] if "IFA_FLAGS" in record else record["ifa_flags"]
    return value


# -- reads of address_rows ------------------------------------------------------------------------------------------------


def _family_name(value: int, record: Body, ip: IpContext) -> str:
    return FAMILIES.get(value, f"family {value}")


def _local_name(record: Body, _: Body, ip: IpContext) -> str:
    address = local_address(record)
    return ip.host(address) if ip.resolve else address


def _peer(value: str, record: Body, ip: IpContext) -> str | None:
    return None if value == record.get("IFA_LOCAL", value) else ip.host(value)


def _address_colour(value: Any, record: Body) -> str | None:
    return family_colour(record["ifa_family"])


def _address_flags(value: int, record: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the address_flags that are set; of those that the header has, IFA_FLAGS has them as well."""
    left = address_flags(record)
    for name, bit in name_tables.ADDRESS_FLAGS.items():
        if name == "permanent":
            if not left & bit:
                yield OutputField("dynamic", True, "dynamic ")
        elif left & bit:
            shown = "temporary" if bit == uapi.IFA_F_SECONDARY and record["ifa_family"] == AF_INET6 else name
            yield OutputField(shown, True, f"{shown} ")
        left &= ~bit
    if left:
        yield OutputField("ifa_flags", f"{left:02x}", f"flags {left:02x} ")


def _life_times(record: Body) -> tuple[int, int]:
    """Return the seconds for which an address is valid, and preferred."""
    times = record["IFA_CACHEINFO"]
    preferred = times["ifa_prefered"]
    if preferred >> 31 and preferred != FOREVER and address_flags(record) & uapi.IFA_F_DEPRECATED:
        preferred -= 1 << 32
    return times["ifa_valid"], preferred


def _life_time_fields(value: Body, record: Body, ip: IpContext) -> Iterator[OutputField]:
    valid, preferred = ((seconds, "forever" if seconds == FOREVER else f"{seconds}sec") for seconds in _life_times(record))
    yield OutputField("valid_life_time", valid[0], put("\n       valid_lft %s", valid[1], ip))
    yield OutputField("preferred_life_time", preferred[0], put(" preferred_lft %s", preferred[1], ip))


BRIEF_ADDRESS: tuple[Row, ...] = (
    OutputRow("", "local", "%s", _local_name, colour=_address_colour),
    OutputRow("IFA_ADDRESS", "address", " peer %s", _peer, colour=_address_colour),
    OutputRow("ifa_prefixlen", "prefixlen", "/%d ", cached=True),
    OutputRow("IFA_RT_PRIORITY", "metric", "metric %d "),
)
ADDRESS_ROWS: tuple[Row, ...] = (
    OutputRow("ifa_family", "family", "    %s ", _family_name, cached=True),
    *BRIEF_ADDRESS,
    OutputRow("IFA_BROADCAST", "broadcast", "brd %s ", host, colour=_address_colour),
    OutputRow("IFA_ANYCAST", "anycast", "any %s ", host, colour=_address_colour),
    OutputRow("ifa_scope", "scope", "scope %s ", named("rt_scopes"), cached=True),
    OutputGroup("ifa_flags", _address_flags, cached=("IFA_FLAGS", "ifa_flags", "ifa_family")),
    OutputRow("IFA_LABEL", "label", "%s", cached=True),
    OutputGroup("IFA_CACHEINFO", _life_time_fields, cached=_life_times),
    LINE_END,
)
ADDRESS_DEVICE: tuple[Row, ...] = (
    OutputRow("ifa_index", "index", "%d: ", cached=True),
    OutputRow("ifa_index", "dev", "%s", device_name, cached=True),
)


def address_rows(ip: IpContext, named: bool = False) -> tuple[Row, ...]:
    """Return the address_rows of an address as `ip addr show` prints it below its link; in brief, as a word of the link's line.

    ``named`` puts the link in front, as ``-oneline`` does.
    """
    if ip.brief:
        return BRIEF_ADDRESS
    return (*ADDRESS_DEVICE, *ADDRESS_ROWS) if ip.oneline or named else ADDRESS_ROWS


def address(record: Body, ip: IpContext, named: bool = False) -> Iterator[OutputField]:
    """Yield the fields of one address: see `address_rows`."""
    return fields(address_rows(ip, named), record, ip)
