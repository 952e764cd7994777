"""`rawns tc`: the command line of iproute2's `tc` (tc(8)).

Text, messages and exit statuses are those of iproute2 6.1: 255 for a bad word, 1 for options that cannot be read or a missing
device, 2 if the kernel refused.
"""

from __future__ import annotations

from ..ip.context import complain
from ..ip.grammar import CommandError, matches
from ..ip.program import GlobalOptions, Program, assign, batch, count, force, namespace, usage, version
from .context import TcContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..ip.context import IpContext
    from .hints import Callable, Sequence

# iproute2's objects in iproute2's order, which decides what an abbreviation means; None: not available here.
OBJECTS = (
    ("qdisc", "qdisc"),
    ("class", "classes"),
    ("filter", "filter"),
    ("chain", "chain"),
    ("actions", "actions"),
    ("monitor", None),
    ("exec", None),
    ("help", "help"),
)


def _class_file(options: GlobalOptions) -> None:
    options.ip.class_file = options.take()  # type: ignore[attr-defined]


def _batch(options: GlobalOptions) -> None:
    if not options:
        complain(help().text)  # tc prints its help here, goes on without a file, and prints it again
    batch(options)


def _graph(options: GlobalOptions) -> None:
    raise CommandError("rawns tc: the option -graph is not supported")


# The names by which `tc` looks them up, in its order; "=" in front: not to be abbreviated.
OPTIONS = (
    ("stats|statistics", count("stats")),
    ("details", count("details")),
    ("raw", assign("raw")),
    ("pretty", assign("pretty")),
    ("graph", _graph),
    ("Version", version),
    ("iec", assign("iec")),
    ("help", usage),
    ("force", force),
    ("batch", _batch),
    ("netns", namespace),
    ("Numeric", assign("numeric")),
    ("names|nm", assign("names")),
    ("cf|conf", _class_file),
    ("timestamp", assign("timestamp", 1)),
    ("tshort", assign("timestamp", 2)),
    ("json", assign("json")),
    ("oneline", assign("oneline")),
    ("brief", assign("brief")),
)


def help() -> CommandError:
    """Return the help text of `tc help`."""
    from .help_texts import PROGRAM as TEXT

    return CommandError(TEXT, 0)


class _TcProgram(Program):
    """Options begin with one hyphen only, and ``-c`` and ``-co`` are taken for ``-cf`` and ``-conf``."""

    def read_options(self, argv: Sequence[str], ip: IpContext) -> GlobalOptions:
        if argv and argv[0].startswith("--"):
            raise CommandError(f'Option "{argv[0]}" is unknown, try "tc -help".')
        return super().read_options(argv, ip)

    def _option(self, word: str) -> Callable[[GlobalOptions], None]:
        return _class_file if matches(word[1:], "conf") else super()._option(word)


PROGRAM = _TcProgram("tc", "rawns.cli.tc", "tc utility, iproute2-6.1.0", OBJECTS, OPTIONS, help, context=TcContext, unknown=255)
main = PROGRAM.main
