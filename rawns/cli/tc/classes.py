"""`tc class`: add, change, replace, delete and show classes (tc(8)).  Its output is text in spite of ``-json``, as tc's is."""

from __future__ import annotations

from ... import rtnl, uapi
from ...nlmsg import Request
from . import kinds
from .context import OptionArgs
from .object_words import CLASS, CLASS_LIST
from .objects import TcVerbs
from .output import plain
from .qdisc import CREATE, EXCL, kind_fields, selected, send, statistics
from .words import failed, format_classid, unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, Iterator, Message, OutputField, Record, TcContext


def _options(kind: str, args: Args, record: Record) -> None:
    """Read the words after the kind of a class into TCA_OPTIONS.  Raises `CommandError`."""
    found = kinds.find(kind)
    if found is None and kind in kinds.OTHERS:
        raise unsupported(f'the qdisc "{kind}"')
    if found is None or found.class_rows is None:
        raise failed(f'Error: Qdisc "{kind}" is classless.')
    record["TCA_OPTIONS"] = found.parse_class(OptionArgs(args.words[args.at :], args.ip, record.get("dev", "")))  # type: ignore[arg-type]


def modify(args: Args, message: Message, flags: int) -> int:
    """Send the request that the words describe."""
    return send(message, flags, CLASS, _options, args)


def show(args: Args) -> int:
    """Print the classes that the words select."""
    ip: TcContext = args.ip  # type: ignore[assignment]
    record = selected(CLASS_LIST, "class", args)
    index = record["index"]

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
    yield from kind_fields(kind, body, ip)
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
