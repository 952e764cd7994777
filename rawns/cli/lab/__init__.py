"""`rawns lab VERB ...`: networks described in a file, brought up, examined, changed and taken down.

The module of a verb is imported when the verb is used.  FILE is a path, with a dot or a slash in it; LAB is the name of a
lab that is up.
"""

from __future__ import annotations

import sys
from time import monotonic

from ...errors import RawnsError
from ...terminal import printable
from ..options import Command, Group, Option, integer, seconds
from ..output import report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from ..options import Parsed

DEFAULT_WAIT = 30.0  # seconds, if --wait is given without a number
PING_TIMEOUT = 5.0  # seconds until a pair counts as not reached
MAX_LEFT_ALONE = 10  # files that are named

DETAILS = """FILE is a path with a dot or a slash in it, or - for standard input; LAB is the name of a lab that is up."""
UP_WAIT = Option(
    "--wait", argument="[S]", parse=seconds, implied=DEFAULT_WAIT, help="wait at most S seconds (30) until the lab can be used"
)
DOWN_WAIT = Option(
    "--wait",
    argument="[S]",
    parse=seconds,
    implied=DEFAULT_WAIT,
    help="wait at most S seconds (30) until the kernel has removed the last device",
)
TIMEOUT = Option(
    "--timeout", argument="S", parse=seconds, default=PING_TIMEOUT, help="seconds until a pair counts as not reached (5)"
)
DRAWINGS = [
    Option("--dot", help="print it for Graphviz"),
    Option("--mermaid", help="print it for Markdown with Mermaid"),
    Option("--svg", help="print an SVG picture"),
]
WAIT_TIMEOUT = Option("--timeout", argument="S", parse=seconds, default=DEFAULT_WAIT, help="seconds to wait at most (30)")
CAPTURE = [
    Option("-o", "--output", argument="FILE", help="file to write, which is replaced"),
    Option("-c", "--count", argument="N", parse=integer(1, 10**9), help="end after N packets"),
    Option("--bytes", argument="N", parse=integer(1, 1 << 40), help="end when the file would exceed N bytes (1 GiB)"),
    Option("--seconds", argument="S", parse=seconds, help="end after S seconds"),
]
BOTH = Option("--both", help="the other end of the wire as well")
ONE = [("--tcp", "--udp")]
PROTOCOLS = [Option("--tcp", help="TCP only"), Option("--udp", help="UDP only")]
MARKDOWN = Option("--markdown", help="the reference page of all keys instead, as Markdown")
COMMAND = Group(
    "lab",
    "Networks described in a file (TOML or JSON): brought up in milliseconds, changed in place, removed completely.",
    [
        Command("up", "create the lab, or change what differs from the file", "FILE", [UP_WAIT]),
        Command("down", "remove the lab", "FILE|LAB", [DOWN_WAIT]),
        Command("plan", "show what `up` would do", "FILE"),
        Command("status", "show the state of each host and interface; exit status 1 if one is not up", "FILE|LAB"),
        Command("list", "list the labs on this machine"),
        Command("ping", "test every pair that should reach each other; exit status 1 if one does not", "FILE|LAB", [TIMEOUT]),
        Command("exec", "run a command in a host, as `ip netns exec` does", "FILE|LAB HOST CMD..."),
        Command("shell", "start a shell in a host", "FILE|LAB HOST"),
        Command("graph", "draw the lab", "FILE|LAB", DRAWINGS, exclusive=[("--dot", "--mermaid", "--svg", "--json")]),
        Command("run", "create the lab, run CMD (by default a shell), and remove it; works without root too", "FILE [CMD...]"),
        Command("set", "set an interface of a host up or down", "FILE|LAB HOST:PORT up|down"),
        Command("replug", "move an end of a wire to another host or bridge", "FILE|LAB HOST:PORT HOST"),
        Command("isolate", "drop all that hosts send and receive", "FILE|LAB HOST..."),
        Command("partition", "let hosts of different groups (web,db cache) not reach each other", "FILE|LAB GROUP..."),
        Command("heal", "take back what isolate, partition and block have done", "FILE|LAB"),
        Command("block", "drop what a host sends to another, or to its port", "FILE|LAB HOST HOST[:N]", PROTOCOLS, exclusive=ONE),
        Command("unblock", "take a block back", "FILE|LAB HOST HOST[:N]", PROTOCOLS, exclusive=ONE),
        Command("impair", "set how a port sends: delay 20ms jitter 2ms loss 1% ...", "FILE|LAB HOST:PORT WORD...", [BOTH]),
        Command("clear", "let a port send as fast as it can", "FILE|LAB HOST:PORT", [BOTH]),
        Command("restore", "take back all that these verbs have changed", "FILE|LAB"),
        Command("capture", "write what ports send and receive to a file, as pcapng", "FILE|LAB HOST[:PORT]...", CAPTURE),
        Command("wait", "wait until a host reaches another, or its TCP port", "FILE|LAB HOST HOST[:N]", [WAIT_TIMEOUT]),
        Command("export", "print the lab's description as JSON", "FILE|LAB"),
        Command("why", "say why a host does not reach another, as `rawns why` does", "FILE|LAB HOST HOST"),
        Command("gc", "remove what killed processes have left of labs; with FILE on all machines of that lab", "[FILE]"),
        Command("schema", "print the JSON Schema of lab files, for editors; with --markdown the reference page", "", [MARKDOWN]),
        Command("examples", "list the example descriptions, or print one", "[NAME]"),
    ],
    [Option("--json", help="write JSON")],
    details=DETAILS,
)
# By verb: the module, and the function in it.
FUNCTIONS = {
    "up": ("change", "up"),
    "down": ("change", "down"),
    "plan": ("change", "plan"),
    "gc": ("change", "collect"),
    "why": ("inspect", "why"),
    "status": ("inspect", "status"),
    "list": ("inspect", "list_labs"),
    "export": ("inspect", "export"),
    "graph": ("inspect", "graph"),
    "ping": ("ping", "ping"),
    "exec": ("exec", "execute"),
    "shell": ("exec", "shell"),
    "run": ("exec", "run"),
    "set": ("runtime", "set_link"),
    **{
        verb: ("runtime", verb)
        for verb in ("isolate", "partition", "heal", "block", "impair", "clear", "restore", "wait", "capture")
    },
    "replug": ("runtime", "replug"),
    "unblock": ("runtime", "block"),
    "schema": ("examples", "schema"),
    "examples": ("examples", "examples"),
}


ON_MACHINES = ("up", "down", "plan", "gc", "status", "ping", "exec", "shell", "why")  # verbs for labs that span machines


def _spans_machines(word: str) -> bool:
    """Return whether a word is the file of a lab that spans several machines."""
    from .resolve import is_file

    if not is_file(word):
        return False
    from ...lab.document import names_machines

    try:
        return names_machines(word)
    except RawnsError:
        return False  # the verb says what is wrong with the file


def main(argv: list[str]) -> int:
    """Run ``rawns lab``; return the exit status.  Raises `UsageError`, `HelpRequested`, `RawnsError`, KeyboardInterrupt."""
    options = COMMAND.parse(argv)
    module, function = FUNCTIONS[options.verb]
    try:
        if options.verb in ON_MACHINES and options.operands and _spans_machines(options.operands[0]):
            module = "machines"
        status: int = getattr(__import__(f"rawns.cli.lab.{module}", fromlist=[function]), function)(options)
    except RawnsError as error:
        return _report(error, options)
    return status


def _report(error: RawnsError, options: Parsed) -> int:
    """Report an error: as JSON, if that was asked for; the faults of a description one a line, as compilers do."""
    faults = getattr(error, "problems", [])
    if options["--json"]:
        emit({"ok": False, "error": str(error), **({"faults": [str(one) for one in faults]} if faults else {})})
    sys.stdout.flush()
    if not faults:
        raise error
    for line in str(error).splitlines():
        print(printable(line), file=sys.stderr)
    return 1


def emit(what: object) -> None:
    """Print one JSON document: ASCII only, control characters escaped."""
    import json

    print(json.dumps(what, indent=2))


def emit_result(what: object) -> None:
    """Print what a command has changed, as JSON; to standard error if standard output cannot be written."""
    import json

    report(json.dumps(what, indent=2))


def say_result(text: str) -> None:
    """Print a line about what a command has changed; to standard error if standard output cannot be written."""
    report(printable(text))


def say_left_alone(name: str) -> None:
    """Name the files in the directories of a lab's hosts that it has not removed, because their stamps cannot be read."""
    from ...lab.etc_files import unreadable

    for path in unreadable(name)[:MAX_LEFT_ALONE]:
        sentence = f"{path} may not be read, so that it is not known to be the lab's; it is left alone"
        print(f"rawns: {printable(sentence)}", file=sys.stderr, flush=True)


def say(text: str) -> None:
    """Print one line that is safe for a terminal."""
    print(printable(text))


def stop(sentence: str) -> NoReturn:
    """Raise `RawnsError` with a sentence."""
    raise RawnsError(sentence)


# -- progress, counts, durations -----------------------------------------------------------------------------------------

DELAY = 0.3  # seconds before anything is shown
INTERVAL = 0.05  # seconds between two updates


class Progress:
    """Show on standard error how much is done, if it is a terminal; `end` erases it."""

    def __init__(self, what: str) -> None:
        self._what, self._start, self._last, self._shown = what, monotonic(), 0.0, False
        self._terminal = sys.stderr is not None and sys.stderr.isatty()

    @property
    def callback(self) -> Callable[[int, int], object] | None:
        """The function to call with what is done and the total; None if standard error is not a terminal."""
        return self._show if self._terminal else None

    def _show(self, done: int, total: int) -> None:
        now = monotonic()
        if now - self._start > DELAY and now - self._last > INTERVAL:
            self._last, self._shown = now, True
            print(f"\r{done} of {total} {self._what} ", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Erase what was shown."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def count(number: int, what: str) -> str:
    """Return a number with a noun: ``1 host``, ``2 hosts``."""
    return f"{number} {what}" + ("" if number == 1 else "s")


def duration(seconds: float) -> str:
    """Return a duration: ``3.1 ms``, ``1.25 s``."""
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
