"""`rawns learn break`: the network of `faults` with one or two faults, a complaint, and what finds out whether it is whole."""

from __future__ import annotations

from .. import diagnose
from ..errors import KernelError
from . import faults
from .chapter import Chapter, Goal, Solution
from .faults import FAULTS
from .goals import Kernel, Unmet, connecting, reaches
from .named_network import NamedNetwork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..diagnose import Diagnosis
    from .faults import Complaint
    from .goals import Question

LEVELS = ("1", "2", "3")
PATIENCE = 10.0  # seconds for an answer in a network that should be whole, on a busy machine
TEXT = """\
Six hosts, each in a namespace of its name: sw, web, app, r, db, inet.
Everything worked until a moment ago.  Then something was changed in one host."""


def choose(level: int) -> list[str]:
    """Choose faults at random: one of a level, or for level 3 two that two different complaints are about or one names both."""
    from random import SystemRandom

    random = SystemRandom()
    if level < 3:
        return [random.choice([name for name, fault in FAULTS.items() if fault.level == level])]
    others = {
        name: [other for other, two in FAULTS.items() if two.area != one.area and pairable(one, two)]
        for name, one in FAULTS.items()
    }
    first = random.choice([name for name, found in others.items() if found])  # not every fault has a second one
    return [first, random.choice(others[first])]


def pairable(one: faults.BrokenPart, other: faults.BrokenPart) -> bool:
    """Tell whether two faults can be made in one network and noticed by one complaint."""
    return one.complaint is other.complaint and not (one.repair and other.repair)


class Puzzle(Chapter):
    """A network with faults, to be repaired; its solution is what `rawns why` says about the network as it is now."""

    def __init__(self, level: int, names: Sequence[str]) -> None:
        self.faults = [FAULTS[name] for name in names]
        complaint = self.complaint = self.faults[0].complaint
        areas = " and ".join(dict.fromkeys(fault.area for fault in self.faults))
        many = "two things are" if len(self.faults) > 1 else "one thing is"
        super().__init__(
            "break",
            f"Something is broken (level {level})",
            text=TEXT.replace("something was changed in one host", "two things were changed") if level == 3 else TEXT,
            picture=faults.PICTURE,
            task=f"A user says: {complaint}.  Find out why ({many} broken), and repair it.",
            goals=goals_of(complaint),
            hints=(f"Look at {areas}.", self.failing_check, self.said),
            solutions=(),
            given=self.make,
            kinds=("veth", "bridge", "nf_tables"),
        )
        self.explanation = f"What was broken: {', '.join(names)}."

    def make(self, network: NamedNetwork) -> None:
        """Build the network and break it."""
        faults.build(network)
        break_all(network, self.faults)

    def failing_check(self) -> str:
        """Return the name of the check at which `rawns why` stops now."""
        fault = ask_why(self.complaint, "").fault
        return (
            "Nothing on the way is wrong any more."
            if fault is None
            else f"What fails is the check `{fault.check}` of `rawns why`."
        )

    def said(self) -> str:
        """Return what `rawns why` says now."""
        words = f"{self.complaint.origin} {self.complaint.address}" + (f":{self.complaint.port}" if self.complaint.port else "")
        return f"`rawns why {words}` says:\n{ask_why(self.complaint, '')}"

    def solution(self, path: str) -> Solution:
        """Return the command that `rawns why` recommends now, or the repair that is noted with the fault."""
        found = ask_why(self.complaint, "")
        if found:
            return Solution("# nothing is broken any more")
        command = found.fault.command if found.fault is not None else ""
        return Solution(*([command] if command else [line for fault in self.faults for line in fault.repair]))


def puzzle(level: int, names: Sequence[str]) -> Puzzle:
    """Return the network with these faults.  Raises `InvalidValue` for what is not the name of one."""
    from ..errors import InvalidValue

    unknown = next((name for name in names if name not in FAULTS), None)
    if unknown is not None or not names:
        raise InvalidValue(f"{unknown!r} is not a fault")
    return Puzzle(level, names)


def ask_why(complaint: Complaint, prefix: str) -> Diagnosis:
    """Ask `rawns.why` about a complaint; ``prefix`` is that of the network's names."""
    return diagnose.why(prefix + complaint.origin, complaint.address, port=complaint.port)


def goals_of(complaint: Complaint) -> tuple[Goal, ...]:
    """Return the goals of a puzzle: the complaint is gone, and nothing on the way is wrong."""
    origin, target, port = complaint.origin, complaint.target, complaint.port
    if port is not None:
        first = Goal(f"{origin} can connect to port {port} of {target}", connecting(origin, complaint.address, port, "connected"))
    else:
        first = Goal(f"{target} answers {origin}", reaches(origin, complaint.address))
    return (first, Goal("nothing on the way is wrong for a packet of any size", nothing_wrong(complaint)))


def nothing_wrong(complaint: Complaint) -> Question:
    """Ask whether `rawns why` finds no fault, without telling what it finds."""

    def ask(kernel: Kernel) -> None:
        if not ask_why(complaint, ""):
            raise Unmet("something is still wrong")

    return ask


def break_all(network: NamedNetwork, parts: Sequence[faults.BrokenPart]) -> int:
    """Make faults, those of links last, because a link that is down loses routes; return how many could be made."""
    made = 0
    for part in sorted(parts, key=lambda part: part.area == faults.LINKS):
        try:
            part.make(network)
            made += 1
        except KernelError:  # what it would break is not there any more
            pass
    network.forget()
    return made


def whole(network: NamedNetwork, complaints: Sequence[Complaint] = faults.COMPLAINTS) -> list[str]:
    """Return those of these complaints that the network gives reason for; an empty list if it is whole."""
    from ..icmp import ping
    from .goals import attempt_outcome

    found = []
    network.forget()
    for complaint in complaints:
        place = network[complaint.origin]
        try:
            if complaint.port is not None:
                good = attempt_outcome(place, complaint.address, complaint.port, "connected", PATIENCE) == "connected"
            else:
                good = ping(place, complaint.address, timeout=PATIENCE).received == 1
        except OSError:
            good = False
        if not good:
            found.append(str(complaint))
    return found
