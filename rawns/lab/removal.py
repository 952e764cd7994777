"""Removals that do not depend on each other: a failure does not prevent the others, and is tried once more."""

from __future__ import annotations

from ..errors import KernelError, RawnsError
from ..rollback import ThreadLimitError
from ..syscalls import MissingModule
from ..terminal import printable
from ..threads import call_on_thread
from . import stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from ..net import Net

    Answer = TypeVar("Answer")

MAX_LISTED = 10  # things left behind that an error names


class RemovalError(RawnsError):
    """Something could not be removed.  ``left`` are the things that are left, each with the reason, as sentences."""

    def __init__(self, left: list[str]) -> None:
        more = f", and {len(left) - MAX_LISTED} more" if len(left) > MAX_LISTED else ""
        super().__init__(f"left behind, in spite of a second attempt: {'; '.join(left[:MAX_LISTED])}{more}")
        self.left = left


class Removal:
    """Carry out removals one after the other, retry those that failed, and report what is left.

    ``removed`` names what has been removed, in that order.
    """

    def __init__(self) -> None:
        self.removed: list[str] = []
        self._failed: list[tuple[str, Callable[..., object], tuple[Any, ...]]] = []
        self._left: list[str] = []

    def attempt(self, what: str, function: Callable[..., object], *args: Any) -> None:
        """Call a function that removes ``what``, or several things whose names it returns; an error is kept.

        FileNotFoundError means that it is gone: that was the aim.
        """
        if self._error(what, function, args) is not None:
            self._failed.append((what, function, args))

    def _error(self, what: str, function: Callable[..., object], args: tuple[Any, ...]) -> Exception | None:
        try:
            several = function(*args)
        except FileNotFoundError:
            several = None
        except Exception as error:
            return error
        self.removed += several if isinstance(several, list) else [what]
        return None

    def left(self, what: str, error: Exception) -> None:
        """Report something that cannot be removed."""
        self._left.append(f"{printable(what)} ({error})")

    def finish(self) -> None:
        """Retry what has failed.  Raises `RemovalError` for what is left then, or the error of a missing module."""
        failed, self._failed = self._failed, []
        missing: Exception | None = None
        for what, function, args in failed:
            error = self._error(what, function, args)
            if isinstance(error, (ImportError, MissingModule)):
                missing = missing or error
            elif error is not None:
                self.left(what, error)
        if missing is not None:
            raise missing
        if self._left:
            raise RemovalError(self._left)


def delete_links(net: Net, lab: str) -> list[str]:
    """Delete the links of a namespace that carry a lab's stamp; return their names.

    One message deletes all, unless the lab's group has links of others too.
    """
    group = stamp.group(lab)
    members = [one for one in net.links() if one.group == group]
    ours = [one for one in members if stamp.owner(one.alias) == lab]
    if ours and len(ours) == len(members):
        from ..objects import link

        net.do(link.delete_group(group))
    else:
        for one in ours:
            try:
                net.delete_link(one)
            except KernelError as error:
                if error.code != "ENODEV":  # it was deleted together with its other end
                    raise
    return [one.name for one in ours]


def in_thread(function: Callable[..., Answer], *args: Any) -> Answer:
    """Call a function on a thread that ends afterwards; on this thread if none can be started.

    A thread that cannot return from another network namespace must not go on.  The caller, which has more to remove, can.
    """
    try:
        return call_on_thread(function, *args)
    except ThreadLimitError:
        return function(*args)
