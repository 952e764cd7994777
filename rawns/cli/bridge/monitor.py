"""`bridge monitor`: what changes at bridges, as it changes (bridge(8))."""

from __future__ import annotations

from ... import uapi
from ..ip.context import help_of
from ..ip.grammar import CommandError, matches
from ..ip.keywords import CustomKeyword, read
from ..ip.monitor import decoded, from_file, time_of_event, watch
from ..ip.render import OutputField
from . import fdb, link, mdb, vlan_options, vni
from .words import FAMILY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..ip.hints import Args, Body, Callable, Frame, IpContext, Iterator, Record

    Show = Callable[[Body, IpContext], Iterator[OutputField]]

GROUPS = {
    "link": uapi.RTNLGRP_LINK,
    "fdb": uapi.RTNLGRP_NEIGH,
    "mdb": uapi.RTNLGRP_MDB,
    "vlan": uapi.RTNLGRP_BRVLAN,
    "vni": uapi.RTNLGRP_TUNNEL,
}
USUAL = ("link", "fdb", "mdb")  # without words
FAMILIES = {"ifi_family": (FAMILY, uapi.AF_UNSPEC), "ndm_family": (FAMILY,), "family": (FAMILY,)}
# By the name of the message without RTM_NEW or RTM_DEL: the label, the field of the family, and what shows it.
EVENTS: dict[str, tuple[str, str, Show]] = {
    "LINK": ("[LINK]", "ifi_family", link.port),
    "NEIGH": ("[NEIGH]", "ndm_family", fdb.entry),
    "MDB": ("[MDB]", "", mdb.event),
    "VLAN": ("[VLAN]", "family", vlan_options.event),
    "TUNNEL": ("[TUNNEL]", "family", vni.device),
}


def _print(data: bytes, frame: Frame, label: bool, ip: IpContext) -> None:
    """Print one event, as text also with ``-json``: iproute2 has no JSON for events."""
    reply = decoded(data, frame, ip, "bridge")
    if reply is None or not reply.name.startswith(("RTM_NEW", "RTM_DEL")):
        return
    text, family, show = EVENTS.get(reply.name[len("RTM_NEW") :], ("", "", None))
    if show is None or family and reply.body[family] not in FAMILIES[family]:
        return
    head = [OutputField("", None, time_of_event(ip) + (text if label else ""))]
    if reply.name.startswith("RTM_DEL"):
        head.append(OutputField("deleted", True, "Deleted "))
    ip.print_text([head, show(reply.body, ip)])


def _object(name: str) -> Callable[[Args, Record], None]:
    def act(args: Args, record: Record) -> None:
        record["base"] = ()
        record["objects"].add(name)

    return act


def _all(args: Args, record: Record) -> None:
    record["base"], record["label"] = USUAL, True
    record["objects"] |= {"vlan", "vni"}


def _file(args: Args, record: Record) -> None:
    record["file"] = args.take()


WORDS = [
    CustomKeyword("file*", _file),
    *[CustomKeyword(name if name == "vni" else f"{name}*", _object(name)) for name in GROUPS],
    CustomKeyword("all", _all),
]


def _otherwise(word: str, args: Args, record: Record) -> None:
    if matches(word, "help"):
        raise help_of("monitor", "bridge")
    raise CommandError(f'Argument "{word}" is unknown, try "bridge monitor help".')


def run(args: Args) -> int:
    """Run ``bridge monitor`` with its words, until a signal ends it; return the exit status."""
    ip = args.ip
    record = read(WORDS, args, {"base": USUAL, "objects": set()}, _otherwise)
    label = "label" in record

    def show(data: bytes, frame: Frame, nsid: int) -> None:
        _print(data, frame, label, ip)

    if "file" in record:
        return from_file(record["file"], ip, show)
    return watch([GROUPS[name] for name in GROUPS if name in record["objects"] or name in record["base"]], ip, show)
