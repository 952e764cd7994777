"""What one namespace says of itself, in the terms in which a packet's way is judged (pure: nothing here asks the kernel).

Floor 6.  `Facts` is that interface: `world.Place` answers it from the kernel, a test from a few literals.
"""

from __future__ import annotations

from _socket import inet_ntop, inet_pton

from .. import uapi
from ..objects.prefix import BITS
from ..terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, Union

    from ..nft.evaluate import Evaluation, Packet
    from ..objects.address import Address
    from ..objects.link import Link
    from ..objects.neighbour import Neighbour
    from ..objects.route import Route
    from ..objects.rule import Rule
    from ..objects.vlan import Vlan

    Answer = Union["Route", "Refusal"]

SPARE_TRIED = 4096  # addresses tried for one that nobody has


class Refusal:
    """The kernel knows no way: the ``errno`` of its route look-up (ENETUNREACH, EHOSTUNREACH, EINVAL, EACCES ...)."""

    __slots__ = ("errno",)

    def __init__(self, errno: int) -> None:
        self.errno = errno


class Bridging:
    """A base chain of nf_tables' bridge family: its ``hook``, whether it ``drops`` all, by which rule (``handle``; 0: policy)."""

    __slots__ = ("drops", "handle", "hook", "name", "table")

    def __init__(self, table: str, name: str, hook: str, drops: bool, handle: int = 0) -> None:
        self.table, self.name, self.hook, self.drops, self.handle = table, name, hook, drops, handle

    def __str__(self) -> str:
        return printable(f"bridge {self.table} {self.name}")


class Where:
    """How a namespace is called in a sentence, and how a command gets inside.

    ``name`` is its name under /run/netns, ``path`` a file that leads to it; with neither it is the caller's own.
    """

    __slots__ = ("label", "name", "path")

    def __init__(self, name: str | None = None, path: str | None = None, label: str = "") -> None:
        self.name, self.path = name, path
        self.label = printable(label or name or path or "this namespace")

    def ip(self, words: str) -> str:
        """A command of ours: ``rawns ip -n ns1 link set v1 up``."""
        return self._inside(f"rawns ip{self._option()} {words}")

    def iproute(self, words: str) -> str:
        """A command of the real `ip`, for what ours does not do: ``ip -n ns1 route add ...``."""
        return self._inside(f"ip{self._option()} {words}")

    def bridge(self, words: str) -> str:
        """A command of iproute2's `bridge`."""
        return self._inside(f"bridge{self._option()} {words}")

    def run(self, words: str) -> str:
        """Any command, inside: ``rawns ip netns exec ns1 sysctl -w ...``."""
        return self._inside(f"rawns ip netns exec {word(self.name)} {words}" if self.name else words)

    def sysctl(self, *settings: str) -> str:
        return self.run(f"sysctl -w {' '.join(settings)}")

    def _option(self) -> str:
        return f" -n {word(self.name)}" if self.name else ""

    def _inside(self, command: str) -> str:
        return f"nsenter --net={word(self.path)} {command}" if self.path and not self.name else command

    def __str__(self) -> str:
        return self.label


def word(text: str | None) -> str:
    """A name as one word of a shell command, whatever is in it: what others have called things is copied and run."""
    from shlex import quote

    return quote(printable(text or ""))


def dotted(link: Link) -> str:
    """The name of a link as sysctl(8) has it: a dot in it becomes a slash."""
    name: str = link.name
    return name.replace(".", "/")


class Facts:
    """One namespace.  What is not told is empty: no link, no rule, and no route (ENETUNREACH)."""

    where: Where
    closed = False  # whether we may not look inside

    @property
    def loaded(self) -> bool:
        """Whether its links are known already, so that asking for them costs nothing."""
        return True

    @property
    def links(self) -> dict[int, Link]:
        raise NotImplementedError

    @property
    def addresses(self) -> Sequence[Address]:
        raise NotImplementedError

    def far(self, link: Link) -> tuple[Facts, int] | None:
        """The other end of a cable, or the device that this one is stacked on: where it is, and its index there."""
        raise NotImplementedError

    def elsewhere(self) -> Sequence[Facts]:
        """All namespaces that can be seen from here."""
        raise NotImplementedError

    def home(self, link: Link) -> Facts | None:
        """The namespace in which a tunnel's outer packets travel: the one it was made in."""
        raise NotImplementedError

    def route(self, target: str, source: str | None = None, iif: int = 0) -> Answer:
        """What the kernel says of a packet to ``target``: sent from here, or, with ``iif``, that came in by that link."""
        raise NotImplementedError

    def routes(self) -> Sequence[Route]:
        """All routes of all tables."""
        raise NotImplementedError

    def rules(self) -> Sequence[Rule]:
        """The policy rules."""
        raise NotImplementedError

    def neighbours(self) -> Sequence[Neighbour]:
        raise NotImplementedError

    def vlans(self, index: int) -> dict[int, Vlan]:
        """The VLANs of a bridge port (or of a bridge itself), by id."""
        raise NotImplementedError

    def evaluate(self, packet: Packet, hook: str) -> Evaluation:
        """What nf_tables makes of a packet at a hook."""
        raise NotImplementedError

    def masks(self, packet: Packet) -> bool:
        """Whether a packet that leaves gets an address of this namespace's as its source (masquerading)."""
        raise NotImplementedError

    def bridging(self) -> Sequence[Bridging]:
        """The base chains that see what is bridged."""
        raise NotImplementedError

    def sysctl(self, name: str) -> int | None:
        """A number under net: ``ipv4/conf/all/rp_filter``; None where this kernel has no such thing."""
        raise NotImplementedError

    # -- what follows from those ------------------------------------------------------------------------------------

    def conf(self, family: int, link: Link, name: str) -> int | None:
        """A setting of one link: net.ipv4.conf.LINK.NAME."""
        return self.sysctl(f"{version(family)}/conf/{link.name}/{name}")

    def addresses_of(self, link: Link, family: int) -> list[Address]:
        return [one for one in self.addresses if one.index == link.index and one.family == family]

    def holder(self, address: str) -> tuple[Link, Address] | None:
        """The link that has this address, and the address with its prefix."""
        for one in self.addresses:
            if one.address == address and one.index in self.links:
                return self.links[one.index], one
        return None

    def ports(self, bridge: Link) -> list[Link]:
        return [link for link in self.links.values() if link.master == bridge.index]

    def named(self, link: Link) -> str:
        """``v1 in ns1``."""
        return f"{printable(link.name)} in {self.where}"

    def __repr__(self) -> str:
        return f"<Facts of {self.where}>"


# -- addresses as numbers -----------------------------------------------------------------------------------------------


def version(family: int) -> str:
    return "ipv6" if family == uapi.AF_INET6 else "ipv4"


def spoken(family: int) -> str:
    return "IPv6" if family == uapi.AF_INET6 else "IPv4"


def family_of(address: str) -> int:
    return uapi.AF_INET6 if ":" in address else uapi.AF_INET


def number(address: str) -> int:
    return int.from_bytes(inet_pton(family_of(address), address), "big")


def holds(prefix: str, length: int, address: str) -> bool:
    """Whether a prefix holds an address; never one of the other family."""
    if family_of(prefix) != family_of(address):
        return False
    shift = BITS[family_of(prefix)] - length
    return number(prefix) >> shift == number(address) >> shift


def on_link(one: Address, address: str) -> bool:
    """Whether an address of a link makes another a neighbour: it lies in the prefix, or is the other end."""
    return holds(one.peer or one.address, one.prefixlen, address)


def link_local(address: str) -> bool:
    return holds("fe80::", 10, address)


def solicited(address: str) -> str:
    """The multicast group in which the holder of an IPv6 address is asked for: the solicited-node address (RFC 4291)."""
    low = number(address) & 0xFFFFFF
    return inet_ntop(uapi.AF_INET6, (0xFF02 << 112 | 0x1FF << 24 | low).to_bytes(16, "big"))


def loopback(address: str) -> bool:
    return holds("127.0.0.0", 8, address) or holds("::1", 128, address)


def covers(route: Route, address: str) -> bool:
    """Whether a route's destination holds an address."""
    if route.family != family_of(address):
        return False
    where: str | None = route.body.get("RTA_DST")
    return where is None or holds(where, route.body["rtm_dst_len"], address)


def spare(like: str, length: int, taken: Iterable[str]) -> str:
    """An address of the prefix of ``like`` that nobody has, with its length: ``10.0.0.3/24``."""
    family = family_of(like)
    host = BITS[family] - length
    if host < 2:
        return f"{like}/{length}"
    base = number(like) >> host << host
    used = {number(one) for one in taken if family_of(one) == family}
    last = min((1 << host) - 2, SPARE_TRIED)
    free = next((base + n for n in range(1, last + 1) if base + n not in used), base + last)
    return f"{inet_ntop(family, free.to_bytes(BITS[family] // 8, 'big'))}/{length}"


def spare_name(like: str, taken: Iterable[str]) -> str:
    """A name for an interface that none has: ``v``, ``v1``, ``v2`` ..., of at most 15 bytes."""
    used = set(taken)
    found = like[: uapi.IFNAMSIZ - 1]
    number = 0
    while found in used:
        number += 1
        found = f"{like[: uapi.IFNAMSIZ - 1 - len(str(number))]}{number}"
    return found


def data(link: Link) -> dict[str, Any]:
    """What is particular to its kind; nothing where we cannot read that."""
    found = link.body.get("IFLA_LINKINFO", {}).get("IFLA_INFO_DATA")
    return found if isinstance(found, dict) else {}


def port_data(link: Link) -> dict[str, Any]:
    """What a bridge knows of a port."""
    found = link.body.get("IFLA_LINKINFO", {}).get("IFLA_INFO_SLAVE_DATA")
    return found if isinstance(found, dict) else {}


def noarp(link: Link) -> bool:
    return bool(link.flags & uapi.IFF_NOARP)
