"""Every word of the grammar with a missing, wrong, extreme or repeated value, told to the real `ip` and to ours.

Run as root for all of them, which takes minutes: ``python3 tests/parity/words.py [BEGINNING]`` (only of the lines of words.txt
that begin so).
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from universe import SETUP, Answer, Both

TABLE = Path(__file__).resolve().parent / "words.txt"
# Values that some words accept, and values that hardly any does.
VALUES = (
    *("5", "v2", "10.0.0.9", "fd00::9", "10.0.0.0/24", "02:00:00:00:00:77", "on", "off", "none", "inherit", "all", "a", "help"),
    *("", "0", "-1", "0x10", "08", "255", "256", "65536", "2147483648", "4294967295", "4294967296", "18446744073709551616"),
    *("garbage", "5x", "1.5", "5ms", "1:2", "5/6", "1-2", "300.1.1.1", "10.0.0.0/33", ":", "nope", "x" * 16, "x" * 300, "é"),
)
TWICE = ("5", "v2", "10.0.0.9", "on", "02:00:00:00:00:77")
PREPARED = """
nexthop add id 1 dev v2
neigh add 10.0.0.99 lladdr 02:00:00:00:00:99 dev v3 nud permanent
neigh add proxy 10.0.0.98 dev v3
"""
# What removes the result of a command that has succeeded, so that the next one has the same state before it.
UNDO = (
    ("link add|tuntap add|tunnel add|-6 tunnel add", "link del x1"),
    ("route a", "route flush table all root 10.92.0.0/15"),
    ("rule add", "rule del pref 500"),
    ("neigh add", "neigh del 10.0.0.77 dev v3"),
    ("nexthop", "nexthop del id 9"),
    ("addr add", "addr del 10.91.0.1/24 dev v3"),
    ("netns add", "netns del x1"),
    ("addrlabel add", "addrlabel del prefix fd00:9::/64"),
)
# What the kernel draws or counts, and what the buffers of the real program have no place for.
VOLATILE = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}|fe80::[0-9a-f:]+|(?m:^\d+: (?=x))|expires \S+")
TOO_LONG = "addattr_l ERROR"
UNCHECKED = "encaplimit"  # iproute2 6.1 does not notice that its value is wrong, and sends one that it has not set


def bases(only: str = "") -> list[tuple[str, list[str], str]]:
    """Return the lines of the table: a command, the words that can follow it, what follows them."""
    found = []
    for line in TABLE.read_text().splitlines():
        if not line.startswith("#") and line.startswith(only):
            command, words, *after = (piece.strip() for piece in f" {line} ".split(" : "))
            found.append((command, words.split(), after[0] if after else ""))
    return found


def _reaches_out(word: str, value: str) -> bool:
    """Return whether the value may move a link to the namespace of a process that is not ours, or out of our sight."""
    return "netns".startswith(word) and (value[:1].isdigit() or value == "a")


def cases(command: str, words: list[str], after: str) -> Iterator[str]:
    """Yield the command lines of one line of the table."""
    yield f"{command} {after}".strip()
    for word in words:
        yield f"{command} {word}"
        yield f"{command} {word} {word} {after}".strip()
        for value in VALUES:
            if not _reaches_out(word, value):
                yield f"{command} {word} {shlex.quote(value)} {after}".strip()
        for value in TWICE:
            if not _reaches_out(word, value):
                yield f"{command} {word} {value} {word} {value} {after}".strip()
        for size in range(1, len(word)):
            yield f"{command} {word[:size]} {after}".strip()
            if not _reaches_out(word[:size], "5"):
                yield f"{command} {word[:size]} 5 {after}".strip()


def _plain(answer: Answer) -> Answer:
    return answer[0], VOLATILE.sub("", answer[1]), VOLATILE.sub("", answer[2])


def _shown(real: Answer, ours: Answer) -> str:
    """Return in what two answers differ, briefly."""
    told = [f"{real[0]} / {ours[0]}"]
    for stream, one, other in (("out", real[1], ours[1]), ("err", real[2], ours[2])):
        start = max(0, len(os.path.commonprefix([one, other])) - 20)
        told += [f"   {stream}: {one[start : start + 100]!r}", f"   not: {other[start : start + 100]!r}"] if one != other else []
    return "\n".join(told)


def differences(both: Both, lines: list[str]) -> list[str]:
    """Run command lines in both universes; return what differs."""
    found = []
    for line in lines:
        if UNCHECKED in line:
            continue
        real, ours = (_plain(answer) for answer in both.ask(*shlex.split(line)))
        if " sa" in line:  # sequence numbers and times are in what is saved
            real, ours = ((status, out[:3], err) for status, out, err in (real, ours))
        if real != ours and TOO_LONG not in real[2]:
            found.append(f"ip {line}\n   {_shown(real, ours)}")
        undo = next((undo for starts, undo in UNDO if line.startswith(tuple(starts.split("|")))), None)
        if undo and 0 in (real[0], ours[0]):
            for universe in (both.real, both.ours):
                universe.ask(undo.split(), real=True)
            for universe in (both.real, both.ours):
                universe.answer()
    return found


def main(only: str) -> None:
    """Run all cases of the lines that begin so."""
    commands = differing = 0
    for base in bases(only):
        both = Both()
        try:
            both.prepare(SETUP + PREPARED)
            lines = list(cases(*base))
            found = differences(both, lines)
            states = both.state()
        finally:
            both.close()
        commands, differing = commands + len(lines), differing + len(found)
        left = "" if VOLATILE.sub("", states[0]) == VOLATILE.sub("", states[1]) else ", and so do the states"
        print("\n".join([*found, f"== {base[0]}: {len(found)} of {len(lines)} differ{left}"]), flush=True)
    print(f"{commands} commands, {differing} differ")


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
