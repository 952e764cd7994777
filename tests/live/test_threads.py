"""Threads that enter network namespaces: overlapping blocks, threads that cannot return, limits of threads and processes."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT

from rawns import NetNS, Observer, RawnsError, observed
from rawns.threads import call_on_thread

HERE = "/proc/thread-self/ns/net"


def here() -> int:
    """The inode of the namespace that the calling thread is in, without the library."""
    return os.stat(HERE).st_ino


def python(script: str, *argv: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own."""
    return subprocess.run([*prefix, sys.executable, "-c", script, *argv], capture_output=True, text=True, timeout=60)


# -- overlapping blocks ---------------------------------------------------------------------------------------------


def test_blocks_of_two_coroutines_that_overlap_are_noticed() -> None:
    home = here()

    async def visit(ns: NetNS, entered: asyncio.Event, leave: asyncio.Event) -> None:
        with ns.entered():
            entered.set()
            await leave.wait()

    async def both(one: NetNS, two: NetNS) -> list[BaseException | None]:
        entered, leave = [asyncio.Event(), asyncio.Event()], [asyncio.Event(), asyncio.Event()]
        first = asyncio.ensure_future(visit(one, entered[0], leave[0]))
        await entered[0].wait()
        second = asyncio.ensure_future(visit(two, entered[1], leave[1]))
        await entered[1].wait()
        leave[0].set()
        await asyncio.wait([first])
        after_first = here()
        leave[1].set()
        await asyncio.wait([second])
        assert after_first == here() == home
        return [first.exception(), second.exception()]

    with NetNS.create() as one, NetNS.create() as two:
        before = os.listdir("/proc/self/fd")
        for error in asyncio.run(both(one, two)):
            assert isinstance(error, RawnsError) and "left the network namespace during the block" in str(error)
        with one.entered():  # and the next block is a good one again
            pass
        assert len(os.listdir("/proc/self/fd")) == len(before) and here() == home


@pytest.mark.parametrize("same", [True, False], ids=["the same namespace twice", "two namespaces"])
def test_a_block_that_ends_elsewhere_goes_back_to_where_the_outermost_began(same: bool) -> None:
    home = here()
    with NetNS.create() as one, NetNS.create() as two:
        first, second = one.entered(), (one if same else two).entered()
        first.__enter__()
        second.__enter__()
        if same:  # the first is where it should be; the second is not any more
            first.__exit__(None, None, None)
        else:
            with pytest.raises(RawnsError, match="left the network namespace"):
                first.__exit__(None, None, None)
        assert here() == home
        with pytest.raises(RawnsError, match="left the network namespace"):
            second.__exit__(None, None, None)
        assert here() == home


def test_blocks_that_nest_are_left_alone_also_in_an_event_loop() -> None:
    home = here()

    async def nested(one: NetNS, two: NetNS) -> None:
        with one.entered():
            inode = here()
            with two.entered():
                assert here() not in (inode, home)
            assert here() == inode
        assert here() == home

    with NetNS.create() as one, NetNS.create() as two:
        asyncio.run(nested(one, two))


def test_an_error_in_the_block_is_kept_beside_that_of_its_end() -> None:
    with NetNS.create() as one, NetNS.create() as two:
        with pytest.raises(RawnsError, match="left the network namespace") as caught, one.entered():
            two.enter()
            raise KeyError("mine")
        assert isinstance(caught.value.__context__, KeyError)


# -- threads that cannot return -------------------------------------------------------------------------------------

STRANDED = """
import errno, sys, threading
from rawns import NamespaceRestoreError, NetNS, Observer, Pool, RawnsError, observed

class NoWayBack(Observer):
    def before(self, call, arguments):
        self.calls = [*getattr(self, "calls", []), call]
        if call == "setns" and self.calls.count("setns") % 3 == 0:  # the first proves that the thread may return
            raise OSError(errno.EPERM, "")

def visit():
    with ns.entered():
        pass
    print("went on")

ns = NetNS.create()
with observed(NoWayBack()):
    HOW
print("the main thread goes on")
"""
SENTENCE = "this thread cannot return to its network namespace: setns("


@pytest.mark.parametrize(
    "how, status, goes_on",
    [
        ("visit()", 1, False),
        ("thread = threading.Thread(target=visit); thread.start(); thread.join()", 0, True),
        ("import _thread; lock = _thread.allocate_lock(); lock.acquire(); _thread.start_new_thread(visit, ()); import time\n"
         "    while len(__import__('os').listdir('/proc/self/task')) > 1: time.sleep(0)", 0, True),
        ("import asyncio; asyncio.run(asyncio.to_thread(visit))", 1, False),
        ("block = ns.entered(); block.__enter__(); del block; visit()", 1, False),
    ],
    ids=["main", "thread", "_thread", "to_thread", "released"],
)  # fmt: skip
def test_a_thread_that_cannot_return_ends_with_a_sentence(how: str, status: int, goes_on: bool) -> None:
    done = python(STRANDED.replace("HOW", how))
    assert done.returncode == status and "Traceback" not in done.stderr and "Fatal" not in done.stderr, done.stderr
    assert all(line.startswith(SENTENCE) and "(EPERM)" in line for line in done.stderr.splitlines()) and done.stderr
    assert done.stdout == ("the main thread goes on\n" if goes_on else "")


def test_a_thread_of_ours_that_cannot_return_is_an_error_of_the_call() -> None:
    class NoWayBack(Observer):
        setns = 0

        def before(self, call: str, arguments: str) -> None:
            if call == "setns":
                self.setns += 1
                if self.setns == 3:
                    raise OSError(errno.EPERM, "")

    went_on = []

    def visit(ns: NetNS) -> None:
        with observed(NoWayBack()), ns.entered():
            pass
        went_on.append(True)

    home = here()
    with NetNS.create() as ns, pytest.raises(RawnsError, match="cannot return to its network namespace.*has not moved"):
        call_on_thread(visit, ns)
    assert not went_on and here() == home


# -- a user namespace that does not own its network namespace ---------------------------------------------------------

FOREIGN = """
import os, socket
import rawns
from rawns import Lab, NetNS, Pool, SyscallError
home = os.stat("/proc/thread-self/ns/net").st_ino
one, two = NetNS.create(), NetNS.create()
one.net.add_veth("v1", peer="v2", peer_ns=two)
for ns, name, address in ((one, "v1", "10.0.0.1/24"), (two, "v2", "10.0.0.2/24")):
    ns.net.add_address(name, address)
    ns.net.set_link(name, up=True)
print(rawns.ping(one, "10.0.0.2", timeout=10).received, one.setting("net.ipv4.ip_forward", 1))
print(one.call(os.stat, "/proc/thread-self/ns/net").st_ino == os.fstat(one.fd).st_ino)
print(one.run(["stat", "-Lc", "%i", "/proc/self/ns/net"], stdout=-1, text=True).stdout == f"{os.fstat(one.fd).st_ino}\\n")
one.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
with Pool(2, lo=True) as pool:
    pool.take().close()
for size in (2, 20):
    with Lab() as lab:
        hosts = [lab.netns() for _ in range(size)]
        lab.wire(hosts[0].port("e0", "10.0.0.1/24"), hosts[1].port("e0", "10.0.0.2/24"))
        lab.up()
        print(rawns.ping(hosts[0], "10.0.0.2", timeout=10).received)
try:
    with one.entered():
        print("entered")
except SyscallError as error:
    print(error.call, error.code, "could not return" in error.hint)
print(os.stat("/proc/thread-self/ns/net").st_ino == home)
"""


def in_user_namespace(*options: str) -> tuple[str, ...]:
    """A prefix for a command; skips if the machine allows no user namespaces."""
    prefix = ("unshare", "--user", "--map-root-user", *options)
    try:
        works = subprocess.run([*prefix, "true"], capture_output=True, timeout=60).returncode == 0
    except FileNotFoundError:
        works = False
    if not works:
        pytest.skip("util-linux's `unshare --user` is missing, or not allowed here")
    return prefix


@pytest.mark.parametrize("options", [[], ["--mount"]], ids=["--user", "--user --mount"])
def test_where_a_thread_could_not_return_others_are_used(options: list[str]) -> None:
    done = python(FOREIGN, prefix=in_user_namespace(*options))
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["1 1", "True", "True", "1", "1", "setns EPERM True", "True"]


def test_names_need_mounts_that_belong_to_the_user_namespace() -> None:
    script = "from rawns import NetNS\ntry: NetNS.create('x')\nexcept OSError as error: print(error)\nprint(NetNS.list())"
    said, names = python(script, prefix=in_user_namespace()).stdout.splitlines()
    assert "(EPERM); this root's network or mounts belong to another user namespace: run inside `rawns rootless`" in said
    own = "mount -t tmpfs none /run && exec " + sys.executable
    done = subprocess.run(
        [*in_user_namespace("--mount"), "sh", "-c", f'{own} -m rawns ip netns add x && {own} -c "$0"', script],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "x" not in names and done.stderr == "", done.stderr


def test_ip_names_the_remedy_as_well() -> None:
    command = [*in_user_namespace(), sys.executable, "-m", "rawns", "ip", "netns", "add", "x"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.endswith('belong to another user namespace: run inside "rawns rootless"\n')


@pytest.mark.parametrize("command", ["demo", "lab run --quiet FILE -- true"], ids=["demo", "lab run"])
def test_commands_go_where_they_can_work(command: str, tmp_path: Path) -> None:
    file = tmp_path / "lab.json"
    file.write_text('{"name": "t-user", "hosts": {"a": {}, "b": {}}}')
    words = command.replace("--quiet ", "").replace("FILE", str(file)).split()
    done = subprocess.run(
        [*in_user_namespace(), sys.executable, "-m", "rawns", *words], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


# -- limits -----------------------------------------------------------------------------------------------------------

LIMIT = "a limit on processes and threads is reached"


@pytest.mark.parametrize(
    "what, said",
    [
        ("ns.call(print, 'called')", f"ThreadLimitError no thread can be started: {LIMIT}"),
        ("Pool(2)", f"ThreadLimitError no thread can be started: {LIMIT}"),
        ("syscalls.fork()", f"SyscallError fork(): Resource temporarily unavailable (EAGAIN); {LIMIT}"),
        ("ns.run(['true'], mounts=True)", f"ThreadLimitError no thread can be started: {LIMIT}"),
    ],
)
def test_no_more_processes_and_threads(what: str, said: str) -> None:
    """As another user, since the limit does not count for root."""
    if not os.access("/proc/self/uid_map", os.R_OK) or os.getuid() != 0:
        pytest.skip("needs root, to become a user to whom RLIMIT_NPROC applies")
    script = f"""
import os, resource, sys
from rawns import NetNS, Pool, RawnsError, syscalls
ns = NetNS.create()
import subprocess, threading
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
try:
    os.setgroups([])
    os.setresuid(54321, 54321, 54321)
except OSError:
    print("skip")
    sys.exit()
try:
    {what}
    print("nothing was raised")
except RawnsError as error:
    print(type(error).__name__, error)
"""
    done = python(script)
    if done.stdout == "skip\n":
        pytest.skip("this user namespace has one user only")
    assert done.stdout.startswith(said) and done.stderr == ""


@pytest.mark.parametrize("what", ["ns.run(['true'])", "ns.popen(['true'])"])
def test_a_command_that_cannot_be_forked(what: str) -> None:
    """strace lets the kernel refuse: a root to whom RLIMIT_NPROC applied could not enter a namespace."""
    if shutil.which("strace") is None:
        pytest.skip("there is no strace here")
    script = f"from rawns import NetNS, RawnsError\nns = NetNS.create()\ntry: {what}\nexcept RawnsError as error: print(error)"
    refuse = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=fork,vfork,clone,clone3:error=EAGAIN")
    done = python(script, prefix=refuse)
    if "ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.stderr == "" and done.stdout.startswith(f"fork(): Resource temporarily unavailable (EAGAIN); {LIMIT}")


def test_a_descriptor_too_few() -> None:
    """Whichever descriptor is the one too many, the error names the call and the limit, and nothing is left behind."""
    script = """
import os, resource, sys
from rawns import NetNS, RawnsError
soft = len(os.listdir("/proc/self/fd")) - 1
for more in range(1, 8):
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft + more - 1, 4096))
    before = len(os.listdir("/proc/self/fd")) if more > 1 else 0
    try:
        NetNS.create().close()
        print("created")
    except RawnsError as error:
        print(type(error).__name__, getattr(error, "call", ""), error.code, "ulimit -n" in str(error))
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    assert not before or len(os.listdir("/proc/self/fd")) == before
"""
    done = python(script)
    lines = done.stdout.splitlines()
    assert done.stderr == "" and lines[-1] == "created" and len(set(lines)) == 2
    assert lines[0] == "SyscallError open EMFILE True"


# -- without ctypes (Debian's python3-minimal) --------------------------------------------------------------------------


def without_ctypes(tmp_path: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "_ctypes.py").write_text("raise ModuleNotFoundError(\"No module named '_ctypes'\", name='_ctypes')\n")
    path = os.pathsep.join([str(tmp_path), str(PROJECT), *sys.path])
    return subprocess.run(
        [sys.executable, *argv], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=20
    )


@pytest.mark.parametrize("how", ["create()", "create('x')", "current().call(int)", "list()", "current().net.links()"])
def test_a_python_without_ctypes_says_which_package_is_missing(how: str, tmp_path: Path) -> None:
    script = f"from rawns import NetNS, RawnsError\ntry: print(type(NetNS.{how}))\nexcept RawnsError as error: print(error)"
    done = without_ctypes(tmp_path, "-c", script)
    assert done.stderr == "" and done.stdout.count("\n") == 1
    if how.startswith("list"):
        assert done.stdout == "<class 'list'>\n"
    else:
        assert "ctypes cannot be imported" in done.stdout and "libpython3-stdlib" in done.stdout
    assert not os.path.lexists("/run/netns/x")


@pytest.mark.parametrize("command", ["ip link", "ping -c 1 127.0.0.1"])
def test_what_needs_no_ctypes_works_without(command: str, tmp_path: Path) -> None:
    done = without_ctypes(tmp_path, "-m", "rawns", *command.split())
    assert done.stderr == "" and done.stdout


@pytest.mark.parametrize("command", ["demo", "ip netns add x", "why x y", "lab list"])
def test_commands_that_need_ctypes_say_so(command: str, tmp_path: Path) -> None:
    done = without_ctypes(tmp_path, "-m", "rawns", *command.split())
    assert "Traceback" not in done.stderr
    assert done.returncode == 0 or "ctypes cannot be imported" in done.stderr or "x" in command
