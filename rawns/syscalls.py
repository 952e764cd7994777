"""The system calls that `rawns` makes, and the observer that sees each of them.

What Python does not offer on every supported version is called through `_ctypes`, with full prototypes; the rest is called
through Python.  Every failure is a `SyscallError` that names the call and its arguments in C notation, and an observer
sees every call::

    class Printer(Observer):
        def after(self, event):
            print(event)

    with observed(Printer()):
        NetNS.create("ns1")

`_ctypes` is the module in C behind ctypes, and loads libffi: the first call that needs it imports it, and listing links never
does.  ctypes itself would cost another millisecond in each command that enters a namespace.
"""

from __future__ import annotations

import errno
import os
import sys
from time import perf_counter_ns

from . import uapi
from .errors import RawnsError, SyscallError, errno_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Union

    Prefixes = Union[str, tuple[str, ...]]


class Event:
    """One system call as it happened: ``call``, ``arguments`` (text), ``result`` or ``error`` (errno), ``nanoseconds``.

    If it moves a message, ``payload`` is the message (bytes) and ``protocol`` its kind (``'rtnetlink'``).
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

    def __repr__(self) -> str:
        return f"<Event {self}>"


class Observer:
    """An object that `observed` installs.  Override `before` to inject a fault (raise `OSError`), `after` to watch."""

    def before(self, call: str, arguments: str) -> None:
        """Called before the system call.  An `OSError` raised here is treated as the kernel's answer."""

    def after(self, event: Event) -> None:
        """Called when the system call has returned or failed."""


_observer: Observer | None = None


class observed:  # noqa: N801 (used as a function, in a with statement)
    """Let an observer see every system call of this process, in all threads, until the end of the ``with`` block.

    Blocks nest; the innermost observer sees the calls.  Python's own calls (imports, say) are not seen.
    """

    def __init__(self, observer: Observer) -> None:
        self._installed = observer

    def __enter__(self) -> Observer:
        global _observer
        self._previous, _observer = _observer, self._installed
        return self._installed

    def __exit__(self, *exc: object) -> None:
        global _observer
        _observer = self._previous


def observed_call(
    name: str, function: Callable[..., Any], *args: Any, format_args: Callable[..., str] | None = None, protocol: str = ""
) -> Any:
    """Call ``function(*args)``, which makes the system call ``name``.  Its `OSError` becomes a `SyscallError`.

    ``format_args(*args)`` returns the arguments in C notation; ``protocol`` is the kind of message in the bytes that are moved.
    """
    observer = _observer  # read once: another thread may end the block of `observed` meanwhile
    if observer is not None:
        return _call_with_observer(observer, Event(name, (format_args or _format_args)(*args), protocol), function, args)
    try:
        return function(*args)
    except OSError as error:
        raise _syscall_error(error.errno or 0, name, (format_args or _format_args)(*args)) from None


def _call_with_observer(observer: Observer, event: Event, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    start = perf_counter_ns()
    try:
        observer.before(event.call, event.arguments)
        start = perf_counter_ns()
        answer = function(*args)
        event.nanoseconds = perf_counter_ns() - start
    except OSError as error:
        event.nanoseconds, event.error = perf_counter_ns() - start, error.errno or 0
        observer.after(event)
        raise _syscall_error(event.error, event.call, event.arguments) from None
    _record_result(event, args, answer)
    observer.after(event)
    return answer


def _record_result(event: Event, args: tuple[Any, ...], answer: Any) -> None:
    """Store the result as the C call would return it, and the message that was moved."""
    received = answer[0] if type(answer) is tuple and answer else 0 if isinstance(answer, tuple) else answer  # stat_result is one
    if isinstance(received, bytes):
        event.payload, event.result = received, len(received)
        return
    event.payload = next((arg for arg in args if isinstance(arg, bytes)), b"") if event.protocol else b""
    event.result = received if isinstance(received, int) else received.fileno() if hasattr(received, "fileno") else 0


MAX_SHOWN_BYTES = 32  # of a string, as in strace(1)
_ESCAPES = {9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 92: "\\\\"}


def quoted(data: bytes, most: int = MAX_SHOWN_BYTES) -> str:
    """Return a C string literal, cut off after ``most`` bytes, which is safe on a terminal."""
    text = "".join(_ESCAPES.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}") for byte in data[:most])
    return f'"{text}"{"..." if len(data) > most else ""}'


def _quoted_text(text: str) -> str:
    """Return text in quotation marks, safe on a terminal."""
    from .terminal import printable

    return f'"{printable(text)}"'


def _format_args(*args: object) -> str:
    """Return arguments in C notation: strings quoted, long byte strings as their size."""

    def one(arg: object) -> str:
        if isinstance(arg, str):
            return _quoted_text(arg)
        if not isinstance(arg, bytes):
            return str(arg)
        return quoted(arg, MAX_SHOWN_BYTES) if len(arg) <= MAX_SHOWN_BYTES else f"[{len(arg)} bytes]"

    return ", ".join(map(one, args))


# -- what a failure means ------------------------------------------------------------------------------------------

LACKING = {  # call, errno and a word of its arguments: what the kernel was then built without
    ("socket", errno.EAFNOSUPPORT, "AF_INET6"): "IPv6 (CONFIG_IPV6, or ipv6.disable=1 at its start)",
    ("socket", errno.EAFNOSUPPORT, "AF_PACKET"): "packet sockets (CONFIG_PACKET)",
    ("socket", errno.EPROTONOSUPPORT, "NETLINK_NETFILTER"): "netfilter for user space (CONFIG_NETFILTER_NETLINK)",
}


def _syscall_error(number: int, call: str, arguments: str) -> SyscallError:
    """Return the error for a failed call, with the hint that its errno allows."""
    hint: str | Callable[[], str] = ""
    if number in (errno.EPERM, errno.EACCES):
        hint = lambda: _remedy(number)  # noqa: E731
    elif number == errno.ENOSPC and call == "unshare":
        hint = "one of the limits in /proc/sys/user is reached: max_net_namespaces, max_mnt_namespaces, max_user_namespaces"
    elif number == errno.EMFILE:
        hint = "this process has as many open files as it may have: `ulimit -n` shows and raises the limit"
    elif number == errno.ENFILE:
        hint = "this machine has as many open files as it may have: see fs.file-max"
    elif number in (errno.EAGAIN, errno.ENOMEM) and call == "fork":
        from .rollback import PROCESS_LIMIT

        hint = PROCESS_LIMIT
    elif number == errno.EROFS:
        hint = "the file system is mounted read-only"
    elif number == errno.ENOENT and arguments.startswith('"/proc/') and not os.path.exists("/proc/self"):
        hint = "/proc must be mounted"
    for (name, code, word), what in LACKING.items():
        if (name, code) == (call, number) and word in arguments:
            hint = f"this kernel has no {what}"
    return SyscallError(number, call, arguments, hint)


def _remedy(number: int) -> str:
    from .privileges import remedy

    return remedy(number)


# -- through _ctypes ----------------------------------------------------------------------------------------------

_ENCODING = sys.getfilesystemencoding()  # os.fsencode does the same and takes several times as long


def _format_value(value: object, kind: str, prefixes: Prefixes) -> str:
    """Return one argument in C notation; ``prefixes`` are those of its flags' names in `uapi`."""
    if value is None:
        return "NULL"
    if kind == "path":
        return _quoted_text(str(value))
    if not prefixes:
        return str(value)
    assert isinstance(value, int)
    bits = [name for name, bit in vars(uapi).items() if name.startswith(prefixes) and bit and value & bit == bit]
    return "|".join(bits) or "0"


class MissingModule(RawnsError):
    """This Python lacks a module of its standard library, without which no namespace can be entered."""


class _Libc:
    """The C library of this process, and the C types of the prototypes: what `ctypes.CDLL(None, use_errno=True)` holds.

    Raises `RawnsError` if Python lacks the module, `SyscallError` if a file that it needs cannot be opened.
    """

    def __init__(self) -> None:
        try:
            import _ctypes

            module: Any = _ctypes
            self._handle: int = module.dlopen(None, 0)  # `_ctypes` reads it under this name
        except ImportError as error:
            if error.path:  # it is there, and could not be opened: for want of a descriptor, perhaps
                close(open_(error.path, os.O_RDONLY))
            raise MissingModule(
                f"Python's module ctypes cannot be imported ({error}); unshare, setns and mount need it: install the complete "
                "standard library (on Debian and Ubuntu the package python3 with libpython3-stdlib; python3-minimal lacks it)"
            ) from None
        except OSError as error:
            raise _syscall_error(error.errno or 0, "open", f"{_quoted_text(str(error.filename))}, O_RDONLY|O_CLOEXEC") from None

        class Int(module._SimpleCData):  # type: ignore[misc]
            _type_ = "i"

        class UnsignedLong(module._SimpleCData):  # type: ignore[misc]
            _type_ = "L"

        class Path(module._SimpleCData):  # type: ignore[misc]
            _type_ = "z"

        class Char(module._SimpleCData):  # type: ignore[misc]
            _type_ = "c"

        class Function(module.CFuncPtr):  # type: ignore[misc]
            _flags_ = module.FUNCFLAG_CDECL | module.FUNCFLAG_USE_ERRNO
            _restype_ = Int

        self._function, self._types = Function, {"int": Int, "ulong": UnsignedLong, "path": Path}
        self._char: Any = Char
        self._address_of: Callable[[Any], int] = module.addressof
        self.last_error: Callable[[], int] = module.get_errno

    def function(self, name: str, kinds: list[str]) -> Any:
        """Return a function that returns an int, by its name and the kinds of its parameters."""
        function: Any = self._function((name, self))
        function.argtypes = [self._types[kind] for kind in kinds]
        return function

    def buffer(self, size: int) -> tuple[Any, int]:
        """Return memory for the kernel to write to, whose bytes are its attribute ``raw``, and its address."""
        memory = (self._char * size)()
        return memory, self._address_of(memory)


OTHER_NUMBERS = ("alpha", "mips")  # processors whose system calls have other numbers than all others
_libc: _Libc | None = None


def _load_libc() -> _Libc:
    """Return the C library, opened once.  Raises as `_Libc`."""
    global _libc
    if _libc is None:
        _libc = _Libc()
    return _libc


def buffer(size: int) -> tuple[Any, int]:
    """Return ``size`` bytes for the kernel to write to, all zero: an object with the attribute ``raw``, and its address.

    The address is valid as long as the object exists.  Raises as `_Libc`.
    """
    return _load_libc().buffer(size)


class LibcFunction:
    """A function of libc, by its name and prototype: ``(parameter, C type, prefix of its flags' names)`` for each parameter.

    With ``number`` it is a system call that libc has no function for: syscall(2).
    """

    __slots__ = ("_function", "_has_paths", "_number", "name", "parameters")

    def __init__(self, name: str, *parameters: tuple[str, str, Prefixes], number: int | None = None) -> None:
        self.name, self.parameters, self._number = name, parameters, number
        self._has_paths = any(kind == "path" for _, kind, _ in parameters)
        self._function: Callable[..., int] | None = None

    def load(self) -> Callable[..., int]:
        """Look the function up, unless that has been done.  Raises `RawnsError` or `SyscallError` if that is impossible."""
        function = self._function
        if function is None:
            function = self._look_up([kind for _, kind, _ in self.parameters])
            self._function = function
        return function

    def _look_up(self, kinds: list[str]) -> Callable[..., int]:
        """Return the C function.  A system call is refused with ENOSYS on the processors whose numbers are others."""
        number = self._number
        if number is None:
            named: Callable[..., int] = _load_libc().function(self.name, kinds)
            return named
        if os.uname().machine.startswith(OTHER_NUMBERS):
            raise _syscall_error(errno.ENOSYS, self.name, "")
        call = _load_libc().function("syscall", ["ulong", *kinds])
        return lambda *args: call(number, *args)  # type: ignore[no-any-return]

    def __call__(self, *args: Any) -> int:
        if _observer is not None:
            self.load()
            result: int = observed_call(self.name, self._call, *args, format_args=self._format_args)
            return result
        function = self._function or self.load()
        if self._has_paths:
            result = function(*[arg.encode(_ENCODING, "surrogateescape") if type(arg) is str else arg for arg in args])
        else:
            result = function(*args)
        if result == -1:
            raise _syscall_error(_last_error(), self.name, self._format_args(*args))
        return result

    def _call(self, *args: Any) -> int:
        """Call the function for `observed_call`: a failure is an `OSError`."""
        result = self.load()(*[os.fsencode(arg) if isinstance(arg, str) else arg for arg in args])
        if result == -1:
            raise OSError(_last_error(), "")
        return result

    def _format_args(self, *args: Any) -> str:
        return ", ".join(_format_value(arg, kind, prefixes) for (_, kind, prefixes), arg in zip(self.parameters, args))


def _last_error() -> int:
    return _load_libc().last_error()


unshare = LibcFunction("unshare", ("flags", "int", "CLONE_NEW"))
setns = LibcFunction("setns", ("fd", "int", ""), ("nstype", "int", "CLONE_NEW"))
mount = LibcFunction(
    "mount",
    ("source", "path", ""),
    ("target", "path", ""),
    ("fstype", "path", ""),
    ("flags", "ulong", "MS_"),
    ("data", "path", ""),
)
umount2 = LibcFunction("umount2", ("target", "path", ""), ("flags", "int", ("MNT_", "UMOUNT_")))
inotify_init1 = LibcFunction("inotify_init1", ("flags", "int", ""))
inotify_add_watch = LibcFunction("inotify_add_watch", ("fd", "int", ""), ("pathname", "path", ""), ("mask", "int", "IN_"))
listns = LibcFunction(  # a structure, given as bytes; the address of the ids
    "listns",
    ("req", "path", ""),
    ("ns_ids", "ulong", ""),
    ("nr_ns_ids", "ulong", ""),
    ("flags", "int", ""),
    number=uapi.__NR_listns,
)
open_by_handle_at = LibcFunction("open_by_handle_at", ("mount_fd", "int", ""), ("handle", "path", ""), ("flags", "int", ""))
capset = LibcFunction("capset", ("hdrp", "path", ""), ("datap", "path", ""))  # pointers to structures, given as bytes
prctl = LibcFunction("prctl", ("option", "int", ""), *((f"arg{number}", "ulong", "") for number in range(2, 6)))


# -- through Python ------------------------------------------------------------------------------------------------


def open_(path: str, flags: int, mode: int = 0o777) -> int:
    """Open a file: open(2) with O_CLOEXEC; return the descriptor."""
    descriptor: int = observed_call("open", os.open, path, flags, mode, format_args=_format_open)
    return descriptor


def _format_open(path: str, flags: int, mode: int) -> str:
    every = ("O_CREAT", "O_EXCL", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_TRUNC", "O_WRONLY", "O_RDWR")
    names = [n for n in every if flags & getattr(os, n)]
    access = [] if flags & (os.O_WRONLY | os.O_RDWR) else ["O_RDONLY"]
    return f"{_quoted_text(path)}, {'|'.join([*access, *names, 'O_CLOEXEC'])}" + (f", {mode:#o}" if flags & os.O_CREAT else "")


def close(fd: int) -> None:
    """Close a descriptor: close(2)."""
    observed_call("close", os.close, fd)


def read(fd: int, size: int) -> bytes:
    """Read at most ``size`` bytes from a descriptor: read(2)."""
    data: bytes = observed_call("read", os.read, fd, size, format_args=lambda fd, size: f"{fd}, buffer, {size}")
    return data


def write(fd: int, data: bytes) -> int:
    """Write to a descriptor: write(2); return how many bytes the kernel has taken."""
    taken: int = observed_call("write", os.write, fd, data, format_args=lambda fd, data: f"{fd}, {quoted(data)}, {len(data)}")
    return taken


def pipe() -> tuple[int, int]:
    """Create a pipe: pipe2(2) with O_NONBLOCK and O_CLOEXEC; return the end to read from and the end to write to."""
    ends: tuple[int, int] = observed_call("pipe2", _pipe, format_args=lambda: "fds, O_NONBLOCK|O_CLOEXEC")[1]
    return ends


def _pipe() -> tuple[int, tuple[int, int]]:
    return 0, os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)


def mkdir(path: str, mode: int) -> None:
    """Create a directory: mkdir(2)."""
    observed_call("mkdir", os.mkdir, path, mode, format_args=lambda path, mode: f"{_format_args(path)}, {mode:#o}")


def rename(old: str, new: str) -> None:
    """Rename a file: rename(2)."""
    observed_call("rename", os.rename, old, new)


def unlink(path: str) -> None:
    """Remove a file: unlink(2)."""
    observed_call("unlink", os.unlink, path)


def rmdir(path: str) -> None:
    """Remove an empty directory: rmdir(2)."""
    observed_call("rmdir", os.rmdir, path)


def stat(path: str | int) -> os.stat_result:
    """Return the status of a file: stat(2), or of a descriptor: fstat(2)."""
    result: os.stat_result = observed_call("fstat" if isinstance(path, int) else "stat", os.stat, path)
    return result


def flock(fd: int, operation: int) -> None:
    """Lock or unlock an open file: flock(2)."""
    if not _flock:
        import fcntl

        _flock.append(fcntl.flock)
    observed_call("flock", _flock[0], fd, operation, format_args=_format_flock)


_flock: list[Callable[[int, int], None]] = []  # loaded at the first use; an `import` statement each time costs microseconds


def _format_flock(fd: int, operation: int) -> str:
    return f"{fd}, {_format_value(operation, 'int', 'LOCK_')}"


def fork() -> int:
    """Fork this process: fork(2); return the child's pid in the parent, 0 in the child.  Raises `SyscallError` at a limit."""
    child: int = observed_call("fork", os.fork)
    return child


def ioctl(fd: int, request: int) -> int:
    """Call ioctl(2) without an argument."""
    import fcntl

    result: int = observed_call("ioctl", fcntl.ioctl, fd, request, format_args=_format_ioctl)
    return result


def _format_ioctl(fd: int, request: int) -> str:
    names = (name for name, value in vars(uapi).items() if value == request and name.startswith(("NS_GET_", "PIDFD_", "SIOC")))
    return f"{fd}, {next(names, hex(request))}"


def ioctl_number(fd: int, request: str, number: int) -> None:
    """Call ioctl(2) with a number; ``request`` is a name of `uapi`."""
    import fcntl

    _ioctl(fd, request, str(number), lambda: fcntl.ioctl(fd, getattr(uapi, request), number - (number >> 31 << 32)))


def ioctl_struct(fd: int, request: str, argument: bytes, text: str | Callable[[], str]) -> bytes:
    """Call ioctl(2) with a structure; return it as the kernel has left it.

    ``text`` is the structure in C notation, or returns that, which is only needed for errors and observers.
    """
    import fcntl

    changed: bytes = _ioctl(fd, request, text, lambda: (0, fcntl.ioctl(fd, getattr(uapi, request), argument)))[1]
    return changed


def _ioctl(fd: int, request: str, text: str | Callable[[], str], function: Callable[[], Any]) -> Any:
    return observed_call("ioctl", function, format_args=lambda: f"{fd}, {request}, {text if isinstance(text, str) else text()}")


def listdir(path: str) -> list[str]:
    """Return the names in a directory, in its own order: getdents64(2)."""
    names: list[str] = observed_call("getdents64", os.listdir, path)
    return names
