"""The processes of a chapter: what they start with, and how all of them are ended."""

from __future__ import annotations

import os
from _signal import SIGCONT, SIGHUP, SIGKILL  # type: ignore[import-not-found]  # `signal` imports enum

from .. import syscalls, uapi
from ..errors import SyscallError

MAX_GENERATIONS = 64  # of processes that start others while they are ended
MAX_NESTED = 33  # user namespaces, one in another: the kernel's limit
END_MILLISECONDS = 1000


def end_with_parent(number: int, parent: int) -> None:
    """Have the kernel send this process a signal when its parent ends (prctl(2), PR_SET_PDEATHSIG)."""
    syscalls.prctl(uapi.PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:  # it has ended already
        os.kill(os.getpid(), number)


def end_descendants() -> None:
    """Kill all children of this process, and theirs, which become its own as their parents end."""
    for _ in range(MAX_GENERATIONS):
        mine = _children()
        if not mine:
            return
        for pid in mine:
            try:
                os.kill(pid, SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass


def _children() -> list[int]:
    """Return the children of this process (proc(5), /proc/PID/stat)."""
    mine = []
    for pid in _processes():
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
        except OSError:
            continue
        if parent == os.getpid():
            mine.append(pid)
    return mine


def end_members(namespace: str) -> None:
    """End all other processes in a user namespace (``user:[INODE]``) and in those below it, such as shells of `learn join`.

    They are asked by SIGHUP, so that a shell can restore its terminal, and killed if they have not ended within a second.
    """
    from select import poll

    for number in (SIGHUP, *[SIGKILL] * MAX_GENERATIONS):
        members = [pid for pid in _processes() if pid != os.getpid() and _is_member(pid, namespace)]
        if not members:
            return
        for pid in members:
            try:
                fd = os.pidfd_open(pid)
            except OSError:  # it has ended
                continue
            try:
                os.kill(pid, number)
                os.kill(pid, SIGCONT)
                waiting = poll()
                waiting.register(fd)
                waiting.poll(END_MILLISECONDS)
            except ProcessLookupError:
                pass
            finally:
                os.close(fd)


def _processes() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdecimal()]


def _is_member(pid: int, namespace: str) -> bool:
    """Tell whether a process is in a user namespace, or in one below it; false if that cannot be asked (ioctl_ns(2))."""
    try:
        fd = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    for _ in range(MAX_NESTED):
        if f"user:[{os.fstat(fd).st_ino}]" == namespace:
            os.close(fd)
            return True
        try:
            above = syscalls.ioctl(fd, uapi.NS_GET_PARENT)
        except SyscallError:  # the initial one, or one above this process's own
            above = -1
        os.close(fd)
        if above < 0:
            return False
        fd = above
    os.close(fd)
    return False
