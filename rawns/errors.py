"""The errors that `rawns` raises; ``except RawnsError`` catches all but one of them.

An error that the kernel caused is an `OSError` as well, of the subclass that Python itself would have chosen for its
errno, so that ``except FileExistsError`` works as usual::

    RawnsError
    +-- SyscallError (OSError)      a system call failed: which one, with what arguments
    +-- KernelError  (OSError)      the kernel refused a netlink request, in its own words
    +-- Interrupted                 answers or events were lost, or changed while they were read
    +-- WireError    (ValueError)   a value that does not fit its message
    |   +-- DecodeError             bytes received that are no well-formed message
    +-- InvalidValue (ValueError)   a name, address or option refused before any system call

`NamespaceRestoreError` is deliberately not a `RawnsError`; its docstring says why.
"""

from __future__ import annotations

import errno as _errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "RawnsError",
    "SyscallError",
    "KernelError",
    "Interrupted",
    "WireError",
    "DecodeError",
    "InvalidValue",
    "NamespaceRestoreError",
]


def errno_name(number: int) -> str:
    """Return the C name of an errno; if it has two, the one that the kernel and strace use (EOPNOTSUPP, not ENOTSUP)."""
    return {_errno.EOPNOTSUPP: "EOPNOTSUPP", _errno.EDEADLK: "EDEADLK"}.get(number) or _errno.errorcode.get(number, str(number))


def errno_text(number: int) -> str:
    """Return the text of an errno, strerror(3), also of a number that C's int cannot hold, which a message may contain."""
    return os.strerror(number) if 0 <= number < 1 << 31 else f"Unknown error {number}"


class RawnsError(Exception):
    """The base class of the errors that `rawns` raises on purpose.  ``str(error)`` is one sentence for a person."""


_CLASSES: dict[tuple[type, int], type] = {}


def _class_for_errno(base: type, errno: int) -> type:
    """Return ``base`` combined with the OSError subclass of an errno: of KernelError and EEXIST, a FileExistsError too."""
    kind = _CLASSES.get((base, errno))
    if kind is None:
        builtin = type(OSError(errno, ""))
        bases = (base,) if builtin is OSError else (base, builtin)
        kind = type(base.__name__, bases, {"__module__": base.__module__, "__doc__": base.__doc__})
        _CLASSES[base, errno] = kind
    return kind


class _ErrnoError(RawnsError, OSError):
    """The common base of the two errors that have an errno: chooses the class and supports pickle and copy."""

    _fields: tuple[object, ...]
    _hint: str | Callable[[], str] = ""

    @property
    def hint(self) -> str:
        """A sentence that says why, or what to do about it; may be empty."""
        if not isinstance(self._hint, str):
            self._hint = self._hint()  # not before it is read: many an error is expected, and finding a remedy takes system calls
        return self._hint

    @hint.setter
    def hint(self, hint: str | Callable[[], str]) -> None:
        self._hint = hint

    @staticmethod
    def _rebuild(base: type, fields: tuple[object, ...]) -> BaseException:
        error = base(*fields)
        assert isinstance(error, BaseException)
        return error

    def _base(self) -> type:
        return SyscallError if isinstance(self, SyscallError) else KernelError

    def __reduce__(self) -> tuple[object, ...]:
        return (self._rebuild, (self._base(), self._fields), {"hint": self.hint})

    def _sentence(self) -> str:
        raise NotImplementedError

    def __str__(self) -> str:
        return f"{self._sentence()}; {self.hint}" if self.hint else self._sentence()

    @property
    def code(self) -> str:
        """The errno's C name, as in ``'EPERM'``."""
        return errno_name(self.errno or 0)


class SyscallError(_ErrnoError):
    """A system call failed.

    ``call`` is its C name, ``arguments`` are its arguments in C notation, ``errno`` and ``strerror`` the kernel's answer.
    ``hint``, if it is not empty, is a sentence that says why, or what to do about it; it may be given as a function.
    """

    call: str
    arguments: str

    def __new__(cls, errno: int, call: str = "", arguments: str = "", hint: str | Callable[[], str] = "") -> SyscallError:
        error: SyscallError = OSError.__new__(_class_for_errno(SyscallError, errno), errno, os.strerror(errno))
        return error

    def __init__(self, errno: int, call: str = "", arguments: str = "", hint: str | Callable[[], str] = "") -> None:
        OSError.__init__(self, errno, os.strerror(errno))
        self.errno, self.strerror = errno, os.strerror(errno)
        self.call, self.arguments, self.hint = call, arguments, hint
        self._fields = (errno, call, arguments)

    def _sentence(self) -> str:
        return f"{self.call}({self.arguments}): {self.strerror} ({self.code})"


class KernelError(_ErrnoError):
    """The kernel refused a netlink request.

    ``request`` is the message's C name (``'RTM_NEWADDR'``); ``message`` the kernel's own sentence (extended
    acknowledgement), empty if it sent none; ``offset`` the byte of the request that the kernel points at, or None;
    ``field`` that byte's C name and value; ``context`` what the request was for; ``hint`` the remedy.
    """

    request: str
    message: str
    offset: int | None
    field: str
    context: str

    def __new__(
        cls, errno: int, request: str = "", message: str = "", offset: int | None = None, field: str = "", context: str = ""
    ) -> KernelError:
        error: KernelError = OSError.__new__(_class_for_errno(KernelError, errno), errno, errno_text(errno))
        return error

    def __init__(
        self, errno: int, request: str = "", message: str = "", offset: int | None = None, field: str = "", context: str = ""
    ) -> None:
        OSError.__init__(self, errno, errno_text(errno))
        self.errno, self.strerror = errno, errno_text(errno)
        self.request, self.message, self.offset, self.field, self.context = request, message, offset, field, context
        self.hint = ""
        self._fields = (errno, request, message, offset, field, context)

    def without_traceback(self) -> KernelError:
        """Return a copy that does not refer to the stack frames in which it was raised, nor to what they hold open."""
        return KernelError(self.errno or 0, self.request, self.message, self.offset, self.field, self.context)

    def _sentence(self) -> str:
        words = f'"{self.message}" ({self.code})' if self.message else f"{self.strerror} ({self.code})"
        where = "" if self.offset is None else f" at byte {self.offset}"
        what = f", {self.field}" if self.field else ""
        context = f" ({self.context})" if self.context else ""
        return f"{self.request}{context} refused: {words}{where}{what}"


class Interrupted(RawnsError):
    """Answers or events were lost (``ENOBUFS``), or a ruleset changed while it was read, on every attempt."""


class WireError(RawnsError, ValueError):
    """A name or value that does not fit the description of its message; nothing was sent."""


class DecodeError(WireError):
    """The bytes received are not a well-formed message.  The kernel has not refused anything; it was not understood."""


class InvalidValue(RawnsError, ValueError):
    """A name, address or option that can never be valid; it was refused before any system call."""


class NamespaceRestoreError(SystemExit):
    """The calling thread is in the wrong network namespace, because the kernel refused to let it return.

    If the thread went on, the caller's next lines would run in a foreign namespace.  Therefore this is a `SystemExit`:
    neither ``except OSError`` nor ``except RawnsError`` catches it, ``finally`` blocks run, and in the main thread it ends
    the process with this sentence and status 1.  In a thread that `rawns` has not started, the sentence is written to
    standard error, and a plain `SystemExit` with the same sentence ends the thread.
    """
