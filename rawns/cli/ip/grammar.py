"""The grammar of `ip`: rows of data that say which word sets which key of a record, and the function that reads them.

The words become one record, a flat dict.  Its keys are the C names that `rtnl` knows (``IFLA_MTU``, ``ifi_flags``), ready to be
the body of a request, and in lower case what concerns the command only (``dev``, ``name``, ``type``).

A word that is wrong is a `CommandError`: the line for standard error, in the words of iproute2, and its exit status.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from .context import IpContext

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


def duplicate(name: str, word: str) -> CommandError:
    """Return the error for an option that is given twice."""
    return CommandError(f'Error: duplicate "{name}": "{word}" is the second value.')


def garbage(name: str, word: str) -> CommandError:
    """Return the error for a word that is neither an option nor the missing name."""
    return CommandError(f'Error: either "{name}" is duplicate, or "{word}" is a garbage.')


def matches(word: str, full: str) -> bool:
    """Return whether ``word`` abbreviates ``full``: iproute2 accepts any beginning of it."""
    return word != "" and full.startswith(word)


def pick(table: Iterable[tuple[str, Any]], word: str) -> Any:
    """Return the value of the first entry (``name|name``, value) that ``word`` abbreviates; None if there is none."""
    for names, value in table:
        if any(matches(word, name) for name in names.split("|")):
            return value
    return None


class Args:
    """The words of a command still to be read, and the `IpContext` in which they have their meaning."""

    __slots__ = ("at", "ip", "words")

    def __init__(self, words: Sequence[str], ip: IpContext) -> None:
        self.words, self.at, self.ip = words, 0, ip

    def __bool__(self) -> bool:
        return self.at < len(self.words)

    def take(self) -> str:
        """Return the next word.  Raises `CommandError` if there is none."""
        if not self:
            raise CommandError('Command line is not complete. Try option "help"')
        self.at += 1
        return self.words[self.at - 1]

    def rest(self) -> Args:
        """Return the remaining words as arguments of their own."""
        return Args(self.words[self.at :], self.ip)


# -- rows ---------------------------------------------------------------------------------------------------------


class Keyword:
    """One word of the grammar.

    ``names`` are its spellings, separated by ``|``; one that ends in ``*`` may be abbreviated.  ``hint`` is what help
    shows after it.  What it does with the words that follow is the business of `take`.
    """

    __slots__ = ("abbreviated", "hint", "name", "spellings")

    def __init__(self, names: str, hint: str = "") -> None:
        written = names.split("|")
        self.spellings = frozenset([one.rstrip("*") for one in written])
        self.abbreviated = [one[:-1] for one in written if one.endswith("*")]
        self.name, self.hint = written[0].rstrip("*"), hint

    def fits(self, word: str) -> bool:
        """Return whether ``word`` is this keyword, or an abbreviation of it."""
        if word in self.spellings:
            return True
        for full in self.abbreviated:  # noqa: SIM110 (asked for every word; a generator takes longer)
            if full.startswith(word):
                return word != ""
        return False

    def take(self, args: Args, record: Record) -> None:
        """Read what follows the word into the record."""
        raise NotImplementedError


class ValueKeyword(Keyword):
    """A word that a value follows: ``mtu 1400``.

    ``read`` makes the value, and says by ValueError that it cannot be; then the complaint is ``why``.  With ``once``
    it may not be repeated.
    """

    __slots__ = ("key", "once", "read", "why")

    def __init__(
        self, names: str, key: str, read: Callable[[str], Any], why: str = "", once: bool = False, hint: str = ""
    ) -> None:
        super().__init__(names, hint or key.rpartition("_")[2].upper())
        self.key, self.read, self.why, self.once = key, read, why, once

    def take(self, args: Args, record: Record) -> None:
        """Read the value."""
        word = args.take()
        if self.once and self.key in record:
            raise duplicate(self.name, word)
        try:
            record[self.key] = self.read(word)
        except ValueError:
            raise wrong(word, self.why) from None


class FlagKeyword(Keyword):
    """A word that stands alone and sets, or clears, bits of a key, and of the key that says which bits are meant."""

    __slots__ = ("bits", "key", "mask", "on")

    def __init__(self, names: str, bits: int, key: str, mask: str = "", on: bool = True) -> None:
        super().__init__(names)
        self.bits, self.key, self.mask, self.on = bits, key, mask, on

    def put(self, record: Record, on: bool) -> None:
        """Set or clear the bits, and set them in the mask."""
        before = record.get(self.key, 0)
        record[self.key] = before | self.bits if on else before & ~self.bits
        if self.mask:
            record[self.mask] = record.get(self.mask, 0) | self.bits

    def take(self, args: Args, record: Record) -> None:
        """Set or clear the bits."""
        self.put(record, self.on)


class FlagSwitch(FlagKeyword):
    """A word that ``on`` or ``off`` follows: ``multicast off``.  ``on`` False: the bit says the contrary (IFF_NOARP)."""

    __slots__ = ()

    def __init__(self, names: str, bits: int, key: str, mask: str = "", on: bool = True) -> None:
        super().__init__(names, bits, key, mask, on)
        self.hint = "{ on | off }"

    def take(self, args: Args, record: Record) -> None:
        """Read ``on`` or ``off``."""
        word = args.take()
        if word not in ("on", "off"):
            raise CommandError(f'Error: argument of "{self.name}" must be "on" or "off", not "{word}"', FAILED)
        self.put(record, (word == "on") is self.on)


class OnOffKeyword(Keyword):
    """A word that ``on`` or ``off`` follows, where an attribute takes it as 1 or 0."""

    __slots__ = ("key", "status")

    def __init__(self, names: str, key: str, status: int = FAILED) -> None:
        super().__init__(names, "{ on | off }")
        self.key, self.status = key, status

    def take(self, args: Args, record: Record) -> None:
        """Read ``on`` or ``off``."""
        word = args.take()
        if word not in ("on", "off"):
            raise CommandError(f'Error: argument of "{self.name}" must be one of "off", "on", not "{word}"', self.status)
        record[self.key] = int(word == "on")


class ConstantKeyword(Keyword):
    """A word that stands alone and sets a key: ``nomaster``."""

    __slots__ = ("key", "value")

    def __init__(self, names: str, key: str | int, value: Any) -> None:
        super().__init__(names)
        self.key, self.value = key, value

    def take(self, args: Args, record: Record) -> None:
        """Set the key."""
        record[self.key] = self.value


class CustomKeyword(Keyword):
    """A word that has a function of its own."""

    __slots__ = ("function",)

    def __init__(self, names: str, function: Callable[[Args, Record], None], hint: str = "") -> None:
        super().__init__(names, hint)
        self.function = function

    def take(self, args: Args, record: Record) -> None:
        """Call the function."""
        self.function(args, record)


def read(rows: Sequence[Keyword], args: Args, record: Record, otherwise: Callable[[str, Args, Record], None]) -> Record:
    """Read all words into the record.  ``otherwise`` gets each word that no row fits."""
    while args:
        word = args.take()
        for row in rows:
            if row.fits(word):
                row.take(args, record)
                break
        else:
            otherwise(word, args, record)
    return record


def usage(start: str, rows: Iterable[Keyword], width: int = 100) -> Iterator[str]:
    """Return lines of help for rows: ``start [ mtu MTU ] [ up ] ...``."""
    line, indent = start, " " * min(len(start), 30)
    for row in rows:
        piece = f" [ {row.name} {row.hint} ]" if row.hint else f" [ {row.name} ]"
        if len(line) + len(piece) > width:
            yield line
            line = indent
        line += piece
    yield line


def dispatch(verbs: Iterable[tuple[str, Callable[[Args], int]]], word: str, args: Args, object: str) -> int:
    """Run the verb of an object that ``word`` abbreviates; return its exit status.  Raises `CommandError` where there is none."""
    verb = pick(verbs, word)
    if verb is None:
        raise CommandError(f'Command "{word}" is unknown, try "ip {object} help".')
    status: int = verb(args)
    return status
