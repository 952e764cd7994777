"""Capture of the frames that ports of a lab send and receive, into one pcapng file that names each interface."""

from __future__ import annotations

import os
from select import POLLIN
from time import monotonic, time_ns

from .. import pcapng, sockets
from ..errors import InvalidValue
from ..packet_ring import RETIRE_MILLISECONDS, PacketRing
from ..rollback import start_thread
from ..terminal import printable, short_repr
from ..threads import call_inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .host import Host
    from .interface import Interface

MAX_BYTES, MAX_PACKETS = 1 << 30, 100_000_000  # of a file, if no other limit is given
MAX_PORTS = 64  # captured at once: each has a ring of 4 MiB
PAUSE = 0.05  # seconds between two looks at the rings while nothing comes: at most so long after a limit of time
ETHERNET = (1, 772)  # ARPHRD_ETHER and ARPHRD_LOOPBACK: frames with an Ethernet header


class FrameCapture:
    """Captures from its creation until `stop`, the end of a ``with`` block, or a limit.  A thread writes the file.

    ``packets`` and ``bytes`` count what has been written; ``dropped`` has the number of packets that the kernel dropped, by the
    names of the ports; ``full`` is true if a limit was reached.

    Raises `SyscallError` (EPERM without CAP_NET_RAW; OSError for the file),
    `InvalidValue`.
    """

    def __init__(
        self,
        ports: Sequence[tuple[Host, Interface]],
        path: str,
        max_bytes: int | None = None,
        max_packets: int | None = None,
        seconds: float | None = None,
    ) -> None:
        if not ports:
            raise InvalidValue("no port is given")
        if len(ports) > MAX_PORTS:
            raise InvalidValue(f"{len(ports)} ports are more than the {MAX_PORTS} that can be captured at once: name fewer")
        for what, number in (("bytes", max_bytes), ("packets", max_packets), ("seconds", seconds)):
            if number is not None and (not isinstance(number, (int, float)) or isinstance(number, bool) or not number > 0):
                raise InvalidValue(f"{short_repr(number)} is not a limit of {what}: give a number above 0")
        self.packets = self.bytes = 0
        self.dropped: dict[str, int] = {}
        self.full = False
        self.error: Exception | None = None
        self._max_bytes, self._max_packets, self._seconds = max_bytes or MAX_BYTES, max_packets or MAX_PACKETS, seconds
        self._names = [f"{host.label}:{one.name}" for host, one in ports]
        self._rings: list[PacketRing] = []
        self._types: list[int] = []
        self._stop_read, self._stop_write = os.pipe()
        try:
            for host, one in ports:
                self._open(host, one)
            self._file = open(path, "wb")  # noqa: SIM115 (closed by the thread)
        except BaseException:
            self._close()
            raise
        from threading import Event, Thread

        self._ended = Event()
        start_thread(Thread(target=self._run, daemon=True, name="rawns-capture").start)

    def _open(self, host: Host, one: Interface) -> None:
        there = next((link for link in host.net.links() if link.name == one.name), None)
        if there is None:
            raise InvalidValue(f"{printable(str(one))} is not there; `restore` or `up` creates it")
        self._rings.append(call_inside(host.namespace, PacketRing, one.name))
        plain = there.body.get("ifi_type", 1) in ETHERNET
        self._types.append(pcapng.LINKTYPE_ETHERNET if plain else pcapng.LINKTYPE_RAW)
        if host.name is not None:
            host.release()

    def _run(self) -> None:
        try:
            with self._file:
                self._write(pcapng.section())
                for name, kind in zip(self._names, self._types):
                    self._write(pcapng.interface(name, kind))
                self._capture()
                for number, (name, ring) in enumerate(zip(self._names, self._rings)):
                    ring.update()
                    self.dropped[name] = ring.dropped
                    self._write(pcapng.statistics(number, time_ns(), ring.seen, ring.dropped))
        except Exception as error:  # a full disk, for example: `stop` raises it
            self.error = error
        finally:
            self._ended.set()

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self.bytes += len(data)

    def _capture(self) -> None:
        waits = {ring.fileno(): POLLIN for ring in self._rings}
        waits[self._stop_read] = POLLIN
        end = None if self._seconds is None else monotonic() + self._seconds
        stopping = False
        while not stopping and not self.full:
            left = None if end is None else end - monotonic()
            ready = dict(sockets.poll(waits, None if left is None else max(0, int(min(left, PAUSE) * 1000))))
            stopping = self._stop_read in ready
            if left is not None and left <= 0:
                self.full = stopping = True
            for fd in [fd for fd, event in ready.items() if event & ~POLLIN and fd != self._stop_read]:
                del waits[fd]  # the interface has gone, and the ring reports that for ever
            if stopping:
                self._let_retire()
            self._take()

    def _let_retire(self) -> None:
        """Wait for the blocks that are not full: the kernel hands them over after a short time."""
        sockets.poll({}, 2 * RETIRE_MILLISECONDS)

    def _take(self) -> None:
        """Write what the rings hold, in the order of time, as far as the limits allow."""
        found = [(frame, number) for number, ring in enumerate(self._rings) for frame in ring.frames()]
        found.sort(key=lambda one: one[0][0])
        for (when, data, length, outgoing), number in found:
            block = pcapng.packet(number, when, data, length, outgoing)
            if self.packets >= self._max_packets or self.bytes + len(block) > self._max_bytes:
                self.full = True
                return
            self._write(block)
            self.packets += 1

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until a limit ends it, at most ``timeout`` seconds; return whether it has ended."""
        return self._ended.wait(timeout)

    def stop(self) -> None:
        """End the capture after writing the frames that have arrived.  Raises OSError if the file could not be written."""
        if self._stop_write >= 0:
            os.write(self._stop_write, b"x")
            self._ended.wait()
            self._close()
        if self.error is not None:
            error, self.error = self.error, None
            raise error

    def _close(self) -> None:
        for ring in self._rings:
            ring.close()
        for fd in (self._stop_read, self._stop_write):
            os.close(fd)
        self._stop_read = self._stop_write = -1

    def __enter__(self) -> FrameCapture:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
