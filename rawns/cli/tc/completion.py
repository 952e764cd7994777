"""What may follow the words of a command line of `rawns tc`: for `rawns completion`."""

from __future__ import annotations

import _socket

from . import filters, kinds
from .command import OBJECTS
from .object_words import CLASS, FILTER, FILTER_GET, QDISC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Sequence

WORDS = {"qdisc": QDISC, "class": CLASS, "filter": FILTER, "chain": FILTER_GET}


def words(before: Sequence[str]) -> list[str]:
    """Return the words that may come next."""
    found = [word for word in before if not word.startswith("-")]
    known = {name: module for name, module in OBJECTS if module is not None}
    if not found:
        return list(known)
    if before[-1] == "dev":
        return [name for _, name in _socket.if_nameindex()]
    module = next((module for name, module in known.items() if name.startswith(found[0])), "help")
    if module == "help":
        return []
    if len(found) == 1:
        run = __import__(f"rawns.cli.tc.{module}", fromlist=["run"]).run
        return [name for names in run.names for name in names.split("|")]
    family: Any = filters if module == "filter" else kinds
    kind = next((family.find(word) for word in found if word in family.MODULES), None)
    if kind is not None:
        rows = kind.class_rows if module == "classes" else kind.rows
        offered = [row for row in rows or () if row.name and row.spellings]
        return list(dict.fromkeys([row.name if row.name in row.spellings else min(row.spellings) for row in offered]))
    object = next(name for name, one in known.items() if one == module)
    names = [row.name for row in WORDS[object]] if object in WORDS else ["action", "index"]
    return list(dict.fromkeys([*names, *(family.MODULES if module in ("qdisc", "filter") else ())]))
