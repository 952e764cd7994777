"""Text that is safe to show: on a terminal, and in an error message.

Names of namespaces and interfaces, aliases, file names and what a peer sends can be chosen by other users.  A terminal
acts on escape sequences in them, and some characters hide or reorder the text around them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    Text = Union[str, bytes]

MAX_REPR_CHARACTERS = 80  # of a value in an error message

# Characters that str.isprintable accepts although they show nothing: joiners, fillers and variation selectors (Unicode's
# Default_Ignorable_Code_Point; those of the categories Cf and Cn are not printable to begin with).
_INVISIBLE = frozenset(
    map(chr, (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x3164, 0xFFA0))
) | frozenset(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))
# Characters that str.isprintable rejects although they are only spaces (category Zs).
_SPACES = frozenset(map(chr, [0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000]))


def printable(text: Text) -> str:
    r"""Return ``text`` as one line in which everything that a terminal would act on, or hide, is written as an escape.

    That is C0 controls (tab and newline too), C1 controls, DEL, direction overrides, characters without width, and code
    points that Unicode has not assigned; they are written as Python writes them: ``\x1b``, ``\t``, ``\u202e``.  A byte
    that is not UTF-8 becomes ``\xff``, in ``bytes`` as well as in ``str`` (where Python's file system functions return it
    as the surrogate ``\udcff``).  Applying the function twice gives the same as once.  A backslash is left alone, as by
    ``cat -v``.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    if text.isprintable() and (text.isascii() or _INVISIBLE.isdisjoint(text)):
        return text
    return "".join(map(_printable_character, text))


def short_repr(value: object) -> str:
    """Return the repr of a value for an error message: at most 80 characters of it, or the size of a very large integer."""
    try:
        text = repr(value)
    except ValueError:  # more digits than sys.get_int_max_str_digits() allows
        return f"an integer of {value.bit_length()} bits" if isinstance(value, int) else f"a {type(value).__name__}"
    return text if len(text) <= MAX_REPR_CHARACTERS else f"{text[:MAX_REPR_CHARACTERS]}..."


def _printable_character(char: str) -> str:
    if char.isprintable() and char not in _INVISIBLE or char in _SPACES:
        return char
    if "\udc80" <= char <= "\udcff":  # a byte that surrogateescape has kept
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")
