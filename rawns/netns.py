"""Network namespaces: create, open, list, delete, enter (network_namespaces(7), ip-netns(8)).

A `Namespace` is a descriptor and, if it has one, a name (`netns_names`).  Nothing is forked, and no state is kept outside of the
kernel; two of them are equal if (st_dev, st_ino) of their descriptors are.

Every function may be called from any thread, and leaves the calling thread where it was, even if a signal handler raises
(KeyboardInterrupt) in the middle.
"""

from __future__ import annotations

import os

from . import netns_names, syscalls, uapi
from .errors import InvalidValue, RawnsError, SyscallError
from .netns_names import HERE, NETNS_DIR, path_of
from .observer import observed_call
from .rollback import Rollback, signals_blocked
from .terminal import printable, short_repr
from .threads import ThreadNamespace, call_and_restore, call_inside, call_on_thread, enter

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import subprocess
    from collections.abc import Callable, Iterable
    from typing import Any, Protocol, TypeVar, Union

    from typing_extensions import ParamSpec, Unpack

    from .netns_processes import Command, ProcessOptions, RunOptions
    from .sysctl import Value

    class HasNamespace(Protocol):
        """An object with a namespace, such as a lab's host."""

        @property
        def namespace(self) -> Namespace: ...

    Name = Union[str, os.PathLike[str]]
    Reference = Union["Namespace", HasNamespace, str, os.PathLike[str], int]
    Self = TypeVar("Self", bound="Namespace")
    Answer = TypeVar("Answer")
    Arguments = ParamSpec("Arguments")
    Names = list[str]  # `list` means something else inside the class
    Pids = list[int]


class InsideNamespace:
    """What can be done inside a network namespace: the verbs that `Namespace` and the hosts of labs share."""

    __slots__ = ()

    name: str | None

    @property
    def identity(self) -> tuple[int, int]:
        """(st_dev, st_ino): equal for two descriptors of the same namespace, and for no other while it exists."""
        raise NotImplementedError

    def fileno(self) -> int:
        """Return the descriptor of the namespace."""
        raise NotImplementedError

    def pids(self) -> Pids:
        """Return the processes whose main thread is in it, sorted: ``ip netns pids``.  Those that we may not see are left out."""
        return netns_names.pids_in(self.identity)

    def entered(self) -> ThreadNamespace:
        """Move the calling thread, and no other, inside for a block: ``with ns.entered():``.

        At its end, the thread is moved back to where the block began, and `RawnsError` is raised if it was not inside any more.
        The block may run inside an event loop, but must not contain an ``await`` or ``yield``: other coroutines of the thread
        would run inside, and could end their own blocks in another order.  Use `socket` for asyncio, which may be used from
        outside, or ``await asyncio.to_thread(ns.call, function)``.

        Raises PermissionError (`SyscallError`) if the thread may not enter, or could not return (`call` works then);
        `NamespaceRestoreError` if the kernel does not let it return.  setns(2).
        """
        return ThreadNamespace(self.fileno(), self.identity)

    def enter(self) -> None:
        """Move the calling thread inside and leave it there: ``ip -n NAME``, setns(2).  Raises `SyscallError`."""
        enter(self.fileno())

    def call(self, function: Callable[Arguments, Answer], *args: Arguments.args, **options: Arguments.kwargs) -> Answer:
        """Call ``function(*args, **options)`` on a new thread inside; return its result or raise its exception.

        The thread is a daemon: it does not keep the interpreter from exiting.  Raises `SyscallError` if it may not enter,
        `RawnsError` if it cannot be started.
        """

        def inside() -> Answer:
            self.enter()
            return function(*args, **options)

        return call_on_thread(inside)

    def socket(self, family: int = -1, type: int = -1, proto: int = -1) -> socket.socket:
        """Create a `socket.socket` inside; it stays there, and may be used from anywhere, also by asyncio.  socket(2)."""
        import socket

        made: socket.socket = call_inside(self, observed_call, "socket", socket.socket, family, type, proto)
        return made

    def popen(self, argv: Command, *, mounts: bool = False, **options: Unpack[ProcessOptions]) -> subprocess.Popen[Any]:
        """Start a command inside: `subprocess.Popen`, whose ``options`` these are.

        The command enters the network namespace only.  With ``mounts`` it also gets the mounts of ``ip netns exec``: a /sys
        that shows this namespace, and the files of /etc/netns/NAME over those of /etc.  Raises `SyscallError` (fork) at a
        limit of processes, and what Popen raises if the command cannot be executed.
        """
        from . import netns_processes

        return netns_processes.popen(self, self.name, argv, mounts, options)

    def run(self, argv: Command, *, mounts: bool = False, **options: Unpack[RunOptions]) -> subprocess.CompletedProcess[Any]:
        """Run a command inside and wait for it: ``ip netns exec NAME CMD``, `subprocess.run`, whose ``options`` these are.

        ``mounts`` and the errors are those of `popen`.  If the wait is interrupted, or lasts for more than ``timeout``, the
        process is killed.
        """
        from . import netns_processes

        return netns_processes.run(self, self.name, argv, mounts, options)

    def setting(self, name: str, value: Value | None = None) -> str:
        """Return the value of a setting below /proc/sys/net, after setting it to ``value``: ``sysctl net.ipv4.ip_forward[=1]``.

        Raises `InvalidValue` for what is not a setting of a network namespace, `SyscallError` if the kernel refuses.
        """
        from . import sysctl

        return call_inside(self, sysctl.read, name) if value is None else call_inside(self, sysctl.change, name, value)

    def settings(self, given: dict[str, Value] | Iterable[str]) -> dict[str, str]:
        """Return the values of several settings; a dict sets them first, in its order, all of them or none."""
        from . import sysctl

        return (
            call_inside(self, sysctl.change_all, given) if isinstance(given, dict) else call_inside(self, sysctl.read_all, given)
        )


class Namespace(InsideNamespace):
    """A network namespace, held by a descriptor.  Created by `create`, `open`, `current` and `resolve`, not by its constructor.

    ``name`` is its name under /run/netns, or None; ``fd`` its descriptor, -1 when it is closed.  As a context manager it
    deletes at the end of the block what `create` has created, and only closes what `open` has opened.
    """

    fd: int = -1
    name: str | None = None
    _in_block = False

    def __init__(self, *args: object, **options: object) -> None:
        kind = type(self).__name__
        raise TypeError(f"use {kind}.create(name) to create a network namespace, or {kind}.open(name) to open one")

    def _adopt(self, fd: int, name: str | None, created: bool) -> None:
        self.fd, self.name = fd, name
        self._owner = os.getpid() if created else 0  # the process that deletes it at the end of a block; not its children
        self._identity: tuple[int, int] | None = None  # kept when it is closed, for sets and dictionaries

    # -- creating and opening ------------------------------------------------------------------------------------

    @classmethod
    def create(cls: type[Self], name: str | None = None) -> Self:
        """Create a namespace: ``ip netns add NAME``, or without a name one that lives as long as its descriptor.

        Its ``lo`` is down.  Raises `InvalidValue` for what cannot be a name, FileExistsError (`SyscallError`) if the name is
        taken, another `SyscallError` if the kernel refuses; then nothing is left behind.

        In ``with NetNS.create(name):`` an exception that a signal handler raises after the creation and before the block begins
        leaves the name, as it would without ``with``; `temporary` removes it.
        """
        return adopt(cls, -1, name, created=True)._create()

    @classmethod
    def temporary(cls: type[Self], name: str) -> Self:
        """Create a namespace for a block, ``with NetNS.temporary(name) as ns:``, after which its name is removed in any case.

        Unlike with `create`, that includes an exception of a signal handler (Ctrl-C) between the creation and the block.  If
        the object is dropped without a block, the name is removed then.  Raises as `create`.
        """
        namespace = adopt(cls, -1, name, created=True)
        namespace._in_block = True  # first: from now on the end of the object removes the name
        return namespace._create()

    def _create(self: Self) -> Self:
        """Create the namespace, and its name if it has one; return this object.  Nothing is left behind if that fails."""
        undo = Rollback()
        try:
            with undo:
                if self.name is not None:
                    path_of(self.name)  # what cannot be a name is refused before any system call
                    netns_names.prepare(undo)
                call_and_restore(unshare, self, undo)
                mount_name(self, undo)
            return self
        except BaseException:  # raised by a signal handler after the block
            undo.undo()
            raise

    @classmethod
    def open(
        cls: type[Self], name: Name | None = None, *, pid: int | None = None, fd: int | None = None, pidfd: int | None = None
    ) -> Self:
        """Open a namespace by its name or a path (anything with a slash), that of a process, or a descriptor's (duplicated).

        ``name`` may also be ``'pid:N'``.  ``pidfd`` is a descriptor of a process (`os.pidfd_open`): unlike a number, it never
        leads to another process that has got the same number in the meantime.  Raises FileNotFoundError (`SyscallError`) if
        there is none, ProcessLookupError if the process of ``pidfd`` has ended, `InvalidValue` for what cannot be a name and
        for a file that is not a network namespace (a stale name, for instance).
        """
        if [name, pid, fd, pidfd].count(None) != 3:
            raise InvalidValue("one of name, pid, fd and pidfd must say which network namespace to open")
        for number, what in ((pid, "the number of a process"), (fd, "a descriptor"), (pidfd, "a descriptor of a process")):
            if number is not None and not (isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 1 << 31):
                raise InvalidValue(f"{what} is an integer from 0 to {(1 << 31) - 1}")
        if fd is not None:
            return cls._open_descriptor(fd)
        if pidfd is not None:
            from .nsfs import open_of_process

            return adopt(cls, open_of_process(pidfd))
        text = os.fspath(name) if name is not None else f"pid:{pid}"
        if not isinstance(text, str):
            raise InvalidValue(f"{short_repr(text)} cannot name a network namespace: it must be text")
        if text.startswith("pid:") and text[4:].isascii() and text[4:].isdigit():
            process = text[4:].lstrip("0") or "0"
            return cls._open_path(f"/proc/{process}/ns/net", None, f"there is no process {process[:20]}, or it has ended")
        if "/" in text and "\0" not in text:
            return cls._open_path(text, None, "")
        return cls._open_path(path_of(text), text, f"no network namespace is called {printable(text)}")

    @classmethod
    def _open_path(cls: type[Self], path: str, name: str | None, absent: str) -> Self:
        try:
            return adopt(cls, netns_names.open_namespace(path), name)
        except FileNotFoundError as error:
            if isinstance(error, SyscallError):
                error.hint = absent or error.hint
            raise

    @classmethod
    def _open_descriptor(cls: type[Self], fd: int) -> Self:
        try:
            copy: int = observed_call("dup", os.dup, fd)
        except SyscallError as error:
            error.hint = error.hint or f"{fd} is not an open descriptor"
            raise
        try:
            return adopt(cls, netns_names.check_descriptor(copy, f"descriptor {fd}"))
        except BaseException:
            syscalls.close(copy)
            raise

    @classmethod
    def resolve(cls: type[Self], reference: Reference) -> Self:
        """Return the namespace that ``reference`` refers to.

        An object of this class is returned as it is, and so is the ``namespace`` of an object that has one (a lab's host).
        A string is a name, a path (with a slash) or ``'pid:N'``, as for `open`; an integer is a descriptor, which is
        duplicated.  What is opened here is closed when the result is no longer used.  Raises as `open`.
        """
        found = reference if isinstance(reference, Namespace) else getattr(reference, "namespace", None)
        if isinstance(found, cls):
            return found
        if isinstance(found, Namespace):
            opened = cls.open(fd=found.fileno())
            opened.name = found.name
            return opened
        if isinstance(reference, int) and not isinstance(reference, bool):
            return cls.open(fd=reference)
        if isinstance(reference, (str, os.PathLike)):
            return cls.open(reference)
        raise InvalidValue(
            f"{short_repr(reference)} does not say which network namespace is meant: "
            "give a NetNS, a name, a path, 'pid:N' or a descriptor"
        )

    @classmethod
    def current(cls: type[Self]) -> Self:
        """Open the namespace that the calling thread is in."""
        return adopt(cls, syscalls.open_(HERE, os.O_RDONLY))

    @staticmethod
    def list(stale: bool = False) -> Names:
        """Return the names under /run/netns, sorted: ``ip netns list``.

        A name that leads to no namespace (nothing is mounted on its file) is stale: it is left out, and with ``stale`` only
        such names are returned.
        """
        return netns_names.listed(stale)

    @staticmethod
    def remove(name: str) -> None:
        """Remove a name, stale or not: ``ip netns del NAME``.

        The namespace itself ends when no process is in it and nothing holds it any more.  Raises FileNotFoundError
        (`SyscallError`) if there is no such name.
        """
        with signals_blocked():
            netns_names.remove(name)

    # -- what is known about it -----------------------------------------------------------------------------------

    @property
    def identity(self) -> tuple[int, int]:
        """(st_dev, st_ino): equal for two descriptors of the same namespace, and for no other while it exists."""
        if self._identity is None:
            status = syscalls.stat(self.fileno())
            self._identity = (status.st_dev, status.st_ino)
        return self._identity

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Namespace) or -1 in (self.fd, other.fd):
            return self is other
        return self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)

    def __repr__(self) -> str:
        state = "closed" if self.fd < 0 else f"fd={self.fd}"
        return f"<{type(self).__name__} {printable(self.name or '(no name)')} {state}>"

    def __reduce_ex__(self, protocol: object) -> Any:
        raise TypeError("a network namespace cannot be copied or pickled: pass its name, or its descriptor to `open`")

    def fileno(self) -> int:
        """Return its descriptor.  Raises `RawnsError` if it is closed."""
        if self.fd < 0:
            raise RawnsError(f"the network namespace {printable(self.name or '(no name)')} is closed, or not created yet")
        return self.fd

    def names(self) -> Names:
        """Return the names that it has under /run/netns, sorted: ``ip netns identify``."""
        mine = self.identity
        return [name for name in self.list() if netns_names.identity(f"{NETNS_DIR}/{name}") == mine]

    # -- naming and deleting --------------------------------------------------------------------------------------

    def attach(self, name: str) -> None:
        """Give it a name: ``ip netns attach NAME PID``.  Raises as `create`, and leaves nothing behind then.

        Raises `InvalidValue` if it has a name already.  (``NetNS.open(fd=ns.fd).attach(...)`` gives it another.)
        """
        if self.name is not None:
            raise InvalidValue(f"this network namespace has a name already: {self.name!r}")
        fd = self.fileno()
        with Rollback() as undo:
            path_of(name)
            netns_names.prepare(undo)
            netns_names.mount_namespace(fd, netns_names.claim(name, undo), undo)
        self.name = name

    def delete(self) -> None:
        """Remove its name (``ip netns del``) and close it; if it has no name, close it.

        Raises `RawnsError`, and leaves the name alone, if the name leads to another namespace by now; FileNotFoundError
        (`SyscallError`) if the name does not exist any more.  The descriptor is still open then: try again, or `close`.
        """
        with signals_blocked():
            if self.name is not None:
                netns_names.remove_own(self.name, self.identity)
            self.close()

    def close(self) -> None:
        """Close the descriptor; may be called again.  A namespace that nothing else holds ends here."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            syscalls.close(fd)

    def __enter__(self: Self) -> Self:
        self._in_block = True
        return self

    def __exit__(self, *exc: object) -> None:
        with signals_blocked():
            self._in_block = False
            self._delete_own()
            self.close()

    def _delete_own(self) -> None:
        """Delete the name that `create` has made, unless another program has removed or replaced it."""
        if self.fd >= 0 and self._owner == os.getpid() and self.name is not None:
            try:
                if not netns_names.leads_elsewhere(self.name, self.identity):
                    self.delete()
            except FileNotFoundError:
                pass  # another program has removed the name

    def __del__(self) -> None:
        try:
            if self._in_block:  # a signal handler raised between the end of the block and `__exit__`
                self._delete_own()
            Namespace.close(self)  # not its `net`, which may still be in use: NetNS.current().net.links()
        except Exception:
            pass  # the descriptor was closed by other code, or the interpreter is ending and has cleared this module


# -- for modules that do several steps at once ----------------------------------------------------------------------


def adopt(kind: type[Self], fd: int, name: str | None = None, created: bool = False) -> Self:
    """Return a namespace object that owns the descriptor ``fd``.  With ``created`` it deletes its name at the end of a block."""
    namespace = kind.__new__(kind)
    namespace._adopt(fd, name, created)
    return namespace


def unshare(namespace: Namespace, undo: Rollback, mark: bytes = b"") -> None:
    """Unshare a new network namespace, held by ``namespace.fd``, and leave the calling thread in it.

    The name, if there is one, is claimed and contains ``mark`` until `mount_name` mounts the namespace on it; the directory
    /run/netns must be prepared (`netns_names.prepare`).  The caller must restore the thread's namespace (`call_and_restore`).
    Raises `SyscallError`; ``undo`` removes what has been created.
    """
    if namespace.name is not None:
        netns_names.claim(namespace.name, undo, mark)
    undo(namespace.close)
    syscalls.unshare(uapi.CLONE_NEWNET)
    namespace.fd, namespace._identity = syscalls.open_(HERE, os.O_RDONLY), None


def mount_name(namespace: Namespace, undo: Rollback) -> None:
    """Mount a namespace on the name that `unshare` has claimed for it; do nothing if it has no name.  Raises `SyscallError`."""
    if namespace.name is not None:
        netns_names.mount_namespace(namespace.fd, path_of(namespace.name), undo)
