"""A part of the words of the grammar with missing, wrong, extreme and repeated values; `words` runs all of them."""

from __future__ import annotations

import words
from universe import Both, two_universes  # noqa: F401 (the fixture `both`)

EVERY = 307  # a prime: so all kinds of values come up


def test_a_part_of_the_words(both: Both) -> None:
    both.prepare(words.PREPARED)
    lines = [line for base in words.bases() for line in words.cases(*base)]
    assert len(lines) > 20_000
    found = words.differences(both, lines[::EVERY])
    assert not found, "\n".join(found)


def test_a_difference_is_shown(both: Both) -> None:
    both.ours.prepare("link set v3 mtu 1400")
    assert len(words.differences(both, ["link show lo", "link show v3"])) == 1
