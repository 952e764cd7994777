"""The output of `ip addr show`; the formats are iproute2's, to the space."""

from __future__ import annotations

from _socket import AF_INET6

from ... import uapi
from . import name_tables
from .render import OutputField, OutputRow, family_colour, fields, put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...wire import Body
    from .context import IpContext

FOREVER = 0xFFFFFFFF
FAMILIES = {2: "inet", 10: "inet6", 12: "dnet"}


def _family(value: int, record: Body, ip: IpContext) -> str:
    return FAMILIES.get(value, f"family {value}")


def _peer(value: str, record: Body, ip: IpContext) -> str | None:
    return ip.host(value) if value != local(record) else None


def _scope(value: int, record: Body, ip: IpContext) -> str:
    return str(value) if ip.numeric else name_tables.table("rt_scopes").get(value, str(value))


def _host(value: str, record: Body, ip: IpContext) -> str:
    return ip.host(value)


def _colour(value: str, record: Body) -> str | None:
    return family_colour(record["ifa_family"])


DEVICE = (
    OutputRow("ifa_index", "index", "%d: "),
    OutputRow("ifa_index", "dev", "%s", lambda value, record, ip: ip.name_of(value)),
)
FAMILY = (OutputRow("ifa_family", "family", "    %s ", _family),)
ADDRESS = (
    OutputRow("IFA_LOCAL", "local", "%s", _host, colour=_colour),
    OutputRow("IFA_ADDRESS", "address", " peer %s", _peer, colour=_colour),
    OutputRow("ifa_prefixlen", "prefixlen", "/%d "),
    OutputRow("IFA_RT_PRIORITY", "metric", "metric %d "),
)
REST = (
    OutputRow("IFA_BROADCAST", "broadcast", "brd %s ", _host, colour=_colour),
    OutputRow("IFA_ANYCAST", "anycast", "any %s ", _host, colour=_colour),
    OutputRow("ifa_scope", "scope", "scope %s ", _scope),
)
LABEL = (OutputRow("IFA_LABEL", "label", "%s"),)


def local(record: Body) -> str:
    """Return the address itself; without a peer the kernel may send it under either name."""
    value: str = record["IFA_LOCAL"] if "IFA_LOCAL" in record else record.get("IFA_ADDRESS", "")
    return value


def flags(record: Body) -> int:
    """Return all flags; the header has only eight of them."""
    value: int = record["IFA_FLAGS"] if "IFA_FLAGS" in record else record["ifa_flags"]
    return value


def _flags(record: Body, ip: IpContext) -> Iterator[OutputField]:
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


def _lifetimes(record: Body, ip: IpContext) -> Iterator[OutputField]:
    cache = record.get("IFA_CACHEINFO")
    if cache is None:
        return
    valid, preferred = cache["ifa_valid"], cache["ifa_prefered"]
    if preferred != FOREVER and preferred >= 1 << 31 and flags(record) & uapi.IFA_F_DEPRECATED:
        preferred -= 1 << 32
    for name, value, form in (
        ("valid_life_time", valid, "\n       valid_lft %s"),
        ("preferred_life_time", preferred, " preferred_lft %s"),
    ):
        yield OutputField(name, value, put(form, "forever" if value == FOREVER else f"{value}sec", ip))


def address(record: Body, ip: IpContext, named: bool = False) -> Iterator[OutputField]:
    """Yield one address as `ip addr show` prints it below its link; in brief, as a word of the link's line.

    ``named`` puts the link in front, as ``-oneline`` does.
    """
    record = {**record, "IFA_LOCAL": local(record)}
    if not ip.brief:
        if ip.oneline or named:
            yield from fields(DEVICE, record, ip)
        yield from fields(FAMILY, record, ip)
    yield from fields(ADDRESS, record, ip)
    if ip.brief:
        return
    yield from fields(REST, record, ip)
    yield from _flags(record, ip)
    yield from fields(LABEL, record, ip)
    yield from _lifetimes(record, ip)
    yield OutputField("", None, "\n")
