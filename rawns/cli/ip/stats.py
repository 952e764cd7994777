"""`ip stats`: statistics of links by groups (ip-stats(8), `<linux/if_link.h>`), and the extended ones of `ip link xstats`."""

from __future__ import annotations

from errno import EINVAL

from ... import rtnl, uapi
from ...nlmsg import Request
from .arguments import interface
from .context import complain, help_of
from .grammar import FAILED, CommandError, garbage
from .keywords import CustomKeyword, read
from .render import JsonObject, OutputField, put
from .show_stats import columns, statistics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Args, Body, Callable, IpContext, Iterator, Keyword, Record

    Show = Callable[[Any, IpContext], Iterator[OutputField]]

LEVELS = ("group", "subgroup", "suite")


# -- what is shown of one suite -------------------------------------------------------------------------------------------


def _line(ip: IpContext) -> OutputField:
    return OutputField("", None, put("\n", None, ip))


def _link(counters: Body, ip: IpContext) -> Iterator[OutputField]:
    yield from statistics({"IFLA_STATS64": counters}, ip)


def _object(values: Body) -> JsonObject:
    return JsonObject([OutputField(name, value) for name, value in values.items()])


def ways(counters: Body, last: str, title: str, ip: IpContext, indent: str = "    ") -> tuple[list[OutputField], str]:
    """Return what was received and sent, as members of an object and in columns; ``last`` counts what was received only."""
    common = "bytes packets errors dropped".split()
    rx, tx = ({word: counters.get(f"{way}_{word}", 0) for word in common} for way in ("rx", "tx"))
    rx[last] = counters.get(f"rx_{last}", counters.get(last, 0))
    lines = columns((("RX", [*common, title], [*rx.values()]), ("TX", common, [*tx.values()])), ip, indent)
    return [OutputField("rx", _object(rx)), OutputField("tx", _object(tx))], put("\n", None, ip).join(lines)


def _two_ways(name: str, last: str, title: str) -> Show:
    """Return what shows received and sent as an object of this name."""

    def show(counters: Body, ip: IpContext) -> Iterator[OutputField]:
        members, lines = ways(counters, last, title, ip)
        yield OutputField(name, JsonObject(members), lines)

    return show


_L3_COUNTERS = _two_ways("stats64", "multicast", "mcast")


def _switches(info: Body) -> Iterator[OutputField]:
    """Yield whether counting was requested, and whether the hardware counts."""
    for name, key, form in (("request", "REQUEST", " {}"), ("used", "USED", " used {}")):
        value = info.get(f"IFLA_OFFLOAD_XSTATS_HW_S_INFO_{key}")
        if value in (0, 1):
            yield OutputField(name, bool(value), form.format("on" if value else "off"))


def _joined(fields: list[OutputField]) -> str:
    return "".join([field.text for field in fields])


def _hardware_info(info: Body, ip: IpContext) -> Iterator[OutputField]:
    inside = []
    if "IFLA_OFFLOAD_XSTATS_L3_STATS" in info:
        switches = list(_switches(info["IFLA_OFFLOAD_XSTATS_L3_STATS"]))
        inside.append(OutputField("l3_stats", JsonObject(switches), f"    l3_stats{_joined(switches)}"))
    yield OutputField("info", JsonObject(inside), _joined(inside))


def _l3(offload: Body, ip: IpContext) -> Iterator[OutputField]:
    if "IFLA_OFFLOAD_XSTATS_HW_S_INFO" not in offload:
        return
    switches = list(_switches(offload["IFLA_OFFLOAD_XSTATS_HW_S_INFO"].get("IFLA_OFFLOAD_XSTATS_L3_STATS", {})))
    yield OutputField("info", JsonObject(switches), _joined(switches))
    if "IFLA_OFFLOAD_XSTATS_L3_STATS" in offload:
        yield _line(ip)
        yield from _L3_COUNTERS(offload["IFLA_OFFLOAD_XSTATS_L3_STATS"], ip)


# The members of struct br_mcast_stats that are shown, in the order of the output: title, name in JSON, and the number of the
# pair that the first version has; several numbers are versions 1, 2 ...
MULTICAST = (
    ("IGMP queries", "igmp_queries", (0, 1, 2)),
    ("IGMP reports", "igmp_reports", (4, 5, 6)),
    ("IGMP leaves", "igmp_leaves", (3,)),
    ("IGMP parse errors", "igmp_parse_errors", ()),
    ("MLD queries", "mld_queries", (0, 1)),
    ("MLD reports", "mld_reports", (3, 4)),
    ("MLD leaves", "mld_leaves", (2,)),
    ("MLD parse errors", "mld_parse_errors", ()),
)
IGMP_ERRORS, MLD_START, MLD_ERRORS = 14, 15, 25
INDENT = " " * 20


def _multicast_of_bridge(numbers: list[int], ip: IpContext) -> Iterator[OutputField]:
    numbers = [*numbers, *[0] * (MLD_ERRORS + 1 - len(numbers))]
    inside, lines = [], []
    for title, name, pairs in MULTICAST:
        start = 0 if title.startswith("IGMP") else MLD_START
        if not pairs:
            errors = numbers[MLD_ERRORS if start else IGMP_ERRORS]
            inside.append(OutputField(name, errors))
            lines.append(f"{INDENT}{title}: {errors}")
            continue
        found = {way: [numbers[start + 2 * pair + at] for pair in pairs] for at, way in enumerate(("rx", "tx"))}
        if len(pairs) == 1:
            parts = [OutputField(way, values[0]) for way, values in found.items()]
            lines.append(f"{INDENT}{title}: " + " ".join(f"{way.upper()}: {values[0]}" for way, values in found.items()))
        else:
            parts = [OutputField(f"{way}_v{n}", value) for way, values in found.items() for n, value in enumerate(values, 1)]
            lines.append(f"{INDENT}{title}:")
            for way, values in found.items():
                versions = " ".join(f"v{n} {value}" for n, value in enumerate(values, 1))
                lines.append(f"{INDENT}  {way.upper()}: {versions}")
        inside.append(OutputField(name, JsonObject(parts)))
    yield OutputField("multicast", JsonObject(inside), "".join([f"{line}\n" for line in lines]))


def _stp_of_bridge(stp: Body, ip: IpContext) -> Iterator[OutputField]:
    names = "rx_bpdu tx_bpdu rx_tcn tx_tcn transition_blk transition_fwd".split()
    found = {name: stp.get(name, 0) for name in names}
    lines = (
        "STP BPDU:  RX: {rx_bpdu} TX: {tx_bpdu}",
        "STP TCN:   RX: {rx_tcn} TX: {tx_tcn}",
        "STP Transitions: Blocked: {transition_blk} Forwarding: {transition_fwd}",
    )
    yield OutputField("stp", _object(found), "".join([f"{INDENT}{line}\n" for line in lines]).format(**found))


LACP = (
    ("LACPDU Rx", "lacpdu_rx"),
    ("LACPDU Tx", "lacpdu_tx"),
    ("LACPDU Unknown type Rx", "lacpdu_unknown_rx"),
    ("LACPDU Illegal Rx", "lacpdu_illegal_rx"),
    ("Marker Rx", "marker_rx"),
    ("Marker Tx", "marker_tx"),
    ("Marker response Rx", "marker_response_rx"),
    ("Marker response Tx", "marker_response_tx"),
    ("Marker unknown type Rx", "marker_unknown_rx"),
)


def _lacp_of_bond(found: Body, ip: IpContext) -> Iterator[OutputField]:
    inside, lines = [], []
    for title, name in LACP:
        value = found.get(f"BOND_3AD_STAT_{name.upper().replace('RESPONSE', 'RESP')}")
        if value is not None:
            inside.append(OutputField(name, value))
            lines.append(f"{INDENT}{title} {value}\n")
    yield OutputField("802.3ad", JsonObject(inside), "".join(lines))


class Suite:
    """One suite of statistics: its group, subgroup and suite, the attributes that lead to it, and what shows it.

    It is shown ``below`` the line with its names; ``always`` ends this line even if the kernel has sent nothing of the suite.
    """

    __slots__ = ("always", "below", "names", "nested", "path", "show")

    def __init__(self, names: str, path: str, show: Show, nested: str = "", always: bool = False, below: bool = True) -> None:
        self.names, self.path, self.show, self.always, self.below = tuple(names.split()), path.split(), show, always, below
        self.nested = [uapi.__dict__[f"IFLA_OFFLOAD_XSTATS_{name}"] for name in nested.split()]  # what a request filters by

    def of(self, stats: Body) -> Any:
        """Return what the kernel has sent of this suite; None if nothing."""
        found: Any = stats
        for key in self.path:
            found = found.get(key)
            if found is None:
                break
        return found

    def fields(self, stats: Body, ip: IpContext) -> Iterator[OutputField]:
        """Yield the fields of this suite of a link's statistics."""
        index = stats["ifindex"]
        name = ip.name_of(index)
        yield OutputField("ifindex", index, f"{index}:")
        yield OutputField("ifname", name, put("%s", f" {name}:", ip, "ifname"))
        for level, chosen in zip(LEVELS, self.names):
            yield OutputField(level, chosen, f" {level} {chosen}")
        found = self.of(stats)
        if self.always or self.below and found is not None:
            yield _line(ip)
        if found is not None:
            yield from self.show(found, ip)
        yield _line(ip)


_OFFLOAD = "IFLA_STATS_LINK_OFFLOAD_XSTATS"
XSTATS = {"xstats_slave": "IFLA_STATS_LINK_XSTATS_SLAVE", "xstats": "IFLA_STATS_LINK_XSTATS"}
_BOND, _BRIDGE = "LINK_XSTATS_TYPE_BOND BOND_XSTATS_3AD", "LINK_XSTATS_TYPE_BRIDGE BRIDGE_XSTATS"
SUITES = (  # in the order in which `ip` prints them
    Suite("afstats mpls", "IFLA_STATS_AF_SPEC AF_MPLS MPLS_STATS_LINK", _two_ways("mpls_stats", "noroute", "noroute")),
    Suite("link", "IFLA_STATS_LINK_64", _link, always=True),
    Suite("offload l3_stats", _OFFLOAD, _l3, "L3_STATS HW_S_INFO", below=False),
    Suite("offload hw_stats_info", f"{_OFFLOAD} IFLA_OFFLOAD_XSTATS_HW_S_INFO", _hardware_info, "HW_S_INFO"),
    Suite("offload cpu_hit", f"{_OFFLOAD} IFLA_OFFLOAD_XSTATS_CPU_HIT", _link, "CPU_HIT", always=True),
    *[Suite(f"{group} bond 802.3ad", f"{key} {_BOND}", _lacp_of_bond) for group, key in XSTATS.items()],
    *[
        Suite(f"{group} bridge {name}", f"{key} {_BRIDGE}_{name.upper()}", show)
        for group, key in XSTATS.items()
        for name, show in (("mcast", _multicast_of_bridge), ("stp", _stp_of_bridge))
    ],
)


def hardware(body: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the fields of a link whose hardware has begun or ended to count, as `ip monitor` shows it."""
    index = body["ifindex"]
    yield OutputField("ifindex", index, f"{index}:")
    yield OutputField("ifname", None, put("%s", f" {ip.name_of(index)}:", ip, "ifname"))
    info = body.get(_OFFLOAD, {}).get("IFLA_OFFLOAD_XSTATS_HW_S_INFO")
    if info is not None:
        yield _line(ip)
        yield from _hardware_info(info, ip)
    yield _line(ip)


# -- words ----------------------------------------------------------------------------------------------------------------


def _wrong(text: str) -> CommandError:
    return CommandError(text, EINVAL)


def _named(names: list[str]) -> list[Suite]:
    """Return the suites of a group, a subgroup, or the one suite that the names lead to.  Raises `CommandError`."""
    found: list[Suite] = list(SUITES)
    for level, name in enumerate(names):
        if level and all(len(suite.names) == level for suite in found):
            raise _wrong(f"Error: {LEVELS[level]} {name} requested inside leaf {LEVELS[level - 1]} {names[level - 1]}")
        inside = [suite for suite in found if suite.names[level] == name]
        if not inside:
            raise _wrong(f"Error: no {LEVELS[level]} named {name} found inside {names[level - 1] if level else 'top-level'}")
        found = inside
    return found


def _device(args: Args, record: Record) -> None:
    name = args.take()
    if "dev" in record:
        raise garbage("dev", name)
    record["dev"] = interface(name, "dev")


def _level(word: str) -> Keyword:
    """Return the word of a group, a subgroup or a suite, which may follow one of the level above."""
    level = LEVELS.index(word)

    def take(args: Args, record: Record) -> None:
        name, names = args.take(), record["names"]
        if level > len(names):
            raise _wrong(f"Error: {word} {name} requested without selecting a {LEVELS[len(names)]} first")
        if level < len(names):
            record["chosen"] += _named(names)
        names[level:] = [name]

    return CustomKeyword(word, take)


def _l3_stats(args: Args, record: Record) -> None:
    value = args.take()
    if "l3_stats" in record:
        raise _wrong("A statistics suite to toggle was already given.")
    if value not in ("on", "off"):
        raise _wrong(f'Error: argument of "l3_stats" must be one of "off", "on", not "{value}"')
    record["l3_stats"] = int(value == "on")


def _otherwise(word: str, args: Args, record: Record) -> None:
    """Raise the help; a word that is not ``help`` is named, and an error."""
    if word != "help":
        complain(f'What is "{word}"?')
    raise CommandError(help_of("stats").text, 0 if word == "help" else EINVAL)


WORDS = [CustomKeyword("dev", _device), *map(_level, LEVELS)]
SET_WORDS = [CustomKeyword("dev", _device), CustomKeyword("l3_stats", _l3_stats)]


def request(index: int, chosen: list[Suite], dump: bool) -> Request:
    """Return the request for these suites of a link, or with ``dump`` of all links."""
    groups = {uapi.__dict__[suite.path[0]] for suite in chosen}
    body: Body = {"ifindex": index, "filter_mask": sum(1 << group - 1 for group in groups)}
    mask = sum(1 << number - 1 for number in {number for suite in chosen for number in suite.nested})
    if mask not in (0, 7):  # all of them need no filter
        body["IFLA_STATS_GET_FILTERS"] = {_OFFLOAD: mask}
    return Request(rtnl.GETSTATS, body, uapi.NLM_F_DUMP if dump else 0)


def show(args: Args) -> int:
    """List statistics of all links, or of one."""
    ip = args.ip
    record = read(WORDS, args, {"names": [], "chosen": []}, _otherwise)
    record["chosen"] += _named(record["names"])
    index = ip.device(record["dev"]) if "dev" in record else 0
    chosen = [suite for suite in SUITES if suite in record["chosen"]]
    if index:
        ip.print_all([suite.fields(ip.kernel.get(request(index, chosen, False)).body, ip) for suite in chosen])
        return 0
    ip.print_all(_all(ip, chosen))
    return 0


def _all(ip: IpContext, chosen: list[Suite]) -> Iterator[Iterator[OutputField]]:
    """Yield a record for each suite of each link; as text, the last of a link is followed by an empty line."""
    for reply in ip.stream(request(0, chosen, True), status=2):
        for suite in chosen:
            yield _with_end(suite, reply.body, ip, suite is chosen[-1])


def _with_end(suite: Suite, body: Body, ip: IpContext, last: bool) -> Iterator[OutputField]:
    yield from suite.fields(body, ip)
    if last:
        yield _line(ip)


def set_(args: Args) -> int:
    """Have the hardware count what it forwards by IP, or not."""
    record = read(SET_WORDS, args, {}, _otherwise)
    if "dev" not in record:
        raise CommandError('Not enough information: "dev" argument is required.')
    if "l3_stats" not in record:
        raise CommandError("Not enough information: stat type to toggle is required.")
    index = args.ip.device(record["dev"])
    body = {"ifindex": index, "IFLA_STATS_SET_OFFLOAD_XSTATS_L3_STATS": record["l3_stats"]}
    args.ip.do(Request(rtnl.SETSTATS, body))
    return 0


def run(args: Args) -> int:
    """Run ``ip stats`` with its words; return the exit status."""
    word = args.take() if args else ""
    if word == "show":
        args.ip.stats += args.ip.details + 1
    if word in ("", "show"):
        return show(args)
    if word == "set":
        return set_(args)
    if word == "help":
        raise CommandError(help_of("stats").text, 0)
    raise CommandError(f'Command "{word}" is unknown, try "ip stats help".', FAILED)
