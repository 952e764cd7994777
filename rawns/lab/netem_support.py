"""Whether this kernel has netem (tc-netem(8)), or a relay must do in its place what a shape asks for."""

from __future__ import annotations

from ..errors import KernelError
from ..net import NetNS
from ..objects.qdisc import NETEM, Shape, replace
from .stamp import LO

RELAY = "relay"  # in the stamp of a host with ports whose frames a relay carries

_netem: bool | None = None


def kernel_has_netem() -> bool:
    """Return whether this kernel has netem; it is tried once, in a namespace of its own."""
    global _netem
    if _netem is None:
        with NetNS.create() as fresh:
            try:
                fresh.net.do(replace(LO, "netem", {"limit": 1}, NETEM))
                _netem = True
            except KernelError as error:
                if error.code != "ENOENT":
                    raise
                _netem = False
    return _netem


def needs_relay(shape: Shape | None) -> bool:
    """Return whether a port of this shape needs a relay."""
    return shape is not None and shape.impaired and not kernel_has_netem()
