"""State of a test run and of each test: isolation, labs, namespaces and leaks, independent of the test framework.

The pytest plugin calls it from its hooks and fixtures.
"""

from __future__ import annotations

import os
import sys
from time import monotonic

from ..errors import InvalidValue, RawnsError
from ..net import NetNS
from ..terminal import printable
from . import isolation, leaks, report
from .lab import ManagedLab, from_source, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from .report import Section

BEFORE_EXEC = "RAWNS_TESTING"  # environment variable: why the user namespace could not be entered before pytest was executed
ENTER_AND_EXECUTE = """
import os, sys
sys.path.insert(0, sys.argv[1])
from rawns.testing.session import enter_and_execute
enter_and_execute(sys.argv[2:])
"""


class TestSession:
    """A run of tests: ``isolation``, or the ``reason`` why there is none."""

    __test__ = False  # pytest does not collect it

    def __init__(self, mode: str) -> None:
        self.isolation: isolation.Isolation | None = None
        self.reason = ""
        try:
            self.isolation = isolation.enter(mode)
        except isolation.IsolationError as error:
            self.reason = os.environ.get(BEFORE_EXEC) or str(error)

    @property
    def keeps_machine_network(self) -> bool:
        """Whether a test that uses no lab has the machine's network also after one that does."""
        return self.isolation is None or self.isolation.keeps_machine_network


def must_execute_again(mode: str, program: str) -> bool:
    """Return whether a user namespace is needed that this process cannot enter because it has threads, but a new process can."""
    if mode not in ("auto", "userns") or BEFORE_EXEC in os.environ or isolation.number_of_threads() == 1:
        return False
    from ..rootless import privileged

    name = os.path.basename(program)
    is_program = name in ("pytest", "py.test") or program.endswith(("/pytest/__main__.py", "/_pytest/__main__.py"))
    return is_program and not privileged()


def execute_again() -> None:
    """Execute this program again inside a user namespace, with the same arguments.  Threads of this process end."""
    command = list(getattr(sys, "orig_argv", ())) or [sys.executable, "-m", "pytest", *sys.argv[1:]]  # orig_argv: Python 3.10
    command[0] = sys.executable
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", ENTER_AND_EXECUTE, package, *command])


def enter_and_execute(command: list[str]) -> None:
    """Enter a user namespace, and become a command; if that is impossible, the command finds the reason in `BEFORE_EXEC`."""
    os.environ[BEFORE_EXEC] = ""
    try:
        isolation.enter("userns")
    except RawnsError as error:
        os.environ[BEFORE_EXEC] = str(error)
    os.execv(command[0], command)


class TestState:
    """One test: its labs, and what was there before it."""

    __test__ = False

    def __init__(self, session: TestSession, name: str, directory: Path, root: Path, captures: Path | None = None) -> None:
        self._captures = captures  # the directory for captures of the ports of its labs
        self.name, self._directories = name, (directory, root)
        self.session, self.began = session, monotonic()
        self.labs: list[ManagedLab] = []
        self.shared: ManagedLab | None = None  # with other tests
        self.failed = self.over = False
        self._process = os.getpid()
        self._moved = False  # whether `begin` has moved the process, and not a test in which this one runs
        self._before: leaks.Snapshot | None = None

    # -- its beginning and end ----------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Move the process into its private network."""
        found = self.session.isolation
        self._moved = found is not None and found.network is not None and found.network.enter()

    def watch(self) -> None:
        """Take the snapshot with which `end` finds leaks."""
        self._before = leaks.Snapshot(names=self.session.isolation is not None and self.session.isolation.mode != "none")

    def end(self) -> list[str]:
        """Move the process back; return what a test that has succeeded has left behind, as sentences.  Processes are killed."""
        self.over = True
        try:
            if self._before is None or self.failed or not self.belongs_here:  # the traceback of a failed test holds its variables
                return []
            leaked = [one for lab in self.labs for one in lab.leaked]
            known = [process.pid for process in self.shared.processes] if self.shared is not None else []
            found = self._before.leaks(descriptors=self.shared is None, without=[*known, *(one.number for one in leaked)])
            for one in found:
                one.remove()
            return [str(one) for one in leaked + found]
        finally:
            found_isolation = self.session.isolation
            if self._moved and found_isolation is not None and found_isolation.network is not None:
                found_isolation.network.leave()

    @property
    def belongs_here(self) -> bool:
        """Whether this is the process in which the test began, and not one that the test has forked and that goes on."""
        return os.getpid() == self._process

    def check_runs(self, fixture: str) -> None:
        """Raise `RawnsError` if a fixture of this test is used after its end."""
        if self.over:
            raise RawnsError(f"the fixture {fixture} of {self.name} has ended with its test; use that of the test that runs")

    # -- labs and namespaces ------------------------------------------------------------------------------------------

    def empty_lab(self) -> ManagedLab:
        """Return an empty lab that is named after the test."""
        return self._own(ManagedLab(name_of(self.name)))

    def load(self, path: str | os.PathLike[str]) -> ManagedLab:
        """Return the lab of a file, not up yet; a path is relative to the directory of the test, or to that of the project."""
        return self._own(load_lab(self.find(path)))

    def find(self, path: str | os.PathLike[str]) -> str:
        """Return the path of the file that `load` would read.  Raises `InvalidValue` if there is none."""
        for directory in self._directories:
            if (directory / path).is_file():
                return str(directory / path)
        places = " and ".join(printable(str(one)) for one in dict.fromkeys(self._directories))
        raise InvalidValue(f"there is no file {printable(os.fspath(path))} in {places}")

    def _own(self, made: ManagedLab) -> ManagedLab:
        made.test = self.name
        if self._captures is not None:
            from .capture import LabCapture

            made.port_captures = LabCapture(self._captures)
        self.labs.append(made)
        return made

    def explain(self) -> list[Section]:
        """Return the reports of its labs, within `report.LIMIT` seconds for all of them."""
        end = monotonic() + report.LIMIT
        sections: list[Section] = []
        for lab in self.labs:
            left = end - monotonic()
            for title, text in report.explain(lab, self.began, max(0.0, left)):
                sections.append((f"lab {lab.name}: {title}", text))
        return sections


def load_lab(path: str | os.PathLike[str]) -> ManagedLab:
    """Return the lab that a file describes (``rawns help labs``), not up yet.  Raises `InvalidDescription`, `SyscallError`."""
    from ..lab.document import read

    return from_source(read(os.fspath(path)))


def new_namespace(name: str | None = None) -> NetNS:
    """Create a network namespace with ``lo`` up.  The caller deletes it."""
    made = NetNS.create(name)
    try:
        made.net.set_link("lo", up=True)
    except BaseException:
        made.delete()
        raise
    return made
