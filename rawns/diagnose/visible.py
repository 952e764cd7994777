"""The namespaces that can be seen from here, and what the kernel says of each, asked when it is first needed.

Floor 6.  A `Place` is read through a socket inside, and kept: one walk sees one picture.  Which place holds the far end of a
cable is asked of the kernel (RTM_GETNSID), of the namespaces with a name, the caller's, the machine's own and, if none of
them is it, those that only a process holds.
"""

from __future__ import annotations

import os
from collections import OrderedDict

from .. import names, sysctl, uapi
from ..errors import InvalidValue, KernelError, RawnsError, SyscallError
from ..net import NetNS
from ..netns import call_inside
from ..nft import evaluate as nft_evaluate
from ..nft import records
from ..nft.records import NftTable
from ..objects import nsid
from .namespace_view import Bridging, Facts, Refusal, Where

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, Union

    from ..nft.evaluate import Evaluation, Packet
    from ..objects.address import Address
    from ..objects.link import Link
    from ..objects.neighbour import Neighbour
    from ..objects.route import Route
    from ..objects.rule import Rule
    from ..objects.vlan import Vlan
    from .namespace_view import Answer

    Identity = tuple[int, int]
    End = Union[NetNS, str]

OPEN = 32  # namespaces held open at most
ASKED = 64  # ids asked for in one go, a descriptor each


class Place(Facts):
    """One namespace, by way of the kernel."""

    def __init__(self, world: World, where: Where, identity: Identity) -> None:
        self.world, self.where, self.identity = world, where, identity
        self._links: dict[int, Link] | None = None
        self._kept: dict[Any, Any] = {}

    @property
    def net(self) -> Any:
        return self.world.opened(self).net

    def _once(self, key: Any, ask: Any) -> Any:
        if key not in self._kept:
            self._kept[key] = ask()
        return self._kept[key]

    @property
    def loaded(self) -> bool:
        return self._links is not None

    @property
    def links(self) -> dict[int, Link]:
        if self._links is None:
            self._links = {link.index: link for link in self._looked(lambda: self.net.links())}
        return self._links

    @property
    def addresses(self) -> Sequence[Address]:
        if not self.links:
            return ()
        found: Sequence[Address] = self._once("addresses", lambda: self._looked(lambda: self.net.addresses()))
        return found

    def _looked(self, ask: Callable[[], list[Any]]) -> list[Any]:
        """What is asked for; nothing in a stranger's namespace that is closed to us, or has gone since it was listed."""
        try:
            return ask()
        except RawnsError:
            if self in self.world.ends:
                raise
            self.closed = True
            return []

    def far(self, link: Link) -> tuple[Facts, int] | None:
        if not link.peer:
            return None
        if link.peer_nsid is None:
            return self, link.peer
        other = self.world.known_as(self, link.peer_nsid)
        return None if other is None else (other, link.peer)

    def route(self, target: str, source: str | None = None, iif: int = 0) -> Answer:
        answer: Answer = self._once(("route", target, source, iif), lambda: self._route(target, source, iif))
        return answer

    def _route(self, target: str, source: str | None, iif: int) -> Answer:
        try:
            found: Route = self.net.route_to(target, source=source, iif=iif or None)
            return found
        except KernelError as error:
            return Refusal(error.errno or 0)

    def routes(self) -> Sequence[Route]:
        found: Sequence[Route] = self._once("routes", lambda: self.net.routes(table=0))
        return found

    def rules(self) -> Sequence[Rule]:
        found: Sequence[Rule] = self._once("rules", self.net.rules)
        return found

    def neighbours(self) -> Sequence[Neighbour]:
        found: Sequence[Neighbour] = self.net.neighbours()  # not kept: what we send changes them
        return found

    def vlans(self, index: int) -> dict[int, Vlan]:
        found: list[Vlan] = self._once("vlans", self.net.vlans)
        return {one.vid: one for one in found if one.index == index}

    def elsewhere(self) -> Sequence[Facts]:
        return self.world.candidates()

    def home(self, link: Link) -> Facts | None:
        return self if link.peer_nsid is None else self.world.known_as(self, link.peer_nsid)

    # -- nf_tables --------------------------------------------------------------------------------------------------

    @property
    def _nft(self) -> tuple[list[NftTable], list[records.NftChain], list[records.NftRule]]:
        """Tables, chains and rules; nothing where the kernel has no nf_tables."""
        found: tuple[list[NftTable], list[records.NftChain], list[records.NftRule]] = self._once("nf_tables", self._ruleset)
        return found

    def _ruleset(self) -> Any:
        try:
            chains = self.net.chains()
            rules = self.net.ruleset() if chains else []
            tables = [NftTable(reply.body) for reply in self.net.netfilter.dump(records.tables())] if chains else []
        except KernelError:
            return [], [], []
        return tables, chains, rules

    def evaluate(self, packet: Packet, hook: str) -> Evaluation:
        return nft_evaluate.evaluate(packet, hook, *self._nft)

    def masks(self, packet: Packet) -> bool:
        _, chains, rules = self._nft
        bases = {(one.family, one.table, one.name) for one in chains if one.type == "nat" and one.hook == "postrouting"}
        inside = [one for one in rules if (one.family, one.table) in {base[:2] for base in bases}]
        masking = [one for one in inside if any(statement.kind == "masq" for statement in one.statements)]
        return any(nft_evaluate.matches(one, packet) is not False for one in masking)

    def bridging(self) -> Sequence[Bridging]:
        _, chains, rules = self._nft
        bases = [one for one in chains if one.family == uapi.NFPROTO_BRIDGE and one.hook is not None]
        return [_judged(base, [one for one in rules if _in(one, base)]) for base in bases]

    def sysctl(self, name: str) -> int | None:
        value: int | None = self._once(("sysctl", name), lambda: self._sysctl(name))
        return value

    def _sysctl(self, name: str) -> int | None:
        try:
            return int(call_inside(self.world.opened(self), sysctl.read, f"net/{name}").split()[0])
        except (SyscallError, ValueError, IndexError):
            return None  # this kernel, or this namespace, has no such setting


class World:
    """All places that are known, by their identity.  ``ends`` are the two whose way is asked for."""

    def __init__(self) -> None:
        self.places: dict[Identity, Place] = {}
        self.ends: list[Place] = []
        self._open: OrderedDict[Identity, NetNS] = OrderedDict()
        self._ids: dict[Identity, dict[int, Identity | None]] = {}
        self._held: dict[Identity, NetNS] = {}
        self._candidates: list[Place] | None = None

    # -- places -----------------------------------------------------------------------------------------------------

    def place(self, namespace: NetNS, where: Where) -> Place:
        """The place that this namespace is; ``where`` is how to call it if it is new."""
        found = self.places.get(namespace.identity)
        if found is None:
            found = self.places[namespace.identity] = Place(self, where, namespace.identity)
        return found

    def end(self, what: End) -> Place:
        """One end of the way: a `NetNS` that the caller has open, a name, a path, ``pid:N``, or ``.`` for the caller's own.

        A bare host name will do where one lab has such a host.  Raises as `NetNS.open`.
        """
        what = getattr(what, "namespace", what)  # a host of a lab has one
        if isinstance(what, NetNS):
            where = _of(what)
            place = self.place(what, where)
            if where.name is None and not os.path.exists(where.path or ""):
                raise InvalidValue(f"{what!r} cannot be reached")
            self._held.setdefault(place.identity, what)
        else:
            namespace, where = _named(what)
            place = self.place(namespace, where)
            self._keep(place.identity, namespace)
        self.ends.append(place)
        return place

    def opened(self, place: Place) -> NetNS:
        """The namespace itself, open until others are needed more."""
        held = self._held.get(place.identity) or self._open.get(place.identity)
        if held is not None:
            if place.identity in self._open:
                self._open.move_to_end(place.identity)
            return held
        where = place.where
        namespace = NetNS.open(where.name or where.path) if where.name or where.path else NetNS.current()
        self._keep(place.identity, namespace)
        return namespace

    def _keep(self, identity: Identity, namespace: NetNS) -> None:
        old = self._open.pop(identity, None)
        if old is not None:
            old.close()
        self._open[identity] = namespace
        while len(self._open) > OPEN:
            self._open.popitem(last=False)[1].close()

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()

    # -- who is at the other end ------------------------------------------------------------------------------------

    def known_as(self, place: Place, number: int) -> Place | None:
        """The place that ``place`` knows under this id; None where it is none that we can see."""
        ids = self._ids.setdefault(place.identity, {})
        if number not in ids:
            self._learn(place, ids, number)
        if number not in ids:
            self._candidates = None  # a name that is new since they were listed
            self._learn(place, ids, number)
        identity = ids.setdefault(number, None)
        return None if identity is None else self.places[identity]

    def _learn(self, place: Place, ids: dict[int, Identity | None], number: int) -> None:
        """Ask which id each candidate has there, until the one that is looked for is among them."""
        chunk: list[Place] = []
        for candidate in [*self.candidates(), None]:
            if candidate is not None:
                chunk.append(candidate)
            if chunk and (candidate is None or len(chunk) >= ASKED):
                self._ask(place, ids, chunk)
                chunk = []
                if number in ids:
                    return
        strangers = [one for one in _of_processes(self) if one.identity not in ids.values()]
        for start in range(0, len(strangers), ASKED):
            self._ask(place, ids, strangers[start : start + ASKED])
            if number in ids:
                return

    def _ask(self, place: Place, ids: dict[int, Identity | None], chunk: list[Place]) -> None:
        descriptors: list[tuple[Identity, int]] = []
        try:
            for one in chunk:
                try:
                    descriptors.append((one.identity, self._descriptor(one)))
                except OSError:
                    continue  # it has gone, or is not for us
            for (identity, _), number in zip(descriptors, _numbers(place, [fd for _, fd in descriptors])):
                if number != nsid.NOT_ASSIGNED:
                    ids[number] = identity
        finally:
            for _, fd in descriptors:
                os.close(fd)

    def _descriptor(self, place: Place) -> int:
        held = self._held.get(place.identity) or self._open.get(place.identity)
        if held is not None:
            return os.dup(held.fileno())
        where = place.where
        return os.open(names.path_of(where.name) if where.name else where.path or names.HERE, names.SAFE_OPEN | os.O_CLOEXEC)

    def candidates(self) -> list[Place]:
        """The places that may hold the far end of a cable: the two ends, the caller's, the machine's, all with a name.

        Those of the lab that an end belongs to (LAB.HOST) come first.
        """
        if self._candidates is None:
            labs = {one.where.name.partition(".")[0] for one in self.ends if one.where.name}
            listed = sorted(names.listed(), key=lambda name: name.partition(".")[0] not in labs)
            wheres = [Where(None, None), Where(None, "/proc/1/ns/net", "the root namespace"), *map(Where, listed)]
            found = [self._found(where) for where in wheres]
            self._candidates = list(dict.fromkeys([*self.ends, *[place for place in found if place is not None]]))
        return self._candidates

    def _found(self, where: Where) -> Place | None:
        path = names.path_of(where.name) if where.name else where.path or names.HERE
        identity = names.identity(path)
        if identity is None:
            return None
        if identity not in self.places:
            self.places[identity] = Place(self, where, identity)
        return self.places[identity]

    def known(self) -> list[Place]:
        """The places that have been looked into."""
        return [place for place in self.places.values() if place.loaded and not place.closed]


def _numbers(place: Place, descriptors: list[int]) -> list[int]:
    """The ids that a place has given to the namespaces behind descriptors; all in one datagram, unless one is none by now."""
    try:
        replies = place.net.do(*[nsid.get(fd) for fd in descriptors]) if descriptors else []
        return [nsid.Nsid(reply[0].body).nsid if reply else nsid.NOT_ASSIGNED for reply in replies]
    except KernelError:
        if len(descriptors) == 1:
            return [nsid.NOT_ASSIGNED]
    return [_numbers(place, [fd])[0] for fd in descriptors]


def _in(one: records.NftRule, chain: records.NftChain) -> bool:
    return bool((one.family, one.table, one.chain) == (chain.family, chain.table, chain.name))


def _judged(chain: records.NftChain, rules: list[records.NftRule]) -> Bridging:
    """A chain that drops by policy and has no rule, or whose first rule drops and has no condition, drops everything."""
    words = [statement.kind for statement in rules[0].statements] if rules else []
    drops, handle = chain.policy == "drop" and not rules, 0
    if words[-1:] == ["verdict"] and set(words[:-1]) <= {"counter", "log"}:
        drops, handle = rules[0].statements[-1].values[0] == uapi.NF_DROP, rules[0].handle
    return Bridging(chain.table, chain.name, chain.hook or "", drops, handle)


def _of_processes(world: World) -> Iterator[Place]:
    """The places that only a process holds, by the first process that is in each."""
    for pid in sorted(int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
        path = f"/proc/{pid}/ns/net"
        identity = names.identity(path)
        if identity is not None and identity not in world.places:
            world.places[identity] = Place(world, Where(None, path, f"the namespace of process {pid}"), identity)
            yield world.places[identity]


def _of(namespace: NetNS) -> Where:
    """How to call and reach a namespace that somebody has open."""
    if namespace.name is not None:
        return Where(namespace.name)
    named = namespace.names()
    if named:
        return Where(named[0])
    path = f"/proc/{os.getpid()}/fd/{namespace.fileno()}"
    return Where(None, path, getattr(namespace, "label", "") or f"the namespace behind descriptor {namespace.fileno()}")


def _named(text: str) -> tuple[NetNS, Where]:
    """A namespace by what somebody typed."""
    if text == ".":
        return NetNS.current(), Where()
    if text.startswith("pid:"):
        pid = text[4:]
        if not (pid.isascii() and pid.isdigit()):
            raise InvalidValue(f"{text!r}: after pid: the number of a process is due")
        return NetNS.open(pid=int(pid)), Where(None, f"/proc/{int(pid)}/ns/net", f"the namespace of process {int(pid)}")
    if "/" in text:
        return NetNS.open(text), Where(None, text)
    try:
        return NetNS.open(text), Where(text)
    except FileNotFoundError:
        hosts = [name for name in names.listed() if name.partition(".")[2] == text]
        if len(hosts) > 1:
            raise InvalidValue(f"{text} is a host of {len(hosts)} labs: {' or '.join(hosts)} is due") from None
        if not hosts:
            raise
        return NetNS.open(hosts[0]), Where(hosts[0])
