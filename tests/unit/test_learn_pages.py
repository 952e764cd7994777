"""Chapters of `rawns learn` as text: they fit a screen, and each is a page of the manual."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import PROJECT

from rawns.cli import help as manual
from rawns.learn import book, chapters, faults, progress, puzzle, screen
from rawns.learn.services import reply


@pytest.mark.parametrize("name", chapters.NAMES)
def test_a_chapter_fits_a_screen_and_is_a_page(name: str) -> None:
    chapter = chapters.load(name)
    lines = screen.screen(chapter).split("\n")
    assert len(lines) <= 40 and max(map(len, lines)) <= 80, [line for line in lines if len(line) > 80]
    assert (chapter.name, chapter.title) == (name, chapters.TITLES[name])
    page = manual.read(f"learn-{name}") or ""
    assert page.startswith("# Chapter ") and all(command in page for command in chapter.solutions[0].commands)
    assert f"| `{name}` | {chapter.title} |" in (PROJECT / "rawns" / "manual" / "learn.md").read_text()
    assert manual.read("learn-nothing") is None


def test_each_module_is_a_chapter() -> None:
    assert {path.stem for path in Path(chapters.__file__).parent.glob("*.py")} == {*chapters.NAMES, "__init__"}


def test_the_picture_and_the_complaints_fit_a_screen() -> None:
    for name in faults.FAULTS:
        lines = screen.screen(puzzle.puzzle(1, [name])).split("\n")
        assert len(lines) <= 40 and max(map(len, lines)) <= 80
    assert len(faults.FAULTS) >= 30
    for level in (1, 2, 3):
        assert len(puzzle.choose(level)) == (2 if level == 3 else 1)


def test_what_is_shown_as_html_is_escaped() -> None:
    assert book.inline("a `<b>` & c") == "a <code>&lt;b&gt;</code> &amp; c"
    assert book.prose("one\n  two <\n\nthree") == "<p>one</p>\n<pre>two &lt;</pre>\n<p>three</p>"


@pytest.mark.parametrize("held", ["", "{", "[]", '{"done": 3}', '{"done": [3, "cable"]}', "[" * 5000])
def test_progress_of_any_contents_is_read(held: str, tmp_path: Path) -> None:
    file = tmp_path / "rawns" / "learn.json"
    file.parent.mkdir()
    file.write_text(held)
    assert progress.read(str(file)) == ({"cable"} if "cable" in held else set())
    progress.mark(str(file), "ping")
    assert "ping" in progress.read(str(file)) and [path.name for path in file.parent.iterdir()] == ["learn.json"]


def test_progress_on_a_full_disk_is_an_error_and_leaves_no_file() -> None:
    with pytest.raises(OSError):
        progress.mark("/dev/full/learn.json", "ping")


def test_chapters_that_are_done_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    file, names = str(tmp_path / "state" / "learn.json"), [f"chapter-{number}" for number in range(20)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: progress.mark(file, name), names))
    assert progress.read(file) == set(names)


def test_the_name_server_answers_as_rfc_1035_says() -> None:
    """The question is the one that glibc's getaddrinfo sends for shop.test, as seen by strace."""
    question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04shop\x04test\x00\x00\x01\x00\x01"
    expected = b"\x12\x34\x85\x80\x00\x01\x00\x01\x00\x00\x00\x00" + question[12:]
    assert (
        reply(question, {"shop.test": "10.0.0.2"})
        == expected + b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x00\x00\x02"
    )
    assert reply(question, {})[3] & 15 == 3  # NXDOMAIN
    assert [reply(question[:length], {}) for length in range(len(question))] == [b""] * len(question)


def test_the_list_names_what_is_next(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rawns", "learn"]
    environment = {"XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "0 of 14 are done; `rawns learn namespace` starts the next one." in done.stdout
