"""`rawns lab VERB ...`: networks described in a file, up, looked at, changed and down again.

Floor 7.  The verbs are loaded one by one, and the options are read by hand: `rawns lab up` has as much to do in the kernel
as `argparse` costs.  FILE is a path, with a dot or a slash in it; LAB is the name of one that is up.
"""

from __future__ import annotations

import sys

from ...errors import RawnsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

USAGE = """usage: rawns lab VERB ...

Networks described in a file (TOML or JSON), in the kernel in milliseconds, changed in place, gone without a trace.

  up FILE [--wait [S]]        make it, or change what differs from the file; --wait: until it can be used
  down FILE|LAB [--wait [S]]  take it away; --wait: until the kernel has let go of the last device
  plan FILE                   what `up` would do
  status FILE|LAB             how each host and each interface stands; exit status 1 where one is not up
  list                        the labs on this machine
  ping FILE|LAB [--timeout S] every pair that should reach each other; exit status 1 where one does not
  exec FILE|LAB HOST CMD ...  run a command in a host, as `ip netns exec` does
  shell FILE|LAB HOST         a shell in a host
  graph FILE|LAB              what it looks like: text; --dot, --mermaid or --svg for others to draw
  run FILE [-- CMD ...]       up, CMD (or a shell), and down again, without root too
  export FILE|LAB             its description as JSON, also of one whose file is lost
  gc                          take away what labs that were killed half-way have left
  examples [NAME]             descriptions to begin with; with a NAME, that one

  --json                      for programs, everywhere

FILE is a path with a dot or a slash in it, or - for standard input; LAB is the name of a lab that is up."""

# By verb: the module it is in, how many words it takes at least and at most, whether a command follows, its options.
VERBS: dict[str, tuple[str, int, int, bool, tuple[str, ...]]] = {
    "up": ("verbs", 1, 1, False, ("--wait",)),
    "down": ("verbs", 1, 1, False, ("--wait",)),
    "plan": ("verbs", 1, 1, False, ()),
    "status": ("inspect", 1, 1, False, ()),
    "list": ("inspect", 0, 0, False, ()),
    "ping": ("ping", 1, 1, False, ("--timeout",)),
    "exec": ("exec", 2, 2, True, ()),
    "shell": ("exec", 2, 2, False, ()),
    "graph": ("inspect", 1, 1, False, ("--dot", "--mermaid", "--svg")),
    "export": ("inspect", 1, 1, False, ()),
    "run": ("exec", 1, 1, True, ()),
    "gc": ("verbs", 0, 0, False, ()),
    "examples": ("examples", 0, 1, False, ()),
}
WAIT = 30.0  # seconds, where --wait does not say
SECONDS = ("--wait", "--timeout")


class Usage(Exception):
    """The command line is wrong: one line that says how."""


class Options:
    """A command line, read: ``words``, ``command`` (what follows them), ``given`` options, ``json``."""

    def __init__(self, verb: str, argv: list[str]) -> None:
        _, least, most, runs, options = VERBS[verb]
        self.words: list[str] = []
        self.command: list[str] = []
        self.given: dict[str, float] = {}
        rest = list(argv)
        while rest:
            word = rest.pop(0)
            if word == "--" and runs:
                self.command = rest
                break
            if word.startswith("-") and word != "-":
                self._option(verb, word, rest, ("--json", *options))
            elif runs and len(self.words) == most:
                self.command = [word, *rest]
                break
            else:
                self.words.append(word)
        if len(self.words) < least:
            raise Usage(f"`{verb}` needs {'more words' if self.words else 'a FILE or a LAB'}; see `rawns lab --help`")
        if len(self.words) > most:
            raise Usage(f'`{verb}` knows nothing to do with "{self.words[most]}"; see `rawns lab --help`')
        self.json = "--json" in self.given

    def _option(self, verb: str, word: str, rest: list[str], known: tuple[str, ...]) -> None:
        name, _, value = word.partition("=")
        if name not in known:
            raise Usage(f'`{verb}` has no option "{name}"; it has {", ".join(known)}')
        if name not in SECONDS:
            if value:
                raise Usage(f'{name} takes no value, and "{value}" is one')
            self.given[name] = 1.0
            return
        if not value and rest and rest[0].replace(".", "", 1).isdigit():
            value = rest.pop(0)
        self.given[name] = _seconds(name, value) if value else WAIT

    def seconds(self, name: str) -> float | None:
        """How long an option says to wait; None where it was not given."""
        return self.given.get(name)


def _seconds(name: str, text: str) -> float:
    if not (text.isascii() and text.replace(".", "", 1).isdigit()) or float(text) > 86400:
        raise Usage(f'{name} takes a number of seconds, at most a day, and "{text}" is none')
    return float(text)


def main(argv: list[str]) -> int:
    """Run the command; its exit status.  Raises `RawnsError`, KeyboardInterrupt, BrokenPipeError."""
    verb = argv[0] if argv else "help"
    if verb in ("help", "--help", "-h") or any(word in ("--help", "-h") for word in argv[1:2]):
        print(USAGE)
        return 0 if argv else 2
    if verb not in VERBS:
        return _wrong(f'there is no verb "{verb}"; see `rawns lab --help`')
    try:
        options = Options(verb, argv[1:])
    except Usage as usage:
        return _wrong(str(usage))
    module = __import__(f"rawns.cli.lab.{VERBS[verb][0]}", fromlist=[verb])
    try:
        status: int = getattr(module, verb if verb not in ("list", "exec") else f"{verb}_")(options)
    except Usage as usage:
        return _wrong(str(usage))
    except RawnsError as error:
        return _failed(error, options.json)
    return status


def _wrong(sentence: str) -> int:
    print(f"rawns lab: {sentence}", file=sys.stderr)
    return 2


def _failed(error: RawnsError, as_json: bool) -> int:
    """An error, for whom it may concern: a description's faults stand as a compiler would write them, a line each."""
    faults = getattr(error, "faults", [])
    if as_json:
        emit({"ok": False, "error": str(error), **({"faults": [str(one) for one in faults]} if faults else {})})
    sys.stdout.flush()
    if not faults:
        raise error
    print(error, file=sys.stderr)
    return 1


def emit(what: object) -> None:
    """One JSON document on standard output."""
    import json

    print(json.dumps(what, indent=2))


def stop(sentence: str) -> NoReturn:
    raise RawnsError(sentence)
