"""The files of host-local: one for each address that is given out, in the form of the reference implementation.

``/var/lib/cni/networks/NETWORK/10.1.0.5`` holds the container's id and the name of its interface, with CR LF between.
``last_reserved_ip.N`` holds the address that was given out last of the range set N.  ``lock`` is locked with flock(2) while any
of them changes.  A file gets its content before its name, so that a plugin that is killed leaves no file without an owner.
"""

from __future__ import annotations

import os
import stat

from .. import syscalls, uapi
from ..errors import InvalidValue, SyscallError
from ..terminal import printable
from .failure import IO_FAILURE, CniError
from .keys import plain_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .call import Attachment

    Owner = tuple[str, str]  # the ids of a container and its interface

DIRECTORY = "/var/lib/cni/networks"
LINE_BREAK = "\r\n"
LAST = "last_reserved_ip."
NEW = ".rawns-new"  # written under the lock, and renamed; what is left of it has no meaning
MAX_FILE_BYTES = 1024
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY


class Leases:
    """The addresses of one network that are given out.  Use it in ``with``: the network is locked until the end of the block.

    Raises `CniError` (code 5) if a file or directory belongs to another user, or others can write to it.
    """

    def __init__(self, network: str, directory: str | None = None, create: bool = True) -> None:
        self._directory, self._network, self._create = directory or DIRECTORY, network, create
        self._path = f"{self._directory}/{network}"
        self._open: list[int] = []

    def __enter__(self) -> Leases:
        try:
            self._lock()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        while self._open:
            syscalls.close(self._open.pop())

    def _lock(self) -> None:
        try:
            if self._create:
                _make_directories(self._path)
            outer = self._keep(syscalls.open_(self._directory, OPEN_DIRECTORY))
            inner = self._keep(syscalls.open_(f"/proc/thread-self/fd/{outer}/{self._network}", OPEN_DIRECTORY | os.O_NOFOLLOW))
            for number, path in ((outer, self._directory), (inner, self._path)):
                self._trust(number, path)
            self._here = f"/proc/thread-self/fd/{inner}"
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
            lock = self._keep(syscalls.open_(f"{self._here}/lock", flags, 0o600))
            self._trust(lock, f"{self._path}/lock")
        except SyscallError as error:
            raise CniError(IO_FAILURE, f"{printable(self._path)}: {error.strerror} ({error.code}, {error.call})") from None
        syscalls.flock(lock, uapi.LOCK_EX)

    def _keep(self, number: int) -> int:
        self._open.append(number)
        return number

    def _trust(self, number: int, path: str) -> None:
        status = syscalls.stat(number)
        foreign_group = status.st_gid not in (0, os.getegid()) and status.st_mode & stat.S_IWGRP
        if status.st_uid not in (0, os.geteuid()) or status.st_mode & stat.S_IWOTH or foreign_group:
            raise CniError(IO_FAILURE, f"{printable(path)} is not trusted: another user owns it, or can write to it")

    # -- reading --------------------------------------------------------------------------------------------------

    def names(self) -> set[str]:
        """Return the addresses that are given out, in the form of the kernel."""
        return {one for one in map(_address, syscalls.listdir(self._here)) if one}

    def owners(self) -> dict[str, Owner]:
        """Return whose each file is, by its name: the container's id and the interface, which an old file does not say.

        What is not a regular file is left out, and so is what is too long.
        """
        found: dict[str, Owner] = {}
        for name in syscalls.listdir(self._here):
            text = self._read(name) if _address(name) else None
            if text is not None:
                container, _, ifname = text.strip().partition(LINE_BREAK)
                found[name] = (container, ifname)
        return found

    def _read(self, name: str) -> str | None:
        """Return the beginning of a regular file; None for anything else."""
        try:
            file = syscalls.open_(f"{self._here}/{name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except SyscallError:
            return None
        try:
            regular = stat.S_ISREG(syscalls.stat(file).st_mode)
            return syscalls.read(file, MAX_FILE_BYTES).decode("utf-8", "replace") if regular else None
        finally:
            syscalls.close(file)

    def of(self, attachment: Attachment) -> list[str]:
        """Return the addresses of one attachment."""
        mine = (attachment.container, attachment.ifname), (attachment.container, "")
        return [name for name, owner in self.owners().items() if owner in mine]

    def last(self, range_set: int) -> str:
        """Return the address that was given out last of a range set; empty if that is not known."""
        return _address((self._read(f"{LAST}{range_set}") or "").strip())

    # -- changing -------------------------------------------------------------------------------------------------

    def reserve(self, address: str, attachment: Attachment) -> None:
        """Write the file of an address, which must be free."""
        self._write(address, f"{attachment.container}{LINE_BREAK}{attachment.ifname}")

    def set_last(self, range_set: int, address: str) -> None:
        """Write down the address that was given out last of a range set."""
        self._write(f"{LAST}{range_set}", address)

    def _write(self, name: str, text: str) -> None:
        new = f"{self._here}/{NEW}"
        try:
            file = syscalls.open_(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
            try:
                syscalls.write(file, text.encode())
            finally:
                syscalls.close(file)
            syscalls.rename(new, f"{self._here}/{name}")
        except SyscallError as error:
            self.release(NEW)
            raise CniError(
                IO_FAILURE, f"{printable(self._path)}/{name} cannot be written: {error.strerror} ({error.code})"
            ) from None

    def release(self, *names: str) -> None:
        """Remove the files of addresses."""
        for name in names:
            try:
                syscalls.unlink(f"{self._here}/{name}")
            except FileNotFoundError:
                pass
            except SyscallError as error:
                raise CniError(
                    IO_FAILURE, f"{printable(self._path)}/{name} cannot be removed: {error.strerror} ({error.code})"
                ) from None


def _address(text: str) -> str:
    """Return an address in the form of the kernel; empty if a text is not an address."""
    if not text[:1].isalnum() and text[:1] != ":":
        return ""
    try:
        return plain_address(text).address
    except InvalidValue:
        return ""


def _make_directories(path: str) -> None:
    """Create a directory and those above it that do not exist."""
    if os.path.isdir(path):
        return
    if path.count("/") > 1:
        _make_directories(os.path.dirname(path))
    try:
        syscalls.mkdir(path, 0o755)
    except FileExistsError:
        pass
