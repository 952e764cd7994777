"""`tc filter`: add, change, replace, delete, get and show filters (tc(8)); what it shares with `tc chain`."""

from __future__ import annotations

from ... import rtnl, uapi
from ...errors import KernelError
from ...nlmsg import Request
from ..ip.arguments import U32
from ..ip.context import complain, complaint
from ..ip.grammar import CommandError, wrong
from ..ip.keywords import read
from . import filters
from .actions import TALKING
from .object_words import FILTER, FILTER_GET, FILTER_LIST, read_to_kind
from .objects import TcVerbs
from .output import field, line_end, nest, plain
from .qdisc import CREATE, EXCL, device_fields
from .statistics import all_counters
from .words import PARENTS, failed, format_classid, format_protocol, refused, swapped, unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, Iterable, Iterator, Message, OutputField, Record, Reply, TcContext

BLOCK = uapi.TCM_IFINDEX_MAGIC_BLOCK - (1 << 32)  # in place of a link's index, which is signed


# -- words ---------------------------------------------------------------------------------------------------------


def _info(record: Record, default: int) -> None:
    """Put priority and protocol where the message has them."""
    protocol = record.pop("protocol", default)
    record["tcm_info"] = (record.pop("priority", 0) & 0xFFFF) << 16 | swapped(protocol)


def _place(record: Record, args: Args) -> None:
    """Put the link, or the block, where the message has it."""
    name, block = record.pop("dev", ""), record.pop("block", 0)
    if name:
        record["tcm_ifindex"] = args.ip.device(name)
    elif block:
        record.update(tcm_ifindex=BLOCK, tcm_parent=block)


def _kind_of(kind: str, args: Args, record: Record) -> None:
    """Read the words after the kind of a filter.  Raises `CommandError`."""
    found, handle = filters.find(kind), record.pop("handle", None)
    if found is not None:
        found.parse(args, handle, record)
    elif kind in filters.OTHERS:
        raise unsupported(f'the filter "{kind}"')
    elif args:
        raise failed(f'Unknown filter "{kind}", hence option "{args.words[args.at]}" is unparsable')
    elif handle is not None:
        try:
            record["tcm_handle"] = U32(handle)
        except ValueError:
            raise failed(f'Unknown filter "{kind}", hence handle "{handle}" is unparsable') from None


def modify(args: Args, message: Message, flags: int) -> int:
    """Send the request that the words describe."""
    record: Record = {}
    kind = read_to_kind(FILTER, args, record)
    creates = message is rtnl.NEWTFILTER and flags & CREATE
    _info(record, uapi.ETH_P_ALL if creates else 0)
    _place(record, args)
    if kind:
        record["TCA_KIND"] = kind
    if kind is not None:
        _kind_of(kind, args, record)
    elif record.pop("handle", None) is not None:
        raise refused('Must specify filter type when using "handle"')
    try:
        args.ip.do(Request(message, record, flags))
    except KernelError as error:
        complain(complaint(error))
        raise CommandError(TALKING, 2) from None
    return 0


# -- output -------------------------------------------------------------------------------------------------------


def shown(reply: Reply, ip: TcContext, asked: Record, object: str = "filter") -> Iterator[OutputField]:
    """Yield the fields of a filter or a chain; what the words have named is not repeated."""
    body = reply.body
    if reply.flags & CREATE:
        name = "added" if reply.flags & EXCL else "replaced"
        yield field(name, True, f"{name} ", ip)
    yield plain(f"{object} ")
    yield from _where(body, ip, asked)
    info = body["tcm_info"]
    if info and object == "filter":
        protocol, priority = swapped(info & 0xFFFF), info >> 16
        if protocol and asked.get("protocol") != protocol:
            yield field("protocol", format_protocol(protocol, ip), "protocol %s ", ip)
        if priority and asked.get("priority") != priority:
            yield field("pref", priority, "pref %u ", ip)
    kind = body.get("TCA_KIND")
    if kind is not None:
        yield field("kind", kind, "%s ", ip)
    if "TCA_CHAIN" in body and asked.get("TCA_CHAIN") != body["TCA_CHAIN"]:
        yield field("chain", body["TCA_CHAIN"], "chain %u ", ip)
    if kind is not None and "TCA_OPTIONS" in body:
        yield nest("options", _options(kind, body, ip))
    yield line_end(ip)
    if ip.stats and ("TCA_STATS" in body or "TCA_STATS2" in body):
        yield from all_counters(body, " ", ip)
        yield line_end(ip)


def _where(body: Body, ip: TcContext, asked: Record) -> Iterator[OutputField]:
    parent = body["tcm_parent"]
    if body["tcm_ifindex"] == BLOCK:
        if asked.get("block") != parent:
            yield field("block", parent, "block %u ", ip)
        return
    if asked.get("index") != body["tcm_ifindex"]:
        yield from device_fields(body["tcm_ifindex"], ip)
    if asked.get("parent") != parent:
        name = "root" if parent == uapi.TC_H_ROOT else next((one for one, number in PARENTS.items() if number == parent), "")
        if name:
            yield field(name, True, f"{name} ", ip)
        else:
            yield field("parent", format_classid(parent, ip), "parent %s ", ip)


def _options(kind: str, body: Body, ip: TcContext) -> Iterable[OutputField]:
    options, found = body["TCA_OPTIONS"], filters.find(kind)
    if found is not None and isinstance(options, dict):
        return found.fields(options, body["tcm_handle"], body["tcm_info"], ip)
    if kind in filters.OTHERS:
        complain(f'rawns tc: the options of the filter "{kind}" are not shown')
        return ()
    return (plain(f"fh {body['tcm_handle']:08x} [Unknown filter, optlen={len(options)}] "),)


def get(args: Args, message: Message | None = None) -> int:
    """Print one filter, or with another ``message`` one chain."""
    ip: TcContext = args.ip  # type: ignore[assignment]
    record: Record = {}
    kind = read_to_kind(FILTER_GET, args, record)
    if kind == "":
        raise wrong(kind, "invalid filter name")
    is_filter = message is None
    if is_filter:
        for key, name in (("protocol", "protocol"), ("priority", "priority")):
            if not record.get(key) and (key != "protocol" or key not in record):
                raise refused(f"Must specify filter {name}")
        _info(record, 0)
    if not record.get("tcm_parent"):
        raise refused("Must specify filter parent")
    if is_filter and kind is None:
        raise refused("Must specify filter type")
    if not record.get("dev") and not record.get("block"):
        raise refused('Must specify netdevice "dev" or block index "block"')
    asked = {"block": record.get("block", 0), "index": ip.device(record["dev"]) if record.get("dev") else 0}
    handle = record.get("handle")
    _place(record, args)
    if is_filter and kind is not None:
        record["TCA_KIND"] = kind
        _kind_of(kind, args, record)
        if handle is None:
            raise refused('Must specify filter "handle"')
    elif args:
        raise refused(f'Garbage instead of arguments "{args.take()} ...". Try "tc filter help".')
    for key in ("handle", "protocol", "priority"):
        record.pop(key, None)
    try:
        reply = ip.kernel.get(Request(message or rtnl.GETTFILTER, record, uapi.NLM_F_ECHO))
    except KernelError as error:
        complain(complaint(error))
        raise CommandError(TALKING, 2) from None
    ip.print_all([shown(reply, ip, asked, "filter" if is_filter else "chain")])
    return 0


def _block_exists(ip: TcContext, block: int) -> bool:
    replies = ip.dump(Request(rtnl.GETQDISC, {}, uapi.NLM_F_DUMP))
    return any(block in (reply.body.get(f"TCA_{way}_BLOCK") for way in ("INGRESS", "EGRESS")) for reply in replies)


def listing(args: Args, message: Message, object: str) -> int:
    """Print the filters, or the chains, that the words select."""
    ip: TcContext = args.ip  # type: ignore[assignment]

    def otherwise(word: str, args: Args, record: Record) -> None:
        raise refused(f' What is "{word}"? Try "tc filter help"')

    record = read(FILTER_LIST, args, {}, otherwise)
    asked = {key: record.get(key, 0) for key in ("protocol", "priority", "block")}
    asked.update(parent=record.get("tcm_parent", 0), index=0)
    if "TCA_CHAIN" in record:
        asked["TCA_CHAIN"] = record["TCA_CHAIN"]
    record.pop("handle", None)
    _info(record, 0)
    if record.get("dev"):
        asked["index"] = ip.device(record["dev"])
    elif record.get("block") and not _block_exists(ip, record["block"]):
        raise failed(f'Cannot find block "{record["block"]}"')
    _place(record, args)
    if ip.brief:
        terse = uapi.TCA_DUMP_FLAGS_TERSE
        record["TCA_DUMP_FLAGS"] = {"value": terse, "selector": terse}
    replies = ip.stream(Request(message, record, uapi.NLM_F_DUMP))
    ip.print_all(shown(reply, ip, asked, object) for reply in replies)
    return 0


run = TcVerbs(
    "filter",
    ("add", lambda args: modify(args, rtnl.NEWTFILTER, EXCL | CREATE)),
    ("change", lambda args: modify(args, rtnl.NEWTFILTER, 0)),
    ("replace", lambda args: modify(args, rtnl.NEWTFILTER, CREATE)),
    ("delete", lambda args: modify(args, rtnl.DELTFILTER, 0)),
    ("get", get),
    ("list|show|lst", lambda args: listing(args, rtnl.GETTFILTER, "filter")),
)
