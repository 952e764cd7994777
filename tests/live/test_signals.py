"""A signal handler that raises at any moment, as that of Ctrl-C does: no thread stays inside, and nothing is left behind.

The moments are chosen at random by a timer; what has to hold, holds for all of them.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PROJECT

PREAMBLE = """
import gc, os, random, signal, sys
from rawns import Lab, NetNS

class Interruption(BaseException):
    pass

armed = False  # one interruption a round, and only while the operation runs: a late signal is ignored

def interrupt(number, frame):
    global armed
    if armed:
        armed = False
        raise Interruption

signal.signal(signal.SIGALRM, interrupt)
HERE = "/proc/thread-self/ns/net"
home = os.stat(HERE).st_ino
name = sys.argv[1]
random.seed(7)

def interruptions(operation, longest, rounds):
    \"\"\"Return how often the operation was interrupted; after each time the thread must be in its own namespace.\"\"\"
    global armed
    times = 0
    for _ in range(rounds):
        try:
            armed = True
            signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, longest))
            operation()
            armed = False
        except Interruption:
            times += 1
            gone = sys.exc_info()
        signal.setitimer(signal.ITIMER_REAL, 0)
        gone = None
        if os.stat(HERE).st_ino != home:
            gc.collect()
            assert os.stat(HERE).st_ino == home, "stranded"
    return times

def descriptors():
    gc.collect()
    return len(os.listdir("/proc/self/fd"))
"""

OPERATIONS = {
    "entered": """
ns = NetNS.create()
def operation():
    with ns.entered():
        pass
before = descriptors()
times = interruptions(operation, 6e-5, 4000)
after = descriptors()
""",
    "socket": """
import socket
ns = NetNS.create()
def operation():
    ns.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
before = descriptors()
times = interruptions(operation, 8e-5, 3000)
after = descriptors()
""",
    "create": """
NetNS.create(name + "-x").delete()
made = []
def operation():
    made.append(NetNS.create(name))  # it is deleted below
before = descriptors()
times = 0
for _ in range(400):
    times += interruptions(operation, 8e-4, 1)
    while made:
        made.pop().delete()
    assert name not in NetNS.list() + NetNS.list(stale=True), "a name is left behind"
after = descriptors()
""",
    "pool": """
from rawns import Pool
pool = Pool(4)
made = []
def operation():
    for _ in range(6):
        made.append(pool.take())  # some ready, some made here
    pool.fill()
before = descriptors()
pool.fill()
ready = len(os.listdir("/proc/self/fd")) - before
times = 0
for _ in range(300):
    times += interruptions(operation, 2e-3, 1)
    while made:
        made.pop().close()
    assert len(pool) <= 4
pool.fill()
pool.close()
after = descriptors() + (0 if ready <= 4 else 99)
""",
    "down": """
lab = Lab()
for number in range(8):
    lab.netns(f"{name}-{number}")
before = descriptors()
times = 0
for _ in range(40):
    lab.up()
    times += interruptions(lab.down, 1e-3, 1)
    left = [one for one in NetNS.list() + NetNS.list(stale=True) if one.startswith(name)]
    assert len(left) in (0, 8), f"half of it is left behind: {left}"  # 8: struck before it had begun
    lab.down()
after = descriptors()
""",
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_handler_that_raises(operation: str, netns_name: Callable[[], str]) -> None:
    script = f"{PREAMBLE}\n{OPERATIONS[operation]}\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nprint(times, after - before)"
    name = netns_name()
    done = subprocess.run([sys.executable, "-c", script, name], capture_output=True, text=True, timeout=120)
    try:
        assert done.returncode == 0, done.stderr
        times, leaked = map(int, done.stdout.split())
        assert leaked <= 0
        assert times > 0, "the signal never came in time; nothing was tried"
    finally:
        for number in range(8):
            path = f"/run/netns/{name}-{number}"
            if os.path.lexists(path):
                subprocess.run(["umount", "-l", path], capture_output=True)
                os.unlink(path)


@pytest.mark.parametrize(("operation", "step"), [("block", 1), ("attach", 3), ("lab", 3), ("standing", 7), ("threads", 61)])
def test_another_thread_takes_the_signal(operation: str, step: int, netns_name: Callable[[], str]) -> None:
    """The kernel gives a signal that the main thread blocks to another thread, and Python runs its handler in the main thread."""
    name = netns_name()
    argv = [sys.executable, str(PROJECT / "tests" / "campaigns" / "other_thread.py"), name, str(step), operation]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120)
    try:
        assert done.returncode == 0, done.stderr
        calls, interrupted = json.loads(done.stdout)
        assert interrupted >= calls / step * 0.9 > 5
    finally:
        for left in Path("/run/netns").glob(f"{name}*"):
            subprocess.run(["umount", "-l", str(left)], capture_output=True)
            left.unlink()


@pytest.mark.parametrize(("operation", "gap"), [("temporary", False), ("create", True)])
def test_a_signal_at_each_bytecode(operation: str, gap: bool, netns_name: Callable[[], str]) -> None:
    """Between `create` and the block nothing refers to the namespace but the interpreter; `temporary` needs nothing else."""
    argv = [sys.executable, str(PROJECT / "tests" / "campaigns" / "each_bytecode.py"), netns_name(), "199", operation]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    tried, interrupted, lost = json.loads(done.stdout)
    assert interrupted > tried * 0.8 > 15 and bool(lost) == gap


AT_FORK = """
import os, signal, sys
from rawns import Observer, observed
from rawns.cli import main

when, path = sys.argv[1:]
process = os.getpid()

class AtFork(Observer):
    def act(self, call, moment):
        if call == "fork" and moment == when and os.getpid() == process:
            os.kill(process, signal.SIGTERM)
    def before(self, call, arguments):
        self.act(call, "before")
    def after(self, event):
        self.act(event.call, "after")

sys.argv[1:] = ["lab", "run", path, "--", "sleep", "1000"]
with observed(AtFork()):
    main.entry()
"""


@pytest.mark.really_root
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_signal_when_the_command_is_forked(when: str, netns_name: Callable[[], str], tmp_path: Path) -> None:
    """It ends the command, or prevents it; it is never lost between the two."""
    path = tmp_path / "lab.json"
    path.write_text(json.dumps({"name": netns_name(), "hosts": {"a": {}}}))
    done = subprocess.run([sys.executable, "-c", AT_FORK, when, str(path)], timeout=60)
    assert done.returncode == 128 + signal.SIGTERM


@pytest.mark.really_root
def test_a_host_s_command_ends_with_the_up_that_runs_it(netns_name: Callable[[], str], tmp_path: Path) -> None:
    name, path, fifo = netns_name(), tmp_path / "lab.json", tmp_path / "fifo"
    os.mkfifo(fifo)
    command = f"sleep 1000 & echo $$ $! > {fifo}; wait"
    path.write_text(json.dumps({"name": name, "hosts": {"a": {"run": command}}}))
    process = subprocess.Popen([sys.executable, "-m", "rawns", "lab", "up", str(path)])
    pids = [int(pid) for pid in fifo.read_text().split()]
    waiting = [os.pidfd_open(pid) for pid in pids]
    process.terminate()
    assert process.wait(timeout=60) == -signal.SIGTERM and len(pids) == 2
    for one in waiting:
        assert select.select([one], [], [], 60)[0], "a process of the command goes on"
        os.close(one)
    assert not os.path.lexists(f"/run/netns/{name}.a")


def test_a_dump_broken_off_does_not_spoil_the_next(netns_name: Callable[[], str]) -> None:
    script = """
from rawns import NetNS, Observer, observed

class Breaker(Observer):
    def after(self, event):
        if event.call == "recvfrom":
            raise KeyboardInterrupt

with NetNS.create() as ns:
    for number in range(60):
        ns.net.add_veth(f"a{number}", f"b{number}")
    try:
        with observed(Breaker()):
            ns.net.links()
    except KeyboardInterrupt:
        pass
    print(len(ns.net.links()), len(ns.net.links()))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("121 121\n", "")


FORKED = """
import os, signal
from rawns.cli import signals
signals.handle()
ready, go = os.pipe()
child = 0
try:
    child = os.fork()
    if child == 0:
        os.write(go, b".")
        while True:
            signal.pause()
    os.read(ready, 1)
    os.kill(child, signal.SIGTERM)
    print(os.waitpid(child, 0)[1] == signal.SIGTERM, flush=True)
finally:
    print("removed by", "the parent" if child else "the child", flush=True)
"""


def test_a_forked_child_removes_nothing() -> None:
    """Libraries fork and end their children by SIGTERM: what the parent has made must stay."""
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=60)
    assert (done.stdout.splitlines(), done.stderr) == (["True", "removed by the parent"], "")


DISCARDED = """
import os, select, signal, sys, weakref
from rawns.cli import signals
number, place, once = getattr(signal, sys.argv[1]), sys.argv[2], sys.argv[3]

def arrive(_=None):
    os.kill(os.getpid(), number)
    for _ in range(1000):
        pass  # the handler is called here

class Thing:
    if place == "__del__":
        __del__ = arrive

signals.handle()
if once == "once":
    signals.once()
while True:
    try:
        thing = Thing()
        reference = weakref.ref(thing, arrive) if place == "callback" else None
        del thing
        select.select([], [], [], 60)
        print("lost")
    except (KeyboardInterrupt, signals.Terminated) as ended:
        print(getattr(ended, "number", int(signal.SIGINT)))
        break
"""


@pytest.mark.parametrize("place", ["__del__", "callback"])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
@pytest.mark.parametrize("once", ["once", "every time"])
def test_a_signal_where_python_discards_exceptions(name: str, place: str, once: str) -> None:
    """Python reports an exception there and goes on; the command must end all the same, and print nothing of that."""
    words = [sys.executable, "-c", DISCARDED, name, place, once]
    done = subprocess.run(words, env={**os.environ, "PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, timeout=50)
    assert (done.stdout, done.stderr) == (f"{getattr(signal, name).value}\n", "")
