"""`bridge link`: the ports of bridges (bridge(8), IFLA_BRPORT_* in <linux/if_link.h>)."""

from __future__ import annotations

from ... import rtnl, uapi
from ...nlmsg import Request
from ..ip.arguments import leading_integer
from ..ip.context import ObjectVerbs, help_of
from ..ip.grammar import FAILED, CommandError
from ..ip.keywords import ConstantKeyword, CustomKeyword, Keyword, OnOffKeyword, ValueKeyword, read
from ..ip.reads import switch_row
from ..ip.render import OutputField, OutputRow, device_name, fields, put
from ..ip.show_link import flag_names, name_and_lower
from .words import FAMILY, FILTERS, STATE, flag, index_of, read_filter, short, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..ip.hints import Args, Body, IpContext, Iterator, Record

WRONG_SWITCH = 234  # the exit status for neither on nor off: -EINVAL
MODES = {"veb": uapi.BRIDGE_MODE_VEB, "vepa": uapi.BRIDGE_MODE_VEPA}
MODE_NAMES = [name.upper() for name in MODES]


def _state(args: Args, record: Record) -> None:
    value = state(args.take(), "Error: invalid STP port state") & 0xFF
    record["IFLA_BRPORT_STATE"] = value - (value >> 7 << 8)


def _router(text: str) -> int:
    value = leading_integer(text) & 0xFF
    return value - (value >> 7 << 8)  # a C signed char


def _backup(args: Args, record: Record) -> None:
    record["IFLA_BRPORT_BACKUP_PORT"] = index_of(args, args.take(), "Error: device %s does not exist")


def _mode(args: Args, record: Record) -> None:
    word = args.take()
    record["flags"] = uapi.BRIDGE_FLAGS_SELF
    if word not in MODES:
        raise CommandError('Mode argument must be "vepa" or "veb".', FAILED)
    record["mode"] = MODES[word]


# One row for each option of a port: its word, its attribute, and how it is shown; in the order of the output.
SWITCHES = (
    ("hairpin", "IFLA_BRPORT_MODE"),
    ("guard", "IFLA_BRPORT_GUARD"),
    ("root_block", "IFLA_BRPORT_PROTECT"),
    ("fastleave", "IFLA_BRPORT_FAST_LEAVE"),
    ("learning", "IFLA_BRPORT_LEARNING"),
    ("learning_sync", "IFLA_BRPORT_LEARNING_SYNC"),
    ("flood", "IFLA_BRPORT_UNICAST_FLOOD"),
    ("mcast_flood", "IFLA_BRPORT_MCAST_FLOOD"),
    ("bcast_flood", "IFLA_BRPORT_BCAST_FLOOD"),
    ("mcast_router", "IFLA_BRPORT_MULTICAST_ROUTER"),
    ("mcast_to_unicast", "IFLA_BRPORT_MCAST_TO_UCAST"),
    ("neigh_suppress", "IFLA_BRPORT_NEIGH_SUPPRESS"),
    ("vlan_tunnel", "IFLA_BRPORT_VLAN_TUNNEL"),
    ("backup_port", "IFLA_BRPORT_BACKUP_PORT"),
    ("isolated", "IFLA_BRPORT_ISOLATED"),
    ("locked", "IFLA_BRPORT_LOCKED"),
)
OTHERS: dict[str, Keyword] = {  # of the options above, those that are not switches
    "mcast_router": ValueKeyword("mcast_router", "IFLA_BRPORT_MULTICAST_ROUTER", _router),
    "backup_port": CustomKeyword("backup_port", _backup),
}
WORDS = [
    ValueKeyword("dev", "dev", str),
    *[OTHERS.get(name) or OnOffKeyword(name, key, WRONG_SWITCH) for name, key in SWITCHES],
    ConstantKeyword("nobackup_port", "IFLA_BRPORT_BACKUP_PORT", 0),
    ValueKeyword("cost", "IFLA_BRPORT_COST", lambda text: leading_integer(text) & 0xFFFFFFFF),
    ValueKeyword("priority", "IFLA_BRPORT_PRIORITY", short),
    CustomKeyword("state", _state),
    CustomKeyword("hwmode", _mode),
    flag("self", uapi.BRIDGE_FLAGS_SELF, "flags"),
    flag("master", uapi.BRIDGE_FLAGS_MASTER, "flags"),
]
SHOWN = {
    "mcast_router": OutputRow("IFLA_BRPORT_MULTICAST_ROUTER", "mcast_router", "mcast_router %u "),
    "backup_port": OutputRow("IFLA_BRPORT_BACKUP_PORT", "backup_port", "backup_port %s ", device_name),
}
PORT = (
    OutputRow("IFLA_BRPORT_STATE", *STATE),
    OutputRow("IFLA_BRPORT_PRIORITY", "priority", "priority %u "),
    OutputRow("IFLA_BRPORT_COST", "cost", "cost %u "),
)
DETAILS = tuple(SHOWN.get(name) or switch_row(key, name) for name, key in SWITCHES)


def _set(args: Args) -> int:
    """Change a port."""

    def otherwise(word: str, args: Args, record: Record) -> None:
        raise help_of("link", "bridge")

    record = read(WORDS, args, {}, otherwise)
    device, flags, mode = record.pop("dev", None), record.pop("flags", 0), record.pop("mode", None)
    if device is None:
        raise CommandError("Device is a required argument.", FAILED)
    body: Body = {"ifi_family": FAMILY, "ifi_index": index_of(args, device, 'Cannot find bridge device "%s"')}
    if not record.get("IFLA_BRPORT_COST", 1):
        del record["IFLA_BRPORT_COST"]
    body["IFLA_PROTINFO"] = {key: value for key, value in record.items() if value >= 0}
    if flags or mode is not None:
        body["IFLA_AF_SPEC"] = {"IFLA_BRIDGE_FLAGS": flags} if flags else {}
        if mode is not None:
            body["IFLA_AF_SPEC"]["IFLA_BRIDGE_MODE"] = mode
    args.ip.do(Request(rtnl.SETLINK, body))
    return 0


# -- output -------------------------------------------------------------------------------------------------------


def _mode_name(value: int, body: Body, ip: IpContext) -> str:
    return MODE_NAMES[value] if value < len(MODE_NAMES) else f"0x{value:x}"


HEAD = (
    OutputRow("IFLA_MTU", "mtu", "mtu %u "),
    OutputRow("IFLA_MASTER", "master", "master %s ", device_name),
)
HARDWARE = (OutputRow("IFLA_BRIDGE_MODE", "hwmode", "hwmode %s ", _mode_name),)


def port(body: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the fields of a port, or of another link that a monitor reports."""
    yield OutputField("ifindex", body["ifi_index"], f"{body['ifi_index']}: ")
    yield from name_and_lower(body, ip, "%s: ")
    yield flag_names(body, ip)
    yield from fields(HEAD, body, ip)
    options = body.get("IFLA_PROTINFO")
    if isinstance(options, dict):
        yield from fields(PORT, options, ip)
        if ip.details:
            yield OutputField("", None, put("\n", None, ip) + "    ")
            yield from fields(DETAILS, options, ip)
    special = body.get("IFLA_AF_SPEC")
    if isinstance(special, dict):
        yield from fields(HARDWARE, special, ip)
    yield OutputField("", None, "\n")


def _show(args: Args) -> int:
    """Print the ports of bridges."""
    ip = args.ip
    wanted = read_filter(args, FILTERS[:1])["index"]
    found = ip.stream(Request(rtnl.GETLINK, {"ifi_family": FAMILY}, uapi.NLM_F_DUMP))
    bodies = (reply.body for reply in found if reply.body["ifi_family"] in (FAMILY, uapi.AF_UNSPEC))
    ip.print_all(port(body, ip) for body in bodies if wanted in (0, body["ifi_index"]))
    return 0


run = ObjectVerbs("link", ("set|change", _set), ("show|lst|list", _show), program="bridge")
