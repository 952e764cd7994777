"""The event loop of a chat: connections that do not read are closed together, those that read slowly are kept."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from rawns.chat import event_loop
from rawns.chat.event_loop import TOO_SLOW, EventLoop

PATIENCE = 3.0
TEXT = b"x" * 8191 + b"\n"


class Clock:
    """What the loop takes for time.monotonic()."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(name="clock")
def fake_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(event_loop, "monotonic", clock)
    return clock


@pytest.fixture(name="loop")
def loop_of_connections() -> Iterator[tuple[EventLoop, list[socket.socket], list[str]]]:
    """A loop with 50 connections, each with a send buffer of another size, the other ends, and the notices."""
    loop = EventLoop()
    ends: list[Any] = []
    notices: list[Any] = []
    loop.patience = PATIENCE
    loop.on_notice = notices.append
    for number in range(50):
        near, far = socket.socketpair()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096 * (number + 1))
        near.setblocking(False)
        loop.connect(near, f"peer{number}")
        ends.append(far)
    yield loop, ends, notices
    loop.close()
    for end in ends:
        end.close()


def say_until_full(loop: EventLoop) -> int:
    """Send texts as long as the loop accepts them; their number."""
    count = 0
    while not loop.full and loop.handlers:
        loop.relay.send(TEXT)
        loop.turn(at_once=True)
        count += 1
    return count


def test_the_times_of_connections_that_do_not_read_do_not_add_up(
    loop: tuple[EventLoop, list[socket.socket], list[str]], clock: Clock
) -> None:
    chat, _, notices = loop
    say_until_full(chat)
    assert notices == []
    start = clock.now
    while chat.handlers:
        say_until_full(chat)
        clock.now += 0.01
        chat.turn(at_once=True)
    assert sorted(notices) == sorted(f"peer{number} left: {TOO_SLOW}" for number in range(50))
    assert PATIENCE <= clock.now - start <= 3 * PATIENCE


def test_a_connection_that_reads_slowly_is_kept_and_gets_the_whole_time_again(
    loop: tuple[EventLoop, list[socket.socket], list[str]], clock: Clock
) -> None:
    chat, ends, notices = loop
    for _ in range(49):
        chat.disconnect(chat.handlers[-1])  # type: ignore[arg-type]
    notices.clear()
    for _ in range(20):
        said = say_until_full(chat)
        clock.now += PATIENCE * 0.9
        chat.turn(at_once=True)
        left = max(1, said) * len(TEXT)
        while left > 0:
            left -= len(ends[0].recv(left))
            chat.turn(at_once=True)
    assert notices == []
    say_until_full(chat)
    clock.now += PATIENCE * 1.1
    chat.turn(at_once=True)
    assert notices == [f"peer0 left: {TOO_SLOW}"]
