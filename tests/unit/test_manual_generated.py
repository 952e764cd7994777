"""The generated parts of the manual are those that the sources give now."""

from __future__ import annotations

import subprocess
import sys

from conftest import PROJECT

from rawns.cli.help import TOPICS


def test_the_generated_pages_are_up_to_date() -> None:
    done = subprocess.run([sys.executable, "tests/generate_manual.py", "--check"], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_page_is_a_topic() -> None:
    assert sorted(TOPICS) == sorted(page.stem for page in (PROJECT / "rawns" / "manual").glob("*.md"))
