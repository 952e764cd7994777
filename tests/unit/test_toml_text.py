"""Simple TOML: whatever is read without `tomllib` is read as `tomllib` reads it."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from rawns.toml_text import UnscannableToml, scan

tomllib = pytest.importorskip("tomllib")
EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "rawns" / "examples").glob("*.toml"))
PIECES = [
    *"[]{}=,.\"#\n \t0123456789-_+eTf\r\\'é\x00",
    *'[[ ]] """ true false 1.5 a.b [a] [[a]] [a.b] {a=1} [1,2,] 0x1 inf 1979-05-27'.split(),
    "a = 1\n",
]


def same(text: str) -> bool:
    """Return whether a text is read here; `tomllib` must agree then."""
    try:
        found = scan(text)
    except UnscannableToml:
        return False
    assert repr(found) == repr(tomllib.loads(text)), text  # repr: 1, 1.0 and True are equal
    return True


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples(path: Path) -> None:
    assert same(path.read_text())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#",
        "a = 1 # b",
        "a = [\n 1, # b\n 2,\n]",
        "a = {b = [1, {c = 0.5}], d = true}",
        "[a.b]\nc = 1\n[a.d]\n[[e]]\n[[e]]\nf = 1\n[e.g]\n[[e.g.h]]",
        'a = ""',
    ],
)
def test_what_is_read(text: str) -> None:
    assert same(text)


@pytest.mark.parametrize(
    "text",
    [
        "a = 1\na = 2",
        "a = {b = 1}\n[a.c]",
        "a = []\n[[a]]",
        "a = [{}]\n[[a]]",
        "a = [{}]\n[a.b]",
        "[a]\n[a]",
        "[a]\n[[a]]",
        "[[a]]\n[a]",
        "a = 01",
        "a = 1.",
        "a = {b = 1,}",
        "a = [1 2]",
        "a = [",
        "a = {",
        "a",
        "a =",
        '"',
        'a = "',
        "[a",
        "[[a]",
        "a = 1 b = 2",
        "a = " + "[" * 5000,
        "a = " + "9" * 5000,
    ],
)
def test_what_is_left_to_tomllib(text: str) -> None:
    assert not same(text)


def test_mutations() -> None:
    random, read = Random(1), 0
    texts = [path.read_text()[:700] for path in EXAMPLES]
    for _ in range(6000):
        text = random.choice(texts)
        for _ in range(random.randint(1, 3)):
            start = random.randrange(len(text) + 1)
            text = text[:start] + random.choice(PIECES) * random.randint(0, 1) + text[start + random.randint(0, 3) :]
        read += same(text)
    assert read > 500
