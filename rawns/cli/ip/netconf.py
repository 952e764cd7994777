"""`ip netconf`: how IP is configured on each interface, and in general (ip-netconf(8), `<linux/netconf.h>`)."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6

from ... import rtnl, uapi
from ...errors import KernelError
from ...nlmsg import Request
from .context import ObjectVerbs, complain, complaint
from .grammar import FAILED, CommandError
from .reads import switch_row
from .render import LINE_END, OutputRow, fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, IpContext, Iterator, Record, Row

EVERY = {uapi.NETCONFA_IFINDEX_ALL: "all", uapi.NETCONFA_IFINDEX_DEFAULT: "default"}
FAMILIES = {AF_INET: "inet", AF_INET6: "inet6", uapi.AF_MPLS: "mpls"}
SWITCHES = "forwarding rp_filter mc_forwarding proxy_neigh ignore_routes_with_linkdown input".split()
REVERSE_PATH = {0: "off", 1: "strict", 2: "loose"}


def _switch(name: str) -> OutputRow:
    """Return the row of an attribute that is on or off, or of the mode of the reverse path filter."""
    if name == "rp_filter":
        read = lambda value, record, ip: REVERSE_PATH.get(value, "unknown mode")  # noqa: E731
        return OutputRow("NETCONFA_RP_FILTER", name, f"{name} %s ", read)
    return switch_row(f"NETCONFA_{name.upper()}", name)


ROWS: tuple[Row, ...] = (
    OutputRow("ncm_family", "family", "%s ", lambda value, record, ip: FAMILIES.get(value)),
    OutputRow(
        "NETCONFA_IFINDEX", "interface", "%s ", lambda value, record, ip: EVERY.get(value) or ip.name_of(value), colour="ifname"
    ),
    *map(_switch, SWITCHES),
    LINE_END,
)


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
    families = [ip.family] if ip.family else list(FAMILIES)
    if not (ip.family and "index" in record):
        ip.print_rows(ROWS, _list(ip, families, record.get("index")))
    elif ip.family in (AF_INET, AF_INET6):  # iproute2 shows nothing of others, and ignores -json
        body = {"ncm_family": ip.family, "NETCONFA_IFINDEX": record["index"]}
        answer = ip.kernel.get(Request(rtnl.GETNETCONF, body))
        ip.print_text([fields(ROWS, answer.body, ip)])
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


run = ObjectVerbs("netconf", ("show|lst|list", show))
