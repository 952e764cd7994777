"""Generated command lines give the same answers and leave the same state in both universes."""

from __future__ import annotations

import pytest
from generator import difference, lines, shrink
from universe import SETUP, Both, two_universes  # noqa: F401 (the fixture `both`)

COUNT = 60  # command lines a seed: about 8 s on a busy machine
# Addresses that the kernel draws at random.
VOLATILE = r"([0-9a-f]{2}:){5}[0-9a-f]{2}|fe80::[0-9a-f:]+|(?m:^ff.*NOARP $)|_timer +[\d.]+|\d+sec"


def differs(commands: list[str]) -> bool:
    """Return whether two new universes differ after these commands."""
    universes = Both()
    try:
        universes.prepare(SETUP)
        return bool(difference(universes, commands, VOLATILE))
    finally:
        universes.close()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_generated(both: Both, seed: int) -> None:
    commands = lines(seed, COUNT)
    found = difference(both, commands, VOLATILE)
    if found:
        pytest.fail("\n".join(["the shortest commands that differ:", *shrink(commands, differs), "", *found[:10]]))


def test_a_sequence_shrinks_to_what_matters() -> None:
    assert shrink(list("abcdefgh"), lambda commands: "c" in commands and "g" in commands) == ["c", "g"]
    assert lines(5, 30) == lines(5, 30) != lines(6, 30)
