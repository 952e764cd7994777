"""flower: filters that compare fields of a packet (tc-flower(8))."""

from __future__ import annotations

from .... import uapi
from ...ip.arguments import U32, interface
from ...ip.keywords import CustomKeyword, read
from ..actions import listed
from ..help_texts import FILTERS
from ..output import field, line_end, nest
from ..words import failed, format_classid, swapped, unsupported
from . import FilterKind, action_row, class_row, flag_row
from .flower_keys import ETHER, FRAGMENT_KEY, KEYS, WORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Args, Body, Iterable, OutputField, Record, TcContext

__all__ = ["KINDS"]
MISSING = (
    "ct_state ct_zone ct_mark ct_label mpls hw_tc pppoe_sid ppp_proto l2tpv3_sid geneve_opts vxlan_opts erspan_opts gtp_opts"
)


def _link(args: Args, record: Record) -> None:
    record["TCA_FLOWER_INDEV"] = interface(args.take(), "indev")


def _missing(name: str) -> CustomKeyword:
    def take(args: Args, record: Record) -> None:
        raise unsupported(f"`{name}` of flower")

    return CustomKeyword(f"{name}*", take)


class Flower(FilterKind):
    """flower, without conntrack, label stacks, PPPoE and the options of tunnels."""

    rows = [
        class_row("TCA_FLOWER", "classid*|flowid*"),
        FRAGMENT_KEY,
        flag_row("verbose*", "TCA_FLOWER", uapi.TCA_CLS_FLAGS_VERBOSE),
        flag_row("skip_hw*", "TCA_FLOWER", uapi.TCA_CLS_FLAGS_SKIP_HW),
        flag_row("skip_sw*", "TCA_FLOWER", uapi.TCA_CLS_FLAGS_SKIP_SW),
        *[_missing(name) for name in MISSING.split()],
        CustomKeyword("indev*", _link),
        *WORDS,
        action_row("TCA_FLOWER"),
    ]

    def handle(self, text: str) -> tuple[int, Record]:
        try:
            return U32(text), {}
        except ValueError:
            raise failed('Illegal "handle"') from None

    def parse(self, args: Args, handle: str | None, record: Record) -> None:
        if handle is not None:
            record["tcm_handle"], _ = self.handle(handle)
        ether = swapped(record.get("tcm_info", 0) & 0xFFFF)
        options = read(self.rows, args, {ETHER: ether, "protocol": ether}, self._otherwise)
        options.setdefault("TCA_FLOWER_FLAGS", 0)
        options[ETHER] = ether
        for key in ("protocol", "vlan type", *([ETHER] if ether == uapi.ETH_P_ALL else [])):
            options.pop(key, None)
        record["TCA_OPTIONS"] = options

    def fields(self, options: Body, handle: int, info: int, ip: TcContext) -> Iterable[OutputField]:
        if handle:
            yield field("handle", handle, "handle 0x%x ", ip)
        if "TCA_FLOWER_CLASSID" in options:
            yield field("classid", format_classid(options["TCA_FLOWER_CLASSID"], ip), "classid %s ", ip)
        if "TCA_FLOWER_INDEV" in options:
            yield line_end(ip)
            yield field("indev", options["TCA_FLOWER_INDEV"], "  indev %s", ip)
        yield nest("keys", [one for key in KEYS for one in key.fields(options, ip)])
        flags = options.get("TCA_FLOWER_FLAGS", 0)
        in_hardware = flags & uapi.TCA_CLS_FLAGS_IN_HW
        for name, shown in (
            ("skip_hw", flags & uapi.TCA_CLS_FLAGS_SKIP_HW),
            ("skip_sw", flags & uapi.TCA_CLS_FLAGS_SKIP_SW),
            ("in_hw", in_hardware),
            ("not_in_hw", flags & uapi.TCA_CLS_FLAGS_NOT_IN_HW and not in_hardware),
        ):
            if shown:
                yield line_end(ip)
                yield field(name, True, f"  {name}", ip)
                if name == "in_hw" and "TCA_FLOWER_IN_HW_COUNT" in options:
                    yield field("in_hw_count", options["TCA_FLOWER_IN_HW_COUNT"], " in_hw_count %u", ip)
        if "TCA_FLOWER_ACT" in options:
            yield listed(options["TCA_FLOWER_ACT"], ip)


KINDS = {"flower": Flower("flower", "TCA_FLOWER", FILTERS["flower"])}
