"""The lines of the values in a TOML or JSON text.

A real parser has read the text before, so nothing is checked here: one walk over its tokens, by the few rules that both
languages share, finds where each key and each element begins.  Neither parser reports positions; this one runs only to report
a problem, in time linear in the text (depth and length of keys are limited by `document`).
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    Path = tuple[Union[str, int], ...]  # of keys and indexes, from the whole down to one value

WORD = re.compile(
    r"""
    """
    + '"""'
    + r"""(?:\\.|[^\\])*?"""
    + '"""'
    + r"""   | '{3}.*?'{3}          # TOML's long strings
    | "(?:\\.|[^"\\\n])*"             | '[^'\n]*'
    | \#[^\n]*  | \n  | [\[\]{},=:.]  | [^\s\[\]{},=:."'#]+
    """,
    re.DOTALL | re.VERBOSE,
)


def lines(text: str, toml: bool) -> dict[Path, int]:
    """Return for each value in the text, the line on which it, or its key, begins; the whole begins on line 1."""
    walk = _Walk(text)
    try:
        if toml:
            walk.statements()
        else:
            walk.value(())
    except IndexError:
        pass  # the text ends early: what was found until then is found
    return walk.found


class _Walk:
    def __init__(self, text: str) -> None:
        self.words: list[tuple[str, int]] = []
        self.at = 0
        self.found: dict[Path, int] = {(): 1}
        self._tables: dict[Path, int] = {}  # how many tables an array of tables has so far
        line, end = 1, 0
        for match in WORD.finditer(text):
            line += text.count("\n", end, match.start())
            end = match.start()
            if not match[0].startswith("#"):
                self.words.append((match[0], line))

    @property
    def word(self) -> str:
        return self.words[self.at][0]

    def space(self, *more: str) -> None:
        while self.word == "\n" or self.word in more:
            self.at += 1

    def note(self, path: Path) -> None:
        """Note the line of a value, unless it is known."""
        self.found.setdefault(path, self.words[self.at][1])

    def key(self, end: str) -> Path:
        """Return a key, which may be dotted, and the sign after it."""
        parts: list[str] = []
        while self.word not in end:
            if self.word != ".":
                parts.append(_plain(self.word))
            self.at += 1
        self.at += 1
        return tuple(parts)

    def value(self, path: Path) -> None:
        self.space()
        if self.word not in ("[", "{"):
            while self.at < len(self.words) and self.word not in ",]}\n":
                self.at += 1
            return
        close, number = "]" if self.word == "[" else "}", 0
        self.at += 1
        self.space()
        while self.word != close:
            self.note_and_take(path, close, number)
            number += 1
            self.space(",")
        self.at += 1

    def note_and_take(self, path: Path, close: str, number: int) -> None:
        start = self.at
        here = (*path, number) if close == "]" else (*path, *self.key("=:"))
        after, self.at = self.at, start
        for length in range(len(path) + 1, len(here) + 1):
            self.note(here[:length])
        self.at = after
        self.value(here)

    # -- TOML only --------------------------------------------------------------------------------------------------

    def statements(self) -> None:
        table: Path = ()
        while True:
            self.space()
            if self.word == "[":
                table = self.header()
            else:
                self.note_and_take(table, "}", 0)

    def header(self) -> Path:
        """Return ``[a.b]`` or ``[[a.b]]``; the place of the table it begins."""
        start = self.at
        double = self.words[self.at + 1][0] == "["
        self.at += 1 + double
        path: Path = ()
        for part in self.key("]"):
            path = (*path, part)
            path = (*path, self._tables[path] - 1) if path in self._tables else path
        after, self.at = self.at + double, start
        if double:
            base = path[:-1] if path and isinstance(path[-1], int) else path
            self._tables[base] = self._tables.get(base, 0) + 1
            path = (*base, self._tables[base] - 1)
        for length in range(1, len(path) + 1):
            self.note(path[:length])
        self.at = after
        return path


def _plain(word: str) -> str:
    """Return a key without its quotes.  Escapes in it are not decoded: the position of such a key is that of its table."""
    return word[1:-1] if word[0] in "\"'" else word


def longest_key(line: str) -> int:
    """Return the most parts that a dotted key in a line has, outside of texts."""
    longest = parts = 0
    dotted = False  # whether the last token was a dot
    for match in WORD.finditer(line):
        word = match[0]
        if word == ".":
            dotted = True
        elif word[0] == "#":
            break
        else:
            parts = parts + 1 if dotted else 1
            dotted = False
            longest = max(longest, parts)
    return longest
