"""Words of lab files: names, addresses and numbers that texts stand for, and how they are shown in sentences.

Each function raises `InvalidValue`, with a sentence that shows the word, for what cannot be right.
"""

from __future__ import annotations

from _socket import AF_INET6

from .. import uapi
from ..errors import InvalidValue
from ..objects import link, prefix
from ..objects.prefix import BITS, Prefix
from ..terminal import printable, short_repr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

MAX_SHOWN = 60  # characters of a value in a sentence
MAX_DIGITS = 100  # of a number in a sentence; Python itself refuses to write more than 4,300
RESERVED_NAMES = ("lo", "all", "default")  # lo exists everywhere; /proc/sys/net/ipv4/conf has two entries of its own
LINK_LOCAL = 0xFE80 << 112, 10  # fe80::/10: number and prefix length


# -- sentences ------------------------------------------------------------------------------------------------------------


def quote(value: object) -> str:
    """Return a value for a sentence: short, on one line, booleans, texts and null as TOML and JSON write them."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    if isinstance(value, str):
        text = '"' + printable(value) + '"'
    elif isinstance(value, int) and abs(value) >= 10**MAX_DIGITS:
        return "a number of more than 100 digits"
    else:
        text = "a table" if isinstance(value, dict) else "a list" if isinstance(value, list) else printable(str(value))
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 4] + '..."'


def join_words(words: Iterable[str]) -> str:
    """Return ``a, b and c``."""
    *others, last = words if isinstance(words, list) else list(words)
    return f"{', '.join(others)} and {last}" if others else last


def nearest(word: str, right: Iterable[str]) -> str:
    """Return the most similar of the right words; empty if none is similar."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word[:100], list(right), 1, 0.5)), "")


# -- names -------------------------------------------------------------------------------------------------------------


def label(word: str) -> str:
    """Return the name of a host or a bridge in a file: it becomes part of other names, and stands before a colon."""
    if word == "root":
        raise InvalidValue("root is the namespace that the lab is built from: wires may end there, but it cannot be defined")
    plain = word.replace("-", "").replace("_", "").replace(".", "")
    if not plain.isalnum() or word[0] in "-." or len(word) > 64:
        raise InvalidValue(f"{quote(word)} cannot name a host or a bridge: a name is 1 to 64 letters, digits, - _ and .")
    return word


def interface_name(word: str) -> str:
    """Return a name that the kernel accepts for an interface, and does not change."""
    if "%" in word:
        raise InvalidValue(f"{quote(word)} cannot name an interface: the kernel replaces % by a number")
    return link.check_name(word)


def domain(word: str) -> str:
    """Return the name of a host or a domain."""
    if not word or word.split() != [word] or not word.isprintable() or "#" in word:
        raise InvalidValue(f"{quote(word)} is not the name of a host or a domain")
    return word


# -- addresses and numbers ---------------------------------------------------------------------------------------------


def inside(number: int, network: int, length: int, bits: int) -> bool:
    """Return whether an address (a number) is in a network."""
    return number >> bits - length == network >> bits - length


def host_address(address: Prefix) -> Prefix:
    """Return ``address`` if an interface can have it.  Raises `InvalidValue` for multicast, unspecified and loopback."""
    number = address.number
    wrong = number < 2 or number >> 120 == 0xFF if address.family == uapi.AF_INET6 else not number or number >> 28 == 0xE
    if wrong:
        raise InvalidValue(f"{address.address} cannot be the address of an interface")
    return address


def interface_address(word: str) -> Prefix:
    """Return an address with its prefix length, which is required: without one the address would be alone in its network."""
    found = prefix.parse(word)
    if "/" not in word:
        raise InvalidValue(f"{quote(word)} has no prefix length: for example {word}/{24 if BITS[found.family] == 32 else 64}")
    return host_address(found)


def peer_address(word: str) -> str:
    """Return the address of one other machine, in the kernel's spelling."""
    return host_address(prefix.address(word)).address


def tunnel_address(word: str) -> str:
    """Return the address of an end of a tunnel.  Raises `InvalidValue` for a link-local one, which needs an interface."""
    address = host_address(prefix.address(word))
    if address.family == AF_INET6 and inside(address.number, *LINK_LOCAL, 128):
        raise InvalidValue(f"{quote(word)} is a link's own address, which a tunnel cannot use without an interface")
    return address.address


def firewall_rule(word: str) -> str:
    """Return a rule of a firewall in its usual spelling."""
    from ..nft.firewall import FirewallRule

    return str(FirewallRule(word))


def mac_bytes(word: str) -> bytes:
    """Return the six bytes of a MAC address.  Raises `InvalidValue` for a wrong length, for multicast and for all zeros."""
    digits = word.replace("-", ":").split(":")
    right = len(digits) == 6 and all(len(one) in (1, 2) and not one.strip("0123456789abcdefABCDEF") for one in digits)
    if not right:
        raise InvalidValue(f"{quote(word)} is not a MAC address: expected six bytes, like 02:00:00:00:00:01")
    found = bytes(int(one, 16) for one in digits)
    if found[0] & 1 or not any(found):
        what = "a multicast address" if found[0] & 1 else "zero"
        raise InvalidValue(f"{quote(word)} cannot be the MAC address of an interface: it is {what}")
    return found


def mac_text(word: str) -> str:
    """Return a MAC address in the kernel's spelling."""
    return ":".join(f"{byte:02x}" for byte in mac_bytes(word))


def next_address(base: Prefix, number: int) -> Prefix:
    """Return the address ``number`` places after ``base`` in its network.  Raises `InvalidValue` beyond its end."""
    if not number:
        return base
    bits = BITS[base.family]
    first = base.number
    found, host_bits = first + number, bits - base.length
    if found >> bits or (host_bits and found >> host_bits != first >> host_bits):
        raise InvalidValue(f"addresses that count up from {base} leave its network at number {number + 1}")
    return Prefix.of(base.family, found, base.length)


def next_mac(base: str, number: int) -> str:
    """Return the MAC address ``number`` places after ``base``.  Raises `InvalidValue` if the first byte would change."""
    if not number:
        return base
    first = mac_bytes(base)
    found = int.from_bytes(first, "big") + number
    if found >> 40 != first[0]:
        raise InvalidValue(f"MAC addresses that count up from {base} come to an end at number {number + 1}")
    return ":".join(f"{byte:02x}" for byte in found.to_bytes(6, "big"))


def network(word: str, family: int = 0) -> Prefix:
    """Return a destination: a prefix without host bits, or ``default``.  Raises `InvalidValue`."""
    found = prefix.destination(word, family)
    if found.network != found:
        raise InvalidValue(f"{quote(word)} has bits set beyond its prefix length: did you mean {found.network}?")
    return found


def port_number(value: object) -> int:
    """Return a port of TCP or UDP.  Raises `InvalidValue`."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 65536:
        raise InvalidValue(f"{short_repr(value)} is not a port, a number from 1 to 65535")
    return value


def decimal(word: str) -> Any:
    """Return a number from decimal digits, for a type that checks it; anything else unchanged."""
    return int(word) if word.isascii() and word.isdigit() and len(word) <= MAX_DIGITS else word
