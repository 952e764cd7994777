"""The arguments of system calls in C notation: one row per call, one function per kind of argument.

A kind is a function of the call's context and the argument's value.  `CALLS` says which kinds a call has; what a program passes
by address is read from its memory, bounded, and quoted.
"""

from __future__ import annotations

import _socket as socket  # the C module: `socket` imports enum and selectors, a third of the tracer's start
from struct import Struct

from .. import socket_names
from ..observer import quoted
from ..terminal import printable
from ..uapi import AF_NETLINK, AF_PACKET, SOL_NETLINK
from . import memory, names
from .architectures import SOCKETCALLS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .ptrace import Entry
    from .sockets import Descriptors

MAX_PATH_SHOWN = 200  # bytes
MAX_ADDRESS_BYTES = 128  # struct sockaddr_storage
MEMBERSHIPS = (1, 2)  # NETLINK_ADD_MEMBERSHIP, NETLINK_DROP_MEMBERSHIP
SOL_SOCKET, NETLINK_ROUTE = socket.SOL_SOCKET, 0
MSGHDR_WORDS = 7  # name, namelen, iov, iovlen, control, controllen, flags

WITHOUT_NAME = ("SIOCGIFCONF", "SIOCGSKNS")  # their argument is not a struct ifreq
IFREQ_NAME_BYTES = 16
CLONE_NEWTIME = 0x80  # in clone(2) part of the exit signal
U16 = Struct("=H")


class Context:
    """A call whose arguments are formatted: the thread, the call, and the descriptors of its process.

    ``returned`` says that the call has succeeded, and so has filled in what it returns by address.
    """

    def __init__(self, tid: int, entry: Entry, descriptors: Descriptors, returned: bool = False) -> None:
        self.tid, self.entry, self.descriptors, self.returned = tid, entry, descriptors, returned
        self.word = entry.architecture.word


def named_bits(value: int, known: dict[int, str]) -> str:
    """Return flags in C notation; bits without a name follow in hexadecimal.  A name of several bits counts before its parts."""
    words, rest = [], value
    for number, name in known.items():
        if number and rest & number == number:
            words.append(name)
            rest &= ~number
    return "|".join([*words, *([hex(rest)] if rest else [])]) or "0"


def signed(value: int) -> int:
    """Return a 32-bit argument as a C ``int``."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def _integer(context: Context, value: int) -> str:
    return str(signed(value))


def _size(context: Context, value: int) -> str:
    return str(value)


def _descriptor(context: Context, value: int) -> str:
    """Return a descriptor and what it is: ``3<NETLINK_ROUTE>``, ``4</run/netns/ns1>``."""
    number = signed(value)
    if number == -100:
        return "AT_FDCWD"
    what = context.descriptors.name(context.tid, number)
    return f"{number}<{printable(what)}>" if what else str(number)


def _string(context: Context, value: int) -> str:
    text = memory.read_string(context.tid, value)
    if text is None:
        return "NULL" if not value else hex(value)
    return quoted(text, MAX_PATH_SHOWN)


def _address(context: Context, value: int) -> str:
    return hex(value) if value else "NULL"


def flags(known: dict[int, str]) -> Callable[[Context, int], str]:
    """Return the kind of an argument whose bits have these names."""
    return lambda context, value: named_bits(value & 0xFFFFFFFF, known)


def _open_flags(context: Context, value: int) -> str:
    known = names.OPEN_FLAGS_ARM if context.entry.architecture.name == "aarch64" else names.OPEN_FLAGS_X86
    words = named_bits(value & 0xFFFFFFFF & ~3, known) if value & ~3 else ""
    return "|".join(filter(None, [["O_RDONLY", "O_WRONLY", "O_RDWR", "3"][value & 3], words]))


def _domain(context: Context, value: int) -> str:
    return names.FAMILIES.get(signed(value), str(signed(value)))


def _socket_type(context: Context, value: int) -> str:
    extra = named_bits(value & 0xFFFFFFF0, names.SOCKET_FLAGS) if value & 0xFFFFFFF0 else ""
    return "|".join(filter(None, [socket_names.SOCKET_TYPES.get(value & 0xF, str(value & 0xF)), extra]))


def _protocol(context: Context, value: int) -> str:
    """Return the protocol of a socket, which depends on its family: packet(7) has a type of Ethernet in network order."""
    family, number = signed(context.entry.args[0]), signed(value)
    if family == AF_PACKET and number:
        return f"htons({int.from_bytes(U16.pack(number & 0xFFFF), 'big'):#06x})"
    known = socket_names.NETLINK_PROTOCOLS if family == AF_NETLINK else socket_names.IP_PROTOCOLS
    return known.get(number, str(number)) if family in (AF_NETLINK, socket.AF_INET, socket.AF_INET6) else str(number)


def socket_address(length: int) -> Callable[[Context, int], str]:
    """Return the kind of a ``struct sockaddr`` whose size is the argument with this number."""

    def kind(context: Context, value: int) -> str:
        size = min(max(signed(context.entry.args[length]), 0), MAX_ADDRESS_BYTES)
        return format_sockaddr(memory.read(context.tid, value, size)) if value else "NULL"

    return kind


def format_sockaddr(data: bytes) -> str:
    """Return a ``struct sockaddr`` as a C initializer, as far as its family is known."""
    if len(data) < 2:
        return "{}"
    family = int.from_bytes(data[:2], "little" if Struct("=H").pack(1)[0] else "big")
    name = names.FAMILIES.get(family, str(family))
    if family == AF_NETLINK and len(data) >= 12:
        port, groups = Struct("=II").unpack_from(data, 4)
        return f"{{{name}, nl_pid={port}, nl_groups={groups:#x}}}"
    if family == socket.AF_INET and len(data) >= 8:
        return f"{{{name}, {socket.inet_ntop(family, data[4:8])}:{int.from_bytes(data[2:4], 'big')}}}"
    if family == socket.AF_INET6 and len(data) >= 24:
        return f"{{{name}, [{socket.inet_ntop(family, data[8:24])}]:{int.from_bytes(data[2:4], 'big')}}}"
    if family == socket.AF_UNIX:
        return f"{{{name}, {quoted(data[2:].rstrip(bytes(1)) or b'', MAX_PATH_SHOWN)}}}"
    return f"{{{name}, {data[2:].hex()}}}"


def _clone_args(context: Context, value: int) -> str:
    """Return the flags and the exit signal of a ``struct clone_args``, its first and its fifth member."""
    words = memory.read_words(context.tid, value, 5, 8)
    if not words:
        return hex(value)
    ending = f", exit_signal={_signal_name(words[4])}" if len(words) == 5 and words[4] else ""
    return f"{{flags={named_bits(words[0], names.CLONE_FLAGS)}{ending}}}"


def _clone_flags(context: Context, value: int) -> str:
    """Return the flags of clone(2); the lowest byte is the signal that tells the parent of the end."""
    words = named_bits(value & 0xFFFFFF00, names.CLONE_FLAGS) if value & 0xFFFFFF00 else ""
    return "|".join(filter(None, [words, _signal_name(value & 0xFF) if value & 0xFF else ""])) or "0"


def _signal_name(number: int) -> str:
    import _signal  # type: ignore[import-not-found]  # `signal` imports enum

    found = (name for name, value in vars(_signal).items() if name.startswith("SIG") and "_" not in name and value == number)
    return next(found, str(number))


def _request(context: Context, value: int) -> str:
    return names.IOCTLS.get(value & 0xFFFFFFFF, hex(value & 0xFFFFFFFF))


def _ioctl_data(context: Context, value: int) -> str:
    """Return the argument of an ioctl: of those on links the interface's name, with which ``struct ifreq`` begins."""
    number = context.entry.args[1] & 0xFFFFFFFF
    known = names.IOCTLS.get(number, "")
    if known not in WITHOUT_NAME and number >> 8 & 0xFF == 0x89 or known in ("TUNSETIFF", "TUNGETIFF"):
        name = memory.read(context.tid, value, IFREQ_NAME_BYTES).partition(b"\0")[0]
        return f"{{{quoted(name)}}}"
    return hex(value) if value else "0"


def _data_size(context: Context, value: int) -> str:
    return "buffer" if value else "NULL"


def _vectors(context: Context, value: int) -> str:
    count = signed(context.entry.args[2])
    return f"{{{count} buffer{'s' if count != 1 else ''}}}"


def _option_level(context: Context, value: int) -> str:
    return {SOL_SOCKET: "SOL_SOCKET", SOL_NETLINK: "SOL_NETLINK"}.get(signed(value), str(signed(value)))


def _option(context: Context, value: int) -> str:
    known = {SOL_SOCKET: names.SOCKET_OPTIONS, SOL_NETLINK: names.NETLINK_OPTIONS}.get(signed(context.entry.args[1]), {})
    return known.get(signed(value), str(signed(value)))


def _option_value(context: Context, value: int) -> str:
    """Return the value of an option if it is an ``int``; of the groups of rtnetlink their names."""
    number = memory.read_words(context.tid, value, 1, 4) if signed(context.entry.args[4]) == 4 else []
    if not number:
        return _address(context, value)
    joins = signed(context.entry.args[1]) == SOL_NETLINK and signed(context.entry.args[2]) in MEMBERSHIPS
    if joins and context.descriptors.family(context.tid, signed(context.entry.args[0])) == NETLINK_ROUTE:
        return f"[{_groups().get(number[0], number[0])}]"
    return f"[{signed(number[0])}]"


def _groups() -> dict[int, str]:
    from .. import uapi

    return {value: name for name, value in vars(uapi).items() if name.startswith("RTNLGRP_")}


def _message_header(context: Context, value: int) -> str:
    """Return a ``struct msghdr``: the address and the number of its buffers."""
    words = memory.read_words(context.tid, value, MSGHDR_WORDS, context.word)
    if len(words) < MSGHDR_WORDS:
        return hex(value)
    name, length, _, count = words[:4]
    buffers = f"{count} buffer{'s' if count != 1 else ''}"
    if context.entry.name not in SENDS and not context.returned:
        return f"{{{buffers}}}"
    peer = format_sockaddr(memory.read(context.tid, name, min(length & 0xFFFFFFFF, MAX_ADDRESS_BYTES))) if name else "NULL"
    return f"{{{peer}, {buffers}}}"


CALLS: dict[str, list[Callable[[Context, int], str]]] = {
    "read": [_descriptor, _data_size, _size],
    "write": [_descriptor, _data_size, _size],
    "readv": [_descriptor, _vectors, _integer],
    "writev": [_descriptor, _vectors, _integer],
    "preadv2": [_descriptor, _vectors, _integer],
    "pwritev2": [_descriptor, _vectors, _integer],
    "setsockopt": [_descriptor, _option_level, _option, _option_value, _integer],
    "open": [_string, _open_flags],
    "openat": [_descriptor, _string, _open_flags],
    "openat2": [_descriptor, _string, _address, _size],
    "ioctl": [_descriptor, _request, _ioctl_data],
    "clone": [_clone_flags],
    "clone3": [_clone_args],
    "execve": [_string],
    "execveat": [_descriptor, _string],
    "unshare": [flags(names.CLONE_FLAGS)],
    "setns": [_descriptor, flags(names.NAMESPACE_FLAGS)],
    "mount": [_string, _string, _string, flags(names.MOUNT_FLAGS), _address],
    "umount2": [_string, flags(names.UMOUNT_FLAGS)],
    "move_mount": [_descriptor, _string, _descriptor, _string, flags(names.MOVE_MOUNT_FLAGS)],
    "open_tree": [_descriptor, _string, flags(names.OPEN_TREE_FLAGS)],
    "pivot_root": [_string, _string],
    "chroot": [_string],
    "socket": [_domain, _socket_type, _protocol],
    "bind": [_descriptor, socket_address(2), _integer],
    "connect": [_descriptor, socket_address(2), _integer],
    "send": [_descriptor, _data_size, _size, flags(names.MSG_FLAGS)],
    "sendto": [_descriptor, _data_size, _size, flags(names.MSG_FLAGS), socket_address(5), _integer],
    "sendmsg": [_descriptor, _message_header, flags(names.MSG_FLAGS)],
    "sendmmsg": [_descriptor, _address, _integer, flags(names.MSG_FLAGS)],
    "recv": [_descriptor, _data_size, _size, flags(names.MSG_FLAGS)],
    "recvfrom": [_descriptor, _data_size, _size, flags(names.MSG_FLAGS), _address, _address],
    "recvmsg": [_descriptor, _message_header, flags(names.MSG_FLAGS)],
    "recvmmsg": [_descriptor, _address, _integer, flags(names.MSG_FLAGS), _address],
    "recvmmsg_time64": [_descriptor, _address, _integer, flags(names.MSG_FLAGS), _address],
}
IN_ONE_BUFFER = {"read", "write", "send", "recv", "sendto", "recvfrom"}
IN_VECTORS = {"readv", "writev", "preadv2", "pwritev2"}
SENDS = {"write", "writev", "pwritev2", "send", "sendto", "sendmsg", "sendmmsg"}
RECEIVES = {"read", "readv", "preadv2", "recv", "recvfrom", "recvmsg", "recvmmsg", "recvmmsg_time64"}
ON_NETLINK = SENDS | RECEIVES | {"bind", "connect", "setsockopt"}  # of interest on netlink sockets only
# Calls on any descriptor, which the filter lets through: they are seen of processes that stop at each of their calls.
ON_ANY_DESCRIPTOR = IN_VECTORS | {"read", "write", "setsockopt"}
FILES = {"open", "openat", "openat2"}
NAMESPACES = {"unshare", "setns", "clone", "clone3", "mount", "umount2", "move_mount", "open_tree", "pivot_root"}


def format_arguments(context: Context) -> str:
    """Return the arguments of a call, separated by commas."""
    kinds = CALLS.get(context.entry.name, [])
    return ", ".join(kind(context, value) for kind, value in zip(kinds, context.entry.args))


def creates_namespace(context: Context) -> bool:
    """Return whether a `clone` or `clone3` creates a namespace."""
    entry = context.entry
    words = memory.read_words(context.tid, entry.args[0], 1, 8) if entry.name == "clone3" else [entry.args[0] & ~0xFF]
    return any(number & word for number in names.NAMESPACE_FLAGS for word in words if number != CLONE_NEWTIME)


def unpack_socketcall(tid: int, entry: Entry) -> bool:
    """Replace `socketcall(2)` by the call that it carries; return whether that is of interest."""
    name = SOCKETCALLS.get(entry.args[0])
    if name is None:
        return False
    entry.name, entry.args = name, tuple(memory.read_words(tid, entry.args[1], 6, entry.architecture.word))
    return len(entry.args) == 6


def path_of(context: Context) -> bytes:
    """Return the path that a call of `FILES` opens; empty if it cannot be read."""
    at = context.entry.args[0 if context.entry.name == "open" else 1]
    return memory.read_string(context.tid, at) or b""


def payloads(context: Context, result: int) -> list[bytes]:
    """Return the datagrams that a call sends or has received; ``result`` is the call's value (before a call: its size)."""
    name, args, tid, word = context.entry.name, context.entry.args, context.tid, context.word
    if name in IN_ONE_BUFFER:
        length = result if name in RECEIVES else args[2]
        return [memory.read(tid, args[1], min(length, args[2]))]
    if name in IN_VECTORS:
        most = result if name in RECEIVES else memory.MAX_BYTES
        return [memory.read_vectors(tid, args[1], min(args[2], memory.MAX_IOVECS), word, min(most, memory.MAX_BYTES))]
    if name in ("sendmsg", "recvmsg"):
        return [_message_data(tid, args[1], word, result if name in RECEIVES else memory.MAX_BYTES)]
    if name in ("sendmmsg", "recvmmsg", "recvmmsg_time64"):
        step = (MSGHDR_WORDS + 1) * word  # struct mmsghdr: the header and msg_len, padded
        found = []
        for number in range(min(max(result, 0), memory.MAX_IOVECS)):
            at = args[1] + number * step
            sizes = memory.read_words(tid, at + MSGHDR_WORDS * word, 1, 4) if name in RECEIVES else [memory.MAX_BYTES]
            found.append(_message_data(tid, at, word, sizes[0] if sizes else 0))
        return found
    return []


def places(context: Context, datagram: int, offset: int, size: int) -> list[tuple[int, int]]:
    """Return where bytes of one of a call's datagrams (`payloads`) are in the program's memory: addresses and sizes.

    A message can lie in several buffers.  What is not in any of them is left out.
    """
    name, args, tid, word = context.entry.name, context.entry.args, context.tid, context.word
    if name in IN_ONE_BUFFER:
        return [(args[1] + offset, size)]
    if name in IN_VECTORS:
        array, count = args[1], args[2]
    else:
        head = memory.read_words(tid, args[1] + datagram * (MSGHDR_WORDS + 1) * word, 4, word)  # of several: struct mmsghdr
        array, count = (head[2], head[3]) if len(head) == 4 else (0, 0)
    vectors = memory.read_words(tid, array, 2 * min(count, memory.MAX_IOVECS), word)
    found = []
    for base, length in zip(vectors[::2], vectors[1::2]):
        if offset < length and size > 0:
            here = min(size, length - offset)
            found.append((base + offset, here))
            offset, size = offset + here, size - here
        offset -= length
    return found


def write(context: Context, datagram: int, offset: int, data: bytes) -> bool:
    """Write over bytes of one of a call's datagrams in the program's memory; return whether all of them were written."""
    done = 0
    for address, size in places(context, datagram, offset, len(data)):
        if not memory.write(context.tid, address, data[done : done + size]):
            return False
        done += size
    return done == len(data)


def _message_data(tid: int, at: int, word: int, length: int) -> bytes:
    words = memory.read_words(tid, at, 4, word)
    return memory.read_vectors(tid, words[2], words[3], word, min(length, memory.MAX_BYTES)) if len(words) == 4 else b""
