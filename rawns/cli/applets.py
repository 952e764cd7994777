"""`rawns applets`: links named ``ip``, ``ping`` and so on, through which this program is started as those programs."""

from __future__ import annotations

import os
import stat
import sys

from ..errors import RawnsError
from ..terminal import printable
from .main import APPLETS, CNI_PLUGINS, available
from .options import Command, Option
from .output import complain, report

COMMAND = Command(
    "applets",
    "List the programs that a link to this program can be, or create links to it in a directory.",
    options=(
        Option("--install", argument="DIR", help="create the links in this directory; a file that is there is left alone"),
        Option("--install-cni", argument="DIR", help="create links with the names of the CNI plugins (`rawns help cni`)"),
    ),
    exclusive=[("--install", "--install-cni")],
    details="Exit status: 0 if every link is there afterwards, 1 if another file has its name or it cannot be created.",
)


def main(argv: list[str]) -> int:
    """Run ``rawns applets``; return the exit status."""
    options = COMMAND.parse(argv)
    directory = options["--install-cni"] or options["--install"]
    names = [name for name in APPLETS if name in available()]
    if options["--install-cni"] is not None:
        names = [*CNI_PLUGINS, "rawns"] if "cni" in available() else []
    if directory is None:
        print("\n".join(names))
        return 0
    program = program_path()
    made = [name for name in names if _linked(os.path.join(directory, name), program)]
    report(f"{printable(directory)}: {', '.join(made) or 'no links'}")
    return 0 if made == names else 1


def program_path() -> str:
    """Return the absolute path of the program that runs.  Raises `RawnsError` if it is not an executable file."""
    path = os.path.realpath(sys.argv[0]) if sys.argv and sys.argv[0] else ""
    if os.path.basename(path) == "__main__.py" or not os.path.isfile(path) or not os.access(path, os.X_OK):
        raise RawnsError("links lead to the installed command `rawns` or to a file made by `rawns onefile`; run one of them")
    return path


def _linked(path: str, program: str) -> bool:
    """Create a link, or leave one that is right; return whether it is there.  Another file is never overwritten."""
    if os.path.realpath(path) == program:
        return True
    try:
        os.symlink(program, path)
        return True
    except FileExistsError:
        if stat.S_ISLNK(os.lstat(path).st_mode) and os.readlink(path) == program:
            return True
        complain(f"rawns applets: {printable(path)} exists and is not a link to {printable(program)}; it is left alone")
    except OSError as error:
        complain(f"rawns applets: {printable(path)}: {error.strerror}")
    return False
