"""`rawns onefile`: write a copy of this package into one executable file, which needs nothing but Python.

The file is a zip archive after a line that names the interpreter.  The same package gives the same bytes: names are sorted,
times are fixed.  It always contains the source, without comments, docstrings and annotations unless ``--comments`` is given; with
``--compile`` also the compiled modules, which the Python version that has written them uses, and every other version ignores.
"""

from __future__ import annotations

import ast
import os
import sys

from ..errors import RawnsError
from ..terminal import printable
from .main import APPLETS, COMMANDS
from .options import Command, Option, did_you_mean
from .output import report

TYPE_CHECKING = False
if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator

INTERPRETER = b"#!/usr/bin/env python3\n"
TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip archive can express
NEEDED = ("ip", "help", "version")  # commands that cannot be left out
WORTHLESS = (".pyc", ".pyo")
START = """import sys

if sys.version_info < (3, 9):
    raise SystemExit("rawns needs Python 3.9 or newer; this is %d.%d.%d" % sys.version_info[:3])
from rawns.__main__ import main

main()
"""
COMPILER = """import marshal, sys
sources = marshal.load(sys.stdin.buffer)
codes = {name: marshal.dumps(compile(source, name, "exec", dont_inherit=True)) for name, source in sources}
sys.stdout.buffer.write(marshal.dumps(codes))
"""
# Parts that can be left out beside commands, and the beginnings of the names of their files.
# `library` is the API for Python programs: what is needed by nothing else is left out with it.
PARTS = {
    "library": "",
    "manual": "rawns/manual/",
    "nft": "rawns/nft/",
    "pool": "rawns/pool.py",
    "events": "rawns/events.py",
}
NOT_WITH_ONLY = (
    "library",
    "manual",
)  # parts that ``--only`` leaves out, unless they are named; of the others, what is not needed
# Packages of the public API that are left out with a command.
WITH_COMMAND = {"lab": "lab", "icmp": "ping", "diagnose": "why", "chat": "chat"}
# Modules whose functions import what belongs to the command that is typed, which may have been left out.
DISPATCHERS = ("rawns.cli.main", "rawns.cli.completion")

# Packages of which all modules are needed: one is imported for each word of a command line.
WHOLE_PACKAGES = ("rawns.cli.", "rawns.learn.chapters")
# The other modules that import modules by name, and the table in which each of them names these.
TABLES = {
    "rawns.cni.program": "PLUGINS",
    "rawns.explain": "FOREIGN",
    "rawns.genl": "DESCRIBED",
    "rawns.lab": "_MODULES",
    "rawns.lab.kinds": "TABLES",
    "rawns.machines": "_MODULES",
}
# The messages of rtnetlink are imported by their own names: a module of them is needed if a module that is kept contains one.
MESSAGES = ("rawns.rtnl", "MODULES")
ANY_MESSAGE = ("rawns.explain", "rawns.events")  # these decode whatever others send
# Modules that may be missing: what needs the protocol imports it as well.
OPTIONAL = {"rawns.netlink": ("rawns.nft", "rawns.sock_diag")}

COMMAND = Command(
    "onefile",
    "Write this package into one executable file, which needs nothing but Python 3.9 or newer.",
    options=(
        Option("-o", "--output", argument="FILE", default="rawns.pyz", help="the file to write (rawns.pyz)"),
        Option(
            "--without",
            argument="COMMAND,...",
            many=True,
            help=f"leave out these commands and what only they need; also {', '.join(PARTS)}",
        ),
        Option("--only", argument="COMMAND,...", many=True, help="leave out all others; `--only ip` is the smallest"),
        Option("--comments", help="keep comments, docstrings and annotations; without them the file is a third smaller"),
        Option("--compile", help="add compiled modules for this version of Python: a larger file that starts faster"),
    ),
    exclusive=[("--without", "--only")],
    details="The file is reproducible: the same package and options give the same bytes. Started through a link named "
    f"{', '.join(APPLETS[:-1])} or {APPLETS[-1]}, it is that program.",
)


def main(argv: list[str]) -> int:
    """Run ``rawns onefile``; return the exit status."""
    options = COMMAND.parse(argv)
    named = {word for given in [*options["--without"], *options["--only"]] for word in given.split(",") if word}
    _check(named, [*NEEDED] if options["--without"] else [])
    left_out = {*COMMANDS, *NOT_WITH_ONLY} - {*named, *NEEDED} if options["--only"] else named
    data = archive(left_out, options["--compile"], options["--comments"])
    _write(options["--output"], data)
    report(f"{printable(options['--output'])}: {len(data)} bytes")
    return 0


def _check(named: set[str], needed: list[str]) -> None:
    """Raise `RawnsError` if a word names nothing, or something that cannot be left out."""
    for word in sorted(named):
        if word in needed:
            raise RawnsError(f"`{word}` cannot be left out")
        if word not in COMMANDS and word not in PARTS:
            raise RawnsError(f"there is no command or part {printable(word)}{did_you_mean(word, [*COMMANDS, *PARTS])}")


def archive(left_out: set[str], compiled: bool = False, comments: bool = False) -> bytes:
    """Return the bytes of the file."""
    import io
    import zipfile

    files = dict(package_files())
    kept = sorted(_needed(files, left_out) if left_out else files)
    if not comments:
        from .onefile_source import strip

        files.update((name, strip(files[name])) for name in kept if name.endswith(".py"))
    codes = _compile([(name, files[name]) for name in kept if name.endswith(".py")]) if compiled else {}
    held = io.BytesIO()
    held.write(INTERPRETER)
    with zipfile.ZipFile(held, "a") as target:
        target.writestr(_entry("__main__.py"), START, zipfile.ZIP_DEFLATED, 9)
        for name in kept:
            if name in codes:  # not compressed: a module that must be decompressed starts later
                target.writestr(_entry(f"{name}c"), codes[name], zipfile.ZIP_STORED)
            target.writestr(_entry(name), files[name], zipfile.ZIP_DEFLATED, 9)
    return held.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    import zipfile

    entry = zipfile.ZipInfo(name, TIMESTAMP)
    entry.create_system = 3  # Unix, also if written elsewhere
    entry.external_attr = 0o100644 << 16
    return entry


def _compile(sources: list[tuple[str, bytes]]) -> dict[str, bytes]:
    """Return compiled modules as PEP 552 describes them, not checked against the source, which cannot change in the archive.

    Done in a process of its own: the bytes depend on the seed of hashes, and on what else a process holds.
    """
    import importlib.util
    import marshal
    import subprocess

    command = [sys.executable, "-S", "-s", "-c", COMPILER]
    environment = {"PYTHONHASHSEED": "0"}
    done = subprocess.run(command, input=marshal.dumps(sources), stdout=subprocess.PIPE, env=environment, cwd="/", check=False)
    if done.returncode:
        raise RawnsError(f"{sys.executable} could not compile the modules")
    head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little")  # 1: identified by a hash, which is not checked
    codes: dict[str, bytes] = marshal.loads(done.stdout)
    return {name: head + importlib.util.source_hash(source) + codes[name] for name, source in sources}


def _write(path: str, data: bytes) -> None:
    """Write an executable file; it replaces an existing one when it is complete.  A device or a pipe is written to."""
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as file:
            file.write(data)
        return
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        error.filename = path  # the user has not named the other file
        raise
    try:
        with open(fd, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), 0o755)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


# -- what the package consists of -----------------------------------------------------------------------------------------


def package_files() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the contents of each file of this package, from a directory or from the archive that it is in."""
    import rawns

    directory = os.path.dirname(os.path.abspath(rawns.__file__))
    if not os.path.isdir(directory):
        yield from _archived(os.path.dirname(directory))
        return
    for place, directories, names in os.walk(directory):
        directories[:] = [one for one in directories if one != "__pycache__" and not one.startswith(".")]
        for name in names:
            if not name.startswith(".") and not name.endswith(WORTHLESS):
                path = os.path.join(place, name)
                with open(path, "rb") as file:
                    yield os.path.relpath(path, os.path.dirname(directory)).replace(os.sep, "/"), file.read()


def _archived(path: str) -> Iterator[tuple[str, bytes]]:
    import zipfile

    with zipfile.ZipFile(path) as source:
        for name in source.namelist():
            if name.startswith("rawns/") and not name.endswith((*WORTHLESS, "/")):
                yield name, source.read(name)


def _needed(files: dict[str, bytes], left_out: set[str]) -> set[str]:
    """Return the files that are needed without some commands: what the others import, and the data beside it."""
    starts = ["rawns", "rawns.__main__", *[f"rawns.cli.{word}" for word in COMMANDS if word not in left_out]]
    public = {module for module in _public_modules() if WITH_COMMAND.get(module.partition(".")[0]) not in left_out}
    if "library" not in left_out:
        starts += [f"rawns.{module}" for module in public]
    modules = _reachable(files, starts)
    kept = {name for name in files if _module(name) in modules or not name.endswith(".py") and _owner(name) in modules}
    unwanted = tuple(PARTS[word] for word in left_out if PARTS.get(word)) + (("rawns/examples/",) if "lab" in left_out else ())
    return {name for name in kept if not name.startswith(unwanted)}


def _public_modules() -> set[str]:
    """Return the modules that the names of the public API are taken from."""
    import rawns

    return set(rawns._MODULES.values())


def _module(name: str) -> str:
    """Return the name of the module that a file is; empty for data."""
    return name[:-3].replace("/", ".").removesuffix(".__init__") if name.endswith(".py") else ""


def _owner(name: str) -> str:
    """Return the package that a data file belongs to: the nearest one above it."""
    package = name.rpartition("/")[0].replace("/", ".")
    return "rawns" if package in ("rawns.manual", "rawns.examples") else package


def _reachable(files: dict[str, bytes], starts: list[str]) -> set[str]:
    """Return the modules that are imported from some modules, and from those that they import."""
    known = {module: name for name in files if (module := _module(name))}
    found: set[str] = set()
    words: set[str] = set()  # that occur in these modules
    waiting = list(starts)
    while waiting:
        module = waiting.pop()
        if module not in found and module in known:
            found.add(module)
            tree = ast.parse(files[known[module]])
            package = known[module].endswith("__init__.py")
            waiting.append(module.rpartition(".")[0])
            waiting += _imports(module, package, tree)
            waiting += _by_name(module, package, tree, known)
            words.update(_words(tree) if module != MESSAGES[0] else ())
        if not waiting and MESSAGES[0] in found:
            waiting += _messages(files[known[MESSAGES[0]]], None if found.intersection(ANY_MESSAGE) else words) - found
    return found


def _imports(module: str, package: bool, tree: ast.Module) -> Iterator[str]:
    """Yield the modules that a module may import, anywhere in its source; of `DISPATCHERS`, at its beginning."""
    here = module.split(".") if package else module.split(".")[:-1]
    if module == "rawns":
        return  # it imports by name what may have been left out
    for node in tree.body if module in DISPATCHERS else _executed(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            if not name.startswith(OPTIONAL.get(module, ("?",))):
                yield name
                yield from (f"{name}.{alias.name}" for alias in node.names)


def _executed(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes of a module but those under ``if TYPE_CHECKING:``."""
    for node in tree.body:
        if not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            yield from ast.walk(node)


def _by_name(module: str, package: bool, tree: ast.Module, known: dict[str, str]) -> Iterator[str]:
    """Yield the modules that a module imports by name."""
    if package and module.startswith(WHOLE_PACKAGES):
        yield from (one for one in known if one.startswith(f"{module}."))
    if module in TABLES:
        parent = module if package else module.rpartition(".")[0]
        yield from (f"{parent}.{word}" for word in _strings(_table(tree, TABLES[module])))


def _table(tree: ast.Module, name: str) -> ast.expr:
    """Return what a module assigns to a name at its beginning.  Raises LookupError if it assigns nothing."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        if any(isinstance(one, ast.Name) and one.id == name for one in targets) and node.value is not None:  # type: ignore[attr-defined]
            value: ast.expr = node.value  # type: ignore[attr-defined]
            return value
    raise LookupError(name)


def _strings(tree: ast.AST) -> Iterator[str]:
    yield from (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def _words(tree: ast.Module) -> Iterator[str]:
    """Yield the names, attributes and strings that occur in a module."""
    yield from _strings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)


def _messages(source: bytes, words: set[str] | None) -> set[str]:
    """Return the modules of the messages that are among some words; all modules if None is given."""
    modules: dict[str, str] = ast.literal_eval(_table(ast.parse(source), MESSAGES[1]))
    return {f"{MESSAGES[0]}.{module}" for module, names in modules.items() if words is None or words.intersection(names.split())}
