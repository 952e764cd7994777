"""`ip addrlabel`: labels of IPv6 prefixes, by which source addresses are chosen (ip-addrlabel(8), RFC 6724)."""

from __future__ import annotations

from _socket import AF_INET6

from ... import rtnl, uapi
from ...nlmsg import Request
from .arguments import U32
from .context import ObjectVerbs, complain
from .grammar import BAD_WORD, FAILED, CommandError
from .keywords import DeviceKeyword, PrefixKeyword, ValueKeyword, ignore, read
from .render import LINE_END, OutputRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, IpContext, Iterator, Message

NO_LABEL = 0xFFFFFFFF


def _as_ipv4_mapped(address: str, record: Body, ip: IpContext) -> str:
    """Return the mapped prefix as C's inet_ntop(3) writes it, which differs from newer ones for an empty IPv4 part."""
    return "::ffff:0.0.0.0" if address == "::ffff:0:0" else address


ROWS = (
    OutputRow("IFAL_ADDRESS", "address", "prefix %s", _as_ipv4_mapped, colour="inet6"),
    OutputRow("ifal_prefixlen", "prefixlen", "/%s ", lambda value, record, ip: value if "IFAL_ADDRESS" in record else None),
    OutputRow("ifal_index", "ifname", "dev %s ", lambda value, record, ip: ip.name_of(value) if value else None, colour="ifname"),
    OutputRow("IFAL_LABEL", "label", "label %s "),
    LINE_END,
)


def _label(text: str) -> int:
    value = U32(text)
    if value == NO_LABEL:
        raise ValueError(text)
    return value


WORDS = [
    PrefixKeyword("prefix", "prefix"),
    DeviceKeyword("dev", "ifal_index", "dev is invalid\n"),
    ValueKeyword("label", "IFAL_LABEL", _label, "label is invalid\n"),
]


def modify(args: Args, message: Message, flags: int = 0) -> int:
    """Add or delete a label."""
    ip = args.ip
    record = read(WORDS, args, {"family": ip.family}, ignore)
    found, family = record.pop("prefix", None), record.pop("family")
    if found is None:
        complain('Not enough information: "prefix" argument is required.')
        return FAILED
    if "IFAL_LABEL" not in record:
        complain('Not enough information: "label" argument is required.')
        return FAILED
    record.update({"ifal_family": family or AF_INET6, "ifal_prefixlen": found.length, "IFAL_ADDRESS": found.packed})
    record = {key: record[key] for key in sorted(record, key=lambda key: key == "IFAL_LABEL")}
    ip.do(Request(message, record, flags))
    return 0


def _labels(ip: IpContext, failure: str, status: int) -> Iterator[Body]:
    request = Request(rtnl.GETADDRLABEL, {"ifal_family": ip.family or AF_INET6}, uapi.NLM_F_DUMP)
    for reply in ip.stream(request, failure, status):
        yield reply.body


def show(args: Args) -> int:
    """List the labels."""
    if args:
        raise CommandError('"ip addrlabel show" does not take any arguments.', FAILED)
    args.ip.print_rows(ROWS, _labels(args.ip, "Dump terminated", BAD_WORD))
    return 0


def flush(args: Args) -> int:
    """Delete all labels."""
    if args:
        raise CommandError('"ip addrlabel flush" does not allow extra arguments', FAILED)
    for one in list(_labels(args.ip, "Flush terminated", FAILED)):
        args.ip.do(Request(rtnl.DELADDRLABEL, {key: value for key, value in one.items() if isinstance(key, str)}))
    return 0


run = ObjectVerbs(
    "addrlabel",
    ("list|lst|show", show),
    ("add", lambda args: modify(args, rtnl.NEWADDRLABEL, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL)),
    ("delete", lambda args: modify(args, rtnl.DELADDRLABEL)),
    ("flush", flush),
)
