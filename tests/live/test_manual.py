"""The commands, programs and lab files of README.md and of the manual work as they stand."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from conftest import PROJECT
from test_rootless import rawns

PAGES = [*sorted((PROJECT / "rawns" / "manual").glob("*.md")), PROJECT / "README.md"]


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a page that are marked with a language: ``sh``, ``python`` and ``toml`` are complete."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"))


def having(language: str) -> list[object]:
    return [pytest.param(page, id=page.stem) for page in PAGES if blocks(page, language)]


def test_every_kind_of_block_is_found() -> None:
    """Fail if the pattern stops matching: without this, a page without blocks would pass unseen."""
    assert {page.stem for page in PAGES if blocks(page, "sh")} >= {"README", "article", "ip", "rootless"}
    assert {page.stem for page in PAGES if blocks(page, "python")} >= {"README", "article", "errors", "labs", "why"}
    assert {page.stem for page in PAGES if blocks(page, "toml")} >= {"README", "article", "labs"}


@pytest.mark.parametrize("page", having("sh"))
def test_commands(page: Path, tmp_path: Path) -> None:
    """Run a page's commands one after the other, each block in the state that the one before left."""
    commands = [block for block in blocks(page, "sh") if "tests/run" not in block]
    begin = f'set -e; cd {tmp_path}; export PYTHONPATH="{PROJECT}" PATH="{tmp_path}:$PATH"'
    (tmp_path / "rawns").write_text(f'#!/bin/sh\nPYTHONPATH="{PROJECT}" exec "{sys.executable}" -m rawns "$@"\n')
    (tmp_path / "rawns").chmod(0o755)
    done = rawns("rootless", "sh", "-c", "\n".join([begin, *commands, "echo names:; rawns ip netns list"]))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("names:\n"), "a name is left"


@pytest.mark.parametrize("page", having("python"))
def test_programs(page: Path) -> None:
    """Run each program of a page by itself."""
    for program in blocks(page, "python"):
        done = rawns("rootless", sys.executable, "-c", program)
        assert done.returncode == 0, program + done.stderr
        for line in re.findall(r"print\(.*\) +# (.*)$", program, re.MULTILINE):
            assert line in done.stdout, program + done.stdout


@pytest.mark.parametrize("page", having("toml"))
def test_labs(page: Path, tmp_path: Path) -> None:
    """Bring up each lab of a page, and ping every pair that should reach each other."""
    for number, description in enumerate(blocks(page, "toml")):
        path = tmp_path / f"lab{number}.toml"
        path.write_text(description)
        if "[machines." in description:  # which are not here
            assert rawns("lab", "export", str(path)).returncode == 0
            continue
        command = [sys.executable, "-m", "rawns", "lab", "ping", str(path)]
        done = rawns("lab", "run", str(path), "--", *command)
        assert done.returncode == 0, done.stdout + done.stderr


def test_links_between_pages() -> None:
    """Find the target of every relative link."""
    for page in [*PAGES, PROJECT / "CONTRIBUTING.md", PROJECT / "CHANGELOG.md", PROJECT / "bench" / "README.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
