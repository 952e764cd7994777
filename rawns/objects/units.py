"""Rates, sizes, times and shares as people write them, and as tc(8) understands them: ``10mbit``, ``16kb``, ``20ms``, ``1%``.

Floor 3, pure.  A number is taken as it is.  All raise `InvalidValue` for what is none, is negative or is too large.
"""

from __future__ import annotations

from ..errors import InvalidValue

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


def rate(value: Quantity) -> int:
    """Bits a second; ``kbit`` is 1000 of them, ``kibit`` 1024, ``kbps`` 1000 bytes a second.  A bare number is bits a second."""
    return round(_read(value, {**RATES, "": 1}, "rate", "10mbit"))


def bits(a_second: int) -> str:
    """A rate as `rate` reads it, by the largest unit that it is whole in."""
    unit = next((unit for unit in ("tbit", "gbit", "mbit", "kbit") if a_second and not a_second % RATES[unit]), "bit")
    return f"{a_second // RATES[unit]}{unit}"


def size(value: Quantity) -> int:
    """Bytes; ``kb`` is 1024 of them, ``kbit`` 1024 bits.  A bare number is bytes."""
    return round(_read(value, {**SIZES, "": 1}, "size", "16kb"))


def seconds(value: Quantity) -> float:
    """Seconds.  Text must name its unit: to tc(8) a bare ``20`` is microseconds, which nobody means."""
    return _read(value, TIMES, "time", "20ms")


def share(value: Quantity) -> float:
    """A fraction from 0 to 1.  Of text, percent, with the sign or without; a number is the fraction itself."""
    found = _read(value, {"%": 0.01, "": 0.01}, "share", "1%")
    if found > 1:
        raise InvalidValue(f"{value!r} is more than the whole")
    return found


def _read(value: Quantity, units: Mapping[str, float], what: str, example: str) -> float:
    if isinstance(value, str):
        digits = value.strip()
        number = digits.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ%")
        factor = units.get(digits[len(number) :].lower())
        try:
            found = float(number) * factor if factor is not None and "_" not in number else -1.0
        except ValueError:
            found = -1.0
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        found = value
    else:
        found = -1.0
    if not 0 <= found < 2**63:  # also where it is not a number
        raise InvalidValue(f"{value!r} is no {what}, as {example!r} is one")
    return found
