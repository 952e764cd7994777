r"""Lines of text between peers that do not trust each other: split, made safe for a terminal, relayed, all of it bounded.

`LineSplitter` finds the same lines in a stream of bytes however TCP has segmented it.  `Relay` is a chat room without its
sockets: bytes from one member go in, and what each of the others must be sent waits in that member's `SendBuffer`.
"""

from __future__ import annotations

from .terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_LINE_BYTES = 4096  # without the line end; a longer line is cut into pieces
MAX_RELAYED_BYTES = 4 * MAX_LINE_BYTES + 256  # a line as a room relays it: one byte may become `\x00`, and a name precedes it
MAX_TYPED_BYTES = 65536  # an unfinished line of our own that is longer is sent without waiting for its end
CUT = " [cut]"  # marks a piece that the line continues after

FULL_BYTES = 1 << 18  # bytes waiting for one reader from which on nothing more is read from the others
MAX_WAITING_BYTES = 1 << 20  # bytes waiting for one reader; more are discarded, and the reader is disconnected


# -- from bytes to lines ------------------------------------------------------------------------------------------------


class LineSplitter:
    """Find the lines in a stream.  Each line is returned `printable`, without its ``\\n`` or ``\\r\\n``.

    A line of more than ``limit`` bytes (at least 4) is returned in pieces, each but the last marked with `CUT`; no
    character is split.  At most ``limit`` bytes and a ``\\r`` are kept between two calls.
    """

    __slots__ = ("_limit", "_rest")

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self._limit, self._rest = limit, b""

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that ``data`` completes, and the pieces of a line that has exceeded the limit."""
        *whole, rest = (self._rest + data if self._rest else data).split(b"\n")
        lines: list[str] = []
        most = self._limit
        for line in whole:
            line = _without_return(line)
            lines.append(printable(line if len(line) <= most else self._cut(line, most, lines)))
        self._rest = self._cut(rest, most + 1, lines) if rest else rest  # one more: it may be the \r of the line end
        return lines

    def end(self) -> list[str]:
        """Return the last line, if it has no line end, after the end of the stream."""
        rest, self._rest = self._rest, b""
        return self.feed(_without_return(rest) + b"\n") if rest else []

    def _cut(self, line: bytes, most: int, pieces: list[str]) -> bytes:
        """Append pieces of ``line`` to ``pieces`` until at most ``most`` bytes are left; return those."""
        start = 0
        while len(line) - start > most:
            end = _boundary(line, start + self._limit)
            pieces.append(printable(line[start:end]) + CUT)
            start = end
        return line[start:]


def _without_return(line: bytes) -> bytes:
    return line[:-1] if line.endswith(b"\r") else line


def _boundary(line: bytes, place: int) -> int:
    """Return the nearest start of a UTF-8 character at or before ``place``; ``place`` itself if the bytes are not UTF-8."""
    return next((at for at in range(place, place - 4, -1) if line[at] & 0xC0 != 0x80), place)


class TypedLines:
    """Pass on our own input unchanged, but whole lines at a time, so that lines of others cannot be inserted in between.

    An unfinished line of more than `MAX_TYPED_BYTES` is passed on without waiting for its end.
    """

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """Return the bytes that can be sent now."""
        data = self._rest + data
        end = data.rfind(b"\n") + 1 or (len(data) if len(data) > MAX_TYPED_BYTES else 0)
        self._rest = data[end:]
        return data[:end]

    def end(self) -> bytes:
        """Return the last line, if it has no line end, after the end of the input."""
        rest, self._rest = self._rest, b""
        return rest


# -- what each member must be sent --------------------------------------------------------------------------------------


class SendBuffer:
    """Bytes that wait for one reader.

    If more than `MAX_WAITING_BYTES` would wait, the buffer discards them and is ``overrun`` from then on.
    """

    __slots__ = ("_data", "overrun")

    def __init__(self) -> None:
        self._data, self.overrun = bytearray(), False

    def __len__(self) -> int:
        return len(self._data)

    @property
    def full(self) -> bool:
        """Whether so much waits that nothing more should be read from the others."""
        return len(self._data) > FULL_BYTES

    def put(self, data: bytes) -> None:
        """Append ``data``."""
        self.overrun = self.overrun or len(self._data) + len(data) > MAX_WAITING_BYTES
        if not self.overrun:
            self._data += data

    def send(self, write: Callable[[bytes], int], most: int = 65536) -> None:
        """Offer up to ``most`` bytes to ``write``, which returns how many of them it accepted."""
        data = self._data
        if data:
            accepted = write(bytes(data if len(data) <= most else data[:most]))
            del data[:accepted]


class Member:
    """One member of a `Relay`: its ``name``, the ``lines`` that it sends, and ``out``, the bytes that wait for it."""

    __slots__ = ("lines", "name", "out")

    def __init__(self, name: str, limit: int) -> None:
        self.name, self.lines, self.out = name, LineSplitter(limit), SendBuffer()


class Relay:
    """Relay each line of a member to all other members, prefixed with its sender: ``10.0.0.2:40312: hello``.

    What our own side sends is relayed without a prefix; no member can send a line without one.
    """

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}

    def join(self, name: str, limit: int = MAX_LINE_BYTES) -> Member:
        """Add a member."""
        member = self.members[name] = Member(name, limit)
        return member

    def leave(self, name: str) -> None:
        """Remove a member, if it is there."""
        self.members.pop(name, None)

    def received(self, name: str, data: bytes) -> list[str]:
        """Relay the lines that ``data`` from a member completes, and return them.  Empty ``data`` is the end of its stream."""
        lines = self.members[name].lines
        said = lines.feed(data) if data else lines.end()
        if said and len(self.members) > 1:
            relayed = "".join(f"{name}: {line}\n" for line in said).encode()
            self._put(relayed, (member for other, member in self.members.items() if other != name))
        return said

    def send(self, data: bytes, to: str | None = None) -> None:
        """Send ``data`` to all members, or to one; nothing happens if that one has left."""
        if to is None:
            self._put(data, self.members.values())
        elif to in self.members:
            self.members[to].out.put(data)

    @staticmethod
    def _put(data: bytes, members: Iterable[Member]) -> None:
        for member in members:
            member.out.put(data)

    @property
    def full(self) -> bool:
        """Whether a member reads so slowly that nothing more should be relayed for now."""
        for member in self.members.values():  # noqa: SIM110 (asked in every turn; a generator takes longer)
            if member.out.full:
                return True
        return False
