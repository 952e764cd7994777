"""ipvlan and ipvtap: further addresses on a link with one MAC address (ip-link(8), drivers/net/ipvlan in the kernel)."""

from __future__ import annotations

from ....objects.link import IPVLAN_MODES as MODES
from ..arguments import choice
from ..grammar import FAILED, CommandError
from ..keywords import CustomKeyword, ValueKeyword
from ..reads import bit, named_by
from ..render import OutputRow
from .kind import LinkKind, described, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Args, Keyword, Record

PRIVATE, VEPA = 1, 2  # IPVLAN_F_*
MODE_SENTENCE = 'Error: argument of "mode" must be either "l2", "l3" or "l3s"'
HELP = """\
Usage: ... {} [ mode MODE ] [ FLAGS ]

MODE: l3 | l3s | l2
FLAGS: bridge | private | vepa
(first values are the defaults if nothing is specified)."""


def _flag(kind: str, name: str, bits: int, text: str) -> Keyword:
    def take(args: Args, record: Record) -> None:
        if "IFLA_IPVLAN_FLAGS" in record:
            raise CommandError(f'{kind}: unknown option "{args.words[args.at - 1]}"?\n{text}', FAILED)
        record["IFLA_IPVLAN_FLAGS"] = bits

    return CustomKeyword(f"{name}*", take)


def _finish(record: Record, creates: bool) -> Record:
    record.setdefault("IFLA_IPVLAN_FLAGS", 0)
    return record


ROWS = (
    OutputRow("IFLA_IPVLAN_MODE", "mode", " mode %s ", named_by({number: name for name, number in MODES.items()}, "unknown")),
    OutputRow("IFLA_IPVLAN_FLAGS", "private", "private ", bit(PRIVATE)),
    OutputRow("IFLA_IPVLAN_FLAGS", "vepa", "vepa ", lambda flags, record, ip: True if flags & (PRIVATE | VEPA) == VEPA else None),
    OutputRow("IFLA_IPVLAN_FLAGS", "bridge", "bridge ", lambda flags, record, ip: None if flags & (PRIVATE | VEPA) else True),
)


def _kind(kind: str) -> LinkKind:
    text = HELP.replace("{}", kind)
    mode = ValueKeyword("mode*", "IFLA_IPVLAN_MODE", choice(MODES, MODE_SENTENCE))
    flags = [_flag(kind, name, bits, text) for name, bits in (("private", PRIVATE), ("vepa", VEPA), ("bridge", 0))]
    return described(kind, text, [mode, *flags], show(ROWS), "unknown option", _finish)


KINDS = {kind: _kind(kind) for kind in ("ipvlan", "ipvtap")}
