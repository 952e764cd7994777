"""Campaigns over `lab up`, `run` and `down`: a signal, or an error of the kernel, at each of their system calls in turn.

A process forks a child for each case.  The child acts when it is about to make its n-th system call; nothing depends on
time.  What is left is read from /run/netns and /proc/self/mountinfo, without the library.

By default a sample is tried.  `tests/campaigns/run COUNT` tries COUNT signals, and errors at every call.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import NETNS, PROJECT, remove_name

Name = Callable[[], str]
COUNT = int(os.environ.get("CAMPAIGN", "0"))  # of signals; 0 for a sample
SAMPLE = 60

HARNESS = """
import errno, json, os, random, signal, sys
from rawns import Lab, Observer, observed
from rawns.cli import main
from rawns.lab import discover

name, path, log = sys.argv[1:4]
ARGV = {"up": ["up", path], "down": ["down", name], "run": ["run", path, "--", "true"]}

class At(Observer):
    def __init__(self, number, act):
        self.number, self.act, self.calls, self.pid = number, act, [], os.getpid()
    def before(self, call, arguments):
        self.calls.append(call)
        if len(self.calls) - 1 == self.number and os.getpid() == self.pid:
            self.act(call)

def names():
    there = os.listdir("/run/netns") if os.path.isdir("/run/netns") else []
    return sorted(one for one in there if one.startswith(name + "."))

def mounts():
    return sum(f"/run/netns/{name}." in line for line in open("/proc/self/mountinfo", errors="surrogateescape"))

def files():
    return [one for one in os.listdir("/etc/netns") if one.startswith(name + ".")] if os.path.isdir("/etc/netns") else []

def prepare(verb):
    discover.remove_lab(name)
    assert not names() and not files()
    if verb == "down":
        Lab.load(path).up()

def child(verb, number, act):
    '''Run a verb in a forked child; its wait status, and the calls that it made.'''
    calls, sent = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.close(calls)
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(out, 1), os.dup2(out, 2)
            observer = At(number, act)
            sys.argv[:] = ["rawns", "lab", *ARGV[verb]]
            leave = os._exit
            def exits(status):
                os.write(sent, json.dumps(observer.calls).encode())
                leave(status)
            os._exit = exits
            with observed(observer):
                main.entry()
        except SystemExit as ended:  # what the interpreter does with it
            if isinstance(ended.code, str):
                os.write(2, ended.code.encode())
            os._exit(1 if isinstance(ended.code, str) else ended.code or 0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(99)
    os.close(sent)
    with open(calls) as file:
        made = file.read()
    return os.waitpid(pid, 0)[1], json.loads(made or "[]")

def whole():
    found = [one.state for one in discover.find_labs() if one.name == name]
    return names() == [f"{name}.a", f"{name}.b"] and found == ["standing"] and Lab.load(path).plan() == []

def clean():
    return not names() and not mounts() and not files()

rehearsed = {}
for verb in ARGV:
    prepare(verb)
    status, rehearsed[verb] = child(verb, -1, None)
    assert status == 0 and len(rehearsed[verb]) > 20, (verb, status, open(log).read())
"""

SIGNALS = """
random.seed(8)
tally = {}
for case in range(int(sys.argv[4])):
    verb, number = random.choice(sorted(ARGV)), random.choice(["SIGKILL", "SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"])
    place = random.randrange(len(rehearsed[verb]))
    remedy = random.choice(["gc", "up"])
    where = f"case {case}: {verb}, {number} at call {place} ({rehearsed[verb][place]}), then {remedy}"
    prepare(verb)
    status, _ = child(verb, place, lambda call: os.kill(os.getpid(), getattr(signal, number)))
    said = open(log).read()
    assert "Traceback" not in said, f"{where}: {said}"
    if number != "SIGKILL" and verb == "run":
        assert clean(), f"{where}: {names()} {files()} {said}"
    if remedy == "up":
        Lab.load(path).up()
        assert whole(), f"{where}: {names()} {[(one.name, one.state) for one in discover.find_labs()]} {said}"
    else:
        discover.collect_garbage()
        assert clean() or verb != "run" and whole(), f"{where}: {names()} {files()} {said}"
    tally[verb] = tally.get(verb, 0) + 1
discover.remove_lab(name)
assert clean(), names()
print(json.dumps(tally))
"""

ERRORS = """
ERRNOS = {
    "setns": ["EPERM", "ENOMEM"], "unshare": ["ENOSPC", "ENOMEM"], "mount": ["EPERM", "ENOMEM"], "open": ["EMFILE", "EACCES"],
    "socket": ["EMFILE", "ENOBUFS"], "sendto": ["ENOBUFS", "ENOMEM"], "umount2": ["EBUSY", "EPERM"],
    "unlink": ["EROFS", "EACCES"], "flock": ["ENOLCK"], "fork": ["EAGAIN"],
}
tally = {}
every = sys.argv[5] == "every"
for verb in sys.argv[4].split(","):
    calls = rehearsed[verb]
    last = {call: place for place, call in enumerate(calls)}
    for place, call in enumerate(calls):
        if call == "close":
            continue  # it lets go of the descriptor whatever it returns
        if not every and place not in (calls.index(call), last[call]):
            continue
        for code in ERRNOS.get(call, ["ENOMEM"])[: None if every else 1]:
            where = f"{verb}, {code} at call {place} ({call})"
            prepare(verb)
            def act(call):  # the order of calls can differ from the rehearsal's by one or two
                if call != "close":
                    raise OSError(getattr(errno, code), "")
            status, _ = child(verb, place, act)
            status, said = os.waitstatus_to_exitcode(status), open(log).read()
            assert "Traceback" not in said and status in (0, 1), f"{where}: {status} {said}"
            if verb == "up":
                assert whole() if status == 0 else not names() and not mounts(), f"{where}: {status} {names()} {said}"
            else:
                if status and verb == "down":
                    discover.remove_lab(name)
                assert clean(), f"{where}: {status} {names()} {files()} {said}"
            if status:
                assert call in said or code in said, f"{where}: the error does not name its cause: {said}"
            tally[verb] = tally.get(verb, 0) + 1
discover.remove_lab(name)
print(json.dumps(tally))
"""


@pytest.fixture
def campaign(netns_name: Name, tmp_path: Path) -> Iterator[Callable[..., dict[str, int]]]:
    """``campaign(script, *arguments)`` runs a campaign; what it counted."""
    name = netns_name()
    path = tmp_path / "lab.json"
    hosts = {"a": {"run": "true", "nameservers": "10.0.0.9"}, "b": {}}
    path.write_text(json.dumps({"name": name, "hosts": hosts, "wires": [{"ends": ["a 10.0.0.1/24", "b 10.0.0.2/24"]}]}))

    def run(script: str, *arguments: str) -> dict[str, int]:
        done = subprocess.run(
            [sys.executable, "-c", HARNESS + script, name, str(path), str(tmp_path / "log"), *arguments],
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            capture_output=True,
            text=True,
            timeout=300 + COUNT,  # a bound for a hang
        )
        assert done.returncode == 0, done.stderr[-3000:]
        counted: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
        return counted

    yield run
    for one in os.listdir(NETNS) if NETNS.is_dir() else []:
        if one.startswith(f"{name}."):
            remove_name(one)
    for folder in Path("/etc/netns").glob(f"{name}.*"):
        shutil.rmtree(folder)


@pytest.mark.really_root
def test_signals_at_any_system_call(campaign: Callable[..., dict[str, int]]) -> None:
    count = COUNT or SAMPLE
    tally = campaign(SIGNALS, str(count))
    assert sum(tally.values()) == count and min(tally.values()) > count // 6


@pytest.mark.really_root
@pytest.mark.parametrize("verb", ["up", "down", "run"])
def test_each_system_call_fails_in_turn(verb: str, campaign: Callable[..., dict[str, int]]) -> None:
    """By default the first and the last call of each kind."""
    assert campaign(ERRORS, verb, "every" if COUNT else "sample")[verb] > 12
