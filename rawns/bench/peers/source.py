"""Where implementations of other programs come from, and what finding and running them needs."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..harness import Implementation


class PeerMissing(Exception):
    """The program is not there; the message says why and how to install it."""


class PeerSource:
    """A program: ``find`` returns its version or raises `PeerMissing`, ``implementations`` gives those for a case."""

    def __init__(self, name: str, find: Callable[[], str], implementations: Callable[[str, str], list[Implementation]]) -> None:
        self.name, self.find, self.implementations = name, find, implementations


def command_version(*command: str, remedy: str) -> str:
    """Return the first line that a command prints.  Raises `PeerMissing` if it is not on the path."""
    if shutil.which(command[0]) is None:
        raise PeerMissing(f"`{command[0]}` is not on the path ({remedy})")
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout.strip().splitlines()[0] if done.stdout.strip() else command[0]


def module_version(name: str, *commands: str, remedy: str) -> str:
    """Return name and version of a Python package.  Raises `PeerMissing` if it, or a command it needs, is not there."""
    from importlib import metadata

    if importlib.util.find_spec(name) is None:
        raise PeerMissing(f"this Python ({sys.executable}) has no module {name} ({remedy})")
    for command in commands:
        if shutil.which(command) is None:
            raise PeerMissing(f"`{command}` is not on the path ({remedy})")
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return name


def run(*argv: str, stdin: str | None = None) -> None:
    """Run a command that must succeed.  Raises `OSError` with the end of its standard error."""
    done = subprocess.run(argv, input=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise OSError(f"`{' '.join(argv)}` exited with {done.returncode}: {' '.join(done.stderr.split())[-300:]}")
