"""Following programs through their system calls with ptrace(2), and nothing about what the calls mean.

A program that is started runs under a seccomp filter (`seccomp`): it stops at the calls of interest only.  A process that was
running before cannot be given a filter; it stops at each call, and can be detached from without harm.  Processes, threads
and programs that a traced one starts are followed.

All requests must come from the thread that attached: a `Tracer` is used by one thread only.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # `signal` imports enum: 5 ms
import errno
import os
from struct import Struct

from .. import syscalls
from ..errors import RawnsError, SyscallError
from ..terminal import printable
from . import constants as c
from . import seccomp
from .architectures import ARCHITECTURES, RUN_BY, Architecture
from .memory import IOVEC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

INFO = Struct("=B3xI16x")  # struct ptrace_syscall_info: op, arch, then instruction_pointer and stack_pointer; then a union
ENTRY, EXIT = Struct("=7Q"), Struct("=qB")  # nr and six arguments; rval and is_error
INFO_BYTES = 96
UNSIGNED_LONG = Struct("@L")
MAX_REGISTER_BYTES = 1024
OPTIONS = (
    c.PTRACE_O_TRACESYSGOOD
    | c.PTRACE_O_TRACEFORK
    | c.PTRACE_O_TRACEVFORK
    | c.PTRACE_O_TRACECLONE
    | c.PTRACE_O_TRACEEXEC
    | c.PTRACE_O_TRACESECCOMP
)
NEW_TASK = (c.PTRACE_EVENT_FORK, c.PTRACE_EVENT_VFORK, c.PTRACE_EVENT_CLONE)
STOP_SIGNALS = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
# What this process, or Python at its start, handles or ignores, and a program must not inherit.
RESET_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ)
MAX_ATTACH_ROUNDS = 100  # over /proc/PID/task, while threads start others
EXEC_FAILED = 127

_ptrace = syscalls.LibcFunction(
    "ptrace", ("request", "int", ""), ("pid", "int", ""), ("addr", "ulong", ""), ("data", "ulong", "")
)


class _Stopped(Exception):
    """`Tracer.stop` was called."""


class Process:
    """What the threads of a traced process have in common."""

    def __init__(self, pid: int, every_call: bool, filtered: bool) -> None:
        self.pid = pid
        self.every_call = every_call  # whether it stops at each call instead of those of the filter
        self.filtered = filtered  # whether it has a filter


class Entry:
    """A system call that a thread has begun: its name, number, arguments as six integers, and the architecture."""

    def __init__(self, name: str, number: int, args: tuple[int, ...], architecture: Architecture) -> None:
        self.name, self.number, self.args, self.architecture = name, number, args, architecture


class Thread:
    """A traced thread; ``entry`` is the call in which it is, if that is of interest."""

    def __init__(self, tid: int, process: Process) -> None:
        self.tid, self.process = tid, process
        self.entry: Entry | None = None


class Watcher:
    """What a `Tracer` tells.  All methods but `resumed` are called while the thread is stopped."""

    def enter(self, thread: Thread, entry: Entry) -> bool:
        """Called when a thread begins a call; return whether its end is of interest."""
        return True

    def leave(self, thread: Thread, entry: Entry, result: int) -> None:
        """Called when the call has returned ``result``: -errno if it has failed."""

    def started(self, thread: Thread, parent: Thread | None) -> None:
        """Called when a thread is followed from now on; ``parent`` has started it."""

    def renamed(self, thread: Thread, former: int) -> None:
        """Called when an exec by the thread ``former`` has given it the id of its process's first thread, which is gone."""

    def ended(self, thread: Thread, status: int) -> None:
        """Called when a thread has ended, with a wait status; it may have been in a call."""

    def resumed(self) -> None:
        """Called when the thread runs again, or has ended: the time for work that does not need it, such as writing."""


class Tracer:
    """Follow a program and everything that it starts.

    ``names`` are the calls of interest; the filter lets through those of ``passed``, which are seen only of a process that stops
    at each call.  Use `start` or `attach`, then `run`.  `detach_all` ends it early.
    """

    def __init__(self, names: set[str], watcher: Watcher, passed: set[str] | frozenset[str] = frozenset()) -> None:
        self.names, self.watcher, self.passed = names, watcher, passed
        self.threads: dict[int, Thread] = {}
        self.filtered = False  # whether the programs have a filter, and so cannot outlive the tracer
        self.after_main: Callable[[list[int]], None] | None = None  # called with what still runs when the first has ended
        self._early: set[int] = set()  # threads that have stopped before the event that announces them
        self._main = 0
        self._status = 0
        self._leaving = False
        self._info, self._info_address = syscalls.buffer(INFO_BYTES)  # of the last stop, struct ptrace_syscall_info

    # -- beginning ------------------------------------------------------------------------------------------------

    def start(self, argv: Sequence[str], ignored: Sequence[int] = ()) -> int:
        """Start a program under the filter; return its pid.  It ignores the signals ``ignored``, and no others.

        Raises `RawnsError` if there is no such program, or on an unknown processor; `SyscallError` if tracing is forbidden.
        """
        machine = os.uname().machine
        if machine not in RUN_BY:
            raise RawnsError(f"programs of this processor ({machine}) cannot be traced; these can: {', '.join(RUN_BY)}")
        path = _executable(argv[0])
        code = seccomp.program(RUN_BY[machine], self.names - self.passed)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            _become(path, argv, ignored, code, (reading, writing))
        os.close(reading)
        try:
            _request(c.PTRACE_SEIZE, pid, 0, OPTIONS | c.PTRACE_O_EXITKILL)
            os.write(writing, b"!")
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        finally:
            os.close(writing)
        self.filtered, self._main = True, pid
        self._add(pid, Process(pid, every_call=False, filtered=True), None)
        return pid

    def attach(self, pid: int) -> None:
        """Follow a running process, all threads.  Raises `SyscallError` if it does not exist, or if that is forbidden."""
        process = Process(pid, every_call=True, filtered=False)
        if not os.path.isdir(f"/proc/{pid}"):
            raise RawnsError(f"there is no process {pid}")
        for _ in range(MAX_ATTACH_ROUNDS):
            try:
                new = [int(tid) for tid in syscalls.listdir(f"/proc/{pid}/task") if int(tid) not in self.threads]
            except SyscallError as error:
                if error.errno == errno.ENOENT:
                    error.hint = f"no process has the number {pid}"
                raise
            if not new:
                break
            for tid in new:
                try:
                    _request(c.PTRACE_SEIZE, tid, 0, OPTIONS)
                except SyscallError as error:
                    if error.errno == errno.ESRCH and tid != pid:
                        continue  # it has ended in the meantime
                    self.detach_all()
                    raise
                self._add(tid, process, None)
                _request(c.PTRACE_INTERRUPT, tid)
        self._main = pid

    def _add(self, tid: int, process: Process, parent: Thread | None) -> Thread:
        thread = self.threads[tid] = Thread(tid, process)
        self.watcher.started(thread, parent)
        return thread

    # -- until the end -----------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Follow until all have ended, or `stop`; return the wait status of the first process."""
        while self.threads:
            try:
                self.take(*os.waitpid(-1, c.WAIT_ALL | c.WAIT_OWN_THREAD))
            except (ChildProcessError, _Stopped):
                break
        return self._status

    def take(self, tid: int, status: int) -> None:
        """Handle one change of a thread's state."""
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            self._ended(tid, status)
        elif os.WIFSTOPPED(status):
            try:
                self._stopped(tid, os.WSTOPSIG(status), status >> 16)
            except SyscallError as error:
                if error.errno != errno.ESRCH:  # killed in the meantime; its end follows
                    raise
        self.watcher.resumed()

    def _ended(self, tid: int, status: int) -> None:
        thread = self.threads.pop(tid, None)
        if thread is not None:
            self.watcher.ended(thread, status)
        if tid == self._main:
            self._status, self._main = status, 0
            if self.threads and self.after_main is not None:
                self.after_main(sorted({one.process.pid for one in self.threads.values()}))

    def _stopped(self, tid: int, number: int, event: int) -> None:
        thread = self.threads.get(tid)
        if thread is None:  # a new one can stop, and even end, before its parent's event arrives
            thread = self._add(tid, *self._origin(tid))
            self._early.add(tid)
        if self._leaving:
            self._detach(thread, 0 if event or number & 0x80 else number)
            return
        passed_on = 0
        if event in NEW_TASK:
            self._new_task(thread, _event_message(tid))
        elif event == c.PTRACE_EVENT_EXEC:
            self._executed(thread, _event_message(tid))
        elif event == c.PTRACE_EVENT_SECCOMP or number == signal.SIGTRAP | 0x80:
            if not event or thread.entry is None:  # a process that stops at each call has stopped at this one just now
                self._call(thread)
        elif event == c.PTRACE_EVENT_STOP:
            if number in STOP_SIGNALS:
                _request(c.PTRACE_LISTEN, tid)  # it stays stopped, and SIGCONT continues it
                return
        elif not event:
            passed_on = number
        self._continue(thread, passed_on)

    def _continue(self, thread: Thread, number: int = 0) -> None:
        every = thread.process.every_call or thread.entry is not None
        _request(c.PTRACE_SYSCALL if every else c.PTRACE_CONT, thread.tid, 0, number)

    def _origin(self, tid: int) -> tuple[Process, Thread | None]:
        """Return the process of a thread that has just appeared, and a thread of the process that started it."""
        group, parent = _status_ids(tid)
        siblings = [one for one in self.threads.values() if one.process.pid == group]
        if siblings:
            return siblings[0].process, siblings[0]
        parents = [one for one in self.threads.values() if one.process.pid == parent]
        every_call = parents[0].process.every_call if parents else not self.filtered
        return Process(group, every_call, self.filtered), parents[0] if parents else None

    def _new_task(self, parent: Thread, tid: int) -> None:
        if tid in self._early:
            self._early.discard(tid)
        elif tid and tid not in self.threads:
            group, _ = _status_ids(tid)
            same = group == parent.process.pid
            process = parent.process if same else Process(group or tid, parent.process.every_call, self.filtered)
            self._add(tid, process, parent)

    def _executed(self, thread: Thread, former: int) -> None:
        """Handle an exec: the thread that made it has the process's id from now on, and all others are gone."""
        if former != thread.tid and former in self.threads:
            thread.entry = self.threads.pop(former).entry
            self.watcher.renamed(thread, former)

    def _call(self, thread: Thread) -> None:
        _request(c.PTRACE_GET_SYSCALL_INFO, thread.tid, INFO_BYTES, self._info_address)
        op, audit = INFO.unpack_from(self._info)
        if op == c.PTRACE_SYSCALL_INFO_EXIT:
            entry, thread.entry = thread.entry, None
            if entry is not None:
                self.watcher.leave(thread, entry, EXIT.unpack_from(self._info, INFO.size)[0])
        elif op in (c.PTRACE_SYSCALL_INFO_ENTRY, c.PTRACE_SYSCALL_INFO_SECCOMP) and thread.entry is None:
            number, *args = ENTRY.unpack_from(self._info, INFO.size)
            architecture = ARCHITECTURES.get(audit)
            name = architecture.calls.get(number) if architecture is not None else None
            if architecture is not None and name in self.names:
                entry = Entry(name, number, tuple(args), architecture)
                if self.watcher.enter(thread, entry):
                    thread.entry = entry

    # -- leaving -----------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Make `run` end; may be called from a signal handler; programs that have a filter are killed when this process ends."""
        raise _Stopped

    def detach_all(self) -> None:
        """Detach from each thread at its next stop; `run` then ends.  Must not be used for programs with a filter."""
        self._leaving = True
        for tid in list(self.threads):
            try:
                _request(c.PTRACE_INTERRUPT, tid)
            except SyscallError:  # it has ended, and `run` will see that
                pass

    def _detach(self, thread: Thread, number: int) -> None:
        _request(c.PTRACE_DETACH, thread.tid, 0, number)
        self.threads.pop(thread.tid, None)
        self.watcher.ended(thread, 0)


def _executable(word: str) -> str:
    """Return the path of a program, found as a shell finds it.  Raises `RawnsError`."""
    path = os.environ.get("PATH", os.defpath)  # os.get_exec_path imports warnings
    places = [""] if "/" in word else path.split(os.pathsep)
    for place in places:
        found = os.path.join(place, word)
        if os.path.isfile(found) and os.access(found, os.X_OK):
            return found
    raise RawnsError(f"{printable(word)}: no such program")


def _become(path: str, argv: Sequence[str], ignored: Sequence[int], code: bytes, pipe: tuple[int, int]) -> None:
    """Wait, in the forked child, until it is traced; then install the filter and execute the program.  Does not return."""
    try:
        for number in RESET_SIGNALS:
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)
        reading, writing = pipe
        os.close(writing)
        if os.read(reading, 1):
            try:
                seccomp.install(code)
            except SyscallError as error:
                os.write(2, f"rawns trace: no seccomp filter: {error.strerror}\n".encode())
                os._exit(EXEC_FAILED - 1)
            os.execv(path, list(argv))
    except OSError as error:
        os.write(2, f"rawns trace: {printable(path)}: {error.strerror}\n".encode())
    finally:
        os._exit(EXEC_FAILED)


def _request(request: int, tid: int, address: int = 0, data: int = 0) -> int:
    """Make a ptrace request.  Raises `SyscallError`."""
    try:
        return _ptrace(request, tid, address, data)  # none of the requests made here can return -1 otherwise
    except SyscallError as error:
        number = error.errno or 0
    hint = _hint(tid) if number == errno.EPERM else ""
    raise SyscallError(number, "ptrace", f"{_NAMES.get(request, request)}, {tid}", hint)


def skip_call(tid: int, architecture: Architecture) -> None:
    """Prevent a call that is about to begin: its number becomes -1.  Raises `RawnsError` on other processors."""
    if architecture.name == "aarch64":
        _set_registers(tid, c.NT_ARM_SYSTEM_CALL, Struct("=i").pack(-1))
    elif os.uname().machine == "x86_64":
        _request(c.PTRACE_POKEUSR, tid, c.ORIG_RAX_OFFSET, c.NO_CALL)
    else:
        raise RawnsError(f"calls cannot be made to fail on this processor ({os.uname().machine})")


def set_result(tid: int, architecture: Architecture, result: int) -> None:
    """Replace the result of a call that has just returned."""
    if architecture.name == "aarch64":
        registers = _get_registers(tid, c.NT_PRSTATUS)
        _set_registers(tid, c.NT_PRSTATUS, Struct("=q").pack(result) + registers[8:])
    else:
        _request(c.PTRACE_POKEUSR, tid, c.RAX_OFFSET, result & c.NO_CALL)


def _set_registers(tid: int, kind: int, data: bytes) -> None:
    registers, address = syscalls.buffer(len(data))
    registers.raw = data
    vector, vector_address = syscalls.buffer(IOVEC.size)
    vector.raw = IOVEC.pack(address, len(data))
    _request(c.PTRACE_SETREGSET, tid, kind, vector_address)


def _get_registers(tid: int, kind: int) -> bytes:
    registers, address = syscalls.buffer(MAX_REGISTER_BYTES)
    vector, vector_address = syscalls.buffer(IOVEC.size)
    vector.raw = IOVEC.pack(address, MAX_REGISTER_BYTES)
    _request(c.PTRACE_GETREGSET, tid, kind, vector_address)
    found: bytes = registers.raw[: IOVEC.unpack(vector.raw)[1]]
    return found


_NAMES = {number: name for name, number in vars(c).items() if name.startswith("PTRACE_") and "_O_" not in name}


def _hint(tid: int) -> str:
    """Return why a thread cannot be traced, and what to do: by what /proc tells about it, or by the settings."""
    fields = _status_fields(tid)
    tracer = fields.get(b"TracerPid", b"0").decode("ascii")
    if tid == os.getpid():
        return "a process cannot trace itself"
    if fields.get(b"Kthread") == b"1":
        return "it is a thread of the kernel, which makes no system calls"
    if tracer not in ("0", str(os.getpid())):
        return f"process {tracer} ({printable(program_name(int(tracer)))}) traces it already; a thread can have one tracer only"
    if os.geteuid() and fields.get(b"Uid", b"").split()[:1] != [b"%d" % os.getuid()]:
        return "it belongs to another user: run `rawns trace` as root"
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope", "rb") as file:
            scope = int(file.read())
    except (OSError, ValueError):
        scope = 0
    if scope >= 3:
        return "kernel.yama.ptrace_scope is 3: no process may be traced until the next start of the machine"
    if scope:
        return f"kernel.yama.ptrace_scope is {scope}: only root may attach to running processes; `trace CMD` starts one"
    return "`rawns trace` is traced itself, the process has more privileges, or a container's seccomp profile forbids ptrace"


def program_name(pid: int) -> str:
    """Return the name of a process as in ps(1)."""
    try:
        fd = os.open(f"/proc/{pid}/comm", os.O_RDONLY | os.O_CLOEXEC)  # at each call: a file object takes three times as long
        try:
            return os.read(fd, 64).rstrip(b"\n").decode("utf-8", "backslashreplace")
        finally:
            os.close(fd)
    except OSError:
        return "?"


def _event_message(tid: int) -> int:
    message, address = syscalls.buffer(UNSIGNED_LONG.size)
    _request(c.PTRACE_GETEVENTMSG, tid, 0, address)
    number: int = UNSIGNED_LONG.unpack(message.raw)[0]
    return number


def _status_fields(tid: int) -> dict[bytes, bytes]:
    """Return the lines of /proc/TID/status, proc_pid_status(5); none if the thread has ended."""
    try:
        with open(f"/proc/{tid}/status", "rb") as file:
            return {word: rest.strip() for word, _, rest in (line.partition(b":") for line in file)}
    except OSError:
        return {}


def _status_ids(tid: int) -> tuple[int, int]:
    """Return the process of a thread and that process's parent; the thread itself and 0 if it has ended."""
    fields = _status_fields(tid)
    return int(fields.get(b"Tgid", tid)), int(fields.get(b"PPid", 0))
