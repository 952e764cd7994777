"""The style of names and prose that CONTRIBUTING.md describes, as far as a program can check it.

Reads the source and runs nothing.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from conftest import PROJECT

pytestmark = pytest.mark.no_cover  # it runs nothing of the package

PACKAGE = sorted((PROJECT / "rawns").rglob("*.py"))
ALL = [*PACKAGE, *sorted((PROJECT / "bench").rglob("*.py")), *sorted((PROJECT / "tests").rglob("*.py"))]
THIS = Path(__file__).resolve()

SAME_NAME: dict[str, str] = {  # class names that several modules define, each with the reason
}

EXCLUDED = {  # in docstrings and comments
    "it and they, for things and people": r"\b(he|him|his|she|hers)\b",
    "the thing itself: another process, the user, a caller": r"\b(somebody|someone else|whoever|everybody|anybody)\b",
    "the user nobody is written with the word user": r"(?<!user )(?<!uid )(?<!as )(?<!`)\bnobody\b(?! user)(?!`)",
    "a namespace that, a process that": r"\b(who is|for who|who has|who does|who was|for whom)\b",
    "is not a": r"\bis no [a-z]+ of\b|\bwhat is no\b",
    "create, delete": r"\b(born|birth|births)\b",
    "a layer is not a floor": r"\bfloor \d|\bFloor \d|\bfloors?\b(?! of the)(?!\()",
    "plain words": r"\b(house|story|stories|comes home|goes home|come home|go home|by heart)\b",
}
PATTERNS = {remedy: re.compile(pattern, re.IGNORECASE) for remedy, pattern in EXCLUDED.items()}
NOT_A_VERB = set(  # with which the first line of a function's docstring does not begin
    """A An The This That These Those It Its They Their What Which Who Whose Whether Where When How Why As At By For From In Into
    Of On Or And But With Without To All Any Both Each Every No None Nothing One Only Some Same Such Two Three More Most Our Ours
    If Not Also Then There Here Like Until While Since Because Says Is Are Was Has Had Does""".split()
)
OTHERWISE = [  # private functions whose docstrings may begin otherwise: the place, and how
    ("rawns/cli/ip/", "``"),  # with the words that the function parses or prints, as the help of `ip` has them
]
PLAIN_NAMES = re.compile(r"(?:^|_)(floors?|houses?|births?|story|fate|plug|phrase|sayings?)(?:_|$)")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of each docstring and comment."""
    source = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node, clean=False)
            if text is not None:
                yield node.body[0].lineno, text


def excluded(path: Path) -> list[str]:
    """Return each excluded word in a file, with its remedy."""
    if path == THIS:
        return []
    return [
        f"{path.relative_to(PROJECT)}:{line + text.count(chr(10), 0, found.start())}: {found[0]!r}: {remedy}"
        for line, text in prose(path)
        for remedy, pattern in PATTERNS.items()
        for found in pattern.finditer(text)
    ]


def functions(path: Path) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield the functions of a module and the methods of its classes, not those inside functions."""
    inside: list[tuple[str, ast.Module | ast.ClassDef]] = [("", tree(path))]
    while inside:
        prefix, node = inside.pop()
        for one in node.body:
            if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield prefix + one.name, one
            elif isinstance(one, ast.ClassDef):
                inside.append((f"{prefix}{one.name}.", one))


def decorators(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    return {ast.unparse(one).rpartition(".")[2] for one in node.decorator_list}


@cache
def classes() -> dict[str, tuple[list[str], set[str]]]:
    """Return for each class of the package the names of its bases and of its documented methods."""
    found = {}
    for path in PACKAGE:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                bases = [ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases]
                methods = {one.name for one in node.body if isinstance(one, ast.FunctionDef) and ast.get_docstring(one)}
                found[node.name] = bases, methods
    return found


def inherits_docstring(name: str) -> bool:
    """Tell whether ``Class.method`` overrides a method that a base class documents."""
    owner, _, method = name.rpartition(".")
    bases = list(classes().get(owner.rpartition(".")[2], ([], set()))[0])
    while bases:
        more, documented = classes().get(bases.pop(), ([], set()))
        if method in documented:
            return True
        bases += more
    return False


def undocumented(path: Path) -> list[str]:
    """Return the public functions, methods and classes without a docstring; an override has that of its base class."""
    missing = [
        f"{path.relative_to(PROJECT)}:{node.lineno}: {name} has no docstring"
        for name, node in functions(path)
        if not any(part.startswith("_") for part in name.split("."))
        and not decorators(node) & {"overload", "setter", "override"}
        and not inherits_docstring(name)
        and ast.get_docstring(node) is None
    ]
    return missing + [
        f"{path.relative_to(PROJECT)}:{node.lineno}: class {node.name} has no docstring"
        for node in tree(path).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and ast.get_docstring(node) is None
    ]


def not_imperative(path: Path) -> list[str]:
    """Return the functions whose docstring does not begin with a capitalised verb; a property is described by a noun."""
    found = []
    for name, node in functions(path):
        text = ast.get_docstring(node)
        if text is None or decorators(node) & {"property", "cached_property", "contextmanager"}:
            continue
        relative = str(path.relative_to(PROJECT))
        if name.rpartition(".")[2].startswith("_") and any(
            re.match(place, relative) and re.match(how, text) for place, how in OTHERWISE
        ):
            continue
        first = re.match(r"[A-Z][a-z]+(?=[\s.,:;-]|$)", text)
        if first is None or first[0] in NOT_A_VERB:
            found.append(f"{path.relative_to(PROJECT)}:{node.lineno}: {name}: {text.splitlines()[0][:60]!r} begins with no verb")
    return found


@pytest.mark.parametrize(
    ("check", "paths"),
    [(excluded, ALL), (undocumented, PACKAGE), (not_imperative, PACKAGE)],
    ids=["excluded", "undocumented", "not_imperative"],
)
def test_prose_is_plain(check: Callable[[Path], list[str]], paths: list[Path]) -> None:
    found = [one for path in paths for one in check(path)]
    assert not found, "\n".join(found)


def test_one_name_is_one_thing() -> None:
    modules = defaultdict(set)
    for path in PACKAGE:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                modules[node.name].add(str(path.relative_to(PROJECT)))
    several = {name: sorted(found) for name, found in modules.items() if len(found) > 1}
    assert {name: found for name, found in several.items() if name not in SAME_NAME} == {}


def test_names_are_plain() -> None:
    names = {str(path.relative_to(PROJECT)): part for path in ALL for part in path.relative_to(PROJECT).with_suffix("").parts}
    found = [where for where, name in names.items() if PLAIN_NAMES.search(name)]
    for path in PACKAGE:
        for node in ast.walk(tree(path)):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", node.name).lower()
                if PLAIN_NAMES.search(words):
                    found.append(f"{path.relative_to(PROJECT)}:{node.lineno}: {node.name}")
    assert found == []


def test_what_is_excluded_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "PROJECT", tmp_path)
    module = tmp_path / "module.py"
    module.write_text('"""For who is born."""\n\ndef f():\n    """The thing."""\n    return 1  # his\n\ndef g():\n    pass\n')
    assert len(excluded(module)) == 3 and len(undocumented(module)) == 1 and len(not_imperative(module)) == 1
    tree.cache_clear()
    module.write_text('"""Functions."""\n\ndef f():\n    """Return the user nobody."""\n    return 1  # theirs\n')
    assert (excluded(module), undocumented(module), not_imperative(module)) == ([], [], [])
