"""Measure `import rawns` and `rawns ip link` as whole processes, beside an interpreter that loads ctypes.

    python3 bench/startup.py [--rounds 100] [--python /usr/bin/python3]

Each round starts every command once, in turn, and the medians are compared with that of
`python3 -I -S -c "import os, ctypes, struct"`.  The aims: `import rawns` at most 1.25 times that, `rawns ip link` 1.6 times.
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
IP = "sys.argv = ['rawns', 'ip', 'link']; from rawns.__main__ import main; main()"  # what the console script does
WARM_UP = 5

NOTHING, BASE, PACKAGE, NAMESPACE, LINK, SITE, MODULE, FILE = (
    "nothing",
    "import os, ctypes, struct",
    "import rawns",
    "rawns.NetNS",
    "rawns ip link, installed, -I -S",
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
    SITE: ["-c", HERE + IP],  # with what site.py does, in the environment of the user
    MODULE: ["-m", "rawns", "ip", "link"],
}


def one_file(python: str, folder: Path) -> str:
    """Make the one-file program and return its path."""
    words = ["-m", "rawns", "onefile", "--compile", "-o", str(folder / "rawns.pyz")]
    subprocess.run([python, *words], cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    return str(folder / "rawns.pyz")


def once(argv: list[str]) -> int:
    """Return the nanoseconds from before the fork to after the wait.  Exits if the command fails."""
    start = perf_counter_ns()
    done = subprocess.run(argv, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    spent = perf_counter_ns() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)} failed:\n{done.stderr.decode(errors='replace')}")
    return spent


def measure(python: str, rounds: int) -> dict[str, float]:
    """Return the median milliseconds of each command."""
    with tempfile.TemporaryDirectory(prefix="rawns-bench-") as folder:
        commands = {**COMMANDS, FILE: [one_file(python, Path(folder)), "ip", "link"]}
        times: dict[str, list[int]] = {name: [] for name in commands}
        for number in range(WARM_UP + rounds):
            for name, words in commands.items():
                spent = once([python, *words])
                if number >= WARM_UP:
                    times[name].append(spent)
    return {name: sorted(spent)[len(spent) // 2] / 1e6 for name, spent in times.items()}


def report(middle: dict[str, float], rounds: int, python: str) -> None:
    """Print the medians and their ratios to the bare interpreter."""
    print(f"{'whole processes':<34}{'ms p50':>8}{'times':>8}  `{BASE}`")
    for name, value in middle.items():
        print(f"{name:<34}{value:>8.2f}{value / middle[BASE]:>8.2f}")
    print("\naims: import rawns at most 1.25 times, rawns ip link at most 1.6 times")
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
