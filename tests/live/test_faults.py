"""Every system call of making and unmaking is failed in turn: an error that names the call, and nothing left behind.

By default one in `EVERY` of the cases; `tests/campaigns/run operations` tries all.
"""

from __future__ import annotations

import errno
import gc
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import State, leaks, state

from rawns import Lab, NamespaceRestoreError, NetNS, Observer, Pool, RawnsError, SyscallError, observed
from rawns.errors import errno_name
from rawns.threads import call_on_thread

Name = Callable[[], str]
EVERY = 1 if "CAMPAIGN" in os.environ else 5

# The errors that a call can have (its man page).  close(2) is not failed: it closes the descriptor whatever it returns.
ERRNOS = {
    "dup": "EMFILE EBADF",
    "fork": "EAGAIN ENOMEM",
    "flock": "ENOLCK EWOULDBLOCK EINTR",
    "fstat": "ENOMEM EIO",
    "getdents64": "ENOENT EACCES ENOMEM",
    "ioctl": "EPERM ENOMEM",
    "mkdir": "EACCES EROFS ENOSPC",
    "mount": "EPERM ENOMEM EINVAL ENOENT EBUSY",
    "open": "EACCES EMFILE ENFILE ENOMEM ENOENT",
    "recvfrom": "ENOBUFS ENOMEM",
    "sendto": "ENOBUFS ENOMEM",
    "setns": "EPERM ENOMEM EBADF",
    "setsockopt": "ENOPROTOOPT ENOMEM",
    "socket": "EMFILE ENFILE ENOBUFS EPROTONOSUPPORT",
    "stat": "EACCES ENOMEM ENOENT",
    "umount2": "EPERM EBUSY EINVAL",
    "unlink": "EBUSY EPERM EROFS",
    "unshare": "EPERM ENOSPC ENOMEM EINVAL",
    "write": "ENOSPC EIO",
}
# Those that have an answer: another call, another thread, a second attempt, or something that is left out.
TOLERATED = {
    "flock": "EWOULDBLOCK",  # another process has the lock: wait
    "getdents64": "ENOENT",  # there is no directory, so there are no names
    "open": "EACCES ENOENT",  # a thread that need not return; /run/netns is created
    "recvfrom": "ENOBUFS",  # the dump is repeated
    "setns": "EPERM",  # a thread that need not return
    "setsockopt": "ENOPROTOOPT ENOMEM",  # errors are shorter, or socket buffers smaller
    "stat": "EACCES ENOMEM ENOENT",  # the name is stale, or `open` says what is wrong
    "umount2": "EPERM EBUSY EINVAL",  # /sys is covered instead
}


class FailingCall(Observer):
    """Fails the call with this number; remembers all that it has seen."""

    def __init__(self, number: int = -1, errno_: int = errno.ENOMEM) -> None:
        self.number, self.errno, self.calls = number, errno_, list[str]()
        self.failed = ""

    def before(self, call: str, arguments: str) -> None:
        self.calls.append(call)
        if len(self.calls) - 1 == self.number and call != "close":  # which closes, whatever it returns
            self.failed = call
            raise OSError(self.errno, "a test lets this call fail")


def create_named(name: str, failing: FailingCall) -> None:
    with observed(failing):
        ns = NetNS.create(name)
    ns.delete()


def create_anonymous(name: str, failing: FailingCall) -> None:
    with observed(failing):
        ns = NetNS.create()
    ns.close()


def attach(name: str, failing: FailingCall) -> None:
    with NetNS.create() as ns, observed(failing):
        ns.attach(name)


def open_named(name: str, failing: FailingCall) -> None:
    with NetNS.create(name), observed(failing):
        NetNS.open(name).close()


def delete(name: str, failing: FailingCall) -> None:
    """A failed deletion can be repeated."""
    ns = NetNS.create(name)
    try:
        with observed(failing):
            ns.delete()
    except BaseException:
        if name in NetNS.list() + NetNS.list(stale=True):
            ns.delete()
        ns.close()
        raise


def entered(name: str, failing: FailingCall) -> None:
    with NetNS.create() as ns, observed(failing), ns.entered():
        pass


def call(name: str, failing: FailingCall) -> None:
    with NetNS.create() as ns, observed(failing):
        ns.call(int)


def popen(name: str, failing: FailingCall) -> None:
    before = children()
    with NetNS.create() as ns:
        try:
            with observed(failing):
                child = ns.popen(["true"])
            child.wait()
        finally:
            for pid in children() - before if failing.failed else ():  # one forked before the thread could not return
                os.waitpid(pid, 0)


def children() -> set[int]:
    """Return the child processes of this process: of all its threads."""
    found: set[int] = set()
    for task in os.listdir("/proc/self/task"):
        with suppress(OSError):  # the thread has just ended
            found.update(map(int, Path(f"/proc/self/task/{task}/children").read_text().split()))
    return found


def run_with_mounts(name: str, failing: FailingCall) -> None:
    with NetNS.create(name) as ns, observed(failing):
        ns.run(["true"], mounts=True)


def network(name: str, failing: FailingCall) -> None:
    with NetNS.create() as ns, observed(failing):
        ns.net.links()
        ns.socket(socket.AF_INET, socket.SOCK_DGRAM).close()


def lab(name: str, failing: FailingCall) -> None:
    with observed(failing):
        lab = Lab()
        one, two = lab.netns(name), lab.netns()
        lab.wire(one.port("v1", "10.0.0.1/24"), two.port("v2", "10.0.0.2/24"))
        lab.up()
        lab.down()


OPERATIONS: list[Callable[[str, FailingCall], None]] = [
    create_named,
    create_anonymous,
    attach,
    open_named,
    delete,
    entered,
    call,
    popen,
    run_with_mounts,
    network,
]
Operation = Callable[[str, FailingCall], None]


def outcome(operation: Operation, name: str, failing: FailingCall) -> BaseException | None:
    """How it ended, on a thread of its own, which may never return to its namespace."""

    def attempt() -> BaseException | None:
        try:
            operation(name, failing)
        except (RawnsError, NamespaceRestoreError) as error:
            return error
        return None

    return call_on_thread(attempt)


@pytest.fixture
def prepared(netns_name: Name) -> Iterator[str]:
    """A name, on a machine whose /run/netns is there already."""
    NetNS.create(netns_name()).delete()
    yield netns_name()


def check(operation: Operation, name: str, number: int, code: str, before: State) -> None:
    """Fail one call in one way: an error that names the call, or an answer to it; nothing is left behind."""
    failing = FailingCall(number, getattr(errno, code))
    error = outcome(operation, name, failing)
    failed = failing.failed
    where = f"call {number}, {failed} {code}: {error!r}"
    spelled = errno_name(getattr(errno, code))
    if error is None:
        assert code in TOLERATED.get(failed, "").split(), where
    elif operation is delete and (failed, code) == ("umount2", "EINVAL"):
        assert "unlink(" in str(error) and "EBUSY" in str(error), where  # what says EINVAL, and is mounted, is busy
    else:
        assert f"{failed}(" in str(error) and spelled in str(error), where
    gc.collect()
    assert not leaks(before, {"name", "mount", "descriptor"}), where
    assert not os.path.lexists(f"/run/netns/{name}"), where


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
def test_each_call_failed_in_turn_with_each_error_that_it_can_have(operation: Operation, prepared: str) -> None:
    rehearsal = FailingCall()
    assert outcome(operation, prepared, rehearsal) is None
    assert rehearsal.calls
    before = state()
    calls = enumerate(rehearsal.calls)
    cases = [(number, code) for number, name in calls if name != "close" for code in ERRNOS.get(name, "ENOMEM").split()]
    for number, code in cases[OPERATIONS.index(operation) % EVERY :: EVERY]:
        check(operation, prepared, number, code, before)


def test_each_call_of_a_lab_failed_in_turn(prepared: str) -> None:
    rehearsal = FailingCall()
    assert outcome(lab, prepared, rehearsal) is None
    before = state()
    for number, name in list(enumerate(rehearsal.calls))[::EVERY]:
        if name == "close":
            continue
        failing = FailingCall(number)
        error = outcome(lab, prepared, failing)
        where = f"call {number}, {name}: {error!r}"
        if error is not None:
            assert failing.failed in str(error) and "ENOMEM" in str(error), where
        assert not leaks(before, {"name", "mount", "descriptor"}), where
        assert not os.path.lexists(f"/run/netns/{prepared}"), where


@pytest.mark.parametrize("name, code", [("unshare", "ENOSPC"), ("open", "EMFILE"), ("socket", "ENFILE"), ("sendto", "ENOMEM")])
def test_a_pool_whose_calls_fail(name: str, code: str) -> None:
    """Each call of that name, since the order of two threads is not known."""

    class Always(Observer):
        def before(self, call: str, arguments: str) -> None:
            if call == name:
                raise OSError(getattr(errno, code), "")

    with observed(Always()), Pool(2, lo=True) as pool, pytest.raises(SyscallError, match=rf"{name}\(.*\({code}\)"):
        pool.take()


ROOTLESS = """
import errno, os, sys
from rawns import RawnsError, rootless
from rawns.observer import observed
import test_faults as t

def child(failing):
    reading, writing = os.pipe()
    if not os.fork():
        try:
            with observed(failing):
                rootless.enter()
            said = "entered"
        except RawnsError as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, "\\n".join([said, *failing.calls]).encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as answer:
        lines = answer.read().split("\\n")
    os.wait()
    return lines

said, *calls = child(t.FailingCall())
assert said == "entered", said
for number, name in enumerate(calls):
    said = child(t.FailingCall(number, errno.EPERM))[0]
    named = name in said or name == "unshare" and "does not let this root make a user namespace" in said
    if name != "close" and said != "entered" and not (named and "(EPERM)" in said):
        print(number, name, said)
    if said == "entered":
        tolerated = name in ("close", "setsockopt", "stat") or calls[:number].count("mount") >= 2  # an entry of /run is left out
        if not tolerated:
            print(number, name, said)
print("all tried", len(calls) > 12)
"""


def test_rootless_whose_calls_fail() -> None:
    """In children of a process without threads: whatever is left in them ends with them."""
    here = os.path.dirname(os.path.abspath(__file__))
    path = os.pathsep.join([os.path.dirname(here), here, *sys.path])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", ROOTLESS], env=environment, capture_output=True, text=True, timeout=120)
    if "does not let" in done.stderr:
        pytest.skip("no user namespaces here")
    assert (done.stdout, done.stderr) == ("all tried True\n", "")


def test_what_prepares_the_directory_is_undone_too(netns_name: Name) -> None:
    """On a machine that never had a name: in a mount namespace with an empty /run, in a process of its own."""
    script = """
import os
from rawns import uapi
from rawns.syscalls import mount, unshare
unshare(uapi.CLONE_NEWNS)
mount("", "/", "none", uapi.MS_PRIVATE | uapi.MS_REC, None)
mount("fresh", "/run", "tmpfs", 0, None)
import test_faults as t
from rawns import observed
def mounted():
    return [line for line in open("/proc/self/mountinfo", errors="surrogateescape").read().splitlines()]
before = mounted()
rehearsal = t.FailingCall()
t.outcome(t.create_named, "x", rehearsal)
assert rehearsal.calls.count("mkdir") == 1 and rehearsal.calls.count("mount") == 4, rehearsal.calls
def clean():
    return not os.path.exists("/run/netns") and mounted() == before
def wipe():
    from rawns.syscalls import umount2
    umount2("/run/netns", 2)
    os.rmdir("/run/netns")
wipe()
assert clean()
for number in range(len(rehearsal.calls)):
    failing = t.FailingCall(number)
    error = t.outcome(t.create_named, "x", failing)
    if failing.failed and error is not None and not isinstance(error, t.NamespaceRestoreError):
        assert failing.failed in str(error), error
        assert clean(), (number, failing.failed, os.listdir("/run"))
    elif not clean():
        wipe()
print("all clean")
"""
    here = os.path.dirname(os.path.abspath(__file__))
    path = os.pathsep.join([os.path.dirname(here), here, *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.stdout == "all clean\n"


@pytest.mark.parametrize("call", ["unshare", "mount", "setns", "socket", "sendto", "umount2"])
def test_the_same_from_outside_the_process(call: str, netns_name: Name) -> None:
    """strace makes the kernel's answer an error: what our own hook does is what really happens."""
    if shutil.which("strace") is None:
        pytest.skip("there is no strace here")
    name = netns_name()
    NetNS.create(name).delete()
    script = f"import test_faults as t\nt.lab({name!r}, t.FailingCall())"
    here = os.path.dirname(os.path.abspath(__file__))
    path = os.pathsep.join([os.path.dirname(here), here, *sys.path])
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={call}:error=ENOMEM:when=1", sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert not os.path.lexists(f"/run/netns/{name}")
    if call == "umount2":  # `down` tries once more
        assert (done.returncode, done.stdout) == (0, "") or "ptrace" in done.stdout
        return
    last = done.stdout.splitlines()[-1]
    if "ptrace" in done.stdout:
        pytest.skip(f"strace may not trace here: {last}")
    assert done.returncode != 0 and f"{call}(" in last and "ENOMEM" in last, done.stdout
