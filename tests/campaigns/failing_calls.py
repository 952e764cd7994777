"""Every system call, and every netlink message, of each verb is failed in turn with each errno that it can have."""

from __future__ import annotations

import errno
import os
import re
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import frame
import verbs
from frame import Report

from rawns import Observer, netlink, nlsocket, observed, uapi

# The errors that a call can have (its man page).  close(2) closes the descriptor whatever it returns, so it is not failed.
ERRNOS = {
    "dup": "EMFILE EBADF",
    "fork": "EAGAIN ENOMEM",
    "flock": "ENOLCK EINTR",
    "fstat": "ENOMEM EIO",
    "getdents64": "ENOENT EACCES ENOMEM",
    "ioctl": "EPERM ENOMEM",
    "mkdir": "EACCES EROFS ENOSPC",
    "mount": "EPERM ENOMEM EINVAL ENOENT EBUSY",
    "open": "EACCES EMFILE ENFILE ENOMEM ENOENT",
    "openat": "EACCES EMFILE ENOSPC EROFS",
    "recvfrom": "ENOBUFS ENOMEM",
    "rename": "EACCES ENOSPC",
    "renameat": "EACCES ENOSPC",
    "sendto": "ENOBUFS ENOMEM EPERM",
    "setns": "EPERM ENOMEM EBADF",
    "setsockopt": "ENOPROTOOPT ENOMEM",
    "socket": "EMFILE ENFILE ENOBUFS EPROTONOSUPPORT",
    "stat": "EACCES ENOMEM ENOENT",
    "umount2": "EPERM EBUSY EINVAL",
    "unlink": "EBUSY EPERM EROFS",
    "unlinkat": "EBUSY EPERM EROFS",
    "unshare": "EPERM ENOSPC ENOMEM EINVAL",
    "write": "ENOSPC EIO",
}
ANSWERED = {  # what is said then is what the error means, and not its name
    ("umount2", "EINVAL"),  # nothing is mounted; that the name is busy all the same is what unlink(2) says
    ("open", "ENOENT"),  # a directory that has just been made is gone
    ("stat", "EACCES"),  # the name leads to no namespace that can be seen
    ("stat", "ENOENT"),
    ("getdents64", "ENOENT"),  # there is no directory, so there are no names; then one that is created exists
}
BATCH = (uapi.NFNL_MSG_BATCH_BEGIN, uapi.NFNL_MSG_BATCH_END)
LINK_ERRNOS = "EPERM ENOMEM EINVAL ENODEV EOPNOTSUPP"
MESSAGE_ERRNOS = {
    uapi.RTM_NEWLINK: f"{LINK_ERRNOS} EEXIST EBUSY",
    uapi.RTM_NEWADDR: "EPERM ENOMEM EINVAL EEXIST ENODEV",
    uapi.RTM_NEWROUTE: "EPERM ENOMEM EINVAL EEXIST ENETUNREACH",
}


class FailAt(Observer):
    """Fail the call with this number, of whichever thread; remember all calls."""

    def __init__(self, number: int, code: str) -> None:
        self.number, self.errno, self.calls, self.failed = number, getattr(errno, code, 0), list[str](), ""
        self.process = os.getpid()

    def before(self, call: str, arguments: str) -> None:
        if os.getpid() != self.process:
            return
        self.calls.append(call)
        if len(self.calls) - 1 == self.number and call != "close":
            self.failed = call
            os.write(FACTS, f"{call}\n".encode())
            raise OSError(self.errno, "")


def fail_at(number: int, code: str) -> AbstractContextManager[Observer]:
    """Return the block in which a call is failed; the observer belongs to the process that calls this."""
    return observed(FailAt(number, code))


FACTS = -1  # a file in which a child says what it has failed


def facts() -> str:
    """Return what the last child has written into the file, which is emptied."""
    os.lseek(FACTS, 0, os.SEEK_SET)
    said = os.read(FACTS, 1 << 20).decode()
    os.ftruncate(FACTS, 0)
    os.lseek(FACTS, 0, os.SEEK_SET)
    return said


@contextmanager
def recorded() -> Iterator[None]:
    """Write the name of each call."""
    process = os.getpid()

    class Recorder(Observer):
        def before(self, call: str, arguments: str) -> None:
            if os.getpid() == process:
                os.write(FACTS, f"{call}\n".encode())

    with observed(Recorder()):
        yield


@contextmanager
def failing_message(number: int, code: int) -> Iterator[None]:
    """Let the kernel refuse the message with this number, and change the error that it answers; -1 only records the types.

    The message gets a type that does not exist, so what it asks for is not done.
    """
    sender: Any = netlink  # both modules have imported the function
    receiver: Any = nlsocket
    counted, refused, send, receive = 0, set[int](), sender.observed_call, receiver.observed_call
    process = os.getpid()

    def sending(name: str, function: Any, data: Any, *args: Any, **options: Any) -> Any:
        nonlocal counted
        if name == "sendto" and os.getpid() == process:
            changed, at = bytearray(data), 0
            while at + 16 <= len(changed):
                length, kind, _, sequence = struct.unpack_from("=IHHI", changed, at)
                if options.get("protocol") == "nftables" and kind in BATCH:
                    kind = 0  # a batch without its end would be dropped without an answer
                elif counted == number or number < 0:
                    os.write(FACTS, f"{kind}\n".encode())
                if kind and counted == number:
                    struct.pack_into("=H", changed, at + 4, kind & 0xFF00 | 0xFE)
                    refused.add(sequence)
                counted += kind > 0
                at += length + 3 & ~3
            data = bytes(changed)
        return send(name, function, data, *args, **options)

    def receiving(name: str, function: Any, *args: Any, **options: Any) -> Any:
        answer = receive(name, function, *args, **options)
        if name == "recvfrom" and type(answer) is tuple and refused:
            data, at = bytearray(answer[0]), 0
            while at + 20 <= len(data):
                length, kind, _, sequence, _, error = struct.unpack_from("=IHHIIi", data, at)
                if kind == uapi.NLMSG_ERROR and error and sequence in refused:
                    struct.pack_into("=i", data, at + 16, -code)
                at += max(length + 3 & ~3, 16)
            answer = bytes(data), *answer[1:]
        return answer

    sender.observed_call, receiver.observed_call = sending, receiving
    try:
        yield
    finally:
        sender.observed_call, receiver.observed_call = send, receive


def rehearse(bench: verbs.Bench, verb: str, disturb: Any) -> list[str]:
    """Run a verb; return what is recorded."""
    bench.prepare(verb)
    facts()
    ended = bench.disturbed(verb, disturb)
    said = facts().split()
    problem = bench.problem(verb, ended)
    assert ended.status == 0 and not problem, (verb, str(ended), problem)
    return said


def named(ended: frame.Ended, code: str) -> bool:
    """Return whether a message contains the name of an error, or as those of `ip` the sentence for it."""
    return code in ended.said or os.strerror(getattr(errno, code)) in ended.said


def system_calls(report: Report, bench: verbs.Bench, verb: str, every: int = 1) -> None:
    """Fail each call of a verb with each of its errors; one in ``every`` of these cases."""
    calls = rehearse(bench, verb, recorded)
    cases = [
        (place, call, code) for place, call in enumerate(calls) if call != "close" for code in ERRNOS.get(call, "ENOMEM").split()
    ]
    for place, call, code in cases[:: max(every, 1)]:
        bench.prepare(verb)
        facts()
        ended = bench.disturbed(verb, partial(fail_at, place, code))
        failed = facts().strip() or call
        report.tally(f"{verb}")
        problem = bench.problem(verb, ended)
        if (failed, code) in ANSWERED:
            problem = problem if ended.crashed else ""
        elif not problem and ended.status and failed not in ended.said and not named(ended, code):
            problem = f"the error does not name its cause: {ended}"
        if problem:
            report.fault(f"{verb}: {code} at call {place} ({failed}): {problem}")
    bench.clear()


def messages(report: Report, bench: verbs.Bench, verb: str, every: int = 1) -> None:
    """Let the kernel refuse each message of a verb, with each of its errors."""
    kinds = [int(one) for one in rehearse(bench, verb, lambda: failing_message(-1, 0))]
    cases = [
        (place, kind, code)
        for place, kind in enumerate(kinds)
        for code in MESSAGE_ERRNOS.get(kind, "EPERM ENOMEM EINVAL").split()
    ]
    for place, kind, code in cases[:: max(every, 1)]:
        bench.prepare(verb)
        facts()
        ended = bench.disturbed(verb, partial(failing_message, place, getattr(errno, code)))
        report.tally(f"{verb} (messages)")
        problem = bench.problem(verb, ended)
        if not problem and ended.status and not named(ended, code):
            problem = f"the error does not name its cause: {ended}"
        if problem:
            report.fault(f"{verb}: {code} for message {place} (type {kind}): {problem}")
    bench.clear()


@contextmanager
def bench_with_facts(prefix: str = "") -> Iterator[verbs.Bench]:
    """Provide a bench, and the file in which children say what they have failed."""
    global FACTS
    FACTS = os.memfd_create("facts")
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield verbs.Bench(prefix, Path(folder)) if prefix else verbs.pid_bench(Path(folder))
    finally:
        os.close(FACTS)


def calls_campaign(report: Report) -> None:
    """Fail every system call of every verb."""
    with bench_with_facts() as bench:
        for verb in verbs.VERBS:
            system_calls(report, bench, verb)


def messages_campaign(report: Report) -> None:
    """Let the kernel refuse every message of every verb."""
    with bench_with_facts() as bench:
        for verb in verbs.VERBS:
            messages(report, bench, verb)


def operations_campaign(report: Report) -> None:
    """Fail every system call of the library's operations: all cases of tests/live/test_faults.py, which needs pytest."""
    test = frame.PROJECT / "tests" / "live" / "test_faults.py"
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)]
    done = subprocess.run(argv, env={**frame.environment(), "CAMPAIGN": "1"}, capture_output=True, text=True)
    passed = re.search(r"(\d+) passed", done.stdout)
    report.tally("operations", int(passed.group(1)) if passed else 0)
    report.expect(done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-500:]}")


CAMPAIGNS = {"operations": operations_campaign, "calls": calls_campaign, "messages": messages_campaign}
