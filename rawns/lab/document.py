"""A description as text: TOML or JSON to plain data, and from a place in the data back to its line.

Floor 6.  JSON is read by the C scanner behind `json`, which itself would cost 5 ms to import; TOML by `tomllib`, which
costs 11 and is there from Python 3.11 on.  Where something stands is looked up only when somebody has to be told.
"""

from __future__ import annotations

import os
import sys

from ..errors import InvalidValue, SyscallError
from ..terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Union

    Path = tuple[Union[str, int], ...]  # of keys and indexes, from the whole down to one value

LONGEST = 1 << 24  # bytes in a file: a description of 100,000 hosts has fewer


class Source:
    """A description that was read: its ``name`` (a path; empty for what was never a file) and the ``data`` in it."""

    __slots__ = ("_lines", "_text", "data", "name", "toml")

    def __init__(self, data: Any, name: str = "", text: str = "", toml: bool = False) -> None:
        self.data, self.name, self._text, self.toml = data, name, text, toml
        self._lines: dict[Path, int] | None = None

    def line(self, path: Path) -> int:
        """The line a value, or the nearest thing around it, stands on; 0 where there are no lines."""
        if not self._text:
            return 0
        if self._lines is None:
            from .positions import lines

            self._lines = lines(self._text, self.toml)
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    def place(self, path: Path) -> str:
        """``shop.toml:17: wires[3].ends[0]``."""
        line = self.line(path)
        where = f"{printable(self.name)}:{line}" if line else printable(self.name)
        return ": ".join(filter(None, (where, spell(path))))

    def pinned(self, context: str) -> str:
        """``address 10.0.0.1/24: eth0 of web, wires[3].ends[0]`` with file and line before the key path at its end."""
        before, comma, spelled = context.rpartition(", ")
        self.line(())
        path = next((path for path in self._lines or () if path and spell(path) == spelled), None)
        return context if path is None else f"{before}{comma}{self.place(path)}"


class Where(str):
    """A place in a description: as a text its key path, ``wires[3].ends[0]``.  File and line are looked up for who asks."""

    __slots__ = ("_path", "_source")

    _path: Path
    _source: Source

    def __new__(cls, source: Source, path: Path) -> Where:
        made = super().__new__(cls, spell(path))
        made._source, made._path = source, path
        return made

    @property
    def place(self) -> str:
        """``shop.toml:17: wires[3].ends[0]``."""
        return self._source.place(self._path)

    @property
    def line(self) -> int:
        return self._source.line(self._path)


def spell(path: Path) -> str:
    """``hosts.web.sysctl."net.ipv4.ip_forward"``, ``wires[3].ends[0]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = part.replace("-", "_").isidentifier() and part.isascii()
            text += ("." if text else "") + (part if bare else '"' + printable(part) + '"')
    return text


# -- reading ------------------------------------------------------------------------------------------------------------


def read(path: str) -> Source:
    """Read a file, ``-`` for standard input.  What does not end in ``.json`` or ``.toml`` is JSON if it begins with ``{``.

    Raises `InvalidValue` with the line where it is neither, `SyscallError` where it cannot be read.
    """
    name = "standard input" if path == "-" else path
    try:
        raw = _bytes(path)
    except OSError as error:
        raise SyscallError(error.errno or 0, "open", f'"{printable(path)}", O_RDONLY|O_CLOEXEC') from None
    if len(raw) > LONGEST:
        raise InvalidValue(f"{printable(name)}: a description has at most {LONGEST >> 20} MiB")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InvalidValue(f"{printable(name)}:{line}: this is no UTF-8, and so no description") from None
    return parse(text, name)


def _bytes(path: str) -> bytes:
    fd = 0 if path == "-" else os.open(path, os.O_RDONLY)
    try:
        pieces, size = [], 0
        while size <= LONGEST:
            piece = os.read(fd, 1 << 20)
            if not piece:
                break
            pieces.append(piece)
            size += len(piece)
        return b"".join(pieces)
    finally:
        if fd:
            os.close(fd)


def parse(text: str, name: str = "") -> Source:
    """Text as data.  Raises `InvalidValue` with the line where that cannot be."""
    ending = name.rpartition(".")[2].lower()
    toml = ending == "toml" or ending != "json" and not text.lstrip().startswith("{")
    try:
        return Source((_toml if toml else _json)(text, name), name, text, toml)
    except RecursionError:
        raise InvalidValue(f"{printable(name)}: this goes deeper than any description") from None


class Pairs(dict):  # type: ignore[type-arg]
    """An object in which one key stands more than once: which JSON allows, and nobody means."""

    twice: tuple[str, ...] = ()


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    found = Pairs(pairs)
    keys = [key for key, _ in pairs]
    found.twice = tuple(sorted({key for key in keys if keys.count(key) > 1}))
    return found


class _Scanning:
    """What the C scanner asks of who uses it."""

    strict, object_hook, object_pairs_hook = True, None, staticmethod(_pairs)
    parse_float, parse_int, memo = float, int, None

    @staticmethod
    def parse_constant(word: str) -> Any:
        raise ValueError(f"{word} is no JSON")


def _json(text: str, name: str) -> Any:
    space = " \t\n\r"
    start = len(text) - len(text.lstrip(space))
    try:
        from _json import make_scanner

        data, end = make_scanner(_Scanning)(text, start)  # type: ignore[arg-type]
        if not text[end:].strip(space):
            return data
    except (ImportError, StopIteration, ValueError):
        pass
    return _json_slowly(text, name)


def _json_slowly(text: str, name: str) -> Any:
    """By `json` itself, which says what is wrong and where."""
    import json

    try:
        return json.loads(text, object_pairs_hook=_pairs, parse_constant=_Scanning.parse_constant)
    except json.JSONDecodeError as error:
        raise InvalidValue(f"{printable(name)}:{error.lineno}: this is no JSON: {_lower(error.msg)}") from None
    except ValueError as error:
        raise InvalidValue(f"{printable(name)}: this is no JSON: {error}") from None


def _toml(text: str, name: str) -> Any:
    try:
        import tomllib  # type: ignore[import-not-found]  # there from 3.11 on
    except ImportError:
        version = ".".join(map(str, sys.version_info[:2]))
        reason = f"Python reads TOML from 3.11 on, and this is {version}"
        if sys.version_info >= (3, 11):  # Debian's python3-minimal
            reason = "this Python lacks the module tomllib of its standard library (Debian, Ubuntu: `apt-get install python3`)"
        raise InvalidValue(f"{printable(name)} is TOML, and {reason}; the same keys may be written as JSON") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        words, _, rest = str(error).partition(" (at ")
        at = rest.partition(",")[0][len("line ") :]
        line = int(at) if at.isdigit() else text.count("\n") + 1
        raise InvalidValue(f"{printable(name)}:{line}: this is no TOML: {_lower(words)}") from None


def _lower(sentence: str) -> str:
    return printable(sentence[:1].lower() + sentence[1:])
