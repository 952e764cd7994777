"""Undo what a failing block has done, with signals blocked in the meantime; start threads with a clear error at a limit.

sigprocmask(2).
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` imports `enum`: 5 ms, a third of an interpreter's start
import os
import sys
from _operator import is_
from _thread import _local as local  # `threading.local` without `threading`, which takes 3 ms to import
from _thread import get_native_id

from .errors import RawnsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Answer = TypeVar("Answer")

PROCESS_LIMIT = "a limit on processes and threads is reached (`ulimit -u`, pids.max of the cgroup), or memory is short"


class ThreadLimitError(RawnsError):
    """No thread can be started."""


def start_thread(start: Callable[..., Answer], *args: Any) -> Answer:
    """Call ``start(*args)``, which starts a thread: `threading.Thread.start` or `_thread.start_new_thread`.

    Raises `ThreadLimitError` with the cause if the thread cannot be started.
    """
    try:
        return start(*args)
    except (RuntimeError, MemoryError) as error:
        cause = PROCESS_LIMIT if str(error) in ("can't start new thread", "") else str(error)
        raise ThreadLimitError(f"no thread can be started: {cause}") from None


# Signals that programs have handlers for and that come from outside; each more costs every `signals_blocked` time.
_NUMBERS: list[int] = [
    int(getattr(_signal, f"SIG{name}"))
    for name in "HUP INT QUIT USR1 USR2 PIPE ALRM TERM CHLD CONT TSTP TTIN TTOU URG XCPU VTALRM PROF WINCH IO PWR".split()
]
_SIGNALS = frozenset(_NUMBERS)


def signal_mask() -> set[int]:
    """Return the signals that the calling thread blocks; inside a `signals_blocked` block, those that it blocks outside."""
    mask: set[int] = _state.outside if _state.blocking else _signal.pthread_sigmask(_signal.SIG_BLOCK, ())
    return mask


def set_signal_mask(mask: set[int]) -> set[int]:
    """Let the calling thread block exactly these signals; return those that it blocked before."""
    previous: set[int] = _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
    return previous


class _BlockState(local):
    """Whether the calling thread is in a `signals_blocked` block, and the signals that it has blocked outside of it."""

    blocking = False
    outside: set[int] = set()  # noqa: RUF012 (it is never changed)


_state = _BlockState()
_deferred: dict[int, Any] = {}  # while the main thread is in a block: the handlers that `_defer` stands in for
_arrived: list[int] = []  # the signals that have arrived in the meantime
MAX_INTERRUPTIONS = 100  # of a few steps that must not be left half done


def _defer(number: int, frame: object) -> None:
    """Remember a signal until the block ends: what its handler raises must not break the block off."""
    if number not in _arrived:
        _arrived.append(number)


_last_handlers: tuple[list[Any], list[tuple[int, Any]]] = [], []  # what `getsignal` has returned, and what it meant


def _python_handlers() -> list[tuple[int, Any]]:
    """Return the signals that have a handler in Python, with the handler.  As a rule they are the same as at the last call."""
    global _last_handlers
    found = list(map(_signal.getsignal, _NUMBERS))
    last, handlers = _last_handlers
    if len(last) != len(found) or not all(map(is_, found, last)):
        handlers = [(number, one) for number, one in zip(_NUMBERS, found) if one.__class__ is not int and callable(one)]
        _last_handlers = found, handlers
    return handlers


def _replace_handlers() -> BaseException | None:
    """Let `_defer` stand in for all handlers in Python; return what one of them has raised before that."""
    interruption: BaseException | None = None
    for _ in range(MAX_INTERRUPTIONS):
        try:
            for number, handler in _python_handlers():
                if handler is not _defer:
                    _deferred[number] = handler  # first: `signal` returns it, but an exception can come before the assignment
                    _signal.signal(number, _defer)
            break
        except BaseException as error:
            if isinstance(error, ValueError) and error.__traceback__ is not None and error.__traceback__.tb_next is None:
                break  # no handler's: only the main thread of the main interpreter may do this, and only there do handlers run
            interruption = interruption or error
    return interruption


def _restore_handlers() -> BaseException | None:
    """Take back what `_replace_handlers` has done; return what a handler has raised.  One may have set others (SIG_IGN)."""
    interruption: BaseException | None = None
    for _ in range(MAX_INTERRUPTIONS):
        try:
            for number, handler in list(_deferred.items()):
                if _signal.getsignal(number) is _defer:
                    _signal.signal(number, handler)
                _deferred.pop(number, None)
            while _arrived:  # since the handlers were called: the kernel sends them once more
                _signal.raise_signal(_arrived.pop())
            break
        except BaseException as error:
            interruption = interruption or error
    return interruption


def _call_handlers() -> BaseException | None:
    """Call the handlers of the signals that have arrived, as the interpreter would; return what the first of them raises."""
    interruption: BaseException | None = None
    for _ in range(MAX_INTERRUPTIONS):
        if not _arrived:
            break
        number = _arrived.pop(0)
        handler = _deferred.get(number)
        if handler is not None and _signal.getsignal(number) is _defer:  # no handler has replaced it
            try:
                handler(number, sys._getframe(1))
            except BaseException as error:
                interruption = interruption or error
    return interruption


def _after_fork() -> None:
    """Restore the handlers in a child that another thread has forked while the main thread was in a block."""
    _arrived.clear()
    if not _state.blocking:
        _restore_handlers()


os.register_at_fork(after_in_child=_after_fork)


class signals_blocked:  # noqa: N801 (used as a function, in a with statement)
    """Let no signal interrupt the calling thread until the end of the ``with`` block.

    A handler's exception (KeyboardInterrupt) then cannot come between a step and the registration of its undoing; it is raised
    at the end of the block.  The thread blocks signals, so that the kernel keeps them, or delivers them to another thread.
    Python runs handlers in the main thread nevertheless, wherever that is; so in the main thread they are replaced as well,
    and called at the end.
    """

    __slots__ = ("_main", "_previous")

    def __init__(self) -> None:
        self._previous: set[int] | None = None  # the mask before the block; None outside of it, and inside another block

    def __enter__(self) -> None:
        interruption = self._begin()
        if interruption is not None:
            self.end()
            raise interruption

    def _begin(self) -> BaseException | None:
        """Begin the block; return what a handler has raised meanwhile."""
        if _state.blocking:
            return None
        self._main = get_native_id() == os.getpid()
        interruption = _replace_handlers() if self._main else None
        self._previous = _state.outside = _signal.pthread_sigmask(_signal.SIG_BLOCK, _SIGNALS)
        _state.blocking = True
        return interruption

    def __exit__(self, *exc: object) -> None:
        self.end()

    def end(self, undo: Callable[[], object] | None = None) -> None:
        """End the block.  Raises what a handler raises; ``undo`` is called before, while no other signal can interrupt it."""
        if self._previous is None:
            return
        interruption: BaseException | None = None
        try:
            set_signal_mask(self._previous)  # what the kernel has kept arrives now
            if _arrived and self._main:
                interruption = _call_handlers()
                if interruption is not None and undo is not None:
                    undo()
        finally:
            self._previous, _state.blocking = None, False
            late = _restore_handlers() if self._main else None
            if interruption or late:
                raise interruption or late  # type: ignore[misc]


def call_with_mask(mask: set[int], function: Callable[..., object], *args: Any) -> None:
    """Call ``function(*args)`` inside a `signals_blocked` block as if it were outside: with this mask, and with its handlers."""
    blocking, main = _state.blocking, bool(_deferred) and get_native_id() == os.getpid()
    blocked = set_signal_mask(mask)
    _state.blocking = False
    interruption = _restore_handlers() if main else None
    try:
        if interruption is not None:
            raise interruption
        function(*args)
    finally:
        interruption = _replace_handlers() if main else None
        _state.blocking = blocking
        set_signal_mask(blocked)
        if interruption is not None:
            raise interruption


class Rollback:
    """Undo, in reverse order, what a failing ``with`` block has done so far; do nothing if the block succeeds.

    ``rollback(function, *args)`` registers one step.  If a step fails, the others are still undone, and the caller gets the
    error that ended the block.  Signals are blocked in the block (`signals_blocked`); what a handler raises is raised at its
    end, as if by its last line.
    """

    __slots__ = ("_blocked", "_steps")

    def __init__(self) -> None:
        self._steps: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self._blocked = signals_blocked()

    def __call__(self, function: Callable[..., object], *args: Any) -> None:
        self._steps.append((function, args))

    def undo(self) -> None:
        """Undo everything that has been registered.  A KeyboardInterrupt or SystemExit is raised at the end."""
        interruption: BaseException | None = None
        while self._steps:
            function, args = self._steps.pop()
            try:
                function(*args)
            except Exception:
                pass
            except BaseException as error:
                interruption = interruption or error
        if interruption is not None:
            raise interruption

    def call_unblocked(self, function: Callable[..., object], *args: Any) -> None:
        """Call ``function(*args)``, which may take long, with signals unblocked: what a handler raises is raised here."""
        try:
            self._blocked.end()
            function(*args)
        finally:
            interruption = self._blocked._begin()  # in any case: an interruption ends the block, and is undone in it
            if interruption is not None:
                raise interruption

    def __enter__(self) -> Rollback:
        self._blocked.__enter__()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            try:
                if kind is not None:
                    self.undo()
            finally:
                self._blocked.end(self.undo)
        except BaseException:
            with signals_blocked():
                self.undo()
            raise
