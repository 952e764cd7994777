"""The actions of filters: mirred, gact, police, vlan and skbedit, each with its words and its output (tc-actions(8))."""

from __future__ import annotations

from ... import uapi
from ..ip.arguments import U8, U16, U32, lladdr
from ..ip.grammar import CommandError, matches, wrong
from ..ip.render import NULL, OutputField
from . import units
from .common import help_of, need, peek
from .help_texts import ACTIONS as HELP
from .mirred import last_index, mirred, show_mirred, take_index
from .police import police, police_fields
from .statistics import times
from .words import (
    classid,
    control_fields,
    control_or,
    field,
    format_classid,
    format_protocol,
    line_end,
    nest,
    plain,
    protocol,
    refused,
    take_control,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Args, Body, Callable, Iterator, TcContext

DECIMAL = units.decimal(32)
OTHERS = frozenset("bpf connmark csum ct ctinfo gate ife ipt mpls nat pedit sample simple skbmod tunnel_key xt".split())


# -- gact ---------------------------------------------------------------------------------------------------------

RANDOM = ("none", "netrand", "determ")
MAX_VALUE = 10_000


def _control(args: Args, kind: str) -> int:
    try:
        return take_control(args)
    except CommandError as error:
        raise error if error.exits else CommandError(f"{error.text}\n{HELP[kind]}") from None


def _gact(args: Args) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    options: dict[str, Any] = {"TCA_GACT_PARMS": parameters}
    if matches(peek(args), "gact"):
        args.take()
        need(args)
    if not matches(peek(args), "index"):
        parameters["action"] = _control(args, "gact")
        if matches(peek(args), "random"):
            args.take()
            options["TCA_GACT_PROB"] = _chance(args)
        elif matches(peek(args), "help"):
            raise help_of("gact")
    if matches(peek(args), "index"):
        args.take()
        parameters["index"] = take_index(args)
    elif matches(peek(args), "help"):
        raise help_of("gact")
    return options


def _chance(args: Args) -> dict[str, int]:
    word = args.take()
    kind = next((number for number, name in enumerate(RANDOM) if number and matches(word, name)), 0)
    if not kind:
        raise refused('Illegal "random type"')
    need(args)
    action = _control(args, "gact")
    value = 0
    try:
        value = units.decimal(16)(args.take())
        if value > MAX_VALUE:
            raise refused(f"Illegal probability val  0x{value:x}")
    except ValueError:
        raise refused("Illegal probability val 0x0") from None
    return {"ptype": kind, "pval": value, "paction": action}


def _show_gact(options: Body, ip: TcContext) -> Iterator[OutputField]:
    chance = options.get("TCA_GACT_PROB", {"ptype": 0, "pval": 0, "paction": 0})
    yield from control_fields(options["TCA_GACT_PARMS"]["action"], "action ", "", ip)
    kind = RANDOM[chance["ptype"]] if chance["ptype"] < len(RANDOM) else "none"
    inner = [line_end(ip), field("random_type", kind, "\t random type %s", ip)]
    inner += [*control_fields(chance["paction"], " ", " ", ip), field("val", chance["pval"], "val %d", ip)]
    yield nest("prob", inner)
    yield line_end(ip)


# -- vlan ---------------------------------------------------------------------------------------------------------

VLAN = {
    uapi.TCA_VLAN_ACT_POP: "pop",
    uapi.TCA_VLAN_ACT_PUSH: "push",
    uapi.TCA_VLAN_ACT_MODIFY: "modify",
    uapi.TCA_VLAN_ACT_POP_ETH: "pop_eth",
    uapi.TCA_VLAN_ACT_PUSH_ETH: "push_eth",
}
PUSHES = (uapi.TCA_VLAN_ACT_PUSH, uapi.TCA_VLAN_ACT_MODIFY)


def _priority(text: str) -> int:
    if U8(text) > 7:
        raise ValueError(text)
    return U8(text)


def _mac(text: str) -> str:
    try:
        return lladdr(text)
    except CommandError:
        raise ValueError(text) from None


# The word, its attribute, its parser, what a complaint calls it, and the actions that have it; "!": they must have it.
VLAN_WORDS: tuple[tuple[str, str, Callable[[str], Any], str, tuple[int, ...]], ...] = (
    ("id", "TCA_VLAN_PUSH_VLAN_ID", U16, "id!", PUSHES),
    ("protocol", "TCA_VLAN_PUSH_VLAN_PROTOCOL", protocol, "protocol", PUSHES),
    ("priority", "TCA_VLAN_PUSH_VLAN_PRIORITY", _priority, "prio", PUSHES),
    ("dst_mac", "TCA_VLAN_PUSH_ETH_DST", _mac, "dst_mac!", (uapi.TCA_VLAN_ACT_PUSH_ETH,)),
    ("src_mac", "TCA_VLAN_PUSH_ETH_SRC", _mac, "src_mac!", (uapi.TCA_VLAN_ACT_PUSH_ETH,)),
)


def _vlan(args: Args) -> dict[str, Any]:
    args.take()
    need(args)
    kind = 0
    options: dict[str, Any] = {"TCA_VLAN_PARMS": {}}
    while args:
        word = peek(args)
        named = next((number for number, name in VLAN.items() if matches(word, name)), 0)
        row = next((one for one in VLAN_WORDS if matches(word, one[0])), None)
        if named:
            if kind:
                raise refused(f'unexpected "{word}" - action already specified\n{HELP["vlan"]}')
            kind = named
            args.take()
        elif row is not None:
            _, key, read, name, only = row
            if kind not in only:
                raise wrong(word, f"only valid for {'/'.join([VLAN[one] for one in only])}")
            args.take()
            word = args.take()
            try:
                options[key] = read(word)
            except ValueError:
                raise wrong(word, f"{name.rstrip('!')} is invalid") from None
        elif matches(word, "help"):
            raise help_of("vlan")
        else:
            break
    parameters = options["TCA_VLAN_PARMS"]
    parameters.update(action=control_or(args, uapi.TC_ACT_PIPE), v_action=kind)
    last_index(args, parameters, "vlan")
    for word, key, _, name, only in VLAN_WORDS:
        if name.endswith("!") and kind in only and key not in options:
            raise refused(f"{word} needs to be set for {VLAN[kind]}\n{HELP['vlan']}")
    if options.get("TCA_VLAN_PUSH_VLAN_PROTOCOL", uapi.ETH_P_8021Q) not in (uapi.ETH_P_8021Q, uapi.ETH_P_8021AD):
        raise refused(f"protocol not supported\n{HELP['vlan']}")
    return options


def _show_vlan(options: Body, ip: TcContext) -> Iterator[OutputField]:
    found = options["TCA_VLAN_PARMS"]
    kind = found["v_action"]
    yield field("vlan_action", VLAN.get(kind, "(null)"), " %s", ip)
    for name, key, _, _, only in VLAN_WORDS:
        if kind in only and key in options:
            value = format_protocol(options[key], ip) if name == "protocol" else options[key]
            yield field(name, value, f" {name} %s", ip)
    yield from control_fields(found["action"], " ", "", ip)
    yield line_end(ip)


# -- skbedit ------------------------------------------------------------------------------------------------------

PACKET_TYPES = (("host", 0), ("broadcast", 1), ("multicast", 2), ("otherhost", 3))  # PACKET_HOST ..., <linux/if_packet.h>


def _skbedit(args: Args) -> dict[str, Any]:
    args.take()
    need(args)
    options: dict[str, Any] = {"TCA_SKBEDIT_PARMS": {}}
    while args:
        word = peek(args)
        name = next((one for one in SKBEDIT_WORDS if matches(word, one)), None)
        if name is None:
            if matches(word, "help"):
                raise help_of("skbedit")
            break
        args.take()
        if name == "inheritdsfield":
            options["TCA_SKBEDIT_FLAGS"] = uapi.SKBEDIT_F_INHERITDSFIELD
        else:
            SKBEDIT_WORDS[name](args.take(), options)
    parameters = options["TCA_SKBEDIT_PARMS"]
    parameters["action"] = control_or(args, uapi.TC_ACT_PIPE)
    numbered = last_index(args, parameters, "skbedit")
    if len(options) == 1 and not numbered:
        raise refused(HELP["skbedit"])
    return options


def _edit(key: str, read: Callable[[str], Any], name: str) -> Callable[[str, dict[str, Any]], None]:
    def put(text: str, options: dict[str, Any]) -> None:
        try:
            options[key] = read(text)
        except ValueError:
            raise refused(f"Illegal {name}") from None

    return put


def _edit_mark(text: str, options: dict[str, Any]) -> None:
    head, slash, tail = text.partition("/")
    _edit("TCA_SKBEDIT_MARK", U32, "mark")(head, options)
    if slash:
        _edit("TCA_SKBEDIT_MASK", U32, "mask")(tail, options)


def _edit_type(text: str, options: dict[str, Any]) -> None:
    found = next((number for name, number in PACKET_TYPES if matches(text, name)), None)
    if found is None:
        raise refused(f"Illegal ptype ({text})")
    options["TCA_SKBEDIT_PTYPE"] = found


SKBEDIT_WORDS: dict[str, Callable[[str, dict[str, Any]], None]] = {
    "queue_mapping": _edit("TCA_SKBEDIT_QUEUE_MAPPING", units.decimal(16), "queue_mapping"),
    "priority": _edit("TCA_SKBEDIT_PRIORITY", classid, "priority"),
    "mark": _edit_mark,
    "ptype": _edit_type,
    "inheritdsfield": _edit_type,
}


def _show_skbedit(options: Body, ip: TcContext) -> Iterator[OutputField]:
    found = options.get
    for name, form in (("queue_mapping", "queue_mapping %u"), ("priority", " priority %s"), ("mark", " mark %u")):
        value = found(f"TCA_SKBEDIT_{name.upper()}")
        if value is not None:
            yield field(name, format_classid(value, ip) if name == "priority" else value, form, ip)
    if found("TCA_SKBEDIT_MASK") is not None:
        mask = options["TCA_SKBEDIT_MASK"]
        yield OutputField("mask", f"{mask:x}", f"/{f'{mask:#x}' if mask else '0'}")
    if found("TCA_SKBEDIT_PTYPE") is not None:
        number = options["TCA_SKBEDIT_PTYPE"]
        yield field("ptype", next((name for name, one in PACKET_TYPES if one == number), number), " ptype %s", ip)
    if found("TCA_SKBEDIT_FLAGS", 0) & uapi.SKBEDIT_F_INHERITDSFIELD:
        yield field("inheritdsfield", NULL, " inheritdsfield", ip)
    yield from control_fields(options["TCA_SKBEDIT_PARMS"]["action"], " ", "", ip)
    yield line_end(ip)


# -- all ------------------------------------------------------------------------------------------------------------

PARSERS: dict[str, Callable[[Args], dict[str, Any]]] = {
    "mirred": mirred,
    "gact": _gact,
    "police": lambda args: police(args, named=True),
    "vlan": _vlan,
    "skbedit": _skbedit,
}
RENDERERS = {
    "mirred": (show_mirred, "\tindex %u"),
    "gact": (_show_gact, "\t index %u"),
    "vlan": (_show_vlan, "\t index %u"),
    "skbedit": (_show_skbedit, "\t index %u"),
}


def fields(kind: str, options: Any, ip: TcContext) -> Iterator[OutputField]:
    """Yield an action as tc prints it."""
    if kind == "police":
        yield from police_fields(options or {}, ip)
        return
    if kind not in RENDERERS:
        yield plain(f"[Unknown action, optlen={len(options)}] " if options else "")
        return
    yield field("kind", kind, "%s ", ip)
    parameters = options.get(f"TCA_{kind.upper()}_PARMS") if isinstance(options, dict) else None
    if parameters is None:
        return
    show, index = RENDERERS[kind]
    yield from show(options, ip)
    yield field("index", parameters["index"], index, ip)
    yield field("ref", parameters["refcnt"], " ref %d", ip)
    yield field("bind", parameters["bindcnt"], " bind %d", ip)
    if ip.stats:
        yield from times(options.get(f"TCA_{kind.upper()}_TM", {}), ip)
    yield line_end(ip)
