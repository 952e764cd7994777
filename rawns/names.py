"""Names of network namespaces: files under /run/netns, each with its namespace mounted on it (ip-netns(8)).

Floor 2.  How `ip` makes, finds and removes them; what is done here, `ip netns` sees.  Each step that makes something
tells the caller's `Rollback` how it is undone.
"""

from __future__ import annotations

import os
import stat
from errno import EACCES, EINVAL, ELOOP, ENOENT, ENOTDIR, EPERM, ESRCH

from . import syscalls, uapi
from .errors import InvalidValue, SyscallError

NETNS_DIR = "/run/netns"
MARKED = stat.S_ISVTX  # the mode of files that hold a mark, or will: on a file it means nothing else, and no umask takes it
ABSENT = (ENOENT, ENOTDIR, ELOOP, ESRCH, EACCES, EPERM)  # there is nothing, or nothing we may look at
HERE = "/proc/thread-self/ns/net"  # never /proc/self: that is the main thread's


def check(name: str) -> str:
    """``name`` if it can name a namespace: one path component of at most 255 bytes.  Raises `InvalidValue`."""
    if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or "\0" in name:
        raise InvalidValue(f"{name!r} cannot name a network namespace: it must be one path component")
    try:
        size = len(name) if name.isascii() else len(os.fsencode(name))
    except UnicodeEncodeError:
        raise InvalidValue(f"{name!r} cannot name a network namespace: it cannot be written as bytes") from None
    if size > 255:
        raise InvalidValue(f"{name[:20]!r}... cannot name a network namespace: a name has at most 255 bytes")
    return name


def path_of(name: str) -> str:
    """Where a name is mounted.  Raises `InvalidValue`."""
    return f"{NETNS_DIR}/{check(name)}"


def identity(path: str) -> tuple[int, int] | None:
    """(st_dev, st_ino) of a file; None where there is nothing, or nothing we may look at."""
    try:
        status = syscalls.stat(path)
    except OSError as error:
        if error.errno not in ABSENT:
            raise
        return None
    return status.st_dev, status.st_ino


def pids_in(identity_: tuple[int, int]) -> list[int]:
    """The processes whose main thread is in the namespace of this identity, in order; those we may not look at are left out."""
    pids = sorted(int(entry) for entry in syscalls.listdir("/proc") if entry.isdigit())
    return [pid for pid in pids if identity(f"/proc/{pid}/ns/net") == identity_]


def listed(stale: bool = False) -> list[str]:
    """The names there are, sorted; with ``stale`` those that have no namespace under them."""
    try:
        names = syscalls.listdir(NETNS_DIR)
    except FileNotFoundError:
        return []
    nsfs = syscalls.stat(HERE).st_dev
    found = {name: identity(f"{NETNS_DIR}/{name}") for name in names}
    return sorted(name for name, there in found.items() if (there is None or there[0] != nsfs) == stale)


def claim(name: str, undo: syscalls.Rollback, mark: bytes = b"") -> str:
    """A file under this name, made by us alone; its path.  The directory has been prepared.

    It is empty, or says ``mark``: whose it is, to whoever finds it with nothing mounted on it.
    """
    path = path_of(name)
    access, mode = (os.O_WRONLY, MARKED) if mark else (os.O_RDONLY, 0)
    file = syscalls.open_(path, access | os.O_CREAT | os.O_EXCL, mode)
    undo(syscalls.unlink, path)
    try:
        if mark:
            syscalls.write(file, mark)
    finally:
        syscalls.close(file)
    return path


def abandoned(name: str) -> bool:
    """Whether the file of a name was made to hold a mark, and its maker was killed before it could write it.

    It is empty then, of the mode that only such files have, and nobody has it open: then alone is there a lease to be had.
    """
    import fcntl

    try:
        file = os.open(path_of(name), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        status = os.fstat(file)
        if status.st_size or stat.S_IMODE(status.st_mode) != MARKED:
            return False
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        return True
    except OSError:
        return False
    finally:
        os.close(file)


def mark_of(name: str) -> str:
    """What stands in the file of a stale name; empty where nothing does, or where a namespace is mounted on it."""
    try:
        with open(path_of(name), "rb") as file:
            return file.read(1024).decode("utf-8", "replace")
    except OSError:  # nsfs files cannot be read
        return ""


def bind(fd: int, path: str, undo: syscalls.Rollback) -> None:
    """Mount the namespace behind a descriptor on a file."""
    syscalls.mount(f"/proc/thread-self/fd/{fd}", path, "none", uapi.MS_BIND, None)
    undo(syscalls.umount2, path, uapi.MNT_DETACH)


def remove(name: str) -> None:
    """Take a name away; a stale one too.  Raises FileNotFoundError (`SyscallError`) where there is none."""
    path = path_of(name)
    try:
        syscalls.umount2(path, uapi.MNT_DETACH)
    except SyscallError as error:
        if error.errno not in (EINVAL, ENOENT):  # nothing mounted: unlink decides what that means
            raise
    syscalls.unlink(path)


def prepare(undo: syscalls.Rollback) -> None:
    """/run/netns as `ip` makes it: a mount of its own, shared, so that names reach every mount namespace.

    Two processes that find it unprepared would stack mounts for ever; hence the lock, which `ip` takes too.
    """
    lock = _directory(undo)
    try:
        try:
            syscalls.flock(lock, uapi.LOCK_EX | uapi.LOCK_NB)
        except BlockingIOError:  # another process is at it; wait where Ctrl-C is heard
            undo.call_unblocked(syscalls.flock, lock, uapi.LOCK_EX)
        _share(undo)
    finally:
        syscalls.close(lock)


def _share(undo: syscalls.Rollback) -> None:
    """Make /run/netns a shared mount; under the lock."""
    try:
        syscalls.mount("", NETNS_DIR, "none", uapi.MS_SHARED | uapi.MS_REC, None)
    except SyscallError as error:
        if error.errno != EINVAL:  # EINVAL: not a mount point yet
            raise
        syscalls.mount(NETNS_DIR, NETNS_DIR, "none", uapi.MS_BIND | uapi.MS_REC, None)
        undo(_unprepare)
        syscalls.mount("", NETNS_DIR, "none", uapi.MS_SHARED | uapi.MS_REC, None)


def _directory(undo: syscalls.Rollback) -> int:
    """A descriptor of /run/netns, made where it is not there."""
    try:
        return syscalls.open_(NETNS_DIR, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:  # not `mkdir` first, as `ip` does: an exception each time costs more than the call
        pass
    try:
        syscalls.mkdir(NETNS_DIR, 0o755)
        undo(syscalls.rmdir, NETNS_DIR)
    except FileExistsError:
        pass  # somebody was quicker
    return syscalls.open_(NETNS_DIR, os.O_RDONLY | os.O_DIRECTORY)


def _unprepare() -> None:
    """Take our mount of /run/netns away again, unless somebody has come to use it in the meantime."""
    if not syscalls.listdir(NETNS_DIR):
        syscalls.umount2(NETNS_DIR, uapi.MNT_DETACH)
