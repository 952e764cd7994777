"""JSON from and to text without the module `json`, whose import costs as much as the start of a small plugin."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

SPACE = " \t\n\r"
MAX_SHOWN_CHARACTERS = 80


def finite(text: str) -> float:
    """Return a number with a fraction or an exponent.  Raises ValueError if it is larger than any float."""
    number = float(text)
    if number - number:  # NaN, for an infinite number
        raise ValueError(f"the number {text[:MAX_SHOWN_CHARACTERS]} is too large")
    return number


class Scanning:
    """The attributes that the C scanner reads from its context."""

    strict, object_hook = True, None
    object_pairs_hook: Any = None
    array_hook: Any = None  # since Python 3.15
    parse_float = staticmethod(finite)
    parse_int, memo = int, None

    @staticmethod
    def parse_constant(word: str) -> Any:
        """Refuse NaN and Infinity."""
        raise ValueError(f"{word} is not JSON")


def scan(text: str, scanning: type = Scanning) -> Any:
    """Return what a JSON text says.  Raises `Unscannable` if this cannot be told here: ask `json` then.

    ``scanning`` has the attributes of the decoder that C reads.
    """
    try:
        from _json import make_scanner

        data, end = make_scanner(scanning)(text, len(text) - len(text.lstrip(SPACE)))  # type: ignore[arg-type]
        if not text[end:].strip(SPACE):
            return data
    except (ImportError, StopIteration, ValueError, SystemError, RecursionError):  # SystemError: it is nested deeply
        pass
    except AttributeError:  # a newer Python reads an attribute that `Scanning` lacks
        pass
    raise Unscannable


class Unscannable(Exception):
    """A text is not JSON, or this Python has no scanner in C."""


class RepeatedKey(Exception):
    """An object of a JSON text has a key twice; ``str()`` says which."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object.  Raises `RepeatedKey`, which is no ValueError: the text is JSON."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        raise RepeatedKey(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return found


class _Unique(Scanning):
    object_pairs_hook = staticmethod(_pairs)


def parse(text: str) -> Any:
    """Return what a JSON text says.  Raises ValueError if it is not JSON, `RepeatedKey` if an object has a key twice."""
    try:
        return scan(text, _Unique)
    except Unscannable:
        import json
    try:
        return json.loads(text, parse_constant=Scanning.parse_constant, parse_float=finite, object_pairs_hook=_pairs)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def write(value: Any, indent: str = "\n") -> str:
    """Return a value as JSON, indented by two spaces."""
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return _quoted(value)
    deeper = f"{indent}  "
    if isinstance(value, dict):
        items = [f"{_quoted(str(key))}: {write(one, deeper)}" for key, one in value.items()]
        return "{" + deeper + f",{deeper}".join(items) + indent + "}" if items else "{}"
    items = [write(one, deeper) for one in value]
    return "[" + deeper + f",{deeper}".join(items) + indent + "]" if items else "[]"


def shown(value: Any) -> str:
    """Return a value as JSON on one line for an error message: at most 80 characters of it."""
    text = ""
    for piece in _pieces(value):  # each level of nesting begins with a character, so that the depth is limited, too
        text += piece
        if len(text) > MAX_SHOWN_CHARACTERS:
            return f"{text[:MAX_SHOWN_CHARACTERS]}..."
    return text


def _pieces(value: Any) -> Iterator[str]:
    """Yield the JSON text of a value in pieces."""
    if isinstance(value, dict):
        yield "{"
        for number, (key, one) in enumerate(value.items()):
            yield f"{', ' if number else ''}{_quoted(key)}: "
            yield from _pieces(one)
        yield "}"
    elif isinstance(value, list):
        yield "["
        for number, one in enumerate(value):
            yield ", " if number else ""
            yield from _pieces(one)
        yield "]"
    else:
        yield write(value)


def _quoted(text: str) -> str:
    try:
        from _json import encode_basestring_ascii
    except ImportError:
        from json.encoder import encode_basestring_ascii  # type: ignore[no-redef]
    quoted: str = encode_basestring_ascii(text)
    return quoted
