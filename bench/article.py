"""Two namespaces, one cable, addresses, up: rawns beside the same in plain C, round by round in one run.

    python3 bench/article.py [--rounds 200]          as root, or under `python3 -m rawns rootless`

A round is one contender's `up` and `down`, timed; then, not timed, the kernel finishes what it does later, so that no
contender pays for another's clean-up.  The first rounds are thrown away.
"""

from __future__ import annotations

import argparse
import os
import platform
import select
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from floor import Floor, load  # noqa: E402

from rawns import Lab, NetNS, RawnsError  # noqa: E402

WARM_UP = 5
RUNNING = 0x40  # IFF_RUNNING: the kernel sets it a little later, by a worker of its own
PATIENCE = 30_000  # milliseconds for the kernel's clean-up
State = list[Any]


class RawnsSide:
    """The article through rawns' public API."""

    def up(self, names: tuple[str, str]) -> None:
        self._lab = lab = Lab("article")
        ns1, ns2 = lab.netns(names[0]), lab.netns(names[1])
        lab.wire(ns1.port("v1", "10.0.0.1/24"), ns2.port("v2", "10.0.0.2/24"))
        lab.up()

    def down(self, names: tuple[str, str]) -> None:
        self._lab.down()


class Fence:
    """Waits until the kernel has cleaned up after all namespaces that have ended.

    Its clean-ups run one after the other.  So we end a namespace of our own that holds the far end of a cable whose
    near end we watch: when that goes, the clean-ups before are done.  Twice, as the first may share its turn.
    """

    def __init__(self) -> None:
        self._home = NetNS.create()
        self._news = self._home.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self._news.bind((0, 1))  # RTMGRP_LINK
        self._news.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._news, select.POLLIN)

    def wait(self) -> None:
        for _ in range(2):
            with NetNS.create() as canary:
                self._home.net.add_veth("fence", peer="canary", peer_ns=canary)
            while "fence" in [link.name for link in self._home.net.links()]:
                if not self._poll.poll(PATIENCE):
                    raise SystemExit(f"the kernel has not cleaned up for {PATIENCE // 1000} s")
                self._drain()

    def _drain(self) -> None:
        try:
            while self._news.recv(65536):
                pass
        except BlockingIOError:
            pass

    def close(self) -> None:
        self._news.close()
        self._home.close()


def state(names: tuple[str, str]) -> State:
    """What stands under the names: links with their flags, addresses.  (MAC addresses are the kernel's dice.)"""
    found: State = []
    for name in names:
        with NetNS.open(name) as ns:
            found += [(link.name, link.index, link.kind, link.mtu, link.flags & ~RUNNING) for link in ns.net.links()]
            found += [(address.index, str(address)) for address in ns.net.addresses() if ":" not in str(address)]
    return found


def one_round(side: Any, names: Any, look: Callable[[], None] | None) -> tuple[int, int]:
    """Nanoseconds of one `up` and one `down`."""
    start = perf_counter_ns()
    side.up(names)
    between = perf_counter_ns()
    if look is not None:
        look()
    again = perf_counter_ns()
    side.down(names)
    return between - start, perf_counter_ns() - again


def measure(rounds: int) -> dict[str, list[tuple[int, int]]]:
    module, fence = load(), Fence()
    sides: dict[str, Any] = {"C, same calls": Floor(module, False), "C, fewest calls": Floor(module, True), "rawns": RawnsSide()}
    times: dict[str, list[tuple[int, int]]] = {name: [] for name in sides}
    states: dict[str, State] = {}
    plain = (f"bench-{os.getpid()}-1", f"bench-{os.getpid()}-2")
    raw = tuple(name.encode() for name in plain)
    for number in range(WARM_UP + rounds):
        order = list(sides)[number % 3 :] + list(sides)[: number % 3]  # nobody always comes after the same other
        for name in order:
            check = number in (0, WARM_UP + rounds - 1)
            look = (lambda name=name: states.__setitem__(name, state(plain))) if check else None
            spent = one_round(sides[name], plain if name == "rawns" else raw, look)
            fence.wait()
            if number >= WARM_UP:
                times[name].append(spent)
        if states and any(found != states["rawns"] for found in states.values()):
            raise SystemExit(f"they do not make the same: {states}")
    fence.close()
    return times


def quantile(values: list[int], part: float) -> float:
    """Milliseconds below which ``part`` of the values lie."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))] / 1e6


def report(times: dict[str, list[tuple[int, int]]], rounds: int) -> None:
    print("two namespaces named, the pair born in place, both addresses, both ends and both lo up; then all deleted\n")
    print(f"{'milliseconds':<18}{'up p50':>9}{'p90':>9}{'down p50':>11}{'p90':>9}{'both p50':>11}")
    middle: dict[str, tuple[float, float]] = {}
    for name, spent in times.items():
        ups, downs = [up for up, _ in spent], [down for _, down in spent]
        both = [up + down for up, down in spent]
        middle[name] = quantile(ups, 0.5), quantile(both, 0.5)
        values = [quantile(ups, 0.5), quantile(ups, 0.9), quantile(downs, 0.5), quantile(downs, 0.9), quantile(both, 0.5)]
        print(f"{name:<18}{values[0]:>9.3f}{values[1]:>9.3f}{values[2]:>11.3f}{values[3]:>9.3f}{values[4]:>11.3f}")
    print()
    for floor in ("C, same calls", "C, fewest calls"):
        ratio = [ours / theirs for ours, theirs in zip(middle["rawns"], middle[floor])]
        print(f"rawns / {floor:<16} {ratio[0]:.2f} up, {ratio[1]:.2f} up and down")
    system = f"Linux {platform.release()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    print(f"\n{rounds} rounds, interleaved; {system}\nmade by: python3 bench/article.py --rounds {rounds}")


def main() -> int:
    parser = argparse.ArgumentParser(description="rawns beside the same system calls in plain C")
    parser.add_argument("--rounds", type=int, default=200, help="how often each contender does it (default: 200)")
    rounds = max(1, parser.parse_args().rounds)
    try:
        report(measure(rounds), rounds)
    except RawnsError as error:
        print(f"bench/article.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
