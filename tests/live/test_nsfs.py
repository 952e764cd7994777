"""Newer ways to hold and find namespaces, and what is done on kernels without them; /proc is the second opinion."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import types
from collections.abc import Iterator
from errno import ENOSYS, ENOTTY, EPERM

import pytest
from conftest import PROJECT

from rawns import InvalidValue, NetNS, SyscallError, nsfs
from rawns.inventory import inventory
from rawns.observer import Observer, observed
from rawns.syscalls import LibcFunction


class Refuse(Observer):
    """Refuse calls that contain a word, as an older kernel or a seccomp filter does."""

    def __init__(self, word: str, error: int) -> None:
        self.word, self.error, self.count = word, error, 0

    def before(self, call: str, arguments: str) -> None:
        if self.word in f"{call}({arguments})":
            self.count += 1
            raise OSError(self.error, "")


@pytest.fixture(params=["as this kernel does", "as before Linux 6.11"])
def way(request: pytest.FixtureRequest) -> Iterator[Observer]:
    """Let a namespace be opened by the ioctl, if this kernel has it, and by setns."""
    old = request.param != "as this kernel does"
    observer = Refuse("PIDFD_GET_NET_NAMESPACE", ENOTTY) if old else Observer()
    with observed(observer):
        yield observer
    assert not isinstance(observer, Refuse) or observer.count


def test_the_namespace_of_a_process(way: Observer) -> None:
    with NetNS.create() as ns:
        process = ns.popen(["cat"], stdin=subprocess.PIPE)
        pidfd = os.pidfd_open(process.pid)
        try:
            with NetNS.open(pidfd=pidfd) as found:
                assert found == ns and found != NetNS.current()
                assert found.identity[1] == os.stat(f"/proc/{process.pid}/ns/net").st_ino
            process.communicate()
            with pytest.raises(ProcessLookupError, match="the process has ended"):
                NetNS.open(pidfd=pidfd)
        finally:
            os.close(pidfd)
    assert NetNS.current().identity[1] == os.stat("/proc/self/ns/net").st_ino


def test_what_is_not_a_process(way: Observer) -> None:
    with open("/dev/null") as file, pytest.raises(InvalidValue, match="is not one of a process"):
        NetNS.open(pidfd=file.fileno())


def test_ids_are_not_reused() -> None:
    """The kernel gives the inode of a namespace that has ended to the next one, but not its id."""
    found = []
    for _ in range(20):
        with NetNS.create() as ns:
            number = nsfs.namespace_id(ns.fileno())
            if number is None:
                pytest.skip("this kernel has no NS_GET_ID (6.18)")
            with NetNS.open(fd=ns.fileno()) as same:
                assert nsfs.namespace_id(same.fileno()) == number
            found.append(number)
    assert len(set(found)) == 20


def test_a_kernel_without_ids() -> None:
    with NetNS.current() as here, observed(Refuse("NS_GET_ID", ENOTTY)):
        assert nsfs.namespace_id(here.fileno()) is None


def test_a_namespace_whose_descriptor_is_being_passed() -> None:
    """Nothing in /proc refers to it; the kernel's own list has it since Linux 6.19."""
    if nsfs.all_ids() is None:
        pytest.skip("this kernel has no listns (6.19)")
    sender, receiver = socket.socketpair()
    with sender, receiver:
        with NetNS.create() as ns:
            inode = ns.identity[1]
            socket.send_fds(sender, [b"x"], [ns.fileno()])
        (one,) = [one for one in inventory() if one.inode == inode]
        assert one.held_elsewhere and one.links == ["lo"]


@pytest.mark.parametrize("error", [ENOSYS, EPERM])
def test_a_kernel_without_its_own_list(error: int) -> None:
    refuse = Refuse("listns", error)
    with NetNS.create() as ns, observed(refuse):
        assert nsfs.all_ids() is None
        assert ns.identity[1] not in {one.inode for one in inventory() if one.held_elsewhere}
    assert refuse.count == 2


@pytest.mark.really_root
def test_a_link_for_a_namespace_of_another_owner() -> None:
    """The kernel refuses it; the error says that the other namespace is the reason, not this one."""
    program = (
        "import ctypes, os\n"
        "from rawns import NetNS\n"
        "with NetNS.current() as outer:\n"
        "    ctypes.CDLL(None).unshare(0x10000000 | 0x40000000 | 0x20000)\n"  # CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWNS
        "    open('/proc/self/setgroups', 'w').write('deny')\n"
        "    open('/proc/self/uid_map', 'w').write('0 65534 1')\n"
        "    with NetNS.current() as inner:\n"
        "        for ask in (lambda: inner.net.add_veth('v1', 'v2', outer), lambda: inner.net.set_link('m1', netns=outer)):\n"
        "            try:\n"
        "                ask()\n"
        "            except PermissionError as error:\n"
        "                print(error)\n"
        "            else:\n"
        "                print('allowed')\n"
        "            inner.net.add_veth('m1', 'm2') if not inner.net.links('veth') else None\n"
        "        print([link.name for link in inner.net.links('veth')])\n"
    )
    words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-B", "-c", program]
    if shutil.which("setpriv") is None or os.getuid():
        pytest.skip("needs root and setpriv (util-linux)")
    done = subprocess.run(words, env={**os.environ, "PYTHONPATH": str(PROJECT)}, capture_output=True, text=True)
    first, second, links = done.stdout.splitlines()
    if first == "allowed":
        pytest.skip("this kernel does not ask who owns the namespace of the peer")
    for line in (first, second):
        assert "(EPERM)" in line and "the other namespace belongs to another user namespace" in line, done.stderr
    assert links == "['m2', 'm1']"


def test_a_processor_with_other_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call is not made by a number that means something else there."""
    call = LibcFunction("gettid", number=470)
    monkeypatch.setattr(os, "uname", lambda: types.SimpleNamespace(machine="mips64"))
    with pytest.raises(SyscallError) as caught:
        call()
    assert (caught.value.errno, caught.value.call) == (ENOSYS, "gettid")
