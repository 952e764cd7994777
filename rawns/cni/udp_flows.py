"""Entries of connection tracking that published UDP ports leave behind, and how they are deleted."""

from __future__ import annotations

from errno import EINVAL, ENOENT

from .. import uapi
from ..errors import KernelError
from ..netlink_families import Netfilter
from ..nft.conntrack import DELETE, GET, MESSAGES, NEW
from ..nlmsg import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ..netlink import Netlink
    from ..wire import Message

# Bits of CTA_FILTER_ORIG_FLAGS, in no header for programs: since Linux 5.8 a dump has only the entries that are like its tuple.
LIKE_PROTOCOL, LIKE_DESTINATION_PORT = 1 << 3, 1 << 5


class Conntrack(Netfilter):
    """A NETLINK_NETFILTER socket for the entries of connection tracking."""

    @property
    def messages(self) -> Mapping[int, Message]:
        return MESSAGES


def delete_udp(netlink: Netlink, family: int, port: int, to: Callable[[str], bool]) -> int:
    """Delete the UDP entries whose first packet went to a port, and to an address that ``to`` accepts; return how many.

    It is equivalent to ``conntrack -D -p udp --orig-port-dst PORT``.  ``family`` is AF_INET or AF_INET6.  A kernel without
    ctnetlink has nothing to delete.  Raises `KernelError`.
    """
    like = {"CTA_PROTO_NUM": uapi.IPPROTO_UDP, "CTA_PROTO_DST_PORT": port}
    flags = {"CTA_FILTER_ORIG_FLAGS": LIKE_PROTOCOL | LIKE_DESTINATION_PORT}
    about = f"UDP port {port} of connection tracking"
    body = {"nfgen_family": family, "CTA_TUPLE_ORIG": {"CTA_TUPLE_PROTO": like}, "CTA_FILTER": flags}
    asked = Request(GET, body, uapi.NLM_F_DUMP, about)
    asked.reading = NEW.select("CTA_TUPLE_ORIG")
    destination = "CTA_IP_V4_DST" if family == uapi.AF_INET else "CTA_IP_V6_DST"
    deleted = 0
    with Conntrack.in_namespace_of(netlink) as conntrack:
        for found in _tuples(conntrack, asked):
            address, protocol = found.get("CTA_TUPLE_IP", {}), found.get("CTA_TUPLE_PROTO", {})
            if like.items() <= protocol.items() and to(address.get(destination, "")):
                deleted += _delete(conntrack, Request(DELETE, {"nfgen_family": family, "CTA_TUPLE_ORIG": found}, 0, about))
    return deleted


def _tuples(conntrack: Conntrack, asked: Request) -> list[dict[str, Any]]:
    try:
        return [reply.body.get("CTA_TUPLE_ORIG", {}) for reply in conntrack.dump(asked)]
    except KernelError as error:
        if error.errno != EINVAL:  # there is no such subsystem of nfnetlink
            raise
        return []


def _delete(conntrack: Conntrack, request: Request) -> bool:
    try:
        conntrack.do(request)
    except KernelError as error:
        if error.errno != ENOENT:
            raise
        return False  # it has timed out meanwhile
    return True
