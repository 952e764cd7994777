"""Every system call of a ping and a chat, as an observer sees it, beside what strace(1) saw of the same."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from chatting import LOOP, T, Watched
from conftest import PROJECT

from rawns import NetNS, Observer, Peer, Room, SyscallError, observed, ping

pytest_plugins = ["chatting"]

CALLS = "socket bind listen accept4 connect getsockname getsockopt setsockopt sendto recvfrom recvmsg shutdown".split()
CALLS += "close poll pipe2 read write ioctl getrandom".split()

PROGRAM = """if True:
    import json, os, sys, threading
    from rawns import NetNS, Observer, Peer, Room, observed, ping

    class Recorder(Observer):
        def after(self, event):
            events.append((threading.get_native_id(), event.call, event.arguments, str(event).rpartition(" = ")[2]))

    events, host = [], sys.argv[1]
    ns = NetNS.create()
    ns.net.set_link("lo", up=True)
    ping(ns, host)
    os.getppid()  # from here
    with observed(Recorder()):
        ping(ns, host)
        with Room(ns, host) as room, Peer(ns, *room.address, timeout=20) as peer:
            room.handle_lines(lambda who, text: room.send(text, to=who))
            peer.send("Hello, is anybody there?")
            peer.receive(20)
            room.send("x" * 99)
            peer.receive(20)
            peer.finish()
            peer.receive(20)
    os.getppid()  # to here
    print(json.dumps(events))
"""


def as_we_have_it(call: str, arguments: str, result: str) -> tuple[str, str, str]:
    """A line of strace, without what only the kernel can know before it answers."""
    arguments = re.sub(r"sa_family=|sin6?_port=htons\((?=\d+\))|sin_addr=inet_addr\((?=\")", "", arguments)
    arguments = re.sub(r'(AF_INET, \d+)\), ("[^"]*")\)', r"\1, \2", arguments)
    arguments = re.sub(r'AF_INET6, (\d+)\), .*?inet_pton\(AF_INET6, ("[^"]*"), [^}]*}', r"AF_INET6, \1, \2}", arguments)
    arguments = re.sub(r'(AF_INET6?), (\d+), ("[^"]*")', r"\1, \3, \2", arguments)
    arguments = re.sub("IPPROTO_IP$", "0", arguments.replace("_TIMESTAMPNS_OLD", "_TIMESTAMPNS"))
    arguments = arguments.replace("SOL_ICMPV6, 1,", "SOL_ICMPV6, ICMPV6_FILTER,")  # which strace has no name for
    return call, arguments, result.partition(" ([{")[0].strip()


def vague(call: str, arguments: str, result: str) -> tuple[str, str, str]:
    """What can be compared: all of it, but for what is moved in packets, and what the kernel fills in."""
    if call in ("recvfrom", "recvmsg", "getsockname", "accept4", "getsockopt", "read", "getrandom", "pipe2"):
        arguments = "" if call in ("pipe2", "getrandom") else arguments.partition(",")[0]
    if call == "setsockopt" and "_FILTER" in arguments:
        arguments = re.sub(r"_FILTER, .*, ", "_FILTER, ..., ", arguments)
    if call == "sendto" and "AF_INET" in arguments:
        arguments = re.sub(r"^(\d+), .*, (\d+, 0, {)", r"\1, ..., \2", arguments)
    return call, arguments, result


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_strace_saw_the_same(tmp_path: Path, host: str) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("no strace")
    command = [strace, "-ff", "-qq", "-o", str(tmp_path / "t"), "-e", f"trace={','.join(CALLS)},getppid", "-e", "signal=none"]
    command += [sys.executable, "-c", PROGRAM, host]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=3 * T)
    if "ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    ours: dict[int, list[tuple[str, str, str]]] = {}
    for thread, call, arguments, result in json.loads(done.stdout):
        if call in CALLS:
            ours.setdefault(thread, []).append(vague(call, arguments, result))
    assert len(ours) == 2  # ours and the room's
    for thread, calls in ours.items():
        text = (tmp_path / f"t.{thread}").read_text()
        text = text.split("getppid()")[1].partition("\n")[2] if "getppid()" in text else text
        lines = re.findall(r"^(\w+)\((.*)\) += (-?\d+.*)$", text, re.MULTILINE)
        assert calls == [vague(*as_we_have_it(*line)) for line in lines]


# -- each failed in turn ------------------------------------------------------------------------------------------------


class FailingCall(Observer):
    """Fails this thread's calls of one name, or the room's; close(2) lets go whatever it returns, so it is never failed."""

    def __init__(self, call: str, of_ours: bool, number: int = errno.ENOMEM) -> None:
        self.call, self.of_ours, self.number, self.thread = call, of_ours, number, threading.get_ident()

    def before(self, call: str, arguments: str) -> None:
        if call == self.call and self.of_ours == (self.thread == threading.get_ident()):
            raise OSError(self.number, "a test lets this call fail")


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("call", ["setns", "socket", "getrandom", "setsockopt", "connect", "getsockname", "poll"])
def test_a_ping_that_fails_leaves_nothing(home: NetNS, call: str) -> None:
    before = descriptors()
    with observed(FailingCall(call, True)), pytest.raises(SyscallError, match=rf"^{call}\(.*ENOMEM"):
        ping(home, LOOP)
    assert descriptors() == before


@pytest.mark.parametrize("call", ["setns", "pipe2", "socket", "setsockopt", "bind", "listen", "getsockname"])
def test_a_room_that_cannot_open_leaves_nothing(home: NetNS, call: str) -> None:
    before, room = descriptors(), Room(home, LOOP)
    with observed(FailingCall(call, False)), pytest.raises(SyscallError, match=rf"^{call}\(.*ENOMEM"):
        room.start()
    assert descriptors() == before
    with room, Peer(home, *room.address) as peer:
        room.send("at last")
        assert peer.receive(T) == "at last"


@pytest.mark.parametrize("call", ["setns", "socket", "connect", "getsockopt", "poll"])
def test_a_peer_that_cannot_connect_leaves_nothing(room: Watched, call: str) -> None:
    before = descriptors()
    with observed(FailingCall(call, True)), pytest.raises(SyscallError, match=rf"^{call}\(.*ENOMEM"):
        Peer(room.ns, LOOP, room.address[1])
    room.stop()  # which closes a connection that was accepted
    assert descriptors() <= before


@pytest.mark.parametrize("call", ["getsockname", "ioctl", "setsockopt"])
def test_who_cannot_be_let_in_is_not(room: Watched, call: str) -> None:
    with observed(FailingCall(call, False, errno.EINVAL)), Peer(room.ns, LOOP, room.address[1]) as unlucky:
        if call == "setsockopt":  # a matter of speed
            assert room.note().endswith(" joined")
        else:
            assert unlucky.receive(T) is None
    if call == "setsockopt":
        assert room.note().endswith(" left")
    with room.peer() as peer:
        room.send("hello")
        assert peer.receive(T) == "hello"
