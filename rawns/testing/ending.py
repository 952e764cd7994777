"""The end of several things: an error of one does not prevent the end of the others."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def end_all(ends: Sequence[Callable[[], object]]) -> None:
    """Call all functions, the last one first, and raise the first exception after that."""
    failure: BaseException | None = None
    for end in reversed(ends):
        try:
            end()
        except BaseException as error:
            failure = failure or error
    if failure is not None:
        raise failure
