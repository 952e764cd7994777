"""What the kernel has: one namespace's links, addresses, routes and whatever else its stamp says is ours.

Floor 6.  Read anew each time; kept nowhere.
"""

from __future__ import annotations

from .. import uapi
from ..errors import KernelError
from ..objects import address, link, route
from . import stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from ..net import Net
    from ..objects.address import Address
    from ..objects.link import Link
    from ..objects.route import Route
    from .stamp import Stamp

LO = 1  # its index, in every namespace


class State:
    """A namespace as it is.  ``links`` by name, ``addresses`` and ``qdiscs`` by index; ``stamp`` is that of its ``lo``."""

    __slots__ = ("addresses", "links", "nats", "qdiscs", "routes", "stamp", "vlans")

    def __init__(self, links: Iterable[Link]) -> None:
        self.links: dict[str, Link] = {one.name: one for one in links}
        lo = next((one for one in self.links.values() if one.index == LO), None)
        self.stamp: Stamp | None = stamp.read(lo.alias) if lo is not None else None
        self.addresses: dict[int, list[Address]] = {}
        self.routes: list[Route] = []
        self.qdiscs: dict[int, list[Any]] = {}
        self.vlans: dict[int, dict[int, tuple[bool, bool]]] = {}
        self.nats: Any = None  # what `objects.nat.read` made of our table; None where there is none of ours

    def ours(self, lab: str) -> Iterator[Link]:
        """The links that carry this lab's stamp."""
        number = stamp.group(lab)
        for one in self.links.values():
            mark = stamp.read(one.alias) if one.group == number else None
            if mark is not None and mark.lab == lab:
                yield one

    @property
    def next_index(self) -> int:
        """An index that no link has."""
        return 1 + max((one.index for one in self.links.values()), default=LO)

    def link_at(self, index: int | None) -> Link | None:
        return next((one for one in self.links.values() if one.index == index), None)


def read(net: Net, lab: str, features: Iterable[str] = ()) -> State:
    """Read a namespace: its links and addresses, and of the rest what its stamp names, or ``features`` asks for.

    Raises `KernelError`, `SyscallError` or `Interrupted`.
    """
    state = State(net.links())
    wanted = {*features, *(state.stamp.features if state.stamp else ())}
    for one in net.addresses():
        state.addresses.setdefault(one.index, []).append(one)
    if "routes" in wanted:
        state.routes = [one for one in net.routes() if one.protocol == stamp.PROTOCOL]
    return state


def our_addresses(state: State, index: int) -> list[Address]:
    """The addresses of a link that a lab gave it: those with our protocol number.

    Kernels before 5.18 keep no such number; there, all that are not of the kernel's own making count.
    """
    kept = any("IFA_PROTO" in one.body for found in state.addresses.values() for one in found)
    return [
        one
        for one in state.addresses.get(index, ())
        if (one.body.get("IFA_PROTO") == stamp.PROTOCOL if kept else one.scope == uapi.RT_SCOPE_UNIVERSE and _lasting(one))
    ]


def _lasting(one: Address) -> bool:
    return bool(one.flags & uapi.IFA_F_PERMANENT)


def gone(error: KernelError) -> bool:
    """Whether what was to be taken away had gone already."""
    return error.code in ("ENODEV", "ESRCH", "EADDRNOTAVAIL", "ENOENT")


__all__ = ["State", "address", "gone", "link", "our_addresses", "read", "route"]
