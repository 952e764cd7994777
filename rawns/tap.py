"""Network devices whose cable ends in a program: tun for packets, tap for frames (`<linux/if_tun.h>`, the kernel's tuntap.rst).

Floor 4.  Everything here is for a thread that is inside the namespace: there the device is made, and there it stays whoever
holds its descriptor.  An ordinary user in a user namespace may, where /dev/net/tun lets him open it.
"""

from __future__ import annotations

import os
from errno import EACCES, EBUSY, EINVAL, ENODEV, ENOENT, ENXIO, EPERM

from . import syscalls, uapi
from .errors import InvalidValue, SyscallError
from .objects.link import check_name
from .terminal import printable
from .wire import S16, U32, Raw, Struct

DEVICE = "/dev/net/tun"
KINDS = {"tap": uapi.IFF_TAP, "tun": uapi.IFF_TUN}
MISSING = f"load the module tun (`modprobe tun`); in a container, give it the device: --device {DEVICE}"

IFREQ = Struct("ifreq", ("ifr_name", Raw(uapi.IFNAMSIZ)), ("ifr_flags", S16), ("__rest", Raw(22)))


def open_(name: str = "", kind: str = "tap", fresh: bool = False, index: int = 0) -> tuple[int, str]:
    """Make a device, or take the end of one that is there; a descriptor to read from and write to, and its name.

    Without a name the kernel takes one; ``tap%d`` is a pattern for it.  One frame or packet a read(2) or write(2), and nothing
    before it (IFF_NO_PI).  Unless it is persistent it ends with the descriptor.  ``fresh`` takes none that is there (EBUSY).
    Raises `InvalidValue`, `SyscallError`.
    """
    if kind not in KINDS:
        raise InvalidValue(f"{kind!r} is no kind of such a device: {', '.join(KINDS)}")
    if name:
        check_name(name.replace("%d", "0"))
    flags = KINDS[kind] | uapi.IFF_NO_PI | (uapi.IFF_TUN_EXCL if fresh else 0)
    request = IFREQ.pack_members(os.fsencode(name), flags - (flags >> 15 << 16), b"")  # a short in C
    told = f'{{ifr_name="{printable(name)}", ifr_flags=IFF_{kind.upper()}|IFF_NO_PI{"|IFF_TUN_EXCL" if fresh else ""}}}'
    fd = _open()
    try:
        if index:  # that it is to have, where it is made now
            syscalls.ioctl_struct(fd, "TUNSETIFINDEX", U32.pack(index, {}), f"[{index}]")
        answer = syscalls.ioctl_struct(fd, "TUNSETIFF", request, told)
    except BaseException as error:
        syscalls.close(fd)
        if isinstance(error, SyscallError):
            raise _advised(error, name) from None
        raise
    found = IFREQ.read(answer, 0)[0].split(b"\0", 1)[0]
    return fd, os.fsdecode(found)


def add(name: str, kind: str = "tap", owner: int | None = None, group: int | None = None, index: int = 0) -> None:
    """Make a device that stays: ``ip tuntap add dev NAME mode tap [user UID] [group GID]``.

    ``owner`` and ``group`` may open it without privileges.  It goes with ``ip link del NAME``, or with its namespace.
    Raises `SyscallError` (EBUSY) where there is such a device already.
    """
    if not name or "%" in name:
        raise InvalidValue(f"{name!r} cannot name an interface that stays")
    for number in (owner, group):
        if number is not None and not (isinstance(number, int) and 0 <= number < 1 << 32):
            raise InvalidValue(f"{number!r} is no id of a user or a group")
    fd, _ = open_(name, kind, fresh=True, index=index)
    try:
        for request, number in (("TUNSETOWNER", owner), ("TUNSETGROUP", group), ("TUNSETPERSIST", 1)):
            if number is not None:
                syscalls.ioctl_number(fd, request, number)
    except SyscallError as error:
        if error.errno == EINVAL:
            error.hint = "this user namespace has no such user or group"
        raise
    finally:
        syscalls.close(fd)


def _open() -> int:
    try:
        return syscalls.open_(DEVICE, os.O_RDWR)
    except SyscallError as error:
        if error.errno in (ENOENT, ENODEV, ENXIO):
            error.hint = MISSING
        elif error.errno in (EACCES, EPERM):
            error.hint = f"{DEVICE} is closed to us: its mode, or the container's list of devices, must let us in"
        raise


def _advised(error: SyscallError, name: str) -> SyscallError:
    if error.errno == EBUSY:
        error.hint = f"{printable(name)} is there already, or its end is held by another program"
    elif error.errno == EINVAL:
        error.hint = f"{printable(name)} is there already and is of another kind"
    return error
