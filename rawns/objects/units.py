"""Rates, sizes, times and fractions as text, as tc(8) understands them: ``10mbit``, ``16kb``, ``20ms``, ``1%``.

A number is taken as it is.  All functions that read raise `InvalidValue` for text that is no such quantity, and for what is
negative or too large.
"""

from __future__ import annotations

from ..errors import InvalidValue
from ..terminal import short_repr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Union

    Quantity = Union[str, int, float]

_PREFIXES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
RATES = {f"{prefix}{unit}": factor * bits for prefix, factor in _PREFIXES.items() for unit, bits in (("bit", 1), ("bps", 8))}
SIZES: dict[str, float] = {"b": 1, "k": 2**10, "kb": 2**10, "m": 2**20, "mb": 2**20, "g": 2**30, "gb": 2**30}
SIZES.update({"kbit": 2**10 / 8, "mbit": 2**20 / 8, "gbit": 2**30 / 8})
TIMES = dict.fromkeys(("s", "sec", "secs"), 1.0)
TIMES.update({f"{prefix}{name}": factor for prefix, factor in (("m", 1e-3), ("u", 1e-6), ("n", 1e-9)) for name in list(TIMES)})
MAX_CHARACTERS = 64  # of a quantity


def rate(value: Quantity) -> int:
    """Read bits per second; ``kbit`` is 1000 of them, ``kibit`` 1024, ``kbps`` 1000 bytes per second; a bare number is bits."""
    return round(_read(value, {**RATES, "": 1}, "rate", "10mbit"))


def format_rate(bits_per_second: int) -> str:
    """Return a rate as `rate` reads it, in the largest unit of which it is a multiple."""
    units = ("tbit", "gbit", "mbit", "kbit")
    unit = next((unit for unit in units if bits_per_second and not bits_per_second % RATES[unit]), "bit")
    return f"{bits_per_second // RATES[unit]}{unit}"


def size(value: Quantity) -> int:
    """Read bytes; ``kb`` is 1024 of them, ``kbit`` 1024 bits; a bare number is bytes."""
    return round(_read(value, {**SIZES, "": 1}, "size", "16kb"))


def seconds(value: Quantity) -> float:
    """Read seconds.  Text must name its unit: to tc(8) a bare ``20`` is microseconds, which few people expect."""
    return _read(value, TIMES, "time", "20ms")


def fraction(value: Quantity) -> float:
    """Read a fraction from 0 to 1.  Text is in percent, with the sign or without; a number is the fraction itself."""
    found = _read(value, {"%": 0.01, "": 0.01}, "fraction", "1%")
    if found > 1:
        raise InvalidValue(f"{short_repr(value)} is more than the whole, which is 100% or the number 1")
    return found


def _read(value: Quantity, units: Mapping[str, float], what: str, example: str) -> float:
    found: float = -1
    if isinstance(value, str) and len(value) <= MAX_CHARACTERS:
        text = value.strip()
        number = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ%")
        factor = units.get(text[len(number) :].lower())
        try:
            found = float(number) * factor if factor is not None and number.isascii() and "_" not in number else -1
        except ValueError:
            pass
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        found = value
    if not 0 <= found < 2**63:  # also if it is not a number (NaN)
        raise InvalidValue(f"{short_repr(value)} is not a {what} such as {example!r}")
    return found
