"""What peers may do to a `rawns.Room` and to those in it: nothing that matters."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import socket
import struct
import threading

import pytest
from chatting import LOOP, T, Watched, name_of

from rawns import NetNS, Peer
from rawns.chat import room as room_module
from rawns.framing import CUT, MAX_LINE_BYTES

pytest_plugins = ["chatting"]


def test_nothing_that_acts_on_a_terminal_gets_through(room: Watched) -> None:
    with room.raw() as bad, room.raw() as good:
        bad.sendall(b"\x1b]0;x\x07\xff\xc2\x9b\0\t\xe2\x80\xae\n")
        shown = r"\x1b]0;x\x07\xff\x9b\x00\t\u202e"
        assert room.spoken() == (name_of(bad), shown)
        assert good.recv(999) == f"{name_of(bad)}: {shown}\n".encode()


def test_a_line_without_end_comes_in_pieces_with_a_name_before_each(room: Watched) -> None:
    with room.raw() as bad, room.peer() as good:
        bad.sendall(b"z" * (3 * MAX_LINE_BYTES))
        bad.shutdown(socket.SHUT_WR)
        lines = [good.receive(T) for _ in range(3)]
        assert lines == [f"{name_of(bad)}: " + "z" * MAX_LINE_BYTES + mark for mark in (CUT, CUT, "")]


def test_a_reset_is_a_departure(room: Watched) -> None:
    with room.peer() as good:
        for words in (b"", b"half a line", b"a line\n"):
            bad = room.raw()
            bad.sendall(words)
            bad.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            bad.close()
            assert re.search(r" left(: Connection reset by peer)?$", room.note())
        room.send("still here")
        while good.receive(T) != "still here":
            pass


def test_who_does_not_read_is_sent_away_and_the_others_miss_nothing(room: Watched) -> None:
    room.patience = 0.3
    with room.raw(SO_RCVBUF=4096) as deaf, room.peer() as good:
        heard: list[str | None] = []
        reader = threading.Thread(target=lambda: heard.extend(iter(lambda: good.receive(T), "end")))
        reader.start()
        for number in range(1000):
            room.send(f"{number} " + "x" * 10_000)
        room.send("end")
        reader.join()
        assert room.note() == f"{name_of(deaf)} left: does not read what is said"
        assert [str(line).split()[0] for line in heard if line != CUT] == [str(number) for number in range(1000)]


def test_who_reads_alone_but_slowly_is_waited_for(room: Watched) -> None:
    with room.raw(SO_RCVBUF=4096) as slow:
        speaker = threading.Thread(target=lambda: [room.send("y" * 60_000) for _ in range(100)])  # type: ignore[func-returns-value]
        speaker.start()
        left = 100 * 60_001
        while left:
            left -= len(slow.recv(min(left, 50_000)))
        speaker.join()
    assert room.note().endswith(" left")


def test_a_flood_of_empty_lines_harms_nobody(room: Watched) -> None:
    """Each byte becomes a line with a name before it; the flood is slowed down to what the others can read."""
    count = 30_000
    with room.raw() as bad, room.peer() as good:
        flood = threading.Thread(target=lambda: bad.sendall(b"\n" * count))
        flood.start()
        for _ in range(count):
            assert good.receive(T) == f"{name_of(bad)}: "
        flood.join()
        assert room.notes.empty()


def test_one_too_many_is_told_so(home: NetNS) -> None:
    with Watched(home, peers=2) as room, room.peer() as a:
        with room.peer(), Peer(home, LOOP, room.address[1]) as third:
            assert third.receive(T) == "the room is full"
            assert room.note().endswith(" found the room full")
        assert room.note().endswith(" left")
        with room.peer() as b:
            b.send("there is room again")
            assert a.receive(T).endswith("there is room again")  # type: ignore[union-attr]


def test_no_descriptors_left_is_no_reason_to_spin(home: NetNS, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_module, "ACCEPT_PAUSE", 0.3)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Watched(home) as room, room.peer() as good, home.socket(socket.AF_INET, socket.SOCK_STREAM) as late:
        turns, taken = room.turns, [os.open(os.devnull, os.O_RDONLY)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 1, limits[1]))
        try:
            with contextlib.suppress(OSError):
                while True:
                    taken.append(os.dup(taken[0]))
            late.connect((LOOP, room.address[1]))
            assert room.note() == "a connection must wait: Too many open files"
            room.send("the others do not notice")
            assert good.receive(T) == "the others do not notice"
            assert room.note() == "a connection must wait: Too many open files"
        finally:
            for fd in taken:
                os.close(fd)
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        while not room.note().endswith(" joined"):
            pass
        late.sendall(b"at last\n")
        assert room.spoken() == (name_of(late), "at last")
        assert room.turns - turns < 30
