"""Start, control and end of the relay process (`relay`) of a lab; detection of relays that are left over, or hang.

The relay of a standing lab listens on /run/rawns/LAB.relay, whose peer credentials are the relay's own (SO_PEERCRED), so that one
that does not answer can be killed.  The relay of another lab has the end of a socket pair, and the process of the lab as an
argument: `left_over` finds it if it outlives that process.
"""

from __future__ import annotations

import os
import signal
import sys
from select import POLLHUP, POLLIN
from time import monotonic

from .. import sockets
from ..errors import RawnsError
from ..syscalls import listdir
from ..terminal import printable
from ..wire import U32
from . import lock
from .relay import CONTROL_FD, MAX_ORDER_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Set as AbstractSet
    from typing import Any

    from ..objects.qdisc import Shape
    from .host import Host

ANSWER_SECONDS = 10.0  # that an answer of the relay is waited for
SOCKET_SUFFIX = ".relay"
PROGRAM_END = "from rawns.lab.relay import main; main({})"
MAX_COMMAND_BYTES = 4096


class RelayError(RawnsError):
    """The relay of a lab cannot be started, or does not answer."""


class RelayControl:
    """A connection to the relay of a lab.  ``pid`` is its process id, 0 if it is in another pid namespace."""

    def __init__(self, connection: socket, pid: int = 0) -> None:
        self._connection, self.pid = connection, pid
        self._owner, self._orders = os.getpid(), 0
        self._served: set[tuple[str, str]] = set()  # host and port of each line, as this process has ordered

    def ask(self, order: dict[str, Any], *descriptors: int) -> dict[str, Any]:
        """Send an order and return the answer.  Raises `RelayError` after `ANSWER_SECONDS`, or if the order failed."""
        import json
        from _socket import SCM_RIGHTS, SOL_SOCKET

        self._orders += 1
        data = json.dumps({**order, "order": self._orders}).encode()
        rights = [(SOL_SOCKET, SCM_RIGHTS, b"".join(U32.pack(one, {}) for one in descriptors))] if descriptors else []
        deadline, found = monotonic() + ANSWER_SECONDS, {"order": 0}
        try:
            self._connection.settimeout(ANSWER_SECONDS)
            self._connection.sendmsg([data], rights)
            while found.get("order") != self._orders:  # an answer that came too late is not that of this order
                left = max(0.0, deadline - monotonic())
                if not sockets.poll({self._connection.fileno(): POLLIN}, int(left * 1000)):
                    raise TimeoutError
                answer = self._connection.recv(MAX_ORDER_BYTES << 8)
                if not answer:
                    raise RelayError("the relay has ended")
                found = json.loads(answer)
        except TimeoutError:
            raise RelayError(f"the relay{self._name} does not answer within {ANSWER_SECONDS:g} s") from None
        except OSError as error:
            raise RelayError(f"the relay has ended: {error.strerror}") from None
        if "error" in found:
            raise RelayError(f"the relay refused: {printable(str(found['error']))}")
        return found

    @property
    def _name(self) -> str:
        return f" (process {self.pid})" if self.pid else ""

    def change(self, order: dict[str, Any], *descriptors: int) -> None:
        """Send an order that changes something; kill a relay that does not answer.  Raises `RelayError`."""
        try:
            self.ask(order, *descriptors)
        except RelayError as error:
            if self.usable and self.kill():
                raise RelayError(f"{error}, and was killed; `restore` or `up` starts another") from None
            raise

    def set(self, host: Host, port: str, tap: str, shape: Shape) -> None:
        """Set what is done to the frames of a port."""
        numbers = [shape.delay_nanoseconds, shape.jitter_nanoseconds, shape.loss_u32, shape.netem_packets]
        numbers += [shape.duplicate_u32, shape.reorder_u32, shape.corrupt_u32]
        order = {"verb": "set", "host": host.label, "port": port, "tap": tap, "netns": host.name, "numbers": numbers}
        self.change(order, host.fileno())
        self._served.add((host.label, port))

    def remove(self, host: Host, port: str) -> None:
        """Have the relay forget a port, with the frames of it that it holds."""
        self.change({"verb": "remove", "host": host.label, "port": port})
        self._served.discard((host.label, port))

    def served(self) -> AbstractSet[tuple[str, str]]:
        """Return the label of the host and the name of each port that the relay serves; raises `RelayError`.

        A process that was forked from the one that has the connection cannot ask, because the answers of both would be mixed
        up.  It returns what was ordered before the fork, if the relay still runs.
        """
        if self._owner != os.getpid():
            return set(self._served) if self.runs else set()
        return {(one["host"], one["port"]) for one in self.lines()[1]}

    def lines(self) -> tuple[int, list[dict[str, Any]]]:
        """Return the process id of the relay, and the counters of each port that it serves."""
        answer = self.ask({"verb": "list"})
        return answer["pid"], answer["lines"]

    def end(self) -> None:
        """End the relay, and wait until it has ended; kill it if it does not answer."""
        try:
            self.ask({"verb": "end"})
            sockets.poll({self._connection.fileno(): POLLHUP}, int(ANSWER_SECONDS * 1000))
        except RelayError:
            pass  # it has ended already, or hangs
        if self.usable:
            self.kill()
        self.close()

    def kill(self) -> bool:
        """Kill the relay (SIGKILL); return whether there was a relay to kill."""
        return self.pid > 0 and kill_if(self.pid, lambda: self.usable and bool(_arguments(self.pid)))

    @property
    def usable(self) -> bool:
        """Whether the relay runs, and this process has opened the connection."""
        return self._owner == os.getpid() and self.runs

    @property
    def runs(self) -> bool:
        """Whether the relay still has its end of the connection."""
        return self._connection.fileno() >= 0 and not sockets.poll({self._connection.fileno(): POLLHUP}, 0)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def kill_if(pid: int, still: Any) -> bool:
    """Kill a process if ``still`` says, while a descriptor holds it, that the id is that of the process that is meant."""
    try:
        held = os.pidfd_open(pid)
    except (AttributeError, OSError):  # Linux 5.3, which a relay needs anyway; a process that has ended
        return False
    try:
        if not still():
            return False
        signal.pidfd_send_signal(held, signal.SIGKILL)
        sockets.poll({held: POLLIN}, int(ANSWER_SECONDS * 1000))
        return True
    except OSError:
        return False
    finally:
        os.close(held)


def relay_of(lab: Any, start: bool) -> RelayControl | None:
    """Return the connection to the relay of a lab; with ``start`` to a new one if there is none, otherwise None.

    Raises `RelayError`, `SyscallError`.
    """
    control: RelayControl | None = lab.relay_control
    if control is not None and control.usable:
        return control
    if control is not None:
        control.close()
    control = _connect(lab.name) if lab.outlives_process else None
    if control is None and start:
        control = _start(lab.name, lab.outlives_process)
    lab.relay_control = control
    return control


def _path(name: str) -> str:
    return f"{lock.LOCK_DIR}/{name}{SOCKET_SUFFIX}"


def _connect(name: str) -> RelayControl | None:
    """Return a connection to the relay of a standing lab; None if no relay runs."""
    from _socket import AF_UNIX, SO_PEERCRED, SOCK_CLOEXEC, SOCK_SEQPACKET, SOL_SOCKET, socket

    made = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC)
    try:
        made.settimeout(ANSWER_SECONDS)  # one that hangs accepts no connection when its queue is full
        made.connect(_path(name))
    except OSError:
        made.close()
        return None
    return RelayControl(made, int.from_bytes(made.getsockopt(SOL_SOCKET, SO_PEERCRED, 12)[:4], sys.byteorder))


def _start(name: str, standing: bool) -> RelayControl:
    """Start the relay of a lab; called under the lab's lock, if it stands."""
    import socket as socket_module

    kind = socket_module.SOCK_SEQPACKET
    if standing:
        lock.prepare_directory()
        lock.unlink(f"{name}{SOCKET_SUFFIX}")
        theirs = socket_module.socket(socket_module.AF_UNIX, kind)
    else:
        ours, theirs = socket_module.socketpair(socket_module.AF_UNIX, kind)
    with theirs:
        if standing:
            theirs.bind(_path(name))
            theirs.listen(8)
        _spawn(name, theirs.fileno(), standing)
    if standing:
        found = _connect(name)
        if found is None:
            raise RelayError(f"the relay of the lab {name} cannot be reached")
    else:
        os.set_inheritable(ours.fileno(), False)
        found = RelayControl(ours)  # type: ignore[arg-type]
    try:
        found.pid, _ = found.lines()
    except RelayError as error:
        found.close()
        raise RelayError(f"the relay of the lab {name} cannot be started with {sys.executable!r}: {error}") from None
    return found


def _spawn(name: str, control: int, standing: bool) -> None:
    """Execute the relay as a new process, which inherits no descriptor but the control socket."""
    import fcntl

    if not sys.executable:
        raise RelayError("no relay can be started, because sys.executable is empty: set it to the path of a Python interpreter")
    place = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    program = f"import sys; sys.path.insert(0, {place!r}); {PROGRAM_END.format(standing)}"
    high = fcntl.fcntl(control, fcntl.F_DUPFD_CLOEXEC, 64)
    try:
        actions: list[Any] = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in range(3)]
        actions.append((os.POSIX_SPAWN_DUP2, high, CONTROL_FD))
        argv = [sys.executable, "-I", "-S", "-c", program, name, str(os.getpid()), _start_time(os.getpid())]
        pid = os.posix_spawn(sys.executable, argv, {"PATH": os.defpath}, file_actions=actions, setsigmask=[])
    finally:
        os.close(high)
    os.waitpid(pid, 0)  # it forks at once, and the relay has no parent that could wait for it


def end_of(lab: Any) -> None:
    """End the relay of a lab."""
    control, lab.relay_control = lab.relay_control, None
    if control is not None and control.usable:
        control.end()
    if lab.outlives_process:
        end_named(lab.name)


def end_named(name: str) -> None:
    """End the relay of a standing lab, if it runs, and remove its socket."""
    control = _connect(name)
    if control is not None:
        control.end()
    if os.path.lexists(_path(name)):
        lock.unlink(f"{name}{SOCKET_SUFFIX}")


# -- what is left over ------------------------------------------------------------------------------------------------------


def named() -> list[str]:
    """Return the labs whose relays have, or had, a socket under /run/rawns."""
    try:
        entries = listdir(lock.LOCK_DIR)
    except OSError:
        return []
    return sorted(one[: -len(SOCKET_SUFFIX)] for one in entries if one.endswith(SOCKET_SUFFIX))


def hangs(name: str) -> bool:
    """Return whether the relay of a standing lab runs and does not answer within `ANSWER_SECONDS`."""
    control = _connect(name)
    if control is None:
        return False
    try:
        control.lines()
        return False
    except RelayError:
        return control.usable
    finally:
        control.close()


def left_over() -> dict[int, str]:
    """Return the relays of this user whose labs have ended with their processes: the labs' names by the relays' process ids.

    A relay ends by itself within a moment, unless it has been stopped, or hangs.
    """
    found = {}
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        name = _lab_that_ended(pid)
        if name:
            found[pid] = name
    return found


def kill_left_over(pid: int) -> None:
    """Kill a relay that `left_over` has found."""
    kill_if(pid, lambda: _lab_that_ended(pid))


def _lab_that_ended(pid: int) -> str:
    """Return the name of the lab of a relay whose lab's process has ended; an empty string for any other process."""
    words = _arguments(pid)
    try:
        if not words or not words[4].endswith(PROGRAM_END.format(False)) or os.stat(f"/proc/{pid}").st_uid != os.geteuid():
            return ""
        name, owner, begun = words[5:8]
        if os.stat(f"/proc/{pid}/ns/pid").st_ino != os.stat("/proc/self/ns/pid").st_ino or not owner.isdigit():
            return ""  # the numbers of another pid namespace
    except OSError:
        return ""
    return "" if _start_time(int(owner)) == begun else name


def _arguments(pid: int) -> list[str]:
    """Return the command line of a relay; an empty list for any other process."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read(MAX_COMMAND_BYTES).decode("utf-8", "replace").split("\0")
    except OSError:
        return []
    ends = tuple(PROGRAM_END.format(standing) for standing in (True, False))
    return words if len(words) == 9 and words[1:4] == ["-I", "-S", "-c"] and words[4].endswith(ends) else []


def _start_time(pid: int) -> str:
    """Return when a process was started (proc_pid_stat(5), field 22), as text; an empty string if it does not run."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            words = file.read().rpartition(b")")[2].split()
        return words[19].decode() if words[0] not in (b"Z", b"X") else ""
    except (OSError, IndexError):
        return ""
