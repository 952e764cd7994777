"""TUN and TAP devices, which `ip tuntap` and tun(4) create; here they are only shown."""

from __future__ import annotations

from ..reads import accounts, switch_row
from ..render import OutputRow
from .kind import LinkKind, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Body, IpContext, Read

TYPES = {1: "tun", 2: "tap"}


def _name(file: str) -> Read:
    """Return a read of a user or group: its name in a file, or its number if it has none there."""
    return lambda number, record, ip: next((name for name, known in accounts(file) if known == number), number)


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
    OutputRow("IFLA_TUN_OWNER", "user", "user %s ", _name("/etc/passwd")),
    OutputRow("IFLA_TUN_GROUP", "group", "group %s ", _name("/etc/group")),
)
KINDS = {"tun": LinkKind("", None, show(ROWS))}
