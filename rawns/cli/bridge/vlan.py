"""`bridge vlan`: the VLANs of bridges and ports, their options, statistics and tunnels (bridge(8), <linux/if_bridge.h>)."""

from __future__ import annotations

from ... import rtnl, uapi
from ...nlmsg import Request
from ..ip.arguments import U8, U32, unsigned64
from ..ip.context import ObjectVerbs, complain, help_of
from ..ip.grammar import FAILED, CommandError, matches, wrong
from ..ip.keywords import CustomKeyword, ValueKeyword, read
from ..ip.render import JsonObject, OutputField, OutputRow, fields, put
from .mdb import router_details
from .words import FAMILY, MOST_VLANS, NAME, REQUIRED, STATE, flag, index_of, read_filter, short, skip, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..ip.hints import Any, Args, Body, Callable, IpContext, Iterable, Iterator, Record
    from .command import BridgeContext

WIDTH = 9  # of the column of VLANs
MOST_TUNNELS = 1 << 24
BEGIN, END = uapi.BRIDGE_VLAN_INFO_RANGE_BEGIN, uapi.BRIDGE_VLAN_INFO_RANGE_END
BLANK = NAME % ""
NO_DEVICE = 'Cannot find network device "%s"'

# -- words --------------------------------------------------------------------------------------------------------


def _invalid(start: int, end: int) -> CommandError:
    return CommandError(f'Invalid VLAN range "{start & 0xFFFF}-{end & 0xFFFF}"', FAILED)


def _vid(args: Args, record: Record) -> None:
    first, dash, last = args.take().partition("-")
    record["vid"] = short(first)
    if dash:
        record["end"], record["range"] = short(last), True


def _tunnel(args: Args, record: Record) -> None:
    word = args.take()
    if not matches(word, "id"):
        raise wrong(word, "tunnel id expected")
    first, dash, last = args.take().partition("-")
    for key, text in (("tunnel", first), ("tunnel end", last if dash else None)):
        if text is not None:
            try:
                record[key] = U32(text)
            except ValueError:
                record[key] = MOST_TUNNELS
            if record[key] >= MOST_TUNNELS:
                raise wrong(first, "invalid tun id")
    record["maps"] = True


WORDS = [
    ValueKeyword("dev", "dev", str),
    CustomKeyword("vid", _vid),
    flag("self", uapi.BRIDGE_FLAGS_SELF, "flags"),
    flag("master", uapi.BRIDGE_FLAGS_MASTER, "flags"),
    flag("pvid", uapi.BRIDGE_VLAN_INFO_PVID, "vlan flags"),
    flag("untagged", uapi.BRIDGE_VLAN_INFO_UNTAGGED, "vlan flags"),
    CustomKeyword("tunnel_info", _tunnel),
]


def _mapping(vid: int, tunnel: int, flags: int) -> Body:
    values = {"ID": tunnel, "VID": vid & 0xFFFF, "FLAGS": flags}
    return {f"IFLA_BRIDGE_VLAN_TUNNEL_{name}": value for name, value in values.items()}


def _attributes(record: Record) -> Body:
    """Return IFLA_AF_SPEC of the request that the words describe."""
    vid, end, flags = record["vid"], record.get("end", -1), record.get("vlan flags", 0)
    special: Body = {"IFLA_BRIDGE_FLAGS": record["flags"]} if "flags" in record else {}
    if "maps" in record:
        tunnel = record.get("tunnel", 0)
        several = end != -1 and end > vid
        maps = [_mapping(vid, tunnel, BEGIN), _mapping(end, record.get("tunnel end", 0), END)]
        special["IFLA_BRIDGE_VLAN_TUNNEL_INFO"] = maps if several else [_mapping(vid, tunnel, 0)]
    else:
        first = {"flags": flags | (BEGIN if "range" in record else 0), "vid": vid & 0xFFFF}
        last = [{"flags": flags | END, "vid": end & 0xFFFF}] if end != -1 else []
        special["IFLA_BRIDGE_VLAN_INFO"] = [first, *last]
    return special


def _modify(deletes: bool) -> Callable[[Args], int]:
    """Return a verb that adds or deletes VLANs."""

    def modify(args: Args) -> int:
        record = read(WORDS, args, {"vid": -1}, skip)
        vid, end = record["vid"], record.get("end", -1)
        if "dev" not in record or vid == -1:
            raise CommandError(REQUIRED, FAILED)
        index = index_of(args, record["dev"], 'Cannot find bridge device "%s"')
        if vid >= MOST_VLANS:
            raise CommandError(f'Invalid VLAN ID "{vid}"', FAILED)
        if "range" in record:
            if end == -1 or end >= MOST_VLANS or vid >= end:
                raise _invalid(vid, end)
            if record.get("vlan flags", 0) & uapi.BRIDGE_VLAN_INFO_PVID:
                raise CommandError("pvid cannot be configured for a vlan range", FAILED)
        body = {"ifi_family": FAMILY, "ifi_index": index, "IFLA_AF_SPEC": _attributes(record)}
        args.ip.do(Request(rtnl.DELLINK if deletes else rtnl.SETLINK, body))
        return 0

    return modify


# -- options of VLANs ---------------------------------------------------------------------------------------------


def _device(args: Args, record: Record) -> None:
    record["ifindex"] = index_of(args, args.take(), NO_DEVICE)


def _option_vid(vlan: str, range: str) -> Callable[[Args, Record], None]:
    """Return what reads a VLAN, or several, into these keys."""

    def act(args: Args, record: Record) -> None:
        first, dash, last = args.take().partition("-")
        vid, end = short(first), short(last) if dash else -1
        if dash and (vid >= end or end >= MOST_VLANS):
            raise _invalid(vid, end)
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


def _set(args: Args) -> int:
    """Change the options of VLANs of a port."""
    record = read(OPTION_WORDS, args, {}, skip)
    if "BRIDGE_VLANDB_ENTRY_INFO" in record:
        info = {"flags": uapi.BRIDGE_VLAN_INFO_ONLY_OPTS, "vid": record["BRIDGE_VLANDB_ENTRY_INFO"]}
        record["BRIDGE_VLANDB_ENTRY_INFO"] = info
    return _change(args, record, "BRIDGE_VLANDB_ENTRY")


def _global_set(args: Args) -> int:
    """Change the options of VLANs of a bridge."""

    def otherwise(word: str, args: Args, record: Record) -> None:
        if word == "help":
            args.take()

    return _change(args, read(GLOBAL_WORDS, args, {}, otherwise), "BRIDGE_VLANDB_GLOBAL_OPTIONS")


# -- output -------------------------------------------------------------------------------------------------------


def _line(ip: IpContext) -> OutputField:
    return OutputField("", None, put("\n", None, ip))


def _range(name: str, start: int, end: int) -> list[OutputField]:
    """Return the fields of a number, or of several in a row."""
    last = [OutputField(f"{name}End", end, f"-{end}")] if start != end else []
    return [OutputField(name, start, f"{start}"), *last]


def _flags(flags: int) -> list[OutputField]:
    if not flags:
        return []
    found = [(uapi.BRIDGE_VLAN_INFO_PVID, "PVID"), (uapi.BRIDGE_VLAN_INFO_UNTAGGED, "Egress Untagged")]
    names = [name for bit, name in found if flags & bit]
    return [OutputField("flags", names, "".join([f" {name}" for name in names]))]


def _port(index: int, key: str, vlans: Iterable[list[OutputField]], ip: IpContext) -> Iterator[OutputField]:
    """Yield the fields of a port: its name, and below it those of its VLANs; nothing if it has none."""
    shown: list[JsonObject] = []
    for one in vlans:
        if not shown:
            yield OutputField("ifname", ip.name_of(index), put(NAME, ip.name_of(index), ip, "ifname"))
        else:
            yield OutputField("", None, BLANK)
        for field in one:
            yield OutputField("", None, field.text)
        shown.append(JsonObject(one))
    if shown:
        yield OutputField(key, shown)


def _ranges(entries: Iterable[tuple[int, int, Any]], wanted: int) -> Iterator[tuple[int, int, Any, int, Any]]:
    """Yield the VLANs of a list: first, last, what is known of both, and the flags of the last."""
    start, at_start = 0, None
    for vid, flags, value in entries:
        if not flags & END:
            start, at_start = vid, value
        if wanted and vid > wanted and not flags & END:
            return
        if not flags & BEGIN and vid >= wanted:
            yield start, vid, at_start, flags, value


def _vlans(special: Body, wanted: int, ip: IpContext) -> Iterator[list[OutputField]]:
    infos = [(info["vid"], info["flags"], None) for info in special.get("IFLA_BRIDGE_VLAN_INFO", ())]
    for start, end, _, flags, _ in _ranges(infos, wanted):
        yield [*_range("vlan", start, end), *_flags(flags), _line(ip)]


def _tunnels(special: Body, wanted: int, ip: IpContext) -> Iterator[list[OutputField]]:
    key = "IFLA_BRIDGE_VLAN_TUNNEL"
    infos = [
        (info[f"{key}_VID"], info.get(f"{key}_FLAGS", 0), info.get(f"{key}_ID", 0))
        for info in special.get(f"{key}_INFO", ())
        if f"{key}_VID" in info
    ]
    for start, end, tunnel, _, last in _ranges(infos, wanted):
        vlans = _range("vlan", start, end)
        width = sum(len(field.text) for field in vlans)
        if width > WIDTH and not ip.json:
            complain(f"BUG: vlan range too wide, {width}")
        gap = " " * (WIDTH - width + 2) if width <= WIDTH else ""
        yield [*vlans, OutputField("", None, gap), *_range("tunid", tunnel or 0, last), _line(ip)]


def _counters(found: Body, prefix: str = "") -> Iterator[OutputField]:
    for way in ("rx", "tx"):
        count, packets = (found.get(f"{prefix}{name}", 0) for name in _keys(way, prefix))
        yield OutputField(f"{way}_bytes", count, f"{BLANK}  {way.upper()}: {count} bytes")
        yield OutputField(f"{way}_packets", packets, f" {packets} packets\n")


def _keys(way: str, prefix: str) -> tuple[str, str]:
    names = f"{way}_bytes", f"{way}_packets"
    return (names[0].upper(), names[1].upper()) if prefix else names


def _statistics(found: Body, wanted: int, ip: IpContext) -> Iterator[list[OutputField]]:
    for one in found.get("LINK_XSTATS_TYPE_BRIDGE", {}).get("BRIDGE_XSTATS_VLAN", ()):
        both = uapi.BRIDGE_VLAN_INFO_MASTER | uapi.BRIDGE_VLAN_INFO_BRENTRY
        of_ports = one["flags"] & both == uapi.BRIDGE_VLAN_INFO_MASTER  # a bridge's sum of its ports
        if wanted in (0, one["vid"]) and not of_ports:
            yield [OutputField("vid", one["vid"], f"{one['vid']}"), *_flags(one["flags"]), _line(ip), *_counters(one)]


STATISTICS = ("IFLA_STATS_LINK_XSTATS", "IFLA_STATS_LINK_XSTATS_SLAVE")  # of bridges, of ports
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
    found = [*_range("vlan", first, last), *_flags(info["flags"]), _line(ip), OutputField("", None, f"{BLANK}  "), *shown]
    found.append(_line(ip))
    if ip.stats:
        found += _counters(entry.get("BRIDGE_VLANDB_ENTRY_STATS", {}), "BRIDGE_VLANDB_STATS_")
    return found


def _router_ports(ports: list[Body], ip: IpContext) -> OutputField:
    pieces, shown = [f"{BLANK}  router ports: "], []
    for number, one in enumerate(ports):
        details = list(router_details(one)) if ip.stats else []
        name = ip.name_of(one["ifindex"])
        if ip.stats and number:
            pieces.append(put("\n", None, ip) + f"{BLANK}  {'':14}")
        pieces += [put("%s ", name, ip), *[field.text for field in details]]
        shown.append(JsonObject([OutputField("port", name), *details]))
    return OutputField("router_ports", shown, "".join([*pieces, put("\n", None, ip)]))


def _global_options(entry: Body, wanted: int, ip: IpContext) -> list[OutputField]:
    """Return the fields of a VLAN of a bridge with its options; none if another one is wanted."""
    first: int = entry.get("BRIDGE_VLANDB_GOPTS_ID", 0)
    last: int = entry.get("BRIDGE_VLANDB_GOPTS_RANGE", first)
    if wanted and not first <= wanted <= last:
        return []
    found = [*_range("vlan", first, last), _line(ip), OutputField("", None, f"{BLANK}  "), *fields(GLOBAL_ROWS, entry, ip)]
    found.append(_line(ip))
    if "BRIDGE_VLANDB_GOPTS_MCAST_ROUTER_PORTS" in entry:
        routers = entry["BRIDGE_VLANDB_GOPTS_MCAST_ROUTER_PORTS"].get("MDBA_ROUTER", {})
        found.append(_router_ports(routers.get("MDBA_ROUTER_PORT", []), ip))
    return found


def _all_options(body: Body, wanted: int, ip: IpContext, only_global: bool = False) -> Iterator[list[OutputField]]:
    """Yield the fields of each VLAN in a message."""
    for key, show in (("BRIDGE_VLANDB_ENTRY", _options), ("BRIDGE_VLANDB_GLOBAL_OPTIONS", _global_options)):
        if not only_global or show is _global_options:
            yield from filter(None, (show(entry, wanted, ip) for entry in body.get(key, ())))


def event(body: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the fields of a message in a monitor."""
    yield from _port(body["ifindex"], "vlans", _all_options(body, 0, ip), ip)


# -- the verbs ----------------------------------------------------------------------------------------------------


def _print(ip: IpContext, head: str, ports: Iterator[Iterator[OutputField]]) -> None:
    if not ip.json:
        ip.write([head])
    ip.print_all(filter(None, map(list, ports)))


HEAD = f"{NAME % 'port'}{'vlan-id':{WIDTH}}"


def _detailed(args: Args, wanted: Record, flags: int, only_global: bool = False) -> int:
    """Print the VLANs with their options; messages about one port that follow each other are one list."""
    ip = args.ip
    request = Request(rtnl.GETVLAN, {"family": FAMILY, "BRIDGE_VLANDB_DUMP_FLAGS": flags}, uapi.NLM_F_DUMP)

    def ports() -> Iterator[Iterator[OutputField]]:
        before = 0
        vlans: list[list[OutputField]] = []
        for reply in ip.stream(request):
            index = reply.body["ifindex"]
            if wanted["index"] not in (0, index):
                continue
            if index != before and vlans:
                yield _port(before, "vlans", vlans, ip)
                vlans = []
            before = index
            vlans += _all_options(reply.body, wanted["vlan"], ip, only_global)
        yield _port(before, "vlans", vlans, ip)

    _print(ip, f"{HEAD}\n", ports())
    return 0


def _counted(args: Args, wanted: Record) -> int:
    """Print the statistics of VLANs: those of bridges, then those of ports."""
    ip = args.ip

    def ports() -> Iterator[Iterator[OutputField]]:
        for key in STATISTICS:
            mask = 1 << getattr(uapi, key) - 1
            for reply in ip.stream(Request(rtnl.GETSTATS, {"filter_mask": mask}, uapi.NLM_F_DUMP)):
                index = reply.body["ifindex"]
                if wanted["index"] in (0, index):
                    for found in filter(None, map(reply.body.get, STATISTICS)):
                        yield _port(index, "vlans", _statistics(found, wanted["vlan"], ip), ip)

    _print(ip, f"{NAME % 'port'}vlan-id\n", ports())
    return 0


def _listed(args: Args, wanted: Record, tunnels: bool) -> int:
    ip: BridgeContext = args.ip  # type: ignore[assignment]
    mask = uapi.RTEXT_FILTER_BRVLAN_COMPRESSED if ip.compressed else uapi.RTEXT_FILTER_BRVLAN
    request = Request(rtnl.GETLINK, {"ifi_family": FAMILY, "IFLA_EXT_MASK": mask}, uapi.NLM_F_DUMP)
    key, show = ("tunnels", _tunnels) if tunnels else ("vlans", _vlans)

    def ports() -> Iterator[Iterator[OutputField]]:
        for reply in ip.stream(request):
            body = reply.body
            special = body.get("IFLA_AF_SPEC")
            if body["ifi_family"] == FAMILY and wanted["index"] in (0, body["ifi_index"]) and isinstance(special, dict):
                yield _port(body["ifi_index"], key, show(special, wanted["vlan"], ip), ip)

    _print(ip, f"{HEAD}{'  tunnel-id' if tunnels else ''}\n", ports())
    return 0


def _show(args: Args) -> int:
    """Print VLANs: with -details with their options, with -statistics their counters."""
    wanted = read_filter(args)
    if args.ip.details:
        return _detailed(args, wanted, uapi.BRIDGE_VLANDB_DUMPF_STATS if args.ip.stats else 0)
    return _counted(args, wanted) if args.ip.stats else _listed(args, wanted, False)


def _tunnel_show(args: Args) -> int:
    """Print the tunnels to which VLANs are mapped."""
    wanted = read_filter(args)
    return _counted(args, wanted) if args.ip.stats else _listed(args, wanted, True)


def _global(args: Args) -> int:
    """Run the verb of ``vlan global``."""
    word = args.take() if args else "show"
    if word == "set":
        return _global_set(args)
    if word not in ("show", "lst", "list"):
        raise help_of("vlan", "bridge")
    return _detailed(args, read_filter(args), uapi.BRIDGE_VLANDB_DUMPF_GLOBAL, only_global=True)


run = ObjectVerbs(
    "vlan",
    ("add", _modify(False)),
    ("delete", _modify(True)),
    ("show|lst|list", _show),
    ("tunnelshow", _tunnel_show),
    ("set", _set),
    ("=global", _global),
    program="bridge",
)
