"""`bridge vlan`: the VLANs of bridges and ports, their options, statistics and tunnels (bridge(8), <linux/if_bridge.h>)."""

from __future__ import annotations

from ... import rtnl, uapi
from ...nlmsg import Request
from ..ip.arguments import U32
from ..ip.context import ObjectVerbs, complain, help_of
from ..ip.grammar import FAILED, CommandError, matches, wrong
from ..ip.keywords import CustomKeyword, ValueKeyword, read
from ..ip.render import OutputField
from .vlan_options import counters, flag_fields, invalid_range, line_end, number_fields, options, set_global, set_options
from .words import FAMILY, MOST_VLANS, NAME, REQUIRED, flag, index_of, on_help, read_filter, short, under_port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..ip.hints import Any, Args, Body, IpContext, Iterable, Iterator, Message, Record
    from .command import BridgeContext

WIDTH = 9  # of the column of VLANs
MOST_TUNNELS = 1 << 24
BEGIN, END = uapi.BRIDGE_VLAN_INFO_RANGE_BEGIN, uapi.BRIDGE_VLAN_INFO_RANGE_END

# -- words --------------------------------------------------------------------------------------------------------


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


def _modify(args: Args, message: Message) -> int:
    """Add or delete VLANs."""
    record = read(WORDS, args, {"vid": -1}, on_help())
    vid, end = record["vid"], record.get("end", -1)
    if "dev" not in record or vid == -1:
        raise CommandError(REQUIRED, FAILED)
    index = index_of(args, record["dev"], 'Cannot find bridge device "%s"')
    if vid >= MOST_VLANS:
        raise CommandError(f'Invalid VLAN ID "{vid}"', FAILED)
    if "range" in record:
        if end == -1 or end >= MOST_VLANS or vid >= end:
            raise invalid_range(vid, end)
        if record.get("vlan flags", 0) & uapi.BRIDGE_VLAN_INFO_PVID:
            raise CommandError("pvid cannot be configured for a vlan range", FAILED)
    body = {"ifi_family": FAMILY, "ifi_index": index, "IFLA_AF_SPEC": _attributes(record)}
    args.ip.do(Request(message, body))
    return 0


# -- output -------------------------------------------------------------------------------------------------------


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
        yield [*number_fields("vlan", start, end), *flag_fields(flags), line_end(ip)]


def _tunnels(special: Body, wanted: int, ip: IpContext) -> Iterator[list[OutputField]]:
    key = "IFLA_BRIDGE_VLAN_TUNNEL"
    infos = [
        (info[f"{key}_VID"], info.get(f"{key}_FLAGS", 0), info.get(f"{key}_ID", 0))
        for info in special.get(f"{key}_INFO", ())
        if f"{key}_VID" in info
    ]
    for start, end, tunnel, _, last in _ranges(infos, wanted):
        vlans = number_fields("vlan", start, end)
        width = sum(len(field.text) for field in vlans)
        if width > WIDTH and not ip.json:
            complain(f"BUG: vlan range too wide, {width}")
        gap = " " * (WIDTH - width + 2) if width <= WIDTH else ""
        yield [*vlans, OutputField("", None, gap), *number_fields("tunid", tunnel or 0, last), line_end(ip)]


def _statistics(found: Body, wanted: int, ip: IpContext) -> Iterator[list[OutputField]]:
    for one in found.get("LINK_XSTATS_TYPE_BRIDGE", {}).get("BRIDGE_XSTATS_VLAN", ()):
        both = uapi.BRIDGE_VLAN_INFO_MASTER | uapi.BRIDGE_VLAN_INFO_BRENTRY
        of_ports = one["flags"] & both == uapi.BRIDGE_VLAN_INFO_MASTER  # a bridge's sum of its ports
        if wanted in (0, one["vid"]) and not of_ports:
            yield [OutputField("vid", one["vid"], f"{one['vid']}"), *flag_fields(one["flags"]), line_end(ip), *counters(one)]


STATISTICS = ("IFLA_STATS_LINK_XSTATS", "IFLA_STATS_LINK_XSTATS_SLAVE")  # of bridges, of ports
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
                yield under_port(before, "vlans", vlans, ip)
                vlans = []
            before = index
            vlans += options(reply.body, wanted["vlan"], ip, only_global)
        yield under_port(before, "vlans", vlans, ip)

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
                        yield under_port(index, "vlans", _statistics(found, wanted["vlan"], ip), ip)

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
                yield under_port(body["ifi_index"], key, show(special, wanted["vlan"], ip), ip)

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
        return set_global(args)
    if word not in ("show", "lst", "list"):
        raise help_of("vlan", "bridge")
    return _detailed(args, read_filter(args), uapi.BRIDGE_VLANDB_DUMPF_GLOBAL, only_global=True)


run = ObjectVerbs(
    "vlan",
    ("add", lambda args: _modify(args, rtnl.SETLINK)),
    ("delete", lambda args: _modify(args, rtnl.DELLINK)),
    ("show|lst|list", _show),
    ("tunnelshow", _tunnel_show),
    ("set", set_options),
    ("=global", _global),
    program="bridge",
)
