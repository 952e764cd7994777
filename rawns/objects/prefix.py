"""IPv4 and IPv6 addresses and prefixes: parsing and arithmetic (``10.0.0.1/24``, ``fd00::1/64``, ``default``).

`ipaddress` does this as well, but its import costs 12 ms.
"""

from __future__ import annotations

from _socket import inet_ntop, inet_pton

from .. import uapi
from ..errors import InvalidValue
from ..terminal import short_repr

BITS = {uapi.AF_INET: 32, uapi.AF_INET6: 128}
DEFAULT = ("default", "any", "all")  # as ip(8) spells the prefix of all addresses
MAX_LENGTH_DIGITS = 3  # of a prefix length


def family_of(address: str) -> int:
    """Return AF_INET6 if an address contains a colon, otherwise AF_INET."""
    return uapi.AF_INET6 if ":" in address else uapi.AF_INET


def same_bits(one: bytes, other: bytes, length: int) -> bool:
    """Return whether the first ``length`` bits of two packed addresses of one family are the same."""
    if not length:
        return True
    drop = 8 * len(one) - length
    return int.from_bytes(one, "big") >> drop == int.from_bytes(other, "big") >> drop


class Prefix:
    """An address and a prefix length: ``family`` (AF_INET or AF_INET6), ``address`` (as the kernel writes it), ``length``.

    The address is empty, and the family may be 0, if the prefix stands for all addresses of every family.
    """

    __slots__ = ("address", "family", "length")

    def __init__(self, family: int, address: str, length: int) -> None:
        self.family, self.address, self.length = family, address, length

    @classmethod
    def of(cls, family: int, number: int, length: int | None = None) -> Prefix:
        """Return the prefix whose address is this number; without a length it is the address alone."""
        bits = BITS[family]
        return cls(family, inet_ntop(family, number.to_bytes(bits // 8, "big")), bits if length is None else length)

    @property
    def packed(self) -> bytes:
        """The address as 4 or 16 bytes, in network order; no bytes of an empty address."""
        return inet_pton(self.family, self.address) if self.address else b""

    @property
    def number(self) -> int:
        """The address as an integer."""
        return int.from_bytes(self.packed, "big")

    @property
    def mask(self) -> int:
        """The network mask as an integer."""
        bits = BITS[self.family]
        return (1 << bits) - (1 << bits - self.length)

    @property
    def network(self) -> Prefix:
        """The prefix with all host bits cleared: ``10.0.0.0/24`` of ``10.0.0.1/24``."""
        return Prefix.of(self.family, self.number & self.mask, self.length)

    @property
    def broadcast(self) -> Prefix:
        """The last address of the prefix: ``10.0.0.255`` of ``10.0.0.1/24``."""
        return Prefix.of(self.family, self.number | ((1 << BITS[self.family]) - 1) & ~self.mask)

    def __contains__(self, other: Prefix | str) -> bool:
        """Return whether an address, or all of another prefix, lies in this one."""
        inner = parse(other)
        if inner.family != self.family or inner.length < self.length:
            return False
        return same_bits(inner.packed, self.packed, self.length)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Prefix):
            return NotImplemented
        return (self.family, self.address, self.length) == (other.family, other.address, other.length)

    def __hash__(self) -> int:
        return hash((self.family, self.address, self.length))

    def __str__(self) -> str:
        return f"{self.address}/{self.length}"

    def __repr__(self) -> str:
        return f"<Prefix {self}>"


def parse(text: str | Prefix, wanted: int = 0) -> Prefix:
    """Read an address with or without a prefix length; without one it is that of the whole address.

    ``wanted`` is the family it must have (0: any).  Raises `InvalidValue`.
    """
    if isinstance(text, Prefix):
        return text
    if not isinstance(text, str):
        raise InvalidValue(f"expected an address as text, not {short_repr(text)}")
    address, slash, tail = text.partition("/")
    family = family_of(address)
    try:
        canonical = inet_ntop(family, inet_pton(family, address))
    except (OSError, ValueError):
        raise InvalidValue(f"{short_repr(text)} is not an IPv4 or IPv6 address") from None
    if wanted not in (0, family):
        raise InvalidValue(f"{short_repr(text)} is of another family than the rest of the request")
    if not slash:
        return Prefix(family, canonical, BITS[family])
    number = int(tail) if tail.isascii() and tail.isdigit() and len(tail) <= MAX_LENGTH_DIGITS else -1
    if not 0 <= number <= BITS[family]:
        raise InvalidValue(f"{short_repr(text)}: a prefix length is a number from 0 to {BITS[family]}")
    return Prefix(family, canonical, number)


def address(text: str | Prefix, wanted: int = 0) -> Prefix:
    """Read an address without a prefix length, of the family ``wanted`` (0: any).  Raises `InvalidValue`."""
    if isinstance(text, str) and "/" in text:
        raise InvalidValue(f"{short_repr(text)}: expected an address without a prefix length")
    return parse(text, wanted)


def destination(text: str | Prefix, family: int = 0) -> Prefix:
    """Read a prefix or ``default``, which is 0.0.0.0/0, or ::/0 if ``family`` is AF_INET6.  Raises `InvalidValue`."""
    if isinstance(text, str) and text in DEFAULT:
        return Prefix(family or uapi.AF_INET, "::" if family == uapi.AF_INET6 else "0.0.0.0", 0)
    return parse(text)
