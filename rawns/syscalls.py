"""The system calls this project lives on, and the hook that watches them.

Floor 1.  What Python does not offer (on every version we support) is called through ctypes, with full prototypes;
what it offers is called as Python has it.  Both go through `Call`, so each failure is a `SyscallError` that names
the call and spells its arguments as C would, and an observer sees every one::

    class Printer(Observer):
        def after(self, event):
            print(event)

    with observed(Printer()):
        NetNS.create("ns1")

ctypes costs 8 ms to import, so it is loaded by the first call that needs it: listing links never does.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # the C module: `signal` costs an `enum`
import errno
import os
import sys
from time import perf_counter_ns

from . import uapi
from .errors import SyscallError, errno_name
from .terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Event:
    """One system call as it happened: ``call``, ``arguments`` (text), ``result`` or ``error`` (errno), ``nanoseconds``.

    Where it moves a message, ``payload`` is that, as bytes, and ``protocol`` says of what kind (``'rtnetlink'``).
    """

    __slots__ = ("arguments", "call", "error", "nanoseconds", "payload", "protocol", "result")

    def __init__(self, call: str, arguments: str, protocol: str) -> None:
        self.call, self.arguments, self.protocol = call, arguments, protocol
        self.result: Any = None
        self.error = self.nanoseconds = 0
        self.payload = b""

    def __str__(self) -> str:
        result = f"-1 {errno_name(self.error)} ({os.strerror(self.error)})" if self.error else self.result
        return f"{self.call}({self.arguments}) = {result}"


class Observer:
    """What `observed` installs.  Override `before` to inject a fault (raise `OSError` from it), `after` to watch."""

    def before(self, call: str, arguments: str) -> None:
        """Called before the call is made.  An `OSError` raised here is taken for the kernel's answer."""

    def after(self, event: Event) -> None:
        """Called when the call has returned or failed."""


_observer: Observer | None = None


class observed:  # noqa: N801 (used as a function, in a with statement)
    """Watch every call of this process until the end of the block.  Blocks nest; the inner one sees the calls."""

    def __init__(self, observer: Observer) -> None:
        self._mine = observer

    def __enter__(self) -> Observer:
        global _observer
        self._before, _observer = _observer, self._mine
        return self._mine

    def __exit__(self, *exc: object) -> None:
        global _observer
        _observer = self._before


def observed_call(
    name: str, function: Callable[..., Any], *args: Any, format_args: Callable[..., str] | None = None, protocol: str = ""
) -> Any:
    """``function(*args)``; its `OSError` becomes a `SyscallError` called ``name``; the observer sees it.

    ``format_args`` turns the arguments into text as C would write them; ``protocol`` names what is in the bytes it moves.
    """
    if _observer is not None:
        return _watched(_observer, Event(name, (format_args or _format_args)(*args), protocol), function, args)
    try:
        return function(*args)
    except OSError as error:
        raise _failed(error.errno or 0, name, (format_args or _format_args)(*args)) from None


def _failed(number: int, call: str, arguments: str) -> SyscallError:
    hint = remedy(number)
    if number == errno.ENOSPC and call == "unshare":
        hint = "one of the limits in /proc/sys/user is reached: max_net_namespaces, max_mnt_namespaces, max_user_namespaces"
    elif number == errno.EMFILE:
        hint = "this process may open no more files: `ulimit -n` says how many, and raises it"
    elif number == errno.ENOENT and arguments.startswith('"/proc/') and not os.path.exists("/proc/self"):
        hint = "/proc must be mounted"
    return SyscallError(number, call, arguments, hint)


def remedy(number: int) -> str:
    """What to do about an errno that says that we may not; empty for all others."""
    if number not in (errno.EPERM, errno.EACCES):
        return ""
    return "this root lacks the capability for it" if os.geteuid() == 0 else "run as root, or inside `rawns rootless`"


def _watched(observer: Observer, event: Event, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    start = perf_counter_ns()
    try:
        observer.before(event.call, event.arguments)
        start = perf_counter_ns()
        answer = function(*args)
        event.nanoseconds = perf_counter_ns() - start
    except OSError as error:
        event.nanoseconds, event.error = perf_counter_ns() - start, error.errno or 0
        observer.after(event)
        raise _failed(event.error, event.call, event.arguments) from None
    _note(event, args, answer)
    observer.after(event)
    return answer


def _note(event: Event, args: tuple[Any, ...], answer: Any) -> None:
    """The outcome as the C call would return it, and the message that was moved."""
    received = answer[0] if type(answer) is tuple and answer else 0 if isinstance(answer, tuple) else answer  # stat's is one
    if isinstance(received, bytes):
        event.payload, event.result = received, len(received)
        return
    event.payload = next((arg for arg in args if isinstance(arg, bytes)), b"") if event.protocol else b""
    event.result = received if isinstance(received, int) else received.fileno() if hasattr(received, "fileno") else 0


def _format_args(*args: object) -> str:
    def one(arg: object) -> str:
        if isinstance(arg, str):
            return f'"{printable(arg)}"'
        if not isinstance(arg, bytes):
            return str(arg)
        return f"{arg!r}"[1:] if len(arg) <= 48 else f"[{len(arg)} bytes]"

    return ", ".join(map(one, args))


# -- through ctypes -----------------------------------------------------------------------------------------------

_CTYPES = {"int": "c_int", "uint": "c_uint", "ulong": "c_ulong", "path": "c_char_p"}


def _text(value: object, kind: str, names: str) -> str:
    if value is None:
        return "NULL"
    if kind == "path":
        return f'"{printable(str(value))}"'
    if not names:
        return str(value)
    assert isinstance(value, int)
    bits = [name for name, bit in vars(uapi).items() if name.startswith(names) and bit and value & bit == bit]
    return "|".join(bits) or "0"


class Call:
    """A libc function by its prototype: its name, then ``(parameter, C type, prefix of its flags' names)`` each."""

    __slots__ = ("name", "parameters", "_function")

    def __init__(self, name: str, *parameters: tuple[str, str, str]) -> None:
        self.name, self.parameters = name, parameters
        self._function: Callable[..., int] | None = None

    def _bind(self) -> Callable[..., int]:
        """Look the function up, once."""
        import ctypes

        function: Any = ctypes.CDLL(None, use_errno=True)[self.name]
        function.restype = ctypes.c_int
        function.argtypes = [getattr(ctypes, _CTYPES[kind]) for _, kind, _ in self.parameters]
        self._function = function
        return self._function

    def __call__(self, *args: Any) -> int:
        if _observer is not None:
            result: int = observed_call(self.name, self._watched, *args, format_args=self._format_args)
            return result
        function = self._function or self._bind()
        result = function(*[arg.encode(_ENCODING, "surrogateescape") if type(arg) is str else arg for arg in args])
        if result == -1:
            raise _failed(_last_error(), self.name, self._format_args(*args))
        return result

    def _watched(self, *args: Any) -> int:
        """The same, for `observed_call`."""
        function = self._function or self._bind()
        result = function(*[os.fsencode(arg) if isinstance(arg, str) else arg for arg in args])
        if result == -1:
            raise OSError(_last_error(), "")
        return result

    def _format_args(self, *args: Any) -> str:
        return ", ".join(_text(arg, kind, names) for (_, kind, names), arg in zip(self.parameters, args))


_ENCODING = sys.getfilesystemencoding()  # with which os.fsencode, many times as long on its way, does the same


def _last_error() -> int:
    import ctypes

    return ctypes.get_errno()


unshare = Call("unshare", ("flags", "int", "CLONE_NEW"))
setns = Call("setns", ("fd", "int", ""), ("nstype", "int", "CLONE_NEW"))
mount = Call(
    "mount",
    ("source", "path", ""),
    ("target", "path", ""),
    ("fstype", "path", ""),
    ("flags", "ulong", "MS_"),
    ("data", "path", ""),
)
umount2 = Call("umount2", ("target", "path", ""), ("flags", "int", "MNT_"))


# -- as Python has them -------------------------------------------------------------------------------------------


def open_(path: str, flags: int, mode: int = 0o777) -> int:
    """open(2); Python adds O_CLOEXEC."""
    descriptor: int = observed_call("open", os.open, path, flags, mode, format_args=_format_open)
    return descriptor


def _format_open(path: str, flags: int, mode: int) -> str:
    every = ("O_CREAT", "O_EXCL", "O_DIRECTORY", "O_WRONLY", "O_RDWR")
    names = [n for n in every if flags & getattr(os, n)]
    access = [] if flags & (os.O_WRONLY | os.O_RDWR) else ["O_RDONLY"]
    return f'"{printable(path)}", {"|".join([*access, *names, "O_CLOEXEC"])}' + (f", {mode:#o}" if flags & os.O_CREAT else "")


def close(fd: int) -> None:
    """close(2)."""
    observed_call("close", os.close, fd)


def write(fd: int, data: bytes) -> None:
    """write(2)."""
    observed_call("write", os.write, fd, data, format_args=lambda fd, data: f"{fd}, {_format_args(data)}, {len(data)}")


def mkdir(path: str, mode: int) -> None:
    """mkdir(2)."""
    observed_call("mkdir", os.mkdir, path, mode, format_args=lambda path, mode: f'"{path}", {mode:#o}')


def unlink(path: str) -> None:
    """unlink(2)."""
    observed_call("unlink", os.unlink, path)


def rmdir(path: str) -> None:
    """rmdir(2)."""
    observed_call("rmdir", os.rmdir, path)


def stat(path: str | int) -> os.stat_result:
    """stat(2), or fstat(2) of a descriptor."""
    result: os.stat_result = observed_call("fstat" if isinstance(path, int) else "stat", os.stat, path)
    return result


def flock(fd: int, operation: int) -> None:
    """flock(2)."""
    if not _flock:
        import fcntl

        _flock.append(fcntl.flock)
    observed_call("flock", _flock[0], fd, operation, format_args=_format_flock)


_flock: list[Callable[[int, int], None]] = []  # loaded by the first that needs it; `import` each time costs microseconds


def _format_flock(fd: int, operation: int) -> str:
    return f"{fd}, {_text(operation, 'int', 'LOCK_')}"


def ioctl(fd: int, request: int) -> int:
    """ioctl(2) without an argument."""
    import fcntl

    result: int = observed_call("ioctl", fcntl.ioctl, fd, request, format_args=lambda fd, request: f"{fd}, {request:#x}")
    return result


def ioctl_number(fd: int, request: str, number: int) -> None:
    """ioctl(2) with a number for its argument; ``request`` is a name of `uapi`."""
    import fcntl

    _ioctl(fd, request, str(number), lambda: fcntl.ioctl(fd, getattr(uapi, request), number - (number >> 31 << 32)))


def ioctl_struct(fd: int, request: str, argument: bytes, told: str) -> bytes:
    """ioctl(2) with a struct, which it may change; how it is afterwards.  ``told`` is the struct as a person reads it."""
    import fcntl

    changed: bytes = _ioctl(fd, request, told, lambda: (0, fcntl.ioctl(fd, getattr(uapi, request), argument)))[1]
    return changed


def _ioctl(fd: int, request: str, told: str, function: Callable[[], Any]) -> Any:
    return observed_call("ioctl", function, format_args=lambda: f"{fd}, {request}, {told}")


def listdir(path: str) -> list[str]:
    """The names in a directory, in its own order (getdents64(2))."""
    names: list[str] = observed_call("getdents64", os.listdir, path)
    return names


# Those that people have handlers for, and that come from outside; each more costs each `signals_blocked` its time.
_SIGNALS = tuple(
    getattr(_signal, f"SIG{name}")
    for name in "HUP INT QUIT USR1 USR2 PIPE ALRM TERM CHLD CONT TSTP TTIN TTOU URG XCPU VTALRM PROF WINCH IO PWR".split()
)


class signals_blocked:  # noqa: N801 (used as a function, in a with statement)
    """Hold signals back until the end of the block: no handler's exception comes between a step and its undo.

    Python runs handlers in the main thread only, but the signal may reach any thread that does not hold it back.  So in
    a process with threads this makes the unlucky moment rare, not impossible; what must not be lost is guarded besides.
    """

    __slots__ = ("_before",)

    def __enter__(self) -> None:
        self._before = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())
        try:
            _signal.pthread_sigmask(_signal.SIG_BLOCK, _SIGNALS)  # runs the handlers of what has come already
        except BaseException:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, self._before)
            raise

    def __exit__(self, *exc: object) -> None:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self._before)


class Rollback:
    """Undo, in reverse, what a failing ``with`` block has done so far; do nothing when it succeeds.

    ``rollback(function, *args)`` registers one step.  A step that fails does not keep the others from being undone:
    the error that started it all is the one the caller must see.  Signals are held back meanwhile (`signals_blocked`): what a
    handler raises comes at the end, as if it had been raised by the last line of the block.
    """

    __slots__ = ("_shield", "_steps")

    def __init__(self) -> None:
        self._steps: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self._shield = signals_blocked()

    def __call__(self, function: Callable[..., object], *args: Any) -> None:
        self._steps.append((function, args))

    def undo(self) -> None:
        """Undo everything now."""
        while self._steps:
            function, args = self._steps.pop()
            try:
                function(*args)
            except Exception:
                pass

    def call_unblocked(self, function: Callable[..., object], *args: Any) -> None:
        """Call what may have to wait, with signals heard meanwhile: what a handler raises is raised here."""
        self._shield.__exit__()
        try:
            function(*args)
        finally:
            self._shield.__enter__()

    def __enter__(self) -> Rollback:
        self._shield.__enter__()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not None:
            self.undo()
        try:
            self._shield.__exit__()
        except BaseException:
            with signals_blocked():
                self.undo()
            raise
