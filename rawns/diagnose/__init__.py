"""`rawns.why`: the way a packet would take from one namespace to another, walked check by check until a fault is met.

Floor 6.  Reading and judging are apart::

    world      the namespaces that can be seen, and what the kernel says of each            asks the kernel
    facts      the terms in which a namespace is judged                                     from here on all is pure
    segment    the stretch between two stacks: cables, bridges, stacked devices
    leg        one hop of the packet, the faults, the steps
    checks     the tables of checks in the packet's order; crossing, filters and lost hold those of the wires, of nf_tables,
               and of ways that are not there
    walker     there, back, and the ping that has the last word
"""

from __future__ import annotations

from .. import uapi
from ..errors import InvalidValue, RawnsError, SyscallError
from ..objects import prefix
from .hop import Fault, Step
from .namespace_view import Facts, family_of, link_local, loopback
from .path import Walk, Walker
from .visible import World

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Union

    from ..net import NetNS

    End = Union[str, NetNS]

ATTEMPTS = 3

__all__ = ["Fault", "Step", "Walk", "why"]


def why(a: End, b: End, family: int | None = None, told: Callable[[Step], object] = lambda step: None) -> Walk:
    """Walk from ``a`` to ``b`` and back, up to the first fault; where there is none, prove it by a ping.

    Each end is a `NetNS`, a name under /run/netns, a bare host name of a lab (LAB.HOST), a path, ``pid:N``, or ``.`` for the
    namespace of the caller; ``b`` may be an address as well.  ``family`` is AF_INET, AF_INET6, or None for what both have.
    ``told`` is called with each `Step` as it is made.  Nothing is changed but the kernel's notes of who is whose neighbour.
    Raises FileNotFoundError (`SyscallError`) for a namespace that is not there, `SyscallError` where the kernel lets us not in,
    or (where no check finds a fault) allows us no ping; `InvalidValue` for words that could never be right.
    """
    world = World()
    try:
        origin = world.end(a)
        target = address(b)
        aim = None if target is not None else world.end(b)
        if target is not None and family not in (None, 0, family_of(target)):
            raise InvalidValue(f"{target} is of the other family")
        family = family_of(target) if target is not None else family or _family(origin, aim or origin)
        walk = Walk(str(origin.where), target or str((aim or origin).where), family)
        walk.target = target

        def prove(where: str, size: int, seconds: float) -> float | None:
            return _answered(world.opened(origin), where, size, seconds, family or 0)

        if target is not None and (loopback(target) or origin.holder(target) is not None):
            aim = origin
        return Walker(walk, origin, aim, world.known, prove, told).go()
    finally:
        world.close()


def _answered(namespace: NetNS, target: str, size: int, seconds: float, family: int) -> float | None:
    """The round trip of the first echo request that is answered within so many seconds, or None.

    One that is sent where nobody could be asked for just now is refused at once, by what was asked before: so, again.
    """
    from time import monotonic

    from ..icmp import ping

    end = monotonic() + seconds
    for _ in range(ATTEMPTS):
        try:
            figures = ping(namespace, target, 2, timeout=max(0.0, end - monotonic()), size=size, family=family)
        except RawnsError as error:
            if isinstance(error, SyscallError) and error.call == "socket":
                raise  # we may not ask: that is no answer, neither yes nor no
            return None  # no route
        if figures.received or monotonic() >= end:
            return figures.min if figures.received else None
    return None


def address(b: End) -> str | None:
    """``b`` as the kernel would write it, if it is an address."""
    if not isinstance(b, str) or "/" in b:
        return None
    try:
        return prefix.address(b).address
    except InvalidValue:
        return None


def _family(origin: Facts, aim: Facts) -> int:
    """IPv4, unless only IPv6 is what both have."""

    def has(facts: Facts, family: int) -> bool:
        found = [one.address for one in facts.addresses if one.family == family]
        return any(not loopback(one) and not link_local(one) for one in found)

    both = [family for family in (uapi.AF_INET, uapi.AF_INET6) if has(origin, family) and has(aim, family)]
    either = [family for family in (uapi.AF_INET, uapi.AF_INET6) if has(aim, family) or has(origin, family)]
    return (both or either or [uapi.AF_INET])[0]
