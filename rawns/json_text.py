"""JSON from and to text without the module `json`, whose import costs as much as the start of a small plugin."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SPACE = " \t\n\r"


class Scanning:
    """The attributes that the C scanner reads from its context."""

    strict, object_hook = True, None
    object_pairs_hook: Any = None
    array_hook: Any = None  # since Python 3.15
    parse_float, parse_int, memo = float, int, None

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


def parse(text: str) -> Any:
    """Return what a JSON text says.  Raises ValueError if it is not JSON."""
    try:
        return scan(text)
    except Unscannable:
        import json
    try:
        return json.loads(text, parse_constant=Scanning.parse_constant)
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


def _quoted(text: str) -> str:
    try:
        from _json import encode_basestring_ascii
    except ImportError:
        from json.encoder import encode_basestring_ascii  # type: ignore[no-redef]
    quoted: str = encode_basestring_ascii(text)
    return quoted
