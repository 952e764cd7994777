"""netkit: pairs of links with BPF programs at their ends (ip-link(8) of iproute2 6.15, drivers/net/netkit.c in the kernel)."""

from __future__ import annotations

from ..grammar import FAILED, CommandError, duplicate
from ..reads import named_by
from ..render import OutputRow
from .kind import LinkKind, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Args, Record

MODES, POLICIES, SCRUBS = ("l2", "l3"), {0: "forward", 2: "blackhole"}, ("none", "default")  # NETKIT_*
HELP = """\
Usage: ... netkit [ mode MODE ] [ POLICY ] [ scrub SCRUB ] [ peer [ POLICY <options> ] ]

MODE: l3 | l2
POLICY: forward | blackhole
SCRUB: default | none
(first values are the defaults if nothing is specified)

To get <options> type 'ip link add help'."""


def _refused(what: str, names: str) -> CommandError:
    return CommandError(f"Error: {what} must be either {names}", FAILED)


def _parse(args: Args, index: int) -> Record:
    """Read the words.  After ``peer`` they are about the other end; the first that is none of these begins a link's."""
    record: Record = {}
    prefix = "IFLA_NETKIT_"
    while args:
        word = args.take()
        if word == "mode":
            mode = args.take()
            if "IFLA_NETKIT_MODE" in record:
                raise duplicate("mode", mode)
            if mode not in MODES:
                raise _refused('argument of "mode"', '"l3" or "l2"')
            record["IFLA_NETKIT_MODE"] = MODES.index(mode)
        elif word in POLICIES.values():
            record[f"{prefix}POLICY"] = next(number for number, name in POLICIES.items() if name == word)
        elif word == "peer":
            if prefix != "IFLA_NETKIT_":
                raise duplicate("peer", args.take() if args else "(null)")
            prefix = "IFLA_NETKIT_PEER_"
        elif word == "scrub":
            scrub = args.take()
            if scrub not in SCRUBS:
                raise _refused("scrub", '"none" or "default"')
            record[f"{prefix}SCRUB"] = SCRUBS.index(scrub)
        elif prefix == "IFLA_NETKIT_":
            raise CommandError(f'netkit: unknown option "{word}"?\n{HELP}', FAILED)
        else:
            from ..link_set import peer

            args.at -= 1
            record["IFLA_NETKIT_PEER_INFO"] = peer(args)
    return record


ROWS = (
    OutputRow("IFLA_NETKIT_MODE", "mode", "mode %s ", named_by(MODES)),
    OutputRow("IFLA_NETKIT_PRIMARY", "type", "type %s ", named_by(("peer",), "primary")),
    OutputRow("IFLA_NETKIT_POLICY", "policy", "policy %s ", named_by(POLICIES)),
    OutputRow("IFLA_NETKIT_PEER_POLICY", "peer_policy", "peer policy %s ", named_by(POLICIES)),
    OutputRow("IFLA_NETKIT_SCRUB", "scrub", "scrub %s ", named_by(SCRUBS)),
    OutputRow("IFLA_NETKIT_PEER_SCRUB", "peer_scrub", "peer scrub %s ", named_by(SCRUBS)),
)
KINDS = {"netkit": LinkKind(HELP, _parse, show(ROWS))}
