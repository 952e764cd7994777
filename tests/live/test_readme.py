"""What the README tells people to type does what it says: in a /run of its own, for the names are the article's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT
from test_rootless import rawns

README = (PROJECT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    found = re.findall(rf"(?ms)^```{language}\n(.*?)^```$", README)
    assert found, f"no block of {language} in the README"
    return found


def test_it_begins_with_the_two_commands() -> None:
    first, second = [line.split("#")[0].strip() for line in blocks("sh")[0].splitlines()]
    assert (first, second) == ("python3 -m rawns demo", "tests/run --install")
    assert (PROJECT / ".ci" / "run").read_text().splitlines()[-1].endswith('tests/run" --install "$@"')


def test_the_names_you_type() -> None:
    program = "\n".join(blocks("python"))  # one after the other, as they are read
    done = rawns("rootless", sys.executable, "-c", program)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "['lo', 'v1']" and any("10.0.0.2" in line for line in lines[1:]), done.stdout


def test_one_file(tmp_path: Path) -> None:
    (recipe,) = [block for block in blocks("sh") if "onefile" in block]
    ours_alone = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PROJECT / "rawns", tmp_path / "rawns", ignore=ours_alone)
    path = f"{Path(sys.executable).parent}:{os.defpath}"
    done = subprocess.run(["sh", "-ec", recipe], cwd=tmp_path, env={"PATH": path}, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout.startswith("lo ")


def test_the_article_word_for_word() -> None:
    (article,) = [block for block in blocks("sh") if "netns add ns1" in block]
    talk = rf"""
{sys.executable} -m rawns chat listen --netns ns1 7777 </dev/null >heard 2>ready & room=$!
until grep -q listening ready; do kill -0 $room; done
echo hello from ns2 | rawns chat connect --netns ns2 10.0.0.1 7777 >answer & guest=$!
until grep -q 'hello from ns2' heard; do kill -0 $room; done
kill $room; wait $guest || true
"""
    lines = [line for line in article.splitlines() if "rawns chat" not in line]
    where = next(number for number, line in enumerate(lines) if "netns del" in line)
    begin = f'set -e; cd "$(mktemp -d)"; rawns() {{ {sys.executable} -m rawns "$@"; }}'
    end = 'rawns ip netns list; rm -r "$PWD"'
    done = rawns("rootless", "sh", "-c", "\n".join([begin, *lines[:where], talk, *lines[where:], end]))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 packets transmitted, 3 received, 0% packet loss" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("rtt "), "nothing after the ping: no namespace is left"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="TOML is read from Python 3.11 on")
def test_the_lab_is_what_it_looks_like_and_works(tmp_path: Path) -> None:
    (description,) = blocks("toml")
    (tmp_path / "shop.toml").write_text(description)
    picture = README.partition("$ rawns lab graph shop.toml\n")[2].partition("```")[0]
    assert rawns("lab", "graph", str(tmp_path / "shop.toml")).stdout == picture
    lab = [sys.executable, "-m", "rawns", "lab"]
    done = rawns("lab", "run", str(tmp_path / "shop.toml"), "--", *lab, "ping", "shop")
    assert done.returncode == 0 and "20 of 20 ways lead there and back" in done.stdout, done.stdout + done.stderr
    assert "outside is up" in done.stderr


@pytest.mark.skipif(sys.version_info < (3, 11), reason="TOML is read from Python 3.11 on")
def test_the_faults_are_told_as_they_are_shown(tmp_path: Path) -> None:
    (description,) = blocks("toml")
    wrong = description.replace('gateway = "10', 'gatway = "10').replace("203.0.113.1/24", "203.0.114.1/24")
    (tmp_path / "shop.toml").write_text(wrong.replace("name =", "nam =", 1))
    told = rawns("lab", "plan", str(tmp_path / "shop.toml")).stderr.replace(f"{tmp_path}/", "").splitlines()
    shown = [line[4:] for line in README.splitlines() if line.startswith("    shop.toml:")]
    assert told == shown
