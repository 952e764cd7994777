"""The learner's shell in a chapter, and what its commands need to know: which chapter it is, and which process holds it.

What is kept is in files of `scratch.DIRECTORY`: ``session`` (JSON), ``hints`` (how many have been shown), ``done``, and
``after``, the word with which the learner has left.
"""

from __future__ import annotations

import json
import os
import sys

from ..errors import RawnsError
from . import scratch
from .chapter import SYSTEM_DIRECTORIES
from .processes import end_with_parent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .chapter import Chapter

MAX_BYTES = 1 << 16
GONE = "the files of this chapter are gone; leave this shell (`exit`), and start the chapter again"


class Session:
    """A chapter that is running.  ``spec`` names the chapter, ``keeper`` is the process that holds its namespaces."""

    __slots__ = ("keeper", "progress", "shell", "spec")

    def __init__(self, spec: str, keeper: int, shell: int, progress: str) -> None:
        self.spec, self.keeper, self.shell, self.progress = spec, keeper, shell, progress

    @property
    def home(self) -> str:
        """The namespace in which the chapter began."""
        return f"pid:{self.keeper}"

    def write(self) -> None:
        """Write it to its file."""
        scratch.write(f"{scratch.DIRECTORY}/session", json.dumps({name: getattr(self, name) for name in self.__slots__}))


def current() -> Session:
    """Return the session of this shell.  Raises `RawnsError` if there is none."""
    if not os.path.isdir(scratch.DIRECTORY):
        raise RawnsError("no chapter is running in this shell; `rawns learn` lists the chapters, `rawns learn 1` starts one")
    try:
        with open(f"{scratch.DIRECTORY}/session", "rb") as file:
            held = json.loads(file.read(MAX_BYTES))
        found = Session(str(held["spec"]), int(held["keeper"]), int(held["shell"]), str(held["progress"]))
    except (OSError, ValueError, KeyError, TypeError):
        raise RawnsError(GONE) from None
    return found


def note(name: str, text: str) -> None:
    """Keep a word for later.  Raises `RawnsError` if that is not possible."""
    try:
        scratch.write(f"{scratch.DIRECTORY}/{name}", text)
    except OSError as error:
        raise RawnsError(f"{GONE} ({os.strerror(error.errno or 0)})") from None


def noted(name: str) -> str:
    """Return what was kept, or an empty text."""
    try:
        with open(f"{scratch.DIRECTORY}/{name}", encoding="utf-8", errors="replace") as file:
            return file.read(MAX_BYTES).strip()
    except OSError:
        return ""


# -- the shell -------------------------------------------------------------------------------------------------------------------


def run(spec: str, chapter: Chapter, progress: str) -> tuple[str, bool]:
    """Run a chapter in the learner's shell; return the word with which it was left, or nothing, and whether it was done.

    Raises `scratch.Missing` if the kernel lacks what it needs, `RawnsError` if it cannot be started.
    """
    told = scratch.in_scratch(lambda: _shell(spec, chapter, progress))
    return told["after"], told["done"]


def _shell(spec: str, chapter: Chapter, progress: str) -> dict[str, Any]:
    import _signal  # type: ignore[import-not-found]  # `signal` imports enum

    network = scratch.prepare(chapter)
    keeper = os.getpid()
    Session(spec, keeper, 0, progress).write()
    command, environment = _command(spec)
    for number in (_signal.SIGINT, _signal.SIGQUIT, _signal.SIGTTOU):  # the terminal's keys are for the shell
        _signal.signal(number, _signal.SIG_IGN)
    shell = os.fork()
    if shell == 0:
        _become(spec, keeper, progress, command, environment)
    os.waitpid(shell, 0)
    _take_terminal_back()
    told = {"after": noted("after"), "done": noted("done") != ""}
    del network
    return told


def _become(spec: str, keeper: int, progress: str, command: list[str], environment: dict[str, str]) -> None:
    """Execute the shell in this child; does not return."""
    import _signal

    try:
        end_with_parent(_signal.SIGHUP, keeper)
        Session(spec, keeper, os.getpid(), progress).write()
        for number in range(1, 32):
            if number not in (_signal.SIGKILL, _signal.SIGSTOP):
                _signal.signal(number, _signal.SIG_DFL)
        os.execvpe(command[0], command, environment)
    except OSError as error:
        print(f"rawns learn: {command[0]}: {error.strerror}", file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(127)


def _command(spec: str) -> tuple[list[str], dict[str, str]]:
    """Return the command line and environment of the learner's shell, in which the commands of the chapter come first in PATH.

    The start-up files of a shell often set PATH; so those of bash, zsh and fish are followed by setting it again.
    """
    environment = scratch.environment()
    shell = environment.get("SHELL") or "/bin/sh"
    name = os.path.basename(shell)
    if sys.stdin is None or not sys.stdin.isatty():
        return [shell], environment
    path = f"PATH={scratch.BIN}:$PATH:{SYSTEM_DIRECTORIES}"
    if name == "bash":
        rc = f"{scratch.DIRECTORY}/bashrc"
        scratch.write(rc, f'[ -f ~/.bashrc ] && . ~/.bashrc\n{path}\nPS1="(learn {spec.split(":")[0]}) \\w \\$ "\n')
        return [shell, "--rcfile", rc], environment
    if name == "zsh":
        old = environment.get("ZDOTDIR") or environment.get("HOME") or "/"
        scratch.write(f"{scratch.DIRECTORY}/.zshrc", f"ZDOTDIR={old!r}\n[ -f $ZDOTDIR/.zshrc ] && . $ZDOTDIR/.zshrc\n{path}\n")
        return [shell], {**environment, "ZDOTDIR": scratch.DIRECTORY}
    if name == "fish":
        return [shell, "-C", f"set -gx PATH {scratch.BIN} $PATH {SYSTEM_DIRECTORIES.replace(':', ' ')}"], environment
    return [shell], {**environment, "PS1": f"(learn {spec.split(':')[0]}) $ "}


def _take_terminal_back() -> None:
    """Make this process's group that of the terminal again: a shell that was killed has not done so."""
    try:
        os.tcsetpgrp(0, os.getpgrp())
    except OSError:  # no terminal
        pass


def leave(session: Session, word: str) -> None:
    """End the learner's shell; ``word`` says what comes after it.  Raises `RawnsError` if there is no shell any more."""
    import _signal

    note("after", word)
    try:
        os.kill(session.shell, _signal.SIGHUP)
    except OSError:
        raise RawnsError(GONE) from None


# -- a second terminal -----------------------------------------------------------------------------------------------------------


def join() -> None:
    """Enter the namespaces of the chapter that this user has started last in another terminal, and execute a shell there.

    Raises `RawnsError` if there is none.
    """
    from .. import syscalls

    keeper = _newest_keeper()
    descriptors = [os.open(f"/proc/{keeper}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in ("user", "mnt", "net")]
    for fd in descriptors:
        syscalls.setns(fd, 0)
    os.chdir(scratch.WORK)
    command, environment = _command(current().spec)
    os.execvpe(command[0], command, environment)


def _newest_keeper() -> int:
    """Return the process that holds the chapter started last: one of this user's, with the directory in its own /run."""
    found: list[tuple[float, int]] = []
    for entry in os.listdir("/proc"):
        if not entry.isdecimal():
            continue
        try:
            status = os.stat(f"/proc/{entry}/root{scratch.DIRECTORY}/session")
            with open(f"/proc/{entry}/root{scratch.DIRECTORY}/session", "rb") as file:
                keeper = json.loads(file.read(MAX_BYTES))["keeper"]
            if status.st_uid == os.geteuid() and keeper == int(entry):
                found.append((status.st_mtime, keeper))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    if not found:
        raise RawnsError("no chapter of yours is running; `rawns learn 1` starts one")
    return max(found)[1]
