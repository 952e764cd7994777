"""What may follow the words of a command line of `rawns tc`: for `rawns completion`."""

from __future__ import annotations

import _socket

from . import kinds
from .command import OBJECTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Sequence

WORDS = {
    "qdisc": "dev root parent handle ingress clsact estimator stab",
    "class": "dev root parent classid estimator",
    "filter": "dev block root parent ingress egress protocol pref handle chain",
    "chain": "dev block ingress egress parent chain",
    "actions": "action index",
}


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
    kind = next((kinds.find(word) for word in found if word in kinds.MODULES), None)
    if kind is not None:
        rows = kind.class_rows if module == "classes" else kind.rows
        return [row.name for row in rows or ()]
    object = next(name for name, one in known.items() if one == module)
    return [*WORDS[object].split(), *(kinds.MODULES if module == "qdisc" else ())]
