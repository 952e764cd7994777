"""The live tests once more, run by an ordinary user in a user namespace: nothing in them may need more than that."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest
from conftest import Background, Ordinary


def test_the_live_tests_pass_for_an_ordinary_user(rootless_suite: Background | None, ordinary: Ordinary) -> None:
    """They have run in the background since the first test."""
    reason = forbidden(ordinary)
    if reason:
        pytest.skip(f"ordinary users get no user namespace here: {reason}")
    assert rootless_suite is not None
    status, output = rootless_suite.wait(timeout=1800)
    assert status == 0, f"{' '.join(rootless_suite.command)}\n{output[-20000:]}"
    assert re.search(r"\b[1-9][0-9]* passed", output), f"no test ran:\n{output[-5000:]}"


def forbidden(ordinary: Ordinary) -> str:
    """Return why ordinary users may not create user namespaces, as util-linux finds it, so that no bug of rawns is an excuse."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return "util-linux's `unshare` is missing"
    attempt = ordinary.run([unshare, "--user", "--map-root-user", "--net", "--mount", "true"], stderr=subprocess.STDOUT)
    return attempt.stdout.strip() or "unshare failed" if attempt.returncode else ""


def test_the_ordinary_user_is_one(ordinary: Ordinary) -> None:
    """Check that it has no privileges; otherwise the test above would prove nothing."""
    told = ordinary.run(["/bin/sh", "-c", "id -u; id -g; id -G; grep CapEff /proc/self/status"])
    assert told.stdout.split() == ["65534", "65534", "65534", "CapEff:", "0" * 16]
    assert os.access(ordinary.project / "rawns", os.R_OK)
