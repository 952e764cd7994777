"""The namespaces that can be seen from here. What the kernel says of each is asked when it is first needed, and kept.

Which namespace holds the far end of a cable is asked of the kernel (RTM_GETNSID): of the namespaces with a name, the caller's,
the machine's first one and, if it is none of them, of all that `rawns ls` finds: those that are mounted on other files, that
a process holds by being in them or by a descriptor, and on Linux 6.19 and later the rest of the kernel's own list.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from errno import ENOENT

from .. import inventory, netns_names, nsfs, sockets, sysctl, uapi
from ..errors import InvalidValue, KernelError, RawnsError, SyscallError
from ..net import NetNS
from ..netns import adopt
from ..nft import evaluate as nft_evaluate
from ..nft.records import NftChain, NftRule, NftTable
from ..objects import neighbour, nsid, route
from ..objects.neighbour import Neighbour
from ..objects.route import Route
from ..threads import call_inside
from . import references
from .commands import NamespaceName
from .namespace_view import NamespaceView, RouteRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any, TypeVar

    from ..net import Net
    from ..netns import Reference
    from ..nft.evaluate import Evaluation, Packet, Translation
    from ..objects.address import Address
    from ..objects.link import Link
    from ..objects.rule import Rule
    from ..objects.vlan import Vlan
    from .flow import RouteQuery
    from .namespace_view import RouteAnswer

    Answer = TypeVar("Answer")
    Identity = tuple[int, int]
    Ruleset = tuple[list[NftTable], list[NftChain], list[NftRule]]
    End = Reference

MAX_OPEN = 32  # namespaces held open
MAX_ASKED = 64  # ids asked for in one datagram, a descriptor each
MAX_LINES = 65536  # of a table under /proc/net
PLAIN_QDISCS = {"noqueue", "pfifo_fast", "fq_codel", "mq", "pfifo"}


class VisibleNamespace(NamespaceView):
    """One namespace, read from the kernel."""

    def __init__(self, visible: VisibleNamespaces, name: NamespaceName, identity: Identity) -> None:
        self.visible, self.name, self.identity = visible, name, identity
        self._kept: dict[object, Any] = {}

    @property
    def net(self) -> Net:
        """Its network."""
        return self.visible.opened(self).net

    def _once(self, key: object, ask: Callable[[], Answer]) -> Answer:
        """Return what a function returned when it was first called for this key."""
        if key not in self._kept:
            self._kept[key] = ask()
        answer: Answer = self._kept[key]
        return answer

    @property
    def loaded(self) -> bool:
        return "links" in self._kept

    @property
    def links(self) -> dict[int, Link]:
        return self._once("links", lambda: {link.index: link for link in self._read_unless_closed(lambda: self.net.links())})

    @property
    def addresses(self) -> Sequence[Address]:
        return self._once("addresses", lambda: self._read_unless_closed(lambda: self.net.addresses())) if self.links else ()

    def _read_unless_closed(self, ask: Callable[[], list[Answer]]) -> list[Answer]:
        """Return what is asked for; nothing if another's namespace is closed to the caller, or has gone since it was listed."""
        try:
            return ask()
        except (RawnsError, OSError):
            if self in self.visible.ends:
                raise
            self.closed = True
            return []

    def far_end(self, link: Link) -> tuple[NamespaceView, int] | None:
        if not link.peer:
            return None
        if link.peer_nsid is None:
            return self, link.peer
        other = self.visible.known_as(self, link.peer_nsid)
        return None if other is None else (other, link.peer)

    def elsewhere(self) -> Sequence[NamespaceView]:
        return self.visible.candidates()

    def underlay(self, link: Link) -> NamespaceView | None:
        return self if link.peer_nsid is None else self.visible.known_as(self, link.peer_nsid)

    # -- routing ----------------------------------------------------------------------------------------------------

    def route(self, query: RouteQuery) -> RouteAnswer:
        return self._once(("route", query.key), lambda: self._route(query))

    def _route(self, query: RouteQuery) -> RouteAnswer:
        request = route.get(query.target, source=query.source, iif=query.iif or None, oif=query.oif or None, mark=query.mark)
        ports = {"RTA_IP_PROTO": query.protocol, "RTA_SPORT": query.sport, "RTA_DPORT": query.dport}
        request.body = {**request.body, **{key: value for key, value in ports.items() if value}}
        try:
            return Route(self.net.netlink.get(request).body)
        except KernelError as error:
            return RouteRefused(error.errno or 0)

    def routes(self) -> Sequence[Route]:
        return self._once("routes", lambda: self.net.routes(table=0))

    def rules(self) -> Sequence[Rule]:
        return self._once("rules", self.net.rules)

    # -- neighbours and bridges -------------------------------------------------------------------------------------

    def neighbours(self) -> Sequence[Neighbour]:
        return self.net.neighbours()

    def fdb(self) -> Sequence[Neighbour]:
        def ask() -> list[Neighbour]:
            return [Neighbour(reply.body) for reply in self.net.netlink.dump(neighbour.dump(uapi.AF_BRIDGE))]

        return self._once("fdb", lambda: _none_if_refused(ask))

    def vlans(self, index: int) -> dict[int, Vlan]:
        return {one.vid: one for one in self._once("vlans", self.net.vlans) if one.index == index}

    # -- filters ----------------------------------------------------------------------------------------------------

    @property
    def _nft(self) -> Ruleset:
        """Tables, chains and rules; empty if the kernel has no nf_tables."""
        return self._once("nf_tables", self._ruleset)

    def _ruleset(self) -> Ruleset:
        try:
            return self.net.nft.ruleset()
        except KernelError:
            return [], [], []

    def chains(self) -> Sequence[NftChain]:
        tables, chains, _ = self._nft
        dormant = {(table.family, table.name) for table in tables if table.dormant}
        return [one for one in chains if one.hook is not None and (one.family, one.table) not in dormant]

    def evaluate(self, packet: Packet, hook: str, families: frozenset[int] | None = None) -> Evaluation:
        return nft_evaluate.evaluate(packet, hook, *self._nft, families)

    def translate(self, packet: Packet, hook: str) -> Translation | None:
        return nft_evaluate.translate(packet, hook, *self._nft)

    def unreadable_filters(self) -> Sequence[str]:
        found = [f"legacy iptables table {name}" for name in self._lines("ip_tables_names") + self._lines("ip6_tables_names")]
        found += [
            f"XDP program on {link.name}"
            for link in self.links.values()
            if (link.body.get("IFLA_XDP") or {}).get("IFLA_XDP_ATTACHED")
        ]
        qdiscs = self._once("qdiscs", lambda: _none_if_refused(self.net.qdiscs))
        classful = [one for one in qdiscs if one.index in self.links and one.kind not in PLAIN_QDISCS]
        return found + [f"qdisc {one.kind} on {self.links[one.index].name}" for one in classful]

    def _lines(self, table: str) -> list[str]:
        """Return the lines of a file under /proc/net of this namespace; empty if there is no such file."""

        def read() -> list[str]:
            with open(f"/proc/thread-self/net/{table}", encoding="ascii") as file:
                return [line.strip() for line, _ in zip(file, range(MAX_LINES))]

        try:
            return call_inside(self.visible.opened(self), read)
        except (OSError, ValueError):
            return []

    def listeners(self, protocol: str, port: int) -> Sequence[str] | None:
        found = []
        for version in ("", "6"):
            lines = self._lines(f"{protocol}{version}")
            if not lines and not version:
                return None
            found += [address for address, number in sockets.listeners(protocol, lines) if number == port]
        return found

    def sysctl(self, name: str) -> int | None:
        return self._once(("sysctl", name), lambda: self._sysctl(name))

    def _sysctl(self, name: str) -> int | None:
        try:
            return int(call_inside(self.visible.opened(self), sysctl.read, f"net/{name}").split()[0])
        except (SyscallError, InvalidValue, ValueError, IndexError):
            return None  # this kernel, or this namespace, has no such setting


def _none_if_refused(ask: Callable[[], list[Answer]]) -> list[Answer]:
    """Return what the kernel lists; nothing if it was built without that, or is too old."""
    try:
        return ask()
    except KernelError:
        return []


class VisibleNamespaces:
    """The namespaces that are known, by their identity. ``ends`` are the two between which a way is sought."""

    def __init__(self) -> None:
        self.views: dict[Identity, VisibleNamespace] = {}
        self.ends: list[VisibleNamespace] = []
        self._open: OrderedDict[Identity, NetNS] = OrderedDict()
        self._ids: dict[Identity, dict[int, Identity | None]] = {}
        self._held: dict[Identity, NetNS] = {}
        self._candidates: list[VisibleNamespace] | None = None
        self._numbers: dict[Identity, int] = {}  # the ids of those that only the kernel's own list has
        self._labs: list[Any] = []  # those of the ends that are hosts of a `Lab`

    # -- views -----------------------------------------------------------------------------------------------------

    def view(self, namespace: NetNS, name: NamespaceName) -> VisibleNamespace:
        """Return the view of a namespace; ``name`` is how to call it if it is new."""
        found = self.views.get(namespace.identity)
        if found is None:
            found = self.views[namespace.identity] = VisibleNamespace(self, name, namespace.identity)
        return found

    def end(self, what: End) -> VisibleNamespace:
        """Return the view of one end: what `NetNS.resolve` accepts, ``.`` for the caller's own, or the name of a host.

        The name of a host without its lab is accepted if only one lab has such a host. Raises the errors of `NetNS.resolve`.
        """
        if isinstance(what, (str, os.PathLike)):
            namespace, name = references.named(os.fspath(what))
            view = self.view(namespace, name)
            self._keep(view.identity, namespace)
        else:
            namespace = NetNS.resolve(what)
            name = references.of_open(namespace, getattr(what, "label", ""))
            lab = getattr(what, "lab", None)
            if lab is not None and not any(one is lab for one in self._labs):
                self._labs.append(lab)
            view = self.view(namespace, name)
            if name.name is None and not os.path.exists(name.path or ""):
                raise InvalidValue(f"{what!r} cannot be reached")
            self._held.setdefault(view.identity, namespace)
        self.ends.append(view)
        return view

    def opened(self, view: VisibleNamespace) -> NetNS:
        """Return the namespace, open until others are needed more."""
        held = self._held.get(view.identity) or self._open.get(view.identity)
        if held is not None:
            if view.identity in self._open:
                self._open.move_to_end(view.identity)
            return held
        name = view.name
        if view.identity in self._numbers:
            namespace = adopt(NetNS, self._descriptor(view))
        else:
            namespace = NetNS.open(name.name or name.path) if name.name or name.path else NetNS.current()
        self._keep(view.identity, namespace)
        return namespace

    def inside(self, view: NamespaceView, function: Callable[[], Any]) -> Any:
        """Call a function inside a namespace."""
        assert isinstance(view, VisibleNamespace)
        return call_inside(self.opened(view), function)

    def _keep(self, identity: Identity, namespace: NetNS) -> None:
        old = self._open.pop(identity, None)
        if old is not None:
            old.close()
        self._open[identity] = namespace
        while len(self._open) > MAX_OPEN:
            self._open.popitem(last=False)[1].close()

    def close(self) -> None:
        """Close all namespaces."""
        while self._open:
            self._open.popitem()[1].close()

    # -- what is at the other end ------------------------------------------------------------------------------------

    def known_as(self, view: VisibleNamespace, number: int) -> VisibleNamespace | None:
        """Return the namespace that has this id in ``view``; None if it cannot be seen."""
        ids = self._ids.setdefault(view.identity, {})
        if number not in ids:
            self._learn(view, ids, number)
        if number not in ids:
            self._candidates = None  # a name that is new since they were listed
            self._learn(view, ids, number)
        identity = ids.setdefault(number, None)
        return None if identity is None else self.views[identity]

    def _learn(self, view: VisibleNamespace, ids: dict[int, Identity | None], number: int) -> None:
        """Ask which id each namespace has there, until the wanted one is among them: candidates, known ones, then a search."""
        for group in (
            self.candidates,
            self._unnamed_hosts,
            lambda: [*self.views.values()],
            lambda: self._new(references.of_mounts()),
            lambda: self._new(references.of_processes()),
            lambda: self._new(references.of_descriptors()),
            self._of_kernel_list,
        ):
            asked = [one for one in group() if one.identity not in ids.values()]
            for start in range(0, len(asked), MAX_ASKED):
                self._ask(view, ids, asked[start : start + MAX_ASKED])
                if number in ids:
                    return

    def _ask(self, view: VisibleNamespace, ids: dict[int, Identity | None], chunk: list[VisibleNamespace]) -> None:
        descriptors: list[tuple[Identity, int]] = []
        try:
            for one in chunk:
                try:
                    descriptors.append((one.identity, self._descriptor(one)))
                except OSError:
                    continue  # it has gone, or is closed to the caller
            for (identity, _), number in zip(descriptors, _numbers(view, [fd for _, fd in descriptors])):
                if number != nsid.NOT_ASSIGNED:
                    ids[number] = identity
        finally:
            for _, fd in descriptors:
                os.close(fd)

    def _descriptor(self, view: VisibleNamespace) -> int:
        held = self._held.get(view.identity) or self._open.get(view.identity)
        if held is not None:
            return os.dup(held.fileno())
        if view.identity in self._numbers:
            fd = nsfs.open_by_id(self._numbers[view.identity])
            if fd is None:
                raise FileNotFoundError(ENOENT, f"{view.name} has ended")
            return fd
        return os.open(_path(view.name), netns_names.SAFE_OPEN | os.O_CLOEXEC)

    def _new(self, names: Iterable[NamespaceName]) -> Iterator[VisibleNamespace]:
        """Yield the namespaces of these names that are not known yet."""
        for name in names:
            known = len(self.views)
            view = self.at(name)
            if view is not None and len(self.views) > known:
                yield view

    def _unnamed_hosts(self) -> Iterator[VisibleNamespace]:
        """Yield the namespaces of hosts that have no name under /run/netns, which messages call by the host's label."""
        for host in [host for lab in self._labs for host in lab.hosts]:
            if host.name is None and host.there and not host.root:
                view = self.at(references.of_open(host.namespace, host.label))
                if view is not None:
                    yield view

    def _of_kernel_list(self) -> Iterator[VisibleNamespace]:
        """Yield those to which nothing refers that the caller can see: of which a descriptor is being passed, for example."""
        for identity, number in inventory.unlisted(self.views):
            self._numbers[identity] = number
            name = f"net:[{identity[1]}]"  # as `lsns` and readlink(1) call it; no command can enter it by that
            yield self.views.setdefault(
                identity, VisibleNamespace(self, NamespaceName(None, name, f"the namespace {name}"), identity)
            )

    def candidates(self) -> list[VisibleNamespace]:
        """Return the namespaces that may hold the far end of a cable: the two ends, the caller's, the first one, all with a name.

        Those of the lab that an end belongs to (LAB.HOST) come first.
        """
        if self._candidates is None:
            labs = {one.name.name.partition(".")[0] for one in self.ends if one.name.name}
            listed = sorted(netns_names.listed(), key=lambda name: name.partition(".")[0] not in labs)
            labels = [
                NamespaceName(None, None),
                NamespaceName(None, "/proc/1/ns/net", "the root namespace"),
                *map(NamespaceName, listed),
            ]
            found = (self.at(name) for name in labels)
            self._candidates = list(dict.fromkeys([*self.ends, *(view for view in found if view is not None)]))
        return self._candidates

    def at(self, name: NamespaceName) -> VisibleNamespace | None:
        """Return the view of the namespace of this name, a new one if the namespace is not known; None if it has gone."""
        identity = netns_names.identity(_path(name))
        return None if identity is None else self.views.setdefault(identity, VisibleNamespace(self, name, identity))

    def known(self) -> list[VisibleNamespace]:
        """Return the namespaces that have been read."""
        return [view for view in self.views.values() if view.loaded and not view.closed]


def _path(name: NamespaceName) -> str:
    """Return a file that refers to a namespace."""
    return netns_names.path_of(name.name) if name.name else name.path or netns_names.HERE


def _numbers(view: VisibleNamespace, descriptors: list[int]) -> list[int]:
    """Return the ids in a namespace of those behind descriptors: in one datagram, unless a descriptor has become invalid."""
    try:
        replies = view.net.do(*[nsid.get(fd) for fd in descriptors]) if descriptors else []
        return [nsid.Nsid(reply[0].body).nsid if reply else nsid.NOT_ASSIGNED for reply in replies]
    except KernelError:
        if len(descriptors) == 1:
            return [nsid.NOT_ASSIGNED]
    return [_numbers(view, [fd])[0] for fd in descriptors]
