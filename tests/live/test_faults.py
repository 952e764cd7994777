"""Every system call of making and unmaking is failed in turn: an error that names the call, and nothing left behind."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from conftest import leaks, state

from rawns import Lab, NamespaceRestoreError, NetNS, Observer, RawnsError, observed
from rawns.threads import call_on_thread

Name = Callable[[], str]

# close(2) is not failed: it lets go of the descriptor whatever it returns.
NEVER = {"close"}
# A kernel that lacks one of these options gives shorter errors, no failure.
MAY_FAIL = {"setsockopt"}


class Saboteur(Observer):
    """Fails the call with this number; remembers all it saw."""

    def __init__(self, number: int = -1) -> None:
        self.number, self.calls = number, list[str]()
        self.failed = ""

    def before(self, call: str, arguments: str) -> None:
        self.calls.append(call)
        if len(self.calls) - 1 == self.number and call not in NEVER:
            self.failed = call
            raise OSError(errno.ENOMEM, "sabotage")


def create_named(name: str) -> NetNS:
    return NetNS.create(name)


def create_anonymous(name: str) -> NetNS:
    return NetNS.create()


def attach(name: str) -> NetNS:
    ns = NetNS.create()
    try:
        ns.attach(name)
    except OSError:
        ns.close()
        raise
    return ns


def lab(name: str) -> None:
    lab = Lab()
    one, two = lab.netns(name), lab.netns()
    lab.wire(one.port("v1", "10.0.0.1/24"), two.port("v2", "10.0.0.2/24"))
    lab.up()
    lab.down()


STORIES = [create_named, create_anonymous, attach, lab]


def outcome(story: Callable[[str], NetNS | None], name: str, saboteur: Saboteur) -> BaseException | None:
    """How it ended, on a thread of its own, which may never find its way back.  What succeeds is deleted again."""

    def attempt() -> BaseException | None:
        try:
            with observed(saboteur):
                made = story(name)
            if made is not None:
                made.delete()
        except (RawnsError, NamespaceRestoreError) as error:
            return error
        return None

    return call_on_thread(attempt)


@pytest.fixture
def prepared(netns_name: Name) -> Iterator[str]:
    """A name, on a machine whose /run/netns is there already."""
    NetNS.create(netns_name()).delete()
    yield netns_name()


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_each_call_failed_in_turn(story: Callable[[str], NetNS | None], prepared: str) -> None:
    rehearsal = Saboteur()
    assert outcome(story, prepared, rehearsal) is None
    assert len(rehearsal.calls) >= 5
    before = state()
    for number in range(len(rehearsal.calls)):
        saboteur = Saboteur(number)
        error = outcome(story, prepared, saboteur)
        if not saboteur.failed:
            continue
        where = f"call {number}, {saboteur.failed}"
        if error is None:
            retried = story is lab and "umount2" in saboteur.calls  # `down` tries once more, and then nothing is left
            assert retried or saboteur.failed in MAY_FAIL, f"{where}: the error was not reported"
        else:
            assert saboteur.failed in str(error) and "ENOMEM" in str(error), f"{where}: {error!r}"
        assert not leaks(before, {"name", "mount", "descriptor"}), where
        assert not os.path.lexists(f"/run/netns/{prepared}"), where
    assert state()["name"] == before["name"]


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
    return [line for line in open("/proc/self/mountinfo").read().splitlines()]
before = mounted()
rehearsal = t.Saboteur()
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
    saboteur = t.Saboteur(number)
    error = t.outcome(t.create_named, "x", saboteur)
    if saboteur.failed and error is not None and not isinstance(error, t.NamespaceRestoreError):
        assert saboteur.failed in str(error), error
        assert clean(), (number, saboteur.failed, os.listdir("/run"))
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
    script = f"import test_faults as t\nt.lab({name!r})"
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
