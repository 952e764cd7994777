"""Rates as tbf, htb and police have them: struct tc_ratespec with its table, and what is shown of it and of a burst."""

from __future__ import annotations

from ... import uapi
from . import units
from .output import field, size_field
from .words import LINK_LAYERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Body, Iterator, OutputField, Record, TcContext

LARGE = 1 << 32  # bytes per second: from here on a rate is in an attribute of its own
NO_SIZE = (0, -1)  # bytes and the logarithm of a cell


def put_rate(
    options: Record, name: str, rate: int, cell: int, given: Record, mtu: int, keys: tuple[str, str, str], exact: bool = False
) -> Any:
    """Put a rate and its table into the attributes ``keys``: that of the parameters, that of the table, that of large rates.

    ``given`` has the sizes that the words have set.  Return the parameters.  With ``exact``, a large rate makes the table, too.
    """
    small = min(rate, uapi.UINT32_MAX)
    sizes = mtu, given.get("mpu", 0), given.get("overhead", 0), given.get("linklayer", uapi.TC_LINKLAYER_ETHERNET)
    members, options[keys[1]] = units.rate_table(name, rate if exact else small, cell, *sizes)
    options.setdefault(keys[0], {}).update(members)
    if rate >= LARGE:
        options[keys[2]] = rate
    return options[keys[0]]


def burst_fields(names: tuple[str, str], rate: int, ticks: int, found: Body, prefix: str, ip: TcContext) -> Iterator[OutputField]:
    """Yield a burst, called ``names`` with and without -details: with them its cell and the least packet, too."""
    size = units.bytes_in(rate, ticks)
    if not ip.details:
        yield size_field(names[1], size, f"{names[1]} %s ", ip)
        return
    text = f"{units.format_size(size)}/{1 << (found[f'{prefix}.cell_log'] & 31)}"
    yield field(names[0], text, f"{names[0]} %s ", ip)
    yield size_field("mpu", found[f"{prefix}.mpu"], "mpu %s ", ip)


def link_layer_field(found: Body, ip: TcContext) -> Iterator[OutputField]:
    """Yield the kind of link that sizes are computed for, unless it is Ethernet."""
    kind = found["rate.linklayer"] & 0xF
    if kind > uapi.TC_LINKLAYER_ETHERNET or ip.details:
        yield field("linklayer", LINK_LAYERS.get(kind, "unknown"), "linklayer %s ", ip)
