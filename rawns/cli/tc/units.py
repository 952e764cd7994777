"""Rates, sizes, times and shares as tc(8) reads and prints them, down to its rounding.

The kernel counts the time that a burst takes in ticks of 64 ns (include/net/pkt_sched.h), as /proc/net/psched says.
A `ValueError` says that text is no such quantity.
"""

from __future__ import annotations

from ... import uapi
from ...objects.units import RATES, SIZES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..ip.hints import Callable, Mapping

TICKS_PER_MICROSECOND = 1000 / 64
MICROSECONDS = 1_000_000  # in a second
UINT64_MAX = (1 << 64) - 1
HZ = 1_000_000_000  # which tc takes from /proc/net/psched for the default burst of a class of htb
_SECONDS = ("s", "sec", "secs")
_TIMES = {f"{prefix}{unit}": factor for prefix, factor in (("", 10**6), ("m", 1000), ("u", 1)) for unit in _SECONDS}
_TIMES64 = {
    f"{prefix}{unit}": factor for prefix, factor in (("", 10**9), ("m", 10**6), ("u", 1000), ("n", 1)) for unit in _SECONDS
}


# -- text to numbers ----------------------------------------------------------------------------------------------


def leading_float(text: str) -> tuple[float, str]:
    """Return the number at the start of text as strtod(3) does, and the rest.  Raises ValueError if there is none."""
    start = text.lstrip(" \t\n\v\f\r")
    at = 1 if start[:1] in ("+", "-") else 0
    digits = point = 0
    while at < len(start) and (start[at] in "0123456789" or (start[at] == "." and not point)):
        digits, point = digits + (start[at] != "."), point + (start[at] == ".")
        at += 1
    if not digits:
        raise ValueError(text)
    end = at
    if start[at : at + 1] in ("e", "E"):
        at += 2 if start[at + 1 : at + 2] in ("+", "-") else 1
        while at < len(start) and start[at] in "0123456789":
            at += 1
            end = at
    return float(start[:end]), start[end:]


def _quantity(text: str, units: Mapping[str, float]) -> float:
    value, unit = leading_float(text)
    if unit and unit.lower() not in units:
        raise ValueError(text)
    value = value * units[unit.lower()] if unit else value
    if not -(2.0**63) < value < 2.0**63:
        raise ValueError(text)
    return value


def rate64(text: str) -> int:
    """Parse a rate; return bytes per second."""
    return int(_quantity(text, RATES) / 8) & UINT64_MAX


def rate(text: str) -> int:
    """Parse a rate that fits in 32 bits; return bytes per second."""
    return _fitting(_quantity(text, RATES) / 8, text)


def size(text: str) -> int:
    """Parse a size; return bytes."""
    return _fitting(_quantity(text, SIZES), text)


def _fitting(value: float, text: str) -> int:
    if not 0 <= value < 2.0**32:
        raise ValueError(text)
    return int(value)


def time(text: str) -> int:
    """Parse a time, of which a bare number is microseconds; return microseconds, of which 32 bits are kept."""
    return int(_quantity(text, _TIMES)) & uapi.UINT32_MAX


def time64(text: str) -> int:
    """Parse a time, of which a bare number is nanoseconds; return nanoseconds."""
    return int(_quantity(text, _TIMES64))


def fraction(text: str) -> float:
    """Parse a percentage; return the fraction."""
    value, rest = leading_float(text)
    if not 0 <= value / 100 <= 1 or rest not in ("", "%"):
        raise ValueError(text)
    return value / 100


def percent(text: str) -> int:
    """Parse a percentage; return it as the kernel has it, of 2**32 - 1."""
    return scaled(fraction(text))


def scaled(share: float) -> int:
    """Return a fraction as the kernel has it, of 2**32 - 1."""
    return round(share * uapi.UINT32_MAX)


def decimal(bits: int, base: int = 10) -> Callable[[str], int]:
    """Return a parser of unsigned numbers of so many bits, in one base only."""

    def read_decimal(text: str) -> int:
        digits = text.strip(" \t\n\v\f\r").removeprefix("+")
        if base == 16:
            digits = digits[2:] if digits[:2] in ("0x", "0X") else digits
        if not digits or set(digits.lower()) - set("0123456789abcdef"[:base]) or int(digits, base) >> bits:
            raise ValueError(text)
        return int(digits, base)

    return read_decimal


def size_and_cell(text: str) -> tuple[int, int]:
    """Parse ``BYTES[/CELL]``; return the bytes and the logarithm of the cell, which is a power of two (-1: none given)."""
    from ..ip.arguments import signed

    head, slash, tail = text.partition("/")
    cell = signed(tail) & uapi.UINT32_MAX if slash else 0
    if slash and (not cell or cell & (cell - 1)):
        raise ValueError(text)
    return size(head), cell.bit_length() - 1 if slash else -1


# -- numbers to text ----------------------------------------------------------------------------------------------


def format_rate(bytes_per_second: int, iec: bool) -> str:
    """Return a rate as text."""
    kilo, value, unit = 1024 if iec else 1000, bytes_per_second * 8 & UINT64_MAX, 0
    while unit < 4 and value >= kilo and not (value % kilo and value < 1000 * kilo):
        value, unit = value // kilo, unit + 1
    return f"{value:.0f}{('', 'K', 'M', 'G', 'T')[unit]}{'i' if iec and unit else ''}bit"


def format_size(value: int) -> str:
    """Return a number of bytes as text."""
    for unit, name, most in ((1 << 20, "Mb", 1024), (1 << 10, "Kb", 16)):
        if value >= unit and abs(unit * round(value / unit) - value) < most:
            return f"{round(value / unit):g}{name}"
    return f"{value}b"


def format_time(microseconds: int) -> str:
    """Return a time as text."""
    return format_time64(microseconds * 1000) if microseconds else "0us"


def format_time64(nanoseconds: int) -> str:
    """Return a time as text."""
    for unit, name in ((10**9, "s"), (10**6, "ms"), (1000, "us")):
        if nanoseconds >= unit:
            return f"{nanoseconds / unit:.3g}{name}"
    return f"{nanoseconds}ns"


# -- ticks --------------------------------------------------------------------------------------------------------


def ticks_of(microseconds: float) -> int:
    """Return a time in the kernel's ticks."""
    return int((int(microseconds) & uapi.UINT32_MAX) * TICKS_PER_MICROSECOND) & uapi.UINT32_MAX


def microseconds_of(ticks: int) -> int:
    """Return a time that is given in the kernel's ticks."""
    return int(ticks / TICKS_PER_MICROSECOND) & uapi.UINT32_MAX


def transmission_ticks(bytes_per_second: int, octets: int) -> int:
    """Return how long so many bytes take at a rate, in ticks."""
    return ticks_of(MICROSECONDS * (octets / bytes_per_second)) if bytes_per_second else 0


def bytes_in(bytes_per_second: int, ticks: int) -> int:
    """Return how many bytes are sent in a time at a rate."""
    return int(bytes_per_second * microseconds_of(ticks) / MICROSECONDS) & uapi.UINT32_MAX


ATM_CELL, ATM_PAYLOAD = 53, 48  # bytes


def link_size(octets: int, minimum: int, link_layer: int) -> int:
    """Return how many bytes of the link a packet takes; ATM sends whole cells."""
    octets = max(octets, minimum)
    return -(-octets // ATM_PAYLOAD) * ATM_CELL if link_layer == uapi.TC_LINKLAYER_ATM else octets


def rate_table(
    prefix: str, bytes_per_second: int, cell_log: int, mtu: int, mpu: int, overhead: int, link_layer: int
) -> tuple[dict[str, int], list[int]]:
    """Return the members of a struct tc_ratespec inside another, and the table of 256 transmission times that goes with it."""
    mtu = mtu or 2047
    if cell_log < 0:
        cell_log = max(mtu.bit_length() - 8, 0)
    members = {
        "cell_log": cell_log,
        "linklayer": link_layer & 0xF,
        "overhead": overhead,
        "cell_align": -1,
        "mpu": mpu & 0xFFFF,
        "rate": min(bytes_per_second, uapi.UINT32_MAX),
    }
    sizes = [link_size((number + 1) << cell_log & uapi.UINT32_MAX, members["mpu"], link_layer) for number in range(256)]
    return {f"{prefix}.{name}": value for name, value in members.items()}, [
        transmission_ticks(bytes_per_second, octets) for octets in sizes
    ]
