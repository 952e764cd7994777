"""`tc actions`, and the actions of filters: lists of them (tc-actions(8))."""

from __future__ import annotations

from ... import rtnl, uapi
from ...errors import KernelError
from ...nlmsg import Request
from ..ip.arguments import U32
from ..ip.context import complain, complaint
from ..ip.context import help_of as program_help_of
from ..ip.grammar import CommandError, matches, parsed, wrong
from ..ip.render import JsonObject, OutputField
from . import action_kinds
from .action_kind import take_index
from .common import MAX_KIND_BYTES, need, peek, shortened
from .objects import TcVerbs
from .output import field, line_end, nest, plain
from .statistics import counters
from .words import control_of, explained, failed, refused, unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Args, Body, Iterable, Iterator, TcContext

VERBS = ("change", "replace", "delete", "get", "add")
MAX_COOKIE_BYTES = 16
HW_STATS = (("immediate", uapi.TCA_ACT_HW_STATS_IMMEDIATE), ("delayed", uapi.TCA_ACT_HW_STATS_DELAYED), ("disabled", 0))
TALKING = "We have an error talking to the kernel"


# -- words --------------------------------------------------------------------------------------------------------


def parse(args: Args) -> dict[str, Any]:
    """Return the list of actions that the words describe, up to ``classid``, ``flowid`` or a verb.

    Raises `CommandError` with what tc says, without the last line, which depends on the filter.
    """
    found: dict[str, Any] = {}
    cookie, pending = b"", False
    while args:
        word = peek(args)
        if word == "action":
            args.take()
            pending = True
        elif word in ("flowid", "classid") or any(matches(word, verb) for verb in VERBS):
            break
        elif word == "help":
            raise refused("")
        else:
            pending = False
            cookie = _one(args, found, cookie)
    if pending:
        raise refused(f"bad action empty 1\nparse_action: bad value ({len(args.words) - args.at}:{peek(args) or '(null)'})!")
    return found


def _one(args: Args, found: dict[str, Any], cookie: bytes) -> bytes:
    """Read one action into the list; return its cookie, which tc gives to the next ones, too."""
    start, word = args.at, peek(args)
    kind = "gact" if control_of(word) is not None else shortened(word, MAX_KIND_BYTES)
    if kind in action_kinds.OTHERS:
        raise unsupported(f'the action "{kind}"')
    kind = kind if kind in action_kinds.KINDS else "gact"
    action: dict[str, Any] = {"TCA_ACT_KIND": kind}
    try:
        action["TCA_ACT_OPTIONS"] = action_kinds.KINDS[kind].parse(args)
    except CommandError as error:
        bad = f"bad action parsing\nparse_action: bad value ({len(args.words) - start}:{word})!"
        raise explained(error, bad) from None
    if peek(args) == "cookie":
        args.take()
        cookie = _cookie(args.take())
    if cookie:
        action["TCA_ACT_COOKIE"] = cookie
    _modifiers(args, action)
    found[f"[{len(found) + 1}]"] = action
    return cookie


def _cookie(text: str) -> bytes:
    if len(text) > MAX_COOKIE_BYTES * 2:
        raise wrong(text, f"{len(text)} Max allowed size {MAX_COOKIE_BYTES * 2}")
    try:
        if len(text.split()) != 1 or len(text.split()[0]) != len(text):
            raise ValueError(text)
        return bytes.fromhex(text)
    except ValueError:
        raise wrong(text, "cookie must be a hex string\n") from None


def _modifiers(args: Args, action: dict[str, Any]) -> None:
    if peek(args) and matches(peek(args), "hw_stats"):
        args.take()
        word = args.take()
        value = next((number for name, number in HW_STATS if matches(word, name)), None)
        if value is None:
            raise wrong(word, "value is invalid\n")
        action["TCA_ACT_HW_STATS"] = {"value": value, "selector": value}
    flags = 0
    if peek(args) == "no_percpu":
        args.take()
        flags |= uapi.TCA_ACT_FLAGS_NO_PERCPU_STATS
    for _ in range(2):
        bit = {"skip_sw": uapi.TCA_ACT_FLAGS_SKIP_SW, "skip_hw": uapi.TCA_ACT_FLAGS_SKIP_HW}.get(peek(args))
        if bit:
            args.take()
            flags |= bit
    if flags:
        action["TCA_ACT_FLAGS"] = {"value": flags, "selector": flags}


# -- output -------------------------------------------------------------------------------------------------------


def listed(actions: Body, ip: TcContext, bound: bool = True) -> OutputField:
    """Return a list of actions; ``bound`` says that they are those of a filter."""
    objects, texts = [], []
    for key, action in sorted(actions.items(), key=lambda item: int(str(item[0]).strip("[]"))):
        order = int(str(key).strip("[]"))
        shown = [line_end(ip), field("order", order, "\taction order %u: ", ip), *_action(action, ip, bound)]
        objects.append(JsonObject(shown))
        texts += [one.text for one in shown]
    return OutputField("actions", objects, "".join(texts))


def _action(action: Body, ip: TcContext, bound: bool) -> Iterator[OutputField]:
    yield from action_kinds.fields(action.get("TCA_ACT_KIND", ""), action.get("TCA_ACT_OPTIONS"), ip)
    if ip.brief and "TCA_ACT_INDEX" in action:
        yield field("index", action["TCA_ACT_INDEX"], "\t index %u", ip)
        yield line_end(ip)
    if ip.stats and "TCA_ACT_STATS" in action:
        yield plain("\tAction statistics:")
        yield line_end(ip)
        yield nest("stats", counters(action["TCA_ACT_STATS"], "\t", ip))
        yield line_end(ip)
    if "TCA_ACT_COOKIE" in action:
        yield field("cookie", action["TCA_ACT_COOKIE"].hex(), "\tcookie %s", ip)
        yield line_end(ip)
    flags = list(_flags(action, ip, bound))
    yield from [*flags, line_end(ip)] if flags else []
    for name in ("hw_stats", "used_hw_stats"):
        found = action.get(f"TCA_ACT_{name.upper()}")
        if found is not None:
            bits = found["value"] & found["selector"]
            names = [one for one, bit in HW_STATS if (bits & bit if bit else not bits)]
            yield OutputField(name, names, f"\t{name}" + "".join([f" {one}" for one in names]))
            yield line_end(ip)


def _flags(action: Body, ip: TcContext, bound: bool) -> Iterator[OutputField]:
    flags = action.get("TCA_ACT_FLAGS", {"value": 0, "selector": 0})
    names = {"no_percpu": uapi.TCA_ACT_FLAGS_NO_PERCPU_STATS}
    if not bound:
        names.update(skip_hw=uapi.TCA_ACT_FLAGS_SKIP_HW, skip_sw=uapi.TCA_ACT_FLAGS_SKIP_SW)
    for name, bit in names.items():
        if flags["selector"] & bit:
            yield field(name, bool(flags["value"] & bit), f"\t{name}", ip)
    if "TCA_ACT_IN_HW_COUNT" in action and not bound and not flags["value"] & uapi.TCA_ACT_FLAGS_SKIP_HW:
        count = action["TCA_ACT_IN_HW_COUNT"]
        yield field("in_hw" if count else "not_in_hw", True, "\tin_hw" if count else "\tnot_in_hw", ip)
        if count:
            yield field("in_hw_count", count, " in_hw_count %u", ip)


def _reply(body: Body, ip: TcContext) -> Iterator[Iterable[OutputField]]:
    """Yield the objects that an answer about actions is shown as."""
    yield [field("total acts", body.get("TCA_ROOT_COUNT", 0), "total acts %u", ip), line_end(ip)]
    yield [listed(body["TCA_ROOT_TAB"], ip, bound=False)]


# -- the verbs ----------------------------------------------------------------------------------------------------


def modify(args: Args, flags: int) -> int:
    """Add or replace the actions that the words describe; another verb may follow."""
    try:
        body = {"TCA_ROOT_TAB": parse(args)}
        if not body["TCA_ROOT_TAB"]:
            raise refused("")
    except CommandError as error:
        raise explained(error, 'Illegal "action"') from None
    try:
        args.ip.do(Request(rtnl.NEWACTION, body, flags))
    except KernelError as error:
        raise refused(f"{complaint(error)}\n{TALKING}") from None
    return run(args) if args else 0


def _numbered(args: Args) -> dict[str, Any]:
    """Return the actions that are named by kind and index."""
    found: dict[str, Any] = {}
    while args:
        word = args.take()
        if word == "action":
            continue
        if word == "help":
            raise refused("")
        kind = shortened(word, MAX_KIND_BYTES)
        if kind not in action_kinds.KINDS and kind not in action_kinds.OTHERS:
            kind = "gact"  # for which tc takes all that it does not know
        if not matches(peek(args), "index"):
            raise refused(f"Error: no index specified action: {kind}")
        args.take()
        index = take_index(args)
        found[f"[{len(found) + 1}]"] = {"TCA_ACT_KIND": kind, **({"TCA_ACT_INDEX": index} if index else {})}
    return found


def get(args: Args, deletes: bool = False) -> int:
    """Print or delete actions by kind and index."""
    ip: TcContext = args.ip  # type: ignore[assignment]
    first = peek(args)
    if args:
        args.take()
    body = {"TCA_ROOT_TAB": _numbered(args)}
    try:
        if deletes:
            ip.do(Request(rtnl.DELACTION, body))
            return 0
        reply = ip.kernel.get(Request(rtnl.GETACTION, body)).body
    except KernelError as error:  # tc then takes the rest for a command
        again = f'Command "{first}" is unknown, try "tc actions help".'
        raise refused(f"{complaint(error)}\n{TALKING}\n{again}") from None
    if "TCA_ROOT_TAB" not in reply:
        raise failed("Dump terminated")
    ip.print_all(_reply(reply, ip))
    return 0


def _kind(args: Args) -> dict[str, Any]:
    """Return the request about all actions of a kind; the word in front of it is not looked at."""
    if len(args.words) - args.at < 2:
        raise program_help_of("actions", "tc")
    args.take()
    kind = shortened(args.take(), MAX_KIND_BYTES)
    selected = uapi.TCA_FLAG_LARGE_DUMP_ON | (2 if args.ip.brief else 0)  # TCA_ACT_FLAG_TERSE_DUMP
    body: dict[str, Any] = {"TCA_ROOT_TAB": {"[1]": {"TCA_ACT_KIND": kind}}}
    body["TCA_ROOT_FLAGS"] = {"value": selected, "selector": selected}
    if peek(args) == "since":
        args.take()
        need(args)
        since = parsed(U32, args.take(), 'dump time "since" is invalid')
        if since:
            body["TCA_ROOT_TIME_DELTA"] = since
    return body


def show(args: Args) -> int:
    """Print all actions of a kind."""
    ip: TcContext = args.ip  # type: ignore[assignment]
    replies = ip.stream(Request(rtnl.GETACTION, _kind(args), uapi.NLM_F_DUMP), "", 255)
    ip.print_all(one for reply in replies if "TCA_ROOT_TAB" in reply.body for one in _reply(reply.body, ip))
    return 0


def flush(args: Args) -> int:
    """Delete all actions of a kind that no filter uses."""
    body = _kind(args)
    try:
        args.ip.do(Request(rtnl.DELACTION, body, uapi.NLM_F_ROOT))
    except KernelError as error:
        complain(complaint(error))
        raise failed("We have an error flushing") from None
    return 0


CREATE, REPLACE, EXCL = uapi.NLM_F_CREATE, uapi.NLM_F_REPLACE, uapi.NLM_F_EXCL


class _ActionVerbs(TcVerbs):
    """Without words nothing is done, and the help ends with 255."""

    def __call__(self, args: Args) -> int:
        return super().__call__(args) if args else 0


run = _ActionVerbs(
    "actions",
    ("add", lambda args: modify(args, EXCL | CREATE)),
    ("change|replace", lambda args: modify(args, CREATE | REPLACE)),
    ("delete", lambda args: get(args, deletes=True)),
    ("get", get),
    ("list|show|lst", show),
    ("flush", flush),
    help_status=255,
)
