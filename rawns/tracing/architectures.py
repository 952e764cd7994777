"""System call numbers of the processors whose programs can be traced, as in the kernel's `<asm/unistd.h>`.

A 64-bit kernel also runs 32-bit programs, which use other numbers and other structures: each stop says which (AUDIT_ARCH_*).
"""

from __future__ import annotations

# The columns are x86-64, i386 and arm64.  i386 has both `socketcall`, which carries all calls of sockets, and these.
_NUMBERS = """
read 0 3 63
write 1 4 64
readv 19 145 65
writev 20 146 66
preadv2 327 378 286
pwritev2 328 379 287
setsockopt 54 366 208
open 2 5 -
close 3 6 57
ioctl 16 54 29
clone 56 120 220
execve 59 11 221
execveat 322 358 281
unshare 272 310 97
setns 308 346 268
clone3 435 435 435
mount 165 21 40
umount2 166 52 39
move_mount 429 429 429
open_tree 428 428 428
pivot_root 155 217 41
chroot 161 61 51
socket 41 359 198
socketcall - 102 -
bind 49 361 200
connect 42 362 203
sendto 44 369 206
sendmsg 46 370 211
sendmmsg 307 345 269
recvfrom 45 371 207
recvmsg 47 372 212
recvmmsg 299 337 243
recvmmsg_time64 - 417 -
openat 257 295 56
openat2 437 437 437
"""

# `socketcall(2)` of i386: its first argument is one of these, SYS_* of <linux/net.h>.
SOCKETCALLS = {
    1: "socket",
    2: "bind",
    3: "connect",
    9: "send",
    10: "recv",
    11: "sendto",
    12: "recvfrom",
    14: "setsockopt",
    16: "sendmsg",
    17: "recvmsg",
    19: "recvmmsg",
    20: "sendmmsg",
}


class Architecture:
    """A processor as the kernel tells it to a tracer: ``audit`` is AUDIT_ARCH_* of <linux/audit.h>, ``calls`` names by number.

    ``word`` is the size of a pointer and of `size_t`, in bytes.
    """

    def __init__(self, name: str, audit: int, word: int, column: int) -> None:
        self.name, self.audit, self.word = name, audit, word
        rows = [line.split() for line in _NUMBERS.strip().splitlines()]
        self.calls = {int(row[column]): row[0] for row in rows if row[column] != "-"}

    def __repr__(self) -> str:
        return f"Architecture({self.name!r})"

    def numbers(self, names: set[str]) -> list[int]:
        """Return the numbers of these calls, sorted; one that the architecture does not have is left out."""
        return sorted(number for number, name in self.calls.items() if name in names)


X86_64 = Architecture("x86_64", 0xC000003E, 8, 1)
I386 = Architecture("i386", 0x40000003, 4, 2)
AARCH64 = Architecture("aarch64", 0xC00000B7, 8, 3)
ARCHITECTURES = {one.audit: one for one in (X86_64, I386, AARCH64)}
RUN_BY = {"x86_64": [X86_64, I386], "i686": [I386], "i386": [I386], "aarch64": [AARCH64]}  # by machine, as uname(1) says it
