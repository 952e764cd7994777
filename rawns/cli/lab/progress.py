"""Progress on a terminal, for work that takes longer than a moment; and how counts and durations are written."""

from __future__ import annotations

import sys
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

DELAY = 0.3  # seconds before anything is shown
INTERVAL = 0.05  # seconds between two updates


class Progress:
    """Show on standard error how much is done, if it is a terminal; `end` erases it."""

    def __init__(self, what: str) -> None:
        self._what, self._start, self._last, self._shown = what, monotonic(), 0.0, False
        self._terminal = sys.stderr is not None and sys.stderr.isatty()

    @property
    def callback(self) -> Callable[[int, int], object] | None:
        """The function to call with what is done and the total; None if standard error is not a terminal."""
        return self._show if self._terminal else None

    def _show(self, done: int, total: int) -> None:
        now = monotonic()
        if now - self._start > DELAY and now - self._last > INTERVAL:
            self._last, self._shown = now, True
            print(f"\r{done} of {total} {self._what} ", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Erase what was shown."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def count(number: int, what: str) -> str:
    """Return a number with a noun: ``1 host``, ``2 hosts``."""
    return f"{number} {what}" + ("" if number == 1 else "s")


def duration(seconds: float) -> str:
    """Return a duration: ``3.1 ms``, ``1.25 s``."""
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
