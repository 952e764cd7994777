"""The tables of a lab file: the keys of each, derived from the rows of the properties.

`reference` writes the reference page and the JSON Schema from the same tables.
"""

from __future__ import annotations

from . import values
from .host_keys import COUNT, HOST_KEYS, NETNS, TableValue
from .kinds import TABLES, by_table
from .properties import LINK_PROPERTIES, SHAPE_KEYS, Key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .interface import Interface

    Keys = dict[str, Key]

HOST = Key("host", values.TEXT, "host that it is in; `root` is the namespace that the lab is built from")
BRIDGE = Key("bridge", values.TEXT, "bridge that it is a port of, instead of `host`")
VRF = Key("vrf", values.INTERFACE_NAME, "VRF of the same host that it belongs to")
VLANS = Key("vlans", values.ListOf(values.VLAN_ID), "VLANs of a bridge port; the first one for untagged frames")
NAME = Key("name", values.INTERFACE_NAME, "name of the interface; by default eth0, eth1 ..., or at a bridge the other host's")
ADDRESSES = Key("addresses", values.ListOf(values.INTERFACE_ADDRESS), "addresses with prefix length; count up with `count`")
PARENT = Key("parent", values.TEXT, 'interface that it stands on, "HOST:NAME", or "NAME" for one of the same host', required=True)
ENDS = Key("ends", values.Value({"type": "array", "minItems": 2, "maxItems": 2}), "the two ends", required=True)
LOOP = Key("loop", values.FLAG, "whether the wire may close a loop of bridges without spanning tree protocol")
LAB_NAME = Key(
    "name", values.Value({"type": "string", "pattern": "^[\\w-]{1,64}$"}), "name of the lab; by default that of the file"
)


def keys_of(*several: Iterable[Key] | Key) -> Keys:
    """Return the keys of a table, by name."""
    found: Keys = {}
    for one in several:
        for key in (one,) if isinstance(one, Key) else one:
            found[key.name] = key
    return found


def link_keys(kind: type[Interface]) -> Keys:
    """Return the keys of a table that describes links of one kind."""
    place: tuple[Key, ...] = (HOST, BRIDGE, VLANS) if kind.bridgeable else (HOST,)
    place += () if kind.routes else (VRF,)
    parent = (PARENT,) if kind.stacked else ()
    return keys_of(place, parent, kind.properties, NAME, ADDRESSES, LINK_PROPERTIES, SHAPE_KEYS)


def bridge_keys() -> Keys:
    """Return the keys of a table that describes a bridge."""
    from .kinds.bridge import Bridge

    return keys_of(HOST, ADDRESSES, Bridge.properties, LINK_PROPERTIES)


HOST_TABLE = keys_of(COUNT, NETNS, HOST_KEYS)
WIRE_TABLE = keys_of(ENDS, LOOP, [row for row in LINK_PROPERTIES if row.name != "mac"], SHAPE_KEYS)
SHORT_END = keys_of(NAME, ADDRESSES)
END_TABLE = keys_of(HOST, BRIDGE, VRF, VLANS, SHORT_END.values(), LINK_PROPERTIES, SHAPE_KEYS)
ROUTE_TABLE = keys_of(
    Key("to", values.TEXT, "destination: a prefix, or `default`", required=True),
    Key("via", values.ADDRESS, "gateway"),
    Key("dev", values.INTERFACE_NAME, "interface"),
    Key("metric", values.METRIC, "the lowest of several routes is used"),
)
TOP = ("name", "hosts", "bridges", "wires", *TABLES)

__all__ = [
    "END_TABLE",
    "HOST_TABLE",
    "Keys",
    "LAB_NAME",
    "ROUTE_TABLE",
    "SHORT_END",
    "TOP",
    "TableValue",
    "WIRE_TABLE",
    "bridge_keys",
    "by_table",
    "link_keys",
]
