"""Runs programs in the namespaces of this process: a line of JSON on standard input asks for one, a line of JSON answers.

``python3 -I -S fork_server.py PROJECT``.  A request has ``argv`` (a program and its words, or those of `rawns` if ``ours``),
``input``, ``env``.  `rawns` is imported once and each of its commands is a fork, so that a command costs milliseconds and not an
interpreter's start.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO

SECONDS = 300  # that a command has; only one that hangs needs them
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE, signal.SIGXFSZ)


def preload() -> None:
    """Import what commands import, so that their forks need not."""
    import rawns.cli.main
    import rawns.netlink
    import rawns.netns

    root = Path(rawns.cli.main.__file__).parent
    for package in ("ip", "bridge", "tc"):
        for path in sorted((root / package).rglob("*.py")):
            __import__(".".join(("rawns.cli", *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__"))
    gc.collect()
    gc.freeze()  # a collection in a child would copy the pages that it shares with this process


def temporary() -> BinaryIO:
    """Return a file in memory, which costs less than one in a directory."""
    return os.fdopen(os.memfd_create("parity"), "w+b")


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Run one program; return its exit status and what it wrote, a character a byte."""
    with temporary() as given, temporary() as out, temporary() as err:
        given.write(request["input"].encode("latin-1"))
        given.seek(0)
        if request["ours"]:
            pid = os.fork()
            if pid == 0:
                become(request, given.fileno(), out.fileno(), err.fileno())
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        else:  # without a copy of this process, which takes longer than most programs
            status = subprocess.call(request["argv"], stdin=given, stdout=out, stderr=err, env=request["env"], timeout=SECONDS)
        out.seek(0)
        err.seek(0)
        return {"status": status, "out": out.read().decode("latin-1"), "err": err.read().decode("latin-1")}


def become(request: dict[str, Any], *descriptors: int) -> None:
    """Be the command of rawns, in a child process; never returns."""
    try:
        for number, fd in enumerate(descriptors):
            os.dup2(fd, number)
        for one in SIGNALS:
            signal.signal(one, signal.default_int_handler if one == signal.SIGINT else signal.SIG_DFL)
        signal.alarm(SECONDS)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as the interpreter does when it starts
        os.environ.clear()
        os.environ.update(request["env"])
        sys.argv = ["rawns", *request["argv"]]
        from rawns.cli.main import entry

        entry()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)


def main() -> None:
    """Answer requests until standard input is closed."""
    sys.path.insert(0, sys.argv[1])
    preload()
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    print("ready", file=answers, flush=True)
    for line in requests:
        print(json.dumps(run(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
