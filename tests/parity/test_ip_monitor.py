"""`rawns ip monitor` beside the real `ip monitor`: both watch their universe while the same commands run in both."""

from __future__ import annotations

import difflib
import os
import re
import shlex
import shutil
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from universe import Both, Universe, fresh, two_universes  # noqa: F401 (the fixture `both`)

from rawns import rtnl, uapi
from rawns.nlmsg import Request
from rawns.wire import Message

COMMANDS = """
ip addr add 10.5.0.1/24 dev v2
ip route add 10.9.0.0/16 via 10.5.0.2
ip route del 10.9.0.0/16
ip -6 route add fd77::/64 dev v2
ip neigh add 10.5.0.7 lladdr 02:00:00:00:00:07 dev v2
ip neigh del 10.5.0.7 dev v2
ip rule add pref 77 lookup 99
ip -6 rule add pref 78 lookup 99
ip rule del pref 77
ip nexthop add id 3 dev v2
ip nexthop del id 3
ip netns set a 7
sh -c "echo 1 >/proc/sys/net/ipv4/conf/v2/forwarding"
sh -c "echo 2 >/proc/sys/net/ipv4/conf/v2/rp_filter"
ip addrlabel add prefix fd00::/64 label 9
ip link add br9 address 02:00:00:00:00:99 index 90 type bridge
ip link set v2 alias second
ip link set v2 mtu 1400
ip link set br9 mtu 1300
ip link set br9 group 5
ip link del br9
ip addr del 10.5.0.1/24 dev v2
ip rule add pref 9999 lookup 99
ip route add 203.0.113.0/24 dev v2
"""
LAST = ("203.0.114.0/24", "fd78::/64")
SECONDS = 30
LINKS_UP = 2  # of those that `universe.SETUP` makes
PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def _listens(process: subprocess.Popen[bytes]) -> list[list[str]]:
    """Return the lines of /proc/net/netlink that are about sockets in a multicast group, in a process's namespace."""
    table = Path(f"/proc/{process.pid}/net/netlink").read_text()
    return [words for words in map(str.split, table.splitlines()[1:]) if int(words[3], 16)]


def _wait_until_it_listens(process: subprocess.Popen[bytes]) -> None:
    """Wait until a process has joined a multicast group of netlink."""
    deadline = time.monotonic() + SECONDS
    outside = os.stat("/proc/self/ns/net").st_ino
    while os.stat(f"/proc/{process.pid}/ns/net").st_ino == outside or not _listens(process):
        assert process.poll() is None and time.monotonic() < deadline, "the monitor does not listen"
        time.sleep(0.02)


def _wait_until_links_are_up(universe: Universe) -> None:
    """Wait until the kernel has given both ends of a link their addresses: the events of that are over then."""
    deadline = time.monotonic() + SECONDS
    while universe.run(["ip", "-6", "route", "show", "table", "local"], env=PATH).stdout.count(b"local fe80") < LINKS_UP:
        assert time.monotonic() < deadline, "the links do not come up"
        time.sleep(0.02)


@contextmanager
def bounded(monitor: subprocess.Popen[bytes]) -> Iterator[None]:
    """End a monitor with the block, or after `SECONDS`: one that misses the last event ends the test, not the suite."""
    limit = threading.Timer(SECONDS, monitor.kill)
    limit.start()
    try:
        yield
    finally:
        limit.cancel()
        limit.join()
        monitor.kill()
        monitor.wait()
        for stream in filter(None, (monitor.stdin, monitor.stdout, monitor.stderr)):
            stream.close()


ATTEMPTS = 3


def _watch(universe: Universe, words: str, commands: str) -> tuple[int, str]:
    """Return how a monitor has ended, and what it printed until the last of the commands."""
    _wait_until_links_are_up(universe)
    universe.settle()
    monitor = universe.start([*universe.program, *shlex.split(words)])
    assert monitor.stdout is not None and monitor.stdin is not None
    with bounded(monitor):
        _wait_until_it_listens(monitor)
        for command in filter(None, commands.splitlines()):
            done = universe.run(shlex.split(command))
            assert done.returncode == 0, (command, done.stderr)
        lines = []
        for line in monitor.stdout:
            if b" lladdr 33:33:" in line or b" lladdr 01:00:5e:" in line:
                continue  # the kernel removes neighbours of multicast addresses when it is time
            # The labels of what is not shown (such an entry, or another device's) stand before that of the next line.
            lines.append(re.sub(r"^(\[[A-Z]+\])+(?=\[[A-Z])", "", line.decode()))
            if any(prefix in lines[-1] for prefix in LAST):
                break
        monitor.terminate()  # not by SIGINT, which a shell in the background ignores for its children
        return monitor.wait(SECONDS), "".join(lines)


@pytest.mark.parametrize(
    "words",
    [
        "monitor all",
        "monitor",
        "-d monitor label",
        "-o monitor label all-nsid",
        "-4 monitor all",
        "-N -s monitor route nexthop rule",
        "-j monitor route link",
        "-br monitor address link route",
        "monitor label dev v2",
        "-6 monitor all link route address",
    ],
)
def test_the_same_events(words: str) -> None:
    last = "ip -6 route add fd78::/64 dev v2" if words.startswith("-6") else "ip route add 203.0.114.0/24 dev v2"
    for _ in range(ATTEMPTS):  # the real one sometimes misses the first events, though it has joined the groups
        with fresh() as both:
            real, ours = (_watch(universe, words, COMMANDS + last) for universe in (both.real, both.ours))
        different = list(difflib.unified_diff(real[1].splitlines(), ours[1].splitlines(), "real", "ours", n=0, lineterm=""))
        if not different:
            break
    assert not different, "\n".join(different)
    assert real[1].count("\n") > 3


# -- files of rtmon(8) ----------------------------------------------------------------------------------------------------


def message(described: Message, **body: Any) -> bytes:
    return Request(described, body, 0).pack(0)


def stored() -> bytes:
    """Return messages that no kernel here sends, or not at will; what they are is compared in tests/unit."""
    ways = "rx_packets tx_packets rx_bytes tx_bytes rx_errors tx_errors rx_dropped tx_dropped".split()
    counters = {name: number * 1000 for number, name in enumerate(ways)}
    info = {"IFLA_OFFLOAD_XSTATS_HW_S_INFO_REQUEST": 1, "IFLA_OFFLOAD_XSTATS_HW_S_INFO_USED": 0}
    offload = {"IFLA_OFFLOAD_XSTATS_HW_S_INFO": {"IFLA_OFFLOAD_XSTATS_L3_STATS": info}}
    stats = {"ifindex": 11, "IFLA_STATS_LINK_64": counters, "IFLA_STATS_LINK_OFFLOAD_XSTATS": offload}
    route: dict[str, Any] = {
        "rtm_family": uapi.RTNL_FAMILY_IPMR,
        "rtm_dst_len": 32,
        "rtm_type": uapi.RTN_MULTICAST,
        "RTA_TABLE": 253,
    }
    route |= {"RTA_SRC": "10.0.0.5", "RTA_DST": "239.1.1.1", "RTA_EXPIRES": 1234}
    route["RTA_MFC_STATS"] = {"mfcs_packets": 4, "mfcs_bytes": 5, "mfcs_wrong_if": 6}
    hops: dict[str, Any] = {
        "RTA_IIF": 11,
        "RTA_MULTIPATH": [{"rtnh_hops": 1, "rtnh_ifindex": 13}, {"rtnh_hops": 4, "rtnh_ifindex": 12}],
    }
    unresolved = {"rtm_flags": uapi.RTNH_F_UNRESOLVED | uapi.RTNH_F_OFFLOAD, "rtm_table": 254, "RTA_TABLE": 254}
    prefix = {"prefix_family": uapi.AF_INET6, "prefix_ifindex": 11, "prefix_type": 3, "prefix_len": 64}
    bucket = {"NHA_RES_BUCKET_INDEX": 1, "NHA_RES_BUCKET_IDLE_TIME": 5, "NHA_RES_BUCKET_NH_ID": 3}
    label = {"ifal_family": uapi.AF_INET6, "ifal_prefixlen": 64, "ifal_index": 11, "IFAL_ADDRESS": "fd00::", "IFAL_LABEL": 4}
    lifetimes = {"preferred_time": 10, "valid_time": 20}
    return b"".join(
        [
            message(rtnl.NEWSTATS, **stats),
            message(rtnl.NEWSTATS, ifindex=99),
            message(rtnl.NEWROUTE, **route, **hops),
            message(rtnl.DELROUTE, **route, **hops),
            message(rtnl.NEWROUTE, **{**route, **unresolved}),
            message(rtnl.NEWROUTE, rtm_family=uapi.RTNL_FAMILY_IP6MR, rtm_type=uapi.RTN_MULTICAST, RTA_MULTIPATH=[]),
            message(rtnl.NEWPREFIX, **prefix, prefix_flags=3, PREFIX_ADDRESS="fd00::", PREFIX_CACHEINFO=lifetimes),
            message(rtnl.NEWPREFIX, **{**prefix, "prefix_ifindex": 99}),
            message(rtnl.NEWPREFIX, **{**prefix, "prefix_family": uapi.AF_INET}),
            message(rtnl.NEWPREFIX, **{**prefix, "prefix_type": 4}),
            message(rtnl.NEWNEXTHOPBUCKET, NHA_ID=5, NHA_RES_BUCKET=bucket),
            message(rtnl.DELNEXTHOPBUCKET, NHA_ID=5, NHA_RES_BUCKET=bucket),
            message(rtnl.DELNETCONF, ncm_family=uapi.AF_INET, NETCONFA_IFINDEX=11),
            message(rtnl.NEWNETCONF, ncm_family=uapi.AF_MPLS, NETCONFA_IFINDEX=12, NETCONFA_INPUT=1),
            message(rtnl.DELADDRLABEL, **label),
            message(rtnl.NEWNSID, NETNSA_NSID=4),
            message(rtnl.DELNSID, NETNSA_NSID=4),
            message(rtnl.DELLINK, ifi_index=12, IFLA_IFNAME="v2", IFLA_MTU=1500),
            message(rtnl.NEWQDISC, TCA_KIND="fq"),  # of no group that `ip` joins
            struct.pack("=IHHIIII", 24, 15, 0, 0, 0, 1700000000, 1234),  # the time, as rtmon(8) notes it
            struct.pack("=IHHII", 16, 200, 7, 0, 0),
            struct.pack("=IHHIIII", 24, uapi.NLMSG_ERROR, 0, 0, 0, 0, 0),
        ]
    )


DAMAGED = {
    "stray bytes": b"abc",
    "too short a length": struct.pack("=IHHII", 15, 16, 0, 0, 0),
    "a negative length": struct.pack("=IHHII", 0xFFFFFFF0, 16, 0, 0, 0),
    "too long a length": struct.pack("=IHHII", 20000, 16, 0, 0, 0) + bytes(30),
    "a part of a message": struct.pack("=IHHII", 100, 16, 0, 0, 0) + bytes(30),
    "nothing": b"",
}
OPTIONS = [
    "",
    "-d",
    "-s",
    "-o",
    "-j",
    "-j -p",
    "-4",
    "-6",
    "-B",
    "-0",
    "-M",
    "-br",
    "-c=always",
    "-N",
    "-r",
    "-d -s -o",
    "-iec -h -s",
]


def test_stored_events(both: Both, tmp_path: Path) -> None:
    """The file begins with all that the real `ip` knows, and ends with what it does not; each option changes some of it."""
    (tmp_path / "all").write_bytes(stored())
    lines = [f"{option} monitor file {tmp_path}/all {words}" for option in OPTIONS for words in ("", "all", "dev v1")]
    for number, damage in enumerate(DAMAGED.values()):
        (tmp_path / str(number)).write_bytes(message(rtnl.NEWNSID, NETNSA_NSID=4) + damage)
        lines.append(f"monitor file {tmp_path}/{number}")
    found = both.differences("\n".join(lines), same_help=True)
    timed = f"-t monitor file {tmp_path}/all all\n-ts monitor file {tmp_path}/all"
    found += both.differences(timed, r"\d\d:\d\d:\d\d(\.\d{6})?|\b\d{1,6}(?= usec)")
    assert not found, "\n".join(found)


# -- events that are lost -------------------------------------------------------------------------------------------------

EVENTS = 10_000
OVERRUN = "netlink receive error No buffer space available (105)"


def _flooded(universe: Universe) -> tuple[set[str], str]:
    """Return the errors of a monitor whose buffer was too small for a flood of events, and the last event that it shows.

    It is stopped while the events come.  A link changes its name meanwhile.
    """
    monitor = universe.start([*universe.program, "-rc", "4096", "monitor", "route"], stderr=subprocess.PIPE)
    assert monitor.stdin is not None and monitor.stdout is not None and monitor.stderr is not None
    limit = threading.Timer(SECONDS, monitor.kill)
    limit.start()
    lines: SimpleQueue[bytes] = SimpleQueue()

    def read() -> None:
        for line in monitor.stdout or ():
            lines.put(line)
        lines.put(b"")

    reader = threading.Thread(target=read)
    try:
        _wait_until_it_listens(monitor)
        reader.start()
        universe.prepare("route add 203.0.113.0/24 dev v2\n")
        assert lines.get(timeout=SECONDS), "it has read the names of links before it shows an event"
        monitor.send_signal(signal.SIGSTOP)  # else it could find its buffer empty before the name changes
        os.waitid(os.P_PID, monitor.pid, os.WSTOPPED | os.WNOWAIT)
        prefixes = [f"11.{number >> 8}.{number & 255}.0/24 dev v2" for number in range(EVENTS // 2)]
        universe.prepare("".join([f"route add {prefix}\nroute del {prefix}\n" for prefix in prefixes]))
        universe.prepare("link set v2 down\nlink set v2 name w2\nlink set w2 up\n")
        monitor.send_signal(signal.SIGCONT)
        errors = monitor.stderr.readline()
        while any(int(words[4]) for words in _listens(monitor)):  # bytes that wait for it
            time.sleep(0.01)
        universe.prepare("route add 203.0.114.0/24 dev w2\n")
        for line in iter(lines.get, b""):
            if line.startswith(b"203.0.114.0/24"):
                break
        monitor.terminate()  # not by SIGINT, which a shell in the background ignores for its children
        monitor.wait(SECONDS)
        return {*(errors + monitor.stderr.read()).decode().splitlines()}, line.decode()
    finally:
        limit.cancel()
        limit.join()
        monitor.kill()
        monitor.wait()
        if reader.is_alive():
            reader.join()
        for stream in (monitor.stdin, monitor.stdout, monitor.stderr):
            stream.close()


def test_lost_events_are_reported_and_the_state_is_right_again(both: Both) -> None:
    """The real `ip` goes on with the old name of the link: the manual says so."""
    assert _flooded(both.real) == ({OVERRUN}, "203.0.114.0/24 dev v2 scope link \n")
    assert _flooded(both.ours) == ({OVERRUN}, "203.0.114.0/24 dev w2 scope link \n")


# -- names of namespaces --------------------------------------------------------------------------------------------------


def _texts(directory: Path) -> str:
    """Return the contents of all files of a directory; descriptors come and go while a program starts."""
    found = ""
    for path in directory.iterdir():
        try:
            found += path.read_text()
        except FileNotFoundError:
            pass
    return found


def _names(universe: Universe) -> list[bytes]:
    """Return what `ip netns monitor` prints while names come and go."""
    monitor = universe.start(["stdbuf", "-oL", *universe.program, "netns", "monitor"])  # the real `ip` does not flush
    assert monitor.stdin is not None and monitor.stdout is not None
    with bounded(monitor):
        deadline, descriptors = time.monotonic() + SECONDS, Path(f"/proc/{monitor.pid}/fdinfo")
        while "inotify wd" not in _texts(descriptors):
            assert time.monotonic() < deadline, "the monitor does not watch"
            time.sleep(0.02)
        universe.prepare("netns add c\nnetns del c\nnetns add d\n")
        return [monitor.stdout.readline() for _ in range(3)]


def test_names_of_namespaces(both: Both) -> None:
    if shutil.which("stdbuf") is None:
        pytest.skip("stdbuf is not installed")
    assert _names(both.real) == _names(both.ours) == [b"add c\n", b"delete c\n", b"add d\n"]


WRONG = """
monitor help
monitor nothing
monitor dev nope
monitor dev
monitor file
monitor file /nonexistent
monitor link file /dev/null
"""


def test_wrong_words(both: Both) -> None:
    found = both.differences(WRONG, same_help=True)
    assert not found, "\n".join(found)
