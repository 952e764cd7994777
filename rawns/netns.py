"""Network namespaces: create, open, list, delete, enter (network_namespaces(7), ip-netns(8)).

Floor 4.  A `Namespace` is a descriptor, and a name if it has one.  A name is a file under /run/netns with the
namespace mounted on it: what is made here, `ip netns` sees, and the other way round.  Nothing is forked and no state
is kept; two of them are the same where (st_dev, st_ino) of their descriptors are.

``setns`` and ``unshare`` move one thread.  Every function here works from any thread and leaves it where it was.
"""

from __future__ import annotations

import os
from _thread import get_ident
from errno import EINVAL, ENOENT, ENOTTY

from . import syscalls, uapi
from .errors import InvalidValue, RawnsError, Stranded, SyscallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import subprocess
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar, Union

    Name = Union[str, "os.PathLike[str]"]
    Self = TypeVar("Self", bound="Namespace")
    Answer = TypeVar("Answer")
    Names = list[str]  # `list` means something else inside the class
    Pids = list[int]

NETNS_DIR = "/run/netns"
ETC_DIR = "/etc/netns"
HERE = "/proc/thread-self/ns/net"  # never /proc/self: that is the main thread's


def check_name(name: str) -> str:
    """``name`` if it can name a namespace: one path component of at most 255 bytes.  Raises `InvalidValue`."""
    if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or "\0" in name:
        raise InvalidValue(f"{name!r} cannot name a network namespace: it must be one path component")
    if len(os.fsencode(name)) > 255:
        raise InvalidValue(f"{name[:20]!r}... cannot name a network namespace: a name has at most 255 bytes")
    return name


def path_of(name: str) -> str:
    """Where a name is mounted.  Raises `InvalidValue`."""
    return f"{NETNS_DIR}/{check_name(name)}"


class Namespace:
    """One network namespace, held by a descriptor.  Made by `create`, `open` and `current`, not by its constructor.

    ``name`` is its name under /run/netns, or None; ``fd`` its descriptor.  As a context manager it deletes, at the
    end of the block, what `create` made, and only closes what `open` opened.
    """

    def __init__(self, fd: int, name: str | None = None, made: bool = False) -> None:
        self.fd, self.name, self._made = fd, name, made

    # -- where they come from ------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls: type[Self], name: str | None = None, *, inside: Callable[[], object] | None = None, prepared: bool = False
    ) -> Self:
        """Make a namespace: ``ip netns add NAME``, or without a name one that lives as long as its descriptor.

        Its ``lo`` is down.  Raises `InvalidValue` for what cannot be a name, FileExistsError (`SyscallError`) for one
        that is taken, `SyscallError` where the kernel refuses; then nothing is left behind.

        ``inside`` is called in it, by this thread, before the name leads to it: what there is to do at once needs no
        second visit.  ``prepared`` says that `prepare` has been called, once for many.
        """
        with syscalls.Rollback() as undo:
            path = None if name is None else _claim(name, undo, prepared)
            fd = _unshared(undo, inside)
            if path is not None:
                _mount(fd, path, undo)
            return cls(fd, name, made=True)

    @classmethod
    def open(cls: type[Self], name: Name | None = None, *, pid: int | None = None, fd: int | None = None) -> Self:
        """Open a namespace by its name, by a path (anything with a slash), of a process, or by a descriptor (duplicated).

        Raises FileNotFoundError (`SyscallError`) where there is none, `InvalidValue` for a name that cannot be one
        or a file that is no network namespace (a stale name, for one).
        """
        if [name, pid, fd].count(None) != 2:
            raise InvalidValue("one of name, pid and fd says which network namespace to open")
        if fd is not None:
            return cls(_checked(syscalls.perform("dup", os.dup, fd), f"descriptor {fd}"))
        known = None
        if pid is not None:
            path = f"/proc/{pid:d}/ns/net"
        else:
            path = os.fspath(name or "")
            if "/" not in path:
                known, path = path, path_of(path)
        try:
            return cls(_checked(syscalls.open_(path, os.O_RDONLY), path), known)
        except FileNotFoundError as error:
            if isinstance(error, SyscallError) and known is not None:
                error.hint = f"no network namespace is called {known}"
            raise

    @classmethod
    def current(cls: type[Self]) -> Self:
        """The namespace the calling thread is in."""
        return cls(syscalls.open_(HERE, os.O_RDONLY))

    @staticmethod
    def list(stale: bool = False) -> Names:
        """The names under /run/netns, sorted: ``ip netns list``.

        A file there with no namespace on it is stale: left out, or with ``stale`` the only thing listed.
        """
        try:
            names = syscalls.listdir(NETNS_DIR)
        except FileNotFoundError:
            return []
        nsfs = syscalls.stat(HERE).st_dev
        return sorted(name for name in names if (_device(f"{NETNS_DIR}/{name}") != nsfs) == stale)

    @staticmethod
    def remove(name: str) -> None:
        """Take a name away: ``ip netns del NAME``.  Works on a stale name too.

        The namespace itself ends when nobody is in it or holds it any more.  Raises FileNotFoundError
        (`SyscallError`) where there is no such name.
        """
        path = path_of(name)
        try:
            syscalls.umount2(path, uapi.MNT_DETACH)
        except SyscallError as error:
            if error.errno not in (EINVAL, ENOENT):  # nothing mounted: unlink decides what that means
                raise
        syscalls.unlink(path)

    # -- what they are --------------------------------------------------------------------------------------------

    @property
    def identity(self) -> tuple[int, int]:
        """(st_dev, st_ino): equal for two descriptors of the same namespace, and for nothing else while it lives."""
        status = syscalls.stat(self._open())
        return status.st_dev, status.st_ino

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Namespace) or -1 in (self.fd, other.fd):
            return self is other
        return self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name or 'anonymous'} fd={self.fd}>"

    def fileno(self) -> int:
        return self.fd

    def names(self) -> Names:
        """The names it has under /run/netns, sorted: ``ip netns identify``."""
        mine = self.identity
        return sorted(name for name in self.list() if _identity(f"{NETNS_DIR}/{name}") == mine)

    def pids(self) -> Pids:
        """The processes whose main thread is in it, in order: ``ip netns pids``.  Those we may not look at are left out."""
        mine = self.identity
        pids = sorted(int(entry) for entry in syscalls.listdir("/proc") if entry.isdigit())
        return [pid for pid in pids if _identity(f"/proc/{pid}/ns/net") == mine]

    # -- their end ------------------------------------------------------------------------------------------------

    def attach(self, name: str) -> None:
        """Give it a name: ``ip netns attach NAME PID``.  Raises as `create` does, leaving nothing behind."""
        with syscalls.Rollback() as undo:
            _mount(self.fd, _claim(name, undo), undo)
        self.name = name

    def delete(self) -> None:
        """Take its name away (``ip netns del``) and close it; one without a name is closed.

        The name is left alone where it is another namespace's by now: `RawnsError`.  Raises FileNotFoundError
        (`SyscallError`) where it is gone.  Where this raises, the descriptor is still open: try again, or `close`.
        """
        if self.name is not None:
            if self._robbed():
                raise RawnsError(f"the name {self.name} belongs to another network namespace by now; it is left alone")
            self.remove(self.name)
        self.close()

    def _robbed(self) -> bool:
        """Whether another namespace stands under our name.  A file with nothing on it is what is left of ours."""
        mine, there = self.identity, syscalls.stat(path_of(self.name or ""))
        return (there.st_dev, there.st_ino) != mine and there.st_dev == mine[0]

    def close(self) -> None:
        """Let go of the descriptor; may be called again.  A namespace nobody else holds ends here."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            syscalls.close(fd)

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.fd >= 0 and self._made and self.name is not None:
            try:
                if not self._robbed():
                    self.delete()
            except FileNotFoundError:
                pass  # somebody has removed it: that was the aim
        self.close()

    def __del__(self) -> None:
        if getattr(self, "fd", -1) >= 0:
            os.close(self.fd)

    # -- being inside ---------------------------------------------------------------------------------------------

    def _open(self) -> int:
        if self.fd < 0:
            raise RawnsError(f"the network namespace {self.name or '(anonymous)'} is closed, or not made yet")
        return self.fd

    def entered(self) -> _Visit:
        """``with ns.entered():`` moves the calling thread, and only it, inside until the end of the block.

        Raises `SyscallError` where the kernel refuses; `Stranded` where it does not let the thread back.
        """
        return _Visit(self._open())

    def call(self, function: Callable[..., Answer], *args: Any, **kwargs: Any) -> Answer:
        """``function(*args, **kwargs)`` on a thread inside, which ends there; its result, or its exception.

        The thread is a daemon: it never keeps the interpreter from exiting.
        """
        enter = lambda: syscalls.setns(self._open(), uapi.CLONE_NEWNET)  # noqa: E731
        return _on_thread(lambda: _then(enter, lambda: function(*args, **kwargs)))

    def socket(self, family: int = -1, type: int = -1, proto: int = -1) -> socket.socket:
        """A `socket.socket` made inside; it stays there, and may be used from anywhere."""
        import socket

        with self.entered():
            made: socket.socket = syscalls.perform("socket", socket.socket, family, type, proto)
            return made

    def popen(self, argv: Sequence[str], *, mounts: bool = False, **options: Any) -> subprocess.Popen[Any]:
        """`subprocess.Popen` of a command inside; ``options`` are Popen's.

        It enters the network only; ``mounts`` gives it the mounts of ``ip netns exec`` as well: a /sys that shows
        this namespace, and /etc/netns/NAME/* over /etc.
        """
        import subprocess

        return self._inside(mounts, lambda: subprocess.Popen(argv, **options))

    def run(self, argv: Sequence[str], *, mounts: bool = False, **options: Any) -> subprocess.CompletedProcess[Any]:
        """`subprocess.run` of a command inside: ``ip netns exec NAME CMD``.  ``options`` and ``mounts`` as for `popen`."""
        import subprocess

        return self._inside(mounts, lambda: subprocess.run(argv, **options))

    def _inside(self, mounts: bool, function: Callable[[], Answer]) -> Answer:
        """A child is born into the namespaces of the thread that forks it: so this thread forks it inside."""
        if mounts:  # a thread cannot go back from a mount namespace of its own, so it is one that ends
            answer: Answer = self.call(lambda: _then(lambda: enter_mounts(self.name), function))
            return answer
        with self.entered():
            return function()


class _Visit:
    """What `Namespace.entered` returns."""

    __slots__ = ("_fd", "_home", "_thread")

    def __init__(self, fd: int) -> None:
        self._fd, self._home = fd, -1

    def __enter__(self) -> None:
        self._home, self._thread = syscalls.open_(HERE, os.O_RDONLY), get_ident()
        try:
            syscalls.setns(self._fd, uapi.CLONE_NEWNET)
        except BaseException as error:
            if isinstance(error, PermissionError) and _identity(HERE) == _identity(f"/proc/thread-self/fd/{self._fd}"):
                return  # an ordinary user may not even enter where he is already: nothing to do, then
            _leave(self._home)
            raise

    def __exit__(self, *exc: object) -> None:
        if get_ident() != self._thread:
            raise RawnsError("a block inside a network namespace must end on the thread that began it")
        _leave(self._home)


def _leave(home: int) -> None:
    """Back to where we came from, or nowhere: see `Stranded`."""
    try:
        syscalls.setns(home, uapi.CLONE_NEWNET)
    except OSError as error:
        if _identity(HERE) == _identity(f"/proc/thread-self/fd/{home}"):
            return  # we never left: what should have moved us failed, and says so itself
        raise Stranded(f"this thread cannot return to its network namespace: {error}") from None
    finally:
        syscalls.close(home)


def _then(first: Callable[[], object], second: Callable[[], Answer]) -> Answer:
    first()
    return second()


def _on_thread(function: Callable[[], Answer]) -> Answer:
    """Run ``function`` on a fresh daemon thread and wait for it."""
    import threading

    answer: list[Any] = []
    failure: list[BaseException] = []

    def body() -> None:
        try:
            answer.append(function())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=body, daemon=True, name="rawns")
    thread.start()
    thread.join()
    if failure:
        raise failure.pop()
    return answer[0]  # type: ignore[no-any-return]


# -- the steps, each undone by whoever gave it an `undo` ------------------------------------------------------------


def _unshared(undo: syscalls.Rollback, inside: Callable[[], object] | None) -> int:
    """The descriptor of a new namespace.  This thread is in it for a moment, and back."""
    home = syscalls.open_(HERE, os.O_RDONLY)
    try:
        syscalls.unshare(uapi.CLONE_NEWNET)
        fd = syscalls.open_(HERE, os.O_RDONLY)
        undo(syscalls.close, fd)
        if inside is not None:
            inside()
        return fd
    finally:
        _leave(home)


def _claim(name: str, undo: syscalls.Rollback, prepared: bool = False) -> str:
    """An empty file under this name, made by us alone."""
    path = path_of(name)
    if not prepared:
        prepare(undo)
    syscalls.close(syscalls.open_(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0))
    undo(syscalls.unlink, path)
    return path


def _mount(fd: int, path: str, undo: syscalls.Rollback) -> None:
    syscalls.mount(f"/proc/thread-self/fd/{fd}", path, "none", uapi.MS_BIND, None)
    undo(syscalls.umount2, path, uapi.MNT_DETACH)


def prepare(undo: syscalls.Rollback) -> None:
    """/run/netns as `ip` makes it: a mount of its own, shared, so that names reach every mount namespace.

    Two processes that find it unprepared would stack mounts for ever; hence the lock, which `ip` takes too.
    """
    import fcntl

    try:
        lock = syscalls.open_(NETNS_DIR, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:  # not `mkdir` first, as `ip` does: an exception each time costs more than the call
        try:
            syscalls.mkdir(NETNS_DIR, 0o755)
            undo(syscalls.rmdir, NETNS_DIR)
        except FileExistsError:
            pass  # somebody was quicker
        lock = syscalls.open_(NETNS_DIR, os.O_RDONLY | os.O_DIRECTORY)
    try:
        syscalls.flock(lock, fcntl.LOCK_EX)
        try:
            syscalls.mount("", NETNS_DIR, "none", uapi.MS_SHARED | uapi.MS_REC, None)
        except SyscallError as error:
            if error.errno != EINVAL:  # EINVAL: not a mount point yet
                raise
            syscalls.mount(NETNS_DIR, NETNS_DIR, "none", uapi.MS_BIND | uapi.MS_REC, None)
            undo(_unprepare)
            syscalls.mount("", NETNS_DIR, "none", uapi.MS_SHARED | uapi.MS_REC, None)
    finally:
        syscalls.close(lock)


def _unprepare() -> None:
    """Take our mount of /run/netns away again, unless somebody has come to use it in the meantime."""
    if not syscalls.listdir(NETNS_DIR):
        syscalls.umount2(NETNS_DIR, uapi.MNT_DETACH)


def enter_mounts(name: str | None, complain: Callable[[SyscallError], None] | None = None) -> None:
    """Give this thread the mounts of ``ip netns exec``: call it inside the namespace, on a thread that ends there.

    A mount namespace of its own, in which /sys shows the network namespace and each file of /etc/netns/NAME lies over
    its namesake in /etc.  ``complain`` is told of a file that cannot be laid over another, and the rest goes on;
    without it that raises `SyscallError`, as everything else does.
    """
    syscalls.unshare(uapi.CLONE_NEWNS)
    syscalls.mount("", "/", "none", uapi.MS_SLAVE | uapi.MS_REC, None)
    flags = 0
    try:
        syscalls.umount2("/sys", uapi.MNT_DETACH)
    except SyscallError:  # no /sys, or one we may only cover; a read-only one only by a read-only one
        flags = uapi.MS_RDONLY if os.statvfs("/sys").f_flag & os.ST_RDONLY else 0
    syscalls.mount(name or "none", "/sys", "sysfs", flags, None)
    files = f"{ETC_DIR}/{name}"
    if name is None or not os.path.isdir(files):
        return
    for file in syscalls.listdir(files):
        try:
            syscalls.mount(f"{files}/{file}", f"/etc/{file}", "none", uapi.MS_BIND, None)
        except SyscallError as error:
            if complain is None:
                raise
            complain(error)


# -- looking ----------------------------------------------------------------------------------------------------------


def _checked(fd: int, what: str) -> int:
    """``fd`` if it is a network namespace.  Raises `InvalidValue`, and closes it, if not."""
    try:
        kind = syscalls.ioctl(fd, uapi.NS_GET_NSTYPE)
    except SyscallError as error:
        syscalls.close(fd)
        if error.errno in (ENOTTY, EINVAL):
            raise InvalidValue(f"{what} is no network namespace (if it is a name, a stale one)") from None
        raise
    if kind != uapi.CLONE_NEWNET:
        syscalls.close(fd)
        raise InvalidValue(f"{what} is a namespace, but not of the network")
    return fd


def _identity(path: str) -> tuple[int, int] | None:
    """What `Namespace.identity` is for a path; None where there is nothing, or nothing we may look at."""
    try:
        status = syscalls.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _device(path: str) -> int | None:
    identity = _identity(path)
    return identity and identity[0]
