"""Calls of a traced program as text at three levels: one line per message, one line per attribute, every byte.

Requests are remembered until they are answered, so that an error shows the bytes of the request that it concerns.
"""

from __future__ import annotations

import os

from .. import explain, nlmsg, nlmsg_spans, uapi
from ..errors import DecodeError, errno_name, errno_text
from ..terminal import printable
from . import calls, memory
from .watch import NamespaceNames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..wire import Span
    from .record import TracedCall

BRIEF, ATTRIBUTES, BYTES = range(3)  # the levels
LEVELS = {"brief": BRIEF, "attributes": ATTRIBUTES, "bytes": BYTES}
MAX_REMEMBERED = 1000  # requests without an answer
MAX_WORDS = 24  # of one message on one line
MAX_HEX_BYTES = 64  # of a message without a description
FLAGS_SHOWN = (
    "NLM_F_CREATE",
    "NLM_F_EXCL",
    "NLM_F_REPLACE",
    "NLM_F_APPEND",
    "NLM_F_DUMP",
    "NLM_F_ROOT",
    "NLM_F_MATCH",
    "NLM_F_ECHO",
)
DUMP = "NLM_F_ROOT|NLM_F_MATCH"


class Formatter:
    """Formats calls; ``level`` is BRIEF, ATTRIBUTES or BYTES.

    The network namespace of a call is shown if it is not that of this process.
    """

    def __init__(self, level: int = BRIEF) -> None:
        self.level = level
        self._here = NamespaceNames().of_thread(os.getpid())
        self._requests: dict[tuple[str, int], list[Span]] = {}  # by socket and sequence number

    def lines(self, call: TracedCall) -> Iterator[str]:
        """Yield the lines for one call."""
        place = f" [{printable(call.netns)}]" if call.netns not in ("", self._here) else ""
        yield f"{printable(call.program)}({call.tid}){place} {call}  <{call.nanoseconds / 1000:.0f} us>"
        if call.family:
            yield from self.messages(call)

    def messages(self, call: TracedCall) -> Iterator[str]:
        """Yield the lines for the messages of one call."""
        known = explain.descriptions(call.protocol)
        data, done = call.payload, 0
        folded: list[str] = []
        try:
            for frame in nlmsg.split(data):
                name = nlmsg_spans.name_of(frame, known)
                done = min(frame.end + 3 & ~3, len(data))
                if (
                    frame.flags & uapi.NLM_F_MULTI
                    and self.level == BRIEF
                    and not name.isdigit()
                    and frame.kind not in (nlmsg.DONE.number, nlmsg.ERROR.number)
                ):
                    folded.append(name)  # without being decoded
                    continue
                yield from _fold(folded)
                spans, message = nlmsg_spans.message_spans(data, frame, known), data[frame.offset : frame.end]
                yield self.title(call, name, frame, message, spans)
                yield from self._details(data, spans, frame.end)
        except DecodeError as error:
            yield from _fold(folded)
            yield f"    {remainder(call, error)}: {_hex(data[done:])}"
        yield from _fold(folded)

    def title(self, call: TracedCall, name: str, frame: nlmsg.Frame, message: bytes, spans: list[Span]) -> str:
        """Return the line of one message, and remember a request until it is answered."""
        key = (call.socket, frame.seq)
        if frame.kind in (nlmsg.ERROR.number, nlmsg.DONE.number):
            return f"    {self._answer(name, key, spans)}"
        if frame.flags & uapi.NLM_F_REQUEST:
            if len(self._requests) >= MAX_REMEMBERED:
                del self._requests[next(iter(self._requests))]  # the oldest
            self._requests[key] = [_moved(span, frame.offset) for span in spans]
        flags = next((span.text() for span in spans if span.name == "nlmsg_flags"), "")
        if name.isdigit():
            body = message[nlmsg.NLMSGHDR.size :]
            return f"    {call.family} message {name}, {len(message)} bytes{': ' + _hex(body) if body else ''}"
        shown = [
            word.removeprefix("NLM_F_").lower() for word in flags.replace(DUMP, "NLM_F_DUMP").split("|") if word in FLAGS_SHOWN
        ]
        words = _words(spans)
        return "    " + " ".join([name, *shown]) + (": " + ", ".join(words) if words else "")

    def _answer(self, name: str, key: tuple[str, int], spans: list[Span]) -> str:
        request = self._requests.pop(key, [])
        values = {span.name: span.value for span in spans}
        number = -values.get("error", 0) if isinstance(values.get("error"), int) else 0
        about = next((span.text() for span in spans if span.name == "msg.nlmsg_type"), "")
        command = next((span.text() for span in request if span.path == ("cmd",)), "")  # of generic netlink
        if not command.isdigit():
            about = command or about
        if not number:
            return f"{name}: {about + ' ' if about else ''}{'done' if name == 'NLMSG_DONE' else 'acknowledged'}"
        place = _offending(request, values.get("NLMSGERR_ATTR_OFFS"))
        sentence = values.get("NLMSGERR_ATTR_MSG")
        reason = f'"{printable(str(sentence))}"' if sentence else errno_text(number)
        return f"{name}: {about or 'request'} refused: {reason} ({errno_name(number)}){place}"

    def _details(self, data: bytes, spans: list[Span], end: int) -> Iterator[str]:
        if self.level == BYTES:
            yield from explain.rows(data, spans, end)
        elif self.level == ATTRIBUTES:
            for span in spans:
                if span.kind is None or not span.name.startswith("nlmsg_"):
                    text = printable(span.text()) if span.kind is not None else ""
                    yield f"        {'  ' * (len(span.path) - 1)}{span.name}{' ' + text if text else ''}"


def remainder(call: TracedCall, error: DecodeError) -> str:
    """Return what the bytes are behind the last message of a datagram that has a right length."""
    rest = call.payload[nlmsg_spans.ignored(call.payload) :]
    if len(call.payload) >= memory.MAX_BYTES:
        return f"cut off: only the first {memory.MAX_BYTES} bytes of a call are read"
    if len(rest) < len(call.payload) and not any(rest):
        return f"{len(rest)} bytes behind the last message, all zero; the kernel ignores them"
    if isinstance(call.result, int) and call.result > len(call.payload) and call.call in calls.RECEIVES:
        return f"cut off: only {len(call.payload)} of {call.result} bytes fit into the program's buffer"
    return f"malformed: {error}"


def _fold(names: list[str]) -> Iterator[str]:
    """Yield one line for each run of equal names, and forget them."""
    at = 0
    while at < len(names):
        end = at
        while end < len(names) and names[end] == names[at]:
            end += 1
        yield f"    {end - at} {names[at]}"
        at = end
    names.clear()


def _words(spans: list[Span]) -> list[str]:
    """Return the values of a message that are not zero, each with the end of its C name: ``ifname v1``."""
    found = []
    for span, following in zip(spans, [*spans[1:], None]):
        if not span.head and span.value in (0, b"", None) and span.kind is not None:
            continue  # most members of structs
        contains = following is not None and following.kind is not None and following.offset < span.offset + span.length
        if not contains and not span.name.startswith("nlmsg_"):
            found.append(span)
    words = [_word(span) for span in found[:MAX_WORDS]]
    return words if len(found) <= MAX_WORDS else [*words, f"{len(found) - MAX_WORDS} more"]


def _word(span: Span) -> str:
    if span.kind is None:
        return span.name  # malformed
    text = printable(span.text())
    return f"{_short(span.name)} {text}" if text else _short(span.name)


def _short(name: str) -> str:
    """Return a C name without its prefix, in lower case: ``IFLA_IFNAME`` becomes ``ifname``, ``ifi_index`` ``index``."""
    return name.partition("_")[2].lower() or name


def _moved(span: Span, start: int) -> Span:
    """Return a span with its offset counted from the beginning of its message."""
    return type(span)(span.offset - start, span.length, span.path, span.kind, span.value, span.head)


def _offending(request: list[Span], offset: object) -> str:
    """Return which part of a request the kernel's offset points at."""
    if not isinstance(offset, int):
        return ""
    hits = [span for span in request if span.offset <= offset < span.offset + span.length]
    return f" at byte {offset}" + (f", {hits[-1].name} {printable(hits[-1].text())}".rstrip() if hits else "")


def _hex(data: bytes) -> str:
    return data[:MAX_HEX_BYTES].hex(" ") + (" ..." if len(data) > MAX_HEX_BYTES else "")
