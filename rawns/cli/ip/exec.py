"""Executing another program in place of this process: execvp(3)."""

from __future__ import annotations

import os
from errno import EACCES, ENOENT, ENOEXEC, ENOTDIR

SHELL = b"/bin/sh"


def become(command: list[bytes]) -> OSError:
    """Replace this process by a command, looked up in PATH; return the error if that fails.

    Like execvp(3), a file the kernel does not know how to run is given to the shell.  What Python has changed of the
    signals (it ignores SIGPIPE) is put back first.
    """
    from signal import SIG_DFL, SIGPIPE, SIGXFSZ, signal

    for number in (SIGPIPE, SIGXFSZ):
        signal(number, SIG_DFL)
    if b"/" in command[0]:
        return _attempt(command[0], command)
    error = OSError(ENOENT, os.strerror(ENOENT))
    if not command[0]:
        return error
    for directory in os.get_exec_path():
        found = _attempt(os.fsencode(directory) + b"/" + command[0], command)
        if found.errno == EACCES:
            error = found  # it is there, somewhere: that is what to tell, unless a later one can be run
        elif found.errno not in (ENOENT, ENOTDIR):
            return found
    return error


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
