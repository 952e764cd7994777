"""The data link between two IP stacks: cables, bridges and stacked devices, found by following what each link says of its peer.

`search` finds a receiver whatever state the links on the way are in; the checks judge them.
"""

from __future__ import annotations

from collections import deque

from .. import uapi
from .prefixes import multicast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from ..objects.link import Link
    from .namespace_view import NamespaceView

CLOSED_KINDS = ("dummy", "bridge")  # devices that lead nowhere by themselves
STACKED_KINDS = ("macvlan", "macvtap", "ipvlan", "vlan")  # devices on another one
SHARED = ("IFLA_VXLAN_ID", "IFLA_VXLAN_PORT")  # what the two ends of a tunnel have in common
MAX_ENDS = 65536  # ends of links that one search looks at
CABLE, BRIDGE, STACK, TUNNEL = "cable", "bridge", "stack", "tunnel"


class Segment:
    """One segment of the way, from ``one`` in ``here`` to ``other`` in ``there``, with the VLAN ``tag`` of the frame (0: none).

    A CABLE has two ends; a BRIDGE is entered by the port ``one`` and left by the port ``other``, either of which is the
    bridge itself where its own stack sends or receives; a STACK leads from a device down to the one below it or back up,
    a TUNNEL from a VXLAN device to another.
    """

    __slots__ = ("bridge", "here", "kind", "one", "other", "tag", "there")

    def __init__(
        self,
        kind: str,
        here: NamespaceView,
        one: Link,
        there: NamespaceView,
        other: Link,
        tag: int = 0,
        bridge: Link | None = None,
    ) -> None:
        self.kind, self.here, self.one, self.there, self.other = kind, here, one, there, other
        self.tag, self.bridge = tag, bridge

    @property
    def links(self) -> list[tuple[NamespaceView, Link]]:
        """The two links, each with its namespace."""
        return [(self.here, self.one), (self.there, self.other)]

    @property
    def ports(self) -> list[Link]:
        """The ports of a bridge that the frame passes, without the bridge itself."""
        return [link for link in (self.one, self.other) if link is not self.bridge]

    def __str__(self) -> str:
        if self.bridge is not None:
            return f"{self.one.name} to {self.here.named(self.other)}"
        return f"{self.here.named(self.one)} to {self.there.named(self.other)}"

    def __repr__(self) -> str:
        return f"<{self.kind} {self}>"


class Receiver:
    """A receiver that a search found: the ``view`` of its namespace, its ``link``, and the ``segments`` that lead to it."""

    __slots__ = ("view", "link", "segments")

    def __init__(self, view: NamespaceView, link: Link, segments: list[Segment]) -> None:
        self.view, self.link, self.segments = view, link, segments


def search(
    here: NamespaceView, out: Link, wanted: Callable[[NamespaceView, Link], bool], known: Iterable[NamespaceView] = ()
) -> Receiver | None:
    """Return the nearest receiver of what ``out`` sends for which ``wanted`` is true; None if there is none.

    ``known`` are namespaces in which devices may be stacked on others. Namespaces that have not been read yet come last, so
    that of a thousand hosts on a bridge only the known one is read.
    """
    return next(receivers(here, out, wanted, list(known)), None)


def receivers(
    here: NamespaceView,
    out: Link,
    wanted: Callable[[NamespaceView, Link], bool],
    known: Sequence[NamespaceView],
    ends: list[tuple[NamespaceView, Link]] | None = None,
    max_unread: int = MAX_ENDS,
) -> Iterator[Receiver]:
    """Yield all receivers, each once, the nearest first; those behind links that are down or blocked come later.

    ``ends`` receives the links that lead out of what can be seen. At most ``max_unread`` namespaces are read that have not been.
    """
    ready: deque[Any] = deque([(True, here, out.index, 0, None)])
    later: deque[Any] = deque()  # namespaces that have not been read
    blocked: deque[Any] = deque()  # links that do not pass frames at present
    seen: set[tuple[bool, int, int, int]] = set()
    while (ready or later or blocked) and len(seen) < MAX_ENDS:
        sending, view, index, tag, trail = (ready or later or blocked).popleft()
        if not view.loaded:
            max_unread -= 1
            if max_unread < 0:
                continue
        key = (sending, id(view), index, tag)
        if key in seen or view.closed:
            continue
        seen.add(key)
        link = view.links.get(index)
        if link is None:
            continue
        if trail is not None and isinstance(trail[0], tuple):  # a cable whose far end was not known until now
            trail = (Segment(trail[0][0], trail[0][1], trail[0][2], view, link, tag), trail[1])
        if not sending and link.master is None and not tag and wanted(view, link):
            yield Receiver(view, link, _unwound(trail))
        step = _sent if sending else _received
        onward = list(step(view, link, tag, trail, known))
        for one in onward:
            (later if not one[1].loaded else ready if _passes(one) else blocked).append(one)
        if ends is not None and sending and not onward and link.kind not in CLOSED_KINDS:
            ends.append((view, link))


def _passes(step: Any) -> bool:
    """Return whether the link that a step leads to is up and, if it is a bridge port, forwards."""
    _, view, index, _, _ = step
    link = view.links.get(index)
    if link is None:
        return True
    return link.up and port_state(link) == uapi.BR_STATE_FORWARDING


def port_state(link: Link) -> int:
    """Return the state of a bridge port, one of BR_STATE_*; other links are always forwarding."""
    state: int = link.port.get("IFLA_BRPORT_STATE", uapi.BR_STATE_FORWARDING)
    return state


def _unwound(trail: Any) -> list[Segment]:
    segments = []
    while trail is not None:
        segments.append(trail[0])
        trail = trail[1]
    return segments[::-1]


def _sent(view: NamespaceView, link: Link, tag: int, trail: Any, known: Sequence[NamespaceView]) -> Iterator[Any]:
    """Yield where a frame goes that a device is given to send."""
    kind = link.kind
    if kind == "bridge":
        for port in view.ports(link):
            yield _bridged(view, link, link, port, tag, trail)
    elif kind == "vxlan":
        for other, end in tunnelled(view, link, _everywhere(view, known)):
            yield False, other, end.index, tag, (Segment(TUNNEL, view, link, other, end, tag), trail)
    elif kind in STACKED_KINDS:
        below_it = view.far_link(link)
        if below_it is None:
            return
        below, lower = below_it
        inner = link.data.get("IFLA_VLAN_ID", 0) if kind == "vlan" else tag
        down = (Segment(STACK, view, link, below, lower, inner), trail)
        yield True, below, lower.index, inner, down
        if kind != "vlan":  # those that share the device below hear one another directly
            yield from _above(below, lower, tag, down, _everywhere(view, known), link)
    elif link.peer is not None:
        far = view.far_end(link)
        if far is not None:
            yield False, far[0], far[1], tag, ((CABLE, view, link), trail)


def _received(view: NamespaceView, link: Link, tag: int, trail: Any, known: Sequence[NamespaceView]) -> Iterator[Any]:
    """Yield where a frame goes that comes in by a device."""
    yield from _above(view, link, tag, trail, known, None)
    bridge = view.bridge_of(link)
    if bridge is None:
        return
    yield _bridged(view, bridge, link, bridge, tag, trail)
    for port in view.ports(bridge):
        if port.index != link.index:
            yield _bridged(view, bridge, link, port, tag, trail)


def _bridged(view: NamespaceView, bridge: Link, one: Link, other: Link, tag: int, trail: Any) -> Any:
    """Return the step through a bridge. If its VLANs would stop the frame, go on as if it had none: a check reports that."""
    outside = retagged(view, bridge, one, other, tag)
    segment = Segment(BRIDGE, view, one, view, other, tag, bridge)
    return other is not bridge, view, other.index, tag if outside is None else outside, (segment, trail)


def retagged(view: NamespaceView, bridge: Link, one: Link, other: Link, tag: int) -> int | None:
    """Return the tag with which a frame leaves a bridge, 0 for none; None if the VLANs of either port stop it."""
    if not bridge.data.get("IFLA_BR_VLAN_FILTERING"):
        return tag
    vlan = tag or pvid(view, one)
    outside = view.vlans(other.index)
    if not vlan or vlan not in view.vlans(one.index) or vlan not in outside:
        return None
    return 0 if outside[vlan].untagged else vlan


def pvid(view: NamespaceView, port: Link) -> int:
    """Return the VLAN into which a port puts untagged frames; 0 for none."""
    return next((one.vid for one in view.vlans(port.index).values() if one.pvid), 0)


def _above(
    view: NamespaceView, link: Link, tag: int, trail: Any, known: Sequence[NamespaceView], but: Link | None
) -> Iterator[Any]:
    """Yield the devices stacked on this one, in its own namespace and in those that are known."""
    for other in dict.fromkeys([view, *known]):
        for upper in other.links.values():
            if upper.kind not in STACKED_KINDS or upper is but:
                continue
            if upper.kind == "vlan" and upper.data.get("IFLA_VLAN_ID", 0) != tag:
                continue
            if other.far_end(upper) == (view, link.index):
                inner = 0 if upper.kind == "vlan" else tag
                yield False, other, upper.index, inner, (Segment(STACK, view, link, other, upper, tag), trail)


def tunnelled(view: NamespaceView, link: Link, known: Sequence[NamespaceView]) -> Iterator[tuple[NamespaceView, Link]]:
    """Yield the VXLAN devices that receive what this one sends: of the same VNI and port, at an address that it sends to.

    If the device has neither a remote nor an entry in its forwarding database, yield all of the same VNI: a check reports it.
    """
    remotes = tunnel_remotes(view, link)
    for other in known:
        for one in other.links.values():
            if one.kind != "vxlan" or one is link or any(one.data.get(key) != link.data.get(key) for key in SHARED):
                continue
            home = other.underlay(one)
            if not remotes or any(multicast(remote) or (home is not None and home.holder(remote)) for remote in remotes):
                yield other, one


def tunnel_remotes(view: NamespaceView, link: Link) -> list[str]:
    """Return the addresses to which a VXLAN device may send: its remote, and those in its forwarding database."""
    remote = vxlan_address(link, "GROUP")
    entries = [one.address for one in view.fdb() if one.index == link.index and one.address]
    return list(dict.fromkeys([*([remote] if remote else []), *entries]))


def vxlan_address(link: Link, which: str) -> str:
    """Return the remote (``GROUP``) or local (``LOCAL``) address of a VXLAN device, of either family; empty if it has none."""
    return str(link.data.get(f"IFLA_VXLAN_{which}") or link.data.get(f"IFLA_VXLAN_{which}6") or "")


def _everywhere(view: NamespaceView, known: Sequence[NamespaceView]) -> list[NamespaceView]:
    """Return the known namespaces and then all that can be seen, for links that do not say what they lead to."""
    return list(dict.fromkeys([*known, *view.elsewhere()]))
