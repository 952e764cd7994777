"""The relay: a process that delays, loses and changes frames, for kernels without netem (tc-netem(8)).

Of each impaired port it reads the frames that nf_tables diverts to a tap device beside the port (`relay_client`), and sends them
out of the port itself, later, or not at all::

    the host's stack -> port, egress hook: fwd to tap -> this process -> packet socket, marked -> port, egress hook: passes

There is one process for each lab.  It receives orders on a socket.  The relay of a lab that ends with its process is controlled
by that process, and ends with it.  The relay of a standing lab is controlled by any process of the same user, through a socket
under /run/rawns, and ends when all namespaces of its ports have lost their names.  A relay stores nothing: the orders are in the
kernel too, as data of the table that diverts the frames.

Started by `relay_process`, single-threaded, in a network namespace of its own.
"""

from __future__ import annotations

import os
import select
import sys
from _socket import AF_PACKET, SCM_RIGHTS, SO_PEERCRED, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_RAW, SOL_SOCKET, socket
from heapq import heappop, heappush
from random import random
from time import monotonic_ns

from .. import syscalls, tap, uapi
from ..errors import RawnsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Orders = dict[str, Any]
    Held = tuple[int, int, "Line", bytes]  # when it is due (ns), a number that keeps the order, where it goes, the frame

MARK = 0x72770001  # of frames that the relay sends: the egress hook lets them pass
CONTROL_FD = 3
MAX_ORDER_BYTES = 8192
MAX_FRAME_BYTES = 65536
MAX_FRAMES_AT_ONCE = 64  # read from one port before others have their turn
MAX_CONTROLLERS = 64  # connections
SEND_BUFFER_BYTES = 16 << 20  # what waits in the port's queue for its rate belongs to the sender
RETRY_NANOSECONDS = 500_000  # after which a frame is sent again if the port's queue was full
CHECK_NANOSECONDS = 1_000_000_000  # between two looks at the names of namespaces
UNNAMED_CHECKS = 30  # after which a namespace that never had its name counts as gone


class Line:
    """One impaired port.  ``numbers`` are, of `objects.qdisc.Shape`: delay, jitter, loss, packets, duplicate, reorder, corrupt.

    The first two are in nanoseconds, shares are fractions of 2**32 - 1.
    """

    def __init__(self, key: tuple[str, str], tap_name: str, netns: str | None, fd: int, home: int) -> None:
        self.key, self.netns = key, netns
        status = os.fstat(fd)
        self.identity = status.st_dev, status.st_ino
        self.named, self.checks = False, 0  # whether the namespace has been seen under its name, and how often not since
        self.gone()
        self.held = self.seen = self.lost = self.overflowed = 0
        syscalls.setns(fd, uapi.CLONE_NEWNET)
        try:
            self.tap, _ = tap.open_(tap_name)
            try:
                self.out = _packet_socket(key[1])
            except BaseException:
                os.close(self.tap)
                raise
        finally:
            syscalls.setns(home, uapi.CLONE_NEWNET)
        os.set_blocking(self.tap, False)

    def set(self, numbers: list[int]) -> None:
        """Set what is done to frames that arrive after this."""
        self.delay, self.jitter, loss, self.limit, duplicate, reorder, corrupt = numbers
        self.loss, self.duplicate, self.reorder, self.corrupt = (one / 0xFFFFFFFF for one in (loss, duplicate, reorder, corrupt))

    def copies(self) -> int:
        """Return how many copies of the next frame are sent."""
        return 1 - (self.loss > 0 and random() < self.loss) + (self.duplicate > 0 and random() < self.duplicate)

    def pause(self) -> int:
        """Return for how many nanoseconds the next frame is held."""
        if self.reorder and random() < self.reorder:
            return 0
        return self.delay + int(self.jitter * (2 * random() - 1)) if self.jitter else self.delay

    def gone(self) -> bool:
        """Return whether its namespace has lost its name; a lab's namespace gets it when it is complete."""
        if self.netns is None:
            return False
        try:
            status = os.stat(f"/run/netns/{self.netns}")
        except OSError:
            status = None
        if status is not None and (status.st_dev, status.st_ino) == self.identity:
            self.named, self.checks = True, 0
            return False
        self.checks += 1
        return self.named or self.checks > UNNAMED_CHECKS

    def close(self) -> None:
        """Close its descriptors."""
        os.close(self.tap)
        self.out.close()


def _packet_socket(port: str) -> socket:
    """Return a socket that sends frames out of a port, with `MARK`, and receives none."""
    made = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)
    try:
        made.bind((port, 0))
        made.setsockopt(SOL_SOCKET, uapi.SO_MARK, MARK)
        try:
            made.setsockopt(SOL_SOCKET, uapi.SO_SNDBUFFORCE, SEND_BUFFER_BYTES)
        except PermissionError:  # in a user namespace the system's limit holds
            made.setsockopt(SOL_SOCKET, uapi.SO_SNDBUF, SEND_BUFFER_BYTES)
    except BaseException:
        made.close()
        raise
    return made


def _with_wrong_bit(frame: bytes) -> bytes:
    changed = bytearray(frame)
    changed[int(random() * len(changed))] ^= 1 << int(random() * 8)
    return bytes(changed)


class FrameRelay:
    """Forwards the frames of all ports, and receives orders on ``control``: a listening socket, or the only connection."""

    def __init__(self, control: socket, standing: bool) -> None:
        self._control, self._standing = control, standing
        self._lines: dict[tuple[str, str], Line] = {}
        self._taps: dict[int, Line] = {}
        self._connections: dict[int, socket] = {}
        self._heap: list[Held] = []
        self._order = 0
        self._ended = False
        self._epoll = select.epoll()
        self._epoll.register(control.fileno(), select.EPOLLIN)
        self._home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._next_check = monotonic_ns() + CHECK_NANOSECONDS

    def run(self) -> None:
        """Forward frames until the order ``end`` comes, the controlling process ends, or no port is left."""
        heap, epoll = self._heap, self._epoll
        waited = [epoll.fileno()]
        while not self._ended:
            now = monotonic_ns()
            while heap and heap[0][0] <= now:
                due, _, line, frame = heappop(heap)
                line.held -= 1
                self._send(line, frame, now)
            until = heap[0][0] if heap else self._next_check
            pause = (min(until, self._next_check) - monotonic_ns()) / 1e9
            if pause > 0:
                select.select(waited, [], [], pause)  # epoll_wait(2) counts in milliseconds
            for fd, _ in epoll.poll(0):
                line_of = self._taps.get(fd)
                if line_of is not None:
                    self._receive(line_of)
                else:
                    self._hear(fd)
            if monotonic_ns() >= self._next_check:
                self._check()

    # -- frames -----------------------------------------------------------------------------------------------------------

    def _receive(self, line: Line) -> None:
        read, fd, now = os.read, line.tap, monotonic_ns()
        for _ in range(MAX_FRAMES_AT_ONCE):
            try:
                frame = read(fd, MAX_FRAME_BYTES)
            except BlockingIOError:
                return
            except OSError:  # EBADFD: the device has been deleted
                self._drop(line)
                return
            line.seen += 1
            copies = line.copies()
            if not copies:
                line.lost += 1
            for _ in range(copies):
                sent = _with_wrong_bit(frame) if line.corrupt and random() < line.corrupt else frame
                pause = line.pause()
                if pause <= 0:
                    self._send(line, sent, now)
                elif line.held < line.limit:
                    self._hold(line, sent, now + pause)
                else:
                    line.overflowed += 1

    def _hold(self, line: Line, frame: bytes, due: int) -> None:
        self._order += 1
        line.held += 1
        heappush(self._heap, (due, self._order, line, frame))

    def _send(self, line: Line, frame: bytes, now: int) -> None:
        try:
            line.out.send(frame)
        except BlockingIOError:  # what waits in the port's queue has used up the socket's buffer
            if line.held < line.limit:
                self._hold(line, frame, now + RETRY_NANOSECONDS)
            else:
                line.overflowed += 1
        except OSError:
            line.overflowed += 1  # ENOBUFS: the port's queue is full; ENETDOWN: the port is down

    # -- orders -----------------------------------------------------------------------------------------------------------

    def _hear(self, fd: int) -> None:
        """Receive an order, or accept a connection."""
        if self._standing and fd == self._control.fileno():
            number, _ = self._control._accept()  # type: ignore[attr-defined]
            made = socket(fileno=number)
            uid = int.from_bytes(made.getsockopt(SOL_SOCKET, SO_PEERCRED, 12)[4:8], sys.byteorder)
            if uid not in (0, os.geteuid()) or len(self._connections) >= MAX_CONTROLLERS:
                made.close()
                return
            made.setblocking(False)
            self._connections[number] = made
            self._epoll.register(number, select.EPOLLIN)
            return
        connection = self._connections.get(fd, self._control)
        try:
            data, ancillary, _, _ = connection.recvmsg(MAX_ORDER_BYTES, 64)
        except BlockingIOError:
            return
        except OSError:
            data, ancillary = b"", []
        descriptors = [
            int.from_bytes(value[at : at + 4], sys.byteorder)
            for level, kind, value in ancillary
            if (level, kind) == (SOL_SOCKET, SCM_RIGHTS)
            for at in range(0, len(value), 4)
        ]
        try:
            if data:
                self._reply(connection, data, descriptors)
            elif connection is self._control:
                self._ended = True  # the process of the lab has ended
            else:
                self._epoll.unregister(fd)
                self._connections.pop(fd).close()
        finally:
            for one in descriptors:
                os.close(one)

    def _reply(self, connection: socket, data: bytes, descriptors: list[int]) -> None:
        import json

        order: Any = None
        try:
            order = json.loads(data)
            answer = self._obey(order, descriptors)
            answer["order"] = order.get("order")
        except (RawnsError, OSError, ValueError, KeyError, TypeError, IndexError) as error:
            answer = {
                "error": str(error) or type(error).__name__,
                "order": order.get("order") if isinstance(order, dict) else None,
            }
        try:
            connection.send(json.dumps(answer).encode())
        except OSError:
            pass  # the other process has not waited for the answer

    def _obey(self, order: Orders, descriptors: list[int]) -> Orders:
        verb = order["verb"]
        if verb == "set":
            key = str(order["host"]), str(order["port"])
            line = self._lines.get(key)
            if line is None:
                line = Line(key, str(order["tap"]), order["netns"], descriptors[0], self._home)
                self._lines[key] = self._taps[line.tap] = line
                line.set(order["numbers"])
                self._epoll.register(line.tap, select.EPOLLIN)
            line.set(order["numbers"])
        elif verb == "remove":
            line = self._lines.get((str(order["host"]), str(order["port"])))
            if line is not None:
                self._drop(line)
        elif verb == "end":
            self._ended = True
        elif verb != "list":
            raise ValueError(f"no such order: {verb!r}")
        return {"pid": os.getpid(), "lines": [_record(line) for line in self._lines.values()] if verb == "list" else []}

    def _drop(self, line: Line) -> None:
        """Forget a line and the frames that it holds."""
        if self._lines.pop(line.key, None) is not None:
            self._epoll.unregister(line.tap)
            del self._taps[line.tap]
            line.close()
            self._heap[:] = [one for one in self._heap if one[2] is not line]
            from heapq import heapify

            heapify(self._heap)

    def _check(self) -> None:
        """Forget the lines in namespaces that have lost their names; end if that leaves none."""
        self._next_check = monotonic_ns() + CHECK_NANOSECONDS
        before = len(self._lines)
        for line in list(self._lines.values()):
            if line.gone():
                self._drop(line)
        if self._standing and before and not self._lines:
            self._ended = True


def _record(line: Line) -> Orders:
    counters = {"frames": line.seen, "lost": line.lost, "overflowed": line.overflowed, "held": line.held}
    return {"host": line.key[0], "port": line.key[1], **counters}


def main(standing: bool) -> None:
    """Become the relay: the control socket is descriptor 3.  Leaves the process that has started it."""
    if os.fork():
        os._exit(0)  # the caller waits for this process; the relay has no parent that could wait for it
    os.setsid()
    syscalls.unshare(uapi.CLONE_NEWNET)  # so that it keeps no namespace of a lab alive by being in it
    os.chdir("/")
    try:
        with open("/proc/self/timerslack_ns", "w") as file:
            file.write("1")
    except OSError:
        pass  # then frames are up to 50 us late
    control = socket(fileno=CONTROL_FD)
    control.setblocking(False)
    if standing:
        control.listen(8)  # again: so the credentials that a connection shows are those of this process
    os.set_inheritable(CONTROL_FD, False)
    FrameRelay(control, standing).run()
