"""The interface through which the checks see one namespace: `visible.VisibleNamespace` asks the kernel, tests give literals."""

from __future__ import annotations

from ..terminal import printable
from .prefixes import version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Union

    from ..nft.evaluate import Evaluation, Packet, Translation
    from ..nft.records import NftChain
    from ..objects.address import Address
    from ..objects.link import Link
    from ..objects.neighbour import Neighbour
    from ..objects.route import Route
    from ..objects.rule import Rule
    from ..objects.vlan import Vlan
    from .commands import NamespaceName
    from .flow import RouteQuery

    RouteAnswer = Union["Route", "RouteRefused"]


class RouteRefused:
    """The kernel refused a route look-up: ``errno`` is ENETUNREACH, EHOSTUNREACH, EINVAL, EACCES ..."""

    __slots__ = ("errno",)

    def __init__(self, errno: int) -> None:
        self.errno = errno


class NamespaceView:
    """One namespace: its links, addresses, routes, rules, neighbours, filters and settings."""

    name: NamespaceName
    closed = False  # whether the kernel refuses to let the caller look inside

    @property
    def loaded(self) -> bool:
        """Whether its links have been read, so that looking at them costs nothing."""
        return True

    @property
    def links(self) -> dict[int, Link]:
        """The links by index."""
        raise NotImplementedError

    @property
    def addresses(self) -> Sequence[Address]:
        """All addresses of all links."""
        raise NotImplementedError

    def far_end(self, link: Link) -> tuple[NamespaceView, int] | None:
        """Return the other end of a veth, or the device that this one is stacked on: its namespace, and its index there."""
        raise NotImplementedError

    def elsewhere(self) -> Sequence[NamespaceView]:
        """Return all namespaces that can be seen."""
        raise NotImplementedError

    def underlay(self, link: Link) -> NamespaceView | None:
        """Return the namespace in which the outer packets of a tunnel travel: the one in which it was made."""
        raise NotImplementedError

    def route(self, query: RouteQuery) -> RouteAnswer:
        """Ask the kernel for the route of a packet (RTM_GETROUTE)."""
        raise NotImplementedError

    def routes(self) -> Sequence[Route]:
        """Return all routes of all tables."""
        raise NotImplementedError

    def rules(self) -> Sequence[Rule]:
        """Return the policy rules of both families, in the order in which the kernel asks them."""
        raise NotImplementedError

    def neighbours(self) -> Sequence[Neighbour]:
        """Return the neighbour entries. They are read anew each time, because a probe changes them."""
        raise NotImplementedError

    def fdb(self) -> Sequence[Neighbour]:
        """Return the forwarding database of all bridges and VXLAN devices (``bridge fdb show``)."""
        raise NotImplementedError

    def vlans(self, index: int) -> dict[int, Vlan]:
        """Return the VLANs of a bridge port, or of a bridge itself, by their numbers."""
        raise NotImplementedError

    def chains(self) -> Sequence[NftChain]:
        """Return the base chains of nf_tables of all families, without those of dormant tables."""
        raise NotImplementedError

    def evaluate(self, packet: Packet, hook: str, families: frozenset[int] | None = None) -> Evaluation:
        """Evaluate the nf_tables chains of a hook for a packet; by default those of the packet's IP family and of inet."""
        raise NotImplementedError

    def translate(self, packet: Packet, hook: str) -> Translation | None:
        """Return how the nat chains of a hook change the addresses of a packet; None if no rule certainly does."""
        raise NotImplementedError

    def unreadable_filters(self) -> Sequence[str]:
        """Name the filters that are present and cannot be read here: tables of legacy iptables, tc filters, XDP programs."""
        raise NotImplementedError

    def listeners(self, protocol: str, port: int) -> Sequence[str] | None:
        """Return the local addresses of the sockets that receive on a port; None if they cannot be read."""
        raise NotImplementedError

    def sysctl(self, name: str) -> int | None:
        """Return a number under /proc/sys/net, such as ``ipv4/conf/all/rp_filter``; None if the kernel has no such setting."""
        raise NotImplementedError

    # -- what follows from those ------------------------------------------------------------------------------------

    def far_link(self, link: Link) -> tuple[NamespaceView, Link] | None:
        """Return the link that `far_end` names, with its namespace; None if it cannot be seen."""
        end = self.far_end(link)
        far = None if end is None or end[0].closed else end[0].links.get(end[1])
        return None if end is None or far is None else (end[0], far)

    def bridge_of(self, port: Link) -> Link | None:
        """Return the bridge of which a link is a port."""
        master = self.links.get(port.master or 0)
        return master if master is not None and master.kind == "bridge" else None

    @property
    def lo(self) -> Link | None:
        """The loopback interface."""
        return next((link for link in self.links.values() if link.loopback), None)

    def conf(self, family: int, link: Link, name: str) -> int | None:
        """Return a setting of one link: ``net.ipv4.conf.LINK.NAME``."""
        return self.sysctl(f"{version(family)}/conf/{link.name}/{name}")

    def max_conf(self, link: Link, name: str) -> int:
        """Return the larger of the settings ``net.ipv4.conf.all.NAME`` and ``net.ipv4.conf.LINK.NAME``, which is in force."""
        return max(self.sysctl(f"ipv4/conf/all/{name}") or 0, self.sysctl(f"ipv4/conf/{link.name}/{name}") or 0)

    def addresses_of(self, link: Link, family: int) -> list[Address]:
        """Return the addresses of one link, of one family."""
        return [one for one in self.addresses if one.index == link.index and one.family == family]

    def holder(self, address: str, index: int = 0) -> tuple[Link, Address] | None:
        """Return the link (the one with this index, if that is not 0) that has an address, and the address with its prefix."""
        for one in self.addresses:
            if one.address == address and one.index in self.links and index in (0, one.index):
                return self.links[one.index], one
        return None

    def ports(self, bridge: Link) -> list[Link]:
        """Return the ports of a bridge."""
        return [link for link in self.links.values() if link.master == bridge.index]

    def named(self, link: Link) -> str:
        """Return ``v1 in ns1``."""
        return f"{printable(link.name)} in {self.name}"

    def __repr__(self) -> str:
        return f"<NamespaceView of {self.name}>"
