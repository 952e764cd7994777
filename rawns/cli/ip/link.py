"""`ip link`: the verbs, and the list of links, with their addresses or without, of `ip link` and `ip addr` (ip-link(8)).

The words that create and change links are loaded only for those verbs.  The kernel filters what it can; the rest is
filtered here, as iproute2 does it (in JSON an empty object is left).
"""

from __future__ import annotations

from ... import rtnl, uapi
from ...errors import KernelError
from ...nlmsg import Request
from .context import BRIEFLY, ObjectVerbs, complain, complaint, help_of, reason
from .grammar import AF_PACKET, FAILED, CommandError, late
from .render import JsonText, OutputField, Renderer, array, document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, Callable, Container, IpContext, Iterable, Iterator, Message, OutputField, Record

NO_MASTER = 0xFFFFFFFF  # the kernel then lists the links without a master


def _wanted(args: Args, object: str) -> Record:
    """Return the filter that the words describe; without words, everything passes."""
    if not args:
        return {"family": args.ip.family, "index": 0}
    from .filters import wanted

    return wanted(args, object)


def _one(ip: IpContext, which: Body) -> list[Body]:
    return [ip.kernel.get(Request(rtnl.GETLINK, {"ifi_family": ip.family, **which, "IFLA_EXT_MASK": _mask(ip)})).body]


def _mask(ip: IpContext) -> int:
    return uapi.RTEXT_FILTER_VF if ip.stats else BRIEFLY


def _refused(error: KernelError, what: str, status: int, ip: IpContext) -> CommandError:
    """Print the kernel's refusal, and an empty document in JSON; return the error that ends the command."""
    complain(complaint(error))
    if ip.json:
        ip.write([document((), ip)])
    return CommandError(f"{what}: {reason(error)}", status)


def _named(ip: IpContext, name: str) -> list[Body]:
    """Return the link of this name, as `ip link show dev` asks for it."""
    key = "IFLA_IFNAME" if len(name.encode("utf-8", "surrogateescape")) < uapi.IFNAMSIZ else "IFLA_ALT_IFNAME"
    try:
        return _one(ip, {key: name})
    except KernelError as error:
        raise _refused(error, "Cannot send link get request", FAILED, ip) from None


def _links(ip: IpContext, record: Record) -> list[Body]:
    if record["index"]:
        try:
            return _one(ip, {"ifi_index": record["index"]})
        except KernelError as error:
            raise _refused(error, "Cannot send link request", 0, ip) from None  # iproute2 ignores the error
    body: Body = {"ifi_family": ip.family}
    if ip.family in (0, AF_PACKET):  # other families have lists of their own, which take no filter
        body["IFLA_EXT_MASK"] = _mask(ip)
        if record.get("master"):
            body["IFLA_MASTER"] = record["master"]
        elif "nomaster" in record:
            body["IFLA_MASTER"] = NO_MASTER
        if "kind" in record:
            body["IFLA_LINKINFO"] = {"IFLA_INFO_KIND": record["kind"]}
    return [reply.body for reply in ip.dump(Request(rtnl.GETLINK, body, uapi.NLM_F_DUMP))]


def addresses(ip: IpContext, record: Record) -> Iterator[Body]:
    """Return an iterator over all addresses of the family and device of the filter."""
    body = {"ifa_family": record["family"], "ifa_index": record["index"]}
    return (reply.body for reply in ip.dump_each(Request(rtnl.GETADDR, body, uapi.NLM_F_DUMP)))


def matcher(record: Record, ip: IpContext) -> Callable[[Body], bool]:
    """Return a function that tells whether an address passes the filter; it checks nothing that the filter does not name."""
    from . import show_link

    checks: list[Callable[[Body], bool]] = [
        lambda one, key=key, value=value: one[key] == value  # type: ignore[misc]
        for key, value in (("ifa_family", record["family"]), ("ifa_index", record["index"]), ("ifa_scope", record.get("scope")))
        if value or (value == 0 and key == "ifa_scope")
    ]
    if "mask" in record:
        checks.append(lambda one: not (record["flags"] ^ show_link.address_flags(one)) & record["mask"])
    if "prefix" in record:
        from .filters import lies_in

        checks.append(lambda one: lies_in(show_link.local_address(one), one["ifa_family"], record["prefix"]))
    if "label" in record:
        checks.append(lambda one: _labelled(one, record, ip))
    return (lambda one: all(check(one) for check in checks)) if checks else lambda one: True


def _labelled(address: Body, record: Record, ip: IpContext) -> bool:
    from fnmatch import fnmatchcase

    fitting: bool = fnmatchcase(address.get("IFA_LABEL") or ip.name_of(address["ifa_index"]), record["label"])
    return fitting


def _hidden(link: Body, record: Record) -> bool:
    """Return whether the filter hides a link."""
    info = link.get("IFLA_LINKINFO", {})
    return (
        record["index"] not in (0, link["ifi_index"])
        or ("up" in record and not link["ifi_flags"] & uapi.IFF_UP)
        or ("group" in record and link.get("IFLA_GROUP", record["group"]) != record["group"])
        or ("master" in record and link.get("IFLA_MASTER") != record["master"])
        or record.get("kind", info.get("IFLA_INFO_KIND")) != info.get("IFLA_INFO_KIND")
        or record.get("slave", info.get("IFLA_INFO_SLAVE_KIND")) != info.get("IFLA_INFO_SLAVE_KIND")
    )


class AddressesByLink:
    """The addresses of links as text or JSON, made as they are decoded: 10,000 addresses as dicts would take 15 MB.

    In JSON an address that does not pass the filter leaves an empty object behind.
    """

    def __init__(self) -> None:
        self.of: dict[int, list[str]] = {}
        self._fitting: set[int] = set()  # links of which an address passes the filter

    def read(self, found: Iterable[Body], record: Record, ip: IpContext, links: Container[int]) -> None:
        """Read addresses; there will be text for those of the ``links`` with these indexes."""
        from .show_link import address_rows

        fits, family, empty = matcher(record, ip), record["family"], ["{}"] if ip.json else []
        shown = Renderer(address_rows(ip, ip.echo), ip, depth=3)
        for one in found:
            index, fitting = one["ifa_index"], fits(one)
            texts = self.of.setdefault(index, [])
            if fitting:
                self._fitting.add(index)
            if index in links and family in (0, one["ifa_family"]):
                texts += [shown(one)] if fitting else empty

    def shows(self, link: Body, family: int) -> bool:
        """Return whether a link is listed: if an address of it fits, or if it has none and no family is asked for."""
        index = link["ifi_index"]
        return index in self._fitting if index in self.of else family in (0, AF_PACKET)


def list_links(args: Args, whole: bool, object: str) -> int:
    """Run ``ip link show`` (``whole``) or ``ip addr show``; return the exit status."""
    ip = args.ip
    if whole:
        ip.family = AF_PACKET
    record, found = _wanted(args, object), AddressesByLink()
    if whole and "dev" in record and "group" not in record:
        links = _named(ip, record["dev"])
    else:
        links = _links(ip, record)
        if ip.family != AF_PACKET:
            listed = addresses(ip, record)
            ip.family = record["family"]
            found.read(listed, record, ip, {link["ifi_index"] for link in links if _has_addresses(link, record, ip)})
    ip.family = record["family"]
    if ip.family != AF_PACKET:
        links = [link for link in links if found.shows(link, record["family"])]
    ip.print_all(_shown(link, found, record, ip, whole) for link in links)
    return 0


def _is_headless(ip: IpContext) -> bool:
    """Return whether addresses are listed without their links."""
    return ip.oneline and ip.family != AF_PACKET and not ip.brief


def _has_addresses(link: Body, record: Record, ip: IpContext) -> bool:
    """Return whether the addresses of a link are listed if they pass the filter."""
    return bool(link["ifi_flags"] & uapi.IFF_UP or "up" not in record) and (_is_headless(ip) or not _hidden(link, record))


def _shown(link: Body, found: AddressesByLink, record: Record, ip: IpContext, whole: bool) -> Iterator[OutputField]:
    """Yield the fields of one link: itself, its addresses, its counters."""
    from . import show_link

    headless = _is_headless(ip)
    if not headless and _hidden(link, record):
        return
    if not headless and "label" not in record:
        yield from show_link.brief(link, ip) if ip.brief else show_link.link(link, ip, whole)
    if ip.family != AF_PACKET:
        texts = found.of.get(link["ifi_index"], [])
        yield OutputField("addr_info", JsonText(array(texts, ip.pretty))) if ip.json else OutputField("", None, "".join(texts))
        if ip.brief:
            yield OutputField("", None, "\n")
    if not whole and ip.stats and not (headless or ip.brief or "label" in record):
        from .show_stats import statistics

        yield from statistics(link, ip)
        yield OutputField("", None, "\\" if ip.oneline else "\n")


def modify(args: Args, message: Message, flags: int = 0) -> int:
    """Send the request that the words describe."""
    from .link_set import request

    def show(body: Body) -> Iterable[OutputField]:
        from .show_link import link

        return link({**body, "IFLA_TXQLEN": 0}, args.ip, False)  # without the length of the queue

    args.ip.change(request(args, message, flags), show)
    return 0


def _help(args: Args) -> int:
    from .kinds import help_of as help_of_kind

    text = help_of_kind(args.take()) if args else None
    if text is None:
        raise help_of("link")
    args.ip.write([f"{text}\n"])
    return 0


run = ObjectVerbs(
    "link",
    ("add", lambda args: modify(args, rtnl.NEWLINK, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL)),
    ("set|change", lambda args: modify(args, rtnl.NEWLINK)),
    ("replace", lambda args: modify(args, rtnl.NEWLINK, uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE)),
    ("delete", lambda args: modify(args, rtnl.DELLINK)),
    ("show|lst|list", lambda args: list_links(args, True, "link")),
    ("xstats", late("link_stats.xstats")),
    ("afstats", late("link_stats.afstats")),
    ("property", late("link_property.run")),
    ("help", _help),
)
