"""The seccomp filter that stops a traced program at the calls of interest only (seccomp(2), SECCOMP_RET_TRACE).

All other calls run at full speed: the kernel decides by the filter, without a stop.  A filter cannot be removed, and its
children inherit it; therefore a program that has one ends with its tracer.
"""

from __future__ import annotations

from struct import Struct

from .. import syscalls
from ..errors import SyscallError
from .constants import (
    BPF_AND_K,
    BPF_JEQ_K,
    BPF_JGE_K,
    BPF_LD_W_ABS,
    BPF_RET_K,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_SECCOMP,
    SECCOMP_MODE_FILTER,
    SECCOMP_RET_ALLOW,
    SECCOMP_RET_TRACE,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .architectures import Architecture

SOCK_FPROG = Struct("@HP")  # struct sock_fprog: len, filter
INSTRUCTION = Struct("=HBBI")  # struct sock_filter: code, jt, jf, k
NUMBER, ARCH, SECOND_ARGUMENT = 0, 4, 24  # offsets in struct seccomp_data; of an argument the low half, on little-endian

# Of ioctl(2), by the low 16 bits of the request: from which on, and whether it is of interest.  The higher byte is the type:
# 0xb7 <linux/nsfs.h>, 0x89 <linux/sockios.h>, 0x54 terminals and, from 0x54c8 on, <linux/if_tun.h>.
IOCTL_RANGES = [(0xB800, False), (0xB700, True), (0x8A00, False), (0x8900, True), (0x5500, False), (0x54C8, True)]

Line = tuple[int, int, int, int]  # code, lines to skip if true, lines to skip if false, operand


def wanted_ioctl(request: int) -> bool:
    """Return whether a request of ioctl(2) is of interest."""
    return next((wanted for least, wanted in IOCTL_RANGES if request & 0xFFFF >= least), False)


def program(architectures: Sequence[Architecture], names: set[str]) -> bytes:
    """Return the filter as the bytes of an array of ``struct sock_filter``: it stops at these calls and at no others.

    Numbers of x86-64's third interface (x32) are let through.
    """
    lines: list[Line] = []
    for architecture in architectures:
        block = _block(architecture, names)
        lines += [(BPF_LD_W_ABS, 0, 0, ARCH), (BPF_JEQ_K, 0, len(block), architecture.audit), *block]
    lines.append((BPF_RET_K, 0, 0, SECCOMP_RET_ALLOW))
    return b"".join(INSTRUCTION.pack(*line) for line in lines)


def install(code: bytes) -> None:
    """Put the calling process under a filter that `program` has made: prctl(2), PR_SET_SECCOMP.  Raises `SyscallError`."""
    lines, lines_address = syscalls.buffer(len(code))
    lines.raw = code
    filter_, address = syscalls.buffer(SOCK_FPROG.size)
    filter_.raw = SOCK_FPROG.pack(len(code) // INSTRUCTION.size, lines_address)
    try:
        syscalls.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, address, 0, 0)
    except SyscallError:  # without privilege, programs that gain privileges must be ruled out first
        syscalls.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        syscalls.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, address, 0, 0)


def _block(architecture: Architecture, names: set[str]) -> list[Line]:
    """Return the lines for one architecture; each path through them ends in a return."""
    numbers = architecture.numbers(names - {"ioctl"})
    ioctl = architecture.numbers(names & {"ioctl"})
    stop = 1 + len(numbers) + len(ioctl) + 1  # the line that stops the program
    lines: list[Line] = [(BPF_LD_W_ABS, 0, 0, NUMBER)]
    lines += [(BPF_JEQ_K, stop - place - 1, 0, number) for place, number in enumerate(numbers, 1)]
    lines += [(BPF_JEQ_K, 2, 0, number) for number in ioctl]
    lines += [(BPF_RET_K, 0, 0, SECCOMP_RET_ALLOW), (BPF_RET_K, 0, 0, SECCOMP_RET_TRACE)]
    return [*lines, *_ioctl_lines()] if ioctl else lines


def _ioctl_lines() -> list[Line]:
    """Return the lines that decide by the request of ioctl(2)."""
    pass_ = 2 + len(IOCTL_RANGES)  # the line that lets the program go on; the one after it stops the program
    lines: list[Line] = [(BPF_LD_W_ABS, 0, 0, SECOND_ARGUMENT), (BPF_AND_K, 0, 0, 0xFFFF)]
    for place, (least, wanted) in enumerate(IOCTL_RANGES, 2):
        lines.append((BPF_JGE_K, pass_ + wanted - place - 1, 0, least))
    return [*lines, (BPF_RET_K, 0, 0, SECCOMP_RET_ALLOW), (BPF_RET_K, 0, 0, SECCOMP_RET_TRACE)]
