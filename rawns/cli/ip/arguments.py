"""Values of the words of `ip`: numbers as C reads them, names, link-layer addresses, prefixes.

A wrong value is a ValueError if the grammar has the sentence for it, otherwise a `CommandError` with that of iproute2.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton

from ... import uapi
from ...objects.prefix import BITS, Prefix
from .grammar import AF_PACKET, FAILED, FAMILIES, CommandError, wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .grammar import Record


MAX_LABEL, MAX_LABELS, LABEL_BITS = 0xFFFFF, 64, 20  # of MPLS
BOTTOM_OF_STACK = 1 << 8


def number(text: str) -> int:
    """Parse an integer as C's ``strtol(text, &end, 0)`` does: decimal, 0x..., 0...  Raises ValueError if more follows."""
    if text.isdigit() and text.isascii() and text[0] != "0":  # as a rule
        return int(text)
    digits = text.lstrip(" \t\n\v\f\r")
    sign = digits[:1]
    if sign in ("+", "-"):
        digits = digits[1:]
    base = 16 if digits[:2] in ("0x", "0X") else 8 if digits[:1] == "0" and len(digits) > 1 else 10
    body = digits[2:] if base == 16 else digits
    if not body or set(body.lower()) - set("0123456789abcdef"[:base]):  # int() takes more: spaces, underscores, prefixes
        raise ValueError(text)
    return -int(body, base) if sign == "-" else int(body, base)


def leading_integer(text: str) -> int:
    """Return the number at the start of ``text`` as atoi(3) does: 0 if there is none, the low 32 bits of a long one."""
    digits = text.lstrip(" \t\n\v\f\r")
    sign = -1 if digits.startswith("-") else 1
    digits = digits[1:] if digits[:1] in ("+", "-") else digits
    size = next((at for at, char in enumerate(digits) if char not in "0123456789"), len(digits))
    value = sign * int(digits[:size].lstrip("0")[:20] or "0")
    value = max(-1 << 63, min(value, (1 << 63) - 1)) & 0xFFFFFFFF
    return value - (value >> 31 << 32)


def integer(text: str) -> int:
    """Parse a C ``int``; return it in the 32 bits of an attribute (-1 is 0xffffffff).  Raises ValueError."""
    return signed(text) & 0xFFFFFFFF


def signed(text: str) -> int:
    """Parse a C ``int``.  Raises ValueError."""
    value = number(text)
    if not -0x80000000 <= value < 0x80000000:
        raise ValueError(text)
    return value


def natural(bits: int) -> Callable[[str], int]:
    """Return a parser of unsigned numbers of so many bits."""

    def read_natural(text: str) -> int:
        value = number(text)
        if not 0 <= value < 1 << bits:
            raise ValueError(text)
        return value

    return read_natural


def unsigned64(text: str) -> int:
    """Parse a number of 64 bits; a negative one is counted from the end, as strtoull(3) does.  Raises ValueError."""
    value = number(text)
    if not -1 << 64 < value < 1 << 64:
        raise ValueError(text)
    return value & (1 << 64) - 1


U8, U16, U32 = natural(8), natural(16), natural(32)


def within(read: Callable[[str], int], least: int, most: int = 0xFFFFFFFF) -> Callable[[str], int]:
    """Return a parser of the numbers that ``read`` parses, from ``least`` to ``most``."""

    def read_within(text: str) -> int:
        value = read(text)
        if not least <= value <= most:
            raise ValueError(text)
        return value

    return read_within


def choose(names: Mapping[str, int]) -> Callable[[str], int]:
    """Return a parser of names for numbers."""

    def read_choose(text: str) -> int:
        if text not in names:
            raise ValueError(text)
        return names[text]

    return read_choose


def one_of(**names: int) -> Callable[[str], int]:
    """Return a parser of names for numbers, in upper or lower case."""

    def read_name(text: str) -> int:
        if text.lower() not in names:
            raise ValueError(text)
        return names[text.lower()]

    return read_name


def choice(names: Mapping[str, int], sentence: str) -> Callable[[str], int]:
    """Return a parser of names for numbers, which refuses others with a sentence; ``{}`` in it is the word."""

    def read_choice(text: str) -> int:
        if text not in names:
            raise CommandError(sentence.replace("{}", text), FAILED)
        return names[text]

    return read_choice


def interface(name: str, what: str, most: int = 15) -> str:
    """Return ``name`` if it could be an interface's, of at most so many bytes (0: of any, for alternative names are longer).

    Raises `CommandError`; ``what`` is the word it belongs to.
    """
    too_long = most and len(name.encode("utf-8", "surrogateescape")) > most
    if not name or too_long or any(char in "/ \t\n\v\f\r" for char in name):
        raise wrong(name, f'"{what}" not a valid ifname')
    return name


def put_text(record: Record, key: str, text: str, size: int) -> None:
    """Store text in an attribute; one that is too long for it as bytes under its number, for the kernel to refuse."""
    data = text.encode("utf-8", "surrogateescape") + b"\0"
    if len(data) <= size:
        record[key] = text
    else:
        record[getattr(uapi, key)] = data


def lladdr(text: str) -> str:
    """Parse a link-layer address: bytes in hex with colons, or an IPv4 address (of a tunnel).  Raises `CommandError`."""
    if "." in text:
        try:
            return _ipv4(text).hex(":")
        except ValueError:
            raise CommandError(f'"{text}" is invalid lladdr.', FAILED) from None
    pieces: list[str] = []
    for piece in text.split(":"):
        digits = piece.lstrip(" \t")
        digits = digits[2:] if digits[:2] in ("0x", "0X") else digits
        size = next((at for at, char in enumerate(digits) if char not in "0123456789abcdefABCDEF"), len(digits))
        if not size or int(digits[:size], 16) > 255 or len(pieces) == 32:  # what follows the digits, `ip` does not mind
            raise CommandError(f'"{piece}" is invalid lladdr.', FAILED)
        pieces.append(f"{int(digits[:size], 16):02x}")
    return ":".join(pieces)


def _ipv4(text: str) -> bytes:
    """Up to four numbers, the missing ones 0 (10.8 is 10.8.0.0 here), each decimal, octal or hex."""
    try:
        return inet_pton(AF_INET, text)
    except (OSError, ValueError):
        pass  # not four decimal numbers
    parts = [U8(part) for part in text.split(".")]
    if len(parts) > 4:
        raise ValueError(text)
    return bytes(parts + [0] * (4 - len(parts)))


class Label(Prefix):
    """A label of MPLS as a prefix of 20 bits; ``address`` is its number as text."""

    __slots__ = ()

    @property
    def packed(self) -> bytes:
        """The label in an entry of a label stack."""
        return _labels(self.address)


def _labels(text: str) -> bytes:
    """Return the label stack of ``LABEL[/LABEL...]``, whose last entry has the bottom-of-stack bit.  Raises ValueError."""
    numbers = [number(label) for label in text.split("/")]
    if len(numbers) > MAX_LABELS or not all(0 <= label <= MAX_LABEL for label in numbers):
        raise ValueError(text)
    entries = [label << 12 for label in numbers]
    entries[-1] |= BOTTOM_OF_STACK
    return b"".join([entry.to_bytes(4, "big") for entry in entries])


def label_text(stack: bytes | str) -> str:
    """Return a label stack as `ip` writes it: ``200/300``.  As text it is the IPv4 address that an entry is decoded as."""
    data = inet_pton(AF_INET, stack) if isinstance(stack, str) else stack
    labels: list[str] = []
    for at in range(0, len(data) - 3, 4):
        entry = int.from_bytes(data[at : at + 4], "big")
        labels.append(str(entry >> 12))
        if entry & BOTTOM_OF_STACK:
            break
    return "/".join(labels)


def _address(text: str, family: int) -> tuple[int, bytes]:
    """Family and bytes of an address.  Raises ValueError."""
    if family == uapi.AF_MPLS:
        return family, _labels(text)
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
    """Parse the length of a prefix: a number, or a netmask.  Raises ValueError."""
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
    most = BITS.get(found, LABEL_BITS)
    if head in ("default", "all", "any"):
        if slash:
            raise ValueError(text)
        return Prefix(found, inet_ntop(found, address) if address else "", 0)
    bits = _length(tail) if slash else most
    if bits > most:
        raise ValueError(text)
    return Prefix(found, inet_ntop(found, address), bits) if found != uapi.AF_MPLS else Label(found, label_text(address), bits)


def _expected(family: int, what: str, text: str) -> CommandError:
    name = next((name for name, number in FAMILIES.items() if number == family), "any valid" if not family else "???")
    many = "Error: too many labels.\n" if family == uapi.AF_MPLS and text.count("/") >= MAX_LABELS else ""
    return CommandError(f'{many}Error: {name} {what} is expected rather than "{text}".', FAILED, exits=True)


def address(text: str, family: int) -> tuple[int, bytes]:
    """Parse an address of a family (0: of any); return its family and bytes.  Raises `CommandError`."""
    try:
        return _address(text, family)
    except ValueError:
        raise _expected(family, "address", text) from None


def prefix(text: str, family: int) -> Prefix:
    """Parse an address with or without a length, of a family (0: of any), as get_prefix() of iproute2 does.

    ``default`` of no family, ``any`` and ``all`` have an empty address.  Raises `CommandError`.
    """
    if family == AF_PACKET:
        raise CommandError(f'Error: "{text}" may be inet prefix, but it is not allowed in this context.', FAILED, exits=True)
    try:
        return _prefix(text, family)
    except ValueError:
        raise _expected(family, "prefix", text) from None
