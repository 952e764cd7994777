"""Isolation of a test process: private names under /run/netns, and a private network while a lab is used.

The modes, as ``rawns_isolation`` in pytest's configuration has them::

    userns   enter a user namespace first, so that no privilege is needed
    mount    with the privileges that this process has, in a mount namespace of its own
    auto     ``mount`` if the privileges suffice, ``userns`` otherwise
    none     with the privileges that this process has, in the machine's own /run/netns and network

A process that has entered a user namespace keeps the machine's network until `PrivateNetwork.enter`.  The kernel does not let it
return to that network: it belongs to another user namespace (setns(2)).
"""

from __future__ import annotations

import errno
import os

from .. import netns_names, privileges, rootless, syscalls, threads, uapi
from ..errors import InvalidValue, RawnsError, SyscallError
from ..net import NetNS
from ..netns_names import HERE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MODES = ("auto", "userns", "mount", "none")
PRIVATE_DIRECTORIES = ((netns_names.NETNS_DIR, "0755"), ("/run/rawns", "0700"))  # names; locks of labs
MAX_ANSWER_BYTES = 65536

_current: Isolation | None = None  # of this process


class IsolationError(RawnsError):
    """This process cannot be isolated as was asked; the sentence names the setting that forbids it, and the remedy."""


class PrivateNetwork:
    """A network namespace with ``lo`` up, in which the main thread is while a test uses a lab or a namespace.

    ``returns`` says whether the thread can go back to the machine's network; None until it is known.
    """

    def __init__(self) -> None:
        self._namespace: NetNS | None = None
        self._machine = -1  # a descriptor of the namespace to go back to
        self._process = 0
        self.returns: bool | None = None
        self.inside = False

    def enter(self) -> bool:
        """Move the calling thread inside; return False if it is inside already.  Raises `SyscallError`."""
        self._forget_parents()
        if self.inside:
            return False
        if self._namespace is None:
            self._create()
        elif self.returns:
            threads.enter(self._namespace.fileno())
        self.inside = True
        return True

    def _create(self) -> None:
        machine = syscalls.open_(HERE, os.O_RDONLY)
        try:
            syscalls.setns(machine, uapi.CLONE_NEWNET)  # proves that the thread will be allowed to return
            self.returns = True
        except PermissionError:
            self.returns = False
        try:
            syscalls.unshare(uapi.CLONE_NEWNET)
        except BaseException:
            syscalls.close(machine)
            raise
        if self.returns:
            self._machine = machine
        else:
            syscalls.close(machine)
        self._process = os.getpid()
        self._namespace = NetNS.current()
        self._namespace.net.set_link("lo", up=True)
        self._namespace.disconnect()

    def leave(self) -> None:
        """Move the calling thread back to the machine's network, if the kernel lets it.  Raises `SyscallError`."""
        if self.inside and self.returns:
            threads.enter(self._machine)
            self.inside = False

    def links(self) -> list[str]:
        """Return the names of the links in it besides those of a new namespace."""
        if self._namespace is None:
            return []
        found = [link.name for link in self._namespace.net.links() if link.kind is not None]
        self._namespace.disconnect()
        return found

    def close(self) -> None:
        """Leave it, and let it end when nothing else holds it."""
        self.leave()
        namespace, self._namespace = self._namespace, None
        if namespace is not None:
            namespace.close()
        if self._machine >= 0:
            syscalls.close(self._machine)
            self._machine = -1

    def _forget_parents(self) -> None:
        """After a fork, drop the parent's network, so that what the child creates does not appear there."""
        if self._namespace is not None and self._process != os.getpid():
            if self.returns:
                self.close()
            else:
                self._namespace.close()
                self._namespace = None
            self.inside = False


class Isolation:
    """The isolation of this process: ``mode`` is ``'userns'``, ``'mount'`` or ``'none'``, never ``'auto'``.

    ``inherited`` says that a parent process has entered the user namespace already.
    """

    def __init__(self, mode: str, inherited: bool = False) -> None:
        self.mode, self.inherited = mode, inherited
        self.network: PrivateNetwork | None = None if mode == "none" else PrivateNetwork()

    @property
    def keeps_machine_network(self) -> bool:
        """Whether the main thread can go back to the machine's network after a test."""
        return self.network is None or self.network.returns is not False and owns_network()

    def __repr__(self) -> str:
        return f"<Isolation {self.mode}>"


def owns_network() -> bool:
    """Return whether the calling thread could return to its network namespace."""
    return privileges.in_initial_user_namespace() or privileges.owns_namespace("net")


def enter(mode: str = "auto") -> Isolation:
    """Isolate this process for the rest of its life, and return how; a process that is isolated in that way already stays so.

    ``userns`` needs a process with one thread, unless a parent process has done it.  Raises `IsolationError` with the remedy; the
    process is unchanged then.  `InvalidValue` for an unknown mode.
    """
    global _current
    check_mode(mode)
    if mode != "none" and _current is not None and (mode in ("auto", _current.mode) or _current.mode == "userns"):
        return _current  # pytest runs within a test, for example: names of its own would hide those of the outer run
    found = _enter(mode)
    if mode != "none":
        _current = found
    return found


def _enter(mode: str) -> Isolation:
    if mode == "none":
        if not rootless.privileged():
            raise IsolationError(_lacking())
        return Isolation("none")
    inherited = _in_namespace_of_same_user()
    if mode == "mount" or inherited or (mode == "auto" and rootless.privileged()):
        if not rootless.privileged():
            raise IsolationError(_lacking())
        _own_names()
        return Isolation("userns" if inherited else "mount", inherited)
    if number_of_threads() > 1:
        raise IsolationError(
            f"a user namespace can be entered only by a process with one thread, and this one has {number_of_threads()}; "
            "isolate it before other threads are started, run it as root, or inside `rawns rootless`"
        )
    reason = try_in_child(_prove)
    if reason:
        raise IsolationError(reason)
    rootless.enter_as_same_user()
    return Isolation("userns")


def check_mode(mode: str) -> str:
    """Return ``mode`` if it is one.  Raises `InvalidValue`."""
    if mode not in MODES:
        raise InvalidValue(f"{mode!r} is not a kind of isolation; choose one of {', '.join(MODES)}")
    return mode


def _lacking() -> str:
    """Return why this process lacks the privileges to create namespaces with names."""
    if not privileges.capable(uapi.CAP_NET_ADMIN, uapi.CAP_SYS_ADMIN):
        user = "this root" if os.geteuid() == 0 else "this user"
        return (
            f"{user} lacks CAP_NET_ADMIN and CAP_SYS_ADMIN: use rawns_isolation = auto, which needs user namespaces instead, or "
            "in a container `docker run --cap-add NET_ADMIN --cap-add SYS_ADMIN`"
        )
    if not os.access("/run", os.W_OK):
        return "/run cannot be written to, where namespaces have their names; make it writable"
    return "the mounts of this process belong to another user namespace; run it inside `rawns rootless`"


def _in_namespace_of_same_user() -> bool:
    """Return whether a parent process has called `rootless.enter_as_same_user`, so that only mounts are to be unshared."""
    return rootless.privileged() and not privileges.in_initial_user_namespace() and not privileges.owns_namespace("net")


def _own_names() -> None:
    """Give this process a mount namespace in which /run/netns and the locks of labs are its own.  Raises `IsolationError`."""
    try:
        for directory, mode in PRIVATE_DIRECTORIES:
            os.makedirs(directory, int(mode, 8), exist_ok=True)
        syscalls.unshare(uapi.CLONE_NEWNS)
        syscalls.mount("", "/", "none", uapi.MS_SLAVE | uapi.MS_REC, None)
        for directory, mode in PRIVATE_DIRECTORIES:
            syscalls.mount("rawns", directory, "tmpfs", 0, f"mode={mode}")
    except SyscallError as error:
        error.hint = _forbidden_by(error) or error.hint
        raise IsolationError(f"this process cannot have names of its own under /run/netns: {error}") from error
    except OSError as error:
        raise IsolationError(f"this process cannot have names of its own under /run/netns: {error}") from error


def _forbidden_by(error: SyscallError) -> str:
    """Return what forbids a call to a process that has the capabilities for it, with the remedy; an empty string if unknown."""
    if error.errno == errno.EACCES and error.call == "mount":
        return (
            "a security module forbids it, in a container the profile docker-default of AppArmor: start the container with "
            "`--security-opt apparmor=unconfined`, or use rawns_isolation = none"
        )
    if error.errno == errno.EPERM and privileges.capable(uapi.CAP_SYS_ADMIN):
        return (
            "this process has CAP_SYS_ADMIN, so a seccomp filter forbids it: start the container with "
            "`--security-opt seccomp=unconfined`, or run the tests outside of it"
        )
    return ""


def number_of_threads() -> int:
    """Return the number of threads of this process, whatever has started them."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 1


# -- trying first: a failed attempt would leave the process in a user namespace without power ------------------------------


def _prove() -> None:
    """Enter a user namespace, and create a network namespace in it."""
    rootless.enter_as_same_user()
    with NetNS.create() as namespace:
        namespace.net.set_link("lo", up=True)


def try_in_child(function: Callable[[], object]) -> str:
    """Call a function in a child process; return the sentence of the error that it raises, or an empty string."""
    reading, writing = os.pipe()
    pid = syscalls.fork()
    if pid == 0:
        text = "the child process ended without an answer"
        try:
            function()
            text = ""
        except (OSError, RawnsError) as error:
            text = _sentence(error)
        finally:
            try:
                os.write(writing, b"+" + text.encode("utf-8", "backslashreplace")[:MAX_ANSWER_BYTES])
            finally:
                os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read(MAX_ANSWER_BYTES + 1).decode("utf-8", "replace")
    os.waitpid(pid, 0)
    return answer[1:] if answer else "a child process that tried to enter a user namespace was killed"


def _sentence(error: BaseException) -> str:
    """Return an error in words, with a remedy for the case that it has none."""
    text = str(error)
    if isinstance(error, SyscallError) and error.errno is not None and not error.hint:
        text = f"{text}; an ordinary user needs user namespaces for this, or run the tests as root"
    return text
