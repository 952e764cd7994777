"""Routes (ip-route(8), `<linux/rtnetlink.h>`).

Floor 3, pure: a record and the requests that list, look up, add and delete.
"""

from __future__ import annotations

from .. import rtnl, uapi
from ..errors import InvalidValue
from ..nlmsg import Request
from . import prefix
from .record import Field, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


TYPES = {
    "unicast": uapi.RTN_UNICAST,
    "blackhole": uapi.RTN_BLACKHOLE,
    "unreachable": uapi.RTN_UNREACHABLE,
    "prohibit": uapi.RTN_PROHIBIT,
    "throw": uapi.RTN_THROW,
    "local": uapi.RTN_LOCAL,
}


class Route(Record):
    """One route.  ``str()`` of it is its destination: ``10.0.0.0/24``, or ``default``."""

    __slots__ = ()

    family = Field("rtm_family")
    gateway = Field("RTA_GATEWAY")
    index = Field("RTA_OIF")
    source = Field("RTA_PREFSRC")
    metric = Field("RTA_PRIORITY", default=0)
    table = Field("RTA_TABLE", "rtm_table")
    protocol = Field("rtm_protocol")
    scope = Field("rtm_scope")
    type = Field("rtm_type")

    @property
    def mtu(self) -> int | None:
        """The largest packet for it in bytes, where the route says so."""
        mtu: int | None = self.body.get("RTA_METRICS", {}).get("RTAX_MTU")
        return mtu

    @property
    def destination(self) -> str:
        """``'10.0.0.0/24'``; ``'default'`` for the route that takes all that no other does."""
        where = self.body.get("RTA_DST")
        return "default" if where is None else f"{where}/{self.body['rtm_dst_len']}"

    def __str__(self) -> str:
        return self.destination


def dump(family: int = 0, table: int = uapi.RT_TABLE_MAIN) -> Request:
    """The routes of one table, of one family or both: ``ip route show [table ID]``.  Table 0 is all tables."""
    fields: dict[str, Any] = {"rtm_family": family}
    if table:
        fields["RTA_TABLE"] = table
    return Request(rtnl.GETROUTE, fields, uapi.NLM_F_DUMP)


def get(address: str, *, source: str | None = None, iif: int | None = None, oif: int | None = None, mark: int = 0) -> Request:
    """Ask which way a packet would go: ``ip route get ADDRESS [from SOURCE] [iif NAME] [oif NAME] [mark N]``.

    With ``iif``, an index, it is one that comes in there.  Refused as the packet would be: ENETUNREACH, EHOSTUNREACH.
    """
    where = prefix.address(address)
    fields: dict[str, Any] = {"rtm_family": where.family, "rtm_dst_len": where.length, "RTA_DST": where.address}
    if where.family == uapi.AF_INET:
        fields["rtm_flags"] = uapi.RTM_F_LOOKUP_TABLE  # name the table it was found in, as IPv6 always does (and forbids to ask)
    if source is not None:
        fields["rtm_src_len"], fields["RTA_SRC"] = where.length, prefix.address(source, where.family).address
    optional = {"RTA_IIF": iif, "RTA_OIF": oif, "RTA_MARK": mark or None}
    fields.update((key, value) for key, value in optional.items() if value is not None)
    return Request(rtnl.GETROUTE, fields, 0, f"the route to {address}")


def _body(
    destination: str, via: str | None, index: int | None, source: str | None, metric: int | None, table: int
) -> dict[str, Any]:
    gateway = prefix.address(via) if via is not None else None
    where = prefix.destination(destination, gateway.family if gateway else 0)
    fields: dict[str, Any] = {
        "rtm_family": where.family,
        "rtm_dst_len": where.length,
        "rtm_table": table if table < 256 else uapi.RT_TABLE_COMPAT,
    }
    if gateway is not None and gateway.family != where.family:
        raise InvalidValue(f"{destination} and its gateway {via} are of two families")
    optional = {
        "RTA_DST": where.address if where.length else None,
        "RTA_GATEWAY": gateway.address if gateway else None,
        "RTA_OIF": index,
        "RTA_PREFSRC": prefix.address(source, where.family).address if source is not None else None,
        "RTA_PRIORITY": metric,
        "RTA_TABLE": table if table > 255 else None,
    }
    fields.update((key, value) for key, value in optional.items() if value is not None)
    return fields


def new(
    destination: str,
    *,
    via: str | None = None,
    index: int | None = None,
    source: str | None = None,
    metric: int | None = None,
    table: int = uapi.RT_TABLE_MAIN,
    protocol: int = uapi.RTPROT_BOOT,
    scope: int | None = None,
    type: str = "unicast",
    onlink: bool = False,
    mtu: int | None = None,
    family: int = 0,
) -> Request:
    """Add a route: ``ip route add [TYPE] DESTINATION [via GATEWAY] [dev NAME] [src ADDR] [metric N] [table ID] ...``.

    ``type`` is a word of `TYPES`: ``'blackhole'`` and its like need no way.  ``onlink`` believes that the gateway is on the
    link; ``mtu`` is in bytes; ``family`` tells whose ``default`` it is where no gateway does.
    """
    if type not in TYPES:
        raise InvalidValue(f"{type!r} is no type of a route: {', '.join(TYPES)}")
    if destination in ("default", "any", "all") and family == uapi.AF_INET6:
        destination = "::/0"
    fields = _body(destination, via, index, source, metric, table)
    fields["rtm_protocol"], fields["rtm_type"] = protocol, TYPES[type]
    fields["rtm_scope"] = _scope(fields, type) if scope is None else scope
    if onlink:
        fields["rtm_flags"] = uapi.RTNH_F_ONLINK
    if mtu is not None:
        fields["RTA_METRICS"] = {"RTAX_MTU": mtu}
    return Request(rtnl.NEWROUTE, fields, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL, f"route {destination}")


def _scope(fields: dict[str, Any], type: str) -> int:
    """As far as the destination is away, the way `ip` guesses it: a neighbour where no gateway leads there."""
    if type == "local":
        return uapi.RT_SCOPE_HOST
    if "RTA_GATEWAY" in fields or fields["rtm_family"] == uapi.AF_INET6 or type != "unicast":
        return uapi.RT_SCOPE_UNIVERSE
    return uapi.RT_SCOPE_LINK


def replace(destination: str, **options: Any) -> Request:
    """Add a route, or put it in the place of the one with its destination, metric and table: ``ip route replace ...``."""
    request = new(destination, **options)
    request.flags = uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE
    return request


def delete(
    destination: str,
    *,
    via: str | None = None,
    index: int | None = None,
    metric: int | None = None,
    table: int = uapi.RT_TABLE_MAIN,
) -> Request:
    """Delete the first route that fits: ``ip route del DESTINATION ...``."""
    fields = _body(destination, via, index, None, metric, table)
    fields["rtm_scope"] = uapi.RT_SCOPE_NOWHERE  # which here means any
    return Request(rtnl.DELROUTE, fields, 0, f"route {destination}")


def again(known: Route) -> Request:
    """Add a route that was listed once more, as it was."""
    body = {key: value for key, value in known.body.items() if key != "RTA_CACHEINFO"}
    return Request(rtnl.NEWROUTE, body, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL, f"route {known}")
