"""Problems of a description: a sentence with its place each, and the error that carries all of them."""

from __future__ import annotations

from ..errors import InvalidValue
from ..terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_REPORTED = 30  # problems in the text of one error


class Problem(str):
    """One problem: a sentence with its place before it.  ``text`` is the sentence, ``where`` the place."""

    __slots__ = ("text", "where")

    text: str
    where: object

    def __new__(cls, text: str, where: object = "") -> Problem:
        place = str(getattr(where, "place", where))
        text = printable(text)
        problem = super().__new__(cls, f"{place}: {text}" if place else text)
        problem.text, problem.where = text, where
        return problem


class InvalidDescription(InvalidValue):
    """A description that cannot be built: all its ``problems``; the text has the first 30, a line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        more = len(self.problems) - MAX_REPORTED
        super().__init__("\n".join([*self.problems[:MAX_REPORTED], *([f"and {more} more"] if more > 0 else [])]))

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), ([str(one) for one in self.problems],)


def raise_if_any(found: Iterable[str]) -> None:
    """Raise `InvalidDescription` if there is any problem."""
    problems = list(found)
    if problems:
        raise InvalidDescription(problems)
