"""Columns of `ss`: as wide as their longest cell, and spread over the width of a terminal.

Cells are strings in which each character stands for one byte (Latin-1), because `ss` counts bytes.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

HEADER = ("Netid", "State", "Recv-Q", "Send-Q", "Local Address:", "Port", "Peer Address:", "Port", "Process")
GAPS = ("", " ", " ", " ", " ", "", " ", "", "")  # in front of each column
RIGHT = (4, 6)  # columns that are flushed right
LAST = len(HEADER) - 1
DEFAULT_SCREEN = 80


def screen_width() -> int:
    """Return the columns of the terminal on standard output; 0 if it is none."""
    if not os.isatty(1):
        return 0
    try:
        return os.get_terminal_size(1).columns or DEFAULT_SCREEN
    except OSError:
        return DEFAULT_SCREEN


def clean(data: bytes) -> str:
    """Return a name that others have chosen as a cell: on a terminal without anything that the terminal would act on."""
    if os.isatty(1):
        from ...terminal import printable

        data = printable(data).encode()
    return data.decode("latin-1")


def widths(longest: Sequence[int], screen: int) -> list[int]:
    """Return the width of each column, its gap included, from the lengths of the longest cells; 0 for empty columns.

    On a terminal (``screen`` is not 0) the columns of each line that it would hold share the space that is left over.
    """
    found: list[int] = []
    for length, gap in zip(longest, GAPS):
        width = length + (len(gap) if length and any(found) else 0)
        found.append(min(width, screen) if screen else width)
    if not screen:
        return found
    used = [number for number, width in enumerate(found) if width]
    line: list[int] = []
    at = 0
    while at < len(used):
        line.append(used[at])
        length = sum(found[number] for number in line)
        if length < screen and at + 1 < len(used):
            at += 1
            continue
        if length > screen and len(line) > 1:
            line.pop()
            at -= 1
            length = sum(found[number] for number in line)
        space, rest = divmod(max(screen - length, 0), len(line))
        for place, number in enumerate(reversed(line)):
            found[number] += space + (place < rest)
        line = []
        at += 1
    return found


def write(rows: list[tuple[str, ...]], hidden: set[int], header: bool) -> None:
    """Print rows of nine cells, after the header if it is wanted; ``hidden`` are the columns that are left out."""
    if header:
        rows = [HEADER, *rows]
    if not rows:
        return
    longest = [0 if number in hidden else max(map(len, cells)) for number, cells in enumerate(zip(*rows))]
    longest[LAST] = max((len(row[LAST]) for row in rows[:-1]), default=0)  # `ss` does not count the last cell
    form = ""
    for number, width in enumerate(widths(longest, screen_width())):
        if not width:
            form += "%s" if number == LAST else "%.0s"  # an empty column
            continue
        gap = GAPS[number] if form.strip("%.0s") else ""
        form += f"{gap}%{'' if number in RIGHT else '-'}{width - len(gap)}s"
    form += "\n"
    text = "".join([form % row for row in rows])
    sys.stdout.write(text if text.isascii() else text.encode("latin-1").decode("utf-8", "surrogateescape"))
