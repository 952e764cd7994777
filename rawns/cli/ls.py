"""`rawns ls`: every network namespace of this machine, and what keeps it alive."""

from __future__ import annotations

from ..terminal import printable
from .options import Command, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..inventory import NamespaceUse

COMMAND = Command(
    "ls",
    "List every network namespace that can be seen: names, id, processes in it, processes that hold a descriptor of it, links.",
    options=[Option("-j", "--json", help="print everything as JSON; the table shortens long cells")],
    details="The namespace of the caller is marked with *. As an ordinary user only one's own processes can be examined.",
)
HEADINGS = ("NAMESPACE", "NAME", "NSID", "PROCESSES", "HELD BY", "LINKS")
MAX_SHOWN = 4  # processes and links in one cell of the table; --json has all


def main(argv: list[str]) -> int:
    """Run ``rawns ls``; return the exit status."""
    options = COMMAND.parse(argv)
    from ..inventory import inventory

    uses = inventory()
    if options["--json"]:
        import json

        print(json.dumps([one.as_dict() for one in uses], indent=2))
    else:
        print("\n".join(table(uses)))
    return 0


def table(uses: Sequence[NamespaceUse]) -> list[str]:
    """Return the lines of the table."""
    rows = [HEADINGS, *[_row(one) for one in uses]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def _row(one: NamespaceUse) -> tuple[str, ...]:
    names, holders = [printable(name) for name in [*one.names, *one.mounts]], one.holders[:MAX_SHOWN]
    return (
        f"{one.inode}{' *' if one.current else ''}",
        _some(names),
        "-" if one.nsid is None else str(one.nsid),
        _some([f"{pid} {_command(pid)}" for pid in one.pids[:MAX_SHOWN]], len(one.pids)),
        "(not visible)" if one.held_elsewhere else _some([f"{pid} {_command(pid)}" for pid in holders], len(one.holders)),
        "?" if one.links is None else _some([printable(name) for name in one.links[:MAX_SHOWN]], len(one.links)),
    )


def _some(words: list[str], total: int = 0) -> str:
    more = total - len(words)
    return ", ".join([*words, *([f"+{more}"] if more > 0 else [])]) or "-"


def _command(pid: int) -> str:
    """Return the name of a process, safe for a terminal; other users choose it."""
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            return printable(file.read(64).rstrip(b"\n"))
    except OSError:
        return "(ended)"
