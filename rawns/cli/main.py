"""`rawns COMMAND ...`: imports the module of the command, and turns every failure of it into one line and an exit status.

A command is the module `rawns.cli.COMMAND` with ``main(argv) -> exit status``; it is imported when it is typed.
"""

from __future__ import annotations

import gc
import os
import sys

from ..errors import RawnsError
from . import signals
from .output import NO_DESCRIPTORS, Unwritable, complain, install, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from .output import StandardOutput


COMMANDS = {  # the modules ``rawns.cli.COMMAND``, and a summary of each
    "demo": "two network namespaces, a veth pair, ping and a chat between them, step by step",
    "lab": "networks described in a file: brought up in milliseconds, changed in place, removed completely",
    "ip": "namespaces, links, addresses and routes, with the words of iproute2's `ip`",
    "bridge": "ports, addresses, groups and VLANs of bridges, with the words of iproute2's `bridge`",
    "ss": "sockets and who has them open, with the words of iproute2's `ss`",
    "tc": "queueing disciplines, classes, filters and actions, with the words of iproute2's `tc`",
    "ping": "ICMP echo, from inside a namespace if one is named",
    "why": "whether packets get from one namespace to another, and what stops them",
    "chat": "lines of text over TCP, between two terminals or two namespaces",
    "bench": "how long namespaces take, beside C, `ip` and other tools, measured on this machine",
    "ls": "every network namespace of this machine, and what keeps it alive",
    "trace": "what any program says to the kernel about namespaces and networks",
    "decode": "netlink messages from a hex dump, a log of strace or a capture, with every byte named",
    "cni": "plugins that connect containers to networks, for container engines",
    "learn": "network namespaces, chapter by chapter, with tasks for your own shell",
    "doctor": "what would make rawns fail or be slow on this machine, and the remedies",
    "nsenter": "a program in namespaces of another process",
    "unshare": "a program in new namespaces",
    "rootless": "a shell or a command in a user namespace, in which all of this works without root",
    "completion": "a script that makes bash, zsh or fish complete command lines of rawns",
    "applets": "links named ip, ping and so on, which start this program",
    "onefile": "write rawns into one executable file",
    "help": "this overview, or a page of the manual",
    "version": "the version of rawns",
}
SYNONYMS = {"--help": "help", "-h": "help", "--version": "version", "-V": "version"}
APPLETS = ("ip", "ping", "ss", "bridge", "tc", "nsenter", "unshare")  # programs that a link of this name is
CNI_PLUGINS = (  # CNI plugins that a link of this name is; bridge(8) has no CNI_COMMAND in its environment
    "bridge",
    "host-local",
    "loopback",
    "portmap",
    "static",
    "ptp",
    "tuning",
    "bandwidth",
    "macvlan",
    "ipvlan",
    "host-device",
)
EXPLAIN = "--explain"  # of each of these: every system call with its messages, on standard error
EXPLAINABLE = ("ip", "ss", "bridge", "tc", "lab", "why", "chat", "ls", "doctor")  # `demo` and `ping` have an option of their own
EXPLAINABLE_FIRST = ("unshare", "nsenter")  # of these as the first word only: the others may belong to the program that they run
COMPLETE = "__complete"  # what the scripts of `rawns completion` call
INTERRUPTED = 130  # the exit status after Ctrl-C


def run(argv: Sequence[str]) -> int:
    """Run one command line (without the program's name); return the exit status."""
    word = argv[0] if argv else "help"
    word = SYNONYMS.get(word, word)
    try:
        if word not in COMMANDS and word != COMPLETE:
            return _unknown(word)
        module, function = (word, "main") if word in COMMANDS else ("completion", "complete")
        command = __import__(f"rawns.cli.{module}", fromlist=[function])
        words = list(argv[1:])
        explained = _explained(word, words)
        if explained is None:
            status: int = getattr(command, function)(words)
        else:
            with explained:
                status = getattr(command, function)(words)
    except Exception as error:
        failed = _failed(word, error)
        if failed is None:
            raise
        return failed
    return status if argv else 2


def _explained(word: str, words: list[str]) -> AbstractContextManager[object] | None:
    """Take ``--explain[=LEVEL]`` out of a command line; return the block that prints the command's calls, None without it."""
    searched = words if word in EXPLAINABLE else words[:1] if word in EXPLAINABLE_FIRST else []
    found = [one for one in searched if one == EXPLAIN or one.startswith(f"{EXPLAIN}=")]
    if not found or "--" in words[: words.index(found[0])]:
        return None
    words.remove(found[0])
    from ..observer import observed
    from ..terminal import printable
    from .options import UsageError, did_you_mean

    try:
        from ..tracing.own import ExplainObserver
        from ..tracing.text import LEVELS
    except ModuleNotFoundError:
        raise UsageError(f"rawns {word}", f"{EXPLAIN}: this copy of rawns was made without `trace`") from None
    level = found[0].partition("=")[2] or "bytes"
    if level not in LEVELS:
        raise UsageError(f"rawns {word}", f"--explain: there is no level {printable(level)}{did_you_mean(level, LEVELS)}")
    return observed(ExplainObserver(sys.stderr, LEVELS[level]))


def _unknown(word: str) -> int:
    from .options import did_you_mean

    complain(f'rawns: no command is called "{word}"{did_you_mean(word, COMMANDS)}; try `rawns help`')
    return 2


def _failed(word: str, error: Exception) -> int | None:
    """Say what has ended a command; return the exit status.  None for a fault of rawns itself, and for a closed pipe."""
    if isinstance(error, OSError) and error.errno in NO_DESCRIPTORS and not isinstance(error, RawnsError):
        complain(f"rawns {word}: {reason(error)}")  # before anything else is imported
        return 1
    from .options import HelpRequested, UsageError  # not needed, and so not imported, by commands that succeed

    sentence = ""
    if isinstance(error, HelpRequested):
        print(error)
        return 0
    if isinstance(error, UsageError):
        complain(str(error))
        return 2
    if isinstance(error, RawnsError):
        sentence = str(error)
    elif isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        sentence = reason(error)
    elif isinstance(error, ImportError):
        sentence = missing_module(error)
    if not sentence:
        return None
    complain(f"rawns {word}: {sentence}")
    return 1


def missing_module(error: ImportError) -> str:
    """Return what to say if a module is missing because rawns or Python is not complete; empty for other modules.

    A one-file program may lack commands, and Debian's python3-minimal lacks modules of the standard library.
    """
    for number, sentence in NO_DESCRIPTORS.items():
        if str(error).endswith(os.strerror(number)):  # of dlopen(3), which gives no errno
            return sentence
    left_out = (error.name or "").removeprefix("rawns.cli.")
    if left_out in COMMANDS:
        return f"this copy of rawns was made without `{left_out}` (`rawns onefile --without`)"
    name = (error.name or "").partition(".")[0]
    if not name or name == "rawns" or name not in getattr(sys, "stdlib_module_names", (name,)):
        return ""
    return (
        f"this Python lacks the module {name} of its standard library ({error}); "
        "install the complete Python (Debian, Ubuntu: `apt-get install python3`)"
    )


def available() -> dict[str, str]:
    """Return the commands that this copy of rawns has, and their summaries; a one-file program may lack some."""
    from importlib.util import find_spec

    return {word: what for word, what in COMMANDS.items() if find_spec(f"rawns.cli.{word}") is not None}


def entry(program: str = "rawns") -> None:
    """Run the command line of this process and end it: the console script, and ``python3 -m rawns``.

    Started through a link named ``ip`` or ``ping``, the process is that program.  It ends without taking the interpreter
    apart, which would cost milliseconds.
    """
    gc.set_threshold(20_000)  # what a command imports stays; looking for garbage in it takes half a millisecond
    argv = sys.argv[1:]
    name = os.path.basename(sys.argv[0]) if sys.argv else ""
    if name in (*CNI_PLUGINS, "rawns", "firewall") and not argv and "CNI_COMMAND" in os.environ:
        argv = ["cni", name]
    elif name in APPLETS:
        argv = [name, *argv]
    elif name in CNI_PLUGINS:
        argv = ["cni", name, *argv]
    try:
        status = _run_to_the_end(argv, " ".join([program, *argv[:1]]), install())
    except KeyboardInterrupt:  # while the last line was written
        status = INTERRUPTED
    except signals.Terminated as signal:
        status = signals.end_by(signal.number)
    os._exit(status)


def _run_to_the_end(argv: list[str], title: str, output: StandardOutput) -> int:
    """Run a command line and write everything that it has left in buffers; return the exit status."""
    status, ended = 1, 0
    try:
        signals.handle()
        status = run(argv)
    except KeyboardInterrupt:
        status = INTERRUPTED
    except signals.Terminated as signal:
        ended = signal.number
    except Unwritable as error:  # of `help` and `version`
        complain(f"{title}: {error}")
    except BrokenPipeError:  # `rawns ip link | head -1`
        pass
    except SystemExit:
        if _flushed(title, output):
            raise
    if not _flushed(title, output):
        status = status or 1
    sys.stderr.flush()
    return signals.end_by(ended) if ended else status


def _flushed(title: str, output: StandardOutput) -> bool:
    """Write what is buffered; return whether everything has been written.  Says so if not, unless it has been said."""
    if not output.failed:
        try:
            output.flush()
        except BrokenPipeError:
            pass
        except Unwritable as error:
            complain(f"{title}: {error}")
    return not output.failed
