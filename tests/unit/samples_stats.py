"""The bodies of the requests in `captured_stats.txt`, read off the commands by a person."""

from __future__ import annotations

from typing import Any

from rawns import rtnl, uapi
from rawns.wire import Message

DUMP = uapi.NLM_F_DUMP
BRIDGE, V1 = 2, 4
LINK, XSTATS, PORTS, OFFLOAD, FAMILIES = 1, 2, 4, 8, 16  # bits of a filter: 1 << IFLA_STATS_... - 1

STATS_REQUESTS: dict[str, tuple[Message, int, dict[Any, Any]]] = {
    "ip stats show dev v1": (
        rtnl.GETSTATS,
        0,
        {"ifindex": V1, "filter_mask": LINK | XSTATS | PORTS | OFFLOAD | FAMILIES},
    ),
    "ip stats show group offload subgroup l3_stats": (
        rtnl.GETSTATS,
        DUMP,
        {"filter_mask": OFFLOAD, "IFLA_STATS_GET_FILTERS": {"IFLA_STATS_LINK_OFFLOAD_XSTATS": 0b110}},
    ),
    "ip stats show group link group offload subgroup cpu_hit dev br0": (
        rtnl.GETSTATS,
        0,
        {
            "ifindex": BRIDGE,
            "filter_mask": LINK | OFFLOAD,
            "IFLA_STATS_GET_FILTERS": {"IFLA_STATS_LINK_OFFLOAD_XSTATS": 0b001},
        },
    ),
    "ip link xstats type bridge": (rtnl.GETSTATS, DUMP, {"filter_mask": XSTATS}),
    "ip link xstats type bridge_slave": (rtnl.GETSTATS, DUMP, {"filter_mask": PORTS}),
    "ip stats set dev v1 l3_stats on": (
        rtnl.SETSTATS,
        uapi.NLM_F_ACK,
        {"ifindex": V1, "IFLA_STATS_SET_OFFLOAD_XSTATS_L3_STATS": 1},
    ),
}
