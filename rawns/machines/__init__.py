"""Labs that span several machines: `DistributedLab`.

Nothing is installed on a machine and nothing remains there but the lab: a shell there starts Python, which receives this
package over its standard input (`connection`, `bundle`, `loader`) and answers requests (`agent`) until the connection ends.
A wire between two machines is a pair of VXLAN devices (`split`).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .connection import MachineError
    from .distributed_lab import DistributedLab

__all__ = ["DistributedLab", "MachineError"]

_MODULES = {"DistributedLab": "distributed_lab", "MachineError": "connection"}


def __getattr__(name: str) -> object:
    """Return a class, imported at its first use: an agent uses neither."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(__import__(f"{__name__}.{_MODULES[name]}", fromlist=[name]), name)
    return value
