"""Many processes on one name, on one lab from different namespaces, and at one lock."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import frame
import verbs
from frame import Report

AT_ONCE = 16
WAITING = 90
RAWNS = [sys.executable, "-m", "rawns"]
APART: dict[str, list[str]] = {  # options of unshare(1)
    "here": [],
    "network": ["--net"],
    "mounts": ["--mount", "--propagation", "unchanged"],
    "pids": ["--pid", "--fork", "--mount-proc", "--propagation", "unchanged"],
    "all": ["--net", "--mount", "--pid", "--fork", "--mount-proc", "--propagation", "unchanged"],
}


def start(argv: frame.Argv) -> subprocess.Popen[str]:
    """Start a program whose output is kept."""
    return subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=frame.environment()
    )


def end(report: Report, process: subprocess.Popen[str], where: str) -> int:
    """Wait for a program; a traceback or a hang is a fault.  Return its exit status."""
    try:
        said, _ = process.communicate(timeout=frame.HANG)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
        report.fault(f"{where}: hangs")
    report.expect("Traceback" not in said, f"{where}: {said[-800:]}")
    return process.returncode


def one_name(report: Report) -> None:
    """Let processes of ours and of the real `ip` create, remove and enter one name at once."""
    name, dice = f"n{os.getpid()}", random.Random(report.seed)
    for number in range(report.count or 40):
        for verb in ("add", "del"):
            running = [start([*(RAWNS if one % 2 else []), "ip", "netns", verb, name]) for one in range(AT_ONCE)]
            succeeded = sum(end(report, one, f"round {number}, {verb}") == 0 for one in running)
            there = frame.names(name)
            report.tally(f"one {verb} of {AT_ONCE}")
            report.expect(succeeded == 1, f"round {number}: {succeeded} of {AT_ONCE} `ip netns {verb}` succeeded")
            report.expect(there == ([name] if verb == "add" else []), f"round {number}, {verb}: {there}")
            report.expect(len(frame.mounts(name)) == len(there), f"round {number}, {verb}: {frame.mounts(name)}")
        words = (["add", name], ["del", name], ["exec", name, "true"], ["list"], ["pids", name])
        running = [start([*(RAWNS if dice.random() < 0.5 else []), "ip", "netns", *dice.choice(words)]) for _ in range(AT_ONCE)]
        for process in running:
            end(report, process, f"round {number}, mixed")
        report.tally("mixed", AT_ONCE)
        frame.wipe(name)
        report.expect(not frame.mounts(name), f"round {number}: mounts are left: {frame.mounts(name)}")


def one_lab(report: Report) -> None:
    """Bring one lab up and down from different network, mount and pid namespaces at once; then it can be brought up."""
    dice = random.Random(report.seed)
    with tempfile.TemporaryDirectory() as folder:
        bench = verbs.pid_bench(Path(folder))
        words = (
            ["up", bench.words["LAB"]],
            ["up", bench.words["CHANGED"]],
            ["down", bench.prefix],
            ["gc"],
            ["list"],
            ["status", bench.prefix],
        )
        for number in range(report.count or 12):
            running = []
            for one in range(AT_ONCE):
                place, options = list(APART.items())[one % len(APART)]
                prefix = ["unshare", *options] if options else []
                chosen = dice.choice(words)
                running.append((f"round {number}: {place} {' '.join(chosen)}", start([*prefix, *RAWNS, "lab", *chosen])))
                report.tally(f"{chosen[0]} ({place})")
            for where, process in running:
                status = end(report, process, where)
                report.expect(status in (0, 1), f"{where}: exit status {status}")
            for verb, expected in (("up", "lab"), ("down", "nothing")):
                ended = frame.rawns(*bench.argv(verb))
                left = bench.state()
                report.expect(left == expected and not ended.status, f"round {number}: `{verb}` ({ended}) left: {left}")
        bench.clear()


def one_lock(report: Report) -> None:
    """Let processes wait for the lock of one lab; some are interrupted, and the others get it one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        bench = verbs.pid_bench(Path(folder))
        frame.LOCKS.mkdir(mode=0o700, exist_ok=True)
        path = frame.LOCKS / f"{bench.prefix}.lock"
        with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            inode = f":{os.fstat(file.fileno()).st_ino} "
            running = [start([*RAWNS, *bench.argv("up")]) for _ in range(WAITING)]
            deadline = time.monotonic() + 3 * frame.HANG
            while sum("->" in line and inode in line for line in Path("/proc/locks").read_text().splitlines()) < WAITING:
                if time.monotonic() > deadline:
                    report.fault("not all processes wait for the lock")
                    break
                time.sleep(0.05)
            interrupted, rest = running[:20], running[20:]
            for process, number in zip(interrupted, (signal.SIGINT, signal.SIGTERM) * 10):
                process.send_signal(number)
            for process in interrupted:
                status = end(report, process, "interrupted while it waits")
                report.expect(status in (130, -signal.SIGTERM), f"interrupted while it waits: exit status {status}")
            report.tally("interrupted", len(interrupted))
            report.expect(bench.state() == "nothing", f"while all wait: {bench.state()}")
        for process in rest:
            status = end(report, process, "after the lock was released")
            report.expect(status == 0, f"after the lock was released: exit status {status}")
        report.tally("waited", len(rest))
        report.expect(bench.state() == "lab", f"after all: {bench.state()}")
        bench.clear()


CAMPAIGNS = {"one-name": one_name, "one-lab": one_lab, "one-lock": one_lock}
