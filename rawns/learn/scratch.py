"""The place in which a chapter runs: a child process in new user, mount and network namespaces, and a directory in its /run.

The child is the subreaper of everything that is started in it (prctl(2)), and ends all of it when it is done.  The directory is
on a file system in memory that only these namespaces see, so nothing is left behind.
"""

from __future__ import annotations

import json
import os
import sys
from _signal import SIG_IGN, SIGHUP, SIGTERM, signal  # type: ignore[import-not-found]  # `signal` imports enum
from contextlib import suppress

from .. import rootless, syscalls, uapi
from ..errors import RawnsError
from .chapter import SYSTEM_DIRECTORIES, has_command, lacking
from .named_network import NamedNetwork
from .processes import end_descendants, end_members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from .chapter import Chapter

DIRECTORY = "/run/rawns-learn"
BIN, WORK, WRAPPERS = f"{DIRECTORY}/bin", f"{DIRECTORY}/work", f"{DIRECTORY}/explain"
WORDS = ("check", "hint", "solution", "explain", "task", "next", "quit")  # commands of a chapter
TOOLS = (
    "ip",
    "ping",
    "bridge",
    "tc",
    "ss",
    "nsenter",
    "unshare",
)  # those of rawns take the place of missing ones
PIPE_BYTES = 1 << 16
TRACED = ("nft", "bridge", "python3", "unshare", "mount", "umount")  # programs whose messages `explain` shows by tracing them


class Missing(RawnsError):
    """The kernel or the machine lacks what a chapter needs.  ``str()`` says what."""


class Ended(BaseException):
    """The child has been told to end."""


def in_scratch(function: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Call a function in a child in new namespaces, of which this user is root; return what it returns, by way of JSON.

    Raises `RawnsError` with the sentence of the child's `RawnsError` or OSError, or if the child has been killed.  When this
    returns, no process is left in the namespaces, not even if the child was killed by SIGKILL.
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
        namespace, _, answer = _told_by(child, reading).partition(b"\n")
    except BaseException:
        os.kill(child, SIGTERM)
        raise
    finally:
        os.waitpid(child, 0)
    if not answer:
        end_members(namespace.decode())
        raise RawnsError("the process that held the chapter's namespaces was killed; start it again")
    told: dict[str, Any] = json.loads(answer)
    if "missing" in told:
        raise Missing(told["missing"])
    if "error" in told:
        raise RawnsError(told["error"])
    return told


def _told_by(child: int, reading: int) -> bytes:
    """Return what a child writes until it ends: what it has started may hold the other end of the pipe for longer."""
    from select import POLLIN, poll

    told = b""
    pidfd = os.pidfd_open(child)
    try:
        waiting = poll()
        for fd in (reading, pidfd):
            waiting.register(fd, POLLIN)
        while True:
            ready = dict(waiting.poll())
            if reading not in ready:  # the child has ended, and all has been read
                return told
            piece = os.read(reading, PIPE_BYTES)
            told += piece
            if not piece:
                return told
    finally:
        os.close(pidfd)
        os.close(reading)


def _child(function: Callable[[], dict[str, Any]], writing: int, parent: int) -> NoReturn:
    """Enter new namespaces, call the function, end all processes in them, write the answer, and end."""
    answer: dict[str, Any] = {"error": "the chapter was ended by a signal"}
    namespace = ""  # of users, once it is entered

    def ignore() -> None:
        for number in (SIGTERM, SIGHUP):
            signal(number, SIG_IGN)

    def end(number: int, frame: object) -> None:
        ignore()  # the end of a terminal sends both: the second must not interrupt what follows
        raise Ended

    def work() -> None:
        nonlocal answer, namespace
        for number in (SIGTERM, SIGHUP):
            signal(number, end)
        syscalls.prctl(uapi.PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0)
        syscalls.prctl(uapi.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        if os.getppid() == parent:
            rootless.enter()
            namespace = os.readlink("/proc/self/ns/user")
            os.write(writing, f"{namespace}\n".encode())
            answer = function()

    def clean() -> None:
        ignore()
        end_descendants()
        if namespace:
            end_members(namespace)
        sys.stdout.flush()
        with suppress(BrokenPipeError):  # the parent has been killed
            os.write(writing, ("" if namespace else "\n").encode() + json.dumps(answer).encode())

    try:
        try:
            work()
        except Missing as error:
            answer = {"missing": str(error)}
        except (RawnsError, OSError) as error:
            answer = {"error": str(error)}
        clean()
    except Ended:
        clean()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(0)


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
            wrappers[tool] = f"{rawns} trace $RAWNS_TRACE {quote(found)}"
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
        given["RAWNS_TRACE"] = {"bytes": "--bytes", "attributes": "--verbose"}.get(explain, "")
    given["PATH"] = ":".join(directories)
    return given
