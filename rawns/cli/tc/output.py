"""Fields of the output of tc(8)."""

from __future__ import annotations

from ... import uapi
from ..ip.render import JsonObject, OutputField, put
from . import units
from .words import CONTROL_NAMES, format_classid, format_protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Iterable, Iterator, TcContext


def field(name: str, value: Any, form: str, ip: TcContext, shown: Any = None) -> OutputField:
    """Return one thing shown: JSON has ``value``, text ``shown`` (the same if it is None) in ``form``."""
    return OutputField(name, value, put(form, value if shown is None else shown, ip))


def plain(text: str) -> OutputField:
    """Return what only text has, as it is."""
    return OutputField("", None, text)


def line_end(ip: TcContext) -> OutputField:
    """Return the end of a line, which ``-oneline`` makes a backslash."""
    return OutputField("", None, "\\" if ip.oneline else "\n")


def nest(name: str, fields: Iterable[OutputField]) -> OutputField:
    """Return fields that JSON has in an object of their own."""
    inner = JsonObject(fields)
    return OutputField(name, inner, "".join([one.text for one in inner]))


def size_field(name: str, value: int, form: str, ip: TcContext) -> OutputField:
    """Return a size in bytes."""
    return field(name, value, form, ip, units.format_size(value))


def rate_field(name: str, value: int, form: str, ip: TcContext) -> OutputField:
    """Return a rate in bytes per second; text has bits."""
    return field(name, value, form, ip, units.format_rate(value, ip.iec))


def time_field(name: str, value: int, form: str, ip: TcContext) -> OutputField:
    """Return a time in microseconds."""
    return field(name, value, form, ip, units.format_time(value))


def time64_field(name: str, value: int, form: str, ip: TcContext) -> OutputField:
    """Return a time in nanoseconds."""
    return field(name, value, form, ip, units.format_time64(value))


def class_field(name: str, value: int, form: str, ip: TcContext) -> OutputField:
    """Return a handle of a class."""
    return field(name, format_classid(value, ip), form, ip)


def protocol_field(name: str, value: int, form: str, ip: TcContext) -> OutputField:
    """Return the protocol of a frame."""
    return field(name, format_protocol(value, ip), form, ip)


def word_field(name: str, value: Any) -> Any:
    """Return what shows an option of which only the word is shown, in JSON with this name and value."""
    return lambda label, number, form, ip: field(name, value, form, ip)


def control_fields(value: int, before: str, after: str, ip: TcContext) -> Iterator[OutputField]:
    """Yield a control as tc prints it."""
    kind, extra = value & 0xF0000000 if value > 0 else 0, value & uapi.TC_ACT_EXT_VAL_MASK
    inner = [field("type", CONTROL_NAMES.get(kind or value, str(value)), "%s", ip)]
    if kind == uapi.TC_ACT_GOTO_CHAIN:
        inner.append(field("chain", extra, " chain %u", ip))
    elif kind == uapi.TC_ACT_JUMP:
        inner.append(field("jump", extra, " %u", ip))
    yield plain(before)
    yield nest("control_action", inner)
    yield plain(after)
