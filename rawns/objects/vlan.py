"""VLANs of the ports of a bridge whose ``vlan_filtering`` is on (bridge(8), `<linux/if_bridge.h>`)."""

from __future__ import annotations

from .. import rtnl, uapi
from ..errors import InvalidValue
from ..nlmsg import Request
from ..terminal import short_repr
from .link import MAX_VID, MIN_VID, check_flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Vlan:
    """The port ``index`` carries VLAN ``vid``: with ``pvid`` untagged frames that come in belong to it, ``untagged`` says
    that its frames leave without a tag."""

    __slots__ = ("index", "pvid", "untagged", "vid")

    def __init__(self, index: int, vid: int, pvid: bool = False, untagged: bool = False) -> None:
        self.index, self.vid, self.pvid, self.untagged = index, vid, pvid, untagged

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vlan) and all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __hash__(self) -> int:
        return hash((self.index, self.vid, self.pvid, self.untagged))

    def __repr__(self) -> str:
        flags = "".join(f" {name}" for name in ("pvid", "untagged") if getattr(self, name))
        return f"<Vlan {self.vid} index={self.index}{flags}>"


def read(body: Mapping[Any, Any]) -> list[Vlan]:
    """Return the VLANs of one port from an answer to `dump`, ranges written out."""
    found: list[Vlan] = []
    first = 0
    spec = body.get("IFLA_AF_SPEC", {})
    for info in spec.get("IFLA_BRIDGE_VLAN_INFO", []) if isinstance(spec, dict) else []:
        flags, vid = info.get("flags", 0), info.get("vid", 0)
        if not 0 <= vid <= MAX_VID or len(found) > MAX_VID:  # no kernel lists such, and ranges of such would fill the memory
            continue
        if flags & uapi.BRIDGE_VLAN_INFO_RANGE_BEGIN:
            first = vid
            continue
        begin = first if flags & uapi.BRIDGE_VLAN_INFO_RANGE_END and 0 < first <= vid else vid
        pvid, untagged = bool(flags & uapi.BRIDGE_VLAN_INFO_PVID), bool(flags & uapi.BRIDGE_VLAN_INFO_UNTAGGED)
        found += [Vlan(body["ifi_index"], one, pvid, untagged) for one in range(begin, vid + 1)]
    return found


def dump() -> Request:
    """List the VLANs of all ports: ``bridge vlan show``."""
    fields = {"ifi_family": uapi.AF_BRIDGE, "IFLA_EXT_MASK": uapi.RTEXT_FILTER_BRVLAN_COMPRESSED}
    return Request(rtnl.GETLINK, fields, uapi.NLM_F_DUMP)


def _body(index: int, vid: int, last: int | None, flags: int, own: bool) -> dict[str, Any]:
    end = vid if last is None else last
    if not (isinstance(vid, int) and isinstance(end, int) and MIN_VID <= vid <= end <= MAX_VID):
        range_ = short_repr(vid) if last is None else f"{short_repr(vid)} to {short_repr(last)}"
        raise InvalidValue(f"{range_}: a VLAN is a number from {MIN_VID} to {MAX_VID}")
    infos = [{"flags": flags, "vid": vid}]
    if end > vid:
        if flags & uapi.BRIDGE_VLAN_INFO_PVID:
            raise InvalidValue("untagged frames that come in belong to one VLAN (pvid), not to a range")
        begin, stop = flags | uapi.BRIDGE_VLAN_INFO_RANGE_BEGIN, flags | uapi.BRIDGE_VLAN_INFO_RANGE_END
        infos = [{"flags": begin, "vid": vid}, {"flags": stop, "vid": end}]
    spec: dict[str, Any] = {"IFLA_BRIDGE_FLAGS": uapi.BRIDGE_FLAGS_SELF} if own else {}
    return {"ifi_family": uapi.AF_BRIDGE, "ifi_index": index, "IFLA_AF_SPEC": {**spec, "IFLA_BRIDGE_VLAN_INFO": infos}}


def set(
    index: int, vid: int, last: int | None = None, *, pvid: bool = False, untagged: bool = False, own: bool = False
) -> Request:
    """Add a port to a VLAN, or to all from ``vid`` to ``last``: ``bridge vlan add dev NAME vid VID [pvid] [untagged]``.

    ``own`` says that the index is the bridge's (``self``).  The kernel refuses (EOPNOTSUPP) if it was built without
    CONFIG_BRIDGE_VLAN_FILTERING.  Raises `InvalidValue`.
    """
    flags = uapi.BRIDGE_VLAN_INFO_PVID if check_flag("pvid", pvid) else 0
    flags |= uapi.BRIDGE_VLAN_INFO_UNTAGGED if check_flag("untagged", untagged) else 0
    return Request(rtnl.SETLINK, _body(index, vid, last, flags, own), 0, f"VLAN {vid}")


def delete(index: int, vid: int, last: int | None = None, *, own: bool = False) -> Request:
    """Remove a port from a VLAN, or from a range: ``bridge vlan del dev NAME vid VID``.  Raises `InvalidValue`."""
    return Request(rtnl.DELLINK, _body(index, vid, last, 0, own), 0, f"VLAN {vid}")
