"""A chapter of `rawns learn` as data: what is explained, the task, the goals that the kernel is asked about, and a solution."""

from __future__ import annotations

from shutil import which

from ..errors import RawnsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Union

    from .goals import Question

    Hint = Union[str, Callable[[], str]]
    from .named_network import NamedNetwork

SYSTEM_DIRECTORIES = "/usr/local/sbin:/usr/sbin:/sbin"  # where nft is; the PATH of ordinary users often lacks them


def has_command(name: str) -> bool:
    """Tell whether this copy of rawns has a command of this name."""
    from importlib.util import find_spec

    return find_spec(f"rawns.cli.{name}") is not None


class Goal:
    """One thing that must be true when the task is done: the ``sentence`` that the learner reads, and the ``question``.

    The question is called with a `Kernel` and raises `Unmet`, with what is found instead, while it is not true.
    """

    __slots__ = ("question", "sentence")

    def __init__(self, sentence: str, question: Question) -> None:
        self.sentence, self.question = sentence, question


class Solution:
    """Commands that reach all goals, each as it is typed, and the programs that they need beside ``ip``."""

    __slots__ = ("commands", "needs")

    def __init__(self, *commands: str, needs: Sequence[str] = ()) -> None:
        self.commands, self.needs = commands, tuple(needs)

    def missing(self, path: str) -> list[str]:
        """Return the programs that are not found in these directories, and that rawns does not have either."""
        return [one for one in self.needs if which(one, path=f"{path}:{SYSTEM_DIRECTORIES}") is None and not has_command(one)]


class Chapter:
    """One chapter.

    ``name`` is a word, ``title`` a few; ``text`` explains, ``picture`` shows, ``task`` says what to do.  ``given`` builds what
    is there before the learner begins.  ``goals`` decide when the task is done, ``hints`` lead there one by one, ``solutions``
    are ways to do it, of which the first that needs no missing program is shown.  A hint is a text, or is made when it is asked
    for.  ``explanation`` is shown instead of the solution's messages if it is not empty.  ``kinds`` are the kinds of links, or
    ``"nf_tables"``, without which the kernel cannot do it; ``files`` are put into the learner's directory; with ``own_etc`` the
    learner's /etc is writable.
    """

    def __init__(
        self,
        name: str,
        title: str,
        *,
        text: str,
        picture: str,
        task: str,
        goals: Sequence[Goal],
        hints: Sequence[Hint],
        solutions: Sequence[Solution],
        given: Callable[[NamedNetwork], None] | None = None,
        kinds: Sequence[str] = (),
        files: Mapping[str, str] | None = None,
        own_etc: bool = False,
    ) -> None:
        self.name, self.title, self.text, self.picture, self.task = name, title, text, picture, task
        self.goals, self.hints, self.solutions, self.given = tuple(goals), tuple(hints), tuple(solutions), given
        self.kinds, self.files, self.own_etc = tuple(kinds), dict(files or {}), own_etc
        self.explanation = ""

    def solution(self, path: str) -> Solution:
        """Return the first solution that needs no missing program.  Raises `RawnsError` with the programs that are missing."""
        missing: list[str] = []
        for solution in self.solutions:
            absent = solution.missing(path)
            if not absent:
                return solution
            missing += absent
        raise RawnsError(f"this chapter needs {' or '.join(dict.fromkeys(missing))}, which is not installed here")


def lacking(kinds: Sequence[str]) -> str:
    """Return what of these kinds of links, or of nf_tables, this kernel lacks; empty if nothing.  Asked in a new namespace."""
    from ..errors import KernelError
    from ..net import NetNS

    with NetNS.create() as scratch:
        for kind in kinds:
            try:
                if kind == "nf_tables":
                    scratch.nft.tables()
                elif kind == "vxlan":
                    scratch.net.add_vxlan("probe", 1)
                elif kind == "macvlan":
                    scratch.net.add_macvlan("probe", "lower")
                else:
                    scratch.net.add_link("lower" if kind == "veth" else "probe", kind)
            except (KernelError, OSError) as error:
                return f"this kernel has no {kind}: {error}"
            if kind not in ("nf_tables", "veth"):
                scratch.net.delete_link("probe")
    return ""
