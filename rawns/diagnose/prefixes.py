"""Questions about IP addresses and prefixes that are given as text, and unused addresses and names."""

from __future__ import annotations

from _socket import inet_pton

from .. import uapi
from ..objects.prefix import BITS, Prefix, family_of, same_bits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..objects.address import Address
    from ..objects.route import Route

MAX_SPARE_TRIED = 4096  # addresses of a prefix that `spare_address` tries


def version(family: int) -> str:
    """Return ``ipv4`` or ``ipv6``, as the directories under /proc/sys/net are called."""
    return "ipv6" if family == uapi.AF_INET6 else "ipv4"


def family_name(family: int) -> str:
    """Return ``IPv4`` or ``IPv6``."""
    return "IPv6" if family == uapi.AF_INET6 else "IPv4"


def of_length(address: str, length: int) -> Prefix:
    """Return the prefix of a length in which an address lies."""
    return Prefix(family_of(address), address, length)


def holds(prefix: str, length: int, address: str) -> bool:
    """Return whether a prefix contains an address; False if they are of two families."""
    family = family_of(prefix)
    return family == family_of(address) and same_bits(inet_pton(family, prefix), inet_pton(family, address), length)


def network(address: str, length: int) -> str:
    """Return an address with its host bits cleared, and the length: ``10.0.0.0/24``."""
    return str(of_length(address, length).network)


def on_link(one: Address, address: str) -> bool:
    """Return whether an address of a link makes another one a neighbour: the prefix contains it, or it is the peer."""
    return holds(one.peer or one.address, one.prefixlen, address)


def link_local(address: str) -> bool:
    """Return whether this is an IPv6 link-local unicast address (fe80::/10)."""
    return holds("fe80::", 10, address)


def loopback(address: str) -> bool:
    """Return whether this is a loopback address (127.0.0.0/8 or ::1)."""
    return holds("127.0.0.0", 8, address) or address == "::1"


def multicast(address: str) -> bool:
    """Return whether this is a multicast address (224.0.0.0/4 or ff00::/8)."""
    return holds("224.0.0.0", 4, address) or holds("ff00::", 8, address)


def solicited(address: str) -> str:
    """Return the solicited-node multicast group of an IPv6 address (RFC 4291)."""
    group = of_length("ff02::1:ff00:0", 104).number | of_length(address, 128).number & 0xFFFFFF
    return Prefix.of(uapi.AF_INET6, group).address


def covers(route: Route, address: str) -> bool:
    """Return whether the destination of a route contains an address."""
    destination: str | None = route.body.get("RTA_DST")
    if destination is None:
        return route.family == family_of(address)
    return holds(destination, route.body["rtm_dst_len"], address)


def spare_address(like: str, length: int, taken: Iterable[str]) -> str:
    """Return an address of the prefix of ``like`` that is not in ``taken``, with its length: ``10.0.0.3/24``.

    A prefix of one or two addresses may have no other: then it is the nearest address that is free.
    """
    mine = of_length(like, length)
    used = {of_length(one, 0).number for one in taken if family_of(one) == mine.family}
    size = 1 << BITS[mine.family] - length
    if size <= 2:
        tried, otherwise = [mine.number ^ n for n in range(MAX_SPARE_TRIED)], mine.number
    else:
        first = mine.network.number
        tried = [first + n for n in range(1, min(size - 2, MAX_SPARE_TRIED) + 1)]
        otherwise = tried[-1]
    return str(Prefix.of(mine.family, next((one for one in tried if one not in used), otherwise), length))


def spare_name(like: str, taken: Iterable[str]) -> str:
    """Return an interface name that is not in ``taken``: ``v``, ``v1``, ``v2`` ..., of at most 15 bytes."""
    used, found, count = set(taken), like[: uapi.IFNAMSIZ - 1], 0
    while found in used:
        count += 1
        found = f"{like[: uapi.IFNAMSIZ - 1 - len(str(count))]}{count}"
    return found
