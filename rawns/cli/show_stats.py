"""The counters of a link, in columns: ``ip -s link``, and with a second ``-s`` the errors one by one.

Floor 7.
"""

from __future__ import annotations

from .show import Field, Object, put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..wire import Body
    from .session import Session

    Column = tuple[str, str, str]

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

JSON_RX = "bytes packets errors dropped over_errors multicast compressed".split()
JSON_RX_ERRORS = "length_errors crc_errors frame_errors fifo_errors missed_errors nohandler".split()
JSON_TX = "bytes packets errors dropped carrier_errors collisions compressed".split()
JSON_TX_ERRORS = "aborted_errors fifo_errors window_errors heartbeat_errors carrier_changes".split()

WIDTHS = [10, 7, 6, 7, 7, 7, 10]  # at least; a longer number makes its column wider, in all lines


def statistics(record: Body, ip: Session) -> Iterator[Field]:
    """The field for a link's counters; none where the kernel sent none."""
    counters = record.get("IFLA_STATS64")
    name = "stats64"
    if counters is None:
        counters, name = record.get("IFLA_STATS"), "stats"
    if counters is not None:
        counters = {**counters, "IFLA_CARRIER_CHANGES": record.get("IFLA_CARRIER_CHANGES")}
        yield Field(name, _nested(counters, ip), "" if ip.json else _table(counters, ip))


def _nested(counters: Body, ip: Session) -> Object:
    more = ip.stats > 1
    rx = _named("rx", JSON_RX, counters) + (_named("rx", JSON_RX_ERRORS, counters) if more else [])
    tx = _named("tx", JSON_TX, counters) + (_named("tx", JSON_TX_ERRORS, counters) if more else [])
    return Object([Field("rx", Object(rx)), Field("tx", Object(tx))])


def _named(way: str, names: Sequence[str], counters: Body) -> list[Field]:
    """The counters under their JSON names; those that are mostly 0 are left out where they are."""
    special = {"multicast": "multicast", "collisions": "collisions", "carrier_changes": "IFLA_CARRIER_CHANGES"}
    found = [(name, counters.get(special.get(name, f"{way}_{name}"))) for name in names]
    return [Field(name, value) for name, value in found if value or (value == 0 and name not in ("compressed", "nohandler"))]


def _table(counters: Body, ip: Session) -> str:
    """Four rows of numbers at most, each below its titles, all in the same columns."""
    more = ip.stats > 1
    lines = [(RX, RX_KEYS, "RX:"), (RX_ERRORS, RX_ERROR_KEYS, "RX errors:")]
    lines += [(TX, TX_KEYS, "TX:"), (TX_ERRORS, TX_ERROR_KEYS, "TX errors:")]
    lines = lines if more else lines[::2]
    widths = list(WIDTHS)
    for titles, keys, head in lines:
        start = 0 if head.endswith("X:") else 1
        for at, key in enumerate(keys, start):
            widths[at] = max(widths[at], len(_count(counters.get(key) or 0, ip)))
    return put("\n", None, ip).join([_line(line, widths, counters, ip) for line in lines])


def _line(line: tuple[list[str], list[str], str], widths: list[int], counters: Body, ip: Session) -> str:
    titles, keys, head = line
    start = 0 if head.endswith("X:") else 1
    values = [counters.get(key) for key in keys]
    optional = keys[-1] in ("rx_compressed", "tx_compressed", "rx_nohandler")
    shown = [title if not (optional and title == titles[-1] and not values[-1]) else "" for title in titles]
    if values[-1] is None or (optional and not values[-1]):
        values = values[:-1]
        shown = shown if optional else shown[:-1]
    first = f"{shown[0]:>{widths[0] - len(head) - 1}}" if start == 0 else " " * (widths[0] - len(head))
    rest = shown[1:] if start == 0 else shown
    above = f"    {head}{' ' if start == 0 else ''}{first}" + "".join([f" {t:>{w}}" for t, w in zip(rest, widths[1:])])
    margin = "    " if start == 0 else " " * (widths[0] + 5)
    below = margin + "".join([f"{_count(value or 0, ip):>{w}} " for value, w in zip(values, widths[start:])])
    return above + put("\n", None, ip) + below


def _count(value: int, ip: Session) -> str:
    """A number; with ``-human``, with a suffix and about three digits."""
    base = 1024 if ip.iec else 1000
    if not ip.human or value < base:
        return str(value)
    power, prefixes = base, "kMGTPE"
    while value // base >= power and len(prefixes) > 1:
        power, prefixes = power * base, prefixes[1:]
    whole = value // power
    precision = 2 if whole < 10 else 1 if whole < 100 else 0
    return f"{value / power:.{precision}f}{prefixes[0]}{'i' if ip.iec else ''}"
