"""Network namespaces by what nsfs and pidfds of newer kernels know: their ids, all of them, and that of a process.

Each function has an answer on older kernels too, which its docstring names.  listns(2), ioctl_ns(2), pidfd_open(2).
"""

from __future__ import annotations

import os
from errno import EINVAL, EMFILE, ENFILE, ENOMEM, ENOSYS, ENOTTY, EPERM, ESRCH
from struct import Struct

from . import syscalls, uapi
from .errors import InvalidValue, SyscallError
from .netns_names import HERE
from .threads import call_on_thread

FILEID_NSFS = 0xF1  # enum fid_type of the kernel's <linux/exportfs.h>, which user space has no header for
CHUNK = 512  # ids that one call returns
MAX_CHUNKS = 4096
HANDLE = Struct("=IiQII")  # struct file_handle, with struct nsfs_file_handle in it: id, type, inode
REQUEST = Struct("=IIQIIQ")  # struct ns_id_req: size, spare, the last id, type, spare, user namespace
NUMBER = Struct("=Q")


def namespace_id(fd: int) -> int | None:
    """Return the id of the namespace behind a descriptor (NS_GET_ID); None before Linux 6.18.

    No other namespace gets it until the machine is restarted, while the kernel reuses inode numbers at once.
    """
    try:
        return NUMBER.unpack(syscalls.ioctl_struct(fd, "NS_GET_ID", bytes(8), "&id"))[0]  # type: ignore[no-any-return]
    except SyscallError as error:
        if error.errno in (ENOTTY, EINVAL):
            return None
        raise


def all_ids() -> list[int] | None:
    """Return the ids of all network namespaces that the caller has capabilities over, and of its own: listns(2).

    They include those that are only mounted in another mount namespace, or of which a descriptor is being passed; a namespace
    that only a socket keeps alive is not active any more, and left out.  None before Linux 6.19, and if a seccomp filter
    forbids the call.
    """
    from array import array

    found: list[int] = []
    for _ in range(MAX_CHUNKS):
        last = found[-1] if found else 0
        request = REQUEST.pack(uapi.NS_ID_REQ_SIZE_VER0, 0, last, uapi.CLONE_NEWNET, 0, 0)
        ids = array("Q", bytes(8 * CHUNK))
        try:
            count = syscalls.listns(request, ids.buffer_info()[0], CHUNK, 0)
        except SyscallError as error:
            if error.errno in (ENOSYS, EPERM):
                return None
            raise
        found += ids[:count]
        if count < CHUNK:
            break
    return found


def open_by_id(number: int) -> int | None:
    """Open a network namespace by its id; return the descriptor, or None if it has ended, or may not be opened.

    open_by_handle_at(2), since Linux 6.19 without the inode; a container may forbid it.  Raises `SyscallError` if as many
    files are open as may be.
    """
    handle = HANDLE.pack(16, FILEID_NSFS, number, 0, 0)
    try:
        return syscalls.open_by_handle_at(uapi.FD_NSFS_ROOT, handle, os.O_RDONLY | os.O_CLOEXEC)
    except SyscallError as error:
        if error.errno in (EMFILE, ENFILE, ENOMEM):
            raise
        return None


def open_of_process(pidfd: int) -> int:
    """Open the network namespace of a process by a descriptor of the process (pidfd_open(2)); return the descriptor.

    Another process that gets the same number later cannot take its place.  PIDFD_GET_NET_NAMESPACE of Linux 6.11; before
    that, setns(2) with the descriptor on a thread of its own, since Linux 5.8.  Raises ProcessLookupError (`SyscallError`)
    if the process has ended, `InvalidValue` if the descriptor is not one of a process.
    """

    def inside() -> int:
        syscalls.setns(pidfd, uapi.CLONE_NEWNET)
        return syscalls.open_(HERE, os.O_RDONLY)

    try:
        try:
            return syscalls.ioctl(pidfd, uapi.PIDFD_GET_NET_NAMESPACE)
        except SyscallError as error:
            if error.errno not in (ENOTTY, EINVAL):
                raise
        return call_on_thread(inside)
    except SyscallError as error:
        if error.errno == EINVAL:
            raise InvalidValue(f"descriptor {pidfd} is not one of a process (pidfd_open)") from None
        if error.errno == ESRCH:
            error.hint = "the process has ended"
        raise
