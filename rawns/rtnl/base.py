"""Helpers of the descriptions in this package."""

from __future__ import annotations

from .. import uapi
from ..wire import U8, Attrs, Text, Type

_NUMBERS = vars(uapi)


def attrs(nested: bool = False, /, **kinds: Type) -> Attrs:
    """Return a table of attributes by their C names; the numbers come from `uapi`."""
    return Attrs({name: (_NUMBERS[name], kind) for name, kind in kinds.items()}, nested)


IFNAME = Text(uapi.IFNAMSIZ)
FAMILY = U8.named("AF_")
