"""Namespace ids: the numbers by which one namespace refers to others (ip-netns(8), `<linux/net_namespace.h>`)."""

from __future__ import annotations

from .. import rtnl, uapi
from ..nlmsg import Request
from ..terminal import short_repr
from .record import Record, field

NOT_ASSIGNED = uapi.NETNSA_NSID_NOT_ASSIGNED


class Nsid(Record):
    """One id; -1 (`NOT_ASSIGNED`) if the namespace that was asked for has none."""

    __slots__ = ()

    nsid: int = field("NETNSA_NSID", default=NOT_ASSIGNED)


def dump() -> Request:
    """List all ids that this namespace has assigned: ``ip netns list-id``."""
    return Request(rtnl.GETNSID, {}, uapi.NLM_F_DUMP)


def get(fd: int) -> Request:
    """Ask for the id of the namespace behind a descriptor."""
    return Request(rtnl.GETNSID, {"NETNSA_FD": fd}, 0, "the namespace's id")


def new(fd: int, nsid: int = NOT_ASSIGNED) -> Request:
    """Assign an id to the namespace behind a descriptor, -1 for the next free one: ``ip netns set NAME NSID``."""
    return Request(rtnl.NEWNSID, {"NETNSA_FD": fd, "NETNSA_NSID": nsid}, 0, f"namespace id {short_repr(nsid)}")
