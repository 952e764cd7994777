"""`rawns WORD ...`: finds the module that is the command, and turns whatever goes wrong in it into one line.

Floor 7.  A command is `rawns.cli.WORD` with ``main(argv) -> exit status``; nothing is imported before it is typed.
"""

from __future__ import annotations

import gc
import os
import sys

from ..errors import RawnsError
from .options import HelpRequested, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, TextIO

COMMANDS = {
    "demo": "two network namespaces, a cable, ping and a chat: the whole story, step by step",
    "lab": "networks described in a file: up in milliseconds, changed in place, gone without a trace",
    "ip": "the kernel's namespaces, links and addresses, in the words of iproute2's `ip`",
    "ping": "ICMP echo, from inside a namespace if you say which",
    "why": "from one namespace to another: does it get through, and if not, what is in the way",
    "chat": "talk over TCP, line by line, between two terminals or two namespaces",
    "bench": "how long a namespace takes, beside plain C, ip and others, measured on this machine",
    "ls": "every network namespace of this machine, and what keeps it alive",
    "doctor": "what would make rawns fail or be slow on this machine, and the remedies",
    "rootless": "a shell (or a command) in which all of this works without root",
}


def usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {word:<{width}}  {what}" for word, what in COMMANDS.items()]
    return "usage: rawns COMMAND ...\n\nLinux network namespaces with nothing but the kernel.\n\n" + "\n".join(lines)


def run(argv: Sequence[str]) -> int:
    """Run one command line (without the program's name); the exit status."""
    word = argv[0] if argv else "help"
    if word in ("help", "--help", "-h"):
        print(usage())
        return 0 if argv else 2
    if word in ("version", "--version", "-V"):
        from .. import __version__

        print(f"rawns {__version__}")
        return 0
    if word not in COMMANDS:
        _complain(f'rawns: no command is called "{word}"; try `rawns help`')
        return 2
    try:
        command = __import__(f"rawns.cli.{word}", fromlist=["main"])
        status: int = command.main(list(argv[1:]))
    except HelpRequested as asked:
        print(asked)
        return 0
    except UsageError as error:
        _complain(str(error))
        return 2
    except RawnsError as error:
        return _complain(f"rawns {word}: {error}")
    except BrokenPipeError:
        raise
    except OSError as error:
        return _complain(f"rawns {word}: {_reason(error)}")
    return status


def _reason(error: OSError) -> str:
    """An error of Python's own without its number: ``/etc/shadow: Permission denied``."""
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, (str, bytes)) else ""
    return where + (error.strerror or str(error) or type(error).__name__)


def _complain(text: str) -> int:
    """One line on standard error, where there is one; the exit status that goes with it."""
    try:
        if sys.stderr is not None:
            print(text, file=sys.stderr, flush=True)
    except OSError:
        pass  # there is nobody left to tell
    return 1


class Unwritable(RawnsError):
    """Standard output does not take what we say."""


class Output:
    """Standard output, whose failures say that they are its own.  A reader that has gone is still a BrokenPipeError."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self.failed = stream, False

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            raise self._because(error) from None

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            raise self._because(error) from None

    def _because(self, error: OSError) -> Exception:
        self.failed = True
        return error if isinstance(error, BrokenPipeError) else Unwritable(f"cannot write to standard output: {_reason(error)}")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def finished(self, name: str) -> bool:
        """Whether all that was said has been written; if not, ``name`` says so, unless it has been said already."""
        if not self.failed:
            try:
                self.flush()
            except BrokenPipeError:
                pass
            except Unwritable as error:
                _complain(f"{name}: {error}")
        return not self.failed


def entry() -> None:
    """The console script, and ``python -m rawns``.

    Ends the process as soon as all is said: taking an interpreter apart costs milliseconds, and the kernel does it too.
    """
    gc.set_threshold(20_000)  # what a command loads stays; to look for garbage in it takes half a millisecond
    name = " ".join(["rawns", *sys.argv[1:2]])
    output = None if sys.stdout is None else Output(sys.stdout)  # a process may be started without one
    if output is not None:
        sys.stdout = output  # type: ignore[assignment]
    try:
        status = run(sys.argv[1:])
    except KeyboardInterrupt:
        status = 130
    except Unwritable as error:  # `help` and `version`, which are no commands
        status = _complain(f"{name}: {error}")
    except BrokenPipeError:  # `rawns ip link | head -1` is no error of ours
        status = 1
    except SystemExit:
        if output is None or output.finished(name):
            raise
        status = 1
    if output is not None and not output.finished(name):
        status = 1
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except OSError:
        status = status or 1
    os._exit(status)
