"""New namespaces for those who wait for them: made one after the other, and in a large lab ahead, by a thread of its own.

Floor 6.  ``unshare`` is a third of what a host costs, and ctypes lets go of the interpreter meanwhile: so one thread makes
namespaces while another fills them.
"""

from __future__ import annotations

from _queue import SimpleQueue  # type: ignore[import-not-found]  # the C type alone: `queue` costs 3 ms
from _thread import start_new_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import Any

    from .model import Host

MANY = 16  # namespaces from which on a thread is worth its start
AHEAD = 8  # namespaces that may wait, each with its two descriptors


def births(hosts: Sequence[Host], bear: Callable[[Host], object]) -> Generator[Host, None, None]:
    """Each of ``hosts`` in turn, born by ``bear``, which leaves its thread inside; what it raises is raised here.

    To be closed before what it made is undone: then nothing more is made.
    """
    if len(hosts) < MANY:
        for host in hosts:
            bear(host)
            yield host
        return
    ahead = _Ahead(hosts, bear)
    try:
        for host in hosts:
            ahead.wait()
            yield host
    finally:
        ahead.stop()


class _Ahead:
    """The thread.  Signals are held back in it, as they are in the thread that starts it."""

    def __init__(self, hosts: Sequence[Host], bear: Callable[[Host], object]) -> None:
        self._hosts, self._bear, self._stopped = hosts, bear, False
        self._born: Any = SimpleQueue()  # None for each host, or what kept it from being; at last `self`
        self._room: Any = SimpleQueue()  # something for each that may be made
        for _ in range(AHEAD):
            self._room.put(None)
        start_new_thread(self._body, ())

    def _body(self) -> None:
        try:
            for host in self._hosts:
                self._room.get()
                if self._stopped:
                    break
                self._bear(host)
                self._born.put(None)
        except BaseException as error:
            self._born.put(error)
        self._born.put(self)

    def wait(self) -> None:
        """Until the next one is born.  Raises what kept it from being."""
        failure = self._born.get()
        if failure is not None:
            raise failure
        self._room.put(None)

    def stop(self) -> None:
        """Make no more, and wait for the one under way."""
        self._stopped = True
        self._room.put(None)
        while self._born.get() is not self:
            pass
