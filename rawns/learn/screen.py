"""What a chapter looks like: on a terminal, and as a page of the manual."""

from __future__ import annotations

from textwrap import wrap

from . import chapters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .chapter import Chapter, Solution

COLUMNS = 80
COMMANDS = "check  hint  solution  explain  task  next  quit"


def heading(chapter: Chapter) -> str:
    """Return the number and the title of a chapter."""
    if chapter.name not in chapters.NAMES:
        return chapter.title
    return f"Chapter {chapters.NAMES.index(chapter.name) + 1} of {len(chapters.NAMES)}: {chapter.title}"


def screen(chapter: Chapter) -> str:
    """Return a chapter for a terminal of 80 columns and 40 lines."""
    blocks = [heading(chapter), chapter.text, chapter.picture, task(chapter), f"Commands of this chapter: {COMMANDS}"]
    return "\n\n".join(block for block in blocks if block)


def task(chapter: Chapter) -> str:
    """Return what there is to do."""
    return "\n".join(wrap(f"Task: {chapter.task}", COLUMNS))


def page_of(name: str) -> str | None:
    """Return the page of a chapter by its name; None if there is none."""
    if name not in chapters.NAMES:
        return None
    chapter = chapters.load(name)
    return page(chapter, chapter.solutions[0])


def page(chapter: Chapter, solution: Solution) -> str:
    """Return a chapter as a page of the manual, in Markdown."""
    number = chapters.NAMES.index(chapter.name) + 1
    prose = "\n\n".join(_block(block) for block in chapter.text.split("\n\n"))
    goals = "\n".join(f"- {goal.sentence}" for goal in chapter.goals)
    hints = "\n".join(f"{count}. {hint}" for count, hint in enumerate(chapter.hints, 1))
    blocks = [
        f"# Chapter {number}: {chapter.title}",
        f"`rawns learn {number}` starts this chapter in a shell of your own; no privileges are needed.",
        prose,
        f"```\n{chapter.picture}\n```",
        f"## Task\n\n{chapter.task}\n\n{goals}",
        f"## Hints\n\n{hints}",
        "## Solution\n\n```\n" + "\n".join(solution.commands) + "\n```",
    ]
    blocks += [f"## {name}\n\n```\n{text}```" for name, text in chapter.files.items()]
    if number < len(chapters.NAMES):
        following = chapters.NAMES[number]
        blocks.append(f"Next: `rawns help learn-{following}` ({chapters.TITLES[following]}).")
    return "\n\n".join(blocks) + "\n"


def _block(block: str) -> str:
    """Return a paragraph as it is, and indented lines as code."""
    lines = block.split("\n")
    first = next((number for number, line in enumerate(lines) if line.startswith("  ")), len(lines))
    parts = ["\n".join(lines[:first])] if first else []
    if first < len(lines):
        parts.append("```\n" + "\n".join(line[2:] for line in lines[first:]) + "\n```")
    return "\n\n".join(parts)
