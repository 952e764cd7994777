"""Run ``rawns bench --only article`` with the environment that ``tests/run`` has made, if this Python has no cffi.

python3 bench/article.py [--rounds 200] ...
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))


def main() -> None:
    """Run the bench, in another Python if need be."""
    if importlib.util.find_spec("cffi") is None and "RAWNS_BENCH" not in os.environ:
        for python in sorted((PROJECT / ".venv").glob("*/bin/python")):
            os.execve(python, [str(python), *sys.argv], {**os.environ, "RAWNS_BENCH": "again"})
    sys.argv[0:1] = ["rawns", "bench", "--only", "article"]
    from rawns.cli.main import entry

    entry()


if __name__ == "__main__":
    main()
