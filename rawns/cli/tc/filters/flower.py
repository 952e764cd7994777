"""flower: filters that compare fields of a packet (tc-flower(8))."""

from __future__ import annotations

from .... import uapi
from ...ip.arguments import U32, interface
from ...ip.keywords import CustomKeyword, read
from ..help_texts import FILTERS
from ..output import field, line_end, nest
from ..rows import ShownOnly, left_out, shown
from ..words import failed, swapped
from . import FilterKind, action_row, class_row, flag_row
from .flower_keys import ETHER, FRAGMENT_KEY, KEYS, WORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Args, Body, Iterator, OutputField, Record, TcContext

__all__ = ["KINDS"]
MISSING = (
    "ct_state ct_zone ct_mark ct_label mpls hw_tc pppoe_sid ppp_proto l2tpv3_sid geneve_opts vxlan_opts erspan_opts gtp_opts"
)


def _link(args: Args, record: Record) -> None:
    record["TCA_FLOWER_INDEV"] = interface(args.take(), "indev")


def _hardware(flags: int, options: Body, ip: TcContext) -> Iterator[OutputField]:
    for name in ("skip_hw", "skip_sw", "in_hw", "not_in_hw"):
        if not flags & getattr(uapi, f"TCA_CLS_FLAGS_{name.upper()}") or name == "not_in_hw" and flags & uapi.TCA_CLS_FLAGS_IN_HW:
            continue
        yield line_end(ip)
        yield field(name, True, f"  {name}", ip)
        if name == "in_hw" and "TCA_FLOWER_IN_HW_COUNT" in options:
            yield field("in_hw_count", options["TCA_FLOWER_IN_HW_COUNT"], " in_hw_count %u", ip)


class Flower(FilterKind):
    """flower, without conntrack, label stacks, PPPoE and the options of tunnels."""

    rows = [
        shown("handle", "handle 0x%x ", hidden=(0,)),
        class_row("TCA_FLOWER", "classid*|flowid*", "classid %s "),
        FRAGMENT_KEY,
        flag_row("verbose*", "TCA_FLOWER", uapi.TCA_CLS_FLAGS_VERBOSE),
        flag_row("skip_hw*", "TCA_FLOWER", uapi.TCA_CLS_FLAGS_SKIP_HW),
        flag_row("skip_sw*", "TCA_FLOWER", uapi.TCA_CLS_FLAGS_SKIP_SW),
        *[left_out(f"{name}*", f"`{name}` of flower") for name in MISSING.split()],
        CustomKeyword("indev*", _link),
        ShownOnly("TCA_FLOWER_INDEV", lambda name, options, ip: (line_end(ip), field("indev", name, "  indev %s", ip))),
        *WORDS,
        ShownOnly("", lambda value, options, ip: (nest("keys", [one for key in KEYS for one in key.fields(options, ip)]),)),
        ShownOnly("TCA_FLOWER_FLAGS", _hardware),
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


KINDS = {"flower": Flower("flower", "TCA_FLOWER", FILTERS["flower"])}
