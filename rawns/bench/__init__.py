"""Measure how long network namespaces, links and labs take to set up, beside plain C, ``ip``, pyroute2 and others.

============== ======================================================================================
run            `bench`: run the implementations of each case in turn; the result as data
cases          the cases, and the implementations that take part in each
harness        what an implementation is, and one timed run of it
cold           the same in a process of its own, with pauses, so that caches are as a user has them
equivalence    read back what an implementation has set up, and compare it with the others
cleanup_barrier  wait until the kernel has freed the namespaces that were deleted
rawns_api      the implementations with rawns, through its public names only
peers          the other implementations: plain C, ip, unshare, nsenter, busybox, pyroute2, Mininet
samples        medians, percentiles, ratios and their confidence intervals
environment    the machine that is measured, and what makes its figures doubtful
findings       what a result says: ratios to the baseline and to the fastest other tool, in words
report, page   a result as text and CSV, as SVG and HTML
compare        what has become slower or faster between two results
============== ======================================================================================
"""

from .compare import compare
from .run import bench

__all__ = ["bench", "compare"]
