"""Measure `rawns trace` beside strace, and what a traced program loses.

    sudo python3 bench/trace.py [--rounds 15] [--python /usr/bin/python3]

Each pair is measured in turn, and the medians are compared.  The programs run in a network namespace that ends with the process.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

PROJECT = Path(__file__).resolve().parent.parent
PROGRAM = f"import sys; sys.path.insert(0, {str(PROJECT)!r}); sys.argv[0] = 'rawns'; from rawns.__main__ import main; main()"
CALLS = "unshare,setns,clone,clone3,mount,umount2,socket,bind,connect,sendto,sendmsg,recvfrom,recvmsg,ioctl,execve,setsockopt"
SOURCE = "#include <stdio.h>\n" + "".join(f'int f{n}(int x) {{ return x * {n} + printf("%d", x); }}\n' for n in range(300))
MESSAGES = 20_000
Command = list[str]


def seconds(command: Command) -> float:
    """Return how long a command takes, from before the fork to after the wait."""
    start = perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return perf_counter() - start


def compare(name: str, ours: Command, other: Command, rounds: int, aim: str, less: float = 0.0) -> None:
    """Measure two commands in turn and print their medians and the ratio of these; ``less`` seconds of ours do not count."""
    times = [(seconds(ours) - less, seconds(other)) for _ in range(rounds)]
    mine, theirs = (statistics.median(column) * 1000 for column in zip(*times))
    print(f"{name:<52}{mine:>10.1f}{theirs:>10.1f}{mine / theirs:>8.2f}{aim:>6}", flush=True)


def memory(python: str, directory: Path) -> None:
    """Print the greatest memory of the tracer for few and for many messages."""
    for count in (100, MESSAGES):
        batch = directory / "batch"
        batch.write_text("link show dev lo\n" * (count // 2))
        trace = [python, "-I", "-S", "-c", PROGRAM, "trace", "-o", "/dev/null", "ip", "-batch", str(batch)]
        pid = os.posix_spawn(python, trace, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
        usage = os.wait4(pid, 0)[2]
        print(f"{f'memory over {count} messages, KiB':<52}{usage.ru_maxrss:>10}")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--python", default=os.path.realpath(sys.executable))
    options = parser.parse_args()
    if os.geteuid() == 0 and "RAWNS_BENCH_INSIDE" not in os.environ:
        os.execvpe("unshare", ["unshare", "-n", sys.executable, *sys.argv], {**os.environ, "RAWNS_BENCH_INSIDE": "1"})
    rawns = [options.python, "-I", "-S", "-c", PROGRAM]
    trace = [*rawns, "trace", "-o", "/dev/null"]
    strace = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", f"trace={CALLS}"]
    ip = ["ip", "link", "show", "dev", "lo"]
    print(f"{'median, ms':<52}{'rawns':>10}{'beside':>10}{'ratio':>8}{'aim':>6}")
    compare("rawns trace ip link, strace --seccomp-bpf", [*trace, *ip], [*strace, *ip], options.rounds, "3")
    compare("rawns trace ip link, rawns trace true", [*trace, *ip], [*trace, "true"], options.rounds, "")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        compiler = shutil.which("gcc") or "cc"
        source = directory / "x.c"
        source.write_text(SOURCE)
        build = [compiler, "-O2", "-c", "-o", str(directory / "x.o"), str(source)]
        rounds = max(options.rounds // 3, 3)
        compare("gcc traced (with the start of rawns), gcc alone", [*trace, *build], build, rounds, "")
        # Five runs of gcc under one tracer: what is left of its start is a fifth, and what the program itself loses shows.
        five = ["sh", "-c", " && ".join([shlex.join(build)] * 5)]
        began = statistics.median(seconds([*trace, "true"]) - seconds(["true"]) for _ in range(options.rounds))
        compare("five times gcc, without the start of rawns", [*trace, *five], five, rounds, "1.02", began)
        memory(options.python, directory)


if __name__ == "__main__":
    main()
