"""`ip link xstats` and `ip link afstats`: the statistics of `stats` in another form (ip-link(8))."""

from __future__ import annotations

from .context import help_of
from .grammar import FAILED, CommandError, matches, wrong
from .kinds import find
from .render import OutputField, put
from .stats import SUITES, XSTATS, Suite, request, ways

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, IpContext, Iterator

XSTATS_HELP = "Usage: ... xstats type TYPE [ ARGS ]\n"
# The words that choose a suite of a kind of link.
XSTATS_WORDS = {"bridge": {"igmp": "mcast", "mcast": "mcast", "stp": "stp"}, "bond": {"lacp": "802.3ad", "802.3ad": "802.3ad"}}


def xstats(args: Args) -> int:
    """List the extended statistics of links of a kind, or of the ports of such links: ``ip link xstats``."""
    ip = args.ip
    if not args:
        raise CommandError("xstats: missing argument", FAILED)
    word = args.take()
    if matches(word, "help") and not matches(word, "type"):
        ip.write([XSTATS_HELP])
        return 0
    if not matches(word, "type"):
        raise wrong(word, "unknown argument")
    kind = args.take()
    if find(kind) is None:
        raise wrong(kind, "invalid type")
    base = kind.replace("_slave", "")
    if base not in XSTATS_WORDS:
        raise CommandError(f"xstats: link type {kind} doesn't support xstats", FAILED)
    suite, index = "", 0
    while args:
        word = args.take()
        if word in XSTATS_WORDS[base]:
            suite = XSTATS_WORDS[base][word]
        elif word == "dev":
            index = ip.device(args.take())
        elif word == "help":
            ip.write([f"Usage: ... {base} [ {next(iter(XSTATS_WORDS[base]))} ] [ dev DEVICE ]\n"])
            return 0
        else:
            raise wrong(word, "unknown attribute")
    group = "xstats_slave" if kind != base else "xstats"
    chosen = [one for one in SUITES if one.names[:2] == (group, base) and suite in ("", one.names[-1])]
    found = (reply.body for reply in ip.stream(request(0, chosen, True)))
    ip.print_all(
        _extended(body, chosen, base, ip) for body in found if index in (0, body["ifindex"]) and _of_kind(body, base, group)
    )
    return 0


def _of_kind(body: Body, kind: str, group: str) -> bool:
    return f"LINK_XSTATS_TYPE_{kind.upper()}" in body.get(XSTATS[group], {})


def _extended(body: Body, chosen: list[Suite], kind: str, ip: IpContext) -> Iterator[OutputField]:
    name = ip.name_of(body["ifindex"])
    yield OutputField("ifname", name, f"{name:<16}\n")
    for suite in chosen:
        value = suite.of(body)
        if value is not None:
            yield from suite.show(value, ip)


def afstats(args: Args) -> int:
    """List the statistics of address families of links, of which there are those of MPLS: ``ip link afstats``."""
    ip, index = args.ip, 0
    while args:
        word = args.take()
        if word == "dev":
            name = args.take()
            index = ip.index_of(name)
            if not index:
                raise CommandError(f'Device "{name}" does not exist.', 0)
        elif matches(word, "help"):
            raise help_of("link")
        else:
            raise CommandError(f'Command "{word}" is unknown, try "ip link help".')
    found = (reply.body for reply in ip.stream(request(0, [SUITES[0]], True)))
    ip.print_all(_of_families(body, ip) for body in found if index in (0, body["ifindex"]) and SUITES[0].of(body))
    return 0


def _of_families(body: Body, ip: IpContext) -> Iterator[OutputField]:
    index, name = body["ifindex"], ip.name_of(body["ifindex"])
    members, lines = ways(SUITES[0].of(body), "noroute", "noroute", ip, " " * 8)
    yield OutputField("ifindex", index, f"{index}:")
    yield OutputField("ifname", name, put("%s", name, ip, "ifname"))
    yield from members
    yield OutputField("", None, put("\n    mpls:\n", None, ip) + f"{lines}\n")
