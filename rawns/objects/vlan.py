"""VLANs of bridge ports (bridge(8), `<linux/if_bridge.h>`); of a bridge whose ``vlan_filtering`` is on.

Floor 3, pure: a value and the requests that list, set and delete.
"""

from __future__ import annotations

from .. import rtnl, uapi
from ..errors import InvalidValue
from ..nlmsg import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..errors import KernelError

MOST = 4094  # 0 and 4095 are reserved


class Vlan:
    """That the port ``index`` is in VLAN ``vid``: ``pvid`` takes what comes in untagged, ``untagged`` sends so."""

    __slots__ = ("index", "pvid", "untagged", "vid")

    def __init__(self, index: int, vid: int, pvid: bool = False, untagged: bool = False) -> None:
        self.index, self.vid, self.pvid, self.untagged = index, vid, pvid, untagged

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vlan) and all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __hash__(self) -> int:
        return hash((self.index, self.vid, self.pvid, self.untagged))

    def __repr__(self) -> str:
        return f"Vlan(index={self.index}, vid={self.vid}, pvid={self.pvid}, untagged={self.untagged})"


def read(body: Mapping[Any, Any]) -> list[Vlan]:
    """The VLANs in one answer to `dump`, ranges written out."""
    found: list[Vlan] = []
    first = 0
    for info in body.get("IFLA_AF_SPEC", {}).get("IFLA_BRIDGE_VLAN_INFO", []):
        flags, vid = info.get("flags", 0), info.get("vid", 0)
        if flags & uapi.BRIDGE_VLAN_INFO_RANGE_BEGIN:
            first = vid
            continue
        begin = first if flags & uapi.BRIDGE_VLAN_INFO_RANGE_END and 0 < first <= vid else vid
        pvid, untagged = bool(flags & uapi.BRIDGE_VLAN_INFO_PVID), bool(flags & uapi.BRIDGE_VLAN_INFO_UNTAGGED)
        found += [Vlan(body["ifi_index"], one, pvid, untagged) for one in range(begin, vid + 1)]
    return found


def dump() -> Request:
    """The VLANs of all ports: ``bridge vlan show``."""
    fields = {"ifi_family": uapi.AF_BRIDGE, "IFLA_EXT_MASK": uapi.RTEXT_FILTER_BRVLAN_COMPRESSED}
    return Request(rtnl.GETLINK, fields, uapi.NLM_F_DUMP)


def _body(index: int, vid: int, last: int | None, flags: int, own: bool) -> dict[str, Any]:
    end = vid if last is None else last
    if not (isinstance(vid, int) and isinstance(end, int) and 1 <= vid <= end <= MOST):
        raise InvalidValue(f"{vid!r}{'' if last is None else f' to {last!r}'}: a VLAN is a number from 1 to {MOST}")
    infos = [{"flags": flags, "vid": vid}]
    if end > vid:
        if flags & uapi.BRIDGE_VLAN_INFO_PVID:
            raise InvalidValue("what comes in untagged belongs to one VLAN, not to a range")
        begin, stop = flags | uapi.BRIDGE_VLAN_INFO_RANGE_BEGIN, flags | uapi.BRIDGE_VLAN_INFO_RANGE_END
        infos = [{"flags": begin, "vid": vid}, {"flags": stop, "vid": end}]
    spec: dict[str, Any] = {"IFLA_BRIDGE_FLAGS": uapi.BRIDGE_FLAGS_SELF} if own else {}
    return {"ifi_family": uapi.AF_BRIDGE, "ifi_index": index, "IFLA_AF_SPEC": {**spec, "IFLA_BRIDGE_VLAN_INFO": infos}}


def set(
    index: int, vid: int, last: int | None = None, *, pvid: bool = False, untagged: bool = False, own: bool = False
) -> Request:
    """Put a port into a VLAN, or into all from ``vid`` to ``last``: ``bridge vlan add dev NAME vid VID [pvid] [untagged]``.

    ``own`` says that the index is the bridge's (``self``).  The kernel refuses (EOPNOTSUPP) where it was built without
    CONFIG_BRIDGE_VLAN_FILTERING.
    """
    flags = (uapi.BRIDGE_VLAN_INFO_PVID if pvid else 0) | (uapi.BRIDGE_VLAN_INFO_UNTAGGED if untagged else 0)
    return Request(rtnl.SETLINK, _body(index, vid, last, flags, own), 0, f"VLAN {vid}")


def delete(index: int, vid: int, last: int | None = None, *, own: bool = False) -> Request:
    """Take a port out of a VLAN, or of a range: ``bridge vlan del dev NAME vid VID``."""
    return Request(rtnl.DELLINK, _body(index, vid, last, 0, own), 0, f"VLAN {vid}")


def advise(error: KernelError) -> None:
    """Say why a kernel does not know what we mean."""
    if error.code == "EOPNOTSUPP":
        error.hint = "it is no port of a bridge, or this kernel was built without CONFIG_BRIDGE_VLAN_FILTERING"
