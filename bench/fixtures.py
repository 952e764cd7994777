"""Measure what a network costs a test: two hosts and a wire, up and down, beside other tools; and tests on one worker and two.

    python3 bench/fixtures.py [--rounds 100] [--only NAME,...]      as root, or as an ordinary user: then in a user namespace
    python3 bench/fixtures.py --workers [--tests 200]               needs pytest-xdist
    python3 bench/fixtures.py --carrier                             a link that fails; needs a C compiler
    python3 bench/fixtures.py --startup                             what the plugin adds to pytest's start while it is off

The implementations run in turn, A B C, then B C A.  Each creates two namespaces and a veth pair with an address at each end, both
ends and ``lo`` up, and takes all of it down; the time is that until the call returns.  The kernel frees the namespaces later:
the script waits for that between two runs.  ``munet`` starts processes of its own and needs root.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import median, quantiles
from time import perf_counter

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from rawns import Lab  # noqa: E402
from rawns.lab.wait import RemovalWait  # noqa: E402
from rawns.testing import ManagedHost, ManagedLab  # noqa: E402
from rawns.testing.session import TestSession, TestState  # noqa: E402

IFF_LOWER_UP = 1 << 16  # <linux/if.h>
PATIENCE = 60.0  # seconds for the kernel's clean-up


def fixture(session: TestSession) -> None:
    """Do what the fixture `lab` does for a test that brings up two hosts and a wire: with the watch for leaks."""
    state = TestState(session, "test_bench", PROJECT, PROJECT)
    state.begin()
    state.watch()
    with state.empty_lab() as lab:
        wired(lab)
    left = state.end()
    assert not left, left


def wired(lab: ManagedLab) -> None:
    """Bring up two hosts without names, and a wire."""
    a, b = lab.netns(label="a"), lab.netns(label="b")
    lab.wire(a.port("eth0", "10.0.0.1/24"), b.port("eth0", "10.0.0.2/24"))
    lab.up()


def plain_lab() -> None:
    """Do the same with a `Lab` alone, without a wait and without the watch."""
    with Lab("bench") as lab:
        a, b = lab.netns(), lab.netns()
        lab.wire(a.port("eth0", "10.0.0.1/24"), b.port("eth0", "10.0.0.2/24"))
        lab.up()


SCRIPT = """
set -e
ip netns add bench-a; ip netns add bench-b
ip -n bench-a link add eth0 type veth peer name eth0 netns bench-b
for x in a b; do ip -n bench-$x link set lo up; done
ip -n bench-a addr add 10.0.0.1/24 dev eth0; ip -n bench-b addr add 10.0.0.2/24 dev eth0
ip -n bench-a link set eth0 up; ip -n bench-b link set eth0 up
ip netns del bench-a; ip netns del bench-b
"""


def ip_script() -> None:
    """Run a script of the real `ip`."""
    subprocess.run(["sh", "-c", SCRIPT], check=True)


def pyroute2_fixture() -> Callable[[], None]:
    """Return the same with pyroute2, as its own tests do it: `NetNS` and `IPRoute`."""
    from pyroute2 import NetNS, netns

    def run() -> None:
        try:
            with NetNS("bench-a", flags=os.O_CREAT) as a, NetNS("bench-b", flags=os.O_CREAT) as b:
                a.link("add", ifname="eth0", kind="veth", peer={"ifname": "eth0", "net_ns_fd": "bench-b"})
                for one, address in ((a, "10.0.0.1"), (b, "10.0.0.2")):
                    index = one.link_lookup(ifname="eth0")[0]
                    one.addr("add", index=index, address=address, prefixlen=24)
                    one.link("set", index=index, state="up")
                    one.link("set", index=1, state="up")
        finally:
            netns.remove("bench-a")
            netns.remove("bench-b")

    return run


def munet_fixture() -> Callable[[], None]:
    """Return the same with munet: two hosts and a link between them."""
    import asyncio
    import logging

    from munet.native import Munet

    logging.disable(logging.CRITICAL)

    async def build() -> None:
        directory = tempfile.mkdtemp(prefix="rawns-munet-")
        net = Munet(rundir=directory, isolated=False, config={}, pid=False)
        try:
            a, b = net.add_l3_node("a", {}), net.add_l3_node("b", {})
            await net.add_native_link(a, b, {"ip": "10.0.0.1/24"}, {"ip": "10.0.0.2/24"})
        finally:
            await net.async_delete()
            shutil.rmtree(directory, ignore_errors=True)

    return lambda: asyncio.run(build())


def implementations(only: set[str]) -> dict[str, Callable[[], None]]:
    """Return what can run here; say what cannot, and why."""
    session = TestSession("auto")
    if session.isolation is None:
        raise SystemExit(session.reason)
    print(f"isolation: {session.isolation.mode}; user {os.getuid()}; load {os.getloadavg()[0]:.2f}")
    TestState(session, "test_bench", PROJECT, PROJECT).begin()  # `ip netns` cannot return to the machine's network otherwise
    found: dict[str, Callable[[], None]] = {"fixture": lambda: fixture(session), "lab": plain_lab}
    makers: dict[str, Callable[[], Callable[[], None]]] = {
        "ip": lambda: ip_script,
        "pyroute2": pyroute2_fixture,
        "munet": munet_fixture,
    }
    for name, make in makers.items():
        if only and name not in only:
            continue
        try:
            run = make()
            run()
            found[name] = run
        except Exception as error:
            print(f"{name} cannot run: {type(error).__name__}: {str(error)[:200]}")
    return {name: run for name, run in found.items() if not only or name in only}


def settled() -> None:
    """Wait until the kernel has freed the namespaces that have been deleted."""
    with RemovalWait([], PATIENCE):
        pass


def interleaved(found: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each run of each implementation; the first round does not count."""
    names, spent = list(found), {name: list[float]() for name in found}
    for number in range(rounds + 1):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            settled()
            start = perf_counter()
            found[name]()
            if number:
                spent[name].append(perf_counter() - start)
    return spent


def show(spent: dict[str, list[float]]) -> None:
    """Print a table of medians."""
    first = median(next(iter(spent.values())))
    print(f"| {'':<20} | median | p90 | times the fixture |\n|---|---|---|---|")
    for name, times in spent.items():
        p90 = quantiles(times, n=10)[-1] * 1000 if len(times) > 9 else float("nan")
        print(f"| {name:<20} | {median(times) * 1000:.2f} ms | {p90:.2f} ms | {median(times) / first:.1f} |")


# -- workers ------------------------------------------------------------------------------------------------------------

TESTS = """
import pytest

@pytest.mark.parametrize("number", range({tests}))
def test_lab(lab, number):
    a, b = lab.netns(label="a"), lab.netns(label="b")
    lab.wire(a.port("eth0", "10.0.0.1/24"), b.port("eth0", "10.0.0.2/24"))
    lab.up()
    assert a.run(["true"]).returncode == 0
"""


CONFTEST = """
import os, time
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol():
    start = time.monotonic()
    answer = yield
    with open(f"times-{os.getpid()}", "a") as file:
        file.write(f"{start} {time.monotonic()}\\n")
    return answer
"""


def workers(tests: int, rounds: int) -> None:
    """Print the throughput of tests on one worker and on two: from the beginning of the first test to the end of the last one."""
    plugins = ["-p", "xdist.plugin", "-p", "rawns.pytest_plugin", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def run(count: int) -> float:
        with tempfile.TemporaryDirectory() as directory:
            Path(directory, "test_bench.py").write_text(TESTS.format(tests=tests))
            Path(directory, "conftest.py").write_text(CONFTEST)
            command = [sys.executable, "-m", "pytest", "-q", *plugins, "--rawns-isolation=auto", "-n", str(count)]
            subprocess.run(command, cwd=directory, env=environment, check=True, stdout=subprocess.DEVNULL)
            times = [line.split() for file in Path(directory).glob("times-*") for line in file.read_text().splitlines()]
            return max(float(end) for _, end in times) - min(float(start) for start, _ in times)

    spent: dict[int, list[float]] = {1: [], 2: []}
    for number in range(rounds):
        for count in sorted(spent, reverse=bool(number % 2)):
            spent[count].append(run(count))
    one, two = (median(spent[count]) for count in (1, 2))
    print(f"load {os.getloadavg()[0]:.2f}; {tests} tests: {one:.2f} s on one worker, {two:.2f} s on two")
    print(f"throughput of two: {one / two:.2f} times that of one")


# -- a link that fails ----------------------------------------------------------------------------------------------------


def carrier(rounds: int) -> None:
    """Print the time from `Lab.set_down` until the other end's monitor reports that the carrier is gone, beside plain C.

    The kernel reports a lost carrier once a second at most (net/core/link_watch.c), which is nearly all of it.
    """
    session = TestSession("auto")
    state = TestState(session, "carrier", PROJECT, PROJECT)
    state.begin()
    batches, each = max(1, rounds // 5), 5
    with state.empty_lab() as lab, tempfile.TemporaryDirectory() as directory:
        a, b = lab.netns(label="a"), lab.netns(label="b")
        lab.wire(a.port("eth0", "10.0.0.1/24"), b.port("eth0", "10.0.0.2/24"))
        lab.up()
        program = f"{directory}/carrier"
        subprocess.run(["cc", "-O2", "-o", program, str(Path(__file__).with_name("carrier.c"))], check=True)
        paths = [f"/proc/{os.getpid()}/fd/{host.fileno()}" for host in (a, b)]
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(batches + 1):  # in turn; the first batch does not count
            done = subprocess.run([program, *paths, "eth0", str(each)], check=True, capture_output=True, text=True)
            theirs += [int(line) / 1e9 for line in done.stdout.split()]
            ours += [fail_and_mend(lab, b) for _ in range(each)]
        one, other = median(ours[each:]), median(theirs[each:])
        print(
            f"load {os.getloadavg()[0]:.2f}; from down to the event at the other end: {one * 1e6:.0f} us, C {other * 1e6:.0f} us"
        )
        print(f"times C: {one / other:.2f}")


def fail_and_mend(lab: ManagedLab, far: ManagedHost) -> float:
    """Set a link down and up again; return the seconds until the other end has lost its carrier."""

    def until(carrier: bool) -> None:
        flags: list[int] = []
        while not any(bool(one & IFF_LOWER_UP) == carrier for one in flags):
            flags = [event.body["ifi_flags"] for event in monitor.receive(PATIENCE) if event.name == "RTM_NEWLINK"]

    with far.monitor("link") as monitor:
        start = perf_counter()
        lab.set_down("a:eth0")
        until(False)
        took = perf_counter() - start
        lab.set_up("a:eth0")
        until(True)
        return took


# -- the start of pytest ------------------------------------------------------------------------------------------------


def startup(rounds: int) -> None:
    """Print how much processor time pytest takes to collect one test without the plugin, and with it but without isolation.

    Without it, an empty plugin is named instead: for any ``-p NAME`` pytest reads the metadata of all installed packages, which
    takes several times as long as what the plugin does, and which pytest does anyway where plugins are loaded automatically.
    """
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "test_bench.py").write_text("def test_nothing():\n    pass\n")
        Path(directory, "empty_plugin.py").write_text("")
        environment = {**os.environ, "PYTHONPATH": f"{PROJECT}:{directory}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # the first round, which does not count, writes the caches
        ways = {"without": ["-p", "empty_plugin"], "with": ["-p", "rawns.pytest_plugin"]}
        spent: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(rounds + 1):
            for way in sorted(ways, reverse=bool(number % 2)):
                command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", *ways[way]]
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                subprocess.run(command, cwd=directory, env=environment, check=True, stdout=subprocess.DEVNULL)
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                if number:
                    spent[way].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        without, with_ = (median(spent[way]) * 1000 for way in ways)
        lower, upper = difference(spent["with"], spent["without"])
        print(f"collecting one test takes {without:.1f} ms of processor time without the plugin, {with_:.1f} ms with it")
        print(f"difference of the medians: {with_ - without:.2f} ms (95%: {lower:.2f} to {upper:.2f} ms)")


def difference(one: list[float], other: list[float]) -> tuple[float, float]:
    """Return the interval, in milliseconds, that holds the difference of the medians with 95% confidence (bootstrap)."""
    random = Random(1)

    def drawn(values: list[float]) -> float:
        return median(random.choices(values, k=len(values)))

    found = sorted((drawn(one) - drawn(other)) * 1000 for _ in range(2000))
    return found[50], found[-51]


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=0, help="default: 100; --workers 5, --carrier 20, --startup 40")
    parser.add_argument("--only", default="", help="of fixture,lab,ip,pyroute2,munet")
    parser.add_argument("--workers", action="store_true", help="measure tests on one worker and on two instead")
    parser.add_argument("--carrier", action="store_true", help="measure how soon a failing link is reported instead")
    parser.add_argument("--startup", action="store_true", help="measure the start of pytest instead")
    parser.add_argument("--tests", type=int, default=200)
    options = parser.parse_args()
    print(f"python3 {' '.join(sys.argv)}; CPython {sys.version.split()[0]}, Linux {os.uname().release}")
    if options.workers:
        workers(options.tests, options.rounds or 5)
    elif options.carrier:
        carrier(options.rounds or 20)
    elif options.startup:
        startup(options.rounds or 40)
    else:
        show(interleaved(implementations(set(filter(None, options.only.split(",")))), options.rounds or 100))


if __name__ == "__main__":
    main()
