"""What it costs to begin: `import rawns` and `rawns ip link` as whole processes, beside the bare interpreter.

    python3 bench/startup.py [--rounds 100] [--python /usr/bin/python3]

Each round starts every command once, in turn, and the medians are compared.  The aims: `import rawns` adds at most
6 ms to `python3 -I -S -c "import os"`, and `rawns ip link` takes at most 2.5 times `python3 -I -S -c pass`.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from pathlib import Path
from time import perf_counter_ns

PROJECT = Path(__file__).resolve().parent.parent
BARE = ["-I", "-S", "-c"]
HERE = f"import sys; sys.path.insert(0, {str(PROJECT)!r}); "
IP = "sys.argv = ['rawns', 'ip', 'link']; from rawns.cli.main import entry; entry()"  # what the console script does
WARM_UP = 5

NOTHING, OS, PACKAGE, NAMESPACE, LINK, MODULE = (
    "nothing",
    "import os",
    "import rawns",
    "rawns.NetNS",
    "rawns ip link",
    "python3 -m rawns ip link",
)
COMMANDS = {
    NOTHING: [*BARE, "pass"],
    OS: [*BARE, "import os"],
    PACKAGE: [*BARE, HERE + "import rawns"],
    NAMESPACE: [*BARE, HERE + "import rawns; rawns.NetNS"],
    LINK: [*BARE, HERE + IP],
    MODULE: ["-m", "rawns", "ip", "link"],  # with all that site.py does; the environment of whoever asks
}


def once(argv: list[str]) -> int:
    """Nanoseconds from before the fork to after the wait.  Exits where the command fails."""
    start = perf_counter_ns()
    done = subprocess.run(argv, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    spent = perf_counter_ns() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)} failed:\n{done.stderr.decode(errors='replace')}")
    return spent


def measure(python: str, rounds: int) -> dict[str, float]:
    """Median milliseconds of each command."""
    times: dict[str, list[int]] = {name: [] for name in COMMANDS}
    for number in range(WARM_UP + rounds):
        for name, words in COMMANDS.items():
            spent = once([python, *words])
            if number >= WARM_UP:
                times[name].append(spent)
    return {name: sorted(spent)[len(spent) // 2] / 1e6 for name, spent in times.items()}


def report(middle: dict[str, float], rounds: int, python: str) -> None:
    print(f"{'whole processes':<32}{'ms p50':>8}")
    for name, value in middle.items():
        print(f"{name:<32}{value:>8.2f}")
    print(f"\nimport rawns adds {middle[PACKAGE] - middle[OS]:.2f} ms to `import os` (aim: at most 6)")
    print(f"what a script really uses (rawns.NetNS) adds {middle[NAMESPACE] - middle[OS]:.2f} ms")
    print(f"rawns ip link takes {middle[LINK] / middle[NOTHING]:.2f} times the bare interpreter (aim: at most 2.5)")
    version = subprocess.run([python, "-V"], stdout=subprocess.PIPE, text=True).stdout.strip()
    print(f"\n{rounds} rounds, interleaved; Linux {platform.release()}, {os.cpu_count()} processors, {version}")
    print(f"made by: python3 bench/startup.py --rounds {rounds} --python {python}")


def main() -> int:
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
