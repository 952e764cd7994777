"""The instrument: how long a namespace takes, step by step, and who makes it faster.

Floor 7::

    method        samples to figures, turns, remarks: pure     versus     two results, and what is beyond the noise: pure
    report        a result as text, CSV and JSON: pure         page       a result as SVG and HTML: pure
    scene         what a contender is, and what is measured    fence      until the kernel has cleaned up
    ours          the contenders that are rawns                cases      what they contend in
    world         the machine it happened on                   run        rounds, in turns

The other contenders (plain C, `ip`, pyroute2 ...) live in bench/ of the checkout, and are named as absent without it.
"""

from .compare import compare
from .run import bench

__all__ = ["bench", "compare"]
