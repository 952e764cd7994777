"""`signals_blocked` and `Rollback`: what a handler raises comes at the end of a block, whichever thread took the signal."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from rawns import rollback
from rawns.rollback import Rollback, signals_blocked

NUMBER = signal.SIGUSR1


class Raised(BaseException):
    """What the handler raises."""


@pytest.fixture
def send() -> Iterator[Callable[[], None]]:
    """A function that lets another thread take the signal, whose handler raises `Raised` in this one; returns when it has."""
    arrived, sent = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    end = threading.Event()
    other = threading.Thread(target=end.wait)
    other.start()

    def raises(number: int, frame: object) -> None:
        raise Raised

    def function() -> None:
        with suppress(BlockingIOError):
            os.read(arrived, 1000)  # of signals that have been sent to this thread again
        signal.pthread_kill(other.ident or 0, NUMBER)
        select.select([arrived], [], [])  # the handler in C has run

    before = signal.signal(NUMBER, raises), signal.set_wakeup_fd(sent, warn_on_full_buffer=False)
    yield function
    signal.signal(NUMBER, before[0])
    signal.set_wakeup_fd(before[1])
    end.set()
    other.join()
    os.close(arrived)
    os.close(sent)


def state() -> tuple[object, object]:
    return signal.getsignal(NUMBER), signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_it_is_raised_at_the_end_of_the_outermost_block(send: Callable[[], None]) -> None:
    before, done = state(), []
    with pytest.raises(Raised), signals_blocked():
        with signals_blocked():
            send()
            done.append(1)
        signal.pthread_kill(threading.get_ident(), NUMBER)  # and the kernel keeps this one
        done.append(2)
    assert done == [1, 2] and state() == before


def test_what_a_block_has_done_is_undone(send: Callable[[], None]) -> None:
    """Also if another signal arrives while that is undone: it interrupts nothing."""
    undone = []

    def step(name: str) -> None:
        undone.append(name)
        send()
        undone.append(f"{name} done")

    before = state()
    with pytest.raises(Raised), Rollback() as undo:
        undo(step, "first")
        undo(step, "second")
        send()
    assert undone == ["second", "second done", "first", "first done"] and state() == before
    undone.clear()
    with pytest.raises(Raised), Rollback() as undo:
        undo(step, "of a failure")
        raise ValueError
    assert undone == ["of a failure", "of a failure done"] and state() == before


def test_a_long_call_is_interrupted_and_undone(send: Callable[[], None]) -> None:
    before, undone = state(), []

    def step() -> None:
        send()
        undone.append(state() != before)

    with pytest.raises(Raised), Rollback() as undo:
        undo(step)
        undo.call_unblocked(send)
    assert undone == [True] and state() == before


def test_a_handler_that_returns_undoes_nothing_and_may_install_another(send: Callable[[], None]) -> None:
    calls = []

    def once(number: int, frame: object) -> None:
        calls.append(number)
        signal.signal(NUMBER, signal.SIG_IGN)

    signal.signal(NUMBER, once)
    with Rollback() as undo:
        undo(calls.append, "undone")
        send()
        assert calls == []
    assert calls == [NUMBER] and signal.getsignal(NUMBER) is signal.SIG_IGN


def test_a_part_of_a_block_with_the_signals_of_outside(send: Callable[[], None]) -> None:
    before = state()
    with signals_blocked():
        with pytest.raises(Raised):
            rollback.call_with_mask(rollback.signal_mask(), send)
        assert state() != before
    assert state() == before


def test_a_thread_forks_while_the_main_thread_is_in_a_block(send: Callable[[], None]) -> None:
    """The child has the handlers of the program."""
    handler, statuses = signal.getsignal(NUMBER), []

    def fork() -> None:
        child = os.fork()
        if child == 0:
            os._exit(7 if signal.getsignal(NUMBER) is handler else 1)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    with signals_blocked():
        thread = threading.Thread(target=fork)
        thread.start()
        thread.join()
    assert statuses == [7]
