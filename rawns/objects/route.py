"""Routes (ip-route(8), `<linux/rtnetlink.h>`).

Floor 3, pure: a record and the requests that list, add and delete.
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
) -> Request:
    """Add a route: ``ip route add DESTINATION [via GATEWAY] [dev NAME] [src ADDR] [metric N] [table ID]``."""
    fields = _body(destination, via, index, source, metric, table)
    fields["rtm_protocol"] = uapi.RTPROT_BOOT
    fields["rtm_scope"] = uapi.RT_SCOPE_UNIVERSE if via or fields["rtm_family"] == uapi.AF_INET6 else uapi.RT_SCOPE_LINK
    fields["rtm_type"] = uapi.RTN_UNICAST
    return Request(rtnl.NEWROUTE, fields, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL, f"route {destination}")


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
