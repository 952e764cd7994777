"""The package as it is distributed: sdist, a wheel built from it, and that wheel in an empty environment."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from conftest import PROJECT

import rawns

FILES = {
    path.relative_to(PROJECT).as_posix()
    for path in (PROJECT / "rawns").rglob("*")
    if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
}

PATH = f"/usr/sbin:/sbin:{os.defpath}"
PROGRAM = """
import rawns
from rawns import NetNS

with NetNS.create() as one, NetNS.create() as two:
    one.net.add_veth("v1", peer="v2", peer_ns=two)
    one.net.set_link("v1", {option}=True)
    names: list[str] = [link.name for link in one.net.links()]
    {statement}
print(names, rawns.__version__)
"""


def run(*command: str | Path, cwd: Path, **options: object) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": f"/usr/sbin:/sbin:{os.defpath}",
        "HOME": str(cwd),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "LANG": "C.UTF-8",
    }
    given: dict[str, object] = {"env": environment, "capture_output": True, "text": True, "timeout": 300, **options}
    return subprocess.run(list(map(str, command)), cwd=cwd, **given)  # type: ignore[call-overload,no-any-return]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sdist, and the wheel built from it."""
    if importlib.util.find_spec("setuptools") is None:
        pytest.skip("needs setuptools")
    directory = tmp_path_factory.mktemp("dist")
    source = directory / "source"
    ignored = shutil.ignore_patterns(".git", ".venv", ".*_cache", "__pycache__", "*.egg-info", "tests", "bench", ".coverage*")
    shutil.copytree(PROJECT, source, ignore=ignored)
    shutil.copytree(PROJECT / "rawns", source / "rawns", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    done = run(sys.executable, "setup.py", "-q", "sdist", "-d", directory, cwd=source)
    assert done.returncode == 0, done.stderr
    (archive,) = directory.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(directory / "unpacked")
    (unpacked,) = (directory / "unpacked").iterdir()
    done = run(sys.executable, "setup.py", "-q", "bdist_wheel", "-d", directory, cwd=unpacked)
    if "invalid command 'bdist_wheel'" in done.stderr:
        pytest.skip("this setuptools needs the package wheel")
    assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture(scope="module")
def environment(built: Path) -> Path:
    """An empty virtual environment in which nothing but the wheel is installed."""
    home = built / "environment"
    done = run(sys.executable, "-m", "venv", home, cwd=built)
    if done.returncode:
        pytest.skip(f"no virtual environment can be made: {done.stdout}{done.stderr}")
    (wheel,) = built.glob("*.whl")
    done = run(home / "bin" / "python", "-m", "pip", "install", "-q", "--no-index", wheel, cwd=built)
    assert done.returncode == 0, done.stderr
    return home


def test_what_the_archives_contain(built: Path) -> None:
    """Every file of the package, the pages and the C source too, and nothing else."""
    (wheel,) = built.glob("*.whl")
    assert wheel.name == f"rawns-{rawns.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        inside = archive.namelist()
        (metadata,) = [archive.read(name).decode() for name in inside if name.endswith("METADATA")]
    assert {name for name in inside if ".dist-info/" not in name} == FILES
    assert "Requires-Python: >=3.9" in metadata
    required = re.findall(r"(?m)^Requires-Dist: (.*)$", metadata)
    assert all("extra ==" in one for one in required), "the package itself needs nothing"
    assert {"cffi", "pyroute2"} <= {re.split(r"\W", one)[0] for one in required if "bench" in one}
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    assert {*FILES, "setup.py", "pyproject.toml", "README.md", "LICENSE"} <= names


def test_the_installed_commands(environment: Path, tmp_path: Path) -> None:
    command = environment / "bin" / "rawns"
    assert run(command, "version", cwd=tmp_path).stdout == f"rawns {rawns.__version__}\n"
    done = run(command, "demo", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "") and "All 10 steps succeeded" in done.stdout
    overview = run(command, "help", cwd=tmp_path).stdout
    pages = sorted((PROJECT / "rawns" / "manual").glob("*.md"))
    assert pages and all(f"\n  {page.stem} " in overview for page in pages)
    assert run(command, "help", pages[0].stem, cwd=tmp_path).stdout == pages[0].read_text(encoding="utf-8")
    (tmp_path / "article.json").write_text(run(command, "lab", "examples", "article", "--json", cwd=tmp_path).stdout)
    done = run(command, "lab", "run", "./article.json", "--", command, "ip", "netns", "list", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "") and len(done.stdout.splitlines()) >= 2
    assert run(environment / "bin" / "python", "-m", "rawns", "onefile", cwd=tmp_path).returncode == 0
    assert run(environment / "bin" / "python", "-IS", tmp_path / "rawns.pyz", "help", pages[0].stem, cwd=tmp_path).returncode == 0


def test_a_clone_beside_a_program_does_not_shadow_the_installation(environment: Path, tmp_path: Path) -> None:
    """``import rawns`` beside a clone, a directory ``rawns`` with ``rawns/rawns`` in it, finds the installed package."""
    (tmp_path / "rawns" / "rawns").mkdir(parents=True)
    (tmp_path / "rawns" / "rawns" / "__init__.py").write_text("raise SystemExit('the clone')\n")
    (tmp_path / "program.py").write_text("import rawns; print(rawns.NetNS.__name__, rawns.__version__)\n")
    python = environment / "bin" / "python"
    expected = f"NetNS {rawns.__version__}\n"
    assert run(python, "program.py", cwd=tmp_path).stdout == expected
    assert run(python, "-c", (tmp_path / "program.py").read_text(), cwd=tmp_path).stdout == expected
    assert run(python, "-m", "rawns", "version", cwd=tmp_path).stdout == f"rawns {rawns.__version__}\n"


def test_a_program_and_what_mypy_says_of_it(environment: Path, tmp_path: Path) -> None:
    """With ``mypy --strict`` against the installation: a right program passes, misspelt options and types are found."""
    right = tmp_path / "right.py"
    right.write_text(PROGRAM.format(option="up", statement="pass"))
    done = run(environment / "bin" / "python", right, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"['lo', 'v1'] {rawns.__version__}\n"), done.stderr
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("needs mypy")
    python = str(environment / "bin" / "python")
    mypy = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--python-executable", python]
    done = run(*mypy, right, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for option, statement, said in (("upp", "pass", "upp"), ("up", "one.net.links().nonsense()", "nonsense")):
        wrong = tmp_path / "wrong.py"
        wrong.write_text(PROGRAM.format(option=option, statement=statement))
        done = run(*mypy, wrong, cwd=tmp_path)
        assert done.returncode == 1 and said in done.stdout, done.stdout
