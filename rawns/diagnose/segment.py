"""The stretch between two stacks: cables, bridges and stacked devices, found by following what each link says of its peer.

Floor 6, pure.  `search` looks for who is wanted, whatever state the links on the way are in: it is the checks that judge.
"""

from __future__ import annotations

from collections import deque

from .namespace_view import data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from ..objects.link import Link
    from .namespace_view import Facts

BLIND = ("dummy", "bridge")  # devices that lead nowhere by themselves
SHARED = ("IFLA_VXLAN_ID", "IFLA_VXLAN_PORT")  # what two ends of a tunnel have in common
SEEN = 65536  # ends of links at most that one search looks at
CABLE, BRIDGE, STACK, TUNNEL = "cable", "bridge", "stack", "tunnel"


class Piece:
    """One piece of the way, from ``one`` in ``here`` to ``other`` in ``there``, with the VLAN ``tag`` it bears (0: none).

    A CABLE has two ends; a BRIDGE is entered by the port ``one`` and left by the port ``other``, either of which is the
    bridge itself where its own stack sends or receives; a STACK leads from a device down to the one below it or back up,
    a TUNNEL from a VXLAN device to another.
    """

    __slots__ = ("bridge", "here", "kind", "one", "other", "tag", "there")

    def __init__(
        self, kind: str, here: Facts, one: Link, there: Facts, other: Link, tag: int = 0, bridge: Link | None = None
    ) -> None:
        self.kind, self.here, self.one, self.there, self.other = kind, here, one, there, other
        self.tag, self.bridge = tag, bridge

    @property
    def links(self) -> list[tuple[Facts, Link]]:
        return [(self.here, self.one), (self.there, self.other)]

    def __str__(self) -> str:
        if self.bridge is not None:
            return f"{self.one.name} to {self.here.named(self.other)}"
        return f"{self.here.named(self.one)} to {self.there.named(self.other)}"

    def __repr__(self) -> str:
        return f"<{self.kind} {self}>"


class Found:
    """Whom a search found: the ``facts`` of the namespace, the ``link`` there, and the ``pieces`` of the way to it."""

    __slots__ = ("facts", "link", "pieces")

    def __init__(self, facts: Facts, link: Link, pieces: list[Piece]) -> None:
        self.facts, self.link, self.pieces = facts, link, pieces


def search(here: Facts, out: Link, wanted: Callable[[Facts, Link], bool], known: Iterable[Facts] = ()) -> Found | None:
    """The nearest receiver of what ``out`` sends for which ``wanted`` holds; ``known`` are places devices may be stacked in.

    Namespaces that nobody has looked at yet come last: of a thousand hosts on a bridge the one we know is tried first.
    """
    return next(receivers(here, out, wanted, list(known)), None)


def receivers(
    here: Facts,
    out: Link,
    wanted: Callable[[Facts, Link], bool],
    known: Sequence[Facts],
    ends: list[tuple[Facts, Link]] | None = None,
) -> Iterator[Found]:
    """All of them, each once, the nearest first.  ``ends`` gets the links that lead out of what can be seen."""
    ready: deque[Any] = deque([(True, here, out.index, 0, None)])
    later: deque[Any] = deque()
    seen: set[tuple[bool, int, int, int]] = set()
    while (ready or later) and len(seen) < SEEN:
        sending, facts, index, tag, trail = (ready or later).popleft()
        key = (sending, id(facts), index, tag)
        if key in seen or facts.closed:
            continue
        seen.add(key)
        link = facts.links.get(index)
        if link is None:
            continue
        if trail is not None and isinstance(trail[0], tuple):  # a cable whose far end has been nobody's link until now
            trail = (Piece(trail[0][0], trail[0][1], trail[0][2], facts, link, tag), trail[1])
        if not sending and link.master is None and not tag and wanted(facts, link):
            yield Found(facts, link, _unwound(trail))
        step = _sent if sending else _received
        onward = list(step(facts, link, tag, trail, known))
        for one in onward:
            (ready if one[1].loaded else later).append(one)
        if ends is not None and sending and not onward and link.kind not in BLIND:
            ends.append((facts, link))


def _unwound(trail: Any) -> list[Piece]:
    pieces = []
    while trail is not None:
        pieces.append(trail[0])
        trail = trail[1]
    return pieces[::-1]


def _sent(facts: Facts, link: Link, tag: int, trail: Any, known: Sequence[Facts]) -> Iterator[Any]:
    """Where a frame goes that a device is given to send."""
    kind = link.kind
    if kind == "bridge":
        for port in facts.ports(link):
            yield _bridged(facts, link, link, port, tag, trail)
    elif kind == "vxlan":
        for other, end in tunnelled(facts, link, _everywhere(facts, known)):
            yield False, other, end.index, tag, (Piece(TUNNEL, facts, link, other, end, tag), trail)
    elif kind in ("macvlan", "macvtap", "ipvlan", "vlan"):
        below = facts.far(link)
        if below is None or below[0].closed or below[1] not in below[0].links:
            return
        lower: Link = below[0].links[below[1]]
        inner = data(link).get("IFLA_VLAN_ID", 0) if kind == "vlan" else tag
        down = (Piece(STACK, facts, link, below[0], lower, inner), trail)
        yield True, below[0], lower.index, inner, down
        if kind != "vlan":  # those that share the device below hear one another directly
            yield from _above(below[0], lower, tag, down, _everywhere(facts, known), link)
    elif link.peer is not None:
        far = facts.far(link)
        if far is not None:
            yield False, far[0], far[1], tag, ((CABLE, facts, link), trail)


def _received(facts: Facts, link: Link, tag: int, trail: Any, known: Sequence[Facts]) -> Iterator[Any]:
    """Where a frame goes that comes in by a device."""
    yield from _above(facts, link, tag, trail, known, None)
    bridge = facts.links.get(link.master or 0)
    if bridge is None or bridge.kind != "bridge":
        return
    yield _bridged(facts, bridge, link, bridge, tag, trail)
    for port in facts.ports(bridge):
        if port.index != link.index:
            yield _bridged(facts, bridge, link, port, tag, trail)


def _bridged(facts: Facts, bridge: Link, one: Link, other: Link, tag: int, trail: Any) -> Any:
    """Through a bridge; where its VLANs would let nothing through, as if it had none: the check says so."""
    outside = retagged(facts, bridge, one, other, tag)
    piece = Piece(BRIDGE, facts, one, facts, other, tag, bridge)
    return other is not bridge, facts, other.index, tag if outside is None else outside, (piece, trail)


def retagged(facts: Facts, bridge: Link, one: Link, other: Link, tag: int) -> int | None:
    """The tag with which a frame leaves a bridge, 0 for none; None where a VLAN it is not in, at either end, keeps it."""
    if not data(bridge).get("IFLA_BR_VLAN_FILTERING"):
        return tag
    vlan = tag or pvid(facts, one)
    outside = facts.vlans(other.index)
    if not vlan or vlan not in facts.vlans(one.index) or vlan not in outside:
        return None
    return 0 if outside[vlan].untagged else vlan


def pvid(facts: Facts, port: Link) -> int:
    """The VLAN into which a port takes what has no tag; 0 for none."""
    return next((one.vid for one in facts.vlans(port.index).values() if one.pvid), 0)


def _above(facts: Facts, link: Link, tag: int, trail: Any, known: Sequence[Facts], but: Link | None) -> Iterator[Any]:
    """The devices stacked on this one: in its own namespace, and in those that are known."""
    for other in dict.fromkeys([facts, *known]):
        for upper in other.links.values():
            if upper.kind not in ("macvlan", "macvtap", "ipvlan", "vlan") or upper is but:
                continue
            if upper.kind == "vlan" and data(upper).get("IFLA_VLAN_ID", 0) != tag:
                continue
            if other.far(upper) == (facts, link.index):
                inner = 0 if upper.kind == "vlan" else tag
                yield False, other, upper.index, inner, (Piece(STACK, facts, link, other, upper, tag), trail)


def tunnelled(facts: Facts, link: Link, known: Sequence[Facts]) -> Iterator[tuple[Facts, Link]]:
    """The VXLAN devices of the known namespaces that hear this one: the same network, at the address it sends to."""
    mine = data(link)
    remote = mine.get("IFLA_VXLAN_GROUP") or mine.get("IFLA_VXLAN_GROUP6")
    for other in known:
        for one in other.links.values():
            theirs = data(one)
            if one.kind != "vxlan" or one is link or any(theirs.get(key) != mine.get(key) for key in SHARED):
                continue
            home = other.home(one)
            if remote is None or (home is not None and home.holder(str(remote)) is not None):
                yield other, one
                if remote is not None:
                    return


def _everywhere(facts: Facts, known: Sequence[Facts]) -> list[Facts]:
    """The places that are known, and then all that can be: for links that do not say what they lead to."""
    return list(dict.fromkeys([*known, *facts.elsewhere()]))
