"""The system calls that `rawns` makes, each seen by an `observer`.

What Python does not offer on every supported version is called through `_ctypes`, with full prototypes; the rest is called
through Python.  Every failure is a `SyscallError` that names the call and its arguments in C notation.

`_ctypes` is the module in C behind ctypes, and loads libffi: the first call that needs it imports it.  ctypes itself would cost
another millisecond in each command that enters a namespace.
"""

from __future__ import annotations

import errno
import os
import sys

from . import observer, uapi
from .errors import RawnsError
from .observer import format_values, observed_call, quoted, quoted_text, syscall_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Union

    Prefixes = Union[str, tuple[str, ...]]


# -- through _ctypes ----------------------------------------------------------------------------------------------

_ENCODING = sys.getfilesystemencoding()  # os.fsencode does the same and takes several times as long


def _format_value(value: object, kind: str, prefixes: Prefixes) -> str:
    """Return one argument in C notation; ``prefixes`` are those of its flags' names in `uapi`."""
    if value is None:
        return "NULL"
    if kind == "path":
        return quoted_text(str(value))
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
            raise syscall_error(error.errno or 0, "open", f"{quoted_text(str(error.filename))}, O_RDONLY|O_CLOEXEC") from None

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
            raise syscall_error(errno.ENOSYS, self.name, "")
        call = _load_libc().function("syscall", ["ulong", *kinds])
        return lambda *args: call(number, *args)  # type: ignore[no-any-return]

    def __call__(self, *args: Any) -> int:
        if observer.installed is not None:
            self.load()
            result: int = observed_call(self.name, self._call, *args, format_args=self._format_args)
            return result
        function = self._function or self.load()
        if self._has_paths:
            result = function(*[arg.encode(_ENCODING, "surrogateescape") if type(arg) is str else arg for arg in args])
        else:
            result = function(*args)
        if result == -1:
            raise syscall_error(_last_error(), self.name, self._format_args(*args))
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
    return f"{quoted_text(path)}, {'|'.join([*access, *names, 'O_CLOEXEC'])}" + (f", {mode:#o}" if flags & os.O_CREAT else "")


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
    observed_call("mkdir", os.mkdir, path, mode, format_args=lambda path, mode: f"{format_values(path)}, {mode:#o}")


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
