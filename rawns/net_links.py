"""Links of one namespace, ports of its bridges and its queueing disciplines: what `Net` does of ip-link(8), bridge(8), tc(8)."""

from __future__ import annotations

import os
from errno import EPERM

from .errors import KernelError
from .netlink import Netlink
from .netns import Namespace
from .nlmsg import Listing
from .objects import link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from typing_extensions import Unpack

    from .netns import Reference
    from .nlmsg import Reply, Request
    from .objects.link import Link, LinkChanges, LinkOptions, PortOptions, Ref, VxlanOptions
    from .objects.qdisc import Qdisc, Shape
    from .objects.units import Quantity
    from .objects.vlan import Vlan

NOT_OWNED = (
    "the other namespace belongs to another user namespace: a link can be created in it, or moved into it, only by a process "
    "that has CAP_NET_ADMIN there"
)


class NamespaceDescriptor:
    """``with NamespaceDescriptor(reference) as fd:`` a descriptor of a namespace, valid until the end of the block.

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


class LinkVerbs:
    """The part of `Net` that lists and changes links."""

    def __init__(self, netlink: Netlink) -> None:
        self.netlink = netlink

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
        with NamespaceDescriptor(netns) as fd:
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
        with NamespaceDescriptor(peer_ns) as fd:
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
        with NamespaceDescriptor(netns) as fd:
            self._prepare(options, fd)
            self.do(link.macvlan(name, self.index(lower), mode, **options))

    def set_link(self, ref: Ref, /, *, netns: Reference | None = None, **options: Unpack[LinkChanges]) -> None:
        """Change a link: ``ip link set NAME up|down|mtu N|address MAC|master BR|name NEW|netns NS ...``.

        ``options`` are those of `add_link`, and ``new_name`` (which before Linux 6.2 a link that is up refuses: EBUSY);
        ``master=0`` removes it from its bridge.
        """
        known = self.index(ref) if options.get("new_name") is not None else ref
        with NamespaceDescriptor(netns) as fd:
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
