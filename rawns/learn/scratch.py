"""The place in which a chapter runs: a child process in new user, mount and network namespaces, and a directory in its /run.

The child is the subreaper of everything that is started in it (prctl(2)), and ends all of it when it is done.  The directory is
on a file system in memory that only these namespaces see, so nothing is left behind.
"""

from __future__ import annotations

import json
import os
import sys

from .. import rootless, syscalls, uapi
from ..errors import RawnsError
from .chapter import SYSTEM_DIRECTORIES, has_command, lacking
from .named_network import NamedNetwork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from .chapter import Chapter

DIRECTORY = "/run/rawns-learn"
BIN, WORK, WRAPPERS = f"{DIRECTORY}/bin", f"{DIRECTORY}/work", f"{DIRECTORY}/explain"
WORDS = ("check", "hint", "solution", "explain", "task", "next", "quit")  # commands of a chapter
TOOLS = ("ip", "ping", "bridge", "tc", "ss", "nsenter", "unshare")  # replaced by those of rawns, if it has them, where missing
TRACED = ("nft", "bridge", "python3")  # programs whose messages `explain` shows by tracing them
MAX_GENERATIONS = 64  # of processes that start others while they are ended


class Missing(RawnsError):
    """The kernel or the machine lacks what a chapter needs.  ``str()`` says what."""


class Ended(BaseException):
    """The child has been told to end."""


def in_scratch(function: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Call a function in a child in new namespaces, of which this user is root; return what it returns, by way of JSON.

    Raises `RawnsError` with the sentence of the child's `RawnsError` or OSError, or if the child has been killed.
    """
    reading, writing = os.pipe()
    parent = os.getpid()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _child(function, writing, parent)
    os.close(writing)
    try:
        with open(reading, "rb") as pipe:
            answer = pipe.read()
    except BaseException:
        os.kill(child, _signal("SIGTERM"))
        raise
    finally:
        os.waitpid(child, 0)
    if not answer:
        raise RawnsError("the process that held the chapter's namespaces was killed; start it again")
    told: dict[str, Any] = json.loads(answer)
    if "missing" in told:
        raise Missing(told["missing"])
    if "error" in told:
        raise RawnsError(told["error"])
    return told


def _signal(name: str) -> int:
    import _signal as numbers  # type: ignore[import-not-found]  # `signal` imports enum

    number: int = getattr(numbers, name)
    return number


def _child(function: Callable[[], dict[str, Any]], writing: int, parent: int) -> NoReturn:
    """Enter new namespaces, call the function, write its answer, end all descendants, and end."""
    import _signal

    def end(number: int, frame: object) -> None:
        _signal.signal(number, _signal.SIG_IGN)
        raise Ended

    answer: dict[str, Any] = {"error": "the chapter was ended by a signal"}
    try:
        try:
            for number in (_signal.SIGTERM, _signal.SIGHUP):
                _signal.signal(number, end)
            syscalls.prctl(uapi.PR_SET_PDEATHSIG, _signal.SIGTERM, 0, 0, 0)
            syscalls.prctl(uapi.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            if os.getppid() == parent:
                rootless.enter()
                answer = function()
        except Missing as error:
            answer = {"missing": str(error)}
        except (RawnsError, OSError) as error:
            answer = {"error": str(error)}
        except Ended:
            pass
        finally:
            end_descendants()
        sys.stdout.flush()
        os.write(writing, json.dumps(answer).encode())
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(0)


def end_descendants() -> None:
    """Kill all children of this process, and theirs, which become its own as their parents end."""
    import _signal

    for _ in range(MAX_GENERATIONS):
        mine = _children()
        if not mine:
            return
        for pid in mine:
            try:
                os.kill(pid, _signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass


def _children() -> list[int]:
    """Return the children of this process (proc(5), /proc/PID/stat)."""
    mine = []
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            try:
                with open(f"/proc/{entry}/stat", "rb") as file:
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except OSError:
                continue
            if parent == os.getpid():
                mine.append(int(entry))
    return mine


# -- the directory -------------------------------------------------------------------------------------------------------------


def prepare(chapter: Chapter) -> NamedNetwork:
    """Create the directory and what the chapter gives; return the network, which ends with this process.

    Raises `RawnsError` if the kernel lacks what the chapter is about.
    """
    absent = lacking(chapter.kinds)
    if absent:
        raise Missing(absent)
    if os.path.ismount(DIRECTORY):  # of the chapter in whose shell this runs
        syscalls.umount2(DIRECTORY, uapi.MNT_DETACH)
    for directory in (DIRECTORY, BIN, WORK, WRAPPERS):
        os.makedirs(directory, exist_ok=True)
    if chapter.own_etc:
        if not rootless.own_etc():
            raise Missing("/etc cannot be made writable in a user namespace here")
        if not os.path.exists("/etc/resolv.conf"):
            write("/etc/resolv.conf", "")
    _write_scripts()
    for name, text in chapter.files.items():
        write(f"{WORK}/{name}", text)
    os.chdir(WORK)
    network = NamedNetwork()
    if chapter.given is not None:
        chapter.given(network)
    return network


def write(path: str, text: str, mode: int = 0o644) -> None:
    """Write a file."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(file.fileno(), mode)


def _write_scripts() -> None:
    """Write the commands of a chapter, and those that this machine lacks; and the ones that `explain` puts before them."""
    from shlex import quote
    from shutil import which

    rawns = f"{quote(sys.executable)} -m rawns"
    path = f"{os.environ.get('PATH', os.defpath)}:{SYSTEM_DIRECTORIES}"
    scripts = {"rawns": rawns, **{word: f"{rawns} learn {word}" for word in WORDS}}
    scripts.update({tool: f"{rawns} {tool}" for tool in TOOLS if which(tool, path=path) is None and has_command(tool)})
    if which("python3", path=path) is None:
        scripts["python3"] = quote(sys.executable)
    for name, command in scripts.items():
        write(f"{BIN}/{name}", f'#!/bin/sh\nexec {command} "$@"\n', 0o755)
    wrappers = {"ip": f'{rawns} ip "--explain=$RAWNS_EXPLAIN"'}
    for tool in TRACED:
        found = which(tool, path=path)
        if found is not None:
            wrappers[tool] = f'{rawns} trace "--$RAWNS_TRACE" {quote(found)}'
    for name, command in wrappers.items():
        write(f"{WRAPPERS}/{name}", f'#!/bin/sh\nexec {command} "$@"\n', 0o755)


def environment(explain: str = "") -> dict[str, str]:
    """Return the environment of the learner's shell: the commands are found, and Python finds `rawns`.

    With ``explain``, a level of ``--explain``, ``ip`` and others show what they say to the kernel.
    """
    import rawns

    package = os.path.dirname(os.path.dirname(os.path.abspath(rawns.__file__)))
    given = dict(os.environ)
    given["PYTHONPATH"] = os.pathsep.join([package, *([given["PYTHONPATH"]] if given.get("PYTHONPATH") else [])])
    directories = [BIN, given.get("PATH", os.defpath), SYSTEM_DIRECTORIES]
    if explain:
        directories.insert(0, WRAPPERS)
        given["RAWNS_EXPLAIN"] = explain
        given["RAWNS_TRACE"] = {"bytes": "bytes", "attributes": "verbose"}.get(explain, "no-summary")
    given["PATH"] = ":".join(directories)
    return given
