"""Reading the tables of a lab file by their keys.

A value that cannot be right is noted with its place and left out, and reading goes on, so that all problems are reported
at once; a key that the table does not have is one of them.
"""

from __future__ import annotations

from ..errors import InvalidValue
from . import values
from .document import DuplicateKeys, Where
from .problems import Problem
from .tables import TableValue
from .words import join_words, nearest, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import NoReturn, TypeVar

    from typing_extensions import ParamSpec

    from .document import Source
    from .positions import Path
    from .tables import Keys
    from .values import Value

    Answer = TypeVar("Answer")
    Arguments = ParamSpec("Arguments")


class InvalidAt(InvalidValue):
    """What is at ``path`` cannot be right; without a text, because of a problem that has been noted already."""

    def __init__(self, path: Path, text: str = "") -> None:
        super().__init__(text)
        self.path = path


class TableValues(dict):  # type: ignore[type-arg]
    """The values of one table, and its ``path``.

    ``whole`` says whether all of it could be read, ``complete`` whether it has the keys that it needs.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.whole, self.complete = path, True, True


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

    def attempt(
        self, path: Path, function: Callable[Arguments, Answer], *args: Arguments.args, **options: Arguments.kwargs
    ) -> Answer | None:
        """Call a function; what it returns gets its place.  If it raises `InvalidValue`, add a problem and return None."""
        try:
            made = function(*args, **options)
        except InvalidAt as error:
            if str(error):
                self.note(error.path, str(error))
            return None
        except InvalidValue as error:
            self.note(path, str(error))
            return None
        if hasattr(made, "where"):
            made.where = self.where(path)
        return made

    def refuse(self, path: Path, what: str, word: str, right: Iterable[str]) -> NoReturn:
        """Raise `InvalidAt` for an unknown word, with the most similar of the right ones, or with all if they are few."""
        right = list(right)
        near = nearest(word, right)
        hint = f"; did you mean {near}?" if near else f"; there is {join_words(right)}" if 0 < len(right) < 20 else ""
        raise InvalidAt(path, f"{what} {quote(word)}{hint}")

    def table(self, value: object, path: Path, keys: Keys, what: str) -> TableValues:
        """Return the values of a table, as far as they can be read."""
        before, found = len(self.problems), TableValues(path)
        if not isinstance(value, dict):
            self.note(path, f"{quote(value)} is not a table: {what} has the keys {join_words(keys)}")
            value = {}
        self.duplicates(value, path)
        for name, item in value.items():
            key = keys.get(name)
            if key is None:
                self.attempt(path, self.refuse, (*path, name), f"{what} has no key", name, keys)
                continue
            try:
                found[name] = self._value(item, (*path, name), key.value)
            except InvalidValue as error:
                self.note((*path, name), str(error))
        missing = [key.name for key in keys.values() if key.required and key.name not in value]
        if missing and len(self.problems) == before:
            self.note(path, f"{what} lacks {join_words([quote(name) for name in missing])}")
        found.whole = len(self.problems) == before
        found.complete = all(key.name in found for key in keys.values() if key.required)
        return found

    def duplicates(self, value: dict[str, object], path: Path) -> None:
        """Add a problem for each key that a JSON object has more than once."""
        for key in value.twice if isinstance(value, DuplicateKeys) else ():
            self.note((*path, key), f"the key {quote(key)} is here twice")

    def _value(self, item: object, path: Path, value: Value) -> object:
        if isinstance(value, values.ListOf):
            return self._list(item, path, value.item)
        if not isinstance(value, TableValue):
            return value.read(item)
        short = value.expand(item)
        if short is None:
            return self.table(item, path, value.keys, value.what)
        found = TableValues(path)
        found.update(short)
        return found

    def _list(self, items: object, path: Path, value: Value) -> list[object]:
        """Return the elements of a list, or the single value in its place; those that can be read."""
        several = items if isinstance(items, list) else [items]
        found = []
        for number, item in enumerate(several):
            place = (*path, number) if several is items else path
            try:
                found.append(self._value(item, place, value))
            except InvalidValue as error:
                self.note(place, str(error))
        return found

    def array(self, whole: dict[str, object], name: str, keys: Keys, what: str) -> Iterable[TableValues]:
        """Yield an array of tables, ``[[wires]]``, one after the other."""
        items = whole.get(name, [])
        if not isinstance(items, list):
            self.note((name,), f"{name} is a list of tables: [[{name}]] in TOML, one for each")
            items = []
        for number, item in enumerate(items):
            yield self.table(item, (name, number), keys, what)
