"""The tables of a lab file: the keys of each, derived from the rows of the properties.

The parser, `export`, the reference page and the JSON Schema read these tables.
"""

from __future__ import annotations

from ..errors import InvalidValue
from . import values
from .host import FORWARDING, Host
from .kinds import TABLES
from .presets import LINKS, UPLINKS, apply_uplink, link_preset, split_uplink
from .properties import LINK_PROPERTIES, SHAPE_KEYS, Key
from .words import decimal, join_words, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .host import LabRoute
    from .interface import Interface
    from .values import Value

    Keys = dict[str, Key]

MAX_HOSTS = 65536  # of a whole lab: more namespaces than that no machine holds
EXAMPLE_ROUTE = "10.9.0.0/16 via 10.0.0.1 dev eth0 metric 10"


def keys_of(*several: Iterable[Key] | Key) -> Keys:
    """Return the keys of a table, by name."""
    found: Keys = {}
    for one in several:
        for key in (one,) if isinstance(one, Key) else one:
            found[key.name] = key
    return found


class TableValue(values.Value):
    """A table with keys of its own."""

    __slots__ = ("keys", "what")

    def __init__(self, what: str, *keys: Key) -> None:
        self.what, self.keys = what, keys_of(keys)
        schema: dict[str, Any] = {"type": "object", "properties": {key.name: key.value.schema for key in keys}}
        super().__init__({**schema, "required": [key.name for key in keys if key.required], "additionalProperties": False})

    def expand(self, value: Any) -> dict[str, Any] | None:
        """Return the table that a shorter form stands for; None for what is, or should be, a table.  Raises `InvalidValue`."""
        return None


class RouteValue(TableValue):
    """A route: a text like ``10.0.0.0/8 via 10.0.0.1 dev eth0 metric 10``, or a table with these keys."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(
            "a route",
            Key("to", values.TEXT, "destination: a prefix, or `default`", required=True),
            Key("via", values.ADDRESS, "gateway"),
            Key("dev", values.INTERFACE_NAME, "interface"),
            Key("metric", values.METRIC, "the lowest of several routes is used"),
        )
        self.schema = {"anyOf": [{"type": "string"}, self.schema]}

    def expand(self, value: Any) -> dict[str, Any] | None:
        if isinstance(value, dict):
            return None
        words = value.split() if isinstance(value, str) else []
        if len(words) % 2 == 0:
            raise InvalidValue(f'{quote(value)} is not a route: expected a text like "{EXAMPLE_ROUTE}"')
        entry: dict[str, Any] = {"to": words[0]}
        for key, word in zip(words[1::2], words[2::2]):
            if key not in ("via", "dev", "metric") or key in entry:
                text = f"unexpected {quote(key)}; after the destination come via, dev and metric, once each"
                raise InvalidValue(f"{quote(value)} is not a route: {text}")
            entry[key] = values.METRIC.read(decimal(word)) if key == "metric" else word
        return entry

    def write(self, value: LabRoute) -> str:
        return str(value)


# -- hosts ----------------------------------------------------------------------------------------------------------------


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
    host.nat(entry["out"], *entry.get("source", ()), forwards=entry.get("forward", ()), random=entry.get("random", False))


def _nats(host: Host) -> list[dict[str, Any]]:
    found = []
    for nat in host.nats:
        forwards = [FORWARDING_VALUE.write(one) for one in nat.forwards]
        entry = {"out": nat.out, "source": list(nat.sources), "forward": forwards, "random": nat.random}
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


def _uplink(text: str) -> str:
    split_uplink(text)
    return text


def _preset(text: str) -> str:
    link_preset(text)
    return text


ROUTE = RouteValue()
NAMES = values.NamesValue()
COMMAND = values.CommandValue()
FORWARDING_VALUE = values.ForwardingValue()
NAT = TableValue(
    "NAT",
    Key("out", values.INTERFACE_NAME, "the uplink", required=True),
    Key("source", values.ListOf(values.TEXT), "prefixes whose packets get the address of the uplink"),
    Key("forward", values.ListOf(FORWARDING_VALUE), 'ports forwarded in, like "tcp 8080 10.0.0.2:80"'),
    Key("random", values.FLAG, "whether each connection gets a source port at random, and does not keep its own"),
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
    HostKey("routes", values.ListOf(ROUTE), f'routes, like "{EXAMPLE_ROUTE}"', lambda host, entry: host.route(**entry), _routes),
    HostKey("forward", values.FLAG, "whether packets of others are forwarded", lambda host, on: host.forward(on), _forwards),
    HostKey(
        "sysctl",
        values.SYSCTLS,
        'settings below /proc/sys, like "net.ipv4.tcp_ecn" = 1',
        lambda host, entry: host.sysctl(entry),
        _sysctls,
    ),
    HostKey("nat", values.ListOf(NAT), "address translation out of an uplink", _add_nat, _nats),
    HostKey(
        "uplink",
        values.CheckedText(_uplink),
        f'its kind as a router, {join_words(list(UPLINKS))}, out of eth0 or "on" another interface: "home on wan"',
        apply_uplink,
        lambda host: None,  # it has become NAT and rules of a firewall
    ),
    HostKey(
        "firewall",
        values.ListOf(values.FIREWALL_RULE),
        'rules, of which the first that matches decides, like "deny in tcp port 22 from 10.9.0.0/16"',
        lambda host, rule: host.add_rule(rule),
        lambda host: list(host.firewall),
    ),
    HostKey("hosts", NAMES, "names and addresses for /etc/hosts", _set_names, _names),
    HostKey(
        "search", values.ListOf(values.DOMAIN), "domains for /etc/resolv.conf", _add_search, lambda host: _lines(host, "search")
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
    HostKey(
        "machine",
        values.TEXT,
        "machine that it is on, of a lab that spans several",
        lambda host, name: setattr(host, "machine", name),
        lambda host: host.machine,
    ),
)

# -- machines -------------------------------------------------------------------------------------------------------------

MACHINE = Key("machine", values.TEXT, "machine that it is on, of a lab that spans several")
SPREAD = Key("spread", values.Choice("a way to spread hosts", {"even": 0}), "how hosts that name no machine get one")
MACHINE_TABLE = keys_of(
    Key("ssh", values.TEXT, 'destination of ssh(1), "user@host", which must not ask for a password'),
    Key(
        "run",
        values.ListOf(values.TEXT),
        'instead: any command that gives a shell there, like ["docker", "exec", "-i", "x", "sh"]',
    ),
    Key(
        "address", values.TUNNEL_ADDRESS, "address by which the other machines reach it; by default the one that ssh connected to"
    ),
    Key("sudo", values.FLAG, "whether Python is started by `sudo -n` there"),
    Key("python", values.TEXT, "Python there, 3.9 or newer (python3)"),
)

# -- links ----------------------------------------------------------------------------------------------------------------

HOST = Key("host", values.TEXT, "host that it is in; `root` is the namespace that the lab is built from")
BRIDGE = Key("bridge", values.TEXT, "bridge that it is a port of, instead of `host`")
VRF = Key("vrf", values.INTERFACE_NAME, "VRF of the same host that it belongs to")
VLANS = Key("vlans", values.ListOf(values.VLAN_ID), "VLANs of a bridge port; the first one for untagged frames")
NAME = Key("name", values.INTERFACE_NAME, "name of the interface; by default eth0, eth1 ..., or at a bridge the other host's")
ADDRESSES = Key("addresses", values.ListOf(values.INTERFACE_ADDRESS), "addresses with prefix length; count up with `count`")
PARENT = Key("parent", values.TEXT, 'interface that it stands on, "HOST:NAME", or "NAME" for one of the same host', required=True)
UNDERLAY = Key("underlay", values.TEXT, "host whose network carries its packets, if not its own; `root` as for `host`")
ENDS = Key("ends", values.Value({"type": "array", "minItems": 2, "maxItems": 2}), "the two ends", required=True)
LOOP = Key("loop", values.FLAG, "whether the wire may close a loop of bridges without spanning tree protocol")
PRESET = Key(
    "preset",
    values.CheckedText(_preset, enum=list(LINKS)),
    f"kind of link, whose user is at the first end: {join_words(list(LINKS))}",
)
LAB_NAME = Key(
    "name", values.Value({"type": "string", "pattern": "^[\\w-]{1,64}$"}), "name of the lab; by default that of the file"
)


def link_keys(kind: type[Interface]) -> Keys:
    """Return the keys of a table that describes links of one kind."""
    place: tuple[Key, ...] = (HOST, BRIDGE, VLANS) if kind.bridgeable else (HOST,)
    place += () if kind.routes else (VRF,)
    parent = (PARENT,) if kind.stacked else (UNDERLAY,) if kind.tunnel else ()
    return keys_of(place, parent, kind.properties, NAME, ADDRESSES, LINK_PROPERTIES, SHAPE_KEYS)


def bridge_keys() -> Keys:
    """Return the keys of a table that describes a bridge."""
    from .kinds.bridge import Bridge

    return keys_of(HOST, MACHINE, ADDRESSES, Bridge.properties, LINK_PROPERTIES)


HOST_TABLE = keys_of(COUNT, NETNS, HOST_KEYS)
WIRE_TABLE = keys_of(ENDS, LOOP, PRESET, [row for row in LINK_PROPERTIES if row.name != "mac"], SHAPE_KEYS)
SHORT_END = keys_of(NAME, ADDRESSES)
END_TABLE = keys_of(HOST, BRIDGE, VRF, VLANS, SHORT_END.values(), LINK_PROPERTIES, SHAPE_KEYS)
TOP = ("name", "hosts", "bridges", "wires", *TABLES, "machines", SPREAD.name)
