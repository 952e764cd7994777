"""What a walk is made of: its legs, its faults, and the steps that were taken.

Floor 6, pure.
"""

from __future__ import annotations

from .namespace_view import Refusal, family_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ..objects.link import Link
    from ..objects.route import Route
    from .namespace_view import Answer, Facts
    from .netfilter_checks import Suspect
    from .segment import Piece


class Fault:
    """What keeps the packet from its aim: a ``sentence``, the ``command`` that mends it, and the name of the ``check``.

    ``despite`` is a fault that an answer to a ping does not refute: somebody else may have given it.  One that is
    ``passing`` may mend itself within seconds, so an answer is waited for longer.
    """

    __slots__ = ("check", "command", "despite", "passing", "sentence", "where")

    def __init__(self, sentence: str, command: str, despite: bool = False, passing: bool = False) -> None:
        self.sentence, self.command, self.despite, self.passing = sentence, command, despite, passing
        self.check = self.where = ""

    def __str__(self) -> str:
        return self.sentence

    def __repr__(self) -> str:
        return f"<Fault {self.check}: {self.sentence}>"


class Step:
    """One check that was made: its name, where, and the fault it found, or None."""

    __slots__ = ("check", "fault", "where")

    def __init__(self, check: str, where: str, fault: Fault | None = None) -> None:
        self.check, self.where, self.fault = check, where, fault

    def __str__(self) -> str:
        return f"{self.check}: {self.where}"


class Leg:
    """From one stack to the next: all that the checks of it look at, filled in as the packet goes.

    ``here`` has the packet, which goes from ``source`` to ``target`` and came in by ``iif`` (None: it is sent from here);
    the kernel's ``answer`` sends it by ``out`` to ``hop``, over ``pieces`` to ``inlet`` in ``there``.  ``aim`` is who should
    get it in the end, where that is known; ``others`` are the places that are known by now; ``reply`` is the way back.
    ``suspects`` are chains that may drop it, as far as can be told without playing their rules.
    """

    def __init__(
        self,
        here: Facts,
        target: str,
        source: str | None,
        iif: Link | None,
        aim: Facts | None,
        others: Iterable[Facts] = (),
        reply: bool = False,
    ) -> None:
        self.here, self.target, self.source, self.iif, self.aim = here, target, source, iif, aim
        self.others, self.reply = list(others), reply
        self.family = family_of(target)
        self.answer: Answer = Refusal(0)
        self.out: Link | None = None
        self.hop = target
        self.pieces: list[Piece] = []
        self.piece: Piece | None = None
        self.there: Facts | None = None
        self.inlet: Link | None = None
        self.suspects: list[Suspect] = []

    @property
    def route(self) -> Route | None:
        return None if isinstance(self.answer, Refusal) else self.answer

    def taken(self) -> list[str]:
        """The addresses that somebody has."""
        places: list[Any] = [self.here, self.aim, self.there, *self.others]
        return [one.address for facts in places if facts is not None and facts.loaded for one in facts.addresses]
