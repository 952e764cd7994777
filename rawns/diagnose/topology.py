"""Which namespaces are connected, and how far they are from a destination, counted in hops."""

from __future__ import annotations

from collections import deque
from itertools import islice

from .prefixes import link_local, on_link
from .segment import receivers, search

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..objects.address import Address
    from ..objects.link import Link
    from .hop import Hop
    from .namespace_view import NamespaceView
    from .segment import Receiver

MAX_NEIGHBOURS = 64  # receivers on one link that are looked at
MAX_VIEWS = 256  # namespaces visited when distances are measured


def ip_links(view: NamespaceView, family: int) -> list[Link]:
    """Return the links by which an IP packet could leave, those with an address first; not ``lo``, no bridge ports."""
    addressed = {one.index for one in view.addresses if one.family == family and not link_local(one.address)}
    links = [link for link in view.links.values() if not link.loopback and link.master is None]
    return sorted(links, key=lambda link: (link.index not in addressed, not link.up))


def global_addresses(view: NamespaceView, family: int, link: Link | None = None) -> list[Address]:
    """Return the addresses of a namespace, or of one link, that are neither link-local nor on ``lo``."""
    links = [one.index for one in view.links.values() if not one.loopback and (link is None or one.index == link.index)]
    return [one for one in view.addresses if one.family == family and one.index in links and not link_local(one.address)]


def neighbours_on(hop: Hop, view: NamespaceView, link: Link) -> list[Receiver]:
    """Return the receivers of what a link sends, in other namespaces."""
    return list(islice(receivers(view, link, lambda other, _: other is not view, hop.others), MAX_NEIGHBOURS))


def holders_across(hop: Hop, links: list[Link]) -> Iterator[tuple[Link, Receiver]]:
    """Yield the stacks that have the target and are directly connected to one of these links of the sender."""

    for link in links:
        found = _holder_across(hop, link, hop.target)
        if found is not None:
            yield link, found


def _holder_across(hop: Hop, link: Link, address: str) -> Receiver | None:
    """Return the nearest stack that has an address and is directly connected to a link of the sender."""

    def has(view: NamespaceView, _: Link) -> bool:
        return view is not hop.here and view.holder(address) is not None

    return search(hop.here, link, has, hop.others)


def destination_of(hop: Hop) -> NamespaceView | None:
    """Return the namespace that should get the packet: the one that was asked for, or the only one that has the address."""
    if hop.destination is not None:
        return hop.destination
    seen = dict.fromkeys([*hop.others, *islice(hop.here.elsewhere(), MAX_VIEWS)])
    found = [view for view in seen if view is not hop.here and not view.closed and view.holder(hop.target) is not None]
    return found[0] if len(found) == 1 else None


def distances(hop: Hop) -> dict[int, int]:
    """Return the number of hops from namespaces to the destination, by the `id` of their views; empty if it is not known."""
    destination = destination_of(hop)
    if destination is None:
        return {}
    found = {id(destination): 0}
    todo: deque[NamespaceView] = deque([destination])
    while todo and len(found) < MAX_VIEWS:
        view = todo.popleft()
        for link in ip_links(view, hop.family):
            for receiver in neighbours_on(hop, view, link) if link.up or view is destination else []:  # its links may be set up
                if id(receiver.view) not in found:
                    found[id(receiver.view)] = found[id(view)] + 1
                    todo.append(receiver.view)
    return found


def router_on(hop: Hop, link: Link) -> str | None:
    """Return an address, on a subnet of the sender's on this link, of a router that is nearer to the destination."""
    mine = global_addresses(hop.here, hop.family, link)
    far, destination = distances(hop), destination_of(hop)
    nearer = far.get(id(hop.here), MAX_VIEWS)
    best: tuple[int, str] | None = None
    for receiver in neighbours_on(hop, hop.here, link):
        view = receiver.view
        own = global_addresses(view, hop.family, receiver.link)
        gateways = [one.address for one in own if any(on_link(other, one.address) for other in mine)]
        elsewhere = {one.index for one in global_addresses(view, hop.family)} - {receiver.link.index}
        if not gateways or not elsewhere or view is destination:
            continue
        if far and far.get(id(view), nearer) >= nearer:
            continue
        rank = far[id(view)] if far else not any(on_link(one, hop.target) for one in global_addresses(view, hop.family))
        if best is None or rank < best[0]:
            best = (rank, gateways[0])
    return None if best is None else best[1]


def routers(hop: Hop, first: Link | None = None) -> Iterator[tuple[Link, str]]:
    """Yield the links by which a router nearer to the destination can be reached, and its address; one link may come first."""
    others = [one for one in ip_links(hop.here, hop.family) if one is not first and (first is None or one.up)]
    for link in others if first is None else [first, *others]:
        router = router_on(hop, link)
        if router is not None:
            yield link, router


def routers_without_address(hop: Hop) -> Iterator[tuple[Address, Receiver]]:
    """Yield routers nearer to the destination that lack an address on a link of the sender, with the sender's address there."""
    far, destination = distances(hop), destination_of(hop)
    nearer = far.get(id(hop.here), MAX_VIEWS)
    for link in ip_links(hop.here, hop.family):
        mine = global_addresses(hop.here, hop.family, link)
        for receiver in neighbours_on(hop, hop.here, link) if mine and link.up else []:
            view = receiver.view
            addressed = global_addresses(view, hop.family, receiver.link)
            if not addressed and view is not destination and far.get(id(view), nearer) < nearer:
                yield mine[0], receiver


def leads_on(hop: Hop, index: int | None, next_hop: str | None) -> bool:
    """Return whether a next hop exists on a link of the sender and is nearer to the destination than the sender."""
    link = hop.here.links.get(index or 0)
    if link is None or not link.up:
        return False
    found = _holder_across(hop, link, next_hop or hop.target)
    if found is None:
        return False
    far = distances(hop)
    return not far or found.view is destination_of(hop) or far.get(id(found.view), MAX_VIEWS) < far.get(id(hop.here), MAX_VIEWS)
