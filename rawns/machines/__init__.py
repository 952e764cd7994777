"""Labs that span several machines: `DistributedLab`.

Nothing is installed on a machine and nothing remains there but the lab: a shell there starts Python, which receives this
package over its standard input (`connection`, `bundle`, `loader`) and answers requests (`agent`) until the connection ends.
A wire between two machines is a pair of VXLAN devices (`split`).
"""

from .connection import MachineError as MachineError
from .distributed_lab import DistributedLab as DistributedLab
