"""The grammar of `ip`: rows of data that say which word means which key of a record, and the engine that reads them.

Floor 7.  Words go in, one record comes out: a flat dict whose keys are the C names that `rtnl` knows (``IFLA_MTU``,
``ifi_flags``), ready to be the body of a request, and, in lower case, what is the command's own affair (``dev``,
``name``, ``type``).  To teach `ip` a word, add its row; parsing, abbreviation, complaint and help follow.

A word that cannot be is a `Refused`: the line for standard error, as iproute2 words it, and the exit status it gives.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_pton

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from .session import Session

    Record = dict[Any, Any]  # keys as in a body

BAD_WORD = 255  # exit(-1) in iproute2: a word is wrong
FAILED = 1  # a function returned -1: a device is missing, a prefix is bad
AF_PACKET = 17
BITS = {AF_INET: 32, AF_INET6: 128}
FAMILIES = {"inet": AF_INET, "inet6": AF_INET6, "mpls": 28, "bridge": 7, "link": AF_PACKET}


class Refused(Exception):
    """What ends a command: ``text`` for standard error (empty: nothing more to say) and the exit ``status``."""

    def __init__(self, text: str = "", status: int = BAD_WORD) -> None:
        super().__init__(text)
        self.text, self.status = text, status


def wrong(word: str, why: str) -> Refused:
    """An argument has a value that cannot be."""
    return Refused(f'Error: argument "{word}" is wrong: {why}')


def duplicate(name: str, word: str) -> Refused:
    """An option that may stand once stands twice."""
    return Refused(f'Error: duplicate "{name}": "{word}" is the second value.')


def garbage(name: str, word: str) -> Refused:
    """A word without a name in front of it, where its place is taken already."""
    return Refused(f'Error: either "{name}" is duplicate, or "{word}" is a garbage.')


def matches(word: str, full: str) -> bool:
    """Whether ``word`` abbreviates ``full``: `ip` takes any beginning of it."""
    return word != "" and full.startswith(word)


def pick(table: Iterable[tuple[str, Any]], word: str) -> Any:
    """The first entry of (``name|name``, value) that ``word`` abbreviates; None if there is none."""
    for names, value in table:
        if any(matches(word, name) for name in names.split("|")):
            return value
    return None


class Words:
    """The words of a command still to be read, and the `Session` in which they have their meaning."""

    __slots__ = ("at", "ip", "words")

    def __init__(self, words: Sequence[str], ip: Session) -> None:
        self.words, self.at, self.ip = words, 0, ip

    def __bool__(self) -> bool:
        return self.at < len(self.words)

    def take(self) -> str:
        """The next word.  Raises `Refused` where there is none."""
        if not self:
            raise Refused('Command line is not complete. Try option "help"')
        self.at += 1
        return self.words[self.at - 1]

    def rest(self) -> Words:
        """What is left, as words of its own."""
        return Words(self.words[self.at :], self.ip)


# -- rows ---------------------------------------------------------------------------------------------------------


class Row:
    """One word of the grammar.

    ``names`` are its spellings, separated by ``|``; one that ends in ``*`` may be abbreviated.  ``hint`` is what help
    shows after it.  What it does with the words that follow is the business of `take`.
    """

    __slots__ = ("hint", "name", "spellings")

    def __init__(self, names: str, hint: str = "") -> None:
        self.spellings = [(one.rstrip("*"), one.endswith("*")) for one in names.split("|")]
        self.name, self.hint = self.spellings[0][0], hint

    def fits(self, word: str) -> bool:
        return any(word == full or (short and matches(word, full)) for full, short in self.spellings)

    def take(self, words: Words, record: Record) -> None:
        """Read what follows the word into the record."""
        raise NotImplementedError


class Value(Row):
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

    def take(self, words: Words, record: Record) -> None:
        word = words.take()
        if self.once and self.key in record:
            raise duplicate(self.name, word)
        try:
            record[self.key] = self.read(word)
        except ValueError:
            raise wrong(word, self.why) from None


class Bits(Row):
    """A word that stands alone and sets, or clears, bits of a key, and of the key that says which bits are meant."""

    __slots__ = ("bits", "key", "mask", "on")

    def __init__(self, names: str, bits: int, key: str, mask: str = "", on: bool = True) -> None:
        super().__init__(names)
        self.bits, self.key, self.mask, self.on = bits, key, mask, on

    def put(self, record: Record, on: bool) -> None:
        before = record.get(self.key, 0)
        record[self.key] = before | self.bits if on else before & ~self.bits
        if self.mask:
            record[self.mask] = record.get(self.mask, 0) | self.bits

    def take(self, words: Words, record: Record) -> None:
        self.put(record, self.on)


class Switch(Bits):
    """A word that ``on`` or ``off`` follows: ``multicast off``.  ``on`` False: the bit says the contrary (IFF_NOARP)."""

    __slots__ = ()

    def take(self, words: Words, record: Record) -> None:
        word = words.take()
        if word not in ("on", "off"):
            raise Refused(f'Error: argument of "{self.name}" must be "on" or "off", not "{word}"', FAILED)
        self.put(record, (word == "on") is self.on)


class OnOff(Row):
    """A word that ``on`` or ``off`` follows, where an attribute takes it as 1 or 0."""

    __slots__ = ("key", "status")

    def __init__(self, names: str, key: str, status: int = FAILED) -> None:
        super().__init__(names, "{ on | off }")
        self.key, self.status = key, status

    def take(self, words: Words, record: Record) -> None:
        word = words.take()
        if word not in ("on", "off"):
            raise Refused(f'Error: argument of "{self.name}" must be one of "off", "on", not "{word}"', self.status)
        record[self.key] = int(word == "on")


class Constant(Row):
    """A word that stands alone and sets a key: ``nomaster``."""

    __slots__ = ("key", "value")

    def __init__(self, names: str, key: str | int, value: Any) -> None:
        super().__init__(names)
        self.key, self.value = key, value

    def take(self, words: Words, record: Record) -> None:
        record[self.key] = self.value


class Call(Row):
    """A word that has a function of its own."""

    __slots__ = ("function",)

    def __init__(self, names: str, function: Callable[[Words, Record], None], hint: str = "") -> None:
        super().__init__(names, hint)
        self.function = function

    def take(self, words: Words, record: Record) -> None:
        self.function(words, record)


def read(rows: Sequence[Row], words: Words, record: Record, otherwise: Callable[[str, Words, Record], None]) -> Record:
    """Read all words into the record.  ``otherwise`` gets each word that no row fits."""
    while words:
        word = words.take()
        for row in rows:
            if row.fits(word):
                row.take(words, record)
                break
        else:
            otherwise(word, words, record)
    return record


def usage(start: str, rows: Iterable[Row], width: int = 100) -> Iterator[str]:
    """Lines of help for rows: ``start [ mtu MTU ] [ up ] ...``."""
    line, indent = start, " " * min(len(start), 30)
    for row in rows:
        piece = f" [ {row.name} {row.hint} ]" if row.hint else f" [ {row.name} ]"
        if len(line) + len(piece) > width:
            yield line
            line = indent
        line += piece
    yield line


# -- what values are made of --------------------------------------------------------------------------------------


def number(text: str) -> int:
    """An integer as C's ``strtol(text, &end, 0)`` takes it: decimal, 0x..., 0...  Raises ValueError if more follows."""
    digits = text.lstrip(" \t\n\v\f\r")
    sign = digits[:1]
    if sign in ("+", "-"):
        digits = digits[1:]
    base = 16 if digits[:2] in ("0x", "0X") else 8 if digits[:1] == "0" and len(digits) > 1 else 10
    body = digits[2:] if base == 16 else digits
    if not body or set(body.lower()) - set("0123456789abcdef"[:base]):  # int() takes more: spaces, underscores, prefixes
        raise ValueError(text)
    return -int(body, base) if sign == "-" else int(body, base)


def integer(text: str) -> int:
    """A C ``int``, in the 32 bits of an attribute (-1 is 0xffffffff)."""
    value = number(text)
    if not -0x80000000 <= value < 0x80000000:
        raise ValueError(text)
    return value & 0xFFFFFFFF


def natural(bits: int) -> Callable[[str], int]:
    """A reader of unsigned numbers that fit so many bits."""

    def read_natural(text: str) -> int:
        value = number(text)
        if not 0 <= value < 1 << bits:
            raise ValueError(text)
        return value

    return read_natural


U8, U16, U32 = natural(8), natural(16), natural(32)


def one_of(**names: int) -> Callable[[str], int]:
    """A reader of names for numbers, in any case of letters."""

    def read_name(text: str) -> int:
        if text.lower() not in names:
            raise ValueError(text)
        return names[text.lower()]

    return read_name


def interface(name: str, what: str, most: int = 15) -> str:
    """``name`` if it could be an interface's, of at most so many bytes (0: of any, for alternative names are longer).

    Raises `Refused`; ``what`` is the word it belongs to.
    """
    too_long = most and len(name.encode("utf-8", "surrogateescape")) > most
    if not name or too_long or any(char in "/ \t\n\v\f\r" for char in name):
        raise wrong(name, f'"{what}" not a valid ifname')
    return name


def lladdr(text: str) -> str:
    """A link-layer address: bytes in hex with colons, or an IPv4 address (of a tunnel's end).  Raises `Refused`."""
    if "." in text:
        try:
            return _ipv4(text).hex(":")
        except ValueError:
            raise Refused(f'"{text}" is invalid lladdr.', FAILED) from None
    pieces: list[str] = []
    for piece in text.split(":"):
        digits = piece.lstrip(" \t")
        digits = digits[2:] if digits[:2] in ("0x", "0X") else digits
        size = next((at for at, char in enumerate(digits) if char not in "0123456789abcdefABCDEF"), len(digits))
        if not size or int(digits[:size], 16) > 255 or len(pieces) == 32:  # what follows the digits, `ip` does not mind
            raise Refused(f'"{piece}" is invalid lladdr.', FAILED)
        pieces.append(f"{int(digits[:size], 16):02x}")
    return ":".join(pieces)


# -- addresses and prefixes ---------------------------------------------------------------------------------------


class Prefix:
    """``family``, the packed ``address``, its length in ``bits``; ``given`` says that the length was written out."""

    __slots__ = ("address", "bits", "family", "given")

    def __init__(self, family: int, address: bytes, bits: int, given: bool) -> None:
        self.family, self.address, self.bits, self.given = family, address, bits, given


def _ipv4(text: str) -> bytes:
    """Up to four numbers, the missing ones 0 (10.8 is 10.8.0.0 here), each decimal, octal or hex."""
    parts = [U8(part) for part in text.split(".")]
    if len(parts) > 4:
        raise ValueError(text)
    return bytes(parts + [0] * (4 - len(parts)))


def _address(text: str, family: int) -> tuple[int, bytes]:
    """Family and bytes of an address.  Raises ValueError."""
    if text in ("default", "all", "any"):
        return family, bytes(BITS.get(family, 0) // 8) if text == "default" else b""
    found = AF_INET6 if ":" in text else AF_INET
    if family not in (0, found):
        raise ValueError(text)
    try:
        return found, inet_pton(AF_INET6, text) if found == AF_INET6 else _ipv4(text)
    except OSError:
        raise ValueError(text) from None


def _length(text: str) -> int:
    """The length of a prefix: a number, or a netmask."""
    try:
        return U32(text)
    except ValueError:
        host = 0xFFFFFFFF ^ int.from_bytes(_ipv4(text), "big")
        if host & (host + 1):
            raise
        return 32 - host.bit_length()


def _prefix(text: str, family: int) -> Prefix:
    head, slash, tail = text.partition("/")
    found, address = _address(head, family)
    most = BITS.get(found, 0)
    if head in ("default", "all", "any"):
        if slash:
            raise ValueError(text)
        return Prefix(found, address, 0, head == "default")
    bits = _length(tail) if slash else most
    if bits > most:
        raise ValueError(text)
    return Prefix(found, address, bits, bool(slash))


def _expected(family: int, what: str, text: str) -> Refused:
    name = next((name for name, number in FAMILIES.items() if number == family), "any valid" if not family else "???")
    return Refused(f'Error: {name} {what} is expected rather than "{text}".', FAILED)


def address(text: str, family: int) -> tuple[int, bytes]:
    """An address of this family (0: of any); its family and bytes.  Raises `Refused`."""
    try:
        return _address(text, family)
    except ValueError:
        raise _expected(family, "address", text) from None


def prefix(text: str, family: int) -> Prefix:
    """An address with or without a length, of this family (0: of any).  Raises `Refused`."""
    if family == AF_PACKET:
        raise Refused(f'Error: "{text}" may be inet prefix, but it is not allowed in this context.', FAILED)
    try:
        return _prefix(text, family)
    except ValueError:
        raise _expected(family, "prefix", text) from None
