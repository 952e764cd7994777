"""Networks of namespaces with names under /run/netns: what a chapter gives, and what `rawns learn break` breaks."""

from __future__ import annotations

import os
import socket
from time import monotonic

from ..net import NetNS
from ..uapi import AF_INET6, IFF_RUNNING, NUD_PERMANENT, RT_TABLE_LOCAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

BACKLOG = 64
SETTLE_SECONDS = 10.0


def settled(place: NetNS) -> bool:
    """Tell whether each carrier has made its link run, and each IPv6 address of such a link is in the local table."""
    links = {link.index: link for link in place.net.links()}
    if any(link.carrier and not link.flags & IFF_RUNNING for link in links.values()):
        return False
    local = {one.destination.partition("/")[0] for one in place.net.routes(AF_INET6, table=RT_TABLE_LOCAL)}
    return all(one.address in local for one in place.net.addresses(family=AF_INET6) if links[one.index].carrier)


class NamedNetwork:
    """Namespaces by the names that a text calls them; ``prefix`` comes before these names under /run/netns.

    ``network["red"]`` is the `NetNS`.  As a context manager it deletes the names and closes the services at the end.
    """

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.places: dict[str, NetNS] = {}
        self.services: list[socket.socket] = []

    def __enter__(self) -> NamedNetwork:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for service in self.services:
            service.close()
        for place in self.places.values():
            try:
                place.delete()
            except FileNotFoundError:
                place.close()

    def __getitem__(self, name: str) -> NetNS:
        return self.places[name]

    def add(self, *names: str) -> None:
        """Create namespaces with ``lo`` up, whose IPv6 addresses are used at once."""
        for name in names:
            place = self.places[name] = NetNS.create(self.prefix + name)
            place.net.set_link("lo", up=True)
            if os.path.isdir("/proc/sys/net/ipv6"):
                place.setting("net.ipv6.conf.default.accept_dad", 0)

    def cable(self, one: str, near: str, other: str, far: str, **options: Any) -> None:
        """Create a veth pair that is up at both ends.  ``options`` are those of the near end."""
        self[one].net.add_veth(near, far, peer_ns=self[other], up=True, **options)
        self[other].net.set_link(far, up=True)

    def address(self, name: str, link: str, *addresses: str) -> None:
        """Add addresses to a link."""
        for address in addresses:
            self[name].net.add_address(link, address, nodad=True)

    def default(self, name: str, gateway: str) -> None:
        """Add a default route."""
        self[name].net.add_route("default", via=gateway)

    def forward(self, name: str) -> None:
        """Make a namespace a router for IPv4."""
        self[name].setting("net.ipv4.ip_forward", 1)

    def settle(self) -> None:
        """Wait until every carrier counts and every IPv6 address receives: the kernel sees to that later, and reports it."""
        for place in self.places.values():
            with place.monitor("link", "address", "route") as news:
                deadline = monotonic() + SETTLE_SECONDS
                while not settled(place) and monotonic() < deadline:
                    news.receive(max(0.0, deadline - monotonic()))

    def forget(self) -> None:
        """Delete all neighbours that were learnt, so that the next packet asks for them at once."""
        for place in self.places.values():
            for one in place.net.neighbours():
                if not one.state & NUD_PERMANENT:
                    try:
                        place.net.delete_neighbour(one.index, one.address)
                    except FileNotFoundError:  # it has been removed meanwhile
                        pass

    def listen(self, name: str, port: int, address: str = "0.0.0.0") -> socket.socket:
        """Listen on a TCP port.  The kernel completes connections; nothing is sent by them."""
        service = self[name].socket(socket.AF_INET, socket.SOCK_STREAM)
        service.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        service.bind((address, port))
        service.listen(BACKLOG)
        self.services.append(service)
        return service
