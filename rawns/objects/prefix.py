"""Addresses and prefixes as people write them: ``10.0.0.1/24``, ``fd00::1/64``, ``default``.

Floor 3, pure.  `ipaddress` would do this too, at 12 ms for the import.
"""

from __future__ import annotations

from _socket import inet_ntop, inet_pton

from .. import uapi
from ..errors import InvalidValue

BITS = {uapi.AF_INET: 32, uapi.AF_INET6: 128}


class Prefix:
    """``family`` (AF_INET or AF_INET6), ``address`` (text, as the kernel would write it) and ``length`` in bits."""

    __slots__ = ("address", "family", "length")

    def __init__(self, family: int, address: str, length: int) -> None:
        self.family, self.address, self.length = family, address, length

    def __str__(self) -> str:
        return f"{self.address}/{self.length}"


def parse(text: str | Prefix, wanted: int = 0) -> Prefix:
    """An address with or without a length (then it is the whole address), of the family ``wanted`` if that says one.

    Raises `InvalidValue`.
    """
    if isinstance(text, Prefix):
        return text
    address, slash, tail = str(text).partition("/")
    family = uapi.AF_INET6 if ":" in address else uapi.AF_INET
    try:
        canonical = inet_ntop(family, inet_pton(family, address))
    except (OSError, ValueError):
        raise InvalidValue(f"{text!r} is no IPv4 or IPv6 address") from None
    if wanted not in (0, family):
        raise InvalidValue(f"{text!r} is of another family than the rest of the request")
    if not slash:
        return Prefix(family, canonical, BITS[family])
    if not (tail.isascii() and tail.isdigit() and int(tail) <= BITS[family]):
        raise InvalidValue(f"{text!r}: a prefix length is a number from 0 to {BITS[family]}")
    return Prefix(family, canonical, int(tail))


def address(text: str, wanted: int = 0) -> Prefix:
    """An address without a length, of the family ``wanted`` if that says one.  Raises `InvalidValue`."""
    if "/" in str(text):
        raise InvalidValue(f"{text!r}: an address is due here, without a prefix length")
    return parse(text, wanted)


def destination(text: str, family: int = 0) -> Prefix:
    """A prefix or ``default``, which is 0.0.0.0/0, or ::/0 where ``family`` says IPv6.  Raises `InvalidValue`."""
    if text in ("default", "any", "all"):
        return Prefix(family or uapi.AF_INET, "::" if family == uapi.AF_INET6 else "0.0.0.0", 0)
    return parse(text)
