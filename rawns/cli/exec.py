"""Executing another program in place of this process: execvp(3)."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` imports `enum`: 5 ms
import os
from errno import EACCES, ENOENT, ENOEXEC, ENOTDIR

SHELL = b"/bin/sh"


def become(command: list[bytes]) -> OSError:
    """Replace this process by a command, looked up in PATH; return the error if that fails.

    Like execvp(3), a file the kernel does not know how to run is given to the shell.  The signals are those of
    `restore_signals`.  Nothing is imported: the root directory may be another one by now.
    """
    restore_signals()
    if b"/" in command[0]:
        return _attempt(command[0], command)
    error = OSError(ENOENT, os.strerror(ENOENT))
    if not command[0]:
        return error
    for directory in os.environb.get(b"PATH", os.fsencode(os.defpath)).split(b":"):
        found = _attempt((directory or b".") + b"/" + command[0], command)
        if found.errno == EACCES:
            error = found  # it is there, somewhere: that is what to tell, unless a later one can be run
        elif found.errno not in (ENOENT, ENOTDIR):
            return found
    return error


def restore_signals() -> None:
    """Undo what Python has changed of the signals (it ignores SIGPIPE), for a program that is executed."""
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
        _signal.signal(number, _signal.SIG_DFL)


def _attempt(path: bytes, command: list[bytes]) -> OSError:
    try:
        os.execv(path, command)
    except OSError as error:
        if error.errno != ENOEXEC:
            return error
    try:
        os.execv(SHELL, [SHELL, path, *command[1:]])
    except OSError as error:
        return error
