"""Measure `rawns ip` beside the real `ip`: start-up, long lists, a batch, and a list of links that change.

    sudo python3 bench/ip.py [--rounds 15] [--python /usr/bin/python3] [--count 10000]

Everything happens in a network namespace of its own, which ends with the process.  Each row is measured in turn with what it is
compared with, and the medians are compared.  Needs root (or `rawns rootless`) and iproute2.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

PROJECT = Path(__file__).resolve().parent.parent
BARE = ["-I", "-S", "-c", "import os, ctypes, struct"]
PROGRAM = f"import sys; sys.path.insert(0, {str(PROJECT)!r}); sys.argv[0] = 'ip'; from rawns.__main__ import main; main()"
LINKS = 1200
VETHS_PER_SECOND = 20

Command = list[str]


def run(*words: str) -> None:
    """Run a command.  Raises CalledProcessError if it fails."""
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def seconds(command: Command) -> float:
    """Return how long a command takes, from before the fork to after the wait."""
    start = perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - start


def compare(name: str, ours: Command, other: Command, rounds: int, aim: float, reset: Callable[[], None] | None = None) -> None:
    """Measure two commands in turn and print their medians."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for command, spent in zip((ours, other), times):
            if reset is not None:
                reset()
            spent.append(seconds(command))
    mine, theirs = (statistics.median(spent) * 1000 for spent in times)
    print(f"{name:<44}{mine:>10.1f}{theirs:>10.1f}{mine / theirs:>8.2f}{aim:>6}", flush=True)


def write_batch(path: Path, lines: list[str]) -> str:
    """Write a batch file; return its path."""
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


def peak_kilobytes(python: str, command: Command) -> int:
    """Return the most memory that a command has held.

    A small process starts it: what the kernel reports of a child includes what its parent held when it forked.
    """
    script = (
        "import os, resource, sys; status = os.spawnv(os.P_WAIT, sys.argv[1], sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr); sys.exit(status)"
    )
    words = [python, "-I", "-S", "-c", script, *command]
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
    return int(done.stderr)


def with_changes(ours: Command, rounds: int) -> None:
    """List links while others come and go; print how many lists were made, and how many of them were consistent."""
    ended = threading.Event()

    def change() -> None:
        while not ended.wait(1 / VETHS_PER_SECOND):
            subprocess.run(["ip", "link", "add", "c1", "type", "veth", "peer", "c2"], check=False)
            subprocess.run(["ip", "link", "del", "c1"], check=False)

    changing = threading.Thread(target=change)
    changing.start()
    try:
        for name, command in (("rawns ip", ours), ("ip", ["ip"])):
            lists = [subprocess.run([*command, "-o", "link"], capture_output=True, text=True) for _ in range(rounds)]
            whole = sum(one.returncode == 0 and one.stdout.count("\n") >= LINKS for one in lists)
            consistent = sum(not one.stderr for one in lists)
            print(
                f"{name:<10} {whole} of {rounds} lists of {LINKS} links while veths come and go; {consistent} without a warning"
            )
    finally:
        ended.set()
        changing.join()


def measure(python: str, rounds: int, count: int, folder: Path) -> None:
    """Run all measurements, in the namespace that this process is in."""
    ours = [python, "-I", "-S", "-c", PROGRAM]
    run("ip", "link", "add", "v1", "type", "veth", "peer", "name", "v2")
    run("ip", "link", "set", "v1", "up")
    run("ip", "link", "set", "v2", "up")
    print(f"{'':<44}{'ms':>10}{'beside':>10}{'times':>8}{'aim':>6}")
    for words in ("link", "route", "-j addr"):
        compare(f"rawns ip {words}, beside python with ctypes", [*ours, *words.split()], [python, *BARE], rounds * 5, 1.3)
    hosts = [f"{at // 62500}.{at // 250 % 250}.{at % 250 + 1}" for at in range(count)]
    batch = write_batch(folder / "addresses", [f"addr add 10.{host}/32 dev v1" for host in hosts])

    def flush() -> None:
        run("ip", "addr", "flush", "dev", "v1")

    compare(f"-batch of {count} addr add, beside ip", [*ours, "-batch", batch], ["ip", "-batch", batch], 3, 1.4, flush)
    compare(f"-j addr of {count} addresses, beside ip", [*ours, "-j", "addr"], ["ip", "-j", "addr"], rounds, 6)
    flush()
    run("ip", "addr", "add", "192.0.2.1/24", "dev", "v1")
    for number in (count, 10 * count):
        lines = [f"route add 10.{at >> 16}.{at >> 8 & 255}.{at & 255}/32 via 192.0.2.2" for at in range(number)]
        run("ip", "-force", "-batch", write_batch(folder / "routes", [line.replace("add", "replace") for line in lines]))
        if number == count:
            compare(f"route of {count} routes, beside ip", [*ours, "route"], ["ip", "route"], rounds, 5)
        print(f"memory of rawns ip route of {number} routes: {peak_kilobytes(python, [*ours, 'route'])} kB", flush=True)
    run("ip", "-batch", write_batch(folder / "links", [f"link add l{at} type veth peer m{at}" for at in range(LINKS // 2)]))
    with_changes(ours, rounds)


def main() -> int:
    """Parse the arguments and run."""
    system = "/usr/bin/python3"
    default = system if os.access(system, os.X_OK) else sys.executable
    parser = argparse.ArgumentParser(description="rawns ip beside ip")
    parser.add_argument("--rounds", type=int, default=15, help="how often each command is run (default: 15)")
    parser.add_argument("--count", type=int, default=10000, help="how many addresses and routes (default: 10000)")
    parser.add_argument("--python", default=default, help=f"the interpreter to measure (default: {default})")
    given = parser.parse_args()
    sys.path.insert(0, str(PROJECT))
    from rawns import syscalls, uapi

    syscalls.unshare(uapi.CLONE_NEWNET)
    run("ip", "link", "set", "lo", "up")
    with tempfile.TemporaryDirectory(prefix="rawns-bench-") as folder:
        measure(given.python, max(1, given.rounds), given.count, Path(folder))
    print(f"\nLinux {platform.release()}, {os.cpu_count()} processors; made by: python3 bench/ip.py --rounds {given.rounds}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
