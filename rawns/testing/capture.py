"""What passes the ports of a lab, in one pcapng file for each port (draft-ietf-opsawg-pcapng), for tests that fail.

Packet sockets (packet(7)) see frames as they leave and enter a port.  A thread writes them, each with the kernel's time stamp and
its direction.  A file has `MAX_FILE_BYTES` at most; what the kernel had to drop is counted, in the file and for the report.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from struct import Struct

from .. import syscalls, uapi
from ..netns import call_inside
from ..sockets import OPTIONS
from ..terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import BinaryIO

    from ..lab.interface import Interface

MAX_FILE_BYTES = 64 << 20
MAX_FRAME_BYTES = 1 << 16
BUFFER_BYTES = 4 << 20  # of each socket; the kernel limits it to net.core.rmem_max
MAX_FRAMES_AT_ONCE = 256  # of one port, before the others are looked at
SO_TIMESTAMPNS = OPTIONS["SO_TIMESTAMPNS"][1]
SOL_PACKET, PACKET_STATISTICS = 263, 6  # <linux/socket.h>, <linux/if_packet.h>
STATISTICS, TIMESPEC = Struct("=II"), Struct("@ll")

SECTION, INTERFACE, PACKET, INTERFACE_STATISTICS = 0x0A0D0D0A, 1, 6, 5  # types of blocks
BYTE_ORDER = 0x1A2B3C4D
LINKTYPE_ETHERNET = 1
IF_NAME, IF_TSRESOL, EPB_FLAGS, ISB_IFRECV, ISB_IFDROP = 2, 9, 2, 4, 5  # options
INBOUND, OUTBOUND = 1, 2
HEADER, OPTION = Struct("=II"), Struct("=HH")


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _block(kind: int, body: bytes, *options: tuple[int, bytes]) -> bytes:
    """Return a block: its type, its length, the body, options, and the length again."""
    for number, value in options:
        body += OPTION.pack(number, len(value)) + _padded(value)
    body += OPTION.pack(0, 0) if options else b""
    size = len(body) + 12
    return HEADER.pack(kind, size) + body + Struct("=I").pack(size)


def _time(nanoseconds: int) -> bytes:
    return HEADER.pack(nanoseconds >> 32, nanoseconds & 0xFFFFFFFF)


class PortCapture:
    """The file of one port: ``frames`` that are in it, ``dropped`` ones, and whether it is ``full``."""

    def __init__(self, port: Interface, path: Path) -> None:
        self.path, self.name = path, port.name or ""
        self.frames = self.dropped = 0
        self._size, self.full = 0, False
        self.socket = call_inside(port.host, _open, self.name)
        try:
            self._file: BinaryIO = open(path, "wb")  # noqa: SIM115 (closed in `close`)
        except BaseException:
            self.socket.close()
            raise
        self._write(_block(SECTION, Struct("=IHHq").pack(BYTE_ORDER, 1, 0, -1)))
        label = f"{port.host.label}:{self.name}".encode("utf-8", "replace")
        description = Struct("=HHI").pack(LINKTYPE_ETHERNET, 0, MAX_FRAME_BYTES)
        self._write(_block(INTERFACE, description, (IF_NAME, label), (IF_TSRESOL, b"\x09")))

    def _write(self, data: bytes) -> None:
        self._size += len(data)
        self._file.write(data)

    def read(self, most: int = MAX_FRAMES_AT_ONCE) -> int:
        """Write frames that have come, ``most`` of them at most; return their number."""
        for number in range(most):
            try:
                data, control, _, address = self.socket.recvmsg(MAX_FRAME_BYTES, 64)
            except OSError:
                return number  # EAGAIN: there are no more; ENETDOWN: the port is down
            if self.full:
                self.dropped += 1
                continue
            when = time.time_ns()
            for _, kind, value in control:
                if kind == SO_TIMESTAMPNS:
                    seconds, nanoseconds = TIMESPEC.unpack(value[: TIMESPEC.size])
                    when = seconds * 1_000_000_000 + nanoseconds
            direction = OUTBOUND if address[2] == socket.PACKET_OUTGOING else INBOUND
            body = Struct("=I").pack(0) + _time(when) + HEADER.pack(len(data), len(data)) + _padded(data)
            self._write(_block(PACKET, body, (EPB_FLAGS, Struct("=I").pack(direction))))
            self.frames += 1
            self.full = self._size > MAX_FILE_BYTES
        return most

    def flush(self) -> None:
        """Write what is buffered to the file."""
        self._file.flush()

    def close(self) -> None:
        """Write what has come, and how many frames were dropped; close the socket and the file."""
        while self.read() == MAX_FRAMES_AT_ONCE and not self.full:
            pass
        statistics = self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, STATISTICS.size)
        self.dropped += STATISTICS.unpack(statistics)[1]
        counts = [(ISB_IFRECV, self.frames + self.dropped), (ISB_IFDROP, self.dropped)]
        options = [(number, Struct("=Q").pack(value)) for number, value in counts]
        self._write(_block(INTERFACE_STATISTICS, Struct("=I").pack(0) + _time(time.time_ns()), *options))
        self._file.close()
        self.socket.close()

    def __str__(self) -> str:
        dropped = f", {self.dropped} not kept" if self.dropped else ""
        return f"{printable(str(self.path))}: {self.frames} frames{dropped}"


def _open(name: str) -> socket.socket:
    """Open a packet socket for one port of the calling thread's namespace; it hears nothing before it is bound."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        made.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        made.bind((name, uapi.ETH_P_ALL))
    except BaseException:
        made.close()
        raise
    return made


class LabCapture:
    """Captures what passes some ports, each in ``DIRECTORY/HOST-PORT.pcapng``, until `close`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ports: dict[int, PortCapture] = {}  # by the id of the interface
        self._lock = threading.Lock()
        self._wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._thread: threading.Thread | None = None

    def add(self, ports: Iterable[Interface]) -> None:
        """Capture the ports that are not captured yet."""
        with self._lock:
            for port in ports:
                if id(port) not in self.ports:
                    words = f"{port.host.label}-{port.name}".replace("/", "-")
                    self.ports[id(port)] = PortCapture(port, self.directory / f"{words}.pcapng")
        if self._thread is None and self.ports:
            self._thread = threading.Thread(target=self._run, daemon=True, name="rawns-capture")
            syscalls.start_thread(self._thread.start)
        os.write(self._waker, b"+")

    def _run(self) -> None:
        while True:
            with self._lock:
                reading = {one.socket.fileno(): one for one in self.ports.values()}
            poll = select.poll()
            for descriptor in (self._wake, *reading):
                poll.register(descriptor, select.POLLIN)
            for descriptor, _ in poll.poll():
                if descriptor in reading:
                    reading[descriptor].read()
                    reading[descriptor].flush()
                elif b"." in os.read(self._wake, 4096):
                    return

    def close(self) -> None:
        """End the thread, and complete the files."""
        os.write(self._waker, b".")
        if self._thread is not None:
            self._thread.join()
        for one in self.ports.values():
            one.close()
        os.close(self._wake)
        os.close(self._waker)
