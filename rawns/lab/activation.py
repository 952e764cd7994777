"""Let interfaces transmit as soon as they have a carrier.

The end of a wire that is opened first has no carrier then.  When the other end is opened, the kernel reports the carrier of both
at once, but a work queue (linkwatch) activates the first end later: until then it drops what it is given, its bridge does not
forward, IPv6 does not use it, and the interfaces that stand on it have no carrier.  `ethtool.link_detected` makes the kernel
complete this for one interface before it answers.
"""

from __future__ import annotations

from _socket import socket
from errno import ENODEV, EOPNOTSUPP
from itertools import groupby

from .. import uapi
from ..errors import RawnsError, SyscallError
from ..ethtool import link_detected
from ..nlsocket import SOCKET_TYPE
from ..syscalls import observed_call
from ..threads import call_and_restore, enter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .host import Host
    from .interface import Interface
    from .topology import Topology

    Places = Sequence[tuple[Host, str]]  # interfaces: each the host that it is in, and its name

HOSTS_PER_VISIT = 64  # after so many hosts this thread returns to its namespace


def activate(lab: Topology, ones: Iterable[Interface], moved: Places = ()) -> None:
    """Let interfaces of a lab transmit if they have a carrier, with the other ends of their wires and what stands on both.

    ``moved`` are places of ends of wires outside of the description, which come first.  An interface that is down, has no
    carrier, or is not where it is described is left as it is.  Raises `SyscallError`.
    """
    places = [*moved]
    for one in _with_dependents(lab, ones):
        if one.up and one.name is not None and not one.existing:
            places.append((lab.hosts[one.host.number], one.name))
    visits = [(host, [name for _, name in names]) for host, names in groupby(places, key=lambda place: place[0])]
    for start in range(0, len(visits), HOSTS_PER_VISIT):
        some = visits[start : start + HOSTS_PER_VISIT]
        if all(host.connected for host, _ in some):
            _visit(some)
        else:
            call_and_restore(_visit, some)


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


def _visit(visits: Sequence[tuple[Host, list[str]]]) -> None:
    """Ask in each host; this may leave the calling thread in one of their namespaces."""
    for host, names in visits:
        if host.connected:
            _ask(host, host.net.netlink.fileno(), names)
        elif _is_there(host):
            was_open = host.fd >= 0
            enter(host.fileno())
            sock = observed_call("socket", socket, uapi.AF_NETLINK, SOCKET_TYPE, uapi.NETLINK_ROUTE)
            try:
                _ask(host, sock.fileno(), names)
            finally:
                sock.close()
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


def _ask(host: Host, fd: int, names: Iterable[str]) -> None:
    for name in names:
        try:
            link_detected(fd, name)
        except SyscallError as error:
            if error.errno == EOPNOTSUPP:
                host.net.link(name)  # which does the same, from Linux 6.9 on
            elif error.errno != ENODEV:  # it has been removed or moved by other means
                raise
