"""User and group ids of a user namespace: the maps that give them, and the capabilities that its programs keep.

user_namespaces(7), capabilities(7), subuid(5).  Ids are integers of 32 bits.
"""

from __future__ import annotations

import os
from struct import pack

from . import syscalls, uapi
from .observer import observed_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

NO_ID = 0xFFFFFFFF  # (uid_t) -1, which no user and no group has
MAX_SUBORDINATE_BYTES = 1 << 20  # of /etc/subuid


class IdRange:
    """``count`` ids, which begin with ``inner`` in a user namespace and with ``outer`` outside; ``str()`` is a line of a map."""

    __slots__ = ("count", "inner", "outer")

    def __init__(self, inner: int, outer: int, count: int) -> None:
        self.inner, self.outer, self.count = inner, outer, count

    def __str__(self) -> str:
        return f"{self.inner} {self.outer} {self.count}"

    def around(self, inner: int, outer: int) -> Iterator[IdRange]:
        """Yield the single id ``inner``, which is ``outer`` outside, and then the parts of this range that leave it out.

        A range that contains one of the two ids, or ends before it, is shortened by one id, as by unshare(1).
        """
        count = self.count
        if self.outer <= outer <= self.outer + count or self.inner <= inner <= self.inner + count:
            count = max(count - 1, 0)
        first, second = sorted((min(max(inner - self.inner, 0), count), min(max(outer - self.outer, 0), count)))
        yield IdRange(inner, outer, 1)
        next_inner, next_outer = self.inner, self.outer
        for size in (first, second - first, count - second):
            next_inner += next_inner == inner
            next_outer += next_outer == outer
            if size:
                yield IdRange(next_inner, next_outer, size)
            next_inner, next_outer = next_inner + size, next_outer + size


def subordinate_ids(path: str, name: str, uid: int) -> IdRange | None:
    """Return the first range of /etc/subuid or /etc/subgid that belongs to a user, from 0 on inside; None if there is none.

    Raises `SyscallError` if the file cannot be read, ValueError if the line of the user is wrong.
    """
    fd = syscalls.open_(path, os.O_RDONLY)
    try:
        text = syscalls.read(fd, MAX_SUBORDINATE_BYTES)
    finally:
        syscalls.close(fd)
    for line in text.decode("utf-8", "surrogateescape").splitlines():
        owner, *numbers = line.split(":")
        if len(numbers) == 2 and owner in (name, str(uid)):
            return IdRange(0, *map(int, numbers))
    return None


def write_file(path: str, text: str) -> None:
    """Write to a file of /proc with one write(2).  Raises `SyscallError`, whose ``call`` is ``open`` or ``write``."""
    fd = syscalls.open_(path, os.O_WRONLY)
    try:
        observed_call("write", os.write, fd, text.encode(), format_args=lambda *_: f'"{path}", "{text}"')
    finally:
        syscalls.close(fd)


def inherit_capabilities(mask: int) -> None:
    """Drop all capabilities but those of a mask, and let programs that are executed inherit these.  Raises `SyscallError`."""
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = pack("=Ii", uapi._LINUX_CAPABILITY_VERSION_3, 0)
    syscalls.capset(header, pack("=6I", low, low, low, high, high, high))  # effective, permitted, inheritable; twice 32 bits
    for number in range(mask.bit_length()):
        if mask >> number & 1:
            syscalls.prctl(uapi.PR_CAP_AMBIENT, uapi.PR_CAP_AMBIENT_RAISE, number, 0, 0)
