"""Labs and network namespaces in tests, for unittest and for scripts; the pytest plugin has fixtures for the same.

::

    from rawns import testing

    testing.isolate()                                  # once, at the beginning of the program
    with testing.lab("shop") as lab:
        web, db = lab.netns("web"), lab.netns("db")
        lab.wire(web.port("eth0", "10.0.0.1/24"), db.port("eth0", "10.0.0.2/24"))
        lab.up()
        server = db.start(["python3", "server.py"], ready="port 8080")

The modules::

    capture     capture of the ports of a lab
    isolation   private names and a private network for this process, also without privileges
    lab         a lab that belongs to one test, and its hosts
    processes   processes in these hosts
    leaks       detection of what a test leaves behind
    report      report of a failing test about its lab
    session     state of a test run and of each test, for a test framework
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager

from ..errors import RawnsError
from ..net import NetNS
from ..rootless import privileged
from . import isolation, leaks, report
from .isolation import Isolation, IsolationError
from .lab import ManagedHost, ManagedLab, name_of
from .processes import HostProcess, ProcessError
from .session import load_lab, new_namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from unittest import TestCase

__all__ = [
    "Isolation",
    "LeakError",
    "ManagedHost",
    "ManagedLab",
    "HostProcess",
    "ProcessError",
    "IsolationError",
    "isolate",
    "lab",
    "lab_file",
    "lab_for",
    "name_of",
    "namespace",
    "watched",
]

_isolation: Isolation | None = None


class LeakError(RawnsError):
    """A block has left a namespace, a process, a thread or a descriptor behind; the message names each, one a line."""


def isolate(mode: str = "auto") -> Isolation:
    """Isolate this process for the rest of its life (see `isolation.enter`); a second call returns the first one's result.

    Raises `IsolationError` with the remedy if this machine does not allow it.
    """
    global _isolation
    if _isolation is None:
        _isolation = isolation.enter(mode)
        if _isolation.network is not None:
            _isolation.network.enter()
    return _isolation


@contextmanager
def lab(name: str = "lab") -> Iterator[ManagedLab]:
    """Provide an empty lab for a block.  At its end the processes are ended, and the lab is removed.

    If the block raises an exception, a report about the lab is written to standard error first.  Raises `LeakError` if a block
    that succeeds leaves a namespace, a process, a thread or a descriptor behind; `IsolationError` if this process lacks the
    privileges, and has not called `isolate`.
    """
    with _ended(ManagedLab(name_of(name))) as made:
        yield made


@contextmanager
def lab_file(path: str | os.PathLike[str], wait: float = 10.0) -> Iterator[ManagedLab]:
    """Bring up the lab of a file for a block, and wait ``wait`` seconds at most until it can be used; see `lab`.

    Raises `InvalidDescription`, `LabTimeoutError`, `KernelError`, `SyscallError`, and `LeakError` as `lab` does.
    """
    with _ended(load_lab(path)) as made:
        made.up(wait)
        yield made


def lab_for(case: TestCase) -> ManagedLab:
    """Return an empty lab for a test of unittest, named after it; for `setUp`, or for the test itself.

    When the test ends, the processes are ended, and the lab is removed.  If the test has failed, a report about the lab is
    written to standard error first; otherwise what it leaves behind is an error (`LeakError`).

    Raises `IsolationError` as `lab` does.
    """
    _check_privileges()
    made, before = ManagedLab(name_of(case.id())), _snapshot()

    def end() -> None:
        failed = _has_failed(case)
        if failed:
            _explain(made)
        made.end()
        if not failed:
            _fail_on(made.leaked + before.leaks(without=[one.number for one in made.leaked]))

    case.addCleanup(end)
    return made


@contextmanager
def _ended(made: ManagedLab) -> Iterator[ManagedLab]:
    _check_privileges()
    with watched(), made:
        try:
            yield made
        except Exception:
            _explain(made)
            raise
        made.end()
        _fail_on(made.leaked)


def _has_failed(case: TestCase) -> bool:
    """Return whether a test of unittest has failed so far.  There is no public way to ask that in a clean-up."""
    outcome = getattr(case, "_outcome", None)
    result = getattr(outcome, "result", None)
    bad = [test for test, _ in (*getattr(result, "failures", ()), *getattr(result, "errors", ()))]
    bad += [test for test, error in getattr(outcome, "errors", None) or () if error]  # before Python 3.11
    in_pytest = bool(getattr(result, "_excinfo", None))
    return in_pytest or any(getattr(test, "test_case", test) is case for test in bad)


def _explain(made: ManagedLab) -> None:
    for title, text in report.explain(made):
        print(f"-- lab {made.name}: {title}\n{text}", file=sys.stderr)


def _check_privileges() -> None:
    """Raise `IsolationError` if this process has no privileges, and has not asked for isolation."""
    if _isolation is None and not privileged():
        raise IsolationError(
            "this process may not create network namespaces: call `rawns.testing.isolate()` at the beginning of the program, "
            "before threads are started, or run it as root"
        )


def _snapshot() -> leaks.Snapshot:
    return leaks.Snapshot(names=_isolation is not None and _isolation.mode != "none")


@contextmanager
def namespace(name: str | None = None) -> Iterator[NetNS]:
    """Create a network namespace with ``lo`` up for a block: ``ip netns add NAME``, or one without a name.

    Raises `InvalidValue` for a wrong name, FileExistsError for one that exists, `SyscallError`, `KernelError`.
    """
    with new_namespace(name) as made:
        yield made


@contextmanager
def watched() -> Iterator[None]:
    """Raise `LeakError` at the end of a block that succeeds and leaves something behind; processes and names are removed."""
    before = _snapshot()
    yield
    _fail_on(before.leaks())


def _fail_on(found: list[leaks.Leak]) -> None:
    for one in found:
        one.remove()
    if found:
        raise LeakError("\n".join(map(str, found)))
