"""`tc class`: add, change, replace, delete and show classes (tc(8)).  Its output is text in spite of ``-json``, as tc's is."""

from __future__ import annotations

from ... import rtnl, uapi
from ...nlmsg import Request
from ..ip.grammar import duplicate, matches
from . import kinds
from .common import MAX_KIND_BYTES, estimator, shortened
from .context import OptionArgs
from .objects import TcVerbs
from .qdisc import CREATE, EXCL, device, option_fields, parent, statistics, usage, value
from .words import classid, failed, format_classid, handle, plain, refused, unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, Iterator, Message, OutputField, Record, TcContext


def _read(args: Args, record: Record) -> str | None:
    """Read the words in front of the options of a kind; return the kind, None if there is none."""
    while args:
        word = args.take()
        if word == "dev":
            device(args, record)
        elif word == "classid":
            if record.get("tcm_handle"):
                raise duplicate("classid", args.take())
            record["tcm_handle"] = value(args, classid, "invalid class ID")
        elif word == "handle":
            raise refused('Error: try "classid" instead of "handle"')
        elif word == "root":
            if record.get("tcm_parent"):
                raise refused('Error: "root" is duplicate parent ID.')
            record["tcm_parent"] = uapi.TC_H_ROOT
        elif word == "parent":
            parent(args, record)
        elif matches(word, "estimator"):
            estimator(args, record)
        elif matches(word, "help"):
            usage("class")
        else:
            return shortened(word, MAX_KIND_BYTES)
    return None


def modify(args: Args, message: Message, flags: int) -> int:
    """Send the request that the words describe."""
    record: Record = {}
    kind = _read(args, record)
    if kind:
        record["TCA_KIND"] = kind
    if kind is not None:
        found = kinds.find(kind)
        if found is None and kind in kinds.OTHERS:
            raise unsupported(f'the qdisc "{kind}"')
        if found is None or found.class_rows is None:
            raise failed(f'Error: Qdisc "{kind}" is classless.')
        record["TCA_OPTIONS"] = found.parse_class(OptionArgs(args.words[args.at :], args.ip, record.get("dev", "")))  # type: ignore[arg-type]
    name = record.pop("dev", "")
    if name:
        record["tcm_ifindex"] = args.ip.device(name)
    args.ip.do(Request(message, record, flags))
    return 0


def _filter(args: Args) -> Record:
    record: Record = {"dev": "", "tcm_parent": 0, "qdisc": 0, "classid": 0}
    while args:
        word = args.take()
        if word == "dev":
            device(args, record)
        elif word in ("qdisc", "classid"):
            if record[word]:
                raise duplicate(word, args.take())
            read, why = (handle, "invalid qdisc ID") if word == "qdisc" else (classid, "invalid class ID")
            record[word] = value(args, read, why)
        elif word == "root":
            if record["tcm_parent"]:
                raise refused('Error: "root" is duplicate parent ID')
            record["tcm_parent"] = uapi.TC_H_ROOT
        elif word == "parent":
            if record["tcm_parent"]:
                raise duplicate("parent", word)
            record["tcm_parent"] = value(args, classid, "invalid parent ID")
        elif matches(word, "help"):
            usage("class")
        else:
            raise refused(f'What is "{word}"? Try "tc class help".')
    return record


def show(args: Args) -> int:
    """Print the classes that the words select."""
    ip: TcContext = args.ip  # type: ignore[assignment]
    record = _filter(args)
    index = ip.device(record["dev"]) if record["dev"] else 0

    def fits(body: Body) -> bool:
        other = (body["tcm_handle"] ^ record["qdisc"]) & 0xFFFF0000
        return not (record["qdisc"] and other) and record["classid"] in (0, body["tcm_handle"])

    asked = {"tcm_ifindex": index, "tcm_parent": record["tcm_parent"]}
    replies = ip.stream(Request(rtnl.GETTCLASS, asked, uapi.NLM_F_DUMP))
    ip.print_text(_class(reply.body, ip, index, record["qdisc"]) for reply in replies if fits(reply.body))
    return 0


def _class(body: Body, ip: TcContext, index: int, qdisc: int) -> Iterator[OutputField]:
    """Yield the fields of a class; if the words have named the discipline, its handle is not repeated."""

    def name(value: int) -> str:
        return format_classid(value & 0xFFFF if qdisc else value, ip)

    kind = body.get("TCA_KIND", "")
    own = name(body["tcm_handle"]) if body["tcm_handle"] else ""
    link = "" if index else f"dev {ip.name_of(body['tcm_ifindex'])} "
    above = "root " if body["tcm_parent"] == uapi.TC_H_ROOT else f"parent {name(body['tcm_parent'])} "
    leaf = f"leaf {body['tcm_info'] >> 16:x}: " if body["tcm_info"] else ""
    yield plain(f"class {kind} {own} {link}{above}{leaf}")
    yield from option_fields(kind, body, ip)
    yield plain("\n")
    yield from statistics(kind, body, plain("\n"), ip)


run = TcVerbs(
    "class",
    ("add", lambda args: modify(args, rtnl.NEWTCLASS, EXCL | CREATE)),
    ("change", lambda args: modify(args, rtnl.NEWTCLASS, 0)),
    ("replace", lambda args: modify(args, rtnl.NEWTCLASS, CREATE)),
    ("delete", lambda args: modify(args, rtnl.DELTCLASS, 0)),
    ("list|show|lst", show),
)
