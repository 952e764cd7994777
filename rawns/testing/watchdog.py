"""A process that outlives a test run that is killed, and then kills what the run has left running in the hosts of its labs.

The kernel ends a process with its parent (PR_SET_PDEATHSIG), but not the processes that it has started itself: a server that
has forked, a daemon.  So the first process that a test starts in a host brings a watchdog with it, one for each process that
runs tests.  It is told the network namespaces of the hosts, waits until the test process has ended (pidfd_open(2), Linux 5.3),
and kills the processes in these namespaces.  A lab that ends takes its namespaces back.

It belongs to a session of its own, so that a signal to the process group of the run does not reach it, and holds no descriptor
and no namespace of the run.  Without pidfd_open there is no watchdog.
"""

from __future__ import annotations

import os
import select
import signal
import warnings
from time import monotonic

from .. import syscalls, uapi
from ..rollback import signals_blocked
from .leaks import kill_within, own_descriptors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    Identity = tuple[int, int]  # st_dev and st_ino of a namespace

MAX_READ_BYTES = 1 << 16
MAX_ROUNDS = 100  # of killing: a process may fork while its parent is being killed
PATIENCE = 5.0  # seconds for all rounds

_current: _Watchdog | None = None


def watch(namespaces: Collection[Identity]) -> None:
    """Have the processes in these network namespaces killed when this process ends without `forget`; may be repeated."""
    global _current
    if _current is None or not _current.usable:
        _current = _start()
    if _current is not None:
        _current.tell("+", [one for one in namespaces if one not in _current.watched])


def forget(namespaces: Collection[Identity]) -> None:
    """Leave the processes in these network namespaces alone from now on."""
    if _current is not None and _current.usable:
        _current.tell("-", [one for one in namespaces if one in _current.watched])


class _Watchdog:
    """The end of a watchdog in the process that it watches."""

    def __init__(self, writing: int) -> None:
        self.watched: set[Identity] = set()
        self._writing, self._owner = writing, os.getpid()
        own_descriptors.add(writing)

    @property
    def usable(self) -> bool:
        """Whether it watches this process, and has not been killed."""
        return self._owner == os.getpid() and self._writing >= 0

    def tell(self, sign: str, namespaces: Collection[Identity]) -> None:
        try:
            for dev, ino in namespaces:
                os.write(self._writing, f"{sign}{dev}:{ino}\n".encode())
        except OSError:  # it has been killed; the next process brings another
            own_descriptors.discard(self._writing)
            os.close(self._writing)
            self._writing = -1
        if sign == "+":
            self.watched.update(namespaces)
        else:
            self.watched.difference_update(namespaces)


def _start() -> _Watchdog | None:
    """Fork a watchdog of this process; return None if the kernel or this Python cannot watch a process."""
    try:
        watched = os.pidfd_open(os.getpid())
    except (AttributeError, OSError):
        return None
    reading, writing = os.pipe()
    with warnings.catch_warnings(), signals_blocked():
        warnings.simplefilter("ignore")  # Python 3.12: of a fork in a process with threads; the child takes no lock of them
        pid = syscalls.fork()
        if pid == 0:
            try:
                if os.fork() == 0:  # so that the process that runs the tests, which may wait for any child, has no such child
                    _Duty(watched, reading).run()
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
    os.close(watched)
    os.close(reading)
    return _Watchdog(writing)


class _Duty:
    """What the watchdog does, as a process of its own."""

    def __init__(self, watched: int, reading: int) -> None:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        syscalls.unshare(uapi.CLONE_NEWNET)  # the fork may have been made inside a host, which it would keep
        os.chdir("/")
        null = os.open("/dev/null", os.O_RDWR)
        self._process, self._pipe = 3, 4
        kept = [os.dup(one) for one in (watched, reading)]
        high = max(kept) + 1
        kept = [self._moved(one, high + place) for place, one in enumerate(kept)]
        for target, one in enumerate((null, null, null, *kept)):
            os.dup2(one, target, inheritable=False)
        os.closerange(5, os.sysconf("SC_OPEN_MAX"))
        self._namespaces: set[Identity] = set()
        self._rest = b""

    @staticmethod
    def _moved(fd: int, to: int) -> int:
        os.dup2(fd, to, inheritable=False)
        return to

    def run(self) -> None:
        """Wait until the process has ended, and kill what it has left."""
        poll = select.poll()
        poll.register(self._process, select.POLLIN)
        poll.register(self._pipe, select.POLLIN)
        ended = False
        while not ended:
            ready = [fd for fd, _ in poll.poll()]
            ended = self._process in ready
            if self._pipe in ready and not self._hear():
                poll.unregister(self._pipe)  # a process that still has it open may end later than the watched one
        os.set_blocking(self._pipe, False)
        try:
            while self._hear():
                pass
        except BlockingIOError:
            pass
        deadline = monotonic() + PATIENCE
        for _ in range(MAX_ROUNDS):
            if not kill_within(self._namespaces) or monotonic() > deadline:
                break

    def _hear(self) -> bool:
        """Read what namespaces are to be watched; return False at the end of the pipe."""
        data = os.read(self._pipe, MAX_READ_BYTES)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            dev, _, ino = line[1:].partition(b":")
            (self._namespaces.add if line[:1] == b"+" else self._namespaces.discard)((int(dev), int(ino)))
        return bool(data)
