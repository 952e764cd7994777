"""`rawns version`."""

from __future__ import annotations

from .. import __version__
from .options import Command

COMMAND = Command("version", "Print the version of rawns.")


def main(argv: list[str]) -> int:
    """Run ``rawns version``; return the exit status."""
    COMMAND.parse(argv)
    print(f"rawns {__version__}")
    return 0
