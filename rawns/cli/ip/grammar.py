"""The grammar of `ip`: abbreviations of words, and the errors of wrong ones.

The words of a command become one record, a flat dict.  Its keys are the C names that `rtnl` knows (``IFLA_MTU``, ``ifi_flags``),
ready to be the body of a request, and in lower case what concerns the command only (``dev``, ``name``, ``type``).

A word that is wrong is a `CommandError`: the line for standard error, in the words of iproute2, and its exit status.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Record = dict[Any, Any]  # keys as in a body

BAD_WORD = 255  # exit(-1) in iproute2: a word is wrong
FAILED = 1  # a function returned -1: a device is missing, a prefix is bad
AF_PACKET = 17
FAMILIES = {"inet": AF_INET, "inet6": AF_INET6, "mpls": 28, "bridge": 7, "link": AF_PACKET}


class CommandError(Exception):
    """The end of a command: ``text`` for standard error (may be empty), and the exit ``status``.

    ``exits`` says that iproute2 ends the process here, so that a batch ends as well; by default with `BAD_WORD`.
    """

    def __init__(self, text: str = "", status: int = BAD_WORD, exits: bool | None = None) -> None:
        super().__init__(text)
        self.text, self.status, self.exits = text, status, status == BAD_WORD if exits is None else exits


def wrong(word: str, why: str) -> CommandError:
    """Return the error for an argument whose value is wrong."""
    return CommandError(f'Error: argument "{word}" is wrong: {why}')


def parsed(read: Callable[[str], Any], word: str, why: str) -> Any:
    """Return what ``read`` makes of a word.  Raises `CommandError` with the sentence ``why`` if that is a ValueError."""
    try:
        return read(word)
    except ValueError:
        raise wrong(word, why) from None


def duplicate(name: str, word: str) -> CommandError:
    """Return the error for an option that is given twice."""
    return CommandError(f'Error: duplicate "{name}": "{word}" is the second value.')


def garbage(name: str, word: str) -> CommandError:
    """Return the error for a word that is neither an option nor the missing name."""
    return CommandError(f'Error: either "{name}" is duplicate, or "{word}" is a garbage.')


def late(name: str) -> Callable[..., Any]:
    """Return a function that imports MODULE.FUNCTION, of this package, when it is called, and calls it."""
    module, _, function = name.partition(".")
    return lambda *given: getattr(__import__(f"rawns.cli.ip.{module}", fromlist=[function]), function)(*given)


def matches(word: str, full: str) -> bool:
    """Return whether ``word`` abbreviates ``full``: iproute2 accepts any beginning of it, unless it is marked with "="."""
    return word == full[1:] if full[0] == "=" else word != "" and full.startswith(word)


def pick(table: Iterable[tuple[str, Any]], word: str) -> Any:
    """Return the value of the first entry (``name|name``, value) that ``word`` abbreviates; None if there is none."""
    for names, value in table:
        if any(matches(word, name) for name in names.split("|")):
            return value
    return None
