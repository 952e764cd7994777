"""The live tests once more, by an ordinary user in a user namespace: nothing in them may need more than that."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest
from conftest import PROJECT, Ordinary


def test_the_live_tests_pass_for_an_ordinary_user(ordinary: Ordinary) -> None:
    if not any((PROJECT / "tests" / "live").glob("test_*.py")):
        pytest.skip("there are no live tests")
    reason = forbidden(ordinary)
    if reason:
        pytest.skip(f"ordinary users get no user namespace here: {reason}")
    pytest_options = ["-q", "-p", "no:cacheprovider", f"--basetemp={ordinary.home / 'tmp'}", "tests/live"]
    command = [ordinary.python, "-m", "rawns", "rootless", ordinary.python, "-m", "pytest", *pytest_options]
    done = ordinary.run(command, timeout=300)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-20000:]}"
    assert re.search(r"\b[1-9][0-9]* passed", done.stdout), f"not one test ran:\n{done.stdout[-5000:]}"


def forbidden(ordinary: Ordinary) -> str:
    """Why ordinary users may not have a user namespace; asked of util-linux, so that our own bugs excuse nothing."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return "util-linux's `unshare` is missing, so nobody can tell"
    attempt = ordinary.run([unshare, "--user", "--map-root-user", "--net", "--mount", "true"], stderr=subprocess.STDOUT)
    return attempt.stdout.strip() or "unshare failed" if attempt.returncode else ""


def test_the_ordinary_user_is_one(ordinary: Ordinary) -> None:
    """If it were root after all, the test above would prove nothing."""
    told = ordinary.run(["/bin/sh", "-c", "id -u; id -g; id -G; grep CapEff /proc/self/status"])
    assert told.stdout.split() == ["65534", "65534", "65534", "CapEff:", "0" * 16]
    assert os.access(ordinary.project / "rawns", os.R_OK)
