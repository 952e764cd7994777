"""The kinds of links that a lab can have: one class each, and one module a family.

To add a kind, write its class (`standalone.Dummy` is the shortest) and name it in `TABLES`; everything else is derived.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..interface import Interface

# The tables of a lab file that describe links, in the order in which they are read: of each the kernel's name for the kind of
# link, the module, and the class.  A table comes before those whose links can stand on its own.  Wires and bridges have a
# grammar of their own (`parse`).
TABLES: dict[str, tuple[str, str, str]] = {
    "vrfs": ("vrf", "standalone", "Vrf"),
    "dummies": ("dummy", "standalone", "Dummy"),
    "taps": ("tun", "standalone", "Tap"),
    "vxlans": ("vxlan", "tunnel", "Vxlan"),
    "geneves": ("geneve", "tunnel", "Geneve"),
    "vlans": ("vlan", "stacked", "VlanDevice"),
    "macvlans": ("macvlan", "stacked", "Macvlan"),
    "macvtaps": ("macvtap", "stacked", "Macvtap"),
    "ipvlans": ("ipvlan", "stacked", "Ipvlan"),
}


def by_table(table: str) -> type[Interface]:
    """Return the class that a table of a lab file describes; its module is imported at the first use."""
    _, module, name = TABLES[table]
    kind: type[Interface] = getattr(__import__(f"{__name__}.{module}", fromlist=[name]), name)
    return kind


def by_kind(kind: str | None) -> type[Interface] | None:
    """Return the class for the kernel's name of a kind of link; None for one that no table describes."""
    return next((by_table(table) for table, (name, _, _) in TABLES.items() if name == kind), None)


def all_kinds() -> Iterator[type[Interface]]:
    """Yield all classes that a table describes, in the order of the tables."""
    for table in TABLES:
        yield by_table(table)
