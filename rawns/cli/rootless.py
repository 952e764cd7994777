"""`rawns rootless [CMD ...]`: a shell, or CMD, in a user namespace in which an ordinary user may configure networks.

Like ``unshare --map-root-user --net --mount``, with a private /run, so that names work, and ``lo`` up.
"""

from __future__ import annotations

import os
import sys

from ..terminal import printable
from .options import Command

COMMAND = Command(
    "rootless",
    "Run a command (by default a shell) as root of a user namespace of its own: namespaces, links, addresses, names under "
    "/run/netns, ping and chat all work in it without privileges, and are removed with its last process.",
    "[CMD...]",
    details="Exit status: that of CMD; 127 if CMD does not exist, 126 if it cannot be run, 2 if the command line is wrong.",
)


def main(argv: list[str]) -> int:
    """Run ``rawns rootless``.  Does not return if the command could be started."""
    options = COMMAND.parse(argv)
    from .. import rootless
    from .exec import become

    command = options.rest or [os.environ.get("SHELL") or "/bin/sh"]
    rootless.enter()
    if not options.rest and sys.stderr is not None and sys.stderr.isatty():
        print("rawns: this shell is root of a network of its own; `exit` removes all of it", file=sys.stderr)
    error = become([os.fsencode(word) for word in command])
    print(f"rawns rootless: {printable(command[0])}: {error.strerror}", file=sys.stderr)
    return 127 if isinstance(error, FileNotFoundError) else 126
