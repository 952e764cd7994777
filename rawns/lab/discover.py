"""Labs that are on this machine, whoever made them: told by their stamps alone, with no description at hand.

Floor 6.
"""

from __future__ import annotations

from .. import names
from ..errors import InvalidValue, KernelError, RawnsError
from ..net import NetNS
from ..syscalls import signals_blocked
from . import stamp
from .build_requests import lo
from .kernel_state import LO, State, read
from .model import check_lab_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .lab import Lab, States
    from .model import Host
    from .stamp import Stamp


def mark(namespace: NetNS) -> Stamp | None:
    """The stamp of a namespace: what its ``lo`` says."""
    found = stamp.read(namespace.net.link(LO).alias)
    namespace.disconnect()
    return found


def unmounted(name: str) -> Stamp | None:
    """The stamp of a stale name: what its file says; where its maker was killed before that, what the name itself says."""
    if names.abandoned(name):
        return stamp.Stamp(name.rpartition(".")[0])
    return stamp.read(names.mark_of(name))


def named() -> Iterator[tuple[str, Stamp, NetNS | None]]:
    """Each name under /run/netns that is a lab's, with its stamp, and its namespace (closed after) or None if it is stale."""
    for name in names.listed(stale=True):
        found = unmounted(name)
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


def claimed(lab: Lab, states: States, gone: list[str], mending: bool) -> None:
    """Find and read the hosts of a standing lab that are there; into ``gone`` the names of those it describes no more.

    With ``mending`` the names that a killed `up` has left, with nothing mounted on them, are removed; without, they may be
    those of one that goes on.  A further name of a host that it does describe is left alone.
    Raises FileExistsError (`RawnsError`) where a name that it needs is somebody else's.
    """
    hosts = {host.name: host for host in lab.hosts if host.name is not None}
    others: list[tuple[str, tuple[int, int]]] = []
    for name in names.listed(stale=True):
        if name in hosts or name.startswith(f"{lab.name}."):
            found = unmounted(name)
            if found is not None and found.lab == lab.name:
                if mending:
                    names.remove(name)
            elif name in hosts:
                raise Taken(f"the name {name} is taken: a file without a namespace, which `ip netns del {name}` would remove")
    for name in names.listed():
        host = hosts.get(name)
        if host is not None:
            if not host.there:
                states[host.number] = _taken_up(host, name)
            continue
        try:
            with NetNS.open(name) as namespace:
                found = mark(namespace)
                if found is not None and found.lab == lab.name:
                    others.append((name, namespace.identity))
        except (FileNotFoundError, InvalidValue):
            pass  # somebody else's, which went while we looked
    described = {host.identity for host in hosts.values() if host.there} if others else ()
    gone += [name for name, identity in others if identity not in described]


def _taken_up(host: Host, name: str) -> State:
    """What there is of a host under its name.  Raises `Taken` where that is none of the lab's."""
    with NetNS.open(name) as namespace:
        host.found(namespace)
    try:
        state = read(host)
        if state.stamp is None or state.stamp.lab != host.lab.name:
            whose = f"lab {state.stamp.lab}'s" if state.stamp is not None else "a namespace that no lab made"
            raise Taken(f"the name {name} is taken: it is {whose}")
    except BaseException:
        host.forget()
        raise
    host.release()
    return state


class Taken(RawnsError, FileExistsError):
    """A name that a lab needs is somebody else's."""


# -- what there is ------------------------------------------------------------------------------------------------


class Found:
    """A lab on this machine: ``hosts`` are names under /run/netns, ``links`` its links in our own namespace.

    ``state`` is a sentence's end: ``standing``, ``held by process 17``, ``left half-made by process 17``.
    """

    __slots__ = ("hosts", "links", "marks", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.hosts: list[str] = []
        self.links: list[str] = []
        self.marks: list[Stamp] = []

    @property
    def state(self) -> str:
        from .build import alive

        told = next((mark.state for mark in self.marks if mark.state), "")
        if told == stamp.WHOLE or not self.marks:
            return "standing"
        if told and alive(told):
            return f"being changed by process {told.partition('.')[0]}"
        makers = [told] if told else [mark.by for mark in self.marks]
        living = next((by for by in makers if alive(by)), None)
        if living is not None:
            return f"held by process {living.partition('.')[0]}"
        return f"left half-made by process {makers[0].partition('.')[0]}"


def labs() -> list[Found]:
    """All labs of this machine that have a name under /run/netns, or a link in our namespace; sorted by name.

    What a process holds by descriptors alone ends with it, and is seen by nobody else.
    """
    found: dict[str, Found] = {}
    for name, mark_, namespace in named():
        one = found.setdefault(mark_.lab, Found(mark_.lab))
        one.marks.append(mark_)
        if namespace is not None:
            one.hosts.append(name)
    with NetNS.current() as here:
        for link in here.net.links():
            mark_or_none = stamp.read(link.alias)
            if mark_or_none is not None and link.index != LO and link.group == stamp.group(mark_or_none.lab):
                found.setdefault(mark_or_none.lab, Found(mark_or_none.lab)).links.append(link.name)
    return [found[name] for name in sorted(found)]


# -- taking it away -----------------------------------------------------------------------------------------------


def down(name: str, wait: float | None = None) -> list[str]:
    """Take away all that carries a lab's stamp: its names, its links in our namespace; what that was.

    Raises `InvalidValue` for what cannot name a lab.  A lab that is not there is no error: nothing is taken away.
    """
    from .lock import locked

    with locked(name=check_lab_name(name)):
        marked = [(one, namespace is None) for one, found, namespace in named() if found.lab == name]
        gone = [one for one, _ in marked]
        if wait is None:
            return gone + _take_away(name, gone)
        from .wait import Departure

        with Departure((one for one, stale in marked if not stale), wait):
            return gone + _take_away(name, gone)


def _take_away(name: str, gone: list[str]) -> list[str]:
    """Remove these names, and the lab's links in our namespace; the names of those links."""
    from . import etc_files

    with signals_blocked():
        remove_names(gone)
        etc_files.forget(name)
        return down_links(name)


def remove_names(gone: Iterable[str]) -> None:
    """Take these names away."""
    for one in gone:
        try:
            names.remove(one)
        except FileNotFoundError:
            pass  # somebody was quicker


def gc() -> list[str]:
    """Remove what labs have left that were killed: half-made ones, and what an `up` that broke off had added; what it was.

    What stands is left alone, what a living process holds or is changing too.
    """
    from .build import alive
    from .lock import Busy, locked

    removed: list[str] = []
    for one in {mark_.lab for _, mark_, _ in named()}:
        try:
            with locked(name=one, patience=0):
                removed += _collect(one, alive)
        except Busy:
            continue
    return sorted(removed)


def _collect(lab: str, alive: Callable[[str], bool]) -> list[str]:
    """What of one lab nobody is responsible for any more; under its lock."""
    from . import etc_files

    mine = [(name, mark_, namespace is None) for name, mark_, namespace in named() if mark_.lab == lab]
    anchor = next(((name, mark_) for name, mark_, _ in mine if mark_.state), None)
    if anchor is None:
        dead = [name for name, mark_, _ in mine if not alive(mark_.by)]
    else:  # it stands, or stood until somebody who was changing it was killed
        broken = anchor[1].state
        lost = [(name, mark_, stale) for name, mark_, stale in mine if not alive(mark_.by) and name != anchor[0]]
        dead = [name for name, mark_, stale in lost if stale or mark_.by == broken]
        if broken != stamp.WHOLE:
            with NetNS.open(anchor[0]) as namespace:
                namespace.net.do(lo(stamp.Stamp(lab, anchor[1].by, stamp.WHOLE, anchor[1].features)))
    remove_names(dead)
    etc_files.forget(lab, dead)
    if anchor is None and len(dead) == len(mine) and lab:
        return dead + down_links(lab)
    return dead


def down_links(lab: str) -> list[str]:
    """Delete a lab's links in our own namespace; their names."""
    from .lab import Lab

    root = Lab(lab).root
    links = [link.name for link in State(root.net.links()).ours(lab)]
    if links:
        root.delete()
    root.forget()
    return links


def leftovers(lab: Lab) -> bool:
    """Remove what a lab of this name that was killed has left under the names of this one; whether there was any."""
    from .build import alive

    wanted = {host.name for host in lab.hosts}
    mine = [(name, found) for name, found, _ in named() if name in wanted and found.lab in (lab.name, "")]
    dead = [name for name, found in mine if not found.state and not alive(found.by)]
    with signals_blocked():
        remove_names(dead)
    return bool(dead)
