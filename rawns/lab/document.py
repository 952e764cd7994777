"""Lab files as text: TOML or JSON to plain data, and from a place in the data back to its line.

JSON is read by the C scanner behind `json`: importing `json` itself would add 4 ms (12 on the benchmark machine when it is
busy) to the 19 ms of `rawns lab up FILE`; it is imported for the error message only.  TOML is read by `toml_text`
if it is simple and short, and by `tomllib` otherwise. Python 3.9 and 3.10 do not have that: they read simple TOML of any length.
Lines are looked up only for an error.
"""

from __future__ import annotations

import os
import sys

from ..errors import InvalidValue, SyscallError
from ..terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .positions import Path

MAX_BYTES = 1 << 24  # in a file: a description of 100,000 hosts has fewer
TOMLLIB_VERSION = (3, 11)  # the Python from which on there is `tomllib`
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MAX_KEY = 100  # characters of a key in a message
MAX_DEPTH = 32  # of tables and lists in each other, and parts of a dotted key: a description has at most 6


class Source:
    """A description that was read: its ``name`` (a path; empty if it was not a file) and its ``data``."""

    __slots__ = ("_lines", "_text", "data", "name", "toml")

    def __init__(self, data: Any, name: str = "", text: str = "", toml: bool = False) -> None:
        self.data, self.name, self._text, self.toml = data, name, text, toml
        self._lines: dict[Path, int] | None = None

    def line(self, path: Path) -> int:
        """Return the line of a value, or of the nearest table or list around it; 0 if there is no text."""
        if not self._text:
            return 0
        if self._lines is None:
            from .positions import lines

            self._lines = lines(self._text, self.toml)
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    def has(self, path: Path) -> bool:
        """Return whether the file has a place."""
        self.line(path)
        return path in (self._lines or ())

    def place(self, path: Path) -> str:
        """Return ``shop.toml:17: wires[3].ends[0]``."""
        line = self.line(path)
        where = f"{printable(self.name)}:{line}" if line else printable(self.name)
        return ": ".join(filter(None, (where, format_path(path))))

    def pinned(self, context: str) -> str:
        """Return ``address 10.0.0.1/24: eth0 of web, wires[3].ends[0]`` with file and line before the key path at its end."""
        before, comma, spelled = context.rpartition(", ")
        self.line(())
        path = next((path for path in self._lines or () if path and format_path(path) == spelled), None)
        return context if path is None else f"{before}{comma}{self.place(path)}"


class Where(str):
    """A place in a description: as a text its key path, ``wires[3].ends[0]``.  File and line are looked up when asked for."""

    __slots__ = ("_path", "_source")

    _path: Path
    _source: Source

    def __new__(cls, source: Source, path: Path) -> Where:
        made = super().__new__(cls, format_path(path))
        made._source, made._path = source, path
        return made

    @property
    def place(self) -> str:
        """``shop.toml:17: wires[3].ends[0]``."""
        return self._source.place(self._path)

    def below(self, *more: str | int) -> Where:
        """Return a place below this one; this one if the file does not have it."""
        path = (*self._path, *more)
        return Where(self._source, path) if self._source.has(path) else self

    @property
    def line(self) -> int:
        """The line of the file."""
        return self._source.line(self._path)


def format_path(path: Path) -> str:
    """Write a path as ``hosts.web.sysctl."net.ipv4.ip_forward"`` or ``wires[3].ends[0]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = part.replace("-", "_").isidentifier() and part.isascii()
            shown = part if len(part) <= MAX_KEY else f"{part[:MAX_KEY]}..."
            text += ("." if text else "") + (shown if bare else '"' + printable(shown) + '"')
    return text


# -- reading ------------------------------------------------------------------------------------------------------------


def read(path: str) -> Source:
    """Read a file, ``-`` for standard input.  Without an ending ``.json`` or ``.toml`` it is JSON if it begins with ``{``.

    Raises `InvalidValue` with the line if it is neither, `SyscallError` if it cannot be read.
    """
    return parse(*_text_and_name(path))


def lab_name(path: str) -> str:
    """Return the name of the lab that a file describes.  Raises as `read`.

    Most files begin with ``name = "shop"``.  Then the rest is not parsed: it may be faulty by now, and `tomllib` takes 7 of
    the 21 ms of `rawns lab down FILE`.
    """
    text, file = _text_and_name(path)
    first = next(filter(None, (line.partition("#")[0].split() for line in text.splitlines())), [])
    if len(first) == 3 and first[:2] == ["name", "="] and first[2][0] == first[2][-1] == '"':
        name = first[2][1:-1]
        if name.isascii() and name.replace("-", "").replace("_", "").isalnum():
            return name
    data = parse(text, file).data
    found = data.get("name") if isinstance(data, dict) else None
    return found if isinstance(found, str) else path.rpartition("/")[2].rpartition(".")[0]


def names_machines(path: str) -> bool:
    """Return whether a file describes a lab that spans machines.  Raises as `read`; of most files only the text is searched."""
    if path == "-":
        return False  # it can be read once
    text, name = _text_and_name(path)
    data = parse(text, name).data if "machines" in text else {}
    return isinstance(data, dict) and bool(data.get("machines"))


def _text_and_name(path: str) -> tuple[str, str]:
    """Return the text of a file, and its name for messages."""
    name = "standard input" if path == "-" else path
    try:
        raw = _bytes(path)
    except OSError as error:
        raise SyscallError(error.errno or 0, "open", f'"{printable(path)}", O_RDONLY|O_CLOEXEC') from None
    if len(raw) > MAX_BYTES:
        raise InvalidValue(f"{printable(name)}: a description has at most {MAX_BYTES >> 20} MiB")
    raw = raw.removeprefix(BYTE_ORDER_MARK)  # the codec utf-8-sig is a module of its own
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InvalidValue(f"{printable(name)}:{line}: this is not UTF-8, and so not a description") from None
    return text, name


def _bytes(path: str) -> bytes:
    fd = 0 if path == "-" else os.open(path, os.O_RDONLY)
    try:
        pieces, size = [], 0
        while size <= MAX_BYTES:
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
    """Parse a text.  Raises `InvalidValue` with the line if it is neither TOML nor JSON."""
    ending = name.rpartition(".")[2].lower()
    toml = ending == "toml" or ending != "json" and not text.lstrip().startswith("{")
    try:
        data = _toml(text, name) if toml else _json(text, name)
    except RecursionError:
        data = None
        deep = True
    else:
        deep = _deeper(data, MAX_DEPTH)
    if deep:
        raise InvalidValue(f"{printable(name)}: tables and lists are nested more than {MAX_DEPTH} deep")
    return Source(data, name, text, toml)


def _deeper(data: Any, limit: int) -> bool:
    """Return whether data is nested deeper than so many tables and lists."""
    level = [data]
    for _ in range(limit + 1):
        level = [
            one
            for item in level
            if isinstance(item, (dict, list))
            for one in (item.values() if isinstance(item, dict) else item)
            if isinstance(one, (dict, list))
        ]
        if not level:
            return False
    return True


class DuplicateKeys(dict):  # type: ignore[type-arg]
    """A JSON object that has a key more than once: JSON allows it, but only the last value would be used."""

    twice: tuple[str, ...] = ()


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    found = DuplicateKeys(pairs)
    seen: set[str] = set()
    twice: set[str] = set()
    for key, _ in pairs:
        (twice if key in seen else seen).add(key)
    found.twice = tuple(sorted(twice))
    return found


def _json(text: str, name: str) -> Any:
    from .. import json_text

    class Pairs(json_text.Scanning):
        """What the C scanner is told: keep keys that are there twice."""

        object_pairs_hook = staticmethod(_pairs)

    try:
        return json_text.scan(text, Pairs)
    except json_text.Unscannable:
        return _json_slowly(text, name)


def _json_slowly(text: str, name: str) -> Any:
    """Parse by `json` itself, whose errors have a line."""
    import json

    from ..json_text import Scanning

    try:
        return json.loads(text, object_pairs_hook=_pairs, parse_constant=Scanning.parse_constant)
    except json.JSONDecodeError as error:
        raise InvalidValue(f"{printable(name)}:{error.lineno}: this is not JSON: {_lower(error.msg)}") from None
    except ValueError as error:
        raise InvalidValue(f"{printable(name)}: {_long_number(error) or f'this is not JSON: {printable(str(error))}'}") from None


def _toml(text: str, name: str) -> Any:
    from ..toml_text import MAX_CHARACTERS, UnscannableToml, scan

    _check_keys(text, name)
    if len(text) <= MAX_CHARACTERS:
        try:
            return scan(text)
        except UnscannableToml:
            pass  # `tomllib` tells what is wrong
    try:
        import tomllib  # type: ignore[import-not-found]  # there from 3.11 on
    except ImportError:
        return _without_tomllib(text, name)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        words, _, rest = str(error).partition(" (at ")
        at = rest.partition(",")[0][len("line ") :]
        line = int(at) if at.isdigit() else text.count("\n") + 1
        raise InvalidValue(f"{printable(name)}:{line}: this is not TOML: {_lower(words)}") from None
    except ValueError as error:  # a number of more digits than Python converts
        raise InvalidValue(f"{printable(name)}: {_long_number(error) or f'this is not TOML: {_lower(str(error))}'}") from None


def _without_tomllib(text: str, name: str) -> Any:
    """Read simple TOML; what is not simple is refused with its line."""
    from ..toml_text import UnscannableToml, scan

    try:
        return scan(text)
    except UnscannableToml as error:
        lacks = f"Python has `tomllib` from 3.11 on, and this is {sys.version_info[0]}.{sys.version_info[1]}"
        if sys.version_info >= TOMLLIB_VERSION:  # Debian's python3-minimal
            lacks = "this Python lacks `tomllib` of its standard library (Debian, Ubuntu: `apt-get install python3`)"
        sentence = f"this is not TOML, or not of the simple kind that is read without `tomllib`; {lacks}"
        raise InvalidValue(f"{printable(name)}:{error.line}: {sentence}; the same keys may be written as JSON") from None


def _long_number(error: ValueError) -> str:
    """Return what to say if an error means that a number has more digits than Python converts (4300); empty otherwise."""
    return "a number has too many digits: no value has more than 20" if "set_int_max_str_digits" in str(error) else ""


def _check_keys(text: str, name: str) -> None:
    """Refuse dotted keys of very many parts, which take `tomllib` quadratic time: 20,000 parts take 6 s."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.count(".") > MAX_DEPTH:
            from .positions import longest_key

            if longest_key(line) > MAX_DEPTH:
                raise InvalidValue(f"{printable(name)}:{number}: a key has more than {MAX_DEPTH} parts")


def _lower(sentence: str) -> str:
    return printable(sentence[:1].lower() + sentence[1:])
