"""From a `Difference` to the kernel: in as few messages and visits as it allows, undone in reverse when any step fails.

Floor 6.  Each namespace that is made has one visit, and one datagram: its turn comes as soon as all those that its wires
lead to are there, and whichever end has its turn first makes the wire.  So the hosts of a star have theirs when they are
made, and the switch in the middle has its own at the end.  A name leads to its namespace only after that: whoever finds
a name, finds the stamp.  Descriptors and sockets are held no longer than that takes.
"""

from __future__ import annotations

from errno import EBUSY, EEXIST

from .. import names, syscalls
from ..errors import KernelError, RawnsError
from ..netns import mount_name
from ..terminal import printable
from ..threads import call_and_restore
from . import build_requests, stamp
from .model import Bridge, Existing, Macvlan, Port, Tap
from .prefetch import prefetch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..nlmsg import Request
    from .diff import Change, Difference
    from .lab import Lab, Progress
    from .model import Host, Interface

GONE = ("ENODEV", "ESRCH", "EADDRNOTAVAIL")
DEVNULL = -3  # of `subprocess`, which is not loaded before there is a command
BREATH = 64  # hosts after which this thread comes home, where signals that wait are heard


class Builder:
    """Carries out one `Difference`."""

    def __init__(
        self, difference: Difference, undo: syscalls.Rollback, token: str = "", progress: Progress | None = None
    ) -> None:
        """``token`` identifies this process in the stamps (`lock.OwnerLock`), if others can see them."""
        self._token = token
        self._lab: Lab = difference.lab
        self._difference, self._undo, self._progress = difference, undo, progress
        self._made: dict[int, bool] = {}  # interfaces made by now, by id: whether all could be said at their birth
        self._guests: dict[int, list[Macvlan]] = {}  # what is made on the interfaces of a host, and lives in another
        # What must have happened before a host's turn: N that host N is there, ~N that it has had its turn.
        self._awaited: dict[int, set[int]] = {host.number: set() for host in self._lab.hosts if self._busy(host)}
        for fresh in difference.fresh:
            for one in fresh:
                if isinstance(one, Port):
                    self._await(one.host, one.peer.host)  # type: ignore[union-attr]  # a port without one was a fault
                elif isinstance(one, Macvlan) and one.parent.host is not one.host:
                    self._guests.setdefault(one.parent.host.number, []).append(one)
                    self._awaited.setdefault(one.parent.host.number, set())
                    self._await(one.parent.host, one.host)
                    self._awaited[one.host.number].add(~one.parent.host.number)
        self._waiting: dict[int, list[Host]] = {}  # by what they wait for
        self._past: set[int] = set()  # what has happened
        self._words: dict[tuple[str, frozenset[str]], Request] = {}
        self._mark = str(stamp.Stamp(self._lab.name, token)).encode()
        self._said_whole = False  # whether a host has got a stamp that says so, with all that was left to do
        new = [host for host in self._lab.hosts if self._new(host)]
        # A stamp must not say that work is done which comes after it: commands, and the removal of names.
        self._nothing_follows = not self._difference.gone and not any(host.commands for host in new)
        self._total = self._left = len(self._awaited)
        self._anchor = self._find_anchor()

    def _find_anchor(self) -> Host | None:
        """The host whose stamp says that a standing lab is whole."""
        states = self._difference.states
        for host in self._lab.hosts if self._lab.outlives_process else ():
            state = states[host.number]
            if state is not None and state.stamp is not None and state.stamp.state and not host.root:  # that may be another's
                return host
        return None

    def _new(self, host: Host) -> bool:
        return self._difference.states[host.number] is None

    def _busy(self, host: Host) -> bool:
        number, difference = host.number, self._difference
        return self._new(host) or bool(difference.fresh[number] or difference.changed[number])

    def _await(self, host: Host, other: Host) -> None:
        """A host has its turn when another is there."""
        if other is not host and self._new(other):
            self._awaited[host.number].add(other.number)

    # -- the whole ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Do all of it.  Raises `KernelError` or `SyscallError`; the caller's `Rollback` then undoes it."""
        difference, hosts = self._difference, self._lab.hosts
        if self._anchor is not None:
            before = self._features(self._anchor)
            self._undo(self._write_stamp, self._anchor, stamp.WHOLE, before)
            self._write_stamp(self._anchor, self._token, before | self._anchor.features)
        for host in hosts:
            self._remove(host, difference.removed[host.number])
        if any(host.name is not None and self._new(host) for host in hosts):
            names.prepare(self._undo)
        created = prefetch([host for host in hosts if self._new(host)], self._create_namespace)
        try:
            for start in range(0, len(hosts), BREATH):
                if start:
                    self._undo.call_unblocked(self._tell)
                call_and_restore(self._reach_each, hosts[start : start + BREATH], created)
        finally:
            created.close()
        for number in list(self._awaited):  # macvlans of two hosts, each on the other's: no order suits them
            self._turn(hosts[number])
        for host in hosts:
            if self._new(host):
                self._run(host)
        self._remove_names(difference.gone)
        self._tell()
        if self._lab.outlives_process and not self._said_whole:
            for host in [self._anchor] if self._anchor is not None else [host for host in hosts if not host.root][:1]:
                self._write_stamp(host, stamp.WHOLE, host.features)

    def _remove_names(self, gone: Sequence[str]) -> None:
        """Remove the namespaces that the lab no longer describes, and their files."""
        if gone:
            from . import etc_files
            from .removal import Removal

            removal = Removal()
            for name in gone:
                removal.attempt(name, names.remove, name)
            removal.attempt("files of these namespaces", etc_files.remove_all, self._lab.name, gone)
            removal.finish()

    def _create_namespace(self, host: Host) -> None:
        """Create a host's namespace and leave the calling thread in it."""
        self._undo(host.forget)
        host.unshare(self._undo, self._mark)
        host.settle_in()

    def _reach_each(self, hosts: Sequence[Host], created: Iterator[Host]) -> None:
        """Call `_reach` for several hosts; this leaves the calling thread in one of their namespaces."""
        for host in hosts:
            self._reach(host, created)

    def _reach(self, host: Host, created: Iterator[Host]) -> None:
        """Make a host, if it is to be made, and let have their turn all those who have waited for no more than that."""
        if self._new(host):
            next(created)
        awaited = self._awaited.get(host.number)
        if awaited:
            awaited -= self._past
            for event in awaited:
                self._waiting.setdefault(event, []).append(host)
        self._attempt(host)
        self._happened(host.number)

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self._total - self._left, self._total)

    def _run(self, host: Host) -> None:
        """Run the commands of a host that has just been made; their output goes to standard error."""
        for argv in host.commands:
            self._undo.call_unblocked(_run, host, argv)
        if stamp.RUN_PENDING in self._pending(host):
            self._write_stamp(host, "", host.features)

    def _pending(self, host: Host) -> frozenset[str]:
        """The mark of a host that is not finished before its commands have been run: if they are not, it is made anew."""
        return frozenset([stamp.RUN_PENDING] if host.commands and self._lab.outlives_process else ())

    def _features(self, host: Host) -> frozenset[str]:
        """The features that its stamp names by now."""
        known = self._difference.states[host.number]
        return known.stamp.features if known is not None and known.stamp is not None else frozenset()

    def _write_stamp(self, host: Host, state: str, features: frozenset[str]) -> None:
        """Write a host's stamp; ``state`` says whether the lab is whole, or which process is changing it."""
        known = self._difference.states[host.number]
        by = known.stamp.by if known is not None and known.stamp is not None else self._token
        host.net.do(build_requests.lo(stamp.Stamp(self._lab.name, by, state, features)))
        host.release()

    def _attempt(self, host: Host) -> None:
        if self._awaited.get(host.number) == set():
            self._turn(host)

    def _happened(self, event: int) -> None:
        self._past.add(event)
        for host in self._waiting.pop(event, ()):
            if host.number in self._awaited:
                self._awaited[host.number].discard(event)
                self._attempt(host)

    def _remove(self, host: Host, changes: Sequence[Change]) -> None:
        """Take away what is in the way.  What has gone already (with its other end, for one) is no error."""
        for change in changes:
            if change.undo:
                self._undo(_revert, host, change.undo)
            for request in change.requests:
                try:
                    host.net.do(request)
                except KernelError as error:
                    if error.code not in GONE:
                        raise

    # -- one host's turn ------------------------------------------------------------------------------------------

    def _turn(self, host: Host) -> None:
        if self._awaited.pop(host.number, None) is None:
            return  # it has had it
        self._left -= 1
        for one in self._difference.fresh[host.number]:
            if isinstance(one, Tap):
                self._tap(host, one)
        requests = self._requests(host)
        for change in self._difference.changed[host.number]:
            if change.before is not None:
                change.before()
        if not self._new(host):
            self._undo(_revert, host, self._inverse(host))
        for one in self._difference.fresh[host.number]:
            if isinstance(one, Port) and one.peer is not None and not self._new(one.peer.host):
                # With the namespace of its other end the kernel would take it away, but in its own time.
                self._undo(_revert, one.peer.host, [build_requests.unmake(one.peer)])
        host.net.do(*requests)
        for change in self._difference.changed[host.number]:
            if change.act is not None:
                if change.back is not None:
                    self._undo(_back, host, change.back)
                change.act()
        if self._new(host):
            mount_name(host.namespace, self._undo)
        host.release()
        self._happened(~host.number)

    def _tap(self, host: Host, one: Tap) -> None:
        """Make a tap device, which takes an ioctl."""
        assert one.name is not None
        if not self._new(host):
            self._undo(_revert, host, [build_requests.unmake(one)])
        host.namespace.add_tap(one.name, owner=one.owner, index=one.index)

    def _requests(self, host: Host) -> list[Request]:
        """All that is said in a host's turn, in the order that `messages` draws."""
        difference, lab = self._difference, self._lab
        fresh = difference.fresh[host.number]
        requests: list[Request] = []
        if self._new(host):
            last = lab.outlives_process and not self._left and self._anchor is None
            self._said_whole = last and self._nothing_follows
            requests.append(self._first_words(stamp.WHOLE if self._said_whole else "", host.features | self._pending(host)))
        bridges: list[Interface] = [one for one in fresh if isinstance(one, Bridge)]
        others = [one for one in fresh if not isinstance(one, (Bridge, Existing))]
        for one in bridges:
            requests += build_requests.create(lab, one)
        for one in others:
            elsewhere = isinstance(one, Macvlan) and one.parent.host is not host
            if id(one) not in self._made and not elsewhere and not isinstance(one, Tap):
                requests += self._create(one)
        requests += [build_requests.create_on(lab, guest) for guest in self._guests.get(host.number, ())]
        for one in others + bridges:
            requests += build_requests.settle(lab, one, self._made.get(id(one), False))
        for one in fresh:
            requests += [build_requests.give(one, address) for address in one.given]
            if one.shape:
                requests += build_requests.shape(one)
            if one.vlans:
                requests += build_requests.vlans(one, build_requests.DEFAULT_VLANS, one.vlans)
        for change in difference.changed[host.number]:
            requests += change.requests
        if self._new(host):
            requests += [build_requests.add_route(host, one) for one in host.routes]
        return requests

    def _first_words(self, state: str, features: frozenset[str]) -> Request:
        """What is said first to each host, and is the same for most: made once, and once put into bytes."""
        request = self._words.get((state, features))
        if request is None:
            request = build_requests.lo(stamp.Stamp(self._lab.name, self._token, state, features))
            self._words[state, features] = request
        return request

    def _create(self, one: Interface) -> Sequence[Request]:
        """Make it by the host whose turn it is; whatever is at its other end is made, too."""
        self._made[id(one)] = True
        if isinstance(one, Port) and one.peer is not None:
            self._made[id(one.peer)] = False
        return list(build_requests.create(self._lab, one))

    def _inverse(self, host: Host) -> list[Request]:
        """What takes a turn back in a host that was there before."""
        undo = [build_requests.unmake(one) for one in self._difference.fresh[host.number]]
        return undo + [request for change in reversed(self._difference.changed[host.number]) for request in change.undo]


def _run(host: Host, argv: Sequence[str]) -> None:
    done = host.run(argv, mounts=True, stdin=DEVNULL, stdout=2)
    host.release()
    if done.returncode:
        words = argv[2] if argv[:2] == ["/bin/sh", "-c"] else " ".join(argv)
        place = f" ({host.where})" if host.where else ""
        how = f"was ended by signal {-done.returncode}" if done.returncode < 0 else f"exited with {done.returncode}"
        raise RawnsError(f"the command {printable(words)} of {host.label}{place} {how}")


def _back(host: Host, back: Callable[[], object]) -> None:
    back()
    host.release()


def _revert(host: Host, requests: Sequence[Request]) -> None:
    """Each by itself: what was not reached needs no undoing, and is refused."""
    for request in requests:
        try:
            host.net.do(request)
        except RawnsError:
            pass
    host.release()


def collision(error: KernelError) -> bool:
    """Whether an index that we chose was taken: EEXIST at the near end of a wire, EBUSY at the far one."""
    return error.request == "RTM_NEWLINK" and error.errno in (EBUSY, EEXIST)
