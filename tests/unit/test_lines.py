"""Lines out of bytes, text made safe to show, and who is to be sent what: `rawns.lines`."""

from __future__ import annotations

import itertools
import random
import sys
import unicodedata

import pytest

from rawns.framing import CUT, ENOUGH, LINE, MOST, RELAYED, WHOLE, Circle, Lines, Outbox, Typed, visible

# DerivedCoreProperties.txt of Unicode 15, Default_Ignorable_Code_Point: shown as nothing by whoever follows it.
IGNORABLE = (
    "AD 34F 61C 115F-1160 17B4-17B5 180B-180D 180E 180F 200B-200F 202A-202E 2060-2064 2065 2066-206F 3164 FE00-FE0F FEFF "
    "FFA0 FFF0-FFF8 1BCA0-1BCA3 1D173-1D17A E0000 E0001 E0002-E001F E0020-E007F E0080-E00FF E0100-E01EF E01F0-E0FFF"
)


def ranges(text: str) -> list[int]:
    ends = [part.split("-") for part in text.split()]
    return [code for part in ends for code in range(int(part[0], 16), int(part[-1], 16) + 1)]


# -- what is shown ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (b"", ""),
        (b"hello, world", "hello, world"),
        ("žluťoučký kůň, 日本語　です, שלום, 😀".encode(), "žluťoučký kůň, 日本語　です, שלום, 😀"),
        (b"\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
        (b"\x00\x01\t\x08\x0b\x0c\x7f", r"\x00\x01\t\x08\x0b\x0c\x7f"),
        (b"over\rwritten", r"over\rwritten"),
        ("\x9b31m\x85\x90".encode(), r"\x9b31m\x85\x90"),
        (b"\x9b31m", r"\x9b31m"),
        (b"\xff\xfe caf\xe9 \xc3", r"\xff\xfe caf\xe9 \xc3"),
        (b"\xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80", r"\xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80"),
        ("txt.\u202eexe \u2066x\u2069 a\u200bb \ufeff \u2028".encode(), r"txt.\u202eexe \u2066x\u2069 a\u200bb \ufeff \u2028"),
        ("\U000e0041\ufe0f\u3164\u00ad".encode(), r"\U000e0041\ufe0f\u3164\xad"),
        (rb"C:\new \x1b", r"C:\new \x1b"),
        ("a\ud800b", r"a\ud800b"),
    ],
)
def test_what_a_terminal_would_act_upon_is_written_out(sent: str | bytes, shown: str) -> None:
    assert visible(sent) == shown


def test_every_character_is_itself_or_an_escape_that_python_reads_back() -> None:
    hidden = set(ranges(IGNORABLE))
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        shown = visible(char)
        harmless = unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") and code not in hidden
        assert (shown == char) == harmless, hex(code)
        if not harmless:
            assert shown.isascii() and shown.isprintable() and shown.encode().decode("unicode_escape") == char


def test_every_byte_alone_is_printable() -> None:
    for byte in range(256):
        shown = visible(bytes([byte]))
        assert shown == (chr(byte) if 0x20 <= byte < 0x7F else {9: r"\t", 10: r"\n", 13: r"\r"}.get(byte, f"\\x{byte:02x}"))


def test_twice_is_the_same_as_once_and_no_longer_than_promised() -> None:
    chance = random.Random(7)
    for _ in range(300):
        sent = bytes(chance.choices(range(256), k=200)) + "".join(map(chr, chance.choices(range(0xD800), k=50))).encode()
        assert visible(visible(sent)) == visible(sent)
        assert len(visible(sent).encode()) <= 4 * len(sent)
    assert len(f"[fe80::1234:5678:9abc:def0%{'x' * 15}]:65535: ") + 4 * LINE + len(CUT) <= RELAYED


# -- lines --------------------------------------------------------------------------------------------------------------


def whole(data: bytes, limit: int = LINE) -> list[str]:
    lines = Lines(limit)
    return lines.feed(data) + lines.end()


def in_chunks(chunks: list[bytes], limit: int = LINE) -> list[str]:
    lines = Lines(limit)
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
    assert whole(b"x" * LINE + b"\r\n") == ["x" * LINE]
    assert whole(b"x" * (LINE + 1) + b"\r\n") == ["x" * LINE + CUT, "x"]


@pytest.mark.parametrize("sent", [b"x", b"\x80", b"\xff", b"\r", "é".encode(), b"\0"])
def test_a_line_without_end_is_bounded(sent: bytes) -> None:
    lines, shown = Lines(), 0
    for _ in range(100):
        shown += len(lines.feed(sent * 1000))
        assert len(lines._rest) <= LINE + 1
    assert shown == pytest.approx(100_000 * len(sent) / LINE, abs=1)


def test_random_bytes_give_the_same_lines_in_random_chunks() -> None:
    chance = random.Random(4)
    for _ in range(200):
        sent = bytes(chance.choices([*range(256), *b"\n\r\n\r\xc3\xa9\xe2\x82\xac"], k=chance.randrange(200)))
        places = sorted(chance.choices(range(len(sent) + 1), k=5))
        chunks = [sent[a:b] for a, b in zip([0, *places], [*places, len(sent)])]
        assert in_chunks(chunks, 16) == whole(sent, 16)
        assert all(line.isprintable() for line in whole(sent, 16))


def test_what_is_typed_goes_out_as_it_is_in_whole_lines() -> None:
    typed = Typed()
    sent = [typed.feed(data) for data in (b"one\ntw", b"", b"o\r\n\x1b[", b"\xff\n", b"rest")]
    assert sent == [b"one\n", b"", b"two\r\n", b"\x1b[\xff\n", b""]
    assert (typed.end(), typed.end()) == (b"rest", b"")


def test_what_is_typed_without_end_is_not_waited_for() -> None:
    typed = Typed()
    sent = [typed.feed(b"z" * 1000) for _ in range(1000)]
    assert b"".join(sent) + typed.end() == b"z" * 1_000_000
    assert max(map(len, sent)) <= WHOLE + 1000


# -- the circle ---------------------------------------------------------------------------------------------------------


def waiting(circle: Circle, who: str) -> bytes:
    """All that is to be sent to a member."""
    taken: list[bytes] = []
    out = circle.members[who].out
    while out:
        out.send(lambda data: taken.append(data[:7]) or len(data[:7]))  # type: ignore[func-returns-value]
    return b"".join(taken)


def test_what_one_says_all_others_hear_and_who_said_it() -> None:
    circle = Circle()
    for who in "abc":
        circle.join(who)
    assert circle.hear("a", b"hel") == []
    assert circle.hear("b", b"\x1b[1m\r\n\n") == [r"\x1b[1m", ""]
    assert circle.hear("a", b"lo\n") == ["hello"]
    circle.say(b"all\n")
    circle.say(b"you\n", to="c")
    circle.say(b"nobody\n", to="z")
    assert waiting(circle, "a") == b"b: \\x1b[1m\nb: \nall\n"
    assert waiting(circle, "b") == b"a: hello\nall\n"
    assert waiting(circle, "c") == b"b: \\x1b[1m\nb: \na: hello\nall\nyou\n"


def test_the_last_words_need_no_end_and_who_has_left_hears_nothing() -> None:
    circle = Circle()
    for who in "ab":
        circle.join(who)
    assert circle.hear("a", b"bye") == []
    assert circle.hear("a", b"") == ["bye"]
    circle.leave("a")
    circle.leave("a")
    circle.say(b"x\n")
    assert list(circle.members) == ["b"] and waiting(circle, "b") == b"a: bye\nx\n"


def test_an_outbox_says_when_it_is_full_and_takes_no_more_than_it_can_hold() -> None:
    out = Outbox()
    out.put(b"x" * ENOUGH)
    assert not out.full and not out.overrun
    out.put(b"x")
    assert out.full and not out.overrun
    out.put(b"x" * (MOST - ENOUGH))
    assert out.overrun and len(out) == ENOUGH + 1
    out.put(b"x")
    assert len(out) == ENOUGH + 1


def test_nobody_can_fill_an_outbox_beyond_its_bound_from_below_enough() -> None:
    """While nobody is full each may send one chunk more; the worst is all line ends."""
    circle = Circle()
    for who in ("[fe80::1234:5678:9abc:def0%0123456789abcde]:65535", "b"):
        circle.join(who)
    circle.members["b"].out.put(b"x" * ENOUGH)
    assert not circle.full
    circle.hear(next(iter(circle.members)), b"\n" * 4096)
    assert circle.full and not circle.members["b"].out.overrun
