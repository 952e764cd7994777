"""`rawns ss`: the command line, and the tables in the order in which `ss` shows them."""

from __future__ import annotations

import gc
import sys

from . import options
from .options import BAD_USAGE, FAILED, SsError
from .selection import FAMILIES, INET, PACKET, UNIX, SocketSelection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .view import View

VERSION = "ss utility, iproute2-6.1.0"
FAMILY_OF = {"ipv4": "inet", "ipv6": "inet6", "packet": "link", "unix": "unix"}  # of options
MAX_FILTER_LINE = 1022  # characters


def main(argv: list[str]) -> int:
    """Run ``rawns ss``; return the exit status."""
    try:
        return _run(argv)
    except SsError as error:
        from ..output import complain

        if str(error):
            sys.stdout.flush()
            complain(str(error))
        if error.usage:
            _usage(sys.stderr if error.status else sys.stdout)
        return error.status


def _usage(stream: object) -> None:
    from .help_text import USAGE

    print(USAGE, end="", file=stream)  # type: ignore[call-overload]


def _run(argv: list[str]) -> int:
    selection, states = SocketSelection(), 0
    chosen: set[str] = set()
    words: list[str] = []
    lines: list[str] = []
    for name, value in options.read(argv, words):
        if name in ("help", "version"):
            return _told(name)
        if name in ("tcp", "udp", "raw"):
            selection.add_table(name)
        elif name in FAMILY_OF or name == "family":
            word = FAMILY_OF.get(name, value)
            if word == "help":
                return _told(word)
            selection.add_family(_family(word))
        elif name in ("socket", "query"):
            selection.query(value)
        elif name in ("all", "listening"):
            from .selection import ALL, WAITING

            states = ALL if name == "all" else WAITING
        elif name == "net":
            _enter(value)
        elif name == "filter":
            lines = _read_filter(value)
        else:
            chosen.add(name)
    if "summary" in chosen:
        from .summary import text

        print(text(), end="")
        if selection.default and not words:
            return 0
    selection.complete(states)
    selection.take_states(words)
    return _show(selection, chosen, [*words, *lines])


def _told(what: str) -> int:
    if what == "help":
        _usage(sys.stdout)
    else:
        from ... import __version__

        print(f"{VERSION} (rawns {__version__})")
    return 0


def _family(word: str) -> int:
    if word not in FAMILIES:
        if word in ("vsock", "tipc", "xdp"):
            raise options.left_out(f"-f {word}", f"{word} sockets")
        raise SsError(f'ss: "{word}" is invalid family', BAD_USAGE, True)
    return FAMILIES[word]


def _enter(name: str) -> None:
    from ..ip.grammar import CommandError
    from ..ip.netns import enter

    try:
        enter(name)
    except CommandError as error:
        raise SsError(str(error), FAILED) from None


def _read_filter(path: str) -> list[str]:
    """Return the lines of a file with a filter; ``-`` is standard input.  Raises `SsError`."""
    try:
        with open(0 if path == "-" else path, encoding="utf-8", errors="surrogateescape", closefd=path != "-") as file:
            lines = [line.rstrip("\n") for line in file]
    except OSError as error:
        raise SsError(f"fopen filter file: {error.strerror}", BAD_USAGE) from None
    if any(len(line) > MAX_FILTER_LINE for line in lines):
        raise SsError("Too long line in filter", BAD_USAGE)
    return [line for line in lines if line[:1] not in ("#", "0", "")]


def _show(selection: SocketSelection, chosen: set[str], words: list[str]) -> int:
    from ...netlink_families import SockDiag
    from .view import View

    parsed = None
    if not selection.tables:
        raise SsError("ss: no socket tables to show with such filter.", 0)
    if words:
        from .filter import parse

        parsed = parse(words, selection)
    from .columns import write

    gc.disable()  # thousands of records without cycles
    with SockDiag() as netlink:
        view = View(chosen, selection, netlink)
        view.filter = parsed
        rows, failed = _rows(view)
    hidden = {
        number for number, one in ((0, len(selection.tables) == 1), (1, selection.states & selection.states - 1 == 0)) if one
    }
    write(rows, hidden, "no-header" not in chosen)
    if failed is not None:
        raise failed
    return 0


def _rows(view: View) -> tuple[list[tuple[str, ...]], SsError | None]:
    """Return the rows of all tables, up to what could not be read, and why that is."""
    from ...errors import KernelError

    tables, families = view.selection.tables, view.selection.families
    rows: list[tuple[str, ...]] = []
    try:
        for table, own in (("netlink", ("netlink",)), ("packet", PACKET), ("unix", UNIX), *((one, (one,)) for one in INET)):
            if not tables.intersection(own):
                continue
            if table in INET:
                if families.intersection((FAMILIES["inet"], FAMILIES["inet6"])):
                    from . import inet

                    rows += inet.rows(view, table)
            elif FAMILIES[{"packet": "link"}.get(table, table)] in families:
                from . import families as others

                rows += getattr(others, table)(view)
    except SsError as error:
        return rows, error
    except KernelError as error:
        return rows, SsError(f"RTNETLINK answers: {error.strerror}", 0)
    return rows, None
