"""The tables of a description: which keys each has, and the reading of one by its rows.

Floor 6, pure.  A row is a key and how its value is read (`values`).  What cannot be is noted with its place and left out,
and the reading goes on, so that all faults come at once; a key without a row is one of them.
"""

from __future__ import annotations

from ..errors import InvalidValue
from . import value_parsers
from .check import Fault
from .document import Pairs, Where

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Union

    from .document import Path, Source

    Read = Callable[[Any], Any]  # the value of a key, as the model takes it; raises `InvalidValue`
    Rows = dict[str, Any]  # by key: a `Read`, an `Each`, or the rows of a table in the table
    Row = Union[Read, "Each", Rows]


class Each:
    """A value that is a list, or the one element of it; each element is read by ``row``."""

    __slots__ = ("row",)

    def __init__(self, row: Row) -> None:
        self.row = row


def whatever(value: Any) -> Any:
    """A value that is read later."""
    return value


SHAPE: Rows = {word: value_parsers.shaped(word) for word in value_parsers.SHAPES}
SETTINGS: Rows = {"mac": value_parsers.mac, "mtu": value_parsers.mtu, "up": value_parsers.flag}
INTERFACE: Rows = {"name": value_parsers.interface, "addresses": Each(value_parsers.interface_address), **SETTINGS, **SHAPE}
PLACE: Rows = {"host": value_parsers.text, "bridge": value_parsers.text, "vlans": Each(value_parsers.vlan)}

ROUTE: Rows = {
    "to": value_parsers.text,
    "via": value_parsers.address,
    "dev": value_parsers.interface,
    "metric": value_parsers.metric,
}
NAT: Rows = {"out": value_parsers.interface, "source": Each(value_parsers.text), "forward": Each(value_parsers.forward)}
HOST: Rows = {
    "netns": value_parsers.netns,
    "count": value_parsers.count,
    "gateway": Each(value_parsers.address),
    "routes": Each(ROUTE),
    "forward": value_parsers.flag,
    "sysctl": value_parsers.sysctls,
    "nat": Each(NAT),
    "hosts": value_parsers.names,
    "nameservers": Each(value_parsers.address),
    "search": Each(value_parsers.domain),
    "run": Each(value_parsers.command),
}
BRIDGE: Rows = {
    "host": value_parsers.text,
    "addresses": Each(value_parsers.interface_address),
    "stp": value_parsers.flag,
    "vlan_filtering": value_parsers.flag,
    "ageing": value_parsers.seconds,
    **SETTINGS,
}
WIRE: Rows = {"ends": whatever, "mtu": value_parsers.mtu, "up": value_parsers.flag, **SHAPE}
SHORT_END: Rows = {"name": value_parsers.interface, "addresses": Each(value_parsers.interface_address)}
END: Rows = {**PLACE, **INTERFACE}
MACVLAN: Rows = {"host": value_parsers.text, "parent": value_parsers.text, "mode": value_parsers.text, **INTERFACE}
TAP: Rows = {**PLACE, "owner": value_parsers.uid, **INTERFACE}
TUNNEL: Rows = {
    "vni": value_parsers.vni,
    "local": value_parsers.address,
    "remote": value_parsers.address,
    "port": value_parsers.udp_port,
}
VXLAN: Rows = {**PLACE, **TUNNEL, **INTERFACE}
WHOLE: Rows = dict.fromkeys(("name", "hosts", "bridges", "wires", "macvlans", "taps", "vxlans"), whatever)


class Said(dict):  # type: ignore[type-arg]
    """What a table says, with its ``path``, and whether all of it could be read (``whole``)."""

    def __init__(self, said: dict[str, Any], path: Path, whole: bool) -> None:
        super().__init__(said)
        self.path, self.whole = path, whole


class Tables:
    """Reads the tables of one `Source`, and gathers what is wrong with them in ``faults``."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.faults: list[str] = []

    def where(self, path: Path) -> Where:
        return Where(self.source, path)

    def note(self, path: Path, text: str) -> None:
        """Something is wrong."""
        self.faults.append(Fault(text, self.where(path)))

    def misspelt(self, path: Path, what: str, word: str, right: Iterable[str]) -> None:
        """No such word; the one that may have been meant, or all that there are where those are few."""
        right = list(right)
        near = value_parsers.nearest(word, right)
        hint = f"; did you mean {near}?" if near else f"; there is {value_parsers.listed(right)}" if 0 < len(right) < 20 else ""
        self.note(path, f"{what} is called {value_parsers.shown(word)}{hint}")

    def attempt(self, path: Path, make: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """What ``make`` makes, with its place; None, and a note, where that cannot be."""
        try:
            made = make(*args, **options)
        except InvalidValue as error:
            self.note(path, str(error))
            return None
        if hasattr(made, "where"):
            made.where = self.where(path)
        return made

    def table(self, value: Any, path: Path, rows: Rows, what: str) -> Said:
        """What a table says, as far as it can be read."""
        before, said = len(self.faults), Said({}, path, True)
        if not isinstance(value, dict):
            self.note(path, f"{value_parsers.shown(value)} is no table: {what} has {value_parsers.listed(rows)}")
            value = {}
        self.twice(value, path)
        for key, item in value.items():
            if key not in rows:
                self.misspelt((*path, key), f"nothing in {what}", key, rows)
                continue
            try:
                said[key] = self._value(item, (*path, key), rows[key], key)
            except InvalidValue as error:
                self.note((*path, key), str(error))
        said.whole = len(self.faults) == before
        return said

    def twice(self, value: dict[str, Any], path: Path) -> None:
        for key in value.twice if isinstance(value, Pairs) else ():
            self.note((*path, key), f"{value_parsers.shown(key)} stands here twice")

    def _value(self, item: Any, path: Path, row: Any, what: str) -> Any:
        if isinstance(row, Each):
            return self._each(item, path, row.row, what)
        return self.table(item, path, row, what) if isinstance(row, dict) else row(item)

    def _each(self, items: Any, path: Path, row: Any, what: str) -> list[Any]:
        """The elements of a list, or the one that stands in its place; those that can be."""
        places = [(*path, number) for number in range(len(items))] if isinstance(items, list) else [path]
        found = []
        for item, place in zip(items if isinstance(items, list) else [items], places):
            try:
                short = row is ROUTE and not isinstance(item, dict)
                found.append(Said(value_parsers.route(item), place, True) if short else self._value(item, place, row, what))
            except InvalidValue as error:
                self.note(place, str(error))
        return found

    def list(self, whole: dict[str, Any], key: str, rows: Rows) -> Iterable[Said]:
        """An array of tables, ``[[wires]]``, one after the other."""
        items = whole.get(key, [])
        if not isinstance(items, list):
            self.note((key,), f"{key} are a list: [[{key}]] in TOML, one for each")
            items = []
        for number, item in enumerate(items):
            yield self.table(item, (key, number), rows, f"one of {key}")
