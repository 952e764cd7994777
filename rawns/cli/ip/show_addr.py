"""The output of `ip addr show`; the formats are iproute2's, to the space."""

from __future__ import annotations

from _socket import AF_INET6

from ... import uapi
from . import name_tables
from .name_tables import named
from .render import LINE_END, OutputField, OutputGroup, OutputRow, device_name, family_colour, fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ...wire import Body
    from .context import IpContext
    from .render import Row

FOREVER = 0xFFFFFFFF
FAMILIES = {2: "inet", 10: "inet6", 12: "dnet"}


def local(record: Body) -> str:
    """Return the address itself; without a peer the kernel may send it under either name."""
    value: str = record["IFA_LOCAL"] if "IFA_LOCAL" in record else record.get("IFA_ADDRESS", "")
    return value


def flags(record: Body) -> int:
    """Return all flags; the header has only eight of them."""
    value: int = record["IFA_FLAGS"] if "IFA_FLAGS" in record else record["ifa_flags"]
    return value


# -- reads of rows ------------------------------------------------------------------------------------------------


def _family(value: int, record: Body, ip: IpContext) -> str:
    return FAMILIES.get(value, f"family {value}")


def _local(record: Body, _: Body, ip: IpContext) -> str:
    return ip.host(local(record))


def _peer(value: str, record: Body, ip: IpContext) -> str | None:
    return ip.host(value) if value != local(record) else None


def _host(value: str, record: Body, ip: IpContext) -> str:
    return ip.host(value)


def _colour(value: Any, record: Body) -> str | None:
    return family_colour(record["ifa_family"])


def _flags(value: int, record: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the flags that are set; of those that the header has, IFA_FLAGS has them as well."""
    left = flags(record)
    for name, bit in name_tables.ADDRESS_FLAGS.items():
        if name == "permanent":
            if not left & bit:
                yield OutputField("dynamic", True, "dynamic ")
        elif left & bit:
            shown = "temporary" if bit == uapi.IFA_F_SECONDARY and record["ifa_family"] == AF_INET6 else name
            yield OutputField(shown, True, f"{shown} ")
        left &= ~bit
    if left:
        yield OutputField("ifa_flags", f"{left:02x}", f"flags {left:02x} ")


def _valid(value: Body, record: Body, ip: IpContext) -> int:
    seconds: int = value["ifa_valid"]
    return seconds


def _preferred(value: Body, record: Body, ip: IpContext) -> int:
    seconds: int = value["ifa_prefered"]
    negative = seconds != FOREVER and seconds >= 1 << 31 and flags(record) & uapi.IFA_F_DEPRECATED
    return seconds - (1 << 32) if negative else seconds


def _lifetime(read: Callable[[Body, Body, IpContext], int]) -> Callable[[Body, Body, IpContext], str]:
    """Return the read of a lifetime for text."""

    def text(value: Body, record: Body, ip: IpContext) -> str:
        seconds = read(value, record, ip)
        return "forever" if seconds == FOREVER else f"{seconds}sec"

    return text


BRIEF: tuple[Row, ...] = (
    OutputRow("", "local", "%s", _local, colour=_colour),
    OutputRow("IFA_ADDRESS", "address", " peer %s", _peer, colour=_colour),
    OutputRow("ifa_prefixlen", "prefixlen", "/%d ", cached=True),
    OutputRow("IFA_RT_PRIORITY", "metric", "metric %d "),
)
ROWS: tuple[Row, ...] = (
    OutputRow("ifa_family", "family", "    %s ", _family, cached=True),
    *BRIEF,
    OutputRow("IFA_BROADCAST", "broadcast", "brd %s ", _host, colour=_colour),
    OutputRow("IFA_ANYCAST", "anycast", "any %s ", _host, colour=_colour),
    OutputRow("ifa_scope", "scope", "scope %s ", named("rt_scopes"), cached=True),
    OutputGroup("ifa_flags", _flags, cached=("ifa_flags", "IFA_FLAGS", "ifa_family")),
    OutputRow("IFA_LABEL", "label", "%s", cached=True),
    OutputRow("IFA_CACHEINFO", "valid_life_time", "\n       valid_lft %s", _valid, _lifetime(_valid)),
    OutputRow("IFA_CACHEINFO", "preferred_life_time", " preferred_lft %s", _preferred, _lifetime(_preferred)),
    LINE_END,
)
DEVICE: tuple[Row, ...] = (
    OutputRow("ifa_index", "index", "%d: ", cached=True),
    OutputRow("ifa_index", "dev", "%s", device_name, cached=True),
)


def rows(ip: IpContext, named: bool = False) -> tuple[Row, ...]:
    """Return the rows of an address as `ip addr show` prints it below its link; in brief, as a word of the link's line.

    ``named`` puts the link in front, as ``-oneline`` does.
    """
    if ip.brief:
        return BRIEF
    return (*DEVICE, *ROWS) if ip.oneline or named else ROWS


def address(record: Body, ip: IpContext, named: bool = False) -> Iterator[OutputField]:
    """Yield the fields of one address: see `rows`."""
    return fields(rows(ip, named), record, ip)
