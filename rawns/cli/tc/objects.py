"""The verbs of an object of tc(8)."""

from __future__ import annotations

from ..ip.context import ObjectVerbs
from ..ip.grammar import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Callable


class TcVerbs(ObjectVerbs):
    """Like those of `ip`, but a wrong verb does not end a batch, and the help ends with ``help_status``."""

    def __init__(self, object: str, *verbs: tuple[str, Callable[[Args], int]], help_status: int = 0) -> None:
        super().__init__(object, *verbs, program="tc")
        self._help_status = help_status

    def _raise_help(self, args: Args) -> int:
        from .help_texts import OBJECTS

        raise CommandError(OBJECTS[self._help], self._help_status)

    def __call__(self, args: Args) -> int:
        try:
            return super().__call__(args)
        except CommandError as error:
            if error.text.startswith('Command "'):
                error.exits = False
            raise
