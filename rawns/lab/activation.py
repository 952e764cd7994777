"""Let interfaces transmit, and IPv6 addresses receive, before the verb that has set them up returns.

The kernel leaves two things to work queues, which may be late.

The end of a wire that is opened first has no carrier then.  When the other end is opened, the kernel reports the carrier of both
at once, but a work queue (linkwatch) activates the first end later: until then it drops what it is given, its bridge does not
forward, IPv6 does not use it, and the interfaces that stand on it have no carrier.  `link_state.complete` ends this.

An IPv6 address, even one without duplicate address detection, joins its solicited-node multicast group and gets its local route
in a work queue (addrconf).  Until then neighbour solicitations for it are dropped, and a peer asks again after a second.  The
route comes last.  If it is not there yet, the event RTM_NEWADDR that follows is waited for.
"""

from __future__ import annotations

from _socket import AF_INET6
from itertools import groupby

from .. import link_state, uapi
from ..errors import RawnsError, SyscallError
from ..net import connect
from ..threads import call_and_restore, enter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from .host import Host
    from .interface import Interface
    from .topology import Topology

    Place = tuple[Host, str]  # of an interface: the host that it is in, and its name
    Visit = tuple[Host, list[str], Collection[str]]  # a host, names of interfaces, IPv6 addresses

HOSTS_PER_VISIT = 64  # after so many hosts this thread returns to its namespace
ADDRESS_SECONDS = 10.0  # that the IPv6 addresses of a host are waited for


def activate(lab: Topology, ones: Iterable[Interface], moved: Sequence[Place] = ()) -> dict[Place, bool | None]:
    """Let interfaces of a lab transmit if they have a carrier, with the other ends of their wires and what stands on both.

    The IPv6 addresses that are described of ``ones`` are waited for, `ADDRESS_SECONDS` at most.  ``moved`` are places of ends of
    wires outside of the description, which come first.  An interface that is down or has no carrier is left as it is.  Return
    for each place whether its interface transmits, None if there is none.  Raises `SyscallError`, `KernelError`.
    """
    chosen = set(ones)
    places: list[Place] = [*moved]
    for one in _with_dependents(lab, chosen):
        if one.up and one.name is not None and not one.existing:
            places.append((lab.hosts[one.host.number], one.name))
    addresses: dict[Host, set[str]] = {}
    for one in chosen:
        if one.up and one.addresses:
            found = [each.address for each in one.addresses if each.family == AF_INET6]
            if found:
                addresses.setdefault(lab.hosts[one.host.number], set()).update(found)
    visits: list[Visit] = []
    for host, group in groupby(places, key=lambda place: place[0]):
        visits.append((host, [name for _, name in group], addresses.pop(host, ())))
    visits += [(host, [], wanted) for host, wanted in addresses.items()]
    answers: dict[Place, bool | None] = {}
    for start in range(0, len(visits), HOSTS_PER_VISIT):
        some = visits[start : start + HOSTS_PER_VISIT]
        if all(host.connected for host, _, _ in some):
            _visit(some, answers)
        else:
            call_and_restore(_visit, some, answers)
    return answers


def _with_dependents(lab: Topology, ones: Iterable[Interface]) -> list[Interface]:
    """Return interfaces, the other ends of their wires and what stands on both: each after those that its carrier comes from."""
    chosen = set(ones)
    chosen.update([one.peer for one in chosen if one.peer is not None])
    lower: dict[Interface, list[Interface]] = {}  # by stacked interface or bridge: what its carrier comes from
    for host in lab.hosts:
        for one in host.interfaces:
            if one.parent is not None:
                lower.setdefault(one, []).append(one.parent)
            if one.bridged and one.master is not None:
                lower.setdefault(one.master, []).append(one)
    found = [one for host in lab.hosts for one in host.interfaces if one in chosen and one not in lower and one.peer is not None]
    while lower:  # lowest first
        ready = [one for one, below in lower.items() if not any(each in lower for each in below)] or list(lower)
        for one in ready:
            below = lower.pop(one)
            if one in chosen or not chosen.isdisjoint(below):
                chosen.add(one)
                found.append(one)
    return found


def _visit(visits: Sequence[Visit], answers: dict[Place, bool | None]) -> None:
    """Let the interfaces of each host transmit, and wait for its addresses; add to ``answers`` what `activate` returns.

    This may leave the calling thread in one of their namespaces.
    """
    for host, names, addresses in visits:
        was_open, connected = host.fd >= 0, host.connected
        if not connected:
            if not _is_there(host):
                continue
            enter(host.fileno())
            connect(host.namespace)
        try:
            for name, transmits in link_state.complete(host.net.netlink, names).items():
                answers[host, name] = transmits
            wait_for_addresses(host, addresses)
        finally:
            if not connected:
                host.namespace.disconnect()
            if not was_open:
                host.release()


def _is_there(host: Host) -> bool:
    """Return whether a host exists: one of a standing lab may have been removed by other means."""
    try:
        host.lab.verbs.ready(host)
    except SyscallError:
        raise
    except RawnsError:
        return False
    return True


# -- IPv6 addresses -----------------------------------------------------------------------------------------------------


def addresses_without_route(host: Host, addresses: Collection[str]) -> list[str]:
    """Return those of a host's IPv6 addresses that cannot receive yet, because they have no local route."""
    wanted = set(addresses)
    if not wanted:
        return []
    from ..objects import route

    replies = host.net.netlink.dump(route.dump(AF_INET6, table=0, type=uapi.RTN_LOCAL))
    return sorted(wanted - {reply.body.get("RTA_DST") for reply in replies if reply.body["rtm_type"] == uapi.RTN_LOCAL})


def wait_for_addresses(host: Host, addresses: Collection[str]) -> None:
    """Wait until a host's IPv6 addresses can receive, `ADDRESS_SECONDS` at most."""
    if not addresses_without_route(host, addresses):
        return
    from ..events import wait_until

    with host.monitor("address") as monitor:
        try:
            wait_until(lambda: not addresses_without_route(host, addresses), monitor, timeout=ADDRESS_SECONDS)
        except TimeoutError:
            pass  # they were removed by other means, or the machine is too busy: the lab is not taken down for that
