"""Options as getopt_long(3) reads them: letters together, long names abbreviated, with its sentences for wrong ones.

Python's module of this name abbreviates otherwise, and knows no arguments that may be left out.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Optional, TypeVar

    Found = TypeVar("Found")
    Find = Callable[[str], Optional[Found]]

NONE, REQUIRED, OPTIONAL = 0, 1, 2  # whether an option has an argument


class GetoptError(Exception):
    """A wrong option: ``str()`` is the sentence of getopt_long(3) without the name of the program."""


def read(
    words: list[str], order: Sequence[str], find: Find[Found], argument: Callable[[Found], int], operands: list[str] | None = None
) -> Iterator[tuple[str, Found, str | None]]:
    """Take the options from ``words``; yield the spelling of each, what ``find`` returns for it, and its argument.

    ``order`` are the long spellings in the order in which messages list them.  Reading ends at ``--`` and at the first word that
    is no option, unless there is a list of ``operands``, to which such words are moved.  Raises `GetoptError`.
    """
    while words:
        if len(words[0]) < 2 or words[0][0] != "-":
            if operands is None:
                return
            operands.append(words.pop(0))
            continue
        word = words.pop(0)
        if word == "--":
            break
        if word.startswith("--"):
            yield _long(word, words, order, find, argument)
        else:
            yield from _letters(word, words, find, argument)
    if operands is not None:
        operands += words


def _long(
    word: str, words: list[str], order: Sequence[str], find: Find[Found], argument: Callable[[Found], int]
) -> tuple[str, Found, str | None]:
    name, equals, text = word.partition("=")
    candidates = [name] if name in order else [one for one in order if one.startswith(name)]
    found = [one for one in map(find, candidates) if one is not None]
    if not found:
        raise GetoptError(f"unrecognized option '{word}'")
    if any(one is not found[0] for one in found):
        known = "".join([f" '{one}'" for one in candidates])
        raise GetoptError(f"option '{word}' is ambiguous; possibilities:{known}")
    kind = argument(found[0])
    if equals and not kind:
        raise GetoptError(f"option '{candidates[0]}' doesn't allow an argument")
    if equals or kind != REQUIRED:
        return candidates[0], found[0], text if equals else None
    if not words:
        raise GetoptError(f"option '{candidates[0]}' requires an argument")
    return candidates[0], found[0], words.pop(0)


def _letters(
    word: str, words: list[str], find: Find[Found], argument: Callable[[Found], int]
) -> Iterator[tuple[str, Found, str | None]]:
    """Yield the short options of one word."""
    for place, letter in enumerate(word[1:], 2):
        option = find(f"-{letter}")
        if option is None:
            raise GetoptError(f"invalid option -- '{letter}'")
        kind = argument(option)
        if kind == NONE:
            yield f"-{letter}", option, None
            continue
        if kind == REQUIRED and place == len(word) and not words:
            raise GetoptError(f"option requires an argument -- '{letter}'")
        yield f"-{letter}", option, word[place:] or (None if kind == OPTIONAL else words.pop(0))
        return
