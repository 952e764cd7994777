"""Standard output and standard error of a command: safe for a terminal, strict about what could not be written.

`install` replaces ``sys.stdout`` and ``sys.stderr``.  Afterwards

- control characters and escape sequences never reach a terminal, except the colours of our own output;
- a name that is not UTF-8 is written as the bytes that it has, as ``ls`` and ``ip`` do, whatever the locale;
- an error on standard output raises `Unwritable`, or BrokenPipeError if the reader has closed its end;
- an error on standard error is ignored: there is no further place to report it.
"""

from __future__ import annotations

import errno
import os
import sys

from ..errors import RawnsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

COLOUR = "|\x1b\\[[0-9;]*m"
ERASE_LINE = "|\r\x1b\\[K"  # of a progress line on standard error
ERRORS = "rawns.bytes"  # the name of our codec error handler


def printable_lines(text: str, sequences: str = "") -> str:
    """Return ``text`` with `printable` applied to everything but its newlines and tabs.

    ``sequences`` is a regular expression of further things to leave as they are, for the colours of our own output.
    """
    if text.isascii() and (text.isprintable() or text.replace("\n", "").isprintable()):
        return text
    import re

    from ..terminal import printable

    parts = re.split(f"(\n|\t{sequences})", text)  # what is split off by the group stands at the odd places
    return "".join(part if number % 2 else printable(part) for number, part in enumerate(parts))


class Unwritable(RawnsError):
    """Standard output does not accept what is written to it."""


class StandardOutput:
    """Standard output.  Raises `Unwritable` or BrokenPipeError if it cannot be written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self.failed, self._terminal = stream, False, stream.isatty()

    def write(self, text: str) -> int:
        """Write text, made safe if standard output is a terminal."""
        try:
            return self._stream.write(printable_lines(text, COLOUR) if self._terminal else text)
        except OSError as error:
            raise self._failure(error) from None

    def flush(self) -> None:
        """Write what is buffered."""
        try:
            self._stream.flush()
        except OSError as error:
            raise self._failure(error) from None

    def _failure(self, error: OSError) -> Exception:
        self.failed = True
        return error if isinstance(error, BrokenPipeError) else Unwritable(f"cannot write to standard output: {reason(error)}")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class StandardError:
    """Standard error.  Text that cannot be written is lost."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._terminal = stream, stream.isatty()

    def write(self, text: str) -> int:
        """Write text, made safe if standard error is a terminal."""
        try:
            self._stream.write(printable_lines(text, COLOUR + ERASE_LINE) if self._terminal else text)
        except OSError:
            pass
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        try:
            self._stream.flush()
        except OSError:
            pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def install() -> StandardOutput:
    """Replace ``sys.stdout`` and ``sys.stderr``; return the former."""
    import codecs

    codecs.register_error(ERRORS, _as_bytes)
    _reserve()
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (it stays open)
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (it stays open)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=ERRORS)
    output = StandardOutput(sys.stdout)
    sys.stdout, sys.stderr = output, StandardError(sys.stderr)  # type: ignore[assignment]
    return output


def _reserve() -> None:
    """Keep a standard descriptor that is closed from being given to a socket or a file of ours.

    It becomes the wrong end of a pipe, so reading or writing it fails with EBADF, as if it were still closed; a program
    that is executed finds it closed.
    """
    closed = [number for number in (0, 1, 2) if not _is_open(number)]
    if not closed:
        return
    from fcntl import F_DUPFD_CLOEXEC, fcntl

    ends = os.pipe()
    high = [fcntl(end, F_DUPFD_CLOEXEC, 3) for end in ends]
    for end in ends:
        os.close(end)
    for number in closed:
        os.dup2(high[number == 0], number, inheritable=False)
    for end in high:
        os.close(end)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _as_bytes(error: UnicodeError) -> tuple[bytes, int]:
    """Encode what the encoding of a stream lacks: a byte that surrogateescape has kept as it is, all else as an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    held = bytearray()
    for char in error.object[error.start : error.end]:
        byte = "\udc80" <= char <= "\udcff"
        held += bytes([ord(char) - 0xDC00]) if byte else char.encode("ascii", "backslashreplace")
    return bytes(held), error.end


NO_DESCRIPTORS = {
    errno.EMFILE: "no descriptors left: this process has as many open files as it may have (`ulimit -n`)",
    errno.ENFILE: "no descriptors left: this machine has as many open files as it may have (fs.file-max)",
}


def reason(error: OSError) -> str:
    """Return an error of Python's without its number: ``/etc/shadow: Permission denied``.

    If no descriptors are left the file does not matter: as a rule it is the next module to be imported.
    """
    if error.errno in NO_DESCRIPTORS:
        return NO_DESCRIPTORS[error.errno]
    name = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, (str, bytes)) else ""
    return name + (error.strerror or str(error) or type(error).__name__)


def complain(text: str) -> None:
    """Write a message to standard error, with `printable_lines` applied wherever it goes."""
    if sys.stderr is not None:
        try:
            print(printable_lines(text), file=sys.stderr, flush=True)
        except OSError:
            pass  # there is no further place to report it


def report(text: str) -> None:
    """Print the result of a command that has changed something.

    If standard output cannot be written the text goes to standard error, so that it is not lost, and the error is raised.
    """
    try:
        print(text, flush=True)
    except (OSError, Unwritable):
        complain(text)
        raise
