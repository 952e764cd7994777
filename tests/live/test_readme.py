"""What the README shows is what happens: in a /run of its own, because the names are the article's.

Its commands, programs and lab are run by `test_manual`, with those of the manual.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from conftest import PROJECT
from test_rootless import rawns

README = (PROJECT / "README.md").read_text(encoding="utf-8")
LABS = (PROJECT / "rawns" / "manual" / "labs.md").read_text(encoding="utf-8")
ARTICLE = (PROJECT / "rawns" / "manual" / "article.md").read_text(encoding="utf-8")


def blocks(language: str, page: str = README) -> list[str]:
    found = re.findall(rf"(?ms)^```{language}\n(.*?)^```$", page)
    assert found, f"no block of {language}"
    return found


def test_it_begins_with_the_two_commands() -> None:
    first, second = [line.split("#")[0].strip() for line in blocks("sh")[0].splitlines()]
    assert (first, second) == ("python3 -m rawns demo", "tests/run --install")
    assert (PROJECT / ".ci" / "run").read_text().splitlines()[-1].endswith('tests/run" --install "$@"')


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 150


def test_the_chat_of_the_article() -> None:
    """Run the article with its chat; ``test_manual`` runs it without."""
    article = "\n".join(blocks("sh", ARTICLE))
    talk = rf"""
{sys.executable} -m rawns chat listen --netns ns1 7777 </dev/null >heard 2>ready & room=$!
until grep -q listening ready; do kill -0 $room; done
echo hello from ns2 | rawns chat connect --netns ns2 10.0.0.1 7777 >answer & guest=$!
until grep -q 'hello from ns2' heard; do kill -0 $room; done
kill $room; wait $guest || true
"""
    assert "rawns chat listen --netns ns1 7777" in ARTICLE and "rawns chat connect --netns ns2 10.0.0.1 7777" in ARTICLE
    lines = article.splitlines()
    where = next(number for number, line in enumerate(lines) if "netns del" in line)
    begin = f'set -e; cd "$(mktemp -d)"; rawns() {{ {sys.executable} -m rawns "$@"; }}'
    end = 'rawns ip netns list; rm -r "$PWD"'
    done = rawns("rootless", "sh", "-c", "\n".join([begin, *lines[:where], talk, *lines[where:], end]))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("1 packets transmitted, 1 received, 0% packet loss") == 2
    assert done.stdout.splitlines()[-1].startswith("rtt "), "nothing after the ping: no namespace is left"


def test_the_picture_and_the_pings_of_the_lab(tmp_path: Path) -> None:
    (description,) = blocks("toml")
    (tmp_path / "shop.toml").write_text(description)
    picture = README.partition("$ rawns lab graph shop.toml\n")[2].partition("```")[0]
    assert rawns("lab", "graph", str(tmp_path / "shop.toml")).stdout == picture
    lab = [sys.executable, "-m", "rawns", "lab"]
    done = rawns("lab", "run", str(tmp_path / "shop.toml"), "--", *lab, "ping", "shop")
    assert done.returncode == 0 and "20 of 20" in done.stdout, done.stdout + done.stderr
    assert "outside is up" in done.stderr


def test_the_errors_of_a_lab_are_those_shown(tmp_path: Path) -> None:
    """A line number differs with the file; the manual shows the one for a gateway on the fifth line."""
    description = blocks("toml", LABS)[0].replace("gateway =", "gatway =")
    (tmp_path / "shop.toml").write_text(description)
    told = rawns("lab", "plan", str(tmp_path / "shop.toml")).stderr.replace(f"{tmp_path}/", "").splitlines()
    (shown,) = [line for line in LABS.splitlines() if line.startswith("shop.toml:")]
    assert told == [shown]
