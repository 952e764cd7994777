"""What `rawns nsenter` and `rawns unshare` have in common: command lines, messages and exit statuses of util-linux.

A command line is read as getopt_long(3) reads it: long options may be abbreviated, an argument that may be left out is part
of the same word, and the first word that is no option begins the program that is run.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` imports `enum`
import os
import sys

from .. import uapi
from ..terminal import printable
from . import getopt
from .exec import become, restore_signals
from .options import HELP, Command, HelpRequested, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, NoReturn, TypeVar, Union

    Answer = TypeVar("Answer")
    Row = Union[tuple[str, str, str], tuple[()]]

VERSION = "util-linux 2.38.1"  # whose words these are
NOT_FOUND, NOT_EXECUTABLE = 127, 126  # exit statuses if the program cannot be executed
MAX_ULONG = (1 << 64) - 1

# The namespaces in the order in which util-linux treats them: CLONE_NEW*, and the file under /proc/PID.
NAMESPACES = (
    (uapi.CLONE_NEWUSER, "user"),
    (uapi.CLONE_NEWCGROUP, "cgroup"),
    (uapi.CLONE_NEWIPC, "ipc"),
    (uapi.CLONE_NEWUTS, "uts"),
    (uapi.CLONE_NEWNET, "net"),
    (uapi.CLONE_NEWPID, "pid"),
    (uapi.CLONE_NEWNS, "mnt"),
    (uapi.CLONE_NEWTIME, "time"),
)
FLAGS = {  # CLONE_NEW* of an option
    "--mount": uapi.CLONE_NEWNS,
    "--uts": uapi.CLONE_NEWUTS,
    "--ipc": uapi.CLONE_NEWIPC,
    "--net": uapi.CLONE_NEWNET,
    "--pid": uapi.CLONE_NEWPID,
    "--user": uapi.CLONE_NEWUSER,
    "--cgroup": uapi.CLONE_NEWCGROUP,
    "--time": uapi.CLONE_NEWTIME,
}


class Failed(Exception):
    """The command has failed: the message without the name of the program, the exit status, and a line of advice."""

    def __init__(self, message: str, status: int = 1, advice: str = "") -> None:
        super().__init__(message)
        self.status, self.advice = status, advice


def attempt(what: str, function: Callable[..., Answer], *args: Any) -> Answer:
    """Return ``function(*args)``.  Raises `Failed` with ``what`` and the words of the errno if that raises OSError."""
    try:
        return function(*args)
    except OSError as error:
        raise Failed(f"{what}: {error.strerror}") from None


def complain(program: str, failed: Failed) -> int:
    """Print what has failed; return the exit status.  Imports nothing: the files of another machine may be in the root by now."""
    for line in (f"{program}: {failed}", failed.advice):
        if line and failed.args[0]:
            print(printable(line), file=sys.stderr)
    return failed.status


# -- the command line ------------------------------------------------------------------------------------------------------


class UtilLinuxCommand(Command):
    """A command whose command line and help are those of util-linux.

    ``rows`` are the options as the help shows them: the spellings, the argument, and the explanation, which begins at
    ``column``; an empty row is an empty line.  ``order`` are the long options in the order in which messages list them.
    If ``only_long``, an argument that may be left out belongs to the long spelling, and the short one has none.
    """

    def __init__(self, name: str, summary: str, rows: Sequence[Row], order: str, column: int, only_long: bool = False) -> None:
        self._rows, self._column = rows, column
        options = [one for row in rows if row for one in _options(*row, only_long)]
        super().__init__(name, summary, "[CMD...]", [one for one in options if "--help" not in one.names])
        self.order = [f"--{word}" for word in order.split()]

    def help(self) -> str:
        """Return the help text, as util-linux prints it."""
        lines = ["", "Usage:", f" {self.name} [options] [<program> [<argument>...]]", "", self.summary, "", "Options:"]
        for row in self._rows:
            lines += self._lines(row[0] + row[1], row[2]) if row else [""]
        return "\n".join([*lines, "", f"For more details see {self.name}(1)."])

    def _lines(self, shown: str, text: str) -> list[str]:
        """Return the lines of one option; the explanation begins on the next line if the option is much too long."""
        texts = text.split("\n")
        first = [f" {shown}"] if len(shown) > self._column + 4 else [f"{' ' + shown:<{self._column - 1}} {texts.pop(0)}"]
        return first + [" " * self._column + one for one in texts]

    def read(self, words: list[str]) -> Iterator[tuple[str, str | None]]:
        """Take the options from the front of ``words``; yield the key and the argument of each, None if it has none.

        What is left in ``words`` is the program.  Raises `Failed` at a wrong option, `HelpRequested` at ``--help``.
        """
        found = getopt.read(words, self.order, self.find, _argument)
        try:
            for _, option, text in found:
                if option is HELP:
                    raise HelpRequested(self.help())
                yield option.key, text
        except getopt.GetoptError as error:
            raise Failed(str(error), advice=f"Try '{self.name} --help' for more information.") from None

    def parse(self, argv: Any) -> Any:
        """Read a whole command line for its errors and its help.  Raises as `read`."""
        for _ in self.read(list(argv)):
            pass


def _argument(option: Option) -> int:
    return getopt.NONE if not option.argument else getopt.OPTIONAL if option.optional else getopt.REQUIRED


def _options(spellings: str, argument: str, text: str, only_long: bool) -> Iterator[Option]:
    """Yield the option of a row of the help; two of one key if the short spelling takes no argument and the long one does."""
    names = [one.strip(",.") for one in spellings.split()]
    choices = argument.split("|") if "<" not in argument and "|" in argument else []
    kind = argument.strip(" =[]<>").upper()
    if not argument.startswith("["):
        yield Option(*names, argument=kind, help=text, choices=[one.strip() for one in choices])
        return
    if only_long and len(names) > 1:
        short = Option(names.pop(0), help=text)
        short.key = names[0]
        yield short
    yield Option(*names, argument=f"[{kind}]", help=text)


def number(text: str, what: str) -> int:
    """Return a number of 64 bits as strtoul(3) reads it, which takes signs.  Raises `Failed` with ``what`` for other text."""
    digits = text.lstrip(" \t\n\v\f\r")
    sign, digits = (digits[0], digits[1:]) if digits[:1] in ("+", "-") else ("", digits)
    if not (digits.isascii() and digits.isdigit()):
        raise Failed(f"{what}: '{text}'")
    if len(digits.lstrip("0")) > 20 or int(digits) > MAX_ULONG:
        raise Failed(f"{what}: '{text}': {os.strerror(34)}")
    return -int(digits) & MAX_ULONG if sign == "-" else int(digits)


# -- the process -----------------------------------------------------------------------------------------------------------


def default_signals() -> None:
    """Let signals do what they do to a program in C: nothing is to be removed, so none raises an exception."""
    for one in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP, _signal.SIGQUIT):
        if callable(_signal.getsignal(one)) and _signal.getsignal(one) not in (_signal.SIG_DFL, _signal.SIG_IGN):
            _signal.signal(one, _signal.SIG_DFL)
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)


def forbid_imports() -> None:
    """Let Python import no further files: with another root directory they would be those of another machine or container.

    What `complain` needs, and imports at its first use, is imported before.
    """
    printable("\a")
    sys.path_hooks.clear()
    sys.path_importer_cache.clear()
    sys.path.clear()


def set_ids(uid: int | None, gid: int | None, groups: Callable[[], None]) -> None:
    """Take other ids, the group first; ``groups`` drops the supplementary groups before.  Raises `Failed`."""
    if gid is not None:
        groups()
        attempt("setgid failed", os.setgid, _signed(gid))
    if uid is not None:
        attempt("setuid failed", os.setuid, _signed(uid))


def _signed(number: int) -> int:
    """Return an id of 32 bits as Python's functions take it: (uid_t) -1 is -1."""
    number &= 0xFFFFFFFF
    return -1 if number == 0xFFFFFFFF else number


def execute(words: list[str]) -> NoReturn:
    """Become a program, or a login shell ($SHELL, /bin/sh) if there are no words.  Raises `Failed` if that is impossible."""
    name = words[0] if words else os.environ.get("SHELL", "/bin/sh")
    try:
        if words:
            raise become([os.fsencode(word) for word in words])
        restore_signals()
        os.execv(name, [f"-{os.path.basename(name)}"])
    except OSError as error:
        status = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        raise Failed(f"failed to execute {name}: {error.strerror}", status) from None
