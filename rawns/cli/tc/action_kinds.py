"""The actions of filters: mirred, gact, police, vlan and skbedit, each with its words and its output (tc-actions(8))."""

from __future__ import annotations

from ... import uapi
from ..ip.arguments import U8, U16, U32, lladdr
from ..ip.ethertypes import ethertype
from ..ip.grammar import CommandError, matches, wrong
from ..ip.keywords import CustomKeyword
from ..ip.render import NULL, OutputField
from . import units
from .action_kind import ActionKind, help_row, take_index
from .common import help_of, need, peek
from .help_texts import ACTIONS as HELP
from .mirred import Mirred
from .output import class_field, control_fields, field, line_end, nest, protocol_field
from .police import Police
from .rows import KindOption, Switch, shown
from .words import classid, refused, take_control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Args, Body, Iterable, Iterator, Record, TcContext

OTHERS = frozenset("bpf connmark csum ct ctinfo gate ife ipt mpls nat pedit sample simple skbmod tunnel_key xt".split())


# -- gact ---------------------------------------------------------------------------------------------------------

RANDOM = ("none", "netrand", "determ")
MAX_VALUE = 10_000


def _control(args: Args) -> int:
    try:
        return take_control(args)
    except CommandError as error:
        raise CommandError(error.text if error.exits else f"{error.text}\n{HELP['gact']}") from None


def _follows(args: Args, word: str) -> bool:
    """Take a word if it follows; return whether it does.  Raises `CommandError` with the help of gact if ``help`` follows."""
    if matches(peek(args), word):
        args.take()
        return True
    if matches(peek(args), "help"):
        raise help_of("gact")
    return False


def _chance(args: Args) -> Record:
    word = args.take()
    kind = next((number for number, name in enumerate(RANDOM) if number and matches(word, name)), 0)
    if not kind:
        raise refused('Illegal "random type"')
    need(args)
    action = _control(args)
    try:
        value = units.decimal(16)(args.take())
    except ValueError:
        raise refused("Illegal probability val 0x0") from None
    if value > MAX_VALUE:
        raise refused(f"Illegal probability val  0x{value:x}")
    return {"ptype": kind, "pval": value, "paction": action}


class Gact(ActionKind):
    """gact, of which the name may be left out."""

    def parse(self, args: Args) -> Record:
        options: Record = {self.parameters: {}}
        if matches(peek(args), "gact"):
            args.take()
            need(args)
        if not matches(peek(args), "index"):
            options[self.parameters]["action"] = _control(args)
            if _follows(args, "random"):
                options["TCA_GACT_PROB"] = _chance(args)
        if _follows(args, "index"):
            options[self.parameters]["index"] = take_index(args)
        return options

    def shown(self, options: Body, ip: TcContext) -> Iterator[OutputField]:
        chance = options.get("TCA_GACT_PROB", {"ptype": 0, "pval": 0, "paction": 0})
        yield from control_fields(options[self.parameters]["action"], "action ", "", ip)
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
PUSHES, PUSH_ETH = (uapi.TCA_VLAN_ACT_PUSH, uapi.TCA_VLAN_ACT_MODIFY), (uapi.TCA_VLAN_ACT_PUSH_ETH,)


def _priority(text: str) -> int:
    if U8(text) > 7:
        raise ValueError(text)
    return U8(text)


def _mac(text: str) -> str:
    try:
        return lladdr(text)
    except CommandError:
        raise ValueError(text) from None


class _VlanAction(Switch):
    """What is done with the tag, of which there is one word."""

    __slots__ = ()

    def take(self, args: Args, record: Record) -> None:
        if record["TCA_VLAN_PARMS"].get("v_action"):
            raise refused(f'unexpected "{args.words[args.at - 1]}" - action already specified\n{HELP["vlan"]}')
        super().take(args, record)


class _VlanOption(KindOption):
    """An option of some of the actions in `VLAN`, which ``needed`` makes mandatory; ``name`` is what a complaint calls it."""

    __slots__ = ("actions", "needed")

    def __init__(self, word: str, key: str, read: Any, name: str, actions: tuple[int, ...], needed: bool = True, **more: Any):
        more["illegal"] = f'Error: argument "WORD" is wrong: {name} is invalid'
        super().__init__(f"{word}*", f"TCA_VLAN_PUSH_{key}", read, form=f" {word} %s", error=CommandError, **more)
        self.actions, self.needed = actions, needed

    def take(self, args: Args, record: Record) -> None:
        if record["TCA_VLAN_PARMS"].get("v_action") not in self.actions:
            names = "/".join([VLAN[one] for one in self.actions])
            raise wrong(args.words[args.at - 1], f"only valid for {names}")
        super().take(args, record)

    def fields(self, options: Body, ip: TcContext) -> Iterator[OutputField]:
        if options["TCA_VLAN_PARMS"]["v_action"] in self.actions:
            yield from super().fields(options, ip)


def _vlan_action(name: str, value: int, form: str, ip: TcContext) -> OutputField:
    return field(name, VLAN.get(value, "(null)"), form, ip)


class VlanTag(ActionKind):
    """vlan."""

    options = (
        _VlanOption("id", "VLAN_ID", U16, "id", PUSHES),
        _VlanOption("protocol", "VLAN_PROTOCOL", ethertype, "protocol", PUSHES, needed=False, show=protocol_field),
        _VlanOption("priority", "VLAN_PRIORITY", _priority, "prio", PUSHES, needed=False),
        _VlanOption("dst_mac", "ETH_DST", _mac, "dst_mac", PUSH_ETH),
        _VlanOption("src_mac", "ETH_SRC", _mac, "src_mac", PUSH_ETH),
    )
    rows = (
        *[_VlanAction(f"{name}*", "TCA_VLAN_PARMS/v_action", number) for number, name in VLAN.items()],
        shown("TCA_VLAN_PARMS/v_action", " %s", _vlan_action, label="vlan_action"),
        *options,
        help_row("vlan"),
    )

    def check(self, options: Record, numbered: bool) -> None:
        kind = options[self.parameters].setdefault("v_action", 0)
        for row in self.options:
            if row.needed and kind in row.actions and row.key not in options:
                raise refused(f"{row.name} needs to be set for {VLAN[kind]}\n{HELP['vlan']}")
        if options.get("TCA_VLAN_PUSH_VLAN_PROTOCOL", uapi.ETH_P_8021Q) not in (uapi.ETH_P_8021Q, uapi.ETH_P_8021AD):
            raise refused(f"protocol not supported\n{HELP['vlan']}")


# -- skbedit ------------------------------------------------------------------------------------------------------

PACKET_TYPES = (("host", 0), ("broadcast", 1), ("multicast", 2), ("otherhost", 3))  # PACKET_HOST ..., <linux/if_packet.h>


def _edit(name: str, read: Any, form: str = "", illegal: str = "", **more: Any) -> KindOption:
    return KindOption(
        f"{name}*", f"TCA_SKBEDIT_{name.upper()}", read, form=form, illegal=illegal or f"Illegal {name}", error=refused, **more
    )


def _mark(args: Args, record: Record) -> None:
    head, slash, tail = args.take().partition("/")
    for name, text in (("mark", head), ("mask", tail))[: 2 if slash else 1]:
        try:
            record[f"TCA_SKBEDIT_{name.upper()}"] = U32(text)
        except ValueError:
            raise refused(f"Illegal {name}") from None


def _mask(name: str, value: int, form: str, ip: TcContext) -> OutputField:
    return OutputField(name, f"{value:x}", f"/{f'{value:#x}' if value else '0'}")


def _packet_type(text: str) -> int:
    for name, number in PACKET_TYPES:
        if matches(text, name):
            return number
    raise ValueError(text)


def _type_name(name: str, value: int, form: str, ip: TcContext) -> OutputField:
    return field(name, next((one for one, number in PACKET_TYPES if number == value), value), form, ip)


class Skbedit(ActionKind):
    """skbedit."""

    rows = (
        _edit("queue_mapping", units.decimal(16), "queue_mapping %u"),
        _edit("priority", classid, " priority %s", show=class_field),
        CustomKeyword("mark*", _mark),
        shown("TCA_SKBEDIT_MARK", " mark %u", label="mark"),
        shown("TCA_SKBEDIT_MASK", "%s", _mask, label="mask"),
        _edit("ptype", _packet_type, " ptype %s", "Illegal ptype (WORD)", show=_type_name),
        Switch("inheritdsfield*", "TCA_SKBEDIT_FLAGS", uapi.SKBEDIT_F_INHERITDSFIELD),
        help_row("skbedit"),
    )

    def check(self, options: Record, numbered: bool) -> None:
        if len(options) == 1 and not numbered:
            raise refused(HELP["skbedit"])

    def shown(self, options: Body, ip: TcContext) -> Iterable[OutputField]:
        found = list(super().shown(options, ip))
        if options.get("TCA_SKBEDIT_FLAGS", 0) & uapi.SKBEDIT_F_INHERITDSFIELD:
            found[-4:-4] = [field("inheritdsfield", NULL, " inheritdsfield", ip)]  # in front of the control
        return found


KINDS: dict[str, ActionKind] = {
    kind.name: kind for kind in (Mirred("mirred"), Gact("gact"), Police("police"), VlanTag("vlan"), Skbedit("skbedit"))
}


def fields(kind: str, options: Any, ip: TcContext) -> Iterator[OutputField]:
    """Yield an action as tc prints it."""
    if kind in KINDS:
        yield from KINDS[kind].fields(options, ip)
    elif options:
        yield field("", None, f"[Unknown action, optlen={len(options)}] ", ip)
