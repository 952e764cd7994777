"""Reading the tables of a lab file by their keys.

A value that cannot be right is noted with its place and left out, and reading goes on, so that all problems are reported
at once; a key that the table does not have is one of them.
"""

from __future__ import annotations

from ..errors import InvalidValue
from . import values
from .document import DuplicateKeys, Where
from .host_keys import TableValue
from .problems import Problem
from .routes import RouteValue, words_of
from .tables import ROUTE_TABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .document import Source
    from .positions import Path
    from .tables import Keys
    from .values import Value


class TableValues(dict):  # type: ignore[type-arg]
    """The values of one table, with its ``path``, and whether all of it could be read (``whole``)."""

    def __init__(self, found: dict[str, Any], path: Path, whole: bool) -> None:
        super().__init__(found)
        self.path, self.whole = path, whole


class TableParser:
    """Reads the tables of one `Source` and gathers the problems."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[str] = []

    def where(self, path: Path) -> Where:
        """Return a place in the file, for an error that may come later."""
        return Where(self.source, path)

    def note(self, path: Path, text: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(text, self.where(path)))

    def unknown(self, path: Path, what: str, word: str, right: Iterable[str]) -> None:
        """Add the problem that a word is unknown, with the most similar one, or with all if there are few."""
        right = list(right)
        near = values.nearest(word, right)
        hint = f"; did you mean {near}?" if near else f"; there is {values.listed(right)}" if 0 < len(right) < 20 else ""
        self.note(path, f"{what} {values.shown(word)}{hint}")

    def attempt(self, path: Path, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Call a function; what it returns gets its place.  If it raises `InvalidValue`, add a problem and return None."""
        try:
            made = function(*args, **options)
        except InvalidValue as error:
            self.note(path, str(error))
            return None
        if hasattr(made, "where"):
            made.where = self.where(path)
        return made

    def table(self, value: Any, path: Path, keys: Keys, what: str) -> TableValues:
        """Return the values of a table, as far as they can be read."""
        before, found = len(self.problems), TableValues({}, path, True)
        if not isinstance(value, dict):
            self.note(path, f"{values.shown(value)} is not a table: {what} has the keys {values.listed(keys)}")
            value = {}
        self.duplicates(value, path)
        for name, item in value.items():
            key = keys.get(name)
            if key is None:
                self.unknown((*path, name), f"{what} has no key", name, keys)
                continue
            try:
                found[name] = self._value(item, (*path, name), key.value, name)
            except InvalidValue as error:
                self.note((*path, name), str(error))
        missing = [key.name for key in keys.values() if key.required and key.name not in value]
        if missing and len(self.problems) == before:
            self.note(path, f"{what} lacks {values.listed([values.shown(name) for name in missing])}")
        found.whole = len(self.problems) == before
        return found

    def duplicates(self, value: dict[str, Any], path: Path) -> None:
        """Add a problem for each key that a JSON object has more than once."""
        for key in value.twice if isinstance(value, DuplicateKeys) else ():
            self.note((*path, key), f"the key {values.shown(key)} is here twice")

    def _value(self, item: Any, path: Path, value: Value, what: str) -> Any:
        if isinstance(value, values.ListOf):
            return self._list(item, path, value.item, what)
        if isinstance(value, TableValue):
            return self.table(item, path, value.keys, value.what)
        if isinstance(value, RouteValue):
            short = not isinstance(item, dict)
            return TableValues(words_of(item), path, True) if short else self.table(item, path, ROUTE_TABLE, "a route")
        return value.read(item)

    def _list(self, items: Any, path: Path, value: Value, what: str) -> list[Any]:
        """Return the elements of a list, or the single value in its place; those that can be read."""
        places = [(*path, number) for number in range(len(items))] if isinstance(items, list) else [path]
        found = []
        for item, place in zip(items if isinstance(items, list) else [items], places):
            try:
                found.append(self._value(item, place, value, what))
            except InvalidValue as error:
                self.note(place, str(error))
        return found

    def array(self, whole: dict[str, Any], name: str, keys: Keys, what: str) -> Iterable[TableValues]:
        """Yield an array of tables, ``[[wires]]``, one after the other."""
        items = whole.get(name, [])
        if not isinstance(items, list):
            self.note((name,), f"{name} is a list of tables: [[{name}]] in TOML, one for each")
            items = []
        for number, item in enumerate(items):
            yield self.table(item, (name, number), keys, what)
