"""Signals at every system call, in a thread that does not block them, and at random moments of a process; then `gc` or `up`."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import each_bytecode
import frame
import other_thread
import verbs
from frame import Report

from rawns import Observer, observed

FATAL = ["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"]
OF_A_VERB = {"create": 0, "delete": 0, "up": 3, "change": 3, "down": 2, "run": 3, "exec": 1}  # weights, by their length


class SignalAt(Observer):
    """Send a signal to this process when it is about to make the call with this number."""

    def __init__(self, number: int, name: str) -> None:
        self.number, self.signal, self.calls, self.process = number, getattr(signal, name), 0, os.getpid()

    def before(self, call: str, arguments: str) -> None:
        if os.getpid() == self.process:
            self.calls += 1
            if self.calls - 1 == self.number:
                os.kill(self.process, self.signal)


def send_at(number: int, name: str) -> AbstractContextManager[Observer]:
    """Return the block in which a signal is sent; the observer belongs to the process that calls this."""
    return observed(SignalAt(number, name))


def restored(bench: verbs.Bench, verb: str, name: str, ended: frame.Ended, remedy: str) -> str:
    """Apply a remedy, and return what is wrong after it; empty if the state is right."""
    made = verbs.VERBS[verb]
    if ended.crashed or ended.status == 1000:
        return f"crashed or hanged: {ended}"
    if name != "SIGKILL" and ended.status in (-signal.SIGTERM, -signal.SIGHUP, 130, 143, 129) or verb in ("create", "delete"):
        left = bench.state()
        undone = verb == "change" and not any(new in left for new in verbs.NEW)  # a link that was removed stays removed
        if not undone and left not in (made.failed, made.after) and not (verb in ("create", "delete") and name == "SIGKILL"):
            return f"{ended}; it left: {left}"
    if verb in ("create", "delete"):
        again = frame.rawns("ip", "netns", "del", bench.words["NAME"])
        left = bench.state()
        return "" if left == "nothing" else f"{ended}; `ip netns del` ({again}) left: {left}"
    again = frame.rawns("lab", *remedy.split(), *([bench.words["LAB"]] if remedy == "up" else []))
    left = bench.state()
    if remedy == "up":
        return "" if left == "lab" else f"{ended}; then `up` ({again}) left: {left}"
    expected = {"nothing", "lab", "changed"} if verb != "run" else {"nothing"}
    if verb == "change":  # what an interrupted change has left: `gc` removes what is new, and `up` does the rest
        frame.rawns("lab", "up", bench.words["CHANGED"])
        left = bench.state()
        expected = {"changed"}
    return "" if left in expected else f"{ended}; then `{remedy}` ({again}) left: {left}"


def count_calls(bench: verbs.Bench, verb: str) -> int:
    """Return how many system calls a verb makes."""
    with tempfile.NamedTemporaryFile() as file:

        class Counting(Observer):
            def before(self, call: str, arguments: str) -> None:
                os.write(file.fileno(), b".")

        bench.prepare(verb)
        ended = bench.disturbed(verb, lambda: observed(Counting()))
        assert ended.status == 0, ended
        return os.stat(file.name).st_size


def at_calls(report: Report, bench: verbs.Bench, count: int) -> None:
    """Send a signal before a system call that is drawn."""
    dice = random.Random(report.seed)
    calls = {verb: count_calls(bench, verb) for verb in verbs.VERBS}
    for case in range(count):
        verb, name = dice.choice(sorted(calls)), dice.choice(FATAL)
        place, remedy = dice.randrange(calls[verb]), dice.choice(["gc", "up"])
        bench.prepare(verb)
        ended = bench.disturbed(verb, partial(send_at, place, name))
        report.tally(f"{verb} {name}")
        problem = restored(bench, verb, name, ended, remedy)
        if problem:
            report.fault(f"case {case}: {verb}, {name} at call {place}, then {remedy}: {problem}")
    bench.clear()


# -- at random moments ------------------------------------------------------------------------------------------------


class Process:
    """A command line as a process of its own, with what it has written."""

    def __init__(self, argv: list[str]) -> None:
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (`end` closes it)
        command = [sys.executable, "-m", "rawns", *argv]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=frame.environment()
        )

    def end(self) -> frame.Ended:
        """Wait for its end."""
        try:
            status = self.process.wait(frame.HANG)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            status = 1000
        self.log.seek(0)
        said = self.log.read()
        self.log.close()
        return frame.Ended(status, said)


def duration(bench: verbs.Bench, verb: str) -> float:
    """Return how many seconds a verb takes as a process."""
    bench.prepare(verb)
    start = time.monotonic()
    ended = Process(bench.argv(verb)).end()
    assert ended.status == 0, ended
    return time.monotonic() - start


def moments(report: Report, bench: verbs.Bench, count: int) -> None:
    """Send a signal at a moment of a process, from its first instruction on."""
    dice = random.Random(report.seed)
    lasts: dict[str, float] = {}
    for verb in verbs.VERBS:
        lasts[verb] = sorted(duration(bench, verb) for _ in range(5))[2]
    ways = [(verb, name) for verb in sorted(lasts) for name in [*FATAL, "SIGSTOP"]]  # each as often as the others
    end = time.monotonic() + report.minutes * 60 if report.minutes else float("inf")
    case = 0
    while case < count and time.monotonic() < end:
        verb, name = ways[case % len(ways)]
        moment, remedy = dice.uniform(0, lasts[verb]), dice.choice(["gc", "up"])
        bench.prepare(verb)
        process = Process(bench.argv(verb))
        time.sleep(moment)
        if process.process.poll() is not None:  # it was faster than usual
            process.end()
            continue
        report.tally(f"{verb} {name}")
        process.process.send_signal(getattr(signal, name))
        case += 1
        problem = ""
        if name == "SIGSTOP":
            problem = while_stopped(bench)
            process.process.send_signal(signal.SIGCONT)
        ended = process.end()
        if "KeyboardInterrupt" in ended.said and "rawns/cli/main.py" not in ended.said:
            ended.said = ""  # the interpreter had not begun with rawns
        if not problem and name == "SIGSTOP":
            problem = bench.problem(verb, ended) if not ended.status else f"after SIGCONT: {ended}"
        problem = problem or ("" if name == "SIGSTOP" else restored(bench, verb, name, ended, remedy))
        if problem:
            report.fault(f"case {case}: {verb}, {name} after {moment * 1000:.1f} ms, then {remedy}: {problem}")
    bench.clear()


def while_stopped(bench: verbs.Bench) -> str:
    """Let others look and collect garbage while a process is stopped: it is alive, so what it is making must stay."""
    for argv in (["lab", "list"], ["ip", "netns"], ["lab", "gc"]):
        ended = frame.rawns(*argv)
        if ended.status:
            return f"`rawns {' '.join(argv)}` while it was stopped: {ended}"
    return ""


def calls_campaign(report: Report) -> None:
    """Send SIGKILL, SIGTERM, SIGINT or SIGHUP at system calls of each verb; then `gc` or `up`."""
    with tempfile.TemporaryDirectory() as folder:
        at_calls(report, verbs.pid_bench(Path(folder)), report.count or 1000)


def moments_campaign(report: Report) -> None:
    """Send the same signals and SIGSTOP at random moments of processes, for --minutes if given; then `gc` or `up`."""
    with tempfile.TemporaryDirectory() as folder:
        moments(report, verbs.pid_bench(Path(folder)), report.count or (1_000_000 if report.minutes else 1000))


def threads_campaign(report: Report) -> None:
    """Let another thread take SIGINT at every system call of every thread that creates names."""
    for operation in other_thread.OPERATIONS:
        argv = [sys.executable, other_thread.__file__, f"t{os.getpid()}", "1", operation]
        done = subprocess.run(argv, env=frame.environment(), capture_output=True, text=True)
        if done.returncode:
            report.fault(f"{operation}: {done.stderr[-600:]}")
        else:
            calls, interrupted = json.loads(done.stdout)
            report.tally(operation, calls)
            report.expect(interrupted > calls * 0.9, f"{operation}: only {interrupted} of {calls} interruptions")


def bytecodes_campaign(report: Report) -> None:
    """Let SIGINT arrive at every bytecode of a block that `NetNS.temporary` begins."""
    argv = [sys.executable, each_bytecode.__file__, f"b{os.getpid()}", "1", "temporary"]
    done = subprocess.run(argv, env=frame.environment(), capture_output=True, text=True, check=True)
    tried, interrupted, lost = json.loads(done.stdout)
    report.tally("bytecodes", tried)
    report.expect(interrupted > tried * 0.9, f"only {interrupted} of {tried} interruptions")
    report.expect(not lost, f"a name was left behind at {lost} of {tried} bytecodes")


CAMPAIGNS = {
    "signals": calls_campaign,
    "moments": moments_campaign,
    "threads": threads_campaign,
    "bytecodes": bytecodes_campaign,
}
