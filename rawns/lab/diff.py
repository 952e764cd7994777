"""What stands between a description and what the kernel has.

Floor 6.  It sends nothing: `Difference` is what `plan` prints and `build` carries out.  A host or an interface that is not
there is made whole, from the description; of one that is there, what differs becomes a `Change` each, with the requests
that make it and those that take it back.
"""

from __future__ import annotations

from _functools import partial  # type: ignore[import-not-found]  # the C type alone: `functools` costs 2 ms
from _socket import AF_INET6

from ..errors import SyscallError
from ..objects import link, route
from . import build_requests, stamp
from .kernel_state import our_addresses
from .model import Bridge, Existing, Macvlan, Port, Tap, Vxlan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, Optional

    from ..nlmsg import Request
    from ..objects.link import Link
    from ..objects.route import Route
    from .kernel_state import State
    from .lab import Lab
    from .model import Host, Interface

    States = Sequence[Optional[State]]

USUAL_MTU = 1500  # of what is described without one
USUAL_AGEING = 30000  # of a bridge, in the hundredths of a second that it counts in
IP6_METRIC = 1024  # of an IPv6 route that is made without one


class Change:
    """One difference: ``str()`` is a line for a person, ``sign`` is ``+``, ``-`` or ``~``, ``where`` its place in the file.

    ``requests`` make it in ``host``, ``undo`` takes it back; a host or an interface that is made has none of its own here.
    """

    __slots__ = ("act", "back", "before", "host", "on", "requests", "sign", "undo", "what", "where")

    def __init__(self, sign: str, what: str, host: Host | None = None, where: str = "") -> None:
        self.sign, self.what, self.host, self.where = sign, what, host, where
        self.on: Interface | None = None  # the interface it is about, if it is about one
        self.requests: Sequence[Request] = ()
        self.undo: Sequence[Request] = ()
        self.act: Callable[[], object] | None = None  # what is done beside requests, and what takes that back
        self.back: Callable[[], object] | None = None
        self.before: Callable[[], object] | None = None  # what makes way for the requests

    def by(self, request: Request, undo: Request | None = None) -> Change:
        """Say how it is made, and how that is taken back."""
        self.requests, self.undo = (request,), () if undo is None else (undo,)
        return self

    def doing(self, act: Callable[[], object], back: Callable[[], object] | None) -> Change:
        """Say how it is made where that is no request, and how it is taken back."""
        self.act, self.back = act, back
        return self

    def __str__(self) -> str:
        return f"{self.sign} {self.what}"

    def __repr__(self) -> str:
        return f"<Change {self}>"


class Difference:
    """All differences of a lab.  Lists are by `Host.number`; ``faults`` are what stands in the way, as sentences."""

    def __init__(self, lab: Lab, states: States) -> None:
        hosts = lab.hosts
        self.lab, self.states = lab, states
        self.faults: list[str] = []
        self.gone: list[str] = []  # namespaces under /run/netns that are the lab's and described no more
        self.fresh: list[list[Interface]] = [[] for _ in hosts]
        self.removed: list[list[Change]] = [[] for _ in hosts]
        self.changed: list[list[Change]] = [[] for _ in hosts]
        self._shaken: list[set[int]] = [set() for _ in hosts]  # indices of what goes, or loses an address: its routes go too
        for host in hosts:
            state = states[host.number]
            if state is None:
                self.fresh[host.number] = [one for one in host.interfaces if not isinstance(one, Existing)]
            else:
                self._look(host, state)
        self._orphans(hosts)
        self._number(hosts)
        for host in hosts:
            state = states[host.number]
            if state is not None:
                self.changed[host.number] += self._changes(host, state)
            if host.extras or state is not None and not host.root:
                from . import host_config

                self.changed[host.number] += host_config.changes(host, state)
            if state is not None:
                self.changed[host.number] += self._stamp(host, state)

    def __bool__(self) -> bool:
        return bool(self.gone) or any(state is None for state in self.states) or any(map(any, self._lists()))

    def _lists(self) -> list[list[list[Any]]]:
        return [self.fresh, self.removed, self.changed]

    def changes(self) -> Iterator[Change]:
        """All of it, in the order in which it is done."""
        for host in self.lab.hosts:
            yield from self.removed[host.number]
        for host in self.lab.hosts:
            name = f" ({host.name})" if host.name not in (None, host.label) else ""
            if self.states[host.number] is None:
                yield Change("+", f"host {host.label}{name}", host, host.where)
            for one in self.fresh[host.number]:
                yield Change("+", _made(one), host, one.where)
            yield from self.changed[host.number]
        for gone in self.gone:
            yield Change("-", f"namespace {gone}")

    # -- what is to be made, what to be removed -------------------------------------------------------------------

    def _look(self, host: Host, state: State) -> None:
        """Which interfaces of a host that is there are to be made, and which of the lab's are none of the description's."""
        kept = set()
        ours = {one.name for one in state.ours(self.lab.name)}
        for one in host.interfaces:
            if isinstance(one, Existing):
                continue
            there = state.links.get(one.name or "")
            if there is not None and one.name not in ours and not self._unfinished(there):
                self.faults.append(f"{one} is there already, and not this lab's{f' ({one.where})' if one.where else ''}")
            elif there is not None and self._same(one, there, state):
                kept.add(one.name)
            else:
                self.fresh[host.number].append(one)
        for link_ in state.links.values():
            if link_.name not in kept and (link_.name in ours or self._unfinished(link_)):
                self._goes(host, link_)

    def _goes(self, host: Host, there: Link) -> None:
        what = f"{there.kind or 'link'} {there.name} of {host.label}"
        self.removed[host.number].append(Change("-", what, host).by(link.delete(there.index)))
        self._shaken[host.number].add(there.index)

    def _orphans(self, hosts: Sequence[Host]) -> None:
        """What stands on an interface goes with it, and is made anew with it."""
        fresh = {id(one) for several in self.fresh for one in several}
        for host in hosts:
            state = self.states[host.number]
            for one in host.interfaces:
                if state is not None and isinstance(one, Macvlan) and id(one.parent) in fresh and id(one) not in fresh:
                    self.fresh[host.number].append(one)
                    self._goes(host, state.links[one.name or ""])

    def _unfinished(self, one: Link) -> bool:
        """A link of our group without a name to its alias: it was made, and its maker killed before it could say more."""
        return one.group == self.lab.group and not one.alias

    def _same(self, one: Interface, there: Link, state: State) -> bool:
        """Whether what is there is what is described, so that what differs can be changed in place."""
        if there.alias != build_requests.alias(self.lab.name, one) or there.kind != one.kind:
            return False
        if isinstance(one, Port):
            return self._wired(one, there)
        data = data_of(there)
        if isinstance(one, Tap) and "IFLA_TUN_TYPE" in data:
            return data.get("IFLA_TUN_OWNER") == one.owner
        return isinstance(one, Bridge) or all(data.get(key) == value for key, value in one.data.items())

    def _wired(self, one: Port, there: Link) -> bool:
        """Whether the other end is where it should be, and the two know each other."""
        far = one.peer
        assert far is not None
        state = self.states[far.host.number]
        other = state.links.get(far.name or "") if state is not None else None
        return (
            other is not None
            and (other.alias, other.kind) == (there.alias, "veth")
            and (there.peer, other.peer) == (other.index, there.index)
        )

    def _number(self, hosts: Sequence[Host]) -> None:
        """The index of each interface: the kernel's where it is there, ours where it is to be made."""
        for host in hosts:
            state, fresh = self.states[host.number], {id(one) for one in self.fresh[host.number]}
            free = self.lab.first_index if state is None else state.next_index
            for one in host.interfaces:
                if id(one) in fresh:
                    one.index, free = free, free + 1
                elif state is not None:
                    there = state.links.get(one.name or "")
                    if there is not None:
                        one.index = there.index
                    elif isinstance(one, Existing):
                        self.faults.append(f"there is no interface {one.name} in {host.label}")

    # -- what is to be changed ------------------------------------------------------------------------------------

    def _changes(self, host: Host, state: State) -> Iterator[Change]:
        fresh = {id(one) for one in self.fresh[host.number]}
        for one in host.interfaces:
            if id(one) not in fresh and not isinstance(one, Existing) and one.name in state.links:
                yield from self._settings(one, state.links[one.name], state)
                yield from self._addresses(one, state)
                yield from self._sending(one, state)
        yield from self._routes(host, state)

    def _stamp(self, host: Host, state: State) -> Iterator[Change]:
        """What else there is to read back: until all of it has been changed, what was and what will be."""
        known = state.stamp
        if host.root or known is None or known.features == host.features:
            return
        change = Change("~", f"the stamp of {host.label}", host)
        if not known.state:  # that one says who is changing the lab: `build` writes it
            both, then = [stamp.Stamp(known.lab, known.by, "", said) for said in (known.features | host.features, host.features)]
            change.by(build_requests.lo(both), build_requests.lo(known)).doing(partial(_say, host, then), None)
        yield change

    def _settings(self, one: Interface, there: Link, state: State) -> Iterator[Change]:
        wanted: dict[str, tuple[Any, Any]] = {
            "mtu": (there.mtu, one.mtu or _usual_mtu(one, there, state)),
            "address": (there.address, one.mac and one.mac.lower()),
            "up": (there.up, one.up),
            "master": (there.master or 0, one.master.index if one.master is not None else 0),
        }
        for option, (now, then) in wanted.items():
            if then is not None and now != then:
                what = f"{one}: {_told(option, now)} -> {_told(option, then, one)}"
                yield self._on(one, "~", what).by(*[link.change(one.index, **{option: value}) for value in (then, now)])
        if isinstance(one, Bridge):
            data = data_of(there)
            described = {"IFLA_BR_AGEING_TIME": USUAL_AGEING, **one.data}
            differs = {key: value for key, value in described.items() if data.get(key, 0) != value}
            if differs:
                before = {key: data[key] for key in differs if key in data}
                what = f"{one}: " + ", ".join(f"{key[8:].lower()} {before.get(key)} -> {value}" for key, value in differs.items())
                yield self._on(one, "~", what).by(*[link.reconfigure(one.index, "bridge", said) for said in (differs, before)])

    @staticmethod
    def _on(one: Interface, sign: str, what: str) -> Change:
        change = Change(sign, what, one.host, one.where)
        change.on = one
        return change

    def _addresses(self, one: Interface, state: State) -> Iterator[Change]:
        there = {str(address): address for address in our_addresses(state, one.index)}
        wanted = {str(address): address for address in one.given}
        every = {str(address) for address in state.addresses.get(one.index, ())}
        gone = []
        for text, address in there.items():
            if text not in wanted:
                change = self._on(one, "-", f"address {text} on {one}")
                change.by(build_requests.take(one, text), build_requests.give_text(one, text))
                self._shaken[one.host.number].add(one.index)
                # With the last IPv4 address of an interface go all of its routes, a person's too: the new ones come first.
                # An IPv6 address is the same whatever its length, and would be there already: the old ones go first.
                if address.family == AF_INET6:
                    self.removed[one.host.number].append(change)
                else:
                    change.before = partial(_promote, one)
                    gone.append(change)
        for text, prefix in wanted.items():
            if text not in every:
                change = self._on(one, "+", f"address {text} on {one}")
                yield change.by(build_requests.give(one, prefix), build_requests.take(one, text))
        if gone:  # without promotion, the others of its network go with the first: these are given again
            kept = [build_requests.keep(one, prefix) for prefix in one.given if prefix.family != AF_INET6]
            gone[-1].requests = (*gone[-1].requests, *kept)
        yield from gone

    def _sending(self, one: Interface, state: State) -> Iterator[Change]:
        """How it sends, and with which VLANs."""
        there = state.shapes.get(one.index)
        if one.shape or there is not None:
            from ..objects.qdisc import Shape

            wanted = Shape(**one.shape) if one.shape else None
            if wanted != there:
                change = self._on(one, "~", f"{one}: {there or 'unshaped'} -> {wanted or 'unshaped'}")
                change.requests = build_requests.shape(one) if wanted else [build_requests.unshape(one)]
                change.undo = there.requests(one.index) if there is not None else [build_requests.unshape(one)]
                yield change
        if one.vlans is not None or one.master is not None and one.index in state.vlans:
            now, then = state.vlans.get(one.index, {}), one.vlans or build_requests.DEFAULT_VLANS
            requests = build_requests.vlans(one, now, then)
            if requests:
                change = self._on(one, "~", f"{one}: VLANs {_ids(now)} -> {_ids(then)}")
                change.requests, change.undo = requests, build_requests.vlans(one, then, now)
                yield change

    def _routes(self, host: Host, state: State) -> Iterator[Change]:
        there = {_key_of_body(one.body): one for one in state.routes}
        requests = [(one, build_requests.add_route(host, one)) for one in host.routes]
        wanted = {_key_of_body(request.body): (one, request) for one, request in requests}
        shaken, gone = self._shaken[host.number], []
        for key, found in list(there.items()):
            if key not in wanted or found.index in shaken:
                del there[key]
                change = Change("-", f"route {_route(found)} in {host.label}", host)
                gone.append(change.by(build_requests.same_route(found.body), route.again(found)))
        self.removed[host.number][:0] = gone  # before the addresses that they need, and back after them
        for key, (one, request) in wanted.items():
            if key not in there:
                change = Change("+", f"route {one} in {host.label}", host, one.where)
                yield change.by(request, build_requests.same_route(request.body))


def _made(one: Interface) -> str:
    words = [str(one), *map(str, one.addresses)]
    if isinstance(one, Port) and one.peer is not None:
        words.insert(1, f"-- {one.peer}")
    return " ".join(words)


def _told(option: str, value: Any, one: Interface | None = None) -> str:
    if option == "up":
        return "up" if value else "down"
    if option == "master":
        return "no bridge" if not value else f"bridge {one.master.name if one is not None and one.master else value}"
    return f"{'mac' if option == 'address' else option} {value}"


def data_of(there: Link) -> dict[str, Any]:
    """What is of a link's own kind."""
    found: dict[str, Any] = there.body.get("IFLA_LINKINFO", {}).get("IFLA_INFO_DATA", {})
    return found


def _usual_mtu(one: Interface, there: Link, state: State) -> int | None:
    """The MTU of what is described without one; None where the kernel sees to it.

    A bridge follows the shortest of its ports, unless it was told once: then it is told again.
    """
    if isinstance(one, (Port, Tap, Vxlan)):
        return USUAL_MTU
    if not isinstance(one, Bridge):
        return None
    ports = {link_.name: link_.mtu or USUAL_MTU for link_ in state.links.values() if link_.master == there.index}
    if there.mtu == min(ports.values(), default=USUAL_MTU):
        return None
    described = {port.name: port.mtu or ports.get(port.name or "", 0) for port in one.host.interfaces if port.master is one}
    described.update({port.name: USUAL_MTU for port in one.host.interfaces if isinstance(port, (Port, Tap)) and not port.mtu})
    return min([described.get(name, mtu) for name, mtu in ports.items()], default=USUAL_MTU)


def _promote(one: Interface) -> None:
    """See to it that other addresses of the same network stay where the first of them goes."""
    try:
        one.host.setting(f"net/ipv4/conf/{one.name}/promote_secondaries", 1)
    except SyscallError:
        pass  # /proc/sys is read-only here


def _say(host: Host, mark: stamp.Stamp) -> None:
    host.net.do(build_requests.lo(mark))


def _ids(vlans: dict[int, tuple[bool, bool]]) -> str:
    return ", ".join(map(str, vlans)) or "none"


def _route(found: Route) -> str:
    """A route that was listed, as a description says it."""
    words = [str(found), *(["via", found.gateway] if found.gateway else [])]
    metric = 0 if found.family == AF_INET6 and found.metric == IP6_METRIC else found.metric
    return " ".join([*words, *(["metric", str(metric)] if metric else [])])


def _key_of_body(body: Any) -> tuple[Any, ...]:
    """What tells two routes apart; an index of 0 where the kernel may choose it."""
    metric = body.get("RTA_PRIORITY") or (IP6_METRIC if body["rtm_family"] == AF_INET6 else 0)
    via = body.get("RTA_GATEWAY")
    return body["rtm_family"], body.get("RTA_DST"), body["rtm_dst_len"], 0 if via else body.get("RTA_OIF", 0), via, metric
