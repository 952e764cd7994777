"""`rawns WORD ...`: which module is called, and what becomes of the ways in which it may end."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

import rawns
from rawns.cli import main
from rawns.cli.main import COMMANDS
from rawns.errors import InvalidValue, KernelError, NamespaceRestoreError
from rawns.objects import link, neighbour, route, vlan

PROJECT = Path(__file__).resolve().parent.parent.parent
Command = Callable[[list[str]], int]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Command], None]:
    """Puts a function in the place of the command `demo`."""

    def stand_in(function: Command) -> None:
        module = types.ModuleType("rawns.cli.demo")
        module.main = function  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "rawns.cli.demo", module)

    return stand_in


def run_entry(monkeypatch: pytest.MonkeyPatch, *argv: str) -> object:
    def leave(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setattr(sys, "argv", ["rawns", *argv])
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # `entry` puts its own there
    monkeypatch.setattr(os, "_exit", leave)
    with pytest.raises(SystemExit) as caught:
        main.entry()
    return caught.value.code


def test_a_command_gets_its_words_and_gives_its_status(command: Callable[[Command], None]) -> None:
    seen: list[list[str]] = []

    def demo(argv: list[str]) -> int:
        seen.append(argv)
        return 7

    command(demo)
    assert main.run(["demo", "--keep", "x"]) == 7
    assert main.run(("demo",)) == 7
    assert seen == [["--keep", "x"], []]


def test_an_error_of_ours_is_one_line(command: Callable[[Command], None], capsys: pytest.CaptureFixture[str]) -> None:
    for error in (InvalidValue("a name is one path component"), KernelError(17, "RTM_NEWLINK")):

        def demo(argv: list[str], error: Exception = error) -> int:
            raise error

        command(demo)
        assert main.run(["demo"]) == 1
        assert capsys.readouterr() == ("", f"rawns demo: {error}\n")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "/etc/shadow"), "/etc/shadow: Permission denied"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("timed out"), "timed out"),
    ],
)
def test_an_error_of_pythons_is_one_line(
    command: Callable[[Command], None], capsys: pytest.CaptureFixture[str], error: OSError, said: str
) -> None:
    def demo(argv: list[str]) -> int:
        raise error

    command(demo)
    assert main.run(["demo"]) == 1
    assert capsys.readouterr() == ("", f"rawns demo: {said}\n")


def test_an_error_of_nobodys_is_not_hidden(command: Callable[[Command], None]) -> None:
    """A bug must look like one."""

    def demo(argv: list[str]) -> int:
        raise ZeroDivisionError

    command(demo)
    with pytest.raises(ZeroDivisionError):
        main.run(["demo"])


@pytest.mark.parametrize(
    ("end", "status"),
    [(KeyboardInterrupt(), 130), (SystemExit(5), 5), (NamespaceRestoreError("lost"), "lost"), (InvalidValue("no"), 1)],
)
def test_the_exit_status(
    command: Callable[[Command], None], monkeypatch: pytest.MonkeyPatch, end: BaseException, status: object
) -> None:
    def demo(argv: list[str]) -> int:
        raise end

    command(demo)
    assert run_entry(monkeypatch, "demo") == status


def has_main(path: Path) -> bool:
    return "\ndef main(argv: list[str])" in path.read_text()


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["help"], ["--help"], ["-h"]):
        assert main.run(words) == 0
        told = capsys.readouterr().out
        assert told.startswith("usage: rawns COMMAND") and all(f"\n  {word} " in told for word in COMMANDS)
    assert main.run([]) == 2, "no command is no success"
    assert set(COMMANDS) == {path.stem for path in (PROJECT / "rawns" / "cli").glob("*.py") if has_main(path)} | {
        "bridge",
        "ip",
        "lab",
        "ss",
        "tc",
    }
    capsys.readouterr()
    for words in (["version"], ["--version"], ["-V"]):
        assert main.run(words) == 0
        assert capsys.readouterr().out == f"rawns {rawns.__version__}\n"


PAGES = sorted((PROJECT / "rawns" / "manual").glob("*.md"))


def test_topics_of_the_manual(capsys: pytest.CaptureFixture[str]) -> None:
    """Each page is listed with its title and shown as it is; a command without a page shows its options."""
    assert main.run(["help"]) == 0
    overview = capsys.readouterr().out
    for page in PAGES:
        text = page.read_text()
        assert re.search(rf"(?m)^  {page.stem} +{re.escape(text.splitlines()[0][2:20])}", overview)
        assert main.run(["help", page.stem]) == 0
        assert capsys.readouterr().out == text
    assert main.run(["help", "rootless" if not (PROJECT / "rawns/manual/rootless.md").exists() else "demo"]) == 0
    assert capsys.readouterr().out.startswith("usage: rawns ")
    for topic in ("nonsense", "../README", "errors.md", "", "\x1b[2J"):
        assert main.run(["help", topic]) == 1
        said = capsys.readouterr()
        assert said.out == "" and said.err.startswith("rawns help: there is no topic") and "\x1b" not in said.err
    main.run(["help", "eror"])
    assert "did you mean errors?" in capsys.readouterr().err


def test_a_page_is_shown_in_a_pager_on_a_terminal(tmp_path: Path) -> None:
    """In $PAGER, which gets the page on its standard input."""
    kept = tmp_path / "kept"
    pager = tmp_path / "pager"
    pager.write_text(f"#!/bin/sh\ncat > {kept}\n")
    pager.chmod(0o755)
    script = "from rawns.cli.main import run; run(['help', 'errors'])"
    said = through_a_terminal(script, PATH=os.defpath, PAGER=str(pager))
    assert said == b"" and kept.read_text() == (PROJECT / "rawns" / "manual" / "errors.md").read_text()
    for missing in ("", "/nonexistent/pager"):
        assert b"# Errors" in through_a_terminal(script, PATH=os.defpath, PAGER=missing)


def test_a_word_that_is_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    for word in ("nonsense", "../demo", "main", "", "__init__"):
        assert main.run([word]) == 2
        told = capsys.readouterr()
        assert told.out == "" and told.err.startswith(f'rawns: no command is called "{word}"; ')
        assert told.err.endswith("; try `rawns help`\n") and told.err.count("\n") == 1


# -- as a process -----------------------------------------------------------------------------------------------------


def rawns_process(*argv: str, **options: object) -> subprocess.CompletedProcess[str]:
    """`python -m rawns`, with nothing in the environment."""
    given: dict[str, object] = {"cwd": PROJECT, "env": {}, "text": True, "stdin": subprocess.DEVNULL, "timeout": 30}
    given.update(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return subprocess.run([sys.executable, "-B", "-m", "rawns", *argv], **{**given, **options})  # type: ignore[call-overload,no-any-return]


def test_as_a_process_with_an_empty_environment() -> None:
    done = rawns_process("version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"rawns {rawns.__version__}\n", "")
    done = rawns_process("nonsense")
    assert (done.returncode, done.stdout) == (2, "") and "Traceback" not in done.stderr


def test_a_reader_that_has_gone_is_no_traceback() -> None:
    """`rawns help | true`: the pipe is closed before anything is written."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = rawns_process("help", stdout=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", [{}, {"PYTHONUNBUFFERED": "1"}])
@pytest.mark.parametrize("words", [["help"], ["version"], ["demo", "--help"], ["rootless", "--help"]])
def test_a_full_disk_is_one_line(words: list[str], unbuffered: dict[str, str]) -> None:
    with open("/dev/full", "w") as full:
        done = rawns_process(*words, stdout=full, env=unbuffered)
    said = f"rawns {words[0]}: cannot write to standard output: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_nobody_to_tell_is_no_traceback() -> None:
    """Without a standard error what is wrong goes nowhere, and not to standard output."""
    done = rawns_process("nonsense", stderr=None, preexec_fn=lambda: os.close(2))
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)])
def test_a_closed_descriptor_is_not_given_to_a_socket(tmp_path: Path, closed: tuple[int, ...]) -> None:
    """What coreutils print: ``write error: Bad file descriptor``, and status 1."""

    def close() -> None:
        for number in closed:
            os.close(number)

    done = rawns_process("help", stdin=None if 0 in closed else subprocess.DEVNULL, preexec_fn=close)
    if 1 in closed:
        said = "" if 2 in closed else "rawns help: cannot write to standard output: Bad file descriptor\n"
        assert (done.returncode, done.stdout, done.stderr) == (1, "", said)
    else:
        assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("usage: ")
    script = f"import os; from rawns.cli.output import install; install(); os.mkdir('{tmp_path}/' + str(os.open('/', 0)))"
    subprocess.run([sys.executable, "-c", script], preexec_fn=close, cwd=PROJECT, timeout=30)
    assert int(os.listdir(tmp_path)[0]) > 2


# -- what stands in the text ------------------------------------------------------------------------------------------

SAID = "a\x1b[2Jb\udcffc\u202ed\u017e \x1b[31mred\x1b[m"  # a clear-screen, a byte that is not UTF-8, a direction override


def through_a_terminal(script: str, **environment: str) -> bytes:
    """What a script writes while its standard output and standard error are a terminal, and how."""
    ours, theirs = os.openpty()
    try:
        command = [sys.executable, "-c", f"from rawns.cli.output import install; import sys; install(); {script}"]
        child = subprocess.Popen(command, cwd=PROJECT, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        said = b""
        try:
            while data := os.read(ours, 4096):
                said += data
        except OSError:
            pass  # EIO: the other end is closed
        assert child.wait(30) == 0, said
    finally:
        os.close(ours)
    return said


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_no_escape_sequence_reaches_a_terminal(stream: str) -> None:
    said = through_a_terminal(f"print({SAID!r}, file=sys.{stream})", LANG="C.UTF-8")
    assert said == "a\\x1b[2Jb\\xffc\\u202edž \x1b[31mred\x1b[m\r\n".encode()


def test_an_error_of_ip_is_safe_on_a_terminal() -> None:
    said = through_a_terminal("from rawns.cli.ip import main; main(['link', 'show', 'a\\x1b[2J'])", LANG="C.UTF-8")
    assert b"\x1b" not in said and rb"\x1b[2J" in said


def test_an_error_with_a_hostile_name_is_one_harmless_line() -> None:
    said = through_a_terminal(f"from rawns.cli.main import run; run(['demo\\n' + {SAID!r}])", LANG="C.UTF-8")
    assert b"\x1b" not in said.replace(b"\x1b[31m", b"").replace(b"\x1b[m", b"") and b"\\x1b[2J" in said


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_a_name_that_is_not_utf8_is_written_as_it_is(encoding: str) -> None:
    """As ``ls`` does into a pipe: the byte; and what the encoding of the stream lacks is an escape, not a traceback."""
    script = f"from rawns.cli.output import install; install(); print({SAID!r}, flush=True)"
    environment = {"PYTHONIOENCODING": f"{encoding}:strict"}
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, env=environment, capture_output=True, timeout=30)
    expected = {"utf-8": "\u202ed\u017e".encode(), "ascii": rb"\u202ed\u017e", "latin-1": rb"\u202ed\u017e"}[encoding]
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"a\x1b[2Jb\xffc" + expected + b" \x1b[31mred\x1b[m\n"


def test_a_result_is_not_lost_with_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    script = "from rawns.cli.output import install, report; install(); report('the lab is up')"
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.stderr.startswith("the lab is up\n") and done.returncode == 1


# -- signals ----------------------------------------------------------------------------------------------------------

# Sends a signal while a module named by the second argument is being imported, which is before any code of a command runs.
SIGNAL_AT_IMPORT = """
import os, signal, sys
number, module = int(sys.argv[1]), sys.argv[2]
class Strike:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            os.kill(os.getpid(), number)
            for _ in range(1000): pass
sys.meta_path.insert(0, Strike())
sys.argv = ["rawns", "help"]
from rawns.__main__ import main
main()
"""


@pytest.mark.parametrize("module", ["rawns.cli", "rawns.cli.main", "rawns.errors", "rawns.cli.output"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_before_the_command_runs_is_no_traceback(module: str, number: int) -> None:
    command = [sys.executable, "-c", SIGNAL_AT_IMPORT, str(int(number)), module]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (-number, "", "")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -15), (signal.SIGHUP, -1), (signal.SIGQUIT, -3)]
)
def test_a_signal_while_the_command_runs(number: int, status: int) -> None:
    """It is cleaned up, and the process ends as the sender expects."""
    script = """if True:
        import os, sys, types
        from rawns.cli import main
        def demo(argv):
            try:
                os.kill(os.getpid(), int(argv[0]))
                while True: pass
            finally:
                os.kill(os.getpid(), 15) if argv[0] != "2" else None  # a second one does not interrupt the removal
                for _ in range(1000): pass
                print("cleaned up")
        module = types.ModuleType("rawns.cli.demo"); module.main = demo
        sys.modules["rawns.cli.demo"] = module
        main.entry()
    """
    command = [sys.executable, "-c", script, "demo", str(int(number))]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (status, "cleaned up\n", "")


def test_an_ignored_signal_stays_ignored() -> None:
    """``nohup rawns ...``."""
    script = "import signal; from rawns.cli import signals; signals.handle(); print(signal.getsignal(signal.SIGHUP))"
    ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, preexec_fn=ignore)
    assert "SIG_IGN" in done.stdout or done.stdout == "1\n"


# -- where modules come from ------------------------------------------------------------------------------------------

HOSTILE = "import os; os.write(2, b'imported ' + __name__.encode() + b'\\n'); raise SystemExit(99)\n"


@pytest.mark.parametrize("installed", [True, False])
def test_no_module_of_the_current_directory_is_imported(tmp_path: Path, installed: bool) -> None:
    """Neither if the package is elsewhere nor if it lies in that directory: the standard library comes first."""
    for name in ("_ctypes", "ctypes", "json", "getopt", "signal", "socket", "threading", "difflib", "select", "fcntl", "codecs"):
        (tmp_path / f"{name}.py").write_text(HOSTILE)
    if not installed:
        (tmp_path / "rawns").symlink_to(PROJECT / "rawns")
    environment = {"PYTHONPATH": str(PROJECT)} if installed else {}
    for words in (
        ["ip", "netns", "exec", "/nonexistent/x", "true"],
        ["demo", "-h"],
        ["hlep"],
        ["chat", "connect", "127.0.0.1", "0"],
    ):
        done = rawns_process(*words, cwd=tmp_path, env=environment)
        assert "imported" not in done.stderr and done.returncode != 99, done.stderr


def test_a_missing_module_is_one_line_with_the_package(tmp_path: Path) -> None:
    """Debian's python3-minimal lacks ctypes, json and more."""
    for name in ("_ctypes", "ctypes", "json"):
        missing = f"raise ModuleNotFoundError(\"No module named '{name}'\", name='{name}')\n"
        (tmp_path / f"{name}.py").write_text(missing)
    environment = {"PYTHONPATH": f"{tmp_path}:{PROJECT}"}
    for words in (["ip", "netns", "add", "/"], ["lab", "list"], ["rootless", "true"]):
        done = rawns_process(*words, env=environment, cwd=tmp_path)
        assert "Traceback" not in done.stderr and done.stderr.count("\n") <= 1
    done = rawns_process("rootless", "true", env=environment, cwd=tmp_path)
    assert done.returncode == 1 and "ctypes" in done.stderr and "python3" in done.stderr
    for words in (["ip", "link"], ["help"], ["chat", "--help"], ["ping", "--help"]):
        assert rawns_process(*words, env=environment, cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(("number", "limit"), [(errno.EMFILE, "ulimit -n"), (errno.ENFILE, "fs.file-max")])
@pytest.mark.parametrize("kind", [OSError, ImportError])
def test_a_lack_of_descriptors_while_a_module_is_imported(
    kind: type, number: int, limit: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The import system raises OSError for a .py file, and ImportError with the text of dlopen(3) for a shared object."""
    path = "/usr/lib/python3/rtnl/address"
    text = f"{path}.so: cannot open shared object file: {os.strerror(number)}"
    error = OSError(number, os.strerror(number), f"{path}.py") if kind is OSError else ImportError(text, name="rtnl", path=path)

    def fail(argv: list[str]) -> int:
        raise error

    module = types.ModuleType("rawns.cli.demo")
    module.main = fail  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rawns.cli.demo", module)
    assert main.run(["demo"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("rawns demo: no descriptors left") and limit in told and "address" not in told


def test_an_unknown_case_of_bench_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["bench", "--only", "nosuch"]) == 2
    assert capsys.readouterr().err.startswith("rawns bench: no case is called 'nosuch'; there are ")


def test_a_flag_is_true_or_false() -> None:
    for value in ("no", 0, 1, 1.0):
        with pytest.raises(InvalidValue, match="up: expected True or False"):
            link.body({"up": value})
        with pytest.raises(InvalidValue, match="learning: expected True or False"):
            link.vxlan("x", 1, learning=value)  # type: ignore[arg-type]
        with pytest.raises(InvalidValue, match="permanent: expected True or False"):
            neighbour.new(1, "10.0.0.1", "02:00:00:00:00:01", value)  # type: ignore[arg-type]
        for flag in ("pvid", "untagged"):
            with pytest.raises(InvalidValue, match=f"{flag}: expected True or False"):
                vlan.set(1, 2, **{flag: value})  # type: ignore[arg-type]
        with pytest.raises(InvalidValue, match="onlink: expected True or False"):
            route.new("10.0.0.0/8", via="10.9.0.1", onlink=value)  # type: ignore[arg-type]
        with pytest.raises(InvalidValue, match="forward: expected True or False"):
            rawns.Lab().netns("a").forward(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("host", [None, 1, b"::1"])
def test_a_host_is_a_text(host: object) -> None:
    with pytest.raises(InvalidValue, match="is neither an address nor a name"):
        rawns.ping(None, host)  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="is neither an address nor a name"):
        rawns.Peer(None, host, 9)  # type: ignore[arg-type]
