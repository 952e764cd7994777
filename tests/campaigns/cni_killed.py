"""ADD of a chain of CNI plugins, killed before each of its system calls in turn; DEL or GC then leaves nothing.

``python3 tests/campaigns/cni_killed.py``, as root; minutes.  pytest tries a sample.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests"), str(PROJECT / "tests" / "live")]

from test_cni import kill_at  # noqa: E402

from rawns import NetNS  # noqa: E402


def main() -> int:
    """Try all calls with DEL, and all with GC."""
    for first in (0, 1):
        with NetNS.create() as node, NetNS.create() as pod, tempfile.TemporaryDirectory() as name:
            kill_at(node, pod, Path(name), range(1000), first)
    print("nothing is left after any call")
    return 0


if __name__ == "__main__":
    sys.exit(main())
