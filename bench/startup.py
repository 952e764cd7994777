"""Measure `import rawns` and commands that list as whole processes, beside an interpreter that loads ctypes.

    python3 bench/startup.py [--rounds 100] [--python /usr/bin/python3]

Each round starts every command once, in turn, and the medians are compared with that of
`python3 -I -S -c "import os, ctypes, struct"`.  The aims: `import rawns` at most 1.25 times that, commands 1.3 times.
The time of the processor, user's and kernel's, is that of the faster quarter: other programs that run disturb it least.
"Installed" is what the console script does, under -I -S as the bare interpreter is, and without; "one file" is what
`rawns onefile --compile` writes.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter_ns

PROJECT = Path(__file__).resolve().parent.parent
BARE = ["-I", "-S", "-c"]
HERE = f"import sys; sys.path.insert(0, {str(PROJECT)!r}); "
START = "from rawns.__main__ import main; main()"  # what the console script does
IP = f"sys.argv = ['rawns', 'ip', 'link']; {START}"
WARM_UP = 5

NOTHING, BASE, PACKAGE, NAMESPACE, LINK, ADDRESS, ROUTE, SITE, MODULE, FILE = (
    "nothing",
    "import os, ctypes, struct",
    "import rawns",
    "rawns.NetNS",
    "rawns ip link, installed, -I -S",
    "rawns ip -j addr, likewise",
    "rawns ip route, likewise",
    "rawns ip link, installed",
    "python3 -m rawns ip link",
    "./rawns.pyz ip link, one file",
)
COMMANDS = {
    NOTHING: [*BARE, "pass"],
    BASE: [*BARE, "import os, ctypes, struct"],
    PACKAGE: [*BARE, HERE + "import rawns"],
    NAMESPACE: [*BARE, HERE + "import rawns; rawns.NetNS"],
    LINK: [*BARE, HERE + IP],
    ADDRESS: [*BARE, f"{HERE}sys.argv = ['rawns', 'ip', '-j', 'addr']; {START}"],
    ROUTE: [*BARE, f"{HERE}sys.argv = ['rawns', 'ip', 'route']; {START}"],
    SITE: ["-c", HERE + IP],  # with what site.py does, in the environment of the user
    MODULE: ["-m", "rawns", "ip", "link"],
}


def one_file(python: str, folder: Path) -> str:
    """Make the one-file program and return its path."""
    words = ["-m", "rawns", "onefile", "--compile", "-o", str(folder / "rawns.pyz")]
    subprocess.run([python, *words], cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    return str(folder / "rawns.pyz")


def once(argv: list[str]) -> tuple[int, float]:
    """Return the nanoseconds from before the fork to after the wait, and the seconds of the processor.  Exits if it fails."""
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    start = perf_counter_ns()
    _, status, usage = os.wait4(os.posix_spawn(argv[0], argv, os.environ, file_actions=quiet), 0)
    spent = perf_counter_ns() - start
    if status:
        raise SystemExit(f"{' '.join(argv)} failed")
    return spent, usage.ru_utime + usage.ru_stime


def measure(python: str, rounds: int) -> dict[str, tuple[float, float]]:
    """Return for each command the median of its time, and the first quartile of its processor's time, in milliseconds."""
    with tempfile.TemporaryDirectory(prefix="rawns-bench-") as folder:
        commands = {**COMMANDS, FILE: [one_file(python, Path(folder)), "ip", "link"]}
        times: dict[str, list[tuple[int, float]]] = {name: [] for name in commands}
        for number in range(WARM_UP + rounds):
            for name, words in commands.items():
                spent = once([python, *words])
                if number >= WARM_UP:
                    times[name].append(spent)
    found = {}
    for name, both in times.items():
        walls, processor = (sorted(column) for column in zip(*both))
        found[name] = walls[len(walls) // 2] / 1e6, processor[len(processor) // 4] * 1e3
    return found


def report(middle: dict[str, tuple[float, float]], rounds: int, python: str) -> None:
    """Print the times and their ratios to the bare interpreter."""
    print(f"{'whole processes':<34}{'ms p50':>8}{'times':>8}{'cpu p25':>9}{'times':>8}  `{BASE}`")
    for name, (wall, processor) in middle.items():
        ratios = wall / middle[BASE][0], processor / middle[BASE][1]
        print(f"{name:<34}{wall:>8.2f}{ratios[0]:>8.2f}{processor:>9.2f}{ratios[1]:>8.2f}")
    print("\naims: import rawns at most 1.25 times, commands at most 1.3 times")
    version = subprocess.run([python, "-V"], stdout=subprocess.PIPE, text=True).stdout.strip()
    print(f"\n{rounds} rounds, interleaved; Linux {platform.release()}, {os.cpu_count()} processors, {version}")
    print(f"made by: python3 bench/startup.py --rounds {rounds} --python {python}")


def main() -> int:
    """Parse the arguments and run."""
    system = "/usr/bin/python3"
    default = system if os.access(system, os.X_OK) else sys.executable
    parser = argparse.ArgumentParser(description="start-up costs beside the bare interpreter")
    parser.add_argument("--rounds", type=int, default=100, help="how often each command is started (default: 100)")
    parser.add_argument("--python", default=default, help=f"the interpreter to measure (default: {default})")
    given = parser.parse_args()
    rounds = max(1, given.rounds)
    report(measure(given.python, rounds), rounds, given.python)
    return 0


if __name__ == "__main__":
    sys.exit(main())
