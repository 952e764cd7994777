"""Counters of disciplines, classes, filters and actions (`<linux/gen_stats.h>`)."""

from __future__ import annotations

from ..ip.render import OutputField
from . import units
from .output import field, line_end, plain, size_field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Body, Iterator, TcContext

USER_HZ = 100  # of times that the kernel counts in clock ticks


def counters(stats: Body, prefix: str, ip: TcContext) -> Iterator[OutputField]:
    """Yield TCA_STATS2 as tc prints it; ``prefix`` stands in front of each line."""
    basic, queue = stats.get("TCA_STATS_BASIC"), stats.get("TCA_STATS_QUEUE")
    if basic is not None:
        yield plain(prefix)
        yield field("bytes", basic["bytes"], "Sent %u bytes", ip)
        yield field("packets", stats.get("TCA_STATS_PKT64") or basic["packets"], " %u pkt", ip)
    if queue is not None:
        yield field("drops", queue["drops"], " (dropped %u", ip)
        yield field("overlimits", queue["overlimits"], ", overlimits %u", ip)
        yield field("requeues", queue["requeues"], " requeues %u) ", ip)
    hardware = stats.get("TCA_STATS_BASIC_HW")
    if hardware is not None and (hardware["bytes"] or hardware["packets"]):
        yield from _hardware(hardware, basic, prefix, ip)
    rate = stats.get("TCA_STATS_RATE_EST64", stats.get("TCA_STATS_RATE_EST"))
    if rate is not None:
        yield plain(f"\n{prefix}")
        yield OutputField("rate", rate["bps"], f"rate {units.format_rate(rate['bps'], ip.iec)}")
        yield field("pps", rate["pps"], " %upps", ip)
    if queue is not None:
        if "TCA_STATS_RATE_EST" not in stats:
            yield line_end(ip)
        yield plain(prefix)
        yield size_field("backlog", queue["backlog"], "backlog %s", ip)
        yield field("qlen", queue["qlen"], " %up", ip)
        yield plain(f" requeues {queue['requeues']}")


def _hardware(hardware: Body, basic: Body | None, prefix: str, ip: TcContext) -> Iterator[OutputField]:
    """Yield what the hardware has counted, and what is left for software."""
    parts = [("hw", "hardware", hardware)]
    if basic is not None and basic["bytes"] >= hardware["bytes"] and basic["packets"] >= hardware["packets"]:
        parts.insert(0, ("sw", "software", {name: basic[name] - hardware[name] for name in ("bytes", "packets")}))
    for short, name, counted in parts:
        yield line_end(ip)
        yield plain(prefix)
        yield field(f"{short}_bytes", counted["bytes"], f"Sent {name} %u bytes", ip)
        yield field(f"{short}_packets", counted["packets"], " %u pkt", ip)


def all_counters(body: Body, prefix: str, ip: TcContext) -> Iterator[OutputField]:
    """Yield the counters of a message: TCA_STATS2, or of old kernels TCA_STATS."""
    if "TCA_STATS2" in body:
        yield from counters(body["TCA_STATS2"], prefix, ip)
    elif "TCA_STATS" in body:
        old = body["TCA_STATS"]
        yield plain(f"{prefix}Sent {old['bytes']} bytes {old['packets']} pkts ")
        yield plain(f"(dropped {old['drops']}, overlimits {old['overlimits']}) ")


def special(body: Body) -> bytes | None:
    """Return the statistics that only one kind has; None if there are none."""
    found: bytes | None = body.get("TCA_STATS2", {}).get("TCA_STATS_APP", body.get("TCA_XSTATS"))
    return found


def times(found: Body, ip: TcContext) -> Iterator[OutputField]:
    """Yield how long an action exists, and when it was used."""
    for key, name, word in (
        ("install", "installed", "installed"),
        ("lastuse", "last_used", "used"),
        ("firstuse", "first_used", "firstused"),
        ("expires", "expires", "expires"),
    ):
        if found.get(key):
            yield field(name, found[key] // USER_HZ, f" {word} %u sec", ip)
