"""What SIGINT, SIGTERM, SIGHUP and SIGQUIT do to a command: an exception, so that what it has made is removed before it ends."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # the C module: `signal` imports `enum`
import os
import sys
from _thread import get_ident, start_new_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ENDING = (_signal.SIGTERM, _signal.SIGHUP, _signal.SIGQUIT)
_handling = 0  # the process that has called `handle`
_handlers: dict[int, Any] = {}  # those that `_raise_once` has replaced


class Terminated(BaseException):
    """SIGTERM, SIGHUP or SIGQUIT has arrived, whose ``number`` this is."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def handle() -> None:
    """Let SIGINT raise KeyboardInterrupt, and SIGTERM, SIGHUP and SIGQUIT `Terminated`, except those that are ignored (nohup).

    After one of these three all four are ignored, so that the removal is not interrupted.  A child that a library forks has
    nothing to remove: a signal ends it at once.  A signal that arrives where Python discards exceptions is sent again.
    """
    global _handling
    _handling = os.getpid()
    sys.unraisablehook = _send_again
    if _signal.getsignal(_signal.SIGINT) == _signal.SIG_DFL:
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)
    for number in _ENDING:
        if _signal.getsignal(number) == _signal.SIG_DFL:
            _signal.signal(number, _raise_once)


def once() -> None:
    """Ignore the four signals after the first of them, SIGINT included; for a command whose removal is short and bounded.

    At most one exception is then raised by signals, so a removal in two nested ``finally`` blocks is completed once at least.
    """
    if _signal.getsignal(_signal.SIGINT) == _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _raise_once)


def end_by(number: int) -> int:
    """End this process by a signal.  Returns the status that a shell would show if that has no effect."""
    _signal.signal(number, _signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number


def _raise_once(number: int, frame: object) -> None:
    if os.getpid() != _handling:
        end_by(number)
        return
    for other in (_signal.SIGINT, *_ENDING):
        _handlers[other] = _signal.signal(other, _signal.SIG_IGN)
    if number == _signal.SIGINT:
        raise KeyboardInterrupt
    raise Terminated(number)


def _send_again(discarded: Any) -> None:
    """Send a signal again if Python has discarded the exception that it has raised; show other exceptions as usual.

    Python does so in ``__del__`` and in callbacks of weak references, which `import` has.  Another thread sends it, because in
    this function, too, the exception would be discarded.
    """
    error = discarded.exc_value
    number = error.number if isinstance(error, Terminated) else _signal.SIGINT if isinstance(error, KeyboardInterrupt) else 0
    if not number or os.getpid() != _handling:
        sys.__unraisablehook__(discarded)
        return
    for other, handler in _handlers.items():
        _signal.signal(other, handler)
    _handlers.clear()
    start_new_thread(_signal.pthread_kill, (get_ident(), number))
