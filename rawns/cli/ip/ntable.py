"""`ip ntable`: the tables of neighbours and their parameters (ip-ntable(8), `<linux/neighbour.h>`).  Times are milliseconds."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6

from ... import rtnl, uapi
from ...nlmsg import Request
from .arguments import U32, unsigned64
from .context import ObjectVerbs
from .grammar import FAILED, CommandError, duplicate, wrong
from .keywords import CustomKeyword, DeviceKeyword, Keyword, ValueKeyword, read
from .render import LINE_END, OutputRow, device_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, IpContext, Record, Row

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
PARAMETERS = {"refcnt": "NDTPA_REFCNT", "reachable": "NDTPA_REACHABLE_TIME", **COUNTS, **TIMES}


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
    ip.print_rows(ROWS, (_flat(reply.body, ip) for reply in ip.dump(request) if _fits(reply.body, record, ip)))
    return 0


def _fits(table: Body, record: Record, ip: IpContext) -> bool:
    if ip.family not in (0, table["ndtm_family"]) or record.get("name", table.get("NDTA_NAME")) != table.get("NDTA_NAME"):
        return False
    return "index" not in record or table.get("NDTA_PARMS", {}).get("NDTPA_IFINDEX") == record["index"]


def _flat(table: Body, ip: IpContext) -> Body:
    """Return what is shown of a table and of its nests as one record: thresholds only of what belongs to no device."""
    parameters = table.get("NDTA_PARMS", {})
    record = {key: value for key, value in table.items() if key not in THRESHOLDS.values()}
    if "NDTPA_IFINDEX" not in parameters and "NDTA_THRESH1" in table:
        record = {**table, **(table.get("NDTA_CONFIG", {}) if ip.stats else {})}
    if ip.stats and "NDTA_STATS" in table:
        record.update({**dict.fromkeys(COUNTERS, 0), **table["NDTA_STATS"]})
    return {**record, **parameters}


def _numbers(keys: dict[str, str]) -> list[OutputRow]:
    return [OutputRow(key, word, f"{word} %s ") for word, key in keys.items()]


def _named(prefix: str, words: str) -> list[OutputRow]:
    return _numbers({word: f"{prefix}_{word}" for word in words.split()})


def _parameters(words: str) -> list[OutputRow]:
    return _numbers({word: PARAMETERS[word] for word in words.split()})


def _moment(name: str) -> OutputRow:
    """Return the row of a time, which the kernel reports in milliseconds before now."""

    def read_moment(value: int, record: Body, ip: IpContext) -> str:
        from time import localtime, strftime, time

        return strftime("%Y-%m-%d %H:%M:%S", localtime(int(time()) - value // 1000))

    return OutputRow(f"ndtc_{name}", name, f"{name} %s ", read_moment)


def _line(rows: list[OutputRow], start: str = "    ", when: str = "") -> list[OutputRow]:
    """Return the rows of a line; it is left out without the key ``when``."""
    return [OutputRow(when, "", start), *rows, OutputRow(when, "", "\n")]


def _mask_text(value: int, record: Body, ip: IpContext) -> str:
    return f"{value:08x}"


CONFIGURED, COUNTED = "ndtc_key_len", "ndts_allocs"
ROWS: tuple[Row, ...] = (
    OutputRow("ndtm_family", "family", "%s ", lambda value, record, ip: FAMILIES.get(value, str(value))),
    OutputRow("NDTA_NAME", "name", "%s "),
    OutputRow("", "", "\n"),
    *_line([OutputRow("NDTPA_IFINDEX", "dev", "    dev %s ", device_name, colour="ifname")], "", "NDTPA_IFINDEX"),
    *_line([*_numbers(THRESHOLDS)[:3], OutputRow("NDTA_GC_INTERVAL", "gc_interval", "gc_int %s ")], when="NDTA_THRESH1"),
    *_line(
        [OutputRow("ndtc_key_len", "key_length", "key_len %s "), *_named("ndtc", "entry_size entries")], "    config ", CONFIGURED
    ),
    *_line([_moment("last_flush"), _moment("last_rand")], "        ", CONFIGURED),
    *_line(
        [
            *_named("ndtc", "hash_rnd"),
            OutputRow("ndtc_hash_mask", "hash_mask", "hash_mask %s ", lambda mask, record, ip: f"{mask:#x}", _mask_text),
            *_named("ndtc", "hash_chain_gc proxy_qlen"),
        ],
        *("        ", CONFIGURED),
    ),
    *_line(_parameters("refcnt reachable base_reachable retrans")),
    *_line(_parameters("gc_stale delay_probe queue")),
    *_line(_parameters("app_probes ucast_probes mcast_probes")),
    *_line(_parameters("anycast_delay proxy_delay proxy_queue locktime")),
    *_line(_named("ndts", "allocs destroys hash_grows"), "    stats ", COUNTED),
    *_line(_named("ndts", "res_failed lookups hits"), when=COUNTED),
    *_line(_named("ndts", "rcv_probes_mcast rcv_probes_ucast"), when=COUNTED),
    *_line(_named("ndts", "periodic_gc_runs forced_gc_runs"), when=COUNTED),
    *_line(_named("ndts", "table_fulls"), when=COUNTED),
    LINE_END,
)
COUNTERS = [row.key for row in ROWS if row.key.startswith("ndts_")]


run = ObjectVerbs("ntable", ("change|chg", change), ("show|lst|list", show))
