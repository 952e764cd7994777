"""`rawns WORD ...`: finds the module that is the command, and turns whatever goes wrong in it into one line.

Floor 7.  A command is `rawns.cli.WORD` with ``main(argv) -> exit status``; nothing is imported before it is typed.
"""

from __future__ import annotations

import os
import sys

from ..errors import RawnsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "demo": "two network namespaces, a cable, ping and a chat: the whole story, step by step",
    "ip": "the kernel's namespaces, links and addresses, in the words of iproute2's `ip`",
    "ping": "ICMP echo, from inside a namespace if you say which",
    "chat": "talk over TCP, line by line, between two terminals or two namespaces",
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
        print(f'rawns: no command is called "{word}"; try `rawns help`', file=sys.stderr)
        return 2
    try:
        command = __import__(f"rawns.cli.{word}", fromlist=["main"])
        status: int = command.main(list(argv[1:]))
    except RawnsError as error:
        print(f"rawns {word}: {error}", file=sys.stderr)
        return 1
    return status


def entry() -> None:
    """The console script, and ``python -m rawns``.

    Ends the process as soon as all is said: taking an interpreter apart costs milliseconds, and the kernel does it too.
    """
    try:
        try:
            status = run(sys.argv[1:])
        except KeyboardInterrupt:
            status = 130
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # a process may be started without one
                stream.flush()
    except BrokenPipeError:  # `rawns ip link | head -1` is no error of ours
        status = 1
    os._exit(status)
