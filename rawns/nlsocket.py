"""An AF_NETLINK socket: opened in a namespace, read one whole datagram at a time, replaced after a fork (netlink(7)).

`netlink.Netlink` and `events.Monitor` are such sockets.  A netlink socket belongs for life to the network namespace that the
opening thread was in; afterwards any thread may use it.  It also belongs to one process: parent and child of a fork would
receive each other's answers.  So the first use in a forked child replaces it by a new socket in the same namespace.
"""

from __future__ import annotations

import _socket  # the C module: `import socket` costs 4.5 ms more (selectors, enum), a fifth of `rawns ip link`
import os
from _thread import allocate_lock  # builtin; `import threading` costs 1 ms
from errno import ENOBUFS

from . import uapi
from .errors import SyscallError
from .observer import observed_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    Opened = TypeVar("Opened", bound="NetlinkSocket")
    Socket = _socket.socket

MIN_RECEIVE_BYTES = 65536  # twice what the kernel fills a dump's datagram with, unless a single message is longer
SOCKET_TYPE = _socket.SOCK_RAW | _socket.SOCK_CLOEXEC
PEEK = _socket.MSG_PEEK | _socket.MSG_TRUNC | _socket.MSG_DONTWAIT

# A new object in each forked child.  `os.getpid` would not do: after unshare(CLONE_NEWPID) a child may have its parent's number.
_process = object()
_replacing = allocate_lock()


def _after_fork() -> None:
    global _process, _replacing
    _process, _replacing = object(), allocate_lock()


os.register_at_fork(after_in_child=_after_fork)


class NetlinkSocket:
    """A netlink socket of one protocol, in the network namespace of the calling thread.

    Raises `SyscallError` if the socket cannot be opened.
    """

    family = "NETLINK_ROUTE"
    protocol = "rtnetlink"  # how an observer is told to decode the bytes
    _socket: Socket
    _ask_length = True  # whether the next datagram's length is asked for before it is received

    def __init__(self) -> None:
        self._open()

    @classmethod
    def in_namespace_of(cls: type[Opened], other: NetlinkSocket) -> Opened:
        """Open a socket in the namespace that another one belongs to, whatever namespace the calling thread is in.

        Raises `SyscallError`; EPERM if that is a foreign namespace and the caller lacks CAP_NET_ADMIN in it.
        """
        opened = cls.__new__(cls)
        opened._open_in_namespace_of(other._current())
        return opened

    def _open(self) -> None:
        number = getattr(uapi, self.family)
        self._socket = observed_call(
            "socket", _socket.socket, uapi.AF_NETLINK, SOCKET_TYPE, number, format_args=self._format_socket
        )
        self._lock = allocate_lock()
        try:
            self._configure()
        except BaseException:
            self._socket.close()
            raise
        self._process = _process

    def _configure(self) -> None:
        """Set the options of a socket that has just been opened, and forget what belonged to the one before it."""

    def _open_in_namespace_of(self, other: Socket) -> None:
        """Open in the namespace of ``other``, by a visit; without the privilege for that only if this thread is in it."""
        from .netns import Namespace, adopt
        from .threads import call_inside

        try:
            from .syscalls import ioctl  # only here: listing links needs no call through ctypes

            fd = ioctl(other.fileno(), uapi.SIOCGSKNS)
        except PermissionError:
            self._open()
            cookie = _namespace_cookie(self._socket)
            if cookie and cookie == _namespace_cookie(other):
                return
            self._socket.close()
            raise
        with adopt(Namespace, fd) as namespace:
            call_inside(namespace, self._open)

    def _current(self) -> Socket:
        """Return the socket, which a forked child first replaces by one of its own.  A closed one stays closed."""
        if self._process is not _process:
            with _replacing:
                if self._process is not _process:
                    inherited = self._socket
                    if inherited.fileno() >= 0:
                        self._replace(inherited)
                    self._process = _process
        return self._socket

    def _replace(self, inherited: Socket) -> None:
        try:
            self._open_in_namespace_of(inherited)
        except BaseException:
            self._socket = inherited  # the next use tries again
            raise
        inherited.close()

    def fileno(self) -> int:
        """Return the descriptor, -1 once the socket is closed."""
        return self._current().fileno()

    def close(self) -> None:
        """Close the socket; may be called again.  A forked child closes its own copy only."""
        number = self._socket.fileno()
        if number >= 0:
            observed_call("close", self._socket.close, format_args=lambda: str(number))

    def __del__(self) -> None:
        try:
            self._socket.close()
        except (AttributeError, OSError):
            pass  # never opened, or the descriptor was closed by other means

    def __enter__(self: Opened) -> Opened:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _set_option(self, option: str, value: int = 1) -> None:
        """Set a socket option of level SOL_NETLINK."""

        def format_args(*_: object) -> str:
            return f"{self._socket.fileno()}, SOL_NETLINK, {option}, [{value}], 4"

        observed_call(
            "setsockopt", self._socket.setsockopt, uapi.SOL_NETLINK, getattr(uapi, option), value, format_args=format_args
        )

    def _try_option(self, option: str) -> None:
        """Set an option that this kernel may not have yet."""
        try:
            self._set_option(option)
        except SyscallError:
            pass

    def _receive_datagram(self) -> bytes:
        """Return the next datagram, whole however long it is; empty if it is not from the kernel.

        One message may exceed any fixed buffer (a link with 500 alternative names has 66 KB).  With `_ask_length` the length
        is asked for first.  That costs 2.5 us, so it is left out where answers are short or can be asked for again: a
        datagram that fills the buffer then counts as lost (ENOBUFS), because its rest may be.
        Raises `SyscallError`: EAGAIN (a BlockingIOError) if there is none, ENOBUFS if the kernel had to drop some.
        """
        sock, size = self._socket, MIN_RECEIVE_BYTES
        if self._ask_length:
            length = observed_call("recvfrom", sock.recv_into, bytearray(1), 1, PEEK, format_args=self._format_peek)
            size = max(length + 1, size)
        data, sender = observed_call(
            "recvfrom", sock.recvfrom, size, _socket.MSG_DONTWAIT, format_args=self._format_receive, protocol=self.protocol
        )
        if len(data) == size:
            raise SyscallError(ENOBUFS, "recvfrom", self._format_receive(size, 0), "the message is longer than the buffer")
        return data if sender[0] == 0 else b""  # port 0 is the kernel; other senders are not listened to

    def _format_socket(self, *_: object) -> str:
        return f"AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, {self.family}"

    def _format_peek(self, *_: object) -> str:
        return f"{self._socket.fileno()}, buffer, 1, MSG_PEEK|MSG_TRUNC|MSG_DONTWAIT, NULL, NULL"

    def _format_receive(self, size: int, flags: int) -> str:
        return f"{self._socket.fileno()}, buffer, {size}, MSG_DONTWAIT, ..."


def _namespace_cookie(sock: Socket) -> bytes:
    """Return the kernel's identifier of a socket's network namespace (Linux 5.14); empty if this kernel has none."""

    def format_args(*_: object) -> str:
        return f"{sock.fileno()}, SOL_SOCKET, SO_NETNS_COOKIE, buffer, [8]"

    option = uapi.SOL_SOCKET, uapi.SO_NETNS_COOKIE, 8
    try:
        cookie: bytes = observed_call("getsockopt", sock.getsockopt, *option, format_args=format_args)
    except SyscallError:
        return b""
    return cookie
