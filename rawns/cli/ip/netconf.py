"""`ip netconf`: how IP is configured on each interface, and in general (ip-netconf(8), `<linux/netconf.h>`)."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6

from ... import rtnl, uapi
from ...errors import KernelError
from ...nlmsg import Request
from .context import complain, complaint, dispatch
from .grammar import FAILED, CommandError, matches
from .render import OutputField, put, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...wire import Body
    from .context import Args, IpContext
    from .grammar import Record

ALL, DEFAULT = uapi.NETCONFA_IFINDEX_ALL, uapi.NETCONFA_IFINDEX_DEFAULT
FAMILIES = {AF_INET: "inet", AF_INET6: "inet6", uapi.AF_MPLS: "mpls"}
SWITCHES = {  # in the order in which `ip` names them
    "NETCONFA_FORWARDING": "forwarding",
    "NETCONFA_RP_FILTER": "rp_filter",
    "NETCONFA_MC_FORWARDING": "mc_forwarding",
    "NETCONFA_PROXY_NEIGH": "proxy_neigh",
    "NETCONFA_IGNORE_ROUTES_WITH_LINKDOWN": "ignore_routes_with_linkdown",
    "NETCONFA_INPUT": "input",
}
REVERSE_PATH = {0: "off", 1: "strict", 2: "loose"}


def netconf(record: Body, ip: IpContext, deleted: bool = False) -> Iterator[OutputField]:
    """Yield the fields of one interface's configuration, or of ``all`` or ``default``."""
    if deleted:
        yield OutputField("deleted", True, "Deleted ")
    family = FAMILIES.get(record["ncm_family"])
    if family is not None:
        yield OutputField("family", family, f"{family} ")
    if "NETCONFA_IFINDEX" in record:
        index = record["NETCONFA_IFINDEX"]
        name = {ALL: "all", DEFAULT: "default"}.get(index) or ip.name_of(index)
        yield OutputField("interface", name, put("%s ", name, ip, "ifname" if index > 0 else None))
    for key, name in SWITCHES.items():
        if key not in record:
            continue
        value = record[key]
        if name == "rp_filter":
            shown = REVERSE_PATH.get(value, "unknown mode")
            yield OutputField(name, shown, f"{name} {shown} ")
        else:
            yield OutputField(name, bool(value), f"{name} {'on' if value else 'off'} ")
    yield OutputField("", None, "\n")


def show(args: Args) -> int:
    """List the configuration of all interfaces, or of one."""
    ip = args.ip
    record: Record = {}
    while args:  # iproute2 ignores words that it does not know
        if args.take() == "dev":
            name = args.take()
            record["index"] = ip.index_of(name)
            if not record["index"]:
                raise CommandError(f'Device "{name}" does not exist.', FAILED)
    families = [ip.family] if ip.family else [AF_INET, AF_INET6, uapi.AF_MPLS]
    if ip.family and "index" in record:
        return _one(ip, ip.family, record["index"])
    ip.print_all(netconf(found, ip) for found in _list(ip, families, record.get("index")))
    return 0


def _one(ip: IpContext, family: int, index: int) -> int:
    """Print one interface's configuration; as text, because iproute2 ignores -json here."""
    answer = ip.kernel.get(Request(rtnl.GETNETCONF, {"ncm_family": family, "NETCONFA_IFINDEX": index}))
    ip.json = False
    ip.write(text(netconf(answer.body, ip)))
    return 0


def _list(ip: IpContext, families: list[int], index: int | None) -> Iterator[Body]:
    for family in families:
        try:
            replies = ip.kernel.dump(Request(rtnl.GETNETCONF, {"ncm_family": family}, uapi.NLM_F_DUMP))
        except KernelError as error:
            if len(families) == 1 and family in FAMILIES:
                complain(complaint(error))
            continue
        for reply in replies:
            if reply.body["ncm_family"] != family:
                continue  # the kernel lists all families if it does not know this one
            if reply.kind == uapi.RTM_NEWNETCONF and index in (None, reply.body.get("NETCONFA_IFINDEX")):
                yield reply.body


def help() -> CommandError:
    """Return the help text of `ip netconf`."""
    from .help_texts import OBJECTS

    return CommandError(OBJECTS["netconf"])


def _help(args: Args) -> int:
    raise help()


def run(args: Args) -> int:
    """Run ``ip netconf`` with its words; return the exit status."""
    if not args:
        return show(args)
    word = args.take()
    if matches(word, "help"):
        raise help()
    return dispatch((("show|lst|list", show), ("help", _help)), word, args, "netconf")
