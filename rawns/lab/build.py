"""Carry out a `Plan`: in as few messages and visits to namespaces as possible, undone in reverse order if a step fails.

A new namespace is visited once and receives one datagram.  A host is configured as soon as all namespaces exist to which its
wires lead, and whichever end is configured first creates the wire.  So the hosts of a star are configured when they are
created, and the bridge in the middle last.  A name leads to its namespace only after that: every name has a stamp behind
it.  When all hosts are configured, every interface that has a carrier is made to transmit (`activation`).  Of many hosts,
descriptors and sockets are closed after each; of a few they stay open until then.
"""

from __future__ import annotations

import os
from _signal import SIGKILL  # type: ignore[import-not-found]  # `signal` imports `enum`
from errno import EBUSY, EEXIST

from .. import netns_names
from ..errors import KernelError, RawnsError
from ..netns import mount_name
from ..rollback import Rollback
from ..terminal import printable
from ..threads import call_and_restore, call_inside
from . import build_requests, stamp
from .activation import activate
from .interface import DEFAULT_VLANS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from ..nlmsg import Request
    from .change import Change
    from .diff import Plan
    from .host import Host
    from .interface import BaseHost, Interface
    from .topology import Topology

    Progress = Callable[[int, int], object]

GONE = ("ENODEV", "ESRCH", "EADDRNOTAVAIL")
DEVNULL = -3  # of `subprocess`, which is not loaded before there is a command
HOSTS_PER_VISIT = 64  # after so many hosts this thread returns to its namespace, and blocked signals are delivered
MIN_PREFETCHED = 16  # new hosts for which a thread that creates namespaces ahead is worth its start


class Builder:
    """Carry out one `Plan`."""

    def __init__(self, plan: Plan, undo: Rollback, token: str = "", progress: Progress | None = None) -> None:
        """Prepare; ``token`` identifies this process in the stamps (`lock.OwnerLock`), if others can see them."""
        self._token = token
        self._lab: Topology = plan.lab
        self._plan, self._undo, self._progress = plan, undo, progress
        self._made: dict[int, bool] = {}  # by id, the interfaces that exist: whether their creation has set everything
        self._guests: dict[int, list[Interface]] = {}  # by host: what is created in it and lives in another host
        # What must have happened before a host is configured: N that host N exists, ~N that it has been configured.
        self._awaited: dict[int, set[int]] = {host.number: set() for host in self._lab.hosts if self._busy(host)}
        for created in plan.created:
            for one in created:
                far, origin = one.peer, one.created_in
                if far is not None:
                    self._await(one.host, far.host)
                elif origin is not one.host:
                    self._guests.setdefault(origin.number, []).append(one)
                    self._awaited.setdefault(origin.number, set())
                    self._await(origin, one.host)
                    self._awaited[one.host.number].add(~origin.number)
        self._waiting: dict[int, list[Host]] = {}  # hosts by the event that they wait for
        self._past: set[int] = set()  # the events that have happened
        self._connected: list[Host] = []  # hosts that are configured and whose sockets are still open
        self._lo_requests: dict[str, Request] = {}
        self._mark = str(stamp.Stamp(self._lab.name, token)).encode()
        self._stamp_is_complete = False  # whether the last datagram has written that the lab is whole
        new = [host for host in self._lab.hosts if self._new(host)]
        # A stamp must not say that work is done which comes after it: commands, and the removal of names.
        self._nothing_follows = not self._plan.obsolete_names and not any(host.commands for host in new)
        self._total = self._left = len(self._awaited)
        self.answers: dict[tuple[Host, str], bool | None] = {}  # of `activate`: which interfaces transmit
        self._anchor = self._find_anchor()

    def _find_anchor(self) -> Host | None:
        """Return the host whose stamp says that a standing lab is whole; another host that stays if that one is to be removed."""
        states = self._plan.states
        candidates = self._lab.hosts if self._lab.outlives_process else ()
        stamped = [  # without the root namespace, whose lo another lab may have stamped
            (host, state.stamp.state) for host in candidates if (state := states[host.number]) and state.stamp and not host.root
        ]
        found = [one for one in stamped if one[1]] or (stamped if self._plan.obsolete_names else [])
        return min(found, key=lambda one: one[1] == stamp.WHOLE)[0] if found else None  # first one that was being changed

    def _new(self, host: BaseHost) -> bool:
        return self._plan.states[host.number] is None

    def _busy(self, host: Host) -> bool:
        number, plan = host.number, self._plan
        return self._new(host) or bool(plan.created[number] or plan.changed[number])

    def _await(self, host: BaseHost, other: BaseHost) -> None:
        """Configure a host only when another exists."""
        if other is not host and self._new(other):
            self._awaited[host.number].add(other.number)

    # -- the order ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Carry out the whole plan.  Raises `KernelError` or `SyscallError`; the caller's `Rollback` then undoes it."""
        plan, hosts = self._plan, self._lab.hosts
        if self._anchor is not None:
            before = self._features(self._anchor)
            self._undo(self._write_stamp, self._anchor, stamp.WHOLE, before)
            self._write_stamp(self._anchor, self._token, before | self._anchor.features)
        for host in hosts:
            self._remove(host, plan.removed[host.number])
        if any(host.name is not None and self._new(host) for host in hosts):
            netns_names.prepare(self._undo)
        created = self._create_namespaces([host for host in hosts if self._new(host)])
        try:
            for start in range(0, len(hosts), HOSTS_PER_VISIT):
                if start:
                    self._undo.call_unblocked(self._report_progress)
                call_and_restore(self._reach_each, hosts[start : start + HOSTS_PER_VISIT], created)
        finally:
            created.close()
        for number in list(self._awaited):  # two hosts with macvlans, each on the other's interface: any order will do
            self._configure(hosts[number])
        busy = [host for host in hosts if self._busy(host)]
        self.answers = activate(self._lab, [one for host in busy for one in host.interfaces])
        for host in self._connected:
            host.release()
        for host in hosts:
            if self._new(host):
                self._run(host)
        self._remove_names(plan.obsolete_names)
        self._report_progress()
        if self._lab.outlives_process and not self._stamp_is_complete:
            for host in [self._anchor] if self._anchor is not None else [host for host in hosts if not host.root][:1]:
                self._write_stamp(host, stamp.WHOLE, host.features)

    def _remove_names(self, gone: Sequence[str]) -> None:
        """Remove the namespaces that the lab no longer describes, and their files."""
        if gone:
            from . import etc_files, lock, stamped_names
            from .removal import Removal

            removal, before = Removal(), stamped_names.Survey()
            makers = {one.stamp.by for one in before.names if one.name in gone}
            lock.abandon(makers)
            for name in gone:
                removal.attempt(name, netns_names.remove, name)
            removal.attempt("files of these namespaces", etc_files.remove_all, self._lab.name, gone)
            still = {one.stamp.by for one in before.names if one.name not in gone}
            if not before.unread:  # which may name them, too
                lock.remove_owner_files(makers - still - {self._token})
            removal.finish()
            lock.reinstate(makers)

    def _create_namespaces(self, hosts: Sequence[Host]) -> Generator[Host, None, None]:
        """Yield each of ``hosts`` when its namespace has been created; for many, by a thread that works ahead (`prefetch`).

        Close the generator before undoing what it has made: then it makes no more.
        """
        ahead = None
        if len(hosts) >= MIN_PREFETCHED:
            from . import prefetch

            ahead = prefetch.start(hosts, self._create_namespace)
        try:
            for host in hosts:
                if ahead is None:
                    self._create_namespace(host)
                else:
                    ahead.wait()
                yield host
        finally:
            if ahead is not None:
                ahead.stop()

    def _create_namespace(self, host: Host) -> None:
        """Create a host's namespace and leave the calling thread in it."""
        self._undo(host.forget)
        host.unshare(self._undo, self._mark)
        host.prepare_namespace()
        for one in self._plan.created[host.number]:
            if one.by_ioctl:  # this thread is inside already; a tap takes 0.16 ms in the kernel, on the thread that works ahead
                self._tap(one)

    def _reach_each(self, hosts: Sequence[Host], created: Iterator[Host]) -> None:
        """Call `_reach` for several hosts; this leaves the calling thread in one of their namespaces."""
        for host in hosts:
            self._reach(host, created)

    def _reach(self, host: Host, created: Iterator[Host]) -> None:
        """Create a host if it is new, and configure all hosts that have waited for that alone."""
        if self._new(host):
            next(created)
        awaited = self._awaited.get(host.number)
        if awaited:
            awaited.difference_update([event for event in awaited if event in self._past])  # `-=` would walk all of the past
            for event in awaited:
                self._waiting.setdefault(event, []).append(host)
        self._attempt(host)
        self._happened(host.number)

    def _report_progress(self) -> None:
        if self._progress is not None:
            self._progress(self._total - self._left, self._total)

    def _run(self, host: Host) -> None:
        """Run the commands of a host that has just been made; their output goes to standard error."""
        for argv in host.commands:
            self._undo.call_unblocked(_run, host, argv)
        if stamp.RUN_PENDING in self._pending(host):
            self._write_stamp(host, "", host.features)

    def _pending(self, host: Host) -> frozenset[str]:
        """Return the mark in the stamp of a host whose commands have yet to run; the next `up` creates such a host again."""
        return frozenset([stamp.RUN_PENDING] if host.commands and self._lab.outlives_process else ())

    def _features(self, host: Host) -> frozenset[str]:
        """Return the features that its stamp names so far."""
        known = self._plan.states[host.number]
        return known.stamp.features if known is not None and known.stamp is not None else frozenset()

    def _write_stamp(self, host: Host, state: str, features: frozenset[str]) -> None:
        """Write a host's stamp; ``state`` says whether the lab is whole, or which process is changing it."""
        known = self._plan.states[host.number]
        by = known.stamp.by if known is not None and known.stamp is not None else self._token
        host.net.do(build_requests.lo(str(host.stamp(by, state, features))))
        host.release()

    def _attempt(self, host: Host) -> None:
        if self._awaited.get(host.number) == set():
            self._configure(host)

    def _happened(self, event: int) -> None:
        self._past.add(event)
        for host in self._waiting.pop(event, ()):
            if host.number in self._awaited:
                self._awaited[host.number].discard(event)
                self._attempt(host)

    def _remove(self, host: Host, changes: Sequence[Change]) -> None:
        """Remove what must not exist.  What has gone already, for example with its other end, is no error."""
        for change in changes:
            if change.undo:
                self._undo(_revert, host, change.undo)
            for request in change.requests:
                try:
                    host.net.do(request)
                except KernelError as error:
                    if error.code not in GONE:
                        raise

    # -- one host -----------------------------------------------------------------------------------------------

    def _configure(self, host: Host) -> None:
        """Create a host's interfaces, apply its changes, and mount a new host on its name."""
        if self._awaited.pop(host.number, None) is None:
            return  # it has been configured
        self._left -= 1
        for one in self._plan.created[host.number]:
            if one.by_ioctl and not self._new(host):
                self._undo(_revert, host, [build_requests.delete(one)])
                call_inside(host, self._tap, one)
        requests = self._requests(host)
        for change in self._plan.changed[host.number]:
            if change.before is not None:
                change.before()
        if not self._new(host):
            self._undo(_revert, host, self._inverse(host))
        for one in self._plan.created[host.number]:
            far = one.peer
            if far is not None and not self._new(far.host):
                # The kernel deletes it with the namespace of its other end, but later.
                self._undo(_revert, self._lab.hosts[far.host.number], [build_requests.delete(far)])
        host.net.do(*requests)
        for change in self._plan.changed[host.number]:
            if change.action is not None:
                if change.undo_action is not None:
                    self._undo(_call_and_release, host, change.undo_action)
                change.action()
        if self._new(host):
            mount_name(host.namespace, self._undo)
        if self._total < MIN_PREFETCHED:
            self._connected.append(host)  # `activate` uses its socket again
        else:
            host.release()
        self._happened(~host.number)

    @staticmethod
    def _tap(one: Interface) -> None:
        """Create a tap device, by an ioctl, on a thread that is inside."""
        from ..tap import add

        assert one.name is not None
        add(one.name, owner=one.owner, index=one.index)

    def _requests(self, host: Host) -> list[Request]:
        """Return the requests that configure a host, in the order that `build_requests` describes."""
        plan, lab = self._plan, self._lab
        created = plan.created[host.number]
        requests: list[Request] = []
        if self._new(host):
            last = lab.outlives_process and not self._left and self._anchor is None
            self._stamp_is_complete = last and self._nothing_follows
            requests.append(
                self._lo_request(host, stamp.WHOLE if self._stamp_is_complete else "", host.features | self._pending(host))
            )
        masters = [one for one in created if one.switches or one.routes]
        others = sorted([one for one in created if not (one.switches or one.routes)], key=_depth)
        for one in masters:
            requests += one.create(host)
        for one in others:
            if id(one) not in self._made and one.created_in is host and not one.by_ioctl:
                requests += self._create(host, one)
        for guest in sorted(self._guests.get(host.number, ()), key=_depth):
            requests += guest.create(host)
        for one in others + masters:
            if one.ipv6 is not None:
                requests += build_requests.link_local(one, one.index)
            finished = self._made.get(id(one), False) and one.parent is None and one.up == one.up_at_creation
            requests += build_requests.complete(lab.name, one, finished)
        for one in created:
            requests += [build_requests.add_address(one, address) for address in one.given]
            if one.shape:
                from . import shaping

                requests += shaping.creation(one)
            if one.vlans:
                requests += build_requests.vlans(one, DEFAULT_VLANS, one.vlans)
        for change in plan.changed[host.number]:
            requests += change.requests
        if self._new(host):
            requests += [build_requests.add_route(host, one) for one in host.ordered_routes]
        return requests

    def _lo_request(self, host: Host, state: str, features: frozenset[str]) -> Request:
        """Return the request that brings ``lo`` up and stamps it: the same for most hosts, so created and encoded once."""
        mark = str(host.stamp(self._token, state, features))
        request = self._lo_requests.get(mark)
        if request is None:
            request = self._lo_requests[mark] = build_requests.lo(mark)
        return request

    def _create(self, host: Host, one: Interface) -> Sequence[Request]:
        """Return the requests that create an interface; with a wire, its other end too."""
        self._made[id(one)] = True
        if one.peer is not None:
            self._made[id(one.peer)] = False
        return one.create(host)

    def _inverse(self, host: Host) -> list[Request]:
        """Return the requests that undo `_requests` in a host that existed before."""
        undo = [build_requests.delete(one) for one in self._plan.created[host.number]]
        return undo + [request for change in reversed(self._plan.changed[host.number]) for request in change.undo]


def _depth(one: Interface) -> int:
    """Return the number of interfaces below this one, each the parent of the next; a parent is created first."""
    return 0 if one.parent is None else 1 + _depth(one.parent)


def _run(host: Host, argv: Sequence[str]) -> None:
    """Run a command in a host.  Raises `RawnsError` if it fails.  If it is interrupted, its process group is killed."""
    with Rollback() as undo:
        done = host.popen(argv, mounts=True, stdin=DEVNULL, stdout=2, start_new_session=True)
        undo(done.wait)
        undo(os.killpg, done.pid, SIGKILL)
        undo.call_unblocked(done.wait)
    host.release()
    if done.returncode:
        words = argv[2] if argv[:2] == ["/bin/sh", "-c"] else " ".join(argv)
        place = f" ({host.where})" if host.where else ""
        how = f"was ended by signal {-done.returncode}" if done.returncode < 0 else f"exited with {done.returncode}"
        raise RawnsError(f"the command {printable(words)} of {host.label}{place} {how}")


def _call_and_release(host: Host, function: Callable[[], object]) -> None:
    function()
    host.release()


def _revert(host: Host, requests: Sequence[Request]) -> None:
    """Send requests that undo others, one by one: what was not done cannot be undone, and the kernel refuses it."""
    for request in requests:
        try:
            host.net.do(request)
        except RawnsError:
            pass
    host.release()


def collision(error: KernelError) -> bool:
    """Return whether an index that we chose was taken: EEXIST at the near end of a wire, EBUSY at the far one."""
    return error.request == "RTM_NEWLINK" and error.errno in (EBUSY, EEXIST)
