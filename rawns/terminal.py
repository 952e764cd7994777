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
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")
_FIRST_SELECTORS, _SECOND_SELECTORS = ("\ufe00", "\ufe0f"), ("\U000e0100", "\U000e01ef")  # the first and the last of a range
# Characters that str.isprintable rejects although they are only spaces (category Zs).
_SPACES = frozenset("\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000")


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
    if text.isprintable() and text.isascii():
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
    if char.isprintable() and not _is_invisible(char) or char in _SPACES:
        return char
    if "\udc80" <= char <= "\udcff":  # a byte that surrogateescape has kept
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def _is_invisible(char: str) -> bool:
    """Return whether a character shows nothing although Unicode calls it printable."""
    selects = _FIRST_SELECTORS[0] <= char <= _FIRST_SELECTORS[1] or _SECOND_SELECTORS[0] <= char <= _SECOND_SELECTORS[1]
    return selects or char in _INVISIBLE
