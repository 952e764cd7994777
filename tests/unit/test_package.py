"""What ``import rawns`` gives, and to which Python."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from pythons import python_of

import rawns

PACKAGE = Path(rawns.__file__).parent
OLD = ("2.7", "3.6", "3.7", "3.8")


def test_the_public_names_are_all_there_and_nothing_else() -> None:
    for name in rawns.__all__:
        assert getattr(rawns, name) is not None
    assert dir(rawns) == sorted({*rawns.__all__, "__doc__", "__version__"})


def test_importing_it_loads_nothing_else() -> None:
    script = "import sys; before = set(sys.modules); import rawns; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "['rawns']\n"


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        rawns.nonsense  # noqa: B018


# -- a Python that is too old -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["__init__.py", "__main__.py"])
def test_an_old_python_can_read_it(name: str) -> None:
    """What Python 2.7 and 3.6 refuse to parse: annotations, f-strings, and the future that makes annotations cheap."""
    for node in ast.walk(ast.parse((PACKAGE / name).read_text())):
        assert not isinstance(node, (ast.AnnAssign, ast.JoinedStr, ast.NamedExpr, ast.Starred, ast.AsyncFunctionDef)), node.lineno
        assert not (isinstance(node, ast.ImportFrom) and node.module == "__future__"), node.lineno
        if isinstance(node, ast.FunctionDef):
            arguments = node.args
            every = [*arguments.args, *arguments.kwonlyargs, *arguments.posonlyargs]
            assert node.returns is None and not arguments.kwonlyargs and not arguments.posonlyargs
            assert all(argument.annotation is None for argument in every), node.name


@pytest.mark.parametrize("version", OLD)
def test_an_old_python_gets_one_sentence(version: str, tmp_path: Path) -> None:
    python = python_of(version)
    said = f"rawns needs Python 3.9 or newer; this is {version}."
    environment = {"PYTHONPATH": str(PACKAGE.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    for words in (["-m", "rawns", "demo"], ["-m", "rawns"]):
        done = subprocess.run([python, *words], env=environment, cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (1, "") and done.stderr.startswith(said) and done.stderr.count("\n") == 1
    (tmp_path / "program.py").write_text("try:\n    import rawns\nexcept ImportError as error:\n    print(error)\n")
    for words in (["program.py"], ["-c", (tmp_path / "program.py").read_text()]):
        done = subprocess.run([python, *words], env=environment, cwd=tmp_path, capture_output=True, text=True)
        if version != "2.7" or words[0] != "-c":  # where -c and -m cannot be told apart
            assert done.stdout.startswith(said), done.stderr
