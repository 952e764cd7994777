"""TUN and TAP devices, which `ip tuntap` and tun(4) create; here they are only shown."""

from __future__ import annotations

from ..reads import switch_row
from ..render import OutputRow
from .kind import LinkKind, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Body, IpContext, Read

TYPES = {1: "tun", 2: "tap"}


def _name(number: int, file: str) -> str | int:
    """Return the name of a user or group in /etc/passwd or /etc/group; its number if it has none."""
    try:
        with open(file, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                words = line.split(":")
                if len(words) > 2 and words[2] == str(number):
                    return words[0]
    except OSError:
        pass  # there is no such file
    return number


def _many(data: Body, _: Body, ip: IpContext) -> bool:
    return bool(data.get("IFLA_TUN_MULTI_QUEUE"))


def _queues(key: str) -> Read:
    return lambda data, _, ip: data.get(key, 0) if _many(data, _, ip) else None


ROWS = (
    OutputRow("", "type", "type %s ", lambda data, _, ip: TYPES.get(data.get("IFLA_TUN_TYPE", 0), "UNKNOWN")),
    switch_row("IFLA_TUN_PI", "pi"),
    switch_row("IFLA_TUN_VNET_HDR", "vnet_hdr"),
    OutputRow("", "multi_queue", "%s", _many, lambda data, _, ip: "multi_queue " if _many(data, _, ip) else ""),
    OutputRow("", "numqueues", "numqueues %s ", _queues("IFLA_TUN_NUM_QUEUES")),
    OutputRow("", "numdisabled", "numdisabled %s ", _queues("IFLA_TUN_NUM_DISABLED_QUEUES")),
    switch_row("IFLA_TUN_PERSIST", "persist"),
    OutputRow("IFLA_TUN_OWNER", "user", "user %s ", lambda number, record, ip: _name(number, "/etc/passwd")),
    OutputRow("IFLA_TUN_GROUP", "group", "group %s ", lambda number, record, ip: _name(number, "/etc/group")),
)
KINDS = {"tun": LinkKind("", None, show(ROWS))}
