"""What differs between a description and the kernel.

Nothing is sent here: a `Plan` is what `Lab.plan` returns and `build` carries out.  A host or an interface that does not
exist is created from its description; for one that exists, each difference becomes a `Change` with the requests that
make it and those that take it back.
"""

from __future__ import annotations

from _functools import partial  # type: ignore[import-not-found]  # the C type alone: `functools` costs 2 ms
from _socket import AF_INET6

from .. import uapi
from ..errors import SyscallError
from ..objects import link
from . import build_requests
from .change import Change
from .interface import DEFAULT_MTU, DEFAULT_VLANS
from .kernel_state import our_addresses
from .properties import LINK_PROPERTIES
from .stamp import LO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from ..objects.link import Link
    from ..objects.route import Route
    from .host import Host
    from .interface import BaseHost, Interface
    from .kernel_state import NamespaceState, States
    from .stamp import Stamp
    from .topology import Topology

IP6_METRIC = 1024  # of an IPv6 route that is added without a metric


class Plan:
    """All differences of a lab.  Lists are by `Host.number`; ``problems`` are sentences about what makes it impossible."""

    def __init__(self, lab: Topology, states: States) -> None:
        hosts = lab.hosts
        self.lab, self.states = lab, states
        self.problems: list[str] = []
        self._relay_lines: set[tuple[str, str]] | None = None
        self.obsolete_names: list[str] = []  # namespaces under /run/netns that are the lab's and no longer described
        self.created: list[list[Interface]] = [[] for _ in hosts]
        self.removed: list[list[Change]] = [[] for _ in hosts]
        self.changed: list[list[Change]] = [[] for _ in hosts]
        self._unsettled: list[set[int]] = [
            set() for _ in hosts
        ]  # indices of links that go or lose an address: so do their routes
        for host in hosts:
            state = states[host.number]
            if state is None:
                self.created[host.number] = [one for one in host.interfaces if not one.existing]
            else:
                self._compare_links(host, state)
        self._remove_stacked(hosts)
        self._number(hosts)
        for host in hosts:
            state = states[host.number]
            if state is not None:
                self.changed[host.number] += self._changes(host, state)
            if host.extras or state is not None and not host.root:
                from . import host_config

                self.changed[host.number] += host_config.changes(host, state)
            self.changed[host.number] += self._relays(host)
            if state is not None:
                self.changed[host.number] += self._stamp(host, state)

    def __bool__(self) -> bool:
        """Return whether there is anything to do."""
        lists = (self.created, self.removed, self.changed)
        return (
            bool(self.obsolete_names)
            or any(state is None for state in self.states)
            or any(any(one) for several in lists for one in several)
        )

    def changes(self) -> Iterator[Change]:
        """Yield all changes, in the order in which they are made."""
        for host in self.lab.hosts:
            yield from self.removed[host.number]
        for host in self.lab.hosts:
            name = f" ({host.name})" if host.name not in (None, host.label) else ""
            if self.states[host.number] is None:
                yield Change("+", f"host {host.label}{name}", host, host.where)
            for one in self.created[host.number]:
                yield Change("+", _created(one), host, one.where)
            yield from self.changed[host.number]
        for name in self.obsolete_names:
            yield Change("-", f"namespace {name}")

    def part_states(self) -> dict[str | Interface, str]:
        """Return the state of each host and interface; see `Lab.states`."""
        found: dict[str | Interface, str] = {}
        for host in self.lab.hosts:
            state, number = self.states[host.number], host.number
            missing = {id(one) for one in self.created[number]}
            differs = {id(change.interface) for change in self.changed[number] + self.removed[number]}
            found[host.label] = "missing" if state is None else "differs" if id(None) in differs else "up"
            for one in host.interfaces:
                there = state.links.get(one.name or "") if state is not None else None
                if there is None or id(one) in missing:
                    found[one] = "missing"
                elif id(one) in differs:
                    found[one] = "differs"
                else:
                    found[one] = "up" if there.carrier or _learning(one) else "down"
        return found

    # -- what is to be created, what to be removed --------------------------------------------------------------------

    def _compare_links(self, host: Host, state: NamespaceState) -> None:
        """Find the interfaces of an existing host that are to be created, and the lab's links that are not described."""
        kept = set()
        ours = {one.name for one in state.ours(self.lab.name)}
        for one in host.interfaces:
            if one.existing:
                continue
            there = state.links.get(one.name or "")
            if there is not None and one.name not in ours and not self._unfinished(there):
                place = f" ({one.where})" if one.where else ""
                self.problems.append(f"{one} exists already, and does not belong to this lab{place}")
            elif there is not None and self._same(one, there):
                kept.add(one.name)
            else:
                self.created[host.number].append(one)
        for there in state.links.values():
            if there.name not in kept and (there.name in ours or self._unfinished(there)):
                self._remove(host, there)

    def _remove(self, host: Host, there: Link) -> None:
        what = f"{there.kind or 'link'} {there.name} of {host.label}"
        self.removed[host.number].append(Change("-", what, host).with_request(link.delete(there.index)))
        self._unsettled[host.number].add(there.index)

    def _remove_stacked(self, hosts: Sequence[Host]) -> None:
        """Create stacked interfaces and tunnels again whose parents or underlays are: they disappear with them."""
        stacked = [(host, one) for host in hosts for one in host.interfaces if one.parent is not None or one.underlay is not None]
        created = {id(one) for several in self.created for one in several} if stacked else set()
        more = bool(stacked)
        while more:
            more = False
            for host, one in stacked:
                state = self.states[host.number]
                lost = self.states[one.created_in.number] is None or id(one.parent) in created
                if state is not None and lost and id(one) not in created:
                    created.add(id(one))
                    self.created[host.number].append(one)
                    self._remove(host, state.links[one.name or ""])
                    more = True

    def _unfinished(self, there: Link) -> bool:
        """Return whether a link of our group has no alias: the process that created it was killed before it could write one."""
        return there.group == self.lab.group and not there.alias

    def _same(self, one: Interface, there: Link) -> bool:
        """Return whether a link is the described one, so that what differs can be changed in place."""
        if there.alias != build_requests.alias(self.lab.name, one) or there.kind != one.kind or not _same_ipv6(one, there):
            return False
        far = one.peer
        return one.same_link(there) if far is None else self._wired(far, there)

    def _wired(self, far: Interface, there: Link) -> bool:
        """Return whether the far end of a wire is where it should be, and the two links are each other's peers."""
        state = self.states[far.host.number]
        other = state.links.get(far.name or "") if state is not None else None
        return (
            other is not None
            and (other.alias, other.kind) == (there.alias, there.kind)
            and (there.peer, other.peer) == (other.index, there.index)
            and _same_ipv6(far, other)
        )

    def _number(self, hosts: Sequence[Host]) -> None:
        """Set the index of each interface: the kernel's if it exists, else a free one, which the other end of its wire has not.

        Before Linux 6.9 ends with the same index do not transmit for up to a second: their carrier is not urgent then
        (linkwatch_urgent_event in net/core/link_watch.c takes a veth whose peer has another index as one that stands on a link).
        """
        for host in hosts:
            state, created = self.states[host.number], {id(one) for one in self.created[host.number]}
            free = self.lab.first_index if state is None else state.next_index
            for one in host.interfaces:
                if id(one) in created:
                    one.index = free + (one.peer is not None and one.peer.index == free)
                    free = one.index + 1
                elif state is not None:
                    there = state.links.get(one.name or "")
                    if there is not None:
                        one.index = there.index
                    elif one.existing:
                        self.problems.append(f"there is no interface {one.name} in {host.label}")
        stacked = [one for host in hosts for one in host.interfaces if one.parent is not None and one.parent.existing]
        self.problems += [text for one in stacked for text in self._on_existing(one)]
        for one in [one for host in hosts for one in self.created[host.number]]:
            if one.created_in is not one.host:
                one.index = max(self._next_index(host) for host in (one.host, one.created_in))

    def _on_existing(self, one: Interface) -> Iterator[str]:
        """Yield why the kernel would refuse an interface on the existing one that is its parent."""
        parent = one.parent
        state = self.states[parent.host.number] if parent is not None else None
        if parent is None or state is None or parent.name not in state.links:
            return
        there = state.links[parent.name]
        place = f" ({one.where})" if one.where else ""
        if one.mtu and one.mtu > there.mtu:
            yield f"{one} has an MTU of {one.mtu}, and {parent}, which it stands on, one of {there.mtu}{place}"
        master = state.link_at(there.master)
        if one.takes_frames and master is not None and master.kind == "bridge":
            yield f"{one} cannot stand on {parent}, whose frames a bridge takes{place}"

    def _next_index(self, host: BaseHost) -> int:
        """Return an index that nothing in a host has.

        A link that is created from another namespace, its parent's or its underlay's, needs one that is free in both: before
        Linux 6.14 the kernel refuses it with EEXIST if the sender's namespace has that index.
        """
        state = self.states[host.number]
        return max([self.lab.first_index if state is None else state.next_index, *(one.index + 1 for one in host.interfaces)])

    # -- what is to be changed ------------------------------------------------------------------------------------

    def _changes(self, host: Host, state: NamespaceState) -> Iterator[Change]:
        created = {id(one) for one in self.created[host.number]}
        lo = state.link_at(LO)
        if lo is not None and not lo.up and not host.root:
            yield Change("~", f"lo of {host.label}: down -> up", host).with_request(
                link.change(LO, up=True), link.change(LO, up=False)
            )
        ports: dict[int, dict[str, int]] = {}  # the MTU of each, by the index of the device and the name of its port
        for each in state.links.values():
            if each.master:
                ports.setdefault(each.master, {})[each.name] = each.mtu or DEFAULT_MTU
        for one in host.interfaces:
            if id(one) not in created and not one.existing and one.name in state.links:
                there = state.links[one.name]
                yield from self._properties(one, there, state, ports.get(there.index, {}))
                yield from self._addresses(host, one, state)
                yield from self._sending(one, state)
        yield from self._routes(host, state)

    def _stamp(self, host: Host, state: NamespaceState) -> Iterator[Change]:
        """Yield the features that a stamp names: while they are changed, those that were and those that will be."""
        known = state.stamp
        if host.root or known is None or known.features == host.features:
            return
        change = Change("~", f"the stamp of {host.label}", host)
        if not known.state:  # a stamp with a state names which process is changing the lab: `build` writes it
            both, then = [host.stamp(known.by, "", features) for features in (known.features | host.features, host.features)]
            change.with_request(build_requests.lo(str(both)), build_requests.lo(str(known))).with_action(
                partial(_write_stamp, host, then), None
            )
        yield change

    def _properties(self, one: Interface, there: Link, state: NamespaceState, ports: Mapping[str, int]) -> Iterator[Change]:
        for row in LINK_PROPERTIES:
            now, then = row.kernel_value(there), getattr(one, row.name)
            if then is None:
                then = one.usual(row, there, ports)
            if then is not None and not row.same_value(now, then):
                yield self._on(one, "~", f"{one}: {row.show_change(now, then)}").with_request(
                    *[link.change(one.index, **{row.attribute: value}) for value in (then, now)]
                )
        master = one.master.index if one.master is not None else 0
        if (there.master or 0) != master:
            before = state.link_at(there.master)
            words = [f"{'bridge' if one.bridged else 'vrf'} {one.master.name}" if one.master is not None else "no master"]
            words.insert(0, f"{before.kind} {before.name}" if before is not None else "no master")
            change = self._on(one, "~", f"{one}: {' -> '.join(words)}").with_request(
                *[link.change(one.index, master=index) for index in (master, there.master or 0)]
            )
            # A VRF takes its new interface down and up again, and with that its IPv6 addresses away.
            kept = [build_requests.replace_address(one, address) for address in one.given if address.family == AF_INET6]
            change.requests = [*change.requests, *kept]
            yield change
        yield from self._kind_properties(one, there)

    def _kind_properties(self, one: Interface, there: Link) -> Iterator[Change]:
        """Yield the properties of its kind that can be changed in place, with one request."""
        words, after, before = [], {}, {}
        for row in one.properties:
            if row.in_place and row.readable(there.data):
                value = getattr(one, row.name)
                now, then = row.kernel_value(there.data), row.usual if value is None else value
                if now != then:
                    words.append(f"{row.name} {row.value.show(now)} -> {row.value.show(then)}")
                    after.update(row.encoded(then))
                    before.update(row.encoded(now))
        if words:
            yield self._on(one, "~", f"{one}: {', '.join(words)}").with_request(
                *[link.reconfigure(one.index, one.kind, data) for data in (after, before)]
            )

    @staticmethod
    def _on(one: Interface, sign: str, what: str) -> Change:
        change = Change(sign, what, one.host, one.where)
        change.interface = one
        return change

    def _addresses(self, host: Host, one: Interface, state: NamespaceState) -> Iterator[Change]:
        there = {str(address): address for address in our_addresses(state, one.index)}
        wanted = {str(address): address for address in one.given}
        every = {str(address) for address in state.addresses.get(one.index, ())}
        gone = []
        for text, address in there.items():
            if text not in wanted:
                change = self._on(one, "-", f"address {text} on {one}")
                change.with_request(build_requests.delete_address(one, text), build_requests.add_address_text(one, text))
                self._unsettled[one.host.number].add(one.index)
                # With the last IPv4 address of an interface go all of its routes, a person's too: the new ones come first.
                # An IPv6 address is the same whatever its length, and would be there already: the old ones go first.
                if address.family == AF_INET6:
                    self.removed[one.host.number].append(change)
                else:
                    change.before = partial(_promote, host, one)
                    gone.append(change)
        for text, prefix in wanted.items():
            if text not in every:
                change = self._on(one, "+", f"address {text} on {one}")
                yield change.with_request(build_requests.add_address(one, prefix), build_requests.delete_address(one, text))
        if gone:  # without promotion, the others of its network go with the first: these are given again
            kept = [build_requests.replace_address(one, prefix) for prefix in one.given if prefix.family != AF_INET6]
            gone[-1].requests = (*gone[-1].requests, *kept)
        yield from gone

    def _sending(self, one: Interface, state: NamespaceState) -> Iterator[Change]:
        """Yield how it sends, and with which VLANs."""
        there = state.shapes.get(one.index)
        if one.shape or there is not None:
            from . import shaping

            wanted, carried = shaping.shape_of(one), one.index in state.relayed
            ended = carried and (one.host.label, one.name) not in self._carried()
            if wanted != there or ended:
                before = "its relay has ended" if ended else there or "not shaped"
                change = self._on(one, "~", f"{one}: {before} -> {wanted or 'not shaped'}")
                yield shaping.set_requests(change, self.lab.hosts[one.host.number], one, there, carried, wanted)
        if one.vlans is not None or one.master is not None and one.index in state.vlans:
            now, then = state.vlans.get(one.index, {}), one.vlans or DEFAULT_VLANS
            requests = build_requests.vlans(one, now, then)
            if requests:
                change = self._on(one, "~", f"{one}: VLANs {_ids(now)} -> {_ids(then)}")
                change.requests, change.undo = requests, build_requests.vlans(one, then, now)
                yield change

    def _carried(self) -> set[tuple[str, str]]:
        """Return the interfaces that the lab's relay carries, which is asked once."""
        if self._relay_lines is None:
            from . import shaping

            self._relay_lines = shaping.carried(self.lab)
        return self._relay_lines

    def _relays(self, host: Host) -> Iterator[Change]:
        """Yield for the created interfaces what only a relay can do."""
        for one in self.created[host.number]:
            if one.shape:
                from . import netem_support, shaping

                wanted = shaping.shape_of(one)
                if netem_support.needs_relay(wanted):
                    change = self._on(one, "+", f"relay of {one}: {wanted}")
                    shaping.set_requests(change, host, one, None, False, wanted)
                    change.requests = change.undo = ()
                    yield change

    def _routes(self, host: Host, state: NamespaceState) -> Iterator[Change]:
        there = {_key_of_body(one.body): one for one in state.routes}
        requests = [(one, build_requests.add_route(host, one)) for one in host.ordered_routes]
        wanted = {_key_of_body(request.body): (one, request) for one, request in requests}
        unsettled, gone = self._unsettled[host.number], []
        for key, found in list(there.items()):
            if key not in wanted or found.index in unsettled:
                del there[key]
                from ..objects import route

                change = Change("-", f"route {_route(found)} in {host.label}", host)
                gone.append(change.with_request(build_requests.delete_route(found.body), route.again(found)))
        self.removed[host.number][:0] = gone  # before the addresses that they need, and back after them
        for key, (one, request) in wanted.items():
            if key not in there:
                change = Change("+", f"route {one} in {host.label}", host, one.where)
                yield change.with_request(request, build_requests.delete_route(request.body))


def _learning(one: Interface) -> bool:
    """Return whether a bridge, or the one that an interface stands on, waits for ports that STP lets listen and learn."""
    while one.parent is not None:
        one = one.parent
    if not one.stp:
        return False
    host: Any = one.host
    try:
        links = host.net.links()
    finally:
        host.release()
    index = next((link.index for link in links if link.name == one.name), None)
    ports = [link.port for link in links if link.master and link.master == index]
    return any(port.get("IFLA_BRPORT_STATE") in (uapi.BR_STATE_LISTENING, uapi.BR_STATE_LEARNING) for port in ports)


def _same_ipv6(one: Interface, there: Link) -> bool:
    """Return whether a link has a link-local address as described; that is not changed in place."""
    return one.ipv6 is None or there.ipv6_link_local in (None, one.ipv6)


def _created(one: Interface) -> str:
    words = [str(one), *map(str, one.addresses)]
    if one.peer is not None:
        words.insert(1, f"-- {one.peer}")
    return " ".join(words)


def _promote(host: Host, one: Interface) -> None:
    """Keep the other addresses of a network when its first one is deleted."""
    try:
        host.setting(f"net/ipv4/conf/{one.name}/promote_secondaries", 1)
    except SyscallError:
        pass  # /proc/sys is read-only here


def _write_stamp(host: Host, mark: Stamp) -> None:
    host.net.do(build_requests.lo(str(mark)))


def _ids(vlans: dict[int, tuple[bool, bool]]) -> str:
    return ", ".join(map(str, vlans)) or "none"


def _route(found: Route) -> str:
    """Return a route that was listed, as a description says it."""
    words = [str(found), *(["via", found.gateway] if found.gateway else [])]
    metric = 0 if found.family == AF_INET6 and found.metric == IP6_METRIC else found.metric
    return " ".join([*words, *(["metric", str(metric)] if metric else [])])


def _key_of_body(body: Any) -> tuple[Any, ...]:
    """Return what tells two routes apart; an index of 0 where the kernel may choose it."""
    metric = body.get("RTA_PRIORITY") or (IP6_METRIC if body["rtm_family"] == AF_INET6 else 0)
    via = body.get("RTA_GATEWAY")
    return body["rtm_family"], body.get("RTA_DST"), body["rtm_dst_len"], 0 if via else body.get("RTA_OIF", 0), via, metric
