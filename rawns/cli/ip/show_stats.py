"""The counters of a link, in columns: ``ip -s link``, and with a second ``-s`` the errors one by one."""

from __future__ import annotations

from .render import JsonObject, OutputField, put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Body, IpContext, Iterable, Iterator, Sequence

# What a column is called in text and in JSON, and the member of struct rtnl_link_stats64 it shows.  The two orders
# differ: text has "missed" where JSON has "over_errors".  The last column is there only where it counts something.
RX = "bytes packets errors dropped missed mcast compressed".split()
RX_KEYS = "rx_bytes rx_packets rx_errors rx_dropped rx_missed_errors multicast rx_compressed".split()
RX_ERRORS = "length crc frame fifo overrun nohandler".split()
RX_ERROR_KEYS = "rx_length_errors rx_crc_errors rx_frame_errors rx_fifo_errors rx_over_errors rx_nohandler".split()
TX = "bytes packets errors dropped carrier collsns compressed".split()
TX_KEYS = "tx_bytes tx_packets tx_errors tx_dropped tx_carrier_errors collisions tx_compressed".split()
TX_ERRORS = "aborted fifo window heartbt transns".split()
TX_ERROR_KEYS = "tx_aborted_errors tx_fifo_errors tx_window_errors tx_heartbeat_errors IFLA_CARRIER_CHANGES".split()

LINES = (
    ("RX:", RX, RX_KEYS),
    ("RX errors:", RX_ERRORS, RX_ERROR_KEYS),
    ("TX:", TX, TX_KEYS),
    ("TX errors:", TX_ERRORS, TX_ERROR_KEYS),
)
OPTIONAL = ("rx_compressed", "tx_compressed", "rx_nohandler")

JSON_RX = "bytes packets errors dropped over_errors multicast compressed".split()
JSON_RX_ERRORS = "length_errors crc_errors frame_errors fifo_errors missed_errors nohandler".split()
JSON_TX = "bytes packets errors dropped carrier_errors collisions compressed".split()
JSON_TX_ERRORS = "aborted_errors fifo_errors window_errors heartbeat_errors carrier_changes".split()

WIDTHS = [10, 7, 6, 7, 7, 7, 10]  # at least; a longer number makes its column wider, in all lines


def statistics(record: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the field of a link's counters, if the kernel sent any."""
    counters, name = record.get("IFLA_STATS64"), "stats64"
    if counters is None and "IFLA_STATS" in record:
        counters, name = record["IFLA_STATS"], "stats"
    if counters is None and "IFLA_PROTINFO" in record:
        counters = _of_ipv6(record["IFLA_PROTINFO"])
    if counters is not None:
        counters = {**counters, "IFLA_CARRIER_CHANGES": record.get("IFLA_CARRIER_CHANGES")}
        yield OutputField(name, _nested(counters, ip), "" if ip.json else _table(counters, ip))


# Where `ip` finds counters in what IPv6 counts (enum in <linux/snmp.h>); the others are 0.
IPV6 = {"rx_packets": 1, "rx_bytes": 2, "tx_packets": 5, "tx_bytes": 6, "rx_errors": 13, "tx_errors": 14, "multicast": 23}


def _of_ipv6(info: Body) -> Body:
    """Return the counters of IPv6, which a list of this family has instead of those of the link."""
    numbers = info.get("IFLA_INET6_STATS", [])
    found = dict.fromkeys([*RX_KEYS, *RX_ERROR_KEYS, *TX_KEYS, *TX_ERROR_KEYS[:-1], "rx_over_errors", "rx_missed_errors"], 0)
    found.update({name: numbers[at] for name, at in IPV6.items() if at < len(numbers)})
    return found


def _nested(counters: Body, ip: IpContext) -> JsonObject:
    more = ip.stats > 1
    rx = _named("rx", JSON_RX, counters) + (_named("rx", JSON_RX_ERRORS, counters) if more else [])
    tx = _named("tx", JSON_TX, counters) + (_named("tx", JSON_TX_ERRORS, counters) if more else [])
    return JsonObject([OutputField("rx", JsonObject(rx)), OutputField("tx", JsonObject(tx))])


def _named(way: str, names: Sequence[str], counters: Body) -> list[OutputField]:
    """Return the counters under their JSON names, without those that are usually 0 and are 0."""
    special = {"multicast": "multicast", "collisions": "collisions", "carrier_changes": "IFLA_CARRIER_CHANGES"}
    found = [(name, counters.get(special.get(name, f"{way}_{name}"))) for name in names]
    return [
        OutputField(name, value) for name, value in found if value or (value == 0 and name not in ("compressed", "nohandler"))
    ]


def _table(counters: Body, ip: IpContext) -> str:
    """Format two or four pairs of lines, titles above numbers, all in the same columns."""
    lines = [(head, _cells(head, titles, keys, counters)) for head, titles, keys in LINES if ip.stats > 1 or len(head) == 3]
    widths = list(WIDTHS)
    for head, cells in lines:
        for at, (_, value) in enumerate(cells, 0 if len(head) == 3 else 1):
            widths[at] = max(widths[at], len(_count(value or 0, ip)))
    return put("\n", None, ip).join([line for head, cells in lines for line in _pair(head, cells, widths, ip)])


def _cells(head: str, titles: Sequence[str], keys: Sequence[str], counters: Body) -> list[tuple[str, int | None]]:
    """Title and number of each column.  A last one that counts nothing is left out, or, in the first line, left empty."""
    cells = [(title, counters.get(key)) for title, key in zip(titles, keys)]
    if cells[-1][1] is None or (not cells[-1][1] and keys[-1] in OPTIONAL):
        cells[-1:] = [("", None)] if len(head) == 3 or cells[-1][1] is None else []
    return cells


def _pair(head: str, cells: list[tuple[str, int | None]], widths: list[int], ip: IpContext) -> tuple[str, str]:
    """Return a line of titles and the line of numbers below it."""
    numbers = [(_count(value, ip), width) for (_, value), width in zip(cells, widths[len(head) != 3 :]) if value is not None]
    below = "".join([f"{number:>{width}} " for number, width in numbers])
    if len(head) == 3:  # its first column is as wide as "RX errors:"
        above, below = f"    {head} {cells[0][0]:>{widths[0] - 4}}", f"    {below}"
        cells = cells[1:]
    else:
        above, below = f"    {head:<{widths[0]}}", " " * (widths[0] + 5) + below
    return above + "".join([f" {title:>{width}}" for (title, _), width in zip(cells, widths[1:])]), below


def columns(lines: Iterable[tuple[str, Sequence[str], Sequence[int]]], ip: IpContext, indent: str = "    ") -> list[str]:
    """Format counters that are not those of a link: each line has a head (``RX``), titles, and the numbers below them."""
    shown = [(head, titles, [_count(value, ip) for value in values]) for head, titles, values in lines]
    widths = [9, *WIDTHS[1:]]
    for _, _, numbers in shown:
        widths = [max(width, len(number)) for width, number in zip(widths, numbers)] + widths[len(numbers) :]
    found = []
    for head, titles, numbers in shown:
        found.append(
            f"{indent}{head}: " + " ".join(f"{title:>{width}}" for title, width in zip(titles, [widths[0] - 4, *widths[1:]]))
        )
        found.append(indent + "".join(f"{number:>{width}} " for number, width in zip(numbers, widths)))
    return found


def _count(value: int, ip: IpContext) -> str:
    """Format a number; with ``-human``, with a suffix and about three digits."""
    base = 1024 if ip.iec else 1000
    if not ip.human or value < base:
        return str(value)
    power, prefixes = base, "kMGTPE"
    while value // base >= power and len(prefixes) > 1:
        power, prefixes = power * base, prefixes[1:]
    whole = value // power
    precision = 2 if whole < 10 else 1 if whole < 100 else 0
    return f"{value / power:.{precision}f}{prefixes[0]}{'i' if ip.iec else ''}"
