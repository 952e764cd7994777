"""`ip token`: the interface identifier that IPv6 uses for addresses it makes itself (ip-token(8))."""

from __future__ import annotations

from _socket import AF_INET6

from ... import rtnl, uapi
from ...nlmsg import Request
from .arguments import prefix
from .context import ObjectVerbs, complain, help_of
from .grammar import FAILED, matches
from .keywords import DeviceKeyword, ignore, read
from .render import OutputField, OutputGroup, OutputRow, put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, IpContext, Iterator, Record


def _device_line(link: Body, _: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the device; the end of the line is in its colour."""
    name = link.get("IFLA_IFNAME", "")
    shown = put("dev %s", name, ip, "ifname")
    yield OutputField("ifname", name, f"{shown[:-4]}\n{shown[-4:]}" if ip.colour else f"{shown}\n")


ROWS = (
    OutputRow("", "token", "token %s", lambda link, _, ip: link["IFLA_PROTINFO"]["IFLA_INET6_TOKEN"], colour="inet6"),
    OutputGroup("", lambda link, _, ip: (OutputField("", None, " "),)),
    OutputGroup("", _device_line),
)


DEVICE = DeviceKeyword("dev", "index", "dev is invalid\n")


def _has_token(link: Body) -> bool:
    """Return whether IPv6 could use a token: not on loopback, nor if it does not resolve neighbours."""
    if link["ifi_flags"] & (uapi.IFF_LOOPBACK | uapi.IFF_NOARP):
        return False
    return "IFLA_INET6_TOKEN" in link.get("IFLA_PROTINFO", {})


def show(args: Args) -> int:
    """List the tokens of all interfaces, or of one."""
    ip, index = args.ip, read([DEVICE], args, {"index": 0}, ignore)["index"]
    request = Request(rtnl.GETLINK, {"ifi_family": AF_INET6}, uapi.NLM_F_DUMP)
    links = [reply.body for reply in ip.dump(request)]
    ip.print_rows(ROWS, (link for link in links if index in (0, link["ifi_index"]) and _has_token(link)))
    return 0


def change(args: Args, token: bytes | None) -> int:
    """Set the token, which is the first word if ``token`` is None."""
    ip = args.ip
    record: Record = {}
    while args:
        word = args.take()
        if word == "dev":
            if record:
                args.take()  # only the first device counts
            else:
                DEVICE.take(args, record)
        elif matches(word, "help"):
            raise help_of("token")
        elif token is None:
            token = prefix(word, AF_INET6).packed
    if token is None:
        complain("Not enough information: token is required.")
        return FAILED
    if not record:
        complain('Not enough information: "dev" argument is required.')
        return FAILED
    spec = {"AF_INET6": {"IFLA_INET6_TOKEN": token}}
    ip.do(Request(rtnl.SETLINK, {"ifi_family": AF_INET6, "ifi_index": record["index"], "IFLA_AF_SPEC": spec}))
    return 0


run = ObjectVerbs(
    "token",
    ("list|lst|show", show),
    ("set|add", lambda args: change(args, None)),
    ("get", show),
    ("delete", lambda args: change(args, bytes(16))),
)
