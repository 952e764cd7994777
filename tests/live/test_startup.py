"""What commands import before they work.  Modules are counted instead of milliseconds: each costs 60 microseconds and more."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent.parent
PROGRAM = f"import sys; sys.path.insert(0, {str(PROJECT)!r}); sys.argv[0] = 'rawns'; from rawns.__main__ import main; main()"
# Modules of the standard library that together cost more than the interpreter itself.
EXPENSIVE = set("argparse ctypes dataclasses enum ipaddress json re signal socket subprocess threading typing warnings".split())


def imported(*words: str) -> set[str]:
    """Run a command line without `site` and return the modules that it imports; the command must succeed."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "importtime", "-c", PROGRAM, *words], capture_output=True, text=True, check=True
    )
    return set(re.findall(r"^import time:.*\| +([\w.]+)$", done.stderr, re.M))


@pytest.mark.parametrize(
    ("words", "most"),
    [
        (["trace", "-o", "/dev/null", "true"], 30),
        (["trace", "-o", "/dev/null", sys.executable, "-I", "-S", "-c", "import _socket; _socket.socket(16, 3, 0)"], 30),
    ],
    ids=["trace true", "trace of a netlink socket"],
)
def test_modules_of_a_command(words: list[str], most: int) -> None:
    found = imported(*words)
    assert not found & EXPENSIVE
    ours = {name for name in found if name.startswith("rawns")}
    assert "rawns.cli.main" in ours and len(ours) <= most, sorted(ours)
