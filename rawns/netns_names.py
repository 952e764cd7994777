"""Names of network namespaces: files under /run/netns, each with its namespace mounted on it (ip-netns(8)).

They are created, found and removed as by `ip`, which therefore sees them.  Each function that creates something registers
in the caller's `Rollback` how that is undone.

Other programs can put anything into the directory.  A symbolic link to a namespace (``ln -s /proc/PID/ns/net
/run/netns/NAME``) is a name, as for `ip`; it is removed without touching its target.  FIFOs, devices, sockets and
dangling links are listed as stale names; they are never opened, and can be removed.
"""

from __future__ import annotations

import os
import stat
from errno import EACCES, EBUSY, EINVAL, ELOOP, ENOENT, ENOTDIR, ENOTTY, EPERM, ESRCH

from . import syscalls, uapi
from .errors import InvalidValue, RawnsError, SyscallError
from .observer import observed_call
from .rollback import Rollback, signals_blocked
from .terminal import printable, short_repr

NETNS_DIR = "/run/netns"
ETC_DIR = "/etc/netns"  # of files that `ip netns exec` mounts over those of /etc
MAX_NAME_BYTES = 255
MAX_MARK_BYTES = 1024
MAX_FDINFO_BYTES = 4096
MARKED_MODE = stat.S_ISVTX  # of a file that contains a mark, or will; on a file it means nothing else, and no umask removes it
ABSENT = (ENOENT, ENOTDIR, ELOOP, ESRCH, EACCES, EPERM)  # there is nothing, or nothing that we may see
HERE = "/proc/thread-self/ns/net"  # never /proc/self, which is the main thread's
SAFE_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY  # does not wait for the writer of a FIFO


def check(name: str) -> str:
    """Return ``name`` if it can name a namespace: one path component of at most 255 bytes.  Raises `InvalidValue`."""
    if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or "\0" in name:
        raise InvalidValue(f"{short_repr(name)} cannot name a network namespace: it must be one path component")
    try:
        size = len(name) if name.isascii() else len(os.fsencode(name))
    except UnicodeEncodeError:
        raise InvalidValue(f"{short_repr(name)} cannot name a network namespace: it cannot be encoded as a file name") from None
    if size > MAX_NAME_BYTES:
        raise InvalidValue(f"{name[:20]!r}... cannot name a network namespace: a name has at most {MAX_NAME_BYTES} bytes")
    return name


def path_of(name: str) -> str:
    """Return the path of a name's file.  Raises `InvalidValue`."""
    return f"{NETNS_DIR}/{check(name)}"


def identity(path: str) -> tuple[int, int] | None:
    """Return (st_dev, st_ino) of a file; None if there is nothing, or nothing that we may see."""
    try:
        status = syscalls.stat(path)
    except OSError as error:
        if error.errno not in ABSENT:
            raise
        return None
    return status.st_dev, status.st_ino


def pids_in(namespace: tuple[int, int]) -> list[int]:
    """Return the processes whose main thread is in a namespace, by its identity, sorted; without those that we may not see."""
    pids = sorted(int(entry) for entry in syscalls.listdir("/proc") if entry.isdigit())
    return [pid for pid in pids if identity(f"/proc/{pid}/ns/net") == namespace]


def listed(stale: bool = False) -> list[str]:
    """Return the names under /run/netns, sorted; with ``stale`` those that lead to no namespace."""
    try:
        names = syscalls.listdir(NETNS_DIR)
    except FileNotFoundError:
        return []
    nsfs = syscalls.stat(HERE).st_dev
    found = {name: identity(f"{NETNS_DIR}/{name}") for name in names}
    return sorted(name for name, there in found.items() if (there is None or there[0] != nsfs) == stale)


def open_namespace(path: str) -> int:
    """Open a file that should be a network namespace; return the descriptor.

    Raises `InvalidValue` if it is anything else; such a file is not opened unless it has just taken the place of another.
    """
    try:
        regular = stat.S_ISREG(syscalls.stat(path).st_mode)
    except OSError:
        regular = True  # `open` fails as well, and says why
    if not regular:
        raise not_a_namespace(path)
    fd = syscalls.open_(path, SAFE_OPEN)
    try:
        return check_descriptor(fd, path)
    except BaseException:
        syscalls.close(fd)
        raise


def check_descriptor(fd: int, what: str) -> int:
    """Return ``fd`` if it is a network namespace (NS_GET_NSTYPE of ioctl_ns(2)).  Raises `InvalidValue` about ``what``."""
    try:
        kind = syscalls.ioctl(fd, uapi.NS_GET_NSTYPE)
    except SyscallError as error:
        if error.errno in (ENOTTY, EINVAL):
            raise not_a_namespace(what) from None
        raise
    if kind != uapi.CLONE_NEWNET:
        raise InvalidValue(f"{printable(what)} is a namespace, but not a network namespace")
    return fd


def not_a_namespace(what: str) -> InvalidValue:
    """Return the error for a file that is not a network namespace."""
    stale = ": nothing is mounted on it, the name is stale" if what.startswith(f"{NETNS_DIR}/") else ""
    return InvalidValue(f"{printable(what)} is not a network namespace{stale}")


# -- creating and removing -----------------------------------------------------------------------------------------


def claim(name: str, undo: Rollback, mark: bytes = b"") -> str:
    """Create the file of a name that nothing else has; return its path.  /run/netns must be prepared (`prepare`).

    The file is empty, or contains ``mark``, which says whose it is until a namespace is mounted on it.  Raises FileExistsError
    (`SyscallError`) if the name is taken.
    """
    path = path_of(name)
    access, mode = (os.O_WRONLY, MARKED_MODE) if mark else (os.O_RDONLY, 0)
    try:
        file = syscalls.open_(path, access | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        assert isinstance(error, SyscallError)
        error.hint = f"the name {printable(name)} is taken"
        raise
    undo(syscalls.unlink, path)
    try:
        if mark:
            syscalls.write(file, mark)
    finally:
        syscalls.close(file)
    return path


def mount_namespace(fd: int, path: str, undo: Rollback) -> None:
    """Mount the namespace that a descriptor refers to on a file."""
    syscalls.mount(f"/proc/thread-self/fd/{fd}", path, "none", uapi.MS_BIND, None)
    undo(syscalls.umount2, path, uapi.MNT_DETACH)


def remove(name: str) -> None:
    """Remove a name, stale or not: ``ip netns del NAME``.  Of a symbolic link, the target is left alone.

    Raises FileNotFoundError (`SyscallError`) if there is no such name.
    """
    path = path_of(name)
    try:
        syscalls.umount2(path, uapi.MNT_DETACH | uapi.UMOUNT_NOFOLLOW)
    except SyscallError as error:
        if error.errno not in (EINVAL, ENOENT):  # nothing is mounted on it: unlink decides what that means
            raise
    try:
        syscalls.unlink(path)
    except SyscallError as error:
        if error.errno == ENOENT:
            error.hint = f"no network namespace is called {printable(name)}"
        elif error.errno == EBUSY:
            error.hint = f"something else is mounted on it: `umount {printable(path)}` first"
        raise


def remove_own(name: str, identity: tuple[int, int]) -> None:
    """Remove the name of a namespace.

    Raises `RawnsError`, and leaves the name alone, if it leads to another namespace by now; FileNotFoundError (`SyscallError`)
    if it does not exist any more.
    """
    with signals_blocked():
        if leads_elsewhere(name, identity):
            raise RawnsError(f"the name {name!r} belongs to another network namespace by now; it is left alone")
        remove(name)


def leads_elsewhere(name: str, identity: tuple[int, int]) -> bool:
    """Return whether a name leads to another namespace.  A file on which nothing is mounted is a rest of this one."""
    path = path_of(name)
    try:
        status = syscalls.stat(path)
    except FileNotFoundError as error:
        assert isinstance(error, SyscallError)
        if os.path.islink(path):
            return True
        error.hint = f"no network namespace is called {printable(name)}"
        raise
    return (status.st_dev, status.st_ino) != identity and status.st_dev == identity[0]


def prepare(undo: Rollback) -> None:
    """Make /run/netns a mount of its own, shared, as `ip` does, so that names reach every mount namespace.

    Two processes that both found it unprepared would stack mounts for ever; therefore it is locked, as by `ip`.
    """
    lock = _open_directory(undo)
    try:
        try:
            syscalls.flock(lock, uapi.LOCK_EX | uapi.LOCK_NB)
        except BlockingIOError:  # another process has the lock; wait for it with signals unblocked
            undo.call_unblocked(syscalls.flock, lock, uapi.LOCK_EX)
        _share(lock, undo)
    finally:
        syscalls.close(lock)


def _share(directory: int, undo: Rollback) -> None:
    """Make /run/netns, which is open as ``directory``, a shared mount; the caller holds the lock.

    It is mounted on itself only if it is not a mount yet: the copy would be mounted on each mount of its peer group, which
    doubles their number, and each name would then be mounted on all of them.
    """
    try:
        syscalls.mount("", NETNS_DIR, "none", uapi.MS_SHARED | uapi.MS_REC, None)
    except SyscallError as error:
        if error.errno != EINVAL or _mount_id(directory) != _mount_id_of_parent():  # EINVAL: it is not a mount point
            raise
        syscalls.mount(NETNS_DIR, NETNS_DIR, "none", uapi.MS_BIND | uapi.MS_REC, None)
        undo(_unmount_directory)
        syscalls.mount("", NETNS_DIR, "none", uapi.MS_SHARED | uapi.MS_REC, None)


def _mount_id(fd: int) -> str:
    """Return the identifier of the mount that a descriptor was opened on (mnt_id of proc_pid_fdinfo(5))."""
    info = syscalls.open_(f"/proc/thread-self/fdinfo/{fd}", os.O_RDONLY)
    try:
        return next(line for line in syscalls.read(info, MAX_FDINFO_BYTES).split(b"\n") if line.startswith(b"mnt_id:")).decode()
    finally:
        syscalls.close(info)


def _mount_id_of_parent() -> str:
    """Return the identifier of the mount that contains the name of /run/netns."""
    parent = syscalls.open_(os.path.dirname(NETNS_DIR), os.O_RDONLY | os.O_DIRECTORY)
    try:
        return _mount_id(parent)
    finally:
        syscalls.close(parent)


def _open_directory(undo: Rollback) -> int:
    """Open /run/netns, which is created if necessary; return the descriptor."""
    try:
        return syscalls.open_(NETNS_DIR, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:  # not `mkdir` first, as `ip` does: an exception each time costs more than the call
        pass
    try:
        syscalls.mkdir(NETNS_DIR, 0o755)
        undo(syscalls.rmdir, NETNS_DIR)
    except FileExistsError:
        pass  # another process has created it in the meantime
    return syscalls.open_(NETNS_DIR, os.O_RDONLY | os.O_DIRECTORY)


def _unmount_directory() -> None:
    """Undo the mount of /run/netns unless another process has created a name in the meantime."""
    if not syscalls.listdir(NETNS_DIR):
        syscalls.umount2(NETNS_DIR, uapi.MNT_DETACH)


# -- marks: the content of a name's file before its namespace is mounted ----------------------------------------------


def abandoned(name: str) -> bool:
    """Return whether a name's file was created to contain a mark, by a process that was killed before it could write the mark.

    The file is then empty, has the mode that only such files have, and no process has it open: only then does the kernel
    grant a lease on it (F_SETLEASE of fcntl(2)).
    """
    import fcntl

    file = _open_marked(name)
    if file < 0:
        return False
    try:
        status = syscalls.stat(file)
        if status.st_size or stat.S_IMODE(status.st_mode) != MARKED_MODE:
            return False
        observed_call("fcntl", fcntl.fcntl, file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        return True
    except OSError:
        return False
    finally:
        syscalls.close(file)


def mark_of(name: str) -> str:
    """Return the content of a stale name's file; an empty string if there is none, or if a namespace is mounted on it."""
    file = _open_marked(name)
    if file < 0:
        return ""
    try:
        data = syscalls.read(file, MAX_MARK_BYTES)
    except OSError:  # files of nsfs cannot be read
        return ""
    finally:
        syscalls.close(file)
    return data.decode("utf-8", "replace")


def _open_marked(name: str) -> int:
    """Open a name's file if it is a regular file, so that neither a FIFO nor a device is opened; return -1 if not."""
    path = path_of(name)
    try:
        if stat.S_ISREG(observed_call("lstat", os.lstat, path).st_mode):
            return syscalls.open_(path, SAFE_OPEN | os.O_NOFOLLOW)
    except OSError:
        pass
    return -1
