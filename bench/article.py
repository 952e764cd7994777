"""Two namespaces, one cable, addresses, up: rawns beside plain C, `ip` and pyroute2, round by round in one run.

    python3 bench/article.py [--rounds 200] ...          what `rawns bench --only article ...` does

Where this Python has no cffi, which compiles the C floor, it starts over with the environment that `tests/run` has made.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))


def main() -> None:
    if importlib.util.find_spec("cffi") is None and "RAWNS_BENCH" not in os.environ:
        for python in sorted((PROJECT / ".venv").glob("*/bin/python")):
            os.execve(python, [str(python), *sys.argv], {**os.environ, "RAWNS_BENCH": "again"})
    sys.argv[0:1] = ["rawns", "bench", "--only", "article"]
    from rawns.cli.main import entry

    entry()


if __name__ == "__main__":
    main()
