"""`rawns learn`: the primitives of network namespaces, chapter by chapter, in a shell of the learner's own."""

from __future__ import annotations

import os

from ..terminal import printable
from .options import Command, Option, did_you_mean
from .output import complain, report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..learn.chapter import Chapter

LEVELS = ("brief", "attributes", "bytes")

COMMAND = Command(
    "learn",
    "Learn what network namespaces are made of: each chapter explains, sets a task for your own shell, and asks the kernel "
    "whether it is done. Without CHAPTER, list the chapters.",
    "[CHAPTER] [ARGUMENT]",
    options=(Option("--html", argument="DIR", help="write all chapters as a book, with outputs from running them now"),),
    details="CHAPTER is a number or a name. `rawns learn break [LEVEL]` builds a network with a fault to be found and repaired "
    "(level 1: easy, 2: harder, 3: two faults at once).\n\n"
    "In the shell of a chapter these are commands: check (asks the kernel), hint (one more each time), solution, explain "
    "[brief|attributes|bytes] (the solution's messages to the kernel), task (the text again), next, quit. From another "
    "terminal, `rawns learn join` opens a second shell in the chapter.\n\n"
    "No privileges are needed: a chapter runs in a user namespace of its own and ends with its shell. What is done is kept in "
    "$XDG_STATE_HOME/rawns/learn.json.\n\n"
    "Exit status: 0 if the chapter was done when its shell ended, 1 if not; of check, 0 if all goals are reached.",
)


def main(argv: list[str]) -> int:
    """Run ``rawns learn``; return the exit status."""
    options = COMMAND.parse(argv)
    word, argument = options.operand(0), options.operand(1)
    if options["--html"] is not None:
        from ..learn.book import write_book

        if word is not None:
            raise COMMAND.error("--html writes all chapters; no chapter can be named")
        written, problems = write_book(options["--html"])
        for problem in problems:
            complain(f"rawns learn: {printable(problem)}")
        report(f"{printable(options['--html'])}: {written} pages")
        return 1 if problems else 0
    if word is None:
        return _list()
    if argument is not None and word not in ("explain", "break"):
        raise COMMAND.error(f"nothing can follow {printable(word)}")
    verb = VERBS.get(word)
    if verb is not None:
        return verb(argument)
    if word == "break":
        return _study(_break(argument))
    return _study(_named(word))


def find(spec: str) -> Chapter:
    """Return a chapter by its name, or ``break:LEVEL:FAULT+FAULT``: a network with these faults."""
    from ..learn import chapters

    if spec in chapters.NAMES:
        return chapters.load(spec)
    from ..learn.puzzle import puzzle

    _, level, names = spec.split(":")
    return puzzle(int(level), names.split("+"))


def _named(word: str) -> str:
    """Return the name of the chapter that a word means: its number or its name."""
    from ..learn import chapters

    if word in chapters.NAMES:
        return word
    if word.isascii() and word.isdecimal() and len(word) < 4 and 1 <= int(word) <= len(chapters.NAMES):
        return chapters.NAMES[int(word) - 1]
    meant = did_you_mean(word, [*chapters.NAMES, *VERBS, "break"])
    raise COMMAND.error(f'no chapter is called "{printable(word)}"{meant}; `rawns learn` lists them')


def _break(level: str | None) -> str:
    from ..learn import puzzle

    chosen = level or "1"
    if chosen not in puzzle.LEVELS:
        raise COMMAND.error(f'"{printable(chosen)}" is not a level: {", ".join(puzzle.LEVELS)}')
    return f"break:{chosen}:{'+'.join(puzzle.choose(int(chosen)))}"


def _list() -> int:
    from ..learn import chapters, progress

    file = progress.path(os.environ)
    done = progress.read(file)
    for number, name in enumerate(chapters.NAMES, 1):
        print(f"{'x' if name in done else ' '} {number:2}  {name:<11} {chapters.TITLES[name]}")
    following = next((name for name in chapters.NAMES if name not in done), "")
    advice = f"`rawns learn {following}` starts the next one" if following else "`rawns learn break` sets a fault to be found"
    print(f"\n{len(done & set(chapters.NAMES))} of {len(chapters.NAMES)} are done; {advice}.")
    return 0


# -- a chapter from outside ----------------------------------------------------------------------------------------------------


def _study(spec: str) -> int:
    """Run a chapter, and those that follow while the learner says ``next``."""
    from ..learn import chapters, progress, screen, session

    file = progress.path(os.environ)
    done = False
    while spec:
        chapter = find(spec)
        print(f"{screen.screen(chapter)}\n", flush=True)
        after, done = session.run(spec, chapter, file)
        if after == "next":
            spec = _following(spec)
            if not spec:
                print("This was the last chapter.  `rawns learn break` sets a fault to be found.")
            continue
        if not done:
            again = f"rawns learn {'break' if spec not in chapters.NAMES else spec}"
            print(f"The chapter was left before it was done; `{again}` starts {'one' if 'break' in again else 'it'} again.")
        break
    return 0 if done else 1


def _following(spec: str) -> str:
    """Return what comes after a chapter; nothing after the last one."""
    from ..learn import chapters

    if spec not in chapters.NAMES:
        return _break(spec.split(":")[1])
    return "".join(chapters.NAMES[chapters.NAMES.index(spec) + 1 :][:1])


def _join(argument: str | None) -> int:
    from ..learn import session

    session.join()
    return 0


# -- the commands inside ---------------------------------------------------------------------------------------------------------


def _check(argument: str | None) -> int:
    from ..learn import progress, session, solving

    running = session.current()
    chapter = find(running.spec)
    missing = dict(solving.missing_goals(chapter, running.home, 1.0))
    for goal in chapter.goals:
        found = missing.get(goal.sentence)
        print(f"[{' ' if goal.sentence in missing else 'x'}] {goal.sentence}" + (f"\n    {printable(found)}" if found else ""))
    if missing:
        print("\nNot yet.  `hint` helps.")
        return 1
    session.note("done", "yes")
    try:
        if running.spec == chapter.name:
            progress.mark(running.progress, chapter.name)
    except OSError as error:
        complain(f"rawns learn: the progress was not kept: {printable(running.progress)}: {os.strerror(error.errno or 0)}")
    explained = "says what was broken" if chapter.explanation else "shows what a solution says to the kernel"
    print(f"\nDone.  `next` goes on, `explain` {explained}, `quit` leaves.")
    return 0


def _hint(argument: str | None) -> int:
    from ..learn import session

    chapter = find(session.current().spec)
    shown = session.noted("hints")
    number = int(shown) if shown.isdecimal() else 0
    if number >= len(chapter.hints):
        print("There are no more hints.  `solution` shows a solution.")
        number = len(chapter.hints) - 1
    hint = chapter.hints[number]
    print(f"Hint {number + 1} of {len(chapter.hints)}: {hint if isinstance(hint, str) else hint()}")
    session.note("hints", str(number + 1))
    return 0


def _solution(argument: str | None) -> int:
    from ..learn import session

    chapter = find(session.current().spec)
    for command in chapter.solution(os.environ.get("PATH", os.defpath)).commands:
        print(command)
    return 0


def _explain(argument: str | None) -> int:
    from ..learn import session, solving
    from .help import show

    level = argument or "bytes"
    if level not in LEVELS:
        raise COMMAND.error(f'"{printable(level)}" is not a level: {", ".join(LEVELS)}')
    chapter = find(session.current().spec)
    if chapter.explanation:
        print(chapter.explanation)
        return 0
    solution = chapter.solution(os.environ.get("PATH", os.defpath))
    outputs, _ = solving.solve(chapter, solution, level)
    parts = [f"$ {command}\n{printable_lines(output)}" for command, output in zip(solution.commands, outputs)]
    show("\n".join(parts))
    return 0


def printable_lines(text: str) -> str:
    """Return the output of programs with its lines, and without anything else that a terminal would obey."""
    from .output import printable_lines as safe

    return safe(text)


def _task(argument: str | None) -> int:
    from ..learn import screen, session

    print(screen.screen(find(session.current().spec)))
    return 0


def _next(argument: str | None) -> int:
    from ..learn import session

    session.leave(session.current(), "next")
    return 0


def _quit(argument: str | None) -> int:
    from ..learn import session

    session.leave(session.current(), "quit")
    return 0


VERBS: dict[str, Callable[[str | None], int]] = {
    "check": _check,
    "hint": _hint,
    "solution": _solution,
    "explain": _explain,
    "task": _task,
    "next": _next,
    "quit": _quit,
    "join": _join,
}
