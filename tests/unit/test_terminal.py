"""Text that is safe to show on a terminal: `rawns.terminal`."""

from __future__ import annotations

import os
import random
import sys
import unicodedata

import pytest

from rawns.terminal import printable

# DerivedCoreProperties.txt of Unicode 15, Default_Ignorable_Code_Point: shown as nothing by programs that follow it.
IGNORABLE = (
    "AD 34F 61C 115F-1160 17B4-17B5 180B-180D 180E 180F 200B-200F 202A-202E 2060-2064 2065 2066-206F 3164 FE00-FE0F FEFF "
    "FFA0 FFF0-FFF8 1BCA0-1BCA3 1D173-1D17A E0000 E0001 E0002-E001F E0020-E007F E0080-E00FF E0100-E01EF E01F0-E0FFF"
)


def ranges(text: str) -> list[int]:
    ends = [part.split("-") for part in text.split()]
    return [code for part in ends for code in range(int(part[0], 16), int(part[-1], 16) + 1)]


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
        (os.fsdecode(b"\xff\x80\x9b31m"), r"\xff\x80\x9b31m"),
        (b"\xff\xfe caf\xe9 \xc3", r"\xff\xfe caf\xe9 \xc3"),
        (b"\xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80", r"\xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80"),
        ("txt.\u202eexe \u2066x\u2069 a\u200bb \ufeff \u2028".encode(), r"txt.\u202eexe \u2066x\u2069 a\u200bb \ufeff \u2028"),
        ("\U000e0041\ufe0f\u3164\u00ad".encode(), r"\U000e0041\ufe0f\u3164\xad"),
        (rb"C:\new \x1b", r"C:\new \x1b"),
        ("a\ud800b", r"a\ud800b"),
    ],
)
def test_what_a_terminal_would_act_upon_is_written_out(sent: str | bytes, shown: str) -> None:
    assert printable(sent) == shown


@pytest.mark.no_cover  # measuring it takes three times as long
def test_every_character_is_itself_or_an_escape_that_python_reads_back() -> None:
    hidden = set(ranges(IGNORABLE))
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        shown = printable(char)
        harmless = unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") and code not in hidden
        assert (shown == char) == harmless, hex(code)
        if not harmless:
            byte = code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else None  # os.fsdecode has kept a byte that is not UTF-8
            assert shown.isascii() and shown.isprintable()
            assert shown.encode().decode("unicode_escape") == (char if byte is None else chr(byte))


def test_every_byte_alone_is_printable() -> None:
    for byte in range(256):
        shown = printable(bytes([byte]))
        assert shown == (chr(byte) if 0x20 <= byte < 0x7F else {9: r"\t", 10: r"\n", 13: r"\r"}.get(byte, f"\\x{byte:02x}"))


def test_twice_is_the_same_as_once_and_no_longer_than_promised() -> None:
    chance = random.Random(7)
    for _ in range(300):
        sent = bytes(chance.choices(range(256), k=200)) + "".join(map(chr, chance.choices(range(0xD800), k=50))).encode()
        assert printable(printable(sent)) == printable(sent)
        assert len(printable(sent).encode()) <= 4 * len(sent)
