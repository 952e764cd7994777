"""Descriptions of keys of a network configuration: names, types, defaults, checks and help, in one table a plugin.

`read` checks an object against such a table and returns the values; help and manual are printed from the same table.
"""

from __future__ import annotations

from .. import uapi
from ..errors import InvalidValue
from ..json_text import shown
from ..objects import prefix
from ..objects.link import MAX_VID, check_name
from .failure import INVALID_CONFIG, UNSUPPORTED_FIELD, CniError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ..objects.prefix import Prefix

MAX_ITEMS = 65536  # of a list
IPV4_MAPPED = prefix.parse("::ffff:0:0/96")  # RFC 4291: IPv4 addresses in the form of IPv6, which no interface has


class KeyType:
    """What a value may be: ``name`` describes it, ``read(value, place)`` checks and converts it, or raises `CniError`."""

    __slots__ = ("name", "read", "keys")

    def __init__(self, name: str, read: Callable[[Any, str], Any], keys: Sequence[ConfigKey] = ()) -> None:
        self.name, self.read, self.keys = name, read, keys


class ConfigKey:
    """One key: its name, type, help, default, and whether it must be there."""

    __slots__ = ("name", "type", "help", "default", "required")

    def __init__(self, name: str, type: KeyType, help: str, default: Any = None, required: bool = False) -> None:
        self.name, self.type, self.help, self.default, self.required = name, type, help, default, required


def invalid(place: str, sentence: str) -> CniError:
    """Return the error for a value that is wrong: code 7, and where it is."""
    return CniError(INVALID_CONFIG, f"{place}: {sentence}" if place else sentence)


def read(keys: Sequence[ConfigKey], data: Any, place: str = "", lenient: bool = False) -> dict[str, Any]:
    """Check an object against a description; return the values of all its keys, with defaults for those that are absent.

    A key that is null is absent, as for programs in Go.  Raises `CniError`: code 2 for a key that is not described (unless
    ``lenient``: then it is kept as it is), 7 for a value of a wrong type, and for a key that is required and absent.
    """
    if not isinstance(data, dict):
        raise invalid(place, f"expected an object, not {shown(data)}")
    known = {key.name: key for key in keys}
    found: dict[str, Any] = {}
    for name, value in data.items():
        where = f"{place}.{name}" if place else name
        key = known.get(name)
        if key is not None:
            if value is not None:
                found[name] = key.type.read(value, where)
        elif lenient:
            found[name] = value
        else:
            raise CniError(
                UNSUPPORTED_FIELD, f"{where}: there is no such key{_similar(name, known)}; its value is {shown(value)}"
            )
    for key in keys:
        if key.name not in found:
            if key.required:
                raise invalid(place, f"the key {key.name} is required")
            found[key.name] = key.default
    return found


def _similar(name: str, known: Mapping[str, ConfigKey]) -> str:
    same = [one for one in known if one.lower() == name.lower()]
    return f" (but {same[0]})" if same else ""


def scalar(name: str, *types: type) -> KeyType:
    """Return a type of values that are kept as they are."""

    def check(value: Any, place: str) -> Any:
        if type(value) not in types:
            raise invalid(place, f"expected {name}, not {shown(value)}")
        return value

    return KeyType(name, check)


def converted(name: str, convert: Callable[[Any], Any]) -> KeyType:
    """Return a type of values that a function converts; its `InvalidValue` says what is wrong."""

    def check(value: Any, place: str) -> Any:
        if type(value) is not str:
            raise invalid(place, f"expected {name} as a string, not {shown(value)}")
        try:
            return convert(value)
        except InvalidValue as error:
            raise invalid(place, str(error)) from None

    return KeyType(name, check)


def number(low: int, high: int) -> KeyType:
    """Return the type of integers within limits."""
    name = f"a number from {low} to {high}"

    def check(value: Any, place: str) -> int:
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int or not low <= value <= high:
            raise invalid(place, f"expected {name}, not {shown(value)}")
        return value

    return KeyType(name, check)


def choice(*words: str) -> KeyType:
    """Return the type of some words."""
    name = f"one of {', '.join(words)}"

    def check(value: Any, place: str) -> str:
        if type(value) is not str or value not in words:
            raise invalid(place, f"expected {name}, not {shown(value)}")
        return value

    return KeyType(name, check)


def refused(reason: str) -> KeyType:
    """Return the type of a key of the reference implementation that is left out: it may be empty, and is refused otherwise."""

    def check(value: Any, place: str) -> None:
        if value:
            raise CniError(UNSUPPORTED_FIELD, f"{place}: {reason}")

    return KeyType(f"empty: {reason}", check)


def list_of(item: KeyType) -> KeyType:
    """Return the type of lists."""

    def check(value: Any, place: str) -> list[Any]:
        if not isinstance(value, list):
            raise invalid(place, f"expected a list, not {shown(value)}")
        if len(value) > MAX_ITEMS:
            raise invalid(place, f"a list of {len(value)} items; at most {MAX_ITEMS} are read")
        return [item.read(one, f"{place}[{number}]") for number, one in enumerate(value)]

    return KeyType(f"a list: {item.name}", check, item.keys)


def table(keys: Sequence[ConfigKey], lenient: bool = False) -> KeyType:
    """Return the type of objects that have these keys."""
    return KeyType("an object", lambda value, place: read(keys, value, place, lenient), keys)


def texts(name: str) -> KeyType:
    """Return the type of objects whose values are strings."""

    def check(value: Any, place: str) -> dict[str, str]:
        if not isinstance(value, dict) or not all(type(one) is str for one in value.values()):
            raise invalid(place, f"expected {name}, not {shown(value)}")
        return value

    return KeyType(name, check)


def _mac(text: str) -> str:
    octets = text.replace("-", ":").lower().split(":")
    try:
        packed = bytes(int(one, 16) for one in octets if len(one) == 2)
    except ValueError:
        packed = b""
    if len(packed) != 6 or len(octets) != 6 or packed[0] & 1 or not any(packed):
        raise InvalidValue(f"{shown(text)} is not the MAC address of an interface")
    return ":".join(octets)


def plain_address(text: str) -> Prefix:
    """Return an address; an IPv4 address that is written as an IPv6 address (``::ffff:10.1.0.2``) becomes an IPv4 address.

    Raises `InvalidValue`.
    """
    found = prefix.address(text)
    if found in IPV4_MAPPED:
        return prefix.Prefix.of(uapi.AF_INET, found.number & 0xFFFFFFFF)
    return found


def _network(text: str) -> Prefix:
    if "/" not in text:
        raise InvalidValue(f"{shown(text)} is not a network, such as 10.1.0.0/16")
    found = prefix.parse(text)
    if found in IPV4_MAPPED:
        raise InvalidValue(f"{text} is an IPv4 network in the form of IPv6")
    return found


def _subnet(text: str) -> Prefix:
    found = _network(text)
    if found.address != found.network.address:
        raise InvalidValue(f"{text} has host bits set; the network is {found.network}")
    return found


TEXT = scalar("a string", str)
FLAG = scalar("true or false", bool)
OBJECT = scalar("an object", dict)
ANY = KeyType("anything", lambda value, place: value)
MAC = converted("a MAC address", _mac)
IP = converted("an address", lambda text: plain_address(text).address)
CIDR = converted("an address and prefix length", _network)
SUBNET = converted("a network", _subnet)
LINK = converted("the name of an interface", check_name)
MTU = number(0, 65535)
VLAN = number(0, MAX_VID)
MAC_TYPE = _mac
