"""How many bytes of the netlink messages of other programs have a name."""

from __future__ import annotations

from rawns import explain, nlmsg, nlmsg_spans
from rawns.errors import DecodeError
from rawns.tracing import calls
from rawns.tracing.record import TracedCall
from rawns.wire import RAW, Span

MOST_SHOWN = 6


def unnamed(span: Span) -> bool:
    """Whether an attribute is shown by its number only: an element of an array has a kind, and a struct's new member is ``?``."""
    return span.kind is RAW and (span.name.strip("[]").isdigit() or span.name == "?")


class Count:
    """Counts messages, bytes, and bytes without a name, by message."""

    def __init__(self) -> None:
        self.messages = self.bytes = 0
        self.missing: dict[str, int] = {}

    def add(self, call: TracedCall) -> None:
        """Count the messages of one call; what the kernel ignores of a datagram that is sent does not count."""
        if not call.family or "MSG_PEEK" in call.arguments:
            return
        data = call.payload[: nlmsg_spans.ignored(call.payload)] if call.call in calls.SENDS else call.payload
        done = 0
        try:
            for name, spans in nlmsg_spans.spans(data, explain.descriptions(call.protocol)):
                size = spans[0].value  # nlmsg_len
                done = spans[0].offset + size
                missing = sum(one.length for one in spans if unnamed(one))
                whole = name.isdigit() and size > nlmsg.NLMSGHDR.size or any(one.kind is None for one in spans)
                self._count(f"{call.family} {name}" if name.isdigit() else name, size, size if whole else missing)
                for one in spans:
                    if unnamed(one) or one.kind is None:
                        place = ".".join(one.path)
                        self.missing[f"  {name} {place}"] = self.missing.get(f"  {name} {place}", 0) + one.length
        except DecodeError as error:
            self._count(f"{call.family} {error}"[:60], len(data) - done, len(data) - done)

    def _count(self, name: str, size: int, missing: int) -> None:
        self.messages += 1
        self.bytes += size
        if missing:
            self.missing[name] = self.missing.get(name, 0) + missing

    @property
    def without(self) -> int:
        """How many bytes have no name."""
        return sum(number for name, number in self.missing.items() if not name.startswith(" "))

    def row(self, name: str) -> str:
        """Return a row of the table."""
        share = 100 * (1 - self.without / self.bytes) if self.bytes else 100.0
        worst = sorted(self.missing.items(), key=lambda item: -item[1])[:MOST_SHOWN]
        words = ", ".join(f"{place.strip()} {number}" for place, number in worst if place.startswith(" ") or "." not in place)
        return f"{name:<20}{self.messages:>10}{self.bytes:>10}{share:>8.2f}%  {words}"
