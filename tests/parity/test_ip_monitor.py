"""`rawns ip monitor` beside the real `ip monitor`: both watch their universe while the same commands run in both."""

from __future__ import annotations

import difflib
import os
import shlex
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from universe import Both, Universe, two_universes  # noqa: F401 (the fixture `both`)

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


def _wait_until_it_listens(process: subprocess.Popen[bytes]) -> None:
    """Wait until a process has joined a multicast group of netlink."""
    deadline = time.monotonic() + SECONDS
    table = Path(f"/proc/{process.pid}/net/netlink")
    outside = os.stat("/proc/self/ns/net").st_ino
    while os.stat(f"/proc/{process.pid}/ns/net").st_ino == outside or not any(
        int(line.split()[3], 16) for line in table.read_text().splitlines()[1:]
    ):
        assert process.poll() is None and time.monotonic() < deadline, "the monitor does not listen"
        time.sleep(0.02)


def _watch(universe: Universe, words: str, commands: str) -> tuple[int, str]:
    """Return how a monitor ended by SIGINT, and what it printed until the last of the commands."""
    monitor = universe.start([*universe.program, *shlex.split(words)])
    assert monitor.stdout is not None and monitor.stdin is not None
    limit = threading.Timer(SECONDS, monitor.kill)  # a monitor that misses the last event ends the test, not the suite
    limit.start()
    try:
        _wait_until_it_listens(monitor)
        for command in filter(None, commands.splitlines()):
            done = universe.run(shlex.split(command))
            assert done.returncode == 0, (command, done.stderr)
        lines = []
        for line in monitor.stdout:
            lines.append(line.decode())
            if any(prefix in lines[-1] for prefix in LAST):
                break
        monitor.send_signal(signal.SIGINT)
        return monitor.wait(SECONDS), "".join(lines)
    finally:
        limit.cancel()
        limit.join()
        monitor.kill()
        monitor.wait()
        monitor.stdin.close()
        monitor.stdout.close()


@pytest.mark.parametrize(
    "words",
    [
        "monitor all",
        "monitor",
        "-d monitor label",
        "-o monitor label all-nsid",
        "-4 monitor all",
        "-N -s monitor route nexthop rule",
        "-br monitor address link route",
        "monitor label dev v2",
        "-6 monitor all link route address",
    ],
)
def test_the_same_events(both: Both, words: str) -> None:
    last = "ip -6 route add fd78::/64 dev v2" if words.startswith("-6") else "ip route add 203.0.114.0/24 dev v2"
    real, ours = (_watch(universe, words, COMMANDS + last) for universe in (both.real, both.ours))
    different = list(difflib.unified_diff(real[1].splitlines(), ours[1].splitlines(), "real", "ours", n=0, lineterm=""))
    assert not different, "\n".join(different)
    assert real[1].count("\n") > 3


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
