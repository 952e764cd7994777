"""Namespace ids: the numbers under which one namespace knows others (ip-netns(8), `<linux/net_namespace.h>`).

Floor 3, pure: a record and the requests that list, ask and set.
"""

from __future__ import annotations

from .. import rtnl, uapi
from ..nlmsg import Request
from .record import Field, Record


class Nsid(Record):
    """One id.  -1 (NETNSA_NSID_NOT_ASSIGNED) says that there is none."""

    __slots__ = ()

    nsid = Field("NETNSA_NSID")


def dump() -> Request:
    """All ids this namespace has given: ``ip netns list-id``."""
    return Request(rtnl.GETNSID, {}, uapi.NLM_F_DUMP)


def get(fd: int) -> Request:
    """The id given to the namespace behind a descriptor."""
    return Request(rtnl.GETNSID, {"NETNSA_FD": fd}, 0, "the namespace's id")


def new(fd: int, nsid: int = -1) -> Request:
    """Give it an id, -1 for the next free one: ``ip netns set NAME NSID``."""
    return Request(rtnl.NEWNSID, {"NETNSA_FD": fd, "NETNSA_NSID": nsid}, 0, f"namespace id {nsid}")


NOT_ASSIGNED = uapi.NETNSA_NSID_NOT_ASSIGNED
