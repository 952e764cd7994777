"""`rawns rootless [CMD ...]`: a shell, or CMD, in a user namespace where an ordinary user may do all of this.

Floor 7.  Like ``unshare --map-root-user --net --mount``, with a /run of its own, so that names work, and ``lo`` up.
"""

from __future__ import annotations

import os
import sys

USAGE = """usage: rawns rootless [CMD ...]

Runs CMD (by default a shell) as root of a user namespace of its own: namespaces, links, addresses, names under
/run/netns, ping and chat all work there without privileges, and end with its last process."""


def main(argv: list[str]) -> int:
    from .. import rootless

    if argv[:1] in (["-h"], ["--help"]):
        print(USAGE)
        return 0
    if argv[:1] == ["--"]:
        argv = argv[1:]
    elif argv and argv[0].startswith("-"):
        print(USAGE, file=sys.stderr)
        return 2
    command = argv or [os.environ.get("SHELL") or "/bin/sh"]
    rootless.enter()
    if not argv and sys.stderr.isatty():
        print("rawns: you are root of a network of your own; leave it with `exit`, and all of it is gone", file=sys.stderr)
    try:
        os.execvp(command[0], command)
    except OSError as error:  # 127 and 126 as shells have it
        print(f"rawns rootless: {command[0]}: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126
