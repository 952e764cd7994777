"""Namespaces made ahead of time: taking one is a matter of a microsecond, for its making was somebody else's.

Floor 6.  A `Pool` is a few anonymous namespaces and a daemon thread that replaces those that are taken::

    with Pool(lo=True) as pool:
        with pool.take() as ns:
            ...

No lock is held where a signal handler may raise: what is ready is a deque, the bell a queue, both of C.  The one lock
there is keeps a fork from happening while a namespace is half made, in nobody's hands.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import atexit
import os
from _queue import SimpleQueue
from _thread import RLock, get_ident
from _weakref import ref
from collections import deque

from .errors import InvalidValue, RawnsError
from .net import NetNS
from .syscalls import signals_blocked

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from typing import TypeVar

    SomePool = TypeVar("SomePool", bound="Pool")

MAX_NAMESPACES = 4096  # namespaces in one pool: each holds a descriptor, and its kernel memory


class Pool:
    """Up to ``size`` anonymous namespaces, ready to be taken: each is given to one caller, who owns it, and never again.

    Its thread replaces those that are gone as soon as that is half of them.

    ``lo`` has each one's ``lo`` up, and its ``net`` open.  ``prepare(ns)`` makes it ready further, once, before anybody
    has it; not inside it, and as a rule on the pool's thread, a daemon that keeps no interpreter from exiting.

    After a fork the child's pool is empty, its copies of the parent's namespaces closed, and fills again when the child
    first takes one.  (What a ``prepare`` at work just then has open besides is the child's too, as in any such fork.)

    At the end of the block, at exit, and where the pool is dropped, what nobody has taken ends.
    Raises `InvalidValue` for a size that is none, `RawnsError` where no thread can be had.
    """

    def __init__(self, size: int = 8, *, lo: bool = False, prepare: Callable[[NetNS], object] | None = None) -> None:
        self._closed = True  # until there is something to close
        if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MAX_NAMESPACES:
            raise InvalidValue(f"{size!r} is no size of a pool: it must be a number from 1 to {MAX_NAMESPACES}")
        self.size, self._lo, self._prepare = size, lo, prepare
        self._empty()
        self._closed = False
        _pools[id(self)] = ref(self)
        self._employ()

    def _empty(self) -> None:
        """Nothing in it, and nobody at work."""
        self._ready: deque[NetNS] = deque()
        self._unready: dict[int, NetNS] = {}  # made, and being prepared; by id, since == asks the kernel
        self._bell: SimpleQueue[bool] = SimpleQueue()  # True: look what is missing; False: leave
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        """How many are ready."""
        return len(self._ready)

    def take(self) -> NetNS:
        """A namespace that nobody has had before, yours from now on; made here and now where none is ready.

        Raises `RawnsError` where the pool is closed, and where none is ready what keeps them from being made:
        `SyscallError` (EMFILE, ENOSPC ...), or what ``prepare`` raises.
        """
        try:
            ns = self._ready.popleft()
        except IndexError:
            return self._short()
        if 2 * len(self._ready) <= self.size and self._bell.empty():  # to wake it costs more than all the rest
            self._bell.put(True)
        return ns

    def _short(self) -> NetNS:
        """None is ready: have the thread look after that, and make one meanwhile."""
        self._check_open()
        self._employ()
        if self._bell.empty():
            self._bell.put(True)
        ns = self._create()
        try:
            if self._prepare is not None:
                self._prepare(ns)
        except BaseException:
            ns.close()
            raise
        return ns

    def fill(self) -> None:
        """Make what is missing now, beside the pool's thread: before a measurement, or a rush.  Raises as `take` does."""
        self._check_open()
        self._employ()
        heard = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())
        while len(self._ready) < self.size and not self._closed:
            with signals_blocked():
                self._make(0, heard)

    def close(self) -> None:
        """End what nobody has taken, and the thread, for which this waits.  May be called again."""
        self.end()
        thread = self._thread
        if thread is not None and thread.ident != get_ident():
            thread.join()

    def __enter__(self: SomePool) -> SomePool:
        self._check_open()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._closed:
            self.end()

    def __repr__(self) -> str:
        return "<Pool: closed>" if self._closed else f"<Pool: {len(self)} of {self.size} ready>"

    def _check_open(self) -> None:
        if self._closed:
            raise RawnsError("the pool is closed")

    def end(self) -> None:
        """Close what is ready, and have the thread leave; what it has in hand it closes itself."""
        self._closed = True
        _pools.pop(id(self), None)
        self._drain()
        self._bell.put(False)

    def _drain(self) -> None:
        while True:
            try:
                self._ready.popleft().close()
            except IndexError:
                return

    # -- the thread that fills it ------------------------------------------------------------------------------------

    def _employ(self) -> None:
        """See that there is a thread; after a fork there is none, nor where the last one was `NamespaceRestoreError`."""
        if self._thread is not None:
            return
        import threading

        heard = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())
        with signals_blocked(), _making:  # it is born with signals held back, lest it takes those that somebody else shields
            if self._thread is not None:
                return
            thread = threading.Thread(target=_work, args=(ref(self), self._bell, heard), name="rawns pool", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # a limit on processes, as a rule
                raise RawnsError(f"the pool's thread cannot be started: {error}") from None
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

    def refill(self, heard: set[int]) -> None:
        """What its thread does when the bell has rung: make what is missing.

        What keeps it from that whoever takes next will meet, where he can be told.
        """
        try:
            while self._make(len(self._unready), heard):
                pass
        except Exception:
            pass

    def dismiss(self) -> None:
        """Its thread is gone."""
        self._thread = None

    def _make(self, others: int, heard: set[int]) -> bool:
        """Make one where, ``others`` counted as ready, one is missing; whether it was.  Signals are held back."""
        with _making:
            if self._closed or len(self._ready) + others >= self.size:
                return False
            ns = self._create()
            if self._prepare is None:
                self._ready.append(ns)
            else:
                self._unready[id(ns)] = ns
        if self._prepare is not None:
            self._finish(ns, self._prepare, heard)
        if self._closed:
            self._drain()
        return True

    def _finish(self, ns: NetNS, prepare: Callable[[NetNS], object], heard: set[int]) -> None:
        """Prepare it, with signals let through meanwhile: the commands that are started there inherit that."""
        held = _signal.pthread_sigmask(_signal.SIG_SETMASK, heard)
        try:
            prepare(ns)
        except BaseException:
            self._unready.pop(id(ns), None)
            ns.close()
            raise
        finally:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, held)
        with _making:
            ours = self._unready.pop(id(ns), None) is ns  # or `prepare` has forked, and this is the child
            if ours and len(self._ready) < self.size:
                self._ready.append(ns)
            else:
                ns.close()

    def orphan(self) -> None:
        """This is the child of a fork: what is in here is the parent's."""
        theirs = [*self._ready, *self._unready.values()]
        self._empty()
        for ns in theirs:
            ns.close()


_pools: dict[int, ref[Pool]] = {}  # the open ones
_making = RLock()  # held while a namespace is made and not yet in its pool: a fork has to wait for that


def _work(pool: ref[Pool], bell: SimpleQueue[bool], heard: set[int]) -> None:
    """The thread.  While it waits it does not keep the pool alive."""
    try:
        while True:
            here = pool()
            if here is None:
                return
            here.refill(heard)
            here = None
            if not bell.get():
                bell.put(False)  # for another, where a Ctrl-C has had two of them employed
                return
    except BaseException:  # `NamespaceRestoreError`
        here = pool()
        if here is not None:
            here.dismiss()
        raise


def _forked() -> None:
    _making._at_fork_reinit()  # type: ignore[attr-defined]
    for pool in _living():
        pool.orphan()


def _drained() -> None:
    for pool in _living():
        pool.end()


def _living() -> list[Pool]:
    found = [pool() for pool in list(_pools.values())]
    return [pool for pool in found if pool is not None]


os.register_at_fork(before=_making.acquire, after_in_parent=_making.release, after_in_child=_forked)
atexit.register(_drained)
