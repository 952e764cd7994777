"""`rawns lab exec`, `shell` and `run`: commands in a host of a lab, and a lab for as long as a command runs."""

from __future__ import annotations

import os
import sys

from ... import netns, netns_processes, syscalls, uapi
from ...errors import RawnsError
from ...observer import observed_call
from ...rollback import set_signal_mask, signal_mask, signals_blocked
from ...terminal import printable
from . import emit_result, say_left_alone, stop
from .resolve import is_file, lab_of, netns_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from ..options import Parsed


def execute(options: Parsed) -> int:
    """Become a command in a host: ``ip netns exec``.  Returns only if that fails."""
    return _become(netns_of(*options.operands), options.rest)


def shell(options: Parsed) -> int:
    """Become a shell in a host.  Returns only if that fails."""
    name = netns_of(*options.operands)
    if sys.stderr.isatty():
        print(f"rawns: this shell is in {printable(name)}; `exit` ends it", file=sys.stderr, flush=True)
    return _become(name, [_shell_path()])


def _shell_path() -> str:
    return os.environ.get("SHELL") or "/bin/sh"


def _become(name: str, command: list[str]) -> int:
    """Enter a namespace as ``ip netns exec`` does, and become the command.  Returns an exit status if that fails."""
    with netns.Namespace.open(name) as namespace:
        syscalls.setns(namespace.fileno(), uapi.CLONE_NEWNET)
    netns_processes.enter_mounts(name, lambda error: print(f"rawns lab: {printable(str(error))}", file=sys.stderr))
    sys.stdout.flush()
    return _exec(command)


def _exec(command: list[str]) -> int:
    from ..exec import become

    error = become([os.fsencode(word) for word in command])
    print(f"rawns lab: {printable(command[0])}: {error.strerror}", file=sys.stderr, flush=True)
    return 127 if isinstance(error, FileNotFoundError) else 126  # as shells have it


# -- a lab for a while ----------------------------------------------------------------------------------------------------


def run(options: Parsed) -> int:
    """Bring a lab up, run the command, and remove the lab whatever happens; return the command's exit status."""
    from ... import rootless

    word = options.operands[0]
    if not is_file(word):
        stop(f"{printable(word)} is not the path of a file: `run` takes a path with a dot or a slash in it")
    lab = lab_of(word)
    lab.outlives_process = False
    if rootless.privileged():
        _refuse_standing(lab.name)
    else:
        rootless.enter()
    with ChildSignals() as signals:
        try:
            signals.ending(lab.up, 30.0)
            if not options.rest and sys.stderr.isatty():
                hosts = printable(", ".join(host.name or host.label for host in lab.hosts if not host.root))
                print(f"rawns: {lab.name} is up ({hosts[:200]}); `exit` removes it", file=sys.stderr, flush=True)
            status = signals.run(options.rest or [_shell_path()])
        finally:
            lab.down()
            say_left_alone(lab.name)
    if options["--json"]:
        emit_result({"ok": status == 0, "lab": lab.name, "status": status})
    return status


def _refuse_standing(name: str) -> None:
    from ...lab.discover import find_labs

    if any(one.name == name for one in find_labs()):
        raise RawnsError(f"a lab called {name} is up already, and would be removed at the end; `rawns lab down {name}` first")


class ChildSignals:
    """Handle signals on behalf of a command: while it runs, SIGTERM and SIGHUP are passed on to it, and the lab is removed after.

    SIGINT and SIGQUIT of a terminal reach the command anyway.  A signal that arrives while the lab is built ends the build.
    """

    def __enter__(self) -> ChildSignals:
        import signal

        self._signal, self._child, self._end, self._raising = signal, 0, 0, False
        self._before = {number: signal.signal(number, self._pass) for number in (signal.SIGTERM, signal.SIGHUP)}
        self._before.update({number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGQUIT)})
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            self._signal.signal(number, handler)

    def ending(self, function: Callable[..., object], *args: object) -> None:
        """Call a function that a signal ends: then this raises SystemExit with the exit status that a shell would give."""
        self._raising = True
        try:
            function(*args)
        finally:
            self._raising = False

    def _pass(self, number: int, frame: object) -> None:
        if self._child:
            try:
                os.kill(self._child, number)
            except ProcessLookupError:
                pass  # it has just ended
        self._note(number, frame)

    def _note(self, number: int, frame: object) -> None:
        if not self._child:
            self._end = number
            if self._raising:
                raise SystemExit(128 + number)

    def run(self, command: list[str]) -> int:
        """Run the command to its end; return the exit status that a shell would give.  Raises `SyscallError` (fork)."""
        sys.stdout.flush()
        mask = signal_mask()
        with signals_blocked():  # a signal is either noted before the fork, or passed on to the child
            if self._end:
                return 128 + self._end
            self._child = observed_call("fork", os.fork)
            if not self._child:
                self._become(command, mask)
        self._wait()
        with signals_blocked():  # after waitpid(2) another process may have the number
            _, status = os.waitpid(self._child, 0)
            self._child = 0
        return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)

    def _wait(self) -> None:
        """Wait until the command has ended, and pass signals on to it.

        They are blocked, so that sigwait(3) returns one that has arrived before it is called.  If a signal arrived just before a
        waitid(2) that waits, its handler in Python would be called only after that.
        """
        awaited = {self._signal.SIGCHLD, *self._before}
        previous = self._signal.pthread_sigmask(self._signal.SIG_BLOCK, awaited)
        try:
            while os.waitid(os.P_PID, self._child, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
                number = self._signal.sigwait(awaited)
                if number in (self._signal.SIGTERM, self._signal.SIGHUP):
                    self._pass(number, None)
        finally:
            set_signal_mask(previous)

    def _become(self, command: list[str], mask: set[int]) -> NoReturn:
        """Restore the signals and become the command, in the child."""
        ignore, default = self._signal.SIG_IGN, self._signal.SIG_DFL
        status = 126
        try:
            for number, handler in self._before.items():
                self._signal.signal(number, ignore if handler == ignore else default)
            set_signal_mask(mask)
            status = _exec(command)
        finally:
            os._exit(status)
