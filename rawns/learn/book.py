"""`rawns learn --html DIR`: the chapters as pages that need nothing else, with outputs from running each solution now."""

from __future__ import annotations

import os
from html import escape

from ..errors import RawnsError
from . import chapters
from .scratch import Missing
from .solving import solve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .chapter import Chapter

STYLE = """
body { font: 17px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 48em; padding: 0 1em; color: #222; background: #fff }
pre { font: 14px/1.35 ui-monospace, monospace; background: #f4f4f2; padding: .7em; overflow-x: auto }
code { font-family: ui-monospace, monospace; background: #f4f4f2 }
pre b { color: #054 }
summary { cursor: pointer; margin: .5em 0 }
nav { display: flex; justify-content: space-between; border-top: 1px solid #ccc; padding-top: .5em }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #1a1a1a } pre, code { background: #262626 } pre b { color: #8d8 } a { color: #8bf }
}
"""
MAX_MESSAGES_CHARACTERS = 400_000  # of the messages of one solution


def write_book(directory: str) -> tuple[int, list[str]]:
    """Write an index and a page for each chapter; return the number of pages, and a sentence for each chapter that failed.

    Raises `RawnsError` if this machine lets the user create no user namespace, OSError if a file cannot be written.
    """
    os.makedirs(directory, exist_ok=True)
    problems = []
    for name in chapters.NAMES:
        chapter = chapters.load(name)
        text, problem = chapter_page(chapter)
        if problem:
            problems.append(f"chapter {name}: {problem}")
        _write(directory, f"{name}.html", text)
    _write(directory, "index.html", index())
    return len(chapters.NAMES) + 1, problems


def _write(directory: str, name: str, text: str) -> None:
    with open(os.path.join(directory, name), "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)


def index() -> str:
    """Return the page that lists the chapters."""
    rows = "\n".join(f'<li><a href="{name}.html">{escape(title)}</a></li>' for name, title in chapters.TITLES.items())
    kernel = escape(os.uname().release)
    about = (
        f"<p>Each chapter explains one part of Linux networking and sets a task; <code>rawns learn</code> runs them in your own "
        f"shell. All outputs in this book were printed while it was written, by Linux {kernel}.</p>"
    )
    return document("Network namespaces by doing", f"{about}\n<ol>\n{rows}\n</ol>")


def document(title: str, body: str) -> str:
    """Return a complete page."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    return f"<!DOCTYPE html>\n<html lang=en>\n{head}\n<style>{STYLE}</style>\n<h1>{escape(title)}</h1>\n{body}\n</html>\n"


def chapter_page(chapter: Chapter) -> tuple[str, str]:
    """Return the page of a chapter, and what went wrong when its solution was run, or nothing."""
    parts = [prose(chapter.text), f"<pre>{escape(chapter.picture)}</pre>", f"<h2>Task</h2><p>{inline(chapter.task)}</p>"]
    parts.append("<ul>" + "".join(f"<li>{inline(goal.sentence)}</li>" for goal in chapter.goals) + "</ul>")
    hints = "".join(f"<li>{inline(hint if isinstance(hint, str) else hint())}</li>" for hint in chapter.hints)
    parts.append(f"<details><summary>Hints</summary><ol>{hints}</ol></details>")
    parts += [f"<h2>{escape(name)}</h2><pre>{escape(text)}</pre>" for name, text in chapter.files.items()]
    shown, problem = run(chapter)
    parts.append(shown)
    number = chapters.NAMES.index(chapter.name)
    links = [("index", "All chapters"), *[(name, chapters.TITLES[name]) for name in chapters.NAMES[number + 1 : number + 2]]]
    parts.append("<nav>" + "".join(f'<a href="{name}.html">{escape(title)}</a>' for name, title in links) + "</nav>")
    return document(f"{number + 1}. {chapter.title}", "\n".join(parts)), problem


def run(chapter: Chapter) -> tuple[str, str]:
    """Run a solution twice, plainly and with its messages; return both as HTML, and what went wrong, or nothing."""
    try:
        solution = chapter.solution(os.environ.get("PATH", os.defpath))
        outputs, missing = solve(chapter, solution)
        messages, _ = solve(chapter, solution, "bytes")
    except Missing as error:
        return f"<p>The solution could not be run here: {escape(str(error))}</p>", str(error)
    except RawnsError as error:
        if not chapter.solutions or "needs" not in str(error):
            raise
        return f"<p>{escape(str(error))}</p>", str(error)
    typed = "".join(f"<b>$ {escape(command)}</b>\n{escape(output)}" for command, output in zip(solution.commands, outputs))
    told = "".join(f"<b>$ {escape(command)}</b>\n{escape(output)}" for command, output in zip(solution.commands, messages))
    if len(told) > MAX_MESSAGES_CHARACTERS:
        told = f"{told[:MAX_MESSAGES_CHARACTERS].rpartition(chr(10))[0]}\n(the rest is left out)"
    shown = f"<details open><summary>Solution</summary><pre>{typed}</pre></details>"
    shown += f"<details><summary>What the solution says to the kernel, byte by byte</summary><pre>{told}</pre></details>"
    return shown, "; ".join(f"{sentence}: {found}" for sentence, found in missing)


def prose(text: str) -> str:
    """Return paragraphs as HTML; indented lines are code."""
    html = []
    for block in text.split("\n\n"):
        lines = block.split("\n")
        first = next((number for number, line in enumerate(lines) if line.startswith("  ")), len(lines))
        if first:
            html.append(f"<p>{inline(chr(10).join(lines[:first]))}</p>")
        if first < len(lines):
            html.append(f"<pre>{escape(chr(10).join(line[2:] for line in lines[first:]))}</pre>")
    return "\n".join(html)


def inline(text: str) -> str:
    """Return a sentence as HTML, with what stands between backquotes as code."""
    parts = escape(text, quote=False).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))
