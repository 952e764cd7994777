"""Reads of rows of output: functions of a value, its record and the options of the command that return what is shown."""

from __future__ import annotations

from .render import JsonObject, OutputField, OutputGroup, OutputRow, fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Body, IpContext, Iterable, Iterator, Read, Row, Sequence
    from .render import Cached, Colour


def nonzero(value: int, record: Body, ip: Any) -> int | None:
    """Return a number; nothing for 0."""
    return value or None


def counted(value: int, record: Body, ip: IpContext) -> int | None:
    """Return a number with ``-statistics``; nothing without."""
    return value if ip.stats else None


def on_off(value: int, record: Body, ip: Any) -> str:
    """Return ``on`` or ``off``."""
    return "on" if value else "off"


def same(value: Any, record: Body, ip: Any) -> Any:
    """Return the value itself."""
    return value


def coloured_row(key: str, name: str, read: Read, colour: Colour, cached: Cached = False) -> OutputRow:
    """Return the row of an address that iproute2 colours together with the word in front of it: ``name ADDRESS``."""
    return OutputRow(key, name, "%s", read, lambda value, record, ip: f"{name} {read(value, record, ip)} ", colour, cached=cached)


def switch_row(key: str, name: str) -> OutputRow:
    """Return the row of an option that is printed as ``name on`` or ``name off``."""
    return OutputRow(key, name, f"{name} %s ", boolean, on_off)


def named_by(names: Sequence[str] | dict[int, str], otherwise: str | None = "UNKNOWN") -> Read:
    """Return a read that names a number; ``otherwise`` may have ``{}`` for a number without a name.  None leaves that out."""
    table = names if isinstance(names, dict) else dict(enumerate(names))
    return lambda value, record, ip: table.get(value, otherwise and otherwise.format(value))


def named_rows(key: str, name: str, names: Sequence[str], number: str = "%d") -> list[OutputRow]:
    """Return the rows of a number that has a name; one that has none is ``name_index`` in JSON."""
    return [
        OutputRow(key, name, f"{name} %s ", named_by(names, None)),
        OutputRow(key, f"{name}_index", f"{name} {number} ", lambda value, record, ip: None if value < len(names) else value),
    ]


def bit(mask: int) -> Read:
    """Return a read that is true if a bit is set, and leaves the field out otherwise."""
    return lambda value, record, ip: True if value & mask else None


def signed(value: int, record: Body, ip: Any) -> int:
    """Return an unsigned number of 32 bits as `ip` prints it: as a C int."""
    return value - (1 << 32) if value >> 31 else value


def link_name(value: int, record: Body, ip: IpContext) -> str | None:
    """Return the name of a link for its index; nothing for 0."""
    return ip.name_of(value) if value else None


def hexadecimal(value: int, record: Body, ip: Any) -> str:
    """Return a number as printf(3) formats it by ``%#x``."""
    return f"{value:#x}" if value else "0"


def hexadecimal_or_none(value: int, record: Body, ip: Any) -> str | None:
    """Return a number in hex; nothing for 0."""
    return f"{value:#x}" if value else None


def flag_row(key: str, json: str, text: str, no: str = "") -> OutputRow:
    """Return the row of an option that is printed as ``text``, or as ``no`` if it is off (``notext`` by default)."""
    words = (no or f"no{text} ", f"{text} " if text else "")
    return OutputRow(key, json, "%s", boolean, lambda value, record, ip: words[bool(value)])


def boolean(value: int, record: Body, ip: Any) -> bool:
    """Return a number as true or false."""
    return bool(value)


def accounts(file: str) -> Iterator[tuple[str, int]]:
    """Yield the names and numbers in /etc/passwd or /etc/group; none if there is no such file."""
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as lines:
            for line in lines:
                name, *rest = line.split(":")
                if len(rest) > 1 and rest[1].isascii() and rest[1].isdigit():
                    yield name, int(rest[1])
    except OSError:
        return


def joined(shown: Iterable[OutputField]) -> str:
    """Return the text of fields, one after the other."""
    return "".join([field.text for field in shown])


def nested(key: str, name: str, rows: Sequence[Row], form: str = "%s") -> OutputGroup:
    """Return the row of a nest: an object in JSON, and the text of its rows one after the other.  What it lacks counts as 0."""
    zeros = dict.fromkeys([row.key for row in rows if row.key], 0)

    def show(value: Body, record: Body, ip: IpContext) -> Iterable[OutputField]:
        inside = JsonObject(fields(rows, {**zeros, **value}, ip))
        return (OutputField(name, inside, form % joined(inside)),)

    return OutputGroup(key, show)
