"""The words of `ip route add` and its relatives: destination, gateway, metrics, next hops and encapsulation."""

from __future__ import annotations

from ... import uapi
from . import name_tables
from .arguments import U8, U32, address, number, prefix, within
from .filters import vrf_of
from .grammar import FAMILIES, CommandError, late, matches, parsed, wrong
from .keywords import ConstantKeyword, CustomKeyword, FlagKeyword, Keyword, ValueKeyword
from .name_tables import protocol_number, scope_number, table_number
from .name_tables import tos_number as tos_number  # kinds of links take it from here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Callable, IpContext, Record

WHOLE_TYPES = {"local", "nat", "brd", "throw"}  # that cannot be abbreviated
ABBREVIATED_TYPES = ("broadcast", "anycast", "multicast", "prohibit", "unreachable", "blackhole", "xresolve", "unicast")
PREFERENCES = {"low": 3, "medium": 0, "high": 1}  # ICMPV6_ROUTER_PREF_*, RFC 4191
MAX_WEIGHT = 256


def is_default(word: str) -> bool:
    """Tell whether a word stands for every destination."""
    return word in ("default", "any", "all")


def route_type(text: str) -> int:
    """Return the number of a type of route (RTN_*).  Raises ValueError."""
    if text in WHOLE_TYPES:
        return name_tables.ROUTE_TYPES[text]
    for name in ABBREVIATED_TYPES:
        if matches(text, name):
            return name_tables.ROUTE_TYPES[name]
    return U8(text)


def realms(text: str) -> int:
    """Return two realms as the kernel has them, from ``FROM/TO``, ``TO`` or a number.  Raises ValueError."""
    if not text:
        return 0
    if "/" in text:
        source, _, target = text.partition("/")
        return name_tables.number_of("rt_realms", source, 255) << 16 | (
            name_tables.number_of("rt_realms", target, 255) if target else 0
        )
    return name_tables.number_of("rt_realms", text, 0xFFFFFFFF)


def milliseconds(text: str) -> tuple[int, bool]:
    """Return a time, and whether it was written without a unit (then it is in the kernel's own).  Raises ValueError."""
    digits = text.rstrip("smecSMEC")
    value, unit = float(digits) if "." in digits else float(number(digits)), text[len(digits) :].lower()
    if not (0 if "." in digits else -1 << 63) <= value < 1 << 64:  # of an unsigned number C takes the negative, too
        raise ValueError(text)
    if unit in ("s", "sec", "secs"):
        value *= 1000
    elif unit not in ("", "ms", "msec", "msecs"):
        raise ValueError(text)
    whole = int(value)
    return (whole + (whole < value)) & 0xFFFFFFFF, not unit


def on_or_off(text: str) -> int:
    """Return 1 for ``enabled`` and 0 for ``disabled``, each possibly abbreviated.  Raises ValueError."""
    if matches(text, "enabled"):
        return 1
    if matches(text, "disabled"):
        return 0
    raise ValueError(text)


def preference(text: str) -> int:
    """Return a preference of RFC 4191.  Raises ValueError."""
    return PREFERENCES[text] if text in PREFERENCES else U8(text)


class Metric(Keyword):
    """A word that sets one of RTA_METRICS: ``mtu [lock] 1400``.  ``lock`` keeps the kernel from changing it."""

    __slots__ = ("attribute", "bit", "forced", "locks", "read", "why")

    def __init__(
        self, names: str, attribute: str, read: Callable[[str], object], locks: bool = True, forced: bool = False, why: str = ""
    ) -> None:
        super().__init__(names)
        self.attribute, self.read, self.locks, self.forced = attribute, read, locks, forced
        self.bit = 1 << getattr(uapi, attribute)
        self.why = why or f'"{self.name}" value is invalid\n'

    def take(self, args: Args, record: Record) -> None:
        word = args.take()
        if self.locks and word == "lock":
            record["lock"] = record.get("lock", 0) | self.bit
            word = args.take()
        if self.forced:
            record["lock"] = record.get("lock", 0) | self.bit
        value = parsed(self.read, word, self.why)
        record.setdefault("metrics", {})[self.attribute] = value


def _time(scale: int) -> Callable[[str], int]:
    """Return a reader of times, which the kernel keeps in units of 1/scale ms."""

    def read_time(text: str) -> int:
        value, raw = milliseconds(text)
        return value if raw else value * scale & 0xFFFFFFFF

    return read_time


def _features(text: str) -> int:
    if text != "ecn":
        raise wrong(text, '"features" value not valid\n')
    return uapi.RTAX_FEATURE_ECN


def _flag(name: str) -> Callable[[str], int]:
    def read_flag(text: str) -> int:
        value = U32(text)
        if value > 1:
            raise wrong(text, f'"{name}" value should be 0 or 1\n')
        return value

    return read_flag


METRICS: list[Keyword] = [
    Metric("mtu", "RTAX_MTU", U32),
    Metric("hoplimit", "RTAX_HOPLIMIT", U8),
    Metric("advmss", "RTAX_ADVMSS", U32, why='"mss" value is invalid\n'),
    Metric("reordering*", "RTAX_REORDERING", U32),
    Metric("rtt", "RTAX_RTT", _time(8)),
    Metric("rto_min", "RTAX_RTO_MIN", _time(1), locks=False, forced=True),
    Metric("window*", "RTAX_WINDOW", U32),
    Metric("cwnd*", "RTAX_CWND", U32),
    Metric("initcwnd*", "RTAX_INITCWND", U32, why='"initcwnd" value is invalid\n'),
    Metric("initrwnd*", "RTAX_INITRWND", U32, why='"initrwnd" value is invalid\n'),
    Metric("features*", "RTAX_FEATURES", _features, locks=False),
    Metric("quickack*", "RTAX_QUICKACK", _flag("quickack"), locks=False),
    Metric("congctl*", "RTAX_CC_ALGO", str),
    Metric("rttvar*", "RTAX_RTTVAR", _time(4)),
    Metric("ssthresh*", "RTAX_SSTHRESH", U32),
    Metric("fastopen_no_cookie*", "RTAX_FASTOPEN_NO_COOKIE", _flag("fastopen_no_cookie"), locks=False),
]


def take_gateway(args: Args, record: Record) -> None:
    """Read ``via [FAMILY] ADDRESS``: RTA_GATEWAY, or RTA_VIA for a gateway of another family."""
    if "gateway" in record:
        raise wrong("via", "use nexthop syntax to specify multiple via\n")
    record["gateway"] = True
    word = args.take()
    family = FAMILIES.get(word, 0)
    if family:
        word = args.take()
    found, packed = address(word, family or record["rtm_family"])
    record["rtm_family"] = record["rtm_family"] or found
    if found == record["rtm_family"]:
        record["RTA_GATEWAY"] = packed
    else:
        import sys

        record["RTA_VIA"] = found.to_bytes(2, sys.byteorder) + packed


def _source(args: Args, record: Record) -> None:
    family, packed = address(args.take(), record["rtm_family"])
    record["rtm_family"] = record["rtm_family"] or family
    record["RTA_PREFSRC"] = packed


def _from(args: Args, record: Record) -> None:
    put_prefix(args.take(), record, "RTA_SRC", "rtm_src_len")


def put_prefix(word: str, record: Record, key: str, bits: str) -> None:
    """Put a prefix and its length where the kernel expects them.  Raises `CommandError`."""
    found = prefix(word, record["rtm_family"])
    record["rtm_family"] = record["rtm_family"] or found.family
    record[bits] = found.length
    if found.address and not is_default(word):
        record[key] = found.packed


def _table(args: Args, record: Record) -> None:
    put_table(record, parsed(table_number, args.take(), '"table" value is invalid\n'))


def put_table(record: Record, number: int) -> None:
    """Put the number of a table where the kernel expects it: in the header if it fits a byte."""
    record["table"] = True
    if number < 256:
        record["rtm_table"] = number
        record.pop("RTA_TABLE", None)
    else:
        record["rtm_table"], record["RTA_TABLE"] = uapi.RT_TABLE_UNSPEC, number


def vrf_table(word: str, ip: IpContext) -> int:
    """Return the table of a VRF by its name.  Raises `CommandError`."""
    table: int = vrf_of(word, ip)["IFLA_LINKINFO"].get("IFLA_INFO_DATA", {}).get("IFLA_VRF_TABLE", 0)
    if not table:
        raise wrong(word, "Invalid VRF\n")
    return table


def _vrf(args: Args, record: Record) -> None:
    put_table(record, vrf_table(args.take(), args.ip))


def _nexthops(args: Args, record: Record) -> None:
    """Leave everything from the first ``nexthop`` on to `read_nexthops`: the family may be known by then."""
    args.at -= 1
    record["nexthops"] = args.rest()
    args.at = len(args.words)


def take_new_destination(args: Args, record: Record) -> None:
    """Read ``as [to] ADDRESS``: the label that MPLS puts in place of the old one."""
    word = args.take()
    if word == "to":
        word = args.take()
    record["RTA_NEWDST"] = address(word, record["rtm_family"])[1]


ROUTE_ROWS: list[Keyword] = [
    CustomKeyword("src", _source),
    CustomKeyword("as", take_new_destination),
    CustomKeyword("via", take_gateway),
    CustomKeyword("from", _from),
    ValueKeyword("tos|dsfield*", "rtm_tos", tos_number, '"tos" value is invalid\n'),
    ValueKeyword("expires", "RTA_EXPIRES", U32, '"expires" value is invalid\n'),
    ValueKeyword("metric*|priority*|preference", "RTA_PRIORITY", U32, '"metric" value is invalid\n'),
    ValueKeyword("scope", "rtm_scope", scope_number, 'invalid "scope" value\n'),
    *METRICS,
    ValueKeyword("realms*", "RTA_FLOW", realms, '"realm" value is invalid\n'),
    FlagKeyword("onlink", uapi.RTNH_F_ONLINK, "rtm_flags"),
    CustomKeyword("nexthop", _nexthops),
    ValueKeyword("nhid", "RTA_NH_ID", U32, '"id" value is invalid\n'),
    ValueKeyword("protocol*", "rtm_protocol", protocol_number, '"protocol" value is invalid\n'),
    CustomKeyword("table*", _table),
    CustomKeyword("vrf*", _vrf),
    ValueKeyword("dev|oif", "dev"),
    ValueKeyword("pref*", "RTA_PREF", preference, '"pref" value is invalid\n'),
    CustomKeyword("encap", late("route_encap.take")),
    ValueKeyword("ttl-propagate", "RTA_TTL_PROPAGATE", on_or_off, '"ttl-propagate" value is invalid\n'),
]


def _hop_gateway(args: Args, record: Record) -> None:
    """Read ``via``; the kernel heeds the first of several gateways only."""
    first = {key: record[key] for key in ("RTA_GATEWAY", "RTA_VIA") if key in record}
    record.pop("gateway", None)
    take_gateway(args, record)
    record.update(first)


def _hop_device(args: Args, record: Record) -> None:
    word = args.take()
    record["rtnh_ifindex"] = args.ip.index_of(word)
    if not record["rtnh_ifindex"]:
        raise CommandError(f'Cannot find device "{word}"\nError: cannot parse nexthop')


HOP_ROWS: list[Keyword] = [
    CustomKeyword("via", _hop_gateway),
    CustomKeyword("dev", _hop_device),
    ValueKeyword("weight", "rtnh_hops", lambda text: within(U32, 1, MAX_WEIGHT)(text) - 1, '"weight" is invalid\n'),
    FlagKeyword("onlink", uapi.RTNH_F_ONLINK, "rtnh_flags"),
    ValueKeyword("realms*", "RTA_FLOW", realms, '"realm" value is invalid\n'),
    CustomKeyword("encap", late("route_encap.take")),
    CustomKeyword("as", take_new_destination),
    ConstantKeyword("pervasive", "rtnh_flags", uapi.RTNH_F_PERVASIVE),
]


def read_nexthops(args: Args, record: Record, ip: IpContext) -> list[Record]:
    """Return the next hops that ``nexthop ... nexthop ...`` describe.  Raises `CommandError`."""
    hops: list[Record] = []
    while args:
        word = args.take()
        if word != "nexthop":
            raise CommandError(f'Error: "nexthop" or end of line is expected instead of "{word}"')
        if not args:
            raise CommandError('Error: unexpected end of line after "nexthop"')
        hop: Record = {"rtm_family": record["rtm_family"], "rtnh_flags": 0, "rtnh_hops": 0, "rtnh_ifindex": 0}
        while args and args.words[args.at] != "nexthop":
            word = args.take()
            row = next((row for row in HOP_ROWS if row.fits(word)), None)
            if row is None:
                raise CommandError(f'Error: "nexthop" or end of line is expected instead of "{word}"')
            row.take(args, hop)
        record["rtm_family"] = record["rtm_family"] or hop["rtm_family"]
        hops.append({key: value for key, value in hop.items() if key not in ("rtm_family", "gateway")})
    return hops
