"""The options of single VLANs: ``bridge vlan set``, ``bridge vlan global``, and what all lists of VLANs show."""

from __future__ import annotations

from ... import rtnl, uapi
from ...nlmsg import Request
from ..ip.arguments import U8, U32, unsigned64
from ..ip.grammar import FAILED, CommandError
from ..ip.keywords import CustomKeyword, ValueKeyword, read
from ..ip.render import OutputField, OutputRow, fields, put
from .mdb import router_port
from .words import FAMILY, MOST_VLANS, NAME, REQUIRED, STATE, index_of, on_help, short, state, under_port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..ip.hints import Args, Body, Callable, IpContext, Iterator, Record

BLANK = NAME % ""


def invalid_range(start: int, end: int) -> CommandError:
    """Return the error for a range of VLANs that there cannot be."""
    return CommandError(f'Invalid VLAN range "{start & 0xFFFF}-{end & 0xFFFF}"', FAILED)


# -- words --------------------------------------------------------------------------------------------------------


def _device(args: Args, record: Record) -> None:
    record["ifindex"] = index_of(args, args.take(), 'Cannot find network device "%s"')


def _option_vid(vlan: str, range: str) -> Callable[[Args, Record], None]:
    """Return what reads a VLAN, or several, into these keys."""

    def act(args: Args, record: Record) -> None:
        first, dash, last = args.take().partition("-")
        vid, end = short(first), short(last) if dash else -1
        if dash and (vid >= end or end >= MOST_VLANS):
            raise invalid_range(vid, end)
        if vid >= MOST_VLANS:
            raise CommandError(f'Invalid VLAN ID "{vid & 0xFFFF}"', FAILED)
        record["vid"] = vid
        record[vlan] = vid & 0xFFFF
        if end != -1:
            record[range] = end & 0xFFFF

    return act


def _state(args: Args, record: Record) -> None:
    value = state(args.take(), "Error: invalid STP state")
    if value == -1:
        raise CommandError("Error: invalid STP state", FAILED)
    record["BRIDGE_VLANDB_ENTRY_STATE"] = value & 0xFF


OPTION_WORDS = [
    CustomKeyword("dev", _device),
    CustomKeyword("vid", _option_vid("BRIDGE_VLANDB_ENTRY_INFO", "BRIDGE_VLANDB_ENTRY_RANGE")),
    CustomKeyword("state", _state),
    ValueKeyword("mcast_router", "BRIDGE_VLANDB_ENTRY_MCAST_ROUTER", U8, "invalid mcast_router"),
]
# One row for each option of a VLAN of a bridge: its word, its attribute, and what reads it; in the order of the output.
GLOBAL_OPTIONS: tuple[tuple[str, str, Callable[[str], int]], ...] = (
    ("mcast_snooping", "MCAST_SNOOPING", U8),
    ("mcast_querier", "MCAST_QUERIER", U8),
    ("mcast_igmp_version", "MCAST_IGMP_VERSION", U8),
    ("mcast_mld_version", "MCAST_MLD_VERSION", U8),
    ("mcast_last_member_count", "MCAST_LAST_MEMBER_CNT", U32),
    ("mcast_last_member_interval", "MCAST_LAST_MEMBER_INTVL", unsigned64),
    ("mcast_startup_query_count", "MCAST_STARTUP_QUERY_CNT", U32),
    ("mcast_startup_query_interval", "MCAST_STARTUP_QUERY_INTVL", unsigned64),
    ("mcast_membership_interval", "MCAST_MEMBERSHIP_INTVL", unsigned64),
    ("mcast_querier_interval", "MCAST_QUERIER_INTVL", unsigned64),
    ("mcast_query_interval", "MCAST_QUERY_INTVL", unsigned64),
    ("mcast_query_response_interval", "MCAST_QUERY_RESPONSE_INTVL", unsigned64),
)
GLOBAL_WORDS = [
    CustomKeyword("dev", _device),
    CustomKeyword("vid", _option_vid("BRIDGE_VLANDB_GOPTS_ID", "BRIDGE_VLANDB_GOPTS_RANGE")),
    *[ValueKeyword(word, f"BRIDGE_VLANDB_GOPTS_{name}", parse, f"invalid {word}") for word, name, parse in GLOBAL_OPTIONS],
]


def _change(args: Args, record: Record, attribute: str) -> int:
    """Send the options of a VLAN."""
    index, vid = record.pop("ifindex", None), record.pop("vid", -1)
    if index is None or vid == -1:
        raise CommandError(REQUIRED, FAILED)
    args.ip.do(Request(rtnl.NEWVLAN, {"family": FAMILY, "ifindex": index, attribute: [record]}))
    return 0


def set_options(args: Args) -> int:
    """Change the options of VLANs of a port."""
    record = read(OPTION_WORDS, args, {}, on_help())
    if "BRIDGE_VLANDB_ENTRY_INFO" in record:
        info = {"flags": uapi.BRIDGE_VLAN_INFO_ONLY_OPTS, "vid": record["BRIDGE_VLANDB_ENTRY_INFO"]}
        record["BRIDGE_VLANDB_ENTRY_INFO"] = info
    return _change(args, record, "BRIDGE_VLANDB_ENTRY")


def set_global(args: Args) -> int:
    """Change the options of VLANs of a bridge."""
    return _change(args, read(GLOBAL_WORDS, args, {}, on_help(whole=True)), "BRIDGE_VLANDB_GLOBAL_OPTIONS")


# -- output -------------------------------------------------------------------------------------------------------


def line_end(ip: IpContext) -> OutputField:
    """Return the end of a line."""
    return OutputField("", None, put("\n", None, ip))


def number_fields(name: str, start: int, end: int) -> list[OutputField]:
    """Return the fields of a number, or of several in a row."""
    last = [OutputField(f"{name}End", end, f"-{end}")] if start != end else []
    return [OutputField(name, start, f"{start}"), *last]


def flag_fields(flags: int) -> list[OutputField]:
    """Return the flags of a VLAN; nothing if there are none."""
    if not flags:
        return []
    found = [(uapi.BRIDGE_VLAN_INFO_PVID, "PVID"), (uapi.BRIDGE_VLAN_INFO_UNTAGGED, "Egress Untagged")]
    names = [name for bit, name in found if flags & bit]
    return [OutputField("flags", names, "".join([f" {name}" for name in names]))]


def counters(found: Body, prefix: str = "") -> Iterator[OutputField]:
    """Yield counters; with a ``prefix`` their names are those of attributes."""
    for way in ("rx", "tx"):
        names = f"{way}_bytes", f"{way}_packets"
        count, packets = (found.get(prefix + name.upper() if prefix else name, 0) for name in names)
        yield OutputField(f"{way}_bytes", count, f"{BLANK}  {way.upper()}: {count} bytes")
        yield OutputField(f"{way}_packets", packets, f" {packets} packets\n")


OPTIONS = (
    OutputRow("BRIDGE_VLANDB_ENTRY_STATE", *STATE),
    OutputRow("BRIDGE_VLANDB_ENTRY_MCAST_ROUTER", "mcast_router", "mcast_router %u "),
)
GLOBAL_ROWS = tuple(OutputRow(f"BRIDGE_VLANDB_GOPTS_{name}", word, f"{word} %u ") for word, name, _ in GLOBAL_OPTIONS)


def _options(entry: Body, wanted: int, ip: IpContext) -> list[OutputField]:
    """Return the fields of a VLAN of a port with its options; none if another one is wanted."""
    info = entry.get("BRIDGE_VLANDB_ENTRY_INFO", {"vid": 0, "flags": 0})
    first, last = info["vid"], entry.get("BRIDGE_VLANDB_ENTRY_RANGE", info["vid"])
    if wanted and not first <= wanted <= last:
        return []
    shown = fields(OPTIONS, {"BRIDGE_VLANDB_ENTRY_STATE": 0, **entry}, ip)
    found = [
        *number_fields("vlan", first, last),
        *flag_fields(info["flags"]),
        line_end(ip),
        OutputField("", None, f"{BLANK}  "),
        *shown,
    ]
    found.append(line_end(ip))
    if ip.stats:
        found += counters(entry.get("BRIDGE_VLANDB_ENTRY_STATS", {}), "BRIDGE_VLANDB_STATS_")
    return found


def _router_ports(ports: list[Body], ip: IpContext) -> OutputField:
    shown = [router_port(one, "%s ", ip) for one in ports]
    between = put("\n", None, ip) + f"{BLANK}  {'':14}" if ip.stats else ""
    text = between.join(["".join([field.text for field in one]) for one in shown])
    return OutputField("router_ports", shown, f"{BLANK}  router ports: {text}{line_end(ip).text}")


def _global_options(entry: Body, wanted: int, ip: IpContext) -> list[OutputField]:
    """Return the fields of a VLAN of a bridge with its options; none if another one is wanted."""
    first: int = entry.get("BRIDGE_VLANDB_GOPTS_ID", 0)
    last: int = entry.get("BRIDGE_VLANDB_GOPTS_RANGE", first)
    if wanted and not first <= wanted <= last:
        return []
    found = [
        *number_fields("vlan", first, last),
        line_end(ip),
        OutputField("", None, f"{BLANK}  "),
        *fields(GLOBAL_ROWS, entry, ip),
    ]
    found.append(line_end(ip))
    if "BRIDGE_VLANDB_GOPTS_MCAST_ROUTER_PORTS" in entry:
        routers = entry["BRIDGE_VLANDB_GOPTS_MCAST_ROUTER_PORTS"].get("MDBA_ROUTER", {})
        found.append(_router_ports(routers.get("MDBA_ROUTER_PORT", []), ip))
    return found


def options(body: Body, wanted: int, ip: IpContext, only_global: bool = False) -> Iterator[list[OutputField]]:
    """Yield the fields of each VLAN in a message."""
    for key, show in (("BRIDGE_VLANDB_ENTRY", _options), ("BRIDGE_VLANDB_GLOBAL_OPTIONS", _global_options)):
        if not only_global or show is _global_options:
            yield from filter(None, (show(entry, wanted, ip) for entry in body.get(key, ())))


def event(body: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the fields of a message in a monitor."""
    yield from under_port(body["ifindex"], "vlans", options(body, 0, ip), ip)
