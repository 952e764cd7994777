"""Filters that match all packets (matchall), those with a mark (fw), or those that a class is for (basic)."""

from __future__ import annotations

from .... import uapi
from ...ip.arguments import U32
from ...ip.keywords import CustomKeyword
from ...ip.render import OutputField
from ..actions import listed
from ..help_texts import FILTERS
from ..output import field, line_end, plain
from ..police import police_fields
from ..words import failed, format_classid, unsupported
from . import FilterKind, action_row, class_row, flag_fields, flag_row, link_row, police_row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Args, Body, Iterable, Record, TcContext

__all__ = ["KINDS"]


class Matchall(FilterKind):
    """matchall."""

    rows = [
        class_row("TCA_MATCHALL"),
        action_row("TCA_MATCHALL"),
        flag_row("skip_hw", "TCA_MATCHALL", uapi.TCA_CLS_FLAGS_SKIP_HW, more=True),
        flag_row("skip_sw", "TCA_MATCHALL", uapi.TCA_CLS_FLAGS_SKIP_SW, more=True),
    ]

    def fields(self, options: Body, handle: int, info: int, ip: TcContext) -> Iterable[OutputField]:
        if handle:
            yield field("handle", handle, "handle 0x%x ", ip)
        if "TCA_MATCHALL_CLASSID" in options:
            yield field("flowid", format_classid(options["TCA_MATCHALL_CLASSID"], ip), "flowid %s ", ip)
        yield from flag_fields(options.get("TCA_MATCHALL_FLAGS", 0), "\n  ", "", ip)
        if ip.stats and "TCA_MATCHALL_PCNT" in options:
            yield field("rule_hit", options["TCA_MATCHALL_PCNT"]["rhit"], " (rule hit %u)", ip)
        if "TCA_MATCHALL_ACT" in options:
            yield listed(options["TCA_MATCHALL_ACT"], ip)


def _match(args: Args, record: Record) -> None:
    raise unsupported("`match` of basic")


class Basic(FilterKind):
    """basic, without extended matches."""

    rows = [
        CustomKeyword("match*", _match),
        class_row("TCA_BASIC"),
        action_row("TCA_BASIC"),
        police_row("TCA_BASIC"),
    ]

    def fields(self, options: Body, handle: int, info: int, ip: TcContext) -> Iterable[OutputField]:
        if handle:
            yield OutputField("handle", f"{handle:x}", f"handle 0x{handle:x} ")
        if "TCA_BASIC_CLASSID" in options:
            yield field("flowid", format_classid(options["TCA_BASIC_CLASSID"], ip), "flowid %s ", ip)
        if "TCA_BASIC_POLICE" in options:
            yield line_end(ip)
            yield from police_fields(options["TCA_BASIC_POLICE"], ip)
        if "TCA_BASIC_ACT" in options:
            yield listed(options["TCA_BASIC_ACT"], ip)


class Fw(FilterKind):
    """fw."""

    rows = [
        class_row("TCA_FW", "classid*|flowid*"),
        police_row("TCA_FW"),
        action_row("TCA_FW", "fw "),
        link_row("TCA_FW"),
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

    def fields(self, options: Body, handle: int, info: int, ip: TcContext) -> Iterable[OutputField]:
        mask = options.get("TCA_FW_MASK")
        if handle or mask is not None:
            yield plain(f"handle 0x{handle:x}{'' if mask in (None, uapi.UINT32_MAX) else f'/0x{mask:x}'} ")
        if "TCA_FW_CLASSID" in options:
            yield plain(f"classid {format_classid(options['TCA_FW_CLASSID'], ip)} ")
        if "TCA_FW_POLICE" in options:
            yield from police_fields(options["TCA_FW_POLICE"], ip)
        if "TCA_FW_INDEV" in options:
            yield plain(f"input dev {options['TCA_FW_INDEV']} ")
        if "TCA_FW_ACT" in options:
            yield plain("\n")
            yield listed(options["TCA_FW_ACT"], ip)


KINDS = {
    "matchall": Matchall("matchall", "TCA_MATCHALL", FILTERS["matchall"]),
    "basic": Basic("basic", "TCA_BASIC", FILTERS["basic"]),
    "fw": Fw("fw", "TCA_FW", FILTERS["fw"]),
}
