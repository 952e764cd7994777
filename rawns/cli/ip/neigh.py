"""`ip neighbour`: add, change, replace, delete, show, flush and look up neighbours (ip-neighbour(8), <linux/neighbour.h>)."""

from __future__ import annotations

from errno import ENOENT

from ... import rtnl, uapi
from ...errors import KernelError
from ...nlmsg import Request
from . import filters
from .arguments import U32, address, lladdr, prefix
from .context import ObjectVerbs, help_of, reason
from .grammar import FAILED, CommandError, duplicate, garbage, matches, wrong
from .keywords import ConstantKeyword, CustomKeyword, FlagKeyword, ValueKeyword, read, target
from .name_tables import named, numbers, protocol_number
from .render import LINE_END, OutputField, OutputGroup, OutputRow, family_colour, fields, flag, host, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, IpContext, Iterable, Iterator, Read, Record, Row

USER_HZ = 100  # of the times in struct nda_cacheinfo
# In the order in which they are printed.
STATES = numbers("NUD", "incomplete reachable stale delay probe failed noarp permanent")
SHORT_STATES = ("permanent", "reachable", "failed")  # those that may be abbreviated
ALL_STATES, NO_STATE = 0xFFFF, 0x100  # of a filter: any state, and an entry without one
MAX_FLUSH_ROUNDS = 10


def state(text: str) -> int:
    """Parse a state, by name or number.  Raises ValueError."""
    for name in SHORT_STATES:
        if matches(text, name):
            return STATES[name]
    if text == "none":
        return 0
    if text in STATES:
        return STATES[text]
    value = U32(text)
    if value >= 0x100 or value & (value - 1):
        raise ValueError(text)
    return value


def _destination(word: str, args: Args, record: Record) -> None:
    record["dst family"], record["NDA_DST"] = address(word, args.ip.family)


def _proxy(args: Args, record: Record) -> None:
    word = args.take()
    if matches(word, "help"):
        raise help_of("neighbor")
    if "NDA_DST" in record:
        raise duplicate("address", word)
    _destination(word, args, record)
    record["ndm_flags"] |= uapi.NTF_PROXY


def _to(word: str, args: Args, record: Record) -> None:
    """Read the address; a word that abbreviates ``help`` is ignored before it, as iproute2 does."""
    if word == "to":
        word = args.take()
    if matches(word, "help"):
        word = args.take()
    if "NDA_DST" in record:
        raise garbage("to", word)
    _destination(word, args, record)


WORDS = [
    ValueKeyword("lladdr*", "lladdr", once=True),
    ValueKeyword("nud", "ndm_state", state, "nud state is bad"),
    CustomKeyword("proxy*", _proxy),
    FlagKeyword("router", uapi.NTF_ROUTER, "ndm_flags"),
    FlagKeyword("use", uapi.NTF_USE, "ndm_flags"),
    FlagKeyword("managed", uapi.NTF_EXT_MANAGED, "extended"),
    FlagKeyword("extern_learn*", uapi.NTF_EXT_LEARNED, "ndm_flags"),
    ValueKeyword("dev", "dev"),
    ValueKeyword("protocol*", "NDA_PROTOCOL", protocol_number, '"protocol" value is invalid\n'),
]


def modify(args: Args, flags: int, deletes: bool = False) -> int:
    """Send the request that the words describe."""
    ip = args.ip
    record = read(WORDS, args, {"ndm_state": uapi.NUD_PERMANENT, "ndm_flags": 0}, _to)
    family, device, link_address = (record.pop(key, None) for key in ("dst family", "dev", "lladdr"))
    if not family or (device is None and not record["ndm_flags"] & uapi.NTF_PROXY):  # a proxy entry may be for all devices
        raise CommandError("Device and destination are required arguments.")
    extended = record.pop("extended", 0)
    if extended:
        record["NDA_FLAGS_EXT"] = extended
    if record["ndm_flags"] & uapi.NTF_USE or extended & uapi.NTF_EXT_MANAGED:
        record["ndm_state"] = 0  # the kernel resolves the address
    record["ndm_family"] = family
    if link_address not in (None, "null"):
        record["NDA_LLADDR"] = lladdr(link_address)
    if device is not None:
        record["ndm_ifindex"] = ip.device(device)
    request = Request(rtnl.DELNEIGH if deletes else rtnl.NEWNEIGH, record, flags)
    ip.change(request, lambda entry: neighbour(entry, ip), ("Deleted", True))
    return 0


def _filter_state(args: Args, record: Record) -> None:
    word = args.take()
    try:
        value = state(word)
    except ValueError:
        if word != "all":
            raise wrong(word, "nud state is bad") from None
        value = ALL_STATES & ~uapi.NUD_NOARP if record["flushes"] else ALL_STATES
    record["chosen"] = record.get("chosen", 0) | (value or NO_STATE)


def _filter_to(word: str, args: Args, record: Record) -> None:
    record["prefix"] = prefix(word, record["family"])
    record["family"] = record["family"] or record["prefix"].family


FILTERS = [
    ValueKeyword("dev", "dev", once=True),
    *filters.master_words("master"),
    ConstantKeyword("nomaster", "no master", True),
    ConstantKeyword("unused", "unused", True),
    CustomKeyword("nud", _filter_state),
    ConstantKeyword("proxy", "proxy", True),
    ValueKeyword("protocol*", "protocol", protocol_number, 'invalid "protocol"\n', everything="all"),
]


def _filter(args: Args, flushes: bool) -> Record:
    """Return the filter that the words describe.  Raises `CommandError`."""
    ip = args.ip
    record = read(FILTERS, args, {"family": ip.family, "flushes": flushes}, target("to", "neighbor", _filter_to))
    default = ALL_STATES & ~(uapi.NUD_PERMANENT | uapi.NUD_NOARP) if flushes else 0xFF & ~uapi.NUD_NOARP
    record["states"] = record.pop("chosen", default)
    if flushes:
        record["states"] &= ~uapi.NUD_FAILED
    if "dev" in record:
        record["index"] = ip.device(record["dev"])
    return record


def fits(entry: Body, record: Record) -> bool:
    """Return whether a neighbour passes the filter."""
    state, family = entry["ndm_state"], entry["ndm_family"]
    if record["family"] not in (0, family) or record.get("index", entry["ndm_ifindex"]) != entry["ndm_ifindex"]:
        return False
    fitting = state & record["states"] or entry["ndm_flags"] & (uapi.NTF_PROXY | uapi.NTF_EXT_LEARNED)
    if not (fitting or (not state and record["states"] & NO_STATE)) or (
        "protocol" in record and entry.get("NDA_PROTOCOL") != record["protocol"]
    ):
        return False
    if "unused" in record and entry.get("NDA_CACHEINFO", {}).get("ndm_refcnt"):
        return False
    wanted = record.get("prefix")
    if wanted is None or not wanted.family or "NDA_DST" not in entry:
        return True
    return filters.lies_in(entry["NDA_DST"], family, wanted)


def _neighbours(ip: IpContext, record: Record, failure: str = "Dump terminated") -> Iterator[Body]:
    body: Body = {"ndm_family": record["family"]}
    if "proxy" in record:
        body["ndm_flags"] = uapi.NTF_PROXY
    if "index" in record:
        body["NDA_IFINDEX"] = record["index"]
    if "master" in record or "no master" in record:
        body["NDA_MASTER"] = record.get("master", 0xFFFFFFFF)
    for reply in ip.stream(Request(rtnl.GETNEIGH, body, uapi.NLM_F_DUMP), failure):
        if fits(reply.body, record):
            yield reply.body


def neighbour(entry: Body, ip: IpContext, hidden: Iterable[str] = ()) -> Iterator[OutputField]:
    """Yield the fields of a neighbour as `ip neigh show` prints them, without the rows with a ``hidden`` name."""
    return fields(BRIEF if ip.brief else ROWS, entry, ip, tuple(hidden))


def _hidden(record: Record) -> tuple[str, ...]:
    return ("dev",) if "index" in record else ()


def _states(value: int, entry: Body, ip: IpContext) -> Iterable[OutputField]:
    names = [name.upper() for name, bit in STATES.items() if value & bit]
    return (OutputField("state", names, "".join([f"{name} " for name in names])),) if value else ()


def _seconds(key: str) -> Read:
    return lambda info, entry, ip: info[key] // USER_HZ if ip.stats else None


def _name_rows(address: str, device: str, link_address: str) -> tuple[OutputRow, ...]:
    return (
        OutputRow("NDA_DST", "dst", address, host, colour=lambda value, entry: family_colour(entry["ndm_family"])),
        OutputRow("ndm_ifindex", "dev", device, lambda index, entry, ip: ip.name_of(index) if index else None, colour="ifname"),
        OutputRow("NDA_LLADDR", "lladdr", link_address, colour="mac"),
    )


BRIEF: tuple[Row, ...] = (*_name_rows("%-39s ", "%-16s ", "%s"), LINE_END)
ROWS: tuple[Row, ...] = (
    *_name_rows("%s ", "dev %s ", "lladdr %s "),
    OutputRow("ndm_flags", "router", "router ", flag(uapi.NTF_ROUTER)),
    OutputRow("ndm_flags", "proxy", "proxy ", flag(uapi.NTF_PROXY)),
    OutputRow("NDA_FLAGS_EXT", "managed", "managed ", flag(uapi.NTF_EXT_MANAGED)),
    OutputRow("ndm_flags", "extern_learn", "extern_learn ", flag(uapi.NTF_EXT_LEARNED)),
    OutputRow("ndm_flags", "offload", "offload ", flag(uapi.NTF_OFFLOADED)),
    OutputRow("NDA_CACHEINFO", "refcnt", " ref %s", lambda info, entry, ip: info["ndm_refcnt"] or None if ip.stats else None),
    OutputRow("NDA_CACHEINFO", "used", " used %s", _seconds("ndm_used")),
    OutputRow("NDA_CACHEINFO", "confirmed", "/%s", _seconds("ndm_confirmed")),
    OutputRow("NDA_CACHEINFO", "updated", "/%s", _seconds("ndm_updated")),
    OutputRow("NDA_PROBES", "probes", "probes %s ", lambda probes, entry, ip: probes if ip.stats else None),
    OutputGroup("ndm_state", _states),
    OutputRow("NDA_PROTOCOL", "protocol", "proto %s ", named("rt_protos")),
    LINE_END,
)


def show(args: Args) -> int:
    """Print the neighbours that the words select."""
    ip = args.ip
    record = _filter(args, False)
    ip.print_rows(BRIEF if ip.brief else ROWS, _neighbours(ip, record), _hidden(record))
    return 0


def flush(args: Args) -> int:
    """Delete the neighbours that the words select, in rounds until none is left."""
    from .flush import in_rounds

    ip = args.ip
    if not args:
        raise CommandError("Flush requires arguments.", FAILED)
    record = _filter(args, True)

    def delete(entry: Body) -> None:
        body = {key: value for key, value in entry.items() if key not in ("NDA_CACHEINFO", "NDA_PROBES")}
        try:
            ip.do(Request(rtnl.DELNEIGH, body), ENOENT)  # it may have expired meanwhile
        except KernelError as error:
            raise CommandError(f"Failed to send flush request: {reason(error)}", FAILED) from None

    def show(found: list[Body]) -> None:
        ip.print_all(neighbour(entry, ip, _hidden(record)) for entry in found)

    if not in_rounds(ip, MAX_FLUSH_ROUNDS, lambda: list(_neighbours(ip, record, "Flush terminated")), show, delete):
        ip.write([f"*** Flush not complete bailing out after {MAX_FLUSH_ROUNDS} rounds\n"])
        raise CommandError("", exits=False)
    return 0


GET_WORDS = [ValueKeyword("dev", "dev"), CustomKeyword("proxy*", _proxy)]
_GET_TARGET = target("to", "neighbor", _destination, "NDA_DST")


def get(args: Args) -> int:
    """Print one neighbour."""
    ip = args.ip
    record = read(GET_WORDS, args, {"ndm_flags": 0}, _GET_TARGET)
    family, device = record.pop("dst family", 0), record.pop("dev", None)
    if device is None or not family:
        raise CommandError("Device and address are required arguments.", FAILED)
    record.update({"ndm_family": family, "ndm_ifindex": ip.device(device)})
    found = ip.kernel.get(Request(rtnl.GETNEIGH, record)).body
    ip.json = False  # iproute2 ignores it here
    ip.write(text(neighbour(found, ip)))
    return 0


CREATE, REPLACE, EXCL = uapi.NLM_F_CREATE, uapi.NLM_F_REPLACE, uapi.NLM_F_EXCL
run = ObjectVerbs(
    "neigh",
    ("add", lambda args: modify(args, CREATE | EXCL)),
    ("change|chg", lambda args: modify(args, REPLACE)),
    ("replace", lambda args: modify(args, CREATE | REPLACE)),
    ("delete", lambda args: modify(args, 0, deletes=True)),
    ("get", get),
    ("show|lst|list", show),
    ("flush", flush),
    help="neighbor",
)
