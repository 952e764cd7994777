"""Threads and network namespaces: move a thread into one and back, or use a thread that ends there.

setns(2) and unshare(2) move the calling thread only.  A thread may return to a namespace only if it has CAP_SYS_ADMIN in the
user namespace that owns it.  That is not so, for instance, after ``unshare --user --map-root-user``: such a process may create
namespaces and enter them, but its thread could never return.
"""

from __future__ import annotations

import os
import sys
from _thread import _local as local  # `threading.local` without `threading`, which takes 3 ms to import
from _thread import get_ident, get_native_id, start_new_thread

from . import netns_names, privileges, syscalls, uapi
from .errors import NamespaceRestoreError, RawnsError, SyscallError
from .netns_names import HERE
from .rollback import signals_blocked, start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Thread
    from typing import Any, Protocol, TypeVar

    class HasDescriptor(Protocol):
        """A namespace, or an object that stands for one."""

        def fileno(self) -> int: ...

    Answer = TypeVar("Answer")

MAX_RETURN_ATTEMPTS = 100  # a signal handler may raise during each


class _ThreadState(local):
    """The blocks that the calling thread is in (`ThreadNamespace`), and whether `rawns` has started the thread."""

    def __init__(self) -> None:
        self.blocks: dict[int, bool] = {}  # by id, in the order of their beginnings: whether the thread may have left one since
        self.outermost = -1  # a descriptor of the namespace in which the first of them began
        self.started_here = False


_state = _ThreadState()


class ThreadNamespace:
    """Restore the calling thread's network namespace at the end of a ``with`` block.

    If ``fd`` is given, the block begins by entering that namespace, whose ``identity`` is (st_dev, st_ino), and the thread
    must still be there at its end.  If a function of this module has moved it elsewhere, it is moved to the namespace in which
    the outermost block of this thread began, and `RawnsError` is raised: two blocks have overlapped, as those of two
    coroutines do when one of them awaits.

    Raises PermissionError (`SyscallError`) at the beginning if the thread may not enter, or could not return;
    `NamespaceRestoreError` if the kernel does not let it return.
    """

    __slots__ = ("_fd", "_home", "_identity", "_thread")

    def __init__(self, fd: int = -1, identity: tuple[int, int] | None = None) -> None:
        self._fd, self._identity = fd, identity
        self._home = -1  # a descriptor of the namespace to return to; -1 outside of the block

    def __enter__(self) -> None:
        self._thread = get_ident()
        try:
            with signals_blocked():
                self._begin()
        except BaseException:
            with signals_blocked():
                self._end()
            raise

    def _begin(self) -> None:
        home = syscalls.open_(HERE, os.O_RDONLY)
        try:
            syscalls.setns(home, uapi.CLONE_NEWNET)  # proves that the thread will be allowed to return
        except PermissionError as error:
            there = self._fd >= 0 and _is_in(self._fd)
            syscalls.close(home)
            if there:
                return  # an ordinary user may not even enter the namespace that the thread is in: nothing is to be done
            _explain_no_return(error)
            raise
        except BaseException:
            syscalls.close(home)
            raise
        if not _state.blocks:
            _state.outermost = home
        _state.blocks[id(self)] = False
        self._home = home
        if self._fd >= 0:
            syscalls.setns(self._fd, uapi.CLONE_NEWNET)

    def __exit__(self, *exc: object) -> None:
        if get_ident() != self._thread:
            raise RawnsError("a block inside a network namespace must end on the thread that began it")
        if self._home < 0:
            return
        with signals_blocked():
            left = False
            try:
                left = self._has_left()
            finally:
                self._end(left)
        if left:
            raise RawnsError(
                "this thread left the network namespace during the block that had entered it, as when two blocks overlap because "
                "a coroutine awaits in one; the thread is back in the namespace in which the outermost block began"
            )

    def _has_left(self) -> bool:
        """Return whether the thread is elsewhere than the block has moved it.

        That is looked up only if it may be so, since stat(2) takes 4 us.  Blocks that should have ended before will look, too.
        """
        blocks = _state.blocks
        keys = list(blocks)
        if keys[-1] != id(self):
            blocks.update(dict.fromkeys(keys[keys.index(id(self)) :], True))
        if not blocks[id(self)] or self._identity is None:
            return False
        status = syscalls.stat(HERE)
        return (status.st_dev, status.st_ino) != self._identity

    def _end(self, to_outermost: bool = False) -> None:
        home, self._home = self._home, -1
        if home >= 0:
            _end_block(id(self), home, to_outermost)

    def __del__(self) -> None:
        """Return from a block whose end was never reached, because a signal handler raised between the block and `__exit__`."""
        if self._home < 0 or get_ident() != self._thread:
            return  # the thread that is inside cannot be moved by another
        try:
            with signals_blocked():
                self._end()
        except SystemExit as error:  # Python ignores what is raised here, and the thread must not go on
            _write_error(str(error))
            os._exit(1)


def _end_block(key: int, home: int, to_outermost: bool = False) -> None:
    """Return from a block to its ``home``, or to the namespace of the outermost block; close what is not needed any more."""
    blocks, outermost = _state.blocks, _state.outermost
    blocks.pop(key, None)
    try:
        _return_to(outermost if to_outermost else home)
    finally:
        if home != outermost:
            syscalls.close(home)
        if not blocks:
            _state.outermost = -1
            syscalls.close(outermost)


def _return_to(home: int) -> None:
    """Move the thread to its ``home``.  What a signal handler raises is raised afterwards; see `NamespaceRestoreError`."""
    interruption: BaseException | None = None
    for _ in range(MAX_RETURN_ATTEMPTS):
        try:
            syscalls.setns(home, uapi.CLONE_NEWNET)
            break
        except OSError as error:
            if not _is_in(home):  # if it is, the thread has not left: the call that should have moved it has failed
                _cannot_return(error)
            break
        except BaseException as error:
            interruption = error
    else:
        _cannot_return(interruption)
    if interruption is not None:
        raise interruption


def _cannot_return(error: BaseException | None) -> None:
    """Raise what ends this thread: see `NamespaceRestoreError`."""
    sentence = f"this thread cannot return to its network namespace: {error}"
    if _state.started_here or get_native_id() == os.getpid():
        raise NamespaceRestoreError(sentence)
    _write_error(sentence)
    raise SystemExit(sentence)  # of any other class, even one derived from it, `threading` shows a traceback


def _write_error(sentence: str) -> None:
    try:
        if sys.stderr is not None:
            print(sentence, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        pass  # standard error is closed


def _is_in(fd: int) -> bool:
    """Return whether the calling thread is in the network namespace of a descriptor."""
    try:
        here = netns_names.identity(HERE)
        return here is not None and here == netns_names.identity(f"/proc/thread-self/fd/{fd}")
    except OSError:
        return False  # nothing proves it


def _explain_no_return(error: PermissionError) -> None:
    if isinstance(error, SyscallError) and privileges.capable(uapi.CAP_SYS_ADMIN):
        error.hint = (
            "the network namespace of this thread belongs to another user namespace, so that it could not return to it: "
            "use `call`, which enters on a thread that ends there, or run inside `rawns rootless`"
        )


def enter(fd: int) -> None:
    """Move the calling thread into a network namespace and leave it there.  Raises `SyscallError`.

    An ordinary user may "enter" the namespace that the thread is in already, although setns(2) refuses that.
    """
    for key in list(_state.blocks)[-1:]:
        _state.blocks[key] = True
    try:
        syscalls.setns(fd, uapi.CLONE_NEWNET)
    except PermissionError:
        if not _is_in(fd):
            raise


def call_and_restore(function: Callable[..., Answer], *args: Any) -> Answer:
    """Call ``function(*args)``, which may move its thread between network namespaces; return its result.

    The calling thread is moved back at the end.  If the kernel would not allow that, the function is called on a new thread,
    which ends with it.  Raises what the function raises, and as `ThreadNamespace` and `call_on_thread`.
    """
    block = ThreadNamespace()
    try:
        block.__enter__()
    except PermissionError:
        return call_on_thread(function, *args)
    try:
        return function(*args)
    finally:
        block.__exit__()


def call_inside(namespace: HasDescriptor, function: Callable[..., Answer], *args: Any) -> Answer:
    """Call ``function(*args)`` inside a namespace; return its result.

    Unlike `NetNS.call`, it is called on the calling thread, if that can return, and on a new thread only if it cannot.
    """

    def inside() -> Answer:
        enter(namespace.fileno())
        return function(*args)

    return call_and_restore(inside)


def call_on_thread(function: Callable[..., Answer], *args: Any) -> Answer:
    """Call ``function(*args)`` on a new thread, which ends with it; wait, and return its result or raise its exception.

    The thread is a daemon: it does not keep the interpreter from exiting.  Raises `RawnsError` if it cannot be started, or
    if it ends because it could not return to its network namespace (`NamespaceRestoreError`).
    """
    from _queue import SimpleQueue  # the C type alone: `queue` costs 3 ms

    answer: Any = SimpleQueue()

    def body() -> None:
        _state.started_here = True
        try:
            answer.put((function(*args), None))
        except NamespaceRestoreError as error:
            answer.put((None, RawnsError(f"{error}; the thread has ended, and the calling thread has not moved")))
        except BaseException as error:
            answer.put((None, error))

    if "threading" in sys.modules:
        import threading

        thread = threading.Thread(target=body, daemon=True, name="rawns")
        start_thread(thread.start)
        thread.join()
    else:  # importing it takes 3 ms, and nothing can have asked it to trace threads
        start_thread(start_new_thread, body, ())
    result, failure = answer.get()
    if failure is not None:
        raise failure
    return result  # type: ignore[no-any-return]


def start_background(function: Callable[..., object], *args: Any) -> Thread:
    """Start a thread that does not keep the interpreter from exiting and takes no signal from outside; return it.

    A signal that another thread takes does not end a system call of the main thread, whose handlers then have to wait for that.
    A program that this thread starts would begin with those signals blocked.
    Raises `RawnsError` if no thread can be started.
    """
    import threading

    thread = threading.Thread(target=function, args=args, daemon=True)
    with signals_blocked():  # a thread begins with the signals that its creator blocks
        start_thread(thread.start)
    return thread


def mark_own_thread() -> None:
    """Tell this module that the calling thread's function catches `NamespaceRestoreError`, and then ends."""
    _state.started_here = True
