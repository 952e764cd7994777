"""Whether two programs say the same to the kernel: their calls and messages side by side.

Sequence numbers, ports, process ids, addresses in memory, descriptors and times are not compared.
"""

from __future__ import annotations

import difflib
import re

from .. import explain, nlmsg_spans
from ..errors import DecodeError
from . import calls
from .text import BRIEF, Formatter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..wire import Span
    from .record import TracedCall

VOLATILE = ("nlmsg_seq", "nlmsg_pid", "msg.nlmsg_seq", "msg.nlmsg_pid", "nlmsg_len", "msg.nlmsg_len")
CONTEXT_LINES = 2


class Said:
    """What a program said: one entry for each call or message, with its bytes named, volatile fields left out."""

    def __init__(self, run: Iterable[TracedCall]) -> None:
        self.entries: list[tuple[str, ...]] = []
        formatter = Formatter(BRIEF)
        for call in run:
            if call.family and call.call in calls.SENDS:
                self.entries += _messages(call, formatter)
            elif call.call in calls.NAMESPACES:
                self.entries.append((f"{call.call}({_stable(call.arguments)})" + (f" = {call.error}" if call.error else ""),))

    @property
    def titles(self) -> list[str]:
        """The first line of each entry."""
        return [entry[0] for entry in self.entries]


def _messages(call: TracedCall, formatter: Formatter) -> Iterator[tuple[str, ...]]:
    titles = [line.strip() for line in formatter.messages(call)]
    try:
        found = list(nlmsg_spans.spans(call.payload, explain.descriptions(call.protocol)))
    except DecodeError:
        yield tuple(titles)
        return
    for title, (_, spans) in zip(titles, found):
        yield (title, *(f"    {line}" for line in _lines(spans)))


def _lines(spans: list[Span]) -> Iterator[str]:
    for span in spans:
        if span.name not in VOLATILE:
            text = span.text() if span.kind is not None else ""
            yield f"{'  ' * (len(span.path) - 1)}{span.name}{' ' + text if text else ''}"


def _stable(arguments: str) -> str:
    """Return arguments without numbers of descriptors, processes and inodes."""
    arguments = re.sub(r"\b\d+<", "<", arguments)
    return re.sub(r"/proc/(?:self|\d+|thread-self)(?:/task/\d+)?/", "/proc/PID/", re.sub(r"\[\d+\]", "[N]", arguments))


def compare(first: Said, second: Said) -> list[str]:
    """Return the differences as lines that begin with ``-`` (first only), ``+`` (second only) or a space; none if equal."""
    if first.entries == second.entries:
        return []
    one = [line for entry in first.entries for line in entry]
    two = [line for entry in second.entries for line in entry]
    found = difflib.unified_diff(one, two, lineterm="", n=CONTEXT_LINES)
    return [line for line in found if not line.startswith(("---", "+++"))]
