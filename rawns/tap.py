"""Network devices whose other end is a program: tun for packets, tap for frames (`<linux/if_tun.h>`, the kernel's tuntap.rst).

Call these functions on a thread that is inside the namespace: the device is created there, and stays there whichever process
holds its descriptor.  Root of a user namespace may do this too, if it may open /dev/net/tun.
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
MAX_ID = (1 << 32) - 2  # of a user or a group; the last number means none
MAX_INDEX = (1 << 31) - 1

IFREQ = Struct("ifreq", ("ifr_name", Raw(uapi.IFNAMSIZ)), ("ifr_flags", S16), ("__rest", Raw(22)))


def open_(name: str = "", kind: str = "tap", fresh: bool = False, index: int = 0) -> tuple[int, str]:
    """Open the program's end of a device, which is created if there is none; return the descriptor and the device's name.

    Without a name the kernel chooses one; ``tap%d`` is a pattern for it.  Each read(2) or write(2) moves one frame or packet,
    without a header (IFF_NO_PI).  A device that `add` has not made persistent ends with the descriptor.  ``fresh`` refuses a
    device that exists (EBUSY); ``index`` is the interface index of a new device, 0 for the next free one.
    Raises `InvalidValue`, `SyscallError`.
    """
    if kind not in KINDS:
        raise InvalidValue(f"{kind!r} is not a kind of such a device; there are {' and '.join(KINDS)}")
    _check_number(index, MAX_INDEX, "the index of an interface")
    if name:
        check_name(name.replace("%d", "0") if isinstance(name, str) else name)
    flags = KINDS[kind] | uapi.IFF_NO_PI | (uapi.IFF_TUN_EXCL if fresh else 0)
    request = IFREQ.pack_members(os.fsencode(name), flags - (flags >> 15 << 16), b"")  # a short in C
    text = f'{{ifr_name="{printable(name)}", ifr_flags=IFF_{kind.upper()}|IFF_NO_PI{"|IFF_TUN_EXCL" if fresh else ""}}}'
    fd = _open_device()
    try:
        if index:
            syscalls.ioctl_struct(fd, "TUNSETIFINDEX", U32.pack(index, {}), f"[{index}]")
        answer = syscalls.ioctl_struct(fd, "TUNSETIFF", request, text)
    except BaseException as error:
        syscalls.close(fd)
        if isinstance(error, SyscallError):
            raise _with_advice(error, name) from None
        raise
    found = IFREQ.read(answer, 0)[0].split(b"\0", 1)[0]
    return fd, os.fsdecode(found)


def add(name: str, kind: str = "tap", owner: int | None = None, group: int | None = None, index: int = 0) -> None:
    """Create a persistent device: ``ip tuntap add dev NAME mode tap [user UID] [group GID]``.

    ``owner`` and ``group`` are ids of those who may open it without privileges.  It ends with ``ip link del NAME`` or with its
    namespace.  Raises `InvalidValue`, and `SyscallError` (EBUSY) if there is such a device already.
    """
    if not name or "%" in name:
        raise InvalidValue(f"{name!r} cannot name a persistent interface")
    for number in (owner, group):
        if number is not None:
            _check_number(number, MAX_ID, "the id of a user or a group")
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


def _check_number(number: int, most: int, what: str) -> None:
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= most:
        raise InvalidValue(f"{what} is an integer from 0 to {most}")


def _open_device() -> int:
    try:
        return syscalls.open_(DEVICE, os.O_RDWR)
    except SyscallError as error:
        if error.errno in (ENOENT, ENODEV, ENXIO):
            error.hint = MISSING
        elif error.errno in (EACCES, EPERM):
            error.hint = f"this process may not open {DEVICE}: the file's mode, or the container's list of devices, forbids it"
        raise


def _with_advice(error: SyscallError, name: str) -> SyscallError:
    if error.errno == EBUSY:
        error.hint = f"{printable(name)} exists already, or another program holds its end"
    elif error.errno == EINVAL:
        error.hint = f"{printable(name)} exists already and is of another kind"
    return error
