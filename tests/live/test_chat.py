"""`rawns.Room` and `rawns.Peer`: what a program does with them."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import select
import socket
import struct
import subprocess
import sys
import threading

import pytest
from chatting import LOOP, T, Watched, name_of
from conftest import PROJECT

from rawns import InvalidValue, Lab, NetNS, Peer, RawnsError, Room, SyscallError

pytest_plugins = ["chatting"]


# -- what it is for -----------------------------------------------------------------------------------------------------


def test_a_few_lines_each_way_between_two_namespaces() -> None:
    with Lab("chat") as lab:
        one, other = lab.netns(), lab.netns()
        lab.wire(one.port("v1", "10.0.0.1/24", "fd00::1/64"), other.port("v2", "10.0.0.2/24", "fd00::2/64"))
        lab.up()
        for host, far in (("10.0.0.1", "10.0.0.2"), ("fd00::1", "[fd00::2]")):
            with Room(one, host) as room, Peer(other, *room.address) as peer:  # type: ignore[arg-type]
                said: queue.Queue[str] = queue.Queue()
                room.handle_lines(lambda who, text, said=said: said.put(f"{who}: {text}"))  # type: ignore[misc]
                for number in range(3):
                    peer.send(f"line {number}")
                    assert re.fullmatch(re.escape(far) + rf":\d+: line {number}", said.get(timeout=T))
                    room.send(f"answer {number}")
                    assert peer.receive(T) == f"answer {number}"


def test_a_link_local_peer_is_called_by_its_interface() -> None:
    with Lab("scope") as lab:
        one, other = lab.netns(), lab.netns()
        lab.wire(one.port("v1", "fe80::1/64"), other.port("v2", "fe80::2/64"))
        lab.up()
        with Watched(one) as room, Peer(other, "fe80::1%v2", room.address[1]) as peer:  # type: ignore[arg-type]
            assert re.fullmatch(r"\[fe80::[0-9a-f:]+%v1\]:\d+ joined", room.note())
            peer.send("hi")
            assert room.spoken()[1] == "hi"
        with Room(one, "fe80::1%v1") as bound:  # type: ignore[arg-type]
            assert bound.address[0] == "fe80::1%v1"


def test_by_default_it_listens_for_both_families(room: Watched) -> None:
    assert room.address[0] == "::" and room.address[1] > 0
    with room.raw(LOOP) as four, room.raw("::1") as six:
        four.sendall(b"four\n")
        assert room.spoken() == (name_of(four), "four")
        six.sendall(b"six\n")
        assert room.spoken() == (name_of(six), "six")
        assert four.recv(99) == f"{name_of(six)}: six\n".encode()


def test_what_one_says_all_others_hear(room: Watched) -> None:
    with room.raw() as a, room.peer() as b, room.peer() as c:
        a.sendall(b"hello\r\nworld\n")
        for peer in (b, c):
            assert [peer.receive(T), peer.receive(T)] == [f"{name_of(a)}: hello", f"{name_of(a)}: world"]
        b.send("one\ntwo")
        assert c.receive(T).endswith(": one") and c.receive(T).endswith(": two")  # type: ignore[union-attr]
        room.send("from the room")
        assert b.receive(T) == c.receive(T) == "from the room"
        heard = b""
        while heard.count(b"\n") < 3:
            heard += a.recv(999)
        assert re.fullmatch(rb".*: one\n.*: two\nfrom the room\n", heard)  # and not its own line


def test_a_callback_may_answer_one_alone(room: Watched) -> None:
    room.handle_lines(lambda who, text: room.send(f"you said {text}", to=who))
    with room.peer() as a, room.peer() as b:
        a.send("x")
        assert a.receive(T) == "you said x"
        b.send("y")
        assert b.receive(T).endswith(": x") and b.receive(T) == "you said y"  # type: ignore[union-attr]
        assert a.receive(T).endswith(": y")  # type: ignore[union-attr]


def test_who_has_come_before_something_is_said_hears_it(room: Watched) -> None:
    """Also if the room is busy at that moment and has not accepted the connection yet."""
    busy, go_on = threading.Event(), threading.Event()
    room.handle_lines(lambda who, text: (busy.set(), go_on.wait(T)))  # type: ignore[func-returns-value]
    with room.peer() as first:
        first.send("x")
        assert busy.wait(T)
        with Peer(room.ns, LOOP, room.address[1]) as second:
            assert room._listener is not None
            poll = select.poll()
            poll.register(room._listener.fd, select.POLLIN)
            assert poll.poll(T * 1000)
            room.send("welcome")
            go_on.set()
            assert second.receive(T) == "welcome"


def test_many_threads_may_speak_at_once(room: Watched) -> None:
    with room.peer() as peer:
        threads = [threading.Thread(target=lambda who=who: [room.send(f"{who} {n}") for n in range(300)]) for who in "abcd"]  # type: ignore[func-returns-value]
        for thread in threads:
            thread.start()
        lines = [str(peer.receive(T)) for _ in range(1200)]
        for thread in threads:
            thread.join()
    for who in "abcd":
        assert [line for line in lines if line[0] == who] == [f"{who} {n}" for n in range(300)]


def test_who_half_closes_is_answered_and_leaves(room: Watched) -> None:
    room.handle_lines(lambda who, text: room.send(text.upper(), to=who))
    with room.peer() as peer:
        peer.send("last words")
        peer.finish()
        assert (peer.receive(T), peer.receive(T), peer.receive(T)) == ("LAST WORDS", None, None)
    assert room.note().endswith(" left")


# -- its life -----------------------------------------------------------------------------------------------------------


def test_it_stops_and_starts_again(home: NetNS) -> None:
    room = Watched(home)
    with pytest.raises(RawnsError, match="not open"):
        room.send("nobody there")
    for _ in range(3):
        room.start()
        with pytest.raises(RawnsError, match="open already"):
            room.start()
        with room.peer() as peer:
            room.send("bye")
            room.stop()
            room.stop()
            assert (peer.receive(T), peer.receive(T)) == ("bye", None)
        for use in (lambda: room.address, lambda: room.send("x")):
            with pytest.raises(RawnsError, match="not open"):
                use()


def test_the_same_port_can_be_had_again_at_once(room: Watched) -> None:
    port, peer = room.address[1], room.peer()
    with pytest.raises(SyscallError, match="bind.*EADDRINUSE"):
        Room(room.ns, port=port).start()
    room.stop()
    with peer, Watched(room.ns, port=port) as again, again.peer():
        assert again.address[1] == port


def test_it_leaves_nothing_when_it_cannot_start(home: NetNS) -> None:
    before = set(os.listdir("/proc/self/fd")), threading.active_count()
    for address, error in (("192.0.2.1", SyscallError), ("no.such.name.invalid", RawnsError), ("x\0y", InvalidValue)):
        with pytest.raises(error):
            Room(home, address).start()
    assert (set(os.listdir("/proc/self/fd")), threading.active_count()) == before
    closed = NetNS.create()
    closed.close()
    room = Room(closed)
    with pytest.raises(RawnsError, match="closed, or not created yet"):
        room.start()
    room.stop()
    for port in (-1, 65536, "7", True):
        with pytest.raises(InvalidValue, match="port"):
            Room(home, port=port)  # type: ignore[arg-type]


def test_it_can_be_started_again_when_there_was_no_thread_to_be_had(home: NetNS, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> int:
        raise RuntimeError("can't start new thread")

    room = Watched(home)
    before = set(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patched:
        for name in ("_start_new_thread", "_start_joinable_thread"):  # the latter since 3.13
            patched.setattr(threading, name, refused, raising=False)
        for _ in range(2):
            with pytest.raises(RawnsError, match="thread"):
                room.start()
            room.stop()
    assert set(os.listdir("/proc/self/fd")) == before
    with room, room.peer() as peer:
        room.send("here I am")
        assert peer.receive(T) == "here I am"


def test_it_may_be_stopped_from_a_callback(room: Watched) -> None:
    room.handle_lines(lambda who, text: room.stop())
    with room.peer() as peer:
        peer.send("stop")
        assert peer.receive(T) is None
    room.stop()


def test_what_a_callback_raises_comes_out_of_stop(room: Watched) -> None:
    room.handle_lines(lambda who, text: 1 // 0)
    with room.peer() as peer:
        peer.send("x")
        assert peer.receive(T) is None
    with pytest.raises(ZeroDivisionError):
        room.stop()
    room.stop()


def test_an_interpreter_exits_while_a_room_is_running() -> None:
    program = """if True:
        from rawns import NetNS, Peer, Room
        ns = NetNS.create(); ns.net.set_link("lo", up=True)
        room = Room(ns, "127.0.0.1"); room.start()
        peer = Peer(ns, *room.address)
        room.handle_lines(lambda who, text: room.send(text, to=who))
        peer.send("it works"); print(peer.receive(10))
    """
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=T)
    assert (done.returncode, done.stdout, done.stderr) == (0, "it works\n", "")


# -- a peer's own troubles ----------------------------------------------------------------------------------------------


def test_what_a_peer_cannot_do_it_says_by_exception(home: NetNS) -> None:
    with pytest.raises(ConnectionRefusedError, match=r'connect\(\d+, {AF_INET, "127\.0\.0\.1", 1}, 16\)'):
        Peer(home, LOOP, 1)
    with pytest.raises(RawnsError, match=r"no\.such\.name\.invalid"):
        Peer(home, "no.such.name.invalid", 1)
    for port in (0, 65536, True):
        with pytest.raises(InvalidValue, match="port"):
            Peer(home, LOOP, port)
    for timeout in (float("inf"), float("nan"), 1e300, "1"):
        with pytest.raises(InvalidValue, match="timeout"):
            Peer(home, LOOP, 1, timeout)  # type: ignore[arg-type]
    closed = NetNS.create()
    closed.close()
    with pytest.raises(RawnsError, match="closed, or not created yet"):
        Peer(closed, LOOP, 1)
    with pytest.raises(InvalidValue):
        Peer(home, "x" * 70 + "é", 7)


def test_a_connection_that_is_never_answered_ends_in_time() -> None:
    with Lab("silence") as lab:
        one, other = lab.netns(), lab.netns()
        lab.wire(one.port("v1", "10.0.0.1/24"), other.port("v2"))
        lab.up()
        with pytest.raises(TimeoutError, match=r'connect\(\d+, {AF_INET, "10\.0\.0\.9", 7}, 16\)'):
            Peer(one, "10.0.0.9", 7, timeout=0.1)  # type: ignore[arg-type]


def test_hearing_and_saying_end_in_time(home: NetNS) -> None:
    with home.socket(socket.AF_INET, socket.SOCK_STREAM) as deaf:
        deaf.bind((LOOP, 0))
        deaf.listen()
        with Peer(home, LOOP, deaf.getsockname()[1], timeout=0.1) as peer:
            for timeout in (float("inf"), float("nan")):
                with pytest.raises(InvalidValue, match="timeout"):
                    peer.receive(timeout)
            for timeout in (0, 0.05):
                with pytest.raises(TimeoutError, match=r"recvfrom\(\d+, buffer, 65536, 0, NULL, NULL\)"):
                    peer.receive(timeout)
            with pytest.raises(TimeoutError):
                for _ in range(100):
                    peer.send("x" * 1_000_000)
            with pytest.raises(InvalidValue, match="at most 1048576"):
                peer.send("x" * 1_048_577)
        with pytest.raises(RawnsError, match="closed"):
            peer.send("x")
        with pytest.raises(RawnsError, match="closed"):
            peer.receive()
        peer.close()


def test_a_broken_connection_is_no_end(home: NetNS) -> None:
    with home.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind((LOOP, 0))
        listener.listen()
        with Peer(home, LOOP, listener.getsockname()[1]) as peer:
            other, _ = listener.accept()
            other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            other.sendall(b"x\n")
            other.close()
            with contextlib.suppress(ConnectionResetError):
                assert peer.receive(T) == "x"
                peer.receive(T)
                pytest.fail("a reset was taken for an end")
            with pytest.raises(BrokenPipeError):
                peer.send("anybody there?")


def test_the_thread_that_connects_stays_where_it_is(home: NetNS, room: Watched) -> None:
    here = os.readlink("/proc/thread-self/ns/net")
    with room.peer():
        assert os.readlink("/proc/thread-self/ns/net") == here
    with pytest.raises(ConnectionRefusedError):
        Peer(home, LOOP, 1)
    assert os.readlink("/proc/thread-self/ns/net") == here


def test_a_room_turns_for_what_happens_and_no_more(room: Watched) -> None:
    with room.peer() as peer:
        turns = room.turns
        for number in range(100):
            peer.send(str(number))
            assert room.spoken()[1] == str(number)
        assert room.turns - turns <= 200
