"""`rawns help [TOPIC]`: the commands, or a page of the manual, in a pager if standard output is a terminal.

The pages are package data, ``rawns/manual/TOPIC.md``; they are found in a directory, in a wheel and in a one-file program.
``learn-NAME`` is a chapter of `rawns learn`, whose page is made from the chapter itself.
"""

from __future__ import annotations

import os
import sys

from .main import available
from .options import Command, HelpRequested, UsageError, columns, did_you_mean
from .output import complain

COMMAND = Command("help", "Show the commands and the topics of the manual, or the page of a topic.", "[TOPIC]")
# The pages: importlib.resources would list them, but needs modules that python3-minimal lacks.
TOPICS = (
    "architecture",
    "article",
    "bench",
    "bridge",
    "cni",
    "commands",
    "confine",
    "errors",
    "ip",
    "labs",
    "learn",
    "machines",
    "primitives",
    "python",
    "rootless",
    "ss",
    "tc",
    "testing",
    "trace",
    "why",
)
CHAPTER = "learn-"
PAGERS = ("less", "more")


def main(argv: list[str]) -> int:
    """Run ``rawns help``; return the exit status."""
    topic = COMMAND.parse(argv).operand(0)
    if topic is None:
        print(overview())
        return 0
    page = read(topic)
    if page is None:
        page = command_help(topic)
    if page is None:
        known = [*topics(), *available()]
        complain(f'rawns help: there is no topic "{topic}"{did_you_mean(topic, known)}; `rawns help` lists them')
        return 1
    show(page)
    return 0


def overview() -> str:
    """Return the list of commands and topics."""
    blocks = ["usage: rawns COMMAND ...", "Linux network namespaces with nothing but the kernel.", columns(available().items())]
    pages = topics()
    if pages:
        blocks.append("Topics of the manual (`rawns help TOPIC`):\n" + columns(pages.items()))
    blocks.append(
        "`rawns COMMAND --help` shows the options of a command.  `ip`, `lab`, `ping`, `why` and others accept\n"
        "--explain[=brief|attributes|bytes]: each system call, and the messages in it, on standard error."
    )
    return "\n\n".join(blocks)


def topics() -> dict[str, str]:
    """Return the topics of the manual and the titles of their pages; none in a one-file program made without the manual."""
    found = {topic: read(topic) for topic in TOPICS}
    return {topic: page.partition("\n")[0].lstrip("# ") for topic, page in found.items() if page is not None}


def read(topic: str) -> str | None:
    """Return the page of a topic, or None if there is none."""
    if not topic.replace("-", "").replace("_", "").isalnum():
        return None
    if topic.startswith(CHAPTER):
        return _chapter(topic[len(CHAPTER) :])
    from pkgutil import get_data

    try:
        data = get_data("rawns", f"manual/{topic}.md")
    except OSError:
        return None
    return None if data is None else data.decode("utf-8")


def _chapter(name: str) -> str | None:
    """Return the page of a chapter, or None if there is no such chapter, or no `rawns learn` in this copy."""
    try:
        screen = __import__("rawns.learn.screen", fromlist=["page_of"])  # by name: a one-file program may lack it
    except ModuleNotFoundError:
        return None
    page: str | None = screen.page_of(name)
    return page


def command_help(word: str) -> str | None:
    """Return what ``rawns WORD --help`` prints, for commands whose options are a table."""
    if word not in available():
        return None
    module = __import__(f"rawns.cli.{word}", fromlist=["main"])
    try:
        module.COMMAND.parse(["--help"])
    except HelpRequested as asked:
        return str(asked)
    except (AttributeError, UsageError):
        pass
    return None


def show(text: str) -> None:
    """Print a text, in a pager if standard output is a terminal and there is one ($PAGER, less, more)."""
    pager = _pager() if sys.stdout.isatty() and sys.stdin is not None and sys.stdin.isatty() else []
    if pager and _paged(pager, text):
        return
    print(text if not text.endswith("\n") else text[:-1])


def _pager() -> list[str]:
    from shutil import which

    if "PAGER" in os.environ:
        return os.environ["PAGER"].split()
    found = next((path for name in PAGERS if (path := which(name))), None)
    return [found] if found else []


def _paged(pager: list[str], text: str) -> bool:
    """Show a text in a pager; return whether that was possible."""
    import signal
    import subprocess

    environment = {"LESS": "FRX", **os.environ}
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the pager
    try:
        subprocess.run(pager, input=text.encode(), env=environment, check=False)
    except OSError:
        return False
    finally:
        signal.signal(signal.SIGINT, before)
    return True
