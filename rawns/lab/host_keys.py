"""The keys of ``[hosts.NAME]``: one row each, with how it is applied to a host and how it is written back."""

from __future__ import annotations

from . import values
from .host import FORWARDING, Host
from .properties import Key
from .routes import RouteValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .values import Value

MAX_HOSTS = 65536  # of a whole lab: more namespaces than that no machine holds


class HostKey(Key):
    """A key of a host.  ``apply`` adds one value (of a list: each of its values); ``file_value`` returns the value for a file."""

    __slots__ = ("apply", "file_value")

    def __init__(
        self, name: str, value: Value, doc: str, apply: Callable[[Host, Any], object], file_value: Callable[[Host], Any]
    ) -> None:
        super().__init__(name, value, doc)
        self.apply, self.file_value = apply, file_value

    @property
    def item(self) -> Value:
        """The type of one value."""
        return self.value.item if isinstance(self.value, values.ListOf) else self.value


class TableValue(values.Value):
    """A table with keys of its own."""

    __slots__ = ("keys", "what")

    def __init__(self, what: str, *keys: Key) -> None:
        self.what, self.keys = what, {key.name: key for key in keys}
        schema: dict[str, Any] = {"type": "object", "properties": {key.name: key.value.schema for key in keys}}
        super().__init__({**schema, "required": [key.name for key in keys if key.required], "additionalProperties": False})


# -- what a host says -----------------------------------------------------------------------------------------------------


def _plain_gateways(host: Host) -> list[Any]:
    return [one for one in host.routes if not one.to.length and one.via and one.dev is None and one.metric is None]


def _gateways(host: Host) -> list[str]:
    return [one.via or "" for one in _plain_gateways(host)]


def _routes(host: Host) -> list[Any]:
    plain = _plain_gateways(host)
    return [one for one in host.routes if one not in plain]


def _forwards(host: Host) -> bool | None:
    return all((host.sysctls or {}).get(key) == "1" for key in FORWARDING) or None


def _sysctls(host: Host) -> dict[str, str]:
    forward = _forwards(host)
    return {key: value for key, value in (host.sysctls or {}).items() if not (forward and key in FORWARDING)}


def _add_nat(host: Host, entry: dict[str, Any]) -> None:
    host.nat(entry["out"], *entry.get("source", ()), forwards=entry.get("forward", ()))


def _nats(host: Host) -> list[dict[str, Any]]:
    found = []
    for nat in host.nats:
        forwards = [FORWARDING_VALUE.write(one) for one in nat.forwards]
        entry = {"out": nat.out, "source": list(nat.sources), "forward": forwards}
        found.append(
            {key: value[0] if isinstance(value, list) and len(value) == 1 else value for key, value in entry.items() if value}
        )
    return found


def _set_names(host: Host, text: str) -> None:
    host.files = {**(host.files or {}), "hosts": text}


def _names(host: Host) -> dict[str, Any]:
    return NAMES.write((host.files or {}).get("hosts", ""))


def _add_line(host: Host, line: str) -> None:
    files = host.files or {}
    host.files = {**files, "resolv.conf": files.get("resolv.conf", "") + line}


def _add_search(host: Host, word: str) -> None:
    """Add a domain: the resolver reads the last search line only, so there is one, and it comes first."""
    files = host.files or {}
    first, _, rest = files.get("resolv.conf", "").partition("\n")
    line = f"{first} {word}" if first.startswith("search ") else f"search {word}"
    rest = rest if first.startswith("search ") else files.get("resolv.conf", "")
    host.files = {**files, "resolv.conf": f"{line}\n{rest}"}


def _lines(host: Host, word: str) -> list[str]:
    lines = [line.split() for line in (host.files or {}).get("resolv.conf", "").splitlines()]
    return [each for words in lines if words[:1] == [word] for each in words[1:]]


def _add_command(host: Host, words: list[str]) -> None:
    host.commands = [*host.commands, words]


NAMES = values.NamesValue()
COMMAND = values.CommandValue()
FORWARDING_VALUE = values.ForwardingValue()
NAT = TableValue(
    "NAT",
    Key("out", values.INTERFACE_NAME, "the uplink", required=True),
    Key("source", values.ListOf(values.TEXT), "prefixes whose packets get the address of the uplink"),
    Key("forward", values.ListOf(FORWARDING_VALUE), 'ports forwarded in, like "tcp 8080 10.0.0.2:80"'),
)

# Before these come ``count`` and ``netns``, which say how many hosts there are and what their namespaces are called.
COUNT = Key("count", values.WholeNumber("a number of hosts", 1, MAX_HOSTS), "so many hosts, NAME1, NAME2 ...; addresses count up")
NETNS = Key("netns", values.NETNS_NAME, "name under /run/netns, instead of LAB.NAME")

HOST_KEYS: tuple[HostKey, ...] = (
    HostKey(
        "gateway",
        values.ListOf(values.PEER_ADDRESS),
        "default gateway, one of each family",
        lambda host, via: host.route("default", via),
        _gateways,
    ),
    HostKey(
        "routes",
        values.ListOf(RouteValue()),
        'routes, like "10.9.0.0/16 via 10.0.0.1 dev eth0 metric 10"',
        lambda host, entry: host.route(**entry),
        _routes,
    ),
    HostKey("forward", values.FLAG, "whether packets of others are forwarded", lambda host, on: host.forward(on), _forwards),
    HostKey(
        "sysctl",
        values.SYSCTLS,
        'settings below /proc/sys, like "net.ipv4.tcp_ecn" = 1',
        lambda host, entry: host.sysctl(entry),
        _sysctls,
    ),
    HostKey("nat", values.ListOf(NAT), "address translation out of an uplink", _add_nat, _nats),
    HostKey("hosts", NAMES, "names and addresses for /etc/hosts", _set_names, _names),
    HostKey(
        "search",
        values.ListOf(values.DOMAIN),
        "domains for /etc/resolv.conf",
        _add_search,
        lambda host: _lines(host, "search"),
    ),
    HostKey(
        "nameservers",
        values.ListOf(values.ADDRESS),
        "addresses for /etc/resolv.conf",
        lambda host, one: _add_line(host, f"nameserver {one}\n"),
        lambda host: _lines(host, "nameserver"),
    ),
    HostKey(
        "run",
        values.ListOf(COMMAND),
        "commands to run inside, after everything is up",
        _add_command,
        lambda host: list(host.commands),
    ),
)
