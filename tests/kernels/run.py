#!/usr/bin/env python3
"""Run the project on other kernels and processors: each is booted in QEMU, with nothing in it but Python, rawns and iproute2.

    python3 tests/kernels/run.py [MACHINE ...]

A MACHINE is one of `machines.MACHINES`; by default all of them are booted, two at a time.  Kernels, Python and iproute2
are packages of Debian, which are downloaded by name into ~/.cache/rawns-kernels (packages.py) at the first run.  A file
``linux-image-*.deb``, or a directory into which one was unpacked, is a MACHINE, too: its kernel is booted with bookworm's Python.

Prints a line for each machine and check, and a table of the last run of each machine, which ``--manual`` writes into the
manual; the exit status is 1 if a check failed.  The checks are in init.py, which is process 1 of the booted machine,
checks.py and programs.py.
Needs qemu-system-x86, qemu-system-arm, qemu-system-misc, apt and dpkg-deb; no root, no KVM.  pytest does not collect it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from time import monotonic

sys.path.insert(0, str(Path(__file__).resolve().parent))

import image
from machines import MACHINES, PACKAGES, Machine, command
from packages import CACHE

# The command line of each kernel.  Mitigations only cost time here.
WORDS = "quiet panic=-1 random.trust_cpu=on no_timer_check mitigations=off"


def roots_of(machine: Machine, offline: bool, scratch: Path) -> list[Path]:
    """Return the directories with the files of a machine's kernel."""
    path = Path(machine.kernel)
    if path.is_dir():
        return [path]
    if path.is_file():
        subprocess.run(["dpkg-deb", "-x", str(path), str(scratch / "kernel")], check=True)
        return [scratch / "kernel"]
    return image.kernel(machine, offline)[1]


def boot(machine: Machine, scratch: Path, options: argparse.Namespace) -> list[dict[str, str]]:
    """Boot a machine and return what init.py wrote to the console; a crash is a failed check."""
    program = machine.emulator.command[0]
    if shutil.which(program) is None:
        package = PACKAGES.get(machine.architecture, "qemu-system-arm")
        return [{"check": "the machine", "how": "FAILED", "says": f"{program} is not installed (apt install {package})"}]
    kernel, initrd, console = scratch / "vmlinuz", scratch / "initrd", scratch / "console"
    roots = roots_of(machine, options.offline, scratch)
    kernel.write_bytes(image.executable(roots))
    initrd.write_bytes(image.filesystem(machine, roots, options.offline))
    words = f"{WORDS} {'slow' if machine.emulator.slow else ''} {options.append}"
    trouble = "it stopped before the last check"
    try:
        subprocess.run(command(machine, kernel, initrd, console, words), stdin=subprocess.DEVNULL, timeout=options.timeout)
    except subprocess.TimeoutExpired:
        trouble = f"not over within {options.timeout:.0f} s"
    lines = console.read_text(errors="replace").splitlines() if console.exists() else []
    checks = [json.loads(line[2:]) for line in lines if line.startswith("@@{") and line.endswith("}")]
    for file in [one for one in checks if "file" in one]:
        checks.remove(file)
        if options.keep:
            Path(options.keep, f"{machine.name}-{file['file']}").write_text(file["text"])
    if checks and checks[-1]["check"] == "end":
        return checks[:-1]
    said = "\n    | ".join([trouble, *[line for line in lines if line.strip() and not line.startswith("@@")][-60:]])
    return [*checks, {"check": "the machine", "how": "FAILED", "says": said}]


def row(checks: list[dict[str, str]]) -> str:
    """Return the line of the manual's table for one machine."""
    says = {check["check"]: check["says"] for check in checks if check["how"] == "ok"}
    release, _, processor = says.get("kernel", "? ?").partition(" ")
    counted = [check for check in checks if check["check"] not in ("kernel", "python") and check["how"] in ("ok", "FAILED")]
    passed = sum(check["how"] == "ok" for check in counted)
    trouble = [f"{check['check']}: FAILED" for check in checks if check["how"] == "FAILED"]
    lacking = [check["says"] for check in checks if check["how"] == "lacks"]
    units, kinds = says.get("unit tests", "-").partition(",")[0], says.get("ip-kinds", "-").replace(" by the kernel", "")
    facts = [release, processor, says.get("python", "?"), f"{passed} of {len(counted)}", units, kinds.partition(", 9 ")[0]]
    cells = [str(date.today()), *facts, "; ".join(trouble + lacking)]
    return f"| {' | '.join(cells)} |"


HEAD = (
    "| date | kernel | processor | Python | checks that succeed | unit tests on bytes | links beside iproute2 6.1 | lacks |\n"
    "|---|---|---|---|---|---|---|---|"
)
MANUAL = image.PROJECT / "rawns/manual/errors.md"
RESULTS = CACHE / "results"


def table() -> str:
    """Return the table of the last run of each machine."""
    rows = [path.read_text() for machine in MACHINES if (path := RESULTS / machine.name).exists()]
    return "\n".join([HEAD, *rows])


def write_manual() -> None:
    """Replace the table below the heading "Where it was tested" of the manual."""
    before, heading, after = MANUAL.read_text().partition("## Where it was tested\n")
    changed = re.sub(r"(?m)(^\|.*\n)+", lambda _: f"{table()}\n", after, count=1)
    MANUAL.write_text(before + heading + changed)


def examine(machine: Machine, options: argparse.Namespace) -> int:
    """Boot a machine, print what came of its checks, and return how many have failed."""
    start = monotonic()
    with tempfile.TemporaryDirectory() as directory:
        checks = boot(machine, Path(directory), options)
    lines = [
        f"{machine.name:<12} {check['check']:<36} {check['how']:<6} {check.get('seconds', '?'):>5} s  {check['says']}"
        for check in checks
    ]
    print("\n".join([*lines, f"{machine.name:<12} in {monotonic() - start:.0f} s"]), flush=True)
    if machine in MACHINES and not options.append:
        (RESULTS / machine.name).write_text(row(checks))
    return sum(check["how"] == "FAILED" for check in checks)


def main() -> int:
    parser = argparse.ArgumentParser(description="Run rawns on other kernels and processors, in QEMU.")
    parser.add_argument("machines", nargs="*", metavar="MACHINE", help=", ".join(machine.name for machine in MACHINES))
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="machines at a time (default 2)")
    parser.add_argument("--timeout", type=float, default=900, metavar="S", help="seconds for each machine (default 900)")
    parser.add_argument("--append", default="", metavar="WORDS", help="for its command line; only=WORD picks checks")
    parser.add_argument("--keep", metavar="DIR", help="write files that checks have left there")
    parser.add_argument("--offline", action="store_true", help="do not ask whether there are newer packages")
    parser.add_argument("--manual", action="store_true", help="write the table into the manual")
    options = parser.parse_args()
    known = {machine.name: machine for machine in MACHINES}
    chosen = [
        known.get(word) or Machine(os.path.basename(word), "amd64", "", word, "bookworm") for word in options.machines or known
    ]
    unknown = [machine.name for machine in chosen if machine.name not in known and not os.path.exists(machine.kernel)]
    if unknown:
        parser.error(f"there is no machine {unknown[0]}: {', '.join(known)}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    start = monotonic()
    with ThreadPoolExecutor(options.jobs) as pool:
        failures = sum(pool.map(lambda machine: examine(machine, options), chosen))
    seconds = monotonic() - start
    print(f"\n{len(chosen)} machines in {seconds // 60:.0f} min {seconds % 60:.0f} s, {failures} failures\n\n{table()}")
    if options.manual:
        write_manual()
    return int(failures > 0)


if __name__ == "__main__":
    raise SystemExit(main())
