"""Neighbours: link-layer addresses by network address (ip-neighbour(8), `<linux/neighbour.h>`, arp(7))."""

from __future__ import annotations

from .. import rtnl, uapi
from ..nlmsg import Request
from . import prefix
from .link import check_flag
from .record import Record, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Neighbour(Record):
    """One entry.  ``state`` are NUD_* bits, ``flags`` NTF_* bits; ``lladdr`` is None until the link-layer address is known."""

    __slots__ = ()

    index: int = field("ndm_ifindex")
    family: int = field("ndm_family", names="AF_")
    address: str = field("NDA_DST")
    lladdr: str | None = field("NDA_LLADDR")
    state: int = field("ndm_state", default=uapi.NUD_NONE, bits="NUD_")
    flags: int = field("ndm_flags", default=0, bits="NTF_")

    def _title(self) -> str:
        return str(self.address)


def dump(family: int = 0, index: int = 0) -> Request:
    """List all neighbours, or those of one family or of one link: ``ip neigh show [dev NAME]``."""
    fields: dict[str, Any] = {"ndm_family": family}
    if index:
        fields["NDA_IFINDEX"] = index
    return Request(rtnl.GETNEIGH, fields, uapi.NLM_F_DUMP)


def _body(index: int, address: str) -> dict[str, Any]:
    where = prefix.address(address)
    return {"ndm_family": where.family, "ndm_ifindex": index, "NDA_DST": where.address}


def new(index: int, address: str, lladdr: str, permanent: bool = True) -> Request:
    """Add an entry: ``ip neigh add ADDRESS lladdr LLADDR dev NAME [nud permanent|reachable]``.  Raises `InvalidValue`."""
    state = uapi.NUD_PERMANENT if check_flag("permanent", permanent) else uapi.NUD_REACHABLE
    fields = {**_body(index, address), "ndm_state": state, "NDA_LLADDR": lladdr}
    return Request(rtnl.NEWNEIGH, fields, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL, f"neighbour {address}")


def delete(index: int, address: str) -> Request:
    """Delete an entry: ``ip neigh del ADDRESS dev NAME``.  Raises `InvalidValue`."""
    return Request(rtnl.DELNEIGH, _body(index, address), 0, f"neighbour {address}")
