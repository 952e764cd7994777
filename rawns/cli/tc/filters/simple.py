"""Filters that match all packets (matchall), those with a mark (fw), or those that a class is for (basic)."""

from __future__ import annotations

from .... import uapi
from ...ip.arguments import U32
from ...ip.render import OutputField
from ..help_texts import FILTERS
from ..output import plain
from ..rows import ShownOnly, left_out, shown
from ..words import failed, format_classid
from . import FilterKind, action_row, class_row, hardware_rows, link_row, police_row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Body, Iterator, Record, TcContext

__all__ = ["KINDS"]


class Matchall(FilterKind):
    """matchall."""

    rows = [
        shown("handle", "handle 0x%x ", hidden=(0,)),
        class_row("TCA_MATCHALL"),
        *hardware_rows("TCA_MATCHALL", "\n  ", "", more=True),
        shown("TCA_MATCHALL_PCNT/rhit", " (rule hit %u)", label="rule_hit", only="stats"),
        action_row("TCA_MATCHALL"),
    ]


def _handle(name: str, value: int, form: str, ip: TcContext) -> OutputField:
    return OutputField(name, f"{value:x}", form % value)


class Basic(FilterKind):
    """basic, without extended matches."""

    rows = [
        shown("handle", "handle 0x%x ", _handle, hidden=(0,)),
        left_out("match*", "`match` of basic"),
        *(class_row("TCA_BASIC"), police_row("TCA_BASIC"), action_row("TCA_BASIC")),
    ]


def _handle_and_mask(handle: int, options: Body, ip: TcContext) -> Iterator[OutputField]:
    mask = options.get("TCA_FW_MASK")
    if handle or mask is not None:
        yield plain(f"handle 0x{handle:x}{'' if mask in (None, uapi.UINT32_MAX) else f'/0x{mask:x}'} ")


def _class(name: str, value: int, form: str, ip: TcContext) -> OutputField:
    return plain(form % format_classid(value, ip))


class Fw(FilterKind):
    """fw."""

    rows = [
        ShownOnly("handle", _handle_and_mask),
        class_row("TCA_FW", "classid*|flowid*", "classid %s ", _class),
        *(police_row("TCA_FW", line=False), link_row("TCA_FW")),
        ShownOnly("TCA_FW_INDEV", lambda name, options, ip: (plain(f"input dev {name} "),)),
        action_row("TCA_FW", "fw ", "\n"),
    ]

    def handle(self, text: str) -> tuple[int, Record]:
        head, slash, tail = text.partition("/")
        try:
            mark = U32(head)
        except ValueError:
            raise failed('Illegal "handle"') from None
        try:
            return mark, {"TCA_FW_MASK": U32(tail)} if slash else {}
        except ValueError:
            raise failed('Illegal "handle" mask') from None


KINDS = {
    "matchall": Matchall("matchall", "TCA_MATCHALL", FILTERS["matchall"]),
    "basic": Basic("basic", "TCA_BASIC", FILTERS["basic"]),
    "fw": Fw("fw", "TCA_FW", FILTERS["fw"]),
}
