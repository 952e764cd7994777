"""Labs that are on this machine, whoever made them: told by their stamps alone, with no description at hand.

Floor 6.
"""

from __future__ import annotations

from .. import names
from ..errors import InvalidValue, KernelError, RawnsError
from ..net import NetNS
from ..syscalls import shielded
from . import stamp
from .state import LO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .lab import Lab
    from .stamp import Stamp


def mark(namespace: NetNS) -> Stamp | None:
    """The stamp of a namespace: what its ``lo`` says."""
    found = stamp.read(namespace.net.link(LO).alias)
    namespace.disconnect()
    return found


def named() -> Iterator[tuple[str, Stamp, NetNS | None]]:
    """Each name under /run/netns that is a lab's, with its stamp, and its namespace (closed after) or None if it is stale."""
    for name in names.listed(stale=True):
        found = stamp.read(names.mark_of(name))
        if found is not None:
            yield name, found, None
    for name in names.listed():
        try:
            with NetNS.open(name) as namespace:
                found = mark(namespace)
                if found is not None:
                    yield name, found, namespace
        except (FileNotFoundError, InvalidValue, KernelError):
            continue  # it went while we looked


def claimed(lab: Lab, gone: list[str]) -> None:
    """Find the hosts of a standing lab that are there; into ``gone`` the names of those it describes no more.

    Raises FileExistsError (`RawnsError`) where a name is somebody else's.
    """
    hosts = {host.name: host for host in lab.hosts if host.name is not None}
    for name in names.listed(stale=True):
        if name in hosts or name.startswith(f"{lab.name}."):
            found = stamp.read(names.mark_of(name))
            if found is not None and found.lab == lab.name:
                names.remove(name)
            elif name in hosts:
                raise Taken(f"the name {name} is taken: a file without a namespace, which `ip netns del {name}` would remove")
    for name in names.listed():
        host = hosts.get(name)
        if host is not None and host.there:
            continue
        try:
            with NetNS.open(name) as namespace:
                found = mark(namespace)
                if found is not None and found.lab == lab.name:
                    gone.append(name) if host is None else host.found(namespace)
                elif host is not None:
                    whose = f"lab {found.lab}'s" if found is not None else "a namespace that no lab made"
                    raise Taken(f"the name {name} is taken: it is {whose}")
        except FileNotFoundError:
            continue


class Taken(RawnsError, FileExistsError):
    """A name that a lab needs is somebody else's."""


def leftovers(lab: Lab) -> bool:
    """Remove what a lab of this name that was killed has left under the names of this one; whether there was any."""
    from .build import alive

    wanted = {host.name for host in lab.hosts}
    dead = [
        name for name, found, _ in named() if name in wanted and found.lab == lab.name and not found.state and not alive(found.by)
    ]
    with shielded():
        for name in dead:
            names.remove(name)
    return bool(dead)
