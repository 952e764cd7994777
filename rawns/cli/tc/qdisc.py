"""`tc qdisc`: add, change, replace, link, delete and show queueing disciplines (tc(8))."""

from __future__ import annotations

from ... import rtnl, uapi
from ...nlmsg import Request
from ..ip.context import complain
from ..ip.keywords import read
from ..ip.render import OutputField
from . import kinds
from .common import size_table_field
from .context import OptionArgs
from .object_words import QDISC, QDISC_LIST, read_to_kind
from .objects import TcVerbs
from .output import class_field, field, line_end, nest, plain, word_field
from .rows import ShownOnly, option_fields, shown
from .statistics import all_counters, special
from .words import failed, refused, unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, Callable, Iterable, Iterator, Keyword, Message, Record, Reply, Sequence, TcContext

CREATE, REPLACE, EXCL = uapi.NLM_F_CREATE, uapi.NLM_F_REPLACE, uapi.NLM_F_EXCL


def options_of(kind: str, args: Args, record: Record) -> None:
    """Read the words after the kind of a discipline into TCA_OPTIONS.  Raises `CommandError`."""
    found = kinds.find(kind)
    if found is None:
        if kind in kinds.OTHERS:
            raise unsupported(f'the qdisc "{kind}"')
        if args:
            raise failed(f'Unknown qdisc "{kind}", hence option "{args.words[args.at]}" is unparsable')
        return
    options = found.parse(OptionArgs(args.words[args.at :], args.ip, record.get("dev", "")))  # type: ignore[arg-type]
    if options is not None:
        record["TCA_OPTIONS"] = options


def modify(args: Args, message: Message, flags: int) -> int:
    """Send the request that the words describe."""
    return send(message, flags, QDISC, options_of, args)


def send(message: Message, flags: int, rows: Sequence[Keyword], options: Callable[[str, Args, Record], None], args: Args) -> int:
    """Send a request about a discipline or a class; ``options`` reads the words after the kind into the record."""
    record: Record = {}
    kind = read_to_kind(rows, args, record)
    if kind:
        record["TCA_KIND"] = kind
    if kind is not None:
        options(kind, args, record)
    name = record.pop("dev", "")
    if name:
        record["tcm_ifindex"] = args.ip.device(name)
    args.ip.do(Request(message, record, flags))
    return 0


# -- show -----------------------------------------------------------------------------------------------------------


def selected(rows: Sequence[Keyword], object: str, args: Args) -> Record:
    """Return what the words of a list select; the index of the link is ``index``, 0 for all.  Raises `CommandError`."""

    def otherwise(word: str, args: Args, record: Record) -> None:
        raise refused(f'What is "{word}"? Try "tc {object} help".')

    record = read(rows, args, {"tcm_parent": 0, "tcm_handle": 0, "qdisc": 0, "classid": 0}, otherwise)
    record["index"] = args.ip.device(record["dev"]) if record.get("dev") else 0
    return record


def show(args: Args) -> int:
    """Print the disciplines that the words select."""
    ip: TcContext = args.ip  # type: ignore[assignment]
    record = selected(QDISC_LIST, "qdisc", args)
    index = record["index"]
    asked = {"tcm_ifindex": index, **{key: record[key] for key in ("TCA_DUMP_INVISIBLE",) if key in record}}

    def fits(body: Body) -> bool:
        filters = (("tcm_ifindex", index), ("tcm_handle", record["tcm_handle"]), ("tcm_parent", record["tcm_parent"]))
        return all(not wanted or body[key] == wanted for key, wanted in filters)

    replies = ip.stream(Request(rtnl.GETQDISC, asked, uapi.NLM_F_DUMP))
    ip.print_all(qdisc(reply, ip, index) for reply in replies if fits(reply.body))
    return 0


def qdisc(reply: Reply, ip: TcContext, index: int) -> Iterator[OutputField]:
    """Yield the fields of a discipline; its link is named unless ``index`` is that of the only one asked for."""
    kind = reply.body.get("TCA_KIND", "")
    yield from option_fields(ROWS, {"TCA_KIND": "", **reply.body}, ip, ("device",) if index else ())
    yield nest("options", kind_fields(kind, reply.body, ip))
    yield line_end(ip)
    if ip.details and "TCA_STAB" in reply.body:
        yield size_table_field(reply.body["TCA_STAB"], ip)
        yield line_end(ip)
    yield from statistics(kind, reply.body, line_end(ip), ip)


def _handle(handle: int, body: Body, ip: TcContext) -> Iterator[OutputField]:
    yield field("handle", f"{handle >> 16:x}:", " %s", ip)
    yield plain(f"[{handle:08x}] " if ip.raw else " ")


def parent_field(name: str, value: int, form: str, ip: TcContext) -> OutputField:
    """Return a parent: its handle, or the word that stands for it."""
    return field("root", True, "root ", ip) if value == uapi.TC_H_ROOT else class_field(name, value, form, ip)


ROWS = (
    shown("TCA_KIND", "qdisc %s", label="kind"),
    ShownOnly("tcm_handle", _handle),
    ShownOnly("tcm_ifindex", lambda index, body, ip: device_fields(index, ip), name="device"),
    shown("tcm_parent", "parent %s ", parent_field, label="parent", hidden=(0,)),
    shown("tcm_info", "refcnt %u ", label="refcnt", hidden=(1,)),
    shown("TCA_HW_OFFLOAD", "offloaded ", word_field("offloaded", True), hidden=(0,)),
    *[shown(f"TCA_{name.upper()}", f"{name} %u ", label=name, hidden=(0,)) for name in ("ingress_block", "egress_block")],
)


def device_fields(index: int, ip: TcContext) -> Iterator[OutputField]:
    """Yield the name of a link."""
    from ..ip.render import put

    name = ip.name_of(index)
    yield plain("dev ")
    yield OutputField("dev", name, put("%s ", name, ip, "ifname"))


def kind_fields(kind: str, body: Body, ip: TcContext) -> Iterable[OutputField]:
    """Return the options of a discipline."""
    options = body.get("TCA_OPTIONS")
    if options is None:
        return ()
    found = kinds.find(kind)
    if found is not None and isinstance(options, dict):
        return found.fields(options, ip)
    if kind in kinds.OTHERS:
        complain(f'rawns tc: the options of the qdisc "{kind}" are not shown')
        return ()
    return (plain(f"[Unknown qdisc, optlen={len(options)}] "),) if options else ()


def statistics(kind: str, body: Body, end: OutputField, ip: TcContext) -> Iterator[OutputField]:
    """Yield the counters of a discipline or a class with ``-statistics``; ``end`` follows each group of them."""
    if not ip.stats:
        return
    if any(key in body for key in ("TCA_STATS", "TCA_STATS2", "TCA_XSTATS")):
        yield from all_counters(body, " ", ip)
        yield end
    data, found = special(body), kinds.find(kind)
    if data is not None and found is not None and found.counters:
        yield from found.statistics(data, ip)
        yield end


run = TcVerbs(
    "qdisc",
    ("add", lambda args: modify(args, rtnl.NEWQDISC, EXCL | CREATE)),
    ("change", lambda args: modify(args, rtnl.NEWQDISC, 0)),
    ("replace", lambda args: modify(args, rtnl.NEWQDISC, CREATE | REPLACE)),
    ("link", lambda args: modify(args, rtnl.NEWQDISC, REPLACE)),
    ("delete", lambda args: modify(args, rtnl.DELQDISC, 0)),
    ("list|show|lst", show),
)
