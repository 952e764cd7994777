"""Routes (ip-route(8), `<linux/rtnetlink.h>`)."""

from __future__ import annotations

from .. import rtnl, uapi
from ..errors import InvalidValue
from ..nlmsg import Request
from ..terminal import short_repr
from . import prefix
from .link import check_flag
from .record import Record, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict

    from typing_extensions import Unpack

    class RouteOptions(TypedDict, total=False):
        """Options of a route beside destination, gateway and device: see `new`."""

        source: str | None
        metric: int | None
        table: int
        protocol: int
        scope: int | None
        type: str
        onlink: bool
        mtu: int | None
        family: int

    class RouteSelection(TypedDict, total=False):
        """What `delete` selects a route by, beside destination, gateway and device."""

        metric: int | None
        table: int


TYPES = {
    "unicast": uapi.RTN_UNICAST,
    "blackhole": uapi.RTN_BLACKHOLE,
    "unreachable": uapi.RTN_UNREACHABLE,
    "prohibit": uapi.RTN_PROHIBIT,
    "throw": uapi.RTN_THROW,
    "local": uapi.RTN_LOCAL,
}
MAX_TABLE_IN_HEADER = 255  # larger numbers need RTA_TABLE


class Route(Record):
    """One route.  ``str()`` of it is its destination: ``10.0.0.0/24``, or ``default``.

    ``index`` is the link that it leads out by, ``source`` the address that packets get, ``metric`` its priority (the lowest is
    taken first), ``protocol`` what added it (RTPROT_*), ``scope`` one of RT_SCOPE_*, ``type`` one of RTN_*.
    """

    __slots__ = ()

    family: int = field("rtm_family", names="AF_")
    gateway: str | None = field("RTA_GATEWAY")
    index: int | None = field("RTA_OIF")
    source: str | None = field("RTA_PREFSRC")
    metric: int = field("RTA_PRIORITY", default=0)
    table: int = field("RTA_TABLE", "rtm_table", names="RT_TABLE_")
    protocol: int = field("rtm_protocol", names="RTPROT_")
    scope: int = field("rtm_scope", names="RT_SCOPE_")
    type: int = field("rtm_type", names="RTN_")

    @property
    def mtu(self) -> int | None:
        """The largest packet that is sent by it in bytes, if the route says so."""
        mtu: int | None = self.body.get("RTA_METRICS", {}).get("RTAX_MTU")
        return mtu

    @property
    def destination(self) -> str:
        """``'10.0.0.0/24'``; ``'default'`` for the route of all that no other route matches."""
        where = self.body.get("RTA_DST")
        return "default" if where is None else f"{where}/{self.body['rtm_dst_len']}"

    def __str__(self) -> str:
        return self.destination

    def _title(self) -> str:
        return self.destination


def dump(family: int = 0, table: int = uapi.RT_TABLE_MAIN, type: int = 0) -> Request:
    """List the routes of one table, of one family or both: ``ip route show [table ID] [type TYPE]``.  Table 0 is all tables.

    A kernel before Linux 4.20 lists more than it is asked for: other tables, and types (RTN_*) other than ``type``.
    """
    fields: dict[str, Any] = {"rtm_family": family}
    if table:
        fields["RTA_TABLE"] = table
    if type:
        fields["rtm_type"] = type
    return Request(rtnl.GETROUTE, fields, uapi.NLM_F_DUMP)


def get(address: str, *, source: str | None = None, iif: int | None = None, oif: int | None = None, mark: int = 0) -> Request:
    """Ask which route a packet takes: ``ip route get ADDRESS [from SOURCE] [iif NAME] [oif NAME] [mark N]``.

    ``iif`` is the index of the link that it comes in by, ``oif`` of the one that it must leave by.  The kernel refuses as it
    refuses the packet: ENETUNREACH, EHOSTUNREACH, EACCES.  Raises `InvalidValue`.
    """
    where = prefix.address(address)
    fields: dict[str, Any] = {"rtm_family": where.family, "rtm_dst_len": where.length, "RTA_DST": where.address}
    if where.family == uapi.AF_INET:
        fields["rtm_flags"] = uapi.RTM_F_LOOKUP_TABLE  # name the table of the route; IPv6 always does, and refuses the flag
    if source is not None:
        fields["rtm_src_len"], fields["RTA_SRC"] = where.length, prefix.address(source, where.family).address
    optional = {"RTA_IIF": iif, "RTA_OIF": oif, "RTA_MARK": mark or None}
    fields.update((key, value) for key, value in optional.items() if value is not None)
    return Request(rtnl.GETROUTE, fields, 0, f"the route to {address}")


def _body(
    destination: str, via: str | None, index: int | None, source: str | None, metric: int | None, table: int, family: int
) -> dict[str, Any]:
    gateway = prefix.address(via) if via is not None else None
    where = prefix.destination(destination, gateway.family if gateway else family)
    if not isinstance(table, int):
        raise InvalidValue(f"expected the number of a routing table, not {short_repr(table)}")
    fields: dict[str, Any] = {
        "rtm_family": where.family,
        "rtm_dst_len": where.length,
        "rtm_table": table if table <= MAX_TABLE_IN_HEADER else uapi.RT_TABLE_COMPAT,
    }
    if gateway is not None and gateway.family != where.family:
        raise InvalidValue(f"{destination} and its gateway {via} are of different families")
    optional = {
        "RTA_DST": where.address if where.length else None,
        "RTA_GATEWAY": gateway.address if gateway else None,
        "RTA_OIF": index,
        "RTA_PREFSRC": prefix.address(source, where.family).address if source is not None else None,
        "RTA_PRIORITY": metric,
        "RTA_TABLE": table if table > MAX_TABLE_IN_HEADER else None,
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

    ``destination`` is a prefix, or ``default`` (whose ``family`` matters if no gateway tells it).  ``type`` is one of `TYPES`;
    ``'blackhole'``, ``'unreachable'``, ``'prohibit'`` and ``'throw'`` need neither gateway nor device.  ``onlink`` says that the
    gateway is on the link although no address shows it; ``mtu`` is in bytes.  Raises `InvalidValue`.
    """
    if not isinstance(type, str) or type not in TYPES:
        raise InvalidValue(f"{short_repr(type)} is not a type of a route: {', '.join(TYPES)}")
    fields = _body(destination, via, index, source, metric, table, family)
    fields["rtm_protocol"], fields["rtm_type"] = protocol, TYPES[type]
    fields["rtm_scope"] = _scope(fields, type) if scope is None else scope
    if check_flag("onlink", onlink):
        fields["rtm_flags"] = uapi.RTNH_F_ONLINK
    if mtu is not None:
        fields["RTA_METRICS"] = {"RTAX_MTU": mtu}
    return Request(rtnl.NEWROUTE, fields, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL, f"route {destination}")


def _scope(fields: dict[str, Any], type: str) -> int:
    """Return the scope that `ip` takes if none is given: the link, if there is no gateway."""
    if type == "local":
        return uapi.RT_SCOPE_HOST
    if "RTA_GATEWAY" in fields or fields["rtm_family"] == uapi.AF_INET6 or type != "unicast":
        return uapi.RT_SCOPE_UNIVERSE
    return uapi.RT_SCOPE_LINK


def replace(destination: str, *, via: str | None = None, index: int | None = None, **options: Unpack[RouteOptions]) -> Request:
    """Add a route, or replace the one with its destination, metric and table: ``ip route replace ...``.  As for `new`."""
    request = new(destination, via=via, index=index, **options)
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
    """Delete the first route that matches: ``ip route del DESTINATION ...``.  Raises `InvalidValue`."""
    fields = _body(destination, via, index, None, metric, table, 0)
    fields["rtm_scope"] = uapi.RT_SCOPE_NOWHERE  # which here means any
    return Request(rtnl.DELROUTE, fields, 0, f"route {destination}")


CONFIGURED_FLAGS = uapi.RTNH_F_ONLINK | uapi.RTNH_F_PERVASIVE


def again(known: Route) -> Request:
    """Add a route that has been listed once more, unchanged.

    The flags of a listed route are its state as well (RTNH_F_LINKDOWN while its interface has no carrier), which the kernel
    refuses in a request.
    """
    body = {key: value for key, value in known.body.items() if key != "RTA_CACHEINFO"}
    body["rtm_flags"] &= CONFIGURED_FLAGS
    if "RTA_MULTIPATH" in body:
        body["RTA_MULTIPATH"] = [{**hop, "rtnh_flags": hop["rtnh_flags"] & CONFIGURED_FLAGS} for hop in body["RTA_MULTIPATH"]]
    return Request(rtnl.NEWROUTE, body, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL, f"route {known}")
