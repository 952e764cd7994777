"""The network of one namespace: a method for each verb of ip(8), bridge(8) and tc(8), each of them a request or two.

`NetNS` is a `Namespace` with a ``net``, which sends all requests through one netlink socket inside, opened at its first use, and
a ``nft`` for nf_tables.  Every method raises `KernelError` if the kernel refuses, in the kernel's own words, and `InvalidValue`
for what can never be right.
"""

from __future__ import annotations

from errno import ENOENT

from . import uapi
from .errors import KernelError
from .net_links import LinkVerbs, NamespaceDescriptor
from .netlink import Netlink
from .netns import Namespace
from .nlmsg import Listing
from .objects import address
from .rollback import signals_blocked
from .threads import call_inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .events import Monitor
    from .netns import Reference
    from .nft.client import Nft
    from .objects.address import Address, AddressOptions
    from .objects.link import Ref
    from .objects.neighbour import Neighbour
    from .objects.route import Route, RouteOptions, RouteSelection
    from .objects.rule import Rule, RuleOptions


class Net(LinkVerbs):
    """The network of the namespace that its ``netlink`` socket was opened in.  Safe for concurrent use by several threads.

    A link is given by its name, its index, or the `Link` that `links` or `link` returned; another namespace (of a peer, or to
    move a link to) by a `NetNS`, a name, a path, ``'pid:N'`` or a descriptor.  ``family`` is AF_INET, AF_INET6, or 0 for both.

    Lists are read until they are consistent; on a machine that changes too fast for that, ``complete`` of the `Listing` is False.

    All methods raise `InvalidValue` before anything is sent if a value does not fit, `KernelError` with the kernel's sentence if
    the kernel refuses (EPERM without CAP_NET_ADMIN, ENODEV for a link that does not exist), `SyscallError` if the socket fails.
    """

    _nft: Nft | None = None

    @property
    def nft(self) -> Nft:
        """nf_tables of the same namespace."""
        if self._nft is None:
            from .nft.client import Nft

            self._nft = Nft(self.netlink)
        return self._nft

    def close(self) -> None:
        """Close the sockets; may be called again."""
        self.netlink.close()
        if self._nft is not None:
            self._nft.close()

    # -- addresses ------------------------------------------------------------------------------------------------

    def addresses(self, ref: Ref | None = None, family: int = 0) -> Listing[Address]:
        """Return all addresses, or those of one link or family: ``ip addr show [dev NAME]``."""
        index = 0 if ref is None else self.index(ref)
        replies = self.netlink.dump(address.dump(family, index))
        found = (address.Address(reply.body) for reply in replies)
        return Listing((one for one in found if index in (0, one.index)), replies.complete)

    def add_address(self, ref: Ref, text: str, **options: Unpack[AddressOptions]) -> None:
        """Add an address to a link: ``ip addr add TEXT dev NAME [peer ADDR] [broadcast ADDR] [nodad]``.

        ``options`` are peer, broadcast (addresses), nodad (use an IPv6 address at once), protocol (what adds it, a number).
        """
        self.do(address.new(self.index(ref), text, **options))

    def delete_address(self, ref: Ref, text: str) -> None:
        """Delete an address of a link: ``ip addr del TEXT dev NAME``."""
        self.do(address.delete(self.index(ref), text))

    # -- routes ---------------------------------------------------------------------------------------------------

    def routes(self, family: int = 0, table: int = uapi.RT_TABLE_MAIN) -> Listing[Route]:
        """Return the routes of one table, by default main: ``ip route show [table ID]``.  Table 0 is all of them.

        A table that no route has been added to yet is empty, although the kernel says for IPv4 that there is none (ENOENT).
        """
        from .objects import route

        try:
            replies = self.netlink.dump(route.dump(family, table))
        except KernelError as error:
            if error.errno != ENOENT:
                raise
            return Listing()
        found = (route.Route(reply.body) for reply in replies)
        return Listing((one for one in found if table in (0, one.table)), replies.complete)

    def add_route(
        self, destination: str, *, via: str | None = None, dev: Ref | None = None, **options: Unpack[RouteOptions]
    ) -> None:
        """Add a route: ``ip route add DESTINATION|default [via GATEWAY] [dev NAME]``.

        ``options`` are source, metric, table, protocol, scope, type (``'blackhole'`` ...), onlink, mtu (bytes), family.
        """
        from .objects import route

        self.do(route.new(destination, via=via, index=None if dev is None else self.index(dev), **options))

    def replace_route(
        self, destination: str, *, via: str | None = None, dev: Ref | None = None, **options: Unpack[RouteOptions]
    ) -> None:
        """Add a route, or replace the one with its destination, metric and table: ``ip route replace ...`` (see `add_route`)."""
        from .objects import route

        self.do(route.replace(destination, via=via, index=None if dev is None else self.index(dev), **options))

    def delete_route(
        self, destination: str, *, via: str | None = None, dev: Ref | None = None, **options: Unpack[RouteSelection]
    ) -> None:
        """Delete a route: ``ip route del DESTINATION ...``.  Raises `KernelError` (ESRCH) if none matches."""
        from .objects import route

        self.do(route.delete(destination, via=via, index=None if dev is None else self.index(dev), **options))

    def route_to(
        self, where: str, *, source: str | None = None, iif: Ref | None = None, dev: Ref | None = None, mark: int = 0
    ) -> Route:
        """Return the route that a packet takes: ``ip route get ADDRESS [from SOURCE] [iif NAME] [oif NAME] [mark N]``.

        ``iif`` is the link by which the packet comes in.  Raises `KernelError` as the packet fails: ENETUNREACH, EHOSTUNREACH,
        EACCES.
        """
        from .objects import route

        into, out = (None if ref is None else self.index(ref) for ref in (iif, dev))
        return route.Route(self.netlink.get(route.get(where, source=source, iif=into, oif=out, mark=mark)).body)

    # -- rules ----------------------------------------------------------------------------------------------------

    def rules(self, family: int = 0) -> Listing[Rule]:
        """Return the rules that choose a routing table, in their order: ``ip rule show``.  Those of multicast are left out."""
        from .objects import rule

        replies = self.netlink.dump(rule.dump(family))
        found = (rule.Rule(reply.body) for reply in replies)
        wanted = (family,) if family else (uapi.AF_INET, uapi.AF_INET6)
        return Listing((one for one in found if one.family in wanted), replies.complete)

    def add_rule(self, **options: Unpack[RuleOptions]) -> None:
        """Add a rule: ``ip rule add [from SOURCE] [to DESTINATION] [fwmark MARK/MASK] [iif] [oif] [pref N] table ID``.

        ``options`` are source, destination (prefixes), mark, mask, iif, oif (names), priority, table, action, invert and family.
        """
        from .objects import rule

        self.do(rule.new(**options))

    def delete_rule(self, **options: Unpack[RuleOptions]) -> None:
        """Delete the first rule that has all these options: ``ip rule del ...``.  ENOENT (`KernelError`) if there is none."""
        from .objects import rule

        self.do(rule.delete(**options))

    # -- neighbours -----------------------------------------------------------------------------------------------

    def neighbours(self, ref: Ref | None = None, family: int = 0) -> Listing[Neighbour]:
        """Return all neighbours, or those of one link or family: ``ip neigh show [dev NAME]``.

        Entries that need no neighbour (NUD_NOARP: multicast, ``lo``) are left out, as `ip` leaves them out.
        """
        from .objects import neighbour

        index = 0 if ref is None else self.index(ref)
        replies = self.netlink.dump(neighbour.dump(family, index))
        found = (neighbour.Neighbour(reply.body) for reply in replies)
        wanted = (one for one in found if index in (0, one.index) and not one.state & uapi.NUD_NOARP)
        return Listing(wanted, replies.complete)

    def add_neighbour(self, ref: Ref, where: str, lladdr: str, permanent: bool = True) -> None:
        """Add a neighbour: ``ip neigh add ADDRESS lladdr LLADDR dev NAME``."""
        from .objects import neighbour

        self.do(neighbour.new(self.index(ref), where, lladdr, permanent))

    def delete_neighbour(self, ref: Ref, where: str) -> None:
        """Delete a neighbour: ``ip neigh del ADDRESS dev NAME``."""
        from .objects import neighbour

        self.do(neighbour.delete(self.index(ref), where))

    # -- namespace ids --------------------------------------------------------------------------------------------

    def nsid(self, other: Reference) -> int | None:
        """Return the id by which this namespace refers to another, or None: what ``ip link`` shows as ``link-netnsid``."""
        from .objects import nsid

        with NamespaceDescriptor(other, required=True) as fd:
            found = nsid.Nsid(self.netlink.get(nsid.get(fd)).body).nsid
        return None if found == uapi.NETNSA_NSID_NOT_ASSIGNED else found

    def set_nsid(self, other: Reference, number: int = uapi.NETNSA_NSID_NOT_ASSIGNED) -> None:
        """Assign an id to another namespace, -1 for the next free one: ``ip netns set NAME ID``."""
        from .objects import nsid

        with NamespaceDescriptor(other, required=True) as fd:
            self.do(nsid.new(fd, number))

    def nsids(self) -> Listing[int]:
        """Return all ids that this namespace has assigned: ``ip netns list-id``."""
        from .objects import nsid

        replies = self.netlink.dump(nsid.dump())
        return Listing((nsid.Nsid(reply.body).nsid for reply in replies), replies.complete)


def connect(namespace: NetNS) -> None:
    """Open the socket of ``namespace.net`` on the calling thread, which must be inside already: this saves a visit."""
    namespace._net = Net(Netlink())


class NetNS(Namespace):
    """A network namespace with its links, addresses, routes ... as ``net``, and its nf_tables as ``nft``.

    See `Namespace` for how it is created, opened, named and entered.
    """

    _net: Net | None = None  # in the object's own __dict__ only while there is one

    @property
    def net(self) -> Net:
        """Its network, through one netlink socket, which is opened at first use and closed with the namespace."""
        net = self._net
        if net is None:
            with signals_blocked():  # one block, instead of one at each end of the visit
                made = Net(call_inside(self, Netlink))
            net = vars(self).setdefault("_net", made)  # atomic, so that no lock is needed
            if net is not made:  # another thread was first
                made.netlink.close()
        return net

    @property
    def connected(self) -> bool:
        """Whether the socket that `net` uses is open."""
        return self._net is not None

    @property
    def nft(self) -> Nft:
        """Its nf_tables: tables, chains, rules, address translation (``nft list ruleset``)."""
        return self.net.nft

    def monitor(self, *groups: str) -> Monitor:
        """Return a `Monitor` of changes inside from now on: ``ip monitor link address ...``.  Close it, or use it in ``with``."""
        from .events import Monitor

        return call_inside(self, Monitor, *groups)

    def add_tap(self, name: str, kind: str = "tap", owner: int | None = None, group: int | None = None, index: int = 0) -> None:
        """Create a persistent tap (or tun) device inside: ``ip tuntap add dev NAME mode tap [user UID] [group GID]``."""
        from . import tap

        call_inside(self, tap.add, name, kind, owner, group, index)

    def open_tap(self, name: str = "", kind: str = "tap") -> tuple[int, str]:
        """Open a tap device inside, created if there is none; return a descriptor (the caller closes it) and its name."""
        from . import tap

        return call_inside(self, tap.open_, name, kind)

    def disconnect(self) -> None:
        """Close the socket that `net` uses; it is opened again when it is needed."""
        net: Net | None = vars(self).pop("_net", None)
        if net is not None:
            net.close()

    def close(self) -> None:
        """Close the descriptor and the socket; may be called again.  A namespace that nothing else refers to ends."""
        self.disconnect()
        super().close()
