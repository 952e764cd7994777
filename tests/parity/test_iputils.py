"""`rawns ping` beside iputils' ping: the same words on the same network, numbers of time aside."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pinging import answer, cable, icmp_packet, responder, run, settled, sysctl

from rawns import NetNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Ordinary

PING = shutil.which("ping")
pytestmark = pytest.mark.skipif(PING is None, reason="iputils' ping is not installed (apt-get install iputils-ping)")

Pair = tuple[NetNS, NetNS]
Said = tuple[str, str, int]


@pytest.fixture(scope="module", autouse=True)
def iputils() -> None:
    assert PING is not None
    version = subprocess.run([PING, "-V"], stdout=subprocess.PIPE, text=True).stdout
    if "iputils" not in version:
        pytest.skip(f"another ping than iputils': {version.strip()}")


@pytest.fixture(params=["raw", "datagram"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with cable() as both:
        if request.param == "datagram":  # no group may use one in a new namespace
            sysctl(both[0], "ipv4/ping_group_range", "0 0")
        yield both


def plain(text: str) -> str:
    """Times made equal; everything else as it is."""
    text = re.sub(r"time=[\d.]+ ms", "time=T ms", text)
    text = re.sub(r"time \d+ms", "time Tms", text)
    text = re.sub(r"^(rtt .*), pipe \d+", r"\1", text, flags=re.MULTILINE)  # says that a reply was slower than the interval
    return re.sub(r"\d+\.\d{3}(/\d+\.\d{3})*", "T", text)


def both(ns: NetNS, *words: str) -> tuple[Said, Said]:
    """What each of the two says in a namespace: standard output, standard error, exit status."""
    with ns.entered():
        theirs = run(["ping", *words], env={**os.environ, "LC_ALL": "C"})
        mine = run([sys.executable, "-m", "rawns", "ping", *words])
    said = [(plain(done.stdout), done.stderr, done.returncode) for done in (mine, theirs)]
    return said[0], said[1]


def same(ns: NetNS, *words: str) -> Said:
    mine, theirs = both(ns, *words)
    assert mine == theirs
    return mine


# -- peers that are there ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "-c3 -i0.01 10.0.0.2",
        "-c3 -i0.01 fd00::2",
        "-c1 127.0.0.1",
        "-c1 ::1",
        "-c1 -4 localhost",
        "-n -c1 localhost",
        "-c1 127.1",
        "-c1 0",
        "-q -c2 -i0.01 10.0.0.2",
        "-q -c20 -i0 10.0.0.2",
        "-c2 -i0 fd00::2",
        "10.0.0.2 -c 1",
        "-c1 -s0 10.0.0.2",
        "-c1 -s15 10.0.0.2",
        "-c1 -s16 10.0.0.2",
        "-c1 -s16 fd00::2",
        "-c1 -s1472 10.0.0.2",
        "-c1 -s3000 10.0.0.2",
        "-c1 -s3000 fd00::2",
        "-c1 -s65507 10.0.0.2",
        "-c1 -s65508 127.0.0.1",
        "-c1 -t1 10.0.0.2",
        "-c1 -t255 fd00::2",
        "-c1 -I 10.0.0.1 10.0.0.2",
        "-c1 -I a0 10.0.0.2",
        "-c1 -I fd00::1 fd00::2",
        "-c1 -I a0 fd00::2",
        "-c2 -w5 -i0.01 10.0.0.2",
        "-c1 -W0 10.0.0.2",
        "-c 010 -q -i0 10.0.0.2",
    ],
)
def test_answers(pair: Pair, words: str) -> None:
    assert same(pair[0], *words.split())[2] == (1 if "65508" in words else 0)


def test_link_local(pair: Pair) -> None:
    address = next(one.address for one in pair[1].net.addresses("b0") if one.address.startswith("fe80"))
    assert same(pair[0], "-c1", f"{address}%a0")[2] == 0


def test_link_local_without_an_interface(pair: Pair) -> None:
    """There is one link, so the kernel finds the peer without being told the interface."""
    address = next(one.address for one in pair[1].net.addresses("b0") if one.address.startswith("fe80"))
    for host in (address, address.upper()):
        same(pair[0], "-c1", "-W1", host)
    assert same(pair[0], "-c1", "-W1", "fe80::77")[2] == 1
    for host in ("fea0::77", "febf:ffff::77"):  # the kernel has no route for these; iputils does not print that
        mine, theirs = both(pair[0], "-c1", "-W0.05", host)
        assert (mine[0], mine[2]) == (theirs[0], theirs[2])


def test_link_local_multicast_without_an_interface(pair: Pair) -> None:
    same(pair[0], "-c1", "-W1", "ff02::1")
    assert same(pair[0], "-c1", "ff01::1")[2] == 2
    same(pair[0], "-c1", "-W0.05", "ff12::99")


@pytest.mark.parametrize("name", ["5", "10.0", "127.1", "0x7f", "1", "10.0.0.1a", "08"])
def test_an_interface_whose_name_could_be_a_number(pair: Pair, name: str) -> None:
    a, b = pair
    a.net.set_link("a0", up=False)
    a.net.set_link("a0", new_name=name)
    sysctl(a, f"ipv6/conf/{name}/accept_dad", "0")
    a.net.set_link(name, up=True)
    settled(a)
    assert same(a, "-c1", "-I", name, "10.0.0.2")[2] == 0
    address = next(one.address for one in b.net.addresses("b0") if one.address.startswith("fe80"))
    assert same(a, "-c1", f"{address}%{name}")[2] == 0


@pytest.mark.parametrize(
    "source",
    [
        "5",
        "10.0",
        "127.1",
        "0x7f.1",
        "127.0.0.1%lo",
        "1",
        "0",
        "127.0.0.1",
        "10.0.0.1",
        "::1%lo",
        "::1",
        "::g",
        "::1%nodev",
        ":",
        "%lo",
    ],
)
def test_sources_that_are_addresses_or_interfaces(pair: Pair, source: str) -> None:
    for host in ("127.0.0.1", "::1"):
        same(pair[0], "-c1", "-I", source, host)


# -- peers that are not --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["-c1 10.0.0.77", "-c2 -i0.002 10.0.0.78", "-q -c2 -i0.002 10.0.0.79", "-c1 fd00::77"])
def test_nobody_there(pair: Pair, words: str) -> None:
    assert same(pair[0], *words.split())[2] == 1


@pytest.mark.parametrize("words", ["-c1 -W0.05 10.0.0.2", "-c3 -i0.01 -W0.05 10.0.0.2", "-q -c1 -W0.05 10.0.0.2"])
def test_silence(pair: Pair, words: str) -> None:
    with responder(pair[1], lambda request: []):
        assert same(pair[0], *words.split())[2] == 1


def test_no_answer_before_the_deadline(pair: Pair) -> None:
    with responder(pair[1], lambda request: []):
        assert same(pair[0], "-w1", "-i0.6", "10.0.0.2")[2] == 1


@pytest.mark.parametrize("host", ["10.9.9.9", "fd99::1", "nonexistent.invalid", "", "fe80::1%nodev", "1.2.3.4.5", "10.0.0.255"])
def test_no_way_there(pair: Pair, host: str) -> None:
    assert same(pair[0], "-c1", host)[2] == 2


def test_no_network_at_all() -> None:
    with NetNS.create() as ns:
        for host in ("127.0.0.1", "::1", "10.0.0.1"):
            assert same(ns, "-c1", host)[2] == 2


def test_routes_that_refuse(pair: Pair) -> None:
    """Where b forwards: no route, and a time to live that ends there."""
    a, b = pair
    sysctl(b, "ipv4/ip_forward", "1")
    sysctl(b, "ipv4/icmp_ratelimit", "0")
    sysctl(b, "ipv6/conf/all/forwarding", "1")
    a.net.add_route("default", via="10.0.0.2")
    a.net.add_route("default", via="fd00::2")
    for words in ("-c1 10.9.9.9", "-c1 fd99::1"):
        assert same(a, *words.split())[2] == 1
    b.net.add_route("10.9.0.0/16", via="10.0.0.9")
    b.net.add_neighbour("b0", "10.0.0.9", "02:00:00:00:00:09")
    assert same(a, "-c1", "-t1", "10.9.9.8")[2] == 1
    if not datagrams(a):  # a datagram socket's redirects iputils takes for errors, with the gateway reversed
        said = same(a, "-c1", "-W0.1", "10.9.9.7")
        assert "Redirect Host(New nexthop: 10.0.0.9)" in said[0]


def datagrams(ns: NetNS) -> bool:
    with ns.entered():
        return Path("/proc/sys/net/ipv4/ping_group_range").read_text().split() == ["0", "0"]


# -- liars ---------------------------------------------------------------------------------------------------------------


def test_duplicates(pair: Pair) -> None:
    with responder(pair[1], lambda request: [answer(request)] * 3 if request[7] < 2 else [answer(request)]):
        assert "(DUP!)" in same(pair[0], "-c2", "-i0.05", "10.0.0.2")[0]


def test_a_wrong_byte(pair: Pair) -> None:
    with responder(pair[1], lambda request: [icmp_packet(0, 0, request[4:30] + b"\xff" + request[31:])]):
        assert "wrong data byte #22 should be 0x16 but was 0xff" in same(pair[0], "-c1", "10.0.0.2")[0]


def test_cut_short(pair: Pair) -> None:
    with responder(pair[1], lambda request: [icmp_packet(0, 0, request[4:30])]):
        assert "(truncated)" in same(pair[0], "-c1", "10.0.0.2")[0]


def test_a_wrong_checksum(pair: Pair) -> None:
    """A datagram socket never sees it.  On a raw one iputils computes the sum and forgets it; we use its words for it."""

    def wrong(request: bytes) -> list[bytes]:
        good = answer(request)
        return [good[:2] + bytes([good[2] ^ 1]) + good[3:], good]

    with responder(pair[1], wrong):
        mine, theirs = both(pair[0], "-c1", "10.0.0.2")
    if not datagrams(pair[0]):
        assert "(BAD CHECKSUM!)" in mine[0]
        shown = [line for line in mine[0].splitlines() if "CHECKSUM" not in line]
        mine = ("\n".join([*shown, ""]).replace(", +1 corrupted", ""), mine[1], mine[2])
    assert mine == theirs


def test_from_elsewhere(pair: Pair) -> None:
    pair[1].net.add_address("b0", "10.0.0.3/24")
    with responder(pair[1], lambda request: [answer(request)], source="10.0.0.3"):
        assert "(DIFFERENT ADDRESS!)" in same(pair[0], "-c1", "10.0.0.2")[0]


# -- words that are wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "-c 0 ::1",
        "-c -1 ::1",
        "-c x ::1",
        "-c 0x2 ::1",
        "-c 2x ::1",
        "-c 99999999999999999999 ::1",
        "-s -1 ::1",
        "-s 99999999999 ::1",
        "-t 256 ::1",
        "-t 0 -c1 127.0.0.1",
        "-w -1 ::1",
        "-w x ::1",
        "-W -1 ::1",
        "-W 1e10 ::1",
        "-i 1e10 ::1",
        "-i nan ::1",
        "-4 -6 ::1",
        "-4 ::1",
        "-6 127.0.0.1",
        "-I nodev 127.0.0.1",
        "-I nodev ::1",
        "-I 1.2.3.4 127.0.0.1",
        "-I fd77::1 ::1",
        "",
    ],
)
def test_refusals(words: str) -> None:
    with NetNS.create() as ns:
        ns.net.set_link("lo", up=True)
        assert same(ns, *words.split())[2] in (1, 2)


def test_an_empty_number() -> None:
    with NetNS.create() as ns:
        assert same(ns, "-c", "", "::1") == ("", "ping: invalid argument: ''\n", 1)


@pytest.mark.parametrize("words", ["-Z ::1", "-c", "127.0.0.1 ::1", "-h"])
def test_usage(words: str) -> None:
    """Each tells of its own options: only the first line and the status are alike."""
    with NetNS.create() as ns:
        (_, mine, status), (_, theirs, expected) = both(ns, *words.split())
    assert status == expected == 2
    assert mine.splitlines()[0] == theirs.splitlines()[0] or theirs.startswith("\nUsage")


def test_too_fast_for_an_ordinary_user(ordinary: Ordinary) -> None:
    with NetNS.create() as ns:
        ns.net.set_link("lo", up=True)
        sysctl(ns, "ipv4/ping_group_range", "65534 65534")
        with ns.entered():
            mine = ordinary.run([ordinary.python, "-m", "rawns", "ping", "-c1", "-i0.001", "127.0.0.1"])
            theirs = ordinary.run(["ping", "-c1", "-i0.001", "127.0.0.1"])
    assert sorted(mine.stdout.splitlines()) == sorted(theirs.stdout.splitlines())
    assert mine.returncode == theirs.returncode == 2
