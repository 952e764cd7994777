"""What the caller is allowed to do: capabilities, the user namespace it is in, and the remedy if something is forbidden.

user_namespaces(7), capabilities(7).
"""

from __future__ import annotations

import errno
import os

from . import uapi


def remedy(number: int) -> str:
    """Return what to do about EPERM or EACCES; an empty string for any other errno."""
    if number not in (errno.EPERM, errno.EACCES):
        return ""
    if os.geteuid() != 0:
        return "run as root, or inside `rawns rootless`"
    if owns_its_namespaces():
        return "this root lacks the capability for it"
    return (
        "this root's network or mounts belong to another user namespace: run inside `rawns rootless`, which has its own network, "
        "mounts and /run"
    )


def in_initial_user_namespace() -> bool:
    """Return whether every user id is mapped to itself, as in the machine's own user namespace (true if that cannot be read)."""
    try:
        with open("/proc/self/uid_map", "rb") as file:
            return file.read().split() == [b"0", b"0", b"4294967295"]
    except OSError:
        return True


def owns_namespace(kind: str) -> bool:
    """Return whether the calling thread's namespace (``'net'``, ``'mnt'``) belongs to its user namespace, or to one below it.

    Otherwise no capability counts there, not even for root.  True if that cannot be asked.
    """
    try:
        fd = os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return False
    except OSError:
        return True
    try:
        return owns(fd)
    finally:
        os.close(fd)


def owns(fd: int) -> bool:
    """Return whether the namespace behind a descriptor belongs to the caller's user namespace, or to one below it.

    ioctl_ns(2), NS_GET_USERNS; true if that cannot be asked.
    """
    import fcntl

    try:
        os.close(fcntl.ioctl(fd, uapi.NS_GET_USERNS))
    except PermissionError:
        return False
    except OSError:
        return True
    return True


def owns_its_namespaces() -> bool:
    """Return whether the user namespace of the calling thread owns its mount and network namespaces."""
    return in_initial_user_namespace() or owns_namespace("mnt") and owns_namespace("net")


def capable(*capabilities: int) -> bool:
    """Return whether capabilities (CAP_*) are effective in the calling thread; without /proc, whether its user is root."""
    try:
        with open("/proc/thread-self/status", "rb") as status:
            line = next(line for line in status if line.startswith(b"CapEff:"))
    except (OSError, StopIteration):
        return os.geteuid() == 0
    effective = int(line.split()[1], 16)
    return all(effective >> capability & 1 for capability in capabilities)
