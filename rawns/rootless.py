"""A user namespace in which an ordinary user may do all of this (user_namespaces(7)).

Floor 5.  `enter` moves the whole process; there is no way back, and no need for one: all that was made in it is gone
with its last process.  Inside, the user is root over a network, a mount table and a /run that are the process's own.
"""

from __future__ import annotations

import os
from errno import EACCES, EINVAL, ENOENT, ENOSPC, EPERM

from . import syscalls, uapi
from .errors import RawnsError, SyscallError
from .netlink import Netlink
from .objects import link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    Remedy = Optional[str]

CAP_NET_ADMIN, CAP_SYS_ADMIN = 12, 21  # <linux/capability.h>


def privileged() -> bool:
    """Whether this process may make namespaces with names: capabilities over both, and a /run it can write to."""
    try:
        with open("/proc/thread-self/status", encoding="ascii", errors="replace") as status:
            line = next(line for line in status if line.startswith("CapEff:"))
    except (OSError, StopIteration):
        return os.geteuid() == 0
    capabilities = int(line.split()[1], 16)
    wanted = 1 << CAP_NET_ADMIN | 1 << CAP_SYS_ADMIN
    return capabilities & wanted == wanted and os.access("/run", os.W_OK)


def enter() -> None:
    """Move this process into a user, mount and network namespace of its own: ``unshare -Urmn``, with an own /run and ``lo`` up.

    The process must have one thread only.  Raises `RawnsError` with the remedy where this machine forbids it.
    """
    uid, gid = os.geteuid(), os.getegid()
    try:
        syscalls.unshare(uapi.CLONE_NEWUSER | uapi.CLONE_NEWNS | uapi.CLONE_NEWNET)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"0 {uid} 1")
        _write("/proc/self/gid_map", f"0 {gid} 1")
        syscalls.mount("", "/", "none", uapi.MS_SLAVE | uapi.MS_REC, None)
        _own_run()
    except SyscallError as error:
        remedy = _remedy(error)
        if remedy is None:
            raise
        raise RawnsError(f"this machine does not let an ordinary user make a user namespace: {remedy}") from error
    with Netlink() as netlink:
        netlink.do(link.change(1, up=True))


def _write(path: str, text: str) -> None:
    fd = syscalls.open_(path, os.O_WRONLY)
    try:
        syscalls.perform("write", os.write, fd, text.encode())
    finally:
        syscalls.close(fd)


# -- a /run of its own -----------------------------------------------------------------------------------------------


def _own_run() -> None:
    """An empty /run that is ours to write to, with everything that stood in the old one but the names, bound back into it.

    The names under the old /run/netns belong to namespaces this user has no power over.
    """
    old = syscalls.open_("/run", os.O_RDONLY | os.O_DIRECTORY)
    try:
        syscalls.mount("rawns", "/run", "tmpfs", 0, "mode=0755")
        for entry in os.scandir(old):
            if entry.name != "netns":
                _bind_back(entry, f"/proc/self/fd/{old}/{entry.name}", f"/run/{entry.name}")
    finally:
        syscalls.close(old)


def _bind_back(entry: os.DirEntry[str], source: str, target: str) -> None:
    """What cannot be bound is left out: /run is for convenience, and no one entry of it is ours to insist on."""
    try:
        if entry.is_symlink():
            os.symlink(os.readlink(source), target)
            return
        if entry.is_dir():
            syscalls.mkdir(target, 0o755)
        else:
            syscalls.close(syscalls.open_(target, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o644))
        syscalls.mount(source, target, "none", uapi.MS_BIND | uapi.MS_REC, None)
    except OSError:
        pass


# -- why not -----------------------------------------------------------------------------------------------------------

# What forbids user namespaces: a setting, the value that forbids, one that allows, and what to say before it.
_SETTINGS = (
    ("kernel.unprivileged_userns_clone", 0, 1, ""),
    ("kernel.apparmor_restrict_unprivileged_userns", 1, 0, "AppArmor forbids it: "),
    ("user.max_user_namespaces", 0, 10000, ""),
    ("user.max_net_namespaces", 0, 10000, ""),
    ("user.max_mnt_namespaces", 0, 10000, ""),
)


def _remedy(error: SyscallError) -> Remedy:
    """What the administrator would have to change; None where the error says it all itself."""
    for setting, forbids, allows, why in _SETTINGS:
        if _setting(setting) == forbids:
            return f"{why}{setting} is {forbids}; `sysctl -w {setting}={allows}` as root allows it, or run this as root"
    if error.call != "unshare":
        return None
    return {
        EPERM: "a container's seccomp filter or a chroot stands in the way (EPERM); run this as root, or start the "
        "container with `--security-opt seccomp=unconfined`",
        EACCES: "a security module stands in the way (EACCES); run this as root",
        ENOSPC: "too many namespaces exist already (ENOSPC); raise user.max_user_namespaces and its neighbours in /proc/sys/user",
        EINVAL: "the kernel is built without user namespaces, or this process has threads (EINVAL); run this as root",
    }.get(error.errno or ENOENT)


def _setting(name: str) -> int | None:
    try:
        with open(f"/proc/sys/{name.replace('.', '/')}", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None
