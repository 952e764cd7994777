"""Lines out of bytes, and what each member must be sent: `rawns.framing`."""

from __future__ import annotations

import itertools
import random

import pytest

from rawns.framing import (
    CUT,
    FULL_BYTES,
    MAX_LINE_BYTES,
    MAX_RELAYED_BYTES,
    MAX_TYPED_BYTES,
    MAX_WAITING_BYTES,
    LineSplitter,
    Relay,
    SendBuffer,
    TypedLines,
)


def test_a_relayed_line_is_no_longer_than_promised() -> None:
    assert len(f"[fe80::1234:5678:9abc:def0%{'x' * 15}]:65535: ") + 4 * MAX_LINE_BYTES + len(CUT) <= MAX_RELAYED_BYTES


# -- lines --------------------------------------------------------------------------------------------------------------


def whole(data: bytes, limit: int = MAX_LINE_BYTES) -> list[str]:
    lines = LineSplitter(limit)
    return lines.feed(data) + lines.end()


def in_chunks(chunks: list[bytes], limit: int = MAX_LINE_BYTES) -> list[str]:
    lines = LineSplitter(limit)
    return [line for chunk in chunks for line in lines.feed(chunk)] + lines.end()


def cuts(data: bytes, count: int) -> list[list[bytes]]:
    """Every way to cut ``data`` in ``count`` places."""
    places = itertools.combinations(range(1, len(data)), count)
    return [[data[a:b] for a, b in zip((0, *at), (*at, len(data)))] for at in places]


@pytest.mark.parametrize(
    ("sent", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a\nb\n", ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"\r\n\r\n", ["", ""]),
        (b"a\r\r\n", [r"a\r"]),
        (b"a\rb\n", [r"a\rb"]),
        (b"no end", ["no end"]),
        (b"half an end\r", ["half an end"]),
        (b"a\n\xc3\xa9\n\xc3", ["a", "é", r"\xc3"]),
    ],
)
def test_lines_are_found_however_they_come(sent: bytes, lines: list[str]) -> None:
    assert whole(sent) == lines
    for chunks in [[sent[at : at + 1] for at in range(len(sent))], *cuts(sent, 1), *cuts(sent, 2)]:
        assert in_chunks(chunks) == lines


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\r", b"\r\r\n", b"\nmore\r\n"])
@pytest.mark.parametrize("text", ["abcdefgh", "abcdefghi", "abcdefg\u00e9", "abcdef\u20ac\u20ac", "\U0001f600" * 4, "\u00e9" * 9])
def test_long_lines_are_cut_in_the_same_places_however_they_come(text: str, end: bytes) -> None:
    limit, sent = 8, text.encode() + end
    lines = whole(sent, limit)
    for chunks in [[sent[at : at + 1] for at in range(len(sent))], *cuts(sent, 1), *cuts(sent, 2)]:
        assert in_chunks(chunks, limit) == lines
    pieces = [line[: -len(CUT)] if line.endswith(CUT) else line for line in lines]
    said = "".join(pieces)
    assert said.startswith(text) and "\\x" not in said  # no character is torn
    assert all(len(piece.replace("\\r", "\r").encode()) <= limit for piece in pieces)


def test_a_line_of_just_the_limit_is_whole() -> None:
    assert whole(b"x" * MAX_LINE_BYTES + b"\r\n") == ["x" * MAX_LINE_BYTES]
    assert whole(b"x" * (MAX_LINE_BYTES + 1) + b"\r\n") == ["x" * MAX_LINE_BYTES + CUT, "x"]


@pytest.mark.parametrize("sent", [b"x", b"\x80", b"\xff", b"\r", "é".encode(), b"\0"])
def test_a_line_without_end_is_bounded(sent: bytes) -> None:
    lines, shown = LineSplitter(), 0
    for _ in range(100):
        shown += len(lines.feed(sent * 1000))
        assert len(lines._rest) <= MAX_LINE_BYTES + 1
    assert shown == pytest.approx(100_000 * len(sent) / MAX_LINE_BYTES, abs=1)


def test_random_bytes_give_the_same_lines_in_random_chunks() -> None:
    chance = random.Random(4)
    for _ in range(200):
        sent = bytes(chance.choices([*range(256), *b"\n\r\n\r\xc3\xa9\xe2\x82\xac"], k=chance.randrange(200)))
        places = sorted(chance.choices(range(len(sent) + 1), k=5))
        chunks = [sent[a:b] for a, b in zip([0, *places], [*places, len(sent)])]
        assert in_chunks(chunks, 16) == whole(sent, 16)
        assert all(line.isprintable() for line in whole(sent, 16))


def test_what_is_typed_goes_out_as_it_is_in_whole_lines() -> None:
    typed = TypedLines()
    sent = [typed.feed(data) for data in (b"one\ntw", b"", b"o\r\n\x1b[", b"\xff\n", b"rest")]
    assert sent == [b"one\n", b"", b"two\r\n", b"\x1b[\xff\n", b""]
    assert (typed.end(), typed.end()) == (b"rest", b"")


def test_what_is_typed_without_end_is_not_waited_for() -> None:
    typed = TypedLines()
    sent = [typed.feed(b"z" * 1000) for _ in range(1000)]
    assert b"".join(sent) + typed.end() == b"z" * 1_000_000
    assert max(map(len, sent)) <= MAX_TYPED_BYTES + 1000


# -- the relay ---------------------------------------------------------------------------------------------------------


def waiting(relay: Relay, who: str) -> bytes:
    """All that is to be sent to a member."""
    taken: list[bytes] = []
    out = relay.members[who].out
    while out:
        out.send(lambda data: taken.append(data[:7]) or len(data[:7]))  # type: ignore[func-returns-value]
    return b"".join(taken)


def test_what_one_says_all_others_hear_and_who_said_it() -> None:
    relay = Relay()
    for who in "abc":
        relay.join(who)
    assert relay.received("a", b"hel") == []
    assert relay.received("b", b"\x1b[1m\r\n\n") == [r"\x1b[1m", ""]
    assert relay.received("a", b"lo\n") == ["hello"]
    relay.send(b"all\n")
    relay.send(b"you\n", to="c")
    relay.send(b"nobody\n", to="z")
    assert waiting(relay, "a") == b"b: \\x1b[1m\nb: \nall\n"
    assert waiting(relay, "b") == b"a: hello\nall\n"
    assert waiting(relay, "c") == b"b: \\x1b[1m\nb: \na: hello\nall\nyou\n"


def test_the_last_words_need_no_end_and_who_has_left_hears_nothing() -> None:
    relay = Relay()
    for who in "ab":
        relay.join(who)
    assert relay.received("a", b"bye") == []
    assert relay.received("a", b"") == ["bye"]
    relay.leave("a")
    relay.leave("a")
    relay.send(b"x\n")
    assert list(relay.members) == ["b"] and waiting(relay, "b") == b"a: bye\nx\n"


def test_an_outbox_says_when_it_is_full_and_takes_no_more_than_it_can_hold() -> None:
    out = SendBuffer()
    out.put(b"x" * FULL_BYTES)
    assert not out.full and not out.overrun
    out.put(b"x")
    assert out.full and not out.overrun
    out.put(b"x" * (MAX_WAITING_BYTES - FULL_BYTES))
    assert out.overrun and len(out) == FULL_BYTES + 1
    out.put(b"x")
    assert len(out) == FULL_BYTES + 1


def test_nobody_can_fill_an_outbox_beyond_its_bound_from_below_enough() -> None:
    """While no buffer is full each peer may send one chunk more; the worst is all line ends."""
    relay = Relay()
    for who in ("[fe80::1234:5678:9abc:def0%0123456789abcde]:65535", "b"):
        relay.join(who)
    relay.members["b"].out.put(b"x" * FULL_BYTES)
    assert not relay.full
    relay.received(next(iter(relay.members)), b"\n" * 4096)
    assert relay.full and not relay.members["b"].out.overrun
