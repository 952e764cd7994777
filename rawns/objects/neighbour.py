"""Neighbours: who has which link-layer address (ip-neighbour(8), `<linux/neighbour.h>`, arp(7)).

Floor 3, pure: a record and the requests that list, add and delete.
"""

from __future__ import annotations

from .. import rtnl, uapi
from ..nlmsg import Request
from . import prefix
from .record import Field, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Neighbour(Record):
    """One entry.  ``state`` is a set of NUD_* bits, ``lladdr`` the link-layer address once it is known."""

    __slots__ = ()

    index = Field("ndm_ifindex")
    family = Field("ndm_family")
    address = Field("NDA_DST")
    lladdr = Field("NDA_LLADDR")
    state = Field("ndm_state", default=0)
    flags = Field("ndm_flags", default=0)


def dump(family: int = 0, index: int = 0) -> Request:
    """All neighbours, or those of one family, of one link: ``ip neigh show [dev NAME]``."""
    fields: dict[str, Any] = {"ndm_family": family}
    if index:
        fields["NDA_IFINDEX"] = index
    return Request(rtnl.GETNEIGH, fields, uapi.NLM_F_DUMP)


def _body(index: int, address: str) -> dict[str, Any]:
    where = prefix.address(address)
    return {"ndm_family": where.family, "ndm_ifindex": index, "NDA_DST": where.address}


def new(index: int, address: str, lladdr: str, permanent: bool = True) -> Request:
    """Add an entry: ``ip neigh add ADDRESS lladdr LLADDR dev NAME [nud permanent|reachable]``."""
    state = uapi.NUD_PERMANENT if permanent else uapi.NUD_REACHABLE
    fields = {**_body(index, address), "ndm_state": state, "NDA_LLADDR": lladdr}
    return Request(rtnl.NEWNEIGH, fields, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL, f"neighbour {address}")


def delete(index: int, address: str) -> Request:
    """Delete an entry: ``ip neigh del ADDRESS dev NAME``."""
    return Request(rtnl.DELNEIGH, _body(index, address), 0, f"neighbour {address}")
