"""`rawns onefile`: the program in one file, and what Python and the file system make of it."""

from __future__ import annotations

import ast
import errno
import hashlib
import io
import os
import re
import shutil
import stat
import subprocess
import sys
import tokenize
import zipfile
from pathlib import Path

import pytest
from conftest import PROJECT
from pythons import python_of

from rawns.cli import onefile as onefile_module
from rawns.cli.main import APPLETS

KILOBYTE = 1000
CHECKING = "TYPE_CHECKING"


def onefile(*words: str, cwd: Path, program: list[str] | None = None, **environment: str) -> str:
    command = [*(program or [sys.executable, "-m", "rawns"]), "onefile", *words]
    given = {"PATH": os.defpath, "PYTHONPATH": str(PROJECT), **environment}
    done = subprocess.run(command, cwd=cwd, env=given, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the whole program, that of the `ip` family, and a compiled one."""
    directory = tmp_path_factory.mktemp("onefile")
    onefile(cwd=directory)
    onefile("--output=ip.pyz", "--only", "ip", cwd=directory)
    onefile("-o", "nobench.pyz", "--without=bench,learn", cwd=directory)
    onefile("-o", "compiled.pyz", "--compile", cwd=directory)
    return directory


def test_size_mode_and_contents(made: Path) -> None:
    # The aims are 250 and 600 KB; each new command adds its source.  `learn` is left out like the bench.
    assert (made / "ip.pyz").stat().st_size <= 250 * KILOBYTE
    assert (made / "nobench.pyz").stat().st_size <= 875 * KILOBYTE
    for name in ("rawns.pyz", "ip.pyz", "compiled.pyz"):
        assert (made / name).stat().st_mode & 0o7777 == 0o755
    tracked = {path.relative_to(PROJECT).as_posix() for path in (PROJECT / "rawns").rglob("*") if path.is_file()}
    source = {name for name in tracked if "__pycache__" not in name and not name.endswith(".pyc")}
    assert set(zipfile.ZipFile(made / "rawns.pyz").namelist()) == {*source, "__main__.py"}
    inside = zipfile.ZipFile(made / "compiled.pyz").namelist()
    assert {name for name in inside if not name.endswith(".pyc")} == {*source, "__main__.py"}
    assert sum(name.endswith(".pyc") for name in inside) == sum(name.endswith(".py") for name in source)
    assert zipfile.ZipFile(made / "compiled.pyz").testzip() is None


def test_comments_docstrings_and_annotations_are_left_out(made: Path) -> None:
    """What is left is the same program on the same lines, for Python's own parser.  Every sixth module is compared."""
    onefile("-o", "commented.pyz", "--comments", cwd=made)
    assert (made / "commented.pyz").stat().st_size > 1.25 * (made / "rawns.pyz").stat().st_size
    with zipfile.ZipFile(made / "commented.pyz") as commented, zipfile.ZipFile(made / "rawns.pyz") as bare:
        for name in bare.namelist()[::6]:
            if not name.endswith(".py"):
                assert bare.read(name) == commented.read(name)
            elif name != "__main__.py":
                assert commented.read(name) == (PROJECT / name).read_bytes()
                assert_same_program(commented.read(name), bare.read(name), name)


def assert_same_program(source: bytes, stripped: bytes, name: str) -> None:
    before, after = ast.parse(source, name), ast.parse(stripped, name)
    assert described(Bare().visit(before)) == described(after), name
    assert not [token for token in tokenize.tokenize(io.BytesIO(stripped).readline) if token.type == tokenize.COMMENT]


def described(tree: ast.AST) -> str:
    """Return a module's tree, with the places of its statements."""
    for node in ast.walk(tree):  # a docstring that is all of a body is replaced by an empty string
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) == "":
            node.body = []
    places = [(node.lineno, node.col_offset) for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    return ast.dump(tree) + str(places)


class Bare(ast.NodeTransformer):
    """Removes from a module's tree what a one-file program leaves out."""

    def __init__(self) -> None:
        self.of_classes: set[ast.AST] = set()

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        return node

    def visit_Module(self, node: ast.Module) -> ast.AST:
        node.body = [one for one in node.body if not (isinstance(one, ast.If) and ast.unparse(one.test) == CHECKING)]
        if CHECKING not in [one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)]:
            node.body = [one for one in node.body if ast.unparse(one) != f"{CHECKING} = False"]
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.of_classes.update(node.body)
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node in self.of_classes:
            return self.generic_visit(node)
        bare = ast.Pass() if node.value is None else ast.Assign([node.target], self.visit(node.value))
        return ast.copy_location(bare, node)


def test_only_a_regular_file_is_replaced(tmp_path: Path) -> None:
    """As cp(1): a device stays one, a pipe gets the bytes, and a directory is named in the error."""
    command = [sys.executable, "-m", "rawns", "onefile", "--only", "ip", "-o"]
    device = tmp_path / "full"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 7))
    except PermissionError:
        pytest.skip("only root can create a device")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    done = run(*command, device, cwd=tmp_path, PYTHONPATH=str(PROJECT))
    assert (done.returncode, stat.S_ISCHR(device.stat().st_mode)) == (1, True) and os.strerror(errno.ENOSPC) in done.stderr
    for place, number in ((tmp_path, errno.EISDIR), (tmp_path / "absent" / "x", errno.ENOENT)):
        done = run(*command, place, cwd=tmp_path, PYTHONPATH=str(PROJECT))
        assert (done.returncode, done.stderr) == (1, f"rawns onefile: {place}: {os.strerror(number)}\n")
    with subprocess.Popen([*command, str(pipe)], env={"PYTHONPATH": str(PROJECT)}) as process:
        assert zipfile.ZipFile(io.BytesIO(pipe.read_bytes())).testzip() is None
    assert process.returncode == 0 and stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("options", [["--without=bench,learn"], ["--only=ip", "--compile"]])
def test_the_same_bytes_each_time(made: Path, options: list[str], tmp_path: Path) -> None:
    """From a directory, with another seed of hashes and other times of files, and out of a one-file program itself."""
    copy = tmp_path / "copy"
    shutil.copytree(
        PROJECT / "rawns", copy / "rawns", ignore=shutil.ignore_patterns("__pycache__"), copy_function=shutil.copyfile
    )
    onefile("-o", "a", *options, cwd=tmp_path)
    onefile("-o", "b", *options, cwd=tmp_path, PYTHONPATH=str(copy), PYTHONHASHSEED="7", PYTHONDONTWRITEBYTECODE="1")
    onefile("-o", "c", *options, cwd=tmp_path, program=[sys.executable, "-IS", str(made / "rawns.pyz")])
    assert len({hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in "abc"}) == 1


@pytest.mark.parametrize("name", ["rawns.pyz", "ip.pyz", "compiled.pyz"])
def test_it_runs_isolated_from_any_directory_with_an_empty_environment(made: Path, name: str, tmp_path: Path) -> None:
    done = run(sys.executable, "-IS", made / name, "ip", "-o", "link", "show", "lo", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "") and "lo" in done.stdout
    done = run(sys.executable, "-IS", made / name, "help", cwd=tmp_path)
    assert done.returncode == 0 and "\n  ip " in done.stdout and ("\n  lab " in done.stdout) == (name != "ip.pyz")
    if os.access("/usr/bin/env", os.X_OK) and shutil.which("python3", path=os.defpath):
        assert run(made / name, "version", cwd=tmp_path).stdout.startswith("rawns ")


@pytest.mark.parametrize("name", ["rawns.pyz", "compiled.pyz"])
def test_a_link_named_ip_or_ping_is_that_program(made: Path, name: str, tmp_path: Path) -> None:
    (tmp_path / "ip").symlink_to(made / name)
    (tmp_path / "ping").symlink_to(made / name)
    real = shutil.which("ip")
    ours = run(sys.executable, tmp_path / "ip", "-o", "link", "show", "lo", cwd=tmp_path)
    assert ours.returncode == 0 and ours.stderr == ""
    if real is not None:
        assert ours.stdout == run(real, "-o", "link", "show", "lo", cwd=tmp_path).stdout
    assert "1 received" in run(sys.executable, tmp_path / "ping", "-c1", "127.0.0.1", cwd=tmp_path).stdout


def test_applets_are_links_and_overwrite_nothing(made: Path, tmp_path: Path) -> None:
    """A second run changes nothing; a file, a directory and a link to something else are left alone, and named."""
    program = made / "rawns.pyz"
    for _ in range(2):
        done = run(sys.executable, program, "applets", "--install", tmp_path, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path}: {', '.join(APPLETS)}\n", "")
        assert {name: os.readlink(tmp_path / name) for name in os.listdir(tmp_path)} == dict.fromkeys(APPLETS, str(program))
    assert "lo" in run(sys.executable, tmp_path / "ip", "link", cwd=tmp_path).stdout
    other = tmp_path / "other"
    other.mkdir()
    (other / "ip").write_text("theirs")
    (other / "ping").symlink_to("/nonexistent")
    done = run(sys.executable, program, "applets", "--install", other, cwd=tmp_path)
    assert (
        done.returncode == 1
        and done.stderr.count("it is left alone") == 2
        and done.stdout == f"{other}: {', '.join(name for name in APPLETS if name not in ('ip', 'ping'))}\n"
    )
    assert (other / "ip").read_text() == "theirs" and os.readlink(other / "ping") == "/nonexistent"
    assert run(sys.executable, program, "applets", cwd=tmp_path).stdout.split() == list(APPLETS)
    assert run(sys.executable, program, "applets", "--install", "/nonexistent/dir", cwd=tmp_path).returncode == 1
    done = run(sys.executable, "-m", "rawns", "applets", "--install", tmp_path, cwd=PROJECT)
    assert done.returncode == 1 and "the installed command" in done.stderr and done.stderr.count("\n") == 1


def test_what_is_left_out_is_named(made: Path, tmp_path: Path) -> None:
    done = run(sys.executable, "-IS", made / "ip.pyz", "lab", "list", cwd=tmp_path)
    assert (
        done.returncode == 1
        and done.stderr == "rawns lab: this copy of rawns was made without `lab` (`rawns onefile --without`)\n"
    )
    for words, said in ((["--without", "ip"], "`ip` cannot be left out"), (["--without=benhc"], "did you mean bench?")):
        command = [sys.executable, "-m", "rawns", "onefile", *words]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and said in done.stderr and done.stderr.count("\n") == 1
    assert not (PROJECT / "rawns.pyz").exists()


def test_the_library_works_out_of_it(made: Path, tmp_path: Path) -> None:
    script = "import rawns; print([link.name for link in rawns.NetNS.create().net.links()][0])"
    onefile("-o", "library.pyz", "--only=ip,library", cwd=tmp_path)
    for name in (made / "rawns.pyz", tmp_path / "library.pyz", made / "compiled.pyz"):
        assert run(sys.executable, "-c", script, cwd=tmp_path, PYTHONPATH=str(name)).stdout == "lo\n"


def test_every_command_that_is_left_in_can_be_imported(made: Path, tmp_path: Path) -> None:
    """Nothing that a kept command imports at its start has been left out, nor a module of its own package."""
    script = """if True:
        import importlib, sys, zipfile
        archive = sys.path[0]
        for name in zipfile.ZipFile(archive).namelist():
            if name.endswith(".py") and name.startswith("rawns/") and not name.endswith("__main__.py"):
                importlib.import_module(name[:-3].replace("/", ".").removesuffix(".__init__"))
    """
    for name in ("ip.pyz", "nobench.pyz"):
        done = run(sys.executable, "-c", f"import sys; sys.path[0] = {str(made / name)!r}\n{script}", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_what_is_imported_by_name_is_known() -> None:
    """Each module of the package that imports others by a computed name is one whose names `onefile` reads, or a dispatcher."""
    by_name = {onefile_module.MESSAGES[0], "rawns", *onefile_module.TABLES, *onefile_module.DISPATCHERS}
    by_name.add("rawns.cli.help")  # imports the command that is typed, and `learn`, as the dispatchers do
    by_name.add("rawns.machines.loader")  # runs on another machine, on the modules that were sent to it
    for path in sorted((PROJECT / "rawns").rglob("*.py")):
        name = ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")
        calls = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Call)]
        loads = [one for one in calls if isinstance(one.func, ast.Name) and one.func.id == "__import__"]
        if any(not isinstance(one.args[0], ast.Constant) for one in loads):
            assert name in by_name or f"{name}.".startswith(onefile_module.WHOLE_PACKAGES), name


def test_every_import_finds_its_module(made: Path) -> None:
    """Also those inside functions: whatever `ip` imports is in its file, but for the protocols that it does not speak."""
    with zipfile.ZipFile(made / "ip.pyz") as archive:
        sources = {name: archive.read(name) for name in archive.namelist() if name.startswith("rawns/") and name.endswith(".py")}
    inside = {name[:-3].replace("/", ".").removesuffix(".__init__") for name in sources}
    for name, source in sources.items():
        package = name.split("/")[:-1]
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and node.level and name not in ("rawns/cli/main.py", "rawns/netlink.py"):
                base = package[: len(package) - node.level + 1]
                assert ".".join([*base, *filter(None, [node.module])]) in inside, (name, node.lineno)


def test_the_smallest_file_is_the_same_ip(made: Path, tmp_path: Path) -> None:
    """Every object with its list, and each kind of link with its options, in one run of a batch."""
    objects = "link address route nexthop rule neigh ntable netconf addrlabel maddr mroute token tunnel tuntap vrf netns stats"
    kinds = "bridge bond vlan vxlan geneve gre ip6gre sit vti6 macvlan ipvlan vrf netkit xfrm hsr bareudp tun veth".split()
    lines = [f"{name} show" for name in objects.split()] + [f"link add type {kind} bogus" for kind in kinds]
    lines += ["route add 192.0.2.0/24 encap mpls 1 dev lo", "monitor bogus"]
    (tmp_path / "batch").write_text("".join(f"{line}\n" for line in lines))
    command = ["-d", "-force", "-batch", str(tmp_path / "batch")]
    smallest = run(sys.executable, "-IS", made / "ip.pyz", "ip", *command, cwd=tmp_path)
    whole = run(sys.executable, "-m", "rawns", "ip", *command, cwd=PROJECT)
    assert "Traceback" not in whole.stderr and "try" in whole.stderr and "lo" in whole.stdout
    assert (smallest.returncode, steady(smallest.stdout), smallest.stderr) == (
        whole.returncode,
        steady(whole.stdout),
        whole.stderr,
    )


def steady(text: str) -> str:
    """Return text without the numbers that change by themselves."""
    return re.sub(r"\d+", "0", " ".join(text.split()))


@pytest.mark.parametrize("version", ["2.7", "3.8", "3.9", "3.13"])
def test_other_pythons(version: str, made: Path, tmp_path: Path) -> None:
    """A version for which it was not compiled uses the source; one that is too old prints one sentence."""
    python = python_of(version)
    for name in ("rawns.pyz", "compiled.pyz"):
        done = run(python, made / name, "ip", "-o", "link", "show", "lo", cwd=tmp_path)
        if version in ("2.7", "3.8"):
            assert done.returncode == 1 and done.stderr.startswith("rawns needs Python 3.9 or newer; this is ")
            assert done.stderr.count("\n") == 1
        else:
            assert (done.returncode, done.stderr) == (0, "") and "lo" in done.stdout
