"""Network namespaces created ahead of time, so that taking one costs a microsecond.

A `Pool` holds a few namespaces without names, and has a daemon thread that replaces those that are taken::

    with Pool(lo=True) as pool:
        with pool.take() as ns:
            ...

A signal handler may raise at any moment in a thread that holds a lock.  Therefore what is ready is in a `deque`, and the
thread is woken through a `SimpleQueue`, whose operations are atomic.  The only lock keeps a fork from happening while a
namespace has been created and is not yet in its pool.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import deque
from queue import SimpleQueue
from weakref import ref

from .errors import InvalidValue, NamespaceRestoreError, RawnsError
from .net import NetNS
from .rollback import call_with_mask, signal_mask, signals_blocked, start_thread
from .threads import mark_own_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    SomePool = TypeVar("SomePool", bound="Pool")

MAX_NAMESPACES = 4096  # in one pool: each holds a descriptor and kernel memory


class Pool:
    """Up to ``size`` namespaces without names, created ahead; each is given to one caller, who owns it, and never again.

    A thread replaces those that have been taken, once they are half of them.  With ``lo``, ``lo`` is up in each, and its
    ``net`` is open.  ``prepare(ns)`` is called once for each before it can be taken: not inside it, and usually on the
    pool's thread, a daemon that does not keep the interpreter from exiting.

    After a fork, the child's pool is empty and its copies of the parent's descriptors are closed; it is filled again when the
    child first takes a namespace.  (What a ``prepare`` that runs just then has opened besides is open in the child, too.)

    Namespaces that have not been taken end at the end of a ``with`` block, at `close`, at exit, and when the pool is released.
    Raises `InvalidValue` if ``size`` is not from 1 to 4096, `RawnsError` if no thread can be started.
    """

    def __init__(self, size: int = 8, *, lo: bool = False, prepare: Callable[[NetNS], object] | None = None) -> None:
        self._closed = True  # until there is something to close
        if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MAX_NAMESPACES:
            raise InvalidValue(f"the size of a pool must be a number from 1 to {MAX_NAMESPACES}")
        self.size, self._lo, self._prepare = size, lo, prepare
        self._reset()
        self._closed = False
        _pools[id(self)] = ref(self)
        self._start_thread()

    def _reset(self) -> None:
        """Forget all namespaces and the thread."""
        self._ready: deque[NetNS] = deque()
        self._unprepared: dict[int, NetNS] = {}  # `prepare` is running; by id, since == asks the kernel
        self._requests: SimpleQueue[bool] = SimpleQueue()  # True: create what is missing; False: end
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        """Return how many are ready."""
        return len(self._ready)

    def take(self) -> NetNS:
        """Return a namespace that has never been used; the caller owns it.  It is created now if none is ready.

        Raises `RawnsError` if the pool is closed, and if none is ready what prevents one from being created: `SyscallError`
        (EMFILE, ENOSPC ...), or what ``prepare`` raises.
        """
        try:
            ns = self._ready.popleft()
        except IndexError:
            return self._create_now()
        if 2 * len(self._ready) <= self.size and self._requests.empty():  # waking the thread costs more than the rest
            self._requests.put(True)
        return ns

    def _create_now(self) -> NetNS:
        """Wake the thread, and create a namespace for the caller meanwhile."""
        self._check_open()
        self._start_thread()
        if self._requests.empty():
            self._requests.put(True)
        ns = self._create()
        try:
            if self._prepare is not None:
                self._prepare(ns)
        except BaseException:
            ns.close()
            raise
        return ns

    def fill(self) -> None:
        """Create what is missing now, together with the pool's thread: before a measurement, say.  Raises as `take`."""
        self._check_open()
        self._start_thread()
        unblocked = signal_mask()
        while len(self._ready) < self.size and not self._closed:
            with signals_blocked():
                self._add_one(0, unblocked)

    def close(self) -> None:
        """Close the namespaces that have not been taken, and wait until the thread has ended; may be called again."""
        self._end()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def __enter__(self: SomePool) -> SomePool:
        self._check_open()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._closed:
            self._end()

    def __repr__(self) -> str:
        return "<Pool: closed>" if self._closed else f"<Pool: {len(self)} of {self.size} ready>"

    def _check_open(self) -> None:
        if self._closed:
            raise RawnsError("the pool is closed")

    def _end(self) -> None:
        """Close what is ready, and tell the thread to end; it closes what it has not finished."""
        self._closed = True
        _pools.pop(id(self), None)
        self._close_ready()
        self._requests.put(False)

    def _close_ready(self) -> None:
        while True:
            try:
                self._ready.popleft().close()
            except IndexError:
                return

    # -- creating: on the pool's thread, or on a caller's ------------------------------------------------------------

    def _start_thread(self) -> None:
        """Start the thread unless it runs.  It does not after a fork, or if the last one could not return from a namespace."""
        if self._thread is not None:
            return
        unblocked = signal_mask()
        # The thread begins with signals blocked, so that it does not take those that another thread blocks for a moment.
        with signals_blocked(), _creating:
            if self._thread is not None:
                return
            arguments = ref(self), self._requests, unblocked
            thread = threading.Thread(target=_run_thread, args=arguments, name="rawns pool", daemon=True)
            start_thread(thread.start)
            self._thread = thread

    def _create(self) -> NetNS:
        ns = NetNS.create()
        try:
            if self._lo:
                ns.net.set_link("lo", up=True)
        except BaseException:
            ns.close()
            raise
        return ns

    def _refill(self, unblocked: set[int]) -> None:
        """Create what is missing.  If that fails, the next caller of `take` gets the error."""
        try:
            while self._add_one(len(self._unprepared), unblocked):
                pass
        except Exception:
            pass

    def _add_one(self, others: int, unblocked: set[int]) -> bool:
        """Create one if fewer than ``size`` are ready, with ``others`` counted as ready; return whether.  Signals are blocked."""
        with _creating:
            if self._closed or len(self._ready) + others >= self.size:
                return False
            ns = self._create()
            if self._prepare is None:
                self._ready.append(ns)
            else:
                self._unprepared[id(ns)] = ns
        if self._prepare is not None:
            self._call_prepare(ns, self._prepare, unblocked)
        if self._closed:
            self._close_ready()
        return True

    def _call_prepare(self, ns: NetNS, prepare: Callable[[NetNS], object], unblocked: set[int]) -> None:
        """Prepare a namespace with signals unblocked: commands that are started then inherit the mask."""
        try:
            call_with_mask(unblocked, prepare, ns)
        except BaseException:
            self._unprepared.pop(id(ns), None)
            ns.close()
            raise
        with _creating:
            known = self._unprepared.pop(id(ns), None) is ns  # not if `prepare` has forked, and this is the child
            if known and len(self._ready) < self.size:
                self._ready.append(ns)
            else:
                ns.close()

    def _leave_to_parent(self) -> None:
        """Close, in the child of a fork, the copies of the parent's descriptors."""
        copies = [*self._ready, *self._unprepared.values()]
        self._reset()
        for ns in copies:
            ns.close()


_pools: dict[int, ref[Pool]] = {}  # those that are not closed
_creating = threading.RLock()  # held while a namespace has been created and is not yet in its pool; a fork waits for it


def _run_thread(pool: ref[Pool], requests: SimpleQueue[bool], unblocked: set[int]) -> None:
    """Refill a pool when that is requested.  While it waits, the thread holds no reference to the pool."""
    mark_own_thread()
    try:
        while True:
            owner = pool()
            if owner is None:
                return
            owner._refill(unblocked)
            owner = None
            if not requests.get():
                requests.put(False)  # for another thread, if an interrupted start has left two
                return
    except NamespaceRestoreError:  # this thread ends; the next caller starts another
        owner = pool()
        if owner is not None:
            owner._thread = None


def _after_fork() -> None:
    global _creating
    _creating = threading.RLock()
    for pool in _open_pools():
        pool._leave_to_parent()


def _at_exit() -> None:
    for pool in _open_pools():
        pool._end()


def _open_pools() -> list[Pool]:
    found = [pool() for pool in list(_pools.values())]
    return [pool for pool in found if pool is not None]


def _before_fork() -> None:
    _creating.acquire()


def _after_fork_in_parent() -> None:
    _creating.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork)
atexit.register(_at_exit)
