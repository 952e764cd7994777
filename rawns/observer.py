"""The observer that sees each system call of `rawns`, and the errors that failed calls become.

`observed_call` makes a call: a failure is a `SyscallError` that names the call and its arguments in C notation, and an
observer sees every call::

    class Printer(Observer):
        def after(self, event):
            print(event)

    with observed(Printer()):
        NetNS.create("ns1")
"""

from __future__ import annotations

import errno
import os
from time import perf_counter_ns

from .errors import SyscallError, errno_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


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


installed: Observer | None = None


class observed:  # noqa: N801 (used as a function, in a with statement)
    """Let an observer see every system call of this process, in all threads, until the end of the ``with`` block.

    Blocks nest; the innermost observer sees the calls.  Python's own calls (imports, say) are not seen.
    """

    def __init__(self, observer: Observer) -> None:
        self._installed = observer

    def __enter__(self) -> Observer:
        global installed
        self._previous, installed = installed, self._installed
        return self._installed

    def __exit__(self, *exc: object) -> None:
        global installed
        installed = self._previous


def observed_call(
    name: str, function: Callable[..., Any], *args: Any, format_args: Callable[..., str] | None = None, protocol: str = ""
) -> Any:
    """Call ``function(*args)``, which makes the system call ``name``.  Its `OSError` becomes a `SyscallError`.

    ``format_args(*args)`` returns the arguments in C notation; ``protocol`` is the kind of message in the bytes that are moved.
    """
    observer = installed  # read once: another thread may end the block of `observed` meanwhile
    if observer is not None:
        return _call_with_observer(observer, Event(name, (format_args or format_values)(*args), protocol), function, args)
    try:
        return function(*args)
    except OSError as error:
        raise syscall_error(error.errno or 0, name, (format_args or format_values)(*args)) from None


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
        raise syscall_error(event.error, event.call, event.arguments) from None
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


def quoted_text(text: str) -> str:
    """Return text in quotation marks, safe on a terminal."""
    from .terminal import printable

    return f'"{printable(text)}"'


def format_values(*args: object) -> str:
    """Return arguments in C notation: strings quoted, long byte strings as their size."""

    def one(arg: object) -> str:
        if isinstance(arg, str):
            return quoted_text(arg)
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


def syscall_error(number: int, call: str, arguments: str) -> SyscallError:
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
