"""The memory of a traced program: process_vm_readv(2), or /proc/PID/mem if the kernel forbids that.

The program can change what is being read; sizes that it gives are bounded.
"""

from __future__ import annotations

import os
from struct import Struct

from ..errors import SyscallError
from ..syscalls import LibcFunction, buffer

MAX_BYTES = 16 << 20  # of one call's data
MAX_PATH_BYTES = 4096  # PATH_MAX
MAX_IOVECS = 1024  # UIO_MAXIOV
_PAGE = 4096

IOVEC = Struct("@PN")  # struct iovec: iov_base, iov_len
MAX_ADDRESS = (1 << IOVEC.size * 4) - 1
_process_vm_readv = LibcFunction(
    "process_vm_readv",
    ("pid", "int", ""),
    ("local_iov", "path", ""),  # an array of struct iovec, given as bytes
    ("liovcnt", "ulong", ""),
    ("remote_iov", "path", ""),
    ("riovcnt", "ulong", ""),
    ("flags", "ulong", ""),
)


def read(tid: int, address: int, size: int) -> bytes:
    """Return the bytes at an address of a thread's memory: at most `MAX_BYTES`, and fewer if nothing is mapped there."""
    size = min(size, MAX_BYTES)
    if size <= 0 or not 0 < address <= MAX_ADDRESS:  # a program can give any address, and what is added to it can overflow
        return b""
    local, place = buffer(size)
    try:
        taken = _process_vm_readv(tid, IOVEC.pack(place, size), 1, IOVEC.pack(address, size), 1, 0)
    except (SyscallError, AttributeError):  # AttributeError: not in every C library
        taken = 0
    if taken > 0:
        found: bytes = local.raw[:taken]
        return found
    return _read_file(tid, address, size)


def _read_file(tid: int, address: int, size: int) -> bytes:
    try:
        fd = os.open(f"/proc/{tid}/mem", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.pread(fd, size, address)
    except (OSError, OverflowError):
        return b""
    finally:
        os.close(fd)


def write(tid: int, address: int, data: bytes) -> bool:
    """Write to a thread's memory; return whether all of it was written."""
    try:
        fd = os.open(f"/proc/{tid}/mem", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.pwrite(fd, data, address) == len(data)
    except (OSError, OverflowError):
        return False
    finally:
        os.close(fd)


def read_string(tid: int, address: int, most: int = MAX_PATH_BYTES) -> bytes | None:
    """Return the C string at an address, at most ``most`` bytes of it; None for a null pointer and for unmapped memory."""
    found = b""
    while address and len(found) < most:
        piece = read(tid, address + len(found), min(_PAGE - (address + len(found)) % _PAGE, most - len(found)))
        text, nul, _ = piece.partition(b"\0")
        found += text
        if nul or not piece:
            return found if nul or found else None
    return found if address else None


def read_words(tid: int, address: int, count: int, size: int) -> list[int]:
    """Return ``count`` unsigned integers of 4 or 8 bytes; fewer if nothing is mapped there."""
    data = read(tid, address, count * size)
    code = Struct("=I" if size == 4 else "=Q")
    return [value for (value,) in code.iter_unpack(data[: len(data) - len(data) % size])]


def read_vectors(tid: int, address: int, count: int, word: int, size: int) -> bytes:
    """Return the first ``size`` bytes that an array of ``struct iovec`` describes."""
    words = read_words(tid, address, 2 * min(count, MAX_IOVECS), word)
    data = b""
    for base, length in zip(words[::2], words[1::2]):
        if len(data) >= size:
            break
        data += read(tid, base, min(length, size - len(data)))
    return data
