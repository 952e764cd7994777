"""Two faults at once, all pairs of them: `rawns why` names one, its remedy is run, and so on until the network is whole.

``python3 tests/campaigns/why_pairs.py [PART/PARTS]``, as root; minutes for all.  Exit status 1 if a pair is not repaired.
"""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests" / "live")]

from breaking import break_and_repair  # noqa: E402

from rawns.diagnose import proof  # noqa: E402
from rawns.learn.faults import FAULTS  # noqa: E402
from rawns.learn.puzzle import pairable  # noqa: E402


def main() -> int:
    """Repair all pairs, or one of several parts of them; print those that were not repaired."""
    proof.REFUTATION_SECONDS, proof.LARGE_ANSWER_SECONDS = 0.02, 0.2
    part, _, parts = (sys.argv[1] if len(sys.argv) > 1 else "1/1").partition("/")
    pairs = [pair for pair in itertools.combinations(FAULTS, 2) if pairable(FAULTS[pair[0]], FAULTS[pair[1]])]
    mine = pairs[int(part) - 1 :: int(parts or 1)]
    problems = break_and_repair(mine, f"pairs-{os.getpid()}-")
    print("\n".join([*problems, f"{len(mine) - len(problems)} of {len(mine)} pairs were found and repaired"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
