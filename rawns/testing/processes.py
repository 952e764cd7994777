"""Processes in the hosts of a lab: started with a condition for readiness, ended in reverse order, with their last output kept.

A process ends with the thread that has started it, at the latest (PR_SET_PDEATHSIG of prctl(2)): a test run that is killed leaves
none behind.  So it is started by the main thread, which lives as long as the test run.  What such a process has started itself
is left to `watchdog`.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import threading
from collections import deque
from time import monotonic

from .. import syscalls, uapi
from ..errors import InvalidValue, RawnsError
from ..lab.words import port_number
from ..rollback import start_thread
from ..terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Union

    from ..lab.host import Host
    from ..netns_processes import Command, ProcessOptions

    Ready = Union[str, Callable[["HostProcess"], object]]

MAX_KEPT_BYTES = 1 << 18  # of each process's output: the last of them
MAX_CHUNK_BYTES = 1 << 16
GRACE = 2.0  # seconds between SIGTERM and SIGKILL
FIRST_LOOK, LAST_LOOK = 0.001, 0.05  # seconds between two trials of a condition
READY = re.compile(r"(?:(udp|tcp) )?port (\d{1,5})|output (.+)", re.DOTALL)


class ProcessError(RawnsError):
    """A process has not become ready, or has ended too early; the message has its last lines of output."""


class HostProcess:
    """A process in a host: ``pid``, ``returncode`` (None while it runs), ``output`` (what it has written last, as text).

    Standard output and standard error go to the same pipe, and standard input is /dev/null, unless options of
    `subprocess.Popen` say otherwise.  It is the leader of a process group, to which all its signals are sent.
    """

    def __init__(self, host: Host, argv: Command, popen: subprocess.Popen[bytes]) -> None:
        self.host, self.argv, self.popen = host, argv, popen
        self._chunks: deque[bytes] = deque()
        self._kept = 0
        self.dropped = 0  # bytes of its output that are not kept any more
        self.changed = threading.Condition()

    @property
    def pid(self) -> int:
        """Its process id, which is that of its process group as well."""
        return self.popen.pid

    @property
    def returncode(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs.

        A process that has ended is not reaped before `stop`: its id, which is that of its group, is not reused until then.
        """
        if self.popen.returncode is None:
            try:
                found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:  # something else has waited for it
                return self.popen.poll()
            if found is None:
                return None
            return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
        return self.popen.returncode

    def poll(self) -> int | None:
        """Return `returncode`, as `subprocess.Popen.poll` does."""
        return self.returncode

    @property
    def command(self) -> str:
        """Its command line, safe to show."""
        words = [self.argv] if isinstance(self.argv, str) else [os.fsdecode(word) for word in self.argv]
        return printable(" ".join(words))[:200]

    @property
    def output(self) -> str:
        """What it has written, `MAX_KEPT_BYTES` of it at most."""
        with self.changed:
            return b"".join(self._chunks).decode("utf-8", "replace")

    def last_lines(self, number: int = 20) -> list[str]:
        """Return its last lines, safe to show."""
        return [printable(line) for line in self.output.splitlines()[-number:]]

    def wait(self, timeout: float) -> int:
        """Wait until it has ended; return its exit status.  Raises `ProcessError` after ``timeout`` seconds."""
        status = self._await_end(timeout)
        if status is None:
            raise ProcessError(self._told(f"still runs after {timeout:g} s"))
        return status

    def _await_end(self, seconds: float) -> int | None:
        """Wait until it has ended, without reaping it; return `returncode`."""
        deadline, look = monotonic() + seconds, FIRST_LOOK
        try:
            held = os.pidfd_open(self.pid)
        except (AttributeError, OSError):  # it has been reaped, or the kernel is older than Linux 5.3
            held = -1
        try:
            while self.returncode is None and (left := deadline - monotonic()) > 0:
                select.select([held] if held >= 0 else [], [], [], left if held >= 0 else min(look, left))
                look = min(look * 2, LAST_LOOK)
        finally:
            if held >= 0:
                os.close(held)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to its process group; do nothing if it has ended.  kill(2)."""
        if self.returncode is None:
            self._signal_group(number)

    def _signal_group(self, number: int) -> None:
        """Send a signal to its group, unless it has been reaped: its id may be that of another process then."""
        if self.popen.returncode is None:
            try:
                os.killpg(self.pid, number)
            except (ProcessLookupError, PermissionError):
                pass  # the whole group has ended

    def stop(self, grace: float = GRACE) -> int:
        """End it: SIGTERM, and SIGKILL if it still runs after ``grace`` seconds; return its exit status.

        What is left of its process group is killed as well.
        """
        self.send_signal(signal.SIGTERM)
        self._await_end(grace)
        self._signal_group(signal.SIGKILL)
        return int(self.popen.wait())

    def _told(self, what: str) -> str:
        last = "".join(f"\n    {line}" for line in self.last_lines(10))
        return f"{self.command} in {self.host.label} {what}" + (
            f"; its last lines:{last}" if last else ", and has written nothing"
        )

    def __repr__(self) -> str:
        state = "running" if self.returncode is None else f"ended with {self.returncode}"
        return f"<HostProcess {self.pid} in {self.host.label}: {self.command} ({state})>"

    # -- its output, on the thread of an `OutputReader` ---------------------------------------------------------------

    def add_output(self, data: bytes) -> None:
        """Keep a piece of output, and drop the oldest beyond `MAX_KEPT_BYTES`."""
        with self.changed:
            self._chunks.append(data)
            self._kept += len(data)
            while self._kept - len(self._chunks[0]) >= MAX_KEPT_BYTES:
                first = self._chunks.popleft()
                self._kept -= len(first)
                self.dropped += len(first)
            self.changed.notify_all()

    # -- readiness ----------------------------------------------------------------------------------------------------

    def wait_ready(self, ready: Ready, timeout: float) -> None:
        """Wait until it is ready (see `ManagedHost.start`), ``timeout`` seconds at most.

        Raises `ProcessError` if it is not, `InvalidValue` for what is not a condition.
        """
        found = parse_ready(ready)
        if isinstance(found, tuple):
            self._wait_for_port(*found, timeout)
        elif isinstance(found, re.Pattern):
            self._wait_until(lambda: found.search(self.output), f"its output contains {found.pattern!r}", timeout)
        else:
            self._wait_until(lambda: found(self), f"{getattr(found, '__name__', 'its condition')}() is true", timeout)

    def _wait_for_port(self, protocol: str, port: int, timeout: float) -> None:
        deadline = monotonic() + timeout
        process: Any = self  # it has `pid` and `poll` of a Popen, and is not reaped by a poll
        try:
            self.host.wait_for_port(port, protocol=protocol, timeout=timeout, process=process)
        except InvalidValue:
            raise
        except RawnsError as error:
            self._await_output_end(deadline)
            raise ProcessError(self._told(f"is not ready: {error}")) from None

    def _wait_until(self, holds: Callable[[], object], what: str, timeout: float) -> None:
        """Wait for a condition: it is tried after each piece of output, and at growing intervals."""
        deadline, look = monotonic() + timeout, FIRST_LOOK
        while not holds():
            status = self.returncode
            if status is not None and not holds():
                self._await_output_end(deadline)
                if holds():
                    return
                raise ProcessError(self._told(f"has ended with status {status} before {what}"))
            left = deadline - monotonic()
            if left <= 0:
                raise ProcessError(self._told(f"is not ready: it has run for {timeout:g} s before {what}"))
            with self.changed:
                self.changed.wait(min(look, left))
            look = min(look * 2, LAST_LOOK)

    def _await_output_end(self, deadline: float) -> None:
        """Wait, until the deadline at most, until the reading thread has read what the process wrote last."""
        with self.changed:
            while self.popen.stdout is not None and not self.popen.stdout.closed and monotonic() < deadline:
                if not self.changed.wait(min(0.05, max(0.0, deadline - monotonic()))):
                    return  # a process of it still has the pipe open


def parse_ready(ready: Ready) -> tuple[str, int] | re.Pattern[str] | Callable[[HostProcess], object]:
    """Return what is waited for: protocol and port, a pattern of the output, or a function.  Raises `InvalidValue`."""
    if callable(ready):
        return ready
    found = READY.fullmatch(ready) if isinstance(ready, str) else None
    if found is None:
        raise InvalidValue(
            f"{ready!r} is not a condition for readiness: give 'port 8080', 'udp port 53', 'output PATTERN', or a function"
        )
    if found[2]:
        return found[1] or "tcp", port_number(int(found[2]))
    try:
        return re.compile(found[3])
    except re.error as error:
        raise InvalidValue(f"{found[3]!r} is not a regular expression: {error}") from None


# -- starting ---------------------------------------------------------------------------------------------------------


def start(host: Host, argv: Command, options: ProcessOptions) -> HostProcess:
    """Start a process in a host; an `OutputReader` must read what it writes.  See `ManagedHost.start`."""
    if threading.current_thread() is not threading.main_thread():
        raise RawnsError(
            f"{host.label}: a process is started by the main thread, since it ends with the thread that has started it; "
            "start it before the thread begins, or use `popen`"
        )
    given: ProcessOptions = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options}
    asked, parent = given.get("preexec_fn"), os.getpid()
    syscalls.prctl.load()

    def prepare() -> None:
        syscalls.prctl(uapi.PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)  # the test run has been killed before this
        if asked is not None:
            asked()

    given["preexec_fn"], given["start_new_session"] = prepare, True
    return HostProcess(host, argv, host.popen(argv, **given))


class OutputReader:
    """A thread that reads the output of all processes of a lab, from the first process until `close`."""

    def __init__(self) -> None:
        self._wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._processes: dict[int, HostProcess] = {}
        self._thread: threading.Thread | None = None

    def add(self, process: HostProcess) -> None:
        """Read the output of a process from now on."""
        if process.popen.stdout is None:
            return
        self._processes[process.popen.stdout.fileno()] = process
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True, name="rawns-output")
            start_thread(self._thread.start)
        os.write(self._waker, b"+")

    def close(self) -> None:
        """Read what is there, and end the thread; the processes must have ended."""
        if self._thread is not None:
            os.write(self._waker, b".")
            self._thread.join()
        for process in self._processes.values():
            _close_output(process)
        os.close(self._wake)
        os.close(self._waker)

    def _run(self) -> None:
        ending = False
        while not ending:
            reading = dict(self._processes)
            poll = select.poll()
            for descriptor in (self._wake, *reading):
                poll.register(descriptor, select.POLLIN)
            ready = [descriptor for descriptor, _ in poll.poll()]
            if self._wake in ready:
                ending = b"." in os.read(self._wake, MAX_CHUNK_BYTES)
            for descriptor in reading if ending else ready:
                if descriptor in reading:
                    self._read(descriptor, reading[descriptor], ending)

    def _read(self, descriptor: int, process: HostProcess, ending: bool) -> None:
        """Read a piece of output; at the end, all that is in the pipe (64 KiB, unless another process goes on writing)."""
        os.set_blocking(descriptor, False)
        for _ in range(16 if ending else 1):
            try:
                data = os.read(descriptor, MAX_CHUNK_BYTES)
            except BlockingIOError:
                return
            if not data:
                self._processes.pop(descriptor, None)
                _close_output(process)
                return
            process.add_output(data)


def _close_output(process: HostProcess) -> None:
    with process.changed:
        if process.popen.stdout is not None:
            process.popen.stdout.close()
        process.changed.notify_all()
