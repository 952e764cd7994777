"""Detection of netem (tc-netem(8)) in this kernel; without it a relay applies delay, loss and the like."""

from __future__ import annotations

from ..errors import KernelError
from ..net import NetNS
from ..netlink import refusals
from ..objects.qdisc import NETEM, Shape, replace
from .stamp import LO

RELAY = "relay"  # in the stamp of a host with ports whose frames a relay carries

_netem: bool | None = None


def kernel_has_netem() -> bool:
    """Return whether this kernel has netem.  The first call tries it in a new namespace.

    Raises `KernelError`, `SyscallError`.
    """
    global _netem
    if _netem is None:
        with NetNS.create() as fresh:
            try:
                fresh.net.do(replace(LO, "netem", {"limit": 1}, NETEM))
                _netem = True
            except KernelError as error:
                if error.code != "ENOENT":
                    raise
                del refusals[-1:]  # it is the answer to a question
                _netem = False
    return _netem


def needs_relay(shape: Shape | None) -> bool:
    """Return whether a shape asks for more than a rate, and this kernel has no netem."""
    return shape is not None and shape.impaired and not kernel_has_netem()
