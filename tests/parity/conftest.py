"""The fixture of the parity tests: see `universe`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from universe import SETUP, Both, missing


@pytest.fixture
def both() -> Iterator[Both]:
    """Two universes alike, as `SETUP` leaves them."""
    why = missing()
    if why:
        pytest.skip(why)
    universes = Both()
    try:
        universes.prepare(SETUP)
        yield universes
    finally:
        universes.close()
