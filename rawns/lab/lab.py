"""`Lab`: a network described once, brought up, changed in place and taken away without a trace.

Floor 6.  The description is what `model` has; `up` reads the kernel (`state`), finds the `difference`, and has it `build`.
There is no state file: what is the lab's own is told by its stamp (`stamp`).
"""

from __future__ import annotations

import os

from .. import names
from ..errors import InvalidValue, KernelError, SyscallError
from ..net import NetNS
from ..syscalls import Rollback, signals_blocked
from . import stamp
from .model import RESERVED, Bridge, Host, Port, Root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Optional

    from ..objects.prefix import Prefix
    from .diff import Change, Difference
    from .document import Source
    from .kernel_state import State
    from .lock import OwnerLock
    from .model import Interface

    Progress = Callable[[int, int], object]
    States = list[Optional[State]]

LONGEST_ALTNAME = 127  # bytes: ALTIFNAMSIZ, less the NUL


class Lab:
    """Namespaces, what is in them, and the wires between.  As a context manager it is taken down at the end of the block.

    ``name`` is what its stamp says, and what messages call it.  A ``standing`` lab outlives its process, as one made of a
    file does: its namespaces are called ``LAB.HOST`` under /run/netns, and `up` takes up what an earlier one left.
    Equivalent to a script of ``ip netns add``, ``ip link add``, ``ip addr add``, ``ip route add`` ..., to another that
    takes it all away, and to a third that finds out what to change.
    """

    first_index = 2  # the first free index of a new namespace, after lo; more where modules put tunnels into it

    def __init__(self, name: str = "lab", standing: bool = False) -> None:
        self.name, self.standing = stamp.check_lab_name(name), standing
        self.outlives_process = standing  # `rawns lab run` says False: its labs end with it, though they have standing names
        self._owner: OwnerLock | None = None  # while this process must live for the lab to be in use
        self.group = stamp.group(name)
        self.source: Source | None = None  # the file that describes it
        self.hosts: list[Host] = []
        self.wires: list[tuple[Port, Port]] = []
        self._root: Root | None = None
        self._labels: set[str] = set()
        self._names: set[str] = set()  # under /run/netns
        self._switches = 0  # namespaces made for a bridge come first
        self._named = 0  # wires whose ports have their names by now

    @staticmethod
    def load(path: str) -> Lab:
        """The lab that a file describes, TOML or JSON (README, "Labs").  Raises `InvalidValue` with all its faults at once."""
        from .parse import load

        return load(path)

    # -- what it is made of ---------------------------------------------------------------------------------------

    @property
    def root(self) -> Root:
        """The namespace it is built from, as a host: ``lab.bridge("br0", host=lab.root)``."""
        if self._root is None:
            self._root = Root(self, None, "root")
            self._insert(0, self._root)
        return self._root

    def netns(self, name: str | None = None, label: str | None = None) -> Host:
        """Plan a namespace; without a name it is held by its descriptor and nothing stands under /run/netns.

        ``label`` is what messages and stamps call it.  Raises `InvalidValue` where the name cannot be one, or is used twice.
        """
        host = self._host(name, label)
        self._insert(len(self.hosts), host)
        return host

    def bridge(self, name: str, *addresses: str | Prefix, host: Host | None = None, **options: Any) -> Bridge:
        """Plan a bridge, in a namespace of its own unless ``host`` says where.

        ``options`` are stp, vlan_filtering, ageing (seconds), mac, mtu, up.  Raises `InvalidValue`.
        """
        if host is None:
            host = self._host(f"{self.name}.{name}" if self.standing else None, name)
            self._insert(self._switches + (self._root is not None), host)
            self._switches += 1
        return host.bridge(name, *addresses, **options)

    def _host(self, name: str | None, label: str | None) -> Host:
        if name is not None and names.check(name) in self._names:
            raise InvalidValue(f"two namespaces are called {name}")
        label = label or name or f"namespace {len(self.hosts) + 1}"
        if label in self._labels:
            raise InvalidValue(f"two hosts are called {label}")
        self._labels.add(label)
        self._names.update(() if name is None else (name,))
        return Host(self, name, label)

    def _insert(self, place: int, host: Host) -> None:
        self.hosts.insert(place, host)
        for number in range(place, len(self.hosts)):
            self.hosts[number].number = number

    def wire(self, one: Port, other: Port) -> None:
        """Plan a cable (a veth pair) between two ports.  Raises `InvalidValue` where one already has a cable."""
        for port in (one, other):
            if port.peer is not None or one is other:
                raise InvalidValue(f"{port} has a cable already")
            if port.host.lab is not self:
                raise InvalidValue(f"{port} is not in this lab")
        one.peer, other.peer = other, one
        self.wires.append((one, other))

    def _name_ports(self) -> None:
        """The ports of bridges that were given no name: that of the host they lead to, or else a number."""
        taken: dict[int, set[str]] = {}
        for pair in self.wires[self._named :]:
            for port, other in (pair, pair[::-1]):
                if port.name is None:
                    used = taken.get(port.host.number)
                    if used is None:
                        used = {*RESERVED, *(one.name for one in port.host.interfaces if one.name)}
                        taken[port.host.number] = used
                    whole = _port_name(port, other, used)
                    port.name = stamp.short(whole, used)
                    port.altname = whole if port.name != whole and len(os.fsencode(whole)) <= LONGEST_ALTNAME else None
                    used.add(port.name)
        self._named = len(self.wires)

    def drop_loose(self) -> None:
        """Forget the ports that lead nowhere: what was read back may be half there."""
        for host in self.hosts:
            host.interfaces = [one for one in host.interfaces if not isinstance(one, Port) or one.peer is not None]

    # -- up -------------------------------------------------------------------------------------------------------

    def plan(self) -> list[Change]:
        """What `up` would do, changing nothing.  Raises as `up` does."""
        return list(self._difference().changes())

    def up(self, wait: float | None = None, progress: Progress | None = None) -> list[Change]:
        """Make all of it, or what is lacking of it, and change what differs; what was done.  Or raise, and undo what was done.

        With ``wait`` it returns when carrier is there and addresses are usable; TimeoutError (`RawnsError`) after so many
        seconds.  ``progress`` is told how many hosts are done, and of how many.
        Raises `InvalidValue` with all faults of the description, FileExistsError (`SyscallError`) where a name is taken,
        `SyscallError` or `KernelError` where the kernel refuses, naming the port and the host.
        """
        from .lock import LabLock

        try:
            with LabLock(self.name if self.standing else None):
                changes = self._built(progress)
        except KernelError as error:  # which says where in the description: here is the line
            if self.source is not None:
                error.context = self.source.pinned(error.context)
            raise
        if wait is not None:
            from .wait import wait_until_usable

            wait_until_usable(self, wait)
        return changes

    def states(self) -> dict[str | Interface, str]:
        """How each host (by label) and each interface stands: ``up``, ``down`` (no carrier), ``missing`` or ``differs``."""
        difference = self._difference()
        found: dict[Any, str] = {}
        for host in self.hosts:
            state = difference.states[host.number]
            fresh, changed = difference.fresh[host.number], difference.changed[host.number] + difference.removed[host.number]
            found[host.label] = "missing" if state is None else "differs" if any(one.on is None for one in changed) else "up"
            for one in host.interfaces:
                there = state.links.get(one.name or "") if state is not None else None
                if there is None or one in fresh:
                    found[one] = "missing"
                elif any(change.on is one for change in changed):
                    found[one] = "differs"
                else:
                    found[one] = "up" if there.carrier else "down"
        return found

    def _built(self, progress: Progress | None) -> list[Change]:
        try:
            return self._build(progress)
        except (KernelError, FileExistsError) as error:
            if not self._another_try(error):
                raise
        return self._build(progress)

    def _difference(self, mending: bool = False) -> Difference:
        from .check import Impossible, faults
        from .diff import Difference

        self._name_ports()
        wrong = faults(self)
        if wrong:
            raise Impossible(wrong)
        gone: list[str] = []
        difference = Difference(self, self._read(gone, mending))
        difference.gone = gone
        if difference.faults:
            raise Impossible(difference.faults)
        return difference

    def _build(self, progress: Progress | None) -> list[Change]:
        from .build import Builder

        difference = self._difference(mending=True)
        if not difference and self._finished(difference):
            return []
        owned_before = self._owner is not None
        owner = self._take_ownership()
        try:
            with Rollback() as undo:
                Builder(difference, undo, owner.token if owner is not None else "", progress).run()
        except BaseException:
            if not owned_before:
                self._release_ownership(down=not self._names_exist())
            raise
        if self.outlives_process:
            self._finish_work(new_hosts=any(one is None for one in difference.states))
        return list(difference.changes())

    def _finished(self, difference: Difference) -> bool:
        """Whether a standing lab says that it is whole.  If an `up` was killed after its last change, it does not."""
        stamps = [one.stamp for one in difference.states if one is not None and one.stamp is not None]
        return (
            not self.outlives_process or any(one.state == stamp.WHOLE for one in stamps) or all(host.root for host in self.hosts)
        )

    # -- proof that this process is alive -------------------------------------------------------------------------

    @property
    def owner_token(self) -> str:
        """The token of this process in the lab's stamps; empty if it holds no lock."""
        return self._owner.token if self._owner is not None else ""

    def _take_ownership(self) -> OwnerLock | None:
        """Take the lock that proves that this process lives, if others can find the lab's namespaces by name."""
        if self._owner is None and any(host.name is not None for host in self.hosts):
            from .lock import OwnerLock

            self._owner = OwnerLock()
        return self._owner

    def _release_ownership(self, down: bool) -> None:
        """Release that lock; if the lab is ``down``, remove its file, too."""
        owner, self._owner = self._owner, None
        if owner is not None and down:
            owner.remove()
        elif owner is not None:
            owner.release()

    def _finish_work(self, new_hosts: bool) -> None:
        """Record that what this process has made is complete, and outlives it."""
        if new_hosts and self._owner is not None:
            self._owner.finish()
        self._release_ownership(down=not new_hosts)

    def _names_exist(self) -> bool:
        """Whether a name that the lab uses exists: then the file of its owner is needed to judge it."""
        return any(host.name is not None and os.path.lexists(names.path_of(host.name)) for host in self.hosts)

    def _read(self, gone: list[str], mending: bool) -> States:
        """What there is of each host; None where it is to be made."""
        states: States = [None] * len(self.hosts)
        if self.standing:
            from .discover import read_existing_hosts

            read_existing_hosts(self, states, gone, mending)
        for host in self.hosts:
            if states[host.number] is None and (host.root or host.there):
                from .kernel_state import read

                states[host.number] = read(host)
                host.release()
        return states

    def _another_try(self, error: OSError) -> bool:
        """Whether it may go better now: an index that we chose was taken, or a name by a lab that was killed."""
        from .build import collision

        if isinstance(error, KernelError):
            again = collision(error)  # in a new namespace, or by somebody who has made a link where we are
            if again:
                self._learn_first_index()
            return again
        from .discover import remove_dead_hosts

        return isinstance(error, SyscallError) and remove_dead_hosts(self)

    def _learn_first_index(self) -> None:
        """Ask a new namespace what it holds."""
        with NetNS.create() as fresh:
            Lab.first_index = 1 + max(link.index for link in fresh.net.links())

    # -- down -----------------------------------------------------------------------------------------------------

    def down(self, wait: float | None = None) -> None:
        """Remove all of it, in reverse order; do nothing if it is not up.

        A removal that fails is tried once more and does not prevent the others: `RemovalError` names what is left then.  An
        exception of a signal handler is raised afterwards, too.  With ``wait`` it returns when the kernel has removed the
        last device; `LabTimeoutError` (TimeoutError) after so many seconds.
        """
        if self.standing:
            from . import discover

            discover.remove_lab(self.name, wait)
            for host in self.hosts:
                host.forget()
        elif wait is None:
            self._remove_hosts()
        else:
            from .wait import RemovalWait

            with RemovalWait([host.namespace for host in self.hosts if host.there and not host.root], wait):
                self._remove_hosts()
        self._release_ownership(down=True)

    def _remove_hosts(self) -> None:
        from .removal import Removal, in_thread

        removal = Removal()
        with signals_blocked():
            for host in reversed(self.hosts):
                if host.root and host.there:
                    removal.attempt(f"links of lab {self.name} in this namespace", in_thread, host.delete)
                elif host.there:
                    removal.attempt(host.name or host.label, _delete_host, host)
            removal.finish()

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *exc: object) -> None:
        self.down()

    def __repr__(self) -> str:
        state = "up" if any(host.there for host in self.hosts) else "planned"
        return f"<Lab {self.name} ({state}): {len(self.hosts)} namespaces, {len(self.wires)} wires>"


def _delete_host(host: Host) -> None:
    try:
        host.delete()
    except FileNotFoundError:
        host.forget()  # another process has removed the name: that was the aim


def _port_name(port: Port, other: Port, used: set[str]) -> str:
    """Named after the other end's host; after the lab as well in the root namespace, where others live too."""
    if other.host.name is None and not other.host.lab.standing:
        base = f"p{len(used) - len(RESERVED)}"
    else:
        base = "".join(c if c.isalnum() or c in "-_." else "-" for c in other.host.label)
    if port.host.root:
        base = f"{port.host.lab.name}-{base}"
    name, count = base, 1
    while name in used:
        count += 1
        name = f"{base}-{count}"
    return name
