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

CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_SETFCAP = 12, 21, 31  # <linux/capability.h>


def privileged() -> bool:
    """Whether this process may make namespaces with names: capabilities over both, and a /run it can write to."""
    return _has(CAP_NET_ADMIN, CAP_SYS_ADMIN) and os.access("/run", os.W_OK)


def _has(*capabilities: int) -> bool:
    """Whether these are effective in this thread; without a /proc, whether it is root's."""
    try:
        with open("/proc/thread-self/status", encoding="ascii", errors="replace") as status:
            line = next(line for line in status if line.startswith("CapEff:"))
    except (OSError, StopIteration):
        return os.geteuid() == 0
    effective = int(line.split()[1], 16)
    return all(effective >> capability & 1 for capability in capabilities)


def enter() -> None:
    """Move this process into a user, mount and network namespace of its own: ``unshare -Urmn``, with an own /run and ``lo`` up.

    The process must have one thread only.  Raises `RawnsError` with the remedy where this machine forbids it.
    """
    uid, gid = os.geteuid(), os.getegid()
    capable, may_map_root = _has(CAP_NET_ADMIN, CAP_SYS_ADMIN), _has(CAP_SETFCAP)  # asked now: unshare changes both
    if not os.path.isdir("/run"):
        raise RawnsError("there is no directory /run here, where namespaces have their names; make it (`mkdir /run`)")
    try:
        syscalls.unshare(uapi.CLONE_NEWUSER | uapi.CLONE_NEWNS | uapi.CLONE_NEWNET)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"0 {uid} 1")
        _write("/proc/self/gid_map", f"0 {gid} 1")
        syscalls.mount("", "/", "none", uapi.MS_SLAVE | uapi.MS_REC, None)
        _own("/run")
    except SyscallError as error:
        if uid == 0 and not may_map_root and "/uid_map" in error.arguments:
            error.hint = (
                "uid 0 without CAP_SETFCAP cannot be root of a user namespace (user_namespaces(7)); "
                "run this as an ordinary user, or as a root that has its capabilities"
            )
            raise
        instead = _instead(uid, capable)
        remedy = _remedy(error, capable, instead)
        if remedy is None:
            error.hint = instead  # what stands there now is about the user that we are since unshare, which is nobody
            raise
        who = "this root" if uid == 0 else "an ordinary user"
        raise RawnsError(f"this machine does not let {who} make a user namespace: {remedy}") from error
    with Netlink() as netlink:
        netlink.do(link.change(1, up=True))


def _write(path: str, text: str) -> None:
    fd = syscalls.open_(path, os.O_WRONLY)
    try:
        syscalls.observed_call("write", os.write, fd, text.encode(), format_args=lambda *_: f'"{path}", "{text}"')
    finally:
        syscalls.close(fd)


# -- a /run of its own -----------------------------------------------------------------------------------------------


def _own(directory: str) -> None:
    """An empty directory in its place that is ours to write to, with everything that stood in it but the names, bound back.

    The names under the old /run/netns belong to namespaces this user has no power over, as do the files under /etc/netns.
    """
    old = syscalls.open_(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        syscalls.mount("rawns", directory, "tmpfs", 0, "mode=0755")
        for entry in os.scandir(old):
            if entry.name not in ("netns", "rawns"):  # another user's namespaces, and the locks of their labs
                _bind_back(entry, f"/proc/self/fd/{old}/{entry.name}", f"{directory}/{entry.name}")
    finally:
        syscalls.close(old)


def own_etc() -> bool:
    """Make /etc writable where we are root of a user namespace with mounts of its own; whether it is now.

    Not done by `enter`: a file of /etc is a mount each, which is more than most need.
    """
    if not _has(CAP_SYS_ADMIN) or _whole():
        return False
    try:
        _own("/etc")
    except OSError:
        return False
    return True


def _whole() -> bool:
    """Whether this is the machine's own user namespace, in which every uid is itself."""
    try:
        with open("/proc/self/uid_map", encoding="ascii") as file:
            return file.read().split() == ["0", "0", "4294967295"]
    except OSError:
        return True


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


def _instead(uid: int, capable: bool) -> str:
    """What would do without a user namespace."""
    if not capable:
        return "run this as a root that has its capabilities" if uid == 0 else "run this as root"
    if not os.access("/run", os.W_OK):
        return "make /run writable, which is all that is lacking to do without"
    return "do without: these capabilities suffice"


def _remedy(error: SyscallError, capable: bool, instead: str) -> Remedy:
    """What the administrator would have to change; None where the error says it all itself."""
    for setting, forbids, allows, why in _SETTINGS:
        if _setting(setting) == forbids and not (capable and setting.startswith("kernel.")):
            return f"{why}{setting} is {forbids}; `sysctl -w {setting}={allows}` as root allows it, or {instead}"
    if error.call != "unshare":
        return None
    return {
        EPERM: "a container's seccomp filter or a chroot stands in the way (EPERM); start the container with "
        f"`--security-opt seccomp=unconfined`, or {instead}",
        EACCES: f"a security module stands in the way (EACCES); {instead}",
        ENOSPC: "one of the limits in /proc/sys/user is reached (ENOSPC): max_net_namespaces, max_mnt_namespaces, "
        "max_user_namespaces, or 32 user namespaces stand inside each other",
        EINVAL: f"the kernel is built without user namespaces, or this process has threads (EINVAL); {instead}",
    }.get(error.errno or ENOENT)


def _setting(name: str) -> int | None:
    try:
        with open(f"/proc/sys/{name.replace('.', '/')}", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None
