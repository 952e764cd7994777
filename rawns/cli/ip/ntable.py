"""`ip ntable`: the tables of neighbours and their parameters (ip-ntable(8), `<linux/neighbour.h>`).  Times are milliseconds."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6

from ... import rtnl, uapi
from ...nlmsg import Request
from .arguments import U32, unsigned64
from .context import ObjectVerbs
from .grammar import FAILED, CommandError, duplicate, wrong
from .keywords import CustomKeyword, DeviceKeyword, Keyword, ValueKeyword, read
from .render import LINE_END, OutputField, OutputGroup, OutputRow, put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, IpContext, Iterator, Record

FAMILIES = {AF_INET: "inet", AF_INET6: "inet6"}
THRESHOLDS = {**{f"thresh{number}": f"NDTA_THRESH{number}" for number in (1, 2, 3)}, "gc_interval": "NDTA_GC_INTERVAL"}
COUNTS = {  # parameters that count something; all others are times
    "queue": "NDTPA_QUEUE_LEN",
    "app_probes": "NDTPA_APP_PROBES",
    "ucast_probes": "NDTPA_UCAST_PROBES",
    "mcast_probes": "NDTPA_MCAST_PROBES",
    "proxy_queue": "NDTPA_PROXY_QLEN",
}
TIMES = {
    "base_reachable": "NDTPA_BASE_REACHABLE_TIME",
    "retrans": "NDTPA_RETRANS_TIME",
    "gc_stale": "NDTPA_GC_STALETIME",
    "delay_probe": "NDTPA_DELAY_PROBE_TIME",
    "anycast_delay": "NDTPA_ANYCAST_DELAY",
    "proxy_delay": "NDTPA_PROXY_DELAY",
    "locktime": "NDTPA_LOCKTIME",
}
# The lines below the first one, each as the words of its parameters.
LINES = (
    "refcnt reachable base_reachable retrans",
    "gc_stale delay_probe queue",
    "app_probes ucast_probes mcast_probes",
    "anycast_delay proxy_delay proxy_queue locktime",
)
PARAMETERS = {"refcnt": "NDTPA_REFCNT", "reachable": "NDTPA_REACHABLE_TIME", **COUNTS, **TIMES}
STATISTICS = (
    ("stats ", "allocs destroys hash_grows"),
    ("", "res_failed lookups hits"),
    ("", "rcv_probes_mcast rcv_probes_ucast"),
    ("", "periodic_gc_runs forced_gc_runs"),
    ("", "table_fulls"),
)


def _name(args: Args, record: Record) -> None:
    word = args.take()
    if "NDTA_NAME" in record:
        raise duplicate("NAME", word)
    record["NDTA_NAME"] = word


def _words() -> list[Keyword]:
    named: list[Keyword] = [CustomKeyword("name", _name), DeviceKeyword("dev", "NDTPA_IFINDEX", status=FAILED)]
    thresholds = {"gc_int" if word == "gc_interval" else word: key for word, key in THRESHOLDS.items()}
    rows = {**dict.fromkeys([*thresholds.items(), *COUNTS.items()], U32), **dict.fromkeys(TIMES.items(), unsigned64)}
    rows["gc_int", "NDTA_GC_INTERVAL"] = unsigned64
    return [*named, *[ValueKeyword(word, key, take, f'"{word}" value is invalid') for (word, key), take in rows.items()]]


def _unknown(word: str, args: Args, record: Record) -> None:
    raise wrong(word, "unknown")


def change(args: Args) -> int:
    """Change thresholds and parameters of a table."""
    ip = args.ip
    found = read(_words(), args, {}, _unknown)
    if "NDTA_NAME" not in found:
        raise CommandError('Error: argument "NAME" is required')
    parameters = {key: value for key, value in found.items() if str(key).startswith("NDTPA_")}
    record = {key: value for key, value in found.items() if str(key).startswith("NDTA_")}
    if set(parameters) - {"NDTPA_IFINDEX"}:
        record["NDTA_PARMS"] = parameters
    elif len(record) == 1:
        raise CommandError("Not enough information: changeable attributes required.")
    ip.do(Request(rtnl.SETNEIGHTBL, {"ndtm_family": ip.family, **record}, uapi.NLM_F_REPLACE))
    return 0


def show(args: Args) -> int:
    """List the tables and the parameters of each interface."""
    ip = args.ip
    record = read([DeviceKeyword("dev", "index", '"DEV" is invalid'), ValueKeyword("name", "name")], args, {}, _unknown)
    request = Request(rtnl.GETNEIGHTBL, {"ndtm_family": ip.family}, uapi.NLM_F_DUMP)
    ip.print_rows(ROWS, (reply.body for reply in ip.dump(request) if _fits(reply.body, record, ip)))
    return 0


def _fits(table: Body, record: Record, ip: IpContext) -> bool:
    if ip.family not in (0, table["ndtm_family"]) or record.get("name", table.get("NDTA_NAME")) != table.get("NDTA_NAME"):
        return False
    return "index" not in record or table.get("NDTA_PARMS", {}).get("NDTPA_IFINDEX") == record["index"]


def _parameters(table: Body, _: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the lines below the first one: the device or the thresholds, and the parameters."""
    yield _line(ip)
    parameters = table.get("NDTA_PARMS", {})
    if "NDTPA_IFINDEX" in parameters:
        name = ip.name_of(parameters["NDTPA_IFINDEX"])
        yield OutputField("dev", name, put("    dev %s ", name, ip, "ifname"))
        yield _line(ip)
    elif "NDTA_THRESH1" in table:
        yield from _numbers("", "thresh1 thresh2 thresh3 gc_interval", table, THRESHOLDS, ip, {"gc_interval": "gc_int"})
        if ip.stats and "NDTA_CONFIG" in table:
            yield from _configuration(table["NDTA_CONFIG"], ip)
    for words in LINES:
        yield from _numbers("", words, parameters, PARAMETERS, ip)
    if ip.stats and "NDTA_STATS" in table:
        counters = {f"ndts_{word}": 0 for _, words in STATISTICS for word in words.split()}
        names = {name[len("ndts_") :]: name for name in counters}
        for start, words in STATISTICS:
            yield from _numbers(start, words, {**counters, **table["NDTA_STATS"]}, names, ip)


ROWS = (
    OutputRow("ndtm_family", "family", "%s ", lambda value, record, ip: FAMILIES.get(value, str(value))),
    OutputRow("NDTA_NAME", "name", "%s "),
    OutputGroup("", _parameters),
    LINE_END,
)


def _line(ip: IpContext) -> OutputField:
    return OutputField("", None, put("\n", None, ip))


def _number(name: str, value: int, word: str = "") -> OutputField:
    return OutputField(name, value, f"{word or name} {value} ")


def _numbers(
    start: str, words: str, found: Body, keys: dict[str, str], ip: IpContext, text: dict[str, str] | None = None
) -> Iterator[OutputField]:
    """Yield a line of numbers, those that there are; ``text`` has the words that differ from their names in JSON."""
    yield OutputField("", None, f"    {start}")
    for word in words.split():
        if keys[word] in found:
            yield _number(word, found[keys[word]], (text or {}).get(word, ""))
    yield _line(ip)


def _configuration(config: Body, ip: IpContext) -> Iterator[OutputField]:
    from time import localtime, strftime, time

    yield OutputField("", None, "    config ")
    yield _number("key_length", config["ndtc_key_len"], "key_len")
    yield _number("entry_size", config["ndtc_entry_size"])
    yield _number("entries", config["ndtc_entries"])
    yield _line(ip)
    yield OutputField("", None, "        ")
    for name in ("last_flush", "last_rand"):
        when = strftime("%Y-%m-%d %H:%M:%S", localtime(int(time()) - config[f"ndtc_{name}"] // 1000))
        yield OutputField(name, when, f"{name} {when} ")
    yield _line(ip)
    yield OutputField("", None, "        ")
    yield _number("hash_rnd", config["ndtc_hash_rnd"])
    mask = config["ndtc_hash_mask"]
    yield OutputField("hash_mask", f"{mask:#x}", f"hash_mask {mask:08x} ")
    yield _number("hash_chain_gc", config["ndtc_hash_chain_gc"])
    yield _number("proxy_qlen", config["ndtc_proxy_qlen"])
    yield _line(ip)


run = ObjectVerbs("ntable", ("change|chg", change), ("show|lst|list", show))
