"""Simple TOML from text without the module `tomllib`, which imports `re`, `typing`, `datetime` and more.

That takes 10 of the 36 ms of processor time of ``rawns lab up article.toml``; and Python 3.9 and 3.10 do not have it.  What is
read here is read as `tomllib` reads it: bare keys, tables and arrays of them, strings of one line without backslashes, whole and
decimal numbers, truth values, arrays and inline tables.  All else, every error included, is left to `tomllib`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

MAX_CHARACTERS = 16384  # of a longer text `tomllib` is a small part
MAX_NESTING = 16
KEY = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
AFTER_VALUE = frozenset(" \t\n,]}#")
MAX_DIGITS = 15  # of a number, whole or decimal


class UnscannableToml(Exception):
    """The text has more than is read here, from ``line`` on, or is not TOML: `tomllib` tells."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def scan(text: str) -> dict[str, Any]:
    """Return what a TOML text says.  Raises `UnscannableToml` if this cannot be told here: ask `tomllib` then."""
    for number, line in enumerate(text.split("\n"), 1):
        if "\\" in line or not line.replace("\t", "").isprintable():
            raise UnscannableToml(number)
    return _Scan(text).document()


class _Scan:
    """One walk through a text; ``at`` is the place of the next character."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text + "\n", 0
        self.end = len(text)
        self.root: dict[str, Any] = {}
        self.opened: dict[int, object] = {id(self.root): self.root}  # by id: what headers have made, and may extend

    def document(self) -> dict[str, Any]:
        table = self.root
        self.blank()
        while self.at < self.end:
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.member(table, 0)
            self.spaces()
            if self.text[self.at] not in "#\n":
                self.give_up()
            self.blank()
        return self.root

    def give_up(self) -> NoReturn:
        raise UnscannableToml(self.text.count("\n", 0, min(self.at, self.end)) + 1)

    def spaces(self) -> None:
        while self.text[self.at] in " \t":
            self.at += 1

    def blank(self) -> None:
        """Pass spaces, ends of lines and comments."""
        while self.at < self.end:
            if self.text[self.at] == "#":
                self.at = self.text.index("\n", self.at)
            elif self.text[self.at] in " \t\n":
                self.at += 1
            else:
                return

    def take(self, word: str) -> None:
        if not self.text.startswith(word, self.at):
            self.give_up()
        self.at += len(word)

    def key(self) -> str:
        start = self.at
        while self.text[self.at] in KEY:
            self.at += 1
        return self.text[start : self.at] or self.give_up()

    def header(self) -> dict[str, Any]:
        """Return the table that ``[a.b]`` or ``[[a.b]]`` begins."""
        several = self.text.startswith("[[", self.at)
        self.at += 1 + several
        here, name = self.root, self.key()
        while self.text[self.at] == ".":
            self.at += 1
            here, name = self.inner(here, name), self.key()
        self.take("]]" if several else "]")
        made: dict[str, Any] = {}
        if several:
            if name not in here:
                new: list[Any] = []
                here[name] = self.opened[id(new)] = new
            tables = here[name]
            if id(tables) not in self.opened or not isinstance(tables, list):
                self.give_up()
            tables.append(made)
        elif name in here:
            self.give_up()
        else:
            here[name] = made
        self.opened[id(made)] = made
        return made

    def inner(self, table: dict[str, Any], name: str) -> dict[str, Any]:
        """Return the table on the way of a header, the last one of an array; it is made if there is none."""
        if name not in table:
            made: dict[str, Any] = {}
            table[name] = self.opened[id(made)] = made
        found = table[name]
        if isinstance(found, list) and id(found) in self.opened:
            found = found[-1]
        return found if id(found) in self.opened and isinstance(found, dict) else self.give_up()

    def member(self, table: dict[str, Any], depth: int) -> None:
        """Read ``key = value`` into a table."""
        name = self.key()
        self.spaces()
        self.take("=")
        self.spaces()
        if name in table:
            self.give_up()
        table[name] = self.value(depth)

    def value(self, depth: int) -> Any:
        sign = self.text[self.at]
        if depth > MAX_NESTING:
            self.give_up()
        if sign in "\"'":
            return self.string(sign)
        if sign == "[":
            return self.array(depth + 1)
        if sign == "{":
            return self.inline_table(depth + 1)
        start = self.at
        while self.text[self.at] not in AFTER_VALUE:
            self.at += 1
        word = self.text[start : self.at]
        if word in ("true", "false"):
            return word == "true"
        whole, dot, rest = word.partition(".")
        digits = whole + rest
        plain = digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS and bool(whole) and bool(rest) == bool(dot)
        if not plain or whole[0] == "0" and len(whole) > 1:
            self.give_up()
        return float(word) if dot else int(word)

    def string(self, quote: str) -> str:
        start = self.at + 1
        end = self.text.find(quote, start)
        found = self.text[start:end]
        if end < 0 or "\n" in found or self.text.startswith(quote * 3, self.at):
            self.give_up()
        self.at = end + 1
        return found

    def array(self, depth: int) -> list[Any]:
        found: list[Any] = []
        self.at += 1
        self.blank()
        while self.text[self.at] != "]":
            found.append(self.value(depth))
            self.blank()
            if self.text[self.at] == ",":
                self.at += 1
                self.blank()
            elif self.text[self.at] != "]":
                self.give_up()
        self.at += 1
        return found

    def inline_table(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.at += 1
        self.spaces()
        while self.text[self.at] != "}":
            self.member(found, depth)
            self.spaces()
            if self.text[self.at] == ",":
                self.at += 1
                self.spaces()
                if self.text[self.at] == "}":
                    self.give_up()  # TOML 1.0 has no comma there
            elif self.text[self.at] != "}":
                self.give_up()
        self.at += 1
        return found
