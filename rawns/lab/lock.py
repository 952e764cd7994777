"""Locks of labs: empty files under /run/rawns, locked with flock(2).

Two kinds of lock share the files' rules.  `LabLock` excludes concurrent changes of one standing lab.  `OwnerLock` proves
that the process which made a namespace is alive: the stamp of the namespace names the owner's file, and the kernel
releases its lock when the process ends, however it ends.  The proof holds across pid and network namespaces and does not
depend on pids, which are reused.

The directory belongs to root and is closed to others (0700), so other users cannot take a lock.  A descriptor is closed on
exec (O_CLOEXEC) and in forked children: a child that outlives its parent owns nothing.  An owner whose work outlives it
renames its file when the work is complete.  An owner that has no file cannot be judged, because it may see another /run;
`owner_state` then says `UNKNOWN`, which callers must treat as alive.
"""

from __future__ import annotations

import os
import stat
from _thread import get_ident
from errno import EACCES, ELOOP

from .. import syscalls, uapi
from ..errors import RawnsError, SyscallError
from ..rollback import Rollback, signals_blocked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

LOCK_DIR = "/run/rawns"
ALIVE, DEAD, FINISHED, UNKNOWN = "alive", "dead", "finished", "unknown"  # what `owner_state` answers
OWNER, DONE = "owner-", "done-"  # what the name of an owner's file begins with; a lab's lock ends with ``.lock``
TOKEN_BYTES = 8  # of an owner's token, which is written in hexadecimal digits
MAX_ATTEMPTS = 1000  # to lock a file that other processes remove in the meantime

_held: dict[int, tuple[int, str, int]] = {}  # the locks of this process by descriptor: id(), lab if it is a lab's, thread
_fork_handler_registered = False


class LabBusyError(RawnsError):
    """Another process uses the lab, or is changing it."""


class _HeldFile:
    """A descriptor of a locked file.  A forked child has none: what it inherits is closed, and is not unlocked."""

    _fd = -1

    def _hold(self, fd: int, lab: str = "") -> None:
        global _fork_handler_registered
        if not _fork_handler_registered:
            os.register_at_fork(after_in_child=_close_inherited)
            _fork_handler_registered = True
        self._fd = fd
        _held[fd] = (id(self), lab, get_ident())

    def _is_held(self) -> bool:
        return self._fd in _held and _held[self._fd][0] == id(self)

    def release(self) -> None:
        """Release the lock and keep the file.  Does nothing if it has been released."""
        if self._fd >= 0:
            with signals_blocked():
                if self._is_held():
                    del _held[self._fd]
                    syscalls.close(self._fd)
                self._fd = -1


class LabLock(_HeldFile):
    """Hold the lock of a standing lab until the end of the block; with ``name`` None, hold nothing.

    Waits for as long as another process, or another thread, holds the lock; Ctrl-C ends the wait.  With ``wait`` False
    it raises `LabBusyError` instead.  Raises `SyscallError` if the lock file cannot be opened, `RawnsError` if it, or its
    directory, is not ours alone.
    """

    def __init__(self, name: str | None, wait: bool = True) -> None:
        self._name, self._wait = name, wait

    def __enter__(self) -> LabLock:
        if self._name is None:
            return self
        prepare_directory()
        with Rollback() as undo:
            undo(self.release)
            for _ in range(MAX_ATTEMPTS):
                fd = _interrupted_hold(self._name)
                self._hold(_open(f"{self._name}.lock", os.O_RDWR | os.O_CREAT) if fd is None else fd, self._name)
                self._lock(undo)
                if os.fstat(self._fd).st_nlink:  # not removed by the previous holder
                    return self
                self.release()
        raise LabBusyError(f"the lab {self._name} is brought up and taken down all the time; try again later")

    def _lock(self, undo: Rollback) -> None:
        try:
            syscalls.flock(self._fd, uapi.LOCK_EX | uapi.LOCK_NB)
        except BlockingIOError:
            if not self._wait:
                raise LabBusyError(f"the lab {self._name} is being changed by {_holder_of(self._fd)}") from None
            undo.call_unblocked(syscalls.flock, self._fd, uapi.LOCK_EX)

    def remove(self) -> None:
        """Remove the lock file, for a lab that is down.  A process that waits for it makes a new one."""
        if self._fd >= 0:
            unlink(f"{self._name}.lock")

    def __exit__(self, *exc: object) -> None:
        self.release()

    def __del__(self) -> None:
        """Release the lock if a signal handler raised after `__enter__`, before the block began."""
        self.release()


class OwnerLock(_HeldFile):
    """Prove, by a locked file, that this process is alive.  ``token`` identifies the file in stamps.

    After `release`, which keeps the file, the owner of what its stamps mark counts as dead.

    Raises `SyscallError` or `RawnsError` as `LabLock` does.
    """

    def __init__(self) -> None:
        prepare_directory()
        with Rollback() as undo:
            undo(self.remove)
            for _ in range(MAX_ATTEMPTS):
                self.token = os.urandom(TOKEN_BYTES).hex()
                self._hold(_open(OWNER + self.token, os.O_RDWR | os.O_CREAT | os.O_EXCL))
                try:
                    syscalls.flock(self._fd, uapi.LOCK_EX | uapi.LOCK_NB)
                    return
                except BlockingIOError:  # another process examines the file that we have just made
                    self.remove()
        raise RawnsError(f"no lock can be taken in {LOCK_DIR}: other processes lock every file there")

    def finish(self) -> None:
        """Release the lock and record that the owner has completed its work, which stays: it did not die over it."""
        if self._is_held():
            _rename(OWNER + self.token, DONE + self.token)
        self.release()

    def remove(self) -> None:
        """Release the lock and remove the file, if nothing is left that a stamp marks with the token."""
        if self._is_held():
            unlink(OWNER + self.token)
        self.release()


def is_token(text: str) -> bool:
    """Return whether a text can be an owner's token."""
    return len(text) == 2 * TOKEN_BYTES and all(character in "0123456789abcdef" for character in text)


def owner_state(token: str) -> str:
    """Return whether the process of a token is `ALIVE`, `DEAD`, or has `FINISHED`; `UNKNOWN` if that cannot be judged."""
    fd = _open_owner(token)
    if fd is None:
        return FINISHED if is_token(token) and os.path.lexists(f"{LOCK_DIR}/{DONE}{token}") else UNKNOWN
    try:
        return DEAD if _lock_shared(fd) else ALIVE
    finally:
        syscalls.close(fd)


def owner_name(token: str) -> str:
    """Return the owner of a token for a message: ``process 17``, or what can be said of it."""
    fd = _open_owner(token)
    if fd is None:
        return "a process that cannot be seen from here"
    try:
        return _holder_of(fd)
    finally:
        syscalls.close(fd)


def lab_is_locked(name: str) -> str:
    """Return the process that is changing a lab, as a message calls it; empty if there is none, or if that cannot be judged."""
    try:
        fd = _open(f"{name}.lock", os.O_RDONLY)
    except (OSError, RawnsError):
        return ""
    try:
        return "" if _lock_shared(fd) else _holder_of(fd)
    finally:
        syscalls.close(fd)


def abandon(tokens: Collection[str]) -> None:
    """Mark owners that have finished as dead before their labs are removed, so that `gc` completes an interrupted removal."""
    for token in tokens:
        if is_token(token) and owner_state(token) == FINISHED:
            _rename(DONE + token, OWNER + token)


def reinstate(tokens: Collection[str]) -> None:
    """Undo `abandon` for owners that still have something which is not to be removed."""
    for token in tokens:
        if is_token(token) and owner_state(token) == DEAD:
            _rename(OWNER + token, DONE + token)


def remove_owner_files(tokens: Collection[str]) -> None:
    """Remove the files of owners that are dead or have finished, and that no stamp names any more."""
    for token in tokens:
        state = owner_state(token)
        if state in (DEAD, FINISHED):
            unlink((OWNER if state == DEAD else DONE) + token)


def owner_tokens() -> Iterator[str]:
    """Yield the tokens of all owners that have a file here."""
    try:
        entries = syscalls.listdir(LOCK_DIR)
    except FileNotFoundError:
        return
    for entry in entries:
        for prefix in (OWNER, DONE):
            token = entry[len(prefix) :]
            if entry.startswith(prefix) and is_token(token):
                yield token


# -- files --------------------------------------------------------------------------------------------------------


def prepare_directory() -> None:
    """Create /run/rawns if it is not there.  Raises `RawnsError` if others can use it."""
    try:
        status = os.lstat(LOCK_DIR)
    except FileNotFoundError:
        try:
            syscalls.mkdir(LOCK_DIR, 0o700)
        except FileExistsError:
            pass  # another process was faster
        status = os.lstat(LOCK_DIR)
    if not stat.S_ISDIR(status.st_mode):
        raise RawnsError(f"{LOCK_DIR}, which holds the locks of labs, is not a directory; remove it")
    _check_owner(LOCK_DIR, status)


def _check_owner(path: str, status: os.stat_result) -> None:
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o077:
        raise RawnsError(
            f"{path} could be locked by other users: it belongs to user {status.st_uid} and has mode "
            f"{stat.S_IMODE(status.st_mode):04o}; remove it, or give it to root and close it to others"
        )


def _open(name: str, flags: int) -> int:
    """Open a lock file.  Raises `SyscallError`, or `RawnsError` if it is not a plain file of ours."""
    path = f"{LOCK_DIR}/{name}"
    try:
        fd = syscalls.open_(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except SyscallError as error:
        if error.errno == ELOOP:
            raise RawnsError(f"the lock file {path} is a symbolic link; remove it") from None
        raise
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise RawnsError(f"the lock file {path} is not a plain file; remove it")
        _check_owner(path, status)
    except BaseException:
        syscalls.close(fd)
        raise
    return fd


def _open_owner(token: str) -> int | None:
    """Return a descriptor of an owner's file; None if there is none, or none that we may open."""
    if not is_token(token):
        return None
    try:
        return _open(OWNER + token, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except SyscallError as error:
        if error.errno == EACCES:  # an ordinary user looks
            return None
        raise


def unlink(name: str) -> None:
    """Remove a lock file.  One that stays is empty and does no harm."""
    try:
        syscalls.unlink(f"{LOCK_DIR}/{name}")
    except SyscallError:
        pass


def _rename(old: str, new: str) -> None:
    """Rename an owner's file.  If that fails, the owner counts as what its file says, and `down` still removes everything."""
    try:
        syscalls.rename(f"{LOCK_DIR}/{old}", f"{LOCK_DIR}/{new}")
    except SyscallError:
        pass


def _lock_shared(fd: int) -> bool:
    """Try to take a shared lock: it fails only against a holder, never against another process that tries."""
    try:
        syscalls.flock(fd, uapi.LOCK_SH | uapi.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def _holder_of(fd: int) -> str:
    """Return the process that has locked a file (proc_locks(5)), which the kernel shows if it is in our pid namespace."""
    status = os.fstat(fd)
    inode = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        with open("/proc/locks", encoding="ascii", errors="replace") as file:
            for line in file:
                words = line.split()  # 1: FLOCK ADVISORY WRITE 1234 00:19:567 0 EOF
                if words[1:4] == ["FLOCK", "ADVISORY", "WRITE"] and words[5] == inode:
                    return f"process {words[4]}"
    except OSError:
        pass
    return "a process of another pid namespace"


# -- descriptors --------------------------------------------------------------------------------------------------


def _interrupted_hold(lab: str) -> int | None:
    """Return the descriptor of a lab's lock that this thread has already; None if there is none.

    The exception of a signal handler can end a ``with`` block and prevent its `__exit__`.  The lock then exists for as long as
    the exception is handled.  A clean-up that runs meanwhile would wait for it, and so for itself, for ever.
    """
    mine = (lab, get_ident())
    return next((fd for fd, (_, *holder) in list(_held.items()) if tuple(holder) == mine), None)


def _close_inherited() -> None:
    """Close, in a forked child, the locks of its parent; to unlock them would take them from the parent."""
    for fd in _held:
        os.close(fd)
    _held.clear()
