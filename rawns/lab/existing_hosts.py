"""The hosts of a lab that exist already under /run/netns: found, judged by their stamps, and read, for `Lab.up`."""

from __future__ import annotations

from .. import netns_names
from ..errors import InvalidValue, RawnsError
from ..net import NetNS
from ..rollback import signals_blocked
from . import lock, stamp
from .kernel_state import NamespaceState, read
from .stamped_names import Survey, stale_name, stamped_namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .host import Host
    from .kernel_state import States
    from .stamp import Stamp
    from .stamped_names import StampedName
    from .topology import Topology


class NameTakenError(RawnsError, FileExistsError):
    """A name under /run/netns that a lab needs is not the lab's."""


def read_existing_hosts(lab: Topology, states: States, gone: list[str], mending: bool) -> None:
    """Find and read the hosts of a standing lab that exist; add to ``gone`` its names that it no longer describes.

    A host whose commands were not all run counts as missing.  With ``mending``, which takes the lab's lock, what a killed
    `up` has left is removed.  A further name of a described host is left alone.
    Raises `NameTakenError` if a name that it needs is not the lab's, `LabBusyError` if the lab ends with another process.
    """
    hosts = {host.name: host for host in lab.hosts if host.name is not None}
    for name in netns_names.listed(stale=True):
        if name in hosts or name.startswith(f"{lab.name}."):
            _judge_stale(lab, name, name in hosts, mending)
    others: list[StampedName] = []
    for name in netns_names.listed():
        host = hosts.get(name)
        if host is not None:
            if not host.there:
                states[host.number] = _existing(host, name, mending)
            continue
        try:
            found = stamped_namespace(name)
        except (FileNotFoundError, InvalidValue):
            continue  # another process removed it in the meantime
        except RawnsError:
            if name.startswith(f"{lab.name}."):
                raise
            continue  # it is not the lab's, and need not be readable
        if found is not None and found.stamp.lab == lab.name:
            others.append(found)
    if mending:
        _check_not_in_use(lab, [state.stamp for state in states if state is not None and state.stamp is not None])
    described = {host.identity for host in hosts.values() if host.there} if others else ()
    gone += [one.name for one in others if one.identity not in described]


def _judge_stale(lab: Topology, name: str, needed: bool, mending: bool) -> None:
    """Remove a stale name that a killed `up` of this lab left.  Raises `NameTakenError` if it is needed and cannot be."""
    found = stale_name(name)
    ours = found is not None and found.stamp.lab in (lab.name, "")
    if ours and not mending:
        return  # a process that only looks: another may be making it now
    if found is not None and ours and found.dead:
        _remove_name(name)
    elif needed and found is not None:
        raise NameTakenError(
            f"the name {name} is taken: lab {found.stamp.lab} made it, and whether it is in use cannot be seen from here; "
            f"`rawns lab down {found.stamp.lab}` would remove it"
        )
    elif needed:
        raise NameTakenError(f"the name {name} is taken: a file without a namespace, which `ip netns del {name}` would remove")


def _existing(host: Host, name: str, mending: bool) -> NamespaceState | None:
    """Return the state of a host that exists; None if it must be replaced.  Raises `NameTakenError` if it is not the lab's."""
    with NetNS.open(name) as namespace:
        host.use_existing(namespace)
    try:
        state = read(host)
        if state.stamp is None or state.stamp.lab != host.lab.name:
            owner = f"lab {state.stamp.lab}'s" if state.stamp is not None else "a namespace that no lab made"
            raise NameTakenError(f"the name {name} is taken: it is {owner}")
        if stamp.RUN_PENDING in state.stamp.features and lock.owner_state(state.stamp.by) == lock.DEAD:
            host.forget()
            if mending:
                _remove_name(name)
            return None
    except BaseException:
        host.forget()
        raise
    host.release()
    return state


def _check_not_in_use(lab: Topology, stamps: Iterable[Stamp]) -> None:
    """Raise `LabBusyError` if another process uses the lab of this name, or if that cannot be excluded."""
    state = next((one.state for one in stamps if one.state), "")
    if state == stamp.WHOLE:
        return
    for token in [state] if state else dict.fromkeys(one.by for one in stamps):
        if token != lab.owner_token and lock.owner_state(token) in (lock.ALIVE, lock.UNKNOWN):
            raise lock.LabBusyError(f"the lab {lab.name} is in use by {lock.owner_name(token)}")


def remove_dead_hosts(lab: Topology) -> bool:
    """Remove what killed processes have left under the names that this lab needs; whether there was any."""
    wanted = {host.name for host in lab.hosts}
    survey = Survey()
    candidates = [one for one in survey.names if one.name in wanted and one.stamp.lab in (lab.name, "")]
    standing = any(one.stamp.state for one in survey.of(lab.name))  # its hosts stay, even if the process that made them is dead
    dead = [one.name for one in candidates if one.dead and (one.stale if standing else not one.stamp.state)]
    with signals_blocked():
        for name in dead:
            _remove_name(name)
    return bool(dead)


def _remove_name(name: str) -> None:
    try:
        netns_names.remove(name)
    except FileNotFoundError:
        pass  # another process was faster
