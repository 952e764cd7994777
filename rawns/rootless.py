"""A user namespace in which an ordinary user may do everything that `rawns` does (user_namespaces(7)).

`enter` moves the whole process.  There is no way back, and none is needed: everything that is created inside ends with the
last process in it.  Inside, the user is root over a network, a mount table and a /run that are the process's own.
`enter_as_same_user` changes less: the process keeps its user and its network, and gets the capabilities for new networks.
"""

from __future__ import annotations

import os
from errno import EACCES, EINVAL, ENOENT, ENOSPC, EPERM

from . import syscalls, uapi
from .errors import RawnsError, SyscallError
from .netlink import Netlink
from .objects import link
from .privileges import capable, in_initial_user_namespace, owns_namespace
from .user_maps import inherit_capabilities, write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    Remedy = Optional[str]


def privileged() -> bool:
    """Return whether this process may create namespaces with names: capabilities over network and mounts, and a writable /run."""
    return capable(uapi.CAP_NET_ADMIN, uapi.CAP_SYS_ADMIN) and os.access("/run", os.W_OK) and owns_namespace("mnt")


KEPT_CAPABILITIES = (uapi.CAP_NET_BIND_SERVICE, uapi.CAP_NET_ADMIN, uapi.CAP_NET_RAW, uapi.CAP_SYS_ADMIN)


def enter() -> None:
    """Move this process into new user, mount and network namespaces, with a private /run, and set ``lo`` up.

    Equivalent to ``unshare --map-root-user --mount --net``.  The process must have one thread only.  Raises `RawnsError` with
    the remedy if this machine forbids it.
    """
    _enter(0, 0, uapi.CLONE_NEWUSER | uapi.CLONE_NEWNS | uapi.CLONE_NEWNET)
    with Netlink() as netlink:
        netlink.do(link.change(1, up=True))


def enter_as_same_user() -> None:
    """Move this process into new user and mount namespaces, with a private /run; it keeps its user id and its network.

    An ordinary user keeps `KEPT_CAPABILITIES` only, and its programs inherit them: neither the permissions of files nor programs
    that refuse to run as root behave differently inside.  New network namespaces belong to the user; the one that the process
    is in does not, and a thread that leaves it cannot return.
    Equivalent to ``unshare --map-current-user --keep-caps --mount``.  Raises as `enter`.
    """
    uid = os.geteuid()
    _enter(uid, os.getegid(), uapi.CLONE_NEWUSER | uapi.CLONE_NEWNS)
    if uid != 0:
        inherit_capabilities(sum(1 << number for number in KEPT_CAPABILITIES))


def _enter(inner_uid: int, inner_gid: int, namespaces: int) -> None:
    """Unshare namespaces, with one user and group, which have these ids inside; make a private /run.  Raises `RawnsError`."""
    uid, gid = os.geteuid(), os.getegid()
    has_capabilities = capable(uapi.CAP_NET_ADMIN, uapi.CAP_SYS_ADMIN)  # asked before unshare, which changes them
    may_map_root = capable(uapi.CAP_SETFCAP)
    if not os.path.isdir("/run"):
        raise RawnsError("there is no directory /run here, where namespaces have their names; make it (`mkdir /run`)")
    if not os.path.exists("/proc/self/setgroups"):
        raise RawnsError("/proc must be mounted to set up a user namespace; mount it (`mount -t proc proc /proc`)")
    try:
        syscalls.unshare(namespaces)
        write_file("/proc/self/setgroups", "deny")
        write_file("/proc/self/uid_map", f"{inner_uid} {uid} 1")
        write_file("/proc/self/gid_map", f"{inner_gid} {gid} 1")
        syscalls.mount("", "/", "none", uapi.MS_SLAVE | uapi.MS_REC, None)
        _replace_directory("/run")
    except SyscallError as error:
        if uid == 0 and not may_map_root and "/uid_map" in error.arguments:
            error.hint = (
                "uid 0 without CAP_SETFCAP cannot be root of a user namespace (user_namespaces(7)); "
                "run this as an ordinary user, or as a root that has its capabilities"
            )
            raise
        alternative = _alternative(uid, has_capabilities)
        remedy = _remedy(error, has_capabilities, alternative)
        if remedy is None:
            error.hint = alternative  # the error's own hint is about the user since unshare, which is not mapped yet
            raise
        who = "this root" if uid == 0 else "an ordinary user"
        raise RawnsError(f"this machine does not let {who} make a user namespace: {remedy}") from error


# -- a private /run --------------------------------------------------------------------------------------------------


def _replace_directory(directory: str) -> None:
    """Mount a new writable directory over another, and bind the entries of the old one into it, except names and locks.

    The names under the old /run/netns lead to namespaces over which this user has no power, and so do files of /etc/netns.
    """
    old = syscalls.open_(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        syscalls.mount("rawns", directory, "tmpfs", 0, "mode=0755")
        for entry in os.scandir(old):
            if entry.name not in ("netns", "rawns"):  # another user's namespaces, and the locks of its labs
                _bind_entry(entry, f"/proc/self/fd/{old}/{entry.name}", f"{directory}/{entry.name}")
    finally:
        syscalls.close(old)


def own_etc() -> bool:
    """Make /etc writable for root of a user namespace that has its own mounts; return whether it is writable now.

    `enter` does not do this: each file of /etc is a mount, and few programs need it.
    """
    if not capable(uapi.CAP_SYS_ADMIN) or in_initial_user_namespace():
        return False
    try:
        _replace_directory("/etc")
    except OSError:
        return False
    return True


def _bind_entry(entry: os.DirEntry[str], source: str, target: str) -> None:
    """Bind one entry into the new directory.  An entry that cannot be bound is left out: none of them is necessary."""
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


# -- why it is forbidden -----------------------------------------------------------------------------------------------

# Settings that forbid user namespaces: name, the value that forbids, one that allows, and words to put before it.
_SETTINGS = (
    ("kernel.unprivileged_userns_clone", 0, 1, ""),
    ("kernel.apparmor_restrict_unprivileged_userns", 1, 0, "AppArmor forbids it: "),
    ("user.max_user_namespaces", 0, 10000, ""),
    ("user.max_net_namespaces", 0, 10000, ""),
    ("user.max_mnt_namespaces", 0, 10000, ""),
)


def _alternative(uid: int, has_capabilities: bool) -> str:
    """Return what the user can do without a user namespace."""
    if not has_capabilities:
        return "run this as a root that has its capabilities" if uid == 0 else "run this as root"
    if not os.access("/run", os.W_OK):
        return "make /run writable, which is all that is lacking to do without"
    if not owns_namespace("mnt"):
        return "run it outside of this user namespace, to which the mounts do not belong"
    return "do without: these capabilities suffice"


def _remedy(error: SyscallError, has_capabilities: bool, alternative: str) -> Remedy:
    """Return what the administrator would have to change; None if the error says everything itself."""
    for setting, forbids, allows, why in _SETTINGS:
        if _setting(setting) == forbids and not (has_capabilities and setting.startswith("kernel.")):
            return f"{why}{setting} is {forbids}; `sysctl -w {setting}={allows}` as root allows it, or {alternative}"
    if error.call != "unshare":
        return None
    return {
        EPERM: "a container's seccomp filter or a chroot stands in the way (EPERM); start the container with "
        f"`--security-opt seccomp=unconfined`, or {alternative}",
        EACCES: f"a security module stands in the way (EACCES); {alternative}",
        ENOSPC: "one of the limits in /proc/sys/user is reached (ENOSPC): max_net_namespaces, max_mnt_namespaces, "
        "max_user_namespaces, or 32 user namespaces stand inside each other",
        EINVAL: f"the kernel is built without user namespaces, or this process has threads (EINVAL); {alternative}",
    }.get(error.errno or ENOENT)


def _setting(name: str) -> int | None:
    try:
        with open(f"/proc/sys/{name.replace('.', '/')}", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None
