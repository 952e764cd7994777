"""`tc qdisc`: add, change, replace, link, delete and show queueing disciplines (tc(8))."""

from __future__ import annotations

from ... import rtnl, uapi
from ...nlmsg import Request
from ..ip.arguments import U32
from ..ip.context import complain
from ..ip.grammar import duplicate, matches, wrong
from ..ip.render import OutputField
from . import kinds
from .common import MAX_DEVICE_BYTES, MAX_KIND_BYTES, estimator, shortened, size_table, size_table_field
from .context import OptionArgs
from .objects import TcVerbs
from .statistics import all_counters, special
from .words import CLSACT_HANDLE, classid, failed, field, format_classid, handle, line_end, nest, plain, refused, unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Args, Body, Callable, Iterable, Iterator, Message, Record, Reply, TcContext

CREATE, REPLACE, EXCL = uapi.NLM_F_CREATE, uapi.NLM_F_REPLACE, uapi.NLM_F_EXCL


def value(args: Args, read: Callable[[str], Any], why: str) -> Any:
    """Read the value of a word.  Raises `CommandError` with tc's reason."""
    word = args.take()
    try:
        return read(word)
    except ValueError:
        raise wrong(word, why) from None


def usage(name: str) -> None:
    """Print the help of an object: in the middle of a command tc goes on after it."""
    from .help_texts import OBJECTS

    complain(OBJECTS[name])


def device(args: Args, record: Record) -> None:
    """Read the name of a link."""
    word = args.take()
    if record.get("dev"):
        raise duplicate("dev", word)
    record["dev"] = shortened(word, MAX_DEVICE_BYTES)


def parent(args: Args, record: Record, why: str = "invalid parent ID") -> None:
    """Read the handle of a parent."""
    if record.get("tcm_parent"):
        raise duplicate("parent", args.take())
    record["tcm_parent"] = value(args, classid, why)


def _block(text: str) -> int:
    if not U32(text):
        raise ValueError(text)
    return U32(text)


def _read(args: Args, record: Record) -> str | None:
    """Read the words in front of the options of a kind; return the kind, None if there is none."""
    while args:
        word = args.take()
        if word == "dev":
            device(args, record)
        elif word == "handle":
            if record.get("tcm_handle"):
                raise duplicate("handle", word)
            record["tcm_handle"] = value(args, handle, "invalid qdisc ID")
        elif word in ("root", "clsact", "ingress"):
            if record.get("tcm_parent"):
                raise refused(f'Error: "{word}" is {"" if word == "root" else "a "}duplicate parent ID')
            record["tcm_parent"] = uapi.TC_H_ROOT if word == "root" else uapi.TC_H_INGRESS
            if word != "root":
                record["tcm_handle"] = CLSACT_HANDLE
                return word
        elif word == "parent":
            parent(args, record)
        elif matches(word, "estimator"):
            estimator(args, record)
        elif matches(word, "stab"):
            size_table(args, record)
        elif matches(word, "ingress_block"):
            record["TCA_INGRESS_BLOCK"] = value(args, _block, "invalid ingress block index value")
        elif matches(word, "egress_block"):
            record["TCA_EGRESS_BLOCK"] = value(args, _block, "invalid egress block index value")
        elif matches(word, "help"):
            usage("qdisc")
        else:
            return shortened(word, MAX_KIND_BYTES)
    return None


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
    record: Record = {}
    kind = _read(args, record)
    if kind:
        record["TCA_KIND"] = kind
    if kind is not None:
        options_of(kind, args, record)
    name = record.pop("dev", "")
    if name:
        record["tcm_ifindex"] = args.ip.device(name)
    args.ip.do(Request(message, record, flags))
    return 0


# -- show -----------------------------------------------------------------------------------------------------------


def _filter(args: Args) -> Record:
    record: Record = {"dev": "", "tcm_parent": 0, "tcm_handle": 0}
    while args:
        word = args.take()
        if word == "dev":
            record["dev"] = shortened(args.take(), MAX_DEVICE_BYTES)
        elif word in ("root", "ingress", "clsact") or matches(word, "parent") or matches(word, "handle"):
            for key in ("parent", "handle"):
                if record[f"tcm_{key}"]:
                    raise wrong(word, f"{key} is already specified")
            if word in ("root", "ingress", "clsact"):
                record["tcm_parent"] = uapi.TC_H_ROOT if word == "root" else uapi.TC_H_INGRESS
            elif matches(word, "parent"):
                record["tcm_parent"] = value(args, classid, "invalid parent ID")
            else:
                record["tcm_handle"] = value(args, handle, "invalid handle ID")
        elif matches(word, "help"):
            usage("qdisc")
        elif word == "invisible":
            record["TCA_DUMP_INVISIBLE"] = True
        else:
            raise refused(f'What is "{word}"? Try "tc qdisc help".')
    return record


def show(args: Args) -> int:
    """Print the disciplines that the words select."""
    ip: TcContext = args.ip  # type: ignore[assignment]
    record = _filter(args)
    index = ip.device(record["dev"]) if record["dev"] else 0
    asked = {"tcm_ifindex": index, **{key: record[key] for key in ("TCA_DUMP_INVISIBLE",) if key in record}}

    def fits(body: Body) -> bool:
        filters = (("tcm_ifindex", index), ("tcm_handle", record["tcm_handle"]), ("tcm_parent", record["tcm_parent"]))
        return all(not wanted or body[key] == wanted for key, wanted in filters)

    replies = ip.stream(Request(rtnl.GETQDISC, asked, uapi.NLM_F_DUMP))
    ip.print_all(qdisc(reply, ip, index) for reply in replies if fits(reply.body))
    return 0


def qdisc(reply: Reply, ip: TcContext, index: int) -> Iterator[OutputField]:
    """Yield the fields of a discipline; its link is named unless ``index`` is that of the only one asked for."""
    body = reply.body
    kind = body.get("TCA_KIND", "")
    yield field("kind", kind, "qdisc %s", ip)
    yield field("handle", f"{body['tcm_handle'] >> 16:x}:", " %s", ip)
    if ip.raw:
        yield plain(f"[{body['tcm_handle']:08x}]")
    yield plain(" ")
    if not index:
        yield from device_fields(body["tcm_ifindex"], ip)
    if body["tcm_parent"] == uapi.TC_H_ROOT:
        yield field("root", True, "root ", ip)
    elif body["tcm_parent"]:
        yield field("parent", format_classid(body["tcm_parent"], ip), "parent %s ", ip)
    if body["tcm_info"] != 1:
        yield field("refcnt", body["tcm_info"], "refcnt %u ", ip)
    if body.get("TCA_HW_OFFLOAD"):
        yield field("offloaded", True, "offloaded ", ip)
    for key, name in (("TCA_INGRESS_BLOCK", "ingress_block"), ("TCA_EGRESS_BLOCK", "egress_block")):
        if body.get(key):
            yield field(name, body[key], f"{name} %u ", ip)
    yield nest("options", option_fields(kind, body, ip))
    yield line_end(ip)
    if ip.details and "TCA_STAB" in body:
        yield size_table_field(body["TCA_STAB"], ip)
        yield line_end(ip)
    yield from statistics(kind, body, line_end(ip), ip)


def device_fields(index: int, ip: TcContext) -> Iterator[OutputField]:
    """Yield the name of a link."""
    from ..ip.render import put

    name = ip.name_of(index)
    yield plain("dev ")
    yield OutputField("dev", name, put("%s ", name, ip, "ifname"))


def option_fields(kind: str, body: Body, ip: TcContext) -> Iterable[OutputField]:
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
    if data is not None and found is not None and type(found).statistics is not kinds.QdiscKind.statistics:
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
