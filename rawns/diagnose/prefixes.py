"""Arithmetic on IP addresses and prefixes, given and returned as text."""

from __future__ import annotations

from _socket import inet_pton

from .. import uapi
from ..objects.prefix import BITS, Prefix, same_bits

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


def family_of(address: str) -> int:
    """Return AF_INET6 if the address contains a colon, otherwise AF_INET."""
    return uapi.AF_INET6 if ":" in address else uapi.AF_INET


def number(address: str) -> int:
    """Return an address as an integer."""
    return Prefix(family_of(address), address, 0).number


def text(family: int, value: int) -> str:
    """Return an integer as an address."""
    return Prefix.of(family, value).address


def holds(prefix: str, length: int, address: str) -> bool:
    """Return whether a prefix contains an address; False if they are of two families."""
    if family_of(prefix) != family_of(address):
        return False
    return same_bits(inet_pton(family_of(prefix), prefix), inet_pton(family_of(address), address), length)


def network(address: str, length: int) -> str:
    """Return an address with its host bits cleared."""
    return Prefix(family_of(address), address, length).network.address


def on_link(one: Address, address: str) -> bool:
    """Return whether an address of a link makes another one a neighbour: the prefix contains it, or it is the peer."""
    return holds(one.peer or one.address, one.prefixlen, address)


def link_local(address: str) -> bool:
    """Return whether this is an IPv6 link-local unicast address (fe80::/10)."""
    return holds("fe80::", 10, address)


def loopback(address: str) -> bool:
    """Return whether this is a loopback address (127.0.0.0/8 or ::1)."""
    return holds("127.0.0.0", 8, address) or holds("::1", 128, address)


def multicast(address: str) -> bool:
    """Return whether this is a multicast address (224.0.0.0/4 or ff00::/8)."""
    return holds("224.0.0.0", 4, address) or holds("ff00::", 8, address)


def solicited(address: str) -> str:
    """Return the solicited-node multicast group of an IPv6 address (RFC 4291)."""
    return text(uapi.AF_INET6, 0xFF02 << 112 | 0x1FF << 24 | number(address) & 0xFFFFFF)


def covers(route: Route, address: str) -> bool:
    """Return whether the destination of a route contains an address."""
    if route.family != family_of(address):
        return False
    destination: str | None = route.body.get("RTA_DST")
    return destination is None or holds(destination, route.body["rtm_dst_len"], address)


def spare_address(like: str, length: int, taken: Iterable[str]) -> str:
    """Return an address of the prefix of ``like`` that is not in ``taken``, with its length: ``10.0.0.3/24``.

    A prefix of one or two addresses may have no other: then it is the nearest address that is free.
    """
    family = family_of(like)
    host = BITS[family] - length
    used = {number(one) for one in taken if family_of(one) == family}
    if host < 2:
        mine = number(like)
        near = (mine ^ n for n in range(MAX_SPARE_TRIED))
        return f"{text(family, next((one for one in near if one not in used), mine))}/{length}"
    base = number(like) >> host << host
    last = min((1 << host) - 2, MAX_SPARE_TRIED)
    free = next((base + n for n in range(1, last + 1) if base + n not in used), base + last)
    return f"{text(family, free)}/{length}"


def spare_name(like: str, taken: Iterable[str]) -> str:
    """Return an interface name that is not in ``taken``: ``v``, ``v1``, ``v2`` ..., of at most 15 bytes."""
    used = set(taken)
    found = like[: uapi.IFNAMSIZ - 1]
    count = 0
    while found in used:
        count += 1
        found = f"{like[: uapi.IFNAMSIZ - 1 - len(str(count))]}{count}"
    return found
