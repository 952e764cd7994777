"""ping on the real kernel: both families, both kinds of socket, honest peers, silent ones and liars."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic_ns

import pytest
from pinging import PROJECT, answer, cable, checksum, icmp_packet, ours, ping, responder, run, sysctl

import rawns
from rawns import InvalidValue, NetNS, icmp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Ordinary

Pair = tuple[NetNS, NetNS]


@pytest.fixture
def pair() -> Iterator[Pair]:
    with cable() as both:
        yield both


@pytest.fixture(params=["raw", "datagram"])
def either(request: pytest.FixtureRequest, pair: Pair) -> Iterator[Pair]:
    """The cable, once with ICMP datagram sockets forbidden as on most machines, once with them allowed to group 0."""
    allowed = request.param == "datagram"
    if allowed:  # no group is, in a new namespace
        sysctl(pair[0], "ipv4/ping_group_range", "0 0")
    with pair[0].entered():
        sock = icmp.connect("127.0.0.1")
    assert sock.raw is not allowed
    sock.close()
    yield pair


# -- the library -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["10.0.0.2", "fd00::2", "127.0.0.1", "::1"])
def test_figures(either: Pair, host: str) -> None:
    result = rawns.ping(either[0], host, count=3)
    assert (result.transmitted, result.received, result.loss, result.errors) == (3, 3, 0.0, [])
    assert (result.host, result.address, len(result.rtts)) == (host, host, 3)
    assert 0 < result.min <= result.avg <= result.max == max(result.rtts) < 1
    told = rf"{re.escape(host)}: 3 transmitted, 3 received, 0% loss, rtt min/avg/max/mdev = (\d+\.\d{{3}}/?){{4}} ms"
    assert re.fullmatch(told, str(result))


def test_link_local(either: Pair) -> None:
    a, b = either
    address = next(one.address for one in b.net.addresses("b0", socket.AF_INET6) if one.address.startswith("fe80"))
    assert rawns.ping(a, f"{address}%a0", count=2).received == 2


def test_it_is_the_peer_who_answers(pair: Pair) -> None:
    """PingResult are no proof that anything crossed the cable; the peer's own count of ICMP packets is."""
    a, b = pair

    def counted() -> int:
        with b.entered():
            lines = [sock.split() for sock in Path("/proc/thread-self/net/snmp").read_text().splitlines() if sock[:5] == "Icmp:"]
        return int(lines[1][lines[0].index("InEchos")])

    before = counted()
    assert rawns.ping(a, "10.0.0.2", count=5).received == 5
    assert counted() - before == 5


@pytest.mark.parametrize("size", [0, 1, 15, 16, 1472, 1473, 65507])
def test_sizes(pair: Pair, size: int) -> None:
    for host in ("10.0.0.2", "fd00::2"):
        assert rawns.ping(pair[0], host, size=size).received == 1


def test_too_long_for_ipv4(either: Pair) -> None:
    result = rawns.ping(either[0], "10.0.0.2", size=65508)
    assert (result.transmitted, result.received, result.failures) == (1, 0, 1)
    assert str(result.errors[0]) == "local error: message too long, mtu=65535" or "mtu=1500" in str(result.errors[0])


def test_from_another_thread_which_stays_where_it_is(pair: Pair) -> None:
    seen: list[object] = []

    def body() -> None:
        before = NetNS.current()
        seen.append(rawns.ping(pair[0], "10.0.0.2").received)
        after = NetNS.current()
        seen.append(before.identity == after.identity != pair[0].identity)
        before.close()
        after.close()

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert seen == [1, True]


def test_without_a_namespace_it_is_the_threads_own(pair: Pair) -> None:
    with pair[0].entered():
        assert rawns.ping(None, "10.0.0.2").received == 1
        assert str(rawns.ping(None, "10.0.0.1")).startswith("10.0.0.1: 1 transmitted, 1 received")


def test_a_namespace_that_is_closed(pair: Pair) -> None:
    closed = NetNS.create()
    closed.close()
    with pytest.raises(rawns.RawnsError, match="closed, or not created yet"):
        rawns.ping(closed, "127.0.0.1")


def test_a_timeout_longer_than_poll_can_wait(pair: Pair) -> None:
    assert rawns.ping(pair[0], "10.0.0.2", timeout=10**9).received == 1


def test_a_silent_peer(pair: Pair) -> None:
    with responder(pair[1], lambda request: []):
        result = rawns.ping(pair[0], "10.0.0.2", count=2, timeout=0.05)
    assert (result.transmitted, result.received, result.loss, result.rtts) == (2, 0, 1.0, [])


def test_half_is_lost(either: Pair) -> None:
    def odd(request: bytes) -> list[bytes]:
        return [answer(request)] if request[7] % 2 else []

    with responder(either[1], odd):
        result = rawns.ping(either[0], "10.0.0.2", count=4, timeout=0.5)
    assert (result.transmitted, result.received, result.loss) == (4, 2, 0.5)


@pytest.mark.parametrize(
    ("host", "source", "words"),
    [
        ("10.0.0.77", "10.0.0.1", "Destination Host Unreachable"),
        ("fd00::77", "fd00::1", "Destination unreachable: Address unreachable"),
    ],
)
def test_nobody_there(either: Pair, host: str, source: str, words: str) -> None:
    result = rawns.ping(either[0], host, count=2, timeout=10)
    assert (result.transmitted, result.received, result.failures) == (2, 0, 2)
    assert [str(error) for error in result.errors] == [f"From {source} icmp_seq={number} {words}" for number in (1, 2)]


@pytest.mark.parametrize("host", ["10.0.0.77", "fd00::77"])
def test_an_error_for_one_request_does_not_keep_the_next_from_being_sent(either: Pair, host: str) -> None:
    """On a datagram socket the kernel fails the next call with it: `sendto`, if it has not been read yet."""
    with either[0].entered():
        sock = icmp.connect(host)
    session = icmp.EchoSession(2, 0, None)
    assert session.wait(monotonic_ns()) == 0
    assert list(icmp.transmit(sock, session, 56)) == []
    poll = select.poll()
    poll.register(sock.sock, 0)  # errors are always polled for
    assert poll.poll(5000)
    told = list(icmp.transmit(sock, session, 56))
    if not told:  # a raw socket, or a kernel like 5.10: it does not look, and the error waits
        told = [error for error in [session.arrived(sock.failure())] if isinstance(error, icmp.EchoError)]
    sock.close()
    assert [(one.sequence, one.counted) for one in told] == [(1, True)]
    assert (session.result.transmitted, session.result.failures) == (2, 1)


def router(a: NetNS, b: NetNS) -> None:
    """Let b forward, and a send it all that is not local."""
    sysctl(b, "ipv4/ip_forward", "1")
    sysctl(b, "ipv6/conf/all/forwarding", "1")
    a.net.add_route("default", via="10.0.0.2")
    a.net.add_route("default", via="fd00::2")


def test_a_router_that_knows_no_way(either: Pair) -> None:
    router(*either)
    result = rawns.ping(either[0], "10.9.9.9", timeout=10)
    assert [str(error) for error in result.errors] == ["From 10.0.0.2 icmp_seq=1 Destination Net Unreachable"]
    result = rawns.ping(either[0], "fd99::1", timeout=10)
    assert [str(error) for error in result.errors] == ["From fd00::2 icmp_seq=1 Destination unreachable: No route"]


def test_the_time_to_live_runs_out(either: Pair) -> None:
    router(*either)
    either[1].net.add_route("10.9.0.0/16", via="10.0.0.1")
    done = ping(either[0], "-c1", "-t1", "10.9.9.9")
    assert done.stdout.splitlines()[1] == "From 10.0.0.2 icmp_seq=1 Time to live exceeded"
    assert done.returncode == 1


def test_a_redirect_is_told_and_decides_nothing(either: Pair) -> None:
    """b would send it back out where it came from, to 10.0.0.9: it says so, and a's request is still unanswered."""
    router(*either)
    a, b = either
    b.net.add_route("10.9.0.0/16", via="10.0.0.9")
    b.net.add_neighbour("b0", "10.0.0.9", "02:00:00:00:00:09")
    done = ping(a, "-c1", "-W0.1", "10.9.9.9")
    lines = done.stdout.splitlines()
    assert lines[1] == "From 10.0.0.2: icmp_seq=1 Redirect Host(New nexthop: 10.0.0.9)"
    assert "1 packets transmitted, 0 received, 100% packet loss" in done.stdout
    assert done.returncode == 1


def test_no_route(pair: Pair) -> None:
    for host in ("10.9.9.9", "fd99::1"):
        with pytest.raises(rawns.SyscallError, match="connect.*unreachable") as caught:
            rawns.ping(pair[0], host)
        assert caught.value.code == "ENETUNREACH"


def test_hosts_that_are_none(pair: Pair) -> None:
    for host in ("", "no such host", "a\0b", "x" * 300, "é" * 100, "fe80::1%nodev", "1.2.3.4.5"):
        with pytest.raises(rawns.RawnsError, match="not known|failure in name|label|not resolve"):
            rawns.ping(pair[0], host)
    with pytest.raises(rawns.RawnsError, match="Address family"):
        rawns.ping(pair[0], "127.0.0.1", family=socket.AF_INET6)


def test_numbers_that_are_wrong() -> None:
    for wrong in ({"count": 0}, {"size": -1}, {"size": 65528}, {"interval": -1.0}, {"timeout": -1.0}, {"timeout": float("nan")}):
        with pytest.raises(rawns.InvalidValue):
            rawns.ping(None, "127.0.0.1", **wrong)  # type: ignore[arg-type]


# -- liars -------------------------------------------------------------------------------------------------------------


def lies(request: bytes) -> list[bytes]:
    """Everything a raw socket may hear that answers nothing, and then the answer."""
    ident, sequence = struct.unpack("!HH", request[4:8])
    data = request[8:]

    def reply(ident: int, sequence: int, data: bytes = data) -> bytes:
        return icmp_packet(0, 0, struct.pack("!HH", ident & 0xFFFF, sequence & 0xFFFF) + data)

    def about(ident: int, host: bytes, kind: int = 3) -> bytes:
        quoted = bytes.fromhex("450000540000000040010000 0a000001") + host + struct.pack("!BBHHH", 8, 0, 0, ident, sequence)
        return icmp_packet(kind, 1, bytes(4) + quoted)

    return [
        b"",
        b"\0",
        b"\0\0\xff\xff",
        reply(ident, sequence)[:7],
        reply(ident + 1, sequence),
        reply(ident, sequence + 1),
        reply(ident, sequence + 100),
        icmp_packet(8, 0, request[4:]),
        icmp_packet(5, 1, bytes(4)),
        icmp_packet(5, 1, bytes.fromhex("0a000063") + b"\x45" * 40),
        icmp_packet(13, 0, bytes(12)),
        about(ident ^ 1, bytes([10, 0, 0, 2])),
        about(ident, bytes([10, 0, 0, 3])),
        about(ident ^ 1, bytes([10, 0, 0, 2]), kind=5),
        about(ident, bytes([10, 0, 0, 3]), kind=5),
        reply(ident, sequence),
    ]


def test_lies_change_nothing(either: Pair) -> None:
    with responder(either[1], lies):
        result = rawns.ping(either[0], "10.0.0.2", count=3, timeout=5)
    assert (result.transmitted, result.received, result.duplicates) == (3, 3, 0)
    assert (result.corrupted, result.errors) == (0, [])


def test_lies6_change_nothing(either: Pair) -> None:
    """The kernel puts the checksum in, and b's own address, for us as for them."""

    def lies6(request: bytes) -> list[bytes]:
        ident, sequence = struct.unpack("!HH", request[4:8])

        def reply(ident: int, sequence: int) -> bytes:
            return struct.pack("!BBHHH", 129, 0, 0, ident & 0xFFFF, sequence & 0xFFFF) + request[8:]

        good = reply(ident, sequence)
        return [good[:4], good[:7], reply(ident + 1, sequence), reply(ident, sequence + 1), good]

    with responder(either[1], lies6, v6=True):
        result = rawns.ping(either[0], "fd00::2", count=3, timeout=5)
    assert (result.transmitted, result.received, result.duplicates, result.errors) == (3, 3, 0, [])


def test_a_flood_of_lies_keeps_nobody_from_the_end(pair: Pair) -> None:
    def flood(request: bytes) -> list[bytes]:
        return [icmp_packet(0, 0, bytes.fromhex("00000000") + request[8:])] * 2000

    with responder(pair[1], flood):
        result = rawns.ping(pair[0], "10.0.0.2", count=2, timeout=0.2)
    assert (result.transmitted, result.received) == (2, 0)


def test_what_is_always_there_to_read_keeps_nobody_from_the_end() -> None:
    class Babble:
        """A sock on which nothing that matters ever stops coming in."""

        def __init__(self) -> None:
            near, far = os.pipe()
            self.sock = os.fdopen(near, "rb")
            os.write(far, b"x")
            os.close(far)

        def request(self, sequence: int, data: bytes) -> bytes:
            return data

        def send(self, request: bytes) -> None:
            pass

        def receive(self) -> None:
            return None

    sock = Babble()
    session = icmp.EchoSession(2, 5_000_000, 20_000_000)
    assert list(icmp.run(sock, session, 56)) == []  # type: ignore[arg-type]
    assert session.result.transmitted == 2
    sock.sock.close()


def test_a_round_trip_ends_when_the_kernel_has_the_reply(either: Pair) -> None:
    """However late we come to read it.  The kernel begins to stamp packets a moment after it is asked to."""
    for host in ("10.0.0.2", "fd00::2"):
        with either[0].entered():
            sock = icmp.connect(host)
        poll = select.poll()
        poll.register(sock.sock, select.POLLIN)
        for sequence in range(1, 1000):
            before = monotonic_ns()
            sock.send(sock.request(sequence, bytes(56)))
            assert poll.poll(5000)
            after = monotonic_ns()
            reply = sock.receive()
            assert isinstance(reply, icmp.EchoReply)
            if before < reply.when < after:
                break
        sock.close()
        assert isinstance(reply, icmp.EchoReply) and before < reply.when < after


def test_said_twice(either: Pair) -> None:
    with responder(either[1], lambda request: [answer(request)] * 2):
        done = ping(either[0], "-c2", "-i0.01", "10.0.0.2")
    assert done.stdout.count("(DUP!)") == 1  # the last one's second answer comes after the end
    assert "2 packets transmitted, 2 received, +1 duplicates, 0% packet loss" in done.stdout


def test_a_wrong_checksum(pair: Pair) -> None:
    def wrong(request: bytes) -> list[bytes]:
        good = answer(request)
        return [good[:2] + bytes([good[2] ^ 1]) + good[3:], good]

    with responder(pair[1], wrong):
        done = ping(pair[0], "-c1", "10.0.0.2")
    assert done.stdout.splitlines()[1].endswith(" ms (BAD CHECKSUM!)")
    assert "1 packets transmitted, 1 received, +1 corrupted, 0% packet loss" in done.stdout


def test_a_wrong_byte(either: Pair) -> None:
    def wrong(request: bytes) -> list[bytes]:
        return [icmp_packet(0, 0, request[4:30] + b"\xff" + request[31:])]

    with responder(either[1], wrong):
        lines = ping(either[0], "-c1", "10.0.0.2").stdout.splitlines()
    assert lines[2] == "wrong data byte #22 should be 0x16 but was 0xff"
    assert lines[3].startswith("#16\t10 11 12 13 14 15 ff 17 18 ")
    assert lines[4].startswith("#48\t30 31 ")


def test_cut_short(either: Pair) -> None:
    with responder(either[1], lambda request: [icmp_packet(0, 0, request[4:20])]):
        done = ping(either[0], "-c1", "10.0.0.2")
    assert done.stdout.splitlines()[1] == "20 bytes from 10.0.0.2: icmp_seq=1 ttl=64 (truncated)"
    assert done.returncode == 0


def test_from_somewhere_else(pair: Pair) -> None:
    pair[1].net.add_address("b0", "10.0.0.3/24")
    with responder(pair[1], lambda request: [answer(request)], source="10.0.0.3"):
        done = ping(pair[0], "-c1", "10.0.0.2")
    assert re.fullmatch(r"64 bytes from 10.0.0.3: .* ms \(DIFFERENT ADDRESS!\)", done.stdout.splitlines()[1])


def test_the_responders_checksum_is_right() -> None:
    """RFC 1071's own example, so that the lies are lies for the reason they claim."""
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_command(either: Pair) -> None:
    done = ping(either[0], "-c2", "-i0.01", "10.0.0.2")
    assert done.returncode == 0 and done.stderr == ""
    expected = r"""PING 10\.0\.0\.2 \(10\.0\.0\.2\) 56\(84\) bytes of data\.
64 bytes from 10\.0\.0\.2: icmp_seq=1 ttl=64 time=[\d.]+ ms
64 bytes from 10\.0\.0\.2: icmp_seq=2 ttl=64 time=[\d.]+ ms

--- 10\.0\.0\.2 ping statistics ---
2 packets transmitted, 2 received, 0% packet loss, time \d+ms
rtt min/avg/max/mdev = [\d.]+/[\d.]+/[\d.]+/[\d.]+ ms
"""
    assert re.fullmatch(expected, done.stdout)


def test_a_named_namespace(netns_name: object) -> None:
    name = netns_name()  # type: ignore[operator]
    with NetNS.create(name) as ns:
        ns.net.set_link("lo", up=True)
        done = run([sys.executable, "-m", "rawns", "ping", "--netns", name, "-c1", "127.0.0.1"])
    assert done.returncode == 0, done.stderr


@pytest.mark.really_root
def test_a_namespace_with_hosts_of_its_own(netns_name: object) -> None:
    """What lies in /etc/netns/NAME lies over /etc, as with `ip netns exec`."""
    name = netns_name()  # type: ignore[operator]
    folder = Path("/etc/netns", name)
    fresh = not folder.parent.exists()
    folder.mkdir(parents=True)
    try:
        (folder / "hosts").write_text("127.0.0.7 somebody\n")
        with NetNS.create(name) as ns:
            ns.net.set_link("lo", up=True)
            done = run([sys.executable, "-m", "rawns", "ping", "--netns", name, "-c1", "somebody"])
        assert done.stdout.startswith("PING somebody (127.0.0.7) 56(84) bytes of data.\n64 bytes from somebody (127.0.0.7): ")
    finally:
        (folder / "hosts").unlink()
        folder.rmdir()
        if fresh and not os.listdir(folder.parent):  # another suite's may have come in the meantime
            folder.parent.rmdir()


def test_what_was_typed_reaches_no_terminal_raw(pair: Pair) -> None:
    for words in (["\x1b[31mevil"], ["-I", "\x1b[31m", "127.0.0.1"], ["-c", "\x1b[31m", "::1"], ["-i", "\x1b[31m", "::1"]):
        done = ping(pair[0], *words)
        assert done.returncode in (1, 2) and done.stderr.count("\n") == 1
        assert "\x1b" not in done.stdout + done.stderr


def test_a_namespace_that_is_not_there() -> None:
    done = run([sys.executable, "-m", "rawns", "ping", "--netns", "rt-none", "127.0.0.1"])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == 'ping: cannot open network namespace "rt-none": No such file or directory\n'
    for wrong in ("..", "", "/etc/passwd"):
        done = run([sys.executable, "-m", "rawns", "ping", "--netns", wrong, "127.0.0.1"])
        assert done.returncode == 2 and done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_signals(pair: Pair, number: int) -> None:
    process = subprocess.Popen(
        ours(pair[0], "-i0.02", "10.0.0.2"), cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith("PING")
        assert process.stdout.readline().startswith("64 bytes")
        process.send_signal(number)
        if number == signal.SIGQUIT:
            sock = process.stderr.readline()  # `text` turns the \r into a sock of its own
            assert re.search(r"\d+/\d+ packets, 0% loss, min/avg/ewma/max = ", sock or process.stderr.readline()) or sock == "\n"
            process.send_signal(signal.SIGINT)
        rest, _ = process.communicate()
    assert re.match(r"(64 bytes.*\n)*\n--- 10.0.0.2 ping statistics ---\n\d+ packets transmitted, \d+ received, .*\nrtt ", rest)
    assert process.returncode == 0


def test_a_deadline(pair: Pair) -> None:
    with responder(pair[1], lambda request: []):
        done = ping(pair[0], "-w1", "-i0.2", "10.0.0.2")
    assert done.returncode == 1
    assert re.search(r"[1-5] packets transmitted, 0 received, 100% packet loss", done.stdout)


def test_a_deadline_before_the_count(pair: Pair) -> None:
    with responder(pair[1], lambda request: [answer(request)] if request[7] == 1 else []):
        done = ping(pair[0], "-w1", "-c2", "-i0.5", "10.0.0.2")
    assert done.returncode == 1
    assert re.search(r"[1-3] packets transmitted, 1 received", done.stdout)


def test_every_byte_explained(either: Pair) -> None:
    for host in ("10.0.0.2", "fd00::2"):
        shown = ping(either[0], "-c1", "--explain", host).stdout
        assert re.search(r"ICMP(V6)?_ECHO(_REQUEST)?$", shown, re.MULTILINE)
        assert re.search(r"ICMP(V6)?_ECHO_?REPLY$", shown, re.MULTILINE)
        assert re.search(r"_?(id|identifier) +\d+$", shown, re.MULTILINE)


def test_names_in_the_order_of_hosts(pair: Pair) -> None:
    done = ping(pair[0], "-c1", "localhost")
    assert done.stdout.splitlines()[0] == "PING localhost (127.0.0.1) 56(84) bytes of data."
    assert ping(pair[0], "-c1", "-n", "localhost").stdout.splitlines()[1].startswith("64 bytes from 127.0.0.1: ")


def test_a_reader_that_goes_away(pair: Pair) -> None:
    done = run(["sh", "-c", '"$@" | head -1', "sh", *ours(pair[0], "-c3", "-i0", "10.0.0.2")])
    assert done.stdout.startswith("PING") and "Traceback" not in done.stderr


# -- an ordinary user --------------------------------------------------------------------------------------------------


def test_an_ordinary_user_is_told_what_to_do(ordinary: Ordinary) -> None:
    with NetNS.create() as ns:
        ns.net.set_link("lo", up=True)
        with ns.entered():
            done = ordinary.run([ordinary.python, "-m", "rawns", "ping", "-c1", "127.0.0.1"])
    assert done.returncode == 2
    assert re.fullmatch(r"ping: socket: .* not permitted; .*root.*rawns rootless.*ping_group_range\n", done.stdout)


def test_an_ordinary_user_whose_group_may(ordinary: Ordinary) -> None:
    with NetNS.create() as ns:
        ns.net.set_link("lo", up=True)
        sysctl(ns, "ipv4/ping_group_range", "65534 65534")
        with ns.entered():
            done = ordinary.run([ordinary.python, "-m", "rawns", "ping", "-c2", "-i0.002", "127.0.0.1"])
            fast = ordinary.run([ordinary.python, "-m", "rawns", "ping", "-c2", "-i0.001", "127.0.0.1"])
            six = ordinary.run([ordinary.python, "-m", "rawns", "ping", "-c1", "::1"])
    assert "2 packets transmitted, 2 received" in done.stdout and done.returncode == 0
    assert "1 received" in six.stdout and six.returncode == 0
    assert fast.stdout.splitlines()[1] == "ping: cannot flood; minimal interval allowed for user is 2ms"
    assert fast.returncode == 2


def test_a_namespace_is_given_in_every_way() -> None:
    """By an object, a name, a path, a process in it, or a descriptor; what is none of these is refused by a sentence."""
    name = f"rt-ping-{os.getpid()}"
    with NetNS.create(name) as ns:
        ns.net.set_link("lo", up=True)
        child = ns.popen(["cat"], stdin=subprocess.PIPE)
        try:
            for where in (ns, name, f"/run/netns/{name}", f"pid:{child.pid}", ns.fileno()):
                assert rawns.ping(where, "127.0.0.1").received == 1
                with rawns.Room(where, "127.0.0.1") as room, rawns.Peer(where, *room.address) as peer:
                    room.handle_lines(lambda who, text, room=room: room.send(text, to=who))
                    peer.send("hello")
                    assert peer.receive(5) == "hello"
        finally:
            child.communicate()
    for wrong in (3.5, object(), b"x", ["x"]):
        with pytest.raises(InvalidValue):
            rawns.ping(wrong, "127.0.0.1")  # type: ignore[arg-type]
    for missing in ("rt-nowhere", "pid:0", "/nowhere"):
        with pytest.raises(FileNotFoundError):
            rawns.ping(missing, "127.0.0.1")
