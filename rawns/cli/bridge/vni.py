"""`bridge vni`: the VXLAN network identifiers that a device of the kind ``vxlan external vnifilter`` accepts (bridge(8))."""

from __future__ import annotations

from ... import rtnl, uapi
from ...nlmsg import Request
from ..ip.arguments import address, leading_integer
from ..ip.context import ObjectVerbs
from ..ip.grammar import FAILED, CommandError, wrong
from ..ip.keywords import CustomKeyword, ValueKeyword, read
from ..ip.render import JsonObject, OutputField, put
from .words import FAMILY, FILTERS, NAME, index_of, on_help, read_filter, repeated, under_port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..ip.hints import Args, Body, Callable, IpContext, Iterator, Message, Record

BLANK = NAME % ""
GROUPS = {uapi.AF_INET: "VXLAN_VNIFILTER_ENTRY_GROUP", uapi.AF_INET6: "VXLAN_VNIFILTER_ENTRY_GROUP6"}


# -- words --------------------------------------------------------------------------------------------------------


def _is_multicast(packed: bytes) -> bool:
    return packed[:1] == b"\xff" if len(packed) == 16 else len(packed) == 4 and packed[0] >> 4 == 14


def _vni(args: Args, record: Record) -> None:
    word = args.take()
    if "vni" in record:
        raise wrong(word, "duplicate vni")
    record["vni"] = word


def _group(only_multicast: bool) -> Callable[[Args, Record], None]:
    """Return what reads the address of a group, or of any host."""

    def act(args: Args, record: Record) -> None:
        if "group" in record:
            raise wrong(repeated(args), "duplicate group")
        word = args.take()
        record["family"], record["group"] = address(word, 0)
        if only_multicast and not _is_multicast(record["group"]):
            raise wrong(word, "invalid group address")

    return act


WORDS = [
    ValueKeyword("dev", "dev", str),
    CustomKeyword("vni", _vni),
    CustomKeyword("group", _group(True)),
    CustomKeyword("remote", _group(False)),
]


def _entries(record: Record) -> Iterator[Body]:
    """Yield an entry for each number, or range of numbers, of a list."""
    for one in filter(None, record["vni"].split(",")):
        first, _, last = one.partition("-")
        entry: Body = {"VXLAN_VNIFILTER_ENTRY_START": leading_integer(first) & 0xFFFFFFFF}
        if leading_integer(last):
            entry["VXLAN_VNIFILTER_ENTRY_END"] = leading_integer(last) & 0xFFFFFFFF
        if "group" in record:
            entry[GROUPS.get(record["family"], 0)] = record["group"]
        yield entry


def _modify(args: Args, message: Message) -> int:
    """Add or delete identifiers."""
    record = read(WORDS, args, {}, on_help("vni", whole=True))
    if "dev" not in record or "vni" not in record:
        raise CommandError("Device and VNI ID are required arguments.", FAILED)
    index = index_of(args, record["dev"], 'Cannot find vxlan device "%s"')
    body: Body = {"family": FAMILY, "ifindex": index, "VXLAN_VNIFILTER_ENTRY": list(_entries(record))}
    args.ip.do(Request(message, body))
    return 0


# -- output -------------------------------------------------------------------------------------------------------


def _counters(found: Body, ip: IpContext) -> OutputField:
    pieces, shown = [], []
    for way in ("rx", "tx"):
        pieces += [put("\n", None, ip), f"{BLANK} {way.upper()}: "]
        for name in ("bytes", "pkts", "drops", "errors"):
            value = found.get(f"VNIFILTER_ENTRY_STATS_{way.upper()}_{name.upper()}")
            if value is not None:
                pieces.append(f"{name} {value} ")
                shown.append(OutputField(f"{way}_{name}", value))
    return OutputField("stats", JsonObject(shown), "".join(pieces))


def _entry(body: Body, ip: IpContext) -> Iterator[OutputField]:
    first, last = body.get("VXLAN_VNIFILTER_ENTRY_START", 0), body.get("VXLAN_VNIFILTER_ENTRY_END", 0)
    yield OutputField("vni", first, f" {first}" if last else f" {first:<14}")
    if last and last != first:
        yield OutputField("vniEnd", last, f"-{last:<14} ")
    address = body.get("VXLAN_VNIFILTER_ENTRY_GROUP", body.get("VXLAN_VNIFILTER_ENTRY_GROUP6"))
    if isinstance(address, str) and address not in ("0.0.0.0", "::"):
        kind = "group" if address.startswith("ff") or "." in address and 224 <= int(address.partition(".")[0]) < 240 else "remote"
        yield OutputField(kind, ip.host(address), put(" %s", ip.host(address), ip))
    if "VXLAN_VNIFILTER_ENTRY_STATS" in body:
        yield _counters(body["VXLAN_VNIFILTER_ENTRY_STATS"], ip)
    yield OutputField("", None, put("\n", None, ip))


def device(body: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the fields of a message: the name of a device, and below it its identifiers."""
    entries = (list(_entry(entry, ip)) for entry in body.get("VXLAN_VNIFILTER_ENTRY", ()))
    return under_port(body["ifindex"], "vnis", entries, ip, "\\" if ip.oneline else "\n")


def _show(args: Args) -> int:
    """Print the identifiers, with -statistics their counters."""
    ip = args.ip
    wanted = read_filter(args, FILTERS[:1])["index"]
    flags = uapi.TUNNEL_MSG_FLAG_STATS if ip.stats else 0
    if not ip.json:
        ip.write([f"{NAME % 'dev'}{'vni':15}  {'group/remote':15}\n"])
    request = Request(rtnl.GETTUNNEL, {"family": FAMILY, "ifindex": wanted, "flags": flags}, uapi.NLM_F_DUMP)
    found = ip.stream(request, "Dump ternminated")  # as iproute2 spells it
    ip.print_all(device(reply.body, ip) for reply in found if wanted in (0, reply.body["ifindex"]))
    return 0


run = ObjectVerbs(
    "vni",
    ("=add", lambda args: _modify(args, rtnl.NEWTUNNEL)),
    ("=delete", lambda args: _modify(args, rtnl.DELTUNNEL)),
    ("=show|=lst|=list", _show),
    program="bridge",
)
