"""`rawns WORD ...`: which module is called, and what becomes of the ways in which it may end."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

import rawns
from rawns.cli import main
from rawns.errors import InvalidValue, KernelError, NamespaceRestoreError

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


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["help"], ["--help"], ["-h"]):
        assert main.run(words) == 0
        told = capsys.readouterr().out
        assert told.startswith("usage: rawns COMMAND") and all(f"\n  {word} " in told for word in main.COMMANDS)
    assert main.run([]) == 2, "no command is no success"
    capsys.readouterr()
    for words in (["version"], ["--version"], ["-V"]):
        assert main.run(words) == 0
        assert capsys.readouterr().out == f"rawns {rawns.__version__}\n"


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
