"""Every network namespace of this machine that the caller can see, and what keeps each of them alive (lsns(8)).

A namespace lives as long as a thread is in it, a descriptor refers to it, a file is mounted on it, or an object of the
kernel (a socket) needs it.  The first three are found by reading /proc.  A namespace that is only mounted in another mount
namespace, or of which a descriptor is being passed over a socket, is found by listns(2) on Linux 6.19 and later; one that
only a socket keeps alive is in no list.
"""

from __future__ import annotations

import os

from . import netns_names, nsfs, syscalls
from .errors import KernelError, RawnsError, SyscallError
from .net import NetNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator
    from typing import Any

    Identity = tuple[int, int]

_MISSING = (FileNotFoundError, ProcessLookupError, PermissionError, NotADirectoryError)


class NamespaceUse:
    """One network namespace and what refers to it.

    ``identity`` is (st_dev, st_ino) of its nsfs file; ``names`` are names under /run/netns, ``mounts`` the other files on
    which it is mounted; ``pids`` the processes with a thread in it, ``holders`` those that only have a descriptor of it;
    ``nsid`` is the id by which the caller's namespace knows it, or None; ``links`` the names of its interfaces, or None
    if the caller may not enter it; ``current`` says whether the caller is in it, ``held_elsewhere`` that nothing which the
    caller can see keeps it alive, but a mount in another mount namespace, for example.
    """

    __slots__ = ("current", "held_elsewhere", "holders", "identity", "links", "mounts", "names", "nsid", "path", "pids")

    def __init__(self, identity: Identity, path: str) -> None:
        self.identity, self.path = identity, path
        self.names: list[str] = []
        self.mounts: list[str] = []
        self.pids: list[int] = []
        self.holders: list[int] = []
        self.nsid: int | None = None
        self.links: list[str] | None = None
        self.current = self.held_elsewhere = False

    @property
    def inode(self) -> int:
        """The number in ``net:[4026531840]``."""
        return self.identity[1]

    def __repr__(self) -> str:
        return f"<NamespaceUse net:[{self.inode}] names={self.names} pids={len(self.pids)} holders={len(self.holders)}>"

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, as ``rawns ls --json`` prints it."""
        return {
            "inode": self.inode,
            "names": self.names,
            "mounts": self.mounts,
            "pids": self.pids,
            "holders": self.holders,
            "nsid": self.nsid,
            "links": self.links,
            "current": self.current,
            "held_elsewhere": self.held_elsewhere,
        }


def inventory(links: bool = True) -> list[NamespaceUse]:
    """List the network namespaces that the caller can see: ``lsns -t net`` and ``ip netns list`` in one.

    Processes that the caller may not look into are left out, as are namespaces that end while the list is made.  On Linux
    6.19 and later, the list has also the namespaces to which neither a process nor a name nor a mount refers that the caller
    can see.  With ``links`` each namespace is entered to list its interfaces.  Sorted by inode.  Raises `RawnsError` if there
    is no /proc.
    """
    found: dict[Identity, NamespaceUse] = {}

    def use(path: str) -> NamespaceUse | None:
        identity = netns_names.identity(path)
        if identity is None or identity[0] != device:
            return None
        return found.setdefault(identity, NamespaceUse(identity, path))

    here = netns_names.identity(netns_names.HERE)
    if here is None:
        raise RawnsError("/proc is not mounted here, and only there the namespaces of processes can be found")
    device = here[0]
    for pid in pids():
        _add_process(pid, use)
    for name in netns_names.listed():
        one = use(netns_names.path_of(name))
        if one is not None:
            one.names.append(name)
    for path in mounts():
        one = use(path)
        if one is not None and os.path.dirname(path) not in (netns_names.NETNS_DIR, "/var/run/netns"):
            one.mounts.append(path)
    others = _others(found)
    try:
        for one in found.values():
            one.current = one.identity == here
        _ask(list(found.values()), links)
    finally:
        for fd in others:
            syscalls.close(fd)
    return sorted(found.values(), key=lambda one: one.inode)


def _others(found: dict[Identity, NamespaceUse]) -> list[int]:
    """Add the namespaces that only the kernel's own list has, if it has one; return the descriptors that hold them."""
    held: list[int] = []
    for identity, number in unlisted(found):
        try:
            fd = nsfs.open_by_id(number)
        except SyscallError:  # as many descriptors are open as may be
            break
        if fd is not None:
            held.append(fd)
            found[identity] = NamespaceUse(identity, f"/proc/thread-self/fd/{fd}")
            found[identity].held_elsewhere = True
    return held


def unlisted(known: Container[Identity]) -> Iterator[tuple[Identity, int]]:
    """Yield (st_dev, st_ino) and id of each namespace in the kernel's own list that is not ``known``; nothing without a list.

    `nsfs.open_by_id` opens it by the id.  The list ends early if as many descriptors are open as may be.
    """
    for number in nsfs.all_ids() or ():
        try:
            fd = nsfs.open_by_id(number)
        except SyscallError:
            return
        if fd is not None:
            try:
                status = syscalls.stat(fd)
            finally:
                syscalls.close(fd)
            if (status.st_dev, status.st_ino) not in known:
                yield (status.st_dev, status.st_ino), number


def pids() -> list[int]:
    """Return the numbers of all processes that can be seen."""
    return sorted(int(entry) for entry in syscalls.listdir("/proc") if entry.isdigit())


def _add_process(pid: int, use: Callable[[str], NamespaceUse | None]) -> None:
    """Note the namespaces of a process's threads, and those of which it has descriptors."""
    inside = set()
    for path in of_threads(pid):
        one = use(path)
        if one is not None and one.inode not in inside:
            inside.add(one.inode)
            one.pids.append(pid)
    for path in of_descriptors(pid):
        one = use(path)
        if one is not None and one.inode not in inside and pid not in one.holders and pid != os.getpid():
            one.holders.append(pid)


def of_threads(pid: int) -> Iterator[str]:
    """Yield the files of the network namespaces that the threads of a process are in, the first thread's first."""
    for task in sorted(_entries(f"/proc/{pid}/task"), key=lambda task: task != str(pid)):
        yield f"/proc/{pid}/ns/net" if task == str(pid) else f"/proc/{pid}/task/{task}/ns/net"


def of_descriptors(pid: int) -> Iterator[str]:
    """Yield the files of the network namespaces to which a descriptor of a process refers."""
    for fd in _entries(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{fd}"
        try:
            if os.readlink(path).startswith("net:["):
                yield path
        except OSError:
            continue  # the process has closed it, or is closed to the caller


def _entries(path: str) -> list[str]:
    try:
        return syscalls.listdir(path)
    except _MISSING:
        return []


def mounts() -> Iterator[str]:
    """Yield the files in this mount namespace on which nsfs files are mounted (proc_pid_mountinfo(5))."""
    try:
        with open("/proc/thread-self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
            for line in table:
                fields, _, rest = line.partition(" - ")
                if rest.startswith("nsfs "):
                    yield _unescaped(fields.split()[4])
    except OSError:
        return


def _unescaped(path: str) -> str:
    r"""Return a path of mountinfo, where the kernel writes space, tab, newline and backslash in octal (``\040``)."""
    for octal in ("040", "011", "012", "134"):
        path = path.replace(f"\\{octal}", chr(int(octal, 8)))
    return path


def _ask(uses: list[NamespaceUse], links: bool) -> None:
    """Ask the kernel for the id of each namespace, and for its interfaces."""
    with NetNS.current() as current:
        for one in uses:
            try:
                with NetNS.open(one.path) as namespace:
                    one.nsid = current.net.nsid(namespace)
                    if links:
                        one.links = [link.name for link in namespace.net.links()]
            except (SyscallError, KernelError, RawnsError):
                continue  # it has ended, or the caller may not enter it
