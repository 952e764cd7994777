"""The network of one namespace: a method for each verb of ip(8), bridge(8) and tc(8), each of them a request or two.

`NetNS` is a `Namespace` with a ``net``, which sends all requests through one netlink socket inside, opened at its first use, and
a ``nft`` for nf_tables.  Every method raises `KernelError` if the kernel refuses, in the kernel's own words, and `InvalidValue`
for what can never be right.
"""

from __future__ import annotations

import os
from errno import ENOENT, EPERM

from . import uapi
from .errors import KernelError
from .netlink import Netlink
from .netns import Namespace
from .nlmsg import Listing
from .objects import address, link
from .rollback import signals_blocked
from .threads import call_inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from typing_extensions import Unpack

    from .events import Monitor
    from .netns import Reference
    from .nft.client import Nft
    from .nlmsg import Reply, Request
    from .objects.address import Address, AddressOptions
    from .objects.link import Link, LinkChanges, LinkOptions, PortOptions, Ref, VxlanOptions
    from .objects.neighbour import Neighbour
    from .objects.qdisc import Qdisc, Shape
    from .objects.route import Route, RouteOptions, RouteSelection
    from .objects.rule import Rule, RuleOptions
    from .objects.units import Quantity
    from .objects.vlan import Vlan


class Net:
    """The network of the namespace that its ``netlink`` socket was opened in.  Safe for concurrent use by several threads.

    A link is given by its name, its index, or the `Link` that `links` or `link` returned; another namespace (of a peer, or to
    move a link to) by a `NetNS`, a name, a path, ``'pid:N'`` or a descriptor.  ``family`` is AF_INET, AF_INET6, or 0 for both.

    Lists are read until they are consistent; on a machine that changes too fast for that, ``complete`` of the `Listing` is False.

    All methods raise `InvalidValue` before anything is sent if a value does not fit, `KernelError` with the kernel's sentence if
    the kernel refuses (EPERM without CAP_NET_ADMIN, ENODEV for a link that does not exist), `SyscallError` if the socket fails.
    """

    def __init__(self, netlink: Netlink) -> None:
        self.netlink = netlink
        self._nft: Nft | None = None

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

    def do(self, *requests: Request) -> list[list[Reply]]:
        """Send requests in as few datagrams as hold them; return the replies to each.  Raises the first `KernelError`."""
        return self.netlink.do(*requests)

    def index(self, ref: Ref) -> int:
        """Return the index of a link.  Raises `KernelError` (ENODEV) if there is no such link."""
        if isinstance(ref, int):
            return ref
        if isinstance(ref, link.Link):
            return ref.index
        if isinstance(ref, str):
            from .ethtool import link_index

            found = link_index(self.netlink.fileno(), ref)
            if found:
                return found
        index: int = self.netlink.get(link.index_of(ref)).body["ifi_index"]
        return index

    def _prepare(self, options: LinkOptions, netns_fd: int = 0) -> None:
        """Replace names of links in options by indexes, and add the namespace that a link is to be in."""
        master, lower = options.get("master"), options.get("link")
        if master is not None:
            options["master"] = self.index(master)
        if lower is not None:
            options["link"] = self.index(lower)
        if netns_fd:
            options["netns_fd"] = netns_fd

    # -- links ----------------------------------------------------------------------------------------------------

    def links(self, kind: str | None = None) -> Listing[Link]:
        """Return all links, or those of one kind, in the order of the kernel: ``ip link show [type KIND]``."""
        replies = self.netlink.dump(link.dump(kind))
        return Listing((link.Link(reply.body) for reply in replies), replies.complete)

    def link(self, ref: Ref) -> Link:
        """Return one link: ``ip link show dev NAME``.  Raises `KernelError` (ENODEV) if there is none."""
        return link.Link(self.netlink.get(link.get(ref)).body)

    def link_detected(self, ref: Ref) -> bool:
        """Return whether a link has a carrier; one that has also transmits then: ``ethtool NAME``, "Link detected".

        `Link.carrier` of a list says less: when a veth pair is set up, the end that was set up first has a carrier at once, and
        drops what it is given until a work queue of the kernel has run.  Call this for both ends before sending a first packet
        that must not be lost; a `Lab` does.  Raises `KernelError` (ENODEV) if there is no such link.
        """
        from .link_state import complete

        one = self.link(ref)
        complete(self.netlink, [one.name])
        return self.link(one.index).carrier

    def add_link(
        self,
        name: str,
        kind: str,
        data: Mapping[str, Any] | None = None,
        *,
        netns: Reference | None = None,
        **options: Unpack[LinkOptions],
    ) -> None:
        """Create a link: ``ip link add NAME [netns NS] type KIND``.

        ``data`` are the attributes of the kind by their C names (``{"IFLA_BR_STP_STATE": 1}``); ``options`` are up,
        address (MAC), broadcast, mtu (bytes), txqlen (packets), txqueues, rxqueues, group, alias, index, master and link (links).
        """
        with _Descriptor(netns) as fd:
            self._prepare(options, fd)
            self.do(link.new(name, kind, data, **options))

    def add_veth(
        self,
        name: str,
        peer: str,
        peer_ns: Reference | None = None,
        peer_options: LinkOptions | None = None,
        **options: Unpack[LinkOptions],
    ) -> None:
        """Create both ends of a cable, each in its final namespace: ``ip link add NAME type veth peer name PEER [netns NS]``.

        ``options`` (those of `add_link`) are for the near end, ``peer_options`` for the far one, which cannot be created up.
        """
        with _Descriptor(peer_ns) as fd:
            other: LinkOptions = {}
            if peer_options is not None:
                other.update(peer_options)
            if fd:
                other["netns_fd"] = fd
            self._prepare(options)
            self.do(link.veth(name, peer, other, **options))

    def add_bridge(self, name: str, data: Mapping[str, Any] | None = None, **options: Unpack[LinkOptions]) -> None:
        """Create a bridge: ``ip link add NAME type bridge``.  ``data`` and ``options`` as for `add_link`."""
        self.add_link(name, "bridge", data, **options)

    def add_vxlan(self, name: str, vni: int, *, dev: Ref | None = None, **options: Unpack[VxlanOptions]) -> None:
        """Create a tunnel over UDP: ``ip link add NAME type vxlan id VNI remote ADDR local ADDR dstport PORT dev NAME``.

        ``options`` are remote, local (addresses), port (4789), ttl, learning, and those of `add_link`.
        """
        self._prepare(options)
        self.do(link.vxlan(name, vni, dev=0 if dev is None else self.index(dev), **options))

    def add_macvlan(
        self, name: str, lower: Ref, mode: str = "bridge", *, netns: Reference | None = None, **options: Unpack[LinkOptions]
    ) -> None:
        """Create a link with a MAC of its own on top of another: ``ip link add link LOWER name NAME [netns NS] type macvlan``."""
        with _Descriptor(netns) as fd:
            self._prepare(options, fd)
            self.do(link.macvlan(name, self.index(lower), mode, **options))

    def set_link(self, ref: Ref, /, *, netns: Reference | None = None, **options: Unpack[LinkChanges]) -> None:
        """Change a link: ``ip link set NAME up|down|mtu N|address MAC|master BR|name NEW|netns NS ...``.

        ``options`` are those of `add_link`, and ``new_name`` (which before Linux 6.2 a link that is up refuses: EBUSY);
        ``master=0`` removes it from its bridge.
        """
        known = self.index(ref) if options.get("new_name") is not None else ref
        with _Descriptor(netns) as fd:
            self._prepare(options, fd)
            self.do(link.change(known, **options))

    def delete_link(self, ref: Ref) -> None:
        """Delete a link, and with a veth its peer: ``ip link del NAME``."""
        self.do(link.delete(ref))

    def delete_group(self, group: int) -> None:
        """Delete all links of a group with one grace period: ``ip link del group N``.  ENODEV (`KernelError`) if it has none."""
        self.do(link.delete_group(group))

    def add_altname(self, ref: Ref, *names: str) -> None:
        """Add alternative names of up to 127 bytes to a link: ``ip link property add dev NAME altname OTHER``."""
        self.do(link.add_altname(ref, *names))

    def delete_altname(self, ref: Ref, *names: str) -> None:
        """Delete alternative names of a link: ``ip link property del dev NAME altname OTHER``."""
        self.do(link.delete_altname(ref, *names))

    # -- ports of bridges -------------------------------------------------------------------------------------------

    def set_port(self, ref: Ref, **options: Unpack[PortOptions]) -> None:
        """Change a link as a port of its bridge: ``bridge link set dev NAME learning off isolated on cost 5 ...``.

        ``options`` are named as in bridge(8): hairpin, guard, learning, flood, mcast_flood, isolated ..., cost, priority, state.
        """
        self.do(link.change_port(ref, **options))

    def vlans(self, ref: Ref | None = None) -> Listing[Vlan]:
        """Return the VLANs of all ports of bridges, or of one: ``bridge vlan show [dev NAME]``."""
        from .objects import vlan

        index = 0 if ref is None else self.index(ref)
        replies = self.netlink.dump(vlan.dump())
        found = (one for reply in replies for one in vlan.read(reply.body))
        return Listing((one for one in found if index in (0, one.index)), replies.complete)

    def add_vlan(self, ref: Ref, vid: int, last: int | None = None, *, pvid: bool = False, untagged: bool = False) -> None:
        """Add a port, or a bridge itself, to a VLAN, or to all from ``vid`` to ``last``: ``bridge vlan add dev NAME vid VID``.

        With ``pvid`` untagged frames that come in belong to it; with ``untagged`` its frames leave without a tag.
        """
        from .objects import vlan

        known = self.link(ref)
        self.do(vlan.set(known.index, vid, last, pvid=pvid, untagged=untagged, own=known.kind == "bridge"))

    def delete_vlan(self, ref: Ref, vid: int, last: int | None = None) -> None:
        """Remove a port, or a bridge itself, from a VLAN, or from a range of them: ``bridge vlan del dev NAME vid VID``."""
        from .objects import vlan

        known = self.link(ref)
        self.do(vlan.delete(known.index, vid, last, own=known.kind == "bridge"))

    # -- queueing disciplines -----------------------------------------------------------------------------------------

    def qdiscs(self, ref: Ref | None = None) -> Listing[Qdisc]:
        """Return the queueing disciplines of all links, or of one: ``tc qdisc show [dev NAME]``."""
        from .objects import qdisc

        index = 0 if ref is None else self.index(ref)
        replies = self.netlink.dump(qdisc.dump())
        found = (qdisc.Qdisc(reply.body) for reply in replies)
        return Listing((one for one in found if index in (0, one.index)), replies.complete)

    def shape(
        self,
        ref: Ref,
        rate: Quantity | None = None,
        *,
        burst: Quantity | None = None,
        latency: Quantity | None = None,
        delay: Quantity | None = None,
        jitter: Quantity | None = None,
        loss: Quantity | None = None,
    ) -> None:
        """Limit how a link sends, to ``rate``; add ``delay`` and ``jitter``; lose a ``loss`` of packets: ``tc qdisc replace``.

        ``'10mbit'``, ``'20ms'``, ``'1%'``, or bits per second, seconds and a fraction.  ``burst`` (bytes) may be sent at once;
        packets that would wait for the rate longer than ``latency`` (50 ms) are dropped.  If the kernel lacks a discipline,
        the `KernelError` says which module has it.
        """
        from .objects import qdisc

        shape = qdisc.Shape(rate, burst=burst, latency=latency, delay=delay, jitter=jitter, loss=loss)
        self.do(*shape.requests(self.index(ref)))

    def shape_of(self, ref: Ref) -> Shape | None:
        """Return what `shape` set up on a link, or None.  It is equal to an `objects.qdisc.Shape` of the same options."""
        from .objects import qdisc

        return qdisc.read(self.qdiscs(ref))

    def unshape(self, ref: Ref) -> None:
        """Undo `shape`: ``tc qdisc del dev NAME root``.  Disciplines that something else set up stay."""
        from .objects import qdisc

        index = self.index(ref)
        if any(qdisc.is_ours(one) for one in self.qdiscs(index)):
            self.do(qdisc.delete(index))

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

        with _Descriptor(other, required=True) as fd:
            found = nsid.Nsid(self.netlink.get(nsid.get(fd)).body).nsid
        return None if found == uapi.NETNSA_NSID_NOT_ASSIGNED else found

    def set_nsid(self, other: Reference, number: int = uapi.NETNSA_NSID_NOT_ASSIGNED) -> None:
        """Assign an id to another namespace, -1 for the next free one: ``ip netns set NAME ID``."""
        from .objects import nsid

        with _Descriptor(other, required=True) as fd:
            self.do(nsid.new(fd, number))

    def nsids(self) -> Listing[int]:
        """Return all ids that this namespace has assigned: ``ip netns list-id``."""
        from .objects import nsid

        replies = self.netlink.dump(nsid.dump())
        return Listing((nsid.Nsid(reply.body).nsid for reply in replies), replies.complete)


NOT_OWNED = (
    "the other namespace belongs to another user namespace: a link can be created in it, or moved into it, only by a process "
    "that has CAP_NET_ADMIN there"
)


class _Descriptor:
    """``with _Descriptor(reference) as fd:`` a descriptor of a namespace, valid until the end of the block.

    It is 0 without a reference if none is ``required``.
    """

    def __init__(self, reference: Reference | None, required: bool = False) -> None:
        self._namespace: Namespace | None = None
        self._fd = 0
        if isinstance(reference, int) and not isinstance(reference, bool):
            self._fd = reference
        elif reference is not None or required:
            self._namespace = Namespace.resolve(reference)  # type: ignore[arg-type]
            self._fd = self._namespace.fileno()

    def __enter__(self) -> int:
        return self._fd

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._fd and isinstance(error, KernelError) and error.errno == EPERM and os.geteuid() == 0:
            from .privileges import owns

            if not owns(self._fd):
                error.hint = NOT_OWNED
        self._namespace = None  # closes what was opened for this reference


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
