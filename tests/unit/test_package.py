"""What ``import rawns`` gives."""

from __future__ import annotations

import subprocess
import sys

import rawns


def test_the_public_names_are_all_there_and_nothing_else() -> None:
    for name in rawns.__all__:
        assert getattr(rawns, name) is not None
    assert dir(rawns) == sorted({*rawns.__all__, "__doc__", "__version__"})


def test_importing_it_loads_nothing_else() -> None:
    script = "import sys; before = set(sys.modules); import rawns; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "['__future__', 'rawns']\n"


def test_a_name_that_is_not_there() -> None:
    try:
        rawns.nonsense  # noqa: B018
    except AttributeError as error:
        assert "nonsense" in str(error)
    else:
        raise AssertionError
