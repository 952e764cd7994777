"""Measure what a standing star costs besides being built: `up` again unchanged, `down`, and memory.

    python3 bench/labs.py [--hosts 1000] [--rounds 3]          as root, or under `python3 -m rawns rootless`

Each round builds the star twice, once by name (a standing lab) and once nameless; medians.  Links are deleted one by one
from a star of a hundred, because it would take half a minute with a thousand.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rawns import Interrupted, Lab, RawnsError  # noqa: E402
from rawns.events import wait_until  # noqa: E402
from rawns.lab import Host  # noqa: E402

PATIENCE = 120.0  # seconds for the kernel's clean-up
FEW = 100  # hosts whose links are deleted one by one


def star(hosts: int, name: str = "") -> Lab:
    """Describe hosts on a bridge, each with an address; with a ``name`` as a standing lab."""
    lab = Lab(name or "star", standing=bool(name))
    switch = lab.bridge("br0")
    for number in range(hosts):
        host = lab.netns(f"{name}.h{number}", f"h{number}") if name else lab.netns()
        lab.wire(switch.port(), host.port("eth0", f"10.9.{number // 250}.{number % 250 + 1}/16"))
    return lab


def timed(what: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    start = perf_counter()
    what()
    return perf_counter() - start


def rest(lab: Lab) -> None:
    """Wait until the kernel has finished duplicate address detection, which slows down others for a second or two."""

    def settled(host: Host) -> bool:
        try:
            return not any(one.tentative for one in host.net.addresses())
        except Interrupted:
            return False  # they changed while they were listed

    for host in lab.hosts:
        with host.monitor("address") as monitor:
            wait_until(partial(settled, host), monitor, timeout=PATIENCE)
        host.release()


def one_round(hosts: int, name: str) -> dict[str, float]:
    """Build both stars once and return the seconds of each step."""
    spent: dict[str, float] = {}
    for kind, called in (("named", name), ("nameless", "")):
        lab = star(hosts, called)
        try:
            spent[f"{kind}, up"] = timed(lab.up)
            rest(lab)
            again = star(hosts, called) if called else lab
            spent[f"{kind}, up again"] = timed(again.up)
        finally:
            spent[f"{kind}, down until gone"] = timed(lambda lab=lab: lab.down(wait=PATIENCE))  # type: ignore[misc]
    return spent


def one_by_one(hosts: int) -> float:
    """Return the seconds for each link if links are deleted one after the other."""
    lab = star(hosts)
    try:
        lab.up()
        start = perf_counter()
        for host in lab.hosts[1:]:
            host.net.delete_link("eth0")
        return (perf_counter() - start) / hosts
    finally:
        lab.down(wait=PATIENCE)


def kept(hosts: int, name: str) -> tuple[float, float]:
    """Return the bytes of Python's memory and the descriptors that a lab keeps for each host while it is up."""
    tracemalloc.start()
    before, open_before = tracemalloc.get_traced_memory()[0], len(os.listdir("/proc/self/fd"))
    lab = star(hosts, name)
    try:
        lab.up()
        size, held = tracemalloc.get_traced_memory()[0] - before, len(os.listdir("/proc/self/fd")) - open_before
    finally:
        tracemalloc.stop()
        lab.down(wait=PATIENCE)
    return size / hosts, held / hosts


def report(hosts: int, rounds: int) -> None:
    """Measure and print everything."""
    name = f"bench-{os.getpid()}"
    found = [one_round(hosts, name) for _ in range(rounds)]
    middle = {step: median(one[step] for one in found) for step in found[0]}
    print(f"a star of {hosts} hosts on a bridge, medians of {rounds} rounds\n")
    for step, seconds in middle.items():
        print(f"{step:<28}{seconds * 1000:10.1f} ms   {seconds / hosts * 1e6:8.1f} us a host")
    for kind in ("named", "nameless"):
        print(f"{kind}: up again / up        {middle[f'{kind}, up again'] / middle[f'{kind}, up']:10.2f}")
    each = one_by_one(min(hosts, FEW))
    faster = each * hosts / middle["nameless, down until gone"]
    print(f"links deleted one by one    {each * 1000:10.1f} ms each; down until gone is {faster:.0f} times faster")
    for kind, called in (("named", name), ("nameless", "")):
        size, held = kept(min(hosts, FEW), called)
        print(f"{kind}: {size / 1024:.2f} KiB of Python's memory and {held:.2f} descriptors a host")
    system = f"Linux {platform.release()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    print(f"\n{system}\nmade by: python3 bench/labs.py --hosts {hosts} --rounds {rounds}")


def main() -> int:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description="What a standing star costs besides being built")
    parser.add_argument("--hosts", type=int, default=1000, help="of the star (default: 1000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often (default: 3)")
    options = parser.parse_args()
    try:
        report(max(1, options.hosts), max(1, options.rounds))
    except RawnsError as error:
        print(f"bench/labs.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
