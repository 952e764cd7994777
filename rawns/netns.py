"""Network namespaces: create, open, list, delete, enter (network_namespaces(7), ip-netns(8)).

Floor 4.  A `Namespace` is a descriptor, and a name (`names`) if it has one.  Nothing is forked and no state is kept;
two of them are the same where (st_dev, st_ino) of their descriptors are.

``setns`` and ``unshare`` move one thread.  Every function here works from any thread and leaves it where it was, also
when a signal handler raises (KeyboardInterrupt) at the worst moment: hence the shields.
"""

from __future__ import annotations

import os
from _thread import get_ident
from errno import EINVAL, ENOTTY

from . import names, syscalls, uapi
from .errors import InvalidValue, NamespaceRestoreError, RawnsError, SyscallError
from .names import HERE, NETNS_DIR, path_of
from .terminal import printable

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

ETC_DIR = "/etc/netns"


class Namespace:
    """One network namespace, held by a descriptor.  Made by `create`, `open` and `current`, not by its constructor.

    ``name`` is its name under /run/netns, or None; ``fd`` its descriptor.  As a context manager it deletes, at the
    end of the block, what `create` made, and only closes what `open` opened.
    """

    def __init__(self, fd: int, name: str | None = None, made: bool = False) -> None:
        self.fd, self.name, self._made = fd, name, made
        self._identity: tuple[int, int] | None = None  # once asked for, kept: it outlives the descriptor in sets

    # -- where they come from ------------------------------------------------------------------------------------

    @classmethod
    def create(cls: type[Self], name: str | None = None) -> Self:
        """Make a namespace: ``ip netns add NAME``, or without a name one that lives as long as its descriptor.

        Its ``lo`` is down.  Raises `InvalidValue` for what cannot be a name, FileExistsError (`SyscallError`) for one
        that is taken, `SyscallError` where the kernel refuses; then nothing is left behind.
        """
        namespace, undo = cls(-1, name, made=True), syscalls.Rollback()
        try:
            with undo:
                if name is not None:
                    path_of(name)  # what cannot be a name is refused before any system call
                    names.prepare(undo)
                with ThreadNamespace():
                    unshare(namespace, undo)
                mount_name(namespace, undo)
            return namespace
        except BaseException:  # a handler's, raised when the block was already over
            undo.undo()
            raise

    @classmethod
    def open(cls: type[Self], name: Name | None = None, *, pid: int | None = None, fd: int | None = None) -> Self:
        """Open a namespace by its name, by a path (anything with a slash), of a process, or by a descriptor (duplicated).

        Raises FileNotFoundError (`SyscallError`) where there is none, `InvalidValue` for a name that cannot be one
        or a file that is no network namespace (a stale name, for one).
        """
        if [name, pid, fd].count(None) != 2:
            raise InvalidValue("one of name, pid and fd says which network namespace to open")
        if not isinstance(pid or fd or 0, int):
            raise InvalidValue(f"{pid or fd!r} is not a number")
        if fd is not None:
            return cls(_checked(syscalls.observed_call("dup", os.dup, fd), f"descriptor {fd}"))
        known = None
        if pid is not None:
            path = f"/proc/{pid:d}/ns/net"
        else:
            path = os.fspath("" if name is None else name)
            if "/" not in path or "\0" in path:
                known, path = path, path_of(path)
        try:
            return cls(_checked(syscalls.open_(path, os.O_RDONLY), path), known)
        except FileNotFoundError as error:
            if isinstance(error, SyscallError) and known is not None:
                error.hint = f"no network namespace is called {printable(known)}"
            raise

    @classmethod
    def current(cls: type[Self]) -> Self:
        """The namespace the calling thread is in."""
        return cls(syscalls.open_(HERE, os.O_RDONLY))

    @staticmethod
    def list(stale: bool = False) -> Names:
        """The names under /run/netns, sorted: ``ip netns list``.

        A file there with nothing mounted on it is stale: left out, or with ``stale`` the only thing listed.
        """
        return names.listed(stale)

    @staticmethod
    def remove(name: str) -> None:
        """Take a name away: ``ip netns del NAME``.  Works on a stale name too.

        The namespace itself ends when nobody is in it or holds it any more.  Raises FileNotFoundError
        (`SyscallError`) where there is no such name.
        """
        with syscalls.signals_blocked():
            names.remove(name)

    # -- what they are --------------------------------------------------------------------------------------------

    @property
    def identity(self) -> tuple[int, int]:
        """(st_dev, st_ino): equal for two descriptors of the same namespace, and for nothing else while it lives."""
        if self._identity is None:
            status = syscalls.stat(self._open())
            self._identity = (status.st_dev, status.st_ino)
        return self._identity

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Namespace) or -1 in (self.fd, other.fd):
            return self is other
        return self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {printable(self.name or 'anonymous')} fd={self.fd}>"

    def __reduce_ex__(self, protocol: object) -> Any:
        raise TypeError("a network namespace cannot be copied or pickled: pass its name, or its descriptor to `open`")

    def fileno(self) -> int:
        """Its descriptor.  Raises `RawnsError` where it is closed, or of a lab that is not up."""
        return self._open()

    def names(self) -> Names:
        """The names it has under /run/netns, sorted: ``ip netns identify``."""
        mine = self.identity
        return [name for name in self.list() if names.identity(f"{NETNS_DIR}/{name}") == mine]

    def pids(self) -> Pids:
        """The processes whose main thread is in it, in order: ``ip netns pids``.  Those we may not look at are left out."""
        return names.pids_in(self.identity)

    # -- their end ------------------------------------------------------------------------------------------------

    def attach(self, name: str) -> None:
        """Give it a name: ``ip netns attach NAME PID``.  Raises as `create` does, leaving nothing behind.

        One that has a name gets no second: `InvalidValue`.  (``NetNS.open(fd=ns.fd).attach(...)`` would give it one.)
        """
        if self.name is not None:
            raise InvalidValue(f"this network namespace has a name already: {self.name!r}")
        fd = self._open()
        with syscalls.Rollback() as undo:
            path_of(name)
            names.prepare(undo)
            names.bind(fd, names.claim(name, undo), undo)
        self.name = name

    def delete(self) -> None:
        """Take its name away (``ip netns del``) and close it; one without a name is closed.

        The name is left alone where it is another namespace's by now: `RawnsError`.  Raises FileNotFoundError
        (`SyscallError`) where it is gone.  Where this raises, the descriptor is still open: try again, or `close`.
        """
        with syscalls.signals_blocked():
            if self.name is not None:
                if self._robbed():
                    raise RawnsError(f"the name {self.name!r} belongs to another network namespace by now; it is left alone")
                names.remove(self.name)
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
        try:
            Namespace.close(self)  # and not its `net`, which somebody may hold: NetNS.current().net.links()
        except (AttributeError, OSError):
            pass  # never made, or the descriptor was closed behind our back

    # -- being inside ---------------------------------------------------------------------------------------------

    def _open(self) -> int:
        if self.fd < 0:
            raise RawnsError(f"the network namespace {printable(self.name or '(anonymous)')} is closed, or not made yet")
        return self.fd

    def entered(self) -> _Visit:
        """``with ns.entered():`` moves the calling thread, and only it, inside until the end of the block.

        Raises `SyscallError` where the kernel refuses; `NamespaceRestoreError` where it does not let the thread back.
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
            made: socket.socket = syscalls.observed_call("socket", socket.socket, family, type, proto)
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


class _Over:
    """What becomes of a `_Visit`: one that needs no last net, so that no Ctrl-C is swallowed by its ``__del__``."""


class _Visit(_Over):
    """What `Namespace.entered` returns."""

    _home, _thread = -1, 0  # until we are inside

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> None:
        try:
            with syscalls.signals_blocked():
                self._thread, self._home = get_ident(), syscalls.open_(HERE, os.O_RDONLY)
                syscalls.setns(self._fd, uapi.CLONE_NEWNET)
        except BaseException as error:
            here = isinstance(error, PermissionError) and names.identity(f"/proc/thread-self/fd/{self._fd}")
            if here and here == names.identity(HERE):
                return  # an ordinary user may not even enter where he is already: nothing to do, then
            self._back()
            raise

    def __exit__(self, *exc: object) -> None:
        if get_ident() != self._thread:
            raise RawnsError("a block inside a network namespace must end on the thread that began it")
        self._back()

    def _back(self) -> None:
        with syscalls.signals_blocked():
            home, self._home = self._home, -1
            self.__class__ = _Over  # type: ignore[assignment]
            if home >= 0:
                _leave(home)

    def __del__(self) -> None:
        """The last net: a signal handler that raised before the first line of `__exit__` has kept us inside."""
        if self._home >= 0 and get_ident() == self._thread:
            self._back()


class ThreadNamespace:
    """``with ThreadNamespace():`` this thread may go into any network namespace in the block, and is back at its end.

    Raises `NamespaceRestoreError` where the kernel does not let it back.
    """

    __slots__ = ("_home",)

    def __enter__(self) -> None:
        self._home = syscalls.open_(HERE, os.O_RDONLY)

    def __exit__(self, *exc: object) -> None:
        _leave(self._home)


def _leave(home: int) -> None:
    """Back to where we came from, or `NamespaceRestoreError`.  What a signal handler raises has to wait until then."""
    interruption: BaseException | None = None
    while True:
        try:
            syscalls.setns(home, uapi.CLONE_NEWNET)
            break
        except OSError as error:
            if names.identity(HERE) == names.identity(f"/proc/thread-self/fd/{home}"):
                break  # we never left: what should have moved us failed, and says so itself
            syscalls.close(home)
            raise NamespaceRestoreError(f"this thread cannot return to its network namespace: {error}") from None
        except BaseException as error:
            interruption = error
    syscalls.close(home)
    if interruption is not None:
        raise interruption


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
    try:
        thread.start()
    except RuntimeError as error:  # the limit of threads or of memory
        raise RawnsError(f"no thread can be started to go inside: {error}") from None
    thread.join()
    if failure:
        raise failure.pop()
    return answer[0]  # type: ignore[no-any-return]


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


def unshare(namespace: Namespace, undo: syscalls.Rollback, mark: bytes = b"") -> None:
    """Unshare a new network namespace, held by ``namespace.fd``, and leave the calling thread in it.

    The name, if there is one, is claimed and contains ``mark`` until `mount_name` mounts the namespace on it; the directory
    /run/netns must be prepared (`names.prepare`).  The caller must restore the thread's namespace (`ThreadNamespace`).
    Raises `SyscallError`; ``undo`` removes what has been made.
    """
    if namespace.name is not None:
        names.claim(namespace.name, undo, mark)
    undo(namespace.close)
    syscalls.unshare(uapi.CLONE_NEWNET)
    namespace.fd, namespace._identity = syscalls.open_(HERE, os.O_RDONLY), None


def mount_name(namespace: Namespace, undo: syscalls.Rollback) -> None:
    """Mount a namespace on the name that `unshare` claimed for it; do nothing for one without a name.  Raises `SyscallError`."""
    if namespace.name is not None:
        names.bind(namespace.fd, path_of(namespace.name), undo)


def _checked(fd: int, what: str) -> int:
    """``fd`` if it is a network namespace.  Raises `InvalidValue`, and closes it, if not."""
    try:
        kind = syscalls.ioctl(fd, uapi.NS_GET_NSTYPE)
    except SyscallError as error:
        syscalls.close(fd)
        if error.errno in (ENOTTY, EINVAL):
            stale = ": nothing is mounted on it, the name is stale" if what.startswith(f"{NETNS_DIR}/") else ""
            raise InvalidValue(f"{printable(what)} is no network namespace{stale}") from None
        raise
    if kind != uapi.CLONE_NEWNET:
        syscalls.close(fd)
        raise InvalidValue(f"{printable(what)} is a namespace, but not of the network")
    return fd
