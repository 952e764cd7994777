"""Types of the values in a lab file: how each is read, written back, and described by JSON Schema.

``read`` takes a value as TOML or JSON has it (or as a Python caller gives it) and returns it as the description stores it;
it raises `InvalidValue` with a sentence that shows the value.  ``write`` is the inverse.  ``encode`` and ``decode``
convert between the stored value and that of a netlink attribute.
"""

from __future__ import annotations

from .. import sysctl, uapi
from ..errors import InvalidValue
from ..netns_names import check
from ..objects import link, prefix
from .words import (
    decimal,
    domain,
    firewall_rule,
    interface_address,
    interface_name,
    label,
    mac_text,
    peer_address,
    quote,
    tunnel_address,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

MAX_TEXT = 255  # characters of a name or an address


# -- types ----------------------------------------------------------------------------------------------------------------


class Value:
    """A type of value.  ``schema`` is its JSON Schema; ``expected`` completes "expected ..." in an error."""

    __slots__ = ("expected", "schema")

    def __init__(self, schema: dict[str, Any], expected: str = "") -> None:
        self.schema, self.expected = schema, expected

    def read(self, value: Any) -> Any:
        """Return the value as the description stores it.  Raises `InvalidValue`."""
        return value

    def write(self, value: Any) -> Any:
        """Return a stored value as a file has it."""
        return value

    def encode(self, value: Any) -> Any:
        """Return a stored value as a netlink attribute has it."""
        return value

    def decode(self, raw: Any) -> Any:
        """Return the value of a netlink attribute as the description stores it."""
        return raw

    def show(self, value: Any) -> str:
        """Return a stored value in a line of a plan."""
        return str(value)


class TextValue(Value):
    """Any text that is valid Unicode."""

    __slots__ = ()

    def __init__(self, **schema: Any) -> None:
        super().__init__({"type": "string", **schema})

    def read(self, value: Any) -> Any:
        if not isinstance(value, str):
            raise InvalidValue(f'{quote(value)} is not a text: a text stands in quotes, like "web"')
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise InvalidValue(f"{quote(value)} is not valid Unicode") from None
        return value


class CheckedText(TextValue):
    """A text that a function checks and may rewrite."""

    __slots__ = ("check",)

    def __init__(self, check: Callable[[str], Any], **schema: Any) -> None:
        super().__init__(**schema)
        self.check = check

    def read(self, value: Any) -> Any:
        if isinstance(value, str) and len(value) > MAX_TEXT:
            raise InvalidValue(f"{quote(value)} is longer than any name or address")
        return self.check(TextValue.read(self, value))

    def write(self, value: Any) -> str:
        return str(value)


class FlagValue(Value):
    """``true`` or ``false``."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__({"type": "boolean"})

    def read(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise InvalidValue(f"{quote(value)} is neither true nor false")
        return value

    def encode(self, value: bool) -> int:
        return int(value)

    def decode(self, raw: int) -> bool:
        return bool(raw)

    def show(self, value: bool) -> str:
        return "on" if value else "off"


class WholeNumber(Value):
    """A whole number between two limits."""

    __slots__ = ("least", "most", "what")

    def __init__(self, what: str, least: int, most: int) -> None:
        self.what, self.least, self.most = what, least, most
        super().__init__({"type": "integer", "minimum": least, "maximum": most}, f"a whole number from {least} to {most}")

    def read(self, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not self.least <= value <= self.most:
            raise InvalidValue(f"{quote(value)} is not {self.what}: expected {self.expected}")
        return value


class SecondsValue(Value):
    """A time in seconds, which the kernel counts in hundredths (USER_HZ)."""

    __slots__ = ()

    MAX = 1_000_000

    def __init__(self) -> None:
        super().__init__({"type": "number", "minimum": 0, "maximum": self.MAX})

    def read(self, value: Any) -> float:
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= self.MAX:
            raise InvalidValue(f"{quote(value)} is not a time: expected a number of seconds up to a million")
        return round(value * 100) / 100

    def write(self, value: float) -> Any:
        return int(value) if value == int(value) else value

    def encode(self, value: float) -> int:
        return round(value * 100)

    def decode(self, raw: int) -> float:
        return raw / 100

    def show(self, value: float) -> str:
        return f"{value:g} s"


class Choice(Value):
    """One of several words, each with the number that the kernel has for it."""

    __slots__ = ("numbers", "what", "words")

    def __init__(self, what: str, numbers: Mapping[str, int]) -> None:
        self.what, self.numbers, self.words = what, numbers, {number: word for word, number in numbers.items()}
        super().__init__({"enum": list(numbers)})

    def read(self, value: Any) -> Any:
        if not isinstance(value, str) or value not in self.numbers:
            raise InvalidValue(f"{quote(value)} is not {self.what}: expected one of {', '.join(self.numbers)}")
        return value

    def encode(self, value: str) -> int:
        return self.numbers[value]

    def decode(self, raw: int) -> str:
        return self.words.get(raw, str(raw))


class QuantityValue(Value):
    """A rate, size, time or share in the words of tc(8): ``10mbit``, ``16kb``, ``20ms``, ``1%``; or a number in base units."""

    __slots__ = ("unit",)

    def __init__(self, unit: str) -> None:
        self.unit = unit
        super().__init__({"type": ["string", "number"]})

    def read(self, value: Any) -> Any:
        from ..objects import units

        if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 63:
            raise InvalidValue(f"{quote(value)} is not a {self.unit}")
        {"rate": units.rate, "size": units.size, "share": units.fraction, "time": units.seconds}[self.unit](value)
        return value


class ListOf(Value):
    """A list of values of one type; a single value may stand for a list of one."""

    __slots__ = ("item",)

    def __init__(self, item: Value) -> None:
        self.item = item
        super().__init__({"anyOf": [item.schema, {"type": "array", "items": item.schema}]})

    def write(self, value: Sequence[Any]) -> Any:
        found = [self.item.write(one) for one in value]
        return found[0] if len(found) == 1 and not isinstance(found[0], list) else found


# -- values with a grammar ------------------------------------------------------------------------------------------------


class ForwardingValue(TextValue):
    """``tcp 8080 10.0.0.2:80``: connections to a port of the uplink go on to an address and a port."""

    __slots__ = ()

    def read(self, value: Any) -> Any:
        from ..nft.nat import Forward

        words = TextValue.read(self, value).split()
        if len(words) != 3 or words[0] not in ("tcp", "udp"):
            raise InvalidValue(f'{quote(value)} does not forward a port: expected "tcp 8080 10.0.0.2:80"')
        target, colon, far = words[2].rpartition(":")
        if not colon:
            target, far = words[2], words[1]
        ports = []
        for number in (decimal(words[1]), decimal(far)):
            if not isinstance(number, int):
                raise InvalidValue(f"{quote(number)} is not a port, a number from 1 to 65535")
            ports.append(number)
        return Forward(words[0], ports[0], target.strip("[]"), ports[1])

    def write(self, value: Any) -> str:
        target = f"[{value.address}]" if ":" in value.address else value.address
        return f"{value.protocol} {value.port} {target}:{value.to_port}"


SYSCTL_PARTS = ("bridge", "core", "ipv4", "ipv6", "mptcp", "netfilter", "unix")  # directories of /proc/sys/net


class SysctlsValue(Value):
    """A table of settings below /proc/sys/net and their values."""

    __slots__ = ()

    def __init__(self) -> None:
        names = {"propertyNames": {"pattern": "^net[./]"}}
        super().__init__({"type": "object", "additionalProperties": {"type": ["string", "integer", "boolean"]}, **names})

    def read(self, value: Any) -> dict[str, object]:
        if not isinstance(value, dict):
            raise InvalidValue(f'{quote(value)} is not a table: sysctl = {{ "net.ipv4.ip_forward" = 1 }}')
        found: dict[str, object] = {}
        for key, one in value.items():
            if not isinstance(key, str):
                raise InvalidValue(f"{quote(key)} is not the name of a setting")
            parts = key.replace("/", ".").split(".")
            if isinstance(one, dict) or not key.startswith(("net.", "net/")) or "" in parts or not key.isprintable():
                text = "is not a setting of a network namespace: those begin with net, and stand in quotes because of their dots"
                near = f"; did you mean {quote('net.' + key)}?" if parts[0] in SYSCTL_PARTS else ""
                raise InvalidValue(f"{quote(key)} {text}{near}")
            if not isinstance(one, (str, int)) or (isinstance(one, int) and abs(one) >= 1 << 64):
                raise InvalidValue(f"{key} is set to {quote(one)}: expected a number or a text")
            if parts[-1] == "flush":
                raise InvalidValue(f"{quote(key)} is an action and no setting: it cannot be read back")
            found[key] = int(one) if isinstance(one, bool) else TEXT.read(one) if isinstance(one, str) else one
            if isinstance(one, str) and ("\n" in one or "\0" in one or len(one) >= sysctl.MAX_VALUE_BYTES):
                raise InvalidValue(
                    f"the value of {quote(key)} must be one line of at most {sysctl.MAX_VALUE_BYTES - 1} characters"
                )
        return found


SYSCTLS = SysctlsValue()


class NamesValue(Value):
    """A table of host names and their addresses, for /etc/hosts."""

    __slots__ = ()

    LOCALHOST = "127.0.0.1\tlocalhost\n::1\tlocalhost\n"

    def __init__(self) -> None:
        addresses = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
        super().__init__({"type": "object", "additionalProperties": addresses})

    def read(self, value: Any) -> str:
        """Return the content of /etc/hosts."""
        if not isinstance(value, dict):
            raise InvalidValue(f'{quote(value)} is not a table of names: hosts = {{ db = "10.0.0.3" }}')
        lines = []
        for name, addresses in value.items():
            for one in addresses if isinstance(addresses, list) else [addresses]:
                lines.append(f"{prefix.address(TEXT.read(one)).address}\t{domain(name)}\n")
        return self.LOCALHOST + "".join(lines)

    def write(self, value: str) -> dict[str, Any]:
        names: dict[str, list[str]] = {}
        for line in value[len(self.LOCALHOST) :].splitlines() if value.startswith(self.LOCALHOST) else value.splitlines():
            address, _, name = line.partition("\t")
            names.setdefault(name, []).append(address)
        return {name: found[0] if len(found) == 1 else found for name, found in names.items()}


class CommandValue(Value):
    """A command: a text for the shell, or a list of words that is run as it is."""

    __slots__ = ()

    SHELL = ["/bin/sh", "-c"]

    def __init__(self) -> None:
        super().__init__({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]})

    def read(self, value: Any) -> list[str]:
        words = [*self.SHELL, value] if isinstance(value, str) and value.strip() else value
        right = isinstance(words, list) and words and all(isinstance(word, str) and "\0" not in word for word in words)
        if not right or not words[0]:
            raise InvalidValue(f"{quote(value)} is not a command: expected a text for the shell, or a list of words")
        return [TEXT.read(word) for word in words]

    def write(self, value: list[str]) -> Any:
        return value[2] if len(value) == 3 and value[:2] == self.SHELL and value[2].strip() else value


TEXT = TextValue()
FLAG = FlagValue()
SECONDS = SecondsValue()
LABEL = CheckedText(label, pattern=r"^[^\W][\w.-]{0,63}$")
NETNS_NAME = CheckedText(check, minLength=1, maxLength=255)
INTERFACE_NAME = CheckedText(interface_name, minLength=1, maxLength=15, pattern=r"^[^\s/:%]+$")
DOMAIN = CheckedText(domain)
ADDRESS = CheckedText(lambda word: prefix.address(word).address)
PEER_ADDRESS = CheckedText(peer_address)
TUNNEL_ADDRESS = CheckedText(tunnel_address)
INTERFACE_ADDRESS = CheckedText(interface_address, pattern="/[0-9]+$")
MAC_ADDRESS = CheckedText(mac_text, pattern="^[0-9A-Fa-f]{1,2}([:-][0-9A-Fa-f]{1,2}){5}$")
VLAN_ID = WholeNumber("a VLAN", link.MIN_VID, link.MAX_VID)
UDP_PORT = WholeNumber("a UDP port", 1, 65535)
FIREWALL_RULE = CheckedText(firewall_rule, pattern="^(allow|deny) +(in|out|forward)( |$)")
METRIC = WholeNumber("a metric", 0, uapi.UINT32_MAX)
USER_ID = WholeNumber("a user id", 0, uapi.UINT32_MAX - 1)
