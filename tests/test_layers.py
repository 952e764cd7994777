"""The house stands on its floors: a module imports only from below, and the pure ones touch nothing.

Reads the source (imports inside functions and under TYPE_CHECKING too), so it needs no privileges and runs nothing.
"""

from __future__ import annotations

import ast
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PROJECT

PACKAGE = PROJECT / "rawns"

FLOORS = [
    ["terminal"],
    ["errors", "uapi"],
    ["syscalls", "wire"],
    ["names", "nlmsg", "rtnl", "nft.messages", "packets", "sockets", "sysctl"],
    ["exchange", "explain", "objects", "framing", "threads"],
    ["nft"],
    ["netns", "tap"],
    ["nlsocket"],
    ["netlink", "events"],
    ["net", "rootless"],
    ["lab", "pool", "icmp", "chat"],
    ["diagnose", "bench", "inventory", "doctor"],
    ["cli"],
]
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
ANY_FLOOR = {"", "__main__"}  # the package itself and `python -m rawns` are doors, not rooms

PURE = ["wire", "rtnl", "nft", "nlmsg", "packets", "exchange", "explain", "objects", "framing", "terminal"]
PURE_MAY = {"__future__", "struct", "typing", "collections.abc"}
EXTRAS = {"cffi", "pyroute2", "mininet"}  # the one exception to "nothing but the standard library": the bench's peers
ADDRESSES = {"AF_INET", "AF_INET6", "inet_ntop", "inet_pton"}  # the named exception, from `_socket` or `socket`


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def dotted(path: Path) -> str:
    """``objects.link`` for rawns/objects/link.py; empty for the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports(path: Path, tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """Each import of a module: line, absolute module name, name taken from it (empty for the module itself)."""
    package = ["rawns", *dotted(path).split(".")] if dotted(path) else ["rawns"]
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, one.name, "") for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            yield from ((node.lineno, module, one.name) for one in node.names)


def layer_name(path: str) -> str:
    """The longest entry of FLOORS that a dotted path below the package lies in; empty if there is none."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in FLOOR:
            return ".".join(parts[:length])
    return ""


def rooms(module: str, name: str) -> str:
    """The entry of FLOORS an import leads to; empty where it leads outside or to the package itself."""
    if module.split(".")[0] != "rawns":
        return ""
    return layer_name(".".join([*module.split(".")[1:], name]))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def climbs(path: Path, tree: ast.AST) -> list[str]:
    """The imports of this module that do not come from below (or from beside it, in the same package)."""
    if dotted(path) in ANY_FLOOR:
        return []
    here = layer_name(dotted(path))
    return [
        f"{path.relative_to(PROJECT)}:{line}: {here} (floor {FLOOR[here]}) imports {room} (floor {FLOOR[room]})"
        for line, module, name in imports(path, tree)
        if (room := rooms(module, name)) and room != here and FLOOR[room] >= FLOOR[here]
    ]


def taints(path: Path, tree: ast.AST) -> list[str]:
    """The imports of a pure module that lead out of the house to anything that acts."""
    return [
        f"{path.relative_to(PROJECT)}:{line}: a pure module imports {module} {name}".rstrip()
        for line, module, name in imports(path, tree)
        if module.split(".")[0] != "rawns"
        and module not in PURE_MAY
        and not (module in ("_socket", "socket") and name in ADDRESSES)
    ]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PROJECT)))
def test_imports_come_from_below(path: Path) -> None:
    here = dotted(path)
    assert layer_name(here) or here in ANY_FLOOR, f"{path} stands on no floor: give it one here and in README.md"
    assert climbs(path, parse(path)) == []


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PROJECT)))
def test_pure_modules_touch_nothing(path: Path) -> None:
    if dotted(path).split(".")[0] in PURE:
        assert taints(path, parse(path)) == []


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PROJECT)))
def test_nothing_but_the_standard_library(path: Path) -> None:
    known = getattr(sys, "stdlib_module_names", None)  # since 3.10
    if known is None:
        pytest.skip("this Python does not say what its standard library holds")
    tree = parse(path)
    allowed = {*known, "rawns", *(EXTRAS if dotted(path).startswith("bench.peers") else ())}
    foreign = {(line, module) for line, module, _ in imports(path, tree) if module.split(".")[0] not in allowed}
    # Type checkers bring typing_extensions along (`Unpack` is in `typing` since 3.11 only); no program needs it.
    assert foreign <= {(line, "typing_extensions") for line in type_checking_lines(tree)}


def type_checking_lines(tree: ast.Module) -> set[int]:
    """The lines of the ``if TYPE_CHECKING:`` blocks, which no program runs."""
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return {line for block in blocks for line in range(block.lineno, (block.end_lineno or 0) + 1)}


def test_a_climbing_import_is_caught() -> None:
    source = "def f():\n    from . import netlink\n    from ..rawns.lab import Lab\nif TYPE_CHECKING:\n    import rawns.net\n"
    assert len(climbs(PACKAGE / "wire.py", ast.parse(source))) == 3
    assert len(climbs(PACKAGE / "objects" / "link.py", ast.parse("from .. import netns\nfrom ..net import Net\n"))) == 2
    assert climbs(PACKAGE / "objects" / "link.py", ast.parse("from .. import rtnl\nfrom . import addr\n")) == []
    assert climbs(PACKAGE / "cli" / "ip.py", ast.parse("from ..lab import Lab\nfrom .words import W\n")) == []


def test_a_tainted_import_is_caught() -> None:
    source = "import os\ndef f():\n    import time\n    from _socket import socket\n"
    assert len(taints(PACKAGE / "wire.py", ast.parse(source))) == 3
    assert taints(PACKAGE / "wire.py", ast.parse("from _socket import inet_pton\nimport struct\n")) == []


# -- the project's edges ------------------------------------------------------------------------------------------------


def test_setup_py_and_tests_run_name_the_same_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    setuptools = pytest.importorskip("setuptools")
    given: dict[str, object] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **options: given.update(options))
    monkeypatch.chdir(PROJECT)
    runpy.run_path("setup.py")
    extras = given["extras_require"]
    assert isinstance(extras, dict)
    listed = re.search(r"^packages=\((.*?)\)", (PROJECT / "tests" / "run").read_text(), re.MULTILINE)
    assert listed is not None and listed[1].split() == extras["test"]
    assert given["install_requires"] == []
    assert set(given["packages"]) == {  # type: ignore[call-overload]
        ".".join(path.parent.relative_to(PROJECT).parts) for path in modules() if path.name == "__init__.py"
    }


def test_every_package_directory_is_a_package() -> None:
    """A directory without __init__.py works in a checkout and is missing from the installation."""
    assert [str(path) for path in modules() if not (path.parent / "__init__.py").exists()] == []
