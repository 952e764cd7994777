"""`rawns bridge`: the command line of iproute2's `bridge` (bridge(8)).

Text, messages and exit statuses are those of iproute2 6.1, where every failure of a command is 255, and 1 if the kernel refuses a
list.
"""

from __future__ import annotations

from ..ip.context import IpContext
from ..ip.grammar import FAILED, CommandError
from ..ip.program import Program, assign, batch, count, family, force, namespace, usage, version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...nlmsg import Reply, Request
    from ..ip.hints import Iterator

ALL_FAILED = 255


class BridgeContext(IpContext):
    """What `IpContext` is for `ip`, with the options of `bridge`."""

    def __init__(self) -> None:
        super().__init__()
        self.compressed = False  # -compressvlans

    def stream(
        self, request: Request, failure: str = "Dump terminated", status: int = FAILED, ignored: int = 0
    ) -> Iterator[Reply]:
        """Yield what the kernel lists; a refusal ends the program, a batch included."""
        try:
            yield from super().stream(request, failure, status, ignored)
        except CommandError as error:
            raise CommandError(error.text, error.status, exits=True) from None


# In iproute2's order, which decides what an abbreviation means.
OBJECTS = (
    ("link", "link"),
    ("fdb", "fdb"),
    ("mdb", "mdb"),
    ("vlan", "vlan"),
    ("vni", "vni"),
    ("monitor", "monitor"),
    ("help", "help"),
)


OPTIONS = (
    ("help", usage),
    ("Version", version),
    ("stats|statistics", count("stats")),
    ("details", count("details")),
    ("oneline", assign("oneline")),
    ("timestamp", assign("timestamp", 1)),
    ("family", family("inet", "inet6")),
    ("=4", assign("family", 2)),
    ("=6", assign("family", 10)),
    ("netns", namespace),
    ("compressvlans", assign("compressed")),
    ("force", force),
    ("json", assign("json")),
    ("pretty", assign("pretty")),
    ("batch", batch),
)


def help() -> CommandError:
    """Return the help text of `bridge help`."""
    from .help_texts import USAGE

    return CommandError(USAGE)


PROGRAM = Program(
    "bridge",
    "rawns.cli.bridge",
    "bridge utility, 6.1.0",
    OBJECTS,
    OPTIONS,
    help,
    help_option="help",
    failed=ALL_FAILED,
    refused=ALL_FAILED,
    context=BridgeContext,
)
main = PROGRAM.main
