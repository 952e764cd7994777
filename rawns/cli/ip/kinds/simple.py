"""Kinds of links without options of their own, and pairs of links: veth, vxcan (veth(4))."""

from __future__ import annotations

from ..grammar import FAILED, CommandError
from .kind import LinkKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Args, Record

HELP = """\
Usage: ip link <options> type {} [peer <options>]
To get <options> type 'ip link add help'"""


def _pair(kind: str, attribute: str) -> LinkKind:
    text = HELP.format(kind)

    def parse(args: Args, index: int) -> Record:
        from ..link_set import peer

        if args.take() != "peer":
            args.ip.write([f"{text}\n"])
            raise CommandError("", FAILED)
        return {attribute: peer(args)}

    return LinkKind(text, parse)


KINDS = {
    "veth": _pair("veth", "VETH_INFO_PEER"),
    "vxcan": _pair("vxcan", "VXCAN_INFO_PEER"),
    **{kind: LinkKind(f"Usage: ... {kind}") for kind in ("dummy", "ifb", "nlmon", "vcan", "team", "team_slave", "netdevsim")},
}
