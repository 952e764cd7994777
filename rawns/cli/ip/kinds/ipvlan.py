"""ipvlan and ipvtap: further addresses on a link with one MAC address (ip-link(8), drivers/net/ipvlan in the kernel)."""

from __future__ import annotations

from ....objects.link import IPVLAN_MODES as MODES
from ..grammar import FAILED, CommandError
from ..keywords import CustomKeyword
from ..render import OutputField
from .kind import LinkKind, described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Args, Body, IpContext, Iterator, Keyword, Record

PRIVATE, VEPA = 1, 2  # IPVLAN_F_*
HELP = """\
Usage: ... {} [ mode MODE ] [ FLAGS ]

MODE: l3 | l3s | l2
FLAGS: bridge | private | vepa
(first values are the defaults if nothing is specified)."""


def _mode(args: Args, record: Record) -> None:
    word = args.take()
    if word not in MODES:
        raise CommandError('Error: argument of "mode" must be either "l2", "l3" or "l3s"', FAILED)
    record["IFLA_IPVLAN_MODE"] = MODES[word]


def _flag(kind: str, name: str, bits: int, text: str) -> Keyword:
    def take(args: Args, record: Record) -> None:
        if "IFLA_IPVLAN_FLAGS" in record:
            raise CommandError(f'{kind}: unknown option "{args.words[args.at - 1]}"?\n{text}', FAILED)
        record["IFLA_IPVLAN_FLAGS"] = bits

    return CustomKeyword(f"{name}*", take)


def _finish(record: Record, creates: bool) -> Record:
    record.setdefault("IFLA_IPVLAN_FLAGS", 0)
    return record


def _show(data: Body, ip: IpContext) -> Iterator[OutputField]:
    if "IFLA_IPVLAN_MODE" in data:
        mode = data["IFLA_IPVLAN_MODE"]
        name = next((name for name, number in MODES.items() if number == mode), "unknown")
        yield OutputField("mode", name, f" mode {name} ")
    if "IFLA_IPVLAN_FLAGS" in data:
        flags = data["IFLA_IPVLAN_FLAGS"]
        name = "private" if flags & PRIVATE else "vepa" if flags & VEPA else "bridge"
        yield OutputField(name, True, f"{name} ")


def _kind(kind: str) -> LinkKind:
    text = HELP.replace("{}", kind)
    flags = [_flag(kind, name, bits, text) for name, bits in (("private", PRIVATE), ("vepa", VEPA), ("bridge", 0))]
    return described(kind, text, [CustomKeyword("mode*", _mode), *flags], _show, "unknown option", _finish)


KINDS = {kind: _kind(kind) for kind in ("ipvlan", "ipvtap")}
