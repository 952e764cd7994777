"""How often a traced program made each call and sent or received each message, and how long the calls took."""

from __future__ import annotations

from .select import message_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .record import TracedCall


class Summary:
    """Counts calls and messages."""

    def __init__(self) -> None:
        self._calls: dict[str, list[int]] = {}  # number, errors, nanoseconds
        self._messages: dict[str, int] = {}

    def add(self, call: TracedCall) -> None:
        """Count one call."""
        row = self._calls.setdefault(call.call, [0, 0, 0])
        row[0] += 1
        row[1] += bool(call.error)
        row[2] += call.nanoseconds
        if call.family:
            for name in message_names(call):
                label = f"{call.family} message {name}" if name.isdigit() else name
                self._messages[label] = self._messages.get(label, 0) + 1

    def lines(self) -> Iterator[str]:
        """Yield the table, most time first; then the messages, most first."""
        yield f"{'calls':>8} {'errors':>7} {'ms':>10}  call"
        for name, (number, errors, spent) in sorted(self._calls.items(), key=lambda item: (-item[1][2], item[0])):
            yield f"{number:8} {errors or '':>7} {spent / 1e6:10.3f}  {name}"
        if self._messages:
            yield ""
            yield f"{'number':>8}  message"
            for name, number in sorted(self._messages.items(), key=lambda item: (-item[1], item[0])):
                yield f"{number:8}  {name}"
