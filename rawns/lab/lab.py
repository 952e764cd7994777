"""`Lab`: a network described once, brought up, changed in place and taken down without a trace.

The description is a `Topology`; `up` reads the kernel (`kernel_state`), finds what differs (`diff`) and carries it out
(`build`).  There is no state file: a lab recognizes what it owns by its stamp (`stamp`).
"""

from __future__ import annotations

import os

from .. import netns_names
from ..errors import InvalidValue, KernelError, RawnsError, SyscallError
from ..net import NetNS
from ..rollback import Rollback, signals_blocked
from . import stamp
from .runtime import RuntimeVerbs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .activation import Place
    from .change import Change
    from .diff import Plan
    from .document import Source
    from .host import Host
    from .interface import Interface
    from .kernel_state import States
    from .lock import OwnerLock

    Progress = Callable[[int, int], object]
    Built = tuple[list[Change], dict[Place, bool | None]]


class Lab(RuntimeVerbs):
    """Namespaces, what is in them, and the wires between.  As a context manager it is taken down at the end of the block.

    ``name`` stands in its stamp and in messages.  A ``standing`` lab outlives its process, as one that is loaded from a
    file does: its namespaces are called ``LAB.HOST`` under /run/netns, and `up` takes over what an earlier one created.
    Equivalent to a script of ``ip netns add``, ``ip link add``, ``ip addr add``, ``ip route add`` ..., to another that
    undoes it, and to a third that finds out what to change.
    """

    __slots__ = ("_owner", "_process", "source")

    def __init__(self, name: str = "lab", standing: bool = False) -> None:
        super().__init__(name, standing)
        self._process = 0  # that has begun a ``with`` block
        self._owner: OwnerLock | None = None  # while this process must live for the lab to be in use
        self.source: Source | None = None  # the file that describes it

    @staticmethod
    def load(path: str) -> Lab:
        """Load the lab of a file, TOML or JSON (``rawns help labs``).  Raises `InvalidDescription`, `SyscallError`."""
        from .document import read

        return Lab.from_source(read(path))

    @staticmethod
    def from_source(source: Source) -> Lab:
        """Return the lab that a `Source` describes.  Raises `InvalidDescription` (`InvalidValue`) with all its problems."""
        from .parse import lab_of

        lab = lab_of(source, Lab)
        lab.source = source
        return lab

    # -- up -------------------------------------------------------------------------------------------------------

    def plan(self) -> list[Change]:
        """Return what `up` would do, without changing anything.  Raises as `up` does."""
        return list(self.compare().changes())

    def up(self, wait: float | None = None, progress: Progress | None = None) -> list[Change]:
        """Create the lab, or what is missing of it, and change what differs; return what was done.  If it fails, undo that.

        When it returns, every interface that it has set up and that has a carrier transmits, and the IPv6 addresses that it has
        added receive: no first packet is lost.  With ``wait`` it returns when all interfaces have the carrier that the
        description promises, and all addresses and bridges are usable; `LabTimeoutError` (TimeoutError) after so many
        seconds.  ``progress`` is called with the number of hosts that are done, and the total.
        A standing lab that another process changes is waited for.  Raises `InvalidValue` with all problems of the
        description, FileExistsError (`RawnsError`) if a name is taken, `LabBusyError` if another process uses the lab,
        `SyscallError` or `KernelError` if the kernel refuses, naming the port and the host.
        """
        from .lock import LabLock

        try:
            with LabLock(self.name if self.standing else None):
                changes, known = self._build_or_retry(progress)
        except KernelError as error:  # it names the place in the description: add the line
            if self.source is not None:
                error.context = self.source.pinned(error.context)
            raise
        self._built()
        if wait is not None:
            from .wait import wait_until_usable

            wait_until_usable(self, wait, known)
        return changes

    def _built(self) -> None:
        """Do what a derived class does between the end of the changes in `up` and its wait."""

    def restore(self) -> list[Change]:
        """Take back what the verbs have changed at run time (`set_down`, `isolate`, `impair` ...): the same as `up`."""
        return self.up()

    def states(self) -> dict[str | Interface, str]:
        """Return the state of each host (by label) and interface: ``up``, ``down`` (no carrier), ``missing`` or ``differs``.

        A bridge is up, too, while the spanning tree protocol still lets its ports listen and learn.
        """
        return self.compare().part_states()

    def _build_or_retry(self, progress: Progress | None) -> Built:
        try:
            return self._build(progress)
        except (KernelError, FileExistsError) as error:
            if not self._another_try(error):
                raise
        return self._build(progress)

    def compare(self, mending: bool = False) -> Plan:
        """Return what differs from the kernel; with ``mending``, under the lab's lock, what a killed `up` has left is removed."""
        from .check import problems_of
        from .diff import Plan
        from .problems import raise_if_any

        if self.machines:
            raise InvalidValue(f"the lab {self.name} spans machines: `rawns lab` or `rawns.machines.DistributedLab` brings it up")
        self.name_ports()
        raise_if_any(problems_of(self))
        gone: list[str] = []
        plan = Plan(self, self._read(gone, mending))
        plan.obsolete_names = gone
        raise_if_any(plan.problems)
        return plan

    def _build(self, progress: Progress | None) -> Built:
        """Carry out what differs; return the changes, and which interfaces transmit (`activation.activate`)."""
        from .build import Builder

        plan = self.compare(mending=True)
        if not plan and self._finished(plan):
            return [], {}
        owned_before = self._owner is not None
        try:
            with Rollback() as undo:
                owner = self._take_ownership()
                builder = Builder(plan, undo, owner.token if owner is not None else "", progress)
                builder.run()
        except BaseException:
            if not owned_before:
                self._release_ownership(down=not self._token_is_needed())
            raise
        if self.outlives_process:
            self._finish_work(new_hosts=any(one is None for one in plan.states))
        return list(plan.changes()), builder.answers

    def _finished(self, plan: Plan) -> bool:
        """Return whether a standing lab says that it is whole.  If an `up` was killed after its last change, it does not."""
        stamps = [one.stamp for one in plan.states if one is not None and one.stamp is not None]
        return (
            not self.outlives_process
            or {one.state for one in stamps if one.state} == {stamp.WHOLE}
            or all(host.root for host in self.hosts)
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
        if self._owner is not None:
            with signals_blocked():  # a handler's exception must not separate the lab from a lock that is still held
                if down:
                    self._owner.remove()
                else:
                    self._owner.release()
                self._owner = None

    def _finish_work(self, new_hosts: bool) -> None:
        """Record that what this process has made is complete, and outlives it."""
        if new_hosts and self._owner is not None:
            self._owner.finish()
        self._release_ownership(down=not new_hosts)

    def _token_is_needed(self) -> bool:
        """Return whether a stamp has this process's token, or may have it: then the file of its owner is needed to judge it."""
        from .stamped_names import stamped_namespace

        for name in [host.name for host in self.hosts if host.name is not None]:
            if not os.path.lexists(netns_names.path_of(name)):
                continue
            try:
                found = stamped_namespace(name)
            except RawnsError:
                return True
            if found is not None and self.owner_token in (found.stamp.by, found.stamp.state):
                return True
        return False

    def _read(self, gone: list[str], mending: bool) -> States:
        """Return the state of each host; None for one that is to be created."""
        states: States = [None] * len(self.hosts)
        if self.standing:
            from .existing_hosts import read_existing_hosts

            read_existing_hosts(self, states, gone, mending)
        for host in self.hosts:
            if states[host.number] is None and (host.root or host.there):
                from .kernel_state import read

                states[host.number] = read(host)
                host.release()
        return states

    def _another_try(self, error: OSError) -> bool:
        """Return whether a second attempt can succeed: an index was taken, or a name by a lab whose process was killed."""
        from .build import collision

        if isinstance(error, KernelError):
            again = collision(error)  # in a new namespace, or by another process in ours
            if again:
                self._learn_first_index()
            return again
        from .existing_hosts import remove_dead_hosts

        return isinstance(error, SyscallError) and remove_dead_hosts(self)

    def _learn_first_index(self) -> None:
        """Learn from a new namespace which indexes are taken."""
        with NetNS.create() as fresh:
            Lab.first_index = 1 + max(link.index for link in fresh.net.links())

    # -- down -----------------------------------------------------------------------------------------------------

    def down(self, wait: float | None = None) -> None:
        """Remove all of it, in reverse order; do nothing if it is not up.

        A removal that fails is tried once more and does not prevent the others: `RemovalError` names what is left then.  An
        exception of a signal handler is raised afterwards, too.  With ``wait`` it returns when the kernel has removed the
        last device; `LabTimeoutError` (TimeoutError) after so many seconds.
        """
        if self.relay_control is not None:
            from .relay_process import end_of

            end_of(self)
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
        self._process = os.getpid()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if self._process != os.getpid():
            return  # a forked child leaves the parent's lab alone
        try:
            self.down()
        except Exception:
            raise
        except BaseException:  # the first interruption does not keep the lab up; a second one ends the wait for its lock
            if kind is None or issubclass(kind, Exception):
                self.down()
            raise

    def __repr__(self) -> str:
        state = "up" if any(host.there for host in self.hosts) else "planned"
        return f"<Lab {self.name} ({state}): {len(self.hosts)} namespaces, {len(self.wires)} wires>"


def _delete_host(host: Host) -> None:
    """Delete a host's namespace; one whose name has been removed is forgotten."""
    try:
        host.delete()
    except FileNotFoundError:
        host.forget()  # another process has removed the name: that was the aim
