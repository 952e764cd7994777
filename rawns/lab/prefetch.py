"""A thread that creates the namespaces of a large lab ahead.

``unshare`` takes a third of the time that a host costs, and ctypes releases the interpreter's lock meanwhile: one thread
creates namespaces while another configures them.
"""

from __future__ import annotations

from _queue import SimpleQueue  # the C type alone: `queue` costs 3 ms
from _thread import start_new_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .host import Host

MAX_WAITING = 8  # namespaces that are created and not yet used; each holds two descriptors


def start(hosts: Sequence[Host], create: Callable[[Host], object]) -> Prefetcher | None:
    """Start a thread that calls ``create``, which leaves it inside, for each host.

    Return None if the limit on threads forbids it, since it only saves time.
    """
    try:
        return Prefetcher(hosts, create)
    except RuntimeError:
        return None


class Prefetcher:
    """The thread.  Signals are blocked in it as in the thread that starts it.  Raises RuntimeError if it cannot start."""

    def __init__(self, hosts: Sequence[Host], create: Callable[[Host], object]) -> None:
        self._hosts, self._create, self._stopped = hosts, create, False
        self._created: Any = SimpleQueue()  # None for each host, or the error that prevented it; at last `self`
        self._permits: Any = SimpleQueue()  # an item for each host that may be created
        for _ in range(MAX_WAITING):
            self._permits.put(None)
        start_new_thread(self._body, ())

    def _body(self) -> None:
        try:
            for host in self._hosts:
                self._permits.get()
                if self._stopped:
                    break
                self._create(host)
                self._created.put(None)
        except BaseException as error:
            self._created.put(error)
        self._created.put(self)

    def wait(self) -> None:
        """Wait for the next namespace.  Raises the error that prevented it."""
        failure = self._created.get()
        if failure is not None:
            raise failure
        self._permits.put(None)

    def stop(self) -> None:
        """Create no more, and wait for the one that is being created."""
        self._stopped = True
        self._permits.put(None)
        while self._created.get() is not self:
            pass
