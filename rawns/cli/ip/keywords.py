"""The words of the grammar as rows of data: each sets a key of a record, and `read` reads them all."""

from __future__ import annotations

from .arguments import prefix
from .context import help_of
from .grammar import BAD_WORD, FAILED, CommandError, duplicate, garbage, matches, wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .context import Args
    from .grammar import Record

    TakeWord = Callable[[str, Args, Record], None]  # reads a word that no row fits, and what follows it


class Keyword:
    """One word of the grammar.

    ``names`` are its spellings, separated by ``|``; one that ends in ``*`` may be abbreviated.  What it does with the words
    that follow is the business of `take`.
    """

    __slots__ = ("abbreviated", "name", "spellings")

    def __init__(self, names: str) -> None:
        written = names.split("|")
        self.spellings = frozenset([one.rstrip("*") for one in written])
        self.abbreviated = [one[:-1] for one in written if one.endswith("*")]
        self.name = written[0].rstrip("*")

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

    ``read`` makes the value, the word itself by default, and says by ValueError that it cannot be; then the complaint is
    ``why``.  With ``once`` it may not be repeated.  ``everything`` is the word that removes the restriction again, in filters.
    """

    __slots__ = ("everything", "key", "once", "read", "why")

    def __init__(
        self, names: str, key: str, read: Callable[[str], Any] = str, why: str = "", once: bool = False, everything: str = ""
    ) -> None:
        super().__init__(names)
        self.key, self.read, self.why, self.once, self.everything = key, read, why, once, everything

    def take(self, args: Args, record: Record) -> None:
        """Read the value."""
        word = args.take()
        if self.once and self.key in record:
            raise duplicate(self.name, word)
        try:
            record[self.key] = self.read(word)
        except ValueError:
            if not self.everything or word != self.everything:
                raise wrong(word, self.why) from None
            record.pop(self.key, None)


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
        super().__init__(names)
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


class DeviceKeyword(Keyword):
    """A word that the name of an existing interface follows, of which the index is stored.

    ``why`` is the complaint if there is none; without it `ip` says that it cannot find the device, with this exit ``status``.
    """

    __slots__ = ("key", "status", "why")

    def __init__(self, names: str, key: str, why: str = "", status: int = BAD_WORD) -> None:
        super().__init__(names)
        self.key, self.why, self.status = key, why, status

    def take(self, args: Args, record: Record) -> None:
        """Read the name; store the index."""
        word = args.take()
        record[self.key] = args.ip.index_of(word)
        if not record[self.key]:
            raise wrong(word, self.why) if self.why else CommandError(f'Cannot find device "{word}"', self.status)


class PrefixKeyword(Keyword):
    """A word of a filter that a prefix follows, of the family that is wanted."""

    __slots__ = ("key",)

    def __init__(self, names: str, key: str) -> None:
        super().__init__(names)
        self.key = key

    def take(self, args: Args, record: Record) -> None:
        """Read the prefix."""
        record[self.key] = prefix(args.take(), record["family"])


class CustomKeyword(Keyword):
    """A word that has a function of its own."""

    __slots__ = ("function",)

    def __init__(self, names: str, function: Callable[[Args, Record], None]) -> None:
        super().__init__(names)
        self.function = function

    def take(self, args: Args, record: Record) -> None:
        """Call the function."""
        self.function(args, record)


MAX_KNOWN = 32
_known: dict[int, tuple[Sequence[Keyword], dict[str, Keyword]]] = {}  # by id: rows, and what words mean to them


def _meanings(rows: Sequence[Keyword]) -> dict[str, Keyword]:
    """Return the words that these rows have been found to fit: the lines of a batch file repeat them."""
    known = _known.get(id(rows))
    if known is None or known[0] is not rows:
        if len(_known) >= MAX_KNOWN:
            _known.clear()
        known = _known[id(rows)] = (rows, {})
    return known[1]


def read(rows: Sequence[Keyword], args: Args, record: Record, otherwise: TakeWord) -> Record:
    """Read all words into the record.  ``otherwise`` gets each word that no row fits."""
    known = _meanings(rows)
    while args.at < len(args.words):
        word = args.take()
        row = known.get(word)
        if row is None:
            row = next((one for one in rows if one.fits(word)), None)
            if row is None:
                otherwise(word, args, record)
                continue
            known[word] = row
        row.take(args, record)
    return record


def read_known(rows: Sequence[Keyword], args: Args, record: Record) -> int:
    """Read words into the record up to the first that no row fits; return for how many there was a row."""
    count = 0
    while args:
        row = next((one for one in rows if one.fits(args.words[args.at])), None)
        if row is None:
            break
        args.at += 1
        row.take(args, record)
        count += 1
    return count


def take_once(rows: Sequence[Keyword], args: Args) -> Record:
    """Read words up to the first that no row fits, and return their record.  A word that is repeated is a `CommandError`."""
    record: Record = {}
    seen = set()
    while args:
        row = next((one for one in rows if one.fits(args.words[args.at])), None)
        if row is None:
            break
        args.at += 1
        if row in seen:
            raise garbage(row.name, row.name if isinstance(row, (FlagKeyword, ConstantKeyword)) else args.take())
        seen.add(row)
        row.take(args, record)
    return record


def target(name: str, help: str, take: TakeWord, key: str = "", named_help: bool = True) -> TakeWord:
    """Return a function for a word that no row fits: the target of the command, with ``name`` before it or not, or ``help``.

    ``take`` reads it, and with ``key`` only if the record does not have that key yet.  ``named_help`` says whether ``help`` is
    not the target after ``name`` either.
    """

    def otherwise(word: str, args: Args, record: Record) -> None:
        named = word == name
        if named:
            word = args.take()
        if matches(word, "help") and (named_help or not named):
            raise help_of(help)
        if key and key in record:
            raise garbage(name, word)
        take(word, args, record)

    return otherwise


def ignore(word: str, args: Args, record: Record) -> None:
    """Ignore a word that no row fits, as iproute2 does in some places."""
