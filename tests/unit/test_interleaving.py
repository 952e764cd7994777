"""What other threads do between two lines of a function: the function's answer, and theirs, are right all the same.

A trace function does the other thread's work at each line, so that nothing depends on when threads are switched.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest

from rawns import observer, uapi
from rawns.lab import lock
from rawns.observer import Observer, observed, observed_call
from rawns.wire import types

pytestmark = pytest.mark.no_cover  # it needs the interpreter's trace function for itself


def codes_of(function: FunctionType) -> set[CodeType]:
    """Return the code of a function, and of the generators in it."""
    return {function.__code__, *(one for one in function.__code__.co_consts if isinstance(one, CodeType))}


@contextmanager
def at_each_line(function: Any, action: Callable[[], object]) -> Iterator[list[int]]:
    """Call ``action`` before each line of ``function`` that is executed in the block; the numbers of these lines are listed."""
    lines, codes, before = list[int](), codes_of(function), sys.gettrace()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code not in codes:
            return None
        if event == "line":
            lines.append(frame.f_lineno)
            action()
        return trace

    sys.settrace(trace)
    try:
        yield lines
    finally:
        sys.settrace(before)


def test_a_table_of_names_is_complete_for_whoever_looks_it_up() -> None:
    expected = {value: name for name, value in reversed(list(vars(uapi).items())) if name.startswith("RTPROT_")}
    seen: list[dict[int, str]] = []
    types._names_of.pop("RTPROT_", None)

    def look_up() -> None:
        if "RTPROT_" in types._names_of:
            seen.append(dict(types.names_of("RTPROT_")))

    with at_each_line(types.names_of, look_up) as lines:
        assert types.names_of("RTPROT_") == expected
    assert len(lines) > len(expected) > 5
    assert all(one == expected for one in seen)
    assert seen, "it was never looked up between two lines"


def test_an_observer_may_be_removed_before_any_line_of_a_call() -> None:
    for line in range(4):
        countdown = [line]
        with observed(Observer()):

            def remove(countdown: list[int] = countdown) -> None:
                countdown[0] -= 1
                if countdown[0] < 0:
                    observer.installed = None

            with at_each_line(observed_call, remove) as lines:
                assert observed_call("getpid", lambda: 17) == 17
        assert len(lines) >= 2


def test_locks_may_be_taken_and_released_while_one_is_looked_for() -> None:
    numbers, fds = iter(range(10_000, 20_000)), [-3, -2, -1]  # no descriptors: nothing is opened or closed
    held, lock._held = lock._held, dict.fromkeys(fds, (0, "another", 0))
    try:

        def take() -> None:
            lock._held[next(numbers)] = (0, "another", get_ident())

        with at_each_line(lock._interrupted_hold, take) as lines:
            assert lock._interrupted_hold("mine") is None
        assert len(lines) >= 3
    finally:
        lock._held = held
