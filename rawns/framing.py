"""Lines of text between people who do not trust each other: assembled, made safe to show, passed on; all of it bounded.

Floor 3, pure.  A stream of bytes knows no lines, so `Lines` finds the same ones however it was cut on the way.  What
comes out of it is safe on any terminal.  A `Circle` is what a room is without its sockets: bytes from one go in, and
what each of the others is to be sent waits in his `Outbox`.
"""

from __future__ import annotations

from .terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LINE = 4096  # bytes in a line, without its end; what is longer comes in pieces
RELAYED = 4 * LINE + 256  # what a room makes of such a line at most: `\x00` for one byte, and who said it before it
CUT = " [cut]"  # at the end of a piece that the line goes on after
WHOLE = 65536  # bytes that `Typed` waits for the end of a line

ENOUGH = 1 << 18  # bytes waiting for one reader: from here on nobody should say more
MOST = 1 << 20  # bytes waiting for one reader: more are not kept

# -- from bytes to lines ------------------------------------------------------------------------------------------------


class Lines:
    """Finds the lines in a stream, with ``\\n`` or ``\\r\\n`` at their ends, and returns them `printable`, without it.

    One of more than ``limit`` bytes (at least 4) comes in pieces, each but the last marked with `CUT`; no character is
    torn.  So no more than ``limit`` bytes and a ``\\r`` are ever kept.
    """

    __slots__ = ("_limit", "_rest")

    def __init__(self, limit: int = LINE) -> None:
        self._limit, self._rest = limit, b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that ``data`` brings to their end, and the pieces that have become too long to wait for it."""
        *whole, rest = (self._rest + data if self._rest else data).split(b"\n")
        lines: list[str] = []
        most = self._limit
        for line in whole:
            line = _chomped(line)
            lines.append(printable(line if len(line) <= most else self._cut(line, most, lines)))
        self._rest = self._cut(rest, most + 1, lines) if rest else rest  # one more: it may be the \r of the end
        return lines

    def end(self) -> list[str]:
        """What has no end of line, when nothing more will come."""
        rest, self._rest = self._rest, b""
        return self.feed(_chomped(rest) + b"\n") if rest else []

    def _cut(self, line: bytes, most: int, pieces: list[str]) -> bytes:
        """Cut pieces off ``line`` until it has at most ``most`` bytes; what is left."""
        start = 0
        while len(line) - start > most:
            end = _boundary(line, start + self._limit)
            pieces.append(printable(line[start:end]) + CUT)
            start = end
        return line[start:]


def _chomped(line: bytes) -> bytes:
    return line[:-1] if line.endswith(b"\r") else line


def _boundary(line: bytes, place: int) -> int:
    """The nearest place before ``place`` where a character of UTF-8 begins; ``place`` itself where it is no UTF-8."""
    return next((at for at in range(place, place - 4, -1) if line[at] & 0xC0 != 0x80), place)


class Typed:
    """What our own side says: the same bytes as came in, but whole lines at a time, lest others' come in between.

    A line that goes on for more than `WHOLE` bytes is not waited for.
    """

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """What may be said now."""
        data = self._rest + data
        end = data.rfind(b"\n") + 1 or (len(data) if len(data) > WHOLE else 0)
        self._rest = data[end:]
        return data[:end]

    def end(self) -> bytes:
        """What has no end of line, when nothing more will come."""
        rest, self._rest = self._rest, b""
        return rest


# -- who is to be sent what ---------------------------------------------------------------------------------------------


class Outbox:
    """Bytes that wait for one reader.  Once there are more than `MOST` it has ``overrun``, and takes no more."""

    __slots__ = ("_data", "overrun")

    def __init__(self) -> None:
        self._data, self.overrun = bytearray(), False

    def __len__(self) -> int:
        return len(self._data)

    @property
    def full(self) -> bool:
        """More waits than a reader who reads would leave there."""
        return len(self._data) > ENOUGH

    def put(self, data: bytes) -> None:
        self.overrun = self.overrun or len(self._data) + len(data) > MOST
        if not self.overrun:
            self._data += data

    def send(self, write: Callable[[bytes], int], most: int = 65536) -> None:
        """Offer up to ``most`` bytes to ``write``, which returns how many of them it took."""
        data = self._data
        if data:
            taken = write(bytes(data if len(data) <= most else data[:most]))
            del data[:taken]


class Member:
    """One in a circle: ``who`` he is, the ``lines`` he is in the middle of, and what waits to be sent to him."""

    __slots__ = ("lines", "out", "who")

    def __init__(self, who: str, limit: int) -> None:
        self.who, self.lines, self.out = who, Lines(limit), Outbox()


class Circle:
    """What one says all others hear, with who said it: ``10.0.0.2:40312: hello``.

    What we say ourselves goes out as it is: nobody else can say a line without his name before it.
    """

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}

    def join(self, who: str, limit: int = LINE) -> Member:
        member = self.members[who] = Member(who, limit)
        return member

    def leave(self, who: str) -> None:
        self.members.pop(who, None)

    def hear(self, who: str, data: bytes) -> list[str]:
        """What a member sent; empty where it was his last.  His lines, which by now wait for all others."""
        lines = self.members[who].lines
        said = lines.feed(data) if data else lines.end()
        if said and len(self.members) > 1:
            words = "".join(f"{who}: {line}\n" for line in said).encode()
            self._give(words, (member for name, member in self.members.items() if name != who))
        return said

    def say(self, data: bytes, to: str | None = None) -> None:
        """What we say, to all or to one; to one who has left, in vain."""
        if to is None:
            self._give(data, self.members.values())
        elif to in self.members:
            self.members[to].out.put(data)

    @staticmethod
    def _give(data: bytes, members: Iterable[Member]) -> None:
        for member in members:
            member.out.put(data)

    @property
    def full(self) -> bool:
        """Whether somebody reads so slowly that nothing more should be said for now."""
        for member in self.members.values():  # noqa: SIM110 (asked in every turn; a generator takes longer)
            if member.out.full:
                return True
        return False
