"""`ip addr`: show, add, change, replace, delete, flush, save and restore addresses (ip-address(8)).

The words that add and change addresses are loaded only for those verbs.
"""

from __future__ import annotations

from errno import EADDRNOTAVAIL

from ... import rtnl, uapi
from ...errors import KernelError
from ...nlmsg import Request
from . import link
from .context import ObjectVerbs, reason
from .grammar import AF_PACKET, FAILED, CommandError, late

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, IpContext, Iterator, Message, OutputField


def modify(args: Args, message: Message, flags: int = 0) -> int:
    """Send the request that the words describe."""
    from .addr_change import body

    ip = args.ip
    ip.change(Request(message, body(args, message is rtnl.DELADDR), flags), lambda one: _shown(one, ip))
    return 0


def flush(args: Args) -> int:
    """Delete all addresses that a filter fits, in rounds: deleting one may bring another forth."""
    ip = args.ip
    if not args:
        raise CommandError("Flush requires arguments.", FAILED)
    if ip.family == AF_PACKET:
        raise CommandError("Cannot flush link addresses.", FAILED)
    from .filters import wanted
    from .flush import in_rounds

    record = wanted(args, "address")
    primary_only = bool(record.get("mask", 0) & ~record.get("flags", 0) & uapi.IFA_F_SECONDARY)
    fits = link.matcher(record, ip)

    def delete(one: Body) -> None:
        try:
            ip.do(Request(rtnl.DELADDR, {key: value for key, value in one.items() if isinstance(key, str)}), EADDRNOTAVAIL)
        except KernelError as error:
            raise CommandError(f"Failed to send flush request: {reason(error)}") from None

    if not in_rounds(
        ip,
        ip.flush_rounds,
        lambda: list(filter(fits, link.addresses(ip, record))),
        lambda found: ip.print_text(_shown(one, ip) for one in found),
        delete,
        "addresses",
        once=primary_only,
    ):
        raise CommandError(f"*** Flush remains incomplete after {ip.flush_rounds} rounds. ***", exits=False)
    return 0


def _shown(one: Body, ip: IpContext) -> Iterator[OutputField]:
    from .show_link import address

    return address(one, ip, named=True)


def save(args: Args) -> int:
    """Write addresses to standard output, for `restore`; as in iproute2 only the device and the family select."""
    from .filters import wanted
    from .saved import write

    ip = args.ip
    record = wanted(args, "address") if args else {"family": ip.family, "index": 0}
    write("address", [(rtnl.NEWADDR, one) for one in link.addresses(ip, record) if record["index"] in (0, one["ifa_index"])])
    return 0


def showdump(args: Args) -> int:
    """Print the addresses that `save` has written."""
    from . import show_link
    from .render import JsonObject, OutputField, text
    from .saved import read_messages

    ip = args.ip
    saved = [one for _, one in read_messages("address")]
    if ip.json:
        shown = [JsonObject([OutputField("index", one["ifa_index"]), *show_link.address(one, ip)]) for one in saved]
        ip.print_all([[OutputField("addr_info", shown)]])
        return 0
    for one in saved:
        ip.write([f"if{one['ifa_index']}:\n", *text(show_link.address(one, ip))])
    return 0


run = ObjectVerbs(
    "address",
    ("add", lambda args: modify(args, rtnl.NEWADDR, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL)),
    ("change|chg", lambda args: modify(args, rtnl.NEWADDR, uapi.NLM_F_REPLACE)),
    ("replace", lambda args: modify(args, rtnl.NEWADDR, uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE)),
    ("delete", lambda args: modify(args, rtnl.DELADDR)),
    ("list|show|lst", lambda args: link.list_links(args, False, "address")),
    ("flush", flush),
    ("save", save),
    ("showdump", showdump),
    ("restore", lambda args: late("saved.restore")("address", args.ip)),
)
