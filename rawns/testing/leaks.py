"""Detection of leaks: names of namespaces, processes, threads and descriptors that a test leaves behind.

A `Snapshot` is taken before the test; `Snapshot.leaks` returns what has appeared since.  Threads that are about to end are
waited for.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from time import monotonic

from .. import netns_names
from ..terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from typing import Any

    Identity = tuple[int, int]  # st_dev and st_ino of a namespace

PIECE = 1 << 16  # bytes of a file that are read at once
PATIENCE = 1.0  # seconds for threads that are about to end; only a leak takes so long
MAX_NUMBERS = 1000  # of processes that are looked at one by one; the list of all is read if there could be more
NAMESPACE_FILE = "net:["
WITHOUT_INODE = "anon_inode:"  # beginning of the targets of descriptors that have one inode for all of them
WALL = 0x40000000  # __WALL of waitid(2): also children that end without SIGCHLD
IDLE_THREADS = ("rawns-output", "Trio thread")  # beginnings of names; Trio keeps threads for ten seconds

# Targets of descriptors that have been read before, with the inode: fstat(2) takes a third of the time of readlink(2), and most
# descriptors of a run stay open from its beginning to its end.
_targets: dict[int, tuple[tuple[int, int, int], str]] = {}
own_descriptors: set[int] = set()  # of this package, which stay open until the process ends
HELPERS = {  # of multiprocessing, which start once and stay: module, object, and the attributes of its process and descriptors
    "multiprocessing.resource_tracker": ("_resource_tracker", "_pid", ("_fd",)),
    "multiprocessing.forkserver": ("_forkserver", "_forkserver_pid", ("_forkserver_alive_fd",)),
}


class Leak:
    """One thing that was left behind: ``kind`` and ``what``; ``number`` is a process's pid or a descriptor.

    `remove` ends it, as far as that is possible.
    """

    __slots__ = ("kind", "number", "what")

    def __init__(self, kind: str, what: str, number: int = 0) -> None:
        self.kind, self.what, self.number = kind, what, number

    def __str__(self) -> str:
        return f"a {self.kind} is left behind: {self.what}"

    def remove(self) -> None:
        """Kill a process and remove a name.  Threads and descriptors belong to code that may still use them."""
        try:
            if self.kind == "process":
                kill(self.number, lambda: command_of(self.number) in self.what)
            elif self.kind == "namespace" and not self.number:
                netns_names.remove(self.what)
        except OSError:
            pass  # it has ended meanwhile


class NewProcesses:
    """Finds processes that have started since its creation, by their network namespaces, whatever their parent is now.

    The kernel assigns process ids in ascending order, and /proc/loadavg has the last one: only the ids since are examined.
    Threads have ids of the same kind, which are left out: kill(2) with the id of a thread ends its whole process, and a thread
    of this process that was started inside a host has its namespace until the end.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = _last_pid()

    def within(self, namespaces: Collection[Identity]) -> list[tuple[int, Identity]]:
        """Return the process ids in network namespaces with these identities, and which it is; sorted, without this process."""
        last = _last_pid()
        if not 0 <= last - self._last <= MAX_NUMBERS:
            found = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pid > self._last or last < self._last]
        else:
            found = list(range(self._last + 1, last + 1))
        own = os.getpid()
        places = [(pid, _namespace_of(pid)) for pid in sorted(found) if pid != own]
        return [(pid, place) for pid, place in places if place is not None and place in namespaces and is_process(pid)]


def _namespace_of(pid: int) -> Identity | None:
    """Return the network namespace of a process; None if it has ended, or belongs to another user.

    Most of the ids that are asked for have ended: `netns_names.identity`, which can name the reason, takes four times as long.
    """
    try:
        status = os.stat(f"/proc/{pid}/ns/net")
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _contents(path: str) -> bytes:
    """Return what a file of /proc holds, with a third of the system calls that a file object makes."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = b""
        while piece := os.read(fd, PIECE):
            found += piece
        return found
    finally:
        os.close(fd)


def _last_pid() -> int:
    """Return the id that the kernel has assigned last to a process or thread; 0 if /proc/loadavg cannot be read."""
    try:
        return int(_contents("/proc/loadavg").split()[-1])
    except (OSError, ValueError, IndexError):
        return 0


class Snapshot:
    """What there is before a test.

    Without ``names`` those under /run/netns are left alone, because other processes use the directory too.
    """

    __slots__ = ("_children", "_descriptors", "_names", "_threads")

    def __init__(self, names: bool = True) -> None:
        self._names = _names() if names else None
        self._children = children()
        self._threads = set(threading.enumerate())
        self._descriptors = _descriptors()

    def leaks(self, descriptors: bool = True, without: Iterable[int] = ()) -> list[Leak]:
        """Return what has appeared since, except the processes ``without``, and descriptors only if ``descriptors`` is true."""
        threads = [one for one in threading.enumerate() if one not in self._threads and not one.name.startswith(IDLE_THREADS)]
        _join(threads)
        found = [Leak("namespace", name) for name in sorted(_names() - self._names)] if self._names is not None else []
        found += [Leak("process", f"{pid} ({command_of(pid)})", pid) for pid in sorted(self._new_children(without))]
        found += [Leak("thread", printable(one.name)) for one in threads if one.is_alive()]
        if descriptors and self._new_descriptors():
            gc.collect()  # an object in a reference cycle still holds it
            found += [_describe(number, target) for number, target in self._new_descriptors()]
        return found

    def _new_children(self, without: Iterable[int]) -> list[int]:
        return [pid for pid in children() - self._children - set(without) - _helpers()[0] if runs(pid)]

    def _new_descriptors(self) -> list[tuple[int, str]]:
        now = _descriptors()
        appeared = [(number, target) for number, target in now.items() if self._descriptors.get(number) != target]
        return sorted((number, target) for number, target in appeared if number not in own_descriptors | _helpers()[1])


def _helpers() -> tuple[set[int], set[int]]:
    """Return the processes that multiprocessing has started for itself, and its descriptors for them."""
    processes: set[Any] = set()
    descriptors: set[Any] = set()
    for module, (name, process, fds) in HELPERS.items():
        helper = getattr(sys.modules.get(module), name, None)
        processes.add(getattr(helper, process, None))
        descriptors.update(getattr(helper, fd, None) for fd in fds)
    return {one for one in processes if one is not None}, {one for one in descriptors if one is not None}


def _describe(number: int, target: str) -> Leak:
    if target.startswith(NAMESPACE_FILE):
        return Leak("namespace", f"{target}, held by the descriptor {number}", number)
    return Leak("descriptor", f"{number} -> {printable(target)}")


def _names() -> set[str]:
    try:
        return set(os.listdir(netns_names.NETNS_DIR))
    except OSError:
        return set()


def _descriptors() -> dict[int, str]:
    found: dict[int, str] = {}
    for number in map(int, os.listdir("/proc/self/fd")):
        try:
            status = os.fstat(number)
            identity = status.st_dev, status.st_ino, status.st_ctime_ns
            known, target = _targets.get(number, (None, ""))
            if known != identity:
                target = os.readlink(f"/proc/self/fd/{number}")
                if not target.startswith(WITHOUT_INODE):
                    _targets[number] = identity, target
            found[number] = target
        except OSError:
            pass  # the descriptor that listed the directory, or one that another thread has closed
    return found


def children() -> set[int]:
    """Return the children of this process (CONFIG_PROC_CHILDREN); empty if the kernel keeps no such list."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT | WALL)
    except ChildProcessError:
        return set()  # most tests have none, and nine calls are saved
    except OSError:
        pass
    found: set[int] = set()
    for task in os.listdir("/proc/self/task"):
        try:
            found.update(map(int, _contents(f"/proc/self/task/{task}/children").split()))
        except OSError:
            pass  # the thread has just ended
    return found


def kill_within(namespaces: Collection[Identity]) -> int:
    """Kill the processes in network namespaces with these identities (st_dev, st_ino); return how many there were."""
    if not namespaces:
        return 0

    def inside(pid: int) -> bool:
        return netns_names.identity(f"/proc/{pid}/ns/net") in namespaces and runs(pid)

    found = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pid != os.getpid() and inside(pid)]
    for pid in found:
        kill(pid, lambda pid=pid: inside(pid))  # type: ignore[misc]
    return len(found)


def kill(pid: int, still: Callable[[], object]) -> None:
    """Send SIGKILL to a process if ``still`` says that the id belongs to the process that is meant.

    The answer is asked for while a descriptor holds the process (pidfd_open(2)), so that an id that has been reused is not hit.
    """
    try:
        held = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):  # before Linux 5.3, or a thread
        held = -1
    try:
        if not still():
            return
        if held >= 0:
            signal.pidfd_send_signal(held, signal.SIGKILL)
        elif is_process(pid):
            os.kill(pid, signal.SIGKILL)
    except OSError:
        pass  # it has ended meanwhile, or belongs to another user
    finally:
        if held >= 0:
            os.close(held)


def is_process(number: int) -> bool:
    """Return whether a number is the id of a process, and not that of one of its other threads.  proc_pid_status(5)."""
    try:
        with open(f"/proc/{number}/status", "rb") as file:
            return f"\nTgid:\t{number}\n".encode() in file.read(4096)
    except OSError:
        return False  # it has ended meanwhile


def group_of(pid: int) -> int:
    """Return the process group of a process; 0 if it has ended.  getpgid(2)."""
    try:
        return os.getpgid(pid)
    except OSError:
        return 0


def runs(pid: int) -> bool:
    """Return whether a process runs; one that has ended and was not waited for does not."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (OSError, IndexError):
        return False


def command_of(pid: int) -> str:
    """Return the command line of a process, safe to show."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read(400).split(b"\0")
    except OSError:
        return "?"
    return printable(b" ".join(words).decode("utf-8", "replace").strip()) or "?"


def _join(threads: Iterable[threading.Thread]) -> None:
    deadline = monotonic() + PATIENCE
    for one in threads:
        one.join(max(0.0, deadline - monotonic()))
