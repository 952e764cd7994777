"""The arguments of system calls in C notation: one row per call, one function per kind of argument.

A kind is a function of the call's context and the argument's value.  `CALLS` says which kinds a call has; what a program passes
by address is read from its memory, bounded, and quoted.
"""

from __future__ import annotations

import _socket as socket  # the C module: `socket` imports enum and selectors, a third of the tracer's start
import os
from struct import Struct

from ..syscalls import quoted
from ..terminal import printable
from . import constants, memory
from .architectures import SOCKETCALLS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .ptrace import Entry
    from .sockets import Descriptors

MAX_PATH_SHOWN = 200  # bytes
MAX_ADDRESS_BYTES = 128  # struct sockaddr_storage
MSGHDR_WORDS = 7  # name, namelen, iov, iovlen, control, controllen, flags

MOUNT_FLAGS = {
    1: "MS_RDONLY",
    2: "MS_NOSUID",
    4: "MS_NODEV",
    8: "MS_NOEXEC",
    0x20: "MS_REMOUNT",
    0x1000: "MS_BIND",
    0x2000: "MS_MOVE",
    0x4000: "MS_REC",
    0x8000: "MS_SILENT",
    0x20000: "MS_UNBINDABLE",
    0x40000: "MS_PRIVATE",
    0x80000: "MS_SLAVE",
    0x100000: "MS_SHARED",
    0x200000: "MS_RELATIME",
}
UMOUNT_FLAGS = {1: "MNT_FORCE", 2: "MNT_DETACH", 4: "MNT_EXPIRE", 8: "UMOUNT_NOFOLLOW"}
CLONE_FLAGS = {number: name for name, number in vars(constants).items() if name.startswith("CLONE_")}
NAMESPACE_FLAGS = {number: name for number, name in CLONE_FLAGS.items() if name.startswith("CLONE_NEW")}
OPEN_FLAGS = {
    getattr(os, name): name
    for name in "O_WRONLY O_RDWR O_CREAT O_EXCL O_TRUNC O_APPEND O_NONBLOCK O_DIRECTORY O_NOFOLLOW O_CLOEXEC O_PATH".split()
}
MSG_FLAGS = {
    getattr(socket, name): name
    for name in "MSG_PEEK MSG_TRUNC MSG_DONTWAIT MSG_NOSIGNAL MSG_WAITALL MSG_CTRUNC MSG_MORE MSG_CMSG_CLOEXEC".split()
}
OPEN_TREE_FLAGS = {1: "OPEN_TREE_CLONE", os.O_CLOEXEC: "OPEN_TREE_CLOEXEC", 0x1000: "AT_EMPTY_PATH", 0x8000: "AT_RECURSIVE"}
MOVE_MOUNT_FLAGS = {4: "MOVE_MOUNT_F_EMPTY_PATH", 0x40: "MOVE_MOUNT_T_EMPTY_PATH"}
FAMILIES = {number: name for name, number in vars(socket).items() if name.startswith("AF_") and name != "AF_ROUTE"}  # an alias
KINDS = {getattr(socket, name): name for name in ("SOCK_STREAM", "SOCK_DGRAM", "SOCK_RAW", "SOCK_SEQPACKET")}
SOCKET_FLAGS = {int(socket.SOCK_CLOEXEC): "SOCK_CLOEXEC", int(socket.SOCK_NONBLOCK): "SOCK_NONBLOCK"}
IOCTLS = {  # <linux/sockios.h>, <linux/if_tun.h>, <linux/nsfs.h>
    0x8910: "SIOCGIFNAME",
    0x8912: "SIOCGIFCONF",
    0x8913: "SIOCGIFFLAGS",
    0x8914: "SIOCSIFFLAGS",
    0x8915: "SIOCGIFADDR",
    0x8916: "SIOCSIFADDR",
    0x8917: "SIOCGIFDSTADDR",
    0x8918: "SIOCSIFDSTADDR",
    0x8919: "SIOCGIFBRDADDR",
    0x891A: "SIOCSIFBRDADDR",
    0x891B: "SIOCGIFNETMASK",
    0x891C: "SIOCSIFNETMASK",
    0x891D: "SIOCGIFMETRIC",
    0x891E: "SIOCSIFMETRIC",
    0x8921: "SIOCGIFMTU",
    0x8922: "SIOCSIFMTU",
    0x8923: "SIOCSIFNAME",
    0x8924: "SIOCSIFHWADDR",
    0x8927: "SIOCGIFHWADDR",
    0x8933: "SIOCGIFINDEX",
    0x8942: "SIOCGIFTXQLEN",
    0x8943: "SIOCSIFTXQLEN",
    0x8946: "SIOCETHTOOL",
    0x8970: "SIOCGIFMAP",
    0x8971: "SIOCSIFMAP",
    0x894C: "SIOCGSKNS",
    0x89A0: "SIOCBRADDBR",
    0x89A1: "SIOCBRDELBR",
    0x89A2: "SIOCBRADDIF",
    0x89A3: "SIOCBRDELIF",
    0x89F0: "SIOCGETTUNNEL",
    0x89F1: "SIOCADDTUNNEL",
    0x89F2: "SIOCDELTUNNEL",
    0x89F3: "SIOCCHGTUNNEL",
    0x400454CA: "TUNSETIFF",
    0x400454CB: "TUNSETPERSIST",
    0x400454CC: "TUNSETOWNER",
    0x400454CE: "TUNSETGROUP",
    0x800454CF: "TUNGETFEATURES",
    0x800454D2: "TUNGETIFF",
    0xB701: "NS_GET_USERNS",
    0xB702: "NS_GET_PARENT",
    0xB703: "NS_GET_NSTYPE",
    0xB704: "NS_GET_OWNER_UID",
}
WITHOUT_NAME = ("SIOCGIFCONF", "SIOCGSKNS")  # their argument is not a struct ifreq
IFREQ_NAME_BYTES = 16


class Context:
    """A call whose arguments are formatted: the thread, the call, and the descriptors of its process.

    ``returned`` says that the call has succeeded, and so has filled in what it returns by address.
    """

    def __init__(self, tid: int, entry: Entry, descriptors: Descriptors, returned: bool = False) -> None:
        self.tid, self.entry, self.descriptors, self.returned = tid, entry, descriptors, returned
        self.word = entry.architecture.word


def named_bits(value: int, names: dict[int, str]) -> str:
    """Return flags in C notation; bits without a name follow in hexadecimal."""
    words = [name for number, name in names.items() if value & number == number]
    rest = value
    for number in names:
        rest &= ~number
    return "|".join([*words, *([hex(rest)] if rest or not words else [])]) if value else "0"


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


def flags(names: dict[int, str]) -> Callable[[Context, int], str]:
    """Return the kind of an argument whose bits have these names."""
    return lambda context, value: named_bits(value & 0xFFFFFFFF, names)


def _open_flags(context: Context, value: int) -> str:
    words = named_bits(value & 0xFFFFFFFF & ~3, OPEN_FLAGS) if value & ~3 else ""
    return "|".join(filter(None, [["O_RDONLY", "O_WRONLY", "O_RDWR", "3"][value & 3], words]))


def _domain(context: Context, value: int) -> str:
    return FAMILIES.get(signed(value), str(signed(value)))


def _socket_type(context: Context, value: int) -> str:
    extra = named_bits(value & ~0xF, SOCKET_FLAGS) if value & ~0xF else ""
    return "|".join(filter(None, [KINDS.get(value & 0xF, str(value & 0xF)), extra]))


def _protocol(context: Context, value: int) -> str:
    from .sockets import AF_NETLINK
    from .sockets import FAMILIES as PROTOCOLS

    return PROTOCOLS.get(value, str(value)) if signed(context.entry.args[0]) == AF_NETLINK else str(signed(value))


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
    name = FAMILIES.get(family, str(family))
    if family == socket.AF_NETLINK and len(data) >= 12:
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
    words = memory.read_words(context.tid, value, 1, 8)  # flags is the first member of struct clone_args
    return f"{{flags={named_bits(words[0] & ~0xFF, CLONE_FLAGS)}}}" if words else hex(value)


def _clone_flags(context: Context, value: int) -> str:
    return named_bits(value & 0xFFFFFF00, CLONE_FLAGS)


def _request(context: Context, value: int) -> str:
    number = value & 0xFFFFFFFF
    return IOCTLS.get(number, hex(number))


def _ioctl_data(context: Context, value: int) -> str:
    """Return the argument of an ioctl: of those on links the interface's name, with which ``struct ifreq`` begins."""
    number = context.entry.args[1] & 0xFFFFFFFF
    known = IOCTLS.get(number, "")
    if known not in WITHOUT_NAME and number >> 8 & 0xFF == 0x89 or known in ("TUNSETIFF", "TUNGETIFF"):
        name = memory.read(context.tid, value, IFREQ_NAME_BYTES).partition(b"\0")[0]
        return f"{{{quoted(name)}}}"
    return hex(value) if value else "0"


def _data_size(context: Context, value: int) -> str:
    return "buffer" if value else "NULL"


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
    "open": [_string, _open_flags],
    "openat": [_descriptor, _string, _open_flags],
    "openat2": [_descriptor, _string, _address, _size],
    "ioctl": [_descriptor, _request, _ioctl_data],
    "clone": [_clone_flags],
    "clone3": [_clone_args],
    "execve": [_string],
    "unshare": [flags(CLONE_FLAGS)],
    "setns": [_descriptor, flags(NAMESPACE_FLAGS)],
    "mount": [_string, _string, _string, flags(MOUNT_FLAGS), _address],
    "umount2": [_string, flags(UMOUNT_FLAGS)],
    "move_mount": [_descriptor, _string, _descriptor, _string, flags(MOVE_MOUNT_FLAGS)],
    "open_tree": [_descriptor, _string, flags(OPEN_TREE_FLAGS)],
    "pivot_root": [_string, _string],
    "chroot": [_string],
    "socket": [_domain, _socket_type, _protocol],
    "bind": [_descriptor, socket_address(2), _integer],
    "connect": [_descriptor, socket_address(2), _integer],
    "send": [_descriptor, _data_size, _size, flags(MSG_FLAGS)],
    "sendto": [_descriptor, _data_size, _size, flags(MSG_FLAGS), socket_address(5), _integer],
    "sendmsg": [_descriptor, _message_header, flags(MSG_FLAGS)],
    "sendmmsg": [_descriptor, _address, _integer, flags(MSG_FLAGS)],
    "recv": [_descriptor, _data_size, _size, flags(MSG_FLAGS)],
    "recvfrom": [_descriptor, _data_size, _size, flags(MSG_FLAGS), _address, _address],
    "recvmsg": [_descriptor, _message_header, flags(MSG_FLAGS)],
    "recvmmsg": [_descriptor, _address, _integer, flags(MSG_FLAGS), _address],
    "recvmmsg_time64": [_descriptor, _address, _integer, flags(MSG_FLAGS), _address],
}
SENDS = {"write", "send", "sendto", "sendmsg", "sendmmsg"}
RECEIVES = {"read", "recv", "recvfrom", "recvmsg", "recvmmsg", "recvmmsg_time64"}
ON_NETLINK = SENDS | RECEIVES | {"bind", "connect"}  # of interest on netlink sockets only
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
    return any(number & word for number in NAMESPACE_FLAGS for word in words if number != constants.CLONE_NEWTIME)


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
    if name in ("read", "write", "send", "recv", "sendto", "recvfrom"):
        length = result if name in RECEIVES else args[2]
        return [memory.read(tid, args[1], min(length, args[2]))]
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


def address_of(context: Context, datagram: int, offset: int, size: int) -> int:
    """Return where byte ``offset`` of one of a call's datagrams (`payloads`) is in the program's memory.

    Returns 0 if ``size`` bytes do not lie together there.
    """
    name, args, tid, word = context.entry.name, context.entry.args, context.tid, context.word
    if name in ("read", "write", "send", "recv", "sendto", "recvfrom"):
        return args[1] + offset
    header = args[1] + datagram * (MSGHDR_WORDS + 1) * word  # more than one: struct mmsghdr
    head = memory.read_words(tid, header, 4, word)
    vectors = memory.read_words(tid, head[2], 2 * min(head[3], memory.MAX_IOVECS), word) if len(head) == 4 else []
    for base, length in zip(vectors[::2], vectors[1::2]):
        if offset < length:
            return base + offset if offset + size <= length else 0
        offset -= length
    return 0


def _message_data(tid: int, at: int, word: int, length: int) -> bytes:
    words = memory.read_words(tid, at, 4, word)
    return memory.read_vectors(tid, words[2], words[3], word, min(length, memory.MAX_BYTES)) if len(words) == 4 else b""
