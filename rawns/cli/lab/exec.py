"""`rawns lab exec`, `shell` and `run`: commands in a host of a lab, and a lab for as long as a command runs.

Floor 7.
"""

from __future__ import annotations

import os
import sys

from ... import netns, syscalls, uapi
from ...errors import RawnsError
from . import stop
from .resolve import is_file, lab_of, netns_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from . import Options


def exec_(options: Options) -> int:
    if not options.command:
        stop("which command? `rawns lab exec LAB HOST CMD ...`")
    return _become(netns_of(*options.words), options.command)


def shell(options: Options) -> int:
    name = netns_of(*options.words)
    if sys.stderr.isatty():
        print(f"rawns: you are in {name}; `exit` leads back", file=sys.stderr, flush=True)
    return _become(name, [_shell()])


def _shell() -> str:
    return os.environ.get("SHELL") or "/bin/sh"


def _become(name: str, command: list[str]) -> int:
    """Enter a namespace as ``ip netns exec`` does, for good, and become the command there.  Returns where that fails."""
    with netns.Namespace.open(name) as namespace:
        syscalls.setns(namespace.fileno(), uapi.CLONE_NEWNET)
    netns.enter_mounts(name, lambda error: print(f"rawns lab: {error}", file=sys.stderr))
    sys.stdout.flush()
    return _exec(command)


def _exec(command: list[str]) -> int:
    from ..ip.exec import become

    error = become([os.fsencode(word) for word in command])
    print(f"rawns lab: {command[0]}: {error.strerror}", file=sys.stderr, flush=True)
    return 127 if isinstance(error, FileNotFoundError) else 126  # as shells have it


# -- a lab for a while ----------------------------------------------------------------------------------------------------


def run(options: Options) -> int:
    """Up, the command, and down, whatever happens in between; the command's exit status."""
    from ... import rootless

    word = options.words[0]
    if not is_file(word):
        stop(f"{word} is no file: `run` takes a description, a path with a dot or a slash in it")
    lab = lab_of(word)
    lab.outlives_process = False
    if rootless.privileged():
        _refuse_standing(lab.name)
    else:
        rootless.enter()
    with _Signals() as signals:
        try:
            signals.ending(lab.up, 30.0)
            if not options.command and sys.stderr.isatty():
                hosts = ", ".join(host.name or host.label for host in lab.hosts if not host.root)
                print(f"rawns: {lab.name} is up ({hosts[:200]}); `exit` takes it away", file=sys.stderr, flush=True)
            return signals.run(options.command or [_shell()])
        finally:
            lab.down()


def _refuse_standing(name: str) -> None:
    from ...lab.discover import find_labs

    if any(one.name == name for one in find_labs()):
        raise RawnsError(f"a lab called {name} is up already, and would be down at the end; `rawns lab down {name}` first")


class _Signals:
    """While a command runs, what would end us is passed on to it, and we go on to clean up.

    A terminal's own (Ctrl-C, Ctrl-\\) reach it without us.  What comes while the lab is built ends us at once.
    """

    def __enter__(self) -> _Signals:
        import signal

        self._signal, self._child, self._end, self._raising = signal, 0, 0, False
        self._before = {number: signal.signal(number, self._pass) for number in (signal.SIGTERM, signal.SIGHUP)}
        self._before.update({number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGQUIT)})
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            self._signal.signal(number, handler)

    def ending(self, function: Callable[..., object], *args: object) -> None:
        """Call what ends with the first signal, and the exit status a shell would give."""
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
        """Run it to its end; the exit status a shell would give."""
        sys.stdout.flush()
        if self._end:
            return 128 + self._end
        self._child = os.fork()
        if not self._child:
            self._be(command)
        _, status = os.waitpid(self._child, 0)
        self._child = 0
        return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)

    def _be(self, command: list[str]) -> NoReturn:
        """In the child: what shells leave to a command, and the command."""
        status = 126
        try:
            for number, handler in self._before.items():
                self._signal.signal(number, handler)
            status = _exec(command)
        finally:
            os._exit(status)
