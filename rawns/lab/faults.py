"""What is wrong with a description as a whole."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .lab import Lab


def faults(lab: Lab) -> list[str]:
    """A sentence for each thing that is wrong only beside the rest."""
    from .model import Port

    return [f"{one} has no cable" for host in lab.hosts for one in host.interfaces if isinstance(one, Port) and one.peer is None]
