"""The kinds of links that a lab can have: one class each, and one module a family.

To add a kind, write its module (`dummy` is the shortest) and name it in `TABLES`; everything else is derived.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..interface import Interface

# The tables of a lab file that describe links, in the order in which they are read: of each the module, and the kernel's name
# for the kind of link.  A table comes before those whose links can stand on its own.  Wires and bridges have a grammar of
# their own (`parse`).
TABLES: dict[str, tuple[str, str]] = {
    "vrfs": ("vrf", "vrf"),
    "dummies": ("dummy", "dummy"),
    "taps": ("tap", "tun"),
    "vxlans": ("vxlan", "vxlan"),
    "geneves": ("geneve", "geneve"),
    "vlans": ("vlan", "vlan"),
    "macvlans": ("macvlan", "macvlan"),
    "macvtaps": ("macvlan", "macvtap"),
    "ipvlans": ("ipvlan", "ipvlan"),
}


def by_table(table: str) -> type[Interface]:
    """Return the class that a table of a lab file describes; its module is imported at the first use."""
    module = __import__(f"{__name__}.{TABLES[table][0]}", fromlist=["KINDS"])
    kind: type[Interface] = module.KINDS[table]
    return kind


def by_kind(kind: str | None) -> type[Interface] | None:
    """Return the class for the kernel's name of a kind of link; None for one that no table describes."""
    return next((by_table(table) for table, (_, name) in TABLES.items() if name == kind), None)


def all_kinds() -> Iterator[type[Interface]]:
    """Yield all classes that a table describes, in the order of the tables."""
    for table in TABLES:
        yield by_table(table)
